use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $key  = $t->key;
my $page = $t->key(type => 'public', origins => ['https://app.example.com']);
my $base = '/api/v1/organizations';

sub person ($name, %columns) { return $t->user($name, columns => \%columns)->with(key => $key) }

my $ann   = person('ann');
my $acme  = $ann->post($base, { name => 'Acme', slug => 'acme' })->json('/id');
my $bob   = person('bob');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub add ($name, %columns) {
    return scalar $t->db->selectrow_array(
        q{INSERT INTO departments (tenant_id, organization_id, name, description, is_active, settings) VALUES (?, ?, ?, ?, ?, ?) RETURNING id},
        undef, $ann->tenant_id, $acme, $name, $columns{description}, $columns{is_active} // 1, $columns{settings} // '{}');
}

my $general = $ann->get("$base/$acme/departments")->json('/0/id');
my $sales   = add('Sales', description => 'sells', settings => '{"colour": {"deep": ["blue", 1]}}');
my $closed  = add('Archive', is_active => 0);
my %sales   = (
    id              => $sales,
    organization_id => $acme,
    name            => 'Sales',
    description     => 'sells',
    is_default      => false,
    is_active       => true,
    settings        => { colour => { deep => [ 'blue', 1 ] } },
    created_at      => $TIME,
    updated_at      => $TIME,
);

sub member ($user, $role, $active = 1) {
    $t->db->do('DELETE FROM memberships WHERE user_id = ?', undef, $user->uuid);
    $t->db->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role, is_active) VALUES (?, ?, ?, ?, ?)', undef, $user->tenant_id, $acme, $user->uuid, $role, $active);
    return $user;
}

subtest 'the list is for members' => sub {
    error_is $bob->get("$base/$acme/departments"), 403, 'AUTHORIZATION_ERROR';
    error_is member(person('off'), 'admin', 0)->get("$base/$acme/departments"), 403, 'AUTHORIZATION_ERROR';
    my $eve = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
    error_is $eve->get("$base/$acme/departments"), 404, 'NOT_FOUND';
    error_is $ann->get("$base/$nobody/departments"), 404, 'NOT_FOUND';
    error_is $ann->get("$base/$acme/departments", key => undef), 401, 'INVALID_API_KEY';
    error_is $ann->get("$base/$acme/departments", token => undef), 401, 'AUTHENTICATION_ERROR';

    for my $role (qw(admin developer member)) {
        my $res = member(person("as-$role"), $role)->get("$base/$acme/departments");
        is_deeply [ map { $_->{name} } @{ $res->json } ], [ 'General', 'Archive', 'Sales' ], "$role: the default one first, then by name";
        json_is $res, '/2', \%sales;
        json_is $res, '/0/is_default', true;
        json_is $res, '/1/is_active', false;
    }
    json_is $ann->get("$base/$acme/departments?limit=1&skip=1"), '/0/id', $closed;
    error_is $ann->get("$base/$acme/departments?limit=1001"), 422, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'one department, for a member, with a key alone' => sub {
    my $url = "/api/v1/departments/$sales";
    error_is $t->get("$url?user_id=" . $ann->uuid), 401, 'INVALID_API_KEY';
    my $server  = $t->client(key => $key);
    my $browser = $t->client(key => $page, origin => 'https://app.example.com');
    error_is $t->client(key => $page)->get("$url?user_id=" . $ann->uuid), 403, 'ORIGIN_NOT_ALLOWED';
    error_is $server->get($url), 422, 'VALIDATION_ERROR', field => 'user_id';
    error_is $server->get("$url?user_id=x"), 422, 'VALIDATION_ERROR', field => 'user_id';

    for my $who ($server, $browser) {
        json_is $who->get("$url?user_id=" . $ann->uuid), '', \%sales;
        error_is $who->get("$url?user_id=" . $bob->uuid), 403, 'AUTHORIZATION_ERROR', message => qr/not a member/;
        error_is $who->get("$url?user_id=$nobody"), 404, 'NOT_FOUND', resource => 'User', id => $nobody;
        error_is $who->get("/api/v1/departments/$nobody?user_id=" . $ann->uuid), 404, 'NOT_FOUND', resource => 'Department', id => $nobody;
        error_is $who->get('/api/v1/departments/x?user_id=' . $ann->uuid), 404, 'NOT_FOUND';
    }
    my $off = member(person('off2'), 'member', 0);
    error_is $server->get("$url?user_id=" . $off->uuid), 403, 'AUTHORIZATION_ERROR', name => 'for a deactivated member it is refused';
    my $gone = member(person('closed-account', is_active => 'f'), 'member');
    error_is $server->get("$url?user_id=" . $gone->uuid), 403, 'AUTHORIZATION_ERROR', name => 'and for a deactivated user';
    my $deleted = member(person('deleted', deleted_at => 'now'), 'member');
    error_is $server->get("$url?user_id=" . $deleted->uuid), 404, 'NOT_FOUND';
};

subtest 'department and user are the key\'s tenant\'s' => sub {
    my $theirs = $t->client(key => $t->key(tenant => 'other'));
    my $eve    = $t->user('eve3', tenant => 'other');
    error_is $theirs->get("/api/v1/departments/$sales?user_id=" . $ann->uuid), 404, 'NOT_FOUND';
    body_unlike $theirs->last, qr/Sales/;
    error_is $t->client(key => $key)->get("/api/v1/departments/$sales?user_id=" . $eve->uuid), 404, 'NOT_FOUND';
};

subtest 'a token that is sent must be good, and that user\'s' => sub {
    my $url = "/api/v1/departments/$sales?user_id=" . $ann->uuid;
    json_is $ann->get($url), '/id', $sales;
    member($bob, 'admin');
    error_is $bob->get($url), 403, 'AUTHORIZATION_ERROR', message => qr/user_id/;
    error_is $ann->get($url, token => 'nonsense'), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get($url, token => $t->token($ann, exp => 1e9, iat => 1e9 - 9)), 401, 'AUTHENTICATION_ERROR';
    error_is $t->user('eve4', tenant => 'other')->with(key => $key)->get($url), 401, 'AUTHENTICATION_ERROR', name => 'another tenant\'s token';
};
