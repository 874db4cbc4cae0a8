# Webhooks as the providers' own libraries sign and verify them, and what a real
# worker makes of them, with a Play Developer API to ask.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Hooks;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS ();
use File::Temp ();

my $json    = Cpanel::JSON::XS->new->canonical->utf8;
my $dir     = File::Temp->newdir;
my $clients = Ashlar::Process->start(cmd => [ 'node', 't/clients/webhooks_in.mjs' ], log => "$dir/log");
my $port;
eventually {
    open my $in, '<', "$dir/log" or return;
    ($port) = join('', <$in>) =~ /^port (\d+)$/m;
} 60, 'the libraries are there';

sub ask ($what, %with) {
    my $res = Ashlar::Http->new(port => $port)->request('POST', "/$what", body => $json->encode(\%with), fresh => 1);
    die "$what: ", $res->body, "\n" if $res->status != 200;
    return $json->decode($res->body)->{answer};
}

my $hooks = Ashlar::Hooks->new;
my $base  = "http://127.0.0.1:$port";
my $t     = Api->start($hooks->settings, worker => 2, GOOGLE_TOKEN_URL => "$base/token", GOOGLE_PLAY_URL => $base);
my $db    = $t->db;
$t->keep_secret($hooks->secrets);
ask(play => (account => { key => $hooks->{account}{public}, email => 'play@example.iam.gserviceaccount.com', audience => "$base/token" }));

sub post ($provider, $body, %headers) { return $t->request(POST => "$Ashlar::Hooks::BASE/$provider", raw => $body, headers => \%headers) }

# The event, when the worker is done with it.
sub processed ($event_id, $name = "$event_id is processed") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $row;
    eventually { ($row = $db->selectrow_hashref('SELECT * FROM webhook_events WHERE event_id = ?', undef, $event_id)) && $row->{state} ne 'received' } 60, $name;
    return $row;
}

subtest 'stripe-node signs' => sub {
    my $payload = $json->encode({ id => 'evt_node', object => 'event', type => 'customer.subscription.updated', created => time,
        data => { object => { id => 'sub_node', object => 'subscription', customer => 'cus_1', status => 'active', items => { data => [ { price => { id => 'price_pro' } } ] } } } });
    my %how = (payload => $payload, secret => $hooks->{stripe});
    status_is post(stripe => $payload, 'Stripe-Signature' => ask('sign/stripe' => %how)), 200, 'and is believed';
    error_is post(stripe => "$payload ", 'Stripe-Signature' => ask('sign/stripe' => %how)), 401, 'AUTHENTICATION_ERROR', name => 'not for another body';
    error_is post(stripe => $payload, 'Stripe-Signature' => ask('sign/stripe' => %how, timestamp => time - 400)), 401, 'AUTHENTICATION_ERROR', name => 'nor for long';
    error_is post(stripe => $payload, 'Stripe-Signature' => ask('sign/stripe' => %how, secret => 'whsec_other')), 401, 'AUTHENTICATION_ERROR', name => 'nor with another secret';
    is processed('evt_node')->{state}, 'processed', 'as an event of a subscription';
    is_deeply $db->selectrow_arrayref(q{SELECT kind, object_key, product, status FROM subscription_events WHERE event_id = 'evt_node'}), [ 'changed', 'sub_node', 'price_pro', 'active' ], 'which billing is told';
};

subtest 'svix and standardwebhooks sign' => sub {
    my $now     = int time;
    my $payload = $json->encode({ object => 'event', type => 'user.created', data => { id => 'user_svix', updated_at => $now * 1000, first_name => "S\x{f8}ren",
        primary_email_address_id => 'i', email_addresses => [ { id => 'i', email_address => 'soren@example.com', verification => { status => 'verified' } } ] } });
    my %how = (id => 'msg_svix', at => $now, secret => $hooks->{clerk});
    # The libraries take text, which is what our bytes are in UTF-8.
    my $text = $payload;
    utf8::decode($text);
    my $sent = ask('sign/svix' => %how, payload => $text);
    is ask('sign/standard' => %how, payload => $text), $sent, 'the same';
    my %headers = ('svix-id' => 'msg_svix', 'svix-timestamp' => $now, 'svix-signature' => "v1,AAAA $sent");
    error_is post(clerk => $payload =~ s/created/deleted/r, %headers), 401, 'AUTHENTICATION_ERROR', name => 'not for another body';
    status_is post(clerk => $payload, %headers), 200, 'and are believed';
    is processed('msg_svix')->{state}, 'processed', 'as an event of a user';
    is_deeply $db->selectrow_arrayref(q{SELECT email, full_name FROM users WHERE public_id = 'user_svix'}), [ 'soren@example.com', "S\x{f8}ren" ], 'who is here now';
    is_deeply [ map { $_->{attempts} } processed('msg_svix') ], [1], 'at the first attempt';
    status_is post(clerk => $payload, %headers), 200, 'sent again';
    my $gone = $json->encode({ object => 'event', type => 'user.deleted', data => { id => 'user_svix', deleted => true } });
    status_is post(clerk => $gone, 'svix-id' => 'msg_gone', 'svix-timestamp' => $now, 'svix-signature' => ask('sign/svix' => %how, id => 'msg_gone', payload => $gone)), 200, 'deleted';
    processed('msg_gone');
    ok $db->selectrow_array(q{SELECT deleted_at IS NOT NULL FROM users WHERE public_id = 'user_svix'}), 'and gone';
};

subtest 'an address is one, however its issuer spells it' => sub {
    my $at   = int time;
    my $user = sub ($id, $address, $type = 'user.created') {
        $at++;
        status_is $hooks->clerk($t, { object => 'event', type => $type, data => { id => $id, updated_at => $at * 1000, primary_email_address_id => 'i',
            email_addresses => [ { id => 'i', email_address => $address, verification => { status => 'verified' } } ] } }, id => "msg_$id"), 200;
        is processed("msg_$id")->{state}, 'processed';
        return $db->selectrow_arrayref('SELECT email, email_key FROM users WHERE public_id = ?', undef, $id);
    };
    my $kept = "ren\x{e9}\@xn--bcher-kva.example";
    is_deeply $user->('spelled_1', "RENE\x{301}\@B\x{fc}cher.example"), [ $kept, $kept ], 'decomposed, in capitals, with an ü';
    is_deeply $user->('spelled_2', $kept), [ undef, undef ], 'is taken';
    is_deeply $db->selectrow_arrayref(q{SELECT email, email_key FROM identity_profiles WHERE subject = 'spelled_2'}), [ $kept, $kept ], '  and waited for';
    is_deeply $user->('spelled_3', "\x{fb01}n\@example.com"), [ "\x{fb01}n\@example.com", undef ], 'what would be refused here is believed there';
};

# Apple's library and we are asked the same.
sub both ($jws, %how) {
    my $root    = join '', map { s/\s//gr } ($hooks->{apple}{x5c}[2]);
    my $verdict = ask('verify/apple' => (jws => $jws, root => $root, bundle => 'com.example.app', %how));
    my $res     = post(apple => $json->encode({ signedPayload => $jws }));
    return ($verdict->{notification} ? 'taken' : 'refused', $res->status == 200 ? 'taken' : $res->status == 401 ? 'refused' : $res->status);
}

subtest 'Apple\'s library judges as we do' => sub {
    my $other = $hooks->chain;
    my $same  = $hooks->{apple};
    my $sign  = sub ($payload, $chain = $same) { return ask('sign/apple' => (payload => $payload, x5c => $chain->{x5c}, key => $chain->{key}{pem})) };
    my $make  = sub (%more) {
        state $n = 0;
        my $at = $more{at} // int(time * 1000);
        return {
            notificationType => 'DID_RENEW', notificationUUID => 'apple-' . ++$n, version => '2.0', signedDate => $at,
            data => {
                appAppleId => 1234, bundleId => 'com.example.app', environment => 'Production', status => 1,
                signedTransactionInfo => $sign->({ originalTransactionId => '2000', transactionId => '2001', bundleId => 'com.example.app', productId => 'pro', environment => 'Production',
                    purchaseDate => $at, expiresDate => $at + 1000, signedDate => $at, price => 9990, currency => 'USD' }),
                signedRenewalInfo => $sign->({ originalTransactionId => '2000', autoRenewStatus => 1, environment => 'Production', signedDate => $at }), %{ $more{data} // {} },
            },
        };
    };
    is_deeply [ both($sign->($make->())) ], [ 'taken', 'taken' ], 'a renewal';
    is processed('apple-1')->{state}, 'processed', '  which is processed';
    is_deeply $db->selectrow_arrayref(q{SELECT kind, object_key, product, amount_cents, is_ending FROM subscription_events WHERE event_id = 'apple-1'}), [ 'renewed', '2000', 'pro', 999, 0 ], '  with what is signed inside';
    my %wrong = (
        'another root'                  => sub { $sign->($make->(), $other) },
        'a leaf without the OID'        => sub { $sign->($make->(), $hooks->chain(of => $same, leaf_oid => 0)) },
        'an intermediate without the OID' => sub { $sign->($make->(), $hooks->chain(of => $same, intermediate_oid => 0)) },
        'an intermediate that is no CA' => sub { $sign->($make->(), $hooks->chain(of => $same, intermediate_ca => 0)) },
        'a leaf that had ended'         => sub { $sign->($make->(), $hooks->chain(of => $same, leaf_until => '20210101000000Z')) },
        'two certificates'              => sub { ask('sign/apple' => (payload => $make->(), x5c => [ @{ $same->{x5c} }[0, 1] ], key => $same->{key}{pem})) },
        'another key'                   => sub { ask('sign/apple' => (payload => $make->(), x5c => $same->{x5c}, key => $other->{key}{pem})) },
        'another bundle'                => sub { $sign->($make->(data => { bundleId => 'com.example.evil' })) },
        'the sandbox'                   => sub { $sign->($make->(data => { environment => 'Sandbox' })) },
    );
    is_deeply [ both($wrong{$_}->()) ], [ 'refused', 'refused' ], $_ for sort keys %wrong;
    is_deeply [ both($sign->($make->(), $hooks->chain(of => $same))) ], [ 'taken', 'taken' ], 'another leaf of the same root';
};

# A Play notification as Pub/Sub pushes it, by jose.
sub push_google ($id, $type, %more) {
    my $now    = int time;
    my %claims = (iss => 'https://accounts.google.com', aud => $hooks->{audience}, sub => '1137742', azp => '1137742', email => $hooks->{email}, email_verified => true, iat => $now, exp => $now + 3600, %{ $more{claims} // {} });
    my $token  = ask('sign/pubsub' => (claims => \%claims, key => $more{key} // $hooks->{google}{pem}, kid => 'google-1'));
    my $verdict = ask('verify/pubsub' => (token => $token, publicKey => $hooks->{google}{public}, kid => 'google-1', audience => $hooks->{audience}));
    my $res = $hooks->google($t, { subscriptionNotification => { version => '1.0', notificationType => $type, purchaseToken => $more{purchase} // 'play-token' } },
        token => $token, message => { messageId => $id });
    return ($res, $verdict->{claims} ? 'taken' : 'refused');
}

ok $hooks->ready($t), 'Google\'s keys are here';

subtest 'google-auth-library judges as we do' => sub {
    my ($res, $verdict) = push_google('m-good', 99);
    is $verdict, 'taken';
    status_is $res, 200;
    is processed('m-good')->{state}, 'ignored', 'a notification of a type that nobody knows is put down';
    my %wrong = (
        'another audience' => { claims => { aud => 'https://other.example.com' } },
        'another issuer'   => { claims => { iss => 'https://evil.example.com' } },
        'expired'          => { claims => { iat => time - 7200, exp => time - 3600 } },
        'another key'      => { key => $hooks->{account}{pem} },
    );
    for (sort keys %wrong) {
        ($res, $verdict) = push_google('m-bad', 4, %{ $wrong{$_} });
        is $verdict, 'refused', $_;
        error_is $res, 401, 'AUTHENTICATION_ERROR';
    }
};

subtest 'the Play Developer API is asked' => sub {
    my %state = (subscriptionState => 'SUBSCRIPTION_STATE_ACTIVE', startTime => '2026-01-01T00:00:00Z', latestOrderId => 'GPA.1', lineItems => [ { productId => 'pro', expiryTime => '2026-02-01T00:00:00Z', autoRenewingPlan => { autoRenewEnabled => true } } ]);
    ask(play => (purchases => { 'play/token+1' => \%state }));
    status_is +(push_google('m-1', 4, purchase => 'play/token+1'))[0], 200;
    is processed('m-1')->{state}, 'processed', 'a purchase';
    is_deeply $db->selectrow_arrayref(q{SELECT kind, object_key, product, status, is_ending FROM subscription_events WHERE event_id = 'm-1'}), [ 'started', 'play/token+1', 'pro', 'active', 0 ], 'with the state that Google tells';
    my $seen = ask('seen');
    is $seen->{calls}[-1], 'GET /androidpublisher/v3/applications/com.example.app/purchases/subscriptionsv2/tokens/play%2Ftoken%2B1', 'of this purchase, at the documented place';
    is $seen->{assertions}[0]{header}{kid}, 'play-1', 'signed with the account\'s key';
    my $before = @{ $seen->{assertions} };

    ask(play => (purchases => { 'play/token+1' => { %state, subscriptionState => 'SUBSCRIPTION_STATE_CANCELED' } }, revoke => true));
    push_google('m-2', 3, purchase => 'play/token+1');
    is processed('m-2')->{state}, 'processed', 'an access token that was taken back is replaced';
    is $db->selectrow_array(q{SELECT status FROM subscription_events WHERE event_id = 'm-2'}), 'canceled', '  and the state is the newest';
    push_google('m-3', 2, purchase => 'play/token+1');
    processed('m-3');
    cmp_ok scalar(@{ ask('seen')->{assertions} }), '<=', $before + 3, 'a token serves until its end, once for each of the worker\'s processes';

    push_google('m-4', 2, purchase => 'nobody-bought-this');
    my $row = processed('m-4');
    is_deeply [ @$row{qw(state attempts)} ], [ 'failed', 1 ], 'a purchase that Google does not know fails for good';
    like $row->{error}, qr/knows no such purchase/, '  and says so';

    $t->expect_log(qr/the Play Developer API/);
    ask(play => (purchases => { 'play-down' => { status => 403 } }));
    push_google('m-5', 2, purchase => 'play-down');
    eventually { $row = $db->selectrow_hashref(q{SELECT * FROM webhook_events WHERE event_id = 'm-5'}); $row->{attempts} >= 1 } 60, 'where Google refuses';
    is $row->{state}, 'received', '  it is tried again later';
    like $row->{error}, qr/status 403/, '  and what is wrong can be read meanwhile';
    ask(play => (purchases => { 'play-down' => \%state }));
    my $admin = $t->user('admin', role => 'admin');
    $db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND kind = 'webhook.in'});
    $row = processed('m-5', 'then it works');
    is_deeply [ @$row{qw(state error)} ], [ 'processed', undef ], '  as if nothing had been';

    ask(play => (purchases => { 'nobody-bought-this' => \%state }));
    my ($id) = $db->selectrow_array(q{SELECT id FROM webhook_events WHERE event_id = 'm-4'});
    status_is $admin->post("/api/v1/admin/webhook-events/$id/replay"), 202, 'an event that failed is replayed';
    is processed('m-4')->{state}, 'processed', '  and processed';
    json_is $admin->get("/api/v1/admin/webhook-events/$id"), '/attempts', 2, '  at the second attempt';
};

subtest 'Supabase tells, and a token of its signs the same user in' => sub {
    my $id = 'f7f0d6c1-2b1c-4a63-8f3e-0d0f5f6f7a8b';
    status_is $hooks->supabase($t, { type => 'INSERT', table => 'users', schema => 'auth', old_record => undef, record => { id => $id, email => 'Sue@Example.com', email_confirmed_at => '2026-01-31T12:00:00+00:00',
        created_at => '2026-01-31T12:00:00.1+00:00', updated_at => '2026-01-31T12:00:00.2+00:00', raw_user_meta_data => { full_name => 'Sue' }, encrypted_password => '$2a$10$x' } }), 200;
    eventually { $db->selectrow_array('SELECT count(*) FROM users WHERE public_id = ?', undef, $id) } 60, 'the user is here';
    my $token = Ashlar::Token::mint({ iss => 'https://supabase.example.com/auth/v1', aud => 'authenticated', sub => $id, iat => int time, exp => time + 600 }, alg => 'RS256', key => $hooks->{google}, header => { kid => 'google-1' });
    my $me;
    eventually { ($me = $t->client(token => $token)->get('/api/v1/app/users/me'))->status == 200 } 30, 'their token is taken';
    is_deeply [ @{ $me->json }{qw(id email full_name)} ], [ $id, 'sue@example.com', 'Sue' ], 'and is theirs';
    status_is $hooks->supabase($t, { type => 'DELETE', table => 'users', schema => 'auth', record => undef, old_record => { id => $id } }), 200;
    eventually { $t->client(token => $token)->get('/api/v1/app/users/me')->status == 401 } 60, 'when Supabase deletes them, their token is worth nothing';
};

subtest 'what is sent again and again is processed once' => sub {
    my %count = map { $_ => $db->selectrow_array("SELECT count(*) FROM $_") } qw(webhook_events subscription_events users);
    my $body = { id => 'evt_twice', object => 'event', type => 'invoice.paid', created => time, data => { object => { id => 'in_2', subscription => 'sub_2', amount_paid => 100, currency => 'usd' } } };
    status_is $hooks->stripe($t, $body), 200 for 1 .. 3;
    is processed('evt_twice')->{attempts}, 1, 'one attempt';
    my %now = map { $_ => $db->selectrow_array("SELECT count(*) FROM $_") } keys %count;
    is_deeply \%now, { %count, webhook_events => $count{webhook_events} + 1, subscription_events => $count{subscription_events} + 1 }, 'one row of each';
};

$clients->stop;
