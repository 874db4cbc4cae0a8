# What is over goes: days of spans by their class, what is known of their traces, and all of a project that is deleted; and nothing else.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Ashlar::Sample;
use Ashlar::Spans;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
my %org;
my $DAY   = 86400;
my ($today) = $super->selectrow_array('SELECT to_timestamp(?)::date', undef, $Ashlar::Spans::EPOCH);
my @days  = ('{2,5,9}');

for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.quiet', 'on', false), set_config('app.tenant_id', ?, false)}, undef, $tenant);
    for my $plan (qw(free pro enterprise)) {
        $org{$tenant}{$plan} = $super->selectrow_array('INSERT INTO organizations (tenant_id, name, slug, prem_status) VALUES (?, ?, ?, ?) RETURNING id', undef, $tenant, $plan, "o-$plan", $plan);
    }
}

sub project ($tenant, $plan) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    return Ashlar::Spans::project($super, $org{$tenant}{$plan});
}

# A trace a day, from so many days before $EPOCH on.
sub put ($tenant, $project, @days) {
    $sql->in($api, $tenant, undef, sub { Ashlar::Spans::ingest($api, $project, map { my $d = $_; map { { trace => 100 + $d, span => $_, at => -$d * $DAY + $_, tags => [ 't' . $d ], session => "s$d", name => "n$d", resource => { d => $d } } } 1, 2 } @days) });
    return;
}
sub on ($day) { return scalar $super->selectrow_array('SELECT ?::date + ?::integer', undef, $today, $day) }
sub run ($query, @value) { return ($sql->run($api, $query, @value))[0] }
sub parts () { return [ map { s/spans_(\w+)_(\d+)/$1 . ' ' . $super->selectrow_array("SELECT to_date('$2', 'YYYYMMDD') - '$today'::date")/er } @{ $super->selectcol_arrayref(q{SELECT relname FROM pg_class WHERE relname ~ '^spans_[a-z]+_\d+$' ORDER BY 1}) } ] }
sub rows ($table, $project) { return scalar $super->selectrow_array("SELECT count(*) FROM $table WHERE project_id = ?", undef, $project) }
my @tables = qw(spans traces trace_tags trace_stats trace_sizes span_names span_resources trace_sessions);

my %project = map { my $tenant = $_; map { ("$tenant $_" => project($tenant, $_)) } qw(free pro enterprise) } $A, $B;
put((split ' ')[0], $project{$_}, 0, 3, 7, 12) for sort keys %project;

subtest 'days of spans' => sub {
    is scalar @{ parts() }, 12;
    # Somebody reads: nobody waits for that.
    my $reader = $cluster->connect($name);
    $reader->begin_work;
    $reader->do('SELECT FROM spans LIMIT 1');
    is run(spans_drop => today => $today, days => $days[0])->{dropped}, undef, 'one that is in use stays';
    $reader->rollback;
    my @dropped;
    while (my $part = run(spans_drop => today => $today, days => $days[0])->{dropped}) { push @dropped, $part }
    is scalar @dropped, 6, 'one a transaction';
    is join(' ', map { tr/ /:/r } sort @{ parts() }), join(' ', sort map { my ($class, @d) = @$_; map { "$class:$_" } @d } [ free => 0 ], [ pro => 0, -3 ], [ enterprise => 0, -3, -7 ]), 'each class has its days';
    is run(spans_drop => today => $today, days => $days[0])->{dropped}, undef, 'and then there is nothing to drop';
};

subtest 'what is known of their traces' => sub {
    1 while run(traces_expire => today => $today, days => $days[0], batch => 1)->{removed};
    for (sort keys %project) {
        my ($tenant, $plan) = split ' ';
        my $left = { free => 1, pro => 2, enterprise => 3 }->{$plan};
        is rows(traces => $project{$_}), $left, "$plan: traces";
        is rows(spans => $project{$_}), 2 * $left, '  as many as there are spans of';
        is rows(trace_tags => $project{$_}), $left, '  with their tags';
        is rows(trace_sizes => $project{$_}), $left, '  and sizes';
        is rows(trace_stats => $project{$_}), 3 * $left, '  and sums';
    }
    is rows(trace_sessions => $project{"$A pro"}), 3, 'sessions stay as long as any class does';
    1 while run(traces_expire => today => on(40), days => $days[0], batch => 100)->{removed};
    for my $table (grep { $_ ne 'spans' } @tables) {
        is $super->selectrow_array("SELECT count(*) FROM $table WHERE project_id = ANY (?)", undef, [ values %project ]), $table =~ /resources|names/ ? 24 * 0 + rows($table, $project{"$A free"}) * 6 : 0, "$table: in the end all of it";
    }
};

subtest 'days ahead' => sub {
    is run(spans_ahead => today => $today)->{made}, 3, 'tomorrow\'s, of classes that have today\'s';
    is run(spans_ahead => today => $today)->{made}, 0, 'once';
    my $before = parts();
    is run(spans_ahead => today => on(100))->{made}, 0, 'none of a class that nothing comes of';
    is_deeply parts(), $before, '  really none';
};

subtest 'a project that is deleted' => sub {
    my ($gone, $stays) = (project($A, 'pro'), project($A, 'pro'));
    put($A, $_, 0 .. 4) for $gone, $stays;
    is run(traces_forget => project => $gone, batch => 2)->{removed}, 0, 'not one that is there';
    $super->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $gone);
    my $runs = 0;
    $runs++ while run(traces_forget => project => $gone, batch => 2)->{removed};
    is $runs, 4, 'in batches, then the rest';
    is rows($_ => $gone), 0, "$_: nothing is left" for @tables;
    cmp_ok rows($_ => $stays), '>', 4, "$_: the other's stay" for @tables;
    my $late = project($B, 'free');
    put($B, $late, 0);
    $super->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $late);
    1 while run('traces_forget', project => undef, batch => 100)->{removed};
    is rows($_ => $late), 0, "$_: whatever tenant, without being named" for @tables;
};

# Log records of a project, so many days before $EPOCH.
sub put_logs ($tenant, $project, @days) {
    my @ns = map { ($Ashlar::Spans::EPOCH - $_ * $DAY) . '000000000' } @days;
    my $n  = @days;
    $sql->in($api, $tenant, undef, sub { $api->do(sprintf(q{SELECT log_ingest(?, array_fill(md5('t')::uuid, ARRAY[%1$d]), array_fill(NULL::bigint, ARRAY[%1$d]), ?, array_fill(NULL::bigint, ARRAY[%1$d]),
        array_fill(md5('d')::uuid, ARRAY[%1$d]), array_fill(9::smallint, ARRAY[%1$d]), array_fill(NULL::text, ARRAY[%1$d]), array_fill(NULL::text, ARRAY[%1$d]), array_fill('"x"'::jsonb, ARRAY[%1$d]),
        array_fill('{}'::jsonb, ARRAY[%1$d]), array_fill(1, ARRAY[%1$d]), ARRAY['{}'::jsonb], array_fill('s'::text, ARRAY[%1$d]), array_fill(NULL::text, ARRAY[%1$d]),
        array_fill(NULL::text, ARRAY[%1$d]), array_fill(0::smallint, ARRAY[%1$d]))}, $n), undef, $project, \@ns) });
    return;
}
sub log_days ($project) { return join ' ', @{ $super->selectcol_arrayref('SELECT ?::date - day FROM log_records WHERE project_id = ? ORDER BY 1', undef, $today, $project) } }

subtest 'log records go with the days of their class, and with their project' => sub {
    my %of = map { my $tenant = $_; map { ("$tenant $_" => project($tenant, $_)) } qw(free pro enterprise) } $A, $B;
    put_logs((split ' ')[0], $of{$_}, 0, 1, 3, 7, 12) for sort keys %of;
    1 while run(spans_drop => today => $today, days => $days[0])->{dropped};
    is log_days($of{"$_ free"}), '0 1', 'free: two days'                     for $A, $B;
    is log_days($of{"$_ pro"}), '0 1 3', 'pro: five'                          for $A, $B;
    is log_days($of{"$_ enterprise"}), '0 1 3 7', 'enterprise: nine'          for $A, $B;
    is $super->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relname ~ '^log_records_[a-z]+_\d+$'}), 2 + 3 + 4, 'their partitions are dropped';
    is run(spans_ahead => today => $today)->{made}, 3, 'tomorrow\'s are made, of logs too';
    my $bare = $super->selectcol_arrayref(q{SELECT relname FROM pg_class WHERE relname LIKE 'log\_records%' AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)});
    is "@$bare", '', 'each is under row-level security';
    is $sql->in($api, $A, undef, sub { scalar $api->selectrow_array('SELECT count(*) FROM log_records WHERE project_id = ?', undef, $of{"$B pro"}) }), 0, 'another tenant\'s are not seen';
    my $gone = $of{"$A pro"};
    is run(traces_forget => project => $gone, batch => 2)->{removed}, 0, 'nothing of a project that is there';
    $super->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $gone);
    my $runs = 0;
    $runs++ while run(traces_forget => project => $gone, batch => 1)->{removed};
    is $runs, 4, 'of one that is deleted in batches, and then the rest';
    is log_days($gone), '', 'all of it';
    is rows(span_resources => $gone), 0, 'with what its processes said of themselves';
    is log_days($of{"$B pro"}), '0 1 3', 'and of no other';
};

subtest 'nobody else is let see or remove' => sub {
    for my $table (@tables) {
        is $api->selectrow_array("SELECT count(*) FROM $table"), 0, "$table: nothing without a tenant";
    }
    $api->do(q{SELECT set_config('app.retention', 'traces', false)});
    is $api->selectrow_array("SELECT count(*) FROM $_"), 0, "$_: nor for who says so" for @tables;
};

$_->disconnect for $api, $super;
$cluster->drop($name);
done_testing;
