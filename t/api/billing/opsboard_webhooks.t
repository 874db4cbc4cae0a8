# What Stripe tells the observability surface, and what becomes of an organization by it.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my %price  = (seat => $stripe->price(4000), old => $stripe->price(3000));
$price{spans} = $stripe->ask(POST => 'prices', 'currency=usd&unit_amount_decimal=0.05&recurring[interval]=month&recurring[usage_type]=metered&product_data[name]=Spans&transform_quantity[divide_by]=1000&transform_quantity[round]=up')->{id};
my $t      = Api->start($stripe->settings, worker => 1, APP_URL => 'https://app.example.com', STRIPE_SUBSCRIPTION_PRICE_ID => $price{seat}, STRIPE_SPAN_PRICE_ID => $price{spans});
$t->keep_secret('sk_test_stub');
my $path = '/api/v4/stripe-webhook';
my $n    = 0;
my $ann  = $t->user('ann', columns => { email => 'ann@example.com' });

sub of ($org, $what) { return "/api/opsboard/orgs/$org/$what" }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? ORDER BY is_current DESC, started_at DESC LIMIT 1', undef, $org) }
sub is_now ($org) { return join ' ', $t->db->selectrow_array('SELECT o.prem_status, (SELECT count(*) FROM memberships m WHERE m.organization_id = o.id AND m.is_paid) FROM organizations o WHERE o.id = ?', undef, $org) }
sub done () { return eventually { !$t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('webhook.in', 'billing.look') AND state IN ('scheduled', 'queued', 'running')}) } 100, 'the worker is done' }
sub told (@events) { $_->status == 200 or die $_->body for $stripe->deliver($t, @events ? \@events : [ $stripe->events ], path => $path); return done() }
sub made ($type, %object) { return { id => 'evt_made_' . ++$n, object => 'event', type => $type, created => time, livemode => false, data => { object => \%object } } }

sub paid ($quantity = 1, $card = 'pm_card_visa', @roles) {
    my $org = $t->organization($ann);
    $t->member($org, $t->user("$_-" . ++$n), $_) for @roles;
    my $res = $ann->post(of($org, 'create-checkout-session'), { price_id => $price{seat}, quantity => $quantity });
    $stripe->command(complete => { session => ($res->json('/clientSecret') // die $res->body) =~ s/_secret_.*//r, card => $card });
    told();
    return $org;
}
sub intent_of ($org) { return scalar $t->db->selectrow_array('SELECT provider_id FROM payments WHERE organization_id = ? ORDER BY created_at DESC LIMIT 1', undef, $org) }

subtest 'the signature comes first' => sub {
    my $event = made('customer.created', id => 'cus_x', object => 'customer');
    my $one = sub (%arg) { return ($stripe->deliver($t, [$event], path => $path, %arg))[0] };
    error_is $t->nobody->post($path, $event), 400, 'BAD_REQUEST', name => 'none';
    error_is $one->(secret => 'whsec_guessed'), 400, 'BAD_REQUEST', name => 'another';
    error_is $one->(at => time - 302), 400, 'BAD_REQUEST', name => 'too old';
    json_is $one->(), '', { status => 'success' };
    json_is $one->(), '', { status => 'success' }, 'once more';
    done();
    is $t->db->selectrow_array(q{SELECT string_agg(state, ' ') FROM webhook_events WHERE event_id = ?}, undef, $event->{id}), 'ignored', 'stored once; there is nothing to do about it';
    my $bare = Api->start;
    error_is $bare->nobody->post($path, $event), 503, 'SERVICE_UNAVAILABLE', message => qr/are not configured/;
};

subtest 'a checkout that was opened elsewhere is the organization\'s that its session names' => sub {
    for my $named ('client_reference_id', 'org_id') {
        my $org      = $t->organization($ann);
        my $customer = $stripe->ask(POST => 'customers', 'email=x%40example.com')->{id};
        my $session  = $stripe->ask(POST => 'checkout/sessions', "mode=subscription&customer=$customer&success_url=https%3A%2F%2Fx.example.com&line_items[0][price]=$price{seat}&" . ($named eq 'org_id' ? "metadata[org_id]=$org" : "client_reference_id=$org"));
        $stripe->command(complete => { session => $session->{id} });
        told(sort { ($b->{type} eq 'checkout.session.completed') <=> ($a->{type} eq 'checkout.session.completed') } $stripe->events);
        is is_now($org), 'pro 1', "by $named";
    }
};

subtest 'whatever comes twice, late or not at all: it is what Stripe shows' => sub {
    my $org = paid(2, 'pm_card_visa', qw(business_user admin developer));
    is is_now($org), 'pro 2';
    my $sub = row($org);
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", "items[0][id]=$sub->{item_id}&items[0][quantity]=$_&proration_behavior=none") for 4, 3;
    my @events = $stripe->events;
    told(reverse(@events), @events);
    is is_now($org), 'pro 3', 'the licences are as many as the seats';
    is_deeply $t->db->selectcol_arrayref(q{SELECT role FROM memberships WHERE organization_id = ? AND is_paid AND role IN ('owner', 'admin') ORDER BY role}, undef, $org), [qw(admin owner)], '  the owner first, then the admin';
    $stripe->ask(DELETE => "subscriptions/$sub->{provider_id}");
    told();
    is is_now($org), 'free 0', 'deleted: all of it is gone';
    told(reverse @events);
    is is_now($org), 'free 0', '  and old news bring nothing back';
};

subtest 'what is not paid counts for three days more' => sub {
    $stripe->command(clock => { to => time - 40 * 86_400 });
    my $org = paid(2, 'pm_card_visa', 'developer');
    my $sub = row($org);
    my $pm  = $stripe->ask(POST => 'payment_methods/pm_card_chargeCustomerFail/attach', "customer=$sub->{customer_id}")->{id};
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", "default_payment_method=$pm");
    my ($end) = $t->db->selectrow_array('SELECT extract(epoch FROM period_end)::bigint FROM subscriptions WHERE id = ?', undef, $sub->{id});
    $stripe->command(clock => { to => $end + 60 });
    told();
    is row($org)->{status}, 'past_due', 'the renewal failed';
    is is_now($org), 'free 0', 'and that was more than three days ago';
    told(made('invoice.payment_failed', id => "in_$_", object => 'invoice', attempt_count => $_)) for 2, 3;
    is_deeply $t->db->selectcol_arrayref(q{SELECT details ->> 'is_critical' FROM audit_events WHERE action = 'invoice.payment_failed' AND resource_id IN ('in_2', 'in_3') ORDER BY resource_id}), [qw(false true)], 'each is in the audit log, critical from the third attempt on';
    my $late = paid(1);
    $t->db->do(q{UPDATE subscriptions SET status = 'active' WHERE organization_id = ?}, undef, $late);
    my $now = row($late);
    for ([ '2 days 23 hours', 'pro 1' ], [ '3 days 1 minute', 'free 0' ]) {
        $t->db->do(q{UPDATE subscriptions SET status = 'past_due', behind_since = now() - ?::interval WHERE id = ?}, undef, $_->[0], $now->{id});
        $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), seats_settle(?)}, undef, $ann->tenant_id, $late);
        is is_now($late), $_->[1], "$_->[0] behind";
    }
    $stripe->command(clock => { to => time });
    $stripe->events;
};

subtest 'a refund of all of it takes the organization down, and a part does not' => sub {
    my $org    = paid(1);
    my $intent = intent_of($org);
    my %charge = (id => 'ch_1', object => 'charge', payment_intent => $intent, amount => 4000);
    told(made('charge.refunded', %charge, amount_refunded => 100, refunded => false));
    is is_now($org), 'pro 1', 'a part';
    told(made('charge.refunded', %charge, payment_intent => 'pi_of_others', amount_refunded => 4000, refunded => true));
    is is_now($org), 'pro 1', 'another payment';
    told(made('charge.refunded', %charge, amount_refunded => 4000, refunded => true));
    is is_now($org), 'free 0', 'all of it';
    $stripe->ask(POST => 'subscriptions/' . row($org)->{provider_id}, 'metadata[note]=1');
    told();
    is is_now($org), 'free 0', 'whatever else is told of that period';
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'subscription.refunded' AND resource_id = ?}, undef, row($org)->{id}), 1, 'it is in the audit log';
    status_is $ann->post(of($org, 'create-checkout-session'), { price_id => $price{seat} }), 200, 'seats can be bought again';
    $stripe->command(clock => { by_s => 32 * 86_400 });
    told();
    is is_now($org), 'pro 1', 'or the next period, which is paid, counts again';
};

subtest 'a dispute withholds what was paid, until it is won' => sub {
    my $org     = paid(1);
    my %dispute = (id => 'dp_1', object => 'dispute', charge => 'ch_2', payment_intent => intent_of($org), amount => 4000);
    told(made('charge.dispute.created', %dispute, status => 'warning_needs_response'));
    is is_now($org), 'pro 1', 'an inquiry takes nothing';
    told(made('charge.dispute.created', %dispute, status => 'needs_response'));
    is is_now($org), 'free 0';
    told(made('charge.dispute.closed', %dispute, status => 'lost'));
    is is_now($org), 'free 0', 'lost';
    told(made('charge.dispute.closed', %dispute, status => 'won'));
    is is_now($org), 'pro 1', 'won';
};

subtest 'a period that was billed is paid with its invoice' => sub {
    my $org = paid(1);
    my ($invoice) = @{ $stripe->ask(GET => 'invoices', 'subscription=' . row($org)->{provider_id})->{data} };
    $t->db->do(q{INSERT INTO billing_periods (tenant_id, organization_id, period_start, period_end, provider, currency, seat_cost, seat_count, total_cost) VALUES (?, ?, to_timestamp(?), to_timestamp(?), 'stripe', 'usd', 4000, 1, 4000)}, undef, $ann->tenant_id, $org, $invoice->{period_start}, $invoice->{period_end});
    told({ %{ made('invoice.payment_succeeded') }, data => { object => $invoice } });
    is_deeply [ $t->db->selectrow_array('SELECT status, provider_id FROM billing_periods WHERE organization_id = ?', undef, $org) ], [ 'paid', $invoice->{id} ];
};

# Usage of the traces of an organization, as whoever takes them in puts it down; the day is so many after the start of its period.
sub used ($org, $metric, $quantity, $days) {
    state $project = $ann->post('/api/v1/app/projects', { name => 'Site' })->json('/id');
    return $t->db->do(q{INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
        SELECT ?, ?, ?, (s.period_start AT TIME ZONE 'UTC')::date + ?::integer, s.organization_id, ?, ?, 1 FROM subscriptions s WHERE s.organization_id = ?},
        undef, $ann->tenant_id, '00000000-0000-0000-0000-000000000000', $metric, $days, $project, $quantity, $org);
}
sub periods ($org) { return $t->db->selectall_arrayref(q{SELECT status, provider_id, currency, seat_count, seat_cost, usage_costs ->> 'tokens' AS tokens, usage_costs ->> 'spans' AS spans, usage_quantities ->> 'tokens' AS used_tokens,
    usage_quantities ->> 'spans' AS used_spans, total_cost, id, invoiced_at IS NOT NULL AS is_invoiced, extract(epoch FROM period_start)::bigint AS period_start, extract(epoch FROM period_end)::bigint AS period_end FROM billing_periods WHERE organization_id = ?}, { Slice => {} }, $org) }
sub items ($invoice) { return sort { $b->{amount} <=> $a->{amount} } @{ $stripe->ask(GET => 'invoiceitems', "invoice=$invoice")->{data} } }
sub amounts ($invoice) { return join ' ', map { $_->{amount} } items($invoice) }
sub drafted ($org) { my ($one) = grep { $_->{status} eq 'draft' } @{ $stripe->ask(GET => 'invoices', 'subscription=' . row($org)->{provider_id})->{data} }; return $one }

# What happens when the period is over, to be told; before it began so many days ago.
sub renewed ($org) {
    my ($end) = $t->db->selectrow_array('SELECT extract(epoch FROM period_end)::bigint FROM subscriptions WHERE organization_id = ?', undef, $org);
    $stripe->command(clock => { to => $end + 60 });
    return $stripe->events;
}

# A job that has failed in passing is tried again now, until there is none.
sub tried () {
    return eventually {
        $t->db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'billing.period' AND state = 'scheduled'});
        !$t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('webhook.in', 'billing.look', 'billing.period') AND state IN ('scheduled', 'queued', 'running')})
    } 100, 'the worker is done with all that it can do';
}

sub used_up () {
    $stripe->command(clock => { to => time - 40 * 86_400 });
    my $org = paid(2, 'pm_card_visa', 'developer');
    used($org, span_tokens => 1_000_000, 0);
    used($org, spans => 400_000, 1);
    used($org, spans => 200_000, 27);
    return $org;
}

subtest 'what was used in a period is added to its invoice while that is a draft, once' => sub {
    $stripe->command(drafts => { for_s => 3600 });
    my $org = used_up();
    used($org, span_tokens => 9_000_000, $_) for -1, 31;    # a period is of 28 to 31 days, of which the last is the next one's first
    my ($start, $end) = $t->db->selectrow_array('SELECT extract(epoch FROM period_start)::bigint, extract(epoch FROM period_end)::bigint FROM subscriptions WHERE organization_id = ?', undef, $org);
    my @events  = renewed($org);
    my $invoice = drafted($org)->{id};
    told(@events), tried();
    my ($period) = @{ periods($org) };
    is_deeply { %$period, id => undef }, { status => 'invoiced', provider_id => $invoice, currency => 'usd', seat_count => 2, seat_cost => 8000, tokens => 20, spans => 30, used_tokens => 1_000_000, used_spans => 600_000, total_cost => 8050,
        id => undef, is_invoiced => 1, period_start => $start, period_end => $end }, 'the period, as it was';
    my @items = items($invoice);
    is_deeply [ map { [ @$_{qw(amount currency customer invoice description)}, $_->{metadata}{usage_type}, $_->{metadata}{quantity} ] } @items ],
        [ [ 30, 'usd', row($org)->{customer_id}, $invoice, 'Traces: 600000 spans', 'spans', 600_000 ], [ 20, 'usd', row($org)->{customer_id}, $invoice, 'Traces: 1000000 tokens', 'tokens', 1_000_000 ] ], 'an item for each kind of usage';
    is_deeply $_->{period}, { start => $start, end => $end }, '  of the period' for @items;
    is_deeply [ @{ $_->{metadata} }{qw(tenant_id organization_id period_id)} ], [ $ann->tenant_id, $org, $period->{id} ], '  which says whose it is' for @items;
    my @more = $stripe->events;
    ok scalar(grep { $_->{type} eq 'invoice.updated' } @more), 'Stripe tells of the items';
    told(@more, reverse @events), tried();
    told(map { { %$_, id => "$_->{id}_again" } } @events), tried();
    is amounts($invoice), '30 20', '  and nothing is added twice, whatever comes again';
    $t->db->do(q{UPDATE billing_periods SET status = 'pending', invoiced_at = NULL WHERE organization_id = ?}, undef, $org);
    used($org, spans => 5_000_000, 2);
    told(map { { %$_, id => "$_->{id}_lost" } } @events), tried();
    is amounts($invoice), '30 20', '  or what became of it was not put down';
    is join(' ', map { "$_->{status} $_->{total_cost}" } @{ periods($org) }), 'invoiced 8050', '  it stays as it was';
    $stripe->command(clock => { by_s => 3600 });
    told(), tried();
    is join(' ', map { "$_->{status} $_->{provider_id}" } @{ periods($org) }), "paid $invoice", 'paid with its invoice';
    is $stripe->ask(GET => "invoices/$invoice")->{amount_paid}, 8050, '  seats and usage';
    told(map { { %$_, id => "$_->{id}_late" } } @events), tried();
    is periods($org)->[0]{status}, 'paid', '  whatever is told then';
};

subtest 'of a period without usage there is the seats\' price alone' => sub {
    $stripe->command(clock => { to => time - 40 * 86_400 });
    my $org = paid(1);
    used($org, spans => 9_999, 1);
    my @events = renewed($org);
    told(@events), tried();
    is_deeply [ map { [ @$_{qw(status spans used_spans total_cost)} ] } @{ periods($org) } ], [ [ 'invoiced', undef, 9_999, 4000 ] ], 'what costs less than a cent is stored';
    is amounts(drafted($org)->{id}), '', '  and no item';
};

subtest 'a period without length, and an invoice that is no draft any more' => sub {
    $stripe->command(drafts => { for_s => 3600, of_nothing => true });
    my $org = used_up();
    told(renewed($org)), tried();
    ok drafted($org), 'there is a draft';
    is_deeply periods($org), [], '  of no time';
    $stripe->command(drafts => { for_s => 3600 });
    my $late   = used_up();
    my @events = renewed($late);
    my $invoice = drafted($late)->{id};
    $stripe->command(clock => { by_s => 3600 });
    told(@events), tried();
    is_deeply periods($late), [], 'one that was sent meanwhile gets nothing';
    is amounts($invoice), '';
};

subtest 'Stripe fails, refuses, or has another currency' => sub {
    $t->expect_log(qr/invoiceitems|invoice_not_editable|are priced in eur/);
    my $org = used_up();
    my @events  = renewed($org);
    my $invoice = drafted($org)->{id};
    $stripe->command(fail => [ { match => 'POST /v1/invoiceitems', times => 3, lose => 'after' } ]);
    told(@events), tried();
    is amounts($invoice), '30 20', 'answers that are lost: each item once';
    is periods($org)->[0]{status}, 'invoiced';
    my $refused = used_up();
    @events  = renewed($refused);
    $invoice = drafted($refused)->{id};
    $stripe->command(fail => [ { match => 'POST /v1/invoiceitems', times => 1, status => 400, error => { type => 'invalid_request_error', code => 'invoice_not_editable' } } ]);
    told(@events), tried();
    is join(' ', map { $_->{status} } @{ periods($refused) }), 'pending', 'one that is refused: the period waits';
    like $t->db->selectrow_array(q{SELECT last_error FROM jobs WHERE kind = 'billing.period' AND state = 'failed' AND payload ->> 'id' = ?}, undef, $invoice), qr/invoice_not_editable/, '  and the job says why';
    told(map { { %$_, id => "$_->{id}_again" } } @events), tried();
    is join(' ', map { $_->{status} } @{ periods($refused) }) . ' ' . amounts($invoice), 'invoiced 30 20', '  for the next that is told of the draft';
    my $foreign = used_up();
    @events = renewed($foreign);
    $t->db->do(q{UPDATE billing_prices SET price = price || '{"currency": "eur"}', read_at = now() WHERE provider_id = ?}, undef, $price{spans});
    told(@events), tried();
    is_deeply periods($foreign), [], 'a price in another currency: nothing is stored';
    like $t->db->selectrow_array(q{SELECT last_error FROM jobs WHERE kind = 'billing.period' AND state = 'failed' AND payload ->> 'organization' = ?}, undef, $foreign), qr/spans are priced in eur, and the invoice is in usd/, '  and the job says why';
    $stripe->command(drafts => { for_s => 0 });
    $stripe->command(clock => { to => time });
    $stripe->events;
};

subtest 'what cannot be processed is answered with success, and stays to be looked at' => sub {
    json_is +($stripe->deliver($t, [ made('charge.refunded', object => 'charge', payment_intent => [1], refunded => true) ], path => $path))[0], '', { status => 'success' };
    done();
    is $t->db->selectrow_array(q{SELECT state FROM webhook_events WHERE event_id = ?}, undef, "evt_made_$n"), 'ignored';
};
