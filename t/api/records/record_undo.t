# An import that is undone: what it created is deleted, what it changed has what it had before, and what somebody has changed since stays, and is listed.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

my $t    = Api->start(main => 3, slow => 2);
my $db   = $t->db;
my $base = '/api/v1/recordsets/import';
my $none = '01936b1c-2f5e-7a10-8c3d-000000000000';

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});
$t->start_worker(children => 2);

sub form ($who, $content) {
    my $mark = 'x' x 30;
    my $res  = $who->request(POST => "$base/upload", type => "multipart/form-data; boundary=$mark", raw => "--$mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"boats.csv\"\r\nContent-Type: text/csv\r\n\r\n$content\r\n--$mark--\r\n");
    status_is $res, 200;
    return $res->json('/file_uri');
}
sub ended ($res) {
    status_is $res, 200, 'begun';
    die "it has not begun\n" if $res->status != 200;
    my $job;
    eventually { $job = $ann->get("$base/jobs/@{[ $res->json('/job_id') ]}")->json; $job->{status} =~ /completed|failed|cancelled/ } 60, 'it ends';
    return $job;
}
sub recordset ($name) {
    return $ann->post('/api/v1/recordsets', { name => $name, schema => { fields => [ { key => 'nr', type => 'text', unique => true }, { key => 'name', type => 'text' }, { key => 'n', type => 'number' } ] } })->json('/id');
}
sub import_into ($set, $content, %with) {
    my $who = delete $with{who} // $ann;
    return $who->post("$base/recordsets/$set", { file_uri => form($who, $content), field_mappings => { Nr => 'nr', Name => 'name', N => 'n' }, %with });
}
sub make ($set, %values) { return $ann->post('/api/v1/records', { recordset_id => $set, field_values => \%values })->json('/id') }
sub undo ($who, $job) { return $who->post("$base/jobs/$job/undo") }
sub live ($set) { return $db->selectrow_array(q{SELECT coalesce(jsonb_object_agg(field_values ->> 'nr', field_values - 'nr'), '{}')::text FROM records WHERE recordset_id = ? AND deleted_at IS NULL}, undef, $set) }
sub is_counted ($set) {
    is $db->selectrow_array('SELECT sum(count) FROM recordset_counts WHERE recordset_id = ?', undef, $set), $db->selectrow_array('SELECT count(*) FROM records WHERE recordset_id = ? AND deleted_at IS NULL', undef, $set), 'counted';
    is $db->selectrow_array(q{SELECT count(*) FROM record_keys k JOIN records r ON (r.tenant_id, r.organization_id, r.id) = (k.tenant_id, k.organization_id, k.record_id) WHERE r.recordset_id = ?}, undef, $set),
        $db->selectrow_array(q{SELECT count(*) FROM records x, recordsets s, jsonb_object_keys(s.uniques) u WHERE s.id = x.recordset_id AND x.recordset_id = ? AND x.deleted_at IS NULL AND x.field_values ->> u <> ''}, undef, $set), 'each value has its key';
}

subtest 'what it created and what it changed' => sub {
    my $set = recordset('Boats');
    make($set, nr => 'A1', name => 'old', n => 1);
    make($set, nr => 'A2', name => 'same');
    my $moved  = make($set, nr => 'A3', name => 'before', n => 3);
    my $before = live($set);
    my $job = ended(import_into($set, "Nr,Name,N\nA1,new,\nA2,same,\nA3,new,\n" . join('', map { "B$_,b,$_\n" } 1 .. 700), mode => 'upsert', match_field => 'nr'))->{job_id};
    isnt live($set), $before;
    error_is undo($t->nobody, $job), 401, 'AUTHENTICATION_ERROR';
    error_is undo($eve, $job),  404, 'NOT_FOUND', name => 'another workspace\'s';
    error_is undo($ann, $none), 404, 'NOT_FOUND';
    error_is undo($carl, $job), 403, 'AUTHORIZATION_ERROR', message => qr/not yours/;
    my ($created) = $db->selectrow_array(q{SELECT id FROM records WHERE recordset_id = ? AND field_values ->> 'nr' = 'B7'}, undef, $set);
    my ($gone)    = $db->selectrow_array(q{SELECT id FROM records WHERE recordset_id = ? AND field_values ->> 'nr' = 'B8'}, undef, $set);
    status_is $ann->put("/api/v1/records/$created", { field_values => { name => 'mine' } }), 200;
    status_is $ann->put("/api/v1/records/$moved",   { field_values => { n => 33 } }), 200;
    status_is $ann->delete("/api/v1/records/$gone"), 204;
    my $of_records = sub { return $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event LIKE 'record.%'}) };
    my $activities = $of_records->();
    my $res = undo($ann, $job);
    json_is $res, '', { recordset_id => $set, job_id => $UUID, status => 'queued', status_url => qr{\A\Q$base\E/jobs/} };
    error_is undo($ann, $job), 409, 'CONFLICT', message => qr/undone already/, name => 'once';
    my $done = ended($res);
    is_deeply [ @$done{qw(job_type status total_rows success_count error_count dry_run)} ], [ 'undo', 'completed', 702, 699, 3, false ];
    is_deeply $done->{validation_summary}, {
        total_rows => 702, valid_rows => 699, invalid_rows => 3, errors_by_field => {}, sample_errors => [], deleted_records => 698, restored_records => 1,
        kept => [ map { { record_id => $_->[0], value => undef, reason => $_->[1] } } sort { $a->[2] <=> $b->[2] || $a->[0] cmp $b->[0] } [ $created, 'it was changed since', 1 ], [ $gone, 'it is no more', 1 ], [ $moved, 'it was changed since', 1 ] ],
    };
    like $t->nobody->get($done->{report_download_url} =~ s{\Ahttps://[^/]+}{}r)->body, qr/\Arecord_id,value,reason\r\n.*\Q$created\E,,it was changed since\r\n/s, 'and has them in a file';
    is live($set), '{"A1": {"n": 1, "name": "old"}, "A2": {"name": "same"}, "A3": {"n": 33, "name": "new"}, "B7": {"n": 7, "name": "mine"}}';
    my $history = $ann->get("/api/v1/records/@{[ $db->selectrow_array(q{SELECT id FROM records WHERE recordset_id = ? AND field_values ->> 'nr' = 'A1'}, undef, $set) ]}/history")->json;
    is_deeply [ map { "$_->{version} $_->{change_type}" } @$history ], [ '3 restored', '2 updated', '1 created' ], 'what was changed has a version more';
    my ($deleted) = $db->selectrow_array(q{SELECT id FROM records WHERE recordset_id = ? AND field_values ->> 'nr' = 'B9'}, undef, $set);
    status_is $ann->post("/api/v1/records/$deleted/restore"), 200, 'what was deleted can be taken back as any';
    is $of_records->() - $activities, 2, 'one activity, and that of the restore';
    is_deeply $db->selectrow_arrayref(q{SELECT description, metadata ->> 'count' FROM activities WHERE event = 'record.import_undone'}), [ 'Import into Boats undone: 699', 699 ] or diag 'activity';
    is_counted($set);
    error_is undo($ann, $job), 409, 'CONFLICT', message => qr/undone already/;
    error_is undo($ann, $done->{job_id}), 409, 'CONFLICT', message => qr/imports and conversions/, name => 'an undo is not undone';
};

subtest 'a unique value goes back to whom it was taken from' => sub {
    my $set = $ann->post('/api/v1/recordsets', { name => 'Tags', schema => { fields => [ { key => 'nr', type => 'text', unique => true }, { key => 'name', type => 'text', unique => true }, { key => 'n', type => 'number' } ] } })->json('/id');
    make($set, nr => 'A', name => 'x');
    make($set, nr => 'B', name => 'z');
    my $job = ended(import_into($set, "Nr,Name,N\nA,y,\nB,w,\n" . join('', map { "F$_,f$_,\n" } 1 .. 600) . "C,x,\n", mode => 'upsert', match_field => 'nr'));
    is $job->{error_count}, 0, 'a later batch takes what an earlier one has freed';
    make($set, nr => 'D', name => 'z');
    my $done = ended(undo($ann, $job->{job_id}));
    is_deeply [ @{ $done->{validation_summary} }{qw(deleted_records restored_records invalid_rows)} ], [ 601, 1, 1 ];
    is $done->{validation_summary}{kept}[0]{reason}, 'name is that of another record', 'what somebody else has by now stays theirs';
    is live($set), '{"A": {"name": "x"}, "B": {"name": "w"}, "D": {"name": "z"}}';
    is_counted($set);
};

subtest 'who may, and what cannot be undone' => sub {
    my $set   = recordset('Rights');
    my $share = sub (%flags) { $db->do('DELETE FROM recordset_grants WHERE recordset_id = ?', undef, $set); status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id('bob'), map { $_ => true } keys %flags }), 201 };
    $share->(can_view => 1, can_create => 1, can_edit => 1);
    my $job = ended(import_into($set, "Nr,Name,N\nA,a,1\n", who => $bob))->{job_id};
    error_is undo($bob, $job), 403, 'AUTHORIZATION_ERROR', message => qr/can_delete/;
    $share->(can_view => 1, can_create => 1, can_delete_own => 1);
    my $other = ended(import_into($set, "Nr,Name,N\nA,b,1\nB,b,2\n", who => $ann, mode => 'upsert', match_field => 'nr'))->{job_id};
    error_is undo($bob, $other), 403, 'AUTHORIZATION_ERROR', message => qr/not yours/;
    is ended(undo($ann, $other))->{success_count}, 2, 'an owner undoes';
    # The record is at another version by then, with what it was created with.
    my $mine = ended(import_into($set, "Nr,Name,N\nC,a,1\n", who => $bob))->{job_id};
    is ended(undo($bob, $mine))->{success_count}, 1, 'and who started it, by can_delete_own';
    $t->{pool}{worker}->stop('TERM', 15);
    my $open = import_into($set, "Nr,Name,N\nE,a,1\n")->json('/job_id');
    error_is undo($ann, $open), 409, 'CONFLICT', message => qr/still active/;
    $t->start_worker(children => 2);
    eventually { $ann->get("$base/jobs/$open")->json('/status') eq 'completed' } 60, 'it ends';
    my $dry = ended(import_into($set, "Nr,Name,N\nF,a,1\n", dry_run => true))->{job_id};
    error_is undo($ann, $dry), 409, 'CONFLICT', message => qr/only tried/;
    my $export = ended($ann->post('/api/v1/recordsets/export', { recordset_id => $set, format => 'csv' }))->{job_id};
    error_is undo($ann, $export), 409, 'CONFLICT', message => qr/imports and conversions/;
    my $old = ended(import_into($set, "Nr,Name,N\nG,a,1\n"))->{job_id};
    $db->do(q{UPDATE record_runs SET completed_at = now() - interval '30 days 1 second' WHERE id = ?}, undef, $old);
    error_is undo($ann, $old), 409, 'CONFLICT', message => qr/30 days ago/;
    $db->do(q{UPDATE record_runs SET completed_at = now() - interval '29 days 23 hours' WHERE id = ?}, undef, $old);
    $db->do('DELETE FROM record_run_batches WHERE run_id = ?', undef, $old);
    error_is undo($ann, $old), 409, 'CONFLICT', message => qr/not known/, name => 'its batches are purged';
    my $earlier = ended(import_into($set, "Nr,Name,N\nG,b,1\n", mode => 'upsert', match_field => 'nr'))->{job_id};
    $db->do('UPDATE record_run_batches SET versions = NULL WHERE run_id = ?', undef, $earlier);
    error_is undo($ann, $earlier), 409, 'CONFLICT', message => qr/earlier version/;
    my $last = ended(import_into($set, "Nr,Name,N\nH,b,1\n"))->{job_id};
    status_is $ann->post('/api/v1/records/bulk-delete', { recordset_id => $set, all => true }), 200;
    my $kept = ended(undo($ann, $last));
    is_deeply [ @$kept{qw(success_count error_count)} ], [ 0, 1 ], 'what went with all others is no more';
    my $gone = ended(import_into($set, "Nr,Name,N\nH,b,1\n"))->{job_id};
    status_is $ann->delete("/api/v1/recordsets/$set"), 204;
    error_is undo($ann, $gone), 409, 'CONFLICT', message => qr/no more/, name => 'nor in the trash';
};
