# A database of the last release, with addresses that are one by today's rules and others that would be refused, through
# ashlar migrate.  No user is merged, deleted or shut out.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Cluster;
use Ashlar::Previous;
use Ashlar::Process;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail);
use Unicode::Normalize qw(NFC NFD);

my $cluster = Ashlar::Cluster->shared;
my $name    = "email_keys_$$";
my $A       = '00000000-0000-7000-8000-000000000001';
my $auth    = '/api/v1/auth';

if (!Ashlar::Previous->tree) {
    fail 'the last release is there';
    done_testing;
    exit 1;
}
my $super = $cluster->connect('postgres');
$super->do("CREATE DATABASE $name OWNER ashlar");
$super->disconnect;
my $owner = $cluster->connect($name, 'ashlar');
Ashlar::Previous->apply($owner);
$owner->disconnect;
my $db = $cluster->connect($name);
my ($B) = $db->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});

# The hash of $PASSWORD, as the api makes it.
my ($hash, $other_hash) = map {
    my $to = $_;
    my $one = $cluster->clone;
    local %ENV = (%ENV, DATABASE_OWNER_URL => $cluster->url($one, 'ashlar'), DATABASE_URL => $cluster->url($one, 'ashlar_api'), Ashlar::Cluster::sanitizer_env('/tmp'));
    system("$Ashlar::Cluster::BUILD/ashlar user create --email a\@example.com --password $to >/dev/null 2>&1") == 0 or die "no user\n";
    my $in = $cluster->connect($one);
    my ($made) = $in->selectrow_array('SELECT password_hash FROM users');
    $in->disconnect;
    $cluster->drop($one);
    $made;
} $PASSWORD, 'Correct-Horse-8';

# A user as the last release made one: the address in lower case by lower(), and else as it came.
sub old_user ($id, $email, %more) {
    my %column = (tenant_id => $A, public_id => $id, email => $email, password_hash => $hash, %more);
    my @names = sort keys %column;
    $db->do(sprintf('INSERT INTO users (%s) VALUES (%s)', join(', ', @names), join ', ', ('?') x @names), undef, @column{@names});
    return;
}

my ($e, $o) = (NFC('josé@example.com'), NFC('zoë@example.com'));
my %was = (
    plain        => 'ada@example.com',
    alone        => NFD('éva@example.com'),    # one spelling only
    verified     => NFD($e),                    # of two that are one, this is proved
    claimed      => $e,
    late         => NFC($o),                    # neither is proved: this one signed in last
    early        => NFD($o),
    idn          => 'ann@bücher.example',
    idn_ascii    => 'ann@xn--bcher-kva.example',
    ligature     => "\x{fb01}n\@example.com",   # would be refused today
    elsewhere    => $e,                         # in another tenant
);
old_user($_, $was{$_}) for qw(plain alone idn ligature);
old_user(verified  => $was{verified}, is_email_verified => 1, last_login_at => '2026-01-01');
old_user(claimed   => $was{claimed}, last_login_at => '2026-02-01', password_hash => $other_hash);
old_user(early     => $was{early}, last_login_at => '2026-01-01', password_hash => $other_hash);
old_user(late      => $was{late}, last_login_at => '2026-01-02');
old_user(idn_ascii => $was{idn_ascii}, is_email_verified => 1, password_hash => $other_hash);
old_user(elsewhere => $was{elsewhere}, tenant_id => $B);
$db->do(q{INSERT INTO team_members (tenant_id, email, role, password_hash, joined_at, is_email_verified) VALUES (?, ?, 'owner', ?, now(), true), (?, ?, 'owner', ?, now(), false)},
    undef, $A, NFC('rené@team.example'), $hash, $B, NFD('rené@team.example'), $other_hash);
my $before = $db->selectall_arrayref('SELECT public_id, email, password_hash, updated_at FROM users ORDER BY public_id');
my $team   = $db->selectall_arrayref('SELECT id, tenant_id, email, password_hash FROM team_members ORDER BY id');

sub migrate () {
    my $log = "/tmp/email_keys.$$.log";
    my $run = Ashlar::Process->start(name => 'migrate', cmd => [ "$Ashlar::Cluster::BUILD/ashlar", 'migrate' ], log => $log,
        env => { DATABASE_OWNER_URL => $cluster->url($name, 'ashlar'), Ashlar::Cluster::sanitizer_env('/tmp') });
    my $status = $run->wait_for(120);
    my $text = Ashlar::Previous::slurp($log);
    unlink $log;
    return ($status, $text);
}

my %key_of = (
    plain => 'ada@example.com', alone => NFC('éva@example.com'), verified => $e, claimed => undef, late => $o, early => undef,
    idn => undef, idn_ascii => 'ann@xn--bcher-kva.example', ligature => undef, elsewhere => $e,
);

subtest 'migrate fills in keys' => sub {
    my ($status, $text) = migrate();
    is $status, 0, 'it works' or diag $text;
    is_deeply { map { @$_ } @{ $db->selectall_arrayref('SELECT public_id, email_key FROM users') } }, \%key_of, 'of addresses that are one the proved one has the key, else the one that signed in last';
    is_deeply $db->selectall_arrayref('SELECT public_id, email, password_hash, updated_at FROM users ORDER BY public_id'), $before, 'nothing else of the users is another';
    is_deeply $db->selectall_arrayref('SELECT id, tenant_id, email, password_hash FROM team_members ORDER BY id'), $team, 'nor of the teams';
    my @told = sort $text =~ /^((?:user|team member) .*)$/mg;
    is scalar @told, 4, 'four have none, and are listed';
    for ([ claimed => 'verified' ], [ early => 'late' ], [ idn => 'idn_ascii' ]) {
        my ($who, $holder) = @$_;
        ok scalar(grep { $_ eq "user $who (tenant default) keeps \"$was{$who}\" by exactly this spelling: it is the address of $holder, too" } @told), $who;
    }
    like $told[0], qr/^team member \S+ \(tenant b\) keeps .* it is the address of \S+, too \(tenant default\)$/, 'a team member, too';
    unlike $text, qr/user (?:ligature|plain|alone|verified|late) /, 'nobody else';
};

subtest 'and again, changes nothing' => sub {
    $db->do(q{UPDATE users SET last_login_at = now() WHERE public_id IN ('early', 'claimed')});
    my ($status, $text) = migrate();
    is $status, 0;
    is_deeply { map { @$_ } @{ $db->selectall_arrayref('SELECT public_id, email_key FROM users') } }, \%key_of, 'whoever has the key keeps it';
    is scalar(my @told = $text =~ /^(?:user|team member) /mg), 4, 'and the others are told again';
};

my $t   = Api->start(@BEHIND_PROXY, database => $name, ENVIRONMENT => 'development');
my $key = $t->key;
$t->keep_secret($PASSWORD, 'Correct-Horse-8');

# Who is in: the public id.
sub login ($email, $password, %arg) {
    my $res = from($t, undef, key => $key, %arg)->post("$auth/login", { email => $email, password => $password });
    return $res->json('/error/code') if $res->status != 200;
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    return $db->selectrow_array('SELECT public_id FROM users WHERE id = ?', undef, $res->json('/user/id'));
}

subtest 'everybody signs in by what they always typed' => sub {
    is login($was{$_}, $PASSWORD), $_, $_ for qw(plain alone verified late ligature);
    is login($was{$_}, 'Correct-Horse-8'), $_, $_ for qw(claimed early idn_ascii);
    is login($was{idn}, $PASSWORD), 'idn', 'idn';
    is login($was{claimed}, $PASSWORD), 'INVALID_CREDENTIALS', 'with their own password';
    is login(uc $was{claimed}, 'Correct-Horse-8'), 'claimed', 'in capitals, as before';
};

subtest 'and by other spellings whoever has the key' => sub {
    is login(NFC('Éva@Example.com'), $PASSWORD), 'alone', 'who was decomposed, composed';
    is login('ADA@EXAMPLE.COM', $PASSWORD), 'plain';
};

subtest 'a forgotten password of somebody without a key' => sub {
    for my $who (qw(claimed ligature)) {
        my $res = from($t, undef, key => $key)->post("$auth/forgot-password", { email => $was{$who} });
        status_is $res, 200, "$who asks";
        my $mail = ($t->mails)[-1];
        is $mail->{to}, $was{$who}, '  and gets the mail, at the address as it was';
        $t->keep_secret(values %{ $mail->{secrets} });
        my $new = "Correct-Horse-9$who";
        $t->keep_secret($new);
        status_is from($t, undef, key => $key)->post("$auth/reset-password", { email => $was{$who}, code => "$mail->{secrets}{code}", new_password => $new }), 200, '  whose code is good';
        is login($was{$who}, $new), $who, '  and is in';
    }
    is login($was{verified}, $PASSWORD), 'verified', 'the other one keeps the password';
};

subtest 'invitations reach them' => sub {
    my $boss = $t->user('boss', columns => { is_email_verified => 1 });
    my $org  = $t->organization($boss);
    my $res  = from($t, undef, key => $key, token => $boss->token)->post("/api/v1/organizations/$org/invite", { email => $was{early}, role => 'member' });
    status_is $res, 201, 'by their spelling';
    json_is $res, '/email', $was{early};
    my $token = (newest_mail($t, $was{early}))->{secrets}{token};
    $t->keep_secret($token);
    my $in = from($t, undef, key => $key)->post("$auth/login", { email => $was{early}, password => 'Correct-Horse-8' });
    $t->keep_secret(@{ $in->json }{qw(access_token refresh_token)});
    status_is from($t, undef, key => $key, token => $in->json('/access_token'))->post('/api/v1/organizations/accept-invitation', { token => $token }), 200, 'who accept';
};

subtest 'nobody registers what is taken' => sub {
    for my $email (values %was) {
        next if $email eq $was{ligature};
        error_is from($t, undef, key => $key)->post("$auth/register", { email => $email, password => $PASSWORD }), 409, 'CONFLICT', field => 'email';
    }
};

subtest 'the teams' => sub {
    for ([ NFC('rené@team.example'), $PASSWORD, $A ], [ NFD('rené@team.example'), 'Correct-Horse-8', $B ], [ NFD('RENÉ@team.example'), 'Correct-Horse-8', $B ]) {
        my ($email, $password, $tenant) = @$_;
        my $res = from($t)->post('/api/v1/tenant-auth/login', { email => $email, password => $password });
        status_is $res, 200, 'in' or next;
        json_is $res, '/tenant/id', $tenant, '  the right tenant';
        $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    }
};

$db->disconnect;
