# One tenant sees nothing of another, whatever a query forgets.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Ashlar::Sample;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $owner   = $cluster->connect($name, 'ashlar');
my $sql     = Ashlar::Queries->load;
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});

# One of everything for each tenant.
my %sample  = map { $_ => Ashlar::Sample->fill($super, $_) } $A, $B;
my %user    = map { $_ => $sample{$_}->id('user') } $A, $B;
my %project = map { $_ => $sample{$_}->id('project') } $A, $B;

my @tables = @{ $super->selectcol_arrayref(<<~'END') };
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped
      AND c.relnamespace = 'public'::regnamespace
    ORDER BY c.relname
    END

my @empty = grep { !$super->selectrow_array("SELECT EXISTS (SELECT FROM $_ WHERE tenant_id = ?)", undef, $A) } @tables;
is "@empty", '', 'every table has a row here: one that has none needs its INSERT in sql/sample/<area>/<noun>.sql';

# A statement that must fail, and with what; it leaves nothing open.
sub refused ($db, $state, $text, @values) {
    my $name = $text =~ s/\s+/ /gr;
    ok !eval { $db->do($text, undef, @values); 1 }, "refused: $name";
    is $db->state, $state, "… with $state" or diag $@;
    return;
}

# Run code on a connection that is in a tenant.
sub within ($db, $tenant, $code) {
    return $sql->in($db, $tenant, $user{$tenant} // '', $code);
}

subtest 'every table of the schema is protected' => sub {
    cmp_ok scalar(@tables), '>=', 5, 'there are tables';
    my %global = map { $_ => 1 } qw(infrastructure_costs jwks job_workers packages permissions realtime_processes realtime_state roles schema_migrations schema_functions tiers token_prices usage_state);    # no tenant's
    my $all = $super->selectall_arrayref(<<~'END', { Slice => {} });
        SELECT relname, relrowsecurity, relforcerowsecurity, relispartition,
               EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polroles = '{0}'
                         AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL) AS has_policy
        FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        END
    for my $table (grep { !$global{ $_->{relname} } } @$all) {
        ok $table->{relrowsecurity} && $table->{relforcerowsecurity}, "$table->{relname}: row-level security binds its owner too";
        ok $table->{has_policy}, "$table->{relname}: one policy for reading and writing";
    }
    my %tenants = map { $_ => 1 } @tables, 'tenants';
    is_deeply [ sort grep { !$tenants{$_} } map { $_->{relname} } grep { !$_->{relispartition} } @$all ], [ sort keys %global ], 'all others belong to no tenant: one that does not needs its name in %global';

    my $loose = $super->selectcol_arrayref(<<~'END');
        SELECT conrelid::regclass || '.' || conname
        FROM pg_constraint c
        WHERE contype = 'f' AND confrelid NOT IN ('tenants'::regclass, 'roles'::regclass)    -- those are no tenant's
          AND NOT EXISTS (SELECT FROM unnest(conkey, confkey) k (here, there)
                          JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = here AND a.attname = 'tenant_id'
                          JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = there AND b.attname = 'tenant_id')
        END
    is "@$loose", '', 'every foreign key has the tenant in it';
    my $bare = $super->selectcol_arrayref(<<~'END');
        SELECT c.relname FROM pg_class c
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema\_%' AND NOT relispartition
          AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('created_at', 'updated_at')) < 2
           OR relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema\_%' AND NOT relispartition
          AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid = 'touch'::regproc)
        END
    my @untouched = qw(
        activities activity_log agent_messages ai_calls ai_responses api_key_uses audit_events external_agent_calls file_passages job_traces jobs log_records
        notification_causes notification_marks operator_logs realtime_messages record_keys record_run_batches record_run_keys record_versions spans task_dependencies trace_days trace_tags usage_events wallet_transactions
        tenant_notification_marks tenant_notification_reads tenant_notifications
    );
    is join(' ', sort @$bare), join(' ', sort @untouched), 'every table has its times, and the trigger that keeps them, but for those whose rows never change: see isolate()';
    # … and for jobs, where the trigger would be a third of an update: every statement that changes one sets updated_at.
    my @moves = map { my $file = $_; open my $in, '<', $file or die "$file: $!\n"; join('', <$in>) =~ /(UPDATE jobs \w\b.*?\bWHERE\b)/gs } glob 'sql/functions/*/*.sql sql/queries/*/*.sql';
    cmp_ok scalar(@moves), '>=', 14, 'statements that change jobs';
    is join("\n", grep { !/\bupdated_at = greatest/ } @moves), '', 'all of them set updated_at';
    for my $part (map { $_->{relname} } grep { $_->{relispartition} } @$all) {
        refused $api, '42501', "SELECT tenant_id FROM $part";
        refused $api, '42501', "TRUNCATE $part";
    }
};

subtest 'the api sees its own tenant and no other' => sub {
    for my $table (@tables) {
        # What the owner is let see of all tenants, so that it can find one (see the policies), is not told apart here.
        my $is_directory = $super->selectrow_array(q{SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = ?::regclass AND polname LIKE '%directory')}, undef, $table);
        if (!$super->selectrow_array(q{SELECT has_any_column_privilege('ashlar_api', ?, 'SELECT')}, undef, $table)) {    # by functions only
            refused $api, '42501', "SELECT tenant_id FROM $table";
            is_deeply within($owner, $B, sub { $owner->selectcol_arrayref("SELECT tenant_id FROM $table") }), [$B], "$table: the owner in B" if !$is_directory;
            next;
        }
        is_deeply within($api, $A, sub { $api->selectcol_arrayref("SELECT DISTINCT tenant_id FROM $table") }), [$A], "$table: A in A";
        is_deeply within($api, $B, sub { $api->selectcol_arrayref("SELECT DISTINCT tenant_id FROM $table") }), [$B], "$table: B in B";
        is_deeply within($owner, $B, sub { $owner->selectcol_arrayref("SELECT DISTINCT tenant_id FROM $table") }), [$B], "$table: also the owner" if !$is_directory;
        is_deeply $api->selectcol_arrayref("SELECT tenant_id FROM $table"), [], "$table: nothing without a tenant";
    }
    is_deeply within($api, $A, sub { $api->selectcol_arrayref('SELECT id FROM tenants ORDER BY id') }), [ $A, $A =~ s/1\z/2/r ], 'tenants: its own, and its test mode';
    is_deeply $api->selectcol_arrayref('SELECT id FROM tenants'), [], 'tenants: none without a tenant';
};

subtest 'a query that forgets its WHERE still sees nothing of another tenant' => sub {
    for my $query (qw(project_list project_get)) {
        my $text = (Ashlar::Queries::statement($sql->get($query)))[0] =~ s/\(SELECT app_\w+\(\)\)/x/gr;
        my $bare = $text =~ s/\bWHERE\b.*?(?=ORDER BY|\)|\z)//gr =~ s/\$\d/NULL/gr;
        unlike $bare, qr/WHERE|\bx\b/, "$query without any WHERE";
        my $rows = within($api, $A, sub { $api->selectall_arrayref($bare, { Slice => {} }) });
        ok @$rows > 0, 'it finds rows';
        my %of_A = map { $_ => 1 } @{ $super->selectcol_arrayref('SELECT id FROM projects WHERE tenant_id = ?', undef, $A) };
        is_deeply [ grep { !$of_A{ $_->{id} } } @$rows ], [], 'only those of A';
    }
};

# To insert a row of B once more, with the columns that the api may write; without any it may not at all.
sub copy_of ($table) {
    my $columns = $super->selectcol_arrayref(<<~'END', undef, ($table) x 2);
        SELECT attname FROM pg_attribute WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND (has_column_privilege('ashlar_api', attrelid, attnum, 'INSERT') OR NOT has_any_column_privilege('ashlar_api', ?, 'INSERT'))
        END
    my $list  = join ', ', @$columns;
    my ($row) = $super->selectrow_array("SELECT to_jsonb(x) FROM $table x WHERE tenant_id = ? LIMIT 1", undef, $B);
    return ("INSERT INTO $table ($list) SELECT $list FROM jsonb_populate_record(NULL::$table, ?)", $row);
}

subtest 'nothing can be written for another tenant' => sub {
    within($api, $A, sub {
        $api->do('SAVEPOINT s');
        for (
            (map { [ copy_of($_) ] } grep { !/^(?:audit_events|sessions|team_sessions)$/ } @tables),    # whose triggers look at other rows first
            [ q{INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now())}, $B, $user{$B} ],
            [ 'UPDATE projects SET tenant_id = ?', $B ],
            [ 'UPDATE users SET tenant_id = ?', $B ],
        ) {
            refused $api, '42501', @$_;
            $api->do('ROLLBACK TO s');
        }
        is $api->do('UPDATE projects SET name = ? WHERE id = ?', undef, 'mine', $project{$B}), '0E0', 'a row of B is not there to update';
    });
    within($owner, $A, sub {
        $owner->do('SAVEPOINT s');
        refused $owner, '42501', 'UPDATE projects SET tenant_id = ?', $B;
        $owner->do('ROLLBACK TO s');
        is $owner->do('DELETE FROM projects WHERE id = ?', undef, $project{$B}), '0E0', 'nor for the owner to delete';
    });
    is $super->selectrow_array(q{SELECT count(*) FROM projects WHERE name IN ('mine', 'x')}), 0, 'all is as it was';
};

subtest 'a reference to another tenant is impossible, for anybody' => sub {
    refused $super, '23503', 'INSERT INTO projects (tenant_id, owner_id, name) VALUES (?, ?, ?)', $A, $user{$B}, 'x';
    refused $super, '23503', 'INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now())', $A, $user{$B};
    refused $super, '23503', q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'x', 'y', ?)}, $A, $user{$B};
    refused $super, '23503', 'UPDATE projects SET owner_id = ? WHERE id = ?', $user{$B}, $project{$A};
};

subtest 'the role of the api' => sub {
    my $role = $super->selectrow_hashref(q{SELECT * FROM pg_roles WHERE rolname = 'ashlar_api'});
    ok !$role->{$_}, "not $_" for qw(rolsuper rolbypassrls rolcreaterole rolcreatedb rolreplication);
    is_deeply $super->selectcol_arrayref(q{SELECT relname FROM pg_class WHERE relowner = 'ashlar_api'::regrole}), [], 'owns no relation';
    is_deeply $super->selectcol_arrayref(q{SELECT proname FROM pg_proc WHERE proowner = 'ashlar_api'::regrole}), [], 'owns no function';
    is_deeply $super->selectcol_arrayref(q{SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'ashlar_api'::regrole}), [], 'is in no other role';
    refused $api, '42501', 'SET ROLE ashlar';
    refused $api, '42501', 'SET SESSION AUTHORIZATION ashlar';
    refused $api, '42501', 'ALTER TABLE projects DISABLE ROW LEVEL SECURITY';
    refused $api, '42501', 'ALTER TABLE projects NO FORCE ROW LEVEL SECURITY';
    refused $api, '42501', 'DROP POLICY projects_isolation ON projects';
    refused $api, '42501', 'CREATE TABLE here (x int)';
    refused $api, '42501', 'CREATE FUNCTION app_user(int) RETURNS int LANGUAGE sql RETURN 1';
    refused $api, '42501', 'SELECT * FROM schema_migrations';
    refused $api, '42501', 'INSERT INTO tenants (slug, name) VALUES (?, ?)', 'c', 'C';
    my %may_delete = map { $_ => 1 } qw(
        account_exports
        account_makers
        ai_accounts
        ai_responses
        api_key_secrets
        api_keys
        billing_customers
        billing_steps
        comments
        credential_versions
        credentials
        feature_flags
        file_folders
        file_passages
        files
        goals
        identities
        key_results
        known_addresses
        membership_ends
        memberships
        notification_mails
        notification_preferences
        ownership_offers
        passkeys
        payment_accounts
        pictures
        realtime_tickets
        record_attachments
        record_insights
        record_interactions
        record_keys
        record_relationships
        record_run_keys
        record_runs
        record_uploads
        record_versions
        records
        recordset_grants
        recordset_views
        recordsets
        recovery_codes
        role_permissions
        rules
        stored_objects
        tasks
        task_dependencies
        team_recovery_codes
        team_totp_factors
        tenant_issuers
        totp_factors
        trace_logs
        trace_objects
        usage_limits
        usage_meters
        discovery_engines
        tenant_team_members
        tenant_teams
        workspace_team_members
        membership_removals
        workspace_domains
        workspace_teams
        record_geometries
    );
    refused $api, '42501', $_ for 'UPDATE audit_events SET action = action', 'DELETE FROM audit_events', 'SELECT * FROM audit_heads',
        'UPDATE sessions SET impersonator_id = NULL', 'UPDATE team_members SET email = email', 'UPDATE api_keys SET hash = hash';
    for my $table (@tables) {
        my $may = $super->selectrow_array(q{SELECT has_table_privilege('ashlar_api', ?, 'DELETE')}, undef, $table);
        is $may ? 1 : 0, $may_delete{$table} // 0, "$table: whether the api deletes its rows stands in %may_delete";
        refused $api, '42501', "DELETE FROM $table" if !$may;
        refused $api, '42501', "TRUNCATE $table";
    }
    within($api, $A, sub {
        $api->do('SAVEPOINT s');
        refused $api, '42501', 'SELECT pg_read_file(?)', '/etc/passwd';
        $api->do('ROLLBACK TO s');
        refused $api, '42501', 'UPDATE users SET created_at = now()';
        $api->do('ROLLBACK TO s');
        $api->do('SET row_security = off');
        refused $api, '42501', 'SELECT * FROM projects';
        $api->do('ROLLBACK TO s');
    });
};

subtest 'old answers are purged over all tenants, and by nobody seen' => sub {
    $super->do(q{UPDATE idempotency_keys SET created_at = now() - interval '25 hours'});
    $super->do(q{INSERT INTO idempotency_keys (tenant_id, principal, route, key, body_hash, status) VALUES (?, 'p', 'r', 'new', sha256(''), 200)}, undef, $B);
    is_deeply $api->selectcol_arrayref('SELECT key FROM idempotency_keys'), [], 'the api does not see them';
    is +($sql->run($api, purge => batch => 1))[0]{deleted},  1, 'one at a time';
    is +($sql->run($api, purge => batch => 10))[0]{deleted}, 1, 'the other';
    is +($sql->run($api, purge => batch => 10))[0]{deleted}, 0, 'no more';
    is_deeply $super->selectcol_arrayref('SELECT key FROM idempotency_keys'), ['new'], 'the young one stays';
    for my $case ([ one_time_tokens => 'expires_at', '1 day' ], [ webauthn_challenges => 'expires_at', '1 hour' ], [ rate_limits => 'updated_at', '1 day' ],
        [ known_addresses => 'signed_in_at', '180 days' ],
        [ sessions => 'expires_at', '30 days' ], [ team_sessions => 'expires_at', '30 days' ], [ realtime_tickets => 'expires_at', '1 minute' ], [ contact_submissions => 'created_at', '1 year' ], [ notification_causes => 'created_at', '60 days' ], [ notification_mails => 'created_at', '30 days' ], [ activity_exports => 'created_at', '30 days' ], [ account_exports => 'created_at', '30 days' ], [ workspace_runs => 'created_at', '30 days' ], [ record_run_batches => 'created_at', '40 days' ], [ record_runs => 'created_at', '90 days' ], [ geocode_answers => 'expires_at', '0' ], [ webhook_messages => 'created_at', '30 days' ], [ recordsets => 'trashed_at', '30 days' ]) {
        my ($table, $column, $age) = @$case;
        my $rows = $super->selectrow_array("SELECT count(*) FROM $table");
        $super->do("ALTER TABLE $table DISABLE TRIGGER USER");
        $super->do("UPDATE $table SET $column = now() - interval '$age' + interval '1 minute'");
        $sql->run($api, purge => batch => 10);
        is $super->selectrow_array("SELECT count(*) FROM $table"), $rows, "$table: kept for $age";
        $super->do("UPDATE $table SET $column = now() - interval '$age' - interval '1 minute'");
        $super->do("ALTER TABLE $table ENABLE TRIGGER USER");
        $sql->run($api, purge => batch => 10);
        is $super->selectrow_array("SELECT count(*) FROM $table"), 0, '  and no longer';
    }
};

$_->disconnect for $api, $owner, $super;
$cluster->drop($name);
done_testing;
