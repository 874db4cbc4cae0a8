# The same spans in both stores, sent in the same requests: whatever is asked, the answers are the same.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::ClickHouse;
use Ashlar::Spans;
use Cpanel::JSON::XS ();

my $json  = Cpanel::JSON::XS->new->canonical;
my $DAY   = 86400;
my $store = Ashlar::ClickHouse->start;
my @api   = map { Api->start(SPAN_RATE_FREE => 0, slow => 4, SLOW_PER_TENANT => 4, SLOW_PER_CALLER => 4, $_ ? ($store->settings, worker => 1) : ()) } 0, 1;
$_->keep_secret($store->password) for @api;
my (@ann, @org);
for my $i (0, 1) {
    $ann[$i] = $api[$i]->user('ann');
    $org[$i] = $api[$i]->organization($ann[$i]);
    $api[$i]->db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann[$i]->tenant_id);
}

# Of its own accord the worker sums once a minute; here it does when it is told to.
eventually { $api[1]->db->do(q{UPDATE jobs SET run_at = now() + interval '1 day' WHERE kind = 'traces.sum' AND state = 'scheduled'}) > 0 } 60, 'sums are on schedule';

# A project of one id in both, which is its key too.
sub project () {
    my $id;
    for my $i (0, 1) {
        ($id) = $api[$i]->db->selectrow_array(q{INSERT INTO trace_projects (tenant_id, id, organization_id, name, api_key_hash, api_key_sealed)
            SELECT app_tenant(), n.id, ?, 'Both', sha256(n.id::text::bytea), 'v1.0.x' FROM (SELECT coalesce(?::uuid, uuid_v7()) AS id) n RETURNING id}, undef, $org[$i], $id);
    }
    return $id;
}

sub put ($project, @spans) {
    my $body = Ashlar::Spans::otlp(@spans);
    status_is $_->client->with(token => $project)->post('/api/v1/traces', undef, raw => $body, type => 'application/json'), 200, 'taken' for @api;
    return;
}

sub strip ($text) { return $text =~ s/"request_id":"[^"]*"//gr }

# Both answers, as one of the one or of the other has it.
sub same ($path, $name = $path) {
    my ($one, $two) = map { $ann[$_]->get($path) } 0, 1;
    my @text = map { $_->status . ' ' . ($_->status == 200 && $_->body =~ /^[{[]/ && $_->body !~ /\n/ ? $json->encode($_->json) : strip($_->body)) } $one, $two;
    return is $text[1], $text[0], $name;
}

sub at ($s) { my @g = gmtime($Ashlar::Spans::EPOCH + $s); return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $g[5] + 1900, $g[4] + 1, @g[ 3, 2, 1, 0 ] }
sub usage ($i) { return $api[$i]->db->selectall_arrayref(q{SELECT metric, quantity, count FROM usage_daily WHERE metric LIKE 'span%' ORDER BY metric}) }

my $project = project();
srand 7;
my @words = ('GET /orders', "\x{e9}t\x{e9} 100%", 'a_b', 'chat', "tab\tand \\ 'quote'", '');
my @spans = map {
    my $trace = $_;
    my $begin = $trace * 2711.25 + int rand 100;
    map { {
        trace => $trace, span => $trace * 100 + $_, ($_ > 1 ? (parent => $trace * 100 + int($_ / 2)) : ()), at => $begin + ($_ > 1 ? rand 4000 : 0), ms => $trace % 5 == 4 ? 0 : int rand 3000, status => int rand 3, name => $words[ ($trace + $_) % @words ],
        service => 'service' . $trace % 3, kind => $_ % 6, message => $_ % 4 ? '' : "no\ttide", scope => $_ % 2 ? 'one' : 'two', trace_state => $_ % 3 ? '' : 'a=b', flags => $trace % 7 == 3 && $_ == 2 ? 1 : 0,
        ($_ % 3 == 1 ? (tokens => [ $trace, 3, 1, 0, $trace + 4 ], costs => [ 15 * $trace, 7, 15 * $trace + 7 ], model => 'm') : ()), ($_ == 1 && $trace % 2 ? (tags => [ 'Red', "t$trace" ]) : ()), ($trace % 3 ? (session => 's' . $trace % 4) : ()),
        attributes => { n => $trace % 5, b => ($_ % 2 ? true : false), s => "v$_", d => 1.5, list => [ 1, 'x', { deep => \1 == \1 ? 2 : 0 } ], "k\x{e9}" => "\x{e9}\n\t\\", 'p.0.role' => 'user' }, resource => { 'host.name' => 'host' . $trace % 4 },
        events => $_ % 5 ? [] : [ { time_ns => 5, name => "e\x{e9}", attributes => { x => 1 } } ], links => $_ % 6 ? [] : [ { trace_id => 'ab' x 16, span_id => 'cd' x 8, trace_state => 'q=1', attributes => {} } ],
    } } 1 .. 1 + $trace * 5 % 9
} 1 .. 60;

subtest 'spans come in any order, and again' => sub {
    my @order = sort { $a->{span} * 7919 % 1009 <=> $b->{span} * 7919 % 1009 } @spans;
    while (my @some = splice @order, 0, 90) { put($project, @some) }
    put($project, @spans[ 10 .. 60 ]);
    put($project, map { { %$_, name => 'another', status => 2, ms => 9 } } @spans[ 0 .. 5 ]);
    is_deeply usage(1), usage(0), 'each is billed once';
    is $api[1]->db->selectrow_array('SELECT count(*) FROM trace_batches'), 0, 'and nothing is left to be counted';
    is $api[1]->db->selectrow_array('SELECT count(*) FROM spans'), 0, 'PostgreSQL has none of them';
};

my $list = "/api/v4/traces?project_id=$project";
subtest 'a trace, its waterfall, and an export' => sub {
    for my $n (1 .. 12, 59, 60, 61) {
        my $id = Ashlar::Spans::trace_id($n);
        same("/api/v4/traces/$id?project_id=$project");
        same("/api/v4/traces/detail/$id");
        same("/api/v4/traces/waterfall/$id?project_id=$project");
    }
    same("/api/v4/traces/nothing?project_id=$project");
    # Lines of one trace are by their processes, whose order is each store's own.
    my @lines = map { [ sort split /\n/, $ann[$_]->get("/api/v4/traces/export?project_id=$project&start_time=2020-01-01T00:00:00Z", headers => { Accept => 'application/x-ndjson' })->body ] } 0, 1;
    my @read  = map { [ map { $json->encode(flat(Cpanel::JSON::XS->new->utf8->decode($_))) } @$_ ] } @lines;
    is_deeply [ sort @{ $read[1] } ], [ sort @{ $read[0] } ], 'every span of the export';
};

# Attributes in the order of their keys.
sub flat ($v) {
    return [ map { flat($_) } @$v ] if ref $v eq 'ARRAY' && !grep { ref ne 'HASH' || !exists $_->{key} } @$v and !@$v;
    return [ sort { $a->{key} cmp $b->{key} } map { flat($_) } @$v ] if ref $v eq 'ARRAY' && @$v && ref $v->[0] eq 'HASH' && exists $v->[0]{key};
    return [ map { flat($_) } @$v ] if ref $v eq 'ARRAY';
    return { map { $_ => flat($v->{$_}) } keys %$v } if ref $v eq 'HASH';
    return $v;
}

# Lists and figures are asked for while no hour has a sum, with sums of all of them, when something has come behind those, and with new ones.
my $state = 'without sums';
sub about ($name, $code) { return subtest "$name, $state" => $code }
sub sum () {
    my ($id) = $api[1]->db->selectrow_array(q{SELECT job_add('ashlar', 'traces.sum', '{}'::jsonb)});
    my $done;
    eventually { ($done) = $api[1]->db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id); $done =~ /completed|failed/ } 60, 'the sums are made';
    return is $done, 'completed';
}
sub open_hours () { return ($store->query(q{SELECT count() FROM (SELECT project_id, hour, keep, sum(n) AS marked FROM hour_marks GROUP BY project_id, hour, keep)
    WHERE (project_id, hour, keep, marked) NOT IN (SELECT project_id, hour, keep, seen FROM hour_sums)}))[0][0] }

sub ask_all () {
about 'lists' => sub {
    same($list);
    for my $order (qw(start_time duration span_count error_count total_cost trace_id service_name span_name tags)) {
        same("$list&order_by=$order&sort_order=$_&limit=50&offset=5") for qw(ASC DESC);
    }
    same("$list&start_time=" . at(10_000) . '&end_time=' . at(90_001));
    same("$list&start_time=" . at($DAY) . '&end_time=' . at($DAY - 1));
    same("$list&offset=1000");
    same("$list&limit=$_->[0]&offset=$_->[1]&sort_order=$_->[2]") for map { my $o = $_; map { [ @$_, $o ] } [ 1, 0 ], [ 1, 30 ], [ 20, 20 ], [ 100, 0 ] } qw(ASC DESC);
    same("$list&limit=3&sort_order=$_&start_time=" . at(30_000) . '&end_time=' . at(2 * $DAY + 1801)) for qw(ASC DESC);
};

about 'searches' => sub {
    same("$list&limit=100&$_") for 'query=orders', 'query=%C3%89T', 'query=_', 'query=%25', 'query=red', 'query=5ca1ab1e', 'query=5ca1ab1e-0000-4000-8000-000000000007', 'query=%5C', "query='quote'", 'query=%09and', 'query=nothing', 'attribute=n:3',
        'attribute=b:true', 'attribute=b:false', 'attribute=d:1.5', 'attribute=s:v8', 'attribute=k%C3%A9:%C3%A9%0A%09%5C', 'attribute=host.name:host2', 'attribute=n:9', 'span=CHAT', 'span=%C3%A9', 'span=another', 'session_id=s1', 'session_id=s1&query=orders',
        'session_id=s2&span=chat&attribute=n:1', 'query=orders&order_by=duration&sort_order=ASC&limit=3&offset=2', 'query=orders&offset=1000', 'attribute=n:3&offset=1000', 'query=red&start_time=' . at(50_000);
};

about 'figures, sessions and projects' => sub {
    my $metrics = "/api/v4/meterics/project?project_id=$project";
    for my $plan (qw(free pro)) {
        $api[$_]->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $org[$_]) for 0, 1;
        same($_, "$plan $_") for $metrics, map({ "$metrics&start_time=" . at($_->[0]) . '&end_time=' . at($_->[1]) } [ 0, 3600 ], [ 5000, 90_000 ], [ 12_345, 54_321 ], [ $DAY, 3 * $DAY ], [ 7, 11 ], [ 3600, 7199 ], [ 0, 20 * $DAY ], [ 1800, 15 * $DAY + 17 ], [ 2 * $DAY + 59, 2 * $DAY + 4 * 3600 ]);
        same($list);
        same($_) for map { "/api/v4/sessions?project_id=$project$_" } '', '&limit=2', '&limit=2&offset=2', '&offset=50';
    }
    is_deeply [ map { [ @$_{qw(span_count trace_count)} ] } @{ $ann[1]->get('/api/opsboard/projects')->json } ], [ map { [ @$_{qw(span_count trace_count)} ] } @{ $ann[0]->get('/api/opsboard/projects')->json } ], 'counts of a project';
    my $empty = project();
    same($_) for "/api/v4/meterics/project?project_id=$empty", "/api/v4/traces?project_id=$empty", "/api/v4/sessions?project_id=$empty";
};
return;
}

ask_all();
cmp_ok open_hours(), '>', 0, 'no hour has a sum';
sum();
is open_hours(), 0, 'all have one';
$state = 'of sums';
ask_all();

# Into hours that have one: a trace that goes on, one that began earlier, so that it moves, one that turns out to be another session's, a new one, and
# spans that are there.
my @late = ({ trace => 7, span => 9001, parent => 701, at => 7 * 2711.25 + 5000, ms => 77, status => 2, name => 'late' }, { trace => 20, span => 9002, at => 19 * 2711.25, ms => 4, name => 'earlier', tags => ['new'] },
    { trace => 31, span => 9003, parent => 3101, at => 31 * 2711.25 + 9000, session => 'a first' }, { trace => 99, span => 9904, at => 33_333, session => 's2', tokens => [ 1, 2, 0, 0, 3 ], costs => [ 1, 1, 2 ], status => 1 });
$api[$_]->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org[$_]) for 0, 1;
put($project, @late, @spans[ 30 .. 40 ]);
cmp_ok open_hours(), '>', 0, 'those are open again';
$state = 'of sums that are not true any more';
ask_all();
sum();
is open_hours(), 0, 'they are made anew';
$state = 'of new sums';
ask_all();

# Another plan, and all of them again: those that a plan kept not so long ago are the same ones.
$api[$_]->db->do(q{UPDATE organizations SET prem_status = 'enterprise' WHERE id = ?}, undef, $org[$_]) for 0, 1;
put($project, @spans[ 0 .. 90 ], @late);
put($project, @late, { trace => 100, span => 10_001, at => 40_000, ms => 5, status => 1 });
is_deeply usage(1), usage(0), 'each is billed once';
is join(' ', map { $_->[0] } $store->query("SELECT count() FROM span_times FINAL WHERE project_id = '$project'")), @spans + @late + 1, 'and there once';
$state = 'under another plan';
ask_all();
sum();
$state = 'under another plan, of sums';
ask_all();
