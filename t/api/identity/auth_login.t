# Signing in with a password.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant sign_in claims audit_of);
use POSIX ();

# How Ada is shown, who is in no workspace.
my %ADA = (
    id => $UUID, email => 'ada@example.com', display_name => undef, avatar_url => undef, is_active => true, created_at => $TIME, name => undef, title => undef, phone => undef,
    bio => undef, email_verified => false, is_staff => false, is_superuser => false, active_workspace_id => undef, role => undef, last_login_at => $TIME, updated_at => $TIME,
);

my $t      = Api->start(@BEHIND_PROXY);
my $path   = '/api/v1/auth/login';
my $secret = $t->key(tenant => 'acme');
my $key    = $t->key(type => 'public', tenant => 'acme');
my $app    = 'https://app.example.com';
sign_in($t, 'ada@example.com');

sub login ($who, $email, $password = $PASSWORD) { return $who->post($path, { email => $email, password => $password }) }

# The account has been asked for too often by what came before.
sub forgive () { return $t->db->do('DELETE FROM rate_limits') }

sub change ($email, $set) { return $t->db->do("UPDATE users SET $set WHERE email = ?", undef, $email) }

subtest 'a wrong password and an unknown address are refused with the same bytes' => sub {
    my @res = map { login(from($t), @$_) } [ 'ada@example.com', 'Wrong-Horse-7' ], [ 'nobody@example.com', 'Wrong-Horse-7' ], ['nobody@example.com'],
        [ 'ada@example.com', '' ], [ 'no address', 'x' x 1024 ];
    for my $res (@res) {
        error_is $res, 401, 'INVALID_CREDENTIALS';
        json_is $res, '/detail', 'Invalid email or password', 'the text that clients compare';
        is $res->body, $res[0]->body, 'the same bytes';
    }
    my @failed = audit_of($t, 'session.failed');
    is_deeply [ map { $_->{details}{reason} } @failed ], [ 'unknown address', 'wrong password', ('unknown address') x 2, 'wrong password' ], 'the audit log knows';
    my ($ada) = $t->db->selectrow_array(q{SELECT public_id FROM users WHERE email = 'ada@example.com'});
    is_deeply [ @{ $failed[-1] }{qw(actor_id actor_type)} ], [ $ada, 'user' ], '  whom they meant';
    is_deeply [ @{ $failed[0] }{qw(actor_id actor_type)} ], [ 'anonymous', 'anonymous' ], '  or nobody';
    is $failed[0]{request_id}, $res[-1]->header('X-Request-ID'), '  and the request';
};

subtest 'keys and fields' => sub {
    error_is login(from($t, undef, key => 'pk_live_' . 'x' x 32, origin => $app), 'ada@example.com'), 401, 'INVALID_API_KEY';
    error_is login(from($t, undef, key => $key, origin => 'https://evil.example'), 'ada@example.com'), 403, 'ORIGIN_NOT_ALLOWED';
    error_is login(from($t, undef, key => $secret), 'ada@example.com'), 401, 'INVALID_CREDENTIALS', name => 'a user of another tenant';
    error_is from($t)->post($path, { email => 'ada@example.com' }), 422, 'VALIDATION_ERROR', field => 'password';
    error_is from($t)->post($path, { password => $PASSWORD }), 422, 'VALIDATION_ERROR', field => 'email';
    status_is login(from($t, undef, token => 'of no use'), 'ada@example.com'), 200, 'a token that is sent along is not read';
};

subtest 'the right one gets tokens' => sub {
    my $res = from($t)->post($path, { email => 'ADA@example.com', password => $PASSWORD }, headers => { 'X-Forwarded-For' => '2001:db8::7', 'User-Agent' => 'x' x 2000 });
    status_is $res, 200;
    json_is $res, '', {
        access_token  => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/,
        refresh_token => qr/\A[\w-]{91}\z/,
        token_type    => 'Bearer',
        expires_in    => 3600,
        user          => {%ADA},
        workspace_id  => undef,
    };
    $t->keep_secret($res->json('/refresh_token'), $PASSWORD);
    my $claims = claims($res->json('/access_token'));
    my ($session) = @{ $t->db->selectall_arrayref('SELECT method, host(ip) AS ip, user_agent, has_mfa FROM sessions WHERE id = ?', { Slice => {} }, $claims->{sid}) };
    is_deeply $session, { method => 'password', ip => '2001:db8::7', user_agent => 'x' x 512, has_mfa => 0 }, 'a session with device and address';
    ok $t->db->selectrow_array(q{SELECT last_login_at > now() - interval '5 s' FROM users WHERE email = 'ada@example.com'}), 'last_login_at';
    my ($made) = audit_of($t, 'session.create');
    is $made->{resource_id}, $claims->{sid}, 'the audit log has it';

    sign_in($t, 'kim@example.com', key => $secret);
    for ([ key => $secret ], [ key => $key, origin => $app ]) {
        my $kim = login(from($t, undef, @$_), 'kim@example.com');
        status_is $kim, 200, 'with a key';
        is claims($kim->json('/access_token'))->{tid}, $t->tenant_id('acme'), '  in its tenant';
        status_is $t->client(token => $kim->json('/access_token'))->get('/api/v1/auth/me'), 200, 'the token knows its tenant without a key';
        status_is $t->client(token => $kim->json('/access_token'), key => $secret)->get('/api/v1/auth/me'), 200, '  and with one';
        error_is $t->client(token => $res->json('/access_token'), key => $secret)->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'but not with another tenant\'s';
    }
};

subtest 'who am I' => sub {
    my $me  = '/api/v1/auth/me';
    my $ada = $t->client(token => login(from($t), 'ada@example.com')->json('/access_token'));
    error_is $t->get($me), 401, 'AUTHENTICATION_ERROR';
    json_is $t->last, '/detail', 'Invalid token', 'the text that clients compare';
    error_is $t->client(token => 'x.y.z')->get($me), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $secret)->get($me), 401, 'AUTHENTICATION_ERROR', name => 'a secret key is nobody';
    json_is $ada->get($me), '', { %ADA, member => undef };
    change('ada@example.com', 'is_active = false');
    error_is $ada->get($me), 401, 'AUTHENTICATION_ERROR', name => 'a deactivated user is out with the next request';
    change('ada@example.com', 'is_active = true');
    error_is $ada->get($me), 401, 'AUTHENTICATION_ERROR', name => '  for good: the session has ended';
};

subtest 'whoever knows the password is told how the account stands' => sub {
    forgive();
    set_tenant($t, undef, email_verification_required => 1);
    my $res = login(from($t), 'ada@example.com');
    error_is $res, 403, 'EMAIL_NOT_VERIFIED', more => { verification_required => true };
    json_is $res, '/detail', 'Email not verified';
    error_is login(from($t), 'ada@example.com', 'Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS', name => 'nobody else is';
    change('ada@example.com', 'is_email_verified = true');
    status_is login(from($t), 'ada@example.com'), 200, 'verified';
    set_tenant($t, undef, email_verification_required => 0);

    change('ada@example.com', 'is_active = false');
    error_is login(from($t), 'ada@example.com'), 403, 'ACCOUNT_INACTIVE';
    error_is login(from($t), 'ada@example.com', 'Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS', name => 'nobody else is';
    change('ada@example.com', 'is_active = true');
    is_deeply [ map { $_->{details}{reason} } (audit_of($t, 'session.failed'))[ 0 .. 3 ] ], [ 'wrong password', 'not active', 'wrong password', 'not verified' ], 'in the audit log';

    sign_in($t, 'gone@example.com');
    change('gone@example.com', 'deleted_at = now()');
    error_is login(from($t), 'gone@example.com'), 401, 'INVALID_CREDENTIALS', name => 'a deleted user is unknown';
    $t->user('foreign');
    error_is login(from($t), 'foreign@example.com'), 401, 'INVALID_CREDENTIALS', name => 'and so is who has no password';
};

subtest 'a hash of other parameters is made anew' => sub {
    forgive();
    # scrypt N=2^10 r=8 p=1, made by OpenSSL's command line and not by us.
    my $salt = 'abcdefghijklmnop';
    my $hex  = qx(openssl kdf -keylen 32 -kdfopt pass:$PASSWORD -kdfopt hexsalt:@{[ unpack 'H*', $salt ]} -kdfopt n:1024 -kdfopt r:8 -kdfopt p:1 SCRYPT);
    my $b64  = sub ($bytes) { require MIME::Base64; return MIME::Base64::encode_base64($bytes, '') =~ s/=+\z//r };
    my $old  = sprintf '$scrypt$ln=10,r=8,p=1$%s$%s', $b64->($salt), $b64->(pack 'H*', $hex =~ s/[^0-9A-F]//gr);
    $t->db->do('UPDATE users SET password_hash = ? WHERE email = ?', undef, $old, 'ada@example.com');
    error_is login(from($t), 'ada@example.com', 'Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS';
    my $hash = sub { return scalar $t->db->selectrow_array(q{SELECT password_hash FROM users WHERE email = 'ada@example.com'}) };
    is $hash->(), $old, 'a wrong password changes nothing';
    status_is login(from($t), 'ada@example.com'), 200;
    like $hash->(), qr/\A\$scrypt\$ln=14,r=8,p=5\$/, 'with the right one';
    my $new = $hash->();
    status_is login(from($t), 'ada@example.com'), 200, 'which is still the right one';
    is $hash->(), $new, 'and up to date';
};

# Of crypt_blowfish's test and of github.com/firebase/scrypt.
my $BCRYPT   = '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a';
my $SIGNER   = '0191e8a0-0000-7000-8000-00000000000a';
my $FIREBASE = "\$firebase-scrypt\$ln=14,r=8,ss=Bw,key=$SIGNER\$42xEC+ixf3L2lw\$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ";

subtest 'a hash that came from another product is replaced by one of ours' => sub {
    sign_in($t, 'ivy@example.com');
    my $hash = sub { scalar $t->db->selectrow_array(q{SELECT password_hash FROM users WHERE email = 'ivy@example.com'}) };
    $t->db->do(q{UPDATE users SET password_hash = ? WHERE email = 'ivy@example.com'}, undef, $BCRYPT);
    error_is login(from($t), 'ivy@example.com', 'U*U*u'), 401, 'INVALID_CREDENTIALS';
    is $hash->(), $BCRYPT, 'not with a wrong password';
    status_is my $res = login(from($t), 'ivy@example.com', 'U*U*U'), 200;
    like $hash->(), qr/\A\$scrypt\$ln=14,r=8,p=5\$/, 'with the right one';
    status_is from($t, undef, token => $res->json('/access_token'))->get('/api/v1/auth/me'), 200, '  and the session is good';
    status_is login(from($t), 'ivy@example.com', 'U*U*U'), 200, 'it still is the right one';
    error_is login(from($t), 'ivy@example.com', 'U*U*u'), 401, 'INVALID_CREDENTIALS';

    $t->db->do(q{UPDATE users SET password_hash = ? WHERE email = 'ivy@example.com'}, undef, $FIREBASE);
    error_is login(from($t), 'ivy@example.com', 'user1password'), 401, 'INVALID_CREDENTIALS', name => 'without its signer key';
    $t->db->do(q{INSERT INTO password_signers (tenant_id, id, fingerprint, key_sealed) VALUES (?, ?, sha256('x'), 'v1.gone.AAAA')},
        undef, $t->tenant_id, $SIGNER);
    $t->expect_log(qr/signer key of imported passwords does not open/);
    error_is login(from($t), 'ivy@example.com', 'user1password'), 500, 'INTERNAL_ERROR', name => 'with one that does not open';
    is $hash->(), $FIREBASE, 'it stays';
    $t->db->do('DELETE FROM password_signers');
    $t->db->do(q{UPDATE users SET password_hash = NULL WHERE email = 'ivy@example.com'});
};

subtest 'a password is changed with one that came from another product' => sub {
    my $token = sign_in($t, 'ina@example.com')->json('/access_token');
    $t->db->do(q{UPDATE users SET password_hash = ? WHERE email = 'ina@example.com'}, undef, $BCRYPT);
    my $change = sub ($old) { from($t, undef, token => $token)->post('/api/v1/auth/change-password', { current_password => $old, new_password => 'Correct-Horse-9' }) };
    error_is $change->('U*U'), 400, 'BAD_REQUEST', field => 'current_password';
    status_is $change->('U*U*U'), 200;
    status_is login(from($t), 'ina@example.com', 'Correct-Horse-9'), 200;
};

subtest 'a second factor is asked for' => sub {
    forgive();
    my ($id) = $t->db->selectrow_array(q{SELECT id FROM users WHERE email = 'ada@example.com'});
    my $sessions = sub { return scalar $t->db->selectrow_array('SELECT count(*) FROM sessions WHERE user_id = ?', undef, $id) };
    $t->db->do(q{INSERT INTO totp_factors (tenant_id, user_id, secret_sealed) VALUES (?, ?, 'x')}, undef, $t->tenant_id, $id);
    json_is login(from($t), 'ada@example.com'), '/token_type', 'Bearer', 'one that is not confirmed is none';
    $t->db->do('UPDATE totp_factors SET confirmed_at = now() WHERE user_id = ?', undef, $id);
    my $before = $sessions->();
    my $res    = login(from($t), 'ada@example.com');
    status_is $res, 200;
    json_is $res, '', { mfa_required => true, mfa_token => qr/\A[\w-]{64}\z/, expires_in => 300 };
    $t->keep_secret($res->json('/mfa_token'));
    is $sessions->(), $before, 'there is no session yet';
    my ($row) = @{ $t->db->selectall_arrayref(q{SELECT user_id, hash = sha256(?::bytea) AS is_it, data->>'method' AS method,
        extract(epoch FROM expires_at - created_at)::int AS ttl_s FROM one_time_tokens WHERE kind = 'mfa'}, { Slice => {} }, $res->json('/mfa_token')) };
    is_deeply $row, { user_id => $id, is_it => 1, method => 'password', ttl_s => 300 }, 'but a challenge';
    $t->db->do('DELETE FROM totp_factors');
};

# What is counted under this subject: tries, and how long a block the last one began; nothing when nothing is.
sub counted ($subject) {
    return $t->db->selectrow_array(q{SELECT tries, coalesce(round(extract(epoch FROM blocked_until - updated_at)), 0) FROM rate_limits
        WHERE name = 'login' AND subject = ?}, undef, $subject);
}

# As if there had been so many failures already.
sub count ($subject, $tries) {
    return $t->db->do(q{INSERT INTO rate_limits (tenant_id, name, subject, tries, window_ends) VALUES (?, 'login', ?, ?, now() + interval '10 minutes')
        ON CONFLICT (tenant_id, name, subject) DO UPDATE SET tries = excluded.tries, window_ends = excluded.window_ends, blocked_until = NULL},
        undef, $t->tenant_id, $subject, $tries);
}

sub refused_for ($res, $from, $to, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => $name;
    json_is $res, '/detail', 'Rate limit exceeded';
    json_is $res, '/error/details/retry_after', 0 + $res->header('Retry-After');
    cmp_ok $res->header('Retry-After'), '>=', $from, "  for at least $from s";
    return cmp_ok $res->header('Retry-After'), '<=', $to, "  and at most $to";
}

subtest 'ten wrong passwords of an account from one address' => sub {
    forgive();
    my $ip  = '198.51.100.20';
    my $who = from($t, $ip);
    status_is login($who, 'ada@example.com'), 200 for 1 .. 2;
    is scalar $t->db->selectrow_array('SELECT count(*) FROM rate_limits'), 0, 'right ones are not counted at all';
    status_is login($who, $_ % 2 ? 'ada@example.com' : 'ADA@example.com', 'x'), 401 for 1 .. 9;
    status_is login($who, 'ada@example.com'), 200, 'nine, and the right one';
    is_deeply [ counted("account:ada\@example.com ip:$ip") ], [ 0, 0 ], '  which forgives them';
    is_deeply [ counted("ip:$ip") ], [ 9, 0 ], '  but not the address';
    is_deeply [ counted('account:ada@example.com') ], [], 'the brake does not meet an address that signed in before';
    count("account:ada\@example.com ip:$ip", 9);
    status_is login($who, 'ada@example.com', 'x'), 401, 'the tenth is told';
    refused_for login($who, 'ada@example.com'), 850, 900, 'then not even the right one is looked at';
    status_is login($who, 'nobody@example.com', 'x'), 401, 'other accounts are, from there';
    status_is login(from($t), 'ada@example.com'), 200, 'and this one from elsewhere';
    status_is login(from($t, $ip, key => $secret), 'kim@example.com'), 200, 'each tenant counts its own';
    $t->db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '1 s' WHERE subject = ?}, undef, "account:ada\@example.com ip:$ip");
    status_is login($who, 'ada@example.com'), 200, 'until the block is over';

    count('account:unknown@example.com ip:2001:db8:1:2::/64', 9);
    status_is login(from($t, '2001:db8:1:2::7'), 'unknown@example.com', 'x'), 401;
    refused_for login(from($t, '2001:db8:1:2:ffff::1'), 'unknown@example.com', 'x'), 850, 900, 'unknown accounts alike; of IPv6 the /64 is one address';
    status_is login(from($t, '2001:db8:1:3::1'), 'unknown@example.com', 'x'), 401, 'the next one is another';
};

subtest 'fifty from one address, whatever the account' => sub {
    forgive();
    my $ip = '198.51.100.30';
    count("ip:$ip", 49);
    status_is login(from($t, $ip), 'w@example.com', 'x'), 401, 'the fiftieth';
    refused_for login(from($t, $ip), 'ada@example.com'), 850, 900, 'then none';
    status_is login(from($t, $ip), 'ada@example.com', 'x'), 429 for 1 .. 12;
    status_is login(from($t), 'ada@example.com'), 200, 'who is refused by address locks nobody out';
    is_deeply [ counted('account:ada@example.com') ], [], '  and is not counted any more';
    status_is login(from($t, $ip, key => $secret), 'kim@example.com'), 200, 'each tenant counts its own';
};

subtest 'nobody is locked out by others' => sub {
    forgive();
    sign_in($t, 'eve@example.com');
    my $home = from($t, '192.0.2.50');
    status_is login($home, 'eve@example.com'), 200, 'she signs in';
    status_is login(from($t), 'eve@example.com', 'x'), 401 for 1 .. 11;
    status_is login($home, 'eve@example.com'), 200, 'and still does after eleven wrong ones from eleven addresses';
    status_is login(from($t), 'eve@example.com'), 200, '  from a new address, too';
    is_deeply [ counted('account:eve@example.com') ], [ 11, 0 ], '  which are counted, and not forgiven';

    count('account:eve@example.com', 29);
    status_is login(from($t), 'eve@example.com', 'x'), 401, 'the thirtieth within an hour is told';
    my $hashed = $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'session.failed'});
    refused_for login(from($t), 'eve@example.com', 'x'), 1, 60, 'then the account has a brake';
    refused_for login(from($t), 'eve@example.com'), 1, 60, '  also for who has the right one, at an address that it does not know';
    is scalar $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'session.failed'}), $hashed, '  and nothing is looked at';
    status_is login($home, 'eve@example.com'), 200, 'it does not meet the addresses that she signed in from';
    status_is login(from($t, '2001:db8:7:7::1'), 'other@example.com', 'x'), 401, 'nor other accounts';
    status_is login($home, 'eve@example.com', 'x'), 401, 'a wrong one from there';
    is_deeply [ (counted('account:eve@example.com'))[0] ], [30], '  is not counted against it';

    my @waits;
    for (1 .. 7) {
        $t->db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '1 s' WHERE subject = 'account:eve@example.com'});
        status_is login(from($t), 'eve@example.com', 'x'), 401, 'one more';
        push @waits, (counted('account:eve@example.com'))[1];
    }
    is_deeply \@waits, [ 120, 240, 480, 960, 1800, 1800, 1800 ], 'each time twice as long, up to half an hour';
    $t->db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '30 minutes', window_ends = now() - interval '1 s' WHERE subject = 'account:eve@example.com'});
    status_is login(from($t), 'eve@example.com', 'x'), 401;
    is_deeply [ counted('account:eve@example.com') ], [ 1, 0 ], 'an hour later it is forgotten';

    count('account:unknown@example.com', 30);
    $t->db->do(q{UPDATE rate_limits SET blocked_until = now() + interval '5 minutes' WHERE subject = 'account:unknown@example.com'});
    refused_for login(from($t), 'unknown@example.com', 'x'), 250, 300, 'an unknown account has the same brake';
};

subtest 'which addresses an account knows' => sub {
    my $known = sub { return $t->db->selectcol_arrayref(q{SELECT address FROM known_addresses k JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.account_id
        WHERE u.email = 'eve@example.com' ORDER BY signed_in_at DESC, address}) };
    ok scalar(grep { $_ eq '192.0.2.50/32' } @{ $known->() }), 'those of her sign-ins';
    $t->db->do(q{DELETE FROM known_addresses});
    $t->db->do(q{INSERT INTO known_addresses (tenant_id, account_id, address, signed_in_at)
        SELECT tenant_id, id, ('203.0.113.' || i)::cidr, now() - make_interval(days => i) FROM users, generate_series(1, 20) i WHERE email = 'eve@example.com'});
    status_is login(from($t, '2001:db8:8:9::1'), 'eve@example.com'), 200;
    is_deeply [ @{ $known->() }[ 0, 1, -1 ], scalar @{ $known->() } ], [ '2001:db8:8:9::/64', '203.0.113.1/32', '203.0.113.19/32', 20 ], 'the newest twenty; of IPv6 the /64';
    status_is login(from($t, '203.0.113.19'), 'eve@example.com'), 200;
    is $known->()->[0], '203.0.113.19/32', 'used again it is the newest';
};

subtest 'of wrong passwords at once no more are told than of those one after another' => sub {
    forgive();
    my $ip = '198.51.100.60';
    count("account:ada\@example.com ip:$ip", 9);
    # Both have been let in; the first one's failure is being written.
    my $lock = $t->lock(q{SELECT FROM rate_limits WHERE subject = ? FOR UPDATE}, "account:ada\@example.com ip:$ip");
    pipe my $out, my $in or die "pipe: $!\n";
    my @pids;
    for my $password (qw(x y)) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $client = from($t, $ip, http => $t->http, api => undef);
            syswrite $in, login($client, 'ada@example.com', $password)->status . "\n";
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in;
    eventually { $t->waiting >= 2 } 20, 'both wait';
    $lock->commit;
    waitpid $_, 0 for @pids;
    chomp(my @answers = readline $out);
    is join(' ', sort @answers), '401 429', 'one is told that it was wrong, the other nothing';
};

subtest 'the counters outlive a restart' => sub {
    forgive();
    my $who = from($t, '198.51.100.40');
    count('account:ada@example.com ip:198.51.100.40', 9);
    status_is login($who, 'ada@example.com', 'x'), 401;
    ok $t->master->stop('TERM', 15), 'the pool is stopped';
    $t->start_pool('main');
    status_is login($who, 'ada@example.com'), 429;
};

subtest 'nobody waits for a counter while a password is hashed' => sub {
    forgive();
    login(from($t), $_, 'x') for 'eve@example.com', 'ada@example.com';
    my $lock = $t->lock(q{SELECT FROM rate_limits FOR UPDATE});
    status_is login(from($t), 'ada@example.com'), 200, 'nobody waits who has done nothing wrong';
    $lock->commit;
};

subtest 'in a workspace' => sub {
    my $me  = '/api/v1/auth/me';
    my $boss = sign_in($t, 'boss@example.com');
    my ($id) = $t->db->selectrow_array(q{SELECT id FROM users WHERE email = 'boss@example.com'});
    my @org = map { $t->db->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, ?, ?) RETURNING id}, undef, $t->tenant_id, $_, $_) } qw(works other third);
    $t->db->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, ?)', undef, $t->tenant_id, @$_) for [ $org[0], $id, 'developer' ], [ $org[1], $id, 'owner' ];
    $t->db->do(q{UPDATE member_profiles SET title = 'Shipwright', phone = '+49 40 1', bio = 'Builds' WHERE organization_id = ?}, undef, $org[0]);
    $t->db->do(q{UPDATE users SET default_organization_id = ?, role = 'admin', full_name = 'Bo' WHERE id = ?}, undef, $org[0], $id);
    my $res = login(from($t), 'boss@example.com');
    $t->keep_secret($res->json('/refresh_token'));
    is_deeply [ map { $res->json("/user/$_") } qw(name display_name title phone bio role is_staff is_superuser active_workspace_id) ],
        [ 'Bo', 'Bo', 'Shipwright', '+49 40 1', 'Builds', 'member', true, false, $org[0] ], 'who signs in is told who they are in the one that they chose last; a developer is a member';
    json_is $res, '/workspace_id', $org[0];
    my $who = $t->client(token => $res->json('/access_token'));
    my $now = $who->get($me);
    is_deeply { %{ $now->json }, member => undef }, { %{ $res->json('/user') }, member => undef }, 'and later, the same';
    json_is $now, '/member', undef;
    json_is $who->get($me, query => { workspace_id => $org[1] }), '/member/role', 'owner', 'another one may be asked about';
    json_is $who->last, '/member/workspace_id', $org[1];
    json_is $who->last, '/role', 'member', '  which changes nothing of the active one';
    my $member = $who->get('/api/v1/members/me', headers => { 'X-Workspace-Id' => $org[0] })->json;
    my $shown  = $who->get($me, query => { workspace_id => $org[0] })->json('/member');
    delete @{$_}{qw(joined_at last_active_at created_at updated_at)} for $member, $shown;    # which have more digits there
    is_deeply $shown, $member, 'as the workspace shows its member';
    error_is $who->get($me, query => { workspace_id => $_ }), 403, 'AUTHORIZATION_ERROR', name => 'one of others is not' for $org[2], '00000000-0000-7000-8000-00000000dead';
    error_is $who->get($me, query => { workspace_id => 'x' }), 422, 'VALIDATION_ERROR', field => 'workspace_id';
    $t->db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $org[0], $id);
    is_deeply [ map { $who->get($me)->json("/$_") } qw(active_workspace_id role title) ], [ (undef) x 3 ], 'a membership that has ended counts as none';
    error_is $who->get($me, query => { workspace_id => $org[0] }), 403, 'AUTHORIZATION_ERROR';
};
