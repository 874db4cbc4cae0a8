use v5.36;
use lib 't/lib';
use Api;

my $app  = 'https://app.example.com';
my $t    = Api->start(CORS_ORIGINS => "$app,https://admin.example.com");
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';

sub vary ($res) { return join ', ', $res->header('Vary') }

subtest 'a page of another origin gets no permission' => sub {
    for my $origin ('https://evil.example.com', 'http://app.example.com', "$app.evil.com", 'https://app.example.com:444', 'null', "$app/") {
        my $res = $ann->get($base, headers => { Origin => $origin });
        status_is $res, 200, "$origin is answered";
        header_absent $res, 'Access-Control-Allow-Origin', '  but no page may read it';
        like vary($res), qr/\bOrigin\b/, '  and caches keep the two apart';
        header_absent $t->request('OPTIONS', $base, headers => { Origin => $origin, 'Access-Control-Request-Method' => 'POST' }),
            'Access-Control-Allow-Origin', '  nor is a preflight granted';
    }
};

subtest 'a configured origin may call' => sub {
    my $res = $ann->get($base, headers => { Origin => $app });
    header_is $res, 'Access-Control-Allow-Origin', $app;
    header_absent $res, 'Access-Control-Allow-Credentials', 'there are no cookies to send';
    header_like $res, 'Access-Control-Expose-Headers', qr/\bETag\b.*\bX-Request-ID\b/i;
    like vary($res), qr/\bOrigin\b/;
    header_is $ann->get($base, headers => { Origin => 'https://admin.example.com' }), 'Access-Control-Allow-Origin', 'https://admin.example.com';
};

subtest 'a preflight is answered without credentials' => sub {
    my $res = $t->request('OPTIONS', "$base/00000000-0000-7000-8000-00000000dead", headers => {
        Origin                           => $app,
        'Access-Control-Request-Method'  => 'PATCH',
        'Access-Control-Request-Headers' => 'authorization, content-type, if-match, idempotency-key',
    });
    status_is $res, 204;
    body_is $res, '';
    header_is $res, 'Access-Control-Allow-Origin', $app;
    header_like $res, 'Access-Control-Allow-Methods', qr/\bPATCH\b/;
    header_like $res, 'Access-Control-Allow-Headers', qr/(?=.*\bAuthorization\b)(?=.*\bContent-Type\b)(?=.*\bIf-Match\b)(?=.*\bIdempotency-Key\b)/i;
    header_like $res, 'Access-Control-Max-Age', qr/^\d+$/;
};

subtest 'a page can read errors too' => sub {
    header_is $t->get($base, headers => { Origin => $app }), 'Access-Control-Allow-Origin', $app, 'a 401';
    header_is $ann->get('/api/v1/app/nothing', headers => { Origin => $app }), 'Access-Control-Allow-Origin', $app, 'a 404';
    header_is $ann->get("$base?limit=0", headers => { Origin => $app }), 'Access-Control-Allow-Origin', $app, 'a 422';
};

subtest 'what pages may send and see' => sub {
    my $res = $t->request('OPTIONS', $base, headers => { Origin => $app, 'Access-Control-Request-Method' => 'GET' });
    header_like $res, 'Access-Control-Allow-Headers', qr/\b$_\b/, "$_ may be sent"
        for qw(Authorization Cache-Control Content-Type Idempotency-Key If-Match If-None-Match Last-Event-ID X-API-Key X-Organization-Id X-Workspace-Id X-Request-ID);
    my $seen = $ann->get($base, headers => { Origin => $app })->header('Access-Control-Expose-Headers');
    like $seen, qr/\b$_\b/, "$_ can be seen" for qw(Allow ETag Retry-After X-Request-ID X-RateLimit-Reset RateLimit RateLimit-Policy WWW-Authenticate);
    $res = $ann->post($base, undef, raw => 'x' x 2_100_000, headers => { Origin => 'https://any.example' });
    error_is $res, 413, 'PAYLOAD_TOO_LARGE', name => 'nginx\'s own answer';
    header_is $res, 'Access-Control-Allow-Origin',   'https://any.example', '  can be read by every page';
    header_is $res, 'Access-Control-Expose-Headers', $seen,                 '  and shows the same';
};

# A product's front end: one client for all calls, with its public key in each.
subtest 'a page of a public key\'s own origin can call everything with it' => sub {
    my $page = 'https://shop.example';
    my $key  = $t->key(type => 'public', origins => [$page]);
    my $from = sub ($origin, $path, %with) { return $ann->with(key => $key, origin => $origin, %with)->get($path) };
    for my $path ($base, '/api/v1/webhooks', '/api/v1/app/users/me', '/api/v1/public/health', '/api/v1/auth/mfa', '/api/bull-queue/stats') {
        my $res = $t->request('OPTIONS', $path, headers => {
            Origin => $page, 'Access-Control-Request-Method' => 'GET', 'Access-Control-Request-Headers' => 'authorization, X-Api-Key' });
        status_is $res, 204, "$path: the preflight";
        header_is $res, 'Access-Control-Allow-Origin', $page, '  is granted';
        header_is $from->($page, $path), 'Access-Control-Allow-Origin', $page, '  and the answer can be read';
        header_is $from->($page, $path, token => 'expired'), 'Access-Control-Allow-Origin', $page, '  or why there is none' if $path !~ /health/;
    }
    my $res = $t->request('OPTIONS', '/api/v1/app/ws/ticket', headers => {
        Origin => $page, 'Access-Control-Request-Method' => 'POST', 'Access-Control-Request-Headers' => 'x-api-key' });
    header_is $res, 'Access-Control-Allow-Origin', $page, 'a ticket, too';
    status_is $from->('https://evil.example', $base), 200, 'where no key is asked for another page is nobody';
    header_absent $from->('https://evil.example', $base), 'Access-Control-Allow-Origin', '  and reads nothing';
    error_is $from->('https://evil.example', '/api/v1/auth/mfa'), 403, 'ORIGIN_NOT_ALLOWED', name => 'where one is, it is refused';
    header_is $from->('https://evil.example', '/api/v1/auth/mfa'), 'Access-Control-Allow-Origin', 'https://evil.example', '  and can read that';
    header_is $t->client(key => 'pk_live_' . 'x' x 32, origin => $page)->get('/api/v1/auth/mfa'), 'Access-Control-Allow-Origin', $page, '  or that nobody knows the key';
    header_absent $t->client(key => $t->key, origin => $page)->get('/api/v1/auth/mfa'), 'Access-Control-Allow-Origin', 'a secret key in a page gets no help';
    my $other = $t->user('olga', tenant => 'other');
    status_is $other->with(key => $key, origin => $page)->get('/api/v1/app/users/me'), 200, 'where none is asked for it does not say whose user one is';
    status_is $ann->with(key => $key)->get($base), 200, '  and needs no page';
    $t->db->do('UPDATE api_keys SET revoked_at = now() WHERE public_text = ?', undef, $key);
    header_absent $from->($page, $base), 'Access-Control-Allow-Origin', 'once it is revoked its pages are nobody\'s';
};

subtest 'without configured origins there is no CORS' => sub {
    my $plain = Api->start;
    my $res   = $plain->user('ann')->get($base, headers => { Origin => $app });
    status_is $res, 200;
    header_absent $res, 'Access-Control-Allow-Origin';
};

subtest 'the asterisk stands for all' => sub {
    my $open = Api->start(CORS_ORIGINS => '*');
    header_like $open->get('/api/v1/public/health', headers => { Origin => 'https://any.example' }), 'Access-Control-Allow-Origin',
        qr{^(?:\*|https://any\.example)$};
};
