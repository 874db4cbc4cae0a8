# Uploads that can be resumed, by the tus protocol 1.0.0.

use v5.36;
use lib 't/lib';
use Api;
use Digest::SHA 'sha256_hex';
use MIME::Base64 'encode_base64';

my $t   = Api->start(worker => 1, slow => 2, CORS_ORIGINS => 'https://app.example.com', STORAGE_FORM_MAX_MIB => 2, SLOW_PER_TENANT => 2, SLOW_PER_CALLER => 2, nginx => { FORM_MAX => '3m' });
my $ann = $t->user('ann');
my $url = '/api/v1/app/files/tus';
my $one = $t->client;
my %tus = ('Tus-Resumable' => '1.0.0');

sub meta (%of) { return join ',', map { my $value = $of{$_}; utf8::encode($value); "$_ " . encode_base64($value, '') } sort keys %of }

sub begin_upload ($who, $length, %meta) { return $who->request(POST => $url, headers => { %tus, 'Upload-Length' => $length, %meta ? ('Upload-Metadata' => meta(%meta)) : () }) }

sub path ($link) { return $link =~ s{^https://localhost:\d+}{}r }

sub state_of ($link) { return $one->head(path($link), headers => \%tus) }

sub piece ($link, $offset, $bytes, %arg) {
    return $one->request(PATCH => path($link), raw => $bytes, type => exists $arg{type} ? $arg{type} : 'application/offset+octet-stream', headers => { %tus, 'Upload-Offset' => $offset, %{ $arg{headers} // {} } });
}

sub used ($user, $metric = 'storage_bytes') {
    return join ' ', $t->db->selectrow_array('SELECT coalesce(sum(used), 0), coalesce(sum(reserved), 0) FROM usage_counters WHERE user_id = ? AND metric = ?', undef, $user->uuid, $metric);
}

sub lies () { return grep { -f } glob "$t->{dir}/files/*/* $t->{dir}/files/objects/*/*" }

subtest 'what a creation must say' => sub {
    error_is $ann->post($url), 422, 'VALIDATION_ERROR', field => 'Tus-Resumable';
    error_is $ann->request(POST => $url, headers => { 'Tus-Resumable' => '0.2.2', 'Upload-Length' => 1 }), 412, 'PRECONDITION_FAILED';
    for my $bad ('', 'x', -1, 0, '1.5', (5120 << 20) + 1, '9' x 30) { error_is begin_upload($ann, $bad), 422, 'VALIDATION_ERROR', field => 'Upload-Length', name => "a length of '$bad'" }
    error_is begin_upload($ann, 1, sha256 => 'x'), 422, 'VALIDATION_ERROR', field => 'Upload-Metadata';
    error_is begin_upload($one, 1), 401, 'AUTHENTICATION_ERROR';
    is used($ann), '0 0', 'nothing is held';
};

subtest 'piece by piece it becomes a file' => sub {
    my $text  = join '', map { "line $_\n" } 1 .. 1000;
    my $begun = begin_upload($ann, length $text, filename => "../caf\x{e9}.txt", filetype => 'text/plain', sha256 => sha256_hex($text));
    status_is $begun, 201;
    is $begun->header('Tus-Resumable'), '1.0.0', 'the version';
    my $link = $begun->header('Location');
    like $link, qr{\Ahttps://localhost:\d+/uploads/[0-9a-f-]{36}\?token=[\w.-]+\z}, 'where to';
    is $begun->json('/upload_url'), $link, 'in the body, too';
    is $begun->json('/max_piece'), 2 << 20, 'how much at once';
    like $begun->header('Upload-Expires'), qr/\A\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\z/, 'until when';
    is used($ann), '0 ' . length $text, 'its length is held';
    my $state = state_of($link);
    status_is $state, 200;
    is join(' ', map { $state->header($_) // '' } qw(Upload-Offset Upload-Length Cache-Control)), "0 @{[length $text]} no-store", 'nothing is there';
    my ($at, $n) = (0, 0);
    for my $piece (unpack '(a3000)*', $text) {
        my $res = piece($link, $at, $piece);
        status_is $res, 204;
        $at += length $piece;
        is $res->header('Upload-Offset'), $at, 'so many are there';
        error_is piece($link, 0, $piece), 409, 'CONFLICT', message => qr/(?:$at bytes are there|has ended)/, name => 'the same once more' if $n++ == 1;
        is state_of($link)->header('Upload-Offset'), $at, 'and it says so';
    }
    is used($ann), length($text) . ' 0', 'it is used, once';
    is used($ann, 'file_uploads'), '1 0', 'and counted';
    my ($file) = @{ $ann->get('/api/v1/app/files')->json('/items') };
    is_deeply [ @$file{qw(id filename content_type size)} ], [ $begun->json('/file_id'), "caf\x{e9}.txt", 'text/plain', length $text ], 'it is a file';
    is $t->client->get(path($ann->get("/api/v1/app/files/$file->{id}/download-url")->json('/download_url')))->body, $text, 'as it was sent';
    is state_of($link)->header('Upload-Offset'), length $text, 'who did not hear of the last answer can ask';
    error_is piece($link, length $text, 'x'), 409, 'CONFLICT', message => qr/has ended/;
    error_is $one->request(DELETE => path($link), headers => \%tus), 409, 'CONFLICT', name => 'what is a file is not given up';
    is scalar(my @lies = lies()), 1, 'nothing else lies there';
    status_is $ann->delete("/api/v1/app/files/$file->{id}"), 204;
    status_is state_of($link), 404;
    eventually { !lies() } 20, 'and it is gone';
};

subtest 'pieces that do not fit' => sub {
    my $link = begin_upload($ann, 10)->header('Location');
    error_is piece($link, 1, 'x'), 409, 'CONFLICT', message => qr/0 bytes are there/;
    error_is piece($link, 0, 'x' x 11), 422, 'VALIDATION_ERROR', field => 'Upload-Offset', message => qr/11 bytes, and 10/;
    error_is piece($link, 'x', 'x'), 422, 'VALIDATION_ERROR', field => 'Upload-Offset';
    error_is piece($link, 0, 'x', type => 'text/plain'), 415, 'UNSUPPORTED_MEDIA_TYPE';
    error_is piece($link, 0, 'x', headers => { 'Tus-Resumable' => '2.0.0' }), 412, 'PRECONDITION_FAILED', message => qr/Tus-Resumable must be 1.0.0/;
    error_is piece($link, 0, 'x' x ((2 << 20) + (512 << 10))), 413, 'PAYLOAD_TOO_LARGE', name => 'too many at once';
    error_is piece($link, 0, 'x' x (4 << 20)), 413, 'PAYLOAD_TOO_LARGE', name => 'more than nginx takes';
    is state_of($link)->header('Upload-Offset'), 0, 'nothing of it is there';
    status_is piece($link, 0, ''), 204, 'none at all is no error';
    status_is piece($link, 0, 'x' x 4), 204;
    status_is $one->request(DELETE => path($link), headers => \%tus), 204, 'it is given up';
    status_is state_of($link), 404;
    error_is piece($link, 4, 'x' x 6), 404, 'NOT_FOUND';
    is used($ann), '0 0', 'and held no more';
    eventually { !lies() } 20, 'what had come is gone';
};

subtest 'what it is not said to be is thrown away' => sub {
    for my $bad ([ content_type => (filetype => 'image/png') ], [ sha256 => (sha256 => sha256_hex('text')) ]) {
        my ($field, %meta) = @$bad;
        my $link = begin_upload($ann, 4, %meta)->header('Location');
        status_is piece($link, 0, 'te'), 204;
        error_is piece($link, 2, 'st'), 422, 'VALIDATION_ERROR', field => $field;
        is state_of($link)->header('Upload-Offset'), 0, 'it can be sent anew';
        is_deeply [ lies() ], [], 'nothing lies there';
        status_is $one->request(DELETE => path($link), headers => \%tus), 204;
    }
    is used($ann), '0 0', 'nothing is held';
    is $ann->get('/api/v1/app/files')->json('/total'), 0, 'and there is no file';
};

subtest 'an address is for one upload, and a time' => sub {
    my ($mine, $other) = map { begin_upload($ann, 4)->header('Location') } 1 .. 2;
    my ($token) = $mine =~ /token=(.*)/;
    error_is piece($other =~ s/token=.*/token=$token/r, 0, 'x'), 403, 'AUTHORIZATION_ERROR', name => 'another one\'s';
    error_is piece("$mine.", 0, 'x'), 403, 'AUTHORIZATION_ERROR', name => 'not signed so';
    error_is piece($mine =~ s/[?].*//r, 0, 'x'), 422, 'VALIDATION_ERROR', name => 'none';
    my ($id) = $mine =~ m{/uploads/([\w-]+)};
    error_is $one->request(PUT => "/storage/$id?token=$token", raw => 'test', type => 'application/octet-stream'), 403, 'AUTHORIZATION_ERROR', name => 'nor for another way';
    $t->db->do(q{UPDATE stored_objects SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $id);
    error_is piece($mine, 0, 'x'), 404, 'NOT_FOUND', name => 'what has been given up is not taken';
    status_is state_of($mine), 404;
    is_deeply [ lies() ], [], 'nothing lies there';
};

subtest 'quota' => sub {
    my $max = $t->user('max');
    $t->db->do(q{INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, 'storage_bytes', 10)}, undef, $max->tenant_id, $max->uuid);
    status_is begin_upload($max, 10), 201;
    error_is begin_upload($max, 1), 402, 'LIMIT_EXCEEDED', used => 10, limit => 10, name => 'what is held is used';
};

subtest 'a process that dies behind the last byte leaves nothing that cannot be ended' => sub {
    my $begun = begin_upload($ann, 4, filetype => 'text/plain', filename => 'a');
    my $link  = $begun->header('Location');
    my ($id)  = $link =~ m{/uploads/([\w-]+)};
    status_is piece($link, 0, 'te'), 204;
    my ($part) = grep { /\Q$id\E\.part\z/ } lies();
    open my $out, '>>', $part or die "$part: $!\n";
    print {$out} 'st';
    close $out or die "$part: $!\n";
    rename $part, $part =~ s/part\z/new/r or die "rename: $!\n";    # as it does before it looks at it
    is state_of($link)->header('Upload-Offset'), 4, 'who asks how much is there';
    is $ann->get('/api/v1/app/files')->json('/items/0/id'), $begun->json('/file_id'), 'has it ended';
    status_is $ann->delete('/api/v1/app/files/' . $begun->json('/file_id')), 204;
};

subtest 'a page may send' => sub {
    my $page  = $t->client(origin => 'https://app.example.com');
    my $asks  = $page->request(OPTIONS => $url, headers => { 'Access-Control-Request-Method' => 'POST', 'Access-Control-Request-Headers' => 'authorization, tus-resumable, upload-length' });
    like $asks->header('Access-Control-Allow-Headers'), qr/Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset/, 'with these headers';
    my $link = begin_upload($ann, 4)->header('Location');
    like $page->head(path($link), headers => \%tus)->header('Access-Control-Expose-Headers'), qr/Upload-Offset/, 'and read those';
};

subtest 'a gibibyte leaves every process as small as it was' => sub {
    my $piece  = "\0" x (2 << 20);
    my $size   = 512 * length $piece;
    my $link   = begin_upload($ann, $size)->header('Location');
    my @pids   = ($t->nginx->children, map { $t->children($_) } qw(main slow));
    my $memory = sub ($pid) { open my $in, '<', "/proc/$pid/status" or return 0; return (join '', <$in>) =~ /^VmHWM:\s+(\d+)/m ? $1 : 0 };
    my %before = map { $_ => $memory->($_) } @pids;
    my $bad    = 0;
    for my $n (0 .. 511) { $bad++ if piece($link, $n * length $piece, $piece)->status != 204 }
    is $bad, 0, 'all pieces are taken';
    is $ann->get('/api/v1/app/files')->json('/items/0/size'), $size, 'it is a file';
    is_deeply [ map { my $grown = $memory->($_) - $before{$_}; $grown > 16 << 10 ? "$_ by $grown KiB" : () } @pids ], [], 'and none has ever had 16 MiB more';
    status_is $ann->delete('/api/v1/app/files/' . $ann->get('/api/v1/app/files')->json('/items/0/id')), 204;
    eventually { !grep { -s $_ > $size - 1 } lies() } 20, 'it is gone';
};
