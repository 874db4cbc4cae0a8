# The second factor of a tenant's team: an authenticator app, its codes, recovery codes, logging in with them, and who takes it away.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail);
use Ashlar::Totp 'totp';

my $t    = Api->start(@BEHIND_PROXY);
my $db   = $t->db;
my $auth = '/api/v1/tenant-auth';
my $mfa  = "$auth/mfa";

# A tenant and its owner, as people make one.
my $made = from($t)->post("$auth/register", { email => 'olga@acme.example', password => $PASSWORD, display_name => 'Olga Owner', tenant_name => 'Acme & Co', tenant_slug => 'acme' });
$t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
my $acme = $made->json('/tenant/id');
my $id   = $made->json('/user/id');
my $olga = $t->client(token => $made->json('/access_token'));
my ($secret, @codes);

sub fresh () {
    $db->do('UPDATE team_totp_factors SET last_step = 0');
    $db->do('DELETE FROM rate_limits');
    return;
}

sub login ($password = $PASSWORD) {
    my $res = from($t)->post("$auth/login", { email => 'olga@acme.example', password => $password });
    $t->keep_secret(grep { defined } $res->json ? @{ $res->json }{qw(access_token refresh_token mfa_token)} : ());
    return $res;
}

sub verify ($token, $code) {
    my $res = from($t)->post("$mfa/verify", { mfa_token => $token, code => $code });
    $t->keep_secret(grep { defined } @{ $res->json }{qw(access_token refresh_token)});
    return $res;
}

sub audited () {
    state $seen = 0;
    my $rows = $db->selectall_arrayref(q{SELECT * FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq}, { Slice => {} }, $acme, $seen);
    $seen = $rows->[-1]{seq} if @$rows;
    return [ map { "$_->{action} $_->{actor_type}" } @$rows ];
}

subtest 'who has it' => sub {
    my $user = $t->user('user', tenant => 'acme');
    for ([ GET => $mfa ], [ POST => "$mfa/totp" ], [ POST => "$mfa/totp/verify", { code => '123456' } ], [ DELETE => "$mfa/totp", { code => '123456' } ], [ POST => "$mfa/recovery-codes", { code => '123456' } ]) {
        my ($method, $path, $body) = @$_;
        error_is $_->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $path is the team's" for $t, $user;
    }
    json_is $olga->get($mfa), '', { enabled => false, confirmed_at => undef, recovery_codes_left => 0 }, 'it is off until one turns it on';
    error_is $olga->delete("$mfa/totp", json => { code => '123456' }), 404, 'NOT_FOUND';
    error_is $olga->post("$mfa/totp/verify", { code => '123456' }), 404, 'NOT_FOUND', name => '  enrol first';
    my $late = $t->client(token => $t->token($t->team('late', tenant => 'acme'), ctx => 'tenant', auth_time => time - 1000));
    error_is $late->post("$mfa/totp"), 403, 'RECENT_SIGN_IN_REQUIRED', name => 'who signed in long ago signs in again';
};

subtest 'turning it on' => sub {
    my $res = $olga->post("$mfa/totp");
    status_is $res, 201;
    $secret = $res->json('/secret');
    $t->keep_secret($secret);
    like $res->json('/otpauth_uri'), qr/\Aotpauth:\/\/totp\/Acme%20%26%20Co:olga%40acme\.example\?secret=$secret&/, 'for the app';
    unlike join(' ', map { $_ // '' } $db->selectrow_array('SELECT * FROM team_totp_factors WHERE member_id = ?', undef, $id)), qr/$secret/, 'the secret is kept sealed';
    json_is login(), '/token_type', 'Bearer', 'nothing is asked for before the first code';
    error_is $olga->post("$mfa/totp/verify", { code => '000000' }), 400, 'INVALID_CODE';
    $secret = $olga->post("$mfa/totp")->json('/secret');
    $t->keep_secret($secret);
    audited();
    $res = $olga->post("$mfa/totp/verify", { code => totp($secret) });
    status_is $res, 200;
    @codes = @{ $res->json('/recovery_codes') };
    $t->keep_secret(@codes);
    is scalar @codes, 10, 'ten recovery codes';
    is_deeply audited(), ['mfa.enable team'];
    json_is $olga->get($mfa), '', { enabled => true, confirmed_at => $TIME, recovery_codes_left => 10 };
    error_is $olga->post("$mfa/totp"), 409, 'CONFLICT', name => 'it is on';
    error_is $olga->post("$mfa/totp/verify", { code => totp($secret) }), 409, 'CONFLICT';
    json_is $olga->get('/api/v1/dashboard/team'), '/members/0/has_second_factor', true, 'the team sees it';
};

subtest 'logging in with it' => sub {
    fresh();
    audited();
    my $res = login();
    status_is $res, 200;
    is_deeply [ sort keys %{ $res->json } ], [qw(expires_in mfa_required mfa_token)], 'there are no tokens yet';
    my $token = $res->json('/mfa_token');
    error_is login('Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS', name => 'a wrong password is one';
    error_is verify($token, '000000'), 400, 'INVALID_CODE', name => 'a wrong code is none';
    $res = verify($token, totp($secret));
    status_is $res, 200;
    json_is $res, '/user/email', 'olga@acme.example', 'a good one lets one in';
    my $in = $t->client(token => $res->json('/access_token'));
    status_is $in->get("$auth/me"), 200;
    is_deeply audited(), [ 'session.failed team', 'session.failed team', 'session.create team' ], 'which is put down';
    is scalar $db->selectrow_array(q{SELECT details ->> 'has_mfa' FROM audit_events WHERE tenant_id = ? AND action = 'session.create' ORDER BY seq DESC LIMIT 1}, undef, $acme), 'true', '  with that there were two';
    error_is verify($token, $codes[0]), 400, 'TOKEN_INVALID', name => 'a challenge is good once';
    error_is verify(login()->json('/mfa_token'), totp($secret)), 400, 'INVALID_CODE', name => '  and so is a code';
    status_is verify(login()->json('/mfa_token'), $codes[0]), 200, 'a recovery code does, too';
    error_is verify(login()->json('/mfa_token'), $codes[0]), 400, 'INVALID_CODE', name => '  once';
    json_is $olga->get($mfa), '/recovery_codes_left', 9;
    error_is verify('nonsense', $codes[1]), 400, 'TOKEN_INVALID';
    my $refreshed = from($t)->post("$auth/refresh", { refresh_token => $res->json('/refresh_token') });
    status_is $refreshed, 200, 'a refresh asks for none';
    $t->keep_secret(@{ $refreshed->json }{qw(access_token refresh_token)});
};

subtest 'a challenge ends' => sub {
    fresh();
    my $token = login()->json('/mfa_token');
    error_is verify($token, '000000'), 400, 'INVALID_CODE' for 1 .. 5;
    error_is verify($token, $codes[1]), 400, 'TOKEN_INVALID', name => 'after five codes';
    fresh();
    $token = login()->json('/mfa_token');
    $db->do(q{UPDATE one_time_tokens SET expires_at = now() - interval '1 second' WHERE kind = 'team_mfa'});
    error_is verify($token, $codes[1]), 400, 'TOKEN_INVALID', name => 'after five minutes';
    $token = login()->json('/mfa_token');
    $db->do('UPDATE team_members SET is_active = false WHERE id = ?', undef, $id);
    error_is verify($token, $codes[1]), 400, 'TOKEN_INVALID', name => 'for who is let in no more';
    $db->do('UPDATE team_members SET is_active = true WHERE id = ?', undef, $id);
    my $res = verify(login()->json('/mfa_token'), $codes[2]);
    $olga = $t->client(token => $res->json('/access_token'));
    $token = login()->json('/mfa_token');
    status_is $olga->post("$auth/change-password", { current_password => $PASSWORD, new_password => 'Correct-Horse-8' }), 200;
    error_is verify($token, $codes[3]), 400, 'TOKEN_INVALID', name => 'with the password that it stands on';
    error_is login(), 401, 'INVALID_CREDENTIALS', name => '  which is another one now';
};

subtest 'guesses are counted' => sub {
    fresh();
    my $good = verify(login('Correct-Horse-8')->json('/mfa_token'), $codes[3]);
    $olga = $t->client(token => $good->json('/access_token'));
    error_is $olga->post("$mfa/recovery-codes", { code => '000000' }), 400, 'INVALID_CODE' for 1 .. 10;
    error_is $olga->post("$mfa/recovery-codes", { code => $codes[4] }), 429, 'RATE_LIMIT_EXCEEDED', name => 'ten are enough';
    fresh();
};

subtest 'other codes, and turning it off' => sub {
    audited();
    my $res = $olga->post("$mfa/recovery-codes", { code => totp($secret) });
    status_is $res, 200;
    my @new = @{ $res->json('/recovery_codes') };
    $t->keep_secret(@new);
    error_is $olga->delete("$mfa/totp", json => { code => $codes[5] }), 400, 'INVALID_CODE', name => 'the old ones are good for nothing';
    status_is $olga->delete("$mfa/totp", json => { code => $new[0] }), 204;
    json_is $olga->get($mfa), '', { enabled => false, confirmed_at => undef, recovery_codes_left => 0 };
    is $db->selectrow_array('SELECT count(*) FROM team_totp_factors WHERE tenant_id = ?', undef, $acme), 0, 'the secret is gone';
    is $db->selectrow_array('SELECT count(*) FROM team_recovery_codes WHERE tenant_id = ?', undef, $acme), 0, '  and the codes';
    json_is login('Correct-Horse-8'), '/token_type', 'Bearer', 'a password is enough again';
    is_deeply audited(), [ 'mfa.recovery_codes team', 'mfa.failed team', 'mfa.disable team', 'session.create team' ];
};

subtest 'another member\'s is taken away' => sub {
    my $admin  = $t->team('ada', tenant => 'acme', role => 'admin');
    my $member = $t->team('mia', tenant => 'acme');
    my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
    my $give = sub ($who) { $db->do(q{INSERT INTO team_totp_factors (tenant_id, member_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $acme, $who) };
    my $path = sub ($who) { return "/api/v1/dashboard/team/$who/second-factor" };
    $give->($_) for $id, $member->id, $admin->id;
    error_is $t->request(DELETE => $path->($member->id)), 401, 'AUTHENTICATION_ERROR';
    error_is $member->delete($path->($admin->id)), 403, 'AUTHORIZATION_ERROR';
    error_is $rival->delete($path->($member->id)), 404, 'NOT_FOUND';
    error_is $admin->delete($path->($id)), 403, 'AUTHORIZATION_ERROR', name => 'an owner\'s is for owners';
    error_is $admin->delete($path->($admin->id)), 409, 'CONFLICT', name => 'one\'s own takes a code';
    audited();
    status_is $admin->delete($path->($member->id)), 204;
    error_is $admin->delete($path->($member->id)), 404, 'NOT_FOUND';
    is_deeply audited(), ['mfa.remove team'];
    my @told = grep { $_->{template} eq 'team_second_factor_removed' } $t->mails;
    is_deeply [ map { [ $_->{to}, $_->{data} ] } @told ], [ [ $member->email, { tenant => 'Acme & Co', member => 'Ada' } ] ], '  of which they read in a mail, once';
    status_is $olga->delete($path->($admin->id)), 204, 'an owner takes an admin\'s';
    my $late = $t->client(token => $t->token($admin, ctx => 'tenant', auth_time => time - 1000));
    error_is $late->delete($path->($member->id)), 403, 'RECENT_SIGN_IN_REQUIRED';
};

subtest 'who has had an address before its owner came keeps nobody out' => sub {
    my $made = from($t)->post("$auth/register", { email => 'early@acme.example', password => $PASSWORD, tenant_name => 'Early' });
    $t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
    my ($tenant, $early) = ($made->json('/tenant/id'), $made->json('/user/id'));
    my $give = sub { $db->do(q{INSERT INTO team_totp_factors (tenant_id, member_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $tenant, $early) };
    my $reset = sub ($password) {
        from($t)->post("$auth/forgot-password", { email => 'early@acme.example' });
        my $token = newest_mail($t, 'early@acme.example')->{secrets}{token};
        $t->keep_secret($token);
        status_is from($t)->post("$auth/reset-password", { token => $token, new_password => $password }), 200;
        my $res = from($t)->post("$auth/login", { email => 'early@acme.example', password => $password });
        $t->keep_secret(grep { defined } @{ $res->json }{qw(access_token refresh_token mfa_token)});
        return $res;
    };
    $give->();
    json_is $reset->('Correct-Horse-8'), '/token_type', 'Bearer', 'the first to read the mails of an address is let in';
    $give->();
    json_is $reset->('Correct-Horse-9'), '/mfa_required', true, '  after that a mailed link is one factor, and no two';
};
