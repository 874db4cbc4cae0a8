use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# Entity records of the platform surface: what data may be, who made and changed it, what is gone when it is deleted.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/entity/records';
my $at   = '/api/v1/entity/schemas';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'viewer');
my $x = workspace($t, eve => 'owner');
my $key = $t->key;
my $page = 'https://app.example.com';
my $public = $t->key(type => 'public', origins => [$page]);
sub in_organization ($who, $id = $w->id) { return $who->with(key => $key, headers => { 'X-Organization-Id' => $id }) }
my ($ann, $bob) = map { in_organization($w->{$_}) } qw(ann bob);
my $eve = in_organization($x->{eve}, $x->id);

my %FIELDS = (
    label => { type => 'string', required => true, min_length => 2, max_length => 5, pattern => '^[A-Z]' }, size => { type => 'integer', min => 1, max => 9 }, price => { type => 'float' }, open => { type => 'boolean' }, at => { type => 'datetime' },
    note  => { type => 'text' }, state => { type => 'enum', options => [ 'free', 'taken' ], default => 'free' }, mail => { type => 'email' }, site => { type => 'url' }, tel => { type => 'phone' },
);
my $schema = $ann->post($at, { name => 'Berths', slug => 'berths', fields_definition => \%FIELDS })->json('/id');
my $free   = $ann->post($at, { name => 'Free',   slug => 'free',   fields_definition => {} })->json('/id');

sub create ($data, $who = $ann, $of = $schema) { return $who->post($base, { schema_id => $of, data => $data }) }
sub made   (@with) { my $res = create(@with); status_is $res, 201; return $res->json }
sub usage () { return $ann->get('/api/v1/api/usage/entity-usage', query => { organization_id => $w->id })->json }
sub fields_of ($res) { return join ' ', sort map { $_->{field} } @{ $res->json('/error/details/fields') } }

subtest 'a key, public or secret, with the token of a member' => sub {
    for my $ask ([ POST => '', { schema_id => $schema, data => { label => 'A1' } } ], [ GET => "/$none" ], [ PUT => "/$none", { data => {} } ], [ DELETE => "/$none" ]) {
        my ($method, $path, $body) = @$ask;
        my $try = sub ($who) { return $who->request($method, "$base$path", $body ? (json => $body) : ()) };
        error_is $try->($ann->with(key => undef)),   401, 'INVALID_API_KEY',      name => "$method $path: no key";
        error_is $try->($ann->with(token => undef)), 401, 'AUTHENTICATION_ERROR', name => '  no token';
        error_is $try->($ann->with(key => $public, origin => 'https://evil.example')), 403, 'ORIGIN_NOT_ALLOWED';
        error_is $try->($ann->with(headers => {})), 400, 'BAD_REQUEST', field => 'X-Organization-Id', name => '  no organization';
        error_is $try->(in_organization($w->{ann}, 'x')), 400, 'BAD_REQUEST', field => 'X-Organization-Id';
        error_is $try->(in_organization($w->{ann}, $x->id)), 403, 'AUTHORIZATION_ERROR', name => '  another one\'s';
        error_is $try->($ann), 404, 'NOT_FOUND', resource => 'Entity record', id => $none if $path;
    }
    is_deeply usage(), { schemas_count => 2, records_count => 0, records_by_schema => [ { schema_id => $schema, slug => 'berths', records_count => 0 }, { schema_id => $free, slug => 'free', records_count => 0 } ] }, 'nothing was made';
    my $in_page = $bob->with(key => $public, origin => $page);
    my $id = made({ label => 'A1' }, $in_page)->{id};
    status_is $in_page->get("$base/$id"), 200, 'a page reads';
    status_is $in_page->put("$base/$id", { data => { label => 'A2' } }), 200, '  changes';
    status_is $in_page->delete("$base/$id"), 200, '  and deletes, whatever the role';
};

my $first;
subtest 'create' => sub {
    error_is create({}, $ann, $none), 404, 'NOT_FOUND', field => 'schema_id', name => 'no such schema';
    error_is create({ label => 'A1' }, $eve), 404, 'NOT_FOUND', field => 'schema_id', name => 'none of this organization';
    error_is create({}, $ann, $w->{ann}->post('/api/v1/recordsets', { name => 'Plain' })->json('/id')), 404, 'NOT_FOUND', field => 'schema_id', name => 'a recordset is none';
    error_is $ann->post($base, { schema_id => $schema, data => $_ }), 422, 'VALIDATION_ERROR', field => 'data', name => 'data is an object' for [], 'x', undef;
    error_is $ann->post($base, { schema_id => 'x', data => {} }), 422, 'VALIDATION_ERROR', field => 'schema_id';
    my %bad = (label => [ 1, 'A', 'ABCDEF', 'ab', undef ], size => [ 0, 10, 1.5, '1' ], price => ['1'], open => [ 1, 'true' ], at => [ '2026-02-30T00:00:00Z', '2026-01-01T00:00:00', 1 ], note => [1], state => [ 'x', 1 ], mail => ['ann'],
        site => [ 'example', 'javascript:1' ], tel => [ 'call me', '12', 1 ]);
    for my $name (sort keys %bad) {
        error_is create({ label => 'A1', $name => $_ }), 422, 'VALIDATION_ERROR', field => "data.$name", name => "$name is not " . $json->encode($_) for @{ $bad{$name} };
    }
    my $res = create({ size => 0, price => 'x', more => 1, state => 'x' });
    error_is $res, 422, 'VALIDATION_ERROR', field => qr/\Adata[.]/;
    is fields_of($res), 'data.label data.more data.price data.size data.state', 'all that do not fit are named, and what the schema does not define';
    error_is create({ label => 'A1', note => 'x' x 100001 }), 422, 'VALIDATION_ERROR', field => 'data.note';
    is usage()->{records_count}, 0, 'none of these';

    $first = made({ label => 'A1' });
    is_deeply { %$first, map { $_ => '' } qw(id created_at updated_at) }, {
        id => '', tenant_id => $w->{ann}->tenant_id, organization_id => $w->id, schema_id => $schema, schema_version => 1, data => { label => 'A1', state => 'free' }, created_by_id => $w->{ann}->uuid, updated_by_id => undef,
        created_at => '', updated_at => '',
    }, 'with its default, and who made it';
    like $first->{created_at}, qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;
    json_is $bob->get("$base/$first->{id}"), '', $first, 'everybody in the organization reads it';
    error_is $eve->get("$base/$first->{id}"), 404, 'NOT_FOUND', resource => 'Entity record', id => $first->{id};
    my %all = (label => 'ABCDE', size => 9, price => -1.5, open => false, at => '2026-01-31T10:00:00Z', note => "x\ny", state => 'taken', mail => 'ann@example.com', site => 'https://example.com/', tel => '+34 (600) 000-000');
    is_deeply made(\%all)->{data}, \%all, 'each type';
    is_deeply made({ label => 'A1', size => undef, state => undef })->{data}, { label => 'A1' }, 'null is no value';
    is_deeply made({}, $ann, $free)->{data}, {};
    error_is create({ a => 1 }, $ann, $free), 422, 'VALIDATION_ERROR', field => 'data.a', name => 'a schema without fields has none';
    is_deeply { map { $_->{slug} => $_->{records_count} } @{ usage()->{records_by_schema} } }, { berths => 3, free => 1 }, 'they are counted';
    my ($day) = $db->selectrow_array(q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')});
    is_deeply $t->team('olive', role => 'member')->get('/api/v1/dashboard/analytics/overview')->json('/entities'), { schemas => 2, records => 4 }, '  for the tenant, too';
    my @same = map { $ann->post($base, { schema_id => $schema, data => { label => 'K1' } }, headers => { %{ $ann->{headers} }, 'Idempotency-Key' => 'k' }) } 1, 2;
    is $same[0]->json('/id'), $same[1]->json('/id'), 'once under an Idempotency-Key';

    status_is $ann->put("$at/$schema", { is_active => false }), 200;
    error_is create({ label => 'A1' }), 409, 'CONFLICT', field => 'schema_id', name => 'an inactive schema takes none';
    error_is create({ label => 'a' }), 422, 'VALIDATION_ERROR', name => '  but first what is wrong with it';
    status_is $ann->put("$base/$first->{id}", { data => { label => 'A1' } }), 200, '  and those that there are may be changed';
    status_is $ann->put("$at/$schema", { is_active => true }), 200;
};

subtest 'data is replaced whole, and checked against the schema as it is now' => sub {
    my $one = made({ label => 'A1', size => 1, note => 'n' });
    my $it  = "$base/$one->{id}";
    error_is $eve->put($it, { data => { label => 'A1' } }), 404, 'NOT_FOUND', resource => 'Entity record';
    error_is $ann->put($it, {}), 422, 'VALIDATION_ERROR', field => 'data';
    error_is $ann->put($it, { data => { size => 2 } }), 422, 'VALIDATION_ERROR', field => 'data.label', name => 'what is required is not there any more';
    error_is $ann->put($it, { data => { label => 'A1', more => 1 } }), 422, 'VALIDATION_ERROR', field => 'data.more';
    my $res = $bob->put($it, { data => { label => 'B1', size => 3 } });
    status_is $res, 200;
    is_deeply { %{ $res->json }, updated_at => '' }, { %$one, data => { label => 'B1', size => 3, state => 'free' }, updated_by_id => $w->{bob}->uuid, updated_at => '' }, 'note is gone, and who has changed it is known';
    json_is $ann->get($it), '', $res->json;
    my $same = $ann->put($it, { data => { label => 'B1', size => 3 } })->json;
    is_deeply $same, $res->json, 'what changes nothing is no change';
    error_is $ann->put($it, { data => { label => 'C1' } }, headers => { %{ $ann->{headers} }, 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    is $db->selectrow_array('SELECT count(*) FROM record_versions'), 0, 'no version is kept';

    status_is $ann->put("$at/$schema", { fields_definition => { label => { type => 'string' }, size => { type => 'string' } } }), 200;
    json_is $ann->get($it), '/data', { label => 'B1', size => 3, state => 'free' }, 'records that there are stay as they are';
    json_is $ann->get($it), '/schema_version', 1;
    error_is $ann->put($it, { data => { label => 'B1', size => 3 } }), 422, 'VALIDATION_ERROR', field => 'data.size', name => 'until they are written';
    $res = $ann->put($it, { data => { label => 'b', size => 'three' } });
    json_is $res, '/data', { label => 'b', size => 'three' };
    json_is $res, '/schema_version', 2;
    is made({ size => 'x' })->{schema_version}, 2;
    status_is $ann->put("$at/$schema", { fields_definition => \%FIELDS }), 200;
    status_is $ann->put("$at/$schema", { fields_definition => { %FIELDS, last => { type => 'text' } } }), 200;
    is $ann->put("$base/$first->{id}", { data => $first->{data} })->json('/schema_version'), 4, 'the same data, which was checked anew';
};

subtest 'a schema that moves while data is written' => sub {
    my $one = made({ label => 'A1' });
    $db->begin_work;    # somebody else changes the schema meanwhile, and commits behind the check and before the write
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $w->{ann}->tenant_id, 'app.organization_id' => $w->id, 'app.member_id' => $w->member_id('ann'));
    for my $call ([ 'entity_record_add(?, ?, ?)', $schema ], [ 'entity_record_change(?, ?, ?, NULL)', $one->{id} ]) {
        $db->do('SAVEPOINT s');
        is eval { $db->do("SELECT $call->[0]", undef, $call->[1], 3, '{"label": "old"}'); 1 }, undef, "$call->[0]: an older version is refused";
        is $db->state, '40001', '  in the way that has the request run again';
        $db->do('ROLLBACK TO s');
        ok eval { $db->do("SELECT $call->[0]", undef, $call->[1], 4, '{"label": "New"}'); 1 }, '  and that of now is not';
    }
    $db->rollback;
};

subtest 'what is deleted is gone' => sub {
    my $id = made({ label => 'A1' })->{id};
    my $before = usage()->{records_count};
    $w->{ann}->post("/api/v1/records/$id/comments", { content => 'x' });
    status_is $w->{ann}->put("/api/v1/records/$id", { title => 'T' }), 200, 'on the workspace surface it is a record';
    error_is $eve->delete("$base/$id"), 404, 'NOT_FOUND', resource => 'Entity record', id => $id;
    error_is $ann->delete("$base/$id", headers => { %{ $ann->{headers} }, 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    my $res = $bob->delete("$base/$id");
    status_is $res, 200;
    like $res->json('/message'), qr/deleted/;
    error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND', resource => 'Entity record', id => $id;
    error_is $ann->get("$base/$id"), 404, 'NOT_FOUND';
    is $db->selectrow_array('SELECT count(*) FROM records WHERE id = ?', undef, $id), 0, 'for good';
    is $db->selectrow_array("SELECT (SELECT count(*) FROM $_->[0] WHERE $_->[1] = ?)", undef, $id), 0, "  with its $_->[0]" for [ record_versions => 'record_id' ], [ comments => 'subject_id' ];
    is usage()->{records_count}, $before - 1, 'and counted no more';
    error_is $ann->delete("$base/" . $w->{ann}->post('/api/v1/records', { recordset_id => $w->{ann}->post('/api/v1/recordsets', { name => 'Plain' })->json('/id') })->json('/id')), 404, 'NOT_FOUND', name => 'no record of another recordset';

    error_is $ann->delete("$at/$free"), 409, 'CONFLICT', message => qr/still has a record\z/, name => 'a schema that has records stays';
    status_is $ann->delete("$base/" . $db->selectrow_array('SELECT id FROM records WHERE recordset_id = ?', undef, $free)), 200;
    status_is $ann->delete("$at/$free"), 200;
};

subtest 'who has left' => sub {
    my $id = made({ label => 'A1' }, $bob)->{id};
    status_is $bob->put("$base/$id", { data => { label => 'B1' } }), 200;
    $db->do('DELETE FROM memberships WHERE id = ?', undef, $w->member_id('bob'));
    my $res = $ann->get("$base/$id");
    is_deeply { map { $_ => $res->json("/$_") } qw(created_by_id updated_by_id) }, { created_by_id => undef, updated_by_id => undef }, 'is nobody any more';
};
