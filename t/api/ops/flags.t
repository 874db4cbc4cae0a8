use v5.36;
use lib 't/lib';
use Api;
use Digest::SHA 'sha256_hex';

my $t    = Api->start;
my $ann  = $t->user('ann', columns => { subscription_plan => 'pro', subscription_status => 'active' });
my $boss = $t->user('boss', role => 'admin');
my $eve  = $t->user('eve', tenant => 'other', role => 'admin');
my $base = '/api/v1/admin/feature-flags';

sub check ($flag, $user = 'user_ann') { return $boss->get("$base/$flag/check?user_id=$user") }

# The answer is this one, and so is the reason.
sub decides ($res, $flag, $is_enabled, $reason, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return json_is $res, '', { flag_key => $flag, is_enabled => $is_enabled, reason => $reason }, $name;
}

subtest 'only administrators' => sub {
    my $id = $boss->post($base, { key => 'first', name => 'First', flag_type => 'boolean' })->json('/id');
    for my $try ([ GET => $base ], [ POST => $base, { key => 'x', name => 'x', flag_type => 'boolean' } ], [ PATCH => "$base/$id", { is_enabled => true } ],
        [ DELETE => "$base/$id" ], [ GET => "$base/first/check?user_id=user_ann" ]) {
        my ($method, $path, $body) = @$try;
        error_is $t->client->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $path without a token";
        error_is $ann->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR', name => '  as a user';
    }
    error_is $eve->patch("$base/$id", { is_enabled => true }), 404, 'NOT_FOUND', name => 'another tenant\'s administrator';
    error_is $eve->delete("$base/$id"), 404, 'NOT_FOUND';
    error_is $eve->get("$base/first/check?user_id=user_eve"), 404, 'NOT_FOUND';
    json_is $eve->get($base), '', { items => [], total => 0 };
    json_is $boss->get($base), '/items/0/is_enabled', false, 'nothing was changed';
    status_is $boss->delete("$base/$id"), 204;
    json_is $boss->get($base), '', { items => [], total => 0 }, 'a list has items and total only';
    json_is $boss->get('/api/v2/admin/feature-flags'), '/data', { items => [], total => 0 };
};

subtest 'create, list, update, delete' => sub {
    my $res = $boss->post($base, { key => 'new-editor', name => 'New editor', description => 'With blocks', flag_type => 'percentage', is_enabled => true, percentage => 25 });
    status_is $res, 201;
    my %flag = (
        id => $UUID, key => 'new-editor', name => 'New editor', description => 'With blocks', flag_type => 'percentage', is_enabled => true,
        percentage => 25, user_ids => [], plans => [], created_at => $TIME,
    );
    json_is $res, '', \%flag;
    my $id = $res->json('/id');
    json_is $boss->post($base, { key => 'a.b:c_d', name => 'x', flag_type => 'boolean' }), '', {
        %flag, key => 'a.b:c_d', name => 'x', description => undef, flag_type => 'boolean', is_enabled => false, percentage => undef,
    }, 'off, when nothing is said';
    json_is $boss->get($base), '/items', sub ($items) { join(' ', map { $_->{key} } @$items) eq 'a.b:c_d new-editor' }, 'by key';
    json_is $boss->last, '/total', 2;

    json_is $boss->patch("$base/$id", { percentage => 50, is_enabled => false }), '', { %flag, percentage => 50, is_enabled => false }, 'what is left out stays';
    json_is $boss->patch("$base/$id", { description => undef }), '/description', undef, 'null clears the description';
    json_is $boss->patch("$base/$id", { flag_type => 'user_list', user_ids => [ 'user_ann', "\x{e9}, \"{}" ] }), '/user_ids', [ 'user_ann', "\x{e9}, \"{}" ];
    json_is $boss->patch("$base/$id", { flag_type => 'plan_based', plans => ['pro'], key => 'other' }), '/key', 'new-editor', 'the key stays';
    json_is $boss->put("$base/$id", { name => 'Editor' }), '/name', 'Editor';
    error_is $boss->patch("$base/$id", { name => 'x' }, headers => { 'If-Match' => '"1-00000000"' }), 412, 'PRECONDITION_FAILED';

    status_is $boss->delete("$base/$id"), 204;
    body_is $boss->last, '';
    error_is $boss->delete("$base/$id"), 404, 'NOT_FOUND', resource => 'FeatureFlag', id => $id;
    error_is $boss->patch("$base/$id", { name => 'x' }), 404, 'NOT_FOUND';
    error_is check('new-editor'), 404, 'NOT_FOUND', resource => 'FeatureFlag', id => 'new-editor';
    status_is $boss->post($base, { key => 'new-editor', name => 'Again', flag_type => 'boolean' }), 201, 'its key is free again';
    is_deeply $t->db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE tenant_id = ? AND actor_id = 'user_boss' AND resource_id = ? ORDER BY seq}, undef, $boss->tenant_id, $id),
        [ 'flag.create', ('flag.update') x 5, 'flag.delete' ], 'all of it is audited';
};

subtest 'what is refused' => sub {
    my %good = (key => 'good', name => 'Good', flag_type => 'boolean');
    status_is $boss->post($base, \%good), 201;
    error_is $boss->post($base, \%good), 409, 'CONFLICT', field => 'key';
    status_is $eve->post($base, \%good), 201, 'a key is taken once per tenant';
    status_is $boss->post($base, { %good, key => 'x' x 100 }), 201;
    error_is $boss->post($base, { %good, key => $_ }), 422, 'VALIDATION_ERROR', field => 'key', name => "key '" . substr($_, 0, 9) . q{'} for 'x' x 101, '', 'a b', '-a', "\x{e9}", 'a/b';
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'percentage' }), 422, 'VALIDATION_ERROR', field => 'percentage', name => 'percentage is required for its type';
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'percentage', percentage => $_ }), 422, 'VALIDATION_ERROR', field => 'percentage', name => "$_ %" for -1, 101, 1.5;
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'user_list', user_ids => $_ }), 422, 'VALIDATION_ERROR', field => 'user_ids' for [];
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'user_list' }), 422, 'VALIDATION_ERROR', field => 'user_ids';
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'plan_based' }), 422, 'VALIDATION_ERROR', field => 'plans';
    error_is $boss->post($base, { %good, key => 'p', user_ids => [1] }), 422, 'VALIDATION_ERROR';
    error_is $boss->post($base, { %good, key => 'p', flag_type => 'random' }), 422, 'VALIDATION_ERROR', field => 'flag_type';
    my $id = $boss->post($base, { %good, key => 'turns' })->json('/id');
    error_is $boss->patch("$base/$id", { flag_type => 'percentage' }), 422, 'VALIDATION_ERROR', field => 'percentage', name => 'a type cannot be had without what it needs';
    status_is $boss->patch("$base/$id", { flag_type => 'percentage', percentage => 0 }), 200;
    error_is $boss->get("$base/turns/check"), 422, 'VALIDATION_ERROR', field => 'user_id';
};

subtest 'a flag decides' => sub {
    my $flag = sub (%with) { return $boss->post($base, { key => 'd', name => 'D', is_enabled => true, %with })->json('/id') };
    my $id   = $flag->(flag_type => 'boolean');
    decides check('d'), 'd', true, 'boolean', 'a switch';
    error_is check('d', 'user_nobody'), 404, 'NOT_FOUND', field => 'user_id', name => 'a user who is not there';
    error_is check('d', 'user_eve'), 404, 'NOT_FOUND', name => 'or is another tenant\'s';
    error_is check('nope'), 404, 'NOT_FOUND';

    $boss->patch("$base/$id", { flag_type => 'user_list', user_ids => [ 'user_bob', 'user_ann' ] });
    decides check('d'), 'd', true,  'user_list',        'by name';
    decides check('d', 'user_boss'), 'd', false, 'not_in_user_list', '  or not';

    $boss->patch("$base/$id", { flag_type => 'plan_based', plans => [ 'pro', 'enterprise' ] });
    decides check('d'), 'd', true, 'plan', 'by plan';
    decides check('d', 'user_boss'), 'd', false, 'not_in_plans', '  of which somebody has none';
    $t->db->do(q{UPDATE users SET subscription_status = 'canceled' WHERE id = ?}, undef, $ann->uuid);
    decides check('d'), 'd', false, 'not_in_plans', '  or has one no more';
    $t->db->do(q{UPDATE users SET subscription_status = 'trialing' WHERE id = ?}, undef, $ann->uuid);
    decides check('d'), 'd', true, 'plan', '  or tries it';
    $boss->patch("$base/$id", { plans => ['free'] });
    decides check('d', 'user_boss'), 'd', true, 'plan', 'who has none is on the plan free';

    $boss->patch("$base/$id", { is_enabled => false });
    decides check('d'), 'd', false, 'disabled', 'off is off for everybody';
};

subtest 'a percentage is stable, even, and grows' => sub {
    my @ids = map { "share_$_" } 1 .. 400;
    $t->db->do('INSERT INTO users (tenant_id, public_id) SELECT ?, unnest(?::text[])', undef, $boss->tenant_id, \@ids);
    my $id  = $boss->post($base, { key => 'share', name => 'Share', flag_type => 'percentage', is_enabled => true, percentage => 0 })->json('/id');
    my $who = sub ($percentage) {
        $boss->patch("$base/$id", { percentage => $percentage });
        return grep { my $res = check('share', $_)->json; ($res->{reason} eq 'percentage_rollout') == $res->{is_enabled} or fail "$_ is enabled for its reason"; $res->{is_enabled} } @ids;
    };
    my @none = $who->(0);
    is_deeply \@none, [], '0 is nobody';
    decides check('share', 'share_1'), 'share', false, 'not_in_percentage', '  for that reason';
    my @some = $who->(25);
    is_deeply \@some, [ grep { hex(substr sha256_hex("share:$_"), 0, 8) % 10_000 < 2500 } @ids ], '25 are those whom the reference describes';
    cmp_ok scalar(@some), '>', 70, 'about a quarter';
    cmp_ok scalar(@some), '<', 130, '  of all';
    my %more = map { $_ => 1 } $who->(60);
    is_deeply [ grep { !$more{$_} } @some ], [], 'who is in stays in when it grows';
    is scalar($who->(100)), 400, '100 is everybody';

    $boss->post($base, { key => 'share2', name => 'Share', flag_type => 'percentage', is_enabled => true, percentage => 25 });
    isnt join(' ', grep { check('share2', $_)->json('/is_enabled') } @ids[ 0 .. 99 ]), join(' ', grep { /_\d\d?0?\z/ } @some), 'another flag draws other users';
};

subtest 'there is an end to flags' => sub {
    $t->db->do(q{DELETE FROM feature_flags WHERE tenant_id = ?}, undef, $boss->tenant_id);
    $t->db->do(q{INSERT INTO feature_flags (tenant_id, key, name, flag_type) SELECT ?, 'f' || i, 'F', 'boolean' FROM generate_series(1, 999) i}, undef, $boss->tenant_id);
    my $id = $boss->post($base, { key => 'last', name => 'Last', flag_type => 'boolean' })->json('/id');
    ok $id, 'the thousandth';
    error_is $boss->post($base, { key => 'more', name => 'More', flag_type => 'boolean' }), 409, 'CONFLICT', message => qr/1,000/;
    json_is $boss->get($base), '/total', 1000;
    is scalar(@{ $boss->last->json('/items') }), 1000, 'the list has them all';
    status_is $boss->delete("$base/$id"), 204;
    status_is $boss->post($base, { key => 'more', name => 'More', flag_type => 'boolean' }), 201, 'one that is deleted makes room';

    $t->db->do(q{UPDATE feature_flags SET user_ids = (SELECT array_agg('u' || i) FROM generate_series(1, 9999) i) WHERE tenant_id = ? AND key = ANY(?)}, undef,
        $boss->tenant_id, [ map { "f$_" } 1 .. 10 ]);
    my ($f11) = $t->db->selectrow_array(q{SELECT id FROM feature_flags WHERE tenant_id = ? AND key = 'f11'}, undef, $boss->tenant_id);
    my ($f1)  = $t->db->selectrow_array(q{SELECT id FROM feature_flags WHERE tenant_id = ? AND key = 'f1'},  undef, $boss->tenant_id);
    status_is $boss->patch("$base/$f11", { user_ids => [ map { "v$_" } 1 .. 10 ] }), 200, '100,000 names in all';
    error_is $boss->patch("$base/$f11", { user_ids => [ map { "v$_" } 1 .. 11 ] }), 409, 'CONFLICT', field => 'user_ids', name => 'and no more';
    status_is $boss->patch("$base/$f1", { user_ids => [ map { "v$_" } 1 .. 9999 ] }), 200, 'the flag\'s own are not counted twice';
    error_is $boss->patch("$base/$f1", { user_ids => [ map { "v$_" } 1 .. 10_001 ] }), 422, 'VALIDATION_ERROR', field => 'user_ids';
};

# ------------------------------------------------------------------ the team of the tenant

subtest 'a tenant\'s team has them, and sees who gets what' => sub {
    my %there  = (tenant => 'tides');
    my $owner  = $t->team('owner', role => 'owner', %there);
    my $member = $t->team('member', %there);
    my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
    my $paying = $t->user('paying', %there, columns => { subscription_plan => 'pro', subscription_status => 'active' });
    my $lapsed = $t->user('lapsed', %there, columns => { subscription_plan => 'pro', subscription_status => 'past_due' });
    my $free   = $t->user('free', %there, columns => { full_name => 'Fay Free' });
    my $flags  = '/api/v1/dashboard/feature-flags';
    my $res    = $owner->post($flags, { key => 'team-flag', name => 'Of the team', flag_type => 'boolean' });
    status_is $res, 201;
    my $id = $res->json('/id');
    for my $try ([ GET => $flags ], [ GET => "$flags/$id/users" ], [ POST => $flags, { key => 'x', name => 'x', flag_type => 'boolean' } ], [ PATCH => "$flags/$id", { is_enabled => true } ], [ DELETE => "$flags/$id" ]) {
        my ($method, $path, $body) = @$try;
        error_is $_->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $path is the team's" for $t, $boss;
        error_is $rival->request($method, $path, json => $body), 404, 'NOT_FOUND', name => '  and of no other team' if $path ne $flags;
        error_is $member->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR', name => '  a member reads only' if $method ne 'GET';
    }
    error_is $owner->post($flags, { key => 'team-flag', name => 'Twice', flag_type => 'boolean' }), 409, 'CONFLICT', field => 'key';
    error_is $owner->patch("$flags/$id", { flag_type => 'percentage' }), 422, 'VALIDATION_ERROR', field => 'percentage';
    ok scalar(grep { $_->{key} eq 'team-flag' } @{ $member->get($flags)->json('/items') }), 'all of the team see it';
    json_is $member->get($flags, headers => { 'X-Test-Mode' => 'true' }), '', { items => [], total => 0 }, 'the test mode has its own';

    my $seen = sub (%query) { my %by = map { $_->{sub} => "$_->{is_enabled} $_->{reason}" } @{ $member->get("$flags/$id/users", query => \%query)->json('/users') }; return \%by };
    json_is $member->get("$flags/$id/users"), '/users/0', { id => $free->uuid, sub => 'user_free', email => 'free@example.com', display_name => 'Fay Free', is_enabled => false, reason => 'disabled' }, 'the newest first, each with the reason';
    is_deeply $seen->(), { map { $_ => '0 disabled' } qw(user_paying user_lapsed user_free) }, 'switched off it is off for all';
    is_deeply $seen->(as_enabled => 'true'), { map { $_ => '1 boolean' } qw(user_paying user_lapsed user_free) }, '  if it were on, on for all';
    $owner->patch("$flags/$id", { flag_type => 'plan_based', plans => ['free'], is_enabled => true });
    is_deeply $seen->(), { user_paying => '0 not_in_plans', user_lapsed => '1 plan', user_free => '1 plan' }, 'by plan';
    $owner->patch("$flags/$id", { flag_type => 'user_list', user_ids => ['user_paying'] });
    is_deeply $seen->(search => 'paying'), { user_paying => '1 user_list' }, 'who is looked for';
    is_deeply $seen->(search => 'nobody at all'), {}, '  or is not there';
    json_is $member->last, '/total', 0;
    $owner->patch("$flags/$id", { flag_type => 'percentage', percentage => 50 });
    for my $user (sort keys %{ $seen->() }) {
        my $is_in = hex(substr sha256_hex("team-flag:$user"), 0, 8) % 10_000 < 5_000;
        is $seen->()->{$user}, $is_in ? '1 percentage_rollout' : '0 not_in_percentage', "a part of all: $user";
    }
    json_is $member->get("$flags/$id/users?per_page=2&page=2"), '/total', 3;
    is scalar @{ $member->last->json('/users') }, 1, 'pages';
    error_is $member->get("$flags/$id/users?per_page=100&page=101"), 422, 'VALIDATION_ERROR', field => 'page', name => '  end';
    status_is $member->get("$flags/$id/users?per_page=100&page=100"), 200;
    status_is $owner->delete("$flags/$id"), 204;
    error_is $member->get("$flags/$id/users"), 404, 'NOT_FOUND';
    is_deeply $t->db->selectcol_arrayref(q{SELECT DISTINCT action || ' ' || actor_type FROM audit_events WHERE resource_id = ? ORDER BY 1}, undef, $id), [ map { "flag.$_ team" } qw(create delete update) ], 'each is put down';
};
