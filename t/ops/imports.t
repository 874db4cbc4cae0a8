# An import whose workers are killed at random: each row is there once, none is missing, and the report has each that was refused.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Time::HiRes 'sleep';

my $t     = Api->start(main => 1, slow => 1, WORKER_LEASE_S => 2);
my $db    = $t->db;
my $w     = workspace($t, ann => 'owner');
my $ann   = $w->{ann};
my $base  = '/api/v1/recordsets/import';
my ($ROWS, $KILLS) = (12_000, 5);
$t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);

my $text = "N,Note\n" . join '', map { $_ % 1000 ? "$_,\"note $_,\nof two lines\"\n" : "none,$_\n" } 1 .. $ROWS;
my $file = $ann->request(POST => "$base/upload", type => 'multipart/form-data; boundary=xx', raw => "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n.csv\"\r\nContent-Type: text/csv\r\n\r\n$text\r\n--xx--\r\n");
status_is $file, 200;
my $made = $ann->post($base, { file_uri => $file->json('/file_uri'), name => 'N', schema => { fields => [ { key => 'n', type => 'number' }, { key => 'note', type => 'text' } ] }, field_mappings => { N => 'n', Note => 'note' } });
status_is $made, 200;
my $done = sub { $db->selectrow_array('SELECT processed_rows FROM record_runs WHERE id = ?', undef, $made->json('/job_id')) };
my $state = sub { $db->selectrow_array('SELECT status FROM record_runs WHERE id = ?', undef, $made->json('/job_id')) };

srand 20_261_130;
my $stopped = 0;
for my $n (1 .. $KILLS) {
    my $worker = $t->start_worker(name => "worker$n", children => 1);
    my $before = $done->();
    eventually { $done->() > $before || $state->() eq 'completed' } 60, 'it goes on';
    sleep rand 0.2;
    last if $state->() eq 'completed';
    my @children = $t->children("worker$n");
    kill 'KILL', $worker->pid;
    $worker->wait_for(10);
    delete $t->{pool}{"worker$n"};
    $stopped++;
}
cmp_ok $stopped, '>', 1, "it was stopped $stopped times";
$t->start_worker(name => 'last', children => 1);
eventually { $state->() eq 'completed' } 120, 'and ends';
my $bad = int $ROWS / 1000;
is_deeply $db->selectrow_arrayref('SELECT total_rows, processed_rows, success_count, error_count FROM record_runs WHERE id = ?', undef, $made->json('/job_id')), [ $ROWS, $ROWS, $ROWS - $bad, $bad ];
my $set = $made->json('/recordset_id');
is_deeply $db->selectrow_arrayref(q{SELECT count(*), count(DISTINCT field_values ->> 'n') FROM records WHERE recordset_id = ?}, undef, $set), [ $ROWS - $bad, $ROWS - $bad ], 'each row once';
is $ann->get("/api/v1/recordsets/$set")->json('/record_count'), $ROWS - $bad, 'and counted';
my $report = $t->nobody->get($ann->get("$base/jobs/@{[ $made->json('/job_id') ]}")->json('/report_download_url') =~ s{\Ahttps://[^/]+}{}r)->body;
my @told = $report =~ /^(\d+),n,none,/mg;
is_deeply \@told, [ map { $_ * 1000 + 1 } 1 .. $bad ], 'the report has each row that was refused, once';
cmp_ok $db->selectrow_array(q{SELECT attempts FROM jobs WHERE kind = 'record.import'}), '>', 1, 'by more than one attempt';
