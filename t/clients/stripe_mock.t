# What is asked of Stripe, of a stand-in that somebody else wrote: npm's stripe-stateful-mock.  It has
# the version of 2020-08-27, so that subscriptions show their period in the place of before 2025-03-31, and takes
# any parameter.  It has customers, products, prices and subscriptions that are made and read; what it lacks is asserted at the
# end: pages, invoices, schedules, changes and ends of subscriptions, whose stub is t/lib/stub_stripe.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS ();
use Digest::SHA 'hmac_sha256_hex';
use File::Temp ();

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $tmp  = File::Temp->newdir;
my $mock = Ashlar::Process->start(cmd => [ 'node', 't/clients/stripe_mock.mjs' ], log => "$tmp/log");
my $port;
eventually { open my $in, '<', "$tmp/log" or return 0; ($port) = (<$in> // '') =~ /^port (\d+)/; $port } 60, 'it starts';

my %stripe = (key => 'sk_test_of_the_mock', hook => 'whsec_of_the_mock_0123');
my $page   = 'https://app.example.com';
my $t      = Api->start(worker => 1, ENVIRONMENT => 'development', CORS_ORIGINS => $page, STRIPE_API_URL => "http://127.0.0.1:$port", STRIPE_SECRET_KEY => $stripe{key}, STRIPE_WEBHOOK_SECRET => $stripe{hook});
$t->keep_secret(values %stripe);
my $key   = $t->key;
my $olive = $t->team('olive', role => 'owner');
my $ann   = $t->user('ann')->with(key => $key);

# What the mock answers to a form: the test's own client.
sub ask ($method, $path, $form = '') {
    my $res = Ashlar::Http->new(port => $port)->request($method => "/v1/$path" . ($method eq 'GET' && length $form ? "?$form" : ''), fresh => 1,
        headers => [ Authorization => "Bearer $stripe{key}", 'Content-Type' => 'application/x-www-form-urlencoded' ], $method eq 'POST' ? (body => $form) : ());
    return ($res->status, $json->decode($res->body));
}
sub made ($path, $form) { my ($status, $one) = ask(POST => $path, $form); is $status, 200, "$path is made" or diag $json->encode($one); return $one }

# An event that says to look, and the look.
sub told ($id, $type = 'customer.subscription.updated') {
    state $n = 0;
    my $body = $json->encode({ id => 'evt_' . ++$n, object => 'event', type => $type, created => time, data => { object => { id => $id, object => 'subscription' } } });
    my $at   = time;
    status_is $t->request(POST => '/api/v1/dashboard/webhooks/stripe', raw => $body, headers => { 'Stripe-Signature' => "t=$at,v1=" . hmac_sha256_hex("$at.$body", $stripe{hook}) }), 200, "$type is received";
    eventually { !$t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('webhook.in', 'billing.look') AND state IN ('scheduled', 'queued', 'running')}) } 60, '  and looked at';
    return;
}
sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE provider_id = ?', undef, $id) }
sub billing (@arg) {
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    my @said = grep { !/^ashlar: / } split /\n/, qx($Ashlar::Cluster::BUILD/ashlar billing @arg 2>&1);
    return ($? >> 8, @said);
}

my $org = $ann->post('/api/v1/organizations', { name => 'Acme', slug => 'acme' })->json('/id');
my $product = made('products', 'name=Pro&type=service');
my %price   = map { $_->[0] => made('prices', "product=$product->{id}&currency=$_->[1]&unit_amount=$_->[2]&recurring[interval]=month")->{id} } [ pro => usd => 2900 ], [ yen => jpy => 500 ];
my $plan    = $olive->post('/api/v1/dashboard/plans', { name => 'Pro', price_monthly => 29, stripe_price_id_monthly => $price{pro} })->json('/id');
$olive->post('/api/v1/dashboard/plans', { name => 'Yen', price_monthly => 500, currency => 'JPY', stripe_price_id_monthly => $price{yen} });

subtest 'a customer is made, once' => sub {
    $t->expect_log(qr/Stripe: status 404|checkout/);
    my %sent = (plan_id => $plan, organization_id => $org, success_url => "$page/paid", cancel_url => "$page/");
    error_is $ann->post('/api/v1/subscriptions/checkout', \%sent), 502, 'EXTERNAL_SERVICE_ERROR', name => 'it has no checkout';
    error_is $ann->post('/api/v1/subscriptions/checkout', \%sent), 502, 'EXTERNAL_SERVICE_ERROR', name => '  the second time, too';
    my (undef, $list) = ask(GET => 'customers');
    is scalar @{ $list->{data} }, 1, 'but customers, of which it has one';
    my $one = $list->{data}[0];
    is $one->{email}, 'ann@example.com', '  with its address';    # it keeps no names
    is_deeply $one->{metadata}, { tenant_id => $ann->tenant_id, organization_id => $org, user_id => $ann->uuid }, '  and whose it is';
};

my (undef, $customers) = ask(GET => 'customers');
my $customer = $customers->{data}[0]{id};
made('plans', "id=plan_beside&product=$product->{id}&currency=usd&amount=2900&interval=month");    # which it wants of each item
my $sub = made('subscriptions', "customer=$customer&items[0][plan]=plan_beside&items[0][price]=$price{pro}&items[0][quantity]=2&metadata[organization_id]=$org");

subtest 'a subscription is read' => sub {
    told($sub->{id}, 'customer.subscription.created');
    my $row = row($sub->{id});
    is_deeply { map { $_ => $row->{$_} } qw(organization_id customer_id plan_id status quantity amount currency interval item_id price_id) },
        { organization_id => $org, customer_id => $customer, plan_id => $plan, status => 'active', quantity => 2, amount => 2900, currency => 'usd', interval => 'month', item_id => $sub->{items}{data}[0]{id}, price_id => $price{pro} };
    is $t->db->selectrow_array(q{SELECT extract(epoch FROM period_end)::bigint FROM subscriptions WHERE provider_id = ?}, undef, $sub->{id}), $sub->{current_period_end}, 'with its period, from where it stood before 2025-03-31';
    json_is $ann->get("/api/v1/organizations/$org/subscription"), '/plan/name', 'Pro', 'and shown';
    told('sub_that_is_not_there');
    is row('sub_that_is_not_there'), undef, 'of one that there is not, nothing becomes';
};

subtest 'what is stored is compared with it' => sub {
    is_deeply [ billing(qw(reconcile --dry-run)) ], [0], 'nothing differs: subscriptions and prices, also of yen';
    my ($status) = ask(POST => "subscription_items/$sub->{items}{data}[0]{id}", 'quantity=5');
    is $status, 200, 'it has other seats';
    is_deeply [ billing(qw(reconcile --dry-run)) ], [ 1, "default $sub->{id} quantity 2 5" ], 'which is found';
    told($sub->{id});
    is row($sub->{id})->{quantity}, 5, 'and stored, once it is told';
    is_deeply [ billing(qw(reconcile --dry-run)) ], [0];
};

subtest 'what it does not have' => sub {
    my ($status, @said) = billing(qw(import --dry-run --tenant default));
    is_deeply [ sort @said ], [ sort map { ("default $_ skipped: its product is not sold") x 2 } values %price ], 'it expands nothing, so products are not seen with their prices';
    for ([ GET => 'account' ], [ POST => 'checkout/sessions' ], [ POST => 'billing_portal/sessions' ], [ POST => "subscriptions/$sub->{id}" ], [ POST => 'subscription_schedules' ], [ GET => 'invoices' ], [ POST => 'invoices/create_preview' ]) {
        my ($status, $said) = ask(@$_);
        is "$status $said->{error}{message}", "404 No matching path: /v1/$_->[1]", "no $_->[0] $_->[1]";
    }
    $t->expect_log(qr/Stripe: status 404/);
    error_is $ann->delete("/api/v1/organizations/$org/subscription"), 502, 'EXTERNAL_SERVICE_ERROR', name => 'so nothing is cancelled there';
    is row($sub->{id})->{cancel_at_period_end}, 0, 'and nothing here';
};

$mock->stop;
