use v5.36;
use lib 't/lib';
use Api;

# Users on the operations surface: by number, and for who operates the installation over all tenants.
my $t    = Api->start;
my $db   = $t->db;
my $base = '/api/users';
my $ops  = $t->user('ops',  role => 'superadmin');                                          # of the default tenant
my $aide = $t->user('aide', role => 'admin');
my $ann  = $t->user('ann',  columns => { full_name => 'Ann Example' }, tenant => 'acme');
my $boss = $t->user('boss', role => 'admin',      tenant => 'acme');
my $root = $t->user('root', role => 'superadmin', tenant => 'acme');
my $eve  = $t->user('eve',  role => 'superadmin', tenant => 'other');
my $key  = $t->key(tenant => 'acme');

sub number ($who) { return scalar $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub row ($who) { return $db->selectrow_hashref('SELECT u.*, a.username FROM users u JOIN user_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id WHERE u.id = ?', undef, $who->uuid) }
sub audited ($who, $action) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE tenant_id = ? AND action = ? AND resource_id = ?', undef, $who->tenant_id, $action, $who->id) }
sub ids ($res) { return join ' ', map { $_->{id} } @{ $res->json('/data') } }

my %n = map { $_->id => number($_) } $ops, $aide, $ann, $boss, $root, $eve;

subtest 'who has no credentials sees nobody' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/$n{user_ann}";
    error_is $t->client(key => $t->key(type => 'public'))->get($base), 401, 'AUTHENTICATION_ERROR', name => 'a public key is none';
    error_is $t->client->patch("$base/$n{user_ann}", { role => 'admin' }), 401, 'AUTHENTICATION_ERROR';
};

subtest 'numbers are of the installation, in the order in which users came' => sub {
    is join(' ', sort { $a <=> $b } values %n), join(' ', @n{map { $_->id } $ops, $aide, $ann, $boss, $root, $eve}), 'each has one, of one sequence';
    my $at_once = $t->user('late', tenant => 'acme');
    cmp_ok number($at_once), '>', $n{user_eve}, 'whoever makes a user';
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $at_once->uuid);
};

subtest 'the list has the users of the caller\'s tenant, by id' => sub {
    my $res = $ann->get($base);
    is ids($res), join(' ', @n{qw(user_ann user_boss user_root)}), 'without those of others, and the deleted one' or diag $res->describe;
    json_is $res, '/meta', { total => 3, limit => 1000, offset => 0 };
    json_is $res, '/data/0', { id => $n{user_ann}, username => 'Ann Example', email => 'ann@example.com', role => 'member', avatar_url => undef, created_at => $TIME, updated_at => $TIME };
    json_is $res, '/data/1/username', 'boss', 'who has no name goes by the address';
    json_is $res, '/data/2/role', 'admin', 'a superadmin reads as an admin';
    is ids($t->client(key => $key)->get($base)), ids($res), 'a secret key sees the same';
    is ids($t->client(token => $key)->get($base)), ids($res), '  as the bearer too';
    is ids($eve->get($base)), $n{user_eve}, 'another tenant\'s superadmin sees its own';
    is ids($root->get($base)), ids($res), 'and so does this one\'s';
    $t->user('plain');
    body_unlike $t->client(key => $t->key)->get($base), qr/user_ann|ann\@/, 'a key of the default tenant is no operator';
};

subtest 'who operates the installation sees all tenants\'' => sub {
    for my $who ($ops, $aide) {
        my $res = $who->get($base);
        is_deeply [ grep { my $id = $_; grep { $_ == $id } values %n } split ' ', ids($res) ], [ sort { $a <=> $b } values %n ], $who->id;
        json_is $res, '/meta/total', scalar @{ $res->json('/data') };
        json_is $who->get("$base/$n{user_eve}"), '/data/email', 'eve@example.com';
    }
    my $was = $t->user('was', role => 'admin');
    like ids($was->get($base)), qr/\b$n{user_ann}\b/;
    $db->do(q{UPDATE users SET role = 'editor' WHERE id = ?}, undef, $was->uuid);
    unlike ids($was->get($base)), qr/\b$n{user_ann}\b/, 'a role that was taken away is gone at once';
};

subtest 'one of them' => sub {
    json_is $ann->get("$base/$n{user_boss}"), '', { data => { id => $n{user_boss}, username => 'boss', email => 'boss@example.com', role => 'admin', avatar_url => undef, created_at => $TIME, updated_at => $TIME } };
    error_is $ann->get("$base/$n{user_eve}"), 404, 'NOT_FOUND', name => 'of another tenant there is nobody';
    error_is $root->get("$base/$n{user_ops}"), 404, 'NOT_FOUND', name => '  for its superadmin neither';
    error_is $ann->get("$base/999999"), 404, 'NOT_FOUND';
    for my $id ('x', '0', '-1', '1.5', '99999999999999999999') {
        error_is $ann->get("$base/$id"), 400, 'VALIDATION_ERROR', name => "$id is no id";
        like $ann->last->json('/error/details/user_number'), qr/\S/, '  and why';
    }
};

subtest 'changing one: who may, and what' => sub {
    my $path = "$base/$n{user_ann}";
    error_is $ann->patch($path, { role => 'editor' }), 403, 'AUTHORIZATION_ERROR', name => 'a member may not';
    error_is $t->client(key => $key)->patch($path, { role => 'editor' }), 401, 'AUTHENTICATION_ERROR', name => 'nor a key, which is no administrator';
    error_is $ann->patch($path, {}), 403, 'AUTHORIZATION_ERROR', name => '  whatever is wrong with the body';
    error_is $boss->patch($path, {}), 400, 'VALIDATION_ERROR', name => 'nothing known';
    error_is $boss->patch($path, { avatar_url => 'https://example.com' }), 400, 'VALIDATION_ERROR', name => '  nor is anything else';
    error_is $boss->patch($path, { role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'member', 'superadmin', 'owner', '', 5;
    error_is $boss->patch($path, { username => $_ }), 400, 'VALIDATION_ERROR', field => 'username' for 'ab', 'x' x 41, undef;
    error_is $boss->patch($path, { email => $_ }), 400, 'VALIDATION_ERROR', field => 'email' for 'x', undef;
    like $boss->last->json('/error/details/email'), qr/email/, 'details map the field to the reason';
    error_is $boss->patch("$base/$n{user_eve}", { role => 'editor' }), 404, 'NOT_FOUND', name => 'of another tenant there is nobody';
    error_is $eve->patch($path, { role => 'editor' }), 404, 'NOT_FOUND', name => 'for another one\'s superadmin neither';
    is row($ann)->{role}, 'user', 'and nothing has changed';
};

subtest 'a name to go by' => sub {
    my $path = "$base/$n{user_ann}";
    my $res  = $boss->patch($path, { username => 'Annie', avatar_url => 'https://example.com', id => 5 });
    json_is $res, '/data', { id => $n{user_ann}, username => 'Annie', email => 'ann@example.com', role => 'member', avatar_url => undef, created_at => $TIME, updated_at => $TIME };
    is row($ann)->{username}, 'Annie';
    error_is $boss->patch("$base/$n{user_boss}", { username => 'annie' }), 409, 'CONFLICT', field => 'username', name => 'whatever its case it is taken';
    status_is $boss->patch($path, { username => 'abc' }), 200, 'three characters';
    status_is $boss->patch($path, { username => 'x' x 40 }), 200, 'or forty';
    status_is $eve->patch("$base/$n{user_eve}", { username => 'x' x 40 }), 200, 'another tenant has its own';
    is audited($ann, 'user.update'), 3, 'and it is put down';
    status_is $boss->patch($path, { username => 'x' x 40 }), 200;
    is audited($ann, 'user.update'), 3, '  but not twice';
};

subtest 'an address' => sub {
    my $path = "$base/$n{user_ann}";
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $ann->uuid);
    $db->do(q{INSERT INTO one_time_tokens (tenant_id, user_id, kind, hash, expires_at) VALUES (?, ?, 'reset_password', sha256('x'), now() + interval '1 hour')}, undef, $ann->tenant_id, $ann->uuid);
    error_is $boss->patch($path, { email => 'BOSS@example.com' }), 409, 'CONFLICT', field => 'email', name => 'another user\'s';
    status_is $boss->patch($path, { email => 'Ann@Example.com' }), 200, 'its own';
    ok row($ann)->{is_email_verified}, '  is no news';
    json_is $boss->patch($path, { email => 'Ann@new.example' }), '/data/email', 'ann@new.example';
    ok !row($ann)->{is_email_verified}, 'another has to be verified again';
    is $db->selectrow_array('SELECT count(*) FROM one_time_tokens WHERE user_id = ? AND used_at IS NULL', undef, $ann->uuid), 0, 'and what was mailed to the one before is good for nothing';
    status_is $boss->patch($path, { email => 'eve@example.com' }), 200, 'another tenant\'s is free';
};

subtest 'a role' => sub {
    my $path = "$base/$n{user_ann}";
    error_is $ann->get('/api/bull-queue/stats'), 403, 'AUTHORIZATION_ERROR';
    json_is $boss->patch($path, { role => 'viewer' }), '/data/role', 'viewer';
    status_is $ann->get('/api/bull-queue/stats'), 200, 'counts from the next request on';
    is audited($ann, 'user.role'), 1, 'and is put down';
    error_is $boss->patch($path, { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => 'an admin makes no other';
    error_is $boss->patch("$base/$n{user_root}", { username => 'rooty' }), 403, 'AUTHORIZATION_ERROR', name => '  and changes none';
    error_is $boss->patch("$base/$n{user_boss}", { role => 'editor' }), 403, 'AUTHORIZATION_ERROR', name => 'nor their own role';
    status_is $boss->patch("$base/$n{user_boss}", { username => 'the.boss' }), 200, '  but their own name';
    json_is $root->patch($path, { role => 'admin' }), '/data/role', 'admin', 'a superadmin does';
    is row($ann)->{role}, 'admin', '  and of a superadmin it makes no other';
    status_is $root->patch("$base/$n{user_root}", { role => 'admin' }), 200, 'admin is what a superadmin reads as';
    is row($root)->{role}, 'superadmin', '  so that nothing changes';
};

subtest 'who operates the installation changes another tenant\'s users' => sub {
    json_is $ops->patch("$base/$n{user_ann}", { role => 'editor', username => 'ann.of.acme' }), '/data/role', 'editor';
    is row($ann)->{username}, 'ann.of.acme';
    is audited($ann, 'user.role'), 3, 'put down there, where it happened';
    error_is $aide->patch("$base/$n{user_root}", { role => 'editor' }), 403, 'AUTHORIZATION_ERROR', name => 'an admin changes no administrator there either';
    error_is $aide->patch("$base/$n{user_ann}", { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => '  and makes none';
    error_is $ops->patch("$base/$n{user_root}", { role => 'editor' }), 409, 'CONFLICT', name => 'the last superadmin stays one';
    json_is $ops->get("$base/$n{user_ann}"), '/data/username', 'ann.of.acme', 'and the operator is where they were';
};

subtest 'of two who change it at once the second is told' => sub {
    my $path = "$base/$n{user_ann}";
    my $etag = $boss->get($path)->header('ETag');
    status_is $boss->patch($path, { username => 'first.one' }, headers => { 'If-Match' => $etag }), 200;
    error_is $boss->patch($path, { username => 'second.one' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
    is row($ann)->{username}, 'first.one';
};
