# A trace with its spans: who may see it, what of a span is shown and how, and what a free plan leaves out.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;

my $t   = Ashlar::Spans::start();
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $n   = 0;
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;

sub project ($organization = $org) { return Ashlar::Spans::project($t->db, $organization) }
sub put ($project, @spans) { return Ashlar::Spans::ingest($in, $project, @spans) }
sub hex_id ($n) { return Ashlar::Spans::trace_id($n) =~ tr/-//dr }
sub detail ($project, $trace, $who = $ann) { return $who->get('/api/v4/traces/' . hex_id($trace) . "?project_id=$project") }
sub at ($s) { my @g = gmtime($Ashlar::Spans::EPOCH + int $s); return sprintf '%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', $g[5] + 1900, $g[4] + 1, @g[ 3, 2, 1, 0 ], 1e6 * ($s - int $s) + 0.5 }

# The nested attributes and the type of a span that has these.
sub nested (%attributes) {
    my $project = project();
    put($project, { trace => 1, span => 1, attributes => \%attributes });
    my $span = detail($project, 1)->json('/spans/0');
    return ($span->{span_attributes}, $span->{span_type}, $span->{metrics} ? 1 : 0);
}

subtest 'who may see it' => sub {
    my ($project, $other) = (project(), project());
    put($project, { trace => 1, span => 1 });
    my $hex = hex_id(1);
    for my $path ("/api/v4/traces/$hex?project_id=$project", "/api/v4/traces/detail/$hex") {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
        error_is $t->user('stranger-' . ++$n)->get($path), 404, 'NOT_FOUND', name => 'nor who is no member';
        error_is $t->user('theirs-' . ++$n, tenant => 'other')->get($path), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
        for my $role (qw(owner admin developer business_user viewer)) {
            my $user = $t->user("a-$role-" . ++$n);
            $t->member($org, $user, $role);
            json_is $user->get($path), '/trace_id', $hex, "$role does";
        }
    }
    error_is $ann->get("/api/v4/traces/$hex"), 422, 'VALIDATION_ERROR', field => 'project_id';
    error_is $ann->get("/api/v4/traces/$hex?project_id=$other"), 404, 'NOT_FOUND', name => 'not of a project that it is not of';
    error_is $ann->get("/api/v4/traces/$_?project_id=$project"), 404, 'NOT_FOUND', name => $_ for hex_id(2), 'x', substr($hex, 1), "${hex}0";
    error_is $ann->get("/api/v4/traces/detail/@{[ hex_id(2) ]}"), 404, 'NOT_FOUND', name => 'nor anywhere';
    json_is $ann->get('/api/v4/traces/' . uc(Ashlar::Spans::trace_id(1)) . "?project_id=$project"), '/trace_id', $hex, 'in the form of a UUID, and in capitals, it is the same';
    json_is $ann->get("/api/v4/traces/detail/$hex"), '/project_id', $project, 'the project is found by the trace';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project);
    error_is $ann->get($_), 404, 'NOT_FOUND', name => 'nor of a project that is deleted' for "/api/v4/traces/$hex?project_id=$project", "/api/v4/traces/detail/$hex";
};

subtest 'a trace and its spans' => sub {
    plan skip_all => 'what comes by HTTP t/api/traces/stores.t compares' if $Ashlar::ClickHouse::STORE;
    my $project = project();
    my $link    = { trace_id => 'ab' x 16, span_id => 'cd' x 8, trace_state => 'v=1', attributes => { why => 'retry' } };
    put($project,
        { trace => 1, span => 1, at => 1, ms => 2500, status => 1, name => 'root', tags => [ 'b', 'a' ], kind => 2, attributes => { 'observability.tags' => '["b","a"]' }, session => 'talk' },
        {
            trace => 1, span => -2, parent => 1, at => 1.25, duration_ns => 1_234_567, status => 2, message => 'no tide', name => 'chat', kind => 3, service => 'model', model => 'm', flags => 3,
            attributes => { 'gen_ai.request.model' => 'm', 'gen_ai.usage.prompt_tokens' => 10 }, tokens => [ 10, 5, 2, 1, 18 ], costs => [ 12_345_678, 5, 12_345_683 ], trace_state => 'a=b',
            resource => { 'service.name' => 'model', 'process.pid' => 7 }, links => [$link],
            events => [ { time_ns => ($Ashlar::Spans::EPOCH + 2) * 1_000_000_000, name => 'exception', attributes => { 'exception.type' => 'Tide' } }, { time_ns => ($Ashlar::Spans::EPOCH + 3) * 1_000_000_000, name => 'again' } ],
        },
        { trace => 1, span => 3, parent => 1, at => 4, ms => 0, service => 'other', attributes => {} });
    my $res = detail($project, 1);
    my %none = (map { $_ => [] } qw(event_timestamps event_names event_attributes link_trace_ids link_span_ids link_trace_states link_attributes));
    json_is $res, '', {
        freeplan_truncated => false, project_id => $project, trace_id => hex_id(1), tags => [ 'b', 'a' ], session_id => 'talk',
        metrics => {
            span_count => 3, trace_count => 1, success_count => 1, fail_count => 1, indeterminate_count => 1, prompt_tokens => 10, completion_tokens => 5, cache_read_input_tokens => 2, reasoning_tokens => 1, total_tokens => 18,
            prompt_cost => '1.2345678', completion_cost => '0.0000005', average_cost_per_trace => '1.2345683', total_cost => '1.2345683',
        },
        spans => [
            {
                freeplan_truncated => false, span_id => '0000000000000001', parent_span_id => undef, span_name => 'root', span_kind => 'Server', span_type => 'other', service_name => 'shop', start_time => at(1), end_time => at(3.5),
                duration => 2_500_000_000, start_ns => ($Ashlar::Spans::EPOCH + 1) * 1_000_000_000, status_code => 'OK', status_message => undef, attributes => {}, resource_attributes => { 'service.name' => 'shop' },
                span_attributes => { observability => { tags => '["b","a"]' } }, %none, metrics => undef, scope_name => 'tests', ended_before_start => false, was_cut => false,
            },
            {
                freeplan_truncated => false, span_id => 'fffffffffffffffe', parent_span_id => '0000000000000001', span_name => 'chat', span_kind => 'Client', span_type => 'request', service_name => 'model', start_time => at(1.25),
                end_time => at(1.251234), duration => 1_234_567, start_ns => $Ashlar::Spans::EPOCH * 1_000_000_000 + 1_250_000_000, status_code => 'ERROR', status_message => 'no tide', attributes => {},
                resource_attributes => { 'service.name' => 'model', 'process.pid' => 7 }, span_attributes => { gen_ai => { request => { model => 'm' }, usage => { prompt_tokens => 10 } } },
                event_timestamps => [ at(2), at(3) ], event_names => [ 'exception', 'again' ], event_attributes => [ { 'exception.type' => 'Tide' }, {} ],
                link_trace_ids => [ 'ab' x 16 ], link_span_ids => [ 'cd' x 8 ], link_trace_states => ['v=1'], link_attributes => [ { why => 'retry' } ],
                metrics => {
                    total_tokens => 18, prompt_tokens => 10, completion_tokens => 5, cache_read_input_tokens => 2, reasoning_tokens => 1, success_tokens => 0, fail_tokens => 18, indeterminate_tokens => 0,
                    prompt_cost => '1.2345678', completion_cost => '0.0000005', total_cost => '1.2345683',
                },
                scope_name => 'tests', ended_before_start => true, was_cut => true,
            },
            {
                freeplan_truncated => false, span_id => '0000000000000003', parent_span_id => '0000000000000001', span_name => 'work', span_kind => 'Internal', span_type => undef, service_name => 'other', start_time => at(4),
                end_time => at(4), duration => 0, start_ns => ($Ashlar::Spans::EPOCH + 4) * 1_000_000_000, status_code => 'UNSET', status_message => undef, attributes => {}, resource_attributes => { 'service.name' => 'other' }, span_attributes => {},
                %none, metrics => undef, scope_name => 'tests', ended_before_start => false, was_cut => false,
            },
        ],
    }, 'in the order in which they began';
};

subtest 'dotted keys become objects and arrays' => sub {
    for (
        [ { 'a.b.c' => 1, 'a.b.d' => true, 'a.e' => 'x' }, { a => { b => { c => 1, d => true }, e => 'x' } }, 'parts of a key' ],
        [ { 'p.0.role' => 'user', 'p.0.content' => 'hi', 'p.1.role' => 'bot', 'p.10.role' => 'k' }, { p => [ { role => 'user', content => 'hi' }, { role => 'bot' }, (undef) x 8, { role => 'k' } ] }, 'what 0 follows is an array' ],
        [ { 'p.0' => 'x', 'p.1' => 'y' }, { p => [ 'x', 'y' ] }, 'of values, too' ],
        [ { 'p.1.role' => 'bot' }, { p => {} }, 'a digit alone in an object is dropped' ],
        [ { 'p.12.role' => 'bot' }, { p => { 12 => { role => 'bot' } } }, 'two are a name' ],
        [ { 'a' => 'text', 'a.b' => 1 }, { a => 'text' }, 'what is below a plain value is dropped' ],
        [ { 'p.0.a' => 1, 'p.x' => 2 }, { p => [ { a => 1 } ] }, 'and a name in an array' ],
        [ { 'p.0.a' => 1, 'p.1000.a' => 2 }, { p => [ { a => 1 } ] }, 'and an index beyond 999' ],
        [ { 'gen_ai.prompt' => 'Tide?' }, { gen_ai => { prompt => [ { content => 'Tide?', role => 'user' } ] } }, 'a plain prompt is what a user said' ],
        [ { 'gen_ai.prompt.0.content' => 'Tide?' }, { gen_ai => { prompt => [ { content => 'Tide?' } ] } }, 'one in pieces is what it is' ],
        [ { 'a.b' => [ 1, 2 ], 'a.c' => { d => 1 }, 'a.c.e' => 2 }, { a => { b => [ 1, 2 ], c => { d => 1, e => 2 } } }, 'values that are arrays and objects' ],
        [ { join('.', ('a') x 40) => 1 }, do { my $v = { join('.', ('a') x 16) => 1 }; $v = { a => $v } for 1 .. 24; $v }, 'as deep as it goes' ],
    ) {
        my ($flat, $want, $name) = @$_;
        my ($got) = nested(%$flat);
        is_deeply $got, $want, $name;
    }
    for ([ { 'gen_ai.agent.name' => 'x' }, 'request' ], [ { 'x.agent' => 1, 'tool' => 2 }, 'agent' ], [ { 'x.0.tool.name' => 'y' }, 'tool' ], [ { 'http.method' => 'GET' }, 'other' ], [ { 'agents' => 1 }, 'other' ], [ {}, undef ]) {
        my (undef, $type) = nested(%{ $_->[0] });
        is $type, $_->[1], join(' ', %{ $_->[0] }) . ': ' . ($_->[1] // 'nothing');
    }
    for ([ 'gen_ai.prompt' => 1 ], [ 'gen_ai.prompt.0.role' => 1 ], [ 'gen_ai.completion.0.content' => 1 ], [ 'gen_ai.usage.total_cost' => 1 ], [ 'ai.system' => 1 ], [ 'ai.llm' => 1 ], [ 'llm.request.model' => 1 ], [ 'llm.response.model' => 1 ], [ 'llm.system' => 1 ],
        [ 'gen_ai.request.temperature' => 0 ], [ 'ai.systems' => 0 ], [ 'llm.request' => 0 ]) {
        my (undef, undef, $has) = nested($_->[0] => 'x');
        is $has, $_->[1], "$_->[0]: " . ($_->[1] ? 'metrics' : 'none');
    }
};

subtest 'over midnight, in two classes, and of many spans' => sub {
    my $project = project();
    put($project, { trace => 1, span => 1, at => 86399 });
    $t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    put($project, { trace => 1, span => 2, parent => 1, at => 86401 });
    is scalar @{ detail($project, 1)->json('/spans') }, 2, 'all of it';
    for my $from (0 .. 4) {
        put($project, map { { trace => 2, span => $_, at => $_ / 1000, attributes => { text => 'x' x 50 } } } $from * 2050 + 1 .. $from * 2050 + 2050);
    }
    my $res = detail($project, 2);
    json_is $res, '/metrics/span_count', 10250, 'all are counted';
    is scalar @{ $res->json('/spans') }, 10000, 'and the first ten thousand sent';
    is $res->json('/spans/9999/span_id'), sprintf('%016x', 10000);
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
};

subtest 'what a free plan leaves out' => sub {
    my $project = project();
    put($project, map { { trace => $_, span => 1, at => $_ * 3600, attributes => { 'gen_ai.system' => 'x' }, tokens => [ 1, 2, 0, 0, 3 ], events => [ { time_ns => 1, name => 'e' } ], links => [ { trace_id => 'ab' x 16, span_id => 'cd' x 8 } ] } } 91 .. 94);
    my $old = detail($project, 91);
    json_is $old, '/freeplan_truncated', true, 'one that is neither new nor recent';
    my $span = $old->json('/spans/0');
    is_deeply [ map { scalar @{ $span->{$_} } } qw(event_timestamps event_names event_attributes link_trace_ids link_span_ids link_trace_states link_attributes) ], [ (0) x 7 ], 'without events and links';
    is_deeply [ @$span{qw(attributes resource_attributes span_attributes)} ], [ {}, {}, {} ], 'or attributes';
    is_deeply [ @$span{qw(span_name span_type status_code duration freeplan_truncated)}, $span->{metrics}{total_tokens} ], [ 'work', 'request', 'UNSET', 10_000_000, true, 3 ], 'but with what it was';
    json_is detail($project, 92), '/freeplan_truncated', false, 'the three newest are whole';
    is scalar @{ detail($project, 92)->json('/spans/0/event_names') }, 1;
    json_is $ann->get('/api/v4/traces/detail/' . hex_id(91)), '/freeplan_truncated', true, 'on the other way the same';
};
