# tus-js-client: an upload goes on through the end of the processes that serve it, and of its own.

use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Digest::SHA 'sha256_hex';
use IPC::Open2 'open2';

my $t   = Api->start(slow => 2, SLOW_PER_TENANT => 2, SLOW_PER_CALLER => 2);
my $ann = $t->user('ann');
my $url = "https://localhost:$t->{https_port}/api/v1/app/files/tus";
local $ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";
$t->keep_secret($ann->token);
$t->expect_log(qr/child \d+ ended: signal 9/, qr/worker process \d+ exited on signal 9/);

my $content = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 5 << 18;    # 5 MiB that are nowhere alike
open my $out, '>:raw', "$t->{dir}/content" or die "content: $!\n";
print {$out} $content;
close $out or die "content: $!\n";

# Follow a client; at a request fn is told which one, how many there were, and goes on, or ends it by dying.
sub follow ($fn, @more) {
    my $pid = open2(my $says, my $go, 'node', 't/clients/tus.mjs', $url, $ann->token, "$t->{dir}/content", @more);
    $go->autoflush;
    my @said;
    while (my $line = <$says>) {
        chomp $line;
        push @said, $line;
        next if $line !~ /^(?:POST|HEAD|PATCH)/;
        last if !$fn->($line, scalar grep { /^PATCH/ } @said);
        print {$go} "\n";
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    return @said;
}

sub address () {
    my ($id) = $t->db->selectrow_array(q{SELECT object_id FROM files ORDER BY created_at DESC LIMIT 1});
    return $id;
}

subtest 'the server\'s processes die' => sub {
    my @said = follow(sub ($line, $n) {
        kill KILL => $t->children('slow') if $line =~ /^PATCH/ && $n == 2;
        kill KILL => $t->nginx->children  if $line =~ /^PATCH/ && $n == 4;
        return 1;
    });
    is $said[-1], 'done', 'it comes to its end' or diag "@said";
    is join(' ', map { /^PATCH (\d+)/ ? $1 >> 20 : () } @said) =~ s/\b(\d) \1\b/$1/gr, '0 1 2 3 4', 'piece by piece';
    my ($file) = @{ $ann->get('/api/v1/app/files')->json('/items') };
    is $file->{filename}, 'säfe.bin', 'under its name';
    is $t->db->selectrow_array(q{SELECT encode(sha256, 'hex') FROM stored_objects WHERE id = ?}, undef, address()), sha256_hex($content), 'every byte is there, once';
};

subtest 'the client itself dies, and another one goes on' => sub {
    my @said = follow(sub ($line, $n) { $n < 4 });
    is $said[-1], 'PATCH ' . (3 << 20), 'it ends before its fourth piece';
    my ($link) = map { /^url (\S+)/ ? $1 : () } @said;
    like $link, qr{\Ahttps://localhost:\d+/uploads/[0-9a-f-]{36}[?]token=}, 'it knew the address';
    @said = follow(sub { 1 }, $link);
    is_deeply [ grep { !/^url/ } @said ], [ 'HEAD', 'PATCH ' . (3 << 20), 'PATCH ' . (4 << 20), 'done' ], 'it asks how much is there, and sends the rest';
    is $t->db->selectrow_array(q{SELECT encode(sha256, 'hex') FROM stored_objects WHERE id = ?}, undef, address()), sha256_hex($content), 'every byte is there, once';
};
