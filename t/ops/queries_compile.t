# tools/queries: from named blocks of SQL to C.

use v5.36;
use Test::More;
use File::Temp ();

# The C of some .sql text (or of several files), and what went to stderr.
sub compile (@texts) {
    my $dir = File::Temp->newdir;
    mkdir "$dir/in" or die $!;
    my $n = 0;
    for my $text (@texts) {
        $n++;
        open my $out, '>:encoding(UTF-8)', "$dir/in/f$n.sql" or die $!;
        print {$out} $text or die $!;
        close $out or die $!;
    }
    my $stderr = qx(tools/queries $dir/in $dir/queries 2>&1);
    my $result = { status => $? >> 8, stderr => $stderr =~ s{\Q$dir\E/in/}{}gr };
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
    my ($text, $n, $params) = $made->{c} =~ /"q",\n\t\t"(.*)",\n\t\tSHAPE_ROW, (\d+), (.*)\n/ or die $made->{c};
    my @params = $params =~ /"(\w+)"/g;
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
    becomes 'SELECT :tenant_id, :user_id, :user_ids;',
        'SELECT (SELECT app_tenant()), (SELECT app_user()), $1', 'user_ids';
    becomes 'SELECT :team_id, :is_secret, :org_role, :org_roles;',
        'SELECT (SELECT app_team()), (SELECT app_is_secret()), (SELECT app_org_role()), $1', 'org_roles';
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
    my $made = compile(qq{-- name: odd :rows\nSELECT 'a "q" \\ ?? \x{e9}\t1' AS "x";\n}, "-- name: other :exec\nSELECT 1;\n");
    like $made->{$_}, qr{\A/\* Made by tools/queries }, "the first line of .$_ names the generator" for qw(c h);
    like $made->{h}, qr/Q_NONE,\n\tQ_odd,\n\tQ_other,\n\tQ_COUNT\n/, 'one number each, none first';
    like $made->{c}, qr/\[Q_other\] = \{\n\t\t"other",\n\t\t"SELECT 1",\n\t\tSHAPE_EXEC, 0, NULL/, 'shape and no parameters';

    my $dir = File::Temp->newdir;
    open my $out, '>', "$dir/x.c" or die $!;
    my $c = $made->{c} =~ s/#include.*//r;
    print {$out} <<~"END" or die $!;
        #include <stdio.h>
        enum query_shape { SHAPE_EXEC, SHAPE_ROW, SHAPE_ROWS, SHAPE_PAGE };
        struct query { const char *name, *text; enum query_shape shape; int nparams; const char *const *params; };
        enum { Q_odd = 1, Q_other };
        $c
        int main(void) { return puts(queries[Q_odd].text) < 0; }
        END
    close $out or die $!;
    is system('gcc', '-std=gnu11', '-Wall', '-Wextra', '-Wtrigraphs', '-Werror', '-o', "$dir/x", "$dir/x.c"), 0, 'it compiles';
    is qx($dir/x), qq{SELECT 'a "q" \\ ?? \xc3\xa9\t1' AS "x"\n}, 'and is the same text again';
};

subtest 'mistakes' => sub {
    refused "-- name: a :row\nSELECT 1;\n\n-- name: a :row\nSELECT 2;\n", 'f1.sql:4: a is already in';
    refused "-- name: a :one\nSELECT 1;\n",              'f1.sql:1: unknown shape :one';
    refused "-- name: a\nSELECT 1;\n",                   'f1.sql:1: expected "-- name: some_name :shape"';
    refused "-- name: A :row\nSELECT 1;\n",              'f1.sql:1: expected "-- name: some_name :shape"', 'a capital';
    refused "-- name: a :row\nSELECT 1\n",               'a does not end with a semicolon';
    refused "-- name: a :row\n-- nothing\n",             'f1.sql:1: a has no statement';
    refused "-- name: a :row\nSELECT 1;\nSELECT 2;\n",   'f1.sql:3: text behind the semicolon';
    refused "-- name: a :row\nSELECT\n 'x;\n",           'f1.sql:3: a quote does not end';
    refused "-- name: a :row\nSELECT \$\$x;\n",          'f1.sql:2: a quote does not end', 'dollars';
    refused "-- name: a :row\nSELECT 1 /* x;\n",         'f1.sql:2: a comment does not end';
    refused "-- name: a :row\nSELECT \$1;\n",            'f1.sql:2: a numbered parameter: write :name';
    refused "SELECT 1;\n-- name: a :row\nSELECT 1;\n",   'f1.sql:1: a statement before the first';
    my $two = compile("-- name: a :x\nSELECT 1;\n-- name: b :row\nSELECT 1\n");
    like $two->{stderr}, qr/:1: .*\n.*:5: /s, 'all of them are reported at once';
};

done_testing;
