use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# A filter with and, or, not: what may be asked, where, and which days a period has. What it finds is compared in record_filter_oracle.t.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my @AS_LINES = (headers => { Accept => 'application/x-ndjson' });

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my ($ann, $bob, $carl) = @$w{qw(ann bob carl)};
my $set = $bob->post($sets, { name => 'Soundings', schema => { fields => [ { key => 'place', type => 'text' }, { key => 'depth', type => 'number' }, { key => 'on', type => 'date' }, { key => 'at', type => 'datetime' } ] } })->json('/id');
my @ids = map { $bob->post($base, { recordset_id => $set, field_values => { place => "p$_", depth => $_, on => "2026-01-0$_" }, geometry => { type => 'Point', coordinates => [ $_, $_ ] } })->json('/id') } 1 .. 5;

sub leaf ($field, $op, @value) { return { field => $field, op => $op, @value ? (value => @value) : () } }
sub list ($filter, %query) { return $bob->get($base, query => { recordset_id => $set, sort_order => 'asc', filter => ref $filter ? $json->encode($filter) : $filter, %query }) }
sub deep ($n, $kind = 'not', $f = leaf(depth => gt => 0)) { $f = $kind eq 'not' ? { not => $f } : { $kind => [$f] } for 1 .. $n; return $f }

subtest 'what may be asked' => sub {
    my $one = leaf(place => eq => 'p1');
    error_is list($_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => 'not ' . (ref $_->[1] ? $json->encode($_->[1]) : $_->[1])
        for [ filter => '{' ], [ filter => 'null' ], [ filter => '[]' ], [ filter => '{}' ], [ filter => '"x"' ], [ filter => { %$one, more => 1 } ], [ 'filter.field' => { op => 'eq', value => 1 } ], [ 'filter.field' => leaf('' => eq => 1) ], [ 'filter.field' => leaf('x' x 64, eq => 1) ],
            [ 'filter.op' => { field => 'place', value => 1 } ], [ 'filter.op' => leaf(place => like => 'x') ], [ 'filter.op' => leaf(place => compare => 'x') ], [ 'filter.op' => leaf(place => 7 => 'x') ], [ 'filter.value' => leaf(place => 'eq') ], [ 'filter.value' => leaf(place => eq => undef) ],
            [ 'filter.value' => leaf(place => eq => []) ], [ 'filter.value' => leaf(place => gt => {}) ], [ 'filter.value' => leaf(place => in => 'x') ], [ 'filter.value' => leaf(place => in => []) ], [ 'filter.value[1]' => leaf(place => in => [ 'x', undef ]) ],
            [ 'filter.value' => leaf(place => in => [ (1) x 201 ]) ], [ 'filter.value' => leaf(place => contains => 'x' x 1001) ], [ 'filter.value' => leaf(place => is_null => 1) ], [ 'filter.value' => leaf(place => is_null => undef) ],
            [ 'filter.field' => leaf('plaice', eq => 'x') ], [ 'filter.and' => { and => {} } ], [ 'filter.and' => { and => [] } ], [ 'filter.or' => { or => [ ($one) x 51 ] } ], [ filter => { or => [ map { { and => [ ($one) x 26 ] } } 1, 2 ] } ], [ 'filter.and' => { and => [$one], or => [$one] } ],
            [ 'filter.not' => { not => [$one] } ], [ 'filter.not' => { not => undef } ], [ 'filter.and[1]' => { and => [ $one, 7 ] } ], [ 'filter.or[0].not.op' => { or => [ { not => { field => 'place' } } ] } ], [ 'filter.not.not.not.not.not.not' => deep(6) ],
            [ 'filter.or[0].or[0].or[0].or[0].or[0].or' => deep(6, 'or') ], [ 'filter.value' => leaf(at => within => 'last_week_') ], [ 'filter.value' => leaf(at => within => 'last_0_days') ], [ 'filter.value' => leaf(at => within => 'last_10000_days') ], [ 'filter.value' => leaf(at => within => 'this_days') ],
            [ 'filter.value' => leaf(at => within => 7) ], [ 'filter.value' => leaf(at => 'within') ], [ 'filter.time_zone' => { %{ leaf(at => within => 'today') }, time_zone => 7 } ], [ 'filter.time_zone' => { %{ leaf(at => within => 'today') }, time_zone => 'Europe/Atlantis' } ],
            [ 'filter.time_zone' => { %{ leaf(at => within => 'today') }, time_zone => q{UTC'; --} } ], [ 'filter.time_zone' => { %$one, time_zone => 'UTC' } ], [ 'filter.field' => leaf(depth => within => 'today') ], [ 'filter.field' => leaf(title => within => 'today') ];
    like list({ or => [ $one, leaf('plaice', eq => 'x') ] })->json('/error/message'), qr/\Afilter\.or\[1\]\.field: plaice is no field of the recordset; did you mean place\?/, 'the one that may have been meant is named';
    like list(leaf(depth => eq => 1), filter => $json->encode({ and => [ (leaf(depth => gt => 0)) x 50 ] }), numeric_filters => '{"depth":{"min":1}}')->json('/error/message'), qr/50 filters in all/, 'of all kinds together';
    is list(deep(5))->json('/total'), 0, 'five deep';
    is list(deep(4))->json('/total'), 5;
    is list({ and => [ (leaf(depth => gt => 0)) x 50 ] })->json('/total'), 5, 'fifty';
    is list('')->json('/total'), 5, 'none is no filter';
    is list(leaf(place => eq => q{x'"\\%_; --}))->json('/total'), 0, 'what a client says is never SQL';
    is list(leaf(depth => in => [ map { 0 + $_ } 1 .. 200 ]))->json('/total'), 5;
};

my $f = { or => [ leaf(depth => lt => 2), { and => [ leaf(depth => gte => 4), { not => leaf(place => eq => 'p5') } ] } ] };

subtest 'everywhere the same' => sub {
    is_deeply [ map { $_->{id} } @{ list($f)->json('/items') } ], [ @ids[ 0, 3 ] ], 'in a list';
    is list($f, numeric_filters => '{"depth":{"min":2}}')->json('/items/0/id'), $ids[3], 'together with the others';
    my $map = $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set, filter => $json->encode($f) });
    is_deeply [ sort map { $_->{id} // () } map { $json->decode($_) } split /\n/, $map->body ], [ sort @ids[ 0, 3 ] ], 'on the map';
    json_is $bob->get("$sets/$set/facets", query => { fields => 'place', filter => $json->encode($f) }), '/total', 2, 'in facets';
    my %both = (source_recordset_id => $set, target_recordset_id => $set);
    is_deeply [ sort @{ $bob->post("$base/spatial-filter", { %both, target_filters => { filter => $f } })->json('/record_ids') } ], [ sort @ids[ 0, 3 ] ], 'of targets';
    is_deeply [ sort @{ $bob->post("$base/spatial-filter", { %both, source_filters => { filter => $f } })->json('/record_ids') } ], [ sort @ids[ 0, 3 ] ], 'of sources';
    error_is $bob->post("$base/spatial-filter", { %both, source_filters => { filter => { or => [] } } }), 422, 'VALIDATION_ERROR', field => 'source_filters.filter.or';
    error_is $bob->get("$base/map", @AS_LINES, query => { recordset_id => $set, filter => '{}' }), 422, 'VALIDATION_ERROR', field => 'filter';
    error_is $bob->get("$sets/$set/facets", query => { fields => 'place', filter => '{}' }), 422, 'VALIDATION_ERROR', field => 'filter';
    error_is $ann->post("$sets/export", { recordset_id => $set, filters => { filter => leaf('plaice', eq => 1) } }), 422, 'VALIDATION_ERROR', field => 'filter.field';
    error_is $carl->get($base, query => { recordset_id => $set, filter => $json->encode($f) }), 403, 'AUTHORIZATION_ERROR', name => 'to who may see the records';
    is $bob->get($base, query => { filter => $json->encode(leaf(depth => gt => 3)) })->json('/total'), 2, 'of all recordsets numbers are compared as such';
    is $bob->get($base, query => { filter => $json->encode(leaf(created_at => within => 'today')) })->json('/total') + $bob->get($base, query => { filter => $json->encode(leaf(created_at => within => 'yesterday')) })->json('/total'), 5;
};

subtest 'a view has one, whose fields get slots' => sub {
    my @more = map { { key => "m$_", type => 'long_text' } } 1 .. 3;
    my $wide = $bob->post($sets, { name => 'Wide', schema => { fields => \@more } })->json('/id');
    my $its  = { and => [ leaf(m2 => eq => 'x'), { not => { or => [ leaf(m3 => contains => 'y') ] } } ] };
    my $res  = $bob->post("$sets/$wide/views", { name => 'Some', config => { filter => $its } });
    status_is $res, 201;
    is_deeply $bob->get("$sets/$wide/views")->json('/0/config/filter') // $bob->get("$sets/$wide/views")->json('/items/0/config/filter'), $its, 'as it was sent';
    is_deeply $json->decode($db->selectrow_array(q{SELECT to_json(slots_wanted) FROM recordsets WHERE id = ?}, undef, $wide)), [qw(m2 m3)], 'at any depth';
    error_is $bob->post("$sets/$wide/views", { name => 'None', config => { filter => 7 } }), 422, 'VALIDATION_ERROR', field => qr/filter/;
};

subtest 'an index finds it' => sub {
    my $plan = sub ($filter) {
        my ($drive) = $db->selectrow_array(q{SELECT c.drives::text FROM recordsets s CROSS JOIN record_conditions(s, ?::jsonb) c WHERE s.id = ?}, undef, $json->encode($filter), $set);
        return $drive;
    };
    my %leaf = (path => 'filter.field', op => 'compare', sign => 'gt', is_number => true, values => ['3']);
    my ($deep, $place) = ({ %leaf, key => 'depth' }, { path => 'f', key => 'place', op => 'contains', values => ['x'] });
    like $plan->([$deep]),                                        qr/r\.n\d\d > /,                   'of a slot';
    like $plan->([ { and => [ $place, $deep ] } ]),               qr/r\.n\d\d > /,                   'one part of an and is enough';
    like $plan->([ { or => [ $deep, { %$deep, sign => 'lt' } ] } ]), qr/r\.n\d\d > .*OR.*r\.n\d\d < /, 'all parts of an or';
    is $plan->([ { or => [ $deep, $place ] } ]), '{}', 'else none';
    is $plan->([ { not => [$deep] } ]),          '{}';
};

# By clocks that stand still.
subtest 'which days a period has' => sub {
    my $days = sub ($name, $clock) { return join ' ', $db->selectrow_array('SELECT begins, ends FROM record_period(?, ?::timestamp)', undef, $name, $clock) };
    my $at = '2026-11-30 23:59:59.9';    # a Monday
    is $days->(@$_[ 0, 1 ]), $_->[2], "$_->[0] on $_->[1]"
        for [ today => $at, '2026-11-30 2026-12-01' ], [ yesterday => $at, '2026-11-29 2026-11-30' ], [ tomorrow => $at, '2026-12-01 2026-12-02' ], [ last_1_days => $at, '2026-11-30 2026-12-01' ], [ last_7_days => $at, '2026-11-24 2026-12-01' ],
            [ next_7_days => $at, '2026-12-01 2026-12-08' ], [ this_week => $at, '2026-11-30 2026-12-07' ], [ last_week => $at, '2026-11-23 2026-11-30' ], [ next_week => $at, '2026-12-07 2026-12-14' ], [ this_week => '2026-11-29 00:00', '2026-11-23 2026-11-30' ],
            [ this_month => $at, '2026-11-01 2026-12-01' ], [ next_month => $at, '2026-12-01 2027-01-01' ], [ last_month => '2024-03-31 12:00', '2024-02-01 2024-03-01' ], [ this_quarter => $at, '2026-10-01 2027-01-01' ], [ last_quarter => $at, '2026-07-01 2026-10-01' ],
            [ next_quarter => $at, '2027-01-01 2027-04-01' ], [ this_year => $at, '2026-01-01 2027-01-01' ], [ last_year => '2024-02-29 00:00', '2023-01-01 2024-01-01' ], [ next_year => $at, '2027-01-01 2028-01-01' ];
};
