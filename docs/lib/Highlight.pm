package Highlight;

# The colours of code in the guide, put in by "make docs", so that a reader's browser has nothing to do: what a box holds is seen from
# how it begins, and its words get a class each.  What is not known stays as it is; not a character of the text changes.
#
#	c comment   w word of the language   t text in quotes   n number   k name that is given or asked for

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(highlighted);

my $number = [ n => qr/\b\d+(?:\.\d+)?\b/ ];
my $single = [ t => qr/'(?:[^'\\\n]|\\.)*'/ ];
my $double = [ t => qr/"(?:[^"\\\n]|\\.)*"/ ];
my $slashes = [ c => qr{(?<!:)//[^\n]*|/\*.*?\*/}s ];

# Of each language what is looked for, in this order, at each place; [undef, …] is passed over.
my %tokens = (
    json => [ [ k => qr/"(?:[^"\\]|\\.)*"(?=\s*:)/ ], [ t => qr/"(?:[^"\\]|\\.)*"/ ], [ w => qr/\b(?:true|false|null)\b/ ], $number ],
    js   => [
        $slashes, $single, $double, [ t => qr/`(?:[^`\\]|\\.)*`/ ],
        [ w => qr/\b(?:async|await|break|case|catch|class|const|continue|default|delete|do|else|export|finally|for|from|function|if|import|in|let|new|null|of|return|switch|this|throw|true|false|try|typeof|undefined|while)\b/ ],
        [ undef, qr/[.\w]+/ ],
    ],
    c => [
        $slashes, $double, [ w => qr/^#\w+|\b(?:break|case|char|const|else|enum|for|if|int|return|sizeof|static|struct|void|while|NULL)\b/m ], [ undef, qr/\w+/ ],
    ],
    sql => [
        [ c => qr/--[^\n]*/ ], [ t => qr/'(?:[^']|'')*'/ ],
        [ w => qr/\b(?:AND|AS|BEGIN|BY|COMMIT|DELETE|FROM|INSERT|INTO|LIMIT|NOT|NULL|ON|OR|ORDER|PERFORM|RETURNING|SELECT|SET|UPDATE|VALUES|WHERE)\b/ ],
        [ undef, qr/\w*[a-z_]\w*/i ], $number,
    ],
    py => [
        [ c => qr/#[^\n]*/ ], [ t => qr/\bf?"(?:[^"\\\n]|\\.)*"|\bf?'(?:[^'\\\n]|\\.)*'/ ],
        $single, $double,
        [ w => qr/\b(?:and|as|class|def|elif|else|except|False|for|from|if|import|in|is|lambda|None|not|or|raise|return|True|try|while|with)\b/ ],
        [ undef, qr/\w+/ ],
    ],
    html => [ [ c => qr/<!--.*?-->/s ], [ w => qr{</?[a-z]\w*|<!DOCTYPE}i ], [ k => qr/\b[\w-]+(?==")/ ], [ t => qr/(?<==)"[^"]*"/ ] ],
    http => [ [ w => qr/^(?:GET|POST|PUT|PATCH|DELETE)\b|^HTTP\S*/m ], [ k => qr/^[A-Za-z-]+(?=: )/m ], $double ],
    conf => [ [ c => qr/^#[^\n]*/m ], [ k => qr/^[A-Z][A-Z0-9_]*(?==)/m ] ],
    sh   => [
        [ c => qr/(?<![^\s])#[^\n]*/ ],
        [ k => qr/(?<![\w.\/-])[A-Z][A-Z0-9_]*(?==)|\$\w+|\$[{][^}]*[}]/ ],
        [ t => qr/'[^']*'|"(?:[^"\\]|\\.)*"/ ],
        [ w => qr/(?:^[ ]*|(?<=[|] )|(?<=[|][|] )|(?<=&& )|(?<=; )|(?<=\$[(]))(?:[a-z][\w.\/-]*)(?![\w=:])/m ],
        [ undef, qr/[\w.\/:-]+/ ],
    ],
);

# All of a language's in one, a group each, and at the end what is none of them: the last group that matched is the token's number.
my %any = map {
    my $all = join '|', map { "($_->[1])" } @{ $tokens{$_} };
    $_ => qr/$all|(\n|[^\S\n]+|.)/s
} keys %tokens;

# How a box begins, and what it is then.
my @kinds = (
    [ json => qr/\A[\[{]/ ],
    [ html => qr/\A</ ],
    [ c    => qr/\A#include/ ],
    [ js   => qr{\A(?://|import |const |export )} ],
    [ sql  => qr/\A(?:SELECT|PERFORM|INSERT|UPDATE)\b/ ],
    [ http => qr/\A(?:GET|POST|PUT|PATCH|DELETE) |\A[A-Z]\w+(?:-\w+)*: / ],
    [ conf => qr/\A(?:#[^!\n]*\n)*(?:[A-Z][A-Z0-9_]*=[^\n\$]*\n?)+\z/ ],
    [ sh   => qr/\A#!|\A[A-Z]\w*=|\A(?:curl|make|mkdir|cat|kill|rm|ashlar|build\/|sudo|journalctl|systemctl|psql|openssl|git|echo|for)\b/ ],
);

my %entity = (lt => '<', gt => '>', quot => '"', amp => '&');
my %escape = reverse %entity;

sub _escape ($text) { return $text =~ s/([<>&"])/&$escape{$1};/gr }

sub _span ($class, $text) { return defined $class && $text =~ /\S/ ? "<span class=\"$class\">" . _escape($text) . '</span>' : _escape($text) }

# Words of quoted shell that the shell still reads.
sub _quoted ($text) {
    return join '', map { /\A\$/ ? _span(k => $_) : _span(t => $_) } split /(\$\w+)/, $text;
}

sub _colour ($language, $text) {
    my $html = '';
    until ($text =~ /\G\z/gc) {
        # A file that a shell is given, in whichever language its name says; a script within a page.
        if ($language eq 'sh' && $text =~ /\G(<<'(\w+)'[^\n]*\n)(.*?)(?=^\2$)/gcms) {
            my ($from, $body) = ($1, $3);
            my ($name) = substr($text, 0, $-[0]) =~ /[.](\w+) \z/;
            $html .= _escape($from) . ($tokens{ $name // '' } ? _colour($name, $body) : _span(t => $body));
            next;
        }
        if ($language eq 'html' && substr($text, 0, pos($text) // 0) =~ /<script[^>]*>\z/ && $text =~ m{\G(.*?)(?=</script>)}gcs) {
            $html .= _colour('js', $1);
        }
        $text =~ /\G$any{$language}/gc;
        my $class = $tokens{$language}[ $#- - 1 ];
        my $found = substr $text, $-[0], $+[0] - $-[0];
        $html .= $language eq 'sh' && $found =~ /\A"/ ? _quoted($found) : _span($class && $class->[0], $found);
    }
    return $html;
}

# What stands in <pre><code>, as HTML, with its colours; of a language that is known, or of what it looks like.
sub highlighted ($html, $language = undef) {
    my $text = $html =~ s/&(\w+);/$entity{$1} \/\/ die "Highlight: &$1; in a box\n"/ger;
    my ($kind) = $language ? [$language] : grep { $text =~ $_->[1] } @kinds;
    return $kind ? _colour($kind->[0], $text) : $html;
}

1;
