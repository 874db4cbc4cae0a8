use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';
use POSIX ();

# Tasks: the queue for workers outside.
my $t      = Api->start(main => 8);
my $db     = $t->db;
my $base   = '/api/task-queue';
my $ed     = $t->user('ed', role => 'editor');
my $viewer = $t->user('viewer', role => 'viewer');
my $user   = $t->user('user');
my $boss   = $t->user('boss', role => 'admin');
my $key    = $t->key;
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $NUMBER = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $theirs->tenant_id);
my $NO_ID  = '01a1fe78-e337-7502-947f-4a3262f06209';

sub submit (%task) { return $ed->post("$base/submit", { task_type => 'x', %task })->json('/data/id') }

sub claim ($queue, %with) { return $ed->post("$base/claim", { worker_id => 'w', queue_name => $queue, %with })->json('/data') }

# The row behind a task, and a change of it.
sub row ($id) { return $db->selectrow_hashref('SELECT * FROM jobs WHERE id = ?', undef, $id) }
sub set ($id, $what) { return $db->do("UPDATE jobs SET $what WHERE id = ?", undef, $id) }

# Do the same in so many processes at once; what each of them printed, a line each.
sub at_once ($n, $code) {
    pipe my $out, my $in or die "pipe: $!\n";
    my @pids;
    for my $i (1 .. $n) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $text = eval { join '', map { "$_\n" } $code->($i, $t->http) } // "died: $@\n";
            syswrite $in, $text;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in or die "close: $!\n";
    my @lines = <$out>;
    waitpid $_, 0 for @pids;
    chomp @lines;
    return @lines;
}

subtest 'who may' => sub {
    error_is $t->post("$base/submit", { task_type => 'x' }), 401, 'AUTHENTICATION_ERROR', name => 'nobody';
    my $id = submit();
    for my $who ([ 'a member' => $user ], [ 'a viewer' => $viewer ]) {
        error_is $who->[1]->post("$base/submit", { task_type => 'x' }), 403, 'AUTHORIZATION_ERROR', name => "$who->[0] does not submit";
        error_is $who->[1]->post("$base/claim",  { worker_id => 'w' }), 403, 'AUTHORIZATION_ERROR', name => '  nor claim';
    }
    status_is $viewer->get("$base/$id"), 200, 'but a viewer looks';
    error_is $user->get("$base/$id"), 403, 'AUTHORIZATION_ERROR', name => 'and a member does not';
    status_is $t->client(key => $key)->post("$base/submit", { task_type => 'x', queue_name => 'k' }), 201, 'a secret key is enough';
    status_is $t->client(token => $key)->post("$base/submit", { task_type => 'x', queue_name => 'k' }), 201, '  as the bearer too';
    error_is $t->client(token => $t->key(type => 'public'))->post("$base/submit", { task_type => 'x' }), 401, 'AUTHENTICATION_ERROR', name => 'a public one is not';
    is claim('default')->{id}, $id, 'tidy';
};

subtest 'what is malformed is 400' => sub {
    error_is $ed->post("$base/submit", undef, raw => '{'), 400, 'VALIDATION_ERROR', name => 'JSON';
    error_is $ed->post("$base/submit", undef, raw => '[]'), 400, 'VALIDATION_ERROR', name => 'no object';
    error_is $ed->post("$base/submit", {}), 400, 'VALIDATION_ERROR', field => 'task_type', task_type => qr/required/, name => 'details map the field to the reason';
    for my $name ('a b', 'a/b', "\x{e9}", 'a:b', 'schedules') {
        error_is $ed->post("$base/submit", { task_type => 'x', queue_name => $name }), 400, 'VALIDATION_ERROR', field => 'queue_name', name => "a queue called $name";
    }
    status_is $ed->post("$base/submit", { task_type => 'x', queue_name => 'A-z_0.9' }), 201, 'a queue called A-z_0.9';
    error_is $ed->post("$base/submit", { task_type => 'x', payload => { x => 'y' x (2 << 20) } }, fresh => 1), 413, 'PAYLOAD_TOO_LARGE', name => 'more than 2 MiB';
    status_is $ed->post("$base/submit", { task_type => 'x', queue_name => 'large', payload => { x => 'y' x (1_900_000) } }), 201, 'less is fine';
    $t->expect_log(qr/client intended to send too large body/);
};

subtest 'the server\'s own queues are out of reach' => sub {
    for my $queue ('ashlar', 'ashlar.mail', 'ashlar.x') {
        error_is $ed->post("$base/submit", { task_type => 'mail', queue_name => $queue }), 403, 'AUTHORIZATION_ERROR', field => 'queue_name', name => "no task for $queue";
        error_is $ed->post("$base/claim", { worker_id => 'w', queue_name => $queue }), 403, 'AUTHORIZATION_ERROR', field => 'queue_name', name => '  and none from it';
    }
    my ($id) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, kind, payload) VALUES (?, 'mail', '{"token":"secret"}') RETURNING id}, undef, $ed->tenant_id);
    error_is $ed->get("$base/$id"), 404, 'NOT_FOUND', name => 'a job of ours is no task';
    error_is $boss->post("$base/$id/cancel"), 404, 'NOT_FOUND', name => '  which nobody cancels';
    status_is $ed->post("$base/submit", { task_type => 'x', queue_name => 'ashlars' }), 201, 'a queue that is only called so is not ours';
};

subtest 'another tenant' => sub {
    my $id = submit(queue_name => 'tenants');
    for my $what (qw(complete fail heartbeat)) {
        error_is $theirs->post("$base/$id/$what", { worker_id => 'w', error => 'x' }), 404, 'NOT_FOUND', name => "$what of its task";
    }
    error_is $theirs->get("$base/$id"), 404, 'NOT_FOUND', name => 'reading it';
    error_is $theirs->post("$base/$id/$_"), 404, 'NOT_FOUND', name => $_ for qw(cancel retry);
    json_is $theirs->post("$base/claim", { worker_id => 'w', queue_name => 'tenants' }), '/data', undef, 'a claim takes nothing of it';

    for my $case ([ 'an editor of tenant 1' => $ed, $NUMBER ], [ 'an administrator of another' => $theirs, 1 ], [ 'an unknown one' => $ed, 999_999 ], [ '  for them too' => $theirs, 999_999 ],
        [ 'a key of tenant 1' => $t->client(key => $key), $NUMBER ]) {
        my ($name, $who, $number) = @$case;
        error_is $who->post("$base/submit", { task_type => 'x', tenant_id => $number }), 403, 'AUTHORIZATION_ERROR', field => 'tenant_id', name => "$name: submit";
        error_is $who->post("$base/claim", { worker_id => 'w', tenant_id => $number }), 403, 'AUTHORIZATION_ERROR', field => 'tenant_id', name => '  and claim';
    }
    json_is $theirs->post("$base/submit", { task_type => 'x', tenant_id => $NUMBER, queue_name => 'own' }), '/data/tenant_id', $NUMBER, 'their own number is theirs to say';
    json_is $ed->post("$base/submit", { task_type => 'x', queue_name => 'own' }), '/data/tenant_id', 1, 'it is the caller\'s when left out';

    my $res = $boss->post("$base/submit", { task_type => 'theirs', tenant_id => $NUMBER, queue_name => 'operator', idempotency_key => 'o' }, headers => { 'Idempotency-Key' => 'k-1' });
    status_is $res, 201, 'an administrator of tenant 1 submits for anybody';
    json_is $res, '/data/tenant_id', $NUMBER;
    is row($res->json('/data/id'))->{tenant_id}, $theirs->tenant_id, '  there';
    my $again = $boss->post("$base/submit", { task_type => 'theirs', tenant_id => $NUMBER, queue_name => 'operator', idempotency_key => 'o' }, headers => { 'Idempotency-Key' => 'k-1' });
    header_is $again, 'Idempotent-Replayed', 'true', '  and the same request is answered the same';
    json_is $boss->post("$base/claim", { worker_id => 'w', queue_name => 'operator' }), '/data', undef, 'tenant 1 has none of it';
    json_is $boss->post("$base/claim", { worker_id => 'w', queue_name => 'operator', tenant_id => $NUMBER }), '/data/task_type', 'theirs', 'the operator takes it';
    error_is $boss->post("$base/submit", { task_type => 'x', tenant_id => 999_999 }), 404, 'NOT_FOUND', field => 'tenant_id', name => 'but not of a tenant that is not there';
    is_deeply $db->selectcol_arrayref(q{SELECT actor_id FROM audit_events WHERE action = 'tenant.act' AND tenant_id = ?}, undef, $boss->tenant_id),
        [ 'user_boss', 'user_boss' ], 'both are put down';
};

subtest 'a task that is submitted' => sub {
    my $res = $ed->post("$base/submit", { task_type => 'thumbnail', payload => { image => 7, deep => [ 1, { a => undef } ] }, queue_name => 'new', priority => 5, max_attempts => 25,
        timeout_seconds => 86400, idempotency_key => 'k' x 200 });
    status_is $res, 201;
    json_is $res, '/data', {
        id => $UUID, queue_name => 'new', task_type => 'thumbnail', payload => { image => 7, deep => [ 1, { a => undef } ] }, status => 'prioritized', priority => 5, tenant_id => 1,
        attempts => 0, max_attempts => 25, timeout_seconds => 86400, idempotency_key => 'k' x 200, worker_id => undef, claimed_at => undef, lease_expires_at => undef,
        run_at => $TIME, created_at => $TIME, updated_at => $TIME, deduplicated => false,
    }, 'is all there';
    json_is $ed->post("$base/submit", { task_type => 'x' }), '/data', sub ($d) {
        return "@$d{qw(queue_name status priority max_attempts timeout_seconds)}" eq 'default waiting 0 3 300' && !%{ $d->{payload} } && !defined $d->{idempotency_key};
    }, 'what is left out';
    claim('default');
};

subtest 'an idempotency_key makes one task of a queue' => sub {
    my $first = submit(queue_name => 'once', idempotency_key => 'a', payload => { n => 1 });
    my $again = $ed->post("$base/submit", { task_type => 'y', queue_name => 'once', idempotency_key => 'a', payload => { n => 2 } });
    status_is $again, 201;
    json_is $again, '/data', sub ($d) { return $d->{id} eq $first && $d->{deduplicated} && $d->{task_type} eq 'x' && $d->{payload}{n} == 1 }, 'the one that was there is returned';
    isnt submit(queue_name => 'once', idempotency_key => 'b'), $first, 'another key is another task';
    isnt submit(queue_name => 'twice', idempotency_key => 'a'), $first, 'so is another queue';
    isnt $theirs->post("$base/submit", { task_type => 'x', queue_name => 'once', idempotency_key => 'a' })->json('/data/id'), $first, 'and another tenant';
    claim('once') for 1 .. 2;
    $ed->post("$base/$first/complete", { worker_id => 'w' });
    json_is $ed->post("$base/submit", { task_type => 'x', queue_name => 'once', idempotency_key => 'a' }), '/data/status', 'completed', 'a task that has ended is not done again';

    my @got = at_once 8, sub ($i, $http) {
        my $res = $ed->with(http => $http, api => undef)->post("$base/submit", { task_type => 'x', queue_name => 'race', idempotency_key => 'r' });
        return $res->json('/data/id') . ' ' . ($res->json('/data/deduplicated') ? 'again' : 'new');
    };
    my %id = map { (split)[0] => 1 } @got;
    is scalar(@got) . ' ' . scalar(keys %id), '8 1', 'eight at once get the same one';
    is scalar(grep { / new$/ } @got), 1, '  which one of them has made';
};

subtest 'claiming' => sub {
    json_is $ed->post("$base/claim", { worker_id => 'w', queue_name => 'nothing' }), '', { data => undef }, 'nothing to claim is null';
    json_is $ed->post("$base/claim", { worker_id => 'w', queue_name => 'nothing', batch_size => 5 }), '', { data => undef }, '  also for a batch';

    my %id = map { $_->[0] => submit(queue_name => 'order', priority => $_->[1], task_type => $_->[2]) } [ a => 7, 'x' ], [ b => 0, 'x' ], [ c => 7, 'y' ], [ d => 2, 'y' ], [ e => 0, 'x' ];
    my %name = reverse %id;
    set($id{e}, q{run_at = now() - interval '1 minute'});
    is $name{ claim('order', task_type => 'y')->{id} }, 'd', 'of one type';
    my $batch = claim('order', batch_size => 2);
    is ref $batch, 'ARRAY', 'a batch is an array';
    is join('', map { $name{ $_->{id} } } @$batch), 'eb', 'in the order of priority and run_at';
    is ref claim('order', batch_size => 1), 'HASH', 'a batch of one is an object';
    is $name{ claim('order', batch_size => 100)->[0]{id} }, 'c', 'and what is left';

    my $id  = submit(queue_name => 'lease', timeout_seconds => 77);
    my $got = $ed->post("$base/claim", { worker_id => 'worker-7', queue_name => 'lease' });
    status_is $got, 200;
    json_is $got, '/data', sub ($d) {
        return $d->{id} eq $id && $d->{status} eq 'active' && $d->{attempts} == 1 && $d->{worker_id} eq 'worker-7' && $d->{claimed_at} =~ $TIME && $d->{lease_expires_at} =~ $TIME
            && !exists $d->{deduplicated};
    }, 'it is the worker\'s';
    my ($lease) = $db->selectrow_array('SELECT extract(epoch FROM lease_until - started_at)::integer FROM jobs WHERE id = ?', undef, $id);
    is $lease, 77, 'for timeout_seconds';
    is claim('lease'), undef, 'and nobody else\'s';

    submit(queue_name => 'many', payload => { n => $_ }) for 1 .. 60;
    my @ids = at_once 16, sub ($i, $http) {
        my $who = $ed->with(http => $http, api => undef);
        my @mine;
        while (my $data = $who->post("$base/claim", { worker_id => "w$i", queue_name => 'many', batch_size => 1 + $i % 3 })->json('/data')) {
            push @mine, map { $_->{id} } ref $data eq 'ARRAY' ? @$data : $data;
        }
        return @mine;
    };
    my %seen;
    $seen{$_}++ for @ids;
    is scalar(@ids), 60, 'sixteen workers at once take all of them';
    is scalar(grep { $_ > 1 } values %seen), 0, '  and none twice';
};

subtest 'completing' => sub {
    my $id = submit(queue_name => 'c');
    error_is $ed->post("$base/$id/complete", { worker_id => 'w' }), 409, 'CONFLICT', name => 'not before it is claimed';
    claim('c');
    error_is $ed->post("$base/$id/complete", { worker_id => 'v' }), 409, 'CONFLICT', name => 'not by another worker';
    error_is $ed->post("$base/$id/complete", { worker_id => 'w', attempt => 2 }), 409, 'CONFLICT', name => 'not another attempt';
    error_is $ed->post("$base/$NO_ID/complete", { worker_id => 'w' }), 404, 'NOT_FOUND', name => 'not one that is not there';
    my $res = $ed->post("$base/$id/complete", { worker_id => 'w', attempt => 1, result => [ 1, { a => 'b' } ] });
    status_is $res, 200;
    json_is $res, '/data', sub ($d) { return $d->{status} eq 'completed' && $d->{result}[1]{a} eq 'b' && $d->{finished_at} =~ $TIME && !defined $d->{lease_expires_at} && !defined $d->{failed_reason} }, 'with its result';
    error_is $ed->post("$base/$id/complete", { worker_id => 'w', attempt => 1 }), 409, 'CONFLICT', name => 'once';
    json_is $ed->get("$base/$id"), '/data/result/0', 1, 'and it stays';
    my $plain = submit(queue_name => 'c');
    claim('c');
    json_is $ed->post("$base/$plain/complete", { worker_id => 'w' }), '/data/result', undef, 'a result may be left out';
};

subtest 'attempts that have ended are usage' => sub {
    my $counted = sub { return $db->selectall_arrayref(q{SELECT user_id, sum(quantity) FROM usage_events WHERE metric = 'background_jobs' AND category = ? GROUP BY 1 ORDER BY 2}, undef, $_[0]) };
    my $none    = '00000000-0000-0000-0000-000000000000';
    my $id      = submit(queue_name => 'counted', max_attempts => 2);
    claim('counted');
    status_is $ed->post("$base/$id/heartbeat", { worker_id => 'w' }), 200;
    error_is $ed->post("$base/$id/complete", { worker_id => 'v' }), 409, 'CONFLICT';
    is_deeply $counted->('counted'), [], 'not while it runs, and not for another worker';
    status_is $ed->post("$base/$id/fail", { worker_id => 'w', error => 'x', retry_after_seconds => 0 }), 200;
    is_deeply $counted->('counted'), [ [ $none, 1 ] ], 'one that failed';
    set($id, 'run_at = now()');
    claim('counted');
    status_is $ed->post("$base/$id/complete", { worker_id => 'w' }), 200;
    error_is $ed->post("$base/$id/complete", { worker_id => 'w' }), 409, 'CONFLICT';
    is_deeply $counted->('counted'), [ [ $none, 2 ] ], 'one that did not, once; of nobody\'s job it is the tenant\'s';

    my $own = submit(queue_name => 'followed');
    $db->do('UPDATE jobs SET created_by = ? WHERE id = ?', undef, $user->uuid, $own);
    claim('followed');
    status_is $ed->post("$base/$own/complete", { worker_id => 'w' }), 200;
    is_deeply $counted->('followed'), [ [ $user->uuid, 1 ] ], 'somebody\'s own job is theirs';
};

subtest 'a lease that is lost' => sub {
    my $id = submit(queue_name => 'l', max_attempts => 2);
    claim('l');
    set($id, q{lease_until = now() - interval '1 second'});
    error_is $ed->post("$base/$id/$_", { worker_id => 'w', error => 'x' }), 409, 'CONFLICT', name => "$_ is too late" for qw(complete fail heartbeat);
    is claim('l'), undef, 'it waits for its back-off';
    json_is $ed->get("$base/$id"), '/data', sub ($d) {
        return $d->{status} eq 'delayed' && $d->{failed_reason} eq 'lease expired' && $d->{errors}[0]{error} eq 'lease expired' && $d->{errors}[0]{attempt} == 1 && !defined $d->{worker_id};
    }, '  and is nobody\'s';
    set($id, 'run_at = now()');
    is claim('l', worker_id => 'v')->{attempts}, 2, 'then somebody else has it';
    error_is $ed->post("$base/$id/complete", { worker_id => 'w' }), 409, 'CONFLICT', name => 'who had it first has it no more';
    error_is $ed->post("$base/$id/complete", { worker_id => 'v', attempt => 1 }), 409, 'CONFLICT', name => '  and an earlier attempt is over';
    set($id, q{lease_until = now() - interval '1 second'});
    claim('l');
    json_is $ed->get("$base/$id"), '/data', sub ($d) { return $d->{status} eq 'failed' && $d->{failed_reason} eq 'lease expired' && @{ $d->{errors} } == 2 && $d->{errors}[0]{at} =~ $TIME && $d->{finished_at} }, 'after the last attempt it has failed';
};

subtest 'a heartbeat keeps the lease' => sub {
    my $id = submit(queue_name => 'h', timeout_seconds => 100);
    my $claimed = claim('h');
    set($id, q{lease_until = now() + interval '60 seconds'});
    my $res = $ed->post("$base/$id/heartbeat", { worker_id => 'w', attempt => 1 });
    status_is $res, 200;
    cmp_ok $res->json('/data/lease_expires_at'), 'ge', $claimed->{lease_expires_at}, 'for timeout_seconds more';
    error_is $ed->post("$base/$id/heartbeat", { worker_id => 'v' }), 409, 'CONFLICT', name => 'of its worker only';
};

subtest 'failing' => sub {
    my $id = submit(queue_name => 'f');
    claim('f');
    error_is $ed->post("$base/$id/fail", { worker_id => 'v', error => 'x' }), 409, 'CONFLICT', name => 'not by another worker';
    my $res = $ed->post("$base/$id/fail", { worker_id => 'w', error => 'no disk' });
    status_is $res, 200;
    json_is $res, '/data', sub ($d) { return $d->{status} eq 'delayed' && $d->{failed_reason} eq 'no disk' && $d->{attempts} == 1 && $d->{run_at} gt $d->{created_at} }, 'it waits';
    my ($wait) = $db->selectrow_array(q{SELECT extract(epoch FROM run_at - (errors -> 0 ->> 'at')::timestamptz) FROM jobs WHERE id = ?}, undef, $id);
    ok $wait >= 3.9 && $wait <= 6.1, 'about five seconds at first' or diag $wait;
    set($id, 'run_at = now()');
    claim('f');
    $ed->post("$base/$id/fail", { worker_id => 'w', error => 'still none', retry_after_seconds => 3600 });
    ($wait) = $db->selectrow_array(q{SELECT extract(epoch FROM run_at - (errors -> 1 ->> 'at')::timestamptz)::integer FROM jobs WHERE id = ?}, undef, $id);
    is $wait, 3600, 'or as long as the report says';
    set($id, 'run_at = now()');
    claim('f');
    $res = $ed->post("$base/$id/fail", { worker_id => 'w', error => 'never' });
    json_is $res, '/data', sub ($d) { return $d->{status} eq 'failed' && $d->{attempts} == 3 && join(',', map { $_->{error} } @{ $d->{errors} }) eq 'no disk,still none,never' }, 'after the last attempt it has failed';
    is claim('f'), undef, '  and is not taken';

    $res = $ed->post("$base/$id/retry");
    status_is $res, 200;
    json_is $res, '/data', sub ($d) { return $d->{status} eq 'waiting' && $d->{attempts} == 0 && @{ $d->{errors} } == 3 && !defined $d->{finished_at} }, 'a dead letter is tried again';
    error_is $ed->post("$base/$id/retry"), 409, 'CONFLICT', name => '  once';
    is claim('f')->{id}, $id, '  and taken';
    json_is $ed->post("$base/$id/fail", { worker_id => 'w', error => 'hopeless', retry => false }), '/data/status', 'failed', 'retry false fails for good';
};

subtest 'cancelling' => sub {
    my $id = submit(queue_name => 'x');
    json_is $ed->post("$base/$id/cancel"), '/data/status', 'cancelled', 'what waits';
    is claim('x'), undef, '  is not taken';
    error_is $ed->post("$base/$id/cancel"), 409, 'CONFLICT', name => '  nor cancelled twice';
    my $running = submit(queue_name => 'x');
    claim('x');
    json_is $ed->post("$base/$running/cancel"), '/data/status', 'cancelled', 'what runs';
    error_is $ed->post("$base/$running/complete", { worker_id => 'w' }), 409, 'CONFLICT', name => '  does not complete';
    error_is $ed->post("$base/$running/heartbeat", { worker_id => 'w' }), 409, 'CONFLICT', name => '  and its worker learns it';
};

subtest 'without its table it is not available' => sub {
    $t->expect_log(qr/"SERVICE_UNAVAILABLE"/);
    $db->do('ALTER TABLE jobs RENAME TO jobs_away');
    error_is $ed->post("$base/submit", { task_type => 'x' }), 503, 'SERVICE_UNAVAILABLE', name => 'submit';
    error_is $ed->post("$base/claim", { worker_id => 'w' }), 503, 'SERVICE_UNAVAILABLE', name => 'claim';
    error_is $ed->post('/api/bull-queue/submit', { queue => 'q', name => 'n', data => {} }), 503, 'SERVICE_UNAVAILABLE', name => 'submit of a job';
    error_is $ed->post('/api/bull-queue/submit-scheduled', { queue => 'q', name => 'n', data => {}, delay => 5 }), 503, 'SERVICE_UNAVAILABLE', name => 'and of a delayed one';
    $db->do('ALTER TABLE jobs_away RENAME TO jobs');
    status_is $ed->post("$base/submit", { task_type => 'x' }), 201, 'and then it is again';
};
