# Refresh tokens: each is used once, and what was stolen ends the session.

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

# As if the last rotation had been so long ago.
sub age ($res, $seconds) {
    $t->db->do('UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => ?) WHERE id = ?', undef, $seconds, session_of($res)->{id});
    return;
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

subtest 'it gets a new pair' => sub {
    my $ada = sign_in($t, 'bea@example.com', key => $secret);
    my $res = refresh($ada->json('/refresh_token'), token => 'not read');
    status_is $res, 200;
    json_is $res, '', { %{ $ada->json }, access_token => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, refresh_token => qr/\A[\w-]{91}\z/ }, 'of the same shape as login\'s';
    isnt $res->json('/refresh_token'), $ada->json('/refresh_token'), 'another refresh token';
    my ($old, $new) = map { claims($_->json('/access_token')) } $ada, $res;
    is_deeply { %$new, iat => 0, exp => 0 }, { %$old, iat => 0, exp => 0 }, 'the same session';
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
    age($first, 25);
    my $again = refresh($ada->json('/refresh_token'));
    status_is $again, 200;
    is $again->json('/refresh_token'), $first->json('/refresh_token'), 'the same refresh token';
    my ($one, $two) = map { claims($_->json('/access_token')) } $first, $again;
    is $one->{iat} - $two->{iat}, 25, 'the access token is made for the time of the rotation';
    is session_of($first)->{generation}, 1, 'nothing was rotated';
    my $third = refresh($ada->json('/refresh_token'));
    is $third->body, $again->body, 'byte for byte';
    is_deeply [ audit_of($t, 'session.refresh_reused') ], [], 'nobody is suspected';
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
    my $second = refresh($first->json('/refresh_token'));
    refused refresh($ada->json('/refresh_token')), 'the one before the last, though 30 seconds are not over';
    ok session_of($ada)->{revoked_at}, 'the session is revoked, and stays so';
    refused refresh($second->json('/refresh_token')), 'the newest one is void';
    error_is $t->client(token => $second->json('/access_token'))->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'and so is the access token';
    my ($reused) = audit_of($t, 'session.refresh_reused');
    is_deeply [ @$reused{qw(resource_id details)} ], [ session_of($ada)->{id}, { generation => 0, newest => 2 } ], 'the audit log has it';

    my $bob = sign_in($t, 'bob@example.com');
    $first = refresh($bob->json('/refresh_token'));
    age($first, 31);
    refused refresh($bob->json('/refresh_token')), 'the last one after 31 seconds';
    ok session_of($bob)->{revoked_at}, 'ends it, too';
    is scalar(audit_of($t, 'session.refresh_reused')), 2;
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
    for (1 .. 3) {
        my $res = refresh($ada->json('/refresh_token'), key => $secret);
        status_is $res, 200;
        is $res->json('/refresh_token'), $ada->json('/refresh_token'), 'the very token that was sent';
    }
    is session_of($ada)->{generation}, 0;
    set_tenant($t, 'acme', refresh_token_rotation => 1);
    isnt refresh($ada->json('/refresh_token'))->json('/refresh_token'), $ada->json('/refresh_token'), 'and on again';
};
