# The worker's part of what is over: its jobs run, with the settings.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;
use Time::HiRes 'sleep';

my $t   = Api->start(worker => 1, TRACES_FREE_DAYS => 8, TRACES_PRO_DAYS => 9);
my $ann = $t->user('ann');
my $db  = $t->db;
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $db;
my $project = Ashlar::Spans::project($db, $t->organization($ann));
my $DAY = 86400;

# Run a job, and how it ended.
sub job ($kind, $payload = '{}') {
    my ($id) = $db->selectrow_array('SELECT job_add(?, ?, ?::jsonb)', undef, 'ashlar', $kind, $payload);
    my $state;
    eventually { ($state) = $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id); $state =~ /completed|failed/ } 60, "$kind has run";
    return $state;
}
sub left () { return scalar $db->selectrow_array('SELECT string_agg(span_id::text, \' \' ORDER BY span_id) FROM spans WHERE project_id = ?', undef, $project) }

is_deeply $db->selectcol_arrayref(q{SELECT kind FROM job_schedules WHERE kind LIKE 'traces.%'}), ['traces.expire'], 'one is on schedule';

# $EPOCH is ten days ago.
Ashlar::Spans::ingest($in, $project, map { { trace => $_, span => $_, at => $_ * $DAY + 1 } } 0 .. 4, 10);
is left(), '0 1 2 3 4 10';
is job('traces.expire'), 'completed';
is left(), '2 3 4 10', 'days behind the free plan\'s eight are gone';
is $db->selectrow_array('SELECT count(*) FROM traces WHERE project_id = ?', undef, $project), 4, 'and their traces';
is $db->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relname = 'spans_free_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')}), 1, 'tomorrow\'s is there';

is job('traces.forget', qq({"project_id": "$project"})), 'completed', 'of a project that is not deleted';
is left(), '2 3 4 10', 'nothing is forgotten';
$db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $project);
is job('traces.forget', qq({"project_id": "$project"})), 'completed';
is left(), undef, 'of one that is, everything';
