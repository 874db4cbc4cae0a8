package Ashlar::Tls;

# TLS connections that trust one certificate.  What trusts it is made once for
# all of them: anew each time it takes longer than to connect, and with no
# certificate named it reads all that the system has, which is 60 ms of the CPU.

use v5.36;
use IO::Socket::SSL;

my %context;

# A connection as IO::Socket::SSL->new makes it, to loopback; undef, and $SSL_ERROR says why.
#
#   alpn   the protocols to offer
#   and what IO::Socket::SSL takes: PeerPort, Timeout, …
sub connect ($class, $ca, %arg) {    ## no critic (ProhibitBuiltinHomonyms)
    my $alpn = delete $arg{alpn};
    my $key  = join '-', $ca, (stat $ca)[1, 9], @{ $alpn // [] };
    my $context = $context{$key} //= IO::Socket::SSL::SSL_Context->new(
        SSL_ca_file => $ca, SSL_verify_mode => SSL_VERIFY_PEER, ($alpn ? (SSL_alpn_protocols => $alpn) : ()))
        // die "$ca: $SSL_ERROR\n";
    return IO::Socket::SSL->new(PeerHost => '127.0.0.1', SSL_reuse_ctx => $context, SSL_verifycn_scheme => 'none', SSL_hostname => 'localhost', %arg);
}

1;
