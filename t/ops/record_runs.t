# What goes through many records, its workers killed at random: an import that changes records, its undo, the filling of slots, a conversion and its undo, and the
# removal of all.  Nothing is lost, nothing is done twice, and sync-counts finds nothing.  In a short form; make check-chaos (CHAOS=long) does it with more.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Time::HiRes 'sleep';

my $long = ($ENV{CHAOS} // '') eq 'long';
my ($ROWS, $KILLS) = $long ? (60_000, 12) : (4000, 2);

my $t    = Api->start(main => 1, slow => 1, WORKER_LEASE_S => 2);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner');
my $ann  = $w->{ann};
my $base = '/api/v1/recordsets/import';
$t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);
srand 20_261_130;

# Workers that die, each when something has been done, until it is over.  $step says how far it is, $is_over that it is.
my $workers = 0;
sub killed ($what, $step, $is_over) {
    my $stopped = 0;
    for (1 .. $KILLS) {
        my $name   = 'worker' . ++$workers;
        my $worker = $t->start_worker(name => $name, children => 1);
        my $before = $step->();
        eventually { $step->() ne $before || $is_over->() } 300, "$what goes on";
        sleep rand 0.1;
        my $was_over = $is_over->();
        kill 'KILL', $worker->pid;
        $worker->wait_for(10);
        delete $t->{pool}{$name};
        last if $was_over;
        $stopped++;
    }
    my $last = 'worker' . ++$workers;
    $t->start_worker(name => $last, children => 1);
    eventually { $is_over->() } $long ? 900 : 300, "$what ends, stopped $stopped times";
    $t->{pool}{$last}->stop('TERM', 30);
    delete $t->{pool}{$last};
    return;
}
sub run_is ($id, $what) {
    killed $what, sub { $db->selectrow_array('SELECT processed_rows FROM record_runs WHERE id = ?', undef, $id) }, sub { $db->selectrow_array(q{SELECT status NOT IN ('queued', 'running') FROM record_runs WHERE id = ?}, undef, $id) };
    is $db->selectrow_array('SELECT status FROM record_runs WHERE id = ?', undef, $id), 'completed', "$what is completed";
    return $ann->get("$base/jobs/$id")->json;
}
my $set = $ann->post('/api/v1/recordsets', { name => 'N', schema => { fields => [ { key => 'nr', type => 'text', unique => true }, { key => 'n', type => 'text' }, { key => 'note', type => 'long_text' } ] } })->json('/id');
# What there is: how many, by all that can go wrong with one.
sub facts () {
    return $db->selectrow_array(q{SELECT concat_ws(' ', count(*), count(DISTINCT field_values ->> 'nr'), count(*) FILTER (WHERE jsonb_typeof(field_values -> 'n') = 'number'), sum((field_values ->> 'n')::bigint))
        FROM records WHERE recordset_id = ? AND deleted_at IS NULL}, undef, $set);
}
sub counted ($name) {
    is $ann->post('/api/v1/crud/recordsets/sync-counts')->json('/updated_count'), 0, "$name: sync-counts finds nothing";
    is $db->selectrow_array('SELECT count(*) FROM record_keys k JOIN recordsets s USING (content_id) WHERE s.id = ?', undef, $set), $db->selectrow_array('SELECT count(*) FROM records WHERE recordset_id = ? AND deleted_at IS NULL', undef, $set), '  each record has its key';
}
sub start ($text, %with) {
    my $file = $ann->request(POST => "$base/upload", type => 'multipart/form-data; boundary=xx', raw => "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n.csv\"\r\nContent-Type: text/csv\r\n\r\n$text\r\n--xx--\r\n");
    my $res  = $ann->post("$base/recordsets/$set", { file_uri => $file->json('/file_uri'), field_mappings => { Nr => 'nr', N => 'n' }, mode => 'upsert', match_field => 'nr', %with });
    status_is $res, 200;
    return $res->json('/job_id');
}
my $half = $ROWS / 2;
my $sum  = sub ($from, $to) { ($from + $to) * ($to - $from + 1) / 2 };

my $first = start("Nr,N\n" . join '', map { "k$_,$_\n" } 1 .. $half);
run_is($first, 'an import');
is facts(), join(' ', $half, $half, 0, $sum->(1, $half)), 'each row once';

# Half of them change by it, and as many come.
my $job = run_is(start("Nr,N\n" . join '', map { "k$_," . 2 * $_ . "\n" } 1 .. $ROWS), 'an import that changes records');
is_deeply [ @{ $job->{validation_summary} }{qw(created_rows updated_rows unchanged_rows invalid_rows)} ], [ $half, $half, 0, 0 ];
is facts(), join(' ', $ROWS, $ROWS, 0, 2 * $sum->(1, $ROWS));
is $db->selectrow_array('SELECT max(version) FROM records WHERE recordset_id = ?', undef, $set), 2, 'each is changed once';
counted('an import');

# A slot for a field more.
status_is $ann->post("/api/v1/recordsets/$set/views", { name => 'By note', config => { sort_by => 'note' } }), 201;
killed 'a filling', sub { $db->selectrow_array(q{SELECT coalesce(sum(n_tup_upd), 0) FROM pg_stat_xact_user_tables WHERE relname = 'records'}) . $db->selectrow_array(q{SELECT state || attempts FROM jobs WHERE kind = 'records.fill' ORDER BY id DESC LIMIT 1}) },
    sub { $db->selectrow_array('SELECT slots = slots_filled FROM recordsets WHERE id = ?', undef, $set) };
is $db->selectrow_array(q{SELECT count(*) FROM records r JOIN recordsets s ON s.id = r.recordset_id CROSS JOIN LATERAL record_slotted(r.title, r.field_values, s.slots) z
    WHERE r.recordset_id = ? AND (z.folded, z.t06, z.t07, z.t08, z.t09) IS DISTINCT FROM (r.folded, r.t06, r.t07, r.t08, r.t09)}, undef, $set), 0, 'all slots are as they are to be';

my $converted = $ann->post("/api/v1/recordsets/$set/fields/n/convert", { type => 'number' });
status_is $converted, 200;
$converted = $converted->json('/job_id');
run_is($converted, 'a conversion');
is facts(), join(' ', $ROWS, $ROWS, $ROWS, 2 * $sum->(1, $ROWS)), 'each value is converted';
run_is($ann->post("$base/jobs/$converted/undo")->json('/job_id'), 'the undo of a conversion');
is facts(), join(' ', $ROWS, $ROWS, 0, 2 * $sum->(1, $ROWS)), 'and as it was';

my $undo = run_is($ann->post("$base/jobs/$job->{job_id}/undo")->json('/job_id'), 'the undo of an import');
is_deeply [ @{ $undo->{validation_summary} }{qw(deleted_records restored_records invalid_rows)} ], [ $half, $half, 0 ];
is facts(), join(' ', $half, $half, 0, $sum->(1, $half)), 'what was before';
is $db->selectrow_array('SELECT max(version) FROM records WHERE recordset_id = ? AND deleted_at IS NULL', undef, $set), 3, 'each is restored once';
is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.import_undone'}), 1, 'one activity';
counted('an undo');

status_is $ann->post('/api/v1/records/bulk-delete', { recordset_id => $set, all => true }), 200;
my $rest = sub { $db->selectrow_array('SELECT count(*) FROM records') };
killed 'a removal', $rest, sub { !$rest->() };
is $db->selectrow_array(q{SELECT concat_ws(' ', (SELECT count(*) FROM record_versions), (SELECT count(*) FROM record_keys), (SELECT sum(count) FROM recordset_counts))}), '0 0 0', 'nothing is left of them';
counted('a removal');
