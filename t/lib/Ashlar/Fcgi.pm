package Ashlar::Fcgi;

# A FastCGI client, for what nginx would not let through to the api and for
# asking a pool directly.  One request per connection unless it is kept.

use v5.36;
use Ashlar::Answers;
use Ashlar::Response;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes 'time';

# Record types of the FastCGI specification, section 8.
use constant { BEGIN_REQUEST => 1, END_REQUEST => 3, PARAMS => 4, STDIN_DATA => 5, STDOUT_DATA => 6 };

sub new ($class, $path, %arg) {
    return bless { path => $path, timeout => 10, %arg }, $class;
}

# Ask for something; the answer is an Ashlar::Response as nginx would make it.
#
#   params   over the defaults of a GET from 192.0.2.254
#   body     bytes
#   keep     keep the connection for the next one
sub request ($self, $method, $uri, %arg) {
    my $body   = $arg{body} // '';
    my %params = (
        REQUEST_METHOD => $method,
        REQUEST_URI    => $uri,
        REMOTE_ADDR    => '192.0.2.254',
        HTTPS          => 'on',
        HTTP_HOST      => 'localhost',
        length $body ? (CONTENT_TYPE => 'application/json', CONTENT_LENGTH => length $body) : (),
        %{ $arg{params} // {} },
    );
    delete @params{ grep { !defined $params{$_} } keys %params };
    my $pairs = join '', map { _size(length $_) . _size(length $params{$_}) . $_ . $params{$_} } sort keys %params;
    my $start = time;
    my $response = eval {
        local $SIG{PIPE} = 'IGNORE';
        my $socket = $self->connect;
        $socket->syswrite(_record(BEGIN_REQUEST, pack 'nCx5', 1, $arg{keep} ? 1 : 0) . _stream(PARAMS, $pairs) . _stream(STDIN_DATA, $body));
        $self->answer;
    };
    $response //= Ashlar::Response->new(status => 0, error => $@ || 'no answer');
    delete $self->{socket} if !$arg{keep} || !$response->status;
    $response->{request} = "$method $uri (FastCGI)";
    $response->{seconds} = time - $start;
    Ashlar::Answers::note('fastcgi', $params{REQUEST_METHOD} // '', $params{REQUEST_URI} // '', $response) if $self->{is_noted};
    return $response;
}

# Begin a request and do not end it: its parameters go out, a part of its body, and no more.
sub send_unfinished ($self, $method, $uri, %params) {
    %params = (REQUEST_METHOD => $method, REQUEST_URI => $uri, REMOTE_ADDR => '192.0.2.254', HTTPS => 'on', %params);
    my $pairs = join '', map { _size(length $_) . _size(length $params{$_}) . $_ . $params{$_} } sort keys %params;
    $self->connect->syswrite(_record(BEGIN_REQUEST, pack 'nCx5', 1, 0) . _stream(PARAMS, $pairs) . _record(STDIN_DATA, '{'));
    return;
}

# The connection, kept or new.
sub connect ($self) {    ## no critic (ProhibitBuiltinHomonyms)
    return $self->{socket} //= IO::Socket::UNIX->new(Peer => $self->{path}) // die "$self->{path}: $!\n";
}

sub disconnect ($self) {
    delete $self->{socket};
    return;
}

# Read records until the request ends.
sub answer ($self) {
    my $socket = $self->connect;
    my $until  = time + $self->{timeout};
    my ($in, $out) = ('', '');
    while (1) {
        while (length $in >= 8) {
            my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $in;
            last if length $in < 8 + $length + $padding;
            my $data = substr $in, 8, $length;
            substr $in, 0, 8 + $length + $padding, '';
            $out .= $data if $type == STDOUT_DATA;
            return _response($out) if $type == END_REQUEST;
        }
        my $left = $until - time;
        die "timeout\n" if $left <= 0;
        IO::Select->new($socket)->can_read($left);
        sysread($socket, $in, 65536, length $in) or die "connection closed\n";
    }
}

sub _response ($text) {
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my @headers = map { /^([^:]+):\s*(.*)$/ ? ($1, $2) : () } split /\r\n/, $head;
    my $response = Ashlar::Response->new(headers => \@headers, body => $body // '');
    ($response->{status}) = (scalar($response->header('Status')) // '200') =~ /^(\d+)/;
    return $response;
}

sub _size ($n) { return $n < 128 ? chr $n : pack 'N', $n | 0x80000000 }

sub _record ($type, $data) {
    return pack('CCnnCx', 1, $type, 1, length $data, 0) . $data;
}

sub _stream ($type, $data) {
    return join '', map { _record($type, $_) } unpack('(a32768)*', $data), '';
}

1;
