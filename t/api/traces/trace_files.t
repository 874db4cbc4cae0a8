# What programs store beside their traces: a log of each, which members read, and objects, which whoever has the address reads.

use v5.36;
use lib 't/lib';
use Api;
use File::Find ();

my $t       = Api->start(worker => 1, FREEPLAN_LOGS_LINE_LIMIT => 3);
my $logs    = '/api/v4/logs';
my $objects = '/api/v4/objects/upload/';
my $demo    = 'c0000000-0000-0000-0000-000000000000';
my $trace   = '4bf92f3577b34da6a3ce929d0e0e4736';
my $decimal = '100985939111033328018442752961257817910';
my $ann     = $t->user('ann');
my $org     = org($ann);
my $project = $t->trace_project($org);
my $out     = $t->user('out');

sub db ($sql, @values) { return scalar $t->db->selectrow_array($sql, undef, @values) }
sub org ($who, $plan = 'pro') {
    my $id = $t->organization($who);
    $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $id);
    return $id;
}

# A trace of which a span was sent.
sub seen ($project, $id = $trace) {
    my @columns = @{ $t->db->selectall_arrayref(q{SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_name = 'traces' AND is_nullable = 'NO' AND column_default IS NULL
        AND is_generated = 'NEVER' AND column_name NOT IN ('tenant_id', 'project_id', 'trace_id')}) };
    my %some = (date => '2026-11-30', text => 'x', boolean => 't');
    $t->db->do('INSERT INTO traces (tenant_id, project_id, trace_id, ' . join(', ', map { $_->[0] } @columns) . ') VALUES (?, ?, ?' . ', ?' x @columns . ') ON CONFLICT DO NOTHING', undef,
        $project->tenant_id, $project->uuid, $id, map { $some{ $_->[1] } // 1 } @columns);
    return;
}

sub upload ($who, $path, $body, %header) { return $who->request(POST => $path, type => delete $header{'Content-Type'} // 'application/octet-stream', headers => \%header, raw => $body) }
sub log_of ($who, $id, $body) { return upload($who, "$logs/upload/", $body, 'Trace-Id' => $id) }
sub path_of ($url) { return $url =~ s{\Ahttps://[^/]+}{}r }
sub content ($object) { return glob $t->{dir} . "/files/objects/*/$object" }

subtest 'uploads take a project\'s credentials' => sub {
    for my $path ("$logs/upload/", $objects) {
        error_is upload($t->nobody, $path, 'x', 'Trace-Id' => $trace), 401, 'AUTHENTICATION_ERROR', name => "$path: not without";
        error_is upload($ann, $path, 'x', 'Trace-Id' => $trace), 401, 'AUTHENTICATION_ERROR', name => '  nor a user\'s';
        error_is upload($t->nobody->with(token => $t->project_token($project, exp => 1e9, iat => 1e9 - 9)), $path, 'x', 'Trace-Id' => $trace), 401, 'AUTHENTICATION_ERROR', name => '  nor an old one';
        status_is upload($t->nobody->with(token => $t->project_token($project)), $path, 'x', 'Trace-Id' => 'by-token'), 200, '  but a token';
        status_is upload($project, $path =~ s{/\z}{}r, 'x', 'Trace-Id' => 'by-key'), 200, '  or the key, and no slash at the end';
        status_is upload($project, $path =~ s{\A/api}{}r, 'x', 'Trace-Id' => 'by-key'), 200, '  nor /api in front';
    }
    is db('SELECT count(*) FROM trace_objects'), 3;
};

subtest 'and an Idempotency-Key, as SDKs send it' => sub {
    my $send = sub ($path, $body, $id) { return upload($project, $path, $body, 'Trace-Id' => $id, 'Idempotency-Key' => "of $path" =~ tr/ //dr) };
    for my $path ("$logs/upload", $objects) {
        my $first = $send->($path, 'once', 'kept');
        status_is $first, 200, $path;
        is $send->($path, 'once', 'kept')->json('/url'), $first->json('/url'), '  the same again is the same answer';
        error_is $send->($path, 'other', 'kept'), 422, 'IDEMPOTENCY_KEY_REUSED', name => '  another body is another request';
    }
    error_is $send->("$logs/upload", 'once', 'elsewhere'), 422, 'IDEMPOTENCY_KEY_REUSED', name => '  and so is another trace';
};

subtest 'a log is of a trace' => sub {
    error_is upload($project, "$logs/upload/", 'x'), 400, 'BAD_REQUEST', field => 'Trace-Id';
    error_is log_of($project, $_, 'x'), 400, 'BAD_REQUEST', field => 'Trace-Id', name => "'$_'" for 'a b', 'a/b', "\xe9", 'x' x 129, '../x';
    status_is log_of($project, $_, 'x'), 200, "'$_'" for 'a_b.c-D', 'x' x 128;
    my $res = log_of($project, $trace, "one\ntwo\n");
    is_deeply $res->json, { size => 8, url => $res->json('/url') };
    is path_of($res->json('/url')), "$logs/$trace";
    seen($project);
    is_deeply $ann->get("$logs/$trace")->json, { content => "one\ntwo\n", trace_id => $trace, freeplan_truncated => false };
    is_deeply $ann->get("$logs/" . uc $trace)->json, { content => "one\ntwo\n", trace_id => uc $trace, freeplan_truncated => false }, 'its id as it was asked for';
    is $ann->get("$logs/$decimal")->json('/content'), "one\ntwo\n", 'or as the number that it is';
    my $before = db('SELECT object_id FROM trace_logs WHERE trace_id = ?', $trace);
    status_is log_of($project, $decimal, "three\n"), 200, 'another one, by that number';
    is $ann->get("$logs/$trace")->json('/content'), "three\n", '  takes its place';
    is db('SELECT count(*) FROM trace_logs WHERE trace_id = ?', $trace), 1;
    eventually { !defined db('SELECT id FROM stored_objects WHERE id = ?', $before) && !content($before) } 15, '  and the one before is removed';
    is $ann->get("$logs/$trace/")->json('/content'), "three\n", 'with a slash behind it, too';
    status_is log_of($project, $trace, ''), 200;
    is $ann->get("$logs/$trace")->json('/content'), '', 'none at all';
};

subtest 'who reads a log' => sub {
    error_is $t->get("$logs/$trace"), 401, 'AUTHENTICATION_ERROR';
    error_is $project->get("$logs/$trace"), 401, 'AUTHENTICATION_ERROR', name => 'not a program';
    error_is $out->get("$logs/$trace"), 403, 'AUTHORIZATION_ERROR', name => 'nor who is no member';
    error_is $t->user('theirs', tenant => 'other')->get("$logs/$trace"), 403, 'AUTHORIZATION_ERROR', name => 'nor another tenant\'s';
    error_is $ann->get("$logs/$_"), 403, 'AUTHORIZATION_ERROR', name => "nor where there is no such trace: $_" for '0' x 31 . '1', 'a_b.c-D', '9' x 40, 'f' x 33;
    seen($project, '0af7651916cd43dd8448eb211c80319c');
    error_is $ann->get("$logs/0af7651916cd43dd8448eb211c80319c"), 404, 'NOT_FOUND', name => 'a trace without a log';
    my $vic = $t->user('vic');
    $t->member($org, $vic, 'viewer');
    status_is $vic->get("$logs/$trace"), 200, 'any member reads it';
    $t->db->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $vic->uuid);
    error_is $vic->get("$logs/$trace"), 403, 'AUTHORIZATION_ERROR';
    my $same = $t->trace_project(org($out));
    log_of($same, $trace, 'theirs');
    seen($same);
    is $out->get("$logs/$trace")->json('/content'), 'theirs', 'a trace of the same id in another project has its own';
    my $digits = '1' x 32;
    seen($project, $digits);
    log_of($project, $digits, 'digits');
    is $ann->get("$logs/$digits")->json('/content'), 'digits', 'one that is all digits may be hexadecimal';
};

subtest 'a free organization sees the first lines' => sub {
    my $free = $t->trace_project(org($ann, 'free'));
    my $id   = 'a' x 32;
    seen($free, $id);
    for (["1\n2\n3\n4\n", "1\n2\n3\n"], [ "1\n2\n3", "1\n2\n3" ], [ "1\n", "1\n" ], [ '', '' ], [ 'x' x 100_000 . "\n2\n3\n4", 'x' x 100_000 . "\n2\n3\n" ]) {
        log_of($free, $id, $_->[0]);
        my $res = $ann->get("$logs/$id")->json;
        ok $res->{content} eq $_->[1], length($_->[0]) . ' bytes: ' . length $res->{content};
        ok $res->{freeplan_truncated}, '  and it is said';
    }
};

subtest 'a long log comes whole, and what is no text is replaced' => sub {
    my $text = join '', map { "line $_ \x{20ac}\x{1f600}\n" } 1 .. 250_000;
    utf8::encode(my $bytes = $text);
    cmp_ok length $bytes, '>', 4 << 20, 'some megabytes';
    status_is log_of($project, $trace, $bytes), 200;
    ok $ann->get("$logs/$trace")->json('/content') eq $text, 'to the last character';
    log_of($project, $trace, "a\xff\xc3(\0b\xe2\x82");
    is $ann->get("$logs/$trace")->json('/content'), "a\x{fffd}\x{fffd}(\0b\x{fffd}";
};

subtest 'so much, and no more' => sub {
    my $most = 26_214_400;
    status_is log_of($project, 'most', 'x' x $most), 200, '25 MiB';
    is $project->last->json('/size'), $most;
    error_is upload($project, $_, 'x' x ($most + 1), 'Trace-Id' => 'more'), 413, 'PAYLOAD_TOO_LARGE', name => "$_: one byte more" for "$logs/upload/", $objects, '/v4/objects/upload';
    is db(q{SELECT count(*) FROM trace_logs WHERE trace_id = 'more'}), 0;
};

subtest 'an object is whoever\'s who has its address' => sub {
    my $png = "\x89PNG\r\n\x1a\n" . 'x' x 100;
    my $res = upload($project, $objects, $png, 'Content-Type' => 'text/html');
    status_is $res, 200;
    my $path = path_of($res->json('/url'));
    like $path, qr{\A/storage/objects/\Q@{[ $project->uuid ]}\E/[0-9a-f]{32}\z};
    my $got = $t->get($path);
    status_is $got, 200;
    is $got->body, $png;
    header_is $got, 'Content-Type', 'image/png', 'it is what its bytes are, whatever was said';
    header_is $got, 'Content-Disposition', 'inline', 'an image is shown';
    header_is $got, 'X-Content-Type-Options', 'nosniff';
    header_is $got, 'Content-Security-Policy', q{default-src 'none'; sandbox};
    for (['<html><script>alert(1)</script></html>'], ['<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>'], ['%PDF-1.4 x'], ['plain']) {
        my $other = $t->get(path_of(upload($project, $objects, $_->[0], 'Content-Type' => 'image/png')->json('/url')));
        header_is $other, 'Content-Disposition', 'attachment', "saved: $_->[0]";
        is $other->body, $_->[0];
    }
    my ($key) = $path =~ m{([^/]+)\z};
    is db('SELECT count(*) FROM trace_objects WHERE encode(key_hash, \'hex\') LIKE ?', "%$key%"), 0, 'the address is not in the database';
    error_is $t->get($path =~ s{.\z}{$& eq '0' ? '1' : '0'}er), 404, 'NOT_FOUND', name => 'another address';
    error_is $t->get($path =~ s{\Q@{[ $project->uuid ]}}{$demo}r), 404, 'NOT_FOUND', name => 'or of another project';
    my $theirs = $t->trace_project($t->organization($t->user('own', tenant => 'third')), tenant => $t->tenant_id('third'));
    is $t->get(path_of(upload($theirs, $objects, 'third')->json('/url')))->body, 'third', 'whichever the tenant';
};

subtest 'what is stored counts' => sub {
    my $own = $t->trace_project(org($ann));
    my $of  = db('SELECT organization_id FROM trace_projects WHERE id = ?', $own->uuid);
    upload($own, $objects, 'x' x 1000);
    is db('SELECT sum(size) FROM stored_objects WHERE organization_id = ? AND state = ?', $of, 'stored'), 1000, 'for the project\'s organization';
};

# What is over by the plan, as if it had come so many days ago.
subtest 'what is stored is kept as long as spans are' => sub {
    my %of = map { $_ => $t->trace_project(org($ann, $_)) } qw(free pro enterprise);
    my %path;
    for my $plan (keys %of) {
        for my $ago (29, 31, 89, 91) {
            log_of($of{$plan}, "ago-$ago", 'x');
            $path{"$plan $ago"} = path_of(upload($of{$plan}, $objects, "$plan $ago")->json('/url'));
            my ($key) = $path{"$plan $ago"} =~ m{([^/]+)\z};
            $t->db->do(q{UPDATE trace_objects SET created_at = now() - make_interval(days => ?) WHERE project_id = ? AND key_hash = sha256(?::bytea)}, undef, $ago, $of{$plan}->uuid, $key);
            $t->db->do('ALTER TABLE trace_logs DISABLE TRIGGER trace_logs_touch');
            $t->db->do(q{UPDATE trace_logs SET updated_at = now() - make_interval(days => ?) WHERE project_id = ? AND trace_id = ?}, undef, $ago, $of{$plan}->uuid, "ago-$ago");
            $t->db->do('ALTER TABLE trace_logs ENABLE TRIGGER trace_logs_touch');
        }
    }
    # The plan when it came counts, not a later one.
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = (SELECT organization_id FROM trace_projects WHERE id = ?)}, undef, $of{pro}->uuid);
    log_of($of{free}, 'ago-31', 'anew');
    my ($gone) = $t->db->selectrow_array('SELECT object_id FROM trace_logs WHERE project_id = ? AND trace_id = ?', undef, $of{pro}->uuid, 'ago-91');
    my $job = db(q{SELECT job_add('ashlar', 'traces.expire', '{}') FROM (SELECT set_config('app.tenant_id', ?, true)) x WHERE x IS NOT NULL}, $project->tenant_id);
    eventually { db('SELECT state FROM jobs WHERE id = ?', $job) eq 'completed' } 60, 'the job has run';
    my %left = (free => [29], pro => [ 29, 31, 89 ], enterprise => [ 29, 31, 89, 91 ]);
    for my $plan (sort keys %of) {
        my %kept = map { $_ => 1 } @{ $left{$plan} };
        is $t->get($path{"$plan $_"})->status, $kept{$_} ? 200 : 404, "$plan: an object of $_ days ago" for 29, 31, 89, 91;
        is db(q{SELECT string_agg(trace_id, ' ' ORDER BY trace_id) FROM trace_logs WHERE project_id = ?}, $of{$plan}->uuid), join(' ', map { "ago-$_" } @{ $left{$plan} }, $plan eq 'free' ? 31 : ()), '  logs';
    }
    eventually { !defined db('SELECT id FROM stored_objects WHERE id = ?', $gone) && !content($gone) } 30, 'and the content is removed';
};

subtest 'with its project it goes' => sub {
    $t->db->do(q{UPDATE trace_projects SET organization_id = ? WHERE id = ?}, undef, $org, $project->uuid);
    $ann->get('/api/opsboard/users/me');
    my $path = path_of(upload($project, $objects, 'bytes')->json('/url'));
    status_is $t->get($path), 200;
    status_is $ann->delete('/api/opsboard/projects/' . $project->uuid), 200;
    error_is $t->get($path), 404, 'NOT_FOUND', name => 'at once';
    error_is $ann->get("$logs/$trace"), 403, 'AUTHORIZATION_ERROR';
    error_is upload($project, $objects, 'x'), 401, 'AUTHENTICATION_ERROR';
    eventually { !db('SELECT count(*) FROM trace_logs WHERE project_id = ?', $project->uuid) && !db('SELECT count(*) FROM trace_objects WHERE project_id = ?', $project->uuid) } 15, 'and is forgotten';
};
