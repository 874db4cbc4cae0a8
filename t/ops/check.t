use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use File::Temp ();
use Test::More;

# tools/check itself: what it makes of files that fail once, always, and in great number.
my $dir = File::Temp->newdir('/tmp/ashlar-t-XXXXXX');
$ENV{ASHLAR_TEST_CLUSTER} = Ashlar::Cluster->shared->dir;
delete @ENV{qw(STRICT VERBOSE LOAD HARNESS_ACTIVE HARNESS_VERSION HARNESS_OPTIONS)};

# A test file that fails the first $failures times that it runs.
sub file ($name, $failures) {
    my $path = "$dir/$name.t";
    open my $out, '>', $path or die "$path: $!\n";
    print $out <<~"END";
        open my \$runs, '>>', '$dir/$name.runs' or die;
        syswrite \$runs, 'x';
        my \$ok = -s '$dir/$name.runs' > $failures;
        print STDERR '# run ' . (-s '$dir/$name.runs') . " of $name\\n";    # in one write: the other stream is kept by another process
        print "1..1\\n", \$ok ? '' : 'not ', "ok 1 - $name\\n";
        exit !\$ok;
        END
    close $out or die "$path: $!\n";
    return $path;
}

sub runs ($name) { return -s "$dir/$name.runs" }

sub check (@files) {
    my $output = qx{tools/check @files 2>&1};
    return ($? >> 8, $output);
}

# What is kept of a file is this test's to remove.
sub kept ($path, $when) {
    my $name = "build/unstable/" . $path =~ tr{/}{-}r . ".$when";
    open my $in, '<', $name or return "$name: $!";
    my $text = do { local $/ = undef; <$in> };
    close $in or die "$name: $!\n";
    unlink $name;
    return $text;
}

subtest 'what passes runs once' => sub {
    my ($status, $output) = check(file(steady => 0));
    is $status, 0;
    is runs('steady'), 1;
    unlike $output, qr/unstable|Once more/;
    like $output, qr/^Result: PASS$/m;
};

subtest 'a file that dies in a subtest is red, whatever ends with it' => sub {
    my $n = 0;
    for my $ending (
        q{use Ashlar::Receiver; my $r = Ashlar::Receiver->start; subtest a => sub { ok 1; die 'dead' };},
        q{use Ashlar::Models; my $m = Ashlar::Models->start; subtest a => sub { ok 1; die 'dead' };},
        q{my $o = bless {}; sub DESTROY { system 'true' } subtest a => sub { ok 1; die 'dead' };},
        q{my $o = bless {}; sub DESTROY { system 'true' } ok 1; $o->nothing;},
    ) {
        my $path = "$dir/dies" . ++$n . '.t';
        open my $out, '>', $path or die "$path: $!\n";
        print {$out} "use v5.36; use lib 't/lib'; use Api; $ending";
        close $out or die "$path: $!\n";
        my $said = qx{$^X $path 2>&1};
        isnt $?, 0, $ending or diag $said;
    }
};

subtest 'it notes how long a file takes, and what CPU time; those of others stay' => sub {
    my $times = "$Ashlar::Cluster::BUILD/times";
    my $noted = sub () { return { map { /^(\S+) ([\d.]+) ([\d.]+)$/ ? ($1 => [ $2, $3 ]) : () } do { open my $in, '<', $times or return {}; <$in> } } };
    my $before = $noted->();
    # Burns half a second of the CPU, half of that in a child, and sleeps for another half.
    my $path = file(busy => 0);
    open my $out, '>>', $path or die "$path: $!\n";
    print {$out} "BEGIN { my \$burn = sub { my \@t; do { \@t = times } until \$t[0] + \$t[1] > \$_[0] }; system \$^X, '-e', 'do { \@t = times } until \$t[0] > 0.25'; \$burn->(0.3); select undef, undef, undef, 0.5 }";
    close $out or die "$path: $!\n";
    require File::Spec;
    my ($status) = check(my $name = File::Spec->abs2rel($path));
    is $status, 0;
    my $after = $noted->();
    cmp_ok $after->{$name}[1], '>=', 0.5, 'the CPU time of it and its child';
    cmp_ok $after->{$name}[0], '>=', $after->{$name}[1] * 0.5 + 0.4, '  and the seconds';
    delete $after->{$name};
    is_deeply [ sort keys %$after ], [ sort grep { $_ ne $name && -e } keys %$before ], 'the others are still there';
};

subtest 'LOAD=1: two busy processes run beside it, and are gone after it' => sub {
    my $path = "$dir/beside.t";
    open my $out, '>', $path or die "$path: $!\n";
    # keep is its parent, prove keep's, and tools/check prove's.
    print {$out} <<~'END';
        sub slurp { open my $in, '<', $_[0] or return ''; local $/; <$in> // '' }
        sub parent { (split ' ', slurp("/proc/$_[0]/stat") =~ s/.*\) //sr)[1] // 0 }
        my $check = parent(parent(getppid));
        my $n = grep { slurp("$_/cmdline") =~ /\0-e\x{0}1 while 1\0/ && parent(m{(\d+)$}) == $check } glob '/proc/[0-9]*';
        print "1..1\n# $n\n", $n == 2 ? '' : 'not ', "ok 1\n";
        exit($n != 2);
        END
    close $out or die "$path: $!\n";
    local $ENV{LOAD} = 1;
    my ($status, $output) = check($path);
    is $status, 0 or diag $output;
    delete local $ENV{LOAD};
    isnt +(check($path))[0], 0, 'which are not there otherwise';
};

subtest 'what fails once is run again alone, and the run is green and says so' => sub {
    my $shaky = file(shaky => 1);
    my ($status, $output) = check($shaky, file(calm => 0));
    is $status, 0;
    is runs('shaky'), 2;
    is runs('calm'),  1, 'what passed is left alone';
    like $output, qr/^unstable: \Q$shaky\E /m;
    like kept($shaky, 'first'), qr/^not ok 1 - shaky$/m, 'what it printed first is kept';
    my $again = kept($shaky, 'again');
    like $again, qr/^ok 1 - shaky$/m,    'and the second time';
    like $again, qr/^# run 2 of shaky$/m, 'both streams';
};

subtest 'STRICT=1 makes that red' => sub {
    local $ENV{STRICT} = 1;
    my $shaky = file(strict => 1);
    my ($status, $output) = check($shaky);
    is $status, 1;
    like $output, qr/^unstable: \Q$shaky\E /m;
    kept($shaky, $_) for qw(first again);
};

subtest 'what fails twice is red, whatever else was only unstable' => sub {
    my ($broken, $shaky) = (file(broken => 9), file(shaken => 1));
    my ($status, $output) = check($broken, $shaky);
    isnt $status, 0;
    is runs('broken'), 2;
    unlike $output, qr/^unstable: \Q$broken\E/m;
    like $output, qr/^unstable: \Q$shaky\E /m;
    kept($shaky, $_) for qw(first again);
};

subtest 'many failures are no chance, and are not run again' => sub {
    my ($status, $output) = check(map { file("many$_" => 1) } 1 .. 11);
    isnt $status, 0;
    is runs('many1'), 1;
    unlike $output, qr/unstable/;
};

done_testing;
