# A field gets another type, and what is stored in it: what fits is converted, what does not stays and is listed, and one call takes it back.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

my $t    = Api->start(main => 3, slow => 1);
my $db   = $t->db;
my $jobs = '/api/v1/recordsets/import/jobs';
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});
$t->start_worker(children => 2);

sub recordset (@fields) { return $ann->post('/api/v1/recordsets', { name => 'Depths', schema => { fields => \@fields } })->json('/id') }
sub make ($set, @values) { return map { $ann->post('/api/v1/records', { recordset_id => $set, field_values => $_ })->json('/id') } @values }
sub convert ($who, $set, $key, %body) { return $who->post("/api/v1/recordsets/$set/fields/$key/convert", \%body) }
sub ended ($res) {
    status_is $res, 200, 'begun' or die "it has not begun\n";
    my $job;
    eventually { $job = $ann->get("$jobs/@{[ $res->json('/job_id') ]}")->json; $job->{status} =~ /completed|failed|cancelled/ } 60, 'it ends';
    return $job;
}
sub stored ($set, $key) { return [ map { $_ && $json->decode($_) } @{ $db->selectcol_arrayref('SELECT (field_values -> ?)::text FROM records WHERE recordset_id = ? AND deleted_at IS NULL ORDER BY id', undef, $key, $set) } ] }
sub type_of ($set, $key) { my ($f) = grep { $_->{key} eq $key } @{ $ann->get("/api/v1/recordsets/$set")->json('/schema/fields') }; return $f->{type} }
sub found ($set, %filter) { return [ sort map { $_->{field_values}{name} } @{ $ann->get('/api/v1/records', query => { recordset_id => $set, %filter })->json('/items') } ] }

subtest 'what is refused' => sub {
    my $set = recordset({ key => 'depth', type => 'text', unique => true }, { key => 'place', type => 'geometry' }, { key => 'kind', type => 'text', default => 'deep' });
    my %body = (type => 'number');
    error_is convert($t->nobody, $set, 'depth', %body), 401, 'AUTHENTICATION_ERROR';
    error_is convert($eve, $set, 'depth', %body), 404, 'NOT_FOUND', name => 'another workspace\'s';
    status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id('bob'), can_view => true, can_edit => true, can_delete => true }), 201;
    error_is convert($bob, $set, 'depth', %body), 403, 'AUTHORIZATION_ERROR', message => qr/can_admin/;
    error_is convert($ann, $set, 'width', %body), 404, 'NOT_FOUND', field => 'key';
    error_is convert($ann, $set, 'depth', @$_), 422, 'VALIDATION_ERROR', field => 'type', name => "@$_" for [], [ type => 'geometry' ], [ type => 'words' ], [ type => 'text' ], [ type => 'json' ];
    error_is convert($ann, $set, 'place', type => 'json'), 422, 'VALIDATION_ERROR', field => 'type', message => qr/geometry/;
    error_is convert($ann, $set, 'kind', %body), 422, 'VALIDATION_ERROR', field => 'type', message => qr/default/;
    error_is convert($ann, $set, 'depth', type => 'select'), 422, 'VALIDATION_ERROR', field => 'options';
    error_is convert($ann, $set, 'depth', %body, options => ['a']), 422, 'VALIDATION_ERROR', field => 'options';
    error_is convert($ann, $set, 'depth', %body, decimal => ';'), 422, 'VALIDATION_ERROR', field => 'decimal';
    make($set, { depth => '1.0' }, { depth => '1' });
    error_is convert($ann, $set, 'depth', %body), 409, 'CONFLICT', message => qr/unique/, name => 'two values that would be one';
    is type_of($set, 'depth'), 'text', 'nothing of it is kept';
    $db->do('UPDATE recordsets SET is_entity = true WHERE id = ?', undef, $set);
    error_is convert($ann, $set, 'depth', %body), 409, 'CONFLICT', message => qr/entity/;
};

subtest 'tried, done and undone' => sub {
    my $set = recordset({ key => 'name', type => 'text' }, { key => 'depth', type => 'text', description => 'in metres' }, { key => 'more', type => 'number' });
    my @ids = make($set, map { { name => $_->[0], depth => $_->[1] } } [ a => '5' ], [ b => '1,5' ], [ c => 'deep' ], [ d => '007' ], [ e => '10' ], [ f => ' 7 ' ]);
    make($set, { name => 'g' }, { name => 'h', depth => '9' });
    my $view = $ann->post("/api/v1/recordsets/$set/views", { name => 'By depth', config => { sort_by => 'depth', column_filters => { depth => '5' } } });
    status_is $view, 201;
    my $was = stored($set, 'depth');
    my $facts = sub { return $db->selectrow_array(q{SELECT concat_ws(' ', (SELECT count(*) FROM activities WHERE event LIKE 'record.%'), (SELECT count(*) FROM audit_events), (SELECT schema_version FROM recordsets WHERE id = ?))}, undef, $set) };
    my $before = $facts->();
    my $tried = ended(convert($ann, $set, 'depth', type => 'number', decimal => ',', dry_run => true));
    is_deeply [ @$tried{qw(job_type status dry_run success_count error_count)} ], [ 'convert', 'completed', true, 5, 2 ];
    my $misfits = [ map { { record_id => $_->[0], value => $_->[1], reason => 'it must be a number of at most 15 digits, and no zeros in front' } } [ $ids[2], 'deep' ], [ $ids[3], '007' ] ];
    my $summary = { total_rows => 7, valid_rows => 5, invalid_rows => 2, errors_by_field => { depth => 2 }, sample_errors => [], converted_records => 5, kept => [ reverse @$misfits ] };
    is_deeply $tried->{validation_summary}, $summary;
    is $facts->(), $before, 'nothing has happened';
    is type_of($set, 'depth'), 'text';
    error_is $ann->post("$jobs/$tried->{job_id}/undo"), 409, 'CONFLICT', message => qr/only tried/;

    my $old_version = $ann->get("/api/v1/records/$ids[0]")->json('/version');
    my $res = convert($ann, $set, 'depth', type => 'number', decimal => ',');
    is type_of($set, 'depth'), 'number', 'the schema has it at once';
    error_is $ann->post('/api/v1/records', { recordset_id => $set, field_values => { depth => 'x' } }), 422, 'VALIDATION_ERROR', field => 'field_values.depth', name => '  for writes to come';
    my $done = ended($res);
    is_deeply $done->{validation_summary}, $summary, 'what was said is what has come';
    is_deeply stored($set, 'depth'), [ 5, 1.5, 'deep', '007', 10, 7, undef, 9 ], 'the others stay as they were';
    like $t->nobody->get($done->{report_download_url} =~ s{\Ahttps://[^/]+}{}r)->body, qr/\Arecord_id,value,reason\r\n$ids[3],007,/, 'and are in a file';
    eventually { $db->selectrow_array('SELECT slots = slots_filled FROM recordsets WHERE id = ?', undef, $set) } 60, 'slots are filled';
    is_deeply found($set, numeric_filters => '{"depth":{"min":5,"max":9}}'), [qw(a d f h)], 'filters see numbers, of texts those that are one';
    is $ann->get("/api/v1/records/$ids[0]")->json('/version'), $old_version, 'no version is made';
    is $ann->get("/api/v1/recordsets/$set/views")->json('/0/config/sort_by'), 'depth', 'views stay';
    is_deeply $db->selectrow_arrayref(q{SELECT description FROM activities WHERE event = 'record.field_converted'}), ['Field of Depths converted: 5'];
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'recordset.update' AND resource_id = ?}, undef, $set), 1, 'the schema is audited';
    my $field = (grep { $_->{key} eq 'depth' } @{ $ann->get("/api/v1/recordsets/$set")->json('/schema/fields') })[0];
    is $field->{description}, 'in metres', 'all else of the field stays';

    status_is $ann->put("/api/v1/records/$ids[0]", { field_values => { depth => 6 } }), 200;
    status_is $ann->delete("/api/v1/records/$ids[4]"), 204;
    make($set, { name => 'new', depth => 77 });
    error_is $ann->post("$jobs/$done->{job_id}/undo"), 403, 'AUTHORIZATION_ERROR' for ();
    my $undone = ended($ann->post("$jobs/$done->{job_id}/undo"));
    is_deeply [ @{ $undone->{validation_summary} }{qw(restored_records deleted_records invalid_rows)} ], [ 3, 0, 2 ];
    is_deeply [ map { $_->{reason} } sort { $a->{record_id} cmp $b->{record_id} } @{ $undone->{validation_summary}{kept} } ], [ 'it was changed since', 'it is no more' ];
    is type_of($set, 'depth'), 'text';
    is_deeply stored($set, 'depth'), [ 6, '1,5', 'deep', '007', ' 7 ', undef, '9', 77 ], 'what it was; what was written since stays';
    error_is $ann->post("$jobs/$done->{job_id}/undo"), 409, 'CONFLICT', message => qr/undone already/;
};

subtest 'one at a time, and not over another change' => sub {
    my $set = recordset({ key => 'depth', type => 'text' });
    make($set, { depth => '5' });
    $t->{pool}{worker}->stop('TERM', 15);
    my $job = convert($ann, $set, 'depth', type => 'number')->json('/job_id');
    error_is convert($ann, $set, 'depth', type => 'text'), 409, 'CONFLICT', message => qr/wait for that/;
    status_is $ann->post("$jobs/$job/cancel"), 200;
    my $undo = $ann->post("$jobs/$job/undo");
    status_is $undo, 200, 'one that was cancelled can be undone';
    $t->start_worker(children => 2);
    ended($undo);
    is type_of($set, 'depth'), 'text';
    $job = ended(convert($ann, $set, 'depth', type => 'number'))->{job_id};
    status_is $ann->put("/api/v1/recordsets/$set", { schema => { fields => [ { key => 'depth', type => 'currency' } ] } }), 200;
    error_is $ann->post("$jobs/$job/undo"), 409, 'CONFLICT', message => qr/changed since/;
};

subtest 'unique fields, and each type' => sub {
    my $set = recordset({ key => 'nr', type => 'text', unique => true });
    my @ids = make($set, map { { nr => $_ } } '1,5', '2', '1.5x');
    my $job = ended(convert($ann, $set, 'nr', type => 'number', decimal => ','));
    is_deeply stored($set, 'nr'), [ 1.5, 2, '1.5x' ];
    error_is $ann->post('/api/v1/records', { recordset_id => $set, field_values => { nr => 1.5 } }), 409, 'CONFLICT', field => 'field_values.nr', name => 'a converted value is taken';
    is $db->selectrow_array(q{SELECT count(*) FROM record_keys k JOIN records r ON r.id = k.record_id WHERE r.recordset_id = ?}, undef, $set), 2;

    for my $case (
        [ number       => text         => [ 5, 1.5 ],                     [ '5', '1.5' ] ],
        [ boolean      => text         => [ true, false ],                [ 'true', 'false' ] ],
        [ text         => boolean      => [ 'yes', 'No', 'perhaps' ],     [ true, false, 'perhaps' ] ],
        [ text         => date         => [ '31.1.2026', '2026-02-01', '01/02/2026' ], [ '2026-01-31', '2026-02-01', '01/02/2026' ] ],
        [ text         => date         => ['01/02/2026'],                 ['2026-02-01'], date_format => 'dmy' ],
        [ date         => datetime     => ['2026-01-31'],                 ['2026-01-31T00:00:00Z'] ],
        [ text         => email        => [ 'Ann@Example.com', 'ann' ],   [ 'ann@example.com', 'ann' ] ],
        [ text         => select       => [ 'sand', ' mud', 'rock' ],     [ 'sand', 'mud', 'rock' ], options => [ 'sand', 'mud' ] ],
        [ text         => multi_select => [ 'sand; mud', 'mud', 'x,y' ],  [ [ 'sand', 'mud' ], ['mud'], 'x,y' ], options => [ 'sand', 'mud' ] ],
        [ json         => text         => [ [ 'a', 'b' ], { c => 1 } ],   [ 'a; b', '{"c":1}' ] ],
        [ number       => currency     => [5],                            [5] ],
        [ number       => latitude     => [ 50, 91 ],                     [ 50, 91 ] ],
    ) {
        my ($from, $to, $values, $is, %with) = @$case;
        my $one = recordset({ key => 'v', type => $from });
        make($one, map { { v => $_ } } @$values);
        ended(convert($ann, $one, 'v', type => $to, %with));
        is_deeply stored($one, 'v'), $is, "$from becomes $to" or diag $json->encode(stored($one, 'v'));
    }
};

subtest 'a write by the schema before is waited for' => sub {
    my $set = recordset({ key => 'depth', type => 'text' });
    my ($id) = make($set, { depth => '5' });
    my $lock = $t->lock('SELECT FROM records WHERE id = ? FOR UPDATE', $id);
    my $res  = convert($ann, $set, 'depth', type => 'number');
    eventually { $t->waiting } 60, 'the job waits for who has the record';
    $lock->do(q{UPDATE records SET field_values = '{"depth": "8"}' WHERE id = ?}, undef, $id);
    $lock->commit;
    my $job = ended($res);
    is $job->{status}, 'completed';
    is_deeply stored($set, 'depth'), ['8'], 'what somebody has written meanwhile is theirs';
};
