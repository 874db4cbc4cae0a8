use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Ashlar::Ws;
use Cpanel::JSON::XS ();

# What a member is notified of, and wants to be: each sees and changes their own alone.
my $t     = Api->start(realtime => 1, REALTIME_PING_S => 1);
my $db    = $t->db;
my $base  = '/api/v1/notifications';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $json  = Cpanel::JSON::XS->new->canonical;

my $w = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $vera, $eve) = (@$w{qw(ann bob vera)}, $x->{eve});

# Notify a member, as what happens does; the new id.  title is what it says of a team.
sub notify ($name, $type, %with) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do('SELECT notify(?, ?, ?, ?, ?, ?)', undef, $w->id, $type, [ $w->member_id($name) ], $json->encode($with{subject} // {}), $with{actor},
        $json->encode({ title => $with{title} // 'Title', progress => 1, team_name => $with{title} // 'Title', role => 'admin', %{ $with{data} // {} } }));
    $db->commit;
    return scalar $db->selectrow_array('SELECT id FROM notifications WHERE member_id = ? ORDER BY id DESC LIMIT 1', undef, $w->member_id($name));
}

sub list ($who, %query) { return $who->get("$base/list", query => \%query) }
sub titles ($res) { return join ' ', map { $_->{message} } @{ $res->json('/notifications') } }

subtest 'who may' => sub {
    my $id = $bob->post("$base/me", { event_type => 'team_added' })->json('/id');
    for (
        [ GET => '/list' ], [ GET => '/unread-count' ], [ POST => '/mark-read', {} ], [ GET => '/defaults' ], [ GET => '/me' ], [ POST => '/me', { event_type => 'team_added' } ],
        [ POST => '/me/reset' ], [ PUT => '/me/bulk', { preferences => [ { event_type => 'team_added' } ] } ], [ PUT => "/me/$id", { muted => true } ], [ DELETE => "/me/$id" ],
        [ GET => '/preferences/v2' ], [ PUT => '/preferences/v2/team_added', { muted => true } ], [ GET => '/email-delivery' ], [ PUT => '/email-delivery', { email_delivery_mode => 'digest' } ],
    ) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 401, 'AUTHENTICATION_ERROR', name => "$method $path: nobody";
        error_is $eve->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR', name => "$method $path: no member";
        next if $path !~ /$id/;
        error_is $_->request($method, "$base$path", json => $body), 404, 'NOT_FOUND', id => $id, name => "$method $path: another member's" for $ann, $eve;
    }
    is $db->selectrow_array('SELECT count(*) FROM notification_preferences WHERE muted'), 0, 'nothing was changed';
    status_is $vera->delete("$base/me/$id"), 404;
    status_is $bob->delete("$base/me/$id"), 204;
};

subtest 'the list' => sub {
    json_is list($bob), '', { notifications => [], total => 0, unread_count => 0, limit => 50, offset => 0 };
    error_is list($bob, %{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0] for [ limit => { limit => 0 } ], [ limit => { limit => 101 } ], [ offset => { offset => -1 } ], [ unread_only => { unread_only => 'x' } ];
    my $first = notify('bob', 'goal_at_risk', title => 'one', actor => $w->member_id('ann'), data => { n => 1 }, subject => { type => 'goal', id => $none, link => "/goals/$none" });
    my @more = map { notify('bob', 'team_added', title => $_) } qw(two three);
    notify('vera', 'team_added', title => 'hers');
    my $res = list($bob);
    is titles($res), 'three two one (1 %)', 'newest first, and of nobody else';
    json_is $res, '/notifications/2', {
        id => $first, event_type => 'goal_at_risk', category => 'goals', title => 'A goal you own is at risk or behind', message => 'one (1 %)', data => { n => 1, title => 'one', team_name => 'one', progress => 1, role => 'admin' }, link => "/goals/$none", entity_type => 'goal', entity_id => $none,
        actor => $w->ref_of('ann', 'owner'), needs_attention => true, count => 1, is_read => false, read_at => undef, archived_at => undef, snoozed_until => undef, created_at => $MICRO };
    json_is $res, '/notifications/0/actor', undef, 'by nobody';
    is titles(list($bob, limit => 1, offset => 1)), 'two', 'a page';
    json_is list($bob, limit => 100, offset => 3), '', { notifications => [], total => 3, unread_count => 3, limit => 100, offset => 3 }, 'behind the last one';
    json_is list($ann), '/total', 0;
    json_is list($bob->with(headers => { 'X-Workspace-Id' => $t->organization($bob) })), '/total', 0, 'nor those of another workspace';

    error_is $bob->post("$base/mark-read", { notification_id => $_ }), 404, 'NOT_FOUND' for $none, $db->selectrow_array(q{SELECT id FROM notifications WHERE message = 'hers'});
    error_is $bob->post("$base/mark-read", { notification_id => 'x' }), 422, 'VALIDATION_ERROR', field => 'notification_id';
    json_is $bob->post("$base/mark-read", { notification_id => $more[0] }), '', { updated => 1 };
    json_is $bob->post("$base/mark-read", { notification_id => $more[0] }), '', { updated => 0 }, 'once';
    json_is $bob->get("$base/unread-count"), '', { count => 2 };
    is titles(list($bob, unread_only => 'true')), 'three one (1 %)', 'only what was not read';
    json_is list($bob, unread_only => 1), '/total', 2, '  is counted alone';
    json_is list($bob, unread_only => 'false'), '/total', 3;
    json_is list($bob), '/unread_count', 2;
    json_is list($bob), '/notifications/1/read_at', $MICRO;
    json_is $bob->post("$base/mark-read", {}), '', { updated => 2 }, 'all';
    json_is $bob->post("$base/mark-read"), '', { updated => 0 }, '  also without a body';
    json_is $bob->get("$base/unread-count"), '', { count => 0 };
    json_is $vera->get("$base/unread-count"), '', { count => 1 }, 'but of nobody else';
};

subtest 'what is recommended' => sub {
    my $all = $bob->get("$base/defaults");
    is scalar(keys %{ $all->json }), 11, 'categories';
    my %types = map { %{ $_->{event_types} } } values %{ $all->json };
    is scalar(keys %types), 45, 'kinds of events';
    json_is $all, '/team', { label => 'Team', description => 'people of the workspace', event_types => {
        member_joined => { label => 'Someone joined the workspace', inapp_enabled => true, email_enabled => false, whatsapp_enabled => false, muted => false },
        member_removed => { label => 'Someone left the workspace', inapp_enabled => true, email_enabled => false, whatsapp_enabled => false, muted => false },
        role_changed => { label => 'Your role changed', inapp_enabled => true, email_enabled => true, whatsapp_enabled => false, muted => false },
        team_added => { label => 'You were added to a team', inapp_enabled => true, email_enabled => false, whatsapp_enabled => false, muted => false } } };
    json_is $all, '/assigned_actions/label', 'Assigned Actions';
    json_is $all, '/integrations/event_types/integration_sync_completed/inapp_enabled', false;
};

my %stored = (id => $UUID, member_id => $w->member_id('bob'), event_type => 'role_changed', category => 'team', inapp_enabled => true, email_enabled => true, whatsapp_enabled => false, muted => false,
    created_at => $MICRO, updated_at => $MICRO);

subtest 'stored preferences' => sub {
    json_is $bob->get("$base/me"), '', [], 'none';
    error_is $bob->post("$base/me", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0] for [ event_type => {} ], [ event_type => { event_type => 'nope' } ], [ event_type => { event_type => '' } ], [ muted => { event_type => 'team_added', muted => 'x' } ];
    my $res = $bob->post("$base/me", { event_type => 'role_changed' });
    status_is $res, 201;
    json_is $res, '', \%stored, 'flags left out are as recommended';
    my $id = $res->json('/id');
    error_is $bob->post("$base/me", { event_type => 'role_changed' }), 409, 'CONFLICT', field => 'event_type';
    status_is $vera->post("$base/me", { event_type => 'role_changed' }), 201, 'another member\'s is another one';
    $bob->post("$base/me", { event_type => 'task_assigned', email_enabled => false, muted => true });
    is join(' ', map { $_->{event_type} } @{ $bob->get("$base/me")->json }), 'task_assigned role_changed', 'in the order of the defaults';
    error_is $bob->put("$base/me/$id", { muted => undef }), 422, 'VALIDATION_ERROR', field => 'muted';
    error_is $bob->put("$base/me/$_", { muted => true }), 404, 'NOT_FOUND' for $none, 'x';
    json_is $bob->put("$base/me/$id", { whatsapp_enabled => true }), '', { %stored, whatsapp_enabled => true }, 'a change of what is sent';
    json_is $bob->patch("$base/me/$id", {}), '/whatsapp_enabled', true;
    error_is $bob->delete("$base/me/$none"), 404, 'NOT_FOUND', id => $none;
    status_is $bob->delete("$base/me/$id"), 204;
    error_is $bob->delete("$base/me/$id"), 404, 'NOT_FOUND', id => $id;
};

subtest 'many at once' => sub {
    my $put = sub (@list) { $bob->put("$base/me/bulk", { preferences => \@list }) };
    error_is $bob->put("$base/me/bulk", $_), 422, 'VALIDATION_ERROR', field => 'preferences' for {}, { preferences => [] }, { preferences => 'x' }, { preferences => [ ({ event_type => 'team_added' }) x 201 ] };
    error_is $put->({ muted => true }), 422, 'VALIDATION_ERROR', field => 'preferences[0].event_type';
    error_is $put->({ event_type => 'team_added', muted => 1 }), 422, 'VALIDATION_ERROR', field => 'preferences[0].muted';
    error_is $put->({ event_type => 'team_added', muted => true }, { event_type => 'nope' }), 422, 'VALIDATION_ERROR', field => 'preferences[1].event_type';
    error_is $put->({ event_type => 'team_added' }, { event_type => 'role_changed' }, { event_type => 'team_added' }), 422, 'VALIDATION_ERROR', field => 'preferences[2].event_type';
    is join(' ', map { $_->{event_type} } @{ $bob->get("$base/me")->json }), 'task_assigned', 'nothing was saved';
    my $res = $put->({ event_type => 'team_added', muted => true }, { event_type => 'task_assigned', inapp_enabled => false }, { event_type => 'role_changed' });
    status_is $res, 200;
    is join(' ', map { "$_->{event_type}:" . join '', map { $_ ? 1 : 0 } @$_{qw(inapp_enabled email_enabled whatsapp_enabled muted)} } @{ $res->json }), 'team_added:1001 task_assigned:0001 role_changed:1100',
        'in the order of the request; what is left out keeps its value, or is as recommended';
};

subtest 'every kind of event' => sub {
    my %choice = (event_type => 'team_added', category => 'team', label => 'You were added to a team', inapp_enabled => true, email_enabled => false, whatsapp_enabled => false, muted => true, is_default => false);
    my $all = $bob->get("$base/preferences/v2");
    is scalar(keys %{ $all->json('/preferences') }), 45;
    json_is $all, '/preferences/team_added', \%choice, 'a stored one';
    json_is $all, '/preferences/member_joined/is_default', true, 'and one that is not';
    error_is $bob->put("$base/preferences/v2/nope", { muted => true }), 404, 'NOT_FOUND';
    error_is $bob->put("$base/preferences/v2/team_added", { muted => undef }), 422, 'VALIDATION_ERROR', field => 'muted';
    json_is $bob->put("$base/preferences/v2/team_added", { email_enabled => true }), '', { %choice, email_enabled => true }, 'what is left out keeps its value';
    json_is $bob->put("$base/preferences/v2/goal_assigned", { whatsapp_enabled => true }), '',
        { %choice, event_type => 'goal_assigned', category => 'goals', label => 'You became owner of a goal', email_enabled => true, whatsapp_enabled => true, muted => false }, 'one that was not stored is made';
    my $reset = $bob->post("$base/me/reset");
    status_is $reset, 200;
    is scalar(@{ $reset->json }), 45, 'a reset stores them all';
    is_deeply [ grep { $_->{muted} || $_->{whatsapp_enabled} } @{ $reset->json } ], [], '  as recommended';
    json_is $bob->get("$base/me"), '', $reset->json;
};

subtest 'what is wanted is what comes' => sub {
    my $n = sub ($type, %with) { my $before = list($bob)->json('/total'); notify('bob', $type, %with); list($bob)->json('/total') - $before };
    is $n->('team_added'), 1, 'one that is wanted';
    is $n->('team_added', actor => $w->member_id('bob')), 0, 'not of one\'s own act';
    is $n->('integration_sync_completed'), 0, 'nor where the default is off';
    $bob->put("$base/preferences/v2/team_added", { muted => true });
    is $n->('team_added'), 0, 'nor when muted';
    $bob->put("$base/preferences/v2/team_added", { muted => false, inapp_enabled => false });
    is $n->('team_added'), 0, 'nor when switched off';
    $bob->put("$base/preferences/v2/integration_sync_completed", { inapp_enabled => true });
    is $n->('integration_sync_completed'), 1, 'but when switched on';
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('vera'));
    notify('vera', 'role_changed');
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE member_id = ? AND event_type = 'role_changed'}, undef, $w->member_id('vera')), 0, 'nobody who is deactivated';
    $db->do('UPDATE memberships SET is_active = true WHERE id = ?', undef, $w->member_id('vera'));
};

subtest 'mail' => sub {
    my $at = "$base/email-delivery";
    json_is $bob->get($at), '', { email_delivery_mode => 'instant', digest_frequency_minutes => '60' };
    error_is $bob->put($at, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ email_delivery_mode => {} ], [ email_delivery_mode => { email_delivery_mode => 'never' } ], [ digest_frequency_minutes => { email_delivery_mode => 'digest', digest_frequency_minutes => '45' } ],
            [ digest_frequency_minutes => { email_delivery_mode => 'digest', digest_frequency_minutes => 30 } ];
    json_is $bob->put($at, { email_delivery_mode => 'digest', digest_frequency_minutes => '30' }), '', { email_delivery_mode => 'digest', digest_frequency_minutes => '30' };
    json_is $bob->put($at, { email_delivery_mode => 'instant' }), '', { email_delivery_mode => 'instant', digest_frequency_minutes => '30' }, 'a frequency that is left out stays';
    json_is $bob->get($at), '/digest_frequency_minutes', '30';
    json_is $ann->get($at), '/digest_frequency_minutes', '60', 'another member\'s is another one';
};

subtest 'what is wanted by mail is mailed' => sub {
    $bob->post("$base/me/reset");
    $db->do($_) for q{DELETE FROM jobs WHERE kind = 'mail'}, 'UPDATE notification_inboxes SET mailed = 0';
    my $mails = sub () { return map { "$_->{template} $_->{data}{message}" } $t->mails(to => $w->{bob}->email) };
    notify('bob', 'team_added', title => 'no mail');
    notify('bob', 'goal_assigned', title => 'of mine', actor => $w->member_id('bob'));
    notify('bob', 'goal_assigned', title => 'one');
    is_deeply [ $mails->() ], ['notification one (1 %)'], 'what has mail on, and no other';
    $bob->put("$base/preferences/v2/team_added", { email_enabled => true, inapp_enabled => false });
    notify('bob', 'team_added', title => 'two');
    is_deeply [ $mails->() ], [ 'notification one (1 %)', 'notification two' ], 'without one in the list';
    $bob->put("$base/preferences/v2/goal_assigned", { muted => true });
    notify('bob', 'goal_assigned', title => 'three');
    $bob->put("$base/email-delivery", { email_delivery_mode => 'digest' });
    notify('bob', 'team_added', title => 'four');
    is scalar($mails->()), 2, 'none that is muted, nor at once where they are grouped';
    my ($mail) = $t->mails(to => $w->{bob}->email);
    is_deeply $mail->{data}, { title => 'You became owner of a goal', message => 'one (1 %)', workspace => $db->selectrow_array('SELECT name FROM organizations WHERE id = ?', undef, $w->id) }, 'it says what, and where';
};

# ------------------------------------------------------------------ the stream

# Everything that a stream has said, when there is that in it; undef: it did not come.
sub heard ($s, $pattern, $seconds = 10) {
    my $until = time + $seconds;
    while ($s->{in} !~ $pattern) { return if time > $until || !$s->_read(1) && $s->{is_over} }
    return $s->{in};
}

sub stream ($path, %header) { return Ashlar::Ws->open($t, $path, Upgrade => undef, Connection => 'close', Accept => 'text/event-stream', %header) }

subtest 'the stream' => sub {
    my $at = "$base/stream";
    my %as = (Authorization => 'Bearer ' . $bob->token, 'X-Workspace-Id' => $w->id);
    my $refused = sub ($status, $path, %header) { my $s = stream($path, %header); is $s->status, $status, "$status: $path" or return; ok $s->json->{error}{code}, 'with the body of an error' };
    $refused->(401, $at);
    $refused->(401, "$at?token=x&workspace_id=" . $w->id);
    $refused->(403, $at, %as, Authorization => 'Bearer ' . $eve->token);
    $refused->(403, "$at?token=" . $bob->token . '&workspace_id=' . $x->id);
    $refused->(400, $at, %as, 'X-Workspace-Id' => 'x');
    $refused->(400, $at, %as, 'X-Workspace-Id' => undef);

    my @open = (stream($at, %as), stream("$at?token=" . $bob->token . '&workspace_id=' . $w->id), stream("$at?workspace_id=" . $x->id, %as));
    is $_->status, 200, 'open' for @open;
    is $open[0]->header('Content-Type'), 'text/event-stream';
    like $open[0]->header('Cache-Control'), qr/no-cache|no-store/;
    my $theirs = stream($at, Authorization => 'Bearer ' . $vera->token, 'X-Workspace-Id' => $w->id);
    my $other  = stream($at, Authorization => 'Bearer ' . $eve->token, 'X-Workspace-Id' => $x->id);
    for my $s (@open, $theirs, $other) {
        my $unread = $s == $other ? 0 : ($s == $theirs ? $vera : $bob)->get("$base/unread-count")->json('/count');
        my ($first) = (heard($s, qr/^data: .*\n\n/m) // '') =~ /(event: .*?\n\n)/s;
        like $first, qr/\Aevent: workspace_event\ndata: \{"data": \{"unread_count": $unread, "notification_id": null\},.*"event_type": "notifications_updated"/, 'how things are comes first';
        $s->{in} =~ s/\A.*?^data: .*?\n\n//ms;
    }
    heard($_, qr/^:/m) // fail 'a comment comes' for @open, $theirs, $other;
    pass 'a comment comes from time to time';

    $bob->post("$base/me/reset");
    my $team = $ann->post('/api/v1/teams', { name => 'Crew', member_ids => [ $w->member_id('bob') ] })->json('/id');
    for my $s (@open) {
        my $text = heard($s, qr/event: notification\ndata: .*\n\n/, 10) // '';
        my ($data) = $text =~ /event: notification\ndata: (.*)\n\n/;
        my $told = $data ? Cpanel::JSON::XS->new->utf8->decode($data) : {};
        is_deeply $told, list($bob, limit => 1)->json('/notifications/0'), 'the notification as the list shows it';
        my ($event) = $text =~ /event: workspace_event\ndata: (.*)\n\n/;
        $event = $event ? Cpanel::JSON::XS->new->utf8->decode($event) : {};
        like delete $event->{timestamp}, $MICRO;
        is_deeply $event, { event_type => 'teams_updated', workspace_id => $w->id, actor_id => $w->member_id('ann'), data => { team_id => $team } }, 'and what everybody in the workspace is told';
        unlike $text, qr/event: (?!notification|workspace_event)/, 'no other kinds of events';
    }
    my ($id) = map { $_->{id} } $bob->get("$base/list", query => { unread_only => 'true', limit => 1 })->json('/notifications/0');
    $bob->post("$base/mark-read", { notification_id => $id });
    my $left = $bob->get("$base/unread-count")->json('/count');
    like heard($_, qr/"notification_id": "$id"/) // '', qr/event: workspace_event\ndata: \{"data": \{"unread_count": $left, "notification_id": "$id"\}/, 'what is read on one device is read on the others' for @open[ 0, 1 ];
    $bob->post("$base/mark-read", {});
    ok defined heard($_, qr/"unread_count": 0, "notification_id": null/), '  also all' for @open[ 0, 1 ];
    unlike $theirs->{in}, qr/notifications_updated/, 'nobody else hears of it';
    my ($seen) = $open[0]{in} =~ /.*^id: (\d+)$/ms;
    my $again = stream($at, %as, 'Last-Event-ID' => $seen - 1);
    ok defined heard($again, qr/^id: $seen$/m), 'who comes back hears what they missed';
    my ($first) = $again->{in} =~ /((?:^id: \d+\n)?event: .*?\n\n)/ms;
    like $first, qr/\Aevent: workspace_event\ndata: \{"data": \{"unread_count": 0/, '  behind how things are now';
    like heard($theirs, qr/event: workspace_event\n/, 10) // '', qr/workspace_event/, 'a member who is not meant is told of the workspace';
    unlike $theirs->{in}, qr/event: notification/, '  but no notification of others';
    unlike $other->{in}, qr/event: /, 'another workspace nothing';

    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('vera'));
    ok defined heard($theirs, qr/FORBIDDEN/, 20), 'who is no member any more hears nothing more';
};
