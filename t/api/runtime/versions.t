use v5.36;
use lib 't/lib';
use Api;

my $t   = Api->start;
my $ann = $t->user('ann');

subtest 'version 1 is bare, version 2 has data and meta' => sub {
    my $v1 = $ann->post('/api/v1/app/projects', { name => 'one' });
    my $id = $v1->json('/id');
    header_is $v1, 'X-API-Version', 'v1';
    header_is $v1, 'X-API-Latest-Version', 'v2';

    my $v2 = $ann->get("/api/v2/app/projects/$id");
    header_is $v2, 'X-API-Version', 'v2';
    header_is $v2, 'X-API-Latest-Version', 'v2';
    json_is $v2, '', { data => $v1->json, meta => { request_id => scalar $v2->header('X-Request-ID'), timestamp => $TIME, version => 'v2' } };

    my $list = $ann->get('/api/v2/app/projects');
    json_is $list, '/data', { items => [ $v1->json ], total => 1, skip => 0, limit => 20 };
    json_is $list, '/meta/version', 'v2';
    status_is $ann->post('/api/v2/app/projects', { name => 'two' }), 201;
    json_is $ann->last, '/data/name', 'two';
    json_is $ann->patch("/api/v2/app/projects/$id", { name => 'three' }), '/data/name', 'three';
    my $gone = $ann->delete("/api/v2/app/projects/$id");
    status_is $gone, 204;
    body_is $gone, '';
    header_is $gone, 'X-API-Version', 'v2';
};

subtest 'errors have one shape in every version' => sub {
    error_is $ann->get('/api/v2/app/projects/00000000-0000-7000-8000-00000000dead'), 404, 'NOT_FOUND', resource => 'Project';
    header_is $ann->last, 'X-API-Version', 'v2';
    error_is $ann->post('/api/v2/app/projects', {}), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $t->get('/api/v2/app/users/me'), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get('/api/v3/app/users/me'), 404, 'NOT_FOUND', name => 'there is no version 3';
};

subtest 'a path without a version: Accept-Version, then X-API-Version, then version 1' => sub {
    my $path = '/api/app/users/me';
    my %as   = (
        v1 => [ {}, { 'Accept-Version' => 'v1' }, { 'X-API-Version' => 'v1' }, { 'Accept-Version' => 'v1', 'X-API-Version' => 'v2' } ],
        v2 => [ { 'Accept-Version' => 'v2' }, { 'X-API-Version' => 'v2' }, { 'Accept-Version' => 'v2', 'X-API-Version' => 'v1' } ],
    );
    for my $version (sort keys %as) {
        for my $headers (@{ $as{$version} }) {
            my $res = $ann->get($path, headers => $headers);
            status_is $res, 200, join ', ', map { "$_: $headers->{$_}" } sort keys %$headers;
            header_is $res, 'X-API-Version', $version;
            like join(',', $res->header('Vary')), qr/Accept-Version/, '  caches know what decided';
            is defined $res->json('/meta'), $version eq 'v2', '  and the body is of that version';
        }
    }
    error_is $ann->get($path, headers => { 'Accept-Version' => 'v3' }), 400, 'BAD_REQUEST', field => 'Accept-Version';
    error_is $ann->get($path, headers => { 'X-API-Version' => 'latest' }), 400, 'BAD_REQUEST', field => 'X-API-Version';
};

subtest 'the version in the path comes first' => sub {
    for my $header ('Accept-Version', 'X-API-Version') {
        header_is $ann->get('/api/v1/app/users/me', headers => { $header => 'v2' }), 'X-API-Version', 'v1', "$header: v2 on /api/v1";
        header_is $ann->get('/api/v2/app/users/me', headers => { $header => 'v1' }), 'X-API-Version', 'v2', "$header: v1 on /api/v2";
        header_is $ann->get('/api/v1/app/users/me', headers => { $header => 'v9' }), 'X-API-Version', 'v1', "$header: v9 on /api/v1";
    }
};

subtest 'the path may leave out /api' => sub {
    header_is $ann->get('/v1/app/users/me'), 'X-API-Version', 'v1';
    json_is $ann->last, '/id', 'user_ann';
};

subtest 'no version is deprecated at present' => sub {
    my $res = $ann->get('/api/v1/app/users/me');
    header_absent $res, $_ for qw(Deprecation Sunset X-Deprecation-Notice Link);
};

subtest 'a deprecated version says so' => sub {
    my $old = Api->start(DEPRECATED_AT_V1 => '2026-01-01', SUNSET_AT_V1 => '2027-01-01', DEPRECATION_NOTICE_V1 => 'move on');
    my $bob = $old->user('bob');
    for my $res ($bob->get('/api/v1/app/users/me'), $old->get('/api/v1/app/users/me'), $bob->get('/api/app/users/me')) {
        header_is $res, 'Deprecation',          'true';
        header_is $res, 'Sunset',               'Fri, 01 Jan 2027 00:00:00 GMT';
        header_is $res, 'X-Deprecation-Notice', 'move on';
        header_is $res, 'Link',                 '</api/v2/>; rel="successor-version"';
    }
    my $new = $bob->get('/api/v2/app/users/me');
    header_absent $new, $_, "version 2 has no $_" for qw(Deprecation Sunset X-Deprecation-Notice Link);
};

subtest 'RFC 9745\'s form, by a setting' => sub {
    my $old = Api->start(DEPRECATED_AT_V1 => '2026-01-01', DEPRECATION_FORMAT => 'date');
    my $res = $old->user('bob')->get('/api/v1/app/users/me');
    header_is $res, 'Deprecation', '@1767225600';
    header_absent $res, 'Sunset', 'without a date there is no Sunset';
};
