# What others made of S3: Amazon's signer signs what ours signs, to the letter; and a server believes our signatures, with content
# in its bucket.  (It lists no parts, so an upload in parts is asked of t/lib/Ashlar/Bucket.pm in t/api/content/files_bucket.t.)

use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Cpanel::JSON::XS ();
use Digest::SHA qw(sha256_base64 sha256_hex);
use IPC::Open2 'open2';

my $json = Cpanel::JSON::XS->new->utf8;

subtest 'the same inputs are the same address' => sub {
    my ($id, $secret, $region) = ('AKIAIOSFODNN7EXAMPLE', 'wJalr/XUt+nFEMI=', 'eu-central-1');
    my @asks = (
        [ 'GET',    'https://files.s3.eu-central-1.amazonaws.com', '/objects/a',      {}, {}, 1369353600, 86400 ],
        [ 'GET',    'http://127.0.0.1:9000', '/files/objects/a', { 'response-content-disposition' => q{attachment; filename="a b.txt"; filename*=UTF-8''caf%C3%A9!.txt}, 'response-content-type' => 'text/plain; charset=utf-8' }, {}, 1795996800, 3600 ],
        [ 'PUT',    'https://s3.example.com', '/files/incoming/a', {}, { 'content-length' => 12, 'content-type' => 'image/png', 'x-amz-checksum-sha256' => sha256_base64('test') . '=' }, 1795996800, 604800 ],
        [ 'PUT',    'https://s3.example.com:8443', '/files/objects/a', { partNumber => 10000, uploadId => '2~VmFy/+=~._-' }, { 'content-length' => 67108864 }, 0, 1 ],
        [ 'POST',   'https://s3.example.com', '/files/objects/a', { uploads => '' }, {}, 1795996800, 60 ],
        [ 'DELETE', 'https://s3.example.com', '/files/a b+c!\'()*/~é',  {}, {}, 1795996800, 60 ],
        [ 'HEAD',   'https://s3.example.com', '/files/objects/a',  {}, { 'x-amz-checksum-mode' => 'ENABLED' }, 4102444799, 60 ],
    );
    my $pid = open2(my $theirs, my $to, 'node', 't/clients/s3_sign.mjs', $id, $secret, $region);
    for my $ask (@asks) {
        my ($method, $origin, $path, $query, $headers, $at, $ttl) = @$ask;
        # As it gets a path from its clients: encoded.
        utf8::encode(my $bytes = $path);
        my $encoded = $bytes =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}ger;
        print {$to} $json->encode([ $method, $origin, $encoded, { map { $_ => "$query->{$_}" } keys %$query }, { map { $_ => "$headers->{$_}" } keys %$headers }, 1000 * $at, $ttl ]), "\n";
        local %ENV = (%ENV, KEY_ID => $id, SECRET => $secret, REGION => $region);
        my @words = ('sign', $method, $origin, $bytes, $at, $ttl, '?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD', (map { "?$_=$query->{$_}" } sort keys %$query), map { "$_=$headers->{$_}" } sort keys %$headers);
        open my $ours, '-|', "$Ashlar::Cluster::BUILD/t/sigv4", @words or die "sigv4: $!\n";
        $ask->[7] = <$ours>;
        close $ours;
    }
    close $to;
    for my $ask (@asks) { is scalar <$theirs>, $ask->[7], "$ask->[0] $ask->[1]" }
    waitpid $pid, 0;
};

my ($bucket, $url) = ('files-of-others', '/api/v1/app/files');
my $pid = open2(my $says, my $ends, 'node', 't/clients/s3_server.mjs', $bucket);
chomp(my $port = <$says> // die "s3rver does not start\n");
my %settings = (S3_BUCKET => $bucket, S3_ENDPOINT => "http://127.0.0.1:$port", S3_ACCESS_KEY_ID => 'S3RVER', S3_SECRET_ACCESS_KEY => 'S3RVER');
my $t        = Api->start(%settings, worker => 1, slow => 2);
my $ann      = $t->user('ann');
my $there    = Ashlar::Client->new(http => Ashlar::Http->new(port => $port), headers => { Host => "127.0.0.1:$port" });

sub path ($link) { return $link =~ s{^http://127.0.0.1:\d+}{}r }

sub upload ($content, %arg) {
    my $begun = $ann->post("$url/upload-url", { filename => 'tides.txt', content_type => 'text/plain', size => length $content, %arg });
    my $res   = $there->request(PUT => path($begun->json('/upload_url')), raw => $content, type => 'text/plain', headers => $begun->json('/headers'));
    return ($begun->json('/file_id'), $res->status, $begun->json('/upload_url'));
}

subtest 'content goes there, is looked at, is got, and is removed' => sub {
    my $content = 'High water at 6:10.';
    my ($id, $status, $link) = upload($content, sha256 => sha256_hex($content));
    is $status, 200, 'it takes what was signed';
    is $there->request(PUT => path($link), raw => "$content.", type => 'text/plain')->status, 403, 'and nothing of another length';
    my $confirmed = $ann->post("$url/confirm", { file_id => $id });
    status_is $confirmed, 200;
    my $download = path($ann->get("$url/$id/download-url")->json('/download_url'));
    my $got      = $there->get($download, headers => { Range => 'bytes=5-9' });
    is $got->status, 206, 'a part of it';
    is $got->body, 'water', 'is that part';
    is $got->header('Content-Disposition'), 'inline; filename="tides.txt"', 'under its name';
    is $there->get($download =~ s/inline/attachment/r)->status, 403, 'and no other';
    my $form = $ann->with(key => $t->key)->request(POST => '/api/v1/user/files', type => 'multipart/form-data; boundary=b',
        raw => "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.txt\"\r\nContent-Type: text/plain\r\n\r\ntides\r\n--b--\r\n");
    status_is $form, 201;
    is $there->get(path($ann->get("$url/" . $form->json('/file/id') . '/download-url')->json('/download_url')))->body, 'tides', 'what came in a form';
    status_is $ann->delete("$url/$id"), 204;
    eventually { $there->get($download)->status == 404 } 20, 'it is removed';
};

subtest 'what nobody has is collected' => sub {
    my ($id, undef, $link) = upload('x');
    status_is $ann->post("$url/confirm", { file_id => $id }), 200;
    is $there->request(PUT => path($link), raw => 'y', type => 'text/plain')->status, 200, 'a link that is good takes more';
    $t->expect_log(qr/lists no uploads in parts/);
    my ($job) = $t->db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, payload, max_attempts) VALUES (?, 'ashlar', 'storage.compare', '{"grace_s": 0}', 1) RETURNING id}, undef, $ann->tenant_id);
    eventually { ($t->db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $job))[0] =~ /completed|failed/ } 30, 'it is compared';
    is $t->db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $job), 'completed', 'though that server lists no uploads in parts';
    is $there->get(path($ann->get("$url/$id/download-url")->json('/download_url')))->body, 'x', 'what was confirmed is as it was';
};

subtest 'with another secret it believes nothing' => sub {
    my $other = Api->start(%settings, S3_SECRET_ACCESS_KEY => 'of nobody');
    $other->expect_log(qr/bucket $bucket: HEAD .* status 403/);
    my $zoe   = $other->user('zoe');
    my $begun = $zoe->post("$url/upload-url", { filename => 'a', content_type => 'text/plain', size => 1 });
    is $there->request(PUT => path($begun->json('/upload_url')), raw => 'x', type => 'text/plain')->status, 403, 'neither of a client';
    error_is $zoe->post("$url/confirm", { file_id => $begun->json('/file_id') }), 502, 'EXTERNAL_SERVICE_ERROR', name => 'nor of ours';
};

close $ends;
waitpid $pid, 0;
