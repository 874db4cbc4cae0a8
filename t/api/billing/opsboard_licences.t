# Who has a licence on the observability surface, and what one more costs.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my %price  = (seat => $stripe->price(4000), old => $stripe->price(3000));
my $t      = Api->start($stripe->settings, worker => 1, APP_URL => 'https://app.example.com', STRIPE_SUBSCRIPTION_PRICE_ID => $price{seat});
$t->keep_secret('sk_test_stub');
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $n      = 0;
my $ann    = $t->user('ann', columns => { email => 'ann@example.com' });

sub of ($org, $what) { return "/api/opsboard/orgs/$org/$what" }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? ORDER BY is_current DESC, started_at DESC LIMIT 1', undef, $org) }
sub licensed ($org) { return join ' ', @{ $t->db->selectcol_arrayref('SELECT u.public_id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = ? AND m.is_paid ORDER BY u.public_id', undef, $org) } }
sub seats ($org) { return $stripe->ask(GET => 'subscriptions/' . row($org)->{provider_id})->{items}{data}[0]{quantity} }

# An organization of ann's with members by their roles, and the seats that it has paid for.
sub paid ($quantity, @roles) {
    my $org = $t->organization($ann);
    my %user = map { my $user = $t->user("$_-" . ++$n); $t->member($org, $user, $_); $_ => $user } @roles;
    my $res = $ann->post(of($org, 'create-checkout-session'), { price_id => $price{seat}, quantity => $quantity });
    $stripe->command(complete => { session => ($res->json('/clientSecret') // die $res->body) =~ s/_secret_.*//r });
    $stripe->told_to($t);
    return ($org, %user);
}

# A refusal with its word for programs.
sub refused ($res, $status, $code, $word, $name = undef) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    error_is $res, $status, $code, defined $name ? (name => $name) : ();
    return header_is $res, 'X-Error-Code', $word;
}

my ($org, %user) = paid(2, qw(admin developer business_user));
my $deal = sub (%body) { return $ann->put(of($org, 'members/licenses'), {%body}) };
my $id   = sub ($role) { return $user{$role}->uuid };
my $name = sub (@roles) { return join ' ', sort 'user_ann', map { $user{$_}->id } @roles };

subtest 'who may' => sub {
    my $path = of($org, 'members/licenses');
    refused $t->nobody->put($path, {}), 401, 'AUTHENTICATION_ERROR', 'permission_denied', 'not without a token';
    refused $t->user('stranger')->put($path, {}), 403, 'AUTHORIZATION_ERROR', 'permission_denied', 'nor who is no member';
    refused $user{developer}->put($path, {}), 403, 'AUTHORIZATION_ERROR', 'permission_denied', 'nor a developer';
    refused $t->user('theirs', tenant => 'other')->put($path, {}), 404, 'NOT_FOUND', 'permission_denied', 'nor another tenant\'s';
    refused $ann->put(of($nobody, 'members/licenses'), {}), 404, 'NOT_FOUND', 'permission_denied', 'nor where there is none';
    error_is $deal->(add => 'x'), 422, 'VALIDATION_ERROR', field => 'add';
    error_is $deal->(remove => ['x']), 422, 'VALIDATION_ERROR', field => 'remove[0]';
    error_is $t->get(of($org, 'preview-member-cost')), 401, 'AUTHENTICATION_ERROR';
    error_is $t->user('stranger2')->get(of($org, 'preview-member-cost')), 403, 'AUTHORIZATION_ERROR';
    status_is $user{business_user}->get(of($org, 'preview-member-cost')), 200, 'what one more costs, each member may ask';
};

subtest 'licences are given and taken, and Stripe has as many seats' => sub {
    is licensed($org), $name->('admin'), 'the owner and the admin, to begin with';
    my $res = $deal->(add => [ $id->('developer'), $nobody, $t->user('nobody-here')->uuid ]);
    json_is $res, '', { message => 'the licences are dealt', paid_members_count => 3 };
    header_absent $res, 'X-Error-Code';
    is licensed($org), $name->('admin', 'developer'), 'who is no member is left out';
    is seats($org), 3, 'Stripe has three seats';
    json_is $deal->(add => [ $id->('business_user') ], remove => [ $id->('admin'), $id->('developer') ]), '/paid_members_count', 2;
    is licensed($org), $name->('business_user');
    is seats($org), 2;
    my @audit = map { "@$_" } @{ $t->db->selectall_arrayref(q{SELECT action, resource_id FROM audit_events WHERE action IN ('member_licensed', 'member_unlicensed') AND details ->> 'organization' = ? ORDER BY action, resource_id}, undef, $org) };
    is_deeply \@audit, [ sort('member_licensed ' . $id->('developer'), 'member_licensed ' . $id->('business_user')), sort map { 'member_unlicensed ' . $id->($_) } qw(admin developer) ], 'each is in the audit log';
    $stripe->told_to($t);
    is licensed($org), $name->('business_user'), 'what Stripe tells then deals them to nobody else';
    $t->db->do(q{UPDATE billing_operations SET ended_at = now() - interval '6 seconds', created_at = now() - interval '7 seconds' WHERE organization_id = ?}, undef, $org);
    my $sub = row($org);
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", 'metadata[note]=1');
    $stripe->told_to($t);
    is licensed($org), $name->('business_user'), 'nor later, while there are as many';
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", "items[0][id]=$sub->{item_id}&items[0][quantity]=3&proration_behavior=none");
    $stripe->told_to($t);
    is scalar(split / /, licensed($org)), 3, 'other seats are dealt anew';
    like licensed($org), qr/\Auser_admin-\d+ user_ann /, '  to the owner and the admin first';
};

subtest 'right after a change by hand, Stripe\'s number deals nothing' => sub {
    json_is $deal->(remove => [ $id->('admin'), $id->('developer'), $id->('business_user') ]), '/paid_members_count', 1;
    my $sub = row($org);
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", "items[0][id]=$sub->{item_id}&items[0][quantity]=4&proration_behavior=none");
    $t->db->do(q{UPDATE billing_operations SET ended_at = now() + interval '1 hour' WHERE organization_id = ? AND kind = 'seats deal' AND state = 'done'}, undef, $org);
    $stripe->told_to($t);
    is licensed($org), 'user_ann', 'as it was dealt';
    $t->db->do(q{UPDATE billing_operations SET ended_at = now() - interval '6 seconds' WHERE organization_id = ? AND kind = 'seats deal' AND state = 'done'}, undef, $org);
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", 'metadata[note]=2');
    $stripe->told_to($t);
    is licensed($org), $name->(qw(admin developer business_user)), 'afterwards it does';
};

subtest 'what is refused says why' => sub {
    my $sub = row($org);
    refused $deal->(remove => [ $ann->uuid ]), 400, 'BAD_REQUEST', 'owner_license_required', 'an owner has one';
    refused $ann->put(of($t->organization($ann), 'members/licenses'), {}), 400, 'BAD_REQUEST', 'no_subscription', 'nothing is subscribed to';
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", 'cancel_at_period_end=true');
    $stripe->told_to($t);
    refused $deal->(), 400, 'BAD_REQUEST', 'subscription_cancelled', 'it ends';
    $stripe->ask(POST => "subscriptions/$sub->{provider_id}", "cancel_at_period_end=false&items[0][id]=$sub->{item_id}&items[0][price]=$price{old}&proration_behavior=none");
    $t->db->do('UPDATE subscriptions SET price_id = ?, cancel_at_period_end = false WHERE organization_id = ?', undef, $price{old}, $org);
    refused $deal->(), 400, 'BAD_REQUEST', 'legacy_billing_plan', 'it is at another price';
};

subtest 'Stripe fails: nobody\'s licence changes, and the same again goes on' => sub {
    my ($other, %them) = paid(1, qw(developer admin));
    my $ask = sub ($who) { return $ann->put(of($other, 'members/licenses'), { add => [ $them{$who}->uuid ] }) };
    my $sub = row($other)->{provider_id};
    $t->expect_log(qr/licenses|Stripe|EXTERNAL/);
    $stripe->command(fail => [ { match => "POST /v1/subscriptions/$sub", times => 9, lose => 'after' } ]);
    refused $ask->('developer'), 502, 'EXTERNAL_SERVICE_ERROR', 'stripe_api_error';
    is licensed($other), 'user_ann', 'as before';
    is $t->db->selectrow_array(q{SELECT state FROM billing_operations WHERE organization_id = ? AND kind = 'seats deal'}, undef, $other), 'asked', 'whether it was done is not known';
    error_is $ask->('admin'), 409, 'CONFLICT', message => qr/being changed right now/, name => 'until then there is no other';
    $stripe->command(fail => []);
    eventually { my $res = $ask->('developer'); $res->status == 200 } 60, 'sent again it is';
    is scalar(split / /, licensed($other)), 2;
    is seats($other), 2, 'once';
};

subtest 'what one more costs' => sub {
    my ($other) = paid(2, qw(developer));
    my $res = $ann->get(of($other, 'preview-member-cost'));
    cmp_ok $res->json('/next_period_charge'), '==', 40, 'a period more of one seat';
    json_is $res, "/$_->[0]", $_->[1] for [ billing_interval => 'month' ], [ currency => 'usd' ], [ period_end => $TIME ];
    cmp_ok $res->json('/immediate_charge'), '==', 40, 'now, at its beginning, all of a period';
    $stripe->command(clock => { by_s => 15 * 86_400 });
    my $half = $ann->get(of($other, 'preview-member-cost'))->json('/immediate_charge');
    ok $half > 15 && $half < 25, "half of it later: $half";
    error_is $ann->get(of($t->organization($ann), 'preview-member-cost')), 400, 'BAD_REQUEST', message => qr/has no subscription/;
    $t->expect_log(qr/preview/);
    $stripe->command(fail => [ { match => 'POST /v1/invoices/create_preview', times => 9, status => 400, error => { type => 'invalid_request_error', message => 'no' } } ]);
    json_is $ann->get(of($other, 'preview-member-cost')), '', { immediate_charge => 0, next_period_charge => 40, billing_interval => 'month', period_end => undef, currency => 'usd' }, 'while Stripe does not say';
};
