use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $boss = $t->user('boss', role => 'admin');
my $base = '/api/v1/admin/dashboard/stats';

sub stats () { return $boss->get($base) }

subtest 'only administrators' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get($base), 403, 'AUTHORIZATION_ERROR';
};

subtest 'the numbers of a new tenant' => sub {
    json_is stats(), '', {
        users         => { total => 2, active => 2, new_last_7_days => 2, new_last_30_days => 2 },
        subscriptions => { active => 0, by_plan => { free => 2, pro => 0, enterprise => 0 } },
        webhooks      => { total => 0, failed => 0, pending => 0 },
        jobs          => { queued => 0, completed_last_24h => 0, failed_last_24h => 0 },
    };
    json_is $boss->get('/api/v2/admin/dashboard/stats'), '/data/users/total', 2;
};

subtest 'users' => sub {
    my $ago = sub ($name, $days, %columns) {
        my ($at) = $t->db->selectrow_array(q{SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => ?) + interval '1 minute') AT TIME ZONE 'UTC'}, undef, $days);
        return $t->user($name, columns => { created_at => $at, %columns });
    };
    $ago->('d6', 6), $ago->('d7', 7), $ago->('d29', 29), $ago->('d30', 30);
    my %users = (total => 6, active => 6, new_last_7_days => 3, new_last_30_days => 5);
    json_is stats(), '/users', \%users, 'today and the six, or 29, days before';

    $t->user('off', columns => { is_active => 'f' });
    json_is stats(), '/users', { total => 7, active => 6, new_last_7_days => 4, new_last_30_days => 6 }, 'one who is not active';
    my $gone = $t->user('gone');
    json_is stats(), '/users/total', 8;
    $t->db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $gone->uuid);
    json_is stats(), '/users', { total => 7, active => 6, new_last_7_days => 4, new_last_30_days => 6 }, 'who is deleted is in none';
    $boss->post('/api/v1/admin/users/user_ann/deactivate');
    json_is stats(), '/users/active', 5;
    $boss->post('/api/v1/admin/users/user_ann/activate');
    json_is stats(), '/users/active', 6;
    $t->user('eve', tenant => 'other');
    json_is stats(), '/users/total', 7, 'other tenants have numbers of their own';
};

subtest 'subscriptions' => sub {
    $t->user("plan_$_->[0]_$_->[1]", columns => { subscription_plan => $_->[0], subscription_status => $_->[1] })
        for [qw(pro active)], [qw(pro trialing)], [qw(pro canceled)], [qw(enterprise active)], [qw(free active)], [qw(starter active)];
    my %is = (active => 4, by_plan => { free => 9, pro => 2, enterprise => 1, starter => 1 });
    json_is stats(), '/subscriptions', \%is, 'those that run or are on trial; all others are free';
    $t->db->do(q{UPDATE users SET subscription_status = 'past_due' WHERE public_id = 'user_plan_starter_active'});
    json_is stats(), '/subscriptions', { active => 3, by_plan => { free => 10, pro => 2, enterprise => 1 } }, 'and follow it';
    $t->db->do(q{UPDATE users SET deleted_at = now() WHERE public_id = 'user_plan_enterprise_active'});
    json_is stats(), '/subscriptions', { active => 2, by_plan => { free => 10, pro => 2, enterprise => 0 } };
};

subtest 'jobs' => sub {
    my $job = sub ($state, $finished = undef) {
        $t->db->do(q{INSERT INTO jobs (tenant_id, kind, state, finished_at) VALUES (?, 'x', ?, now() - ?::interval)}, undef, $ann->tenant_id, $state, $finished);
    };
    $job->('queued') for 1 .. 3;
    $job->('running');
    $job->('completed', $_) for '1 second', '23 hours 59 minutes', '24 hours 1 second';
    $job->('failed',    $_) for '1 hour', '25 hours';
    $job->('cancelled', '1 second');
    json_is stats(), '/jobs', { queued => 3, completed_last_24h => 2, failed_last_24h => 1 };
};

subtest 'webhooks that were received' => sub {
    my $event = sub ($state, $tenant = $ann->tenant_id) {
        state $n = 0;
        $t->db->do(q{INSERT INTO webhook_events (tenant_id, provider, event_id, type, payload, state) VALUES (?, 'clerk', ?, 'user.created', '{}', ?)}, undef, $tenant, 'evt_' . ++$n, $state);
    };
    $event->($_) for qw(received received received processed processed ignored failed);
    $event->('failed', $t->tenant_id('other'));
    json_is stats(), '/webhooks', { total => 7, failed => 1, pending => 3 }, 'of this tenant, by what became of them';
    $t->db->do(q{UPDATE webhook_events SET state = 'processed' WHERE state = 'received'});
    json_is stats(), '/webhooks', { total => 7, failed => 1, pending => 0 };
    $t->db->do(q{INSERT INTO webhook_events (tenant_id, provider, event_id, type, payload, state) SELECT ?, 'stripe', i, 'x', '{}', 'failed' FROM generate_series(1, 10100) i}, undef, $ann->tenant_id);
    json_is stats(), '/webhooks', { total => 10_001, failed => 10_001, pending => 0 }, 'counted up to 10,001';
};

subtest 'many who sign up at once do not wait for each other' => sub {
    my $one = $t->{cluster}->connect($t->{database});
    my $two;
    my $shard = sub ($db) { return $db->selectrow_array('SELECT pg_backend_pid() % 16') };
    for (1 .. 40) {    # another connection, with rows of its own
        $two = $t->{cluster}->connect($t->{database});
        last if $shard->($one) != $shard->($two);
        push @{ state $kept }, $two;
    }
    $_->begin_work, $_->do(q{SET LOCAL statement_timeout = '5s'}) for $one, $two;
    ok eval { $_->[0]->do('INSERT INTO users (tenant_id, public_id) VALUES (?, ?)', undef, $ann->tenant_id, $_->[1]) }, "$_->[1] is in" for [ $one, 'at_once_1' ], [ $two, 'at_once_2' ];
    my $before = stats()->json('/users/total');
    $_->commit for $one, $two;
    json_is stats(), '/users/total', $before + 2, 'and both are counted';
};
