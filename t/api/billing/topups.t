use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;
use Time::HiRes 'sleep';

# Automatic top-ups: of a tenant's tokens and of a user's credit, paid by a worker.
my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings);
my $base   = '/api/billing';
my $db     = $t->db;
my $ann    = $t->user('ann', role => 'member');
my $mike   = $t->user('mike', role => 'member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my ($OWN)  = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $t->tenant_id);
my %tokens = (threshold_tokens => 1000, package_id => 'tokens-50k');
my %credit = (threshold_cents => 500, package_slug => 'credit-10');
$t->keep_secret('sk_test_stub');
$t->expect_log(qr/EXTERNAL_SERVICE_ERROR|child \d+ ended: signal|worker: (?:FATAL|PostgreSQL)|Stripe: status|job (?:topup|failed)|"topup"/);

sub inside ($sql, @values) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $t->tenant_id);
    my @row = $db->selectrow_array($sql, undef, @values);
    $db->commit;
    return $row[0];
}

# A customer of Stripe's with a card as the default, or none; returns their id.
sub customer ($user, $card = undef) {
    my $form = "email=x\@example.com" . ($card ? "&payment_method=$card&invoice_settings[default_payment_method]=$card" : '');
    my $id = $stripe->ask(POST => 'customers', "email=x\@example.com" . ($card ? "&payment_method=$card" : ''))->{id};
    $db->do(q{DELETE FROM billing_customers WHERE user_id = ?}, undef, $user->uuid);
    $db->do(q{INSERT INTO billing_customers (tenant_id, user_id, provider, provider_id) VALUES (?, ?, 'stripe', ?)}, undef, $user->tenant_id, $user->uuid, $id);
    return $id;
}
sub put ($amount) { return inside(q{SELECT wallet_credit(NULL, 'tokens', 'admin_grant', ?, NULL, NULL, '{}')}, $amount) }
sub balance () { return $ann->get("/api/tokens/balance?company_id=$OWN")->json('/data') }
sub drain ($left) {
    my $has = balance()->{balance};
    return $mike->post('/api/tokens/consume', { amount => $has - $left, action => 'write', company_id => $OWN });
}
sub config ($who = $ann) { return $who->get("$base/auto-topup")->json('/data/config') }
sub topups () { return $db->selectall_arrayref('SELECT * FROM topups WHERE config_id IS NOT NULL ORDER BY created_at, id', { Slice => {} }) }
sub charges () { return grep { $_->{method} eq 'POST' && $_->{path} eq '/v1/payment_intents' } $stripe->seen }
sub paid () { return grep { $_->{status} eq 'succeeded' } @{ $stripe->ask(GET => 'payment_intents', 'limit=100')->{data} } }
sub still () { return !$db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('topup', 'webhook.in', 'billing.look') AND state IN ('scheduled', 'queued', 'running')}) }
sub settles ($name = 'the jobs are done') { return eventually { still() } 30, $name }
sub mails () { return scalar $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'mail' AND payload ->> 'template' = 'topup_failed'}) }

subtest 'who may' => sub {
    for my $path (qw(auto-topup credit-auto-topup)) {
        my $body = $path eq 'auto-topup' ? \%tokens : \%credit;
        error_is $t->get("$base/$path"), 401, 'AUTHENTICATION_ERROR';
        error_is $t->client(key => $t->key)->get("$base/$path"), 401, 'AUTHENTICATION_ERROR', name => 'a key is nobody';
        status_is $_->get("$base/$path"), 200 for $viewer, $demo;
        for my $verb (qw(post put)) {
            error_is $t->client->$verb("$base/$path", $body), 401, 'AUTHENTICATION_ERROR';
            error_is $_->$verb("$base/$path", $body), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
        }
    }
    is $db->selectrow_array('SELECT count(*) FROM topup_configs'), 0, 'nothing is written for that';
};

subtest 'before it is set up' => sub {
    my $res = $ann->get("$base/auto-topup");
    json_is $res, '/data/config', undef;
    is_deeply [ map { $_->{slug} } @{ $res->json('/data/packages') } ], [qw(tokens-50k tokens-250k tokens-1m)];
    my $credit = $ann->get("$base/credit-auto-topup");
    json_is $credit, '/data/config', undef;
    json_is $credit, '/data/packages/2', { slug => 'credit-100', name => '$100 of credit', credit_cents => 10_000, bonus_cents => 500, price_cents => 10_000, currency => 'usd' };
    error_is $ann->put("$base/$_", { enabled => true }), 404, 'NOT_FOUND' for qw(auto-topup credit-auto-topup);
};

subtest 'what is malformed is 400' => sub {
    my $bad = sub ($path, $body, $field, @more) { error_is $ann->post("$base/$path", { %$body, @more }), 400, 'VALIDATION_ERROR', field => $field };
    for my $path (qw(auto-topup credit-auto-topup)) {
        my ($body, $low, $package) = $path eq 'auto-topup' ? (\%tokens, 'threshold_tokens', 'package_id') : (\%credit, 'threshold_cents', 'package_slug');
        for my $field ($low, $package) { my %less = %$body; delete $less{$field}; error_is $ann->post("$base/$path", \%less), 400, 'VALIDATION_ERROR', field => $field }
        $bad->($path, $body, $low, $low => $_) for 0, -1, 1.5, 'x';
        $bad->($path, $body, $package, $package => $_) for 'gold', $path eq 'auto-topup' ? 'credit-10' : 'tokens-50k';
        $bad->($path, $body, 'max_monthly_topups', max_monthly_topups => $_) for 0, 101;
        $bad->($path, $body, 'enabled', enabled => 'yes');
        $bad->($path, $body, 'stripe_payment_method_id', stripe_payment_method_id => $_) for '', 'x y', 'x' x 256;
        error_is $ann->post("$base/$path", undef, raw => '{'), 400, 'VALIDATION_ERROR';
    }
    is $db->selectrow_array('SELECT count(*) FROM topup_configs'), 0;
};

subtest 'set up and changed' => sub {
    customer($ann, 'pm_card_visa');
    my $res = $ann->post("$base/auto-topup", \%tokens);
    status_is $res, 201;
    my %is = (id => qr/\A\d+\z/, enabled => true, threshold_tokens => 1000, package_id => 'tokens-50k', package_slug => 'tokens-50k', max_monthly_topups => 5, topups_this_month => 0, stripe_payment_method_id => undef, last_topup_at => undef, last_error => undef, created_at => $TIME, updated_at => $TIME);
    json_is $res, '/data', \%is;
    json_is $mike->get("$base/auto-topup"), '/data/config', \%is, 'the tenant has one';
    error_is $mike->post("$base/auto-topup", \%tokens), 409, 'CONFLICT';
    json_is $theirs->get("$base/auto-topup"), '/data/config', undef, 'another tenant has its own';
    error_is $ann->put("$base/auto-topup", $_), 400, 'VALIDATION_ERROR' for {}, { unknown => 1 }, { enabled => undef };
    error_is $ann->put("$base/auto-topup", { package_slug => 'gold' }), 400, 'VALIDATION_ERROR', field => 'package_slug';
    json_is $ann->put("$base/auto-topup", { threshold_tokens => 2000, package_slug => 'tokens-250k', max_monthly_topups => 3 }), '/data', { %is, threshold_tokens => 2000, package_id => 'tokens-250k', package_slug => 'tokens-250k', max_monthly_topups => 3 };
    json_is $ann->put("$base/auto-topup", { threshold_tokens => 1000, package_slug => 'tokens-50k' }), '/data/max_monthly_topups', 3, 'what is left out stays';
    my $credit = $ann->post("$base/credit-auto-topup", { %credit, enabled => false });
    status_is $credit, 201;
    my %has = (id => qr/\A\d+\z/, enabled => false, threshold_cents => 500, package_slug => 'credit-10', max_monthly_topups => 5, topups_this_month => 0, stripe_payment_method_id => undef, last_topup_at => undef, last_error => undef, created_at => $TIME, updated_at => $TIME);
    json_is $credit, '/data', \%has;
    json_is $mike->get("$base/credit-auto-topup"), '/data/config', undef, 'each user has one';
    error_is $ann->post("$base/credit-auto-topup", \%credit), 409, 'CONFLICT';
    json_is $ann->put("$base/credit-auto-topup", { enabled => true, stripe_payment_method_id => 'pm_1' }), '/data', { %has, enabled => true, stripe_payment_method_id => 'pm_1' };
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action LIKE 'topup.%'}), 5, 'who did it is put down';
};

subtest 'a spend that leaves too little has one package bought' => sub {
    put(5000);
    status_is drain(1000), 200;
    is scalar @{ topups() }, 0, 'as much as the threshold is enough';
    status_is drain($_), 200 for 999, 500, 200;
    is scalar @{ topups() }, 1, 'one is on its way, however many spends';
    json_is $ann->get("$base/auto-topup"), '/data/config/topups_this_month', 1, 'and counts';
    is scalar(charges()), 0, 'Stripe is asked by the worker';
    $t->start_worker(children => 2);
    eventually { balance()->{balance} == 50_200 } 30, 'it is paid, and in the wallet' or diag explain topups();
    my ($charge) = charges();
    like $charge->{body}, qr/off_session=true/;
    like $charge->{body}, qr/error_on_requires_action=true/;
    like $charge->{headers}{'idempotency-key'}, qr/\S/;
    settles();
    is scalar(charges()), 1, 'one charge';
    my $c = config();
    is $c->{last_topup_at} =~ $TIME, 1, 'when';
    is $c->{last_error}, undef;
    $stripe->told_to($t);
    $stripe->told_to($t, grep { $_->{type} eq 'payment_intent.succeeded' } @{ $stripe->ask(GET => 'events', 'limit=100')->{data} }) for 1, 2;
    is balance()->{balance}, 50_200, 'whoever tells of it again credits nothing';
    is_deeply [ map { [ @$_{qw(type amount)} ] } @{ $ann->get("/api/tokens/transactions?company_id=$OWN&type=purchase")->json('/data') } ], [ [ 'purchase', 50_000 ] ];
};

subtest 'of two spends at once one has it bought' => sub {
    $t->{pool}{worker}->stop;
    drain(1500);
    my @pids = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $client = $mike->with(http => $t->http);
            $client->post('/api/tokens/consume', { amount => 100, action => 'write', company_id => $OWN }) for 1 .. 4;
            POSIX::_exit(0);
        }
        $pid;
    } 1 .. 3;
    waitpid $_, 0 for @pids;
    is balance()->{balance}, 300;
    is scalar(grep { $_->{status} =~ /pending|asked/ } @{ topups() }), 1;
    $t->start_worker(children => 2);
    eventually { balance()->{balance} == 50_300 } 30, 'it is paid once';
    settles();
    is scalar(paid()), 2, 'one charge more';
};

subtest 'no more than are allowed in a month' => sub {
    drain(10);
    eventually { balance()->{balance} == 50_010 } 30, 'the third';
    settles();
    drain(10);
    is config()->{last_error}, 'monthly_limit_reached', 'the fourth is not bought';
    is config()->{enabled}, true, 'it goes on with the next month';
    is scalar(grep { $_->{status} =~ /pending|asked/ } @{ topups() }), 0;
    is mails(), 1, 'which is mailed';
    put(20);
    drain(10);
    is mails(), 1, 'once';
    json_is $ann->put("$base/auto-topup", { max_monthly_topups => 100 }), '/data/last_error', undef, 'more are allowed';
};

subtest 'a card that wants its owner pauses it' => sub {
    my $before = scalar(paid());
    customer($ann, 'pm_card_authenticationRequired');
    put(20);
    drain(5);
    eventually { (config()->{last_error} // '') eq 'authentication_required' } 30, 'why';
    settles();
    is config()->{enabled}, false, 'it is switched off';
    is mails(), 2, 'and the owner is mailed';
    my $n = charges();
    put(20);
    drain(5);
    put(20);
    drain(5);
    settles();
    is scalar(charges()), $n, 'the card is not asked again';
    $stripe->told_to($t);
    is balance()->{balance}, 5;
    is scalar(paid()), $before;
    my $on = $ann->put("$base/auto-topup", { enabled => true });
    json_is $on, '/data/last_error', undef, 'switched on again it forgets';
    $ann->put("$base/auto-topup", { enabled => false });
};

subtest 'a card that is declined, and none at all' => sub {
    customer($ann, 'pm_card_chargeCustomerFail');
    $ann->put("$base/auto-topup", { enabled => true });
    put(20);
    drain(6);
    eventually { !config()->{enabled} } 30, 'off';
    is config()->{last_error}, 'generic_decline';
    settles();
    customer($ann);
    $ann->put("$base/auto-topup", { enabled => true });
    put(20);
    drain(6);
    eventually { (config()->{last_error} // '') eq 'no_payment_method' } 30, 'no card';
    settles();
    is balance()->{balance}, 6;
};

subtest 'Stripe fails, and what it has done is not done twice' => sub {
    customer($ann, 'pm_card_visa');
    $ann->put("$base/auto-topup", { enabled => true });
    my $before = scalar(paid());
    $stripe->command(fail => [ { match => 'POST /v1/payment_intents$', times => 3, lose => 'after' } ]);
    put(20);
    drain(7);
    eventually { scalar(paid()) == $before + 1 } 30, 'it is charged, and nobody hears of it';
    eventually { $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'topup' AND state IN ('scheduled', 'queued') AND attempts > 0}) } 30, 'the job failed' or diag explain topups();
    drain(3);
    is scalar(grep { $_->{status} eq 'asked' } @{ topups() }), 1, 'it is pending, and nothing else is bought';
    $stripe->command(fail => []);
    $db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'topup' AND state = 'scheduled'});
    eventually { balance()->{balance} == 50_003 } 30, 'asked again, it is the same payment';
    settles();
    is scalar(paid()), $before + 1;
};

subtest 'a worker that is killed at any step' => sub {
    for my $step ([ 'before the card is known', 'GET /v1/customers' ], [ 'before the charge', 'POST /v1/payment_intents$', 'before' ], [ 'behind the charge', 'POST /v1/payment_intents$' ]) {
        my ($name, $match, $lose) = @$step;
        my $before = scalar(paid());
        my $asked  = scalar(grep { "$_->{method} $_->{path}" =~ /$match/ } $stripe->seen);
        $stripe->command(fail => [ { match => $match, times => 1, $lose ? (lose => $lose) : (delay_ms => 1500) } ]);
        drain(4);
        eventually { scalar(grep { "$_->{method} $_->{path}" =~ /$match/ } $stripe->seen) > $asked } 30, "$name: Stripe is being asked";
        kill 'KILL', $t->children('worker');
        eventually { balance()->{balance} == 50_004 } 40, '  and it is paid' or diag explain topups();
        settles();
        is scalar(paid()), $before + 1, '  once';
        $stripe->told_to($t);
        is balance()->{balance}, 50_004, '  and credited once';
    }
};

subtest 'what has come to no end is looked for' => sub {
    $t->{pool}{worker}->stop;
    my $before = scalar(paid());
    drain(8);
    my ($open) = grep { $_->{status} eq 'pending' } @{ topups() };
    # Charged a day ago by a worker that died with its job.
    my $customer = $db->selectrow_array('SELECT provider_id FROM billing_customers WHERE user_id = ?', undef, $ann->uuid);
    $stripe->ask(POST => 'payment_intents', "amount=500&currency=usd&customer=$customer&payment_method=pm_card_visa&confirm=true&off_session=true&metadata[topup_id]=$open->{id}&metadata[tenant_id]=" . $t->tenant_id);
    $stripe->events;
    $db->do(q{DELETE FROM jobs WHERE kind = 'topup'});
    $db->do(q{ALTER TABLE topups DISABLE TRIGGER USER});
    $db->do(q{UPDATE topups SET status = 'asked', payment_method = 'pm_card_visa', asked_at = now() - interval '25 hours', updated_at = now() - interval '25 hours' WHERE id = ?}, undef, $open->{id});
    $db->do(q{ALTER TABLE topups ENABLE TRIGGER USER});
    is $db->selectrow_array('SELECT topups_sweep()'), 1, 'the clock finds it';
    my $n = charges();
    $t->start_worker(children => 2);
    eventually { balance()->{balance} == 50_008 } 30, 'and the payment is found' or diag explain topups();
    settles();
    is scalar(charges()), $n, 'none is made';
    is scalar(paid()), $before + 1;
};

subtest 'credit' => sub {
    my $spend = sub ($n) { inside(q{SELECT wallet_consume(NULL, ?, 'credit', ?, 'call', NULL, '{}')}, $ann->uuid, $n) };
    inside(q{SELECT wallet_credit(?, 'credit', 'admin_grant', 1000, NULL, NULL, '{}')}, $ann->uuid);
    $ann->put("$base/credit-auto-topup", { stripe_payment_method_id => 'pm_card_visa' });
    $spend->(900);
    eventually { $db->selectrow_array(q{SELECT balance FROM wallets WHERE user_id = ? AND unit = 'credit'}, undef, $ann->uuid) == 1100 } 30, 'a user\'s own';
    settles();
    json_is $ann->get("$base/credit-auto-topup"), '/data/config/topups_this_month', 1;
    is $db->selectrow_array(q{SELECT count(*) FROM wallets w WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM wallet_transactions x WHERE x.wallet_id = w.id)}), 0, 'every balance is the sum of its transactions';
};
