# Scores of traces: a project gives them, members read them and what they come to. And sessions: traces of one conversation.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;

my $t   = Api->start;
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;
my $sender  = $t->trace_project($org);
my $project = $sender->id;
my $other   = $t->trace_project($org);
my $hex     = 'ab' x 16;
my $today   = $t->db->selectrow_array(q{SELECT (now() AT TIME ZONE 'UTC')::date::text});

sub give (%score) { return $sender->post('/api/v4/scores', { trace_id => $hex, name => 'helpful', value => 1, %score }) }
sub list ($query = '', $who = $ann) { return $who->get("/api/v4/scores?project_id=$project$query") }
sub average ($query = '', $who = $ann) { return $who->get("/api/v4/scores/average?project_id=$project$query") }

subtest 'who gives them' => sub {
    error_is $t->post('/api/v4/scores', {}), 401, 'AUTHENTICATION_ERROR', name => 'nobody without a project\'s token';
    error_is $ann->post('/api/v4/scores', { trace_id => $hex, name => 'x', value => 1 }), 401, 'AUTHENTICATION_ERROR', name => 'nor a user with theirs';
    for ([ trace_id => 'x' ], [ trace_id => 'zz' x 16 ], [ trace_id => undef ], [ span_id => 'abc' ], [ name => '' ], [ name => 'x' x 101 ], [ value => 'one' ], [ value => undef ], [ value => 1e9 + 1 ], [ value => -1e9 - 1 ], [ comment => 'x' x 2001 ]) {
        error_is give(@$_), 422, 'VALIDATION_ERROR', field => $_->[0], name => "$_->[0]: " . substr $_->[1] // 'null', 0, 10;
    }
    for ([ name => 'x' x 100 ], [ value => -1e9 ], [ comment => 'x' x 2000 ], [ span_id => undef ]) { status_is give(name => "edge $_->[0]", @$_), 201, "$_->[0]: the last that is allowed" }
    $t->db->do('DELETE FROM trace_scores');
    $t->db->do('DELETE FROM trace_score_days');
};

subtest 'a score' => sub {
    my $res = give(value => 0.5, comment => 'so so');
    status_is $res, 201;
    my $score = $res->json('');
    is_deeply [ @$score{qw(trace_id span_id name value comment)} ], [ $hex, undef, 'helpful', 0.5, 'so so' ];
    is give(value => 1, span_id => 'FFFFFFFFFFFFFFFE')->json('/span_id'), 'fffffffffffffffe', 'of one span';
    is give(value => 0.25)->json('/id'), $score->{id}, 'given anew it is the same one';
    is give(value => -3, name => 'speed', trace_id => 'cd' x 16)->json('/value'), -3;
    $other->post('/api/v4/scores', { trace_id => $hex, name => 'helpful', value => 100 });
    is_deeply [ map { $_->{name} . $_->{value} } @{ list()->json('/items') } ], [ 'speed-3', 'helpful1', 'helpful0.25' ], 'the newest first; another project\'s are others';
    json_is list(), '/total', 3;
    is_deeply [ map { $_->{value} } @{ list('&name=helpful&limit=1&offset=1')->json('/items') } ], [0.25], 'by name, a page';
    is_deeply [ map { $_->{value} } @{ list('&trace_id=' . 'CD' x 16)->json('/items') } ], [-3], 'of a trace';
    is_deeply average()->json(''), [ { name => 'helpful', count => 2, average => 0.625 }, { name => 'speed', count => 1, average => -3 } ], 'and what they come to';
    is_deeply average("&start_date=$today&end_date=$today")->json(''), average()->json(''), 'of days';
    is_deeply average('&end_date=2020-01-01')->json(''), [], 'of others nothing';
};

subtest 'who reads them' => sub {
    my $member = $t->user('member');
    $t->member($org, $member, 'business_user');
    for my $read (\&list, \&average) {
        error_is $read->('', $t), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
        error_is $read->('', $t->user('stranger-' . int rand 1e9)), 404, 'NOT_FOUND', name => 'nor who is no member';
        error_is $read->('', $t->user('theirs-' . int rand 1e9, tenant => 'other')), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
        status_is $read->('', $member), 200, 'any member does';
    }
    error_is $ann->get('/api/v4/scores'), 422, 'VALIDATION_ERROR', field => 'project_id';
    error_is list('&trace_id=x'), 422, 'VALIDATION_ERROR', field => 'trace_id';
};

subtest 'two at once' => sub {
    my ($one, $two) = map { my $db = $t->{cluster}->connect($t->{database}, 'ashlar_api'); $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id); $db } 1, 2;
    my $put = 'SELECT id FROM score_put(?, ?::uuid, 0, ?, ?, NULL)';
    $one->begin_work;
    my ($first) = $one->selectrow_array($put, undef, $project, 'ef' x 16, 'race', 1);
    my $st = $two->prepare($put, { pg_async => 1 });
    $st->execute($project, 'ef' x 16, 'race', 5);
    eventually { $t->db->selectrow_array(q{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = ?}, undef, $two->{pg_pid}) } 30, 'the second waits';
    $one->commit;
    $two->pg_result;
    is $st->fetchrow_array, $first, 'and changes the first one\'s';
    is_deeply [ grep { $_->{name} eq 'race' } @{ average()->json('') } ], [ { name => 'race', count => 1, average => 5 } ], 'which counts once';
};

subtest 'sessions' => sub {
    Ashlar::Spans::ingest($in, $project, (map { { trace => $_, span => 1, at => $_ * 100, session => $_ % 2 ? 'odd' : 'even', status => $_ == 3 ? 2 : 1, tokens => [ 0, 0, 0, 0, $_ ], costs => [ 0, 0, $_ ], name => "n$_" } } 1 .. 5), { trace => 9, span => 1 });
    my $path = "/api/v4/sessions?project_id=$project";
    error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
    error_is $t->user('nobody')->get($path), 404, 'NOT_FOUND', name => 'nor who is no member';
    error_is $ann->get('/api/v4/sessions'), 422, 'VALIDATION_ERROR', field => 'project_id';
    my $res = $ann->get($path);
    json_is $res, '/total', 2;
    is_deeply [ map { [ @$_{qw(session_id trace_count error_count span_count total_tokens)}, $_->{total_cost} * 1e7 ] } @{ $res->json('/items') } ], [ [ 'odd', 3, 1, 3, 9, 9 ], [ 'even', 2, 0, 2, 6, 6 ] ], 'the one that went on last first';
    my $of = sub ($query) { my $r = $ann->get("/api/v4/traces?project_id=$project&$query"); return join(' ', map { $_->{root_span_name} } @{ $r->json('/traces') }) . ' of ' . $r->json('/total') };
    is $of->('session_id=odd'), 'n5 n3 n1 of 3', 'its traces';
    is $of->('session_id=odd&query=n3'), 'n3 of 1', 'and a search in them';
    is $of->('session_id=none'), ' of 0';
};
