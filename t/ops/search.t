# Search under policies: the functions that look past row-level security for candidates keep the rules that make it safe
# (sql/search/close.sql), find by an index, and find nothing of another tenant.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Process;
use Ashlar::Queries;
use Cpanel::JSON::XS 'decode_json';
use List::Util qw(max min);
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});

# Two tenants with the same: a user with many projects, and users of the same names.  The owners' ids are given, since by them
# it is decided whose names stand in the index beside whose.  "zulu" is what one of A's has, and thousands of B's.
my %owner = ($A => '00000000-0000-7000-8000-00000000000a', $B => '00000000-0000-7000-8000-00000000000b');
my (%one, %organization);
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.quiet', 'on', false), set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO users (tenant_id, id, public_id, email, full_name, project_count) VALUES (?, ?, 'ann', 'ann@aardvark.example', 'Ann Aardvark', 25001)}, undef, $tenant, $owner{$tenant});
    $super->do(q{INSERT INTO users (tenant_id, public_id, email) SELECT ?, 'u' || i, 'u' || i || '@example.com' FROM generate_series(1, 400) i}, undef, $tenant);
    $super->do(q{INSERT INTO projects (tenant_id, owner_id, name, created_at) SELECT ?, ?, 'Project ' || i, now() - i * interval '1 minute' FROM generate_series(1, 20000) i}, undef, $tenant, $owner{$tenant});
    $super->do(q{
        INSERT INTO projects (tenant_id, owner_id, name, created_at)
        SELECT ?, ?, CASE WHEN ?::integer = 1 OR i = 2500 THEN 'Zulu ' ELSE 'Old ' END || i || CASE WHEN i % 500 = 0 THEN ? ELSE '' END, now() - (20000 + i) * interval '1 minute'
        FROM generate_series(1, 5000) i}, undef, $tenant, $owner{$tenant}, $tenant eq $B ? 1 : 0, " of the \x{c9}t\x{e9}");
    ($one{$tenant}) = $super->selectrow_array(q{INSERT INTO projects (tenant_id, owner_id, name, created_at) VALUES (?, ?, 'The aardvark', now() - interval '1 year') RETURNING id}, undef, $tenant, $owner{$tenant});
    ($organization{$tenant}) = $super->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Aardvark & Sons', 'aa') RETURNING id}, undef, $tenant);
    $super->do(q{INSERT INTO organizations (tenant_id, name, slug) SELECT ?, 'Company ' || i, 'company-' || i FROM generate_series(1, 2000) i}, undef, $tenant);
    $super->do(q{INSERT INTO projects (tenant_id, owner_id, name) SELECT u.tenant_id, u.id, 'Of ' || u.public_id FROM users u, generate_series(1, 5) WHERE u.tenant_id = ? AND u.public_id LIKE 'u%'}, undef, $tenant);
}
# Members of a workspace, and one of them among thousands.
my %member;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{WITH u AS (INSERT INTO users (tenant_id, public_id, email, full_name) SELECT $1::uuid, 'm' || i, 'm' || i || '@crew.example', 'Sailor ' || i FROM generate_series(1, 3000) i RETURNING id)
        INSERT INTO memberships (tenant_id, organization_id, user_id, role) SELECT $1::uuid, $2::uuid, id, 'member' FROM u}, undef, $tenant, $organization{$tenant});
    ($member{$tenant}) = $super->selectrow_array(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, 'owner') RETURNING id}, undef, $tenant, $organization{$tenant}, $owner{$tenant});
}
# A workspace's activity: one that says something else behind thousands.
my %org = ($A => '00000000-0000-7000-8000-0000000000aa', $B => '00000000-0000-7000-8000-0000000000bb');
my %happened;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do('SELECT activity_month(now())');
    $super->do(q{INSERT INTO activities (tenant_id, organization_id, created_at, type, event, description)
        SELECT ?, ?, date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + i * interval '1 second', 'goal', 'goal.updated', 'Goal changed: number ' || i FROM generate_series(2, 3000) i}, undef, $tenant, $org{$tenant});
    ($happened{$tenant}) = $super->selectrow_array(q{INSERT INTO activities (tenant_id, organization_id, created_at, type, event, description)
        VALUES (?, ?, date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', 'goal', 'goal.created', 'Goal created: the aardvark') RETURNING id}, undef, $tenant, $org{$tenant});
}
# Records: of one content, one that says something else.
my %content = ($A => '00000000-0000-7000-8000-0000000000ca', $B => '00000000-0000-7000-8000-0000000000cb');
my %area    = ($A => '00000000-0000-7000-8000-0000000000aa', $B => '00000000-0000-7000-8000-0000000000ab');
my %recorded;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, folded, tags, tool_statuses)
        SELECT ?, ?, ?, ?, 'hay ' || md5(i::text), '{hay}', '{"hay": "x"}' FROM generate_series(1, 5000) i}, undef, $tenant, $org{$tenant}, ($content{$tenant}) x 2);
    ($recorded{$tenant}) = $super->selectrow_array(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, title, folded, tags, tool_statuses)
        VALUES (?, ?, ?, ?, 'The Aardvark', 'the aardvark', '{aardvark}', '{"aardvark": "x"}') RETURNING id}, undef, $tenant, $org{$tenant}, ($content{$tenant}) x 2);
    $super->do(q{INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry)
        SELECT tenant_id, organization_id, id, content_id, postgis.ST_SetSRID(postgis.ST_MakePoint(CASE WHEN id = ? THEN 50 ELSE random() END, 50), 4326) FROM records WHERE tenant_id = ?}, undef, $recorded{$tenant}, $tenant);
    # And an area of another content, around that one.
    $super->do(q{INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry) VALUES (?, ?, uuid_v7(), ?, postgis.ST_MakeEnvelope(49, 49, 51, 51, 4326))}, undef, $tenant, $org{$tenant}, $area{$tenant});
}
# Files: one that says something else behind those that are walked through.
my %text;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO text_files (tenant_id, name, path, content, updated_at)
        SELECT ?, 'hay ' || i, 'stack/' || i || '.md', 'and ' || md5(i::text), now() - i * interval '1 second' FROM generate_series(1, 12000) i}, undef, $tenant);
    ($text{$tenant}) = $super->selectrow_array(q{INSERT INTO text_files (tenant_id, name, path, content, updated_at) VALUES (?, 'Z', 'z.md', 'of an Aardvark', now() - interval '1 day') RETURNING number}, undef, $tenant);
}
my %team;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO workspace_teams (tenant_id, organization_id, name, description) SELECT ?, ?, 'hay ' || i, 'and ' || md5(i::text) FROM generate_series(1, 5000) i}, undef, $tenant, $organization{$tenant});
    ($team{$tenant}) = $super->selectrow_array(q{INSERT INTO workspace_teams (tenant_id, organization_id, name, description) VALUES (?, ?, 'Z', 'an Aardvark') RETURNING id}, undef, $tenant, $organization{$tenant});
}
my %crew;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO tenant_teams (tenant_id, name) SELECT ?, 'hay ' || md5(i::text) FROM generate_series(1, 5000) i}, undef, $tenant);
    ($crew{$tenant}) = $super->selectrow_array(q{INSERT INTO tenant_teams (tenant_id, name) VALUES (?, 'an Aardvark') RETURNING id}, undef, $tenant);
}
my %product;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    $super->do(q{INSERT INTO products (tenant_id, name, slug, description) SELECT ?, 'hay ' || i, 'hay-' || i, 'and ' || md5(i::text) FROM generate_series(1, 5000) i}, undef, $tenant);
    ($product{$tenant}) = $super->selectrow_array(q{INSERT INTO products (tenant_id, name, slug, tagline) VALUES (?, 'Z', 'z', 'an Aardvark') RETURNING number}, undef, $tenant);
}
my %task;
for my $tenant ($A, $B) {
    $super->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    ($task{$tenant}) = $super->selectrow_array(q{INSERT INTO tasks (tenant_id, kind, number, title, title_key, description) VALUES (?, 'tenant', nextval('task_numbers'), 'Z', 'z', 'an Aardvark') RETURNING number}, undef, $tenant);
    $super->do(q{INSERT INTO tasks (tenant_id, kind, number, title, title_key, description) SELECT ?, 'tenant', nextval('task_numbers'), 'hay ' || i, 'hay ' || i, 'and ' || md5(i::text) FROM generate_series(1, 8000) i}, undef, $tenant);
}
$super->do('VACUUM ANALYZE');

# What each looks for, and what it must read by.
my %try = (
    activity_candidates => { call => sub ($tenant) { (q{SELECT id FROM activity_candidates(?, ARRAY['00000000-0000-0000-0000-000000000000'::uuid], NULL, NULL, '-infinity', 'infinity', ?, 20)}, $org{$tenant}, 'aardvark') },
                             found => sub ($tenant) { $happened{$tenant} }, index => qr/\Aactivities_/ },
    project_candidates => { call => sub ($tenant) { ('SELECT unnest(ids) FROM project_candidates(?, ?, 20, 0, 20000)', $owner{$tenant}, 'aardvark') }, found => sub ($tenant) { $one{$tenant} }, index => qr/\Aprojects_/ },
    record_candidates => { call => sub ($tenant) { (q{SELECT record_candidates(?, ?, NULL, NULL, 100)}, $content{$tenant}, '%aardvark%') }, found => sub ($tenant) { $recorded{$tenant} }, index => qr/\Arecords_search/ },
    record_value_candidates => { call => sub ($tenant) { (q{SELECT record_value_candidates(?, ?, NULL, ?, 100)}, $content{$tenant}, '%aardvark%', '%aardvark%') }, found => sub ($tenant) { $recorded{$tenant} }, index => qr/\Arecords_search/ },
    record_geometry_candidates => { call => sub ($tenant) { (q{SELECT record_geometry_candidates(?, 49, 49, 51, 51, NULL, NULL)}, $content{$tenant}) }, found => sub ($tenant) { $recorded{$tenant} }, index => qr/\Arecord_geometries_map/ },
    record_spatial_candidates => {
        call  => sub ($tenant) { (q{SELECT record_spatial_candidates(?, ?, NULL, NULL, 'INTERSECTS', 0, true, 100) FROM (SELECT set_config('app.organization_id', ?, true)) x}, $area{$tenant}, $content{$tenant}, $org{$tenant}) },
        found => sub ($tenant) { $recorded{$tenant} }, index => qr/\Arecord_geometries_map/,
    },
    organization_candidates => { call => sub ($tenant) { ('SELECT id FROM organization_candidates(?)', 'aardvark') }, found => sub ($tenant) { $organization{$tenant} }, index => qr/\Aorganizations_/ },
    member_candidates  => { call => sub ($tenant) { ('SELECT unnest(ids) FROM member_candidates(?, ?, NULL, 20, 0, 3001, array[]::uuid[])', $organization{$tenant}, 'aardvark') }, found => sub ($tenant) { $member{$tenant} }, index => qr/\Amember_profiles_grams\z/ },
    task_candidates    => { call => sub ($tenant) { (q{SELECT number FROM task_candidates(?, task_statuses(NULL), task_ranks(NULL), NULL, NULL)}, 'aardvark') }, found => sub ($tenant) { $task{$tenant} }, index => qr/\Atasks_search/ },
    tenant_team_candidates => { call => sub ($tenant) { ('SELECT id FROM tenant_team_candidates(?)', 'aardvark') }, found => sub ($tenant) { $crew{$tenant} }, index => qr/\Atenant_teams_search/ },
    product_candidates => { call => sub ($tenant) { ('SELECT number FROM product_candidates(?)', 'aardvark') }, found => sub ($tenant) { $product{$tenant} }, index => qr/\Aproducts_search/ },
    team_candidates    => { call => sub ($tenant) { ('SELECT id FROM team_candidates(?, ?)', $organization{$tenant}, 'aardvark') }, found => sub ($tenant) { $team{$tenant} }, index => qr/\Aworkspace_teams_search/ },
    text_file_candidates => { call => sub ($tenant) { ('SELECT number FROM text_file_candidates(?, NULL, NULL, NULL)', 'aardvark') }, found => sub ($tenant) { $text{$tenant} }, index => qr/\Atext_files_search/ },
    user_candidates    => { call => sub ($tenant) { ('SELECT id FROM user_candidates(?, NULL, NULL)', 'aardvark') }, found => sub ($tenant) { $owner{$tenant} }, index => qr/\Ausers_search_/ },
);

my $functions = $super->selectall_arrayref(<<~'END', { Slice => {} });
    SELECT p.proname AS name, p.oid::regprocedure::text AS signature, p.proowner::regrole::text AS owner, p.prosecdef AS is_definer, p.proconfig::text AS config,
           has_function_privilege('public', p.oid, 'EXECUTE') AS is_public, p.proacl::text AS acl, p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), '') AS text, p.provolatile AS volatile
    FROM pg_proc p WHERE proname LIKE '%\_candidates' OR proowner = 'ashlar_search'::regrole ORDER BY 1
    END

subtest 'the rules of every such function' => sub {
    is join(' ', do { my %seen; grep { !$seen{$_}++ } map { $_->{name} } @$functions }), join(' ', sort keys %try), 'each is known here: one that is not needs its line in %try';
    for my $f (@$functions) {
        is $f->{owner}, 'ashlar_search', "$f->{signature} belongs to ashlar_search";
        like $f->{name}, qr/_candidates\z/, '  and is called so';
        ok $f->{is_definer}, '  SECURITY DEFINER';
        is $f->{config}, '{"search_path=pg_catalog, public, pg_temp"}', '  with a fixed search_path';
        ok !$f->{is_public}, '  is not for everybody';
        is join(' ', sort map { s{=.*}{}r } split /,/, $f->{acl} =~ tr/{}//dr), 'ashlar_api ashlar_search', '  but for the api';
        is $f->{volatile}, 's', '  and changes nothing';
        like $f->{text}, qr/tenant_id = \( ?SELECT app_tenant\(\)/, '  asks for the tenant itself';
        like $f->{text}, qr/LIMIT/, '  and no more than a number of rows';
        unlike $f->{text}, qr/EXECUTE/, '  and makes no statement of text';
    }
};

subtest 'the role can do nothing else' => sub {
    my $role = $super->selectrow_hashref(q{SELECT * FROM pg_roles WHERE rolname = 'ashlar_search'});
    ok !$role->{$_}, "not $_" for qw(rolcanlogin rolsuper rolbypassrls rolcreaterole rolcreatedb rolreplication rolinherit);
    is_deeply $super->selectcol_arrayref(q{SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'ashlar_search'::regrole OR member = 'ashlar_search'::regrole}), [], 'nobody is a member: a member would see all tenants';
    is_deeply $super->selectcol_arrayref(q{SELECT DISTINCT table_name || ' ' || privilege_type FROM information_schema.column_privileges WHERE grantee = 'ashlar_search' ORDER BY 1}), [ map { "$_ SELECT" } qw(activities member_profiles memberships organizations products projects record_geometries records tasks tenant_teams text_files users workspace_teams) ], 'reads the searched tables';
    my $secret = $super->selectcol_arrayref(q{SELECT table_name || '.' || column_name FROM information_schema.column_privileges WHERE grantee = 'ashlar_search' AND column_name ~ 'hash|secret|sealed|token|password'});
    is "@$secret", '', 'and no secret in them';
    is_deeply $super->selectcol_arrayref(q{SELECT polrelid::regclass || ' ' || polcmd::text FROM pg_policy WHERE 'ashlar_search'::regrole = ANY (polroles) ORDER BY 1}), [ map { "$_ r" } qw(activities member_profiles memberships organizations products projects record_geometries records tasks tenant_teams text_files users workspace_teams) ], 'by policies that let it read';
    ok !$super->selectrow_array(q{SELECT has_schema_privilege('ashlar_search', 'public', 'CREATE')}), 'makes nothing';
    for my $text ('SET ROLE ashlar_search', 'GRANT ashlar_search TO ashlar_api') {
        ok !eval { $api->do($text); 1 }, "not for the api: $text";
    }
    my $owner = $cluster->connect($name, 'ashlar');
    is_deeply $owner->selectcol_arrayref('SELECT id FROM projects'), [], 'the owner sees no more for it';
    $owner->disconnect;
};

for my $f (@$functions) {
    my $try = $try{ $f->{name} } // next;
    subtest "$f->{name}: of two tenants" => sub {
        for my $tenant ($A, $B) {
            my ($text, @values) = $try->{call}->($tenant);
            is_deeply $sql->in($api, $tenant, $owner{$tenant}, sub { $api->selectcol_arrayref($text, undef, @values) }), [ $try->{found}->($tenant) ], 'finds its own';
        }
        my ($text, @values) = $try->{call}->($B);
        my $other = $sql->in($api, $A, $owner{$A}, sub { $api->selectcol_arrayref($text, undef, @values) });
        is_deeply [ grep { $_ eq $try->{found}->($B) } @$other ], [], 'and not the other\'s, whatever it is told';
        is_deeply $api->selectcol_arrayref($text, undef, @values), [], 'without a tenant nothing';
    };
    subtest "$f->{name}: reads by an index, as the api's role" => sub {
        my $db = $cluster->connect($name);
        $db->do(q{LOAD 'auto_explain'});
        $db->do("SET $_") for 'auto_explain.log_min_duration = 0', 'auto_explain.log_nested_statements = on', 'auto_explain.log_analyze = on', 'auto_explain.log_format = json', 'auto_explain.log_level = notice',
            'client_min_messages = notice', 'plan_cache_mode = force_generic_plan', 'role = ashlar_api';
        my @plans;
        local $SIG{__WARN__} = sub ($text) { push @plans, decode_json($1)->{Plan} if $text =~ /plan:\n(\{.*\})/s };
        my ($text, @values) = $try->{call}->($A);
        $sql->in($db, $A, $owner{$A}, sub { $db->selectcol_arrayref($text, undef, @values) });
        my (@indexes, @bad);
        my $walk;
        $walk = sub ($node) {
            push @indexes, $node->{'Index Name'} // ();
            push @bad, "$node->{'Node Type'} on $node->{'Relation Name'}" if ($node->{'Node Type'} eq 'Seq Scan' && $node->{'Relation Name'}) || ($node->{'Rows Removed by Filter'} // 0) > 200;
            $walk->($_) for @{ $node->{Plans} // [] };
        };
        $walk->($_) for @plans;
        ok scalar(grep { $_ =~ $try->{index} } @indexes), join ' ', 'by', @indexes;
        ok scalar(grep { $_ eq 'projects_search' } @indexes), 'that of three characters among them' if $f->{name} eq 'project_candidates';
        is "@bad", '', 'and tests no row after the other';
        $db->disconnect;
    };
}

subtest 'the list finds the same' => sub {
    my $list = sub (%value) { return $sql->in($api, $A, $owner{$A}, sub { [ $sql->run($api, project_list => limit => 20, skip => 0, %value) ] }) };
    my $rare = $list->(search => 'AARD');
    is join(' ', map { "$_->{total} $_->{name}" } @$rare), '1 The aardvark', 'what is rare';
    my $common = $list->(search => 'proj', skip => 10);
    is $common->[0]{name}, 'Project 11', 'newest first';
    is_deeply [ grep { $_->{name} } @{ $list->(search => '100%') } ], [], 'characters are what they are';

    # What many, some, few and none have, also among the oldest alone, in each way that it is looked for; then with a policy.
    my @searches = ('project', 'PROJ', 't', '1', '12', '123', '1234', 't 1999', 'old', 'zulu', 'zulu 2500', "\x{e9}t\x{c9}", "\x{c9}t", "the \x{e9}", 'qz', 'none of it', 'aardvark', '%', '_ld', '\\', "of the");
    my $all = $super->selectall_arrayref('SELECT id, name FROM projects WHERE owner_id = ? ORDER BY created_at DESC, id DESC', { Slice => {} }, $owner{$A});
    for my $search (@searches) {
        my @ids = map { $_->{id} } grep { index(lc $_->{name}, lc $search) >= 0 } @$all;
        for my $page ([ 20, 0 ], [ 20, 40 ], [ 100, 30 ], [ 5, 900 ], [ 20, 11000 ]) {
            my ($limit, $skip) = @$page;
            my $most  = min(10001, max(51, $skip + $limit + 1));
            my $found = $list->(search => $search, limit => $limit, skip => $skip);
            is $found->[0]{total}, min($most, scalar @ids), "$search, $skip: " . @ids . ", counted up to $most";
            is_deeply [ map { $_->{id} // () } @$found ], [ map { $ids[$_] } $skip .. min($skip + $limit, $most, scalar @ids) - 1 ], '  and these';
        }
    }
};

subtest 'members are found, however it is done' => sub {
    my $all = $super->selectall_arrayref('SELECT member_id, search_text FROM member_profiles WHERE organization_id = ? ORDER BY sort_name, member_id', { Slice => {} }, $organization{$A});
    is scalar @$all, 3001, 'so many';
    # By walking through them, and by three and six characters in a row; what is shorter, what nobody has, and what only seems to be there.
    for my $search ('a', 'AIL', 'sailor', 'Sailor 2', 'SAILOR 29', 'sailor 2999', '99', '999', '2999@', '2999@c', 'm2999@', 'M2999@Crew.Example', 'aardvark', 'ann@aardvark.example', 'example', 'crewex', 'sailor 299 9', '%', '_ailor 2999', 'sailor%2999', '2999\\@') {
        my @ids = map { $_->{member_id} } grep { index($_->{search_text}, lc $search) >= 0 } @$all;
        for my $page ([ 20, 0 ], [ 20, 20 ], [ 50, 1000 ]) {
            my ($limit, $skip) = @$page;
            my $most = max(51, $skip + $limit + 1);
            my ($total, $ids) = @{ $sql->in($api, $A, $owner{$A}, sub {
                [ $api->selectrow_array('SELECT c.total, c.ids FROM member_candidates(?, ?, NULL, ?, ?, 3001, array[]::uuid[]) c', undef, $organization{$A}, $search, $limit, $skip) ] }) };
            is $total, min($most, scalar @ids), "$search, $skip: " . @ids . ", counted up to $most";
            is_deeply $ids // [], [ @ids[ $skip .. min($skip + $limit, scalar @ids) - 1 ] ], '  and these';
        }
    }
};

# The index has everybody's: what others have much of is not read for it.
subtest 'what is rare here and frequent elsewhere' => sub {
    my @seeds = map { $super->selectrow_array('SELECT uuid_hash_extended(?, 0) & 1023', undef, $owner{$_}) } $A, $B;
    isnt $seeds[0], $seeds[1], 'the two owners stand apart in it';
    my $plan = $super->selectrow_array(q{EXPLAIN (ANALYZE, FORMAT json) SELECT FROM projects WHERE deleted_at IS NULL AND project_grams(owner_id, name) @> project_grams(?, 'zulu')}, undef, $owner{$A});
    my $node = decode_json($plan)->[0]{Plan}{Plans}[0];
    is "$node->{'Index Name'} $node->{'Actual Rows'}", 'projects_search 1', 'one of 5,001 is read';
};

# Without the role: the owner may not make one.  Nothing fails, and the same is found.
subtest 'an owner who may not make the role' => sub {
    my $plain = "search_$$";
    my $db    = $cluster->connect('postgres');
    $db->do("CREATE ROLE owner_$$ LOGIN");
    $db->do("CREATE DATABASE $plain OWNER owner_$$");
    my $migrate = sub {
        my $log = "/tmp/search_$$.log";
        my $run = Ashlar::Process->start(name => 'migrate', cmd => [ "$Ashlar::Cluster::BUILD/ashlar", 'migrate' ], log => $log, env => { DATABASE_OWNER_URL => $cluster->url($plain, "owner_$$"), Ashlar::Cluster::sanitizer_env('/tmp') });
        my $status = $run->wait_for(60) >> 8;
        open my $in, '<', $log or die "$log: $!\n";
        local $/ = undef;
        my $text = <$in>;
        unlink $log;
        return ($status, $text);
    };
    my ($status, $text) = $migrate->();
    is $status, 0, 'migrates' or diag $text;
    like $text, qr/warning: searches test one row after the other, until owner_$$ may make the role ashlar_search; as the superuser: psql -c "ALTER ROLE owner_$$ CREATEROLE"/, 'and is told';
    my $in = $cluster->connect($plain);
    $in->do(q{SELECT set_config('app.quiet', 'on', false), set_config('app.tenant_id', ?, false)}, undef, $A);
    my ($user) = $in->selectrow_array(q{INSERT INTO users (tenant_id, public_id) VALUES (?, 'ann') RETURNING id}, undef, $A);
    $in->do(q{INSERT INTO projects (tenant_id, owner_id, name) SELECT ?, ?, 'Project ' || i FROM generate_series(1, 300) i}, undef, $A, $user);
    my $as = $cluster->connect($plain, 'ashlar_api');
    my $find = sub { $sql->in($as, $A, $user, sub { scalar @{ $as->selectcol_arrayref(q{SELECT unnest(ids) FROM project_candidates(?, 'ct 12', 100, 0, 300)}, undef, $user) } }) };
    is $find->(), 11, 'the same is found';
    $db->do("ALTER ROLE owner_$$ CREATEROLE");
    ($status, $text) = $migrate->();
    unlike $text, qr/warning: searches/, 'then it may';
    is $in->selectrow_array(q{SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'project_candidates'}), 'ashlar_search', 'and the functions are the role\'s';
    is $find->(), 11, 'the same is found';
    ($status, $text) = $migrate->();
    unlike $text, qr/applying/, 'again: nothing to do';
    $_->disconnect for $as, $in;
    $db->do("DROP DATABASE $plain WITH (FORCE)");
    $db->do("DROP ROLE owner_$$");
    $db->disconnect;
};

$_->disconnect for $api, $super;
$cluster->drop($name);
done_testing;
