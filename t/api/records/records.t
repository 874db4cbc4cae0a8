use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use POSIX ();

# Records: what their values may be, who may write them, versions, counts; and the same by /crud.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/records';
my $crud  = '/api/v1/crud/records';
my $sets  = '/api/v1/recordsets';
my $json  = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $vera, $eve) = (@$w{qw(ann bob carl dora vera)}, $x->{eve});

my @FIELDS = (
    { key => 'place', type => 'text', required => true }, { key => 'note', type => 'text' }, { key => 'depth', type => 'number' }, { key => 'ground', type => 'select', options => [ 'sand', 'mud' ] },
    { key => 'kind', type => 'text', default => 'lead' }, { key => 'on', type => 'date' },
);
my $set = $bob->post($sets, { name => 'Soundings', schema => { fields => \@FIELDS, title_field => 'place' } })->json('/id');
my $free = $bob->post($sets, { name => 'Free' })->json('/id');
my @FLAGS = qw(can_view can_create can_edit can_edit_own can_delete can_delete_own can_admin);
my $ALL   = { source => 'owner', map { $_ => true } @FLAGS };

sub made (%with) {
    my $res = $bob->post($base, { recordset_id => $set, field_values => { place => 'Mole' }, %with });
    status_is $res, 201;
    return $res->json;
}
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub history ($id, $who = $bob) { return join ' ', map { "$_->{version}$_->{change_type}" } @{ $who->get("$base/$id/history")->json } }
sub count_of ($id) { return $bob->get("$sets/$id")->json('/record_count') }
sub told ($name, $event) { return scalar $db->selectrow_array('SELECT coalesce(sum(count), 0) FROM notifications WHERE member_id = ? AND event_type = ?', undef, $w->member_id($name), $event) }

my %record = (
    id => $UUID, recordset_id => $set, recordset_slug => 'soundings', title => 'Mole', field_values => { place => 'Mole', kind => 'lead' }, status => 'active', tags => [], geometry => undef, geometry_type => undef, lat => undef, lng => undef,
    tool_statuses => {}, group_id => undef, owner_id => $w->member_id('bob'), owner => $w->ref_of('bob', 'member'), created_by => $w->ref_of('bob', 'member'), version => 1, is_latest => true, permissions => $ALL, comment_count => 0,
    attachment_count => 0, deleted_at => undef, created_at => $MICRO, updated_at => $MICRO,
);

subtest 'create' => sub {
    error_is $bob->post($base, { recordset_id => $set, field_values => { place => 'x' }, %{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as " . $json->encode($_->[1])
        for [ title => { title => 'x' x 501 } ], [ title => { title => undef } ], [ status => { status => 'deleted' } ], [ tags => { tags => 'x' } ], [ 'tags[0]' => { tags => [''] } ], [ owner_id => { owner_id => $none } ],
            [ owner_id => { owner_id => $x->member_id('eve') } ], [ group_id => { group_id => 'x' } ], [ tool_statuses => { tool_statuses => { 'A b' => 'x' } } ], [ 'tool_statuses.a' => { tool_statuses => { a => 1 } } ],
            [ field_values => { field_values => [] } ], [ field_values => { field_values => { place => 'x', more => 'x' x 263000 } } ];
    error_is $bob->post($base, { field_values => {} }), 422, 'VALIDATION_ERROR', field => 'recordset_id';
    my $res = $bob->post($base, { recordset_id => $set, field_values => { depth => '1', ground => 'rock', on => '2026-02-30', note => undef } });
    error_is $res, 422, 'VALIDATION_ERROR', field => 'field_values.depth';
    is join(' ', sort map { $_->{field} } @{ $res->json('/error/details/fields') }), join(' ', map { "field_values.$_" } qw(depth ground on place)), 'all that do not fit are named';
    is count_of($set), 0, 'none of these';

    $res = $bob->post($base, { recordset_id => $set, field_values => { place => 'Mole' } });
    status_is $res, 201;
    json_is $res, '', \%record, 'the least: a default, a title, its maker as owner';
    json_is $bob->get("$base/" . $res->json('/id')), '', $res->json;
    my %all = (title => 't' x 500, field_values => { place => 'Mole', note => 'n', depth => -1.5, ground => 'mud', kind => 'x', on => '2024-02-29', more => { a => [1] } }, status => 'draft', tags => [ 'a', 'b' ], owner_id => $w->member_id('carl'),
        group_id => $none, tool_statuses => { 'ai-1_x' => 'queued' });
    $res = $bob->post($base, { recordset_id => $set, %all });
    json_is $res, '', { %record, %all, owner => $w->ref_of('carl', 'member') }, 'the most; keys beside the schema stay as they are';
    is told('carl', 'record_assigned'), 1, 'whose it is now is told';
    is count_of($set), 2;
    is $bob->post($base, { recordset_id => $set, field_values => { place => 'x' x 600 } })->json('/title'), 'x' x 500, 'a title is cut';
    json_is $bob->post($base, { recordset_id => $free }), '', { %record, recordset_id => $free, recordset_slug => 'free', title => undef, field_values => {} }, 'without a schema anything goes';
    json_is $bob->post($base, { recordset_id => $free, field_values => { A => 1, '' => 2, b => undef } }), '/field_values', { A => 1, '' => 2 };
    status_is $bob->put("$sets/free", { settings => { strict_schema => true }, schema => { fields => [ { key => 'a', type => 'text' }, { key => 'b', type => 'text' } ] } }), 200;
    error_is $bob->post($base, { recordset_id => $free, field_values => { c => 1 } }), 422, 'VALIDATION_ERROR', field => 'field_values.c', name => 'a strict schema takes no other key';
    is $bob->post($base, { recordset_id => $free, field_values => { b => 'B' } })->json('/title'), undef, 'without a title field the first text field\'s value is the title';
    is $bob->post($base, { recordset_id => $free, field_values => { a => 'A', b => 'B' } })->json('/title'), 'A';
    $db->do('UPDATE recordsets SET is_virtual = true WHERE id = ?', undef, $free);
    error_is $bob->post($base, { recordset_id => $free }), 409, 'CONFLICT', name => 'a virtual one has no records of its own';
    $db->do('UPDATE recordsets SET is_virtual = false WHERE id = ?', undef, $free);
    is $db->selectrow_array('SELECT count(*) FROM record_versions'), 0, 'the current version is not stored twice';
};

subtest 'who may' => sub {
    my $id = made()->{id};
    my @ways = ([ GET => "$base/$id" ], [ PUT => "$base/$id", { title => 'x' } ], [ DELETE => "$base/$id" ], [ GET => "$base/$id/history" ], [ POST => "$base/$id/history/$none/restore" ], [ POST => "$base/$id/dismiss?tool=a" ],
        [ GET => "$crud/$id" ], [ PUT => "$crud/$id", { field_values => { place => 'x' } } ], [ PATCH => "$crud/$id", { title => 'x' } ], [ DELETE => "$crud/$id" ]);
    for (@ways) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, $path, json => $body), 404, 'NOT_FOUND', name => "$method $path: another workspace's";
        error_is $carl->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method $path: without a grant";
        error_is $bob->request($method, $path =~ s/\Q$id/$none/r, json => $body), 404, 'NOT_FOUND', id => $none, name => "$method $path: what there is not" if $path !~ /history.*restore/;
    }
    for my $at ($base, $crud) {
        error_is $eve->post($at, { recordset_id => $set, field_values => { place => 'x' } }), 404, 'NOT_FOUND';
        error_is $carl->post($at, { recordset_id => $set, field_values => { place => 'x' } }), 403, 'AUTHORIZATION_ERROR';
        error_is $bob->post($at, { recordset_id => $none }), 404, 'NOT_FOUND';
    }
    share(carl => 'can_view');
    json_is $carl->get("$base/$id"), '/permissions', { source => 'grant', map { $_ => $_ eq 'can_view' ? true : false } @FLAGS };
    is history($id, $carl), '1created';
    error_is $carl->put("$base/$id", { title => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'to see is not to change';
    error_is $carl->post($base, { recordset_id => $set, field_values => { place => 'x' } }), 403, 'AUTHORIZATION_ERROR';
    share(carl => qw(can_create can_edit_own can_delete_own));
    error_is $carl->request(@$_[ 0, 1 ], json => $_->[2]), 403, 'AUTHORIZATION_ERROR', name => "$_->[0] $_->[1]: another's record" for grep { $_->[0] ne 'GET' } @ways;
    my $own = $carl->post($base, { recordset_id => $set, field_values => { place => 'x' } })->json('/id');
    status_is $carl->put("$base/$own", { title => 'mine' }), 200, 'what one has made is one\'s own';
    error_is $carl->post("$base/$own/history/$none/restore"), 403, 'AUTHORIZATION_ERROR', name => '  but for earlier versions, which take can_edit';
    status_is $bob->put("$base/$id", { owner_id => $w->member_id('carl') }), 200;
    status_is $carl->post("$base/$id/dismiss?tool=a"), 200, 'and what one owns';
    status_is $carl->delete("$base/$id"), 204;
    status_is $carl->delete("$base/$own"), 204;
    share(carl => qw(can_edit));
    my $other = made()->{id};
    status_is $carl->put("$base/$other", { title => 'x' }), 200, 'can_edit is for all';
    error_is $carl->delete("$base/$other"), 403, 'AUTHORIZATION_ERROR';
    is told('bob', 'record_updated'), 1, 'who owns it is told of the change';
    status_is $bob->delete("$sets/$set/access/members/" . $w->member_id('carl')), 204;
};

subtest 'change' => sub {
    my $r  = made(tool_statuses => { a => '1', b => '2' });
    my $at = "$base/$r->{id}";
    my $res = $bob->put($at, { field_values => { depth => 3, note => 'n' } });
    json_is $res, '', { %record, id => $r->{id}, version => 2, field_values => { %{ $r->{field_values} }, depth => 3, note => 'n' }, tool_statuses => { a => '1', b => '2' } }, 'values are merged by their keys';
    json_is $bob->put($at, { field_values => { note => undef, place => 'Pier' } }), '/field_values', { place => 'Pier', kind => 'lead', depth => 3 }, 'null takes one away';
    json_is $bob->get($at), '/title', 'Pier', 'the title follows';
    json_is $bob->put($at, { title => 'Mine', tool_statuses => { a => undef, c => '3' }, tags => ['t'], status => 'archived', group_id => $none }), '',
        { %record, id => $r->{id}, version => 4, title => 'Mine', field_values => { place => 'Pier', kind => 'lead', depth => 3 }, tool_statuses => { b => '2', c => '3' }, tags => ['t'], status => 'archived', group_id => $none };
    json_is $bob->put($at, { field_values => { place => 'Quay' } }), '/title', 'Mine', 'one that is given stays';
    error_is $bob->put($at, { field_values => { place => undef } }), 422, 'VALIDATION_ERROR', field => 'field_values.place', name => 'what is required cannot go';
    error_is $bob->put($at, { field_values => { depth => 'x' } }), 422, 'VALIDATION_ERROR', field => 'field_values.depth';
    error_is $bob->put($at, { $_ => undef }), 422, 'VALIDATION_ERROR', field => $_ for qw(title status tags owner_id);
    error_is $bob->put($at, { owner_id => $x->member_id('eve') }), 422, 'VALIDATION_ERROR', field => 'owner_id';
    json_is $bob->put($at, $_), '/version', 5, 'what changes nothing makes no version: ' . $json->encode($_) for {}, { title => 'Mine' }, { field_values => { place => 'Quay', depth => 3.0 } }, { field_values => { gone => undef } }, { tags => ['t'] }, { tool_statuses => { zz => undef } };
    error_is $bob->put($at, { title => 'x', expected_version => 4 }), 409, 'CONFLICT', field => 'expected_version';
    json_is $bob->put($at, { title => 'y', expected_version => 5 }), '/version', 6;
    my $tag = $bob->get($at)->header('ETag');
    status_is $bob->put($at, { title => 'z' }, headers => { 'If-Match' => $tag }), 200;
    error_is $bob->put($at, { title => 'zz' }, headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
    error_is $bob->delete($at, headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
    json_is $bob->put($at, { group_id => undef }), '/group_id', undef;
    status_is $bob->put("$sets/$set", { schema => { fields => [ @FIELDS[ 0 .. 2 ] ], title_field => 'place' } }), 200;
    json_is $bob->put($at, { field_values => { kind => 7 } }), '/field_values', { place => 'Quay', kind => 7, depth => 3 }, 'a field that is out of the schema keeps its values, and takes any';
    status_is $bob->put("$sets/$set", { schema => { fields => \@FIELDS, title_field => 'place' } }), 200;
    status_is $bob->put($at, { field_values => { depth => 4 } }), 200, 'one that does not fit the schema any more is no matter of who changes another';
};

subtest 'two that change different keys at once lose nothing' => sub {
    my $id = made()->{id};
    my $lock = $t->lock('SELECT FROM records WHERE id = ? FOR UPDATE', $id);
    my @pids = map {
        my $key = $_;
        fork // die "fork: $!\n" or do { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id })->put("$base/$id", { field_values => { $key => 'x' } }); POSIX::_exit(0) }
    } qw(k1 k2);
    eventually { $t->waiting >= 2 } 10, 'both wait';
    $lock->rollback;
    waitpid $_, 0 for @pids;
    json_is $bob->get("$base/$id"), '/field_values', { place => 'Mole', kind => 'lead', k1 => 'x', k2 => 'x' };
    is history($id), '3updated 2updated 1created', 'each is a version';
};

subtest 'history' => sub {
    my $r  = made(tags => ['a']);
    my $at = "$base/$r->{id}";
    $bob->put($at, { field_values => { depth => 1, place => 'Pier' } });
    $ann->put($at, { field_values => { depth => undef }, tags => ['b'] });
    my $res = $bob->get("$at/history");
    json_is $res, '', [
        { id => $UUID, record_id => $r->{id}, version => 3, change_type => 'updated', title => 'Pier', field_values => { place => 'Pier', kind => 'lead' }, status => 'active', tags => ['b'], changed_fields => ['depth'], restored_from_version => undef,
            changed_by => $w->ref_of('ann', 'owner'), created_at => $MICRO },
        { id => $UUID, record_id => $r->{id}, version => 2, change_type => 'updated', title => 'Pier', field_values => { place => 'Pier', kind => 'lead', depth => 1 }, status => 'active', tags => ['a'], changed_fields => [ 'depth', 'place' ],
            restored_from_version => undef, changed_by => $w->ref_of('bob', 'member'), created_at => $MICRO },
        { id => $UUID, record_id => $r->{id}, version => 1, change_type => 'created', title => 'Mole', field_values => { place => 'Mole', kind => 'lead' }, status => 'active', tags => ['a'], changed_fields => [ 'kind', 'place' ],
            restored_from_version => undef, changed_by => $w->ref_of('bob', 'member'), created_at => $MICRO },
    ], 'what it was, the newest first';
    my ($now, undef, $first) = map { $_->{id} } @{ $res->json };
    error_is $bob->post("$at/history/$_/restore"), 404, 'NOT_FOUND', id => $_, name => 'a version that there is not' for $none, made()->{id};
    json_is $bob->post("$at/history/$now/restore"), '/version', 3, 'the current one is there already';
    my $back = $bob->post("$at/history/$first/restore");
    status_is $back, 200;
    json_is $back, '/field_values', { place => 'Mole', kind => 'lead' };
    json_is $back, '/version', 4;
    json_is $back, '/title', 'Mole';
    json_is $back, '/tags', ['b'], 'values alone come back';
    is history($r->{id}), '4restored 3updated 2updated 1created', 'nothing in between is lost';
    json_is $bob->get("$at/history"), '/0/restored_from_version', 1;
    status_is $bob->delete($at), 204;
    error_is $bob->get("$at/history"), 404, 'NOT_FOUND';
    error_is $bob->post("$at/history/$first/restore"), 404, 'NOT_FOUND', name => 'what is deleted is not restored this way';
    is_deeply $db->selectrow_arrayref('SELECT version, change_type, status FROM records WHERE id = ?', undef, $r->{id}), [ 5, 'deleted', 'deleted' ];
};

subtest 'dismiss' => sub {
    my $r  = made(tool_statuses => { a => 'x', b => 'y' });
    my $at = "$base/$r->{id}";
    error_is $bob->post("$at/dismiss"), 422, 'VALIDATION_ERROR', field => 'tool';
    my $res = $bob->post("$at/dismiss?tool=a");
    status_is $res, 200;
    json_is $res, '/tool_statuses', { b => 'y' };
    json_is $res, '/version', 2;
    json_is $bob->post("$at/dismiss?tool=a"), '/version', 2, 'one that is not set changes nothing';
    status_is $bob->get($at), 200, 'the record is there';
};

subtest 'delete' => sub {
    my $id     = made()->{id};
    my $before = count_of($set);
    status_is $bob->delete("$base/$id"), 204;
    error_is $bob->request(@$_), 404, 'NOT_FOUND', id => $id, name => "$_->[0]" for [ GET => "$base/$id" ], [ DELETE => "$base/$id" ], [ PUT => "$base/$id", json => { title => 'x' } ], [ POST => "$base/$id/dismiss?tool=a" ];
    is count_of($set), $before - 1;
    error_is $bob->post("$base/bulk-delete", $_), 422, 'VALIDATION_ERROR' for {}, { all => true }, { record_ids => [] }, { record_ids => ['x'] }, { record_ids => [ ($none) x 1001 ] };
    my @ids = map { made()->{id} } 1 .. 3;
    share(carl => qw(can_create can_delete_own));
    my $own = $carl->post($base, { recordset_id => $set, field_values => { place => 'x' } })->json('/id');
    my $res = $carl->post("$base/bulk-delete", { record_ids => [ $ids[0], $own, $none, $own ] });
    status_is $res, 200;
    json_is $res, '', { deleted_count => 1, deleted_ids => [$own], failed => [ { record_id => $none, reason => 'not_found' }, { record_id => $ids[0], reason => 'forbidden' } ] }, 'those that may be are, the others are named';
    json_is $eve->post("$base/bulk-delete", { record_ids => \@ids }), '/failed', [ map { { record_id => $_, reason => 'not_found' } } @ids ], 'another workspace finds none';
    json_is $bob->post("$base/bulk-delete", { record_ids => \@ids }), '', { deleted_count => 3, deleted_ids => \@ids, failed => [] };
    is count_of($set), $before - 1;

    error_is $carl->post("$base/bulk-delete", { all => true, recordset_id => $set }), 403, 'AUTHORIZATION_ERROR', name => 'all needs can_delete';
    error_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $none }), 404, 'NOT_FOUND';
    error_is $eve->post("$base/bulk-delete", { all => true, recordset_id => $set }), 404, 'NOT_FOUND';
    my $last = made()->{id};
    json_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), '', { deleted_count => $before, deleted_ids => [], failed => [] }, 'all at once';
    error_is $bob->get("$base/$last"), 404, 'NOT_FOUND';
    is count_of($set), 0;
    my $new = made()->{id};
    is count_of($set), 1, 'what is made behind it is there';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'recordset.empty' AND resource_id = ?}, undef, $set), 1;
    my $left = sub { scalar $db->selectrow_array('SELECT count(*) FROM records WHERE recordset_id = ?', undef, $set) };
    cmp_ok $left->(), '>', 5, 'a job takes the others away';
    $t->start_worker(children => 1);
    eventually { $left->() == 1 } 60, 'until what is there is left';
    is $db->selectrow_array('SELECT count(*) FROM record_versions v WHERE NOT EXISTS (SELECT FROM records r WHERE r.id = v.record_id)'), 0, 'with their versions';
    json_is $bob->get("$base/$new"), '/id', $new;
    status_is $bob->delete("$sets/$set"), 204;
    error_is $bob->get("$base/$new"), 404, 'NOT_FOUND', name => 'in the trash they are not found';
    status_is $ann->post("$sets/trash/$set/restore"), 200;
    status_is $bob->get("$base/$new"), 200, '  and come back with it';
    status_is $bob->delete("/api/v1/crud/recordsets/$set"), 204;
    error_is $bob->get("$base/$new"), 404, 'NOT_FOUND';
    eventually { $left->() == 0 } 60, 'a recordset that is deleted takes its records along';
};

subtest '/crud' => sub {
    my $s = $bob->post($sets, { name => 'Wrecks', schema => { fields => \@FIELDS, title_field => 'place' } })->json('/id');
    my $res = $bob->post($crud, { recordset_id => $s, title => 'T', field_values => { place => 'Reef', depth => 1 }, tags => ['a'], status => 'draft', group_id => $none, tool_statuses => { a => 'x' }, owner_id => $w->member_id('carl') });
    status_is $res, 201;
    my $id = $res->json('/id');
    json_is $bob->get("$crud/$id"), '', $res->json;
    json_is $bob->patch("$crud/$id", { field_values => { depth => 2 } }), '/field_values', { place => 'Reef', depth => 2, kind => 'lead' }, 'PATCH merges';
    error_is $bob->put("$crud/$id", { field_values => { depth => 2 } }), 422, 'VALIDATION_ERROR', field => 'field_values.place', name => 'PUT is checked as a new one';
    error_is $bob->put("$crud/$id", {}), 422, 'VALIDATION_ERROR', field => 'field_values';
    $res = $bob->put("$crud/$id", { field_values => { place => 'Bank' } });
    json_is $res, '', { %record, id => $id, recordset_id => $s, recordset_slug => 'wrecks', title => 'Bank', field_values => { place => 'Bank', kind => 'lead' }, version => 3, owner_id => $w->member_id('carl'), owner => $w->ref_of('carl', 'member') },
        'what it leaves out is as in a new one; who owns it stays';
    is history($id), '3updated 2updated 1created';
    error_is $bob->patch("$crud/$id", { title => 'x', expected_version => 1 }), 409, 'CONFLICT';
    status_is $bob->put("$sets/wrecks", { settings => { versioning_enabled => false } }), 200;
    json_is $bob->patch("$crud/$id", { title => 'x' }), '/version', 3, 'without versions it is written in its place';
    json_is $bob->put("$crud/$id", { field_values => { place => 'Shoal' } }), '/version', 3;
    is history($id), '3updated 2updated 1created';
    json_is $bob->put("$base/$id", { title => 'y' }), '/version', 4, '  but for /records, which keeps them always';
    status_is $bob->delete("$crud/$id"), 204;
    error_is $bob->delete("$crud/$id"), 404, 'NOT_FOUND';

    error_is $bob->post('/api/v1/crud/recordsets/sync-counts'), 403, 'AUTHORIZATION_ERROR', name => 'counting is for owners and admins';
    my $n = $db->selectrow_array('SELECT count(*) FROM recordsets WHERE organization_id = ?', undef, $w->id);
    json_is $ann->post('/api/v1/crud/recordsets/sync-counts'), '', { updated_count => 0, total_recordsets => $n }, 'nothing has drifted';
    $bob->post($base, { recordset_id => $s, field_values => { place => 'x' } }) for 1 .. 3;
    $db->do('UPDATE recordset_counts SET count = count + 7 WHERE recordset_id = ?', undef, $s);
    json_is $ann->post('/api/v1/crud/recordsets/sync-counts'), '/updated_count', 1, 'what has is mended';
    is count_of($s), 3;
    json_is $ann->post('/api/v1/crud/recordsets/sync-counts'), '/updated_count', 0;
};
