package Ashlar::Timing;

# Whether two calls take as long, so that nobody learns from the clock which of
# them it was.
#
# They are run in pairs, in an order that is drawn anew for each.  A pair speaks
# for one side when that side took less than $BOUND of the other.  If both do
# the same work, a pair speaks for either side with the same chance, whatever
# else the machine does meanwhile, because the draw decides which of the two
# times is whose.  So of $PAIRS pairs $TOO_MANY or more for one side come by
# chance once in three million times (the tail of a binomial, 2.8e-7, for each
# side), and if a pair speaks for it nine times out of ten, they are missed
# once in two hundred thousand.
#
# It ends when neither side can get there any more, which changes no result:
# usually after a third of the pairs.

use v5.36;
use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(take_as_long);

my $PAIRS    = 100;
my $TOO_MANY = 75;
my $BOUND    = 0.6;

# take_as_long($one, $other, $name): both are called with the number of the pair, from 1, and return seconds.
sub take_as_long ($one, $other, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @faster = (0, 0);
    my (@seconds, $n);
    for (1 .. $PAIRS) {
        $n = $_;
        my @pair;
        my @order = rand() < 0.5 ? (0, 1) : (1, 0);
        $pair[$_] = ($one, $other)[$_]->($n) for @order;
        $faster[0]++ if $pair[0] < $BOUND * $pair[1];
        $faster[1]++ if $pair[1] < $BOUND * $pair[0];
        push @{ $seconds[$_] }, $pair[$_] for 0, 1;
        last if !grep { $_ + $PAIRS - $n >= $TOO_MANY } @faster;
        last if grep { $_ >= $TOO_MANY } @faster;
    }
    my @median = map { 1000 * (sort { $a <=> $b } @$_)[ @$_ / 2 ] } @seconds;
    my $said   = sprintf '%d pairs; medians %.1f and %.1f ms; the one was faster in %d, the other in %d', $n, @median, @faster;
    note $said;
    return ok(!(grep { $_ >= $TOO_MANY } @faster), $name) || diag $said;
}

1;
