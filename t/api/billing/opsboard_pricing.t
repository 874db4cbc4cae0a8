# What the observability surface shows of billing: prices, the subscription, the dashboard.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my %price  = (seat => $stripe->price(4500), old => $stripe->price(3000));
$price{tokens} = $stripe->ask(POST => 'prices', 'currency=usd&unit_amount_decimal=0.035&recurring[interval]=month&recurring[usage_type]=metered&product_data[name]=Tokens&transform_quantity[divide_by]=500&transform_quantity[round]=up')->{id};
my $t = Api->start($stripe->settings, worker => 1, APP_URL => 'https://app.example.com', STRIPE_SUBSCRIPTION_PRICE_ID => $price{seat}, STRIPE_TOKEN_PRICE_ID => $price{tokens}, STRIPE_SPAN_PRICE_ID => 'price_gone');
my $bare = Api->start;
$t->keep_secret('sk_test_stub');
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $ann    = $t->user('ann');
my $n      = 0;

sub org ($owner = $ann, @roles) {
    my $org = $t->organization($owner);
    for (@roles) { $t->member($org, $t->user("the-$_-" . ++$n), $_) }
    return $org;
}
sub of ($org, $what) { return "/api/opsboard/orgs/$org/$what" }

# A subscription that somebody has made at Stripe for an organization, and of which Stripe has told.
sub subscribed ($org, $price, $quantity = 1, $more = '') {
    my $owner    = "metadata[tenant_id]=@{[ $ann->tenant_id ]}&metadata[organization_id]=$org";
    my $customer = $stripe->ask(POST => 'customers', "email=ann\@example.com&payment_method=pm_card_visa&invoice_settings[default_payment_method]=&$owner")->{id};
    my $sub      = $stripe->ask(POST => 'subscriptions', "customer=$customer&items[0][price]=$price&items[0][quantity]=$quantity&$owner$more");
    $stripe->told_to($t);
    return $sub;
}

# What traces used on a day, as whoever takes them in will put it down.
sub used ($org, $metric, $quantity, $project, $day = undef) {
    return $t->db->do('INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count) VALUES (?, ?, ?, coalesce(?::date, (now() AT TIME ZONE \'UTC\')::date), ?, ?, ?, 1)',
        undef, $ann->tenant_id, '00000000-0000-0000-0000-000000000000', $metric, $day, $org, $project, $quantity);
}
sub asked ($re) { return grep { "$_->{method} $_->{path}" =~ $re } $stripe->seen }

subtest 'who may look' => sub {
    my $org = org($ann);
    for my $what (qw(stripe-pricing subscription-detail billing/dashboard)) {
        error_is $t->get(of($org, $what)), 401, 'AUTHENTICATION_ERROR', name => "$what: not without a token";
        error_is $t->user('stranger-' . ++$n)->get(of($org, $what)), 403, 'AUTHORIZATION_ERROR', name => '  nor who is no member';
        error_is $t->user('theirs-' . ++$n, tenant => 'other')->get(of($org, $what)), 404, 'NOT_FOUND', name => '  nor another tenant\'s';
        error_is $ann->get(of($nobody, $what)), 404, 'NOT_FOUND', name => '  nor of one that is not there';
        error_is $ann->get(of('x', $what)), 404, 'NOT_FOUND', name => '  nor of what is no id';
    }
    for my $role (qw(admin developer business_user viewer member)) {
        my $user = $t->user("a-$role");
        $t->member($org, $user, $role);
        status_is $user->get(of($org, $_)), 200, "$role: $_" for qw(stripe-pricing billing/dashboard);
        my $res = $user->get(of($org, 'subscription-detail'));
        if ($role eq 'admin') { error_is $res, 400, 'BAD_REQUEST', message => qr/has no subscription/ }
        else                  { error_is $res, 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE' }
    }
};

subtest 'what is sold' => sub {
    my $org = org();
    $t->expect_log(qr/price_gone/);
    my $res = $ann->get(of($org, 'stripe-pricing'));
    json_is $res, '', {
        seat   => { priceId => $price{seat}, amount => 4500, currency => 'usd', interval => 'month', interval_count => 1 },
        tokens => { priceId => $price{tokens}, amount => 0.035, currency => 'usd', unit_size => 500, display_unit => 'thousand tokens' },
        spans  => { priceId => undef, amount => 0.01, currency => 'usd', unit_size => 1000, display_unit => 'thousand spans' },
    };
    like $res->body, qr/"amount":0\.035,/, 'with the digits that Stripe has';
    status_is $ann->get(of($org, 'stripe-pricing')), 200 for 1 .. 3;
    is scalar(asked(qr{/v1/prices/$price{seat}\z})), 1, 'Stripe is asked for a price once an hour';
    $t->db->do(q{UPDATE billing_prices SET read_at = now() - interval '61 minutes'});
    status_is $ann->get(of($org, 'stripe-pricing')), 200;
    is scalar(asked(qr{/v1/prices/$price{seat}\z})), 2, 'and then again';
    $t->db->do(q{DELETE FROM billing_prices});
    $stripe->command(fail => [ { match => "GET /v1/prices/$price{seat}", times => 9, status => 500 } ]);
    $t->expect_log(qr/cannot be read|EXTERNAL_SERVICE_ERROR|breaker/);
    error_is $ann->get(of($org, 'stripe-pricing')), 502, 'EXTERNAL_SERVICE_ERROR', name => 'without the price of a seat there is nothing to show';
    json_is $ann->get(of($org, 'billing/dashboard')), '/total_spent_all_time', 0, 'which the dashboard does without';
    $stripe->command(fail => []);
    eventually { $ann->get(of($org, 'stripe-pricing'))->status == 200 } 60, 'and it is there again';
    my $sue = $bare->user('sue');
    error_is $sue->get(of($bare->organization($sue), 'stripe-pricing')), 503, 'SERVICE_UNAVAILABLE', message => qr/STRIPE_SECRET_KEY, STRIPE_SUBSCRIPTION_PRICE_ID/;
};

subtest 'the subscription as Stripe has it' => sub {
    my $org = org();
    my $sub = subscribed($org, $price{seat}, 3);
    my $res = $ann->get(of($org, 'subscription-detail'));
    my ($item) = @{ $sub->{items}{data} };
    json_is $res, '', { subscription_id => $sub->{id}, status => 'active', current_period_start => $item->{current_period_start}, current_period_end => $item->{current_period_end}, price_id => $price{seat}, product_name => 'Plan', quantity => 3 };
    $stripe->ask(POST => "subscriptions/$sub->{id}", "items[0][id]=$item->{id}&items[0][quantity]=2&proration_behavior=none");
    $stripe->events;    # lost
    json_is $ann->get(of($org, 'subscription-detail')), '/quantity', 2, 'as it is now, whatever was told';
    is $t->db->selectrow_array('SELECT quantity FROM subscriptions WHERE provider_id = ?', undef, $sub->{id}), 2, 'and what was read is kept';
    $t->expect_log(qr/subscription-detail|EXTERNAL|Stripe/);
    $stripe->command(fail => [ { match => 'GET /v1/subscriptions/', times => 9, status => 500 } ]);
    error_is $ann->get(of($org, 'subscription-detail')), 502, 'EXTERNAL_SERVICE_ERROR';
    $stripe->command(fail => []);
    eventually { $ann->get(of($org, 'subscription-detail'))->status == 200 } 60, 'Stripe is there again';
};

my $from = '2026-03-01T00:00:00Z';

subtest 'the dashboard of who pays for nothing and has used nothing' => sub {
    my $sue = $bare->user('sue2');
    json_is $sue->get(of($bare->organization($sue), 'billing/dashboard')), '', { current_period => undef, past_periods => [], total_spent_all_time => 0, is_legacy_billing => false, legacy_cancellation_date => undef, project_breakdown => [] };
    my $org = org();
    for ([ period => 'x' ], [ project_id => '7' ], [ start_date => 'yesterday' ], [ end_date => '2026-13-01T00:00:00Z' ]) {
        error_is $ann->get(of($org, "billing/dashboard?$_->[0]=$_->[1]")), 422, 'VALIDATION_ERROR', field => $_->[0];
    }
    error_is $ann->get(of($org, "billing/dashboard?start_date=$from&end_date=2026-02-01T00:00:00Z")), 422, 'VALIDATION_ERROR', field => 'end_date';
    error_is $ann->get(of($org, "billing/dashboard?period=$nobody")), 404, 'NOT_FOUND', name => 'a period that was never billed';
};

subtest 'seats and usage of a month so far, in cents' => sub {
    my $org = org($ann, qw(admin developer));
    my ($site, $app) = map { $ann->post('/api/v1/app/projects', { name => $_ })->json('/id') } qw(Site App);
    used($org, span_tokens => 1_000_000, $site);
    used($org, spans => 499_999, $site);
    used($org, spans => 50_000, $app);
    used($org, span_tokens => 9_000_000, $site, '2026-01-31');
    used(org(), span_tokens => 5_000_000, $site);
    my $res = $ann->get(of($org, 'billing/dashboard'));
    json_is $res, '/current_period', {
        id => 'current', period_start => $TIME, period_end => $TIME, seat_cost => 0, seat_count => 0, usage_costs => { tokens => 70, spans => 5 }, usage_quantities => { tokens => 1_000_000, spans => 549_999 },
        usage_breakdown => [ { usage_type => 'tokens', quantity => 1_000_000, cost_cents => 70 }, { usage_type => 'spans', quantity => 549_999, cost_cents => 5 } ], total_cost => 75, status => 'current',
    };
    like $res->json('/current_period/period_start'), qr/-01T00:00:00\.000Z\z/, 'from the first of the month';
    json_is $res, '/total_spent_all_time', 75;
    json_is $res, '/past_periods', [];
    is_deeply [ map { "$_->{project_name} $_->{tokens} $_->{spans} $_->{token_cost} $_->{span_cost} $_->{total_cost}" } sort { $a->{project_name} cmp $b->{project_name} } @{ $res->json('/project_breakdown') } ],
        [ 'App 0 50000 0 1 1', 'Site 1000000 499999 70 5 75' ], 'by project, each rounded half up';
    $res = $ann->get(of($org, "billing/dashboard?project_id=$app"));
    json_is $res, '/current_period/usage_costs', { spans => 1 }, 'of one project; half a cent is one';
    json_is $res, '/current_period/usage_quantities', { tokens => 0, spans => 50_000 };
    json_is $ann->get(of($org, "billing/dashboard?project_id=$nobody")), '/current_period', undef, 'of a project of others nothing';
    $t->db->do('UPDATE usage_daily SET quantity = 49999 WHERE organization_id = ? AND category = ? AND metric = ?', undef, $org, $app, 'spans');
    json_is $ann->get(of($org, "billing/dashboard?project_id=$app")), '/current_period/usage_breakdown', [], 'what costs less than a cent is left out';
};

subtest 'days that are asked for' => sub {
    my $org  = org();
    my $site = $ann->post('/api/v1/app/projects', { name => 'Site' })->json('/id');
    used($org, spans => 1_000_000 * $_, $site, "2026-03-0$_") for 1 .. 4;
    my $try = sub ($until) { return $ann->get(of($org, "billing/dashboard?start_date=2026-03-02T00:00:00Z&end_date=$until"))->json('/current_period') };
    is $try->('2026-03-03T00:00:00Z')->{usage_quantities}{spans}, 5_000_000, 'a midnight is its whole day';
    is $try->('2026-03-03T00:00:00Z')->{period_end}, '2026-03-03T23:59:59.999Z', '  and says so';
    is $try->('2026-03-02T23:59:59Z')->{usage_quantities}{spans}, 2_000_000;
    is join(' ', @{ $try->('2026-03-03T00:00:00Z') }{qw(id status)}), 'custom custom';
    is $try->('2026-03-03T02:00:00%2B02:00')->{usage_quantities}{spans}, 5_000_000, 'in any zone';
    is $ann->get(of($org, 'billing/dashboard?start_date=2026-03-02T00:00:00Z'))->json('/current_period'), undef, 'one date alone says nothing';
};

subtest 'the period of the subscription, and its licences' => sub {
    my $org = org($ann, qw(admin developer));
    my $sub = subscribed($org, $price{seat}, 2);
    my ($item) = @{ $sub->{items}{data} };
    my $res = $ann->get(of($org, 'billing/dashboard'));
    json_is $res, '/current_period/seat_count', 2;
    json_is $res, '/current_period/seat_cost', 9000, 'two at Stripe\'s price';
    json_is $res, '/is_legacy_billing', false;
    json_is $res, '/legacy_cancellation_date', undef;
    is $t->db->selectrow_array(q{SELECT extract(epoch FROM ?::timestamptz)::bigint}, undef, $res->json("/current_period/$_->[0]")), $item->{"current_$_->[0]"}, "$_->[0] is Stripe's"
        for ['period_start'], ['period_end'];
    $stripe->ask(POST => "subscriptions/$sub->{id}", 'cancel_at_period_end=true');
    $stripe->told_to($t);
    $res = $ann->get(of($org, 'billing/dashboard'));
    json_is $res, '/is_legacy_billing', true, 'one that ends';
    is $t->db->selectrow_array(q{SELECT extract(epoch FROM ?::timestamptz)::bigint}, undef, $res->json('/legacy_cancellation_date')), $item->{current_period_end}, '  when its period does';
    my $other = org();
    subscribed($other, $price{old});
    json_is $ann->get(of($other, 'billing/dashboard')), '/is_legacy_billing', true, 'or is at another price';
};

subtest 'a period that was billed is as it was then' => sub {
    my $org = org();
    my ($id) = $t->db->selectrow_array(<<~'END', undef, $ann->tenant_id, $org);
        INSERT INTO billing_periods (tenant_id, organization_id, period_start, period_end, provider, provider_id, currency, seat_cost, seat_count, usage_costs, usage_quantities, total_cost, status)
        VALUES (?, ?, '2026-02-01Z', '2026-03-01Z', 'stripe', 'in_1', 'usd', 8000, 2, '{"tokens": 12}', '{"tokens": 600000, "spans": 3}', 8012, 'paid') RETURNING id
        END
    json_is $ann->get(of($org, "billing/dashboard?period=$id&start_date=$from&end_date=$from")), '', {
        current_period => { id => $id, period_start => '2026-02-01T00:00:00.000Z', period_end => '2026-03-01T00:00:00.000Z', seat_cost => 8000, seat_count => 2, usage_costs => { tokens => 12 }, usage_quantities => { tokens => 600_000, spans => 3 },
            usage_breakdown => [ { usage_type => 'tokens', quantity => 600_000, cost_cents => 12 } ], total_cost => 8012, status => 'paid' },
        past_periods => [], total_spent_all_time => 8012, is_legacy_billing => false, legacy_cancellation_date => undef, project_breakdown => [],
    };
    error_is $ann->get(of(org(), "billing/dashboard?period=$id")), 404, 'NOT_FOUND', name => 'of another organization it is not there';
};
