# A user's own sessions, and signing out.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from sign_in claims audit_of);

my $t      = Api->start(@BEHIND_PROXY);
my $list   = '/api/v1/auth/sessions';
my $logout = '/api/v1/auth/logout';
my $me     = '/api/v1/auth/me';

# Sign in once more: a client with the token, its session's id and the refresh token.
sub login ($email, %headers) {
    my $res = from($t)->post('/api/v1/auth/login', { email => $email, password => $PASSWORD }, headers => { 'X-Forwarded-For' => '192.0.2.9', %headers });
    my $token = $res->json('/access_token') // die $res->describe;
    return $t->client(token => $token, session => claims($token)->{sid}, refresh => $res->json('/refresh_token'));
}

sign_in($t, $_) for qw(ada@example.com bob@example.com);
$t->db->do('UPDATE sessions SET revoked_at = now()');
my $bob = login('bob@example.com');

subtest 'the list' => sub {
    error_is $t->get($list), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key)->get($list), 401, 'AUTHENTICATION_ERROR', name => 'a key alone has no sessions';
    my $phone  = login('ada@example.com', 'User-Agent' => 'a phone');
    my $laptop = login('ada@example.com', 'User-Agent' => 'a laptop', 'X-Forwarded-For' => '2001:db8::1');
    my $res = $phone->get($list);
    status_is $res, 200;
    my %same = (method => 'password', last_seen_at => $TIME, created_at => $TIME, expires_at => $TIME);
    json_is $res, '', { sessions => [
        { %same, id => $laptop->session, device => 'a laptop', ip => '2001:db8::1', is_current => false },
        { %same, id => $phone->session,  device => 'a phone',  ip => '192.0.2.9',   is_current => true },
    ] }, 'newest first, and nobody else\'s';
    json_is $laptop->get($list), '/sessions/0/is_current', true;
    $t->db->do('UPDATE sessions SET expires_at = now() WHERE id = ?', undef, $phone->session);
    is scalar @{ $laptop->get($list)->json('/sessions') }, 1, 'none that is over';
    $t->post('/api/v1/auth/refresh', { refresh_token => $laptop->{refresh} });
    cmp_ok $laptop->get($list)->json('/sessions/0/last_seen_at'), 'gt', $laptop->last->json('/sessions/0/created_at'), 'a refresh is seen';
    my ($ada) = $t->db->selectrow_array(q{SELECT id FROM users WHERE email = 'ada@example.com'});
    $t->db->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT ?, ?, now() + interval '1 hour' FROM generate_series(1, 120)}, undef, $t->tenant_id, $ada);
    is scalar @{ $laptop->get($list)->json('/sessions') }, 100, 'at most a hundred';
    $t->db->do(q{UPDATE sessions SET revoked_at = now() WHERE method = 'token'});
};

subtest 'one of them is ended' => sub {
    my ($here, $there) = map { login('ada@example.com') } 1 .. 2;
    error_is $t->client->delete("$list/" . $there->session), 401, 'AUTHENTICATION_ERROR';
    error_is $here->delete("$list/00000000-0000-7000-8000-00000000dead"), 404, 'NOT_FOUND';
    error_is $here->delete("$list/nonsense"), 404, 'NOT_FOUND';
    error_is $here->delete("$list/" . $bob->session), 404, 'NOT_FOUND', name => 'somebody else\'s';
    status_is $bob->get($me), 200, '  which goes on';
    error_is $here->with(key => $t->key(tenant => 'acme'))->delete("$list/" . $there->session), 401, 'AUTHENTICATION_ERROR', name => 'not with another tenant\'s key';
    status_is $there->get($me), 200;
    my $res = $here->delete("$list/" . $there->session);
    status_is $res, 200;
    json_is $res, '', { message => 'Session revoked' };
    error_is $there->get($me), 401, 'AUTHENTICATION_ERROR', name => 'it is out with the next request';
    error_is $t->post('/api/v1/auth/refresh', { refresh_token => $there->{refresh} }), 401, 'AUTHENTICATION_ERROR', name => '  and cannot refresh';
    error_is $here->delete("$list/" . $there->session), 404, 'NOT_FOUND', name => 'once';
    my ($row) = audit_of($t, 'session.revoke');
    is $row->{resource_id}, $there->session, 'the audit log has it';
    status_is $here->delete("$list/" . $here->session), 200, 'one\'s own, too';
    error_is $here->get($me), 401, 'AUTHENTICATION_ERROR';
};

subtest 'all others are ended' => sub {
    my ($here, @there) = map { login('ada@example.com') } 1 .. 3;
    error_is $t->client->delete($list), 401, 'AUTHENTICATION_ERROR';
    my $res = $here->delete($list);
    status_is $res, 200;
    json_is $res, '', { message => 'All other sessions revoked' };
    status_is $here->get($me), 200, 'this one goes on';
    error_is $_->get($me), 401, 'AUTHENTICATION_ERROR' for @there;
    status_is $bob->get($me), 200, 'and so does somebody else\'s';
    is scalar @{ $here->get($list)->json('/sessions') }, 1;
};

subtest 'signing out' => sub {
    $t->db->do('DELETE FROM rate_limits');
    my @ada = map { login('ada@example.com') } 1 .. 4;
    error_is $t->post($logout), 401, 'AUTHENTICATION_ERROR';
    json_is $t->last, '/detail', 'Invalid token';
    error_is $ada[0]->post($logout, { all => 'yes' }), 422, 'VALIDATION_ERROR', field => 'all';
    my $res = $ada[0]->request('POST', $logout, headers => { 'Content-Type' => 'application/json' });
    status_is $res, 200, 'without a body, whatever its type';
    json_is $res, '', { message => 'Successfully logged out' };
    error_is $ada[0]->get($me), 401, 'AUTHENTICATION_ERROR', name => 'that session is over';
    error_is $t->post('/api/v1/auth/refresh', { refresh_token => $ada[0]->{refresh} }), 401, 'AUTHENTICATION_ERROR', name => '  for good';
    status_is $ada[1]->get($me), 200, 'no other is';
    status_is $ada[1]->post($logout, { all => false }), 200;
    status_is $ada[2]->get($me), 200;
    status_is $ada[2]->post($logout, { all => true }), 200;
    error_is $_->get($me), 401, 'AUTHENTICATION_ERROR', name => 'all of them' for @ada[ 2, 3 ];
    status_is $bob->get($me), 200, 'but nobody else\'s';
    my ($row) = audit_of($t, 'session.end');
    is $row->{details}{sessions}, 3, 'the audit log counts them';
};
