package Ashlar::Authenticator;

# A browser with an authenticator in it, for tests of passkeys: it makes
# credentials and uses them, and does wrong what it is told to do wrong.

use v5.36;
use Ashlar::Token 'private_key';
use Cpanel::JSON::XS ();
use Digest::SHA 'sha256';
use File::Temp   ();
use MIME::Base64 qw(encode_base64url decode_base64url);

my $json = Cpanel::JSON::XS->new->canonical->utf8;

use constant { UP => 0x01, UV => 0x04, BE => 0x08, BS => 0x10, AT => 0x40 };

#   origin  of the page
#   alg     -7 (ES256, the default) or -257 (RS256)
#   id_bytes, transports
#           what is to be seen of it in a list: 32 bytes and internal, hybrid unless given
sub new ($class, %arg) {
    state $n = 0;
    my $self = bless { alg => -7, %arg, dir => File::Temp->newdir('/tmp/ashlar-passkey-XXXXXX') }, $class;
    open my $key, '>', "$self->{dir}/key" or die "$self->{dir}/key: $!\n";
    print {$key} private_key($self->{alg} == -7 ? 'EC' : 'RSA');
    close $key or die "$self->{dir}/key: $!\n";
    $self->{id}      = substr sha256(join ' ', $$, ++$n, rand) . sha256(rand), 0, $self->{id_bytes} // 32;
    $self->{counter} = 0;
    return $self;
}

sub id ($self) { return encode_base64url($self->{id}) }

# What navigator.credentials.create(options) resolves to, as toJSON() writes it.  The pairs are
#   origin, type, challenge, cross_origin   other client data
#   rp_id, flags, counter, credential_id    other authenticator data; flags are flipped
#   key, format, attestation                another COSE key, format or whole object
#   raw_id                                  another id beside it
sub create ($self, $options, %wrong) {
    $self->{rp_id}    = $options->{rp}{id};
    $self->{handle} //= $options->{user}{id};
    my $id     = $wrong{credential_id} // $self->{id};
    my $data   = $self->_auth_data(UP | UV | AT, %wrong) . ("\0" x 16) . pack('n', length $id) . $id . ($wrong{key} // $self->cose);
    my $object = "\xa3" . _text('fmt') . _text($wrong{format} // 'none') . _text('attStmt') . "\xa0" . _text('authData') . _bytes($data);
    return {
        id                     => encode_base64url($wrong{raw_id} // $id),
        rawId                  => encode_base64url($wrong{raw_id} // $id),
        type                   => 'public-key',
        clientExtensionResults => {},
        response               => {
            clientDataJSON    => encode_base64url($self->_client_data('webauthn.create', $options, %wrong)),
            attestationObject => encode_base64url($wrong{attestation} // $object),
            transports        => $self->{transports} // [ 'internal', 'hybrid' ],
        },
    };
}

# What navigator.credentials.get(options) resolves to; %wrong as above, and
#   signature    a function that changes it
#   user_handle  another one; undef: none
sub get ($self, $options, %wrong) {
    my $data   = $self->_auth_data(UP | UV, %wrong);
    my $client = $self->_client_data('webauthn.get', $options, %wrong);
    my $signed = $self->_sign($data . sha256($client));
    return {
        id                     => encode_base64url($wrong{raw_id} // $self->{id}),
        rawId                  => encode_base64url($wrong{raw_id} // $self->{id}),
        type                   => 'public-key',
        clientExtensionResults => {},
        response               => {
            clientDataJSON    => encode_base64url($client),
            authenticatorData => encode_base64url($data),
            signature         => encode_base64url($wrong{signature} ? $wrong{signature}->($signed) : $signed),
            userHandle        => exists $wrong{user_handle} ? $wrong{user_handle} : $self->{handle},
        },
    };
}

# The public key as COSE has it.
sub cose ($self) {
    if ($self->{alg} == -7) {
        my $der   = qx(openssl pkey -in $self->{dir}/key -pubout -outform DER);
        my $point = substr $der, -64;
        return "\xa5\x01\x02\x03\x26\x20\x01\x21" . _bytes(substr $point, 0, 32) . "\x22" . _bytes(substr $point, 32);
    }
    my ($modulus) = qx(openssl rsa -in $self->{dir}/key -noout -modulus 2>&1) =~ /Modulus=(\w+)/;
    return "\xa4\x01\x03\x03\x39\x01\x00\x20" . _bytes(pack 'H*', $modulus) . "\x21" . _bytes("\1\0\1");
}

sub _client_data ($self, $type, $options, %wrong) {
    return $json->encode({
        type        => $wrong{type}         // $type,
        challenge   => $wrong{challenge}    // $options->{challenge},
        origin      => $wrong{origin}       // $self->{origin},
        crossOrigin => $wrong{cross_origin} // Cpanel::JSON::XS::false(),
    });
}

sub _auth_data ($self, $flags, %wrong) {
    my $counter = exists $wrong{counter} ? $wrong{counter} : $self->{counter};
    return sha256($wrong{rp_id} // $self->{rp_id}) . pack('CN', $flags ^ ($wrong{flags} // 0), $counter);
}

sub _sign ($self, $text) {
    open my $out, '>:raw', "$self->{dir}/text" or die "$self->{dir}/text: $!\n";
    print $out $text;
    close $out or die "$self->{dir}/text: $!\n";
    my $signature = qx(openssl dgst -sha256 -sign $self->{dir}/key $self->{dir}/text);
    die "openssl dgst failed\n" if $?;
    return $signature;
}

sub _head ($major, $n) {
    return $n < 24 ? pack('C', $major << 5 | $n) : $n < 256 ? pack('CC', $major << 5 | 24, $n) : pack('Cn', $major << 5 | 25, $n);
}
sub _bytes ($bytes) { return _head(2, length $bytes) . $bytes }
sub _text  ($text)  { return _head(3, length $text) . $text }

1;
