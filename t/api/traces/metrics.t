# A project's metrics: who may see them, and that they are what its spans come to.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;
use List::Util qw(max min sum0);

my $t   = Ashlar::Spans::start();
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $n   = 0;
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;
my $DAY = 86400;

sub project ($organization = $org) { return Ashlar::Spans::project($t->db, $organization) }
sub put ($project, @spans) { return Ashlar::Spans::ingest($in, $project, @spans) }
sub metrics ($project, $query = '', $who = $ann) { return $who->get("/api/v4/meterics/project?project_id=$project" . ($query && "&$query")) }
sub at ($s, $micros = 0) { my @g = gmtime($Ashlar::Spans::EPOCH + int $s); return sprintf '%04d-%02d-%02dT%02d:%02d:%02d%sZ', $g[5] + 1900, $g[4] + 1, @g[ 3, 2, 1, 0 ], $micros ? sprintf('.%06d', 1e6 * ($s - int $s)) : '' }
sub day ($s) { return substr at($s), 0, 10 }
sub paid ($status) { return $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $status, $org) }

subtest 'who may see them' => sub {
    my $project = project();
    for my $path ("/api/v4/meterics/project?project_id=$project", "/api/v4/meterics/project/$project") {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
        error_is $t->user('stranger-' . ++$n)->get($path), 404, 'NOT_FOUND', name => 'nor who is no member';
        error_is $t->user('theirs-' . ++$n, tenant => 'other')->get($path), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
        for my $role (qw(owner admin developer business_user viewer)) {
            my $user = $t->user("a-$role-" . ++$n);
            $t->member($org, $user, $role);
            status_is $user->get($path), 200, "$role does";
        }
    }
    error_is $ann->get('/api/v4/meterics/project'), 422, 'VALIDATION_ERROR', field => 'project_id';
    error_is metrics($project, 'start_time=x'), 422, 'VALIDATION_ERROR', field => 'start_time';
    error_is metrics('00000000-0000-7000-8000-00000000dead'), 404, 'NOT_FOUND', name => 'a project that is not there';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project);
    error_is metrics($project), 404, 'NOT_FOUND', name => 'nor of one that is deleted';
};

paid('pro');

subtest 'what a few spans come to' => sub {
    my $project = project();
    put($project,
        { trace => 1, span => 1, at => 10, ms => 100, status => 1, tokens => [ 100, 50, 5, 5, 160 ], costs => [ 0, 0, 1_000_000 ] },
        { trace => 1, span => 2, parent => 1, at => 11, ms => 0, status => 1 },
        { trace => 1, span => 3, parent => 1, at => 12, ms => 300, status => 1 },
        { trace => 2, span => 1, at => $DAY + 20, ms => 1000, status => 2, tokens => [ 10, 1, 0, 0, 11 ], costs => [ 0, 0, 55 ] },
        { trace => 3, span => 1, at => $DAY + 30, ms => 50, status => 0 });
    my $res = metrics($project);
    json_is $res, '/project_id', $project;
    json_is $res, '/trace_count', 3;
    json_is $res, '/span_count', { total => 5, success => 3, fail => 1, unknown => 1, indeterminate => 1 };
    json_is $res, '/token_metrics', {
        total_cost => '0.10001', average_cost_per_session => '0.03334', prompt_tokens => 110, completion_tokens => 51, total_tokens => { all => 171, success => 160, fail => 11 }, avg_tokens => { all => 34.2, success => 53.33, fail => 11 },
    }, 'tokens and costs: of traces by their last span, divided by the spans of that status';
    my $d = $res->json('/duration_metrics');
    is_deeply [ @$d{qw(min_duration_ns max_duration_ns avg_duration_ns total_duration_ns)} ], [ 50_000_000, 1_000_000_000, 362_500_000, 1_450_000_000 ], 'durations, without the span that took no time';
    is_deeply $d->{trace_durations}, [ 50_000_000, 400_000_000, 1_000_000_000 ], 'the time of each trace\'s spans, ascending';
    json_is $res, '/trace_durations', $d->{trace_durations}, 'twice';
    for ([ p50 => 100 ], [ p90 => 1000 ], [ p95 => 1000 ], [ p99 => 1000 ]) {
        my $got = $d->{"$_->[0]_duration_ns"} / 1e6;
        ok $got > 0.9 * $_->[1] && $got < 1.1 * $_->[1], "$_->[0] is $got, of $_->[1]";
    }
    json_is $res, '/success_datetime', [ at(12, 1) ], 'when the last span of each trace began, by its status';
    json_is $res, '/fail_datetime', [ at($DAY + 20, 1) ];
    json_is $res, '/indeterminate_datetime', [ at($DAY + 30, 1) ];
    json_is $res, '/spans_per_trace', { 1 => 2, 3 => 1 };
    json_is $res, '/trace_cost_dates', { day(0) => 0.1 }, 'costs by day, of what went well';
    is join(' ', map { "$_->{span_count}/$_->{error_count}" } @{ $res->json('/over_time') }), '3/0 2/1', 'spans and errors over time';
    json_is $res, '/start_time', at(10) =~ s/Z/.000Z/r;
    json_is $res, '/end_time', at($DAY + 30) =~ s/Z/.000Z/r;
    json_is $res, '/freeplan_truncated', false;

    my $one = metrics($project, 'start_time=' . at($DAY) . '&end_time=' . at($DAY + 25));
    json_is $one, '/trace_count', 1, 'within a time';
    json_is $one, '/span_count/fail', 1;
    json_is metrics($project, 'start_time=' . at($DAY + 20) . '&end_time=' . at($DAY + 20)), '/trace_count', 1, 'both ends are in it';
    json_is metrics($project, 'start_time=' . at($DAY + 21) . '&end_time=' . at($DAY + 29)), '/trace_count', 0;
};

subtest 'of nothing' => sub {
    my $res = metrics(project());
    json_is $res, '/trace_count', 0;
    json_is $res, '/token_metrics/average_cost_per_session', '0.00000';
    json_is $res, '/duration_metrics', { min_duration_ns => undef, max_duration_ns => undef, avg_duration_ns => 0, total_duration_ns => undef, (map { ("p${_}_duration_ns" => undef) } 50, 90, 95, 99), trace_durations => [] };
    json_is $res, "/$_", [], $_ for qw(success_datetime fail_datetime indeterminate_datetime trace_durations over_time);
    json_is $res, "/$_", {}, $_ for qw(spans_per_trace trace_cost_dates);
    json_is $res, "/$_", undef, $_ for qw(start_time end_time);
};

subtest 'spans per trace, in tenths of the most' => sub {
    my $project = project();
    put($project, map { my $trace = $_; map { { trace => $trace, span => $_, at => $_ } } 1 .. (1, 2, 9, 11, 33, 35, 100)[ $trace - 1 ] } 1 .. 7);
    json_is metrics($project), '/spans_per_trace', { 0 => 3, 10 => 1, 30 => 2, 100 => 1 }, 'empty ones are left out';
};

subtest 'any range is what its traces come to' => sub {
    my $seed = $ENV{SEED} // int rand 1 << 31;
    srand $seed;
    my $project = project();
    my @traces = map { { trace => $_, at => int(rand() < 0.5 ? rand 3 * 3600 : rand 4 * $DAY), status => int rand 3, tokens => int rand 1000, cost => int rand 1e6, ms => 1 + int rand 5000, spans => 1 + int rand 3 } } 1 .. 400;
    put($project, map { my $x = $_; map { { trace => $x->{trace}, span => $_, at => $x->{at}, status => $x->{status}, ms => $x->{ms}, ($_ == 1 ? (tokens => [ 0, 0, 0, 0, $x->{tokens} ], costs => [ 0, 0, $x->{cost} ]) : ()) } } 1 .. $x->{spans} } @traces);
    for my $round (1 .. 25) {
        my ($from, $to) = sort { $a <=> $b } map { int(rand() < 0.5 ? rand 3 * 3600 : rand 4 * $DAY) } 1, 2;
        my @in  = grep { $_->{at} >= $from && $_->{at} <= $to } @traces;
        my $res = metrics($project, 'start_time=' . at($from) . '&end_time=' . at($to));
        is join(' ', $res->json('/trace_count'), @{ $res->json('/span_count') }{qw(total success fail)}, $res->json('/token_metrics/total_tokens/all'), $res->json('/token_metrics/total_cost'), $res->json('/duration_metrics/total_duration_ns') // 0),
            join(' ', scalar @in, sum0(map { $_->{spans} } @in), (map { my $s = $_; sum0(map { $_->{spans} } grep { $_->{status} == $s } @in) } 1, 2), sum0(map { $_->{tokens} } @in), sprintf('%.5f', int((sum0(map { $_->{cost} } @in) + 50) / 100) / 1e5), 1_000_000 * sum0(map { $_->{ms} * $_->{spans} } @in)),
            "$from to $to (SEED=$seed)";
    }
};

subtest 'a free plan has the last 30 days' => sub {
    my $project = project();
    put($project, { trace => 1, span => 1, at => 0 }, { trace => 2, span => 1, at => -31 * $DAY });
    json_is metrics($project), '/trace_count', 2, 'who pays has all';
    paid('free');
    my $res = metrics($project);
    json_is $res, '/trace_count', 1, 'else those of the last thirty days';
    json_is $res, '/freeplan_truncated', true, 'of which it is told where an end is missing';
    json_is metrics($project, 'start_time=' . at(-40 * $DAY) . '&end_time=' . at(9 * $DAY)), '/freeplan_truncated', true, 'or is too early';
    json_is metrics($project, 'start_time=' . at(-40 * $DAY) . '&end_time=' . at(-35 * $DAY)), '/trace_count', 0, 'both are moved';
    $res = metrics($project, 'start_time=' . at(-1) . '&end_time=' . at(1));
    json_is $res, '/freeplan_truncated', false, 'and not where both are in it';
    json_is $res, '/trace_count', 1;
};
