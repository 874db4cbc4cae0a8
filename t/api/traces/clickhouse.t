# Spans in ClickHouse when it is down, hangs, refuses, or dies between two steps: what senders and readers are told, that each span is stored
# and counted once all the same; its schema, what is over, and what is deleted.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::ClickHouse;
use Ashlar::Spans;

our $store = $Ashlar::ClickHouse::STORE = Ashlar::ClickHouse->start(is_empty => 1);
# What hangs costs as long as it takes to give it up, and what is only slow is not to be given up.
my $t   = Ashlar::Spans::start(worker => 1, CLICKHOUSE_TIMEOUT_MS => 5000, TRACES_FREE_DAYS => 8, TRACES_PRO_DAYS => 9);
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $db  = $t->db;
$db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id);
$t->keep_secret($store->password);
my $DAY = 86400;

sub slurp ($path) { open my $in, '<', $path or die "$path: $!\n"; local $/ = undef; return scalar <$in> }
sub project () { return Ashlar::Spans::project($db, $org) }
# Five days ago, of the eight that there are.
sub put ($project, @spans) {
    @spans = map { { %$_, at => 5 * $DAY + ($_->{at} // 0) } } @spans;
    return $t->client->with(token => $project)->post('/api/v1/traces', undef, raw => Ashlar::Spans::otlp(@spans), type => 'application/json');
}
sub stored ($project) { return ($store->query("SELECT count() FROM spans FINAL WHERE project_id = '$project'"))[0][0] }
sub traces ($project) { return $ann->get("/api/v4/traces?project_id=$project") }
sub billed ($project) { return scalar($db->selectrow_array(q{SELECT sum(quantity) FROM usage_daily WHERE metric = 'spans' AND category = ?}, undef, $project)) // 0 }
sub noted ($project) { return scalar $db->selectrow_array('SELECT count(*) FROM trace_batches WHERE project_id = ?', undef, $project) }
sub migrate () {
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    return scalar qx($Ashlar::Cluster::BUILD/ashlar migrate 2>&1);
}

sub job ($kind, $payload = '{}') {
    my ($id) = $db->selectrow_array('SELECT job_add(?, ?, ?::jsonb)', undef, 'ashlar', $kind, $payload);
    my $state;
    eventually { ($state) = $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id); $state =~ /completed|failed/ } 60, "$kind has run";
    return is $state, 'completed', $kind;
}

# The breaker is shared, and closed again by what works.
sub works ($name) { $store->fails; return eventually { traces(project())->status == 200 } 60, $name }

$t->expect_log(qr/ClickHouse: \w+: /, qr/circuit breaker/, qr/clickhouse/i);

# Of its own accord the worker sums once a minute; here it does when it is told to.
eventually { $db->do(q{UPDATE jobs SET run_at = now() + interval '1 day' WHERE kind = 'traces.sum' AND state = 'scheduled'}) > 0 } 60, 'sums are on schedule';

subtest 'its tables' => sub {
    my $project = project();
    error_is put($project, { trace => 1, span => 1 }), 503, 'SERVICE_UNAVAILABLE', name => 'none yet';
    error_is traces($project), 503, 'SERVICE_UNAVAILABLE';
    like migrate(), qr/ClickHouse: the tables of traces in ashlar/, 'ashlar migrate makes them';
    unlike migrate(), qr/ClickHouse/, 'once';
    works('and they are there');
    is_deeply [ $store->query('SELECT max(version) FROM ashlar_schema') ], [ [3] ], 'which version they are stands beside them';
    status_is put($project, { trace => 1, span => 1 }), 200;
    is billed($project), 1;
    $store->query('INSERT INTO ashlar_schema (version) VALUES (9)');
    like migrate(), qr/version 9, and this release knows 3/, 'a newer release\'s are left alone';
    $store->query('DELETE FROM ashlar_schema WHERE version = 9');
};

# What hours have come to, and whether that is true now.
sub sums ($project) {
    return join ' ', map { "$_->[0]:$_->[1]" } $store->query("SELECT s.traces, if(s.seen = m.marked, 'true', 'not') FROM (SELECT hour, keep, sum(n) AS marked FROM hour_marks WHERE project_id = '$project' GROUP BY hour, keep) AS m
        LEFT JOIN (SELECT hour, keep, traces, seen FROM hour_sums FINAL WHERE project_id = '$project') AS s ON s.hour = m.hour AND s.keep = m.keep ORDER BY m.hour");
}
sub figure ($project) { return $ann->get("/api/v4/meterics/project?project_id=$project")->json('/span_count')->{total} }

# As a process of the release before there were sums puts one in: no mark comes behind it.
sub put_as_before ($project, $trace) {
    my $start = ($Ashlar::Spans::EPOCH + 5 * $DAY) * 1_000_000_000;
    $store->query(qq{INSERT INTO spans (project_id, trace_id, span_id, batch, keep, start_ns, duration_ns, name) SELECT '$project', unhex('$trace'), 1, 1, 1, $start, 7, 'old'});
    $store->query(qq{INSERT INTO traces (project_id, hour, trace_id, keep, start_ns, last_ns, last_status, span_count, root_name, ver) SELECT '$project', toDateTime(intDiv($start, 1000000000), 'UTC'), unhex('$trace'), 1, $start, $start, 0, 1, 'old', 1});
    return;
}

subtest 'those of the last release become this one\'s' => sub {
    my $project = project();
    $store->query($_) for map({ "DROP TABLE $_" } qw(hour_marks_filled hour_marks hour_sums hour_sessions hour_words word_traces spans span_times_filled span_times span_batches_filled span_batches traces ashlar_schema));
    open my $git, '-|', 'git', 'show', slurp('t/ops/previous') =~ s/\s//gr . ':sql/clickhouse/schema.sql' or die "git: $!\n";
    my $before = join '', <$git>;
    close $git or die "git show: $?\n";
    $store->query($_) for grep { /\S/ } map { s/^--.*//mgr } split /^-- name: \w+$/m, $before;
    put_as_before($project, 'aa' x 16);
    my ($was, $is) = map { /SELECT (\d+) WHERE NOT EXISTS/ } $before, slurp('sql/clickhouse/schema.sql');
    is !!(migrate() =~ /ClickHouse: the tables of traces in ashlar/), $is > $was, 'ashlar migrate makes what is new';
    unlike migrate(), qr/ClickHouse/, 'once';
    is_deeply [ $store->query('SELECT max(version) FROM ashlar_schema') ], [ [3] ];
    works('they work');
    is sums($project), '0:not', 'what was there has no sums yet';
    is figure($project), 1, '  and is read';
    job('traces.sum');
    is sums($project), '1:true', 'then it has';
    is figure($project), 1;
    put_as_before($project, 'bb' x 16);
    is sums($project), '1:not', 'the last release\'s processes, which still run, put more in: the sums are not true';
    is figure($project), 2, '  and not used';
    job('traces.sum');
    is sums($project), '2:true', 'until they are made anew';
    is figure($project), 2;
    # The same span, of this release, when another plan is paid for.
    $db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    status_is put($project, { trace => 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa', span => 1 }, { trace => 3, span => 1 }), 200;
    is join(' ', map { "@$_" } $store->query("SELECT keep, count() FROM span_times FINAL WHERE project_id = '$project' GROUP BY keep")), '1 3', 'what is there says how long its day is kept: nothing is there twice';
    is $db->selectrow_array('SELECT string_agg(keep::text, \' \') FROM trace_days WHERE project_id = ?', undef, $project), '1', '  and PostgreSQL knows it';
    $db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
};

subtest 'a span that is sent again under another plan' => sub {
    my $project = project();
    my @spans   = ({ trace => 1, span => 1 }, { trace => 1, span => 2, at => 60 }, { trace => 2, span => 1, at => $DAY }, { trace => 3, span => 1 });
    for my $plan (qw(free enterprise pro free)) {
        $db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $org);
        push @spans, { trace => 4, span => 1, at => 2 * $DAY } if $plan eq 'pro';
        status_is put($project, @spans), 200;
        job('traces.sum');
        is join(' ', map { $_->[0] } $store->query("SELECT count() FROM $_ FINAL WHERE project_id = '$project'")), @spans, "$plan: each is there once: $_" for qw(spans span_times);
    }
    is billed($project), 5, 'and counted once';
    is join(' ', map { "@$_" } $store->query("SELECT DISTINCT toDate(hour) - toDate(toDateTime($Ashlar::Spans::EPOCH, 'UTC')), keep FROM spans WHERE project_id = '$project' ORDER BY 1")), '5 1 6 1 7 2', 'each day is kept as the plan says when the first of it comes';
    is $ann->get("/api/v4/meterics/project?project_id=$project")->json('/over_time')->@*, 3;
    is figure($project), 5;
};

subtest 'who sends is told to come again' => sub {
    my $project = project();
    for my $how ([ error => 'INSERT INTO spans' ], [ hang => 'INSERT INTO spans' ], [ late => 'INSERT INTO spans' ], [ error => 'INSERT INTO traces' ], [ late => 'INSERT INTO traces' ], [ error => 'INSERT INTO hour_marks' ], [ late => 'INSERT INTO hour_marks' ], [ error => 'countIf(batch' ], [ hang => 'countIf(batch' ]) {
        my ($kind, $match) = @$how;
        my @span = ({ trace => 1, span => 1, at => 1, tokens => [ 1, 2, 3, 4, 10 ] }, { trace => 2, span => 1, at => 2 });
        my $of   = project();
        # What the client tries again by itself fails, too.
        $store->fails($kind, match => $match);
        my $res = put($of, @span);
        error_is $res, 503, 'SERVICE_UNAVAILABLE', name => "$kind at $match";
        ok $res->header('Retry-After') > 0, 'with Retry-After';
        works("it is back: $kind at $match");
        status_is put($of, @span), 200, 'sent again';
        is stored($of), 2, 'each is there once';
        is traces($of)->json('/total'), 2, 'in its trace';
        $db->do(q{UPDATE trace_batches SET created_at = now() - interval '1 hour' WHERE project_id = ?}, undef, $of);
        job('traces.expire');
        is billed($of), 2, 'and counted once';
        is noted($of), 0, 'of which nothing is left to be found out';
    }
};

subtest 'what was put in, and never sent again' => sub {
    my $project = project();
    $store->fails('error', match => 'INSERT INTO traces');
    error_is put($project, { trace => 7, span => 1, at => 1 }, { trace => 7, span => 2, parent => 1, at => 2 }), 503, 'SERVICE_UNAVAILABLE';
    works('it is back');
    is stored($project), 2, 'its spans are there';
    is traces($project)->json('/total'), 0, 'the trace is not yet';
    is billed($project), 0, 'nor are they counted';
    job('traces.expire');
    is noted($project), 1, 'somebody may still be at it';
    $db->do(q{UPDATE trace_batches SET created_at = now() - interval '1 hour' WHERE project_id = ?}, undef, $project);
    job('traces.expire');
    is traces($project)->json('/traces')->[0]{span_count}, 2, 'the worker makes the trace';
    is figure($project), 2, 'and the hour\'s sum is made behind that';
    is sums($project), '1:true';
    is billed($project), 2, 'and counts what is there';
    job('traces.expire');
    is billed($project), 2, 'once';
};

subtest 'who reads is told so, and nothing is half said' => sub {
    my $project = project();
    status_is put($project, map { { trace => 1, span => $_, at => $_, attributes => { text => 'x' x 500 } } } 1 .. 50), 200;
    my $id = Ashlar::Spans::trace_id(1);
    for my $path ("/api/v4/traces?project_id=$project", "/api/v4/traces?project_id=$project&query=work", "/api/v4/traces/$id?project_id=$project", "/api/v4/traces/detail/$id", "/api/v4/traces/waterfall/$id?project_id=$project", "/api/v4/meterics/project?project_id=$project", "/api/v4/sessions?project_id=$project", "/api/opsboard/projects", "/api/v4/traces/export?project_id=$project&start_time=2020-01-01T00:00:00Z") {
        my @as = $path =~ /export/ ? (headers => { Accept => 'application/x-ndjson' }) : ();
        $store->fails('error');
        my $res = $ann->get($path, @as);
        is $res->status, 503, "$path: 503";
        ok $res->header('Retry-After') > 0, 'with Retry-After';
        works('it is back');
        status_is $ann->get($path, @as), 200;
    }
    $store->fails('cut', match => 'attributes');
    isnt $ann->get("/api/v4/traces/$id?project_id=$project")->status, 200, 'half of an answer is none';
    works('it is back');
    $store->fails('hang');
    is traces($project)->status, 503, 'it does not wait for ever';
    status_is $ann->get('/api/v1/public/health'), 200, 'what does not ask ClickHouse is not in its way';
    works('it is back');
};

subtest 'values of clients are values' => sub {
    my $project = project();
    my $text    = q{'; DROP TABLE spans; -- \\' {project:UUID} %27};
    status_is put($project, { trace => 1, span => 1, name => $text, session => $text, tags => [$text], attributes => { $text => $text } }), 200;
    my $sent = $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
    is traces($project)->json('/traces')->[0]{root_span_name}, $text, 'in a row';
    is $ann->get("/api/v4/traces?project_id=$project&$_=$sent")->json('/total'), 1, "in a search by $_" for qw(query span session_id);
    is $ann->get("/api/v4/traces?project_id=$project&attribute=" . ($sent =~ s/%3A/-/gr) . ":$sent")->json('/total'), 0, 'and by an attribute';
};

subtest 'what is over goes, and what is deleted' => sub {
    my ($project, $other) = (project(), project());
    # $EPOCH is ten days ago; what is sent may be as old as its plan keeps it.
    $store->query(qq{INSERT INTO spans (project_id, trace_id, span_id, batch, keep, start_ns, name) SELECT '$project', unhex('0000000000000000000000000000000' || toString(number)), number, 1, 1, ($Ashlar::Spans::EPOCH + number * $DAY + 1) * 1000000000, 'old' FROM numbers(5)});
    status_is put($_, { trace => 9, span => 9, at => 4 * $DAY }), 200 for $project, $other;
    job('traces.expire');
    is join(' ', sort map { $_->[0] } $store->query("SELECT span_id FROM spans WHERE project_id = '$project'")), '2 3 4 9', 'days behind the free plan\'s eight are gone';
    is join(' ', sort map { $_->[0] } $store->query("SELECT span_id FROM span_times WHERE project_id = '$project'")), '2 3 4 9', 'here, too';
    is scalar(map { $store->query("SELECT 1 FROM $_ WHERE toDate(hour) < toDate(now('UTC')) - 8") } qw(hour_marks hour_sums hour_sessions hour_words word_traces)), 0, 'and what their hours came to';
    job('traces.forget', qq({"project_id": "$project"}));
    is stored($project), 4, 'of a project that is not deleted nothing is';
    $db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project);
    error_is traces($project), 404, 'NOT_FOUND';
    error_is put($project, { trace => 9, span => 10, at => 4 * $DAY }), 401, 'AUTHENTICATION_ERROR';
    job('traces.forget', qq({"project_id": "$project"}));
    is scalar(map { $store->query("SELECT 1 FROM $_ WHERE project_id = '$project'") } qw(spans span_times traces span_batches hour_marks hour_sums hour_sessions hour_words word_traces)), 0, 'of one that is, everything';
    is stored($other), 1, 'and nothing of another';
};
