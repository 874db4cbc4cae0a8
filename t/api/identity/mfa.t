# The second factor: an authenticator app, its codes, recovery codes, and signing in with them.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Totp 'totp';
use MIME::Base64 'encode_base64url';
use POSIX ();

my $t    = Api->start;
my $db   = $t->db;
my $mfa  = '/api/v1/auth/mfa';
my $acme = $t->tenant_id('acme');
$db->do(q{UPDATE tenants SET name = 'Acme & Co' WHERE id = ?}, undef, $acme);
my $key = $t->key(tenant => 'acme');

# ------------------------------------------------------------------ what the tests do again and again

# A secret that the user is about to confirm.
sub enrol ($user) {
    my $secret = $user->post("$mfa/totp")->json('/secret');
    $t->keep_secret($secret);
    return $secret;
}

# A user with the second factor on: the client, the secret, and the recovery codes.
sub protected ($name, %arg) {
    my $user   = $t->user($name, tenant => 'acme', %arg);
    my $secret = enrol($user);
    my $res    = $user->post("$mfa/totp/verify", { code => totp($secret) =~ s/(...)/$1 /r });
    status_is $res, 200, "$name has a second factor";
    $t->keep_secret(@{ $res->json('/recovery_codes') });
    fresh($user);
    return ($user, $secret, @{ $res->json('/recovery_codes') });
}

# Forget which codes were used, and how many were tried.
sub fresh ($user) {
    $db->do('UPDATE totp_factors SET last_step = 0 WHERE user_id = ?', undef, $user->uuid);
    $db->do('DELETE FROM rate_limits');
    return;
}

# A challenge as signing in makes it: the mfa_token.
sub challenge ($user, %arg) {
    my $token = encode_base64url(pack('H*', $user->tenant_id =~ tr/-//dr) . join '', map { chr int rand 256 } 1 .. 32);
    $db->do(q{INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, data, expires_at)
              VALUES (?, ?, ?, sha256(?::bytea), '{"method": "password"}', now() + ?::interval)},
        undef, $user->tenant_id, $arg{kind} // 'mfa', $user->uuid, $token, $arg{lasts} // '5 minutes');
    $t->keep_secret($token);
    return $token;
}

sub verify ($token, $code, %arg) {
    return $t->post("$mfa/verify", { mfa_token => $token, code => $code }, %arg);
}

sub events ($user, @actions) {
    return $db->selectall_arrayref(
        'SELECT action, actor_id, details FROM audit_events WHERE tenant_id = ? AND actor_id = ? AND action = ANY (?) ORDER BY seq',
        { Slice => {} }, $user->tenant_id, $user->id, \@actions);
}

sub wrong ($secret) { return sprintf '%06d', (totp($secret) + 500_000) % 1_000_000 }

# ------------------------------------------------------------------ turning it on

subtest 'it is a user\'s own' => sub {
    for my $row ([ GET => $mfa ], [ POST => "$mfa/totp" ], [ POST => "$mfa/totp/verify" ], [ DELETE => "$mfa/totp" ], [ POST => "$mfa/recovery-codes" ]) {
        error_is $t->request(@$row, json => { code => '123456' }), 401, 'AUTHENTICATION_ERROR', name => "@$row: not without a token";
        error_is $t->client(key => $key)->request(@$row, json => { code => '123456' }), 401, 'AUTHENTICATION_ERROR', name => '  nor with a key alone';
    }
};

subtest 'it wants a recent sign-in' => sub {
    # Sessions as they are some time after signing in, refreshed a moment ago.
    my $auth      = '/api/v1/auth';
    my %who       = (email => 'early@example.com', password => 'Correct-Horse-7');
    my $in        = $t->post("$auth/register", \%who);
    my $refreshed = sub ($age_s) {
        $db->do('UPDATE sessions SET created_at = now() - make_interval(secs => ?) WHERE subject = (SELECT public_id FROM users WHERE email = ?)', undef, $age_s, $who{email});
        my $res = $t->post("$auth/refresh", { refresh_token => $in->json('/refresh_token') });
        $t->keep_secret($res->json('/access_token'));
        return $t->client(token => $res->json('/access_token'));
    };
    $t->keep_secret($who{password}, map { $in->json("/$_") } qw(access_token refresh_token));
    my $stale = $refreshed->(901 + 60);
    error_is $stale->post("$mfa/totp"), 403, 'RECENT_SIGN_IN_REQUIRED', max_age => 900, message => qr/sign in again/;
    is $db->selectrow_array('SELECT count(*) FROM totp_factors'), 0, '  and nothing is made';
    json_is $stale->get($mfa), '/enabled', false, 'all else goes on';
    error_is $stale->post("$mfa/totp/verify", { code => '123456' }), 404, 'NOT_FOUND', name => '  what was begun is finished';

    my $soon = $refreshed->(900 - 60);
    status_is $soon->post("$mfa/totp"), 201, 'refreshing does not make a session older either';

    $refreshed->(86400);
    my $again = $t->post("$auth/login", \%who);
    $t->keep_secret($again->json('/access_token'), $again->json('/refresh_token'));
    my $client = $t->client(token => $again->json('/access_token'));
    my $secret = enrol($client);
    my $codes  = $client->post("$mfa/totp/verify", { code => totp($secret) });
    status_is $codes, 200, 'signed in again it is turned on';
    $t->keep_secret(@{ $codes->json('/recovery_codes') });

    # With another issuer's token it is what the token says.
    my $user = $t->user('aged');
    my $now  = time;
    for ([ 961 => 403 ], [ 840 => 201 ]) {
        my ($age, $status) = @$_;
        status_is $t->client(token => $t->token($user, auth_time => $now - $age))->post("$mfa/totp"), $status, "auth_time $age s ago";
        status_is $t->client(token => $t->token($user, iat => $now - $age))->post("$mfa/totp"), $status, "  iat, without one";
    }
    error_is $t->client(token => $t->token($user, auth_time => 'now'))->get($mfa), 401, 'AUTHENTICATION_ERROR', name => 'an auth_time that is no time';
    $db->do(q{DELETE FROM totp_factors});
};

subtest 'at first it is off' => sub {
    my $ann = $t->user('ann', tenant => 'acme');
    json_is $ann->get($mfa), '', { enabled => false, confirmed_at => undef, recovery_codes_left => 0 };
    json_is $ann->with(key => $key)->get($mfa), '/enabled', false, 'with a key of the tenant, too';
    error_is $ann->with(key => $t->key)->get($mfa), 401, 'AUTHENTICATION_ERROR', name => 'but not with another tenant\'s';
    error_is $ann->post("$mfa/totp/verify", { code => '123456' }), 404, 'NOT_FOUND', message => qr/enrol first/;
    error_is $ann->delete("$mfa/totp", json => { code => '123456' }), 404, 'NOT_FOUND';
    error_is $ann->post("$mfa/recovery-codes", { code => '123456' }), 404, 'NOT_FOUND';
};

subtest 'a secret counts from its first code on' => sub {
    my $bob = $t->user('bob', tenant => 'acme');
    my $res = $bob->post("$mfa/totp");
    status_is $res, 201;
    my $first = $res->json('/secret');
    like $first, qr/\A[A-Z2-7]{32}\z/, 'a secret of 160 bits';
    json_is $res, '/otpauth_uri',
        "otpauth://totp/Acme%20%26%20Co:bob%40example.com?secret=$first&issuer=Acme%20%26%20Co&algorithm=SHA1&digits=6&period=30";
    my ($sealed) = $db->selectrow_array('SELECT secret_sealed FROM totp_factors WHERE user_id = ?', undef, $bob->uuid);
    like $sealed, qr/\Av1\.0\./, 'it is stored encrypted';
    json_is $bob->get($mfa), '/enabled', false, 'nothing is asked for yet';

    my $secret = enrol($bob);
    isnt $secret, $first, 'enrolling again makes another';
    error_is $bob->post("$mfa/totp/verify", { code => totp($first) }), 400, 'INVALID_CODE', name => 'the first one\'s codes are worth nothing';
    error_is $bob->post("$mfa/totp/verify", { code => wrong($secret) }), 400, 'INVALID_CODE';
    error_is $bob->post("$mfa/totp/verify", { code => totp($secret, -3) }), 400, 'INVALID_CODE', name => 'nor one of a minute ago';
    error_is $bob->post("$mfa/totp/verify", { code => 'abcdef' }), 400, 'INVALID_CODE';
    error_is $bob->post("$mfa/totp/verify", { code => '12345' }), 422, 'VALIDATION_ERROR', field => 'code';
    json_is $bob->get($mfa), '/enabled', false, 'still nothing';
    is scalar @{ events($bob, 'mfa.failed') }, 4, 'each failure is put down';

    my $code = totp($secret);
    $res = $bob->post("$mfa/totp/verify", { code => $code }, headers => { 'Idempotency-Key' => 'once' });
    status_is $res, 200;
    my @codes = @{ $res->json('/recovery_codes') };
    $t->keep_secret($first, @codes);
    is scalar @codes, 10, 'ten recovery codes';
    is scalar(grep { /\A[a-hjkmnp-z2-9]{5}-[a-hjkmnp-z2-9]{5}\z/ } @codes), 10, 'without look-alikes';
    my %seen;
    is scalar(grep { !$seen{$_}++ } @codes), 10, 'all different';
    is $db->selectrow_array('SELECT count(*) FROM idempotency_keys'), 0, 'which no Idempotency-Key keeps';
    my $status = $bob->get($mfa);
    json_is $status, '/enabled', true;
    like $status->json('/confirmed_at'), $TIME, 'since now';
    json_is $status, '/recovery_codes_left', 10;
    is scalar @{ events($bob, 'mfa.enable') }, 1, 'and that is put down';

    error_is $bob->post("$mfa/totp"), 409, 'CONFLICT', message => qr/turn it off first/;
    error_is $bob->post("$mfa/totp/verify", { code => totp($secret, 1) }), 409, 'CONFLICT';
    error_is $bob->post("$mfa/recovery-codes", { code => $code }), 400, 'INVALID_CODE', name => 'the code that turned it on is used';
};

# ------------------------------------------------------------------ signing in

subtest 'a challenge is passed with a code' => sub {
    my ($cid, $secret) = protected('cid');
    my $token = challenge($cid);
    error_is verify($token, wrong($secret)), 400, 'INVALID_CODE';
    is $t->client(token => $token)->get('/api/v1/app/users/me')->status, 401, 'the mfa_token is no access token';
    my $code = totp($secret);
    my $res  = verify($token, $code);
    status_is $res, 200;
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    json_is $res, '/token_type', 'Bearer';
    json_is $res, '/expires_in', 3600;
    json_is $res, '/user/id',    $cid->uuid;
    json_is $t->client(token => $res->json('/access_token'))->get($mfa), '/enabled', true, 'it is a session';
    my ($has_mfa, $method) = $db->selectrow_array('SELECT has_mfa, method FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT 1', undef, $cid->uuid);
    ok $has_mfa && $method eq 'password', 'which knows that both were shown';
    my @log = map { $_->{action} } @{ events($cid, 'session.create', 'session.failed') };
    is_deeply \@log, [ 'session.failed', 'session.create' ], 'both are put down, under the user\'s name';

    error_is verify($token, totp($secret, 1)), 400, 'TOKEN_INVALID', name => 'a challenge is passed once';
    error_is verify(challenge($cid), $code), 400, 'INVALID_CODE', name => 'a code is good once';
    $t->keep_secret($_->json('/access_token'), $_->json('/refresh_token')) for my $next = verify(challenge($cid), totp($secret, 1) =~ s/(...)/ $1\x{a0}/r . ' ');
    status_is $next, 200, 'the next one is another, and may be typed in groups';
};

subtest 'signing in with a password answers a challenge' => sub {
    my %who    = (email => 'ned@example.com', password => 'Correct-Horse-7');
    my $login  = sub (%with) { return $t->post('/api/v1/auth/login', { %who, %with }, key => $key) };
    my $signed = $t->post('/api/v1/auth/register', \%who, key => $key);
    my $ned    = $t->client(token => $signed->json('/access_token'));
    $t->keep_secret($who{password}, $signed->json('/refresh_token'));
    my $secret = enrol($ned);
    my $res    = $login->();
    ok $res->json('/access_token'), 'not before the factor is confirmed';
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    $t->keep_secret(@{ $ned->post("$mfa/totp/verify", { code => totp($secret) })->json('/recovery_codes') });

    error_is $login->(password => 'Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS', name => 'a wrong password says nothing of a factor';
    $res = $login->();
    status_is $res, 200;
    json_is $res, '', { mfa_required => true, mfa_token => $res->json('/mfa_token'), expires_in => 300 }, 'no token, no user';
    $t->keep_secret($res->json('/mfa_token'));
    my $uuid = $signed->json('/user/id');
    is $db->selectrow_array('SELECT count(*) FROM sessions WHERE user_id = ?', undef, $uuid), 2, 'there is no session yet';
    error_is verify($res->json('/mfa_token'), wrong($secret)), 400, 'INVALID_CODE';
    $res = verify($res->json('/mfa_token'), totp($secret, 1), key => $key);
    status_is $res, 200;
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    json_is $t->get('/api/v1/auth/me', key => $key, token => $res->json('/access_token')), '/email', $who{email}, 'now there is';
    my $next = $t->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') });
    ok $next->json('/access_token'), 'which goes on without a code';
    $t->keep_secret($next->json('/access_token'), $next->json('/refresh_token'));
};

subtest 'what is no challenge is refused alike' => sub {
    my ($dan, $secret) = protected('dan');
    my $other = $t->user('dan', tenant => 'other');
    my $stolen = encode_base64url(pack('H*', $other->tenant_id =~ tr/-//dr) . 'x' x 32);
    for (
        [ 'nonsense'                  => 'nonsense' ],
        [ 'an unknown one'            => $stolen ],
        [ 'one that is over'          => challenge($dan, lasts => '-1 second') ],
        [ 'a mailed token'            => challenge($dan, kind  => 'reset_password') ],
        [ 'one of who has no factor'  => challenge($other) ],
    ) {
        my ($name, $token) = @$_;
        error_is verify($token, totp($secret)), 400, 'TOKEN_INVALID', message => qr/sign in again/, name => $name;
    }
    my $token = challenge($dan);
    error_is verify($token, totp($secret), key => $t->key), 401, 'AUTHENTICATION_ERROR', name => 'a key of another tenant';
    error_is verify($token, totp($secret), key => 'sk_live_' . 'x' x 32), 401, 'INVALID_API_KEY', name => 'a key that is none';
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $dan->uuid);
    error_is verify($token, totp($secret)), 400, 'TOKEN_INVALID', name => 'a user who is not active';
    $db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $dan->uuid);
    my $res = verify($token, totp($secret), key => $key);
    status_is $res, 200, 'the tenant\'s own key lets it pass';
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
};

subtest 'a challenge takes five codes' => sub {
    my ($eve, $secret) = protected('eve');
    my $token = challenge($eve);
    error_is verify($token, wrong($secret)), 400, 'INVALID_CODE', name => "wrong code $_" for 1 .. 5;
    error_is verify($token, totp($secret)), 400, 'TOKEN_INVALID', name => 'then the right one comes too late';
    $token = challenge($eve);
    error_is verify($token, wrong($secret)), 400, 'INVALID_CODE', name => "wrong code $_" for 1 .. 4;
    fresh($eve);
    my $res = verify($token, totp($secret));
    status_is $res, 200, 'as the fifth it does not';
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
};

subtest 'a user has ten wrong codes in a quarter of an hour, over all challenges' => sub {
    my ($fay, $secret, $recovery) = protected('fay');
    for my $token (challenge($fay), challenge($fay)) {
        error_is verify($token, wrong($secret)), 400, 'INVALID_CODE', name => "wrong code $_" for 1 .. 5;
    }
    my $res = verify(challenge($fay), totp($secret));
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'not even the right one now';
    ok $res->header('Retry-After') > 850 && $res->header('Retry-After') <= 900, 'for 15 minutes';
    is verify(challenge($fay), $recovery)->status, 429, 'nor a recovery code';
    status_is $fay->get($mfa), 200, 'who is signed in stays so';

    error_is $fay->post("$mfa/recovery-codes", { code => totp($secret) }), 429, 'RATE_LIMIT_EXCEEDED';
    error_is $fay->delete("$mfa/totp", json => { code => totp($secret) }), 429, 'RATE_LIMIT_EXCEEDED', name => 'one limit for all of it';
    is $db->selectrow_array(q{SELECT tries FROM rate_limits WHERE name = 'mfa_code' AND subject = ?}, undef, 'user:' . $fay->uuid), 10, 'that of the user over all addresses is the brake\'s';
    $db->do(q{UPDATE rate_limits SET blocked_until = NULL, tries = 9 WHERE subject LIKE 'user:% ip:%'});
    $db->do('UPDATE totp_factors SET last_step = 0');
    status_is $fay->post("$mfa/recovery-codes", { code => totp($secret) }), 200, 'nine, and a right one';
    $t->keep_secret(@{ $fay->last->json('/recovery_codes') });
    is $db->selectrow_array(q{SELECT tries FROM rate_limits WHERE name = 'mfa_code' AND subject LIKE 'user:% ip:%'}), 0, '  which forgives them';
    $db->do('UPDATE totp_factors SET last_step = 0');
    $db->do(q{UPDATE rate_limits SET blocked_until = now() + interval '5 minutes' WHERE subject = ?}, undef, 'user:' . $fay->uuid);
    error_is $fay->post("$mfa/recovery-codes", { code => totp($secret) }), 429, 'RATE_LIMIT_EXCEEDED', name => 'the brake';
    $db->do(q{INSERT INTO known_addresses (tenant_id, account_id, address) VALUES (?, ?, '127.0.0.1')}, undef, $fay->tenant_id, $fay->uuid);
    status_is $fay->post("$mfa/recovery-codes", { code => totp($secret) }), 200, '  does not meet an address that signed in before';
    $t->keep_secret(@{ $fay->last->json('/recovery_codes') });
    $db->do('UPDATE totp_factors SET last_step = 0');
    $db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '1 second'});
    status_is $fay->post("$mfa/recovery-codes", { code => totp($secret) }), 200, 'afterwards it is right again';
};

# ------------------------------------------------------------------ recovery codes

subtest 'a recovery code is good once' => sub {
    my ($gil, $secret, @codes) = protected('gil');
    my $res = verify(challenge($gil), uc($codes[3] =~ tr/-/ /r));
    status_is $res, 200, 'as people type it';
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    json_is $gil->get($mfa), '/recovery_codes_left', 9;
    error_is verify(challenge($gil), $codes[3]), 400, 'INVALID_CODE', name => 'and not again';
    error_is verify(challenge($gil), 'abcde-fghjk'), 400, 'INVALID_CODE', name => 'nor one that was never given out';
    my ($hal, undef, @his) = protected('hal');
    error_is verify(challenge($gil), $his[0]), 400, 'INVALID_CODE', name => 'nor another user\'s';
    my $stored = join ' ', @{ $db->selectcol_arrayref('SELECT hash::text FROM recovery_codes') };
    unlike $stored, qr/\Q$codes[0]\E/, 'stored are hashes';

    error_is $gil->post("$mfa/recovery-codes", { code => wrong($secret) }), 400, 'INVALID_CODE', name => 'new ones need a code';
    my $new = $gil->post("$mfa/recovery-codes", { code => totp($secret) });
    status_is $new, 200;
    $t->keep_secret(@{ $new->json('/recovery_codes') });
    json_is $gil->get($mfa), '/recovery_codes_left', 10;
    error_is verify(challenge($gil), $codes[0]), 400, 'INVALID_CODE', name => 'the old ones are gone';
    is scalar @{ events($gil, 'mfa.recovery_codes') }, 1, 'and that is put down';
    $new = $gil->post("$mfa/recovery-codes", { code => $new->json('/recovery_codes/0') });
    status_is $new, 200, 'a recovery code will do';
    $t->keep_secret(@{ $new->json('/recovery_codes') });
};

# ------------------------------------------------------------------ turning it off

subtest 'it is turned off with a code' => sub {
    my ($ida, $secret, @codes) = protected('ida');
    my $token = challenge($ida);
    error_is $ida->delete("$mfa/totp"), 422, 'VALIDATION_ERROR', field => 'code', name => 'without a code it stays';
    error_is $ida->delete("$mfa/totp", json => { code => wrong($secret) }), 400, 'INVALID_CODE';
    json_is $ida->get($mfa), '/enabled', true;
    my $res = $ida->delete("$mfa/totp", json => { code => $codes[0] });
    status_is $res, 204;
    body_is $res, '';
    json_is $ida->get($mfa), '', { enabled => false, confirmed_at => undef, recovery_codes_left => 0 };
    is $db->selectrow_array('SELECT count(*) FROM totp_factors WHERE user_id = ?', undef, $ida->uuid), 0, 'the secret is gone';
    is scalar @{ events($ida, 'mfa.disable') }, 1, 'and that is put down';
    error_is verify($token, totp($secret)), 400, 'TOKEN_INVALID', name => 'a challenge from before is void';
    status_is $ida->post("$mfa/totp"), 201, 'it can be turned on again';
};

subtest 'who acts as the user may look, and no more' => sub {
    my $admin = $t->user('root', tenant => 'acme', role => 'admin');
    my ($jan, $secret) = protected('jan');
    $db->do(q{UPDATE sessions SET impersonator_id = ?, method = 'impersonation' WHERE id = ?}, undef, $admin->uuid, $jan->session);
    my $acting = $jan->with(token => $t->token($jan, act => { sub => $admin->id }));
    json_is $acting->get($mfa), '/enabled', true;
    my $code = totp($secret);
    error_is $acting->delete("$mfa/totp", json => { code => $code }), 403, 'AUTHORIZATION_ERROR';
    error_is $acting->post("$mfa/recovery-codes", { code => $code }), 403, 'AUTHORIZATION_ERROR';
    error_is $acting->post("$mfa/totp"), 403, 'AUTHORIZATION_ERROR';
    error_is $acting->post("$mfa/totp/verify", { code => $code }), 403, 'AUTHORIZATION_ERROR';
};

subtest 'a secret that is copied to another user does not open' => sub {
    my ($kim) = protected('kim');
    my ($lee, $secret) = protected('lee');
    $db->do('UPDATE totp_factors SET secret_sealed = (SELECT secret_sealed FROM totp_factors WHERE user_id = ?) WHERE user_id = ?', undef, $lee->uuid, $kim->uuid);
    $t->expect_log(qr/TOTP secret does not open/);
    error_is verify(challenge($kim), totp($secret)), 500, 'INTERNAL_ERROR';
};

# ------------------------------------------------------------------ two at once

subtest 'of two at once with the same code one gets in' => sub {
    my ($max, $secret, $recovery) = protected('max');
    for my $code ([ 'of the app' => totp($secret), 'totp_factors' ], [ 'for recovery' => $recovery, 'recovery_codes' ]) {
        my ($name, $text, $table) = @$code;
        my $lock = $t->lock("SELECT FROM $table WHERE user_id = ? FOR UPDATE", $max->uuid);
        my @pids;
        pipe my $out, my $in;
        for my $token (challenge($max), challenge($max)) {
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                my $client = Ashlar::Client->new(http => $t->http);
                my $res = $client->post("$mfa/verify", { mfa_token => $token, code => $text });
                syswrite $in, $res->status . "\n";
                POSIX::_exit(0);
            }
            push @pids, $pid;
        }
        close $in;
        eventually { $t->waiting >= 2 } 5, "both wait: a code $name";
        $lock->rollback;
        $lock->disconnect;
        waitpid $_, 0 for @pids;
        my @status = sort map { 0 + $_ } <$out>;
        is "@status", '200 400', 'and one of them is refused';
    }
};
