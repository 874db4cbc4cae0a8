# Files where nginx, the api and the worker are other users, as on a host: the directories are made as
# systemd/tmpfiles.conf says, and what we start has the mask of its unit.

use v5.36;
use lib 't/lib';
use Api;
use Cwd 'getcwd';
use File::Temp ();

plan skip_all => 'only root can be others' if $> != 0;

# Who is there on every Debian, in the place of ours.
my %as = ('www-data' => 'www-data', ashlar_api => 'games', root => 'root');

sub lines_of ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    return <$in>;
}

my $host = File::Temp->newdir('/tmp/ashlar-host-XXXXXX');
chmod 0755, "$host";

sub directory ($path, $mode, $user, $group) {
    mkdir "$host$path" or die "$host$path: $!\n";
    chown +(getpwnam $as{$user})[2], +(getgrnam $as{$group})[2], "$host$path";
    chmod oct $mode, "$host$path";
    return $path;
}
my @made = map { m{^d /var/lib/ashlar(/files\S*) (\d+) (\S+) (\S+) -$} ? directory($1, $2, $3, $4) : () } lines_of('systemd/tmpfiles.conf');
is_deeply \@made, [qw(/files /files/incoming /files/incoming/tmp /files/objects)], 'the directories of a host';
directory('/run', '0700', 'ashlar_api', 'ashlar_api');

my ($mask) = map { /^UMask=(\d+)/ ? $1 : () } lines_of('systemd/ashlar-.service.d/10-hardening.conf');
is $mask, '0077', 'what a unit writes is its own user\'s, unless it is meant to be read';

open my $program, '>', "$host/ashlar" or die "ashlar: $!\n";
printf {$program} "#!/bin/sh\numask %s\nexec setpriv --reuid=games --regid=games --clear-groups '%s' \"\$@\"\n", $mask, getcwd . "/$Ashlar::Cluster::BUILD/ashlar";
close $program or die "ashlar: $!\n";
chmod 0755, "$host/ashlar";
{
    no warnings 'redefine';    ## no critic (ProhibitNoWarnings)
    *Api::program = sub { "$host/ashlar" };
}

# Its directory lets nobody in but who it belongs to.
my $cluster = Ashlar::Cluster->shared;
chmod 0711, $cluster->{dir};
my $t = Api->start(sockets => 1, worker => 1, STORAGE_ROOT => "$host/files", SHM_FILE => "$host/run/shared",
    nginx => { NGINX_USER => 'www-data', STORAGE_ROOT => "$host/files" });
chmod 0666, map { "$t->{dir}/$_.sock" } qw(main slow hash);
my $ann = $t->user('ann');
my $url = '/api/v1/app/files';

sub path ($link) { return $link =~ s{^https://localhost:\d+}{}r }

sub seen ($path) {
    my @stat = stat "$host/files/$path" or return 'none';
    return sprintf '%s:%s %o', (getpwuid $stat[4])[0], (getgrgid $stat[5])[0], $stat[2] & oct 7777;
}

subtest 'nobody is who another one is' => sub {
    for my $pid ($t->children('slow'), $t->children('worker')) { is +(stat "/proc/$pid")[4], (getpwnam 'games')[2], 'ours' }
    my ($worker) = $t->nginx->children;
    is +(stat "/proc/$worker")[4], (getpwnam 'www-data')[2], 'nginx';
};

# Small ones stay in memory until they are written, large ones are on the disk as they come.
for my $content ('a few bytes', 'many' x 300_000) {
    subtest length($content) . ' bytes are written by nginx, taken by the api, read by nginx, and removed by the worker' => sub {
        my $begun = $ann->post("$url/upload-url", { filename => 'a', content_type => 'text/plain', size => length $content });
        my ($id)  = $begun->json('/upload_url') =~ m{/storage/([0-9a-f-]{36})};
        status_is $t->client->request(PUT => path($begun->json('/upload_url')), raw => $content, type => 'text/plain'), 201;
        is seen("incoming/$id"), 'www-data:games 640', 'it is nginx\'s, and the api may read it';
        status_is $ann->post("$url/confirm", { file_id => $begun->json('/file_id') }), 200;
        my $shelf = 'objects/' . substr $id, -2;
        is seen($shelf), 'games:www-data 2750', 'its place is the api\'s, and nginx may go there';
        is seen("$shelf/$id"), 'www-data:games 640', 'it is there';
        my $link = path($ann->get("$url/" . $begun->json('/file_id') . '/download-url')->json('/download_url'));
        my $got  = $t->client->get($link);
        status_is $got, 200;
        ok $got->body eq $content, 'the same bytes';
        status_is $ann->delete("$url/" . $begun->json('/file_id')), 204;
        eventually { seen("$shelf/$id") eq 'none' } 30, 'it is removed';
    };
}

subtest 'one that comes piece by piece is written by the api, and read by nginx' => sub {
    my %tus   = ('Tus-Resumable' => '1.0.0');
    my $begun = $ann->post("$url/tus", undef, headers => { %tus, 'Upload-Length' => 4 });
    status_is $begun, 201;
    my $link = path($begun->header('Location'));
    my ($id) = $link =~ m{/uploads/([0-9a-f-]{36})};
    my $at   = 'objects/' . substr($id, -2) . "/$id";
    my $send = sub ($offset, $bytes) { return $t->client->request(PATCH => $link, raw => $bytes, type => 'application/offset+octet-stream', headers => { %tus, 'Upload-Offset' => $offset }) };
    status_is $send->(0, 'te'), 204;
    is seen("$at.part"), 'games:www-data 640', 'it lies where it will stay';
    status_is $send->(2, 'st'), 204;
    is seen($at), 'games:www-data 640', 'and is there';
    my $file = $begun->json('/file_id');
    is $t->client->get(path($ann->get("$url/$file/download-url")->json('/download_url')))->body, 'test', 'nginx reads it';
    status_is $ann->delete("$url/$file"), 204;
    eventually { seen($at) eq 'none' } 30, 'the worker removes it';
};
