use v5.36;
use lib 't/lib';
use utf8;
use Api;

# Agents of a tenant in public words: registered, found, changed and put down as offline.
my $t      = Api->start;
my $db     = $t->db;
my $base   = '/api/v1/public/agents';
my $ed     = $t->user('ed', role => 'editor');
my $member = $t->user('member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $org    = $t->organization($ed);
my %ONE    = (name => 'tide-watcher', role => 'planner');

sub key_for (@scopes) { return $t->client(key => $t->key(type => 'organization', of => $org, by => $ed, columns => { scopes => \@scopes })) }
sub make ($who, %agent) { return $who->post($base, { %ONE, %agent }) }
sub names ($res) { return join ' ', map { $_->{name} } @{ $res->json('/data') } }
sub stored ($id) { return $db->selectrow_hashref('SELECT * FROM tenant_agents WHERE number = ?', undef, $id) }
sub activity ($action) { return $db->selectrow_array('SELECT count(*) FROM activity_log WHERE action = ?', undef, $action) }

subtest 'who may' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/1";
    error_is $t->post($base, \%ONE), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client->$_("$base/1"), 401, 'AUTHENTICATION_ERROR' for qw(patch delete);
    error_is make($_), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    error_is $_->patch("$base/1", { role => 'x' }), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    error_is $_->delete("$base/1"), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    my ($reads, $writes, $other) = (key_for('agents:read'), key_for('agents:write'), key_for('templates:read', 'templates:write', 'tasks:read'));
    error_is $_->get($base), 403, 'INSUFFICIENT_SCOPE', name => 'to write is not to read' for $writes, $other;
    error_is $_->get("$base/1"), 403, 'INSUFFICIENT_SCOPE' for $writes, $other;
    error_is make($_), 403, 'INSUFFICIENT_SCOPE', name => 'to read is not to write' for $reads, $other;
    error_is $_->patch("$base/1", { role => 'x' }), 403, 'INSUFFICIENT_SCOPE' for $reads, $other;
    error_is $_->delete("$base/1"), 403, 'INSUFFICIENT_SCOPE' for $reads, $other;
    is $db->selectrow_array('SELECT count(*) FROM tenant_agents'), 0, 'nothing was written';
    status_is $_->get($base), 200, 'and these read' for $viewer, $demo, $reads, key_for('*'), $t->client(key => $t->key);
    status_is make($writes, name => 'by-key'), 201, 'a key with the scope registers one';
    status_is make($t->client(key => $t->key), name => 'by-tenant'), 201, 'and a tenant\'s own key';
    status_is make($member, name => 'by-member'), 201, 'and any member';
    $db->do('DELETE FROM tenant_agents');
};

subtest 'what is refused' => sub {
    error_is $ed->post($base, { role => 'x' }), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ed->post($base, { name => 'x' }), 400, 'VALIDATION_ERROR', field => 'role';
    error_is $ed->post($base, undef, body => '['), 400, 'VALIDATION_ERROR';
    error_is make($ed, name => $_), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 64, 'Upper', '1st', '-x', '_x', 'a b', 'a/b', '..', "a\n", 'ä', 7, undef;
    error_is make($ed, role => $_), 400, 'VALIDATION_ERROR', field => 'role' for '', 'x' x 101, 7, undef;
    error_is make($ed, emoji => $_), 400, 'VALIDATION_ERROR', field => 'emoji' for '', 'x' x 17, undef;
    error_is make($ed, status => $_), 400, 'VALIDATION_ERROR', field => 'status' for '', 'active', 'stopped', 'error', 'Idle', undef;
    error_is make($ed, workspace_path => 'x' x 501), 400, 'VALIDATION_ERROR', field => 'workspace_path';
    error_is make($ed, role => 'x' x 2_097_152), 413, 'PAYLOAD_TOO_LARGE';
    is $db->selectrow_array('SELECT count(*) FROM tenant_agents'), 0, 'nothing was written';
    error_is $ed->get("$base/$_"), 400, 'VALIDATION_ERROR' for 'x', 'tide-watcher', '0', '-1', '1.5', '99999999999999999999';
    error_is $ed->patch("$base/x", { role => 'x' }), 400, 'VALIDATION_ERROR';
    error_is $ed->delete("$base/x"), 400, 'VALIDATION_ERROR';
    error_is $ed->get("$base/999999999"), 404, 'NOT_FOUND';
    error_is $ed->patch("$base/999999999", { role => 'x' }), 404, 'NOT_FOUND';
    error_is $ed->delete("$base/999999999"), 404, 'NOT_FOUND';
    error_is $ed->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'limit=0', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ], [ 'status=active', 'status' ], [ 'status=stopped', 'status' ], [ 'status=idle,paused', 'status' ];
};

my $id;
subtest 'registered and shown' => sub {
    my $res = make($ed, emoji => '🌊', workspace_path => 'harbour/tides', unknown => 1, current_task => 'not yet');
    status_is $res, 201;
    $id = $res->json('/data/id');
    my %shown = (id => $id, %ONE, emoji => '🌊', status => 'idle', current_task => undef, workspace_path => 'harbour/tides', last_heartbeat => undef, created_at => $TIME, updated_at => $TIME);
    json_is $res, '', { data => \%shown };
    json_is $viewer->get("$base/$id"), '', { data => \%shown };
    is stored($id)->{$_->[0]}, $_->[1], "$_->[0]" for [ wanted => 'stopped' ], [ host => undef ], [ display_name => 'Tide-watcher' ];
    json_is make($ed, name => 'x' x 63, role => 'y' x 100, status => 'paused'), '/data/status', 'paused', 'in another state';
    json_is $ed->last, "/data/$_", undef, "without $_" for qw(emoji workspace_path);
    error_is make($ed), 409, 'CONFLICT', field => 'name', name => 'a name that is there';
    status_is make($theirs), 201, 'is free in another tenant';
    error_is $theirs->get("$base/$id"), 404, 'NOT_FOUND', name => 'which sees none of ours';
    error_is $theirs->patch("$base/$id", { role => 'x' }), 404, 'NOT_FOUND';
    error_is $theirs->delete("$base/$id"), 404, 'NOT_FOUND';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'tenant_agent.create' AND resource_id = 'tide-watcher' AND tenant_id = ?}, undef, $ed->tenant_id), 1, 'it is in the audit log';
    is $db->selectrow_array(q{SELECT entity_id FROM activity_log WHERE action = 'agent.created' AND tenant_id = ? ORDER BY number LIMIT 1}, undef, $ed->tenant_id), 'by-key', 'and in the activity';
};

subtest 'changed' => sub {
    my $at = "$base/$id";
    error_is $ed->patch($at, $_), 400, 'VALIDATION_ERROR', name => 'nothing known' for {}, { name => 'other' }, { unknown => 1 };
    error_is $ed->patch($at, { $_ => undef }), 400, 'VALIDATION_ERROR', field => $_ for qw(role status);
    error_is $ed->patch($at, { status => $_ }), 400, 'VALIDATION_ERROR', field => 'status' for 'active', 'stopped';
    error_is $ed->patch($at, { current_task => 'x' x 501 }), 400, 'VALIDATION_ERROR', field => 'current_task';
    error_is $ed->patch($at, { emoji => '' }), 400, 'VALIDATION_ERROR', field => 'emoji';
    my $res = $ed->patch($at, { current_task => 'x' x 500, status => 'working', name => 'other' });
    status_is $res, 200;
    json_is $res, '/data', { id => $id, %ONE, emoji => '🌊', status => 'working', current_task => 'x' x 500, workspace_path => 'harbour/tides', last_heartbeat => undef, created_at => $TIME, updated_at => $TIME }, 'what is left out stays, and the name';
    $res = $member->patch($at, { emoji => undef, current_task => undef, workspace_path => undef });
    json_is $res, "/data/$_", undef, "$_ is cleared" for qw(emoji current_task workspace_path);
    json_is key_for('agents:write')->patch($at, { role => 'pilot' }), '/data/role', 'pilot', 'a key changes it, too';
    is stored($id)->{wanted}, 'stopped', 'a status is only put down';
    is activity('agent.updated'), 3, 'each time the activity says so';
    is $db->selectrow_array(q{SELECT details ->> 'fields' FROM audit_events WHERE action = 'tenant_agent.update' ORDER BY seq LIMIT 1}), '["status", "current_task"]', 'and the audit log what';
};

subtest 'other words' => sub {
    my %shown = (active => 'working', stopped => 'paused', error => 'blocked', map { $_ => $_ } qw(idle working blocked offline paused));
    for my $stored (sort keys %shown) {
        $db->do('UPDATE tenant_agents SET status = ? WHERE number = ?', undef, $stored, $id);
        json_is $viewer->get("$base/$id"), '/data/status', $shown{$stored}, "$stored is shown as $shown{$stored}";
        is names($viewer->get("$base?role=pilot&status=$_")), $_ eq $shown{$stored} ? 'tide-watcher' : '', "  and found as that, not as $_" for sort { $a cmp $b } qw(idle working blocked offline paused);
        json_is $ed->patch("$base/$id", { status => $shown{$stored} }), '/data/status', $shown{$stored};
        is stored($id)->{status}, $stored, '  to write what was read changes nothing';
    }
    json_is $ed->patch("$base/$id", { status => 'idle' }), '/data/status', 'idle';
    is stored($id)->{status}, 'idle', 'another one is that one';
};

subtest 'deactivated' => sub {
    my $res = $ed->delete("$base/$id");
    json_is $res, '', { data => { id => $id, status => 'offline' }, meta => { message => 'Agent deactivated' } };
    json_is $ed->get("$base/$id"), '/data/status', 'offline', 'it stays readable';
    my $before = stored($id)->{updated_at};
    status_is $member->delete("$base/$id"), 200, 'once more';
    is activity('agent.deactivated'), 1, '  is put down no more';
    is names($ed->get("$base?status=offline")), 'tide-watcher', 'and it is found';
    status_is $ed->patch("$base/$id", { status => 'idle' }), 200, 'it comes back';
};

subtest 'listed and counted' => sub {
    $db->do('DELETE FROM tenant_agents WHERE tenant_id = ?', undef, $ed->tenant_id);
    json_is $ed->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    make($ed, name => $_->[0], role => $_->[1], status => $_->[2]) for [ 'c', 'x', 'idle' ], [ 'a', 'y', 'working' ], [ 'b', 'x', 'working' ];
    is names($viewer->get($base)), 'c a b', 'by id';
    json_is $viewer->last, '/meta', { total => 3, limit => 50, offset => 0 };
    is names($viewer->get("$base?limit=1&offset=1")), 'a', 'a page';
    json_is $viewer->last, '/meta', { total => 3, limit => 1, offset => 1 };
    is names($viewer->get("$base?role=x")), 'c b', 'of a role';
    is names($viewer->get("$base?role=X")), '', '  as it is written';
    is names($viewer->get("$base?status=working")), 'a b', 'of a status';
    json_is $viewer->last, '/meta/total', 2, '  and counted';
    is names($viewer->get("$base?status=working&role=x")), 'b', 'of both';
    json_is $viewer->get("$base?limit=999"), '/meta/limit', 200, 'at most 200';
    json_is $viewer->get("$base?offset=3"), '', { data => [], meta => { total => 3, limit => 50, offset => 3 } }, 'behind the last one';
    is names(key_for('agents:read')->get($base)), 'c a b', 'a key\'s are those of its tenant';
    is names($theirs->get($base)), 'tide-watcher', 'another tenant has its own';
    my $counts = sub { return join ' ', map { "$_->[0]:$_->[1]" } @{ $db->selectall_arrayref(q{SELECT key, sum(n) FROM tenant_counters WHERE name = 'tenant_agents' AND tenant_id = ? GROUP BY 1 HAVING sum(n) <> 0 ORDER BY 1}, undef, $ed->tenant_id) } };
    is $counts->(), 'idle:1 working:2', 'counters know how many there are of each';
    $ed->delete("$base/" . $viewer->get("$base?role=y")->json('/data/0/id'));
    is $counts->(), 'idle:1 offline:1 working:1', '  and follow';
};
