package Ashlar::Stripe::Account;

# An account at Stripe: its objects, what operations do to them, its clock, and the
# events that tell of it.  Objects have the members that Stripe documents for the version of
# providers/stripe.h, as far as something reads them.  Members that begin with
# an underscore are for here alone.

use v5.36;
use Cpanel::JSON::XS ();
use Storable 'dclone';
use Ashlar::Stripe::Params ();
use parent -norequire, 'Ashlar::Stripe::Billing';
use Ashlar::Stripe::Billing ();

my ($T, $F) = (Cpanel::JSON::XS::true(), Cpanel::JSON::XS::false());

# Stripe's test cards, by the payment method that stands for each.
my %CARD = (
    pm_card_visa                            => {},
    pm_card_mastercard                      => { brand => 'mastercard' },
    pm_card_chargeDeclined                  => { refuses => 'generic_decline', attaches => 0 },
    pm_card_chargeDeclinedInsufficientFunds => { refuses => 'insufficient_funds', attaches => 0 },
    pm_card_chargeCustomerFail              => { refuses => 'generic_decline' },
    pm_card_authenticationRequired          => { confirms => 1 },
);

sub new ($class, %arg) {
    return bless { now => int time, n => 0, objects => {}, order => [], events => [], fresh => [], %arg }, $class;
}

sub now ($self) { return $self->{now} }
sub id  ($self, $prefix) { return sprintf '%s_stub%06d', $prefix, ++$self->{n} }

# Everything as it was, for an operation that is refused half way.
sub snapshot ($self) { return dclone({ %$self{qw(n objects order events fresh)} }) }
sub restore ($self, $was) { @$self{ keys %$was } = values %$was; return }

sub refuse ($status, $type, $message, %more) { die { status => $status, type => $type, message => $message, %more } }

sub put ($self, $prefix, $object, %more) {
    my $one = { object => $object, created => $self->now, livemode => $self->{live} ? $T : $F, metadata => {}, %more };
    $one->{id} //= $self->id($prefix);
    $self->{objects}{ $one->{id} } = $one;
    push @{ $self->{order} }, $one->{id};
    return $one;
}

# An object that must be there: of the path (404), or of a parameter (400).
sub need ($self, $object, $id, $param = undef) {
    my $one = $self->{objects}{ $id // '' };
    return $one if $one && $one->{object} eq $object && (defined $param || !$one->{deleted});
    refuse(defined $param ? 400 : 404, 'invalid_request_error', "No such $object: '" . ($id // '') . "'", code => 'resource_missing', param => $param // 'id');
}

sub all ($self, $object) { return grep { $_->{object} eq $object && !$_->{deleted} } @{ $self->{objects} }{ @{ $self->{order} } } }

# What is shown of an object: a copy without what is ours, what was asked for expanded.
sub show ($self, $one, @expand) {
    my $copy = _without_ours(dclone($one));
    $self->_expand($copy, split(/\./, $_), '') for @expand;
    return $copy;
}

sub _without_ours ($value) {
    if    (ref $value eq 'HASH')  { delete @$value{ grep { /\A_/ } keys %$value }; _without_ours($_) for values %$value }
    elsif (ref $value eq 'ARRAY') { _without_ours($_) for @$value }
    return $value;
}

sub _expand ($self, $at, $name, @rest) {
    return if $name eq '';
    if (ref $at eq 'ARRAY') { $self->_expand($_, $name, @rest) for @$at; return }
    if ($at->{object} && $at->{object} eq 'invoice' && $name eq 'payments') {
        $at->{payments} = { object => 'list', has_more => $F, url => '/v1/invoice_payments', data => [ map { _without_ours(dclone($_)) } grep { $_->{invoice} eq $at->{id} } $self->all('invoice_payment') ] };
    }
    elsif ($at->{object} && $at->{object} eq 'invoice' && $name eq 'confirmation_secret') {
        my ($intent) = map { $self->{objects}{ $_->{payment}{payment_intent} } } grep { $_->{invoice} eq $at->{id} } $self->all('invoice_payment');
        $at->{confirmation_secret} = $intent ? { client_secret => $intent->{client_secret}, type => 'payment_intent' } : undef;
    }
    elsif (!exists $at->{$name}) {
        refuse(400, 'invalid_request_error', "This property cannot be expanded ($name).", param => 'expand');
    }
    for my $value (ref $at->{$name} eq 'ARRAY' ? @{ $at->{$name} } : $at->{$name}) {
        next if ref $value || !defined $value;
        my $there = $self->{objects}{$value} or refuse(400, 'invalid_request_error', "This property cannot be expanded ($name).", param => 'expand');
        $value = _without_ours(dclone($there));
    }
    $self->_expand($at->{$name}, @rest) if ref $at->{$name};
    return;
}

# An event: the object as it is now.
sub happened ($self, $type, $one, $before = undef) {
    my $event = $self->put('evt', 'event', type => $type, api_version => $self->{version}, pending_webhooks => 1,
        request => { id => $self->{request}, idempotency_key => $self->{key} }, data => { object => $self->show($one), $before ? (previous_attributes => $before) : () });
    delete $event->{metadata};
    push @{ $self->{fresh} }, $event->{id};
    return;
}

sub update ($self, $one, $p, @names) {
    my %before;
    for (@names) {
        next if !exists $p->{$_};
        $before{$_} = ref $one->{$_} ? dclone($one->{$_}) : $one->{$_};
        $one->{$_} = ref $p->{$_} eq 'HASH' && %{ $p->{$_} } ? { %{ $one->{$_} // {} }, %{ $p->{$_} } } : $p->{$_};
        if ($_ eq 'metadata') { delete @{ $one->{$_} }{ grep { $one->{metadata}{$_} eq '' } keys %{ $one->{metadata} } } }
        elsif (!ref $one->{$_} && defined $one->{$_} && $one->{$_} eq '') { $one->{$_} = undef }
        $one->{$_} = $one->{$_} ? $T : $F if /\A(?:active|cancel_at_period_end)\z/;
    }
    return \%before;
}

# An operation by its name, such as "POST customers/:id": what it answers with.
sub run ($self, $operation, $id, $p) {
    my ($method, $path) = split / /, $operation;
    my @expand = @{ delete $p->{expand} // [] };
    return { id => $self->{account}, object => 'account', country => 'DE', default_currency => 'eur', charges_enabled => $T, email => 'owner@example.com', type => 'standard' } if $operation eq 'GET account';
    return $self->list($path, $p, @expand) if $method eq 'GET' && $path !~ /:id/;
    my $name = join '_', lc $method, $path =~ s{/:id}{_one}r =~ s{/}{_}gr;
    my %object = (customers => 'customer', products => 'product', prices => 'price', coupons => 'coupon', promotion_codes => 'promotion_code', payment_methods => 'payment_method',
        'checkout/sessions' => 'checkout.session', subscriptions => 'subscription', subscription_schedules => 'subscription_schedule', invoices => 'invoice',
        payment_intents => 'payment_intent', events => 'event', tax_ids => 'tax_id');
    my $object = $object{ $path =~ s{/:id.*}{}r };
    if ($method eq 'GET') {
        my $there = $self->{objects}{$id};    # who was deleted is shown as that
        return { id => $id, object => 'customer', deleted => $T } if $there && $there->{deleted} && $object eq 'customer';
        return $self->show($self->need($object, $id), @expand);
    }
    my $code = $self->can($name) or die "$name is not written\n";
    my $one  = $code->($self, $path =~ /:id/ && $name ne 'post_payment_methods_one_attach' ? $self->need($object, $id) : $id, $p);
    return ref $one eq 'HASH' ? $self->show($one, @expand) : $one;
}

my %FILTER = (
    email => sub ($o, $v) { lc($o->{email} // '') eq lc $v },
    code  => sub ($o, $v) { lc $o->{code} eq lc $v },
    coupon => sub ($o, $v) { $o->{promotion}{coupon} eq $v },
    active => sub ($o, $v) { !$o->{active} == !$v },
    price  => sub ($o, $v) { grep { $_->{price}{id} eq $v } @{ $o->{items}{data} } },
    ids    => sub ($o, $v) { grep { $_ eq $o->{id} } @$v },
    owner  => sub ($o, $v) { $o->{owner}{type} eq $v->{type} && ($o->{owner}{customer} // '') eq ($v->{customer} // '') },
    types  => sub ($o, $v) { grep { $_ eq $o->{type} } @$v },
    lookup_keys => sub ($o, $v) { grep { $_ eq ($o->{lookup_key} // '') } @$v },
    created => sub ($o, $v) { ($o->{created} > ($v->{gt} // -1)) && $o->{created} >= ($v->{gte} // 0) && $o->{created} < ($v->{lt} // 1e12) && $o->{created} <= ($v->{lte} // 1e12) },
    subscription => sub ($o, $v) { ($o->{object} eq 'invoice' ? $o->{parent} && $o->{parent}{subscription_details}{subscription} : $o->{subscription} // '') eq $v },
);

sub list ($self, $path, $p, @expand) {
    my %object = ('checkout/sessions' => 'checkout.session');
    my $limit  = $p->{limit} // 10;
    refuse(400, 'invalid_request_error', 'This value must be between 1 and 100', code => 'parameter_invalid_integer', param => 'limit') if $limit < 1 || $limit > 100;
    my @all = reverse $self->all($object{$path} // $path =~ s/s\z//r);
    my ($after, $before, $status) = map { delete $p->{$_} } qw(starting_after ending_before status);
    delete $p->{limit};
    if ($path eq 'subscriptions') {
        @all = grep { !defined $status ? $_->{status} ne 'canceled' : $status eq 'all' || $status eq $_->{status} || $status eq 'ended' && $_->{status} =~ /canceled|expired/ } @all;
    }
    elsif (defined $status) { @all = grep { $_->{status} eq $status } @all }
    for my $name (sort keys %$p) {
        my $is = $FILTER{$name} // sub ($o, $v) { ($o->{$name} // '') eq $v };
        @all = grep { $is->($_, $p->{$name}) } @all;
    }
    if (defined $after) {
        $self->{objects}{$after} or refuse(400, 'invalid_request_error', "No such object: '$after'", code => 'resource_missing', param => 'starting_after');
        shift @all while @all && $all[0]{id} ne $after;
        shift @all;
    }
    if (defined $before) { @all = map { my @a = @$_; pop @a while @a && $a[-1]{id} ne $before; pop @a; [@a] } [@all]; @all = @{ $all[0] }; @all = @all[ -$limit .. -1 ] if @all > $limit }
    my $more = @all > $limit;
    $#all = $limit - 1 if $more;
    my $shown = { object => 'list', url => "/v1/$path", has_more => $more ? $T : $F, data => [ map { $self->show($_) } @all ] };
    $self->_expand($shown, split(/\./, $_), '') for @expand;
    return $shown;
}

#
# What is sold, and to whom
#

sub post_customers ($self, $, $p) {
    my $pm  = delete $p->{payment_method};
    my $one = $self->put('cus', 'customer', (map { $_ => undef } qw(email name phone description address currency default_source shipping)), balance => 0, delinquent => $F,
        invoice_prefix => 'STUB', invoice_settings => { custom_fields => undef, default_payment_method => undef, footer => undef, rendering_options => undef }, preferred_locales => [], tax_exempt => 'none');
    delete @$p{qw(tax_id_data test_clock tax)};
    $self->update($one, $p, keys %$p);
    $one->{invoice_settings}{default_payment_method} = $self->_attach($pm, $one)->{id} if defined $pm;
    $self->happened('customer.created', $one);
    return $one;
}

sub post_customers_one ($self, $one, $p) {
    $self->need('payment_method', $_, 'invoice_settings[default_payment_method]') for grep { defined } $p->{invoice_settings}{default_payment_method};
    delete $p->{invoice_settings} if !%{ $p->{invoice_settings} // {} };
    my $before = $self->update($one, $p, keys %$p);
    $self->happened('customer.updated', $one, $before);
    return $one;
}

sub delete_customers_one ($self, $one, $) {
    $self->subscription_end($_) for grep { $_->{customer} eq $one->{id} && $_->{status} !~ /canceled|expired/ } $self->all('subscription');
    $self->happened('customer.deleted', $one);
    $one->{deleted} = $T;
    return { id => $one->{id}, object => 'customer', deleted => $T };
}

sub _attach ($self, $pm, $customer) {
    my $there = $self->{objects}{$pm};
    if (!$there) {
        my $card = $CARD{$pm} or refuse(400, 'invalid_request_error', "No such PaymentMethod: '$pm'", code => 'resource_missing', param => 'payment_method');
        refuse(402, 'card_error', 'Your card was declined.', code => 'card_declined', decline_code => $card->{refuses}) if exists $card->{attaches};
        $there = $self->put('pm', 'payment_method', type => 'card', billing_details => {}, _card => $card, card => { brand => $card->{brand} // 'visa', last4 => '4242', exp_month => 12, exp_year => 2040 });
    }
    $there->{customer} = $customer->{id};
    return $there;
}

sub post_payment_methods_one_attach ($self, $id, $p) { return $self->_attach($id, $self->need('customer', $p->{customer}, 'customer')) }

# How a payment method, or a test card by its name, behaves.
sub card ($self, $pm) { return defined $pm ? $CARD{$pm} // ($self->{objects}{$pm} // {})->{_card} : undef }

sub post_products ($self, $, $p) {
    my $price = delete $p->{default_price_data};
    my $one   = $self->put('prod', 'product', active => $T, default_price => undef, description => undef, images => [], unit_label => undef, url => undef, updated => $self->now);
    if (defined $p->{id}) { delete $self->{objects}{ $one->{id} }; $one->{id} = $p->{id}; $self->{objects}{ $one->{id} } = $one; $self->{order}[-1] = $one->{id} }
    $self->update($one, $p, keys %$p);
    $self->happened('product.created', $one);
    $one->{default_price} = $self->post_prices(undef, { %$price, product => $one->{id} })->{id} if $price;
    return $one;
}

sub post_products_one ($self, $one, $p) { $self->happened('product.updated', $one, $self->update($one, $p, keys %$p)); return $one }

sub post_prices ($self, $, $p) {
    my $data = delete $p->{product_data};
    $p->{product} = $self->post_products(undef, $data)->{id} if $data;
    $self->need('product', $p->{product}, 'product');
    my $recurring = delete $p->{recurring};
    refuse(400, 'invalid_request_error', 'Exactly one of unit_amount and unit_amount_decimal', param => 'unit_amount') if defined $p->{unit_amount} == defined $p->{unit_amount_decimal};
    my ($taken) = grep { defined $p->{lookup_key} && ($_->{lookup_key} // '') eq $p->{lookup_key} } $self->all('price');
    refuse(400, 'invalid_request_error', 'A price already uses that lookup key.', param => 'lookup_key') if $taken && !$p->{transfer_lookup_key};
    $taken->{lookup_key} = undef if $taken;
    delete $p->{transfer_lookup_key};
    my $one = $self->put('price', 'price', active => $T, billing_scheme => 'per_unit', lookup_key => undef, nickname => undef, tax_behavior => 'unspecified', tiers_mode => undef,
        custom_unit_amount => undef, transform_quantity => undef, type => $recurring ? 'recurring' : 'one_time',
        recurring => $recurring ? { interval_count => 1, meter => undef, trial_period_days => undef, usage_type => 'licensed', %$recurring } : undef);
    $self->update($one, $p, keys %$p);
    $one->{currency} = lc $one->{currency};
    if (defined $p->{unit_amount}) { $one->{unit_amount_decimal} = "$one->{unit_amount}" }
    else                           { $one->{unit_amount} = $p->{unit_amount_decimal} =~ /\A\d+\z/ ? $p->{unit_amount_decimal} + 0 : undef }
    $self->happened('price.created', $one);
    return $one;
}

sub post_prices_one ($self, $one, $p) { delete $p->{transfer_lookup_key}; $self->happened('price.updated', $one, $self->update($one, $p, keys %$p)); return $one }

sub post_coupons ($self, $, $p) {
    refuse(400, 'invalid_request_error', 'You must pass one of percent_off and amount_off', param => 'percent_off') if !(defined $p->{percent_off} xor defined $p->{amount_off});
    refuse(400, 'invalid_request_error', 'amount_off needs a currency', param => 'currency') if defined $p->{amount_off} && !defined $p->{currency};
    refuse(400, 'invalid_request_error', 'Coupon already exists.', code => 'resource_already_exists') if defined $p->{id} && $self->{objects}{ $p->{id} };
    $p->{percent_off} += 0 if defined $p->{percent_off};
    return $self->put('coupon', 'coupon', amount_off => undef, currency => undef, duration => 'once', duration_in_months => undef, max_redemptions => undef, name => undef,
        percent_off => undef, redeem_by => undef, times_redeemed => 0, valid => $T, %$p);
}
sub delete_coupons_one ($self, $one, $) { $one->{deleted} = $T; return { id => $one->{id}, object => 'coupon', deleted => $T } }

# Of the types those that tests use: a number in the form of its country.
my %TAX_ID = (eu_vat => qr/\A[A-Z]{2}\w{2,12}\z/, gb_vat => qr/\AGB\d{9}\z/, us_ein => qr/\A\d\d-\d{7}\z/);
sub post_tax_ids ($self, $, $p) {
    $self->need('customer', $p->{owner}{customer}, 'owner[customer]') if ($p->{owner}{type} // '') eq 'customer';
    refuse(400, 'invalid_request_error', "Invalid type: must be one of eu_vat, gb_vat, us_ein", code => 'tax_id_invalid', param => 'type') if !$TAX_ID{ $p->{type} };
    refuse(400, 'invalid_request_error', "Invalid value for $p->{type}.", code => 'tax_id_invalid', param => 'value') if $p->{value} !~ $TAX_ID{ $p->{type} };
    my $one = $self->put('txi', 'tax_id', customer => $p->{owner}{customer}, country => substr($p->{value}, 0, 2), owner => $p->{owner}, type => $p->{type}, value => $p->{value}, verification => { status => 'pending', verified_address => undef, verified_name => undef });
    delete $one->{metadata};
    $self->happened('customer.tax_id.created', $one);
    return $one;
}
sub delete_tax_ids_one ($self, $one, $) { $one->{deleted} = $T; return { id => $one->{id}, object => 'tax_id', deleted => $T } }

sub post_promotion_codes ($self, $, $p) {
    $self->need('coupon', $p->{promotion}{coupon}, 'promotion[coupon]');
    my $code = $p->{code} // 'STUB' . ++$self->{n};
    refuse(400, 'invalid_request_error', 'An active promotion code with that code already exists.', param => 'code') if grep { $_->{active} && lc $_->{code} eq lc $code } $self->all('promotion_code');
    my $one = $self->put('promo', 'promotion_code', active => $T, customer => undef, expires_at => undef, max_redemptions => undef, times_redeemed => 0,
        restrictions => { first_time_transaction => $F, minimum_amount => undef, minimum_amount_currency => undef });
    return $self->post_promotion_codes_one($one, { %$p, code => $code });
}
sub post_promotion_codes_one ($self, $one, $p) { $self->update($one, $p, keys %$p); return $one }

# The coupons that discounts of a request stand for; each must be one that can be had now.
sub discounts ($self, $given, $param = 'discounts') {
    my @all;
    for my $i (0 .. $#{ $given // [] }) {
        my $d    = $given->[$i];
        my $code = defined $d->{promotion_code} ? $self->need('promotion_code', $d->{promotion_code}, "${param}[$i][promotion_code]") : undef;
        my $one  = $self->need('coupon', $code ? $code->{promotion}{coupon} : $d->{coupon}, "${param}[$i][coupon]");
        for ($one, $code // ()) {
            my $over = defined $_->{max_redemptions} && $_->{times_redeemed} >= $_->{max_redemptions} || defined($_->{expires_at} // $_->{redeem_by}) && ($_->{expires_at} // $_->{redeem_by}) <= $self->now;
            my $off = $_->{object} eq 'promotion_code' ? !$_->{active} : $_->{deleted};
            refuse(400, 'invalid_request_error', "This $_->{object} cannot be used.", code => $_->{object} eq 'coupon' ? 'coupon_expired' : 'promotion_code_expired', param => "${param}[$i]") if $over || $off;
        }
        push @all, [ $one, $code ];
    }
    return @all;
}

sub redeem ($self, $one, $customer, $subscription, @discounts) {
    my @ids;
    for (@discounts) {
        my ($coupon, $code) = @$_;
        $_->{times_redeemed}++ for $coupon, $code // ();
        my $d = $self->put('di', 'discount', source => { type => 'coupon', coupon => $coupon->{id} }, promotion_code => $code ? $code->{id} : undef, customer => $customer, subscription => $subscription, start => $self->now, end => undef);
        push @ids, $d->{id};
    }
    $one->{discounts} = \@ids;
    return;
}

#
# Pages of Stripe's
#

sub post_checkout_sessions ($self, $, $p) {
    my $mode = $p->{mode} // refuse(400, 'invalid_request_error', 'Missing required param: mode.', code => 'parameter_missing', param => 'mode');
    my $ui   = $p->{ui_mode} // 'hosted_page';
    refuse(400, 'invalid_request_error', "`success_url` must be a URL", param => 'success_url') if $ui eq 'hosted_page' && ($p->{success_url} // '') !~ m{\Ahttps?://};
    refuse(400, 'invalid_request_error', "`return_url` is needed with this ui_mode", param => 'return_url') if $ui =~ /\A(?:embedded_page|elements)\z/ && ($p->{redirect_on_completion} // '') ne 'never' && ($p->{return_url} // '') !~ m{\Ahttps?://};
    refuse(400, 'invalid_request_error', "You can not pass `$_` when `ui_mode` is `$ui`.", param => $_) for grep { $ui ne 'hosted_page' && defined $p->{$_} } qw(success_url cancel_url);
    refuse(400, 'invalid_request_error', 'You may only specify one of these parameters: customer, customer_email.', param => 'customer_email') if defined $p->{customer} && defined $p->{customer_email};
    refuse(400, 'invalid_request_error', 'You may only specify one of these parameters: allow_promotion_codes, discounts.', param => 'discounts') if $p->{allow_promotion_codes} && @{ $p->{discounts} // [] };
    $self->need('customer', $p->{customer}, 'customer') if defined $p->{customer};
    my @discounts = $self->discounts($p->{discounts});
    my @items;
    for my $i (0 .. $#{ $p->{line_items} // [] }) {
        my $item  = $p->{line_items}[$i];
        my $price = $item->{price_data} ? $self->post_prices(undef, { %{ $item->{price_data} } }) : $self->need('price', $item->{price}, "line_items[$i][price]");
        refuse(400, 'invalid_request_error', 'The price specified is inactive.', param => "line_items[$i][price]") if !$price->{active};
        push @items, { price => $price->{id}, quantity => $item->{quantity} // 1 };
    }
    refuse(400, 'invalid_request_error', 'Missing required param: line_items.', code => 'parameter_missing', param => 'line_items') if !@items && $mode ne 'setup';
    refuse(400, 'invalid_request_error', 'You must provide at least one recurring price in `subscription` mode.', param => 'line_items') if $mode eq 'subscription' && !grep { $self->{objects}{ $_->{price} }{recurring} } @items;
    my $sum = 0;
    $sum += $self->{objects}{ $_->{price} }{unit_amount} * $_->{quantity} for @items;
    my $off  = $self->discount_of($sum, map { $_->[0] } @discounts);
    my $test = $self->{live} ? 'live' : 'test';
    my $one  = $self->put('cs', 'checkout.session', id => $self->id("cs_$test"), mode => $mode, ui_mode => $ui, status => 'open', payment_status => $mode eq 'setup' ? 'no_payment_required' : 'unpaid',
        (map { $_ => $p->{$_} } qw(success_url cancel_url return_url customer customer_email client_reference_id locale submit_type)), metadata => $p->{metadata} // {},
        currency => @items ? $self->{objects}{ $items[0]{price} }{currency} : undef, amount_subtotal => $sum, amount_total => $sum - $off, allow_promotion_codes => $p->{allow_promotion_codes} ? $T : undef,
        expires_at => $p->{expires_at} // $self->now + 86400, subscription => undef, payment_intent => undef, invoice => undef, setup_intent => undef, customer_details => undef,
        discounts => [ map { { coupon => $_->[0]{id}, promotion_code => $_->[1] ? $_->[1]{id} : undef } } @discounts ], total_details => { amount_discount => $off, amount_shipping => 0, amount_tax => 0 },
        _items => \@items, _p => $p);
    $one->{client_secret} = $ui eq 'hosted_page' ? undef : "$one->{id}_secret_stub";
    $one->{url} = $ui eq 'hosted_page' ? "https://checkout.stripe.com/c/pay/$one->{id}" : undef;
    return $one;
}

sub post_checkout_sessions_one_expire ($self, $one, $) {
    refuse(400, 'invalid_request_error', "Only Checkout Sessions with a status in [\"open\"] can be expired.") if $one->{status} ne 'open';
    @$one{qw(status url)} = ('expired', undef);
    $self->happened('checkout.session.expired', $one);
    return $one;
}

# The customer is on the session's page, and pays with a test card.
sub complete ($self, $id, $card = 'pm_card_visa', $email = 'customer@example.com') {
    my $one = $self->need('checkout.session', $id);
    refuse(400, 'invalid_request_error', 'The session is not open.') if $one->{status} ne 'open';
    my $p = $one->{_p};
    $one->{customer} //= $self->post_customers(undef, { email => $one->{customer_email} // $email })->{id};
    my $customer = $self->need('customer', $one->{customer});
    my $pm       = $self->_attach($card, $customer)->{id};
    if ($one->{mode} eq 'subscription') {
        my %data = %{ $p->{subscription_data} // {} };
        my $sub = $self->post_subscriptions(undef, { customer => $customer->{id}, items => $one->{_items}, default_payment_method => $pm, payment_behavior => 'error_if_incomplete', %data, discounts => $p->{discounts} });
        @$one{qw(subscription invoice)} = ($sub->{id}, $sub->{latest_invoice});
    }
    elsif ($one->{mode} eq 'payment') {
        my %data = %{ $p->{payment_intent_data} // {} };
        $one->{payment_intent} = $self->post_payment_intents(undef, { amount => $one->{amount_total}, currency => $one->{currency}, customer => $customer->{id}, payment_method => $pm, confirm => 1, error_on_requires_action => 0, %data })->{id};
    }
    @$one{qw(status url)} = ('complete', undef);
    $one->{payment_status} = $one->{subscription} && $self->{objects}{ $one->{subscription} }{status} eq 'trialing' ? 'no_payment_required' : 'paid' if $one->{mode} ne 'setup';
    $one->{customer_details} = { email => $customer->{email}, name => $customer->{name}, phone => undef, address => undef, tax_exempt => 'none', tax_ids => [] };
    $self->happened('checkout.session.completed', $one);
    return $one;
}

sub post_billing_portal_sessions ($self, $, $p) {
    $self->need('customer', $p->{customer}, 'customer');
    for (qw(subscription_cancel subscription_update)) { $self->need('subscription', $p->{flow_data}{$_}{subscription}, "flow_data[$_][subscription]") if $p->{flow_data} && $p->{flow_data}{$_} }
    my $one = $self->put('bps', 'billing_portal.session', configuration => 'bpc_stub', customer => $p->{customer}, return_url => $p->{return_url}, locale => $p->{locale}, on_behalf_of => undef, flow => $p->{flow_data});
    delete $one->{metadata};
    $one->{url} = "https://billing.stripe.com/p/session/$one->{id}";
    return $one;
}

#
# Payments
#

sub post_payment_intents ($self, $, $p) {
    refuse(400, 'invalid_request_error', 'This value must be greater than or equal to 1.', code => 'parameter_invalid_integer', param => 'amount') if $p->{amount} < 1;
    $self->need('customer', $p->{customer}, 'customer') if defined $p->{customer};
    my $one = $self->put('pi', 'payment_intent', amount => $p->{amount}, currency => lc $p->{currency}, amount_received => 0, amount_capturable => 0, capture_method => 'automatic_async', confirmation_method => 'automatic',
        customer => $p->{customer}, description => $p->{description}, payment_method => undef, payment_method_types => ['card'], status => 'requires_payment_method', last_payment_error => undef,
        latest_charge => undef, next_action => undef, receipt_email => $p->{receipt_email}, canceled_at => undef, cancellation_reason => undef, metadata => $p->{metadata} // {});
    $one->{client_secret} = "$one->{id}_secret_stub";
    @$one{qw(payment_method status)} = ($p->{payment_method}, 'requires_confirmation') if defined $p->{payment_method};
    $self->happened('payment_intent.created', $one) if !$p->{_quietly};
    return $p->{confirm} ? $self->post_payment_intents_one_confirm($one, $p) : $one;
}

# Refusals are kept: the failed payment stays, and so do its events.
sub post_payment_intents_one_confirm ($self, $one, $p) {
    refuse(400, 'invalid_request_error', "This PaymentIntent's status is $one->{status}.", code => 'payment_intent_unexpected_state', payment_intent => $self->show($one)) if $one->{status} !~ /\Arequires_(?:payment_method|confirmation|action)/;
    my $pm   = $p->{payment_method} // $one->{payment_method} // refuse(400, 'invalid_request_error', 'You cannot confirm this PaymentIntent because it is missing a payment method.', code => 'payment_intent_unexpected_state');
    my $card = $self->card($pm) // refuse(400, 'invalid_request_error', "No such PaymentMethod: '$pm'", code => 'resource_missing', param => 'payment_method');
    my $fail = sub ($message, %why) {
        @$one{qw(status payment_method)} = ('requires_payment_method', undef);
        $one->{last_payment_error} = { type => 'card_error', message => $message, %why };
        $self->happened('payment_intent.payment_failed', $one);
        refuse(402, 'card_error', $message, %why, payment_intent => $self->show($one), keep => 1);
    };
    $fail->('Your card was declined.', code => 'card_declined', decline_code => $card->{refuses}) if $card->{refuses};
    if ($card->{confirms} && !$p->{_by_customer}) {
        $fail->('This payment requires authentication.', code => 'authentication_required', decline_code => 'authentication_required') if $p->{off_session} || $p->{error_on_requires_action};
        @$one{qw(status payment_method)} = ('requires_action', $pm);
        $one->{next_action} = { type => 'use_stripe_sdk', use_stripe_sdk => {} };
        $self->happened('payment_intent.requires_action', $one);
        return $one;
    }
    @$one{qw(status payment_method amount_received latest_charge next_action last_payment_error)} = ('succeeded', $pm, $one->{amount}, $self->id('ch'), undef, undef);
    $self->happened('payment_intent.succeeded', $one);
    return $one;
}

# The customer confirms what asked for it; an invoice that waits for it is paid.
sub confirm ($self, $id) {
    my $one = $self->need('payment_intent', $id);
    my ($waiting) = grep { $_->{payment}{payment_intent} eq $id } $self->all('invoice_payment');
    return $self->post_payment_intents_one_confirm($one, { _by_customer => 1 }) if !$waiting;
    $self->post_invoices_one_pay($self->need('invoice', $waiting->{invoice}), { payment_method => $one->{payment_method}, _by_customer => 1 });
    return $one;
}

sub post_payment_intents_one_cancel ($self, $one, $p) {
    refuse(400, 'invalid_request_error', "You cannot cancel this PaymentIntent because it has a status of $one->{status}.", code => 'payment_intent_unexpected_state') if $one->{status} =~ /succeeded|canceled/;
    @$one{qw(status canceled_at cancellation_reason)} = ('canceled', $self->now, $p->{cancellation_reason});
    $self->happened('payment_intent.canceled', $one);
    return $one;
}

1;
