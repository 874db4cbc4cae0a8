# What billing decides in PostgreSQL: which plan applies, what becomes of a subscription that a provider shows, and what is
# credited.  BILLING_HISTORIES=10000 is the long form; BILLING_SEED repeats a run.

use v5.36;
use lib 't/lib';
use Ashlar::Assert qw(eventually);
use Ashlar::Cluster;
use Ashlar::Sample;
use Cpanel::JSON::XS ();
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $db      = $cluster->connect($name);
my $json    = Cpanel::JSON::XS->new->utf8->canonical;
my $A       = '00000000-0000-7000-8000-000000000001';
my $sample  = Ashlar::Sample->fill($db, $A);
my %id      = map { $_ => $sample->id($_) } qw(organization user plan);

# A statement's one value, in the tenant.
sub one ($text, @values) { return scalar $db->selectrow_array($text, undef, @values) }

sub plan_made ($name, %more) {
    my @columns = sort keys %more;
    return one(sprintf('INSERT INTO plans (%s) VALUES (%s) RETURNING id', join(', ', 'tenant_id', 'name', @columns), join ', ', ('?') x (2 + @columns)), $A, $name, @more{@columns});
}
my %plan = (free => plan_made('Free', is_free => 1, limits => '{"messages": 10}'), team => plan_made('Team', limits => '{"messages": 500}'));

sub name_of ($call, @values) { return one("SELECT name FROM $call", @values) }

subtest 'the plan that applies is the subscription\'s, else the user\'s, else the tenant\'s' => sub {
    is name_of('plan_of_organization(?)', $id{organization}), 'Harbour Pro', 'the subscription\'s';
    is name_of('plan_of_member(?, ?)', $id{organization}, $id{user}), 'Harbour Pro', 'which is each member\'s';
    is name_of('plan_of_user(?)', $id{user}), undef, 'a user without any has none';
    for my $status (qw(trialing past_due unpaid paused incomplete)) {
        one('UPDATE subscriptions SET status = ? WHERE tenant_id = ? AND is_current RETURNING 1', $status, $A);
        is name_of('plan_of_organization(?)', $id{organization}), $status eq 'trialing' ? 'Harbour Pro' : undef, "$status: " . ($status eq 'trialing' ? 'it counts' : 'it does not');
    }
    $db->do('UPDATE tenant_settings SET default_plan_id = ? WHERE tenant_id = ?', undef, $plan{free}, $A);
    is name_of('plan_of_organization(?)', $id{organization}), 'Free', 'the default one for an organization without';
    is name_of('plan_of_user(?)', $id{user}), 'Free', 'and for a user';
    $db->do('UPDATE users SET current_plan_id = ? WHERE tenant_id = ? AND id = ?', undef, $plan{team}, $A, $id{user});
    is name_of('plan_of_user(?)', $id{user}), 'Team', 'but not for one who was given another';
    is name_of('plan_of_member(?, ?)', $id{organization}, $id{user}), 'Team', 'who has it in an organization that pays for nothing';
    is one(q{SELECT limits ->> 'messages' FROM plan_of_user(?)}, $id{user}), 500, 'with its limits';
};

subtest 'a subscription that costs nothing has months from the day on that it began' => sub {
    my $org = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Free', 'free') RETURNING id}, $A);
    my $period = sub ($at) { return join ' ', map { $_ // '' } $db->selectrow_array(q{SELECT starts_at AT TIME ZONE 'UTC', ends_at AT TIME ZONE 'UTC' FROM subscription_period(?, ?)}, undef, $org, $at) };
    is $period->('2026-01-31 09:00Z'), '', 'none without one';
    $db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, plan_id, status, is_current, started_at) VALUES (?, ?, ?, 'active', true, '2026-01-31 08:00Z')}, undef, $A, $org, $plan{free});
    is $period->($_->[0]), "2026-$_->[1] 08:00:00 2026-$_->[2] 08:00:00", $_->[0]
        for [ '2026-01-31 08:00Z', '01-31', '02-28' ], [ '2026-02-28 07:59Z', '01-31', '02-28' ], [ '2026-02-28 08:00Z', '02-28', '03-31' ],
        [ '2026-03-30 12:00Z', '02-28', '03-31' ], [ '2026-04-30 08:00Z', '04-30', '05-31' ];
    is $period->('2027-02-28 08:00Z'), '2027-02-28 08:00:00 2027-03-31 08:00:00', 'years on, too';
};

subtest 'a plan is well formed' => sub {
    for (['a limit is a whole number', q{'{"messages": 1.5}'}], [ 'and not below 0', q{'{"messages": -1}'} ], [ 'or a word', q{'{"messages": "many"}'} ], [ 'limits are named', q{'[1]'} ]) {
        ok !eval { $db->do("INSERT INTO plans (tenant_id, name, limits) VALUES ('$A', 'x', $_->[1])"); 1 } && $@ =~ /plans_limits_are_counts/, $_->[0];
    }
    ok !eval { plan_made('TEAM'); 1 } && $@ =~ /plans_name_unique/, 'a name is taken once, in any case';
};

# What Stripe showed of one subscription, from its beginning to its end, as it was recorded; times are days.
my $DAY  = 86400;
my $T    = 1_790_000_000;
my %with = (status => 'active', currency => 'eur', amount => 1000, quantity => 1, interval => 'month', price => 'price_harbour_month', item => 'si_1', created => $T, period_start => $T, period_end => $T + 30 * $DAY, will_cancel => \0);
my @history = map { { %with, %$_ } } (
    { status => 'incomplete' }, {},
    { quantity => 3 },
    { will_cancel => \1, canceled_at => $T + 5 * $DAY }, {},
    { price => 'price_harbour_year', amount => 29_000, interval => 'year' },
    (map { { status => $_, period_start => $T + 30 * $DAY, period_end => $T + 60 * $DAY } } qw(past_due unpaid active)),
    { schedule => 'sub_sched_1' }, {},
    { status => 'canceled', canceled_at => $T + 40 * $DAY, ended_at => $T + 40 * $DAY },
);

# What a row is to show of an object.
sub shown ($object) {
    return join ' ', map { $_ // '-' } @$object{qw(status price quantity amount interval period_end)}, ${ $object->{will_cancel} } ? 'leaves' : 'stays', $object->{schedule}, $object->{ended_at};
}
my $is = q{SELECT concat_ws(' ', status, price_id, quantity, amount, interval, extract(epoch FROM period_end)::bigint, CASE WHEN cancel_at_period_end THEN 'leaves' ELSE 'stays' END,
                            coalesce(schedule_id, '-'), coalesce(extract(epoch FROM ended_at)::bigint::text, '-')) FROM subscriptions WHERE provider_id = ?};

# Histories of readers: each begins, reads what Stripe has just then, and has it applied some time later, twice or not at
# all.  Of the last change one hears, at least; nobody who began later is missing.
subtest 'whoever reads when, in any order, twice or never: once the last state is seen, it stays' => sub {
    my $histories = $ENV{BILLING_HISTORIES} // 1000;
    my $seed      = $ENV{BILLING_SEED}      // int rand 2**31;
    diag "BILLING_SEED=$seed" if $ENV{BILLING_SEED} || $ENV{BILLING_HISTORIES};
    srand $seed;
    my $see  = $db->prepare(q{SELECT is_applied FROM billing_see('stripe', ?::jsonb, ?)});
    my ($bad, $applied, $ignored, $look) = ('', 0, 0, one('SELECT billing_look()'));
    $db->do('BEGIN');
    for my $n (1 .. $histories) {
        $db->do('COMMIT'), $db->do('ANALYZE subscriptions, billing_customers, organizations, audit_events'), $db->do('BEGIN') if $n == 20 || $n % 100 == 0;
        my $org    = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Org', ?) RETURNING id}, $A, "history-$n");
        my @states = @history[ sort { $a <=> $b } map { int rand @history } 0 .. 1 + int rand 6 ];
        my (@open, @read, @waits);
        my $apply = sub ($r) {
            my ($done) = $db->selectrow_array($see, undef, $r->{text}, $r->{look});
            $done ? $applied++ : $ignored++;
        };
        for my $i (0 .. $#states) {
            my %object = (%{ $states[$i] }, id => "sub_$n", customer => "cus_$n", metadata => { organization_id => $org });
            my $text   = $json->encode(\%object);
            # Those who began under the state before read this one now, or did before.
            $_->{text} = $text for grep { rand() < 0.5 } @open;
            push @waits, splice @open, int rand @open, 1 while @open && rand() < 0.5;
            # The event of the change is lost, or brings a reader; so does anything else.
            my $heard = $i == $#states || rand() < 0.7;
            push @open, map { { look => ++$look, text => $text } } 1 .. $heard + int rand 2;
            # Whatever was read may arrive now.
            for (1 .. int rand 3) {
                my $r = $waits[ rand @waits ] // next;
                $apply->($r);
            }
        }
        # In the end all arrive, in any order, some twice; but for those who died, of whom the last change's is none.
        my $last = $open[-1];
        my @late = map { ($_) x (rand() < 0.2 ? 2 : 1) } grep { $_ == $last || rand() < 0.8 } @waits, @open;
        $apply->(splice @late, int rand @late, 1) while @late;
        my ($got, $want) = (one($is, "sub_$n"), shown($states[-1]));
        $bad ||= "history $n: $got, and not $want" if $got ne $want;
        my $current = one('SELECT count(*) FROM subscriptions WHERE owner_id = ? AND is_current', $org);
        $bad ||= "history $n: $current current ones" if $current != ($states[-1]{status} eq 'canceled' ? 0 : 1);
    }
    $db->do('COMMIT');
    is $bad, '', "$histories histories end in Stripe's state" or diag "BILLING_SEED=$seed";
    cmp_ok $applied, '>', $histories, "$applied reads were applied" ;
    cmp_ok $ignored, '>', $histories / 2, "$ignored came late, and were not";
};

subtest 'a payment is credited once' => sub {
    my $org = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Pays', 'pays') RETURNING id}, $A);
    $db->do(q{INSERT INTO payments (tenant_id, organization_id, provider, provider_id, amount, currency) VALUES (?, ?, 'stripe', 'pi_1', 500, 'jpy')}, undef, $A, $org);
    my $credit = sub (@values) { return one(q{SELECT payment_credit('stripe', ?, ?, ?)}, @values) };
    ok !eval { $credit->('pi_1', 501, 'jpy'); 1 } && $@ =~ /payment pi_1 is of 500 jpy, and not of 501 jpy/, 'not with another amount';
    ok !eval { $credit->('pi_1', 500, 'eur'); 1 } && $@ =~ /and not of 500 eur/, 'or in another currency';
    is $credit->('pi_2', 500, 'jpy'), 0, 'one that nobody knows is not';
    # Two at once, in turn: the second waits for the first, and then there is nothing left.
    my $other = $cluster->connect($name, 'ashlar_api');
    $_->do('SELECT set_config(?, ?, false)', undef, 'app.tenant_id', $A) for $other;
    $db->begin_work;
    is $credit->('pi_1', 500, 'JPY'), 1, 'the first one credits it';
    $other->do(q{SELECT payment_credit('stripe', 'pi_1', 500, 'jpy')}, { pg_async => 1 });
    eventually { one('SELECT cardinality(pg_blocking_pids(?))', $other->{pg_pid}) } 20, 'the second one waits';
    $db->commit;
    is $other->pg_result, 1, 'and goes on';
    is $credit->('pi_1', 500, 'jpy'), 0, 'whoever comes later has nothing to credit';
    is one(q{SELECT count(*) FROM payments WHERE credited_at IS NOT NULL AND provider_id = 'pi_1'}), 1, 'it is credited';
    $other->disconnect;
};

subtest 'of two that are paid, the first one counts' => sub {
    my $org = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Twice', 'twice') RETURNING id}, $A);
    my $see = sub ($id, %more) { return one(q{SELECT subscription FROM billing_see('stripe', ?::jsonb, billing_look())}, $json->encode({ %with, id => $id, customer => 'cus_twice', metadata => { organization_id => $org }, %more })) };
    my $current = sub () { return one('SELECT provider_id FROM subscriptions WHERE owner_id = ? AND is_current', $org) };
    is one(q{SELECT problem FROM billing_see('stripe', ?::jsonb, billing_look())}, $json->encode({ %with, id => 'sub_x', customer => 'cus_x' })), 'its customer is nobody here', 'a stranger';
    one('SELECT subscription_start(?, NULL, ?, ?, NULL)', $org, $plan{free}, 'month');
    is name_of('plan_of_organization(?)', $org), 'Free', 'it has a plan that costs nothing';
    $see->('sub_second', created => $T + 60);
    is $current->(), 'sub_second', 'then one that is paid';
    is one('SELECT count(*) FROM subscriptions WHERE owner_id = ? AND ended_at IS NULL', $org), 1, 'in place of that';
    $see->('sub_first');
    is $current->(), 'sub_first', 'one that began before it counts instead';
    is one(q{SELECT count(*) FROM audit_events WHERE action = 'subscription.duplicate' AND tenant_id = ?}, $A), 1, 'and it is put down that both are paid';
    $see->('sub_first', status => 'canceled', ended_at => $T + 90);
    is $current->(), 'sub_second', 'until it ends';
    my $ended = one('SELECT id FROM subscriptions WHERE provider_id = ?', 'sub_first');
    $see->('sub_first');
    is one('SELECT status FROM subscriptions WHERE id = ?', $ended), 'canceled', 'which is for good';
    is name_of('plan_of_organization(?)', $org), 'Harbour Pro', 'the plan is that of the price';
    one('UPDATE subscriptions SET next_plan_id = ?, next_interval = ? WHERE provider_id = ? RETURNING 1', $plan{free}, 'month', 'sub_second');
    $see->('sub_second', will_cancel => \1);
    is one('SELECT next_plan_id FROM subscriptions WHERE provider_id = ?', 'sub_second'), $plan{free}, 'one that ends may have one behind it';
    $see->('sub_second', status => 'canceled', ended_at => $T + 90);
    is name_of('plan_of_organization(?)', $org), 'Free', 'that begins where it ends';
};

subtest 'the profile of a user shows what is theirs' => sub {
    my $user = one(q{INSERT INTO users (tenant_id, public_id) VALUES (?, 'user_pays') RETURNING id}, $A);
    my $see  = sub (%more) { return one(q{SELECT subscription FROM billing_see('stripe', ?::jsonb, billing_look())}, $json->encode({ %with, id => 'sub_user', customer => 'cus_user', price => 'price_of_no_plan', metadata => { user_id => $user, tier => 'pro' }, %more })) };
    my $shown = sub () { return join ' ', map { $_ // '-' } $db->selectrow_array('SELECT subscription_plan, subscription_status FROM users WHERE id = ?', undef, $user) };
    $see->(status => 'incomplete');
    is $shown->(), 'pro incomplete', 'what waits';
    $see->();
    is $shown->(), 'pro active', 'what is paid';
    $see->(status => 'canceled', ended_at => $T + 1);
    is $shown->(), 'pro canceled', 'and what has ended';
};

$db->disconnect;
$cluster->drop($name);
done_testing;
