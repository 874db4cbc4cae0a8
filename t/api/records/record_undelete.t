use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# A record that was deleted comes back.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Soundings', schema => { fields => [ { key => 'log', type => 'text', unique => true }, { key => 'depth', type => 'number' } ] } })->json('/id');

sub made ($who = $bob, %with) { return $who->post($base, { recordset_id => $set, %with })->json('/id') }
sub gone ($id) { status_is $bob->delete("$base/$id"), 204; return $id }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub count () { return $bob->get("$sets/$set")->json('/record_count') }

subtest 'it is as it was' => sub {
    my $id = made($bob, title => 'Mole', status => 'draft', tags => ['a'], field_values => { log => '1', depth => 7 });
    status_is $bob->post("$base/$id/comments", { content => 'x' }), 201;
    my $before = $bob->get("$base/$id")->json;
    gone($id);
    error_is $bob->get("$base/$id"), 404, 'NOT_FOUND';
    my $n   = count();
    my $res = $bob->post("$base/$id/restore");
    status_is $res, 200;
    my $now = $res->json;
    is_deeply [ map { $now->{$_} } qw(title status tags field_values deleted_at is_latest version comment_count) ], [ 'Mole', 'draft', ['a'], { log => '1', depth => 7 }, undef, true, 3, 1 ];
    delete @{$_}{qw(version updated_at)} for $before, $now;
    is_deeply $now, $before, 'with all that hangs on it';
    is count(), $n + 1, 'and is counted';
    is $bob->get($base, query => { recordset_id => $set, numeric_filters => '{"depth":{"eq":7}}' })->json('/items/0/id'), $id, 'filters find it';
    is $bob->get($base, query => { recordset_id => $set, search => 'mole' })->json('/items/0/id'), $id, '  and searches';
    is_deeply [ map { [ @$_{qw(version change_type status restored_from_version)} ] } @{ $bob->get("$base/$id/history")->json } ], [ [ 3, 'restored', 'draft', 1 ], [ 2, 'deleted', 'deleted', undef ], [ 1, 'created', 'draft', undef ] ], 'as a new version';
    is $bob->get('/api/v1/activity/feed')->json('/activities/0/event'), 'record.restored';
    error_is $bob->post("$base/$id/restore"), 409, 'CONFLICT', name => 'twice is once';
    error_is $bob->post($base, { recordset_id => $set, field_values => { log => '1' } }), 409, 'CONFLICT', field => 'field_values.log', name => 'its unique values are its again';
};

subtest 'what is in its way' => sub {
    my $id = gone(made($bob, field_values => { log => '2' }));
    my $other = made($bob, field_values => { log => '2' });
    error_is $bob->post("$base/$id/restore"), 409, 'CONFLICT', field => 'field_values.log', name => 'another record has what is unique';
    error_is $bob->get("$base/$id"), 404, 'NOT_FOUND', name => '  and it stays deleted';
    gone($other);
    error_is $bob->post("$base/$id/restore", undef, headers => { 'If-Match' => '"x"', 'X-Workspace-Id' => $w->id }), 412, 'PRECONDITION_FAILED';
    status_is $bob->post("$base/$id/restore"), 200, 'until that is gone';
    my $lost = gone(made());
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), 200;
    error_is $bob->post("$base/$lost/restore"), 404, 'NOT_FOUND', name => 'what its recordset does not hold any more is gone for good';
};

subtest 'who may' => sub {
    my ($id, $carls) = map { gone(made()) } 1, 2;
    error_is $eve->post("$base/$id/restore"), 404, 'NOT_FOUND', name => 'another workspace\'s';
    error_is $bob->post("$base/$none/restore"), 404, 'NOT_FOUND', id => $none;
    error_is $carl->post("$base/$id/restore"), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
    share(carl => qw(can_create can_edit));
    error_is $carl->post("$base/$id/restore"), 403, 'AUTHORIZATION_ERROR', name => 'nor with all but can_delete';
    share(carl => qw(can_create can_delete_own));
    error_is $carl->post("$base/$id/restore"), 403, 'AUTHORIZATION_ERROR', name => 'can_delete_own is not for others\'';
    status_is $carl->post("$base/@{[ gone(made($carl)) ]}/restore"), 200, '  but for one\'s own';
    share(carl => 'can_delete');
    status_is $carl->post("$base/$id/restore"), 200;
};
