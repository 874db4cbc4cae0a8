use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use DBD::Pg ':async';

# How members are told: whom, what is folded, what is too much, once, and many at a time.
my $t    = Api->start(realtime => 1);
my $db   = $t->db;
my $base = '/api/v1/notifications';
my $none = '00000000-0000-7000-8000-00000000dead';
my $json = Cpanel::JSON::XS->new->canonical;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer', carl => 'admin');
my ($ann, $bob, $vera, $carl) = @$w{qw(ann bob vera carl)};

sub in_tenant ($dbh) { $dbh->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id); return }

# As what happens does, in a transaction that is open.  One member is told by other statements than several are (set: one as if they were).
sub announce ($dbh, $event, $members, %with) {
    $dbh->do('SELECT notify(?, ?, ?, ?, ?, ?, ?)', undef, $w->id, $event, [ map { /-/ ? $_ : $w->member_id($_) } @$members, $with{set} ? $members->[0] : () ],
        $json->encode($with{about} ? { type => 'goal', id => $with{about}, link => "/goals/$with{about}" } : {}), $with{actor} && $w->member_id($with{actor}),
        $json->encode({ title => $with{title} // 'Title', progress => 1, team_name => $with{title} // 'Crew', name => 'x' }), $with{cause});
    return;
}

sub notify ($event, $members, %with) {
    $db->begin_work;
    in_tenant($db);
    announce($db, $event, $members, %with);
    $db->commit;
    return;
}

sub list   ($who, %query) { return $who->get("$base/list", query => \%query)->json }
sub unread ($who)         { return $who->get("$base/unread-count")->json('/count') }
sub told   ($name)        { return [ map { $_->{message} } @{ list($w->{$name})->{notifications} } ] }

# Everybody's counters are what there is, whatever was done.
sub counted () {
    my $wrong = $db->selectall_arrayref(<<~'END');
        SELECT i.member_id, i.total, i.unread, k.total, k.unread FROM notification_inboxes i
        CROSS JOIN LATERAL (SELECT coalesce(jsonb_object_agg(x.event_type, x.n), '{}') AS total,
                                   coalesce(jsonb_object_agg(x.event_type, x.u) FILTER (WHERE x.u > 0), '{}') AS unread
                            FROM (SELECT n.event_type, count(*) AS n, count(*) FILTER (WHERE n.read_at IS NULL AND n.nr > i.read_to) AS u
                                  FROM notifications n WHERE n.member_id = i.member_id AND n.nr > 0 GROUP BY 1) x) k
        WHERE (i.total, i.unread) IS DISTINCT FROM (k.total, k.unread)
        END
    is_deeply $wrong, [], 'all counters are true';
    return;
}

subtest 'whom' => sub {
    notify('goal_at_risk', [qw(ann bob vera)], actor => 'ann', about => $none);
    is_deeply [ map { unread($_) } $ann, $bob, $vera ], [ 0, 1, 1 ], 'not who did it';
    notify('export_completed', ['ann'], actor => 'ann');
    is unread($ann), 1, 'but of a job that they started';
    notify('payment_failed', [qw(ann bob carl)]);
    is_deeply [ map { unread($_) } $ann, $bob, $carl ], [ 2, 1, 1 ], 'nor who may not see it';
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('vera'));
    notify('goal_at_risk', ['vera']);
    $db->do('UPDATE memberships SET is_active = true WHERE id = ?', undef, $w->member_id('vera'));
    is unread($vera), 1, 'nor who is deactivated';
    notify('goal_at_risk', [ $none, workspace($t, eve => 'owner')->member_id('eve') ]);
    is $db->selectrow_array('SELECT count(*) FROM notifications'), 5, 'nor members of other workspaces';
    ok !eval { local $SIG{__WARN__} = sub { }; notify('nope', ['bob']); 1 }, 'a kind that there is none of is a mistake';
    $db->rollback;
    counted();
};

for my $set (0, 1) {
    subtest 'what is unread is folded, ' . ($set ? 'of many' : 'of one') => sub {
        $bob->post("$base/mark-read", {});
        my $about = $db->selectrow_array('SELECT uuid_v7()');
        notify('goal_progress_updated', ['bob'], about => $about, title => 'first', actor => 'ann', set => $set);
        my $id = list($bob)->{notifications}[0]{id};
        notify('team_added', ['bob'], title => 'between');
        notify('goal_progress_updated', ['bob'], about => $about, title => 'second', actor => 'carl', set => $set);
        my ($one, $two, $old) = @{ list($bob)->{notifications} };
        is_deeply [ @$one{qw(id count message)}, $one->{actor}{id}, $two->{message} ], [ $id, 2, 'second (1 %)', $w->member_id('carl'), 'between' ], 'into one, with a count and the last actor, on top';
        cmp_ok $one->{created_at}, 'gt', $two->{created_at}, '  as old as the last of them';
        is unread($bob), 2, '  which is one';
        notify('goal_at_risk', ['bob'], about => $about, set => $set);
        notify('goal_progress_updated', ['bob'], about => $none, set => $set);
        is unread($bob), 4, 'another event, or entity, is another one';
        $bob->post("$base/mark-read", { notification_id => $id });
        notify('goal_progress_updated', ['bob'], about => $about, title => 'third', set => $set);
        is_deeply [ @{ list($bob)->{notifications}[0] }{qw(count message)} ], [ 1, 'third (1 %)' ], 'behind one that was read it begins anew';
        is unread($bob), 4;
        json_is $bob->post("$base/mark-read", {}), '', { updated => 4 };
        notify('goal_progress_updated', ['bob'], about => $about, title => 'fourth', set => $set);
        is list($bob)->{notifications}[0]{count}, 1, '  also where all were';
        counted();
    };
}

subtest 'all are read by one row' => sub {
    notify('team_added', ['carl'], title => "c$_") for 1 .. 5;
    $carl->post("$base/mark-read", { notification_id => list($carl)->{notifications}[2]{id} });
    my $before = $db->selectrow_array('SELECT count(*) FROM notifications WHERE member_id = ? AND read_at IS NULL', undef, $w->member_id('carl'));
    json_is $carl->post("$base/mark-read", {}), '', { updated => 5 };
    is $db->selectrow_array('SELECT count(*) FROM notifications WHERE member_id = ? AND read_at IS NULL', undef, $w->member_id('carl')), $before, 'no notification is touched';
    is $db->selectrow_array('SELECT count(*) FROM notification_marks WHERE member_id = ?', undef, $w->member_id('carl')), 1, 'one row says it';
    my @all = @{ list($carl)->{notifications} };
    is_deeply [ grep { !$_->{is_read} || !$_->{read_at} } @all ], [], 'each is read, and says since when';
    my $at = $all[0]{read_at};
    isnt $all[2]{read_at}, $at, '  one that was read before, since then';
    is list($carl, unread_only => 'true')->{total}, 0;
    json_is $carl->post("$base/mark-read", {}), '', { updated => 0 }, 'a second time there is nothing to do';
    notify('team_added', ['carl'], title => 'c6');
    is_deeply [ map { $_->{message} } @{ list($carl, unread_only => 'true')->{notifications} } ], ['c6'], 'what comes behind it is unread';
    $carl->post("$base/mark-read", {});
    my %read = map { $_->{message} => $_->{read_at} } @{ list($carl)->{notifications} };
    is $read{c5}, $at, 'a later time does not change when those before were';
    cmp_ok $read{c6}, 'gt', $at;
    json_is $carl->post("$base/mark-read", { notification_id => $all[0]{id} }), '', { updated => 0 }, 'one of them is read already';
    counted();
};

subtest 'whoever tells and whoever reads at once: nothing is lost' => sub {
    my $other  = $t->{cluster}->connect($t->{database});
    my $reader = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $other->begin_work;
    in_tenant($other);
    announce($other, 'team_added', ['bob'], title => 'on its way');
    $reader->begin_work;
    in_tenant($reader);
    $reader->do(q{SELECT set_config('app.organization_id', ?, true), set_config('app.member_id', ?, true), set_config('app.org_role', 'member', true)}, undef, $w->id, $w->member_id('bob'));
    $reader->do('SELECT notification_read(NULL)', { pg_async => PG_ASYNC });
    eventually { $db->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND wait_event_type = 'Lock'}, undef, $reader->{pg_pid}) } 20, 'who reads all waits for whom it is told by';
    $other->commit;
    $reader->pg_result;
    $reader->commit;
    $reader->disconnect;
    is unread($bob), 0, 'and has read that, too';
    counted();
    $other->begin_work;
    in_tenant($other);
    announce($other, 'goal_progress_updated', ['bob'], about => $none, title => 'a');
    $db->begin_work;
    in_tenant($db);
    $db->do(q{SET LOCAL lock_timeout = '100ms'});
    ok !eval { local $SIG{__WARN__} = sub { }; local $db->{PrintError} = 0; announce($db, 'goal_progress_updated', ['bob'], about => $none, title => 'b'); 1 }, 'who tells the same member waits, too';
    $db->rollback;
    $other->commit;
    notify('goal_progress_updated', ['bob'], about => $none, title => 'b');
    is list($bob)->{notifications}[0]{count}, 2, 'and folds into what it waited for';
    $other->disconnect;
    counted();
};

subtest 'a cause is told once' => sub {
    notify('export_completed', ['bob'], cause => 'job 1') for 1 .. 3;
    notify('export_completed', [qw(bob carl)], cause => 'job 1');
    is scalar(grep { $_->{event_type} eq 'export_completed' } @{ list($_)->{notifications} }), 1, 'however often' for $bob, $carl;
    notify('export_completed', ['bob'], cause => 'job 2');
    is scalar(grep { $_->{event_type} eq 'export_completed' } @{ list($bob)->{notifications} }), 2, 'another one is another one';
    counted();
};

subtest 'no floods' => sub {
    $_->post("$base/mark-read", {}) for $bob, $vera;
    $db->do(q{DELETE FROM jobs WHERE kind = 'mail'});
    $db->do(q{UPDATE notification_inboxes SET told = '{}', mailed = 0, hour = date_trunc('hour', now(), 'UTC') + interval '1 hour'});    # no other hour begins meanwhile
    notify('team_added', [qw(bob vera)]) for 1 .. 62;
    notify('goal_assigned', ['bob']);
    is unread($bob), 61, 'at most 60 of a kind in an hour';
    is unread($vera), 60, 'each has their own';
    is $db->selectrow_array('SELECT more FROM notification_inboxes WHERE member_id = ?', undef, $w->member_id('bob')), 2, 'those beyond are counted';
    ok $db->selectrow_array('SELECT digest_at > now() FROM notification_inboxes WHERE member_id = ?', undef, $w->member_id('bob')), '  for a digest';
    my @mails = $t->mails(to => $bob->email);
    is scalar(@mails), 1;
    notify('goal_assigned', ['bob']) for 1 .. 25;
    is scalar(() = $t->mails(to => $bob->email)), 20, 'at most 20 mails';
    is $db->selectrow_array('SELECT more FROM notification_inboxes WHERE member_id = ?', undef, $w->member_id('bob')), 8;
    $db->do(q{UPDATE notification_inboxes SET hour = hour - interval '2 hours'});
    notify('team_added', ['bob']);
    is $db->selectrow_array(q{SELECT told ->> 'team_added' FROM notification_inboxes WHERE member_id = ?}, undef, $w->member_id('bob')), 1, 'the next hour begins anew';
    counted();
    for my $set (0, 1) {    # one who is told by themselves, and one of many
        $carl->post("$base/mark-read", {});
        $db->do(q{UPDATE notification_inboxes SET told = '{}', more = 0, digest_at = NULL, hour = date_trunc('hour', now(), 'UTC') + interval '1 hour' WHERE member_id = ?}, undef, $w->member_id('carl'));
        my $about = $db->selectrow_array('SELECT uuid_v7()');
        notify('team_added', ['carl'], about => $about, set => $set);
        notify('team_added', ['carl'], set => $set) for 1 .. 61;
        is unread($carl), 60, 'so many of whoever is told alone, too';
        my $beyond = sub { $db->selectrow_arrayref('SELECT more, digest_at > now() FROM notification_inboxes WHERE member_id = ?', undef, $w->member_id('carl')) };
        is_deeply $beyond->(), [ 2, 1 ], '  and two beyond that';
        notify('team_added', ['carl'], about => $about, title => 'again', set => $set);
        is_deeply [ @{ list($carl)->{notifications}[0] }{qw(count message)} ], [ 2, 'again' ], '  what is folded is not one too many';
        is_deeply $beyond->(), [ 2, 1 ];
        is unread($carl), 60;
        counted();
    }
};

subtest 'what one may no longer see is withheld' => sub {
    $vera->post("$base/mark-read", {});
    notify('goal_at_risk', ['vera'], about => $none, title => 'secret');
    notify('team_added', ['vera'], title => 'open');
    my ($id) = map { $_->{id} } grep { $_->{event_type} eq 'goal_at_risk' } @{ list($vera)->{notifications} };
    my $total = list($vera)->{total};
    my $goals = grep { $_->{category} eq 'goals' } @{ list($vera, limit => 100)->{notifications} };
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'viewer', 'can_view_goal', false)}, undef, $ann->tenant_id, $w->id);
    my $now = list($vera, limit => 100);
    is_deeply [ grep { $_->{category} eq 'goals' } @{ $now->{notifications} } ], [], 'from the list';
    is_deeply [ @$now{qw(total unread_count)}, unread($vera) ], [ $total - $goals, 1, 1 ], '  and from what is counted';
    error_is $vera->post("$base/mark-read", { notification_id => $id }), 404, 'NOT_FOUND', id => $id;
    notify('goal_at_risk', ['vera'], about => $none);
    is unread($vera), 1, 'no more of it comes';
    $db->do('DELETE FROM role_permissions');
    $db->do('UPDATE organizations SET has_own_permissions = false');
    is list($vera)->{total}, $total, 'it is there again with the right';
    counted();
};

subtest 'many are told by a worker, each once' => sub {
    my @crowd = @{ $db->selectcol_arrayref(<<~'END', undef, $ann->tenant_id, $w->id) };
        WITH u AS (
            INSERT INTO users (tenant_id, public_id, email) SELECT $1::uuid, 'user_crowd' || n, 'crowd' || n || '@example.com' FROM generate_series(1, 450) n RETURNING id
        )
        INSERT INTO memberships (tenant_id, organization_id, user_id, role) SELECT $1::uuid, $2::uuid, id, 'member' FROM u RETURNING id
        END
    my $n = sub () { scalar $db->selectrow_array('SELECT count(*) FROM notifications WHERE member_id = ANY (?)', undef, \@crowd) };
    notify('team_added', [ @crowd[ 0 .. 199 ] ]);
    is $n->(), 200, '200 at once';
    notify('team_added', [ @crowd, $crowd[7] ], title => 'many');
    is $n->(), 200, 'more than that are not told in the transaction';
    my $one = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    my $two = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $one->begin_work;
    is $one->selectrow_array('SELECT notify_next()'), 1, 'a worker tells a portion';
    is $two->selectrow_array('SELECT notify_next()'), 0, '  which nobody else tells meanwhile';
    $one->rollback;
    $one->disconnect;
    is $n->(), 200, '  and dies at it';
    is $two->selectrow_array('SELECT notify_next()'), 1, 'another one tells them';
    is $n->(), 400;
    $t->start_worker;
    eventually { $db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'notifications' AND state = 'scheduled'}); $n->() == 650 } 30, 'a real one the others';
    $t->{pool}{worker}->stop('TERM', 15);
    is $db->selectrow_array('SELECT count(*) FROM notification_fanouts'), 0;
    is $db->selectrow_array(q{SELECT max(n) FROM (SELECT count(*) AS n FROM notifications WHERE message = 'many' GROUP BY member_id) x}), 1, 'each once';

    # Who did it may leave before all are told, and so may some of them.
    notify('team_added', \@crowd, title => 'left', actor => 'carl');
    $db->do('DELETE FROM memberships WHERE id = ANY (?)', undef, [ $w->member_id('carl'), @crowd[ 0 .. 9 ] ]);
    1 while $two->selectrow_array('SELECT notify_next()');
    is_deeply $db->selectrow_arrayref(q{SELECT count(*), count(actor_id) FROM notifications WHERE message = 'left'}), [ 440, 0 ], 'also of what somebody did who has left meanwhile';
    $two->disconnect;
    counted();
};

subtest 'what is read one by one, or deleted, by whoever' => sub {
    $db->do('UPDATE notifications SET read_at = now() WHERE member_id = ? AND read_at IS NULL', undef, $w->member_id('bob'));
    is unread($bob), 0;
    counted();
    $db->do('DELETE FROM notifications WHERE member_id = ? AND id IN (SELECT id FROM notifications WHERE member_id = ? LIMIT 7)', undef, ($w->member_id('bob')) x 2);
    $db->do(q{INSERT INTO notifications (tenant_id, organization_id, member_id, event_type, title, message) VALUES (?, ?, ?, 'team_added', 't', 'm')}, undef, $ann->tenant_id, $w->id, $w->member_id('bob'));
    is unread($bob), 1;
    counted();
};
