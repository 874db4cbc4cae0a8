use v5.36;
use lib 't/lib';
use Api;

# Tiers of the installation: what is on offer, what a user has and has used, and what all of it earns.
my $t      = Api->start;
my $db     = $t->db;
my $ops    = $t->user('ops', role => 'viewer');
my $ann    = $t->user('ann', role => 'member');
my $bob    = $t->user('bob', role => 'member');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $base   = '/api/billing';
my %free   = (tokens_per_month => 10_000, tasks_per_month => 100, agents => 2, products => 1, team_members => 1, api_requests_per_day => 1000, storage_bytes => 1_073_741_824);
my %unused = (tokens_per_month => 0, tasks_per_month => 0, agents => 0, products => 0, team_members => 1, api_requests_per_day => qr/\A\d+\z/, storage_bytes => 0);

sub put ($user, $amount, %with) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $user->tenant_id);
    $db->selectrow_array('SELECT wallet_credit(?, ?, ?, ?, ?, ?, ?)', undef, $user->uuid, 'tokens', 'admin_grant', $amount, undef, undef, '{}');
    return $db->commit;
}

# A subscription as a provider would have it.
sub subscribed ($user, $tier, %with) {
    my %row = (interval => 'month', status => 'active', amount => 4900, quantity => 1, currency => 'usd', period_start => '2026-11-11 00:00Z', period_end => '2099-12-11 00:00Z', ended_at => undef, is_current => true, %with);
    $db->do(q{INSERT INTO subscriptions (tenant_id, user_id, tier, interval, status, amount, quantity, currency, period_start, period_end, ended_at, is_current, provider, provider_id, customer_id)
              VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'stripe', 'sub_' || gen_random_uuid(), 'cus_of_' || ?)}, undef, $user->tenant_id, $user->uuid, $tier, @row{qw(interval status amount quantity currency period_start period_end ended_at)}, $row{is_current} ? 1 : 0, $user->id);
    return;
}

subtest 'who may' => sub {
    error_is $t->get("$base/$_"), 401, 'AUTHENTICATION_ERROR' for qw(subscription usage plan-summary overview);
    error_is $t->post("$base/validate-downgrade", { tier => 'free' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key)->get("$base/$_"), 401, 'AUTHENTICATION_ERROR', name => "a key is nobody: $_" for qw(subscription usage plan-summary);
    error_is $_->get("$base/overview"), 403, 'AUTHORIZATION_ERROR' for $theirs, $t->client(key => $t->key(tenant => 'other')), $ann, $demo;
    status_is $_->get("$base/overview"), 200 for $ops, $t->client(key => $t->key), $t->client(token => $t->key), map { $t->user("as_$_", role => $_) } qw(editor builder agent admin superadmin);
    error_is $t->client(key => $t->key(type => 'public'))->get("$base/overview"), 401, 'AUTHENTICATION_ERROR';
};

subtest 'what is on offer is open to everybody' => sub {
    my $res = $t->get("$base/tiers");
    json_is $res, '/meta', { total => 4, limit => 1000, offset => 0 };
    is_deeply [ map { $_->{slug} } @{ $res->json('/data') } ], [qw(free starter pro business)], 'the lowest first';
    json_is $res, '/data/0', { slug => 'free', name => 'Free', description => 'To look around', price_monthly_cents => 0, price_yearly_cents => undef, currency => 'usd', included_tokens => 10_000, limits => \%free, features => [], sort_order => 10 };
    json_is $res, '/data/3/limits/tasks_per_month', undef, 'no limit is null';
    is_deeply [ map { [ @$_{qw(price_monthly_cents price_yearly_cents included_tokens)} ] } @{ $res->json('/data') }[ 1 .. 3 ] ], [ [ 1900, 19_000, 100_000 ], [ 4900, 49_000, 500_000 ], [ 19_900, 199_000, 2_500_000 ] ];
    json_is $theirs->get("$base/tiers"), '/data', $res->json('/data'), 'the same for every tenant';
    my $prices = $t->get("$base/pricing");
    json_is $prices, '/data/tiers', $res->json('/data');
    json_is $prices, '/data/token_packages', [
        { slug => 'tokens-50k', name => '50,000 tokens', tokens => 50_000, bonus_tokens => 0, price_cents => 500, currency => 'usd' },
        { slug => 'tokens-250k', name => '250,000 tokens', tokens => 250_000, bonus_tokens => 12_500, price_cents => 2000, currency => 'usd' },
        { slug => 'tokens-1m', name => '1,000,000 tokens', tokens => 1_000_000, bonus_tokens => 100_000, price_cents => 7000, currency => 'usd' },
    ];
    json_is $prices, '/data/economics', { price_per_1k_tokens_cents => 10, signup_bonus_tokens => 1000, annual_discount_percent => 16.7, action_costs => [] };
    json_is $prices, '/data/currency', 'usd';
    $db->do(q{UPDATE tiers SET is_offered = false WHERE slug = 'starter'});
    $db->do(q{INSERT INTO token_prices (kind, name, tokens) VALUES ('action', 'report.write', 20)});
    json_is $t->get("$base/tiers"), '/meta/total', 3, 'what is not offered is not shown';
    json_is $t->get("$base/pricing"), '/data/economics/action_costs', [ { action => 'report.write', tokens => 20 } ];
    $db->do(q{UPDATE tiers SET is_offered = true});
    $db->do(q{DELETE FROM token_prices WHERE kind = 'action'});
};

subtest 'who never bought anything is on free' => sub {
    error_is $ann->get("$base/subscription"), 404, 'NOT_FOUND';
    error_is $ann->get("$base/usage"), 404, 'NOT_FOUND', name => 'and has used nothing';
    my $res = $ann->get("$base/plan-summary");
    json_is $res, '/data/tier/slug', 'free';
    json_is $res, '/data/subscription_status', undef;
    json_is $res, '/data/limits', \%free;
    json_is $res, '/data/usage', \%unused;
    json_is $res, '/data/remaining', { %free, team_members => 0, api_requests_per_day => qr/\A\d+\z/ };
    like $res->json('/data/period_start'), qr/-01T00:00:00\.000000Z\z|-01T00:00:00(\.000)?Z\z/, 'the calendar\'s month, in UTC';
    status_is $demo->get("$base/plan-summary"), 200, 'every role';
};

subtest 'what was used stands beside the limits' => sub {
    put($ann, 20_000);
    $db->do(q{UPDATE wallet_transactions SET created_at = now() - interval '70 days' WHERE tenant_id = ?}, undef, $ann->tenant_id);
    status_is $ann->post('/api/tokens/consume', { amount => 300, action => 'write' }), 200;
    $db->do(q{UPDATE wallet_transactions SET created_at = now() - interval '65 days' WHERE tenant_id = ? AND type = 'consume'}, undef, $ann->tenant_id);
    status_is $ann->post('/api/tokens/consume', { amount => $_, action => 'write' }), 200 for 1000, 500;
    my $res = $ann->get("$base/usage");
    json_is $res, '/data/tier', 'free';
    json_is $res, '/data/usage', { %unused, tokens_per_month => 1500 }, 'of this month alone';
    json_is $res, '/data/percent_used', { tokens_per_month => 15, tasks_per_month => 0, agents => 0, products => 0, team_members => 100, api_requests_per_day => qr/\A[\d.]+\z/, storage_bytes => 0 };
    json_is $res, '/data/limits', \%free;
    json_is $ann->get("$base/plan-summary"), '/data/remaining/tokens_per_month', 8500;
    error_is $bob->get("$base/usage"), 404, 'NOT_FOUND', name => 'it is nobody else\'s';
};

subtest 'a subscription' => sub {
    subscribed($ann, 'pro');
    my $res = $ann->get("$base/subscription");
    json_is $res, '/data', { id => qr/\A\d+\z/, tier => 'pro', status => 'active', stripe_customer_id => 'cus_of_' . $ann->id, stripe_subscription_id => qr/\Asub_/, current_period_start => qr/\A2026-11-11T00:00:00/, current_period_end => qr/\A2099-12-11T00:00:00/, cancel_at_period_end => false, trial_end => undef, created_at => $TIME, updated_at => $TIME };
    error_is $bob->get("$base/subscription"), 404, 'NOT_FOUND', name => 'is nobody else\'s';
    my $usage = $ann->get("$base/usage");
    json_is $usage, '/data/tier', 'pro';
    json_is $usage, '/data/subscription_status', 'active';
    like $usage->json('/data/period_start'), qr/\A2026-11-11T00:00:00/, 'its period counts';
    json_is $usage, '/data/limits/tokens_per_month', 500_000;
    json_is $ann->get("$base/plan-summary"), '/data/tier/name', 'Pro';
    subscribed($bob, 'pro', status => 'canceled', ended_at => '2026-11-20 00:00Z', is_current => false);
    json_is $bob->get("$base/subscription"), '/data/status', 'canceled', 'one that has ended is still shown';
    json_is $bob->get("$base/plan-summary"), '/data/tier/slug', 'free', '  and counts no more';
    subscribed($demo, 'house');
    json_is $demo->get("$base/subscription"), '/data/tier', 'house';
    json_is $demo->get("$base/plan-summary"), '/data/tier/slug', 'free', 'what is no tier of the installation\'s has the limits of free';
};

subtest 'does what is used fit a lower tier?' => sub {
    my $path = "$base/validate-downgrade";
    error_is $ann->post($path, $_), 400, 'VALIDATION_ERROR', field => 'tier' for {}, { tier => 'gold' }, { tier => '' }, { tier => 7 }, { tier => 'x' x 64 };
    error_is $ann->post($path, undef, raw => '{'), 400, 'VALIDATION_ERROR';
    my $res = $ann->post($path, { tier => 'free' });
    status_is $res, 200;
    json_is $res, '/data', { allowed => true, current_tier => 'pro', target_tier => 'free', violations => [] };
    put($ann, 20_000);
    status_is $ann->post('/api/tokens/consume', { amount => 10_000, action => 'write' }), 200;
    json_is $ann->post($path, { tier => 'free' }), '/data', { allowed => false, current_tier => 'pro', target_tier => 'free', violations => [ { resource => 'tokens_per_month', current => 11_500, limit => 10_000, excess => 1500 } ] };
    json_is $ann->post($path, { tier => $_ }), '/data/allowed', true, $_ for qw(pro business starter);
    json_is $demo->post($path, { tier => 'free' }), '/data/allowed', true, 'every role';
    is $db->selectrow_array('SELECT tier FROM subscriptions WHERE user_id = ?', undef, $ann->uuid), 'pro', 'nothing changes';
};

subtest 'what the installation earns and costs' => sub {
    $db->do('DELETE FROM subscriptions');
    $db->do('DELETE FROM infrastructure_costs');
    json_is $ops->get("$base/overview"), '/data', { currency => 'usd', period_start => $TIME, period_end => $TIME, mrr_cents => 0, mrr_by_product => [], infrastructure => { total_cents => 0, items => [] }, ai => { month_to_date_cents => 0, last_30d_cents => 0, by_model => [] }, net_monthly_cents => 0 }, 'nothing yet';
    subscribed($ann, 'pro');
    subscribed($bob, 'pro', interval => 'year', amount => 49_000, status => 'past_due');
    subscribed($theirs, 'starter', amount => 1900, quantity => 2);
    subscribed($demo, 'pro', status => 'trialing');
    subscribed($ops, 'euro', currency => 'eur');
    $db->do(q{INSERT INTO infrastructure_costs (provider, name, monthly_cents) VALUES ('Hosting', 'web', 1200), ('Hosting', 'database', 2000)});
    my $spend = sub ($tenant, $days, $model, $cost) {
        $db->do(q{INSERT INTO ai_daily (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model, calls, input_tokens, output_tokens, cost)
                  SELECT ?, (now() AT TIME ZONE 'UTC')::date - ?::integer, x, x, x, 'chat', 'openai', ?, 1, 100, 10, ? FROM (SELECT '00000000-0000-0000-0000-000000000000'::uuid AS x) y}, undef, $tenant, $days, $model, $cost);
    };
    $spend->($t->tenant_id, 0, 'small', 120_000);
    $spend->($theirs->tenant_id, 0, 'small', 30_000);
    $spend->($theirs->tenant_id, 0, 'large', 1_000_000);
    $spend->($t->tenant_id, 40, 'small', 9_000_000);
    my $res = $ops->get("$base/overview");
    json_is $res, '/data/mrr_cents', 4900 + 4083 + 3800, 'of all tenants, a year\'s by twelfths, without trials and other currencies';
    json_is $res, '/data/mrr_by_product', [ { product_slug => 'pro', product_name => 'Pro', mrr_cents => 8983, active_subscriptions => 2 }, { product_slug => 'starter', product_name => 'Starter', mrr_cents => 3800, active_subscriptions => 1 } ];
    json_is $res, '/data/infrastructure', { total_cents => 3200, items => [ { name => 'database', provider => 'Hosting', monthly_cents => 2000 }, { name => 'web', provider => 'Hosting', monthly_cents => 1200 } ] };
    json_is $res, '/data/ai', { month_to_date_cents => 115, last_30d_cents => 115, by_model => [ { model => 'large', cost_cents => 100, input_tokens => 100, output_tokens => 10 }, { model => 'small', cost_cents => 15, input_tokens => 200, output_tokens => 20 } ] };
    json_is $res, '/data/net_monthly_cents', 12_783 - 3200 - 115;
    $db->do(q{INSERT INTO payment_accounts (tenant_id, provider, is_enabled, account, is_live, key_sealed, key_tail) VALUES (?, 'stripe', true, 'acct_1', false, 'v1.0.x', 'arbr')}, undef, $theirs->tenant_id);
    json_is $ops->get("$base/overview"), '/data/mrr_cents', 8983, 'what a tenant has paid to itself is the tenant\'s';
    body_unlike $theirs->get("$base/subscription"), qr/cus_of_user_ann/, 'and nobody sees another tenant\'s otherwise';
};
