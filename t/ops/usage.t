# Limits hold however many ask at once, and what was used is added up once, whatever overlaps.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Sample;
use Cpanel::JSON::XS ();
use Test::More;
use Time::HiRes 'sleep';

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $owner   = $cluster->connect($name, 'ashlar');
my $T       = '00000000-0000-7000-8000-000000000001';
my $none    = '00000000-0000-0000-0000-000000000000';
my $sample  = Ashlar::Sample->fill($super, $T);
my $user    = $sample->id('user');
my $org     = $sample->id('organization');

$super->do('TRUNCATE usage_events, usage_daily, usage_counters, usage_operations, usage_limits');
my ($plan) = $super->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Tide', true, '{"messages": 10, "tokens": 1000}') RETURNING id}, undef, $T);
$super->do('UPDATE users SET current_plan_id = NULL');
$super->do('UPDATE subscriptions SET is_current = false');
$super->do('UPDATE tenant_settings SET default_plan_id = ? WHERE tenant_id = ?', undef, $plan, $T) == 1
    or $super->do('INSERT INTO tenant_settings (tenant_id, default_plan_id) VALUES (?, ?)', undef, $T, $plan);

# Another connection as the api's, in the tenant.
sub api () {
    my $db = $cluster->connect($name, 'ashlar_api');
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $T);
    return $db;
}
my $api = api();

# What a function answers, or the SQLSTATE that it refuses with.
sub call ($db, $function, @values) {
    my @got = eval { $db->selectrow_array("SELECT $function(" . join(', ', ('?') x @values) . ')', undef, @values) };
    diag $@ if $@ && $db->state !~ m{^AS};
    return $@ ? $db->state : $got[0];
}

# "used reserved" of a counter.
sub counter ($metric, $usr = $none, $organization = $org) {
    return join ' ', $super->selectrow_array('SELECT used, reserved FROM usage_counters WHERE organization_id = ? AND user_id = ? AND metric = ?', undef, $organization, $usr, $metric);
}

sub reset_usage () { return $super->do('TRUNCATE usage_events, usage_daily, usage_counters, usage_operations, usage_limits') }

# Events are added up when no transaction from before them runs any more; those of other tests in the cluster may.
sub rolled () {
    for (1 .. 600) {
        $super->do('SELECT usage_roll(1000)');
        return 1 if !$super->selectrow_array('SELECT EXISTS (SELECT FROM usage_events e, usage_state s WHERE e.xid >= s.rolled)');
        sleep 0.05;
    }
    return 0;
}

sub daily () {
    return join ' ', map { "$_->[0]:$_->[1]/$_->[2]" } @{ $super->selectall_arrayref(
        q{SELECT metric, sum(quantity), sum(count) FROM usage_daily GROUP BY 1 ORDER BY 1}) };
}

subtest 'the last unit is used, and the one behind it is refused' => sub {
    is call($api, 'usage_consume', $org, $user, '{"messages": 9}'), 1, 'nine of ten';
    is call($api, 'usage_consume', $org, $user, '{"messages": 2}'), 'AS402', 'two more are one too many';
    is counter('messages'), '9 0', 'and nothing was booked';
    is counter('messages', $user), '9 0', 'of the user neither';
    is call($api, 'usage_consume', $org, $user, '{"messages": 1, "ai_tokens": 1001}'), 'AS402', 'of two metrics one is too much';
    is counter('messages'), '9 0', 'so the other one is not used';
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}'), 1, 'one more is the last';
    is counter('messages'), '10 0';
    is $super->selectrow_array('SELECT sum(quantity) FROM usage_events'), 10, 'the events are those of what was booked';
};

subtest 'a limit of the user counts beside the organization\'s' => sub {
    reset_usage();
    $super->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, ?, ?, ?, 2)', undef, $T, $org, $user, 'messages');
    is call($api, 'usage_consume', $org, $user, '{"messages": 2}'), 1;
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}'), 'AS402', 'the user has had theirs';
    is call($api, 'usage_consume', $org, $sample->id('user theo'), '{"messages": 8}'), 1, 'another one has not';
    $super->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, ?, ?, ?, 12)', undef, $T, $org, $none, 'messages');
    is call($api, 'usage_consume', $org, $sample->id('user theo'), '{"messages": 2}'), 1, 'a limit of the organization comes before its plan\'s';
    is call($api, 'usage_consume', $org, $sample->id('user theo'), '{"messages": 1}'), 'AS402';
    my ($allowed, $used, $most) = $api->selectrow_array('SELECT allowed, used, most FROM usage_check(?, ?, ?)', undef, $org, $user, '{"messages": 1}');
    is "$allowed $used $most", '0 12 12', 'and a check says which one it is';
};

subtest 'without a plan nothing that plans count is allowed' => sub {
    reset_usage();
    $super->do('UPDATE tenant_settings SET default_plan_id = NULL');
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}'), 'AS402';
    is call($api, 'usage_consume', $org, $user, '{"file_uploads": 1}'), 1, 'what they do not count is';
    $super->do('UPDATE tenant_settings SET default_plan_id = ? WHERE tenant_id = ?', undef, $plan, $T);
};

subtest 'a subscription brings its plan and its period' => sub {
    reset_usage();
    my ($paid) = $super->selectrow_array(q{INSERT INTO plans (tenant_id, name, limits) VALUES (?, 'Spring tide', '{"messages": 3}') RETURNING id}, undef, $T);
    $super->do(q{INSERT INTO subscriptions (tenant_id, organization_id, plan_id, status, is_current, period_start, period_end, provider, provider_id)
                 VALUES (?, ?, ?, 'active', true, now() - interval '3 days', now() + interval '27 days', 'stripe', 'sub_usage')}, undef, $T, $org, $paid);
    is call($api, 'usage_consume', $org, $user, '{"messages": 3}'), 1;
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}'), 'AS402';
    is $super->selectrow_array('SELECT count(*) FROM usage_counters c JOIN subscriptions s USING (period_start, period_end, plan_id)'), 2, 'the counters are those of its period';
    $super->do(q{UPDATE subscriptions SET period_start = period_end, period_end = period_end + interval '30 days' WHERE provider_id = 'sub_usage'});
    is call($api, 'usage_consume', $org, $user, '{"messages": 3}'), 1, 'the next period begins anew';
    $super->do(q{UPDATE subscriptions SET status = 'past_due' WHERE provider_id = 'sub_usage'});
    is call($api, 'usage_consume', $org, $user, '{"messages": 10}'), 1, 'what is not paid does not count: the default plan does, in its own period';
    $super->do(q{UPDATE subscriptions SET is_current = false WHERE provider_id = 'sub_usage'});
};

subtest 'two who begin to use something at once both may' => sub {
    reset_usage();
    my ($first, $second) = (api(), api());
    $first->begin_work;
    is call($first, 'usage_consume', $org, $user, '{"messages": 1}'), 1, 'one makes the counters';
    my $sth = $second->prepare('SELECT usage_consume(?, ?, ?)', { pg_async => 1 });
    $sth->execute($org, $user, '{"messages": 1}');
    for (1 .. 200) {
        last if $super->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE datname = ? AND wait_event_type = 'Lock'}, undef, $name);
        sleep 0.05;
    }
    $first->commit;
    ok eval { $second->pg_result }, 'and the other one, who waited for that, finds room' or diag $second->errstr;
    is counter('messages'), '2 0';
};

subtest 'of fifty at once with one unit left one passes' => sub {
    reset_usage();
    call($api, 'usage_consume', $org, $user, '{"messages": 9}');
    my @at_once = map { api() } 1 .. 50;
    my $held    = $cluster->connect($name);
    $held->begin_work;
    $held->do('SELECT FROM usage_counters WHERE organization_id = ? AND user_id = ? FOR UPDATE', undef, $org, $none);
    for my $i (0 .. $#at_once) {
        my $call = $i % 2 ? 'usage_consume(?, ?, ?)' : 'usage_reserve(?, ?, ?, ?, now() + interval \'1 hour\')';
        my $sth  = $at_once[$i]->prepare("SELECT $call", { pg_async => 1 });
        $sth->execute($i % 2 ? () : "op-$i", $org, $i % 5 ? $user : $sample->id('user theo'), '{"messages": 1}');
        $at_once[$i]{private_sth} = $sth;
    }
    for (1 .. 200) {
        last if 50 == $super->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE datname = ? AND wait_event_type = 'Lock'}, undef, $name);
        sleep 0.05;
    }
    is $super->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE datname = ? AND wait_event_type = 'Lock'}, undef, $name), 50, 'all of them wait';
    $held->commit;
    my %got;
    for my $db (@at_once) {
        $got{ eval { $db->pg_result } ? 'passed' : $db->state }++;
        delete $db->{private_sth};
    }
    is_deeply \%got, { passed => 1, AS402 => 49 }, 'and one passes';
    my ($used, $reserved) = split / /, counter('messages');
    is $used + $reserved, 10, 'the limit is reached';
};

subtest 'a reservation is held, settled with what it came to, or released, once' => sub {
    reset_usage();
    my $later = "now() + interval '1 hour'";
    my $hold  = sub ($id, $amounts) { call($api, 'usage_reserve', $id, $org, $user, $amounts, $super->selectrow_array("SELECT $later")) };
    is $hold->('a', '{"messages": 1, "ai_tokens": 900}'), 1;
    is $hold->('a', '{"messages": 1, "ai_tokens": 900}'), 0, 'again it is the same one';
    is counter('ai_tokens'), '0 900', 'held';
    is call($api, 'usage_consume', $org, $user, '{"ai_tokens": 101}'), 'AS402', 'what is held is not there for others';
    is call($api, 'usage_settle', 'a', '{"messages": 1, "ai_tokens": 1200, "cost_usd": 77}'), 1;
    is counter('ai_tokens'), '1200 0', 'what has happened is booked, also past the limit';
    is counter('cost_usd', $user), '77 0', 'of what was not reserved, too';
    is call($api, 'usage_settle', 'a', '{"messages": 9}'), 0, 'settled is settled';
    is call($api, 'usage_release', 'a'), 0, 'and not released';
    is counter('messages'), '1 0';
    is call($api, 'usage_settle', 'b', '{}'), 'AS404', 'nothing was reserved';
    is $hold->('c', '{"messages": 9}'), 1;
    is call($api, 'usage_release', 'c'), 1;
    is call($api, 'usage_release', 'c'), 0;
    is counter('messages'), '1 0', 'what was released is free again';
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}', 'd'), 1;
    is call($api, 'usage_consume', $org, $user, '{"messages": 1}', 'd'), 0, 'an operation is consumed once';
    is counter('messages'), '2 0';
};

subtest 'what a dead process held runs out by itself' => sub {
    reset_usage();
    $super->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, ?, ?, ?, 10)', undef, $T, $org, $user, 'messages');
    is call($api, 'usage_reserve', $_->[0], $org, $_->[1], '{"messages": 4}', '2020-01-01'), 1 for ['dead', $user], ['dead too', $sample->id('user theo')];
    is counter('messages'), '0 4', 'the second one finds that the first has expired';
    my ($allowed, $used) = $api->selectrow_array('SELECT allowed, used FROM usage_check(?, ?, ?)', undef, $org, $user, '{"messages": 10}');
    is "$allowed $used", '1 0', 'a check does not count it';
    is call($api, 'usage_consume', $org, $user, '{"messages": 10}'), 1, 'nor does who consumes';
    is counter('messages'), '10 0';
    is counter('messages', $sample->id('user theo')), '0 0', 'everybody\'s are taken back';
    is call($api, 'usage_settle', 'dead', '{"messages": 3}'), 1, 'it was only slow: what it used is booked';
    is counter('messages'), '13 0';
    is call($api, 'usage_release', 'dead too'), 1;
    is counter('messages'), '13 0', 'nothing is given back twice';
};

subtest 'a user without an organization, and an organization without a user' => sub {
    reset_usage();
    is call($api, 'usage_consume', undef, $user, '{"messages": 10}'), 1;
    is call($api, 'usage_consume', undef, $user, '{"messages": 1}'), 'AS402';
    is counter('messages', $user, $none), '10 0';
    is call($api, 'usage_reserve', 'mine', undef, $user, '{"ai_tokens": 5}', '2020-01-01'), 1;
    is call($api, 'usage_consume', undef, $user, '{"ai_tokens": 1000}'), 1, 'what it had reserved has run out';
    is call($api, 'usage_consume', $org, undef, '{"messages": 10}'), 1;
    is call($api, 'usage_consume', $org, undef, '{"messages": 1}'), 'AS402';
};

subtest 'stored bytes are never reset' => sub {
    reset_usage();
    is call($api, 'usage_consume', $org, $user, '{"storage_bytes": 500}'), 1;
    is call($api, 'usage_consume', $org, $user, '{"storage_bytes": -200}'), 1, 'a file is deleted';
    is counter('storage_bytes'), '300 0';
    is $super->selectrow_array(q{SELECT DISTINCT period_end FROM usage_counters WHERE metric = 'storage_bytes'}), 'infinity';
};

subtest 'events are added up by day, once, in whatever order their transactions end' => sub {
    reset_usage();
    my ($slow, $fast) = (api(), api());
    $slow->begin_work;
    $slow->do('SELECT usage_consume(?, ?, ?)', undef, $org, $user, '{"file_uploads": 1}');
    $fast->do('SELECT usage_consume(?, ?, ?)', undef, undef, $user, '{"file_uploads": 10}');
    $super->do('SELECT usage_roll(1000)');
    is daily(), '', 'one that began earlier still runs, so neither is added yet';
    $slow->commit;
    ok rolled(), 'then both are';
    is daily(), 'file_uploads:11/2';
    $super->do('SELECT usage_roll(1000)');
    is daily(), 'file_uploads:11/2', 'and not again';

    $slow->begin_work;
    $slow->do('SELECT usage_consume(?, ?, ?)', undef, $org, $user, '{"file_uploads": 100}');
    $slow->rollback;
    $super->do(q{INSERT INTO usage_events (tenant_id, slot, metric, user_id, quantity, occurred_at)
                 SELECT ?, usage_slot(at), 'file_uploads', ?, 1, at FROM (SELECT now() - interval '31 days' AS at) x}, undef, $T, $user);
    ok rolled();
    is daily(), 'file_uploads:12/3', 'what was rolled back is not there, what came late is';
    is $super->selectrow_array(q{SELECT quantity FROM usage_daily WHERE day = ((now() - interval '31 days') AT TIME ZONE 'UTC')::date}), 1, 'on the day when it happened';

    $fast->do('SELECT usage_consume(NULL, ?, ?)', undef, $user, '{"file_uploads": 1}') for 1 .. 7;
    $super->do('SELECT usage_roll(3)') for 1 .. 2;
    ok rolled();
    is daily(), 'file_uploads:19/10', 'many are added in pieces';
};

subtest 'a database that was restored into another cluster adds nothing twice' => sub {
    $super->do(q{UPDATE usage_state SET rolled = '9000000000000000'});
    $super->do('SELECT usage_roll(1000)');
    is daily(), 'file_uploads:19/10';
    is $super->selectrow_array(q{SELECT rolled < '9000000000000000' FROM usage_state}), 1;
    $super->do(q{UPDATE usage_state SET rolled = '3'});
    ok rolled();
    is daily(), 'file_uploads:19/10', 'whatever number the old transactions had';
    $api->do('SELECT usage_consume(NULL, ?, ?)', undef, $user, '{"file_uploads": 1}');
    ok rolled();
    is daily(), 'file_uploads:20/11', 'and new ones count';
};

subtest 'a month\'s events go when it is over for a year' => sub {
    reset_usage();
    for my $months (0, 12, 13) {
        $super->do(q{INSERT INTO usage_events (tenant_id, slot, metric, quantity, occurred_at)
                     SELECT ?, usage_slot(at), 'messages', ?, at FROM (SELECT now() - make_interval(months => ?) AS at) x}, undef, $T, $months + 1, $months);
    }
    is $owner->selectrow_array('SELECT usage_rotate()'), 1;
    is_deeply $super->selectcol_arrayref('SELECT quantity FROM usage_events ORDER BY 1'), [ 1, 13 ];
};

done_testing;
