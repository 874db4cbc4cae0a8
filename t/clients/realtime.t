# Clients that others wrote: npm's ws and eventsource.  The server goes away
# under them, and no subscriber misses anything.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Process;
use Cpanel::JSON::XS qw(decode_json encode_json);
use IPC::Open2;

my $t       = Api->start(realtime => 1);
my $ann     = $t->user('ann');
my $project = $ann->post('/api/v1/app/projects', { name => 'one' })->json('/id');
my $channel = "project:$project";
$t->expect_log(qr/upstream|connect\(\) (?:to|failed)/);

$ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";    ## no critic (RequireLocalizedPunctuationVars)
my $pid = open2(my $out, my $in, 'node', 't/clients/realtime.mjs', "localhost:$t->{https_port}");
$in->autoflush;
END { local $?; if ($pid) { kill 'TERM', $pid; waitpid $pid, 0 } }

my (%seen, $rest);

# What the clients told by now.
sub look ($seconds = 0) {
    my $ready = '';
    vec($ready, fileno $out, 1) = 1;
    while (select my $now = $ready, undef, undef, $seconds) {
        sysread($out, $rest, 65536, length($rest // '')) or last;
        while ($rest =~ s/^(.*)\n//) {
            my $m = decode_json($1);
            push @{ $seen{ $m->{name} }{ $m->{event} } }, $m;
        }
        $seconds = 0;
    }
    return;
}

sub got ($name, $event) { look(0.05); return @{ $seen{$name}{$event} // [] } }
sub numbers ($name) { return map { $_->{n} } got($name, 'message') }

sub publish (@numbers) {
    my $db = $t->db;
    for (@numbers) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        $db->do('SELECT realtime_publish(?, jsonb_build_object(\'n\', ?::int))', undef, $channel, $_);
        $db->commit;
    }
    return;
}

my @clients = (qw(a b), 's');
print {$in} encode_json({ do => $_ eq 's' ? 'stream' : 'socket', name => $_, token => $ann->token, channel => $channel }), "\n" for @clients;
for my $name (@clients) {
    eventually { got($name, 'subscribed') } 20, "$name is subscribed";
}
is [ got('a', 'open') ]->[0]{protocol}, 'bearer', 'the token went as a protocol';

publish(1 .. 5);
for my $name (@clients) {
    eventually { numbers($name) == 5 } 10, "$name gets what is published";
}

subtest 'the server is restarted, and meanwhile life goes on' => sub {
    ok $t->master('realtime')->stop('TERM', 20), 'stopped';
    for my $name (@clients) {
        eventually { got($name, 'close') } 10, "$name is told";
    }
    is [ got('a', 'close') ]->[0]{code}, 1012, 'to come back';
    publish(6 .. 25);
    $t->start_realtime;
    publish(26 .. 30);
    for my $name (@clients) {
        eventually { numbers($name) >= 30 } 30, "$name is back";
        is_deeply [ numbers($name) ], [ 1 .. 30 ], 'and missed nothing, nor got anything twice';
        is [ got($name, 'subscribed') ]->[-1]{recovered}, true, 'as it was told';
    }
};

subtest 'and once more, killed' => sub {
    my %before = map { $_ => scalar got($_, 'close') } @clients;
    $t->master('realtime')->signal('KILL');
    publish(31 .. 40);
    for my $name (@clients) {
        eventually { got($name, 'close') > $before{$name} } 10, "$name notices";
    }
    $t->start_realtime;
    for my $name (@clients) {
        eventually { numbers($name) >= 40 } 30, "$name is back";
        is_deeply [ numbers($name) ], [ 1 .. 40 ], 'with everything';
    }
};
