use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann', columns => { full_name => 'Ann Example', subscription_plan => 'pro' });
my $boss = $t->user('boss', role => 'admin');
my $root = $t->user('root', role => 'superadmin');
my $eve  = $t->user('eve', tenant => 'other');
my $base = '/api/v1/admin/users';

subtest 'only administrators may look' => sub {
    for my $path ($base, "$base/user_ann", '/api/v2/admin/users') {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->get($path), 403, 'AUTHORIZATION_ERROR', name => "$path, as a user";
        body_unlike $ann->last, qr/example\.com/;
        status_is $_->get($path), 200, "$path, as $_->{id}" for $boss, $root;
    }
    error_is $ann->get("$base?limit=0"), 403, 'AUTHORIZATION_ERROR', name => 'who may not look is not told what is wrong with the question';
    my $was = $t->user('was', role => 'admin');
    status_is $was->get($base), 200;
    $t->db->do(q{UPDATE users SET role = 'user' WHERE id = ?}, undef, $was->uuid);
    error_is $was->get($base), 403, 'AUTHORIZATION_ERROR', name => 'a role that was taken away is gone at once';
    error_is $t->client(token => $t->token($ann, role => 'admin'))->get($base), 403, 'AUTHORIZATION_ERROR', name => 'a role in the token is none';
};

subtest 'a user as an administrator sees it' => sub {
    json_is $boss->get("$base/user_ann"), '', {
        id                  => 'user_ann',
        email               => 'ann@example.com',
        full_name           => 'Ann Example',
        avatar_url          => undef,
        role                => 'user',
        is_active           => true,
        subscription_plan   => 'pro',
        subscription_status => undef,
        created_at          => $TIME,
    };
    json_is $boss->get('/api/v2/admin/users/user_ann'), '/data/id', 'user_ann';
    error_is $boss->get("$base/user_nobody"), 404, 'NOT_FOUND', resource => 'User', id => 'user_nobody';
    error_is $boss->get("$base/user_eve"), 404, 'NOT_FOUND', name => 'of another tenant there is nobody';
    my $gone = $t->user('gone', columns => { deleted_at => '2026-01-01T00:00:00Z' });
    error_is $boss->get("$base/user_gone"), 404, 'NOT_FOUND', name => 'nor is a deleted one there';
};

subtest 'the list has the tenant\'s users, newest first' => sub {
    my $res = $boss->get("$base?limit=100");
    is_deeply [ map { $_->{id} } @{ $res->json('/items') } ], [qw(user_was user_root user_boss user_ann)];
    json_is $res, '/total', 4, 'without the deleted and other tenants\' ones';
    json_is $boss->get("$base?skip=1&limit=1"), '/items/0/id', 'user_root';
    json_is $boss->last, '/total', 4;
    body_unlike $boss->get($base), qr/user_eve|user_gone/;
    json_is $boss->get("$base?skip=100"), '', { items => [], total => 4, skip => 100, limit => 20 };
};

subtest 'and can be narrowed' => sub {
    json_is $boss->get("$base?search=EXAMPLE"), '/total', 4, 'by a part of the address';
    json_is $boss->get("$base?search=ann%20ex"), '/items/0/id', 'user_ann', 'or of the name';
    json_is $boss->get("$base?search=%25"), '/total', 0, 'in which nothing is a wildcard';
    json_is $boss->get("$base?role=superadmin"), '/items/0/id', 'user_root', 'by role';
    json_is $boss->last, '/total', 1;
    $t->db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $ann->uuid);
    json_is $boss->get("$base?is_active=false"), '/items/0/id', 'user_ann', 'by being active';
    json_is $boss->last, '/total', 1;
    json_is $boss->get("$base?is_active=true"), '/total', 3;
};
