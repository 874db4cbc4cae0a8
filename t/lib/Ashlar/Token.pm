package Ashlar::Token;

# JSON Web Tokens, right ones and wrong ones.  Minted here and not by the
# program under test, so that what it accepts is judged by other code.

use v5.36;
use Ashlar::Cluster;
use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use Exporter 'import';
use File::Basename 'dirname';
use File::Path 'make_path';
use File::Temp ();
use MIME::Base64 qw(encode_base64url decode_base64url);

our @EXPORT_OK = qw(mint sign_key private_key parts);

my $json = Cpanel::JSON::XS->new->canonical->utf8;

# A signed token.
#
#   claims  the payload; a reference to a string is sent as it is
#   alg     HS256 (default), HS384, HS512, RS256, ES256 or none
#   key     the shared secret, or what sign_key made
#   header  further header members, such as kid; undef removes one
sub mint ($claims, %arg) {
    my $alg    = $arg{alg} // 'HS256';
    my %header = (alg => $alg, typ => 'JWT', %{ $arg{header} // {} });
    delete @header{ grep { !defined $header{$_} } keys %header };
    my $text = join '.', map { encode_base64url($_) } $json->encode(\%header),
        ref $claims eq 'SCALAR' ? $$claims : $json->encode($claims);
    return join '.', $text, encode_base64url(_sign($alg, $text, $arg{key}));
}

# Header and claims of a token, unverified.
sub parts ($token) {
    my ($header, $claims) = split /\./, $token;
    return map { $json->decode(decode_base64url($_)) } $header, $claims;
}

# The PEM text of a private key that this process has not had yet: 'RSA' or 'EC' (P-256).
#
# To make one for RSA takes 0.2 s of the CPU, so those are kept for the runs to come: a process's first, its second, …
sub private_key ($type) {
    state $n = 0;
    my $args = $type eq 'RSA' ? '-algorithm RSA -pkeyopt rsa_keygen_bits:2048' : '-algorithm EC -pkeyopt ec_paramgen_curve:P-256';
    my $file = $type eq 'RSA' ? "$Ashlar::Cluster::BUILD/keys/rsa-" . ++$n . '.pem' : '';
    return _slurp($file) if -e $file;
    my $pem = qx(openssl genpkey $args 2>/dev/null);
    die "openssl genpkey failed\n" if $?;
    if ($file) {
        make_path(dirname($file));
        _spurt("$file.$$", $pem);
        rename "$file.$$", $file or die "$file: $!\n";
    }
    return $pem;
}

# A new pair of keys: 'RSA' or 'EC' (P-256).  ->{pem} and ->{public} are PEM
# texts, ->{jwk} is the public half as RFC 7517 has it, with the given kid.
sub sign_key ($type, $kid) {
    my $dir = File::Temp->newdir;
    _spurt("$dir/key", private_key($type));
    system("openssl pkey -in $dir/key -pubout -out $dir/public") == 0 or die "openssl pkey failed\n";
    my $jwk = { kid => $kid, use => 'sig' };
    if ($type eq 'RSA') {
        my ($modulus) = qx(openssl rsa -in $dir/key -noout -modulus 2>&1) =~ /Modulus=(\w+)/ or die "no modulus\n";
        @$jwk{qw(kty alg n e)} = ('RSA', 'RS256', encode_base64url(pack 'H*', $modulus), 'AQAB');
    }
    else {
        # The last 64 bytes of an uncompressed P-256 key in DER are x and y.
        my $der = qx(openssl pkey -in $dir/key -pubout -outform DER);
        @$jwk{qw(kty alg crv x y)} = ('EC', 'ES256', 'P-256', map { encode_base64url($_) } unpack 'x27 a32 a32', $der);
    }
    return { type => $type, kid => $kid, jwk => $jwk, pem => _slurp("$dir/key"), public => _slurp("$dir/public") };
}

sub _sign ($alg, $text, $key) {
    return ''                        if $alg eq 'none';
    return hmac_sha256($text, $key)  if $alg eq 'HS256';
    return hmac_sha384($text, $key)  if $alg eq 'HS384';
    return hmac_sha512($text, $key)  if $alg eq 'HS512';
    my $dir = File::Temp->newdir;
    _spurt("$dir/key",  $key->{pem});
    _spurt("$dir/text", $text);
    my $signature = qx(openssl dgst -sha256 -sign $dir/key $dir/text);
    die "openssl dgst failed\n" if $?;
    return $key->{type} eq 'EC' ? _raw_ecdsa($signature) : $signature;
}

# RFC 7518 3.4: r and s side by side, 32 bytes each; OpenSSL gives them as DER.
sub _raw_ecdsa ($der) {
    my ($r, $s) = unpack 'x3 C/a x C/a', $der;
    return join '', map { substr "\0" x 32 . $_, -32 } $r, $s;
}

sub _slurp ($file) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

sub _spurt ($file, $text) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return;
}

1;
