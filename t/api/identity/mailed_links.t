# What the pages behind mailed links ask: the token alone tells the tenant.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD audit_of from newest_mail set_tenant sign_in);
use Ashlar::Totp 'totp';

my $t     = Api->start(@BEHIND_PROXY, MAIL_FROM => 'Ashlar Inc. <no-reply@ashlar.example>');
my $db    = $t->db;
my $auth  = '/api/v1/auth';
my $orgs  = '/api/v1/organizations';
my $key   = $t->key(tenant => 'acme');
my $owner = $t->user('owner', tenant => 'acme', columns => { is_email_verified => 't', full_name => 'Olga Owner' })->with(key => $key);
my $acme  = $owner->post($orgs, { name => 'Works <b>', slug => 'acme' })->json('/id');
set_tenant($t, 'acme', email_from_name => 'Acme', logo_url => 'https://acme.example/logo.png', brand_color => '#aa0000', support_email => 'help@acme.example');
my %brand = (name => 'Acme', logo_url => 'https://acme.example/logo.png', color => '#aa0000', support_email => 'help@acme.example');

sub invited ($email, $role = 'developer') {
    my $res = $owner->post("$orgs/$acme/invite", { email => $email, role => $role });
    status_is $res, 201;
    my $token = newest_mail($t, $res->json('/email'))->{secrets}{token};
    $t->keep_secret($token);
    return $token;
}

sub look ($token) { return $t->post("$auth/mailed-link", { token => $token }) }
sub at ($what, $token, %more) { return from($t)->post("$auth/invitation/$what", { token => $token, %more }) }
sub user ($email) { return $db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND tenant_id = ? AND deleted_at IS NULL', undef, $email, $owner->tenant_id) }
sub role_of ($email) { return scalar $db->selectrow_array('SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = ? AND m.organization_id = ?', undef, $email, $acme) }
sub rows ($table) { return scalar $db->selectrow_array("SELECT count(*) FROM $table") }
sub expire ($email) { return $db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE email = ?}, undef, $email) }
# Another token of the same form.
sub altered ($token) { return substr($token, 0, -1) . (substr($token, -1) eq 'A' ? 'Q' : 'A') }

# An account with $PASSWORD, verified.
sub account ($email) {
    my $res = sign_in($t, $email, key => $key);
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    $db->do('UPDATE users SET is_email_verified = true WHERE email = ?', undef, $email);
    return $t->client(key => $key, token => $res->json('/access_token'));
}

subtest 'what is no token' => sub {
    my $token = invited('nobody@example.com');
    my %more  = (password => $PASSWORD);
    for my $bad ('x', 'A' x 64, altered($token), lc $token) {
        error_is look($bad), 400, 'TOKEN_INVALID';
        error_is at($_, $bad, %more), 400, 'TOKEN_INVALID', name => $_ for qw(sign-in register decline);
        body_unlike look($bad), qr/Acme|Works|Olga/;
    }
    error_is $t->post("$auth/mailed-link", {}), 422, 'VALIDATION_ERROR', field => 'token';
    error_is $t->post("$auth/invitation/register", { token => $token }), 422, 'VALIDATION_ERROR', field => 'password';
    status_is $t->get("$auth/mailed-link?token=$token"), 405, 'in a URL there is no token';
    is user('nobody@example.com'), undef, 'nobody was made';
    expire('nobody@example.com');
    error_is at($_, $token, %more), 400, 'TOKEN_INVALID', name => "$_: too old" for qw(sign-in register decline);
};

subtest 'whose mail it was, and who invites to what' => sub {
    my $token = invited('ada@example.com');
    my %invitation = (organization_name => 'Works <b>', invited_by => 'Olga Owner', email => 'ada@example.com', role => 'developer', account => 'none', expires_at => $TIME);
    my %all = (kind => 'invitation', status => 'pending', locale => 'en', brand => \%brand, invitation => \%invitation);
    json_is look($token), '', \%all for 1, 2;
    body_unlike $t->last, qr/"id"|user_/, 'no id of anything';

    my $ada = account('ada@example.com');
    $db->do(q{UPDATE users SET locale = 'de-AT' WHERE email = 'ada@example.com'});
    json_is look($token), '', { %all, locale => 'de-AT', invitation => { %invitation, account => 'password' } }, 'an account with exactly this address';
    $db->do(q{UPDATE users SET is_email_verified = false WHERE email = 'ada@example.com'});
    json_is look($token), '/invitation/account', 'none', 'which nobody has proved is none';
    $db->do(q{UPDATE users SET is_email_verified = true, password_hash = NULL WHERE email = 'ada@example.com'});
    json_is look($token), '/invitation/account', 'other', 'without a password';
    expire('ada@example.com');
    json_is look($token), '', { %all, locale => 'de-AT', status => 'expired', invitation => undef }, 'what is over is told no more';
};

subtest 'the other mails' => sub {
    set_tenant($t, 'acme', email_verification_required => 't');
    status_is from($t, undef, key => $key)->post("$auth/register", { email => 'vera@example.com', password => $PASSWORD, locale => 'de' }), 201;
    my $token = newest_mail($t, 'vera@example.com')->{secrets}{token};
    $t->keep_secret($token);
    json_is look($token), '', { kind => 'verify_email', status => 'pending', locale => 'de', brand => \%brand, invitation => undef };
    status_is from($t)->post("$auth/verify-email-with-token", { token => $token }), 200;
    json_is look($token), '/status', 'used';
    set_tenant($t, 'acme', email_verification_required => 'f');

    status_is from($t, undef, key => $key)->post("$auth/forgot-password", { email => 'vera@example.com' }), 200;
    $token = newest_mail($t, 'vera@example.com')->{secrets}{token};
    $t->keep_secret($token);
    json_is look($token), '/kind', 'reset_password';
    $db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE kind = 'reset_password'});
    json_is look($token), '/status', 'expired';

    my $boss = $t->team('boss', role => 'owner', tenant => 'acme');
    status_is $boss->post('/api/v1/dashboard/team/invitations', { email => 'new@team.example.com', role => 'admin' }), 201;
    $token = newest_mail($t, 'new@team.example.com')->{secrets}{token};
    $t->keep_secret($token);
    json_is look($token), '', {
        kind => 'team_invitation', status => 'pending', locale => 'en', brand => \%brand,
        invitation => { organization_name => 'acme', invited_by => 'Boss', email => 'new@team.example.com', role => 'admin', account => 'none', expires_at => $TIME },
    };
    error_is at('decline', $token), 400, 'TOKEN_INVALID', name => 'which is no invitation to an organization';

    status_is from($t)->post('/api/v1/tenant-auth/forgot-password', { email => 'boss@team.example.com' }), 200;
    $token = newest_mail($t, 'boss@team.example.com')->{secrets}{token};
    $t->keep_secret($token);
    json_is look($token), '/kind', 'team_reset';

    status_is from($t)->post("$auth/register", { email => 'dee@example.com', password => $PASSWORD }), 201;
    status_is from($t)->post("$auth/forgot-password", { email => 'dee@example.com' }), 200;
    $token = newest_mail($t, 'dee@example.com')->{secrets}{token};
    $t->keep_secret($token);
    json_is look($token), '/brand/name', 'Ashlar Inc.', 'the default tenant has the name of MAIL_FROM';
};

subtest 'who has no account registers, and is in' => sub {
    my $token = invited('new@example.com');
    error_is at(register => $token, password => 'short'), 422, 'VALIDATION_ERROR', field => 'password';
    is user('new@example.com'), undef;
    my $mails = () = $t->mails;
    my $res   = at(register => $token, password => $PASSWORD, display_name => 'New One', locale => 'de');
    status_is $res, 201;
    json_is $res, '', { id => $acme, name => 'Works <b>', slug => 'acme', description => undef, logo_url => undef, role => 'developer', created_at => $TIME };
    my $new = user('new@example.com');
    is "@$new{qw(full_name locale is_email_verified)}", 'New One de 1', 'with a verified address';
    is $new->{email_key}, 'new@example.com', '  which is found';
    is role_of('new@example.com'), 'developer';
    is scalar(() = $t->mails), $mails, 'and no second mail';
    my $in = from($t, undef, key => $key)->post("$auth/login", { email => 'new@example.com', password => $PASSWORD });
    status_is $in, 200, 'the password lets in';
    $t->keep_secret(@{ $in->json }{qw(access_token refresh_token)});
    is((audit_of($t, 'invitation.accept'))[0]{actor_id}, $new->{public_id}, 'the audit log has who it was');
    error_is at(register => $token, password => $PASSWORD), 400, 'TOKEN_INVALID', name => 'it is good once';
    json_is look($token), '/status', 'used';
};

subtest 'an account that is somebody\'s is not taken over' => sub {
    my $ben   = account('ben@example.com');
    my $token = invited('ben@example.com');
    my $hash  = user('ben@example.com')->{password_hash};
    error_is at(register => $token, password => 'Another-Horse-8'), 409, 'CONFLICT', field => 'token';
    is user('ben@example.com')->{password_hash}, $hash, 'its password stays';
    is role_of('ben@example.com'), undef;

    error_is at('sign-in' => $token, password => 'Wrong-Horse-7'), 401, 'INVALID_CREDENTIALS';
    is $db->selectrow_array(q{SELECT max(tries) FROM rate_limits WHERE name = 'login' AND tenant_id = ? AND subject = 'account:ben@example.com'}, undef, $owner->tenant_id), 1, 'which counts as a wrong password anywhere';
    my $res = at('sign-in' => $token, password => $PASSWORD);
    status_is $res, 200;
    json_is $res, '/user/email', 'ben@example.com';
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    error_is at(accept => $token), 401, 'AUTHENTICATION_ERROR', name => 'the token alone does not accept for it';
    my $in = $t->client(token => $res->json('/access_token'));
    error_is $in->post("$auth/invitation/accept", { token => altered($token) }), 400, 'TOKEN_INVALID';
    my $eve = $t->user('eve', tenant => 'other', columns => { email => 'ben@example.com', is_email_verified => 't' });
    error_is $eve->post("$auth/invitation/accept", { token => $token }), 400, 'TOKEN_INVALID', name => 'nor does the same address in another tenant';
    error_is $owner->post("$auth/invitation/accept", { token => $token }), 403, 'AUTHORIZATION_ERROR', name => 'nor another account';
    status_is $in->post("$auth/invitation/accept", { token => $token }), 200;
    is role_of('ben@example.com'), 'developer';
};

subtest 'one that a stranger waits in is the mail\'s reader\'s from now on' => sub {
    my $res = sign_in($t, 'squat@example.com', key => $key);
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    my $thief = $t->client(key => $key, token => $res->json('/access_token'));
    my $token = invited('squat@example.com');
    status_is at(register => $token, password => 'Another-Horse-8'), 201;
    error_is $thief->get("$auth/me"), 401, 'AUTHENTICATION_ERROR', name => 'the stranger is out';
    error_is from($t, undef, key => $key)->post("$auth/login", { email => 'squat@example.com', password => $PASSWORD }), 401, 'INVALID_CREDENTIALS', name => '  with the password';
    is role_of('squat@example.com'), 'developer';
    is newest_mail($t, 'squat@example.com')->{template}, 'ways_in_ended', 'and a mail says what has ended';
};

subtest 'one that was deactivated stays so' => sub {
    my $token = invited('off@example.com');
    $t->user('off', tenant => 'acme', columns => { is_active => 'f' });
    error_is at(register => $token, password => $PASSWORD), 403, 'AUTHORIZATION_ERROR', message => qr/not active/;
    is role_of('off@example.com'), undef;
};

subtest 'nor is anybody let into a tenant that is' => sub {
    my $token = invited('closed@example.com');
    $db->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $owner->tenant_id);
    error_is at($_, $token, password => $PASSWORD), 400, 'TOKEN_INVALID', name => $_ for qw(register sign-in);
    is user('closed@example.com'), undef;
    $db->do('UPDATE tenants SET is_active = true WHERE id = ?', undef, $owner->tenant_id);
    status_is at(register => $token, password => $PASSWORD), 201;
};

subtest 'the second factor is asked for' => sub {
    my $cy    = account('cy@example.com');
    my $totp  = $cy->post("$auth/mfa/totp")->json('/secret');
    $t->keep_secret($totp);
    my $codes = $cy->post("$auth/mfa/totp/verify", { code => totp($totp, -1) });
    status_is $codes, 200;
    $t->keep_secret(@{ $codes->json('/recovery_codes') });
    my $token = invited('cy@example.com');
    my $res   = at('sign-in' => $token, password => $PASSWORD);
    json_is $res, '/mfa_required', true;
    $t->keep_secret($res->json('/mfa_token'));
    my $in = from($t)->post("$auth/mfa/verify", { mfa_token => $res->json('/mfa_token'), code => totp($totp) });
    status_is $in, 200, 'without a key, as the page has none';
    $t->keep_secret(@{ $in->json }{qw(access_token refresh_token)});
    status_is $t->client(token => $in->json('/access_token'))->post("$auth/invitation/accept", { token => $token }), 200;
};

subtest 'whoever holds the token declines' => sub {
    my $token = invited('no@example.com');
    status_is at('decline', $token), 200;
    is $db->selectrow_array(q{SELECT status FROM invitations WHERE email = 'no@example.com'}), 'rejected';
    error_is at('decline', $token), 400, 'TOKEN_INVALID';
    error_is at(register => $token, password => $PASSWORD), 400, 'TOKEN_INVALID';
    json_is look($token), '/invitation', undef;
};

subtest 'two at once make one account' => sub {
    my $token = invited('twice@example.com');
    my $lock  = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $acme);
    my @loads = map {
        $t->load(clients => 1, requests => 1, make => sub { from($t) }, each => sub ($c, $n) { $c->post("$auth/invitation/register", { token => $token, password => $PASSWORD }) });
    } 1, 2;
    eventually { $t->waiting == 2 } 20, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @loads), '201 400';
    is $db->selectrow_array(q{SELECT count(*) FROM users WHERE email = 'twice@example.com'}), 1;
};
