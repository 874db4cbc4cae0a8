use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# How the records of a recordset are spread over values, against counting by hand.
my $t    = Api->start(main => 2);
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});
my @fields = ({ key => 'ground', type => 'select', options => [qw(sand mud rock)] }, { key => 'seen', type => 'multi_select', options => [qw(fish weed)] }, { key => 'depth', type => 'number' }, { key => 'on', type => 'date' }, { key => 'place', type => 'text' });
my $set = $bob->post($sets, { name => 'Soundings', schema => { fields => \@fields } })->json('/id');
my @all = (
    { ground => 'sand', depth => 4, on => '2026-01-05', seen => [qw(fish weed)], place => 'Mole' },
    { ground => 'sand', depth => 6, on => '2026-01-31', seen => ['fish'], place => 'Pier' },
    { ground => 'sand', on => '2026-02-01', seen => [] },
    { ground => 'mud', depth => -1.5, on => '2025-02-01', place => 'Mole' },
    { depth => 10 },
);
status_is $bob->post("$base/batch", { recordset_id => $set, items => [ map { { field_values => $_, tags => [ $_->{depth} ? 'deep' : 'flat' ] } } @all ] }), 200;
$bob->delete("$base/" . $bob->post($base, { recordset_id => $set, field_values => { ground => 'rock' } })->json('/id'));

sub facets ($query, $who = $bob, $of = $set) { return $who->get("$sets/$of/facets", query => $query) }
sub spread ($query) { my $res = facets($query); status_is $res, 200; return { map { ($_->{field} => [ map { [ $_->{value}, $_->{count} ] } @{ $_->{values} } ]) } @{ $res->json('/facets') } } }

subtest 'what is refused' => sub {
    error_is facets({ fields => 'ground' }, $eve), 404, 'NOT_FOUND', name => 'another workspace\'s';
    error_is facets({ fields => 'ground' }, $carl), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
    error_is facets({ fields => 'ground' }, $bob, $none), 404, 'NOT_FOUND', id => $none;
    error_is facets($_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ fields => {} ], [ fields => { fields => 'nothing' } ], [ fields => { fields => join ',', ('ground') x 11 } ], [ interval => { fields => 'on', interval => 'week' } ], [ interval => { fields => 'ground', interval => 'day' } ],
            [ measure => { fields => 'ground', measure => 'place' } ], [ measure => { fields => 'ground', measure => 'nothing' } ], [ limit => { fields => 'ground', limit => 0 } ], [ limit => { fields => 'ground', limit => 1001 } ], [ column_filters => { fields => 'ground', column_filters => '{' } ];
};

subtest 'counts' => sub {
    my $res = facets({ fields => 'ground,seen' });
    json_is $res, '', { recordset_id => $set, total => 5, facets => [
        { field => 'ground', value_count => 2, other_count => 0, values => [ { value => 'sand', count => 3 }, { value => 'mud', count => 1 }, { value => undef, count => 1 } ] },
        { field => 'seen', value_count => 2, other_count => 0, values => [ { value => undef, count => 3 }, { value => 'fish', count => 2 }, { value => 'weed', count => 1 } ] } ] }, 'one with several values counts for each';
    is_deeply spread({ fields => 'status,tags,owner_id' }), { status => [ [ 'active', 5 ] ], tags => [ [ 'deep', 4 ], [ 'flat', 1 ] ], owner_id => [ [ $w->member_id('bob'), 5 ] ] }, 'also by what is no field';
    is_deeply spread({ fields => 'on', interval => 'month' }), { on => [ [ '2026-02-01', 1 ], [ '2026-01-01', 2 ], [ '2025-02-01', 1 ], [ undef, 1 ] ] }, 'by months';
    is_deeply spread({ fields => 'on', interval => 'year' }), { on => [ [ '2026-01-01', 3 ], [ '2025-01-01', 1 ], [ undef, 1 ] ] };
    is_deeply spread({ fields => 'on', interval => 'day' })->{on}[0], [ '2026-02-01', 1 ];
    is scalar @{ spread({ fields => 'created_at', interval => 'year' })->{created_at} }, 1;
    json_is facets({ fields => 'place', limit => 1 }), '/facets/0', { field => 'place', value_count => 2, other_count => 3, values => [ { value => 'Mole', count => 2 } ] }, 'what is not listed is counted';
};

subtest 'numbers' => sub {
    json_is facets({ fields => 'ground', measure => 'depth' }), '/facets/0/values', [ { value => 'sand', count => 3, sum => 10, avg => 5, min => 4, max => 6 }, { value => 'mud', count => 1, sum => -1.5, avg => -1.5, min => -1.5, max => -1.5 }, { value => undef, count => 1, sum => 10, avg => 10, min => 10, max => 10 } ];
    json_is facets({ fields => 'tags', measure => 'depth' }), '/facets/0/values/1', { value => 'flat', count => 1, sum => undef, avg => undef, min => undef, max => undef }, 'none has one';
};

subtest 'with filters' => sub {
    is_deeply spread({ fields => 'ground', numeric_filters => '{"depth":{"min":4}}' }), { ground => [ [ 'sand', 2 ], [ undef, 1 ] ] };
    is_deeply spread({ fields => 'ground', column_filters => '{"place":"mol"}' }), { ground => [ [ 'mud', 1 ], [ 'sand', 1 ] ] };
    is_deeply spread({ fields => 'ground', search => 'pier' }), { ground => [ [ 'sand', 1 ] ] };
    is_deeply spread({ fields => 'ground', tags => 'flat' }), { ground => [ [ 'sand', 1 ] ] };
    json_is facets({ fields => 'ground', status => 'draft' }), '', { recordset_id => $set, total => 0, facets => [ { field => 'ground', value_count => 0, other_count => 0, values => [] } ] }, 'or none is left';
};
