use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $boss = $t->user('boss', role => 'admin');
my $root = $t->user('root', role => 'superadmin');
my $eve  = $t->user('eve', tenant => 'other', role => 'admin');
my $base = '/api/v1/admin/dashboard/audit-logs';

# What is found: "action resource_id" of each event.
sub found ($who, $query = '') { return join ', ', map { "$_->{action} $_->{resource_id}" } @{ $who->get("$base$query")->json('/items') } }

subtest 'only administrators read it' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get($base), 403, 'AUTHORIZATION_ERROR';
    json_is $boss->get($base), '', { items => [], total => 0 }, 'an empty one';
    for my $method (qw(POST PUT PATCH DELETE)) { error_is $root->request($method, $base), 405, 'METHOD_NOT_ALLOWED', name => "$method" }
};

subtest 'an event' => sub {
    $boss->post('/api/v1/admin/users/user_ann/deactivate', undef, headers => { 'User-Agent' => 'test/1', 'X-Request-ID' => 'the-request' });
    json_is $boss->get($base), '', {
        items => [{
            id         => $UUID,      actor_id    => 'user_boss', action     => 'user.deactivate', resource_type => 'user',
            resource_id => 'user_ann', ip_address => '127.0.0.1',
            details    => { actor_type => 'user', user_agent => 'test/1', request_id => 'the-request' },
            created_at => $TIME,
        }],
        total => 1,
    };
    json_is $boss->get('/api/v2/admin/dashboard/audit-logs'), '/data/total', 1;
    json_is $eve->get($base), '', { items => [], total => 0 }, 'another tenant\'s administrator sees nothing of it';
    is found($eve, '?actor_id=user_boss'), '', '  in no way';
};

subtest 'newest first, and filters combine' => sub {
    $boss->post('/api/v1/admin/users/user_ann/activate');
    $root->patch('/api/v1/admin/users/user_ann', { role => 'admin' });
    my $flag = $root->post('/api/v1/admin/feature-flags', { key => 'f', name => 'F', flag_type => 'boolean' })->json('/id');
    is found($boss), "flag.create $flag, user.role user_ann, user.activate user_ann, user.deactivate user_ann";
    is found($boss, '?actor_id=user_boss'), 'user.activate user_ann, user.deactivate user_ann', 'by actor';
    is found($boss, '?action=user.role'), 'user.role user_ann', 'by action';
    is found($boss, '?resource_type=feature_flag'), "flag.create $flag", 'by resource';
    is found($boss, '?actor_id=user_root&action=user.role'), 'user.role user_ann', 'by two';
    is found($boss, '?actor_id=user_root&resource_type=user'), 'user.role user_ann';
    is found($boss, '?action=user.role&resource_type=user'), 'user.role user_ann';
    is found($boss, '?actor_id=user_root&action=user.role&resource_type=user'), 'user.role user_ann', 'by all';
    is found($boss, $_), '', "nothing: $_" for '?actor_id=user_boss&action=user.role', '?action=user.role&resource_type=feature_flag',
        '?actor_id=user_root&action=user.role&resource_type=feature_flag', '?action=user', '?actor_id=USER_ROOT', '?resource_type=%25';
    json_is $boss->get("$base?actor_id=user_boss"), '/total', 2, 'the total is of what matches';
    json_is $boss->get("$base?action=nothing"), '', { items => [], total => 0 };
    json_is $boss->get("$base?limit=1"), '', { items => sub ($items) { @$items == 1 && $items->[0]{action} eq 'flag.create' }, total => 4 }, 'all that match, however many are shown';
    error_is $boss->get("$base?skip=2"), 422, 'VALIDATION_ERROR', field => 'skip', name => 'there is no skip';
    error_is $boss->get("$base?limit=$_"), 422, 'VALIDATION_ERROR', field => 'limit' for 0, 1001;
};

subtest 'fifty, unless asked otherwise' => sub {
    $t->db->begin_work;
    $t->db->do('SELECT set_config(?, ?, true)', undef, 'app.tenant_id', $ann->tenant_id);
    $t->db->do(q{SELECT audit('x.y', 'x', i::text, '{}', 'someone') FROM generate_series(1, 1100) i});
    $t->db->commit;
    is scalar(@{ $boss->get($base)->json('/items') }), 50;
    json_is $boss->last, '/total', 1104;
    is scalar(@{ $boss->get("$base?action=x.y&limit=1000")->json('/items') }), 1000;
    json_is $boss->last, '/total', 1100;
};

subtest 'what is done is put down with it, or not done' => sub {
    my $before = $boss->get($base)->json('/total');
    error_is $boss->post('/api/v1/admin/users/user_nobody/deactivate'), 404, 'NOT_FOUND';
    error_is $boss->patch('/api/v1/admin/users/user_root', { is_active => false }), 403, 'AUTHORIZATION_ERROR';
    json_is $boss->get($base), '/total', $before, 'a change that failed leaves no event';
};

subtest 'the api neither changes nor removes an event' => sub {
    my $db = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    my $try = sub ($statement) {
        $db->begin_work;
        $db->do('SELECT set_config(?, ?, true)', undef, 'app.tenant_id', $ann->tenant_id);
        my $done  = eval { $db->do($statement); 1 };
        my $state = $db->state;
        $db->rollback;
        return is $done ? 'done' : $state, '42501', $statement;
    };
    $try->($_) for q{UPDATE audit_events SET action = 'x'}, 'DELETE FROM audit_events', 'TRUNCATE audit_events',
        'UPDATE audit_heads SET seq = 0', 'DELETE FROM audit_heads', 'ALTER TABLE audit_events DISABLE TRIGGER ALL', 'DROP TRIGGER audit_events_chain ON audit_events';
    $db->disconnect;
};

subtest 'the team reads it, and checks it' => sub {
    my $log    = '/api/v1/dashboard/audit-log';
    my $admin  = $t->team('admin', role => 'admin');
    my $member = $t->team('member');
    my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
    for my $path ($log, "$log/verification") {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $boss->get($path), 401, 'AUTHENTICATION_ERROR', name => 'no user';
        error_is $member->get($path), 403, 'AUTHORIZATION_ERROR', name => 'no member';
    }
    my $all = $admin->get($log);
    my $n   = $all->json('/total');
    cmp_ok $n, '>', 2, 'what administrators see';
    is_deeply [ map { $_->{seq} } @{ $all->json('/events') } ], [ reverse $n - 49 .. $n ], 'newest first, by its place';
    json_is $admin->get("$log?limit=2&before_seq=3"), '/events', sub ($e) { join(' ', map { $_->{seq} } @$e) eq '2 1' };
    json_is $admin->get("$log?action=user.deactivate"), '/events/0/actor_id', 'user_boss';
    like $admin->get($log, headers => { Accept => 'text/csv' })->body, qr/\Aseq,id,actor_id/, 'as a file, too';
    json_is $rival->get($log), '/total', 0, 'another team has its own';

    my $whole = $admin->get("$log/verification");
    json_is $whole, '', { event_count => $n, checked => $n, is_unbroken => true, problem_seq => undef, problem => undef, next_seq => undef, hash => qr/\A[0-9a-f]{64}\z/ };
    json_is $admin->get("$log/verification?limit=2"), '/next_seq', 2, 'in parts';
    json_is $admin->get("$log/verification?after_seq=2&limit=10000"), '/checked', $n - 2;
    error_is $admin->get("$log/verification?limit=10001"), 422, 'VALIDATION_ERROR', field => 'limit';
    json_is $rival->get("$log/verification"), '', { event_count => 0, checked => 0, is_unbroken => true, problem_seq => undef, problem => undef, next_seq => undef, hash => undef };

    $t->db->do('SET session_replication_role = replica');
    $t->db->do(q{UPDATE audit_events SET actor_id = 'nobody' WHERE tenant_id = ? AND seq = 2}, undef, $ann->tenant_id);
    $t->db->do('SET session_replication_role = origin');
    json_is $admin->get("$log/verification"), '', { event_count => $n, checked => 1, is_unbroken => false, problem_seq => 2, problem => 'row 2 was changed', next_seq => undef, hash => qr/\w/ };
};
