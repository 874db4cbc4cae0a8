use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Process;

# Behind PgBouncer in transaction mode a statement may meet another server
# connection each time.  Debian 12's 1.18 knows nothing of prepared statements,
# so DB_PREPARED=off sends the text; what a transaction sets must end with it.
my $t   = Api->start(main => 0, slow => 0, hash => 0, DB_PREPARED => 'off', DATABASE_TIMEOUT_MS => 700);
my $dir = $t->{dir};
my $db  = $t->{database};
my $cluster = $t->{cluster};
my $user = $> == 0 ? 'postgres' : undef;    # it refuses to run as root

mkdir "$dir/pool" or die "$dir/pool: $!\n";
open my $ini, '>', "$dir/pool/ini" or die "$dir/pool/ini: $!\n";
print $ini <<~"END";
    [databases]
    $db = host=$cluster->{dir} user=ashlar_api
    [pgbouncer]
    listen_addr =
    listen_port = 6432
    unix_socket_dir = $dir/pool
    auth_type = any
    pool_mode = transaction
    default_pool_size = 2
    END
close $ini or die "$dir/pool/ini: $!\n";
chown +(getpwnam $user)[2, 3], "$dir/pool" if $user;
my $bouncer = Ashlar::Process->start(
    name => 'pgbouncer',
    cmd  => ['/usr/sbin/pgbouncer', "$dir/pool/ini"],
    log  => "$dir/pgbouncer.log",
    user => $user,
    dir  => $dir,
);
eventually { -S "$dir/pool/.s.PGSQL.6432" } 10, 'PgBouncer listens';

$t->{env}{DATABASE_URL} = "host=$dir/pool port=6432 dbname=$db user=ashlar_api";
$t->{size}{main} = 6;
$t->start_pool('main');
my $ann = $t->user('ann');
my $eve = $t->user('eve', tenant => 'other');

subtest 'reads, writes and refusals' => sub {
    my $made = $ann->post('/api/v1/app/projects', { name => 'through a pooler' });
    status_is $made, 201;
    my $id = $made->json('/id');
    status_is $ann->get("/api/v1/app/projects/$id"), 200;
    status_is $eve->get("/api/v1/app/projects/$id"), 404;
    status_is $t->get('/api/v1/app/projects'), 401;
    my %again = (headers => { 'Idempotency-Key' => 'one' });
    is $ann->post('/api/v1/app/projects', { name => 'once' }, %again)->json('/id'),
        $ann->post('/api/v1/app/projects', { name => 'once' }, %again)->json('/id'), 'an answer is replayed';
};

subtest 'six children on two server connections: nobody sees what another transaction set' => sub {
    my $load = $t->load(
        clients  => 6,
        requests => 60,
        make     => sub { [map { $t->client(token => $_->token) } $ann, $eve] },
        each     => sub ($clients, $n) {
            my $who = $n =~ /[13579]$/ ? 1 : 0;
            my $res = $clients->[$who]->get('/api/v1/app/projects');
            die "another tenant's\n" if $res->status == 200 && $res->json('/total') != ($who ? 0 : 2);
            return $res;
        },
    );
    my @results = $load->finish;
    is scalar(grep { $_->[0] == 200 } @results), 360;
    my ($servers) = $t->db->selectrow_array(
        q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'ashlar_api' AND datname = current_database()});
    cmp_ok $servers, '<=', 2, 'on two connections';
};

subtest 'a statement that takes too long is cancelled by the server, whose connection is for others, too' => sub {
    $t->expect_log(qr/"status":504/, qr/statement timeout/);
    my $lock = $t->lock('SELECT FROM users WHERE id = ? FOR UPDATE', $ann->uuid);
    error_is $ann->patch('/api/v1/app/users/me', { full_name => 'late' }), 504, 'TIMEOUT';
    $lock->commit;
    $lock->disconnect;
    status_is $ann->patch('/api/v1/app/users/me', { full_name => 'in time' }), 200;
};

$t->master->stop('TERM', 10);
$bouncer->stop('INT', 10);
