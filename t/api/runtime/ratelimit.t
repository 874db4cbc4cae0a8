use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes 'sleep';

my $t    = Api->start(RATE_LIMIT_DEFAULT => 12, main => 3, slow => 2);
my $ann  = $t->user('ann');
my $bob  = $t->user('bob');
my $path = '/api/v1/app/users/me';

# Ask until refused, at most n times: how many were answered.
sub spend ($who, $n, $url = $path, %arg) {
    for my $done (0 .. $n - 1) {
        return $done if $who->get($url, %arg)->status == 429;
    }
    return $n;
}

subtest 'a budget goes down with each request, and its headers tell' => sub {
    my $first = $ann->get($path);
    header_is $first, 'X-RateLimit-Limit',     12;
    header_is $first, 'X-RateLimit-Remaining', 11;
    header_like $first, 'X-RateLimit-Reset', qr/^\d{10}$/;
    cmp_ok abs($first->header('X-RateLimit-Reset') - time), '<=', 60, 'within the minute';
    header_like $first, 'RateLimit',        qr/r=11\b.*\bt=\d+/, 'the draft\'s header';
    header_like $first, 'RateLimit-Policy', qr/q=12\b.*\bw=60/,  'and its policy';
    header_is $ann->get($path), 'X-RateLimit-Remaining', 10, 'next';
    status_is $ann->get("$path?"), 200;
};

subtest 'when it is used up: 429, and when to come back' => sub {
    my $left = spend($ann, 20);
    cmp_ok $left, '>=', 9,  'what was left is given';
    cmp_ok $left, '<=', 10, '  and hardly more';
    my $res = $ann->last;
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    header_is $res, 'X-RateLimit-Remaining', 0;
    header_like $res, 'Retry-After', qr/^[1-9]\d?$/;
    cmp_ok $res->header('Retry-After'), '<=', 6, 'a twelfth of a minute at most';
    json_is $res, '/error/details/retry_after', 0 + $res->header('Retry-After');
};

subtest 'waiting that long is enough' => sub {
    spend($ann, 20);
    my $wait = $ann->last->header('Retry-After');
    sleep $wait + 0.1;
    status_is $ann->get($path), 200;
};

subtest 'a budget is of one user, in all versions and whatever connection' => sub {
    is spend($bob, 20), 12, 'another user has the whole of it';
    error_is $bob->get('/api/v2/app/users/me'), 429, 'RATE_LIMIT_EXCEEDED';
    error_is $bob->get($path, fresh => 1), 429, 'RATE_LIMIT_EXCEEDED';
    my $again = $t->client(token => $t->token($bob, iat => time - 5));
    error_is $again->get($path), 429, 'RATE_LIMIT_EXCEEDED', name => 'another token of the same user';
    error_is $bob->post('/api/v1/app/projects', { name => 'x' }), 429, 'RATE_LIMIT_EXCEEDED', name => 'nor can it be spent elsewhere';
};

subtest 'all children of all pools count together' => sub {
    my $cat    = $t->user('cat');
    my %params = (params => { HTTP_AUTHORIZATION => 'Bearer ' . $cat->token });
    my $n      = 0;
    for (1 .. 10) {
        $n++ if $t->fcgi('main')->request('GET', $path, %params)->status == 200;
        $n++ if $t->fcgi('slow')->request('GET', $path, %params)->status == 200;
    }
    cmp_ok $n, '>=', 12;
    cmp_ok $n, '<=', 13, 'twelve, however many answer';
};

subtest 'the death of a child forgets nothing' => sub {
    my $dan = $t->user('dan');
    is spend($dan, 12), 12;
    my @before = $t->children;
    kill 'KILL', @before;
    eventually { my @now = $t->children; @now == 3 && !grep { my $pid = $_; grep { $_ == $pid } @before } @now } 10, 'all children were replaced';
    my $res = $dan->get($path);
    is $res->status, 429, 'and the budget is still used up' or diag $res->describe;
    $t->expect_log(qr/upstream prematurely closed|Connection reset|SIGKILL|signal 9|killed/i);
};

subtest 'without credentials the address counts, whatever it claims to be' => sub {
    my $health = '/api/v1/public/health';
    my $n      = spend($t->client, 30, $health);
    cmp_ok $n, '<=', 13, 'twelve are answered';
    for my $header (qw(X-Forwarded-For X-Real-IP Forwarded Client-IP True-Client-IP CF-Connecting-IP)) {
        my $value = $header eq 'Forwarded' ? 'for=198.51.100.7' : '198.51.100.7';
        my $got   = $t->client->get($health, headers => { $header => $value });
        is $got->status, 429, "$header changes nothing" or diag $got->describe;
    }
    status_is $t->user('fay')->get($path), 200, 'a user at the same address has their own budget';
};

subtest 'guessing tokens is limited by address too' => sub {
    my $refused = $t->client(token => 'a.b.c')->get($path);
    error_is $refused, 429, 'RATE_LIMIT_EXCEEDED';
};

subtest 'OPTIONS costs nothing' => sub {
    status_is $t->request('OPTIONS', $path), 204;
};

subtest 'behind a trusted proxy its X-Forwarded-For counts' => sub {
    my $behind = Api->start(RATE_LIMIT_DEFAULT => 3, nginx => { REAL_IP_FROM => '127.0.0.1' });
    my $health = '/api/v1/public/health';
    for my $ip ('198.51.100.1', '198.51.100.2', '2001:db8::1') {
        is spend($behind->client, 9, $health, headers => { 'X-Forwarded-For' => $ip }), 3, $ip;
    }
    is spend($behind->client, 9, $health, headers => { 'X-Forwarded-For' => '203.0.113.9, 198.51.100.1' }), 0, 'what a client put in front does not';
};

subtest '0 turns the limits off' => sub {
    my $free = Api->start(RATE_LIMIT_DEFAULT => 0);
    is spend($free->user('ann'), 100), 100;
};

subtest 'nginx has a coarser limit in front, with the same answer' => sub {
    my $flood = Api->start(nginx => { LIMIT_RATE => 5 });
    $flood->expect_log(qr/limiting requests/);
    my $client = $flood->client;
    my $res;
    for (1 .. 500) {
        $res = $client->get('/api/v1/public/health');
        last if $res->status != 200;
    }
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
};

subtest 'the operations surface has a budget of its own' => sub {
    my $o      = Api->start(slow => 0, main => 1, RATE_LIMIT_DEFAULT => 60, RATE_LIMIT_OPERATIONS => 300, RATE_LIMIT_KEY => 1000);
    my $editor = $o->user('editor', role => 'editor');
    header_is $editor->get('/api/bull-queue/stats'), 'X-RateLimit-Limit', 300, 'for users';
    header_like $editor->get('/api/bull-queue/stats'), 'X-RateLimit-Remaining', qr/^29[89]$/, '  which counts';
    header_is $editor->get('/api/v1/app/users/me'), 'X-RateLimit-Remaining', 59, '  and no other';
    header_is $o->client(token => $o->key)->get('/api/bull-queue/stats'), 'X-RateLimit-Limit', 1000, 'a secret key has the keys\', as the bearer too';
};

subtest 'nginx has a wider limit for secret keys, and for preflights' => sub {
    my $o      = Api->start(slow => 0, nginx => { LIMIT_RATE => 5, LIMIT_RATE_KEYS => 500 });
    my $server = $o->client(key => $o->key);
    $o->expect_log(qr/./);
    is scalar(grep { $server->get('/api/bull-queue/stats')->status != 200 } 1 .. 100), 0, 'a hundred calls of a server';
    my $bearer = $o->client(token => $o->key);
    is scalar(grep { $bearer->get('/api/bull-queue/stats')->status != 200 } 1 .. 100), 0, '  with the key as its bearer, too';
    is scalar(grep { $o->request('OPTIONS', $path, headers => { Origin => 'https://a.example' })->status != 204 } 1 .. 100), 0, 'and of preflights';
    cmp_ok spend($o->client, 500), '<', 500, 'but not of anybody else';
};

# Straight to the pool, which nginx tells the address.
subtest 'who sends wrong secret keys is kept to the narrow limit' => sub {
    my $o     = Api->start(slow => 0, RATE_LIMIT_ADDRESS => 1, RATE_LIMIT_DEFAULT => 1000);
    my $key   = $o->key;
    my $wrong = 'sk_live_' . 'w' x 32;
    my $ask   = sub ($ip, $with, $url = '/api/bull-queue/stats', %more) {
        return $o->fcgi->request('GET', $url, params => { REMOTE_ADDR => $ip, ($with ? (HTTP_X_API_KEY => $with) : ()), %more });
    };
    my $until_refused = sub (@how) {
        for (1 .. 300) { $ask->(@how)->status == 429 and return 1 }
        return 0;
    };
    is scalar(grep { $ask->('192.0.2.1', $key)->status != 200 } 1 .. 30), 0, 'a key that is good is held by nothing';
    is scalar(grep { $ask->('192.0.2.1', $wrong)->status != 401 } 1 .. 19), 0, 'nineteen wrong ones';
    is scalar(grep { $ask->('192.0.2.1', $key)->status != 200 } 1 .. 30), 0, '  change nothing';
    is $ask->('192.0.2.1', $wrong)->status, 401, 'but the twentieth';
    ok $until_refused->('192.0.2.1', $key), '  puts its address under the narrow limit, with good keys, too';
    my $res = $ask->('192.0.2.1', $wrong);
    for (1 .. 100) {
        last if $res->status == 429;
        $res = $ask->('192.0.2.1', $wrong);
    }
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    header_like $res, 'RateLimit', qr/^"address";r=0;t=[1-2]$/;
    is $o->log_of($res)->{db_ms}, 0, '  without asking the database';
    is $ask->('192.0.2.2', $key)->status, 200, 'another address has nothing to do with it';
    is $ask->('192.0.2.1', undef, $path)->status, 401, 'nor has who sends none';
    $ask->("2001:db8:1:2::$_", $wrong) for 1 .. 20;
    ok $until_refused->('2001:db8:1:2:ffff::1', $key), 'of IPv6 an address is its network';
    is $ask->('2001:db8:1:3::1', $key)->status, 200, '  and no other';
    ok $until_refused->('192.0.2.3', $wrong, '/api/v1/public/health'), 'where no key is read, none makes the limit wide';
    ok $until_refused->('192.0.2.4', undef, $path, HTTP_AUTHORIZATION => "Bearer $wrong"), '  nor one as a bearer of what it is none of';
};

subtest 'a handler that counts attempts says so in all headers' => sub {
    my $o = Api->start(slow => 0, RATE_LIMIT_DEFAULT => 1000);
    my $res;
    for (1 .. 9) {
        $res = $o->post('/api/v1/tenant-auth/forgot-password', { email => 'nobody@example.com' });
        last if $res->status == 429;
    }
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    header_like $res, 'RateLimit', qr/^"attempts";r=0;t=\d{3,4}$/;
    header_is $res, 'X-RateLimit-Remaining', 0;
};

subtest 'each tenant has a budget of its own for an address' => sub {
    my $o     = Api->start(slow => 0, main => 1, RATE_LIMIT_DEFAULT => 5);
    my $me    = '/api/v1/auth/providers';
    my $of    = sub ($key) { return $o->client(key => $key, origin => 'https://app.example.com') };
    my ($acme, $other) = map { $of->($o->key(type => 'public', tenant => $_)) } qw(acme other);
    status_is $_->get($me), 200, 'a key that was let in is known from then on' for $acme, $other;
    is spend($acme, 20, $me), 5, 'one tenant\'s pages use theirs up';
    status_is $other->get($me), 200, 'another\'s have theirs';
    status_is $o->client->get('/api/v1/public/health'), 200, 'and who has no key the rest';

    my $made_up = 0;
    for my $n (1 .. 20) {
        last if $of->(sprintf 'pk_live_%032d', $n)->get($me)->status == 429;
        $made_up++;
    }
    cmp_ok $made_up, '<=', 5, 'keys that are made up have no budgets';
    status_is $other->get($me), 200, 'those that are known still have';
};

subtest 'and so have users who are called the same' => sub {
    my $o = Api->start(slow => 0, main => 1, RATE_LIMIT_DEFAULT => 5);
    my ($ann, $namesake) = map { $o->user('ann', tenant => $_) } qw(acme other);
    $o->db->do('UPDATE users SET public_id = ? WHERE id = ?', undef, $ann->id, $namesake->uuid);
    $o->db->do('UPDATE sessions SET subject = ? WHERE user_id = ?', undef, $ann->id, $namesake->uuid);
    $namesake = $o->client(token => $o->token($namesake, sub => $ann->id));
    is spend($ann, 20), 5;
    status_is $namesake->get($path), 200;
};

subtest 'of IPv6 a /64 is one address' => sub {
    my $behind = Api->start(RATE_LIMIT_DEFAULT => 3, nginx => { REAL_IP_FROM => '127.0.0.1' });
    my $health = '/api/v1/public/health';
    my $ask    = sub ($ip) { return $behind->client->get($health, headers => { 'X-Forwarded-For' => $ip })->status };
    is join(' ', map { $ask->($_) } '2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:ffff::3', '2001:db8:1:2::4'), '200 200 200 429';
    is $ask->('2001:db8:1:3::1'), 200, 'the next one is another';
};
