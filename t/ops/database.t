use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes qw(sleep time);

my $cluster = Ashlar::Cluster->start->template;
my $t       = Api->start(cluster => $cluster, main => 3);
my $ann     = $t->user('ann');
my $me      = '/api/v1/app/users/me';

sub busy () {
    return $t->load(
        clients => 3,
        make    => sub { $t->client(token => $ann->token) },
        each    => sub ($client, $n) {
            my $res = $n =~ /7$/ ? $client->post('/api/v1/app/projects', { name => $n }) : $client->get($me);
            sleep 0.02 if $res->status == 503;
            return $res;
        },
    );
}

for my $how ([ INT => 'shut down' ], [ QUIT => 'crashed' ]) {
    my ($signal, $name) = @$how;
    subtest "PostgreSQL is $name under load" => sub {
        my @children = $t->children;
        my $load     = busy();
        sleep 0.5;
        $cluster->down($signal);
        sleep 1;
        $cluster->up;
        eventually { $ann->get($me)->status == 200 } 10, 'requests are served again by themselves';
        sleep 0.3;
        my @results = $load->finish;
        my %seen;
        $seen{ $_->[0] }++ for @results;
        is join(' ', sort grep { !/^(?:200|201|503)$/ } keys %seen), '', 'meanwhile nothing but 503';
        cmp_ok $seen{503} // 0, '>', 0, 'of which there were some';
        cmp_ok $seen{200}, '>', 20, 'and answers before and after';
        cmp_ok((sort { $b <=> $a } map { $_->[1] } @results)[0], '<', 5, 'nobody hung');
        is_deeply [ $t->children ], \@children, 'no child died of it';
    };
}

subtest 'while it is away' => sub {
    $cluster->down;
    my $res = $ann->get($me);
    error_is $res, 503, 'SERVICE_UNAVAILABLE';
    header_like $res, 'Retry-After', qr/^[1-9]\d*$/;
    body_unlike $res, qr/socket|postgres|\.s\.PGSQL/i, 'the client is not told where it would be';
    error_is $ann->post('/api/v1/app/projects', { name => 'x' }), 503, 'SERVICE_UNAVAILABLE';

    my $health = $t->get('/api/v1/public/health');
    status_is $health, 503;
    json_is $health, '/status', 'unhealthy';
    json_is $health, '/db', 'error';
    my $ready = $t->get('/api/v1/public/health/ready');
    status_is $ready, 503, 'it is not ready';
    like $ready->body, qr/"database":\{"status":"(?!healthy)\w+"/, 'and says which component is not';
    like $ready->body, qr/"cache":\{"status":"healthy"/;
    header_like $ready, 'Retry-After', qr/^[1-9]\d*$/;

    error_is $t->get($me), 401, 'AUTHENTICATION_ERROR', name => 'who has no token is told so without a database';
    my @slow = grep { $_->seconds > 3 } map { $ann->get($me) } 1 .. 20;
    is scalar @slow, 0, 'every refusal is quick';
    $cluster->up;
    eventually { $ann->get($me)->status == 200 } 10, 'it comes back';
    status_is $t->get('/api/v1/public/health/ready'), 200;
};

subtest 'connections that the server ended between two requests are noticed' => sub {
    status_is $ann->get($me), 200 for 1 .. 6;
    $t->db->do('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
    my @answers = map { $ann->get($me)->status } 1 .. 10;
    is join(' ', grep { $_ != 200 } @answers), '', 'and cost no request';
};

subtest 'without prepared statements, as behind PgBouncer 1.18' => sub {
    my $plain = Api->start(DB_PREPARED => 'off');
    my $bob   = $plain->user('bob');
    for (1 .. 3) {
        my $id = $bob->post('/api/v1/app/projects', { name => "number $_" })->json('/id');
        json_is $bob->get("/api/v1/app/projects/$id"), '/name', "number $_";
    }
    json_is $bob->get('/api/v1/app/projects'), '/total', 3;
    error_is $plain->client(token => $plain->token($bob, sid => '00000000-0000-7000-8000-00000000dead'))->get($me), 401, 'AUTHENTICATION_ERROR';
    status_is $bob->get($me), 200, 'a refusal leaves nothing behind';
};

subtest 'a statement that takes too long is 504, and the child lives' => sub {
    my $quick = Api->start(main => 1, slow => 0, DATABASE_TIMEOUT_MS => 300);
    my $bob   = $quick->user('bob');
    my ($pid) = $quick->children;
    my $lock  = $quick->lock('SELECT FROM users WHERE id = ? FOR UPDATE', $bob->uuid);
    $quick->expect_log(qr/"status":504/, qr/statement timeout/);
    my $res = $bob->patch($me, { full_name => 'late' });
    error_is $res, 504, 'TIMEOUT';
    cmp_ok $res->seconds, '<', 2, 'soon after DATABASE_TIMEOUT_MS';
    $lock->commit;
    $lock->disconnect;
    json_is $bob->patch($me, { full_name => 'in time' }), '/full_name', 'in time';
    is_deeply [ $quick->children ], [$pid], 'by the same child';
};

subtest 'a deadlock or a serialization failure is run again, unseen by the client' => sub {
    my $fun = q{CREATE OR REPLACE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('fail_once_seq') <= 2 THEN
                RAISE EXCEPTION 'made up' USING ERRCODE = TG_ARGV[0];
            END IF;
            RETURN NEW;
        END $$};
    my $db = $t->db;
    $db->do('CREATE SEQUENCE fail_once_seq');
    $db->do('GRANT USAGE ON SEQUENCE fail_once_seq TO ashlar_api');
    $db->do($fun);
    for my $state ('40001', '40P01') {
        $db->do(q{SELECT setval('fail_once_seq', 1, false)});
        $db->do("CREATE TRIGGER fail_once BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION fail_once('$state')");
        my $res = $ann->post('/api/v1/app/projects', { name => "after $state" });
        status_is $res, 201, "SQLSTATE $state twice, then success";
        is $db->selectrow_array('SELECT count(*) FROM projects WHERE name = ?', undef, "after $state"), 1, 'carried out once';
        $db->do('DROP TRIGGER fail_once ON projects');
    }
    $db->do(q{CREATE OR REPLACE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END $$});
    $db->do('CREATE TRIGGER fail_once BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION fail_once()');
    error_is $ann->post('/api/v1/app/projects', { name => 'never' }), 503, 'SERVICE_UNAVAILABLE', name => 'and not for ever';
    $db->do('DROP TRIGGER fail_once ON projects');
};
