use v5.36;
use lib 't/lib';
use Api;

# Background jobs as administrators see them.
my $t      = Api->start;
my $db     = $t->db;
my $base   = '/api/v1/admin/jobs';
my $admin  = $t->user('admin', role => 'admin');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');

# A job with these columns; its id.
sub job (%column) {
    my %all   = (tenant_id => $admin->tenant_id, kind => 'k', %column);
    my @names = sort keys %all;
    return scalar $db->selectrow_array('INSERT INTO jobs (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', undef, @all{@names});
}

sub ids ($res) { return [ map { $_->{id} } @{ $res->json('/items') } ] }

subtest 'who may' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR', name => 'nobody';
    for my $role (qw(user editor builder agent viewer demo member)) {
        my $user = $t->user("a-$role", role => $role);
        error_is $user->get($base), 403, 'AUTHORIZATION_ERROR', name => "$role is a user here";
        error_is $user->post("$base/" . job() . '/retry'), 403, 'AUTHORIZATION_ERROR', name => '  who retries nothing';
    }
    $db->do('DELETE FROM jobs');
};

my %id = (
    mail  => job(queue => 'ashlar.mail', kind => 'mail', payload => '{"to":"ada@example.com","token":"sealed-secret"}', result => '{"x":"secret-result"}'),
    done  => job(queue => 'q', kind => 'x', state => 'completed', finished_at => '2026-01-01T10:00:00Z', result => '[1]', payload => '{"a":1}'),
    dead  => job(queue => 'q', kind => 'y', state => 'failed', finished_at => '2026-01-01T12:00:00Z', attempts => 3, last_error => 'no disk', errors => '[{"attempt":3,"at":"2026-01-01T12:00:00Z","error":"no disk"}]'),
    dead2 => job(queue => 'r', kind => 'x', state => 'failed', finished_at => '2026-01-01T11:00:00Z'),
    later => job(queue => 'q', kind => 'x', run_at => '2099-01-01'),
    runs  => job(queue => 'q', kind => 'x', state => 'running'),
    off   => job(queue => 'q', kind => 'x', state => 'cancelled', finished_at => '2026-01-01'),
);
my $other = job(tenant_id => $theirs->tenant_id, state => 'failed', finished_at => 'now');

subtest 'the list' => sub {
    my $res = $admin->get($base);
    status_is $res, 200;
    is_deeply ids($res), [ @id{qw(off runs later dead2 dead done mail)} ], 'newest first, and no other tenant\'s';
    is_deeply { map { $_ => $res->json("/$_") } qw(total skip limit) }, { total => 7, skip => 0, limit => 20 }, 'as a page';
    json_is $res, '/items/4', {
        id => $id{dead}, queue => 'q', kind => 'y', state => 'failed', priority => 0, payload => {}, attempts => 3, max_attempts => 10, timeout_s => 300, run_at => $TIME, started_at => undef,
        finished_at => '2026-01-01T12:00:00.000Z', worker => undef, result => undef, last_error => 'no disk', errors => [ { attempt => 3, at => '2026-01-01T12:00:00Z', error => 'no disk' } ],
        schedule_id => undef, created_at => $TIME, updated_at => $TIME,
    }, 'with all that is known of it';
    json_is $res, '/items/5/payload', { a => 1 }, 'and what it carries';
    json_is $res, '/items/6', sub ($j) { return $j->{kind} eq 'mail' && !%{ $j->{payload} } && !defined $j->{result} }, 'but of the server\'s own: they may carry secrets';
    body_unlike $res, qr/secret|ada\@/, '  of which nothing is there';
    is_deeply ids($admin->get("$base?skip=2&limit=2")), [ @id{qw(later dead2)} ], 'a page of it';
    json_is $admin->get("$base?skip=99"), '', { items => [], total => 7, skip => 99, limit => 20 }, 'past the end';
    error_is $admin->get("$base?limit=$_"), 422, 'VALIDATION_ERROR', field => 'limit', name => "a limit of $_" for 0, 101;
    json_is $admin->get('/api/v2/admin/jobs?limit=1'), '/data/items/0/id', $id{off}, 'version 2';
    json_is $theirs->get($base), '/items/0/id', $other, 'another tenant has its own';
};

subtest 'filters' => sub {
    for my $case (
        [ 'state=queued'            => 'mail' ],
        [ 'state=scheduled'         => 'later' ],
        [ 'state=running'           => 'runs' ],
        [ 'state=completed'         => 'done' ],
        [ 'state=failed'            => 'dead dead2' ],
        [ 'state=cancelled'         => 'off' ],
        [ 'queue=q'                 => 'off runs later dead done' ],
        [ 'queue=ashlar.mail'       => 'mail' ],
        [ 'kind=x'                  => 'off runs later dead2 done' ],
        [ 'queue=q&kind=x'          => 'off runs later done' ],
        [ 'state=failed&queue=r'    => 'dead2' ],
        [ 'state=failed&kind=y'     => 'dead' ],
        [ 'state=running&queue=r'   => '' ],
        [ 'state=failed&limit=1&skip=1' => 'dead2', 2 ],
    ) {
        my ($query, $want, $total) = @$case;
        my @want = split / /, $want;
        my $res  = $admin->get("$base?$query");
        is_deeply ids($res), [ @id{@want} ], $query;
        is $res->json('/total'), $total // scalar @want, '  counted';
    }
    error_is $admin->get("$base?state=done"), 422, 'VALIDATION_ERROR', field => 'state', name => 'an unknown state';
};

subtest 'a failed job goes back into its queue' => sub {
    for my $state (qw(mail done later runs off)) {
        error_is $admin->post("$base/$id{$state}/retry"), 409, 'CONFLICT', name => "not one that is $state";
    }
    error_is $admin->post("$base/01a1fe78-e337-7502-947f-4a3262f06209/retry"), 404, 'NOT_FOUND', name => 'nor one that is not there';
    error_is $admin->post("$base/nonsense/retry"), 404, 'NOT_FOUND', name => 'nor what is no id';
    error_is $admin->post("$base/$other/retry"), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
    my $res = $admin->post("$base/$id{dead}/retry");
    status_is $res, 200;
    json_is $res, '', sub ($j) { return $j->{id} eq $id{dead} && $j->{state} eq 'queued' && $j->{attempts} == 0 && !defined $j->{finished_at} && @{ $j->{errors} } == 1 }, 'with all its attempts, and its errors';
    error_is $admin->post("$base/$id{dead}/retry"), 409, 'CONFLICT', name => 'once';
    json_is $admin->get("$base?state=queued"), '/total', 2, 'and it is queued';
    json_is $admin->post("/api/v2/admin/jobs/$id{dead2}/retry"), '/data/state', 'queued', 'in version 2, too';
    is_deeply $db->selectall_arrayref(q{SELECT actor_id, resource_id, details ->> 'queue', details ->> 'kind' FROM audit_events WHERE action = 'job.retry' ORDER BY seq}),
        [ [ 'user_admin', $id{dead}, 'q', 'y' ], [ 'user_admin', $id{dead2}, 'r', 'x' ] ], 'both are put down';

    my $unique = job(queue => 'q', unique_key => 'u', state => 'failed', finished_at => 'now');
    job(queue => 'q', unique_key => 'u');
    error_is $admin->post("$base/$unique/retry"), 409, 'CONFLICT', name => 'one whose place has been taken stays dead';
};
