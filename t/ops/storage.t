# What nobody has any more: uploads that were never confirmed, content without a row, rows without content.

use v5.36;
use lib 't/lib';
use Api;

my $t   = Api->start(worker => 1);
my $db  = $t->db;
my $ann = $t->user('ann');
my $bob = $t->user('bob', tenant => 'other');
my $url = '/api/v1/app/files';
my $dir = "$t->{dir}/files";
$t->expect_log(qr/the database knows \d+ of the files/, qr/storage: 1 files are lost/, qr{storage: \S+/objects/});

sub path ($link) { return $link =~ s{^https://localhost:\d+}{}r }

sub begin_upload ($user) { return $user->post("$url/upload-url", { filename => 'a', content_type => 'text/plain', size => 1 })->json }

sub id_of ($begun) { return $begun->{upload_url} =~ m{/storage/([0-9a-f-]{36})} ? $1 : die }

sub put ($begun) { return status_is $t->client->request(PUT => path($begun->{upload_url}), raw => 'x', type => 'text/plain'), 201 }

sub upload ($user) {
    my $begun = begin_upload($user);
    put($begun);
    status_is $user->post("$url/confirm", { file_id => $begun->{file_id} }), 200;
    return $begun;
}

sub used ($user) { return join ' ', $db->selectrow_array(q{SELECT coalesce(sum(used), 0), coalesce(sum(reserved), 0) FROM usage_counters WHERE user_id = ? AND metric = 'storage_bytes'}, undef, $user->uuid) }

sub rows ($id) { return scalar $db->selectrow_array('SELECT count(*) FROM stored_objects WHERE id = ?', undef, $id) }

sub lies ($place) { return -e "$dir/$place" ? 1 : 0 }

sub shelf ($id) { return 'objects/' . substr($id, -2) . "/$id" }

sub spew ($place) {
    mkdir "$dir/$1" if $place =~ m{(.*)/};
    open my $out, '>', "$dir/$place" or die "$place: $!\n";
    print {$out} 'x';
    return close $out;
}

# Run one job of the kind; the state that it ends in.
sub job ($kind, $payload = '{}') {
    my ($id) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, payload, max_attempts) VALUES (?, 'ashlar', ?, ?, 1) RETURNING id}, undef, $ann->tenant_id, $kind, $payload);
    my $state;
    eventually { ($state) = $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id); ($state // '') =~ /completed|failed/ } 30, "$kind ends";
    return $state;
}

subtest 'they run by the clock' => sub {
    is_deeply $db->selectcol_arrayref(q{SELECT kind FROM job_schedules WHERE kind LIKE 'storage.%' ORDER BY 1}), [qw(storage.compare storage.expire)];
};

subtest 'an upload that was not confirmed in time is given up, in whichever tenant' => sub {
    my ($late, $theirs, $young, $done) = (begin_upload($ann), begin_upload($bob), begin_upload($ann), upload($ann));
    put($late);
    $db->do(q{UPDATE stored_objects SET expires_at = now() - interval '1 second' WHERE id = ANY (?)}, undef, [ map { id_of($_) } $late, $theirs, $done ]);
    is used($ann), '1 2', 'one is stored and two are held';
    is job('storage.expire'), 'completed';
    is used($ann), '1 1', 'what it held is free';
    is used($bob), '0 0', 'in the other tenant, too';
    error_is $ann->post("$url/confirm", { file_id => $late->{file_id} }), 404, 'NOT_FOUND', name => 'it cannot be confirmed any more';
    error_is $t->client->request(PUT => path($late->{upload_url}), raw => 'x', type => 'text/plain'), 404, 'NOT_FOUND', name => 'nor sent';
    is $ann->get($url)->json('/total'), 1, 'what is stored stays';
    eventually { !rows(id_of($late)) && !rows(id_of($theirs)) } 30, 'their rows are gone';
    ok !lies('incoming/' . id_of($late)), 'and what had come';
    is rows(id_of($young)), 1, 'the younger one is still awaited';
};

subtest 'content is removed though the job that should was lost' => sub {
    my $file = upload($ann);
    $db->do('DELETE FROM files WHERE object_id = ?', undef, id_of($file));
    $db->do('ALTER TABLE stored_objects DISABLE TRIGGER stored_objects_touch');
    $db->do(q{UPDATE stored_objects SET state = 'gone', updated_at = now() - interval '2 hours' WHERE id = ?}, undef, id_of($file));
    $db->do('ALTER TABLE stored_objects ENABLE TRIGGER stored_objects_touch');
    is job('storage.expire'), 'completed';
    eventually { !rows(id_of($file)) } 30, 'its row is gone';
    ok !lies(shelf(id_of($file))), 'and its content';
};

subtest 'content without a row is removed, once it is a day old' => sub {
    my $file    = upload($ann);
    my $awaited = begin_upload($ann);
    put($awaited);
    my $orphan  = '01a2294a-846c-7c24-95c7-8e8c9c668dac';
    my @orphans = (shelf($orphan), shelf($orphan) . '.new', "incoming/$orphan", 'incoming/' . id_of($file), 'incoming/tmp/0000000042');
    my @others  = (shelf(id_of($file)), 'incoming/' . id_of($awaited), 'objects/ac/README');
    spew($_) for @orphans, $others[-1];
    is job('storage.compare'), 'completed';
    is_deeply [ grep { !lies($_) } @orphans, @others ], [], 'nothing that is younger';
    is job('storage.compare', '{"grace_s": 0}'), 'completed';
    is_deeply [ grep { lies($_) } @orphans ], [], 'what nobody has';
    is_deeply [ grep { !lies($_) } @others ], [], 'and nothing else: what is stored, what is awaited, what others put there';
};

subtest 'a database that knows little of what lies there removes nothing' => sub {
    my @strange = map { sprintf '01a2294a-846c-7c24-95c7-8e8c9c6%05x', $_ } 1 .. 101;
    spew(shelf($_)) for @strange;
    is job('storage.compare', '{"grace_s": 0}'), 'failed', 'it says so';
    like $db->selectrow_array(q{SELECT last_error FROM jobs WHERE kind = 'storage.compare' AND state = 'failed'}), qr/knows \d+ of the files in .*, and not 101: nothing was removed/, 'and why';
    is scalar(grep { lies(shelf($_)) } @strange), 101, 'all are there';
    unlink map { "$dir/" . shelf($_) } @strange;
};

subtest 'a row without content is told' => sub {
    my $file = upload($ann);
    unlink "$dir/" . shelf(id_of($file)) or die "unlink: $!\n";
    $db->do('ALTER TABLE stored_objects DISABLE TRIGGER stored_objects_touch');
    $db->do(q{UPDATE stored_objects SET updated_at = now() - interval '2 minutes' WHERE id = ?}, undef, id_of($file));
    $db->do('ALTER TABLE stored_objects ENABLE TRIGGER stored_objects_touch');
    is job('storage.compare'), 'completed';
    error_is $t->client->get(path($ann->get("$url/$file->{file_id}/download-url")->json('/download_url'))), 404, 'NOT_FOUND', name => 'it cannot be got';
};

subtest 'a large upload leaves every process as small as it was' => sub {
    my $size = 96 << 20;    # memory has more than enough for one, if it were kept there
    open my $large, '>', "$t->{dir}/large" or die "large: $!\n";
    truncate $large, $size or die "truncate: $!\n";
    close $large or die "large: $!\n";
    my $begun  = $ann->post("$url/upload-url", { filename => 'a', content_type => 'application/octet-stream', size => $size })->json;
    my @pids   = ($t->nginx->children, map { $t->children($_) } qw(main slow));
    my $memory = sub ($pid) { open my $in, '<', "/proc/$pid/status" or return 0; return (join '', <$in>) =~ /^VmHWM:\s+(\d+)/m ? $1 : 0 };
    my %before = map { $_ => $memory->($_) } @pids;
    my $status = qx(curl -sk -o /dev/null -w '%{http_code}' -T '$t->{dir}/large' -H 'Content-Type: application/octet-stream' -H 'Expect:' '$begun->{upload_url}');
    is $status, 201, 'it is written';
    status_is $ann->post("$url/confirm", { file_id => $begun->{file_id} }), 200;
    is_deeply [ map { my $grown = $memory->($_) - $before{$_}; $grown > 16 << 10 ? "$_ by $grown KiB" : () } @pids ], [], 'and none has ever had 16 MiB more';
    status_is $ann->delete("$url/$begun->{file_id}"), 204;
};
