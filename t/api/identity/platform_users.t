use v5.36;
use lib 't/lib';
use Api;

# Users on the platform surface: all of them for a secret key, oneself for a
# public key with one's token.
my $t      = Api->start;
my $page   = 'https://app.example.com';
my $server = $t->client(key => $t->key);
my $public = $t->key(type => 'public', origins => [$page]);
my $ann    = $t->user('ann', columns => { full_name => 'Ann Example' })->with(key => $public, origin => $page);
my $bob    = $t->user('bob')->with(key => $public, origin => $page);
my $eve    = $t->user('eve', tenant => 'other');
my $base   = '/api/v1/users';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub stored ($user) { return $t->db->selectrow_hashref('SELECT * FROM users WHERE id = ?', undef, ref $user ? $user->uuid : $user) }

# The events of the audit log since the last call, as "action resource by actor".
sub audited () {
    state $seen = 0;
    my $rows = $t->db->selectall_arrayref('SELECT action, resource_id, actor_id, seq FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq',
        undef, $ann->tenant_id, $seen);
    $seen = $rows->[-1][3] if @$rows;
    return [ map { "$_->[0] $_->[1] by " . ($_->[2] =~ /^key:sk_/ ? 'key' : $_->[2]) } @$rows ];
}

subtest 'only a secret key manages users' => sub {
    my $id = $bob->uuid;
    for ([ GET => $base ], [ GET => "$base/stats" ], [ POST => "$base/$id/activate" ], [ DELETE => "$base/$id" ], [ POST => $base ]) {
        my ($method, $path) = @$_;
        my @body = $method eq 'POST' && $path eq $base ? (json => { sub => 'x' }) : ();
        error_is $t->client->request($method, $path, @body), 401, 'INVALID_API_KEY', name => "$method $path without a key";
        error_is $ann->request($method, $path, @body), 403, 'AUTHORIZATION_ERROR', name => '  with a public key and a token';
    }
    error_is $t->client(key => $public, origin => $page)->get($base), 403, 'AUTHORIZATION_ERROR', name => 'a public key alone';
    error_is $t->client(key => $public, origin => $page)->get("$base/$id"), 401, 'AUTHENTICATION_ERROR', name => 'for oneself a public key needs a token';
    error_is $server->post($base, { sub => 'x' }), 401, 'AUTHENTICATION_ERROR', name => 'creating needs a token beside the secret key';
    ok stored($bob)->{is_active}, 'nobody was deactivated';
    is $t->db->selectrow_array(q{SELECT count(*) FROM users WHERE public_id = 'x'}), 0, 'nor made';
};

subtest 'a user' => sub {
    my %ann = (
        id           => $ann->uuid,          email             => 'ann@example.com', display_name            => 'Ann Example',
        avatar_url   => undef,               locale            => 'en',              is_active               => true,
        tenant_id    => $ann->tenant_id,     sub               => 'user_ann',        is_email_verified       => false,
        status       => 'active',            current_plan_id   => undef,             default_organization_id => undef,
        created_at   => $TIME,               updated_at        => $TIME,             settings                => undef,
    );
    json_is $server->get("$base/" . $ann->uuid), '', \%ann, 'for a secret key';
    json_is $ann->get("$base/" . $ann->uuid), '', \%ann, 'for the user';
    json_is $bob->with(key => $t->key)->get("$base/" . $ann->uuid), '/sub', 'user_ann', 'a secret key sees all, whoever\'s token is beside it';
    body_unlike $server->last, qr/password/;
    error_is $ann->get("$base/" . $bob->uuid), 404, 'NOT_FOUND', resource => 'User', message => qr/^User not found$/, name => 'another user is not there';
    error_is $server->get("$base/$_->[1]"), 404, 'NOT_FOUND', name => $_->[0]
        for [ 'one of another tenant' => $eve->uuid ], [ 'nobody' => $nobody ], [ 'no id' => 'user_ann' ];
};

subtest 'the list' => sub {
    my $list = $server->get($base);
    is_deeply [ map { $_->{sub} } @{ $list->json('/users') } ], [qw(user_bob user_ann)], 'newest first, of this tenant only';
    json_is $list, '/users/0/settings', undef;
    json_is $list, "/$_->[0]", $_->[1] for [ total => 2 ], [ page => 1 ], [ per_page => 20 ], [ has_next => false ], [ has_prev => false ];
    my $second = $server->get("$base?page=2&per_page=1");
    json_is $second, '', { users => sub ($users) { @$users == 1 && $users->[0]{sub} eq 'user_ann' }, total => 2, page => 2, per_page => 1, has_next => false, has_prev => true };
    json_is $server->get("$base?page=1&per_page=1"), '/has_next', true;
    json_is $server->get("$base?page=3&per_page=1"), '', { users => [], total => 2, page => 3, per_page => 1, has_next => false, has_prev => true };

    my $off = $t->user('off', columns => { is_active => 'f' });
    my $gone = $t->user('gone', columns => { deleted_at => 'now' });
    is_deeply [ map { $_->{sub} } @{ $server->get($base)->json('/users') } ], [qw(user_bob user_ann)], 'without those who are not active';
    json_is $server->last, '/total', 2;
    is_deeply [ map { $_->{sub} } @{ $server->get("$base?include_inactive=true")->json('/users') } ], [qw(user_off user_bob user_ann)], 'with them';
    json_is $server->last, '/total', 3;

    $t->user('boss', role => 'admin');
    is_deeply [ map { $_->{sub} } @{ $server->get("$base?per_page=2")->json('/users') } ], [qw(user_boss user_bob)], 'of all roles in one order';
    is_deeply [ map { $_->{sub} } @{ $server->get("$base?per_page=2&page=2")->json('/users') } ], [qw(user_ann)];
    error_is $server->get("$base?$_->[0]"), 422, 'VALIDATION_ERROR', field => $_->[1] for [ 'page=0', 'page' ], [ 'per_page=0', 'per_page' ], [ 'per_page=101', 'per_page' ];
    status_is $server->get("$base?page=1000000000&per_page=100"), 200, 'far behind the last page';
    json_is $t->client(key => $t->key(test => 1))->get("$base?include_inactive=true"), '/total', 0, 'the test mode has users of its own';
};

subtest 'users of all roles are listed' => sub {
    my @roles = qw(user admin superadmin editor builder agent viewer demo member);
    my @users = map { $t->user("a_$_", role => $_, tenant => 'roles')->id } @roles;
    my $list  = $t->client(key => $t->key(tenant => 'roles'))->get($base);
    is_deeply [ map { $_->{sub} } @{ $list->json('/users') } ], [ reverse @users ], 'also those that count on the operations surface';
    json_is $list, '/total', 9, '  which are counted';
};

subtest 'the numbers' => sub {
    my %is = (total_users => 4, active_users => 3, inactive_users => 1);
    json_is $server->get("$base/stats"), '', \%is;
    $t->db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $bob->uuid);
    json_is $server->get("$base/stats"), '', { %is, active_users => 2, inactive_users => 2 }, 'follow each change';
    $t->db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $bob->uuid);
    json_is $server->get("$base/stats"), '', \%is;
    $t->db->do('UPDATE sessions SET revoked_at = NULL WHERE id = ?', undef, $bob->session);
    is_deeply $t->db->selectall_arrayref(<<~'END', undef, $ann->tenant_id), [], 'and are what counting says';
        SELECT * FROM (SELECT key, sum(n) FROM tenant_counters WHERE tenant_id = $1 AND name = 'users' GROUP BY key HAVING sum(n) <> 0) c
        FULL JOIN (SELECT standing AS key, count(*) AS sum FROM users WHERE tenant_id = $1 AND standing IS NOT NULL GROUP BY 1) r USING (key)
        WHERE c.sum IS DISTINCT FROM r.sum
        END
    my $temp = $t->user('temp');
    json_is $server->get("$base/stats"), '/total_users', 5;
    $t->db->do('DELETE FROM sessions WHERE user_id = ?', undef, $temp->uuid);
    $t->db->do('DELETE FROM users WHERE id = ?', undef, $temp->uuid);
    json_is $server->get("$base/stats"), '/total_users', 4, 'also rows that were removed for good';
};

audited();

subtest 'create' => sub {
    my $who = $bob->with(key => $t->key, origin => undef);
    my $res = $who->post($base, { sub => 'cli', email => 'CLI@Example.com', display_name => 'Clio', avatar_url => 'https://example.com/c.png', locale => 'de' });
    status_is $res, 201;
    json_is $res, '', {
        id           => $UUID,           email           => 'cli@example.com', display_name            => 'Clio',
        avatar_url   => 'https://example.com/c.png', locale => 'de',           is_active               => true,
        tenant_id    => $ann->tenant_id, sub             => 'cli',             is_email_verified       => false,
        status       => 'pending',       current_plan_id => undef,             default_organization_id => undef,
        created_at   => $TIME,           updated_at      => $TIME,             settings                => undef,
    };
    is_deeply audited(), ['user.create cli by user_bob'];
    my $id = $res->json('/id');
    is stored($id)->{password_hash}, undef, 'without a password';
    json_is $t->user('root', role => 'superadmin')->get('/api/v1/admin/users/cli'), '/full_name', 'Clio', 'the same user on the app surface';

    json_is $who->post($base, { sub => 'least' }), '/email', undef, 'all but sub may be left out';
    json_is $who->post($base, { sub => 'full', tenant_id => $ann->tenant_id, status => 'trial', is_active => false, is_email_verified => true }), '/status', 'trial';
    json_is $who->last, '/is_active', false;
    json_is $who->last, '/is_email_verified', true;

    error_is $who->post($base, { sub => 'cli' }), 409, 'CONFLICT', field => 'sub';
    error_is $who->post($base, { sub => 'cli2', email => 'Ann@example.com' }), 409, 'CONFLICT', field => 'email', message => qr/^User already exists$/;
    error_is $who->post($base, { sub => 'cli2', tenant_id => $eve->tenant_id }), 403, 'AUTHORIZATION_ERROR', field => 'tenant_id';
    error_is $who->post($base, { sub => 'cli2', display_name => 'x' x 101 }), 422, 'VALIDATION_ERROR', field => 'display_name';
    status_is $who->post($base, { sub => 'long', display_name => 'x' x 100 }), 201;
    status_is $who->post($base, { sub => 'user_eve', email => 'eve@example.com' }), 201, 'another tenant\'s names are free here';
    is $t->db->selectrow_array(q{SELECT count(*) FROM users WHERE public_id = 'cli2'}), 0, 'what is refused is not made';
};

subtest 'update' => sub {
    my $path = "$base/" . $ann->uuid;
    json_is $ann->put($path, { display_name => 'Ann Other' }), '/display_name', 'Ann Other', 'oneself';
    json_is $ann->last, '/locale', 'en', 'what is left out stays';
    json_is $server->put($path, { avatar_url => 'https://example.com/a.png', locale => 'fr' }), '/avatar_url', 'https://example.com/a.png', 'by a secret key alone';
    json_is $server->last, '/display_name', 'Ann Other';
    json_is $server->patch($path, { avatar_url => undef }), '/avatar_url', undef, 'null clears, and PATCH does the same';
    json_is $ann->put($path, {}), '/locale', 'fr', 'nothing is no change';
    json_is $ann->put($path, { email => 'x@y.example', is_active => false, sub => 'x', status => 'x' }), '/email', 'ann@example.com', 'what the body lacks in the contract cannot be set';
    json_is $ann->last, '/is_active', true;
    error_is $ann->put("$base/" . $bob->uuid, { display_name => 'x' }), 404, 'NOT_FOUND', name => 'nobody else';
    error_is $server->put("$base/" . $eve->uuid, { display_name => 'x' }), 404, 'NOT_FOUND', name => 'nobody of another tenant';
    is stored($_)->{full_name}, undef, 'and they are as they were' for $bob, $eve;
    error_is $ann->put($path, { display_name => 'y' }, headers => { 'If-Match' => '"1-00000000"' }), 412, 'PRECONDITION_FAILED';
};

subtest 'settings' => sub {
    my $path = "$base/" . $ann->uuid;
    json_is $server->get("$path?include_settings=true"), '/settings', { user_id => $ann->uuid, settings => {}, created_at => $TIME, updated_at => $TIME }, 'who has none has an empty object';
    my $res = $ann->put("$path/settings", { theme => 'dark', nested => { a => [ 1, 2.50, undef, true ] } });
    status_is $res, 200;
    json_is $res, '/settings/settings', { theme => 'dark', nested => { a => [ 1, 2.50, undef, true ] } };
    json_is $res, '/sub', 'user_ann', 'with the user';
    json_is $server->put("$path/settings", { nested => 1, "\x{e9}" => "\x{1F600}" }), '/settings/settings', { theme => 'dark', nested => 1, "\x{e9}" => "\x{1F600}" }, 'key by key';
    json_is $ann->put("$path/settings", {}), '/settings/settings/theme', 'dark', 'an empty object changes nothing';
    json_is $ann->get($path), '/settings', undef, 'not shown without being asked for';
    json_is $ann->get("$path?include_settings=true"), '/settings/settings/nested', 1;
    error_is $ann->put("$path/settings", $_), 400, 'BAD_REQUEST' for [], 'x', 1;
    error_is $ann->put("$base/" . $bob->uuid . '/settings', { x => 1 }), 404, 'NOT_FOUND', name => 'not another\'s';
    error_is $server->put("$base/$nobody/settings", { x => 1 }), 404, 'NOT_FOUND';
    error_is $server->put("$base/" . $eve->uuid . '/settings', { x => 1 }), 404, 'NOT_FOUND';

    # {"k": "x…"} is 16,384 bytes with 16,376 x.
    json_is $bob->put("$base/" . $bob->uuid . '/settings', { k => 'x' x 16_375 }), '/settings/settings/k', 'x' x 16_375, '16 KiB are taken';
    error_is $bob->put("$base/" . $bob->uuid . '/settings', { k => 'x' x 16_376 }), 413, 'PAYLOAD_TOO_LARGE', name => 'a byte more is not';
    error_is $bob->put("$base/" . $bob->uuid . '/settings', { l => 1 }), 413, 'PAYLOAD_TOO_LARGE', name => 'counting what is there';
    json_is $bob->put("$base/" . $bob->uuid . '/settings', { k => 'y' }), '/settings/settings', { k => 'y' };
    status_is $bob->put("$base/" . $bob->uuid . '/settings', undef, raw => '{"n": 1e300, "m": 123456789012345678, "z": 0.10}'), 200, 'numbers';
    body_like $bob->last, qr/"m": ?123456789012345678\b/, 'keep their digits';
};

subtest 'deactivate, activate, delete' => sub {
    audited();
    my $dan = $t->user('dan')->with(key => $public, origin => $page);
    my $url = "$base/" . $dan->uuid;
    error_is $dan->post("$base/" . $ann->uuid . '/deactivate'), 404, 'NOT_FOUND', name => 'nobody else';
    ok stored($ann)->{is_active};
    my $res = $dan->post("$url/deactivate");
    status_is $res, 200;
    json_is $res, '/is_active', false;
    error_is $dan->get($url), 401, 'AUTHENTICATION_ERROR', name => 'the token is refused from then on';
    error_is $dan->post("$url/activate"), 403, 'AUTHORIZATION_ERROR', name => 'and there is no way back but';
    json_is $server->post("$url/activate"), '/is_active', true, 'by a secret key';
    error_is $dan->get($url), 401, 'AUTHENTICATION_ERROR', name => 'which does not bring old tokens back';
    json_is $server->post("$url/activate"), '/is_active', true, 'activating twice is no mistake';
    is_deeply audited(), [ 'user.deactivate user_dan by user_dan', 'user.activate user_dan by key' ], 'each change is audited once';

    my $deleted = $server->delete($url);
    status_is $deleted, 204;
    body_is $deleted, '';
    ok !stored($dan)->{is_active} && !stored($dan)->{deleted_at}, 'the row stays, not active';
    status_is $server->delete($url), 204, 'deleting twice is no mistake';
    json_is $server->get($url), '/is_active', false;
    json_is $server->post("$url/deactivate"), '/is_active', false;
    is_deeply audited(), ['user.deactivate user_dan by key'];
    for my $id ($nobody, $eve->uuid) {
        error_is $server->delete("$base/$id"), 404, 'NOT_FOUND';
        error_is $server->post("$base/$id/$_"), 404, 'NOT_FOUND' for qw(activate deactivate);
    }
    ok stored($eve)->{is_active};

    my ($root) = $t->db->selectrow_array(q{SELECT id FROM users WHERE public_id = 'user_root'});
    error_is $server->delete("$base/$root"), 409, 'CONFLICT', name => 'the last superadmin stays';
    $t->user('root2', role => 'superadmin');
    status_is $server->delete("$base/$root"), 204, 'unless there is another';
};
