# Seats on the observability surface: bought, cancelled, taken up again, changed.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my %price  = (seat => $stripe->price(4000), old => $stripe->price(3000), big => $stripe->price(9000), yen => $stripe->price(500, 'jpy'));
$price{metered} = $stripe->ask(POST => 'prices', 'currency=usd&unit_amount=1&recurring[interval]=month&recurring[usage_type]=metered&product_data[name]=Tokens')->{id};
$price{once}    = $stripe->ask(POST => 'prices', 'currency=usd&unit_amount=1&product_data[name]=Once')->{id};
my $t = Api->start($stripe->settings, worker => 1, APP_URL => $page, STRIPE_SUBSCRIPTION_PRICE_ID => $price{seat});
$t->keep_secret('sk_test_stub');
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $n      = 0;
my $ann    = $t->user('ann', columns => { email => 'ann@example.com' });

sub of ($org, $what) { return "/api/opsboard/orgs/$org/$what" }
sub org ($owner = $ann, @roles) {
    my $org = $t->organization($owner);
    for (@roles) { $t->member($org, $t->user("the-$_-" . ++$n), $_) }
    return $org;
}
sub asked ($re) { return grep { "$_->{method} $_->{path}" =~ $re } $stripe->seen }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? ORDER BY is_current DESC, started_at DESC LIMIT 1', undef, $org) }
sub prem ($org) { return scalar $t->db->selectrow_array('SELECT prem_status FROM organizations WHERE id = ?', undef, $org) }
sub licensed ($org) { return scalar $t->db->selectrow_array('SELECT count(*) FROM memberships WHERE organization_id = ? AND is_paid', undef, $org) }
sub theirs ($org) { return $stripe->ask(GET => 'subscriptions/' . row($org)->{provider_id}) }
sub open_page ($org, %body) { return $ann->post(of($org, 'create-checkout-session'), { price_id => $price{seat}, %body }) }
sub session_of ($res) { return ($res->json('/clientSecret') // die $res->body) =~ s/_secret_.*//r }

# An organization that has paid for seats.
sub paid ($org = org(), %body) {
    $stripe->command(complete => { session => session_of(open_page($org, %body)), card => delete $body{card} // 'pm_card_visa' });
    $stripe->told_to($t);
    return $org;
}

my %posts = (
    'create-checkout-session'  => { price_id => $price{seat} },
    'create-free-subscription' => { price_id => $price{seat}, discount_code => 'ALL' },
    'validate-discount-code'   => { discount_code => 'ALL' },
    'cancel-subscription'      => { subscription_id => 'sub_x' },
    'reactivate-subscription'  => undef,
    'update-subscription'      => {},
    'customer-portal'          => undef,
);

subtest 'who may' => sub {
    my $org = org();
    for my $what (sort keys %posts) {
        my @body = defined $posts{$what} ? $posts{$what} : ();
        error_is $t->post(of($org, $what), @body), 401, 'AUTHENTICATION_ERROR', name => "$what: not without a token";
        error_is $t->user('theirs-' . ++$n, tenant => 'other')->post(of($org, $what), @body), 404, 'NOT_FOUND', name => '  nor another tenant\'s';
        error_is $t->user('stranger-' . ++$n)->post(of($org, $what), @body), 403, 'AUTHORIZATION_ERROR', name => '  nor who is no member';
        error_is $ann->post(of($nobody, $what), @body), 404, 'NOT_FOUND', name => '  nor where there is none';
        for my $role (qw(developer business_user member viewer)) {
            my $user = $t->user("the-$role-" . ++$n);
            $t->member($org, $user, $role);
            error_is $user->post(of($org, $what), @body), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE', name => "  nor a $role";
        }
    }
    is scalar(asked(qr{/v1/(?!prices|products)})), 0, 'Stripe was asked for nothing';
};

subtest 'what there is nothing of' => sub {
    my $org = org();
    for my $what (grep { !/create|validate/ } sort keys %posts) {
        error_is $ann->post(of($org, $what), defined $posts{$what} ? $posts{$what} : ()), 400, 'BAD_REQUEST', message => qr/has no subscription/, name => $what;
    }
};

subtest 'a checkout is of seats, and of a discount that there is' => sub {
    my $org = org();
    $t->expect_log(qr/prices|EXTERNAL|Stripe/);
    for ([ price_id => undef ], [ price_id => '' ], [ quantity => 0 ], [ quantity => 101 ], [ quantity => 'many' ], [ discount_code => '' ]) {
        error_is open_page($org, @$_), 422, 'VALIDATION_ERROR', field => $_->[0];
    }
    for my $id ('price_nobody', @price{qw(metered once)}) {
        error_is open_page($org, price_id => $id), 400, 'BAD_REQUEST', field => 'price_id', name => $id;
    }
    error_is open_page($org, discount_code => 'NOBODY'), 400, 'BAD_REQUEST', field => 'discount_code';
    my $mute = $t->user('mute');
    $t->db->do('UPDATE users SET email = NULL WHERE id = ?', undef, $mute->uuid);
    error_is $mute->post(of(org($mute), 'create-checkout-session'), { price_id => $price{seat} }), 400, 'BAD_REQUEST', message => qr/no email address/;
    $stripe->command(fail => [ { match => "GET /v1/prices/$price{seat}", times => 9, status => 500 } ]);
    error_is open_page($org), 502, 'EXTERNAL_SERVICE_ERROR', name => 'a price that cannot be read';
    $stripe->command(fail => []);
    eventually { my $res = open_page($org); $res->status == 200 } 60, 'Stripe is there again';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_operations WHERE organization_id = ? AND state <> 'done'}, undef, $org), 0, 'of what was refused there is no operation';
};

subtest 'seats are bought in a form of Stripe\'s, and dealt when they are paid' => sub {
    my $org = org($ann, qw(business_user developer admin));
    my $res = open_page($org, quantity => 3);
    status_is $res, 200;
    my $id = session_of($res);
    my ($asked) = grep { $_->{body} =~ /$org/ } asked(qr{POST /v1/checkout/sessions\z});
    my %sent = map { s/%([0-9A-F]{2})/chr hex $1/gre } map { split /=/, $_, 2 } split /&/, $asked->{body} =~ tr/+/ /r;
    is_deeply { map { $_ => $sent{$_} } grep { !/metadata/ } keys %sent }, {
        mode => 'subscription', ui_mode => 'elements', client_reference_id => $org, customer_email => 'ann@example.com', 'line_items[0][price]' => $price{seat}, 'line_items[0][quantity]' => 3,
        return_url => "$page/settings/organization?org_id=$org&checkout_status={CHECKOUT_SESSION_STATUS}" }, 'as Stripe is to have it';
    is join(' ', map { $sent{"$_\[org_id]"}, $sent{"$_\[initial_seats]"} } 'metadata', 'subscription_data[metadata]'), "$org 3 $org 3", '  with whose it is';
    like $asked->{headers}{'idempotency-key'}, qr/\S/, '  under a name of its own';
    is prem($org), 'free', 'an open page is no payment';
    $stripe->command(complete => { session => $id });
    my @events = $stripe->events;
    $stripe->told_to($t, reverse(@events), @events[ 0, 1 ]);
    is prem($org), 'pro', 'then it is pro';
    is licensed($org), 3, 'and three have a licence';
    is_deeply $t->db->selectcol_arrayref('SELECT role FROM memberships WHERE organization_id = ? AND is_paid AND role IN (?, ?) ORDER BY role', undef, $org, 'owner', 'admin'), [qw(admin owner)], '  the owner and the admin first';
    is row($org)->{provider_id}, $stripe->ask(GET => "checkout/sessions/$id")->{subscription}, 'the subscription is known';
    error_is open_page($org), 400, 'BAD_REQUEST', message => qr/active subscription/, name => 'nobody pays twice';
    error_is $ann->post(of($org, 'create-free-subscription'), { price_id => $price{seat}, discount_code => 'ALL' }), 400, 'BAD_REQUEST', message => qr/active subscription/;
};

subtest 'at another price than is sold it makes no organization pro' => sub {
    my $org = paid(org(), price_id => $price{old});
    is row($org)->{status}, 'active', 'it is a subscription';
    is prem($org) . licensed($org), 'free0', 'and no more';
};

subtest 'the same again within ten seconds is the same page; another one closes the first' => sub {
    my $org = org();
    my ($first, $again) = (open_page($org), open_page($org));
    is $again->json('/clientSecret'), $first->json('/clientSecret'), 'pressed twice';
    my $other = open_page($org, quantity => 2);
    isnt $other->json('/clientSecret'), $first->json('/clientSecret'), 'more seats are another page';
    is $stripe->ask(GET => 'checkout/sessions/' . session_of($first))->{status}, 'expired', 'and the first one is closed';
    is $stripe->ask(GET => 'checkout/sessions/' . session_of($other))->{status}, 'open';
    $t->db->do(q{UPDATE billing_operations SET ended_at = now() - interval '11 seconds' WHERE organization_id = ?}, undef, $org);
    isnt open_page($org, quantity => 2)->json('/clientSecret'), $other->json('/clientSecret'), 'later it is another one';
};

subtest 'Stripe is away: the same request goes on with the same operation' => sub {
    my $org = org();
    $t->expect_log(qr/checkout|Stripe|EXTERNAL/);
    $stripe->command(fail => [ { match => 'POST /v1/checkout/sessions$', times => 9, lose => 'after' } ]);
    error_is open_page($org), 502, 'EXTERNAL_SERVICE_ERROR';
    $stripe->command(fail => []);
    eventually { my $res = open_page($org); $res->status == 200 } 60, 'sent again';
    my %keys = map { $_->{headers}{'idempotency-key'} => 1 } grep { $_->{body} =~ /$org/ } asked(qr{POST /v1/checkout/sessions\z});
    is scalar(keys %keys), 1, 'under one name';
};

subtest 'a subscription that Stripe has lost stands in nobody\'s way' => sub {
    my $org = paid();
    $t->db->do(q{UPDATE subscriptions SET provider_id = 'sub_gone' WHERE organization_id = ?}, undef, $org);
    status_is open_page($org), 200;
    is row($org)->{status}, 'canceled', 'it has ended';
    is prem($org) . licensed($org), 'free0', 'and what it gave';
};

subtest 'what a discount code is worth' => sub {
    my $org  = org();
    my $ask  = sub ($code) { return $ann->post(of($org, 'validate-discount-code'), { discount_code => $code }) };
    my $nil  = { valid => false, discount_type => undef, discount_value => undef, discount_description => undef, currency => undef, is_100_percent_off => false };
    $stripe->ask(POST => 'coupons', $_) for 'id=once&percent_off=12.5&duration=once', 'id=three&amount_off=1000&currency=eur&duration=repeating&duration_in_months=3', 'id=all&percent_off=100&duration=forever', 'id=gone&percent_off=5&duration=once';
    $stripe->ask(POST => 'promotion_codes', "promotion[type]=coupon&promotion[coupon]=$_->[0]&code=$_->[1]") for [ three => 'SPRING' ], [ all => 'FRIENDS' ], [ once => 'three' ];
    my $off = $stripe->ask(POST => 'promotion_codes', 'promotion[type]=coupon&promotion[coupon]=once&code=OFF')->{id};
    $stripe->ask(POST => "promotion_codes/$off", 'active=false');
    $stripe->ask(DELETE => 'coupons/gone');
    json_is $ask->('once'), '', { %$nil, valid => true, discount_type => 'percent_off', discount_value => 12.5, discount_description => '12.5% off for the first month' };
    json_is $ask->('SPRING'), '', { %$nil, valid => true, discount_type => 'amount_off', discount_value => 1000, discount_description => '10.00 eur off for 3 months', currency => 'EUR' };
    json_is $ask->('FRIENDS'), '', { %$nil, valid => true, discount_type => 'percent_off', discount_value => 100, discount_description => '100% off forever', is_100_percent_off => true };
    json_is $ask->('three'), '/discount_value', 12.5, 'a promotion code comes before a coupon of that name';
    json_is $ask->($_), '', $nil, "$_: none" for 'NOBODY', 'OFF', 'gone', '..', 'a/b?c';
    error_is $ask->($_), 422, 'VALIDATION_ERROR', field => 'discount_code' for undef, '', 7;
};

subtest 'a discount comes with the checkout' => sub {
    for ([ FRIENDS => 'promotion_code' ], [ all => 'coupon' ]) {
        my $org = org();
        status_is open_page($org, discount_code => $_->[0]), 200;
        my ($asked) = grep { $_->{body} =~ /$org/ } asked(qr{POST /v1/checkout/sessions\z});
        like $asked->{body}, qr/discounts%5B0%5D%5B$_->[1]%5D=|discounts\[0\]\[$_->[1]\]=/, "$_->[0] as a $_->[1]";
    }
};

subtest 'with a code that is worth all of it there is no checkout' => sub {
    my $org = org($ann, qw(developer business_user));
    my $ask = sub (%body) { return $ann->post(of($org, 'create-free-subscription'), { price_id => $price{old}, %body }) };
    error_is $ask->(), 400, 'BAD_REQUEST', field => 'discount_code';
    error_is $ask->(discount_code => $_), 400, 'BAD_REQUEST', field => 'discount_code', name => $_ for qw(NOBODY once SPRING);
    error_is $ask->(discount_code => 'FRIENDS', quantity => 0), 422, 'VALIDATION_ERROR', field => 'quantity';
    error_is $ask->(discount_code => 'FRIENDS', price_id => 'price_nobody'), 400, 'BAD_REQUEST', field => 'price_id';
    my $mute = $t->user('mute2');
    $t->db->do('UPDATE users SET email = NULL WHERE id = ?', undef, $mute->uuid);
    error_is $mute->post(of(org($mute), 'create-free-subscription'), { price_id => $price{old}, discount_code => 'FRIENDS' }), 400, 'BAD_REQUEST', message => qr/no email address/;
    my $res = $ask->(discount_code => 'FRIENDS', quantity => 9);
    status_is $res, 200;
    json_is $res, '', { message => 'the subscription is there, and costs nothing', subscription_id => row($org)->{provider_id}, org_id => $org };
    my $sub = theirs($org);
    is "$sub->{status} $sub->{items}{data}[0]{quantity} $sub->{metadata}{org_id}", "active 3 $org", 'Stripe has it, with a seat for each member';
    my $customer = $stripe->ask(GET => "customers/$sub->{customer}");
    is "@{ $customer->{metadata} }{qw(org_id user_id)}", "$org " . $ann->uuid, 'and its customer';
    is prem($org) . licensed($org), 'pro3', 'it is pro, and each has a licence';
    $stripe->told_to($t);
    is prem($org) . licensed($org), 'pro3', 'whatever is told later';
};

subtest 'a subscription ends with its period, and is taken up again' => sub {
    my $org = paid(org(), quantity => 1);
    my $id  = row($org)->{provider_id};
    my $end = sub ($sub) { return $ann->post(of($org, 'cancel-subscription'), { subscription_id => $sub }) };
    error_is $ann->post(of($org, 'cancel-subscription'), {}), 422, 'VALIDATION_ERROR', field => 'subscription_id';
    error_is $end->('sub_of_others'), 400, 'BAD_REQUEST', field => 'subscription_id';
    error_is $ann->post(of($org, 'reactivate-subscription')), 400, 'BAD_REQUEST', message => qr/no cancellation is pending/;
    json_is $end->($id), '', { success => true, message => 'the subscription ends with its period' };
    is theirs($org)->{cancel_at_period_end}, true, 'Stripe knows';
    is prem($org) . licensed($org), 'pro1', 'until then it is pro';
    error_is open_page($org), 400, 'BAD_REQUEST', message => qr/reactivate it instead/;
    error_is $ann->post(of($org, 'update-subscription'), {}), 400, 'BAD_REQUEST', message => qr/set to cancel/;
    json_is $ann->post(of($org, 'reactivate-subscription')), '', { success => true, message => 'the subscription goes on' };
    is theirs($org)->{cancel_at_period_end}, false;
    $t->expect_log(qr/cancel-subscription|Stripe|EXTERNAL/);
    $stripe->command(fail => [ { match => "POST /v1/subscriptions/$id", times => 9, status => 500 } ]);
    error_is $end->($id), 502, 'EXTERNAL_SERVICE_ERROR';
    is row($org)->{cancel_at_period_end}, 0, 'nothing has changed';
    $stripe->command(fail => []);
    eventually { my $res = $end->($id); $res->status == 200 } 60, 'sent again it is done';
    $stripe->told_to($t);
    $stripe->command(clock => { by_s => 32 * 86_400 });
    $stripe->told_to($t);
    is row($org)->{status}, 'canceled', 'the period has ended';
    is prem($org) . licensed($org), 'free0', 'and what was paid for';
};

subtest 'another price' => sub {
    my $org = paid();
    my $set = sub (%body) { return $ann->post(of($org, 'update-subscription'), {%body}) };
    error_is $set->($_->[0] => $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0] for [ price_id => '' ], [ proration_behavior => 'later' ], [ payment_behavior => 'default_incomplete' ];
    error_is $set->(price_id => $_), 400, 'BAD_REQUEST', field => 'price_id' for 'price_nobody', @price{qw(metered once)};
    json_is $set->(), '', { success => true, message => 'the difference is charged with the next invoice' };
    my ($plain) = grep { $_->{body} =~ /payment_behavior/ } asked(qr{POST /v1/subscriptions/@{[ row($org)->{provider_id} ]}\z});
    unlike $plain->{body}, qr/items/, 'without a price only how is told';
    my $pm = $stripe->ask(POST => 'payment_methods/pm_card_chargeCustomerFail/attach', 'customer=' . row($org)->{customer_id})->{id};
    my $dear = $stripe->price(20_000);
    $stripe->ask(POST => 'subscriptions/' . row($org)->{provider_id}, "default_payment_method=$pm");
    error_is $set->(price_id => $dear, proration_behavior => 'always_invoice', payment_behavior => 'error_if_incomplete'), 402, 'PAYMENT_DECLINED', reason => 'generic_decline';
    is theirs($org)->{items}{data}[0]{price}{id}, $price{seat}, 'a card that is declined changes nothing';
    json_is $set->(price_id => $dear, proration_behavior => 'always_invoice'), '/success', true, 'or leaves it to be paid';
    is row($org)->{status}, 'past_due', '  which it is not yet';
    error_is $set->(), 400, 'BAD_REQUEST', message => qr/neither active nor trialing/;
    is prem($org) . licensed($org), 'pro1', '  and for three days changes nothing';
    my $other = paid();
    json_is $ann->post(of($other, 'update-subscription'), { price_id => $price{big}, proration_behavior => 'always_invoice' }), '/message', 'the difference is charged now';
    is theirs($other)->{items}{data}[0]{price}{id}, $price{big}, 'Stripe has it';
    is row($other)->{amount}, 9000, 'and so have we';
    eventually { theirs($other)->{cancel_at_period_end} } 60, 'seats at a price that is not sold end with what is paid';
    is theirs($other)->{metadata}{cancellation_reason}, 'billing_model_change', '  and say why';
};

subtest 'one that ends at a price that is not sold any more is followed by another' => sub {
    my $org = paid();
    my $was = row($org);
    $stripe->ask(POST => "subscriptions/$was->{provider_id}", "items[0][id]=$was->{item_id}&items[0][price]=$price{old}&proration_behavior=none&cancel_at_period_end=true");
    $stripe->told_to($t);
    my $end = theirs($org)->{items}{data}[0]{current_period_end};
    my $res = open_page($org, quantity => 2);
    status_is $res, 200, 'although it is active';
    my ($asked) = grep { $_->{body} =~ /$org/ && $_->{body} =~ /trial_end/ } asked(qr{POST /v1/checkout/sessions\z});
    like $asked->{body}, qr/trial_end(?:%5D|\])=$end\b/, 'it is paid from the old one\'s end on';
    $stripe->command(complete => { session => session_of($res) });
    $stripe->told_to($t);
    is $t->db->selectrow_array(q{SELECT count(*) FROM subscriptions WHERE organization_id = ? AND ended_at IS NULL}, undef, $org), 2, 'until then there are both';
    is row($org)->{provider_id}, $was->{provider_id}, 'and the old one counts';
    $stripe->command(clock => { to => $end + 60 });
    $stripe->told_to($t);
    isnt row($org)->{provider_id}, $was->{provider_id}, 'then the new one does';
    is row($org)->{status}, 'active', '  which is paid';
    is prem($org), 'pro', '  and the organization never was without';
};

subtest 'the portal' => sub {
    my $org = paid();
    my $res = $ann->post(of($org, 'customer-portal'));
    like $res->json('/url'), qr{\Ahttps://billing\.stripe\.com/}, 'a page of Stripe\'s';
    my ($asked) = reverse asked(qr{billing_portal});
    my $customer = row($org)->{customer_id};
    like $asked->{body}, qr/customer=$customer\b.*settings%2Forganization/, 'of the subscription\'s customer, and back to the front end';
};

subtest 'what is not configured says so' => sub {
    my $bare = Api->start;
    my $sue  = $bare->user('sue');
    my $org  = $bare->organization($sue);
    for my $what (qw(create-checkout-session create-free-subscription validate-discount-code)) {
        error_is $sue->post(of($org, $what), $posts{$what}), 503, 'SERVICE_UNAVAILABLE', message => qr/STRIPE_SECRET_KEY/, name => $what;
    }
    my $half = Api->start($stripe->settings);
    my $joe  = $half->user('joe');
    $half->keep_secret('sk_test_stub');
    error_is $joe->post(of($half->organization($joe), 'create-checkout-session'), { price_id => $price{seat} }), 503, 'SERVICE_UNAVAILABLE', message => qr/APP_URL/;
};
