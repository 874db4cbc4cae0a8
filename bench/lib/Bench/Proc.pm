# Processes of the benchmark: started, measured, and stopped by their ids.
package Bench::Proc;

use v5.36;
use Exporter 'import';
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(start stop slay stop_all check wait_for run capture cpu_us pss_kib tree);

my %started;    # pid => { name, signal, log }
my @order;      # pids, oldest first
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# Start a process and return its id.
#
#   name    for messages
#   cmd     the command, as a list
#   env     variables added to ours
#   user    who runs it, when we are root
#   log     file for its output
#   signal  what stops it; TERM when left out
#
# setpriv's --pdeathsig takes it down with us should we be killed outright.
sub start (%o) {
    my $signal = $o{signal} // 'TERM';
    my @cmd = ('setpriv', '--pdeathsig', $signal);
    push @cmd, "--reuid=$o{user}", "--regid=$o{user}", '--init-groups' if $o{user} && $> == 0;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp(0, 0);    # Ctrl-C reaches us, and we stop things in order
        umask 0000 if !$o{user};
        local @ENV{ keys %{ $o{env} || {} } } = values %{ $o{env} || {} };
        open STDIN, '<', '/dev/null' or POSIX::_exit(127);
        open STDOUT, '>>', $o{log} or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(127);
        exec { $cmd[0] } @cmd, @{ $o{cmd} } or POSIX::_exit(127);
    }
    $started{$pid} = { name => $o{name}, signal => $signal, log => $o{log} };
    push @order, $pid;
    return $pid;
}

# Stop a process we started: politely, and after ten seconds not.
sub stop ($pid) {
    my $process = delete $started{$pid} or return;
    @order = grep { $_ != $pid } @order;
    kill $process->{signal}, $pid;
    for (1 .. 200) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        sleep 0.05;
    }
    warn "bench: $process->{name} ($pid) did not stop, killing it\n";
    kill 'KILL', reverse tree($pid);
    waitpid $pid, 0;
    return;
}

# End a process and all that descend from it without asking, as a power cut would.
sub slay ($pid) {
    delete $started{$pid} or return;
    @order = grep { $_ != $pid } @order;
    kill 'KILL', tree($pid);
    waitpid $pid, 0;
    return;
}

# Stop everything, newest first.
sub stop_all {
    my @all = reverse @order;
    stop($_) for @all;
    return;
}

# Die if something we started has ended by itself.
sub check {
    for my $pid (@order) {
        next if waitpid($pid, POSIX::WNOHANG()) == 0;
        my ($name, $log) = @{ $started{$pid} }{qw(name log)};
        @order = grep { $_ != $pid } @order;
        delete $started{$pid};
        die "$name ended by itself; the end of $log:\n" . tail($log);
    }
    return;
}

sub tail ($file) {
    open my $in, '<', $file or return '';
    my @lines = <$in>;
    splice @lines, 0, @lines - 15 if @lines > 15;
    return join '', @lines;
}

# Wait up to ten seconds for a condition.
sub wait_for ($what, $condition) {
    for (1 .. 500) {
        return if $condition->();
        check();
        sleep 0.02;
    }
    die "$what: not there after 10 s\n";
}

# Run a command to its end; its output is returned, and shown when it fails.
# Options, in front as a hash: env, user and dir; any_status: failing is an answer too.
sub capture (@cmd) {
    my %o = ref $cmd[0] ? %{ shift @cmd } : ();
    unshift @cmd, 'setpriv', "--reuid=$o{user}", "--regid=$o{user}", '--init-groups' if $o{user} && $> == 0;
    local @ENV{ keys %{ $o{env} || {} } } = values %{ $o{env} || {} };
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(127);
        if ($o{dir}) { chdir $o{dir} or POSIX::_exit(127) }
        exec { $cmd[0] } @cmd or POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> };
    close $out or $o{any_status} or die "@cmd failed:\n" . ($text // '');
    return $text // '';
}

sub run (@cmd) {
    capture(@cmd);
    return;
}

# Fields of /proc/<pid>/stat from the state on: 1 is the parent, 11 to 14 the ticks.
sub stat_of ($pid) {
    open my $in, '<', "/proc/$pid/stat" or return;
    my $line = <$in> // return;
    $line =~ s/^.*\) //s;
    return split ' ', $line;
}

# A process and all that descend from it.
sub tree (@roots) {
    my %children;
    opendir my $dir, '/proc' or die "/proc: $!\n";
    for my $pid (grep { /^\d+$/ } readdir $dir) {
        my @stat = stat_of($pid) or next;
        push @{ $children{ $stat[1] } }, $pid;
    }
    my @found;
    while (@roots) {
        my $pid = shift @roots;
        push @found, $pid;
        push @roots, @{ $children{$pid} || [] };
    }
    return @found;
}

# CPU time that process trees have used so far, in microseconds; children that
# ended are in their parents' share.
sub cpu_us (@roots) {
    my $sum = 0;
    for my $pid (tree(@roots)) {
        my @stat = stat_of($pid) or next;
        $sum += $_ for @stat[ 11 .. 14 ];
    }
    return $sum * 1e6 / $ticks;
}

# Memory of process trees, shared pages counted in part (PSS), in KiB.
sub pss_kib (@roots) {
    my $sum = 0;
    for my $pid (tree(@roots)) {
        open my $in, '<', "/proc/$pid/smaps_rollup" or next;
        while (my $line = <$in>) {
            $sum += $1 if $line =~ /^Pss:\s+(\d+)/;
        }
    }
    return $sum;
}

1;
