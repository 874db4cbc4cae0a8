use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, CORS_ORIGINS => 'https://other.example.com');
my $key    = $t->key;
my $server = $t->client(key => $key);
my $public = $t->key(type => 'public', origins => [$page]);
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $olive  = $t->team('olive', role => 'owner');
my %pages  = (success_url => "$page/paid", cancel_url => "$page/pricing");
$t->keep_secret('sk_test_stub');

sub person ($name) { return $t->user($name)->with(key => $key) }

# Plans with prices at Stripe, but for the last one.
my (%plan, %price);
sub plan_made ($name, %body) { return $plan{$name} = $olive->post('/api/v1/dashboard/plans', { name => $name, %body })->json('/id') }
$price{$_->[0]} = $stripe->price(@$_[ 1 .. 3 ]) for [ basic => 1000, 'usd', 'month' ], [ pro => 3000, 'usd', 'month' ], [ pro_yearly => 30_000, 'usd', 'year' ], [ yen => 500, 'jpy', 'month' ];
plan_made('Free', is_free => true);
plan_made('Basic', price_monthly => 10, stripe_price_id_monthly => $price{basic});
plan_made('Pro', price_monthly => 30, price_yearly => 300, stripe_price_id_monthly => $price{pro}, stripe_price_id_yearly => $price{pro_yearly});
plan_made('Yen', price_monthly => 500, currency => 'JPY', stripe_price_id_monthly => $price{yen});
plan_made('Unpriced', price_monthly => 20);
plan_made('Retired', price_monthly => 5, is_active => false);

my $ann  = person('ann');
my $n    = 0;
sub company ($owner = $ann) { return $owner->post('/api/v1/organizations', { name => 'Company ' . ++$n, slug => "company-$n" })->json('/id') }
my $acme = company();
my %role = map { my $user = person("the-$_"); $t->member($acme, $user, $_); $_ => $user } qw(admin developer member);
my $of   = "/api/v1/organizations/$acme/subscription";

sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? AND is_current', undef, $org) }

# A company that has paid for a plan.
sub paid ($plan, $card = 'pm_card_visa') {
    my $org = company();
    my $res = $server->post('/api/v1/billing/create-checkout-session', { user_id => $ann->uuid, organization_id => $org, plan_id => $plan{$plan}, %pages });
    $stripe->command(complete => { session => $res->json('/session_id') // die($res->body), card => $card });
    $stripe->told_to($t);
    return $org;
}

subtest 'who may read and manage billing' => sub {
    error_is $t->client(key => $key)->get($of), 401, 'AUTHENTICATION_ERROR';
    error_is person('stranger')->get($of), 403, 'AUTHORIZATION_ERROR';
    error_is $role{member}->get($of), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_READ';
    error_is $ann->get("/api/v1/organizations/$nobody/subscription"), 404, 'NOT_FOUND';
    for my $role (qw(developer member)) {
        error_is $role{$role}->post("$of/$plan{Free}"), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE';
        error_is $role{$role}->put($of, { plan_id => $plan{Free} }), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE';
        error_is $role{$role}->delete($of), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE';
        error_is $role{$role}->post('/api/v1/subscriptions/subscriptions', { plan_id => $plan{Free}, organization_id => $acme }), 403, 'AUTHORIZATION_ERROR';
        error_is $role{$role}->post('/api/v1/subscriptions/checkout', { plan_id => $plan{Pro}, organization_id => $acme, %pages }), 403, 'AUTHORIZATION_ERROR';
    }
    body_is $_->get($of), 'null', 'null where there is none' for $ann, @role{qw(admin developer)};
    error_is $ann->get('/api/v1/subscriptions/current'), 404, 'NOT_FOUND';
    error_is $ann->put($of, { plan_id => $plan{Free} }), 404, 'NOT_FOUND';
    error_is $ann->delete($of), 404, 'NOT_FOUND';
};

subtest 'a plan that costs nothing counts at once' => sub {
    error_is $ann->post("$of/$nobody"), 404, 'NOT_FOUND', resource => 'Plan', id => $nobody;
    error_is $ann->post("$of/$plan{Retired}"), 404, 'NOT_FOUND';
    my $res = $role{admin}->post("$of/$plan{Free}");
    status_is $res, 201;
    json_is $res, '', {
        id => $UUID, plan_id => $plan{Free}, organization_id => $acme, tenant_id => $ann->tenant_id, stripe_customer_id => undef, stripe_subscription_id => undef, billing_cycle => 'monthly', status => 'active',
        current_period_start => $TIME, current_period_end => $TIME, cancel_at_period_end => false, canceled_at => undef, trial_start => undef, trial_end => undef, subscription_metadata => {}, created_at => $TIME, updated_at => $TIME,
    };
    error_is $ann->post("$of/$plan{Basic}"), 409, 'CONFLICT', message => qr/active subscription/;
    my $got = $role{developer}->get($of);
    json_is $got, '/plan/name', 'Free', 'with its plan';
    json_is $got, '/plan/max_tokens_per_month', undef;
    json_is $ann->get('/api/v1/subscriptions/current', headers => { 'X-Organization-Id' => $acme }), '/id', $res->json('/id');
    error_is $ann->get('/api/v1/subscriptions/current', headers => { 'X-Organization-Id' => 'acme' }), 400, 'BAD_REQUEST';
    json_is $ann->get('/api/v1/subscriptions/current'), '/id', $res->json('/id'), 'of the default organization';
    json_is $ann->get('/api/v1/subscriptions/subscriptions/' . $res->json('/id')), '/plan_id', $plan{Free};
    error_is $role{developer}->get('/api/v1/subscriptions/subscriptions/' . $res->json('/id')), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->get("/api/v1/subscriptions/subscriptions/$nobody"), 404, 'NOT_FOUND', resource => 'Subscription', id => $nobody;
    error_is $ann->put($of, { plan_id => $plan{Pro} }), 402, 'PAYMENT_DECLINED', reason => 'checkout_required', name => 'one that costs something has to be paid';
    my $ended = $ann->delete($of);
    json_is $ended, '/subscription/cancel_at_period_end', true;
    json_is $ended, '/subscription/status', 'active', 'it goes on until its month is over';
    json_is $server->post("/api/v1/subscriptions/organizations/$acme/resume?user_id=" . $ann->uuid), '/cancel_at_period_end', false;
    json_is $ann->delete("$of?cancel_at_period_end=false"), '/subscription/status', 'cancelled', 'or ends now';
    body_is $ann->get($of), 'null';
};

subtest 'one that costs something waits for its payment' => sub {
    my $res = $ann->post('/api/v1/subscriptions/subscriptions', { plan_id => $plan{Pro}, organization_id => $acme, billing_cycle => 'yearly', subscription_metadata => { po => 'A-1' } });
    status_is $res, 201;
    json_is $res, '/status', 'incomplete';
    json_is $res, '/billing_cycle', 'yearly';
    json_is $res, '/current_period_end', undef;
    error_is $ann->post('/api/v1/subscriptions/subscriptions', { plan_id => $plan{Pro}, organization_id => $nobody }), 404, 'NOT_FOUND', resource => 'Organization';
    error_is $ann->post('/api/v1/subscriptions/subscriptions', { plan_id => $plan{Pro}, organization_id => $acme, billing_cycle => 'weekly' }), 422, 'VALIDATION_ERROR', field => 'billing_cycle';
    my $again = $ann->post("$of/$plan{Basic}");
    json_is $again, '/status', 'incomplete', 'another one in its place';
    my $open = $ann->post('/api/v1/subscriptions/checkout', { plan_id => $plan{Basic}, %pages });
    status_is $open, 200;
    like $open->json('/checkout_url'), qr{\Ahttps://checkout\.stripe\.com/}, 'a page to pay on';
    $stripe->command(complete => { session => $open->json('/session_id') });
    $stripe->told_to($t);
    my $got = $ann->get($of);
    json_is $got, '/id', $again->json('/id'), 'the one that waited';
    json_is $got, '/status', 'active', 'is paid';
    like $got->json('/stripe_subscription_id'), qr/\Asub_/, 'and has a name at Stripe';
    is $t->db->selectrow_array('SELECT count(*) FROM subscriptions WHERE organization_id = ? AND ended_at IS NULL', undef, $acme), 1, 'nothing else goes on';
    error_is $ann->post('/api/v1/subscriptions/checkout', { plan_id => $plan{Pro}, %pages }), 409, 'CONFLICT';
};

subtest 'a checkout that cannot be' => sub {
    my $org  = company();
    my $open = sub (%body) { return $ann->post('/api/v1/subscriptions/checkout', { organization_id => $org, plan_id => $plan{Pro}, %pages, %body }) };
    error_is $open->(plan_id => $nobody), 404, 'NOT_FOUND', resource => 'Plan', id => $nobody;
    error_is $open->(organization_id => $nobody), 404, 'NOT_FOUND';
    error_is $open->(plan_id => $plan{Unpriced}), 503, 'SERVICE_UNAVAILABLE', message => qr/Unpriced has no price/;
    error_is $open->(plan_id => $plan{Free}), 409, 'CONFLICT';
    error_is $open->(success_url => 'https://evil.example/'), 422, 'VALIDATION_ERROR', field => 'success_url';
    status_is $open->(cancel_url => 'https://other.example.com/back'), 200, 'a page of CORS_ORIGINS';
    plan_made('Wrong', price_monthly => 1, stripe_price_id_monthly => 'price_of_another_account');
    $t->expect_log(qr/price_of_another_account|No such price/);
    error_is $open->(plan_id => $plan{Wrong}), 503, 'SERVICE_UNAVAILABLE', message => qr/none of the payment provider's/;
};

subtest 'more at once, charged for what is left of the period' => sub {
    my $org = paid('Basic');
    my $id  = row($org)->{id};
    error_is $t->client(key => $public, origin => $page)->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Pro} }, origin => $page), 403, 'AUTHORIZATION_ERROR';
    error_is $server->post('/api/v1/billing/change-plan', { subscription_id => $nobody, new_plan_id => $plan{Pro} }), 404, 'NOT_FOUND', resource => 'Subscription';
    error_is $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $nobody }), 404, 'NOT_FOUND';
    error_is $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Basic} }), 400, 'BAD_REQUEST', field => 'new_plan_id';
    error_is $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Unpriced} }), 503, 'SERVICE_UNAVAILABLE';
    error_is $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Yen} }), 409, 'CONFLICT', message => qr/paid in USD, and that plan in JPY/;
    my $res = $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Pro} });
    json_is $res, '', { success => true, message => 'the new plan counts from now on', plan_name => 'Pro', subscription_id => $id, stripe_subscription_id => row($org)->{provider_id}, status => 'active', cancel_at_period_end => false };
    my $sub = $stripe->ask(GET => 'subscriptions/' . row($org)->{provider_id});
    is $sub->{items}{data}[0]{price}{id}, $price{pro}, 'Stripe has the new price';
    is row($org)->{amount}, 3000, 'and we have its amount';
    my @invoices = @{ $stripe->ask(GET => 'invoices', "subscription=$sub->{id}")->{data} };
    is scalar(@invoices), 2, 'what is left was charged';
};

subtest 'a card that is declined changes nothing' => sub {
    my $org = paid('Basic');
    my $was = row($org);
    my $pm  = $stripe->ask(POST => 'payment_methods/pm_card_chargeCustomerFail/attach', "customer=$was->{customer_id}")->{id};
    $stripe->ask(POST => "subscriptions/$was->{provider_id}", "default_payment_method=$pm");
    my $res = $ann->put("/api/v1/organizations/$org/subscription", { plan_id => $plan{Pro} });
    error_is $res, 402, 'PAYMENT_DECLINED', reason => 'generic_decline';
    is $stripe->ask(GET => "subscriptions/$was->{provider_id}")->{items}{data}[0]{price}{id}, $price{basic}, 'Stripe has the old price';
    is row($org)->{plan_id}, $plan{Basic}, 'and so have we';
    is $t->db->selectrow_array(q{SELECT state FROM billing_operations WHERE organization_id = ? AND kind = 'change'}, undef, $org), 'failed', 'the operation is over';
};

subtest 'less with the next period' => sub {
    my $org = paid('Pro');
    my $id  = row($org)->{id};
    my $res = $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Basic} });
    json_is $res, '/message', 'the new plan begins when the period ends';
    my $got = $ann->get("/api/v1/organizations/$org/subscription");
    json_is $got, '/plan_id', $plan{Pro}, 'until then it is the old one';
    json_is $got, '/subscription_metadata/scheduled_plan_id', $plan{Basic}, 'and says what follows';
    $stripe->told_to($t);
    json_is $ann->get("/api/v1/organizations/$org/subscription"), '/subscription_metadata/scheduled_plan_id', $plan{Basic}, 'whatever is told meanwhile';
    my $stay = $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Pro} });
    json_is $stay, '/plan_name', 'Pro', 'it can be called off';
    json_is $ann->get("/api/v1/organizations/$org/subscription"), '/subscription_metadata', {};
    status_is $server->post('/api/v1/billing/change-plan', { subscription_id => $id, new_plan_id => $plan{Basic} }), 200, 'and asked for again';
    $stripe->told_to($t);
    $stripe->command(clock => { by_s => 32 * 86_400 });
    $stripe->told_to($t);
    $got = $ann->get("/api/v1/organizations/$org/subscription");
    json_is $got, '/plan_id', $plan{Basic}, 'then it is the new one';
    json_is $got, '/subscription_metadata', {}, 'and nothing follows';
    json_is $got, '/plan/price_monthly', 10;
};

subtest 'to a plan that costs nothing when the period ends' => sub {
    my $org = paid('Basic');
    my $res = $ann->put("/api/v1/organizations/$org/subscription", { plan_id => $plan{Free}, subscription_metadata => { why => 'too dear' } });
    json_is $res, '/plan_id', $plan{Basic};
    json_is $res, '/cancel_at_period_end', true;
    json_is $res, '/subscription_metadata/scheduled_plan_id', $plan{Free};
    json_is $res, '/subscription_metadata/why', 'too dear', 'beside what is the client\'s own';
    $stripe->told_to($t);
    $stripe->command(clock => { by_s => 32 * 86_400 });
    $stripe->told_to($t);
    my $got = $ann->get("/api/v1/organizations/$org/subscription");
    json_is $got, '/plan_id', $plan{Free};
    json_is $got, '/status', 'active';
    json_is $got, '/stripe_subscription_id', undef;
};

subtest 'cancelled with the period or now, and taken up again, by four ways' => sub {
    my $org = paid('Pro');
    my $id  = row($org)->{id};
    my $at  = "/api/v1/subscriptions/organizations/$org";
    my $who = 'user_id=' . $ann->uuid;
    for ([ POST => "$at/resume?$who" ], [ GET => "$at/invoices?$who" ], [ DELETE => "$at/subscription?$who" ]) {
        my ($method, $path) = @$_;
        error_is $t->client(key => $public, origin => $page)->request($method => $path), 403, 'AUTHORIZATION_ERROR', name => "$path: not with a public key";
        error_is $server->request($method => $path =~ s/\?.*//r), 422, 'VALIDATION_ERROR', field => 'user_id';
        error_is $server->request($method => $path =~ s/user_id=.*/user_id=@{[ person('out' . ++$n)->uuid ]}/r), 403, 'AUTHORIZATION_ERROR', name => "$path: for no stranger";
        error_is $server->request($method => $path =~ s/user_id=.*/user_id=$nobody/r), 404, 'NOT_FOUND';
        error_is $server->request($method => $path =~ s/$org/$nobody/r), 404, 'NOT_FOUND';
    }
    error_is $server->post("$at/resume?$who"), 409, 'CONFLICT';
    json_is $server->delete("$at/subscription?$who"), '/cancel_at_period_end', true;
    json_is $server->post("$at/resume?$who"), '/cancel_at_period_end', false;
    json_is $server->post("/api/v1/billing/cancel-subscription?subscription_id=$id"), '', { success => true, message => 'the subscription ends with its period', cancel_at_period_end => true };
    json_is $server->post("$at/resume?$who"), '/canceled_at', undef;
    json_is $ann->delete("/api/v1/subscriptions/subscriptions/$id"), '/cancel_at_period_end', true;
    $stripe->told_to($t);
    my $got = $ann->delete("/api/v1/organizations/$org/subscription?cancel_at_period_end=false");
    json_is $got, '/subscription/status', 'cancelled';
    json_is $got, '/subscription/canceled_at', $TIME;
    is $stripe->ask(GET => 'subscriptions/' . $got->json('/subscription/stripe_subscription_id'))->{status}, 'canceled', 'at Stripe, too';
    error_is $server->post("/api/v1/billing/cancel-subscription?subscription_id=$id"), 404, 'NOT_FOUND';
    error_is $server->post("$at/resume?$who"), 404, 'NOT_FOUND';
    my $bill = $server->get("$at/invoices?$who");
    my ($theirs) = @{ $stripe->ask(GET => 'invoices', "subscription=" . $got->json('/subscription/stripe_subscription_id'))->{data} };
    is_deeply [ @{ $bill->json('/0') }{qw(id amount_paid total hosted_invoice_url)} ], [ @$theirs{qw(id amount_paid total hosted_invoice_url)} ], 'invoices are Stripe\'s';
    my $history = "/api/v1/billing/billing-history-org/$org";
    error_is $server->get("/api/v1/billing/billing-history-org/$nobody"), 404, 'NOT_FOUND';
    error_is $server->get("$history?limit=101"), 422, 'VALIDATION_ERROR', field => 'limit';
    json_is $server->get("$history?limit=1"), '/total_invoices', 1;
    json_is $server->get('/api/v1/billing/billing-history-org/' . company()), '', { success => true, organization_id => $UUID, invoices => [], total_invoices => 0 };
};

subtest 'another tenant\'s are nobody\'s here' => sub {
    my $org   = paid('Pro');
    my $theirs = $t->client(key => $t->key(tenant => 'other'));
    error_is $theirs->post('/api/v1/billing/change-plan', { subscription_id => row($org)->{id}, new_plan_id => $plan{Basic} }), 404, 'NOT_FOUND';
    error_is $theirs->get("/api/v1/billing/billing-history-org/$org"), 404, 'NOT_FOUND';
    error_is $theirs->post("/api/v1/billing/cancel-subscription?subscription_id=" . row($org)->{id}), 404, 'NOT_FOUND';
};

subtest 'a plan is for oneself, and paid for' => sub {
    my $bob  = person('bob');
    my $take = sub ($user, $plan) { return $bob->put("/api/v1/subscriptions/users/$user/plan/$plan") };
    error_is $take->($ann->uuid, $plan{Free}), 403, 'AUTHORIZATION_ERROR';
    error_is $take->($bob->uuid, $nobody), 404, 'NOT_FOUND';
    error_is $take->($bob->uuid, $plan{Pro}), 402, 'PAYMENT_DECLINED', reason => 'no_subscription';
    json_is $take->($bob->uuid, $plan{Free}), '', { success => true, user_id => $bob->uuid, plan_id => $plan{Free} };
    $t->member(paid('Pro'), $bob, 'member');
    json_is $take->($bob->uuid, $plan{Pro}), '/plan_id', $plan{Pro}, 'one that an organization of theirs pays for';
};

subtest 'the platform\'s webhook' => sub {
    my %at = (path => '/api/v1/dashboard/webhooks/stripe');
    my $event = { id => 'evt_platform', object => 'event', type => 'customer.created', created => time, data => { object => { id => 'cus_x' } } };
    my $one = sub (%arg) { return ($stripe->deliver($t, [$event], %at, %arg))[0] };
    error_is $one->(secret => 'whsec_guessed'), 400, 'BAD_REQUEST';
    error_is $one->(at => time - 302), 400, 'BAD_REQUEST', name => 'too old';
    json_is $one->(), '', { received => true };
    json_is $one->(), '', { received => true }, 'a repeat';
    is $t->db->selectrow_array(q{SELECT count(*) FROM webhook_events WHERE event_id = 'evt_platform'}), 1, 'handled once';
    is $t->db->selectrow_array(q{SELECT count(*) FROM webhook_events WHERE state = 'failed'}), 0, 'and none has failed';
};

# The command, with the test's settings: its exit status, and what it says.
sub reconcile (@arg) {
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    my $said = qx($Ashlar::Cluster::BUILD/ashlar billing reconcile @arg 2>&1);
    return ($? >> 8, $said);
}

subtest 'what was never told is found by comparing' => sub {
    my $org = paid('Pro');
    my $was = row($org);
    $olive->put("/api/v1/dashboard/plans/$plan{Wrong}", { stripe_price_id_monthly => undef });
    my ($status, $said) = reconcile('--dry-run');
    is "$status$said", '0', 'nothing differs' or diag $said;
    $stripe->ask(POST => "subscriptions/$was->{provider_id}", 'cancel_at_period_end=true');
    $stripe->ask(POST => "subscriptions/$was->{provider_id}", "items[0][id]=$was->{item_id}&items[0][quantity]=2&proration_behavior=none");
    $stripe->events;    # all of them lost
    ($status, $said) = reconcile('--dry-run', '--tenant', 'default');
    is $status, 1, 'what does is told';
    is $said, "default $was->{provider_id} cancel_at_period_end false true\ndefault $was->{provider_id} quantity 1 2\n", '  by its name, with both' or diag $said;
    is row($org)->{quantity}, 1, 'and nothing is changed';
    $t->expect_log(qr/was not as Stripe has it/);
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), job_add('ashlar', 'billing.reconcile', '{}')}, undef, $ann->tenant_id);
    eventually { row($org)->{quantity} == 2 } 60, 'the daily job stores what Stripe has';
    is row($org)->{cancel_at_period_end}, 1, '  all of it';
    eventually { $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'subscription.drift'}) } 60, 'and puts it down';
    ($status, $said) = reconcile();
    is $status, 0, 'then nothing differs' or diag $said;
    my $price = $stripe->price(999);
    $olive->put("/api/v1/dashboard/plans/$plan{Unpriced}", { stripe_price_id_monthly => $price });
    ($status, $said) = reconcile('--dry-run');
    like $said, qr/^default $price amount 2000 999$/m, 'a plan that shows another price than Stripe has is found, too';
    ($status) = reconcile('--tenant', 'nobody');
    is $status, 1, 'a tenant that is not there';
};

subtest 'an operation that did not end within a day is given up, and not repeated' => sub {
    my $org = company();
    $t->db->do(q{INSERT INTO billing_operations (tenant_id, organization_id, kind, request, provider, created_at) VALUES (?, ?, 'checkout', '{}', 'stripe', now() - interval '25 hours')}, undef, $ann->tenant_id, $org);
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), job_add('ashlar', 'billing.reconcile', '{}')}, undef, $ann->tenant_id);
    eventually { $t->db->selectrow_array(q{SELECT state FROM billing_operations WHERE organization_id = ?}, undef, $org) eq 'lost' } 60, 'it is lost';
};
