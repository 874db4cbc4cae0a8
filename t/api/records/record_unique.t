use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Unique fields: of the live records of a recordset no two have the same value of one.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';

my $w = workspace($t, ann => 'owner', bob => 'member');
my ($ann, $bob) = @$w{qw(ann bob)};

sub field ($key, $type, %with) { return { key => $key, type => $type, %with } }
sub recordset (@fields) { return $bob->post($sets, { name => 'Ships', schema => { fields => \@fields } })->json('/id') }
sub create ($set, %values) { return $bob->post($base, { recordset_id => $set, field_values => \%values }) }
sub is_made ($set, $name, %values) { my $res = create($set, %values); status_is $res, 201, $name; return $res->json('/id') }
sub is_taken ($res, $key, $name) { return error_is $res, 409, 'CONFLICT', field => "field_values.$key", name => $name }
sub keys_of ($set) { return scalar $db->selectrow_array('SELECT count(*) FROM record_keys k JOIN recordsets s ON s.content_id = k.content_id WHERE s.id = ?', undef, $set) }
sub reschema ($set, @fields) { return $bob->put("$sets/$set", { schema => { fields => \@fields } }) }

subtest 'which fields can be' => sub {
    for my $type (qw(text number currency percent date datetime email phone url select address latitude longitude member record)) {
        status_is $bob->post($sets, { name => 'x', schema => { fields => [ field('a', $type, unique => true, $type eq 'select' ? (options => ['x']) : ()) ] } }), 201, $type;
    }
    error_is $bob->post($sets, { name => 'x', schema => { fields => [ field('b', 'text'), field('a', $_, unique => true, /select/ ? (options => ['x']) : ()) ] } }), 422, 'VALIDATION_ERROR', field => 'schema.fields[1].unique', name => "not $_"
        for qw(long_text boolean multi_select geometry json);
    my $set = recordset(field('imo', 'text', unique => true), field('name', 'text', unique => false));
    my $fields = $bob->get("$sets/$set")->json('/schema/fields');
    is $fields->[0]{unique}, true, 'it is shown';
    ok !exists $fields->[1]{unique}, '  where it is so';
};

subtest 'what is the same' => sub {
    my $set = recordset(field('imo', 'text', unique => true), field('size', 'number', unique => true), field('built', 'date', unique => true), field('seen', 'datetime', unique => true), field('mail', 'email', unique => true), field('name', 'text'));
    my $id = is_made($set, 'the first', imo => 'A1', size => 7, built => '2024-05-01', seen => '2024-05-01T10:00:00Z', mail => 'Ann@Example.com', name => 'Ann');
    is_taken create($set, @{ $_->[1] }), $_->[0], "$_->[0] $_->[1][1]"
        for [ imo => [ imo => 'A1' ] ], [ size => [ size => 7.0 ] ], [ built => [ built => '2024-05-01' ] ], [ seen => [ seen => '2024-05-01T12:00:00+02:00' ] ], [ mail => [ mail => 'Ann@example.com' ] ];
    is_made($set, "other: @$_", @$_) for [ imo => 'a1' ], [ imo => 'A1 ' ], [ size => 7.5 ], [ built => '2024-05-02' ], [ seen => '2024-05-01T10:00:01Z' ], [ mail => 'bob@example.com' ], [ name => 'Ann' ];
    is_made($set, 'nothing is no value', %$_) for ({}, {}, { imo => '' }, { imo => '' }, { imo => undef });
    is $bob->get("$sets/$set")->json('/record_count'), 13, 'what is refused is not counted';
    my $other = recordset(field('imo', 'text', unique => true));
    is_made($other, 'another recordset is another one', imo => 'A1');
};

subtest 'changes' => sub {
    my $set = recordset(field('imo', 'text', unique => true), field('name', 'text'));
    my ($one, $two) = map { is_made($set, "the one with $_", imo => $_) } qw(1 2);
    is_taken $bob->put("$base/$two", { field_values => { imo => '1' } }), 'imo', 'to what another one has';
    is_taken $bob->put("/api/v1/crud/records/$two", { field_values => { imo => '1' } }), 'imo', '  or is replaced by it';
    is $bob->get("$base/$two")->json('/version'), 1, 'and nothing changes';
    status_is $bob->put("$base/$two", { field_values => { name => 'x', imo => '2' } }), 200, 'its own may stay';
    status_is $bob->put("$base/$one", { field_values => { imo => '3' } }), 200;
    status_is $bob->put("$base/$two", { field_values => { imo => '1' } }), 200, 'what is free may be had';
    my $history = $bob->get("$base/$one/history")->json('/1/id');
    is_taken $bob->post("$base/$one/history/$history/restore"), 'imo', 'an earlier version cannot come back';
    status_is $bob->put("$base/$two", { field_values => { imo => undef } }), 200;
    status_is $bob->post("$base/$one/history/$history/restore"), 200, '  until it is free';
    status_is $bob->delete("$base/$one"), 204;
    is_made($set, 'what is deleted has none', imo => '1');
    my @ids = map { is_made($set, "the one with $_", imo => $_) } qw(a b);
    status_is $bob->post("$base/bulk-delete", { record_ids => \@ids }), 200;
    is_made($set, '  nor many', imo => 'a');
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), 200;
    is_made($set, '  nor what was all', imo => 'a');
    status_is $bob->delete("$sets/$set"), 204;
    status_is $ann->post("$sets/trash/$set/restore"), 200;
    is_taken create($set, imo => 'a'), 'imo', 'what comes back from the trash has them still';
};

subtest 'a field becomes unique' => sub {
    my $set = recordset(field('imo', 'text'), field('size', 'number'));
    is_made($set, "number $_", imo => 'x' . $_ % 25, size => $_) for 0 .. 50;
    my $refused = reschema($set, field('size', 'number'), field('imo', 'text', unique => true));
    error_is $refused, 409, 'CONFLICT', field => 'schema.fields[1].unique', name => 'not what is there more than once';
    my $details = $refused->json('/error/details');
    is $details->{duplicate_count}, 25, 'how many values';
    is scalar @{ $details->{duplicates} }, 20, '20 of them';
    is_deeply [ map { [ $_->{value}, $_->{count}, scalar @{ $_->{record_ids} } ] } @{ $details->{duplicates} }[ 0, 1 ] ], [ [ 'x0', 3, 3 ], [ 'x1', 2, 2 ] ], 'the most first, and which they are';
    is $bob->get("$sets/$set")->json('/schema/fields/1/key'), 'size', 'nothing has changed';
    status_is reschema($set, field('imo', 'text'), field('size', 'number', unique => true)), 200, 'one that is so already';
    is keys_of($set), 51, '  with all there are';
    is_taken create($set, size => 50), 'size', '  is so for what was before';
    my $gone = is_made($set, 'another one', size => 51, imo => 'x51');
    status_is reschema($set, field('imo', 'text'), field('size', 'text', unique => true)), 200, 'as another type';
    is_taken create($set, size => '51'), 'size', '  it is compared as that';
    status_is reschema($set, field('imo', 'text')), 200, 'taken out of the schema';
    is_made($set, '  it is free', size => 51);
    is keys_of($set), 0, '  and has no keys';
    status_is $bob->delete("$base/$gone"), 204;
    status_is reschema($set, field('imo', 'text'), field('size', 'number', unique => true)), 200, 'what is deleted is no duplicate';
};

subtest 'at once' => sub {
    my $set  = recordset(field('imo', 'text', unique => true));
    my $lock = $t->lock('SELECT FROM recordsets WHERE id = ? FOR UPDATE', $set);
    my @load = map { $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->post($base, { recordset_id => $set, field_values => { imo => 'same' } }) }) } 1 .. 3;
    eventually { $t->waiting == 3 } 60, 'all wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '201 409 409', 'of those that race one has it';
    is $bob->get("$sets/$set")->json('/record_count'), 1;

    # Who writes by the schema before is waited for, however many come meanwhile, and what they have written counts.
    my $plain = recordset(field('imo', 'text'));
    my $open  = $t->lock('SELECT FROM recordsets WHERE id = ? FOR KEY SHARE', $plain);
    my $turn  = $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->put("$sets/$plain", { schema => { fields => [ field('imo', 'text', unique => true) ] } }) });
    eventually { $t->waiting == 1 } 60, 'it waits for who writes';
    is_made($plain, 'others write, too', imo => 'same') for 1, 2;
    $open->commit;
    is join(' ', map { $_->[0] } $turn->finish), '409', '  and what they wrote is in its way';
    is keys_of($plain), 0;
};

# Of more than 100,000 records the keys are a job's to write. That there are so many is only said here.
subtest 'in a large recordset' => sub {
    my @large = map { my $set = recordset(field('imo', 'text')); is_made($set, "record $_", imo => $_) for qw(a b); $set } 1, 2;
    $db->do('UPDATE recordset_counts SET count = count + 100000 WHERE recordset_id = ?', undef, $_) for @large;
    status_is reschema($_, field('imo', 'text', unique => true)), 200, 'it is to be so' for @large;
    is_made($large[0], 'until the job has come, a value may come twice', imo => 'a');
    error_is reschema(my $twice = do { my $set = recordset(field('imo', 'text')); is_made($set, 'there already', imo => 'x') for 1, 2; $db->do('UPDATE recordset_counts SET count = count + 100000 WHERE recordset_id = ?', undef, $set); $set }, field('imo', 'text', unique => true)), 409, 'CONFLICT',
        field => 'schema.fields[0].unique', name => 'what is there twice is refused at once';
    $t->start_worker(children => 1, queues => 'ashlar');
    eventually { keys_of($large[1]) == 2 } 60, 'the job writes the keys';
    is_taken create($large[1], imo => 'a'), 'imo', '  and then it is unique';
    eventually { !exists $bob->get("$sets/$large[0]")->json('/schema/fields/0')->{unique} } 60, 'a value that has come twice meanwhile takes it back';
    is keys_of($large[0]), 0;
    is_made($large[0], '  and it is as any field', imo => 'b');
    status_is reschema($large[1], field('imo', 'text')), 200;
    eventually { keys_of($large[1]) == 0 } 60, 'what is not unique any more is so by the job, too';
};
