# Files of users, on this machine, and with content in a bucket: t/api/content/files_bucket.t.

use v5.36;
use lib 't/lib';
use Api;
use Digest::SHA qw(sha256_base64 sha256_hex);

our $BUCKET;
our $t   = Api->start(worker => 1, CORS_ORIGINS => 'https://app.example.com', $BUCKET ? ($BUCKET->settings, S3_ENDPOINT => $BUCKET->origin, slow => 4, SLOW_PER_TENANT => 4, SLOW_PER_CALLER => 4) : ());
our $ann = $t->user('ann');
my $bob = $t->user('bob');
my $eve = $t->user('eve', tenant => 'other');
our $url = '/api/v1/app/files';

our $png    = "\x89PNG\r\n\x1a\n" . 'a picture' x 100;
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub begin_upload ($user, %arg) {
    return $user->post("$url/upload-url", { filename => 'a.png', content_type => 'image/png', size => length $png, %arg });
}

# The path of a link to this server.
sub path ($link) { return $link =~ s{^https?://[\w.]+:\d+}{}r }

# Who is asked by a link: this server, or the bucket's.
sub whom ($link, %arg) { return $BUCKET && index($link, $BUCKET->origin) == 0 ? $BUCKET->client : $t->client(%arg) }

# What the one answers is an error of ours, and the other has its own.
sub refused ($res, $ours, $bucket, $name = '') {
    return status_is $res, $bucket, $name if $BUCKET;
    return error_is $res, @$ours, name => $name;
}

my $PUT = $BUCKET ? 200 : 201;

sub put ($link, $content, $type = 'image/png', %arg) {
    return whom($link, %arg)->request(PUT => path($link), raw => $content, type => $type, headers => $arg{headers} // {});
}

sub upload ($user, $content, %arg) {
    my $begun = begin_upload($user, size => length $content, %arg);
    status_is $begun, 200;
    status_is put($begun->json('/upload_url'), $content, $arg{content_type} // 'image/png', headers => $begun->json('/headers')), $PUT;
    my $res = $user->post("$url/confirm", { file_id => $begun->json('/file_id') });
    status_is $res, 200;
    return $res->json;
}

sub download ($user, $id, %arg) {
    return fetch($user->get("$url/$id/download-url")->json('/download_url'), %arg);
}

sub fetch ($link, $method = 'GET', %arg) { return whom($link)->request($method => path($link), %arg) }

sub object_of ($id) { return $t->db->selectrow_hashref('SELECT o.*, o.id::text AS id FROM files f JOIN stored_objects o ON o.id = f.object_id WHERE f.id = ?', undef, $id) }

# The files, or keys, at such places; a bucket has no directories of two digits below objects.
sub content (@where) {
    return map { my ($at, $id) = m{^(incoming|objects).*/(\S+)$}; $id =~ /[*]/ ? $BUCKET->keys("$at/") : grep { $_ eq "$at/$id" } $BUCKET->keys } grep { !/tmp|new/ } @where if $BUCKET;
    return grep { -f } map { glob "$t->{dir}/files/$_" } @where;
}

# Content that came by another way than the signed one.
sub smuggle ($id, $bytes) {
    return $BUCKET->put("incoming/$id", $bytes) if $BUCKET;
    open my $out, '>', "$t->{dir}/files/incoming/$id" or die $!;
    print {$out} $bytes;
    return close $out;
}

sub used ($user, $metric = 'storage_bytes') {
    return join ' ', $t->db->selectrow_array('SELECT coalesce(sum(used), 0), coalesce(sum(reserved), 0) FROM usage_counters WHERE user_id = ? AND metric = ?', undef, $user->uuid, $metric);
}

subtest 'what an upload must say' => sub {
    for my $bad ([ filename => undef ], [ filename => '' ], [ filename => 'x' x 256 ], [ content_type => undef ], [ content_type => 'png' ],
        [ content_type => 'image/png evil' ], [ content_type => "image/png\r\nX: 1" ], [ content_type => "image/" ], [ size => -1 ], [ size => '1' ],
        [ sha256 => 'x' x 64 ], [ sha256 => 'a' x 63 ], [ sha256 => 'A' x 64 ], [ size => (5120 << 20) + 1 ]) {
        error_is begin_upload($ann, @$bad), 422, 'VALIDATION_ERROR', field => $bad->[0], name => "$bad->[0] " . ($bad->[1] // 'null') =~ tr/\r\n/  /r;
    }
    is used($ann), '0 0', 'nothing is held';
    is $t->db->selectrow_array('SELECT count(*) FROM stored_objects'), 0, 'nothing is awaited';
    status_is begin_upload($bob, size => 5120 << 20), 200, 'the most is taken';
    is used($bob), '0 5368709120', 'and held';
};

subtest 'a file is sent past the api, confirmed, listed, got and deleted' => sub {
    my $begun = begin_upload($ann, filename => 'harbour.png');
    my $id = $begun->json('/file_id');
    is $begun->json('/key'), "uploads/user_ann/$id/harbour.png", 'its key';
    is $begun->json('/expires_in'), 3600, 'for how long';
    my $object = object_of($id);
    like $begun->json('/upload_url'), $BUCKET ? qr{\A\Q@{[$BUCKET->origin]}\E/[\w-]+/incoming/$object->{id}\?[\w.%&=-]+\z} : qr{\Ahttps://localhost:\d+/storage/$object->{id}\?token=[\w.-]+\z}, 'where to';
    is_deeply $begun->json('/headers'), { 'Content-Type' => 'image/png' }, 'with what';
    is $begun->json('/in_parts'), Cpanel::JSON::XS::false, 'at once';
    is $object->{backend}, $BUCKET ? 's3' : 'local', 'which is noted';
    is used($ann), '0 ' . length $png, 'its size is held';
    is $ann->get($url)->json('/total'), 0, 'it is no file yet';
    error_is $ann->get("$url/$id/download-url"), 404, 'NOT_FOUND', name => 'and cannot be got';
    error_is $ann->post("$url/confirm", { file_id => $id }), 409, 'CONFLICT', name => 'nor be confirmed';

    my $res = put($begun->json('/upload_url'), $png);
    status_is $res, $PUT;
    is $res->body, '', 'without a word';
    my $confirmed = $ann->post("$url/confirm", { file_id => $id });
    status_is $confirmed, 200;
    json_is $confirmed, '', { id => $id, filename => 'harbour.png', content_type => 'image/png', size => length $png, status => 'uploaded', created_at => $TIME };
    is used($ann), length($png) . ' 0', 'it is used now';
    is used($ann, 'file_uploads'), '1 0', 'and counted';
    $object = object_of($id);
    is $object->{state}, 'stored', 'stored';
    is unpack('H*', $t->db->selectrow_array('SELECT sha256 FROM stored_objects WHERE id = ?', undef, $object->{id})), sha256_hex($png), 'with its SHA-256';
    my $place = 'objects/' . substr($object->{id}, -2) . "/$object->{id}";
    is_deeply [ content($place) ], [ $BUCKET ? "objects/$object->{id}" : "$t->{dir}/files/$place" ], 'where it stays';
    is_deeply [ content('incoming/*'), content('incoming/tmp/*'), content('objects/*/*.new') ], [], 'and nowhere else';
    json_is $ann->post("$url/confirm", { file_id => $id }), '', $confirmed->json, 'to confirm it again is no error';
    is used($ann), length($png) . ' 0', 'nor counted';
    # A bucket's link does, until it expires; what it takes lies where nobody looks, and is collected.
    refused put($begun->json('/upload_url'), $png =~ s/a picture/b picture/r), [ 404, 'NOT_FOUND' ], 200, 'its link takes nothing more';
    $BUCKET->remove("incoming/$object->{id}") if $BUCKET;

    json_is $ann->get($url), '', { items => [ $confirmed->json ], total => 1, skip => 0, limit => 20 };
    my $link = $ann->get("$url/$id/download-url");
    status_is $link, 200;
    is $link->json('/expires_in'), 3600, 'for how long';
    is used($ann, 'file_downloads'), '1 0', 'a download is counted';
    my $got = fetch($link->json('/download_url'));
    status_is $got, 200;
    is $got->body, $png, 'the same bytes';
    is $got->header('Content-Type'), 'image/png', 'its type';
    is $got->header('Content-Disposition'), 'inline; filename="harbour.png"', 'its name';
    is $got->header('Accept-Ranges'), 'bytes', 'in parts, if need be';
    if (!$BUCKET) {
        is $got->header('X-Content-Type-Options'), 'nosniff', 'which is not guessed';
        is $got->header('Content-Security-Policy'), "default-src 'none'; sandbox", 'and runs nowhere';
        like $got->header('X-Request-ID'), qr/\A[\w-]{36}\z/, 'with an id';
        status_is fetch($link->json('/download_url'), 'HEAD'), 200;
    }

    status_is $ann->delete("$url/$id"), 204;
    is used($ann), '0 0', 'nothing is used any more';
    error_is $ann->get("$url/$id/download-url"), 404, 'NOT_FOUND';
    error_is $ann->delete("$url/$id"), 404, 'NOT_FOUND', resource => 'File', id => $id;
    eventually { !content($place) && !$t->db->selectrow_array('SELECT count(*) FROM stored_objects WHERE id = ?', undef, $object->{id}) } 20, 'its content is gone, and then the row';
    refused fetch($link->json('/download_url')), [ 404, 'NOT_FOUND' ], 404, 'a link that is good leads to nothing';
};

subtest 'parts of a file' => sub {
    my $file = upload($ann, '0123456789', content_type => 'text/plain', filename => 'ten.txt');
    my $link = $ann->get("$url/$file->{id}/download-url")->json('/download_url');
    for ([ 'bytes=0-3', '0123', '0-3' ], [ 'bytes=4-', '456789', '4-9' ], [ 'bytes=-2', '89', '8-9' ], [ 'bytes=8-99', '89', '8-9' ]) {
        my ($range, $body, $which) = @$_;
        my $res = fetch($link, 'GET', headers => { Range => $range });
        status_is $res, 206;
        is $res->body, $body, $range;
        is $res->header('Content-Range'), "bytes $which/10", '  which are they';
    }
    my $res = fetch($link, 'GET', headers => { Range => 'bytes=10-12' });
    refused $res, [ 416, 'RANGE_NOT_SATISFIABLE' ], 416;
    return if $BUCKET;
    is $res->header('Content-Range'), 'bytes */10', 'how many there are';
    my $etag = fetch($link)->header('ETag');
    is fetch($link, 'GET', headers => { 'If-None-Match' => $etag })->status, 304, 'a copy that is good is not sent again';
};

subtest 'content that is not what was declared is thrown away, and nothing counted' => sub {
    my ($before, $uploads) = (used($ann), used($ann, 'file_uploads'));
    my $begun  = begin_upload($ann, size => 10);
    my $link   = $begun->json('/upload_url');
    my %id     = (file_id => $begun->json('/file_id'));
    refused put($link, 'x' x 11), [ 422, 'VALIDATION_ERROR' ], 403, 'one byte more';
    refused put($link, 'x' x 9), [ 422, 'VALIDATION_ERROR' ], 403, 'one byte less';
    refused put($link, 'x' x 10, 'text/html'), [ 422, 'VALIDATION_ERROR' ], 403, 'another type';
    refused put($link, 'x' x 10, undef), [ 422, 'VALIDATION_ERROR' ], 403, 'no type';
    is_deeply [ content('incoming/*'), content('incoming/tmp/*') ], [], 'nothing was written';
    status_is put($link, 'not a png!'), $PUT;
    status_is put($link, 'nor this: '), $BUCKET ? 200 : 204, 'before it is confirmed it may be sent again';
    error_is $ann->post("$url/confirm", \%id), 422, 'VALIDATION_ERROR', field => 'content_type', message => qr{text/plain.*image/png};
    error_is $ann->post("$url/confirm", \%id), 409, 'CONFLICT', name => 'it was thrown away';
    # Past who holds a sender to the size that is signed.
    my $object = object_of($id{file_id})->{id};
    smuggle($object, "\x89PNG\r\n\x1a\n....");
    error_is $ann->post("$url/confirm", \%id), 422, 'VALIDATION_ERROR', field => 'size', message => qr{12 bytes.*10 declared};
    is_deeply [ content('incoming/*', 'objects/*/*.new') ], [], 'it was thrown away, too';
    status_is put($link, "\x89PNG\r\n\x1a\n.."), $PUT, 'what was meant can still come';
    status_is $ann->post("$url/confirm", \%id), 200;
    status_is $ann->delete("$url/$id{file_id}"), 204;
    is used($ann), $before, 'as many bytes as before';
    is used($ann, 'file_uploads'), $uploads =~ s/(\d+)/$1 + 1/er, 'an upload was counted, once';
};

subtest 'a SHA-256 that was declared is that of the content, or there is none' => sub {
    my $before = used($ann);
    my $begun  = begin_upload($ann, size => 4, content_type => 'text/plain', sha256 => sha256_hex('test'));
    my %id     = (file_id => $begun->json('/file_id'));
    is_deeply $begun->json('/headers'), { 'Content-Type' => 'text/plain', $BUCKET ? ('x-amz-checksum-sha256' => sha256_base64('test') . '=') : () }, 'what is to be sent with it';
    my %headers = (headers => $begun->json('/headers'));
    if ($BUCKET) {
        refused put($begun->json('/upload_url'), 'text', 'text/plain', %headers), undef, 400, 'other content';
        refused put($begun->json('/upload_url'), 'text', 'text/plain'), undef, 403, 'without it';
        is_deeply [ content('incoming/*') ], [], 'nothing was written';
    }
    smuggle(object_of($id{file_id})->{id}, 'text');
    error_is $ann->post("$url/confirm", \%id), 422, 'VALIDATION_ERROR', field => 'sha256', message => qr{@{[sha256_hex('text')]}.*not as declared};
    is_deeply [ content('incoming/*', 'objects/*/*.new') ], [], 'it was thrown away';
    status_is put($begun->json('/upload_url'), 'test', 'text/plain', %headers), $PUT, 'what was meant';
    status_is $ann->post("$url/confirm", \%id), 200;
    is unpack('H*', $t->db->selectrow_array('SELECT sha256 FROM stored_objects WHERE id = ?', undef, object_of($id{file_id})->{id})), sha256_hex('test'), 'which is noted';
    status_is $ann->delete("$url/$id{file_id}"), 204;
    is used($ann), $before, 'as many bytes as before';
};

subtest 'a link is for one object, one way and a time' => sub {
    return one_bucket_link() if $BUCKET;
    my $begun = begin_upload($ann);
    my $other = begin_upload($ann);
    my $link  = path($begun->json('/upload_url'));
    my ($token) = $link =~ /token=(.*)/;
    error_is put("$link.", $png), 403, 'AUTHORIZATION_ERROR', name => 'not signed so';
    error_is put(path($other->json('/upload_url')) =~ s/token=.*/token=$token/r, $png), 403, 'AUTHORIZATION_ERROR', name => 'another object\'s';
    error_is $t->client->get($link), 403, 'AUTHORIZATION_ERROR', name => 'what is to be written is not read';
    error_is put($link =~ s/[?].*//r, $png), 422, 'VALIDATION_ERROR', name => 'none';
    error_is $t->client->get('/storage/' . $nobody), 422, 'VALIDATION_ERROR', name => 'none, to read';
    error_is put("/storage/../objects/x?token=$token", $png), 404, 'NOT_FOUND', name => 'no path';
    error_is put("/storage/%2e%2e/x?token=$token", $png), 404, 'NOT_FOUND', name => 'nor an encoded one';
    for my $path (qw(/-/objects/00/x /-/incoming/x /-/storage-upload /-/stored)) { error_is $t->client->get($path), 404, 'NOT_FOUND', name => "$path is nginx's own" }
    error_is $t->client->post($link, {}), 405, 'METHOD_NOT_ALLOWED';
    error_is $t->client->request(DELETE => $link), 405, 'METHOD_NOT_ALLOWED';
    my $late = $link =~ s/token=A/token=B/r;
    error_is put($late, $png), 403, 'AUTHORIZATION_ERROR', name => 'with another time';
    is_deeply [ content('incoming/*'), content('incoming/tmp/*') ], [], 'nothing was written';
    my $file = upload($ann, $png);
    error_is put($ann->get("$url/$file->{id}/download-url")->json('/download_url'), $png), 403, 'AUTHORIZATION_ERROR', name => 'what is read is not written';
    $t->db->do(q{UPDATE stored_objects SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, object_of($begun->json('/file_id'))->{id});
    error_is put($link, $png), 404, 'NOT_FOUND', name => 'what has been given up is not taken';
};

sub one_bucket_link {
    my $begun = begin_upload($ann);
    my $other = begin_upload($ann);
    my $link  = $begun->json('/upload_url');
    my ($id)  = $link =~ m{incoming/([\w-]+)};
    my $there = $other->json('/upload_url') =~ s/[?].*//sr . ($link =~ /([?].*)/)[0];
    status_is put($there, $png), 403, 'another object\'s';
    status_is put($link =~ s/[?].*//sr, $png), 403, 'none';
    status_is fetch($link), 403, 'what is to be written is not read';
    status_is fetch($link, 'DELETE'), 403, 'nor deleted';
    status_is put($link =~ s/X-Amz-Date=2/X-Amz-Date=3/r, $png), 400, 'with another time';
    status_is put($link =~ s/X-Amz-Expires=3600/X-Amz-Expires=36000/r, $png), 403, 'for longer';
    status_is put($link =~ s{/incoming/}{/objects/}r, $png), 403, 'elsewhere';
    $BUCKET->clock(3601);
    status_is put($link, $png), 403, 'when it has expired';
    $BUCKET->clock(0);
    is_deeply [ content('incoming/*') ], [], 'nothing was written';
    my $file = upload($ann, $png);
    $link = $ann->get("$url/$file->{id}/download-url")->json('/download_url');
    status_is put($link, $png), 403, 'what is read is not written';
    status_is fetch($link =~ s/inline/attachment/r), 403, 'nor under another name';
    status_is fetch($link =~ s/image%2Fpng/text%2Fhtml/r), 403, 'or type';
    return;
}

subtest 'a page may send and get' => sub {
    plan skip_all => 'a bucket has rules of its own (CORS)' if $BUCKET;
    my %page  = (origin => 'https://app.example.com');
    my $begun = begin_upload($ann);
    my $asks  = $t->client(%page)->request(OPTIONS => path($begun->json('/upload_url')), headers => { 'Access-Control-Request-Method' => 'PUT', 'Access-Control-Request-Headers' => 'content-type' });
    status_is $asks, 204;
    like $asks->header('Access-Control-Allow-Methods'), qr/\bPUT\b/, 'it may';
    my $res = put($begun->json('/upload_url'), $png, 'image/png', %page);
    status_is $res, 201;
    is $res->header('Access-Control-Allow-Origin'), $page{origin}, 'and read the answer';
    is put($begun->json('/upload_url'), $png, 'image/png', origin => 'https://evil.example')->header('Access-Control-Allow-Origin'), undef, 'another one may not';
    $ann->post("$url/confirm", { file_id => $begun->json('/file_id') });
    my $link = path($ann->get("$url/" . $begun->json('/file_id') . '/download-url')->json('/download_url'));
    is $t->client(%page)->get($link)->header('Access-Control-Allow-Origin'), $page{origin}, 'nor what is got';
};

subtest 'what a browser would run is an attachment' => sub {
    for (['text/html', '<script>alert(1)</script>'], ['image/svg+xml', '<svg onload="alert(1)"/>'], ['application/xhtml+xml', '<html/>'],
        ['text/javascript', 'alert(1)'], ['application/pdf', '%PDF-1.7'], ['application/octet-stream', '<script>'], ['text/xml', '<?xml?>']) {
        my ($type, $content) = @$_;
        my $got = download($ann, upload($ann, $content, content_type => $type, filename => 'x')->{id});
        is $got->body, $content, $type;
        is $got->header('Content-Disposition'), 'attachment; filename="x"', '  not shown';
        is $got->header('Content-Type'), $BUCKET ? 'application/octet-stream' : $type, '  as declared, where it is told not to run';
        next if $BUCKET;
        is $got->header('Content-Security-Policy'), "default-src 'none'; sandbox", '  not run';
        is $got->header('X-Content-Type-Options'), 'nosniff', '  not guessed';
    }
};

subtest 'a name is a label' => sub {
    for (
        [ '../../etc/passwd',        'passwd' ],
        [ 'C:\\fakepath\\x.txt',     'x.txt' ],
        [ "a\x{202e}gpj.exe",        'agpj.exe' ],
        [ "new\r\nSet-Cookie: a=b",  'newSet-Cookie_ a=b' ],
        [ 'nul.txt',                 '_nul.txt' ],
        [ '..',                      'file' ],
        [ 'say "hi".txt',            'say _hi_.txt' ],
        [ "\x{1F9F1}" x 75,          "\x{1F9F1}" x 75 ],
        [ "\x{5d0}\x{5d1}\x{200f}",  "\x{5d0}\x{5d1}" ],
        [ "100% caf\x{e9}; a=b.txt", "100% caf\x{e9}; a=b.txt" ],
        [ "caf\x{e9}.txt",           "caf\x{e9}.txt" ],
      ) {
        my ($sent, $name) = @$_;
        my $file = upload($ann, 'x', content_type => 'text/plain', filename => $sent);
        is $file->{filename}, $name, 'as it is kept';
        my $got = download($ann, $file->{id})->header('Content-Disposition');
        like $got, qr/\Ainline; filename="[ !#-\$&-\[\]-~]*"(?:; filename\*=UTF-8''[A-Za-z0-9._~%-]+)?\z/, 'as it is sent';
        utf8::encode(my $bytes = $name);
        my ($escaped) = $got =~ /filename\*=UTF-8''(.*)/;
        is $escaped // ($got =~ /filename="(.*)"/)[0], defined $escaped ? $bytes =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger : $bytes, '  whole';
        like $_, $BUCKET ? qr{\Aobjects/[0-9a-f-]{36}\z} : qr{/objects/[0-9a-f]{2}/[0-9a-f-]{36}\z}, 'no part of a path' for content('objects/*/*');
    }
};

subtest 'an empty file is one' => sub {
    my $file = upload($ann, '', content_type => 'text/plain');
    is $file->{size}, 0, 'of no bytes';
    is download($ann, $file->{id})->body, '', 'which come back';
};

subtest 'nobody else sees a file' => sub {
    my $file  = upload($ann, $png);
    my $begun = begin_upload($ann);
    put($begun->json('/upload_url'), $png);
    for my $other ($bob, $eve) {
        error_is $other->get("$url/$file->{id}/download-url"), 404, 'NOT_FOUND', resource => 'File', id => $file->{id};
        error_is $other->delete("$url/$file->{id}"), 404, 'NOT_FOUND';
        error_is $other->post("$url/confirm", { file_id => $begun->json('/file_id') }), 404, 'NOT_FOUND';
        is $other->get($url)->json('/total'), 0, 'in no list';
    }
    error_is $ann->post("$url/confirm", { file_id => $nobody }), 404, 'NOT_FOUND';
    error_is $ann->post("$url/confirm", {}), 422, 'VALIDATION_ERROR', field => 'file_id';
};

subtest 'quota' => sub {
    my $max = $t->user('max');
    $t->db->do(q{INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, 'storage_bytes', 100)}, undef, $max->tenant_id, $max->uuid);
    my $a = upload($max, 'a' x 60, content_type => 'text/plain');
    error_is begin_upload($max, size => 41), 402, 'LIMIT_EXCEEDED', used => 60, limit => 100;
    my $held = begin_upload($max, size => 40);
    status_is $held, 200, 'what is left';
    error_is begin_upload($max, size => 1), 402, 'LIMIT_EXCEEDED', used => 100, limit => 100, name => 'what is held is used';
    status_is $max->delete("$url/" . $held->json('/file_id')), 204, 'an upload that is given up';
    is used($max), '60 0', '  gives back what it held';
    $t->db->do('UPDATE usage_limits SET max = 10 WHERE user_id = ?', undef, $max->uuid);
    status_is $max->delete("$url/$a->{id}"), 204, 'a file can be deleted whatever the limit is by now';
    is used($max), '0 0', '  and is used no more';
    $t->db->do(q{INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, 'file_downloads', 1)}, undef, $max->tenant_id, $max->uuid);
    my $b = upload($max, 'b', content_type => 'text/plain');
    status_is $max->get("$url/$b->{id}/download-url"), 200;
    error_is $max->get("$url/$b->{id}/download-url"), 402, 'LIMIT_EXCEEDED', limit => 1, name => 'a download beyond the limit';
};

subtest 'what is used is what is there, however many come and go at once' => sub {
    my $sam = $t->user('sam');
    $t->db->do(q{INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, 'storage_bytes', 500)}, undef, $sam->tenant_id, $sam->uuid);
    my @pids;
    for my $n (1 .. 4) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $me = $t->client(token => $sam->token);
            for my $round (1 .. 6) {
                my $begun = $me->post("$url/upload-url", { filename => 'a', content_type => 'text/plain', size => 90 });
                next if $begun->status != 200;
                my $id = $begun->json('/file_id');
                put($begun->json('/upload_url'), 'x' x 90, 'text/plain') if $round % 3;
                $me->post("$url/confirm", { file_id => $id }) if $round % 3;
                $me->delete("$url/$id") if ($round + $n) % 2;
            }
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    waitpid $_, 0 for @pids;
    my ($stored, $awaited) = $t->db->selectrow_array(q{SELECT coalesce(sum(size) FILTER (WHERE state = 'stored'), 0), coalesce(sum(size) FILTER (WHERE state = 'awaited'), 0) FROM stored_objects WHERE user_id = ?}, undef, $sam->uuid);
    is used($sam), "$stored $awaited", 'the counter is the sum';
    cmp_ok $stored + $awaited, '<=', 500, 'and within the limit';
};

subtest 'sent again under its key, a step is done once' => sub {
    my %key   = (headers => { 'Idempotency-Key' => 'an-upload' });
    my %body  = (filename => 'a.txt', content_type => 'text/plain', size => 1);
    my $first = $ann->post("$url/upload-url", \%body, %key);
    my $again = $ann->post("$url/upload-url", \%body, %key);
    is $again->json('/file_id'), $first->json('/file_id'), 'the same upload';
    is $again->header('Idempotent-Replayed'), 'true', '  and not a new one';
    %key = (headers => { 'Idempotency-Key' => 'a-confirmation' });
    my %id = (file_id => $first->json('/file_id'));
    error_is $ann->post("$url/confirm", \%id, %key), 409, 'CONFLICT';
    status_is put($first->json('/upload_url'), 'x', 'text/plain'), $PUT;
    status_is $ann->post("$url/confirm", \%id, %key), 200;
    my $uploads = used($ann, 'file_uploads');
    status_is $ann->post("$url/confirm", \%id, %key), 200;
    is used($ann, 'file_uploads'), $uploads, 'counted once';
};

subtest 'both versions' => sub {
    json_is $ann->get('/api/v2/app/files?limit=1'), '/meta/version', 'v2';
};

1;
