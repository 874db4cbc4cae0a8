package Ashlar::Ws;

# A WebSocket, frame by frame: what a test needs to send what no client would.
#
#     my $ws = Ashlar::Ws->open($t, '/api/v1/app/ws?token=...', Origin => '...');
#     is $ws->status, 101;
#     $ws->say({ type => 'subscribe', channel => 'user:ann' });
#     my $message = $ws->next;             decoded; { close => 4401, reason => '...' } at the end
#     my $error   = $ws->next('error');    the next one of this type

use v5.36;
use Ashlar::Answers;
use Ashlar::Response;
use Ashlar::Tls;
use Cpanel::JSON::XS ();
use IO::Socket::UNIX;
use Time::HiRes qw(time);

my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;

# on => a unix socket leads past nginx.
sub open ($class, $t, $path, %header) {    ## no critic (ProhibitBuiltinHomonyms)
    my $on   = delete $header{on};
    my $self = bless { in => '', socket => undef }, $class;
    $self->{socket} = $on
        ? IO::Socket::UNIX->new($on)
        : Ashlar::Tls->connect("$t->{dir}/cert.pem", PeerPort => $t->{https_port}, alpn => ['http/1.1']);
    $self->{socket} // die "no connection: $!\n";
    my %all = (
        Host                    => "localhost:$t->{https_port}",
        Connection              => 'Upgrade',
        Upgrade                 => 'websocket',
        'Sec-WebSocket-Version' => 13,
        'Sec-WebSocket-Key'     => 'dGhlIHNhbXBsZSBub25jZQ==',
        %header,
    );
    my $head = "GET $path HTTP/1.1\r\n" . join('', map { "$_: $all{$_}\r\n" } grep { defined $all{$_} } sort keys %all) . "\r\n";
    $self->_write($head);
    $self->_read(10) // die "no answer to the handshake\n" until $self->{in} =~ /\r\n\r\n/;
    ($self->{head}, $self->{in}) = split /\r\n\r\n/, $self->{in}, 2;
    if ($self->status != 101 && ($self->header('Content-Length') // 0) > 0) {
        $self->_read(10) // last while length $self->{in} < $self->header('Content-Length');
        $self->{body} = $self->{in};
    }
    my (undef, @lines) = split /\r\n/, $self->{head};
    my $answer = Ashlar::Response->new(status => $self->status, headers => [ map { /^([^:]+): *(.*)/ } @lines ], body => $self->{body} // '');
    Ashlar::Answers::note($on ? 'realtime' : 'https', 'GET', $path, $answer) if $t->{is_noted};
    return $self;
}

sub status ($self) { return $self->{head} =~ m{^HTTP/1\.1 (\d+)} ? $1 : 0 }
sub body ($self) { return $self->{body} // '' }
sub json ($self) { return eval { $json->decode($self->body) } // {} }

sub header ($self, $name) {
    return $self->{head} =~ /^\Q$name\E: *(.*?)\r?$/mi ? $1 : undef;
}

sub _write ($self, $bytes) {
    local $SIG{PIPE} = 'IGNORE';
    my $at = 0;
    while ($at < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
        return if !$n;
        $at += $n;
    }
    return 1;
}

# More bytes within so many seconds: how many; undef: none came, or the end.
sub _read ($self, $seconds) {
    my $until = time + $seconds;
    while (1) {
        my $pending = $self->{socket}->can('pending') ? $self->{socket}->pending : 0;
        my $left = $until - time;
        return if $left <= 0;
        if (!$pending) {
            my $ready = '';
            vec($ready, fileno $self->{socket}, 1) = 1;
            next if !select $ready, undef, undef, $left;
        }
        my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
        next if !defined $n && $!{EAGAIN};
        if (!$n) { $self->{is_over} = 1; return }
        return $n;
    }
    return;
}

# One frame, masked as a client's has to be.
sub frame ($self, $opcode, $payload, %arg) {
    my $n    = length $payload;
    my $head = pack 'C', ($arg{more} ? 0 : 0x80) | $opcode;
    $head .= $n < 126 ? pack('C', 0x80 | $n) : $n < 65536 ? pack('Cn', 0xfe, $n) : pack('CQ>', 0xff, $n);
    my $mask = "\x01\x02\x03\x04";
    return $self->_write($head . $mask . ($payload ^. substr $mask x (int($n / 4) + 1), 0, $n));
}

sub text ($self, $text) { return $self->frame(1, $text) }
sub say ($self, $message) { return $self->frame(1, $json->encode($message)) }    ## no critic (ProhibitBuiltinHomonyms)

# The next frame: [opcode, payload]; undef: none within so many seconds.
sub _frame ($self, $seconds) {
    my $until = time + $seconds;
    while (1) {
        if (length $self->{in} >= 2) {
            my ($first, $second) = unpack 'CC', $self->{in};
            my ($n, $head) = ($second & 0x7f, 2);
            ($n, $head) = (unpack('x2n', $self->{in} . "\0\0"), 4)       if $n == 126;
            ($n, $head) = (unpack('x2Q>', $self->{in} . "\0" x 8), 10) if $n == 127;
            if (length $self->{in} >= $head + $n) {
                my $payload = substr $self->{in}, $head, $n;
                substr $self->{in}, 0, $head + $n, '';
                return [ $first & 0x0f, $payload ];
            }
        }
        return if $self->{is_over} || time > $until;
        $self->_read($until - time) // return;
    }
    return;
}

# The next message; pings are answered, unless the test is to be silent.
sub next ($self, $type = undef, $seconds = 15) {    ## no critic (ProhibitBuiltinHomonyms)
    my $until = time + $seconds;
    while (time < $until) {
        my $f = $self->_frame($until - time);
        return $self->{is_over} ? { close => 1006 } : undef if !$f;
        my ($opcode, $payload) = @$f;
        if ($opcode == 9) {
            $self->{pings}++;
            $self->frame(10, $payload) if !$self->{is_silent};
        }
        elsif ($opcode == 8) {
            my ($code, $reason) = unpack 'na*', $payload;
            $self->frame(8, $payload);
            return { close => $code // 1005, reason => $reason };
        }
        elsif ($opcode == 1) {
            my $message = $json->decode($payload);
            return $message if !defined $type || $message->{type} eq $type;
        }
    }
    return;
}

# Everything until nothing comes for so long.
sub rest ($self, $seconds = 0.3) {
    my @all;
    while (my $m = $self->next(undef, $seconds)) {
        push @all, $m;
        last if $m->{close};
    }
    return @all;
}

# How the connection ends: its code.
sub end ($self, $seconds = 15) {
    my $until = time + $seconds;
    while (time < $until) {
        my $m = $self->next(undef, $until - time) // last;
        return $m->{close} if $m->{close};
    }
    return;
}

sub close ($self) {    ## no critic (ProhibitBuiltinHomonyms)
    $self->frame(8, pack 'n', 1000);
    close $self->{socket};
    return;
}

1;
