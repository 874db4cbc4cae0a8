package Ashlar::Systemd;

# A service manager to talk to: python3-dbusmock as org.freedesktop.systemd1, on a bus of its own.  It says yes, or what it is
# told to (fails), and remembers what it was asked (calls).  What it cannot show: that polkit lets ashlar-host ask, and that
# the units do what they say; t/ops/agent_units.t looks at both from outside.

use v5.36;
use Ashlar::Process;
use Time::HiRes qw(sleep);

sub new ($class, $dir) {
    my $self = bless { dir => $dir, address => "unix:path=$dir/bus" }, $class;
    $self->{bus} = Ashlar::Process->start(
        name => 'dbus-daemon', cmd => [ qw(dbus-daemon --session --nofork --nopidfile --nosyslog), "--address=$self->{address}" ], log => "$dir/bus.log");
    for (1 .. 500) { last if -S "$dir/bus"; sleep 0.02 }
    $self->start;
    return $self;
}

sub start ($self) {
    $self->{read} = 0;    # its log begins anew
    $self->{mock} = Ashlar::Process->start(
        name => 'dbusmock',
        cmd  => [ qw(/usr/bin/python3 -m dbusmock --session --logfile), "$self->{dir}/systemd.log", qw(org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager) ],
        env  => { DBUS_SESSION_BUS_ADDRESS => $self->{address} }, log => "$self->{dir}/mock.log");
    for (1 .. 500) { last if $self->method(StartUnit => q(ret = dbus.ObjectPath("/org/freedesktop/systemd1/job/1"))); sleep 0.02 }
    $self->method(StopUnit => q(ret = dbus.ObjectPath("/org/freedesktop/systemd1/job/2"))) or die "no mock of systemd\n";
    return;
}

sub method ($self, $name, $code) {
    open my $out, '-|', 'busctl', "--address=$self->{address}", qw(call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Mock AddMethod sssss), '', $name, 'ss', 'o', $code
        or die "busctl: $!\n";
    my @said = <$out>;
    return close $out;
}

# From now on it refuses a verb with an error of that name.
sub fails ($self, $verb, $error) {
    return $self->method($verb => qq(raise dbus.exceptions.DBusException("as the test has it", name="$error")));
}

# What it was asked since the last time, a line each.
sub calls ($self) {
    my $file = "$self->{dir}/systemd.log";
    open my $in, '<', $file or return '';
    seek $in, $self->{read} // 0, 0;
    my @calls = map { /\s(StartUnit|StopUnit|RestartUnit|StartTransientUnit) "([^"]*)"/ ? "$1 $2" : () } <$in>;
    $self->{read} = tell $in;
    close $in;
    return join "\n", @calls;
}

sub stop ($self) {
    $self->{mock}->stop('TERM', 10);
    return;
}

sub DESTROY ($self) {
    local ($@, $?, $!);
    $_->stop('TERM', 10) for grep { defined } @$self{qw(mock bus)};
    return;
}

1;
