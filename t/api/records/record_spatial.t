use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use List::Util qw(any max min);
use Math::Trig qw(deg2rad great_circle_distance pi);

# Records by where those of another recordset are.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $sets = '/api/v1/recordsets';
my $path = '/api/v1/records/spatial-filter';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none = '00000000-0000-7000-8000-00000000dead';
my $EARTH = 6_371_008.7714;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});

my @FIELDS = ({ key => 'name', type => 'text' }, { key => 'price', type => 'number' }, { key => 'on', type => 'date' });
sub new_set ($name, $who = $bob) { return $who->post($sets, { name => $name, schema => { fields => \@FIELDS, title_field => 'name' } })->json('/id') }
sub point ($lng, $lat) { return { type => 'Point', coordinates => [ $lng, $lat ] } }
sub rect ($w, $s, $e, $n) { return { type => 'Polygon', coordinates => [ [ [ $w, $s ], [ $e, $s ], [ $e, $n ], [ $w, $n ], [ $w, $s ] ] ] } }
sub line (@points) { return { type => 'LineString', coordinates => \@points } }

# Records of these geometries (undef: none): their ids, in this order.
sub fill ($set, @geometries) {
    my $n    = 0;
    my @rows = map { { title => 'x', field_values => { name => 'n' . $n, price => $n++, on => '2026-01-01' }, $_ ? (geometry => $_) : () } } @geometries;
    $db->begin_work;
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
        'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
    my ($ids) = $db->selectrow_array('SELECT records_add(?, ?::jsonb)', undef, $set, $json->encode(\@rows));
    $db->commit;
    return @$ids;
}
sub ask ($source, $target, %with) { return (delete $with{who} // $bob)->post($path, { source_recordset_id => $source, target_recordset_id => $target, %with }) }
sub found (@asked) {
    my $res = ask(@asked);
    status_is $res, 200;
    is $res->json('/count'), scalar @{ $res->json('/record_ids') }, 'count counts';
    return $res;
}
# Of these records, by their numbers, those that are found.
sub which ($ids, $res) {
    my %nr = map { $ids->[$_] => $_ } 0 .. $#$ids;
    return [ sort { $a <=> $b } map { $nr{$_} } @{ $res->json('/record_ids') } ];
}

subtest 'who, and what' => sub {
    my ($areas, $leads) = (new_set('Areas'), new_set('Leads'));
    my $hers = new_set('Hers', $eve);
    fill($areas, rect(0, 0, 2, 2));
    my ($lead) = fill($leads, point(1, 1));
    error_is ask($areas, $leads, who => $carl), 403, 'AUTHORIZATION_ERROR', name => 'without a grant on either';
    $ann->post("$sets/$areas/access", { member_id => $w->member_id('carl'), can_view => true });
    error_is ask($areas, $leads, who => $carl), 403, 'AUTHORIZATION_ERROR', name => 'on the target';
    error_is ask($leads, $areas, who => $carl), 403, 'AUTHORIZATION_ERROR', name => 'on the source';
    error_is ask(@$_[ 0, 1 ]), 404, 'NOT_FOUND', name => $_->[2] for [ $areas, $none, 'no target' ], [ $none, $leads, 'no source' ], [ $areas, $hers, 'the target of another workspace' ], [ $hers, $leads, 'the source of one' ];
    error_is ask($areas, $leads, who => $eve), 404, 'NOT_FOUND', name => 'from there';
    error_is $bob->post($path, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => 'not ' . $json->encode($_->[1])
        for [ source_recordset_id => { target_recordset_id => $leads } ], [ target_recordset_id => { source_recordset_id => $areas } ], [ source_recordset_id => { source_recordset_id => 'areas', target_recordset_id => $leads } ];
    error_is ask($areas, $leads, %{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => 'not ' . $json->encode($_->[1])
        for [ operation => { operation => 'TOUCHES' } ], [ operation => { operation => 'intersects' } ], [ buffer_meters => { buffer_meters => -1 } ], [ buffer_meters => { buffer_meters => 500_000.1 } ],
            [ buffer_meters => { buffer_meters => 'far' } ], [ limit => { limit => 0 } ], [ limit => { limit => 100_001 } ], [ qr/\Asource_record_ids/ => { source_record_ids => ['x'] } ],
            [ source_record_ids => { source_record_ids => [] } ], [ source_filters => { source_filters => 'x' } ], [ source_filters => { source_filters => { column_filter => {} } } ], [ 'source_filters.column_filters' => { source_filters => { column_filters => [] } } ],
            [ 'source_filters.column_filters.naem' => { source_filters => { column_filters => { naem => 'x' } } } ], [ 'target_filters.numeric_filters.price' => { target_filters => { numeric_filters => { price => 1 } } } ],
            [ 'target_filters.column_filters.name.op' => { target_filters => { column_filters => { name => { op => 'like', value => 'x' } } } } ], [ 'target_filters.date_filters.on.from' => { target_filters => { date_filters => { on => { from => 'today' } } } } ],
            [ 'target_filters.column_filters' => { target_filters => { column_filters => { map { ("f$_" => 'x') } 1 .. 51 } } } ];
    error_is ask($areas, $leads, operation => 'WITHIN_DISTANCE'), 400, 'BAD_REQUEST', field => 'buffer_meters', name => 'a distance without one';
    error_is ask($none, $leads, operation => 'WITHIN_DISTANCE'), 404, 'NOT_FOUND', name => '  of what there is';
    my $res = found($areas, $leads);
    is_deeply $res->json, { record_ids => [$lead], count => 1, total => 1, source_count => 1, operation => 'INTERSECTS', truncated => false }, 'what is answered';
    $ann->post("$sets/$leads/access", { member_id => $w->member_id('carl'), can_view => true });
    is_deeply found($areas, $leads, who => $carl)->json('/record_ids'), [$lead], 'with can_view on both';
    status_is $bob->delete("/api/v1/records/$lead"), 204;
    is_deeply [ map { found($areas, $leads)->json("/$_") } qw(count total) ], [ 0, 0 ], 'what is deleted is nowhere';
    status_is $bob->delete("$sets/$areas"), 204;
    error_is ask($areas, $leads), 404, 'NOT_FOUND', name => 'nor is a recordset in the trash';
};

# A plain evaluator, of points [x, y, x, y] and boxes [west, south, east, north].
sub is_point ($g) { return $g->[0] == $g->[2] && $g->[1] == $g->[3] }
sub intersects ($p, $q) { return $p->[0] <= $q->[2] && $q->[0] <= $p->[2] && $p->[1] <= $q->[3] && $q->[1] <= $p->[3] }
sub within ($p, $q) {
    return "@$p" eq "@$q" if is_point($q);
    return is_point($p) ? $p->[0] > $q->[0] && $p->[0] < $q->[2] && $p->[1] > $q->[1] && $p->[1] < $q->[3] : $p->[0] >= $q->[0] && $p->[2] <= $q->[2] && $p->[1] >= $q->[1] && $p->[3] <= $q->[3];
}
sub between ($x1, $y1, $x2, $y2) { return great_circle_distance(deg2rad($x1), pi / 2 - deg2rad($y1), deg2rad($x2), pi / 2 - deg2rad($y2), $EARTH) }
# From a point to the border of a box: the nearest place of each side, by halving.
sub to_border ($p, $g) {
    my ($w, $s, $e, $n) = @$g;
    my @all;
    for my $side ([ $w, $s, $e, $s ], [ $w, $n, $e, $n ], [ $w, $s, $w, $n ], [ $e, $s, $e, $n ]) {
        my ($low, $high) = (0, 1);
        my $far = sub ($k) { between(@$p[ 0, 1 ], $side->[0] + $k * ($side->[2] - $side->[0]), $side->[1] + $k * ($side->[3] - $side->[1])) };
        for (1 .. 40) {
            my ($k, $l) = ($low + ($high - $low) / 3, $high - ($high - $low) / 3);
            $far->($k) < $far->($l) ? ($high = $l) : ($low = $k);
        }
        push @all, $far->($low);
    }
    return min(@all);
}
sub corners ($g) { my ($w, $s, $e, $n) = @$g; return ([ $w, $s ], [ $e, $s ], [ $e, $n ], [ $w, $n ]) }

my @shapes;
srand 17;
sub shape () {
    my ($x, $y) = (int(rand 13) - 6, int(rand 13) + 50);
    return [ $x, $y, $x, $y ] if rand() < 0.5;
    return [ $x, $y, $x + 1 + int rand 4, $y + 1 + int rand 4 ];
}
sub as_geometry ($g) { return is_point($g) ? point(@$g[ 0, 1 ]) : rect(@$g) }
my %plain = (
    INTERSECTS     => \&intersects,
    WITHIN         => \&within,
    CONTAINS       => sub ($t, $s) { within($s, $t) },
);

my ($few, $many) = (new_set('Few'), new_set('Many'));
my @few  = map { shape() } 1 .. 25;
my @many = map { shape() } 1 .. 90;
my @few_ids  = fill($few, map { as_geometry($_) } @few);
my @many_ids = fill($many, (map { as_geometry($_) } @many), undef, undef);

subtest 'each against a plain evaluator, whichever side is the smaller one' => sub {
    for my $way ([ 'few sources', $few, \@few, $many, \@many, \@many_ids ], [ 'many', $many, \@many, $few, \@few, \@few_ids ]) {
        my ($name, $source, $s, $target, $t, $ids) = @$way;
        for my $operation (qw(INTERSECTS WITHIN CONTAINS NOT_INTERSECTS WITHIN_DISTANCE)) {
            my $is   = $plain{$operation} // \&intersects;
            my @want = grep { my $one = $t->[$_]; (any { $is->($one, $_) } @$s) xor $operation eq 'NOT_INTERSECTS' } 0 .. $#$t;
            my $res  = found($source, $target, operation => $operation, $operation eq 'WITHIN_DISTANCE' ? (buffer_meters => 0) : ());
            is_deeply which($ids, $res), \@want, "$name: $operation " . @want;
            ok @want && @want < @$t, '  some, not all';
            is_deeply [ map { $res->json("/$_") } qw(total source_count operation truncated) ], [ scalar @$t, scalar @$s, $operation, false ], '  of those that have a place';
        }
    }
};

subtest 'sources that grow' => sub {
    for my $way ([ 'few sources', $few, \@few, $many, \@many, \@many_ids ], [ 'many', $many, \@many, $few, \@few, \@few_ids ]) {
        my ($name, $source, $s, $target, $t, $ids) = @$way;
        # Of each pair one is a point: of two boxes nothing is said here.
        for my $points (0, 1) {
            my @sources = grep { is_point($s->[$_]) == !$points } 0 .. $#$s;
            my @targets = grep { is_point($t->[$_]) == $points } 0 .. $#$t;
            my $source_ids = $ids == \@many_ids ? \@few_ids : \@many_ids;
            # How near and how far each pair is; a distance is taken that leaves none in doubt.
            my @pairs;
            for my $i (@targets) {
                for my $j (@sources) {
                    my ($p, $g) = $points ? ($t->[$i], $s->[$j]) : ($s->[$j], $t->[$i]);
                    my $near = is_point($g) ? between(@$p[ 0, 1 ], @$g[ 0, 1 ]) : to_border($p, $g);
                    push @pairs, { i => $i, near => $near, inside => within($p, $g) ? 1 : 0, touches => intersects($p, $g) ? 1 : 0, far => $points ? $near : max map { between(@$p[ 0, 1 ], @$_) } corners($g) };
                }
            }
            for my $about (40_000, 90_000, 130_000, 333_333) {
                my $metres = $about;
                $metres += 17 while any { abs($_->{near} - $metres) < $metres / 500 || abs($_->{far} - $metres) < $metres / 500 } @pairs;
                my %is;
                for my $pair (@pairs) {
                    my $i = $pair->{i};
                    $is{INTERSECTS}{$i} = 1 if $pair->{touches} || $pair->{near} <= $metres;
                    $is{WITHIN}{$i}     = 1 if ($points && $pair->{inside}) || $pair->{far} <= $metres;
                    $is{CONTAINS}{$i}   = 1 if !$points && $pair->{inside} && $pair->{near} > $metres;
                }
                for my $operation (qw(INTERSECTS WITHIN_DISTANCE WITHIN CONTAINS NOT_INTERSECTS)) {
                    my $of   = $operation =~ /INTERSECTS|DISTANCE/ ? 'INTERSECTS' : $operation;
                    my @want = grep { $operation eq 'NOT_INTERSECTS' ? !$is{$of}{$_} : $is{$of}{$_} } @targets;
                    my $res  = found($source, $target, operation => $operation, buffer_meters => $metres, source_record_ids => [ map { $source_ids->[$_] } @sources ]);
                    my %asked = map { $_ => 1 } @targets;
                    is_deeply [ grep { $asked{$_} } @{ which($ids, $res) } ], \@want, "$name: $operation by $metres, " . @want . ' of ' . @targets . ($points ? ' points' : ' boxes');
                }
            }
        }
    }
};

subtest 'which sources, and which targets' => sub {
    my $res = found($few, $many, source_record_ids => [ $few_ids[3], $many_ids[0], $none, $few_ids[3] ]);
    is $res->json('/source_count'), 1, 'ids that are no source are none';
    is_deeply which(\@many_ids, $res), [ grep { intersects($many[$_], $few[3]) } 0 .. $#many ];
    $res = found($few, $many, source_filters => { numeric_filters => { price => { min => 5, max => 8 } } }, target_filters => { numeric_filters => { price => { max => 60 } }, date_filters => { on => { from => '2026-01-01' } } });
    is_deeply [ map { $res->json("/$_") } qw(total source_count) ], [ 61, 4 ], 'by filters';
    is_deeply which(\@many_ids, $res), [ grep { my $one = $many[$_]; any { intersects($one, $_) } @few[ 5 .. 8 ] } 0 .. 60 ];
    $res = found($few, $many, target_filters => { column_filters => { name => [ map { "n$_" } 0 .. 9 ] } });
    is_deeply [ $res->json('/total'), which(\@many_ids, $res) ], [ 10, [ grep { my $one = $many[$_]; any { intersects($one, $_) } @few } 0 .. 9 ] ], 'fewer targets than sources';
    $res = found($few, $many, operation => 'NOT_INTERSECTS', target_filters => { column_filters => { name => [ map { "n$_" } 0 .. 9 ] } });
    is_deeply which(\@many_ids, $res), [ grep { my $one = $many[$_]; !any { intersects($one, $_) } @few } 0 .. 9 ], 'those that touch none';
    $res = found($few, $many, source_record_ids => [ @few_ids[ 4 .. 7 ] ], source_filters => { numeric_filters => { price => { eq => 6 } } });
    is $res->json('/source_count'), 1, 'ids and filters';
    $res = found($few, $many, operation => $_, source_filters => { column_filters => { name => 'nothing' } }), is_deeply [ map { $res->json("/$_") } qw(count total source_count) ], [ $_ eq 'NOT_INTERSECTS' ? 90 : 0, 90, 0 ], "no source: $_"
        for qw(INTERSECTS WITHIN NOT_INTERSECTS);
    my $all = found($few, $many)->json('/count');
    for my $limit (1, $all - 1, $all) {
        $res = found($few, $many, limit => $limit);
        is_deeply [ map { $res->json("/$_") } qw(count total truncated) ], [ $limit, 90, $limit < $all ? true : false ], "limit $limit of $all";
    }
    $res = found($few, $many, operation => 'NOT_INTERSECTS', limit => 1);
    is_deeply [ map { $res->json("/$_") } qw(count truncated) ], [ 1, true ], '  and of those that touch none';
    $res = found($many, $many, operation => 'WITHIN');
    is_deeply [ map { $res->json("/$_") } qw(count total source_count) ], [ 90, 90, 90 ], 'a recordset with itself';
};

subtest 'the round earth' => sub {
    my ($source, $target) = (new_set('Here'), new_set('There'));
    my @cases = (
        [ 'over the antimeridian', point(179.99, 0), point(-179.99, 0), 2_300, 2_200 ],
        [ 'over a pole', point(0, 89.99), point(180, 89.99), 2_300, 2_200 ],
        [ 'at 60 degrees a degree of longitude is half as long', point(10, 60), point(11, 60), 56_000, 55_000 ],
        [ 'a long edge is straight on the map', line([ -40, 60 ], [ 40, 60 ]), point(0, 60.1), 11_200, 11_000 ],
        [ '  and no great circle', line([ -40, 60 ], [ 40, 60 ]), point(0, 66.1), undef, 500_000 ],
        [ 'what is inside is near, however large it is', rect(-170, -80, 170, 80), point(0, 0), 1, undef ],
        [ '  and what is outside is not', rect(-170, -80, 170, 80), point(179, 0), undef, 500_000 ],
        [ '  but for its border', rect(-170, -80, 170, 80), point(170.5, 0), 56_000, 55_000 ],
        [ 'a polygon with a hole', { type => 'Polygon', coordinates => [ rect(0, 0, 4, 4)->{coordinates}[0], [ [ 1, 1 ], [ 1, 3 ], [ 3, 3 ], [ 3, 1 ], [ 1, 1 ] ] ] }, point(2, 2), 112_000, 110_000 ],
        [ 'many and mixed', { type => 'GeometryCollection', geometries => [ point(20, 20), rect(0, 0, 1, 1), line([ 5, 5 ], [ 6, 5 ]) ] }, point(5.5, 5.01), 1_200, 1_100 ],
    );
    my @sources = fill($source, map { $_->[1] } @cases);
    my @targets = fill($target, map { $_->[2] } @cases);
    for my $i (0 .. $#cases) {
        my ($name, undef, undef, $near, $far) = @{ $cases[$i] };
        # The other way round all targets are sources.
        for my $way ([ $source, $target, $sources[$i], $targets[$i] ], [ $target, $source, $targets[$i], $sources[$i] ]) {
            for my $only ({ source_record_ids => [ $way->[2] ] }, { target_filters => { column_filters => { name => ["n$i"] } }, source_record_ids => [ $way->[2] ] }) {
                ok defined($near) ? (any { $_ eq $way->[3] } @{ found(@$way[ 0, 1 ], %$only, operation => 'WITHIN_DISTANCE', buffer_meters => $near)->json('/record_ids') }) : 1, "$name: within " . ($near // 'none');
                ok defined($far) ? !(any { $_ eq $way->[3] } @{ found(@$way[ 0, 1 ], %$only, operation => 'WITHIN_DISTANCE', buffer_meters => $far)->json('/record_ids') }) : 1, '  not ' . ($far // 'none');
            }
        }
    }
};

subtest 'all of it within what has grown' => sub {
    my ($source, $target) = (new_set('Depots'), new_set('Routes'));
    my @grown = (
        [ point(18, 59), rect(17.99, 58.99, 18.01, 59.01), 1_260, 1_240 ],                                       # its corners: 1,250 and a little
        [ point(179.999, 0), { type => 'MultiPoint', coordinates => [ [ 179.99, 0 ], [ -179.99, 0 ] ] }, 1_240, 1_200 ],    # 11 thousandths of a degree
        [ line([ 0, 50 ], [ 1, 50 ]), line([ 0.1, 50.005 ], [ 0.9, 50.01 ]), 1_120, 1_100 ],
        [ rect(0, 0, 1, 1), rect(0.5, 0.5, 1.01, 0.6), 1_120, 1_100 ],
        [ rect(0, 0, 1, 1), { type => 'GeometryCollection', geometries => [ point(1.01, 0.5), rect(0.5, 0.5, 0.6, 0.6) ] }, 1_120, 1_100 ],
    );
    my @sources = fill($source, map { $_->[0] } @grown);
    my @targets = fill($target, map { $_->[1] } @grown);
    for my $i (0 .. $#grown) {
        for my $only ({}, { target_filters => { column_filters => { name => ["n$i"] } } }) {
            for my $way ([ $grown[$i][2], 1 ], [ $grown[$i][3], 0 ]) {
                my $res = found($source, $target, %$only, operation => 'WITHIN', buffer_meters => $way->[0], source_record_ids => [ $sources[$i] ]);
                is scalar(grep { $_ eq $targets[$i] } @{ $res->json('/record_ids') }), $way->[1], "$i within $way->[0]";
            }
        }
    }
    is_deeply found($target, $source, operation => 'CONTAINS', buffer_meters => 1_000, source_record_ids => [ $targets[0] ])->json('/record_ids'), [], 'a point contains nothing that has grown';
    is_deeply found($source, $target, operation => 'CONTAINS', buffer_meters => $_->[0], source_record_ids => [ $sources[0] ])->json('/count'), $_->[1], "an area has room for $_->[0] metres: $_->[1]" for [ 550, 1 ], [ 600, 0 ];
};
