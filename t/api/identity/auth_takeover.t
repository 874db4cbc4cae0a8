# A stranger signs up with an address that is not theirs, and waits in the account
# until its owner comes.  The user who proves the address must get an account that
# no other can get into.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Authenticator;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant audit_of newest_mail);
use Ashlar::Token 'mint';
use Ashlar::Totp 'totp';

my $signing = 'the secret that Supabase signs with, 32 bytes or more';
my $issuer  = 'https://project.supabase.example/auth/v1';
my $page    = 'https://app.example.com';
my $OWNERS  = 'The-Owners-Horse-8';
my $auth    = '/api/v1/auth';
my $me      = '/api/v1/app/users/me';
my $t       = Api->start(@BEHIND_PROXY, ENVIRONMENT => 'development', SUPABASE_ISSUER => $issuer, SUPABASE_JWT_SECRET => $signing);
my $db      = $t->db;
my $key     = $t->key(type => 'public', origins => [$page]);
my $secret  = $t->key;
$t->keep_secret($PASSWORD, $OWNERS, $signing);

# ------------------------------------------------------------------ what people do

# A caller on the page, with a token or without one.
sub on_page (%arg) { return from($t, undef, key => $key, origin => $page, %arg) }

sub sign_up ($email, $password = $PASSWORD, %more) {
    my $res = on_page()->post("$auth/register", { email => $email, password => $password, %more });
    $t->keep_secret(grep { defined } @{ $res->json }{qw(access_token refresh_token)});
    return $res;
}

sub login ($email, $password) {
    my $res = on_page()->post("$auth/login", { email => $email, password => $password });
    $t->keep_secret(grep { defined } @{ $res->json }{qw(access_token refresh_token mfa_token)});
    return $res;
}

# A session by a password, as a client.
sub session ($res) { return on_page(token => $res->json('/access_token') // die $res->describe) }

sub passkey ($who) {
    my $device = Ashlar::Authenticator->new(origin => $page);
    status_is $who->post("$auth/passkeys/registration", { credential => $device->create($who->post("$auth/passkeys/registration/options")->json) }), 201, 'a passkey';
    return $device;
}

sub with_passkey ($device) {
    my $guest = on_page();
    my $res   = $guest->post("$auth/passkeys/authentication", { credential => $device->get($guest->post("$auth/passkeys/authentication/options", {})->json) });
    $t->keep_secret(grep { defined } @{ $res->json }{qw(access_token refresh_token)});
    return $res;
}

# Turn the second factor on: its secret, and the recovery codes.
sub second_factor ($who) {
    my $totp = $who->post("$auth/mfa/totp")->json('/secret');
    my $res  = $who->post("$auth/mfa/totp/verify", { code => totp($totp) });
    status_is $res, 200, 'a second factor';
    $t->keep_secret($totp, @{ $res->json('/recovery_codes') });
    $db->do('UPDATE totp_factors SET last_step = 0');
    return ($totp, @{ $res->json('/recovery_codes') });
}

# The secrets of the newest mail to an address.
sub mailed ($email) {
    my $secrets = newest_mail($t, $email)->{secrets};
    $t->keep_secret(values %$secrets);
    return $secrets;
}

sub forgot ($email) {
    on_page()->post("$auth/forgot-password", { email => $email });
    return mailed($email);
}

sub resend ($email) {
    on_page()->post("$auth/resend-verification", { email => $email });
    return mailed($email);
}

sub owner_resets ($email) {
    status_is on_page()->post("$auth/reset-password", { token => forgot($email)->{token}, new_password => $OWNERS }), 200, 'the owner resets the password';
    return;
}

# A token of the foreign issuer for this subject.
sub foreign ($sub, %claim) {
    return on_page(token => mint({ iss => $issuer, aud => 'authenticated', role => 'authenticated', sub => $sub, iat => time, exp => 3600 + time, %claim }, key => $signing));
}

sub user ($email) { return $db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND deleted_at IS NULL AND tenant_id = ?', undef, $email, $t->tenant_id) }
sub rows ($table, $email) { return scalar $db->selectrow_array("SELECT count(*) FROM $table x JOIN users u ON u.id = x.user_id WHERE u.email = ?", undef, $email) }

# An account of another user's address, with all the ways in that there are.
sub squat ($email) {
    my $res    = sign_up($email);
    my $thief  = session($res);
    my $device = passkey($thief);
    my ($totp, @codes) = second_factor($thief);
    my $waiting = login($email, $PASSWORD)->json('/mfa_token');
    return { email => $email, session => $thief, refresh => $res->json('/refresh_token'), passkey => $device, totp => $totp, codes => \@codes, mfa => $waiting };
}

# The same without what costs a hash: the session is not one by password.
sub squat_lightly ($name) {
    my $thief = $t->user($name, columns => { password_hash => user('reset@example.com')->{password_hash} })->with(key => $key, origin => $page);
    my $device = passkey($thief);
    my ($totp) = second_factor($thief);
    return { email => $thief->email, session => $thief, passkey => $device, totp => $totp };
}

# None of which lets a caller in any more.
sub nobody_else_is_in ($thief) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    error_is $thief->{session}->get("$auth/me"), 401, 'AUTHENTICATION_ERROR', name => 'the session has ended';
    error_is on_page()->post("$auth/refresh", { refresh_token => $thief->{refresh} }), 401, 'AUTHENTICATION_ERROR', name => 'the refresh token, too' if $thief->{refresh};
    error_is with_passkey($thief->{passkey}), 401, 'INVALID_CREDENTIALS', name => 'the passkey is worth nothing';
    error_is on_page()->post("$auth/mfa/verify", { mfa_token => $thief->{mfa}, code => totp($thief->{totp}) }), 400, 'TOKEN_INVALID', name => 'nor is a sign-in that had begun' if $thief->{mfa};
    is rows($_, $thief->{email}), 0, "no $_" for qw(passkeys totp_factors recovery_codes);
    return;
}

# ------------------------------------------------------------------ by mail

subtest 'the owner resets the password' => sub {
    my $thief = squat('reset@example.com');
    my ($uuid) = user('reset@example.com')->{id};
    owner_resets('reset@example.com');
    nobody_else_is_in($thief);
    error_is login('reset@example.com', $PASSWORD), 401, 'INVALID_CREDENTIALS', name => 'nor the password';
    my $res = login('reset@example.com', $OWNERS);
    status_is $res, 200, 'the owner signs in';
    ok $res->json('/access_token'), '  and is not asked for the stranger\'s second factor';
    is user('reset@example.com')->{id}, $uuid, 'it is the same account';
    ok user('reset@example.com')->{is_email_verified}, '  whose address is verified';

    my ($proof) = audit_of($t, 'email.prove');
    is_deeply $proof->{details}, { method => 'reset_password', ended => { passkeys => 1, second_factors => 1, recovery_codes => 10, sessions => 1 } }, 'the audit log says what ended';
    my $mail = newest_mail($t, 'reset@example.com');
    is_deeply [ @$mail{qw(template locale data)} ], [ 'ways_in_ended', 'en', { passkeys => 1, second_factors => 1, recovery_codes => 10, sessions => 1 } ], 'and so does a mail';
    is_deeply $mail->{secrets} // {}, {}, '  that opens nothing';

    my $device = passkey(session($res));
    second_factor(session($res));
    owner_resets('reset@example.com');
    status_is with_passkey($device), 200, 'a passkey from after the proof outlives the next reset';
    is login('reset@example.com', $OWNERS)->json('/mfa_required'), true, '  and so does the second factor';
};

subtest 'the owner follows the link that verifies' => sub {
    my $thief = squat_lightly('link');
    status_is on_page()->post("$auth/verify-email", { token => resend('link@example.com')->{token} }), 200;
    nobody_else_is_in($thief);
    status_is login('link@example.com', $OWNERS), 200, 'a password that nobody signed up with again stays';
};

subtest 'or types the code' => sub {
    my $thief = squat_lightly('code');
    status_is on_page()->post("$auth/verify-email", { email => 'code@example.com', code => resend('code@example.com')->{code} }), 200;
    nobody_else_is_in($thief);
};

subtest 'who proves again what was proved loses nothing' => sub {
    my $user = session(sign_up('twice@example.com'));
    my $link = resend('twice@example.com');
    status_is on_page()->post("$auth/reset-password", { token => forgot('twice@example.com')->{token}, new_password => $OWNERS }), 200;
    my $in     = session(login('twice@example.com', $OWNERS));
    my $device = passkey($in);
    error_is on_page()->post("$auth/verify-email", { token => $link->{token} }), 400, 'TOKEN_INVALID', name => 'a mail from before is void';
    status_is $in->get("$auth/me"), 200;
    status_is with_passkey($device), 200;
};

subtest 'an account without anything to end gets no mail' => sub {
    $t->user('plain');
    $db->do(q{UPDATE sessions SET revoked_at = now() WHERE user_id = (SELECT id FROM users WHERE email = 'plain@example.com')});
    owner_resets('plain@example.com');
    is newest_mail($t, 'plain@example.com')->{template}, 'reset_password';
};

# ------------------------------------------------------------------ another issuer's users

subtest 'a token that only claims the address does not share the account' => sub {
    for my $way (qw(reset link code)) {
        my $email  = "claimed-$way\@example.com";
        my $theirs = foreign("claims-$way", email => $email);
        json_is $theirs->get($me), '/email', $email, "$way: a foreign issuer's user has claimed it";
        my $device  = passkey($theirs);
        my $project = $theirs->post('/api/v1/app/projects', { name => 'theirs' })->json('/id');
        my $before  = user($email);
        if ($way eq 'reset') { owner_resets($email) }
        else {
            my $mail = resend($email);
            status_is on_page()->post("$auth/verify-email", $way eq 'link' ? { token => $mail->{token} } : { email => $email, code => $mail->{code} }), 200, 'the owner proves it';
        }
        my $owner = user($email);
        isnt $owner->{id}, $before->{id}, 'the address has moved to a new account';
        ok $owner->{is_email_verified}, '  as verified';
        is rows('identities', $email), 0, '  that no issuer knows';
        is rows('passkeys',   $email), 0, '  without passkeys';
        json_is $theirs->get($me), '/email', undef, 'the issuer\'s user has lost it';
        json_is $theirs->last, '/id', "claims-$way", '  and is who they were';
        status_is $theirs->get("/api/v1/app/projects/$project"), 200, '  with what is theirs';
        is session(with_passkey($device))->get($me)->json('/id'), "claims-$way", '  and their passkey opens their own';
        next if $way ne 'reset';
        my $in = session(login($email, $OWNERS));
        is $in->get($me)->json('/id'), $owner->{public_id}, 'the owner is in an account of their own';
        error_is $in->get("/api/v1/app/projects/$project"), 404, 'NOT_FOUND';
        is_deeply [ map { $_->{details} } audit_of($t, 'user.update') ], [ { email => 'proved by another user', method => 'reset_password' } ], 'the audit log has it';
    }
};

subtest 'what an issuer calls unverified, in whatever way' => sub {
    my $n = 0;
    for my $no (false, 'false', 'False', 'FALSE', 'no', '', 0, 1, undef) {
        $n++;
        json_is foreign("no-$n", email => "no-$n\@example.com", email_verified => $no)->get($me), '/email', undef, 'is not taken: ' . ($no // 'null');
    }
    json_is foreign('yes-1', email => 'yes-1@example.com', email_verified => true)->get($me), '/email', 'yes-1@example.com', 'true';
    json_is foreign('yes-2', email => 'yes-2@example.com', email_verified => 'true')->get($me), '/email', 'yes-2@example.com', 'and "true"';
};

# ------------------------------------------------------------------ where addresses are to be verified

subtest 'whoever proves the address has set the password' => sub {
    set_tenant($t, 'default', email_verification_required => 1);
    my $email = 'pending@example.com';
    my %pending = (message => 'Registration successful. Please check your email to verify your account.', verification_required => true);
    json_is sign_up($email, $PASSWORD, display_name => 'The Thief'), '', \%pending, 'somebody comes first';
    my $first = mailed($email);
    is user($email)->{password_hash}, undef, 'a password that waits is not the account\'s';
    error_is login($email, $PASSWORD), 403, 'EMAIL_NOT_VERIFIED', more => { verification_required => true }, name => '  though whoever knows it learns what is missing';
    error_is login($email, $OWNERS), 401, 'INVALID_CREDENTIALS';

    my $again = sign_up($email, $OWNERS, display_name => 'The Owner', locale => 'de');
    json_is $again, '', \%pending, 'the owner registers again, and reads the same';
    my $mail = newest_mail($t, $email);
    is_deeply [ @$mail{qw(template locale)} ], [qw(verify_email de)], '  and gets a mail that verifies';
    my $second = mailed($email);
    error_is login($email, $OWNERS), 403, 'EMAIL_NOT_VERIFIED', more => { verification_required => true }, name => 'still it has to be proved';
    sign_up($email, 'The-Thiefs-Horse-9');
    status_is on_page()->post("$auth/verify-email", { token => $second->{token} }), 200, 'a third registration does not void the owner\'s mail';

    status_is login($email, $OWNERS), 200, 'the owner\'s password is the account\'s';
    error_is login($email, $_), 401, 'INVALID_CREDENTIALS', name => 'and no other' for $PASSWORD, 'The-Thiefs-Horse-9';
    is_deeply [ @{ user($email) }{qw(full_name locale)} ], [ 'The Owner', 'de' ], 'the name and the language are the owner\'s, too';
    error_is on_page()->post("$auth/verify-email", { token => $_->{token} }), 400, 'TOKEN_INVALID', name => 'the other mails are void' for $first, mailed($email);
    is $db->selectrow_array(q{SELECT count(*) FROM one_time_tokens WHERE used_at IS NOT NULL AND data -> 'registration' IS NOT NULL}), 0, 'and their passwords forgotten';
    status_is login($email, $OWNERS), 200, 'nothing has changed by that';
    is scalar(my @n = audit_of($t, 'user.create_again')), 2, 'the audit log has who registered again';

    json_is sign_up($email, 'Some-Other-Horse-7'), '', \%pending, 'now that it is verified';
    is newest_mail($t, $email)->{template}, 'already_registered', '  the mail says so';
    status_is login($email, $OWNERS), 200;
};

subtest 'the codes of several registrations' => sub {
    my $email = 'codes@example.com';
    my @sent  = map { sign_up($email, $_); mailed($email) } $PASSWORD, $OWNERS, 'The-Thiefs-Horse-9';
    my %known = map { $_->{code} => 1 } @sent;
    my ($wrong) = grep { !$known{$_} } map { sprintf '%06d', $_ } 0 .. 3;
    my $try = sub ($code) { return on_page()->post("$auth/verify-email", { email => $email, code => $code }) };
    error_is $try->($wrong), 400, 'TOKEN_INVALID' for 1 .. 4;
    status_is $try->($sent[1]{code}), 200, 'each is good, whichever is the newest';
    status_is login($email, $OWNERS), 200, '  for its own password';

    $email = 'wrong-codes@example.com';
    @sent  = map { sign_up($email, $_); mailed($email) } $PASSWORD, $OWNERS;
    %known = map { $_->{code} => 1 } @sent;
    ($wrong) = grep { !$known{$_} } map { sprintf '%06d', $_ } 0 .. 2;
    error_is $try->($wrong), 400, 'TOKEN_INVALID' for 1 .. 5;
    status_is $try->($sent[1]{code}), 200, 'nobody spoils a code with wrong ones';
};

subtest 'five registrations wait at most' => sub {
    my $email = 'many@example.com';
    my @sent  = map { sign_up($email, "Horse-Number-$_"); mailed($email) } 1 .. 6;
    error_is on_page()->post("$auth/verify-email", { token => $sent[0]{token} }), 400, 'TOKEN_INVALID', name => 'the sixth voids the first';
    status_is on_page()->post("$auth/verify-email", { token => $sent[1]{token} }), 200, 'and no other';
    status_is login($email, 'Horse-Number-2'), 200;
};

subtest 'a mail that is sent again brings the newest password' => sub {
    my $email = 'again@example.com';
    sign_up($email, $PASSWORD);
    my $first = mailed($email);
    sign_up($email, $OWNERS);
    my $second = mailed($email);
    my $third  = resend($email);
    error_is on_page()->post("$auth/verify-email", { token => $second->{token} }), 400, 'TOKEN_INVALID', name => 'in the place of the one before';
    $db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE used_at IS NULL AND kind = 'verify_email'});
    error_is on_page()->post("$auth/verify-email", { token => $third->{token} }), 400, 'TOKEN_INVALID', name => 'one that has expired';
    status_is on_page()->post("$auth/verify-email", { token => resend($email)->{token} }), 200, '  is replaced by the next';
    status_is login($email, $OWNERS), 200, '  with its password';
};

subtest 'a reset proves the address of who waits, too' => sub {
    my $email = 'waits@example.com';
    sign_up($email);
    my $mail = mailed($email);
    owner_resets($email);
    error_is on_page()->post("$auth/verify-email", { token => $mail->{token} }), 400, 'TOKEN_INVALID', name => 'the mail of the registration is void';
    error_is login($email, $PASSWORD), 401, 'INVALID_CREDENTIALS';
    status_is login($email, $OWNERS), 200;
};

subtest 'a claimed address is registered by its owner' => sub {
    my $theirs = foreign('claims-late', email => 'late@example.com');
    json_is $theirs->get($me), '/email', 'late@example.com';
    sign_up('late@example.com', $OWNERS, display_name => 'The Owner');
    status_is on_page()->post("$auth/verify-email", { token => mailed('late@example.com')->{token} }), 200;
    my $in = session(login('late@example.com', $OWNERS));
    json_is $in->get($me), '/full_name', 'The Owner', 'in an account of their own';
    json_is $theirs->get($me), '/email', undef, 'and not in the other\'s';
};

subtest 'a tenant that does not ask any more takes the password that waits' => sub {
    sign_up('eager@example.com');
    set_tenant($t, 'default', email_verification_required => 0);
    error_is login('eager@example.com', $OWNERS), 401, 'INVALID_CREDENTIALS';
    status_is login('eager@example.com', $PASSWORD), 200;
    like user('eager@example.com')->{password_hash}, qr/\A\$scrypt\$/, 'it is the account\'s now';
    status_is login('eager@example.com', $PASSWORD), 200;
    my $thief = session(login('eager@example.com', $PASSWORD));
    owner_resets('eager@example.com');
    error_is $thief->get("$auth/me"), 401, 'AUTHENTICATION_ERROR', name => 'until somebody proves the address';
};

# ------------------------------------------------------------------ invitations

my $inviter = $t->user('inviter', columns => { is_email_verified => 't' })->with(key => $secret);
my $org     = $inviter->post('/api/v1/organizations', { name => 'Acme', slug => 'acme' })->json('/id');

sub invited ($email) {
    status_is $inviter->post("/api/v1/organizations/$org/invite", { email => $email, role => 'member' }), 201, 'an invitation';
    return mailed($email)->{token};
}

sub accept_by ($who, $token) { return $who->post('/api/v1/organizations/accept-invitation', { token => $token }) }

subtest 'an invitation proves the address, and the session in which it is accepted stays' => sub {
    my $email = 'password@example.com';
    my $thief = squat($email);
    $db->do('DELETE FROM totp_factors');
    my $res = login($email, $PASSWORD);
    my $in  = session($res);
    second_factor($in);
    my $sent = scalar(my @before = $t->mails(to => $email));
    my $token = invited($email);
    status_is accept_by($in, $token), 200, 'with the mailed token, and no second mail';
    ok user($email)->{is_email_verified}, 'the address is verified';
    status_is $in->get("$auth/me"), 200, 'this session goes on';
    my $refreshed = on_page()->post("$auth/refresh", { refresh_token => $res->json('/refresh_token') });
    status_is $refreshed, 200, '  with its refresh token';
    $t->keep_secret(@{ $refreshed->json }{qw(access_token refresh_token)});
    delete $thief->{mfa};
    nobody_else_is_in($thief);
    my $again = login($email, $PASSWORD);
    ok $again->json('/access_token'), 'the password that opened it stays, and the second factor, which did not, is gone';
    my @mails = $t->mails(to => $email);
    is_deeply [ map { $_->{template} } @mails[ $sent .. $#mails ] ], [qw(invitation ways_in_ended)], 'the mails: the invitation, and what ended';
    is_deeply $mails[-1]{data}, { passkeys => 1, second_factors => 1, recovery_codes => 10, sessions => 1 }, '  which is named';
    my ($proof) = audit_of($t, 'email.prove');
    is $proof->{details}{method}, 'invitation', 'the audit log has it';
};

subtest 'one that was opened with the second factor keeps it' => sub {
    my $email = 'factor@example.com';
    my $first = session(sign_up($email));
    my ($totp, @codes) = second_factor($first);
    my $res = on_page()->post("$auth/mfa/verify", { mfa_token => login($email, $PASSWORD)->json('/mfa_token'), code => totp($totp) });
    my $in  = session($res);
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    my $device = passkey($in);
    status_is accept_by($in, invited($email)), 200;
    status_is $in->get("$auth/me"), 200, 'the session stays';
    is rows('totp_factors', $email), 1, 'the second factor, too';
    is rows('recovery_codes', $email), 10, '  with its recovery codes';
    error_is $first->get("$auth/me"), 401, 'AUTHENTICATION_ERROR', name => 'another session does not';
    error_is with_passkey($device), 401, 'INVALID_CREDENTIALS', name => 'nor a passkey';
    is login($email, $PASSWORD)->json('/mfa_required'), true, 'and the password goes on asking for it';
};

subtest 'one that a passkey opened keeps that passkey' => sub {
    my $email = 'key@example.com';
    my $first = session(sign_up($email));
    my ($mine, $other) = map { passkey($first) } 1, 2;
    second_factor($first);
    my $in = session(with_passkey($mine));
    with_passkey($mine);
    status_is accept_by($in, invited($email)), 200;
    status_is $in->get("$auth/me"), 200, 'the session stays';
    status_is with_passkey($mine), 200, 'and its passkey';
    error_is with_passkey($other), 401, 'INVALID_CREDENTIALS', name => 'not another one';
    error_is login($email, $PASSWORD), 401, 'INVALID_CREDENTIALS', name => 'nor the password';
    is rows('totp_factors', $email), 0, 'nor the second factor, which was not asked for';
    is newest_mail($t, $email)->{data}{password}, 1, 'the mail names the password, too';

    $email = 'older-key@example.com';
    $first = session(sign_up($email));
    ($mine, $other) = map { passkey($first) } 1, 2;
    $in = session(with_passkey($mine));
    $db->do('UPDATE sessions SET passkey_id = NULL');
    status_is accept_by($in, invited($email)), 200;
    status_is with_passkey($mine), 200, 'also where the session does not name it, as those of the last release';
    error_is with_passkey($other), 401, 'INVALID_CREDENTIALS';
};

subtest 'another issuer\'s user proves it for themself' => sub {
    my $email  = 'issued@example.com';
    my $theirs = foreign('issued', email => $email);
    my $device = passkey($theirs);
    my $id     = user($email)->{id};
    status_is accept_by($theirs, invited($email)), 200;
    is user($email)->{id}, $id, 'the account keeps the address';
    ok user($email)->{is_email_verified}, '  as verified';
    json_is $theirs->get($me), '/email', $email;
    error_is with_passkey($device), 401, 'INVALID_CREDENTIALS', name => 'and a passkey from before ends';
    is newest_mail($t, $email)->{template}, 'ways_in_ended';
};

subtest 'whoever acts as a user has proved nothing' => sub {
    my $email = 'acted@example.com';
    my $user  = session(sign_up($email));
    my $token = invited($email);
    my $boss  = $t->user('boss', role => 'admin');
    my $acts  = $boss->post('/api/v1/admin/impersonate/start', { user_id => user($email)->{public_id}, reason => 'a test' });
    status_is $acts, 200;
    error_is accept_by(on_page(token => $acts->json('/access_token') // $acts->json('/token')), $token), 403, 'AUTHORIZATION_ERROR', message => qr/verify/;
    ok !user($email)->{is_email_verified};
    status_is $user->get("$auth/me"), 200, 'and nothing has ended';
};

# ------------------------------------------------------------------ at the same moment

# Of two requests the second begins while the first, the owner's reset, waits for the user's row.
sub behind_the_reset ($email, $request) {
    my $token = forgot($email)->{token};
    my $lock  = $t->lock('SELECT FROM users WHERE email = ? FOR UPDATE', $email);
    my @load  = map { my ($n, $each) = @$_; my $l = $t->load(clients => 1, requests => 1, make => sub { on_page() }, each => sub ($c, $x) { $each->($c) });
        eventually { $t->waiting >= $n } 10, $n == 1 ? 'the reset waits' : 'then the stranger'; $l }
        [ 1, sub ($c) { $c->post("$auth/reset-password", { token => $token, new_password => $OWNERS }) } ], [ 2, $request ];
    $lock->commit;
    return join ' ', map { $_->[0] } map { $_->finish } @load;
}

subtest 'a sign-in that began before' => sub {
    my $email = 'race@example.com';
    sign_up($email);
    is behind_the_reset($email, sub ($c) { $c->post("$auth/login", { email => $email, password => $PASSWORD }) }), '200 401', 'is refused';
    is $db->selectrow_array('SELECT count(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL', undef, user($email)->{id}), 0, 'there is no session';
};

subtest 'a passkey that was about to be added' => sub {
    my $email  = 'race-key@example.com';
    my $thief  = session(sign_up($email));
    my $device = Ashlar::Authenticator->new(origin => $page);
    my $made   = $device->create($thief->post("$auth/passkeys/registration/options")->json);
    is behind_the_reset($email, sub ($c) { $thief->with(http => $t->http)->post("$auth/passkeys/registration", { credential => $made }) }), '200 401', 'is refused';
    is rows('passkeys', $email), 0, 'and there is none';
};
