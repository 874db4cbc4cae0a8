# What a page of records reads: as much in a recordset of sixty thousand as in a small one, whatever is asked, and under the policies, as the api's
# role. Counted are the rows that go through each node of each statement that records_find() makes, as PostgreSQL itself reports them (auto_explain).

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Test::More;

my $MANY = 60_000;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $tenant  = '00000000-0000-7000-8000-000000000001';
$super->do(q{SELECT set_config('app.quiet', 'on', false), set_config('app.tenant_id', ?, false)}, undef, $tenant);
my ($org) = $super->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Many', 'many') RETURNING id}, undef, $tenant);
my ($user) = $super->selectrow_array(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'many', 'many@example.com') RETURNING id}, undef, $tenant);
my ($me) = $super->selectrow_array(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, 'owner') RETURNING id}, undef, $tenant, $org, $user);

# One that is asked, and others beside it, so that the statistics of a slot are of nobody: a city here is a name there.
my %set;
for my $which ([ asked => $MANY ], map { [ "other $_" => 2000 ] } 1 .. 5) {
    my ($slug, $n) = @$which;
    my ($id, $content) = $super->selectrow_array(q{
        INSERT INTO recordsets (tenant_id, organization_id, slug, name, fields, title_field, owner_id)
        VALUES (?, ?, ?, ?, ?::jsonb, 'name', ?) RETURNING id, content_id}, undef, $tenant, $org, $slug =~ tr/ /-/r, $slug,
        encode_json([ map { { key => $_->[0], label => $_->[0], type => $_->[1] } } [ name => 'text' ], [ city => 'text' ], [ half => 'text' ], [ price => 'number' ], [ size => 'number' ], [ sparse => 'number' ], [ on => 'date' ], [ open => 'boolean' ] ]), $me);
    my ($slots) = $super->selectrow_array('SELECT slots::text FROM recordsets WHERE id = ?', undef, $id);
    is_deeply { %{ decode_json($slots) }, folded => 0 }, { t06 => 'name', t07 => 'city', t08 => 'half', n06 => 'price', n07 => 'size', n08 => 'sparse', d04 => 'on', b03 => 'open', folded => 0 }, 'the slots' if $slug eq 'asked';
    $super->do(q{
        INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, title, field_values, folded, t06, t07, t08, n06, n07, n08, d04, b03, created_at, owner_id, tags)
        SELECT $1, $2, $3, $4, v ->> 'name', v, v ->> 'name', v ->> 'name', v ->> 'city', v ->> 'half', (v ->> 'price')::float8, (v ->> 'size')::float8, (v ->> 'sparse')::float8,
               (v ->> 'on')::timestamp AT TIME ZONE 'UTC', (v ->> 'open')::boolean, now() - i * interval '1 second', $6, CASE WHEN i % 20000 = 7 THEN '{rare}'::text[] ELSE '{}' END
        FROM generate_series(1, $5::integer) i
        CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object('name', CASE WHEN i % 15000 = 3 THEN 'needle' ELSE 'hay' END || ' ' || md5(i::text), 'city', CASE WHEN i % 12000 = 5 THEN 'rare' WHEN i % 10 = 0 THEN 'some' ELSE 'most' END,
            'half', CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 'price', i * 7 % 1000, 'size', i * 13 % 50000, 'sparse', CASE WHEN i % 500 = 0 THEN i END, 'on', '2026-01-01'::date + i % 300, 'open', i % 3 = 0))) x (v)},
        undef, $tenant, $org, $id, $content, $n, $me);
    $super->do('INSERT INTO recordset_counts (tenant_id, organization_id, recordset_id, stripe, count) VALUES (?, ?, ?, 0, ?)', undef, $tenant, $org, $id, $n);
    $set{$slug} = $id;
}
$super->do('VACUUM ANALYZE records');
$super->do(q{LOAD 'auto_explain'});
$super->do("SET $_") for 'auto_explain.log_min_duration = 0', 'auto_explain.log_analyze = on', 'auto_explain.log_timing = off', 'auto_explain.log_nested_statements = on', 'auto_explain.log_format = json', 'jit = off';
$super->do(q{SELECT set_config('app.organization_id', ?, false), set_config('app.member_id', ?, false), set_config('app.org_role', 'owner', false)}, undef, $org, $me);
$super->do('SET ROLE ashlar_api');

# The most rows that went through one node, and which one.
sub most ($node) {
    my @here = (($node->{'Actual Rows'} + ($node->{'Rows Removed by Filter'} // 0) + ($node->{'Rows Removed by Index Recheck'} // 0)) * $node->{'Actual Loops'}, join ' ', grep { defined } @$node{ 'Node Type', 'Relation Name', 'Index Name' });
    for my $below (@{ $node->{Plans} // [] }) {
        my @below = most($below);
        @here = @below if $below[0] > $here[0];
    }
    return @here;
}

my $statements;    # that read records, of the last question

# Ask, compare with what the plain statement finds, and count.
sub reads ($about, $bound, $where, $order, %asked) {
    my ($size, $skip) = (delete $asked{size} // 50, delete $asked{skip} // 0);
    my ($most, $what, @plans) = (0, '');
    my ($ids, $total);
    {
        local $SIG{__WARN__} = sub ($text) { push @plans, $1 if $text =~ /plan:\n(\{.*\})/s };
        $super->do('SET client_min_messages = log');
        ($ids, $total) = $super->selectrow_array('SELECT ids, total FROM records_find(?, ?::jsonb, ?, ?)', undef, $set{asked}, encode_json({ filters => [], %asked }), $size, $skip);
        $super->do('SET client_min_messages = warning');
    }
    $statements = grep { /"Relation Name": "records"/ } @plans;
    for my $plan (map { decode_json($_)->{Plan} } grep { /records/ && !/records_find/ } @plans) {
        my ($n, $of) = most($plan);
        ($most, $what) = ($n, $of) if $n > $most;
    }
    cmp_ok scalar @plans, '>', 1, "$about: statements were reported";
    cmp_ok $most, '<=', $bound, "$about: at most $bound rows ($most)" or diag $what;
    my ($real) = $super->selectrow_array("SELECT count(*) FROM records WHERE recordset_id = ? AND ($where)", undef, $set{asked});
    is $total, $where eq 'true' ? $real : $real > 10_001 ? 10_001 : $real, '  the total';
    my $want = $super->selectcol_arrayref("SELECT id FROM records WHERE recordset_id = ? AND ($where) ORDER BY $order LIMIT ? OFFSET ?", undef, $set{asked}, $size, $skip);
    is "@$ids", "@$want", '  and the page';
    return;
}
sub column ($key, @values) { return { path => $key, key => $key, op => 'in', values => \@values } }
sub number ($key, %range) { return { path => $key, key => $key, op => 'number', %range } }

# To count as far as 10,001, and what stands between.
my ($newest, $count) = ('created_at DESC, id', 25_000);
reads 'all, the newest first', 100, 'true', $newest;
reads 'a deep page', 5_100, 'true', $newest, skip => 5_000;
reads 'by a number', 100, 'true', 'n06, id', sort_by => 'price', descends => \0;
reads 'by a number, descending', 100, 'true', 'n06 DESC, id DESC', sort_by => 'price';
reads 'by a text', 100, 'true', 't06 COLLATE "und-x-icu", id', sort_by => 'name', descends => \0;
reads 'by the title', 100, 'true', 'title COLLATE "und-x-icu" DESC, id DESC', sort_by => 'title';
reads 'by the change', 100, 'true', 'updated_at, id DESC', sort_by => 'updated_at', descends => \0;
reads 'by what few have, across the border', 500, 'true', 'n08 NULLS LAST, CASE WHEN n08 IS NULL THEN created_at END DESC, id', sort_by => 'sparse', descends => \0, skip => 100;
reads '  and behind it', 600, 'true', 'n08 NULLS LAST, CASE WHEN n08 IS NULL THEN created_at END DESC, id', sort_by => 'sparse', descends => \0, skip => 200;
reads '5 of them, by another field', 2_100, q{t07 = 'rare'}, 'n06, id', filters => [ column(city => 'rare') ], sort_by => 'price', descends => \0;
is $statements, 1, '  by one statement: to plan it takes longer than to read them';
reads 'most of them', $count, q{t07 = 'most'}, 'n06 DESC, id DESC', filters => [ column(city => 'most') ], sort_by => 'price';
reads 'a tenth', $count, q{t07 = 'some'}, $newest, filters => [ column(city => 'some') ];
reads 'none', 2_100, 'false', $newest, filters => [ column(city => 'nowhere') ];
reads 'a range, by its field', $count, 'n06 >= 200 AND n06 <= 800', 'n06, id', filters => [ number(price => min => 200, max => 800) ], sort_by => 'price', descends => \0;
reads 'a range at the end, by its field', 4_000, 'n06 >= 900 AND n06 <= 950', 'n06, id', filters => [ number(price => min => 900, max => 950) ], sort_by => 'price', descends => \0;
reads 'a narrow range, by another', 2_100, 'n07 >= 100 AND n07 <= 110', 't06 COLLATE "und-x-icu", id', filters => [ number(size => min => 100, max => 110) ], sort_by => 'name', descends => \0;
reads 'few and many', 2_100, q{t07 = 'rare' AND b03}, $newest, filters => [ column(open => 'true'), column(city => 'rare') ];
reads 'a word that few have', 2_100, q{t06 LIKE '%needle%'}, 'n06, id', search => 'NEEDLE', sort_by => 'price', descends => \0;
reads '  in a field', 2_100, q{t06 LIKE '%needle%'}, $newest, filters => [ { path => 'x', key => 'name', op => 'contains', values => ['needle'] } ];
is $statements, 3, '  by three: some in their order, the candidates, and the page of these';
reads 'one that most have', $count, q{t06 LIKE '%hay%'}, $newest, search => 'hay';
reads 'one that nobody has', 2_100, 'false', $newest, search => 'absent';
reads 'a tag', 2_100, q{tags = '{rare}'}, $newest, tags => '{rare}';
reads 'a state that none have', 2_100, 'false', $newest, statuses => '{draft}';
# Not as little, but right: each half is large, nothing is in both.
reads 'two halves without a common record', 4 * $MANY, 'false', $newest, filters => [ column(half => 'even'), column(half => 'odd') ];

# Unique fields: what a write reads of keys is a few of them, right after the field of a large recordset became unique, too. Nobody has analyzed the table yet,
# and what was planned when it was empty is still there.
$super->do('RESET ROLE');
$super->do('ALTER TABLE record_keys SET (autovacuum_enabled = false)');
$super->do('SET ROLE ashlar_api');
$super->do('SET plan_cache_mode = force_generic_plan');

sub become_unique ($slug) {
    return $super->do(q{UPDATE recordsets SET fields = (SELECT jsonb_agg(CASE f ->> 'key' WHEN 'name' THEN f || '{"unique": true}' ELSE f END ORDER BY nr) FROM jsonb_array_elements(fields) WITH ORDINALITY e (f, nr)) WHERE id = ?},
        undef, $set{$slug});
}

# What a statement returns; counted are the rows of those within it that look keys up.
sub writes ($about, $statement, @params) {
    my ($most, $what, $n, $value) = (0, '', 0);
    {
        local $SIG{__WARN__} = sub ($text) {
            my $said = $text =~ /plan:\n(\{.*\})/s ? decode_json($1) : return;
            return if $said->{'Query Text'} !~ /record_keys [kx] /;
            $n++;
            my ($rows, $of) = most($said->{Plan});
            ($most, $what) = ($rows, $of) if $rows > $most;
        };
        $super->do('SET client_min_messages = log');
        $value = $super->selectrow_array($statement, undef, @params);
        $super->do('SET client_min_messages = warning');
    }
    cmp_ok $n, '>', 0, "$about: statements about keys were reported";
    cmp_ok $most, '<=', 40, "  of at most 40 rows ($most)" or diag $what;
    return $value;
}

sub is_written ($slug, $of) {
    my $set    = $set{$slug};
    my $rows   = sub (@names) { encode_json([ map { { field_values => { name => $_ } } } @names ]) };
    my $upsert = sub (@names) { encode_json([ map { { op => 'upsert', id => $super->selectrow_array('SELECT uuid_v7()'), values => { name => $_ }, defaults => {}, set => {} } } @names ]) };
    my $id     = writes("$slug: one that is new", 'SELECT (records_made(?, ?::jsonb, false))[1]', $set, $rows->('new'));
    is writes('many that are new', 'SELECT cardinality(records_made(?, ?::jsonb, true))', $set, $rows->(map { "new $_" } 1 .. 20)), 20, '  are made';
    is writes('one that is changed', 'SELECT record_change(?, ?::jsonb, 4, NULL)', $id, '{"values": {"name": "newer"}}'), $id, '  is that one';
    is_deeply decode_json(writes('one that is there and one that is not', 'SELECT json_build_array(b.created_count, b.unchanged_count, b.failed_count) FROM records_batch(?, ?::jsonb, ?, NULL::integer) b', $set, $upsert->('newer', 'newest'), 'name')), [ 1, 1, 0 ], '  are told apart';
    is $super->selectrow_array('SELECT count(*) FROM record_keys WHERE content_id = (SELECT content_id FROM recordsets WHERE id = ?)', undef, $set), $of + 22, '  and all have a key';
    is writes('one that is deleted', 'SELECT cardinality(deleted) FROM records_delete(ARRAY[?::uuid])', $id), 1, '  is that one';
    is $super->selectrow_array('SELECT count(*) FROM record_keys WHERE record_id = ?', undef, $id), 0, '  and has none';
    return;
}

# A small one first: at that time it costs nothing to read the whole table.
become_unique('other 1');
is_written('other 1', 2000);
become_unique('asked');
is_written('asked', $MANY);
ok !eval { $super->selectrow_array('SELECT records_made(?, ?::jsonb, false)', undef, $set{asked}, '[{"field_values": {"name": "newest"}}]'); 1 }, 'what another one has is refused';

$super->do('RESET ROLE');
$super->disconnect;
$cluster->drop($name);
done_testing;
