# Files whose content is in a bucket: all that t/api/content/files.t asserts, and then what only a bucket does.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Bucket;
use Digest::SHA qw(sha256_hex);

our $BUCKET = Ashlar::Bucket->start(page => 2);
do './t/api/content/files.t' or die $@ || $!;
our ($t, $ann, $url, $png);    # of that file

$t->keep_secret($BUCKET->secret);    # which no log may hold, nor an answer

subtest 'what is on disk stays there, and is served and removed from there' => sub {
    my ($id, $object) = ($t->db->selectrow_array(q{INSERT INTO stored_objects (tenant_id, user_id, backend, state, content_type, size, sha256)
        VALUES (?, ?, 'local', 'stored', 'text/plain', 3, sha256('old')) RETURNING id, id}, undef, $ann->tenant_id, $ann->uuid));
    my ($file) = $t->db->selectrow_array(q{INSERT INTO files (tenant_id, owner_id, object_id, name, uploaded_at) VALUES (?, ?, ?, 'old.txt', now()) RETURNING id}, undef, $ann->tenant_id, $ann->uuid, $object);
    my $place = "$t->{dir}/files/objects/" . substr($object, -2);
    mkdir $place or die "$place: $!\n";
    open my $out, '>', "$place/$object" or die "$object: $!\n";
    print {$out} 'old';
    close $out or die "$object: $!\n";
    my $link = $ann->get("$url/$file/download-url")->json('/download_url');
    like $link, qr{\Ahttps://localhost:\d+/storage/}, 'a link to this server';
    is $t->client->get(path($link))->body, 'old', 'is its content';
    is $ann->with(key => $t->key)->get("/api/v1/user/files/$file/download")->body, 'old', 'on the drive, too';
    error_is $ann->post("$url/tus", undef, headers => { 'Tus-Resumable' => '1.0.0', 'Upload-Length' => 1 }), 409, 'CONFLICT', message => qr/bucket.*in parts/, name => 'but what is new has another way';
    status_is $ann->delete("$url/$file"), 204;
    eventually { !-e "$place/$object" } 20, 'and it is removed from the disk';
};

subtest 'the bucket is down, slow, or refuses: the error says so, and nothing is half done' => sub {
    $t->expect_log(qr/bucket files-of-ashlar: /, qr/circuit breaker/);
    my $before = used($ann);
    my $begun  = begin_upload($ann);
    my %id     = (file_id => $begun->json('/file_id'));
    my $object = object_of($id{file_id})->{id};
    status_is put($begun->json('/upload_url'), $png), 200;
    for (
        [ 'the server fails',      status => 500, method => 'HEAD' ],
        [ 'it refuses us',         status => 403, code => 'AccessDenied', method => 'GET' ],
        [ 'it does not copy',      status => 400, method => 'PUT' ],
        [ 'it breaks off',         cut => 5, method => 'GET' ],
      ) {
        my ($name, %how) = @$_;
        $BUCKET->fails(%how);
        my $res = $ann->post("$url/confirm", \%id);
        error_is $res, 502, 'EXTERNAL_SERVICE_ERROR', name => $name;
        unlike $res->body, qr/bucket|HEAD|status/i, '  without a word of what is behind';
        $BUCKET->fails;
        is_deeply [ $BUCKET->keys("objects/$object"), object_of($id{file_id})->{state} ], ['awaited'], '  and it is awaited as before';
    }
    status_is $ann->post("$url/confirm", \%id), 200, 'then it works';
    status_is $ann->delete("$url/$id{file_id}"), 204;
    eventually { !$BUCKET->keys("objects/$object") } 20, 'and is removed';
    is used($ann), $before, 'as many bytes as before';
    $BUCKET->down;
    $begun = begin_upload($ann);
    status_is $begun, 200, 'a link is signed without it';
    error_is $ann->post("$url/confirm", { file_id => $begun->json('/file_id') }), 502, 'EXTERNAL_SERVICE_ERROR', name => 'nobody listens';
    status_is $ann->delete("$url/" . $begun->json('/file_id')), 204, 'what is deleted meanwhile';
    is used($ann), $before, 'is held no more';
    $BUCKET->up;
};

# What a job of the kind came to.
sub job ($kind, %payload) {
    my $db = $t->db;
    my ($id) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, payload, max_attempts) VALUES (?, 'ashlar', ?, ?, 1) RETURNING id}, undef, $ann->tenant_id, $kind, Cpanel::JSON::XS->new->encode(\%payload));
    my $state;
    eventually { ($state) = $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id); ($state // '') =~ /completed|failed/ } 30, "$kind ends";
    return $state;
}

sub parts_of ($id, %body) { return $ann->post("$url/$id/parts", \%body) }

subtest 'a large file comes in parts' => sub {
    my $size  = (101 << 20) + 1;
    my $begun = begin_upload($ann, size => $size, content_type => 'application/octet-stream', filename => 'large');
    my $id    = $begun->json('/file_id');
    my $object = object_of($id)->{id};
    is $begun->json('/in_parts'), Cpanel::JSON::XS::true, 'it may';
    error_is $ann->post("$url/confirm", { file_id => $id }), 409, 'CONFLICT', message => qr/nothing has been uploaded/;
    my $parts = parts_of($id);
    status_is $parts, 200;
    is_deeply [ map { [ @$_{qw(number size is_uploaded)} ] } @{ $parts->json('/parts') } ], [ [ 1, 64 << 20, Cpanel::JSON::XS::false ], [ 2, $size - (64 << 20), Cpanel::JSON::XS::false ] ], 'which ones';
    is $parts->json('/count'), 2, 'how many';
    is $parts->json('/next'), undef, 'all of them are told';
    is_deeply [ map { $_->{number} } @{ parts_of($id, first => 2)->json('/parts') } ], [2], 'from one on';
    my @links = map { $_->{upload_url} } @{ $parts->json('/parts') };
    my $piece = 'x' x (64 << 20);
    my $send  = sub ($n, $bytes) { return $BUCKET->client->request(PUT => path($links[ $n - 1 ]), raw => $bytes, type => undef) };
    status_is $send->(2, 'x'), 403, 'a part of another size is refused';
    status_is $send->(1, $piece), 200;
    error_is $ann->post("$url/confirm", { file_id => $id }), 409, 'CONFLICT', message => qr/1 of 2 parts have been uploaded, 67108864 bytes of \d+/, name => 'not before all are there';
    is_deeply [ map { $_->{is_uploaded} ? 1 : 0 } @{ parts_of($id)->json('/parts') } ], [ 1, 0 ], 'which ones are is told to who goes on';
    status_is $send->(2, substr $piece, 0, $size - (64 << 20)), 200;
    my $res = $ann->post("$url/confirm", { file_id => $id });
    status_is $res, 200;
    is length $BUCKET->content("objects/$object"), $size, 'it is whole';
    is unpack('H*', $t->db->selectrow_array('SELECT sha256 FROM stored_objects WHERE id = ?', undef, $object)), sha256_hex('x' x $size), 'with its SHA-256';
    is_deeply [ $BUCKET->uploads ], [], 'and nothing else is left';
    error_is parts_of($id), 409, 'CONFLICT', name => 'what is there takes no parts';
    status_is $send->(1, $piece), 404, 'nor do their links';
    status_is $ann->delete("$url/$id"), 204;

    error_is parts_of(begin_upload($ann)->json('/file_id')), 409, 'CONFLICT', message => qr/more than 100 MiB/;
    for my $other ($t->user('zoe'), $t->user('yan', tenant => 'other')) { error_is $other->post("$url/" . begin_upload($ann, size => $size)->json('/file_id') . '/parts', {}), 404, 'NOT_FOUND', name => 'nor are another one\'s' }
};

subtest 'parts that are not what was declared, and parts that are given up' => sub {
    my $size  = (100 << 20) + 1;
    my $begun = begin_upload($ann, size => $size);
    my %id    = (file_id => $begun->json('/file_id'));
    my $object = object_of($id{file_id})->{id};
    my @links = map { $_->{upload_url} } @{ parts_of($id{file_id})->json('/parts') };
    my $send = sub { my @sizes = (64 << 20, $size - (64 << 20)); status_is $BUCKET->client->request(PUT => path($_), raw => 'x' x shift @sizes, type => undef), 200 for @links };
    $send->();
    error_is $ann->post("$url/confirm", \%id), 422, 'VALIDATION_ERROR', field => 'content_type';
    is_deeply [ $BUCKET->keys("objects/$object") ], [], 'it was thrown away';
    error_is $ann->post("$url/confirm", \%id), 409, 'CONFLICT';
    @links = map { $_->{upload_url} } @{ parts_of($id{file_id})->json('/parts') };
    is scalar(my @one = $BUCKET->uploads), 1, 'and can be sent anew';
    status_is $ann->delete("$url/$id{file_id}"), 204;
    eventually { !$BUCKET->uploads } 20, 'one that is given up is ended at the bucket';
};

subtest 'what nobody has is collected, and what is lost is told' => sub {
    $t->expect_log(qr/storage: 1 files are lost/);
    my @kept    = map { upload($ann, 'x', content_type => 'text/plain', filename => $_)->{id} } 'a' .. 'e';
    my %object  = map { $_ => object_of($_)->{id} } @kept;
    my $awaited = begin_upload($ann, size => 1, content_type => 'text/plain');
    put($awaited->json('/upload_url'), 'x', 'text/plain');
    my $orphan  = '01a2294a-846c-7c24-95c7-8e8c9c668dac';
    my @strange = ("incoming/$orphan", "objects/$orphan", "incoming/$object{$kept[0]}", 'incoming/else');
    $BUCKET->put($_, 'x') for @strange, 'objects/README';
    my $begun = begin_upload($ann, size => 101 << 20)->json('/file_id');
    parts_of($begun);
    my ($dead) = map { $_ } $BUCKET->uploads;
    $t->db->do('UPDATE stored_objects SET upload_id = NULL, state = ? WHERE id = ?', undef, 'gone', object_of($begun)->{id});
    is job('storage.compare', grace_s => 3600), 'completed';
    is_deeply [ grep { !$BUCKET->keys($_) } @strange ], [], 'nothing that is younger';
    is job('storage.compare', grace_s => 0), 'completed';
    is_deeply [ map { $BUCKET->keys($_) } @strange ], [], 'what nobody has';
    is_deeply [ $BUCKET->uploads ], [], 'and parts that nobody puts together';
    is_deeply [ grep { !$BUCKET->keys($_) } 'objects/README', 'incoming/' . object_of($awaited->json('/file_id'))->{id}, map { "objects/$_" } values %object ], [], 'and nothing else';
    $BUCKET->remove("objects/$object{$kept[2]}");
    $t->db->do('ALTER TABLE stored_objects DISABLE TRIGGER stored_objects_touch');
    $t->db->do(q{UPDATE stored_objects SET updated_at = now() - interval '2 minutes' WHERE state = 'stored'});
    $t->db->do('ALTER TABLE stored_objects ENABLE TRIGGER stored_objects_touch');
    is job('storage.compare'), 'completed', 'one of several pages is lost';
};

subtest 'a form goes to the bucket, and its download to whoever asks there' => sub {
    my $key   = $t->key;
    my $me    = $ann->with(key => $key);
    my $drive = '/api/v1/user/files';
    my $form  = sub ($content, $type = 'text/plain') { return (raw => "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.txt\"\r\nContent-Type: $type\r\n\r\n$content\r\n--b--\r\n", type => 'multipart/form-data; boundary=b') };
    my $before = used($ann);
    my $res    = $me->request(POST => $drive, $form->('tides'));
    status_is $res, 201;
    is $res->json('/file/storage_provider'), 's3', 'where it is';
    my $id = $res->json('/file/id');
    is $BUCKET->content('objects/' . object_of($id)->{id}), 'tides', 'there it is';
    my $object = object_of($id)->{id};
    my $sent = $me->get("$drive/$id/download", headers => { Range => 'bytes=0-1' });
    status_is $sent, 302;
    like $sent->header('Location'), qr{\A\Q@{[$BUCKET->origin]}\E/}, 'the client is sent there';
    my $got = fetch($sent->header('Location'), 'GET', headers => { Range => 'bytes=0-1' });
    status_is $got, 206;
    is $got->body, 'ti', 'for the part that it asked for';
    is $got->header('Content-Disposition'), 'inline; filename="t.txt"', 'under its name';
    $t->db->do('INSERT INTO file_texts (tenant_id, object_id) VALUES (?, ?)', undef, $ann->tenant_id, object_of($id)->{id});
    is job('file.text', object_id => object_of($id)->{id}), 'completed', 'its text is read';
    is_deeply [ $t->db->selectrow_array('SELECT state, content FROM file_texts t JOIN file_passages p USING (object_id) WHERE object_id = ?', undef, object_of($id)->{id}) ], [ 'ready', 'tides' ], 'from there';
    error_is $me->request(POST => $drive, $form->('no png', 'image/png')), 422, 'VALIDATION_ERROR', field => 'file', name => 'what it is not is never sent';
    status_is $me->delete("$drive/$id"), 204;
    eventually { !$BUCKET->keys("objects/$object") } 20, 'deleted';
    my $files = $me->get($drive)->json('/total');
    $BUCKET->fails(status => 503, code => 'SlowDown', method => 'PUT');
    error_is $me->request(POST => $drive, $form->('tides')), 502, 'EXTERNAL_SERVICE_ERROR', name => 'a bucket that takes nothing';
    $BUCKET->fails;
    is used($ann), $before, 'nothing is held';
    is $me->get($drive)->json('/total'), $files, 'and there is no such file';
};

subtest 'a bucket that does not answer costs its time, and no more' => sub {
    my $silent = Ashlar::Bucket->start;
    my $other  = Api->start($silent->settings, HTTP_TIMEOUT_MS => 500);
    $other->expect_log(qr/bucket files-of-ashlar: HEAD .*Timeout/i);
    my $zoe   = $other->user('zoe');
    my $begun = $zoe->post("$url/upload-url", { filename => 'a', content_type => 'text/plain', size => 1 });
    status_is $silent->client->request(PUT => path($begun->json('/upload_url')), raw => 'x', type => 'text/plain'), 200;
    $silent->fails(hangs => 1);
    my $res = $zoe->post("$url/confirm", { file_id => $begun->json('/file_id') });
    error_is $res, 502, 'EXTERNAL_SERVICE_ERROR';
    $silent->fails;
    status_is $zoe->post("$url/confirm", { file_id => $begun->json('/file_id') }), 200, 'then it works';
};
