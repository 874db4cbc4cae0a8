# What happened in a workspace as a file: who may have one made, what is in it, how it is got, and when it goes.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use File::Temp ();
use MIME::Base64 'decode_base64';

our $BUCKET;
my $t    = Api->start(main => 3, $BUCKET ? ($BUCKET->settings, S3_ENDPOINT => $BUCKET->origin) : ());
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member', dan => 'member', vera => 'viewer');
my $x    = workspace($t, eve => 'owner');
my $json = Cpanel::JSON::XS->new->utf8;
my $base = '/api/v1/activity/export';
my $none = '01936b1c-2f5e-7a10-8c3d-000000000000';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my @head = qw(timestamp type event description actor_name actor_email entity_type entity_id entity_name);

sub start ($who, %body)  { return $who->post($base, \%body) }
sub show ($who, $id)     { return $who->get("$base/jobs/$id") }
sub in_tenant ($sql, @values) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
    my @row = $db->selectrow_array($sql, undef, @values);
    $db->commit;
    return $row[0];
}

# Something that happened, told as a trigger does it.
sub happened ($event, %arg) {
    return in_tenant('SELECT activity_put(?, ?, ?, ?, ?, ?, ?, ?::jsonb)', $arg{org} // $w->id, $event, $arg{scope} // 'none', $arg{scope_id},
        $arg{by} ? $w->member_id($arg{by}) : undef, $arg{id} // 'x', $arg{name}, $arg{data} // '{}');
}

# An export that has ended, as its job is shown.
sub ended ($who, %body) {
    my $id = start($who, %body)->json('/job_id');
    my $job;
    eventually { $job = show($who, $id)->json; $job->{status} =~ /completed|failed/ } 20, 'an export ends';
    return $job;
}
sub path ($url) { return $url =~ s{\Ahttps://[^/]+}{}r }
sub whom ($link) { return $BUCKET && index($link, $BUCKET->origin) == 0 ? $BUCKET->client : $t->client }
sub content ($who, $job) {
    my $res = $who->get("$base/jobs/$job->{job_id}/download");
    return $res->body if $res->status == 200;
    status_is $res, 302, 'to where it is stored';
    return whom($res->header('Location'))->get(path($res->header('Location')))->body;
}

# What a program says that reads these bytes.
sub piped ($bytes, @command) {
    my $file = File::Temp->new;
    print {$file} $bytes;
    $file->flush;
    open my $out, '-|', 'sh', '-c', 'exec "$@" <"$0"', "$file", @command or die "$command[0]: $!\n";
    return do { local $/ = undef; <$out> };
}

# By a parser of others'.
sub csv ($text) { return $json->decode(piped($text, 'python3', '-c', 'import csv, io, json, sys; print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline="")))))')) }
sub workbook ($bytes) { return $json->decode(piped($bytes, 'node', 't/clients/workbook.mjs')) }
# A control character is _x000D_ in a workbook (ECMA-376 22.9.2.19), which exceljs leaves as it is.
sub texts ($rows) { return [ map { my $row = $_; [ map { $_->[0] eq 'Null' ? '' : $_->[1] =~ s/_x([0-9A-F]{4})_/chr hex $1/ger } @$row ] } @$rows ] }
sub rows_of ($who, %body) {
    my ($head, @rows) = @{ csv(content($who, ended($who, format => 'csv', %body))) };
    is_deeply $head, \@head, 'its columns';
    return \@rows;
}
sub feed ($who, %query) {
    return [ map { my $a = $_; [ @$a{qw(timestamp type event description)}, ($a->{actor} // {})->{full_name} // '', ($a->{actor} // {})->{email} // '', map { $_ // '' } @$a{qw(entity_type entity_id entity_name)} ] }
            @{ $who->get('/api/v1/activity/feed', query => { limit => 100, %query })->json('/activities') } ];
}

happened('goal.created', by => 'bob', name => "Be known in Berlin \x{1f680}", id => $none);
happened('goal.created', by => 'bob', name => $_) for '=1+1', '+1', '-5.00', '@cmd', "\tx", "\rx", 'a "quoted", one', "two\nlines", '  blanks  ', 'the word _x0041_', "\x01 and \x{fffd}";
happened('user.team_created', by => 'ann', name => 'Harbour');
happened('goal.created', name => 'of nobody');

subtest 'who may start one, and with what' => sub {
    error_is start($t->nobody), 401, 'AUTHENTICATION_ERROR';
    error_is start($w->{vera}), 403, 'AUTHORIZATION_ERROR', message => qr/can_export_activity/;
    error_is start($x->{eve}->with(headers => { 'X-Workspace-Id' => $w->id })), 403, 'AUTHORIZATION_ERROR', name => 'not in another workspace';
    error_is start($w->{ann}, @$_), 422, 'VALIDATION_ERROR', field => qr/\A$_->[0]/, name => "$_->[0]: " . $json->encode([ $_->[1] ])
        for [ format => 'pdf' ], [ types => ['deed'] ], [ types => [] ], [ types => 'goal' ], [ scope => 'ours' ], [ start_date => 'yesterday' ], [ end_date => '2026-02-30' ], [ search => 'x' x 256 ],
        [ user_ids => ['me'] ], [ team_ids => [ ($none) x 101 ] ], [ format => undef ];
    error_is start($w->{ann}, start_date => '2026-02-02', end_date => '2026-02-01'), 422, 'VALIDATION_ERROR', field => 'end_date', name => 'dates backwards';
    is $db->selectrow_array('SELECT count(*) FROM activity_exports'), 0, 'nothing is started by what is refused';
    my $res = start($w->{bob}, format => 'xlsx', types => [ 'goal', 'user' ], search => ' berlin ', start_date => '2026-01-01', user_ids => [ $w->member_id('bob') ]);
    status_is $res, 200;
    my $id = $res->json('/job_id');
    json_is $res, '', { job_id => $id, status => 'queued', status_url => "$base/jobs/$id" };
    my $job = show($w->{bob}, $id);
    json_is $job, '', {
        job_id => $id, status => 'queued', progress => 0, format => 'xlsx', row_count => undef, file_name => undef, file_size => undef, storage => undef, output_data => undef, error_message => undef,
        filters => { types => [ 'goal', 'user' ], search => 'berlin', start_date => '2026-01-01', scope => 'all', user_ids => [ $w->member_id('bob') ] },
        created_at => $job->json('/created_at'), started_at => undef, completed_at => undef,
    };
    error_is $w->{bob}->get("$base/jobs/$id/$_"), 409, 'CONFLICT', message => qr/not completed/ for qw(download download-url);
    for my $way ('', '/download', '/download-url') {
        error_is $t->nobody->get("$base/jobs/$id$way"), 401, 'AUTHENTICATION_ERROR';
        error_is $_->get("$base/jobs/$id$way"), 404, 'NOT_FOUND', name => "nobody else's$way" for $w->{ann}, $x->{eve};
        error_is $w->{bob}->get("$base/jobs/$_$way"), 404, 'NOT_FOUND' for $none, 'mine';
    }
    error_is $w->{bob}->get("$base/jobs", query => $_), 422, 'VALIDATION_ERROR', field => (keys %$_)[0] for { limit => 0 }, { limit => 101 }, { offset => -1 };
    is_deeply $w->{ann}->get("$base/jobs")->json, [], 'nor in their list';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'activity.export' AND resource_id = ? AND details -> 'filters' ->> 'search' = 'berlin'}, undef, $id), 1, 'who started it is put down';
    status_is $w->{ann}->put('/api/v1/permissions/roles/member', { permissions => { can_view_activity => false } }), 200;
    error_is start($w->{bob}), 403, 'AUTHORIZATION_ERROR', message => qr/can_view_activity/, name => 'who does not see it exports none';
    status_is $w->{ann}->put('/api/v1/permissions/roles/member', { permissions => { can_view_activity => true } }), 200;
    is start($w->{bob}, $_->%*)->status, 200, $json->encode($_) for { types => ['record'] }, {};
    is_deeply [ map { $_->{filters}{types} } @{ $w->{bob}->get("$base/jobs", query => { limit => 2 })->json } ], [ undef, ['record'] ], 'mine, the newest first';
    is_deeply [ map { $_->{job_id} } @{ $w->{bob}->get("$base/jobs", query => { offset => 2 })->json } ], [$id], 'a page of them';
};

subtest 'of a workspace two are made at a time, the oldest first' => sub {
    start($w->{ann}, format => 'json') for 1, 2;
    start($x->{eve});
    my $begun = sub ($of) { join ' ', @{ $db->selectcol_arrayref(q{SELECT CASE WHEN job_id IS NULL THEN '-' ELSE 'x' END FROM activity_exports WHERE organization_id = ? ORDER BY created_at, id}, undef, $of->id) } };
    is $begun->($w), 'x x - - -', 'five are asked for';
    is $begun->($x), 'x', 'another one\'s does not wait behind them';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'activity.export'}), 3;
    $t->start_worker(children => 2);
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM activity_exports WHERE status <> 'completed'}) } 20, 'one after the other they are all made';
    is $begun->($w), 'x x x x x';
};

subtest 'CSV' => sub {
    my $job = ended($w->{ann}, format => 'csv', types => ['goal']);
    is $job->{status}, 'completed';
    is $job->{progress}, 100;
    like $job->{file_name}, qr/\Aactivity-\d{4}-\d\d-\d\d-\d{6}\.csv\z/;
    like $job->{$_}, $MICRO, $_ for qw(created_at started_at completed_at);
    is $job->{storage}, 'inline', 'a small one';
    is_deeply $job->{output_data}, { download_url => "https://localhost:$t->{https_port}$base/jobs/$job->{job_id}/download", expires_at => $job->{output_data}{expires_at} };
    is $db->selectrow_array(q{SELECT expires_at - completed_at = interval '7 days' FROM activity_exports WHERE id = ?}, undef, $job->{job_id}), 1, 'kept for seven days';
    my $res = $w->{ann}->get("$base/jobs/$job->{job_id}/download");
    status_is $res, 200;
    header_is $res, 'Content-Type', 'text/csv';
    header_is $res, 'Content-Disposition', qq{attachment; filename="$job->{file_name}"};
    header_is $res, 'X-Content-Type-Options', 'nosniff';
    is length $res->body, $job->{file_size}, 'as large as it says';
    my ($head, @rows) = @{ csv($res->body) };
    is_deeply $head, \@head;
    is_deeply \@rows, [ map { my @r = @$_; $r[8] =~ s/\A(?=[=+\-@\t\r])/'/; \@r } @{ feed($w->{ann}, types => 'goal') } ], 'what the feed shows, and no formula';
    is $job->{row_count}, scalar @rows;
    is scalar(grep { $_->[8] =~ /\A'/ } @rows), 6, 'six texts would have been one';
    my $link = $w->{ann}->get("$base/jobs/$job->{job_id}/download-url")->json;
    my $url  = delete $link->{download_url};
    is_deeply $link, { file_name => $job->{file_name}, content_type => 'text/csv', expires_at => undef }, 'a link to it';
    is decode_base64($url =~ s/\Adata:text\/csv;base64,//r), $res->body, 'is the file itself';
};

subtest 'JSON' => sub {
    my $job = ended($w->{ann}, format => 'json');
    my $res = $w->{ann}->get("$base/jobs/$job->{job_id}/download");
    header_is $res, 'Content-Type', 'application/json';
    is_deeply [ map { my $row = $_; [ map { $_ // '' } @$row{@head} ] } @{ $json->decode($res->body) } ], feed($w->{ann}), 'an array of the same rows, each text as it is';
    is_deeply [ sort keys %{ $json->decode($res->body)->[0] } ], [ sort @head ];
    is content($w->{ann}, ended($w->{ann}, format => 'json', search => 'no such thing')), "[\n]\n", 'of nothing an empty one';
};

subtest 'XLSX' => sub {
    my $job = ended($w->{ann}, format => 'xlsx');
    my $res = $w->{ann}->get("$base/jobs/$job->{job_id}/download");
    header_is $res, 'Content-Type', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
    my ($sheet, @more) = @{ workbook($res->body) };
    is @more, 0;
    my ($head, @rows) = @{ $sheet->{rows} };
    is_deeply texts([$head]), [ \@head ];
    my ($got, $want) = (texts(\@rows), feed($w->{ann}));
    my @at = map { [ map { shift @$_ } @$_ ] } $got, $want;
    is_deeply $got, $want, 'each text as it is';
    my ($apart) = $db->selectrow_array('SELECT max(abs(extract(epoch FROM a - b))) FROM unnest(?::timestamptz[], ?::timestamptz[]) t (a, b)', undef, @at);
    cmp_ok $apart, '<=', 0.001, 'and each time, to the millisecond';
    is_deeply [ sort keys %{ { map { $_->[0] => 1 } map { @$_ } @rows } } ], [qw(Date Null String)], 'times and texts, and no formula';
    is_deeply texts(workbook(content($w->{ann}, ended($w->{ann}, format => 'xlsx', types => ['record'])))->[0]{rows}), [ \@head ], 'of nothing the columns\' names';
};

subtest 'filters mean what they mean in the feed' => sub {
    my $team = $w->{ann}->post('/api/v1/teams', { name => 'Pilots', member_ids => [ $w->member_id('bob') ] })->json('/id');
    my $at   = (feed($w->{ann}))->[3][0];
    for my $case ([ types => ['user'], 'user' ], [ search => 'BERLIN', 'BERLIN' ], [ search => '%', '%' ], [ search => '  ', '  ' ], [ scope => 'mine', 'mine' ], [ user_ids => [ $w->{bob}->uuid ], $w->{bob}->uuid ], [ team_ids => [$team], $team ],
        [ team_ids => [$none], $none ], [ start_date => $at, $at ], [ end_date => $at, $at ], [ end_date => '2001-01-01', '2001-01-01' ]) {
        my ($name, $body, $query) = @$case;
        is_deeply [ map { $_->[2] . $_->[7] } @{ rows_of($w->{ann}, $name => $body) } ], [ map { $_->[2] . $_->[7] } @{ feed($w->{ann}, $name => $query) } ], "$name=$query";
    }
    is scalar @{ rows_of($w->{ann}, types => ['goal'], search => 'berlin', user_ids => [ $w->member_id('ann') ]) }, 0, 'and all of them together';
};

subtest 'it shows what its starter may see when it is made' => sub {
    my $set = '01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e';
    happened('record.created', scope => 'recordset', scope_id => $set, name => 'hidden');
    happened('record.created', name => 'seen');
    is_deeply [ map { $_->[8] } @{ rows_of($w->{$_}, types => ['record']) } ], ['seen'], "$_ does not see it" for qw(ann bob);
    my $was = $db->selectrow_array(q{SELECT pg_get_functiondef('activity_scopes(uuid,uuid)'::regprocedure)});
    my $bob = $w->member_id('bob');
    $db->do(qq{CREATE OR REPLACE FUNCTION activity_scopes(organization uuid, member uuid) RETURNS uuid[] LANGUAGE sql STABLE AS
        \$\$ SELECT CASE WHEN member = '$bob' THEN ARRAY['00000000-0000-0000-0000-000000000000', '$set']::uuid[] ELSE ARRAY['00000000-0000-0000-0000-000000000000'::uuid] END \$\$});
    is_deeply [ map { $_->[8] } @{ rows_of($w->{bob}, types => ['record']) } ], [qw(seen hidden)], 'who may see it then does';
    is_deeply [ map { $_->[8] } @{ rows_of($w->{ann}, types => ['record']) } ], ['seen'];
    $db->do($was);
};

subtest 'who started it is told' => sub {
    my $of = sub ($event) { [ map { [ @$_{qw(member_id data)} ] } @{ $db->selectall_arrayref(q{SELECT member_id, data ->> 'export_id' AS data FROM notifications WHERE event_type = ? AND organization_id = ? ORDER BY created_at DESC, id DESC LIMIT 1}, { Slice => {} }, $event, $w->id) } ] };
    my $job = ended($w->{bob});
    is_deeply $of->('export_completed'), [ [ $w->member_id('bob'), $job->{job_id} ] ], 'that it is ready';
    $t->{pool}{worker}->stop('TERM', 15);
    my ($bad, $next, $last) = map { start($w->{bob})->json('/job_id') } 1 .. 3;
    status_is $w->{ann}->put('/api/v1/permissions/roles/member', { permissions => { can_export_activity => false } }), 200;
    $t->start_worker(children => 1);
    eventually { show($w->{bob}, $last)->json('/status') eq 'failed' } 60, 'who may not any more gets none';
    json_is show($w->{bob}, $bad), '/error_message', 'you may not export activity any more';
    json_is show($w->{bob}, $bad), '/output_data', undef;
    error_is $w->{bob}->get("$base/jobs/$bad/$_"), 409, 'CONFLICT', message => qr/failed/ for qw(download download-url);
    is_deeply $of->('export_failed'), [ [ $w->member_id('bob'), $last ] ], 'that it has failed';
    status_is $w->{ann}->put('/api/v1/permissions/roles/member', { permissions => { can_export_activity => true } }), 200;
};

subtest 'a large one is stored, and counts' => sub {
    in_tenant(q{SELECT count(activity_put(?, 'goal.created', 'none', NULL, NULL, 'x', repeat('w' || n, 100))) FROM generate_series(1, 3000) n}, $w->id);
    my $used = sub { $db->selectrow_array(q{SELECT coalesce(sum(used), 0) FROM usage_counters WHERE organization_id = ? AND metric = 'storage_bytes'}, undef, $w->id) };
    my $before = $used->();
    my $job    = ended($w->{ann}, search => 'w');
    is $job->{storage}, 'object_store';
    is $used->() - $before, $job->{file_size}, 'for the workspace';
    my $res = $w->{ann}->get("$base/jobs/$job->{job_id}/download");
    status_is $res, 302;
    my $got = whom($res->header('Location'))->get(path($res->header('Location')));
    status_is $got, 200;
    like $got->header('Content-Disposition'), qr/\Aattachment; filename="\Q$job->{file_name}\E"/;
    is length $got->body, $job->{file_size};
    is scalar @{ csv($got->body) }, $job->{row_count} + 1;
    my $link = $w->{ann}->get("$base/jobs/$job->{job_id}/download-url")->json;
    is_deeply [ @$link{qw(file_name content_type)} ], [ $job->{file_name}, 'text/csv' ];
    like $link->{expires_at}, $MICRO;
    is whom($link->{download_url})->get(path($link->{download_url}))->body, $got->body, 'a link for whoever has it';
    cmp_ok $db->selectrow_array('SELECT extract(epoch FROM ?::timestamptz - now())', undef, $link->{expires_at}), '<=', 3600, 'for an hour';

    # What is over.
    my $small = ended($w->{ann}, types => ['user']);
    $db->do(q{UPDATE activity_exports SET expires_at = now() - interval '1 second' WHERE id = ANY (?)}, undef, [ $job->{job_id}, $small->{job_id} ]);
    for my $id ($job->{job_id}, $small->{job_id}) {
        error_is $w->{ann}->get("$base/jobs/$id/$_"), 410, 'GONE' for qw(download download-url);
        is_deeply [ @{ show($w->{ann}, $id)->json }{qw(status storage output_data)} ], [ 'completed', undef, undef ];
    }
    in_tenant(q{SELECT job_add('ashlar', 'activity.exports', '{}')});
    eventually { !$db->selectrow_array('SELECT count(*) FROM activity_exports WHERE expires_at < now() AND (content IS NOT NULL OR object_id IS NOT NULL)') } 60, 'it is given up';
    is $used->(), $before, 'and counts no more';
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM stored_objects WHERE state = 'gone'}) } 60, 'its content goes';
    error_is $w->{ann}->get("$base/jobs/$job->{job_id}/download"), 410, 'GONE', name => 'it stays known';
};

subtest 'a job that dies takes none of the others along' => sub {
    $t->{pool}{worker}->stop('TERM', 15);
    my ($dead, $second, $waits) = map { start($w->{ann})->json('/job_id') } 1 .. 3;
    $db->do(q{UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = (SELECT job_id FROM activity_exports WHERE id = ?)}, undef, $dead);
    in_tenant('SELECT activity_exports_tend(10)');
    json_is show($w->{ann}, $dead), '/status', 'failed';
    is $db->selectrow_array('SELECT job_id IS NOT NULL FROM activity_exports WHERE id = ?', undef, $waits), 1, 'the next one has its turn';
    $t->start_worker(children => 1);
    eventually { show($w->{ann}, $waits)->json('/status') eq 'completed' } 60, 'and is made';
};

subtest 'it goes with its member, and so does its file' => sub {
    my $job = ended($w->{dan}, search => 'w');
    is $job->{storage}, 'object_store';
    my ($object) = $db->selectrow_array('SELECT object_id FROM activity_exports WHERE id = ?', undef, $job->{job_id});
    status_is $w->{ann}->delete('/api/v1/members/' . $w->member_id('dan')), 204;
    is $db->selectrow_array('SELECT count(*) FROM activity_exports WHERE id = ?', undef, $job->{job_id}), 0;
    eventually { !$db->selectrow_array('SELECT count(*) FROM stored_objects WHERE id = ?', undef, $object) } 60, 'nothing of it is left';
};
