use v5.36;
use lib 't/lib';
use Api;

# Workspaces that an administrator makes for somebody, and how that one comes into their account.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $anon  = $t->client;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $GOOD  = 'Correct-Horse-7';
my $admin = $t->user('admin', role => 'admin', columns => { is_email_verified => 't' });
my $user  = $t->user('user');

sub provision ($who, %with) { return $who->post('/api/v1/workspaces/provision', { workspace_name => 'Dockyard', owner_email => 'olga@example.com', owner_name => 'Olga', %with }) }
sub account ($email) { return $db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND deleted_at IS NULL', undef, $email) }
sub maker ($email) { return scalar $db->selectrow_array('SELECT organization_id FROM account_makers a JOIN users u ON u.id = a.user_id WHERE u.email = ?', undef, $email) }
sub mails ($email) { return grep { $_->{to} eq $email } $t->mails }
sub token_for ($email) {
    my ($mail) = reverse mails($email);
    $t->keep_secret($mail->{secrets}{token});
    return $mail->{secrets}{token};
}
sub validate ($workspace, $token) { return $anon->get('/api/v1/auth/activate/validate', query => { workspace_id => $workspace, token => $token }) }
sub activate ($workspace, $token, %with) { return $anon->post('/api/v1/auth/activate', { workspace_id => $workspace, token => $token, password => $GOOD, %with }) }
sub resend ($email, %with) { return $anon->post('/api/v1/auth/activate/resend', { email => $email, %with }) }

my $there;
subtest 'a workspace for somebody' => sub {
    error_is provision($user), 403, 'AUTHORIZATION_ERROR', name => 'not by a user';
    error_is provision($admin, %$_), 422, 'VALIDATION_ERROR' for { owner_email => 'x' }, { workspace_name => '' }, { slug => 'A b' }, { tier => 'no such plan' };
    is account('olga@example.com'), undef;
    my $made = provision($admin);
    status_is $made, 200;
    $there = $made->json('/workspace/id');
    json_is $made, '', {
        workspace => { id => $UUID, name => 'Dockyard', slug => 'dockyard', description => undef, industry => undef, website => undef, logo_url => undef, timezone => 'UTC', status => 'active', subscription_tier => undef,
            subscription_status => undef, settings => {}, created_at => $MICRO, updated_at => $MICRO, owner_id => account('olga@example.com')->{id}, member_count => 1, role => undef, is_current => false },
        owner => { id => account('olga@example.com')->{id}, email => 'olga@example.com', name => 'Olga', avatar_url => undef }, user_created => true, member_id => $UUID, activation_email_sent => true, activation_url => undef };
    my $is = account('olga@example.com');
    is $is->{password_hash}, undef, 'the account has no password';
    is $is->{default_organization_id}, $there;
    is maker('olga@example.com'), $there;
    is_deeply $db->selectcol_arrayref('SELECT slug FROM recordsets WHERE organization_id = ? AND owner_id = ? ORDER BY slug', undef, $there, $made->json('/member_id')), [qw(contacts operators properties)],
        'it begins with what a sign-up\'s does';
    is_deeply $db->selectcol_arrayref('SELECT name FROM departments WHERE organization_id = ? AND is_default', undef, $there), ['General'];
    my ($mail) = mails('olga@example.com');
    is "$mail->{template} $mail->{data}{organization}", 'activation Dockyard';
    like $mail->{secrets}{link}, qr{/activate\.html\?workspace_id=$there&token=};
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'organization.provision' AND resource_id = ?}, undef, $there), 1;
    error_is provision($admin, slug => 'dockyard'), 409, 'CONFLICT', field => 'slug';

    my $again = provision($admin, workspace_name => 'Second');
    json_is $again, '/user_created', false, 'the next workspace has the same owner';
    json_is $again, '/owner/id', $is->{id};
    json_is $again, '/activation_email_sent', false;
    my $free = $db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free) VALUES (?, 'Tiny', true) RETURNING id}, undef, $admin->tenant_id);
    my $tier = provision($admin, workspace_name => 'Third', owner_email => $user->email, tier => 'tiny');
    json_is $tier, '/workspace/subscription_status', 'active', 'it may begin with a plan';
    json_is $tier, '/user_created', false;
    json_is $user->get('/api/v1/workspaces'), '/total', 1, 'who had an account owns it at once';
    $db->do('UPDATE users SET is_active = false WHERE email = ?', undef, $user->email);
    error_is provision($admin, workspace_name => 'Fourth', owner_email => $user->email), 409, 'CONFLICT', field => 'owner_email';
};

subtest 'activated by the mail' => sub {
    my $token = token_for('olga@example.com');
    for my $method (qw(get head)) {
        status_is $anon->$method("/api/v1/auth/activate/validate?workspace_id=$there&token=$token"), 200;
    }
    json_is validate($there, $token), '', { valid => true, user => { id => $UUID, email => 'olga@example.com', name => 'Olga', avatar_url => undef }, workspace => { id => $there, name => 'Dockyard', slug => 'dockyard', logo_url => undef },
        has_password => false, expires_at => $MICRO }, 'to look uses nothing up';
    error_is validate($none, $token), 400, 'TOKEN_INVALID', name => 'nor of another workspace';
    error_is validate($there, $_), 400, 'TOKEN_INVALID' for 'x', $token =~ s/.\z/$& eq '_' ? '-' : '_'/er;
    error_is validate('x', $token), 422, 'VALIDATION_ERROR', field => 'workspace_id';
    json_is $anon->post('/api/v1/auth/mailed-link', { token => $token }), '/kind', 'activation', 'the page that it opens learns what it is about';
    json_is $anon->post('/api/v1/auth/mailed-link', { token => $token }), '/invitation/organization_name', 'Dockyard';
    error_is activate($there, $token, password => $_), 422, 'VALIDATION_ERROR', field => 'password' for 'short', 'Password123';
    error_is activate($none, $token), 400, 'TOKEN_INVALID';
    my $in = activate($there, $token, name => 'Olga Owner');
    status_is $in, 200;
    json_is $in, '/workspace', { id => $there, name => 'Dockyard', slug => 'dockyard', logo_url => undef };
    json_is $in, '/user/display_name', 'Olga Owner';
    $t->keep_secret($in->json('/access_token'), $in->json('/refresh_token'));
    my $olga = $anon->with(token => $in->json('/access_token'));
    json_is $olga->get('/api/v1/members/me'), '/role', 'owner', 'they are in it, without naming it';
    json_is $olga->get('/api/v1/members/me'), '/workspace_id', $there;
    ok account('olga@example.com')->{is_email_verified}, 'who has the mail has the address';
    error_is activate($there, $token), 400, 'TOKEN_INVALID', name => 'once';
    error_is validate($there, $token), 400, 'TOKEN_INVALID';
    is $anon->post('/api/v1/auth/login', { email => 'olga@example.com', password => $GOOD })->status, 200;
};

subtest 'asked for again' => sub {
    my $id = provision($admin, workspace_name => 'Lost', owner_email => 'lost@example.com')->json('/workspace/id');
    my $old = token_for('lost@example.com');
    my %same = (message => qr/./, success => true);
    json_is resend('nobody@example.com'), '', \%same, 'for nobody';
    json_is resend('olga@example.com'), '', \%same, 'for who is in already';
    json_is resend('lost@example.com', workspace_id => $none), '', \%same, 'for another workspace';
    is scalar(mails('nobody@example.com')) + mails('olga@example.com'), 1, '  no mail goes';
    status_is validate($id, $old), 200;
    json_is resend('Lost@Example.com', workspace_id => $id), '', \%same;
    my $new = token_for('lost@example.com');
    error_is validate($id, $old), 400, 'TOKEN_INVALID', name => 'the one before it is none any more';
    $db->do(q{UPDATE one_time_tokens SET expires_at = now() - interval '1 second' WHERE user_id = ? AND used_at IS NULL}, undef, account('lost@example.com')->{id});
    error_is validate($id, $new), 410, 'GONE', field => 'token';
    error_is activate($id, $new), 410, 'GONE', field => 'token';
    error_is resend('x'), 422, 'VALIDATION_ERROR', field => 'email';
};

subtest 'a link that is passed on' => sub {
    my $made = provision($admin, workspace_name => 'Hand', owner_email => 'hand@example.com', send_activation_email => false);
    my ($id, $url) = ($made->json('/workspace/id'), $made->json('/activation_url'));
    my ($token) = $url =~ /token=([\w-]+)/;
    $t->keep_secret($token);
    like $url, qr{/activate\.html\?workspace_id=$id&token=};
    json_is $made, '/activation_email_sent', false;
    is scalar(mails('hand@example.com')), 0;
    $t->keep_secret($_) for my $in = activate($id, $token)->json('/access_token');
    ok $in;
    ok !account('hand@example.com')->{is_email_verified}, 'it proves no address';
    is maker('hand@example.com'), $id;

    my $late = provision($admin, workspace_name => 'Late', owner_email => 'late@example.com', send_activation_email => false);
    ($token) = $late->json('/activation_url') =~ /token=([\w-]+)/;
    $t->keep_secret($token);
    $db->do(q{UPDATE users SET is_email_verified = true WHERE email = 'late@example.com'});
    error_is activate($late->json('/workspace/id'), $token), 400, 'TOKEN_INVALID', name => 'nor opens it an account whose user has come meanwhile';
    is account('late@example.com')->{password_hash}, undef;
};
