use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Models;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# What models say of records: who may ask, what they are told, what comes of their answers, and who pays.
my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings(which => ['openai']), slow => 2, main => 2);
$t->keep_secret($_) for $models->secrets;
my $db   = $t->db;
my $json = Cpanel::JSON::XS->new->canonical;
my $at   = '/api/v1/record-tracking';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Customers', schema => { title_field => 'name', fields => [ { key => 'name', type => 'text' }, { key => 'note', type => 'text' } ] } })->json('/id');

sub made ($name, %with) { return $bob->post('/api/v1/records', { recordset_id => $set, field_values => { name => $name, %with } })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub answers (@what) { $models->answer(openai => map { { text => [ ref $_ ? $json->encode($_) : $_ ], usage => [ 100, 20 ] } } @what); return }
sub asked () { return $models->requests('openai') }
sub prompt ($n = -1) { return ((asked())[$n]{body}{messages}[0]{content}) }
sub calls () { return $db->selectall_arrayref('SELECT * FROM ai_calls ORDER BY id', { Slice => {} }) }
sub held () { return scalar $db->selectrow_array(q{SELECT count(*) FROM usage_operations WHERE state = 'reserved'}) }
sub used ($metric) { return scalar $db->selectrow_array('SELECT coalesce(sum(used), 0) FROM usage_counters WHERE organization_id = ? AND user_id = usage_id(NULL) AND metric = ?', undef, $w->id, $metric) }

$t->expect_log(qr/"code":"EXTERNAL_SERVICE_ERROR"/);
my ($plan) = $db->selectrow_array(q{INSERT INTO plans (tenant_id, name, limits) VALUES (?, 'Tracking', '{"messages": 1000, "cost_usd": 100000000}') RETURNING id}, undef, $bob->tenant_id);
sub subscribe ($workspace) { return $db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, plan_id, tier, status, is_current) SELECT tenant_id, id, ?, 'pro', 'active', true FROM organizations WHERE id = ?}, undef, $plan, $workspace) }
subscribe($w->id);
my $id = made('Harbour office', note => 'x' x 3000);
$bob->post("$at/$id/interactions", { interaction_type => 'call', subject => 'The new buoy', content => 'They want it before June.' });
$bob->post("$at/$id/tasks", { title => 'Send the offer' });
my $analysis = { summary => 'They wait.', health_score => 40, engagement_level => 'low', key_findings => ['An offer is due'], opportunities => [], risks => [ 'June', 'a "quote"' ], recommended_actions => [ { action => 'Send it', priority => 'high', reason => 'They asked' } ] };
my $message  = { subject => 'Our offer', body => "Dear Theo,\nhere it is.", suggestions => ['Add the price'] };
my $found    = { insight_type => 'risk', title => 'They are silent', description => 'No answer.', priority => 'urgent', confidence => 0.75, suggested_action => 'Call them' };

subtest 'who may, and what' => sub {
    answers($analysis);
    my @asks = ([ "/$id/ai/analyze", {} ], [ "/$id/ai/draft-message", { purpose => 'x' } ], [ "/$id/ai/generate-insights", {} ], [ "/$set/ai/follow-ups", {} ]);
    for (@asks) {
        my ($path, $body) = @$_;
        error_is $eve->post("$at$path", $body), 404, 'NOT_FOUND', name => "$path: another workspace's";
        error_is $carl->post("$at$path", $body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => "$path: without can_view";
        error_is $bob->post("$at" . ($path =~ s/\Q$id\E|\Q$set\E/$none/r), $body), 404, 'NOT_FOUND', id => $none, name => "$path: one that is not there";
    }
    share(vera => 'can_view');
    error_is $vera->post("$at/$id/ai/generate-insights", {}), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/, name => 'what is stored needs can_edit';
    my $bad = sub ($path, $field, %body) { error_is $bob->post("$at/$path", \%body), 422, 'VALIDATION_ERROR', field => $field, name => "$path: not that $field" };
    $bad->("$id/ai/analyze", focus => (focus => 'x' x 501));
    $bad->("$id/ai/draft-message", $_->[0], (purpose => 'x', %{ $_->[1] }))
        for [ purpose => { purpose => undef } ], [ purpose => { purpose => '' } ], [ purpose => { purpose => 'x' x 1001 } ], [ channel => { channel => 'fax' } ], [ tone => { tone => 'rude' } ], [ context => { context => 'x' x 5001 } ];
    $bad->("$id/ai/generate-insights", $_->[0], %{ $_->[1] }) for [ 'insight_types[0]' => { insight_types => ['idea'] } ], [ max_insights => { max_insights => 0 } ], [ max_insights => { max_insights => 21 } ];
    $bad->("$set/ai/follow-ups", $_->[0], %{ $_->[1] }) for [ limit => { limit => 0 } ], [ limit => { limit => 51 } ], [ 'record_ids[0]' => { record_ids => ['x'] } ], [ days_without_contact => { days_without_contact => -1 } ];
    is scalar(asked()), 0, 'nobody was asked';
    is scalar @{ calls() }, 0, '  and nothing counted';
};

subtest 'how a record stands' => sub {
    answers($analysis);
    my $res = $vera->post("$at/$id/ai/analyze", { focus => 'the offer {facts}' });
    status_is $res, 200, 'to see is enough';
    json_is $res, '', { record_id => $id, %$analysis, model => 'gpt-4o', generated_at => $MICRO };
    my $told = prompt();
    like $told, qr/"name": "Harbour office"/, 'the model is told its values';
    like $told, qr/"subject": "The new buoy"/, '  and what was said';
    like $told, qr/"title": "Send the offer"/, '  and what is to be done';
    like $told, qr/anything: the offer \{facts\}\n/, '  and what to look at, as it is';
    unlike $told, qr/x{1501}/, 'long texts are cut';
    my ($boundary) = $told =~ /boundary (\w{24})/;
    is scalar(() = $told =~ /$boundary/g), 3, 'between lines that nobody can know';
    my $call = calls()->[-1];
    is_deeply [ @$call{qw(purpose organization_id user_id input_tokens output_tokens outcome)} ], [ 'record_analysis', $w->id, $vera->uuid, 100, 20, 'answered' ], 'it counts as usage of the workspace';
    is used('ai_tokens'), 120;
    is held(), 0, 'nothing is held any more';
    is $db->selectrow_array('SELECT count(*) FROM record_insights'), 0, 'nothing is stored';
};

subtest 'an answer that is none' => sub {
    answers('I cannot say.', $analysis);
    status_is $bob->post("$at/$id/ai/analyze", {}), 200, 'is asked for once more';
    is scalar(asked()), 2;
    for my $wrong ({ %$analysis, health_score => 101 }, { %$analysis, engagement_level => 'lively' }, { %$analysis, summary => undef }, { %$analysis, recommended_actions => [ { action => 'x' } ] }) {
        answers($wrong);
        error_is $bob->post("$at/$id/ai/analyze", {}), 502, 'EXTERNAL_SERVICE_ERROR', name => 'and then refused';
        is scalar(asked()), 2;
    }
    is held(), 0;
};

subtest 'a message' => sub {
    answers($message);
    my $res = $vera->post("$at/$id/ai/draft-message", { purpose => 'Send the offer', tone => 'casual', recipient_name => 'Theo', context => 'It is cheap.' });
    status_is $res, 200;
    json_is $res, '', { record_id => $id, channel => 'email', %$message, generated_at => $MICRO };
    like prompt(), $_ for qr/purpose: Send the offer/, qr/recipient: Theo/, qr/more: It is cheap\./, qr/tone         casual/, qr/channel      email/;
    $res = $bob->post("$at/$id/ai/draft-message", { purpose => 'x', channel => 'sms' });
    is_deeply [ map { $res->json("/$_") } qw(channel subject) ], [ 'sms', undef ], 'only an e-mail has a subject';
    answers({ %$message, subject => '' });
    json_is $bob->post("$at/$id/ai/draft-message", { purpose => 'x' }), '/subject', undef;
};

subtest 'insights are stored' => sub {
    answers({ insights => [ $found, { %$found, insight_type => 'trend', title => 'Up', suggested_action => '' }, { %$found, title => 'Third', priority => 'low' } ] });
    my $res = $bob->post("$at/$id/ai/generate-insights", {});
    status_is $res, 200;
    json_is $res, "/$_->[0]", $_->[1] for [ record_id => $id ], [ generated_count => 3 ];
    json_is $res, '/insights/0', { %$found, id => $UUID, record_id => $id, recordset_id => $set, source => 'ai', is_dismissed => false, dismissed_at => undef, dismiss_reason => undef, is_actioned => false, actioned_at => undef, action_taken => undef, created_at => $MICRO };
    json_is $res, '/insights/1/suggested_action', undef;
    is_deeply [ sort map { $_->{id} } @{ $bob->get("$at/$id/insights")->json('/items') } ], [ sort map { $_->{id} } @{ $res->json('/insights') } ], 'they are in the list, as they were told';
    $res = $bob->post("$at/$id/ai/generate-insights", { max_insights => 2 });
    is $res->json('/generated_count'), 2, 'no more than were wanted';
    $res = $bob->post("$at/$id/ai/generate-insights", { insight_types => [ 'trend', 'opportunity' ] });
    is_deeply [ map { $_->{insight_type} } @{ $res->json('/insights') } ], ['trend'], 'and of no other types';
    like prompt(), qr/"title": "They are silent"/, 'the model knows what was found before';
    answers({ insights => [] });
    json_is $bob->post("$at/$id/ai/generate-insights", {}), '/insights', [], 'there may be nothing';
    answers({ insights => [ { %$found, confidence => 1.1 } ] });
    my $before = $bob->get("$at/$id/insights")->json('/total');
    error_is $bob->post("$at/$id/ai/generate-insights", {}), 502, 'EXTERNAL_SERVICE_ERROR';
    is $bob->get("$at/$id/insights")->json('/total'), $before;
};

subtest 'a record that goes while a model thinks' => sub {
    my $gone = made('Gone');
    # The record goes when the price is held, behind the question who may.
    $db->do(<<~"SQL");
        CREATE FUNCTION test_goes() RETURNS trigger LANGUAGE plpgsql AS \$\$
        BEGIN
            UPDATE records SET status = 'deleted', deleted_at = now() WHERE id = '$gone';
            RETURN NULL;
        END \$\$
        SQL
    $db->do(q{CREATE TRIGGER test_goes AFTER INSERT ON usage_operations FOR EACH ROW EXECUTE FUNCTION test_goes()});
    answers({ insights => [$found] });
    error_is $bob->post("$at/$gone/ai/generate-insights", {}), 404, 'NOT_FOUND', id => $gone;
    is scalar(asked()), 1;
    is $db->selectrow_array('SELECT count(*) FROM record_insights WHERE record_id = ?', undef, $gone), 0, 'nothing is stored';
    is calls()->[-1]{outcome}, 'answered', 'what was used counts';
    is held(), 0;
    $db->do('DROP FUNCTION test_goes CASCADE');
};

subtest 'whom to look after' => sub {
    my $in = $bob->post($sets, { name => 'Others' })->json('/id');
    answers({ suggestions => [] });
    my $res = $bob->post("$at/$in/ai/follow-ups", {});
    status_is $res, 200;
    json_is $res, '', { recordset_id => $in, suggestions => [], generated_at => $MICRO }, 'nothing is asked about nothing';
    is scalar(asked()), 0;
    my $add = sub ($title) { $bob->post('/api/v1/records', { recordset_id => $in, title => $title })->json('/id') };
    my ($late, $old, $never, $fresh) = map { $add->($_) } qw(late old never fresh);
    my $ago = sub ($days) { scalar $db->selectrow_array(q{SELECT to_char((now() - make_interval(days => ?)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}, undef, $days) };
    $bob->post("$at/$late/tasks", { title => 'Call', due_date => $ago->(1) });
    $bob->post("$at/$_->[0]/interactions", { interaction_type => 'call', subject => 'hello', occurred_at => $ago->($_->[1]) }) for [ $late, 1 ], [ $old, 20 ], [ $fresh, 2 ];
    my $say = sub ($n, %with) { return { number => $n, title => "do $n", reason => 'because', priority => 'high', suggested_action => 'call', %with } };
    answers({ suggestions => [ $say->(2), $say->(1, priority => 'urgent'), $say->(2, title => 'again'), $say->(9), $say->(3) ] });
    $res = $vera->post("$at/$in/ai/follow-ups", {});
    error_is $res, 403, 'AUTHORIZATION_ERROR';
    $res = $bob->post("$at/$in/ai/follow-ups", {});
    status_is $res, 200;
    my %one = (reason => 'because', priority => 'high', suggested_action => 'call');
    json_is $res, '/suggestions', [
        { %one, record_id => $old, title => 'do 2', days_since_interaction => 20 }, { %one, record_id => $late, title => 'do 1', days_since_interaction => 1, priority => 'urgent' },
        { %one, record_id => $never, title => 'do 3', days_since_interaction => undef } ], 'in the order of the answer, each once, and none that nobody was told of';
    like prompt(), qr/"title": "late"/;
    unlike prompt(), qr/fresh/, 'with whom somebody has spoken of late is left alone';
    unlike prompt(), qr/\Q$_\E/, 'and no id is told' for $late, $old;
    is scalar @{ $bob->post("$at/$in/ai/follow-ups", { limit => 1 })->json('/suggestions') }, 1, 'as many as are wanted';
    $bob->post("$at/$in/ai/follow-ups", { record_ids => [ $fresh, $old ], days_without_contact => 0 });
    like prompt(), qr/"title": "$_"/, "of these alone: $_" for qw(fresh old);
    unlike prompt(), qr/"title": "(?:late|never)"/;
};

subtest 'who pays' => sub {
    answers($analysis);
    $db->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, ?, usage_id(NULL), ?, ?)', undef, $bob->tenant_id, $w->id, 'ai_tokens', used('ai_tokens') + 10);
    error_is $bob->post("$at/$id/ai/$_->[0]", $_->[1]), 402, 'LIMIT_EXCEEDED', metric => 'ai_tokens', name => "$_->[0]: the workspace's limit" for [ analyze => {} ], [ 'draft-message' => { purpose => 'x' } ], [ 'generate-insights' => {} ];
    error_is $bob->post("$at/$set/ai/follow-ups", { days_without_contact => 0 }), 402, 'LIMIT_EXCEEDED';
    is scalar(asked()), 0, 'nobody is asked then';
    is held(), 0;
    $db->do('DELETE FROM usage_limits');
    my $in  = $eve->post($sets, { name => 'Customers' })->json('/id');
    my $one = $eve->post('/api/v1/records', { recordset_id => $in, title => 'x' })->json('/id');
    error_is $eve->post("$at/$one/ai/analyze", {}), 402, 'LIMIT_EXCEEDED', message => qr/No active plan/, name => 'without a plan there is nothing to spend';
    subscribe($x->id);
    status_is $eve->post("$at/$one/ai/analyze", {}), 200;
};

subtest 'what a provider cannot' => sub {
    $models->answer(openai => { status => 401, body => { error => { message => 'no' } } });
    error_is $bob->post("$at/$id/ai/analyze", {}), 502, 'EXTERNAL_SERVICE_ERROR';
    is held(), 0;
    my $bare = Api->start(slow => 1);
    my $y    = workspace($bare, ann => 'owner');
    my $in   = $y->{ann}->post($sets, { name => 'Customers' })->json('/id');
    my $one  = $y->{ann}->post('/api/v1/records', { recordset_id => $in, title => 'x' })->json('/id');
    error_is $y->{ann}->post("$at/$one/ai/$_->[0]", $_->[1]), 503, 'SERVICE_UNAVAILABLE', name => "$_->[0]: no provider" for [ analyze => {} ], [ 'draft-message' => { purpose => 'x' } ], [ 'generate-insights' => {} ];
    error_is $y->{ann}->post("$at/$in/ai/follow-ups", {}), 503, 'SERVICE_UNAVAILABLE';
};
