# Passkeys: what is refused of browsers and authenticators, and what is not.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Authenticator;
use MIME::Base64 qw(encode_base64url decode_base64url);
use constant { UP => 0x01, UV => 0x04, BE => 0x08, BS => 0x10, AT => 0x40 };

my $page  = 'https://app.example.com';
my $t     = Api->start(CORS_ORIGINS => 'https://elsewhere.example.net');
my $db    = $t->db;
my $base  = '/api/v1/auth/passkeys';
my $key   = $t->key(type => 'public', origins => [ $page, 'https://login.example.com' ]);
my $ann   = $t->user('ann')->with(key => $key, origin => $page);
my $guest = $t->client(key => $key, origin => $page);

# A new browser on the page, and a passkey of the user's in it.
sub authenticator (%arg) { return Ashlar::Authenticator->new(origin => $page, %arg) }

sub register ($user, $device, %arg) {
    my $options = $user->post("$base/registration/options")->json;
    my %more    = %{ delete $arg{body} // {} };
    return $user->post("$base/registration", { credential => $device->create($options, %arg), %more });
}

sub sign_in ($who, $device, %wrong) {
    my $options = $who->post("$base/authentication/options", delete $wrong{options} // {})->json;
    return $who->post("$base/authentication", { credential => $device->get($options, %wrong) });
}

# The last row of the audit log.
sub audited () {
    return $db->selectrow_hashref('SELECT action, actor_id, actor_type, resource_id, details FROM audit_events ORDER BY created_at DESC, seq DESC LIMIT 1');
}

# ------------------------------------------------------------------ options

subtest 'the options of a registration' => sub {
    my $res = $ann->post("$base/registration/options");
    status_is $res, 200;
    json_is $res, '', {
        rp                 => { id => 'app.example.com', name => 'Default' },
        user               => { id => qr/^[\w-]{22}$/, name => 'ann@example.com', displayName => 'ann@example.com' },
        challenge          => qr/^[\w-]{43}$/,
        pubKeyCredParams   => [ { type => 'public-key', alg => -7 }, { type => 'public-key', alg => -257 } ],
        timeout            => 300000,
        excludeCredentials => [],
        authenticatorSelection => { residentKey => 'required', requireResidentKey => true, userVerification => 'required' },
        attestation        => 'none',
    };
    is unpack('H*', decode_base64url($res->json('/user/id'))), $ann->uuid =~ tr/-//dr, 'the handle is the id, which tells nothing';
    isnt $ann->post("$base/registration/options")->json('/challenge'), $res->json('/challenge'), 'each challenge is another';
};

subtest 'to add one takes a recent sign-in' => sub {
    my $challenges = sub { return scalar $db->selectrow_array('SELECT count(*) FROM webauthn_challenges') };
    my $before     = $challenges->();
    my $late       = sub ($age) { return $ann->with(token => $t->token($ann, auth_time => time - $age)) };
    error_is $late->(961)->post("$base/registration/options"), 403, 'RECENT_SIGN_IN_REQUIRED', max_age => 900;
    is $challenges->(), $before, '  and there is no challenge';
    status_is $late->(961)->get($base), 200, 'to look at them does not';
    status_is $late->(840)->post("$base/registration/options"), 200, 'this one is recent';

    my $device  = authenticator();
    my $options = $ann->post("$base/registration/options")->json;
    my $added   = $late->(961)->post("$base/registration", { credential => $device->create($options) });
    status_is $added, 201, 'what was begun in time is finished';
    status_is $ann->delete("$base/" . $added->json('/id')), 200;
};

subtest 'a challenge is never given twice, whatever the Idempotency-Key' => sub {
    for ([ $ann, 'registration' ], [ $guest, 'authentication' ]) {
        my ($who, $what) = @$_;
        my ($one, $two) = map { $who->post("$base/$what/options", {}, headers => { 'Idempotency-Key' => "again-$what" }) } 1, 2;
        status_is $two, 200;
        isnt $two->json('/challenge'), $one->json('/challenge'), $what;
    }
};

subtest 'the options of a sign-in' => sub {
    my $res = $guest->post("$base/authentication/options", {});
    status_is $res, 200;
    json_is $res, '', {
        challenge        => qr/^[\w-]{43}$/,
        timeout          => 300000,
        rpId             => 'app.example.com',
        allowCredentials => [],
        userVerification => 'required',
    };
};

subtest 'the domain is that of the page, unless the tenant or the operator says another' => sub {
    my $rp_id = sub ($who) { return $who->post("$base/authentication/options", {})->json('/rpId') };
    is $rp_id->($guest->with(origin => 'https://login.example.com')), 'login.example.com', 'of the page';
    is $rp_id->($t->client), 'localhost', 'without a key and a page, our own';
    is $rp_id->($t->client(origin => 'https://elsewhere.example.net')), 'elsewhere.example.net', 'without a key, of a page that CORS_ORIGINS names';
    error_is $t->client(origin => $page)->post("$base/authentication/options", {}), 403, 'ORIGIN_NOT_ALLOWED', name => '  but of no other';
    is $rp_id->($t->client(key => $t->key)), 'app.example.com', 'with a secret key, of the first page that a public key of the tenant names';
    error_is $t->client(key => $t->key, origin => 'https://evil.example')->post("$base/authentication/options", {}), 403, 'ORIGIN_NOT_ALLOWED', name => '  and no other page';
    is $rp_id->($t->client(key => $t->key(tenant => 'bare'))), 'localhost', '  or ours';

    $db->do(q{UPDATE tenant_settings SET webauthn_rp_id = 'example.com' WHERE tenant_id = ?}, undef, $ann->tenant_id);
    is $rp_id->($guest), 'example.com', 'the tenant\'s';
    is $ann->post("$base/registration/options")->json('/rp/id'), 'example.com', '  for registrations too';
    error_is $t->client(origin => 'https://elsewhere.example.net')->post("$base/authentication/options", {}), 403, 'ORIGIN_NOT_ALLOWED',
        message => qr/example\.com/, name => '  which a page of another domain cannot use';
    $db->do('UPDATE tenant_settings SET webauthn_rp_id = NULL WHERE tenant_id = ?', undef, $ann->tenant_id);

    my $operated = Api->start(WEBAUTHN_RP_ID => 'example.com', slow => 0);
    my $k        = $operated->key(type => 'public', origins => [ $page, 'https://example.org' ]);
    is $rp_id->($operated->client(key => $k, origin => $page)), 'example.com', 'the operator\'s, where it is the page\'s';
    is $rp_id->($operated->client(key => $k, origin => 'https://example.org')), 'example.org', '  and only there';
};

# ------------------------------------------------------------------ registration

subtest 'what is wrong with a registration is told, and nothing kept' => sub {
    my $refused = sub ($name, $message, %wrong) {
        error_is register($ann, authenticator(), %wrong), 422, 'VALIDATION_ERROR', field => 'credential', message => $message, name => $name;
    };
    my $device = authenticator();
    $refused->('another type of client data', qr/not of a registration/,        type          => 'webauthn.get');
    $refused->('in a frame of another site',  qr/another site's page/,          cross_origin  => true);
    $refused->('another domain\'s hash',      qr/another site's/,               rp_id         => 'example.com');
    $refused->('the user not present',        qr/not present/,                  flags         => UP);
    $refused->('the user not verified',       qr/not verified/,                 flags         => UV);
    $refused->('no credential',               qr/no credential|malformed/,      flags         => AT);
    $refused->('backed up without the right', qr/backed up/,                    flags         => BS);
    $refused->('an id of 1024 bytes',         qr/1 to 1023 bytes/,              credential_id => 'x' x 1024);
    $refused->('no id',                       qr/1 to 1023 bytes/,              credential_id => '');
    $refused->('another id beside it',        qr/another credential's/,         raw_id        => 'another');
    $refused->('EdDSA',                       qr/ES256 or RS256/,               key           => "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" . 'x' x 32);
    $refused->('a point off the curve',       qr/no point on P-256/,            key           => substr($device->cose, 0, -1) . chr(ord(substr $device->cose, -1) ^ 1));
    $refused->('RSA of 1024 bits',            qr/2048 to 4096 bits/,            key           => "\xa4\x01\x03\x03\x39\x01\x00\x20\x58\x80" . "\xff" x 128 . "\x21\x43\1\0\1");
    $refused->('RSA of more than 4096 bits', qr/2048 to 4096 bits/,     key           => "\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x02\x01" . "\xff" x 513 . "\x21\x43\1\0\1");
    $refused->('no CBOR',                     qr/attestation object is malformed/, attestation => 'nonsense');
    $refused->('nothing',                     qr/attestation object is malformed/, attestation => '');
    error_is register($ann, authenticator(), origin => $_), 403, 'ORIGIN_NOT_ALLOWED', name => "the page $_"
        for 'https://evil.example', 'http://app.example.com', 'https://app.example.com:8443', 'https://app.example.com.evil.example', 'null', "https://localhost:$t->{https_port}";
    error_is register($ann, authenticator(), origin => 'https://login.example.com'), 403, 'ORIGIN_NOT_ALLOWED', message => qr/another domain/, name => 'an allowed page, but of another domain';
    error_is register($ann, authenticator(), challenge => encode_base64url('x' x 32)), 400, 'TOKEN_INVALID', name => 'a challenge that is not ours';
    error_is register($ann, authenticator(), challenge => 'short'), 422, 'VALIDATION_ERROR', field => 'credential', name => 'or looks like none';

    my $options = $ann->post("$base/registration/options")->json;
    my $good    = $device->create($options);
    my %broken  = (
        'another type'             => { %$good, type  => 'password' },
        'an id that is no base64url' => { %$good, id    => 'a+b/', rawId => 'a+b/' },
        'two ids'                  => { %$good, rawId => encode_base64url('another') },
        'client data that are no JSON' => { %$good, response => { %{ $good->{response} }, clientDataJSON => encode_base64url('{') } },
        'client data too long'     => { %$good, response => { %{ $good->{response} }, clientDataJSON => encode_base64url(' ' x 4097) } },
        'client data in base64'    => { %$good, response => { %{ $good->{response} }, clientDataJSON => '+/+/' } },
    );
    error_is $ann->post("$base/registration", { credential => $broken{$_} }), 422, 'VALIDATION_ERROR', field => 'credential', name => $_ for sort keys %broken;
    error_is $ann->post("$base/registration", { credential => { %$good, response => {} } }), 422, 'VALIDATION_ERROR', field => 'credential.response.clientDataJSON';
    error_is $ann->post("$base/registration", { credential => $good, name => $_ }), 422, 'VALIDATION_ERROR', field => 'name', name => 'a name of ' . length . ' characters' for '', 'x' x 101;
    is scalar $db->selectrow_array('SELECT count(*) FROM passkeys'), 0, 'there is no passkey';
    status_is $ann->post("$base/registration", { credential => $good, name => 'x' x 100 }), 201, 'what did not get as far as the challenge left it unused';
    error_is $ann->post("$base/registration", { credential => $good }), 400, 'TOKEN_INVALID', name => '  now it is used';
    $db->do('DELETE FROM passkeys');
};

subtest 'a challenge is one user\'s, of one tenant, for one purpose, once, and for five minutes' => sub {
    my $device = authenticator();
    my $bob    = $t->user('bob')->with(key => $key, origin => $page);
    my $begin  = sub { return $ann->post("$base/registration/options")->json };
    my $end    = sub ($who, $options) { return $who->post("$base/registration", { credential => $device->create($options) }) };
    error_is $end->($bob, $begin->()), 400, 'TOKEN_INVALID', name => 'not another user\'s';

    my $elsewhere = $t->user('eve', tenant => 'other')->with(key => $t->key(type => 'public', tenant => 'other'), origin => $page);
    error_is $end->($elsewhere, $begin->()), 400, 'TOKEN_INVALID', name => 'nor another tenant\'s';

    my $options = $guest->post("$base/authentication/options", {})->json;
    error_is $end->($ann, { %{ $begin->() }, challenge => $options->{challenge} }), 400, 'TOKEN_INVALID', name => 'nor one for signing in';

    $options = $begin->();
    error_is $ann->post("$base/registration", { credential => $device->create($options, rp_id => 'evil.example') }), 422, 'VALIDATION_ERROR', name => 'what fails';
    error_is $end->($ann, $options), 400, 'TOKEN_INVALID', name => '  uses it up';

    for ([ '300 seconds' => 0 ], [ '299 seconds' => 1 ]) {
        my ($age, $ok) = @$_;
        $options = $begin->();
        $db->do("UPDATE webauthn_challenges SET expires_at = expires_at - interval '$age' WHERE encode(challenge, 'hex') = ?", undef,
            unpack 'H*', decode_base64url($options->{challenge}));
        if ($ok) { status_is $end->($ann, $options), 201, "after $age it is good" }
        else     { error_is $end->($ann, $options), 400, 'TOKEN_INVALID', name => "after $age it is not" }
    }
    $db->do('DELETE FROM passkeys');
};

my $phone = authenticator();
my $phone_id;

subtest 'a passkey is added' => sub {
    my $res = register($ann, $phone, body => { name => 'My phone' }, flags => BE | BS);
    status_is $res, 201;
    json_is $res, '', {
        id           => qr/^[0-9a-f-]{36}$/,
        name         => 'My phone',
        rp_id        => 'app.example.com',
        transports   => [ 'internal', 'hybrid' ],
        is_backed_up => true,
        created_at   => qr/Z$/,
        last_used_at => undef,
    };
    $phone_id = $res->json('/id');
    my $row = audited();
    is $row->{action}, 'passkey.create', 'the audit log has it';
    is $row->{actor_id}, $ann->id, '  its user';
    is $row->{resource_id}, $phone_id, '  and which';

    json_is $ann->post("$base/registration/options"), '/excludeCredentials',
        [ { type => 'public-key', id => $phone->id, transports => [ 'hybrid', 'internal' ] } ], 'its device is told not to make another';
    error_is register($ann, $phone), 409, 'CONFLICT', field => 'credential', name => 'and could not';
    error_is register($t->user('carl')->with(key => $key, origin => $page), $phone), 409, 'CONFLICT', name => '  for somebody else either';
};

subtest 'a name need not be given, and RS256 is as good' => sub {
    my $desktop = authenticator(alg => -257);
    my $res     = register($ann, $desktop);
    status_is $res, 201;
    json_is $res, '/name', 'Passkey';
    status_is sign_in($guest, $desktop), 200, 'it signs in';
    json_is $ann->get($base), '/passkeys', [ map { my $name = $_; sub ($p) { $p->{name} eq $name } } 'My phone', 'Passkey' ], 'the list, oldest first';
    status_is $ann->delete("$base/" . $res->json('/id')), 200;
};

# ------------------------------------------------------------------ signing in

subtest 'a passkey signs in' => sub {
    my $res = sign_in($guest, $phone, flags => BE | BS);
    status_is $res, 200;
    json_is $res, '', {
        access_token  => qr/^ey/,
        refresh_token => qr/^[\w-]{91}$/,
        token_type    => 'Bearer',
        expires_in    => 3600,
        user          => sub ($user) { $user->{id} eq $ann->uuid && $user->{email} eq $ann->email },
        workspace_id  => undef,
    };
    status_is $t->client(key => $key, origin => $page, token => $res->json('/access_token'))->get($base), 200, 'the token is good';
    my $session = $db->selectrow_hashref('SELECT method, has_mfa, user_id FROM sessions ORDER BY created_at DESC LIMIT 1');
    is_deeply $session, { method => 'passkey', has_mfa => 1, user_id => $ann->uuid }, 'the session says how, and that it is two factors';
    is audited()->{action}, 'session.create', 'the audit log has it';
    json_is $ann->get($base), '/passkeys/0/last_used_at', qr/Z$/, 'the list says when it was used';
    status_is sign_in($guest, $phone, options => { email => 'Ann@Example.com' }), 200, 'so does it when the address is told first';
    status_is sign_in($guest, $phone, options => { email => 'ann@example.com' }, user_handle => undef), 200, '  then even without a user handle';
};

subtest 'what is wrong with a sign-in is told to the audit log' => sub {
    my $refused = sub ($name, $reason, %wrong) {
        my $device = delete $wrong{device} // $phone;
        my $res    = sign_in($guest, $device, %wrong);
        error_is $res, 401, 'INVALID_CREDENTIALS', message => qr/^the passkey was not accepted$/, name => $name;
        my $row = audited();
        is $row->{action}, 'session.failed', '  the audit log';
        like $row->{details}, $reason, '  has the reason';
        return $row;
    };
    my $stranger = authenticator();
    @$stranger{qw(rp_id handle)} = @$phone{qw(rp_id handle)};
    is $refused->('an unknown passkey', qr/no such passkey/, device => $stranger)->{actor_type}, 'key', '  of nobody';
    is $refused->('another key', qr/signature is not/, device => $stranger, raw_id => $phone->{id})->{actor_id}, $ann->id, '  and whose it was';
    $refused->('a changed signature',       qr/signature is not/, signature => sub ($s) { $s ^. ("\0" x (length($s) - 1) . "\1") });
    $refused->('half a signature',          qr/signature is not/, signature => sub ($s) { substr $s, 0, 32 });
    $refused->('no signature',              qr/signature is not/, signature => sub ($s) { '' });
    $refused->('another domain\'s hash',    qr/another site's/,   rp_id => 'evil.example');
    $refused->('the user not present',      qr/not present/,      flags => UP);
    $refused->('the user not verified',     qr/not verified/,     flags => UV);
    $refused->('another user\'s handle',    qr/user handle/,      user_handle => encode_base64url('x' x 16));
    $refused->('no handle, for no address', qr/user handle/,      user_handle => undef);
    $refused->('another user\'s address',   qr/no such passkey/,  options => { email => 'bob@example.com' });

    error_is sign_in($guest, $phone, type => 'webauthn.create'), 422, 'VALIDATION_ERROR', field => 'credential', name => 'client data of a registration';
    error_is sign_in($guest, $phone, cross_origin => true), 422, 'VALIDATION_ERROR', field => 'credential', name => 'in a frame';
    error_is sign_in($guest, $phone, origin => $_), 403, 'ORIGIN_NOT_ALLOWED', name => "the page $_" for 'https://evil.example', 'https://login.example.com';
    error_is sign_in($guest, $phone, challenge => encode_base64url('y' x 32)), 400, 'TOKEN_INVALID', name => 'a challenge that is not ours';
    status_is sign_in($guest, $phone), 200, 'and done right it signs in';
};

subtest 'the challenge of a sign-in is good once' => sub {
    my $options = $guest->post("$base/authentication/options", {})->json;
    my $answer  = $phone->get($options);
    status_is $guest->post("$base/authentication", { credential => $answer }), 200;
    error_is $guest->post("$base/authentication", { credential => $answer }), 400, 'TOKEN_INVALID', name => 'not twice';
    $options = $guest->post("$base/authentication/options", {})->json;
    error_is $guest->post("$base/authentication", { credential => $phone->get($options, flags => UV) }), 401, 'INVALID_CREDENTIALS', name => 'what fails';
    error_is $guest->post("$base/authentication", { credential => $phone->get($options) }), 400, 'TOKEN_INVALID', name => '  uses it up';
    $options = $guest->post("$base/authentication/options", {})->json;
    $db->do(q{UPDATE webauthn_challenges SET expires_at = now() WHERE encode(challenge, 'hex') = ?}, undef, unpack 'H*', decode_base64url($options->{challenge}));
    error_is $guest->post("$base/authentication", { credential => $phone->get($options) }), 400, 'TOKEN_INVALID', name => 'nor late';
    $options = $ann->post("$base/registration/options")->json;
    error_is $guest->post("$base/authentication", { credential => $phone->get($options) }), 400, 'TOKEN_INVALID', name => 'nor one for a registration';
};

subtest 'an address has fifty that are wrong in a quarter of an hour' => sub {
    $db->do(q{UPDATE rate_limits SET tries = 49, blocked_until = NULL WHERE name = 'passkey' AND subject = 'ip:127.0.0.1'});
    error_is sign_in($guest, $phone, flags => UV), 401, 'INVALID_CREDENTIALS', name => 'the fiftieth';
    my $before = $db->selectrow_array(q{SELECT count(*) FROM audit_events});
    my $res    = sign_in($guest, $phone);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'then not even a good one';
    cmp_ok abs($res->header('Retry-After') - 870), '<=', 30;
    is scalar $db->selectrow_array(q{SELECT count(*) FROM audit_events}), $before, '  and nothing is put down';
    $db->do(q{DELETE FROM rate_limits});
    status_is sign_in($guest, $phone), 200, 'later it is';
};

subtest 'a counter has to grow once it counts' => sub {
    my $token = authenticator();
    status_is register($ann, $token, counter => 0), 201;
    status_is sign_in($guest, $token, counter => 0), 200, 'zero stays zero: it does not count';
    status_is sign_in($guest, $token, counter => 5), 200, 'it begins to';
    for (5, 4, 0) {
        error_is sign_in($guest, $token, counter => $_), 401, 'INVALID_CREDENTIALS', name => "after 5, $_ is a copy's";
        like audited()->{details}, qr/counter/, '  and the audit log says so';
    }
    status_is sign_in($guest, $token, counter => 6), 200, 'after 5, 6 is good';
    status_is sign_in($guest, $token, counter => 4294967295), 200, 'up to the end of 32 bits';
    is scalar $db->selectrow_array(q{SELECT count(*) FROM sessions WHERE method = 'passkey' AND created_at > now() - interval '1 hour' AND NOT has_mfa}), 0;
};

subtest 'a passkey is one tenant\'s' => sub {
    my $other = $t->client(key => $t->key(type => 'public', tenant => 'other', origins => [$page]), origin => $page);
    error_is sign_in($other, $phone), 401, 'INVALID_CREDENTIALS', name => 'another one does not know it';
    my $options = $other->post("$base/authentication/options", {})->json;
    error_is $guest->post("$base/authentication", { credential => $phone->get($options) }), 400, 'TOKEN_INVALID', name => 'nor is its challenge good here';
    my $test = $t->client(key => $t->key(type => 'public', test => 1, origins => [$page]), origin => $page);
    error_is sign_in($test, $phone), 401, 'INVALID_CREDENTIALS', name => 'nor does the test mode know it';
};

subtest 'a passkey is one domain\'s' => sub {
    my $there = $guest->with(origin => 'https://login.example.com');
    error_is sign_in($there, $phone, origin => 'https://login.example.com', rp_id => 'login.example.com'), 401, 'INVALID_CREDENTIALS', name => 'not of the page beside it';
};

subtest 'whoever may not come in is told so, once it is clear who they are' => sub {
    my $dora   = $t->user('dora')->with(key => $key, origin => $page);
    my $device = authenticator();
    status_is register($dora, $device), 201;
    $db->do('UPDATE tenant_settings SET email_verification_required = true WHERE tenant_id = ?', undef, $dora->tenant_id);
    error_is sign_in($guest, $device), 403, 'EMAIL_NOT_VERIFIED', more => { verification_required => true };
    like audited()->{details}, qr/not verified/, '  as the audit log says';
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $dora->uuid);
    status_is sign_in($guest, $device), 200, 'verified, they come in';
    $db->do('UPDATE tenant_settings SET email_verification_required = false WHERE tenant_id = ?', undef, $dora->tenant_id);
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $dora->uuid);
    error_is sign_in($guest, $device), 403, 'ACCOUNT_INACTIVE';
    like audited()->{details}, qr/not active/, '  as the audit log says';
    error_is sign_in($guest, $device, flags => UV), 401, 'INVALID_CREDENTIALS', name => 'who cannot show that it is them is not told';
};

# What a list shows: how many, and of each the id's length and the transports; in any order.
sub shape ($list) { return join ' + ', sort map { length(decode_base64url($_->{id})) . ' ' . (join('/', @{ $_->{transports} }) || 'any') } @$list }

subtest 'an address is answered alike whether it is known or not' => sub {
    my $list = sub ($email, $who = $guest) { return $who->post("$base/authentication/options", { email => $email })->json('/allowCredentials') };
    is_deeply $list->('ann@example.com')->[0], { type => 'public-key', id => $phone->id, transports => [ 'hybrid', 'internal' ] },
        'a known one has its passkeys, their transports in the order in which browsers say them';
    is_deeply $list->(undef), [], 'without an address there is no list';

    # The same for every client at any time, and whatever becomes of others.
    my %before = map { $_ => $list->($_) } 'bob@example.com', map { "nobody$_\@example.com" } 1 .. 9;
    my $other  = $t->client(key => $t->key(type => 'public', tenant => 'other', origins => [$page]), origin => $page);
    my %ids    = map { $_->{id} => 1 } map { @$_ } values %before;
    is scalar keys %ids, scalar(map { @$_ } values %before), 'all of them are different';
    status_is register($t->user('gil')->with(key => $key, origin => $page), authenticator(id_bytes => 64, transports => ['usb'])), 201;
    for my $email (sort keys %before) {
        is_deeply $list->(uc $email), $before{$email}, "$email: what is made up stays the same";
        my @elsewhere = map { @$_ } $list->($email, $other), $list->($email, $guest->with(origin => 'https://login.example.com'));
        is scalar(grep { $ids{ $_->{id} } } @elsewhere), 0, '  and is another for each tenant and domain';
    }
    is_deeply $list->("jose\x{301}\@example.com"), $list->("JOS\x{c9}\@example.com"), 'and however the address is spelled';

    # What people have.  The secret of the tests, and so what is made up, is the same each time.
    my %kind = (
        apple    => { id_bytes => 20, transports => [ 'internal', 'hybrid' ] },
        iphone   => { id_bytes => 20, transports => [] },
        google   => { id_bytes => 16, transports => [ 'hybrid', 'internal' ] },
        windows  => { id_bytes => 32, transports => ['internal'] },
        key      => { id_bytes => 48, transports => [ 'usb', 'nfc' ] },
        old_key  => { id_bytes => 64, transports => ['usb'] },
    );
    my (%made_up, %lengths, %counts);
    for my $made_up (map { $list->("unknown$_\@example.com") } 1 .. 400) {
        $made_up{ shape($made_up) }++;
        $counts{@$made_up}++;
        for (@$made_up) {
            $lengths{ length decode_base64url($_->{id}) }++;
            is_deeply [ sort keys %$_ ], [qw(id transports type)] or last;
        }
    }
    my $n = 0;
    for my $has ([qw(apple)], [qw(iphone)], [qw(google)], [qw(windows)], [qw(key)], [qw(old_key)], [qw(apple windows)], [qw(google windows)], [qw(apple google)], [qw(apple key)], [qw(apple google windows)]) {
        my $user = $t->user('has' . ++$n)->with(key => $key, origin => $page);
        register($user, authenticator(%{ $kind{$_} })) for @$has;
        my $known = $list->($user->email);
        is scalar @$known, scalar @$has, "who has @$has";
        ok $made_up{ shape($known) }, '  looks like somebody who was made up: ' . shape($known);
    }
    is_deeply [ sort { $a <=> $b } keys %lengths ], [ 16, 20, 32, 48, 64 ], 'ids are as long as theirs';
    cmp_ok $counts{1}, '>', 200, 'most have one';
    cmp_ok $counts{$_}, '>', 0,  "some have $_" for 2 .. 4;

    my $ask   = sub { return [ map { $list->("plain$_\@example.com") } 1 .. 30 ] };
    my $plain = $ask->();
    $db->do(q{INSERT INTO users (tenant_id, public_id, email) SELECT ?, 'plain' || i, 'plain' || i || '@example.com' FROM generate_series(1, 30) i}, undef, $ann->tenant_id);
    is_deeply $ask->(), $plain, 'who then signs up and has no passkey is answered as before';
};

# ------------------------------------------------------------------ what one has

subtest 'a passkey is renamed and removed by its user' => sub {
    my $bob = $t->user('bobby')->with(key => $key, origin => $page);
    for my $who ($bob, $t->user('mallory', tenant => 'other')->with(key => $t->key(type => 'public', tenant => 'other'), origin => $page)) {
        error_is $who->patch("$base/$phone_id", { name => 'mine' }), 404, 'NOT_FOUND', name => 'not by others';
        error_is $who->delete("$base/$phone_id"), 404, 'NOT_FOUND';
        json_is $who->get($base), '/passkeys', [], 'who do not see it';
    }
    error_is $ann->patch("$base/$phone_id", { name => 'x' x 101 }), 422, 'VALIDATION_ERROR', field => 'name';
    my $res = $ann->patch("$base/$phone_id", { name => 'Old phone' });
    status_is $res, 200;
    json_is $res, '/name', 'Old phone';
    json_lacks $res, "/$_", "  without $_" for qw(public_key credential_id sign_count user_id);
    error_is $ann->patch("$base/$phone_id", { name => 'x' }, headers => { 'If-Match' => '"1"' }), 412, 'PRECONDITION_FAILED';

    $res = $ann->delete("$base/$phone_id");
    status_is $res, 200;
    json_is $res, '', { message => 'Passkey removed' };
    is audited()->{action}, 'passkey.delete', 'the audit log has it';
    error_is sign_in($guest, $phone), 401, 'INVALID_CREDENTIALS', name => 'it does not sign in any more';
    error_is $ann->delete("$base/$phone_id"), 404, 'NOT_FOUND', name => 'it is gone';
};

subtest 'twenty passkeys are the most' => sub {
    my $finn = $t->user('finn')->with(key => $key, origin => $page);
    my $put  = sub ($n) {
        $db->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id)
                  SELECT ?, ?, 'n', sha256(random()::text::bytea), '', 'app.example.com' FROM generate_series(1, ?)}, undef, $finn->tenant_id, $finn->uuid, $n);
    };
    $put->(19);
    my $options = $finn->post("$base/registration/options")->json;
    my $second  = $finn->post("$base/registration/options")->json;
    status_is $finn->post("$base/registration", { credential => authenticator()->create($options) }), 201, 'the twentieth';
    error_is $finn->post("$base/registration", { credential => authenticator()->create($second) }), 409, 'CONFLICT', message => qr/20 passkeys/, name => 'not the next';
    error_is $finn->post("$base/registration/options"), 409, 'CONFLICT', name => '  which need not even be begun';
};

subtest 'of two that are added at once, one waits' => sub {
    my $gus = $t->user('gus')->with(key => $key, origin => $page);
    my $options = $gus->post("$base/registration/options")->json;
    $db->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id)
              SELECT ?, ?, 'n', sha256(random()::text::bytea), '', 'app.example.com' FROM generate_series(1, 19)}, undef, $gus->tenant_id, $gus->uuid);
    my $first = $t->lock('SELECT FROM users WHERE id = ? FOR NO KEY UPDATE', $gus->uuid);
    $first->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id)
                 VALUES (?, ?, 'n', sha256('first'), '', 'app.example.com')}, undef, $gus->tenant_id, $gus->uuid);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $status = $gus->post("$base/registration", { credential => authenticator()->create($options) }, fresh => 1)->status;
        require POSIX;
        POSIX::_exit($status == 409 ? 0 : 1);
    }
    eventually { $t->waiting } 5, 'the second waits';
    $first->commit;
    $first->disconnect;
    waitpid $pid, 0;
    is $? >> 8, 0, 'and finds no room';
};

subtest 'who acts as somebody else adds no passkey, and removes none' => sub {
    my $admin = $t->user('admin', role => 'admin');
    my $hugo  = $t->user('hugo')->with(key => $key, origin => $page);
    my $begun = $hugo->post("$base/registration/options")->json;
    my $id    = register($hugo, authenticator())->json('/id');
    $db->do('UPDATE sessions SET impersonator_id = ? WHERE id = ?', undef, $admin->uuid, $hugo->session);
    error_is $hugo->post("$base/registration/options"), 403, 'AUTHORIZATION_ERROR';
    error_is $hugo->post("$base/registration", { credential => authenticator()->create($begun) }), 403, 'AUTHORIZATION_ERROR', name => 'nor one that was begun before';
    error_is $hugo->delete("$base/$id"), 403, 'AUTHORIZATION_ERROR';
    json_is $hugo->get($base), '/passkeys/0/id', $id, 'it is still there';
};
