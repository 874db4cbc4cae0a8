use v5.36;
use lib 't/lib';
use utf8;
use Api;

# The home screen of the operations surface: tokens, the latest runs of agents, and seven days of them.
my $t      = Api->start;
my $db     = $t->db;
my $path   = '/api/dashboard/overview';
my $ann    = $t->user('ann', tenant => 'acme');
my $viewer = $t->user('viewer', tenant => 'acme', role => 'viewer');
my $eve    = $t->user('eve', tenant => 'other');
my $tenant = $ann->tenant_id;
my $org    = $t->organization($ann);
my $TIME   = qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;

sub key_for (@scopes) { return $t->client(key => $t->key(type => 'organization', of => $org, by => $ann, columns => { scopes => \@scopes })) }
sub here ($sql, @values) { $db->begin_work; $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant); $db->do($sql, undef, @values); $db->commit; return }
sub days ($back) { return $db->selectrow_array(q{SELECT ((now() AT TIME ZONE 'UTC')::date - ?::integer)::text}, undef, $back) }

my $empty = { balance => 0, lifetime_purchased => 0, lifetime_bonus => 0, lifetime_consumed => 0, held => 0, company_id => undef, updated_at => $TIME };

subtest 'who may' => sub {
    error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(token => 'x')->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is key_for('tasks:write')->get($path), 403, 'INSUFFICIENT_SCOPE';
    status_is $_->get($path), 200 for $ann, $viewer, key_for('*'), $t->user('demo', tenant => 'acme', role => 'demo');
};

subtest 'nothing has happened' => sub {
    my $before = days(0);
    my $res = $ann->get($path);
    return if days(0) ne $before; # midnight came between
    json_is $res, '/data', { token_balance => $empty, recent_runs => [], protocols => [],
        usage_7d => [ map { { date => days($_), runs => 0, tokens => 0, cost_usd => 0 } } reverse 0 .. 6 ] }, 'days without runs are there, today last';
};

subtest 'what happened' => sub {
    here(q{INSERT INTO tenant_agents (tenant_id, name, display_name) VALUES (?, 'pilot', 'Pilot'), (?, 'scout', 'Scout')}, ($tenant) x 2);
    here(q{INSERT INTO agent_runs (tenant_id, agent_number, status, model, task_number, input_tokens, output_tokens, cost, duration_ms, summary, started_at, finished_at)
           SELECT a.tenant_id, a.number, 'completed', 'm', 7, i, 2 * i, 4500, 1000, 'run ' || i, now(), now()
           FROM tenant_agents a, generate_series(1, 11) i WHERE a.tenant_id = ? AND a.name = 'pilot' ORDER BY i}, $tenant);
    here(q{INSERT INTO agent_runs (tenant_id, agent_number, run_mode) SELECT a.tenant_id, a.number, 'discovery' FROM tenant_agents a WHERE a.tenant_id = ? AND a.name = 'scout'}, $tenant);
    here(q{INSERT INTO agent_run_days (tenant_id, agent_number, day, finished, completed, input_tokens, output_tokens, cost)
           SELECT a.tenant_id, a.number, (now() AT TIME ZONE 'UTC')::date - d, 3, 2, 100, 50, 1500000 FROM tenant_agents a, unnest('{0,6,7}'::integer[]) d WHERE a.tenant_id = ?}, $tenant);
    my $before = days(0);
    my $res = $ann->get($path);
    my $runs = $res->json('/data/recent_runs');
    is scalar(@$runs), 10, 'ten of twelve';
    json_is $res, '/data/recent_runs/0', { id => qr/\A\d+\z/, agent_name => 'scout', run_mode => 'discovery', status => 'running', model => undef, task_id => undef, input_tokens => 0,
        output_tokens => 0, cost_usd => 0, duration_ms => undef, summary => undef, started_at => $TIME, finished_at => undef }, 'the newest first; one that runs has no end';
    json_is $res, '/data/recent_runs/1', { id => qr/\A\d+\z/, agent_name => 'pilot', run_mode => 'task', status => 'completed', model => 'm', task_id => 7, input_tokens => 11, output_tokens => 22,
        cost_usd => 0.0045, duration_ms => 1000, summary => 'run 11', started_at => $TIME, finished_at => $TIME };
    is $runs->[9]{summary}, 'run 3', 'and the tenth';
    if (days(0) eq $before) {
        json_is $res, '/data/usage_7d', [ map { { date => days($_), $_ == 0 || $_ == 6 ? (runs => 6, tokens => 300, cost_usd => 3) : (runs => 0, tokens => 0, cost_usd => 0) } } reverse 0 .. 6 ],
            'of all agents by day; the eighth day is none of them';
    }
    json_is $viewer->get($path), '/data/recent_runs', $runs, 'all in the tenant see the same';
    json_is $eve->get($path), '/data/recent_runs', [], 'nobody in another one does';
    is_deeply [ map { $_->{runs} } @{ $eve->last->json('/data/usage_7d') } ], [ (0) x 7 ];
};

subtest 'tokens are the caller\'s own' => sub {
    here(q{SELECT wallet_credit(?, 'tokens', 'bonus', 40, 'test', NULL, '{}')}, $ann->uuid);
    status_is $ann->post('/api/tokens/holds', { amount => 5, action => 'x' }), 201;
    my $own = $ann->get('/api/tokens/balance')->json('/data');
    is $own->{held}, 5;
    json_is $ann->get($path), '/data/token_balance', $own, 'as GET /api/tokens/balance has it';
    json_is key_for('*')->get($path), '/data/token_balance/balance', 40, 'a key has its maker\'s';
    json_is $viewer->get($path), '/data/token_balance', $empty, 'another user has others';
};
