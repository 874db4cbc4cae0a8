# Every named query fits the schema, and none reads more of a table than it must.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Ashlar::Sample;
use Cpanel::JSON::XS ();
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $sql     = Ashlar::Queries->load;
my $json    = Cpanel::JSON::XS->new;    # of characters, as DBD::Pg gives them
my $DEFAULT = '00000000-0000-7000-8000-000000000001';

# Enough rows of everything, in two tenants, that the planner has something to choose; and nine users, each with an
# organization and ten projects, who do what the functions below are asked.
my ($other) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('other', 'Other') RETURNING id});
for my $tenant ($DEFAULT, $other) {
    Ashlar::Sample->fill($super, $tenant)->multiply($tenant, 100);
    $super->do('UPDATE webhook_endpoints SET is_active = true WHERE tenant_id = ?', undef, $tenant);
    $super->do(<<~'END', undef, $tenant);
        WITH made AS (
            INSERT INTO users (tenant_id, public_id, email, project_count)
            SELECT $1, 'user_' || i, 'u' || i || '@example.com', 10 FROM generate_series(1, 9) i
            RETURNING tenant_id, id, public_id
        ), known AS (
            INSERT INTO identities (tenant_id, issuer, subject, user_id) SELECT tenant_id, 'iss', public_id, id FROM made
        ), signed_in AS (
            INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT tenant_id, id, now() + interval '1 day' FROM made
        ), organized AS (
            INSERT INTO organizations (tenant_id, name, slug) SELECT tenant_id, public_id, translate(public_id, '_', '-') FROM made
            RETURNING tenant_id, id, name
        ), joined AS (
            INSERT INTO memberships (tenant_id, organization_id, user_id, role)
            SELECT o.tenant_id, o.id, made.id, 'owner' FROM organized o, made WHERE o.name = made.public_id
        ), divided AS (
            INSERT INTO departments (tenant_id, organization_id, name) SELECT tenant_id, id, 'General' FROM organized
        ), invited AS (
            INSERT INTO invitations (tenant_id, organization_id, email, role, token_hash, expires_at)
            SELECT tenant_id, id, name || '@example.com', 'member', sha256(name::bytea), now() + interval '1 day' FROM organized
        )
        INSERT INTO projects (tenant_id, owner_id, name)
        SELECT tenant_id, id, 'project ' || i FROM made, generate_series(1, 10) i
        END
    $sql->in($super, $tenant, undef, sub {
        $super->do(q{SELECT audit('a.' || i % 20, 'type' || i % 20, i::text, '{}', 'user_' || i % 20) FROM generate_series(1, 400) i});
    });
}
$super->do('VACUUM ANALYZE');

my %is_tenants = map { $_ => 1 } 'tenants', @{ $super->selectcol_arrayref(<<~'END') };
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND c.relnamespace = 'public'::regnamespace
    END

# Tables with a row a tenant: that is all there is to say of it.
my %is_single = map { $_ => 1 } 'tenants', @{ $super->selectcol_arrayref(<<~'END') };
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indisprimary AND i.indnkeyatts = 1 AND a.attname = 'tenant_id' AND c.relnamespace = 'public'::regnamespace
    END

# Which queries say why they may scan, or put a list in its order without an index.
my (%may_scan, %may_sort);
for my $file (glob 'sql/queries/*/*.sql') {
    open my $in, '<', $file or die "$file: $!\n";
    my $block;
    while (<$in>) {
        $block = $1 if /^-- name: (\w+)/;
        $may_scan{$block} = $1 if /^\s*-- scan: (\S.*)/;
        $may_sort{$block} = $1 if /^-- unindexed: (\S.*)/;
    }
    close $in or die "$file: $!\n";
}

# The reads of a plan that go through a whole table, or through all of a tenant's rows in it.
sub scans ($node) {
    my @found = map { scans($_) } @{ $node->{Plans} // [] };
    my $table = $node->{'Relation Name'};
    my $type  = $node->{'Node Type'};
    return @found if $type eq 'Tid Scan' && $node->{'TID Cond'};    # places that were found before
    if ($table && $is_tenants{$table} && $type =~ /Scan/) {
        my $cond = $node->{'Index Cond'} // $node->{'Recheck Cond'} // '';
        return @found if $table eq 'membership_ends' && $cond =~ /\bends_at <= now\(\)/;    # those that are over and still here: a worker ends them within seconds
        push @found, "$type on $table" . ($cond && " where $cond")
            if $type eq 'Seq Scan' || ($cond !~ /\b(?!tenant_id\b)\w+\b[^=]* = / && !$is_single{$table});
    }
    return @found;
}

# Does the search for scans find any?
for (
    [ 'SELECT * FROM projects',                                           1 ],
    [ 'SELECT * FROM projects WHERE tenant_id = (SELECT app_tenant())',   1 ],
    [ q{SELECT * FROM projects WHERE name = 'x'},                         1 ],
    [ q{SELECT * FROM projects WHERE id = '00000000-0000-7000-8000-000000000001'}, 0 ],
    [ q{SELECT * FROM users WHERE public_id = 'x'},                       0 ],
) {
    my ($text, $some) = @$_;
    my $db = api_handle('ashlar_api');
    my ($plan) = $db->selectrow_array("EXPLAIN (FORMAT JSON) $text");
    is scalar(scans($json->decode($plan)->[0]{Plan})), $some, ($some ? 'a scan: ' : 'no scan: ') . $text;
}

sub api_handle ($role) {
    my $db = $cluster->connect($name, $role);
    $db->do('SET enable_seqscan = off');
    $db->do('SET plan_cache_mode = force_generic_plan');
    $db->do(qq{SELECT set_config('app.tenant_id', '$DEFAULT', false), set_config('app.user_id', '$DEFAULT', false)});
    return $db;
}

subtest 'each can be prepared by the role that runs it, and reads by an index' => sub {
    my %db = map { $_ => api_handle($_) } 'ashlar_api', 'ashlar';
    my $count = 0;
    for my $query (map { $sql->get($_) } $sql->names) {
        my $db = $db{ $query->{name} =~ /^owner_/ ? 'ashlar' : 'ashlar_api' };
        my @scans;
        for my $statement (Ashlar::Queries::statements($query)) {
            my $n = 'q' . ++$count;
            if (!eval { $db->do("PREPARE $n AS $statement->{sql}"); 1 }) {
                fail $statement->{name};
                diag $@;
                next;
            }
            my ($plan) = $db->selectrow_array("EXPLAIN (FORMAT JSON) EXECUTE $n"
                    . (@{ $statement->{params} } ? '(' . join(', ', ('NULL') x @{ $statement->{params} }) . ')' : ''));
            my @found = scans($json->decode($plan)->[0]{Plan});
            is "@found", '', $statement->{name} if !$may_scan{ $query->{name} };
            push @scans, @found;
        }
        ok @scans, "$query->{name} scans, as it says: $may_scan{$query->{name}}" if $may_scan{ $query->{name} };
    }
};

# Does a node read a tenant's table, or is that cut by a limit below it?
sub reads ($node) {
    return 0 if $node->{'Node Type'} eq 'Limit';
    return 1 if $is_tenants{ $node->{'Relation Name'} // '' } || $node->{'Node Type'} eq 'Function Scan';
    return !!grep { reads($_) } @{ $node->{Plans} // [] };
}

# What a plan sorts before a limit has cut it.
sub sorts ($node) {
    return (map({ sorts($_) } @{ $node->{Plans} // [] }), $node->{'Node Type'} =~ /Sort/ && reads($node) ? join ', ', @{ $node->{'Sort Key'} } : ());
}

# With sorting as dear as can be, what still sorts has no index for that order.
subtest 'a page has an index for each of its orders' => sub {
    my $db = api_handle('ashlar_api');
    $db->do('SET enable_sort = off');
    for ([ 'name', 1 ], [ 'created_at DESC, id DESC', 0 ], [ 'created_at, id', 0 ], [ 'created_at DESC, id', 1 ]) {
        my ($plan) = $db->selectrow_array("EXPLAIN (FORMAT JSON) SELECT id FROM projects WHERE tenant_id = '$DEFAULT' AND owner_id = '$DEFAULT'
                                           AND deleted_at IS NULL ORDER BY $_->[0] LIMIT 20");
        my @sorted = sorts($json->decode($plan)->[0]{Plan});
        is scalar(@sorted), $_->[1], ($_->[1] ? 'sorted: ' : 'by the index: ') . $_->[0];
    }
    for my $query (grep { $_->{shape} eq 'page' } map { $sql->get($_) } $sql->names) {
        my $named = @{ $query->{sorts} };
        my @found;
        for my $order ($named ? map { [ $_, 0 ], [ $_, 1 ] } 0 .. $named - 1 : [ 0, undef ]) {
            my ($text, @params) = Ashlar::Queries::statement($query, 0, @$order);
            $db->do("PREPARE page AS $text");
            my ($plan) = $db->selectrow_array('EXPLAIN (FORMAT JSON) EXECUTE page' . (@params ? '(' . join(', ', ('NULL') x @params) . ')' : ''));
            $db->do('DEALLOCATE page');
            push @found, sorts($json->decode($plan)->[0]{Plan});
        }
        is "@found", '', "$query->{name} reads its order from an index" if !$may_sort{ $query->{name} };
        ok @found, "$query->{name} sorts, as it says: $may_sort{$query->{name}}" if $may_sort{ $query->{name} };
    }
};

# What plpgsql runs inside is hidden from EXPLAIN, but not from auto_explain.
subtest 'the statements inside of functions read by an index' => sub {
    my $db = $cluster->connect($name);
    $db->do(q{LOAD 'auto_explain'});
    $db->do("SET $_") for 'auto_explain.log_min_duration = 0', 'auto_explain.log_nested_statements = on',
        'auto_explain.log_format = json', 'auto_explain.log_level = notice', 'client_min_messages = notice',
        'enable_seqscan = off', 'plan_cache_mode = force_generic_plan', 'role = ashlar_api';
    my ($session) = $super->selectrow_array(
        q{SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.tenant_id = ? AND public_id = 'user_7'},
        undef, $DEFAULT);
    # user_8 is a member of user_7's organization, and user_9 has the address that it has invited.
    my ($org) = $super->selectrow_array(q{SELECT id FROM organizations WHERE tenant_id = ? AND name = 'user_7'}, undef, $DEFAULT);
    my %user = map { @$_ } @{ $super->selectall_arrayref('SELECT public_id, id FROM users WHERE tenant_id = ?', undef, $DEFAULT) };
    $super->do(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, 'member')}, undef, $DEFAULT, $org, $user{user_8});
    $super->do(q{UPDATE users SET email = 'user_7@example.com', is_email_verified = true WHERE id = ?}, undef, $user{user_9});
    my ($department) = $super->selectrow_array('SELECT id FROM departments WHERE organization_id = ?', undef, $org);
    my ($invitation) = $super->selectrow_array('SELECT id FROM invitations WHERE organization_id = ?', undef, $org);
    my @of_8 = (organization_id => $org, user => $user{user_8});

    my @token = (tenant => $DEFAULT, issuer => 'ashlar', subject => 'user_7', least_role => 'user', note => '{}');
    my @key = (principal => 'user_7', route => 'r', key => 'k2', body_hash => '\\x' . '00' x 32);
    for (
        [ enter_user         => @token, session => $session ],
        [ enter_user         => @token, issuer  => 'iss' ],
        [ enter_member       => @token, session => $session, workspace    => $org, permission => 'can_edit_goal', roles => '{owner}' ],
        [ enter_organization => @token, session => $session, organization => $org, permission => 'ORG_READ', roles => '{owner}' ],
        [ 'user_provision', tenant => $DEFAULT, issuer => 'iss', subject => 'new', email => 'u1@example.com' ],
        [ 'idempotency_begin', @key ],
        [ 'user_7 member_change_role', @of_8, role => 'admin' ],
        [ 'user_7 member_deactivate',  @of_8 ],
        [ 'user_7 member_remove',      @of_8 ],
        [ 'user_7 invitation_create', organization_id => $org, email => 'x@example.com', role => 'member', token_hash => '\\x11', mail_payload => '{}' ],
        [ 'user_7 invitation_resend', organization_id => $org, invitation_id => $invitation, token_hash => '\\x22', mail_payload => '{}' ],
        [ 'user_9 invitation_accept', token_hash => '\\x22' ],
        [ 'user_9 invitation_reject', token_hash => '\\x11' ],
        [ 'user_7 department_get', department_id => $department, user_id => $user{user_7} ],
    ) {
        my ($query, @value) = @$_;
        my $caller = $query =~ s/^(user_\d) // ? $user{$1} : $DEFAULT;
        my @plans;
        local $SIG{__WARN__} = sub ($text) { push @plans, $1 if $text =~ /plan:\n(\{.*\})/s };
        $sql->in($db, $DEFAULT, $caller, sub { $sql->run($db, $query, @value) });
        my @inner = map { $json->decode($_) } @plans;
        cmp_ok scalar(grep { $_->{Plan}{'Node Type'} ne 'Result' || $_->{Plan}{Plans} } @inner), '>', 0, "$query was watched";
        is join(', ', map { "$_->{'Query Text'}: " . join ', ', scans($_->{Plan}) } grep { scans($_->{Plan}) } @inner), '', "$query @value[0..3]";
    }
};

# Names and types of the answers; what clients see is made from them.
my %type = (
    20 => 'int8', 23 => 'int4', 16 => 'bool', 25 => 'text', 2950 => 'uuid', 1184 => 'timestamptz',
);
my $project = 'id uuid, name text, description text, owner_id text, created_at timestamptz, updated_at timestamptz';
my $user    = 'id text, email text, full_name text, avatar_url text, role text, is_active bool, subscription_plan text, '
    . 'subscription_status text, created_at timestamptz, is_premium bool, days_since_joined int4';
my @page = (skip => 0, limit => 3);

subtest 'columns' => sub {
    my $db = $cluster->connect($name, 'ashlar_api');
    my ($id) = $super->selectrow_array(q{SELECT id FROM users WHERE tenant_id = ? AND public_id = 'user_1'}, undef, $DEFAULT);
    my ($one, $two) = @{ $super->selectcol_arrayref('SELECT id FROM projects WHERE owner_id = ?', undef, $id) };
    for (
        [ project_list    => "total int8, $project", @page ],
        [ project_list    => "total int8, $project", @page, search => 'PROJECT' ],
        [ project_get     => $project, project_id => $one ],
        [ project_create  => $project, name       => 'new' ],
        [ project_update  => $project, project_id => $one, description => 'x' ],
        [ project_delete  => 'id uuid', project_id => $two ],
        [ user_me         => "$user, _updated_at timestamptz" ],
        [ user_update     => "$user, _updated_at timestamptz", full_name => 'x' ],
        [ admin_user_get  => "$user, _updated_at timestamptz", user      => 'user_2' ],
        [ admin_user_list => "total int8, $user", @page ],
    ) {
        my ($query, $want, @value) = @$_;
        my @rows = $sql->in($db, $DEFAULT, $id, sub { $sql->run($db, $query, @value) });
        my $q = $sql->get($query);
        is join(', ', map { "$q->{columns}[$_] " . ($type{ $q->{types}[$_] } // $q->{types}[$_]) } 0 .. $#{ $q->{columns} }), $want, $query;
        is scalar(@rows), $q->{shape} eq 'page' ? 3 : 1, "$query: rows";
    }
};

# Behind the last page there is no row to bear the total: it is a statement of its own, or one of nulls beside a total that
# the query has itself.
subtest 'the total of a page that is empty' => sub {
    my $db = $cluster->connect($name, 'ashlar_api');
    my ($id) = $super->selectrow_array(q{SELECT id FROM users WHERE tenant_id = ? AND public_id = 'user_3'}, undef, $DEFAULT);
    for ([ audit_list => 20, action => 'a.7' ], [ audit_list => 0, action => 'nothing' ], [ project_list => 10 ]) {
        my ($query, $total, @value) = @$_;
        my @rows = $sql->in($db, $DEFAULT, $id, sub { $sql->run($db, $query, skip => 1000, limit => 20, @value) });
        is scalar(@rows), 0, "$query @value: no row";
        @rows = $sql->in($db, $DEFAULT, $id, sub { $sql->total($db, $query, @value) });
        is_deeply \@rows, [ { total => $total } ], 'the total';
    }
    for ([ project_list => 10, search => 'proj' ], [ project_list => 0, search => 'nothing' ]) {
        my ($query, $total, @value) = @$_;
        my @rows = $sql->in($db, $DEFAULT, $id, sub { $sql->run($db, $query, skip => 1000, limit => 20, @value) });
        is_deeply [ map { [ @$_{qw(total id)} ] } @rows ], [ [ $total, undef ] ], "$query @value: one row that tells it";
    }
};

$_->disconnect for $super;
$cluster->drop($name);
done_testing;
