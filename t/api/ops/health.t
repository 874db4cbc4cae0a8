use v5.36;
use lib 't/lib';
use Api;
use File::Temp ();
use IO::Handle ();

my $t = Api->start;

subtest 'liveness needs no credentials' => sub {
    my $res = $t->get('/api/v1/public/health');
    status_is $res, 200;
    # The app surface asks for status and timestamp, the operations surface for the rest.
    json_is $res, '', { status => 'healthy', timestamp => $TIME, version => qr/^\d+\.\d+/, uptime => sub ($s) { $s =~ /^\d+$/ }, db => 'connected' };
    status_is $t->client(token => 'nonsense')->get('/api/v1/public/health'), 200, 'and does not look at them';
    header_like $res, 'Cache-Control', qr/no-store|no-cache/, 'nobody may answer for us';
};

subtest 'readiness names its components' => sub {
    my $res = $t->get('/api/v1/public/health/ready');
    status_is $res, 200;
    json_is $res, '/status', 'healthy';
    json_is $res, '/timestamp', $TIME;
    json_is $res, '/components', { database => { status => 'healthy' }, cache => { status => 'healthy' } };
};

subtest 'both exist under version 2' => sub {
    json_is $t->get('/api/v2/public/health/ready'), '/data/status', 'healthy', 'in its envelope';
    json_is $t->last, '/meta/version', 'v2';
    json_is $t->get('/api/v2/public/health'), '/data/status', 'healthy', 'and so is the other one';
    status_is $t->get('/api/v1/public/health?now=1'), 200, 'whoever probes may add what keeps caches away';
};

subtest 'the time is the server\'s, in UTC' => sub {
    my ($y, $m, $d, $H, $M, $S) = $t->get('/api/v1/public/health')->json('/timestamp') =~ /(\d+)/g;
    require Time::Local;
    cmp_ok abs(Time::Local::timegm($S, $M, $H, $d, $m - 1, $y) - time), '<=', 3;
};

# A disk of our own that is full: PostgreSQL's temporary files go there, and so would the next row.
subtest 'a full disk is not ready' => sub {
    plan skip_all => 'only root can mount a disk' if $>;
    my $disk = File::Temp->newdir('/tmp/ashlar-disk-XXXXXX');
    my $name = "full_$$";
    system('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=777', 'tmpfs', "$disk") == 0 or plan skip_all => 'no mount here';
    my $super = $t->db;
    eval {
        mkdir "$disk/pg" or die "mkdir: $!\n";
        chown +(getpwnam 'postgres')[2, 3], "$disk/pg";
        $super->do("CREATE TABLESPACE $name LOCATION '$disk/pg'");
        $super->do("GRANT CREATE ON TABLESPACE $name TO PUBLIC");
        my $api = Api->start(slow => 0, main => 2);
        my ($database) = $api->db->selectrow_array('SELECT current_database()');
        $super->do("ALTER ROLE ashlar_api IN DATABASE $database SET temp_tablespaces = '$name'");
        my @before = $api->children;
        $api->master->signal('HUP');
        eventually { my @now = $api->children; @now == @before && !grep { my $pid = $_; grep { $_ eq $pid } @before } @now } 30, 'connections of now';
        status_is $api->get('/api/v1/public/health/ready'), 200, 'while there is room';
        open my $fill, '>', "$disk/fill" or die "fill: $!\n";
        $fill->autoflush;
        1 while print {$fill} 'x' x 4096;
        my $res;
        eventually { $res = $api->get('/api/v1/public/health/ready'); $res->status == 503 } 30, 'when there is none it is not ready';
        json_is $res, '/components/database/status', 'unhealthy';
        status_is $api->get('/api/v1/public/health'), 200, 'but alive';
        $api->expect_log(qr/PostgreSQL cannot write: .*No space left on device/, qr/could not write to file/);
        ok scalar(grep { $_->{message} =~ /PostgreSQL cannot write: .*No space left on device/ } $api->log), 'and the log says why';
        close $fill;
        unlink "$disk/fill";
        eventually { $api->get('/api/v1/public/health/ready')->status == 200 } 30, 'with room it is ready again';
        $super->do("ALTER ROLE ashlar_api IN DATABASE $database RESET temp_tablespaces");
        1;
    } or fail $@;
    eventually { eval { $super->do("DROP TABLESPACE IF EXISTS $name"); 1 } } 20, 'cleaned up';
    system('umount', '-l', "$disk");
};

subtest 'metrics are text, and nobody is asked for a token' => sub {
    my $res = $t->get('/api/v1/public/metrics', headers => { Accept => 'text/plain' });
    status_is $res, 200;
    header_like $res, 'Content-Type', qr{^text/plain; version=0\.0\.4};
};

subtest 'a HEAD has the headers of the GET and no body' => sub {
    my $res = $t->request('HEAD', '/api/v1/public/health');
    status_is $res, 200;
    body_is $res, '';
};

subtest 'what is not GET is refused' => sub {
    for my $method (qw(POST PUT PATCH DELETE)) {
        my $res = $t->request($method, '/api/v1/public/health');
        error_is $res, 405, 'METHOD_NOT_ALLOWED';
        header_like $res, 'Allow', qr/^(?=.*\bGET\b)(?=.*\bHEAD\b)(?!.*\b$method\b)/;
    }
};
