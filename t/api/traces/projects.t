# Projects on the observability surface: who may what, keys, limits, and what goes with one.

use v5.36;
use lib 't/lib';
use Api;

my $t       = Api->start;
my $base    = '/api/opsboard/projects';
my $demo    = 'c0000000-0000-0000-0000-000000000000';
my $nobody  = '00000000-0000-7000-8000-00000000dead';
my $uuid    = qr/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;
my $n       = 0;
my $ann     = $t->user('ann');
my $org     = org($ann, 'pro');
my %in      = map { my $who = $t->user("the-$_"); $t->member($org, $who, $_); ($_ => $who) } qw(admin developer business_user member viewer);
my $outside = $t->user('outside');
my $theirs  = $t->user('theirs', tenant => 'other');

sub org ($owner, $plan = 'free') {
    my $id = $t->organization($owner);
    $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $id);
    return $id;
}
sub made (%body) {
    my $res = $ann->post($base, { name => 'P' . ++$n, org_id => $org, %body });
    $t->keep_secret($res->json('/api_key')) if $res->status == 200;
    return $res;
}
sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM trace_projects WHERE id = ?', undef, $id) }
sub token_of ($key) { return $t->post('/api/v3/auth/token', { api_key => $key }) }

my %change = (
    'PUT'            => sub ($who, $id) { $who->put("$base/$id", { name => 'Other' }) },
    'POST update'    => sub ($who, $id) { $who->post("$base/$id/update", { name => 'Other' }) },
    'regenerate-key' => sub ($who, $id) { $who->post("$base/$id/regenerate-key") },
    'DELETE'         => sub ($who, $id) { $who->delete("$base/$id") },
    'POST delete'    => sub ($who, $id) { $who->post("$base/$id/delete") },
);

subtest 'who may what' => sub {
    my $id = made()->json('/id');
    for my $who ([ outside => $outside ], [ theirs => $theirs ]) {
        error_is $who->[1]->get("$base/$id"), 404, 'NOT_FOUND', name => "$who->[0] reads none";
        error_is $change{$_}->($who->[1], $id), 404, 'NOT_FOUND', name => "  nor $_" for sort keys %change;
    }
    error_is $t->get("$base/$id"), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get("$base/$nobody"), 404, 'NOT_FOUND';
    is $ann->get("$base/$nobody")->json('/error/message'), 'Project not found';
    error_is $change{$_}->($ann, $nobody), 404, 'NOT_FOUND', name => "$_ of one that is not there" for sort keys %change;
    for my $role (qw(developer business_user member viewer)) {
        status_is $in{$role}->get("$base/$id"), 200, "a $role reads it";
        like $in{$role}->get("$base/$id")->json('/api_key'), qr/\A$uuid\z/, '  with its key';
        error_is $change{$_}->($in{$role}, $id), 403, 'AUTHORIZATION_ERROR', name => "  but not $_" for sort keys %change;
        error_is $in{$role}->post($base, { name => 'x', org_id => $org }), 403, 'AUTHORIZATION_ERROR', name => '  nor makes one';
    }
    error_is $change{$_}->($in{admin}, $id), 403, 'AUTHORIZATION_ERROR', name => "an admin: not $_" for 'DELETE', 'POST delete';
    status_is $change{$_}->($in{admin}, $id), 200, "an admin: $_" for 'PUT', 'POST update', 'regenerate-key';
    status_is $in{admin}->post($base, { name => 'by an admin', org_id => $org }), 200;
    is row($id)->{name}, 'Other';
    $t->keep_secret($in{admin}->last->json('/api_key'));
    $t->db->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $in{viewer}->uuid);
    error_is $in{viewer}->get("$base/$id"), 404, 'NOT_FOUND', name => 'who is deactivated sees none';
    status_is $change{DELETE}->($ann, $id), 200, 'an owner: DELETE';
};

subtest 'what is made' => sub {
    error_is made(name => undef), 422, 'VALIDATION_ERROR', field => 'name';
    error_is made(name => $_), 422, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 256;
    error_is made(org_id => $_), 422, 'VALIDATION_ERROR', field => 'org_id' for 'x', undef;
    error_is made(environment => $_), 422, 'VALIDATION_ERROR', field => 'environment' for 'test', '', 'PRODUCTION';
    error_is made(org_id => $nobody), 404, 'NOT_FOUND', name => 'not in an organization that is not there';
    error_is made(org_id => $t->organization($theirs)), 404, 'NOT_FOUND', name => 'nor in another tenant\'s';
    error_is made(org_id => org($outside)), 403, 'AUTHORIZATION_ERROR', name => 'nor where one is no member';
    my $gone = org($ann, 'pro');
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    error_is made(org_id => $gone), 404, 'NOT_FOUND', name => 'nor in a deleted one';
    my $res = made(name => 'x' x 255);
    status_is $res, 200;
    my $p = $res->json;
    is_deeply [ sort keys %$p ], [qw(api_key environment id name org org_id)];
    is "$p->{org_id} $p->{environment}", "$org development";
    like $p->{api_key}, qr/\A$uuid\z/, 'its key is a random UUID';
    isnt made()->json('/api_key'), $p->{api_key};
    is_deeply [ sort keys %{ $p->{org} } ], [ sort qw(id name prem_status subscription_id subscription_end_date subscription_start_date subscription_cancel_at_period_end
            current_user_role current_member_count max_member_count current_project_count max_project_count paid_member_count) ];
    is "$p->{org}{id} $p->{org}{prem_status} $p->{org}{current_user_role} $p->{org}{current_member_count}", "$org pro owner 5";
    is $p->{org}{max_project_count}, undef, 'pro has no limit';
    is made(environment => $_)->json('/environment'), $_ for qw(production staging community);
    my $row = row($p->{id});
    unlike join(' ', grep { defined } @$row{qw(api_key_sealed api_key_hash)}), qr/\Q$p->{api_key}/, 'the key is not in the database';
    status_is token_of($p->{api_key}), 200, 'and it is one';
    $t->keep_secret($t->last->json('/token'));
    is_deeply $ann->get("$base/$p->{id}")->json, { %$p, org => $ann->last->json('/org') }, 'it reads as it was made';
    my ($event) = $t->db->selectrow_array(q{SELECT actor_id FROM audit_events WHERE action = 'trace_project.create' AND resource_id = ?}, undef, $p->{id});
    is $event, 'user_ann';
};

subtest 'a free organization has so many' => sub {
    my $free = org($ann);
    status_is made(org_id => $free), 200;
    is "@{ $ann->last->json('/org') }{qw(current_project_count max_project_count)}", '1 1';
    error_is made(org_id => $free), 403, 'AUTHORIZATION_ERROR', message => qr/at most 1 project\z/;
    $t->db->do(q{UPDATE organizations SET prem_status = ? WHERE id = ?}, undef, 'enterprise', $free);
    status_is made(org_id => $free), 200, 'a paid one has no limit';
    $t->db->do(q{UPDATE organizations SET prem_status = ? WHERE id = ?}, undef, 'free', $free);
    error_is made(org_id => $free), 403, 'AUTHORIZATION_ERROR';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE organization_id = ?', undef, $free);
    status_is made(org_id => $free), 200, 'deleted ones do not count';

    my $two  = Api->start(FREEPLAN_MAX_PROJECTS => 2);
    my $bob  = $two->user('bob');
    my $its  = $two->organization($bob);
    $two->trace_project($its);
    $two->db->do('INSERT INTO opsboard_profiles (tenant_id, user_id) VALUES (?, ?)', undef, $bob->tenant_id, $bob->uuid);
    my $lock = $two->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $its);
    my @load = map { $two->load(clients => 1, requests => 1, make => sub { $bob->with(http => $two->http) }, each => sub ($c, $i) { $c->post($base, { name => 'x', org_id => $its }) }) } 1 .. 2;
    eventually { $two->waiting == 2 } 5, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 403', 'of two at once for the last place one gets it';
    my $any = Api->start(FREEPLAN_MAX_PROJECTS => 0);
    my $cy  = $any->user('cy');
    my $of  = $any->organization($cy);
    for (1 .. 3) { status_is $cy->post($base, { name => 'x', org_id => $of }), 200; $any->keep_secret($cy->last->json('/api_key')) }
    is $cy->last->json('/org/max_project_count'), undef, '0: no limit';
};

subtest 'what is changed, and what stays' => sub {
    my $p = made(name => 'Before', environment => 'staging')->json;
    error_is $ann->put("$base/$p->{id}", { environment => 'test' }), 422, 'VALIDATION_ERROR', field => 'environment';
    error_is $ann->put("$base/$p->{id}", { name => '' }), 422, 'VALIDATION_ERROR', field => 'name';
    my $at = row($p->{id})->{updated_at};
    for my $body ({}, { name => undef, environment => undef }, { name => 'Before' }) {
        is_deeply [ @{ $ann->put("$base/$p->{id}", $body)->json }{qw(name environment api_key)} ], [ 'Before', 'staging', $p->{api_key} ], 'nothing, null and the same leave it';
    }
    is row($p->{id})->{updated_at}, $at, '  and it was not changed';
    is_deeply [ @{ $ann->put("$base/$p->{id}", { name => 'After' })->json }{qw(name environment api_key)} ], [ 'After', 'staging', $p->{api_key} ];
    is_deeply [ @{ $ann->post("$base/$p->{id}/update", { environment => 'production', org_id => $nobody, api_key => $nobody })->json }{qw(name environment api_key org_id)} ],
        [ 'After', 'production', $p->{api_key}, $org ], 'its key and organization are not to be changed';
    is_deeply [ map { $_->[0] } @{ $t->db->selectall_arrayref(q{SELECT details::text FROM audit_events WHERE action = 'trace_project.update' AND resource_id = ? ORDER BY seq}, undef, $p->{id}) } ],
        [ '{"name": "After", "environment": "staging"}', '{"name": "After", "environment": "production"}' ];
};

subtest 'another key ends the one before it' => sub {
    my $p     = made()->json;
    my $token = token_of($p->{api_key})->json('/token');
    $t->keep_secret($token);
    my $res = $ann->post("$base/$p->{id}/regenerate-key");
    status_is $res, 200;
    my $new = $res->json('/api_key');
    $t->keep_secret($new);
    like $new, qr/\A$uuid\z/;
    isnt $new, $p->{api_key};
    is $res->json('/name'), $p->{name};
    error_is token_of($p->{api_key}), 403, 'AUTHORIZATION_ERROR', name => 'the old one is none';
    error_is $t->nobody->with(token => $token)->get('/api/v3/auth/token'), 401, 'AUTHENTICATION_ERROR', name => 'nor is what was made with it';
    status_is token_of($new), 200;
    $t->keep_secret($t->last->json('/token'));
    is $ann->get("$base/$p->{id}")->json('/api_key'), $new;
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'trace_project.regenerate_key' AND resource_id = ?}, undef, $p->{id}), 1;
};

subtest 'a deleted one is gone, and what was sent to it will be' => sub {
    my $p   = made()->json;
    my $res = $ann->delete("$base/$p->{id}");
    is_deeply $res->json, { success => true, message => 'the project was deleted' };
    error_is $ann->get("$base/$p->{id}"), 404, 'NOT_FOUND';
    error_is $change{$_}->($ann, $p->{id}), 404, 'NOT_FOUND', name => $_ for sort keys %change;
    error_is token_of($p->{api_key}), 403, 'AUTHORIZATION_ERROR', name => 'its key is none';
    is_deeply $t->db->selectcol_arrayref(q{SELECT payload::text FROM jobs WHERE kind = 'traces.forget' AND payload ->> 'project_id' = ?}, undef, $p->{id}), [qq({"project_id": "$p->{id}"})];
    status_is $ann->post("$base/" . made()->json('/id') . '/delete'), 200, 'by its other path, too';
    is scalar(grep { $_->{id} eq $p->{id} } @{ $ann->get($base)->json }), 0, 'nor is it in the list';
};

subtest 'an admin who is demoted while waiting changes nothing' => sub {
    my $p    = made(name => 'Stays')->json;
    my $al   = $t->user('al');
    $t->member($org, $al, 'admin');
    $al->get($base);
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $org);
    my $load = $t->load(clients => 1, requests => 1, make => sub { $al->with(http => $t->http) }, each => sub ($c, $i) { $c->put("$base/$p->{id}", { name => 'Taken' }) });
    eventually { $t->waiting == 1 } 5, 'the change waits';
    $lock->do(q{UPDATE memberships SET role = 'developer' WHERE organization_id = ? AND user_id = ?}, undef, $org, $al->uuid);
    $lock->commit;
    is +($load->finish)[0][0], 403;
    is row($p->{id})->{name}, 'Stays';
};

subtest 'the list has those of all one\'s organizations' => sub {
    my $bea = $t->user('bea');
    my ($one, $two, $gone, $left) = (org($bea), org($ann, 'enterprise'), org($bea), org($ann));
    $t->member($two, $bea, 'viewer');
    $t->member($left, $bea, 'admin');
    $t->db->do('UPDATE memberships SET is_active = false WHERE user_id = ? AND organization_id = ?', undef, $bea->uuid, $left);
    my @made = map { $t->trace_project($_) } $one, $two, $gone, $left;
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    my $day = 1_780_000_000 - 1_780_000_000 % 86400;
    my @stats = map { $t->db->selectcol_arrayref(q{SELECT column_name::text FROM information_schema.columns WHERE table_name = 'trace_stats' AND is_nullable = 'NO' AND column_default IS NULL AND column_name NOT IN ('tenant_id', 'project_id', 'width', 'bucket', 'trace_count', 'span_count')}) } 1;
    for ([ 86400, $day, 3, 40 ], [ 86400, $day + 86400, 1, 2 ], [ 3600, $day, 3, 40 ]) {
        $t->db->do('INSERT INTO trace_stats (tenant_id, project_id, width, bucket, trace_count, span_count, ' . join(', ', @{ $stats[0] }) . ') VALUES (?, ?, ?, ?, ?, ?' . ', 1' x @{ $stats[0] } . ')',
            undef, $bea->tenant_id, $made[0]->uuid, @$_);
    }
    my $res = $bea->get($base);
    status_is $res, 200;
    my $name = sub ($id) { scalar $t->db->selectrow_array('SELECT name FROM organizations WHERE id = ?', undef, $id) };
    is_deeply $res->json, [
        { id => $made[0]->uuid, name => row($made[0]->uuid)->{name}, api_key => '00000000-0000-0000-0000-000000000000', span_count => 42, trace_count => 4,
            org => { id => $one, name => $name->($one), prem_status => 'free', current_user_role => 'owner' } },
        { id => $made[1]->uuid, name => row($made[1]->uuid)->{name}, api_key => '00000000-0000-0000-0000-000000000000', span_count => 0, trace_count => 0,
            org => { id => $two, name => $name->($two), prem_status => 'enterprise', current_user_role => 'business_user' } },
    ], 'with what was sent to them, one\'s role in each, and a key that cannot be opened as zeros; and none of the Demo Org';
    is_deeply $bea->get("$base/")->json, $res->json, 'with a slash behind it, too';
    is scalar(grep { $_->{api_key} =~ /\A$uuid\z/ } @{ $ann->get($base)->json }), scalar(grep { $_->{api_key} ne '00000000-0000-0000-0000-000000000000' } @{ $ann->last->json }), 'keys that can be are shown';
};

subtest 'the Demo Org\'s is everybody\'s to read' => sub {
    $outside->get($base);
    my ($id) = $t->db->selectrow_array('SELECT id FROM trace_projects WHERE organization_id = ? AND tenant_id = ?', undef, $demo, $outside->tenant_id);
    my $res = $outside->get("$base/$id");
    status_is $res, 200;
    is $res->json('/api_key'), '00000000-0000-0000-0000-000000000000', 'but its key is nobody\'s';
    is "@{ $res->json('/org') }{qw(id prem_status current_user_role current_member_count paid_member_count)}", "$demo pro business_user 1 0", 'and each sees themselves alone';
    error_is $change{$_}->($outside, $id), 403, 'AUTHORIZATION_ERROR', name => "nobody: $_" for sort keys %change;
    error_is $outside->post($base, { name => 'x', org_id => $demo }), 403, 'AUTHORIZATION_ERROR', name => 'nor makes one';
    error_is $theirs->get("$base/$id"), 404, 'NOT_FOUND', name => 'another tenant has its own';
};
