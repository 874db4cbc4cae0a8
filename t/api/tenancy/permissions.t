use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# Permissions of a workspace, as owners and admins set them, and as the door has them with the next request.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/permissions';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', dora => 'developer', vera => 'viewer', bea => 'business_user');
my $x = workspace($t, eve => 'owner', mia => 'member');
my ($ann, $adam, $bob, $vera) = @$w{qw(ann adam bob vera)};
sub told () { return scalar grep { $_ eq 'permissions_updated' } @{ $db->selectcol_arrayref(q{SELECT payload ->> 'event_type' FROM realtime_messages WHERE channel = ? AND event = 'workspace_event'}, undef, 'workspace:' . $w->id) } }

# What chapter 5 of the contract says: permission, and who has it by default, in the order owner, admin, member, viewer.
my @table = map { my ($resource, $name, @has) = split; [ $resource, $name, map { $_ eq 'y' ? 1 : 0 } @has ] } grep { /\S/ } split /\n/, <<'END';
workspace can_view_workspace y y y y
workspace can_edit_workspace y y n n
member can_view_member y y y y
member can_create_member y y n n
member can_edit_member y y n n
member can_delete_member y y n n
team can_view_team y y y y
team can_create_team y y n n
team can_edit_team y y n n
team can_delete_team y y n n
action can_view_action y y y y
action can_create_action y y y n
action can_edit_action y y n n
action can_edit_own_action y y y n
action can_delete_action y y n n
action can_delete_own_action y y y n
task can_view_task y y y y
task can_create_task y y y n
task can_edit_task y y n n
task can_edit_own_task y y y n
task can_delete_task y y n n
task can_delete_own_task y y y n
goal can_view_goal y y y y
goal can_create_goal y y y n
goal can_edit_goal y y n n
goal can_edit_own_goal y y y n
goal can_delete_goal y y n n
goal can_delete_own_goal y y y n
document can_view_document y y y y
document can_create_document y y y n
document can_edit_document y y y n
document can_edit_own_document y y y n
document can_delete_document y y n n
document can_delete_own_document y y y n
contact can_view_contact y y y y
contact can_create_contact y y y n
contact can_edit_contact y y y n
contact can_edit_own_contact y y y n
contact can_delete_contact y y n n
contact can_delete_own_contact y y y n
recordset can_view_recordset y y y y
recordset can_create_recordset y y y n
record can_import_record y y y n
record can_export_record y y y n
pipeline can_view_pipeline y y y y
pipeline can_create_pipeline y y y n
pipeline can_edit_pipeline y y y n
pipeline can_delete_pipeline y y n n
map_report can_view_map_report y y y y
map_report can_create_map_report y y y n
meeting can_view_meeting y y y y
meeting can_create_meeting y y y n
artifact can_view_artifact y y y y
artifact can_create_artifact y y y n
artifact can_approve_artifact y y n n
investment can_view_investment y y y y
investment can_manage_investment y y y n
operator can_view_operator y y y y
operator can_manage_operator y y y n
brand can_view_brand y y y y
brand can_edit_brand y y y n
report can_view_report y y y y
report can_generate_report y y y n
course can_view_course y y y y
course can_create_course y y n n
course can_edit_course y y n n
course can_delete_course y y n n
ai can_use_ai y y y n
activity can_view_activity y y y y
activity can_export_activity y y y n
integration can_view_integration y y y n
integration can_manage_integration y y n n
webhook can_view_webhook y y n n
webhook can_manage_webhook y y n n
api_key can_view_api_key y y n n
api_key can_manage_api_key y y n n
module can_view_module y y y y
module can_manage_module y y n n
billing can_view_billing y y n n
billing can_manage_billing y y n n
END
my @roles = qw(owner admin member viewer);
my %default = map { my $nr = $_; $roles[$nr] => { map { $_->[1] => $_->[ 2 + $nr ] ? true : false } @table } } 0 .. 3;

subtest 'what there is' => sub {
    is scalar @table, 80, 'eighty names';
    my $catalogue = '/work/shared/catalogue/workspace-1.md';
    if (open my $in, '<', $catalogue) {    # where the contract is at hand, the table above is its
        my @theirs = map { /^\| (\w+) \| `(can_\w+)` \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|/ ? [ $1, $2, map { $_ eq 'yes' ? 1 : 0 } $3, $4, $5, $6 ] : () } <$in>;
        close $in or die "$catalogue: $!\n";
        is_deeply \@table, \@theirs, '  as the contract has them';
    }
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    my $all = $vera->get($base);
    json_is $all, '/total', 80;
    is_deeply [ map { my $p = $_; [ @$p{qw(resource name)}, map { my $role = $_; (grep { $_ eq $role } @{ $p->{default_roles} }) ? 1 : 0 } @roles ] } @{ $all->json('/permissions') } ], \@table, 'each with who has it';
    json_is $all, '/permissions/25', { name => 'can_edit_own_goal', resource => 'goal', action => 'edit_own', label => 'Edit own goals', description => 'May edit goals that are their own', default_roles => [qw(owner admin member)] };
    json_is $vera->get($base, query => { resource => 'goal' }), '/total', 6;
    json_is $vera->get($base, query => { resource => 'nothing' }), '', { permissions => [], total => 0 }, 'of what there is not, none';
    my $groups = $vera->get("$base/grouped")->json('/groups');
    is join(' ', map { $_->{resource} } @$groups), join(' ', do { my %seen; grep { !$seen{$_}++ } map { $_->[0] } @table }), 'grouped, in the same order';
    is_deeply [ map { @{ $_->{permissions} } } @$groups ], $all->json('/permissions'), '  all of them';
    is((grep { $_->{resource} eq 'action' } @$groups)[0]{label}, 'Channels');
    json_is $ann->post("$base/seed"), '', { created => 0, existing => 80, total => 80 }, 'they are there with the workspace';
    error_is $bob->post("$base/seed"), 403, 'AUTHORIZATION_ERROR';
};

subtest 'what one may' => sub {
    my %shown = (ann => 'owner', adam => 'admin', bob => 'member', dora => 'member', vera => 'viewer', bea => 'viewer');
    for my $name (sort keys %shown) {
        my $role = $shown{$name};
        my @has = map { $_->[1] } grep { $default{$role}{ $_->[1] } } @table;
        json_is $w->{$name}->get("$base/me"), '', { member_id => $w->member_id($name), role => $role, permissions => \@has, permission_map => $default{$role} }, $name;
        json_is $w->{$name}->get("$base/check/can_create_goal"), '', { permission => 'can_create_goal', has_permission => $default{$role}{can_create_goal}, role => $role };
    }
    json_is $bob->get("$base/check/can_edit_goal"), '/has_permission', false, 'the name alone is asked';
    error_is $bob->get("$base/check/$_"), 404, 'NOT_FOUND', name => "there is no $_" for qw(can_fly WORKSPACE_ADMIN ORG_READ);
    json_is $ann->get("$base/roles"), '', \%default;
    for my $who ($bob, $vera) {
        error_is $who->get("$base/roles"), 403, 'AUTHORIZATION_ERROR', name => 'of all roles for owners and admins';
        error_is $who->get("$base/roles/admin"), 403, 'AUTHORIZATION_ERROR';
    }
    json_is $bob->get("$base/roles/member"), '', { role => 'member', permissions => $default{member}, overrides => {}, is_default => true, editable => true }, 'of one\'s own, all';
    json_is $w->{dora}->get("$base/roles/member"), '/role', 'member';
    json_is $adam->get("$base/roles/owner"), '/editable', false;
    error_is $ann->get("$base/roles/$_"), 404, 'NOT_FOUND', name => "there is no role $_ here" for qw(boss developer business_user);
};

subtest 'what a workspace sets' => sub {
    for my $who ($bob, $vera) {
        error_is $who->put("$base/roles/viewer", { permissions => { can_use_ai => true } }), 403, 'AUTHORIZATION_ERROR';
        error_is $who->put("$base/roles/viewer/permission", { permission => 'can_use_ai', allowed => true }), 403, 'AUTHORIZATION_ERROR';
        error_is $who->post("$base/roles/viewer/reset"), 403, 'AUTHORIZATION_ERROR';
    }
    error_is $ann->put("$base/roles/owner", { permissions => { can_use_ai => true } }), 403, 'AUTHORIZATION_ERROR', name => 'nobody takes from an owner';
    error_is $ann->put("$base/roles/owner/permission", { permission => 'can_use_ai', allowed => false }), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->put("$base/roles/boss", { permissions => {} }), 404, 'NOT_FOUND';
    error_is $ann->put("$base/roles/viewer", $_), 422, 'VALIDATION_ERROR' for {}, { permissions => [] }, { permissions => { can_use_ai => 'yes' } }, { permissions => { can_use_ai => undef } },
        { permissions => { can_fly => true } }, { permissions => { can_use_ai => true, WORKSPACE_ADMIN => true } };
    error_is $ann->put("$base/roles/viewer/permission", $_), 422, 'VALIDATION_ERROR' for {}, { permission => 'can_use_ai' }, { permission => 'can_fly', allowed => true }, { permission => 'can_use_ai', allowed => 1 };
    json_is $ann->get("$base/roles/viewer"), '/is_default', true, 'all or nothing';

    my $goals = '/api/v1/goals';
    error_is $vera->post($goals, { title => 'x' }), 403, 'AUTHORIZATION_ERROR';
    my %is = (role => 'viewer', permissions => { %{ $default{viewer} }, can_create_goal => true, can_view_team => false }, overrides => { can_create_goal => true, can_view_team => false }, is_default => false, editable => true);
    json_is $adam->put("$base/roles/viewer", { permissions => { can_create_goal => true, can_view_team => false } }), '', \%is, 'an admin may';
    json_is $ann->get("$base/roles/viewer"), '', \%is;
    status_is $vera->post($goals, { title => 'x' }), 201, 'it holds from the next request on';
    status_is $w->{bea}->post($goals, { title => 'x' }), 201, '  also for who reads as that role';
    error_is $vera->get('/api/v1/teams'), 403, 'AUTHORIZATION_ERROR', name => '  what is taken, too';
    json_is $vera->get("$base/check/can_create_goal"), '/has_permission', true;
    status_is $bob->get('/api/v1/teams'), 200, 'and for no other role';
    json_is $x->{mia}->get("$base/me"), '/permission_map', $default{member}, 'nor in another workspace';
    json_is $ann->put("$base/roles/viewer/permission", { permission => 'can_view_team', allowed => true }), '/overrides', { can_create_goal => true, can_view_team => true }, 'one by one; what is not sent stays';
    json_is $ann->put("$base/roles/admin/permission", { permission => 'can_edit_workspace', allowed => false }), '/permissions/can_edit_workspace', false, 'admins\' own, too';
    status_is $adam->get("$base/roles"), 200, 'what the role itself may nobody takes away';
    json_is $adam->post("$base/roles/viewer/reset"), '', { role => 'viewer', permissions => $default{viewer}, overrides => {}, is_default => true, editable => true };
    error_is $vera->post($goals, { title => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'and it is as by default';
    json_is $ann->get("$base/roles/admin"), '/is_default', false, 'another role\'s stay';
    json_is $ann->post("$base/roles/owner/reset"), '/is_default', true, 'an owner has nothing to forget';
    is join(' ', @{ $db->selectcol_arrayref(q{SELECT action || ' ' || resource_id FROM audit_events WHERE resource_type = 'role' ORDER BY seq}) }),
        'permissions.update viewer permissions.update viewer permissions.update admin permissions.reset viewer permissions.reset owner', 'each is put down';
    is told(), 5, 'and everybody who is connected is told';
};

# Ten thousand exceptions at random, of all names and the roles that may have some: what is said of a role, and what the door decides.
subtest 'exceptions at random' => sub {
    my $seed = $ENV{SEED} // time;
    srand $seed;
    my %as = (admin => 'adam', member => 'bob', viewer => 'vera');
    my ($wrong, $count) = (0, 0);
    # What the door decides: who may gets as far as what is wrong with it.
    my $none  = '00000000-0000-7000-8000-00000000dead';
    my @asked = (
        [ can_view_team    => 200, GET => '/api/v1/teams' ], [ can_create_team    => 422, POST => '/api/v1/teams',    {} ], [ can_delete_team => 404, DELETE => "/api/v1/teams/$none" ],
        [ can_view_goal    => 200, GET => '/api/v1/goals' ], [ can_create_goal    => 422, POST => '/api/v1/goals',    {} ],
        [ can_view_webhook => 200, GET => '/api/v1/webhooks' ], [ can_manage_webhook => 422, POST => '/api/v1/webhooks', {} ],
    );
    for my $round (1 .. 1000) {
        last if $count >= 10_000;
        my %set;
        $db->do('DELETE FROM role_permissions WHERE organization_id = ?', undef, $w->id);
        for my $role (sort keys %as) {
            my %some = map { $_->[1] => rand() < 0.5 ? true : false } grep { rand() < 0.99 } @table;
            $count += %some;
            status_is($ann->put("$base/roles/$role", { permissions => \%some }), 200) if $round == 1;
            $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted)
                      SELECT ?, ?, ?, key, value::boolean FROM jsonb_each_text(?) ON CONFLICT DO NOTHING}, undef, $ann->tenant_id, $w->id, $role, Cpanel::JSON::XS::encode_json(\%some));
            $set{$role} = { %{ $default{$role} }, %some };
        }
        my $all = $ann->get("$base/roles")->json;
        for my $role (sort keys %as) {
            $wrong++ if grep { !!$all->{$role}{$_} ne !!$set{$role}{$_} } keys %{ $default{owner} };
            my $mine = $w->{ $as{$role} }->get("$base/me")->json('/permission_map');
            $wrong++ if grep { !!$mine->{$_} ne !!$set{$role}{$_} } keys %{ $default{owner} };
            for (@asked) {
                my ($permission, $status, $method, $path, $body) = @$_;
                $wrong++ if $w->{ $as{$role} }->request($method, $path, $body ? (json => $body) : ())->status != ($set{$role}{$permission} ? $status : 403);
            }
        }
        $wrong++ if grep { !$_ } values %{ $all->{owner} };
    }
    cmp_ok $count, '>=', 10_000, "exceptions (SEED=$seed)";
    is $wrong, 0, '  all as they were set';
};

subtest 'why somebody may' => sub {
    my $y    = workspace($t, yuri => 'owner', otto => 'admin', mia => 'member', dan => 'developer', vik => 'viewer');
    my $why  = sub ($who, $permission, $of = undef) { $who->get("$base/explain", query => { permission => $permission, $of ? (member_id => $y->member_id($of)) : () }) };
    my $said = sub ($res) { join ' ', map { $_ // '-' } map { ref ? ($_ ? 'yes' : 'no') : $_ } @{ $res->json }{qw(role has_permission reason default setting wider is_allowed)} };
    is $said->($why->($y->{yuri}, 'can_delete_goal')), 'owner yes owner yes - - yes', 'an owner has all';
    is $said->($why->($y->{otto}, 'can_delete_goal')), 'admin yes default yes - - yes', 'an admin by default';
    is $said->($why->($y->{mia}, 'can_delete_goal')), 'member no default no - - no', 'a member not';
    is $said->($why->($y->{mia}, 'can_delete_own_goal')), 'member yes default yes - - yes', 'but what is their own';
    is $said->($why->($y->{otto}, 'can_delete_own_goal')), 'admin yes default yes - can_delete_goal yes', 'who may all may their own, by two ways';
    my $set = sub ($role, $name, $allowed) { status_is $y->{yuri}->put("$base/roles/$role/permission", { permission => $name, allowed => $allowed }), 200 };
    $set->(member => can_delete_goal => true);
    $set->(member => can_delete_own_goal => false);
    is $said->($why->($y->{mia}, 'can_delete_goal')), 'member yes setting no yes - yes', 'what the workspace sets counts';
    json_is $y->{mia}->last, '/set_at', qr/\A20/, '  since when';
    is $said->($why->($y->{mia}, 'can_delete_own_goal')), 'member no setting yes no can_delete_goal yes', 'what is taken may be had by the wider one';
    is $said->($why->($y->{dan}, 'can_delete_goal')), 'member yes setting no yes - yes', 'a developer is a member here';
    is $said->($why->($y->{otto}, 'can_delete_goal', 'mia')), 'member yes setting no yes - yes', 'owners and admins ask of others';
    for my $who (qw(yuri otto mia dan vik)) {
        for my $name (qw(can_delete_goal can_delete_own_goal can_create_team can_view_api_key)) {
            my $res = $why->($y->{yuri}, $name, $who);
            is $res->json('/has_permission'), $y->{$who}->get("$base/check/$name")->json('/has_permission'), "$who, $name: as the check says";
        }
    }
    error_is $why->($y->{mia}, 'can_delete_goal', 'dan'), 403, 'AUTHORIZATION_ERROR', name => 'others do not';
    error_is $y->{yuri}->get("$base/explain", query => { permission => 'can_delete_goal', member_id => $w->member_id('ann') }), 404, 'NOT_FOUND', name => 'of another workspace';
    error_is $why->($y->{yuri}, $_), 404, 'NOT_FOUND', name => "no permission: $_" for 'can_fly', 'ORG_READ', 'WORKSPACE_ADMIN', 'ADMIN_OR_CAN_MANAGE_API_KEY';
    error_is $y->{yuri}->get("$base/explain"), 422, 'VALIDATION_ERROR', field => 'permission';
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $y->member_id('mia'));
    is $said->($why->($y->{yuri}, 'can_delete_goal', 'mia')), 'member no inactive no yes - no', 'who is not active may nothing';
};
