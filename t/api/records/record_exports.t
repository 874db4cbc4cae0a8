# Records as a file: who may have one, what is in it in each format, that an import of it gives equal records, and what becomes of one that is stopped.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use Encode 'encode';
use File::Temp ();

my $t    = Api->start(main => 3, slow => 2, WORKER_LEASE_S => 2);
my $db   = $t->db;
my $jobs = '/api/v1/recordsets/import';
my $url  = '/api/v1/recordsets/export';
my $none = '01936b1c-2f5e-7a10-8c3d-000000000000';
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});

sub path ($link) { return $link =~ s{\Ahttps://[^/]+}{}r }
sub shown ($id) { return $ann->get("$jobs/jobs/$id")->json }
sub field ($key, $type = 'text', %with) { return { key => $key, type => $type, %with } }
sub set_of ($name, @fields) { return $ann->post('/api/v1/recordsets', { name => $name, schema => { fields => \@fields } })->json('/id') }
sub record ($set, $values, %with) {
    my $res = $ann->post('/api/v1/records', { recordset_id => $set, field_values => $values, %with });
    status_is $res, 201 or diag $res->describe;
    return $res->json('/id');
}
sub ended ($res) {
    status_is $res, 200, 'begun' or diag $res->describe;
    my $job;
    eventually { $job = shown($res->json('/job_id')); $job->{status} =~ /completed|failed|cancelled/ } 60, 'it ends';
    return $job;
}
sub file_of ($job) { is $job->{status}, 'completed', 'made' or diag $json->encode($job); return $t->nobody->get(path($job->{download_url})) }
sub exported ($set, %body) { return file_of(ended($ann->post($url, { recordset_id => $set, %body })))->body }
sub workbook ($bytes) {
    my $file = File::Temp->new;
    print {$file} $bytes;
    $file->flush;
    open my $out, '-|', 'sh', '-c', 'exec node t/clients/workbook.mjs <"$0"', "$file" or die "node: $!\n";
    return $json->decode(do { local $/ = undef; <$out> });
}
sub lines ($text) { return [ split /\r\n/, $text ] }

my @fields = (field('place', 'text'), field('depth', 'number'), field('on', 'date'), field('is_wreck', 'boolean'), field('ground', 'select', options => [ 'sand', '-mud' ]), field('uses', 'multi_select', options => [ 'a', 'b;c', 'd,e' ]), field('more', 'json'));
my $set    = set_of('Soundings', @fields);
my @ids    = (
    record($set, { place => '=1+1', depth => -5.25, on => '2026-01-31', is_wreck => true, ground => '-mud', uses => [ 'a', 'b;c' ], more => { x => [ 1, 'two' ] } }, title => 'First', geometry => { type => 'Point', coordinates => [ 18.1, 59.3 ] }),
    record($set, { place => qq{two\nlines, "quoted" and a \\ Ä}, depth => 1e3, more => '5' }, title => 'Second'),
    record($set, { place => "'=x", is_wreck => false }),
);
my @head = qw(id title place depth on is_wreck ground uses more);

subtest 'who may, and of what' => sub {
    my %body = (recordset_id => $set);
    error_is $t->nobody->post($url, \%body), 401, 'AUTHENTICATION_ERROR';
    error_is $vera->post($url, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_export_record/;
    error_is $carl->post($url, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/;
    error_is $eve->post($url, \%body), 404, 'NOT_FOUND', field => 'recordset_id';
    error_is $ann->post($url, { recordset_id => $none }), 404, 'NOT_FOUND';
    error_is $ann->post($url, { %body, %{ $_->[0] } }), 422, 'VALIDATION_ERROR', field => $_->[1], name => $json->encode($_->[0])
        for [ { recordset_id => undef }, 'recordset_id' ], [ { format => 'pdf' }, 'format' ], [ { fields => ['dept'] }, 'fields' ], [ { fields => [] }, 'fields' ], [ { record_ids => ['x'] }, qr/record_ids/ ],
        [ { filters => { column_filters => { plac => 'x' } } }, 'column_filters.plac' ], [ { filters => { numeric_filters => { depth => {} } } }, 'numeric_filters.depth' ], [ { filters => { search => 'x' x 256 } }, qr/search/ ];
    error_is $ann->post($url, { %body, fields => ['dept'] }), 422, 'VALIDATION_ERROR', message => qr/did you mean depth/;
    is $db->selectrow_array('SELECT count(*) FROM record_runs'), 0, 'nothing is made by what is refused';
    $db->do('UPDATE recordsets SET is_virtual = true WHERE id = ?', undef, $set);
    error_is $ann->post($url, \%body), 409, 'CONFLICT';
    $db->do('UPDATE recordsets SET is_virtual = false WHERE id = ?', undef, $set);
};

subtest 'a run that waits, is cancelled, and one whose member may not any more' => sub {
    status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id($_), can_view => true }), 201 for qw(bob carl);
    my $res = $bob->post($url, { recordset_id => $set });
    json_is $res, '', { job_id => $UUID, status => 'queued', recordset_id => $set, status_url => qr{\A\Q$jobs\E/jobs/} };
    my ($gone, $role) = map { $_->post($url, { recordset_id => $set })->json('/job_id') } $bob, $carl;
    status_is $bob->post("$jobs/jobs/@{[ $res->json('/job_id') ]}/cancel"), 200;
    status_is $ann->delete("/api/v1/recordsets/$set/access/members/@{[ $w->member_id('bob') ]}"), 204;
    status_is $ann->put('/api/v1/permissions/roles/member', { permissions => { can_export_record => false } }), 200;
    $t->start_worker(children => 2);
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM record_runs WHERE status IN ('queued', 'running')}) } 60, 'all are over';
    is_deeply [ map { $_->{status} } map { shown($_) } $res->json('/job_id'), $gone, $role ], [qw(cancelled failed failed)];
    like shown($gone)->{error_message}, qr/no right/;
    like shown($role)->{error_message}, qr/may not export/;
    is $db->selectrow_array('SELECT count(*) FROM stored_objects'), 0, 'no file is left';
    is_deeply [ map { shown($_)->{download_url} } $res->json('/job_id'), $gone, $role ], [ undef, undef, undef ];
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'export_failed'}), 2, 'two are told';
    status_is $ann->put('/api/v1/permissions/roles/member', { permissions => { can_export_record => true } }), 200;
};

subtest 'CSV' => sub {
    my $job = ended($ann->post($url, { recordset_id => $set }));
    is_deeply [ @$job{qw(job_type format progress total_rows processed_rows success_count error_count report_download_url)} ], [ 'export', 'csv', 100, 3, 3, 3, 0, undef ];
    like $job->{file_name}, qr/\Asoundings-\d{4}-\d\d-\d\d-\d{6}\.csv\z/;
    my $res = file_of($job);
    header_is $res, 'Content-Type', 'text/csv';
    header_is $res, 'Content-Disposition', qq{attachment; filename="$job->{file_name}"};
    my $text = join '', map { "$_\r\n" } join(',', @head), qq{$ids[0],First,'=1+1,-5.25,2026-01-31,true,'-mud,"[""a"",""b;c""]","{""x"":[1,""two""]}"},
        qq{$ids[1],Second,"two\nlines, ""quoted"" and a \\ Ä",1000.0,,,,,"""5"""}, "$ids[2],''=x,''=x,,,false,,,";
    is $res->body, encode('UTF-8', $text), 'texts are no formulas, and numbers are numbers' or diag $res->body;
    is $db->selectrow_array(q{SELECT expires_at - completed_at BETWEEN interval '6 days 23 hours' AND interval '7 days' FROM record_runs WHERE id = ?}, undef, $job->{job_id}), 1, 'kept for seven days';
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.exported' AND metadata ->> 'count' = '3'}), 1, 'one activity';
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'export_completed' AND member_id = ?}, undef, $w->member_id('ann')), 1, 'who started it is told';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'record.export' AND details ->> 'recordset_id' = ?}, undef, $set), 4, 'and the audit log';
};

subtest 'JSON, XLSX and GeoJSON' => sub {
    my $rows = $json->decode(exported($set, format => 'json'));
    is_deeply $rows->[0], { id => $ids[0], title => 'First', place => '=1+1', depth => -5.25, on => '2026-01-31', is_wreck => true, ground => '-mud', uses => [ 'a', 'b;c' ], more => { x => [ 1, 'two' ] } }, 'values as they are';
    is_deeply [ map { $_->{more} } @$rows[ 1, 2 ] ], [ '5', undef ];
    is scalar @$rows, 3;
    my ($sheet, @others) = @{ workbook(exported($set, format => 'xlsx')) };
    is @others, 0;
    my @cells = map { [ map { $_->[1] } @$_ ] } @{ $sheet->{rows} };
    is_deeply $cells[0], \@head;
    is_deeply [ @{ $cells[1] }[ 1 .. 4 ] ], [ 'First', '=1+1', -5.25, '2026-01-31' ], 'no formula';
    is $sheet->{rows}[1][2][0], 'String';
    is $sheet->{rows}[1][3][0], 'Number';
    is $cells[2][2], qq{two\nlines, "quoted" and a \\ Ä};
    my $map = $json->decode(exported($set, format => 'geojson', fields => ['place']));
    is_deeply $map, { type => 'FeatureCollection', features => [ { type => 'Feature', geometry => { type => 'Point', coordinates => [ 18.1, 59.3 ] }, properties => { place => '=1+1' } },
        map { { type => 'Feature', geometry => undef, properties => { place => $_ } } } qq{two\nlines, "quoted" and a \\ Ä}, "'=x" ] };
    is_deeply [ map { length exported(set_of("None $_", field('a')), format => $_) > 0 } qw(csv json xlsx geojson) ], [ 1, 1, 1, 1 ], 'of no records';
    is exported(set_of('Nothing', field('a'))), "id,title,a\r\n";
};

subtest 'which, and what of them' => sub {
    my $places = sub (%body) { my @l = @{ lines(exported($set, fields => ['depth'], %body)) }; shift @l; return "@l" };
    is $places->(record_ids => [ @ids[ 0, 2 ], $none ]), '-5.25', 'of these ids, one of which has no depth';
    is $places->(filters => { search => 'QUOTED' }), '1000.0';
    is $places->(filters => { search => '1+' }), '-5.25', 'of two letters';
    is $places->(filters => { column_filters => { place => 'lines' } }), '1000.0';
    is $places->(filters => { numeric_filters => { depth => { max => 0 } } }), '-5.25';
    is $places->(filters => { date_filters => { on => { from => '2026-01-01' } }, column_filters => { ground => ['sand'] } }), '', 'all of them together';
    is exported($set, fields => [qw(status depth id depth geometry)], record_ids => [ $ids[0] ]), qq{status,depth,id,geometry\r\nactive,-5.25,$ids[0],"{""type"":""Point"",""coordinates"":[18.1,59.3]}"\r\n}, 'columns as they are asked for';
    my $free = set_of('Free');
    record($free, { b => 1, _x => 'y' });
    record($free, { a => [ 1, 2 ], b => '-x' }, title => 'T');
    my @got = @{ lines(exported($free)) };
    is_deeply [ $got[0], map { s/\A[^,]*,//r } @got[ 1, 2 ] ], [ 'id,title,_x,a,b', ',y,,1', q{T,,"[1,2]",'-x} ], 'without a schema what there is';
    my ($odd, $values) = (set_of('Odd'), { 'a"b' => 1, 'c\\d' => '}],"\\', "e\tf" => [ {}, '{"' ], g => { h => [ '}', [ 2, undef ] ] }, i => undef, j => '', k => -1.5 });
    record($odd, { x => 'y' });
    $db->do('UPDATE records SET field_values = ?::jsonb WHERE recordset_id = ?', undef, $json->encode($values), $odd);
    is_deeply $json->decode(exported($odd, format => 'json'))->[0], { id => $db->selectrow_array('SELECT id FROM records WHERE recordset_id = ?', undef, $odd), title => undef, %$values }, 'however keys and values are written';
};

subtest 'what is imported again is equal' => sub {
    my @types = (field('t', 'text'), field('l', 'long_text'), field('n', 'number'), field('p', 'phone'), field('d', 'date'), field('at', 'datetime'), field('b', 'boolean'), field('s', 'select', options => [ '=a', 'b', 'c, d' ]), field('m', 'multi_select', options => [ '[x', 'y;', '=z', 'w' ]), field('j', 'json'));
    my $from  = set_of('From', @types);
    srand 20_261_130;
    my @letters = (' ', ',', ';', '"', "'", '=', '+', '-', '@', "\t", "\r", "\n", '\\', '|', 'a', '0', '7', 'Ä', '€', "\x{1f6a2}");
    my $any     = sub ($n) { my $s = join '', map { $letters[ rand @letters ] } 1 .. 1 + int rand $n; $s };
    my @made;
    for my $i (1 .. 400) {
        my %v = (
            t => $any->(12), l => $any->(40), n => [ 0, -1, 1.5, -0.1 + -0.2, 123456789.25, 1e15, 9007199254740991, 0.000001, int(rand 1e9) / 1000 ]->[ rand 9 ], p => '+49 151 23456' . $i, d => sprintf('20%02d-%02d-%02d', rand 30, 1 + rand 12, 1 + rand 28),
            at => sprintf('2026-01-31T%02d:%02d:%02dZ', rand 24, rand 60, rand 60), b => rand > 0.5 ? true : false, s => [ '=a', 'b', 'c, d' ]->[ rand 3 ], m => [ [ '[x', 'w' ], ['y;'], [ '=z', 'y;', 'w' ] ]->[ rand 3 ], j => [ 'text', '5', 'null', 5, true, [ 1, '=x' ], { k => "'" } ]->[ rand 7 ],
        );
        delete @v{ grep { rand > 0.8 } sort keys %v };
        push @made, \%v;
    }
    while (my @some = splice @made, 0, 100) {
        my $res = $ann->post('/api/v1/records/batch', { recordset_id => $from, items => [ map { { op => 'create', field_values => $_ } } @some ] });
        status_is $res, 200 or diag $res->describe;
    }
    # Numbers in a workbook are doubles, which have no digits of their own.
    my $text = Cpanel::JSON::XS->new; # the database's connection gives characters
    my $all  = sub ($of) { return [ map { $text->decode($_) } @{ $db->selectcol_arrayref(q{SELECT field_values::text FROM records WHERE recordset_id = ? ORDER BY created_at, id}, undef, $of) } ] };
    my $had  = $all->($from);
    my @full = grep { %$_ } @$had;
    cmp_ok scalar @full, '>', 350;
    $db->do(q{INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry, is_given)
              SELECT tenant_id, organization_id, id, content_id, postgis.ST_SetSRID(postgis.ST_MakePoint(random() * 360 - 180, random() * 180 - 90), 4326), true
              FROM records WHERE recordset_id = ? AND random() < 0.7}, undef, $from);
    my $where = sub ($of) { return $db->selectcol_arrayref(q{SELECT coalesce(postgis.ST_AsText(g.geometry, 15), '') FROM records r LEFT JOIN record_geometries g ON g.record_id = r.id
                                                             WHERE r.recordset_id = ? AND (r.field_values <> '{}' OR g.record_id IS NOT NULL) ORDER BY r.created_at, r.id}, undef, $of) };
    my %type = (csv => 'text/csv', xlsx => 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', json => 'application/json', geojson => 'application/geo+json');
    for my $format (qw(csv xlsx json geojson)) {
        my $bytes = exported($from, format => $format, fields => [ map { $_->{key} } @types ]);
        my $mark  = 'x' x 30;
        my $file  = $ann->request(POST => "$jobs/upload", type => "multipart/form-data; boundary=$mark", raw => "--$mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"from.$format\"\r\nContent-Type: $type{$format}\r\n\r\n$bytes\r\n--$mark--\r\n");
        status_is $file, 200 or diag $file->describe;
        my $res = $ann->post($jobs, { file_uri => $file->json('/file_uri'), name => "From $format", schema => { fields => \@types }, field_mappings => { map { $_->{key} => $_->{key} } @types }, decimal => '.' });
        my $job = ended($res);
        is_deeply [ @$job{qw(status error_count)} ], [ 'completed', 0 ] or diag $json->encode($job->{validation_summary});
        is_deeply [ grep { %$_ } @{ $all->($res->json('/recordset_id')) } ], \@full, "$format: all of them, in their order";
        is_deeply $where->($res->json('/recordset_id')), $where->($from), 'and where they were' if $format eq 'geojson';
    }
};

subtest 'many, and one whose worker is killed' => sub {
    my $many = set_of('Many', field('n', 'number'), field('even', 'boolean'));
    my $rows = 6_000;
    for my $k (0 .. $rows / 1000 - 1) {
        status_is $ann->post('/api/v1/records/batch', { recordset_id => $many, items => [ map { { op => 'create', field_values => { n => $_, even => $_ % 2 ? false : true } } } map { $k * 1000 + $_ } 1 .. 1000 ] }), 200;
    }
    is exported($many, fields => ['n']), join('', map { "$_\r\n" } 'n', 1 .. $rows), 'each once, in the order in which they were made';
    is_deeply lines(exported($many, fields => ['n'], filters => { column_filters => { even => ['true'] }, numeric_filters => { n => { min => 4500 } } })), [ 'n', grep { !($_ % 2) } 4500 .. $rows ], 'some of both batches';

    my $other = $t->{cluster}->connect($t->{database});
    $other->begin_work;
    $other->do('LOCK TABLE record_geometries');
    my $id = $ann->post($url, { recordset_id => $many, fields => [ 'n', 'geometry' ] })->json('/job_id');
    eventually { $db->selectrow_array(q{SELECT count(*) FROM pg_locks WHERE relation = 'record_geometries'::regclass AND NOT granted}) } 30, 'it is under way';
    is_deeply [ @{ shown($id) }{qw(status download_url)} ], [ 'running', undef ], 'nothing is shown of it';
    $t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);
    kill 'KILL', $t->children('worker');
    $other->rollback;
    $other->disconnect;
    eventually { shown($id)->{status} eq 'completed' } 60, 'one whose worker was killed is made anew';
    cmp_ok $db->selectrow_array(q{SELECT j.attempts FROM jobs j JOIN record_runs r ON r.job_id = j.id WHERE r.id = ?}, undef, $id), '>', 1;
    is scalar @{ lines(file_of(shown($id))->body) }, $rows + 1, 'and whole';

    # One that was cancelled when its file was just there.
    my ($object) = $db->selectrow_array('SELECT object_id FROM record_runs WHERE id = ?', undef, $id);
    $db->do(q{UPDATE record_runs SET status = 'cancelled', progress = 50, object_id = NULL WHERE id = ?}, undef, $id);
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do('SELECT record_export_done(?, ?, 6000, ?, NULL)', undef, $w->id, $id, $object);
    $db->commit;
    is_deeply [ @{ shown($id) }{qw(status download_url)} ], [ 'cancelled', undef ];
    is $db->selectrow_array(q{SELECT count(*) FROM stored_objects WHERE id = ? AND state <> 'gone'}, undef, $object), 0, 'has no file';
};
