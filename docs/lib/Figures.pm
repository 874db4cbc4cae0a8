package Figures;

# What the start page says of speed and size: the benchmark's own report (bench/RESULTS.md), so that it says what was measured last.

use v5.36;
use Exporter 'import';
use Reference 'escape';

our @EXPORT_OK = qw(figures);

# Who is shown: those that give what Ashlar gives, as bench/README.md has it.
my %label = (
    'Ashlar'             => 'Ashlar',
    'go guaranteed'      => 'Go, pgx',
    'fastify guaranteed' => 'Fastify',
    'php guaranteed'     => 'php-fpm',
    'fastapi guaranteed' => 'FastAPI',
);

# A column of the report, what it is called, and what it counts in.
my @facts = (
    [ 'req/s',   'Fast',   'requests a second',      'more is better' ],
    [ 'p99 ms',  'Steady', 'ms for 99 of 100',       'less is better' ],
    [ 'PSS MiB', 'Small',  'MiB for all processes',  'less is better' ],
);

# The rows under a heading of the report, each by its columns' names.
sub _rows ($report, $heading) {
    my ($table) = $report =~ /^## \Q$heading\E\n\n((?:\|.*\n)+)/m or die "bench/RESULTS.md has no table \"$heading\"\n";
    my ($head, undef, @lines) = map { [ map { s/^ +| +$//gr } split /[|]/, s/^[|]|[|]$//gr, -1 ] } split /\n/, $table;
    my @names = ('name', @$head[ 1 .. $#$head ]);
    return map { my $line = $_; +{ map { $names[$_] => $line->[$_] } 0 .. $#names } } @lines;
}

sub _fact ($column, $title, $unit, $better, @rows) {
    my %value = map { $_->{name} => $_->{$column} =~ tr/,//dr } @rows;
    my ($most) = sort { $b <=> $a } values %value;
    my $html = "<section>\n<h2 class=\"fact\">$title</h2>\n";
    my ($ours) = grep { $_->{name} eq 'Ashlar' } @rows;
    $html .= "<p><b>$ours->{$column}</b> $unit</p>\n<table>\n<caption>$unit, $better</caption>\n";
    for my $row (sort { $better =~ /^more/ ? $value{ $b->{name} } <=> $value{ $a->{name} } : $value{ $a->{name} } <=> $value{ $b->{name} } } @rows) {
        my $class = $row->{name} eq 'Ashlar' ? ' class="ours"' : '';
        $html .= "<tr$class><th scope=\"row\">$label{ $row->{name} }</th><td>$row->{$column}</td><td><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
            . sprintf("<path d=\"M0 0h%.1fv8H0z\"/></svg></td></tr>\n", 100 * $value{ $row->{name} } / $most);
    }
    return "$html</table>\n</section>\n";
}

# Three facts beside peers, and how they were measured.
sub figures ($report) {
    my @rows = grep { $label{ $_->{name} } } _rows($report, 'The project list, 16 connections');
    @rows == keys %label or die "bench/RESULTS.md lacks one of: @{[ sort keys %label ]}\n";
    my ($day)     = $report =~ /^- (\d{4}-\d\d-\d\d), commit/m or die "bench/RESULTS.md does not say of which day it is\n";
    my ($machine) = $report =~ /^- (.*\bcores\b[^;]*)/m        or die "bench/RESULTS.md does not say on which machine\n";
    return "<div class=\"facts\">\n" . join('', map { _fact(@$_, @rows) } @facts) . "</div>\n"
        . '<p class="measured">A page of 20 projects over TLS, 16 connections at once. Each of them looks up session and user in the database, and is kept to its '
        . 'tenant by row-level security, as Ashlar is. Measured on ' . escape($machine) . ", on $day, by <code>make bench</code>.</p>\n";
}

1;
