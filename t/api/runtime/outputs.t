use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';
use IO::Socket::SSL;
use Time::HiRes qw(sleep time);

# Lists as files: CSV and NDJSON where Accept asks for them, however many rows there are, and JSON as ever where it does not.
# AddressSanitizer keeps what is freed for a while, and here it is asked how much is kept.
local $ENV{ASHLAR_TEST_ASAN} = ':quarantine_size_mb=1:thread_local_quarantine_size_kb=64';
my $t    = Api->start(DATABASE_TIMEOUT_MS => 120_000, REQUEST_TIMEOUT_S => 120);    # on a busy machine 200,000 rows take longer than the usual 10 s; and what stops when its client leaves does not by that
my $db   = $t->db;
my $boss = $t->user('boss', role => 'admin');
my $ann  = $t->user('ann', columns => { full_name => 'Ann' });
my $logs = '/api/v1/admin/dashboard/audit-logs';
my $list = '/api/v1/admin/users';

sub as ($type, $path = $logs, $who = $boss) { return $who->get($path, headers => { Accept => $type }) }

# RFC 4180, read by its own words: rows of cells; a cell that is not quoted and empty is undef.
sub csv ($text) {
    my @rows = ([]);
    while (length $text) {
        my $cell = $text =~ s/\A"((?:[^"]|"")*)"// ? $1 =~ s/""/"/gr : $text =~ s/\A([^",\r\n]+)// ? $1 : undef;
        push @{ $rows[-1] }, $cell;
        if    ($text =~ s/\A,//)    { push @{ $rows[-1] }, undef if $text =~ /\A\r\n/; next }
        elsif ($text =~ s/\A\r\n//) { push @rows, [] if length $text }
        elsif (length $text)        { die 'not CSV: ' . substr($text, 0, 40) . "\n" }
    }
    pop @{ $_ } for grep { @$_ > @{ $rows[0] } } @rows;
    return @rows;
}

sub note_event ($action, %details) {
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id);
    return $db->do('SELECT audit(?, ?, ?, ?, ?)', undef, $action, 'thing', $details{id}, Cpanel::JSON::XS->new->encode($details{details} // {}), $details{who} // 'user_x');
}

subtest 'who may not read it gets errors, in JSON' => sub {
    error_is as('text/csv', $logs, $t->client), 401, 'AUTHENTICATION_ERROR';
    error_is as('text/csv', $logs, $ann), 403, 'AUTHORIZATION_ERROR';
    like $ann->last->header('Content-Type'), qr{\Aapplication/json}, 'as JSON';
    is $ann->last->header('Content-Disposition'), undef, 'and no file';
    error_is $boss->get("$logs?limit=0", headers => { Accept => 'text/csv' }), 422, 'VALIDATION_ERROR', field => 'limit';
    error_is as('text/csv', '/api/v1/app/projects', $ann), 406, 'NOT_ACCEPTABLE';
    error_is as('text/html'), 406, 'NOT_ACCEPTABLE';
};

subtest 'Accept chooses' => sub {
    for my $case (
        [ 'text/csv'                                        => 'text/csv; charset=utf-8; header=present' ],
        [ 'text/csv, */*'                                   => 'text/csv; charset=utf-8; header=present' ],
        [ 'application/x-ndjson'                            => 'application/x-ndjson' ],
        [ 'text/csv;q=0.5, application/x-ndjson'            => 'application/x-ndjson' ],
        [ 'text/csv;q=0.5, application/json'                => 'application/json' ],
        [ 'application/json, text/csv'                      => 'application/json' ],
        [ 'text/csv;q=0, */*'                               => 'application/json' ],
        [ 'text/*, application/json;q=0.1'                  => 'application/json' ],
        [ 'text/html,application/xhtml+xml,*/*;q=0.8'       => 'application/json' ],
        [ '*/*'                                             => 'application/json' ],
    ) {
        my ($accept, $type) = @$case;
        my $res = as($accept);
        is join(' ', $res->status, $res->header('Content-Type')), "200 $type", $accept;
    }
    is as('text/csv')->header('Content-Disposition'), 'attachment; filename="audit-logs.csv"', 'a file has a name';

};

subtest 'CSV' => sub {
    note_event('csv.cells', id => '=1+1', details => { a => [ 1, 'x, "y"' ] }, who => "line\r\nbreak, \"quoted\"");
    my $json = $boss->get("$logs?action=csv.cells")->json('/items/0');
    my $text = as('text/csv', "$logs?action=csv.cells")->body;
    my ($head, $row, @more) = csv($text);
    is join(',', @$head), 'id,actor_id,action,resource_type,resource_id,details,ip_address,created_at', 'a line of names';
    is scalar(@more), 0, 'and one row';
    my %cell;
    @cell{@$head} = @$row;
    is $cell{$_}, $json->{$_}, "$_ as in JSON" for qw(id actor_id action resource_type ip_address created_at);
    is $cell{resource_id}, q{'=1+1}, 'what a spreadsheet would take for a formula is a text';
    is_deeply decode_json($cell{details}), $json->{details}, 'what has members is JSON';
    $db->do(q{UPDATE users SET full_name = ? WHERE public_id = 'user_ann'}, undef, $_->[0]), is((csv(as('text/csv', "$list?search=ann\@example.com")->body))[1][2], $_->[1], "a name: $_->[0]")
        for [ '-2', q{'-2} ], [ '+49 30 1', q{'+49 30 1} ], [ '@a', q{'@a} ], [ "\ta", qq{'\ta} ], [ 'a=b', 'a=b' ], [ '"', '"' ], [ "\x{dc}nal", "\xc3\x9cnal" ];
    my @names = csv(as('text/csv', "$list?search=boss\@example.com")->body);
    is $names[1][7], undef, 'null is an empty cell';
    $db->do(q{UPDATE users SET full_name = '' WHERE public_id = 'user_ann'});
    like as('text/csv', "$list?search=ann\@example.com")->body, qr/,"",/, 'and an empty text is one that is empty';
    is as('text/csv', "$logs?action=nothing")->body, "id,actor_id,action,resource_type,resource_id,details,ip_address,created_at\r\n", 'no rows are their names';
};

subtest 'NDJSON' => sub {
    note_event("more", id => $_) for 1 .. 3;
    my $items = $boss->get("$logs?limit=1000")->json('/items');
    my @lines = split /\n/, as('application/x-ndjson')->body;
    is_deeply [ map { decode_json($_) } @lines ], $items, 'an object a line, the same as in JSON';
    is scalar(split /\n/, as('application/x-ndjson', "$logs?limit=2")->body), 2, 'as many as were asked for';
    is as('application/x-ndjson', "$logs?action=nothing")->body, '', 'none';
    my $head = $boss->request('HEAD', $logs, headers => { Accept => 'application/x-ndjson' });
    is join(' ', $head->status, $head->header('Content-Type')), '200 application/x-ndjson', 'HEAD';
};

subtest 'the reference says so' => sub {
    my $doc = decode_json(qx($Ashlar::Cluster::BUILD/ashlar openapi));
    my $its = $doc->{components}{responses}{ $doc->{paths}{$logs}{get}{responses}{200}{'$ref'} =~ s{.*/}{}r };
    is join(' ', sort keys $its->{content}->%*), 'application/json application/x-ndjson text/csv';
};

# ------------------------------------------------------------------ a lot

sub kib ($pid) {
    open my $in, '<', "/proc/$pid/status" or return 0;
    return join('', <$in>) =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

subtest '200,000 rows need no more memory than a few' => sub {
    # Without what the list reads nothing of: an index each costs half a second, and the triggers two.
    $db->do("DROP INDEX users_search_$_") for qw(email domain name last);
    $db->do('SET session_replication_role = replica');
    $db->do(q{INSERT INTO users (tenant_id, public_id, email, full_name) SELECT ?, 'many_' || i, 'many' || i || '@example.com', 'Somebody ' || i FROM generate_series(1, 200000) i}, undef, $ann->tenant_id);
    $db->do('SET session_replication_role = origin');
    $db->do('ANALYZE users');
    as('text/csv', "$list?limit=1000") for 1 .. 12;    # each child has had its first
    my %before = map { $_ => kib($_) } $t->children;
    local $boss->{http}{timeout} = 120;
    my $res = as('text/csv', $list);
    is $res->status, 200 or diag $res->describe;
    is scalar(my @lines = split /\r\n/, $res->body), 200003, 'all of them';
    is $lines[-1] =~ tr/,//, $lines[0] =~ tr/,//, 'to the last cell';
    is $res->header('Content-Length'), undef, 'of a length that nobody knew';
    my %after = map { $_ => kib($_) } $t->children;
    is join(' ', sort keys %after), join(' ', sort keys %before), 'by the same children';
    my ($grown) = sort { $b <=> $a } map { $after{$_} - $before{$_} } keys %before;
    cmp_ok $grown, '<', 4096, 'none of which has grown by 4 MiB: the answer has ' . int(length($res->body) / 1024) . ' KiB';
    status_is $boss->get("$list?limit=1"), 200, 'and the next request is as any other';
};

# A statement that takes its time; it runs in this backend.
sub running () {
    return $db->selectrow_array(q{SELECT pid FROM pg_stat_activity WHERE usename = 'ashlar_api' AND state = 'active' AND query LIKE '%audit_events%' AND datname = current_database()});
}

sub until_true ($what, $code) {
    my $until = time + 20;
    my $is;
    sleep 0.02 until ($is = $code->()) || time > $until;
    ok $is, $what;
    return $is;
}

subtest 'a client that leaves stops the statement' => sub {
    my ($source) = $db->selectrow_array(q{SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'audit_details'});
    note_event('slow', id => $_) for 1 .. 300;
    my $slow = sub ($first, $rest) {
        $db->do(qq{CREATE OR REPLACE FUNCTION audit_details(e audit_events) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS \$\$ BEGIN
            PERFORM pg_sleep(CASE WHEN e.resource_id = '300' THEN $first ELSE $rest END); RETURN jsonb_build_object('x', repeat('x', 2000)); END \$\$});
    };
    $t->expect_log(qr/nobody waits for the answer/, qr/canceling statement/);
    for my $case ([ 'before the first row', 100, 0 ], [ 'among them', 0, 0.3 ]) {
        my ($name, @sleeps) = @$case;
        $slow->(@sleeps);
        my $socket = Ashlar::Tls->connect("$t->{dir}/cert.pem", PeerPort => $t->{https_port}) or die "connect: $SSL_ERROR\n";
        print $socket "GET $logs?action=slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $boss->{token}\r\nAccept: application/x-ndjson\r\n\r\n";
        my $pid = until_true("$name: it runs", \&running);
        if ($sleeps[1]) { sysread $socket, my $some, 1000 }    # the beginning of the answer
        close $socket;
        until_true '  and stops when they leave', sub { !running() };
        ok $db->selectrow_array('SELECT pid FROM pg_stat_activity WHERE pid = ?', undef, $pid), '  but not its connection';
    }
    $db->do($source);
    status_is $boss->get($logs), 200, 'the next request is as any other';
};

# More than DATABASE_TIMEOUT_MS, while rows come; and what breaks in the middle does not look whole.
subtest 'an error in the middle breaks the answer off' => sub {
    my ($source) = $db->selectrow_array(q{SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'audit_details'});
    $db->do(q{CREATE OR REPLACE FUNCTION audit_details(e audit_events) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$ BEGIN
        IF e.resource_id = '1' THEN RAISE 'no'; END IF; RETURN jsonb_build_object('x', repeat('x', 2000)); END $$});
    $t->expect_log(qr/ERROR:  no/, qr/upstream prematurely closed|upstream sent unexpected/);
    my $res = as('application/x-ndjson', "$logs?action=slow");
    is $res->status, 0, 'the answer has no end';
    like $res->{error} // '', qr/closed within/, 'and the client knows';
    $db->do($source);
    status_is as('application/x-ndjson', "$logs?action=slow"), 200, 'the next one has';
};
