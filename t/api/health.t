use v5.36;
use lib 't/lib';
use Api;

my $t = Api->start;

subtest 'liveness needs no credentials' => sub {
    my $res = $t->get('/api/v1/public/health');
    status_is $res, 200;
    # The app surface asks for status and timestamp, the operations surface for the rest.
    json_is $res, '', { status => 'healthy', timestamp => $TIME, version => qr/^\d+\.\d+/, uptime => sub ($s) { $s =~ /^\d+$/ }, db => 'connected' };
    status_is $t->client(token => 'nonsense')->get('/api/v1/public/health'), 200, 'and does not look at them';
    header_like $res, 'Cache-Control', qr/no-store|no-cache/, 'nobody may answer for us';
};

subtest 'readiness names its components' => sub {
    my $res = $t->get('/api/v1/public/health/ready');
    status_is $res, 200;
    json_is $res, '/status', 'healthy';
    json_is $res, '/timestamp', $TIME;
    json_is $res, '/components', { database => { status => 'healthy' }, cache => { status => 'healthy' } };
};

subtest 'both exist under version 2' => sub {
    json_is $t->get('/api/v2/public/health/ready'), '/data/status', 'healthy', 'in its envelope';
    json_is $t->last, '/meta/version', 'v2';
    json_is $t->get('/api/v2/public/health'), '/data/status', 'healthy', 'and so is the other one';
    status_is $t->get('/api/v1/public/health?now=1'), 200, 'whoever probes may add what keeps caches away';
};

subtest 'the time is the server\'s, in UTC' => sub {
    my ($y, $m, $d, $H, $M, $S) = $t->get('/api/v1/public/health')->json('/timestamp') =~ /(\d+)/g;
    require Time::Local;
    cmp_ok abs(Time::Local::timegm($S, $M, $H, $d, $m - 1, $y) - time), '<=', 3;
};

subtest 'metrics are text, and nobody is asked for a token' => sub {
    my $res = $t->get('/api/v1/public/metrics', headers => { Accept => 'text/plain' });
    status_is $res, 200;
    header_like $res, 'Content-Type', qr{^text/plain; version=0\.0\.4};
};

subtest 'a HEAD has the headers of the GET and no body' => sub {
    my $res = $t->request('HEAD', '/api/v1/public/health');
    status_is $res, 200;
    body_is $res, '';
};

subtest 'what is not GET is refused' => sub {
    for my $method (qw(POST PUT PATCH DELETE)) {
        my $res = $t->request($method, '/api/v1/public/health');
        error_is $res, 405, 'METHOD_NOT_ALLOWED';
        header_like $res, 'Allow', qr/^(?=.*\bGET\b)(?=.*\bHEAD\b)(?!.*\b$method\b)/;
    }
};
