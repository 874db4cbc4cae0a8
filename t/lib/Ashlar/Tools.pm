package Ashlar::Tools;

# Servers of tools that agents use (t/clients/mcp.mjs, the protocol's own SDK), for a test.

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use File::Temp ();
use Time::HiRes 'sleep';

sub start ($class) {
    my $tmp  = File::Temp->newdir;
    my $self = bless { tmp => $tmp, process => Ashlar::Process->start(cmd => [ 'node', 't/clients/mcp.mjs' ], log => "$tmp/log") }, $class;
    for (1 .. 3000) {
        sleep 0.01;
        open my $in, '<', "$tmp/log" or next;
        last if join('', <$in>) =~ /^port (\d+)$/m && ($self->{port} = $1);
    }
    $self->{port} or die "t/clients/mcp.mjs does not start\n";
    return $self;
}

sub address ($self) { return "127.0.0.1:$self->{port}" }

# The server of a kind: stream, json, sse, mute, foreign.
sub url ($self, $kind) { return "http://127.0.0.1:$self->{port}/$kind" }

# What was asked since the last time: [{ path, method, headers, body }].
sub seen ($self) { return @{ Ashlar::Http->new(port => $self->{port})->request(GET => '/seen', fresh => 1)->json } }

sub stop ($self) { return $self->{process}->stop }

1;
