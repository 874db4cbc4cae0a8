use v5.36;
use lib 't/lib';
use Api;

# The operations surface's probes: bare answers, for anybody, and one that is found out once in ten seconds.
my $t    = Api->start(main => 6, RATE_LIMIT_OPERATIONS => 100_000, TUNNEL_UNIT => "ashlar-test-$$.service");
my $db   = $t->db;
my $arch = '/api/arch-health';
my $link = "/run/systemd/units/invocation:ashlar-test-$$.service";
my $COUNT = sub ($n) { return defined $n && $n =~ /^\d+$/ };

subtest 'whoever asks, whatever they show' => sub {
    for my $path (qw(version health ready)) {
        status_is $t->get("/api/$path"), 200, $path;
        status_is $t->client(token => 'nonsense')->get("/api/$path"), 200, '  a bad token is not looked at';
        status_is $t->get("/api/$path?now=1"), 200, '  nor what keeps caches away';
        header_like $t->last, 'Cache-Control', qr/no-store|no-cache/, '  nobody answers for us';
        error_is $t->request('POST', "/api/$path"), 405, 'METHOD_NOT_ALLOWED';
    }
};

subtest 'the version' => sub {
    my ($said)   = qx(build/ashlar version) =~ /^ashlar (\S+)/;
    my ($commit) = qx(git rev-parse HEAD 2>/dev/null) =~ /^(\w+)/;
    my $res = $t->get('/api/version');
    json_is $res, '', {
        version => $said, commit => sub ($c) { return !defined $c || $c =~ /^[0-9a-f]{40}$/ }, built_at => $TIME, started_at => $TIME, uptime => $COUNT,
    }, 'has no envelope';
    ok !defined $commit || defined $res->json('/commit'), 'of a checkout the commit is known';
    cmp_ok $res->json('/started_at'), 'gt', $res->json('/built_at'), 'it was built before it was started';
};

subtest 'health and readiness' => sub {
    my ($said) = qx(build/ashlar version) =~ /^ashlar (\S+)/;
    json_is $t->get('/api/health'), '', { status => 'ok', version => $said, uptime => $COUNT, db => 'connected', redis => 'not_configured' };
    json_is $t->get('/api/ready'), '', { status => 'ready', db => 'connected' };
};

subtest 'one process finds out how the host is, the others wait for it' => sub {
    my $lock = $t->lock('LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE');
    my $load = $t->load(clients => 5, requests => 1, each => sub ($client, $n) { return $client->get($arch) });
    eventually { $t->waiting } 10, 'one asks the database';
    is $t->waiting, 1, 'and no other';
    $lock->commit;
    is_deeply [ map { $_->[0] } $load->finish ], [ (503) x 5 ], 'all have what it found';
};

subtest 'with a tunnel that is not there' => sub {
    my $res = $t->get($arch);
    status_is $res, 503;
    json_is $res, '', {
        status => 'degraded', checked_at => $TIME, uptime => $COUNT, version => qr/^\d+\.\d+\.\d+$/,
        db     => { status => 'ok', latency_ms => sub ($n) { return $n >= 0 && $n < 1e5 }, pool_size => sub ($n) { return $n >= 6 }, pool_in_use => sub ($n) { return $n >= 1 } },
        memory => { status => 'ok', rss_bytes => sub ($n) { return $n > 1e6 }, total_bytes => sub ($n) { return $n > 1e8 }, available_bytes => $COUNT, used_percent => sub ($n) { return $n > 0 && $n <= 100 } },
        git    => { status => qr/^(?:ok|unknown)$/, branch => sub ($b) { return !defined $b || length $b }, commit => sub ($c) { return !defined $c || $c =~ /^[0-9a-f]{40}$/ }, dirty => sub ($d) { return 1 } },
        tunnel => { status => 'degraded', unit => "ashlar-test-$$.service", active_since => undef },
        rate_limits => { status => 'ok', window_seconds => 60, rejected_last_window => 0, active_buckets => $COUNT },
    }, 'counts and states';
    my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
    my @all    = ($t->client, $theirs, $t->client(key => $t->key(tenant => 'other', secret => 1)));
    eventually { my %at = map { $_->get($arch)->json('/checked_at') => 1 } @all; keys %at == 1 } 30, 'whoever asks, of whatever tenant, has the same answer';
    my $text = $res->body;
    unlike $text, qr/localhost|127\.0\.0\.1|\Q$t->{dir}\E|postgresql|secret/, 'no host, no path, no credentials';
};

subtest 'when the database is away' => sub {
    my ($name) = $db->selectrow_array('SELECT current_database()');
    my $other = $t->{cluster}->connect('postgres');
    $t->expect_log(qr/not currently accepting connections|terminating connection|connection to server|database is not|server closed|connection|PostgreSQL/i);
    $other->do("ALTER DATABASE $name WITH ALLOW_CONNECTIONS false");
    $other->do(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND usename = 'ashlar_api'}, undef, $name);
    my $res;
    eventually { $res = $t->get('/api/health'); $res->status == 503 } 20, 'it says so';
    json_is $res, '', { status => 'error', version => qr/^\d/, uptime => $COUNT, db => 'error', redis => 'not_configured' }, 'health in its own form';
    $res = $t->get('/api/ready');
    status_is $res, 503;
    json_is $res, '', { status => 'not_ready', db => 'error' }, 'readiness, too';
    $res = $t->get('/api/v1/public/health');
    status_is $res, 503;
    json_is $res, '', { status => 'unhealthy', timestamp => $TIME, version => qr/^\d/, uptime => $COUNT, db => 'error' }, 'and the one that two surfaces share';
    status_is $t->get('/api/version'), 200, 'the version is there all the same';
    $other->do("ALTER DATABASE $name WITH ALLOW_CONNECTIONS true");
    eventually { $t->get('/api/ready')->status == 200 } 20, 'and back';
};

subtest 'a tunnel that runs' => sub {
    plan skip_all => 'only root speaks for systemd' if $>;
    my $made = !-d '/run/systemd/units';
    system 'mkdir', '-p', '/run/systemd/units';
    symlink 'f00', $link or die "symlink: $!\n";
    my $api = Api->start(TUNNEL_UNIT => "ashlar-test-$$.service");
    my $res = $api->get($arch);
    unlink $link;
    rmdir '/run/systemd/units' if $made;
    status_is $res, 200;
    json_is $res, '/status', 'ok';
    json_is $res, '/tunnel', { status => 'ok', unit => "ashlar-test-$$.service", active_since => $TIME };
};

subtest 'without one, where many are refused' => sub {
    my $api = Api->start(RATE_LIMIT_OPERATIONS => 1);
    my $n   = 0;
    $n += $api->get('/api/version')->status == 429 for 1 .. 6;
    my $res = $api->client->get($arch);
    # The budget is spent: who asks from elsewhere has another one.
    status_is $res, 429;
    my $fcgi = $api->fcgi->request('GET', $arch, REMOTE_ADDR => '192.0.2.9');
    is $fcgi->status, 200;
    like $fcgi->body, qr/"tunnel":\{"status":"not_configured","unit":null,"active_since":null\}/, 'none is no fault';
    like $fcgi->body, qr/"active_buckets":[1-9]/, 'whoever has asked is counted';
    my ($said) = $fcgi->body =~ /"rejected_last_window":(\d+)/;
    is $said, $n + 1, 'those that were refused are counted';
};
