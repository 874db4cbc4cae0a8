package Ashlar::Dns;

# A DNS server, for a test.  Runs t/lib/stub_dns, which says what it can be told.

use v5.36;
use Ashlar::Process;
use Cpanel::JSON::XS 'encode_json';
use File::Temp ();
use Time::HiRes 'sleep';

sub start ($class) {
    my $tmp  = File::Temp->newdir;
    my $self = bless { tmp => $tmp, names => {} }, $class;
    $self->_write;
    $self->{process} = Ashlar::Process->start(cmd => [ 't/lib/stub_dns', "$tmp/names" ], log => "$tmp/log");
    for (1 .. 500) {
        sleep 0.01;
        open my $in, '<', "$tmp/log" or next;
        last if (<$in> // '') =~ /^port (\d+)$/ && ($self->{port} = $1);
    }
    $self->{port} or die "t/lib/stub_dns does not start\n";
    return $self;
}

# The settings that lead an api here.
sub settings ($self) { return (DNS_RESOLVER => "127.0.0.1:$self->{port}", DNS_TIMEOUT_S => 1) }

# From now on a name is answered so; without an answer there is no such name.
sub name ($self, $name, $answer = undef) {
    if ($answer) { $self->{names}{$name} = $answer }
    else         { delete $self->{names}{$name} }
    return $self->_write;
}

# As a whole, so that no question finds half of it.
sub _write ($self) {
    open my $to, '>', "$self->{tmp}/new" or die "$self->{tmp}/new: $!\n";
    print $to encode_json($self->{names});
    close $to or die "$self->{tmp}/new: $!\n";
    rename "$self->{tmp}/new", "$self->{tmp}/names" or die "$self->{tmp}/names: $!\n";
    return;
}

sub stop ($self) { return $self->{process}->stop }

1;
