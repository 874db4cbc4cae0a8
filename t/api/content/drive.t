use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start(worker => 1, STORAGE_FORM_MAX_MIB => 1, nginx => { FORM_MAX => '2m' });
my $key    = $t->key;
my $ann    = $t->user('ann')->with(key => $key);
my $bob    = $t->user('bob')->with(key => $key);
my $eve    = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
my $olive  = $t->team('olive', role => 'owner');
my $max    = $t->team('max');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $url    = '/api/v1/user/files';
my $team   = '/api/v1/dashboard/files';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub form ($content, %arg) {
    my ($name, $field) = ($arg{filename} // 'a.txt', $arg{field} // 'file');
    utf8::encode($name);
    my $type = exists $arg{type} ? $arg{type} : 'text/plain';
    return join "\r\n", '--xx', qq(Content-Disposition: form-data; name="$field"; filename="$name"), ($type ? "Content-Type: $type" : ()), '', $content, '--xx--', '';
}

sub upload ($who, $content, %arg) {
    return $who->request(POST => $arg{to} // $url, raw => form($content, %arg), type => 'multipart/form-data; boundary=xx', ($arg{query} ? (query => $arg{query}) : ()));
}

sub stored () { return grep { -f } glob "$t->{dir}/files/objects/*/*" }

sub used ($user, $metric = 'storage_bytes') {
    return join ' ', $t->db->selectrow_array('SELECT coalesce(sum(used), 0), coalesce(sum(reserved), 0) FROM usage_counters WHERE user_id = ? AND metric = ?', undef, $user->uuid, $metric);
}

sub names ($res, $member = 'files', $name = 'original_filename') { return join ' ', map { $_->{$name} } @{ $res->json("/$member") } }

sub folder ($who, $name, $parent = undef) { return $who->post("$url/folders", { name => $name, $parent ? (parent_id => $parent) : () }) }

subtest 'a form has a file' => sub {
    error_is $ann->request(POST => $url, type => undef), 422, 'VALIDATION_ERROR', field => 'file';
    error_is upload($ann, 'x', field => 'other'), 422, 'VALIDATION_ERROR', field => 'file';
    error_is $ann->post($url, { file => 'x' }), 415, 'UNSUPPORTED_MEDIA_TYPE';
    error_is $ann->request(POST => $url, raw => 'no form', type => 'multipart/form-data; boundary=xx'), 400, 'BAD_REQUEST', message => qr/boundary/;
    error_is upload($ann, 'x' x (1 << 20), query => { description => 'x' x 501 }), 422, 'VALIDATION_ERROR', field => 'description';
    error_is upload($ann, 'x' x ((1 << 20) + 1)), 413, 'PAYLOAD_TOO_LARGE', name => 'a byte too many';
    error_is upload($ann, 'x' x (3 << 20)), 413, 'PAYLOAD_TOO_LARGE', name => 'more than nginx takes';
    error_is upload($ann, 'no picture', type => 'image/png'), 422, 'VALIDATION_ERROR', field => 'file', message => qr/text\/plain.*image\/png/;
    error_is upload($ann, 'x', query => { folder_id => $nobody }), 404, 'NOT_FOUND', id => $nobody;
    is used($ann), '0 0', 'nothing is used';
    is_deeply [ stored() ], [], 'nothing is stored';
};

subtest 'a file comes in a form, and goes as it came' => sub {
    my $content = join '', map { chr } 0 .. 255;
    my $res     = upload($ann, $content, filename => '../caf' . "\x{e9}.PNG", type => 'application/x-mine', query => { description => 'mine' });
    status_is $res, 201;
    json_is $res, '', { message => 'File uploaded', file => { id => $UUID, user_id => $ann->uuid, tenant_id => $ann->tenant_id, folder_id => undef,
        filename => $res->json('/file/id') . '.png', original_filename => "caf\x{e9}.PNG", file_size => 256, content_type => 'application/x-mine',
        storage_provider => 'local', description => 'mine', extra_metadata => undef, created_at => $TIME, updated_at => $TIME } };
    my $file = $res->json('/file');
    is used($ann), '256 0', 'its bytes are used';
    is used($ann, 'file_uploads'), '1 0', 'and an upload';
    json_is $ann->get("$url/$file->{id}"), '', $file;
    json_is $ann->get($url), '', { files => [$file], total => 1, skip => 0, limit => 20 };
    my $got = $ann->get("$url/$file->{id}/download");
    status_is $got, 200;
    ok $got->body eq $content, 'the same bytes';
    is $got->header('Content-Disposition'), q{attachment; filename="caf_.PNG"; filename*=UTF-8''caf%C3%A9.PNG}, 'under its name';
    is $got->header('X-Content-Type-Options'), 'nosniff', 'not guessed';
    is $got->header('Content-Type'), 'application/x-mine', 'its type';
    is $ann->get("$url/$file->{id}/download", headers => { Accept => 'image/png' })->status, 200, 'whatever is accepted';
    is used($ann, 'file_downloads'), '2 0', 'downloads are counted';
    for ([ 'bytes=1-3', substr($content, 1, 3) ], [ 'bytes=0-0', "\0" ], [ 'bytes=-1', "\xff" ]) {
        $got = $ann->get("$url/$file->{id}/download", headers => { Range => $_->[0] });
        status_is $got, 206;
        ok $got->body eq $_->[1], $_->[0];
    }
    error_is $ann->get("$url/$file->{id}/download", headers => { Range => 'bytes=256-' }), 416, 'RANGE_NOT_SATISFIABLE';
    is used($ann, 'file_downloads'), '3 0', 'of one in parts the first is';
    status_is $ann->head("$url/$file->{id}/download"), 200;
    for my $other ($bob, $eve) {
        error_is $other->get("$url/$file->{id}"), 404, 'NOT_FOUND', resource => 'File', id => $file->{id};
        error_is $other->get("$url/$file->{id}/download"), 404, 'NOT_FOUND';
        error_is $other->patch("$url/$file->{id}/move", { folder_id => undef }), 404, 'NOT_FOUND';
        error_is $other->delete("$url/$file->{id}"), 404, 'NOT_FOUND';
    }
    status_is $ann->delete("$url/$file->{id}"), 204;
    is used($ann), '0 0', 'nothing is used any more';
    error_is $ann->get("$url/$file->{id}/download"), 404, 'NOT_FOUND';
    eventually { !stored() } 20, 'and its bytes are gone';
};

subtest 'a form that is sent again under its key is one file' => sub {
    my @ids = map { $ann->request(POST => $url, raw => form('once'), type => 'multipart/form-data; boundary=xx', headers => { 'Idempotency-Key' => 'a-form' })->json('/file/id') } 1, 2;
    is $ids[1], $ids[0], 'the same';
    error_is $ann->request(POST => $url, raw => form('twice'), type => 'multipart/form-data; boundary=xx', headers => { 'Idempotency-Key' => 'a-form' }), 422, 'IDEMPOTENCY_KEY_REUSED';
    status_is $ann->delete("$url/$ids[0]"), 204;
};

subtest 'without a type, or with none that is one, it is bytes' => sub {
    for my $type (undef, 'png', 'x' x 200) { is upload($ann, "\1", type => $type)->json('/file/content_type'), 'application/octet-stream', $type // 'none' }
    is upload($ann, '')->json('/file/file_size'), 0, 'an empty one is one';
};

subtest 'a large form leaves a child as small as it was' => sub {
    my ($child) = $t->children('slow');
    my $size = sub { open my $in, '<', "/proc/$child/status" or die $!; return (join '', <$in>) =~ /^RssAnon:\s+(\d+)/m ? $1 : 0 };
    upload($bob, 'y');
    my $before = $size->();
    status_is upload($bob, 'z' x (1 << 20)), 201, 'the most that is taken';
    cmp_ok $size->() - $before, '<', 512, 'KiB more';
};

subtest 'folders' => sub {
    my $docs = folder($ann, 'Documents');
    status_is $docs, 201;
    json_is $docs, '', { id => $UUID, tenant_id => $ann->tenant_id, user_id => $ann->uuid, parent_id => undef, name => 'Documents', path => '/Documents', created_at => $TIME, updated_at => $TIME };
    my $id  = $docs->json('/id');
    my $in  = folder($ann, 'Reports', $id)->json;
    is $in->{path}, '/Documents/Reports', 'a path of names';
    my $low = folder($ann, 'a%_b', $in->{id})->json;
    error_is folder($ann, 'Reports', $id), 409, 'CONFLICT', field => 'name';
    error_is folder($ann, 'Documents'), 409, 'CONFLICT', field => 'name', name => 'in the root, too';
    status_is folder($ann, 'documents'), 201, 'another case is another name';
    status_is folder($bob, 'Documents'), 201, 'and another user has others';
    error_is folder($ann, 'x', $nobody), 404, 'NOT_FOUND', id => $nobody;
    error_is folder($bob, 'x', $id), 404, 'NOT_FOUND', id => $id, name => 'below another user\'s';
    for my $name ('a/b', '/', '..', '.', "a\nb", "a\x{202e}b", 'a\\b', 'nul', ' a', '') { error_is folder($ann, $name), 422, 'VALIDATION_ERROR', field => 'name' }
    status_is folder($ann, "\x{1F9F1}" x 255), 201, '255 characters of four bytes';

    is names($ann->get("$url/folders"), 'folders', 'name') =~ s/\x{1F9F1}+/brick/r, 'Documents documents brick', 'those in the root, by name';
    is names($ann->get("$url/folders?parent_id=$id"), 'folders', 'name'), 'Reports', 'and below one';
    error_is $ann->get("$url/folders?parent_id=$nobody"), 404, 'NOT_FOUND';
    error_is $bob->get("$url/folders?parent_id=$id"), 404, 'NOT_FOUND';

    my $renamed = $ann->patch("$url/folders/$id", { name => 'Papers' });
    is $renamed->json('/path'), '/Papers', 'renamed';
    is $ann->get("$url/folders?parent_id=$id")->json('/folders/0/path'), '/Papers/Reports', '  with what is below it';
    is $ann->get("$url/folders?parent_id=$in->{id}")->json('/folders/0/path'), '/Papers/Reports/a%_b', '  at every depth';
    error_is $ann->patch("$url/folders/$id", { name => 'documents' }), 409, 'CONFLICT', field => 'name';
    error_is $ann->patch("$url/folders/$id", { name => 'a/b' }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $bob->patch("$url/folders/$id", { name => 'x' }), 404, 'NOT_FOUND';
    is $ann->patch("$url/folders/$id", { name => 'Papers' })->status, 200, 'to its own name';

    my $file = upload($ann, 'in it', filename => 'in.txt', query => { folder_id => $low->{id} })->json('/file');
    is $file->{folder_id}, $low->{id}, 'a file in a folder';
    is names($ann->get("$url?folder_id=$low->{id}")), 'in.txt', 'is listed there';
    unlike names($ann->get($url)), qr/in.txt/, 'and not in the root';
    error_is $ann->get("$url?folder_id=$nobody"), 404, 'NOT_FOUND';
    error_is $bob->get("$url?folder_id=$low->{id}"), 404, 'NOT_FOUND';
    error_is $ann->delete("$url/folders/$low->{id}"), 409, 'CONFLICT', message => qr/not empty/;
    error_is $ann->delete("$url/folders/$id"), 409, 'CONFLICT', name => 'with a folder in it';
    is $ann->patch("$url/$file->{id}/move", { folder_id => $id })->json('/folder_id'), $id, 'a file moves';
    my ($theirs) = $bob->get("$url/folders")->json('/folders/0/id');
    error_is $ann->patch("$url/$file->{id}/move", { folder_id => $theirs }), 404, 'NOT_FOUND', id => $theirs;
    status_is $ann->delete("$url/folders/$low->{id}"), 204, 'an empty folder can go';
    error_is $ann->delete("$url/folders/$low->{id}"), 404, 'NOT_FOUND';
    error_is $bob->delete("$url/folders/$in->{id}"), 404, 'NOT_FOUND';
    is $ann->patch("$url/$file->{id}/move", { folder_id => undef })->json('/folder_id'), undef, 'to the root';

    my $at;
    for (1 .. 32) { $at = folder($ann, "d$_", $at)->json('/id') // die }
    error_is folder($ann, 'd33', $at), 422, 'VALIDATION_ERROR', field => 'parent_id', message => qr/32 deep/;
};

subtest 'a folder is not made below one whose path changes' => sub {
    my $id   = folder($bob, 'before')->json('/id');
    my $holder = $t->lock(q{SELECT pg_advisory_xact_lock(hash_record_extended(ROW ('file_folders'::text, ?::uuid, ?::uuid), 0))}, $bob->tenant_id, $bob->uuid);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $res = $t->client(token => $bob->token, key => $key)->post("$url/folders", { name => 'child', parent_id => $id });
        POSIX::_exit($res->status == 201 && $res->json('/path') eq '/after/child' ? 0 : 1);
    }
    eventually { $t->waiting >= 1 } 10, 'it waits';
    $holder->do('UPDATE file_folders SET name = ?, path = ? WHERE id = ?', undef, 'after', '/after', $id);
    $holder->commit;
    waitpid $pid, 0;
    is $?, 0, 'and has the path that there is then';
};

subtest 'the tenant\'s files' => sub {
    error_is upload($max, 'x', to => $team), 403, 'AUTHORIZATION_ERROR', name => 'not by any member';
    my $res = upload($olive, 'a,b', to => $team, filename => 'tides.csv', type => 'text/csv', query => { description => 'tides' });
    status_is $res, 201;
    json_is $res, '', { message => 'File uploaded', file => { id => $UUID, tenant_id => $olive->tenant_id, filename => $res->json('/file/id') . '.csv', original_filename => 'tides.csv',
        file_size => 3, content_type => 'text/csv', storage_provider => 'local', description => 'tides', is_shared => false, extra_metadata => undef, created_at => $TIME, updated_at => $TIME } };
    my $id = $res->json('/file/id');
    is $t->db->selectrow_array(q{SELECT used FROM usage_counters WHERE user_id = usage_id(NULL) AND organization_id = usage_id(NULL) AND metric = 'storage_bytes' AND tenant_id = ?}, undef, $olive->tenant_id), 3, 'the tenant\'s own usage';
    is $ann->get("$url/shared")->json('/total'), 0, 'private';
    error_is $ann->get("$url/shared/$id/download"), 404, 'NOT_FOUND', resource => 'File', id => $id;
    error_is $ann->get("$url/$id"), 404, 'NOT_FOUND', name => 'and no user\'s';
    json_is $max->get($team), '', { files => [ $res->json('/file') ], total => 1, skip => 0, limit => 20 };
    error_is $max->patch("$team/$id", { is_shared => true }), 403, 'AUTHORIZATION_ERROR';
    error_is $rival->patch("$team/$id", { is_shared => true }), 404, 'NOT_FOUND';
    is $olive->patch("$team/$id", { is_shared => true })->json('/is_shared'), true, 'shared';
    is names($ann->get("$url/shared")), 'tides.csv', 'users see it';
    is $eve->get("$url/shared")->json('/total'), 0, 'of this tenant';
    my $got = $ann->get("$url/shared/$id/download");
    is $got->body, 'a,b', 'and get it';
    is $got->header('Content-Disposition'), 'attachment; filename="tides.csv"', '  under its name';
    my $changed = $olive->patch("$team/$id", { filename => "../t\x{202e}ides of 2027.csv", description => undef });
    is $changed->json('/filename'), 'tides of 2027.csv', 'renamed';
    is $changed->json('/original_filename'), 'tides.csv', '  and what it came as';
    is $changed->json('/description'), undef, '  and not described';
    is $ann->get("$url/shared/$id/download")->header('Content-Disposition'), 'attachment; filename="tides of 2027.csv"', '  for users, too';
    upload($olive, 'x', to => $team, filename => 'two.txt', query => { is_shared => 'true' });
    is names($max->get("$team?is_shared=false")), '', 'by whether it is shared';
    is names($max->get("$team?is_shared=true")), 'two.txt tides.csv', '  newest first';
    is $olive->patch("$team/$id", { is_shared => false })->json('/is_shared'), false, 'no more';
    error_is $ann->get("$url/shared/$id/download"), 404, 'NOT_FOUND', name => 'at once';
    error_is $max->delete("$team/$id"), 403, 'AUTHORIZATION_ERROR';
    error_is $rival->delete("$team/$id"), 404, 'NOT_FOUND';
    my $agent = $olive->post('/api/v1/dashboard/agents', { name => 'Pilot', system_prompt => 'You know the tides.', rag_provider => 'GOOGLE_FILE_SEARCH', rag_config => { file_ids => [$id] } });
    status_is $agent, 201;
    error_is $olive->delete("$team/$id"), 409, 'CONFLICT', message => qr/an agent looks things up in this file/;
    status_is $olive->put('/api/v1/dashboard/agents/' . $agent->json('/id'), { rag_provider => 'NONE', rag_config => undef }), 200;
    status_is $olive->delete("$team/$id"), 204;
    error_is $olive->delete("$team/$id"), 404, 'NOT_FOUND';
};

subtest 'quota' => sub {
    $t->db->do(q{INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, 'storage_bytes', ?)}, undef, $eve->tenant_id, $eve->uuid, 5);
    error_is upload($eve, '123456'), 402, 'LIMIT_EXCEEDED', used => 0, limit => 5;
    status_is upload($eve, '12345'), 201;
    error_is upload($eve, '1'), 402, 'LIMIT_EXCEEDED', used => 5, limit => 5;
};
