use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Many records at once: each has a result of its own, and all rules of one that is written by itself.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $eve) = (@$w{qw(ann bob carl dora)}, $x->{eve});

my @fields = ({ key => 'imo', type => 'text', unique => true }, { key => 'name', type => 'text', required => true }, { key => 'size', type => 'number' }, { key => 'flag', type => 'select', options => [qw(red blue)], default => 'red' });
sub recordset (%with) { return $bob->post($sets, { name => 'Ships', schema => { fields => \@fields, title_field => 'name' }, %with })->json('/id') }
my $set = recordset();

sub batch ($who, $items, %arg) { return $who->post("$base/batch", { recordset_id => $set, items => $items, %arg }) }
sub create (%values) { return { field_values => { name => 'x', %values } } }
sub counts ($res) { return join ' ', map { $res->json("/${_}_count") } qw(created updated unchanged failed) }
sub results ($res) { return [ map { $_->{error} ? "$_->{error}{code} " . ($_->{error}{field} // '-') : "$_->{result} $_->{version}" } @{ $res->json('/results') } ] }
sub get ($id) { return $ann->get("$base/$id")->json }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }

subtest 'what is refused as a whole' => sub {
    error_is batch($eve, [ create() ]), 404, 'NOT_FOUND', name => 'another workspace\'s';
    error_is batch($carl, [ create() ]), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
    error_is batch($bob, [ create() ], recordset_id => $none), 404, 'NOT_FOUND', id => $none;
    error_is $bob->post("$base/batch", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ recordset_id => { items => [ create() ] } ], [ items => { recordset_id => $set } ], [ items => { recordset_id => $set, items => [] } ], [ items => { recordset_id => $set, items => [ (create()) x 1001 ] } ],
            [ 'items[1].op' => { recordset_id => $set, items => [ create(), { op => 'delete' } ] } ], [ 'items[0].field_values' => { recordset_id => $set, items => [ { field_values => [] } ] } ], [ 'items[0].title' => { recordset_id => $set, items => [ { title => 'x' x 501 } ] } ],
            [ 'items[0].status' => { recordset_id => $set, items => [ { status => 'deleted' } ] } ], [ 'items[0].record_id' => { recordset_id => $set, items => [ { op => 'update', record_id => 'x' } ] } ],
            [ match_by => { recordset_id => $set, items => [ { op => 'upsert', field_values => { imo => 1 } } ] } ], [ match_by => { recordset_id => $set, match_by => 'name', items => [ create() ] } ], [ match_by => { recordset_id => $set, match_by => 'nothing', items => [ create() ] } ];
    my $virtual = recordset();
    $db->do(q{UPDATE recordsets SET is_virtual = true WHERE id = ?}, undef, $virtual);
    error_is batch($bob, [ create() ], recordset_id => $virtual), 409, 'CONFLICT';
    is $bob->get("$sets/$set")->json('/record_count'), 0, 'nothing of it is kept';
};

subtest 'create, change, and what is wrong' => sub {
    my $res = batch($bob, [ { field_values => { name => 'Ann', imo => '1' }, tags => ['a'], tool_statuses => { survey => 'queued' }, status => 'draft' }, { op => 'create', title => 'Called', field_values => { name => 'Bob', imo => '2', flag => 'blue' } }, { field_values => { size => 'big', flag => 'green' } }, { field_values => {} }, { field_values => { name => 'x', imo => '1' } }, { op => 'create', record_id => $none }, {} ]);
    status_is $res, 200;
    is counts($res), '2 0 0 5';
    is_deeply results($res), [ 'created 1', 'created 1', $res->json('/results/2/error/code') . ' ' . $res->json('/results/2/error/field'), 'VALIDATION_ERROR field_values.name', 'CONFLICT field_values.imo', 'VALIDATION_ERROR record_id', 'VALIDATION_ERROR field_values.name' ], 'each by itself';
    is_deeply [ map { $_->{index} } @{ $res->json('/results') } ], [ 0 .. 6 ];
    is $res->json('/results/2/error/code'), 'VALIDATION_ERROR';
    is_deeply [ sort map { $_->{field} } @{ $res->json('/results/2/error/fields') } ], [ 'field_values.flag', 'field_values.name', 'field_values.size' ], 'all that does not fit';
    my ($one, $two) = map { $res->json("/results/$_/record_id") } 0, 1;
    is $res->json('/results/2/record_id'), undef;
    my $got = get($one);
    is_deeply [ @$got{qw(title status tags tool_statuses field_values version)} ], [ 'Ann', 'draft', ['a'], { survey => 'queued' }, { name => 'Ann', imo => '1', flag => 'red' }, 1 ], 'as one that is made alone';
    is $got->{owner_id}, $w->member_id('bob');
    is_deeply [ @{ get($two) }{qw(title field_values)} ], [ 'Called', { name => 'Bob', imo => '2', flag => 'blue' } ];
    is $bob->get("$sets/$set")->json('/record_count'), 2;
    is $bob->get($base, query => { recordset_id => $set, column_filters => '{"imo":{"op":"eq","value":"2"}}' })->json('/items/0/id'), $two, 'filters find it';

    $res = batch($bob, [ { op => 'update', record_id => $one, field_values => { size => 3, flag => undef }, expected_version => 1 }, { op => 'update', record_id => $two, title => 'Called' }, { op => 'update', record_id => $one, title => 'twice' }, { op => 'update', record_id => $none }, { op => 'update' },
        { op => 'update', record_id => made(), field_values => { name => undef } }, { op => 'update', record_id => made(), expected_version => 2 }, { op => 'update', record_id => made(), owner_id => $none }, { op => 'update', record_id => made(), field_values => { imo => '2' } }, { field_values => { name => 'x' }, owner_id => $x->member_id('eve') },
        { op => 'update', record_id => made(), tool_statuses => { 'No tool' => 'x' } } ]);
    is counts($res), '0 1 1 9';
    is_deeply results($res), [ 'updated 2', 'unchanged 1', 'CONFLICT record_id', 'NOT_FOUND -', 'VALIDATION_ERROR record_id', 'VALIDATION_ERROR field_values.name', 'CONFLICT expected_version', 'VALIDATION_ERROR owner_id', 'CONFLICT field_values.imo', 'VALIDATION_ERROR owner_id', 'VALIDATION_ERROR tool_statuses' ];
    is_deeply [ @{ get($one) }{qw(field_values version tags status)} ], [ { name => 'Ann', imo => '1', size => 3 }, 2, ['a'], 'draft' ], 'values are merged, and null takes one away';
    is_deeply [ map { [ @$_{qw(version change_type changed_fields)} ] } @{ $bob->get("$base/$one/history")->json } ], [ [ 2, 'updated', [qw(flag size)] ], [ 1, 'created', [qw(flag imo name)] ] ], 'with a version';
    is $res->json('/results/0/record_id'), $one;
};

sub made (%values) { return $bob->post($base, { recordset_id => $set, field_values => { name => 'x', %values } })->json('/id') }

subtest 'upsert' => sub {
    my $id  = made(imo => 'up', size => 1);
    my @ask = ({ op => 'upsert', field_values => { imo => 'up', size => 2 } }, { op => 'upsert', field_values => { imo => 'new', name => 'New' } }, { op => 'upsert', field_values => { imo => 'new', name => 'Again' } }, { op => 'upsert', field_values => { imo => 'bare' } }, { op => 'upsert', field_values => { name => 'no key' } }, { op => 'upsert', field_values => { imo => undef, name => 'x' } },
        { op => 'upsert', field_values => { imo => 'up', name => undef } });
    my $res = batch($bob, \@ask, match_by => 'imo');
    is_deeply results($res), [ 'updated 2', 'created 1', 'CONFLICT field_values.imo', 'VALIDATION_ERROR field_values.name', 'VALIDATION_ERROR field_values.imo', 'VALIDATION_ERROR field_values.imo', 'VALIDATION_ERROR field_values.name' ];
    is $res->json('/results/0/record_id'), $id, 'the one that has the key';
    is_deeply get($id)->{field_values}, { imo => 'up', size => 2, name => 'x', flag => 'red' }, '  changed, and given no default';
    is_deeply get($res->json('/results/1/record_id'))->{field_values}, { imo => 'new', name => 'New', flag => 'red' }, 'or a new one, with defaults';
    is_deeply results(batch($bob, [ @ask[ 0, 1 ] ], match_by => 'imo')), [ 'unchanged 2', 'unchanged 1' ], 'twice is once';
    status_is $bob->delete("$base/$id"), 204;
    is_deeply results(batch($bob, [ { op => 'upsert', field_values => { imo => 'up', name => 'y' } } ], match_by => 'imo')), ['created 1'], 'one that is deleted is none';
};

subtest 'who may' => sub {
    my ($id, $carls) = (made(), made());
    status_is $bob->put("$base/$carls", { owner_id => $w->member_id('carl') }), 200;
    my $ask = sub { results(batch($carl, [ create(), map { { op => 'update', record_id => $_, title => 'by carl ' . rand } } $id, $carls ])) };
    share(carl => 'can_view');
    is_deeply $ask->(), [ ('AUTHORIZATION_ERROR -') x 3 ];
    share(carl => 'can_create');
    is_deeply $ask->(), [ 'created 1', ('AUTHORIZATION_ERROR -') x 2 ];
    share(carl => 'can_edit_own');
    is_deeply $ask->(), [ 'AUTHORIZATION_ERROR -', 'AUTHORIZATION_ERROR -', 'updated 3' ];
    share(carl => 'can_edit');
    is_deeply $ask->(), [ 'AUTHORIZATION_ERROR -', 'updated 2', 'updated 4' ];
    my $hid = $ann->post($sets, { name => 'Hidden' })->json('/id');
    my $foreign = $ann->post($base, { recordset_id => $hid })->json('/id');
    is_deeply results(batch($bob, [ map { { op => 'update', record_id => $_, title => 'x' } } $foreign, $eve->post($base, { recordset_id => $eve->post($sets, { name => 'Theirs' })->json('/id') })->json('/id') ])), [ ('NOT_FOUND -') x 2 ], 'what is in another recordset is not there';
};

subtest 'many' => sub {
    my $all = recordset();
    my $res = batch($bob, [ map { create(imo => "m$_", size => $_) } 1 .. 1000 ], recordset_id => $all);
    is counts($res), '1000 0 0 0', 'a thousand';
    my @ids = map { $_->{record_id} } @{ $res->json('/results') };
    is_deeply [ map { get($ids[ $_ - 1 ])->{field_values}{size} } 1, 500, 1000 ], [ 1, 500, 1000 ], '  in their order';
    is $bob->get("$sets/$all")->json('/record_count'), 1000;
    is counts(batch($bob, [ map { { op => 'upsert', field_values => { imo => "m$_", size => -$_ } } } 1 .. 1000 ], recordset_id => $all, match_by => 'imo')), '0 1000 0 0', '  and again';
    is $db->selectrow_array('SELECT count(*) FROM record_versions v JOIN records r ON r.id = v.record_id WHERE r.recordset_id = ?', undef, $all), 1000;
};

subtest 'what is told' => sub {
    my $told = sub ($name) { join ' ', map { "$_->{event_type}:" . ($_->{title} // '') } @{ $db->selectall_arrayref('SELECT event_type, data ->> ? AS title FROM notifications WHERE member_id = ? ORDER BY created_at, id', { Slice => {} }, 'title', $w->member_id($name)) } };
    my $events = sub { map { [ @$_{qw(event description)} ] } @{ $bob->get('/api/v1/activity/feed')->json('/activities') } };
    my $before = () = $events->();
    share(dora => 'can_view');
    batch($bob, [ map { { field_values => { name => "d$_" }, owner_id => $w->member_id('dora') } } 1 .. 3 ]);
    is $told->('dora'), 'recordset_shared: record_assigned:d1 +2', 'whose they are is told once' or diag $told->('dora');
    is_deeply [ ($events->())[0] ], [ [ 'record.bulk_written', 'Records written to Ships: 3' ] ], 'they are one activity';
    batch($bob, [ create(name => 'Single') ]);
    is_deeply [ ($events->())[0] ], [ [ 'record.created', 'Record created: Single' ] ], 'one is told as one';
    my $id = made();
    batch($bob, [ { op => 'update', record_id => $id, title => 'Named' } ]);
    is_deeply [ ($events->())[0] ], [ [ 'record.updated', 'Record changed: Named' ] ];
    my $last = ($events->())[0];
    batch($bob, [ { op => 'update', record_id => $id, title => 'Named' } ]);
    is_deeply [ ($events->())[0] ], [$last], 'nothing is not';
};

subtest 'Idempotency-Key' => sub {
    my %key   = (headers => { 'Idempotency-Key' => 'batch-1' });
    my $items = [ create(imo => 'idem'), create() ];
    my ($one, $two) = map { $bob->post("$base/batch", { recordset_id => $set, items => $items }, %key) } 1, 2;
    status_is $two, 200;
    is_deeply $two->json, $one->json, 'the answer is the first one\'s';
    is counts($one), '2 0 0 0';
};

subtest 'at once' => sub {
    my $own  = recordset();
    my $lock = $t->lock('SELECT FROM recordsets WHERE id = ? FOR UPDATE', $own);
    my @all  = map { create(imo => "r$_") } 1 .. 50;
    my @load = map { my @items = @$_; $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->post("$base/batch", { recordset_id => $own, items => \@items }) }) } \@all, [ reverse @all ];
    eventually { $t->waiting == 2 } 60, 'both wait';
    $lock->commit;
    is join(' ', map { $_->[0] } map { $_->finish } @load), '200 200';
    is $bob->get("$sets/$own")->json('/record_count'), 50, 'each key is once';
    is $db->selectrow_array('SELECT count(*) FROM record_keys k JOIN recordsets s USING (content_id) WHERE s.id = ?', undef, $own), 50;
};

subtest 'a schema that changes while a batch is under way' => sub {
    my $own    = recordset();
    my $change = sub ($type) { $db->do(q{UPDATE recordsets SET fields = jsonb_set(fields, '{2,type}', ?), schema_version = schema_version + 1 WHERE id = ?}, undef, qq("$type"), $own) };
    $db->begin_work;
    $db->do('SELECT FROM recordsets WHERE id = ? FOR UPDATE', undef, $own);
    $change->('text');
    my $load = $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id }) },
        each => sub ($c, $n) { $c->post("$base/batch", { recordset_id => $own, items => [ create(size => 4711), create(size => 'large') ] }) });
    eventually { $t->waiting } 60, 'it waits for who changes the schema';
    $db->commit;
    is join(' ', map { $_->[0] } $load->finish), '200';
    is_deeply $db->selectcol_arrayref(q{SELECT field_values ->> 'size' FROM records WHERE recordset_id = ?}, undef, $own), ['large'], 'each value fits the schema that holds by now';
};

subtest 'where they are' => sub {
    my $at  = sub ($lng, $lat) { return { type => 'Point', coordinates => [ $lng, $lat ] } };
    my $bow = { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 2 ], [ 2, 0 ], [ 0, 2 ], [ 0, 0 ] ] ] };
    my $res = batch($bob, [ { %{ create(imo => 'g1') }, geometry => $at->(18, 59) }, { %{ create(imo => 'g2') }, geometry => $bow }, { %{ create(imo => 'g3') }, geometry => $at->(181, 0) }, create(imo => 'g4') ]);
    is_deeply results($res), [ 'created 1', 'VALIDATION_ERROR geometry', 'VALIDATION_ERROR geometry.coordinates', 'created 1' ], 'each is checked by itself';
    is $res->json('/results/1/error/message'), 'geometry is not valid: self-intersection at longitude 1, latitude 1', 'with the reason, and where';
    my ($one, $four) = map { $res->json("/results/$_/record_id") } 0, 3;
    is_deeply get($one)->{geometry}, $at->(18, 59);
    is get($four)->{geometry}, undef;
    $res = batch($bob, [ { op => 'update', record_id => $one, geometry => $at->(18, 59) }, { op => 'upsert', field_values => { imo => 'g4', name => 'x' }, geometry => $at->(1, 2) } ], match_by => 'imo');
    is_deeply results($res), [ 'unchanged 1', 'updated 2' ], 'another place is another version';
    is_deeply get($four)->{geometry}, $at->(1, 2);
    $res = batch($bob, [ { op => 'update', record_id => $one, title => 'Named' }, { op => 'update', record_id => $four, geometry => undef }, { op => 'upsert', field_values => { imo => 'g5', name => 'x' }, geometry => $at->(3, 4) },
                         { op => 'upsert', field_values => { imo => 'g6', name => 'x' }, geometry => $bow } ], match_by => 'imo');
    is_deeply results($res), [ 'updated 2', 'updated 3', 'created 1', 'VALIDATION_ERROR geometry' ];
    is_deeply [ map { get($_)->{geometry} } $one, $four, $res->json('/results/2/record_id') ], [ $at->(18, 59), undef, $at->(3, 4) ], 'it stays unless it is sent, and null takes it away';
    error_is batch($bob, [ { %{ create() }, geometry => 'POINT(1 2)' } ]), 422, 'VALIDATION_ERROR', field => 'items[0].geometry';
};
