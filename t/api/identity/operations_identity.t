use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from claims set_tenant);
use Ashlar::Timing 'take_as_long';

# Accounts of the operations surface: signing up, in and out, and who calls.
my $t    = Api->start(main => 2, @BEHIND_PROXY);
my $db   = $t->db;
my $ann  = $t->user('ann', tenant => 'acme', role => 'admin', columns => { is_email_verified => 1, full_name => 'Ann Owner' });
my $eve  = $t->user('eve', tenant => 'other');
my $org  = $t->organization($ann);
my $two  = $t->organization($ann, role => 'developer');
my $key  = $t->key(type => 'organization', of => $org, by => $ann);
my $path = '/api/auth/me';

sub number ($who) { return 0 + $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }

subtest 'who am I' => sub {
    error_is $t->client->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key(tenant => 'acme'))->get($path), 401, 'AUTHENTICATION_ERROR', name => 'a tenant\'s key is nobody';
    my $team = $ann->post('/api/teams', { name => 'Harbour' })->json('/data/id');
    my $gone = $t->organization($ann);
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    my %of   = map { $_->[0] => { id => $_->[0], name => $_->[1], slug => $_->[2] } } @{ $db->selectall_arrayref('SELECT id, name, slug FROM organizations') };
    my $res  = $ann->get($path);
    my $seen = { data => { id => number($ann), username => 'Ann Owner', email => 'ann@example.com', role => 'admin', avatar_url => undef, created_at => $TIME, updated_at => $TIME,
        tenant_id => 0 + $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $ann->tenant_id), last_login_at => undef,
        organizations => [ { %{ $of{$org} }, role => 'owner' }, { %{ $of{$two} }, role => 'member' } ], teams => [ { id => $team, name => 'Harbour', role => 'owner' } ] } };
    json_is $res, '', $seen;
    json_is $t->client(key => $key)->get($path), '/data/id', number($ann), 'with an organization\'s key, who made it';
    json_is $eve->get($path), '/data/organizations', [], 'of another tenant nothing';
    json_is $eve->last, '/data/teams', [];
    json_is $eve->last, '/data/role', 'member', 'who has only signed up is a member';
};

subtest 'signing out' => sub {
    my $out = '/api/auth/logout';
    error_is $t->client->post($out), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($out, { all_devices => $_ }), 400, 'VALIDATION_ERROR', field => 'all_devices' for 'yes', undef, 1;
    error_is $t->client(key => $key)->post($out), 400, 'VALIDATION_ERROR', message => qr/no session/, name => 'a key has none';
    status_is $t->client(key => $key)->get($path), 200, '  and stays what it is';
    my ($one, $two, $three) = map { $t->user("bob$_", tenant => 'acme') } 1 .. 3;
    $db->do('UPDATE sessions SET user_id = ?, subject = ? WHERE id IN (?, ?)', undef, $one->uuid, $one->id, $two->session, $three->session);
    my @three = ($one, map { my $s = $_->session; my $c = $one->with(session => $s); $c->{token} = $t->token($c); $c } $two, $three);
    status_is $_->get($path), 200 for @three;
    json_is $three[0]->post($out), '', { data => { success => true, revoked_sessions => 1 }, meta => { message => 'Signed out' } };
    error_is $three[0]->get($path), 401, 'AUTHENTICATION_ERROR', name => 'that token is good for nothing any more';
    status_is $_->get($path), 200, 'the others are' for @three[1, 2];
    json_is $three[1]->post($out, { all_devices => true }), '/data/revoked_sessions', 2, 'all of them';
    error_is $_->get($path), 401, 'AUTHENTICATION_ERROR' for @three;
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'session.end' AND resource_id = ?}, undef, $one->id), 2, 'each is put down';
};

my $DEFAULT = '00000000-0000-7000-8000-000000000001';
my $up      = '/api/auth/register';
my $in      = '/api/auth/login';
my $forgot  = '/api/auth/forgot-password';
my %both    = (terms_accepted => true, privacy_accepted => true);
$t->keep_secret($PASSWORD);

sub count ($from, @values) { return 0 + $db->selectrow_array("SELECT count(*) FROM $from", undef, @values) }
sub account ($email) { return $db->selectrow_hashref('SELECT u.*, a.number, a.username, a.terms_accepted_at, a.privacy_accepted_at FROM users u JOIN user_accounts a ON a.user_id = u.id WHERE u.email = ? AND u.deleted_at IS NULL', undef, $email) }

# The newest mail to an address, and the token in it.
sub mail_to ($email, $template = undef) {
    my ($mail) = reverse grep { $_->{to} eq $email && (!$template || $_->{template} eq $template) } $t->mails;
    return $mail && do { $t->keep_secret($mail->{secrets}{token}); $mail->{secrets}{token} };
}

# Sign up from an address that nobody else asks from.
sub sign_up ($name, %more) {
    my $res = from($t)->post($up, { username => $name, email => "$name\@up.example", password => $PASSWORD, %both, %more });
    $t->keep_secret(grep { defined } map { $res->json("/$_") } qw(token refresh_token)) if $res->status == 201;
    return $res;
}

sub sign_in ($email, $password = $PASSWORD, %arg) {
    my $res = from($t, $arg{ip})->post($in, { email => $email, password => $password });
    $t->keep_secret(grep { defined } map { $res->json("/$_") } qw(token refresh_token mfa_token)) if $res->status == 200;
    return $res;
}

subtest 'who is not signed up' => sub {
    my $tenants = count('tenants');
    for my $case ([ username => 'ab' ], [ username => 'x' x 41 ], [ username => undef ], [ username => 7 ], [ email => 'nobody' ], [ email => undef ],
        [ password => 'Short-7' ], [ password => 'x' x 129 ], [ password => 'alllower-7' ], [ password => undef ], [ terms_accepted => false ], [ terms_accepted => undef ],
        [ terms_accepted => 'true' ], [ privacy_accepted => false ], [ privacy_accepted => undef ], [ invite_code => 'x' ], [ invite_code => 'x' x 513 ], [ invite_code => 7 ]) {
        error_is sign_up('new', @$case), 400, 'VALIDATION_ERROR', field => $case->[0], name => "$case->[0] " . ($case->[1] // 'null');
    }
    error_is from($t)->post($up), 400, 'VALIDATION_ERROR', name => 'no body';
    error_is from($t)->post($up, [1]), 400, 'VALIDATION_ERROR', name => 'no object';
    is count('tenants'), $tenants, 'none of them left a tenant';
    is count(q{users WHERE email LIKE '%@up.example'}), 0, 'or a user';
};

subtest 'signing up' => sub {
    my $res = sign_up('Nora');
    status_is $res, 201;
    my $n = account('nora@up.example');
    json_is $res, '', { success => true, token => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, refresh_token => qr/\A[\w-]{91}\z/,
        user => { id => 0 + $n->{number}, username => 'Nora', email => $n->{email}, role => 'member', avatar_url => undef, created_at => $TIME, updated_at => $TIME } };
    header_is $res, 'Cache-Control', 'no-store';
    my $c = claims($res->json('/token'));
    is $c->{exp} - $c->{iat}, 86400, 'the token is good for a day';
    is $db->selectrow_array(q{SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM sessions WHERE user_id = ?}, undef, $n->{id}), 30, 'the session for thirty';
    like $n->{password_hash}, qr/\A\$scrypt\$/, 'the password is hashed';
    ok $n->{terms_accepted_at} && $n->{privacy_accepted_at}, 'both consents have their time';
    ok !$n->{is_email_verified}, 'the address is not proved by that';
    isnt $n->{tenant_id}, $DEFAULT, 'a tenant of its own';
    is count('users WHERE tenant_id = ?', $n->{tenant_id}), 1;
    is count('team_members WHERE tenant_id = ?', $n->{tenant_id}), 0, '  without a dashboard';
    is count('api_keys WHERE tenant_id = ?', $n->{tenant_id}), 0, '  or keys';
    is_deeply $db->selectall_arrayref('SELECT t.type, t.amount, t.balance_after, w.unit FROM wallet_transactions t JOIN wallets w ON w.id = t.wallet_id WHERE w.user_id = ?', undef, $n->{id}),
        [ [ 'signup_bonus', 1000, 1000, 'tokens' ] ], 'a bonus, once';
    my $me = $t->client(token => $res->json('/token'));
    json_is $me->get($path), '/data/id', 0 + $n->{number}, 'and in';
    json_is $me->last, '/data/role', 'member';
    my $again = $t->client->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') });
    status_is $again, 200, 'the shared endpoint takes the refresh token';
    $t->keep_secret(map { $again->json("/$_") } qw(access_token refresh_token));
    my $token = mail_to($n->{email}, 'verify_email');
    status_is $t->client->post('/api/v1/auth/verify-email', { token => $token }), 200, 'a mail proves the address';
    ok account($n->{email})->{is_email_verified};
    is $db->selectrow_array(q{SELECT count(*) FROM account_names WHERE user_id = ? AND is_proved}, undef, $n->{id}), 2, 'and with it both names';
};

subtest 'names are taken once, over all tenants' => sub {
    error_is sign_up('nora'), 409, 'CONFLICT', field => 'email', name => 'an address';
    error_is sign_up('other', email => 'NORA@up.example'), 409, 'CONFLICT', field => 'email', name => 'in whatever case';
    error_is sign_up('nORA', email => 'other@up.example'), 409, 'CONFLICT', field => 'username', name => 'a username';
    $t->user('dora', columns => { email => 'dora@up.example' });
    error_is sign_up('dora'), 409, 'CONFLICT', field => 'email', name => 'one of the default tenant';
    $t->user('kept', tenant => 'acme', columns => { email => 'kept@up.example', is_email_verified => 1 });
    status_is sign_up('kept'), 201, 'who is a user of a product is none here';
    error_is sign_up('taken', email => 'other@up.example', username => 'Nora'), 409, 'CONFLICT', field => 'username';
    is account('other@up.example'), undef, 'what is refused leaves nothing';
    status_is sign_up('other'), 201, '  and the address is free';
};

subtest 'of twins one is signed up' => sub {
    my $tenants = count('tenants WHERE test_of IS NULL');
    my $lock  = $t->lock(q{INSERT INTO account_names (tenant_id, user_id, kind, name) SELECT tenant_id, id, 'email', 'twin@up.example' FROM users WHERE public_id = ? RETURNING 1}, $eve->id);
    my @load  = map {
        my $name = $_;
        $t->load(clients => 1, requests => 1, make => sub { from($t) }, each => sub ($c, $n) { $c->post($up, { username => $name, email => 'twin@up.example', password => $PASSWORD, %both }) });
    } qw(castor pollux);
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->rollback;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '201 409';
    is count(q{users WHERE email = 'twin@up.example'}), 1;
    is count(q{user_accounts WHERE username IN ('castor', 'pollux')}), 1;
    is count('tenants WHERE test_of IS NULL'), $tenants + 1;
};

subtest 'a name gives way to who proves it' => sub {
    status_is sign_up('squat', email => 'owner@up.example'), 201, 'anybody claims an address';
    my $squat = account('owner@up.example');
    my $owner = $t->user('owner', columns => { email => 'owner@up.example', password_hash => $squat->{password_hash} });
    my $who   = sub { scalar $db->selectrow_array(q{SELECT user_id FROM account_names WHERE kind = 'email' AND name = 'owner@up.example'}) };
    is $who->(), $squat->{id}, 'of two claims the first stands';
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $owner->uuid);
    is $who->(), $owner->uuid, 'a proof takes it';
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $squat->{id});
    is $who->(), $owner->uuid, '  and keeps it';
    json_is sign_in('owner@up.example'), '/user/id', number($owner), 'who has it signs in';
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $owner->uuid);
    is $who->(), undef, 'an account that is deleted goes by no name';
    error_is sign_in('owner@up.example'), 401, 'AUTHENTICATION_ERROR', name => '  and nobody else is taken for it';
};

subtest 'what a tenant says of its users takes no name from anybody' => sub {
    status_is sign_up('rogue'), 201;
    my $rogue = account('rogue@up.example');
    $db->do('UPDATE users SET email = ?, email_key = ? WHERE id = ?', undef, ('victim@up.example') x 2, $rogue->{id});
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $rogue->{id});
    is_deeply $db->selectcol_arrayref('SELECT is_proved FROM account_names WHERE user_id = ? ORDER BY kind', undef, $rogue->{id}), [ 0, 0 ], 'verified there, and no proof of its names';
    my $victim = $t->user('victim', columns => { email => 'victim@up.example', is_email_verified => 1 });
    is $db->selectrow_array(q{SELECT user_id FROM account_names WHERE name = 'victim@up.example'}), $victim->uuid, 'whose the address is gets it';
    status_is sign_up('free', username => 'Rogue2'), 201;
    my $free  = account('free@up.example');
    my $token = mail_to('free@up.example', 'verify_email');
    status_is $t->client->post('/api/v1/auth/verify-email', { token => $token }), 200;
    $db->do('UPDATE user_accounts SET username = ? WHERE user_id = ?', undef, 'ROGUE', $free->{id});
    is $db->selectrow_array(q{SELECT user_id FROM account_names WHERE kind = 'username' AND name = 'rogue'}), $free->{id}, 'a username is taken by who has proved an address';
    is $db->selectrow_array('SELECT username FROM user_accounts WHERE user_id = ?', undef, $rogue->{id}), undef, '  and its claimant has none';
};

subtest 'by invitation' => sub {
    my $host = $t->user('host', tenant => 'hosts', role => 'admin', columns => { is_email_verified => 1 });
    my $here = $t->organization($host);
    status_is $host->post("/api/organizations/$here/invites", { email => "$_\@up.example", role => 'viewer' }), 201 for qw(ivy zoe);
    my $code = mail_to('ivy@up.example');
    error_is sign_up('zoe', invite_code => $code), 400, 'VALIDATION_ERROR', field => 'invite_code', name => 'for another address';
    error_is sign_up('ivy', invite_code => substr($code, 0, -1) . ($code =~ /A\z/ ? 'B' : 'A')), 400, 'VALIDATION_ERROR', field => 'invite_code', name => 'unknown';
    my $res = sign_up('ivy', invite_code => $code);
    status_is $res, 201;
    my $ivy = account('ivy@up.example');
    is $ivy->{tenant_id}, $host->tenant_id, 'in the tenant of the invitation';
    ok $ivy->{is_email_verified}, 'the mail has proved the address';
    my $me = $t->client(token => $res->json('/token'));
    json_is $me->get($path), '/data/organizations/0/role', 'viewer', 'and in the organization, as it says';
    is count(q{wallet_transactions t JOIN wallets w ON w.id = t.wallet_id WHERE w.user_id = ?}, $ivy->{id}), 1, 'with the bonus';
    error_is sign_up('ivy2', email => 'ivy@up.example', invite_code => $code), 400, 'VALIDATION_ERROR', field => 'invite_code', name => 'it is spent';
    json_is sign_in('ivy@up.example'), '/user/id', 0 + $ivy->{number}, 'an address alone signs in there, too';
    my $late = mail_to('zoe@up.example');
    $db->do(q{UPDATE invitations SET expires_at = now() WHERE email = 'zoe@up.example'});
    error_is sign_up('zoe', invite_code => $late), 400, 'VALIDATION_ERROR', field => 'invite_code', name => 'it is over';
    my $team = $host->post('/api/teams', { name => 'Crew' })->json('/data/id');
    status_is $host->post("/api/teams/$team/invites", { email => 'tom@up.example' }), 201;
    $res = sign_up('tom', invite_code => mail_to('tom@up.example'));
    json_is $t->client(token => $res->json('/token'))->get($path), '/data/teams', [ { id => $team, name => 'Crew', role => 'member' } ], 'to a team';
};

subtest 'signing in' => sub {
    error_is from($t)->post($in, $_), 400, 'VALIDATION_ERROR' for {}, { email => 'nora@up.example' }, { password => 'x' }, { email => 'nora', password => 'x' }, { email => 7, password => 'x' }, [1];
    my $n = account('nora@up.example');
    error_is sign_in($n->{email}, $_), 401, 'AUTHENTICATION_ERROR', name => "password '$_'" for '', lc $PASSWORD, 'x';
    error_is sign_in('ann@example.com'), 401, 'AUTHENTICATION_ERROR', name => 'a user of a product';
    my $res = sign_in('NORA@UP.example');
    status_is $res, 200;
    is_deeply [ sort keys %{ $res->json } ], [qw(refresh_token success token user)];
    json_is $res, '/user/id', 0 + $n->{number};
    my $me = $t->client(token => $res->json('/token'));
    json_is $me->get($path), '/data/last_login_at', $TIME, 'when is kept';
    my ($login) = grep { $_->{action} eq 'user.login' } @{ $me->get('/api/activity-log')->json('/data') };
    is "$login->{actor_type} $login->{actor_id} $login->{entity_id}", "user $n->{number} $n->{number}", 'and stands in the activity log';
    my ($wrong, $nobody) = map { sign_in($_, 'Wrong-horse-7') } $n->{email}, 'nobody@up.example';
    error_is $_, 401, 'AUTHENTICATION_ERROR', message => 'wrong email or password' for $wrong, $nobody;
    is $nobody->body, $wrong->body, 'an unknown address and a wrong password read the same';
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $n->{id});
    is sign_in($n->{email})->body, $wrong->body, 'and so does an account that is not active';
    $db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $n->{id});
    $db->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $n->{tenant_id});
    is sign_in($n->{email})->body, $wrong->body, 'or one of a tenant that is suspended';
    $db->do('UPDATE tenants SET is_active = true WHERE id = ?', undef, $n->{tenant_id});
    $db->do(q{INSERT INTO totp_factors (tenant_id, user_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $n->{tenant_id}, $n->{id});
    $res = sign_in($n->{email});
    json_is $res, '', { success => true, mfa_required => true, mfa_token => qr/\A[\w-]{64}\z/ }, 'a second factor is asked for';
    $db->do('DELETE FROM totp_factors WHERE user_id = ?', undef, $n->{id});
};

subtest 'it takes as long for both' => sub {
    my @try = map {
        my $email = $_;
        sub ($n = 0) { return sign_in($email, 'Wrong-horse-7')->seconds }
    } 'kept@up.example', 'nobody@up.example';
    for my $call ($t->counts_hashes ? @try : ()) {
        $db->do('DELETE FROM rate_limits');
        is_deeply [ $t->hashes($call) ], ['16384 8 5'], 'one password is hashed';
    }
    take_as_long((map { my $try = $_; sub ($n) { $db->do('DELETE FROM rate_limits'); return $try->($n) } } @try), 'and the clock tells no difference');
};

subtest 'how often' => sub {
    $db->do('DELETE FROM rate_limits');
    my $one = '192.0.2.7';
    error_is sign_in("n$_\@up.example", 'x', ip => $one), 401, 'AUTHENTICATION_ERROR', name => "try $_" for 1 .. 10;
    error_is sign_in('kept@up.example', 'x', ip => $one), 429, 'RATE_LIMIT_EXCEEDED', name => 'the eleventh from one address';
    for my $email ('other@up.example', 'nobody2@up.example') {
        error_is sign_in($email, 'x'), 401, 'AUTHENTICATION_ERROR' for 1 .. 10;
        error_is sign_in($email), 429, 'RATE_LIMIT_EXCEEDED', name => "the eleventh for $email, known or not";
    }
    is_deeply $db->selectcol_arrayref(q{SELECT DISTINCT tenant_id::text FROM rate_limits WHERE name LIKE 'account\_%'}), [$DEFAULT], 'all of it is counted in one place';
    my $home = '192.0.2.8';
    status_is sign_in('other@up.example', $PASSWORD, ip => $home), 429, 'which is no address of theirs yet';
    $db->do('DELETE FROM rate_limits');
    status_is sign_in('other@up.example', $PASSWORD, ip => $home), 200, 'and now is';
    $db->do('DELETE FROM rate_limits');
    error_is sign_in('other@up.example', 'x'), 401, 'AUTHENTICATION_ERROR' for 1 .. 10;
    error_is sign_in('other@up.example', 'x'), 429, 'RATE_LIMIT_EXCEEDED';
    status_is sign_in('other@up.example', $PASSWORD, ip => $home), 200, 'nobody keeps them out where they signed in before';
    my $up_from = from($t, '192.0.2.9');
    error_is $up_from->post($up, { username => "u$_", email => 'kept@up.example', password => $PASSWORD, %both }), 409, 'CONFLICT' for map { "aa$_" } 1 .. 5;
    error_is $up_from->post($up, { username => 'new', email => 'new@up.example', password => $PASSWORD, %both }), 429, 'RATE_LIMIT_EXCEEDED', name => 'the sixth sign-up from one address';
    $db->do('DELETE FROM rate_limits');
};

subtest 'a forgotten password' => sub {
    error_is from($t)->post($forgot, $_), 400, 'VALIDATION_ERROR', field => 'email' for {}, { email => 'nobody' }, { email => undef };
    my $ask   = sub ($email, $ip = undef) { from($t, $ip)->post($forgot, { email => $email }) };
    my $known = $ask->('kept@up.example');
    json_is $known, '', { data => { success => true }, meta => { message => qr/\AIf this address/ } };
    is $ask->('nobody@up.example')->body, $known->body, 'the same for who is not known';
    is mail_to('nobody@up.example'), undef, '  who gets no mail';
    my $first = mail_to('kept@up.example', 'reset_password');
    is $db->selectrow_array(q{SELECT round(extract(epoch FROM expires_at - created_at)) FROM one_time_tokens WHERE kind = 'reset_password' ORDER BY created_at DESC LIMIT 1}), 3600, 'good for an hour';
    status_is $ask->('KEPT@up.example'), 200;
    my $second = mail_to('kept@up.example', 'reset_password');
    my $reset  = sub ($token) { $t->client->post('/api/v1/auth/reset-password', { token => $token, new_password => 'Correct-Horse-9' }) };
    $t->keep_secret('Correct-Horse-9');
    error_is $reset->($first), 400, 'TOKEN_INVALID', name => 'a newer one voids the older';
    status_is $reset->($second), 200, 'the shared page takes it';
    error_is $reset->($second), 400, 'TOKEN_INVALID', name => '  once';
    status_is sign_in('kept@up.example', 'Correct-Horse-9'), 200;
    $db->do('DELETE FROM rate_limits');
    for my $email ('other@up.example', 'nobody3@up.example') {
        status_is $ask->($email), 200 for 1 .. 3;
        error_is $ask->($email), 429, 'RATE_LIMIT_EXCEEDED', name => "the fourth for $email, known or not";
    }
    status_is $ask->("f$_\@up.example", '192.0.2.10'), 200 for 1 .. 3;
    error_is $ask->('f4@up.example', '192.0.2.10'), 429, 'RATE_LIMIT_EXCEEDED', name => 'the fourth from one address';
};

subtest 'where registration is closed' => sub {
    my $closed = Api->start(main => 1, slow => 0, TENANT_REGISTRATION => 'closed');
    error_is $closed->client->post($up, { username => 'ada', email => 'ada@up.example', password => $PASSWORD, %both }), 403, 'AUTHORIZATION_ERROR', message => 'nobody makes a tenant here but the operator';
    $closed->keep_secret($PASSWORD);
};
