# Which of the spans that are sent to it a project keeps.

use v5.36;
use lib 't/lib';
use Api;

my $t = Api->start;
my ($ann, $adam, $dev, $eve) = map { $t->user($_) } qw(ann adam dev eve);
my $org = $t->organization($ann);
$t->member($org, $adam, 'admin');
$t->member($org, $dev,  'developer');

my $n = 0;
sub span (%more) {
    my $start = int(time - 60) . '000000000';
    my $ms    = delete $more{ms} // 1;
    return { traceId => sprintf('%08x%024x', 2654435761 * ++$n % 2**32, $n), spanId => sprintf('%016x', $n), name => 'work', startTimeUnixNano => "$start", endTimeUnixNano => $start + $ms * 1_000_000, %more };
}
sub path ($project) { return "/api/opsboard/projects/${\$project->uuid}/sampling" }
sub send_to ($project, @spans) { return status_is $project->post('/api/v1/traces', { resourceSpans => [ { scopeSpans => [ { spans => \@spans } ] } ] }), 200 }
sub names ($project) { return join ' ', @{ $t->db->selectcol_arrayref('SELECT name FROM spans WHERE project_id = ? ORDER BY name', undef, $project->uuid) } }

subtest 'members read the rules; owners and admins set them' => sub {
    my $project = $t->trace_project($org);
    my $path    = path($project);
    json_is $_->get($path), '', { project_id => $project->uuid, rules => [], sampled_away => 0 } for $ann, $adam, $dev;
    error_is $eve->get($path), 404, 'NOT_FOUND', name => 'who is no member sees none';
    my @rules = ({ name_prefix => 'GET /health', ratio => 0 }, { attribute => 'http.route', value => '/x', ratio => 0.5, keep_errors => \1, slower_than_ms => 100 });
    error_is $dev->put($path, { rules => \@rules }), 403, 'AUTHORIZATION_ERROR', message => qr/owner or admin/;
    error_is $eve->put($path, { rules => \@rules }), 404, 'NOT_FOUND';
    json_is $ann->get($path), '/rules', [], 'nothing has come of it';
    json_is $adam->put($path, { rules => \@rules }), '/rules/1/value', '/x';
    is scalar @{ $dev->get($path)->json('/rules') }, 2, 'they are there';
    my $event = $t->db->selectrow_hashref(q{SELECT * FROM audit_events WHERE action = 'trace_project.sampling' AND resource_id = ?}, undef, $project->uuid);
    like $event->{details}, qr/GET \/health/, 'it is put down';
    json_is $ann->put($path, { rules => [] }), '/rules', [], 'without rules all is kept again';
    my $gone = $t->trace_project($org, columns => { deleted_at => 'now' });
    error_is $ann->get(path($gone)), 404, 'NOT_FOUND', name => 'a deleted project';
    error_is $ann->put(path($gone), { rules => [] }), 404, 'NOT_FOUND';
};

subtest 'what a rule may be' => sub {
    my $path = path($t->trace_project($org));
    my $put  = sub (@rules) { return $ann->put($path, { rules => \@rules }) };
    status_is $put->(map { +{ ratio => 1 } } 1 .. 16), 200, 'sixteen';
    error_is $put->(map { +{ ratio => 1 } } 1 .. 17), 422, 'VALIDATION_ERROR', field => 'rules', name => 'and no more';
    status_is $put->({ ratio => $_ }), 200, "ratio $_" for 0, 1, 0.001;
    error_is $put->({ ratio => $_ }), 422, 'VALIDATION_ERROR', field => 'rules[0].ratio', name => "ratio $_" for -0.1, 1.1;
    error_is $put->({ name_prefix => 'x' }), 422, 'VALIDATION_ERROR', field => 'rules[0].ratio', name => 'a rule without one';
    status_is $put->({ ratio => 0, name_prefix => 'x' x 128 }), 200, 'a name of 128 characters';
    error_is $put->({ ratio => 0, name_prefix => 'x' x 129 }), 422, 'VALIDATION_ERROR', field => 'rules[0].name_prefix', name => 'and no more';
};

subtest 'the first rule that is about a span decides, and what is left out is counted and not billed' => sub {
    my $project = $t->trace_project($org);
    my $value   = sub ($v) { return (attributes => [ { key => 'http.route', value => $v } ]) };
    status_is $ann->put(path($project), { rules => [
        { name_prefix => 'GET /health', ratio => 0, keep_errors => \1, slower_than_ms => 100 },
        { attribute   => 'http.route',  ratio => 0, value => '7' },
        { attribute   => 'http.route',  ratio => 1 },
        { name_prefix => 'noise',       ratio => 0 },
    ] }), 200;
    send_to($project,
        span(name => 'GET /healthy'),
        span(name => 'GET /health', status => { code => 2 }),
        span(name => 'GET /health slow', ms => 101), span(name => 'GET /health quick', ms => 100),
        span(name => 'noise'), span(name => 'noise with route', $value->({ stringValue => 'x' })), span(name => 'noise of seven', $value->({ intValue => 7 })),
        span(name => 'other'));
    is names($project), 'GET /health GET /health slow noise with route other';
    json_is $ann->get(path($project)), '/sampled_away', 4;
    send_to($project, span(name => 'noise'));
    json_is $ann->get(path($project)), '/sampled_away', 5, 'also where nothing is left';
    is $t->db->selectrow_array(q{SELECT sum(quantity) FROM usage_daily WHERE metric = 'spans' AND category = ?}, undef, $project->uuid), 4, 'of which nothing is billed';
    send_to($t->trace_project($org), span(name => 'noise'));
    is $t->db->selectrow_array(q{SELECT count(*) FROM spans WHERE name = 'noise'}), 1, 'another project keeps what it likes';
};

subtest 'a part is a part of the traces, each of them whole' => sub {
    my $project = $t->trace_project($org);
    status_is $ann->put(path($project), { rules => [ { ratio => 0.5 } ] }), 200;
    my @first = map { span() } 1 .. 200;
    send_to($project, @first);
    send_to($project, map { +{ %$_, spanId => sprintf '%016x', ++$n } } @first);
    my %count = map { $_->[0] => $_->[1] } @{ $t->db->selectall_arrayref('SELECT trace_id, count(*) FROM spans WHERE project_id = ? GROUP BY 1', undef, $project->uuid) };
    cmp_ok scalar keys %count, '>', 60,  'not too few';
    cmp_ok scalar keys %count, '<', 140, 'nor too many';
    is_deeply [ grep { $_ != 2 } values %count ], [], 'both spans of each, whichever request they came in by';
};

subtest 'a change is known some seconds later' => sub {
    my $project = $t->trace_project($org);
    send_to($project, span(name => 'before'));
    status_is $ann->put(path($project), { rules => [ { ratio => 0 } ] }), 200;
    eventually { send_to($project, span(name => 'after')); $ann->get(path($project))->json('/sampled_away') } 30, 'it holds';
};
