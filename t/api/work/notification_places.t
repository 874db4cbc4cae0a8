use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# What a member puts away, for good or until a time; counts; hours without mail.
my $t     = Api->start;
my $db    = $t->db;
my $base  = '/api/v1/notifications';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $json  = Cpanel::JSON::XS->new->canonical;
my $w     = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my $x     = workspace($t, eve => 'owner');
my ($ann, $bob, $vera, $eve) = (@$w{qw(ann bob vera)}, $x->{eve});

sub notify ($event, $name, $title) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do(q{SELECT notify(?, ?, ?, '{}', NULL, ?)}, undef, $w->id, $event, [ $w->member_id($name) ], $json->encode({ team_name => $title, title => $title, progress => 1, role => $title }));
    $db->commit;
    return $w->{$name}->get("$base/list", query => { limit => 1 })->json('/notifications/0/id');
}
sub texts ($who, $list = 'list') { return join ' ', map { $_->{message} } @{ $who->get("$base/$list")->json('/notifications') } }
sub counts ($who) { my $c = $who->get("$base/counts")->json; return "$c->{total} $c->{unread}" }
sub later ($interval) { return scalar $db->selectrow_array(q{SELECT to_char((now() + ?::interval) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')}, undef, $interval) }

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

my %id = map { $_ => notify('team_added', 'bob', $_) } qw(a b c d);

subtest 'who may' => sub {
    for ([ GET => '/counts' ], [ GET => '/archived' ], [ GET => '/snoozed' ], [ POST => '/archive', { notification_id => $id{a} } ], [ POST => '/unarchive', { notification_id => $id{a} } ],
        [ POST => '/snooze', { notification_id => $id{a}, until => later('1 day') } ], [ GET => '/quiet-hours' ], [ PUT => '/quiet-hours', { from => undef, to => undef, time_zone => undef } ]) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 401, 'AUTHENTICATION_ERROR', name => "$method $path: nobody";
        error_is $eve->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR', name => "$method $path: no member";
        error_is $_->request($method, "$base$path", json => $body), 404, 'NOT_FOUND', id => $id{a}, name => "$method $path: another member's" for $body && $body->{notification_id} ? ($ann, $eve) : ();
    }
    error_is $bob->post("$base/$_", {}), 422, 'VALIDATION_ERROR', field => 'notification_id' for qw(archive unarchive snooze);
    error_is $bob->post("$base/archive", { notification_id => $none }), 404, 'NOT_FOUND', id => $none;
    is texts($bob), 'd c b a', 'nothing was put away';
};

subtest 'archived' => sub {
    my $res = $bob->post("$base/archive", { notification_id => $id{b} });
    status_is $res, 200;
    json_is $res, '', { %{ $res->json }, id => $id{b}, message => 'b', is_read => true, read_at => $MICRO, archived_at => $MICRO, snoozed_until => undef }, 'it is read';
    is texts($bob), 'd c a', 'out of the list';
    is counts($bob), '3 3', '  and of what is counted';
    is texts($bob, 'archived'), 'b', 'and among what was put away';
    json_is $bob->get("$base/archived"), '/total', 1;
    json_is $bob->post("$base/archive", { notification_id => $id{b} }), '/archived_at', $res->json('/archived_at'), 'once';
    json_is $bob->post("$base/mark-read", { notification_id => $id{b} }), '', { updated => 0 };
    $bob->post("$base/mark-read", {});
    my ($at) = $bob->get("$base/list")->json('/notifications/0/read_at');
    json_is $bob->post("$base/archive", { notification_id => $id{d} }), '/read_at', $at, 'what was read before is, since then';
    is texts($bob, 'archived'), 'd b', 'the last first';
    json_is $bob->post("$base/unarchive", { notification_id => $id{b} }), '/archived_at', undef;
    is texts($bob), 'c b a', 'back where it was';
    is counts($bob), '3 0', '  and read';
    json_is $bob->post("$base/unarchive", { notification_id => $id{b} }), '/is_read', true;
    $bob->post("$base/unarchive", { notification_id => $id{d} });
    is texts($bob), 'd c b a';
    counted();
};

subtest 'snoozed' => sub {
    error_is $bob->post("$base/snooze", { notification_id => $id{c}, until => $_ }), 422, 'VALIDATION_ERROR', field => 'until' for later('366 days 1 hour'), 'tomorrow';
    error_is $bob->post("$base/snooze", { notification_id => $id{c} }), 422, 'VALIDATION_ERROR', field => 'until';
    my $until = later('1 hour');
    my $res = $bob->post("$base/snooze", { notification_id => $id{c}, until => $until });
    status_is $res, 200;
    json_is $res, '/snoozed_until', $MICRO;
    is texts($bob), 'd b a';
    is counts($bob), '3 0';
    is texts($bob, 'snoozed'), 'c';
    my $e = notify('team_added', 'bob', 'e');
    $bob->post("$base/snooze", { notification_id => $e, until => later('30 minutes') });
    is texts($bob, 'snoozed'), 'e c', 'the next first';
    is counts($bob), '3 0', 'one that was unread is counted no more';
    $bob->post("$base/mark-read", {});
    my $api = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    my $wake = sub () { scalar $api->selectrow_array('SELECT notification_wake()') };
    is $wake->(), 0, 'it is not the time yet';
    $db->do('UPDATE notifications SET snoozed_until = now() WHERE id = ?', undef, $id{c});
    is $wake->(), 1;
    is $wake->(), 0, 'each once';
    is texts($bob), 'c d b a', 'it is on top';
    is counts($bob), '4 1', '  and unread, also where all were read meanwhile';
    json_is $bob->get("$base/list"), '/notifications/0/snoozed_until', undef;
    like $db->selectrow_array(q{SELECT payload FROM realtime_messages WHERE channel = 'member:' || ? AND event = 'notification' ORDER BY id DESC LIMIT 1}, undef, $w->member_id('bob')), qr/"id": "$id{c}"/, '  and told on the stream';
    is $db->selectrow_array(q{SELECT payload FROM realtime_messages WHERE channel = 'member:' || ? AND event = 'notification' ORDER BY id DESC LIMIT 1}, undef, $w->member_id('bob')),
        $db->selectrow_array('SELECT ?::jsonb', undef, Cpanel::JSON::XS->new->encode($bob->get("$base/list")->json('/notifications/0'))), '  as the list shows it';
    json_is $bob->post("$base/snooze", { notification_id => $e, until => undef }), '/snoozed_until', undef, 'sooner, when they say so';
    json_is $bob->post("$base/snooze", { notification_id => $e, until => later('-1 second') }), '/snoozed_until', undef, 'a time that has passed is now';
    is texts($bob), 'e c d b a';
    $bob->post("$base/snooze", { notification_id => $e, until => later('1 day') });
    $bob->post("$base/archive", { notification_id => $e });
    is texts($bob, 'snoozed') . texts($bob, 'archived'), 'e', 'one is in one place';
    $db->do('UPDATE notifications SET snoozed_until = now() WHERE snoozed_until IS NOT NULL');
    is $wake->(), 0;
    $bob->post("$base/snooze", { notification_id => $e, until => later('1 day') });
    $db->do('DELETE FROM notifications WHERE id = ?', undef, $e);
    $api->disconnect;
    counted();
    $t->start_worker;
    $bob->post("$base/snooze", { notification_id => $id{a}, until => later('1 second') });
    eventually { $db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'notifications' AND state = 'scheduled'}); texts($bob) =~ /\Aa/ } 30, 'a worker brings it back';
    $t->{pool}{worker}->stop('TERM', 15);
};

subtest 'counts by category' => sub {
    notify('goal_at_risk', 'vera', 'g') for 1 .. 2;
    my $id = notify('role_changed', 'vera', 'r');
    $vera->post("$base/mark-read", { notification_id => $id });
    my $counts = $vera->get("$base/counts");
    json_is $counts, '/categories/goals', { total => 2, unread => 2 };
    json_is $counts, '/categories/team', { total => 1, unread => 0 };
    is scalar(keys %{ $counts->json('/categories') }), 11, 'each is there';
    is counts($vera), '3 2';
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'viewer', 'can_view_goal', false)}, undef, $ann->tenant_id, $w->id);
    json_is $vera->get("$base/counts"), '/categories/goals', { total => 0, unread => 0 }, 'nothing of what is withheld';
    is counts($vera), '1 0';
    error_is $vera->post("$base/archive", { notification_id => $db->selectrow_array(q{SELECT id FROM notifications WHERE event_type = 'goal_at_risk' LIMIT 1}) }), 404, 'NOT_FOUND';
    $db->do('DELETE FROM role_permissions');
};

subtest 'quiet hours' => sub {
    my $at = "$base/quiet-hours";
    my %none = (from => undef, to => undef, time_zone => undef);
    my %night = (from => '22:00', to => '07:00', time_zone => 'Europe/Berlin');
    json_is $bob->get($at), '', \%none, 'there are none';
    error_is $bob->put($at, { %night, @{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ from => [ from => '24:00' ] ], [ from => [ from => '7:00' ] ], [ to => [ to => undef ] ], [ to => [ to => '22:00' ] ], [ time_zone => [ time_zone => 'Mars/Base' ] ], [ time_zone => [ time_zone => undef ] ], [ from => [ from => undef ] ];
    error_is $bob->put($at, { from => '22:00' }), 422, 'VALIDATION_ERROR', field => 'to';
    json_is $bob->put($at, \%night), '', \%night;
    json_is $bob->get($at), '', \%night;
    json_is $bob->get("$base/email-delivery"), '/email_delivery_mode', 'instant', 'nothing else is another one';
    json_is $ann->get($at), '', \%none;

    # The end of the quiet hours that a time is in.
    my $until = sub ($from, $to, $zone, $at) { scalar $db->selectrow_array(q{SELECT to_char(quiet_until(?, ?, ?, ?) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')}, undef, $from, $to, $zone, $at) // 'none' };
    is $until->(@$_[ 0 .. 3 ]), $_->[4], "$_->[3] in $_->[0]-$_->[1] $_->[2]"
        for [ '22:00', '07:00', 'UTC', '2026-01-10 21:59Z', 'none' ], [ '22:00', '07:00', 'UTC', '2026-01-10 22:00Z', '2026-01-11 07:00' ], [ '22:00', '07:00', 'UTC', '2026-01-11 06:59Z', '2026-01-11 07:00' ],
            [ '22:00', '07:00', 'UTC', '2026-01-11 07:00Z', 'none' ], [ '12:00', '13:00', 'UTC', '2026-01-11 12:30Z', '2026-01-11 13:00' ], [ '12:00', '13:00', 'UTC', '2026-01-11 13:00Z', 'none' ],
            [ '22:00', '07:00', 'Europe/Berlin', '2026-01-10 21:30Z', '2026-01-11 06:00' ], [ '22:00', '07:00', 'Europe/Berlin', '2026-03-28 22:00Z', '2026-03-29 05:00' ],
            [ '22:00', '07:00', 'Asia/Kolkata', '2026-01-10 16:30Z', '2026-01-11 01:30' ];

    # Quiet from an hour ago, for two hours.
    my ($from, $to) = $db->selectrow_array(q{SELECT to_char((now() - interval '1 hour') AT TIME ZONE 'Asia/Tokyo', 'HH24:MI'), to_char((now() + interval '1 hour') AT TIME ZONE 'Asia/Tokyo', 'HH24:MI')});
    status_is $bob->put($at, { from => $from, to => $to, time_zone => 'Asia/Tokyo' }), 200;
    my $mails = sub () { scalar grep { $_->{template} =~ /notification/ } $t->mails(to => $bob->email) };
    notify('goal_assigned', 'bob', 'quiet');
    is $mails->(), 0, 'no mail in them, also where they come at once otherwise';
    like texts($bob), qr/\Aquiet/, 'but in the list it is';
    my ($minutes) = $db->selectrow_array('SELECT extract(epoch FROM digest_at - now()) / 60 FROM notification_inboxes WHERE member_id = ?', undef, $w->member_id('bob'));
    ok $minutes > 55 && $minutes <= 61, 'when they end it comes';
    $db->do('UPDATE notification_inboxes SET digest_at = now() WHERE digest_at IS NOT NULL');
    my $api = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $api->do('SELECT notification_digests(10)');
    is $mails->(), 0, 'and no sooner, whatever was due';
    ok $db->selectrow_array(q{SELECT digest_at > now() + interval '50 minutes' FROM notification_inboxes WHERE member_id = ?}, undef, $w->member_id('bob'));
    json_is $bob->put($at, \%none), '', \%none;
    $db->do('UPDATE notification_inboxes SET digest_at = now() WHERE digest_at IS NOT NULL');
    $api->do('SELECT notification_digests(10)');
    is $mails->(), 1, 'without quiet hours it comes';
    $api->disconnect;
};
