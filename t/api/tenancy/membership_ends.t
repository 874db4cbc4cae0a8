use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Memberships that end at a date: from that moment a guest is nobody, whether a job has come by or not.
my $t     = Api->start(main => 3, worker => 0);
my $db    = $t->db;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $base  = '/api/v1/members';
my $later = '2031-01-31T17:00:00.000000Z';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', gil => 'member', gus => 'admin');
my $x = workspace($t, eve => 'owner');
sub end_of ($name) { return "$base/" . $w->member_id($name) . '/end' }
sub over ($name) { $db->do('UPDATE membership_ends SET ends_at = now() WHERE member_id = ?', undef, $w->member_id($name)); return }
sub stored ($name) { return scalar $db->selectrow_array('SELECT is_active FROM memberships WHERE id = ?', undef, $w->member_id($name)) }
sub names ($res, $in = 'items') { return join ' ', map { $_->{full_name} // $_->{name} } @{ $res->json("/$in") } }
sub audited ($who) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_type = 'member' AND resource_id = ? ORDER BY seq}, undef, $who->id) } }
sub run_job () { $db->do(q{SELECT memberships_end(100)}); return }

subtest 'a date' => sub {
    error_is $w->{$_}->put(end_of('gil'), { ends_at => $later }), 403, 'AUTHORIZATION_ERROR', name => "not by $_" for qw(bob gil);
    error_is $w->{adam}->put(end_of('ann'), { ends_at => $later }), 403, 'AUTHORIZATION_ERROR', name => 'nor of who has a higher role';
    error_is $w->{ann}->put(end_of('ann'), { ends_at => $later }), 409, 'CONFLICT', name => 'an owner has no end';
    error_is $w->{ann}->put("$base/$_/end", { ends_at => $later }), 404, 'NOT_FOUND' for $none, $x->member_id('eve');
    error_is $w->{ann}->put(end_of('gil'), $_), 422, 'VALIDATION_ERROR', field => 'ends_at' for {}, { ends_at => 'x' }, { ends_at => '2020-01-01T00:00:00Z' };
    json_is $w->{adam}->put(end_of('gil'), { ends_at => $later }), '/ends_at', $later;
    json_is $w->{bob}->get("$base/" . $w->member_id('gil')), '/ends_at', $later, 'everybody there sees it';
    json_is $w->{gil}->get('/api/v1/auth/me', query => { workspace_id => $w->id }), '/member/ends_at', qr/\A2031-01-31T17:00:00/;
    json_is $w->{gil}->get("$base/me"), '/is_active', true, 'until then nothing is different';
    json_is $w->{ann}->put(end_of('gil'), { ends_at => undef }), '/ends_at', undef, 'null takes it away';
    is audited($w->{gil}), 'member.end member.end';
    status_is $w->{ann}->put(end_of('gus'), { ends_at => $later }), 200;
    json_is $w->{ann}->put("$base/" . $w->member_id('gus'), { role => 'owner' }), '/ends_at', undef, 'who becomes an owner has none any more';
    status_is $w->{ann}->put("$base/" . $w->member_id('gus'), { role => 'admin' }), 200;
};

subtest 'from that moment' => sub {
    my $gil = $w->{gil};
    status_is $w->{ann}->put(end_of('gil'), { ends_at => $later }), 200;
    json_is $gil->post('/api/v1/workspaces/switch', { workspace_id => $w->id }), '/workspace/id', $w->id;
    over('gil');
    is stored('gil'), 1, 'no job has come by';
    error_is $gil->get("$base/me"), 403, 'AUTHORIZATION_ERROR', name => 'the doors are closed';
    error_is $gil->get('/api/v1/workspaces/' . $w->id), 403, 'AUTHORIZATION_ERROR';
    error_is $gil->get('/api/v1/workspaces/' . $w->id . '/members'), 403, 'AUTHORIZATION_ERROR';
    json_is $gil->get('/api/v1/workspaces'), '/total', 0, 'the workspace is none of theirs';
    json_is $gil->get('/api/v1/auth/me'), '/active_workspace_id', undef;
    error_is $gil->get('/api/v1/auth/' . $w->{bob}->uuid), 404, 'NOT_FOUND', name => 'nor are who is in it';
    is names($w->{bob}->get($base)), 'Adam Ann Bob Gus', 'they are in no list';
    json_is $w->{bob}->get($base), '/total', 4;
    is names($w->{bob}->get($base, query => { search => 'g' })), 'Gus', '  nor found';
    json_is $w->{bob}->get($base, query => { search => 'gil' }), '/total', 0;
    json_is $w->{bob}->get($base, query => { is_active => 'true' }), '/total', 4;
    is names($w->{bob}->get("$base/all"), 'members'), 'Adam Ann Bob Gus';
    is names($w->{bob}->get('/api/v1/workspaces/' . $w->id . '/members'), 'members'), 'Ann Adam Bob Gus';
    error_is $w->{ann}->get("$base/" . $w->member_id('gil')), 404, 'NOT_FOUND';
    json_is $w->{ann}->get('/api/v1/workspaces/' . $w->id), '/member_count', 4, 'nor counted';
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $w->id), 5;
    run_job();
    is stored('gil'), 0, 'the job switches them off for good';
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $w->id), 4;
    is audited($gil), 'member.end member.end member.end member.deactivate', 'which is put down';
    is $db->selectrow_array(q{SELECT actor_type FROM audit_events WHERE action = 'member.deactivate' AND resource_id = ?}, undef, $gil->id), 'system', '  as nobody\'s deed';
    is names($w->{ann}->get($base, query => { is_active => 'false' })), 'Gil';
    json_is $w->{ann}->put("$base/" . $w->member_id('gil'), { is_active => true }), '/ends_at', undef, 'they can be switched on again';
    json_is $gil->get("$base/me"), '/is_active', true;
};

subtest 'who changes the workspace waits for no job' => sub {
    status_is $w->{ann}->put(end_of('gil'), { ends_at => $later }), 200;
    over('gil');
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $w->{ann}->uuid);
    status_is $w->{ann}->post('/api/v1/workspaces/' . $w->id . '/invite', { email => $w->{gil}->email, ends_at => '2031-02-28T17:00:00Z' }), 201, 'a guest is invited anew at once';
    is stored('gil'), 0;
    my ($mail) = grep { $_->{to} eq $w->{gil}->email && $_->{template} eq 'invitation' } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $w->{gil}->uuid);
    status_is $w->{gil}->post('/api/v1/workspaces/accept-invitation', { token => $mail->{secrets}{token} }), 200;
    json_is $w->{gil}->get("$base/me"), '/ends_at', '2031-02-28T17:00:00.000000Z', 'until when the invitation said';

    error_is $w->{ann}->post($base, { email => 'guest@example.com', ends_at => '2020-01-01T00:00:00Z' }), 422, 'VALIDATION_ERROR', field => 'ends_at';
    json_is $w->{ann}->post($base, { email => 'guest@example.com', ends_at => '2031-02-28T17:00:00Z' }), '/ends_at', '2031-02-28T17:00:00.000000Z';
    ($mail) = grep { $_->{to} eq 'guest@example.com' } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    $db->do(q{UPDATE invitation_details SET membership_ends_at = now() WHERE membership_ends_at IS NOT NULL});
    error_is $t->post('/api/v1/workspaces/accept-invitation', { token => $mail->{secrets}{token}, password => 'Correct-Horse-7' }), 410, 'GONE', name => 'an invitation to a time that is over';
    is $db->selectrow_array(q{SELECT count(*) FROM users WHERE email = 'guest@example.com'}), 0, '  makes nobody';
};
