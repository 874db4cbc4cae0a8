# Who joins an organization that pays for seats gets one, and who leaves gives one back: Stripe is told by a job, for which nobody waits.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $price  = $stripe->price(4000);
my $t      = Api->start($stripe->settings, worker => 1, APP_URL => 'https://app.example.com', STRIPE_SUBSCRIPTION_PRICE_ID => $price);
$t->keep_secret('sk_test_stub');
my $ann  = $t->user('ann', columns => { email => 'ann@example.com', is_email_verified => 't' });
my $base = '/api/opsboard/orgs';
my $n    = 0;

sub db ($sql, @values) { return scalar $t->db->selectrow_array($sql, undef, @values) }
sub sub_of ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? AND is_current', undef, $org) }
sub theirs ($org) { return $stripe->ask(GET => 'subscriptions/' . sub_of($org)->{provider_id})->{items}{data}[0]{quantity} }
sub licensed ($org) { return db('SELECT count(*) FROM memberships WHERE organization_id = ? AND is_paid', $org) }
sub settled ($org, $seats, $name) { return eventually { theirs($org) == $seats && sub_of($org)->{quantity} == $seats } 15, $name }
sub audited ($action, $org) { return db(q{SELECT count(*) FROM audit_events WHERE action = ? AND details ->> 'organization' = ?}, $action, $org) }

# An organization with so many seats, and as many members.
sub paid ($seats, $members = $seats) {
    my $org = $t->organization($ann);
    for (2 .. $members) { $t->member($org, $t->user('with-' . ++$n), 'developer') }
    my $res = $ann->post("$base/$org/create-checkout-session", { price_id => $price, quantity => $seats });
    $stripe->command(complete => { session => $res->json('/clientSecret') =~ s/_secret_.*//r, card => 'pm_card_visa' });
    $stripe->told_to($t);
    is db('SELECT prem_status FROM organizations WHERE id = ?', $org), 'pro', 'it pays for seats';
    return $org;
}

sub invited ($org, $role = 'developer') {
    my $who = $t->user('joins-' . ++$n, columns => { is_email_verified => 't' });
    status_is $ann->post("$base/$org/invite", { email => $who->email, role => $role }), 200;
    return $who;
}

subtest 'who joins gets a seat, and who leaves gives it back' => sub {
    my $org = paid(2);
    is licensed($org), 2;
    my $eve = invited($org);
    status_is $eve->post("$base/$org/accept-invite"), 200;
    ok db('SELECT is_paid FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $eve->uuid), 'at once';
    settled $org, 3, 'Stripe has one more';
    is licensed($org), 3, '  and nobody lost theirs by what it told meanwhile';
    is audited('member_auto_licensed_on_invite_accept', $org), 1, '  which is put down';
    my ($asked) = grep { $_->{path} =~ m{/subscriptions/} && ($_->{body} // '') =~ /quantity/ } $stripe->seen;
    like $asked->{body}, qr/proration_behavior(?:=|%3D)create_prorations/, '  and the rest of the period is charged';
    status_is $ann->post("$base/$org/remove-member", { user_id => $eve->uuid }), 200;
    settled $org, 2, 'and one less';
    is audited('member_unlicensed_on_removal', $org), 1;
};

subtest 'what Stripe tells from before takes no seat that it is only being asked for' => sub {
    my $org = paid(1);
    my $eve = invited($org);
    status_is $eve->post("$base/$org/accept-invite"), 200;
    $t->db->begin_work;
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $eve->tenant_id);
    $t->db->do('SELECT seats_deal(?, 1)', undef, $org);
    $t->db->commit;
    is licensed($org), 2, 'both have one';
    settled $org, 2, 'and then Stripe knows';
};

subtest 'a free organization has no seats to move' => sub {
    my $org = $t->organization($ann);
    $t->db->do(q{UPDATE organizations SET prem_status = 'enterprise' WHERE id = ?}, undef, $org);
    my $eve = invited($org);
    status_is $eve->post("$base/$org/accept-invite"), 200;
    is db(q{SELECT count(*) FROM jobs j JOIN subscriptions s ON j.payload ->> 'subscription' = s.id::text WHERE j.kind = 'billing.do' AND s.organization_id = ?}, $org), 0;
    is audited('member_auto_licensed_on_invite_accept', $org), 0;
    is $ann->get("$base/$org/billing/dashboard")->json('/current_period/seat_count'), 1, 'of one that has a plan without seats those with a licence count';
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
    is $ann->get("$base/$org/billing/dashboard")->json('/current_period'), undef, 'in a free one a licence costs nothing';
};
