package Ashlar::Hooks;

# Everybody who sends webhooks: Stripe, Clerk, Supabase, Apple and Google, with
# secrets, certificates and keys of their own, and what an api needs to know to
# believe them.
#
#     my $hooks = Ashlar::Hooks->new;
#     my $t     = Api->start($hooks->settings);
#     $hooks->stripe($t, { id => 'evt_1', type => 'invoice.paid', … });
#
# Each sender takes an api, the event, and what is to be wrong with it; see there.

use v5.36;
use Ashlar::Issuer;
use Ashlar::Token qw(mint sign_key);
use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::HiRes qw(sleep);

my $json = Cpanel::JSON::XS->new->canonical->utf8;

our $BASE = '/api/v1/public/webhooks';

sub new ($class) {
    my $dir  = File::Temp->newdir('/tmp/ashlar-hooks-XXXXXX');
    my $self = bless {
        dir      => $dir,
        stripe   => 'whsec_stripe0123456789',
        clerk    => 'whsec_' . encode_base64('the secret of Clerk\'s webhooks', ''),
        supabase => 'the secret of Supabase\'s webhooks',
        google   => sign_key('RSA', 'google-1'),
        audience => 'https://api.example.com/api/v1/public/webhooks/google',
        email    => 'pubsub@example.iam.gserviceaccount.com',
        account  => sign_key('RSA', 'play-1'),
        bundle   => 'com.example.app',
    }, $class;
    chmod 0755, "$dir";
    $self->{apple}  = $self->chain;
    $self->{issuer} = Ashlar::Issuer->start($self->{google});
    _write("$dir/play.json", $json->encode({
        type => 'service_account', client_email => 'play@example.iam.gserviceaccount.com', private_key_id => 'play-1',
        private_key => $self->{account}{pem}, token_uri => 'https://oauth2.googleapis.com/token',
    }));
    return $self;
}

# The settings by which an api believes them.
sub settings ($self) {
    return (
        ENVIRONMENT             => 'development',             # key sets by plain http
        STRIPE_WEBHOOK_SECRET   => "whsec_an_older_one,$self->{stripe}",
        CLERK_ISSUER            => 'https://clerk.example.com', CLERK_JWKS_URL => $self->{issuer}->url,
        CLERK_WEBHOOK_SECRET    => $self->{clerk},
        SUPABASE_ISSUER         => 'https://supabase.example.com/auth/v1', SUPABASE_JWKS_URL => $self->{issuer}->url,
        SUPABASE_WEBHOOK_SECRET => $self->{supabase} =~ tr/ /_/r,
        APPLE_ROOT_CA           => $self->{apple}{root},
        APPLE_BUNDLE_IDS        => "com.example.other,$self->{bundle}",
        GOOGLE_JWKS_URL         => $self->{issuer}->url,
        GOOGLE_PUBSUB_AUDIENCE  => $self->{audience},
        GOOGLE_PUBSUB_EMAIL     => $self->{email},
        GOOGLE_PLAY_PACKAGES    => $self->{bundle},
        GOOGLE_PLAY_KEY_FILE    => "$self->{dir}/play.json",
    );
}

# Nothing of these may be in a log.
sub secrets ($self) { return ($self->{stripe}, $self->{clerk}, $self->{supabase} =~ tr/ /_/r, substr($self->{account}{pem}, 100, 60)) }

# ------------------------------------------------------------------ the senders

# What they have in common: raw => other bytes than what was signed; type, headers, path.
sub _send ($self, $t, $provider, $body, $headers, $arg) {
    return $t->request(
        POST => $arg->{path} // "$BASE/$provider",
        raw => $arg->{raw} // $body, type => exists $arg->{type} ? $arg->{type} : 'application/json',
        headers => { %$headers, %{ $arg->{headers} // {} } }, $arg->{fresh} ? (fresh => 1) : (),
    );
}

sub _body ($event) { return ref $event ? $json->encode($event) : $event }

# secret, at (the time that is signed), header (the whole of it; undef: none)
sub stripe ($self, $t, $event, %arg) {
    my $body = _body($event);
    my $at   = $arg{at} // time;
    my $v1   = hmac_sha256_hex("$at.$body", $arg{secret} // $self->{stripe});
    return $self->_send($t, 'stripe', $body, { 'Stripe-Signature' => exists $arg{header} ? $arg{header} : "t=$at,v1=$v1" }, \%arg);
}

# id, secret, at, prefix (svix or webhook), signature (undef: none)
sub clerk ($self, $t, $event, %arg) {
    my $body   = _body($event);
    my $at     = $arg{at} // time;
    my $id     = $arg{id} // 'msg_' . ++$self->{messages};
    my $prefix = $arg{prefix} // 'svix';
    my $key    = decode_base64(substr $arg{secret} // $self->{clerk}, 6);
    my $v1     = 'v1,' . encode_base64(hmac_sha256("$id.$at.$body", $key), '');
    return $self->_send($t, 'clerk', $body,
        { "$prefix-id" => $id, "$prefix-timestamp" => $at, "$prefix-signature" => exists $arg{signature} ? $arg{signature} : $v1 }, \%arg);
}

# secret (undef: no Authorization), authorization (the whole of it)
sub supabase ($self, $t, $event, %arg) {
    my $secret = exists $arg{secret} ? $arg{secret} : $self->{supabase} =~ tr/ /_/r;
    return $self->_send($t, 'supabase', _body($event), { Authorization => $arg{authorization} // (defined $secret ? "Bearer $secret" : undef) }, \%arg);
}

# An App Store notification: the event with transaction and renewal as plain
# hashes.  raw (a function that changes its JSON text before it is signed), chain, key, alg, x5c; inner (another chain for what is inside); payload (the whole body)
sub apple ($self, $t, $event, %arg) {
    my %all  = (notificationUUID => 'uuid-' . ++$self->{messages}, version => '2.0', signedDate => int(time * 1000), %$event);
    my %data = (appAppleId => 1234, bundleId => $self->{bundle}, environment => 'Production', %{ delete $all{data} // {} });
    for (qw(Transaction Renewal)) {
        my $inner = delete $data{ lc $_ } or next;
        $data{"signed${_}Info"} = $self->apple_sign({ signedDate => $all{signedDate}, %$inner }, %arg, chain => $arg{inner} // $arg{chain});
    }
    my $body = exists $arg{payload} ? $arg{payload} : { signedPayload => $self->apple_sign({ %all, data => \%data }, %arg) };
    return $self->_send($t, 'apple', _body($body), {}, \%arg);
}

sub apple_sign ($self, $payload, %arg) {
    my $chain = $arg{chain} // $self->{apple};
    my $text  = $json->encode($payload);
    $text     = $arg{text}->($text) if $arg{text};
    my $jws   = mint(\$text, alg => $arg{alg} // 'ES256', key => $arg{key} // $chain->{key},
        header => { typ => undef, x5c => $arg{x5c} // $chain->{x5c} });
    return $arg{tamper} ? $arg{tamper}->($jws) : $jws;
}

# A Play notification in a push.  token (the whole of it; undef: none), key, claim, message, data (the whole of it)
sub google ($self, $t, $event, %arg) {
    my $now   = int time;
    my %claim = (
        iss => 'https://accounts.google.com', aud => $self->{audience}, azp => '113774264463038321964', sub => '113774264463038321964',
        email => $self->{email}, email_verified => Cpanel::JSON::XS::true(), iat => $now, exp => $now + 3600, %{ $arg{claim} // {} },
    );
    delete @claim{ grep { !defined $claim{$_} } keys %claim };
    my $token   = exists $arg{token} ? $arg{token} : mint(\%claim, alg => 'RS256', key => $arg{key} // $self->{google}, header => { kid => 'google-1' });
    my %message = (
        data => $arg{data} // encode_base64($json->encode({ version => '1.0', packageName => $self->{bundle}, eventTimeMillis => $now . '000', %$event }), ''),
        messageId => '2070443601311540' . ++$self->{messages}, publishTime => '2026-01-31T12:00:00Z', %{ $arg{message} // {} },
    );
    delete @message{ grep { !defined $message{$_} } keys %message };
    return $self->_send($t, 'google', $json->encode({ message => \%message, subscription => 'projects/example/subscriptions/play' }),
        { Authorization => defined $token ? "Bearer $token" : undef }, \%arg);
}

# Google's keys are fetched by the slow pool; until then its pushes are told to come again.
sub ready ($self, $t) {
    my $until = time + 20;
    while (time < $until) {
        return 1 if $self->google($t, {}, claim => { email => 'nobody@example.com' })->status == 401;
        sleep 0.05;
    }
    return 0;
}

# ------------------------------------------------------------------ Apple's certificates

# A chain of root, intermediate and leaf: {root} is the root's file, {x5c} and
# {key} are for apple_sign.
#
#   leaf_oid, intermediate_oid   false: that certificate is not marked
#   leaf_until, intermediate_ca  when the leaf ends (20210101…); false: the intermediate may not sign
#   leaf_curve                   of its key
#   of                           a chain whose root signs this one
sub chain ($self, %arg) {
    my $dir = "$self->{dir}/" . ++$self->{chains};
    mkdir $dir or die "$dir: $!\n";
    _write("$dir/index", '');
    _write("$dir/config", <<~"END");
        [ca]
        default_ca = x
        [x]
        database = $dir/index
        new_certs_dir = $dir
        default_md = sha256
        policy = any
        rand_serial = yes
        unique_subject = no
        [any]
        commonName = supplied
        [req]
        distinguished_name = dn
        [dn]
        [root]
        basicConstraints = critical,CA:true
        keyUsage = critical,keyCertSign,cRLSign
        subjectKeyIdentifier = hash
        [intermediate]
        basicConstraints = critical,CA:@{[ $arg{intermediate_ca} // 1 ? 'true' : 'false' ]}
        keyUsage = critical,keyCertSign,cRLSign
        @{[ $arg{intermediate_oid} // 1 ? '1.2.840.113635.100.6.2.1 = ASN1:NULL' : '' ]}
        [leaf]
        basicConstraints = critical,CA:false
        keyUsage = critical,digitalSignature
        @{[ $arg{leaf_oid} // 1 ? '1.2.840.113635.100.6.11.1 = ASN1:NULL' : '' ]}
        END
    my $root = $arg{of} ? $arg{of}{dir} : $dir;
    for (
        $arg{of} ? () : [ root => 'P-384', $dir, '20400101000000Z' ],
        [ intermediate => 'P-384', $root, '20360101000000Z' ],
        [ leaf => $arg{leaf_curve} // 'P-256', $dir, $arg{leaf_until} // '20350101000000Z' ],
    ) {
        my ($name, $curve, $ca, $until) = @$_;
        my $by = $name eq 'leaf' ? 'intermediate' : 'root';
        _run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out $dir/$name.key");
        _run("openssl req -new -config $dir/config -key $dir/$name.key -subj '/CN=A test $name' -out $dir/$name.csr");
        my $signer = $name eq 'root' ? "-selfsign -keyfile $dir/root.key" : "-cert $ca/$by.pem -keyfile $ca/$by.key";
        _run("openssl ca -batch -notext -config $dir/config $signer -in $dir/$name.csr -out $dir/$name.pem -extensions $name -startdate 20200101000000Z -enddate $until");
    }
    my @x5c = map { my $pem = _read($_); $pem =~ s/-----[^-]+-----|\s//gr } "$dir/leaf.pem", "$dir/intermediate.pem", "$root/root.pem";
    return { dir => $dir, root => "$root/root.pem", x5c => \@x5c, key => { type => 'EC', pem => _read("$dir/leaf.key") } };
}

sub _run ($command) {
    my $out = qx($command 2>&1);
    return $? == 0 ? 1 : die "$command:\n$out\n";
}

sub _read ($file) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

sub _write ($file, $text) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return;
}

1;
