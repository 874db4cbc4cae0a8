# When cron rules come true: cron_next().

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use POSIX 'strftime';
use Test::More;
use Time::Local 'timegm_modern';

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $db      = $cluster->connect($name, 'ashlar_api');

# The next time behind a time, both as "2026-11-21 13:51:00"; of a refusal the SQLSTATE and its hint.
sub next_of ($rule, $after) {
    my ($at) = eval { $db->selectrow_array(q{SELECT to_char(cron_next(?, ?::timestamp AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')}, undef, $rule, $after) };
    return $at // $db->state . ($@ =~ /HINT:\s+(\w+)/ ? " $1" : '');
}

$db->do(q{SET TimeZone = 'America/St_Johns'});    # half an hour off: what is not UTC shows

subtest 'what the fields mean' => sub {
    my $now = '2026-11-21 13:51:07';              # a Saturday
    for (
        [ '* * * * *'            => '2026-11-21 13:52:00', 'every minute, at its beginning' ],
        [ '* * * * * *'          => '2026-11-21 13:51:08', 'six fields: every second' ],
        [ '30 * * * * *'         => '2026-11-21 13:51:30', 'the first of six is the second' ],
        [ '51 13 * * *'          => '2026-11-22 13:51:00', 'a minute that has begun is over' ],
        [ '7 51 13 * * *'        => '2026-11-22 13:51:07', 'behind means later' ],
        [ '*/15 * * * *'         => '2026-11-21 14:00:00', 'every 15th minute' ],
        [ '5/20 * * * *'         => '2026-11-21 14:05:00', 'from the 5th every 20th' ],
        [ '10-50/20 * * * *'     => '2026-11-21 14:10:00', 'of a range every 20th' ],
        [ '*/60 * * * *'         => '2026-11-21 14:00:00', 'a step as large as the field is its first value alone' ],
        [ '55,53,54 * * * *'     => '2026-11-21 13:53:00', 'a list, in any order' ],
        [ '0 9-17 * * *'         => '2026-11-21 14:00:00', 'a range' ],
        [ '0 9-17 * * MON-FRI'   => '2026-11-23 09:00:00', 'days by name' ],
        [ '0 9 * * mon,Wed'      => '2026-11-23 09:00:00', 'in any case' ],
        [ '0 0 1 jan *'          => '2027-01-01 00:00:00', 'months by name' ],
        [ '0 0 * * 7'            => '2026-11-22 00:00:00', '7 is Sunday' ],
        [ '0 0 * * 0'            => '2026-11-22 00:00:00', 'and so is 0' ],
        [ '0 0 * * 6-7'          => '2026-11-22 00:00:00', 'also at a range\'s end' ],
        [ '0 0 13 * *'           => '2026-12-13 00:00:00', 'a day of the month' ],
        [ '0 0 13 * FRI'         => '2026-11-27 00:00:00', 'or of the week: either is enough' ],
        [ '0 0 */30 * FRI'       => '2027-01-01 00:00:00', 'unless one begins with *: then both must fit' ],
        [ '0 0 13 * */5'         => '2026-12-13 00:00:00', '  whichever of them it is' ],
        [ '0 0 31 * *'           => '2026-12-31 00:00:00', 'months without a 31st are left out' ],
        [ '0 0 31 2 MON'         => '2027-02-01 00:00:00', 'where a Monday is enough the 31st need not be' ],
        [ '  0  0  *  *  *  '    => '2026-11-22 00:00:00', 'blanks do not count' ],
        [ "0\t0\t*\t*\t*"        => '2026-11-22 00:00:00', 'nor do tabs' ],
    ) {
        my ($rule, $want, $why) = @$_;
        is next_of($rule, $now), $want, "$rule: $why";
    }
};

subtest 'leap years and the ends of years' => sub {
    is next_of('0 0 29 2 *',       '2026-11-21 00:00:00'), '2028-02-29 00:00:00', 'the next 29th of February';
    is next_of('0 0 29 2 *',       '2028-02-29 00:00:00'), '2032-02-29 00:00:00', 'four years later';
    is next_of('0 0 29 2 *',       '2096-02-29 00:00:00'), '2104-02-29 00:00:00', '2100 is no leap year';
    is next_of('0 0 29 2 */7',     '2088-02-29 00:00:00'), '2128-02-29 00:00:00', 'one that is a Sunday may be 40 years ahead';
    is next_of('59 59 23 31 12 *', '2026-12-31 23:59:58'), '2026-12-31 23:59:59', 'the last second of a year';
    is next_of('* * * * *',        '2026-12-31 23:59:59'), '2027-01-01 00:00:00', 'and the first of the next';
    my ($part) = $db->selectrow_array(q{SELECT cron_next('* * * * * *', '2026-11-21 13:51:07.5Z') = '2026-11-21 13:51:08Z'});
    ok $part, 'behind a part of a second is the next second';
};

subtest 'what is refused' => sub {
    my @no_rule = (
        '', '*', '* * * *', '* * * * * * *', '@daily', 'x * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *', '* * * 13 *',
        '* * * * 8', '60 * * * * *', '-1 * * * *', '5-1 * * * *', '* * * * FRI-MON', '1- * * * *', '-5 * * * *', '1,,2 * * * *', ',1 * * * *', '1, * * * *',
        '*/61 * * * *', '*/90 * * * *', '5/90 * * * *', '5-10/61 * * * *', '*/61 * * * * *', '* */25 * * *', '* * */32 * *', '* * * */13 *', '* * * * */9',
        '*/0 * * * *', '*/ * * * *', '*/x * * * *', '1/2/3 * * * *', '1-2-3 * * * *', '*-5 * * * *', '** * * * *', '1.5 * * * *', '* * * * MONDAY', '* * MON * *',
        'JAN * * * *', '* * * MON *', '* * * * JAN', '* * L * *', '* * 15W * *', '* * * * 5#3', '* * ? * *', "* * * *\n* *", '001 * * * *', '٣ * * * *',
    );
    is next_of($_, '2026-11-21 00:00:00'), 'AS422 repeat', "'" . s/\n/\\n/r . "'" for @no_rule;
    is next_of($_, '2026-11-21 00:00:00'), 'AS422 repeat', "$_: there is no such day" for '0 0 31 2 *', '0 0 30 2 *', '0 0 30,31 FEB *', '0 0 31 4,6,9,11 *';
    is $db->selectrow_array('SELECT cron_next(NULL, now())'), undef, 'no rule, no time';
};

# The same rules, made and understood by another program: it knows of each field
# the values, never the text, and goes through days and their minutes one by one.
sub random_field ($low, $high, $names) {
    return ('*', [ $low .. $high ]) if rand() < 0.4;
    if (rand() < 0.2) {
        my $step = 1 + int rand($high - $low + 1);
        return ("*/$step", [ grep { ($_ - $low) % $step == 0 } $low .. $high ]);
    }
    my (@text, %take);
    for (0 .. rand 3) {
        my $from = $low + int rand($high - $low + 1);
        my $to   = $from + int rand($high - $from + 1);
        my $step = 1 + int rand 7;
        my $word = sub ($n) { return $names && $names->[ $n - $low ] && rand() < 0.5 ? $names->[ $n - $low ] : rand() < 0.1 ? sprintf('%02d', $n) : $n };
        my $kind = int rand 4;
        if    ($kind == 0) { push @text, $word->($from); $take{$from} = 1 }
        elsif ($kind == 1) { push @text, $word->($from) . '-' . $word->($to); @take{ $from .. $to } = () }
        elsif ($kind == 2) { push @text, $word->($from) . '-' . $word->($to) . "/$step"; $take{$_} = 1 for grep { ($_ - $from) % $step == 0 } $from .. $to }
        else               { push @text, $word->($from) . "/$step"; $take{$_} = 1 for grep { ($_ - $from) % $step == 0 } $from .. $high }
    }
    return (join(',', @text), [ keys %take ]);
}

sub random_rule () {
    my @field = (
        rand() < 0.5 ? [ random_field(0, 59, undef) ] : [ '', [0] ],
        [ random_field(0, 59, undef) ], [ random_field(0, 23, undef) ], [ random_field(1, 31, undef) ],
        [ random_field(1, 12, [qw(JAN feb Mar APR may Jun JUL aug Sep OCT nov Dec)]) ],
        [ random_field(0, 7,  [qw(SUN mon Tue WED thu Fri SAT)]) ],
    );
    my %rule = (text => join(' ', grep { length } map { $_->[0] } @field), both => scalar grep { $field[$_][0] =~ /^\*/ } 3, 5);
    @rule{qw(s m h day month wday)} = map { +{ map { $_ => 1 } @{ $_->[1] } } } @field;
    $rule{wday}{0} = 1 if $rule{wday}{7};
    return \%rule;
}

sub next_by_hand ($rule, $after) {
    my $day = $after + 1 - ($after + 1) % 86400;
    for (1 .. 48 * 366) {
        my (undef, undef, undef, $mday, $month, undef, $wday) = gmtime $day;
        my ($m, $w) = (exists $rule->{day}{$mday}, exists $rule->{wday}{$wday});
        if (exists $rule->{month}{ $month + 1 } && ($rule->{both} ? $m && $w : $m || $w)) {
            for my $minute (0 .. 1439) {
                next if $day + 60 * $minute + 59 <= $after || !exists $rule->{h}{ int $minute / 60 } || !exists $rule->{m}{ $minute % 60 };
                for my $second (0 .. 59) {
                    my $at = $day + 60 * $minute + $second;
                    return strftime('%Y-%m-%d %H:%M:%S', gmtime $at) if exists $rule->{s}{$second} && $at > $after;
                }
            }
        }
        $day += 86400;
    }
    return 'AS422 repeat';
}

subtest 'a thousand rules, as another program understands them' => sub {
    my $seed = srand($ENV{SEED} // time);
    my ($wrong, $never) = (0, 0);
    for (1 .. 1000) {
        my $rule  = random_rule();
        my $after = timegm_modern(0, 0, 0, 1, 0, 2020) + int rand 86400 * 365 * 20;
        my $want  = next_by_hand($rule, $after);
        my $from  = strftime('%Y-%m-%d %H:%M:%S', gmtime $after);
        my $got   = next_of($rule->{text}, $from);
        $never++ if $want =~ /^AS/;
        next if $got eq $want;
        diag "SEED=$seed: $rule->{text} after $from: $got, not $want";
        $wrong++;
    }
    is $wrong, 0, 'all come true at the same time';
    cmp_ok $never, '<', 100, "of them $never never";
};

$db->disconnect;
$cluster->drop($name);
done_testing;
