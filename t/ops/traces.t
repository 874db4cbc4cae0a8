# Spans that come in: each is taken once, and what is known of traces and projects is what their spans come to, in whatever order,
# batches and company they came.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Sample;
use Ashlar::Spans;
use Test::More;
use Time::HiRes 'sleep';

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
my %sample = map { $_ => Ashlar::Sample->fill($super, $_) } $A, $B;
my %org = map { $_ => $sample{$_}->id('organization') } $A, $B;
my $DAY = 86400;

# A connection as the api's, in a tenant.
sub api ($tenant = $A) {
    my $db = $cluster->connect($name, 'ashlar_api');
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    return $db;
}
my $api = api();

sub project ($tenant = $A) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    return Ashlar::Spans::project($super, $org{$tenant});
}

# "taken/duplicates"
sub ingest ($db, $project, @spans) { return join '/', Ashlar::Spans::ingest($db, $project, @spans) }

sub trace ($project, $n) {
    return $super->selectrow_hashref('SELECT * FROM traces WHERE project_id = ? AND trace_id = ?', undef, $project, Ashlar::Spans::trace_id($n));
}

# Start a batch without waiting for it; ->() waits and returns the SQLSTATE, '' when it worked.
sub start ($db, $project, @spans) {
    my ($text, @values) = Ashlar::Spans::call($project, @spans);
    my $st = $db->prepare($text, { pg_async => 1 });
    $st->execute(@values);
    return sub { my $ok = eval { $db->pg_result; 1 }; undef $st; return $ok ? '' : $db->state };
}

sub waits ($db) {
    for (1 .. 2000) {
        return 1 if $super->selectrow_array(q{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = ?}, undef, $db->{pg_pid});
        sleep 0.01;
    }
    return 0;
}

# What differs between what is known and what the spans come to: every table beside spans is made anew from them here.
sub differences ($project) {
    my $recount = q{
        WITH s AS (SELECT * FROM spans WHERE project_id = $1), t AS (
            SELECT trace_id, min(start_ns) AS start_ns, max(start_ns) AS last_ns, count(*) AS span_count, count(*) FILTER (WHERE status = 1) AS ok_count,
                   count(*) FILTER (WHERE status = 2) AS error_count, coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(completion_tokens), 0) AS completion_tokens,
                   coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens, coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens, coalesce(sum(total_tokens), 0) AS total_tokens,
                   coalesce(sum(prompt_cost), 0) AS prompt_cost, coalesce(sum(completion_cost), 0) AS completion_cost, coalesce(sum(total_cost), 0) AS total_cost,
                   sum(duration_ns) AS span_time_ns, (array_agg(status ORDER BY start_ns DESC, span_id DESC))[1] AS last_status,
                   (array_agg(name ORDER BY start_ns, parent_id IS NOT NULL, span_id))[1] AS root_name, (array_agg(keep ORDER BY start_ns))[1] AS keep,
                   (array_agg(attributes -> 'tags' ORDER BY start_ns, parent_id IS NOT NULL, span_id))[1] AS tags, min(attributes ->> 'session') AS session_id
            FROM s GROUP BY trace_id)};
    my %query = (
        traces => [ 'SELECT trace_id, start_ns, last_ns, span_count, ok_count, error_count, prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens,
                     prompt_cost, completion_cost, total_cost, span_time_ns, last_status, root_name, keep, to_jsonb(tags) AS tags, session_id, day FROM traces WHERE project_id = $1',
                    q{SELECT trace_id, start_ns, last_ns, span_count, ok_count, error_count, prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens,
                     prompt_cost, completion_cost, total_cost, span_time_ns, last_status, root_name, keep, tags, session_id, (to_timestamp(start_ns / 1000000000) AT TIME ZONE 'UTC')::date FROM t} ],
        trace_stats => [ 'SELECT width, keep, bucket, trace_count, ok_traces, error_traces, span_count, ok_spans, error_spans, prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens,
                          total_tokens, ok_tokens, error_tokens, prompt_cost, completion_cost, total_cost, ok_cost, span_time_ns FROM trace_stats WHERE project_id = $1 AND trace_count <> 0',
                         q{SELECT w, keep, start_ns / 1000000000 / w * w, count(*), count(*) FILTER (WHERE last_status = 1), count(*) FILTER (WHERE last_status = 2), sum(span_count), sum(ok_count), sum(error_count),
                          sum(prompt_tokens), sum(completion_tokens), sum(cache_read_tokens), sum(reasoning_tokens), sum(total_tokens), coalesce(sum(total_tokens) FILTER (WHERE last_status = 1), 0),
                          coalesce(sum(total_tokens) FILTER (WHERE last_status = 2), 0), sum(prompt_cost), sum(completion_cost), sum(total_cost), coalesce(sum(total_cost) FILTER (WHERE last_status = 1), 0), sum(span_time_ns)
                          FROM t, (VALUES (60), (3600), (86400)) w (w) GROUP BY 1, 2, 3} ],
        empty => [ 'SELECT width, bucket FROM trace_stats WHERE project_id = $1 AND trace_count = 0 AND (span_count, ok_spans, error_spans, total_tokens, ok_tokens, error_tokens, total_cost, ok_cost, span_time_ns) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)', 'SELECT 1, 1::bigint WHERE false' ],
        begun => [ 'SELECT width, keep, bucket, begun, begun_errors, min_ns, max_ns, (SELECT sum(d) FROM unnest(durations) d) FROM trace_stats WHERE project_id = $1 AND begun <> 0',
                   q{SELECT w, keep, start_ns / 1000000000 / w * w, count(*), count(*) FILTER (WHERE status = 2), min(duration_ns) FILTER (WHERE duration_ns > 0), max(duration_ns) FILTER (WHERE duration_ns > 0),
                    nullif(count(*) FILTER (WHERE duration_ns > 0), 0) FROM s, (VALUES (60), (3600), (86400)) w (w) GROUP BY 1, 2, 3} ],
        slots => [ q{SELECT width, keep, bucket, i, d FROM trace_stats, unnest(durations) WITH ORDINALITY u (d, i) WHERE project_id = $1 AND d <> 0},
                   q{SELECT w, keep, start_ns / 1000000000 / w * w, span_slot(duration_ns)::bigint, count(*) FROM s, (VALUES (60), (3600), (86400)) w (w) WHERE duration_ns > 0 GROUP BY 1, 2, 3, 4} ],
        trace_sizes => [ 'SELECT keep, day, span_count, traces FROM trace_sizes WHERE project_id = $1 AND traces <> 0',
                         q{SELECT keep, (to_timestamp(start_ns / 1000000000) AT TIME ZONE 'UTC')::date, span_count, count(*) FROM t GROUP BY 1, 2, 3} ],
        trace_tags => [ 'SELECT tag, start_ns, trace_id FROM trace_tags WHERE project_id = $1', q{SELECT DISTINCT tag, start_ns, trace_id FROM t, jsonb_array_elements_text(tags) tag} ],
        span_names => [ 'SELECT kind, name FROM span_names WHERE project_id = $1', q{SELECT 'span', name FROM s UNION SELECT 'tag', tag FROM s, jsonb_array_elements_text(attributes -> 'tags') tag WHERE false} ],
        trace_sessions => [ 'SELECT session_id, first_ns, last_ns FROM trace_sessions WHERE project_id = $1', q{SELECT session_id, min(start_ns), max(start_ns) FROM t WHERE session_id IS NOT NULL GROUP BY 1} ],
    );
    my @found;
    for my $what (sort keys %query) {
        my ($known, $real) = @{ $query{$what} };
        $known .= q{ AND kind = 'span'} if $what eq 'span_names';
        for ([ "kept of $what", $known, $real ], [ "missing of $what", $real, $known ]) {
            my ($which, $one, $other) = @$_;
            my $rows = $super->prepare("$recount, x AS ($one), y AS ($other) SELECT * FROM x EXCEPT SELECT * FROM y LIMIT 3", { pg_placeholder_dollaronly => 1 });
            $rows->execute($project);
            push @found, map { "$which: " . join ' ', map { ref ? "[@$_]" : $_ // 'NULL' } @$_ } @{ $rows->fetchall_arrayref };
        }
    }
    return join "\n", @found;
}

subtest 'a span is taken once' => sub {
    my $project = project();
    my @spans = map { { trace => 1, span => $_, parent => $_ > 1 ? 1 : undef, at => $_, status => $_ % 3 } } 1 .. 5;
    is ingest($api, $project, @spans), '5/0', 'five';
    is ingest($api, $project, @spans), '0/5', 'sent again: none of them';
    is ingest($api, $project, @spans[ 2 .. 4 ], { trace => 1, span => 6, at => 6 }), '1/3', 'together with one that is new';
    is ingest($api, $project, { trace => 2, span => 1, at => 9 }, { trace => 2, span => 1, at => 9 }), '1/1', 'twice in one batch';
    is ingest($api, $project, { trace => 2, span => 1, at => 9, name => 'another' }), '0/1', 'what came first stays';
    is trace($project, 1)->{span_count}, 6, 'six of the first trace';
    is differences($project), '', 'and everything is what they come to';
    my $other = project();
    is ingest($api, $other, @spans), '5/0', 'the same ids in another project are others';
};

subtest 'a trace is one, whatever batch its spans are in' => sub {
    for my $order ([ 0, 1, 2 ], [ 2, 1, 0 ], [ 1, 2, 0 ]) {
        my $project = project();
        my @batch = (
            [ { trace => 1, span => 1, at => $DAY - 2, name => 'root', status => 0, tags => ['x'], attributes => { tags => ['x'] }, ms => 5000 } ],
            [ { trace => 1, span => 2, parent => 1, at => $DAY - 2, name => 'child', tags => ['y'], attributes => { tags => ['y'] }, service => 'other' }, { trace => 1, span => 3, parent => 1, at => $DAY - 1, status => 2 } ],
            [ { trace => 1, span => 4, parent => 1, at => $DAY + 1, name => 'late', status => 1, session => 's', attributes => { session => 's' } } ],
        );
        ingest($api, $project, @{ $batch[$_] }) for @$order;
        my $t = trace($project, 1);
        is "$t->{span_count} $t->{error_count} $t->{root_name} $t->{service} @{ $t->{tags} } $t->{last_status} $t->{session_id}", '4 1 root shop x 1 s', "in the order @$order";
        is $t->{duration_ns}, 3_000_000_000, 'from the beginning of the first to that of the last';
        is_deeply $super->selectcol_arrayref('SELECT day - ?::date FROM spans WHERE project_id = ? ORDER BY span_id', undef, scalar($super->selectrow_array('SELECT to_timestamp(?)::date', undef, $Ashlar::Spans::EPOCH)), $project), [ 0, 0, 0, 1 ], 'over midnight: in two days';
        is differences($project), '', 'and everything is what they come to';
    }
};

subtest 'two batches of one trace at once' => sub {
    for my $first (0, 1) {
        my $project = project();
        my @batch = ([ map { { trace => 1, span => $_, at => $_, tokens => [ 1, 2, 0, 0, 3 ] } } 1 .. 3 ], [ map { { trace => 1, span => $_, at => $_ - 2.5, status => 2 } } 3 .. 6 ]);
        my ($one, $two) = map { api() } 1, 2;
        $one->begin_work;
        is ingest($one, $project, @{ $batch[$first] }), ($first ? '4/0' : '3/0'), 'one has not committed';
        my $wait = start($two, $project, @{ $batch[ !$first ] });
        ok waits($two), 'the other waits for it';
        $one->commit;
        is $wait->(), '', 'and goes on then';
        is trace($project, 1)->{span_count}, 6, 'the span that both have counts once';
        is differences($project), '', 'and everything is what they come to';
    }
};

subtest 'who was given up leaves nothing' => sub {
    my $project = project();
    my ($one, $two) = map { api() } 1, 2;
    $one->begin_work;
    ingest($one, $project, { trace => 1, span => 1, at => 1 });
    my $wait = start($two, $project, { trace => 1, span => 1, at => 1 }, { trace => 1, span => 2, at => 2 });
    ok waits($two), 'the other waits';
    $one->rollback;
    is $wait->(), '', 'and takes both';
    is trace($project, 1)->{span_count}, 2;
    is differences($project), '';
};

subtest 'a day that is new is made by whoever comes first, and nobody else is in the way' => sub {
    my ($mine, $theirs) = (project(), project());
    my ($one, $two, $three) = map { api() } 1 .. 3;
    $one->begin_work;
    is ingest($one, $mine, { trace => 1, span => 1, at => 5 * $DAY }), '1/0', 'a day begins';
    is ingest($two, $theirs, { trace => 1, span => 1, at => 0 }), '1/0', 'meanwhile spans of other days go in';
    is $two->selectrow_array('SELECT count(*) FROM spans WHERE project_id = ?', undef, $theirs), 1, 'and are read';
    my $wait = start($two, $theirs, { trace => 2, span => 1, at => 5 * $DAY });
    my $more = start($three, $theirs, { trace => 3, span => 1, at => 6 * $DAY });
    ok waits($_), 'who needs it waits, and who makes another' for $two, $three;
    $one->commit;
    is $_->(), '', 'and goes on then' for $wait, $more;
    is differences($_), '' for $mine, $theirs;
    my $bare = $super->selectcol_arrayref(q{SELECT relname FROM pg_class WHERE relname LIKE 'spans\_%' AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)});
    is "@$bare", '', 'each day is isolated';
    my @plan = map { $_->[0] } @{ $super->selectall_arrayref(sprintf q{EXPLAIN SELECT FROM spans WHERE tenant_id = '%s' AND project_id = '%s' AND day = '%s'}, $A, $mine, '2026-01-01') };
    is scalar(grep { /Scan/ } @plan), 0, 'days that are not asked for are not looked at' or diag "@plan";
};

subtest 'an organization that pays more: a day that has begun stays what it is' => sub {
    my $project = project();
    is ingest($api, $project, { trace => 1, span => 1, at => 1 }), '1/0';
    $super->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org{$A});
    is ingest($api, $project, { trace => 1, span => 1, at => 1 }, { trace => 1, span => 2, at => 2 }, { trace => 2, span => 1, at => 3 }, { trace => 3, span => 1, at => $DAY + 1 }), '3/1', 'what is sent again is found';
    my $kept = sub { join ' ', map { join ':', @$_ } @{ $super->selectall_arrayref('SELECT day - ?::date, keep, count(*) FROM spans WHERE project_id = ? GROUP BY 1, 2 ORDER BY 1, 2', undef, $super->selectrow_array('SELECT to_timestamp(?)::date', undef, $Ashlar::Spans::EPOCH), $project) } };
    is $kept->(), '0:1:3 1:2:1', 'what another day brings is kept as long as the plan says';
    is differences($project), '';
    is ingest($api, $project, { trace => 3, span => 2, at => 5 }, { trace => 3, span => 1, at => $DAY + 1 }), '1/1', 'a trace that turns out to have begun on the day before';
    is $kept->(), '0:1:4 1:2:1', 'has its spans with their days';
    is trace($project, 3)->{keep}, 1, 'and is of the day on which it began';
    is differences($project), '';
    $super->do('DELETE FROM trace_days WHERE project_id = ?', undef, $project);
    is ingest($api, $project, { trace => 1, span => 1, at => 1 }), '0/1', 'of what was stored before days had a class it is what is there';
    is $super->selectrow_array('SELECT keep FROM trace_days WHERE project_id = ?', undef, $project), 1;
    $super->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org{$A});
};

subtest 'any history comes to the same' => sub {
    my $seed = $ENV{SEED} // int rand 1 << 31;
    note "SEED=$seed";
    srand $seed;
    my @projects = (project(), project());
    my @dbs      = map { api() } 1, 2;
    my %sent;
    for my $round (1 .. 40) {
        # Two at once, of one project or of two.
        my @runs;
        for my $i (0, 1) {
            my $project = $projects[ rand 2 ];
            my @batch   = map {
                my ($trace, $span) = (1 + int rand 12, 1 + int rand 30);
                $sent{$project}{"$trace/$span"} //= {
                    trace => $trace, span => $span, parent => rand() < 0.3 ? undef : 1 + int rand 30, at => int(rand 3 * $DAY), status => int rand 3,
                    duration_ns => rand() < 0.2 ? 0 : int(2**rand 45), name => 'n' . int rand 6, service => 's' . int rand 3,
                    (rand() < 0.5 ? (tokens => [ map { int rand 1000 } 1 .. 5 ], costs => [ map { int rand 100000 } 1 .. 3 ]) : ()),
                    do {
                        my %about = ((rand() < 0.4 ? (tags => [ map { "t$_" } sort { $a <=> $b } keys %{ { map { int(rand 4) => 1 } 1 .. 2 } } ]) : ()), (rand() < 0.3 ? (session => 'c' . int rand 4) : ()));
                        (%about, attributes => {%about});
                    },
                };
            } 1 .. 1 + int rand 25;
            push @runs, start($dbs[$i], $project, @batch);
        }
        is $_->(), '', "round $round" for @runs;
    }
    for my $project (@projects) {
        is $super->selectrow_array('SELECT count(*) FROM spans WHERE project_id = ?', undef, $project), scalar(keys %{ $sent{$project} }), 'each span is there once';
        is differences($project), '', "and everything is what they come to (SEED=$seed)";
        my ($spans, $tokens) = $super->selectrow_array(q{SELECT sum(quantity) FILTER (WHERE metric = 'spans'), sum(quantity) FILTER (WHERE metric = 'span_tokens') FROM usage_daily WHERE category = ?}, undef, $project);
        my ($n, $t) = $super->selectrow_array('SELECT count(*), sum(total_tokens) FROM spans WHERE project_id = ?', undef, $project);
        is "$spans $tokens", "$n $t", 'and is what is billed';
    }
};

subtest 'what is billed is the organization\'s, by project' => sub {
    my $project = project();
    ingest($api, $project, { trace => 1, span => 1, tokens => [ 10, 5, 0, 0, 15 ] }, { trace => 1, span => 2 }) for 1 .. 2;
    is_deeply $super->selectall_arrayref('SELECT organization_id, user_id, metric, quantity, count FROM usage_daily WHERE category = ? ORDER BY metric', undef, $project),
        [ map { [ $org{$A}, '00000000-0000-0000-0000-000000000000', @$_ ] } [ span_tokens => 15, 2 ], [ spans => 2, 2 ] ], 'once';
    $super->do('SELECT usage_rebuild()');
    is $super->selectrow_array('SELECT count(*) FROM usage_daily WHERE category = ?', undef, $project), 2, 'and stays when sums are made anew from events';
};

subtest 'numbers as large as a client likes' => sub {
    my $project = project();
    my $most = '9223372036854775807';
    for my $trace (1, 1, 2) {
        state $n = 0;
        is ingest($api, $project, map { { trace => $trace, span => ++$n, duration_ns => $most, tokens => [ ($most) x 5 ], costs => [ ($most) x 3 ] } } 1, 2), '2/0', 'are taken';
    }
    is trace($project, 1)->{total_tokens}, '9000000000000000000', 'and added up as far as it goes';
};

subtest 'each tenant its own' => sub {
    my %project = map { $_ => project($_) } $A, $B;
    my $b = api($B);
    is ingest($_->[0], $project{ $_->[1] }, { trace => 7, span => 1, tags => ['x'], session => 'c' }), '1/0', 'the same ids in both' for [ $api, $A ], [ $b, $B ];
    ok !eval { ingest($api, $project{$B}, { trace => 8, span => 1 }); 1 }, 'the other\'s project';
    is $api->state, 'AS404', 'is not there';
    for my $table (qw(spans traces trace_stats trace_sizes trace_tags span_names span_resources trace_sessions)) {
        is_deeply $api->selectcol_arrayref("SELECT DISTINCT tenant_id FROM $table WHERE project_id IN (?, ?)", undef, @project{$A, $B}), [$A], "$table: one sees its own";
        ok !eval { $api->do("DELETE FROM $table"); 1 }, '  and changes nothing';
    }
    ok !eval { $api->do('SELECT span_partition(1::smallint, current_date)'); 1 }, 'nor makes a day';
    my $nobody = $cluster->connect($name, 'ashlar_api');
    ok !eval { ingest($nobody, $project{$A}, { trace => 9, span => 1 }); 1 }, 'without a tenant there is no project';
    $super->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project{$A});
    ok !eval { ingest($api, $project{$A}, { trace => 9, span => 1 }); 1 }, 'one that is deleted';
    is $api->state, 'AS404', 'takes nothing more';
};

$super->disconnect;
$cluster->drop($name);
done_testing;
