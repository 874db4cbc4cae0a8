# The offline commands: check-config, key, mails, tenant, token, user, version, and how all are called.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Process;
use Ashlar::Token qw(parts);
use Cpanel::JSON::XS qw(decode_json);
use Digest::SHA qw(sha256_hex);
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $tmp     = File::Temp->newdir;
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my $said_where;    # did the command say which database it means?
my $SECRET  = 'a secret of commands.t, of 32 bytes or more';
my %env     = (
    DATABASE_URL       => $cluster->url($name, 'ashlar_api'),
    DATABASE_OWNER_URL => $cluster->url($name, 'ashlar'),
    JWT_SECRET         => $SECRET,
    Ashlar::Cluster::sanitizer_env("$tmp"),
    LD_PRELOAD         => $ENV{LD_PRELOAD} // '',    # passwords are hashed quickly (Ashlar::Process)
);

# What a command that writes says first.
my $WRITES = qr{ashlar: database "\Q$name\E" on \Q$cluster->{dir}\E, port \d+, as ashlar \(settings: environment\)\n};
my $ACTOR  = 'cli:' . getpwuid $<;

# Run ashlar, perhaps with a file as its input: exit status, stdout, stderr.  What a command says of the database that it writes to is looked at and taken away.
sub ashlar (@args) {
    my %with = ref $args[-1] ? %{ pop @args } : ();
    my @cmd = map { quotemeta } "$Ashlar::Cluster::BUILD/ashlar", @args;
    my $from = delete $with{input} // '/dev/null';
    local %ENV = (PATH => $ENV{PATH}, %env, %with);
    my $out = qx(exec @cmd 2>$tmp/stderr <$from);    # exec: a shell less
    my $status = $? >> 8;
    open my $in, '<', "$tmp/stderr" or die $!;
    local $/ = undef;
    my $err = <$in> // '';
    $said_where = $err =~ s/\A$WRITES//;
    return ($status, $out, $err);
}

# What the log has of the last things that were done.
sub noted ($n = 1) {
    return $super->selectall_arrayref(
        "SELECT action, actor_id, actor_type FROM (SELECT * FROM audit_events ORDER BY created_at DESC, seq DESC LIMIT $n) e ORDER BY created_at, seq");
}

subtest 'how it is called' => sub {
    my ($status, $out, $err) = ashlar();
    is "$status|$out", '2|', 'without a command';
    like $err, qr/usage: ashlar COMMAND/, 'it says how';
    ($status, $out) = ashlar('--help');
    is $status, 0, '--help';
    my @commands = $out =~ /^  ([a-z-]+) /mg;
    is "@commands", 'api audit backup billing check-config completion host key listen login logout mails mcp migrate openapi realtime restore routes sdk seed tenant token user version worker', 'lists the commands';
    for my $command (@commands) {
        ($status, $out, $err) = ashlar($command, '--help');
        is $status, 0, "$command --help";
        like $out, qr/\Ausage: ashlar $command\b.*--help/s, 'prints the usage';
        is $err, '', 'and nothing else';
        ($status, $out, $err) = ashlar($command, '--no-such-option');
        is $status, 2, "$command --no-such-option";
        like $err, qr/\Aashlar $command: unknown option "--no-such-option"\nusage: ashlar $command/, 'says so';
        ($status, $out, $err) = ashlar($command, 'one', 'two');
        is $status, 2, "$command one two";
    }
    ($status, $out, $err) = ashlar('nope');
    is $status, 2, 'an unknown command';
    like $err, qr/there is no command "nope"/, 'is named';
    ($status, $out, $err) = ashlar('token', '--user');
    is $status, 2, 'an option without its argument';
    like $err, qr/--user needs an argument: EMAIL/, 'says which';
    ($status, $out, $err) = ashlar('migrate', '--status=x');
    is $status, 2, 'an argument for a flag';
    is +(ashlar('version'))[1] =~ /\Aashlar \d+\.\d+\.\d+\n\z/, 1, 'version';
    is +(ashlar('--version'))[1], +(ashlar('version'))[1], '--version is the same';
};

subtest 'mails' => sub {
    # {"link":"https://a.example/?token=T","token":"T","code":"012345"} for the default tenant, under $SECRET
    my $sealed = 'v1.0.eCMnFXC7GjybNu4OCvcFu1bBxTSmDRrsMADcZRt_l5ImbAF0cWZC_0m9HJg3MJZxlu9BvoKlPt9oXCcBKoxyaCF9uuH14Aa8w_I2qUwC_3E-1G_c8ay-aQt4XIRb';
    my $insert = sub ($to, $seal, %row) {
        $super->do('INSERT INTO jobs (tenant_id, kind, state, payload, created_at) VALUES (?, ?, ?, ?, now() + ?::interval)',
            undef, $TENANT, $row{kind} // 'mail', $row{state} // 'queued',
            qq({"template":"verify_email","to":"$to","locale":"en","sealed":"$seal"}), $row{at} // '0 s');
    };
    $insert->('ann@example.com', $sealed, at => '2 s', state => 'running');
    $insert->('bob@example.com', $sealed, at => '1 s', state => 'scheduled');    # sent in vain, and to be sent again
    $insert->('decoy@example.com', $sealed, kind  => 'mail.decoy');
    $insert->('sent@example.com',  $sealed, state => 'completed');
    my ($status, $out, $err) = ashlar('mails');
    is "$status|$err", '0|', 'are printed';
    my @mails = map { decode_json($_) } split /\n/, $out;
    is_deeply [ map { $_->{to} } @mails ], [ 'bob@example.com', 'ann@example.com' ], 'those that wait, the oldest first';
    is_deeply $mails[1]{secrets}, { link => 'https://a.example/?token=T', token => 'T', code => '012345' }, 'with what was sealed';
    is_deeply [ @{ $mails[1] }{qw(tenant template locale)}, !!$mails[1]{is_test} ], [ 'default', 'verify_email', 'en', !!0 ], 'and what was not';
    unlike $out, qr/sealed/, 'opened';
    (undef, $out) = ashlar('mails', '--to', 'ANN@example.com', '--tenant', 'default');
    is_deeply [ map { decode_json($_)->{to} } split /\n/, $out ], ['ann@example.com'], 'of one address';
    $insert->("jos\x{e9}\@example.com", $sealed, state => 'completed');
    (undef, $out) = ashlar('mails', '--all', '--to', "JOSE\xcc\x81\@example.com");
    is_deeply [ map { decode_json($_)->{to} } split /\n/, $out ], ["jos\x{e9}\@example.com"], '  spelled otherwise';
    $super->do(qq{DELETE FROM jobs WHERE payload ->> 'to' = 'jos\x{e9}\@example.com'});
    (undef, $out) = ashlar('mails', '--limit', 1);
    is_deeply [ map { decode_json($_)->{to} } split /\n/, $out ], ['ann@example.com'], 'the newest of them';
    is +(ashlar('mails', '--limit', 0))[0], 2, 'not fewer than one';
    ($status, undef, $err) = ashlar('mails', '--tenant', 'nobody');
    is $status, 1, 'another tenant';
    like $err, qr/no tenant "nobody"/, 'is not there';
    ($status, $out, $err) = ashlar('mails', { JWT_SECRET => 'another secret, of 32 bytes or more' });
    is $status, 1, 'under another secret';
    like $err, qr/2 of 2 could not be opened/, 'nothing opens';
    unlike $out, qr/012345/, 'and nothing is shown';

    (undef, $out) = ashlar('mails', '--all');
    is_deeply [ map { my $m = decode_json($_); "$m->{n} $m->{to} $m->{state}" } split /\n/, $out ],
        [ '3 sent@example.com sent', '2 bob@example.com waits', '1 ann@example.com waits' ], '--all: also those that were sent, each with its number';
    ok !$said_where, 'what only looks does not say where';

    ($status, $out, $err) = ashlar('mails', 'show', 1);
    is "$status|$err", '0|', 'show';
    like $out, qr{\ADate: \S+\nFrom: Default\nTo: ann\@example\.com\nSubject: Confirm your e-mail address\n\nHello,\n}, 'the newest, as it is read';
    like $out, qr{^https://a\.example/\?token=T$}m, 'its link on a line of its own';
    like $out, qr{^    012345$}m, 'and its code';
    is +(ashlar('mails', 'show', decode_json((split /\n/, (ashlar('mails'))[1])[1])->{id}))[1], $out, 'by its id';
    like +(ashlar('mails', 'show', '1', '--to', 'bob@example.com'))[1], qr/^To: bob\@example\.com$/m, 'the newest to somebody';
    ($status, $out, $err) = ashlar('mails', 'show', 3);
    is "$status|$out|$err", "1||ashlar: it is sent, and what it said was not kept\n", 'of one that was sent there is nothing';
    is +(ashlar('mails', 'show', 4))[0], 1, 'one that is not there';
    is +(ashlar('mails', 'show', @$_))[0], 2, "show @$_" for [], [0], [-1], ['x'], [ 1, 2 ], ["1'"];

    # One that was sent into MAIL_DIR, as the worker writes it.
    my ($id) = $super->selectrow_array(q{SELECT id FROM jobs WHERE state = 'completed'});
    mkdir "$tmp/kept";
    open my $eml, '>', "$tmp/kept/20270115T080000Z-verify_email-$id.eml" or die $!;
    print {$eml} "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nFrom: =?UTF-8?B?QWNtw6k=?=\r\n <no-reply\@acme.example>\r\nTo: <sent\@example.com>\r\n"
        . "Subject: =?UTF-8?B?w5w=?=\r\n =?UTF-8?B?YmVy?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"=_x\"\r\n\r\n"
        . "--=_x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        . "Gr=C3=BC=C3=9Fe. Confirm: https://a.example/verify?token=3Dabc=\r\ndef. Bye.\r\n\r\n--=_x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>no</p>\r\n--=_x--\r\n";
    close $eml or die $!;
    ($status, $out) = ashlar('mails', 'show', 3, { MAIL_DIR => "$tmp/kept" });
    is $out, "Date: Fri, 15 Jan 2027 08:00:00 +0000\nFrom: Acm\xc3\xa9 <no-reply\@acme.example>\nTo: <sent\@example.com>\nSubject: \xc3\x9cber\n\n"
        . "Gr\xc3\xbc\xc3\x9fe. Confirm: \nhttps://a.example/verify?token=abcdef.\n Bye.\n", 'unless its file is kept, which is decoded';
    $super->do('DELETE FROM jobs');
};

subtest 'check-config' => sub {
    my ($status, $out, $err) = ashlar('check-config', { MAIL_URL => 'smtp://localhost', MAIL_FROM => 'a@example.com' });
    is "$status|$err", '0|', 'all is well';
    like +(ashlar('check-config'))[2], qr/\Awarning: MAIL_URL: is not set, and neither is MAIL_DIR: .*\n\z/, 'but for mails that go nowhere';
    mkdir "$tmp/$_" for qw(templates templates/de);
    open my $template, '>', "$tmp/templates/de/invitation.txt" or die $!;
    print {$template} "subject: {{nobody}}\n\nx" or die $!;
    close $template or die $!;
    like +(ashlar('check-config', { MAIL_TEMPLATES => "$tmp/templates" }))[2], qr{template de/invitation\.txt: line 1: there is no \{\{nobody\}\}.*1 mistake}s, 'an operator\'s mail templates are looked at';
    (undef, undef, $err) = ashlar('check-config', { MAIL_URL => 'smtp://localhost', MAIL_FROM => 'a@example.com', map { $_ => 'x' } qw(JWT_SECRT RATE_LIMIT_DEFALUT XLOG_LEVEL PUBLICURL MAIL_URLS SHM_FILEX JWT_TOKEN HOMES) });
    is join('', sort $err =~ /^(.*\n)/mg), join('', map { "warning: $_\n" } sort 'JWT_SECRT: is no setting, and does nothing; JWT_SECRET is one', 'MAIL_URLS: is no setting, and does nothing; MAIL_URL is one',
        'PUBLICURL: is no setting, and does nothing; PUBLIC_URL is one', 'RATE_LIMIT_DEFALUT: is no setting, and does nothing; RATE_LIMIT_DEFAULT is one',
        'SHM_FILEX: is no setting, and does nothing; SHM_FILE is one', 'XLOG_LEVEL: is no setting, and does nothing; LOG_LEVEL is one'), 'what is one letter off is named';
    is +(ashlar('check-config', { MAIL_DIR => "$tmp" }))[0], 0, 'MAIL_DIR, when it is there';
    like +(ashlar('check-config', { MAIL_DIR => "$tmp" }))[2], qr/^warning: MAIL_DIR: under systemd the worker .*ReadWritePaths=/m, '  and that the service needs more than that';
    unlike +(ashlar('check-config', { MAIL_DIR => "$tmp", ENVIRONMENT => 'development' }))[2], qr/systemd/, '  but in development';
    is +(ashlar('check-config', { MAIL_DIR => "$tmp/a/b" }))[0], 1, '  not when the worker could not make it';
    like +(ashlar('check-config', { MAIL_DIR => "$tmp/stderr" }))[2], qr{^MAIL_DIR: mails cannot be kept in "$tmp/stderr": $tmp/stderr: Not a directory$}m, '  nor when it is none';
    is +(ashlar('check-config', { MAIL_DIR => "$tmp/a/b", MAIL_URL => 'smtp://localhost', MAIL_FROM => 'a@example.com' }))[0], 0, '  which matters without MAIL_URL alone';
    unlike $out, qr/\Q$SECRET\E|ashlar_api/, 'secrets are masked';
    open my $in, '<', 'lib/host/config.def' or die $!;
    my @declared = map { /^[A-Z]+\(\w+, "(\w+)"/ ? $1 : () } <$in>;
    is_deeply [ $out =~ /^(\w+)=/mg ], \@declared, 'every setting is there, in the order of the table';
    ($status, $out, $err) = ashlar('check-config', { JWT_SECRET => 'short', LOG_LEVEL => 'loud' });
    is $status, 1, 'two mistakes';
    like $err, qr/LOG_LEVEL: .*JWT_SECRET: .*the configuration has 2 mistakes/s, 'are both explained';
    unlike $err, qr/short/, 'but for the secret';
    is +(ashlar('api', '--socket', "$tmp/socket", { LOG_LEVEL => 'loud' }))[0], 1, 'nothing is served with a mistake';
};

subtest 'seed --scale' => sub {
    my $counts = sub { return join ' ', map { scalar $super->selectrow_array("SELECT count(*) FROM $_") } qw(users organizations departments memberships) };
    is +(ashlar(qw(seed --scale 200)))[0], 0, 'many rows';
    is $counts->(), '200 20 20 219', 'ten members for each organization, and one user in many';
    is +(ashlar(qw(seed --scale 200)))[0], 0, 'again';
    is $counts->(), '200 20 20 219', 'adds nothing';
    is_deeply $super->selectall_arrayref('SELECT role, count(*) FROM memberships GROUP BY role ORDER BY role'),
        [ [ admin => 20 ], [ developer => 19 ], [ member => 160 ], [ owner => 20 ] ], 'each has its owner';
    is +(ashlar(qw(seed --scale 9)))[0], 2, 'too few';
    is +(ashlar(qw(seed --workspaces 999)))[0], 2, '  of a workspace, too';
    is +(ashlar(qw(seed --workspaces 1000 --scale 20)))[0], 2, 'one of them';
    $super->do("DELETE FROM $_") for qw(memberships departments organizations users);
};

subtest 'seed --usage' => sub {
    my $sums = sub { return join ' ', $super->selectrow_array('SELECT count(*), sum(count), count(DISTINCT day), count(DISTINCT user_id) FROM usage_daily') };
    is +(ashlar(qw(seed --usage 200000)))[0], 0, 'what many users used';
    is $sums->(), '20000 200000 2 1000', 'sums of as many events, over the last days';
    is +(ashlar(qw(seed --usage 200000)))[0], 0, 'again';
    is $sums->(), '20000 200000 2 1000', 'adds nothing';
    is +(ashlar(qw(seed --usage 0)))[0], 2, 'too few';
    is +(ashlar(qw(seed --usage 1000 --scale 10)))[0], 2, 'one of both';
    $super->do("DELETE FROM $_") for qw(usage_daily memberships departments organizations users);
};

subtest 'user create' => sub {
    my ($status, $out, $err) = ashlar(qw(user create --email Ann@Example.com --role admin --name), 'Ann A.');
    is $status, 0, 'creates' or diag $err;
    like $out, qr/\Auser_[0-9a-f]{32}\n\z/, 'and prints the id';
    my $row = $super->selectrow_hashref('SELECT * FROM users WHERE public_id = ?', undef, $out =~ s/\n//r);
    is "$row->{tenant_id} $row->{email} $row->{role} $row->{full_name}", "$TENANT ann\@example.com admin Ann A.", 'as asked';
    ok $said_where, 'says on stderr which database it means';
    is_deeply noted(), [ [ 'user.create', $ACTOR, 'system' ] ], 'and is put down, with who did it';
    ($status, $out, $err) = ashlar(qw(user create --email ann@example.com));
    is "$status|$err", "1|ashlar: there is a user ann\@example.com already\n", 'an address is taken once';
    ($status, $out, $err) = ashlar(qw(user create --email), "JOSE\xcc\x81\@B\xc3\xbccher.example");
    is $status, 0, 'an address in other letters' or diag $err;
    is $super->selectrow_array(q{SELECT email || ' ' || email_key FROM users WHERE public_id = ?}, undef, $out =~ s/\n//r), join(' ', ("jos\x{e9}\@xn--bcher-kva.example") x 2), '  as it is kept';
    is +(ashlar(qw(user create --email), "jos\xc3\xa9\@xn--bcher-kva.example"))[0], 1, '  and taken';
    is +(ashlar(qw(user deactivate --email), "Jos\xc3\xa9\@B\xc3\xbccher.example"))[0], 0, '  and found';
    ($status, undef, $err) = ashlar(qw(user create --email), "\xef\xac\x81n\@example.com");
    is $status, 2, 'a character that stands for others';
    like $err, qr/U\+FB01/, '  which is named';
    is +(ashlar(qw(user create --role user)))[0], 2, '--email is needed';
    is +(ashlar(qw(user create --email x@example.com --role king)))[0], 2, 'a role that is none';
    is +(ashlar(qw(user delete --email x@example.com)))[0], 2, 'a verb that is none';
    is +(ashlar(qw(user create --email nonsense)))[0], 2, 'an address that is none';
    is +(ashlar(qw(user create --email x@example.com --tenant nowhere)))[0], 1, 'a tenant that is none';
    $super->do(q{INSERT INTO tenants (slug, name) VALUES ('other', 'Other')});
    is +(ashlar(qw(user create --email ann@example.com --tenant other)))[0], 0, 'the address is free in another tenant';
};

subtest 'user password' => sub {
    my $hash = sub ($email) { return scalar $super->selectrow_array('SELECT password_hash FROM users WHERE email = ? AND tenant_id = ?', undef, $email, $TENANT) };
    is $hash->('ann@example.com'), undef, 'none unless one is given';
    my ($status, $out, $err) = ashlar(qw(user create --email eve@example.com --password weak));
    is $status, 1, 'the policy is for operators, too';
    like $err, qr/\Aashlar: .*8/, '  and says what it wants';
    is +(ashlar(qw(user create --email eve@example.com --password Correct-Horse-7)))[0], 0, 'with one';
    like $hash->('eve@example.com'), qr/\A\$scrypt\$/, 'only its hash is kept';
    ok $super->selectrow_array(q{SELECT is_email_verified FROM users WHERE email = 'eve@example.com'}), 'the operator vouches for the address';
    my $old = $hash->('eve@example.com');
    $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT tenant_id, id, now() + interval '1 hour' FROM users WHERE email = 'eve@example.com'});
    is +(ashlar(qw(user password --email eve@example.com)))[0], 2, 'another one has to be named';
    is +(ashlar(qw(user password --email nobody@example.com --password Correct-Horse-8)))[0], 1, 'somebody has to have it';
    ($status, $out, $err) = ashlar(qw(user password --email Eve@example.com --password Correct-Horse-8));
    is "$status|$out|$err", '0||', 'another one';
    isnt $hash->('eve@example.com'), $old, 'is set';
    is $super->selectrow_array(q{SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'eve@example.com' AND revoked_at IS NULL}), 0, 'and the sessions end';
    is_deeply noted(), [ [ 'password.reset', $ACTOR, 'system' ] ], 'which the audit log has';

    # Of the tenant's team.
    $super->do(q{INSERT INTO team_members (tenant_id, email, role, joined_at) VALUES (?, 'tom@example.com', 'owner', now())}, undef, $TENANT);
    $super->do(q{INSERT INTO team_sessions (tenant_id, member_id, expires_at) SELECT tenant_id, id, now() + interval '1 hour' FROM team_members WHERE email = 'tom@example.com'});
    $super->do(q{INSERT INTO team_totp_factors (tenant_id, member_id, secret_sealed, confirmed_at) SELECT tenant_id, id, 'x', now() FROM team_members WHERE email = 'tom@example.com'});
    is +(ashlar(qw(user password --team --email eve@example.com --password Correct-Horse-8)))[0], 1, 'a user is not of the team';
    is +(ashlar(qw(user password --email tom@example.com --password Correct-Horse-8)))[0], 1, '  nor who is there a user';
    ($status, $out, $err) = ashlar(qw(user password --team --email Tom@example.com --password Correct-Horse-8));
    is "$status|$out|$err", '0||', '  who gets a password, too';
    is_deeply $super->selectrow_arrayref(q{SELECT m.password_hash LIKE '$scrypt$%', m.is_email_verified, count(*) FILTER (WHERE s.revoked_at IS NULL) FROM team_members m JOIN team_sessions s ON s.member_id = m.id WHERE m.email = 'tom@example.com' GROUP BY 1, 2}), [ 1, 1, 0 ], '  and no session is left';
    is_deeply noted(), [ [ 'password.reset', $ACTOR, 'system' ] ], '  which the audit log has';
    is $super->selectrow_array(q{SELECT count(*) FROM team_totp_factors f JOIN team_members m ON m.id = f.member_id WHERE m.email = 'tom@example.com'}), 0, '  a second factor, which may be lost, is gone';
    is +(ashlar(qw(user create --team --email x@example.com)))[0], 2, '  nobody is made so';
    $super->do(q{DELETE FROM team_sessions; DELETE FROM team_members WHERE email = 'tom@example.com'});

    # The hash of a password as its stored one was made; openssl's, not ours, and so that is the true one.
    my $same = sub ($password) {
        my ($ln, $r, $p, $salt, $made) = $hash->('eve@example.com') =~ /\A\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$(.+)\$(.+)\z/ or return 0;
        my @how = map { "-kdfopt $_" } 'hexpass:' . unpack('H*', $password), 'hexsalt:' . unpack('H*', decode_base64($salt)), 'n:' . 2**$ln, "r:$r", "p:$p", 'maxmem_bytes:67108864';
        return encode_base64(scalar qx(openssl kdf -keylen 32 -binary @how SCRYPT), '') eq "$made=";
    };
    my ($composed, $decomposed) = ("Caf\xc3\xa9-Noir-7", "Cafe\xcc\x81-Noir-7");
    is +(ashlar(qw(user password --email eve@example.com --password), $decomposed, { LD_PRELOAD => '' }))[0], 0, 'a letter and its accent';
    ok $same->($composed), '  are one character, as from any keyboard';
    for ([ "Correct-Horse-\xff7", 'no UTF-8' ], [ 'Ada9' . "e\xcc\x81" x 125, '129 characters' ], [ 'Ada9' . 'x' x 4000, 'far too long' ]) {
        my ($password, $what) = @$_;
        is +(ashlar(qw(user password --email eve@example.com --password), $password))[0], 1, "$what is refused";
        open my $out, '>', "$tmp/password" or die $!;
        print {$out} "$password\n";
        close $out;
        is +(ashlar(qw(user password --email eve@example.com --password -), { input => "$tmp/password" }))[0], 1, '  from standard input, too';
    }
    ok $same->($composed), 'and the password stays';

    my ($fay) = $super->selectrow_array(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'fay', 'fay@example.com') RETURNING id}, undef, $TENANT);
    $super->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'x', 'x', 'x', 'x')}, undef, $TENANT, $fay);
    is +(ashlar(qw(user password --email fay@example.com --password Correct-Horse-8)))[0], 0, 'of one whose address nobody had proved';
    is $super->selectrow_array('SELECT count(*) FROM passkeys'), 0, 'a passkey ends, too';
    like $hash->('fay@example.com'), qr/\A\$scrypt\$/, '  and the password is the operator\'s';
};

subtest 'user deactivate, activate, list' => sub {
    my $sessions = sub { return scalar $super->selectrow_array(q{SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'eve@example.com' AND revoked_at IS NULL}) };
    $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT tenant_id, id, now() + interval '1 hour' FROM users WHERE email = 'eve@example.com'});
    is $sessions->(), 1, 'signed in';
    my ($status, $out, $err) = ashlar(qw(user deactivate --email Eve@example.com));
    is "$status|$out|$err", '0||', 'deactivate';
    ok $said_where, '  says where';
    is_deeply noted(), [ [ 'user.deactivate', $ACTOR, 'system' ] ], '  and is put down';
    is +(ashlar(qw(token --user eve@example.com)))[0], 1, '  nobody signs in';
    is scalar $super->selectrow_array(q{SELECT u.access FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'eve@example.com' ORDER BY s.created_at DESC LIMIT 1}), 0, '  and who was is out';
    is +(ashlar(qw(user deactivate --email eve@example.com)))[0], 0, '  once more is no error';
    my ($line) = (ashlar(qw(user list)))[1] =~ /^(\S+\teve\@example\.com\t.*)$/m;
    like $line, qr/\Auser_[0-9a-f]{32}\teve\@example\.com\tuser\tinactive\tverified\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\t\z/, 'list';
    is +(ashlar(qw(user activate --email eve@example.com)))[0], 0, 'activate';
    is_deeply noted(), [ [ 'user.activate', $ACTOR, 'system' ] ], '  is put down';
    is scalar(() = (ashlar(qw(user list --role admin)))[1] =~ /\n/g), 1, 'list of a role';
    is scalar(() = (ashlar(qw(user list --limit 1)))[1] =~ /\n/g),    1, '  of the newest';
    is +(ashlar(qw(user list --tenant nowhere)))[0], 1, '  of a tenant that is none';
    ok !$said_where, '  only looks';
    is +(ashlar(qw(user create --email root@example.com --role superadmin)))[0], 0, 'a superadmin';
    ($status, undef, $err) = ashlar(qw(user deactivate --email root@example.com));
    is "$status|$err", "1|ashlar: this is the last active superadmin: make another one first\n", 'the last superadmin stays';
    is +(ashlar(qw(user deactivate --email nobody@example.com)))[0], 1, 'one that is not there';
    is +(ashlar(qw(user deactivate)))[0], 2, '--email is needed';
};

subtest 'key' => sub {
    my ($status, $out, $err) = ashlar(qw(key create --type secret --name CI));
    is "$status|$err", '0|', 'creates';
    like $out, qr/\Ask_live_[A-Za-z0-9]{32}\n\z/, 'and prints it, alone on its line';
    my $row = sub ($text) { return $super->selectrow_hashref('SELECT * FROM api_keys WHERE hash = sha256(?::bytea)', undef, $text =~ s/\n//r) };
    is join(' ', @{ $row->($out) }{qw(tenant_id name type)}), "$TENANT CI secret", 'of the default tenant';
    is_deeply noted(), [ [ 'key.create', $ACTOR, 'system' ] ], 'which the log has';
    (undef, $out) = ashlar(qw(key create --type public --tenant other --origins), 'https://App.example.com,http://localhost:3000/');
    like $out, qr/\Apk_live_/, 'a public one';
    is_deeply $row->($out)->{allowed_origins}, [ 'https://app.example.com', 'http://localhost:3000' ], '  for pages of these origins';
    isnt $row->($out)->{tenant_id}, $TENANT, '  of another tenant';
    (undef, $out) = ashlar(qw(key create --type demo));
    like $out, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n\z/, 'of the Demo Org\'s project, which it makes';
    my $demo = q{SELECT encode(api_key_hash, 'hex') FROM trace_projects WHERE organization_id = 'c0000000-0000-0000-0000-000000000000'};
    is_deeply $super->selectcol_arrayref($demo), [ sha256_hex($out =~ s/\n//r) ], '  of which the hash is stored';
    ashlar(qw(key create --type demo));
    isnt scalar $super->selectrow_array($demo), sha256_hex($out =~ s/\n//r), '  and which is none once there is another';
    is +(ashlar(qw(key create --type demo --origins https://a.example)))[0], 2, '  it has no pages';
    my @keep = qw(key create --type secret --keep);
    (undef, my $kept) = ashlar(@keep, "$tmp/key");
    is sprintf('%o', (stat "$tmp/key")[2] & oct 777), '600', '--keep: a file for its owner alone';
    is +(ashlar(@keep, "$tmp/key"))[1], $kept, '  whose key is still good';
    $super->do('UPDATE api_keys SET revoked_at = now() WHERE hash = sha256(?::bytea)', undef, $kept =~ s/\n//r);
    (undef, $out) = ashlar(@keep, "$tmp/key");
    isnt $out, $kept, '  and when it is not any more,';
    is $out, `cat $tmp/key`, '  another one is made';
    is +(ashlar(@keep, "$tmp/no/key"))[0], 1, 'a file that cannot be';
    is +(ashlar('key', 'create', @$_))[0], 2, "key create @$_" for [], [qw(--type king)], [qw(--type public)], [qw(--type public --origins http://a.example)],
        [qw(--type secret --origins https://a.example)], [qw(--type secret --name), ''];
};

# What is wrong is said in words about the argument; PostgreSQL's own words, and ours to it, are nobody's business.
subtest 'bad arguments never print SQL' => sub {
    my @bad = ("x'; DROP TABLE users; --", '', "\xff\xfe", 'x' x 1000, '@', '-1');
    my @ways = (
        [qw(user create --email)],   [qw(user create --email a@example.com --name)], [qw(user create --email a@example.com --role)],
        [qw(user create --email a@example.com --tenant)], [qw(user password --password Correct-Horse-9 --email)],
        [qw(user password --email eve@example.com --password)], [qw(user deactivate --email)], [qw(user list --tenant)], [qw(user list --limit)],
        [qw(user list --role)], [qw(token --user)], [qw(token --team)], [qw(token --user eve@example.com --tenant)], [qw(token --user eve@example.com --ttl)],
        [qw(tenant create --name X --owner)], [qw(tenant create --owner z@example.com --slug zz --name)], [qw(tenant create --owner z@example.com --name Z --slug)],
        [qw(tenant owner --email)], [qw(tenant owner --email q@example.com --tenant)], [qw(tenant suspend)], [qw(tenant resume)], [qw(mails --tenant)], [qw(mails --to)],
        [qw(mails --limit)], [qw(mails show)], [qw(audit verify --tenant)], [qw(key create --type)], [qw(key create --type secret --tenant)],
        [qw(key create --type secret --name)], [qw(key create --type public --origins)], [qw(seed --scale)], [qw(--nonsense)], [qw(migrate)],
    );
    my @told;
    for my $way (@ways) {
        for my $bad (@bad) {
            my ($status, $out, $err) = ashlar(@$way, $bad);
            $err =~ s/\Q$bad\E//g if length $bad;
            push @told, "@$way: $err" if $err =~ /\b(?:SELECT|INSERT|UPDATE|DELETE|VALUES|RETURNING|LINE \d|ERROR|DETAIL|relation|constraint|column|bytea|owner_\w+)\b|::/ || $status > 2;
        }
    }
    is_deeply \@told, [], scalar(@ways) . ' ways to be wrong, each with ' . @bad . ' words';
    $super->do(q{DELETE FROM users WHERE email IN ('a@b', 'a@example.com')});
};

subtest 'token' => sub {
    my ($status, $out, $err) = ashlar(qw(token --user ANN@example.com --ttl 90));
    is $status, 0, 'signs in' or diag $err;
    like $out, qr/\A[\w-]+\.[\w-]+\.[\w-]+\n\z/, 'prints the token, alone on its line';
    my ($header, $claims) = parts($out =~ s/\n//r);
    my $session = $super->selectrow_hashref(<<~'END', undef, $claims->{sid});
        SELECT s.*, u.public_id, u.email, extract(epoch FROM s.expires_at)::bigint AS exp
        FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id WHERE s.id = ?
        END
    is "$session->{tenant_id} $session->{email}", "$TENANT ann\@example.com", 'a session of the user of this tenant';
    is_deeply $claims, { iss => 'ashlar', aud => 'ashlar', sub => $session->{public_id}, sid => $session->{id}, tid => $TENANT,
        ctx => 'user', role => 'admin', email => 'ann@example.com', iat => $session->{exp} - 90, exp => $session->{exp} }, 'the claims';
    cmp_ok abs($claims->{iat} - time), '<', 5, 'from now on';
    my ($signed) = $out =~ /\A(.*)\.[^.]+\n/;
    require Digest::SHA;
    require MIME::Base64;
    is $out, "$signed." . MIME::Base64::encode_base64url(Digest::SHA::hmac_sha256($signed, $SECRET)) . "\n", 'signed with JWT_SECRET';
    is $header->{alg}, 'HS256', 'by HS256';

    ($status, $out, $err) = ashlar(qw(token --user nobody@example.com));
    is "$status|$out|$err", "1||ashlar: there is no active user nobody\@example.com in this tenant\n", 'an unknown user';
    $super->do(q{UPDATE users SET is_active = false WHERE email = 'ann@example.com' AND tenant_id = ?}, undef, $TENANT);
    is +(ashlar(qw(token --user ann@example.com)))[0], 1, 'one that is not active';
    is +(ashlar(qw(token --user ann@example.com --tenant other)))[0], 0, 'the one in the other tenant is';
    is +(ashlar(qw(token)))[0], 2, '--user is needed';
    is +(ashlar(qw(token --user ann@example.com --team ann@example.com)))[0], 2, '  and no member of a team beside it';
    is +(ashlar(qw(token --user ann@example.com --ttl), $_))[0], 2, "--ttl $_" for 0, 31536001, '1h', '';
    $super->do(q{INSERT INTO team_members (tenant_id, email, role, joined_at) VALUES (?, 'ann@team.example', 'owner', now())}, undef, $TENANT);
    ($status, $out, $err) = ashlar(qw(token --team Ann@team.example --ttl 90));
    is $status, 0, 'a member of the team' or diag $err;
    (undef, $claims) = parts($out =~ s/\n//r);
    is "$claims->{ctx} $claims->{role} $claims->{email}", 'tenant owner ann@team.example', '  has a token of the dashboard';
    is +($super->selectrow_array('SELECT m.email FROM team_sessions s JOIN team_members m ON m.id = s.member_id WHERE s.id = ?', undef, $claims->{sid}))[0], 'ann@team.example',
        '  and a session';
    ($status, $out, $err) = ashlar(qw(token --team ann@example.com));
    is "$status|$out|$err", "1||ashlar: there is no active member of the team ann\@example.com in this tenant\n", '  and no user is one';
    $super->do(q{DELETE FROM team_sessions; DELETE FROM team_members WHERE email = 'ann@team.example'});

    ($status, $out, $err) = ashlar(qw(token --user ann@example.com), { JWT_SECRET => '' });
    is "$status|$err", "1|ashlar: JWT_SECRET must be set: it signs the token\n", 'without a secret';
};

subtest 'tenant' => sub {
    is +(ashlar(qw(tenant)))[0], 2, 'a verb is needed';
    is +(ashlar('tenant', @$_))[0], 2, "tenant @$_" for ['delete'], [qw(list x)], ['suspend'], [qw(create --name Acme)], [qw(create --owner x@example.com)];
    my ($status, $out, $err) = ashlar(qw(tenant create --owner Owner@Acme.example --name), 'Acme Inc.', { PUBLIC_URL => 'https://api.example.com' });
    is "$status|$err", '0|', 'creates';
    ok $said_where, '  and says where';
    my ($id, $token) = $out =~ m{\A([0-9a-f-]{36})\nhttps://api\.example\.com/team-accept-invitation\.html\?token=([\w-]{64})\n\z} or diag $out;
    my $member = $super->selectrow_hashref('SELECT * FROM team_members WHERE tenant_id = ?', undef, $id);
    is "$member->{email} $member->{role}", 'owner@acme.example owner', 'with its owner';
    is $member->{joined_at}, undef, '  who is invited';
    is $super->selectrow_array('SELECT member_id FROM one_time_tokens WHERE tenant_id = ? AND hash = sha256(?::bytea)', undef, $id, $token), $member->{id}, '  by the link';
    like +(ashlar(qw(tenant create --owner x@acme.example --name X --slug x), { DASHBOARD_URL => 'https://dash.example.com/x' }))[1], qr{\nhttps://dash\.example\.com/x/accept-invitation\?}, 'which leads to the dashboard';
    ($status, $out, $err) = ashlar(qw(tenant create --owner owner@acme.example --name Other));
    is "$status|$err", "1|ashlar: owner\@acme.example is in a team already\n", 'an address is in one team';
    is +(ashlar(qw(tenant create --owner y@acme.example --name X --slug), 'x'))[0], 1, 'a slug is taken once';
    is +(ashlar(qw(tenant create --owner y@acme.example --name X --slug), $_))[0], 2, "the slug '$_'" for 'X Y', '-';
    is $super->selectrow_array(q{SELECT count(*) FROM team_members WHERE email = 'y@acme.example'}), 0, '  leaves nothing behind';

    ($status, $out) = ashlar(qw(tenant list));
    is $status, 0, 'list';
    like $out, qr{^acme-inc\t$id\tactive\tAcme Inc\.\towner\@acme\.example$}m, 'has it';
    like $out, qr{^default\t$TENANT\tactive\tDefault\t$}m, 'and the default one';
    is scalar(() = $out =~ /^acme-inc\t/mg), 1, 'without its test mode';

    my ($test) = $super->selectrow_array('SELECT id FROM tenants WHERE test_of = ?', undef, $id);
    for my $tenant ($id, $test) {
        my ($user) = $super->selectrow_array(q{INSERT INTO users (tenant_id, public_id) VALUES (?, 'user_x') RETURNING id}, undef, $tenant);
        $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now() + interval '1 day')}, undef, $tenant, $user);
        $super->do(q{INSERT INTO api_keys (tenant_id, name, type, prefix, hash) VALUES (?, 'k', 'secret', 'sk_', sha256(?::bytea))}, undef, $tenant, $tenant);
    }
    $super->do(q{UPDATE team_members SET joined_at = now() WHERE id = ?}, undef, $member->{id});
    $super->do(q{INSERT INTO team_sessions (tenant_id, member_id, expires_at) VALUES (?, ?, now() + interval '1 day')}, undef, $id, $member->{id});
    my $state = sub {
        return join ' ', map { $super->selectrow_array("SELECT count(*) FROM $_ AND tenant_id IN (?, ?)", undef, $id, $test) }
            'sessions WHERE revoked_at IS NULL', 'team_sessions WHERE revoked_at IS NULL', 'api_keys WHERE tenant_active';
    };
    is $state->(), '2 1 2', 'before';
    is +(ashlar(qw(tenant suspend acme-inc)))[0], 0, 'suspend';
    is $state->(), '0 0 0', 'ends the sessions, and stops the keys, of both modes';
    like +(ashlar(qw(tenant list)))[1], qr{^acme-inc\t$id\tsuspended\t}m, 'as the list says';
    is +(ashlar(qw(tenant suspend acme-inc)))[0], 0, 'once more is no error';
    is +(ashlar(qw(tenant resume acme-inc)))[0], 0, 'resume';
    is $state->(), '0 0 2', 'lets the keys in again; people sign in anew';
    is_deeply $super->selectcol_arrayref('SELECT action FROM audit_events WHERE tenant_id = ? ORDER BY seq', undef, $id), [ map { "tenant.$_" } qw(create suspend resume) ], 'all of it is put down, once';
    is_deeply $super->selectcol_arrayref('SELECT DISTINCT actor_id FROM audit_events WHERE tenant_id = ?', undef, $id), [$ACTOR], '  with who did it';
    ($status, $out, $err) = ashlar(qw(tenant suspend nowhere));
    is "$status|$err", qq{1|ashlar: there is no tenant "nowhere"\n}, 'one that is not there';
    is +(ashlar(qw(tenant suspend default)))[0], 1, 'the default one is not suspended';
};

subtest 'tenant owner' => sub {
    my ($status, $out, $err) = ashlar(qw(tenant owner --email Olive@example.com), { PUBLIC_URL => 'https://api.example.com' });
    is "$status|$err", '0|', 'the default tenant gets one';
    my ($token) = $out =~ m{\Ahttps://api\.example\.com/team-accept-invitation\.html\?token=([\w-]{64})\n\z} or diag $out;
    my $member = $super->selectrow_hashref(q{SELECT * FROM team_members WHERE email = 'olive@example.com'});
    is "$member->{tenant_id} $member->{role}", "$TENANT owner", 'an owner,';
    is $super->selectrow_array('SELECT member_id FROM one_time_tokens WHERE hash = sha256(?::bytea) AND tenant_id = ?', undef, $token, $TENANT), $member->{id}, 'who is invited by the link';
    is_deeply noted(), [ [ 'tenant.owner', $ACTOR, 'system' ] ], 'which the log has';
    isnt +(ashlar(qw(tenant owner --email olive@example.com)))[1], '', 'who has not joined gets another link';
    $super->do(q{UPDATE team_members SET joined_at = now(), role = 'member' WHERE email = 'olive@example.com'});
    is +(ashlar(qw(tenant owner --tenant default --email olive@example.com)))[1], '', 'a member becomes one without';
    is $super->selectrow_array(q{SELECT role FROM team_members WHERE email = 'olive@example.com'}), 'owner', '  and is';
    ($status, undef, $err) = ashlar(qw(tenant owner --tenant acme-inc --email olive@example.com));
    is "$status|$err", qq{1|ashlar: olive\@example.com is in the team of "default"; an address is in one team\n}, 'nobody is in two teams';
    is +(ashlar(qw(tenant owner --tenant nowhere --email x@example.com)))[0], 1, 'a tenant that is none';
    is +(ashlar(qw(tenant owner)))[0], 2, '--email is needed';
    ($status, undef, $err) = ashlar(qw(tenant owner --email), "\xc3\x89va\@example.com");
    is $status, 0, 'an address in other letters' or diag $err;
    $super->do(qq{UPDATE team_members SET joined_at = now(), role = 'member' WHERE email = '\x{e9}va\@example.com'});
    is +(ashlar(qw(tenant owner --email), "E\xcc\x81VA\@example.com"))[1], '', '  is the same, spelled otherwise';
    is $super->selectrow_array(qq{SELECT role FROM team_members WHERE email = '\x{e9}va\@example.com'}), 'owner', '  and is one';
    is +(ashlar(qw(tenant owner --email), "\xef\xac\x81n\@example.com"))[0], 2, 'one that would be refused makes nobody';
};

is_deeply [ glob "$tmp/*san.*" ], [], 'no report of a sanitizer';
$super->disconnect;
$cluster->drop($name);
done_testing;
