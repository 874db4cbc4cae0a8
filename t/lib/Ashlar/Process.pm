package Ashlar::Process;

# A program that a test started: its own process group, its output in a file,
# and gone when the test is, however that ends.

use v5.36;
use Cwd 'abs_path';
use Errno 'EINTR';
use File::Temp ();
use POSIX ();
use Time::HiRes qw(sleep time);

my %live;    # by pid; only what this very process started

# Passwords are hashed quickly by every ashlar of a test (t/lib/quick_scrypt.c), also by one that the test
# runs itself; not in the builds of sanitizers and coverage, whose own libraries want to be the first.
our $link;    # what leads to it from a path without the separators of LD_PRELOAD; a lexical would be gone when this file was read
{
    my $quick = abs_path('build/quick_scrypt.so');
    if (($quick // '') =~ /[\s:]/ && -e $quick) {
        $link = File::Temp->newdir('/tmp/ashlar-scrypt-XXXXXX');
        chmod 0755, "$link";
        symlink $quick, "$link/quick_scrypt.so" or die "$link: $!\n";
        $quick = "$link/quick_scrypt.so";
    }
    $ENV{LD_PRELOAD} = $quick if $quick && -e $quick && !$ENV{SAN} && !$ENV{COV};    ## no critic (RequireLocalizedPunctuationVars)
}

# Start a program.
#
#   cmd    the words of the command
#   env    its environment, beside PATH and HOME: a test must not depend on what
#          the developer has set
#   stdin  a file handle for fd 0 (a listening socket, as systemd passes it)
#   on_demand  stdin is a listening socket, and the program starts when somebody connects to it
#   log    the file that stdout and stderr are appended to
#   stdout a file handle for fd 1, instead of the log
#   user   run as this user (only root can)
#   dir    the working directory
sub start ($class, %arg) {
    my $pid = fork // die "fork: $!\n";
    return $live{$pid} = bless { pid => $pid, owner => $$, name => $arg{name} // $arg{cmd}[0] }, $class if $pid;

    # The child.  It leaves by _exit, past every END block of the test.
    eval {
        setpgrp;
        _die_with_parent();
        open STDOUT, '>>', $arg{log} or die "$arg{log}: $!\n";
        open STDERR, '>&', \*STDOUT  or die "stderr: $!\n";
        if ($arg{stdin}) {
            POSIX::dup2(fileno $arg{stdin}, 0) // die "dup2: $!\n";
        }
        else {
            open STDIN, '<', '/dev/null' or die "/dev/null: $!\n";
        }
        if ($arg{stdout}) { POSIX::dup2(fileno $arg{stdout}, 1) // die "dup2: $!\n" }
        if ($arg{user}) {
            my ($uid, $gid) = (getpwnam $arg{user})[2, 3];
            POSIX::setgid($gid) && ($) = "$gid $gid") && POSIX::setuid($uid) or die "cannot become $arg{user}: $!\n";
            _die_with_parent();    # changing the user cleared it
        }
        chdir $arg{dir} or die "$arg{dir}: $!\n" if $arg{dir};
        my @quick = defined $ENV{LD_PRELOAD} && $arg{cmd}[0] =~ m{/ashlar\z} ? (LD_PRELOAD => $ENV{LD_PRELOAD}) : ();
        _wait_for_client() if $arg{on_demand};
        local %ENV = (PATH => $ENV{PATH}, HOME => $ENV{HOME} // '/', @quick, %{ $arg{env} // {} });
        no warnings 'exec';
        exec { $arg{cmd}[0] } @{ $arg{cmd} } or die "$arg{cmd}[0]: $!\n";
    };
    print STDERR $@;
    POSIX::_exit(127);
}

# prctl(PR_SET_PDEATHSIG, SIGTERM): a test that is SIGKILLed leaves nothing behind either.
sub _die_with_parent () {
    my $number = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] } or return;
    syscall $number, 1, 15, 0, 0, 0;
    return;
}

# Until somebody connects to fd 0, with nothing else of the test's held open.
sub _wait_for_client () {
    local @SIG{qw(INT HUP PIPE)} = ('DEFAULT') x 3;
    local $SIG{TERM} = sub { POSIX::_exit(0) };
    for (glob '/proc/self/fd/*') { POSIX::close($1) if m{/(\d+)\z} && $1 > 2 }
    my $wanted = '';
    vec($wanted, 0, 1) = 1;
    until (select(my $ready = $wanted, undef, undef, undef) > 0) { }
    return;
}

sub pid ($self) { return $self->{pid} }

# Is it still running?  Reaps it when it is not.
sub alive ($self) {
    return 0 if defined $self->{status};
    my $got = waitpid $self->{pid}, POSIX::WNOHANG();
    if ($got == $self->{pid}) {
        $self->{status} = $?;
        return 0;
    }
    return $got == 0;
}

sub signal ($self, $signal) { return $self->alive && kill $signal, $self->{pid} }

# Wait for its end: the wait status, or undef when it takes longer.
sub wait_for ($self, $seconds) {
    my $until = time + $seconds;
    while ($self->alive) {
        return if time > $until;
        sleep 0.01;
    }
    delete $live{ $self->{pid} };
    return $self->{status};
}

# Ask it to end, and insist after $seconds.  True when asking was enough and it exited with 0.
sub stop ($self, $signal = 'TERM', $seconds = 10) {
    $self->signal($signal);
    my $status = $self->wait_for($seconds);
    my $left   = $self->group;
    $self->kill_group;
    return defined $status && $status == 0 && !$left;
}

# How many processes of its group there are.
sub group ($self) {
    return 0 if !kill 0, -$self->{pid};    # as nearly always; to read all of /proc takes long
    my $n = 0;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $stat or next;
        my $line = <$in> // next;
        my ($pid, $state, $group) = $line =~ /^(\d+) \(.*\) (\S) \d+ (\d+)/s or next;
        $n++ if $group == $self->{pid} && $state ne 'Z';
    }
    return $n;
}

sub kill_group ($self) {
    kill 'KILL', -$self->{pid};
    $self->wait_for(5) unless defined $self->{status};
    delete $live{ $self->{pid} };
    return;
}

# The CPU seconds of it and of its children that have ended.
sub cpu ($self) {
    open my $in, '<', "/proc/$self->{pid}/stat" or return 0;
    my @field = split ' ', <$in> =~ s/^.*\) //sr;
    return ($field[11] + $field[12] + $field[13] + $field[14]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# The processes it forked.
sub children ($self) {
    open my $in, '<', "/proc/$self->{pid}/task/$self->{pid}/children" or return;
    return split ' ', <$in> // '';
}

END {
    my $status = $?;
    for (grep { $_->{owner} == $$ } values %live) {
        $_->kill_group;
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

1;
