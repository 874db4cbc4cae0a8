package Ashlar::Sample;

# A row of everything, for tests that are about every table there is.
#
#     my $made = Ashlar::Sample->fill($super, $tenant, 'a');    # its ids: user, project, organization

use v5.36;

# ? is the tenant, and :tag a word of its own.  Tables that tenants are born with a row of are not in the list.
my @rows = (
    [ sessions            => q{tenant_id, user_id, expires_at} => q{?, :user, now() + interval '1 day'} ],
    [ identities          => q{tenant_id, issuer, subject, user_id} => q{?, 'iss', 'sub', :user} ],
    [ idempotency_keys    => q{tenant_id, principal, route, key, body_hash, status} => q{?, 'p', 'r', 'k', sha256(''), 200} ],
    [ plans               => q{tenant_id, name} => q{?, 'Pro'} ],
    [ oauth_providers     => q{tenant_id, provider} => q{?, 'google'} ],
    [ tenant_issuers      => q{tenant_id, name, issuer, jwks_url} => q{?, 'x', 'https://i.example', 'https://i.example/jwks'} ],
    [ team_members        => q{tenant_id, email, role, joined_at} => q{?, 'owner@' || :tag || '.example', 'owner', now()} ],
    [ team_sessions       => q{tenant_id, member_id, expires_at} => q{?, (SELECT id FROM team_members WHERE email = 'owner@' || :tag || '.example'), now() + interval '1 day'} ],
    [ api_keys            => q{tenant_id, name, type, prefix, hash} => q{?, 'x', 'secret', 'sk_live_x', sha256(:tag::bytea)} ],
    [ user_settings       => q{tenant_id, user_id} => q{?, :user} ],
    [ one_time_tokens     => q{tenant_id, kind, user_id, hash, expires_at} => q{?, 'mfa', :user, sha256(''), now() + interval '1 day'} ],
    [ rate_limits         => q{tenant_id, name, subject, tries, window_ends} => q{?, 'x', 'y', 1, now()} ],
    [ known_addresses     => q{tenant_id, account_id, address} => q{?, :user, '192.0.2.1/32'} ],
    [ totp_factors        => q{tenant_id, user_id, secret_sealed} => q{?, :user, 'x'} ],
    [ recovery_codes      => q{tenant_id, user_id, hash} => q{?, :user, sha256('')} ],
    [ passkeys            => q{tenant_id, user_id, name, credential_id, public_key, rp_id} => q{?, :user, 'x', 'x', 'x', 'x'} ],
    [ webauthn_challenges => q{tenant_id, kind, challenge, rp_id, expires_at} => q{?, 'authentication', 'x', 'x', now() + interval '1 day'} ],
    [ memberships         => q{tenant_id, organization_id, user_id, role} => q{?, :organization, :user, 'owner'} ],
    [ role_permissions    => q{tenant_id, organization_id, role, permission, is_granted} => q{?, :organization, 'member', 'can_create_team', true} ],
    [ departments         => q{tenant_id, organization_id, name} => q{?, :organization, 'x'} ],
    [ invitations         => q{tenant_id, organization_id, email, role, token_hash, expires_at} => q{?, :organization, 'x@y.example', 'member', sha256(''), now() + interval '1 day'} ],
    [ audit_events        => q{tenant_id, actor_id, actor_type, action, resource_type} => q{?, 'x', 'system', 'x', 'x'} ],    # and its head
    [ jobs                => q{tenant_id, kind} => q{?, 'x'} ],
    [ webhook_endpoints   => q{tenant_id, name, url, events, secret_sealed, secret_tail} => q{?, 'x', 'https://x.example', '{*}', 'x', 'x'} ],
    [ webhook_messages    => q{tenant_id, id, type, payload} => q{?, 'msg_x', 'x', '{}'} ],
    [ webhook_deliveries  => q{tenant_id, endpoint_id, message_id, event} => q{?, (SELECT max(id::text)::uuid FROM webhook_endpoints WHERE tenant_id = app_tenant()), 'msg_x', 'x'} ],
    [ webhook_attempts    => q{tenant_id, delivery_id, number} => q{?, (SELECT max(id::text)::uuid FROM webhook_deliveries WHERE tenant_id = app_tenant()), 1} ],
    [ job_schedules       => q{tenant_id, queue, kind, every_ms} => q{?, 'x', 'x', 1000} ],
    [ job_queues          => q{tenant_id, name} => q{?, 'x'} ],
    [ feature_flags       => q{tenant_id, key, name, flag_type} => q{?, 'x', 'x', 'boolean'} ],
    [ workspace_teams     => q{tenant_id, organization_id, name} => q{?, :organization, 'x'} ],
    [ workspace_team_members => q{tenant_id, organization_id, team_id, member_id} => q{?, :organization, (SELECT id FROM workspace_teams WHERE tenant_id = app_tenant()), (SELECT id FROM memberships WHERE tenant_id = app_tenant())} ],
    [ notifications       => q{tenant_id, organization_id, member_id, event_type, title, message} => q{?, :organization, (SELECT id FROM memberships WHERE tenant_id = app_tenant()), 'team_added', 'x', 'x'} ],
    [ notification_preferences => q{tenant_id, organization_id, member_id, event_type, inapp_enabled, email_enabled, whatsapp_enabled, muted} => q{?, :organization, (SELECT id FROM memberships WHERE tenant_id = app_tenant()), 'team_added', true, true, true, true} ],
    [ notification_deliveries => q{tenant_id, organization_id, member_id} => q{?, :organization, (SELECT id FROM memberships WHERE tenant_id = app_tenant())} ],
    [ goals               => q{tenant_id, organization_id, title} => q{?, :organization, 'x'} ],
    [ key_results         => q{tenant_id, organization_id, goal_id, title, start_value, target_value, current_value} => q{?, :organization, (SELECT id FROM goals WHERE tenant_id = app_tenant()), 'x', 0, 1, 0} ],
    [ realtime_messages   => q{tenant_id, channel, id, slot, xid, kind, payload, created_at} => q{?, 'user:x', nextval('realtime_ids'), 0, '1', 'message', '{}', now()} ],
    [ realtime_floors     => q{tenant_id, channel, last_id, xid} => q{?, 'user:x', 1, '1'} ],
    [ realtime_presence   => q{tenant_id, channel, user_id, process, client} => q{?, 'user:x', 'x', gen_random_uuid(), 1} ],
    [ realtime_tickets    => q{tenant_id, hash, user_id} => q{?, sha256(''), :user} ],
    [ contact_submissions => q{tenant_id, reference_id, name, email, message} => q{?, 'CNT-00000000', 'x', 'x', 'x'} ],
    [ webhook_events      => q{tenant_id, provider, event_id, type, payload} => q{?, 'stripe', 'x', 'x', '{}'} ],
    [ identity_profiles   => q{tenant_id, issuer, subject, version, version_event} => q{?, 'iss', 'sub', now(), 'x'} ],
    [ subscription_events => q{tenant_id, provider, event_id, object_key, kind, rank, occurred_at} => q{?, 'stripe', 'x', 'x', 'started', 0, now()} ],
);

# [table, columns, values] each; in the values, :user, :organization and :tag are still to be filled in.
sub rows ($class) { return @rows }

# As superuser, into a tenant that has none of these yet.  A table or a column that this database does not have is left
# out with its row: it may be of an earlier release.
sub fill ($class, $db, $tenant, $tag) {
    my $has = $db->selectcol_arrayref(
        q{SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'});
    my %has = map { $_ => 1 } @$has;
    $db->do(q{SELECT set_config('app.quiet', 'on', false)});    # told to nobody: that would be rows that nobody counts
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);    # the chain's trigger runs as the owner
    my %made;
    ($made{user}) = $db->selectrow_array(
        q{INSERT INTO users (tenant_id, public_id, email, project_count) VALUES (?, 'user_1', 'one@example.com', 1) RETURNING id},
        undef, $tenant);
    ($made{project}) = $db->selectrow_array(
        q{INSERT INTO projects (tenant_id, owner_id, name) VALUES (?, ?, 'secret') RETURNING id}, undef, $tenant, $made{user});
    ($made{organization}) = $db->selectrow_array(
        q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'x', 'x') RETURNING id}, undef, $tenant);
    for my $row (@rows) {
        my ($table, $columns, $values) = @$row;
        next if grep { !$has{"$table.$_"} } split /, /, $columns;
        $values =~ s/:(user|organization)\b/'$made{$1}'/g;
        $values =~ s/:tag\b/'$tag'/g;
        $db->do("INSERT INTO $table ($columns) VALUES ($values)", undef, $tenant);
    }
    return \%made;
}

1;
