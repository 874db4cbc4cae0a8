use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';
my $me   = '/api/v1/app/users/me';
my $made = $ann->post($base, { name => 'one' });
my $url  = "$base/" . $made->json('/id');

sub etag ($res) { return scalar $res->header('ETag') }

subtest 'a single resource has an entity tag, a list has none' => sub {
    for my $path ($url, $me) {
        my $res = $ann->get($path);
        header_like $res, 'ETag', qr/^"[!-~]+"$/, "$path has one";
        is etag($ann->get($path)), etag($res), '  which stays while nothing changes';
        header_like $res, 'Cache-Control', qr/private|no-store/, '  and is no shared cache\'s business';
    }
    header_absent $ann->get($base), 'ETag';
    is etag($made), etag($ann->get($url)), 'creating tells it already';
};

subtest 'If-None-Match spares the body' => sub {
    my $tag = etag($ann->get($url));
    for my $header ($tag, "W/$tag", "\"other\", $tag", "\"other\",$tag", '*') {
        my $res = $ann->get($url, headers => { 'If-None-Match' => $header });
        status_is $res, 304, "If-None-Match: $header";
        body_is $res, '';
        is etag($res), $tag, '  the tag is repeated';
    }
    for my $header ('"other"', $tag =~ s/"//gr, '', substr($tag, 0, -1), '"' . substr $tag, 2) {
        status_is $ann->get($url, headers => { 'If-None-Match' => $header }), 200, "If-None-Match: $header";
    }
    status_is $ann->head($url, headers => { 'If-None-Match' => $tag }), 304, 'HEAD as well';
    status_is $ann->get($base, headers => { 'If-None-Match' => '*' }), 200, 'a list is always sent';
};

subtest 'each version and each change has a tag of its own' => sub {
    my $tag = etag($ann->get($url));
    isnt etag($ann->get($url =~ s/v1/v2/r)), '', 'version 2 has one';
    my $v2 = etag($ann->get($me =~ s/v1/v2/r));
    isnt $v2, etag($ann->get($me)), 'another than version 1, whose body differs';
    status_is $ann->get($me =~ s/v1/v2/r, headers => { 'If-None-Match' => $v2 }), 304, 'meta\'s time and id do not count';
    my $changed = $ann->patch($url, { name => 'two' });
    isnt etag($changed), $tag, 'a change makes a new one';
    is etag($changed), etag($ann->get($url)), '  which the change already tells';
    status_is $ann->get($url, headers => { 'If-None-Match' => $tag }), 200, '  and the old one is stale';
};

subtest 'If-Match keeps one client from overwriting another' => sub {
    my $old = etag($ann->get($url));
    my $new = etag($ann->patch($url, { name => 'by the other one' }));
    error_is $ann->patch($url, { name => 'lost' }, headers => { 'If-Match' => $old }), 412, 'PRECONDITION_FAILED';
    json_is $ann->get($url), '/name', 'by the other one', 'nothing was overwritten';
    error_is $ann->patch($url, { name => 'x' }, headers => { 'If-Match' => $_ }), 412, 'PRECONDITION_FAILED', name => "If-Match: $_"
        for '"other"', 'nonsense', '""', '"-"', "W/$old";
    my $res = $ann->patch($url, { name => 'kept' }, headers => { 'If-Match' => $new });
    status_is $res, 200, 'the current tag is a match';
    status_is $ann->patch($url, { name => 'again' }, headers => { 'If-Match' => "\"x\", " . etag($res) }), 200, 'one of several';
    status_is $ann->patch($url, { name => 'any' }, headers => { 'If-Match' => '*' }), 200, 'the asterisk matches what exists';
    error_is $ann->patch("$base/00000000-0000-7000-8000-00000000dead", { name => 'x' }, headers => { 'If-Match' => '*' }), 404, 'NOT_FOUND',
        name => 'and not what does not';
};

subtest 'a tag that compression weakened is as good' => sub {
    my $long = $ann->post($base, { name => 'long', description => 'x' x 2000 });
    my $path = "$base/" . $long->json('/id');
    my $res  = $ann->get($path, headers => { 'Accept-Encoding' => 'gzip' });
    header_is $res, 'Content-Encoding', 'gzip';
    my $weak = etag($res);
    is $weak, 'W/' . etag($long), 'nginx makes it weak';
    status_is $ann->get($path, headers => { 'If-None-Match' => $weak }), 304;
    status_is $ann->patch($path, { name => 'longer' }, headers => { 'If-Match' => $weak }), 200;
    error_is $ann->patch($path, { name => 'lost' }, headers => { 'If-Match' => $weak }), 412, 'PRECONDITION_FAILED', name => 'while it is the current one';
};

subtest 'the profile has the same protection' => sub {
    my $old = etag($ann->get($me));
    $ann->patch($me, { full_name => 'one' });
    error_is $ann->patch($me, { full_name => 'two' }, headers => { 'If-Match' => $old }), 412, 'PRECONDITION_FAILED';
    my $tag = etag($ann->get($me));
    $ann->post($base, { name => 'another' });
    is etag($ann->get($me)), $tag, 'a new project does not change the profile\'s tag';
};

subtest 'a deletion can be conditional' => sub {
    my $doomed = $ann->post($base, { name => 'doomed' });
    my $path   = "$base/" . $doomed->json('/id');
    $ann->patch($path, { name => 'changed' });
    error_is $ann->delete($path, headers => { 'If-Match' => etag($doomed) }), 412, 'PRECONDITION_FAILED';
    status_is $ann->delete($path, headers => { 'If-Match' => etag($ann->get($path)) }), 204;
};

subtest 'of two conditional changes at once one is refused' => sub {
    my $id   = $ann->get($url)->json('/id');
    my $tag  = etag($ann->get($url));
    my $lock = $t->lock('SELECT FROM projects WHERE id = ? FOR UPDATE', $id);
    my $load = $t->load(
        clients  => 2,
        requests => 1,
        make     => sub { $t->client(token => $ann->token) },
        each     => sub ($client, $n) { $client->patch($url, { name => "race $n" }, headers => { 'If-Match' => $tag }) },
    );
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ sort map { $_->[0] } $load->finish ], [ 200, 412 ];
};
