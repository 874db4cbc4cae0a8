use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $key    = $t->key;
my $public = $t->key(type => 'public');
my $orgs   = '/api/v1/organizations';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub person ($name) { return $t->user($name)->with(key => $key) }

my ($owner, $admin, $dev, $member) = map { person($_) } qw(owner admin developer member);
my $outsider = person('outsider');
my $eve      = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
my $org      = $t->organization($owner);
my $theirs   = $t->organization($eve);
$t->member($org, $admin, 'admin');
$t->member($org, $dev, 'developer');
$t->member($org, $member, 'member');

# A plan for everybody of the tenant who has no other; limits in the metrics' own units.
sub plan_of (%limits) {
    state $n = 0;
    my $limits = '{' . join(', ', map { qq("$_": $limits{$_}) } sort keys %limits) . '}';
    my ($id) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, ?, true, ?) RETURNING id},
        undef, $owner->tenant_id, 'Plan ' . ++$n, $limits);
    $t->db->do('INSERT INTO tenant_settings (tenant_id, default_plan_id) VALUES (?, ?) ON CONFLICT (tenant_id) DO UPDATE SET default_plan_id = excluded.default_plan_id',
        undef, $owner->tenant_id, $id);
    return $id;
}

sub no_plan () { return $t->db->do('UPDATE tenant_settings SET default_plan_id = NULL') }

sub begin () { return $t->db->do('TRUNCATE usage_events, usage_daily, usage_counters, usage_operations, usage_limits') }

# What a feature would have used, behind the API's back: amounts by metric.
sub uses ($who, $amounts, $organization = $org) {
    my $db = $t->lock(q{SELECT set_config('app.tenant_id', ?, true)}, $who->tenant_id);
    $db->do('SELECT usage_consume(?, ?, ?)', undef, $organization, $who->uuid, $amounts);
    return $db->commit;
}

sub counted () {
    return scalar $t->db->selectrow_array(q{SELECT coalesce(string_agg(metric || ' ' || used, ', ' ORDER BY metric), '') FROM usage_counters
                                            WHERE organization_id = ? AND user_id = '00000000-0000-0000-0000-000000000000'}, undef, $org);
}

# The body of a check or a consumption.
sub amount ($who, $n, %more) { return { tokens => $n, user_id => $who->uuid, organization_id => $org, %more } }

my ($month_start) = $t->db->selectrow_array(q{SELECT to_char(date_trunc('month', now(), 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')});

my @asks = (
    sub ($who) { $who->get("$orgs/$org/usage") },
    sub ($who) { $who->get("$orgs/$org/usage/user/" . $owner->uuid) },
    sub ($who) { $who->post("$orgs/$org/usage/check") },
    sub ($who) { $who->get('/api/v1/api/usage/current', query => { organization_id => $org }) },
    sub ($who) { $who->get('/api/v1/api/usage/history', query => { organization_id => $org }) },
    sub ($who) { $who->get('/api/v1/api/usage/entity-usage', query => { organization_id => $org }) },
    sub ($who) { $who->get('/api/v1/usage/stats', query => { organization_id => $org }) },
    sub ($who) { $who->post('/api/v1/usage/check', amount($who, 1)) },
    sub ($who) { $who->post('/api/v1/usage/consume', amount($who, 1)) },
);

subtest 'nobody gets in without key and token, or into an organization that is not theirs' => sub {
    plan_of(messages => 10);
    for my $ask (@asks) {
        error_is $ask->($owner->with(key => undef)), 401, 'INVALID_API_KEY';
        error_is $ask->($owner->with(token => undef)), 401, 'AUTHENTICATION_ERROR';
        error_is $ask->($outsider), 403, 'AUTHORIZATION_ERROR';
        error_is $ask->($eve), 404, 'NOT_FOUND', id => $org, name => 'of another tenant it is not there';
    }
    is counted(), '', 'and nothing was used';
};

subtest 'what a member may, by role' => sub {
    status_is $_->get("$orgs/$org/usage"), 200 for $owner, $admin, $dev, $member;
    status_is $_->get("$orgs/$org/usage/user/" . $owner->uuid), 200 for $owner, $admin, $dev;
    error_is $member->get("$orgs/$org/usage/user/" . $owner->uuid), 403, 'AUTHORIZATION_ERROR', permission => 'MEMBERS_READ';
    error_is $owner->get("$orgs/$org/usage/user/" . $outsider->uuid), 404, 'NOT_FOUND', resource => 'Member';
    status_is $member->post("$orgs/$org/usage/check"), 200;
};

subtest 'an amount is a whole number above 0, and the caller\'s own' => sub {
    for my $path (qw(/api/v1/usage/check /api/v1/usage/consume)) {
        error_is $owner->post($path, amount($owner, $_)), 422, 'VALIDATION_ERROR', field => 'tokens' for 0, -1, '1', 1e13, true;
        error_is $owner->post($path, amount($owner, 1.5)), 422, 'VALIDATION_ERROR', field => 'tokens', message => qr/whole/;
        error_is $owner->post($path, amount($owner, 1, usage_type => 'dollars')), 422, 'VALIDATION_ERROR', field => 'usage_type';
        error_is $owner->post($path, { tokens => 1, user_id => $owner->uuid }), 422, 'VALIDATION_ERROR', field => 'organization_id';
        error_is $owner->post($path, { tokens => 1, organization_id => $org }), 422, 'VALIDATION_ERROR', field => 'user_id';
        error_is $owner->post($path, amount($admin, 1)), 403, 'AUTHORIZATION_ERROR', field => 'user_id';
    }
    error_is $owner->get($_), 422, 'VALIDATION_ERROR', field => 'organization_id' for map { "/api/v1/$_" } qw(api/usage/current api/usage/history api/usage/entity-usage usage/stats);
    error_is $owner->post("$orgs/$org/usage/check?additional_tokens=-1"), 422, 'VALIDATION_ERROR', field => 'additional_tokens';
    is counted(), '';
};

subtest 'a check says whether it would be allowed, and uses nothing' => sub {
    plan_of(messages => 10);
    my $check = sub ($n, %more) { $member->post('/api/v1/usage/check', amount($member, $n, %more)) };
    my $res   = $check->(10, usage_type => 'messages');
    status_is $res, 200;
    json_is $res, '', { allowed => true, current_usage => 0, max_limit => 10, remaining => 10, requested => 10, error => undef };
    $res = $check->(11, usage_type => 'messages');
    status_is $res, 200, 'not allowed is still an answer';
    json_is $res, '/allowed', false;
    json_is $res, '/error', 'the limit would be passed';
    json_is $check->(1_000_000_000_000), '', { allowed => true, current_usage => 0, max_limit => 'unlimited', remaining => 'unlimited', requested => 1_000_000_000_000, error => undef }, 'tokens have no limit here';
    is counted(), '';
    no_plan();
    json_is $check->(1), '', { allowed => false, current_usage => 0, max_limit => 0, remaining => 0, requested => 1, error => 'No active plan' };
};

subtest 'the last unit is consumed, and the one behind it is a 402 that says what there is' => sub {
    begin();
    my $plan    = plan_of(messages => 10, cost_usd => 25_000_000);
    my $consume = sub ($who, $n, %more) { $who->post('/api/v1/usage/consume', amount($who, $n, %more)) };
    my @of      = (usage_type => 'messages');
    my $res     = $consume->($member, 9, @of);
    status_is $res, 200;
    json_is $res, '/success', true;
    json_is $res, '/consumed', 9;
    json_is $res, '/usage_type', 'messages';
    json_is $res, '/allowed', true;
    json_is $res, '/error', undef;
    json_is $res, '/limits/messages', { current => 9, max => 10, remaining => 1, percentage => 90 }, 'the limits are those behind it';
    json_is $res, '/limits/cost_usd', { current => 0, max => 25, remaining => 25, percentage => 0 }, 'cost is in dollars';
    json_is $res, '/limits/plan_id', $plan;
    json_is $res, '/limits/would_exceed', false;

    $res = $consume->($dev, 2, @of);
    my %refused = (success => false, allowed => false, consumed => undef, usage_type => 'messages');
    error_is $res, 402, 'LIMIT_EXCEEDED', metric => 'messages', used => 9, limit => 10, requested => 2, resets_at => $TIME, message => qr/messages/,
        more => { %refused, limits => $res->json('/limits') };
    json_is $res, '/limits/messages', { current => 9, max => 10, remaining => 1, percentage => 90 };
    is counted(), 'messages 9', 'nothing was booked';

    status_is $consume->($dev, 1, @of), 200, 'one is left';
    $res = $consume->($dev, 1, @of);
    error_is $res, 402, 'LIMIT_EXCEEDED', used => 10, more => { %refused, limits => $res->json('/limits') };
    status_is $consume->($dev, 5), 200, 'of tokens, which are meant without a type, there is no limit';
    is counted(), 'ai_tokens 5, messages 10';

    no_plan();
    $res = $consume->($dev, 1);
    error_is $res, 402, 'LIMIT_EXCEEDED', message => qr/^No active plan$/, more => { %refused, usage_type => 'tokens', limits => $res->json('/limits') };
};

subtest 'sent again under its Idempotency-Key it is booked once' => sub {
    begin();
    plan_of(messages => 10);
    my %again = (headers => { 'Idempotency-Key' => 'once' });
    my $first = $member->post('/api/v1/usage/consume', amount($member, 3, usage_type => 'messages'), %again);
    json_is $member->post('/api/v1/usage/consume', amount($member, 3, usage_type => 'messages'), %again), '', $first->json;
    is counted(), 'messages 3';
};

subtest 'an organization\'s usage is its total, and whose it is' => sub {
    begin();
    my $plan = plan_of(messages => 100, cost_usd => 2_000_000);
    uses($member, '{"messages": 3, "ai_tokens": 500, "ai_input_tokens": 400, "ai_output_tokens": 100, "cost_usd": 250000}');
    uses($dev, '{"messages": 1, "ai_tokens": 70, "cost_usd": 1}');
    uses($eve, '{"file_uploads": 7}', $theirs);
    my $stats = $member->get("$orgs/$org/usage")->json('/usage_stats');
    is $stats->{period_start}, $month_start, 'without a subscription the period is the month, in UTC';
    is_deeply { map { $_ => $stats->{$_} } qw(plan_id messages cost_usd tokens by_user) }, {
        plan_id  => $plan,
        messages => { current => 4, max => 100, remaining => 96, percentage => 4 },
        cost_usd => { current => 0.250001, max => 2, remaining => 1.749999, percentage => 12.5 },
        tokens   => { total => 570, input => 400, output => 100 },
        by_user  => [
            { user_id => $member->uuid, messages_count => 3, tokens_count => 500, cost_usd => 0.25 },
            { user_id => $dev->uuid,    messages_count => 1, tokens_count => 70,  cost_usd => 0.000001 },
        ],
    }, 'who cost most comes first';
    my $res = $owner->get("$orgs/$org/usage/user/" . $member->uuid);
    json_is $res, '/usage', {
        id => qr/\A[0-9a-f-]{36}\z/, organization_id => $org, user_id => $member->uuid, plan_id => $plan, period_start => $month_start, period_end => $TIME,
        messages_count => 3, tokens_count => 500, cost_usd => 0.25, usage_metadata => { ai_input_tokens => 400, ai_output_tokens => 100 },
        created_at => $TIME, updated_at => $TIME,
    };
    json_is $owner->get("$orgs/$org/usage/user/" . $admin->uuid), '/usage/messages_count', 0, 'who has used nothing has used nothing';

    $res = $member->get('/api/v1/usage/stats', query => { organization_id => $org });
    json_is $res, '/usage', {
        messages => { user => 3,    organization => 4,        max => 100,         remaining => 96 },
        cost_usd => { user => 0.25, organization => 0.250001, max => 2,           remaining => 1.749999 },
        tokens   => { user => 500,  organization => 570,      max => 'unlimited', remaining => 'unlimited' },
    }, 'the caller\'s beside the organization\'s';
    json_is $res, '/error', undef;

    $res = $member->get('/api/v1/api/usage/current', query => { organization_id => $org });
    json_is $res, '', {
        period_start => $month_start, period_end => $TIME, plan_id => $plan, plan_name => qr/^Plan/, error => undef,
        usage => { messages => $stats->{messages}, cost_usd => $stats->{cost_usd}, tokens => $stats->{tokens} },
    };
    json_is $member->get('/api/v1/api/usage/entity-usage', query => { organization_id => $org }), '', { schemas_count => 0, records_count => 0, records_by_schema => [] };
};

subtest 'an organization asks before it uses' => sub {
    my $ask = sub ($query) { $member->post("$orgs/$org/usage/check?$query") };
    my $res = $ask->('additional_messages=96&additional_tokens=1000000');
    status_is $res, 200;
    json_is $res, '/would_exceed', false;
    json_is $res, '/limits/would_exceed', false;
    json_is $res, '/limits/tokens', { current => 570, max => 'unlimited', remaining => 'unlimited', percentage => 0 };
    $res = $ask->('additional_messages=97');
    status_is $res, 200;
    json_is $res, '/would_exceed', true;
    json_is $ask->(''), '/would_exceed', false, 'nothing more is not too much';
    is counted(), 'ai_input_tokens 400, ai_output_tokens 100, ai_tokens 570, cost_usd 250001, messages 4';
};

subtest 'without a plan reads say so' => sub {
    no_plan();
    my $res = $member->get('/api/v1/api/usage/current', query => { organization_id => $org });
    status_is $res, 200;
    json_is $res, '/error', 'No active plan';
    json_is $res, '/plan_name', '';
    json_is $res, '/plan_id', undef;
    json_is $res, '/usage/messages', { current => 4, max => 0, remaining => 0, percentage => 100 };
    $res = $member->get('/api/v1/usage/stats', query => { organization_id => $org });
    json_is $res, '/error', 'No active plan';
    json_is $res, '/plan_name', undef;
    error_is $member->get('/api/v1/subscriptions/users/' . $member->uuid . '/usage'), 404, 'NOT_FOUND', resource => 'Active plan';
    json_is $member->get('/api/v1/subscriptions/users/' . $member->uuid . '/usage/limits'), '/limits/plan_id', undef, 'limits of nothing';
};

subtest 'users read their own usage, in their default organization' => sub {
    my $plan = plan_of(messages => 100);
    my $url  = '/api/v1/subscriptions/users/' . $member->uuid . '/usage';
    for my $path ($url, "$url/limits") {
        error_is $owner->get($path), 403, 'AUTHORIZATION_ERROR';
        error_is $eve->get($path), 404, 'NOT_FOUND', resource => 'User', id => $member->uuid;
        error_is $member->with(token => undef)->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $member->get($path =~ s/\Q@{[ $member->uuid ]}/$nobody/r), 404, 'NOT_FOUND', resource => 'User';
    }
    $t->db->do('UPDATE users SET default_organization_id = NULL WHERE id = ?', undef, $member->uuid);
    json_is $member->get($url), '/messages_count', 0, 'without one, what they used outside of all';
    json_is $member->get($url), '/organization_id', undef;
    $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $member->uuid);
    my $res = $member->get($url);
    json_is $res, '/organization_id', $org;
    json_is $res, '/messages_count', 3;
    json_is $res, '/tokens_count', 500;
    json_is $member->get("$url/limits"), '/limits/messages', { current => 4, max => 100, remaining => 96, percentage => 4 }, 'limits are asked of the organization\'s total';
    json_is $member->get("$url/limits"), '/limits/plan_id', $plan;
};

subtest 'the history has a record for each period, the newest first' => sub {
    my $url  = '/api/v1/api/usage/history';
    my $list = sub ($who, %query) { $who->get($url, query => { organization_id => $org, %query }) };
    $t->db->do(q{INSERT INTO usage_counters (tenant_id, organization_id, user_id, metric, period_start, period_end, used, created_at)
                 SELECT ?, ?, ?, m, date_trunc('month', now(), 'UTC') - make_interval(months => n), date_trunc('month', now(), 'UTC') - make_interval(months => n - 1), 10 * n, now() - interval '40 days'
                 FROM generate_series(1, 2) n, unnest(ARRAY ['messages', 'emails']) m}, undef, $member->tenant_id, $org, $member->uuid);
    my $res = $list->($member);
    is_deeply [ map { $_->{messages_count} } @{ $res->json } ], [ 3, 10, 20 ];
    json_is $res, '/1/usage_metadata', { emails => 10 };
    is $res->json('/0/period_start'), $res->json('/1/period_end'), 'one begins where the other ends';
    is_deeply [ map { $_->{id} } @{ $list->($member)->json } ], [ map { $_->{id} } @{ $res->json } ], 'their ids stay';
    is_deeply $list->($member, limit => 1, offset => 1)->json, [ $res->json('/1') ];
    is scalar @{ $list->($admin)->json }, 1, 'those of others are not there';
    error_is $list->($member, limit => 101), 422, 'VALIDATION_ERROR', field => 'limit';
    error_is $list->($member, limit => 0), 422, 'VALIDATION_ERROR', field => 'limit';
    error_is $list->($member, offset => -1), 422, 'VALIDATION_ERROR', field => 'offset';
    status_is $list->($member, limit => 100), 200;
};

subtest 'a public key with a token may, and the header of the organization is not read' => sub {
    my $page = $member->with(key => $public, origin => 'https://app.example.com', headers => { 'X-Organization-Id' => $nobody });
    status_is $page->post('/api/v1/usage/consume', amount($member, 1)), 200;
    status_is $page->get('/api/v1/usage/stats', query => { organization_id => $org }), 200;
};

subtest 'of many who consume at once no more pass than there are units' => sub {
    begin();
    plan_of(messages => 5);
    my @pids;
    for my $i (1 .. 8) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $own = $member->with(http => $t->http, api => undef);
            my $ok  = grep { $own->post('/api/v1/usage/consume', amount($member, 1, usage_type => 'messages'))->status == 200 } 1 .. 3;
            require POSIX;
            POSIX::_exit($ok);
        }
        push @pids, $pid;
    }
    my $passed = 0;
    for (@pids) { waitpid $_, 0; $passed += $? >> 8 }
    is $passed, 5;
    is counted(), 'messages 5';
};
