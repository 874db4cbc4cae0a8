use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

# The stub has an account for each key: the installation's, and those of tenants.
my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, CORS_ORIGINS => $page);
my $base   = '/api/v1/dashboard/payment-accounts';
my %secret = (own => 'sk_test_stub_of_their_own_1234', roll => 'rk_test_stub_of_their_own_1234', second => 'sk_test_stub_of_another_5678', hook => 'whsec_of_their_own_9abc', next => 'whsec_that_follows_def0');
my $own    = $stripe->account(@secret{qw(own hook)});
$t->keep_secret('sk_test_stub', values %secret);

my $key    = $t->key(tenant => 'other');
my $server = $t->client(key => $key);
my $olive  = $t->team('olive', tenant => 'other', role => 'owner');
my $mike   = $t->team('mike', tenant => 'other');
my $tenant = $olive->tenant_id;
my $ann    = $t->user('ann', tenant => 'other')->with(key => $key);
my %pages  = (success_url => "$page/paid", cancel_url => "$page/pricing");
$own->{path} = "/api/v1/public/webhooks/stripe/$tenant";

sub put ($body, @more) { return $olive->put("$base/stripe", $body, @more) }
my $n = 0;
sub company () { return $ann->post('/api/v1/organizations', { name => 'Company ' . ++$n, slug => "company-$n" })->json('/id') }
sub plan_at ($price) { return $olive->post('/api/v1/dashboard/plans', { name => 'Plan ' . ++$n, price_monthly => 10, stripe_price_id_monthly => $price })->json('/id') }
sub checkout ($org, $plan) { return $server->post('/api/v1/billing/create-checkout-session', { user_id => $ann->uuid, organization_id => $org, plan_id => $plan, %pages }) }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? AND is_current', undef, $org) }

subtest 'who may, and what is no key' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get($base), 401, 'AUTHENTICATION_ERROR';
    json_is $mike->get($base), '', { accounts => [] }, 'without one there is none';
    error_is $mike->put("$base/stripe", { secret_key => $secret{own} }), 403, 'AUTHORIZATION_ERROR';
    error_is $mike->delete("$base/stripe"), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->delete("$base/stripe"), 404, 'NOT_FOUND';
    error_is $olive->put("$base/paddle", { secret_key => $secret{own} }), 404, 'NOT_FOUND';
    error_is put({}), 422, 'VALIDATION_ERROR', field => 'secret_key', message => qr/is needed/;
    error_is put({ secret_key => 'pk_test_stub_published' }), 422, 'VALIDATION_ERROR', field => 'secret_key';
    error_is put({ secret_key => 'sk_test_of nobody here' }), 422, 'VALIDATION_ERROR', field => 'secret_key';
    error_is put({ secret_key => 'sk_test_unknown_to_stripe' }), 422, 'VALIDATION_ERROR', field => 'secret_key', message => qr/does not know/;
    error_is put({ secret_key => 'sk_live_stub_of_their_own' }, headers => { 'X-Test-Mode' => 'true' }), 422, 'VALIDATION_ERROR', field => 'secret_key', message => qr/test mode/;
    error_is put({ secret_key => $secret{own}, webhook_secret => 'no signing secret' }), 422, 'VALIDATION_ERROR', field => 'webhook_secret';
    error_is put({ secret_key => $secret{own}, webhook_secret => "$secret{hook},whsec_short" }), 422, 'VALIDATION_ERROR', field => 'webhook_secret';
    json_is $olive->get($base), '', { accounts => [] }, 'nothing of that is kept';
};

subtest 'Stripe is away: a key that cannot be tried is not kept' => sub {
    $own->command(fail => [ { match => 'GET /v1/account', times => 9, status => 500 } ]);
    $t->expect_log(qr/Stripe|EXTERNAL|breaker/);
    error_is put({ secret_key => $secret{own} }), 502, 'EXTERNAL_SERVICE_ERROR';
    $own->command(fail => []);
    json_is $olive->get($base), '', { accounts => [] };
};

subtest 'a key is kept, and never shown' => sub {
    my $res;
    eventually { ($res = put({ secret_key => $secret{own}, webhook_secret => $secret{hook} }))->status == 200 } 40, 'it is tried';
    my %shown = (provider => 'stripe', is_enabled => true, account_id => 'acct_stub_of_their_own_1234', is_live => false, secret_key_last4 => '1234', webhook_secret_last4 => '9abc', webhook_url => qr{/api/v1/public/webhooks/stripe/$tenant\z}, created_at => $TIME, updated_at => $TIME);
    json_is $res, '', \%shown;
    json_is $mike->get($base), '', { accounts => [ \%shown ] };
    my $sealed = $t->db->selectrow_hashref('SELECT key_sealed, webhook_secret_sealed FROM payment_accounts WHERE tenant_id = ?', undef, $tenant);
    like $_, qr/\Av1\.[^.]+\.[\w-]+\z/, 'sealed' for values %$sealed;
    json_is $olive->get($base, headers => { 'X-Test-Mode' => 'true' }), '', { accounts => [] }, 'test mode has one of its own';
    json_is $t->team('else', role => 'owner')->get($base), '', { accounts => [] }, 'another tenant sees none of it';
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'payment_account.update' AND tenant_id = ? AND details::text ~ 'sk_|whsec'}, undef, $tenant), 0, 'nor has the audit log a secret';
    json_is put({ webhook_secret => undef }), '/webhook_secret_last4', undef, 'what is null is gone';
    json_is put({ webhook_secret => $secret{hook} }), '/secret_key_last4', '1234', 'what is left out stays';
};

my ($price, $org) = ($own->price(1000), company());
subtest 'what is asked for the tenant is asked there' => sub {
    my ($there) = reverse map { $stripe->price(1000) } 1 .. 9;    # the stub counts in each account by itself
    $t->expect_log(qr/No such price|resource_missing/);
    error_is checkout($org, plan_at($there)), 503, 'SERVICE_UNAVAILABLE', message => qr/none of the payment provider's/, name => 'the installation\'s prices are none of its';
    my $session = checkout($org, plan_at($price));
    status_is $session, 200;
    $own->command(complete => { session => $session->json('/session_id') }, $secret{own});
    $own->told_to($t);
    is row($org)->{status}, 'active', 'its webhook is heard, and its subscription read';
    is scalar @{ $stripe->ask(GET => 'subscriptions', 'status=all')->{data} }, 0, 'the installation\'s account has none';
    my $list = $server->get("/api/v1/subscriptions/organizations/$org/invoices?user_id=" . $ann->uuid);
    is scalar @{ $list->json }, 1, 'invoices are its';
    $own->ask(POST => 'subscriptions/' . row($org)->{provider_id}, 'cancel_at_period_end=true');
    $own->events;
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    my $said = qx($Ashlar::Cluster::BUILD/ashlar billing reconcile --dry-run --tenant other 2>&1);
    like $said, qr/^other \S+ cancel_at_period_end false true$/m, 'the command compares with it';
    $t->expect_log(qr/was not as Stripe has it/);
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), job_add('ashlar', 'billing.reconcile', '{}')}, undef, $tenant);
    eventually { row($org)->{cancel_at_period_end} } 60, 'and so does the job';
};

subtest 'its webhook is signed with its secret, and about this tenant alone' => sub {
    my $default = $t->tenant_id;
    my $event = { id => 'evt_own', object => 'event', type => 'customer.subscription.updated', created => time, data => { object => { id => 'sub_of_others', object => 'subscription', status => 'active', metadata => { tenant_id => $default } } } };
    my $post = sub (%arg) { return ($own->deliver($t, [$event], path => $own->{path}, %arg))[0] };
    my $refused = '/api/v1/public/webhooks/stripe';
    error_is $post->(secret => 'whsec_of_the_stub_0123'), 401, 'AUTHENTICATION_ERROR', name => 'not with the installation\'s';
    error_is $post->(path => $refused), 401, 'AUTHENTICATION_ERROR', name => 'nor is its own one good there';
    error_is $post->(path => "$refused/$default"), 404, 'NOT_FOUND', name => 'or at a tenant without an account';
    error_is $post->(path => "$refused/00000000-0000-7000-8000-00000000dead"), 404, 'NOT_FOUND', name => 'or at none';
    error_is $post->(at => time - 302), 401, 'AUTHENTICATION_ERROR', name => 'too old';
    json_is $post->(), '', { received => true };
    json_is $post->(), '', { received => true }, 'a repeat';
    is_deeply $t->db->selectcol_arrayref(q{SELECT tenant_id FROM webhook_events WHERE event_id = 'evt_own'}), [$tenant], 'it is stored once, here';
    eventually { $t->db->selectrow_array(q{SELECT state FROM webhook_events WHERE event_id = 'evt_own'}) ne 'received' } 40, 'it is processed';
    is_deeply $t->db->selectcol_arrayref(q{SELECT DISTINCT tenant_id FROM jobs WHERE kind = 'billing.look' AND payload ->> 'id' = 'sub_of_others'}), [$tenant], 'and has nothing done in the tenant that it names';
    put({ webhook_secret => "$secret{next}, $secret{hook}" });
    $event->{id} = 'evt_rolled';
    status_is $post->(), 200, 'while one secret replaces another';
    status_is $post->(secret => $secret{next}), 200, 'both are good';
};

subtest 'another account only when nothing goes on with this one' => sub {
    error_is $olive->delete("$base/stripe"), 409, 'CONFLICT', message => qr/have to end first/;
    error_is put({ secret_key => $secret{second} }), 409, 'CONFLICT';
    error_is put({ is_enabled => false }), 409, 'CONFLICT';
    status_is put({ secret_key => $secret{own} }), 200, 'another key of the same account does';
    status_is $ann->delete("/api/v1/organizations/$org/subscription?cancel_at_period_end=false"), 200;
    json_is put({ secret_key => $secret{second} }), '/account_id', 'acct_stub_of_another_5678';
    is $t->db->selectrow_array('SELECT count(*) FROM billing_customers WHERE tenant_id = ?', undef, $tenant), 0, 'its customers are not those of the one before';
    my $second = $stripe->account($secret{second});
    status_is checkout($org, plan_at($second->price(500))), 200, 'and are made anew';
    json_is put({ is_enabled => false }), '/is_enabled', false;
    status_is checkout($org, plan_at($stripe->price(500))), 200, 'one that is not enabled leaves it to the installation\'s';
    json_is put({ is_enabled => true }), '/secret_key_last4', '5678';
    status_is $olive->delete("$base/stripe"), 204;
    error_is $olive->delete("$base/stripe"), 404, 'NOT_FOUND';
    status_is checkout($org, plan_at($stripe->price(500))), 200, 'so does one that is gone';
};

subtest 'a key that may not ask whose it is' => sub {
    my $restricted = $stripe->account($secret{roll});
    $restricted->command(fail => [ { match => 'GET /v1/account', times => 1, status => 403, error => { type => 'invalid_request_error', code => 'more_permissions_required' } } ]);
    json_is put({ secret_key => $secret{roll} }), '/account_id', undef, 'is taken, too';
};

subtest 'a key that cannot be opened any more is asked with by nobody' => sub {
    $t->db->do(q{UPDATE payment_accounts SET key_sealed = 'v1.gone.AAAA' WHERE tenant_id = ?}, undef, $tenant);
    error_is checkout($org, plan_at($stripe->price(500))), 503, 'SERVICE_UNAVAILABLE';
};
