use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail set_tenant);
use Ashlar::Totp 'totp';
use Ashlar::Workspace;

# An account's address becomes another one: who is told, who takes it back, and who gets nothing by it.
my $t    = Api->start(@BEHIND_PROXY, main => 3);
my $db   = $t->db;
my $auth = '/api/v1/auth';
my $NEW  = 'Correct-Horse-9';
my $n    = 0;

# A user who has proved the address, signed in with a password.
sub signed_in ($name) {
    my $email = "$name-" . ++$n . '@example.com';
    my $res   = from($t)->post("$auth/register", { email => $email, password => $PASSWORD });
    status_is $res, 201;
    $db->do('UPDATE users SET is_email_verified = true WHERE email = ?', undef, $email);
    $t->keep_secret($res->json('/access_token'), $res->json('/refresh_token'));
    my $who = from($t, undef, token => $res->json('/access_token'));
    $who->{email} = $email;
    $who->{uuid}  = $res->json('/user/id');
    return $who;
}
sub account ($id) { return $db->selectrow_hashref('SELECT * FROM users WHERE id = ?', undef, $id) }
sub owner_of ($email) { return scalar $db->selectrow_array('SELECT id FROM users WHERE email = ? AND deleted_at IS NULL', undef, $email) }
sub token_to ($email, $template) {
    my $mail = (grep { $_->{to} eq $email && $_->{template} eq $template } $t->mails)[-1] // return;
    $t->keep_secret($mail->{secrets}{token}) if $mail->{secrets}{token};
    return $mail->{secrets}{token};
}
sub change ($who, $email) { return $who->put("$auth/me", { email => $email }) }
sub take_back ($token, %with) { return from($t)->post("$auth/take-back-email", { token => $token, %with }) }
sub sign_in_as ($email, $password) { return from($t)->post("$auth/login", { email => $email, password => $password }) }
sub audited ($id) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = (SELECT public_id FROM users WHERE id = ?) AND action LIKE 'email.%' ORDER BY seq}, undef, $id) } }

subtest 'another address' => sub {
    my ($ann, $bob) = (signed_in('ann'), signed_in('bob'));
    for my $taken ($bob->email, uc($bob->email)) {
        error_is change($ann, $taken), 409, 'CONFLICT', field => 'email', name => 'one that is free';
    }
    json_is change($ann, uc $ann->email), '/email', $ann->email, 'the same one is no change';
    is account($ann->{uuid})->{is_email_verified}, 1;
    is newest_mail($t, $ann->email), undef, '  and nobody is told';
    my $old = $t->client(token => $t->token(bless({ %$ann, id => account($ann->{uuid})->{public_id}, role => 'user', tenant_id => account($ann->{uuid})->{tenant_id}, session => $db->selectrow_array('SELECT id FROM sessions WHERE user_id = ?', undef, $ann->{uuid}) }, ref $ann), iat => time - 7200, exp => time + 600));
    error_is change($old, 'later@example.com'), 403, 'RECENT_SIGN_IN_REQUIRED', name => 'a token of who signed in long ago does not do';
    status_is $old->put("$auth/me", { name => 'Ann' }), 200, '  but for all else';

    json_is change($ann, 'ann.new@example.com'), '/email', 'ann.new@example.com';
    json_is $ann->get("$auth/me"), '/email_verified', false, 'it is unverified';
    ok token_to('ann.new@example.com', 'verify_email'), 'it gets a mail to confirm it';
    ok token_to($ann->email, 'email_changed'), 'and the one before is told';
    like newest_mail($t, $ann->email)->{secrets}{link}, qr{/take-back-email\.html\?token=};
    is $db->selectrow_array(q{SELECT count(*) FROM one_time_tokens WHERE user_id = ? AND kind = 'email_change' AND expires_at - created_at = interval '7 days'}, undef, $ann->{uuid}), 1, 'who can take it back for 7 days';
    status_is sign_in_as('ann.new@example.com', $PASSWORD), 200, 'one signs in with the new one';
    error_is sign_in_as($ann->email, $PASSWORD), 401, 'INVALID_CREDENTIALS', name => '  and no more with the old one';
    is audited($ann->{uuid}), 'email.change';

    my $token = token_to('ann.new@example.com', 'verify_email');
    error_is from($t)->post("$auth/verify-email", { token => $token }), 403, 'AUTHORIZATION_ERROR', message => qr/confirm it there/, name => 'it is confirmed by who is signed in';
    error_is $bob->post("$auth/me/verify-email", { token => $token }), 400, 'TOKEN_INVALID', name => '  to that account';
    status_is $ann->post("$auth/me/verify-email", { token => $token }), 200;
    json_is $ann->get("$auth/me"), '/email_verified', true, '  and nothing ends by that';
    error_is $ann->post("$auth/me/verify-email", { token => $token }), 400, 'TOKEN_INVALID', name => 'once';

    my $carl = signed_in('carl');
    status_is change($carl, 'carl.new@example.com'), 200;
    my $code = newest_mail($t, 'carl.new@example.com')->{secrets}{code};
    status_is $carl->post("$auth/me/verify-email", { email => 'carl.new@example.com', code => $code }), 200, 'by the code, too';
    for my $i (1 .. 9) { change($carl, "carl.$i\@example.com") }
    error_is change($carl, 'carl.10@example.com'), 429, 'RATE_LIMIT_EXCEEDED', name => 'not all day long';
};

subtest 'taken back' => sub {
    my $ann   = signed_in('ann');
    my $thief = $ann;
    my $id    = $ann->{uuid};
    status_is change($thief, 'thief@example.com'), 200;
    my $token = token_to($ann->email, 'email_changed');
    status_is $thief->post("$auth/me/verify-email", { token => token_to('thief@example.com', 'verify_email') }), 200, 'the thief confirms theirs';
    my $totp = $thief->post("$auth/mfa/totp")->json('/secret');
    my $on   = $thief->post("$auth/mfa/totp/verify", { code => totp($totp) });
    status_is $on, 200;
    $t->keep_secret($totp, @{ $on->json('/recovery_codes') });
    $db->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) SELECT tenant_id, 'https://thief.example', 'thief', id FROM users WHERE id = ?}, undef, $id);
    status_is from($t)->post("$auth/register", { email => $ann->email, password => $PASSWORD }), 201, '  and has somebody sit on the address before';
    my $sitter = owner_of($ann->email);

    for my $method (qw(get head)) {
        is $t->client->$method("/take-back-email.html?token=$token")->status, 200, "to open the link changes nothing ($method)";
    }
    json_is from($t)->post("$auth/mailed-link", { token => $token }), '/kind', 'email_change', 'its page learns what it is about';
    json_is from($t)->post("$auth/mailed-link", { token => $token }), '/status', 'pending';
    error_is take_back($_), 400, 'TOKEN_INVALID' for 'x', $token =~ s/.\z/$& eq '_' ? '-' : '_'/er;
    error_is take_back($token, new_password => $_), 422, 'VALIDATION_ERROR', field => 'new_password' for 'short', 'Password123';
    status_is take_back($token, new_password => $NEW), 200;
    my $is = account($id);
    is $is->{email}, $ann->email, 'the address is the account\'s again';
    is $is->{is_email_verified}, 1, '  verified, since who has the mail has it';
    is account($sitter)->{email}, undef, 'who only said that it is theirs has it no more';
    error_is $thief->get("$auth/me"), 401, 'AUTHENTICATION_ERROR', name => 'all sessions end';
    is $db->selectrow_array("SELECT count(*) FROM $_ WHERE user_id = ?", undef, $id), 0, "no $_ of the thief's" for qw(totp_factors recovery_codes identities);
    error_is sign_in_as($ann->email, $PASSWORD), 401, 'INVALID_CREDENTIALS', name => 'nor the password that they may know';
    status_is sign_in_as($ann->email, $NEW), 200;
    is newest_mail($t, $ann->email)->{template}, 'email_taken_back', 'and what has ended stands in a mail';
    is audited($id), 'email.change email.prove email.verify email.take_back';
    error_is take_back($token), 400, 'TOKEN_INVALID', name => 'once';
};

subtest 'of several changes' => sub {
    my $ann = signed_in('ann');
    status_is change($ann, 'first@example.com'), 200;
    status_is $ann->post("$auth/me/verify-email", { token => token_to('first@example.com', 'verify_email') }), 200;
    status_is change($ann, 'second@example.com'), 200;
    my ($oldest, $newest) = (token_to($ann->email, 'email_changed'), token_to('first@example.com', 'email_changed'));
    status_is change($ann, 'third@example.com'), 200;
    is token_to('second@example.com', 'email_changed'), undef, 'a mailbox that has shown nothing is told';
    is newest_mail($t, 'second@example.com')->{template}, 'email_changed', '  without a way back';
    status_is take_back($newest), 200;
    is account($ann->{uuid})->{email}, 'first@example.com';
    is account($ann->{uuid})->{password_hash}, undef, 'without a new password there is none';
    status_is take_back($oldest, new_password => $NEW), 200, 'who was there first is so still';
    is account($ann->{uuid})->{email}, $ann->email;
    error_is take_back($newest), 400, 'TOKEN_INVALID', name => '  and who came behind has nothing any more';
};

subtest 'who shows from outside that they read the new mail' => sub {
    my $ann = signed_in('ann');
    status_is change($ann, 'victim@example.com'), 200;
    status_is from($t)->post("$auth/forgot-password", { email => 'victim@example.com' }), 200;
    status_is from($t)->post("$auth/reset-password", { token => token_to('victim@example.com', 'reset_password'), new_password => $NEW }), 200;
    isnt owner_of('victim@example.com'), $ann->{uuid}, 'gets an account of their own';
    status_is sign_in_as('victim@example.com', $NEW), 200;
    status_is $ann->get("$auth/me"), 200;
    status_is take_back(token_to($ann->email, 'email_changed')), 200, 'and the one that was there gets its address back';
    is account($ann->{uuid})->{email}, $ann->email;
    isnt owner_of('victim@example.com'), undef, '  not theirs';

    my $eve = signed_in('eve');
    status_is change($eve, 'later@example.com'), 200;
    my $token = token_to($eve->email, 'email_changed');
    status_is from($t)->post("$auth/register", { email => $eve->email, password => $PASSWORD }), 201;
    $db->do('UPDATE users SET is_email_verified = true WHERE email = ?', undef, $eve->email);
    error_is take_back($token), 409, 'CONFLICT', name => 'an address that another account has proved meanwhile stays there';
    $db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE kind = 'email_change' AND user_id = ?}, undef, $eve->{uuid});
    error_is take_back($token), 400, 'TOKEN_INVALID', name => 'after 7 days';
};

# An administrator of one workspace never gets somebody's account.
subtest 'another\'s address' => sub {
    my $w = workspace($t, wanda => 'owner', wim => 'admin', will => 'member', kim => 'member', kay => 'member');
    $db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $w->id, $_->uuid) for @$w{qw(wanda wim will kim kay)};
    my $at = sub ($name) { return "$auth/" . $w->{$name}->uuid };
    error_is $w->{wim}->put($at->('will'), { email => 'mine@example.com' }), 403, 'AUTHORIZATION_ERROR', field => 'email', name => 'of an account that others have made';
    $db->do('INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (?, ?, ?)', undef, $w->{$_}->tenant_id, $w->{$_}->uuid, $w->id) for qw(will kim kay);
    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $w->{kim}->uuid);
    error_is $w->{wanda}->put($at->('kim'), { email => 'mine@example.com' }), 403, 'AUTHORIZATION_ERROR', field => 'email', name => 'or whose address its user has proved';
    status_is $w->{kim}->put("$auth/me", { email => 'kim.new@example.com' }), 200;
    error_is $w->{wanda}->put($at->('kim'), { email => 'mine@example.com' }), 403, 'AUTHORIZATION_ERROR', field => 'email', name => '  also when they have another one since';
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'member', 'can_edit_member', true)}, undef, $w->{kay}->tenant_id, $w->id);
    error_is $w->{kay}->put($at->('will'), { email => 'kays@example.com' }), 403, 'AUTHORIZATION_ERROR', field => 'email', message => qr/owners and admins/;
    is account($w->{will}->uuid)->{email}, $w->{will}->email;
    json_is $w->{wim}->put($at->('will'), { email => 'will.right@example.com' }), '/email', 'will.right@example.com', 'but of one that the workspace has made';
    is newest_mail($t, 'will.right@example.com')->{template}, 'activation', 'who waits to activate it gets that mail there';
    is newest_mail($t, $w->{will}->email)->{template}, 'email_changed';
    is token_to($w->{will}->email, 'email_changed'), undef, 'and the one before, which nobody has proved, is told';
};

subtest 'who acts as a user' => sub {
    my $root = $t->user('root', role => 'admin');
    my $ann  = signed_in('ann');
    my ($id) = $db->selectrow_array('SELECT public_id FROM users WHERE id = ?', undef, $ann->{uuid});
    my $as   = $root->post('/api/v1/admin/impersonate/start', { user_id => $id, reason => 'a test' });
    my $token = $as->json('/access_token') // $as->json('/token');
    $t->keep_secret($token);
    error_is $t->client(token => $token)->put("$auth/me", { email => 'root@evil.example' }), 403, 'AUTHORIZATION_ERROR', name => 'changes no address';
};
