# ashlar host by its socket: who may ask, and what becomes of questions that are none.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Process;
use Cpanel::JSON::XS qw(decode_json);
use File::Temp ();
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";
my $dir    = File::Temp->newdir('/tmp/ashlar-host-XXXXXX');
chmod 0755, "$dir";
mkdir "$dir/logs";
my $socket = "$dir/host.sock";

sub start (@words) {
    my $host = Ashlar::Process->start(
        name => 'ashlar host', cmd => [ $ashlar, 'host', '--socket', $socket, @words ], log => "$dir/log",
        env  => { LOG_DIR => "$dir/logs", Ashlar::Cluster::sanitizer_env("$dir") });
    for (1 .. 500) { last if IO::Socket::UNIX->new($socket) || !$host->alive; sleep 0.02 }
    return $host;
}

# What comes back, and how many seconds that takes.
sub ask ($text) {
    my $s = IO::Socket::UNIX->new($socket) or return ('no socket', 0);
    local $SIG{PIPE} = 'IGNORE';
    my $began = time;
    $s->autoflush(1);
    print {$s} $text;
    local $/ = undef;
    return (scalar(<$s>) // '', time - $began);
}

# The same as another user.
sub ask_as ($user, $text) {
    my $file = "$dir/ask.pl";
    if (!-e $file) {
        open my $out, '>', $file or die "$file: $!\n";
        print $out 'use IO::Socket::UNIX; $SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new($ARGV[0]) or die; $s->autoflush(1); print {$s} "$ARGV[1]\n"; local $/; print <$s> // "";';
        close $out or die "$file: $!\n";
    }
    open my $in, '-|', 'setpriv', "--reuid=$user", '--regid=nogroup', '--clear-groups', $^X, $file, $socket, $text or die "setpriv: $!\n";
    local $/ = undef;
    my $said = <$in>;
    close $in;
    return $said // '';
}

my $files = '{"verb":"logs.files"}';
my $host  = start();
is_deeply decode_json((ask("$files\n"))[0]), { files => [] }, 'a question has an answer';

subtest 'what is no question' => sub {
    for my $text ('', '[', '[]', '7', '{}', '{"verb":7}', '{"verb":"logs.file"}', '{"verb":"logs.files","verb":"logs.read"}', '{"verb":"../logs.files"}') {
        my ($said) = ask("$text\n");
        $text eq '' ? is($said, '', 'nothing') : ok(decode_json($said)->{error}, "refused: $text");
    }
    for my $more ('', '"limit":0', '"limit":1001', '"limit":-1', '"limit":"x"', '"limit":1,"level":"debug"') {
        my $text = '{"verb":"logs.read"' . ($more && ",$more") . '}';
        ok decode_json((ask("$text\n"))[0])->{error}, $text;
    }
    is +(ask('x' x 100_000))[0], '', 'too long a one has no answer';
    my ($said, $s) = ask('{"verb":');
    is $said, '', 'nor has one without an end';
    cmp_ok $s, '>', 0.4, '  for which it waits half a second';
    is_deeply decode_json((ask("$files\n"))[0]), { files => [] }, 'and others are answered as before';
};

subtest 'more at once than it has children' => sub {
    my @all = map { IO::Socket::UNIX->new($socket) } 1 .. 24;
    my $n   = 0;
    for my $s (@all) { $s->autoflush(1); print {$s} "$files\n" }
    for my $s (@all) { local $/ = undef; $n++ if (<$s> // '') eq qq({"files":[]}\n) }
    is $n, 24, 'each has its turn';
};

subtest 'who may ask' => sub {
    plan skip_all => 'only root can be others' if $>;
    is ask_as('nobody', $files), '', 'another user is refused, though the socket lets them in';
    ok $host->stop('TERM', 10), 'it stops';
    ok !-e $socket, '  and its socket is gone';
    $host = start('--peer', 'nobody');
    is_deeply decode_json(ask_as('nobody', $files)), { files => [] }, '--peer may';
    is ask_as('www-data', $files), '', '  and nobody else';
    my $none = Ashlar::Process->start(cmd => [ $ashlar, 'host', '--socket', "$dir/other.sock", '--peer', 'nobody-of-that-name' ], log => "$dir/log");
    is +($none->wait_for(10) // 0) >> 8, 1, 'a user that there is not is an error';
};
ok $host->stop('TERM', 10), 'it stops';
done_testing;
