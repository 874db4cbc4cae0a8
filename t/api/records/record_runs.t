# Imports and exports that were started: who sees them, cancels them, takes them out of the history, and gets what they leave.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/recordsets/import';
my $none  = '01936b1c-2f5e-7a10-8c3d-000000000000';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $json  = Cpanel::JSON::XS->new->canonical;

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob, $carl, $vera, $eve) = (@$w{qw(ann adam bob carl vera)}, $x->{eve});
my $boats = $bob->post('/api/v1/recordsets', { name => 'Boats' })->json;

# A run as its job leaves it.
my $made = 0;
sub run_of ($by, %with) {
    my %row = (tenant_id => $ann->tenant_id, organization_id => $w->id, kind => 'import', recordset_id => $boats->{id}, member_id => $w->member_id($by), file_name => 'boats.csv', format => 'csv', %with);
    $row{completed_at} //= 'now' if ($row{status} // 'queued') !~ /queued|running/;
    $row{progress} = 100 if ($row{status} // '') eq 'completed';
    my @names = sort keys %row;
    # Each a moment behind the one before.
    return $db->selectrow_array("INSERT INTO record_runs (@{[ join ', ', @names ]}, created_at) VALUES (@{[ join ', ', ('?') x @names ]}, now() + make_interval(secs => ?)) RETURNING id", undef, @row{@names}, ++$made);
}
# Its file.
sub object_of ($content) {
    my $id = $db->selectrow_array(q{INSERT INTO stored_objects (tenant_id, organization_id, backend, state, content_type, size, sha256) VALUES (?, ?, 'local', 'stored', 'text/csv', ?, sha256(convert_to(?, 'UTF8'))) RETURNING id},
        undef, $ann->tenant_id, $w->id, length $content, $content);
    my $dir = "$t->{dir}/files/objects/" . substr $id, -2;
    mkdir $dir;
    open my $out, '>:raw', "$dir/$id" or die "$dir/$id: $!\n";
    print {$out} $content;
    close $out or die "$dir/$id: $!\n";
    return $id;
}
sub ids ($res) { return [ map { $_->{job_id} } @{ $res->json('/items') } ] }
sub path ($url) { return $url =~ s{\Ahttps://[^/]+}{}r }

my %shown = (
    job_id => $UUID, job_type => 'import', status => 'queued', progress => 0, current_step => undef, recordset_id => $boats->{id}, recordset_name => 'Boats', recordset_slug => 'boats', file_name => 'boats.csv', format => 'csv',
    total_rows => 0, processed_rows => 0, success_count => 0, error_count => 0, skipped_count => 0, error_message => undef, dry_run => false, created_by => $w->ref_of(bob => 'member'), created_at => $MICRO, started_at => undef, completed_at => undef,
);

subtest 'all members see them, the newest first' => sub {
    json_is $vera->get("$base/jobs"), '', { items => [], total => 0, page => 1, page_size => 50, total_pages => 0 };
    my $first = run_of('bob');
    my $export = run_of('carl', kind => 'export', status => 'failed', error_message => 'no room');
    my $fill  = run_of('bob', kind => 'gis_backfill', status => 'completed');
    my $geo   = run_of('bob', kind => 'geocode');
    is_deeply ids($vera->get("$base/jobs")), [ $fill, $export, $first ], 'but for geocoding';
    is_deeply ids($vera->get("$base/jobs", query => { job_type => 'export' })), [$export];
    is_deeply ids($vera->get("$base/jobs", query => { status => 'queued' })), [$first];
    is_deeply ids($vera->get("$base/jobs", query => { status => 'pending' })), [], 'what we have no word for';
    is_deeply ids($vera->get("$base/jobs", query => { page => 2, page_size => 2 })), [$first];
    is_deeply ids($eve->get("$base/jobs")), [], 'nobody else\'s workspace';
    json_is $vera->get("$base/jobs", query => { status => 'queued' }), '/items/0', { %shown, job_id => $first };
    error_is $vera->get("$base/jobs", query => $_), 422, 'VALIDATION_ERROR', field => (keys %$_)[0] for { job_type => 'geocode' }, { status => 'done' }, { page_size => 201 }, { page => 0 };
    error_is $t->nobody->get("$base/jobs"), 401, 'AUTHENTICATION_ERROR';
    json_is $vera->get("$base/status/$export"), '', { job_id => $export, status => 'failed', progress => 0, total_rows => 0, processed_rows => 0, success_count => 0, error_count => 0, error_message => 'no room' };
    for my $id ($geo, $none) {
        error_is $ann->get("$base/$_"), 404, 'NOT_FOUND' for "jobs/$id", "status/$id", "jobs/$id/report-url";
    }
    error_is $eve->get("$base/$_"), 404, 'NOT_FOUND' for "jobs/$first", "status/$first", "jobs/$first/report-url";
    $db->do('DELETE FROM record_runs');
};

subtest 'what was in one is for who started it, owners and admins' => sub {
    my $report  = object_of("row_number,field,value,error\r\n2,depth,deep,is no number\r\n");
    my $summary = { total_rows => 2, valid_rows => 1, invalid_rows => 1, errors_by_field => { depth => 1 }, sample_errors => [ { row_number => 2, field => 'depth', value => 'deep', error => 'is no number' } ] };
    my $id      = run_of('bob', status => 'completed', object_id => $report, expires_at => '2100-01-01', summary => $json->encode($summary), options => '{"field_mappings": {"Depth": "depth"}}', total_rows => 2, success_count => 1, error_count => 1);
    for my $who ($bob, $ann, $adam) {
        my $res = $who->get("$base/jobs/$id");
        status_is $res, 200;
        is_deeply $res->json('/validation_summary'), $summary;
        is_deeply $res->json('/field_mappings'), { Depth => 'depth' };
        like $res->json('/report_download_url'), qr{\Ahttps://[^/]+\Q$base\E/error-report/$id\?exp=\d+&sig=[0-9a-f]{64}\z};
        like $res->json('/report_expires_at'), $MICRO;
        is $res->json('/download_url'), undef;
    }
    for my $who ($carl, $vera) {
        my $res = $who->get("$base/jobs/$id");
        is_deeply [ map { $res->json("/$_") } qw(validation_summary field_mappings report_download_url report_expires_at download_url) ], [ (undef) x 5 ];
        error_is $who->get("$base/jobs/$id/report-url"), 403, 'AUTHORIZATION_ERROR';
    }
    my $link = $bob->get("$base/jobs/$id/report-url");
    json_is $link, '', { url => qr{/error-report/}, expires_at => $MICRO };
    my $url = path($link->json('/url'));
    my $res = $t->nobody->get($url);
    status_is $res, 200, 'whoever has the link gets it';
    is $res->body, "row_number,field,value,error\r\n2,depth,deep,is no number\r\n";
    header_is $res, 'Content-Type', 'text/csv';
    header_is $res, 'Content-Disposition', 'attachment; filename="errors-boats.csv"';
    error_is $t->nobody->get($url =~ s/sig=./sig=x/r), 403, 'AUTHORIZATION_ERROR', name => 'a signature that is none';
    error_is $t->nobody->get($url =~ s/exp=\d+/exp=4000000000/r), 403, 'AUTHORIZATION_ERROR', name => 'of another time';
    error_is $t->nobody->get($url =~ s/$id/$none/r), 403, 'AUTHORIZATION_ERROR', name => 'of another job';
    error_is $t->nobody->get("$base/error-report/$id", query => $_), 422, 'VALIDATION_ERROR' for {}, { exp => 1 }, { sig => 'x' }, { exp => 'soon', sig => 'x' };
    $db->do(q{UPDATE record_runs SET expires_at = now() - interval '1 minute' WHERE id = ?}, undef, $id);
    error_is $t->nobody->get($url), 404, 'NOT_FOUND', name => 'when the file is over';
    my $export = run_of('bob', kind => 'export', status => 'completed', object_id => object_of("a\r\n1\r\n"), expires_at => '2100-01-01', file_name => 'boats.csv');
    my $got = $bob->get("$base/jobs/$export");
    is $got->json('/report_download_url'), undef;
    $res = $t->nobody->get(path($got->json('/download_url')));
    is $res->body, "a\r\n1\r\n", 'an export is got the same way';
    header_is $res, 'Content-Disposition', 'attachment; filename="boats.csv"';
    error_is $bob->get("$base/jobs/@{[ run_of('bob') ]}/report-url"), 404, 'NOT_FOUND', name => 'one that has none';
    $db->do('DELETE FROM record_runs');
};

subtest 'cancel' => sub {
    my $id = run_of('bob', total_rows => 10, processed_rows => 5, status => 'running', progress => 50);
    error_is $carl->post("$base/jobs/$id/cancel"), 403, 'AUTHORIZATION_ERROR';
    error_is $_->post("$base/jobs/$id/cancel"), 404, 'NOT_FOUND' for $eve;
    error_is $ann->post("$base/jobs/$none/cancel"), 404, 'NOT_FOUND';
    my $res = $bob->post("$base/jobs/$id/cancel");
    status_is $res, 200;
    json_is $res, '', { %shown, job_id => $id, status => 'cancelled', progress => 50, total_rows => 10, processed_rows => 5, completed_at => $MICRO };
    error_is $bob->post("$base/jobs/$id/cancel"), 409, 'CONFLICT', message => qr/cancelled/;
    status_is $adam->post("$base/jobs/@{[ run_of('bob') ]}/cancel"), 200, 'an admin cancels anybody\'s';
    my @open = (run_of('bob'), run_of('carl', status => 'running'));
    my $geo = run_of('carl', kind => 'geocode');
    error_is $bob->post("$base/jobs/cancel-all"), 403, 'AUTHORIZATION_ERROR';
    json_is $eve->post("$base/jobs/cancel-all"), '', { cancelled_count => 0, job_ids => [] };
    $res = $adam->post("$base/jobs/cancel-all");
    status_is $res, 200;
    is $res->json('/cancelled_count'), 2;
    is_deeply [ sort @{ $res->json('/job_ids') } ], [ sort @open ];
    is $db->selectrow_array('SELECT status FROM record_runs WHERE id = ?', undef, $geo), 'queued', 'but for geocoding';
    $db->do('DELETE FROM record_runs');
};

subtest 'delete' => sub {
    my $object = object_of('x');
    my $id     = run_of('bob', status => 'completed', object_id => $object, expires_at => '2100-01-01');
    my $open   = run_of('bob');
    error_is $carl->delete("$base/jobs/$id"), 403, 'AUTHORIZATION_ERROR';
    error_is $eve->delete("$base/jobs/$id"), 404, 'NOT_FOUND';
    error_is $bob->delete("$base/jobs/$open"), 409, 'CONFLICT', message => qr/active/;
    status_is $bob->delete("$base/jobs/$id"), 204;
    error_is $bob->delete("$base/jobs/$id"), 404, 'NOT_FOUND';
    is $db->selectrow_array('SELECT state FROM stored_objects WHERE id = ?', undef, $object), 'gone', 'and its file';
    status_is $bob->post("$base/jobs/$open/cancel"), 200;
    status_is $ann->delete("$base/jobs/$open"), 204, 'an owner anybody\'s';
};

subtest 'by the clock: files that are over, and runs whose job has died' => sub {
    my $tend = sub { return $db->selectrow_array('SELECT record_runs_tend(10)') };
    my $object = object_of('x');
    my $over   = run_of('bob', status => 'completed', object_id => $object, expires_at => '2020-01-01');
    my $job    = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, state, finished_at) VALUES (?, 'ashlar', 'record.import', 'failed', now()) RETURNING id}, undef, $ann->tenant_id);
    my $dead   = run_of('bob', status => 'running', job_id => $job, progress => 40);
    is $tend->(), 1;
    is $db->selectrow_array('SELECT object_id FROM record_runs WHERE id = ?', undef, $over), undef;
    is $db->selectrow_array('SELECT state FROM stored_objects WHERE id = ?', undef, $object), 'gone';
    is_deeply $db->selectrow_arrayref('SELECT status, error_message, progress FROM record_runs WHERE id = ?', undef, $dead), [ 'failed', 'interrupted', 40 ];
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'import_failed' AND member_id = ?}, undef, $w->member_id('bob')), 1, 'who started it is told';
    is $tend->(), 0;
};
