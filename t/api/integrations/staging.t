# Rows of virtual recordsets: which there are, who reads them, in which order, and what nobody is let do.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

my $t    = Api->start(main => 3);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my $x    = workspace($t, eve => 'owner');
my $base = '/api/v1/integration-records';

sub virtual ($of, $slug, $table, $type = 'shopify') {
    return $db->selectrow_array(q{INSERT INTO recordsets (tenant_id, organization_id, slug, name, type, is_virtual, integration_type, staging_table)
        VALUES (?, ?, ?, 'Products', 'integration', true, ?, ?) RETURNING id}, undef, $of->{(grep { ref $of->{$_} } qw(ann eve))[0]}->tenant_id, $of->id, $slug, $type, $table);
}
sub fill ($of, @rows) {
    my $who = $of->{ann} // $of->{eve};
    $db->do(q{INSERT INTO staging_shopify_products (tenant_id, organization_id, id, title, vendor, status, price, inventory) VALUES (?, ?, ?, ?, ?, ?, ?, ?)}, undef, $who->tenant_id, $of->id, @$_) for @rows;
    return;
}

my $set = virtual($w, 'shopify-products', 'shopify_products');
virtual($x, 'shopify-products', 'shopify_products');
my $lost  = virtual($w, 'meta-ads', 'meta_ads', 'meta');
my $evil  = virtual($w, 'evil', 'users');
my $plain = $w->{ann}->post('/api/v1/recordsets', { name => 'Berths' })->json('/slug');
fill($w, [ 1, 'Storm lantern', 'Harbour Goods', 'active', 49.90, 12 ], [ 2, 'Mooring rope', 'Harbour Goods', 'active', 9.5, 40 ], [ 3, '100% wool cap', undef, 'draft', undef, 0 ], [ 30, 'Anchor', 'Smith', 'active', 120, 3 ]);
fill($x, [ 1, 'Theirs', 'Eve', 'active', 1, 1 ]);

my @columns = map { { name => $_->[0], type => $_->[1], nullable => $_->[2] ? true : false, primary_key => $_->[0] eq 'id' ? true : false } }
    [ id => 'BIGINT' ], [ title => 'TEXT' ], [ vendor => 'TEXT', 1 ], [ product_type => 'TEXT', 1 ], [ status => 'TEXT', 1 ], [ price => 'NUMERIC(12,2)', 1 ], [ inventory => 'INTEGER', 1 ],
    [ published_at => 'TIMESTAMPTZ', 1 ], [ sys_created_at => 'TIMESTAMPTZ' ], [ sys_updated_at => 'TIMESTAMPTZ' ];

sub titles (%query) { return join ', ', map { $_->{title} } @{ $w->{ann}->get("$base/shopify-products", query => \%query)->json('/items') } }

subtest 'what is refused' => sub {
    for my $way ('', '/count', '/1') {
        error_is $t->nobody->get("$base/shopify-products$way"), 401, 'AUTHENTICATION_ERROR';
        error_is $x->{eve}->with(headers => { 'X-Workspace-Id' => $w->id })->get("$base/shopify-products$way"), 403, 'AUTHORIZATION_ERROR', name => 'not in another workspace';
        error_is $w->{$_}->get("$base/shopify-products$way"), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => "$_, without a grant" for qw(bob vera);
        error_is $w->{ann}->get("$base/nowhere$way"), 404, 'NOT_FOUND', message => qr/Recordset/, name => "unknown$way";
        error_is $x->{eve}->get("$base/$set$way"), 404, 'NOT_FOUND', name => "another workspace\'s$way";
        error_is $w->{ann}->get("$base/$plain$way"), 400, 'BAD_REQUEST', message => qr/not virtual/, name => "not virtual$way";
        error_is $w->{ann}->get("$base/$_$way"), 404, 'NOT_FOUND', message => qr/Staging table/, name => "$_: no table of the list$way" for qw(meta-ads evil);
    }
    error_is $w->{ann}->get("$base/shopify-products/$_"), 404, 'NOT_FOUND', message => qr/Record/, name => $_ for '4', 'x', '1%20OR%201=1', '-1', '9' x 19, '1.0';
    error_is $w->{ann}->get("$base/shopify-products", query => { sort_by => $_ }), 400, 'BAD_REQUEST', field => 'sort_by', name => "sort_by=$_" for 'nothing', 'tenant_id', 'organization_id', 'id; DROP TABLE users', 'created_at';
    error_is $w->{ann}->get("$base/shopify-products", query => { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "@$_" for [ page => 0 ], [ page_size => 0 ], [ page_size => 201 ], [ sort_order => 'up' ], [ page => 'x' ];
};

subtest 'a page' => sub {
    my $res = $w->{ann}->get("$base/shopify-products");
    status_is $res, 200;
    my $got   = $res->json;
    my $items = delete $got->{items};
    is_deeply $got, {
        recordset => { id => $set, slug => 'shopify-products', name => 'Products', integration_type => 'shopify', staging_table => 'shopify_products' },
        columns => \@columns, total => 4, page => 1, page_size => 50, total_pages => 1,
    };
    is_deeply [ map { $_->{id} } @$items ], [ 1, 2, 3, 30 ], 'by the primary key, and of no other workspace';
    is_deeply [ sort keys %{ $items->[0] } ], [ sort map { $_->{name} } @columns ], 'the columns that it says';
    is_deeply [ @{ $items->[0] }{qw(title vendor product_type status price inventory published_at)} ], [ 'Storm lantern', 'Harbour Goods', undef, 'active', 49.9, 12, undef ];
    is_deeply $w->{ann}->get("$base/$set")->json('/items'), $items, 'by its id, too';
    is titles(page_size => 3), 'Storm lantern, Mooring rope, 100% wool cap';
    my $last = $w->{ann}->get("$base/shopify-products", query => { page_size => 3, page => 2 })->json;
    is_deeply [ map({ $_->{title} } @{ $last->{items} }), @$last{qw(total page page_size total_pages)} ], [ 'Anchor', 4, 2, 3, 2 ];
    $last = $w->{ann}->get("$base/shopify-products", query => { page_size => 3, page => 3 })->json;
    is_deeply [ @$last{qw(items total page total_pages)} ], [ [], 4, 3, 2 ], 'behind the last page there is none';
};

subtest 'sorted and searched' => sub {
    is titles(sort_by => 'title'), '100% wool cap, Anchor, Mooring rope, Storm lantern';
    is titles(sort_by => 'price'), 'Mooring rope, Storm lantern, Anchor, 100% wool cap', 'a number as one';
    is titles(sort_by => 'inventory', sort_order => 'desc'), 'Mooring rope, Storm lantern, Anchor, 100% wool cap';
    is titles(sort_by => $_), titles(sort_by => $_), $_ for map { $_->{name} } @columns;
    is titles(search => 'HARBOUR'), 'Storm lantern, Mooring rope', 'in any case, in any text';
    is titles(search => '100%'), '100% wool cap', 'a sign stands for itself';
    is titles(search => '%'), '100% wool cap';
    is titles(search => 'draft', sort_by => 'title'), '100% wool cap';
    is titles(search => 'nothing'), '';
    is titles(search => '  '), titles(), 'blank is no filter';
    is $w->{ann}->get("$base/shopify-products", query => { search => 'harbour' })->json('/total'), 2, 'what is found is counted';
};

subtest 'a row, and how many there are' => sub {
    my $res = $w->{ann}->get("$base/shopify-products/30");
    status_is $res, 200;
    is_deeply $res->json('/columns'), \@columns;
    is $res->json('/record/title'), 'Anchor';
    json_is $w->{ann}->get("$base/shopify-products/count"), '', { count => 4 }, 'count is no row';
    json_is $x->{eve}->get("$base/shopify-products/count"), '', { count => 1 };
    is $x->{eve}->get("$base/shopify-products/1")->json('/record/title'), 'Theirs';
};

subtest 'who has a grant reads, and nobody writes' => sub {
    status_is $w->{ann}->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id('vera') }), 201;
    status_is $w->{vera}->get("$base/shopify-products$_"), 200, "$_" for '', '/count', '/1';
    error_is $w->{ann}->request($_ => "$base/shopify-products/1"), 405, 'METHOD_NOT_ALLOWED', name => $_ for qw(PUT DELETE POST);
    error_is $w->{ann}->post('/api/v1/records', { recordset_id => $set, field_values => {} }), 409, 'CONFLICT', name => 'nor records of it';
};
