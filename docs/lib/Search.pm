package Search;

# The index that docs/static/search.js looks through: a section of a page is an entry.  Operations have a list of their own.

use v5.36;
use Exporter 'import';
use JSON::PP ();

our @EXPORT_OK = qw(sections index_of);

sub _text ($html) {
    state $entity = { lt => '<', gt => '>', quot => '"', amp => '&' };
    return $html =~ s/<[^>]*>/ /gr =~ s/&(\w+);/$entity->{$1} \/\/ ' '/ger =~ s/\s+/ /gr =~ s/^ | $//gr;
}

# What stands in a page, from one place that a link can lead to until the next: address, page, heading, text.
sub sections ($address, $page, $html) {
    $html =~ s{<nav\b.*?</nav>}{}gs;
    my @sections;
    for my $part (split /(?=<(?:h2|section|th)\b[^>]*\sid=")/, $html) {
        my ($tag, $id) = $part =~ /\A<(h2|section|th)\b[^>]*\sid="([^"]+)"/;
        my $heading = defined $id && $part =~ s{\A(?:<section[^>]*>)?<(h2|th)\b[^>]*>(.*?)</\1>}{}s ? _text($2) : '';
        $heading =~ s/ \d{3}\z// if ($tag // '') eq 'section';    # the status beside a code
        # A row ends with its row; what follows the table is of the page.
        push @sections, { u => defined $id ? "$address#$id" : $address, p => $page, h => $heading, t => _text($part) };
    }
    return @sections;
}

sub index_of (@entries) { return JSON::PP->new->utf8(0)->canonical->encode([@entries]) . "\n" }

1;
