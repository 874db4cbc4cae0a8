# What happened in a workspace: who is told of what, in which order, and what nobody sees who may not.

use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $feed = '/api/v1/activity/feed';
my $ann  = $t->user('ann');
my $bob  = $t->user('bob');
my $vic  = $t->user('vic');
my $org  = $t->organization($ann);
my %member;
($member{ann}) = $t->db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $org, $ann->uuid);
my $none = '00000000-0000-0000-0000-000000000000';

sub db ($sql, @values) { return scalar $t->db->selectrow_array($sql, undef, @values) }
sub in_workspace ($who) { return $who->with(headers => { 'X-Workspace-Id' => $org }) }
sub feed ($who = $ann, %query) { return $who->get($feed, query => \%query, headers => { 'X-Workspace-Id' => $org }) }
sub events (@arg) { return [ map { $_->{event} } @{ feed(@arg)->json('/activities') } ] }

# Something that happened, told as a trigger does it.
sub happened ($event, %arg) {
    $t->db->begin_work;
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $t->db->do('SELECT activity_put(?, ?, ?, ?, ?, ?, ?, ?::jsonb)', undef, $arg{org} // $org, $event, $arg{scope} // 'none', $arg{scope_id}, $arg{actor}, $arg{id} // 'x', $arg{name} // 'something', $arg{data} // '{}');
    $t->db->commit;
    return;
}

subtest 'what members do is there, newest first' => sub {
    my $H = { 'X-Workspace-Id' => $org };
    is_deeply events(), [], 'what is done by hand is not told';
    $member{bob} = $t->member($org, $bob, 'member') // db('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $bob->uuid);
    $member{bob} = db('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $bob->uuid);
    my $goal = $bob->post('/api/v1/goals', { title => 'Be known in Berlin' }, headers => $H)->json('/id');
    $bob->patch('/api/v1/goals', { goal_id => $goal, title => 'Be known in Bonn' }, headers => $H);
    $ann->patch('/api/v1/goals', { goal_id => $goal, progress => 40 }, headers => $H);
    $ann->patch('/api/v1/goals', { goal_id => $goal, progress => 100 }, headers => $H);
    status_is $ann->delete("/api/v1/goals/$goal", headers => $H), 204;
    my @got = @{ feed()->json('/activities') };
    is_deeply [ map { $_->{event} } @got[ 0 .. 4 ] ], [qw(goal.deleted goal.completed goal.progress_updated goal.updated goal.created)], 'a goal';
    is $got[4]{actor}{id}, $member{bob}, 'by whom';
    is $got[0]{actor}{id}, $member{ann};
    is_deeply [ @{ $got[2] }{qw(type description entity_type entity_id entity_name link)} ], [ 'goal', 'Progress on a goal: Be known in Bonn (40.00 %)', 'goal', $goal, 'Be known in Bonn', "/goals/$goal" ], 'what it says';
    is $got[0]{link}, undef, 'what is gone has no page';
    is $got[4]{entity_name}, 'Be known in Berlin', 'as it was called then';
    $ann->patch('/api/v1/goals', { goal_id => $ann->post('/api/v1/goals', { title => 'Same' }, headers => $H)->json('/id'), title => 'Same' }, headers => $H);
    is_deeply [ @{ events() }[ 0, 1 ] ], [qw(goal.created goal.deleted)], 'what changes nothing is none';
};

subtest 'people and teams' => sub {
    my $H    = { 'X-Workspace-Id' => $org };
    my $team = $ann->post('/api/v1/teams', { name => 'Harbour', member_ids => [ $member{bob} ] }, headers => $H)->json('/id');
    is_deeply [ sort @{ events($ann, limit => 2) } ], [qw(user.team_created user.team_member_added)], 'a team, and who is put into it';
    $t->member($org, $vic, 'viewer');
    $member{vic} = db('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $vic->uuid);
    status_is $ann->with(key => $t->key)->post("/api/v1/organizations/$org/invite", { email => 'new@example.com', role => 'member' }), 201;
    my ($last) = @{ feed()->json('/activities') };
    is_deeply [ @$last{qw(event description entity_type)} ], [ 'user.member_invited', 'Invited: new@example.com, as member', 'invitation' ], 'an invitation';
    status_is $ann->put("/api/v1/members/$member{vic}", { role => 'member' }, headers => $H), 200;
    ($last) = @{ feed()->json('/activities') };
    is_deeply [ @$last{qw(event metadata)} ], [ 'user.role_changed', { role => 'member', previous_role => 'viewer' } ], 'a role';
    status_is $ann->delete("/api/v1/members/$member{vic}", headers => $H), 204;
    ($last) = @{ feed()->json('/activities') };
    is $last->{event}, 'user.member_removed';
    ok !(grep { /vic\@/ } map { $_->{description} } @{ feed()->json('/activities') }), 'nobody\'s address is told';
};

subtest 'what is asked for has to be so' => sub {
    my $H = { 'X-Workspace-Id' => $org };
    is_deeply [ grep { !/^goal/ } @{ events($ann, types => 'goal') } ], [], 'of a type';
    cmp_ok scalar @{ events($ann, types => 'goal,user') }, '>', scalar @{ events($ann, types => 'goal') };
    is_deeply events($ann, types => 'record'), [];
    is_deeply [ grep { $_->{actor}{id} ne $member{bob} } @{ feed($bob, scope => 'mine')->json('/activities') } ], [], 'mine';
    my $mine = feed($bob, scope => 'mine')->json('/total');
    is feed($ann, user_ids => $_)->json('/total'), $mine, 'of a user or a member' for $member{bob}, $bob->uuid;
    is feed($ann, user_ids => $member{bob}, scope => 'mine')->json('/total'), 0, 'and mine';
    my ($team) = map { $_->{id} } @{ $ann->get('/api/v1/teams', headers => $H)->json('/teams') // $ann->get('/api/v1/teams', headers => $H)->json };
    is feed($ann, team_ids => $team)->json('/total'), $mine, 'of who is in a team';
    is feed($ann, team_ids => $none)->json('/total'), 0, 'of no team nobody\'s';
    my $all   = feed()->json('/total');
    my $today = db(q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')});
    is feed($ann, start_date => $today, end_date => $today)->json('/total') + db(q{SELECT count(*) FROM activities WHERE organization_id = ? AND created_at < ?::date::timestamp AT TIME ZONE 'UTC'}, $org, $today), $all, 'a date is its whole day';
    my $at = (feed()->json('/activities'))->[1]{timestamp};
    cmp_ok feed($ann, start_date => $at, end_date => $at)->json('/total'), '>=', 1, 'both ends are within';
    is feed($ann, end_date => '2001-01-01')->json('/total'), 0;
    error_is feed($ann, $_->[0] => $_->[1]), 422, 'VALIDATION_ERROR', field => qr/\A$_->[0]/, name => "$_->[0]=$_->[1]" for [ types => 'goal,deed' ], [ scope => 'ours' ], [ start_date => 'yesterday' ], [ end_date => '2026-02-30' ], [ limit => 101 ];
    error_is feed($ann, start_date => $_->[0], end_date => $_->[1], @$_[ 2 .. $#$_ ]), 422, 'VALIDATION_ERROR', field => 'end_date', name => "backwards: @$_"
        for [ '2026-01-02', '2026-01-01' ], [ '2026-01-01T10:00:00Z', '2026-01-01T09:59:59Z' ], [ '2026-01-02', '2026-01-01', search => 'berlin' ];
    is feed($ann, start_date => $_->[0], end_date => $_->[1])->json('/total'), 0, "not backwards: @$_" for [ '2001-01-02', '2001-01-02' ], [ '2001-01-01T10:00:00Z', '2001-01-01T10:00:00Z' ];
    my $page = feed($ann, limit => 2, offset => 1)->json;
    is_deeply [ map { $_->{id} } @{ $page->{activities} } ], [ map { $_->{id} } @{ feed()->json('/activities') }[ 1, 2 ] ], 'a page';
    is_deeply [ @$page{qw(total limit offset)}, !!$page->{has_more} ], [ $all, 2, 1, 1 ];
    is_deeply feed($ann, offset => 5000)->json('/activities'), [], 'behind the last one there is none';
    is feed($ann, offset => 5000)->json('/total'), $all;
};

subtest 'search' => sub {
    is_deeply [ map { $_->{event} } grep { $_->{event} =~ /goal/ } @{ feed($ann, search => 'bERLin')->json('/activities') } ], ['goal.created'], 'in any case';
    is feed($ann, search => 'berlin')->json('/total'), 1;
    is feed($ann, search => 'berlin', types => 'user')->json('/total'), 0, 'and of a type';
    is feed($ann, search => 'no such')->json('/total'), 0;
    my $res = feed($ann, search => 'berlin', offset => 1);
    is_deeply $res->json('/activities'), [], 'behind the last one there is none';
    is $res->json('/total'), 1, '  and as many as there were';
    is feed($ann, search => '%')->json('/total'), feed($ann, search => 'Progress on a goal')->json('/total'), 'a sign stands for itself';
    is feed($ann, search => '  ')->json('/total'), feed()->json('/total'), 'blank is no filter';
    happened('goal.created', name => "filler $_", org => $org) for 1 .. 210;
    is feed($ann, search => 'berlin')->json('/total'), 1, 'also behind many that say something else';
    is feed($ann, search => 'filler', limit => 100)->json('/total'), 210;
    is_deeply [ map { $_->{entity_name} } @{ feed($ann, search => 'filler 1', limit => 3, offset => 1)->json('/activities') } ], [ 'filler 198', 'filler 197', 'filler 196' ], 'the newest first';
    $t->db->do(q{DELETE FROM activities WHERE entity_name LIKE 'filler%'});
    $t->db->do(q{UPDATE activity_days SET count = count - 210 WHERE organization_id = ? AND type = 'goal' AND actor_id = ?}, undef, $org, $none);
    $t->db->do('DELETE FROM activity_days WHERE count = 0');
};

subtest 'what a member may not see is not there, nor counted' => sub {
    my $before = feed()->json('/total');
    my ($set, $channel) = ('01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e', '01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0f');
    happened('record.created', scope => 'recordset', scope_id => $set, actor => $member{bob}, name => 'hidden');
    happened('action.message', scope => 'channel', scope_id => $channel, name => 'hidden');
    happened('record.created', actor => $member{bob}, name => 'seen');
    is feed()->json('/total'), $before + 1;
    ok !(grep { $_->{entity_name} eq 'hidden' } @{ feed($_)->json('/activities') }), 'nobody is shown what is of a recordset or a channel yet' for $ann, $bob;
    is feed($ann, types => 'action')->json('/total'), 0;
    is feed($ann, user_ids => $member{bob}, types => 'record')->json('/total'), 1, 'nor told of it by a filter';
    is feed($ann, search => 'hidden')->json('/total'), 0, 'nor by a search';
    # What recordsets will do: one who may see it does.
    my $was = db(q{SELECT pg_get_functiondef('activity_scopes(uuid,uuid)'::regprocedure)});
    $t->db->do(qq{CREATE OR REPLACE FUNCTION activity_scopes(organization uuid, member uuid) RETURNS uuid[] LANGUAGE sql STABLE AS
        \$\$ SELECT CASE WHEN member = '$member{bob}' THEN ARRAY['$none', '$set']::uuid[] ELSE ARRAY['$none'::uuid] END \$\$});
    is feed($bob)->json('/total'), $before + 2;
    is feed($ann)->json('/total'), $before + 1;
    ok +(grep { $_->{entity_name} eq 'hidden' } @{ feed($bob)->json('/activities') }), 'and sees it';
    $t->db->do($was);
};

subtest 'what happened is counted, of what a member may see' => sub {
    my $stats = sub ($who) { return $who->get('/api/v1/activity/stats', headers => { 'X-Workspace-Id' => $org }) };
    my $res   = $stats->($ann);
    status_is $res, 200;
    my $got = $res->json;
    is $got->{total}, feed()->json('/total');
    my $sum = 0;
    $sum += $_ for values %{ $got->{by_type} };
    is $sum, $got->{total}, 'by type';
    is_deeply [ sort keys %{ $got->{by_type} } ], [qw(action goal integration record user)];
    is $got->{by_type}{goal}, feed($ann, types => 'goal')->json('/total');
    is scalar @{ $got->{by_day} }, 30, 'thirty days';
    is_deeply [ map { $_->{date} } @{ $got->{by_day} } ], $t->db->selectcol_arrayref(q{SELECT to_char(d, 'YYYY-MM-DD') FROM generate_series(?::date - 29, ?::date, interval '1 day') d}, undef, ($got->{by_day}[29]{date}) x 2), 'one after the other';
    $sum = 0;
    $sum += $_->{count} for @{ $got->{by_day} };
    is $sum, $got->{last_30_days};
    is $got->{today}, $got->{by_day}[29]{count};
    is_deeply [ sort map { $_->{member}{id} } @{ $got->{top_members} } ], [ sort @member{ grep { feed($ann, user_ids => $member{$_})->json('/total') && db('SELECT count(*) FROM memberships WHERE id = ?', $member{$_}) } keys %member } ], 'who did most';
    is $got->{top_members}[0]{count}, (sort { $b <=> $a } map { feed($ann, user_ids => $_)->json('/total') } values %member)[0];
    happened('record.created', scope => 'recordset', scope_id => '01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e', actor => $member{bob});
    is $stats->($ann)->json('/total'), $got->{total}, 'what is hidden is not told by a number';
    error_is $stats->($vic), 403, 'AUTHORIZATION_ERROR';
};

subtest 'who asks' => sub {
    error_is $t->nobody->get($feed), 401, 'AUTHENTICATION_ERROR';
    error_is feed($vic), 403, 'AUTHORIZATION_ERROR', name => 'who has left sees nothing';
    error_is feed($t->user('theirs', tenant => 'other')), 403, 'AUTHORIZATION_ERROR';
    my $mia = $t->user('mia');
    my $own = $t->organization($mia);
    happened('record.created', org => $own, name => 'elsewhere');
    ok !(grep { $_->{entity_name} eq 'elsewhere' } @{ feed($ann, limit => 100)->json('/activities') }), 'another workspace\'s is not here';
    my ($gone) = grep { ($_->{actor} // {})->{id} // '' eq $member{vic} } @{ feed()->json('/activities') };
    $t->db->do('DELETE FROM memberships WHERE id = ?', undef, $member{vic});
    is_deeply [ grep { $_->{actor} && $_->{actor}{id} eq $member{vic} } @{ feed($ann, limit => 100)->json('/activities') } ], [], 'who has left is nobody there';
};

subtest 'sums are what there is' => sub {
    is_deeply $t->db->selectall_arrayref(q{SELECT organization_id, scope_id, type, sum(count) FROM activity_days WHERE day = '-infinity' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3}),
        $t->db->selectall_arrayref('SELECT organization_id, scope_id, type, count(*)::numeric FROM activities GROUP BY 1, 2, 3 ORDER BY 1, 2, 3'), 'of all days';
    is_deeply $t->db->selectall_arrayref(q{SELECT organization_id, day, scope_id, actor_id, type, count FROM activity_days WHERE day > '-infinity' ORDER BY 1, 2, 3, 4, 5}),
        $t->db->selectall_arrayref(q{SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date, scope_id, actor_id, type, count(*) FROM activities GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5}), 'and of each';
    is_deeply $t->db->selectall_arrayref(q{SELECT m.organization_id, d.day::date, m.scope_id, m.actor_id, activity_day(m.days, d.day::date, true)
            FROM activity_months m, generate_series(m.month, m.month + interval '1 month' - interval '1 day', '1 day') d (day)
            WHERE activity_day(m.days, d.day::date, true) <> 0 ORDER BY 1, 2, 3, 4}),
        $t->db->selectall_arrayref(q{SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date, scope_id, actor_id, count(*) FROM activities GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4}), 'of each in its month, too';
};

subtest 'counts are those of the scopes that one sees, of few and of many' => sub {
    my $owner = $t->user('omar');
    my $many  = $t->organization($owner);
    my $actor = db('SELECT id FROM memberships WHERE organization_id = ?', $many);
    $t->db->begin_work;
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.organization_id', ?, true)}, undef, $owner->tenant_id, $many);
    $t->db->do(q{SELECT activity_month(now() - n * interval '25 days') FROM generate_series(0, 4) n});
    $t->db->do('SELECT setseed(0.5)');
    $t->db->do(q{INSERT INTO activities (tenant_id, organization_id, created_at, scope, scope_id, actor_id, type, event, description)
        SELECT app_tenant(), app_organization(), now() - random() * interval '75 days', 'recordset', md5('s' || i % 300)::uuid, CASE i % 3 WHEN 0 THEN $1::uuid ELSE md5('a' || i % 3)::uuid END,
               (ARRAY['goal', 'record', 'user'])[1 + i % 3], 'goal.created', 'Word ' || i % 97 FROM generate_series(1, 3000) i}, undef, $actor);
    $t->db->do('SET CONSTRAINTS ALL IMMEDIATE');
    # Those of one, of few, of some among too many others to go through, of many and of all; and of nobody.
    for my $n (0, 1, 15, 21, 29, 100, 300) {
        $t->db->do(q{SELECT set_config('test.scopes', coalesce(array_agg(md5('s' || i)::uuid), '{}')::text, true) FROM generate_series(1, ?) i}, undef, $n);
        my $got = $t->db->selectrow_arrayref(q{SELECT s.total, s.by_type::text, s.by_day::text, s.last_7_days, s.last_30_days, s.top_members::text FROM activity_stats(current_setting('test.scopes')::uuid[]) s});
        is_deeply $got, $t->db->selectrow_arrayref(q{
            WITH a AS (SELECT type, (created_at AT TIME ZONE 'UTC')::date AS day, actor_id FROM activities WHERE organization_id = app_organization() AND scope_id = ANY (current_setting('test.scopes')::uuid[])),
                 now AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day)
            SELECT (SELECT count(*) FROM a),
                   (SELECT jsonb_object_agg(t, (SELECT count(*) FROM a WHERE type = t))::text FROM unnest('{action,goal,record,integration,user}'::text[]) t),
                   (SELECT jsonb_agg(jsonb_build_object('date', (day - i)::text, 'count', (SELECT count(*) FROM a WHERE a.day = now.day - i)) ORDER BY i DESC)::text FROM generate_series(0, 29) i),
                   (SELECT count(*) FROM a WHERE a.day > now.day - 7), (SELECT count(*) FROM a WHERE a.day > now.day - 30),
                   (SELECT coalesce(jsonb_agg(jsonb_build_object('member', r.ref, 'count', x.n)), '[]')::text FROM (SELECT count(*) AS n FROM a WHERE a.day > now.day - 30 AND actor_id = $1::uuid HAVING count(*) > 0) x,
                       member_ref(app_tenant(), app_organization(), $1::uuid) r)
            FROM now}, undef, $actor), "of $n";
        for my $search ('word 7', 'word 1', 'none') {
            is_deeply $t->db->selectcol_arrayref(q{SELECT id FROM activity_search(current_setting('test.scopes')::uuid[], NULL, NULL, '-infinity', 'infinity', ?, 60) ORDER BY created_at DESC, id DESC}, undef, $search),
                $t->db->selectcol_arrayref(q{SELECT id FROM activities WHERE organization_id = app_organization() AND scope_id = ANY (current_setting('test.scopes')::uuid[]) AND position($1 IN lower(description)) > 0
                    ORDER BY created_at DESC, id DESC LIMIT 60}, undef, $search), "  and what is searched for there: $search";
        }
    }
    $t->db->rollback;
};

subtest 'nothing is told of what was rolled back, nor of what an operator does by hand' => sub {
    my $n = db('SELECT count(*) FROM activities');
    $t->db->do(q{UPDATE memberships SET role = 'admin' WHERE id = ?}, undef, $member{bob});
    is db('SELECT count(*) FROM activities'), $n;
};

subtest 'the total is capped at 10,001, and of a search at 1,001, however it is asked for' => sub {
    my $nora = $t->user('nora');
    my $many = $t->organization($nora);
    my $self = db('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', $many, $nora->uuid);
    my $add  = sub ($n) {
        $t->db->begin_work;
        $t->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $nora->tenant_id);
        $t->db->do(q{SELECT count(activity_put(?, 'goal.created', 'none', NULL, ?, n::text, 'filler')) FROM generate_series(1, ?) n}, undef, $many, $self, $n);
        $t->db->commit;
    };
    my @ways  = ({}, { search => 'filler' }, { user_ids => $self }, { types => 'goal' }, { start_date => '2020-01-01' }, { search => 'filler', user_ids => $self });
    my $total = sub (%query) { $nora->get($feed, query => { %query, limit => 1 }, headers => { 'X-Workspace-Id' => $many })->json('/total') };
    my @most  = map { $_->{search} ? 1_001 : 10_001 } @ways;
    $add->(999);
    is_deeply [ map { $total->(%$_) } @ways ], [ map { 999 } @ways ], 'a search is counted';
    $add->(9_000);
    my %below = map { $_ => $total->(%{ $ways[$_] }) } 0 .. $#ways;
    is_deeply [ @below{ 0 .. $#ways } ], [ map { $_ == 1_001 ? $_ : 9_999 } @most ], 'below it each is counted';
    $add->(2);
    is_deeply [ map { $total->(%$_) } @ways ], \@most, 'at 10,001';
    $add->(3);
    is_deeply [ map { $total->(%$_) } @ways ], \@most, 'and beyond';
};
