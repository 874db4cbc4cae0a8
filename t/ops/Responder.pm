package Responder;

# A FastCGI application for the tests of nginx alone: it answers with what it
# was sent, and misbehaves on demand.  A child per connection, kept or not.
#
#	my $r = Responder->start($socket);	# stops when $r goes out of scope
#
# The answer is JSON: {"params":{...},"body_bytes":N,"pid":N,"requests":N}, where
# requests counts those on this connection.  What the query string may ask for:
#	pad=N		N more bytes of answer		sleep=N	answer N seconds late
#	status=N	that status			die=1	close without an answer
#	big_header=N	a response header of N bytes

use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOMAXCONN);

use constant { FCGI_BEGIN => 1, FCGI_END => 3, FCGI_PARAMS => 4, FCGI_STDIN => 5, FCGI_STDOUT => 6 };

sub start {
    my ($class, $path) = @_;
    my $listen = IO::Socket::UNIX->new(Local => $path, Listen => SOMAXCONN) or die "$path: $!";
    chmod 0777, $path;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        local $SIG{CHLD} = 'IGNORE';
        while (my $peer = $listen->accept) {
            next if fork;
            eval { _serve($peer) };
            POSIX::_exit(0);
        }
        POSIX::_exit(0);
    }
    setpgrp $pid, $pid;    # here too: stop() may come before the child has run
    return bless { pid => $pid, path => $path }, $class;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    local $?;
    kill 'KILL', -$pid;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    unlink $self->{path};
    return;
}

sub DESTROY { my ($self) = @_; $self->stop; return }

sub _serve {
    my ($peer) = @_;
    my ($params, $body, $keep, $requests) = ('', '', 0, 0);
    while (defined(my $head = _read($peer, 8))) {
        my (undef, $type, $id, $len, $pad) = unpack 'CCnnC', $head;
        my $data = _read($peer, $len);
        _read($peer, $pad);
        if ($type == FCGI_BEGIN) {
            ($params, $body, $keep) = ('', '', (unpack 'nC', $data)[1] & 1);
        } elsif ($type == FCGI_PARAMS) {
            $params .= $data;
        } elsif ($type == FCGI_STDIN) {
            $body .= $data;
            next if $len;
            _answer($peer, $id, _params($params), length $body, ++$requests) or return;
            return if !$keep;
        }
    }
    return;
}

sub _answer {
    my ($peer, $id, $params, $body_bytes, $requests) = @_;
    my (undef, $query) = split /[?]/, $params->{REQUEST_URI}, 2;
    my %ask = ($query // '') =~ /(\w+)=(\w+)/g;
    return 0 if $ask{die};
    sleep $ask{sleep} if $ask{sleep};
    my %answer = (params => $params, body_bytes => $body_bytes, pid => $$, requests => $requests);
    $answer{pad} = 'x' x $ask{pad} if $ask{pad};
    my $json = JSON::PP->new->canonical->encode(\%answer);
    my $out  = 'Status: ' . ($ask{status} // 200) . "\r\nContent-Type: application/json\r\nX-Request-ID: from-api\r\n"
        . ($ask{big_header} ? 'X-Big: ' . 'x' x $ask{big_header} . "\r\n" : '')
        . 'Content-Length: ' . length($json) . "\r\n\r\n$json";
    for (my $at = 0; $at < length $out; $at += 8000) {
        my $part = substr $out, $at, 8000;
        print {$peer} pack('CCnnCC', 1, FCGI_STDOUT, $id, length $part, 0, 0), $part;
    }
    print {$peer} pack('CCnnCC', 1, FCGI_STDOUT, $id, 0, 0, 0), pack('CCnnCCNC4', 1, FCGI_END, $id, 8, 0, 0, 0, 0, 0, 0, 0);
    $peer->flush;
    return 1;
}

sub _params {
    my ($data) = @_;
    my (%params, @len);
    while (length $data) {
        for (0, 1) {
            my $n = unpack 'C', $data;
            $n = unpack('N', $data) & 0x7fffffff if $n & 0x80;
            $data = substr $data, $n > 127 ? 4 : 1;
            $len[$_] = $n;
        }
        my ($name, $value) = unpack "a$len[0] a$len[1]", $data;
        $data = substr $data, $len[0] + $len[1];
        $params{$name} = $value;
    }
    return \%params;
}

sub _read {
    my ($peer, $len) = @_;
    my $data = '';
    while (length $data < $len) {
        read($peer, $data, $len - length $data, length $data) or return;
    }
    return $data;
}

1;
