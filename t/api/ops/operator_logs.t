use v5.36;
use utf8;
use lib 't/lib';
use Api;

# Logs for the operators of the installation: what was put down here, and what ashlar host finds in this host's files.
my $t      = Api->start(main => 2, slow => 2, host => 1);
my $db     = $t->db;
my $logs   = "$t->{dir}/logs";
my $base   = '/api/logs';
my $admin  = $t->user('adam', role => 'admin');
my $editor = $t->user('ed', role => 'editor');
my $bot    = $t->user('bot', role => 'agent');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $ann    = $t->user('ann', role => 'member');
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $key    = $t->client(key => $t->key);
my $alien  = $t->client(key => $t->key(tenant => 'other'));
my %one    = (agent => 'surveyor', message => 'tide table read');

sub stored () { return $db->selectrow_array('SELECT count(*) FROM operator_logs') }
sub messages ($res) { return join '|', map { $_->{message} } @{ $res->json('/data') } }

sub spew ($file, $text, $age = 0) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    utime time - $age, time - $age, $file or die "$file: $!\n";
    return;
}

subtest 'who may' => sub {
    for my $path ($base, "$base?source=db", "$base/files") {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $t->client(token => 'x.y.z')->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $_->get($path), 403, 'AUTHORIZATION_ERROR' for $demo, $ann, $theirs, $alien;
        status_is $_->get($path), 200 for $admin, $editor, $bot, $viewer, $key;
    }
    error_is $t->post($base, \%one), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($base, \%one), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo, $ann, $theirs, $alien;
    is stored(), 0, 'nothing is written for that';
};

subtest 'what is malformed is 400' => sub {
    error_is $admin->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    for my $field (sort keys %one) {
        my %less = %one;
        delete $less{$field};
        error_is $admin->post($base, \%less), 400, 'VALIDATION_ERROR', field => $field;
        error_is $admin->post($base, { %one, $field => $_ }), 400, 'VALIDATION_ERROR', field => $field for '', undef, 7;
    }
    error_is $admin->post($base, { %one, agent => 'x' x 101 }), 400, 'VALIDATION_ERROR', field => 'agent';
    error_is $admin->post($base, { %one, message => 'x' x 20_001 }), 400, 'VALIDATION_ERROR', field => 'message';
    error_is $admin->post($base, { %one, level => $_ }), 400, 'VALIDATION_ERROR', field => 'level' for 'debug', 'ERROR', 7;
    error_is $admin->post($base, { %one, meta => $_ }), 400, 'VALIDATION_ERROR', field => 'meta' for [], 'x', { x => 'y' x 65_536 };
    error_is $admin->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'source=journal', 'source' ], [ 'level=debug', 'level' ], [ 'limit=0', 'limit' ], [ 'limit=-1', 'limit' ], [ 'limit=x', 'limit' ], [ 'q=', 'q' ], [ 'q=' . 'x' x 201, 'q' ], [ 'agent=', 'agent' ];
    is stored(), 0, 'nothing is written for that';
};

subtest 'putting a line down' => sub {
    my $res = $bot->post($base, { %one, meta => { harbours => 12 }, unknown => 1 });
    status_is $res, 201;
    json_is $res, '/data', { id => qr/\A\d+\z/, timestamp => $TIME, source => 'db', %one, level => 'info', file => undef, meta => { harbours => 12 } };
    json_is $key->post($base, { agent => 'clerk', message => 'ÉCLUSE closed', level => 'error' }), '/data/meta', {}, 'without meta they are {}';
    status_is $editor->post($base, { agent => 'x' x 100, message => 'x' x 20_000, level => 'warn', meta => { x => 'y' x 65_000 } }), 201, 'the longest';
    is stored(), 3;
};

subtest 'reading them, while there are no files' => sub {
    my $res = $viewer->get($base);
    json_is $res, '/meta', { total => 3, limit => 100, offset => 0 };
    is join(' ', map { $_->{agent} } @{ $res->json('/data') }), 'x' x 100 . ' clerk surveyor', 'the newest first';
    json_is $viewer->get("$base?limit=1001"), '/meta/limit', 1000, 'more than 1,000 are 1,000';
    json_is $viewer->get("$base?limit=1"), '/meta', { total => 3, limit => 1, offset => 0 };
    is scalar @{ $viewer->last->json('/data') }, 1, 'and it is one';
    is messages($viewer->get("$base?agent=surveyor")), 'tide table read';
    is messages($viewer->get("$base?level=error")), 'ÉCLUSE closed';
    is messages($viewer->get("$base?q=%C3%A9cluse")), 'ÉCLUSE closed', 'in capitals or not';
    json_is $viewer->get("$base?q=%25"), '', { data => [], meta => { total => 0, limit => 100, offset => 0 } }, 'a pattern is none';
    json_is $viewer->get("$base?agent=survey"), '/meta/total', 0, 'an agent is meant exactly';
    json_is $viewer->get("$base?source=file"), '', { data => [], meta => { total => 0, limit => 100, offset => 0 } };
    json_is $viewer->get("$base/files"), '', { data => [], meta => { total => 0, limit => 1000, offset => 0 } };
};

subtest 'files' => sub {
    spew("$logs/agent-surveyor.log", <<~'END', 60);
        2026-11-01T10:00:00Z INFO tide table read
        2026-11-01T10:00:01.5+02:00 [ERROR] Harbour 7 has no chart
            at chart.c:41
        2026-11-01 10:00:02 warning: 12% left
        END
    spew("$logs/gate.log", qq({"timestamp":"2026-11-01T09:00:00.250Z","level":"fatal","message":"gate \\"west\\" \\u0000 stuck","agent":"gate","n":[1,{"a":"}"}]}\n) . qq({"no":"object\n) . "\xff\0binary\n" . "no time at all", 120);
    spew("$logs/old.log.gz", 'not read', 180);
    mkdir "$logs/directory" or die;
    symlink '/etc/passwd', "$logs/passwd.log" or die;
    symlink "$logs/gate.log", "$logs/again.log" or die;
    spew("$logs/.hidden", 'x');
    spew("$logs/with blank.log", 'x');

    my $res = $viewer->get("$base/files");
    json_is $res, '/data', [
        { name => 'agent-surveyor.log', agent => 'surveyor', size_bytes => -s "$logs/agent-surveyor.log", modified_at => $TIME },
        { name => 'gate.log', agent => undef, size_bytes => -s "$logs/gate.log", modified_at => $TIME },
        { name => 'old.log.gz', agent => undef, size_bytes => 8, modified_at => $TIME },
    ], 'regular files, the last changed first; no links, no directories, no odd names';
    json_is $res, '/meta', { total => 3, limit => 1000, offset => 0 };

    $res = $viewer->get("$base?source=file");
    json_is $res, '/meta/total', 8;
    my %by = map { $_->{message} => $_ } @{ $res->json('/data') };
    json_is $res, '/data/0/source', 'file';
    my ($chart) = grep { $_->{message} eq 'Harbour 7 has no chart' } @{ $res->json('/data') };
    is_deeply { %$chart{qw(timestamp level agent file id meta)} },
        { timestamp => '2026-11-01T08:00:01.500Z', level => 'error', agent => 'surveyor', file => 'agent-surveyor.log', id => undef, meta => undef }, 'an offset is reckoned with';
    is $by{'at chart.c:41'}{timestamp}, '2026-11-01T08:00:01.500Z', 'what has no time has that of the line before';
    is "$by{'12% left'}{level} $by{'12% left'}{timestamp}", 'warn 2026-11-01T10:00:02.000Z', 'a blank for the T is UTC';
    my $gate = $by{qq(gate "west" \x{fffd} stuck)};
    is_deeply { %$gate{qw(timestamp level agent file)} }, { timestamp => '2026-11-01T09:00:00.250Z', level => 'error', agent => 'gate', file => 'gate.log' }, 'a JSON object is read';
    is_deeply $gate->{meta}{n}, [ 1, { a => '}' } ], '  and is the meta';
    ok $by{'{"no":"object'} && $by{"\x{fffd} binary"}, 'what is none is text, whatever its bytes';
    is $by{'no time at all'}{timestamp}, '2026-11-01T09:00:00.250Z', 'the last line needs no end';
    ok !$by{'not read'}, 'what is compressed is not read';

    is messages($viewer->get("$base?source=file&level=error&agent=gate")), qq(gate "west" \x{fffd} stuck);
    is messages($viewer->get("$base?source=file&q=HARBOUR")), 'Harbour 7 has no chart', 'q, in capitals or not';
    json_is $viewer->get("$base?source=file&limit=2"), '/meta', { total => 8, limit => 2, offset => 0 };
    is messages($viewer->last), '12% left|tide table read', 'the newest two';
    is messages($viewer->get("$base?q=tide%20TABLE")), 'tide table read|tide table read', 'both together';
    is join(' ', map { $_->{source} } @{ $viewer->last->json('/data') }), 'db file', '  the newest first';
    json_is $viewer->get("$base?source=all&limit=1"), '/meta/total', 11, 'total counts both';
    json_is $viewer->get("$base?source=db"), '/meta/total', 3;
};

subtest 'of a large file the end is read' => sub {
    my $line = '2026-11-02T00:00:00Z INFO ' . 'x' x 73 . "\n";
    open my $out, '>:raw', "$logs/large.log" or die;
    truncate $out, 1 << 30 or die;
    seek $out, (1 << 30) - 2 * (1 << 20), 0 or die;
    print $out $line x 20971;
    seek $out, (1 << 30) - length "2026-11-02T00:00:01Z WARN the end\n", 0 or die;
    print $out "2026-11-02T00:00:01Z WARN the end\n";
    close $out or die;
    my $res = $viewer->get("$base?source=file&q=xxx");
    cmp_ok $res->json('/meta/total'), '<=', (1 << 20) / 100, 'no more lines than the last MiB has';
    cmp_ok $res->json('/meta/total'), '>', 10_000, '  and all of those';
    is messages($viewer->get("$base?source=file&limit=1")), 'the end';
    spew("$logs/long.log", '2026-11-03T00:00:00Z INFO ' . 'y' x 10_000 . "\n");
    is length $viewer->get("$base?source=file&q=yyy")->json('/data/0/message'), 3000 - 26, 'a long line is cut';
    unlink "$logs/large.log", "$logs/long.log";
};

subtest 'without ashlar host' => sub {
    $t->master('host')->stop(0, 10);
    $t->expect_log(qr/ashlar host does not answer/, qr/"status":503/);
    for my $path ("$base/files", "$base?source=file", $base) {
        my $res = $viewer->get($path);
        error_is $res, 503, 'SERVICE_UNAVAILABLE';
        ok $res->header('Retry-After'), '  with Retry-After';
    }
    error_is $ann->get("$base/files"), 403, 'AUTHORIZATION_ERROR', name => 'who may not does not learn of it';
    json_is $viewer->get("$base?source=db"), '/meta/total', 3, 'the database is asked all the same';
    status_is $editor->post($base, \%one), 201, '  and written';
    $t->start_host;
    status_is $viewer->get("$base/files"), 200, 'and it is there again';
};
