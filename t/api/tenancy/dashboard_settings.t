# A tenant's settings and sign-in providers, and departments that the dashboard adds.

use v5.36;
use lib 't/lib';
use Api;

my $t        = Api->start;
my $base     = '/api/v1/dashboard/settings';
my $google   = '/api/v1/dashboard/oauth-providers/google';
my $owner    = $t->team('owner', role => 'owner', tenant => 'acme');
my $admin    = $t->team('admin', role => 'admin', tenant => 'acme');
my $member   = $t->team('member', tenant => 'acme');
my $other    = $t->team('other', role => 'owner', tenant => 'other');
my $tenant   = $owner->tenant_id;
my $nobody   = '00000000-0000-7000-8000-00000000dead';
my %test     = (headers => { 'X-Test-Mode' => 'true' });
my $callback = "https://localhost:$t->{https_port}/api/v1/auth/google/callback";

sub last_audit () { return $t->db->selectrow_hashref('SELECT * FROM audit_events WHERE tenant_id = ? ORDER BY seq DESC LIMIT 1', undef, $tenant) }

sub new_plan (%column) {
    state $n = 0;
    my %all = (tenant_id => $tenant, name => 'Free ' . ++$n, is_free => 1, %column);
    my @names = sort keys %all;
    return scalar $t->db->selectrow_array(sprintf('INSERT INTO plans (%s) VALUES (%s) RETURNING id', join(', ', @names), join ', ', ('?') x @names), undef, @all{@names});
}

subtest 'all of the team read, owners and admins change' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $t->user('ann')->get($base), 401, 'AUTHENTICATION_ERROR', name => 'not a user';
    error_is $member->put($base, { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $member->put($google, { is_enabled => false }), 403, 'AUTHORIZATION_ERROR';
    status_is $_->get($base), 200 for $owner, $admin, $member;
    status_is $_->put($base, {}), 200 for $owner, $admin;
};

subtest 'a new tenant\'s settings' => sub {
    json_is $member->get($base), '', {
        tenant_id => $tenant, name => 'acme', slug => 'acme', support_email => undef, email_from_name => undef, logo_url => undef,
        brand_color => undef, email_verification_required => false, refresh_token_rotation => false, verification_url => undef,
        password_reset_url => undef, invitation_url => undef, webauthn_rp_id => undef, default_plan_id => undef,
        oauth_providers => [ {
            provider => 'google', name => 'Google', is_enabled => false, client_id => undef, has_client_secret => false,
            redirect_uris => [], callback_url => $callback, updated_at => undef,
        } ],
        created_at => $TIME, updated_at => $TIME,
    };
};

subtest 'settings are refused one by one' => sub {
    my %bad = (
        name => [ '', 'x' x 256, undef ], support_email => ['x'], email_from_name => [ 'x' x 101 ], logo_url => [ 'x', 'ftp://x.y/' ],
        brand_color => [ 'red', '#12345', '#12345g', '#1234567', '1234567' ], email_verification_required => [ 'yes', undef ],
        refresh_token_rotation => [ 1, undef ], verification_url => ['javascript:alert(1)'], password_reset_url => ['x'], invitation_url => ['/x'],
        webauthn_rp_id => [ '', 'https://example.com', 'example.com:443', '192.0.2.1', '-x', 'x..y', 'a b' ], default_plan_id => [ 'x', $nobody ],
    );
    for my $field (sort keys %bad) {
        error_is $admin->put($base, { name => 'changed', $field => $_ }), 422, 'VALIDATION_ERROR', field => $field for @{ $bad{$field} };
    }
    json_is $admin->get($base), '/name', 'acme', 'nothing was changed with them';
};

subtest 'an update changes what was sent and nothing else' => sub {
    my %new = (
        name => 'Acme Inc.', support_email => 'help@acme.example', email_from_name => 'Acme', logo_url => 'https://acme.example/logo.png',
        brand_color => '#1A73E8', email_verification_required => true, refresh_token_rotation => true,
        verification_url => 'https://acme.example/verify', password_reset_url => 'https://acme.example/reset?x=1',
        invitation_url => 'http://localhost:3000/join', webauthn_rp_id => 'Acme.example',
    );
    my $before = $admin->get($base);
    my $res = $admin->put($base, { %new, slug => 'other', tenant_id => $other->tenant_id });
    status_is $res, 200;
    json_is $res, "/$_", { brand_color => '#1a73e8', webauthn_rp_id => 'acme.example' }->{$_} // $new{$_} for sort keys %new;
    json_is $res, '/slug', 'acme', 'the slug stays';
    cmp_ok $res->json('/updated_at'), 'gt', $before->json('/updated_at');
    my $event = last_audit();
    is "$event->{action} $event->{resource_type} $event->{actor_id}", 'settings.update settings ' . $admin->id;
    is_deeply [ sort @{ Cpanel::JSON::XS::decode_json($event->{details})->{fields} } ], [ sort keys %new ], 'which fields is put down';
    unlike $event->{details}, qr/help\@acme/, '  and not what is in them';

    json_is $admin->patch($base, { support_email => undef }), '/support_email', undef, 'null clears';
    json_is $admin->last, '/name', 'Acme Inc.', '  and leaves the rest';
    is last_audit()->{details}, '{"fields": ["support_email"]}';
    my $seq = last_audit()->{seq};
    json_is $admin->put($base, { name => 'Acme Inc.' }), '/name', 'Acme Inc.';
    is last_audit()->{seq}, $seq, 'what changes nothing is not put down';
    $admin->put($base, { name => 'Acme' });
    is last_audit()->{details}, '{"fields": ["name"]}', 'a name is';
    json_is $other->get($base), '/name', 'other', 'other tenants are as they were';
    json_is $admin->get('/api/v1/tenant-auth/me'), '/tenant/name', 'Acme';
};

subtest 'a change may ask for the version that it is based on' => sub {
    my $etag = $admin->get($base)->header('ETag');
    ok $etag, 'settings have an ETag';
    status_is $admin->get($base, headers => { 'If-None-Match' => $etag }), 304;
    status_is $admin->put($base, { name => 'Acme 2' }, headers => { 'If-Match' => $etag }), 200;
    error_is $admin->put($base, { name => 'Acme 3' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
    json_is $admin->get($base), '/name', 'Acme 2';
    status_is $admin->put($google, { is_enabled => false, client_id => 'x' }), 200;
    isnt $admin->get($base)->header('ETag'), $etag, 'a provider changes it, too';
};

subtest 'the default plan is an active free one that the tenant can use' => sub {
    my %refused = (
        'no plan' => $nobody, 'a paid one' => new_plan(is_free => 0), 'one that is not active' => new_plan(is_active => 0),
        'another tenant\'s' => new_plan(tenant_id => $other->tenant_id),
    );
    error_is $admin->put($base, { default_plan_id => $refused{$_} }), 422, 'VALIDATION_ERROR', field => 'default_plan_id', name => "not $_" for sort keys %refused;
    for my $id (new_plan(), new_plan(tenant_id => $other->tenant_id, is_global => 1)) {
        json_is $admin->put($base, { default_plan_id => $id }), '/default_plan_id', $id;
        json_is $admin->put($base, { name => 'Acme' }), '/default_plan_id', $id, 'it stays';
    }
    json_is $admin->put($base, { default_plan_id => undef }), '/default_plan_id', undef;
};

my $uri = 'https://acme.example/signed-in';
my %all = (client_id => 'acme.apps', client_secret => 'the secret of acme at google', redirect_uris => [$uri]);
$t->keep_secret($all{client_secret});

sub stored ($id = $tenant) { return $t->db->selectrow_hashref('SELECT * FROM oauth_providers WHERE tenant_id = ?', undef, $id) }

subtest 'a provider is enabled with all it needs' => sub {
    error_is $admin->put('/api/v1/dashboard/oauth-providers/github', { is_enabled => false }), 404, 'NOT_FOUND', name => 'an unknown provider';
    error_is $admin->put($google, {}), 422, 'VALIDATION_ERROR', field => 'is_enabled';
    $t->db->do('DELETE FROM oauth_providers');
    for my $field (sort keys %all) {
        my %most = %all;
        delete $most{$field};
        error_is $admin->put($google, { is_enabled => true, %most }), 422, 'VALIDATION_ERROR', field => 'is_enabled', name => "not without $field";
    }
    error_is $admin->put($google, { is_enabled => true, %all, redirect_uris => [] }), 422, 'VALIDATION_ERROR', field => 'is_enabled';
    is stored(), undef, 'nothing is stored';

    my $res = $admin->put($google, { is_enabled => true, %all });
    status_is $res, 200;
    json_is $res, '', {
        provider => 'google', name => 'Google', is_enabled => true, client_id => 'acme.apps', has_client_secret => true,
        redirect_uris => [$uri], callback_url => $callback, updated_at => $TIME,
    };
    is_deeply $admin->get($base)->json('/oauth_providers'), [ $res->json ], 'the settings show the same';
    body_unlike $_, qr/secret of acme/ for $res, $admin->last;
    like stored()->{client_secret_sealed}, qr/\Av1\./, 'the secret is sealed';
    my $event = last_audit();
    is "$event->{action} $event->{resource_type} $event->{resource_id}", 'settings.update oauth_provider google';
    unlike $event->{details}, qr/secret of acme|acme\.apps|v1\./, 'no value is put down';
    like $event->{details}, qr/"client_secret_sealed"/, 'but which they were';
};

subtest 'what is left out stays' => sub {
    my $sealed = stored()->{client_secret_sealed};
    json_is $admin->put($google, { is_enabled => false }), '/client_id', 'acme.apps';
    is stored()->{client_secret_sealed}, $sealed;
    json_is $admin->put($google, { is_enabled => true }), '/is_enabled', true, 'it can be enabled again by that alone';
    json_is $admin->put($google, { is_enabled => true, client_id => 'other' }), '/redirect_uris', [$uri];
    error_is $admin->put($google, { is_enabled => true, redirect_uris => [] }), 422, 'VALIDATION_ERROR', field => 'is_enabled', name => 'it cannot lose what it needs';
    $admin->put($google, { is_enabled => true, client_secret => 'another one' });
    isnt stored()->{client_secret_sealed}, $sealed, 'a new secret replaces the old one';
};

subtest 'redirect URIs are https, or on localhost' => sub {
    my $try = sub ($bad) { $admin->put($google, { is_enabled => false, redirect_uris => [ $uri, $bad ] }) };
    error_is $try->($_), 422, 'VALIDATION_ERROR', field => qr/\Aredirect_uris(?:\[1\])?\z/, name => "not $_"
        for 'http://acme.example/', 'https://acme.example/#x', 'https://user@acme.example/', 'http://localhost@evil.example/', 'http://localhost.evil.example/',
        'http://127.0.0.1.evil.example/', 'https:///x', 'https://a b/', 'x', 'https://acme.example\\@evil.example/', 'https://*.acme.example/', 'https://acme.example:0/', 'https://acme.example:99999/';
    error_is $admin->put($google, { is_enabled => false, redirect_uris => [ map { "$uri$_" } 1 .. 51 ] }), 422, 'VALIDATION_ERROR', field => 'redirect_uris', name => 'not too many';
    for my $good ('https://acme.example', 'https://acme.example:8443/a/B?c=d', 'http://localhost:3000/x', 'http://127.0.0.1/', 'http://[::1]:80/') {
        json_is $try->($good), '/redirect_uris/1', $good, "but $good";
    }
};

subtest 'test mode has settings of its own' => sub {
    my $live = $admin->get($base);
    my $res = $admin->get($base, %test);
    isnt $res->json('/tenant_id'), $tenant, 'it is a tenant of its own';
    json_is $res, '/slug', 'acme';
    json_is $res, '/oauth_providers/0/client_id', undef;
    json_is $admin->put($base, { support_email => 'test@acme.example' }, %test), '/support_email', 'test@acme.example';
    json_is $admin->put($google, { is_enabled => true, %all }, %test), '/is_enabled', true;
    ok stored($res->json('/tenant_id')), 'its provider is its own';
    is_deeply $admin->get($base)->json, $live->json, 'the real ones are as they were';
    error_is $member->put($base, {}, %test), 403, 'AUTHORIZATION_ERROR', name => 'roles are the same';
    error_is $admin->get($base, headers => { 'X-Test-Mode' => 'maybe' }), 400, 'BAD_REQUEST', field => 'X-Test-Mode';
};

subtest 'departments' => sub {
    my $ann = $t->user('ann2', tenant => 'acme');
    my ($organization) = $t->db->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Org', 'org') RETURNING id}, undef, $tenant);
    my ($foreign) = $t->db->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Org', 'org') RETURNING id}, undef, $other->tenant_id);
    my ($first) = $t->db->selectrow_array(q{INSERT INTO departments (tenant_id, organization_id, name, is_default) VALUES (?, ?, 'General', true) RETURNING id}, undef, $tenant, $organization);
    my $path = sub ($id) { "/api/v1/dashboard/organizations/$id/departments" };
    error_is $member->post($path->($organization), { name => 'Sales' }), 403, 'AUTHORIZATION_ERROR';
    error_is $admin->post($path->($_), { name => 'Sales' }), 404, 'NOT_FOUND', name => 'not of this tenant' for $foreign, $nobody, 'x';
    error_is $admin->post($path->($organization), { name => 'Sales' }, %test), 404, 'NOT_FOUND', name => 'nor of the test mode';
    error_is $admin->post($path->($organization), { name => $_ }), 422, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101;
    error_is $admin->post($path->($organization), { name => 'General', is_default => true }), 409, 'CONFLICT', field => 'name';
    ok $t->db->selectrow_array('SELECT is_default FROM departments WHERE id = ?', undef, $first), 'a refused one takes nothing away';

    my $res = $admin->post($path->($organization), { name => 'Sales', description => 'Who sells', settings => { a => [1] } });
    status_is $res, 201;
    json_is $res, '', {
        id => $UUID, organization_id => $organization, name => 'Sales', description => 'Who sells', is_default => false, is_active => true,
        settings => { a => [1] }, created_at => $TIME, updated_at => $TIME,
    };
    is last_audit()->{action}, 'department.create', 'it is put down';
    my $new = $admin->post($path->($organization), { name => 'Main', is_default => true });
    json_is $new, '/is_default', true;
    is_deeply $t->db->selectcol_arrayref('SELECT name FROM departments WHERE organization_id = ? AND is_default', undef, $organization), ['Main'], 'it takes the mark from the one that had it';
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $organization);
    error_is $admin->post($path->($organization), { name => 'Late' }), 404, 'NOT_FOUND';
};
