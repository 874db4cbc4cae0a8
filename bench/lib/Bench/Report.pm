# The figures as Markdown: medians, ratios to Ashlar, budgets.
package Bench::Report;

use v5.36;
use Exporter 'import';

our @EXPORT_OK = qw(median medians table number budget_table);

sub median (@values) {
    my @sorted = sort { $a <=> $b } grep { defined } @values;
    return if !@sorted;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# Several runs' figures, each the median of its own.
sub medians (@runs) {
    return { map { my $key = $_; $key => median(map { $_->{$key} } @runs) } keys %{ $runs[0] } };
}

# 12345.6 as 12,346; with places behind the point when asked for; "" when there is none.
sub number ($value, $places = 0) {
    return '' if !defined $value;
    my $text = sprintf '%.*f', $places, $value;
    1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
    return $text;
}

# How wide a text is: its bytes that do not continue a UTF-8 character.
sub width ($text) { return $text =~ tr/\x80-\xBF//c }

# A Markdown table: the heads, then rows of cells.  The first column is text, the others figures.
sub table ($heads, @rows) {
    my @width = map {
        my $column = $_;
        my @lengths = sort { $b <=> $a } 3, map { width($_->[$column]) } $heads, @rows;
        $lengths[0]
    } 0 .. $#$heads;
    my $line = sub (@cells) {
        return '| ' . join(' | ', map {
            my $space = ' ' x ($width[$_] - width($cells[$_]));
            $_ ? $space . $cells[$_] : $cells[$_] . $space
        } 0 .. $#cells) . " |\n";
    };
    my $rule = '|' . join('|', map { $_ ? '-' x ($width[$_] + 1) . ':' : '-' x ($width[$_] + 2) } 0 .. $#width) . "|\n";
    return $line->(@$heads) . $rule . join '', map { $line->(@$_) } @rows;
}

# Budgets: what, the limit, "at least" or "at most", and what was measured.
sub budget_table (@budgets) {
    my @rows;
    for my $budget (@budgets) {
        my ($what, $word, $limit, $value, $places, $unit) = @$budget;
        my @measured = ('', 'not measured');
        if (defined $value) {
            my $is_met = $word eq 'at least' ? $value >= $limit : $value <= $limit;
            @measured = (number($value, $places) . $unit, $is_met ? 'met' : 'MISSED');
        }
        push @rows, [ $what, "$word $limit$unit", @measured ];
    }
    return table([ '', 'wanted', 'measured', '' ], @rows);
}

1;
