# The client of Stripe (providers/stripe.h) against a Stripe that keeps state:
# build/stripe_asker asks, t/lib/stub_stripe answers.

use v5.36;
use lib 't/lib';
use Ashlar::Assert qw(eventually);
use Ashlar::Cluster ();
use Ashlar::Receiver;
use Ashlar::Stripe;
use Cpanel::JSON::XS ();
use IPC::Open2 'open2';
use Test::More;

my $json   = Cpanel::JSON::XS->new->utf8->canonical;
my $stripe = Ashlar::Stripe->start;
my $DAY    = 86400;

sub asker ($timeout_ms = 20_000) {
    my $pid = open2(my $out, my $in, "$Ashlar::Cluster::BUILD/stripe_asker", $stripe->url, 'sk_test_stub', $timeout_ms);
    return { pid => $pid, out => $out, in => $in };
}
my $asker = asker();

# Ask: a method and path, the form, and members of struct stripe_call; a POST has an operation of its own.
sub ask ($what, $form = undef, %call) {
    state $n = 0;
    my $by = delete $call{by} // $asker;
    my ($method, $resource) = split / /, $what;
    my %line = (method => $method, resource => $resource, defined $form ? (form => $form) : (), $method eq 'POST' ? (operation => 'test/' . ++$n) : (), %call);
    my $in   = $by->{in};
    print $in $json->encode(\%line), "\n";
    $in->flush;
    return $json->decode(readline($by->{out}) // die "stripe_asker has ended\n");
}

# The object, of a call that is done.
sub done ($what, $form = undef, %call) {
    my $got = ask($what, $form, %call);
    die "$what: $got->{reason} ", $got->{message} // '', "\n" if $got->{err} ne 'OK';
    return $got->{said};
}

sub fails ($got, $err, %want) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $name = delete $want{name} // $err;
    is_deeply { err => $got->{err}, map { $_ => $got->{$_} } keys %want }, { err => $err, %want }, $name or diag $json->encode($got);
    return;
}

sub asked ($re) { return grep { "$_->{method} $_->{path}" =~ $re } $stripe->seen }

# The events since the last time, by type.
{
    my $last;

    sub told () {
        my $list = done('GET events', { limit => 100, defined $last ? (ending_before => $last) : () });
        $last = $list->{data}[0]{id} if @{ $list->{data} };
        return reverse @{ $list->{data} };
    }
}
sub types () { return [ map { $_->{type} } told() ] }

my %price = map { my ($name, $amount, $currency, $interval) = @$_; $name => done('POST prices', { currency => $currency, unit_amount => $amount, recurring => { interval => $interval }, product_data => { name => $name } })->{id} }
    [ basic => 1000, 'eur', 'month' ], [ pro => 4900, 'eur', 'month' ], [ yearly => 47000, 'eur', 'year' ], [ yen => 500, 'jpy', 'month' ];

# A customer with a card, who has a subscription.
sub customer ($card = 'pm_card_visa') { return done('POST customers', { email => 'ada@example.com', payment_method => $card })->{id} }
sub subscription ($price, %more) { return done('POST subscriptions', { customer => customer(), items => [ { price => $price{$price}, quantity => 1 } ], %more }) }
sub reread ($object) { return ask('GET ' . $object->{object} . 's', undef, id => $object->{id}, expand => $object->{object} eq 'invoice' ? ['payments'] : [])->{read} }

subtest 'a parameter that Stripe does not have is named' => sub {
    fails ask('POST customers', { email => 'a@example.com', mail => 'b' }), 'VALIDATION_ERROR', status => 400, code => 'parameter_unknown', param => 'mail', attempts => 1;
    fails ask('POST subscriptions', { customer => 'cus_1', items => [ { price => 'p', prize => 1 } ] }), 'VALIDATION_ERROR', code => 'parameter_unknown', param => 'items[0][prize]', name => 'in its place';
    fails ask('POST subscriptions', { items => [ { price => 'p' } ] }), 'VALIDATION_ERROR', code => 'parameter_missing', param => 'customer', name => 'as is one that is missing';
    fails ask('POST subscriptions', { customer => 'c', items => [ { quantity => 'two' } ] }), 'VALIDATION_ERROR', code => 'parameter_invalid_integer', param => 'items[0][quantity]', name => 'or no number';
    fails ask('POST subscriptions', { customer => 'c', cancel_at_period_end => 'perhaps' }), 'VALIDATION_ERROR', param => 'cancel_at_period_end', name => 'or no truth';
    fails ask('POST checkout/sessions', { mode => 'subscription', payment_method_types => ['card'] }), 'VALIDATION_ERROR', param => 'payment_method_types', name => 'what the pinned version has no more';
    fails ask('GET invoices/upcoming'), 'NOT_FOUND', status => 404, name => 'as is what it has no more';
    fails ask('POST quotes', {}), 'NOT_FOUND', status => 404, name => 'or never had here';
};

subtest 'what there is not' => sub {
    fails ask('GET customers', undef, id => 'cus_none'), 'NOT_FOUND', status => 404, code => 'resource_missing', name => 'of the path';
    fails ask('POST subscriptions', { customer => customer(), items => [ { price => 'price_none' } ] }), 'NOT_FOUND', status => 400, param => 'items[0][price]', name => 'of the form';
    fails ask('GET customers', undef, id => '../prices'), 'NOT_FOUND', status => 404, name => 'an id does not lead elsewhere';
};

subtest 'texts and metadata come back as they were' => sub {
    my %form = (name => "S\x{f8}ren & S\x{f6}hne = 100 %", metadata => { 'a b' => '1', note => "two\nlines; a+b" });
    my $got  = done('POST customers', {%form});
    is_deeply { map { $_ => $got->{$_} } keys %form }, \%form, 'in a form' or diag $json->encode($got);
    my $now = done('POST customers', { name => '', metadata => { note => undef } }, id => $got->{id});
    is_deeply [ @$now{qw(name metadata)} ], [ undef, { 'a b' => '1' } ], 'what is empty clears';
    is_deeply done('POST customers', { metadata => {} }, id => $got->{id})->{metadata}, {}, 'an empty object all of it';
};

subtest 'an operation is done once' => sub {
    my %op    = (operation => 'tenant/once');
    my $first = ask('POST customers', { email => 'once@example.com' }, %op);
    my $again = ask('POST customers', { email => 'once@example.com' }, %op);
    is_deeply [ map { $_->{is_replayed} } $first, $again ], [ Cpanel::JSON::XS::false(), Cpanel::JSON::XS::true() ], 'the second time is the first again';
    is $again->{said}{id}, $first->{said}{id}, '  with the same customer';
    fails ask('POST customers', { email => 'other@example.com' }, %op), 'IDEMPOTENCY_KEY_REUSED', type => 'idempotency_error', name => 'with other parameters it is refused';
    ok ask('POST products', { name => 'x' }, %op)->{said}, 'another step of it is another request';
    is_deeply [ map { scalar @{ done('GET customers', { email => "$_\@example.com" })->{data} } } qw(once other) ], [ 1, 0 ], 'one customer was made';
    fails ask('POST customers', { nonsense => 1 }, operation => 'tenant/mended'), 'VALIDATION_ERROR', name => 'what was not begun';
    ok ask('POST customers', { name => 'x' }, operation => 'tenant/mended')->{said}, '  can be mended';
};

subtest 'an answer that is lost is asked for again' => sub {
    $stripe->command(fail => [ { match => 'POST /v1/customers', times => 2, lose => 'after' } ]);
    my $got = ask('POST customers', { email => 'lost@example.com' });
    is_deeply [ @$got{qw(err attempts is_replayed)} ], [ 'OK', 3, Cpanel::JSON::XS::true() ], 'and is the first one\'s';
    is @{ done('GET customers', { email => 'lost@example.com' })->{data} }, 1, 'which was done once';
    $stripe->command(fail => [ { match => 'POST /v1/customers', times => 3, lose => 'after' } ]);
    fails ask('POST customers', { email => 'gone@example.com' }, operation => 'tenant/gone'), 'EXTERNAL_SERVICE_ERROR', status => 0, attempts => 3, name => 'three times is enough';
    $got = ask('POST customers', { email => 'gone@example.com' }, operation => 'tenant/gone');
    ok $got->{is_replayed}, 'the operation can be repeated later';
    is @{ done('GET customers', { email => 'gone@example.com' })->{data} }, 1, '  and was done once';
    $stripe->command(fail => [ { match => 'DELETE /v1/customers', times => 1, lose => 'after' } ]);
    fails ask('DELETE customers', undef, id => $got->{said}{id}), 'NOT_FOUND', attempts => 2, name => 'what is deleted the second time is not there';
};

subtest 'Stripe fails, is busy, or slow' => sub {
    $stripe->command(fail => [ { match => 'GET /v1/customers', times => 2, status => 503 } ]);
    is ask('GET customers')->{attempts}, 3, 'a failure that passes is not seen';
    $stripe->command(fail => [ { match => 'POST /v1/customers', times => 1, status => 409, error => { type => 'invalid_request_error', code => 'lock_timeout' } } ]);
    is ask('POST customers', {})->{attempts}, 2, 'nor is an object in use';
    $stripe->command(fail => [ { match => '.', times => 9, status => 500, headers => { 'Stripe-Should-Retry' => 'false' } } ]);
    fails ask('POST customers', {}), 'EXTERNAL_SERVICE_ERROR', status => 500, attempts => 1, type => 'api_error', name => 'one that Stripe says stays';
    $stripe->command(fail => [ { match => '.', times => 9, status => 429, headers => { 'Retry-After' => 60 }, error => { type => 'invalid_request_error', code => 'rate_limit' } } ]);
    fails ask('GET customers'), 'SERVICE_UNAVAILABLE', code => 'rate_limit', retry_after => 60, attempts => 1, name => 'too many requests';
    my $hasty = asker(1000);
    $stripe->command(fail => [ { match => 'POST /v1/customers', times => 1, delay_ms => 5_000 } ]);
    fails ask('POST customers', { email => 'slow@example.com' }, operation => 'tenant/slow', by => $hasty), 'EXTERNAL_SERVICE_ERROR', status => 0, name => 'who is too slow is not waited for';
    $stripe->command(fail => []);
    ok ask('POST customers', { email => 'slow@example.com' }, operation => 'tenant/slow')->{is_replayed}, 'what it did is found by its operation';
    close $hasty->{in};
    waitpid $hasty->{pid}, 0;
};

subtest 'a key leads to its own account' => sub {
    my $mine = customer();
    my $got  = ask('POST customers', { email => 'x@example.com' }, key => 'sk_live_stubacme');
    is $got->{said}{livemode}, Cpanel::JSON::XS::true(), 'a live one to live objects';
    fails ask('GET customers', undef, id => $got->{said}{id}, key => 'sk_test_stubacme'), 'NOT_FOUND', name => 'which the test mode does not have';
    is @{ done('GET customers', undef, key => 'rk_live_stubacme')->{data} }, 1, 'a restricted key reads';
    fails ask('POST customers', {}, key => 'rk_live_stubacme'), 'SERVICE_UNAVAILABLE', status => 403, code => 'more_permissions_required', name => '  and may not write';
    fails ask('GET customers', undef, key => 'sk_test_other'), 'SERVICE_UNAVAILABLE', status => 401, name => 'an unknown one leads nowhere';
    fails ask('GET customers', undef, key => 'pk_test_stub'), 'SERVICE_UNAVAILABLE', status => 0, attempts => 0, name => 'a publishable one is not sent';
    is ask('GET customers', undef, id => $mine)->{err}, 'OK', 'none is the global one';
};

subtest 'lists are read page by page' => sub {
    my $key = 'sk_test_stubpages';
    my @ids = reverse map { done('POST customers', {}, key => $key)->{id} } 1 .. 5;
    my (@read, $after);
    do {
        my $got = ask('GET customers', { limit => 2, defined $after ? (starting_after => $after) : () }, key => $key);
        push @read, map { $_->{id} } @{ $got->{said}{data} };
        $after = $got->{read}{next};
    } while defined $after;
    is_deeply \@read, \@ids, 'each once, the newest first';
};

subtest 'a checkout becomes a subscription' => sub {
    my $customer = done('POST customers', { email => 'ada@example.com' })->{id};
    my $session  = done('POST checkout/sessions', { mode => 'subscription', customer => $customer, success_url => 'https://app.example.com/', line_items => [ { price => $price{pro}, quantity => 2 } ],
        client_reference_id => 'org-1', metadata => { surface => 'platform' }, subscription_data => { metadata => { organization => '1' } } });
    is_deeply [ @$session{qw(status amount_total payment_status)} ], [ 'open', 9800, 'unpaid' ], 'at first it is open';
    like $session->{url}, qr{\Ahttps://checkout\.stripe\.com/}, 'with a page of Stripe\'s';
    told();
    $stripe->command(complete => { session => $session->{id} });
    my $got = ask('GET checkout/sessions', undef, id => $session->{id}, expand => [ 'subscription', 'invoice.payments' ])->{said};
    is_deeply [ @$got{qw(status payment_status)} ], [ 'complete', 'paid' ], 'then it is paid';
    is $got->{invoice}{payments}{data}[0]{amount_paid}, 9800, 'what is expanded comes along';
    my $read = reread($got->{subscription});
    is_deeply { map { $_ => $read->{$_} } qw(status price quantity unit_amount interval currency will_cancel) },
        { status => 'active', price => $price{pro}, quantity => 2, unit_amount => 4900, interval => 'month', currency => 'eur', will_cancel => 0 }, 'the subscription';
    ok $read->{period_end} > $read->{period_start} + 27 * $DAY, 'its period is its item\'s';
    is_deeply $got->{subscription}{metadata}, { organization => '1' }, 'with its metadata';
    $read = reread($got->{invoice});
    is_deeply { map { $_ => $read->{$_} } qw(status total amount_paid subscription reason) },
        { status => 'paid', total => 9800, amount_paid => 9800, subscription => $got->{subscription}{id}, reason => 'subscription_create' }, 'the invoice names its subscription';
    my $paid = ask('GET payment_intents', undef, id => $read->{payment_intent})->{read};
    is_deeply [ @$paid{qw(status amount_received currency)} ], [ 'succeeded', 9800, 'eur' ], 'and its payment';
    is_deeply [ grep { /session|subscription|paid/ } @{ types() } ], [qw(invoice_payment.paid invoice.paid customer.subscription.created checkout.session.completed)], 'all of which is told';
    fails ask('POST checkout/sessions', undef, id => $session->{id}, action => 'expire'), 'VALIDATION_ERROR', name => 'what is complete does not expire';
    my $embedded = done('POST checkout/sessions', { mode => 'subscription', ui_mode => 'embedded_page', return_url => 'https://app.example.com/', line_items => [ { price => $price{pro} } ] });
    ok $embedded->{client_secret} && !$embedded->{url}, 'an embedded one has a secret in place of a page';
    like done('POST billing_portal/sessions', { customer => $customer, return_url => 'https://app.example.com/' })->{url}, qr{\Ahttps://billing\.stripe\.com/}, 'and the portal has one';
};

subtest 'a declined card' => sub {
    my $form = sub ($card, %more) { return { amount => 500, currency => 'eur', payment_method => $card, confirm => 'true', %more } };
    my $got  = ask('POST payment_intents', $form->('pm_card_chargeDeclinedInsufficientFunds'), operation => 'tenant/charge');
    fails $got, 'PAYMENT_DECLINED', status => 402, type => 'card_error', code => 'card_declined', decline_code => 'insufficient_funds', attempts => 1;
    like $got->{reason}, qr/\AStripe: status 402, card_error, card_declined, insufficient_funds, req_\w+\z/, 'the log has the reason alone';
    fails ask('POST payment_intents', $form->('pm_card_chargeDeclinedInsufficientFunds'), operation => 'tenant/charge'), 'PAYMENT_DECLINED', is_replayed => Cpanel::JSON::XS::true(), name => 'as the same operation it stays declined';
    is ask('POST payment_intents', { payment_method => 'pm_card_visa' }, id => $got->{payment_intent}, action => 'confirm')->{read}{status}, 'succeeded', 'the payment can be made with another card';
    fails ask('POST payment_intents', $form->('pm_card_authenticationRequired', off_session => 'true', error_on_requires_action => 'true')), 'PAYMENT_DECLINED', code => 'authentication_required', name => 'without the customer, what they have to confirm fails';
    my $waits = done('POST payment_intents', $form->('pm_card_authenticationRequired'));
    is $waits->{status}, 'requires_action', 'with them it waits';
    is $stripe->command(confirm => { payment_intent => $waits->{id} })->{status}, 'succeeded', '  until it is confirmed';
    is ask('POST payment_intents', $form->('pm_card_visa', currency => 'jpy'))->{read}{amount_received}, 500, 'yen have no cents';
    fails ask('POST subscriptions', { customer => customer('pm_card_chargeCustomerFail'), items => [ { price => $price{pro} } ], payment_behavior => 'error_if_incomplete' }), 'PAYMENT_DECLINED', name => 'a subscription that cannot be paid';
    my $customer = customer('pm_card_chargeCustomerFail');
    my $sub      = done('POST subscriptions', { customer => $customer, items => [ { price => $price{pro} } ] }, expand => ['latest_invoice.confirmation_secret']);
    is $sub->{status}, 'incomplete', '  is incomplete, where that is allowed';
    like $sub->{latest_invoice}{confirmation_secret}{client_secret}, qr/\Api_\w+_secret_/, '  with what the customer pays it by';
    my $card = done('POST payment_methods', { customer => $customer }, id => 'pm_card_visa', action => 'attach')->{id};
    is done('POST invoices', { payment_method => $card }, id => $sub->{latest_invoice}{id}, action => 'pay')->{status}, 'paid', '  paid with another card';
    is reread($sub)->{status}, 'active', '  it is active';
};

# What an upgrade to pro makes due now, as it is shown and as it is then paid.
subtest 'what a preview shows is what is due' => sub {
    my $sub  = subscription('basic');
    my %item = (items => [ { id => $sub->{items}{data}[0]{id}, price => $price{pro}, quantity => 3 } ], proration_behavior => 'always_invoice');
    $stripe->command(clock => { by_s => 10 * $DAY });
    my $shown = ask('POST invoices/create_preview', { subscription => $sub->{id}, subscription_details => {%item} });
    is $shown->{read}{status}, 'draft', 'a preview is a draft';
    is_deeply [ map { $_->{amount} <=> 0 } @{ $shown->{said}{lines}{data} } ], [ -1, 1 ], 'of what comes back and what is due';
    is reread($sub)->{price}, $price{basic}, 'and changes nothing';
    my $got = ask('POST subscriptions', {%item}, id => $sub->{id}, expand => ['latest_invoice.payments']);
    is_deeply [ @{ $got->{read} }{qw(price quantity status)} ], [ $price{pro}, 3, 'active' ], 'the change';
    is $got->{said}{latest_invoice}{amount_paid}, $shown->{read}{amount_due}, 'costs as much';
    is $got->{read}{period_end}, $sub->{items}{data}[0]{current_period_end}, 'in the same period';
    $shown = ask('POST invoices/create_preview', { subscription => $sub->{id} })->{read};
    is $shown->{amount_due}, 3 * 4900, 'the next invoice is the new price';
    $stripe->command(clock => { to => $got->{read}{period_end} });
    my $next = reread(reread_invoice($sub));
    is_deeply [ @$next{qw(status amount_paid reason)} ], [ 'paid', 3 * 4900, 'subscription_cycle' ], '  and is then paid';
    my $year = [ { id => $sub->{items}{data}[0]{id}, price => $price{yearly}, quantity => 1 } ];
    $shown = ask('POST invoices/create_preview', { subscription => $sub->{id}, subscription_details => { items => $year } })->{read};
    $got = ask('POST subscriptions', { items => $year }, id => $sub->{id}, expand => ['latest_invoice']);
    is $got->{said}{latest_invoice}{amount_paid}, $shown->{amount_due}, 'to yearly at once';
    is $got->{read}{interval}, 'year', '  with a new period';
    ok $got->{read}{period_end} > $got->{read}{period_start} + 364 * $DAY, '  of a year';
};

sub reread_invoice ($sub) { return { object => 'invoice', id => reread($sub)->{latest_invoice} } }

subtest 'a downgrade waits for the period\'s end' => sub {
    my $sub      = subscription('pro');
    my $schedule = done('POST subscription_schedules', { from_subscription => $sub->{id} });
    is reread($sub)->{schedule}, $schedule->{id}, 'a schedule has the subscription';
    my $now = $schedule->{phases}[0];
    done('POST subscription_schedules', { end_behavior => 'release', phases => [
        { items => [ map { { price => $_->{price}, quantity => $_->{quantity} } } @{ $now->{items} } ], start_date => $now->{start_date}, end_date => $now->{end_date} },
        { items => [ { price => $price{basic}, quantity => 1 } ], proration_behavior => 'none', duration => { interval => 'month', interval_count => 1 } } ] }, id => $schedule->{id});
    is reread($sub)->{price}, $price{pro}, 'until then all is as it was';
    is ask('POST invoices/create_preview', { schedule => $schedule->{id} })->{read}{amount_due}, 1000, 'a preview shows what will be due';
    fails ask('POST subscriptions', { cancel_at_period_end => 'true' }, id => $sub->{id}), 'VALIDATION_ERROR', name => 'cancelling goes by the schedule';
    told();
    $stripe->command(clock => { to => $now->{end_date} });
    is_deeply [ @{ reread($sub) }{qw(price status)} ], [ $price{basic}, 'active' ], 'then it is the smaller plan';
    is reread(reread_invoice($sub))->{amount_paid}, 1000, '  for its price';
    is_deeply [ grep { /schedule|subscription/ } map { $_->{type} } grep { ($_->{data}{object}{subscription} // $_->{data}{object}{id}) =~ /\A(?:$sub->{id}|$schedule->{id})\z/ } told() ],
        [qw(subscription_schedule.updated customer.subscription.updated)], '  and is told';
    done('POST subscription_schedules', undef, id => $schedule->{id}, action => 'release');
    is reread($sub)->{schedule}, undef, 'released, it is free again';
    fails ask('POST subscription_schedules', undef, id => $schedule->{id}, action => 'release'), 'VALIDATION_ERROR', name => '  once';
};

subtest 'cancelled at the end, taken back, and at once' => sub {
    my $sub = subscription('pro');
    ok ask('POST subscriptions', { cancel_at_period_end => 'true' }, id => $sub->{id})->{read}{will_cancel}, 'it will end';
    fails ask('POST invoices/create_preview', { subscription => $sub->{id} }), 'NOT_FOUND', code => 'invoice_upcoming_none', status => 404, name => '  with no next invoice';
    ok !ask('POST subscriptions', { cancel_at_period_end => 'false' }, id => $sub->{id})->{read}{will_cancel}, 'or not';
    my $end = ask('POST subscriptions', { cancel_at_period_end => 'true' }, id => $sub->{id})->{read}{period_end};
    $stripe->command(clock => { to => $end - 1 });
    is reread($sub)->{status}, 'active', 'a second before, it is active';
    told();
    $stripe->command(clock => { to => $end });
    is reread($sub)->{status}, 'canceled', 'then it has ended';
    is_deeply [ map { $_->{type} } grep { $_->{data}{object}{id} eq $sub->{id} } told() ], ['customer.subscription.deleted'], '  which is told';
    fails ask('POST subscriptions', { cancel_at_period_end => 'false' }, id => $sub->{id}), 'VALIDATION_ERROR', name => '  and not taken back';
    my $other = subscription('basic');
    is ask('DELETE subscriptions', { cancellation_details => { comment => 'too dear' } }, id => $other->{id})->{read}{status}, 'canceled', 'one can end at once';
    fails ask('DELETE subscriptions', undef, id => $other->{id}), 'NOT_FOUND', name => '  once';
};

subtest 'a trial, and a renewal that fails' => sub {
    my $sub = subscription('pro', trial_period_days => 14);
    is_deeply [ @{ reread($sub) }{qw(status trial_end)} ], [ 'trialing', $sub->{trial_end} ], 'it begins with a trial';
    is reread(reread_invoice($sub))->{total}, 0, '  that costs nothing';
    told();
    $stripe->command(clock => { to => $sub->{trial_end} - 3 * $DAY });
    is_deeply [ map { $_->{type} } grep { $_->{data}{object}{id} eq $sub->{id} } told() ], ['customer.subscription.trial_will_end'], 'three days before its end that is told';
    $stripe->command(clock => { to => $sub->{trial_end} });
    is_deeply [ @{ reread($sub) }{qw(status period_start)} ], [ 'active', $sub->{trial_end} ], 'then it is paid';
    my $card = done('POST payment_methods', { customer => $sub->{customer} }, id => 'pm_card_chargeCustomerFail', action => 'attach')->{id};
    my $end  = ask('POST subscriptions', { default_payment_method => $card }, id => $sub->{id})->{read}{period_end};
    told();
    $stripe->command(clock => { to => $end });
    is reread($sub)->{status}, 'past_due', 'a renewal that is declined';
    is_deeply [ grep { /failed/ } @{ types() } ], [qw(payment_intent.payment_failed invoice.payment_failed)], '  is told';
    my $good = done('POST payment_methods', { customer => $sub->{customer} }, id => 'pm_card_visa', action => 'attach')->{id};
    done('POST invoices', { payment_method => $good }, id => reread_invoice($sub)->{id}, action => 'pay');
    is reread($sub)->{status}, 'active', '  and can be paid';
    $end = reread($sub)->{period_end};
    $stripe->command(clock => { to => $end + 8 * $DAY });
    is reread($sub)->{status}, 'past_due', 'the next one is tried again';
    $stripe->command(clock => { to => $end + 9 * $DAY });
    is reread($sub)->{status}, 'canceled', '  until it is given up';
};

subtest 'codes and coupons' => sub {
    done('POST coupons', { id => 'HALF', percent_off => '50', duration => 'once' });
    my $code = done('POST promotion_codes', { promotion => { type => 'coupon', coupon => 'HALF' }, code => 'Spring', max_redemptions => 1 });
    my $list = done('GET promotion_codes', { code => 'SPRING', active => 'true' }, expand => ['data.promotion.coupon']);
    is $list->{data}[0]{promotion}{coupon}{percent_off}, 50, 'a code is found in any case, with its coupon';
    my %form = (items => [ { price => $price{pro} } ]);
    is ask('POST invoices/create_preview', { customer => customer(), subscription_details => {%form}, discounts => [ { promotion_code => $code->{id} } ] })->{read}{amount_due}, 2450, 'a preview has it';
    my $sub = done('POST subscriptions', { customer => customer(), %form, discounts => [ { promotion_code => $code->{id} } ] });
    is reread(reread_invoice($sub))->{amount_paid}, 2450, 'the first invoice, too';
    is ask('POST invoices/create_preview', { subscription => $sub->{id} })->{read}{amount_due}, 4900, '  the second not';
    fails ask('POST subscriptions', { customer => customer(), %form, discounts => [ { promotion_code => $code->{id} } ] }), 'VALIDATION_ERROR', code => 'promotion_code_expired', param => 'discounts[0]', name => 'what is used up is refused';
    fails ask('GET coupons', undef, id => 'none'), 'NOT_FOUND', name => 'no such coupon';
    done('DELETE coupons', undef, id => 'HALF');
    fails ask('POST subscriptions', { customer => customer(), %form, discounts => [ { coupon => 'HALF' } ] }), 'VALIDATION_ERROR', code => 'coupon_expired', name => 'nor one that was deleted';
};

subtest 'events are posted, signed, in their order' => sub {
    my $key      = 'sk_test_stubhook';
    my $receiver = Ashlar::Receiver->start;
    my %hook     = (url => $receiver->url('/in'), secret => 'whsec_of_this_test');
    my $good     = sub ($post, $secret = $hook{secret}) {
        my $in = $asker->{in};
        print $in $json->encode({ signature => $post->{headers}{'stripe-signature'}, body => $post->{body}, secret => $secret }), "\n";
        $in->flush;
        return $json->decode(scalar readline $asker->{out})->{is_good} ? 1 : 0;
    };
    my @came;
    my $came = sub ($n) { return (@came = $receiver->requests('/in')) >= $n };
    $stripe->command(hook => { %hook, lose => '^product' }, $key);
    my $product = done('POST products', { name => 'Pro' }, key => $key)->{id};
    my $price   = done('POST prices', { product => $product, currency => 'eur', unit_amount => 1 }, key => $key)->{id};
    eventually { $came->(1) } 30, 'one comes';
    is $json->decode($came[0]{body})->{data}{object}{id}, $price, '  but for what is lost';
    is_deeply [ $good->($came[0]), $good->($came[0], 'whsec_other'), $good->({ %{ $came[0] }, body => $came[0]{body} . ' ' }) ], [ 1, 0, 0 ], '  that our verifier believes, as it is';
    my @events = map { $_->{id} } @{ done('GET events', undef, key => $key)->{data} };
    is_deeply $stripe->command(deliver => { ids => \@events }, $key), [ 200, 200 ], 'and again, the newest first';
    is_deeply [ map { $json->decode($_->{body})->{id} } ($receiver->requests('/in'))[ 1, 2 ] ], \@events, '  in the order that the test wants';
    $stripe->command(deliver => { ids => [ $events[0] ], age_s => 301 }, $key);
    is $good->(($receiver->requests('/in'))[3]), 0, 'an old one is not believed';
};

subtest 'every request was well formed' => sub {
    my @posts = asked(qr/\APOST/);
    is_deeply [ grep { ($_->{headers}{'idempotency-key'} // '') !~ /\Aashlar-[\w-]{43}\z/ } @posts ], [], 'a POST has its key';
    is_deeply [ grep { ($_->{headers}{'content-type'} // '') ne 'application/x-www-form-urlencoded' } @posts ], [], '  and is a form';
    is_deeply [ grep { $_->{headers}{'stripe-version'} ne Ashlar::Stripe::version() } $stripe->seen ], [], 'each says the version';
    is $stripe->log, "port $stripe->{port}\n", 'and the stub made no mistake';
};

close $asker->{in};
waitpid $asker->{pid}, 0;
is $?, 0, 'the asker ends';
$stripe->stop;
done_testing;
