use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $key  = $t->key;
my $base = '/api/v1/organizations';

# A user of the default tenant, with its secret key.
sub person ($name, %columns) { return $t->user($name, columns => \%columns)->with(key => $key) }

my $ann = person('ann', full_name => 'Ann');
my $bob = person('bob');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub stored ($id) { return $t->db->selectrow_hashref('SELECT * FROM organizations WHERE id = ?', undef, $id) }

sub default_of ($user) {
    return scalar $t->db->selectrow_array('SELECT default_organization_id FROM users WHERE id = ?', undef, $user->uuid);
}

# Make a user a member, behind the API's back.
sub join_as ($user, $id, $role, %columns) {
    $t->db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $id, $user->uuid);
    $t->db->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role, is_active) VALUES (?, ?, ?, ?, ?)',
        undef, $user->tenant_id, $id, $user->uuid, $role, $columns{is_active} // 1);
    return;
}

# The newest audit row about something.
sub audited ($id) {
    return $t->db->selectrow_hashref('SELECT action, actor_id, resource_type, details::text FROM audit_events WHERE resource_id = ? ORDER BY seq DESC LIMIT 1', undef, $id);
}

sub audit_count () { return scalar $t->db->selectrow_array('SELECT count(*) FROM audit_events') }

my %organization = (
    id          => $UUID,
    name        => 'Acme Inc.',
    slug        => 'acme',
    description => undef,
    logo_url    => undef,
    role        => 'owner',
    created_at  => $TIME,
);

subtest 'nobody gets in without a key and a token that belong together' => sub {
    my $page = $t->key(type => 'public', origins => ['https://app.example.com']);
    my $eve  = $t->user('eve', tenant => 'other');
    for my $ask (
        sub ($who) { $who->get("$base/my-organizations") },
        sub ($who) { $who->post($base, { name => 'x', slug => 'made' }) },
        sub ($who) { $who->get("$base/$nobody") },
        sub ($who) { $who->put("$base/$nobody", { name => 'x' }) },
        sub ($who) { $who->post("$base/$nobody/set-default") },
    ) {
        error_is $ask->($ann->with(key => undef)), 401, 'INVALID_API_KEY';
        error_is $ask->($ann->with(key => 'sk_live_' . 'x' x 32)), 401, 'INVALID_API_KEY';
        error_is $ask->($ann->with(key => $page, origin => undef)), 403, 'ORIGIN_NOT_ALLOWED', name => 'a public key without an origin';
        error_is $ask->($ann->with(key => $page, origin => 'https://app.example.com.evil.example')), 403, 'ORIGIN_NOT_ALLOWED', name => 'or from another one';
        error_is $ask->($t->client(key => $key)), 401, 'AUTHENTICATION_ERROR', name => 'a secret key alone';
        error_is $ask->($eve->with(key => $key)), 401, 'AUTHENTICATION_ERROR', name => 'a token of another tenant';
        unlike $ask->($ann->with(key => $page, origin => 'https://app.example.com'))->status, qr/^401$/, 'but a public key and a token are enough';
    }
    is $t->db->selectrow_array('SELECT count(*) FROM organizations'), 1, 'only that one made any';
};

subtest 'a slug is words of small letters and digits, joined by hyphens' => sub {
    for my $slug ('', 'Acme', 'a_b', 'a b', '-a', 'a-', 'a--b', "\x{e4}", 'a/b', 'x' x 64) {
        error_is $ann->post($base, { name => 'x', slug => $slug }), 422, 'VALIDATION_ERROR', field => 'slug', name => "not '$slug'";
    }
    error_is $ann->post($base, { name => 'x' }), 422, 'VALIDATION_ERROR', field => 'slug';
    error_is $ann->post($base, { slug => 'nameless' }), 422, 'VALIDATION_ERROR', field => 'name';
    status_is $ann->post($base, { name => 'x', slug => 'x' x 63 }), 201, '63 characters';
    status_is $ann->post($base, { name => 'x', slug => '7-up-2' }), 201;
};

my ($acme, $etag);
subtest 'who creates one is its owner, in a default department, and has a default organization' => sub {
    my $res = $bob->post($base, { name => 'Acme Inc.', slug => 'acme' });
    status_is $res, 201;
    json_is $res, '', \%organization;
    $acme = $res->json('/id');
    is stored($acme)->{tenant_id}, $bob->tenant_id, 'in the key\'s tenant';
    is_deeply $t->db->selectall_arrayref('SELECT user_id, role, is_active FROM memberships WHERE organization_id = ?', undef, $acme), [ [ $bob->uuid, 'owner', 1 ] ], 'one member';
    is_deeply $t->db->selectall_arrayref('SELECT name, is_default FROM departments WHERE organization_id = ?', undef, $acme), [ [ 'General', 1 ] ], 'one department';
    is default_of($bob), $acme, 'the default organization of who had none';
    my $row = audited($acme);
    is "$row->{action} $row->{actor_id} $row->{resource_type}", 'organization.create user_bob organization', 'it is in the audit log';
    like $row->{details}, qr/"slug": "acme"/;

    my $second = $bob->post($base, { name => 'Second', slug => 'second', description => 'another' });
    json_is $second, '/description', 'another';
    is default_of($bob), $acme, 'the second one is not the default';
};

subtest 'a slug is taken once in a tenant' => sub {
    my $before = audit_count();
    error_is $ann->post($base, { name => 'Other', slug => 'acme' }), 409, 'CONFLICT', field => 'slug';
    is $t->db->selectrow_array(q{SELECT count(*) FROM organizations WHERE slug = 'acme'}), 1;
    is audit_count(), $before, 'what did not happen is not in the audit log';
    my $eve = $t->user('eve2', tenant => 'other')->with(key => $t->key(tenant => 'other'));
    status_is $eve->post($base, { name => 'Acme', slug => 'acme' }), 201, 'free in another tenant';
};

subtest 'a member reads it, with their own role' => sub {
    my $res = $bob->get("$base/$acme");
    status_is $res, 200;
    json_is $res, '', \%organization;
    for my $role (qw(admin developer member)) {
        my $who = person($role);
        join_as($who, $acme, $role);
        json_is $who->get("$base/$acme"), '/role', $role;
        isnt $who->last->header('ETag'), $res->header('ETag'), '  another representation, another ETag';
    }
    status_is $bob->get("$base/$acme", headers => { 'If-None-Match' => $res->header('ETag') }), 304;
};

subtest 'who is not a member is refused, and who is in another tenant finds nothing' => sub {
    my $gus  = person('gus');
    my $dora = person('dora');
    my $eve  = $t->user('eve3', tenant => 'other')->with(key => $t->key(tenant => 'other'));
    my $mia  = person('mia');
    join_as($dora, $acme, 'admin', is_active => 0);
    join_as($mia, $acme, 'member');
    my $before = stored($acme);
    my $rows   = audit_count();
    for my $ask (
        sub ($who) { $who->get("$base/$acme") },
        sub ($who) { $who->put("$base/$acme", { name => 'stolen' }) },
        sub ($who) { $who->post("$base/$acme/set-default") },
    ) {
        error_is $ask->($gus),  403, 'AUTHORIZATION_ERROR', message => qr/not a member/;
        error_is $ask->($dora), 403, 'AUTHORIZATION_ERROR', message => qr/not a member/, name => 'nor does a deactivated member get in';
        error_is $ask->($eve),  404, 'NOT_FOUND';
        body_unlike $eve->last, qr/Acme/;
    }
    error_is $bob->get("$base/$nobody"), 404, 'NOT_FOUND', resource => 'Organization', id => $nobody;
    error_is $bob->get("$base/not-an-id"), 404, 'NOT_FOUND';
    error_is $mia->put("$base/$acme", { name => 'mine' }), 403, 'AUTHORIZATION_ERROR', message => qr/owner or admin/;
    join_as($mia, $acme, 'developer');
    error_is $mia->put("$base/$acme", { name => 'mine' }), 403, 'AUTHORIZATION_ERROR';
    is_deeply stored($acme), $before, 'nothing changed';
    is audit_count(), $rows, 'nor was anything put down';
    is default_of($_), undef for $gus, $dora;
};

subtest 'owner and admin change it' => sub {
    my $url   = "$base/$acme";
    my $admin = person('alma');
    join_as($admin, $acme, 'admin');
    my $res = $bob->put($url, { name => 'Acme Corp', description => 'Anvils', logo_url => 'https://example.com/a.png', slug => 'stolen' });
    json_is $res, '', { %organization, name => 'Acme Corp', description => 'Anvils', logo_url => 'https://example.com/a.png' }, 'the slug stays';
    is_deeply [ @{ audited($acme) }{qw(action details)} ], [ 'organization.update', '{"fields": ["name", "description", "logo_url"]}' ];

    json_is $admin->put($url, { description => undef }), '', { %organization, name => 'Acme Corp', logo_url => 'https://example.com/a.png', role => 'admin' }, 'null clears; what is left out stays';
    is audited($acme)->{details}, '{"fields": ["description"]}';
    is audited($acme)->{actor_id}, 'user_alma';
    json_is $bob->patch($url, { logo_url => undef }), '/logo_url', undef, 'PATCH is the same';

    error_is $bob->put($url, { name => '' }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $bob->put($url, { name => undef }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $bob->put($url, { logo_url => 'javascript:alert(1)' }), 422, 'VALIDATION_ERROR', field => 'logo_url';
    error_is $bob->put($url, { description => 'x' x 2001 }), 422, 'VALIDATION_ERROR', field => 'description';
    is stored($acme)->{name}, 'Acme Corp';
};

subtest 'a change may ask that nobody else was faster' => sub {
    my $url = "$base/$acme";
    my $old = $bob->get($url)->header('ETag');
    status_is $bob->put($url, { name => 'One' }, headers => { 'If-Match' => $old }), 200;
    my $rows = audit_count();
    error_is $bob->put($url, { name => 'Two' }, headers => { 'If-Match' => $old }), 412, 'PRECONDITION_FAILED';
    is audit_count(), $rows, 'which is not put down';
    status_is $bob->put($url, { name => 'Two' }, headers => { 'If-Match' => $bob->get($url)->header('ETag') }), 200;
};

subtest 'my organizations are those I am an active member of, oldest first' => sub {
    my $kim = person('kim');
    json_is $kim->get("$base/my-organizations"), '', { organizations => [] }, 'none';
    my @ids = map { $kim->post($base, { name => "Kim $_", slug => "kim-$_" })->json('/id') } 1 .. 3;
    join_as($kim, $acme, 'developer');
    join_as($kim, $ids[1], 'owner', is_active => 0);
    $t->db->do(q{UPDATE organizations SET created_at = now() - interval '1 year' WHERE id = ?}, undef, $ids[2]);
    my $res = $kim->get("$base/my-organizations");
    status_is $res, 200;
    is_deeply [ map { "$_->{id} $_->{role}" } @{ $res->json('/organizations') } ], [ "$ids[2] owner", "$acme developer", "$ids[0] owner" ], 'with the role in each';
    is_deeply [ sort keys %{ $res->json('/organizations/0') } ], [ sort keys %organization ];
    json_is $kim->get("$base/my-organizations?limit=1&skip=1"), '/organizations/0/id', $acme, 'they can be read in parts';
    is scalar @{ $kim->last->json('/organizations') }, 1;
    error_is $kim->get("$base/my-organizations?limit=1001"), 422, 'VALIDATION_ERROR', field => 'limit';
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $ids[2]);
    is scalar @{ $kim->get("$base/my-organizations")->json('/organizations') }, 2, 'a deleted one is gone';
    error_is $kim->get("$base/$ids[2]"), 404, 'NOT_FOUND';
};

subtest 'a member chooses the default organization' => sub {
    my $lou = person('lou');
    join_as($lou, $acme, 'member');
    my $own = $lou->post($base, { name => 'Own', slug => 'lou' })->json('/id');
    is default_of($lou), $own;
    my $res = $lou->post("$base/$acme/set-default");
    status_is $res, 200;
    json_is $res, '', { message => qr/default/ };
    is default_of($lou), $acme;
    status_is $lou->post("$base/$acme/set-default"), 200, 'again';
};

subtest 'an Idempotency-Key makes one organization, not two' => sub {
    my @res = map { $bob->post($base, { name => 'Once', slug => 'once' }, headers => { 'Idempotency-Key' => 'once' }) } 1 .. 2;
    status_is $_, 201 for @res;
    is $res[0]->json('/id'), $res[1]->json('/id');
};

subtest 'of two who take a slug at once one gets it' => sub {
    my $lock = $t->lock('LOCK TABLE memberships IN SHARE ROW EXCLUSIVE MODE');
    my $load = $t->load(
        clients  => 2,
        requests => 1,
        make     => sub { $bob->with(http => $t->http) },
        each     => sub ($who, $n) { $who->post($base, { name => 'x', slug => 'race' }) },
    );
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } $load->finish), '201 409';
    is $t->db->selectrow_array(q{SELECT count(*) FROM organizations WHERE slug = 'race'}), 1;
};
