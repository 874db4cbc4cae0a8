use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my %price  = (monthly => $stripe->price(1900), yearly => $stripe->price(19_000, 'usd', 'year'));
my $page   = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, CORS_ORIGINS => $page, BILLING_PRICE_MONTHLY => $price{monthly}, BILLING_PRICE_YEARLY => $price{yearly}, BILLING_TIER => 'pro');
my $base   = '/api/v1/app/billing';
my %pages  = (success_url => "$page/paid?session={CHECKOUT_SESSION_ID}", cancel_url => "$page/pricing#plans");
my %sent   = (plan => 'monthly', success_url => "$page/paid", cancel_url => "$page/pricing");
$t->keep_secret('sk_test_stub');

sub asked ($re) { return grep { "$_->{method} $_->{path}" =~ $re } $stripe->seen }

# A user who has paid by the month.
sub customer ($name, $card = 'pm_card_visa') {
    my $user = $t->user($name);
    my $res  = $user->post("$base/checkout", \%sent);
    $stripe->command(complete => { session => $res->json('/session_id'), card => $card });
    $stripe->told_to($t);
    return $user;
}
sub row ($user) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE user_id = ? ORDER BY started_at DESC LIMIT 1', undef, $user->uuid) }

my $ann = $t->user('ann');

subtest 'nobody without a token' => sub {
    error_is $t->get("$base/status"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->post("$base/checkout", \%sent), 401, 'AUTHENTICATION_ERROR';
    error_is $t->get("$base/portal?return_url=$page"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->get("$base/invoices"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->post("$base/$_"), 401, 'AUTHENTICATION_ERROR' for qw(cancel resume);
};

subtest 'before anything is bought' => sub {
    json_is $ann->get("$base/status"), '', { plan => 'free', status => 'none', current_period_end => undef, cancel_at_period_end => false, has_active_subscription => false };
    json_is $ann->get("$base/invoices"), '', [], 'no invoices, and Stripe is not asked';
    error_is $ann->post("$base/$_"), 404, 'NOT_FOUND' for qw(cancel resume);
    is scalar(asked(qr/./)), scalar(asked(qr/prices/)), 'Stripe was asked for nothing';
};

subtest 'a checkout leads to pages of ours, and of an interval that there is' => sub {
    for ([ plan => 'weekly' ], [ plan => undef ], [ success_url => 'paid' ], [ success_url => 'https://evil.example/paid' ], [ cancel_url => 'http://app.example.com/pricing' ], [ cancel_url => 'https://app.example.com.evil.example/' ], [ success_url => 'https://app.example.com@evil.example/' ]) {
        error_is $ann->post("$base/checkout", { %sent, @$_ }), 422, 'VALIDATION_ERROR', field => $_->[0];
    }
    error_is $ann->get("$base/portal?return_url=https%3A%2F%2Fevil.example"), 422, 'VALIDATION_ERROR', field => 'return_url';
    error_is $ann->get("$base/portal"), 422, 'VALIDATION_ERROR', field => 'return_url';
    error_is $ann->get("$base/invoices?limit=101"), 422, 'VALIDATION_ERROR', field => 'limit';
    is scalar(asked(qr/sessions/)), 0, 'nothing was opened';
};

subtest 'whoever pays has a subscription, once Stripe says so' => sub {
    my $res = $ann->post("$base/checkout", { %sent, %pages });
    status_is $res, 200;
    like $res->json('/url'), qr{\Ahttps://checkout\.stripe\.com/}, 'where to send the browser';
    my ($asked) = asked(qr{POST /v1/checkout/sessions\z});
    like $asked->{body}, qr/line_items\[0\]\[price\]=$price{monthly}|line_items%5B0%5D%5Bprice%5D=$price{monthly}/, 'for the price by the month';
    like $asked->{headers}{'idempotency-key'}, qr/\S/, 'under a name of its own';
    json_is $ann->get("$base/status"), '/status', 'none', 'an open page is no payment';
    $stripe->command(complete => { session => $res->json('/session_id') });
    my @events = $stripe->events;
    # In the wrong order, twice, and one of them lost.
    $stripe->told_to($t, (reverse grep { $_->{type} ne 'checkout.session.completed' } @events), @events[ 0, 1 ]);
    my $status = $ann->get("$base/status");
    json_is $status, '', { plan => 'pro', status => 'active', current_period_end => $TIME, cancel_at_period_end => false, has_active_subscription => true };
    json_is $ann->get('/api/v1/app/users/me'), '/subscription_plan', 'pro', 'the profile says so, too';
    is $t->db->selectrow_array('SELECT count(*) FROM payments WHERE user_id = ? AND amount = 1900 AND currency = ? AND credited_at IS NOT NULL', undef, $ann->uuid, 'usd'), 1, 'what was paid is credited, once';
    is $t->db->selectrow_array('SELECT amount_paid FROM invoices WHERE user_id = ?', undef, $ann->uuid), 1900, 'the invoice is kept';
    error_is $ann->post("$base/checkout", \%sent), 409, 'CONFLICT', message => qr/active subscription/;
    json_is $ann->get('/api/v2/app/billing/status'), '/data/plan', 'pro', 'in the envelope of version 2';
};

subtest 'invoices are as Stripe has them' => sub {
    my $res = $ann->get("$base/invoices?limit=10");
    my ($theirs) = @{ $stripe->ask(GET => 'invoices')->{data} };
    json_is $res, '', [ { map { $_ => $theirs->{$_} } qw(id number status amount_due amount_paid currency created hosted_invoice_url invoice_pdf) } ];
};

subtest 'the portal' => sub {
    my $res = $ann->get("$base/portal?return_url=https%3A%2F%2Fapp.example.com%2Faccount");
    status_is $res, 200;
    like $res->json('/url'), qr{\Ahttps://billing\.stripe\.com/}, 'a page of Stripe\'s';
};

subtest 'a subscription is cancelled with its period, and taken up again' => sub {
    error_is $ann->post("$base/resume"), 409, 'CONFLICT', message => qr/not about to end/;
    my $res = $ann->post("$base/cancel");
    json_is $res, '', { message => 'your subscription ends with its period', cancel_at_period_end => true, current_period_end => $TIME };
    json_is $ann->get("$base/status"), '/cancel_at_period_end', true;
    json_is $ann->get("$base/status"), '/has_active_subscription', true, 'it is paid until then';
    is $stripe->ask(GET => 'subscriptions/' . row($ann)->{provider_id})->{cancel_at_period_end}, true, 'Stripe knows';
    json_is $ann->post("$base/resume"), '', { message => 'your subscription goes on', status => 'active', plan => 'pro' };
    is $stripe->ask(GET => 'subscriptions/' . row($ann)->{provider_id})->{cancel_at_period_end}, false, 'and knows this';
    $stripe->told_to($t);
    json_is $ann->get("$base/status"), '/cancel_at_period_end', false, 'what it tells later changes nothing';
};

subtest 'or now, without a refund' => sub {
    my $bob = customer('bob');
    error_is $bob->post("$base/cancel?immediate=perhaps"), 422, 'VALIDATION_ERROR', field => 'immediate';
    json_is $bob->post("$base/cancel?immediate=true"), '', { message => 'your subscription has ended', cancel_at_period_end => false, current_period_end => $TIME };
    json_is $bob->get("$base/status"), '', { plan => 'free', status => 'canceled', current_period_end => $TIME, cancel_at_period_end => false, has_active_subscription => false };
    error_is $bob->post("$base/cancel"), 404, 'NOT_FOUND';
    error_is $bob->post("$base/resume"), 404, 'NOT_FOUND';
    $stripe->told_to($t);
    is row($bob)->{status}, 'canceled', 'it stays so';
    status_is $bob->post("$base/checkout", { %sent, plan => 'yearly' }), 200, 'and another one can be bought';
};

subtest 'what does not renew is past due, and what is given up has ended' => sub {
    my $eve = customer('eve');
    my $sub = row($eve)->{provider_id};
    $stripe->ask(POST => 'customers/' . row($eve)->{customer_id}, 'invoice_settings[default_payment_method]=' . $stripe->ask(POST => 'payment_methods/pm_card_chargeCustomerFail/attach', 'customer=' . row($eve)->{customer_id})->{id});
    $stripe->ask(POST => "subscriptions/$sub", 'default_payment_method=');
    $stripe->command(clock => { by_s => 32 * 86_400 });
    $stripe->told_to($t);
    my $status = $stripe->ask(GET => "subscriptions/$sub")->{status};
    is $status, 'past_due', 'Stripe could not collect it';
    json_is $eve->get("$base/status"), '/status', $status;
    json_is $eve->get("$base/status"), '/has_active_subscription', false;
    json_is $eve->get('/api/v1/app/users/me'), '/subscription_status', $status;
};

subtest 'Stripe is away: nothing is half done, and the same again is done once' => sub {
    my $joe = $t->user('joe');
    $t->expect_log(qr/POST \S+stripe|Stripe|breaker|billing|502|EXTERNAL/);
    $stripe->command(fail => [ { match => 'POST /v1/checkout/sessions$', times => 9, lose => 'after' } ]);
    error_is $joe->post("$base/checkout", \%sent, headers => { 'Idempotency-Key' => 'joe-1' }), 502, 'EXTERNAL_SERVICE_ERROR';
    is $t->db->selectrow_array(q{SELECT state FROM billing_operations WHERE user_id = ?}, undef, $joe->uuid), 'asked', 'the operation is known to have begun';
    is row($joe), undef, 'and nothing more';
    $stripe->command(fail => []);
    my $res;
    eventually { ($res = $joe->post("$base/checkout", \%sent, headers => { 'Idempotency-Key' => 'joe-1' }))->status == 200 } 40, 'sent again, it is gone on with';
    my %keys = map { $_->{headers}{'idempotency-key'} => 1 } grep { $_->{body} =~ /@{[ $joe->uuid ]}/ } asked(qr{POST /v1/checkout/sessions\z});
    is scalar(keys %keys), 1, 'under the same name';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_operations WHERE user_id = ?}, undef, $joe->uuid), 1, 'as the same operation';
    is $joe->post("$base/checkout", \%sent, headers => { 'Idempotency-Key' => 'joe-1' })->json('/session_id'), $res->json('/session_id'), 'and once more it is what was answered';
};

subtest 'two pages of one user cannot both be paid' => sub {
    my $may = $t->user('may');
    my ($first, $second) = map { $may->post("$base/checkout", { %sent, plan => $_ })->json('/session_id') } qw(monthly yearly);
    is $stripe->ask(GET => "checkout/sessions/$first")->{status},  'expired', 'the first one is closed';
    is $stripe->ask(GET => "checkout/sessions/$second")->{status}, 'open',    'when the second is opened';
};

subtest 'what is not configured says so' => sub {
    my $bare = Api->start(CORS_ORIGINS => $page);
    my $sue  = $bare->user('sue');
    error_is $sue->post("$base/checkout", \%sent), 503, 'SERVICE_UNAVAILABLE', message => qr/BILLING_PRICE_MONTHLY/;
    error_is $sue->get("$base/portal?return_url=https%3A%2F%2Fapp.example.com"), 503, 'SERVICE_UNAVAILABLE', message => qr/STRIPE_SECRET_KEY/;
    json_is $sue->get("$base/status"), '/plan', 'free';
    json_is $sue->get("$base/invoices"), '', [];
};
