use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# Entity schemas of the platform surface: who may, what a field may be, versions, names; and that they are recordsets.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/entity/schemas';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'viewer', carl => 'member');
my $x = workspace($t, eve => 'owner');
my $key = $t->key;
my $page = 'https://app.example.com';
my $public = $t->key(type => 'public', origins => [$page]);
sub in_organization ($who, $id = $w->id, @with) { return $who->with(key => $key, headers => { 'X-Organization-Id' => $id }, @with) }
my ($ann, $bob, $carl) = map { in_organization($w->{$_}) } qw(ann bob carl);
my $eve = in_organization($x->{eve}, $x->id);
my $team = $t->team('olive', role => 'member');

my %FIELDS = (label => { type => 'string', required => true, max_length => 5 }, size => { type => 'integer', min => 1, max => 9 }, state => { type => 'enum', options => [ 'free', 'taken' ], default => 'free' });
my $nr = 0;
sub good (%with) { $nr++; return { name => "Berths $nr", slug => "berths-$nr", fields_definition => {}, %with } }
sub made (%with) { my $res = $ann->post($base, good(%with)); status_is $res, 201; return $res->json }
# As it is answered: all members, and what is not there is null.
sub whole (%field) { return { required => false, (map { $_ => undef } qw(default min max min_length max_length pattern options)), %field } }

subtest 'a secret key with the token of a member' => sub {
    my @asks = ([ GET => '' ], [ POST => '', good() ], [ GET => "/$none" ], [ PUT => "/$none", { name => 'x' } ], [ DELETE => "/$none" ]);
    for my $ask (@asks) {
        my ($method, $path, $body) = @$ask;
        my $try = sub ($who) { return $who->request($method, "$base$path", $body ? (json => $body) : ()) };
        error_is $try->($ann->with(key => undef)),   401, 'INVALID_API_KEY',      name => "$method $path: no key";
        error_is $try->($ann->with(token => undef)), 401, 'AUTHENTICATION_ERROR', name => '  no token';
        error_is $try->($ann->with(key => $public, origin => $page)), 403, 'AUTHORIZATION_ERROR', name => '  a public key';
        error_is $try->($ann->with(headers => {})), 400, 'BAD_REQUEST', field => 'X-Organization-Id', name => '  no organization';
        error_is $try->(in_organization($ann, $_)), 400, 'BAD_REQUEST', field => 'X-Organization-Id', name => "  nor '$_'" for 'mine', '';
        error_is $try->(in_organization($ann, $_)), 403, 'AUTHORIZATION_ERROR', name => '  not there' for $none, $x->id;
        error_is $try->($team->with(key => $key, headers => $ann->{headers})), 401, 'AUTHENTICATION_ERROR', name => '  nor the dashboard\'s token';
    }
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('carl'));
    error_is $carl->get($base), 403, 'AUTHORIZATION_ERROR', name => 'whose membership is switched off';
    $db->do('UPDATE memberships SET is_active = true WHERE id = ?', undef, $w->member_id('carl'));
    json_is $bob->get($base), '', { items => [], total => 0, page => 1, size => 20, pages => 0 }, 'a viewer is a member, too; and nothing was made';
    status_is $bob->post($base, good()), 201;
    is $db->do('DELETE FROM recordsets'), 1;
};

my $first;
subtest 'create' => sub {
    error_is $ann->post($base, good(%{ $_->[1] })), 422, 'VALIDATION_ERROR', field => $_->[0], name => 'not ' . $json->encode($_->[1])
        for [ name => { name => '' } ], [ name => { name => 'x' x 256 } ], [ name => { name => undef } ], [ slug => { slug => 'Berths' } ], [ slug => { slug => 'a b' } ], [ slug => { slug => '-a' } ], [ slug => { slug => 'a_b' } ],
            [ slug => { slug => 'x' x 121 } ], [ slug => { slug => 'trash' } ], [ slug => { slug => $none } ], [ description => { description => 'x' x 2001 } ], [ fields_definition => { fields_definition => [] } ],
            [ fields_definition => { fields_definition => { map { ("f$_" => { type => 'text' }) } 1 .. 501 } } ];
    for my $missing (qw(name slug fields_definition)) {
        my $body = good();
        delete $body->{$missing};
        error_is $ann->post($base, $body), 422, 'VALIDATION_ERROR', field => $missing, name => "without $missing";
    }
    my $res = $ann->post($base, good(description => 'Where boats lie', fields_definition => \%FIELDS));
    status_is $res, 201;
    $first = $res->json;
    is_deeply { %$first, map { $_ => '' } qw(id created_at updated_at) }, {
        id => '', tenant_id => $w->{ann}->tenant_id, organization_id => $w->id, name => "Berths $nr", slug => "berths-$nr", description => 'Where boats lie', version => 1, is_active => true, created_at => '', updated_at => '',
        fields_definition => { label => whole(%{ $FIELDS{label} }), size => whole(%{ $FIELDS{size} }), state => whole(%{ $FIELDS{state} }) },
    }, 'its version is 1, and it is active';
    is made(slug => 'x' x 120, name => 'x' x 255, fields_definition => { map { ("f$_" => { type => 'text' }) } 1 .. 500 })->{version}, 1, 'the longest, the most';
    made(slug => 'only-2-words9', fields_definition => { aB_9 => { type => 'string' } });
    json_is $bob->get("$base/$first->{id}"), '', $first, 'anybody in the organization reads it';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'entity_schema.create' AND resource_id = ?}, undef, $first->{id}), 1, 'the audit log has it';
};

subtest 'a name and a slug are taken once in an organization' => sub {
    error_is $ann->post($base, good(name => uc $first->{name})), 409, 'CONFLICT', field => 'name', name => 'whatever its case';
    error_is $ann->post($base, good(slug => $first->{slug})),     409, 'CONFLICT', field => 'slug';
    my $other = made();
    error_is $ann->put("$base/$other->{id}", { name => $first->{name} }), 409, 'CONFLICT', field => 'name';
    error_is $ann->put("$base/$other->{id}", { slug => $first->{slug} }), 409, 'CONFLICT', field => 'slug';
    status_is $eve->post($base, good(name => $first->{name}, slug => $first->{slug})), 201, 'free in another one';
    status_is $w->{ann}->post($sets, { name => 'Charts', slug => 'charts' }), 201;
    error_is $ann->post($base, good(slug => 'charts')), 409, 'CONFLICT', field => 'slug', name => 'nor one that a recordset has';
    status_is $ann->post($base, good(name => 'Charts')), 201, '  whose name may be';
};

subtest 'what a field may be' => sub {
    my @bad = (
        [ 'a.type' => {} ], [ 'a.type' => { type => 'number' } ], [ 'a.type' => { type => 'String' } ], [ a => 'string' ], [ a => undef ], [ 'a.required' => { type => 'string', required => 1 } ],
        [ 'a.min' => { type => 'string', min => 1 } ], [ 'a.max' => { type => 'boolean', max => 1 } ], [ 'a.min' => { type => 'integer', min => '1' } ], [ 'a.max' => { type => 'float', min => 2, max => 1 } ],
        [ 'a.min_length' => { type => 'integer', min_length => 1 } ], [ 'a.min_length' => { type => 'string', min_length => -1 } ], [ 'a.max_length' => { type => 'text', max_length => 0 } ],
        [ 'a.max_length' => { type => 'text', min_length => 2, max_length => 1 } ], [ 'a.pattern' => { type => 'enum', options => ['a'], pattern => 'a' } ],
        (map { [ 'a.pattern' => { type => 'string', pattern => $_ } ] } '(', '(?=a)', '(a)\1', '[z-a]', '', 'x' x 256, '(a{200}){200}'), [ 'a.options' => { type => 'enum' } ],
        [ 'a.options' => { type => 'enum', options => [] } ], [ 'a.options' => { type => 'string', options => ['a'] } ], [ 'a.options[1]' => { type => 'enum', options => [ 'a', 'a' ] } ],
        [ 'a.options[0]' => { type => 'enum', options => [1] } ], [ 'a.default' => { type => 'enum', options => ['a'], default => 'b' } ], [ 'a.default' => { type => 'integer', default => 1.5 } ],
        [ 'a.default' => { type => 'integer', max => 1, default => 2 } ], [ 'a.default' => { type => 'string', pattern => '^b$', default => 'a' } ], [ 'a.default' => { type => 'email', default => 'ann' } ],
        [ 'a.default' => { type => 'phone', default => 'call me' } ], [ 'a.default' => { type => 'datetime', default => '2026-02-30T00:00:00Z' } ], [ 'a.default' => { type => 'url', default => 'example' } ],
        [ 'a.default' => { type => 'boolean', default => 'true' } ],
    );
    for (@bad) {
        my ($path, $field) = @$_;
        error_is $ann->post($base, good(fields_definition => { a => $field })), 422, 'VALIDATION_ERROR', field => "fields_definition.$path", name => $json->encode($field);
    }
    error_is $ann->post($base, good(fields_definition => { $_ => { type => 'text' } })), 422, 'VALIDATION_ERROR', field => "fields_definition.$_", name => "not called '$_'" for '', '9a', '_a', 'a-b', 'a b', 'x' x 64;
    my %good = (
        a => { type => 'string', min_length => 1, max_length => 100000, pattern => '^[a-z]+$', default => 'a' }, b => { type => 'integer', min => -5, max => 5, default => -5 }, c => { type => 'float', min => 0.5, max => 0.5, default => 0.5 },
        d => { type => 'boolean', default => false }, e => { type => 'datetime', default => '2026-01-31T10:00:00Z' }, f => { type => 'text', required => true }, g => { type => 'enum', options => [ 'x', 'y' ], default => 'y' },
        h => { type => 'email', default => 'ann@example.com' }, i => { type => 'url', default => 'https://example.com/' }, j => { type => 'phone', default => '+34 600 000 000' }, ('x' x 63) => { type => 'text', options => undef, min => undef },
    );
    is_deeply made(fields_definition => \%good)->{fields_definition}, { map { $_ => whole(%{ $good{$_} }) } keys %good }, 'all ten types, with what goes with each';
};

subtest 'a change of the fields is another version' => sub {
    my $one = made(fields_definition => \%FIELDS, description => 'x');
    my $at  = "$base/$one->{id}";
    error_is $ann->put("$base/$none", { name => 'x' }), 404, 'NOT_FOUND', resource => 'Entity schema', id => $none;
    error_is $eve->put($at, { name => 'x' }), 404, 'NOT_FOUND', name => 'another organization\'s';
    error_is $eve->get($at), 404, 'NOT_FOUND';
    error_is $ann->put($at, { fields_definition => { a => { type => 'x' } } }), 422, 'VALIDATION_ERROR', field => 'fields_definition.a.type';
    error_is $ann->put($at, { $_ => undef }), 422, 'VALIDATION_ERROR', field => $_ for qw(name slug fields_definition is_active);
    error_is $ann->put($at, { slug => 'import' }), 422, 'VALIDATION_ERROR', field => 'slug';
    is_deeply { %{ $ann->put($at, {})->json }, updated_at => $one->{updated_at} }, $one, 'nothing was sent, nothing has changed';
    my $res = $ann->put($at, { name => 'Quays', description => undef });
    is_deeply { %{ $res->json }, updated_at => '' }, { %$one, name => 'Quays', description => undef, updated_at => '' }, 'what is left out stays; and its version';
    is $ann->put($at, { fields_definition => \%FIELDS })->json('/version'), 1, 'the same fields are no change';
    is $ann->put($at, { slug => 'quays', is_active => false })->json('/version'), 1;
    $res = $ann->put($at, { fields_definition => { %FIELDS, more => { type => 'text' } } });
    is $res->json('/version'), 2, 'others are';
    is $res->json('/slug'), 'quays';
    is $res->json('/is_active'), false;
    is $ann->put($at, { fields_definition => { %FIELDS, more => { type => 'text', required => true } } })->json('/version'), 3;
    error_is $ann->put($at, { name => 'y' }, headers => { %{ $ann->{headers} }, 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    status_is $ann->put($at, { name => 'y' }, headers => { %{ $ann->{headers} }, 'If-Match' => $ann->get($at)->header('ETag') }), 200;
};

subtest 'delete' => sub {
    my $one = made();
    my $at  = "$base/$one->{id}";
    error_is $eve->delete($at), 404, 'NOT_FOUND', resource => 'Entity schema', id => $one->{id};
    error_is $ann->delete($at, headers => { %{ $ann->{headers} }, 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    my $res = $bob->delete($at);
    status_is $res, 200;
    like $res->json('/message'), qr/deleted/;
    error_is $_->($at), 404, 'NOT_FOUND' for sub ($path) { $ann->get($path) }, sub ($path) { $ann->delete($path) };
    status_is $ann->post($base, { %{ good() }, name => $one->{name}, slug => $one->{slug} }), 201, 'its name and slug are free';
};

subtest 'lists' => sub {
    $db->do('DELETE FROM recordsets');
    my @ids = map { made()->{id} } 1 .. 5;
    my $theirs = $eve->post($base, good())->json('/id');
    json_is $ann->get($base), '/total', 5;
    is_deeply [ map { $_->{id} } @{ $ann->get($base)->json('/items') } ], [ reverse @ids ], 'the newest first, of this organization alone';
    my $res = $ann->get($base, query => { page => 2, size => 2 });
    is_deeply { map { $_ => $res->json("/$_") } qw(total page size pages) }, { total => 5, page => 2, size => 2, pages => 3 };
    is_deeply [ map { $_->{id} } @{ $res->json('/items') } ], [ @ids[ 2, 1 ] ];
    error_is $ann->get($base, query => { @$_ }), 422, 'VALIDATION_ERROR', field => $_->[0] for [ size => 0 ], [ size => 101 ], [ page => 0 ], [ page => 'x' ];
    status_is $ann->get($base, query => { size => 100 }), 200;

    my $at = '/api/v1/dashboard/entity/schemas';
    error_is $_->get($at), 401, 'AUTHENTICATION_ERROR', name => 'the dashboard takes the team\'s token' for $t, $ann;
    is_deeply [ map { $_->{id} } @{ $team->get($at)->json('/items') } ], [ $theirs, reverse @ids ], 'of all organizations, for any role';
    is_deeply [ map { $_->{id} } @{ $team->get($at, query => { organization_id => $x->id })->json('/items') } ], [$theirs], 'or of one';
    json_is $team->get($at, query => { organization_id => $x->id }), '/items/0', $eve->get("$base/$theirs")->json;
    error_is $team->get($at, query => { organization_id => $none }), 404, 'NOT_FOUND', resource => 'Organization', id => $none;
    my $foreign = $t->organization($t->user('stranger', tenant => 'other'));
    error_is $team->get($at, query => { organization_id => $foreign }), 404, 'NOT_FOUND';
    json_is $t->team('tom', role => 'owner', tenant => 'other')->get($at), '/items', [], 'another tenant\'s team sees none of them';
    json_is $team->get($at, query => { size => 1, page => 6 }), '/pages', 6;
};

subtest 'it is a recordset, too' => sub {
    my $one = made(fields_definition => \%FIELDS);
    my $at  = "$sets/$one->{slug}";
    my $res = $w->{ann}->get($at);
    status_is $res, 200, 'which admins of the workspace see';
    is join(' ', map { "$_->{key}:$_->{type}" } sort { $a->{key} cmp $b->{key} } @{ $res->json('/schema/fields') }), 'label:text size:number state:select';
    is $res->json('/owner_id'), undef, 'and nobody owns';
    error_is $w->{carl}->get($at), 403, 'AUTHORIZATION_ERROR', name => 'others who are granted it';
    error_is $w->{ann}->put($at, $_), 409, 'CONFLICT', message => qr/entity schema/, name => 'its name and fields are changed here' for { name => 'x' }, { schema => { fields => [] } };
    error_is $w->{ann}->put("/api/v1/crud/recordsets/$one->{id}", { name => 'x' }), 409, 'CONFLICT';
    status_is $w->{ann}->put($at, { description => 'x', color => '#000000' }), 200;
    is $ann->get("$base/$one->{id}")->json('/description'), 'x';
    error_is $ann->get("$base/" . $w->{ann}->post($sets, { name => 'Plain' })->json('/id')), 404, 'NOT_FOUND', name => 'and other recordsets are no entity schemas';
    status_is $w->{ann}->delete($at), 204;
    error_is $ann->get("$base/$one->{id}"), 404, 'NOT_FOUND', name => 'what is in the trash is not there';
    error_is $ann->post($base, good(name => $one->{name})), 409, 'CONFLICT', field => 'name', name => '  and may come back';
    status_is $w->{ann}->post("$sets/trash/$one->{slug}/restore"), 200;
    status_is $ann->get("$base/$one->{id}"), 200;
    my $bounded = $w->{ann}->post($sets, { name => 'Bounded', schema => { fields => [ { key => 'n', type => 'number', integer => true, min => 1, max => 3 }, { key => 's', type => 'text', min_length => 2, max_length => 3, pattern => '^a' } ] } });
    status_is $bounded, 201, 'fields of recordsets may have bounds, too';
    is_deeply { map { %$_ } @{ $bounded->json('/schema/fields') }[0] }->{max}, 3;
    my $try = sub (%values) { return $w->{ann}->post('/api/v1/records', { recordset_id => $bounded->json('/id'), field_values => \%values }) };
    error_is $try->(@$_), 422, 'VALIDATION_ERROR', field => "field_values.$_->[0]", name => "$_->[0] is not $_->[1]" for [ n => 0 ], [ n => 4 ], [ n => 1.5 ], [ s => 'a' ], [ s => 'aaaa' ], [ s => 'ba' ];
    status_is $try->(n => 1, s => 'aaa'), 201;
    error_is $w->{ann}->post($sets, { name => 'x', schema => { fields => [ { key => 'n', type => 'boolean', @$_ } ] } }), 422, 'VALIDATION_ERROR', field => "schema.fields[0].$_->[0]" for [ min => 1 ], [ integer => true ], [ pattern => 'a' ];
};
