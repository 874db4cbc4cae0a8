# ashlar user import: users of other products sign in here with the passwords that they have, and nobody who is here is
# another one by it.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant sign_in audit_of);
use Cpanel::JSON::XS ();
use POSIX ();
use Time::HiRes qw(time);

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $t    = Api->start(@BEHIND_PROXY);
my $dir  = $t->{dir};
my %env  = (%{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));

# From github.com/firebase/scrypt.
my $SIGNER = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
my %HASH   = (salt => '42xEC+ixf3L2lw==', passwordHash => 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==');
my $CONFIG = file('hash_config', <<"END");
hash_config {
  algorithm: SCRYPT,
  base64_signer_key: $SIGNER,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
END

sub file ($name, @content) {
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} map { ref ? $json->encode($_) . "\n" : $_ } @content;
    close $out or die $!;
    return "$dir/$name";
}

# What a bcrypt of another program makes: libxcrypt's, through Perl.
sub bcrypt ($password, $cost = '05', $kind = '2a') { return crypt $password, "\$$kind\$$cost\$abcdefghijklmnopqrstuu" }

# Run it; exit status, the lines of stdout, stderr.
my $runs = 0;
sub import_ (@args) {
    my $log = "$dir/import" . ++$runs;
    open my $out, '>', $log or die $!;
    my $process = Ashlar::Process->start(
        name => 'ashlar user import', cmd => [ $t->program, 'user', 'import', @args ], log => "$log.err", stdout => $out, env => \%env);
    my $status = $process->wait_for(60);
    return (defined $status ? $status >> 8 : -1, [ split /\n/, slurp($log) ], slurp("$log.err"));
}

sub slurp ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    local $/ = undef;
    return <$in> // '';
}

sub login ($email, $password, %arg) {
    return from($t, undef, %arg)->post('/api/v1/auth/login', { email => $email, password => $password });
}

sub row ($email, $tenant = undef) {
    return $t->db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND tenant_id = ?', undef, $email, $t->tenant_id($tenant));
}

sub count ($tenant = undef) { return scalar $t->db->selectrow_array('SELECT count(*) FROM users WHERE tenant_id = ?', undef, $t->tenant_id($tenant)) }

sub google_of ($email) {
    return scalar $t->db->selectrow_array('SELECT i.issuer || i.subject FROM identities i JOIN users u ON u.id = i.user_id WHERE u.email = ?', undef, $email);
}

# A row of auth.users, with its identities.
sub supabase ($name, %column) {
    return {
        id => "sb-$name", email => "$name\@example.com", encrypted_password => bcrypt("$name-Horse-7"), email_confirmed_at => '2024-02-03T04:05:06.789+00:00',
        raw_user_meta_data => { full_name => ucfirst $name }, role => 'authenticated', created_at => '2023-01-02 03:04:05.678901+02', %column,
    };
}

subtest 'how it is called' => sub {
    my $any = file('any', '');
    for ([ [] => '--from is missing' ], [ [ '--from', 'auth0', $any ] => '--from must be' ], [ [ '--from', 'plain' ] => 'FILE is missing' ], [ [ '--from', 'plain', $any, $any ] => 'unexpected' ],
        [ [ '--from', 'plain', '--hash-config', $any, $any ] => 'is for --from firebase' ])
    {
        my ($status, $out, $err) = import_(@{ $_->[0] });
        is "$status|@$out", '2|', "misused: @{ $_->[0] }";
        like $err, qr/\Q$_->[1]/, "  $_->[1]";
    }
    for ([ [ '--from', 'plain', "$dir/none" ] => 'No such file' ], [ [ '--from', 'plain', '--tenant', 'nowhere', $any ] => 'nowhere' ],
        [ [ '--from', 'firebase', '--hash-config', $any, $any ] => 'must have base64_signer_key' ],
        [ [ '--from', 'firebase', '--hash-config', file('short', "base64_signer_key: ab, base64_salt_separator: Bw==, rounds: 8, mem_cost: 14"), $any ] => 'no base64' ],
        [ [ '--from', 'supabase', file('headless', "1,2,3\n") ] => 'one of them is id' ])
    {
        my ($status, $out, $err) = import_(@{ $_->[0] });
        is "$status|@$out", '1|', "failed: @{ $_->[0] }";
        like $err, qr/\Q$_->[1]/, "  $_->[1]";
    }
    is_deeply [ (import_('--from', 'plain', $any))[ 0, 1 ] ], [ 0, ['0 imported, 0 exist, 0 skipped'] ], 'nobody is nobody';
};

subtest 'Supabase: a dry run says the same, and keeps nothing' => sub {
    sign_in($t, 'here@example.com');
    $t->keep_secret('ann-Horse-7');
    my $before = row('here@example.com');
    my $file   = file('supabase.jsonl',
        supabase('ann', identities => [ { provider => 'google', provider_id => 'g-ann', identity_data => { sub => 'g-ann', email => 'ann@example.com' } } ]),
        supabase('bob', email_confirmed_at => undef, identities => [ { provider => 'google', provider_id => 'g-bob', identity_data => { sub => 'g-bob' } } ], is_super_admin => \1, role => 'supabase_admin'),
        supabase('cat', banned_until => '2999-01-01T00:00:00Z'),
        supabase('dan', deleted_at => '2024-01-01T00:00:00Z'),
        supabase('here', id => 'sb-here', encrypted_password => bcrypt('Another-Horse-7')),
        supabase('ann2', email => 'ANN@example.com'),
        supabase('sam', is_sso_user => \1),
        supabase('gil', banned_until => '2020-01-01T00:00:00Z', encrypted_password => undef, raw_user_meta_data => { email_verified => \1, picture => 'javascript:alert(1)', name => "G\x{ed}l" }, email_confirmed_at => ''),
    );
    my @said = ('line 1: ann@example.com imported', 'line 2: bob@example.com imported', 'line 3: cat@example.com imported',
        'line 4: dan@example.com skipped: it was deleted there', 'line 5: here@example.com exists', 'line 6: ANN@example.com exists',
        'line 7: sam@example.com imported', 'line 8: gil@example.com imported');
    my ($status, $out) = import_('--from', 'supabase', '--dry-run', $file);
    is $status, 0, "a dry run" or diag slurp("$dir/import$runs.err");
    is_deeply $out, [ @said, '5 imported, 2 exist, 1 skipped (a dry run: nothing was kept)' ], '  says what would be done';
    is count(), 1, '  and does not';
    is_deeply [ audit_of($t, 'user.import') ], [], '  nor puts anything down';
    ($status, $out) = import_('--from', 'supabase', $file);
    is $status, 0, 'imported';
    is_deeply $out, [ @said, '5 imported, 2 exist, 1 skipped' ], '  with the same lines';
    is count(), 6, '  so many are here';
    is_deeply row('here@example.com'), $before, 'an account that exists stays as it is';
    is_deeply [ map { $_->{details} } audit_of($t, 'user.import') ],
        [ { from => 'supabase', users => 2, lines => '6 to 8' }, { from => 'supabase', users => 3, lines => '1 to 5' } ], 'the audit log has both batches: a double begins another one';
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_verify(?)}, undef, $t->tenant_id), 0, '  and is unbroken';
    is $t->db->selectrow_array(q{SELECT sum(n) FROM tenant_counters WHERE name = 'users' AND tenant_id = ?}, undef, $t->tenant_id), 6, 'and they are counted';
    is $t->db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries}), 0, 'nobody is told';

    my $ann = row('ann@example.com');
    is_deeply [ @$ann{qw(public_id full_name role is_active is_email_verified)} ], [ 'sb-ann', 'Ann', 'user', 1, 1 ], 'ann is who she was';
    like $ann->{created_at}, qr/\A2023-01-0[12] /, '  since then';
    is google_of('ann@example.com'), 'https://accounts.google.comg-ann', '  with her Google account';
    my $bob = row('bob@example.com');
    is_deeply [ @$bob{qw(role is_active is_email_verified)} ], [ 'user', 1, 0 ], 'bob is no administrator, and not verified';
    is google_of('bob@example.com'), undef, '  nor does his Google account let him in';
    is row('cat@example.com')->{is_active}, 0, 'cat is shut out';
    is row('sam@example.com')->{is_email_verified}, 0, 'whom a customer\'s server vouched for is not verified';
    my $gil = row('gil@example.com');
    is_deeply [ @$gil{qw(is_active is_email_verified avatar_url password_hash full_name)} ], [ 1, 0, undef, undef, "G\x{ed}l" ], 'what users wrote themselves verifies nothing';

    my $old = $ann->{password_hash};
    like $old, qr/\A\$2a\$05\$/, 'the hash is the one that came';
    error_is login('ann@example.com', 'ann-Horse-8'), 401, 'INVALID_CREDENTIALS';
    is row('ann@example.com')->{password_hash}, $old, 'a wrong password leaves it';
    status_is my $res = login('Ann@Example.com', 'ann-Horse-7'), 200;
    like row('ann@example.com')->{password_hash}, qr/\A\$scrypt\$ln=14,r=8,p=5\$/, 'the first sign-in replaces it';
    status_is login('ann@example.com', 'ann-Horse-7'), 200, 'and the next one is as good';
    status_is login('here@example.com', $PASSWORD), 200, 'who was here has their own password';
    error_is login('here@example.com', 'Another-Horse-7'), 401, 'INVALID_CREDENTIALS', name => '  and not the export\'s';
    error_is login('cat@example.com', 'cat-Horse-7'), 403, 'ACCOUNT_INACTIVE';
    set_tenant($t, undef, email_verification_required => 1);
    status_is my $bare = login('bob@example.com', 'bob-Horse-7'), 403;
    json_is $bare, '/error/code', 'EMAIL_NOT_VERIFIED';
    set_tenant($t, undef, email_verification_required => 0);
    status_is login('bob@example.com', 'bob-Horse-7'), 200, 'unverified counts where the tenant asks for it';
};

subtest 'again, without doubles' => sub {
    my $users = $t->db->selectall_arrayref('SELECT * FROM users ORDER BY id');
    my ($status, $out) = import_('--from', 'supabase', "$dir/supabase.jsonl");
    is_deeply [ $status, $out->[-1] ], [ 0, '0 imported, 7 exist, 1 skipped' ], 'all exist';
    $t->db->do(q{UPDATE users SET email = 'moved@example.com', email_key = 'moved@example.com' WHERE email = 'ann@example.com'});
    ($status, $out) = import_('--from', 'supabase', "$dir/supabase.jsonl");
    is $out->[0], 'line 1: ann@example.com exists: its id is somebody\'s here', 'who has another address now is known by the id';
    is $out->[5], 'line 6: ANN@example.com imported', '  and the address is free';
    $t->db->do(q{DELETE FROM users WHERE email = 'ann@example.com'});
    $t->db->do(q{UPDATE users SET email = 'ann@example.com', email_key = 'ann@example.com' WHERE email = 'moved@example.com'});
    ($status, $out) = import_('--from', 'supabase', '--dry-run', file('known.jsonl', supabase('eve', identities => [ { provider => 'google', identity_data => { sub => 'g-ann' } } ])));
    is $out->[0], 'line 1: eve@example.com exists: its Google account is somebody\'s here', 'who has been here with Google is known by that';
    $t->db->do(q{UPDATE users SET deleted_at = now() WHERE email = 'gil@example.com'});
    ($status, $out) = import_('--from', 'supabase', "$dir/supabase.jsonl");
    like $out->[7], qr/exists: its id/, 'who was deleted since does not come back';
    is scalar @{ $t->db->selectall_arrayref('SELECT id FROM users') }, scalar @$users, 'no account is there twice';
};

subtest 'Firebase: JSON and CSV, and the signer key is sealed' => sub {
    $t->keep_secret($SIGNER, 'user1password');
    my $dump = sub { return join '', map { @$_ } @{ $t->db->selectall_arrayref('SELECT s::text FROM password_signers s UNION ALL SELECT u::text FROM users u') } };
    my $list = Cpanel::JSON::XS->new->utf8->canonical->indent;
    my $file = file('firebase.json', "{\"users\": [\n", join(",\n", map { $list->encode($_) }
        { localId => 'fb-ann', email => 'fann@example.com', emailVerified => \1, %HASH, displayName => 'Ann, of Firebase', photoUrl => 'https://example.com/a.png', createdAt => '1508893925000', disabled => \0,
          customAttributes => '{"role":"admin"}', providerUserInfo => [ { providerId => 'google.com', rawId => '1234567890', email => 'fann@example.com' } ] },
        { localId => 'fb-bob', email => 'fbob@example.com', emailVerified => \0, %HASH, disabled => \1 },
        { localId => 'fb-tel', phoneNumber => '+49 1', providerUserInfo => [] },
        { localId => 'fb-red', email => 'fred@example.com', passwordHash => 'UkVEQUNURUQ=', salt => '' },
    ), "]}\n");
    my ($status, $out) = import_('--from', 'firebase', $file);
    is $status, 1, 'without its hash_config';
    is_deeply $out, [ 'line 2: fann@example.com skipped: the hash needs --hash-config', 'line 22: fbob@example.com skipped: the hash needs --hash-config',
        'line 31: skipped: it has no address', 'line 37: fred@example.com skipped: the hash is redacted: who exported it needs firebaseauth.configs.getHashConfig',
        '0 imported, 0 exist, 4 skipped' ], '  nobody can be asked for a password' or diag explain $out;
    ($status, $out) = import_('--from', 'firebase', '--dry-run', '--hash-config', $CONFIG, $file);
    is $out->[-1], '2 imported, 0 exist, 2 skipped (a dry run: nothing was kept)', 'a dry run';
    is $t->db->selectrow_array('SELECT count(*) FROM password_signers'), 0, '  keeps no key';
    ($status, $out, my $err) = import_('--from', 'firebase', '--hash-config', $CONFIG, '--drop-refused-hashes', $file);
    is_deeply [ $status, $out->[-1] ], [ 1, '3 imported, 0 exist, 1 skipped' ], 'with it';
    unlike join('', @$out, $err, $dump->()), qr/jxspr8Ki0RYycVU8/, '  and it is nowhere to be read';
    is row('fred@example.com')->{password_hash}, undef, 'without the hash that is refused, where that is asked for';
    my $ann = row('fann@example.com');
    is_deeply [ @$ann{qw(public_id full_name role is_email_verified avatar_url)} ], [ 'fb-ann', 'Ann, of Firebase', 'user', 1, 'https://example.com/a.png' ], 'ann is who she was';
    is google_of('fann@example.com'), 'https://accounts.google.com1234567890', '  with her Google account';
    like $ann->{password_hash}, qr/\A\$firebase-scrypt\$ln=14,r=8,ss=Bw,key=[0-9a-f-]{36}\$/, '  and her hash';
    error_is login('fann@example.com', 'user1passwore'), 401, 'INVALID_CREDENTIALS';
    status_is login('fann@example.com', 'user1password'), 200;
    like row('fann@example.com')->{password_hash}, qr/\A\$scrypt\$/, 'the first sign-in replaces it';
    status_is login('fann@example.com', 'user1password'), 200;
    error_is login('fbob@example.com', 'user1password'), 403, 'ACCOUNT_INACTIVE', name => 'who was disabled is';

    # The very line of firebase/scrypt's README, and one whose name has a comma and marks in it, as firebase-tools writes that.
    my $csv = file('firebase.csv', "kYi4EvWQlQTKSfnJ3dRSP6IH3ed2,user1\@test.com,false,$HASH{passwordHash},$HASH{salt},Test User 1,,,,,,,,,,,,,,,,,,1508893925000,1508893925000,,\n",
        qq(fb-cy,fcy\@example.com,true,$HASH{passwordHash},$HASH{salt},"Cy "the" third, Jr",,g-cy,fcy\@example.com,Cy,,,,,,,,,,,,,,1508893925000,,,true,"{""role"":""admin""}",\n));
    ($status, $out) = import_('--from', 'firebase', '--hash-config', $CONFIG, $csv);
    is_deeply [ $status, $out ], [ 0, [ 'line 1: user1@test.com imported', 'line 2: fcy@example.com imported', '2 imported, 0 exist, 0 skipped' ] ], 'a CSV';
    is $t->db->selectrow_array('SELECT count(*) FROM password_signers'), 1, '  has the same key';
    is_deeply [ @{ row('fcy@example.com') }{qw(full_name is_active role)} ], [ 'Cy "the" third, Jr', 0, 'user' ], '  and is read as it is meant';
    is google_of('fcy@example.com'), 'https://accounts.google.comg-cy', '  to its last column';
    status_is login('user1@test.com', 'user1password'), 200;
};

subtest 'Clerk: the dashboard\'s CSV and the Backend API\'s JSON' => sub {
    my $csv = file('clerk.csv', "\xef\xbb\xbfid,first_name,last_name,username,primary_email_address,primary_phone_number,verified_email_addresses,unverified_email_addresses,verified_phone_numbers,unverified_phone_numbers,totp_secret,password_digest,password_hasher\r\n",
        'user_c1,Cle,Rk,,c1@example.com,,c1@example.com|other@example.com,,,,,' . bcrypt('Clerk-Horse-7', '05', '2b') . ",bcrypt\r\n",
        'user_c2,"Line' . "\n" . 'Break",,,c2@example.com,,,c2@example.com,,,,,' . "\r\n",
        "user_c3,,,,c3\@example.com,,c33\@example.com,,,,,\$argon2id\$v=19\$m=1,t=1,p=1\$abc\$def,argon2id\r\n",
        "user_c4,,,only,,+1,,,,,,,\r\n");
    my ($status, $out) = import_('--from', 'clerk', $csv);
    is $status, 1, 'a CSV';
    is_deeply $out, [ 'line 2: c1@example.com imported', 'line 3: c2@example.com imported', 'line 5: c3@example.com skipped: the hash is of no kind that is known here', 'line 6: skipped: it has no address',
        '2 imported, 0 exist, 2 skipped' ], '  by its lines' or diag explain $out;
    is_deeply [ map { row("c$_\@example.com")->{is_email_verified} } 1, 2 ], [ 1, 0 ], 'what is listed as verified is';
    is row('c2@example.com')->{full_name}, 'Line Break', 'names are on one line';
    status_is login('c1@example.com', 'Clerk-Horse-7'), 200;

    my $user = sub ($n, %more) {
        return { id => "user_a$n", first_name => 'A', last_name => undef, primary_email_address_id => 'idn_2', created_at => 1700000000000 + $n, banned => \0,
            email_addresses => [ { id => 'idn_1', email_address => "second$n\@example.com", verification => { status => 'unverified' } }, { id => 'idn_2', email_address => "a$n\@example.com", verification => { status => 'verified' } } ],
            external_accounts => [ { provider => 'oauth_google', provider_user_id => "g-a$n", verification => { status => 'verified' } } ], public_metadata => { role => 'admin' }, %more };
    };
    ($status, $out) = import_('--from', 'clerk', file('clerk.json', [ $user->(1), $user->(2, banned => \1, external_accounts => [ { provider => 'oauth_google', provider_user_id => 'g-a2', verification => undef } ]) ]));
    is_deeply [ $status, $out->[-1] ], [ 0, '2 imported, 0 exist, 0 skipped' ], 'a list of the API' or diag explain $out;
    is_deeply [ map { [ @{ row("a$_\@example.com") }{qw(is_email_verified is_active role)} ] } 1, 2 ], [ [ 1, 1, 'user' ], [ 1, 0, 'user' ] ], '  the primary address, and who is banned';
    is_deeply [ map { google_of("a$_\@example.com") } 1, 2 ], [ 'https://accounts.google.comg-a1', undef ], '  and what Clerk has verified of Google';
};

subtest 'plain: what is refused' => sub {
    my $good = { id => 'p-1', email => 'p1@example.com', email_verified => \1, password_hash => bcrypt('Plain-Horse-7', '04', '2y'), full_name => 'P', created_at => '2024-01-01T00:00:00Z', is_active => \1, google_id => 'g-p1' };
    my $with = sub ($n, %more) { return { %$good, id => "p-$n", email => "p$n\@example.com", google_id => undef, %more } };
    my $file = file('plain.jsonl', $good, "{\"email\": \n", "\xff{\n", "{\"email\":\"\xff\@example.com\"}\n", $with->(5, email => undef), $with->(6, email => 'p1@EXAMPLE.com'), $with->(7, email => 'nonsense'),
        '{"email":"' . 'x' x 1_100_000 . "\"}\n", "[1]\n", $with->(10, role => 'superadmin'), $with->(11, password_hash => bcrypt('x') =~ s/05/15/r), $with->(12, password_hash => bcrypt('x') =~ s/05/14/r),
        $with->(13, password_hash => '$scrypt$ln=16,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA'), $with->(14, password_hash => 'plain text'), $with->(15, created_at => 'yesterday'), $with->(16, id => 'x' x 256),
        "{\"email\":\"p17\@example.com\",\"email\":\"p18\@example.com\"}\n", $with->(18, email => "p18\x{1b}[31m\@example.com"), $with->(19, id => 'p-1'), $with->(20, google_id => 'g-p1'), "\n",
        $with->(22, password_hash => "\$fbscrypt\$v=1,n=14,r=8,p=1,ss=Bw==,sk=$SIGNER\$$HASH{salt}\$$HASH{passwordHash}"), $with->(23, full_name => 'x' x 300, created_at => 4102444800000), '{"email":"p24@example.com"}');
    my $before = count();
    my ($status, $out, $err) = import_('--from', 'plain', $file);
    is $status, 1, 'some are skipped';
    my %said = map { /\Aline (\d+): (.*)\z/s ? ($1 => $2) : () } @$out;
    my %wanted = (
        1 => 'p1@example.com imported', 2 => qr/\Askipped: invalid JSON at byte/, 3 => qr/\Askipped: invalid JSON/, 4 => qr/\Askipped: invalid (?:JSON|UTF-8)/, 5 => 'skipped: it has no address', 6 => 'p1@EXAMPLE.com exists',
        7 => qr/\Anonsense skipped: its address must be/, 8 => 'skipped: it is longer than 1048576 bytes, to line 8', 9 => 'skipped: it is no object', 10 => 'p10@example.com skipped: "role" is no member of this format',
        11 => 'p11@example.com skipped: the hash is of bcrypt\'s cost 15, and the highest is 14', 12 => 'p12@example.com imported',
        13 => 'p13@example.com skipped: the hash is of scrypt with N=2^16 and r=8, and the most is 32 MiB', 14 => 'p14@example.com skipped: the hash is of no kind that is known here',
        15 => 'p15@example.com skipped: its created_at is no time', 16 => 'p16@example.com skipped: its id has more than 255 characters', 17 => qr/\Askipped: .*"email" is given twice/,
        18 => qr/\Ap18\\x1b\[31m\@example\.com skipped: its address/, 19 => 'p19@example.com exists: its id is somebody\'s here', 20 => 'p20@example.com exists: its Google account is somebody\'s here',
        22 => 'p22@example.com imported', 23 => 'p23@example.com imported', 24 => 'p24@example.com imported',
    );
    for my $line (sort { $a <=> $b } keys %wanted) {
        my $want = $wanted{$line};
        if (ref $want) { like $said{$line}, $want, "line $line" }
        else { is $said{$line}, $want, "line $line" }
    }
    is scalar keys %said, scalar keys %wanted, 'and no other line';
    is $out->[-1], '5 imported, 3 exist, 15 skipped', 'the sum';
    is count(), $before + 5, 'as it is';
    unlike join("\n", @$out, $err), qr/\$2y\$|plain text|jxspr8/, 'no hash and no key is said';
    is length row('p23@example.com')->{full_name}, 255, 'a long name is cut';
    ok $t->db->selectrow_array(q{SELECT created_at <= now() FROM users WHERE email = 'p23@example.com'}), 'nobody came in the future';
    like row('p24@example.com')->{public_id}, qr/\Auser_[0-9a-f]{32}\z/, 'who has no id gets one';
    status_is login('p1@example.com', 'Plain-Horse-7'), 200;
    status_is login('p22@example.com', 'user1password'), 200, 'Firebase\'s, as Supabase keeps it';
    is_deeply [ (import_('--from', 'plain', $file))[1][-1] ], ['0 imported, 8 exist, 15 skipped'], 'again';

    my $cut = file('cut.json', '[' . $json->encode($with->(30)) . ",\n", $json->encode($with->(31)) . ", 7, \"x\",\n", substr $json->encode($with->(32)), 0, 40);
    ($status, $out) = import_('--from', 'plain', $cut);
    is_deeply $out, [ 'line 1: p30@example.com imported', 'line 2: p31@example.com imported', 'line 2: skipped: it is no object', 'line 2: skipped: it is no object', 'line 3: skipped: the file ends in the middle of it',
        'line 3: skipped: the file ends before its list does', '2 imported, 0 exist, 4 skipped' ], 'a file that was cut off' or diag explain $out;
};

subtest 'another tenant' => sub {
    $t->key(tenant => 'acme');
    my $before = $t->db->selectall_arrayref('SELECT * FROM users WHERE tenant_id = ? ORDER BY id', undef, $t->tenant_id);
    my ($status, $out) = import_('--from', 'supabase', '--tenant', 'acme', "$dir/supabase.jsonl");
    is $out->[-1], '6 imported, 1 exist, 1 skipped', 'has its own users';
    is_deeply $t->db->selectall_arrayref('SELECT * FROM users WHERE tenant_id = ? ORDER BY id', undef, $t->tenant_id), $before, 'and the default one its own';
    my $key = $t->key(tenant => 'acme');
    status_is login('bob@example.com', 'bob-Horse-7', key => $key), 200;
    error_is login('cat@example.com', 'bob-Horse-7', key => $key), 401, 'INVALID_CREDENTIALS';
};

subtest 'killed in the middle, and run again' => sub {
    my @users = map { { id => "k-$_", email => "k$_\@example.com", email_verified => \1 } } 1 .. 1200;
    pipe my $from, my $to or die $!;
    open my $out, '>', "$dir/killed" or die $!;
    my $process = Ashlar::Process->start(name => 'ashlar user import', cmd => [ $t->program, qw(user import --from plain -) ], log => "$dir/killed.err", stdin => $from, stdout => $out, env => \%env);
    close $from;
    $to->autoflush(1);
    print {$to} map { $json->encode($_) . "\n" } @users[ 0 .. 1150 ];
    eventually { slurp("$dir/killed") =~ /^line 1000: /m } 30, 'two batches are there';
    my ($status, $said) = import_('--from', 'plain', file('more.jsonl', $users[0]));
    is $status, 1, 'a second one into this tenant';
    is "@$said", '', '  does nothing';
    like slurp("$dir/import$runs.err"), qr/another import into this tenant is running/, '  and says why';
    is count('acme'), 6, '  (another tenant\'s are its own)';
    $process->signal('KILL');
    $process->wait_for(10);
    close $to;
    my $lines = () = slurp("$dir/killed") =~ /^line /mg;
    is $lines, 1000, 'what was said';
    is $t->db->selectrow_array(q{SELECT count(*) FROM users WHERE public_id LIKE 'k-%'}), 1000, '  is there, and no more';
    eventually { !$t->db->selectrow_array(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) } 10, 'its lock is free';
    ($status, $said) = import_('--from', 'plain', file('all.jsonl', @users));
    is_deeply [ $status, $said->[-1] ], [ 0, '200 imported, 1000 exist, 0 skipped' ], 'the rest follows';
    is_deeply [ grep { !/\Aline (\d+): k\1\@example\.com (?:imported|exists)\z/ } @$said[ 0 .. 1199 ] ], [], 'a line for each';
    is $t->db->selectrow_array(q{SELECT count(DISTINCT email) || ' ' || count(*) FROM users WHERE public_id LIKE 'k-%'}), '1200 1200', 'none is there twice';
};

# What the page tells to paste, in a shell where other people's programs are what they would be.
subtest 'the guide\'s commands' => sub {
    my $cluster = $t->{cluster};
    my $other   = $cluster->clone;
    my $db      = $cluster->connect($other);
    $db->do($_) for 'CREATE SCHEMA auth',
        'CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar(255), encrypted_password varchar(255), email_confirmed_at timestamptz, raw_user_meta_data jsonb,
            created_at timestamptz, banned_until timestamptz, deleted_at timestamptz, is_sso_user boolean NOT NULL DEFAULT false)',
        'CREATE TABLE auth.identities (provider text, provider_id text, user_id uuid, identity_data jsonb)',
        q(INSERT INTO auth.identities VALUES ('google', 'g-ada', '00000000-0000-4000-8000-000000000001'), ('email', 'x', '00000000-0000-4000-8000-000000000001'));
    $db->do('INSERT INTO auth.users (id, email, encrypted_password, email_confirmed_at, raw_user_meta_data, created_at) VALUES (?, ?, ?, ?, ?, ?)', undef, "00000000-0000-4000-8000-00000000000$_->[0]", @$_[ 1 .. 5 ])
        for [ 1, 'ada@example.com', bcrypt('Ada-Horse-7', '10'), '2024-01-01', '{"full_name": "Ada\nLovelace"}', '2023-01-01' ],
        [ 2, 'grace@example.com', undef, undef, '{}', '2023-01-02' ], [ 3, undef, undef, undef, undef, '2023-01-03' ];
    file('firebase_users', "{\"users\": [\n\n", { localId => 'fb-alan', email => 'alan@example.com', emailVerified => \1, %HASH }, ']}');
    file('clerk.csv', "id,primary_email_address,verified_email_addresses,password_digest,password_hasher\n", "user_joan,joan\@example.com,joan\@example.com,${\bcrypt('Joan-Horse-7', '10')},bcrypt\n");

    my $shell = Ashlar::Guide->shell(%env, SUPABASE_DB_URL => $cluster->url($other, 'postgres'), FIREBASE_PROJECT => 'demo');
    $shell->paste("cd $dir; ashlar() { '${\$t->program}' \"\$\@\"; }; firebase() { cp firebase_users \"\$2\"; }");
    my @steps = steps(slurp('build/docs/migrating-from.html'));
    is scalar(grep { $_->[0] =~ /^ashlar user import/m } @steps), 6, 'so many imports';
    for my $step (@steps) {
        my ($box, $shown) = @$step;
        my $got = $shell->paste($box);
        my ($first) = $box =~ /\A(.*)/;
        if (defined $shown) { ok is_as_shown($got, $shown), $first or diag $got }
        else                { is $got, '', $first }
    }
    $shell->end;
    is_deeply [ grep { -e "$dir/$_" } qw(users.jsonl users.json hash_config clerk.csv plain.jsonl) ], [], 'the exports are gone';
    is row('ada@example.com')->{full_name}, 'Ada Lovelace', 'who came';
    is google_of('ada@example.com'), 'https://accounts.google.comg-ada', '  has her Google account';
    status_is login(@$_), 200 for [ 'ada@example.com', 'Ada-Horse-7' ], [ 'alan@example.com', 'user1password' ], [ 'joan@example.com', 'Joan-Horse-7' ];
    $db->disconnect;
    $cluster->drop($other);
};
