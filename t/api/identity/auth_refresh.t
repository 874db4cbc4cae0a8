# Refresh tokens: they stay the same, or are rotated; and then what was stolen ends the session.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant sign_in claims audit_of);
use Socket ();

my $t      = Api->start(@BEHIND_PROXY);
my $path   = '/api/v1/auth/refresh';
my $secret = $t->key(tenant => 'acme');

sub refresh ($token, %arg) { return $t->client(%arg)->post($path, { refresh_token => $token }) }

sub session_of ($res) {
    my ($row) = @{ $t->db->selectall_arrayref('SELECT * FROM sessions WHERE id = ?', { Slice => {} }, claims($res->json('/access_token'))->{sid}) };
    return $row;
}

# As if that much time had passed since the last rotation.
sub age ($res, $seconds) {
    $t->db->do(q{UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $1),
        earlier_rotations = ARRAY(SELECT r - make_interval(secs => $1) FROM unnest(earlier_rotations) WITH ORDINALITY u (r, n) ORDER BY n) WHERE id = $2},
        undef, $seconds, session_of($res)->{id});
    return;
}

# Use the access token once.
sub take ($res, %arg) { return $t->client(token => $res->json('/access_token'), %arg)->get('/api/v1/app/users/me') }

# How the audit log has a session's refreshes, oldest first: "reused 0 of 2".
sub noted ($res) {
    my $id = claims($res->json('/access_token'))->{sid};
    return map { ($_->{action} =~ s/.*_//r) . " $_->{shown} of $_->{newest}" } @{ $t->db->selectall_arrayref(
        q{SELECT action, details ->> 'generation' AS shown, details ->> 'newest' AS newest FROM audit_events
          WHERE resource_id = ? AND action LIKE 'session.refresh_%' ORDER BY seq}, { Slice => {} }, $id) };
}

sub refused ($res, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    error_is $res, 401, 'AUTHENTICATION_ERROR', name => $name;
    json_is $res, '/detail', 'Invalid token', '  with the text that clients compare';
    return;
}

subtest 'what is no refresh token of ours' => sub {
    my $ada = sign_in($t, 'ada@example.com');
    my $token = $ada->json('/refresh_token');
    $t->keep_secret($token);
    refused refresh('nonsense'), 'nonsense';
    refused refresh($ada->json('/access_token')), 'an access token';
    refused refresh(substr($token, 0, 90)), 'a piece of one';
    refused refresh(changed($token, 50)), 'a changed one';
    error_is $t->post($path, {}), 422, 'VALIDATION_ERROR', field => 'refresh_token';
    error_is refresh('nonsense', key => 'sk_live_' . 'x' x 32), 401, 'INVALID_API_KEY';
    refused refresh($token, key => $secret), 'another tenant\'s key';
    is session_of($ada)->{generation}, 0, 'nothing has happened to the session';
    error_is $t->client(token => $token)->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'and it is no access token';
    status_is refresh($token, key => $t->key), 200, 'the default tenant\'s key';
};

subtest 'a new tenant\'s stays the same' => sub {
    my $new = $t->key(tenant => 'fresh');
    is $t->db->selectrow_array('SELECT refresh_token_rotation FROM tenant_settings WHERE tenant_id = ?', undef, $t->tenant_id('fresh')), 0, 'as the contract has it';
    my $ada = sign_in($t, 'ada@example.com', key => $new);
    for (1 .. 3) {
        my $res = refresh($ada->json('/refresh_token'), key => $new);
        status_is $res, 200;
        is $res->json('/refresh_token'), $ada->json('/refresh_token'), 'the very token that was sent';
        status_is take($res), 200;
        ok !exists claims($res->json('/access_token'))->{gen}, 'the access token says nothing of generations';
    }
    is_deeply [ @{ session_of($ada) }{qw(generation used_generation)}, noted($ada) ], [ 0, 0 ], 'nothing is counted or suspected';
    is $t->db->selectrow_array('SELECT refresh_token_rotation FROM tenant_settings WHERE tenant_id = ?', undef, $t->tenant_id), 1, 'the default tenant is older, and keeps its choice';
};

set_tenant($t, 'acme', refresh_token_rotation => 1);

subtest 'rotated, it gets a new pair' => sub {
    my $ada = sign_in($t, 'bea@example.com', key => $secret);
    my $res = refresh($ada->json('/refresh_token'), token => 'not read');
    status_is $res, 200;
    json_is $res, '', { %{ $ada->json }, access_token => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, refresh_token => qr/\A[\w-]{91}\z/ }, 'of the same shape as login\'s';
    isnt $res->json('/refresh_token'), $ada->json('/refresh_token'), 'another refresh token';
    my ($old, $new) = map { claims($_->json('/access_token')) } $ada, $res;
    is_deeply { %$new, iat => 0, exp => 0 }, { %$old, iat => 0, exp => 0, gen => 1 }, 'the same session, and its next generation';
    is $new->{exp} - $new->{iat}, 3600;
    my $session = session_of($res);
    is $session->{generation}, 1;
    ok $t->db->selectrow_array('SELECT expires_at = created_at + interval \'30 days\' FROM sessions WHERE id = ?', undef, $session->{id}), 'the thirty days run from signing in';
    ok $session->{last_seen_at} gt $session->{created_at}, 'it was seen';
    my $next = refresh($res->json('/refresh_token'), key => $secret);
    status_is $next, 200, 'and so on, with the tenant\'s key or without';
    $t->db->do(q{UPDATE sessions SET expires_at = now() WHERE id = ?}, undef, $session->{id});
    refused refresh($next->json('/refresh_token')), 'until they are over';
};

subtest 'the same token again within 30 seconds gets the same pair' => sub {
    my $ada   = sign_in($t, 'cat@example.com');
    my $first = refresh($ada->json('/refresh_token'));
    status_is take($first), 200, 'also when another tab goes on already';
    age($first, 15);
    my $again = refresh($ada->json('/refresh_token'));
    status_is $again, 200;
    is $again->json('/refresh_token'), $first->json('/refresh_token'), 'the same refresh token';
    my ($one, $two) = map { claims($_->json('/access_token')) } $first, $again;
    is $one->{iat} - $two->{iat}, 15, 'the access token is made for the time of the rotation';
    is session_of($first)->{generation}, 1, 'nothing was rotated';
    my $third = refresh($ada->json('/refresh_token'));
    is $third->body, $again->body, 'byte for byte';
    is_deeply [ noted($ada) ], [ ('repeated 0 of 1') x 2 ], 'nobody is suspected, and it is put down';
    my ($row) = audit_of($t, 'session.refresh_repeated');
    is "$row->{actor_type} $row->{actor_id}", 'user ' . claims($ada->json('/access_token'))->{sub}, '  under the user\'s name';
};

subtest 'tabs that are opened together, some slower than others' => sub {
    my $ada    = sign_in($t, 'cid@example.com');
    my @newer  = refresh($ada->json('/refresh_token'));
    push @newer, refresh($newer[-1]->json('/refresh_token')) for 1 .. 2;
    status_is take($_), 200 for @newer;
    for my $slow ($ada, @newer[ 0, 1 ]) {
        my $res = refresh($slow->json('/refresh_token'));
        status_is $res, 200;
        is $res->json('/refresh_token'), $newer[-1]->json('/refresh_token'), 'gets the newest';
    }
    is_deeply [ noted($ada) ], [ map { "repeated $_ of 3" } 0 .. 2 ];
    age($ada, 20);
    my $last = refresh($newer[-1]->json('/refresh_token'));
    age($ada, 11);
    is refresh($newer[2]->json('/refresh_token'))->json('/refresh_token'), $last->json('/refresh_token'), 'each has its own 30 seconds';
    refused refresh($newer[1]->json('/refresh_token')), 'and no more';
    ok session_of($ada)->{revoked_at};
};

subtest 'an answer that was lost on the way signs nobody out' => sub {
    my $ada   = sign_in($t, 'cleo@example.com');
    my $token = $ada->json('/refresh_token');
    my $lost  = refresh($token);
    status_is take($ada), 200, 'the access token from before is no sign that the new one has arrived';
    for my $days (1, 10) {
        age($lost, $days * 86400);
        my $res = refresh($token);
        status_is $res, 200, 'however late it asks again';
        is $res->json('/refresh_token'), $lost->json('/refresh_token'), '  it gets the same refresh token';
        my $claims = claims($res->json('/access_token'));
        cmp_ok $claims->{exp}, '>', time + 3500, '  and an access token that is good';
        is $claims->{gen}, 1;
        $lost = $res;
    }
    is_deeply [ noted($ada) ], [ ('repeated 0 of 1') x 2 ], 'the audit log has each time';
    my $next = refresh($lost->json('/refresh_token'));
    status_is $next, 200, 'the answer that arrived goes on from there';
    age($next, 31);
    status_is refresh($lost->json('/refresh_token')), 200, '  also when that one is lost again';
    refused refresh($token), 'but then the first has a child that was refreshed';
    ok session_of($ada)->{revoked_at};
};

subtest 'once its access token was taken the answer has arrived' => sub {
    my %use = (
        read  => sub ($res) { status_is take($res), 200 },
        write => sub ($res) { status_is $t->client(token => $res->json('/access_token'))->post('/api/v1/app/projects', { name => 'x' }), 201 },
        key   => sub ($res) { status_is $t->client(token => $res->json('/access_token'), key => $t->key)->get('/api/v1/auth/me'), 200 },
    );
    for my $how (sort keys %use) {
        my $ada = sign_in($t, "how-$how\@example.com");
        my $new = refresh($ada->json('/refresh_token'));
        is session_of($new)->{used_generation}, 0, "$how: not yet";
        $use{$how}->($new);
        is session_of($new)->{used_generation}, 1, '  now';
        my $noted = session_of($new)->{updated_at};
        $use{$how}->($new) for 1 .. 2;
        is session_of($new)->{updated_at}, $noted, '  it is written once';
        age($new, 31);
        refused refresh($ada->json('/refresh_token')), '  and the token before it ends the session';
        is_deeply [ noted($ada) ], ['reused 0 of 1'];
        error_is take($new), 401, 'AUTHENTICATION_ERROR';
    }
    my $ada = sign_in($t, 'how-not@example.com');
    my $new = refresh($ada->json('/refresh_token'));
    error_is $t->client(token => $new->json('/access_token'))->get('/api/v1/admin/users'), 403, 'AUTHORIZATION_ERROR';
    is session_of($new)->{used_generation}, 0, 'what the door does not let in was not used';
};

subtest 'of requests that use it first at once none waits for another' => sub {
    my $ada  = sign_in($t, 'dot@example.com');
    my $new  = refresh($ada->json('/refresh_token'));
    my $lock = $t->lock('SELECT FROM sessions WHERE id = ? FOR NO KEY UPDATE', session_of($new)->{id});
    status_is take($new), 200;
    $lock->rollback;
    is session_of($new)->{used_generation}, 0, 'whoever holds the row puts it down';
    status_is take($new), 200;
    is session_of($new)->{used_generation}, 1, '  or else the next';
};

subtest 'two holders of one token take turns' => sub {
    my $owner = sign_in($t, 'dee@example.com');
    my $thief = $owner;
    my $turn  = sub ($holder) {
        my $res = refresh($holder->json('/refresh_token'));
        take($res) if $res->status == 200;
        age($owner, 3600);
        return $res;
    };
    $thief = $turn->($thief);
    status_is $thief, 200, 'the first turn';
    refused $turn->($owner), 'the second one';
    refused $turn->($thief), 'nor has the first holder anything left';
    error_is take($thief), 401, 'AUTHENTICATION_ERROR', name => '  at once';
    is_deeply [ noted($owner) ], ['reused 0 of 1'], 'and it is put down';

    # A client that uses nothing keeps no other out, and gets nowhere.
    $owner = sign_in($t, 'don@example.com');
    $thief = refresh($owner->json('/refresh_token'));
    age($owner, 3600);
    my $mine = $turn->($owner);
    is $mine->json('/refresh_token'), $thief->json('/refresh_token'), 'a thief that waits';
    status_is $turn->($mine), 200;
    refused $turn->($thief), '  is found out when it is used to what the owner has used';
    ok session_of($owner)->{revoked_at};
};

subtest 'parallel refreshes all get the same pair' => sub {
    my $ada  = sign_in($t, 'dan@example.com');
    my $lock = $t->lock('SELECT FROM sessions WHERE id = ? FOR UPDATE', session_of($ada)->{id});
    my @bodies = do {
        my @tabs = map {
            socketpair my $mine, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die "socketpair: $!\n";
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                print {$theirs} $t->client(http => $t->http)->post($path, { refresh_token => $ada->json('/refresh_token') })->body;
                close $theirs;
                require POSIX;
                POSIX::_exit(0);
            }
            close $theirs;
            [ $pid, $mine ];
        } 1 .. 2;
        eventually { $t->waiting >= 2 } 10, 'both wait for the session';
        $lock->commit;
        map { local $/ = undef; my $body = readline $_->[1]; waitpid $_->[0], 0; $body } @tabs;
    };
    like $bodies[0], qr/"access_token"/;
    is $bodies[1], $bodies[0], 'the same bytes';
    is session_of($ada)->{generation}, 1, 'of one rotation';
};

subtest 'an older one ends the session' => sub {
    my $ada    = sign_in($t, 'eve@example.com');
    my $first  = refresh($ada->json('/refresh_token'));
    age($first, 31);
    my $second = refresh($first->json('/refresh_token'));
    refused refresh($ada->json('/refresh_token')), 'the one before the last, though the last is fresh';
    ok session_of($ada)->{revoked_at}, 'the session is revoked, and stays so';
    refused refresh($second->json('/refresh_token')), 'the newest one is void';
    error_is $t->client(token => $second->json('/access_token'))->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'and so is the access token';
    my ($reused) = audit_of($t, 'session.refresh_reused');
    is_deeply [ @$reused{qw(resource_id details)} ], [ session_of($ada)->{id}, { generation => 0, newest => 2 } ], 'the audit log has it';

    my $bob = sign_in($t, 'bob@example.com');
    $first = refresh($bob->json('/refresh_token'));
    status_is take($first), 200;
    age($first, 31);
    refused refresh($bob->json('/refresh_token')), 'the last one after 31 seconds';
    ok session_of($bob)->{revoked_at}, 'ends it, too';
    is_deeply [ noted($bob) ], ['reused 0 of 1'];
};

subtest 'who may not sign in may not refresh' => sub {
    my $gil = sign_in($t, 'gil@example.com');
    my $set = sub ($what) { return $t->db->do("UPDATE users SET $what WHERE email = 'gil\@example.com'") };
    $set->('is_active = false');
    refused refresh($gil->json('/refresh_token')), 'deactivated';
    $set->('is_active = true');
    refused refresh($gil->json('/refresh_token')), '  for good: the session has ended';
    my $hal = sign_in($t, 'hal@example.com');
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, session_of($hal)->{id});
    refused refresh($hal->json('/refresh_token')), 'revoked';
};

subtest 'a tenant may turn rotation off' => sub {
    set_tenant($t, 'acme', refresh_token_rotation => 0);
    my $ada = sign_in($t, 'ida@example.com', key => $secret);
    my $res = refresh($ada->json('/refresh_token'), key => $secret);
    is $res->json('/refresh_token'), $ada->json('/refresh_token'), 'the very token that was sent';
    is session_of($ada)->{generation}, 0;
    set_tenant($t, 'acme', refresh_token_rotation => 1);
    my $new = refresh($ada->json('/refresh_token'));
    isnt $new->json('/refresh_token'), $ada->json('/refresh_token'), 'and on again';
    set_tenant($t, 'acme', refresh_token_rotation => 0);
    is refresh($new->json('/refresh_token'))->json('/refresh_token'), $new->json('/refresh_token'), 'and off: the newest stays';
    status_is take($new), 200;
    age($new, 31);
    refused refresh($ada->json('/refresh_token')), '  and an older one ends the session';
};
