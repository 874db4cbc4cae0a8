use v5.36;
use lib 't/lib';
use Api;


# Products of a tenant: what a row lacks comes from its brand file, and counts stand beside every list.
my $t    = Api->start(main => 4);
my $db   = $t->db;
my $base = '/api/products';
my $ann  = $t->user('ann', tenant => 'acme', role => 'member');
my $eve  = $t->user('eve', tenant => 'other', role => 'superadmin');
my $org  = $t->organization($ann);
my $key  = $t->client(key => $t->key(type => 'organization', of => $org, by => $ann));
my $tenant = $ann->tenant_id;

sub logged ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM activity_log WHERE tenant_id = ? AND action = ?', undef, $tenant, "product.$action") }
sub audited ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE tenant_id = ? AND action = ?', undef, $tenant, "product.$action") }
sub names ($res) { return join '|', map { $_->{name} } @{ $res->json('/data') } }
sub here (@do) { $db->begin_work; $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant); $db->do(@do); $db->commit; return }
my $none = { total => 0, active => 0, building => 0, archived => 0, other => 0 };

subtest 'making one' => sub {
    error_is $t->client->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key(tenant => 'acme'))->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR', name => 'nor a key that is nobody\'s';
    error_is $t->user($_, tenant => 'acme', role => $_)->post($base, { name => 'X' }), 403, 'AUTHORIZATION_ERROR', name => "$_ makes none" for qw(viewer demo);
    error_is $t->client(key => $t->key(type => 'organization', of => $org, by => $ann, columns => { scopes => ['tasks:write'] }))->post($base, { name => 'X' }), 403, 'INSUFFICIENT_SCOPE';
    error_is $ann->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is $ann->post($base, {}), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, { name => $_ }), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101, 7, undef, "\x{65e5}";
    error_is $ann->post($base, { name => 'X', slug => $_ }), 400, 'VALIDATION_ERROR', field => 'slug' for '', 'A', 'a b', '-a', 'a-', 'a--b', 'x' x 101, 7;
    error_is $ann->post($base, { name => 'X', tagline => $_ }), 400, 'VALIDATION_ERROR', field => 'tagline' for 'x' x 301, 7;
    error_is $ann->post($base, { name => 'X', description => $_ }), 400, 'VALIDATION_ERROR', field => 'description' for 'x' x 20_001, 7;
    error_is $ann->post($base, { name => 'X', status => $_ }), 400, 'VALIDATION_ERROR', field => 'status' for 'live', 'idea', '', 7;
    json_is $ann->get($base), '', { data => [], meta => { total => 0, limit => 1000, offset => 0, summary => $none } }, 'there is none yet';
    my $res = $ann->post($base, { name => '  Tide & Tables!', tagline => 'When to sail', unknown => 1 });
    status_is $res, 201;
    json_is $res, '/data', { id => qr/\A\d+\z/, name => '  Tide & Tables!', slug => 'tide-tables', tagline => 'When to sail', description => undef, status => 'building', domain => undef,
        brand_color => undef, accent_color => undef, brand => {}, created_at => $TIME, updated_at => $TIME };
    error_is $ann->post($base, { name => 'Tide tables' }), 409, 'CONFLICT', field => 'slug', name => 'no number is tried behind a slug';
    error_is $ann->post($base, { name => 'X', slug => 'tide-tables' }), 409, 'CONFLICT', field => 'slug';
    json_is $eve->post($base, { name => 'Tide tables' }), '/data/slug', 'tide-tables', 'another tenant has its own';
    status_is $key->post($base, { name => 'x' x 100, slug => 'y' x 100, tagline => 'x' x 300, description => 'x' x 20_000, status => 'archived' }), 201, 'the longest; by a key of an organization';
    is logged('created'), 2;
    is audited('create'), 2;

};

subtest 'a job writes brand.json and guidelines' => sub {
    $t->start_worker(children => 1);
    eventually { $ann->get("$base/tide-tables")->json('/data/brand/name') } 20, 'it is written' or return;
    json_is $ann->get("$base/tide-tables"), '/data/brand', { name => '  Tide & Tables!', slug => 'tide-tables', tagline => 'When to sail' };
    is $db->selectrow_array('SELECT guidelines FROM product_brands WHERE tenant_id = ? AND slug = ?', undef, $tenant, 'tide-tables'), "#   Tide & Tables!\n\nWhen to sail\n";
    status_is $ann->patch("$base/tide-tables", { tagline => undef, brand_color => '#ABCDEF' }), 200;
    json_is $ann->last, '/data/tagline', undef, 'what is cleared does not come back from the file';
    eventually { ($ann->get("$base/tide-tables")->json('/data/brand/brand_color') // '') eq '#ABCDEF' } 20, 'and again';
    json_is $ann->get("$base/tide-tables"), '/data/brand', { name => '  Tide & Tables!', slug => 'tide-tables', brand_color => '#ABCDEF' };
    $t->{pool}{worker}->stop('TERM', 15);
};

subtest 'what a row lacks comes from the file' => sub {
    here(q{UPDATE product_brands SET brand = brand || ? WHERE tenant_id = ? AND slug = 'tide-tables'}, undef,
        '{"name": "Other", "tagline": "of the file", "description": 7, "domain": "tides.example", "brand_color": "#000000", "accent_color": "red", "more": [1]}', $tenant);
    my $res = $ann->get("$base/tide-tables");
    json_is $res, '/data/name', '  Tide & Tables!', 'a database value wins';
    json_is $res, '/data/brand_color', '#ABCDEF';
    json_is $res, '/data/tagline', 'of the file', 'a file\'s fills a gap';
    json_is $res, '/data/domain', 'tides.example';
    json_is $res, "/data/$_", undef, "  but for what no column would take: $_" for qw(description accent_color);
    json_is $res, '/data/brand/more', [1], 'and the whole file is there';
    json_is $ann->get("$base?slug=tide-tables"), '/data/0', $res->json('/data'), 'the list shows the same';
};

subtest 'looking' => sub {
    error_is $t->client->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/tide-tables";
    error_is $ann->get("$base/$_"), 404, 'NOT_FOUND' for 'none', 'TIDE-TABLES', '%25';
    error_is $ann->get("$base?status=$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1] for [ 'x', 'status[0]' ], [ 'active,x', 'status[1]' ];
    error_is $ann->get("$base?q=" . 'x' x 201), 400, 'VALIDATION_ERROR', field => 'q';
    status_is $ann->post($base, $_), 201 for { name => 'a 100% product', status => 'active' }, { name => 'Zoo', description => "an A_\x{e4}rdvark" };
    here(q{INSERT INTO products (tenant_id, name, slug, status) VALUES (?, 'Idea', 'idea', 'idea'), (?, 'Live', 'live', 'live'), (?, 'Out', 'out', 'launched')}, undef, ($tenant) x 3);
    my $res = $ann->get($base);
    is names($res) =~ s/x{100}/x100/r, '  Tide & Tables!|a 100% product|Idea|Live|Out|x100|Zoo', 'by name, whatever its case' or diag names($res);
    json_is $res, '/meta', { total => 7, limit => 1000, offset => 0, summary => { total => 7, active => 3, building => 2, archived => 1, other => 1 } };
    my $viewer = $t->user('vic', tenant => 'acme', role => 'viewer');
    is names($viewer->get("$base?status=active,%20live,")), 'a 100% product|Live', 'one of these';
    json_is $viewer->last, '/meta', { total => 2, limit => 1000, offset => 0, summary => { total => 7, active => 3, building => 2, archived => 1, other => 1 } }, 'and all are counted beside it';
    is names($viewer->get("$base?status=idea,launched")), 'Idea|Out';
    is names($viewer->get("$base?q=$_->[0]")), $_->[1], "q=$_->[0]" for [ '100%25', 'a 100% product' ], [ 'A_%C3%84', 'Zoo' ], [ 'LIV', 'Live' ], [ 'tide-', '  Tide & Tables!' ], [ 'z', 'Zoo' ], [ '_', 'Zoo' ], [ '%5C', '' ], [ 'sail', '' ];
    json_is $viewer->get("$base?q=none"), '', { data => [], meta => { total => 0, limit => 1000, offset => 0, summary => { total => 7, active => 3, building => 2, archived => 1, other => 1 } } };
    is names($viewer->get("$base?slug=$_->[0]")), $_->[1], "slug=$_->[0]" for [ 'zoo', 'Zoo' ], [ 'zo', '' ], [ 'ZOO', '' ];
    json_is $eve->get($base), '/meta/summary', { %$none, total => 1, building => 1 }, 'another tenant has its own';
    error_is $eve->get("$base/zoo"), 404, 'NOT_FOUND';
};

subtest 'changing one' => sub {
    my $path = "$base/zoo";
    error_is $t->client->patch($path, { name => 'Y' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->user($_ . 2, tenant => 'acme', role => $_)->patch($path, { name => 'Y' }), 403, 'AUTHORIZATION_ERROR' for qw(viewer demo);
    error_is $eve->patch($path, { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $ann->patch("$base/none", { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $ann->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { slug => 'y' }, { domain => 'x.example' }, { name => undef }, { name => '' }, { name => 'x' x 101 }, { tagline => 7 }, { tagline => 'x' x 301 },
        { description => 'x' x 20_001 }, { status => 'idea' }, { status => 'launched' }, { status => undef }, { brand_color => 'red' }, { accent_color => '#12345' };
    json_is $ann->patch($path, { name => 'Zoo 2', brand_color => '#00FF00', accent_color => '#0000ff', status => 'live', slug => 'other' }), '/data',
        { id => qr/\A\d+\z/, name => 'Zoo 2', slug => 'zoo', tagline => undef, description => "an A_\x{e4}rdvark", status => 'live', domain => undef, brand_color => '#00FF00', accent_color => '#0000ff', brand => {},
        created_at => $TIME, updated_at => $TIME };
    json_is $key->patch($path, { description => undef, brand_color => undef, accent_color => undef, tagline => '' }), '/data/description', undef, 'null clears it';
    is logged('status_changed'), 1;
    json_is $ann->get('/api/activity-log?action=product.status_changed'), '/data/0/metadata', { slug => 'zoo', status => 'live', previous_status => 'building' };
    json_is $ann->get('/api/notifications'), '/data/0/link', '/products/zoo', 'everybody is told';
    json_is $ann->last, '/data/0/title', 'Product Zoo 2 is live';
    status_is $ann->patch($path, { status => 'live' }), 200;
    is logged('status_changed'), 1, 'of the same status nobody is';
    is audited('update'), 4;
    my $etag = $ann->get($path)->header('ETag');
    status_is $ann->patch($path, { status => 'placeholder' }, headers => { 'If-Match' => $etag }), 200;
    error_is $ann->patch($path, { name => 'Watch' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
};

subtest 'a brand directory alone' => sub {
    here(q{INSERT INTO product_brands (tenant_id, slug, brand) VALUES (?, 'found', '{"name": "Found", "tagline": "of the file"}'), (?, 'bare', '{}')}, undef, ($tenant) x 2);
    error_is $ann->get("$base/found"), 404, 'NOT_FOUND', name => 'is no product';
    error_is $eve->patch("$base/found", { status => 'live' }), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
    error_is $ann->patch("$base/found", {}), 400, 'VALIDATION_ERROR';
    error_is $ann->get("$base/found"), 404, 'NOT_FOUND', name => 'what is refused makes none';
    json_is $ann->patch("$base/found", { status => 'live' }), '/data', { id => qr/\A\d+\z/, name => 'Found', slug => 'found', tagline => 'of the file', description => undef, status => 'live', domain => undef,
        brand_color => undef, accent_color => undef, brand => { name => 'Found', tagline => 'of the file' }, created_at => $TIME, updated_at => $TIME }, 'gets its row with a change';
    json_is $ann->patch("$base/bare", { status => 'active' }), '/data/name', 'bare';
    status_is $ann->get("$base/found"), 200;
};
