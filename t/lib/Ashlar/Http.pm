package Ashlar::Http;

# HTTP/1.1 over TLS, or over plain TCP, as bare as a test needs it: it sends
# what it is told, retries nothing, and follows nothing.

use v5.36;
use Ashlar::Answers;
use Ashlar::Response;
use Ashlar::Tls;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use Time::HiRes 'time';

#   port      on 127.0.0.1
#   ca        the certificate to trust; without it the connection is plain
#   timeout   seconds for one answer
#   is_noted  whether its answers are compared with the reference
sub new ($class, %arg) {
    return bless { timeout => 20, %arg }, $class;
}

# Send a request and read the answer.  A failure to connect or a broken answer
# is a response too, with status 0 and the reason as its error.
#
#   headers  a list of name and value, repeated names allowed; sent as they are
#   body     bytes, or undef for a request without one
#   fresh    on a connection of its own
#   head     the answer's headers are all that is read, as of a stream that does not end; 'kept': the connection
#            stays open, until another request or disconnect
sub request ($self, $method, $target, %arg) {
    my @headers = @{ $arg{headers} // [] };
    my %has     = map { lc $headers[$_] => 1 } grep { $_ % 2 == 0 } 0 .. $#headers;
    unshift @headers, Host => "localhost:$self->{port}" if !$has{host};
    push @headers, 'Content-Length' => length $arg{body} if defined $arg{body} && !$has{'content-length'} && !$has{'transfer-encoding'};
    push @headers, Connection => 'close' if $arg{fresh} && !$has{connection};
    my $text = "$method $target HTTP/1.1\r\n";
    $text .= sprintf "%s: %s\r\n", splice @headers, 0, 2 while @headers;
    return $self->send_raw($text . "\r\n" . ($arg{body} // ''), method => $method, target => $target, fresh => $arg{fresh}, head => $arg{head});
}

# Send bytes and read one answer to them.
sub send_raw ($self, $bytes, %arg) {
    my $start = time;
    my $response = eval {
        local $SIG{PIPE} = 'IGNORE';
        my $socket = $self->_socket($arg{fresh});
        $self->{until} = $start + $self->{timeout};
        $self->_write($socket, $bytes);
        $self->_read($socket, $arg{method} // 'GET', $arg{head});
    };
    my $error = $@;
    delete $self->{socket} if !$response || $arg{fresh} || ($arg{head} && $arg{head} ne 'kept') || lc($response->header('Connection') // '') eq 'close';
    $response //= Ashlar::Response->new(status => 0, error => $error =~ s/ at \S+ line \d+.*//sr);
    $response->{seconds} = time - $start;
    $response->{request} = join ' ', grep { defined } @arg{qw(method target)};
    Ashlar::Answers::note($self->{ca} ? 'https' : 'http', $arg{method} // '', $arg{target} // '', $response) if $self->{is_noted};
    return $response;
}

sub disconnect ($self) {
    delete $self->{socket};
    return;
}

sub _socket ($self, $fresh) {
    if ($fresh) {
        delete $self->{socket};
    }
    elsif (my $socket = $self->{socket}) {
        # Something to read between two requests can only be the end.
        return $socket if !IO::Select->new($socket)->can_read(0) && !($self->{ca} && $socket->pending);
    }
    my @to = (PeerHost => '127.0.0.1', PeerPort => $self->{port}, Timeout => $self->{timeout});
    my $socket =
        $self->{ca}
        ? Ashlar::Tls->connect($self->{ca}, @to)
        : IO::Socket::INET->new(@to);
    die 'cannot connect: ', ($self->{ca} ? $SSL_ERROR : $@), "\n" if !$socket;
    $socket->blocking(0);
    return $self->{socket} = $socket;
}

# A server that refuses a large body answers and closes before it has read all
# of it, so a failing write is no failure yet.
sub _write ($self, $socket, $bytes) {
    my $done = 0;
    while ($done < length $bytes) {
        my $n = syswrite $socket, $bytes, 16384, $done;
        if (defined $n) {
            $done += $n;
            next;
        }
        last if !$!{EAGAIN} && !$!{EWOULDBLOCK} && !$!{EINTR};
        my ($can_read, $can_write) = IO::Select->select(IO::Select->new($socket), IO::Select->new($socket), undef, $self->{until} - time);
        die "timeout while sending\n" if !$can_read && !$can_write && time >= $self->{until};
        # What can be read may be TLS's own, a ticket, and the other side still takes more.
        last if @{ $can_read // [] } && !@{ $can_write // [] } && !IO::Select->new($socket)->can_write($self->{ca} ? 2 : 0);
    }
    return;
}

# One more piece into $self->{in}; false at the end of the stream.
sub _more ($self, $socket) {
    while (1) {
        my $n = sysread $socket, $self->{in}, 65536, length $self->{in};
        return $n if defined $n;
        die "connection broken: $!\n" if !$!{EAGAIN} && !$!{EWOULDBLOCK} && !$!{EINTR};
        my $left = $self->{until} - time;
        die "timeout\n" if $left <= 0;
        IO::Select->new($socket)->can_read($left);    # a signal may end it early
    }
}

sub _read ($self, $socket, $method, $head_only = 0) {
    $self->{in} = '';
    my ($status, @headers);
    do {
        until ($self->{in} =~ /\r\n\r\n/) {
            $self->_more($socket) or die $self->{in} eq '' ? "closed without an answer\n" : "closed within the headers\n";
        }
        my ($head, $rest) = split /\r\n\r\n/, $self->{in}, 2;
        $self->{in} = $rest;
        (my $line, @headers) = split /\r\n/, $head;
        ($status) = $line =~ m{^HTTP/1\.[01] (\d{3})} or die "not HTTP: $line\n";
    } while $status == 100;
    my $response = Ashlar::Response->new(status => $status, headers => [ map { /^([^:]+):\s*(.*?)\s*$/ ? ($1, $2) : die "bad header: $_\n" } @headers ]);

    my $length = $response->header('Content-Length');
    return $response if $head_only && !defined $length;
    if ($method eq 'HEAD' || $status == 204 || $status == 304) {
        $length = 0;
    }
    elsif (lc($response->header('Transfer-Encoding') // '') eq 'chunked') {
        $response->{body} = $self->_read_chunked($socket);
        return $response;
    }
    while (!defined $length || length $self->{in} < $length) {
        next if $self->_more($socket);
        die "closed within the body\n" if defined $length;
        last;
    }
    $response->{body} = defined $length ? substr $self->{in}, 0, $length, '' : $self->{in};
    $response->{rest} = $self->{in} if $self->{in} ne '' && defined $length;
    return $response;
}

sub _read_chunked ($self, $socket) {
    my $body = '';
    while (1) {
        until ($self->{in} =~ /\r\n/) { $self->_more($socket) or die "closed within a chunk\n" }
        $self->{in} =~ s/^([0-9a-fA-F]+)[^\r]*\r\n// or die "bad chunk\n";
        my $size = hex $1;
        until (length $self->{in} >= $size + 2) { $self->_more($socket) or die "closed within a chunk\n" }
        $body .= substr $self->{in}, 0, $size, '';
        substr $self->{in}, 0, 2, '';
        return $body if !$size;
    }
}

1;
