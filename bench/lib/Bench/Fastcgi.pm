# A FastCGI client, enough of one to ask a pool a question without a web server.
package Bench::Fastcgi;

use v5.36;
use Exporter 'import';
use IO::Socket::UNIX;

our @EXPORT_OK = qw(ask);

sub record ($type, $content) {
    return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content;
}

# Ask for a path and return what comes back, headers and all; nothing when
# nobody listens.  params are the FastCGI environment.
sub ask ($path, %params) {
    my $socket = IO::Socket::UNIX->new(Peer => $path) or return;
    my $env = '';
    for my $name (sort keys %params) {
        my $value = $params{$name};
        my $length = length $value < 128 ? pack('C', length $value) : pack('N', length($value) | 1 << 31);
        $env .= pack('C', length $name) . $length . $name . $value;
    }
    # BEGIN_REQUEST (responder, do not keep the connection), PARAMS, STDIN
    print {$socket} record(1, pack('nCx5', 1, 0)), record(4, $env), record(4, ''), record(5, '');
    $socket->flush;
    my ($all, $out) = ('', '');
    while (read $socket, my $part, 65536) { $all .= $part }
    while (length $all >= 8) {
        my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $all;
        $out .= substr $all, 8, $length if $type == 6;
        substr $all, 0, 8 + $length + $padding, '';
    }
    return $out;
}

1;
