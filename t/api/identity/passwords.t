# A password is its characters, however a keyboard spells them: é is one character
# or a letter and an accent, and both open the same account.  What a password may
# be otherwise is in auth_register.t.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant newest_mail);
use Cpanel::JSON::XS 'decode_json';
use Encode 'encode_utf8';
use MIME::Base64 qw(decode_base64 encode_base64);

my $t    = Api->start(@BEHIND_PROXY);
my $auth = '/api/v1/auth';
my $team = '/api/v1/tenant-auth';

my $NFC    = "Café-Noir-7";
my $NFD    = "Cafe\x{301}-Noir-7";
my $NEXT   = "Thé-Vert-88";
my $NEXT_D = "The\x{301}-Vert-88";
$t->keep_secret(map { encode_utf8($_) } $NFC, $NFD, $NEXT, $NEXT_D);

sub forgive () { $t->db->do('DELETE FROM rate_limits'); return }

sub register ($email, $password) { return from($t)->post("$auth/register", { email => $email, password => $password }) }
sub login ($email, $password)    { return from($t)->post("$auth/login", { email => $email, password => $password }) }
sub team_login ($email, $password) { return from($t)->post("$team/login", { email => $email, password => $password }) }

sub as ($res) { return $t->client(token => $res->json('/access_token')) }

sub hash_of ($email, $table = 'users') { return scalar $t->db->selectrow_array("SELECT password_hash FROM $table WHERE email = ?", undef, $email) }

# What openssl, which says what is right, makes of a password: the bytes as they came, as releases before have hashed it.
# With the costs that t/lib/quick_scrypt.c has inside, where it is preloaded, or those that the hash names.
sub hashed ($password, $salt, %cost) {
    open my $kdf, '-|', qw(openssl kdf -keylen 32 -binary), map({ (-kdfopt => $_) } 'hexpass:' . unpack('H*', encode_utf8($password)), 'hexsalt:' . unpack('H*', $salt),
        "n:$cost{n}", 'r:8', "p:$cost{p}", 'maxmem_bytes:67108864'), 'SCRYPT' or die "openssl: $!\n";
    binmode $kdf;
    my $hash = do { local $/ = undef; readline $kdf };
    close $kdf or die "openssl kdf failed\n";
    die "openssl kdf printed " . length($hash) . " bytes\n" if length $hash != 32;
    return join '$', '$scrypt$ln=14,r=8,p=5', map { encode_base64($_, '') =~ s/=+\z//r } $salt, $hash;
}

my @real  = (n => 16384, p => 5);
my @quick = $t->counts_hashes ? (n => 16, p => 1) : @real;
sub made_before ($password, %cost) { return hashed($password, 'sixteen bytes 16', @quick, %cost) }

subtest 'registered in one spelling, signed in with the other' => sub {
    error_is register('long@example.com', 'Ada9' . "e\x{301}" x 125), 422, 'VALIDATION_ERROR', field => 'password', name => '129 characters';
    status_is register('ann@example.com', $NFD), 201, 'decomposed';
    status_is register('bob@example.com', $NFC), 201, 'composed';
    error_is login('ann@example.com', 'Cafe-Noir-7'), 401, 'INVALID_CREDENTIALS', name => 'without its accent it is another';
    my %before = map { $_ => hash_of($_) } qw(ann@example.com bob@example.com);
    for my $email (sort keys %before) {
        status_is login($email, $_), 200, $email for $NFC, $NFD;
        is hash_of($email), $before{$email}, '  and its hash stays';
    }
};

subtest 'changed and reset' => sub {
    my $change = sub ($from, $to) {
        forgive();
        my $ann = as(login('ann@example.com', $from));
        return $ann->post("$auth/change-password", { current_password => $from, new_password => $to });
    };
    error_is $change->($NFC, 'Aa9' . "e\x{301}" x 4), 422, 'VALIDATION_ERROR', field => 'new_password', name => 'seven characters';
    status_is $change->($NFC, $NEXT_D), 200, 'the current one composed, the new one decomposed';
    status_is login('ann@example.com', $NEXT), 200, '  which signs in composed';
    status_is $change->($NEXT_D, $NFC), 200, 'the other way';
    status_is login('ann@example.com', $NFD), 200, '  which signs in decomposed';

    from($t)->post("$auth/forgot-password", { email => 'ann@example.com' });
    my $token = newest_mail($t, 'ann@example.com')->{secrets}{token};
    error_is from($t)->post("$auth/reset-password", { token => $token, new_password => 'Ada9' . 'x' x 125 }), 422, 'VALIDATION_ERROR', field => 'new_password';
    status_is from($t)->post("$auth/reset-password", { token => $token, new_password => $NEXT_D }), 200, 'reset decomposed';
    status_is login('ann@example.com', $NEXT), 200, '  which signs in composed';
};

subtest 'a hash that was made of what was typed' => sub {
    my $old = made_before($NFD);
    $t->db->do('UPDATE users SET password_hash = ? WHERE email = ?', undef, $old, 'bob@example.com');
    error_is login('bob@example.com', $NFC), 401, 'INVALID_CREDENTIALS', name => 'is not what the other keyboard types';
    is hash_of('bob@example.com'), $old, '  and stays';
    error_is login('bob@example.com', "Wrong-Cafe\x{301}-7"), 401, 'INVALID_CREDENTIALS', name => 'nor a wrong one';
    status_is login('bob@example.com', $NFD), 200, 'typed as it was then it signs in';
    my $new = hash_of('bob@example.com');
    isnt $new, $old, '  and is replaced';
    status_is login('bob@example.com', $NFC), 200, 'so that the other keyboard signs in';
    is hash_of('bob@example.com'), $new, '  and nothing is replaced again';

    my $ascii = made_before($PASSWORD);
    $t->db->do('UPDATE users SET password_hash = ? WHERE email = ?', undef, $ascii, 'bob@example.com');
    status_is login('bob@example.com', $PASSWORD), 200, 'one of ASCII signs in';
    is hash_of('bob@example.com'), $ascii, '  and stays as it was';

    my $bob = as(login('bob@example.com', $PASSWORD));
    $t->db->do('UPDATE users SET password_hash = ? WHERE email = ?', undef, made_before($NFD), 'bob@example.com');
    error_is $bob->post("$auth/change-password", { current_password => $NFC, new_password => $NEXT }), 400, 'BAD_REQUEST', field => 'current_password';
    status_is $bob->post("$auth/change-password", { current_password => $NFD, new_password => $NEXT }), 200, 'to be changed it is typed as it was, too';
    status_is login('bob@example.com', $NEXT_D), 200;
};

subtest 'at its full cost, the hash is openssl\'s' => sub {
    delete local $ENV{LD_PRELOAD};
    my $full  = Api->start(@BEHIND_PROXY, slow => 0);
    my $stored = sub () { return scalar $full->db->selectrow_array('SELECT password_hash FROM users') };
    my $login  = sub ($password) { return from($full)->post("$auth/login", { email => 'full@example.com', password => $password }) };
    status_is from($full)->post("$auth/register", { email => 'full@example.com', password => $NFD }), 201;
    my ($salt) = $stored->() =~ /\A\$scrypt\$ln=14,r=8,p=5\$([^\$]{22})\$/;
    is $stored->(), hashed($NFC, decode_base64("$salt=="), @real), 'what is made now is of the composed password';
    $full->db->do('UPDATE users SET password_hash = ?', undef, made_before($NFD, @real));
    error_is $login->($NFC), 401, 'INVALID_CREDENTIALS', name => 'what was made of what was typed is not what the other keyboard types';
    status_is $login->($NFD), 200, '  but that';
    isnt $stored->(), made_before($NFD, @real), '  and is replaced';
};

subtest 'a password that waits for its mail' => sub {
    set_tenant($t, undef, email_verification_required => 1);
    status_is register('eve@example.com', $NFD), 201;
    status_is from($t)->post("$auth/verify-email", { token => newest_mail($t, 'eve@example.com')->{secrets}{token} }), 200;
    status_is login('eve@example.com', $NFC), 200, 'is the same in both spellings';
    set_tenant($t, undef, email_verification_required => 0);
};

subtest 'characters are counted' => sub {
    my $key = "\x{1f511}";
    my $n   = 0;
    for (
        [ 201, 'Ada9' . $key x 124,                   '128 characters, four bytes nearly all' ],
        [ 201, "Ad9x" . "e\x{302}\x{301}" x 124,      '128 characters, more than 512 bytes until they are composed' ],
        [ 201, 'Abc123é7',                            'eight characters' ],
        [ 422, 'Ada9' . $key x 125,                   '129 characters' ],
        [ 422, 'Ada9' . 'x' x 125,                    '129 characters, a byte each' ],
        [ 422, 'Ada9' . $key x 127 . 'x',             '513 bytes' ],
        [ 422, "Ada9" . "\x{fb2c}" x 42,              'more than 128 when NFC has taken them apart' ],
        [ 422, 'Abc123é',                             'seven characters, eight bytes' ],
        [ 422, "Abc123e\x{301}",                      'seven characters, eight until they are composed' ],
        [ 422, 'x' x 100_000,                         'far too many' ],
    ) {
        my ($status, $password, $name) = @$_;
        my $email = 'many' . ++$n . '@example.com';
        my $res   = register($email, $password);
        status_is $res, $status, $name;
        status_is login($email, $password), 200, '  and signs in' if $status == 201;
        error_is $res, 422, 'VALIDATION_ERROR', field => 'password', message => qr/\Apassword must be a string of 8 to 128 characters\z/, name => '  says what is expected' if $status == 422;
    }
    my %seen;
    my $walk = sub ($walk, $node) {
        if (ref $node eq 'HASH') {
            for my $name (grep { ref $node->{$_} eq 'HASH' && defined $node->{$_}{minLength} } qw(password new_password)) {
                $seen{$name}{"$node->{$name}{minLength}-$node->{$name}{maxLength}"}++;
            }
        }
        $walk->($walk, $_) for ref $node eq 'HASH' ? values %$node : ref $node eq 'ARRAY' ? @$node : ();
    };
    $walk->($walk, decode_json(scalar qx($Ashlar::Cluster::BUILD/ashlar openapi)));
    is_deeply { map { $_ => [ keys %{ $seen{$_} } ] } keys %seen }, { new_password => ['8-128'], password => ['8-128'] }, 'and the reference says so';
};

subtest 'what is common, or the address, is so in any spelling' => sub {
    error_is register("rene\x{301}.descartes\@example.com", "Ren\x{e9}.Descartes1"), 422, 'VALIDATION_ERROR', field => 'password', name => 'the address itself';
    status_is register('rene@example.com', "Ren\x{e9}.Descartes1"), 201, 'another\'s is fine';
    status_is from($t)->request(POST => "$auth/login", raw => qq({"email":"ann\@example.com","password":"Caf\xe9-Noir-7"})), 400, 'what is not UTF-8 is refused, as everywhere';
};

subtest 'the team of a dashboard' => sub {
    my $res = from($t)->post("$team/register", { email => 'owner@example.com', password => $NFD, tenant_name => 'Acme Dash' });
    status_is $res, 201;
    status_is team_login('owner@example.com', $_), 200, 'both spellings log in' for $NFC, $NFD;
    error_is from($t)->post("$team/register", { email => 'o2@example.com', password => 'Ada9' . 'é' x 125, tenant_name => 'x' }), 422, 'VALIDATION_ERROR', field => 'password';

    my $old = made_before($NFD);
    $t->db->do('UPDATE team_members SET password_hash = ? WHERE email = ?', undef, $old, 'owner@example.com');
    error_is team_login('owner@example.com', $NFC), 401, 'INVALID_CREDENTIALS', name => 'an old hash is of what was typed';
    status_is team_login('owner@example.com', $NFD), 200, '  as which it logs in';
    isnt hash_of('owner@example.com', 'team_members'), $old, '  and is replaced';
    my $owner = team_login('owner@example.com', $NFC);
    status_is $owner, 200, '  so that both do';

    status_is as($owner)->post("$team/change-password", { current_password => $NFD, new_password => $NEXT_D }), 200, 'changed';
    $owner = team_login('owner@example.com', $NEXT);
    status_is $owner, 200;

    status_is as($owner)->post('/api/v1/dashboard/team/invitations', { email => 'joe@example.com', role => 'admin' }), 201;
    my ($mail) = grep { $_->{to} eq 'joe@example.com' } $t->mails;
    status_is from($t)->post("$team/accept-invitation", { token => $mail->{secrets}{token}, password => $NFD }), 201, 'an invitation accepted';
    status_is team_login('joe@example.com', $NFC), 200;

    from($t)->post("$team/forgot-password", { email => 'joe@example.com' });
    my $token = newest_mail($t, 'joe@example.com')->{secrets}{token};
    status_is from($t)->post("$team/reset-password", { token => $token, new_password => $NEXT_D }), 200, 'reset';
    status_is team_login('joe@example.com', $NEXT), 200;
};
