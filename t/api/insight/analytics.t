use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $ann    = $t->user('ann');
my $olive  = $t->team('olive', role => 'owner');
my $mick   = $t->team('mick',  role => 'member');
my $theirs = $t->team('tom',   role => 'owner', tenant => 'other');
my $path   = '/api/v1/dashboard/analytics';
my $db     = $t->db;
my $tenant = $ann->tenant_id;

sub one ($sql, @values) { return scalar $db->selectrow_array($sql, undef, @values) }
sub overview (%query) { return $mick->get("$path/overview", query => \%query)->json }
sub usage (%query) { return $mick->get("$path/usage", query => \%query)->json }

# One clock for all: the database's, at the beginning of the month before last and its days.
my ($month, $next) = @{ $db->selectrow_arrayref(q{SELECT json_time(utc_month(utc_month(now()) - interval '1 day')), json_time(utc_month(now()) - interval '1 second')}) };
my @days = @{ $db->selectcol_arrayref(q{SELECT (utc_month(utc_month(now()) - interval '1 day') AT TIME ZONE 'UTC')::date + n FROM generate_series(0, 9) n}) };

subtest 'any of the team, and nobody else' => sub {
    for my $what (qw(overview usage)) {
        error_is $t->get("$path/$what"),   401, 'AUTHENTICATION_ERROR';
        error_is $ann->get("$path/$what"), 401, 'AUTHENTICATION_ERROR', name => 'a user of the product is none of the team';
        status_is $mick->get("$path/$what"), 200;
        error_is $mick->get("$path/$what", query => { from => '2026-02-01T00:00:00Z', to => '2026-01-01T00:00:00Z' }), 422, 'VALIDATION_ERROR', field => 'from', message => qr/after/;
        error_is $mick->get("$path/$what", query => { from => '2025-01-01T00:00:00Z', to => '2026-01-02T00:00:01Z' }), 422, 'VALIDATION_ERROR', field => 'from', message => qr/366 days/;
        status_is $mick->get("$path/$what", query => { from => '2025-01-01T00:00:00Z', to => '2026-01-02T00:00:00Z' }), 200, '366 days are';
        error_is $mick->get("$path/$what", query => { from => 'yesterday' }), 422, 'VALIDATION_ERROR', field => 'from';
    }
    error_is $mick->get("$path/usage", query => { interval => 'hour' }), 422, 'VALIDATION_ERROR', field => 'interval';
    error_is $mick->get("$path/usage", query => { group_by => 'external_agent' }), 422, 'VALIDATION_ERROR', field => 'group_by';
    error_is $mick->get("$path/usage", query => { group_by => $_, source => 'external' }), 422, 'VALIDATION_ERROR', field => 'group_by' for qw(agent model);
};

subtest 'nothing is zeros' => sub {
    my $o = $theirs->get("$path/overview")->json;
    is_deeply $o, {
        period_start    => one('SELECT json_time(utc_month(now()))'), period_end => $o->{period_end},
        users           => { total => 0, active => 0, new => 0 }, organizations => { total => 0, new => 0 },
        subscriptions   => { active => 0, trialing => 0, past_due => 0, cancelled => 0, mrr => 0 },
        usage           => { messages => 0, input_tokens => 0, output_tokens => 0, total_tokens => 0, cost_usd => 0 },
        agents          => { executions => 0, failed => 0, avg_execution_time_ms => 0 },
        external_agents => { calls => 0, errors => 0, total_tokens => 0, cost_usd => 0 },
        entities        => { schemas => 0, records => 0 }, files => { count => 0, bytes => 0 },
        requests        => { requests => 0, client_errors => 0, server_errors => 0, avg_ms => undef, p50_ms => undef, p95_ms => undef, p99_ms => undef },
        jobs            => { waiting => 0, scheduled => 0, running => 0, failed => 0 }, webhooks => { active => 0, failing => 0, disabled => 0 },
    }, 'this month until now, unless something else is asked for';
    my $u = $theirs->get("$path/usage", query => { from => $month, to => $next })->json;
    is scalar @{ $u->{points} }, one('SELECT extract(day FROM ?::timestamptz AT TIME ZONE \'UTC\')', $next), 'a point a day, also without anything';
    is_deeply $u->{points}[0], { bucket => $month, key => undef, label => undef, messages => 0, total_tokens => 0, cost_usd => 0, calls => 0, errors => 0 };
    is_deeply $theirs->get("$path/usage", query => { group_by => 'model' })->json('/points'), [], 'where nothing is grouped there is nothing';
};

subtest 'people, organizations and what is paid for' => sub {
    my $org   = $t->organization($ann);
    my $other = $t->organization($t->user('bob'));
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $t->user('carl')->uuid);
    my ($pro) = $db->selectrow_array(q{INSERT INTO plans (tenant_id, name) VALUES (?, 'Pro') RETURNING id}, undef, $tenant);
    my $subscribe = sub ($owner, %more) {
        my %row = (tenant_id => $tenant, organization_id => $owner, plan_id => $pro, tier => 'pro', status => 'active', is_current => 1, amount => 2900, currency => 'usd', quantity => 1, interval => 'month', %more);
        my @names = sort keys %row;
        return one("INSERT INTO subscriptions (@{[ join ', ', @names ]}) VALUES (@{[ join ', ', ('?') x @names ]}) RETURNING id", @row{@names});
    };
    my $id = $subscribe->($org, quantity => 3);
    $subscribe->($other, interval => 'year', amount => 12_000);
    my $o = overview();
    is_deeply $o->{users}, { total => 3, active => 2, new => 3 };
    is_deeply $o->{organizations}, { total => 2, new => 2 };
    is_deeply $o->{subscriptions}, { active => 2, trialing => 0, past_due => 0, cancelled => 0, mrr => 97 }, 'three seats of 29 dollars, and a twelfth of 120';
    $db->do(q{UPDATE subscriptions SET status = 'past_due' WHERE id = ?}, undef, $id);
    is_deeply overview()->{subscriptions}, { active => 1, trialing => 0, past_due => 1, cancelled => 0, mrr => 10 };
    $db->do(q{UPDATE subscriptions SET status = 'canceled', is_current = false, ended_at = now() WHERE id = ?}, undef, $id);
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $other);
    $o = overview();
    is_deeply $o->{subscriptions}, { active => 1, trialing => 0, past_due => 0, cancelled => 1, mrr => 10 };
    is_deeply $o->{organizations}, { total => 1, new => 1 };
    is_deeply overview(from => $month, to => $next)->{users}, { total => 3, active => 2, new => 0 }, 'what there is, is of today; what is new, of the time that is asked for';
    is overview(from => $month, to => $next)->{subscriptions}{cancelled}, 0;
};

subtest 'what was used, by day' => sub {
    my $org  = one(q{SELECT id FROM organizations WHERE tenant_id = ? AND deleted_at IS NULL}, $tenant);
    my $zero = one('SELECT usage_id(NULL)');
    my $used = sub ($day, $organization, %n) {
        $db->do('INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count) VALUES (?, ?, ?, ?, ?, \'\', ?, 1)', undef, $tenant, $ann->uuid, $_, $day, $organization, $n{$_}) for sort keys %n;
    };
    my $asked = sub ($day, $organization, $model, $calls, $failures, $tokens, $cost) {
        $db->do(q{INSERT INTO ai_daily (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model, calls, failures, input_tokens, output_tokens, cost) VALUES (?, ?, ?, ?, usage_id(NULL), 'chat', 'openai', ?, ?, ?, ?, 0, ?)},
            undef, $tenant, $day, $organization, $ann->uuid, $model, $calls, $failures, $tokens, $cost);
    };
    $used->($days[0], $org, messages => 3, ai_tokens => 300, ai_input_tokens => 200, ai_output_tokens => 100, cost_usd => 1_500_000);
    $used->($days[8], $zero, messages => 1, ai_tokens => 10, ai_input_tokens => 10, cost_usd => 1);
    $asked->($days[0], $org,  'gpt-4o', 4, 1, 300, 1_500_000);
    $asked->($days[8], $zero, 'sonar',  1, 0, 10,  1);
    my %month = (from => $month, to => $next);
    is_deeply overview(%month)->{usage}, { messages => 4, input_tokens => 210, output_tokens => 100, total_tokens => 310, cost_usd => 1.500001 };
    my $u = usage(%month);
    is_deeply { map { $_ => $u->{$_} } qw(interval group_by source) }, { interval => 'day', group_by => 'none', source => 'platform' };
    my %first = (bucket => $month, key => undef, label => undef, messages => 3, total_tokens => 300, cost_usd => 1.5, calls => 4, errors => 1);
    is_deeply $u->{points}[0], \%first;
    is $u->{points}[1]{calls}, 0;
    is $u->{points}[8]{messages}, 1;
    is_deeply [ map { $_->{messages} } @{ usage(%month, interval => 'month')->{points} } ], [4];
    is one('SELECT extract(isodow FROM ?::timestamptz AT TIME ZONE \'UTC\')', $_->{bucket}), 1, 'a week begins on its Monday' for usage(%month, interval => 'week')->{points}[0];
    my @by = @{ usage(%month, interval => 'month', group_by => 'organization')->{points} };
    is_deeply [ map { [ @$_{qw(key label messages)} ] } @by ], [ [ $org, one('SELECT name FROM organizations WHERE id = ?', $org), 3 ], [ undef, undef, 1 ] ];
    @by = @{ usage(%month, interval => 'month', group_by => 'model')->{points} };
    is_deeply [ map { [ @$_{qw(key label messages errors)} ] } @by ], [ [ 'gpt-4o', 'gpt-4o', 3, 1 ], [ 'sonar', 'sonar', 1, 0 ] ];
    is_deeply $theirs->get("$path/usage", query => { %month, group_by => 'model' })->json('/points'), [], 'another tenant sees nothing of it';
};

subtest 'agents, here and elsewhere' => sub {
    my $agent = $olive->post('/api/v1/dashboard/agents', { name => 'Harbour', system_prompt => 'x' })->json('/id');
    my $away  = $olive->post('/api/v1/dashboard/external-agents', { name => 'Reader' })->json('/id');
    $db->do('INSERT INTO agent_daily (tenant_id, day, agent_id, organization_id, executions, failed, tokens, cost, duration_ms) VALUES (?, ?, ?, usage_id(NULL), 4, 1, 100, 2000000, 5000)', undef, $tenant, $days[2], $agent);
    $db->do('INSERT INTO external_agent_daily (tenant_id, day, external_agent_id, organization_id, calls, errors, total_tokens, cost) VALUES (?, ?, ?, usage_id(NULL), 5, 2, 50, 250000)', undef, $tenant, $days[2], $away);
    my %month = (from => $month, to => $next, interval => 'month');
    my $o = overview(from => $month, to => $next);
    is_deeply $o->{agents}, { executions => 4, failed => 1, avg_execution_time_ms => 1250 };
    is_deeply $o->{external_agents}, { calls => 5, errors => 2, total_tokens => 50, cost_usd => 0.25 }, 'counted apart';
    is_deeply usage(%month, group_by => 'agent')->{points}, [ { bucket => $month, key => $agent, label => 'Harbour', messages => 3, total_tokens => 100, cost_usd => 2, calls => 4, errors => 1 } ];
    is_deeply usage(%month, group_by => 'external_agent', source => 'external')->{points}, [ { bucket => $month, key => $away, label => 'Reader', messages => 3, total_tokens => 50, cost_usd => 0.25, calls => 5, errors => 2 } ];
    is_deeply [ map { $_->{calls} } @{ usage(%month, source => 'external')->{points} } ], [5];
    is usage(%month)->{points}[0]{calls}, 5, 'what happened elsewhere is not the platform\'s';
};

subtest 'files that are stored' => sub {
    my $add = sub ($state, $size) {
        return one(q{INSERT INTO stored_objects (tenant_id, user_id, backend, state, content_type, size, sha256, expires_at) VALUES (?, ?, 'local', ?, 'text/plain', ?, sha256('x'), now() + interval '1 hour') RETURNING id}, $tenant, $ann->uuid, $state, $size);
    };
    my @ids = map { $add->('stored', $_) } 100, 23;
    $add->('awaited', 7);
    is_deeply overview()->{files}, { count => 2, bytes => 123 }, 'those that are awaited are not there yet';
    $db->do(q{UPDATE stored_objects SET state = 'gone' WHERE id = ?}, undef, $ids[0]);
    is_deeply overview()->{files}, { count => 1, bytes => 23 };
    $db->do('DELETE FROM stored_objects WHERE id = ?', undef, $ids[1]);
    is_deeply overview()->{files}, { count => 0, bytes => 0 };
};

subtest 'requests, errors and latency' => sub {
    my $requests = sub (%query) { return $mick->get("$path/requests", query => \%query)->json };
    error_is $t->get("$path/requests"),   401, 'AUTHENTICATION_ERROR';
    error_is $ann->get("$path/requests"), 401, 'AUTHENTICATION_ERROR';
    error_is $mick->get("$path/requests", query => { from => '2026-02-01T00:00:00Z', to => '2026-01-01T00:00:00Z' }), 422, 'VALIDATION_ERROR', field => 'from', message => qr/after/;
    error_is $mick->get("$path/requests", query => { from => '2026-01-01T00:00:00Z', to => '2026-02-01T00:00:01Z' }), 422, 'VALIDATION_ERROR', field => 'from', message => qr/31 days/;
    status_is $mick->get("$path/requests", query => { from => '2026-01-01T00:00:00Z', to => '2026-02-01T00:00:01Z', interval => 'day' }), 200, 'by the day it may be more';

    # In a tenant where nobody has asked for anything yet.
    my $zoe  = $t->user('zoe', tenant => 'traffic');
    my $key  = $t->client(key => $t->key(tenant => 'traffic'));
    my $theo = $t->team('theo', role => 'owner', tenant => 'traffic');
    status_is $theo->get('/api/v1/dashboard/settings'), 200, 'the team\'s own are not counted';
    status_is $zoe->get('/api/v1/app/users/me'), 200 for 1 .. 3;
    status_is $zoe->get('/api/v1/app/projects/none'), 404;
    status_is $key->get('/api/v1/users'), 200;
    status_is $t->client(key => 'sk_live_' . 'x' x 32)->get('/api/v1/users'), 401, 'a key that is none';
    my $got;
    eventually { ($got = $theo->get("$path/requests")->json)->{total}{requests} == 5 } 60, 'those of a tenant\'s product, and of nobody else';
    is_deeply [ @{ $got->{total} }{qw(client_errors server_errors)} ], [ 1, 0 ], 'and how they ended';
    cmp_ok $got->{total}{p50_ms}, '<=', $got->{total}{p99_ms}, 'and how long they took';
    is scalar @{ $got->{points} }, 24, 'of the last 24 hours';
    is $got->{points}[-1]{requests} + $got->{points}[-2]{requests}, 5;
    is $got->{points}[0]{p50_ms}, undef, 'with nothing where there was nothing';
    is one(q{SELECT sum((x ->> 'requests')::int) FROM jsonb_array_elements(?::jsonb) x}, Cpanel::JSON::XS->new->encode($got->{latency})), 5, 'each is in one part of the histogram';
    is_deeply [ map { $_->{le_ms} } @{ $got->{latency} } ], [ 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000, undef ];
    is $theirs->get("$path/requests")->json('/total/requests'), 0, 'another tenant has its own';

    # 100 requests: 50 up to a millisecond, 40 up to 2.5 and 10 longer than all.
    $db->do('DELETE FROM request_hours');
    $db->do(q{INSERT INTO request_hours VALUES (?, '2026-03-01 07:00', 100, 7, 2, 250, 50, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10), (?, '2026-03-01 09:00', 1, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}, undef, $tenant, $tenant);
    my %day = (from => '2026-03-01T07:30:00Z', to => '2026-03-01T09:10:00Z');
    my $day = $requests->(%day);
    my %first = (requests => 100, client_errors => 7, server_errors => 2, avg_ms => 2.5, p50_ms => 1, p95_ms => 10000, p99_ms => 10000);
    is_deeply $day->{points}[0], { bucket => '2026-03-01T07:00:00.000Z', %first }, 'an hour counts as a whole';
    is_deeply [ map { "$_->{bucket} $_->{requests}" } @{ $day->{points} } ], [ '2026-03-01T07:00:00.000Z 100', '2026-03-01T08:00:00.000Z 0', '2026-03-01T09:00:00.000Z 1' ];
    is $day->{points}[2]{p50_ms}, 3.75, 'in the middle of its part';
    is $day->{total}{requests}, 101;
    $day = $requests->(%day, interval => 'day');
    is_deeply [ map { "$_->{bucket} $_->{requests}" } @{ $day->{points} } ], ['2026-03-01T00:00:00.000Z 101'], 'by the day';
    is overview(%day)->{requests}{requests}, 101, 'the overview has the same';
};

subtest 'jobs and webhooks' => sub {
    $db->do(q{DELETE FROM jobs WHERE tenant_id = ?}, undef, $tenant);
    $db->do(q{INSERT INTO jobs (tenant_id, queue, kind, state, run_at, finished_at) VALUES ($1, 'q', 'k', 'queued', now(), NULL), ($1, 'q', 'k', 'scheduled', '2099-01-01', NULL), ($1, 'q', 'k', 'failed', now(), now())}, undef, $tenant);
    is_deeply overview()->{jobs}, { waiting => 1, scheduled => 1, running => 0, failed => 1 };
    $db->do(q{INSERT INTO webhook_endpoints (tenant_id, name, url, events, secret_sealed, secret_tail, is_active, consecutive_failures, disabled_reason)
              VALUES ($1, 'a', 'https://a.example', '{*}', 'x', 'x', true, 0, NULL), ($1, 'b', 'https://a.example', '{*}', 'x', 'x', true, 3, NULL), ($1, 'c', 'https://a.example', '{*}', 'x', 'x', false, 9, 'HTTP 500')}, undef, $tenant);
    is_deeply overview()->{webhooks}, { active => 2, failing => 1, disabled => 1 };
    is_deeply $theirs->get("$path/overview")->json('/webhooks'), { active => 0, failing => 0, disabled => 0 };
};
