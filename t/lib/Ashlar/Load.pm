package Ashlar::Load;

# Several clients that go on asking until they are told to stop, each in a
# process of its own.

use v5.36;
use POSIX ();
use Time::HiRes 'time';

#   clients   how many
#   make      sub () { … }            called once in each, makes its client
#   each      sub ($client, $n) { … } one request; returns the answer
#   requests  how many each of them makes; without it they go on until finish
sub start ($class, %arg) {
    my $self = bless { owner => $$, jobs => [], until_done => $arg{requests} }, $class;
    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };    # before the fork, so that no signal comes too early
    for my $number (1 .. $arg{clients}) {
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            close $from;
            eval { _work($to, $number, \$stop, %arg); 1 } or print {$to} "0 0 $@";
            close $to;
            POSIX::_exit(0);
        }
        close $to;
        push @{ $self->{jobs} }, { pid => $pid, from => $from };
    }
    return $self;
}

# Stop them all, or wait for the number of requests that was asked for; what each request came to, as [status, seconds, error].
sub finish ($self) {
    kill 'TERM', map { $_->{pid} } @{ $self->{jobs} } if !$self->{until_done};
    my @results;
    for my $job (@{ $self->{jobs} }) {
        my $from = $job->{from};
        while (my $line = <$from>) {
            chomp $line;
            push @results, [ split / /, $line, 3 ];
        }
        waitpid $job->{pid}, 0;
    }
    $self->{jobs} = [];
    return @results;
}

# The line is written when the request is done, so what finish() reads is complete.
sub _work ($to, $number, $stop, %arg) {
    local $SIG{INT} = 'DEFAULT';
    my $client = $arg{make}->();
    my @results;
    for (my $n = 1; !$$stop && $n <= ($arg{requests} // $n); $n++) {
        my $response = $arg{each}->($client, "$number-$n");
        push @results, join ' ', $response->status, sprintf('%.4f', $response->seconds), $response->error =~ s/\s+/ /gr;
    }
    print {$to} map { "$_\n" } @results;
    return;
}

sub DESTROY ($self) {
    return if $self->{owner} != $$;
    local ($?, $@, $!) = (0, '', 0);
    for my $job (@{ $self->{jobs} }) {
        kill 'KILL', $job->{pid};
        waitpid $job->{pid}, 0;
    }
    return;
}

1;
