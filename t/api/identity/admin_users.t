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

subtest 'what changes a user' => sub {
    my $path = "$base/user_ann";
    for my $try ([ PATCH => $path, { role => 'admin' } ], [ POST => "$path/activate" ], [ POST => "$path/deactivate" ]) {
        my ($method, $url, $body) = @$try;
        error_is $t->client->request($method, $url, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $url without a token";
        error_is $ann->request($method, $url, json => $body), 401, 'AUTHENTICATION_ERROR', name => '  or as who is not active' if $url =~ /deactivate/;
    }
    my $tom = $t->user('tom');
    error_is $tom->patch("$base/user_tom", { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => 'nobody makes an administrator of themself';
    error_is $tom->post("$path/activate"), 403, 'AUTHORIZATION_ERROR';
    error_is $boss->patch("$base/user_$_", { is_active => false }), 404, 'NOT_FOUND', resource => 'User', id => "user_$_", name => "$_ is not there" for qw(nobody eve gone);
    error_is $boss->post("$base/user_eve/$_"), 404, 'NOT_FOUND' for qw(activate deactivate);
    error_is $boss->patch($path, { role => 'owner' }), 422, 'VALIDATION_ERROR', field => 'role';
    error_is $boss->patch($path, { is_active => 'yes' }), 422, 'VALIDATION_ERROR', field => 'is_active';
};

# The events of the audit log since the last call, as "action resource by actor".
sub audited () {
    state $seen = 0;
    my $rows = $t->db->selectall_arrayref('SELECT action, resource_id, actor_id, details::text, seq FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq',
        undef, $ann->tenant_id, $seen);
    $seen = $rows->[-1][4] if @$rows;
    return [ map { "$_->[0] $_->[1] by $_->[2]" . ($_->[3] eq '{}' ? '' : " $_->[3]") } @$rows ];
}

subtest 'in and out' => sub {
    audited();
    my $una = $t->user('una');
    my $res = $boss->post("$base/user_una/deactivate");
    status_is $res, 200;
    json_is $res, '', {
        id => 'user_una', email => 'una@example.com', full_name => undef, avatar_url => undef, role => 'user', is_active => false,
        subscription_plan => undef, subscription_status => undef, created_at => $TIME,
    };
    error_is $una->get('/api/v1/app/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'out at once';
    json_is $boss->post("$base/user_una/deactivate"), '/is_active', false, 'twice is no mistake';
    json_is $boss->post("$base/user_una/activate"), '/is_active', true;
    error_is $una->get('/api/v1/app/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'the old session stays ended';
    json_is $boss->patch("$base/user_una", { is_active => false }), '/is_active', false, 'PATCH does the same';
    json_is $boss->patch("$base/user_una", { is_active => true, role => 'user' }), '/is_active', true;
    json_is $boss->patch("$base/user_una", {}), '/is_active', true, 'nothing is no change';
    json_is $boss->put('/api/v2/admin/users/user_una', {}), '/data/is_active', true;
    is_deeply audited(), [ map { "user.$_ user_una by user_boss" } qw(deactivate activate deactivate activate) ], 'each change is audited once';
    error_is $boss->patch("$base/user_una", { is_active => false }, headers => { 'If-Match' => '"1-00000000"' }), 412, 'PRECONDITION_FAILED';
    my $tag = $boss->get("$base/user_una")->header('ETag');
    status_is $boss->patch("$base/user_una", { is_active => false }, headers => { 'If-Match' => $tag }), 200, 'If-Match';
};

subtest 'roles: granting or taking an administrator\'s needs superadmin' => sub {
    my $vic  = $t->user('vic');
    my $boss2 = $t->user('boss2', role => 'admin');
    audited();
    for my $role (qw(admin superadmin)) {
        error_is $boss->patch("$base/user_vic", { role => $role }), 403, 'AUTHORIZATION_ERROR', message => qr/superadmin/, name => "an admin does not make a $role";
    }
    for my $who (qw(boss2 root)) {
        error_is $boss->patch("$base/user_$who", { role      => 'user' }), 403, 'AUTHORIZATION_ERROR', name => "nor demote $who";
        error_is $boss->patch("$base/user_$who", { is_active => false }),  403, 'AUTHORIZATION_ERROR', name => "nor lock $who out";
        error_is $boss->post("$base/user_$who/deactivate"), 403, 'AUTHORIZATION_ERROR';
    }
    error_is $boss->patch("$base/user_vic", { role => 'admin', is_active => false }), 403, 'AUTHORIZATION_ERROR';
    is_deeply audited(), [], 'nothing happened';
    json_is $boss->get("$base/user_vic"), '/is_active', true, '  not even half of it';
    json_is $boss->patch("$base/user_boss2", { role => 'admin', is_active => true }), '/role', 'admin', 'what changes nothing is no change';

    json_is $root->patch("$base/user_vic", { role => 'admin' }), '/role', 'admin', 'a superadmin does';
    status_is $vic->get($base), 200, 'and it holds at once';
    json_is $root->patch("$base/user_vic", { role => 'user', is_active => false }), '/role', 'user';
    error_is $vic->get($base), 401, 'AUTHENTICATION_ERROR';
    json_is $root->post("$base/user_boss2/deactivate"), '/is_active', false;
    error_is $boss->post("$base/user_boss2/activate"), 403, 'AUTHORIZATION_ERROR', name => 'letting an administrator in again needs it too';
    json_is $root->post("$base/user_boss2/activate"), '/is_active', true;
    is_deeply audited(), [
        'user.role user_vic by user_root {"to": "admin", "from": "user"}', 'user.role user_vic by user_root {"to": "user", "from": "admin"}',
        'user.deactivate user_vic by user_root', 'user.deactivate user_boss2 by user_root', 'user.activate user_boss2 by user_root',
    ];
};

# They say something on the operations surface alone (t/api/ops/task_queue.t).
subtest 'the roles of the operations surface' => sub {
    my $olga = $t->user('olga');
    $t->db->do(q{DELETE FROM audit_events});
    for my $role (qw(editor builder agent viewer demo member)) {
        json_is $boss->patch("$base/user_olga", { role => $role }), '/role', $role, "an admin makes a $role";
        error_is $olga->get($base), 403, 'AUTHORIZATION_ERROR', name => '  who is a user here';
        json_is $olga->get('/api/v1/app/users/me'), '/role', $role, '  and is told so';
        json_is $boss->get("$base?role=$role"), '', sub ($d) { return $d->{total} == 1 && $d->{items}[0]{id} eq 'user_olga' }, '  found by it';
        json_is $boss->get("$base?role=$role&is_active=false"), '/total', 0, '  and by being active';
        json_is $boss->get("$base?search=olga&role=$role"), '/total', 1, '  and by both';
    }
    error_is $boss->patch("$base/user_olga", { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => 'but no administrator';
    json_is $boss->patch("$base/user_olga", { role => 'user' }), '/role', 'user', 'and a user again';
};

subtest 'oneself, and the last superadmin' => sub {
    error_is $boss->post("$base/user_boss/deactivate"), 403, 'AUTHORIZATION_ERROR', name => 'nobody locks themself out';
    error_is $boss->patch("$base/user_boss", { role => 'user' }), 403, 'AUTHORIZATION_ERROR', name => 'or changes their own role';
    error_is $root->patch("$base/user_root", { role => 'admin' }), 403, 'AUTHORIZATION_ERROR';
    error_is $root->patch("$base/user_root", { is_active => false }), 403, 'AUTHORIZATION_ERROR';
    json_is $root->patch("$base/user_root", { role => 'superadmin', is_active => true }), '/role', 'superadmin', 'what changes nothing is allowed';

    # Two superadmins take it from each other: the second finds that it would be the last.
    my $zoe = $t->user('zoe', role => 'superadmin');
    my $db  = $t->lock('SELECT pg_advisory_xact_lock(hash_record_extended(ROW (?::text, ?::uuid), 0))', 'superadmins', $root->tenant_id);
    my @answers;
    my @pids = map {
        my ($who, $target) = @$_;
        my $pid = fork // die;
        if (!$pid) {
            my $res = $who->patch("$base/$target", { role => 'user' }, fresh => 1);
            require POSIX;
            POSIX::_exit($res->status == 200 ? 0 : $res->status == 409 ? 9 : 1);
        }
        $pid;
    } [ $root, 'user_zoe' ], [ $zoe, 'user_root' ];
    eventually { $t->waiting == 2 } 10, 'both wait';
    $db->commit;
    for (@pids) { waitpid $_, 0; push @answers, $? >> 8 }
    is_deeply [ sort { $a <=> $b } @answers ], [ 0, 9 ], 'one is done, and the other is a conflict';
    is $t->db->selectrow_array(q{SELECT count(*) FROM users WHERE tenant_id = ? AND standing = 'superadmin/active'}, undef, $root->tenant_id), 1, 'one stays';
};

subtest 'filters and search at some size' => sub {
    $t->db->do(<<~'END', undef, $boss->tenant_id);
        INSERT INTO users (tenant_id, public_id, email, full_name, is_active, created_at)
        SELECT ?, 'many_' || i, 'many' || i || '@mail.example', CASE WHEN i % 500 = 0 THEN 'Zacharias Rare' ELSE 'Common Name' END, i % 3 <> 0,
               now() - interval '1 day' - i * interval '1 second'
        FROM generate_series(1, 3000) i
        END
    my ($all, $off) = $t->db->selectrow_array(
        q{SELECT count(*), count(*) FILTER (WHERE NOT is_active) FROM users WHERE tenant_id = ? AND deleted_at IS NULL}, undef, $boss->tenant_id);
    json_is $boss->get($base), '/total', 0 + $all, 'the total is exact';
    json_is $boss->get("$base?is_active=false&role=user"), '/total', 0 + $off, 'filtered, too';
    json_is $boss->get("$base?is_active=false&role=user&skip=5&limit=3"), '/items', sub ($items) { @$items == 3 && !grep { $_->{is_active} } @$items };
    my @ids = map { $_->{id} } @{ $boss->get("$base?is_active=true&skip=40&limit=100")->json('/items') };
    is_deeply \@ids, $t->db->selectcol_arrayref(
        'SELECT public_id FROM users WHERE tenant_id = ? AND is_active AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET 40', undef, $boss->tenant_id),
        'pages of several roles are in one order';

    my $rare = $boss->get("$base?search=ZACHARIAS%20r");
    json_is $rare, '/total', 6, 'what few have is found anywhere';
    is_deeply [ map { $_->{id} } @{ $rare->json('/items') } ], [ map { 'many_' . 500 * $_ } 1 .. 6 ], 'newest first';
    json_is $boss->get("$base?search=rare"), '/total', 6, 'by the last name';
    json_is $boss->get("$base?search=arias"), '/total', 0, 'not by what is inside of a word';
    is_deeply [ map { $_->{id} } @{ $boss->get("$base?search=zacharias&skip=4&limit=1")->json('/items') } ], ['many_2500'], 'page by page';
    json_is $boss->get("$base?search=zacharias&is_active=false"), '/total', 2, 'with a filter';
    json_is $boss->get("$base?search=zacharias&role=admin"), '', { items => [], total => 0, skip => 0, limit => 20 };
    my $common = $boss->get("$base?search=mail.example&limit=2");
    json_is $common, '/total', 200, 'by the domain; of what many have there are 200';
    json_is $boss->get("$base?search=mail.example&role=user&skip=198"), '/items', sub ($items) { @$items == 2 }, '  page by page';
    json_is $boss->get("$base?search=mail.example&role=admin"), '/total', 0, '  and a filter is not lost among them';
    json_is $boss->get("$base?search=Many2999@"), '/items/0/id', 'many_2999', 'one of many';
    json_is $boss->get("$base?search=m"), '/total', 200, 'one character is enough';
    json_is $boss->get("$base?search=%5C_"), '/total', 0;
    $t->user('lo', columns => { full_name => "\x{c9}lo\x{ef}se O'Brien-\x{c4}rzte", email => 'lo@sub.example.org' });
    json_is $boss->get("$base?search=$_->[0]"), '/items/0/id', 'user_lo', $_->[1] for [ '%C3%A9LO%C3%AFse', 'letters with accents' ], [ "o'brien", 'the last word' ], [ 'sub.ex', 'a domain' ];
    json_is $eve->get("$base?search=many"), '/error/code', 'AUTHORIZATION_ERROR';
    my $other = $t->user('else', tenant => 'other', role => 'admin');
    json_is $other->get("$base?search=zacharias"), '/total', 0, 'other tenants\' users are not found';
    is_deeply [ map { $_->{id} } @{ $other->get("$base?search=example")->json('/items') } ], [qw(user_else user_eve)];
};
