use v5.36;
use lib 't/lib';
use Api;

# The memory that all pools of a host share is a file: it outlives each of
# them, and one that cannot be used is replaced.
my $t  = Api->start;
my $me = '/api/v1/public/health/ready';    # not what the harness itself asks for

sub count () { return $t->metric('ashlar_requests_total', route => $me, status => 200) // 0 }

subtest 'it is private to the user' => sub {
    my $mode = (stat "$t->{dir}/shared")[2] & 0777;
    is $mode & 007, 0, sprintf 'mode %03o', $mode;
};

subtest 'both pools use the same' => sub {
    my $before = count();
    $t->fcgi('main')->request('GET', $me);
    $t->fcgi('slow')->request('GET', $me);
    eventually { count() == $before + 2 } 3, 'two more';
};

subtest 'one of another layout, or of another program, is replaced' => sub {
    for my $content ('', 'x', "\0" x 100, 'not ours' x 100_000) {
        $_->stop for map { $t->master($_) } qw(main slow hash);
        open my $out, '>', "$t->{dir}/shared" or die "shared: $!\n";
        print $out $content;
        close $out;
        $t->start_pool($_) for qw(main slow hash);
        my $before = count();
        $t->fcgi('slow')->request('GET', $me);
        eventually { count() == $before + 1 } 3, 'counted from anew, by both';
    }
};

subtest 'a pool that cannot have it says why and does not start' => sub {
    $t->master('main')->stop;
    my $bad = $t->start_pool('main', env => { SHM_FILE => "$t->{dir}/no/such/folder" }, no_wait => 1);
    isnt $bad->wait_for(5), undef, 'it ends';
    isnt $bad->wait_for(5), 0,     '  with a failure';
    $t->expect_log(qr/SHM_FILE/);
    $t->start_pool('main');
    status_is $t->get($me), 200;
};
