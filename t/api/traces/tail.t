# Who watches a project is told of its traces as they come in, and nobody else.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;
use Ashlar::Ws;

my $t   = Ashlar::Spans::start(realtime => 1);
my $ann = $t->user('ann');
my $bob = $t->user('bob');
my $eve = $t->user('eve', tenant => 'other');
my $org = $t->organization($ann);
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;
my $project = Ashlar::Spans::project($t->db, $org);
my $channel = "trace_project:$project";

sub connected ($user) {
    my $s = Ashlar::Ws->open($t, '/api/v1/app/ws?token=' . $user->token);
    is $s->next->{type}, 'connected', 'greeted';
    return $s;
}

for my $who ($bob, $eve) {
    my $s = connected($who);
    $s->say({ type => 'subscribe', channel => $channel });
    is $s->next->{type}, 'error', 'who does not read its traces does not listen';
}
my $s = connected($ann);
$s->say({ type => 'subscribe', channel => $channel });
is $s->next->{type}, 'subscribed', 'a member does';
$s->say({ type => 'message', channel => $channel, data => { x => 1 } });
is $s->next->{type}, 'error', 'and tells nothing';

Ashlar::Spans::ingest($in, $project, { trace => 1, span => 1, at => 1, name => 'tide', status => 1 }, { trace => 1, span => 2, parent => 1, at => 3, status => 2 });
my $told = $s->next;
is_deeply $told->{data}{data} // $told->{data}, { project_id => $project, trace_count => 1, traces => [ { trace_id => Ashlar::Spans::trace_id(1) =~ tr/-//dr, root_span_name => 'tide', span_count => 2, status => 'ERROR', duration => 2_000_000_000 } ] }, 'of what has come'
    or diag explain $told;

# A moment later, of many: twenty.  At once again: nothing.
$t->db->do(q{UPDATE realtime_messages SET created_at = created_at - interval '1 second'});
Ashlar::Spans::ingest($in, $project, map { { trace => 100 + $_, span => 1, at => $_ } } 1 .. 30);
$told = $s->next;
my $data = $told->{data}{data} // $told->{data};
is scalar @{ $data->{traces} }, 20, 'of twenty at most';
is $data->{trace_count}, 30, 'and how many it was';
my $before = $t->db->selectrow_array('SELECT count(*) FROM realtime_messages WHERE channel = ?', undef, $channel);
$in->begin_work;
Ashlar::Spans::ingest($in, $project, { trace => 500 + $_, span => 1 }) for 1 .. 40;
$in->commit;
my $after = $t->db->selectrow_array('SELECT count(*) FROM realtime_messages WHERE channel = ?', undef, $channel);
my $took  = $t->db->selectrow_array('SELECT ceil(10 * extract(epoch FROM clock_timestamp() - min(created_at))) FROM realtime_messages WHERE channel = ? AND id > (SELECT min(id) FROM realtime_messages WHERE channel = ?)', undef, $channel, $channel);
cmp_ok $after - $before, '<=', $took + 1, 'ten times a second at most';
