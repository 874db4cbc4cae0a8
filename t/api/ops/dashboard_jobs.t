use v5.36;
use lib 't/lib';
use Api;

# Background jobs and schedules as a tenant's team sees them, and what it does about them.
my $t     = Api->start;
my $db    = $t->db;
my $base  = '/api/v1/dashboard/jobs';
my $admin = $t->team('admin', role => 'admin');
my $rival = $t->team('rival', role => 'owner', tenant => 'other');

sub job (%column) {
    my %all   = (tenant_id => $admin->tenant_id, kind => 'k', %column);
    my @names = sort keys %all;
    return scalar $db->selectrow_array('INSERT INTO jobs (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', undef, @all{@names});
}

sub ids ($res) { return [ map { $_->{id} } @{ $res->json('/jobs') } ] }

sub state_of ($id) { return scalar $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id) }

my %id = (
    mail => job(queue => 'ashlar.mail', kind => 'mail', run_at => '2099-01-01', payload => '{"to":"ada@example.com","token":"sealed-secret"}'),
    ours => job(queue => 'ashlar', kind => 'storage.remove', run_at => '2099-01-01'),
    done => job(queue => 'q', kind => 'x', state => 'completed', finished_at => '2026-01-01T10:00:00Z', payload => '{"a":1}'),
    dead => job(queue => 'q', kind => 'y', state => 'failed', finished_at => '2026-01-01T12:00:00Z', attempts => 3, last_error => 'no disk'),
    late => job(queue => 'q', kind => 'x', run_at => '2099-01-01'),
    runs => job(queue => 'q', kind => 'x', state => 'running', worker => 'w', lease_until => '2099-01-01'),
);
my $other = job(tenant_id => $rival->tenant_id, state => 'failed', finished_at => 'now');

subtest 'who may' => sub {
    my $member = $t->team('member');
    for ([ GET => $base ], [ GET => "$base/$id{dead}" ], [ POST => "$base/$id{dead}/retry" ], [ POST => "$base/$id{late}/cancel" ], [ GET => '/api/v1/dashboard/schedules' ]) {
        error_is $t->request(@$_), 401, 'AUTHENTICATION_ERROR';
        error_is $member->request(@$_), 403, 'AUTHORIZATION_ERROR', name => 'no member of the team';
        error_is $rival->request(@$_), 404, 'NOT_FOUND', name => 'not of another tenant' if $_->[1] =~ /-/;
    }
    is_deeply ids($rival->get($base)), [$other], 'another tenant has its own';
};

subtest 'the list, and one of it' => sub {
    my $res = $admin->get($base);
    is_deeply ids($res), [ @id{qw(runs late dead done ours mail)} ], 'newest first';
    json_is $res, "/$_->[0]", $_->[1] for [ total => 6 ], [ page => 1 ], [ has_next => false ];
    body_unlike $res, qr/secret|ada\@/, 'nothing of what the server\'s own carry';
    is_deeply ids($admin->get("$base?state=failed&queue=q")), [ $id{dead} ];
    is_deeply ids($admin->get("$base?page=2&per_page=2")), [ @id{qw(dead done)} ];
    json_is $admin->get("$base/$id{dead}"), "/$_->[0]", $_->[1] for [ last_error => 'no disk' ], [ attempts => 3 ], [ state => 'failed' ];
    json_is $admin->get("$base/$id{done}"), '/payload', { a => 1 };
    json_is $admin->get("$base/$id{mail}"), '/payload', {};
    error_is $admin->get("$base/$other"), 404, 'NOT_FOUND', message => qr/^Job not found$/;
};

subtest 'again, or not at all' => sub {
    json_is $admin->post("$base/$id{dead}/retry"), '/state', 'queued';
    error_is $admin->post("$base/$id{done}/retry"), 409, 'CONFLICT';
    error_is $admin->post("$base/$other/$_"), 404, 'NOT_FOUND' for qw(retry cancel);
    for (qw(late runs mail)) {
        json_is $admin->post("$base/$id{$_}/cancel"), '/state', 'cancelled', $_;
        error_is $admin->post("$base/$id{$_}/cancel"), 409, 'CONFLICT', name => '  it has ended';
    }
    error_is $admin->post("$base/$id{ours}/cancel"), 409, 'CONFLICT', message => qr/only mails/, name => 'what the server does by itself goes on';
    is join(' ', map { state_of($_) } @id{qw(ours late runs mail)}, $other), 'scheduled cancelled cancelled cancelled failed';
    my $events = $db->selectcol_arrayref(q{SELECT action || ' ' || actor_type || ' ' || (details ->> 'kind') FROM audit_events WHERE tenant_id = ? ORDER BY seq}, undef, $admin->tenant_id);
    is join(', ', @$events), 'job.retry team y, job.cancel team x, job.cancel team x, job.cancel team mail', 'and each is put down';
};

subtest 'schedules' => sub {
    my $key = $t->client(key => $t->key);
    my $one = $key->post('/api/bull-queue/submit-scheduled', { queue => 'q', name => 'report', data => { of => 'all' }, repeat => '0 7 * * *' })->json('/data/schedule_id');
    $key->post('/api/bull-queue/submit-scheduled', { queue => 'r', name => 'report', data => {}, every => 60000 });
    my $path = '/api/v1/dashboard/schedules';
    json_is $admin->get("$path?queue=q"), '', {
        schedules => [ { id => $one, queue => 'q', kind => 'report', cron => '0 7 * * *', every_ms => undef, payload => { of => 'all' }, next_job_id => $UUID, next_run_at => $TIME, created_at => $TIME, updated_at => $TIME } ],
        total => 1, page => 1, per_page => 20, has_next => false, has_prev => false,
    };
    is_deeply [ map { $_->{queue} } @{ $admin->get($path)->json('/schedules') } ], [qw(r q)], 'newest first, and none of the server\'s own';
    json_is $rival->get($path), '/total', 0;
    error_is $rival->delete("$path/$one"), 404, 'NOT_FOUND';
    my $next = $admin->get("$path?queue=q")->json('/schedules/0/next_job_id');
    status_is $admin->delete("$path/$one"), 204;
    error_is $admin->delete("$path/$one"), 404, 'NOT_FOUND', message => qr/^Schedule not found$/;
    is state_of($next), 'cancelled', 'its job to come is cancelled';
};
