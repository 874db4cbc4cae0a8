# Filters of records beside a plain evaluator, written from what the guide says and not from what the SQL does: of thousands of random ones each finds the
# same, in the same order, in lists, on maps, in facets and in exports, with slots and without them.
#
# CHAOS=long asks 5,000, as ORACLE=5000 does; SEED=n asks the same ones again.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use Encode 'decode';
use List::Util qw(any all none first uniq);
use Time::Local 'timegm_nocheck';
use Unicode::Collate;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

my $QUESTIONS = $ENV{ORACLE} || (($ENV{CHAOS} // '') eq 'long' ? 5000 : 150);

my $t    = Api->start(main => 3, slow => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my @AS_LINES = (headers => { Accept => 'application/x-ndjson' });

my $w = workspace($t, ann => 'owner', bob => 'member');
my $bob = $w->{bob};
srand(my $seed = $ENV{SEED} // time);
diag "SEED=$seed" if $ENV{SEED};

# ---------------------------------------------------------------- what there is

my @FIELDS = (
    { key => 'name', type => 'text' }, { key => 'note', type => 'long_text' }, { key => 'price', type => 'number' }, { key => 'share', type => 'percent' }, { key => 'on', type => 'date' }, { key => 'at', type => 'datetime' },
    { key => 'open', type => 'boolean' }, { key => 'city', type => 'select', options => [qw(Austin Bern Cork)] }, { key => 'kinds', type => 'multi_select', options => [qw(a b c)] }, { key => 'more', type => 'json' },
);
my %type = map { $_->{key} => $_->{type} } @FIELDS;
my $OWN  = { title => 't', status => 't', owner_id => 't', created_at => 'd', updated_at => 'd' };
sub class ($key) { return $OWN->{$key} // { number => 'n', percent => 'n', date => 'd', datetime => 'd', boolean => 'b', text => 't', long_text => 't', select => 't' }->{ $type{$key} } // 'x' }

sub pick (@of) { return $of[ rand @of ] }
sub some ($odds, $v) { return rand() < $odds ? $v : undef }
sub day_off ($n) { my @d = gmtime(time + 86_400 * $n); return sprintf '%04d-%02d-%02d', $d[5] + 1900, $d[4] + 1, $d[3] }

my $LONG  = 'x' x 256;
my @WORDS = ('Austin', 'austin', 'AUSTIN', 'Bern', 'Ärger', 'ärger', 'straße', 'STRASSE', 'İzmir', '日本', "e\x{301}té", "\x{e9}té", "\x{1F600} ok", 'a%b', 'a_b', 'a\\b', q{it's "so"}, ' ', '', "${LONG}a", "${LONG}b", $LONG, 'x' x 255);
my @DIGITS = ('٣', '3', '3.0', '03', '+5', '5.', '.5', '1e2', '1e999', '-1e999', '1e400', '1e-400', ' 5', '0x10', '9007199254740993', '1' x 401, 'NaN', 'Infinity');
my @TIMES = ('2026-01-31', '2026-02-01', '2026-02-30', '2024-02-29', '2023-02-29', '0000-01-01', '2026-01-31T10:00:00Z', '2026-01-31T12:00:00+02:00', '2026-01-31T23:30:00-05:00', '2026-01-31 10:00', '2026-01-31T10:00:00.123456Z',
             '2026-01-31T10:00:00.1Z', '2026-01-31T25:00:00Z', '31.01.2026', (map { day_off($_) } -400, -95, -33, -8, -7, -6, -2 .. 2, 7, 8, 35), (map { day_off($_) . 'T' . pick('00:30:00Z', '12:00:00Z', '23:30:00Z') } -31, -1 .. 1));
my @NUMBERS = (0, 3, 5, 2.5, -3, 100, 1_000_000_000_000_000, 9_007_199_254_740_992, 9_007_199_254_740_993);
my @LISTS   = ([], ['a'], [ 'a', 'b' ], [ 'Austin', 3, true ], [undef], ["${LONG}b"]);
my @ANY     = (@WORDS, @DIGITS, @TIMES, @NUMBERS, @LISTS, true, false);

# What a field mostly has, and what it has sometimes, since its recordset had no schema when that was written.
my %usual = (name => \@WORDS, note => \@WORDS, price => \@NUMBERS, share => \@NUMBERS, on => [ grep { /\A....-..-..\z/ } @TIMES ], at => \@TIMES, open => [ true, false ], city => [qw(Austin Bern Cork)], kinds => \@LISTS, more => \@ANY);
my @rows = map {
    my %v;
    for my $key (keys %type) {
        my $v = pick(rand() < .85 ? @{ $usual{$key} } : @ANY);
        $v{$key} = $v if rand() < .75;
    }
    { field_values => \%v, status => pick(qw(active active draft archived)), (rand() < .6 ? (title => pick(grep { /\S/ } @WORDS)) : ()), (rand() < .5 ? (geometry => { type => 'Point', coordinates => [ $_ / 10, 10 ] }) : ()) }
} 1 .. 300;

my (%set, %row);
for my $name (qw(slotted plain)) {
    my $set = $set{$name} = $bob->post($sets, { name => $name })->json('/id');
    $db->begin_work;    # many at once, as an import puts them
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
        'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
    my @ids = @{ $db->selectrow_array('SELECT records_add(?, ?::jsonb)', undef, $set, $json->encode(\@rows)) };
    $db->commit;
    is scalar @ids, scalar @rows, "$name: all are written, whatever they hold";
    $db->do(q{UPDATE records SET created_at = now() - interval '60 days' + array_position(?::uuid[], id) * interval '4 hours' WHERE id = ANY (?)}, undef, \@ids, \@ids);
    status_is $bob->put("$sets/$set", { schema => { fields => \@FIELDS } }), 200;
}
my $worker = $t->start_worker(children => 1);
eventually { !$db->selectrow_array('SELECT count(*) FROM recordsets WHERE slots <> slots_filled') } 60, 'slots are filled';
cmp_ok $db->selectrow_array(q{SELECT count(*) FROM recordsets s CROSS JOIN jsonb_object_keys(s.slots_filled) WHERE s.id = ?}, undef, $set{slotted}), '>=', 7, 'fields are in slots';
$db->do(q{UPDATE recordsets SET slots_filled = '{}' WHERE id = ?}, undef, $set{plain});
is $db->selectrow_array(q{
    SELECT count(*) FROM recordsets s
    CROSS JOIN LATERAL (SELECT array_agg(r.title ORDER BY r.id) AS titles, array_agg(r.field_values ORDER BY r.id) AS vals FROM records r WHERE r.content_id = s.content_id) a
    CROSS JOIN LATERAL records_slotted(a.titles, a.vals, s.slots) WITH ORDINALITY z
    CROSS JOIN LATERAL record_slotted(a.titles[z.ordinality], a.vals[z.ordinality], s.slots) y
    WHERE s.id = ? AND to_jsonb(y) = to_jsonb(z) - 'ordinality'}, undef, $set{slotted}), @rows, 'many at once have what each by itself has';

for my $name (qw(slotted plain)) {
    for my $page (1 .. 2) {
        push @{ $row{$name} }, @{ $bob->get($base, query => { recordset_id => $set{$name}, page_size => 200, page => $page, sort_by => 'created_at', sort_order => 'asc' })->json('/items') };
    }
    is scalar @{ $row{$name} }, @rows, "$name: all are there";
    cmp_ok scalar(grep { $_->{geometry} } @{ $row{$name} }), '>', 50, '  many of them with a place';
}

# ---------------------------------------------------------------- a plain evaluator

# A value as text: of lists and objects there is none.
sub text_of ($v) { return !defined $v ? undef : Cpanel::JSON::XS::is_bool($v) ? ($v ? 'true' : 'false') : ref $v ? undef : "$v" }
sub double ($n) { return unpack 'd', pack 'd', $n }

# As a number, also of a text that is one; in digits of ASCII, and no more than a double holds.
sub number_of ($v) {
    my $s = text_of($v) // return;
    return if length $s > 400 || $s !~ /\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\z/;
    my $n = double($s =~ s/\A\+//r);
    return abs $n > 1.7e308 ? undef : abs $n < 1e-300 ? 0 : $n;
}

# As microseconds; a date is its first moment in UTC, and so is a time without a zone.
sub time_of ($v) {
    return if !defined $v || ref $v || Cpanel::JSON::XS::is_bool($v);
    my ($y, $m, $d, $H, $M, $S, $F, $zone) = $v =~ /\A([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.]([0-9]{1,9}))?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?\z/ or return;
    my $leap = $y % 4 == 0 && ($y % 100 != 0 || $y % 400 == 0);
    return if $y == 0 || $m < 1 || $m > 12 || $d < 1 || $d > (31, $leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[ $m - 1 ] || ($H // 0) > 23 || ($M // 0) > 59 || ($S // 0) > 59;
    my $at = timegm_nocheck($S // 0, $M // 0, $H // 0, $d, $m - 1, $y);
    $at -= "${1}1" * ($2 * 3600 + $3 * 60) if ($zone // '') =~ /\A([+-])(..):(..)/;
    return $at * 1_000_000 + ($F ? substr $F . '000000', 0, 6 : 0);
}

# Texts in the order of ICU's root, which is Unicode's; what is equal there by its bytes.
my $root = Unicode::Collate->new(variable => 'non-ignorable', level => 3);
my %weight;
sub weight ($s) {
    return $weight{$s} //= do {
        my $bytes = $s;
        utf8::encode($bytes);
        $root->getSortKey($s) . "\0\0$bytes";
    };
}
sub in_root ($p, $q) { return weight($p) cmp weight($q) }

sub value_of ($r, $key) { return exists $OWN->{$key} ? $r->{$key} : $r->{field_values}{$key} }
# What is asked of texts is asked of each of a list.
sub texts_of ($key, $v) { return grep { defined } class($key) eq 'x' && ref $v eq 'ARRAY' ? map { text_of($_) } @$v : text_of($v) }

# The end of what a time names: of a date its whole day.
sub end_of ($v) { my $at = time_of($v) // return; return $at + (length $v == 10 ? 86_400_000_000 : $v =~ /[.][0-9]{4}/ ? 1 : 1000) }

my %zone_day;    # what PostgreSQL says of zones: the first moment of a day there
sub midnight ($day, $zone) { return $zone_day{"$day $zone"} //= $db->selectrow_array('SELECT (extract(epoch FROM (?::date)::timestamp AT TIME ZONE ?) * 1000000)::bigint', undef, $day, $zone) }
sub plus ($day, $n) { my @d = gmtime(time_of($day) / 1e6 + 86_400 * $n); return sprintf '%04d-%02d-%02d', $d[5] + 1900, $d[4] + 1, $d[3] }
sub first_of ($day, $unit, $more) {
    my ($y, $m) = split /-/, $day;
    if ($unit eq 'week') { return plus($day, -(((gmtime(time_of($day) / 1e6))[6] + 6) % 7) + 7 * $more) }
    my $step  = { month => 1, quarter => 3, year => 12 }->{$unit};
    my $count = $y * 12 + $m - 1;
    $count += $more * $step - $count % $step;
    return sprintf '%04d-%02d-01', $count / 12, $count % 12 + 1;
}
# The days that a period has where it is that day: the first, and the first behind.
sub period ($name, $today) {
    return (plus($today, $1 eq 'yesterday' ? -1 : $1 eq 'tomorrow' ? 1 : 0), plus($today, $1 eq 'yesterday' ? 0 : $1 eq 'tomorrow' ? 2 : 1)) if $name =~ /\A(today|yesterday|tomorrow)\z/;
    if ($name =~ /\A(last|next)_(\d+)_days\z/) { return $1 eq 'last' ? (plus($today, 1 - $2), plus($today, 1)) : (plus($today, 1), plus($today, 1 + $2)) }
    my ($which, $unit) = split /_/, $name;
    my $more = { last => -1, this => 0, next => 1 }->{$which};
    return (first_of($today, $unit, $more), first_of($today, $unit, $more + 1));
}

my %today;    # of zones, while one question is asked
sub holds ($r, $f) {
    return all { holds($r, $_) } @{ $f->{and} } if $f->{and};
    return any { holds($r, $_) } @{ $f->{or} } if $f->{or};
    return !holds($r, $f->{not}) if $f->{not};
    my ($key, $op, $value) = @$f{qw(field op value)};
    my ($v, $class) = (value_of($r, $key), class($key));
    return !defined $v if $op eq 'is_null';
    return defined $v  if $op eq 'is_not_null';
    return !holds($r, { field => $key, op => { ne => 'eq', not_in => 'in', not_contains => 'contains' }->{$op}, value => $value }) if $op =~ /\An(?:e|ot_)/;
    if ($op eq 'eq' || $op eq 'in') {
        my @asked = ref $value eq 'ARRAY' ? @$value : $value;
        if ($class eq 'n') { my $n = number_of($v) // return 0; return any { defined $_ && $_ == $n } map { number_of($_) } @asked }
        if ($class eq 'd') { my $at = time_of($v) // return 0; return any { defined $_ && $_ == $at } map { time_of(text_of($_)) } @asked }
        return any { my $s = $_; any { $_ eq $s } map { text_of($_) } @asked } texts_of($key, $v);
    }
    if ($op eq 'within') {
        my $zone = $f->{time_zone} // 'UTC';
        my $at   = time_of($v) // return 0;
        my ($from, $until) = map { midnight($_, ($type{$key} // '') eq 'date' ? 'UTC' : $zone) } period($value, $today{$zone});
        return $at >= $from && $at < $until;
    }
    if ($op =~ /\A[gl]te?\z/) {
        my $is = sub ($cmp) { return $op eq 'gt' ? $cmp > 0 : $op eq 'gte' ? $cmp >= 0 : $op eq 'lt' ? $cmp < 0 : $cmp <= 0 };
        if ($class eq 'd') {
            my $at = time_of($v) // return 0;
            my ($from, $until) = (time_of(text_of($value)), end_of(text_of($value)));
            return defined $from && ($op eq 'gt' ? $at >= $until : $op eq 'gte' ? $at >= $from : $op eq 'lt' ? $at < $from : $at < $until);
        }
        if ($class eq 'n' || !ref $value && Cpanel::JSON::XS->new->allow_nonref->encode($value) !~ /\A"/) {
            my ($n, $m) = (ref $v && !Cpanel::JSON::XS::is_bool($v) ? undef : number_of($v), number_of($value));
            return defined $n && defined $m && $is->($n <=> $m);
        }
        return any { $is->(in_root($_, text_of($value))) } texts_of($key, $v);
    }
    my $q = lc text_of($value);
    return any { my $s = lc; $op eq 'starts_with' ? substr($s, 0, length $q) eq $q : $op eq 'ends_with' ? $q eq '' || length $s >= length $q && substr($s, -length $q) eq $q : index($s, $q) >= 0 } texts_of($key, $v);
}

# The three older filters, each by what it is beside the new one.
sub older ($kind, $key, $f) {
    return ref $f eq 'ARRAY' ? { field => $key, op => 'in', value => $f } : ref $f ? { field => $key, %$f } : { field => $key, op => 'contains', value => $f } if $kind eq 'column';
    return { and => [ map { { field => $key, op => $_ eq 'from' ? 'gte' : 'lte', value => $f->{$_} } } sort keys %$f ] };
}

# As a list is ordered: what has no value last, the newest first.
sub in_order ($by, $order, @rows) {
    my $class = class($by);
    my %of;
    for my $r (@rows) {
        my $v = value_of($r, $by);
        my $x = $class eq 'n' ? number_of($v) : $class eq 'd' ? time_of($v) : $class eq 'b' ? (Cpanel::JSON::XS::is_bool($v) ? ($v ? 1 : 0) : undef) : text_of($v);
        $of{ $r->{id} } = defined $x && $class =~ /[tx]/ && $by ne 'title' ? substr $x, 0, 256 : $x;
    }
    my $cmp  = $by eq 'status' ? sub ($p, $q) { $p cmp $q } : $class =~ /[tx]/ ? \&in_root : sub ($p, $q) { $p <=> $q };
    my @with = sort { $cmp->($of{ $a->{id} }, $of{ $b->{id} }) || $a->{id} cmp $b->{id} } grep { defined $of{ $_->{id} } } @rows;
    return ($order eq 'desc' ? reverse @with : @with), sort { $b->{created_at} cmp $a->{created_at} || $a->{id} cmp $b->{id} } grep { !defined $of{ $_->{id} } } @rows;
}

# ---------------------------------------------------------------- questions

my @ZONES   = qw(UTC Europe/Berlin America/New_York Asia/Kolkata Pacific/Auckland);
my @PERIODS = (qw(today yesterday tomorrow last_7_days next_7_days last_400_days), map { my $u = $_; map { "${_}_$u" } qw(this last next) } qw(week month quarter year));
my @SINGLE = grep { !ref || Cpanel::JSON::XS::is_bool($_) } @ANY;
sub one_value ($key) {
    my @of = grep { !ref || Cpanel::JSON::XS::is_bool($_) } @{ $usual{$key} // [ @WORDS, @TIMES ] };
    @of = ('a', 'b', "${LONG}b") if $key eq 'kinds';
    return pick(rand() < .7 ? @of : @SINGLE);
}
sub leaf () {
    my $key = pick(keys %type, keys %type, qw(title status created_at owner_id));
    my @of  = qw(eq ne gt gte lt lte contains not_contains starts_with ends_with in not_in is_null is_not_null);
    my $op  = class($key) eq 'd' && rand() < .4 ? 'within' : pick(@of);
    return { field => $key, op => $op } if $op =~ /null/;
    return { field => $key, op => $op, value => pick(@PERIODS), (rand() < .7 ? (time_zone => pick(@ZONES)) : ()) } if $op eq 'within';
    return { field => $key, op => $op, value => [ map { one_value($key) } 1 .. 1 + rand 4 ] } if $op =~ /in\z/ && $op ne 'contains' && $op ne 'not_contains';
    my $v = one_value($key);
    $v = substr text_of($v), pick(0, 1), pick(1, 3, 5) if $op =~ /contains|with/ && rand() < .5 && length text_of($v) > 1;
    return { field => $key, op => $op, value => $v };
}
sub tree ($depth) {
    return leaf() if !$depth || rand() < .25;
    my $kind = pick(qw(and or or not));
    return { not => tree($depth - 1) } if $kind eq 'not';
    return { $kind => [ map { tree($depth - 1) } 1 .. 1 + rand 3 ] };
}
sub leaves ($f) { return $f->{field} ? 1 : $f->{not} ? leaves($f->{not}) : eval { my $n = 0; $n += leaves($_) for @{ $f->{and} // $f->{or} }; $n } }

subtest 'thousands of questions' => sub {
    my ($wrong, $pages, $found, $exports) = (0, 0, 0, 0);
    my $missed = sub ($what, $query, $got, $want) {
        $wrong++;
        my %got = map { $_ => 1 } @$got;
        my %want = map { $_ => 1 } @$want;
        my ($more, $less) = ((first { !$want{$_} } @$got), (first { !$got{$_} } @$want));
        my $show = first { $_->{id} eq ($more // $less // '') } map { @$_ } values %row;
        diag "$what " . $json->encode($query) . ': ' . scalar(@$got) . ' for ' . @$want . ($show ? ($more ? ', too many: ' : ', missing: ') . $json->encode({ %$show{qw(title status created_at)}, %{ $show->{field_values} } }) : ', in another order');
    };
    for my $nr (1 .. $QUESTIONS) {
        my $f = tree(pick(0, 1, 2, 3, 5));
        redo if leaves($f) > 45;
        my (%query, @tests) = (filter => $json->encode($f));
        push @tests, $f;
        if (rand() < .15) { my ($k, $c) = (pick(qw(name city price kinds more)), pick('a', 'ärg', [ 'Austin', '3' ], { op => 'ne', value => 'Bern' })); $query{column_filters} = $json->encode({ $k => $c }); push @tests, older(column => $k, $c) }
        if (rand() < .15) { my ($k, $d) = (pick(qw(on at created_at)), pick({ from => '2026-01-31' }, { to => '2026-02-01' }, { from => day_off(-30), to => day_off(0) })); $query{date_filters} = $json->encode({ $k => $d }); push @tests, older(date => $k, $d) }
        next if length $query{filter} > 8000;
        my ($by, $order, $size) = (pick('created_at', 'title', 'status', keys %type), pick(qw(asc desc)), pick(40, 120, 200, 200));

        my $answers;
        do {    # once more, where it was midnight meanwhile
            %today   = days();
            $answers = ask(\%query, $by, $order, $size);
        } while ($json->encode(\%today) ne $json->encode({ days() }));
        for my $name (qw(slotted plain)) {
            my @want = grep { my $r = $_; all { holds($r, $_) } @tests } @{ $row{$name} };
            my @list = map { $_->{id} } in_order($by, $order, @want);
            $found += @want;
            my $got = $answers->{$name};
            $pages += $got->{pages};
            if ($got->{refused}) { $wrong++; diag "$name " . $json->encode(\%query) . ": $got->{refused}"; next }
            $missed->("$name by $by $order $size", \%query, $got->{list}, \@list) if "@{ $got->{list} }" ne "@list";
            $wrong++, diag "$name " . $json->encode(\%query) . ": total $got->{total} for " . @list if $got->{total} != @list;
            my @map = sort map { $_->{id} } grep { $_->{geometry} } @want;
            $missed->("$name on the map", \%query, $got->{map}, \@map) if $got->{map} && "@{ $got->{map} }" ne "@map";
            my %facets;
            $facets{ $_->{status} }++ for @want;
            $wrong++, diag "$name facets " . $json->encode([ \%query, $got->{facets}, \%facets ]) if $got->{facets} && $json->encode($got->{facets}) ne $json->encode(\%facets);
        }
        if ($nr % 40 == 7) {
            my %filters = map { $_ => $json->decode($query{$_}) } keys %query;
            my $res = $bob->post("$sets/export", { recordset_id => $set{slotted}, fields => ['id'], filters => \%filters });
            my $job;
            eventually { $job = $bob->get("$sets/import/jobs/@{[ $res->json('/job_id') ]}")->json; $job->{status} =~ /completed|failed/ } 60, 'an export ends';
            my @got  = sort grep { /-/ } split /\r\n/, $t->nobody->get($job->{download_url} =~ s{\Ahttps://[^/]+}{}r)->body;
            my @want = sort map { $_->{id} } grep { my $r = $_; all { holds($r, $_) } @tests } @{ $row{slotted} };
            $missed->('exported', \%query, \@got, \@want) if "@got" ne "@want";
            $exports++;
        }
        last if $wrong > 8;
    }
    is $wrong, 0, "$QUESTIONS questions (SEED=$seed)";
    note "$pages pages, $found records found, $exports exports";
};

# Which day it is, by zone.
sub days () { return map { @$_ } @{ $db->selectall_arrayref('SELECT z, (now() AT TIME ZONE z)::date FROM unnest(?::text[]) z', undef, \@ZONES) } }

sub ask ($query, $by, $order, $size) {
    my %answers;
    for my $name (qw(slotted plain)) {
        my %got = (list => [], pages => 0);
        while (1) {
            my $res = $bob->get($base, query => { %$query, recordset_id => $set{$name}, sort_by => $by, sort_order => $order, page_size => $size, page => ++$got{pages} });
            if ($res->status != 200) { $got{refused} = $res->describe; last }
            my @here = map { $_->{id} } @{ $res->json('/items') };
            push @{ $got{list} }, @here;
            $got{total} = $res->json('/total');
            last if @here < $size;
        }
        $answers{$name} = \%got;
        next if $got{refused} || rand() < .5;
        my $map = $bob->get("$base/map", @AS_LINES, query => { %$query, recordset_id => $set{$name} });
        $got{map} = [ sort map { $_->{id} // () } map { Cpanel::JSON::XS->new->utf8->decode($_) } split /\n/, $map->body ];
        my $facets = $bob->get("$sets/$set{$name}/facets", query => { %$query, fields => 'status' });
        $got{facets} = { map { $_->{value} => $_->{count} } @{ $facets->json('/facets/0/values') // [] } };
    }
    return \%answers;
}
