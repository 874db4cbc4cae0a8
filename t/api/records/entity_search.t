use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# Searching entity records: operators by type and as JSON, orders, pages; by members with a secret key, and by the dashboard.
my $t    = Api->start(main => 3);
my $base = '/api/v1/entity/records';
my $find = "$base/search";
my $team = '/api/v1/dashboard/entity/records/search';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'viewer');
my $x = workspace($t, eve => 'owner');
my $key = $t->key;
sub in_organization ($who, $id = $w->id) { return $who->with(key => $key, headers => { 'X-Organization-Id' => $id }) }
my ($ann, $bob) = map { in_organization($w->{$_}) } qw(ann bob);
my $eve   = in_organization($x->{eve}, $x->id);
my $olive = $t->team('olive', role => 'member');

my %FIELDS = (
    label => { type => 'string' }, size => { type => 'integer' }, price => { type => 'float' }, open => { type => 'boolean' }, at => { type => 'datetime' }, note => { type => 'text' }, state => { type => 'enum', options => [ 'free', 'taken' ] },
    title => { type => 'string' }, status => { type => 'string' },
);
sub schema ($name, $who = $ann, %fields) { return $who->post('/api/v1/entity/schemas', { name => $name, slug => lc $name, fields_definition => { %FIELDS, %fields } })->json('/id') }
my $schema = schema('Berths');
my $second = schema('Cranes', $ann, size => { type => 'string' });
my $theirs = schema('Berths', $eve);

my %id;    # by their labels
sub add ($of, $data, $who = $ann) { $id{ $data->{label} } = $who->post($base, { schema_id => $of, data => $data })->json('/id') }
add($schema, $_) for { label => 'a', size => 1, price => 1.5, open => true, at => '2026-01-01T00:00:00Z', note => 'Off the Mole', state => 'free', title => 'T1', status => 'new' },
    { label => 'b', size => 2, price => 2.5, open => false, at => '2026-01-02T00:00:00Z', note => '100% of a_b\c', state => 'taken', title => 'T2', status => 'old' }, { label => 'c', size => 10, price => -1, at => '2026-01-03T00:00:00+02:00', note => 'under the PIER' },
    { label => 'd' };
add($second, { label => 'x', size => '2' });
add($theirs, { label => 'foreign', size => 2 }, $eve);
my %label = reverse %id;

sub ask ($query, $of = $schema, %order) { return $ann->post($find, { schema_id => $of, query => $query }, %order ? (query => \%order) : ()) }
sub labels ($res) { status_is $res, 200; return join '', map { $label{ $_->{id} } } @{ $res->json('/items') } }
sub found ($query, $want, @of) { local $Test::Builder::Level = $Test::Builder::Level + 1; return is join('', sort split //, labels(ask($query, @of))), $want, $json->encode($query) }
sub op ($operator, $value) { return { operator => $operator, value => $value } }

subtest 'who may' => sub {
    error_is $ann->with(key => $t->key(type => 'public', origins => ['https://app.example.com']), origin => 'https://app.example.com')->post($find, {}), 403, 'AUTHORIZATION_ERROR', name => 'no public key';
    error_is $ann->with(token => undef)->post($find, {}), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->with(headers => {})->post($find, {}), 400, 'BAD_REQUEST', field => 'X-Organization-Id';
    error_is in_organization($w->{ann}, $x->id)->post($find, {}), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->post($find, { schema_id => $_ }), 404, 'NOT_FOUND', field => 'schema_id', name => 'no schema of this organization' for $none, $theirs, $w->{ann}->post('/api/v1/recordsets', { name => 'Plain' })->json('/id');
    is labels($bob->post($find, { schema_id => $schema })), 'dcba', 'any member, the newest first';
    json_is $bob->post($find, { schema_id => $schema }), '/items/3', $bob->get("$base/$id{a}")->json, 'each as by itself';
};

subtest 'values and operators, by the type of the field' => sub {
    found {}, 'abcd';
    found { label => 'a' }, 'a';
    found { label => 'A' }, '';
    found { size => 2 }, 'b';
    found { size => '2' }, 'b';
    found { price => 2.5 }, 'b';
    found { open => true }, 'a';
    found { open => false }, 'b';
    found { at => '2026-01-02T01:00:00+01:00' }, 'b';
    found { label => undef }, '';
    found { size => undef }, 'd';
    found { title => 'T1' }, 'a';
    found { status => 'old' }, 'b';
    found { label => 'a', size => 2 }, '';
    found { label => 'b', size => 2 }, 'b';
    found { size => op(eq => 2) }, 'b';
    found { size => op(ne => 2) }, 'acd';
    found { size => op(ne => undef) }, 'abc';
    found { size => op(gt => 2) }, 'c';
    found { size => op(gte => 2) }, 'bc';
    found { size => op(lt => 2) }, 'a';
    found { size => op(lte => 2) }, 'ab';
    found { price => op(lt => 0) }, 'c';
    found { at => op(gt => '2026-01-02T00:00:00Z') }, 'c';
    found { at => op(lte => '2026-01-01T00:00:00Z') }, 'a';
    found { label => op(gte => 'b') }, 'bcd';
    found { size => op(in => [ 1, 10 ]) }, 'ac';
    found { size => op(not_in => [ 1, 10 ]) }, 'bd';
    found { state => op(in => [ 'free', 'x' ]) }, 'a';
    found { note => op(like => 'Off%') }, 'a';
    found { note => op(like => 'off%') }, '';
    found { note => op(ilike => 'off%') }, 'a';
    found { note => op(ilike => '%pier') }, 'c';
    found { note => op(like => 'Off the Mol_') }, 'a';
    found { note => op(like => '%\\%%') }, 'b';
    found { note => op(like => '%a\\_b\\c') }, 'b';
    found { note => op(like => '%\\') }, '';
    found { size => op(gt => 'many') }, '';
    found { created_at => op(gt => '2020-01-01T00:00:00Z') }, 'abcd';
    found { updated_at => op(lt => '2020-01-01T00:00:00Z') }, '';
};

subtest 'what is no filter' => sub {
    error_is ask({ sise => 1 }), 422, 'VALIDATION_ERROR', field => 'query.sise', message => qr/did you mean size\?/;
    error_is ask({ owner_id => 1 }), 422, 'VALIDATION_ERROR', field => 'query.owner_id', name => 'no column of records';
    error_is ask({ size => op($_, 1) }), 422, 'VALIDATION_ERROR', field => 'query.size.operator', name => 'no operator ' . $json->encode($_) for 'contains', 'EQ', '', 1, undef;
    error_is ask({ size => op($_->[0], $_->[1]) }), 422, 'VALIDATION_ERROR', field => "query.size.value$_->[2]", name => $json->encode($_)
        for [ in => 1, '' ], [ in => [], '' ], [ in => [ [] ], '[0]' ], [ in => [ (1) x 201 ], '' ], [ gt => undef, '' ], [ gt => [], '' ], [ gt => {}, '' ], [ like => 1, '' ], [ eq => {}, '' ], [ eq => 'x' x 1001, '' ];
    error_is ask({ size => $_ }), 422, 'VALIDATION_ERROR', field => 'query.size', name => 'no value ' . $json->encode($_) for [], { value => 1 }, {};
    error_is ask({ map { ("f$_" => 1) } 1 .. 51 }), 422, 'VALIDATION_ERROR', field => 'query';
    error_is ask({ '' => 1 }), 422, 'VALIDATION_ERROR', field => 'query';
    error_is $ann->post($find, { query => $_ }), 422, 'VALIDATION_ERROR', field => 'query' for [], 'x';
};

subtest 'of every schema, values are compared as JSON' => sub {
    my $all = sub ($query) { return $ann->post($find, { query => $query }) };
    is labels($ann->post($find, {})), 'xdcba', 'none of another organization, and no other records';
    my %want = (
        '{"size":2}' => 'b', '{"size":"2"}' => 'x', '{"size":2.0}' => 'b', '{"label":"a"}' => 'a', '{"open":true}' => 'a', '{"open":"true"}' => '', '{"size":{"operator":"gt","value":1}}' => 'bc', '{"size":{"operator":"gte","value":"2"}}' => 'x',
        '{"size":{"operator":"in","value":[1,"2"]}}' => 'ax', '{"size":{"operator":"ne","value":2}}' => 'acdx', '{"note":{"operator":"ilike","value":"%MOLE"}}' => 'a', '{"size":null}' => 'd', '{"nobody":1}' => '',
        '{"size":{"operator":"not_in","value":[1,2,10]}}' => 'dx',
    );
    for my $query (sort keys %want) {
        is join('', sort split //, labels($ann->with->request(POST => $find, raw => qq({"query":$query})))), $want{$query}, $query;
    }
};

subtest 'orders and pages' => sub {
    is labels(ask({}, $schema, order_dir => 'asc')), 'abcd';
    is labels(ask({}, $schema, order_by => 'size')), 'cbad', 'what has no value comes last';
    is labels(ask({}, $schema, order_by => 'size', order_dir => 'asc')), 'abcd', '  either way';
    is labels(ask({}, $schema, order_by => 'price', order_dir => 'asc')), 'cabd';
    is labels(ask({}, $schema, order_by => 'title', order_dir => 'desc')), 'badc', 'a field that is called like a column is the field';
    status_is $ann->put("$base/$id{a}", { data => { label => 'a', size => 1, price => 1.5, open => true, at => '2026-01-01T00:00:00Z', note => 'Off the Mole', state => 'free', title => 'T1', status => 'newer' } }), 200;
    is labels(ask({}, $schema, order_by => 'updated_at')), 'adcb';
    is labels($ann->post($find, {}, query => { order_by => 'updated_at' })), 'axdcb';
    error_is ask({}, $schema, order_by => 'sise'), 422, 'VALIDATION_ERROR', field => 'order_by', message => qr/did you mean size\?/;
    error_is $ann->post($find, {}, query => { order_by => 'size' }), 422, 'VALIDATION_ERROR', field => 'order_by', name => 'a field needs a schema';
    error_is ask({}, $schema, @$_), 422, 'VALIDATION_ERROR', field => $_->[0] for [ order_dir => 'up' ], [ order_by => '' ], [ size => 0 ], [ size => 101 ], [ page => 0 ];
    my $res = ask({}, $schema, size => 3, page => 2, order_dir => 'asc');
    is labels($res), 'd';
    is_deeply { map { $_ => $res->json("/$_") } qw(total page size pages) }, { total => 4, page => 2, size => 3, pages => 2 };
    is_deeply { map { $_ => ask({ size => op(gt => 1) }, $schema, size => 1)->json("/$_") } qw(total pages) }, { total => 2, pages => 2 }, 'total is of those that are found';
};

subtest 'the dashboard' => sub {
    my $ask = sub ($body, $who = $olive, %order) { return $who->post($team, $body, %order ? (query => \%order) : ()) };
    error_is $ask->({ organization_id => $w->id }, $_), 401, 'AUTHENTICATION_ERROR', name => 'takes the team\'s token alone' for $t, $ann;
    error_is $ask->({}), 422, 'VALIDATION_ERROR', field => 'organization_id';
    my $foreign = $t->organization($t->user('stranger', tenant => 'other'));
    error_is $ask->({ organization_id => $_ }), 404, 'NOT_FOUND', resource => 'Organization', id => $_ for $none, $foreign;
    error_is $ask->({ organization_id => $w->id }, $t->team('tom', role => 'owner', tenant => 'other')), 404, 'NOT_FOUND';
    error_is $ask->({ organization_id => $w->id, schema_id => $theirs }), 404, 'NOT_FOUND', field => 'schema_id';
    error_is $ask->({ organization_id => $w->id, schema_id => $schema, query => { sise => 1 } }), 422, 'VALIDATION_ERROR', field => 'query.sise';
    is labels($ask->({ organization_id => $w->id })), 'xdcba', 'all of an organization';
    is labels($ask->({ organization_id => $w->id, schema_id => $schema, query => { size => op(gte => 2) } }, $olive, order_by => 'size', order_dir => 'asc')), 'bc', 'with filters and orders as the members have them';
    json_is $ask->({ organization_id => $w->id, schema_id => $schema, query => { label => 'b' } }), '/items/0', $ann->get("$base/$id{b}")->json;
    is labels($ask->({ organization_id => $x->id })), 'foreign';
    json_is $ask->({ organization_id => $w->id }, $olive, size => 2, page => 9), '/total', 5;
};
