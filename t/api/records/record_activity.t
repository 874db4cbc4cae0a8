use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# What the activity feed says of records and recordsets and to whom; and records of members who go.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $feed = '/api/v1/activity/feed';
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer');
my ($ann, $bob, $carl, $vera) = @$w{qw(ann bob carl vera)};
my $set = $bob->post($sets, { name => 'Soundings', schema => { fields => [ { key => 'place', type => 'text' } ] } })->json('/id');

sub happened ($who = $bob, %query) { return @{ $who->get($feed, query => { types => 'record', limit => 100, %query })->json('/activities') } }
sub events (@arg) { return join ' ', map { $_->{event} =~ s/record\.//r } happened(@arg) }
sub made ($place, %with) { return $bob->post($base, { recordset_id => $set, field_values => { place => $place }, %with })->json('/id') }

subtest 'what happens to a record is told to who may see its recordset' => sub {
    is events(), 'recordset_created', 'a recordset is made';
    my $id = made('Mole');
    status_is $bob->put("$base/$id", { field_values => { place => 'Pier' } }), 200;
    status_is $ann->put("$base/$id", { field_values => { place => 'Pier' } }), 200, 'what changes nothing';
    my ($first) = map { $_->{id} } grep { $_->{version} == 1 } @{ $bob->get("$base/$id/history")->json };
    status_is $ann->post("$base/$id/history/$first/restore"), 200;
    status_is $bob->delete("$base/$id"), 204;
    is events(), 'deleted restored updated created recordset_created', 'each once, the newest first';
    my @got = happened();
    is_deeply [ @{ $got[1] }{qw(type description entity_type entity_id entity_name link metadata)} ],
        [ 'record', 'Record restored: Mole', 'record', $id, 'Mole', "/records/$id", { recordset_id => $set, version => 3 } ], 'what it says';
    is_deeply [ map { $_->{actor}{id} } @got[ 0, 1 ] ], [ map { $w->member_id($_) } qw(bob ann) ], 'and by whom';
    is $got[0]{link}, undef, 'what is deleted has no page';
    is_deeply [ @{ $got[4] }{qw(description entity_type entity_id link)} ], [ 'Recordset created: Soundings', 'recordset', $set, "/recordsets/$set" ];
    is events($ann), events(), 'owners and admins of the workspace see it';
    is events($carl), '', 'who may not see the recordset does not';
    is events($carl, search => 'Mole'), '', 'nor by a search';
    is events($carl, user_ids => $w->member_id('bob')), '', 'nor by whose act it was';
    is $carl->get('/api/v1/activity/stats')->json('/by_type/record'), 0, 'nor by a number';
    is $bob->get('/api/v1/activity/stats')->json('/by_type/record'), 5;
    my $team = $ann->post('/api/v1/teams', { name => 'Crew', member_ids => [ $w->member_id('carl') ] })->json('/id');
    status_is $bob->post("$sets/$set/access", { team_id => $team, can_view => true }), 201;
    is events($carl), events(), 'who is let in sees what was';
    status_is $bob->delete("$sets/$set/access/teams/$team"), 204;
    is events($carl), '', 'until they are not';
};

subtest 'many at once are one' => sub {
    my $before = () = happened();
    my @ids = map { made("p$_") } 1 .. 3;
    status_is $bob->post("$base/bulk-delete", { record_ids => [ @ids[ 0, 1 ] ] }), 200;
    my ($last) = happened();
    is_deeply [ @$last{qw(event description entity_type entity_id)}, $last->{metadata}{count} ], [ 'record.bulk_deleted', 'Records deleted from Soundings: 2', 'recordset', $set, 2 ];
    made("q$_") for 1 .. 4;
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), 200;
    ($last) = happened();
    is_deeply [ $last->{event}, $last->{metadata}{count} ], [ 'record.bulk_deleted', 5 ];
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), 200;
    is scalar(my @now = happened()), $before + 3 + 1 + 4 + 1, 'where there was none, nothing happened';
    is $db->selectrow_array(q{SELECT count(*) FROM (SELECT scope_id, type, sum(count) FROM activity_days WHERE day = '-infinity' GROUP BY 1, 2
                              EXCEPT SELECT scope_id, type, count(*)::numeric FROM activities GROUP BY 1, 2) x}), 0, 'the sums are what there is';
};

subtest 'the trash' => sub {
    status_is $bob->delete("$sets/$set"), 204;
    is((split / /, events())[0], 'recordset_trashed', 'who may see it still reads what became of it');
    is events($carl), '';
    status_is $ann->post("$sets/trash/$set/restore"), 200;
    is((split / /, events())[0], 'recordset_restored');
    my $gone = $bob->post($sets, { name => 'Gone' })->json('/id');
    status_is $bob->delete("/api/v1/crud/recordsets/$gone"), 204;
    is scalar(grep { $_->{entity_id} eq $gone } happened($ann)), 0, 'of one that is gone for good nothing is told';
};

subtest 'what a member owns' => sub {
    my $of   = "/api/v1/members/" . $w->member_id('bob');
    my @ids  = (made('One'), made('Two', status => 'draft'), made('Three', owner_id => $w->member_id('carl')), $bob->post($base, { recordset_id => $set })->json('/id'));
    my $gone = made('Gone');
    status_is $bob->delete("$base/$gone"), 204;
    my $other = $bob->post($sets, { name => 'Empty' })->json('/id');
    $bob->post($base, { recordset_id => $other, title => 'hidden' }) for 1 .. 2;
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $other }), 200;
    my $owned = $ann->get("$of/owned-items");
    is $owned->json('/totals/records'), 3, 'records that are there';
    is $owned->json('/totals/recordsets'), 2;
    is $owned->json('/totals/total'), 5;
    json_is $owned, '/items/records', [
        { id => $ids[3], type => 'record', title => '',    relation => 'owner', status => 'active', url => "/records/$ids[3]" },
        { id => $ids[1], type => 'record', title => 'Two', relation => 'owner', status => 'draft',  url => "/records/$ids[1]" },
        { id => $ids[0], type => 'record', title => 'One', relation => 'owner', status => 'active', url => "/records/$ids[0]" },
    ], 'the newest first';
    my $quiet = () = happened();
    json_is $ann->post("$of/reassign", { to_member_id => $w->member_id('carl'), item_types => ['records'] }), '/reassigned/records', 3;
    is $ann->get("$base/$ids[0]")->json('/owner_id'), $w->member_id('carl'), 'another member has them';
    is $ann->get("$base/$ids[0]")->json('/version'), 1, '  as the same versions';
    is scalar(my @now = happened()), $quiet, '  and the feed is not full of it';
    json_is $ann->post("$of/reassign", { to_member_id => $w->member_id('carl'), item_types => ['records'] }), '/total', 0;
    is $ann->get("/api/v1/members/" . $w->member_id('carl') . '/owned-items')->json('/totals/records'), 4;
};

subtest 'very many are given by a job' => sub {
    my $id = made('seed');
    $db->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, title, owner_id, created_by_id)
              SELECT r.tenant_id, r.organization_id, r.recordset_id, r.content_id, 'many ' || i, r.owner_id, r.owner_id FROM records r, generate_series(1, 2500) i WHERE r.id = ?}, undef, $id);
    my $of   = "/api/v1/members/" . $w->member_id('bob');
    my $left = sub { scalar $db->selectrow_array('SELECT count(*) FROM records WHERE owner_id = ? AND deleted_at IS NULL', undef, $w->member_id('bob')) };
    is $ann->get("$of/owned-items")->json('/totals/records'), 2501;
    is scalar @{ $ann->get("$of/owned-items")->json('/items/records') }, 100, 'a hundred are named';
    json_is $ann->post("$of/reassign", { to_member_id => $w->member_id('adam') }), '/reassigned/records', 2501, 'all are counted';
    is $left->(), 1501, 'a thousand are given at once';
    status_is $ann->delete($of), 204, 'the member goes meanwhile';
    $t->start_worker(children => 1);
    eventually { $left->() == 0 } 60, 'a job gives the others';
    is $ann->get("/api/v1/members/" . $w->member_id('adam') . '/owned-items')->json('/totals/records'), 2501;
};
