use v5.36;
use utf8;
use lib 't/lib';
use Api;

# Backups as administrators of the installation see them, which ashlar host finds in its directory of dumps.
my $t      = Api->start(main => 2, slow => 2, host => 1);
my $dumps  = "$t->{dir}/dumps";
my $logs   = "$t->{dir}/logs";
my $base   = '/api/backups';
my $admin  = $t->user('adam', role => 'admin');
my $root   = $t->user('root', role => 'superadmin');
my @others = map { $t->user($_, role => $_) } qw(editor builder agent viewer demo member);
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $key    = $t->client(key => $t->key);
my $alien  = $t->client(key => $t->key(tenant => 'other'));
my @paths  = ($base, "$base/stats", "$base/logs");

sub spew ($file, $text, $age = 0) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    utime time - $age, time - $age, $file or die "$file: $!\n";
    return;
}

sub names ($res) { return join ' ', map { $_->{filename} } @{ $res->json('/data') } }

subtest 'who may' => sub {
    for my $path (@paths) {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $t->client(token => 'x.y.z')->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $_->get($path), 403, 'AUTHORIZATION_ERROR' for @others, $theirs, $alien;
        error_is $key->get($path), 403, 'AUTHORIZATION_ERROR', name => 'a key is no administrator';
        status_is $_->get($path), 200 for $admin, $root;
    }
};

subtest 'none' => sub {
    json_is $admin->get($base), '', { data => [], meta => { total => 0, limit => 1000, offset => 0 } };
    json_is $admin->get("$base/stats"), '/data',
        { count => 0, total_size_bytes => 0, average_size_bytes => 0, last_backup => undef, last_backup_age_seconds => undef, oldest_backup_at => undef };
    json_is $admin->get("$base/logs"), '/data', { file => 'offsite_backup.log', lines => [], line_count => 0 }, 'a log that is not there is empty';
};

subtest 'dumps' => sub {
    mkdir $dumps;
    spew("$dumps/app_20261128T030000Z.dump", 'x' x 10, 7200);
    spew("$dumps/9.sql", 'x' x 5, 10_800);
    spew("$dumps/b.sql.gz", 'x' x 16, 3600);
    spew("$dumps/" . 'n' x 195 . '.dump', '', 14_400);
    spew("$dumps/$_", 'x' x 1000) for 'app.dump.partial', 'app.dump.Xy12ab', 'notes.txt', '.hidden.dump', '-x.dump', '_x.dump', 'with blank.dump', 'n' x 196 . '.dump', '.dump', 'dump', 'x.gz';
    mkdir "$dumps/directory.dump" or die;
    symlink '/etc/passwd', "$dumps/passwd.dump" or die;
    symlink "$dumps/9.sql", "$dumps/again.sql" or die;

    my $res = $admin->get($base);
    is names($res), 'b.sql.gz app_20261128T030000Z.dump 9.sql ' . 'n' x 195 . '.dump', 'files, the newest first; no link, no directory, no other name, nothing unfinished';
    json_is $res, '/meta', { total => 4, limit => 1000, offset => 0 };
    json_is $res, '/data/0', { filename => 'b.sql.gz', size_bytes => 16, created_at => $TIME, trigger => 'unknown' };
    my $stats = $admin->get("$base/stats")->json('/data');
    my $age   = delete $stats->{last_backup_age_seconds};
    ok $age >= 3600 && $age < 4200, 'how old the newest is' or diag $age;
    is_deeply $stats, {
        count => 4, total_size_bytes => 31, average_size_bytes => 7, last_backup => $res->json('/data/0'), oldest_backup_at => $res->json('/data/3/created_at') }, 'and what they come to';
};

subtest 'more than a list has' => sub {
    spew("$dumps/many$_.dump", 'xx', 20_000 + $_) for 1 .. 2100;
    my $res = $admin->get($base);
    is scalar @{ $res->json('/data') }, 1000, 'a thousand';
    is_deeply [ map { $_->{filename} } @{ $res->json('/data') }[ 0, 4, 999 ] ], [ 'b.sql.gz', 'many1.dump', 'many996.dump' ], '  the newest';
    my $stats = $admin->get("$base/stats")->json('/data');
    is "$stats->{count} $stats->{total_size_bytes} $stats->{last_backup}{filename}", '2104 4231 b.sql.gz', 'and the sums are of all';
    unlink glob "$dumps/many*";
    is names($admin->get($base)) =~ tr/ //, 3, 'what is gone is gone';
    spew("$dumps/ahead.dump", 'x', -3600);
    json_is $admin->get("$base/stats"), '/data/last_backup_age_seconds', 0, 'what is of a time to come has no age';
    unlink "$dumps/ahead.dump";
};

subtest 'the log' => sub {
    my $log = "$logs/offsite_backup.log";
    spew($log, join '', map { "line $_\n" } 1 .. 250);
    json_is $admin->get("$base/logs"), '/data', { file => 'offsite_backup.log', lines => [ map { "line $_" } 151 .. 250 ], line_count => 100 }, 'its last 100 lines, the oldest first';
    spew($log, "one\r\n\n\xff\0two");
    json_is $admin->get("$base/logs"), '/data/lines', [ 'one', '', "\x{fffd} two" ], 'whatever its bytes, and without an end';
    spew($log, "\n");
    json_is $admin->get("$base/logs"), '/data/lines', [''], 'an empty line is one';
    spew($log, '');
    json_is $admin->get("$base/logs"), '/data', { file => 'offsite_backup.log', lines => [], line_count => 0 };
    spew($log, 'x' x 300_000 . "\nlast\n");
    json_is $admin->get("$base/logs"), '/data/lines', ['last'], 'a line that is not there whole is none';
    unlink $log;
    symlink '/etc/passwd', $log or die;
    $t->expect_log(qr/ashlar host cannot/, qr/"status":503/);
    error_is $admin->get("$base/logs"), 503, 'SERVICE_UNAVAILABLE', name => 'a link is not followed';
    unlink $log;
};

subtest 'the host is away' => sub {
    $t->master('host')->stop(0, 10);
    $t->expect_log(qr/ashlar host does not answer/, qr/"status":503/);
    for my $path (@paths) {
        my $res = $admin->get($path);
        error_is $res, 503, 'SERVICE_UNAVAILABLE';
        ok $res->header('Retry-After'), '  and says when to ask again';
    }
    error_is $others[0]->get($base), 403, 'AUTHORIZATION_ERROR', name => 'who may not does not learn of it';
    $t->start_host;
    is names($admin->get($base)) =~ tr/ //, 3, 'and it is there again';
};
