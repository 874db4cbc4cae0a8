package Ashlar::Stripe::Billing;

# The part of an account (Ashlar::Stripe::Account) that bills: subscriptions, their
# schedules and invoices, previews, and what happens as time goes by.  A preview
# and the invoice that follows are made of the same lines.

use v5.36;
use Cpanel::JSON::XS ();
use Storable 'dclone';
use Time::Local 'timegm_modern';

my ($T, $F) = (Cpanel::JSON::XS::true(), Cpanel::JSON::XS::false());
my $RETRY_S = 3 * 86400;    # a failed renewal is tried again so much later, three times
*refuse = \&Ashlar::Stripe::Account::refuse;

# One billing period later; the last day of a month that is too short.
sub after ($at, $recurring) {
    my ($n, $unit) = @$recurring{qw(interval_count interval)};
    return $at + $n * ($unit eq 'day' ? 86400 : 7 * 86400) if $unit =~ /day|week/;
    my ($s, $m, $h, $day, $month, $year) = gmtime $at;
    $month += $n * ($unit eq 'year' ? 12 : 1);
    $year  += int $month / 12;
    $month %= 12;
    my $last = (31, $year % 4 ? 28 : 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[$month];
    return timegm_modern($s, $m, $h, $day > $last ? $last : $day, $month, $year + 1900);
}

sub share ($amount, $part, $whole) { return $whole ? int($amount * $part / $whole + ($amount < 0 ? -0.5 : 0.5)) : 0 }

sub discount_of ($self, $sum, @coupons) {
    my $off = 0;
    for (@coupons) { $off += $_->{percent_off} ? share($sum - $off, $_->{percent_off} * 100, 10000) : $_->{amount_off} }
    return $off < 0 ? 0 : $off > $sum ? ($sum > 0 ? $sum : 0) : $off;
}

#
# Subscriptions
#

sub _item ($self, $sub, $given, $param) {
    my $price = $given->{price_data} ? $self->post_prices(undef, { %{ $given->{price_data} } }) : $self->need('price', $given->{price}, "${param}[price]");
    refuse(400, 'invalid_request_error', 'The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.', param => "${param}[price]") if !$price->{recurring};
    refuse(400, 'invalid_request_error', 'The price specified is inactive.', param => "${param}[price]") if !$price->{active};
    return { id => $self->id('si'), object => 'subscription_item', created => $self->now, discounts => [], metadata => {}, quantity => $given->{quantity} // 1, subscription => $sub->{id}, tax_rates => [], price => dclone($price) };
}

sub _items ($sub) { return @{ $sub->{items}{data} } }

sub _list ($url, @data) { return { object => 'list', has_more => $F, url => $url, data => \@data } }

sub _period ($sub, $start, $end) { @$_{qw(current_period_start current_period_end)} = ($start, $end) for _items($sub); return }

sub post_subscriptions ($self, $, $p) {
    my $customer = $self->need('customer', $p->{customer}, 'customer');
    refuse(400, 'invalid_request_error', 'Missing required param: items.', code => 'parameter_missing', param => 'items') if !@{ $p->{items} // [] };
    my $card = $p->{default_payment_method};
    $self->need('payment_method', $card, 'default_payment_method') if defined $card;
    my @discounts = $self->discounts($p->{discounts});
    my $trial = $p->{trial_period_days} ? $self->now + $p->{trial_period_days} * 86400 : $p->{trial_end} && $p->{trial_end} ne 'now' ? $p->{trial_end} + 0 : undef;
    refuse(400, 'invalid_request_error', 'Trial end must be in the future', param => 'trial_end') if $trial && $trial <= $self->now;
    my $sub = $self->put('sub', 'subscription', customer => $customer->{id}, status => 'active', billing_cycle_anchor => $trial // $self->now, cancel_at => undef, cancel_at_period_end => $p->{cancel_at_period_end} ? $T : $F,
        canceled_at => undef, cancellation_details => { comment => undef, feedback => undef, reason => undef }, collection_method => $p->{collection_method} // 'charge_automatically', days_until_due => $p->{days_until_due},
        default_payment_method => $card, description => $p->{description}, discounts => [], ended_at => undef, latest_invoice => undef, metadata => $p->{metadata} // {}, pause_collection => undef,
        pending_setup_intent => undef, pending_update => undef, schedule => undef, start_date => $self->now, trial_start => $trial ? $self->now : undef, trial_end => $trial, test_clock => undef,
        billing_mode => { type => 'flexible', flexible => undef }, automatic_tax => { enabled => $F, disabled_reason => undef, liability => undef }, payment_settings => $p->{payment_settings} // {});
    my @items = map { $self->_item($sub, $p->{items}[$_], "items[$_]") } 0 .. $#{ $p->{items} };
    $sub->{items}    = _list("/v1/subscription_items?subscription=$sub->{id}", @items);
    $sub->{currency} = $items[0]{price}{currency};
    $customer->{currency} //= $sub->{currency};
    refuse(400, 'invalid_request_error', 'You cannot combine currencies on a single customer.', param => 'currency') if $customer->{currency} ne $sub->{currency} || grep { $_->{price}{currency} ne $sub->{currency} } @items;
    $self->redeem($sub, $customer->{id}, $sub->{id}, @discounts);
    my $end = $trial // after($self->now, $items[0]{price}{recurring});
    _period($sub, $self->now, $end);
    $sub->{status} = $trial ? 'trialing' : 'incomplete';
    my $invoice = $self->_invoice($sub, 'subscription_create', map { _line($_, $trial ? 0 : $_->{price}{unit_amount} * $_->{quantity}, $self->now, $end, $trial ? 'Trial period' : undef) } @items);
    my $how = $p->{payment_behavior} // 'allow_incomplete';
    if ($invoice->{status} eq 'open' && $how ne 'default_incomplete' && $sub->{collection_method} eq 'charge_automatically') {
        my $declined = $self->_pay($invoice, off_session => $p->{off_session});
        if ($declined && $how eq 'error_if_incomplete') { delete $declined->{keep}; die $declined }
    }
    $sub->{status} = 'active' if !$trial && ($invoice->{status} eq 'paid' || $sub->{collection_method} eq 'send_invoice');
    $self->happened('customer.subscription.created', $sub);
    return $sub;
}

# Lines for what a change of items makes due at a time: back for the old, in full for the new, each for the rest of the period.
sub _prorations ($self, $sub, $new, $at) {
    my @lines;
    for my $item (_items($sub), grep { my $n = $_; !grep { $_->{id} eq $n->{id} } _items($sub) } @$new) {
        my ($old) = grep { $_->{id} eq $item->{id} } _items($sub);
        my ($now) = grep { $_->{id} eq $item->{id} } @$new;
        next if $old && $now && $old->{price}{id} eq $now->{price}{id} && $old->{quantity} == $now->{quantity};
        my ($start, $end) = @{ (_items($sub))[0] }{qw(current_period_start current_period_end)};
        push @lines, _line($old, -share($old->{price}{unit_amount} * $old->{quantity}, $end - $at, $end - $start), $at, $end, 'Unused time') if $old;
        push @lines, _line($now, share($now->{price}{unit_amount} * $now->{quantity}, $end - $at, $end - $start), $at, $end, 'Remaining time') if $now;
    }
    $_->{parent}{subscription_item_details}{proration} = $T for @lines;
    return @lines;
}

# The items after a change, and whether their interval is another.
sub _changed_items ($self, $sub, $given, $param) {
    my @new = map { dclone($_) } _items($sub);
    for my $i (0 .. $#{ $given // [] }) {
        my $change = $given->[$i];
        if (!defined $change->{id}) { push @new, { %{ $self->_item($sub, $change, "${param}[$i]") }, map { $_ => (_items($sub))[0]{$_} } qw(current_period_start current_period_end) }; next }
        my ($item) = grep { $_->{id} eq $change->{id} } @new or refuse(400, 'invalid_request_error', "No such subscription item: '$change->{id}'", code => 'resource_missing', param => "${param}[$i][id]");
        if ($change->{deleted}) { @new = grep { $_ != $item } @new; next }
        $item->{price}    = $self->_item($sub, $change, "${param}[$i]")->{price} if defined $change->{price} || $change->{price_data};
        $item->{quantity} = $change->{quantity} if defined $change->{quantity};
    }
    refuse(400, 'invalid_request_error', 'A subscription must have at least one item.', param => $param) if !@new;
    my $was = (_items($sub))[0]{price}{recurring};
    return \@new, join('/', @$was{qw(interval interval_count)}) ne join '/', @{ $new[0]{price}{recurring} }{qw(interval interval_count)};
}

sub post_subscriptions_one ($self, $sub, $p) {
    refuse(400, 'invalid_request_error', 'A canceled subscription can only update its cancellation_details and metadata.') if $sub->{status} =~ /canceled|expired/ && grep { !/metadata|cancellation_details/ } keys %$p;
    if ($sub->{schedule} && ($p->{items} || exists $p->{cancel_at_period_end})) {
        refuse(400, 'invalid_request_error', 'The subscription is managed by the subscription schedule `' . $sub->{schedule} . '`, and updating any cancelation behavior directly is not allowed.') if exists $p->{cancel_at_period_end};
    }
    $self->need('payment_method', $p->{default_payment_method}, 'default_payment_method') if length($p->{default_payment_method} // '');
    my @discounts = exists $p->{discounts} ? $self->discounts($p->{discounts}) : ();
    my $before = $self->update($sub, $p, grep { exists $p->{$_} } qw(metadata default_payment_method description cancel_at_period_end cancellation_details collection_method pause_collection));
    if (exists $before->{cancel_at_period_end}) {
        @$sub{qw(cancel_at canceled_at)} = $sub->{cancel_at_period_end} ? ((_items($sub))[0]{current_period_end}, $self->now) : (undef, undef);
        $sub->{cancellation_details}{reason} = $sub->{cancel_at_period_end} ? 'cancellation_requested' : undef;
    }
    if (exists $p->{cancel_at}) { @$sub{qw(cancel_at canceled_at)} = length $p->{cancel_at} ? ($p->{cancel_at}, $self->now) : (undef, undef) }
    $self->redeem($sub, $sub->{customer}, $sub->{id}, @discounts) if exists $p->{discounts};
    if (($p->{trial_end} // '') eq 'now' && $sub->{status} eq 'trialing') { $self->_renew($sub) }
    if ($p->{items}) {
        my ($new, $other) = $self->_changed_items($sub, $p->{items}, 'items');
        $before->{items} = dclone($sub->{items});
        $self->_change($sub, $new, $other, $p);
    }
    $self->happened('customer.subscription.updated', $sub, $before);
    return $sub;
}

sub _change ($self, $sub, $new, $other_interval, $p) {
    my $how   = $p->{proration_behavior} // 'create_prorations';
    my $at    = $p->{proration_date} // $self->now;
    my @lines = $how eq 'none' || $sub->{status} eq 'trialing' ? () : $self->_prorations($sub, $new, $at);
    $sub->{items}{data} = $new;
    if ($other_interval && $sub->{status} ne 'trialing') {    # a new period begins, and is paid at once
        my $end = after($self->now, $new->[0]{price}{recurring});
        @lines = grep { $_->{amount} < 0 } @lines;
        _period($sub, $self->now, $end);
        $sub->{billing_cycle_anchor} = $self->now;
        push @lines, map { _line($_, $_->{price}{unit_amount} * $_->{quantity}, $self->now, $end) } @$new;
        $how = 'always_invoice';
    }
    return if !@lines;
    if ($how ne 'always_invoice') { push @{ $sub->{_pending} }, @lines; return }
    my $invoice  = $self->_invoice($sub, 'subscription_update', @lines);
    my $declined = $invoice->{status} eq 'open' ? $self->_pay($invoice, off_session => $p->{off_session}) : undef;
    if ($declined && ($p->{payment_behavior} // '') =~ /error_if_incomplete|pending_if_incomplete/) { delete $declined->{keep}; die $declined }
    $sub->{status} = 'past_due' if $declined;
    return;
}

sub subscription_end ($self, $sub, $reason = 'cancellation_requested') {
    @$sub{qw(status ended_at)} = ('canceled', $self->now);
    $sub->{canceled_at} //= $self->now;
    $sub->{cancellation_details}{reason} //= $reason;
    my $schedule = $sub->{schedule} && $self->{objects}{ $sub->{schedule} };
    if ($schedule && $schedule->{status} eq 'active') { @$schedule{qw(status canceled_at)} = ('canceled', $self->now); $self->happened('subscription_schedule.canceled', $schedule) }
    $sub->{schedule} = undef;
    $self->happened('customer.subscription.deleted', $sub);
    return;
}

sub delete_subscriptions_one ($self, $sub, $p) {
    refuse(404, 'invalid_request_error', "No such subscription: '$sub->{id}'", code => 'resource_missing', param => 'id') if $sub->{status} eq 'canceled';
    $self->update($sub, $p, 'cancellation_details');
    $self->subscription_end($sub);
    return $sub;
}

#
# Schedules
#

sub _phase ($self, $given, $i, $start) {
    my @items = map { { price => $self->need('price', $given->{items}[$_]{price}, "phases[$i][items][$_][price]")->{id}, quantity => $given->{items}[$_]{quantity} // 1, metadata => {}, discounts => [], tax_rates => [] } } 0 .. $#{ $given->{items} };
    my $end = $given->{end_date} // after($start, { interval_count => 1, %{ $given->{duration} // $self->{objects}{ $items[0]{price} }{recurring} } });
    return { items => \@items, start_date => $start, end_date => $end, proration_behavior => $given->{proration_behavior} // 'create_prorations', metadata => $given->{metadata} // {}, discounts => [], currency => $self->{objects}{ $items[0]{price} }{currency}, add_invoice_items => [], trial_end => undef };
}

sub post_subscription_schedules ($self, $, $p) {
    refuse(400, 'invalid_request_error', 'from_subscription is what is served here', param => 'from_subscription') if !defined $p->{from_subscription};
    refuse(400, 'invalid_request_error', 'You cannot set `phases` if `from_subscription` is set.', param => 'phases') if $p->{phases} || $p->{end_behavior};
    my $sub = $self->need('subscription', $p->{from_subscription}, 'from_subscription');
    refuse(400, 'invalid_request_error', 'The subscription is already attached to a schedule.', param => 'from_subscription') if $sub->{schedule} || $sub->{status} eq 'canceled';
    my ($start, $end) = @{ (_items($sub))[0] }{qw(current_period_start current_period_end)};
    my $phase = $self->_phase({ items => [ map { { price => $_->{price}{id}, quantity => $_->{quantity} } } _items($sub) ], end_date => $end }, 0, $start);
    my $one = $self->put('sub_sched', 'subscription_schedule', status => 'active', subscription => $sub->{id}, customer => $sub->{customer}, end_behavior => 'release', phases => [$phase], metadata => $p->{metadata} // {},
        current_phase => { start_date => $start, end_date => $end }, canceled_at => undef, completed_at => undef, released_at => undef, released_subscription => undef, default_settings => {}, pause_schedules => [], test_clock => undef);
    $sub->{schedule} = $one->{id};
    $self->happened('subscription_schedule.created', $one);
    $self->happened('customer.subscription.updated', $sub, { schedule => undef });
    return $one;
}

sub post_subscription_schedules_one ($self, $one, $p) {
    refuse(400, 'invalid_request_error', "You cannot update a subscription schedule that is $one->{status}.") if $one->{status} ne 'active';
    if ($p->{phases}) {
        my @phases;
        for my $i (0 .. $#{ $p->{phases} }) {
            my $given = $p->{phases}[$i];
            my $start = @phases ? $phases[-1]{end_date} : $given->{start_date} // refuse(400, 'invalid_request_error', 'The first phase needs a start_date.', code => 'parameter_missing', param => 'phases[0][start_date]');
            refuse(400, 'invalid_request_error', 'A phase starts when the one before ends.', param => "phases[$i][start_date]") if defined $given->{start_date} && $given->{start_date} != $start;
            push @phases, $self->_phase($given, $i, $start);
        }
        refuse(400, 'invalid_request_error', 'The current phase cannot be moved.', param => 'phases[0][start_date]') if $phases[0]{start_date} != $one->{current_phase}{start_date};
        $one->{phases} = \@phases;
        $one->{current_phase}{end_date} = $phases[0]{end_date};
    }
    $self->update($one, $p, grep { exists $p->{$_} } qw(end_behavior metadata));
    $self->happened('subscription_schedule.updated', $one);
    return $one;
}

sub _detach ($self, $one, $status, $field) {
    my $sub = $self->{objects}{ $one->{subscription} };
    @$one{ 'status', $field } = ($status, $self->now);
    @$one{qw(released_subscription subscription)} = ($sub->{id}, undef) if $status eq 'released';
    $one->{current_phase} = undef;
    $sub->{schedule} = undef;
    $self->happened("subscription_schedule.$status", $one);
    return $sub;
}

sub post_subscription_schedules_one_release ($self, $one, $) {
    refuse(400, 'invalid_request_error', "You cannot release a subscription schedule that is $one->{status}.") if $one->{status} ne 'active';
    my $id = $one->{id};
    $self->happened('customer.subscription.updated', $self->_detach($one, 'released', 'released_at'), { schedule => $id });
    return $one;
}

sub post_subscription_schedules_one_cancel ($self, $one, $) {
    refuse(400, 'invalid_request_error', "You cannot cancel a subscription schedule that is $one->{status}.") if $one->{status} ne 'active';
    $self->subscription_end($self->_detach($one, 'canceled', 'canceled_at'));
    return $one;
}

#
# Invoices
#

sub _line ($item, $amount, $start, $end, $what = undef) {
    my $price = $item->{price};
    return { object => 'line_item', amount => $amount, currency => $price->{currency}, description => ($what // "$item->{quantity} × $price->{id}"), discountable => $T, discounts => [], discount_amounts => [], metadata => {}, quantity => $item->{quantity},
        period => { start => $start, end => $end }, subtotal => $amount, taxes => [], pricing => { type => 'price_details', price_details => { price => $price->{id}, product => $price->{product} }, unit_amount_decimal => "$price->{unit_amount}" },
        parent => { type => 'subscription_item_details', invoice_item_details => undef, subscription_item_details => { subscription => $item->{subscription}, subscription_item => $item->{id}, proration => $F, invoice_item => undef } } };
}

# An invoice of lines, without a trace in the account.
sub _draft ($self, $sub, $reason, @lines) {
    my $customer = $self->{objects}{ $sub->{customer} };
    my @coupons  = map { my $d = $self->{objects}{$_}; ref $_ ? $_ : $d ? $self->{objects}{ $d->{source}{coupon} } : () } @{ $sub->{discounts} };
    my $sum      = 0;
    $sum += $_->{amount} for @lines;
    my $off     = $self->discount_of($sum, @coupons);
    my $total   = $sum - $off;
    my $balance = $customer->{balance};
    my $due     = $total + $balance;
    my ($start, $end) = @{ (_items($sub))[0] }{qw(current_period_start current_period_end)};
    return { object => 'invoice', created => $self->now, livemode => $self->{live} ? $T : $F, customer => $customer->{id}, customer_email => $customer->{email}, customer_name => $customer->{name}, currency => $sub->{currency}, status => 'draft',
        billing_reason => $reason, collection_method => $sub->{collection_method}, number => undef, subtotal => $sum, total => $total, amount_due => $due > 0 ? $due : 0, amount_paid => 0, amount_remaining => $due > 0 ? $due : 0, amount_overpaid => 0, amount_shipping => 0,
        starting_balance => $balance, ending_balance => $due < 0 ? $due : 0, total_discount_amounts => [ $off ? { amount => $off, discount => ref $sub->{discounts}[0] ? 'di_preview' : $sub->{discounts}[0] } : () ], discounts => [ map { ref $_ ? 'di_preview' : $_ } @{ $sub->{discounts} } ], total_taxes => [], attempt_count => 0, attempted => $F, auto_advance => $T, next_payment_attempt => undef, due_date => undef,
        period_start => $start, period_end => $end, hosted_invoice_url => undef, invoice_pdf => undef, metadata => {}, default_payment_method => undef, description => undef,
        parent => { type => 'subscription_details', quote_details => undef, subscription_details => { metadata => $sub->{metadata}, subscription => $sub->{id} } },
        status_transitions => { finalized_at => undef, marked_uncollectible_at => undef, paid_at => undef, voided_at => undef }, lines => _list('/v1/invoices/lines', @lines) };
}

# An invoice that is due at once.
sub _invoice ($self, $sub, $reason, @lines) { return $self->_finalize($sub, $self->_made($sub, $reason, {}, @lines)) }

# A draft, with what differs in it: a renewal's is of the period that is over.
sub _made ($self, $sub, $reason, $over, @lines) {
    my $one = { %{ $self->_draft($sub, $reason, @lines) }, %$over };
    $one = $self->put('in', 'invoice', %$one);
    $_->{id} = $self->id('il'), $_->{invoice} = $one->{id} for @lines;
    $one->{lines}{url} = "/v1/invoices/$one->{id}/lines";
    $self->happened('invoice.created', $one);
    $sub->{latest_invoice} = $one->{id};
    return $one;
}

sub _finalize ($self, $sub, $one) {
    my $customer = $self->{objects}{ $one->{customer} };
    $customer->{balance} = $one->{ending_balance};
    $one->{number} = sprintf '%s-%04d', $customer->{invoice_prefix}, ++$self->{invoices};
    @$one{qw(status hosted_invoice_url invoice_pdf)} = ('open', "https://invoice.stripe.com/i/$one->{id}", "https://pay.stripe.com/invoice/$one->{id}/pdf");
    $one->{status_transitions}{finalized_at} = $self->now;
    $self->{objects}{$_}{end} = $self->now for grep { my $c = $self->{objects}{ $self->{objects}{$_}{source}{coupon} }; $c->{duration} eq 'once' } @{ $sub->{discounts} };
    $sub->{discounts} = [ grep { !defined $self->{objects}{$_}{end} } @{ $sub->{discounts} } ];
    $self->happened('invoice.finalized', $one);
    if (!$one->{amount_due}) { $self->_paid($one); return $one }
    my $intent = $self->post_payment_intents(undef, { amount => $one->{amount_due}, currency => $one->{currency}, customer => $one->{customer}, metadata => {}, description => 'Subscription' });
    $self->put('inpay', 'invoice_payment', invoice => $one->{id}, amount_requested => $one->{amount_due}, amount_paid => undef, currency => $one->{currency}, is_default => $T, status => 'open', payment => { type => 'payment_intent', payment_intent => $intent->{id} }, status_transitions => { canceled_at => undef, paid_at => undef });
    return $one;
}

sub _paid ($self, $one) {
    @$one{qw(status amount_paid amount_remaining attempted next_payment_attempt)} = ('paid', $one->{amount_due}, 0, $T, undef);
    $one->{status_transitions}{paid_at} = $self->now;
    for (grep { $_->{invoice} eq $one->{id} } $self->all('invoice_payment')) {
        @$_{qw(status amount_paid)} = ('paid', $one->{amount_due});
        $_->{status_transitions}{paid_at} = $self->now;
        $self->happened('invoice_payment.paid', $_);
    }
    $self->happened($_, $one) for qw(invoice.paid invoice.payment_succeeded);
    return;
}

# Try to collect an invoice: undef, or Stripe's refusal.
sub _pay ($self, $one, %how) {
    my $sub = $self->{objects}{ $one->{parent}{subscription_details}{subscription} };
    my ($intent) = map { $self->{objects}{ $_->{payment}{payment_intent} } } grep { $_->{invoice} eq $one->{id} } $self->all('invoice_payment');
    my $pm = $how{payment_method} // $sub->{default_payment_method} // $self->{objects}{ $one->{customer} }{invoice_settings}{default_payment_method};
    $one->{attempt_count}++;
    $one->{attempted} = $T;
    my $declined;
    if (!defined $pm) { $declined = { status => 400, type => 'invalid_request_error', message => 'This customer has no attached payment source or default payment method.', code => 'resource_missing' } }
    elsif (!eval { $self->post_payment_intents_one_confirm($intent, { payment_method => $pm, %how{ grep { defined $how{$_} } qw(off_session _by_customer) } }) }) { $declined = $@; die $declined if !ref $declined }
    elsif ($intent->{status} ne 'succeeded') {
        $declined = { status => 402, type => 'card_error', message => 'This payment requires additional user action.', code => 'invoice_payment_intent_requires_action', payment_intent => $self->show($intent), keep => 1 };
        $self->happened('invoice.payment_action_required', $one);
    }
    if ($declined) { $self->happened('invoice.payment_failed', $one); return $declined }
    $self->_paid($one);
    return;
}

sub post_invoices_one_pay ($self, $one, $p) {
    refuse(400, 'invalid_request_error', 'Invoice is already paid', code => 'invoice_already_paid') if $one->{status} eq 'paid';
    refuse(400, 'invalid_request_error', "Invoice is $one->{status}", code => 'invoice_not_editable') if $one->{status} ne 'open';
    if ($p->{paid_out_of_band}) { $self->_paid($one) }
    elsif (my $declined = $self->_pay($one, %$p)) { die $declined }
    my $sub = $self->{objects}{ $one->{parent}{subscription_details}{subscription} };
    if ($sub->{status} =~ /incomplete\z|past_due|unpaid/ && $sub->{latest_invoice} eq $one->{id}) {
        my $was = $sub->{status};
        $sub->{status} = 'active';
        $self->happened('customer.subscription.updated', $sub, { status => $was });
    }
    return $one;
}

sub post_invoices_one_void ($self, $one, $) {
    refuse(400, 'invalid_request_error', 'You can only pass in open invoices.') if $one->{status} ne 'open';
    $one->{status} = 'void';
    $one->{status_transitions}{voided_at} = $self->now;
    $self->happened('invoice.voided', $one);
    return $one;
}

# Of a draft, or for the next invoice of a subscription.
sub post_invoiceitems ($self, $, $p) {
    return $self->_draft_item($self->need('invoice', $p->{invoice}, 'invoice'), $p) if defined $p->{invoice};
    my $sub = $self->need('subscription', $p->{subscription}, 'subscription');
    my $item = (_items($sub))[0];
    my $one  = $self->put('ii', 'invoiceitem', amount => $p->{amount}, currency => $p->{currency} // $sub->{currency}, customer => $sub->{customer}, description => $p->{description}, date => $self->now, discountable => $T, invoice => undef, proration => $F, metadata => $p->{metadata} // {},
        period => $p->{period} // { start => $self->now, end => $self->now }, quantity => $p->{quantity} // 1);
    my $line = _line($item, $p->{amount}, $one->{period}{start}, $one->{period}{end}, $p->{description});
    $line->{parent} = { type => 'invoice_item_details', subscription_item_details => undef, invoice_item_details => { invoice_item => $one->{id}, subscription => $sub->{id}, proration => $F } };
    push @{ $sub->{_pending} }, $line;
    return $one;
}

sub _draft_item ($self, $invoice, $p) {
    refuse(400, 'invalid_request_error', 'The invoice does not belong to this customer.', param => 'invoice') if $invoice->{customer} ne ($p->{customer} // '');
    refuse(400, 'invalid_request_error', "Invoice $invoice->{id} is no draft and can't be modified.", code => 'invoice_not_editable', param => 'invoice') if $invoice->{status} ne 'draft';
    refuse(400, 'invalid_request_error', "The currency must match the invoice's.", param => 'currency') if $p->{currency} ne $invoice->{currency};
    my $period = $p->{period} // { start => $self->now, end => $self->now };
    my $one    = $self->put('ii', 'invoiceitem', amount => $p->{amount}, currency => $p->{currency}, customer => $invoice->{customer}, description => $p->{description}, date => $self->now, discountable => $T, invoice => $invoice->{id},
        proration => $F, metadata => $p->{metadata} // {}, period => $period, quantity => 1);
    push @{ $invoice->{lines}{data} }, { id => $self->id('il'), object => 'line_item', invoice => $invoice->{id}, amount => $p->{amount}, currency => $p->{currency}, description => $p->{description}, discountable => $T, discounts => [], discount_amounts => [],
        metadata => $one->{metadata}, quantity => 1, period => $period, subtotal => $p->{amount}, taxes => [], pricing => undef,
        parent => { type => 'invoice_item_details', subscription_item_details => undef, invoice_item_details => { invoice_item => $one->{id}, subscription => undef, proration => $F } } };
    $invoice->{$_} += $p->{amount} for qw(subtotal total amount_due amount_remaining);
    $self->happened('invoiceitem.created', $one);
    $self->happened('invoice.updated', $invoice);
    return $one;
}

# What would be due: by a change now, at the end of the period, or of a subscription that there is not yet.
sub post_invoices_create_preview ($self, $, $p) {
    my $details = $p->{subscription_details} // {};
    my $schedule = defined $p->{schedule} ? $self->need('subscription_schedule', $p->{schedule}, 'schedule') : undef;
    my ($sub, @lines);
    if (defined($p->{subscription} // ($schedule && $schedule->{subscription}))) {
        $sub = dclone($self->need('subscription', $p->{subscription} // $schedule->{subscription}, 'subscription'));
        refuse(404, 'invalid_request_error', 'No upcoming invoices for customer', code => 'invoice_upcoming_none') if $sub->{status} eq 'canceled' || (($sub->{cancel_at_period_end} || $details->{cancel_at_period_end}) && !$details->{items});
        $sub->{discounts} = [ map { $_->[0] } $self->discounts($p->{discounts}) ] if $p->{discounts};
        my ($new, $other) = $self->_changed_items($sub, $details->{items}, 'subscription_details[items]');
        my $how = $details->{proration_behavior} // 'create_prorations';
        my @change = $how eq 'none' || $sub->{status} eq 'trialing' ? () : $self->_prorations($sub, $new, $details->{proration_date} // $self->now);
        my $end = (_items($sub))[0]{current_period_end};
        if ($other) { my $next = after($self->now, $new->[0]{price}{recurring}); @lines = ((grep { $_->{amount} < 0 } @change), map { _line($_, $_->{price}{unit_amount} * $_->{quantity}, $self->now, $next) } @$new) }
        elsif ($how eq 'always_invoice') { @lines = @change }
        else {
            my ($phase) = $schedule ? grep { $_->{start_date} == $end } @{ $schedule->{phases} } : ();
            $new->[$_]{price} = dclone($self->{objects}{ $phase->{items}[$_]{price} }), $new->[$_]{quantity} = $phase->{items}[$_]{quantity} for $phase ? 0 .. $#{ $phase->{items} } : ();
            @lines = (@change, @{ $sub->{_pending} // [] }, map { _line($_, $_->{price}{unit_amount} * $_->{quantity}, $end, after($end, $_->{price}{recurring})) } @$new);
        }
    }
    else {
        refuse(400, 'invalid_request_error', 'You must pass a subscription, subscription_details[items], a schedule or invoice_items.', param => 'subscription') if !@{ $details->{items} // [] };
        my $customer = $self->need('customer', $p->{customer}, 'customer');
        $sub = { id => undef, customer => $customer->{id}, collection_method => 'charge_automatically', metadata => {}, discounts => [ map { $_->[0] } $self->discounts($p->{discounts}) ] };
        $sub->{items} = { data => [ map { $self->_item($sub, $details->{items}[$_], "subscription_details[items][$_]") } 0 .. $#{ $details->{items} } ] };
        $sub->{currency} = (_items($sub))[0]{price}{currency};
        _period($sub, $self->now, after($self->now, (_items($sub))[0]{price}{recurring}));
        @lines = map { _line($_, $_->{price}{unit_amount} * $_->{quantity}, @$_{qw(current_period_start current_period_end)}) } _items($sub);
    }
    my $one = $self->_draft($sub, 'upcoming', @lines);
    $one->{id} = 'upcoming_in_stub' . ++$self->{n};
    $_->{id} = 'il_tmp_stub' . ++$self->{n}, $_->{invoice} = $one->{id} for @lines;
    return $one;
}

#
# Time
#

sub _renew ($self, $sub) {
    my $was = $sub->{status};
    my $start = $was eq 'trialing' ? $self->now : (_items($sub))[0]{current_period_end};
    my $began = (_items($sub))[0]{current_period_start};
    my $next  = after($start, (_items($sub))[0]{price}{recurring});
    my %before = (items => dclone($sub->{items}), status => $was);
    _period($sub, $start, $next);
    @$sub{qw(trial_end billing_cycle_anchor)} = ($self->now, $self->now) if $was eq 'trialing';
    my $invoice = $self->_made($sub, 'subscription_cycle', { period_start => $self->{drafts}{of_nothing} ? $start : $began, period_end => $start }, @{ delete $sub->{_pending} // [] }, map { _line($_, $_->{price}{unit_amount} * $_->{quantity}, $start, $next) } _items($sub));
    $sub->{status} = 'active';
    if ($self->{drafts}{for_s}) { $invoice->{_finalizes_at} = $self->now + $self->{drafts}{for_s} }
    else                        { $self->_collect($sub, $invoice) }
    $self->happened('customer.subscription.updated', $sub, \%before);
    return;
}

# A draft's time is over.
sub _draft_over ($self, $invoice) {
    my $sub = $self->{objects}{ $invoice->{parent}{subscription_details}{subscription} };
    my $was = $sub->{status};
    $self->_collect($sub, $invoice);
    $self->happened('customer.subscription.updated', $sub, { status => $was }) if $sub->{status} ne $was;
    return;
}

sub _collect ($self, $sub, $invoice) {
    $self->_finalize($sub, $invoice);
    my $declined = $invoice->{status} eq 'open' ? $self->_pay($invoice, off_session => 1) : return;
    return if !$declined;
    $sub->{status} = 'past_due';
    $invoice->{next_payment_attempt} = $self->now + $RETRY_S;
    return;
}

sub _retry ($self, $invoice) {
    my $sub = $self->{objects}{ $invoice->{parent}{subscription_details}{subscription} };
    my $declined = $self->_pay($invoice, off_session => 1);
    $invoice->{next_payment_attempt} = $declined && $invoice->{attempt_count} < 4 ? $self->now + $RETRY_S : undef;
    if (!$declined) { $sub->{status} = 'active'; $self->happened('customer.subscription.updated', $sub, { status => 'past_due' }) }
    elsif ($invoice->{attempt_count} >= 4) { $self->subscription_end($sub, 'payment_failed') }
    return;
}

sub _next_phase ($self, $schedule, $phase) {
    my $sub = $self->{objects}{ $schedule->{subscription} };
    if (!$phase) {
        my $ends = $schedule->{end_behavior} eq 'cancel';
        $self->_detach($schedule, $ends ? 'completed' : 'released', $ends ? 'completed_at' : 'released_at');
        return $ends ? $self->subscription_end($sub) : $self->happened('customer.subscription.updated', $sub, { schedule => $schedule->{id} });
    }
    $schedule->{current_phase} = { map { $_ => $phase->{$_} } qw(start_date end_date) };
    my @items = _items($sub);
    $items[$_]{price} = dclone($self->{objects}{ $phase->{items}[$_]{price} }), $items[$_]{quantity} = $phase->{items}[$_]{quantity} for 0 .. $#{ $phase->{items} };
    return $self->happened('subscription_schedule.updated', $schedule);
}

# What is due next, as [when, before what else at that time, what].
sub _due ($self) {
    my @due;
    for my $sub (grep { $_->{status} =~ /\A(?:trialing|active|past_due|incomplete)\z/ } $self->all('subscription')) {
        my $end = (_items($sub))[0]{current_period_end};
        if ($sub->{status} eq 'incomplete') { push @due, [ $sub->{created} + 23 * 3600, 0, sub { $sub->{status} = 'incomplete_expired'; $sub->{ended_at} = $self->now; $self->happened('customer.subscription.updated', $sub, { status => 'incomplete' }) } ]; next }
        push @due, [ $sub->{cancel_at} // $end, 0, sub { $self->subscription_end($sub) } ] if $sub->{cancel_at_period_end} || $sub->{cancel_at};
        push @due, [ $end, 2, sub { $self->_renew($sub) } ];
        push @due, [ $sub->{trial_end} - 3 * 86400, 0, sub { $sub->{_warned} = 1; $self->happened('customer.subscription.trial_will_end', $sub) } ] if $sub->{status} eq 'trialing' && !$sub->{_warned};
    }
    for my $one (grep { $_->{status} eq 'active' } $self->all('subscription_schedule')) {
        my ($next) = grep { $_->{start_date} == $one->{current_phase}{end_date} } @{ $one->{phases} };
        push @due, [ $one->{current_phase}{end_date}, 1, sub { $self->_next_phase($one, $next) } ];
    }
    push @due, map { my $one = $_; [ $one->{next_payment_attempt}, 3, sub { $self->_retry($one) } ] } grep { $_->{status} eq 'open' && $_->{next_payment_attempt} } $self->all('invoice');
    push @due, map { my $one = $_; [ $one->{_finalizes_at}, 3, sub { $self->_draft_over($one) } ] } grep { $_->{status} eq 'draft' && $_->{_finalizes_at} } $self->all('invoice');
    return (sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @due)[0];
}

# Until that time, with all that happens on the way.
sub advance ($self, $to) {
    while (my $next = $self->_due) {
        last if $next->[0] > $to;
        $self->{now} = $next->[0] if $next->[0] > $self->{now};
        $next->[2]->();
    }
    $self->{now} = $to;
    return;
}

1;
