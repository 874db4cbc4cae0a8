use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, CORS_ORIGINS => $page);
my $key    = $t->key;
my $server = $t->client(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $nobody = '00000000-0000-7000-8000-00000000dead';
my %pages  = (success_url => "$page/paid", cancel_url => "$page/pricing");
$t->keep_secret('sk_test_stub');

my (%plan, %price);
sub plan_made ($name, %body) { return $plan{$name} = $olive->post('/api/v1/dashboard/plans', { name => $name, %body })->json('/id') }
$price{ $_->[0] } = $stripe->price(@$_[ 1 .. 3 ]) for [ basic => 1000, 'usd', 'month' ], [ pro => 3000, 'usd', 'month' ], [ pro_yearly => 30_000, 'usd', 'year' ], [ yen => 500, 'jpy', 'month' ];
plan_made('Free', is_free => true);
plan_made('Basic', price_monthly => 10, stripe_price_id_monthly => $price{basic});
plan_made('Pro', price_monthly => 30, price_yearly => 300, stripe_price_id_monthly => $price{pro}, stripe_price_id_yearly => $price{pro_yearly});
plan_made('Yen', price_monthly => 500, currency => 'JPY', stripe_price_id_monthly => $price{yen});
plan_made('Unpriced', price_monthly => 20);

my $ann = $t->user('ann')->with(key => $key);
my $n   = 0;
sub company () { return $ann->post('/api/v1/organizations', { name => 'Company ' . ++$n, slug => "company-$n" })->json('/id') }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? AND is_current', undef, $org) }
sub at ($org, $what = 'preview') { return "/api/v1/organizations/$org/subscription" . ($what ? "/$what" : '') }
sub preview ($org, $plan, %query) { return $ann->get(at($org), query => { plan_id => $plan{$plan} // $plan, %query }) }
sub asked () { return scalar grep { $_->{path} =~ /create_preview/ } $stripe->seen }

# A company that has paid for a plan.
sub paid ($plan) {
    my $org = company();
    my $res = $server->post('/api/v1/billing/create-checkout-session', { user_id => $ann->uuid, organization_id => $org, plan_id => $plan{$plan}, %pages });
    $stripe->command(complete => { session => $res->json('/session_id') // die($res->body) });
    $stripe->told_to($t);
    return $org;
}
my $acme   = paid('Basic');
my %role   = map { my $user = $t->user("the-$_")->with(key => $key); $t->member($acme, $user, $_); $_ => $user } qw(admin developer member);
my $at_end = row($acme)->{period_end};
my $end    = sub ($org) { return scalar $t->db->selectrow_array('SELECT json_time(period_end) FROM subscriptions WHERE organization_id = ? AND is_current', undef, $org) };
my $told   = sub ($org) { return (next_at => $end->($org) =~ s/"//gr) };

subtest 'who may see what a change costs' => sub {
    error_is $t->client(key => $key)->get(at($acme) . "?plan_id=$plan{Pro}"), 401, 'AUTHENTICATION_ERROR';
    error_is $role{$_}->get(at($acme) . "?plan_id=$plan{Pro}"), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE' for qw(developer member);
    error_is preview($acme, $nobody), 404, 'NOT_FOUND', resource => 'Plan';
    error_is preview($acme, 'Pro', billing_cycle => 'weekly'), 422, 'VALIDATION_ERROR', field => 'billing_cycle';
    error_is preview($nobody, 'Pro'), 404, 'NOT_FOUND';
    error_is preview(company(), 'Pro'), 404, 'NOT_FOUND', message => qr/no active subscription/;
    error_is preview($acme, 'Yen'), 409, 'CONFLICT', message => qr/paid in USD/;
    error_is preview($acme, 'Unpriced'), 503, 'SERVICE_UNAVAILABLE', message => qr/Unpriced has no price/;
    status_is $role{admin}->get(at($acme) . "?plan_id=$plan{Pro}"), 200;
};

subtest 'a preview shows what the change then charges' => sub {
    $stripe->command(clock => { by_s => 10 * 86_400 });
    my $res = preview($acme, 'Pro');
    json_is $res, '', { effect => 'now', plan_id => $plan{Pro}, billing_cycle => 'monthly', currency => 'usd', due_now => qr/\A\d+\z/, next_amount => 3000, $told->($acme) };
    cmp_ok $res->json('/due_now'), '>', 0, 'more for what is left of the period';
    cmp_ok $res->json('/due_now'), '<', 2000, '  and no more than that';
    is row($acme)->{plan_id}, $plan{Basic}, 'nothing has changed';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_operations WHERE kind = 'preview'}), 0, 'and nothing was begun';
    isnt +($stripe->seen)[-1]{headers}{'idempotency-key'}, ($stripe->seen)[-2]{headers}{'idempotency-key'}, 'each is asked anew';
    my ($before) = $stripe->ask(GET => 'invoices', 'limit=1')->{data}[0]{id};
    status_is $ann->put(at($acme, ''), { plan_id => $plan{Pro} }), 200;
    my $made = $stripe->ask(GET => 'invoices', 'limit=1')->{data}[0];
    isnt $made->{id}, $before, 'the change makes an invoice';
    is $made->{amount_paid}, $res->json('/due_now'), '  of exactly that';
};

subtest 'a year that costs more begins at once, and is paid whole' => sub {
    my $org = paid('Basic');
    my $res = preview($org, 'Pro', billing_cycle => 'yearly');
    json_is $res, '/effect', 'now';
    json_is $res, '/next_amount', 30_000;
    json_is $res, '/billing_cycle', 'yearly';
    status_is $ann->put(at($org, ''), { plan_id => $plan{Pro}, billing_cycle => 'yearly' }), 200;
    is $stripe->ask(GET => 'invoices', 'limit=1')->{data}[0]{amount_paid}, $res->json('/due_now'), 'it is what is paid';
    my %told = $told->($org);
    is $res->json('/next_at'), $told{next_at}, 'until then';
    json_is preview($org, 'Basic', billing_cycle => 'monthly'), '', { effect => 'period_end', plan_id => $plan{Basic}, billing_cycle => 'monthly', currency => 'usd', due_now => 0, next_amount => 1000, %told }, 'by the month again from its end on';
};

subtest 'less counts from the end of the period, and costs nothing now' => sub {
    my $org = paid('Pro');
    json_is preview($org, 'Basic'), '', { effect => 'period_end', plan_id => $plan{Basic}, billing_cycle => 'monthly', currency => 'usd', due_now => 0, next_amount => 1000, $told->($org) };
    json_is preview($acme, 'Pro', billing_cycle => 'yearly'), '/next_amount', 30_000, 'by another interval, too: over a year that is less';
    my $asked = asked();
    json_is preview($org, 'Free'), '', { effect => 'period_end', plan_id => $plan{Free}, billing_cycle => 'monthly', currency => 'usd', due_now => 0, next_amount => 0, $told->($org) };
    json_is preview($org, 'Pro'), '', { effect => 'none', plan_id => $plan{Pro}, billing_cycle => 'monthly', currency => 'usd', due_now => 0, next_amount => 3000, $told->($org) }, 'what it is already';
    $ann->put(at($org, ''), { plan_id => $plan{Basic} });
    json_is preview($org, 'Pro'), '/effect', 'now', 'what was to follow would not';
    $ann->delete(at($acme, ''));
    json_is preview($acme, 'Pro'), '/next_amount', 0, 'one that ends has no next invoice';
    is asked(), $asked, 'for none of these is Stripe asked';
};

subtest 'from a plan that costs nothing' => sub {
    my $org = company();
    status_is $ann->post(at($org, $plan{Free})), 201;
    json_is preview($org, 'Basic'), '', { effect => 'checkout', plan_id => $plan{Basic}, billing_cycle => 'monthly', currency => 'usd', due_now => 1000, next_amount => 1000, next_at => undef };
};

subtest 'Stripe is away' => sub {
    my $org = paid('Basic');
    $stripe->command(fail => [ { match => 'create_preview', times => 9, status => 500 } ]);
    $t->expect_log(qr/Stripe|EXTERNAL|breaker/);
    error_is preview($org, 'Pro'), 502, 'EXTERNAL_SERVICE_ERROR';
    $stripe->command(fail => []);
};

subtest 'invoices are listed, and saved as a file' => sub {
    my $base = "/api/v1/organizations/$acme/invoices";
    error_is $t->client(key => $key)->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $role{member}->get($base), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_READ';
    error_is $ann->get("$base?status=lost"), 422, 'VALIDATION_ERROR', field => 'status';
    $stripe->told_to($t);
    my $res    = $role{developer}->get($base);
    my @theirs = @{ $stripe->ask(GET => 'invoices', "limit=100&customer=" . row($acme)->{customer_id})->{data} };
    json_is $res, '/total', scalar @theirs, 'all that Stripe has';
    is_deeply [ sort map { join ' ', @$_{qw(provider_id number status currency amount_total amount_paid)} } @{ $res->json('/items') } ], [ sort map { join ' ', @$_{qw(id number status currency total amount_paid)} } @theirs ], 'as it has them';
    json_is $ann->get("$base?status=open"), '/items', [];
    json_is $ann->get("$base?to=2020-01-01T00:00:00Z"), '/total', 0;
    json_is $ann->get("$base?limit=1"), '/items/0/id', $res->json('/items/0/id'), 'the newest first';
    json_is $ann->get('/api/v1/organizations/' . company() . '/invoices'), '/items', [], 'of another organization nothing';
    # A number is the provider's, and a file is opened in a spreadsheet.
    $t->db->do(q{UPDATE invoices SET number = '=HYPERLINK("https://evil.example","a, b")' WHERE provider_id = ?}, undef, $theirs[0]{id});
    my $file = $ann->get($base, headers => { Accept => 'text/csv' });
    status_is $file, 200;
    like $file->header('Content-Disposition'), qr/\Aattachment; filename="[\w.-]+\.csv"/, 'as a file';
    my ($head, @lines) = split /\r\n/, $file->body;
    like $head, qr/\Aid,number,status,currency,amount_total,amount_due,amount_paid,/, 'with a line of names';
    is scalar @lines, scalar @theirs, 'and a line for each';
    my ($formula) = grep { /HYPERLINK/ } @lines;
    like $formula, qr/,"'=HYPERLINK\(""https:\/\/evil\.example"",""a, b""\)",/, 'a formula is none, and quotes are doubled';
};
