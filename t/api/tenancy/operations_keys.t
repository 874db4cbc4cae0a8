use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Keys of organizations: they act as who made them, and a secret changes while the key stays.
my $t  = Api->start(main => 4, slow => 1);
my $db = $t->db;

sub person ($name, %arg) { return $t->user($name, tenant => 'acme', %arg, columns => { is_email_verified => 1 }) }
sub number ($who) { return '' . $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub bearer ($key) { return $t->client(token => $key) }
sub key ($key) { return $t->client(key => $key) }

my ($ann, $adam, $meg, $vic, $out) = map { person($_) } qw(ann adam meg vic out);
my $chief = person('chief', role => 'superadmin');
my $eve   = $t->user('eve', tenant => 'other', role => 'superadmin');
my $org   = $t->organization($ann);
my $base  = "/api/organizations/$org/api-keys";
my $NO_ID = '01a1fe78-e337-7502-947f-4a3262f06209';
$t->member($org, $_->[0], $_->[1]) for [ $adam, 'admin' ], [ $meg, 'member' ], [ $vic, 'viewer' ], [ $chief, 'admin' ];

sub made (%with) {
    my $res = (delete $with{by} // $ann)->post($base, { name => 'A key', scopes => ['*'], %with });
    status_is $res, 201;
    $t->keep_secret($res->json('/data/key'));
    return @{ $res->json('/data') }{qw(id key)};
}
sub renewed ($id, $how, $body = undef, $by = $ann) {
    my $res = $by->post("$base/$id/$how", $body);
    status_is $res, 200;
    $t->keep_secret($res->json('/data/key'));
    return $res->json('/data/key');
}
sub works ($key, $name) { local $Test::Builder::Level = $Test::Builder::Level + 1; return status_is key($key)->get($base), 200, $name }
sub dead  ($key, $name) { local $Test::Builder::Level = $Test::Builder::Level + 1; return error_is key($key)->get($base), 401, 'AUTHENTICATION_ERROR', name => $name }
sub live  ($id) { return scalar $db->selectrow_array('SELECT count(*) FROM api_key_secrets WHERE key_id = ? AND place IS NOT NULL', undef, $id) }
sub audited ($action, $id) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE action = ? AND resource_id = ?', undef, $action, $id) }

subtest 'making one' => sub {
    error_is $t->client->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($base, { name => 'X' }), 404, 'NOT_FOUND', name => $_->id . ' finds no such organization' for $out, $eve;
    error_is $_->post($base, { name => 'X' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' may not' for $meg, $vic;
    error_is $ann->post("/api/organizations/$NO_ID/api-keys", { name => 'X' }), 404, 'NOT_FOUND';
    error_is $ann->post($base, { name => 'X', @{ $_->[1] } }), 400, 'VALIDATION_ERROR', field => $_->[0]
        for [ name => [ name => '' ] ], [ name => [ name => undef ] ], [ name => [ name => 'x' x 101 ] ], [ description => [ description => 'x' x 501 ] ], [ 'scopes[0]' => [ scopes => ['tasks:delete'] ] ],
        [ scopes => [ scopes => 'tasks:read' ] ], [ expires_at => [ expires_at => 'tomorrow' ] ], [ expires_at => [ expires_at => '2001-01-01T00:00:00Z' ] ],
        [ allowed_networks => [ allowed_networks => ['here'] ] ], [ allowed_networks => [ allowed_networks => ['192.0.2.0/33'] ] ];
    error_is $ann->post($base, {}), 400, 'VALIDATION_ERROR', field => 'name';
    my $res = $ann->post($base, { name => 'Deployment' });
    status_is $res, 201;
    my ($id, $text) = @{ $res->json('/data') }{qw(id key)};
    $t->keep_secret($text);
    like $text, qr/\Ask_live_[A-Za-z0-9]{40}\z/, 'its text';
    json_is $res, '/data', { id => $id, organization_id => $org, name => 'Deployment', description => undef, masked_key => substr($text, 0, 12) . '********' . substr($text, -4),
        scopes => [ 'agents:read', 'tasks:read', 'templates:read' ], allowed_networks => [], is_active => true, expires_at => undef, last_used_at => undef, usage_count => 0,
        created_by => number($ann), created_at => $TIME, updated_at => $TIME, revoked_at => undef, rotated_at => undef, previous_key_expires_at => undef, key => $text };
    is $db->selectrow_array('SELECT count(*) FROM api_key_secrets WHERE key_id = ? AND hash = sha256(?::bytea)', undef, $id, $text), 1, 'of it there is a SHA-256';
    is $db->selectrow_array('SELECT count(*) FROM api_keys k, api_key_secrets s WHERE strpos(k::text || s::text, ?) > 0', undef, substr $text, 12), 0, '  and nothing else';
    is audited('key.create', $id), 1, 'it is put down';
    $res = $adam->post($base, { name => 'x' x 100, description => 'x' x 500, scopes => [ '*', '*' ], expires_at => '2099-12-31T00:00:00Z', allowed_networks => [ '192.0.2.1', '2001:db8::/32' ] });
    $t->keep_secret($res->json('/data/key'));
    json_is $res, '/data/scopes', ['*'], 'each scope once';
    json_is $res, '/data/expires_at', '2099-12-31T00:00:00.000Z';
    json_is $res, '/data/allowed_networks', [ '192.0.2.1/32', '2001:db8::/32' ];
    json_is $res, '/data/created_by', number($adam), 'an admin makes one, too';
};

subtest 'looking' => sub {
    my ($id, $text) = made(name => 'Seen');
    for my $path ($base, "$base/$id") {
        error_is $t->client->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $_->get($path), 404, 'NOT_FOUND', name => $_->id . ' finds no such organization' for $out, $eve;
        error_is $vic->get($path), 403, 'AUTHORIZATION_ERROR', name => 'a viewer sees none';
        status_is $_->get($path), 200 for $ann, $adam, $meg;
        unlike $ann->last->body, qr/\Q@{[ substr $text, 12, 30 ]}\E/, 'the text is not there';
    }
    my $res = $meg->get($base);
    json_is $res, '/meta', { total => 3, limit => 1000, offset => 0 };
    json_is $res, '/data/0/name', 'Seen', 'newest first';
    json_is $res, '/data/0/masked_key', substr($text, 0, 12) . '********' . substr($text, -4);
    is $res->json('/data/0/key'), undef;
    error_is $ann->get("$base/$NO_ID"), 404, 'NOT_FOUND';
    error_is $ann->get('/api/organizations/' . $t->organization($ann) . "/api-keys/$id"), 404, 'NOT_FOUND', name => 'of another organization it is not';
    my $other = $t->key(type => 'workspace', tenant => 'acme', of => $org);
    json_is $ann->get($base), '/meta/total', 3, 'a workspace\'s key is another thing';
    json_is $ann->get('/api/v1/api-keys/count', headers => { 'X-Workspace-Id' => $org }), '/count', 1, '  and the other way round';
    status_is $t->client(key => $other)->get('/api/v1/api-keys/self'), 200, '  which still says what it is for';
};

subtest 'it acts as who made it' => sub {
    my (undef, $key) = made(by => $adam);
    json_is key($key)->get($base), '/meta/limit', 1000, 'as X-API-Key';
    json_is bearer($key)->get("/api/organizations/$org"), '/data/role', 'admin', 'as the bearer: with their role in the organization';
    json_is key($key)->get('/api/users/' . number($adam)), '/data/id', 0 + number($adam), 'on the rows of the tenant';
    error_is key($key)->get('/api/users/' . number($eve)), 404, 'NOT_FOUND', name => '  and of no other';
    my (undef, $high) = made(by => $chief);
    error_is key($high)->patch('/api/users/' . number($meg), { role => 'viewer' }), 403, 'AUTHORIZATION_ERROR', name => 'a superadmin\'s is no more than an editor';
    my $root  = $t->user('root', role => 'superadmin');
    my $there = $t->organization($root);
    my $rooted = $t->key(type => 'organization', of => $there, by => $root);
    json_is $root->get('/api/users/' . number($adam)), '/data/id', 0 + number($adam), 'who operates the installation sees users of all tenants';
    error_is key($rooted)->get('/api/users/' . number($adam)), 404, 'NOT_FOUND', name => '  and their key does not';
    my (undef, $narrow) = made(scopes => [ 'tasks:read', 'tasks:write' ]);
    error_is key($narrow)->get($base), 403, 'INSUFFICIENT_SCOPE', name => 'internal rows need *';
    error_is key($narrow)->post($base, { name => 'X', scopes => ['*'] }), 403, 'INSUFFICIENT_SCOPE', name => '  so that no key gives out what it does not have';
    my ($id) = made(by => key($key), name => 'By a key');
    json_is $ann->get("$base/$id"), '/data/created_by', number($adam), 'one that a key makes is its maker\'s';
    is_deeply [ $db->selectrow_array('SELECT actor_type, on_behalf_of FROM audit_events WHERE action = ? AND resource_id = ?', undef, 'key.create', $id) ], [ 'key', $adam->id ], '  and put down as the key\'s';
};

subtest 'changing it' => sub {
    my ($id, $text) = made();
    my $path = "$base/$id";
    error_is $t->client->patch($path, { name => 'Y' }), 401, 'AUTHENTICATION_ERROR';
    error_is $_->patch($path, { name => 'Y' }), 404, 'NOT_FOUND' for $out, $eve;
    error_is $_->patch($path, { name => 'Y' }), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $ann->patch("$base/$NO_ID", { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $ann->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { expires_at => undef }, { name => '' }, { name => undef }, { scopes => ['x'] }, { scopes => undef }, { is_active => 'no' }, { allowed_networks => ['x'] };
    json_is $ann->patch($path, { name => 'Other', description => 'What for' }), '/data/name', 'Other';
    json_is $ann->patch($path, { description => undef }), '/data/description', undef, 'null clears it';
    json_is $ann->last, '/data/name', 'Other', '  and what was not sent stays';
    works $text, 'it works';
    json_is $ann->patch($path, { is_active => false }), '/data/is_active', false;
    dead $text, 'suspended it does not';
    status_is $ann->patch($path, { is_active => true }), 200;
    works $text, 'brought back it does';
    status_is $ann->patch($path, { scopes => ['agents:read'] }), 200;
    error_is key($text)->get($base), 403, 'INSUFFICIENT_SCOPE', name => 'its scopes count at once';
    status_is $ann->patch($path, { scopes => ['*'], allowed_networks => ['192.0.2.0/24'] }), 200;
    error_is key($text)->get($base), 403, 'AUTHORIZATION_ERROR', message => qr/not taken from the address/;
    status_is $ann->patch($path, { allowed_networks => [] }), 200;
    works $text, 'from everywhere again';
    cmp_ok audited('key.update', $id), '>=', 6, 'each is put down';
};

subtest 'rotating it' => sub {
    my ($id, $first) = made();
    my $path = "$base/$id/rotate";
    error_is $t->client->post($path), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($path), 404, 'NOT_FOUND' for $out, $eve;
    error_is $_->post($path), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $ann->post("$base/$NO_ID/rotate"), 404, 'NOT_FOUND';
    error_is $ann->post($path, { grace_hours => $_ }), 400, 'VALIDATION_ERROR', field => 'grace_hours' for -1, 169, 'x', 1.5;
    my $res    = $ann->post($path);
    my $second = $res->json('/data/key');
    $t->keep_secret($second);
    json_is $res, '/data/id', $id, 'the key stays';
    json_is $res, '/data/masked_key', substr($second, 0, 12) . '********' . substr($second, -4);
    is $db->selectrow_array(q{SELECT extract(epoch FROM ?::timestamptz - now()) BETWEEN 86300 AND 86400}, undef, $res->json('/data/previous_key_expires_at')), 1, 'a day, when nothing is said';
    works $_, 'both work' for $first, $second;
    my $third = renewed($id, 'rotate', { grace_hours => 168 });
    dead $first, 'rotated again, the oldest does not';
    works $_, '  and two do' for $second, $third;
    is live($id), 2;
    $db->do('UPDATE api_key_secrets SET expires_at = now() WHERE key_id = ? AND place = 2', undef, $id);
    dead $second, 'behind its grace, to the second';
    json_is $ann->get("$base/$id"), '/data/previous_key_expires_at', undef;
    my $fourth = renewed($id, 'rotate', { grace_hours => 0 });
    dead $third, 'without any grace, at once';
    works $fourth, '  and the new one does';
    is audited('key.rotate', $id), 3;
    my $fifth = renewed($id, 'rotate');
    my $sixth = renewed($id, 'roll');
    dead $_, 'rolled, none from before works' for $fourth, $fifth;
    works $sixth, '  but the new one';
    json_is $ann->get("$base/$id"), '/data/previous_key_expires_at', undef;
    error_is $_->post("$base/$id/roll"), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $_->post("$base/$id/roll"), 404, 'NOT_FOUND' for $out, $eve;
    is audited('key.roll', $id), 1;
    renewed($id, 'rotate', undef, key($sixth));
    works $sixth, 'a key may rotate itself';
};

subtest 'rotations at once' => sub {
    my ($id) = made();
    my @pids;
    for my $n (1 .. 4) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $status = eval { $ann->request(POST => "$base/$id/rotate", json => { grace_hours => 1 }, fresh => 1)->status } // 0;
            POSIX::_exit($status == 200 ? 0 : 1);
        }
        push @pids, $pid;
    }
    is join(' ', map { waitpid $_, 0; $? } @pids), '0 0 0 0', 'each is answered';
    is live($id), 2, 'and there are never three';
    is $db->selectrow_array('SELECT count(*) FROM api_key_secrets WHERE key_id = ?', undef, $id), 5, '  of five that there were';
    is audited('key.rotate', $id), 4;
};

subtest 'its end' => sub {
    my ($id, $text) = made(expires_at => '2099-12-31T00:00:00Z');
    works $text, 'before it expires';
    $db->do('UPDATE api_keys SET expires_at = now() WHERE id = ?', undef, $id);
    dead $text, 'expired, to the second';
    error_is $ann->post("$base/$id/$_"), 409, 'CONFLICT', message => qr/expired/, name => "$_: an expired one gets no other secret" for qw(rotate roll);
    json_is $ann->get("$base/$id"), '/data/id', $id, 'it is still shown';

    ($id, $text) = made();
    my $second = renewed($id, 'rotate');
    error_is $_->post("$base/$id/revoke"), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $_->post("$base/$id/revoke"), 404, 'NOT_FOUND' for $out, $eve;
    error_is $ann->post("$base/$NO_ID/revoke"), 404, 'NOT_FOUND';
    my $res = $ann->post("$base/$id/revoke");
    json_is $res, '/data/is_active', false;
    json_is $res, '/data/previous_key_expires_at', undef;
    my $since = $res->json('/data/revoked_at');
    ok $since, 'revoked';
    dead $_, 'neither secret works' for $text, $second;
    json_is $ann->post("$base/$id/revoke"), '/data/revoked_at', $since, 'revoked again, it stays as it is';
    is audited('key.revoke', $id), 1;
    error_is $ann->post("$base/$id/$_"), 409, 'CONFLICT', message => qr/revoked/ for qw(rotate roll);
    error_is $ann->patch("$base/$id", { is_active => true }), 409, 'CONFLICT', name => 'and cannot be brought back';
    ok scalar(grep { $_->{id} eq $id } @{ $ann->get($base)->json('/data') }), 'it is still shown';

    ($id, $text) = made();
    error_is $_->delete("$base/$id"), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $_->delete("$base/$id"), 404, 'NOT_FOUND' for $out, $eve;
    json_is $ann->delete("$base/$id"), '', { data => { id => $id, deleted => true }, meta => { message => 'API key deleted' } };
    dead $text, 'deleted';
    error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND', name => 'a second time it is not there';
    error_is $ann->get("$base/$id"), 404, 'NOT_FOUND';
    error_is $ann->post("$base/$id/$_"), 404, 'NOT_FOUND' for qw(revoke rotate roll);
    ok !(grep { $_->{id} eq $id } @{ $ann->get($base)->json('/data') }), 'it is in no list';
    ok $db->selectrow_array('SELECT deleted_at FROM api_keys WHERE id = ?', undef, $id), '  and its row stays';
    is audited('key.delete', $id), 1;
};

subtest 'who made it is gone' => sub {
    my $gil = person('gil');
    my $two = $t->organization($ann);
    $t->member($two, $gil, 'admin');
    my $gils = $t->key(type => 'organization', of => $two, by => $gil);
    my $path = "/api/organizations/$two";
    my $asks = sub { return key($gils)->get($path) };
    status_is $asks->(), 200;
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $gil->uuid);
    error_is $asks->(), 401, 'AUTHENTICATION_ERROR', name => 'an account that is not active';
    $db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $gil->uuid);
    status_is $asks->(), 200;
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $gil->uuid);
    error_is $asks->(), 401, 'AUTHENTICATION_ERROR', name => 'an account that is deleted';
    $db->do('UPDATE users SET deleted_at = NULL WHERE id = ?', undef, $gil->uuid);
    $db->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $gil->uuid);
    error_is $asks->(), 401, 'AUTHENTICATION_ERROR', name => 'who is a member no longer';
    $db->do('UPDATE memberships SET is_active = true WHERE user_id = ?', undef, $gil->uuid);
    status_is $asks->(), 200;
    status_is $ann->delete("$path/members/" . number($gil)), 200;
    error_is $asks->(), 401, 'AUTHENTICATION_ERROR', name => 'who was taken out';
    status_is $ann->post("$path/members", { user_id => number($gil), role => 'admin' }), 201;
    error_is $asks->(), 401, 'AUTHENTICATION_ERROR', name => '  also when they are back: it was revoked';
    my $anns = $t->key(type => 'organization', of => $two, by => $ann);
    status_is $ann->delete($path), 200;
    error_is key($anns)->get('/api/organizations'), 401, 'AUTHENTICATION_ERROR', name => 'an organization that is deleted';
};

subtest 'what it was used for' => sub {
    my ($id, $text) = made(scopes => ['*']);
    my $path = "$base/$id/usage";
    error_is $t->client->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is $_->get($path), 404, 'NOT_FOUND' for $out, $eve;
    error_is $vic->get($path), 403, 'AUTHORIZATION_ERROR', name => 'a viewer sees none';
    error_is $ann->get("$base/$NO_ID/usage"), 404, 'NOT_FOUND';
    json_is $ann->get($path), '', { data => [], meta => { total => 0, limit => 100, offset => 0 } };
    my $asks = key($text);
    status_is $asks->get($base, headers => { 'User-Agent' => "Deploy\xff" }), 200;
    error_is $asks->get("$base/$NO_ID?x=secret"), 404, 'NOT_FOUND';
    error_is $asks->patch('/api/users/' . number($meg), { role => 'viewer' }), 403, 'AUTHORIZATION_ERROR';
    error_is $asks->post('/api/organizations/invites/' . 'a' x 64 . '/accept'), 404, 'NOT_FOUND';
    eventually { $ann->get($path)->json('/meta/total') == 4 } 15, 'each request is there';
    my @uses = @{ $ann->last->json('/data') };
    is join('|', map { "$_->{method} $_->{path} $_->{status_code}" } @uses), join('|', 'POST /api/organizations/invites/{invitation_token}/accept 404',
        'PATCH /api/users/' . number($meg) . ' 403', "GET $base/$NO_ID 404", "GET $base 200"), 'newest first, without queries and secrets';
    is_deeply $uses[3], { id => $uses[3]{id}, api_key_id => $id, method => 'GET', path => $base, status_code => 200, latency_ms => $uses[3]{latency_ms}, ip => '127.0.0.1', user_agent => "Deploy\x{fffd}", created_at => $uses[3]{created_at} }, 'an entry'
        or diag explain $uses[3];
    my $key = $ann->get("$base/$id")->json('/data');
    is $key->{usage_count}, 4, 'they are counted';
    ok $key->{last_used_at}, '  and when it was last used is known';
    my $second = renewed($id, 'roll');
    status_is key($second)->get($base), 200;
    eventually { $ann->get($path)->json('/meta/total') == 5 } 15, 'another secret is the same key';
    status_is $ann->post("$base/$id/revoke"), 200;
    error_is key($second)->get($base), 401, 'AUTHENTICATION_ERROR';
    $db->do(q{INSERT INTO api_key_uses (tenant_id, key_id, slot, method, path, status, latency_ms, created_at)
              SELECT ?, ?, api_key_uses_slot((now() AT TIME ZONE 'UTC')::date), 'GET', '/api/many', 200, 1, now() FROM generate_series(1, 200)}, undef, $ann->tenant_id, $id);
    $db->do('UPDATE api_key_use_days SET count = count + 200 WHERE key_id = ?', undef, $id);
    my $res = $meg->get($path);
    is scalar @{ $res->json('/data') }, 100, 'the latest hundred';
    json_is $res, '/meta', { total => 205, limit => 100, offset => 0 };
    $db->do(q{INSERT INTO api_key_uses (tenant_id, key_id, slot, method, path, status, latency_ms, created_at) SELECT ?, ?, api_key_uses_slot(d.day), 'GET', '/api/old', 200, 1, d.day
              FROM (SELECT api_key_uses_since() - 1 AS day) d}, undef, $ann->tenant_id, $id);
    $db->do(q{INSERT INTO api_key_use_days (tenant_id, key_id, day, count) VALUES (?, ?, api_key_uses_since() - 1, 1)}, undef, $ann->tenant_id, $id);
    json_is $ann->get($path), '/meta/total', 205, 'none from more than 30 days ago';
    isnt $ann->last->json('/data/0/path'), '/api/old';
    cmp_ok $db->selectrow_array('SELECT usage_rotate()'), '>=', 1, 'those go';
    is $db->selectrow_array(q{SELECT count(*) FROM api_key_uses WHERE path = '/api/old'}), 0;
    is $db->selectrow_array(q{SELECT count(*) FROM api_key_uses WHERE path = '/api/many'}), 200, '  and no others';
    eventually { $db->selectrow_array('SELECT coalesce(sum(quantity), 0) FROM usage_daily WHERE organization_id = ? AND user_id = ?', undef, $org, $ann->uuid) > 0 } 15, 'they count for its maker and the organization';
};

subtest 'what people see of it' => sub {
    my ($id) = made(name => 'Noted');
    renewed($id, 'rotate');
    renewed($id, 'roll');
    status_is $ann->post("$base/$id/revoke"), 200 for 1, 2;
    status_is $ann->delete("$base/$id"), 200;
    is_deeply $db->selectcol_arrayref(q{SELECT action FROM activity_log WHERE entity_id = ? AND actor_type = 'user' AND actor_id = ? ORDER BY action}, undef, $id, number($ann)),
        [ map { "apikey.$_" } qw(created deleted revoked rolled rotated) ], 'each stands in the activity log, once';
    is $db->selectrow_array(q{SELECT metadata ->> 'name' FROM activity_log WHERE entity_id = ? AND action = 'apikey.created'}, undef, $id), 'Noted';
    my $chiefs = $t->key(type => 'organization', of => $org, by => $chief);
    error_is key($chiefs)->post('/api/activity-log', { action => 'x.y', actor_type => 'user', actor_id => number($ann) }), 403, 'AUTHORIZATION_ERROR', name => 'an administrator\'s key speaks for no other user';
};

subtest 'limits are the organization\'s' => sub {
    my $few  = Api->start(main => 1, RATE_LIMIT_OPERATIONS => 30);
    my $who  = $few->user('zoe', tenant => 'acme');
    my $here = $few->organization($who);
    my @keys = map { $few->key(type => 'organization', of => $here, by => $who) } 1 .. 3;
    my $left = sub ($key) { return $few->client(key => $key)->get("/api/organizations/$here")->header('X-RateLimit-Remaining') };
    $left->($_) for @keys;    # a host learns whose a key is when it first comes
    my $first = $left->($keys[0]);
    cmp_ok $first, '<=', 30;
    cmp_ok $left->($keys[1]), '<', $first, 'another key is no other budget';
    cmp_ok $left->($keys[2]), '<', $first, '  nor a third one';
};
