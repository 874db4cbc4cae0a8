# A project's traces as OTLP: who may take them, and that they are all there, as they came.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;
use Cpanel::JSON::XS ();

my $t   = Ashlar::Spans::start();
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;
$t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
my $project = Ashlar::Spans::project($t->db, $org);
my $json    = Cpanel::JSON::XS->new->utf8;
my $path    = "/api/v4/traces/export?project_id=$project&start_time=2020-01-01T00:00:00Z";

my @as = (headers => { Accept => 'application/x-ndjson, application/json' });

sub lines ($res) { return map { $json->decode($_) } split /\n/, $res->body }
sub names (@lines) { return join ' ', map { map { map { map { $_->{name} } @{ $_->{spans} } } @{ $_->{scopeSpans} } } @{ $_->{resourceSpans} } } @lines }
sub at ($s) { my @g = gmtime($Ashlar::Spans::EPOCH + $s); return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $g[5] + 1900, $g[4] + 1, @g[ 3, 2, 1, 0 ] }

subtest 'who may take them' => sub {
    error_is $t->get($path, @as), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
    error_is $t->user('stranger')->get($path, @as), 404, 'NOT_FOUND', name => 'nor who is no member';
    error_is $t->user('theirs', tenant => 'other')->get($path, @as), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
    error_is $ann->get("/api/v4/traces/export?project_id=$project", @as), 422, 'VALIDATION_ERROR', field => 'start_time';
    error_is $ann->get("$path&limit=100001", @as), 422, 'VALIDATION_ERROR', field => 'limit';
    my $res = $ann->get("$path&limit=100000", @as);
    status_is $res, 200;
    is $res->body, '', 'of no trace: nothing';
};

subtest 'a line for each process and scope of a trace' => sub {
    Ashlar::Spans::ingest($in, $project,
        { trace => 2, span => 1, at => 50, name => 'late' },
        { trace => 1, span => 1, at => 1, name => 'a', status => 1, kind => 2, trace_state => 'k=v', attributes => { s => "\x{e9}\"", i => '9007199254740993' + 0, d => 1.5, b => Cpanel::JSON::XS::true, list => [ 1, 'x' ], map => { deep => 2 } } },
        { trace => 1, span => -2, parent => 1, at => 2, name => 'b', status => 2, message => 'no tide', resource => { 'service.name' => 'db', 'process.pid' => 7 }, events => [ { time_ns => 5, name => 'e', attributes => { x => 1 } } ],
            links => [ { trace_id => 'ab' x 16, span_id => 'cd' x 8, trace_state => 'q=1', attributes => {} } ] },
        { trace => 1, span => 3, parent => 1, at => 3, name => 'c', scope => 'another' });
    my $res = $ann->get($path, @as);
    like $res->header('Content-Type'), qr{^application/x-ndjson}, 'its type';
    my @lines = lines($res);
    is scalar @lines, 4, 'four of them';
    is names($lines[-1]), 'late', 'the oldest trace first';
    is join(' ', sort split / /, names(@lines)), 'a b c late';
    my ($a) = grep { names($_) eq 'a' } @lines;
    my ($b) = grep { names($_) eq 'b' } @lines;
    my %value = map { $_->{key} => $_->{value} } @{ $a->{resourceSpans}[0]{scopeSpans}[0]{spans}[0]{attributes} };
    is_deeply \%value, {
        s => { stringValue => "\x{e9}\"" }, i => { intValue => '9007199254740993' }, d => { doubleValue => 1.5 }, b => { boolValue => Cpanel::JSON::XS::true }, list => { arrayValue => { values => [ { intValue => '1' }, { stringValue => 'x' } ] } },
        map => { kvlistValue => { values => [ { key => 'deep', value => { intValue => '2' } } ] } },
    }, 'attributes have their types';
    is_deeply $b, {
        resourceSpans => [ {
            resource   => $b->{resourceSpans}[0]{resource},
            scopeSpans => [ {
                scope => { name => 'tests', version => '' },
                spans => [ {
                    traceId => Ashlar::Spans::trace_id(1) =~ tr/-//dr, spanId => 'fffffffffffffffe', parentSpanId => '0000000000000001', traceState => '', name => 'b', kind => 1,
                    startTimeUnixNano => ($Ashlar::Spans::EPOCH + 2) . '0' x 9, endTimeUnixNano => ($Ashlar::Spans::EPOCH + 2) . '010000000', attributes => [],
                    events => [ { timeUnixNano => '5', name => 'e', attributes => [ { key => 'x', value => { intValue => '1' } } ] } ],
                    links => [ { traceId => 'ab' x 16, spanId => 'cd' x 8, traceState => 'q=1', attributes => [] } ], status => { code => 2, message => 'no tide' },
                } ],
            } ],
        } ],
    }, 'and all of a span is there';
    is join(' ', sort map { $_->{key} } @{ $b->{resourceSpans}[0]{resource}{attributes} }), 'process.pid service.name', 'with its process';
};

subtest 'ranges and limits' => sub {
    is names(lines($ann->get("/api/v4/traces/export?project_id=$project&start_time=" . at(50), @as))), 'late', 'from a second on';
    is scalar(lines($ann->get($path . '&end_time=' . at(49), @as))), 3, 'up to one';
    is scalar(lines($ann->get("$path&limit=1", @as))), 3, 'so many traces';
};

subtest 'many' => sub {
    my $many = Ashlar::Spans::project($t->db, $org);
    for my $from (0 .. 3) {
        Ashlar::Spans::ingest($in, $many, map { my $trace = $from * 500 + $_; map { { trace => $trace, span => $_, at => $trace, attributes => { text => 'x' x 200 } } } 1 .. 4 } 1 .. 500);
    }
    my $res   = $ann->get("/api/v4/traces/export?project_id=$many&start_time=2020-01-01T00:00:00Z", @as);
    my @lines = lines($res);
    is scalar @lines, 2000, 'in pieces, and each line whole';
    is scalar(split / /, names(@lines)), 8000;
    cmp_ok length $res->body, '>', 1 << 20;
};

subtest 'what a free plan does not show is not exported' => sub {
    my $free = Ashlar::Spans::project($t->db, $org);
    Ashlar::Spans::ingest($in, $free, map { { trace => $_, span => 1, at => $_, attributes => { n => $_ } } } 1 .. 4);
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
    is join(' ', map { scalar @{ $_->{resourceSpans}[0]{scopeSpans}[0]{spans}[0]{attributes} } } lines($ann->get("/api/v4/traces/export?project_id=$free&start_time=2020-01-01T00:00:00Z", @as))), '0 1 1 1', 'the newest three are whole';
};
