use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS 'encode_json';

# What no index knows of a large recordset is read from end to end: of a tenant by two questions at once, so that they are not all that the server does.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';

my $w = workspace($t, ann => 'owner', carl => 'member');
my ($ann, $carl) = @$w{qw(ann carl)};
my @FIELDS = ({ key => 'name', type => 'text' }, { key => 'depth', type => 'number' }, { key => 'any', type => 'json' }, { key => 'half', type => 'boolean' }, { key => 'other', type => 'boolean' });

# One of so many records, as an import would have left it.
sub many ($name, $n) {
    my $set = $ann->post($sets, { name => $name, schema => { fields => \@FIELDS } })->json('/id');
    $ann->post($base, { recordset_id => $set, field_values => { name => 'first', depth => 1, any => 'x' } });
    $db->begin_work;
    $db->do('SET LOCAL session_replication_role = replica');
    $db->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, title, field_values, folded, t06, created_at)
              SELECT r.tenant_id, r.organization_id, r.recordset_id, r.content_id, 'x', '{"name": "x"}', 'x', 'x', r.created_at - i * interval '1 s'
              FROM (SELECT * FROM records WHERE recordset_id = ?) r, generate_series(1, ?::integer) i}, undef, $set, $n - 1);
    $db->do('UPDATE recordset_counts SET count = count + ? WHERE recordset_id = ?', undef, $n - 1, $set);
    $db->commit;
    return $set;
}
my ($large, $small) = (many('Large', 20_001), many('Small', 20_000));
$db->do('ANALYZE records');

sub by_json ($set, $who = $ann) { return $who->get($base, query => { recordset_id => $set, column_filters => encode_json({ any => ['x'] }) }) }
sub facets ($set, %query) { return $ann->get("$sets/$set/facets", query => { fields => 'name', %query }) }

# As two that read are in the middle of it: of this tenant, or of another one.
my $tenant = $db->selectrow_array('SELECT tenant_id FROM recordsets WHERE id = ?', undef, $large);
sub busy ($of, @places) { $db->do(q{SELECT pg_advisory_lock(hash_record_extended(ROW ('record_scan'::text, ?::uuid, ?::integer), 0))}, undef, $of, $_) for @places; return }
sub idle () { return $db->do('SELECT pg_advisory_unlock_all()') }

subtest 'beside two others it has to come again' => sub {
    busy($tenant, 1, 2);
    for my $case ([ 'a filter without an index' => sub { by_json($large) } ], [ 'a page in the order of what cannot have one' => sub { $ann->get($base, query => { recordset_id => $large, sort_by => 'any' }) } ],
        [ 'in all recordsets' => sub { $ann->get($base, query => { search => 'first' }) } ], [ 'facets of all' => sub { facets($large) } ], [ 'facets of a filter' => sub { facets($large, column_filters => encode_json({ any => ['x'] })) } ]) {
        my ($what, $ask) = @$case;
        my $res = $ask->();
        error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => $what;
        is $res->header('Retry-After'), 2, '  and when';
        json_is $res, '/error/details/retry_after', 2, '  also in the body';
        like $res->json('/error/message'), qr/\Atwo questions of this tenant read all records/, '  and why';
    }
    error_is by_json($large, $carl), 403, 'AUTHORIZATION_ERROR', name => 'who may not see them is told that';
    idle();
};

subtest 'what an index knows, or what is small, is answered meanwhile' => sub {
    busy($tenant, 1, 2);
    status_is $ann->get($base, query => { recordset_id => $large, %$_ }), 200
        for {}, { sort_by => 'name' }, { column_filters => encode_json({ name => ['first'] }) }, { search => 'first' }, { column_filters => encode_json({ name => ['x'] }) }, { column_filters => encode_json({ name => ['x'], title => ['x'] }) };
    status_is by_json($small), 200;
    status_is facets($small), 200;
    idle();
};

subtest 'with a place left it is read' => sub {
    for my $place (1, 2) {
        busy($tenant, $place);
        my $res = by_json($large);
        status_is $res, 200;
        json_is $res, '/total', 1;
        json_is facets($large), '/total', 20_001;
        idle();
    }
    busy('00000000-0000-7000-8000-00000000dead', 1, 2);
    status_is by_json($large), 200, 'beside those of another tenant';
    idle();
    status_is by_json($large), 200, 'and again: a place is given back with the answer';
};
