use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use List::Util qw(any none uniq);

# Lists of records: who sees which, what filters mean, orders and pages; with slots and without them the same.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $base = '/api/v1/records';
my $crud = '/api/v1/crud/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none = '00000000-0000-7000-8000-00000000dead';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});

my @FIELDS = (
    { key => 'name', type => 'text' }, { key => 'city', type => 'select', options => [qw(austin bern cork)] }, { key => 'price', type => 'number' }, { key => 'on', type => 'date' }, { key => 'at', type => 'datetime' },
    { key => 'open', type => 'boolean' }, { key => 'kinds', type => 'multi_select', options => [qw(a b c)] }, { key => 'note', type => 'long_text' }, { key => 'ai_recommendation', type => 'text' },
);

sub new_set ($name, @more) { return $bob->post($sets, { name => $name, schema => { fields => \@FIELDS, title_field => 'name' }, @more })->json('/id') }

# Many at once, as an import puts them; their ids.
sub add ($set, @rows) {
    $db->begin_work;
    $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true), set_config(?, ?, true)', undef, 'app.tenant_id' => $bob->tenant_id, 'app.organization_id' => $w->id,
        'app.member_id' => $w->member_id('bob'), 'app.org_role' => 'member', 'app.quiet' => 'on');
    my ($ids) = $db->selectrow_array('SELECT records_add(?, ?::jsonb)', undef, $set, $json->encode(\@rows));
    $db->commit;
    return @$ids;
}
sub list ($who = $bob, %query) { return $who->get($base, query => \%query) }
sub ids ($res) { status_is $res, 200; return map { $_->{id} } @{ $res->json('/items') } }
sub filter ($kind, $value) { return ($kind . '_filters' => ref $value ? $json->encode($value) : $value) }

subtest 'who sees which' => sub {
    my $one = $bob->post($sets, { name => 'One' })->json('/id');
    my $two = $ann->post($sets, { name => 'Two' })->json('/id');
    my @of_one = map { $bob->post($base, { recordset_id => $one, title => "one $_" })->json('/id') } 1 .. 3;
    my @of_two = map { $ann->post($base, { recordset_id => $two, title => "two $_" })->json('/id') } 1 .. 2;
    for my $at ($base, $crud) {
        error_is $bob->get($at, query => { recordset_id => $two }), 403, 'AUTHORIZATION_ERROR', name => "$at: without can_view";
        error_is $_->get($at, query => { recordset_id => $none }), 404, 'NOT_FOUND' for $ann, $bob;
        error_is $eve->get($at, query => { recordset_id => $one }), 404, 'NOT_FOUND', name => "$at: another workspace's";
        my $res = $bob->get($at, query => { recordset_id => $one });
        status_is $res, 200;
        is_deeply [ map { $_->{id} } @{ $res->json('/items') } ], [ reverse @of_one ], 'the newest first';
        is_deeply { map { $_ => $res->json("/$_") } qw(total page page_size total_pages) }, { total => 3, page => 1, page_size => 50, total_pages => 1 };
        my %got = %{ $bob->get("$base/$of_one[2]")->json };
        is_deeply $res->json('/items/0'), { %got, permissions => undef }, 'each as by itself, but for the caller\'s rights';
        is_deeply [ ids($ann->get($at)) ], [ reverse @of_one, @of_two ], 'owners and admins see all';
        is_deeply [ ids($bob->get($at)) ], [ reverse @of_one ], 'others what they may see';
        is_deeply [ ids($carl->get($at)) ], [];
        is $carl->get($at)->json('/total'), 0;
        is_deeply [ ids($eve->get($at)) ], [], 'and nobody another workspace\'s';
    }
    status_is $ann->post("$sets/$two/access", { member_id => $w->member_id('bob'), can_view => true }), 201;
    is_deeply [ ids(list()) ], [ reverse @of_one, @of_two ], 'with a grant';
    is list($bob, page_size => 2)->json('/total'), 5;
    is_deeply [ map { ids(list($bob, page_size => 2, page => $_)) } 1 .. 4 ], [ reverse @of_one, @of_two ], 'page by page, across recordsets';
    is_deeply [ ids(list($bob, sort_by => 'title', sort_order => 'asc')) ], [ @of_one, @of_two ];
    is_deeply [ ids(list($bob, search => 'TWO')) ], [ reverse @of_two ], 'a search is for all of them';
    is list($bob, search => 'two')->json('/total'), 2;
    error_is list($bob, sort_by => 'price'), 422, 'VALIDATION_ERROR', field => 'sort_by', name => 'fields order one recordset alone';
    is_deeply [ ids(list($bob, filter(column => { anything => 'x' }))) ], [];

    status_is $bob->delete("$base/$of_one[1]"), 204;
    is_deeply [ ids(list($bob, recordset_id => $one)) ], [ @of_one[ 2, 0 ] ], 'what is deleted is left out';
    is_deeply [ ids(list($bob, recordset_id => $one, status => 'deleted')) ], [ $of_one[1] ], 'unless who has can_admin asks for it';
    is_deeply [ sort(ids(list($bob, recordset_id => $one, status => 'deleted,active'))) ], [ sort @of_one ];
    is list($bob, recordset_id => $one, status => 'deleted')->json('/items/0/is_latest'), false;
    status_is $bob->post("$sets/$one/access", { member_id => $w->member_id('carl'), can_view => true }), 201;
    is_deeply [ ids(list($carl, recordset_id => $one, status => 'deleted')) ], [], 'others do not see it';
    is_deeply [ ids(list($carl, status => 'deleted')) ], [];
    is_deeply [ ids(list($bob, status => 'deleted')) ], [ $of_one[1] ];
    status_is $bob->delete("$sets/$one"), 204;
    is_deeply [ ids(list()) ], [ reverse @of_two ], 'nor is what is in the trash there';
    error_is list($bob, recordset_id => $one), 404, 'NOT_FOUND';
    status_is $ann->post("$base/bulk-delete", { all => true, recordset_id => $two }), 200;
    is list()->json('/total'), 0, 'nor what was emptied';
};

subtest 'what may be asked' => sub {
    my $set = new_set('Asked');
    error_is list($bob, recordset_id => $set, @{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not $_->[1][0] = $_->[1][1]"
        for [ page => [ page => 0 ] ], [ page_size => [ page_size => 201 ] ], [ page_size => [ page_size => 0 ] ], [ qr/\Astatus/ => [ status => 'gone' ] ], [ sort_order => [ sort_order => 'up' ] ], [ sort_by => [ sort_by => 'A b' ] ],
            [ sort_by => [ sort_by => 'pric' ] ], [ recordset_id => [ recordset_id => 'x' ] ], [ group_id => [ group_id => 'x' ] ], [ qr/\Afields/ => [ fields => 'A B' ] ],
            [ column_filters => [ filter(column => '{') ] ], [ column_filters => [ filter(column => '[]') ] ], [ column_filters => [ filter(column => '{"name":1,"name":2}') ] ], [ 'column_filters.name' => [ filter(column => { name => undef }) ] ],
            [ 'column_filters.name.op' => [ filter(column => { name => { op => 'like', value => 'x' } }) ] ], [ 'column_filters.name.op' => [ filter(column => { name => {} }) ] ],
            [ 'column_filters.name.value' => [ filter(column => { name => { op => 'eq' } }) ] ], [ 'column_filters.name.value' => [ filter(column => { name => { op => 'in', value => 'x' } }) ] ], [ 'column_filters.name' => [ filter(column => { name => [] }) ] ],
            [ 'column_filters.name[1]' => [ filter(column => { name => [ 'a', {} ] }) ] ], [ 'column_filters.naem' => [ filter(column => { naem => 'x' }) ] ], [ 'column_filters.name' => [ filter(column => { name => 'x' x 1001 }) ] ],
            [ 'numeric_filters.price' => [ filter(numeric => { price => 1 }) ] ], [ 'numeric_filters.price' => [ filter(numeric => { price => {} }) ] ], [ 'numeric_filters.price.min' => [ filter(numeric => { price => { min => '1' } }) ] ],
            [ 'numeric_filters.price' => [ filter(numeric => { price => { low => 1 } }) ] ], [ numeric_filters => [ filter(numeric => '{"price":{"min":1e999}}') ] ], [ 'date_filters.on.from' => [ filter(date => { on => { from => 'today' } }) ] ],
            [ 'date_filters.on.to' => [ filter(date => { on => { to => '2026-02-30' } }) ] ], [ 'date_filters.on' => [ filter(date => { on => {} }) ] ], [ 'date_filters.no' => [ filter(date => { no => { from => '2026-01-01' } }) ] ];
    like list($bob, recordset_id => $set, filter(column => { naem => 'x' }))->json('/error/message'), qr/did you mean name\?/, 'the one that may have been meant is named';
    like list($bob, recordset_id => $set, sort_by => 'creatd_at')->json('/error/message'), qr/did you mean created_at\?/;
    status_is list($bob, recordset_id => $set, filter(column => { map { ("k$_" => 'x') } 1 .. 51 })), 422, 'fifty at most';
    status_is list($bob, recordset_id => $set, search => '  ', page_size => 200, filter(column => { name => q{x'"\\%_} })), 200, 'what a client says is never SQL';
    status_is list($bob, recordset_id => $set, search => "'; DROP TABLE records; --", tags => "a',b\"", tool => "x'y", exclude_recommendation => "'"), 200;
};

# ---------------------------------------------------------------- a plain evaluator

sub text_of ($v) { return !defined $v || ref $v eq 'HASH' ? undef : Cpanel::JSON::XS::is_bool($v) ? ($v ? 'true' : 'false') : ref $v ? undef : "$v" }
sub number_of ($v) { my $s = text_of($v) // return; return $s =~ /\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\z/ && abs($s) < 1.7e308 ? 0 + $s : undef }
sub time_of ($v) {
    my $s = text_of($v) // return;
    return "${s}T00:00:00Z" if $s =~ /\A\d{4}-\d\d-\d\d\z/;
    return $s =~ /\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/ ? $s =~ s/\.\d+Z\z/Z/r : undef;
}
my %type = map { $_->{key} => $_->{type} } @FIELDS;

sub holds ($r, $kind, $key, $f) {
    my $v    = $key eq 'title' ? $r->{title} : $key eq 'status' ? $r->{status} : $r->{field_values}{$key};
    my $type = $type{$key} // 'text';
    my @text = ref $v eq 'ARRAY' ? @$v : grep { defined } text_of($v);
    if ($kind eq 'numeric') {
        my $n = ref $v eq 'ARRAY' ? undef : number_of($v);
        return defined $n && (!exists $f->{min} || $n >= $f->{min}) && (!exists $f->{max} || $n <= $f->{max}) && (!exists $f->{eq} || $n == $f->{eq});
    }
    if ($kind eq 'date') {
        my $at = time_of($v) // return 0;
        return (!$f->{from} || $at ge time_of($f->{from})) && (!$f->{to} || ($f->{to} =~ /\A.{10}\z/ ? substr($at, 0, 10) le $f->{to} : $at le $f->{to}));
    }
    my ($op, $value) = ref $f eq 'ARRAY' ? ('in', $f) : ref $f eq 'HASH' ? @$f{qw(op value)} : ('contains', $f);
    return !@text && !(ref $v) if $op eq 'is_null';
    return @text || ref $v     if $op eq 'is_not_null';
    return !holds($r, $kind, $key, { op => { ne => 'eq', not_in => 'in', not_contains => 'contains' }->{$op}, value => $value }) if $op =~ /\An(?:e|ot_)/;
    my @wanted = map { text_of($_) } ref $value eq 'ARRAY' ? @$value : ($value);
    return any { my $s = $_; any { $type eq 'number' ? (defined number_of($_) && $s == $_) : $type =~ /date/ ? (defined time_of($_) && time_of($s) eq time_of($_)) : $s eq $_ } @wanted } @text if $op eq 'eq' || $op eq 'in';
    my $q = quotemeta lc $value;
    my $re = $op eq 'starts_with' ? qr/\A$q/ : $op eq 'ends_with' ? qr/$q\z/ : qr/$q/;
    return any { lc($_) =~ $re } @text;
}

sub searched ($r) {
    return join "\n", map { lc } $r->{title} // (), map { ref $_ eq 'ARRAY' ? @$_ : $_ } @{ $r->{field_values} }{ grep { exists $r->{field_values}{$_} } qw(name city kinds note ai_recommendation) };
}

# As the API orders: what has no value last, the newest first.
sub in_order ($by, $order, @rows) {
    my $type = $type{$by} // '';
    my $of   = sub ($r) {
        my $v = $by eq 'title' ? $r->{title} : $by eq 'status' ? $r->{status} : $by eq 'created_at' ? $r->{nr} : $r->{field_values}{$by};
        return $type eq 'number' ? number_of($v) : $type =~ /date/ ? time_of($v) : $type eq 'boolean' ? (defined $v ? $v ? 1 : 0 : undef) : ref $v ? undef : defined $v && $by ne 'title' ? substr($v, 0, 256) : $v;
    };
    my @with = grep { defined $of->($_) } @rows;
    my $cmp  = $by eq 'created_at' || $type eq 'number' || $type eq 'boolean' ? sub ($p, $q) { $of->($p) <=> $of->($q) } : sub ($p, $q) { $of->($p) cmp $of->($q) };
    @with = sort { ($order eq 'desc' ? $cmp->($b, $a) : $cmp->($a, $b)) || ($order eq 'desc' ? $b->{id} cmp $a->{id} : $a->{id} cmp $b->{id}) } @with;
    return (@with, sort { $b->{nr} <=> $a->{nr} } grep { !defined $of->($_) } @rows);
}

subtest 'the same as a plain evaluator finds, with slots and without' => sub {
    srand(my $seed = $ENV{SEED} // time);
    diag "SEED=$seed" if $ENV{SEED};
    my @words = qw(alpha beta gamma delta mole pier quay buoy light house);
    my $some  = sub ($odds, $v) { rand() < $odds ? $v : undef };
    my $pick  = sub (@of) { $of[ rand @of ] };
    my $long  = 'z' x 256;
    my %set   = map { $_ => new_set($_) } qw(slotted plain);
    my @rows  = map {
        my %v = (
            name => $some->(.9, $pick->($pick->(@words) . $pick->(@words), $pick->(@words), "$long" . $pick->('a', 'b'), $_ % 50)), city => $some->(.7, $pick->(qw(austin bern cork))),
            price => $some->(.7, $pick->(int rand 10, int(rand 100) / 4, -3, 1e15)), on => $some->(.6, sprintf '2026-0%d-%02d', 1 + rand 9, 1 + rand 28), at => $some->(.6, sprintf '2026-01-%02dT%02d:00:00Z', 1 + rand 9, rand 24),
            open => $some->(.8, rand() < .3 ? true : false), kinds => $some->(.5, [ grep { rand() < .5 } qw(a b c) ]), note => $some->(.3, join ' ', map { $pick->(@words) } 1 .. 9), ai_recommendation => $some->(.3, $pick->(qw(keep skip sell))),
        );
        delete @v{ grep { !defined $v{$_} } keys %v };
        { field_values => \%v, status => $pick->(qw(active active active draft archived)), tags => [ grep { rand() < .2 } qw(red blue) ], tool_statuses => { rand() < .2 ? (survey => 'x') : () }, group_id => rand() < .2 ? $none : undef }
    } 1 .. 240;
    my %row;
    for my $name (sort keys %set) {
        my @ids = add($set{$name}, @rows);
        $db->do(q{UPDATE records SET created_at = now() - interval '1 day' + array_position(?::uuid[], id) * interval '1 second' WHERE id = ANY (?)}, undef, \@ids, \@ids);
        $row{$name} = [ map { { %{ $rows[$_] }, id => $ids[$_], nr => $_, title => $rows[$_]{field_values}{name} } } 0 .. $#ids ];
    }
    $db->do(q{UPDATE recordsets SET slots_filled = '{}' WHERE id = ?}, undef, $set{plain});
    cmp_ok scalar(keys %{ $json->decode($db->selectrow_array('SELECT slots FROM recordsets WHERE id = ?', undef, $set{slotted})) }), '>=', 7, 'fields are in slots by themselves';

    my %filters = (
        column => {
            name  => [ 'al', 'ALPHA', 'light', ['molepier', 'mole', "${long}a"], { op => 'eq', value => 'mole' }, { op => 'eq', value => "${long}b" }, { op => 'eq', value => $long }, { op => 'ne', value => 'mole' }, { op => 'starts_with', value => 'MOL' }, { op => 'ends_with', value => 'ht' },
                       { op => 'not_contains', value => 'a' }, { op => 'is_null' }, { op => 'is_not_null' }, { op => 'in', value => [ '7', 'quay' ] }, '%', 'x_y' ],
            city  => [ ['austin'], [ 'bern', 'cork' ], { op => 'not_in', value => [ 'bern', 'cork' ] }, { op => 'eq', value => 'Austin' }, { op => 'is_null' } ],
            price => [ { op => 'eq', value => '5' }, { op => 'eq', value => 5 }, [ 1, 2.5, '3.0' ], { op => 'ne', value => 7 }, { op => 'is_null' }, { op => 'eq', value => 'x' } ],
            open  => [ { op => 'eq', value => true }, { op => 'eq', value => 'false' }, { op => 'ne', value => true }, { op => 'is_null' } ],
            on    => [ { op => 'eq', value => '2026-03-04' }, { op => 'is_not_null' }, [ '2026-01-01', '2026-02-02', '2026-05-05' ] ],
            at    => [ { op => 'eq', value => '2026-01-03T04:00:00Z' } ],
            kinds => [ 'a', ['b'], { op => 'eq', value => 'c' }, { op => 'ne', value => 'a' }, { op => 'not_contains', value => 'b' } ],
            note  => [ 'pier', 'quay buoy', { op => 'starts_with', value => 'light' } ],
            title => [ 'mole', { op => 'is_null' }, { op => 'eq', value => 'pier' } ], status => [ ['draft'], { op => 'ne', value => 'active' } ],
        },
        numeric => { price => [ { min => 2 }, { max => 5 }, { min => 1, max => 9 }, { eq => 3 }, { min => 1e14 }, { min => 9, max => 1 } ], name => [ { min => 10 }, { eq => 7 } ], title => [ { max => 20 } ] },
        date    => { on => [ { from => '2026-03-01' }, { to => '2026-02-28' }, { from => '2026-02-01', to => '2026-04-30' } ], at => [ { from => '2026-01-02', to => '2026-01-04' }, { to => '2026-01-03T12:00:00Z' }, { from => '2026-01-05T05:00:00Z' } ] },
    );
    my $wrong = 0;
    for my $nr (1 .. 150) {
        my (%asked, %query, @tests);
        for my $kind (sort keys %filters) {
            next if rand() < .5;
            for my $key (grep { rand() < 1.2 / keys %{ $filters{$kind} } } sort keys %{ $filters{$kind} }) {
                my $f = $pick->(@{ $filters{$kind}{$key} });
                $asked{$kind}{$key} = $f;
                push @tests, sub ($r) { holds($r, $kind, $key, $f) };
            }
        }
        $query{"${_}_filters"} = $json->encode($asked{$_}) for keys %asked;
        if (rand() < .2) { my $s = $pick->(qw(alp LIGHT erhouse n cork keep b)); $query{search} = $s; push @tests, sub ($r) { index(searched($r), lc $s) >= 0 } }
        if (rand() < .2) { my @s = $pick->([qw(draft)], [qw(active draft)], [qw(archived draft)])->@*; $query{status} = join ',', @s; push @tests, sub ($r) { any { $_ eq $r->{status} } @s } }
        if (rand() < .2) { my @s = $pick->(['red'], [qw(red blue)])->@*; $query{tags} = join ',', @s; push @tests, sub ($r) { any { my $x = $_; any { $_ eq $x } @{ $r->{tags} } } @s } }
        if (rand() < .1) { $query{tool} = 'survey'; push @tests, sub ($r) { exists $r->{tool_statuses}{survey} } }
        if (rand() < .1) { $query{exclude_recommendation} = 'skip,sell'; push @tests, sub ($r) { none { $_ eq ($r->{field_values}{ai_recommendation} // '') } qw(skip sell) } }
        if (rand() < .1) { $query{group_id} = $none; push @tests, sub ($r) { defined $r->{group_id} } }
        my ($by, $order, $size) = ($pick->(qw(created_at title status name city price on at open note)), $pick->(qw(asc desc)), $pick->(7, 50, 200));
        @query{qw(sort_by sort_order page_size)} = ($by, $order, $size);
        my %found;
        for my $name (sort keys %set) {
            my @want = map { $_->{id} } in_order($by, $order, grep { my $r = $_; !grep { !$_->($r) } @tests } @{ $row{$name} });
            my ($page, @got) = (0);
            while ($page++ < 60) {
                my $res = list($bob, %query, recordset_id => $set{$name}, page => $page);
                my @here = map { $_->{id} } @{ $res->json('/items') // [] };
                $res->status == 200 && $res->json('/total') == @want or do { $wrong++; diag "$name " . $json->encode(\%query) . ': ' . $res->status . ', ' . ($res->json('/total') // $res->body) . ' of ' . @want };
                push @got, @here;
                last if @here < $size;
            }
            if ("@got" ne "@want") { $wrong++; diag "$name " . $json->encode(\%query) . ': ' . scalar(@got) . ' for ' . @want . ((join ' ', sort @got) eq (join ' ', sort @want) ? ', in another order' : '') }
        }
        last if $wrong > 5;
    }
    is $wrong, 0, "150 questions (SEED=$seed)";
};

subtest 'fields, tools, groups' => sub {
    my $set = new_set('Parts');
    my ($id) = add($set, { field_values => { name => 'n', price => 1, city => 'bern' } });
    is_deeply list($bob, recordset_id => $set, fields => 'price,city,none')->json('/items/0/field_values'), { price => 1, city => 'bern' }, 'only these values';
    is_deeply list($bob, recordset_id => $set)->json('/items/0/field_values'), { name => 'n', price => 1, city => 'bern' };
    status_is $bob->put("$base/$id", { field_values => { price => 2 }, tool_statuses => { survey => 'x' } }), 200;
    is list($bob, recordset_id => $set, filter(numeric => { price => { eq => 2 } }))->json('/total'), 1, 'a change is found at once';
    is list($bob, recordset_id => $set, filter(numeric => { price => { eq => 1 } }))->json('/total'), 0;
    is list($bob, recordset_id => $set, tool => 'survey')->json('/total'), 1;
    status_is $bob->post("$base/$id/dismiss?tool=survey"), 200;
    is list($bob, recordset_id => $set, tool => 'survey')->json('/total'), 0;
    is list($bob, recordset_id => $set, sort_by => 'updated_at')->json('/total'), 1;
    is list($bob, recordset_id => $set, filter(date => { updated_at => { from => '2020-01-01' } }))->json('/total'), 1;
    is list($bob, recordset_id => $set, filter(date => { created_at => { to => '2020-01-01' } }))->json('/total'), 0;
    is list($bob, recordset_id => $set, filter(column => { owner_id => [ $w->member_id('bob') ] }))->json('/total'), 1;
    is list($bob, recordset_id => $set, filter(column => { owner_id => { op => 'ne', value => $w->member_id('bob') } }))->json('/total'), 0;
    my $free = $bob->post($sets, { name => 'Free' })->json('/id');
    add($free, { field_values => { a => 'x', b => '12', c => ['p', 'q'] } }, { field_values => { a => 3 } });
    is list($bob, recordset_id => $free, filter(column => { a => ['3'] }))->json('/total'), 1, 'without a schema any key is one';
    is list($bob, recordset_id => $free, filter(column => { c => 'q' }))->json('/total'), 1;
    is list($bob, recordset_id => $free, filter(numeric => { b => { min => 12, max => 12 } }))->json('/total'), 1;
    is list($bob, recordset_id => $free, sort_by => 'a', sort_order => 'asc')->json('/items/0/field_values/a'), 3;
    is list($bob, recordset_id => $free, search => 'X')->json('/total'), 1;
    is list($bob, recordset_id => $set, search => '2026')->json('/total'), 0, 'dates and numbers are no texts to search';
};

subtest 'another schema: what is there is found all the while, and a job fills the slots' => sub {
    my $set  = new_set('Changing');
    my @ids  = add($set, map { { field_values => { name => "n$_", more => $_ % 3 ? "m$_" : $_ } } } 1 .. 1200);
    my $slot = sub { $db->selectrow_arrayref('SELECT slots::text, (slots = slots_filled)::int FROM recordsets WHERE id = ?', undef, $set) };
    my $ask  = sub { list($bob, recordset_id => $set, filter(column => { more => ['m7'] }))->json('/total') };
    error_is list($bob, recordset_id => $set, filter(column => { more => 'x' })), 422, 'VALIDATION_ERROR';
    my $tag = $bob->get("$base/$ids[0]")->header('ETag');
    status_is $bob->put("$sets/$set", { schema => { fields => [ @FIELDS, { key => 'more', type => 'text' } ], title_field => 'name' } }), 200;
    is $slot->()->[1], 0, 'the slots are not filled yet';
    is $ask->(), 1, 'before';
    my $new = $bob->post($base, { recordset_id => $set, field_values => { more => 'm7' } })->json('/id');
    is $ask->(), 2, 'what comes meanwhile is found, too';

    my $at = "$sets/changing/resync-promoted";
    error_is $carl->post($at), 403, 'AUTHORIZATION_ERROR';
    error_is $eve->post($at), 404, 'NOT_FOUND';
    error_is $bob->post("$sets/none/resync-promoted"), 404, 'NOT_FOUND';
    json_is $bob->post($at), '', { recordset_id => $set, updated_count => 1200, total => 1201, errors => [] }, 'who asks for it has them written at once';
    json_is $bob->post($at), '/updated_count', 0, 'there is nothing to mend then';
    status_is $bob->put("$sets/$set", { settings => { promoted_fields => { promoted_num_1 => 'more', promoted_text_1 => 'name' } } }), 200;
    my $res = $bob->post($at);
    status_is $res, 200;
    is $res->json('/updated_count'), 1200, 'after another mapping again';
    is scalar @{ $res->json('/errors') }, 100, 'what does not convert is named, up to a hundred';
    is_deeply [ grep { $_->{record_id} eq $ids[0] } @{ $res->json('/errors') } ], [ { record_id => $ids[0], column => 'promoted_num_1', error => 'more is no number' } ];
    is $db->selectrow_array('SELECT count(*) FROM records WHERE recordset_id = ? AND n01 IS NOT NULL', undef, $set), 400, 'and is null there';
    $db->do(q{UPDATE records SET n01 = 5 WHERE recordset_id = ? AND n01 = 3}, undef, $set);
    json_is $bob->post($at), '/updated_count', 1, 'what has drifted is mended';

    $db->do(q{UPDATE records SET t01 = NULL WHERE recordset_id = ?}, undef, $set);
    is $ask->(), 2, 'until all are filled nobody looks there';
    $t->start_worker(children => 1);
    eventually { $slot->()->[1] } 60, 'a job fills them';
    is $ask->(), 2, 'behind';
    is list($bob, recordset_id => $set, filter(numeric => { more => { min => 1, max => 9 } }))->json('/total'), 3;
    is list($bob, recordset_id => $set, filter(column => { name => ['n7'] }))->json('/total'), 1;
    is $db->selectrow_array(q{SELECT count(*) FROM records r JOIN recordsets s ON s.id = r.recordset_id CROSS JOIN record_slotted(r.title, r.field_values, s.slots) z
        WHERE s.id = ? AND (r.folded, r.t01, r.t07, r.n01) IS DISTINCT FROM (z.folded, z.t01, z.t07, z.n01)}, undef, $set), 0, 'each record has what it should';
    is $bob->get("$base/$ids[0]")->header('ETag'), $tag, 'and is the same to who had read it';
    ok !(grep { /promoted|folded|\bt0/ } keys %{ list($bob, recordset_id => $set)->json('/items/0') }), 'none of it is in an answer';
};
