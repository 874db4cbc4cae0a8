use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Hooks;

# Query parameters that a row does not have: a misspelt filter must not pass for none.
my $hooks = Ashlar::Hooks->new;
my $t     = Api->start($hooks->settings);
my $ann   = $t->user('ann');
my $boss  = $t->user('boss', role => 'admin');

subtest 'who may not call learns nothing of it' => sub {
    error_is $t->get('/api/v1/app/projects?serch=x'), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get('/api/v1/admin/jobs?status=failed'), 403, 'AUTHORIZATION_ERROR';
};

subtest 'a parameter that is not known is refused, with the nearest that is' => sub {
    my @wrong = (
        [ $ann,  '/api/v1/app/projects?serch=x',        'serch',  'there is no query parameter serch here; did you mean search' ],
        [ $ann,  '/api/v2/app/projects?Search=x',       'Search', 'there is no query parameter Search here; did you mean search' ],
        [ $boss, '/api/v1/admin/jobs?status=failed',    'status', 'there is no query parameter status here; did you mean state' ],
        [ $ann,  '/api/v1/app/projects?colour=x',       'colour', 'there is no query parameter colour here' ],
        [ $ann,  '/api/v1/app/projects?limit=1&page=2', 'page',   'there is no query parameter page here' ],
        [ $ann,  '/api/v1/app/users/me?x=1',            'x',      'there is no query parameter x here' ],
        [ $ann,  '/api/v1/app/projects?%3Cb%3E=1',      '<b>',    'there is no query parameter <b> here' ],
    );
    for (@wrong) {
        my ($who, $path, $field, $message) = @$_;
        error_is $who->get($path), 422, 'VALIDATION_ERROR', field => $field, message => qr/\A\Q$message\E\z/, name => $path;
    }
    error_is $ann->post('/api/v1/app/projects?dry_run=1', { name => 'not made' }), 422, 'VALIDATION_ERROR', field => 'dry_run', name => 'also where something would be written';
    is $ann->get('/api/v1/app/projects')->json('/total'), 0, '  which it is not';
    error_is $t->client(key => $t->key)->get('/api/v1/users?pge=2'), 422, 'VALIDATION_ERROR', field => 'pge', message => qr/did you mean page\z/, name => 'the platform surface';
};

subtest 'what others call takes what they add' => sub {
    status_is $t->get('/api/v1/public/health/ready?x=1'), 200, 'probes';
    status_is $hooks->stripe($t, { id => 'evt_1', type => 'x' }, path => '/api/v1/public/webhooks/stripe?source=1'), 200, 'webhooks';
    my $res = $t->get('/api/v1/auth/google/callback?state=x&code=y&authuser=0');
    unlike $res->body, qr/authuser/, 'a redirect target';
};

subtest 'other surfaces have habits of their own' => sub {
    my $org = $t->organization($ann);
    status_is $ann->get('/api/v1/webhooks?x=1', headers => { 'X-Workspace-Id' => $org }), 200;
};

subtest 'If-Match is honoured, or refused' => sub {
    my $owner = $t->user('owner');
    my $key   = $t->client(key => $t->key, token => $owner->token);
    my $res = $key->delete('/api/v1/auth/sessions/00000000-0000-7000-8000-00000000dead', headers => { 'If-Match' => '"1-2"' });
    error_is $res, 400, 'BAD_REQUEST', field => 'If-Match', name => 'where a query cannot test it';
    error_is $ann->post('/api/v1/app/projects', { name => 'not made' }, headers => { 'If-Match' => '*' }), 400, 'BAD_REQUEST', field => 'If-Match', name => 'nor can what is not there yet';
    is $ann->get('/api/v1/app/projects')->json('/total'), 0, '  which is not made';
    status_is $ann->get('/api/v1/app/users/me', headers => { 'If-Match' => '"1-2"' }), 200, 'reading changes nothing';
};

subtest 'a 404 names what was not found' => sub {
    my $key = $t->client(key => $t->key, token => $ann->token);
    my $res = $key->delete('/api/v1/auth/sessions/00000000-0000-7000-8000-00000000dead');
    error_is $res, 404, 'NOT_FOUND', message => qr/\ASession not found\z/, name => 'not the answer\'s shape';
    is $res->json('/error/details/resource'), 'Session';
};
