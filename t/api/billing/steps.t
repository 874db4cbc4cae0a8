use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;
use Cpanel::JSON::XS 'decode_json';

# What is done of itself: trials, seats that follow the members, reminders, and the end of what is not paid.
my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my $t      = Api->start($stripe->settings, worker => 1, CORS_ORIGINS => $page);
my $key    = $t->key;
my $server = $t->client(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $mike   = $t->team('mike');
my $ann    = $t->user('ann')->with(key => $key);
my $tenant = $ann->tenant_id;
my $base   = '/api/v1/dashboard/billing-steps';
my $plans  = '/api/v1/dashboard/plans';
$t->keep_secret('sk_test_stub');

my %plan = map { my $price = $stripe->price($_->[1]); $_->[0] => $olive->post($plans, { name => $_->[0], price_monthly => $_->[1] / 100, stripe_price_id_monthly => $price })->json('/id') } [ Pro => 3000 ], [ Team => 500 ], [ Trial => 2000 ];
my $n    = 0;
sub company () { return $ann->post('/api/v1/organizations', { name => 'Company ' . ++$n, slug => "company-$n" })->json('/id') }
sub row ($org) { return $t->db->selectrow_hashref('SELECT * FROM subscriptions WHERE organization_id = ? ORDER BY is_current DESC, ended_at DESC LIMIT 1', undef, $org) }
sub theirs ($org) { return $stripe->ask(GET => 'subscriptions/' . row($org)->{provider_id}) }
sub subscribe ($org, $plan, $card = 'pm_card_visa') {
    my $res = $server->post('/api/v1/billing/create-checkout-session', { user_id => $ann->uuid, organization_id => $org, plan_id => $plan{$plan}, success_url => "$page/paid", cancel_url => "$page/" });
    $stripe->command(complete => { session => $res->json('/session_id') // die($res->body), card => $card });
    $stripe->told_to($t);
    return $org;
}
# Have a job done, and all that it adds.
sub run_job ($kind = 'billing.remind', $payload = {}) {
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), job_add('ashlar', ?, ?)}, undef, $tenant, $kind, Cpanel::JSON::XS->new->encode($payload));
    return idle();
}
sub idle () { return eventually { !$t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind LIKE 'billing.%' AND state IN ('scheduled', 'queued', 'running') AND run_at < now() + interval '10 minutes'}) } 90, 'the jobs are done' }
# The mails since the last time, as "template to".
my %told;
sub mails () {
    return map { $_->{data} } sort { $a->{text} cmp $b->{text} } map { my $m = decode_json($_->{payload}); { text => "$m->{template} $m->{to}", data => $m } }
        grep { !$told{ $_->{id} }++ } @{ $t->db->selectall_arrayref(q{SELECT id, payload FROM jobs WHERE kind = 'mail'}, { Slice => {} }) };
}

subtest 'steps are set, whole' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $mike->put($base, { steps => [] }), 403, 'AUTHORIZATION_ERROR';
    json_is $mike->get($base), '', { steps => [] };
    my $bad = sub ($step, $why) { return error_is $olive->put($base, { steps => [ ref $step eq 'ARRAY' ? @$step : $step ] }), 422, 'VALIDATION_ERROR', name => $why };
    $bad->({ about => 'past_due', day => -1, mail => 'payment_past_due' }, 'no payment is behind before it is due');
    $bad->({ about => 'trial_end', day => 1, mail => 'trial_ending' }, 'and no trial goes on behind its end');
    $bad->({ about => 'trial_end', day => -1, mail => 'trial_ending', action => 'cancel' }, 'which ends of itself');
    $bad->({ about => 'past_due', day => 1 }, 'a step does something');
    $bad->({ about => 'past_due', day => 1, mail => 'trial_ending' }, 'in words about it');
    $bad->({ about => 'past_due', day => 1, mail => 'verify_email' }, 'that are of payments');
    $bad->([ map { { about => 'past_due', day => 1, mail => 'payment_past_due' } } 1, 2 ], 'once a day');
    json_is $mike->get($base), '', { steps => [] }, 'none of these is kept';
    my @steps = ({ about => 'past_due', day => 3, mail => 'payment_past_due', action => 'none' }, { about => 'past_due', day => 7, mail => 'payment_last_notice', action => 'none' }, { about => 'past_due', day => 14, mail => undef, action => 'cancel' }, { about => 'trial_end', day => -3, mail => 'trial_ending', action => 'none' });
    json_is $olive->put($base, { steps => [ reverse @steps ] }), '', { steps => \@steps };
    json_is $olive->put($base, { steps => \@steps }), '', { steps => \@steps }, 'in place of those before';
    json_is $olive->get($base, headers => { 'X-Test-Mode' => 'true' }), '', { steps => [] }, 'test mode has its own';
};

subtest 'terms of a plan' => sub {
    my $nobody = '00000000-0000-7000-8000-00000000dead';
    json_is $mike->get("$plans/$plan{Pro}/terms"), '', { plan_id => $plan{Pro}, trial_days => 0, seats => 'fixed' };
    error_is $mike->put("$plans/$plan{Pro}/terms", { trial_days => 1 }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->put("$plans/$nobody/terms", { trial_days => 1 }), 404, 'NOT_FOUND';
    error_is $olive->put("$plans/$plan{Trial}/terms", { trial_days => 731 }), 422, 'VALIDATION_ERROR', field => 'trial_days';
    error_is $olive->put("$plans/$plan{Trial}/terms", { seats => 'many' }), 422, 'VALIDATION_ERROR', field => 'seats';
    json_is $olive->put("$plans/$plan{Trial}/terms", { trial_days => 14 }), '', { plan_id => $plan{Trial}, trial_days => 14, seats => 'fixed' };
    json_is $olive->put("$plans/$plan{Team}/terms", { seats => 'members' }), '', { plan_id => $plan{Team}, trial_days => 0, seats => 'members' };
};

subtest 'a trial, once, whose end is told of' => sub {
    my $org = subscribe(company(), 'Trial');
    my $row = row($org);
    is $row->{status}, 'trialing';
    is $t->db->selectrow_array('SELECT round(extract(epoch FROM trial_end - trial_start) / 86400) FROM subscriptions WHERE id = ?', undef, $row->{id}), 14, 'for as long as the plan says';
    run_job();
    is_deeply [ mails() ], [], 'it is early';
    $t->db->do(q{UPDATE subscriptions SET trial_end = now() + interval '2 days' WHERE id = ?}, undef, $row->{id});
    run_job() for 1, 2;
    my ($mail, @more) = mails();
    is_deeply [ $mail->{template}, $mail->{to}, scalar @more ], [ 'trial_ending', 'ann@example.com', 0 ], 'a mail, once';
    like $mail->{data}{ends_on}, qr/\A20\d\d-\d\d-\d\d\z/, 'with the day';
    is $mail->{data}{amount}, '$20.00', 'and what it costs from then on';
    $ann->delete("/api/v1/organizations/$org/subscription?cancel_at_period_end=false");
    subscribe($org, 'Trial');
    is row($org)->{status}, 'active', 'there is no second trial';
};

subtest 'who does not pay is reminded, step by step, and then it ends' => sub {
    my $org = subscribe(company(), q(Pro));
    my $row = row($org);
    my ($sub, $customer) = @$row{qw(provider_id customer_id)};
    $stripe->ask(POST => "customers/$customer", 'invoice_settings[default_payment_method]=' . $stripe->ask(POST => 'payment_methods/pm_card_chargeCustomerFail/attach', "customer=$customer")->{id});
    $stripe->ask(POST => "subscriptions/$sub", 'default_payment_method=');
    my $days = ($t->db->selectrow_array('SELECT ceil(extract(epoch FROM period_end - now())) FROM subscriptions WHERE id = ?', undef, $row->{id}))[0];
    $stripe->command(clock => { by_s => $days + 60 });
    $stripe->told_to($t);
    is row($org)->{status}, 'past_due', 'a renewal could not be collected';
    my $behind = sub ($days) {
        my ($was) = $t->db->selectrow_array('SELECT behind_since FROM subscriptions WHERE id = ?', undef, $row->{id});
        $t->db->do(q{UPDATE subscriptions SET behind_since = now() - make_interval(days => ?, hours => 1) WHERE id = ?}, undef, $days, $row->{id});
        $t->db->do(q{UPDATE billing_steps_done d SET since = s.behind_since FROM subscriptions s WHERE s.id = d.subscription_id AND d.subscription_id = ?}, undef, $row->{id});
        run_job();
        return join ' ', map { "$_->{template}:$_->{to}" } mails();
    };
    mails();
    is $behind->(2), '', 'two days are none';
    is $behind->(3), 'payment_past_due:ann@example.com', 'the third';
    is $behind->(6), '', 'is told of once';
    is $behind->(8), 'payment_last_notice:ann@example.com', 'then the last notice';
    is row($org)->{ended_at}, undef, 'it goes on';
    is $behind->(15), '', 'and with the last step';
    is $stripe->ask(GET => "subscriptions/$sub")->{status}, 'canceled', 'it ends, at Stripe';
    is row($org)->{status}, 'canceled', '  and here';
    is $t->db->selectrow_array(q{SELECT state FROM billing_operations WHERE kind = 'of itself: end'}), 'done', 'as an operation';
    is $behind->(15), '', 'nothing more comes';
};

subtest 'of several steps that are due at once, the last one is told of; what is paid meanwhile is not' => sub {
    my ($late, $paid) = map { my $org = subscribe(company(), 'Pro'); row($org)->{id} } 1, 2;
    $t->db->do(q{UPDATE subscriptions SET status = 'past_due', behind_since = now() - interval '9 days' WHERE id = ?}, undef, $late);
    $t->db->do(q{UPDATE subscriptions SET behind_since = NULL WHERE id = ?}, undef, $paid);
    run_job();
    is join(' ', map { $_->{template} } mails()), 'payment_last_notice', 'one mail';
    is $t->db->selectrow_array('SELECT count(*) FROM billing_steps_done WHERE subscription_id = ?', undef, $late), 2, 'and both steps are done';
};

subtest 'seats follow the members' => sub {
    my $org = company();
    my %who = map { my $user = $t->user("seat-$_")->with(key => $key); $t->member($org, $user, 'member'); $_ => $user } qw(bob cy);
    subscribe($org, 'Team');
    is row($org)->{quantity}, 3, 'from the checkout on';
    my $dot = $t->user('seat-dot')->with(key => $key);
    my $add = sub ($user) { $t->db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant); $t->member($org, $user, 'member') };
    $add->($dot);
    idle();
    is row($org)->{quantity}, 4, 'somebody joins';
    is theirs($org)->{items}{data}[0]{quantity}, 4, '  at Stripe, too';
    status_is $ann->delete("/api/v1/organizations/$org/members/" . $who{bob}->uuid), 200;
    status_is $ann->post("/api/v1/organizations/$org/members/" . $who{cy}->uuid . '/deactivate'), 200;
    idle();
    is theirs($org)->{items}{data}[0]{quantity}, 2, 'one leaves, and one is suspended';
    my $changes = grep { "$_->{method} $_->{path}" eq 'POST /v1/subscriptions/' . row($org)->{provider_id} } $stripe->seen;
    cmp_ok $changes, '<=', 3, 'each is asked for once';
    run_job();
    is scalar(grep { "$_->{method} $_->{path}" eq 'POST /v1/subscriptions/' . row($org)->{provider_id} } $stripe->seen), $changes, 'and what is as it should be is left alone';

    # The answer is lost: the job tries again, and it is done once.
    my $before = $stripe->seen;
    $t->expect_log(qr/billing\.do|Stripe|breaker/);
    $stripe->command(fail => [ { match => 'POST /v1/subscriptions/', times => 3, lose => 'after' } ]);
    $add->($t->user('seat-eve'));
    idle();
    $stripe->command(fail => []);
    is row($org)->{quantity}, 3, 'an answer that is lost is asked for again';
    my %keys = map { $_->{headers}{'idempotency-key'} => 1 } grep { $_->{method} eq 'POST' } ($stripe->seen)[ $before .. $stripe->seen - 1 ];
    is scalar keys %keys, 1, '  as the same operation';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_operations WHERE state = 'asked'}), 0, 'nothing is left open';

    # Another change while one is under way: it waits, and ends in what is right.
    my $s = row($org);
    $t->db->do(q{INSERT INTO billing_operations (tenant_id, organization_id, kind, request, provider, answer, created_at, updated_at) VALUES (?, ?, 'of itself: seats', ?, 'stripe', '{"job": "another"}', now() - interval '2 minutes', now() - interval '2 minutes')}, undef, $tenant, $org, Cpanel::JSON::XS->new->encode({ subscription => $s->{id}, quantity => 9 }));
    $add->($t->user('seat-fay'));
    idle();
    is row($org)->{quantity}, 4, 'one that did not end is gone on with first, and then the seats are right';
    my $free = company();
    $t->member($free, $dot, 'member');
    is $t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'billing.do' AND payload ->> 'kind' = 'seats' AND state <> 'completed'}), 0, 'an organization that pays for none has no job';
};
