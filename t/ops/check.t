use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use File::Temp ();
use Test::More;

# tools/check itself: what it makes of files that fail once, always, and in great number.
my $dir = File::Temp->newdir('/tmp/ashlar-t-XXXXXX');
$ENV{ASHLAR_TEST_CLUSTER} = Ashlar::Cluster->shared->dir;
delete @ENV{qw(STRICT VERBOSE HARNESS_ACTIVE HARNESS_VERSION HARNESS_OPTIONS)};

# A test file that fails the first $failures times that it runs.
sub file ($name, $failures) {
    my $path = "$dir/$name.t";
    open my $out, '>', $path or die "$path: $!\n";
    print $out <<~"END";
        open my \$runs, '>>', '$dir/$name.runs' or die;
        syswrite \$runs, 'x';
        my \$ok = -s '$dir/$name.runs' > $failures;
        print STDERR "# run ", -s '$dir/$name.runs', " of $name\\n";
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
