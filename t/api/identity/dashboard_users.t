use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token 'parts';

# Users as the team of their tenant sees and manages them, and acts as one.
my $t      = Api->start;
my $base   = '/api/v1/dashboard/users';
my $me     = '/api/v1/app/users/me';
my $owner  = $t->team('owner', role => 'owner');
my $admin  = $t->team('admin', role => 'admin');
my $member = $t->team('member');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $ann    = $t->user('ann', columns => { full_name => 'Ann Example', locale => 'de' });
my $bob    = $t->user('bob', columns => { is_active => 'f' });
my $cyd    = $t->user('cyd', role => 'admin');
my $eve    = $t->user('eve', tenant => 'other');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub one ($user, $rest = '') { return "$base/" . $user->uuid . $rest }

sub subs ($res) { return join ' ', map { $_->{sub} } @{ $res->json('/users') } }

# The events of the audit log since the last call, as "action resource by actor".
sub audited () {
    state $seen = 0;
    my $rows = $t->db->selectall_arrayref('SELECT * FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq', { Slice => {} }, $ann->tenant_id, $seen);
    $seen = $rows->[-1]{seq} if @$rows;
    return @$rows;
}

subtest 'who may do what' => sub {
    my @reads  = ([ GET => $base ], [ GET => one($ann) ]);
    my @admins = ([ GET => one($ann, '/sessions') ], [ GET => one($ann, '/sign-in-methods') ], [ POST => one($ann, '/deactivate') ], [ POST => one($ann, '/activate') ],
        [ DELETE => one($ann, '/sessions') ], [ DELETE => one($ann, '/sessions/' . $ann->session) ], [ DELETE => one($ann, '/sign-in-methods/password') ],
        [ POST => one($ann, '/impersonate'), { reason => 'x' } ]);
    for (@reads, @admins) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => 'no user';
        error_is $rival->request($method, $path, json => $body), 404, 'NOT_FOUND', name => "$method $path: not of another tenant" if $path ne $base;
    }
    error_is $member->request($_->[0], $_->[1], json => $_->[2]), 403, 'AUTHORIZATION_ERROR' for @admins;
    status_is $member->request(@$_[ 0, 1 ]), 200 for @reads;
    is_deeply [ audited() ], [], 'nothing was done';
};

subtest 'the list' => sub {
    my $res = $member->get($base);
    is subs($res), 'user_cyd user_bob user_ann', 'newest first, those who are not active, too, and nobody of others';
    json_is $res, '/users/2', {
        id => $ann->uuid, sub => 'user_ann', email => 'ann@example.com', display_name => 'Ann Example', avatar_url => undef, role => 'user', is_active => true,
        is_email_verified => false, status => 'active', locale => 'de', current_plan_id => undef, default_organization_id => undef, last_login_at => undef,
        created_at => $TIME, updated_at => $TIME,
    };
    json_is $res, "/$_->[0]", $_->[1] for [ total => 3 ], [ page => 1 ], [ per_page => 20 ], [ has_next => false ];
    is subs($member->get("$base?$_->[0]")), $_->[1], $_->[0]
        for [ 'sort_order=asc' => 'user_ann user_bob user_cyd' ], [ 'sort_by=email' => 'user_ann user_bob user_cyd' ], [ 'sort_by=email&sort_order=desc' => 'user_cyd user_bob user_ann' ],
        [ 'per_page=1&page=2' => 'user_bob' ], [ 'sort_by=email&per_page=1&page=3' => 'user_cyd' ], [ 'role=admin' => 'user_cyd' ], [ 'is_active=false' => 'user_bob' ],
        [ 'search=an' => 'user_ann' ], [ 'search=EXAMPLE.com&sort_by=email' => 'user_ann user_bob user_cyd' ], [ 'search=example.com&role=user' => 'user_bob user_ann' ], [ 'search=eve' => '' ];
    json_is $member->get("$base?search=example.com&per_page=1"), '/total', 3, 'of what is found the total is how many';
    error_is $member->get("$base?page=101&per_page=100"), 422, 'VALIDATION_ERROR', field => 'page', name => 'pages end';
    status_is $member->get("$base?page=100&per_page=100"), 200;
    json_is $member->get($base, headers => { 'X-Test-Mode' => 'true' }), '/total', 0, 'the test mode has its own';
};

subtest 'one of them' => sub {
    my $acme = $t->organization($ann, role => 'admin');
    json_is $member->get(one($ann)), '/organizations', [ { id => $acme, name => qr/^Organization/, role => 'admin' } ];
    json_is $member->last, '/session_count', 1;
    body_unlike $member->last, qr/password|hash/;
    error_is $member->get("$base/$nobody"), 404, 'NOT_FOUND', message => qr/^User not found$/;
};

subtest 'let in, or not' => sub {
    audited();
    json_is $admin->post(one($ann, '/deactivate')), '/is_active', false;
    error_is $ann->get($me), 401, 'AUTHENTICATION_ERROR';
    json_is $admin->post(one($ann, '/activate')), '/is_active', true;
    is_deeply [ map { "$_->{action} $_->{resource_id} $_->{actor_type} $_->{actor_id}" } audited() ], [ map { "user.$_ user_ann team " . $admin->id } qw(deactivate activate) ];
    my $last = $t->user('last', role => 'superadmin');
    error_is $owner->post(one($last, '/deactivate')), 409, 'CONFLICT', name => 'the last superadmin stays';
};

subtest 'sessions' => sub {
    my $dan = $t->user('dan');
    my $res = $admin->get(one($dan, '/sessions'));
    json_is $res, '/sessions', [ { id => $dan->session, method => qr/\w/, device => undef, ip => undef, last_seen_at => $TIME, created_at => $TIME, expires_at => $TIME, impersonator => undef, reason => undef } ];
    error_is $admin->delete(one($ann, '/sessions/' . $dan->session)), 404, 'NOT_FOUND', name => 'of another user it is none';
    audited();
    status_is $admin->delete(one($dan, '/sessions/' . $dan->session)), 204;
    error_is $dan->get($me), 401, 'AUTHENTICATION_ERROR';
    error_is $admin->delete(one($dan, '/sessions/' . $dan->session)), 404, 'NOT_FOUND', name => 'it has ended';
    status_is $admin->delete(one($dan, '/sessions')), 200;
    is_deeply [ map { $_->{action} } audited() ], [ ('session.revoke') x 2 ];
    json_is $admin->get(one($dan, '/sessions')), '/sessions', [];
    error_is $admin->get("$base/$nobody/sessions"), 404, 'NOT_FOUND';
    error_is $admin->delete("$base/$nobody/sessions"), 404, 'NOT_FOUND';
};

subtest 'what lets a user in, and what does no more' => sub {
    my $fay = $t->user('fay', columns => { password_hash => '$scrypt$none', locale => 'de' });
    my $db  = $t->db;
    $db->do(q{INSERT INTO totp_factors (tenant_id, user_id, secret_sealed, confirmed_at) VALUES (?, ?, 'x', now())}, undef, $fay->tenant_id, $fay->uuid);
    $db->do(q{INSERT INTO recovery_codes (tenant_id, user_id, hash) SELECT ?, ?, sha256(i::text::bytea) FROM generate_series(1, 3) i}, undef, $fay->tenant_id, $fay->uuid);
    my ($passkey) = $db->selectrow_array(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'Phone', 'abc', 'k', 'example.com') RETURNING id}, undef, $fay->tenant_id, $fay->uuid);
    $db->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://accounts.google.com', '1234', ?)}, undef, $fay->tenant_id, $fay->uuid);
    my $path = one($fay, '/sign-in-methods');
    my $res  = $admin->get($path);
    my @none = (recovery_codes => undef, last_used_at => undef);
    json_is $res, '/sign_in_methods', [
        { id => 'password',      kind => 'password',      name => undef, created_at => undef, @none },
        { id => qr/\A[0-9a-f-]{36}\z/, kind => 'identity',      name => 'https://accounts.google.com', created_at => $TIME, @none },
        { id => $passkey,        kind => 'passkey',       name => 'Phone', created_at => $TIME, @none },
        { id => 'second_factor', kind => 'second_factor', name => undef, created_at => $TIME, @none, recovery_codes => 3 },
    ];
    body_unlike $res, qr/scrypt|1234/, 'no secret, and no subject';
    audited();
    my $sent = () = $t->mails;
    status_is $admin->delete("$path/$_"), 204 for 'password', $passkey, 'second_factor';
    error_is $admin->delete("$path/$_"), 404, 'NOT_FOUND', name => "$_ is gone" for 'password', $passkey, 'second_factor', 'x';
    error_is $admin->delete("$path/" . $res->json('/sign_in_methods/1/id')), 409, 'CONFLICT', name => 'an identity stays';
    is_deeply [ map { $_->{kind} } @{ $admin->get($path)->json('/sign_in_methods') } ], ['identity'];
    is $db->selectrow_array('SELECT count(*) FROM recovery_codes WHERE user_id = ?', undef, $fay->uuid), 0, 'the recovery codes went along';
    is_deeply [ map { "$_->{action} $_->{resource_id}" } audited() ], [ ('user.sign_in_method_remove user_fay') x 3 ];
    my @mails = $t->mails;
    splice @mails, 0, $sent;
    is_deeply [ map { "$_->{template} $_->{to} $_->{locale}" } @mails ], [ ('way_in_removed fay@example.com de') x 3 ], 'the user reads of each';
    is_deeply [ map { $_->{data} } @mails ], [ { tenant => 'Default', password => 'yes' }, { tenant => 'Default', passkey => 'Phone' }, { tenant => 'Default', second_factor => 'yes' } ];

    $db->do(q{UPDATE users SET password_hash = '$scrypt$none' WHERE id = ?}, undef, $cyd->uuid);
    error_is $admin->delete(one($cyd, '/sign-in-methods/password')), 403, 'AUTHORIZATION_ERROR', name => 'only an owner takes it from an administrator';
    status_is $owner->delete(one($cyd, '/sign-in-methods/password')), 204;
    my $late = $t->client(token => $t->token($admin, ctx => 'tenant', auth_time => time - 1000));
    error_is $late->delete(one($fay, '/sign-in-methods/password')), 403, 'RECENT_SIGN_IN_REQUIRED', name => 'who signed in long ago signs in again';
    error_is $late->post(one($ann, '/impersonate'), { reason => 'x' }), 403, 'RECENT_SIGN_IN_REQUIRED';
};

sub as ($who, $user, $reason = 'ticket 4711', %more) { return $who->post(one($user, '/impersonate'), { reason => $reason }, %more) }

subtest 'act as a user' => sub {
    my $gus  = $t->user('gus', columns => { full_name => 'Gus', locale => 'de' });
    my $sent = () = $t->mails;
    error_is $admin->post(one($gus, '/impersonate'), {}), 422, 'VALIDATION_ERROR', field => 'reason', name => 'not without a reason';
    error_is as($admin, $gus, ''), 422, 'VALIDATION_ERROR', field => 'reason';
    error_is as($admin, $cyd), 403, 'AUTHORIZATION_ERROR', name => 'not as an administrator';
    error_is as($admin, $bob), 409, 'CONFLICT', name => 'not as who is not active';
    my $colleague = $t->user('colleague', columns => { email => 'member@team.example.com' });
    error_is as($owner, $colleague), 403, 'AUTHORIZATION_ERROR', message => qr/team/, name => 'not as who is in the team, too';
    is scalar(my @none = $t->mails), $sent, 'none of them sent a mail';

    audited();
    my $res = as($admin, $gus);
    status_is $res, 201;
    json_is $res, '', { message => qr/\w/, impersonated_user => { id => 'user_gus', email => 'gus@example.com', full_name => 'Gus' }, token => qr/\./, expires_at => $TIME };
    my (undef, $claims) = parts($res->json('/token'));
    is_deeply $claims->{act}, { sub => 'team:' . $admin->id }, 'the token says who acts';
    is $claims->{exp} - $claims->{iat}, 3600, 'it is good for an hour';
    is $t->db->selectrow_array('SELECT last_login_at FROM users WHERE id = ?', undef, $gus->uuid), undef, 'the user has not signed in';
    my ($mail) = (my @mails = $t->mails)[-1];
    is "$mail->{template} $mail->{to} $mail->{locale}", 'impersonated gus@example.com de', 'the user gets a mail';
    is_deeply $mail->{data}, { tenant => 'Default', member => 'Admin', reason => 'ticket 4711' };
    my ($start) = audited();
    is "$start->{action} $start->{actor_type} $start->{actor_id} $start->{resource_id}", 'impersonate.start team ' . $admin->id . ' user_gus';

    my $as = $t->client(token => $res->json('/token'));
    json_is $as->get($me), '/id', 'user_gus', 'the token lets in as the user';
    status_is $as->patch($me, { full_name => 'By somebody else' }), 200;
    my ($act) = audited();
    is "$act->{action} $act->{actor_id} for $act->{on_behalf_of}", 'impersonate.action ' . $admin->id . ' for user_gus', 'a change is put down under both names';
    error_is $as->get($base), 401, 'AUTHENTICATION_ERROR', name => 'the dashboard does not take it';
    error_is $as->post('/api/v1/auth/mfa/totp'), 403, 'AUTHORIZATION_ERROR', name => 'and the second factor is the user\'s own';
    my $mute = $t->client(token => $t->token($gus, sid => $claims->{sid}));
    json_is $mute->get($me), '/id', 'user_gus', 'a token that does not say who acts lets in as well';
    error_is $mute->post('/api/v1/auth/mfa/totp'), 403, 'AUTHORIZATION_ERROR', name => '  and to no more: the session counts';
    my $seen = $gus->get('/api/v1/auth/sessions');
    is_deeply [ map { $_->{method} } @{ $seen->json('/sessions') } ], [qw(impersonation token)], 'the user sees the session' or diag $seen->body;
    json_is $admin->get(one($gus, '/sessions')), '/sessions/0/impersonator', 'team:' . $admin->id, 'the team sees whose it is';
    json_is $admin->last, '/sessions/0/reason', 'ticket 4711';

    status_is $as->post('/api/v1/admin/impersonate/stop'), 200;
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'stopped, it is good for nothing';
    status_is $gus->get($me), 200, 'the user\'s own goes on';

    $as = $t->client(token => as($admin, $gus)->json('/token'));
    status_is $as->get($me), 200;
    status_is $gus->delete('/api/v1/auth/sessions/' . $seen->json('/sessions/0/id')), 404, 'the first one has ended';
    my ($id) = map { $_->{id} } grep { $_->{method} eq 'impersonation' } @{ $gus->get('/api/v1/auth/sessions')->json('/sessions') };
    status_is $gus->delete("/api/v1/auth/sessions/$id"), 200, 'the user can end it';
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR';

    $as = $t->client(token => as($admin, $gus)->json('/token'));
    status_is $owner->put('/api/v1/dashboard/team/' . $admin->id, { role => 'member' }), 200;
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'it ends with the member\'s rights';
    status_is $owner->put('/api/v1/dashboard/team/' . $admin->id, { role => 'admin' }), 200;

    $as = $t->client(token => as($owner, $gus)->json('/token'));
    $t->db->do(q{UPDATE users SET role = 'admin' WHERE id = ?}, undef, $gus->uuid);
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'and where the user becomes an administrator';
};

subtest 'in the test mode' => sub {
    my %test = (headers => { 'X-Test-Mode' => 'true' });
    status_is $owner->get('/api/v1/dashboard/settings', %test), 200;
    my ($tenant) = $t->db->selectrow_array('SELECT id FROM tenants WHERE test_of = ?', undef, $owner->tenant_id);
    my ($who)    = $t->db->selectrow_array(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'user_hal', 'hal@example.com') RETURNING id}, undef, $tenant);
    my $res = $owner->post("$base/$who/impersonate", { reason => 'x' }, %test);
    status_is $res, 201;
    my $as = $t->client(token => $res->json('/token'));
    json_is $as->get($me), '/id', 'user_hal';
    status_is $as->patch($me, { full_name => 'Hal' }), 200;
    error_is $owner->get("$base/$who"), 404, 'NOT_FOUND', name => 'whose users are its own';
    $t->db->do(q{UPDATE team_members SET is_active = false WHERE id = ?}, undef, $owner->id);
    error_is $as->get($me), 401, 'AUTHENTICATION_ERROR', name => 'the member is asked for where they are';
};
