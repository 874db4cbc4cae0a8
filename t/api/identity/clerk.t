use v5.36;
use lib 't/lib';
use Api;

# Behind a sign-in with Clerk, a front end asks whether there is an account.
my $SECRET = 'the-secret-of-the-front-end';
my $t    = Api->start(CLERK_CHECK_SECRET => "old-secret-of-the-front-end,$SECRET");
my $db   = $t->db;
my $anon = $t->client;
my $path = '/api/v1/auth/clerk/check-user';
$t->keep_secret($SECRET);
my $ann  = $t->user('ann', columns => { is_email_verified => 't' });
my $org  = $t->organization($ann);

sub check ($with, $secret = $SECRET) { return $anon->post($path, $with, headers => { defined $secret ? ('X-Clerk-Secret' => $secret) : () }) }
sub subject ($email) { return [ map { $_->[0] } @{ $db->selectall_arrayref(q{SELECT i.subject FROM identities i JOIN users u ON u.id = i.user_id AND u.email = ? WHERE i.issuer = 'clerk' ORDER BY 1}, undef, $email) } ] }
my %none = (exists => false, access_token => undef, refresh_token => undef, token_type => undef, expires_in => undef, user => undef, workspaces => []);

subtest 'who may ask' => sub {
    error_is check({ email => 'ann@example.com' }, $_), 401, 'AUTHENTICATION_ERROR', name => $_ // 'none' for undef, '', 'wrong', "$SECRET-", substr $SECRET, 1;
    error_is check({ email => 'x' }), 422, 'VALIDATION_ERROR', field => 'email';
    my $without = Api->start;
    error_is $without->post($path, { email => 'ann@example.com' }, headers => { 'X-Clerk-Secret' => $SECRET }), 503, 'SERVICE_UNAVAILABLE';
    status_is check({ email => 'nobody@example.com' }, 'old-secret-of-the-front-end'), 200, 'while one replaces another both are good';
};

subtest 'nobody is made' => sub {
    json_is check({ email => 'new@example.com', clerk_id => 'user_new', name => 'New' }), '', {%none};
    is $db->selectrow_array(q{SELECT count(*) FROM users WHERE email = 'new@example.com'}), 0;
};

subtest 'found by the address, then by the id' => sub {
    my $res = check({ email => 'ANN@example.com', clerk_id => 'user_1', name => 'Ann Annex', avatar_url => 'https://img.example.com/ann.png' });
    json_is $res, '/exists', true;
    json_is $res, '/workspaces', [ { id => $org, name => qr/Organization/, slug => qr/./, logo_url => undef } ];
    json_is $res, '/user/name', 'Ann Annex', 'what the account lacked';
    json_is $res, '/token_type', 'Bearer';
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    json_is $anon->with(token => $res->json('/access_token'))->get('/api/v1/auth/me'), '/email', 'ann@example.com', 'the tokens are ours';
    status_is $anon->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') }), 200;
    is_deeply subject('ann@example.com'), ['user_1'], 'the id is kept';
    json_is check({ email => 'moved@example.com', clerk_id => 'user_1', name => 'Other' }), '/user/email', 'ann@example.com', 'and goes before the address';
    json_is check({ email => 'ann@example.com' }), '/user/name', 'Ann Annex', 'what it has stays';
    is_deeply subject('ann@example.com'), ['user_1'], 'without an id none is kept';
};

subtest 'an address that nobody has proved is proved by that' => sub {
    my $eve = $t->user('eve', columns => { email => 'victim@example.com' });
    my $res = check({ email => 'victim@example.com', clerk_id => 'user_2' });
    json_is $res, '/exists', true;
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    error_is $eve->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'who was in it before is out';
};

subtest 'an account that is not active' => sub {
    $t->user('off', columns => { is_active => 'f', is_email_verified => 't' });
    error_is check({ email => 'off@example.com', clerk_id => 'user_3' }), 403, 'AUTHORIZATION_ERROR';
    is_deeply subject('off@example.com'), [];
    $db->do('UPDATE users SET is_active = false WHERE email = ?', undef, 'ann@example.com');
    error_is check({ email => 'ann@example.com', clerk_id => 'user_1' }), 403, 'AUTHORIZATION_ERROR', name => 'also found by its id';
};
