use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# A member's password, reset by who administers the workspace, who gets nobody's account by that.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $anon  = $t->client;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $GOOD  = 'Correct-Horse-8';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer', map { ("u$_" => 'member') } 0 .. 6);
my $x = workspace($t, eve => 'owner');
$db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $_->uuid) for @$w{qw(ann adam)};

sub at ($name, $what = '') { return '/api/v1/workspaces/' . $w->id . '/users/' . (ref $name ? $name->uuid : $name) . "/reset-password$what" }
sub made ($who, $in = $w->id) { $db->do('INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (?, ?, ?)', undef, $who->tenant_id, $who->uuid, $in); return }
sub stored ($who) { return scalar $db->selectrow_array('SELECT password_hash FROM users WHERE id = ?', undef, $who->uuid) }
sub audited ($who) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? ORDER BY seq}, undef, $who->id) } }
sub mails ($who) { return grep { $_->{to} eq $who->email } $t->mails }
sub reset_by ($token) { return $anon->post('/api/v1/auth/reset-password', { token => $token, new_password => $GOOD }) }
sub shown ($by, $who) {
    my $res = $by->post(at($who, '-link'));
    $t->keep_secret($res->json('/token')) if $res->json('/token');
    return $res;
}

subtest 'by mail' => sub {
    my $bob = $w->{bob};
    for my $what ('', '-link') {
        error_is $w->{$_}->post(at($bob, $what)), 403, 'AUTHORIZATION_ERROR', name => "not by $_" for qw(bob vera);
        error_is $x->{eve}->post(at($bob, $what)), 403, 'AUTHORIZATION_ERROR', name => 'nor by who is no member';
        error_is $w->{ann}->post(at($_, $what)), 404, 'NOT_FOUND', name => 'of who is no member' for $none, $x->{eve};
        error_is $w->{adam}->post(at($w->{ann}, $what)), 403, 'AUTHORIZATION_ERROR', message => qr/higher/, name => 'nor of who has a higher role';
    }
    is scalar(mails($bob)), 0;
    my $res = $w->{adam}->post(at($bob));
    json_is $res, '', { message => qr/way/, email => $bob->email, email_sent => true };
    my ($mail) = mails($bob);
    is $mail->{template}, 'reset_password';
    my $token = $mail->{secrets}{token};
    $t->keep_secret($token);
    body_unlike $res, qr/\Q$token\E/, 'the token is in the mail alone';
    is $db->selectrow_array(q{SELECT expires_at - created_at = interval '1 hour' FROM one_time_tokens WHERE user_id = ? AND used_at IS NULL}, undef, $bob->uuid), 1, 'it is good for an hour';
    status_is $bob->get('/api/v1/workspaces'), 200, 'nothing has changed until it is used';
    status_is reset_by($token), 200;
    like stored($bob), qr/./;
    is $db->selectrow_array('SELECT is_email_verified FROM users WHERE id = ?', undef, $bob->uuid), 1, 'who has the mail has the address';
    error_is $bob->get('/api/v1/workspaces'), 401, 'AUTHENTICATION_ERROR', name => 'sessions end';
    like audited($bob), qr/\Amember\.password_reset .*password\.reset\z/, 'it is put down';

    my $carl = $w->{carl};
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $carl->uuid);
    json_is $w->{ann}->post(at($carl)), '', { message => qr/cannot/, email => $carl->email, email_sent => false }, 'who may not sign in gets none';
    is scalar(mails($carl)), 0;
};

# An administrator of one workspace never gets somebody's account.
subtest 'by a link that is passed on' => sub {
    my $vera = $w->{vera};
    error_is shown($w->{ann}, $vera), 403, 'AUTHORIZATION_ERROR', message => qr/own/, name => 'there is none into an account that others have made';
    made($vera);
    my $link  = shown($w->{adam}, $vera);
    my $token = $link->json('/token');
    json_is $link, '', { reset_url => qr{/reset-password\.html\?token=\Q$token\E\z}, token => qr/./, expires_at => $MICRO, email => $vera->email };
    is scalar(mails($vera)), 0, 'no mail goes';
    is $db->selectrow_array(q{SELECT expires_at - created_at = interval '24 hours' FROM one_time_tokens WHERE user_id = ? AND used_at IS NULL}, undef, $vera->uuid), 1, 'it is good for a day';
    my $next = shown($w->{adam}, $vera)->json('/token');
    error_is reset_by($token), 400, 'TOKEN_INVALID', name => 'the one before it is none any more';
    status_is reset_by($next), 200;
    is $db->selectrow_array('SELECT is_email_verified FROM users WHERE id = ?', undef, $vera->uuid), 0, 'it proves no address';
    is $anon->post('/api/v1/auth/login', { email => $vera->email, password => $GOOD })->status, 200;
    error_is reset_by($next), 400, 'TOKEN_INVALID', name => 'once';
    like audited($vera), qr/member\.password_reset member\.password_reset password\.reset/;

    my %why = (
        'its address is proved'           => sub ($who) { $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $who->uuid) },
        'it comes from another issuer'    => sub ($who) { $db->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://x.example', ?, ?)}, undef, $who->tenant_id, $who->id, $who->uuid) },
        'it administers the tenant'       => sub ($who) { $db->do(q{UPDATE users SET role = 'admin' WHERE id = ?}, undef, $who->uuid) },
        'it has another workspace'        => sub ($who) { $t->organization($who) },
        'it has a project'                => sub ($who) { $db->do(q{INSERT INTO projects (tenant_id, owner_id, name) VALUES (?, ?, 'x')}, undef, $who->tenant_id, $who->uuid) },
        'another workspace has made it'   => sub ($who) { $db->do('UPDATE account_makers SET organization_id = ? WHERE user_id = ?', undef, $x->id, $who->uuid) },
        'it has another address by now'   => sub ($who) { $db->do(q{UPDATE users SET email = 'other-' || email WHERE id = ?}, undef, $who->uuid) },
    );
    my $n = 0;
    for my $why (sort keys %why) {
        my $who = $w->{ 'u' . $n++ };
        made($who);
        my $before = shown($w->{ann}, $who)->json('/token');
        $why{$why}->($who);
        error_is reset_by($before), 400, 'TOKEN_INVALID', name => "where $why, one from before opens nothing";
        is stored($who), undef, '  and sets nothing';
        error_is shown($w->{ann}, $who), 403, 'AUTHORIZATION_ERROR', name => '  and there is no other' if $why !~ /address by now/;
    }
};
