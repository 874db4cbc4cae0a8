# Traces of a project in a list: who may see it, what a page and the figures beside it are, and what a search finds.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;

my $t   = Ashlar::Spans::start();
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $n   = 0;

# A connection as the api's, in the default tenant, which puts spans in; and as the owner of everything.
my $in = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$in->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id);
$t->db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id);

sub project ($organization = $org) { return Ashlar::Spans::project($t->db, $organization) }
sub put ($project, @spans) { return Ashlar::Spans::ingest($in, $project, @spans) }
sub list ($project, $query = '', $who = $ann) { return $who->get("/api/v4/traces?project_id=$project" . ($query && "&$query")) }
sub hex_id ($n) { return Ashlar::Spans::trace_id($n) =~ tr/-//dr }

# The numbers that the traces of a page were made with.
sub numbers ($res) { return join ' ', map { hex substr $_->{trace_id}, -12 } @{ $res->json('/traces') } }
sub found ($project, $query) { my $res = list($project, $query); return $res->status . " " . $res->body if $res->status != 200; return numbers($res) . ' of ' . $res->json('/total') }
sub at ($s) { my @g = gmtime($Ashlar::Spans::EPOCH + $s); return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $g[5] + 1900, $g[4] + 1, @g[ 3, 2, 1, 0 ] }

subtest 'who may see them' => sub {
    my $project = project();
    put($project, { trace => 1, span => 1 });
    for my $path ("/api/v4/traces?project_id=$project", "/api/v4/traces/list/$project") {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
        error_is $t->user('stranger-' . ++$n)->get($path), 404, 'NOT_FOUND', name => 'nor who is no member: there is no such project';
        error_is $t->user('theirs-' . ++$n, tenant => 'other')->get($path), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
        for my $role (qw(owner admin developer business_user viewer)) {
            my $user = $t->user("a-$role-" . ++$n);
            $t->member($org, $user, $role);
            status_is $user->get($path), 200, "$role does";
        }
    }
    error_is list('00000000-0000-7000-8000-00000000dead'), 404, 'NOT_FOUND', name => 'a project that is not there';
    error_is $ann->get('/api/v4/traces'), 422, 'VALIDATION_ERROR', field => 'project_id';
    for (
        [ 'limit=0', 'limit' ], [ 'limit=101', 'limit' ], [ 'offset=-1', 'offset' ], [ 'order_by=name', 'order_by' ], [ 'sort_order=up', 'sort_order' ], [ 'start_time=yesterday', 'start_time' ],
        [ 'end_time=2026-13-01T00:00:00Z', 'end_time' ], [ 'attribute=abc', 'attribute' ], [ 'attribute=:abc', 'attribute' ], [ 'query=', 'query' ]
    ) {
        error_is list($project, $_->[0]), 422, 'VALIDATION_ERROR', field => $_->[1], name => $_->[0];
    }
    status_is list($project, 'limit=100&offset=0'), 200, 'the last that is allowed';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project);
    error_is list($project), 404, 'NOT_FOUND', name => 'nor one that is deleted';
};

subtest 'an item is what its spans come to' => sub {
    my $project = project();
    put($project,
        { trace => 1, span => 2, parent => 1, at => 10.5, status => 2, name => 'child', service => 'db', tokens => [ 100, 20, 3, 4, 127 ], costs => [ 1000, 234, 1234 ] },
        { trace => 1, span => 1, at => 10, ms => 900, status => 0, name => 'root', tags => [ 'b', 'a' ], session => 'talk' },
        { trace => 1, span => 3, parent => 1, at => 12, status => 1 });
    my $res = list($project);
    json_is $res, '/traces', [ {
        freeplan_truncated => false, trace_id => hex_id(1), root_service_name => 'shop', root_span_name => 'root', start_time => at(10) =~ s/Z/.000000Z/r, end_time => at(12) =~ s/Z/.000000Z/r,
        duration => 2_000_000_000, span_count => 3, error_count => 1, tags => [ 'b', 'a' ], total_cost => 0.0001234, total_tokens => 127, status => 'OK', session_id => 'talk',
    } ], 'name and tags of the first span, from the beginning of the first to that of the last, ERRORs counted';
    json_is $res, '/metrics', {
        span_count => 1, trace_count => 1, success_count => 1, fail_count => 0, indeterminate_count => 0, prompt_tokens => 100, completion_tokens => 20, cache_read_input_tokens => 3, reasoning_tokens => 4,
        total_tokens => 127, prompt_cost => '0.0001000', completion_cost => '0.0000234', average_cost_per_trace => '0.0001234', total_cost => '0.0001234',
    }, 'metrics count traces, by the status of the last span';
    json_is $res, '/total', 1;
    json_is $res, '/limit', 20;
    json_is $res, '/offset', 0;
    put($project, { trace => 2, span => 1, at => 20 });
    my $two = list($project)->json('/traces')->[0];
    is_deeply [ @$two{qw(tags total_cost session_id status)} ], [ undef, undef, undef, 'UNSET' ], 'what there is not is null';
    is list($project)->json('/metrics')->{indeterminate_count}, 1;
    my $empty = list(project());
    json_is $empty, '/traces', [], 'of no trace';
    json_is $empty, '/metrics/average_cost_per_trace', '0.0000000';
};

subtest 'orders, pages and times' => sub {
    my $project = project();
    my @about = map { { n => $_, start => $_ * 1000, duration => ($_ * 7) % 13, spans => 2 + $_ % 4, errors => $_ % 3, cost => ($_ * 5) % 11, name => 'name' . $_ % 5, service => 'service' . $_ % 2, tag => 'tag' . $_ % 6 } } 1 .. 30;
    put($project, map {
        my $a = $_;
        map { { trace => $a->{n}, span => $_, parent => $_ > 1 ? 1 : undef, at => $a->{start} + ($_ == $a->{spans} ? 1 + $a->{duration} : $_ / 100 - 0.01), status => $_ <= $a->{errors} ? 2 : 1, name => $a->{name}, service => $a->{service},
                ($_ == 1 ? (tags => [ $a->{tag} ], tokens => [ 0, 0, 0, 0, 1 ], costs => [ 0, 0, $a->{cost} ]) : ()) } } 1 .. $a->{spans}
    } @about);
    my %key = (start_time => 'start', duration => undef, span_count => 'spans', error_count => 'errors', total_cost => 'cost', trace_id => 'n', service_name => 'service', span_name => 'name', tags => 'tag');
    my %duration = $Ashlar::ClickHouse::STORE ? map { (sprintf('%s-%s-%s-%s-%s', unpack 'A8 A4 A4 A4 A12', $_->[0])) => $_->[1] } $Ashlar::ClickHouse::STORE->query("SELECT lower(hex(trace_id)), last_ns - start_ns FROM traces FINAL WHERE project_id = '$project'") : map { @$_ } @{ $t->db->selectall_arrayref('SELECT trace_id, duration_ns FROM traces WHERE project_id = ?', undef, $project) };
    $_->{real} = $duration{ Ashlar::Spans::trace_id($_->{n}) } for @about;
    for my $range ([ '', 0, 1e9 ], [ '&start_time=' . at(5000) . '&end_time=' . at(22000), 5000, 22000 ]) {
        my @in = grep { $_->{start} >= $range->[1] && $_->{start} <= $range->[2] } @about;
        for my $order (sort keys %key) {
            my $key = $key{$order} // 'real';
            my @sorted = map { $_->{n} } sort { ($a->{$key} =~ /^\d+$/ ? $a->{$key} <=> $b->{$key} : $a->{$key} cmp $b->{$key}) || $a->{start} <=> $b->{start} } @in;
            for my $direction (qw(ASC DESC)) {
                my @want = $direction eq 'ASC' ? @sorted : reverse @sorted;
                is found($project, "order_by=$order&sort_order=$direction&limit=7&offset=3$range->[0]"), "@want[3 .. 9] of " . @in, "$order $direction$range->[0]";
            }
        }
        is found($project, "limit=5&order_by=duration$range->[0]&offset=" . @in), ' of ' . @in, 'behind the last page';
        json_is list($project, substr $range->[0], 1), '/metrics/trace_count', scalar @in, 'metrics are of all pages' if $range->[0];
    }
    is found($project, 'start_time=' . at(3000) . '&end_time=' . at(3000)), '3 of 1', 'both ends are in it';
    is found($project, 'start_time=' . at(3001) . '&end_time=' . at(3999)), ' of 0', 'a second behind, and before the next';
    is found($project, 'start_time=' . (at(3000) =~ s/Z/.900Z/r) . '&end_time=' . (at(4000) =~ s/Z/.100Z/r)), '4 3 of 2', 'to the second';
    is found($project, 'start_time=' . at(9000) . '&end_time=' . at(8000)), ' of 0', 'a range that ends before it begins is empty';
    is found($project, ''), join(' ', reverse 11 .. 30) . ' of 30', 'without anything: the newest twenty';
    is numbers($ann->get("/api/v4/traces/list/$project?limit=3")), '30 29 28', 'and by its path';
};

# What few there are in a test is read by time and sorted; of many the index of the order is walked.
subtest 'a wide range' => sub {
    plan skip_all => 'PostgreSQL alone has two ways' if $Ashlar::ClickHouse::STORE;
    my $project = project();
    $t->db->do(q{
        INSERT INTO traces (tenant_id, project_id, trace_id, start_ns, last_ns, first_span, first_is_child, last_span, last_status, keep, day, span_count, ok_count, error_count, prompt_tokens, completion_tokens,
                            cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, span_time_ns, service, root_name, tags_key)
        SELECT app_tenant(), $1, ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, i * 1000000000::bigint, i * 1000000000::bigint + i * 37 % 30011, 1, false, 1, 1, 1, '1970-01-01', 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 's', 'r', ''
        FROM generate_series(1, 30000) i}, undef, $project);
    $t->db->do(q{INSERT INTO trace_stats SELECT app_tenant(), $1, w, 1, b * w, count(*), count(*), 0, count(*), count(*), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL
        FROM generate_series(1, 30000) i, (VALUES (60), (3600), (86400)) w (w), LATERAL (SELECT i / w AS b) x GROUP BY w, b}, undef, $project);
    my @sorted = sort { ($a * 37 % 30011) <=> ($b * 37 % 30011) || $a <=> $b } 2000 .. 27999;
    my $range = 'start_time=1970-01-01T00:33:20Z&end_time=1970-01-01T07:46:39Z';
    is found($project, "order_by=duration&sort_order=ASC&limit=5&$range"), "@sorted[0 .. 4] of 26000", 'the first';
    is found($project, "order_by=duration&sort_order=DESC&limit=5&offset=25998&$range"), "@sorted[1, 0] of 26000", 'the last';
};

subtest 'a search' => sub {
    my $project = project();
    put($project,
        { trace => 1, span => 1, at => 1, name => 'GET /orders', tags => ['Checkout'] }, { trace => 1, span => 2, parent => 1, at => 2, name => 'SELECT orders', attributes => { 'db.system' => 'postgresql', n => 7 } },
        { trace => 2, span => 1, at => 3, name => 'POST /orders', status => 2, resource => { 'host.name' => 'mole' } }, { trace => 3, span => 1, at => 5, name => "\x{c9}t\x{e9} 100%", tags => [ 'x_y', 'b' ], tokens => [ 1, 2, 3, 4, 10 ], costs => [ 1, 2, 3 ] },
        { trace => 'deadbeef-0000-4000-8000-000000000009', span => 1, at => 7, name => 'job' });
    is found($project, 'query=orders'), '2 1 of 2', 'in the first span\'s name';
    is found($project, 'query=ORDERS&order_by=start_time&sort_order=ASC'), '1 2 of 2', 'in any case, in any order';
    is found($project, 'query=check'), '1 of 1', 'in a tag';
    is found($project, 'query=SELECT'), ' of 0', 'not in another span\'s name';
    is found($project, 'query=%C3%A9T%C3%89'), '3 of 1', 'letters of any alphabet';
    is found($project, 'query=100%25'), '3 of 1', 'characters are what they are';
    is found($project, 'query=x_y'), '3 of 1';
    is found($project, 'query=%25'), '3 of 1';
    is found($project, 'query=deadbeef'), '9 of 1', 'by how the id begins';
    is found($project, 'query=DEADBEEF000040008000000000000009'), '9 of 1', 'and all of it';
    is found($project, 'query=deadbee'), ' of 0', 'not with seven digits';
    is found($project, 'query=orders&start_time=' . at(2)), '2 of 1', 'within a time';
    is found($project, 'query=orders&limit=1&offset=1'), '1 of 2', 'a page of it';
    is found($project, 'query=orders&offset=5'), ' of 2', 'and one behind the last';
    json_is list($project, 'query=%C3%A9t'), '/metrics/total_cost', '0.0000003', 'metrics are of what is found';
    json_is list($project, 'query=orders'), '/metrics/fail_count', 1;
    is found($project, 'span=select'), '1 of 1', 'in any span\'s name';
    is found($project, 'span=nothing'), ' of 0';
    is found($project, 'attribute=db.system:postgresql'), '1 of 1', 'by an attribute';
    is found($project, 'attribute=n:7'), '1 of 1', 'that is a number';
    is found($project, 'attribute=db.system:mysql'), ' of 0';
    is found($project, 'attribute=host.name:mole'), '2 of 1', 'or one of its process';
    is found($project, 'attribute=db.system:postgresql&query=post'), ' of 0', 'and all of it at once';
    is found($project, 'attribute=db.system:postgresql&query=orders&span=SELECT'), '1 of 1';
    my $other = project();
    is found($other, 'query=orders'), ' of 0', 'not of another project';
};

subtest 'a free plan shows the newest whole, and the others for some days' => sub {
    my $project = project();
    put($project, map { { trace => $_, span => 1, at => $_ * 86400 } } 1 .. 4);
    my $res = list($project);
    json_is $res, '/freeplan_truncated', true, 'more than three';
    is join(' ', map { $_->{freeplan_truncated} ? 'cut' : 'whole' } @{ $res->json('/traces') }), 'whole whole whole cut', 'the three newest stay, however old';
    put($project, map { { trace => $_, span => 1, at => 9.2 * 86400 + $_ } } 5 .. 8);
    is join(' ', map { $_->{freeplan_truncated} ? 'cut' : 'whole' } @{ list($project)->json('/traces') }), 'whole whole whole whole cut cut cut cut', 'and what ended less than three days ago';
    my $few = project();
    put($few, map { { trace => $_, span => 1 } } 1 .. 3);
    json_is list($few), '/freeplan_truncated', false, 'three are not too many';
    $t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    $res = list($project);
    json_is $res, '/freeplan_truncated', false, 'nor anything where it is paid for';
    is scalar(grep { $_->{freeplan_truncated} } @{ $res->json('/traces') }), 0;
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
};
