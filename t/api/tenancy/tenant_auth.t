# Tenants sign up, and their team signs in: /api/v1/tenant-auth.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Timing 'take_as_long';

my $t    = Api->start;
my $base = '/api/v1/tenant-auth';
my $GOOD = 'Correct-horse-7';
my $NEXT = 'Correct-horse-8';
my $DEFAULT = '00000000-0000-7000-8000-000000000001';

$t->keep_secret($GOOD, $NEXT);

# Limits are for the world outside: the test is one address.
sub forgive () { $t->db->do('DELETE FROM rate_limits'); return }

sub row ($table, $where, @values) { return $t->db->selectrow_hashref("SELECT * FROM $table WHERE $where", undef, @values) }

sub count ($table, $where = 'true', @values) { return scalar $t->db->selectrow_array("SELECT count(*) FROM $table WHERE $where", undef, @values) }

# The audit rows of a tenant, oldest first, as "action resource_type actor_type".
sub audits ($tenant, $like = '%') {
    return @{ $t->db->selectall_arrayref('SELECT * FROM audit_events WHERE tenant_id = ? AND action LIKE ? ORDER BY seq', { Slice => {} }, $tenant, $like) };
}

sub register ($name, %more) {
    forgive();
    my $res = $t->post("$base/register", { email => "$name\@example.com", password => $GOOD, tenant_name => "Tenant $name", %more });
    $t->keep_secret(grep { defined } map { $res->json("/$_") } qw(access_token refresh_token)) if $res->status == 201;
    return $res;
}

sub login ($email, $password = $GOOD, %arg) {
    forgive();
    return $t->post("$base/login", { email => $email, password => $password }, %arg);
}

# The answer's token as a client.
sub as ($res) { return $t->client(token => $res->json('/access_token')) }

sub mail_to ($to) { return (grep { $_->{to} eq $to } $t->mails)[-1] }

subtest 'a tenant is not made of bad input' => sub {
    my %ok = (email => 'new@example.com', password => $GOOD, tenant_name => 'New');
    my $try = sub (%with) { forgive(); return $t->post("$base/register", { %ok, %with }) };
    error_is $try->(email => 'nobody'), 422, 'VALIDATION_ERROR', field => 'email';
    error_is $try->(tenant_name => ''), 422, 'VALIDATION_ERROR', field => 'tenant_name';
    error_is $try->(tenant_name => 'x' x 256), 422, 'VALIDATION_ERROR', field => 'tenant_name';
    error_is $try->(tenant_slug => $_), 422, 'VALIDATION_ERROR', field => 'tenant_slug', name => "slug '$_'" for '', 'Acme', 'a b', '-a', 'a-', 'a--b', "\x{e4}", 'x' x 64;
    error_is $try->(display_name => 'x' x 101), 422, 'VALIDATION_ERROR', field => 'display_name';
    error_is $try->(password => $_), 422, 'VALIDATION_ERROR', field => 'password', name => "password '$_'"
        for 'Short-7', 'alllower-7', 'ALLUPPER-7', 'NoDigitsHere', 'Password1', 'x' x 129;
    error_is $try->(email => 'long-local-part@example.com', password => 'Long-local-part1'), 422, 'VALIDATION_ERROR', field => 'password', name => 'the address is no password';
    error_is $try->(tenant_slug => 'default'), 409, 'CONFLICT', field => 'tenant_slug';
    is count('tenants', q{name = 'New'}), 0, 'none of them left a tenant';
    is count('rate_limits', q{name = 'tenant_register' AND subject LIKE 'ip:%'}), 1, 'what could not be tried was not counted, the taken slug was';
};

my $acme = register('ann', display_name => 'Ann', tenant_name => "Acme & S\x{f6}hne GmbH");

subtest 'where registration is closed, the operator makes tenants' => sub {
    my $closed = Api->start(slow => 0, TENANT_REGISTRATION => 'closed');
    my $res    = $closed->client->post('/api/v1/tenant-auth/register', { email => 'ada@acme.example', password => 'Correct-horse-7', tenant_name => 'Acme' });
    error_is $res, 403, 'AUTHORIZATION_ERROR', message => 'nobody makes a tenant here but the operator';
    is $closed->db->selectrow_array(q{SELECT count(*) FROM tenants WHERE slug = 'acme'}), 0, 'nothing was made';
    my $owner = $closed->team('owner', role => 'owner', tenant => 'acme');
    status_is $owner->get('/api/v1/dashboard/api-keys'), 200, 'those that there are go on';
};

subtest 'registering makes a tenant, its settings and its owner' => sub {
    status_is $acme, 201;
    json_is $acme, '', {
        access_token  => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/,
        refresh_token => qr/\A[\w-]{91}\z/,
        token_type    => 'Bearer',
        expires_in    => 3600,
        user          => {
            id => $UUID, tenant_id => $acme->json('/tenant/id'), email => 'ann@example.com', display_name => 'Ann', role => 'owner',
            is_active => true, is_email_verified => false, last_login_at => $TIME, created_at => $TIME,
        },
        tenant => { id => $UUID, name => "Acme & S\x{f6}hne GmbH", slug => 'acme-s-hne-gmbh', is_active => true, created_at => $TIME, updated_at => $TIME },
    };
    my $id = $acme->json('/tenant/id');
    ok row('tenant_settings', 'tenant_id = ?', $id), 'it has settings';
    is row('tenant_settings', 'tenant_id = ?', $id)->{email_verification_required}, 0, '  and asks for no verification';
    ok row('tenants', 'test_of = ?', $id), '  and a test mode';
    is count('api_keys', 'tenant_id = ?', $id), 0, '  but no API key';
    is_deeply [ map { "$_->{action} $_->{actor_type} $_->{actor_id}" } audits($id) ],
        [ map { "$_ team " . $acme->json('/user/id') } 'tenant.create', 'session.create' ], 'both is put down';
    is +(audits($id))[0]{ip_address}, '127.0.0.1', '  with the address';
    like row('team_members', 'id = ?', $acme->json('/user/id'))->{password_hash}, qr/\A\$scrypt\$/, 'the password is hashed';
    my $session = row('team_sessions', 'tenant_id = ?', $id);
    is int($session->{ip} eq '127.0.0.1'), 1, 'the session knows from where';
    header_is $acme, 'Cache-Control', 'no-store';
};

subtest 'a slug is made of the name, and taken once' => sub {
    json_is register('bob', tenant_name => "Acme & S\x{f6}hne GmbH"), '/tenant/slug', 'acme-s-hne-gmbh-2';
    json_is register('cyd', tenant_name => "\x{1F9F1}"), '/tenant/slug', 'tenant';
    json_is register('dan', tenant_slug => 'x' x 63), '/tenant/slug', 'x' x 63;
    error_is register('eve', tenant_slug => 'x' x 63), 409, 'CONFLICT', field => 'tenant_slug';
    is count('team_members', q{email = 'eve@example.com'}), 0, 'nothing is left of it';
    json_is register('eve', tenant_name => 'x' x 255), '/tenant/slug', 'x' x 50;
};

subtest 'an address is a team user\'s once on the whole platform' => sub {
    error_is register('ann'), 409, 'CONFLICT', field => 'email';
    error_is register('ANN'), 409, 'CONFLICT', field => 'email', name => 'in whatever case';
    is count('tenants', q{name = 'Tenant ann'}), 0, 'no tenant is left without an owner';
    my $user = $t->user('fay');
    status_is register('fay'), 201, 'a user of a product may have the same one';
};

subtest 'register: three an hour of one account from an address, then none for half an hour' => sub {
    forgive();
    my $try = sub { $t->post("$base/register", { email => 'ann@example.com', password => $GOOD, tenant_name => 'x' }) };
    error_is $try->(), 409, 'CONFLICT', name => "try $_" for 1 .. 3;
    error_is $try->(), 429, 'RATE_LIMIT_EXCEEDED', retry_after => 1800;
    is $t->last->json('/detail'), 'Rate limit exceeded', 'clients compare the text';
    is_deeply $t->db->selectall_arrayref(q{SELECT tenant_id, subject, tries FROM rate_limits WHERE name = 'tenant_register' ORDER BY subject}),
        [ [ $DEFAULT, 'account:ann@example.com', 3 ], [ $DEFAULT, 'account:ann@example.com ip:127.0.0.1', 4 ], [ $DEFAULT, 'ip:127.0.0.1', 4 ] ],
        'counted in the default tenant';
    $t->db->do(q{UPDATE rate_limits SET tries = 20 WHERE subject = 'ip:127.0.0.1'});
    error_is $t->post("$base/register", { email => 'ann9@example.com', password => $GOOD, tenant_name => 'x' }), 429, 'RATE_LIMIT_EXCEEDED', retry_after => 1800,
        name => 'twenty for all accounts';
    $t->db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '1 second'});
    error_is $try->(), 409, 'CONFLICT', name => 'afterwards it may be tried again';
};

subtest 'logging in' => sub {
    my $res = login('Ann@Example.com');
    status_is $res, 200;
    is_deeply $res->json('/tenant'), $acme->json('/tenant'), 'the address tells the tenant';
    is_deeply [ sort keys %{ $res->json } ], [ sort keys %{ $acme->json } ];
    isnt $res->json('/refresh_token'), $acme->json('/refresh_token'), 'each is a session of its own';
    my ($event) = (audits($acme->json('/tenant/id')))[-1];
    is "$event->{action} $event->{resource_type}", 'session.create team_session', 'it is put down';
    my $session = row('team_sessions', 'id = ?', $event->{resource_id});
    my ($days) = $t->db->selectrow_array('SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM team_sessions WHERE id = ?', undef, $session->{id});
    is $days, 30, 'a session lasts 30 days';
};

subtest 'a wrong password and an unknown address look alike' => sub {
    my $wrong   = login('ann@example.com', 'Wrong-horse-7');
    my $unknown = login('nobody@example.com', 'Wrong-horse-7');
    error_is $_, 401, 'INVALID_CREDENTIALS', message => qr/\AInvalid email or password\z/ for $wrong, $unknown;
    is $unknown->body, $wrong->body, 'byte by byte';
    my ($event) = (audits($acme->json('/tenant/id'), 'session.failed'))[-1];
    is "$event->{actor_id} $event->{actor_type} $event->{resource_id}", join(' ', $acme->json('/user/id'), 'team', $acme->json('/user/id')), 'the tenant sees the failure';
    like $event->{details}, qr/"ann\@example.com"/;
    ($event) = (audits($DEFAULT, 'session.failed'))[-1];
    is "$event->{actor_id} $event->{actor_type}", 'anonymous anonymous', 'that of nobody is in the default tenant';
    like $event->{details}, qr/"nobody\@example.com"/;
    unlike $event->{details}, qr/horse/, '  without the password';
    error_is login('ann@example.com', lc $GOOD), 401, 'INVALID_CREDENTIALS', name => 'case counts in a password';
    error_is login('ann@example.com', ''), 401, 'INVALID_CREDENTIALS', name => 'nothing is no password';
    my $user = $t->user('gus', columns => { password_hash => row('team_members', q{email = 'ann@example.com'})->{password_hash} });
    error_is login('gus@example.com'), 401, 'INVALID_CREDENTIALS', name => 'a user of a product is nobody here';
};

subtest 'it takes as long for both' => sub {
    my $try = sub ($email) {
        return sub ($n = 0) {
            forgive();
            return $t->post("$base/login", { email => $email, password => 'Wrong-horse-7' })->seconds;
        };
    };
    my @try = map { $try->($_) } 'ann@example.com', 'nobody@example.com';
    for my $call ($t->counts_hashes ? @try : ()) {
        is_deeply [ $t->hashes($call) ], ['16384 8 5'], 'one password is hashed';
    }
    take_as_long(@try, 'and the clock tells no difference');
};

subtest 'login: ten wrong ones in a quarter of an hour, by account and address' => sub {
    forgive();
    my $try   = sub ($email, $password = 'x') { $t->post("$base/login", { email => $email, password => $password }) };
    my $tries = sub ($n, $subject) { $t->db->do('UPDATE rate_limits SET tries = ?, blocked_until = NULL WHERE subject = ?', undef, $n, $subject) };
    my $here  = 'account:ann@example.com ip:127.0.0.1';
    error_is $try->('Ann@example.com'), 401, 'INVALID_CREDENTIALS', name => 'a wrong one';
    is count('rate_limits', q{tenant_id = ? AND subject = ?}, $DEFAULT, $here), 1, '  counts in the default tenant';
    is count('rate_limits', q{subject = 'account:ann@example.com'}), 0, '  and not as a stranger\'s: she signed in from here before';
    $tries->(9, $here);
    status_is $try->('ann@example.com', $GOOD), 200, 'the right one';
    is row('rate_limits', 'subject = ?', $here)->{tries}, 0, '  forgives it';
    $tries->(9, $here);
    error_is $try->('ANN@example.com'), 401, 'INVALID_CREDENTIALS', name => 'the tenth in vain';
    error_is $try->('ann@example.com', $GOOD), 429, 'RATE_LIMIT_EXCEEDED', name => 'then the right password does not help';
    cmp_ok abs($t->last->header('Retry-After') - 870), '<=', 30, '  for a quarter of an hour';
    error_is $try->('nobody@example.com'), 401, 'INVALID_CREDENTIALS', name => 'others are looked at';
    $tries->(49, 'ip:127.0.0.1');
    error_is $try->('nobody@example.com'), 401, 'INVALID_CREDENTIALS', name => 'the fiftieth from here';
    error_is $try->('nobody2@example.com'), 429, 'RATE_LIMIT_EXCEEDED', name => 'then nobody is';
};

subtest 'login: an account that is guessed at from everywhere' => sub {
    forgive();
    my $braked = sub ($seconds) {
        $t->db->do(q{INSERT INTO rate_limits (tenant_id, name, subject, tries, window_ends, blocked_until)
            SELECT ?, 'tenant_login', 'account:' || who, 30, now() + interval '1 hour', now() + make_interval(secs => ?)
            FROM unnest('{ann@example.com,nobody@example.com}'::text[]) who}, undef, $DEFAULT, $seconds);
    };
    $braked->(60);
    status_is $t->post("$base/login", { email => 'ann@example.com', password => $GOOD }), 200, 'she is let in where she was before';
    error_is $t->post("$base/login", { email => 'nobody@example.com', password => $GOOD }), 429, 'RATE_LIMIT_EXCEEDED', name => 'who is not known here waits';
    $t->db->do('DELETE FROM known_addresses');
    error_is $t->post("$base/login", { email => 'ann@example.com', password => $GOOD }), 429, 'RATE_LIMIT_EXCEEDED', name => 'as she would elsewhere';
    forgive();
    status_is $t->post("$base/login", { email => 'ann@example.com', password => $GOOD }), 200;
    is count('known_addresses', 'tenant_id = ?', $acme->json('/tenant/id')), 1, 'where from is the tenant\'s to know';
};

subtest 'a hash of other parameters is replaced at login' => sub {
    my $old = '$scrypt$ln=14,r=8,p=1$';
    my $id = $acme->json('/user/id');
    require MIME::Base64;
    my $made = qx(openssl kdf -keylen 32 -kdfopt pass:'$GOOD' -kdfopt salt:saltsaltsaltsalt -kdfopt n:16384 -kdfopt r:8 -kdfopt p:1 -binary SCRYPT);
    my ($salt, $hash) = map { MIME::Base64::encode_base64($_, '') =~ s/=+\z//r } 'saltsaltsaltsalt', $made;
    $t->db->do('UPDATE team_members SET password_hash = ? WHERE id = ?', undef, "$old$salt\$$hash", $id);
    error_is login('ann@example.com', 'Wrong-horse-7'), 401, 'INVALID_CREDENTIALS';
    like row('team_members', 'id = ?', $id)->{password_hash}, qr/p=1\$/, 'not by a wrong password';
    status_is login('ann@example.com'), 200;
    unlike row('team_members', 'id = ?', $id)->{password_hash}, qr/p=1\$/, 'by the right one';
    status_is login('ann@example.com'), 200, 'which goes on working';
};

subtest 'a deactivated member is told so, who knows the password' => sub {
    my $res = register('hal');
    my $id = $res->json('/user/id');
    status_is as($res)->get("$base/me"), 200;
    $t->db->do('UPDATE team_members SET is_active = false WHERE id = ?', undef, $id);
    error_is as($res)->get("$base/me"), 401, 'AUTHENTICATION_ERROR', name => 'the tokens are good for nothing at once';
    error_is $t->post("$base/refresh", { refresh_token => $res->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR';
    error_is login('hal@example.com'), 403, 'ACCOUNT_INACTIVE';
    is +(audits($res->json('/tenant/id')))[-1]{action}, 'session.failed', 'it is put down';
    error_is login('hal@example.com', 'Wrong-horse-7'), 401, 'INVALID_CREDENTIALS', name => 'who does not is not';
    $t->db->do('UPDATE team_members SET is_active = true WHERE id = ?', undef, $id);
    status_is login('hal@example.com'), 200;
    $t->db->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $res->json('/tenant/id'));
    error_is login('hal@example.com'), 403, 'ACCOUNT_INACTIVE', name => 'nor is anybody of a suspended tenant let in';
    $t->db->do('UPDATE team_members SET deleted_at = now() WHERE id = ?', undef, $id);
    error_is login('hal@example.com'), 401, 'INVALID_CREDENTIALS', name => 'one who was removed is nobody';
};

subtest 'the two contexts do not mix' => sub {
    my $team = as(login('ann@example.com'));
    error_is $team->get('/api/v1/app/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'a team token is no user\'s';
    my $user = $t->user('ida');
    error_is $user->get("$base/me"), 401, 'AUTHENTICATION_ERROR', name => 'a user\'s token is no team token';
    my $res = $t->client(token => $t->token($user, ctx => 'tenant'))->get("$base/me");
    error_is $res, 401, 'AUTHENTICATION_ERROR', name => 'nor with another context, its session is none of the team';
    is $res->json('/detail'), 'Invalid token', 'clients compare the text';
};

subtest 'refreshing' => sub {
    my $res = login('ann@example.com');
    my $new = $t->post("$base/refresh", { refresh_token => $res->json('/refresh_token') });
    status_is $new, 200;
    is $new->json('/refresh_token'), $res->json('/refresh_token'), 'the same refresh token comes back';
    json_is $new, '/expires_in', 3600;
    is_deeply $new->json('/user/id'), $res->json('/user/id');
    status_is as($new)->get("$base/me"), 200;
    error_is $t->post("$base/refresh", { refresh_token => $_ }), 401, 'AUTHENTICATION_ERROR', name => 'not a token of ours'
        for '', 'x' x 91, substr($res->json('/refresh_token'), 0, 90) . '!', $res->json('/access_token'), changed($res->json('/refresh_token'), 0);
    is $t->last->json('/detail'), 'Invalid token';

    # A user's refresh token is made the same way, of a session of another kind.
    my $session = (row('team_sessions', 'tenant_id = ? ORDER BY created_at DESC', $res->json('/tenant/id')))->{id};
    my $user = $t->user('ivy', tenant => $res->json('/tenant/slug'));
    $t->db->do('UPDATE sessions SET id = ? WHERE id = ?', undef, $session, $user->session);
    $t->db->do('DELETE FROM team_sessions WHERE id = ?', undef, $session);
    error_is $t->post("$base/refresh", { refresh_token => $res->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR', name => 'a user\'s refresh token is refused';

    my $short = login('ann@example.com');
    $t->db->do(q{UPDATE team_sessions SET expires_at = now() + interval '100 seconds' WHERE tenant_id = ?}, undef, $res->json('/tenant/id'));
    cmp_ok $t->post("$base/refresh", { refresh_token => $short->json('/refresh_token') })->json('/expires_in'), '<=', 100, 'no token outlives its session';
    $t->db->do(q{UPDATE team_sessions SET expires_at = now() WHERE tenant_id = ?}, undef, $res->json('/tenant/id'));
    error_is $t->post("$base/refresh", { refresh_token => $short->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR', name => 'after 30 days it has ended';
};

subtest 'refreshing, with rotation' => sub {
    my $owner  = register('kim');
    my $tenant = $owner->json('/tenant/id');
    my $refresh = sub ($res) {
        my $new = $t->post("$base/refresh", { refresh_token => $res->json('/refresh_token') });
        $t->keep_secret(grep { defined } map { $new->json("/$_") } qw(access_token refresh_token));
        return $new;
    };
    my $age = sub ($seconds) { $t->db->do('UPDATE team_sessions SET rotated_at = rotated_at - make_interval(secs => ?) WHERE tenant_id = ?', undef, $seconds, $tenant) };
    my $session = sub { row('team_sessions', 'tenant_id = ? ORDER BY created_at DESC', $tenant) };
    my $noted = sub { [ map { "$_->{action} $_->{resource_type} $_->{actor_type} " . ($_->{actor_id} eq $owner->json('/user/id') ? 'kim' : $_->{actor_id}) } audits($tenant, 'session.refresh%') ] };
    json_is as($owner)->get('/api/v1/dashboard/settings'), '/refresh_token_rotation', false, 'a new tenant has none';
    is $refresh->($owner)->json('/refresh_token'), $owner->json('/refresh_token');
    status_is as($owner)->put('/api/v1/dashboard/settings', { refresh_token_rotation => true }), 200, 'the team chooses it for its users, and for itself';

    my $first = $refresh->($owner);
    status_is $first, 200;
    isnt $first->json('/refresh_token'), $owner->json('/refresh_token'), 'another refresh token comes back';
    my $again = $refresh->($owner);
    is $again->body, $first->body, 'for tabs that refresh at once the same one, byte for byte';
    $age->(86400);
    $again = $refresh->($owner);
    is $again->json('/refresh_token'), $first->json('/refresh_token'), 'and however late, as long as it was not used';
    status_is as($again)->get("$base/me"), 200, '  with an access token that is good';
    is_deeply $noted->(), [ ('session.refresh_repeated team_session team kim') x 2 ], 'both is put down';
    is $session->()->{used_generation}, 1, 'now it was used';
    error_is $refresh->($owner), 401, 'AUTHENTICATION_ERROR', name => 'and the one before ends the session';
    is $t->last->json('/detail'), 'Invalid token', 'clients compare the text';
    ok $session->()->{revoked_at};
    error_is $refresh->($first), 401, 'AUTHENTICATION_ERROR', name => '  for everybody';
    error_is as($again)->get("$base/me"), 401, 'AUTHENTICATION_ERROR';
    is $noted->()->[-1], 'session.refresh_reused team_session team kim', '  which is put down, too';

    for my $how ([ 'in test mode' => sub ($who) { $who->get('/api/v1/dashboard/settings', headers => { 'X-Test-Mode' => 'true' }) } ],
        [ 'by a change' => sub ($who) { $who->put('/api/v1/dashboard/settings', { name => 'Kim' }) } ]) {
        my ($name, $use) = @$how;
        my $login = login('kim@example.com');
        my $new   = $refresh->($login);
        status_is $use->(as($new)), 200;
        is $session->()->{used_generation}, 1, "used $name";
        my $noted_at = $session->()->{updated_at};
        $use->(as($new));
        is $session->()->{updated_at}, $noted_at, '  and written once';
        status_is $refresh->($login), 200, 'for 30 seconds the one before goes on';
        $age->(31);
        error_is $refresh->($login), 401, 'AUTHENTICATION_ERROR', name => '  and no longer';
    }
    my $login = login('kim@example.com');
    my $new   = $refresh->($login);
    $age->(31);
    $new = $refresh->($new);
    error_is $refresh->($login), 401, 'AUTHENTICATION_ERROR', name => 'one from before the last ends the session, used or not';
    error_is as($new)->get("$base/me"), 401, 'AUTHENTICATION_ERROR';
};

subtest 'logging out ends all sessions of the caller, and of nobody else' => sub {
    my ($one, $two) = map { login('ann@example.com') } 1 .. 2;
    my $other = login('bob@example.com');
    error_is $t->post("$base/logout"), 401, 'AUTHENTICATION_ERROR';
    my $res = as($one)->post("$base/logout");
    status_is $res, 200;
    json_is $res, '', { message => 'Successfully logged out' };
    error_is as($_)->get("$base/me"), 401, 'AUTHENTICATION_ERROR' for $one, $two;
    error_is $t->post("$base/refresh", { refresh_token => $_->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR' for $one, $two;
    status_is as($other)->get("$base/me"), 200;
    is +(audits($one->json('/tenant/id')))[-1]{action}, 'session.revoke', 'it is put down';
    status_is login('ann@example.com'), 200, 'logging in goes on';
};

subtest 'me' => sub {
    my $ann = login('ann@example.com');
    my @all = qw(settings:write keys:write team:write plans:write agents:write files:write entities:read analytics:read);
    json_is as($ann)->get("$base/me"), '', { user => $ann->json('/user'), tenant => $ann->json('/tenant'), permissions => \@all };
    json_is as($ann)->get("$base/me", headers => { 'X-Test-Mode' => 'true' }), '/user/email', 'ann@example.com', 'there is one account for both modes';
    for (qw(owner admin member)) {
        my $member = $t->team("me-$_", role => $_);
        json_is $member->get("$base/me"), '/permissions', $_ eq 'member' ? [qw(entities:read analytics:read)] : \@all, $_;
    }
    error_is $t->get("$base/me"), 401, 'AUTHENTICATION_ERROR';
};

subtest 'a forgotten password' => sub {
    my $session = login('ann@example.com');
    forgive();
    my $before = count('one_time_tokens');
    my $known   = $t->post("$base/forgot-password", { email => 'ANN@example.com' });
    my $unknown = $t->post("$base/forgot-password", { email => 'nobody@example.com' });
    status_is $_, 200 for $known, $unknown;
    is $unknown->body, $known->body, 'nothing tells whether there is such an account';
    is count('one_time_tokens'), $before + 2, 'both leave the same rows';
    my @jobs = map { row('jobs', "payload ->> 'to' = ?", $_) } 'ann@example.com', 'nobody@example.com';
    is "$jobs[0]{kind} $jobs[1]{kind}", 'mail mail.decoy', 'but one mail only is to be sent';
    is "$jobs[0]{tenant_id} $jobs[1]{tenant_id}", $session->json('/tenant/id') . " $DEFAULT";
    unlike $jobs[0]{payload}, qr/token=/, 'the job does not hold the link in the clear';

    my $mail = mail_to('ann@example.com');
    is $mail->{template}, 'team_reset';
    my $token = $mail->{secrets}{token};
    is $mail->{secrets}{link}, "https://localhost:$t->{https_port}/team-reset-password.html?token=$token", 'its link leads to a page';
    $t->keep_secret($token);
    my $stored = row('one_time_tokens', 'hash = sha256(?::bytea)', $token);
    is $stored->{kind}, 'team_reset', 'only a hash is stored';
    my ($hours) = $t->db->selectrow_array('SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM one_time_tokens WHERE id = ?', undef, $stored->{id});
    is $hours + 0, 1, '  for an hour';

    my $reset = sub (%with) { $t->post("$base/reset-password", { token => $token, new_password => $NEXT, %with }) };
    error_is $reset->(new_password => 'Password1'), 422, 'VALIDATION_ERROR', field => 'new_password';
    error_is $reset->(token => $_), 400, 'TOKEN_INVALID', name => 'not a token' for '', 'x', 'x' x 64, changed($token);
    error_is $t->get("$base/reset-password?token=$token"), 405, 'METHOD_NOT_ALLOWED', name => 'reading a link does not use it';
    error_is $t->post("$base/accept-invitation", { token => $token, password => $NEXT }), 400, 'TOKEN_INVALID', name => 'it is not for anything else';
    $t->db->do('UPDATE one_time_tokens SET expires_at = now() WHERE id = ?', undef, $stored->{id});
    error_is $reset->(), 400, 'TOKEN_INVALID', name => 'too late';
    $t->db->do(q{UPDATE one_time_tokens SET expires_at = now() + interval '1 minute' WHERE id = ?}, undef, $stored->{id});
    status_is as($session)->get("$base/me"), 200, 'until here nothing has changed';

    my $second = do { $t->post("$base/forgot-password", { email => 'ann@example.com' }); mail_to('ann@example.com')->{secrets}{token} };
    my $res = $reset->();
    status_is $res, 200;
    like $res->json('/message'), qr/\w/;
    error_is $reset->(), 400, 'TOKEN_INVALID', name => 'it is good once';
    error_is $reset->(token => $second), 400, 'TOKEN_INVALID', name => 'as is any other that was on its way';
    error_is as($session)->get("$base/me"), 401, 'AUTHENTICATION_ERROR', name => 'older sessions have ended';
    error_is $t->post("$base/refresh", { refresh_token => $session->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR';
    error_is login('ann@example.com'), 401, 'INVALID_CREDENTIALS', name => 'the old password is one no more';
    my $again = login('ann@example.com', $NEXT);
    status_is $again, 200;
    json_is $again, '/user/is_email_verified', true, 'who reads the mail has the address';
    is +(audits($session->json('/tenant/id'), 'password.%'))[-1]{action}, 'password.reset', 'it is put down';
};

subtest 'whose address nobody had proved is told what else gets into the tenant' => sub {
    forgive();
    my $tenant = register('late', tenant_name => 'Late', tenant_slug => 'late')->json('/tenant/id');
    my $reset = sub () {
        $t->post("$base/forgot-password", { email => 'late@example.com' });
        status_is $t->post("$base/reset-password", { token => mail_to('late@example.com')->{secrets}{token}, new_password => $NEXT }), 200;
        return mail_to('late@example.com');
    };
    $t->key(tenant => 'late') for 1, 2;
    $t->team('friend', tenant => 'late');
    my $mail = $reset->();
    is_deeply [ @$mail{qw(template data)} ], [ 'team_ways_in', { tenant => 'Late', keys => 2, members => 1 } ], 'by mail';
    is +(audits($tenant, 'email.%'))[-1]{action}, 'email.prove', 'and in the audit log';
    is $reset->()->{template}, 'team_reset', 'once';
    forgive();
};

subtest 'forgot-password: three an hour of one account from an address, then none for half an hour' => sub {
    forgive();
    status_is $t->post("$base/forgot-password", { email => "f$_\@example.com" }), 200 for 1 .. 3;
    status_is $t->post("$base/forgot-password", { email => 'ann@example.com' }), 200 for 1 .. 3;
    my $jobs = count('jobs');
    error_is $t->post("$base/forgot-password", { email => 'ann@example.com' }), 429, 'RATE_LIMIT_EXCEEDED', retry_after => 1800;
    is count('jobs'), $jobs, 'nothing is sent';
};

subtest 'no mail goes to who cannot sign in' => sub {
    forgive();
    my $off = $t->team('off', columns => { is_active => 0 });
    my $invited = $t->team('invited', columns => { joined_at => undef });
    status_is $t->post("$base/forgot-password", { email => $_->email }), 200 for $off, $invited;
    is mail_to($_->email), undef for $off, $invited;
};

subtest 'changing the password' => sub {
    my $bob = login('bob@example.com');
    my $two = login('bob@example.com');
    my $try = sub (%with) { as($bob)->post("$base/change-password", { current_password => $GOOD, new_password => $NEXT, %with }) };
    error_is $t->post("$base/change-password", { current_password => $GOOD, new_password => $NEXT }), 401, 'AUTHENTICATION_ERROR';
    error_is $try->(new_password => 'weak'), 422, 'VALIDATION_ERROR', field => 'new_password';
    error_is $try->(current_password => 'Wrong-horse-7'), 400, 'BAD_REQUEST', field => 'current_password';
    status_is login('bob@example.com'), 200, 'until here it is the old one';

    my $res = $try->();
    status_is $res, 200;
    is_deeply [ keys %{ $res->json } ], ['message'];
    error_is $t->post("$base/refresh", { refresh_token => $_->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR', name => 'older refresh tokens stop working' for $bob, $two;
    error_is as($two)->get("$base/me"), 401, 'AUTHENTICATION_ERROR';
    error_is login('bob@example.com'), 401, 'INVALID_CREDENTIALS';
    status_is login('bob@example.com', $NEXT), 200;
    is +(audits($bob->json('/tenant/id'), 'password.%'))[-1]{action}, 'password.change', 'it is put down';
};

subtest 'change-password: five wrong ones an hour of a member from an address, then none for half an hour' => sub {
    my $bob = login('bob@example.com', $NEXT);
    my $cyd = login('cyd@example.com');
    my $try = sub ($who) { as($who)->post("$base/change-password", { current_password => 'x', new_password => $NEXT }) };
    forgive();
    error_is $try->($bob), 400, 'BAD_REQUEST', name => 'the first try';
    $t->db->do(q{UPDATE rate_limits SET tries = 4});
    error_is $try->($bob), 400, 'BAD_REQUEST', name => 'the fifth';
    my $res = $try->($bob);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    cmp_ok abs($res->header('Retry-After') - 1770), '<=', 30;
    error_is $try->($cyd), 400, 'BAD_REQUEST', name => 'others are not affected';
};

subtest 'the pages that mails lead to' => sub {
    for my $page (qw(/team-reset-password.html /team-accept-invitation.html /team-reset-password)) {
        my $res = $t->get($page, headers => { Accept => '*/*' });
        status_is $res, 200;
        body_like $res, qr{<script src="/mailed\.js" type="module"></script>};
    }
};

subtest 'an invitation is accepted once' => sub {
    my $ann = as(login('ann@example.com', $NEXT));
    my $tenant = $ann->get("$base/me")->json('/tenant/id');
    status_is $ann->post('/api/v1/dashboard/team/invitations', { email => 'joe@example.com', role => 'admin' }), 201;
    my $token = mail_to('joe@example.com')->{secrets}{token};
    $t->keep_secret($token);
    my $accept = sub (%with) { $t->post("$base/accept-invitation", { token => $token, password => $GOOD, %with }) };
    error_is login('joe@example.com'), 401, 'INVALID_CREDENTIALS', name => 'before that nobody can log in';
    error_is $accept->(password => 'weak'), 422, 'VALIDATION_ERROR', field => 'password';
    error_is $accept->(token => 'x' x 64), 400, 'TOKEN_INVALID';
    error_is $t->post("$base/reset-password", { token => $token, new_password => $GOOD }), 400, 'TOKEN_INVALID', name => 'it sets no password of its own';
    my $hour = $t->db->selectrow_array(q{SELECT extract(epoch FROM expires_at - created_at) / 86400 FROM one_time_tokens WHERE hash = sha256(?::bytea)}, undef, $token);
    is $hour + 0, 7, 'it is good for 7 days';
    $t->db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE hash = sha256(?::bytea)}, undef, $token);
    error_is $accept->(), 400, 'TOKEN_INVALID', name => 'and no longer';
    $t->db->do(q{UPDATE one_time_tokens SET expires_at = now() + interval '1 day' WHERE hash = sha256(?::bytea)}, undef, $token);

    my $res = $accept->(display_name => 'Joe');
    status_is $res, 201;
    json_is $res, '/user', {
        id => $UUID, tenant_id => $tenant, email => 'joe@example.com', display_name => 'Joe', role => 'admin', is_active => true,
        is_email_verified => true, last_login_at => $TIME, created_at => $TIME,
    };
    status_is as($res)->get("$base/me"), 200, 'and is logged in';
    error_is $accept->(), 400, 'TOKEN_INVALID', name => 'a second time it is nothing';
    status_is login('joe@example.com'), 200;
    my @actions = grep { $_ ne 'session.failed' } map { $_->{action} } audits($tenant);
    is_deeply [ @actions[ -4 .. -1 ] ], [qw(team.invite team.join session.create session.create)], 'all of it is put down';
};
