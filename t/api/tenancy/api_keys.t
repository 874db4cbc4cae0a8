# API keys: how the dashboard manages them, and what they let in.

use v5.36;
use lib 't/lib';
use Api;
use Digest::SHA 'sha256';

my $t      = Api->start;
my $base   = '/api/v1/dashboard/api-keys';
my $owner  = $t->team('owner', role => 'owner', tenant => 'acme');
my $admin  = $t->team('admin', role => 'admin', tenant => 'acme');
my $member = $t->team('member', tenant => 'acme');
my $other  = $t->team('other', role => 'owner', tenant => 'other');
my $tenant = $owner->tenant_id;
my ($test_tenant) = $t->db->selectrow_array('SELECT id FROM tenants WHERE test_of = ?', undef, $tenant);
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $page   = 'https://app.example.com';
my %test   = (headers => { 'X-Test-Mode' => 'true' });

sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM api_keys WHERE id = ?', undef, $id) }

sub last_audit ($of = $tenant) { return $t->db->selectrow_hashref('SELECT * FROM audit_events WHERE tenant_id = ? ORDER BY seq DESC LIMIT 1', undef, $of) }

sub public_key (%more) { return $admin->post($base, { name => 'Website', type => 'public', allowed_origins => [$page], %more }) }

sub secret_key (%arg) {
    my $res = $admin->post($base, { name => 'Server', type => 'secret' }, %arg);
    $t->keep_secret($res->json('/key')) if $res->status == 201;
    return $res;
}

sub ids ($res) { return [ map { $_->{id} } @{ $res->json('/api_keys') } ] }

# A user of each mode, asking something that every key lets them ask.
my %user = (live => $t->user('ann', tenant => 'acme'), test => test_user());

sub test_user () {
    my ($uuid) = $t->db->selectrow_array(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'user_tess', 'tess@example.com') RETURNING id}, undef, $test_tenant);
    my ($session) = $t->db->selectrow_array(q{INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now() + interval '1 hour') RETURNING id}, undef, $test_tenant, $uuid);
    my $tess = $t->client(id => 'user_tess', uuid => $uuid, email => 'tess@example.com', role => 'user', tenant_id => $test_tenant, session => $session);
    return $tess->with(token => $t->token($tess));
}

sub used ($key, %arg) { return $user{ $arg{as} // 'live' }->with(key => $key, %arg)->get('/api/v1/auth/mfa') }

subtest 'keys are for owners and admins' => sub {
    for ([ GET => $base ], [ POST => $base, { name => 'x', type => 'secret' } ], [ PUT => "$base/$nobody", {} ], [ DELETE => "$base/$nobody" ]) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR';
        error_is $member->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR';
    }
    is $t->db->selectrow_array('SELECT count(*) FROM api_keys'), 0, 'none was made';
};

subtest 'what is no key is not made' => sub {
    my $try = sub (%with) { $admin->post($base, { name => 'x', type => 'public', allowed_origins => [$page], %with }) };
    error_is $try->(name => $_), 422, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101;
    error_is $try->(type => $_), 422, 'VALIDATION_ERROR', field => 'type' for '', 'Public', 'both';
    error_is $admin->post($base, { name => 'x', type => 'public' }), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'a public key needs origins';
    error_is $try->(allowed_origins => []), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'none is none';
    error_is $try->(type => 'secret'), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'a secret key takes none';
    error_is $try->(allowed_origins => [ $page, $_ ]), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => "not the origin '$_'"
        for '', '*', 'null', 'app.example.com', 'https://', 'https://*.example.com', 'https://app.example.com/path', 'https://app.example.com//', 'https://app.example.com?x',
        'https://app.example.com#x', 'https://user@app.example.com', 'http://app.example.com', 'ftp://app.example.com', 'https://app.example.com:', 'https://app.example.com:0',
        'https://app.example.com:65536', 'https://app.example.com:8a', 'http://localhost.example.com', 'https://a b', "https://\x{e4}.example", 'https://[::1', "$page\r\nX: y";
    error_is $try->(allowed_origins => [ map { "https://a$_.example.com" } 1 .. 51 ]), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'not too many';
    error_is $try->(allows_writes => true), 422, 'VALIDATION_ERROR', field => 'allows_writes', name => 'assistants have no use for it';
    is $t->db->selectrow_array('SELECT count(*) FROM api_keys'), 0, 'none was made';
};

subtest 'a public key is shown whenever it is asked for' => sub {
    my $res = public_key(allowed_origins => [
        'HTTPS://App.Example.COM/', 'https://app.example.com:443', 'https://app.example.com:8443', 'http://localhost:3000', 'http://localhost:80/', 'http://127.0.0.1:5173', 'http://[::1]' ]);
    status_is $res, 201;
    json_is $res, '', {
        id => $UUID, name => 'Website', type => 'public', prefix => qr/\Apk_live_[A-Za-z0-9]{4}\z/, key => qr/\Apk_live_[A-Za-z0-9]{32}\z/,
        allowed_origins => [ 'https://app.example.com', 'https://app.example.com:8443', 'http://localhost:3000', 'http://localhost', 'http://127.0.0.1:5173', 'http://[::1]' ],
        is_active => true, allows_writes => false, created_by => $admin->id, last_used_at => undef, revoked_at => undef, created_at => $TIME,
    };
    is substr($res->json('/key'), 0, 12), $res->json('/prefix');
    is_deeply $admin->get($base)->json('/api_keys/0'), $res->json, 'the list shows the same';
    my $event = last_audit();
    is "$event->{action} $event->{resource_type} $event->{resource_id} $event->{actor_id}", 'key.create api_key ' . $res->json('/id') . ' ' . $admin->id;
};

subtest 'a secret key is shown once' => sub {
    my $res = secret_key();
    status_is $res, 201;
    my $key = $res->json('/key');
    like $key, qr/\Ask_live_[A-Za-z0-9]{32}\z/;
    json_is $res, '/allowed_origins', [];
    json_is $admin->get($base), '/api_keys/0/key', undef, 'and then no more';
    json_is $admin->last, '/api_keys/0/prefix', substr $key, 0, 12;
    json_is $admin->put("$base/" . $res->json('/id'), { name => 'Other' }), '/key', undef;
    my $row = row($res->json('/id'));
    is unpack('H*', $row->{hash}), unpack('H*', sha256($key)), 'a SHA-256 is stored';
    is $row->{public_text}, undef, '  and not the key';
    unlike last_audit()->{details}, qr/\Q$key\E/, 'nor is it put down';
    my $twice = sub { $admin->post($base, { name => 'Twice', type => 'secret' }, headers => { 'Idempotency-Key' => 'k' }) };
    my @keys = map { $twice->()->json('/key') } 1, 2;
    $t->keep_secret(@keys);
    isnt $keys[0], $keys[1], 'no stored answer holds one: an Idempotency-Key makes two';
    is $t->db->selectrow_array('SELECT count(*) FROM idempotency_keys'), 0;
};

subtest 'the list has the newest first, without the revoked' => sub {
    $t->db->do('DELETE FROM api_keys');
    my @ids = map { public_key(name => "key $_")->json('/id') } 1 .. 3;
    $other->post($base, { name => 'theirs', type => 'secret' });
    is_deeply ids($admin->get($base)), [ reverse @ids ];
    status_is $admin->delete("$base/$ids[1]"), 204;
    is_deeply ids($owner->get($base)), [ @ids[ 2, 0 ] ];
    is_deeply ids($owner->get("$base?include_revoked=true")), [ reverse @ids ];
    json_is $owner->last, '/api_keys/1/revoked_at', $TIME;
    is_deeply ids($owner->get("$base?include_revoked=true&limit=1&skip=1")), [ $ids[1] ];
    body_unlike $owner->get("$base?include_revoked=true"), qr/theirs/;
};

subtest 'an update changes what was sent' => sub {
    my $made = public_key();
    my $path = "$base/" . $made->json('/id');
    error_is $admin->put("$base/$_", { name => 'x' }), 404, 'NOT_FOUND' for $nobody, 'x';
    error_is $other->put($path, { name => 'x' }), 404, 'NOT_FOUND', name => 'another tenant\'s is not there';
    error_is $admin->put($path, { name => 'x' }, %test), 404, 'NOT_FOUND', name => 'nor is a live one in test mode';
    error_is $admin->put($path, { name => '' }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $admin->put($path, { allowed_origins => ['http://x.example'] }), 422, 'VALIDATION_ERROR', field => 'allowed_origins';
    error_is $admin->put($path, { allowed_origins => [] }), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'a public key keeps one';
    my $secret = secret_key()->json('/id');
    error_is $admin->put("$base/$secret", { allowed_origins => [$page] }), 422, 'VALIDATION_ERROR', field => 'allowed_origins', name => 'a secret key gets none';
    is_deeply row($made->json('/id'))->{allowed_origins}, [$page], 'nothing was changed';

    json_is $admin->put($path, { name => 'Renamed' }), '', { %{ $made->json }, name => 'Renamed' };
    is last_audit()->{action}, 'key.update';
    like last_audit()->{details}, qr/"fields": \["name"\]/;
    json_is $admin->patch($path, { allowed_origins => ['https://New.example.com/'] }), '/allowed_origins', ['https://new.example.com'];
    json_is $admin->last, '/name', 'Renamed';
    json_is $admin->put($path, { is_active => false }), '/is_active', false;
    my $seq = last_audit()->{seq};
    json_is $admin->put($path, { is_active => false, name => 'Renamed' }), '/is_active', false;
    is last_audit()->{seq}, $seq, 'what changes nothing is not put down';
    status_is $admin->delete($path), 204;
    error_is $admin->put($path, { is_active => true }), 409, 'CONFLICT', name => 'a revoked key stays as it is';
    is row($made->json('/id'))->{is_active}, 0;
};

subtest 'revoking is final' => sub {
    my $id = secret_key()->json('/id');
    error_is $admin->delete("$base/$_"), 404, 'NOT_FOUND' for $nobody, 'x';
    error_is $other->delete("$base/$id"), 404, 'NOT_FOUND', name => 'another tenant\'s is not there';
    my $res = $admin->delete("$base/$id");
    status_is $res, 204;
    body_is $res, '';
    my $row = row($id);
    ok $row->{revoked_at}, 'the row stays';
    my $event = last_audit();
    is "$event->{action} $event->{resource_id}", "key.revoke $id";
    status_is $admin->delete("$base/$id"), 204, 'a second time is no error';
    is row($id)->{revoked_at}, $row->{revoked_at}, '  and changes nothing';
    is last_audit()->{seq}, $event->{seq}, '  nor is it put down';
};

subtest 'an update that waits behind a revocation finds the key revoked' => sub {
    my $id = public_key()->json('/id');
    my $lock = $t->lock('UPDATE api_keys SET revoked_at = now() WHERE id = ?', $id);
    my $load = $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $admin->token) }, each => sub ($client, $) { $client->put("$base/$id", { name => 'late' }) });
    eventually { $t->waiting == 1 } 5, 'it waits';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ map { $_->[0] } $load->finish ], [409];
    is row($id)->{name}, 'Website';
};

subtest 'keys of the test mode are made in it, and stay in it' => sub {
    my $res = secret_key(%test);
    status_is $res, 201;
    like $res->json('/key'), qr/\Ask_test_/;
    my $public = $admin->post($base, { name => 'Website', type => 'public', allowed_origins => [$page] }, %test);
    like $public->json('/key'), qr/\Apk_test_/;
    is row($res->json('/id'))->{tenant_id}, $test_tenant;
    is_deeply ids($admin->get($base, %test)), [ map { $_->json('/id') } $public, $res ], 'the test mode\'s list has them';
    ok !(grep { $_ eq $res->json('/id') } @{ ids($admin->get("$base?include_revoked=true")) }), '  and not the live one';
    is last_audit($test_tenant)->{action}, 'key.create', 'it is put down where it was done';
};

subtest 'when a key was used is noted behind the answer, every ten minutes at most' => sub {
    my $res = secret_key();
    my $id  = $res->json('/id');
    is row($id)->{last_used_at}, undef;
    used($res->json('/key'));
    eventually { defined row($id)->{last_used_at} } 5, 'the first time';
    my $first = row($id)->{last_used_at};
    used($res->json('/key')) for 1 .. 10;
    is row($id)->{last_used_at}, $first, 'once';
    my $etag = row($id)->{updated_at};
    is $etag, row($id)->{created_at}, 'that is no change of the key';
    my $suspended = secret_key();
    $admin->put("$base/" . $suspended->json('/id'), { is_active => false });
    used($suspended->json('/key'));
    is row($suspended->json('/id'))->{last_used_at}, undef, 'one that lets nobody in is not used';
};

my $live = secret_key();
my $web  = public_key();
my ($sk, $pk) = map { $_->json('/key') } $live, $web;

subtest 'a secret key lets in from anywhere' => sub {
    status_is used($sk), 200;
    status_is used($sk, origin => 'https://evil.example'), 200;
    error_is used($_), 401, 'INVALID_API_KEY', name => 'but not as "' . substr($_, 0, 8) . '…"' for '', 'x', "${sk}x", substr($sk, 0, -1), 'sk_live_' . 'x' x 32, $sk =~ s/live/test/r;
};

subtest 'a public key lets in from its own origins' => sub {
    status_is used($pk, origin => $page), 200;
    header_is used($pk, origin => $page), 'Access-Control-Allow-Origin', $page;
    status_is used($pk, origin => uc $page), 200, 'in whatever case';
    for my $origin (undef, 'null', 'https://evil.example', 'http://app.example.com', "$page:8443", "$page.evil.example", 'https://sub.app.example.com', "$page/") {
        my $res = used($pk, origin => $origin);
        error_is $res, 403, 'ORIGIN_NOT_ALLOWED', name => 'not from ' . ($origin // 'nowhere');
        defined $origin ? header_is($res, 'Access-Control-Allow-Origin', $origin, '  and the page can read why') : header_absent $res, 'Access-Control-Allow-Origin';
    }
    $admin->put("$base/" . $web->json('/id'), { allowed_origins => ['https://new.example.com'] });
    error_is used($pk, origin => $page), 403, 'ORIGIN_NOT_ALLOWED', name => 'a change takes effect at once';
    status_is used($pk, origin => 'https://new.example.com'), 200;
};

subtest 'a suspended key rests, a revoked one is gone' => sub {
    my $path = "$base/" . $live->json('/id');
    $admin->put($path, { is_active => false });
    error_is used($sk), 401, 'INVALID_API_KEY';
    $admin->put($path, { is_active => true });
    status_is used($sk), 200;
    $t->db->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $tenant);
    error_is used($sk), 401, 'INVALID_API_KEY', name => 'so does one of a suspended tenant';
    $t->db->do('UPDATE tenants SET is_active = true WHERE id = ?', undef, $tenant);
    status_is used($sk), 200;
    $admin->delete($path);
    error_is used($sk), 401, 'INVALID_API_KEY';
};

subtest 'a key is for one tenant, and for one mode of it' => sub {
    my $test = secret_key(%test)->json('/key');
    $t->keep_secret($test);
    status_is used($test, as => 'test'), 200, 'a test key for a user of the test mode';
    error_is used($test), 401, 'AUTHENTICATION_ERROR', name => 'not for a real one';
    my $real = secret_key()->json('/key');
    error_is used($real, as => 'test'), 401, 'AUTHENTICATION_ERROR', name => 'nor a real key for one of the test mode';
    my $theirs = $other->post($base, { name => 'theirs', type => 'secret' })->json('/key');
    $t->keep_secret($theirs);
    error_is used($theirs), 401, 'AUTHENTICATION_ERROR', name => 'nor one of another tenant';
};

subtest 'assistants change things with a secret key alone that was made for it' => sub {
    my $res = $admin->post($base, { name => 'Assistant', type => 'secret', allows_writes => true });
    status_is $res, 201;
    $t->keep_secret($res->json('/key'));
    is $res->json('/allows_writes'), true, 'it says so';
    my $holder = $t->nobody->with(key => $res->json('/key'));
    is_deeply $holder->get('/api/v1/mcp/access')->json, { kind => 'key', scopes => undef, allows_writes => true }, 'and so it is for';
    status_is $admin->put("$base/" . $res->json('/id'), { allows_writes => false }), 200, 'which may be taken away';
    is $holder->get('/api/v1/mcp/access')->json('/allows_writes'), false, '  from the next request on';
    is last_audit()->{action}, 'key.update', '  and is in the audit log';
    my $public = public_key();
    error_is $admin->put("$base/" . $public->json('/id'), { allows_writes => true }), 422, 'VALIDATION_ERROR', field => 'allows_writes', name => 'a public one gets it no more than it is made with it';
    my $user = $t->user('of-no-key');
    is_deeply $user->get('/api/v1/mcp/access')->json, { kind => 'user', scopes => undef, allows_writes => false }, 'a user\'s session is for reading';
    is $t->nobody->get('/api/v1/mcp/access')->json('/kind'), 'none', '  and without either nothing';
};
