package Ashlar::Stripe::Params;

# Which parameters Stripe's API takes, by operation, at the version of
# providers/stripe.h; and what it says of others.  An operation that is not here
# is not served by t/lib/stub_stripe.

use v5.36;

# name: text; name:i an integer; name:b a truth; name:o(a|b) one of these; name! required;
# name[] a list of texts; name{…} members, name{*} any; name[]{…} a list of such.
my $LIST    = 'limit:i starting_after ending_before ';
my $RANGE   = 'created{gt:i gte:i lt:i lte:i} ';
my $ADDRESS = 'address{city country line1 line2 postal_code state} ';
my $COMMON  = 'expand[] ';
my $META    = 'metadata{*} ';
my $PRORATE = 'proration_behavior:o(always_invoice|create_prorations|none) ';
my $DISCOUNTS = 'discounts[]{coupon discount promotion_code} ';
my $PRICE      = 'currency! recurring{interval! interval_count:i} tax_behavior unit_amount:i unit_amount_decimal';
my $PRICE_DATA = "price_data{$PRICE product!} ";
my $ITEMS      = "items[]{price quantity:i $META tax_rates[] discounts[]{coupon discount promotion_code} ";
my $PHASE      = 'items[]!{price quantity:i metadata{*}} end_date:i duration{interval! interval_count:i} trial:b trial_end:i '
    . "$PRORATE $DISCOUNTS metadata{*} currency description default_payment_method billing_cycle_anchor collection_method";
my $PHASES   = "phases[]{start_date:i $PHASE} ";
my $CUSTOMER = "email name phone description balance:i $ADDRESS $META preferred_locales[] tax_exempt invoice_prefix "
    . 'invoice_settings{default_payment_method footer custom_fields[]{name! value!}} tax{ip_address validate_location} ';
my $SETTINGS = 'payment_settings{save_default_payment_method:o(off|on_subscription) payment_method_types[]} '
    . 'payment_behavior:o(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete) off_session:b '
    . 'default_payment_method description collection_method:o(charge_automatically|send_invoice) days_until_due:i cancel_at:i cancel_at_period_end:b '
    . 'automatic_tax{enabled!:b} trial_end trial_settings{end_behavior{missing_payment_method!}} ';

my %text = (
    'GET account'           => '',
    'POST customers'        => "$CUSTOMER payment_method test_clock tax_id_data[]{type! value!}",
    'GET customers'         => "$LIST $RANGE email",
    'GET customers/:id'     => '',
    'POST customers/:id'    => $CUSTOMER,
    'DELETE customers/:id'  => '',
    'POST tax_ids'          => 'type! value! owner{type!:o(account|application|customer|self) customer account}',
    'GET tax_ids'           => "$LIST owner{type!:o(account|application|customer|self) customer account}",
    'DELETE tax_ids/:id'    => '',
    'POST products'         => "name! id active:b description images[] $META unit_label url default_price_data{currency! unit_amount:i recurring{interval! interval_count:i}}",
    'GET products'          => "$LIST $RANGE active:b ids[]",
    'GET products/:id'      => '',
    'POST products/:id'     => "name active:b description $META default_price unit_label url",
    'POST prices'           => "currency! product product_data{name! metadata{*}} active:b nickname lookup_key transfer_lookup_key:b $META "
        . 'recurring{interval!:o(day|week|month|year) interval_count:i usage_type meter} unit_amount:i unit_amount_decimal billing_scheme tax_behavior transform_quantity{divide_by!:i round!:o(down|up)}',
    'GET prices'            => "$LIST $RANGE active:b currency product lookup_keys[] type:o(one_time|recurring) recurring{interval usage_type}",
    'GET prices/:id'        => '',
    'POST prices/:id'       => "active:b nickname lookup_key transfer_lookup_key:b $META tax_behavior",
    'POST coupons'          => "id name percent_off:n amount_off:i currency duration:o(forever|once|repeating) duration_in_months:i max_redemptions:i redeem_by:i $META applies_to{products[]}",
    'GET coupons'           => "$LIST $RANGE",
    'GET coupons/:id'       => '',
    'DELETE coupons/:id'    => '',
    'POST promotion_codes'  => "promotion!{type!:o(coupon) coupon} code active:b customer expires_at:i max_redemptions:i $META restrictions{first_time_transaction:b minimum_amount:i minimum_amount_currency}",
    'GET promotion_codes'   => "$LIST $RANGE active:b code coupon customer",
    'GET promotion_codes/:id'  => '',
    'POST promotion_codes/:id' => "active:b $META",
    'POST payment_methods/:id/attach' => 'customer!',
    'GET payment_methods/:id'         => '',
    'POST checkout/sessions' => "mode:o(payment|setup|subscription) ui_mode:o(elements|embedded_page|form|hosted_page) success_url cancel_url return_url customer customer_email client_reference_id "
        . "line_items[]{price quantity:i price_data{$PRICE product product_data{name! description metadata{*}}} adjustable_quantity{enabled!:b maximum:i minimum:i} tax_rates[]} allow_promotion_codes:b discounts[]{coupon promotion_code} $META locale expires_at:i "
        . "subscription_data{trial_period_days:i trial_end:i metadata{*} description billing_cycle_anchor:i $PRORATE trial_settings{end_behavior{missing_payment_method!}}} "
        . 'payment_intent_data{metadata{*} description receipt_email setup_future_usage} invoice_creation{enabled!:b} payment_method_collection:o(always|if_required) '
        . 'customer_creation:o(always|if_required) customer_update{address name shipping} automatic_tax{enabled!:b} tax_id_collection{enabled!:b} billing_address_collection redirect_on_completion currency submit_type',
    'GET checkout/sessions'             => "$LIST $RANGE customer subscription payment_intent status:o(complete|expired|open)",
    'GET checkout/sessions/:id'         => '',
    'POST checkout/sessions/:id/expire' => '',
    'POST billing_portal/sessions' => 'customer! return_url configuration locale on_behalf_of flow_data{type!:o(payment_method_update|subscription_cancel|subscription_update|subscription_update_confirm) '
        . 'after_completion{type! redirect{return_url!} hosted_confirmation{custom_message}} subscription_cancel{subscription!} subscription_update{subscription!} subscription_update_confirm{subscription! items[]{id! price quantity:i}}}',
    'POST subscriptions'       => "customer! ${ITEMS}$PRICE_DATA} $SETTINGS $PRORATE $META trial_period_days:i billing_cycle_anchor:i $DISCOUNTS currency backdate_start_date:i",
    'GET subscriptions'        => "$LIST $RANGE customer price status:o(active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid)",
    'GET subscriptions/:id'    => '',
    'POST subscriptions/:id'   => "${ITEMS}id deleted:b clear_usage:b $PRICE_DATA} $SETTINGS $PRORATE $META proration_date:i billing_cycle_anchor:o(now|unchanged) $DISCOUNTS "
        . 'cancellation_details{comment feedback} pause_collection{behavior! resumes_at:i}',
    'DELETE subscriptions/:id' => 'invoice_now:b prorate:b cancellation_details{comment feedback}',
    'POST subscription_schedules'             => "customer from_subscription start_date end_behavior:o(cancel|release) $META phases[]{$PHASE}",
    'GET subscription_schedules'              => "$LIST $RANGE customer",
    'GET subscription_schedules/:id'          => '',
    'POST subscription_schedules/:id'         => "end_behavior:o(cancel|release) $META $PHASES $PRORATE",
    'POST subscription_schedules/:id/release' => 'preserve_cancel_date:b',
    'POST subscription_schedules/:id/cancel'  => 'invoice_now:b prorate:b',
    'GET invoices'            => "$LIST $RANGE customer subscription status:o(draft|open|paid|uncollectible|void) collection_method",
    'GET invoices/:id'        => '',
    'POST invoices/:id/pay'   => 'payment_method off_session:b paid_out_of_band:b forgive:b',
    'POST invoices/:id/void'  => '',
    'POST invoices/create_preview' => "customer subscription schedule currency $DISCOUNTS preview_mode:o(next|recurring) "
        . "subscription_details{${ITEMS}id deleted:b clear_usage:b $PRICE_DATA} $PRORATE proration_date:i cancel_now:b cancel_at_period_end:b cancel_at:i trial_end billing_cycle_anchor start_date:i} "
        . "schedule_details{end_behavior $PRORATE $PHASES} invoice_items[]{amount:i currency description invoiceitem price quantity:i}",
    'GET invoiceitems'        => "$LIST $RANGE customer invoice pending:b",
    'POST invoiceitems'       => "customer amount:i currency description invoice subscription quantity:i unit_amount_decimal pricing{price} $META period{start!:i end!:i} discountable:b",
    'POST payment_intents'    => "amount!:i currency! customer description payment_method confirm:b off_session:b error_on_requires_action:b return_url receipt_email setup_future_usage "
        . "automatic_payment_methods{enabled!:b allow_redirects:o(always|never)} allowed_payment_method_types[] capture_method statement_descriptor_suffix $META",
    'GET payment_intents'     => "$LIST $RANGE customer",
    'GET payment_intents/:id' => 'client_secret',
    'POST payment_intents/:id/confirm' => 'payment_method off_session:b error_on_requires_action:b return_url receipt_email setup_future_usage',
    'POST payment_intents/:id/cancel'  => 'cancellation_reason:o(abandoned|duplicate|fraudulent|requested_by_customer)',
    'GET events'              => "$LIST $RANGE type types[] delivery_success:b",
    'GET events/:id'          => '',
);

# The tables as trees: { name => { type, required, list, of => {…} or '*' } }.
sub tree ($text) {
    my @word = $text =~ m/[{}]|[^\s{}]+/g;
    my $read;
    $read = sub {
        my %all;
        while (defined(my $word = shift @word)) {
            last if $word eq '}';
            my ($name, $marks) = $word =~ m/\A([a-z0-9_]+|\*)(.*)\z/ or die "$word?\n";
            my %one = (required => scalar($marks =~ /!/), list => scalar($marks =~ /\[\]/), type => $marks =~ /:(.+?)!?\z/ ? $1 : 'text');
            if (@word && $word[0] eq '{') {
                shift @word;
                $one{of} = $read->();
            }
            $all{$name} = \%one;
        }
        return \%all;
    };
    return $read->();
}
my %known = map { $_ => tree("$text{$_} $COMMON") } keys %text;

# All of it, for t/clients/stripe.t, which compares it with what Stripe's own client declares.
sub known () { return \%known }

# The operation of a method and a path under /v1/: (its name, the id in it); or nothing.
sub operation ($method, $path) {
    return ("$method $path", undef) if $known{"$method $path"};
    for (keys %known) {
        my ($of, $pattern) = split / /;
        next if $of ne $method || !/:id/;
        my $re = join '([^/]+)', map { quotemeta } split /:id/, $pattern, -1;
        return ($_, decode($1)) if $path =~ /\A$re\z/;
    }
    return;
}

sub decode ($text) { return $text =~ tr/+/ /r =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger }

# "a[b][0]=c" as { a => { b => [c] } }; "a[]=c" counts by itself.
sub parse ($form) {
    my %all;
    for (split /&/, $form) {
        my ($name, $value) = map { my $t = decode($_); utf8::decode($t); $t } (split(/=/, $_, 2), '')[ 0, 1 ];
        my ($first, @rest) = ($name =~ /\A([^\[]*)/, $name =~ /\[([^\]]*)\]/g);
        my $at = \$all{$first};
        $at = \(ref $$at eq 'HASH' ? $$at : ($$at = {}))->{ length $_ ? $_ : keys %{ $$at // {} } } for @rest;
        $$at = $value;
    }
    return \%all;
}

# What an operation gets of a form: the parameters, lists as arrays; dies with an error of Stripe's.
sub check ($operation, $form) { return check_tree($known{$operation}, parse($form), '') }

sub check_tree ($known, $given, $path) {
    my %good;
    for my $name (sort keys %$given) {
        my $param = length $path ? "${path}[$name]" : $name;
        my $of    = $known->{$name} // $known->{'*'} // refuse(parameter_unknown => $param, "Received unknown parameter: $param");
        $good{$name} = check_value($of, $given->{$name}, $param);
    }
    for (sort grep { $known->{$_}{required} && !exists $given->{$_} } keys %$known) {
        my $param = length $path ? "${path}[$_]" : $_;
        refuse(parameter_missing => $param, "Missing required param: $param.");
    }
    return \%good;
}

sub check_value ($of, $value, $param) {
    if ($of->{list}) {
        return [] if !ref $value && $value eq '';
        refuse(undef, $param, 'Invalid array') if ref $value ne 'HASH' || grep { !/\A\d+\z/ } keys %$value;
        my %one = (%$of, list => 0);
        return [ map { check_value(\%one, $value->{$_}, "${param}[$_]") } sort { $a <=> $b } keys %$value ];
    }
    if ($of->{of}) {
        return {} if !ref $value && $value eq '';
        refuse(undef, $param, 'Invalid object') if ref $value ne 'HASH';
        return check_tree($of->{of}, $value, $param);
    }
    refuse(undef, $param, 'Invalid string') if ref $value;
    my $type = $of->{type};
    refuse(parameter_invalid_empty   => $param, "You passed an empty string for '$param'.") if $value eq '' && $of->{required};
    refuse(parameter_invalid_integer => $param, "Invalid integer: $value") if $type eq 'i' && $value !~ /\A-?\d{1,18}\z/ && $value ne '';
    refuse(undef, $param, "Invalid decimal: $value") if $type eq 'n' && $value !~ /\A\d+(?:\.\d+)?\z/;
    refuse(undef, $param, "Invalid boolean: $value") if $type eq 'b' && $value !~ /\A(?:true|false)\z/;
    refuse(undef, $param, "Invalid $param: must be one of $1") if $type =~ /\Ao\((.*)\)\z/ && !grep { $_ eq $value } split /\|/, $1;
    return $type eq 'b' ? $value eq 'true' : $type eq 'i' && length $value ? $value + 0 : $value;
}

sub refuse ($code, $param, $message) {
    die { status => 400, type => 'invalid_request_error', message => $message, defined $code ? (code => $code) : (), defined $param ? (param => $param) : () };
}

1;
