# What billing decides in PostgreSQL: which plan applies, and from when until when.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Sample;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $db      = $cluster->connect($name);
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

$db->disconnect;
$cluster->drop($name);
done_testing;
