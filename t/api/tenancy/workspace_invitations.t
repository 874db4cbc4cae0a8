use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Invitations to a workspace: who is asked in, what a token proves, and that nobody gets an account by one.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $anon  = $t->client;
my $base  = '/api/v1/workspaces';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $GOOD  = 'Correct-Horse-7';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob) = @$w{qw(ann adam bob)};
my $at = "$base/" . $w->id;

# Who has not proved their own address sends few mails.
sub trusted (@who) { $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $_->uuid) for @who; return }
trusted $ann, $adam;

sub mailed ($email) { return scalar grep { $_->{to} eq $email } $t->mails }

# The token of the newest mail to an address.
sub token_for ($email) {
    my ($mail) = reverse grep { $_->{to} eq $email } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    return $mail->{secrets}{token};
}
sub account ($email) { return $db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND deleted_at IS NULL', undef, $email) }
sub membership ($email, $in = $w->id) {
    return $db->selectrow_hashref(q{SELECT m.*, p.full_name, p.title, p.department, p.invited_by, p.accepted_at FROM memberships m JOIN users u ON u.id = m.user_id
        JOIN member_profiles p ON p.member_id = m.id WHERE u.email = ? AND m.organization_id = ?}, undef, $email, $in);
}
sub details ($token) { return $anon->get("$base/invitation-details", query => { token => $token }) }
sub join_by ($token, %with) { return $anon->post("$base/accept-invitation", { token => $token, %with }) }
sub signs_in ($email, $password = $GOOD) { return $anon->post('/api/v1/auth/login', { email => $email, password => $password })->status }
sub shown ($who, %whose) {
    my $res = $who->post("$at/invite-link", {%whose});
    $t->keep_secret($res->json('/token')) if $res->json('/token');
    return $res;
}
sub audited ($id) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? AND resource_type = 'invitation' ORDER BY seq}, undef, $id) } }
sub maker ($email) { return scalar $db->selectrow_array('SELECT organization_id FROM account_makers a JOIN users u ON u.id = a.user_id WHERE u.email = ?', undef, $email) }
sub pending ($name, %columns) { return $t->user($name, columns => {%columns}) }

subtest 'somebody with an account is invited' => sub {
    my $carl = pending('carl', is_email_verified => 't');
    error_is $w->{$_}->post("$at/invite", { email => $carl->email }), 403, 'AUTHORIZATION_ERROR', name => "not by $_" for qw(bob vera);
    error_is $x->{eve}->post("$at/invite", { email => $carl->email }), 403, 'AUTHORIZATION_ERROR', name => 'nor by who is no member';
    error_is $ann->post("$base/$none/invite", { email => $carl->email }), 404, 'NOT_FOUND';
    error_is $ann->post("$at/invite", { email => 'nobody@example.com' }), 404, 'NOT_FOUND', name => 'nobody without an account';
    error_is $ann->post("$at/invite", $_), 422, 'VALIDATION_ERROR' for {}, { email => 'x' }, { email => $carl->email, role => 'owner' }, { email => $carl->email, message => 'x' x 1001 };
    error_is $ann->post("$at/invite", { email => $bob->email }), 409, 'CONFLICT', field => 'email', name => 'nor a member';
    my $made = $adam->post("$at/invite", { email => uc $carl->email, role => 'admin', message => 'Come, <b>build</b> boats' });
    status_is $made, 201;
    json_is $made, '', { id => $UUID, user_id => undef, workspace_id => $w->id, email => $carl->email, name => undef, avatar_url => undef, role => 'admin', status => 'pending', has_password => false,
        invited_by => { id => $adam->uuid, email => $adam->email, name => 'Adam', avatar_url => undef }, invited_at => $MICRO, invitation_expires_at => $MICRO, accepted_at => undef };
    error_is $adam->post("$at/invite", { email => $carl->email }), 409, 'CONFLICT', field => 'email', name => 'once';
    my ($mail) = reverse grep { $_->{to} eq $carl->email } $t->mails;
    is $mail->{data}{message}, 'Come, <b>build</b> boats', 'the mail says it';
    my $list = $ann->get("$at/members");
    json_is $list, '/pending_count', 1;
    is join(' ', map { $_->{email} } grep { $_->{status} eq 'pending' } @{ $list->json('/members') }), $carl->email, 'the list shows who is invited';
    ok !(grep { $_->{email} eq $carl->email } @{ $ann->get('/api/v1/members')->json('/items') }, @{ $ann->get('/api/v1/members/all')->json('/members') }), 'no other does';
    is membership($carl->email), undef, 'who is nobody here';

    my $token = token_for($carl->email);
    for my $method (qw(get head)) {
        status_is $anon->$method("$base/invitation-details?token=$token"), 200;
    }
    json_is details($token), '', { status => 'pending', email => $carl->email, name => undef, role => 'admin', workspace => { id => $w->id, name => qr/./, slug => qr/./, logo_url => undef },
        invited_by => { id => $adam->uuid, email => $adam->email, name => 'Adam', avatar_url => undef }, requires_password => true, expires_at => $MICRO }, 'to look uses nothing up';
    error_is details($_), 404, 'NOT_FOUND' for 'x', $token =~ s/.\z/$& eq '_' ? '-' : '_'/er;
    error_is $anon->get("$base/invitation-details"), 422, 'VALIDATION_ERROR', field => 'token';

    error_is $bob->post("$base/accept-invitation", { token => $token }), 403, 'AUTHORIZATION_ERROR', name => 'another who is signed in accepts nothing';
    error_is $x->{eve}->post("$base/accept-invitation", { token => $token, password => $GOOD }), 403, 'AUTHORIZATION_ERROR';
    is membership($carl->email), undef;
    is $db->selectrow_array('SELECT status FROM invitations WHERE id = ?', undef, $made->json('/id')), 'pending';
    my $in = $carl->post("$base/accept-invitation", { token => $token });
    json_is $in, '', { message => qr/welcome/, workspace => { id => $w->id, name => qr/./, slug => qr/./, logo_url => undef }, user_id => $carl->uuid, member_id => $made->json('/id'), email => $carl->email, role => 'admin' },
        'who is invited, signed in, does, and is a member by the id that the invitation had';
    error_is $carl->post("$base/accept-invitation", { token => $token }), 409, 'CONFLICT', name => 'once';
    error_is details($token), 409, 'CONFLICT';
    my $is = membership($carl->email);
    is $is->{invited_by}, $adam->uuid, 'their profile says who invited';
    ok $is->{accepted_at};
    is account($carl->email)->{default_organization_id}, $w->id, 'it is the active one of who had none';
    is audited($made->json('/id')), 'invitation.create invitation.accept';
    error_is $ann->post("$base/cancel-invitation", { workspace_id => $w->id, member_id => $made->json('/id') }), 409, 'CONFLICT', name => 'nothing is left to cancel';
};

subtest 'a member who has no account yet' => sub {
    my $in = { email => 'Dora@Example.com', full_name => 'Dora', title => 'Rigger', department => 'Yard', role => 'viewer' };
    error_is $bob->post('/api/v1/members', $in), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->post('/api/v1/members', { %$in, role => 'owner' }), 422, 'VALIDATION_ERROR', field => 'role';
    my $made = $ann->post('/api/v1/members', $in);
    status_is $made, 201;
    my $id = $made->json('/id');
    json_is $made, '', { id => $UUID, user_id => undef, workspace_id => $w->id, email => 'dora@example.com', full_name => 'Dora', display_name => 'Dora', avatar_url => undef, role => 'viewer', title => 'Rigger',
        department => 'Yard', phone => undef, bio => undef, timezone => 'UTC', is_active => false, ends_at => undef, onboarding_completed => false, onboarding_step => 0, tours => {}, team_ids => [], joined_at => undef,
        last_active_at => undef, created_at => $MICRO, updated_at => $MICRO };
    is account('dora@example.com'), undef, 'there is none before they accept';
    error_is $ann->post('/api/v1/members', $in), 409, 'CONFLICT', field => 'email';
    error_is $ann->post('/api/v1/members', { email => $bob->email }), 409, 'CONFLICT', field => 'email';
    error_is $bob->get("/api/v1/members/$id"), 404, 'NOT_FOUND', name => 'nor a member';
    error_is $x->{eve}->put("/api/v1/members/$id", { title => 'x' }), 404, 'NOT_FOUND';

    error_is $bob->put("/api/v1/members/$id", { title => 'x' }), 403, 'AUTHORIZATION_ERROR';
    json_is $adam->put("/api/v1/members/$id", { title => 'Sailor', role => 'member', phone => '1', timezone => 'Europe/Berlin' }), '', { %{ $made->json }, title => 'Sailor', role => 'member', phone => '1', timezone => 'Europe/Berlin', updated_at => $MICRO },
        'it may be changed';
    error_is $ann->put("/api/v1/members/$id", { is_active => true }), 409, 'CONFLICT', field => 'is_active', name => 'but not into a member';
    error_is $ann->put("/api/v1/members/$id", { role => 'owner' }), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->put("/api/v1/members/$id", { title => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    error_is $ann->put("/api/v1/members/$id", { timezone => 'No/Where' }), 422, 'VALIDATION_ERROR', field => 'timezone';

    my $token = token_for('dora@example.com');
    json_is details($token), '/name', 'Dora';
    json_is details($token), '/requires_password', true;
    error_is join_by($token), 400, 'BAD_REQUEST', field => 'password';
    error_is join_by($token, password => $_), 422, 'VALIDATION_ERROR', field => 'password' for 'short', 'nouppercase7', 'Password123';
    is account('dora@example.com'), undef;
    my $done = join_by($token, password => $GOOD);
    status_is $done, 200;
    json_is $done, '/member_id', $id;
    my $is = account('dora@example.com');
    ok $is->{is_email_verified}, 'who has the mail has the address';
    is $is->{full_name}, 'Dora';
    is maker('dora@example.com'), undef, '  and the account is theirs';
    is membership('dora@example.com')->{title}, 'Sailor', 'their profile is as it was said';
    is signs_in('dora@example.com'), 200, 'they sign in';
    error_is join_by($token, password => $GOOD), 409, 'CONFLICT';
    is audited($id), 'invitation.create invitation.role invitation.accept';

    my $quiet = $ann->post('/api/v1/members', { email => 'quiet@example.com', send_email => false });
    status_is $quiet, 201;
    is mailed('quiet@example.com'), 0, 'no mail where none is wanted';
    status_is $ann->post("$at/resend-invitation", { member_id => $quiet->json('/id') }), 200;
    is mailed('quiet@example.com'), 1, '  but later';
};

subtest 'sent again, cancelled, run out' => sub {
    my $zoe  = pending('zoe', is_email_verified => 't', password_hash => 'x');
    my $id   = $ann->post("$at/invite", { email => $zoe->email, message => 'hi' })->json('/id');
    my $old  = token_for($zoe->email);
    error_is $ann->post("$at/resend-invitation", {}), 422, 'VALIDATION_ERROR', field => 'member_id';
    error_is $bob->post("$at/resend-invitation", { member_id => $id }), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->post("$at/resend-invitation", { member_id => $none }), 404, 'NOT_FOUND';
    error_is $x->{eve}->post("$base/" . $x->id . '/resend-invitation', { member_id => $id }), 404, 'NOT_FOUND', name => 'nor one of another workspace';
    error_is $ann->post("$at/resend-invitation", { member_id => $w->member_id('bob') }), 409, 'CONFLICT', name => 'nor to who is in';
    error_is $ann->post("$at/resend-invitation", { user_id => $bob->uuid }), 409, 'CONFLICT';
    error_is $ann->post("$at/resend-invitation", { user_id => $x->{eve}->uuid }), 404, 'NOT_FOUND';
    my $again = $adam->post("$at/resend-invitation", { user_id => $zoe->uuid });
    json_is $again, '', { message => qr/way/, member_id => $id, email => $zoe->email, expires_at => $MICRO, email_sent => true }, 'by the user\'s id, too';
    error_is details($old), 404, 'NOT_FOUND', name => 'the link before it is none any more';
    my $new = token_for($zoe->email);
    json_is details($new), '/requires_password', false, 'who has a password keeps it';

    $db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $id);
    error_is details($new), 410, 'GONE', field => 'token';
    error_is join_by($new), 410, 'GONE', field => 'token';
    status_is $ann->post("$at/resend-invitation", { member_id => $id }), 200, 'what has run out is sent again';
    $new = token_for($zoe->email);
    error_is $bob->post("$base/cancel-invitation", { workspace_id => $w->id, member_id => $id }), 403, 'AUTHORIZATION_ERROR';
    error_is $x->{eve}->post("$base/cancel-invitation", { workspace_id => $w->id, member_id => $id }), 403, 'AUTHORIZATION_ERROR';
    error_is $ann->post("$base/cancel-invitation", { workspace_id => $none, member_id => $id }), 404, 'NOT_FOUND';
    error_is $ann->post("$base/cancel-invitation", { workspace_id => $w->id }), 422, 'VALIDATION_ERROR', field => 'member_id';
    json_is $ann->post("$base/cancel-invitation", { workspace_id => $w->id, user_id => $zoe->uuid }), '', { message => qr/cancelled/, member_id => $id };
    error_is details($new), 410, 'GONE', field => 'token';
    error_is join_by($new, password => $GOOD), 410, 'GONE', field => 'token';
    error_is $ann->post("$base/cancel-invitation", { workspace_id => $w->id, member_id => $id }), 404, 'NOT_FOUND', name => 'once';
    is audited($id), 'invitation.create invitation.resend invitation.resend invitation.cancel';

    for my $way (sub ($id) { $adam->delete("/api/v1/members/$id") }, sub ($id) { $adam->delete("$at/members/$id") }) {
        my $id  = $ann->post("$at/invite", { email => $zoe->email })->json('/id');
        my $tok = token_for($zoe->email);
        error_is $bob->delete("/api/v1/members/$id"), 403, 'AUTHORIZATION_ERROR';
        my $gone = $way->($id);
        json_is $gone, '', { message => qr/cancelled/, member_id => $id, outcome => 'invitation_deleted', user_deleted => false } if $gone->status == 200;
        like $gone->status, qr/20[04]/, 'who is invited is taken out';
        error_is details($tok), 410, 'GONE';
        is account($zoe->email)->{id}, $zoe->uuid, '  and the account stays';
    }
    error_is $ann->delete("/api/v1/members/$id/permanent"), 404, 'NOT_FOUND', name => 'there is no account to end';
    my $last = $ann->post("$at/invite", { email => $zoe->email })->json('/id');
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $w->id);
    error_is details(token_for($zoe->email)), 410, 'GONE', name => 'nor into a workspace that is gone';
    $db->do('UPDATE organizations SET deleted_at = NULL WHERE id = ?', undef, $w->id);
    status_is $ann->delete("/api/v1/members/$last"), 204;
};

subtest 'what a mailed token proves' => sub {
    my $mia = pending('mia', password_hash => 'a stranger\'s');
    $ann->post("$at/invite", { email => $mia->email });
    my $token = token_for($mia->email);
    json_is details($token), '/requires_password', true, 'whoever has signed up with the address has not proved it';
    error_is join_by($token), 400, 'BAD_REQUEST', field => 'password';
    status_is join_by($token, password => $GOOD, name => 'Mia'), 200;
    my $is = account($mia->email);
    ok $is->{is_email_verified};
    is $is->{full_name}, 'Mia';
    is signs_in($mia->email), 200, 'it is the holder\'s from now on';
    error_is $mia->get($base), 401, 'AUTHENTICATION_ERROR', name => '  and what opened it before has ended';

    my $pia = pending('pia', is_email_verified => 't', password_hash => 'her own');
    $ann->post("$at/invite", { email => $pia->email });
    status_is join_by(token_for($pia->email), password => $GOOD), 200;
    is account($pia->email)->{password_hash}, 'her own', 'nobody\'s password becomes another one';
    status_is $pia->get($base), 200, '  and no session ends';

    my $off = pending('off', is_email_verified => 't', password_hash => 'x');
    $ann->post("$at/invite", { email => $off->email });
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $off->uuid);
    error_is join_by(token_for($off->email)), 403, 'AUTHORIZATION_ERROR', name => 'no account that is not active';
};

subtest 'a link that is passed on proves nothing' => sub {
    my $made = $ann->post('/api/v1/members', { email => 'hand@example.com', full_name => 'Hand' })->json('/id');
    my $mail = token_for('hand@example.com');
    error_is shown($bob, member_id => $made), 403, 'AUTHORIZATION_ERROR';
    error_is shown($ann), 422, 'VALIDATION_ERROR', field => 'member_id';
    error_is shown($ann, member_id => $none), 404, 'NOT_FOUND';
    error_is shown($ann, member_id => $w->member_id('bob')), 409, 'CONFLICT';
    my $mails = mailed('hand@example.com');
    my $link  = shown($adam, member_id => $made);
    my $token = $link->json('/token');
    json_is $link, '', { invite_url => qr{/invitation\.html\?token=\Q$token\E\z}, token => qr/./, expires_at => $MICRO, member_id => $made, user_id => undef };
    is mailed('hand@example.com'), $mails, 'no mail goes';
    error_is details($mail), 404, 'NOT_FOUND', name => 'the mailed one is none any more';
    status_is join_by($token, password => $GOOD), 200;
    my $is = account('hand@example.com');
    ok !$is->{is_email_verified}, 'the address is not proved';
    is maker('hand@example.com'), $w->id, '  and the account is the workspace\'s for now';
    is membership('hand@example.com')->{id}, $made;
    is audited($made), 'invitation.create invitation.show invitation.accept';
    json_is $ann->get("/api/v1/members/$made/deletion-info"), '/can_delete_user', true;

    # Whose account it is: a link is neither shown, nor does one that was shown open it.
    my $own = pending('own', password_hash => 'own');
    my $id  = $ann->post("$at/invite", { email => $own->email })->json('/id');
    error_is shown($ann, member_id => $id), 403, 'AUTHORIZATION_ERROR', message => qr/by mail/, name => 'an account of its user\'s own';
    my $soon = $ann->post('/api/v1/members', { email => 'soon@example.com' })->json('/id');
    my $tok  = shown($ann, member_id => $soon)->json('/token');
    my $late = $t->user('soon', columns => { email => 'soon@example.com', password_hash => 'own' });
    error_is join_by($tok, password => $GOOD), 403, 'AUTHORIZATION_ERROR', message => qr/sign in/, name => 'nor one that came meanwhile';
    is account('soon@example.com')->{password_hash}, 'own';
    json_is $anon->post('/api/v1/auth/mailed-link', { token => $tok }), '/invitation/account', 'password', 'the page that it opens says so';
    error_is $anon->post('/api/v1/auth/invitation/register', { token => $tok, password => $GOOD }), 409, 'CONFLICT';
    json_is $late->post("$base/accept-invitation", { token => $tok }), '/member_id', $soon, '  but as who has signed in';
    ok !account('soon@example.com')->{is_email_verified}, 'which proves as little';

    my $page = $ann->post('/api/v1/members', { email => 'page@example.com' })->json('/id');
    my $one  = shown($ann, member_id => $page)->json('/token');
    status_is $anon->post('/api/v1/auth/invitation/register', { token => $one, password => $GOOD }), 201, 'by the page, too';
    ok !account('page@example.com')->{is_email_verified};
    is maker('page@example.com'), $w->id;
    my $both = $ann->post('/api/v1/members', { email => 'both@example.com' })->json('/id');
    shown($ann, member_id => $both);
    status_is $ann->post("$at/resend-invitation", { member_id => $both }), 200;
    status_is join_by(token_for('both@example.com'), password => $GOOD), 200;
    ok account('both@example.com')->{is_email_verified}, 'what was mailed again proves it again';
};

subtest 'who had left comes back' => sub {
    my $v = workspace($t, otto => 'owner', rita => 'admin');
    my $in = "$base/" . $v->id;
    trusted $v->{otto};
    status_is $v->{otto}->delete('/api/v1/members/' . $v->member_id('rita') . '?remove_workspace_member=false'), 204;
    my $made = $v->{otto}->post("$in/invite", { email => $v->{rita}->email, role => 'viewer' });
    status_is $made, 201;
    error_is $v->{rita}->get('/api/v1/members/me'), 403, 'AUTHORIZATION_ERROR';
    json_is $v->{otto}->post("$in/resend-invitation", { member_id => $v->member_id('rita') }), '/member_id', $made->json('/id'), 'the membership\'s id names the invitation, too';
    json_is $v->{rita}->post("$base/accept-invitation", { token => token_for($v->{rita}->email) }), '/member_id', $v->member_id('rita'), 'the membership that was switched off is the one that is on again';
    json_is $v->{rita}->get('/api/v1/members/me'), '/role', 'viewer', '  with the role that the invitation gives';
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $v->id), 2;

    my $later = $v->{otto}->post('/api/v1/members', { email => 'later@example.com' });
    status_is join_by(token_for('later@example.com'), password => $GOOD), 200;
    my $tok = do { status_is $v->{otto}->delete('/api/v1/members/' . $later->json('/id')), 204; $v->{otto}->post('/api/v1/members', { email => 'later@example.com' }); token_for('later@example.com') };
    status_is join_by($tok), 200, 'who was removed is a member anew';
    isnt membership('later@example.com', $v->id)->{id}, $later->json('/id');
};

subtest 'ranks and limits' => sub {
    my $v  = workspace($t, otto => 'owner', rita => 'admin', mark => 'member');
    trusted @$v{qw(otto mark)};
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'member', 'can_create_member', true)}, undef, $v->{otto}->tenant_id, $v->id);
    error_is $v->{mark}->post('/api/v1/members', { email => 'r1@example.com', role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => 'nobody gives a higher role than their own';
    status_is $v->{mark}->post('/api/v1/members', { email => 'r1@example.com', role => 'member' }), 201, 'who may add members adds their like';
    $db->do(q{INSERT INTO invitations (tenant_id, organization_id, email, role, token_hash, expires_at)
              SELECT ?, ?, 'p' || n || '@example.com', 'member', sha256(n::text::bytea), now() + CASE WHEN n > 99 THEN -interval '1 hour' ELSE interval '1 hour' END FROM generate_series(1, 120) n}, undef, $v->{otto}->tenant_id, $v->id);
    error_is $v->{otto}->post('/api/v1/members', { email => 'one-more@example.com' }), 409, 'CONFLICT', message => qr/100/, name => '100 that can be accepted, and no more';
    is $db->selectrow_array(q{SELECT count(*) FROM invitations WHERE organization_id = ? AND status = 'expired'}, undef, $v->id), 0, 'what has run out stays as it is';
    $db->do(q{UPDATE invitations SET expires_at = now() - interval '1 hour' WHERE organization_id = ? AND email = 'p1@example.com'}, undef, $v->id);
    status_is $v->{otto}->post('/api/v1/members', { email => 'p1@example.com' }), 201, '  until its address is invited again';

    my $twin = $t->user('twin', columns => { is_email_verified => 't' });
    my $z = workspace($t, zed => 'owner');
    $z->{zed}->post("$base/" . $z->id . '/invite', { email => $twin->email });
    my $tok = token_for($twin->email);
    is join(' ', map { $twin->post("$base/accept-invitation", { token => $tok })->status } 1 .. 3), '200 409 409', 'an invitation is accepted once';
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $z->id), 2;
};
