# A browser: what the guide shows runs there as it stands, under our own page's
# Content-Security-Policy, and comes back when the server was away.  A page that
# nobody knows does not get in, good token or not.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide 'blocks';
use Cpanel::JSON::XS qw(decode_json encode_json);
use IPC::Open2;

my $t       = Api->start(realtime => 1);
my $ann     = $t->user('ann');
my $project = $ann->post('/api/v1/app/projects', { name => 'one' })->json('/id');
my $channel = "project:$project";
$t->expect_log(qr/upstream|connect\(\) (?:to|failed)/);

my ($guide) = map { m{\A// realtime\.js\n(.*)}s } blocks($t->get('/realtime.html')->body);
ok $guide, 'the guide has a client';
$guide =~ s/^export //;

my %env = Ashlar::Answers::env();
my $pid = open2(my $out, my $in, 'env', (map { "$_=$env{$_}" } sort keys %env), 'node', 't/clients/realtime_browser.mjs');
$in->autoflush;
END { local $?; if ($pid) { kill 'TERM', $pid; waitpid $pid, 0 } }
print {$in} encode_json({ page => "https://localhost:$t->{https_port}/", guide => $guide, token => $ann->token, channel => $channel }), "\n";

my (@seen, $rest);

# What the page has told by now, of one of its clients.
sub seen ($name, $event) {
    my $ready = '';
    vec($ready, fileno $out, 1) = 1;
    while (select my $now = $ready, undef, undef, 0.05) {
        sysread($out, $rest, 65536, length($rest // '')) or last;
        push @seen, decode_json($1) while $rest =~ s/^(.*)\n//;
    }
    return grep { $_->{name} eq $name && $_->{event} eq $event } @seen;
}

sub numbers ($name) { return map { $_->{data}{n} } seen($name, 'channel_message') }

eventually { seen('socket', 'subscribed') } 60, 'the guide\'s client is on the channel';
eventually { seen('stream', 'subscribed') } 20, 'and an EventSource';
print {$in} encode_json({ n => 1 }), "\n";
eventually { numbers('socket') } 10, 'what it sends comes back';
eventually { numbers('stream') } 10, 'and reaches the stream';
eventually { seen('strange', 'close') } 20, 'a page without an address is kept out';
is [ seen('strange', 'close') ]->[0]{code}, 1006, 'in the handshake';
is scalar(seen('strange', 'open')), 0, 'it was never in';

ok $t->master('realtime')->stop('TERM', 20), 'the server goes away';
my $db = $t->db;
$db->begin_work;
$db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
$db->do(q{SELECT realtime_publish(?, '{"n": 2}')}, undef, $channel);
$db->commit;
$t->start_realtime;
eventually { numbers('socket') == 2 } 40, 'the client is back';
is_deeply [ numbers('socket') ], [ 1, 2 ], 'and missed nothing';
ok [ seen('socket', 'subscribed') ]->[-1]{recovered}, 'as it was told';
is scalar(seen('socket', 'missed')), 0, 'so it need not read its state anew';
is_deeply [ seen('page', 'error') ], [], 'no error on the page';
close $in;
