# What all parts of the benchmark know: options, places, and small helpers for files.
package Bench::Env;

use v5.36;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX    ();

our @EXPORT = qw(
    $root $bench $build $ashlar $tmp $pg_bin $json
    $quick $seconds $rounds $cores $pool $tenant $users $each
    is_partial wanted slurp spew free_port say_now
);

our $bench  = dirname(dirname(dirname(abs_path(__FILE__))));
our $root   = dirname($bench);
our $build  = "$root/build/bench";
our $ashlar = $ENV{BENCH_ASHLAR} // "$root/build/ashlar";
our ($pg_bin) = reverse sort glob '/usr/lib/postgresql/*/bin';
our $json   = JSON::PP->new->utf8->canonical;

our $quick   = $ENV{BENCH_QUICK};
our $seconds = $ENV{BENCH_SECONDS} // ($quick ? 2 : 8);
our $rounds  = $ENV{BENCH_ROUNDS}  // ($quick ? 1 : 3);
our $cores   = POSIX::sysconf(84);                          # _SC_NPROCESSORS_ONLN
our $pool    = $ENV{BENCH_POOL} // 2 * $cores;              # connections; for Ashlar and php-fpm, children

# The default tenant has so many users with so many projects each.
our $tenant = '00000000-0000-7000-8000-000000000001';
our ($users, $each) = (500, 40);

# Goes when the process ends, after everything in it was stopped.
our $tmp = File::Temp->newdir('ashlar-bench.XXXXXX', TMPDIR => 1);
chmod 0755, "$tmp";

my %only = map { $_ => 1 } split /,/, $ENV{BENCH_ONLY} // '';

# Is this peer to be measured?
sub wanted ($name) { return !%only || $only{$name} }

# Figures of a part or of a short look are not for RESULTS.md.
sub is_partial { return %only || $quick }

sub say_now (@words) {
    print "bench: @words\n";
    return;
}

sub slurp ($path) {
    open my $in, '<', $path or die "$path: $!\n";
    local $/ = undef;
    return <$in>;
}

# Write a file; returns its path.
sub spew ($path, $text) {
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    return $path;
}

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1);
    return $socket ? $socket->sockport : die "no free port: $!\n";
}

1;
