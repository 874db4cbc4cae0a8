use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Which modules a workspace has switched off, and which tours its members have taken.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/modules';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob, $vera, $eve) = (@$w{qw(ann adam bob vera)}, $x->{eve});

subtest 'modules' => sub {
    json_is $vera->get($base), '', [], 'none is listed: all are on';
    error_is $vera->get("$base/crm"), 404, 'NOT_FOUND';
    for my $who ($bob, $vera) {
        error_is $who->post($base, { module => 'crm' }), 403, 'AUTHORIZATION_ERROR', name => 'for owners and admins';
    }
    error_is $ann->post($base, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ module => {} ], [ module => { module => 'golf' } ], [ is_enabled => { module => 'crm', is_enabled => 'no' } ], [ settings => { module => 'crm', settings => [] } ],
            [ settings => { module => 'crm', settings => { x => 'x' x 65_536 } } ];
    my $res = $adam->post($base, { module => 'crm', settings => { view => 'board', depth => { a => 1 } } });
    status_is $res, 201;
    json_is $res, '', { id => $UUID, module => 'crm', is_enabled => true, settings => { view => 'board', depth => { a => 1 } }, updated_by_id => $w->member_id('adam'), created_at => $MICRO, updated_at => $MICRO };
    error_is $ann->post($base, { module => 'crm' }), 409, 'CONFLICT', field => 'module';
    status_is $eve->post($base, { module => 'crm' }), 201, 'in another workspace it is another one';
    json_is $vera->get("$base/crm"), '', $res->json, 'every member reads it';
    json_is $ann->put("$base/crm", { settings => { depth => 2 } }), '/settings', { view => 'board', depth => 2 }, 'settings are merged by member';
    json_is $ann->put("$base/crm", { is_enabled => false }), '/is_enabled', false;
    json_is $ann->get("$base/crm"), '/updated_by_id', $w->member_id('ann');
    json_is $ann->post("$base/crm/toggle"), '/is_enabled', true, 'and on again';
    json_is $ann->post("$base/crm/toggle"), '/is_enabled', false;
    for my $who ($bob, $vera) {
        error_is $who->put("$base/crm", { is_enabled => true }), 403, 'AUTHORIZATION_ERROR';
        error_is $who->post("$base/crm/toggle"), 403, 'AUTHORIZATION_ERROR';
    }
    error_is $ann->put("$base/tasks", {}), 404, 'NOT_FOUND';
    error_is $ann->post("$base/tasks/toggle"), 404, 'NOT_FOUND';
    error_is $ann->put("$base/crm", {}, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    $ann->post($base, { module => 'actions' });
    is join(' ', map { $_->{module} } @{ $bob->get($base)->json }), 'actions crm', 'by name';
    is join(' ', map { $_->{module} } @{ $eve->get($base)->json }), 'crm';
    my @told = grep { $_ eq 'modules_updated' } @{ $db->selectcol_arrayref(q{SELECT payload ->> 'event_type' FROM realtime_messages WHERE channel = ? AND event = 'workspace_event'}, undef, 'workspace:' . $w->id) };
    is scalar @told, 6, 'everybody who is connected is told, of each';
    is scalar @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_type = 'module' AND details ->> 'organization_id' = ?}, undef, $w->id) }, 6, '  and each is put down';
};

subtest 'tours' => sub {
    my $tours = '/api/v1/members/me/tours';
    json_is $bob->get($tours), '', {}, 'none was taken';
    json_is $bob->post($tours, { tour_id => 'welcome' }), '', { welcome => true };
    json_is $bob->post($tours, { tour_id => 'Rückblick 2', completed => false }), '', { welcome => true, 'Rückblick 2' => false }, 'one that is begun, too';
    json_is $bob->post($tours, { tour_id => 'welcome' }), '', { welcome => true, 'Rückblick 2' => false }, 'twice is once';
    json_is $bob->get('/api/v1/members/me'), '/tours', { welcome => true, 'Rückblick 2' => false };
    json_is $ann->get($tours), '', {}, 'another member\'s are theirs';
    error_is $bob->post($tours, $_), 422, 'VALIDATION_ERROR', field => 'tour_id' for {}, { tour_id => '' }, { tour_id => 'x' x 101 };
    json_is $bob->request('DELETE', $tours, json => { tour_id => 'welcome' }), '', { 'Rückblick 2' => false }, 'one is forgotten, by the body';
    $bob->post($tours, { tour_id => $_ }) for qw(a b c);
    json_is $bob->request('DELETE', $tours, query => { tour_id => 'a' }), '', { b => true, c => true, 'Rückblick 2' => false }, 'or by the query';
    json_is $bob->request('DELETE', $tours, query => { tour_id => 'b' }, json => { tour_id => 'c' }), '', { b => true, 'Rückblick 2' => false }, 'the body goes first';
    json_is $bob->request('DELETE', $tours, json => { tour_id => 'never' }), '', { b => true, 'Rückblick 2' => false };
    json_is $bob->request('DELETE', $tours, json => { tour_id => undef }), '', {}, 'null: all';
    $bob->post($tours, { tour_id => 'x' });
    json_is $bob->delete($tours), '', {}, 'or nothing';
};
