package Tables;

# What the guide's pages have out of the code: the tables of errors, settings and events, and the changelog, as HTML.

use v5.36;
use Exporter 'import';
use Reference 'escape';

our @EXPORT_OK = qw(def_rows errors settings events changelog);

sub slurp_text ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

# The arguments of a row of a .def file: NAME(a, "b", 1).
sub def_rows ($file) {
    my @rows;
    for my $line (split /\n/, slurp_text($file)) {
        my ($macro, $rest) = $line =~ /^([A-Z]+)\((.*)\)\s*$/ or next;
        my @args = map { s/\\(.)/$1/gr } grep { defined } $rest =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?/g;
        push @rows, [ $macro, @args ];
    }
    die "$file has no rows\n" if !@rows;
    return @rows;
}

# Every error with its status and meaning, and what docs/errors.txt says to do about it.
sub errors () {
    my %advice = slurp_text('docs/errors.txt') =~ /^([A-Z_]+): (.*)$/mg;
    my $text   = '';
    for my $row (def_rows('lib/base/err.def')) {
        my (undef, undef, $status, $code, $meaning) = @$row;
        next if $status < 400;
        $text .= "<section id=\"$code\"><h2 class=\"code\"><a href=\"#$code\">$code</a> <span class=\"status\">$status</span></h2>\n<p>"
            . ucfirst(escape($meaning)) . '.' . ($advice{$code} ? ' ' . $advice{$code} : '') . "</p></section>\n";
    }
    return $text;
}

# Every setting, in the groups that the blank lines of config.def make.
sub settings () {
    my $text = '';
    for my $row (def_rows('lib/host/config.def')) {
        my ($kind, undef, $name, $default, @rest) = @$row;
        my $about = escape(pop @rest);
        $about .= " <i>($rest[0] to $rest[1])</i>" if $kind eq 'INT';
        $about .= ' <i>(' . join(', ', split /[|]/, $rest[0]) . ')</i>' if $kind eq 'CHOICE';
        $about .= ' <i>(secret)</i>' if $kind eq 'SECRET';
        $text .= "<tr><th scope=\"row\" id=\"$name\"><code>$name</code></th><td>"
            . (length $default ? '<code>' . escape($default) . '</code>' : '') . "</td><td>$about</td></tr>\n";
    }
    return $text;
}

# Every event that webhooks tell of.
sub events () {
    my %to   = (EVENT_TENANT => 'the tenant', EVENT_ORGANIZATION => 'the workspace and the tenant');
    my $text = '';
    my $code = slurp_text('handlers/events.c');
    while ($code =~ /^\t\{ "([a-z._]+)", +(EVENT_\w+), +"([^"]*)",/mg) {
        $text .= "<tr><th scope=\"row\" id=\"$1\"><code>$1</code></th><td>" . escape($3) . "</td><td>$to{$2}</td></tr>\n";
    }
    return $text;
}

# Words of Markdown that stand within a line: code, and links.
sub inline ($text) {
    return escape($text) =~ s{`([^`]+)`}{<code>$1</code>}gr =~ s{\[([^\]]+)\]\(([^)]+)\)}{<a href="$2">$1</a>}gr;
}

# CHANGELOG.md below its title: headings, paragraphs and lists.  What has no release above it has none yet.
sub changelog () {
    my $text  = '';
    my $above = '';
    my (undef, @blocks) = split /\n\n+/, slurp_text('CHANGELOG.md');
    for my $block (@blocks) {
        if ($block =~ /^## (([0-9.]+).*)/) { $text .= $above = "<h2 id=\"$2\"><a href=\"#$2\">" . escape($1) . "</a></h2>\n" }
        elsif ($block =~ /^### (.*)/) {
            my $title = inline($1);
            $text .= $above = "<h2>Not released yet</h2>\n" if !$above;
            $text .= "<h3>$title</h3>\n";
        }
        elsif ($block =~ /^- /)            { $text .= join '', '<ul>', (map { '<li>' . inline($_) . "</li>\n" } split /^- /m, $block =~ s/^- //r), "</ul>\n" }
        else                               { $text .= '<p>' . inline($block) . "</p>\n" }
    }
    return $text;
}

1;
