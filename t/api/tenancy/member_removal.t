use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# How members go: what they own, who takes it over, and whose account a workspace may end.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/members';
my $none = '00000000-0000-7000-8000-00000000dead';

sub of ($w, $name) { return "$base/" . $w->member_id($name) }
sub there ($w, $name) { return scalar $db->selectrow_array('SELECT is_active::int FROM memberships WHERE id = ?', undef, $w->member_id($name)) // 'gone' }
sub account ($who) { return scalar $db->selectrow_array('SELECT (deleted_at IS NULL)::int FROM users WHERE id = ?', undef, $who->uuid) }
sub audited ($who) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? AND resource_type IN ('member', 'user') ORDER BY seq}, undef, $who->id) } }

sub owner_of ($w, $goal) { my ($is) = grep { $_->{id} eq $goal } @{ $w->{ann}->get('/api/v1/goals')->json('/items') // $w->{ann}->get('/api/v1/goals')->json('/goals') }; return $is ? $is->{owner_id} // 'nobody' : 'no goal' }

# The workspace has made the account, and nobody has proved whose it is.
sub made_by ($w, $who) {
    $db->do('INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (?, ?, ?)', undef, $who->tenant_id, $who->uuid, $w->id);
    return;
}

subtest 'what a member owns, and who takes it over' => sub {
    my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer');
    my $x = workspace($t, eve => 'owner');
    my @no = map { $_ => 0 } qw(actions tasks goals records recordsets documents record_tasks teams_led);
    my $goal = $w->{ann}->post('/api/v1/goals', { title => 'Ferry', owner_id => $w->member_id('bob'),
        key_results => [ { title => 'Hulls', target_value => 3, owner_id => $w->member_id('bob') } ] });
    status_is $goal, 201;
    my $team = $w->{ann}->post('/api/v1/teams', { name => 'Riggers', lead_member_id => $w->member_id('bob') })->json('/id');
    my $owned = $w->{adam}->get(of($w, 'bob') . '/owned-items');
    json_is $owned, '/totals', { @no, goals => 2, teams_led => 1, total => 3 };
    json_is $owned, '/items/teams_led', [ { id => $team, type => 'team', title => 'Riggers', relation => 'lead', status => 'active', url => "/teams/$team" } ];
    json_is $owned, '/items/goals/0', { id => $goal->json('/id'), type => 'goal', title => 'Ferry', relation => 'owner', status => 'on-track', url => '/goals/' . $goal->json('/id') };
    is join(' ', map { "$_->{type}:$_->{relation}" } @{ $owned->json('/items/goals') }), 'goal:owner key_result:assignee';
    status_is $w->{bob}->get(of($w, 'bob') . '/owned-items'), 200, 'one\'s own';
    error_is $w->{carl}->get(of($w, 'bob') . '/owned-items'), 403, 'AUTHORIZATION_ERROR', name => 'no member another\'s';
    error_is $w->{ann}->get("$base/$_/owned-items"), 404, 'NOT_FOUND' for $none, $x->member_id('eve');

    my $to = sub ($name, %with) { $w->{ann}->post(of($w, 'bob') . '/reassign', { to_member_id => $w->member_id($name), %with }) };
    for my $who (qw(bob carl vera)) {
        error_is $w->{$who}->post(of($w, 'bob') . '/reassign', { to_member_id => $w->member_id('carl') }), 403, 'AUTHORIZATION_ERROR', name => "not by $who";
    }
    error_is $to->('bob'), 400, 'BAD_REQUEST', field => 'to_member_id', name => 'not to oneself';
    error_is $w->{ann}->post(of($w, 'bob') . '/reassign', { to_member_id => $_ }), 404, 'NOT_FOUND', name => 'nor to nobody here' for $none, $x->member_id('eve');
    error_is $w->{ann}->post("$base/$none/reassign", { to_member_id => $w->member_id('carl') }), 404, 'NOT_FOUND';
    error_is $w->{ann}->post(of($w, 'bob') . '/reassign', $_), 422, 'VALIDATION_ERROR' for {}, { to_member_id => $none, item_types => ['boats'] };
    status_is $w->{ann}->put(of($w, 'vera'), { is_active => false }), 200;
    error_is $to->('vera'), 400, 'BAD_REQUEST', field => 'to_member_id', name => 'nor to who is not active';
    json_is $to->('carl', item_types => [ 'teams_led', 'records' ]), '', { from_member_id => $w->member_id('bob'), to_member_id => $w->member_id('carl'), reassigned => { @no, teams_led => 1 }, total => 1 };
    json_is $w->{ann}->get("/api/v1/teams/$team"), '/lead_member_id', $w->member_id('carl'), 'some kinds';
    json_is $to->('carl'), '/reassigned', { @no, goals => 2 }, 'or all that is left';
    json_is $to->('carl'), '/total', 0, 'twice is once';
    is owner_of($w, $goal->json('/id')), $w->member_id('carl');
    json_is $w->{ann}->get(of($w, 'carl') . '/owned-items'), '/totals/total', 3;

    # It is one act, and is told as one, however many there are.
    my $ann  = $w->{ann};
    my ($dora, $hal) = map { my $u = $t->user($_, columns => { full_name => ucfirst }); $t->member($w->id, $u, 'member'); $w->{$_} = $u; $w->member_id($_) } qw(dora hal);
    $ann->post('/api/v1/goals', { title => "Goal $_", owner_id => $dora }) for 1 .. 3;
    my @teams = map { $ann->post('/api/v1/teams', { name => "Crew $_", lead_member_id => $dora })->json('/id') } 1, 2;
    my $set   = $ann->post('/api/v1/recordsets', { name => 'Boats' })->json('/id');
    $ann->post('/api/v1/records', { recordset_id => $set, owner_id => $dora }) for 1 .. 4;
    my $told = sub ($member) { join ' | ', map { "$_->{event_type}: $_->{message} ($_->{count})" } @{ $db->selectall_arrayref('SELECT event_type, message, count FROM notifications WHERE member_id = ? ORDER BY event_type, nr', { Slice => {} }, $member) } };
    my $news = sub { $db->selectrow_array('SELECT count(*) FROM activities WHERE organization_id = ?', undef, $w->id) };
    my ($before, $changed) = ($news->(), $db->selectrow_array('SELECT coalesce(max(id), 0) FROM realtime_messages'));
    json_is $ann->post(of($w, 'dora') . '/reassign', { to_member_id => $hal }), '/reassigned', { @no, goals => 3, records => 4, teams_led => 2 };
    is $told->($hal), 'goal_assigned: 3 goals (0 %) (1) | record_assigned: 4 records (1) | team_added: 2 teams (1)', 'whose they are now is told once of a kind';
    is $news->() - $before, 1, 'it is one activity';
    is $db->selectrow_array(q{SELECT description FROM activities WHERE organization_id = ? AND event = 'user.work_reassigned' AND entity_id = ?}, undef, $w->id, $dora), 'Work of Dora given to Hal: 9';
    is scalar @{ $db->selectcol_arrayref(q{SELECT DISTINCT payload #>> '{data,team_id}' FROM realtime_messages WHERE id > ? AND payload ->> 'event_type' = 'teams_updated'}, undef, $changed) }, 2, 'open pages read the teams anew';
    my $lone = $ann->post('/api/v1/goals', { title => 'Lone', owner_id => $dora })->json('/id');
    json_is $ann->post(of($w, 'dora') . '/reassign', { to_member_id => $hal }), '/total', 1;
    is $db->selectrow_array(q{SELECT entity_id || ' ' || message FROM notifications WHERE member_id = ? ORDER BY nr DESC LIMIT 1}, undef, $hal), "$lone Lone (0 %)", 'one that is alone is named';
    $before = $news->();
    json_is $ann->post(of($w, 'dora') . '/reassign', { to_member_id => $hal }), '/total', 0;
    is $news->(), $before, 'nothing is told of nothing';

    # What refers to a member, and is neither handed over nor listed here, is new: who takes it over?
    my %needs_none = map { $_ => 1 } qw(
        comments.author_id goal_updates.member_id goals.created_by member_profiles.member_id membership_ends.member_id module_settings.updated_by_id
        notification_deliveries.member_id notification_preferences.member_id notifications.actor_id notifications.member_id
        ownership_offers.from_member_id ownership_offers.to_member_id pipelines.created_by_id record_attachments.uploaded_by_id record_runs.member_id record_uploads.member_id record_relationships.created_by_id recordset_grants.granted_by_id
        recordset_grants.member_id recordset_views.created_by_id recordsets.created_by_id recordsets.trashed_by_id webhook_endpoints.created_by
        record_interactions.created_by_id tasks.completed_by_id tasks.created_by_id
        workspace_team_members.member_id workspace_teams.created_by_id
    );
    my %known = map { $_ => 1 } @{ $db->selectcol_arrayref(q{SELECT tbl || '.' || col FROM owned_tables()}) };
    my $refer = $db->selectcol_arrayref(<<~'END');
        SELECT c.conrelid::regclass || '.' || a.attname
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[cardinality(c.conkey)]
        WHERE c.contype = 'f' AND c.confrelid = 'memberships'::regclass
        ORDER BY 1
        END
    $needs_none{$_} = 1 for qw(api_keys.made_by api_keys.revoked_by);
    # A team's lead is a member of the team, and so of the workspace; and records have no foreign keys (0102_records.sql).
    is join(' ', grep { !$known{$_} && !$needs_none{$_} && !/\Anotif/ } @$refer), '', 'whatever names a member is in owned_tables(), or needs no owner';
    ok !(grep { my $k = $_; $k !~ /\A(?:workspace_teams\.lead_member_id|records\.owner_id)\z/ && !grep { $_ eq $k } @$refer } keys %known), 'and what is there names one';
};

subtest 'a member is removed' => sub {
    my $w = workspace($t, ann => 'owner', otto => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer', dora => 'member');
    my $x = workspace($t, eve => 'owner');
    error_is $w->{$_}->delete(of($w, 'bob')), 403, 'AUTHORIZATION_ERROR', name => "not by $_" for qw(bob carl vera);
    error_is $w->{adam}->delete(of($w, 'ann')), 403, 'AUTHORIZATION_ERROR', name => 'an admin no owner';
    error_is $w->{adam}->delete(of($w, 'adam')), 400, 'BAD_REQUEST', name => 'nobody themself';
    error_is $w->{ann}->delete("$base/$_"), 404, 'NOT_FOUND' for $none, $x->member_id('eve');
    error_is $w->{ann}->delete(of($w, 'bob') . '?remove_workspace_member=perhaps'), 422, 'VALIDATION_ERROR', field => 'remove_workspace_member';
    my $goal = $w->{bob}->post('/api/v1/goals', { title => 'x', owner_id => $w->member_id('bob') })->json('/id');
    is owner_of($w, $goal), $w->member_id('bob');

    status_is $w->{adam}->delete(of($w, 'carl') . '?remove_workspace_member=false'), 204;
    is there($w, 'carl'), 0, 'the membership may stay, switched off';
    error_is $w->{carl}->get("$base/me"), 403, 'AUTHORIZATION_ERROR';
    json_is $w->{ann}->put(of($w, 'carl'), { is_active => true }), '/is_active', true, '  so that they can come back';
    status_is $w->{adam}->delete(of($w, 'bob')), 204;
    is there($w, 'bob'), 'gone';
    is account($w->{bob}), 1, 'the account stays';
    error_is $w->{bob}->get("$base/me"), 403, 'AUTHORIZATION_ERROR', name => '  and is nobody here, at once';
    is owner_of($w, $goal), 'nobody', 'what they made stays, and is nobody\'s';
    error_is $w->{adam}->delete(of($w, 'bob')), 404, 'NOT_FOUND', name => 'once';
    is audited($w->{bob}), 'member.remove';
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'member', 'can_delete_member', true)}, undef, $w->{ann}->tenant_id, $w->id);
    status_is $w->{dora}->delete(of($w, 'vera')), 204, 'a workspace may let others';
    error_is $w->{dora}->delete(of($w, 'adam')), 403, 'AUTHORIZATION_ERROR', name => '  but not over who has a higher role';
    status_is $w->{ann}->delete(of($w, 'otto')), 204, 'an owner another one';
    is $db->selectrow_array('SELECT owner_count FROM organizations WHERE id = ?', undef, $w->id), 1;
};

subtest 'by the path of the workspace, and by leaving' => sub {
    my $w    = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member');
    my $at   = sub ($name) { '/api/v1/workspaces/' . $w->id . '/members/' . $w->member_id($name) };
    my $eve  = $t->user('eve-outside');
    error_is $w->{bob}->delete($at->('carl')), 403, 'AUTHORIZATION_ERROR';
    error_is $eve->delete($at->('carl')), 403, 'AUTHORIZATION_ERROR';
    error_is $w->{ann}->delete("/api/v1/workspaces/$none/members/" . $w->member_id('carl')), 404, 'NOT_FOUND';
    error_is $w->{ann}->delete('/api/v1/workspaces/' . $w->id . "/members/$none"), 404, 'NOT_FOUND';
    error_is $w->{adam}->delete($at->('ann')), 403, 'AUTHORIZATION_ERROR', name => 'an admin no owner';
    error_is $w->{ann}->delete($at->('ann')), 400, 'BAD_REQUEST', message => qr/last owner/, name => 'the last owner stays';
    is there($w, 'ann'), 1, '  and is there';
    json_is $w->{ann}->delete($at->('carl')), '', { message => qr/removed/, member_id => $w->member_id('carl'), outcome => 'member_removed', user_deleted => false },
        'the account is its user\'s, though this was the only workspace';
    is account($w->{carl}), 1;
    json_is $w->{adam}->delete($at->('adam')), '/outcome', 'member_removed', 'an admin may leave';
    made_by($w, $w->{bob});
    json_is $w->{ann}->delete($at->('bob')), '', { message => qr/gone/, member_id => $w->member_id('bob'), outcome => 'user_deleted', user_deleted => true }, 'what the workspace has made ends with it';
    is account($w->{bob}), 0;
    error_is $w->{bob}->get('/api/v1/workspaces'), 401, 'AUTHENTICATION_ERROR', name => '  and its sessions';
    is audited($w->{bob}), 'member.remove user.delete';
};

# An administrator of one workspace never gets somebody's account.
subtest 'whose account a workspace may end' => sub {
    my %why = (
        'others have made it'            => sub ($w, $who) { $db->do('DELETE FROM account_makers WHERE user_id = ?', undef, $who->uuid); 403 },
        'another workspace has made it'  => sub ($w, $who) { $db->do('UPDATE account_makers SET organization_id = ? WHERE user_id = ?', undef, $t->organization($t->user("maker-of-$$-" . $who->id)), $who->uuid); 403 },
        'its address is proved'          => sub ($w, $who) { $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $who->uuid); 403 },
        'it comes from another issuer'   => sub ($w, $who) { $db->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://x.example', ?, ?)}, undef, $who->tenant_id, $who->id, $who->uuid); 403 },
        'it administers the tenant'      => sub ($w, $who) { $db->do(q{UPDATE users SET role = 'admin' WHERE id = ?}, undef, $who->uuid); 409 },
        'it has another workspace'       => sub ($w, $who) { $t->organization($who); 400 },
        'it has a project'               => sub ($w, $who) { $db->do(q{INSERT INTO projects (tenant_id, owner_id, name) VALUES (?, ?, 'x')}, undef, $who->tenant_id, $who->uuid); 409 },
    );
    my $w = workspace($t, ann => 'owner', adam => 'admin', map { ("u$_" => 'member') } 0 .. 9);
    my $n = 0;
    for my $why (sort keys %why) {
        my $name = 'u' . $n++;
        made_by($w, $w->{$name});
        json_is $w->{adam}->get(of($w, $name) . '/deletion-info'), '', { member_id => $w->member_id($name), user_id => $w->{$name}->uuid, workspace_count => 1, can_delete_user => true };
        my $status = $why{$why}->($w, $w->{$name});
        json_is $w->{adam}->get(of($w, $name) . '/deletion-info'), '/can_delete_user', false, "not where $why";
        is $w->{adam}->delete(of($w, $name) . '/permanent')->status, $status, "  it is refused with $status";
        is there($w, $name), 1, '  and the member is there';
        json_is $w->{ann}->delete('/api/v1/workspaces/' . $w->id . '/members/' . $w->member_id($name)), '/user_deleted', false, '  removed they may be, the account stays';
        is account($w->{$name}), 1;
    }
    my $last = "u$n";
    for my $who ($last, 'u9') {
        error_is $w->{$who}->get(of($w, $last) . '/deletion-info'), 403, 'AUTHORIZATION_ERROR', name => 'for owners and admins';
        error_is $w->{$who}->delete(of($w, $last) . '/permanent'), 403, 'AUTHORIZATION_ERROR';
    }
    error_is $w->{ann}->get("$base/$none/deletion-info"), 404, 'NOT_FOUND';
    error_is $w->{ann}->delete("$base/$none/permanent"), 404, 'NOT_FOUND';
    error_is $w->{ann}->delete(of($w, 'ann') . '/permanent'), 400, 'BAD_REQUEST', name => 'nobody themself';
    made_by($w, $w->{$last});
    status_is $w->{adam}->delete(of($w, $last) . '/permanent'), 204;
    is join(' ', there($w, $last), account($w->{$last})), 'gone 0', 'what the workspace has made, and nobody has proved, it ends';
    is $db->selectrow_array('SELECT concat_ws(\'|\', email, full_name, password_hash) FROM users WHERE id = ?', undef, $w->{$last}->uuid), '', '  and nothing of the person stays in it';
};
