use v5.36;
use utf8;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $key    = $t->key;
my $server = $t->client(key => $key);
my $ann    = $t->user('ann')->with(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $mick   = $t->team('mick', role => 'member');
my $team   = '/api/v1/dashboard/plans';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub made (%body) { return $olive->post($team, { name => 'Plan', price_monthly => 10, %body }) }

subtest 'owners and admins of the team make plans' => sub {
    error_is $t->post($team, { name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($team, { name => 'x' }), 401, 'AUTHENTICATION_ERROR', name => 'a user of the product is none of the team';
    error_is $mick->post($team, { name => 'x', price_monthly => 1 }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->post($team, {}), 422, 'VALIDATION_ERROR', field => 'name';
    error_is made(name => ''), 422, 'VALIDATION_ERROR', field => 'name';
    error_is made(name => 'x' x 101), 422, 'VALIDATION_ERROR', field => 'name';
    error_is made(price_monthly => -0.01), 422, 'VALIDATION_ERROR', field => 'price_monthly';
    error_is made(price_monthly => '10'), 422, 'VALIDATION_ERROR', field => 'price_monthly';
    error_is made(currency => 'EURO'), 422, 'VALIDATION_ERROR', field => 'currency';
    error_is made(currency => 'E1R'), 422, 'VALIDATION_ERROR', field => 'currency';
    error_is made(is_free => true), 422, 'VALIDATION_ERROR', field => 'is_free', message => qr/free plan has no price/;
    error_is made(price_monthly => 0), 422, 'VALIDATION_ERROR', field => 'price_monthly', message => qr/needs a price/;
    error_is made(features => [ ('x') x 101 ]), 422, 'VALIDATION_ERROR', field => 'features';
    error_is made(max_messages_per_month => -1), 422, 'VALIDATION_ERROR', field => 'max_messages_per_month';
    error_is made(max_cost_usd_per_month => 0.0000001), 422, 'VALIDATION_ERROR', field => 'max_cost_usd_per_month';
};

my $pro = made(
    name => 'Pro', description => 'For teams', price_monthly => 19.99, price_yearly => 199, currency => 'eur', features => [ 'Everything', 'and more' ], max_messages_per_month => 10_000,
    max_cost_usd_per_month => 12.5, max_tokens_per_month => undef, stripe_product_id => 'prod_1', stripe_price_id_monthly => 'price_m'
);
my %pro = (
    id => $UUID, name => 'Pro', description => 'For teams', price_monthly => 19.99, price_yearly => 199, currency => 'eur', features => [ 'Everything', 'and more' ], is_free => false, is_active => true,
    max_messages_per_month => 10_000, max_cost_usd_per_month => 12.5, stripe_product_id => 'prod_1', stripe_price_id_monthly => 'price_m', stripe_price_id_yearly => undef, created_at => $TIME, updated_at => $TIME,
);
my %sold = (%pro, max_tokens_per_month => undef);

subtest 'a plan says what it costs to the cent' => sub {
    status_is $pro, 201;
    json_is $pro, '', { %sold, is_global => false, subscriptions_count => 0 };
    body_like $pro, qr/"price_monthly":19\.99,"price_yearly":199,/, 'exactly as it was written';
    is_deeply $t->db->selectcol_arrayref('SELECT amount FROM plan_prices WHERE plan_id = ? ORDER BY interval', undef, $pro->json('/id')), [ 1999, 19_900 ], 'stored in the smallest unit';
    error_is made(name => 'pRO'), 409, 'CONFLICT', field => 'name';
    error_is made(price_monthly => 1.999), 422, 'VALIDATION_ERROR', field => 'price_monthly', message => qr/more decimals than amounts of USD have, which is 2/;
    error_is made(price_monthly => 500.5, currency => 'JPY'), 422, 'VALIDATION_ERROR', field => 'price_monthly', message => qr/which is 0/;
    body_like made(name => 'Yen', price_monthly => 500, currency => 'JPY'), qr/"price_monthly":500,"price_yearly":0,/, 'yen have no decimals';
    body_like made(name => 'Dinar', price_monthly => 1.234, currency => 'KWD'), qr/"price_monthly":1\.234,/, 'dinars have three';
    error_is made(name => 'Mill', price_monthly => 100_000_000), 422, 'VALIDATION_ERROR', field => 'price_monthly';
    status_is made(name => 'Mill', price_monthly => 99_999_999), 201, 'the dearest plan';
};
my $id   = $pro->json('/id');
my $free = made(name => 'Free', price_monthly => 0, is_free => true)->json('/id');

subtest 'what is left out of a change stays' => sub {
    error_is $mick->put("$team/$id", { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->put("$team/$nobody", { name => 'x' }), 404, 'NOT_FOUND', resource => 'Plan', id => $nobody;
    error_is $olive->put("$team/$id", { name => 'FREE' }), 409, 'CONFLICT', field => 'name';
    error_is $olive->put("$team/$id", { is_free => true }), 422, 'VALIDATION_ERROR', field => 'is_free';
    error_is $olive->put("$team/$id", { price_monthly => 0, price_yearly => 0 }), 422, 'VALIDATION_ERROR', field => 'price_monthly';
    error_is $olive->put("$team/$id", { currency => 'jpy' }), 422, 'VALIDATION_ERROR', field => 'price_monthly', name => '19.99 yen are none';
    json_is $olive->put("$team/$id", { stripe_price_id_yearly => 'price_y' }), '', { %sold, stripe_price_id_yearly => 'price_y', updated_at => $TIME, is_global => false, subscriptions_count => 0 };
    $pro{stripe_price_id_yearly} = $sold{stripe_price_id_yearly} = 'price_y';
    my $yen = $olive->put("$team/$id", { currency => 'JPY', price_monthly => 3000 });
    json_is $yen, '/price_yearly', 199, 'a price that was not sent is as many yen';
    json_is $yen, '/price_monthly', 3000;
    json_is $olive->put("$team/$id", { currency => 'eur', price_monthly => 19.99, max_messages_per_month => undef }), '/max_messages_per_month', undef, 'a cap that is taken away';
    json_is $olive->patch("$team/$id", { max_messages_per_month => 10_000 }), '/price_yearly', 199;
    my $tag = $olive->put("$team/$id", {})->header('ETag');
    status_is $olive->put("$team/$id", { description => 'For teams' }, headers => { 'If-Match' => $tag }), 200;
    error_is $olive->put("$team/$id", { description => 'late' }, headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
};

# A global plan is the installation's, another tenant's is nobody's here.
my ($global) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_global, currency) VALUES (?, 'Everywhere', true, 'USD') RETURNING id}, undef, $t->tenant_id('operator'));
$t->db->do(q{INSERT INTO plan_prices (tenant_id, plan_id, interval, amount, is_global) VALUES (?, ?, 'month', 100, true)}, undef, $t->tenant_id('operator'), $global);
my ($theirs) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name) VALUES (?, 'Theirs') RETURNING id}, undef, $t->tenant_id('operator'));

subtest 'global plans can be seen, and not changed; another tenant\'s cannot be seen' => sub {
    json_is $ann->get("/api/v1/plans/$global"), '/price_monthly', 1;
    for my $path ('/api/v1/plans', '/api/v1/subscriptions/plans') {
        error_is $ann->get("$path/$theirs"), 404, 'NOT_FOUND', resource => 'Plan', id => $theirs;
    }
    error_is $olive->put("$team/$_", { name => 'Mine' }), 404, 'NOT_FOUND' for $global, $theirs;
    my ($shown) = grep { $_->{id} eq $global } @{ $olive->get($team)->json('/plans') };
    is $shown->{is_global}, true, 'the dashboard says which is global';
};

subtest 'a retired plan is not sold any more' => sub {
    my $old = made(name => 'Old', price_monthly => 5)->json('/id');
    json_is $olive->put("$team/$old", { is_active => false }), '/is_active', false;
    my $names = sub ($res, $at = '') { return { map { $_->{name} => 1 } @{ $res->json($at) } } };
    ok !$names->($ann->get('/api/v1/plans'), '/plans')->{Old}, 'the list leaves it out';
    ok $names->($ann->get('/api/v1/plans?include_inactive=true'), '/plans')->{Old}, 'but for who asks for it';
    ok !$names->($ann->get($_))->{Old}, "$_ leaves it out" for '/api/v1/plans/active', '/api/v1/subscriptions/plans';
    ok $names->($mick->get($team), '/plans')->{Old}, 'the dashboard shows it';
    ok !$names->($mick->get("$team?include_inactive=false"), '/plans')->{Old}, 'unless it is told not to';
    status_is $ann->get("/api/v1/plans/$old"), 200, 'whoever is on it can look it up';
    ok !$names->($server->get('/api/v1/billing/available-plans'), '/plans')->{Old}, 'a server cannot sell it';
};

subtest 'a user and a key read plans' => sub {
    for my $path ('/api/v1/plans', '/api/v1/plans/active', '/api/v1/plans/free', "/api/v1/plans/$id", '/api/v1/subscriptions/plans', "/api/v1/subscriptions/plans/$id") {
        error_is $server->get($path), 401, 'AUTHENTICATION_ERROR', name => "$path: not without a token";
        error_is $ann->get($path, key => undef), 401, 'INVALID_API_KEY', name => "$path: nor without a key";
    }
    error_is $ann->get('/api/v1/plans?limit=1001'), 422, 'VALIDATION_ERROR', field => 'limit';
    error_is $ann->get('/api/v1/plans?skip=-1'), 422, 'VALIDATION_ERROR', field => 'skip';
    json_is $ann->get("/api/v1/plans/$id"), '', \%pro, 'the cap on tokens is not in this shape';
    json_is $ann->get("/api/v1/subscriptions/plans/$id"), '', \%sold;
    my $all = $ann->get('/api/v1/plans?include_inactive=true');
    my $n   = @{ $all->json('/plans') };
    is $all->json("/$_->[0]"), $_->[1], "$_->[0] is $_->[1]" for [ total => $n ], [ page => 1 ], [ per_page => 100 ], [ has_next => false ], [ has_prev => false ];
    my $second = $ann->get('/api/v1/plans?include_inactive=true&skip=2&limit=2');
    is $second->json("/$_->[0]"), $_->[1], "$_->[0] is $_->[1]" for [ total => $n ], [ page => 2 ], [ per_page => 2 ], [ has_next => true ], [ has_prev => true ];
    is_deeply $second->json('/plans'), [ @{ $all->json('/plans') }[ 2, 3 ] ], 'the next two';
    my @prices = map { $_->{price_monthly} } @{ $ann->get('/api/v1/subscriptions/plans')->json };
    is_deeply \@prices, [ sort { $a <=> $b } @prices ], 'ordered by price';
    is_deeply [ map { $_->{id} } @{ $ann->get('/api/v1/plans/free')->json } ], [$free], 'those that cost nothing';
};

subtest 'servers get prices as cents and as a text' => sub {
    my $path = '/api/v1/billing/available-plans';
    error_is $ann->get($path, key => $t->key(type => 'public', origins => ['https://a.example']), origin => 'https://a.example'), 403, 'AUTHORIZATION_ERROR';
    my $res = $server->get($path);
    json_is $res, '/success', true;
    my %of = map { $_->{name} => $_ } @{ $res->json('/plans') };
    is_deeply $of{Pro}, { id => $id, name => 'Pro', price_cents => 1999, price_display => '€19.99', currency => 'eur', features => [ 'Everything', 'and more' ], is_free => false, stripe_price_id => 'price_m' }, 'a plan';
    is $of{$_->[0]}{price_display}, $_->[1], "$_->[0]: $_->[1]" for [ Yen => '¥500' ], [ Dinar => '1.234 KWD' ], [ Everywhere => '$1.00' ], [ Free => '$0.00' ];
};

subtest 'making and changing a plan is in the audit log' => sub {
    is_deeply $t->db->selectcol_arrayref(q{SELECT DISTINCT action FROM audit_events WHERE resource_type = 'plan' ORDER BY action}), [ 'plan.create', 'plan.update' ];
};
