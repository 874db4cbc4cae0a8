# Passkeys end to end: Chromium's virtual authenticator makes and uses them on a
# page, and npm's @simplewebauthn/server says of the same bytes what we say.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide 'blocks';
use Ashlar::Authenticator;
use Cpanel::JSON::XS qw(decode_json encode_json);
use MIME::Base64 'encode_base64url';

my $t    = Api->start;
my $base = '/api/v1/auth/passkeys';

# Chromium knows a certificate by the SHA-256 of its key.
my ($spki) = qx(openssl x509 -in $t->{dir}/cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64) =~ /(\S+)/;

# Tokens go through its pipes alone: none may be in a log.
pipe my $in, my $tasks or die "pipe: $!\n";
pipe my $seen, my $out or die "pipe: $!\n";
my $setting  = encode_json({ listen => "127.0.0.1:$t->{https_port}", spki => $spki, hosts => ['app.acme.example'] });
my $chromium = Ashlar::Process->start(cmd => [ 'node', 't/clients/passkeys.mjs', $setting ], env => { Ashlar::Answers::env() }, log => "$t->{dir}/passkeys.err", stdin => $in, stdout => $out);
close $_ or die "close: $!\n" for $in, $out;
$tasks->autoflush;

# What Chromium saw, or the library says; nothing when that process has ended.
sub client ($task) {
    print $tasks encode_json($task), "\n";
    my $said = readline $seen;
    return decode_json($said) if defined $said;
    diag do { open my $err, '<:raw', "$t->{dir}/passkeys.err" or die "passkeys.err: $!\n"; local $/ = undef; <$err> // '' };
    return;
}

END {
    my $status = $?;
    if ($chromium) {
        close $tasks;
        $chromium->wait_for(30);    # it closes the browser, which is in a group of its own
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

# The library makes a key of what is left of a coordinate.
my %stricter = ('registration: a byte too few' => 1);

# The pages on which it must work: our own host's, without a key, and a tenant's own domain.
my %page = (
    'our own page' => {
        page => "https://localhost:$t->{https_port}/",
        user => $t->user('ann'),
        rp   => 'localhost',
    },
    'a page on a tenant\'s own domain' => {
        page => 'https://app.acme.example/',
        user => $t->user('bob', tenant => 'acme'),
        key  => $t->key(type => 'public', tenant => 'acme', origins => ['https://app.acme.example']),
        rp   => 'app.acme.example',
    },
);

# The functions of the guide, with the address and the key that a reader puts in.
my ($functions) = grep { /\Aconst API/ } blocks($t->get('/passkeys.html')->body);
$page{'a page on a tenant\'s own domain'}{guide} =
    $functions =~ s{https://localhost:8443/}{https://app.acme.example/}r =~ s/pk_live_[^"]*/$page{'a page on a tenant\'s own domain'}{key}/r;

for my $name (sort keys %page) {
    my %arg  = %{ $page{$name} };
    my $user = $arg{user};
    subtest $name => sub {
        my $seen = client({ browse => { page => $arg{page}, key => $arg{key}, token => $user->token, guide => $arg{guide}, email => $user->email } });
        ok $seen, 'Chromium went through it' or return;

        is $seen->{added}{ours}{status}, 201, 'it makes a passkey' or diag explain $seen->{added};
        is $seen->{added}{ours}{body}{name}, 'Chromium', '  with the name that it was given';
        is $seen->{added}{options}{rp}{id}, $arg{rp}, '  bound to the page\'s domain';
        ok $seen->{added}{theirs}{ok}, '  and the library agrees' or diag explain $seen->{added}{theirs};
        like $seen->{again}, qr/InvalidStateError/, 'it makes no second one';

        for my $way (qw(signed_in signed_in_by_email)) {
            is $seen->{$way}{ours}{status}, 200, $way =~ /email/ ? 'it signs in when the address was told' : 'it signs in' or diag explain $seen->{$way};
            is $seen->{$way}{ours}{body}{user}{id}, $user->uuid, '  as its user';
            ok $seen->{$way}{theirs}{ok}, '  and the library agrees' or diag explain $seen->{$way}{theirs};
        }
        is $seen->{replayed}{status}, 400, 'the same answer again is not taken';
        is $seen->{renamed}{status}, 200, 'the token is good';
        is $seen->{renamed}{body}{name}, 'Renamed', '  for a new name';
        ok $seen->{renamed}{body}{last_used_at}, '  and the passkey says that it was used';

        cmp_ok scalar keys %{ $seen->{refused} }, '>=', 20, 'what is refused';
        for my $case (sort keys %{ $seen->{refused} }) {
            my ($ours, $theirs) = @{ $seen->{refused}{$case} }{qw(ours theirs)};
            like $ours->{status}, qr/^(?:400|401|403|422)$/, "$case: by us" or diag explain $ours;
            ok !$theirs->{ok} || $stricter{$case}, "$case: by the library" . (defined $theirs->{why} ? ": $theirs->{why}" : $stricter{$case} ? ', which is less strict' : '');
        }
        like $seen->{refused}{'authentication: a counter that does not grow'}{theirs}{why}, qr/counter/, 'the library names the counter, too';
        like $seen->{unknown}, qr/NotAllowedError/, 'the made-up passkey of an unknown address is nobody\'s';
        if ($arg{guide}) {
            is $seen->{guide}{added}{name},        'As the guide says', 'the guide\'s function adds a passkey';
            is $seen->{guide}{tokens}{user}{id},   $user->uuid,         '  and the other one signs in with it';
            $t->db->do('DELETE FROM passkeys WHERE id = ?', undef, $seen->{guide}{added}{id});
        }
        is $seen->{removed}{status}, 200, 'it is removed';
        is scalar $t->db->selectrow_array('SELECT count(*) FROM passkeys WHERE user_id = ?', undef, $user->uuid), 0, '  and nothing else was kept';
        is $seen->{after}{status}, 401, '  and signs in no more, although the device still has it';
    };
}

# Chromium's authenticator has ES256 only.
subtest 'the library takes what ours makes, of both algorithms, and so do we' => sub {
    my $page   = 'https://app.example.com';
    my $key    = $t->key(type => 'public', origins => [$page]);
    my $carl   = $t->user('carl')->with(key => $key, origin => $page);
    my $guest  = $t->client(key => $key, origin => $page);
    my %common = (origin => $page, rp_id => 'app.example.com');
    for my $alg (-7, -257) {
        my $device  = Ashlar::Authenticator->new(origin => $page, alg => $alg);
        my $options = $carl->post("$base/registration/options")->json;
        my $made    = $device->create($options);
        my ($theirs) = @{ client([ { %common, response => $made, challenge => $options->{challenge} } ]) // [ {} ] };
        status_is $carl->post("$base/registration", { credential => $made }), 201, "$alg: a registration, by us";
        ok $theirs->{ok}, '  and by the library' or diag explain $theirs;

        my $request = $guest->post("$base/authentication/options", {})->json;
        my $good    = $device->get($request);
        my %case    = (response => $good, challenge => $request->{challenge}, credential => $theirs->{credential}, %common);
        my $unseen  = $device->get($request, flags => 0x04);
        my $stolen  = $device->get($request, signature => sub ($s) { substr($s, 0, -1) . chr(ord(substr $s, -1) ^ 1) });
        my @verdicts = @{ client([ \%case, { %case, response => $unseen }, { %case, response => $stolen } ]) // [] };
        is_deeply [ map { $_->{ok} ? 1 : 0 } @verdicts ], [ 1, 0, 0 ], "$alg: the library takes a sign-in, but not without the user, nor a changed signature" or diag explain \@verdicts;
        status_is $guest->post("$base/authentication", { credential => $good }), 200, '  and so do we';
        for my $bad (sub ($o) { $device->get($o, flags => 0x04) }, sub ($o) { $device->get($o, signature => sub ($s) { substr($s, 0, -1) . chr(ord(substr $s, -1) ^ 1) }) }) {
            error_is $guest->post("$base/authentication", { credential => $bad->($guest->post("$base/authentication/options", {})->json) }), 401, 'INVALID_CREDENTIALS';
        }
    }
};
