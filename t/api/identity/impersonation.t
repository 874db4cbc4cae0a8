use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token 'parts';

# An administrator acts as a user, and everybody can see afterwards who it was.
my $t     = Api->start;
my $ann   = $t->user('ann', columns => { full_name => 'Ann Example' });
my $boss  = $t->user('boss', role => 'admin');
my $peer  = $t->user('peer', role => 'admin');
my $root  = $t->user('root', role => 'superadmin');
my $eve   = $t->user('eve', tenant => 'other');
my $start = '/api/v1/admin/impersonate/start';
my $stop  = '/api/v1/admin/impersonate/stop';
my $me    = '/api/v1/app/users/me';

# A client with a new impersonation token.
sub impersonate ($who, $user = 'user_ann') {
    return $t->client(token => $who->post($start, { user_id => $user })->json('/token'));
}

# The events of the audit log since the last call.
sub audited () {
    state $seen = 0;
    my $rows = $t->db->selectall_arrayref('SELECT * FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq', { Slice => {} }, $ann->tenant_id, $seen);
    $seen = $rows->[-1]{seq} if @$rows;
    return @$rows;
}

subtest 'who may not' => sub {
    error_is $t->post($start, { user_id => 'user_ann' }), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($start, { user_id => 'user_boss' }), 403, 'AUTHORIZATION_ERROR';
    for my $who ($boss, $root) {
        error_is $who->post($start, { user_id => $_ }), 403, 'AUTHORIZATION_ERROR', name => "$who->{id} is not $_" for qw(user_peer user_root user_boss);
    }
    error_is $boss->post($start, { user_id => $_ }), 404, 'NOT_FOUND', field => 'user_id', name => $_ for 'user_nobody', 'user_eve', $ann->uuid;
    $t->user('off', columns => { is_active => 'f' });
    $t->user('gone', columns => { deleted_at => 'now' });
    error_is $boss->post($start, { user_id => 'user_off' }), 409, 'CONFLICT', field => 'user_id', name => 'an account that is not active';
    error_is $boss->post($start, { user_id => 'user_gone' }), 404, 'NOT_FOUND', name => 'a deleted one';
    error_is $boss->post($start, {}), 422, 'VALIDATION_ERROR', field => 'user_id';
    is scalar(grep { $_->{action} =~ /^impersonate/ } audited()), 0, 'nothing began';
    is $t->db->selectrow_array('SELECT count(*) FROM sessions WHERE impersonator_id IS NOT NULL'), 0;
};

my $as_ann;
subtest 'start' => sub {
    my $before = time;
    my $res    = $boss->post($start, { user_id => 'user_ann', reason => 'ticket 4711' }, headers => { 'Idempotency-Key' => 'once' });
    status_is $res, 200;
    json_is $res, '', {
        message           => qr/\w/,
        impersonated_user => { id => 'user_ann', email => 'ann@example.com', full_name => 'Ann Example' },
        token             => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/,
        expires_at        => $TIME,
    };
    my ($header, $claims) = parts($res->json('/token'));
    is $claims->{sub}, 'user_ann', 'the token is the user\'s';
    is $claims->{role}, 'user';
    is_deeply $claims->{act}, { sub => 'user_boss' }, 'and says who acts (RFC 8693)';
    is $claims->{exp} - $claims->{iat}, 3600, 'it is good for an hour';
    cmp_ok abs($claims->{iat} - $before), '<', 10;
    is $t->db->selectrow_array(q{SELECT to_char(to_timestamp(?) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')}, undef, $claims->{exp}) . '.000Z', $res->json('/expires_at'), '  as the answer says';
    isnt $boss->post($start, { user_id => 'user_ann', reason => 'ticket 4711' }, headers => { 'Idempotency-Key' => 'once' })->json('/token'), $res->json('/token'), 'it is not stored for being sent again';

    my $session = $t->db->selectrow_hashref('SELECT * FROM sessions WHERE id = ?', undef, $claims->{sid});
    is "$session->{method} $session->{impersonator_id}", 'impersonation ' . $boss->uuid, 'the session knows, too';
    is $t->db->selectrow_array('SELECT last_login_at FROM users WHERE id = ?', undef, $ann->uuid), undef, 'the user has not signed in';
    my ($event) = audited();
    is "$event->{action} $event->{actor_id} $event->{resource_type} $event->{resource_id}", 'impersonate.start user_boss user user_ann', 'the start is audited';
    like $event->{details}, qr/"reason": "ticket 4711"/;

    $as_ann = $t->client(token => $res->json('/token'));
    json_is $as_ann->get($me), '/id', 'user_ann', 'the token lets in as the user';
    status_is $ann->get($me), 200, 'who stays signed in';
    status_is $boss->get('/api/v1/admin/users'), 200, 'as does the administrator';
};

subtest 'under it' => sub {
    audited();
    $as_ann->get($_) for $me, '/api/v1/app/projects';
    $as_ann->head($me);
    is_deeply [ audited() ], [], 'what only reads is not audited';
    my $project = $as_ann->post('/api/v1/app/projects', { name => 'by somebody else' });
    status_is $project, 201;
    json_is $project, '/owner_id', 'user_ann', 'a change is made as the user';
    status_is $as_ann->patch($me, { full_name => 'Ann Changed' }), 200;
    my @events = audited();
    is_deeply [ map { "$_->{action} by $_->{actor_id} for $_->{on_behalf_of} of $_->{resource_id}" } @events ], [ ('impersonate.action by user_boss for user_ann of user_ann') x 2 ], 'and put down under both names';
    like $events[0]{details}, qr{POST /api/v1/app/projects|app\.projects\.create}, '  with what was done' or diag $events[0]{details};
    is $events[0]{request_id}, $project->header('X-Request-ID');
    is $events[0]{ip_address}, '127.0.0.1';
    json_is $boss->get('/api/v1/admin/dashboard/audit-logs?action=impersonate.action'), '/items/0/details/on_behalf_of', 'user_ann', 'as administrators can read';

    status_is $as_ann->post('/api/v1/app/projects', { name => '' }), 422;
    is_deeply [ map { $_->{action} } audited() ], ['impersonate.action'], 'so is a try that was refused for its form';

    error_is $as_ann->get('/api/v1/admin/users'), 403, 'AUTHORIZATION_ERROR', name => 'administration is out of reach';
    error_is $as_ann->post($start, { user_id => 'user_ann' }), 403, 'AUTHORIZATION_ERROR', name => 'so is being yet another';
    my $line = $t->log_of($as_ann->get($me));
    is $line->{actor}, 'user_boss', 'the log has who acts';
};

subtest 'stop' => sub {
    error_is $t->post($stop), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($stop), 409, 'CONFLICT', name => "with one's own token there is nothing to stop" for $ann, $boss;
    status_is $_->get($me), 200, '  and it goes on' for $ann, $boss;
    audited();
    my $res = $as_ann->post($stop);
    status_is $res, 200;
    json_is $res, '', { message => qr/\w/ };
    is_deeply [ map { "$_->{action} by $_->{actor_id} for $_->{on_behalf_of}" } audited() ],
        [ 'impersonate.action by user_boss for user_ann', 'impersonate.stop by user_boss for user_ann' ];
    error_is $as_ann->get($me), 401, 'AUTHENTICATION_ERROR', name => 'the token has ended';
    error_is $as_ann->post($stop), 401, 'AUTHENTICATION_ERROR';
    status_is $ann->get($me), 200, 'the user\'s own goes on';
    json_is impersonate($boss)->post('/api/v2/admin/impersonate/stop'), '/data/message', qr/\w/;
};

subtest 'it ends with the administrator\'s rights, and with the user\'s' => sub {
    for my $how (q{role = 'user'}, 'is_active = false', 'deleted_at = now()') {
        my $admin = $t->user('admin' . ++(state $n), role => 'admin');
        my $as    = impersonate($admin);
        status_is $as->get($me), 200;
        $t->db->do("UPDATE users SET $how WHERE id = ?", undef, $admin->uuid);
        error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => "the administrator: $how";
        error_is $as->patch($me, { full_name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    }
    my $bob  = $t->user('bob');
    my $as   = impersonate($root, 'user_bob');
    status_is $as->get($me), 200;
    status_is $root->patch('/api/v1/admin/users/user_bob', { role => 'admin' }), 200;
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'a user who becomes an administrator is nobody else';
    status_is $bob->get($me), 200, '  and stays signed in';
    status_is $root->patch('/api/v1/admin/users/user_bob', { role => 'user' }), 200;
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => '  also afterwards';

    $as = impersonate($boss, 'user_bob');
    status_is $boss->post('/api/v1/admin/users/user_bob/deactivate'), 200;
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'a user who is locked out';

    $as = impersonate($boss);
    $t->db->do(q{UPDATE sessions SET expires_at = now() WHERE impersonator_id = ? AND revoked_at IS NULL}, undef, $boss->uuid);
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'after an hour';
};

subtest 'a forged "act" is none' => sub {
    my $token = $t->token($ann, act => { sub => 'user_boss' });
    status_is $t->client(token => $token)->get($me), 200, 'what counts is the session';
    error_is $t->client(token => $token)->post($stop), 409, 'CONFLICT';
};

my $exchange = '/api/v1/auth/impersonation/exchange';
sub exchanged ($token) {
    my $res = $t->post($exchange, { token => $token });
    $t->keep_secret(map { $res->json("/$_") // () } qw(access_token refresh_token));
    return $res;
}

subtest 'exchanged for a session of its own' => sub {
    my $liz = $t->user('liz');
    my $as  = impersonate($boss, 'user_liz');
    error_is $t->post($exchange, {}), 422, 'VALIDATION_ERROR', field => 'token';
    error_is exchanged($_), 401, 'AUTHENTICATION_ERROR', name => 'no token of an impersonation' for 'nonsense', $liz->token, $boss->token, Ashlar::Assert::changed($as->token);
    my $res = exchanged($as->token);
    status_is $res, 200;
    json_is $res, '/token_type', 'Bearer';
    json_is $res, '/user/email', 'liz@example.com';
    json_is $res, '/workspace_id', undef;
    json_is $res, '/impersonated_by', $boss->uuid;
    my (undef, $claims) = parts($res->json('/access_token'));
    is_deeply [ @$claims{qw(sub impersonated_by)}, $claims->{act}{sub} ], [ 'user_liz', $boss->uuid, 'user_boss' ], 'the token goes on saying who acts';
    my ($ends, $would) = map { $t->db->selectrow_array('SELECT extract(epoch FROM expires_at)::bigint FROM sessions WHERE id = ?', undef, $_) } $claims->{sid}, (parts($as->token))[1]{sid};
    cmp_ok $ends, '<=', $would, 'and its session ends when the impersonation would have';
    my $now = $t->client(token => $res->json('/access_token'));
    json_is $now->get($me), '/id', 'user_liz';
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'the token is used up';
    error_is exchanged($as->token), 401, 'AUTHENTICATION_ERROR', name => '  and exchanged once';
    error_is exchanged($res->json('/access_token')), 401, 'AUTHENTICATION_ERROR', name => 'what it was exchanged for is of another type';
    my $again = $t->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') });
    status_is $again, 200, 'it is refreshed';
    $t->keep_secret($again->json('/access_token'), $again->json('/refresh_token'));
    is +(parts($again->json('/access_token')))[1]{impersonated_by}, $boss->uuid, '  and still says who acts';
    ok !exists((parts($again->json('/access_token')))[1]{type}), '  without being to be exchanged';
    $t->db->do(q{UPDATE users SET role = 'user' WHERE id = ?}, undef, $boss->uuid);
    error_is $t->post('/api/v1/auth/refresh', { refresh_token => $again->json('/refresh_token') }), 401, 'AUTHENTICATION_ERROR', name => 'who may not act any more refreshes nothing';
    $t->db->do(q{UPDATE users SET role = 'admin' WHERE id = ?}, undef, $boss->uuid);
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'impersonate.exchange'}), 1, 'put down';
};

subtest 'not of a user who is not there' => sub {
    $t->revive($boss);
    $t->user($_) for qw(zoe zac);
    my %as = map { $_ => impersonate($root, "user_$_") } qw(zoe zac);
    $t->db->do(q{UPDATE users SET is_active = false WHERE public_id = 'user_zoe'});
    $t->db->do(q{UPDATE users SET deleted_at = now(), is_active = false, email = NULL WHERE public_id = 'user_zac'});
    error_is exchanged($as{zoe}->token), 403, 'AUTHORIZATION_ERROR';
    error_is exchanged($as{zac}->token), 404, 'NOT_FOUND', name => 'gone';
};
