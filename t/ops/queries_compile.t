# tools/queries: from named blocks of SQL to C.

use v5.36;
use Test::More;
use lib 't/lib';
use Ashlar::Queries;
use File::Temp ();

# The C of some .sql text, and what went to stderr.
sub compile ($text) {
    my $dir = File::Temp->newdir;
    open my $out, '>:encoding(UTF-8)', "$dir/f.sql" or die $!;
    print {$out} $text or die $!;
    close $out or die $!;
    my $stderr = qx(tools/queries $dir/f.sql $dir/queries 2>&1);
    my $result = { status => $? >> 8, stderr => $stderr =~ s{\Q$dir\E/}{}gr };
    for my $ext (qw(h c)) {
        open my $in, '<', "$dir/queries.$ext" or next;
        local $/ = undef;
        $result->{$ext} = <$in>;
        close $in;
    }
    return $result;
}

# What one statement becomes, and its parameters.
sub statement ($sql) {
    my $made = compile("-- name: q :row\n$sql");
    die $made->{stderr} if $made->{status};
    my ($text, $n, $params) = $made->{c} =~ /\.text = "(.*)",\n\t\.shape = SHAPE_ROW, \.nparams = (\d+), \.params = (.*)\n/ or die $made->{c};
    my @params = $params =~ /"(\@?\w+)"/g;
    is $n, @params, "as many parameters as their number says: $sql";
    return $text =~ s/\\(["\\])/$1/gr, @params;
}

sub becomes ($sql, $text, @params) {
    return is_deeply [ statement($sql) ], [ $text, @params ], $sql;
}

sub refused ($sql, $message, $name = $message) {
    my $made = compile($sql);
    is $made->{status}, 1, "refused: $name";
    like $made->{stderr}, qr/\Q$message\E/, "… and says where and why: $name";
    is $made->{c}, undef, '… and writes nothing';
    return;
}

subtest 'what a query refuses by itself is known to the reference' => sub {
    my $refuses = sub ($sql) { return join ' ', compile("-- name: q :exec\n$sql;\n")->{c} =~ /\.(is_\w+) = true/g };
    is $refuses->(q{SELECT 1 WHERE must(:a, 'no')}), 'is_conflict', 'must()';
    is $refuses->(q{SELECT 1 WHERE may(:a, 'no') [AND valid(:b, 'b', 'no')]}), 'is_forbidden is_invalid', 'may() and valid(), in a part, too';
    is $refuses->('SELECT 1 AS may WHERE realtime_may(:a)'), '', 'and what is only called alike is not';
};

subtest 'parameters' => sub {
    becomes 'SELECT :a;',             'SELECT $1',              'a';
    becomes 'SELECT :b, :a_2, :b;',   'SELECT $1, $2, $1',      'b', 'a_2';
    becomes 'SELECT :a::uuid;',       'SELECT $1::uuid',        'a';
    becomes 'SELECT x::text[1:2];',   'SELECT x::text[1:2]';
    becomes 'SELECT x[i:n], y[1:n];', 'SELECT x[i:n], y[1:n]';
    becomes 'SELECT ARRAY[:a,:b];',   'SELECT ARRAY[$1,$2]',    'a', 'b';
    becomes 'SELECT f(n := 1);',      'SELECT f(n := 1)';
    becomes 'SELECT (:a);',           'SELECT ($1)',            'a';
    becomes 'SELECT 1 WHERE a=:a;',   'SELECT 1 WHERE a=$1',    'a';
};

subtest 'what comes from the credentials is no parameter' => sub {
    becomes 'SELECT @tenant, @user, :user_id, :user_ids;',
        'SELECT (SELECT app_tenant()), (SELECT app_user()), $1, $2', 'user_id', 'user_ids';
    becomes 'SELECT 1 WHERE t=@team AND o = @org_role AND m=(@member);',
        'SELECT 1 WHERE t=(SELECT app_team()) AND o = (SELECT app_org_role()) AND m=((SELECT app_member()))';
    becomes q{SELECT a @> b, a <@ b, a @@ b, '@tenant', x.a@b;}, q{SELECT a @> b, a <@ b, a @@ b, '@tenant', x.a@b};
    becomes 'SELECT @session::uuid, :session;', 'SELECT $1::uuid, $2', '@session', 'session';
    refused "-- name: a :row\nSELECT \@caller;\n", 'f.sql:2: @caller is no credential; there are @chosen, @is_secret, @made, @member,';
};

# The query q of some .sql text, as the test library has it.
sub loaded ($text) {
    my $file = File::Temp->new(SUFFIX => '.sql');
    print {$file} $text or die $!;
    $file->flush;
    return Ashlar::Queries->load("$file")->get('q');
}

# A list's statement with these parts, by what the test library makes of it.
sub list ($head, $sql, $parts = 0, @more) {
    return (Ashlar::Queries::statement(loaded("-- name: q :page\n$head$sql"), $parts, @more))[0] =~ s/ +/ /gr;
}

subtest 'parts' => sub {
    my $sql = "SELECT a.id FROM a\nWHERE t = \@tenant [AND x = :x] [AND y > :from AND y < :to]\nORDER BY a.id;\n";
    my $from = 'FROM a WHERE t = (SELECT app_tenant())';
    my $page = sub ($x) { "SELECT (SELECT count(*) FROM (SELECT $from $x LIMIT 10001) counted) AS total, a.id $from $x ORDER BY a.id LIMIT" };
    like list('', $sql, 0), qr/\A\Q@{[ $page->('') =~ s{ +}{ }gr ]}\E \$1 OFFSET \$2\z/, 'none';
    like list('', $sql, 1), qr/\A\Q@{[ $page->('AND x = $1') ]}\E \$2 OFFSET \$3\z/, 'one, with the parameters numbered as they come';
    like list('', $sql, 2), qr/\A\Q@{[ $page->('AND y > $1 AND y < $2') ]}\E \$3 OFFSET \$4\z/, 'one of two parameters';
    like list('', $sql, 3), qr/\A\Q@{[ $page->('AND x = $1 AND y > $2 AND y < $3') ]}\E/, 'both';
    like list("-- total: (SELECT n FROM c)\n", $sql, 0), qr/\ASELECT \(SELECT n FROM c\) AS total, a\.id /, 'the head\'s total';
    like list("-- total: (SELECT n FROM c)\n", $sql, 1), qr/\ASELECT \(SELECT count/,                       '  while no part stands';
    like list("-- count: FROM b [WHERE x = :x]\n", $sql, 1), qr/\(SELECT FROM b WHERE x = \$1 LIMIT 10001\)/, 'what is counted instead';
    like list('', "SELECT a.id FROM a ORDER BY [:x| a.x | a.y], a.id;\n", 0), qr/ORDER BY a\.y, a\.id LIMIT/, 'or else';
    like list('', "SELECT a.id FROM a ORDER BY [:x| a.x | a.y], a.id;\n", 1), qr/ORDER BY a\.x , a\.id LIMIT/, '  or not';
    my $either = "SELECT a.id FROM a WHERE true [:x/:y !z| AND either] [!x !y !z| AND none] [:z| AND z = :z] ORDER BY a.id;\n";
    like list('', $either, $_->[0]), qr/counted\) AS total, a\.id FROM a WHERE true \Q$_->[1]\EORDER/, $_->[1] || 'none of them'
        for [ 0, 'AND none ' ], [ 1, 'AND either ' ], [ 2, 'AND either ' ], [ 4, 'AND z = $1 ' ], [ 7, 'AND z = $1 ' ];
    my $state = loaded("-- name: q :rows\nSELECT a [:s=b/c| AND s = :s] ORDER BY [:s=d| a.d | a.id] [:x| AND x];\n");
    my $asked = sub (%value) { return (Ashlar::Queries::asked($state, \%value))[0] };
    is $asked->(s => 'c'),           'SELECT a AND s = $1 ORDER BY a.id ', 'one of some values';
    is $asked->(s => 'd'),           'SELECT a  ORDER BY a.d  ',           '  another';
    is $asked->(s => 'e', x => 1),   'SELECT a  ORDER BY a.id AND x',      '  none of them, and a part of any value';
    refused "-- name: a :rows\nSELECT [!x| 1 | 2];\n", 'f.sql:2: what is else takes one condition';
    like list('', "SELECT a.id FROM a ORDER BY a.id LIMIT 5;\n"), qr/ORDER BY a\.id LIMIT 5\z/, 'a limit by hand is the limit';
    like list('', "SELECT a.id, x[1], ARRAY['[ :x ]'] FROM a WHERE b = ANY (ARRAY[:y, 1]) ORDER BY a.id;\n"), qr/x\[1\], ARRAY\['\[ :x \]'\] .*ARRAY\[\$1, 1\]/, 'arrays are none';
    refused "-- name: a :rows\nSELECT 1\n [AND true];\n",            'f.sql:3: a part without a parameter would always stand';
    refused "-- name: a :rows\nSELECT 1 [AND :x;\n",                 'f.sql:2: a part does not end';
    refused "-- name: a :page\nSELECT id FROM a;\n",                 'f.sql:1: a is a page: SELECT … FROM … ORDER BY …';
};

subtest 'orders' => sub {
    my $sql = "SELECT a.id FROM a ORDER BY :sort, a.id :dir;\n";
    my $head = "-- sort: made_at desc, name = lower(a.name)\n";
    like list($head, $sql),          qr/ORDER BY made_at DESC, a\.id DESC LIMIT/, 'the first, in its own direction';
    like list($head, $sql, 0, 0, 0), qr/ORDER BY made_at, a\.id LIMIT/,      'in the other';
    like list($head, $sql, 0, 1),    qr/ORDER BY lower\(a\.name\), a\.id LIMIT/, 'an expression';
    refused "-- name: a :page\n$sql",                     'f.sql:2: :sort needs a line -- sort: with the columns';
    refused "-- name: a :page\n-- sort: Name up\n$sql",   'f.sql:1: "Name up" is no order';
};

subtest 'what an update changes' => sub {
    becomes 'UPDATE a SET :set(x, b.y, z = w);',
        'UPDATE a SET x = CASE WHEN $1 THEN $2 ELSE x END, y = CASE WHEN $3 THEN $4 ELSE b.y END, z = CASE WHEN $5 THEN $6 ELSE z END',
        qw(has_x x has_y y has_w w);
    becomes 'SELECT :changed(x, y);', q{SELECT array_remove(ARRAY[CASE WHEN $1 THEN 'x' END, CASE WHEN $2 THEN 'y' END], NULL)}, qw(has_x has_y);
    refused "-- name: a :row\nUPDATE a SET :set(x + 1);\n", 'f.sql:2: :set takes the names of fields';
};

subtest 'what an insert gets' => sub {
    becomes q{INSERT INTO a :values(t = @tenant, x, y = coalesce(:z, f(1, ')'))) RETURNING x;},
        q{INSERT INTO a (t, x, y) SELECT (SELECT app_tenant()), $1, coalesce($2, f(1, ')')) RETURNING x}, qw(x z);
    becomes 'INSERT INTO a :values(x, y = b.y) FROM b WHERE z = :z;', 'INSERT INTO a (x, y) SELECT $1, b.y FROM b WHERE z = $2', qw(x z);
    refused "-- name: a :row\nINSERT INTO a :values(b.x);\n", 'f.sql:2: :values takes columns: name, or name = expression';
};

subtest 'columns that stand once' => sub {
    my $head = "-- columns: a\n-- why\nSELECT x.id, (SELECT max(n) FROM b) AS n, -- , FROM\n  o.ref -> ')' AS o\nFROM a x\n"
        . "LEFT JOIN ref(x.o, :r) o ON x.t = \@tenant;\n\n-- columns: more\nSELECT :columns(a), x.m FROM a;\n\n";
    my $q = loaded("$head-- name: q :row\nSELECT :columns(more), 1 AS z FROM c x :joins(a) WHERE x.q = :q;\n");
    is $q->{text}, q{SELECT x.id, (SELECT max(n) FROM b) AS n, o.ref -> ')' AS o, x.m, 1 AS z }
        . 'FROM c x LEFT JOIN ref(x.o, $1) o ON x.t = (SELECT app_tenant()) WHERE x.q = $2', 'in the text that is asked';
    is_deeply $q->{params}, [qw(r q)], 'with their parameters';
    refused "$head-- name: q :row\nSELECT :columns(b) FROM a;\n", 'f.sql:12: there is no block "-- columns: b" in this file';
    refused "$head-- name: q :row\nSELECT 1 FROM a :joins(more);\n", 'f.sql:12: the columns more have no joins behind the first table';
    refused "-- columns: a\nSELECT :columns(a) FROM a;\n-- name: q :row\nSELECT :columns(a) FROM a;\n", 'f.sql:4: the columns a contain themselves';
    refused "-- columns: a\nx.id;\n-- name: q :row\nSELECT 1;\n", 'f.sql:1: the columns a are SELECT … FROM …;', 'columns without SELECT';
    refused "-- columns: a\nSELECT x.id FROM a\n-- name: q :row\nSELECT 1;\n", 'f.sql:1: the columns a are SELECT … FROM …;', 'columns without an end';
    refused "$head$head-- name: q :row\nSELECT 1;\n", 'f.sql:11: the columns a are already there';
};

subtest 'quotes are left alone' => sub {
    becomes q{SELECT ':a  -- no', :a;},             q{SELECT ':a  -- no', $1},            'a';
    becomes q{SELECT 'it''s :a', :b;},              q{SELECT 'it''s :a', $1},             'b';
    becomes q{SELECT E'it\\'s :a', :b;},            q{SELECT E'it\\'s :a', $1},           'b';
    becomes q{SELECT 'back\\', :b;},                q{SELECT 'back\\', $1},               'b';
    becomes q{SELECT ":a", "b "" :c";},             q{SELECT ":a", "b "" :c"};
    becomes q{SELECT $$ :a ; $$, $x$ $$ :b $x$, :c;}, q{SELECT $$ :a ; $$, $x$ $$ :b $x$, $1}, 'c';
    becomes q{SELECT '12:a', 'a;b';},               q{SELECT '12:a', 'a;b'};
};

subtest 'comments go, and white space becomes one blank' => sub {
    becomes "SELECT 1,   -- :a ; '\n\t2;\n",         'SELECT 1, 2';
    becomes "SELECT /* :a /* nested ; */ ' */ :b ;", 'SELECT $1', 'b';
    becomes "-- why\n-- scan: small\nSELECT 1\n;\n-- behind\n", 'SELECT 1';
    becomes "SELECT 'a\n  b'   ;",                   'SELECT \'a\n  b\'' =~ s/\n/\\n/r;
};

subtest 'what reaches the compiler is valid C' => sub {
    my $made = compile(qq{-- name: odd :rows\nSELECT 'a "q" \\ ?? \x{e9}\t1' AS "x";\n-- name: other :exec\nSELECT 1;\n});
    like $made->{$_}, qr{\A/\* Made by tools/queries from .*/f\.sql}, "the first line of .$_ names the generator and the source" for qw(c h);
    like $made->{h}, qr/\nextern const struct query q_odd;\nextern const struct query q_other;\n/, 'a constant each';
    like $made->{c}, qr/const struct query q_other = \{\n\t\.name = "other",\n\t\.text = "SELECT 1",\n\t\.shape = SHAPE_EXEC, \.nparams = 0, \.params = NULL/, 'shape and no parameters';

    my $dir = File::Temp->newdir;
    open my $out, '>', "$dir/x.c" or die $!;
    print {$out} $made->{c}, "#include <stdio.h>\nint main(void) { return puts(q_odd.text) < 0; }\n" or die $!;
    close $out or die $!;
    is system('gcc', '-std=gnu11', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-Wtrigraphs', '-Werror', '-I.', '-o', "$dir/x", "$dir/x.c"), 0, 'it compiles';
    is qx($dir/x), qq{SELECT 'a "q" \\ ?? \xc3\xa9\t1' AS "x"\n}, 'and is the same text again';
};

subtest 'mistakes' => sub {
    refused "-- name: a :row\nSELECT 1;\n\n-- name: a :row\nSELECT 2;\n", 'f.sql:4: a is already in';
    refused "-- name: a :one\nSELECT 1;\n",              'f.sql:1: unknown shape :one';
    refused "-- name: a\nSELECT 1;\n",                   'f.sql:1: expected "-- name: some_name :shape"';
    refused "-- name: A :row\nSELECT 1;\n",              'f.sql:1: expected "-- name: some_name :shape"', 'a capital';
    refused "-- name: a :row\nSELECT 1\n",               'a does not end with a semicolon';
    refused "-- name: a :row\n-- nothing\n",             'f.sql:1: a has no statement';
    refused "-- name: a :row\nSELECT 1;\nSELECT 2;\n",   'f.sql:3: text behind the semicolon';
    refused "-- name: a :row\nSELECT\n 'x;\n",           'f.sql:3: a quote does not end';
    refused "-- name: a :row\nSELECT \$\$x;\n",          'f.sql:2: a quote does not end', 'dollars';
    refused "-- name: a :row\nSELECT 1 /* x;\n",         'f.sql:2: a comment does not end';
    refused "-- name: a :row\nSELECT \$1;\n",            'f.sql:2: a numbered parameter: write :name';
    refused "SELECT 1;\n-- name: a :row\nSELECT 1;\n",   'f.sql:1: a statement before the first';
    my $two = compile("-- name: a :x\nSELECT 1;\n-- name: b :row\nSELECT 1\n");
    like $two->{stderr}, qr/:1: .*\n.*:5: /s, 'all of them are reported at once';
};

done_testing;
