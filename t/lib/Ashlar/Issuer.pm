package Ashlar::Issuer;

# An issuer of tokens, as far as Ashlar sees one: a key set at a URL.  Runs
# t/lib/stub_jwks, which says what else it can be told.

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS 'encode_json';
use File::Temp ();
use Time::HiRes 'sleep';

# One that serves these keys (of Ashlar::Token's sign_key).
sub start ($class, @keys) {
    my $tmp  = File::Temp->newdir;
    my $self = bless { tmp => $tmp, process => Ashlar::Process->start(cmd => ['t/lib/stub_jwks'], log => "$tmp/log") }, $class;
    for (1 .. 500) {
        sleep 0.01;
        open my $in, '<', "$tmp/log" or next;
        last if (<$in> // '') =~ /^port (\d+)$/ && ($self->{port} = $1);
    }
    $self->{port} or die "t/lib/stub_jwks does not start\n";
    $self->serve(@keys);
    return $self;
}

sub url ($self) { return "http://127.0.0.1:$self->{port}/keys" }

# From now on, these keys.
sub serve ($self, @keys) {
    return $self->_request(PUT => '/keys', encode_json({ keys => [ map { $_->{jwk} } @keys ] }));
}

# How it answers, as stub_jwks has it: answer(delay_ms => 500), or answer() for the normal way.
sub answer ($self, %how) { return $self->_request(PUT => '/answer', encode_json(\%how)) }

# How often it was asked for its keys.
sub count ($self) { return $self->_request(GET => '/count')->body }

sub stop ($self) { return $self->{process}->stop }

sub _request ($self, $method, $path, $body = undef) {
    return Ashlar::Http->new(port => $self->{port})->request($method, $path, body => $body, fresh => 1);
}

1;
