use v5.36;
use lib 't/lib';
use Api;

# What a workspace changes of its roles' permissions, and what an API key is for, as clients see it.
my $t     = Api->start;
my $db    = $t->db;
my $ann   = $t->user('ann');
my $org   = $t->organization($ann);
my $other = $t->organization($ann);
my %as;
for my $role (qw(admin member viewer)) {
    $as{$role} = $t->user($role);
    $t->member($_, $as{$role}, $role) for $org, $other;
}

sub in_workspace ($who, $method, $path, $body = undef, $workspace = $org) {
    return $who->request($method, "/api/v1/webhooks$path", headers => { 'X-Workspace-Id' => $workspace }, $body ? (json => $body) : ());
}

sub set ($role, $permission, $is_granted) {
    $db->do('INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, ?, ?, ?)',
        undef, $t->tenant_id, $org, $role, $permission, $is_granted);
    return;
}

subtest 'a role has what it has by default' => sub {
    status_is in_workspace($as{admin}, GET => ''), 200;
    for my $role (qw(member viewer)) {
        my $res = in_workspace($as{$role}, GET => '');
        error_is $res, 403, 'AUTHORIZATION_ERROR', name => $role;
        is_deeply $res->json('/error/details'), { permission => 'can_view_webhook' }, '  and is told what for';
        like $res->json('/error/message'), qr/\bcan_view_webhook\b.*\b$role\b/, '  in words, too';
    }
};

subtest 'and what its workspace says' => sub {
    my $touched = sub { $db->selectrow_array('SELECT updated_at FROM organizations WHERE id = ?', undef, $org) };
    my $before  = $touched->();
    set(viewer => can_view_webhook   => 1);
    set(admin  => can_manage_webhook => 0);
    status_is in_workspace($as{viewer}, GET => ''), 200;
    error_is in_workspace($as{viewer}, GET => '', undef, $other), 403, 'AUTHORIZATION_ERROR', name => 'another workspace has not said so';
    error_is in_workspace($as{member}, GET => ''), 403, 'AUTHORIZATION_ERROR', name => 'nor for another role';
    my %hook = (name => 'x', url => 'https://example.com/hook', events => ['*']);
    error_is in_workspace($as{admin}, POST => '', \%hook), 403, 'AUTHORIZATION_ERROR', name => 'what is taken is gone';
    status_is in_workspace($as{admin}, GET => ''), 200;
    error_is in_workspace($as{viewer}, POST => '', \%hook), 403, 'AUTHORIZATION_ERROR', name => 'to see is not to change';
    is $touched->(), $before, 'which is no change of the organization';
    $db->do('DELETE FROM role_permissions WHERE organization_id = ?', undef, $org);
    error_is in_workspace($as{viewer}, GET => ''), 403, 'AUTHORIZATION_ERROR', name => 'taken back, it is as by default';
    set(viewer => can_view_webhook => 1);
    status_is in_workspace($as{viewer}, GET => ''), 200, 'and said again, as it says';
};

subtest 'a key is for what its scopes say' => sub {
    my $stats = '/api/bull-queue/stats';
    my $key   = $t->key;
    status_is $t->client(key => $key)->get($stats), 200;
    for ([ '{tasks:read}' => 403 ], [ '{}' => 403 ], [ '{*}' => 200 ], [ undef, 200 ]) {
        my ($scopes, $status) = @$_;
        $db->do('UPDATE api_keys SET scopes = ? WHERE tenant_id = ?', undef, $scopes, $t->tenant_id);
        my $name = $scopes // 'no limit';
        for my $res ($t->client(key => $key)->get($stats), $t->client(token => $key)->get($stats)) {
            $status == 200 ? status_is $res, 200, $name : error_is $res, 403, 'INSUFFICIENT_SCOPE', name => $name;
        }
    }
};

subtest 'who has left is told that before how long ago they signed in' => sub {
    my $eve  = $t->user('eve');
    my $late = $eve->with(token => $t->token($eve, auth_time => time - 86_400));
    my $path = '/api/v1/auth/mfa/totp';
    error_is $late->post($path), 403, 'RECENT_SIGN_IN_REQUIRED';
    $db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $eve->session);
    error_is $late->post($path), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => 'pk_live_' . 'x' x 32)->get('/api/v1/users/stats'), 401, 'INVALID_API_KEY', name => 'and an unknown key that, before that it is no secret one';
};
