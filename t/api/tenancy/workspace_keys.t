# Keys of a workspace: who manages them, and what they let in.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Digest::SHA 'sha256';

my $t    = Api->start(main => 2, slow => 1);
my $db   = $t->db;
my $base = '/api/v1/api-keys';
my $self = "$base/self";
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob, $vera, $eve) = (@$w{qw(ann adam bob vera)}, $x->{eve});

sub made ($who, %with) {
    my $res = $who->post($base, { name => 'Reporting', %with });
    $t->keep_secret($res->json('/key')) if $res->status == 201;
    return $res;
}

sub with_key ($key, %arg) { return $t->client(key => $key, %arg) }

sub row ($id) { return $db->selectrow_hashref('SELECT * FROM api_keys WHERE id = ?', undef, $id) }

sub last_audit () { return $db->selectrow_hashref(q{SELECT * FROM audit_events WHERE resource_type = 'api_key' ORDER BY seq DESC LIMIT 1}) }

sub ids ($res) { return [ map { $_->{id} } @{ $res->json } ] }

subtest 'a key is shown once' => sub {
    my $res = made($ann, description => 'Each night', expires_at => '2099-01-01T00:00:00Z', scopes => [ 'records:read', 'data:read', 'data:read' ]);
    status_is $res, 201;
    my ($key, %shown) = (delete $res->json->{key}, %{ $res->json });
    like $key, qr/\Aash_live_[0-9A-Za-z]{40}\z/;
    is substr($key, 43), Api::key_check(substr $key, 9, 34), 'the last six are a CRC-32 of those before';
    delete $shown{key};
    is_deeply [ sort keys %shown ], [ sort qw(id name description key_prefix scopes allowed_ranges is_active is_revoked revoked_at revoked_by_id revoke_reason expires_at
        last_used_at usage_count rotated_from_id created_by_id created_at updated_at) ];
    my $id = $shown{id};
    json_is $ann->get("$base/$id"), '', {
        id => $UUID, name => 'Reporting', description => 'Each night', key_prefix => substr($key, 0, 13), scopes => [ 'data:read', 'records:read' ], allowed_ranges => [],
        is_active => true, is_revoked => false, revoked_at => undef, revoked_by_id => undef, revoke_reason => undef, expires_at => qr/\A2099-01-01T00:00:00/,
        last_used_at => undef, usage_count => 0, rotated_from_id => undef, created_by_id => $w->member_id('ann'), created_at => $MICRO, updated_at => $MICRO,
    };
    is_deeply $ann->get($base)->json('/0'), $ann->get("$base/$id")->json, 'the list shows the same';
    body_unlike $ann->last, qr/\Q$key\E/, '  and not the key';
    is unpack('H*', row($id)->{hash}), unpack('H*', sha256($key)), 'a SHA-256 is stored';
    unlike join(' ', map { $_ // '' } %{ row($id) }), qr/\Q$key\E/, '  and the key nowhere';
    is last_audit()->{action}, 'key.create';
    unlike last_audit()->{details}, qr/\Q$key\E/, 'nor is it put down';
    like last_audit()->{details}, qr/"organization_id": "@{[$w->id]}"/;
    json_is made($adam), '/scopes', ['data:read'], 'what it is for when nothing is said';
    json_is made($adam, scopes => []), '/scopes', [], 'all';
    my @twice = map { $ann->post($base, { name => 'x' }, headers => { 'X-Workspace-Id' => $w->id, 'Idempotency-Key' => 'k' })->json('/key') } 1, 2;
    $t->keep_secret(@twice);
    isnt $twice[0], $twice[1], 'no stored answer holds one';
};

subtest 'what is no key is not made' => sub {
    my $before = $db->selectrow_array('SELECT count(*) FROM api_keys');
    error_is made($ann, %{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ name => { name => '' } ], [ name => { name => 'x' x 256 } ], [ description => { description => 'x' x 2001 } ], [ 'scopes[0]' => { scopes => ['all'] } ],
            [ expires_at => { expires_at => '2020-01-01T00:00:00Z' } ], [ expires_at => { expires_at => 'tomorrow' } ],
            [ allowed_ranges => { allowed_ranges => [ map { "192.0.2.$_" } 1 .. 51 ] } ],
            map { [ allowed_ranges => { allowed_ranges => [ '192.0.2.1', $_ ] } ] } '', 'x', '192.0.2.1/33', '192.0.2.1/', '192.0.2.1/-1', '192.0.2.1/8/8', '2001:db8::/129', '::ffff:192.0.2.0/95', 'example.com', '10.0.0.0/0x8';
    is $db->selectrow_array('SELECT count(*) FROM api_keys'), $before, 'none was made';
};

subtest 'who manages them' => sub {
    my $id = made($ann)->json('/id');
    my @look  = ([ GET => $base ], [ GET => "$base/count" ], [ GET => "$base/$id" ]);
    my @change = ([ POST => $base, { name => 'x' } ], [ PUT => "$base/$id", { name => 'x' } ], [ POST => "$base/$id/toggle" ], [ POST => "$base/$id/rotate" ], [ POST => "$base/$id/revoke" ], [ DELETE => "$base/$id" ]);
    for (@look, @change) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR';
        error_is $_->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR' for $bob, $vera;
    }
    is row($id)->{name}, 'Reporting', 'nothing was changed';
    my $set = sub ($role, $name, $allowed) { status_is $ann->put("/api/v1/permissions/roles/$role/permission", { permission => $name, allowed => $allowed }), 200 };
    $set->(member => can_manage_api_key => true);
    my $made = made($bob);
    status_is $made, 201, 'a member who was given can_manage_api_key';
    status_is $bob->post("$base/$id/toggle"), 200, '  also of others\' keys';
    error_is $bob->get($base), 403, 'AUTHORIZATION_ERROR', name => '  which is not to see them';
    $set->(member => can_view_api_key => true);
    status_is $bob->get($base), 200;
    $set->(admin => can_manage_api_key => false);
    status_is $adam->post("$base/$id/toggle"), 200, 'an admin is one, whatever is set';
    $set->(admin => can_view_api_key => false);
    error_is $adam->get($base), 403, 'AUTHORIZATION_ERROR', name => 'to see them is a permission alone';
    $ann->post("/api/v1/permissions/roles/$_/reset") for qw(admin member);
};

subtest 'of another workspace they are not there' => sub {
    my $id = made($ann)->json('/id');
    for ([ GET => "$base/$id" ], [ PUT => "$base/$id", { name => 'x' } ], [ POST => "$base/$id/toggle" ], [ POST => "$base/$id/rotate" ], [ POST => "$base/$id/revoke" ], [ DELETE => "$base/$id" ]) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, $path, json => $body), 404, 'NOT_FOUND';
        error_is $ann->request($method, $path =~ s/\Q$id\E/$nobody/r, json => $body), 404, 'NOT_FOUND';
    }
    is row($id)->{name}, 'Reporting', 'nothing was changed';
    json_is $eve->get($base), '', [], 'nor in the list';
    json_is $eve->get("$base/count"), '', { count => 0 };
    my $team = $t->team('owner', role => 'owner');
    my $secret = $team->post('/api/v1/dashboard/api-keys', { name => 'ours', type => 'secret' });
    $t->keep_secret($secret->json('/key'));
    error_is $ann->get("$base/" . $secret->json('/id')), 404, 'NOT_FOUND', name => 'the tenant\'s own are not there';
    is_deeply [ map { $_->{type} } @{ $team->get('/api/v1/dashboard/api-keys?include_revoked=true')->json('/api_keys') } ], ['secret'], 'nor a workspace\'s in the dashboard';
    error_is $team->put("/api/v1/dashboard/api-keys/$id", { is_active => false }), 404, 'NOT_FOUND';
    error_is $team->delete("/api/v1/dashboard/api-keys/$id"), 404, 'NOT_FOUND';
};

subtest 'the list' => sub {
    my $y   = workspace($t, yuri => 'owner');
    my @ids = map { made($y->{yuri}, name => "key $_")->json('/id') } 1 .. 4;
    $y->{yuri}->post("$base/$ids[0]/revoke");
    $y->{yuri}->post("$base/$ids[1]/toggle");
    is_deeply ids($y->{yuri}->get($base)), [ reverse @ids ], 'newest first';
    is_deeply ids($y->{yuri}->get("$base?is_revoked=true")),  [ $ids[0] ];
    is_deeply ids($y->{yuri}->get("$base?is_revoked=false")), [ reverse @ids[ 1 .. 3 ] ];
    is_deeply ids($y->{yuri}->get("$base?is_active=false")),  [ $ids[1] ];
    is_deeply ids($y->{yuri}->get("$base?is_active=true&is_revoked=false")), [ reverse @ids[ 2, 3 ] ];
    is_deeply ids($y->{yuri}->get("$base?skip=1&limit=2")), [ @ids[ 2, 1 ] ];
    json_is $y->{yuri}->get("$base/count?$_->[0]"), '', { count => $_->[1] } for [ '', 4 ], [ 'is_revoked=true', 1 ], [ 'is_active=true', 3 ], [ 'is_active=true&is_revoked=false', 2 ];
    error_is $y->{yuri}->get("$base?limit=501"), 422, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'what a key lets in' => sub {
    my $res = made($ann);
    my ($id, $key) = ($res->json('/id'), $res->json('/key'));
    json_is with_key($key)->get($self), '', { id => $id, name => 'Reporting', key_prefix => substr($key, 0, 13), workspace_id => $w->id, scopes => ['data:read'], expires_at => undef };
    status_is with_key($key)->get($self, headers => { 'X-Workspace-Id' => $w->id }), 200, 'with its workspace\'s name';
    error_is with_key($key)->get($self, headers => { 'X-Workspace-Id' => $_ }), 403, 'AUTHORIZATION_ERROR', name => 'of no other' for $x->id, $nobody;
    error_is with_key($key)->get($self, headers => { 'X-Workspace-Id' => 'x' }), 400, 'BAD_REQUEST', field => 'X-Workspace-Id';
    error_is $t->get($self), 401, 'INVALID_API_KEY';
    my $random = 'A' x 34;
    my $other = 'ash_live_' . $random . Api::key_check($random);
    error_is with_key($_)->get($self), 401, 'INVALID_API_KEY', name => "not $_"
        for $other, substr($other, 0, -1), "${other}A", 'ash_live_' . ('A' x 40), 'ash_test_' . substr($other, 9), substr($key, 0, -1) . (substr($key, -1) eq 'A' ? 'B' : 'A');
    error_is with_key($t->key)->get($self), 401, 'INVALID_API_KEY', name => 'a key of the tenant is for what the tenant\'s keys are for';
    for ([ GET => '/api/v1/app/projects' ], [ POST => '/api/v1/auth/login', { email => 'x@example.com', password => 'x' } ], [ GET => '/api/v1/mcp/access' ], [ GET => $base ]) {
        my ($method, $path, $body) = @$_;
        error_is with_key($key)->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR', name => "$path takes none of a workspace's";
    }
    error_is $ann->with(key => $key)->get($base), 403, 'AUTHORIZATION_ERROR', name => 'nor beside a token';
    my $page = with_key($key, origin => 'https://evil.example');
    status_is $page->get($self), 200;
    is $page->last->header('Access-Control-Allow-Origin'), undef, 'no page reads an answer to it';
    error_is with_key('ash_live_x', origin => 'https://evil.example')->get($self), 401, 'INVALID_API_KEY';

    status_is $ann->post("$base/$id/toggle"), 200;
    json_is $ann->last, '/is_active', false;
    error_is with_key($key)->get($self), 401, 'INVALID_API_KEY', name => 'switched off';
    json_is $ann->put("$base/$id", { is_active => true }), '/is_active', true;
    status_is with_key($key)->get($self), 200, 'and on again';
    $db->do(q{UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $id);
    error_is with_key($key)->get($self), 401, 'INVALID_API_KEY', name => 'past its end';
    $db->do(q{UPDATE api_keys SET expires_at = NULL WHERE id = ?}, undef, $id);
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $w->id);
    error_is with_key($key)->get($self), 401, 'INVALID_API_KEY', name => 'of a workspace that is deleted';
    $db->do('UPDATE organizations SET deleted_at = NULL WHERE id = ?', undef, $w->id);
    status_is $ann->delete("$base/$id"), 204;
    error_is with_key($key)->get($self), 401, 'INVALID_API_KEY', name => 'removed';
    is row($id), undef, '  for good';
    is last_audit()->{action}, 'key.delete';
};

subtest 'addresses that it is taken from' => sub {
    my $res = made($ann, allowed_ranges => [ '192.0.2.77/24', '2001:DB8::1', '::ffff:10.1.2.3/104' ]);
    json_is $res, '/allowed_ranges', [ '192.0.2.0/24', '2001:db8::1/128', '10.0.0.0/8' ];
    my ($id, $key) = ($res->json('/id'), $res->json('/key'));
    error_is with_key($key)->get($self), 403, 'AUTHORIZATION_ERROR', name => 'from elsewhere';
    my $from = sub ($ip) { $t->fcgi->request('GET', $self, params => { REMOTE_ADDR => $ip, HTTP_X_API_KEY => $key })->status };
    is $from->($_), 200, "from $_" for '192.0.2.1', '192.0.2.255', '2001:db8::1', '10.9.9.9', '::ffff:192.0.2.3';
    is $from->($_), 403, "not from $_" for '192.0.3.1', '2001:db8::2', '11.0.0.1', 'unix:';
    error_is with_key($key)->get($self, headers => { 'X-Client-IP' => '192.0.2.1' }), 403, 'AUTHORIZATION_ERROR', name => 'whatever it says of others';
    json_is $ann->put("$base/$id", { allowed_ranges => ['127.0.0.0/8'] }), '/allowed_ranges', ['127.0.0.0/8'];
    status_is with_key($key)->get($self), 200, 'from here';
    json_is $ann->put("$base/$id", { name => 'Other' }), '/allowed_ranges', ['127.0.0.0/8'], 'what is not sent stays';
    json_is $ann->put("$base/$id", { allowed_ranges => [] }), '/allowed_ranges', [];
    is $from->('11.0.0.1'), 200, 'from everywhere';
};

subtest 'a change' => sub {
    my $id = made($ann, description => 'x')->json('/id');
    json_is $ann->put("$base/$id", { name => 'Renamed' }), '/name', 'Renamed';
    json_is $ann->last, '/description', 'x';
    json_is $ann->patch("$base/$id", { description => undef }), '/description', undef;
    json_is $ann->put("$base/$id", { scopes => [ 'records:write', 'activity:read' ] }), '/scopes', [ 'activity:read', 'records:write' ];
    like last_audit()->{details}, qr/"fields": \["scopes"\]/;
    my ($before) = $db->selectrow_array('SELECT max(seq) FROM audit_events');
    $ann->put("$base/$id", { name => 'Renamed' });
    is $db->selectrow_array('SELECT max(seq) FROM audit_events'), $before, 'what changes nothing is not put down';
    error_is $ann->put("$base/$id", { scopes => ['x'] }), 422, 'VALIDATION_ERROR', field => 'scopes[0]';
    error_is $ann->put("$base/$id", { name => 'y' }, headers => { 'X-Workspace-Id' => $w->id, 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    is row($id)->{name}, 'Renamed';
};

subtest 'revoking is final' => sub {
    my $res = made($ann);
    my ($id, $key) = ($res->json('/id'), $res->json('/key'));
    error_is $ann->post("$base/$id/revoke", { reason => 'x' x 501 }), 422, 'VALIDATION_ERROR', field => 'reason';
    status_is with_key($key)->get($self), 200;
    $res = $adam->post("$base/$id/revoke", { reason => 'Was in a log' });
    status_is $res, 200;
    is_deeply [ map { $res->json("/$_") } qw(is_revoked revoked_by_id revoke_reason) ], [ true, $w->member_id('adam'), 'Was in a log' ];
    error_is with_key($key)->get($self), 401, 'INVALID_API_KEY';
    error_is $ann->request(@$_), 409, 'CONFLICT', name => "$_->[1]: no more"
        for [ POST => "$base/$id/revoke" ], [ POST => "$base/$id/toggle" ], [ POST => "$base/$id/rotate" ], [ PUT => "$base/$id", json => { is_active => true } ];
    status_is $ann->get("$base/$id"), 200, 'its row stays';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'key.revoke' AND resource_id = ?}, undef, $id), 1;
    status_is $ann->delete("$base/$id"), 204, 'until it is removed';
};

subtest 'rotation' => sub {
    my $old = made($ann, name => 'Nightly', description => 'x', scopes => ['records:read'], allowed_ranges => ['127.0.0.1'], expires_at => '2099-01-01T00:00:00Z');
    my $id  = $old->json('/id');
    my $new = $adam->post("$base/$id/rotate");
    status_is $new, 200;
    $t->keep_secret($new->json('/key'));
    is_deeply [ map { $new->json("/$_") } qw(name description scopes allowed_ranges expires_at rotated_from_id created_by_id is_active usage_count) ],
        [ 'Nightly', 'x', ['records:read'], ['127.0.0.1/32'], $old->json('/expires_at'), $id, $w->member_id('adam'), true, 0 ], 'set as the old one';
    isnt $new->json('/id'), $id;
    status_is with_key($new->json('/key'))->get($self), 200, 'the new one';
    error_is with_key($old->json('/key'))->get($self), 401, 'INVALID_API_KEY', name => 'and not the old one';
    json_is $ann->get("$base/$id"), '/is_revoked', true;
    error_is $ann->post("$base/$id/rotate"), 409, 'CONFLICT', name => 'which is replaced once';
    is last_audit()->{action}, 'key.rotate';

    $old = made($ann);
    $id  = $old->json('/id');
    error_is $ann->post("$base/$id/rotate", { grace_seconds => $_ }), 422, 'VALIDATION_ERROR', field => 'grace_seconds' for -1, 604_801, 'x';
    $new = $ann->post("$base/$id/rotate", { grace_seconds => 3600 });
    $t->keep_secret($new->json('/key'));
    json_is $new, '/expires_at', undef, 'with a grace time the new one lives as long as the old one was to';
    status_is with_key($_->json('/key'))->get($self), 200, 'both are taken' for $old, $new;
    json_is $ann->get("$base/$id"), '/is_revoked', false;
    ok $db->selectrow_array(q{SELECT expires_at BETWEEN now() + interval '55 minutes' AND now() + interval '60 minutes' FROM api_keys WHERE id = ?}, undef, $id), '  the old one for an hour';
    error_is $ann->post("$base/$id/rotate"), 409, 'CONFLICT', name => 'it is not replaced again';
    $db->do(q{UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $new->json('/id'));
    error_is $ann->post("$base/" . $new->json('/id') . '/rotate'), 409, 'CONFLICT', name => 'nor one that has expired';
    status_is $ann->delete("$base/$id"), 204;
    json_is $ann->get("$base/" . $new->json('/id')), '/rotated_from_id', undef, 'of one that is gone nothing is known';

    my $off = made($ann);
    $ann->post("$base/" . $off->json('/id') . '/toggle');
    $new = $ann->post("$base/" . $off->json('/id') . '/rotate');
    $t->keep_secret($new->json('/key'));
    json_is $new, '/is_active', false, 'what was switched off stays so';
};


subtest 'of two who rotate at once one does' => sub {
    my $id   = made($ann)->json('/id');
    my $load = $t->load(
        clients  => 2,
        requests => 1,
        make     => sub { $t->client(token => $ann->token, headers => { 'X-Workspace-Id' => $w->id }) },
        each     => sub ($client, $n) { $client->post("$base/$id/rotate") },
    );
    is join(' ', sort map { $_->[0] } $load->finish), '200 409';
    is $db->selectrow_array('SELECT count(*) FROM api_keys WHERE rotated_from = ?', undef, $id), 1;
};

subtest 'how often it was used' => sub {
    my $res = made($eve);
    my ($id, $key) = ($res->json('/id'), $res->json('/key'));
    my $refused = with_key($key)->get($self, headers => { 'X-Workspace-Id' => $w->id });
    status_is with_key($key)->get($self), 200 for 1 .. 5;
    eventually { $eve->get("$base/$id")->json('/usage_count') == 5 } 15, 'each request that it let in';
    json_is $eve->last, '/last_used_at', $MICRO;
    my $used = sub { $db->selectrow_array(q{SELECT coalesce(sum(quantity), 0) FROM usage_daily WHERE organization_id = ? AND metric = 'api_requests' AND user_id = usage_id(NULL)}, undef, $x->id) };
    is $used->(), 5, 'they count as the workspace\'s';
    my $updated = row($id)->{updated_at};
    is $updated, row($id)->{created_at}, 'use is no change';
};

subtest 'who made it may leave' => sub {
    my $res = made($adam);
    status_is $ann->delete('/api/v1/members/' . $w->member_id('adam')), 204;
    status_is with_key($res->json('/key'))->get($self), 200, 'the key is the workspace\'s';
    json_is $ann->get("$base/" . $res->json('/id')), '/created_by_id', undef;
};
