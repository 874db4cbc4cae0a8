# The pages that mailed links open, in Chromium: who is invited registers, signs in or
# declines; each page is in the tenant's name and the mail's language.  And the page to
# pick a workspace, which is made as they are.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail set_tenant);
use Ashlar::Totp 'totp';
use Ashlar::Workspace;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Digest::SHA 'hmac_sha256';
use MIME::Base64 'encode_base64url';

my $t     = Api->start(@BEHIND_PROXY);
my $db    = $t->db;
my $key   = $t->key(tenant => 'acme');
my $owner = $t->user('owner', tenant => 'acme', columns => { is_email_verified => 't', full_name => '<b>Olga</b> www.evil.example' })->with(key => $key);
my $name  = 'http://evil.example/ <a href="https://evil.example">free</a>';
my $acme  = $owner->post('/api/v1/organizations', { name => $name, slug => 'acme' })->json('/id');
my $logo  = 'https://cdn.acme.example/favicon.svg';
set_tenant($t, 'acme', email_from_name => 'Acme Werke', logo_url => $logo, brand_color => '#aa0000');

my ($spki) = qx(openssl x509 -in $t->{dir}/cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64) =~ /(\S+)/;

# One Chromium for all visits.  Tokens go through its pipes alone: none may be in a log.
pipe my $in, my $visits or die "pipe: $!\n";
pipe my $seen, my $out or die "pipe: $!\n";
my $task = encode_json({ listen => "127.0.0.1:$t->{https_port}", spki => $spki, hosts => ['cdn.acme.example'] });
my $chromium = Ashlar::Process->start(cmd => [ 'node', 't/clients/mailed.mjs', $task ], env => { Ashlar::Answers::env() }, log => "$t->{dir}/mailed.err", stdin => $in, stdout => $out);
close $_ or die "close: $!\n" for $in, $out;
$visits->autoflush;

# What Chromium saw at these visits.
sub visits (@visits) {
    print $visits encode_json(\@visits), "\n";
    my $said = readline $seen;
    return @{ decode_json($said) } if defined $said;
    die "Chromium: ", do { open my $err, '<:raw', "$t->{dir}/mailed.err" or die "mailed.err: $!\n"; local $/ = undef; <$err> // '' }, "\n";
}

END {
    my $status = $?;
    if ($chromium) {
        close $visits;
        $chromium->wait_for(30);    # it closes the browser, which is in a group of its own
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

# The link in the newest mail to a recipient.
sub link_to ($email) {
    my $secrets = newest_mail($t, $email)->{secrets};
    $t->keep_secret($secrets->{token});
    return $secrets->{link};
}

sub invited ($email) {
    status_is $owner->post("/api/v1/organizations/$acme/invite", { email => $email, role => 'developer' }), 201;
    return link_to($email);
}

sub account ($email, $locale = 'en') {
    my $res = from($t, undef, key => $key)->post('/api/v1/auth/register', { email => $email, password => $PASSWORD, locale => $locale });
    status_is $res, 201;
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    $db->do('UPDATE users SET is_email_verified = true WHERE email = ?', undef, $email);
    return $t->client(key => $key, token => $res->json('/access_token'));
}

sub role_of ($email) { return scalar $db->selectrow_array('SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = ? AND m.organization_id = ?', undef, $email, $acme) }
sub sessions ($email) { return scalar $db->selectrow_array('SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = ? AND s.revoked_at IS NULL', undef, $email) }

# Of every visit: nothing went wrong, and nothing but the logo was asked for elsewhere.
sub quiet_ok ($seen, $elsewhere = [ [ $logo, '' ] ]) {
    is_deeply $seen->{errors},  [],         'no error in the console';
    is_deeply $seen->{outside}, $elsewhere, 'nothing from elsewhere but the logo, which is not told from where';
    is scalar(grep { $_->{url} =~ /token|[?#]./ } @{ $seen->{pages} }), 0, 'and no token in the address bar';
    return;
}

# It is in the tenant's name.
sub branded_ok ($page, $language) {
    is $page->{logo}, $logo, 'the tenant\'s logo';
    like $page->{title}, qr/ · Acme Werke\z/, '  its name';
    is $page->{color}, 'rgb(170, 0, 0)', '  its color' if @{ $page->{buttons} };
    is $page->{on_color}, 'rgb(255, 255, 255)', '  with letters that can be read on it' if @{ $page->{buttons} };
    is $page->{language}, $language, "in the mail's language: $language";
    return;
}

subtest 'who has no account registers and accepts' => sub {
    my $link = invited('new@example.com');
    my ($seen) = visits({ url => $link, locale => 'de-AT', logo => true, steps => [
        { fill => { password => 'short' }, click => 'Create account and accept' },
        { fill => { password => $PASSWORD, display_name => 'New One' }, click => 'Create account and accept' },
    ] });
    quiet_ok($seen);
    my ($first, $weak, $done) = @{ $seen->{pages} };
    branded_ok($first, 'en');
    is $first->{heading}, "Your invitation to $name", 'to what';
    like $first->{text}, qr/\A<b>Olga<\/b> www\.evil\.example has invited you to join \Q$name\E, as developer\. The invitation is for new\@example\.com\./, '  by whom, as what, and whose it is';
    is $first->{markup}, 0, '  as text';
    is_deeply $first->{inputs}, [qw(email display_name password)];
    is_deeply $first->{buttons}, [ 'Create account and accept', 'Decline' ];
    like $weak->{said}, qr/\AThis password is not good enough: /, 'a weak password is refused';
    is $done->{said}, "You are in $name now. Sign in to the application as usual.", 'a good one is not';
    is $done->{text}, '', '  and there is nothing left to do';
    is role_of('new@example.com'), 'developer';
    is_deeply [ $db->selectrow_array(q{SELECT full_name, locale, is_email_verified FROM users WHERE email = 'new@example.com'}) ], [ 'New One', 'de-AT', 1 ], 'an account in the reader\'s language';
};

subtest 'who has one signs in and accepts' => sub {
    account('anna@example.com', 'de');
    my $before = sessions('anna@example.com');
    my ($seen) = visits({ url => invited('anna@example.com'), locale => 'en-US', logo => true, steps => [
        { fill => { password => 'Wrong-Horse-7' }, click => 'Anmelden und annehmen' },
        { fill => { password => $PASSWORD }, click => 'Anmelden und annehmen' },
    ] });
    quiet_ok($seen);
    my ($first, $wrong, $done) = @{ $seen->{pages} };
    branded_ok($first, 'de');
    like $first->{text}, qr/ lädt Sie ein, als Entwickler in \Q$name\E mitzuarbeiten/;
    is_deeply $first->{inputs}, [qw(email password)];
    is $wrong->{said}, 'Das ist nicht das Passwort.';
    is $done->{said}, "Sie sind jetzt in $name. Melden Sie sich bei der Anwendung an wie gewohnt.";
    is role_of('anna@example.com'), 'developer';
    is sessions('anna@example.com'), $before, 'the page leaves no session behind';
};

subtest 'with a second factor, too' => sub {
    my $cy   = account('cy@example.com');
    my $totp = $cy->post('/api/v1/auth/mfa/totp')->json('/secret');
    my $on   = $cy->post('/api/v1/auth/mfa/totp/verify', { code => totp($totp, -1) });
    status_is $on, 200;
    $t->keep_secret($totp, my @codes = @{ $on->json('/recovery_codes') });
    my ($seen) = visits({ url => invited('cy@example.com'), locale => 'en-US', steps => [
        { fill => { password => $PASSWORD }, click => 'Sign in and accept' },
        { fill => { code => '000 000' }, click => 'Accept' },
        { fill => { code => $codes[0] }, click => 'Accept' },
    ] });
    my (undef, $asked, $wrong, $done) = @{ $seen->{pages} };
    is_deeply $asked->{inputs}, ['code'], 'it is asked for';
    is $wrong->{said}, 'This is not the code. Try another one.';
    like $done->{said}, qr/\AYou are in /;
    is role_of('cy@example.com'), 'developer';
};

subtest 'who does not want to declines' => sub {
    my ($seen) = visits({ url => invited('no@example.com'), locale => 'en-US', logo => true, steps => [ { click => 'Decline' } ] });
    quiet_ok($seen);
    is $seen->{pages}[1]{said}, 'You have declined the invitation.';
    is $db->selectrow_array(q{SELECT status FROM invitations WHERE email = 'no@example.com'}), 'rejected';
};

subtest 'who signs in elsewhere is told the code' => sub {
    account('google@example.com');
    $db->do(q{UPDATE users SET password_hash = NULL WHERE email = 'google@example.com'});
    my $link = invited('google@example.com');
    my ($token) = $link =~ /token=(.+)/;
    my ($seen) = visits({ url => $link, locale => 'en-US' });
    like $seen->{pages}[0]{text}, qr/\Q$token\E/;
    is_deeply $seen->{pages}[0]{buttons}, ['Decline'];
};

subtest 'no more mails of a kind' => sub {
    my $w    = workspace($t, otto => 'owner');
    my $part = encode_base64url(join ' ', $w->{otto}->tenant_id, $w->id, $w->member_id('otto'), 'goal_assigned');
    my $token = "$part." . encode_base64url(hmac_sha256($part, hmac_sha256('ashlar text unsubscribe', $t->{env}{JWT_SECRET})));    # as the worker makes it
    $t->keep_secret($token);
    my $wants = sub () { $w->{otto}->get('/api/v1/notifications/preferences/v2')->json('/preferences/goal_assigned/email_enabled') };
    my $url   = "https://localhost:$t->{https_port}/unsubscribe.html?token=$token";
    my ($looks) = visits({ url => $url, locale => 'de-AT' });
    quiet_ok($looks, []);
    is_deeply $looks->{pages}[0]{buttons}, ['Keine E-Mails mehr'];
    ok $wants->(), 'to open the page changes nothing';
    my ($clicks) = visits({ url => $url, locale => 'en-US', steps => [ { click => 'No more mails' } ] });
    quiet_ok($clicks, []);
    like $clicks->{pages}[0]{text}, qr/no more mails of this kind/;
    like $clicks->{pages}[1]{said}, qr/You get no more of these mails/;
    ok !$wants->(), 'a click does';
};

subtest 'links that are good for nothing' => sub {
    my $base = "https://localhost:$t->{https_port}";
    my $old  = invited('late@example.com');
    $db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE email = 'late@example.com'});
    my ($expired, $wrong, $none, $german) = visits(
        { url => $old, locale => 'en-US', logo => true },
        { url => "$base/invitation.html?token=" . 'A' x 64, locale => 'en-US' },
        { url => "$base/verify-email.html", locale => 'en-US' },
        { url => "$base/reset-password.html?token=x", locale => 'de-CH' },
    );
    quiet_ok($expired);
    branded_ok($expired->{pages}[0], 'en');
    is $expired->{pages}[0]{heading}, 'This link is not good any more', 'one that is too old';
    is $expired->{pages}[0]{said}, 'It has been used already, or it is too old. Ask for another mail.';
    quiet_ok($wrong, []);
    is $wrong->{pages}[0]{heading}, 'This link is not good any more', 'one that is none';
    is $wrong->{pages}[0]{brand}, '', '  in nobody\'s name';
    is $none->{pages}[0]{heading}, 'This link is not complete', 'one without a token';
    is $german->{pages}[0]{heading}, 'Dieser Link gilt nicht mehr', 'and where no mail tells the language, the browser does';
};

subtest 'to verify, and to reset' => sub {
    set_tenant($t, 'acme', email_verification_required => 't');
    status_is from($t, undef, key => $key)->post('/api/v1/auth/register', { email => 'vera@example.com', password => $PASSWORD, locale => 'de' }), 201;
    my ($verify) = visits({ url => link_to('vera@example.com'), locale => 'en-US', logo => true, steps => [ { click => 'Bestätigen' } ] });
    quiet_ok($verify);
    branded_ok($verify->{pages}[0], 'de');
    is $verify->{pages}[1]{said}, 'Vielen Dank: Ihre Adresse ist bestätigt. Sie können sich jetzt anmelden.';
    ok $db->selectrow_array(q{SELECT is_email_verified FROM users WHERE email = 'vera@example.com'}), 'the address is verified';

    status_is from($t, undef, key => $key)->post('/api/v1/auth/forgot-password', { email => 'vera@example.com' }), 200;
    my $link = link_to('vera@example.com');
    my ($reset, $again) = visits(
        { url => $link, locale => 'en-US', logo => true, steps => [ { fill => { new_password => 'Another-Horse-8' }, click => 'Passwort setzen' } ] },
        { url => $link, locale => 'en-US', logo => true },
    );
    quiet_ok($reset);
    branded_ok($reset->{pages}[0], 'de');
    is $reset->{pages}[1]{said}, 'Ihr neues Passwort gilt, und alle Geräte sind abgemeldet. Sie können sich jetzt anmelden.';
    my $in = from($t, undef, key => $key)->post('/api/v1/auth/login', { email => 'vera@example.com', password => 'Another-Horse-8' });
    status_is $in, 200, 'the new password lets in';
    $t->keep_secret(@{ $in->json }{qw(access_token refresh_token)});
    branded_ok($again->{pages}[0], 'de');
    is $again->{pages}[0]{heading}, 'Dieser Link gilt nicht mehr', 'once';
};

subtest 'an account that was made for somebody' => sub {
    my $ada = $t->user('ada', tenant => 'acme', role => 'admin', columns => { is_email_verified => 't' });
    status_is $ada->post('/api/v1/workspaces/provision', { workspace_name => 'Dockyard', owner_email => 'olga@example.com', owner_name => 'Olga' }), 200;
    my ($seen) = visits({ url => link_to('olga@example.com'), locale => 'en-US', logo => true, steps => [ { fill => { password => $PASSWORD, display_name => 'Olga O.' }, click => 'Activate' } ] });
    quiet_ok($seen);
    branded_ok($seen->{pages}[0], 'en');
    is $seen->{pages}[0]{heading}, 'Your account for Dockyard';
    is_deeply $seen->{pages}[0]{inputs}, [qw(email display_name password)];
    is $seen->{pages}[1]{said}, 'You are in Dockyard now. Sign in to the application as usual.';
    is_deeply [ $db->selectrow_array(q{SELECT full_name, is_email_verified FROM users WHERE email = 'olga@example.com'}) ], [ 'Olga O.', 1 ];
    is sessions('olga@example.com'), 0, 'the page leaves no session behind';
};

subtest 'who has paid makes an account and a workspace' => sub {
    my $code = encode_base64url(pack('H*', $t->tenant_id('acme') =~ tr/-//dr) . join '', map { chr } 1 .. 32);
    $t->keep_secret($code);
    $db->do(q{INSERT INTO signup_invites (tenant_id, email, email_key, full_name, hash, sealed, customer_id, provider_id, tier, tier_name)
              VALUES (?, 'pat@example.com', 'pat@example.com', 'Pat Paid', sha256(?::bytea), '', 'cus_1', 'sub_1', 'pro', 'Pro')}, undef, $t->tenant_id('acme'), $code);
    my $link = "https://localhost:$t->{https_port}/sign-up.html?token=$code";
    my ($seen, $again, $wrong) = visits(
        { url => $link, locale => 'en-US', steps => [ { fill => { company_name => 'Paid <b>Works</b>', password => $PASSWORD }, click => 'Set up the workspace' } ] },
        { url => $link, locale => 'de-AT' },
        { url => "https://localhost:$t->{https_port}/sign-up.html?token=x", locale => 'en-US' },
    );
    quiet_ok($seen, []);
    is $seen->{pages}[0]{heading}, 'Set up your workspace';
    is_deeply $seen->{pages}[0]{inputs}, [qw(email full_name company_name password)];
    is $seen->{pages}[1]{said}, 'You are in Paid <b>Works</b> now. Sign in to the application as usual.';
    is $db->selectrow_array(q{SELECT o.name FROM organizations o JOIN memberships m ON m.organization_id = o.id JOIN users u ON u.id = m.user_id WHERE u.email = 'pat@example.com' AND u.full_name = 'Pat Paid'}), 'Paid <b>Works</b>';
    is sessions('pat@example.com'), 0, 'the page leaves no session behind';
    is $again->{pages}[0]{heading}, 'Dieser Link gilt nicht mehr', 'once';
    is $wrong->{pages}[0]{heading}, 'This link is not good any more', 'and by no other code';
};

subtest 'a workspace is picked' => sub {
    my $res = from($t)->post('/api/v1/auth/register', { email => 'picker@example.com', password => $PASSWORD });
    status_is $res, 201;
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    my $picker = $t->client(token => $res->json('/access_token'));
    my %id     = map { $_ => $picker->post('/api/v1/workspaces', { name => $_ })->json('/id') } 'Harbour', 'Yard <b>X</b>';
    my $page   = "https://localhost:$t->{https_port}/api/v1/workspace-selector";
    my ($seen) = visits({ url => "$page?return_to=/api/v1/workspace-selector%3Freturn_to%3D/there", locale => 'en-US', steps => [
        { fill => { email => 'picker@example.com', password => 'Wrong-Horse-7' }, click => 'Sign in' },
        { fill => { email => 'picker@example.com', password => $PASSWORD }, click => 'Sign in' },
        { click => 'Yard <b>X</b>' },
    ] });
    is_deeply $seen->{errors},  [], 'its policy lets its own script run';
    is_deeply $seen->{outside}, [], '  and asks nobody else';
    my ($first, $wrong, $list, $there) = @{ $seen->{pages} };
    is_deeply $first->{inputs}, [qw(email password)], 'who has no session signs in';
    is $wrong->{said}, 'Invalid email or password';
    is_deeply $list->{buttons}, [ 'Harbour', 'Yard <b>X</b>' ];
    is $list->{markup}, 0, 'what people wrote is text';
    is $there->{url}, "$page?return_to=/there", 'and it goes on';
    is $db->selectrow_array('SELECT default_organization_id FROM users WHERE email = ?', undef, 'picker@example.com'), $id{'Yard <b>X</b>'}, '  in the one that was picked';
    is_deeply $there->{buttons}, $list->{buttons}, 'with the session that it has now';
};

subtest 'into the team' => sub {
    my $boss = $t->team('boss', role => 'owner', tenant => 'acme');
    status_is $boss->post('/api/v1/dashboard/team/invitations', { email => 'new@team.example.com', role => 'admin' }), 201;
    my ($seen) = visits({ url => link_to('new@team.example.com'), locale => 'en-US', logo => true, steps => [ { fill => { password => $PASSWORD, display_name => 'Ted' }, click => 'Join' } ] });
    quiet_ok($seen);
    branded_ok($seen->{pages}[0], 'en');
    like $seen->{pages}[0]{text}, qr/\ABoss has invited you to the team that runs acme, as administrator\./;
    is $seen->{pages}[1]{said}, 'You are in the team now, and can log in to the dashboard.';
    ok $db->selectrow_array(q{SELECT joined_at FROM team_members WHERE email = 'new@team.example.com'}), 'Ted is in';

    status_is from($t)->post('/api/v1/tenant-auth/forgot-password', { email => 'new@team.example.com' }), 200;
    my ($reset) = visits({ url => link_to('new@team.example.com'), locale => 'en-US', logo => true, steps => [ { fill => { new_password => 'Another-Horse-8' }, click => 'Set password' } ] });
    quiet_ok($reset);
    branded_ok($reset->{pages}[0], 'en');
    is $reset->{pages}[1]{said}, 'Your new password is set, and all devices are signed out. You can log in to the dashboard now.';
};
