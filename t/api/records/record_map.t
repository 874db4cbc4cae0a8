use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use List::Util qw(any max min shuffle);

# Places of records: what is a geometry, where one comes from, and which records are on a map.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/records';
my $crud = '/api/v1/crud/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my @AS_LINES = (headers => { Accept => 'application/x-ndjson, application/json' });
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});

my @FIELDS = (
    { key => 'name', type => 'text' }, { key => 'price', type => 'number' }, { key => 'lat', type => 'number' }, { key => 'lng', type => 'number' },
    { key => 'shape', type => 'geometry' }, { key => 'on', type => 'date' },
);
sub new_set ($name, %with) { return $bob->post($sets, { name => $name, schema => { fields => \@FIELDS, title_field => 'name' }, %with })->json('/id') }
sub point ($lng, $lat) { return { type => 'Point', coordinates => [ $lng, $lat ] } }
sub create ($set, %with) { return $bob->post($base, { recordset_id => $set, %with }) }

# A map's lines, and its last one.
sub map_of ($set, %query) {
    my $res = (delete $query{who} // $bob)->get("$base/map", @AS_LINES, query => { recordset_id => $set, map { $_ => ref $query{$_} ? $json->encode($query{$_}) : $query{$_} } keys %query });
    status_is $res, 200;
    header_is $res, 'Content-Type', 'application/x-ndjson';
    my @lines = map { Cpanel::JSON::XS->new->utf8->decode($_) } split /\n/, $res->body;
    my $meta = (pop @lines)->{__meta__};
    is $meta->{count}, scalar @lines, 'the last line counts';
    return ($meta->{truncated}, @lines);
}
sub ids ($truncated, @lines) { return [ sort map { $_->{id} } @lines ] }
sub jobs () { return $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('records.place', 'records.remove', 'records.fill') AND state IN ('scheduled', 'queued', 'running')}) }
sub work () {
    my $worker = $t->start_worker(children => 1);
    eventually { !jobs() } 60, 'the jobs are done' or diag explain $db->selectall_arrayref(q{SELECT kind, state, last_error FROM jobs WHERE kind LIKE 'records.%'});
    $worker->stop('TERM', 40);
    return;
}

my $square = { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 0 ], [ 2, 2 ], [ 0, 2 ], [ 0, 0 ] ] ] };

subtest 'what is sent' => sub {
    my $set = new_set('Sent');
    for my $g (
        point(18.072, 59.325), point(-180, -90), point(180, 90), { type => 'LineString', coordinates => [ [ 0, 0 ], [ 1.000000001, 1 ] ] }, $square,
        { type => 'Polygon', coordinates => [ @{ $square->{coordinates} }, [ [ 0.5, 0.5 ], [ 0.5, 1 ], [ 1, 1 ], [ 0.5, 0.5 ] ] ] },
        { type => 'MultiPoint', coordinates => [ [ 1, 2 ], [ 3, 4 ] ] }, { type => 'MultiLineString', coordinates => [ [ [ 0, 0 ], [ 1, 1 ] ] ] },
        { type => 'MultiPolygon', coordinates => [ $square->{coordinates} ] }, { type => 'GeometryCollection', geometries => [ point(1, 2), $square ] },
    ) {
        my $res = create($set, geometry => $g);
        status_is $res, 201;
        is_deeply [ map { $res->json("/$_") } qw(geometry geometry_type lat lng) ], [ $g, $g->{type}, $g->{type} eq 'Point' ? (@{ $g->{coordinates} }[ 1, 0 ]) : (undef, undef) ], "$g->{type}: as it was sent";
        is_deeply $bob->get("$base/" . $res->json('/id'))->json('/geometry'), $g, '  and is read';
    }
    is_deeply create($set, geometry => { type => 'Point', coordinates => [ 1, 2, 300 ], bbox => [ 1, 2, 1, 2 ] })->json('/geometry'), point(1, 2), 'a height is not kept, nor what is no part of it';
    for my $bad (
        [ geometry => {} ], [ geometry => { type => 'point', coordinates => [ 1, 2 ] } ], [ geometry => { type => 'Feature' } ], [ 'geometry.coordinates' => { type => 'Point' } ],
        [ 'geometry.coordinates' => point(180.1, 0) ], [ 'geometry.coordinates' => point(0, -90.1) ], [ 'geometry.coordinates' => { type => 'Point', coordinates => ['1'] } ],
        [ 'geometry.coordinates' => { type => 'Point', coordinates => [ 1, 2, 3, 4 ] } ], [ 'geometry.coordinates' => { type => 'Point', coordinates => [ '1', 2 ] } ], [ 'geometry.coordinates' => { type => 'Point', coordinates => [] } ],
        [ 'geometry.coordinates' => { type => 'LineString', coordinates => [ [ 0, 0 ] ] } ], [ 'geometry.coordinates[1]' => { type => 'LineString', coordinates => [ [ 0, 0 ], [] ] } ],
        [ 'geometry.coordinates[0]' => { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 1, 0 ], [ 0, 0 ] ] ] } ], [ 'geometry.coordinates[0]' => { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 1, 0 ], [ 1, 1 ], [ 0, 1 ] ] ] } ],
        [ 'geometry.coordinates' => { type => 'Polygon', coordinates => [] } ], [ 'geometry.coordinates[1][0][2]' => { type => 'MultiPolygon', coordinates => [ $square->{coordinates}, [ [ [ 0, 0 ], [ 1, 0 ], [ 1, 95 ], [ 0, 0 ] ] ] ] } ],
        [ 'geometry.geometries' => { type => 'GeometryCollection', geometries => [] } ], [ 'geometry.geometries[0]' => { type => 'GeometryCollection', geometries => [ { type => 'GeometryCollection', geometries => [ point(1, 2) ] } ] } ], [ 'geometry.geometries[1].coordinates' => { type => 'GeometryCollection', geometries => [ point(1, 2), point(1, 92) ] } ],
        [ 'geometry.crs' => { %{ point(1, 2) }, crs => { type => 'name', properties => { name => 'EPSG:3857' } } } ],
    ) {
        error_is create($set, geometry => $bad->[1]), 422, 'VALIDATION_ERROR', field => $bad->[0], name => 'not ' . $json->encode($bad->[1]);
    }
    error_is create($set, geometry => 'POINT(1 2)'), 422, 'VALIDATION_ERROR', field => 'geometry';
    my $bow = { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 2 ], [ 2, 0 ], [ 0, 2 ], [ 0, 0 ] ] ] };
    my $res = create($set, geometry => $bow);
    error_is $res, 422, 'VALIDATION_ERROR', field => 'geometry', name => 'one that crosses itself';
    is $res->json('/error/message'), 'geometry is not valid: self-intersection at longitude 1, latitude 1', '  with the reason, and where';
    error_is create($set, field_values => { shape => { type => 'Point', coordinates => [ 1, 91 ] } }), 422, 'VALIDATION_ERROR', field => 'field_values.shape', name => 'nor in a field of that type';
};

subtest 'a change of place is a change' => sub {
    my $set = new_set('Moves');
    my $id  = create($set, title => 'x', geometry => point(1, 2))->json('/id');
    my $res = $bob->put("$base/$id", { geometry => point(1, 2) });
    is $res->json('/version'), 1, 'the same place is none';
    $res = $bob->put("$base/$id", { geometry => point(1, 3) });
    is_deeply [ map { $res->json("/$_") } qw(version lat lng) ], [ 2, 3, 1 ], 'another is';
    is $bob->put("$base/$id", { title => 'y' })->json('/lat'), 3, 'what is not sent stays';
    is $bob->patch("$crud/$id", { geometry => $square })->json('/geometry_type'), 'Polygon', 'by /crud, too';
    is $bob->put("$crud/$id", { field_values => {} })->json('/geometry'), undef, 'a replacement without one has none';
    is $bob->put("$crud/$id", { field_values => {}, geometry => point(5, 6) })->json('/lat'), 6, '  and with one has it';
    $res = $bob->put("$base/$id", { geometry => undef });
    is_deeply [ map { $res->json("/$_") } qw(geometry geometry_type lat lng) ], [ (undef) x 4 ], 'null takes it away';
    is $db->selectrow_array('SELECT count(*) FROM record_geometries WHERE record_id = ?', undef, $id), 0, '  and nothing is left';
    error_is $bob->put("$base/$id", { geometry => point(1, 92) }), 422, 'VALIDATION_ERROR', field => 'geometry.coordinates';
    is $bob->get("$base/$id")->json('/version'), $res->json('/version'), 'what is refused changes nothing';
};

subtest 'enable-map: who, and what' => sub {
    my $set = new_set('Asked');
    my $in  = { lat_field => 'lat', lng_field => 'lng' };
    $ann->post("$sets/$set/access", { member_id => $w->member_id('carl'), can_edit => true });
    error_is $carl->post("$sets/$set/enable-map", $in), 403, 'AUTHORIZATION_ERROR', name => 'without can_admin';
    error_is $eve->post("$sets/$set/enable-map", $in), 404, 'NOT_FOUND';
    error_is $bob->post("$sets/$none/enable-map", $in), 404, 'NOT_FOUND';
    error_is $bob->post("$sets/$set/enable-map", $_->[1]), 422, 'VALIDATION_ERROR', ($_->[0] ? (field => $_->[0]) : ()), name => 'not ' . $json->encode($_->[1])
        for [ '', {} ], [ '', { lat_field => 'lat' } ], [ '', { %$in, geometry_field => 'shape' } ], [ lat_field => { %$in, lat_field => 'let' } ], [ lng_field => { %$in, lng_field => 'on' } ], [ geometry_field => { geometry_field => 'name' } ],
            [ geometry_field => { geometry_field => 'nothing' } ];
    like $bob->post("$sets/$set/enable-map", { %$in, lat_field => 'let' })->json('/error/message'), qr/did you mean lat\?/;
    is $bob->get("$sets/$set")->json('/mode'), 'TABLE', 'nothing has changed';
    my $slug = $bob->get("$sets/$set")->json('/slug');
    my $res  = $bob->post("$sets/$slug/enable-map", $in);
    status_is $res, 200;
    is_deeply $res->json('/recordset'), $bob->get("$sets/$set")->json, 'the recordset as it is now';
    is_deeply [ map { $res->json("/recordset/$_") } 'mode', 'settings' ], [ 'MAP', $in ];
    is_deeply [ $res->json('/status'), $res->json('/total_records') ], [ 'queued', 0 ];
    my $job = $res->json('/job_id');
    is_deeply [ map { $bob->get("$sets/import/jobs", query => { job_type => 'gis_backfill' })->json("/items/0/$_") } qw(job_id job_type status) ], [ $job, 'gis_backfill', 'queued' ], 'and the job, among imports and exports';
    error_is $bob->post("$sets/$set/enable-map", $in), 409, 'CONFLICT', name => 'while it waits';
    work();
    is $bob->get("$sets/import/jobs/$job")->json('/status'), 'completed', '  which ends';
    is_deeply $bob->post("$sets/$set/enable-map", { geometry_field => 'shape' })->json('/recordset/settings'), { geometry_field => 'shape' }, 'another way takes its place';
    work();
    like join(' ', @{ $db->selectcol_arrayref(q{SELECT details ->> 'fields' FROM audit_events WHERE action = 'recordset.update' AND resource_id = ?}, undef, $set) }), qr/mode.*settings/, 'it is in the audit log';
};

subtest 'places from fields' => sub {
    my $set  = new_set('Fields');
    my @had  = ([ 59, 18 ], [ 90, 180 ], [ -90, -180 ], [ 90.5, 1 ], [ 1, 180.5 ], [ 1, undef ], [ undef, 1 ], [ undef, undef ]);
    my @ids  = map { create($set, field_values => { name => 'x', lat => $_->[0], lng => $_->[1] })->json('/id') } @had;
    my $sent = create($set, field_values => { lat => 10, lng => 10 }, geometry => point(20, 20))->json('/id');
    is_deeply ids(map_of($set)), [$sent], 'at first what was sent';
    my $res = $bob->post("$sets/$set/enable-map", { lat_field => 'lat', lng_field => 'lng' });
    is $res->json('/total_records'), 9;
    work();
    my $run = $bob->get("$sets/import/jobs/" . $res->json('/job_id'))->json;
    is_deeply [ @$run{qw(status progress total_rows processed_rows success_count error_count)} ], [ 'completed', 100, 9, 9, 4, 0 ], 'the job tells how many it has placed';
    is_deeply ids(map_of($set)), [ sort @ids[ 0 .. 2 ], $sent ], 'those that are missing, or out of range, are no place';
    is_deeply [ map { $bob->get("$base/$_")->json('/lat') } @ids[ 0 .. 3 ], $sent ], [ 59, 90, -90, undef, 20 ], 'what was sent comes first';
    is $bob->get("$base/$ids[0]")->json('/version'), 1, 'no version is made of it';

    my $new = create($set, field_values => { lat => 1.5, lng => 2.5 });
    is_deeply $new->json('/geometry'), point(2.5, 1.5), 'a new one has it at once';
    my $one = $new->json('/id');
    is_deeply $bob->put("$base/$one", { field_values => { lat => 3 } })->json('/geometry'), point(2.5, 3), 'and follows its fields';
    is $bob->put("$base/$one", { field_values => { lng => undef } })->json('/geometry'), undef;
    is_deeply $bob->put("$base/$one", { geometry => point(7, 7), field_values => { lng => 4 } })->json('/geometry'), point(7, 7);
    is_deeply $bob->put("$base/$one", { field_values => { lng => 5 } })->json('/geometry'), point(7, 7), 'but where it was sent';
    is_deeply $bob->put("$base/$one", { geometry => undef })->json('/geometry'), point(5, 3), 'until null is';
    my $first = $bob->get("$base/$one/history")->json->[-1]{id};
    is_deeply $bob->post("$base/$one/history/$first/restore")->json('/geometry'), point(2.5, 1.5), 'a version that comes back takes it along';

    $db->do('DELETE FROM record_geometries WHERE record_id = ?', undef, $ids[0]);
    $db->do('UPDATE record_geometries SET geometry = postgis.ST_SetSRID(postgis.ST_MakePoint(1, 1), 4326) WHERE record_id = ?', undef, $_) for $ids[1], $sent;
    status_is $bob->post("$sets/$set/resync-promoted"), 200;
    work();
    is_deeply [ map { $bob->get("$base/$_")->json('/lat') } @ids[ 0, 1 ], $sent ], [ 59, 90, 1 ], 'resync-promoted has places written anew, but those that were sent';
    $db->do('UPDATE record_geometries SET geometry = postgis.ST_SetSRID(postgis.ST_MakePoint(20, 20), 4326) WHERE record_id = ?', undef, $sent);

    status_is $bob->put("$sets/$set", { settings => { lat_field => 'price' } }), 200;
    work();
    is_deeply ids(map_of($set)), [$sent], 'settings that change are followed, too';
    is_deeply create($set, field_values => { price => 11, lat => 1, lng => 2 })->json('/geometry'), point(2, 11);
    status_is $bob->put("$sets/$set", { mode => 'TABLE', settings => { promoted_fields => { promoted_gis_1 => { lat => 'lat', lng => 'lng' } } } }), 200;
    work();
    is scalar(@{ ids(map_of($set)) }), 6, 'a table may have places by promoted_gis_1';

    my $shapes = new_set('Shapes', mode => 'MAP', settings => { geometry_field => 'shape' });
    $res = create($shapes, field_values => { shape => $square });
    is_deeply $res->json('/geometry'), $square, 'a field of GeoJSON';
    $res = create($shapes, field_values => { shape => { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 2 ], [ 2, 0 ], [ 0, 2 ], [ 0, 0 ] ] ] } });
    error_is $res, 422, 'VALIDATION_ERROR', field => 'field_values.shape', name => '  one that is not valid is refused';
    my $id = create($shapes, field_values => { name => 'x' })->json('/id');
    $db->do(q{UPDATE records SET field_values = ? WHERE id = ?}, undef, $json->encode({ shape => $_ }), $id), status_is $bob->put("$base/$id", { title => $json->encode($_) }), 200, '  of what is there already nothing is said'
        for { type => 'Point', coordinates => [ 'a', 'b' ] }, { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 2 ], [ 2, 0 ], [ 0, 2 ], [ 0, 0 ] ] ] }, 'x', { type => 'Point' }, { type => 'Nothing', coordinates => [ 1, 2 ] }, [ 1, 2 ];
    is $bob->get("$base/$id")->json('/geometry'), undef, '  but it is no place';
};

subtest 'who sees a map' => sub {
    my $set = new_set('Seen');
    my $id  = create($set, title => 'x', geometry => point(1, 2))->json('/id');
    error_is $carl->get("$base/map", @AS_LINES, query => { recordset_id => $set }), 403, 'AUTHORIZATION_ERROR';
    error_is $eve->get("$base/map", @AS_LINES, query => { recordset_id => $set }), 404, 'NOT_FOUND';
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $none }), 404, 'NOT_FOUND';
    error_is $bob->get("$base/map", @AS_LINES), 422, 'VALIDATION_ERROR', field => 'recordset_id';
    is_deeply ids(map_of($set, who => $ann)), [$id];
    $ann->post("$sets/$set/access", { member_id => $w->member_id('carl'), can_view => true });
    is_deeply ids(map_of($set, who => $carl)), [$id], 'with can_view';
    status_is $bob->delete("$base/$id"), 204;
    is_deeply [ map_of($set) ], [false], 'what is deleted is on none';
    is_deeply [ map_of($set, bbox => '0,0,5,5') ], [false];
    is_deeply $bob->post("$base/$id/restore")->json('/geometry'), point(1, 2), 'and has its place again when it comes back';
    is_deeply ids(map_of($set)), [$id];
    status_is $bob->delete("$base/$id"), 204;
    my @more = map { create($set, geometry => point($_, $_))->json('/id') } 1 .. 3;
    status_is $bob->post("$base/bulk-delete", { record_ids => [ @more[ 0, 1 ] ] }), 200;
    is_deeply ids(map_of($set)), [ $more[2] ];
    status_is $bob->post("$base/bulk-delete", { recordset_id => $set, all => true }), 200;
    is_deeply [ map_of($set) ], [false], 'nor what a recordset held before it was emptied';
    work();
    is $db->selectrow_array('SELECT count(*) FROM record_geometries g WHERE NOT EXISTS (SELECT FROM records r WHERE r.id = g.record_id)'), 0, 'and the job takes their places away';
    status_is $bob->delete("$sets/$set"), 204;
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set }), 404, 'NOT_FOUND', name => 'nor of one in the trash';
};

subtest 'lines' => sub {
    my $set = new_set('Lines');
    my $id  = create($set, field_values => { name => "Tab\t\"and\" \x{1f6a2}", price => 1.5, on => '2026-01-01' }, geometry => point(18.072, 59.325))->json('/id');
    my $is  = { id => $id, geometry => point(18.072, 59.325), geometry_type => 'Point', title => "Tab\t\"and\" \x{1f6a2}", lat => 59.325, lng => 18.072 };
    is_deeply [ map_of($set) ], [ false, $is ], 'a point';
    is_deeply [ map_of($set, fields => 'price,nothing') ], [ false, { %$is, fields => { price => 1.5 } } ], 'with fields that were asked for';
    my $area = create($set, geometry => $square)->json('/id');
    is_deeply [ map_of($set, geometry_types => 'Polygon') ], [ false, { id => $area, geometry => $square, geometry_type => 'Polygon', title => undef } ], 'an area has no lat and lng';
    is_deeply ids(map_of($set, geometry_types => 'Polygon,Point')), [ sort $id, $area ];
    is_deeply [ map_of($set, geometry_types => 'LineString') ], [false];
    my ($truncated, @lines) = map_of($set, limit => 1);
    is_deeply [ $truncated, scalar @lines ], [ true, 1 ], 'a limit';
    is_deeply [ (map_of($set, limit => 2))[0] ], [false], '  that is not reached';
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set, bbox => $_ }), 400, 'BAD_REQUEST', field => 'bbox', name => "bbox $_"
        for '3,0,1,1', '0,3,1,1', '-181,0,0,0', '0,-91,0,0', '0,0,181,0', '0,0,0,91', '180.000001,0,180.1,0';
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set, bbox => $_ }), 422, 'VALIDATION_ERROR', field => 'bbox', name => "bbox $_"
        for '1', '1,2,3', '1,2,3,4,5', 'a,b,c,d', 'nan,0,1,1', '0,0,inf,1', '0x1,0,2,2', '0,0,1,1,', '0,0,1e1,1', '';
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set, @{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not $_->[1][0] = $_->[1][1]"
        for [ limit => [ limit => 0 ] ], [ qr/\Ageometry_types/ => [ geometry_types => 'Circle' ] ], [ qr/\Afields/ => [ fields => 'A B' ] ], [ column_filters => [ column_filters => '{' ] ], [ 'column_filters.naem' => [ column_filters => '{"naem":"x"}' ] ],
            [ 'numeric_filters.price' => [ numeric_filters => '{"price":1}' ] ], [ 'date_filters.on.from' => [ date_filters => '{"on":{"from":"today"}}' ] ];
};

# Boxes and filters, against a plain evaluator: points, and boxes whose corners they often are.
subtest 'boxes and filters' => sub {
    srand 17;
    my $set = new_set('Boxes');
    my @rows = map { { lng => int(rand 41) - 20, lat => int(rand 41) - 20, price => int rand 50, name => (qw(Mole Pier Light))[ rand 3 ] } } 1 .. 600;
    $db->begin_work;
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
        'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
    my ($ids) = $db->selectrow_array('SELECT records_add(?, ?::jsonb)', undef, $set, $json->encode([ map { { geometry => point($_->{lng}, $_->{lat}), field_values => { name => $_->{name}, price => $_->{price} } } } @rows ]));
    $db->commit;
    $rows[$_]{id} = $ids->[$_] for 0 .. $#rows;
    for (1 .. 60) {
        my ($w, $e, $s, $n) = map { sort { $a <=> $b } map { int(rand 45) - 22 } 1, 2 } 1, 2;
        my ($low, $name) = (int rand 50, (qw(Mole Pier Light))[ rand 3 ]);
        my %ask = (bbox => "$w,$s,$e,$n");
        $ask{numeric_filters} = { price => { min => $low } } if $_ % 2;
        $ask{column_filters}  = { name => [$name] } if $_ % 3 == 0;
        my @want = sort map { $_->{id} } grep {
            $_->{lng} >= $w && $_->{lng} <= $e && $_->{lat} >= $s && $_->{lat} <= $n && (!$ask{numeric_filters} || $_->{price} >= $low) && (!$ask{column_filters} || $_->{name} eq $name)
        } @rows;
        is_deeply ids(map_of($set, %ask)), \@want, @want . ' in ' . $json->encode(\%ask);
    }
    my $rare = create($set, field_values => { name => 'Rare', price => 999 }, geometry => point(5, 5))->json('/id');
    is_deeply ids(map_of($set, bbox => '0,0,10,10', numeric_filters => { price => { eq => 999 } })), [$rare], 'what an index of values finds first';
    is_deeply [ map_of($set, bbox => '6,0,10,10', numeric_filters => { price => { eq => 999 } }) ], [false];
    is_deeply ids(map_of($set, numeric_filters => { price => { eq => 999 } })), [$rare];
    is_deeply ids(map_of($set, column_filters => { name => 'aRe' })), [$rare], 'a text that contains';
    is_deeply ids(map_of($set, date_filters => { created_at => { from => '2000-01-01' } }, column_filters => { name => 'Rare' })), [$rare];
};

subtest 'a long one' => sub {
    my $set = new_set('Long');
    $db->begin_work;
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
        'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
    $db->do(q{SELECT records_add(?, (SELECT jsonb_agg(jsonb_build_object('title', 'record ' || i, 'field_values', '{}'::jsonb,
        'geometry', jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(i % 180, i % 90)))) FROM generate_series(1, 5000) i))}, undef, $set);
    $db->commit;
    my ($truncated, @lines) = map_of($set);
    is scalar @lines, 5000, 'more than goes at once';
    my %seen;
    $seen{ $_->{id} }++ for @lines;
    is scalar(keys %seen), 5000, 'each once';
};
