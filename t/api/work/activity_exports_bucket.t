# Exports of activity whose files are in a bucket: how one gets there, and what becomes of it where that does not work.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Bucket;
use Ashlar::Workspace;
use Digest::SHA 'sha256_hex';

my $bucket = Ashlar::Bucket->start;
my $t      = Api->start(main => 3, worker => 1, $bucket->settings);
my $db     = $t->db;
my $w      = workspace($t, ann => 'owner');
my $base   = '/api/v1/activity/export';
$t->keep_secret($bucket->secret);

$db->begin_work;
$db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
$db->do(q{SELECT activity_put(?, 'goal.created', 'none', NULL, NULL, 'x', repeat('w' || n, 100)) FROM generate_series(1, 3000) n}, undef, $w->id);
$db->commit;

sub job ($id) { return $w->{ann}->get("$base/jobs/$id")->json }
sub path ($url) { return $url =~ s{\Ahttps?://[^/]+}{}r }
sub ended ($id) { my $job; eventually { $job = job($id); $job->{status} =~ /completed|failed/ } 60, 'it ends'; return $job }

subtest 'it is sent there, and its link is the bucket\'s' => sub {
    my $job = ended($w->{ann}->post($base, { format => 'csv' })->json('/job_id'));
    is $job->{storage}, 'object_store';
    my ($object, $sha256) = $db->selectrow_array(q{SELECT o.id, encode(o.sha256, 'hex') FROM activity_exports e JOIN stored_objects o ON o.id = e.object_id WHERE e.id = ?}, undef, $job->{job_id});
    is_deeply [ $bucket->keys ], ["objects/$object"], 'under its id';
    my $content = $bucket->content("objects/$object");
    is length $content, $job->{file_size};
    is sha256_hex($content), $sha256;
    my $res = $w->{ann}->get("$base/jobs/$job->{job_id}/download");
    status_is $res, 302;
    like $res->header('Location'), qr/\A\Q@{[ $bucket->origin ]}\E/;
    my $got = $bucket->client->get(path($res->header('Location')));
    is $got->body, $content;
    like $got->header('Content-Disposition'), qr/\Aattachment; filename="\Q$job->{file_name}\E"/;
    is $bucket->client->get(path($w->{ann}->get("$base/jobs/$job->{job_id}/download-url")->json('/download_url')))->body, $content;
};

subtest 'where the bucket fails it is tried again' => sub {
    $t->expect_log(qr/bucket files-of-ashlar: |activity\.export|circuit breaker/);
    $bucket->fails(status => 500, method => 'PUT');
    my $id = $w->{ann}->post($base, { format => 'json' })->json('/job_id');
    my $state = sub { scalar $db->selectrow_array('SELECT j.state FROM jobs j JOIN activity_exports e ON e.job_id = j.id WHERE e.id = ?', undef, $id) };
    eventually { $state->() eq 'scheduled' } 60, 'it waits for another try';
    is job($id)->{status}, 'running';
    $bucket->fails;
    $db->do('UPDATE jobs SET run_at = now() WHERE id = (SELECT job_id FROM activity_exports WHERE id = ?)', undef, $id);
    is ended($id)->{status}, 'completed', 'and then it is there';

    # Of what is not tried again, its starter is told.
    $bucket->fails(status => 500, method => 'PUT');
    $id = $w->{ann}->post($base, { format => 'json' })->json('/job_id');
    eventually { $state->() eq 'scheduled' } 60, 'once more';
    $db->do('UPDATE jobs SET max_attempts = attempts + 1, run_at = now() WHERE id = (SELECT job_id FROM activity_exports WHERE id = ?)', undef, $id);
    my $job = ended($id);
    is_deeply [ @$job{qw(status error_message output_data file_size)} ], [ 'failed', 'it could not be made: start it again', undef, undef ], 'without a word of what is behind';
    $bucket->fails;
};
