use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Hooks;
use Ashlar::Token qw(sign_key);
use Cpanel::JSON::XS qw(encode_json);
use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);

# What providers send: who is believed, and that it is stored once.  What comes
# of it is in webhooks_in_order.t.
my $hooks = Ashlar::Hooks->new;
my $t     = Api->start($hooks->settings);
my $db    = $t->db;
my $BASE  = $Ashlar::Hooks::BASE;
$t->keep_secret($hooks->secrets);

sub stored (%by) {
    my @names = sort keys %by;
    my $where = join ' AND ', 'true', map { "$_ = ?" } @names;
    return @{ $db->selectall_arrayref("SELECT * FROM webhook_events WHERE $where ORDER BY id", { Slice => {} }, @by{@names}) };
}

sub jobs () { return scalar $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'webhook.in'}) }

# Refused without a hint, and nothing of it stays.
sub refused ($res, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return error_is $res, 401, 'AUTHENTICATION_ERROR', message => qr/\Athe signature is missing or not valid\z/, name => "refused: $name";
}

ok $hooks->ready($t), 'Google\'s keys are here';

my %event = (
    stripe   => { id => 'evt_1', object => 'event', type => 'invoice.paid', created => time, data => { object => { id => 'in_1', object => 'invoice', subscription => 'sub_1' } } },
    clerk    => { object => 'event', type => 'user.created', data => { id => 'user_1', updated_at => 1_700_000_000_000 } },
    supabase => { type => 'INSERT', table => 'users', schema => 'auth', record => { id => 'a1', updated_at => '2026-01-31T12:00:00Z' }, old_record => undef },
    apple    => { notificationType => 'DID_RENEW', data => { transaction => { originalTransactionId => '1000', bundleId => 'com.example.app' } } },
    google   => { subscriptionNotification => { version => '1.0', notificationType => 2, purchaseToken => 'token-1' } },
);

subtest 'where nothing is configured, nothing is taken' => sub {
    my $bare = Api->start(slow => 0);
    for my $provider (sort keys %event) {
        for my $version (1, 2) {
            my $res = $hooks->$provider($bare, $event{$provider}, path => "/api/v$version/public/webhooks/$provider");
            error_is $res, 503, 'SERVICE_UNAVAILABLE', message => qr/not configured/, name => "$provider, version $version";
        }
    }
    is $bare->db->selectrow_array('SELECT count(*) FROM webhook_events'), 0, 'no row of them';
};

subtest 'they are about the tenant that a setting names' => sub {
    my $other = '0191e8a0-0000-7000-8000-00000000000a';
    my $named = Api->start($hooks->settings, slow => 0, WEBHOOKS_IN_TENANT => $other);
    $named->db->do(q{INSERT INTO tenants (id, slug, name) VALUES (?, 'hooked', 'Hooked')}, undef, $other);
    status_is $hooks->stripe($named, { %{ $event{stripe} }, id => 'evt_of_the_tenant' }), 200;
    my $rows = $named->db->selectall_arrayref(q{SELECT tenant_id, event_id FROM webhook_events});
    is_deeply $rows, [ [ $other, 'evt_of_the_tenant' ] ], 'the event is its own';
    is $named->db->selectrow_array(q{SELECT tenant_id FROM jobs WHERE kind = 'webhook.in'}), $other, '  and so is the job that processes it';
};

subtest 'Stripe: whose signature is not good is refused' => sub {
    my $e   = $event{stripe};
    my $now = int time;
    refused $hooks->stripe($t, $e, header => undef), 'none';
    refused $hooks->stripe($t, $e, header => ''), 'an empty one';
    refused $hooks->stripe($t, $e, secret => 'whsec_guessed'), 'another secret';
    refused $hooks->stripe($t, $e, at => $now - 302), 'of 302 seconds ago';
    refused $hooks->stripe($t, $e, at => $now + 330), 'of the future';
    refused $hooks->stripe($t, $e, raw => encode_json($e) . ' '), 'over other bytes: a space more';
    refused $hooks->stripe($t, $e, raw => ''), 'over other bytes: nothing';
    refused $hooks->stripe($t, $e, header => "t=$now,v0=" . '0' x 64), 'another scheme';
    refused $t->request(POST => "$BASE/stripe", raw => encode_json($e), headers => { Authorization => 'Bearer ' . $t->user('root', role => 'superadmin')->token }), 'an administrator\'s token instead';
    is scalar(stored()), 0, 'nothing is stored';
};

subtest 'Clerk: whose signature is not good is refused' => sub {
    my $e   = $event{clerk};
    my $now = int time;
    refused $hooks->clerk($t, $e, signature => undef), 'none';
    refused $hooks->clerk($t, $e, secret => 'whsec_' . encode_base64('x' x 32, '')), 'another secret';
    refused $hooks->clerk($t, $e, at => $now - 302), 'of 302 seconds ago';
    refused $hooks->clerk($t, $e, at => $now + 330), 'of the future';
    refused $hooks->clerk($t, $e, raw => encode_json({ %$e, type => 'user.deleted' })), 'over other bytes';
    refused $hooks->clerk($t, $e, headers => { 'svix-id' => 'msg_another' }), 'of another message';
    refused $hooks->clerk($t, $e, headers => { 'svix-id' => undef }), 'without an id';
    refused $hooks->clerk($t, $e, headers => { 'svix-timestamp' => undef }), 'without a time';
    is scalar(stored()), 0, 'nothing is stored';
};

subtest 'Supabase: whose secret is another is refused' => sub {
    my $e = $event{supabase};
    my $secret = $hooks->{supabase} =~ tr/ /_/r;
    refused $hooks->supabase($t, $e, secret => undef), 'none';
    refused $hooks->supabase($t, $e, secret => ''), 'an empty one';
    refused $hooks->supabase($t, $e, secret => substr $secret, 0, -1), 'all of it but one character';
    refused $hooks->supabase($t, $e, secret => "${secret}x"), 'one character more';
    refused $hooks->supabase($t, $e, authorization => $secret), 'without its scheme';
    refused $hooks->supabase($t, $e, authorization => "Basic $secret"), 'with another scheme';
    is scalar(stored()), 0, 'nothing is stored';
};

subtest 'Apple: what is not signed up to the root is refused' => sub {
    my $e     = $event{apple};
    my $other = $hooks->chain;
    refused $hooks->apple($t, $e, chain => $other), 'by another root';
    refused $hooks->apple($t, $e, x5c => [ @{ $hooks->{apple}{x5c} }[0, 1], $other->{x5c}[2] ], key => $other->{key}), 'by another key than the leaf\'s';
    refused $hooks->apple($t, $e, x5c => [ $other->{x5c}[0], @{ $hooks->{apple}{x5c} }[1, 2] ], key => $other->{key}), 'by a leaf that the intermediate did not sign';
    refused $hooks->apple($t, $e, x5c => [ @{ $hooks->{apple}{x5c} }[0, 1] ]), 'two certificates';
    refused $hooks->apple($t, $e, x5c => [ @{ $hooks->{apple}{x5c} }, $other->{x5c}[2] ]), 'four';
    refused $hooks->apple($t, $e, x5c => [ 'AAAA', 'AAAA', 'AAAA' ]), 'what is no certificate';
    refused $hooks->apple($t, $e, x5c => []), 'none';
    for my $wrong (
        [ 'a leaf that is not marked', leaf_oid => 0 ],
        [ 'an intermediate that is not marked', intermediate_oid => 0 ],
        [ 'an intermediate that may not sign', intermediate_ca => 0 ],
        [ 'a leaf that had ended', leaf_until => '20210101000000Z' ],
        [ 'a leaf on another curve', leaf_curve => 'P-384' ],
    ) {
        my ($name, %how) = @$wrong;
        refused $hooks->apple($t, $e, chain => $hooks->chain(of => $hooks->{apple}, %how)), $name;
    }
    status_is $hooks->apple($t, { %$e, notificationUUID => 'renewed' }, chain => $hooks->chain(of => $hooks->{apple})), 200, 'another chain of the same root is fine';

    my $now = time * 1000;
    my $day = 24 * 3600 * 1000;
    refused $hooks->apple($t, { %$e, signedDate => int($now - 14 * $day - 60_000) }), 'signed more than 14 days ago';
    refused $hooks->apple($t, { %$e, signedDate => int($now + 330_000) }), 'in the future';
    refused $hooks->apple($t, { %$e, signedDate => undef }), 'at no time';
    refused $hooks->apple($t, { %$e, data => { %{ $e->{data} }, bundleId => 'com.example.evil' } }), 'for another app';
    refused $hooks->apple($t, { %$e, data => { %{ $e->{data} }, bundleId => undef } }), 'for no app';
    refused $hooks->apple($t, { %$e, data => { %{ $e->{data} }, environment => 'Sandbox' } }), 'from the sandbox';
    refused $hooks->apple($t, { %$e, data => { transaction => { originalTransactionId => '1', bundleId => 'com.example.evil' } } }), 'with another app\'s transaction inside';
    refused $hooks->apple($t, $e, inner => $other), 'with a transaction inside that another root signs';
    refused $hooks->apple($t, $e, tamper => sub ($jws) { my @part = split /\./, $jws; $part[1] =~ s/(.)\z/$1 eq 'A' ? 'B' : 'A'/e; join '.', @part }), 'changed on its way';
    refused $hooks->apple($t, $e, tamper => sub ($jws) { $jws =~ s/\.[^.]*\z/./r }), 'without its signature';
    refused $hooks->apple($t, $e, alg => 'none'), 'alg none';
    refused $hooks->apple($t, $e, alg => 'HS256', key => 'x'), 'alg HS256';
    refused $hooks->apple($t, $e, payload => $_), 'the body ' . (ref $_ ? encode_json($_) : $_) for {}, { signedPayload => '' }, { signedPayload => 7 }, { signedPayload => 'a.b.c' }, '[]', 'nothing', '';
    is_deeply [ map { $_->{event_id} } stored() ], ['renewed'], 'nothing else is stored';
    $db->do('DELETE FROM webhook_events');
};

subtest 'Google: whose token is not good is refused' => sub {
    my $e = $event{google};
    refused $hooks->google($t, $e, token => undef), 'none';
    refused $hooks->google($t, $e, token => 'x.y.z'), 'what is no token';
    refused $hooks->google($t, $e, key => sign_key('RSA', 'google-1')), 'by another key';
    refused $hooks->google($t, $e, claim => { aud => 'https://other.example.com' }), 'for another audience';
    refused $hooks->google($t, $e, claim => { iss => 'https://accounts.example.com' }), 'of another issuer';
    refused $hooks->google($t, $e, claim => { email => 'other@example.iam.gserviceaccount.com' }), 'of another account';
    refused $hooks->google($t, $e, claim => { email => undef }), 'of no account';
    refused $hooks->google($t, $e, claim => { email_verified => $_ }), 'of an account that is not verified' for false, 'true', undef;
    refused $hooks->google($t, $e, claim => { exp => time - 31 }), 'that has expired';
    refused $t->request(POST => "$BASE/google", raw => '{}', headers => { Authorization => 'Bearer ' . $t->user('ann')->token }), 'a user\'s';
    is scalar(stored()), 0, 'nothing is stored';
};

subtest 'Google\'s tokens let nobody in, though its keys are here' => sub {
    my $token = Ashlar::Token::mint({ iss => 'https://accounts.google.com', sub => '1', aud => 'x', iat => time, exp => time + 60 },
        alg => 'RS256', key => $hooks->{google}, header => { kid => 'google-1' });
    error_is $t->client(token => $token)->get('/api/v1/app/users/me'), 401, 'AUTHENTICATION_ERROR';
};

my %object = (stripe => 'sub_1', clerk => 'user_1', supabase => 'a1', apple => '1000', google => 'token-1');
my %type   = (stripe => 'invoice.paid', clerk => 'user.created', supabase => 'INSERT auth.users', apple => 'DID_RENEW', google => 'SUBSCRIPTION_RENEWED');
my %same   = (clerk => [ id => 'msg_same' ], apple => [], google => [ message => { messageId => 'message-same' } ]);
$event{apple}{notificationUUID} = 'uuid-same';

for my $provider (sort keys %event) {
    subtest "$provider: what is signed is stored, once" => sub {
        my @same   = @{ $same{$provider} // [] };
        my $before = jobs();
        my $res    = $hooks->$provider($t, $event{$provider}, @same);
        status_is $res, 200;
        json_is $res, '', { received => true };
        my @rows = stored(provider => $provider);
        is scalar(@rows), 1, 'one row';
        is $rows[0]{type},       $type{$provider},   '  with its type';
        is $rows[0]{object_key}, $object{$provider}, '  and what it is about';
        is $rows[0]{state},      'received',         '  received';
        is $rows[0]{tenant_id},  $t->tenant_id,      '  of the default tenant';
        is jobs(), $before + 1, 'and one job';
        $res = $hooks->$provider($t, $event{$provider}, @same, path => "/api/v2/public/webhooks/$provider");
        status_is $res, 200, 'again, in version 2';
        json_is $res, '/data', { received => true };
        is scalar(stored(provider => $provider)), 1, '  the same row';
        is jobs(), $before + 1, '  and no other job';
    };
}

subtest 'many at once are one' => sub {
    my $body   = { %{ $event{stripe} }, id => 'evt_at_once' };
    my $before = jobs();
    my @pids   = map {
        my $pid = fork // die "fork: $!\n";
        $pid || do {
            my $ok = $hooks->stripe($t, $body, fresh => 1)->status == 200;
            require POSIX;
            POSIX::_exit($ok ? 0 : 1);
        };
    } 1 .. 8;
    my $failed = grep { waitpid $_, 0; $? } @pids;
    is $failed, 0, 'eight are received';
    is scalar(stored(event_id => 'evt_at_once')), 1, 'one is stored';
    is jobs(), $before + 1, 'one job';
};

# Bytes that JSON or jsonb has no place for, and what is stored of them.
my $STRANGE = '"wide":123456789012345678901234567890,"tall":1e400,"endless":1e999999,"nul":"a\u0000b","half":"\ud800","bytes":"' . "\xff\xc3" . '","twice":1,"twice":2';
my %STORED  = (wide => '123456789012345678901234567890', tall => '1' . '0' x 400, endless => '1e999999', nul => "a\x{fffd}b", half => "\x{fffd}", bytes => "\x{fffd}\x{fffd}", twice => '2');

# The event's JSON with all of that in it.
sub strange ($text) { return $text =~ s/\}\z/,"strange":{$STRANGE}}/r }

for my $provider (sort keys %event) {
    subtest "$provider: what is signed is not lost for its form" => sub {
        my %send = (
            stripe   => sub { $hooks->stripe($t, strange(encode_json({ %{ $event{stripe} }, id => 'evt_strange' }))) },
            clerk    => sub { $hooks->clerk($t, strange(encode_json($event{clerk})), id => 'msg_strange') },
            supabase => sub { $hooks->supabase($t, strange(encode_json($event{supabase}))) },
            apple    => sub { $hooks->apple($t, { %{ $event{apple} }, notificationUUID => 'uuid-strange' }, text => \&strange) },
            google   => sub { $hooks->google($t, {}, message => { messageId => 'message-strange' },
                data => encode_base64(strange(encode_json({ version => '1.0', packageName => 'com.example.app', %{ $event{google} } })), '')) },
        );
        $db->do('DELETE FROM webhook_events');
        my $before = jobs();
        status_is $send{$provider}->(), 200;
        my ($e) = stored();
        is_deeply [ @$e{qw(provider type object_key state error)} ], [ $provider, $type{$provider}, $object{$provider}, 'received', undef ], 'read as any other';
        my $path = $provider eq 'google' ? '{notification,strange}' : '{strange}';
        my %got  = map { $_ => $db->selectrow_array('SELECT payload #> ?::text[] ->> ? FROM webhook_events', undef, $path, $_) } keys %STORED;
        is_deeply \%got, \%STORED, 'numbers as numeric, the rest as U+FFFD';
        is jobs(), $before + 1, 'and it is processed';
        if ($provider eq 'apple') { ok $e->{signed}, 'the raw body is the JWS' }
        else                      { like $e->{raw}, qr/\Av1\./, 'the raw body is kept, sealed' }
        status_is $send{$provider}->(), 200, 'again';
        is scalar(stored()), 1, '  it is the same';

        my $admin = $t->user("admin-$provider", role => 'admin');
        my $one   = $admin->get("/api/v1/admin/webhook-events/$e->{id}");
        status_is $one, 200, 'administrators see it';
        unlike $one->body, qr/\Q@{[ substr $e->{raw} || $e->{signed}, 0, 40 ]}/, '  but not the raw body';
        $db->do(q{UPDATE webhook_events SET payload = '{}', type = 'unknown', object_key = NULL, state = 'failed', error = 'x'}) if $provider ne 'apple';
        $db->do(q{UPDATE jobs SET state = 'completed', finished_at = now() WHERE kind = 'webhook.in'});
        my $res = $admin->post("/api/v1/admin/webhook-events/$e->{id}/replay");
        status_is $res, 202, 'a replay reads it again';
        is_deeply [ map { $res->json("/$_") } qw(type object_key state error) ], [ $type{$provider}, $object{$provider}, 'received', undef ], '  as this version does';
        my $again = (stored())[0];
        is $again->{payload}, $e->{payload}, '  all of it';
    };
}

# What is a dead letter at once: by what is sent, and its problem.
my @dead = (
    [ 'no JSON',                    qr/invalid JSON at byte 1/,        sub { $hooks->stripe($t, 'not json') } ],
    [ 'nothing',                    qr/the text ends/,                 sub { $hooks->stripe($t, '') } ],
    [ 'no object',                  qr/not a JSON object/,             sub { $hooks->stripe($t, '[]') } ],
    [ '33 levels',                  qr/deeper than 32 levels/,         sub { $hooks->stripe($t, '{"id":"evt_deep","type":"x","a":' . '[' x 32 . ']' x 32 . '}') } ],
    [ 'no type',                    qr/no type/,                       sub { $hooks->stripe($t, { id => 'evt_x' }) } ],
    [ 'a type of 256 bytes',        qr/no type/,                       sub { $hooks->stripe($t, { id => 'evt_x', type => 'x' x 256 }) } ],
    [ 'Clerk: no type',             qr/no type/,                       sub { $hooks->clerk($t, { data => {} }) } ],
    [ 'Clerk: bytes',               qr/invalid JSON/,                  sub { $hooks->clerk($t, "\0\xff") } ],
    [ 'Supabase: no table',         qr/no type/,                       sub { $hooks->supabase($t, { type => 'INSERT' }) } ],
    [ 'Apple: no type',             qr/no type/,                       sub { $hooks->apple($t, { %{ $event{apple} }, notificationType => undef }) } ],
    [ 'Google: no base64',          qr/not a JSON object in base64/,   sub { $hooks->google($t, {}, data => '!') } ],
    [ 'Google: no object inside',   qr/not a JSON object in base64/,   sub { $hooks->google($t, {}, data => encode_base64('[]', '')) } ],
);

subtest 'what cannot be read is a dead letter that can be replayed' => sub {
    my $admin = $t->user('undertaker', role => 'admin');
    for (@dead) {
        my ($name, $problem, $send) = @$_;
        $db->do('DELETE FROM webhook_events');
        my $before = jobs();
        status_is $send->(), 200, $name;
        my ($e) = stored();
        is $e->{state}, 'failed', '  failed';
        like $e->{error}, $problem, '  and says why';
        is jobs(), $before, '  no job';
        my $res = $admin->post("/api/v1/admin/webhook-events/$e->{id}/replay");
        status_is $res, 202, '  replayed';
        if ($e->{raw}) {
            is_deeply [ map { $res->json("/$_") } qw(state replays) ], [ 'failed', 1 ], '  it is read again, and still not understood';
            like $res->json('/error'), $problem;
        }
        else { is $res->json('/state'), 'received', '  it is processed again' }
    }
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'webhook.replay' AND actor_id = ?}, undef, $admin->id), scalar @dead, 'each is put down';
};

subtest 'an id that cannot be stored is that of the body' => sub {
    $db->do('DELETE FROM webhook_events');
    my %body = (long => { id => 'e' x 256, type => 'x' }, none => { type => 'x' });
    for (sort keys %body) {
        my $body = $body{$_};
        status_is $hooks->stripe($t, $body), 200 for 1, 2;
    }
    is_deeply [ sort map { $_->{event_id} } stored() ], [ sort map { sha256_hex(Cpanel::JSON::XS->new->canonical->utf8->encode($_)) } values %body ], 'once each';
    status_is $hooks->stripe($t, { id => 'e' x 255, type => 'x' }), 200;
    is scalar(stored(event_id => 'e' x 255)), 1, 'one of 255 bytes is itself';
    status_is $hooks->apple($t, { %{ $event{apple} }, notificationUUID => undef }), 200, 'Apple: no id';
    status_is $hooks->google($t, $event{google}, message => { messageId => undef }), 200, 'Google: no id';
    is scalar(grep { $_->{event_id} =~ /\A[0-9a-f]{64}\z/ } stored()), 4, '  theirs, too';
    $db->do('DELETE FROM webhook_events');
};

subtest 'the signature is over bytes, and what they are called does not matter' => sub {
    status_is $hooks->stripe($t, qq({ "id" : "evt_spaces",\n "type":"x", "data":{"object":{"id":"\x{e2}\x{82}\x{ac}"}} }\n), type => 'text/plain'), 200, 'spaces, UTF-8, another Content-Type';
    is +(stored(event_id => 'evt_spaces'))[0]{object_key}, "\x{20ac}", 'read as UTF-8';
    status_is $hooks->clerk($t, { type => 'x', data => {} }, prefix => 'webhook'), 200, 'the headers of Standard Webhooks';
    status_is $hooks->stripe($t, { id => 'evt_rotated', type => 'x' }, secret => 'whsec_an_older_one'), 200, 'the secret that is being replaced';
};

subtest 'a large body' => sub {
    my $room  = 512 * 1024 - length encode_json({ id => 'evt_large', type => 'x', pad => '' });
    status_is $hooks->stripe($t, { id => 'evt_large', type => 'x', pad => 'x' x $room }), 200, '512 KiB';
    error_is $hooks->stripe($t, { id => 'evt_larger', type => 'x', pad => 'x' x ($room + 2) }), 413, 'PAYLOAD_TOO_LARGE', name => 'one byte more';
    is scalar(stored(event_id => 'evt_larger')), 0, 'is not stored';
};

subtest 'an Idempotency-Key opens no way around the signature' => sub {
    my %key = (headers => { 'Idempotency-Key' => 'k-1' });
    status_is $hooks->stripe($t, { id => 'evt_key', type => 'x' }, %key), 200;
    refused $hooks->stripe($t, { id => 'evt_key', type => 'x' }, header => undef, %key), 'the same without its signature';
    is $db->selectrow_array('SELECT count(*) FROM idempotency_keys'), 0, 'nothing is kept by the key';
};

subtest 'secrets in a body are not stored' => sub {
    my %row = (id => 'b2', email => 'b@example.com', encrypted_password => 'HASH', confirmation_token => 'TOKEN', recovery_token => 'TOKEN', phone_change_token => 'TOKEN',
        reauthentication_token => 'TOKEN', updated_at => '2026-01-31T12:00:00Z', raw_user_meta_data => { name => 'B' });
    $hooks->supabase($t, { type => 'UPDATE', table => 'users', schema => 'auth', record => \%row, old_record => { %row, email => 'old@example.com' } });
    my ($e) = stored(object_key => 'b2');
    unlike $e->{payload}, qr/HASH|TOKEN/, 'neither the hash of a password nor tokens';
    like $e->{payload}, qr/old\@example\.com/, 'but the rest';
    $hooks->clerk($t, { type => 'email.created', data => { id => 'ema_1', otp_code => '424242', body => 'Your code is 424242', body_plain => '424242', subject => 'Sign in', data => { otp_code => '424242' } } });
    ($e) = stored(object_key => 'ema_1');
    unlike $e->{payload}, qr/424242/, 'no code that signs in';
    like $e->{payload}, qr/Sign in/, 'but the rest';
    $hooks->stripe($t, { id => 'evt_intent', type => 'payment_intent.succeeded', data => { object => { id => 'pi_1', client_secret => 'pi_1_secret_X' } } });
    unlike +(stored(event_id => 'evt_intent'))[0]{payload}, qr/pi_1_secret_X/, 'no client_secret';
};

subtest 'many events of one sender are many requests of one address' => sub {
    my $limited = Api->start($hooks->settings, slow => 0, RATE_LIMIT_DEFAULT => 2, RATE_LIMIT_WEBHOOKS => 5);
    status_is $hooks->stripe($limited, { id => "evt_$_", type => 'x' }), 200, "event $_" for 1 .. 5;
    error_is $hooks->stripe($limited, { id => 'evt_6', type => 'x' }), 429, 'RATE_LIMIT_EXCEEDED', name => 'until their own limit';
    status_is $limited->get('/api/v1/public/health'), 200, 'which is not the others\'';
};

subtest 'administrators look at them' => sub {
    my $admin = $t->user('admin', role => 'admin');
    my $list  = sub (%query) { return $admin->get('/api/v1/admin/webhook-events', query => \%query) };
    $db->do('DELETE FROM webhook_events');
    my @ids = map { { id => "evt_list_$_", type => $_ % 2 ? 'invoice.paid' : 'customer.created', created => 1_700_000_000 + $_ } } 1 .. 5;
    $hooks->stripe($t, $_) for @ids;
    $hooks->clerk($t, { type => 'session.created', data => { id => 'sess_1' } }, id => 'msg_list');
    $db->do(q{UPDATE webhook_events SET state = 'failed', error = 'why' WHERE event_id = 'evt_list_2'});

    my $res = $list->();
    status_is $res, 200;
    json_is $res, '/total', 6;
    json_is $res, '/items/0', {
        id => $UUID, provider => 'clerk', event_id => 'msg_list', type => 'session.created', object_key => 'sess_1', state => 'received', attempts => 0, replays => 0,
        error => undef, occurred_at => $TIME, processed_at => undef, created_at => $TIME,
    }, 'the newest first, without its payload';
    json_is $res, '/items/1/occurred_at', '2023-11-14T22:13:25.000Z', 'when it happened';
    my @seen = map { $_->{event_id} } @{ $list->(skip => 1, limit => 2)->json('/items') };
    is "@seen", 'evt_list_5 evt_list_4', 'a page';
    my $created = $res->json('/items/3/created_at');
    my %total = map { my %query = @$_; join(',', %query) => $list->(%query)->json('/total') } [ provider => 'stripe' ], [ provider => 'apple' ], [ type => 'invoice.paid' ], [ state => 'failed' ];
    is_deeply \%total, { 'provider,stripe' => 5, 'provider,apple' => 0, 'type,invoice.paid' => 3, 'state,failed' => 1 }, 'filters';
    json_is $list->(provider => 'stripe', type => 'customer.created', state => 'failed'), '/items/0/event_id', 'evt_list_2', '  combine';
    json_is $list->(provider => 'clerk', state => 'failed'), '/total', 0;
    json_is $list->(from => '2099-01-01T00:00:00Z'), '/total', 0, '  from';
    json_is $list->(to => '2099-01-01T00:00:00Z', state => 'received'), '/total', 5, '  to';
    json_is $list->(to => '2020-01-01T00:00:00Z'), '/total', 0;
    my $v2 = $admin->get('/api/v2/admin/webhook-events', query => { limit => 1 });
    json_is $v2, '/data/items/0/event_id', 'msg_list', 'version 2';

    my $id  = $res->json('/items/4/id');
    my $one = $admin->get("/api/v1/admin/webhook-events/$id");
    status_is $one, 200;
    json_is $one, '/payload', { id => 'evt_list_2', type => 'customer.created', created => 1_700_000_002 }, 'one, with its payload';
    is $one->json('/error'), 'why', 'and why it failed';
    error_is $admin->get('/api/v1/admin/webhook-events/00000000-0000-7000-8000-00000000dead'), 404, 'NOT_FOUND';

    my $before = jobs();
    $db->do(q{UPDATE jobs SET state = 'completed', finished_at = now() WHERE kind = 'webhook.in'});
    $res = $admin->post("/api/v1/admin/webhook-events/$id/replay");
    status_is $res, 202, 'replayed';
    json_is $res, '/state', 'received';
    json_is $res, '/replays', 1;
    is jobs(), $before + 1, 'by a new job';
    status_is $admin->post("/api/v2/admin/webhook-events/$id/replay"), 202, 'once more';
    is jobs(), $before + 1, 'which waits already';
    is_deeply $db->selectall_arrayref(q{SELECT actor_id, resource_id, details ->> 'event_id' FROM audit_events WHERE action = 'webhook.replay' AND resource_id = ?}, undef, $id),
        [ ([ $admin->id, $id, 'evt_list_2' ]) x 2 ], 'and put down in the audit log';
    error_is $admin->post('/api/v1/admin/webhook-events/00000000-0000-7000-8000-00000000dead/replay'), 404, 'NOT_FOUND';

    for my $who ([ 'a user' => $t->user('nobody') ]) {
        error_is $who->[1]->get('/api/v1/admin/webhook-events'), 403, 'AUTHORIZATION_ERROR', name => "not $who->[0]";
        error_is $who->[1]->post("/api/v1/admin/webhook-events/$id/replay"), 403, 'AUTHORIZATION_ERROR';
    }
    my $stranger = $t->user('stranger', role => 'superadmin', tenant => 'other');
    json_is $stranger->get('/api/v1/admin/webhook-events'), '/total', 0, 'another tenant\'s administrator sees none';
    error_is $stranger->get("/api/v1/admin/webhook-events/$id"), 404, 'NOT_FOUND';
    error_is $stranger->post("/api/v1/admin/webhook-events/$id/replay"), 404, 'NOT_FOUND';
};

subtest 'so does the team of the tenant' => sub {
    my ($owner, $member) = ($t->team('olga', role => 'owner'), $t->team('mia'));
    my $rival = $t->team('rival', role => 'owner', tenant => 'other');
    my $base  = '/api/v1/dashboard/webhook-events';
    my $res   = $owner->get("$base?type=customer.created");
    status_is $res, 200;
    json_is $res, '/total', 2;
    json_is $owner->get("$base?per_page=1"), '/has_next', true, 'in pages';
    my $id = $owner->get($base)->json('/items/4/id');
    json_is $owner->get("$base/$id"), '/payload/id', 'evt_list_2', 'with the body';
    $db->do(q{UPDATE jobs SET state = 'completed', finished_at = now() WHERE kind = 'webhook.in'});
    my $before = jobs();
    $res = $owner->post("$base/$id/replay");
    status_is $res, 202, 'and has it processed again';
    is jobs(), $before + 1, '  by a job';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'webhook.replay' AND actor_type = 'team' AND actor_id = ? AND resource_id = ?}, undef, $owner->id, $id), 1, '  which is put down';
    for ([ GET => $base ], [ GET => "$base/$id" ], [ POST => "$base/$id/replay" ]) {
        error_is $t->request(@$_), 401, 'AUTHENTICATION_ERROR';
        error_is $member->request(@$_), 403, 'AUTHORIZATION_ERROR', name => "@$_: not a member";
        error_is $rival->request(@$_), 404, 'NOT_FOUND', name => '  nor another team' if $_->[1] ne $base;
    }
    json_is $rival->get($base), '/total', 0;
};

subtest 'they are kept for 90 days' => sub {
    $db->do(q{UPDATE webhook_events SET created_at = now() - interval '90 days 1 minute' WHERE event_id = 'evt_list_1'});
    $db->do(q{UPDATE webhook_events SET created_at = now() - interval '89 days 23 hours' WHERE event_id = 'evt_list_3'});
    $db->do('SET ROLE ashlar');
    $db->do('SELECT purge(1000)');
    $db->do('RESET ROLE');
    is scalar(stored(event_id => 'evt_list_1')), 0, 'not longer';
    is scalar(stored(event_id => 'evt_list_3')), 1, 'not shorter';
};
