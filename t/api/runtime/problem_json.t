use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';
my %ask  = (headers => { Accept => 'application/problem+json' });

# RFC 9457: the members that it names, and ours beside them.
sub problem_is ($res, $status, $code, %details) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    status_is $res, $status;
    header_like $res, 'Content-Type', qr{^application/problem\+json\b};
    my ($path) = $res->{request} =~ m{^\S+ ([^?]+)};
    json_is $res, '/status', $status;
    json_is $res, '/type',     qr{^https://localhost:\d+/.*\b$code$};
    json_is $res, '/title',    qr/./;
    json_is $res, '/detail',   qr/./;
    json_is $res, '/instance', $path;
    json_is $res, '/code',     $code;
    json_is $res, "/details/$_", $details{$_} for sort keys %details;
    json_lacks $res, '/error', 'and not the other shape as well';
}

subtest 'errors are problem details when the client asks for them' => sub {
    problem_is $t->get($base, %ask), 401, 'AUTHENTICATION_ERROR';
    header_like $t->last, 'WWW-Authenticate', qr/^Bearer/;
    problem_is $ann->get('/api/v1/app/nothing', %ask), 404, 'NOT_FOUND';
    problem_is $ann->delete($base, %ask), 405, 'METHOD_NOT_ALLOWED';
    header_like $ann->last, 'Allow', qr/GET/;
    problem_is $ann->post($base, {}, %ask), 422, 'VALIDATION_ERROR', field => 'name';
    problem_is $ann->post($base, undef, raw => '{', %ask), 400, 'BAD_REQUEST';
    my $id = '00000000-0000-7000-8000-00000000dead';
    problem_is $ann->get("$base/$id", %ask), 404, 'NOT_FOUND', resource => 'Project', id => $id;
};

subtest 'one of several types is asking too' => sub {
    problem_is $ann->get('/api/v1/app/nothing', headers => { Accept => 'application/json, application/problem+json' }), 404, 'NOT_FOUND';
};

subtest 'who does not ask gets the usual shape' => sub {
    error_is $ann->get('/api/v1/app/nothing'), 404, 'NOT_FOUND';
    error_is $ann->get('/api/v1/app/nothing', headers => { Accept => undef }), 404, 'NOT_FOUND';
    error_is $ann->get('/api/v1/app/nothing', headers => { Accept => '*/*' }), 404, 'NOT_FOUND';
    error_is $ann->get('/api/v1/app/nothing', headers => { Accept => 'text/html' }), 404, 'NOT_FOUND', name => 'an error is an error for whoever wants HTML too';
};

subtest 'answers that are no errors stay what they are' => sub {
    my $res = $ann->get($base, %ask);
    status_is $res, 200;
    header_like $res, 'Content-Type', qr{^application/json\b};
};
