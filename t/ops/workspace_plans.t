# What look-ups and pages of a workspace read: as much in one of a thousand members, teams and notifications as in a small one.  Counted
# are the rows that go through each node of the plans, as the api has them: of the statement, and of those in the functions that it calls (auto_explain).

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Cpanel::JSON::XS 'decode_json';
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $sql     = Ashlar::Queries->load;
{
    local $ENV{DATABASE_OWNER_URL} = $cluster->url($name, 'ashlar');
    is system("$Ashlar::Cluster::BUILD/ashlar seed --workspaces 1000 >/dev/null 2>&1"), 0, 'ashlar seed --workspaces';
}
my $super = $cluster->connect($name);
my $api   = $cluster->connect($name);
$api->do(q{LOAD 'auto_explain'});
$api->do("SET $_") for 'auto_explain.log_min_duration = 0', 'auto_explain.log_analyze = on', 'auto_explain.log_timing = off', 'auto_explain.log_nested_statements = on', 'auto_explain.log_format = json',
    'auto_explain.log_level = notice', 'client_min_messages = notice', 'plan_cache_mode = force_generic_plan', 'jit = off', 'role = ashlar_api';
my @plans;
local $SIG{__WARN__} = sub ($said) {
    push @plans, decode_json($1)->{Plan} if $said =~ /plan:\n(\{.*\})/s;
    warn $said if $said !~ /^NOTICE/;
};
my ($tenant, $workspace) = $super->selectrow_array(q{SELECT tenant_id, id FROM organizations WHERE slug = 'workspace-scale'});
my ($me) = $super->selectrow_array(q{SELECT m.id FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.public_id = 'scale_0' AND m.organization_id = ?}, undef, $workspace);
my ($team) = $super->selectrow_array(q{SELECT id FROM workspace_teams WHERE organization_id = ? AND name = 'Team 7'}, undef, $workspace);
is_deeply $super->selectrow_arrayref('SELECT (SELECT member_count FROM organizations WHERE id = $1), (SELECT count(*) FROM workspace_teams WHERE organization_id = $1), (SELECT count(*) FROM notifications WHERE member_id = $2)', undef, $workspace, $me),
    [ 1000, 100, 10_000 ], 'there are so many';
is $super->selectrow_array(q{SELECT count(*) FROM notification_inboxes i WHERE i.total IS DISTINCT FROM (SELECT coalesce(jsonb_object_agg(k.event_type, k.n), '{}') FROM (SELECT event_type, count(*) AS n FROM notifications x WHERE x.member_id = i.member_id GROUP BY 1) k)
                                OR i.unread IS DISTINCT FROM (SELECT coalesce(jsonb_object_agg(k.event_type, k.n), '{}') FROM (SELECT event_type, count(*) AS n FROM notifications x WHERE x.member_id = i.member_id AND x.read_at IS NULL GROUP BY 1) k)}), 0, '  and are counted';
is $super->selectrow_array(q{SELECT count(*) FROM organizations o WHERE slug LIKE 'workspace-%' AND (owner_count <> 1 OR member_count <> (SELECT count(*) FROM memberships m WHERE m.organization_id = o.id))}), 0, '  each with an owner';

# The most rows that went through one node of a plan, and which one; what was read once and is gone through again counts where it was read.
sub most ($node) {
    my @here = ($node->{'Actual Rows'} + ($node->{'Rows Removed by Filter'} // 0)) * ($node->{'Node Type'} eq 'Materialize' ? 0 : $node->{'Actual Loops'});
    my ($most, $what) = ($here[0], join ' ', grep { defined } @$node{ 'Node Type', 'Relation Name', 'Index Name' });
    for my $below (@{ $node->{Plans} // [] }) {
        my ($n, $of) = most($below);
        ($most, $what) = ($n, $of) if $n > $most;
    }
    return ($most, $what);
}

my $bound = 500;

sub reads ($query, %value) {
    my ($text, @params) = Ashlar::Queries::asked($sql->get($query), \%value);
    $api->begin_work;
    $api->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef,
        'app.tenant_id', $tenant, 'app.organization_id', $workspace, 'app.member_id', $me, 'app.org_role', 'owner');
    # Prepared, so that it is the generic plan: the api's connections have no other.
    $api->do("PREPARE asked AS $text");
    my $with = @params ? '(' . join(', ', map { $api->quote($value{$_}) } @params) . ')' : '';
    @plans = ();
    $api->selectall_arrayref("EXECUTE asked$with");
    my ($most, $what) = (0, '');
    for my $plan (@plans) {
        my ($n, $of) = most($plan);
        ($most, $what) = ($n, $of) if $n > $most;
    }
    ok $most, '  there was a plan' if !$most;
    $api->do('DEALLOCATE asked');
    $api->rollback;
    cmp_ok $most, '<=', $bound, join(' ', $query, map { "$_=" . ($value{$_} =~ s/^([0-9a-f]{8})-.*/$1/r) } sort keys %value) . ": at most $most rows" or diag $what;
    return;
}

reads('workspace_member_get', member_id => $me);
reads('workspace_member_me');
reads('workspace_team_get', team_id => $team);
reads('workspace_team_member_list', team_id => $team);
reads('workspace_team_children', team_id => $team);
reads('workspace_team_list', search => 'team 77');
reads('workspace_member_list', limit => 50, skip => 0, search => 'scale777@');
reads('notification_list', limit => 50, skip => 0);
reads('notification_list', limit => 50, skip => 0, unread_only => 'true');
reads('notification_list', limit => 50, skip => 400);
reads('notification_archive_list', limit => 50, skip => 0);
reads('notification_snooze_list', limit => 50, skip => 0);
reads('notification_unread_count');
reads('notification_counts');
my ($notification) = $super->selectrow_array('SELECT id FROM notifications WHERE member_id = ? AND nr = 501', undef, $me);
reads('notification_read', notification_id => $notification);
reads('notification_read');
reads('notification_put', notification_id => $notification, place => 'archive');
reads('notification_put', notification_id => $notification, place => 'later', until => scalar $super->selectrow_array(q{SELECT now() + interval '1 day'}));

# Among a million of one member's, PostgreSQL takes an index of all of them for as good as the one with the id: so there is none.
is_deeply $super->selectcol_arrayref(q{
    SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i
    WHERE i.indrelid = 'notifications'::regclass AND i.indpred IS NULL AND NOT i.indisprimary
      AND (SELECT array_agg(a.attname ORDER BY k.nr) FROM unnest(i.indkey) WITH ORDINALITY k (att, nr) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att WHERE k.nr <= 3) = '{tenant_id,organization_id,member_id}'}), [],
    'one notification is found by its primary key: no other index has all of a member';

# Activity: twenty thousand in a thousand scopes, of which somebody sees all, half, or (of the newer half) nothing.
$super->do(q{CREATE OR REPLACE FUNCTION activity_scopes(organization uuid, member uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN current_setting('test.scopes')::uuid[]; END $$});
is $super->selectrow_array('SELECT count(*) FROM activities WHERE organization_id = ?', undef, $workspace), 20_000, 'so much has happened';
my ($actor) = $super->selectrow_array(q{SELECT actor_id FROM activities WHERE organization_id = ? AND scope_id = md5('scope 6')::uuid LIMIT 1}, undef, $workspace);
for my $who ([ all => 1 ], [ half => 2 ], [ nothing => 1000 ]) {
    note "who sees $who->[0] of the newer half";
    $api->do(q{SELECT set_config('test.scopes', array_agg(CASE k WHEN 0 THEN '00000000-0000-0000-0000-000000000000' ELSE md5('scope ' || k)::uuid END)::text, false) FROM generate_series(0, 999, ?::integer) k}, undef, $who->[1]);
    $bound = 2000;    # scopes, twice
    my %page = (limit => 20, skip => 0, scope => 'all');
    reads('activity_feed', %page);
    reads('activity_feed', %page, skip => 100);
    reads('activity_feed', %page, types => '{integration}');
    reads('activity_feed', %page, user_ids => "{$actor}");
    reads('activity_feed', %page, user_ids => "{$actor}", types => '{integration}');
    reads('activity_feed', %page, user_ids => "{$me}");
    reads('activity_feed', %page, start_date => '2020-01-01', end_date => '2020-02-01');
    reads('activity_history', %page);
    $bound = 2200;    # sums of thirty days; and a month, which is no more here than the index of what is said
    reads('activity_feed', %page, search => 'number 1000 ');
    reads('activity_feed', %page, search => 'what nobody said');
    reads('activity_stats');
}

$_->disconnect for $super, $api;
$cluster->drop($name);
done_testing;
