# All that happened in a workspace: page behind page by a cursor, in one answer as NDJSON; and its months, which the worker makes and drops.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use MIME::Base64 'encode_base64url';

my $t    = Api->start(main => 3);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my $x    = workspace($t, eve => 'owner');
my $json = Cpanel::JSON::XS->new->utf8;
my $path = '/api/v1/activity/history';

sub in_tenant ($sql, @values) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
    my @row = $db->selectrow_array($sql, undef, @values);
    $db->commit;
    return $row[0];
}
sub happened ($event, $name, %arg) {
    return in_tenant('SELECT activity_put(?, ?, ?, ?, ?, ?, ?)', $w->id, $event, $arg{scope} // 'none', $arg{scope_id}, $arg{by} ? $w->member_id($arg{by}) : undef, 'x', $name);
}
sub page ($who, %query) { return $who->get($path, query => \%query) }

# The names of all there are, by their cursors.
sub all ($who, %query) {
    my (@names, $next);
    do {
        my $res = page($who, %query, $next ? (cursor => $next) : ());
        status_is($res, 200), return if $res->status != 200;
        push @names, map { $_->{entity_name} } @{ $res->json('/activities') };
        $next = $res->json('/next_cursor');
    } while $next;
    return \@names;
}
sub lines ($who, %query) { return [ map { $json->decode($_) } split /\n/, $who->get($path, query => \%query, headers => { Accept => 'application/x-ndjson' })->body ] }

happened('goal.created', "goal $_", by => $_ % 3 ? 'bob' : 'ann') for 1 .. 25;
# Of one transaction, so at the same moment.
in_tenant(q{SELECT count(activity_put(?, 'user.team_created', 'none', NULL, NULL, 'x', 'team ' || n)) FROM generate_series(1, 10) n}, $w->id);
my @names = map { $_->{entity_name} } @{ $w->{ann}->get('/api/v1/activity/feed', query => { limit => 100 })->json('/activities') };

subtest 'what is refused' => sub {
    error_is page($t->nobody), 401, 'AUTHENTICATION_ERROR';
    error_is page($x->{eve}->with(headers => { 'X-Workspace-Id' => $w->id })), 403, 'AUTHORIZATION_ERROR';
    status_is $w->{ann}->put('/api/v1/permissions/roles/viewer', { permissions => { can_view_activity => false } }), 200;
    error_is page($w->{vera}), 403, 'AUTHORIZATION_ERROR', message => qr/can_view_activity/;
    for my $bad ([ limit => 0 ], [ limit => 1001 ], [ cursor => 'x' ], [ cursor => 'A' x 31 ], [ cursor => 'A' x 31 . '=' ], [ cursor => encode_base64url("\xff" x 24) ], [ cursor => encode_base64url("\x7f" . "\xff" x 23) ],
        [ types => 'deed' ], [ scope => 'ours' ], [ start_date => 'x' ], [ user_ids => 'me' ]) {
        error_is page($w->{ann}, @$bad), 422, 'VALIDATION_ERROR', field => qr/\A$bad->[0]/, name => "$bad->[0]=$bad->[1]" =~ s/[^ -~]/?/gr;
    }
    error_is page($w->{ann}, start_date => '2026-02-02', end_date => '2026-02-01'), 422, 'VALIDATION_ERROR', field => 'end_date', name => 'dates backwards';
    error_is $w->{ann}->get($path, headers => { Accept => 'application/geo+json' }), 406, 'NOT_ACCEPTABLE';
};

subtest 'page behind page there is each once' => sub {
    is_deeply all($w->{ann}, limit => $_), \@names, "$_ at a time" for 1, 7, 35, 100;
    my $res = page($w->{ann}, limit => 100);
    json_is $res, '/next_cursor', undef, 'behind the last one there is none';
    is_deeply $res->json('/activities'), $w->{ann}->get('/api/v1/activity/feed', query => { limit => 100 })->json('/activities'), 'as the feed has them';
    is_deeply page($w->{bob}, limit => 1, start_date => '2200-01-01')->json, { activities => [], next_cursor => undef }, 'of nothing there is nothing';
    $res = page($w->{ann}, limit => 4);
    my $next = $res->json('/next_cursor');
    happened('goal.created', 'meanwhile');
    is_deeply [ map { $_->{entity_name} } @{ page($w->{ann}, limit => 4, cursor => $next)->json('/activities') } ], [ @names[ 4 .. 7 ] ], 'what comes meanwhile moves nothing';
    error_is page($x->{eve}, cursor => $next, limit => 1001), 422, 'VALIDATION_ERROR';
    is_deeply page($x->{eve}, cursor => $next)->json('/activities'), [], 'a cursor opens nothing';
    unshift @names, 'meanwhile';
};

subtest 'what is asked for has to be so' => sub {
    is_deeply all($w->{ann}, types => 'user', limit => 3), [ grep { /team/ } @names ];
    is_deeply all($w->{bob}, scope => 'mine', limit => 3), [ grep { /goal (\d+)/ && $1 % 3 } @names ];
    is_deeply all($w->{ann}, user_ids => $w->member_id('ann'), limit => 2), [ grep { /goal (\d+)/ && !($1 % 3) } @names ];
    is_deeply all($w->{ann}, user_ids => $w->member_id('ann'), scope => 'mine', types => 'user'), [], 'all of it';
    is_deeply all($w->{ann}, end_date => '2001-01-01'), [];
};

subtest 'as NDJSON' => sub {
    my $res = $w->{ann}->get($path, headers => { Accept => 'application/x-ndjson' });
    header_is $res, 'Content-Type', 'application/x-ndjson';
    is_deeply lines($w->{ann}), page($w->{ann}, limit => 100)->json('/activities'), 'all of it, each as a page has it';
    is_deeply lines($w->{ann}, limit => 3), page($w->{ann}, limit => 3)->json('/activities'), 'or so many';
    for my $query ({ types => 'user' }, { scope => 'mine' }, { user_ids => $w->member_id('ann') }, { start_date => '2200-01-01' }, { cursor => page($w->{ann}, limit => 5)->json('/next_cursor') }, { types => 'record' }) {
        is_deeply lines($w->{ann}, %$query), page($w->{ann}, limit => 100, %$query)->json('/activities'), join ' ', %$query;
    }
};

subtest 'what one may not see is in neither' => sub {
    my $set = '01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e';
    happened('record.created', 'hidden', scope => 'recordset', scope_id => $set);
    ok !(grep { $_ eq 'hidden' } @{ all($w->{$_}, limit => 5) }, map { $_->{entity_name} } @{ lines($w->{$_}) }), $_ for qw(ann bob);
    is_deeply all($w->{ann}, types => 'record'), [];
};

subtest 'months' => sub {
    my $months = sub { join ' ', @{ $db->selectcol_arrayref(q{SELECT right(inhrelid::regclass::text, 6) FROM pg_inherits WHERE inhparent = 'activities'::regclass ORDER BY 1}) } };
    my ($this, $next, @old) = @{ $db->selectcol_arrayref(q{SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month', 'YYYYMM') FROM unnest(ARRAY[0, 1, -1, -2, -3]) WITH ORDINALITY u (n, o) ORDER BY o}) };
    is $months->(), $this, 'what was written made its own';
    # As it was then.
    for my $ago (1 .. 3) {
        in_tenant(q{SELECT activity_month(now() - $1 * interval '1 month')}, $ago) for 1;
        in_tenant(q{INSERT INTO activities (tenant_id, organization_id, created_at, type, event, entity_name, description)
            SELECT app_tenant(), $1, (date_trunc('month', now() AT TIME ZONE 'UTC') - $2 * interval '1 month') AT TIME ZONE 'UTC' + n * interval '1 hour', 'goal', 'goal.created', 'of ' || $2, 'of old' FROM generate_series(1, 30) n RETURNING 1}, $w->id, $ago);
    }
    is $months->(), join ' ', sort $this, @old;
    my $total = $w->{ann}->get('/api/v1/activity/stats')->json('/total');
    is $total, @names + 90, 'it is counted';
    $t->start_worker(children => 1);
    my $run = sub {
        my $id = in_tenant(q{SELECT job_add('ashlar', 'activity.months', '{}')});
        eventually { $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id) eq 'completed' } 60, 'the job runs';
    };
    $run->();
    is $months->(), join(' ', sort $this, $next, @old), 'the next one is made ahead, and none goes';
    $t->{pool}{worker}->stop('TERM', 15);
    $t->start_worker(children => 1, env => { ACTIVITY_MONTHS => 2 });
    $run->();
    is $months->(), join(' ', sort $this, $next, @old[ 0, 1 ]), 'what is older than ACTIVITY_MONTHS goes';
    is $w->{ann}->get('/api/v1/activity/stats')->json('/total'), $total - 30, 'and counts no more';
    is $w->{ann}->get('/api/v1/activity/feed')->json('/total'), $total - 30;
    is_deeply [ grep { /\Aof/ } @{ all($w->{ann}, limit => 50) } ], [ ('of 1') x 30, ('of 2') x 30 ];
    is_deeply $db->selectall_arrayref(q{SELECT organization_id, scope_id, type, count FROM activity_days WHERE day = '-infinity' AND count <> 0 ORDER BY 1, 2, 3}),
        $db->selectall_arrayref('SELECT organization_id, scope_id, type, count(*) FROM activities GROUP BY 1, 2, 3 ORDER BY 1, 2, 3'), 'sums are what there is';
    $run->();
    is $months->(), join(' ', sort $this, $next, @old[ 0, 1 ]), 'again it does nothing';
};
