use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

# Paying for tiers and for tokens on the operations surface.
my $stripe = Ashlar::Stripe->start;
my $front  = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, APP_URL => "$front/");
my $base   = '/api/billing';
my $db     = $t->db;
my $ann    = $t->user('ann', role => 'member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my %posts  = (checkout => { tier => 'pro' }, portal => undef, 'create-payment-intent' => { package_slug => 'tokens-50k' }, 'change-plan' => { tier => 'pro' });
$t->keep_secret('sk_test_stub');
$t->expect_log(qr/EXTERNAL_SERVICE_ERROR/);

sub asked ($re) { return grep { "$_->{method} $_->{path}" =~ $re } $stripe->seen }
sub form ($request) { my %f = map { my ($k, $v) = map { my $x = s/\+/ /gr; $x =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger } split /=/, $_, 2; ($k => $v) } split /&/, $request->{body}; return \%f }
sub balance ($user) { return $user->get('/api/tokens/balance')->json('/data') }

# A user who has paid for a tier.
sub customer ($name, $tier, $card = 'pm_card_visa') {
    my $user = $t->user($name, role => 'member');
    my $res  = $user->post("$base/checkout", { tier => $tier });
    $stripe->command(complete => { session => $res->json('/data/session_id'), card => $card });
    $stripe->told_to($t);
    return $user;
}

subtest 'who may' => sub {
    for my $path (sort keys %posts) {
        error_is $t->post("$base/$path", $posts{$path}), 401, 'AUTHENTICATION_ERROR';
        error_is $t->client(key => $t->key)->post("$base/$path", $posts{$path}), 401, 'AUTHENTICATION_ERROR', name => 'a key is nobody';
        error_is $_->post("$base/$path", $posts{$path}), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    }
    is scalar(asked(qr/./)), 0, 'Stripe is asked for nothing';
};

subtest 'what is malformed is 400' => sub {
    for my $path (qw(checkout change-plan)) {
        error_is $ann->post("$base/$path", $_), 400, 'VALIDATION_ERROR', field => 'tier' for {}, { tier => 'gold' }, { tier => 7 };
        error_is $ann->post("$base/$path", undef, raw => '{'), 400, 'VALIDATION_ERROR';
    }
    error_is $ann->post("$base/checkout", { tier => 'free' }), 400, 'VALIDATION_ERROR', field => 'tier';
    error_is $ann->post("$base/create-payment-intent", $_), 400, 'VALIDATION_ERROR', field => 'package_slug' for {}, { package_slug => 'tokens-9' }, { package_slug => 'credit-10' };
    error_is $ann->post("$base/create-payment-intent", { package_slug => 'tokens-50k', idempotency_key => $_ }), 400, 'VALIDATION_ERROR', field => 'idempotency_key' for '', 'x' x 256;
    is scalar(asked(qr/./)), 0, 'Stripe is asked for nothing';
    is $db->selectrow_array('SELECT count(*) FROM topups'), 0, '  and nothing is written';
};

subtest 'without Stripe' => sub {
    my $bare = Api->start;
    my $user = $bare->user('ann', role => 'member');
    error_is $user->post("$base/$_", $posts{$_}), 503, 'SERVICE_UNAVAILABLE' for qw(checkout create-payment-intent change-plan);
    error_is $user->post("$base/portal"), 404, 'NOT_FOUND';
    status_is $user->get("$base/$_"), 200 for qw(tiers pricing plan-summary);
    json_is $user->post("$base/change-plan", { tier => 'free' }), '/data/action', 'unchanged', 'what asks nobody works';
};

subtest 'a checkout' => sub {
    my $res = $ann->post("$base/checkout", { tier => 'pro' });
    status_is $res, 200;
    json_is $res, '/data/tier', 'pro';
    like $res->json('/data/url'), qr{\Ahttps://checkout\.stripe\.com/};
    my $sent = form((asked(qr{POST /v1/checkout/sessions\z}))[-1]);
    my $made = form((asked(qr{POST /v1/prices\z}))[-1]);
    is_deeply [ @$made{qw(unit_amount currency recurring[interval] lookup_key)} ], [ 4900, 'usd', 'month', 'ashlar_tier_pro_month_4900_usd' ], 'at its price';
    is $sent->{mode}, 'subscription';
    is $sent->{'subscription_data[metadata][tier]'}, 'pro';
    is $sent->{success_url}, "$front/?checkout={CHECKOUT_SESSION_ID}";
    error_is $ann->get("$base/subscription"), 404, 'NOT_FOUND', name => 'an open page is no subscription';
    $stripe->command(complete => { session => $res->json('/data/session_id') });
    $stripe->told_to($t);
    my $has = $ann->get("$base/subscription");
    json_is $has, '/data/tier', 'pro', 'it is there once Stripe has told';
    json_is $has, '/data/status', 'active';
    json_is $ann->get("$base/plan-summary"), '/data/tier/slug', 'pro';
    error_is $ann->post("$base/checkout", { tier => 'business' }), 409, 'CONFLICT';
    customer('ben', 'pro');
    is scalar(asked(qr{POST /v1/prices\z})), 1, 'the price is made once';
};

subtest 'the portal' => sub {
    error_is $t->user('new', role => 'member')->post("$base/portal"), 404, 'NOT_FOUND';
    my $res = $ann->post("$base/portal");
    status_is $res, 200;
    like $res->json('/data/url'), qr{\Ahttps://billing\.stripe\.com/};
};

subtest 'another tier' => sub {
    my $cara = $t->user('cara', role => 'member');
    json_is $cara->post("$base/change-plan", { tier => 'free' }), '/data', { action => 'unchanged', tier => 'free', previous_tier => 'free', effective_at => undef, checkout => undef, subscription => undef };
    my $page = $cara->post("$base/change-plan", { tier => 'starter' });
    json_is $page, '/data', { action => 'checkout_required', tier => 'starter', previous_tier => 'free', effective_at => undef, checkout => { session_id => qr/\Acs_/, url => qr{\Ahttps://checkout} }, subscription => undef };
    $stripe->command(complete => { session => $page->json('/data/checkout/session_id') });
    $stripe->told_to($t);
    my $same = $cara->post("$base/change-plan", { tier => 'starter' });
    json_is $same, '/data/action', 'unchanged';
    json_is $same, '/data/subscription/tier', 'starter';
    my $up = $cara->post("$base/change-plan", { tier => 'business' });
    json_is $up, '/data/action', 'changed';
    json_is $up, '/data/previous_tier', 'starter';
    json_is $up, '/data/effective_at', $TIME;
    json_is $up, '/data/subscription/tier', 'business', 'at once';
    is form((asked(qr{POST /v1/subscriptions/}))[-1])->{proration_behavior}, 'always_invoice', 'what is left of the period is charged';
    $stripe->told_to($t);
    json_is $cara->get("$base/subscription"), '/data/tier', 'business', '  and stays so';
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $t->tenant_id);
    $db->do(q{SELECT wallet_credit(?, 'tokens', 'admin_grant', 600000, NULL, NULL, '{}')}, undef, $cara->uuid);
    status_is $cara->post('/api/tokens/consume', { amount => 550_000, action => 'write' }), 200;
    my $bad = $cara->post("$base/change-plan", { tier => 'pro' });
    error_is $bad, 422, 'LIMITS_EXCEEDED';
    is_deeply $bad->json('/error/details/violations'), [ { resource => 'tokens_per_month', current => 550_000, limit => 500_000, excess => 50_000 } ], 'and what of';
    error_is $cara->post("$base/change-plan", { tier => 'free' }), 422, 'LIMITS_EXCEEDED';
    json_is $cara->get("$base/subscription"), '/data/tier', 'business', 'nothing has changed';
    my $down = $ann->post("$base/change-plan", { tier => 'starter' });
    json_is $down, '/data/subscription/tier', 'starter', 'down at once, too';
    is form((asked(qr{POST /v1/subscriptions/}))[-1])->{proration_behavior}, 'create_prorations';
    my $end = $ann->post("$base/change-plan", { tier => 'free' });
    json_is $end, '/data/action', 'changed';
    json_is $end, '/data/subscription/cancel_at_period_end', true, 'free begins when the period ends';
    json_is $end, '/data/effective_at', $end->json('/data/subscription/current_period_end');
    json_is $ann->post("$base/change-plan", { tier => 'free' }), '/data/action', 'unchanged', 'which is said once';
    my $back = $ann->post("$base/change-plan", { tier => 'starter' });
    json_is $back, '/data/subscription/cancel_at_period_end', false, 'who takes it again keeps it';
};

subtest 'tokens are bought once for a key, and credited once' => sub {
    my $dan = $t->user('dan', role => 'member');
    my %want = (package_slug => 'tokens-250k', idempotency_key => 'order-1');
    my $res = $dan->post("$base/create-payment-intent", \%want);
    status_is $res, 200;
    json_is $res, '/data', { payment_intent_id => qr/\Api_/, client_secret => qr/\Api_\w+_secret_/, amount_cents => 2000, currency => 'usd', package_slug => 'tokens-250k', tokens => 250_000 };
    my $intent = $res->json('/data/payment_intent_id');
    json_is $dan->post("$base/create-payment-intent", \%want), '/data', $res->json('/data'), 'the same again';
    error_is $dan->post("$base/create-payment-intent", { %want, package_slug => 'tokens-50k' }), 409, 'CONFLICT', field => 'idempotency_key';
    is scalar(grep { form($_)->{'metadata[user_id]'} eq $dan->uuid } asked(qr{POST /v1/payment_intents\z})), 1, 'one payment';
    isnt $ann->post("$base/create-payment-intent", \%want)->json('/data/payment_intent_id'), $intent, 'a key is its user\'s own';
    isnt $dan->post("$base/create-payment-intent", { package_slug => 'tokens-250k' })->json('/data/payment_intent_id'), $intent, 'without a key each is another';
    is balance($dan)->{balance}, 0, 'nothing is credited before it is paid';
    $stripe->ask(POST => "payment_intents/$intent/confirm", 'payment_method=pm_card_visa');
    my @events = $stripe->events;
    $stripe->told_to($t, @events, reverse @events);
    is_deeply [ @{ balance($dan) }{qw(balance lifetime_purchased lifetime_bonus)} ], [ 262_500, 250_000, 12_500 ], 'with what is given with it, once';
    is_deeply [ map { [ @$_{qw(type amount)} ] } @{ $dan->get('/api/tokens/transactions')->json('/data') } ], [ [ 'bonus', 12_500 ], [ 'purchase', 250_000 ] ];
    json_is $dan->post("$base/create-payment-intent", \%want), '/data/payment_intent_id', $intent, 'and is still the same one';
};

subtest 'a payment whose name was lost is found by what stands in it' => sub {
    my $eve = $t->user('eve', role => 'member');
    $stripe->command(fail => [ { match => 'POST /v1/payment_intents$', times => 3, lose => 'after' } ]);
    error_is $eve->post("$base/create-payment-intent", { package_slug => 'tokens-50k', idempotency_key => 'k' }), 502, 'EXTERNAL_SERVICE_ERROR', name => 'it was made, and nobody heard';
    my ($lost) = grep { ($_->{metadata}{user_id} // '') eq $eve->uuid } @{ $stripe->ask(GET => 'payment_intents', 'limit=100')->{data} };
    $stripe->command(fail => []);
    my $again = $eve->post("$base/create-payment-intent", { package_slug => 'tokens-50k', idempotency_key => 'k' });
    json_is $again, '/data/payment_intent_id', $lost->{id}, 'asked again it is the same one';
    $db->do(q{UPDATE topups SET provider_id = NULL WHERE provider_id = ?}, undef, $lost->{id});
    $db->do(q{DELETE FROM payments WHERE provider_id = ?}, undef, $lost->{id});
    $stripe->ask(POST => "payment_intents/$lost->{id}/confirm", 'payment_method=pm_card_visa');
    $stripe->told_to($t);
    is balance($eve)->{balance}, 50_000, 'what was paid is credited all the same';
};

subtest 'Stripe fails' => sub {
    my $finn = $t->user('finn', role => 'member');
    $stripe->command(fail => [ { match => 'POST /v1/(checkout|payment_intents)', times => 99, status => 500 } ]);
    error_is $finn->post("$base/checkout", { tier => 'pro' }), 502, 'EXTERNAL_SERVICE_ERROR';
    error_is $finn->post("$base/create-payment-intent", { package_slug => 'tokens-50k' }), 502, 'EXTERNAL_SERVICE_ERROR';
    $stripe->command(fail => []);
    is balance($finn)->{balance}, 0;
};

subtest 'what Stripe tells' => sub {
    my $path = "$base/webhook";
    my $gina = $t->user('gina', role => 'member');
    my $res  = $gina->post("$base/create-payment-intent", { package_slug => 'tokens-50k' });
    $stripe->ask(POST => 'payment_intents/' . $res->json('/data/payment_intent_id') . '/confirm', 'payment_method=pm_card_visa');
    my @events = $stripe->events;
    error_is $t->request(POST => $path, raw => '{}'), 400, 'VALIDATION_ERROR', name => 'without a signature';
    error_is +($stripe->deliver($t, [ $events[-1] ], path => $path, secret => 'whsec_other'))[0], 400, 'VALIDATION_ERROR', name => 'with another\'s';
    error_is +($stripe->deliver($t, [ $events[-1] ], path => $path, at => time - 301))[0], 400, 'VALIDATION_ERROR', name => 'too old';
    is balance($gina)->{balance}, 0;
    for my $answer ($stripe->deliver($t, [ @events, @events ], path => $path)) {
        status_is $answer, 200;
        json_is $answer, '', { received => true };
    }
    eventually { balance($gina)->{balance} == 50_000 } 20, 'it is credited, once';
    $stripe->told_to($t, @events);
    is balance($gina)->{balance}, 50_000, 'whichever path it came by';
};
