# The same spans in PostgreSQL and in ClickHouse, ten a trace, and how long it takes to read them through nginx.
#
# Both are filled by SQL with what ingestion would have left there: each value is arithmetic of the trace's number i and the span's k.
package Bench::TraceReads;

use v5.36;
use Exporter 'import';
use Time::HiRes qw(sleep time);
use Bench::Database;
use Bench::Env;
use Bench::Proc qw(capture wait_for);
use Bench::Report qw(median);
use Bench::Requests qw(token);

our @EXPORT = qw(reader fill_postgres fill_clickhouse read_all);

my $DAYS = 29;
my $from = (int(time / 86400) - $DAYS) * 86400;    # midnight
my @names = ('SELECT shop.orders', 'GET', 'chat gpt-4o-mini', 'render', 'redis GET', 'queue publish', 'POST /charge', 'template', 'cache set');

# A member of a project's organization: their token.
sub reader ($project) {
    my ($public, $id, $session) = split /\||\n/, psql('bench', '-c', <<"SQL");
SET app.tenant_id = '$tenant';
SET app.quiet = 'on';
WITH u AS (INSERT INTO users (tenant_id, public_id, email) VALUES ('$tenant', 'reader', 'reader\@bench.example') RETURNING id, public_id),
     m AS (INSERT INTO memberships (tenant_id, organization_id, user_id, role) SELECT '$tenant', p.organization_id, u.id, 'owner' FROM u, trace_projects p WHERE p.id = '$project'),
     s AS (INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT '$tenant', u.id, now() + interval '1 day' FROM u RETURNING id)
SELECT u.public_id, u.id, s.id FROM u, s
SQL
    return token({ public_id => $public, id => $id, session => $session, email => 'reader@bench.example' });
}

# ---- PostgreSQL ----

sub fill_postgres ($project, $traces) {
    my $each = int($traces / $DAYS);
    my $gap  = int(86_400_000_000_000 / $each);
    my $list = join ', ', map { "'$_'" } @names;
    for my $day (0 .. $DAYS - 1) {
        my ($a, $b) = ($day * $each, ($day + 1) * $each - 1);
        my $begin = "$from * 1000000000::bigint + i * ${gap}::bigint";
        psql('bench', '-f', spew("$tmp/fill_day.sql", <<"SQL"));
SET app.tenant_id = '$tenant';
SET app.quiet = 'on';
SET synchronous_commit = off;
SELECT span_partition(3::smallint, span_day(($from + $day * 86400) * 1000000000::bigint));
INSERT INTO spans (tenant_id, project_id, trace_id, span_id, parent_id, start_ns, duration_ns, resource_id, prompt_tokens, completion_tokens, cache_read_tokens,
                   reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, day, keep, kind, status, flags, name, service, scope, scope_version, model, attributes)
SELECT '$tenant', '$project', md5('t' || i)::uuid, i * 10 + k + 1, CASE WHEN k > 0 THEN i * 10 + 1 END, $begin + k * (1 + i * 7919 % 997) * 100000,
       (1 + (i * 7919 + k * 104729) % 997) * (1 + (i * 31 + k * 17) % 7) * 100000, md5(jsonb_build_object('service.name', 'service' || i % 7)::text)::uuid,
       CASE WHEN k = 3 THEN 500 + i % 1000 END, CASE WHEN k = 3 THEN i % 200 END, CASE WHEN k = 3 THEN 0 END, CASE WHEN k = 3 THEN 0 END,
       CASE WHEN k = 3 THEN 500 + i % 1000 + i % 200 END, CASE WHEN k = 3 THEN 2 * (500 + i % 1000) END, CASE WHEN k = 3 THEN 8 * (i % 200) END,
       CASE WHEN k = 3 THEN 2 * (500 + i % 1000) + 8 * (i % 200) END, span_day($begin), 3, CASE WHEN k = 0 THEN 2 ELSE 3 END,
       CASE WHEN k = 3 AND i % 20 = 0 OR k = 9 AND i % 40 = 0 THEN 2 WHEN k = 9 AND i % 3 = 0 THEN 0 ELSE 1 END, 0,
       CASE WHEN k = 0 THEN 'operation ' || i % 83 WHEN k = 5 AND i % 1000 = 7 THEN 'refund' ELSE (ARRAY[$list])[k] END, 'service' || i % 7, 'http', '1.0',
       CASE WHEN k = 3 THEN 'gpt-4o-mini' END,
       jsonb_build_object('http.request.method', 'POST', 'server.address', 'shop.example.com', 'http.response.status_code', 200 + i % 5, 'user', 'user-' || i % 1000)
FROM generate_series(${a}::bigint, $b) i, generate_series(0::bigint, 9) k ORDER BY 3, 4;
INSERT INTO traces (tenant_id, project_id, trace_id, start_ns, last_ns, first_span, first_is_child, last_span, last_status, keep, day, span_count, ok_count, error_count,
                    prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, span_time_ns, service,
                    root_name, tags, tags_key, session_id)
SELECT tenant_id, project_id, trace_id, min(start_ns), max(start_ns), min(span_id), false, max(span_id), (array_agg(status ORDER BY span_id DESC))[1], 3, min(day), count(*),
       count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 2), sum(prompt_tokens), sum(completion_tokens), 0, 0, sum(total_tokens), sum(prompt_cost),
       sum(completion_cost), sum(total_cost), sum(duration_ns), min(service), (array_agg(name ORDER BY span_id))[1],
       CASE WHEN min(span_id) / 10 % 10 = 0 THEN ARRAY['tag' || min(span_id) / 10 % 31] END, CASE WHEN min(span_id) / 10 % 10 = 0 THEN 'tag' || min(span_id) / 10 % 31 ELSE '' END,
       CASE WHEN min(span_id) / 10 % 5 = 0 THEN 'session' || min(span_id) / 500 END
FROM spans WHERE tenant_id = '$tenant' AND project_id = '$project' AND keep = 3 AND day = span_day(($from + $day * 86400) * 1000000000::bigint)
GROUP BY tenant_id, project_id, trace_id;
INSERT INTO trace_stats
SELECT '$tenant', '$project', w, 3, at / w * w, sum(n), sum(ok), sum(error), sum(spans), sum(oks), sum(errors), sum(prompt), sum(completion), 0, 0, sum(total), sum(ok_total),
       sum(error_total), sum(prompt_cost), sum(completion_cost), sum(cost), sum(ok_cost), sum(ns), sum(begun), sum(begun_errors), min(least), max(most),
       span_slots(array_agg(slot) FILTER (WHERE slot > 0), array_agg(begun) FILTER (WHERE slot > 0))
FROM (SELECT start_ns / 60000000000 * 60 AS at, count(*) AS n, count(*) FILTER (WHERE last_status = 1) AS ok, count(*) FILTER (WHERE last_status = 2) AS error, sum(span_count) AS spans,
             sum(ok_count) AS oks, sum(error_count) AS errors, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion, sum(total_tokens) AS total,
             coalesce(sum(total_tokens) FILTER (WHERE last_status = 1), 0) AS ok_total, coalesce(sum(total_tokens) FILTER (WHERE last_status = 2), 0) AS error_total,
             sum(prompt_cost) AS prompt_cost, sum(completion_cost) AS completion_cost, sum(total_cost) AS cost, coalesce(sum(total_cost) FILTER (WHERE last_status = 1), 0) AS ok_cost,
             sum(span_time_ns) AS ns, 0::bigint AS begun, 0::bigint AS begun_errors, 0 AS slot, NULL::bigint AS least, NULL::bigint AS most
      FROM traces WHERE tenant_id = '$tenant' AND project_id = '$project' AND day = span_day(($from + $day * 86400) * 1000000000::bigint) GROUP BY 1
      UNION ALL
      SELECT start_ns / 60000000000 * 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), count(*) FILTER (WHERE status = 2), span_slot(duration_ns), min(duration_ns), max(duration_ns)
      FROM spans WHERE tenant_id = '$tenant' AND project_id = '$project' AND keep = 3 AND day = span_day(($from + $day * 86400) * 1000000000::bigint)
      GROUP BY 1, span_slot(duration_ns)) d, (VALUES (60), (3600), (86400)) v (w)
GROUP BY w, at / w * w;
SQL
    }
    psql('bench', '-f', spew("$tmp/fill_rest.sql", <<"SQL"));
SET app.tenant_id = '$tenant';
INSERT INTO trace_sizes SELECT tenant_id, project_id, keep, day, span_count, count(*) FROM traces WHERE project_id = '$project' GROUP BY 1, 2, 3, 4, 5;
INSERT INTO trace_tags SELECT tenant_id, project_id, unnest(tags), start_ns, trace_id FROM traces WHERE project_id = '$project' AND tags IS NOT NULL;
INSERT INTO trace_sessions SELECT tenant_id, project_id, session_id, min(start_ns), max(start_ns) FROM traces WHERE project_id = '$project' AND session_id IS NOT NULL GROUP BY 1, 2, 3;
INSERT INTO span_names SELECT DISTINCT tenant_id, project_id, 'root', root_name, current_date FROM traces WHERE project_id = '$project';
INSERT INTO span_names SELECT DISTINCT tenant_id, project_id, 'tag', tag, current_date FROM trace_tags WHERE project_id = '$project';
INSERT INTO span_names SELECT DISTINCT tenant_id, project_id, 'span', name, current_date FROM spans WHERE project_id = '$project';
INSERT INTO span_resources (tenant_id, project_id, id, attributes, last_day)
SELECT '$tenant', '$project', md5(r.o::text)::uuid, r.o, current_date FROM (SELECT jsonb_build_object('service.name', 'service' || i) AS o FROM generate_series(0, 6) i) r;
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
SQL
    return;
}

# ---- ClickHouse ----

# As span_rows_word() has it.
sub word ($key, $value) {
    my $h = 14695981039346656037;
    use integer;
    $h = ($h ^ $_) * 1099511628211 for unpack 'C*', "$key\xff$value";
    $h ^= $h >> 33 & 0x7fffffff;
    $h *= -49064778989728563;
    $h ^= $h >> 33 & 0x7fffffff;
    no integer;
    return sprintf '%u', $h;
}

# What the program asks, with values in the place of parameters.
sub query_text ($name, %value) {
    state $all = slurp("$root/build/clickhouse/traces.c");
    my ($text) = $all =~ /\{ "$name", "(.*?)" \};\n/ or die "no query $name\n";
    return $text =~ s/\\(.)/$1/gr =~ s/\{(\w+):([^{}]+)\}/"CAST('$value{$1}', '$2')"/ger;
}

sub fill_clickhouse ($store, $project, $traces) {
    my $each  = int($traces / $DAYS);
    my $gap   = int(86_400_000_000_000 / $each);
    my $list  = join ', ', map { "'$_'" } @names;
    my $words = sub ($key, @values) { '[' . join(', ', map { "toUInt64('" . word($key, $_) . "')" } @values) . ']' };
    my $users = $words->('user', map { "user-$_" } 0 .. 999);
    my $codes = $words->('http.response.status_code', 200 .. 204);
    my $services = $words->('service.name', map { "service$_" } 0 .. 6);
    my $all   = join ', ', map { "toUInt64('$_')" } word('http.request.method', 'POST'), word('server.address', 'shop.example.com');
    my ($columns) = query_text('span_put') =~ /(\(project_id.*\)) FORMAT/;
    for my $day (0 .. $DAYS - 1) {
        my $batch = (int(time) * 1_000_000 + $day) << 12;
        my $first = $day * $each;
        my $spans = 10 * $each;
        $store->query(<<"SQL");
INSERT INTO spans $columns
SELECT '$project', MD5(concat('t', toString(i))), i * 10 + k + 1, if(k > 0, i * 10 + 1, 0), k > 0, $batch, 3, $from * 1000000000 + i * $gap + k * (1 + i * 7919 % 997) * 100000,
       (1 + (i * 7919 + k * 104729) % 997) * (1 + (i * 31 + k * 17) % 7) * 100000, if(k = 0, 2, 3),
       multiIf(k = 3 AND i % 20 = 0 OR k = 9 AND i % 40 = 0, 2, k = 9 AND i % 3 = 0, 0, 1), 0, k = 3,
       multiIf(k = 0, concat('operation ', toString(i % 83)), k = 5 AND i % 1000 = 7, 'refund', [$list]\[k]), concat('service', toString(i % 7)), 'http', '1.0', '', '',
       if(k = 3, 'gpt-4o-mini', ''), if(i % 5 = 0 AND k = 0, concat('session', toString(intDiv(i, 50))), ''), if(i % 10 = 0 AND k = 0, concat('["tag', toString(i % 31), '"]'), ''),
       if(k = 3, 500 + i % 1000, 0), if(k = 3, i % 200, 0), 0, 0, if(k = 3, 500 + i % 1000 + i % 200, 0), if(k = 3, 2 * (500 + i % 1000), 0), if(k = 3, 8 * (i % 200), 0),
       if(k = 3, 2 * (500 + i % 1000) + 8 * (i % 200), 0),
       concat('{"http.request.method": "POST", "server.address": "shop.example.com", "http.response.status_code": ', toString(200 + i % 5), ', "user": "user-', toString(i % 1000), '"}'),
       concat('{"service.name": "service', toString(i % 7), '"}'), '', '', [$all, $codes\[i % 5 + 1], $users\[i % 1000 + 1], $services\[i % 7 + 1]]
FROM (SELECT toInt64(intDiv(number, 10)) + $first AS i, toInt64(number % 10) AS k FROM numbers($spans))
SQL
        $store->query(query_text($_, project => $project, batch => $batch)) for qw(trace_put hour_mark);
    }
    return;
}

# ---- reading ----

# What is asked of a project of so many traces: what it is, and the path.
sub reads ($project, $traces) {
    my $at   = sub ($days) { POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($from + $days * 86400)) };
    my $list = "/api/v4/traces?project_id=$project&limit=20";
    my $one  = psql('bench', '-c', "SELECT md5('t" . int($traces / 3) . q{')}) =~ s/\s//gr;
    my $when = sub ($days) { '&start_time=' . $at->($DAYS - $days - 0.3) . '&end_time=' . $at->($DAYS - 0.3) };
    return (
        (map { ("a page by $_" => "$list&order_by=$_") } qw(start_time duration span_count error_count total_cost trace_id service_name span_name tags)),
        'a page by duration, of a week' => "$list&order_by=duration" . $when->(7),
        'page 50 by start_time'         => "$list&offset=980",
        'search for a name'             => "$list&query=operation%207",
        'search for a tag'              => "$list&query=tag3",
        'traces of a session'           => "$list&session_id=session77",
        'with an attribute'             => "$list&attribute=user:user-77",
        'with a span of a name: rare'   => "$list&span=refund",
        'with a span of a name: all'    => "$list&span=render",
        'a trace with its spans'        => "/api/v4/traces/$one?project_id=$project",
        'its waterfall'                 => "/api/v4/traces/waterfall/$one?project_id=$project",
        'metrics of a day'              => "/api/v4/meterics/project?project_id=$project" . $when->(1),
        'metrics of a week'             => "/api/v4/meterics/project?project_id=$project" . $when->(7),
        'metrics of all, a month'       => "/api/v4/meterics/project?project_id=$project",
        'sessions'                      => "/api/v4/sessions?project_id=$project&limit=20",
        'projects, with their counts'   => '/api/opsboard/projects',
    );
}

# Ask each so many times, one at a time, on one connection of nginx's: [what, median ms, p95 ms].
sub read_all ($port, $token, $project, $traces, $times) {
    my @reads = reads($project, $traces);
    my @rows;
    while (my ($what, $path) = splice @reads, 0, 2) {
        my @out = map { ('-o', '/dev/null', "https://127.0.0.1:$port$path") } 0 .. $times;
        my @ms = map { /^(\d+) (\S+)$/ && $1 == 200 ? 1000 * $2 : die "$what: $_\n" }
            split /\n/, capture('curl', '-sSk', '--max-time', 30, '-H', "Authorization: Bearer $token", '-w', '%{http_code} %{time_total}\n', @out);
        shift @ms;    # which made the connection
        my @sorted = sort { $a <=> $b } @ms;
        push @rows, [ $what, median(@ms), $sorted[ int(0.95 * $#sorted + 0.5) ] ];
        say_now(sprintf '%-32s %7.1f ms, p95 %7.1f', @{ $rows[-1] });
    }
    return @rows;
}

1;
