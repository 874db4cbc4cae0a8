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
