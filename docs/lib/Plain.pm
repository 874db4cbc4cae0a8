package Plain;

# The guide's HTML as Markdown, for who reads text: assistants, and a terminal.

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(plain);

my %entity = (lt => '<', gt => '>', quot => '"', amp => '&', nbsp => ' ', mdash => "\x{2014}");

sub _entities ($text) { return $text =~ s/&#(\d+);/chr $1/ger =~ s/&(\w+);/$entity{$1} \/\/ ''/ger }

# What stands within a line.
sub _line ($html) {
    $html =~ s{<a\b[^>]*\bhref="([^"]*)"[^>]*>(.*?)</a>}{my ($to, $text) = ($1, $2); $to =~ /^#/ ? $text : "[$text]($to)"}gse;
    $html =~ s{</?code[^>]*>}{`}g;
    $html =~ s{</?(?:strong|b)\b[^>]*>}{**}g;
    $html =~ s{</?(?:em|i)\b[^>]*>}{*}g;
    $html =~ s{<[^>]*>}{ }g;
    return _entities($html) =~ s/\s+/ /gr =~ s/^ | $//gr;
}

sub _table ($html) {
    my @rows = map { [ map { _line($_) =~ s/\|/\\|/gr } m{<t[hd]\b[^>]*>(.*?)</t[hd]>}gs ] } $html =~ m{<tr\b[^>]*>(.*?)</tr>}gs or return '';
    my @lines = map { '| ' . join(' | ', @$_) . ' |' } @rows;
    splice @lines, 1, 0, '|' . ' --- |' x @{ $rows[0] };
    return join '', map { "$_\n" } @lines;
}

# A page's <main>.  What it navigates with is left out, and so are pictures.
sub plain ($html) {
    $html =~ s{<(nav|svg|noscript|button)\b.*?</\1>}{}gs;
    my @kept;    # what is not to be touched again
    my $keep = sub ($text) { push @kept, $text; return "\n\n\x01$#kept\x02\n\n" };
    $html =~ s{<pre\b[^>]*>(.*?)</pre>}{$keep->("```\n" . (_entities($1 =~ s/<[^>]*>//gr) =~ s/\n*\z/\n/r) . "```")}gse;
    $html =~ s{<table\b[^>]*>(.*?)</table>}{$keep->(_table($1))}gse;
    $html =~ s{<h([1-6])\b[^>]*>(.*?)</h\1>}{$keep->('#' x $1 . ' ' . _line($2))}gse;
    $html =~ s{<li\b[^>]*>(.*?)</li>}{"\n\n" . $keep->('- ' . _line($1)) . "\n\n"}gse;
    $html =~ s{<p\b[^>]*>(.*?)</p>}{$keep->(_line($1))}gse;
    my @blocks = grep { length } map { /\A\x01(\d+)\x02\z/ ? $kept[$1] : _line($_) } grep { length } map { s/^\s+|\s+$//gr } split /\n\n+/, $html;
    my $text = join "\n\n", map { s/\s+\z//r } @blocks;
    return ($text =~ s/^(- .*)\n\n(?=- )/$1\n/gmr) . "\n";
}

1;
