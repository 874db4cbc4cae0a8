# How a workspace is, and what brings its data to this version: who may ask, what runs once, and what the members are told.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Ashlar::Ws;
use Cpanel::JSON::XS ();
use Time::HiRes 'time';

my $t    = Api->start(main => 3, realtime => 1);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer', gone => 'member');
my $x    = workspace($t, eve => 'owner');
my $base = '/api/v1/workspace-health';
$db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('gone'));

sub run ($id) { return $db->selectrow_hashref('SELECT status, progress, current_step, error_message, job_id FROM workspace_runs WHERE id = ?', undef, $id) }
sub version ($of, $version) {
    $db->do('INSERT INTO workspace_versions (tenant_id, organization_id, version) VALUES (?, ?, ?) ON CONFLICT (tenant_id, organization_id) DO UPDATE SET version = excluded.version', undef, $w->{ann}->tenant_id, $of->id, $version);
    return;
}
my %well = (workspace_id => $w->id, brand => false, migration_required => false, personal_onboarding_complete => false, company_onboarding_complete => false, current_version => '1', target_version => '1',
    active_job_id => undef);
sub health_is ($who, $status, $want, $name) {
    my $res = $who->get($base);
    status_is $res, $status, $name;
    my $got = $res->json;
    like delete $got->{checked_at}, qr/\A20.*\d{6}Z\z/;
    is_deeply $got, { %well, %$want }, $name;
    return;
}

sub follow ($who, $id, $query = '', %header) {
    return Ashlar::Ws->open($t, "$base/migrations/$id/stream$query", Upgrade => undef, Connection => 'close', Accept => 'text/event-stream',
        ($query =~ /token=/ ? () : (Authorization => 'Bearer ' . $who->token)), 'X-Workspace-Id' => $w->id, %header);
}

# All events until the stream ends.
sub events ($s, $seconds = 60) {
    my $until = time + $seconds;
    while (time < $until) { last if !$s->_read(1) && $s->{is_over} }
    ok $s->{is_over}, 'the stream ends by itself';
    unlike $s->{in}, qr/^event:/m, 'its messages have no name';
    return map { Cpanel::JSON::XS->new->utf8->decode($_) } $s->{in} =~ /^data: (.*)$/mg;
}

subtest 'who asks' => sub {
    for my $ask ([ GET => $base ], [ POST => "$base/migrate" ]) {
        error_is $t->nobody->request(@$ask), 401, 'AUTHENTICATION_ERROR';
        error_is $x->{eve}->with(headers => { 'X-Workspace-Id' => $w->id })->request(@$ask), 403, 'AUTHORIZATION_ERROR';
        error_is $w->{gone}->request(@$ask), 403, 'AUTHORIZATION_ERROR', name => 'who is not active';
    }
};

subtest 'how it is' => sub {
    health_is($_, 200, {}, 'up to date') for $w->{ann}, $w->{vera};
    $db->do('UPDATE member_profiles SET onboarding_completed = true WHERE member_id = ?', undef, $w->member_id('bob'));
    health_is($w->{bob}, 200, { personal_onboarding_complete => true }, 'the caller\'s own');
    health_is($w->{ann}, 200, {}, 'and no other\'s');
    $db->do(q{UPDATE organizations SET settings = '{"onboarding_completed": true}' WHERE id = ?}, undef, $w->id);
    health_is($w->{ann}, 200, { company_onboarding_complete => true }, 'the workspace\'s');
    $db->do(q{UPDATE organizations SET settings = '{"onboarding_completed": "yes"}' WHERE id = ?}, undef, $w->id);
    health_is($w->{ann}, 200, {}, 'a setting of another kind is none');
};

subtest 'with nothing to do it is completed at once' => sub {
    my $res = $w->{vera}->post("$base/migrate");
    status_is $res, 200;
    my $id = $res->json('/job_id');
    json_is $res, '', { job_id => $id, status => 'QUEUED', stream_url => "$base/migrations/$id/stream" }, 'for any member';
    is_deeply run($id), { status => 'COMPLETED', progress => 100, current_step => 'Up to date', error_message => undef, job_id => undef };
    health_is($w->{ann}, 200, {}, 'nothing runs');
    isnt $w->{vera}->post("$base/migrate")->json('/job_id'), $id, 'and again';
    my ($event, @more) = events(follow($w->{ann}, $id));
    is_deeply [ map { $event->{$_} } qw(job_id status progress current_step error_message) ], [ $id, 'COMPLETED', 100, 'Up to date', undef ], 'who comes late is told how it ended';
    is @more, 0, '  and no more';
    like $event->{timestamp}, qr/\A20.*Z\z/;
    is_deeply [ map { $_->{status} } events(follow($w->{ann}, $id, '?token=' . $w->{ann}->token)) ], ['COMPLETED'], 'by a token in the query';
    is follow($w->{ann}, $_)->status, 404, "$_: none" for '01936b1c-2f5e-7a10-8c3d-000000000000', 'x';
    is follow($x->{eve}, $id, '', 'X-Workspace-Id' => $x->id)->status, 404, 'another workspace\'s';
    is follow($x->{eve}, $id)->status, 403, 'in another workspace';
    is follow($w->{ann}, $id, '', Authorization => undef)->status, 401;
};

subtest 'what is behind is 503, and one run at a time brings it on' => sub {
    version($w, 0);
    $db->do('UPDATE organizations SET member_count = 40 WHERE id = ?', undef, $w->id);
    health_is($w->{ann}, 503, { migration_required => true, current_version => '0' }, 'the same body');
    health_is($x->{eve}, 200, { workspace_id => $x->id }, 'of another workspace nothing');
    my $res = $w->{bob}->post("$base/migrate");
    status_is $res, 200;
    my $id = $res->json('/job_id');
    health_is($w->{ann}, 503, { migration_required => true, current_version => '0', active_job_id => $id }, 'which one runs');
    my $again = $w->{ann}->post("$base/migrate");
    error_is $again, 409, 'CONFLICT', message => qr/already running/;
    is_deeply [ @{ $again->json('/error/details') }{qw(job_id stream_url)} ], [ $id, "$base/migrations/$id/stream" ], 'details say which';
    is run($id)->{status}, 'QUEUED';
    my $s = follow($w->{vera}, $id);
    is $s->status, 200;
    is $s->header('Content-Type'), 'text/event-stream';
    $t->start_worker(children => 1);
    my @told = events($s);
    is_deeply [ map { "$_->{status} $_->{progress} $_->{current_step}" } @told ], [ 'QUEUED 0 Waiting for a worker', 'RUNNING 0 Counting members', 'COMPLETED 100 Up to date' ], 'any member follows it';
    eventually { run($id)->{status} eq 'COMPLETED' } 60, 'it is done';
    is_deeply [ @{ run($id) }{qw(progress current_step error_message)} ], [ 100, 'Up to date', undef ];
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $w->id), 3, 'what the step is for';
    health_is($w->{ann}, 200, {}, 'and all is well');
    $t->{pool}{worker}->stop('TERM', 15);
};

subtest 'of two at once one begins' => sub {
    version($w, 0);
    my @row = map { $t->{cluster}->connect($t->{database}, 'ashlar_api') } 1, 2;
    my $begin = sub ($c) {
        $c->do('BEGIN');
        $c->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.organization_id', ?, true)}, undef, $w->{ann}->tenant_id, $w->id);
    };
    $begin->($_) for @row;
    my ($first) = $row[0]->selectrow_array('SELECT run FROM workspace_run_start()');
    $row[1]->do(q{SET LOCAL lock_timeout = '200ms'});
    ok !eval { $row[1]->selectrow_array('SELECT run FROM workspace_run_start()') }, 'the second waits';
    $row[1]->do('ROLLBACK');
    $row[0]->do('COMMIT');
    $begin->($row[1]);
    is_deeply [ $row[1]->selectrow_array('SELECT run, is_new FROM workspace_run_start()') ], [ $first, 0 ], 'and is told of the first one';
    $row[1]->do('ROLLBACK');
    $_->disconnect for @row;

    # One whose job has died stops nobody.
    $db->do(q{UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = (SELECT job_id FROM workspace_runs WHERE id = ?)}, undef, $first);
    health_is($w->{ann}, 503, { migration_required => true, current_version => '0' }, 'it does not run');
    my $next = $w->{ann}->post("$base/migrate");
    status_is $next, 200;
    is_deeply [ @{ run($first) }{qw(status error_message)} ], [ 'FAILED', 'interrupted' ];
    $db->do(q{UPDATE jobs SET max_attempts = 1 WHERE id = (SELECT job_id FROM workspace_runs WHERE id = ?)}, undef, $next->json('/job_id'));
    my $was = $db->selectrow_array(q{SELECT pg_get_functiondef('workspace_step_members(uuid)'::regprocedure)});
    $db->do(q{CREATE OR REPLACE FUNCTION workspace_step_members(organization uuid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$});
    $t->expect_log(qr/workspace\.migrate|broken/);
    $t->start_worker(children => 1);
    my @told = events(follow($w->{bob}, $next->json('/job_id')));
    is_deeply [ @{ $told[-1] }{qw(status error_message)} ], [ 'FAILED', 'the step "Counting members" failed: start it again' ], 'a step that cannot be done ends it';
    is run($next->json('/job_id'))->{error_message}, 'the step "Counting members" failed: start it again';
    health_is($w->{ann}, 503, { migration_required => true, current_version => '0' }, 'the version stays');
    $db->do($was);
    my $last = $w->{ann}->post("$base/migrate")->json('/job_id');
    eventually { run($last)->{status} eq 'COMPLETED' } 60, 'started again it is done';
    health_is($w->{ann}, 200, {}, 'and all is well');
};
