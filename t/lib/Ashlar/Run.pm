package Ashlar::Run;

# make run, as a developer has it, in a directory of its own; the tests have built already.
#
#     my $run = Ashlar::Run->start($dir, PORT => …);    # the environment, beside what a test always says
#     $run->ready or diag $run->said;

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use File::Temp ();
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

# However a file is ended, its END blocks run, and make run with all of its parts is gone.
for my $signal (qw(INT TERM HUP)) { $SIG{$signal} = sub { exit 1 } }    ## no critic (RequireLocalizedPunctuationVars)

my $top;
my %used;    # directories, to be cleaned however this ends; a File::Temp::Dir, which stays until then

sub free_port () {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!\n";
    return $socket->sockport;
}

sub _slurp ($file) {
    open my $in, '<', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

sub start ($class, $dir, %env) {
    $top //= File::Temp->newdir('/tmp/ashlar-run-t-XXXXXX');
    state $n = 0;
    my $port = delete $env{PORT} // free_port();
    $used{$dir} = $dir;
    my $self = bless { dir => $dir, out => "$top/out." . ++$n, port => $port, began => time }, $class;
    $self->{process} = Ashlar::Process->start(
        name => 'make run',
        cmd  => ['tools/run'],
        log  => $self->{out},
        env  => { ASHLAR_BUILT => 1, ASHLAR_RUN => $dir, PORT => $port, HTTP_PORT => free_port(), PROCESSES => 2, PROCESSES_SLOW => 1, %env },
    );
    return $self;
}

# What it has said so far.
sub said ($self) { return _slurp($self->{out}) }

# Wait until it is; and read what it has printed: demo, admin and team are tokens, public_key and secret_key keys.
sub ready ($self) {
    my $until = time + 120;
    until ($self->said =~ /^ready$/m) {
        last if !$self->{process}->alive || time > $until;
        sleep 0.1;
    }
    $self->{took} = time - $self->{began};
    my $out = $self->said;
    $self->{$_} = $out =~ /^$_ token: (eyJ\S+)$/m ? $1 : '' for qw(demo admin team);
    ($self->{"$_\_key"}) = $out =~ /^$_ key: (\S+)$/m for qw(public secret);
    ($self->{curl}) = $out =~ /^(curl .*)$/m;
    ($self->{url})  = $out =~ m{^(https://\S+)}m;
    $self->{parts}  = { map { m{([^/]+)$} && ($1 => (split ' ', _slurp($_))[0]) } glob "\Q$self->{dir}\E/pids/*" };
    return $out =~ /^ready$/m;
}

# A connection to its nginx, whose answers are compared with the reference.
sub http ($self, %arg) { return Ashlar::Http->new(port => $self->{port}, ca => "$self->{dir}/tls/cert.pem", is_noted => 1, %arg) }

# What still runs of the parts and of their children: each part is a session, and so a process group.
sub left ($self) {
    my %part = reverse %{ $self->{parts} };
    return map { my ($pid, $state, $group) = _slurp($_) =~ /^(\d+) [(].*[)] (\S) \d+ (\d+)/s; $pid && $state ne 'Z' && $part{$group} ? "$part{$group} $pid" : () }
        glob '/proc/[0-9]*/stat';
}

END {
    my $status = $?;
    for my $dir (sort keys %used) {
        local $ENV{ASHLAR_RUN} = $dir;
        system 'tools/run', 'clean';
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

1;
