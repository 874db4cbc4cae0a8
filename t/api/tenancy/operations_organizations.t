use v5.36;
use lib 't/lib';
use Api;

# Organizations on the operations surface: whoever is no member finds none, members are named by number, owners touch owners.
my $t    = Api->start(main => 4);
my $db   = $t->db;
my $base = '/api/organizations';

sub person ($name, %arg) { return $t->user($name, tenant => 'acme', %arg, columns => { is_email_verified => 1, %{ $arg{columns} // {} } }) }
sub number ($who) { return '' . $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub audited ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE tenant_id = ? AND action = ?', undef, $owner::ann->tenant_id, $action) }
sub role_of ($org, $who) { return scalar $db->selectrow_array('SELECT role FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $org, $who->uuid) }

my $ann = $owner::ann = person('ann', columns => { full_name => 'Ann Owner' });
my ($adam, $meg, $vic, $out) = map { person($_) } qw(adam meg vic out);
my $eve    = $t->user('eve', tenant => 'other', role => 'superadmin');
my $key    = $t->key(tenant => 'acme');
my $tenant = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $ann->tenant_id);
my $NO_ID  = '01a1fe78-e337-7502-947f-4a3262f06209';
my $org;

subtest 'making one' => sub {
    error_is $t->client->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is person($_, role => $_)->post($base, { name => 'X' }), 403, 'AUTHORIZATION_ERROR', name => "$_ makes none" for qw(viewer demo);
    error_is $t->client(key => $key)->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR', name => 'nor a key that is nobody\'s';
    error_is $ann->post($base, {}), 400, 'VALIDATION_ERROR', field => 'name';
    like $ann->last->json('/error/details/name'), qr/name/, 'details map the field to the reason';
    error_is $ann->post($base, { name => $_ }), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101, 7, undef;
    error_is $ann->post($base, { name => 'X', slug => $_ }), 400, 'VALIDATION_ERROR', field => 'slug' for '', 'A', 'a--b', '-a', 'a b', 'x' x 61;
    my $res = $ann->post($base, { name => 'Harbour & Söhne' });
    status_is $res, 201;
    json_is $res, '/data', { id => $res->json('/data/id'), tenant_id => $tenant, name => 'Harbour & Söhne', slug => 'harbour-s-hne', avatar_url => undef, owner_id => number($ann),
        member_count => 1, role => 'owner', created_at => $TIME, updated_at => $TIME };
    $org = $res->json('/data/id');
    is role_of($org, $ann), 'owner', 'whoever makes it owns it';
    error_is $ann->post($base, { name => 'Harbour: Söhne' }), 409, 'CONFLICT', field => 'slug', name => 'a slug gets no number behind it';
    error_is $adam->post($base, { name => 'X', slug => 'harbour-s-hne' }), 409, 'CONFLICT', field => 'slug', name => 'and is unique within the tenant';
    json_is $eve->post($base, { name => 'X', slug => 'harbour-s-hne' }), '/data/slug', 'harbour-s-hne', '  but another has its own';
    json_is $out->post($base, { name => 'x' x 100, slug => 'x' x 60 }), '/data/member_count', 1, 'the longest';
    json_is $out->post($base, { name => '!!!' }), '/data/slug', 'organization', 'of a name that gives none';
    is audited('organization.create'), 3;
};

subtest 'putting users in' => sub {
    my $path = "$base/$org/members";
    error_is $t->client->post($path, { user_id => number($adam) }), 401, 'AUTHENTICATION_ERROR';
    error_is $out->post($path, { user_id => number($out) }), 404, 'NOT_FOUND', name => 'to who is no member there is none';
    error_is $eve->post($path, { user_id => number($eve) }), 404, 'NOT_FOUND', name => '  as for another tenant';
    error_is $t->client(key => $key)->post($path, { user_id => number($out) }), 401, 'AUTHENTICATION_ERROR', name => '  nor a key that is nobody\'s';
    error_is $ann->post("$base/$NO_ID/members", { user_id => number($adam) }), 404, 'NOT_FOUND';
    error_is $ann->post($path, { role => 'member' }), 400, 'VALIDATION_ERROR', field => 'user_id';
    error_is $ann->post($path, { user_id => $_ }), 400, 'VALIDATION_ERROR', field => 'user_id' for '', 'x', '-1', '1' x 19, undef;
    error_is $ann->post($path, { user_id => number($adam), role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'developer', '', 'boss';
    error_is $ann->post($path, { user_id => number($eve) }), 404, 'NOT_FOUND', name => 'a user of another tenant is not there';
    error_is $ann->post($path, { user_id => '999999999' }), 404, 'NOT_FOUND';
    json_is $ann->post($path, { user_id => number($adam), role => 'admin' }), '', { data => { user_id => number($adam), username => 'adam', email => 'adam@example.com', avatar_url => undef, role => 'admin', joined_at => $TIME } };
    json_is $adam->post($path, { user_id => number($meg) }), '/data/role', 'member', 'an admin does, too; a member when nothing is said';
    json_is $adam->post($path, { user_id => number($vic), role => 'viewer' }), '/data/role', 'viewer';
    error_is $adam->post($path, { user_id => number($out), role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'but no owner';
    error_is $_->post($path, { user_id => number($out) }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' puts nobody in' for $meg, $vic;
    error_is $ann->post($path, { user_id => number($meg), role => 'admin' }), 409, 'CONFLICT', field => 'user_id', name => 'a member is one already';
    $db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $org, $vic->uuid);
    error_is $ann->post($path, { user_id => number($vic) }), 409, 'CONFLICT', message => qr/deactivated/;
    $db->do('UPDATE memberships SET is_active = true WHERE organization_id = ? AND user_id = ?', undef, $org, $vic->uuid);
    is role_of($org, $meg), 'member', 'nothing has changed by that';
    is audited('member.add'), 3;
};

subtest 'looking' => sub {
    my $other = $ann->post($base, { name => 'an other' })->json('/data/id');
    my $res   = $ann->get($base);
    is join('|', map { "$_->{name}/$_->{role}/$_->{member_count}" } @{ $res->json('/data') }), 'an other/owner/1|Harbour & Söhne/owner/4', 'by name, whatever its case';
    json_is $res, '/meta', { total => 2, limit => 50, offset => 0 };
    json_is $meg->get($base), '/data/0/role', 'member';
    json_is $vic->get($base), '/data/0/role', 'viewer';
    json_is $ann->get("$base?limit=1&offset=1"), '/data/0/id', $org;
    json_is $ann->last, '/meta', { total => 2, limit => 1, offset => 1 };
    json_is $ann->get("$base?limit=999"), '/meta/limit', 200, 'more than the most counts as the most';
    json_is $ann->get("$base?offset=9"), '', { data => [], meta => { total => 2, limit => 50, offset => 9 } };
    error_is $ann->get("$base?$_->[0]=$_->[1]"), 400, 'VALIDATION_ERROR', field => $_->[0] for [ limit => 0 ], [ limit => -1 ], [ limit => 'x' ], [ offset => -1 ], [ offset => 'x' ];
    json_is $eve->get($base), '/meta/total', 1, 'of another tenant nothing';
    error_is $t->client(key => $key)->get($base), 401, 'AUTHENTICATION_ERROR', name => 'a key that is nobody\'s is in none';
    error_is $t->client->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/$org", "$base/$org/members";
    json_is $meg->get("$base/$org"), '/data', { id => $org, tenant_id => $tenant, name => 'Harbour & Söhne', slug => 'harbour-s-hne', avatar_url => undef, owner_id => number($ann), member_count => 4, role => 'member', created_at => $TIME, updated_at => $TIME };
    error_is $_->get("$base/$org"), 404, 'NOT_FOUND', name => $_->id . ' finds none' for $out, $eve;
    error_is $ann->get("$base/$NO_ID"), 404, 'NOT_FOUND';
    $db->do(q{UPDATE memberships SET role = 'developer' WHERE organization_id = ? AND user_id = ?}, undef, $org, $meg->uuid);
    json_is $meg->get("$base/$org"), '/data/role', 'member', 'a developer reads as a member';
    $res = $vic->get("$base/$org/members");
    is join('|', map { "$_->{user_id}/$_->{role}" } @{ $res->json('/data') }), join('|', number($ann) . '/owner', number($adam) . '/admin', number($meg) . '/member', number($vic) . '/viewer'), 'owners first, then as they came';
    json_is $res, '/meta', { total => 4, limit => 1000, offset => 0 };
    json_is $res, '/data/0', { user_id => number($ann), username => 'Ann Owner', email => 'ann@example.com', avatar_url => undef, role => 'owner', joined_at => $TIME };
    error_is $_->get("$base/$org/members"), 404, 'NOT_FOUND' for $out, $eve;
    error_is $ann->get("$base/$NO_ID/members"), 404, 'NOT_FOUND';
};

subtest 'changing it' => sub {
    my $path = "$base/$org";
    error_is $t->client->patch($path, { name => 'Y' }), 401, 'AUTHENTICATION_ERROR';
    error_is $out->patch($path, { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $eve->patch($path, { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $_->patch($path, { name => 'Y' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' may not' for $meg, $vic;
    error_is $ann->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { owner_id => '1' }, { name => undef }, { name => '' }, { slug => undef }, { slug => 'A' }, { avatar_url => 'x' };
    error_is $ann->patch($path, { slug => 'an-other' }), 409, 'CONFLICT', field => 'slug';
    json_is $adam->patch($path, { name => 'Harbour', slug => 'harbour', avatar_url => 'https://example.com/a.png' }), '/data/slug', 'harbour';
    json_is $adam->last, '/data/role', 'admin';
    json_is $ann->patch($path, { avatar_url => undef }), '/data/avatar_url', undef, 'null clears it';
    json_is $ann->last, '/data/name', 'Harbour', '  and what was not sent stays';
    my $etag = $ann->get($path)->header('ETag');
    status_is $ann->patch($path, { name => 'Harbour Works' }, headers => { 'If-Match' => $etag }), 200;
    error_is $ann->patch($path, { name => 'Harbour' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
    is audited('organization.update'), 3;
};

subtest 'roles' => sub {
    my $path = "$base/$org/members/";
    error_is $t->client->patch($path . number($meg), { role => 'admin' }), 401, 'AUTHENTICATION_ERROR';
    error_is $out->patch($path . number($meg), { role => 'admin' }), 404, 'NOT_FOUND';
    error_is $_->patch($path . number($meg), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR' for $meg, $vic;
    error_is $ann->patch($path . number($meg), { role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'developer', undef;
    error_is $ann->patch($path . number($meg), {}), 400, 'VALIDATION_ERROR', field => 'role';
    error_is $ann->patch($path . 'x', { role => 'admin' }), 400, 'VALIDATION_ERROR', field => 'user_number';
    error_is $ann->patch($path . number($out), { role => 'admin' }), 404, 'NOT_FOUND', name => 'who is no member';
    status_is $ann->patch($path . number($meg), { role => 'member' }), 200;
    is role_of($org, $meg), 'developer', 'what reads the same stays what it is';
    json_is $adam->patch($path . number($meg), { role => 'viewer' }), '/data/role', 'viewer';
    error_is $adam->patch($path . number($meg), { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'an admin makes no owner';
    error_is $adam->patch($path . number($ann), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => '  and unmakes none';
    error_is $ann->patch($path . number($ann), { role => 'admin' }), 409, 'CONFLICT', name => 'the last owner stays';
    json_is $ann->patch($path . number($meg), { role => 'owner' }), '/data/role', 'owner';
    json_is $meg->patch($path . number($ann), { role => 'admin' }), '/data/role', 'admin', 'owners touch owners';
    json_is $meg->patch($path . number($ann), { role => 'owner' }), '/data/role', 'owner';
    is audited('member.role'), 4;
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $meg->uuid);
    error_is $ann->patch($path . number($ann), { role => 'admin' }), 409, 'CONFLICT', name => 'an owner whose account is not active does not count';
    $db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $meg->uuid);
    $t->revive($meg);
};

subtest 'taking members out' => sub {
    my $path = "$base/$org/members/";
    error_is $t->client->delete($path . number($vic)), 401, 'AUTHENTICATION_ERROR';
    error_is $out->delete($path . number($vic)), 404, 'NOT_FOUND';
    error_is $vic->delete($path . number($adam)), 403, 'AUTHORIZATION_ERROR';
    error_is $adam->delete($path . number($ann)), 403, 'AUTHORIZATION_ERROR', name => 'an admin removes no owner';
    error_is $ann->delete($path . number($out)), 404, 'NOT_FOUND';
    $t->key(type => 'workspace', tenant => 'acme', of => $org);
    $db->do('UPDATE api_keys SET made_by = (SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?) WHERE organization_id = ?', undef, $org, $vic->uuid, $org);
    json_is $adam->delete($path . number($vic)), '', { data => { id => number($vic), deleted => true }, meta => { message => 'Member removed' } };
    is role_of($org, $vic), undef;
    is $db->selectrow_array('SELECT count(*) FROM api_keys WHERE organization_id = ? AND revoked_at IS NULL', undef, $org), 0, 'what keys they made there are revoked';
    error_is $adam->delete($path . number($vic)), 404, 'NOT_FOUND', name => 'once';
    status_is $ann->delete($path . number($meg)), 200, 'an owner an owner';
    error_is $ann->delete($path . number($ann)), 409, 'CONFLICT', name => 'but the last one stays';
    is audited('member.remove'), 2;
};

subtest 'inviting' => sub {
    my $path = "$base/$org/invites";
    error_is $t->client->post($path, { email => 'new@example.com' }), 401, 'AUTHENTICATION_ERROR';
    error_is $out->post($path, { email => 'new@example.com' }), 404, 'NOT_FOUND';
    error_is $out->get($path), 404, 'NOT_FOUND';
    error_is $ann->get("$base/$NO_ID/invites"), 404, 'NOT_FOUND';
    status_is $ann->post("$base/$org/members", { user_id => number($meg) }), 201;
    error_is $meg->post($path, { email => 'new@example.com' }), 403, 'AUTHORIZATION_ERROR', name => 'a member invites nobody';
    error_is $meg->get($path), 403, 'AUTHORIZATION_ERROR', name => '  and sees no invitation';
    error_is $ann->post($path, { email => $_ }), 400, 'VALIDATION_ERROR', field => 'email' for 'x', undef;
    error_is $ann->post($path, { email => 'new@example.com', role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'owner', 'developer';
    my $res = $adam->post($path, { email => 'Vic@example.com', role => 'viewer' });
    status_is $res, 201;
    json_is $res, '/data', { id => $res->json('/data/id'), organization_id => $org, email => 'vic@example.com', role => 'viewer', status => 'pending', invited_by => number($adam), expires_at => $TIME, created_at => $TIME };
    body_unlike $res, qr/token/, 'the token is in the mail alone';
    error_is $ann->post($path, { email => 'VIC@example.com' }), 409, 'CONFLICT', field => 'email';
    error_is $ann->post($path, { email => 'meg@example.com' }), 409, 'CONFLICT', field => 'email', name => 'a member is one already';
    json_is $ann->post($path, { email => 'out@example.com' }), '/data/role', 'member';
    $res = $ann->get($path);
    is join(' ', map { $_->{email} } @{ $res->json('/data') }), 'out@example.com vic@example.com', 'newest first';
    json_is $res, '/meta', { total => 2, limit => 1000, offset => 0 };
    $db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE organization_id = ? AND email = 'out@example.com'}, undef, $org);
    json_is $ann->get($path), '/meta/total', 1, 'without one that is over';
};

# The token in the newest mail to an address.
sub token_for ($email) {
    my ($mail) = reverse grep { $_->{to} eq $email } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    return $mail->{secrets}{token};
}

subtest 'accepting' => sub {
    my $token = token_for('vic@example.com');
    error_is $t->client->post("$base/invites/$token/accept"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $key)->post("$base/invites/$token/accept"), 401, 'AUTHENTICATION_ERROR', name => 'a key that is nobody\'s accepts nothing';
    error_is $out->post("$base/invites/$token/accept"), 403, 'AUTHORIZATION_ERROR', name => 'it is for another address';
    error_is $eve->post("$base/invites/$token/accept"), 404, 'NOT_FOUND', name => 'and another tenant has none';
    error_is $vic->post("$base/invites/nonsense/accept"), 404, 'NOT_FOUND';
    error_is $out->post("$base/invites/" . token_for('out@example.com') . '/accept'), 404, 'NOT_FOUND', name => 'it is over';
    my $res = $vic->post("$base/invites/$token/accept");
    status_is $res, 200;
    json_is $res, '/data', { kind => 'organization', organization => { id => $org, name => 'Harbour Works', slug => 'harbour', role => 'viewer' }, team => undef, role => 'viewer', joined_at => $TIME };
    is role_of($org, $vic), 'viewer';
    error_is $vic->post("$base/invites/$token/accept"), 404, 'NOT_FOUND', name => 'it is spent';
    json_is $ann->get("$base/$org/invites"), '/data', [];
};

subtest 'the end' => sub {
    error_is $t->client->delete("$base/$org"), 401, 'AUTHENTICATION_ERROR';
    error_is $out->delete("$base/$org"), 404, 'NOT_FOUND';
    error_is $_->delete("$base/$org"), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' does not end it' for $adam, $meg;
    status_is $ann->post("$base/$org/invites", { email => 'late@example.com' }), 201;
    my $project = $t->trace_project($org, tenant => $ann->tenant_id);
    error_is $ann->delete("$base/$org"), 409, 'CONFLICT', message => qr/projects/;
    $db->do('UPDATE trace_projects SET deleted_at = now() WHERE organization_id = ?', undef, $org);
    my $of_it = $t->key(type => 'workspace', tenant => 'acme', of => $org);
    json_is $ann->delete("$base/$org"), '', { data => { id => $org, deleted => true }, meta => { message => 'Organization deleted' } };
    error_is $_->get("$base/$org"), 404, 'NOT_FOUND', name => 'to ' . $_->id . ' there is none any more' for $ann, $adam;
    error_is $ann->delete("$base/$org"), 404, 'NOT_FOUND', name => 'once';
    ok $db->selectrow_array('SELECT deleted_at FROM organizations WHERE id = ?', undef, $org), 'its row stays';
    is $db->selectrow_array(q{SELECT count(*) FROM invitations WHERE organization_id = ? AND status = 'pending'}, undef, $org), 0, 'its invitations lapse';
    error_is $t->client(key => $of_it)->get('/api/v1/api-keys/self'), 401, 'INVALID_API_KEY', name => 'and its keys do not work';
    json_is $ann->post($base, { name => 'Harbour Works', slug => 'harbour' }), '/data/slug', 'harbour', 'its slug is free';
};
