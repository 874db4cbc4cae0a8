package Ashlar::Totp;

# An authenticator app: RFC 6238 as a phone would have it.

use v5.36;
use Digest::SHA 'hmac_sha1';
use Exporter 'import';

our @EXPORT_OK = qw(totp base32);

# The code of a secret in base32, now or so many steps of 30 seconds from now.
#
# A test that asks for the code of 0 or 1 is safe: when a step ends before the
# server looks, they are those of -1 and 0, which it takes as well.
sub totp ($secret, $steps = 0) {
    my $mac  = hmac_sha1(pack('Q>', int(time / 30) + $steps), base32($secret));
    my $at   = ord(substr $mac, 19) & 15;
    my $code = (unpack('N', substr $mac, $at, 4) & 0x7fff_ffff) % 1_000_000;
    return sprintf '%06d', $code;
}

# The bytes of base32 text.
sub base32 ($text) {
    state %value = map { ('A' .. 'Z', 2 .. 7)[$_] => sprintf '%05b', $_ } 0 .. 31;
    my $bits = join '', map { $value{$_} // die "no base32: $text\n" } split //, $text;
    return pack 'B' . 8 * int(length($bits) / 8), $bits;
}

1;
