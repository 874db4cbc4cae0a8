use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token qw(mint);
use Ashlar::Ws;
use Cpanel::JSON::XS ();
use IO::Socket::UNIX;

# WebSockets and event streams: first who is kept out, then what is said.
my $page = 'https://app.example.com';
my $t    = Api->start(
    realtime                      => 1,
    CORS_ORIGINS                  => $page,
    REALTIME_PING_S               => 1,
    REALTIME_BUFFER_KIB           => 64,
    REALTIME_CONNECTIONS_PER_USER => 12,
);
my $ann = $t->user('ann');
my $bob = $t->user('bob');
my $eve = $t->user('eve', tenant => 'other');
my $ws  = '/api/v1/app/ws';
my $sse = '/api/v1/app/events';

my $project = $ann->post('/api/v1/app/projects', { name => 'one' })->json('/id');
my $channel = "project:$project";

sub open_ws ($user, %header) {
    my $path = delete $header{path} // "$ws?token=" . $user->token;
    return Ashlar::Ws->open($t, $path, %header);
}

# A WebSocket that has been greeted.
sub connected ($user, %header) {
    my $s = open_ws($user, %header);
    is $s->status, 101, 'upgraded' or return;
    is $s->next->{type}, 'connected', 'greeted';
    return $s;
}

sub subscribed ($s, $name, %more) {
    $s->say({ type => 'subscribe', channel => $name, %more });
    my $m = $s->next('subscribed');
    is $m && $m->{channel}, $name, "on $name";
    return $m;
}

# Who is on a channel, as it is told who comes.
sub state_of ($s) {
    while (my $m = $s->next('presence')) {
        return $m if $m->{close} || $m->{event} eq 'state';
    }
    return {};
}

sub error_of ($s, $code, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $m = $s->next('error');
    is $m && $m->{code}, $code, $name;
    ok length($m->{message} // ''), 'and says what is wrong';
    return $m;
}

sub publish ($name, $payload, %arg) {
    my $db = $t->db;
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $arg{tenant} // $ann->tenant_id);
    $db->do('SELECT realtime_publish(?, ?)', undef, $name, Cpanel::JSON::XS->new->utf8->canonical->encode($payload));
    $db->commit;
    return;
}

sub ticket ($user) {
    my $res = $user->post("$ws/ticket");
    $t->keep_secret($res->json('/ticket'));
    return $res->json('/ticket');
}

# ------------------------------------------------------------------ admission

subtest 'a handshake without good credentials is an answer of the API' => sub {
    my $refuses = sub ($name, $path, $status, $code, %header) {
        my $s = Ashlar::Ws->open($t, $path, %header);
        is $s->status, $status, $name;
        is $s->json->{error}{code}, $code, $code;
        is $s->json->{detail}, $s->json->{error}{message}, 'with the body of every error';
        ok $s->header('X-Request-ID'), 'and the usual headers';
        return $s;
    };
    my $s = $refuses->('no token', $ws, 401, 'AUTHENTICATION_ERROR');
    is $s->header('X-API-Latest-Version'), 'v2', 'all of them';
    $refuses->('an expired token', "$ws?token=" . $t->token($ann, exp => time - 60), 401, 'AUTHENTICATION_ERROR');
    $refuses->('a forged token', "$ws?token=" . $t->token($ann, secret => 'another secret of 32 bytes or more'), 401, 'AUTHENTICATION_ERROR');
    $refuses->('no token at all', "$ws?token=x", 401, 'AUTHENTICATION_ERROR');
    $refuses->('a ticket that is none', "$ws?ticket=" . 'A' x 64, 401, 'AUTHENTICATION_ERROR');
    $refuses->('a token of the dashboard', "$ws?token=" . $t->team('tim')->token, 401, 'AUTHENTICATION_ERROR');
    $refuses->('a strange page', "$ws?token=" . $ann->token, 403, 'ORIGIN_NOT_ALLOWED', Origin => 'https://evil.example');
    my $plain = $refuses->('a plain request', "$ws?token=" . $ann->token, 426, 'UPGRADE_REQUIRED', Upgrade => undef, Connection => 'close');
    is $plain->header('Upgrade'), 'websocket', 'is told what would do';
    my $old = $refuses->('an old version', "$ws?token=" . $ann->token, 426, 'UPGRADE_REQUIRED', 'Sec-WebSocket-Version' => 8);
    is $old->header('Sec-WebSocket-Version'), 13, 'is told which';

    my $res = $ann->post($ws, {});
    is $res->status, 405, 'POST';
    is $t->fcgi->request('GET', $ws)->status, 404, 'the api itself has no such path';
    my %accept = (headers => { Accept => 'text/event-stream' });
    error_is $ann->get("$sse?channel=nonsense", %accept), 422, 'VALIDATION_ERROR', field => 'channel';
    error_is $ann->get("$sse?channel=$channel-", %accept), 403, 'AUTHORIZATION_ERROR';
    error_is $bob->get("$sse?channel=$channel", %accept), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->get($sse, %accept), 422, 'VALIDATION_ERROR', field => 'channel';
    error_is $ann->get("$sse?channel=$channel"), 406, 'NOT_ACCEPTABLE';
};

subtest 'a user who has no session any more' => sub {
    my $gone = $t->user('gone');
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $gone->session);
    is open_ws($gone)->status, 401, 'does not come in';
};

subtest 'each way to bring a token' => sub {
    my $token = $ann->token;
    connected($ann);
    my $s = connected($ann, path => $ws, Authorization => "Bearer $token");
    is $s->header('Sec-WebSocket-Protocol'), undef, 'nothing is echoed that was not offered';
    $s = connected($ann, path => $ws, 'Sec-WebSocket-Protocol' => "bearer, $token");
    is $s->header('Sec-WebSocket-Protocol'), 'bearer', 'the protocol alone is echoed';
    connected($ann, path => "/api/v2/app/ws?token=$token");
    connected($ann, path => "/v1/app/ws?token=$token");
    connected($ann, Origin => $page);
    connected($ann, Origin => "https://localhost:$t->{https_port}");
    my $ticket = ticket($ann);
    connected($ann, path => "$ws?ticket=$ticket");
    is open_ws($ann, path => "$ws?ticket=$ticket")->status, 401, 'a ticket opens one connection';
    my $late = ticket($ann);
    $t->db->do(q{UPDATE realtime_tickets SET expires_at = now() - interval '1 second'});
    is open_ws($ann, path => "$ws?ticket=$late")->status, 401, 'and 30 seconds long';
    my $tenants = $t->key(type => 'public', origins => ['https://shop.example']);
    connected($ann, path => "$ws?ticket=" . ticket($ann), Origin => 'https://shop.example');
};

subtest "a user of a tenant's own issuer" => sub {
    my ($iss, $secret) = ('https://id.acme.example', 'the secret of acme, 32 bytes or more');
    my $key = $t->key(type => 'public', tenant => 'acme', origins => ['https://shop.acme.example']);
    $t->keep_secret($secret);
    status_is $t->team('owner', role => 'owner', tenant => 'acme')->post('/api/v1/dashboard/issuers', { name => 'Theirs', issuer => $iss, secret => $secret }), 201;
    my $token = mint({ iss => $iss, sub => 'u-1', iat => int time, exp => 3600 + int time }, key => $secret);
    my $theirs = $t->client(token => $token, key => $key, origin => 'https://shop.acme.example');
    my $s = Ashlar::Ws->open($t, "$ws?ticket=" . ticket($theirs), Origin => 'https://shop.acme.example');
    is $s->status, 101, 'comes in with a ticket';
    my $id = $s->next->{data}{user_id};
    ok $id, 'under a public id';
    $t->db->do('UPDATE users SET is_active = false WHERE tenant_id = ? AND public_id = ?', undef, $t->tenant_id('acme'), $id);
    is $s->end, 4403, 'and goes when the user is deactivated';
};

subtest 'as many connections as a user may have' => sub {
    my $many = $t->user('many');
    my @open = map { connected($many) } 1 .. 12;
    my $s = open_ws($many);
    is $s->status, 429, 'the thirteenth is refused';
    is $s->json->{error}{code}, 'RATE_LIMIT_EXCEEDED', 'with the usual code';
    ok $s->header('Retry-After'), 'and when to try again';
    (pop @open)->close;
    eventually { my $again = open_ws($many); $again->status == 101 } 10, 'one that goes makes room';
};

# ------------------------------------------------------------------ what is said

subtest 'connected' => sub {
    my $s = open_ws($ann);
    my $m = $s->next;
    is_deeply [ sort keys %$m ], [qw(data type)], 'type and data';
    is $m->{data}{user_id}, $ann->id, 'who I am';
    like $m->{data}{connected_at}, $TIME, 'and since when';
    is_deeply [ $s->rest(0.2) ], [], 'once';
};

subtest 'subscribe, message, unsubscribe' => sub {
    my ($one, $two) = (connected($ann), connected($ann));
    my $ack = subscribed($one, $channel);
    is_deeply [ sort keys %$ack ], [qw(channel event_id recovered type)], 'what subscribed tells';
    ok !$ack->{recovered}, 'nothing was to be recovered';
    subscribed($two, $channel);
    $one->say({ type => 'message', channel => $channel, data => { text => "h\x{e9}llo", n => [ 1, { a => undef } ] } });
    for ([ $two => 'the other' ], [ $one => 'the sender, too' ]) {
        my ($s, $name) = @$_;
        my $m = $s->next('channel_message');
        is_deeply $m->{data}, { text => "h\x{e9}llo", n => [ 1, { a => undef } ] }, "$name gets it";
        is $m->{channel},   $channel, 'on the channel';
        is $m->{sender_id}, $ann->id, 'from me';
        like $m->{timestamp}, $TIME, 'when';
        cmp_ok $m->{event_id}, '>', 0, 'and which';
    }
    $two->say({ type => 'unsubscribe', channel => $channel });
    is_deeply $two->next('unsubscribed'), { type => 'unsubscribed', channel => $channel }, 'unsubscribed';
    $one->say({ type => 'message', channel => $channel, data => {} });
    ok $one->next('channel_message'), 'one still listens';
    is_deeply [ $two->rest ], [], 'two does not';
    $two->say({ type => 'unsubscribe', channel => $channel });
    is error_of($two, 'NOT_SUBSCRIBED', 'unsubscribed twice')->{channel}, $channel, 'which channel';
    $two->say({ type => 'message', channel => $channel, data => {} });
    error_of($two, 'NOT_SUBSCRIBED', 'a message from outside');
};

subtest 'messages are usage of who sends and of who is sent them' => sub {
    my $une  = $t->user('une');
    my $used = sub { return $une->get('/api/v1/app/usage/current-period')->json('/websocket_messages') };
    my $one  = connected($une);
    my $own  = 'project:' . $une->post('/api/v1/app/projects', { name => 'counted' })->json('/id');
    eventually { $used->() == 1 } 20, 'one is sent who made a project' or diag $used->();
    my $two = connected($une);
    subscribed($_, $own) for $one, $two;
    $one->say({ type => 'message', channel => $own, data => {} });
    ok $_->next('channel_message'), 'one message, and both have it' for $one, $two;
    eventually { $used->() == 4 } 20, 'which is three, and no answers to commands' or diag $used->();
    publish($own, { plain => 1 });
    ok $_->next('channel_message'), 'one from the server' for $one, $two;
    $_->close for $one, $two;
    eventually { $used->() == 6 } 20, 'also of connections that have ended' or diag $used->();
};

subtest 'what the server pushes' => sub {
    my $s = connected($ann);
    subscribed($s, $channel);
    publish($channel, { type => 'update', data => { id => 7 }, event_id => 'mine' });
    my $m = $s->next('update');
    is_deeply [ @$m{qw(type channel event_id)}, $m->{data} ], [ 'update', $channel, 'mine', { id => 7 } ], 'a payload with its own type is sent as given';
    publish($channel, { plain => 1 });
    $m = $s->next('channel_message');
    is_deeply [ @$m{qw(data sender_id)} ], [ { plain => 1 }, undef ], 'another one is the data, from nobody';
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, false), realtime_notify(?::text, 'Hi', 'there')}, undef, $ann->tenant_id, $ann->id);
    $m = $s->next('notification');
    is_deeply $m->{data}, { title => 'Hi', message => 'there' }, 'a notification needs no subscription';
    publish("$channel", { secret => 1 }, tenant => $eve->tenant_id);
    is_deeply [ $s->rest ], [], "another tenant's channel of the same name is another one";
};

# A user's own channel tells from the start, so what was missed before comes behind that.
subtest 'what was missed on the own channel comes once, whatever came before it was asked for' => sub {
    my $own = 'user:' . $ann->id;
    my $all = connected($ann);
    my $id  = subscribed($all, $own)->{event_id};
    publish($own, { n => 1 });
    is $all->next('channel_message')->{data}{n}, 1, 'the process has read the first';
    my $s = connected($ann);
    publish($own, { n => 2 });
    is $s->next('channel_message')->{data}{n}, 2, 'it tells while nobody has asked';
    publish($own, { n => 3 });    # without a notification: most likely it is in the history before the tail has read it
    my @n;
    $s->say({ type => 'subscribe', channel => $own, last_event_id => $id });
    while (my $m = $s->next('channel_message')) {
        push @n, $m->{data}{n};
        publish($own, { n => 4 }) if $m->{data}{n} == 3;
        last if $m->{data}{n} == 4;
    }
    is "@n", '1 3 4', 'then what is older, and what is newer';
};

subtest 'whose channels' => sub {
    my $s = connected($bob);
    my $try = sub ($name, $code, $why) {
        $s->say({ type => 'subscribe', channel => $name });
        error_of($s, $code, $why);
    };
    $try->($channel, 'FORBIDDEN', "somebody else's project");
    $try->('project:018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f', 'FORBIDDEN', 'one that is not there reads alike');
    $try->('user:' . $ann->id, 'FORBIDDEN', "somebody else's own");
    $try->('secret:1', 'FORBIDDEN', 'a kind that is none');
    $try->($_, 'INVALID_CHANNEL', "'$_'") for '', 'project', 'project:', ':1', 'Project:1', 'project 1:1', "project:a b", 'project:' . 'x' x 256;
    $s->say({ type => 'subscribe', channel => 7 });
    error_of($s, 'INVALID_CHANNEL', 'a number');
    $s->say({ type => 'subscribe' });
    error_of($s, 'INVALID_CHANNEL', 'none');
    my $other = connected($eve);
    $other->say({ type => 'subscribe', channel => $channel });
    error_of($other, 'FORBIDDEN', "another tenant's");
    my $job = connected($ann);
    subscribed($job, 'public:news');
    $job->say({ type => 'message', channel => 'public:news', data => {} });
    error_of($job, 'FORBIDDEN', 'a channel that only the server sends to');
};

subtest 'messages that are none' => sub {
    my $s = connected($ann);
    my %bad = (
        'not JSON'      => 'hello',
        'an array'      => '[]',
        'no type'       => '{}',
        'another type'  => '{"type":"publish","channel":"a:b"}',
        'twice'         => '{"type":"subscribe","type":"message","channel":"a:b"}',
        'data no object'  => qq({"type":"message","channel":"$channel","data":[1]}),
        'no data'       => qq({"type":"message","channel":"$channel"}),
        'a bad position' => qq({"type":"subscribe","channel":"$channel","last_event_id":"x"}),
        'too deep'      => '{"type":' . '[' x 40 . ']' x 40 . '}',
        'a zero'        => qq({"type":"message","channel":"$channel","data":{"a":"\\u0000"}}),
        'empty'         => '',
    );
    for (sort keys %bad) {
        $s->text($bad{$_});
        error_of($s, 'INVALID_MESSAGE', $_);
    }
    subscribed($s, $channel);
};

subtest 'frames' => sub {
    my $s = connected($ann);
    my $whole = qq({"type":"subscribe","channel":"$channel"});
    $s->frame(1, substr($whole, 0, 7), more => 1);
    $s->frame(9, 'ping in between');
    $s->frame(0, substr($whole, 7, 9), more => 1);
    $s->frame(0, substr($whole, 16));
    ok $s->next('subscribed'), 'a message in pieces';
    my $pad = 32 * 1024 - length qq({"type":"message","channel":"$channel","data":{"x":""}});
    $s->text(qq({"type":"message","channel":"$channel","data":{"x":") . 'x' x $pad . '"}}');
    is length $s->next('channel_message')->{data}{x}, $pad, '32 KiB';
    $s->text('x' x (32 * 1024 + 1));
    error_of($s, 'MESSAGE_TOO_LARGE', 'one byte more');
    is $s->end, 1009, 'closes';
    $s = connected($ann);
    $s->frame(1, 'x' x 20_000, more => 1);
    $s->frame(0, 'x' x 20_000);
    is $s->end, 1009, 'in pieces, too';
    $s = connected($ann);
    $s->frame(2, $whole);
    error_of($s, 'INVALID_MESSAGE', 'a binary frame');
    is $s->end, 1003, 'closes';
    $s = connected($ann);
    $s->text(qq({"type":"\xff"}));
    is $s->end, 1007, 'what is not UTF-8 closes';
    $s = connected($ann);
    $s->close;
    pass 'a client that goes';
};

subtest 'who is told why although something still comes' => sub {
    for (1 .. 10) {
        my $s = connected($ann);
        $s->frame(2, 'x');
        $s->frame(10, 'ping') for 1 .. 50;
        is $s->end, 1003, 'the code arrives';
    }
};

subtest 'at most 100 channels' => sub {
    my $s = connected($ann);
    $s->say({ type => 'subscribe', channel => "public:$_" }) for 1 .. 45;
    ok $s->next('subscribed'), "channel $_" for 1 .. 45;
    sleep 2;    # as the rate limit asks
    $s->say({ type => 'subscribe', channel => "public:$_" }) for 46 .. 100;
    ok $s->next('subscribed'), "channel $_" for 46 .. 100;
    $s->say({ type => 'subscribe', channel => 'public:101' });
    error_of($s, 'TOO_MANY_CHANNELS', 'the 101st');
    $s->say({ type => 'unsubscribe', channel => 'public:1' });
    ok $s->next('unsubscribed'), 'one less';
    subscribed($s, 'public:101');
};

subtest 'a flood' => sub {
    my $s = connected($ann);
    $s->say({ type => 'unsubscribe', channel => $channel }) for 1 .. 120;
    my @codes = map { $_->{code} } $s->rest(1);
    is scalar(grep { $_ eq 'NOT_SUBSCRIBED' } @codes[ 0 .. 99 ]), 100, 'a hundred at once are answered';
    ok scalar(grep { $_ eq 'RATE_LIMITED' } @codes), 'more are dropped';
    for (1 .. 900) { $s->say({ type => 'unsubscribe', channel => $channel }) or last }
    is $s->end, 4429, 'and many more close';
};

# ------------------------------------------------------------------ recovery, presence

subtest 'who comes back misses nothing' => sub {
    my $s     = connected($ann);
    my $ack   = subscribed($s, $channel);
    publish($channel, { n => 1 });
    my $first = $s->next('channel_message');
    $s->close;
    publish($channel, { n => $_ }) for 2 .. 20;
    $s = connected($ann);
    $ack = subscribed($s, $channel, last_event_id => $first->{event_id});
    ok $ack->{recovered}, 'recovered';
    publish($channel, { n => 21 });
    is_deeply [ map { $s->next('channel_message')->{data}{n} } 1 .. 20 ], [ 2 .. 21 ], 'all of it, in order, and then what comes';
    is_deeply [ $s->rest ], [], 'and nothing twice';
    $s = connected($ann);
    $ack = subscribed($s, $channel, last_event_id => $ack->{event_id} + 1_000_000);
    ok !$ack->{recovered}, 'a position that was never given out is not recovered';
};

subtest 'who is there' => sub {
    my $id  = $t->organization($ann);
    my $org = "organization:$id";
    $t->member($id, $bob, 'member');
    my $one = connected($ann);
    subscribed($one, $org, presence => true);
    my $m;
    $m = state_of($one);
    is_deeply [ map { $_->{user_id} } @{ $m->{users} } ], [ $ann->id ], 'only me';
    my $two = connected($bob);
    subscribed($two, $org, presence => true);
    my $of_bob = sub { my $m; do { $m = $one->next('presence') // {} } while ($m->{user_id} // '') eq $ann->id; return $m };
    $m = $of_bob->();
    is_deeply [ @$m{qw(event user_id channel)} ], [ 'join', $bob->id, $org ], 'bob comes';
    $m = state_of($two);
    is_deeply [ sort map { $_->{user_id} } @{ $m->{users} } ], [ sort $ann->id, $bob->id ], 'and sees both';
    $two->close;
    $m = $of_bob->();
    is_deeply [ @$m{qw(event user_id)} ], [ 'leave', $bob->id ], 'bob goes';
};

# ------------------------------------------------------------------ the end of it

subtest 'membership that ends' => sub {
    my $id  = $t->organization($ann);
    my $org = "organization:$id";
    $t->member($id, $bob, 'member');
    my $s = connected($bob);
    subscribed($s, $org);
    $t->db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $id, $bob->uuid);
    my $m = $s->next('unsubscribed', 10);
    is_deeply $m, { type => 'unsubscribed', channel => $org, code => 'FORBIDDEN' }, 'takes the channel along';
    publish($org, { late => 1 });
    is_deeply [ grep { $_->{type} } $s->rest ], [], 'and nothing comes from there';
};

subtest 'membership whose time is over' => sub {
    my $id  = $t->organization($ann);
    my $org = "organization:$id";
    $t->member($id, $bob, 'member');
    my $s = connected($bob);
    subscribed($s, $org);
    $t->db->do('INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at) SELECT tenant_id, organization_id, id, now() FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $id, $bob->uuid);
    is_deeply $s->next('unsubscribed', 10), { type => 'unsubscribed', channel => $org, code => 'FORBIDDEN' }, 'takes the channel along, and waits for no job';
};

subtest 'who is removed from a workspace' => sub {
    my $id   = $t->organization($ann);
    my $org  = "organization:$id";
    my $cid  = $t->user('cid');
    my %as   = (headers => { 'X-Workspace-Id' => $id });
    $t->member($id, $cid, 'member');
    my ($member) = $t->db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $id, $cid->uuid);
    my $stream = sub ($path) { Ashlar::Ws->open($t, $path, Upgrade => undef, Connection => 'close', Accept => 'text/event-stream') };
    my $s      = connected($cid);
    subscribed($s, $org);
    my @open = ($stream->("$sse?channel=$org&token=" . $cid->token), $stream->('/api/v1/notifications/stream?token=' . $cid->token . "&workspace_id=$id"));
    is $_->status, 200, 'a stream' for @open;
    status_is $ann->delete("/api/v1/members/$member", %as), 204, 'by the API, as anybody does it';
    is_deeply $s->next('unsubscribed', 10), { type => 'unsubscribed', channel => $org, code => 'FORBIDDEN' }, 'the subscription ends';
    for my $one (@open) {
        1 while $one->{in} !~ /FORBIDDEN/ && $one->_read(10) && !$one->{is_over};
        like $one->{in}, qr/^event: error\ndata: .*FORBIDDEN/m, 'a stream is told';
    }
    publish($org, { late => 1 });
    is_deeply [ grep { $_->{type} } $s->rest ], [], 'and nothing comes from there';
    error_is $cid->get('/api/v1/members/me', %as), 403, 'AUTHORIZATION_ERROR', name => 'nor is there anything to ask';
    error_is $cid->get("$sse?channel=$org", headers => { Accept => 'text/event-stream' }), 403, 'AUTHORIZATION_ERROR', name => 'or to come back to';
    $s->close;
};

subtest 'a session that ends' => sub {
    my $zoe = $t->user('zoe');
    my $s   = connected($zoe);
    my $stream = Ashlar::Ws->open($t, "$sse?channel=public:news&token=" . $zoe->token, Upgrade => undef, Connection => 'close');
    is $stream->status, 200, 'a stream';
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $zoe->session);
    my $at = time;
    error_of($s, 'REVOKED', 'is told');
    is $s->end, 4403, 'closes';
    cmp_ok time - $at, '<=', 6, 'within five seconds';
    1 while $stream->_read(10);
    like $stream->{in}, qr/^event: error\ndata: .*REVOKED/m, 'the stream is told, too';
    ok $stream->{is_over}, 'and ends';
};

subtest 'a token that ends' => sub {
    my $yan = $t->user('yan');
    my $s   = connected($yan, path => "$ws?token=" . $t->token($yan, exp => int(time) + 3));
    error_of($s, 'TOKEN_EXPIRED', 'is told');
    is $s->end, 4401, 'closes';
};

subtest 'a client that says nothing' => sub {
    my ($loud, $silent) = (connected($ann), connected($ann));
    $silent->{is_silent} = 1;
    my ($m, $until) = (undef, time + 30);
    until (($m = $silent->next(undef, 0.2)) && $m->{close} || time > $until) { $loud->rest(0.1) }
    is $m->{close}, 4408, 'not even to a ping, is gone';
    ok $silent->{pings}, 'it was asked';
    subscribed($loud, $channel);
};

subtest 'a client that does not read' => sub {
    my $fast = connected($ann);
    my $slow = connected($ann, on => "$t->{dir}/realtime.sock");
    subscribed($_, $channel) for $fast, $slow;
    my $dropped = $t->metric('ashlar_realtime_slow_total') // 0;
    my $n = 0;
    my $until = time + 20;
    while (time < $until) {
        publish($channel, { n => ++$n, pad => 'x' x 30_000 });
        $fast->next('channel_message') or last;
        last if $t->metric('ashlar_realtime_slow_total') > $dropped;
    }
    cmp_ok $t->metric('ashlar_realtime_slow_total'), '>', $dropped, 'is cut off';
    my @rest = $slow->rest(1);
    ok scalar(grep { ($_->{code} // '') eq 'SLOW_CONSUMER' || ($_->{close} // 0) == 4413 || ($_->{close} // 0) == 1006 } @rest), 'and told, as far as it reads';
    publish($channel, { last => 1 });
    ok $fast->next('channel_message'), 'whoever reads gets on';
};

# ------------------------------------------------------------------ streams

subtest 'server-sent events' => sub {
    publish($channel, { n => 0 });
    my $stream = sub ($query, %header) {
        return Ashlar::Ws->open($t, "$sse?channel=$channel&token=" . $ann->token . $query, Upgrade => undef, Connection => 'close', %header);
    };
    my $events = sub ($s, $want) {
        my $until = time + 10;
        while (time < $until) {
            my @events = map { my %e = map { split /: /, $_, 2 } grep { !/^:/ } split /\n/; \%e } grep { /^data: /m } split /\n\n/, $s->{in};
            return @events if @events >= $want;
            last if !defined $s->_read(1) && $s->{is_over};
        }
        return;
    };
    my $s = $stream->('');
    is $s->status, 200, 'a stream';
    is $s->header('Content-Type'), 'text/event-stream', 'of its type';
    ok $s->header('X-Request-ID'), 'with the usual headers';
    my @got = $events->($s, 2);
    like $s->{in}, qr/^retry: \d+$/m, 'it says when to come back';
    is_deeply [ map { $_->{event} } @got ], [qw(connected subscribed)], 'greeted';
    publish($channel, { n => $_ }) for 1 .. 3;
    @got = $events->($s, 5);
    is $got[2]{event}, 'channel_message', 'a message';
    my $m = Cpanel::JSON::XS->new->utf8->decode($got[2]{data});
    is $m->{event_id}, $got[2]{id}, 'whose id is the event_id';
    is_deeply $m->{data}, { n => 1 }, 'and whose data is the message';
    eventually { $s->_read(0.1); $s->{in} =~ /^:$/m } 10, 'comments keep it open';
    my $again = $stream->('', 'Last-Event-ID' => $got[2]{id});
    @got = $events->($again, 4);
    is_deeply [ map { Cpanel::JSON::XS->new->utf8->decode($_->{data})->{data}{n} } @got[ 2, 3 ] ], [ 2, 3 ], 'Last-Event-ID brings what came behind it';
    ok Cpanel::JSON::XS->new->utf8->decode($got[1]{data})->{recovered}, 'and says that this is all';
};

subtest 'a page of the tenant reads a stream' => sub {
    $t->key(type => 'public', origins => ['https://read.example']);
    my $s = Ashlar::Ws->open($t, "$sse?channel=public:news&ticket=" . ticket($ann), Upgrade => undef, Connection => 'close', Origin => 'https://read.example');
    is $s->status, 200, 'its origin is known by a public key';
    is $s->header('Access-Control-Allow-Origin'), 'https://read.example', 'and told that it may read';
    $s = Ashlar::Ws->open($t, "$sse?channel=public:news&ticket=" . ticket($ann), Upgrade => undef, Connection => 'close', Origin => 'https://evil.example');
    is $s->status, 403, 'another page may not';
};

subtest 'two servers on one database' => sub {
    $t->start_realtime('realtime2');
    my $here  = connected($ann);
    my $there = connected($ann, on => "$t->{dir}/realtime2.sock");
    subscribed($_, $channel) for $here, $there;
    $there->say({ type => 'message', channel => $channel, data => { from => 'there' } });
    is $here->next('channel_message')->{data}{from}, 'there', 'one sees what came through the other';
    $here->say({ type => 'message', channel => $channel, data => { from => 'here' } });
    is $there->next('channel_message')->{data}{from}, 'there', 'its own first';
    is $there->next('channel_message')->{data}{from}, 'here', 'and the other way round';
    ok $t->master('realtime2')->stop('TERM', 15), 'it stops when asked to';
    is $there->end, 1012, 'and its clients are told to come back';
};

subtest 'what the metrics tell' => sub {
    my $s = connected($ann);
    eventually { ($t->metric('ashlar_realtime_connections') // 0) >= 1 } 5, 'connections';
    cmp_ok $t->metric("ashlar_realtime_$_"), '>', 0, $_ for qw(subscriptions connections_total received_total delivered_total);
    cmp_ok $t->metric('ashlar_requests_total', route => $ws, status => 101), '>', 0, 'handshakes';
};

subtest 'no server' => sub {
    ok $t->master('realtime')->stop('TERM', 15), 'it is away';
    my $s = open_ws($ann);
    is $s->status, 502, 'a handshake is told';
    is $s->json->{error}{code}, 'BAD_GATEWAY', 'as by the API';
    ok !eval { Ashlar::Ws->open($t, "$sse?channel=$channel&token=" . $ann->token, Upgrade => undef, Connection => 'close', Accept => 'text/event-stream'); 1 },
        'an EventSource is not: it would never come back';
    $t->start_realtime;
    connected($ann);
};

subtest 'an authorizer that dies' => sub {
    my $s = connected($ann);
    my @authorizers = $t->children('realtime');
    kill STOP => @authorizers;
    my $waits = IO::Socket::UNIX->new("$t->{dir}/realtime.sock") or die "realtime.sock: $!\n";
    print {$waits} join "\r\n", "GET $ws?token=" . $ann->token . ' HTTP/1.1', 'Host: localhost', 'X-Real-IP: 127.0.0.1', 'X-Request-ID: whose-authorizer-dies', '', '';
    $waits->flush;
    for (1 .. 3) {    # then the handshake is at one of them
        $s->say({ type => 'nonsense' });
        $s->next('error');
    }
    kill KILL => @authorizers;
    $t->expect_log(qr/authorizer \d+ ended/);
    my $answer = do { local $/ = undef; <$waits> };
    like $answer, qr{\AHTTP/1\.1 503 .*"code":"SERVICE_UNAVAILABLE"}s, 'who waits for it is to come again';
    like $answer, qr/^X-Request-ID: whose-authorizer-dies\r$/m, '  and told which request it was';
    eventually { open_ws($ann)->status == 101 } 15, 'is replaced';
    subscribed($s, $channel);
};

subtest 'a reload' => sub {
    my $s = connected($ann);
    my %before = map { $_ => 1 } $t->children('realtime');
    $t->master('realtime')->signal('HUP');
    eventually { my @now = $t->children('realtime'); @now && !grep { $before{$_} } @now } 15, 'authorizers are new';
    subscribed($s, $channel);
    connected($ann);
};
