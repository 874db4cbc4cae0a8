use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Google;
use Ashlar::Token qw(sign_key mint);
use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(encode_base64url decode_base64url);
use Time::HiRes 'time';

# Signing in with Google, against a stand-in that speaks what Google documents.
my $google = Ashlar::Google->start;
my $t      = Api->start($google->settings, main => 1, slow => 3, SLOW_PER_TENANT => 2, SLOW_PER_CALLER => 2);
my $page   = 'https://app.example.com/signed-in';
my $queried = 'https://app.example.com/back?from=google&x=1';
my $origin = 'https://app.example.com';
my $secret = 'GOCSPX-the client secret+of/acme';
my $other_secret = 'GOCSPX-the client secret of other';
my %owner  = map { $_ => $t->team($_, role => 'owner', tenant => $_) } qw(acme other);
my $acme   = $t->client(key => $t->key(type => 'public', tenant => 'acme'), origin => $origin);
my $other  = $t->client(key => $t->key(tenant => 'other'));
my $db     = $t->db;
my $signing = 'the secret of the tests, 32 bytes or more';
$t->keep_secret($secret, $other_secret);

my %tenant = map { $_ => $t->tenant_id($_) } qw(acme other);

sub set_up ($who, %change) {
    my $res = $owner{$who}->put('/api/v1/dashboard/oauth-providers/google', {
        is_enabled => true, client_id => "$who.apps.googleusercontent.com", client_secret => $who eq 'acme' ? $secret : $other_secret,
        redirect_uris => $who eq 'acme' ? [ $page, $queried ] : ['https://other.example.com/'], %change,
    });
    die $res->describe if $res->status != 200;
    return $res;
}

sub url ($who = $acme, $redirect_uri = $page) {
    my $res = $who->get('/api/v1/auth/google/url', query => { redirect_uri => $redirect_uri });
    return $res->json('/authorization_url') // die $res->describe;
}

# The whole way: the answer of our callback.
sub sign_in (%claim) {
    my $at  = delete $claim{redirect_uri};
    my $res = $t->get($google->agree(url($acme, $at // $page), secret => $secret, %claim), headers => { Accept => 'text/html,application/xhtml+xml,*/*;q=0.8' });
    $t->keep_secret($google->last);
    return $res;
}

# It redirects with tokens; the fragment.
sub signed_in ($res, $name, $to = $page) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    status_is $res, 302, $name;
    my ($before, undef, $fragment) = Ashlar::Google::parts($res->header('Location') // '');
    like $res->header('Location'), qr/\A\Q$to\E#access_token=[A-Za-z0-9._-]+&refresh_token=[A-Za-z0-9_-]+&expires_in=3600\z/, '  to the page, with tokens in the fragment';
    body_is $res, '', '  and nothing else';
    $t->keep_secret(@$fragment{qw(access_token refresh_token)}) if $fragment->{access_token};
    return $fragment;
}

# It redirects with an error, and no token anywhere.
sub failed ($res, $description, $name, $to = $page) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    status_is $res, 302, $name;
    my $encoded = $description =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
    header_is $res, 'Location', $to . ($to =~ /\?/ ? '&' : '?') . "error=oauth_failed&error_description=$encoded", '  back to the page, which is told why';
    return;
}

sub counts () {
    return join ' ', map { scalar $db->selectrow_array("SELECT count(*) FROM $_") } qw(users identities sessions);
}

sub row ($email) {
    return $db->selectrow_hashref('SELECT * FROM users WHERE tenant_id = ? AND email = ? AND deleted_at IS NULL', undef, $tenant{acme}, $email);
}

sub audits ($user) {
    return [ map { "$_->[0] $_->[1]" } @{ $db->selectall_arrayref('SELECT action, details FROM audit_events WHERE tenant_id = ? AND actor_id = ? ORDER BY seq', undef, $tenant{acme}, $user->{public_id}) } ];
}

# A state as ours is, of any time and content.
sub state_of ($payload, %arg) {
    my $part = encode_base64url(pack('Q>', int(time) + ($arg{ttl_s} // 600)) . $payload);
    my $key  = hmac_sha256('ashlar state ' . ($arg{purpose} // 'google'), $arg{key} // $signing);
    return "$part." . encode_base64url(hmac_sha256($part, $key));
}

my $confirm = 'Google does not confirm the sign-in; try again';
my $callback = '/api/v1/auth/google/callback';

subtest 'without set-up there is no button, and no URL' => sub {
    json_is $acme->get('/api/v1/auth/providers'), '', { providers => [] };
    json_is $t->get('/api/v1/auth/providers'), '', { providers => [] }, 'nor for the default tenant';
    error_is $acme->get('/api/v1/auth/google/url', query => { redirect_uri => $page }), 404, 'NOT_FOUND', message => qr/not enabled/;
    set_up('acme', is_enabled => false);
    json_is $acme->get('/api/v1/auth/providers'), '', { providers => [] }, 'nor while it is off';
    error_is $acme->get('/api/v1/auth/google/url', query => { redirect_uri => $page }), 404, 'NOT_FOUND';
    set_up('acme');
    set_up('other');
    json_is $acme->get('/api/v1/auth/providers'), '', { providers => [ { provider => 'google', name => 'Google' } ] }, 'then there is';
    json_is $t->get('/api/v1/auth/providers'), '', { providers => [] }, 'for this tenant';
};

subtest 'a page that is not configured, to the character' => sub {
    for my $wrong ("$page/", "$page?x=1", uc $page, 'https://app.example.com/signed-i', 'https://app.example.com/', 'http://app.example.com/signed-in',
        'https://app.example.com.evil.example/signed-in', 'https://other.example.com/', "https://app.example.com/\x{e9}" . 'x' x 2000) {
        error_is $acme->get('/api/v1/auth/google/url', query => { redirect_uri => $wrong }), 400, 'BAD_REQUEST', field => 'redirect_uri', name => substr $wrong, 0, 60;
    }
    error_is $acme->get('/api/v1/auth/google/url'), 422, 'VALIDATION_ERROR', field => 'redirect_uri';
    error_is $acme->get('/api/v1/auth/google/url', query => { redirect_uri => "$page#" }), 422, 'VALIDATION_ERROR', field => 'redirect_uri', name => 'nor one with a fragment, which is where tokens go';
};

subtest 'the URL of Google\'s page' => sub {
    my $res = $acme->get('/api/v1/auth/google/url', query => { redirect_uri => $page });
    status_is $res, 200;
    my ($at, $q) = Ashlar::Google::parts($res->json('/authorization_url'));
    is $at, { $google->settings }->{GOOGLE_AUTH_URL}, 'Google\'s page';
    my %fixed = (response_type => 'code', client_id => 'acme.apps.googleusercontent.com', redirect_uri => $t->{env}{PUBLIC_URL} . $callback,
        scope => 'openid email profile', code_challenge_method => 'S256', prompt => 'select_account');
    is $q->{$_}, $fixed{$_}, $_ for sort keys %fixed;
    like $q->{$_}, qr/\A[A-Za-z0-9_-]{43}\z/, $_ for qw(nonce code_challenge);
    is_deeply [ sort keys %$q ], [ sort keys %fixed, qw(nonce code_challenge state) ], 'and nothing else';
    my ($part, $mac) = split /\./, $q->{state};
    my ($expires, $payload) = unpack 'Q> a*', decode_base64url($part);
    cmp_ok abs($expires - time - 600), '<', 5, 'the state is good for ten minutes';
    like $payload, qr/\A\{"tenant":"$tenant{acme}","redirect_uri":"\Q$page\E","nonce":"[A-Za-z0-9_-]{22}"\}\z/, '  and says whose it is, and where to';
    is $q->{state}, "$part." . encode_base64url(hmac_sha256($part, hmac_sha256('ashlar state google', $signing))), '  under our signature';
    isnt $q->{code_challenge}, encode_base64url(sha256($q->{$_})), "whose verifier is not the $_" for qw(nonce state);
    my (undef, $again) = Ashlar::Google::parts(url());
    isnt $again->{$_}, $q->{$_}, "each has another $_" for qw(state nonce code_challenge);
};

subtest 'a state that cannot be trusted leads nowhere' => sub {
    my $before = counts();
    my $bad    = sub ($state, $name) {
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        my $path = $google->agree(url(), secret => $secret, state => $state // '');
        my $res  = $t->get(defined $state ? $path : $path =~ s/&state=//r);
        error_is $res, 400, 'TOKEN_INVALID', name => $name;
        header_absent $res, 'Location', '  with no redirect';
    };
    my (undef, $q) = Ashlar::Google::parts(url());
    my $good    = $q->{state};
    my $payload = substr decode_base64url($good =~ s/\..*//r), 8;
    $bad->(undef, 'none');
    $bad->('', 'an empty one');
    $bad->('nonsense', 'nonsense');
    $bad->(changed($good, -2), 'another signature');
    $bad->(encode_base64url(pack('Q>', time + 600) . $payload =~ s/signed-in/elsewhere/r) . $good =~ s/.*(?=\.)//r, 'another page under the same signature');
    $bad->(state_of($payload, key => 'another secret, also of 32 bytes or more'), 'another key');
    $bad->(state_of($payload, purpose => 'passkey'), 'another purpose');
    $bad->(state_of($payload, ttl_s => -1), 'expired');
    $bad->(state_of($payload =~ s/\Q$page\E/https:\/\/evil.example/r), 'a page that is not the tenant\'s');
    $bad->(state_of($payload =~ s/$tenant{acme}/$tenant{other}/r), 'another tenant\'s page');
    $bad->('x' x 4097, 'one that is too long');
    error_is $t->get("$callback?error=access_denied"), 400, 'TOKEN_INVALID', name => 'whatever Google says';
    is counts(), $before, 'nobody was made, nobody signed in';
    is scalar @{ $google->seen->{token} }, 0, 'and Google was not asked';
};

subtest 'Google says no' => sub {
    my (undef, $q) = Ashlar::Google::parts(url());
    failed $t->get($google->back(state => $q->{state}, error => 'access_denied')), 'the sign-in was cancelled', 'the person declined';
    failed $t->get($google->back(state => $q->{state}, error => '<script>')), 'Google has refused the sign-in', 'something else; it is not passed on';
    failed $t->get($google->back(state => $q->{state}, error => 'access_denied', code => 'x')), 'the sign-in was cancelled', 'even beside a code';
    failed $t->get($google->back(state => $q->{state})), 'Google has refused the sign-in', 'no code';
    failed $t->get($google->back(state => $q->{state}, code => '')), 'Google has refused the sign-in', 'an empty one';
    (undef, $q) = Ashlar::Google::parts(url($acme, $queried));
    failed $t->get($google->back(state => $q->{state}, error => 'access_denied')), 'the sign-in was cancelled', 'a page with a query keeps it', $queried;
    is scalar @{ $google->seen->{token} }, 0, 'Google was not asked';
};

subtest 'a code that is not this flow\'s' => sub {
    my $before = counts();
    failed $t->get($google->back(state => (Ashlar::Google::parts(url()))[1]{state}, code => '4/0-unknown')), $confirm, 'an unknown one';

    # The state of one flow with the code of another: PKCE, since the verifier is the state's.
    my $mine  = url();
    my $stolen = $google->agree(url(), secret => $secret);
    failed $t->get($stolen =~ s/(?<=state=)[^&]+/(Ashlar::Google::parts($mine))[1]{state}/er), $confirm, 'another flow\'s';
    my $theirs = $google->agree(url($other, 'https://other.example.com/'), secret => $other_secret);
    failed $t->get($theirs =~ s/(?<=state=)[^&]+/(Ashlar::Google::parts($mine))[1]{state}/er), $confirm, 'another tenant\'s';
    failed $t->get($google->agree(url(), secret => 'another')), $confirm, 'a client secret that Google does not know';
    is counts(), $before, 'nobody was made, nobody signed in';
    my @forms = @{ $google->seen->{token} };
    is scalar @forms, 4, 'and each was asked for once';
};

subtest 'an ID token that is not good' => sub {
    my $before  = counts();
    my $foreign = sign_key('RSA', 'google-1');
    my $us      = 'acme.apps.googleusercontent.com';
    my $now     = int time;
    for my $case (
        [ 'for another client',          aud => 'other.apps.googleusercontent.com' ],
        [ 'for nobody',                  aud => undef ],
        [ 'for several, without azp',    aud => [ $us, 'x' ], azp => undef ],
        [ 'for several, another\'s',     aud => [ $us, 'x' ], azp => 'x' ],
        [ 'with another azp',            azp => 'x' ],
        [ 'with an azp that is none',    azp => [$us] ],
        [ 'of another issuer',           iss => 'https://accounts.google.com.evil.example' ],
        [ 'of http Google',              iss => 'http://accounts.google.com' ],
        [ 'of no issuer',                iss => undef ],
        [ 'with another flow\'s nonce',  nonce => (Ashlar::Google::parts(url()))[1]{nonce} ],
        [ 'without a nonce',             nonce => undef ],
        [ 'with a nonce that is no text', nonce => 7 ],
        [ 'expired',                     iat => $now - 3600, exp => $now - 31 ],
        [ 'that never expires',          exp => undef ],
        [ 'from the future',             iat => $now + 60 ],
        [ 'of no time',                  iat => undef ],
        [ 'about nobody',                sub => undef ],
        [ 'signed by somebody else',     token_key => $foreign ],
        [ 'with a key that is unknown',  token_key => $foreign, header => { kid => 'google-9' } ],
        [ 'that is not signed',          alg => 'none', token_key => undef ],
        [ 'signed with the client secret', alg => 'HS256', token_key => $secret ],
        [ 'signed with the public key',  alg => 'HS256', token_key => $google->key->{public} ],
        [ 'that is a logout token',      header => { typ => 'logout+jwt' } ],
    ) {
        my ($name, %claim) = @$case;
        failed sign_in(%claim), $confirm, $name;
    }
    is counts(), $before, 'nobody was made, nobody signed in';
    cmp_ok $google->seen->{certs}, '<=', 2, 'each process fetched the keys once: an unknown key asks at most once a minute';
};

subtest 'an address that Google has not verified is nobody\'s' => sub {
    my $before = counts();
    my $why    = 'Google has not verified this e-mail address';
    failed sign_in(email_verified => false, sub => 'unverified'), $why, 'not verified';
    failed sign_in(email_verified => undef, sub => 'unverified'), $why, 'not said';
    failed sign_in(email_verified => 'true', sub => 'unverified'), $why, 'said in the wrong way';
    failed sign_in(email => undef, sub => 'unverified'), $why, 'no address';
    failed sign_in(email => 'nobody', sub => 'unverified'), $why, 'none that is one';
    is counts(), $before, 'nobody was made, nobody signed in';
    is scalar $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE tenant_id = ? AND action = 'session.failed'}, undef, $tenant{acme}), 5, 'which is put down';
};

subtest 'the first time makes the user' => sub {
    my ($plan) = $db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free) VALUES (?, 'Free', true) RETURNING id}, undef, $tenant{acme});
    $db->do('UPDATE tenant_settings SET default_plan_id = ? WHERE tenant_id = ?', undef, $plan, $tenant{acme});
    my $asked = @{ $google->seen->{token} };
    my $res   = sign_in(sub => 'jane', email => 'Jane.Smith@Example.com');
    my $tokens = signed_in $res, 'signed in';
    header_is $res, 'Cache-Control', 'no-store';
    header_is $res, 'Referrer-Policy', 'no-referrer';
    header_absent $res, 'Content-Type', 'no body, no type';
    my $user = row('jane.smith@example.com');
    is $user->{full_name}, 'Jane Smith', 'name';
    is $user->{avatar_url}, 'https://lh3.googleusercontent.com/a-/AOh14Gi0', 'picture';
    ok $user->{is_email_verified}, 'the address is verified';
    is $user->{password_hash}, undef, 'there is no password';
    is $user->{role}, 'user', 'an ordinary user';
    is $user->{current_plan_id}, $plan, 'on the tenant\'s default plan';
    is_deeply $db->selectall_arrayref('SELECT issuer, subject FROM identities WHERE user_id = ?', undef, $user->{id}), [ [ 'https://accounts.google.com', 'jane' ] ], 'known by issuer and subject';
    is_deeply audits($user), [ 'user.create {"method": "google"}', 'session.create {"method": "google"}' ], 'the audit log has it';
    my $me = $t->client(token => $tokens->{access_token});
    json_is $me->get('/api/v1/app/users/me'), '/id', $user->{public_id}, 'the token is taken';
    my $refreshed = $acme->post('/api/v1/auth/refresh', { refresh_token => $tokens->{refresh_token} });
    status_is $refreshed, 200, 'and so is the other one';
    $t->keep_secret(grep { defined } $refreshed->json('/access_token'), $refreshed->json('/refresh_token'));

    my @forms = @{ $google->seen->{token} };
    is scalar @forms, $asked + 1, 'Google was asked once';
    my %form = %{ $forms[-1] };
    like delete $form{code_verifier}, qr/\A[A-Za-z0-9_-]{43}\z/, '  with a verifier, that fits or there were no token';
    is_deeply \%form, { grant_type => 'authorization_code', code => ($google->last)[0], client_id => 'acme.apps.googleusercontent.com', client_secret => $secret,
        redirect_uri => $t->{env}{PUBLIC_URL} . $callback, content_type => 'application/x-www-form-urlencoded' }, '  and all that it documents';
    my $line = $t->log_of($res);
    is $line->{route}, $callback, 'the log has no query';
    unlike join('', map { $_ // '' } values %$line), qr/code=|state=/, '  anywhere';
};

subtest 'the next time is the same user, whatever the address is' => sub {
    my $user = row('jane.smith@example.com');
    my $n    = $db->selectrow_array('SELECT count(*) FROM users');
    signed_in sign_in(sub => 'jane', email => 'jane@elsewhere.example', redirect_uri => $queried), 'another address', $queried;
    signed_in sign_in(sub => 'jane', email => 'jane@elsewhere.example', email_verified => false), 'one that is not verified';
    signed_in sign_in(sub => 'jane', email => undef, iss => 'accounts.google.com'), 'none, and the issuer without https://';
    signed_in sign_in(sub => 'jane', aud => [ 'acme.apps.googleusercontent.com', 'x' ]), 'several audiences, and azp is us';
    is $db->selectrow_array('SELECT count(*) FROM users'), $n, 'no other user was made';
    is $db->selectrow_array('SELECT count(*) FROM sessions WHERE user_id = ?', undef, $user->{id}), 5, 'five sessions of hers';
    is row('jane.smith@example.com')->{id}, $user->{id}, 'who keeps her address';
};

subtest 'a code is good once' => sub {
    my $path = $google->agree(url(), secret => $secret, sub => 'jane');
    signed_in $t->get($path), 'the first time';
    my $before = counts();
    failed $t->get($path), $confirm, 'and not a second time';
    is counts(), $before, 'nobody signed in';
};

subtest 'an account of the tenant with the same address, which was proved' => sub {
    my $ann = $t->user('ann', tenant => 'acme', columns => { is_email_verified => 1, password_hash => '$scrypt$x' });
    signed_in sign_in(sub => 'ann', email => 'ANN@example.com'), 'is linked';
    my $user = row('ann@example.com');
    is $user->{id}, $ann->uuid, 'it is hers';
    is $user->{password_hash}, '$scrypt$x', 'her password stays';
    status_is $ann->get('/api/v1/app/users/me'), 200, 'her sessions, too';
    is_deeply audits($user), [ 'identity.link {"method": "google", "was_verified": true}', 'session.create {"method": "google"}' ], 'the audit log has it';
    signed_in sign_in(sub => 'ann', email => 'ann@example.com'), 'and is the same the next time';
    is $db->selectrow_array('SELECT count(*) FROM identities WHERE user_id = ?', undef, $ann->uuid), 1;
};

subtest 'somebody has registered with an address that is not theirs' => sub {
    my $thief = $t->user('victim', tenant => 'acme', columns => { password_hash => '$scrypt$x' });
    $db->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'x', 'x', 'x', 'x')}, undef, $tenant{acme}, $thief->uuid);
    $db->do(q{INSERT INTO totp_factors (tenant_id, user_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $tenant{acme}, $thief->uuid);
    $db->do(q{INSERT INTO recovery_codes (tenant_id, user_id, hash) VALUES (?, ?, sha256('x'))}, undef, $tenant{acme}, $thief->uuid);
    $db->do(q{INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, expires_at) VALUES (?, 'verify_email', ?, sha256('x'), now() + interval '1 day')}, undef, $tenant{acme}, $thief->uuid);
    status_is $thief->get('/api/v1/app/users/me'), 200, 'and waits';
    signed_in sign_in(sub => 'victim', email => 'victim@example.com'), 'whose owner comes';
    my $user = row('victim@example.com');
    is $user->{id}, $thief->uuid, 'the account is the owner\'s now';
    ok $user->{is_email_verified}, 'the address is verified';
    is $user->{password_hash}, undef, 'the password is gone';
    error_is $thief->get('/api/v1/app/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'so are the sessions';
    is $db->selectrow_array("SELECT count(*) FROM $_ WHERE user_id = ?", undef, $user->{id}), 0, "so are $_" for qw(passkeys totp_factors recovery_codes);
    is $db->selectrow_array('SELECT count(*) FROM one_time_tokens WHERE user_id = ? AND used_at IS NULL', undef, $user->{id}), 0, 'and what was mailed';
    is_deeply audits($user), [
        'email.prove {"ended": {"passkeys": 1, "password": 1, "sessions": 1, "recovery_codes": 1, "second_factors": 1}, "method": "google"}',
        'identity.link {"method": "google", "was_verified": false}', 'session.create {"method": "google"}' ], 'the audit log has it';
};

subtest 'an address that another issuer claims without proof moves' => sub {
    my $theirs = $t->user('claimed', tenant => 'acme');
    $db->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://evil.example', 'x', ?)}, undef, $tenant{acme}, $theirs->uuid);
    signed_in sign_in(sub => 'claimed', email => 'claimed@example.com'), 'its owner signs in';
    my $user = row('claimed@example.com');
    isnt $user->{id}, $theirs->uuid, 'to an account of their own';
    is_deeply [ @$user{qw(full_name avatar_url)} ], [ 'Jane Smith', 'https://lh3.googleusercontent.com/a-/AOh14Gi0' ], '  with the name and the picture that Google has';
    is_deeply audits($user), [ 'user.create {"method": "google"}', 'session.create {"method": "google"}' ], '  as the audit log has it';
    is $db->selectrow_array('SELECT email FROM users WHERE id = ?', undef, $theirs->uuid), undef, 'and the other one has lost the address';
    status_is $theirs->get('/api/v1/app/users/me'), 200, '  and nothing else';
};

subtest 'another tenant has users of its own' => sub {
    my $res = $t->get($google->agree(url($other, 'https://other.example.com/'), secret => $other_secret, sub => 'jane', email => 'jane.smith@example.com'));
    signed_in $res, 'the same person', 'https://other.example.com/';
    is_deeply $db->selectcol_arrayref(q{SELECT count(*) FROM users WHERE email = 'jane.smith@example.com' GROUP BY tenant_id}), [ 1, 1 ], 'is somebody else there';
};

subtest 'who may not enter does not' => sub {
    my $inactive = 'this account is not active';
    $db->do(q{UPDATE users SET is_active = false WHERE email = 'jane.smith@example.com' AND tenant_id = ?}, undef, $tenant{acme});
    my $bob = $t->user('bob', tenant => 'acme', columns => { is_active => 0, is_email_verified => 1 });
    my $before = counts();
    failed sign_in(sub => 'jane'), $inactive, 'a deactivated one';
    failed sign_in(sub => 'bob', email => 'bob@example.com'), $inactive, 'a deactivated one who was never here';
    $db->do(q{UPDATE users SET is_active = true, deleted_at = now() WHERE email = 'jane.smith@example.com' AND tenant_id = ?}, undef, $tenant{acme});
    failed sign_in(sub => 'jane', email => 'jane.smith@example.com'), $inactive, 'a deleted one';
    is counts(), $before, 'nobody was made, nobody signed in';
    is audits($db->selectrow_hashref('SELECT * FROM users WHERE id = ?', undef, $bob->uuid))->[-1], 'session.failed {"method": "google", "reason": "account not active"}', 'which is put down';
};

subtest 'a second factor is what passwords need' => sub {
    my $ann = row('ann@example.com');
    $db->do(q{INSERT INTO totp_factors (tenant_id, user_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $tenant{acme}, $ann->{id});
    signed_in sign_in(sub => 'ann'), 'Google has asked for its own';
};

subtest 'two callbacks at once make one user' => sub {
    my $lock = $t->lock('SELECT pg_advisory_xact_lock(hash_record_extended(ROW (?::text, ?::uuid, ?::text, ?::text), 0))', 'identity', $tenant{acme}, 'https://accounts.google.com', 'twin');
    my @paths = map { $google->agree(url(), secret => $secret, sub => 'twin', email => 'twin@example.com') } 1, 2;
    my $load  = $t->load(clients => 2, requests => 1, each => sub ($client, $n) { return $client->get($paths[ $n =~ /^1/ ? 0 : 1 ], headers => { Accept => '*/*' }) });
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->commit;
    is_deeply [ map { $_->[0] } $load->finish ], [ 302, 302 ], 'both are answered';
    my $user = row('twin@example.com');
    is $db->selectrow_array('SELECT count(*) FROM identities WHERE tenant_id = ? AND subject = ?', undef, $tenant{acme}, 'twin'), 1, 'one identity';
    is $db->selectrow_array('SELECT count(*) FROM sessions WHERE user_id = ?', undef, $user->{id}), 2, 'two sessions of one user';
};

subtest 'set up differently while somebody is at Google' => sub {
    my @paths = map { $google->agree(url(), secret => $secret, sub => 'late', email => 'late@example.com') } 1 .. 3;
    set_up('acme', redirect_uris => ['https://app.example.com/new']);
    error_is $t->get($paths[0]), 400, 'TOKEN_INVALID', name => 'the page is not the tenant\'s any more';
    set_up('acme', is_enabled => false);
    failed $t->get($paths[1]), 'signing in with Google is not enabled', 'it was turned off';
    set_up('acme');
    $db->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $tenant{acme});
    failed $t->get($paths[2]), 'signing in with Google is not enabled', 'the tenant is suspended';
    $db->do('UPDATE tenants SET is_active = true WHERE id = ?', undef, $tenant{acme});
    is row('late@example.com'), undef, 'nobody was made';
};

subtest 'no connection of the database waits for Google' => sub {
    my $backends = sub { return $db->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'ashlar_api'}) };
    my $path = $google->agree(url(), secret => $secret, sub => 'slow', email => 'slow@example.com');
    sign_in(sub => 'slow', email => 'slow@example.com') for 1 .. 2;
    my $before = $backends->();
    $google->answer(delay_ms => 3000);
    my $load = $t->load(clients => 1, requests => 1, each => sub ($client, $n) { return $client->get($path) });
    eventually { $backends->() == $before - 1 } 3, 'while it waits it has none';
    is_deeply [ map { $_->[0] } $load->finish ], [302], 'and then signs in';
    $google->answer;
};

subtest 'Google is not well' => sub {
    my $before = counts();
    my $down   = 'Google cannot be reached; try again later';
    for ([ 'it says nothing', body => '' ], [ 'no JSON', body => '<html>' ], [ 'no object', body => '[]' ], [ 'no ID token', body => '{"access_token":"x"}' ],
        [ 'too much', body => '{"id_token":"' . 'x' x 65536 . '"}' ]) {
        my ($name, %how) = @$_;
        $google->answer(%how);
        failed sign_in(sub => 'x', email => 'x@example.com'), $down, $name;
    }
    $google->answer(status => 503, body => '{}');
    my $asked = @{ $google->seen->{token} };
    failed sign_in(sub => 'x', email => 'x@example.com'), $down, "failure $_" for 1 .. 6;
    my $had = @{ $google->seen->{token} } - $asked;
    cmp_ok $had, '<=', 5, 'after five failures it is left alone (circuit breaker); a code is never sent twice';
    cmp_ok $had, '>=', 4;
    $google->answer;
    failed sign_in(sub => 'x', email => 'x@example.com'), $down, 'for a while, even if it is well again';
    is @{ $google->seen->{token} } - $asked, $had, '  without being asked';
    is counts(), $before, 'nobody was made, nobody signed in';
    status_is $t->get('/api/v1/auth/providers'), 200, 'the rest goes on';
};
