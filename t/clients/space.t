# The spatial filter beside JTS (npm jsts), and its metres beside Turf: random points, lines, areas with and without holes and many of each, on a grid of eighths of a
# degree, so that borders touch and corners meet.
#
# CHAOS=long asks 10,000 pairs, as SPACE=10000 does, others each time; else they are the same 500. SPACE_SEED repeats a run.  Each pair is a square of a large map of its own, so that all of them
# are one question.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS qw(decode_json encode_json);

my $long  = ($ENV{CHAOS} // '') eq 'long';
my $PAIRS = $ENV{SPACE} // ($long ? 10_000 : 500);
my $seed  = $ENV{SPACE_SEED} // ($long ? time : 1);
diag "SPACE_SEED=$seed" if $ENV{SPACE_SEED};

my $t    = Api->start(main => 2);
my $sets = '/api/v1/recordsets';
my $path = '/api/v1/records/spatial-filter';
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member');
my $bob  = $w->{bob};

sub said ($what) {
    open my $out, '-|', 'node', 't/clients/space.mjs', $what, $seed, $PAIRS or die "node: $!\n";
    my @said = map { decode_json($_) } <$out>;
    close $out or die "t/clients/space.mjs: $?\n";
    is scalar @said, $PAIRS, "$what: so many";
    return @said;
}

# Into the square of its number: they are 2 degrees wide, and 4 apart.
sub moved ($coordinates, $x, $y) { return [ ref $coordinates->[0] ? map { moved($_, $x, $y) } @$coordinates : ($coordinates->[0] + $x, $coordinates->[1] + $y) ] }

# Many at once, as an import puts them: of geometries, each by its number, the numbers of the ids.
sub fill ($name, @geometries) {
    my $set = $bob->post($sets, { name => $name })->json('/id');
    my (%nr, $n);
    while (my @some = splice @geometries, 0, 1000) {
        $db->begin_work;
        $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
            'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
        my ($ids) = $db->selectrow_array('SELECT records_add(?, ?::jsonb)', undef, $set, encode_json([ map { { field_values => {}, geometry => $_ } } @some ]));
        $db->commit;
        $nr{$_} = $n++ for @$ids;
    }
    return ($set, \%nr);
}
sub which ($nr, $res) { status_is $res, 200 or diag $res->describe; return { map { $nr->{$_} => 1 } @{ $res->json('/record_ids') } } }

subtest 'what relates' => sub {
    my @pairs = said('make');
    my ($touch, %is, $wrong) = (0);
    # As many as there are squares for, at a time.
    for (my $from = 0; $from < @pairs; $from += 3600) {
        my @part = @pairs[ $from .. ($from + 3599 < $#pairs ? $from + 3599 : $#pairs) ];
        my (@t, @s);
        for my $i (0 .. $#part) {
            my ($x, $y) = (-180 + 4 * ($i % 88), -80 + 4 * int($i / 88));
            push @t, { %{ $part[$i]{target} }, coordinates => moved($part[$i]{target}{coordinates}, $x, $y) };
            push @s, { %{ $part[$i]{source} }, coordinates => moved($part[$i]{source}{coordinates}, $x, $y) };
        }
        my ($targets, $nr) = fill("Targets $from", @t);
        my ($sources)      = fill("Sources $from", @s);
        for my $operation (qw(INTERSECTS WITHIN CONTAINS NOT_INTERSECTS)) {
            my $found = which($nr, $bob->post($path, { source_recordset_id => $sources, target_recordset_id => $targets, operation => $operation }));
            for my $i (0 .. $#part) {
                my $want = $operation eq 'NOT_INTERSECTS' ? !$part[$i]{INTERSECTS} : $part[$i]{$operation};
                $is{$operation}++ if $want;
                next if !$want == !$found->{$i};
                diag "$operation: " . ($want ? 'not found: ' : 'found: ') . encode_json($part[$i]) if $wrong++ < 5;
            }
        }
        $touch += grep { $_->{touches} } @part;
    }
    is $wrong // 0, 0, "$PAIRS pairs, by four predicates (SPACE_SEED=$seed)";
    cmp_ok $is{$_}, '>', $PAIRS / 100, "  some of them $_" for sort keys %is;
    cmp_ok $touch, '>', $PAIRS / 50, '  and some touch with no more than their borders';
};

# Metres are asked for one pair at a time: so many as are near and as are not, a thousandth off.
subtest 'how far' => sub {
    my @pairs = grep { $_->{metres} > 10 && $_->{metres} < 490_000 } said('far');
    my ($p, $nr_p) = fill('From', map { { type => 'Point', coordinates => $_->{p} } } @pairs);
    my ($q, $nr_q) = fill('To',   map { { type => 'Point', coordinates => $_->{q} } } @pairs);
    my %p = reverse %$nr_p;
    my %q = reverse %$nr_q;
    my $wrong = 0;
    for my $i (grep { $_ % ($PAIRS / 50) == 0 } 0 .. $#pairs) {
        my $metres = $pairs[$i]{metres};
        for my $way ([ $metres * 1.000001, 1 ], [ $metres * 0.999999, 0 ]) {
            my $found = which($nr_q, $bob->post($path, { source_recordset_id => $p, target_recordset_id => $q, source_record_ids => [ $p{$i} ], operation => 'WITHIN_DISTANCE', buffer_meters => $way->[0] }));
            $wrong++, diag encode_json([ $pairs[$i], @$way ]) if !$found->{$i} != !$way->[1];
        }
    }
    is $wrong, 0, "metres are Turf's, to a millionth (SPACE_SEED=$seed)";
};
