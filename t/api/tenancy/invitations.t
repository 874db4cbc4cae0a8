use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $key  = $t->key;
my $page = $t->key(type => 'public', origins => ['https://app.example.com']);
my $base = '/api/v1/organizations';

sub person ($name, %columns) {
    return $t->user($name, columns => { is_email_verified => 't', %columns })->with(key => $key);
}

my $owner  = person('owner', full_name => 'Olga Owner');
my $acme   = $owner->post($base, { name => 'Acme', slug => 'acme' })->json('/id');
my $server = $t->client(key => $key);
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub join_as ($user, $role, %arg) {
    $t->db->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role, is_active) VALUES (?, ?, ?, ?, ?)',
        undef, $user->tenant_id, $arg{id} // $acme, $user->uuid, $role, $arg{is_active} // 1);
    return $user;
}
my $admin = join_as(person('admin'), 'admin');

sub invite ($who, $email, $role = 'member', $id = $acme) { return $who->post("$base/$id/invite", { email => $email, role => $role }) }

# The token in the newest mail to an address.
sub token_for ($email) {
    my ($mail) = reverse grep { $_->{to} eq $email } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    return $mail->{secrets}{token};
}

# Invite, and return the invitation's id and the token.
sub invited ($email, @more) {
    my $id = invite($owner, $email, @more)->json('/id');
    return ($id, token_for($email));
}

sub stored ($id) { return $t->db->selectrow_hashref('SELECT * FROM invitations WHERE id = ?', undef, $id) }

sub role_of ($user, $id = $acme) {
    return scalar $t->db->selectrow_array('SELECT role FROM memberships WHERE organization_id = ? AND user_id = ? AND is_active', undef, $id, $user->uuid);
}

sub audited ($id) {
    return [ map { "$_->[0] by $_->[1]" } @{ $t->db->selectall_arrayref(
        q{SELECT action, actor_id FROM audit_events WHERE resource_type = 'invitation' AND resource_id = ? ORDER BY seq}, undef, $id) } ];
}

sub expire ($id) { return $t->db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $id) }

sub accept_by ($who, $token) { return $who->post("$base/accept-invitation", { token => $token }) }
sub reject_by ($who, $token) { return $who->post("$base/reject-invitation", { token => $token }) }

sub rows () { return scalar $t->db->selectrow_array('SELECT count(*) FROM invitations') }

my %shape = (
    id                => $UUID,
    organization_id   => $acme,
    organization_name => 'Acme',
    email             => 'grace@example.com',
    role              => 'developer',
    status            => 'pending',
    invited_by        => $owner->uuid,
    expires_at        => $TIME,
    created_at        => $TIME,
);

subtest 'only owners and admins invite, resend and cancel' => sub {
    my ($id) = invited('first@example.com');
    my $dev  = join_as(person('developer'), 'developer');
    my $mem  = join_as(person('member'),    'member');
    my $off  = join_as(person('off'),       'admin', is_active => 0);
    my $gus  = person('gus');
    my $eve  = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
    my ($mails, $rows) = (scalar(my @m = $t->mails), rows());
    for my $ask (
        sub ($who) { invite($who, 'x@example.com') },
        sub ($who) { $who->post("$base/$acme/invitations/$id/resend") },
        sub ($who) { $who->delete("$base/$acme/invitations/$id") },
    ) {
        error_is $ask->($_), 403, 'AUTHORIZATION_ERROR', message => qr/owner or admin/ for $dev, $mem;
        error_is $ask->($_), 403, 'AUTHORIZATION_ERROR', message => qr/not a member/   for $off, $gus;
        error_is $ask->($eve), 404, 'NOT_FOUND';
        error_is $ask->($owner->with(key => undef)), 401, 'INVALID_API_KEY';
        error_is $ask->($owner->with(key => $page)), 403, 'ORIGIN_NOT_ALLOWED';
        error_is $ask->($server), 401, 'AUTHENTICATION_ERROR';
    }
    is scalar(@m = $t->mails), $mails, 'no mail';
    is rows(), $rows, 'no row';
    is stored($id)->{status}, 'pending';
    status_is invite($admin, 'second@example.com'), 201, 'an admin does';
};

subtest 'an invitation is a row without its token, a mail with it, and an audit row' => sub {
    my $res = invite($owner, 'Grace@Example.com', 'developer');
    status_is $res, 201;
    json_is $res, '', \%shape, 'the address in lower case';
    my $row = stored($res->json('/id'));
    my ($days) = $t->db->selectrow_array(q{SELECT expires_at - created_at = interval '7 days' FROM invitations WHERE id = ?}, undef, $row->{id});
    ok $days, 'it is good for 7 days';
    is_deeply audited($row->{id}), ['invitation.create by user_owner'];

    my ($mail) = reverse $t->mails;
    is "$mail->{template} $mail->{to}", 'invitation grace@example.com';
    is_deeply $mail->{data}, { organization => 'Acme', role => 'developer', invited_by => 'Olga Owner' };
    my $token = $mail->{secrets}{token};
    is $mail->{secrets}{link}, "https://localhost:$t->{https_port}/invitation.html?token=$token", 'with a link to our own page';
    body_unlike $res, qr/\Q$token\E/, 'the token is not in the answer';
    is $t->db->selectrow_array('SELECT token_hash = sha256(?::bytea) FROM invitations WHERE id = ?', undef, $token, $row->{id}), 1, 'stored is its SHA-256';
    is $t->db->selectrow_array('SELECT count(*) FROM jobs WHERE payload::text LIKE ?', undef, "%$token%"), 0, 'and in the job it is sealed';

    $t->db->do(q{UPDATE tenant_settings SET invitation_url = 'https://app.example.com/join?x=1' WHERE tenant_id = ?}, undef, $owner->tenant_id);
    my $dan = person('dan', locale => 'de');
    invite($owner, $dan->email);
    ($mail) = reverse $t->mails;
    is $mail->{secrets}{link}, "https://app.example.com/join?x=1&token=$mail->{secrets}{token}", 'or to the tenant\'s';
    is $mail->{locale}, 'de', 'in the language of who is known';
    $t->db->do('UPDATE tenant_settings SET invitation_url = NULL');
};

subtest 'what may not be invited' => sub {
    my @mails = $t->mails;
    my $rows  = rows();
    for my $role ('owner', '', 'ADMIN', undef) {
        error_is $owner->post("$base/$acme/invite", { email => 'x@example.com', role => $role }), 422, 'VALIDATION_ERROR', field => 'role';
    }
    error_is $owner->post("$base/$acme/invite", { email => 'x@example.com' }), 422, 'VALIDATION_ERROR', field => 'role';
    error_is $owner->post("$base/$acme/invite", { role  => 'member' }), 422, 'VALIDATION_ERROR', field => 'email';
    error_is invite($owner, 'not an address'), 422, 'VALIDATION_ERROR', field => 'email';
    error_is invite($owner, 'ADMIN@example.com'), 409, 'CONFLICT', field => 'email', message => qr/already a member/;
    error_is invite($owner, 'owner@example.com'), 409, 'CONFLICT', field => 'email';
    error_is invite($owner, 'grace@example.com'), 409, 'CONFLICT', field => 'email', message => qr/pending invitation/;
    join_as(person('suspended'), 'member', is_active => 0);
    error_is invite($owner, 'suspended@example.com'), 409, 'CONFLICT', field => 'email', message => qr/deactivated/;
    is scalar(my @now = $t->mails), scalar @mails, 'no mail';
    is rows(), $rows, 'no row';

    my $other = $owner->post($base, { name => 'Other', slug => 'other' })->json('/id');
    status_is invite($owner, 'grace@example.com', 'admin', $other), 201, 'by another organization she may be';
};

subtest 'an invitation that has expired makes room for another' => sub {
    my ($id, $token) = invited('late@example.com');
    expire($id);
    json_is $server->get("$base/invitations/$token"), '/status', 'expired';
    my $res = invite($owner, 'late@example.com', 'admin');
    status_is $res, 201;
    is stored($id)->{status}, 'expired';
    isnt $res->json('/id'), $id;
};

subtest 'resending makes a new token and starts the 7 days again' => sub {
    my ($id, $old) = invited('again@example.com');
    $t->db->do(q{UPDATE invitations SET expires_at = now() + interval '1 hour' WHERE id = ?}, undef, $id);
    my $url = "$base/$acme/invitations/$id/resend";
    my $res = $admin->post($url);
    status_is $res, 200;
    json_is $res, '', { %shape, id => $id, email => 'again@example.com', role => 'member' };
    is $t->db->selectrow_array(q{SELECT expires_at > now() + interval '6 days 23 hours' FROM invitations WHERE id = ?}, undef, $id), 1;
    my $new = token_for('again@example.com');
    isnt $new, $old;
    body_unlike $res, qr/\Q$new\E/;
    error_is $server->get("$base/invitations/$old"), 404, 'NOT_FOUND';
    json_is $server->get("$base/invitations/$new"), '/status', 'pending';
    my $again = person('again');
    error_is accept_by($again, $old), 400, 'TOKEN_INVALID', name => 'the old one is worth nothing';
    error_is reject_by($server, $old), 400, 'TOKEN_INVALID';
    is_deeply audited($id), [ 'invitation.create by user_owner', 'invitation.resend by user_admin' ];

    expire($id);
    error_is $admin->post($url), 409, 'CONFLICT', message => qr/expired/;
    $t->db->do(q{UPDATE invitations SET expires_at = now() + interval '1 hour', status = 'cancelled' WHERE id = ?}, undef, $id);
    error_is $admin->post($url), 409, 'CONFLICT', message => qr/cancelled/;
    my @mails = grep { $_->{to} eq 'again@example.com' } $t->mails;
    is scalar @mails, 2, 'which sends nothing';
    error_is $admin->post("$base/$acme/invitations/$nobody/resend"), 404, 'NOT_FOUND', resource => 'Invitation', id => $nobody;
    my $other = $admin->post($base, { name => 'Admin\'s', slug => 'admins' })->json('/id');
    error_is $admin->post("$base/$other/invitations/$id/resend"), 404, 'NOT_FOUND', name => 'another organization has no such invitation';
};

subtest 'a cancelled invitation is over' => sub {
    my ($id, $token) = invited('off-again@example.com');
    my $other = $admin->post($base, { name => 'x', slug => 'admins-2' })->json('/id');
    error_is $admin->delete("$base/$other/invitations/$id"), 404, 'NOT_FOUND', name => 'not by another organization';
    my $res = $admin->delete("$base/$acme/invitations/$id");
    status_is $res, 200;
    json_is $res, '', { message => qr/cancelled/ };
    is_deeply audited($id), [ 'invitation.create by user_owner', 'invitation.cancel by user_admin' ];
    error_is accept_by(person('off-again'), $token), 400, 'TOKEN_INVALID';
    error_is reject_by($server, $token), 400, 'TOKEN_INVALID';
    json_is $server->get("$base/invitations/$token"), '/status', 'cancelled';
    error_is $admin->delete("$base/$acme/invitations/$id"), 404, 'NOT_FOUND', name => 'it cannot be cancelled again';
    error_is $admin->delete("$base/$acme/invitations/$nobody"), 404, 'NOT_FOUND';
    status_is invite($owner, 'off-again@example.com'), 201, 'but there may be a new one';
};

subtest 'who holds the token sees the invitation, any number of times' => sub {
    my ($id, $token) = invited('curious@example.com', 'developer');
    for my $who ($server, $t->client(key => $page, origin => 'https://app.example.com')) {
        json_is $who->get("$base/invitations/$token"), '', { %shape, id => $id, email => 'curious@example.com' };
    }
    status_is $server->head("$base/invitations/$token"), 200;
    is stored($id)->{status}, 'pending', 'looking uses nothing up';
    error_is $t->get("$base/invitations/$token"), 401, 'INVALID_API_KEY';
    error_is $t->client(key => $page)->get("$base/invitations/$token"), 403, 'ORIGIN_NOT_ALLOWED';
    status_is $t->client(key => $key, token => 'not looked at')->get("$base/invitations/$token"), 200;
    for my $unknown ('x', 'A' x 64, substr($token, 0, -1), "${token}A", lc $token) {
        error_is $server->get("$base/invitations/$unknown"), 404, 'NOT_FOUND';
    }
    my $theirs = $t->client(key => $t->key(tenant => 'other'));
    error_is $theirs->get("$base/invitations/$token"), 404, 'NOT_FOUND', name => 'in another tenant it is unknown';
    body_unlike $theirs->last, qr/curious|Acme/;
};

subtest 'the pending invitations of an address' => sub {
    my $email = 'popular@example.com';
    my ($one) = invited($email);
    my $two   = $admin->post($base, { name => 'Two', slug => 'two' })->json('/id');
    my $three = $admin->post($base, { name => 'Three', slug => 'three' })->json('/id');
    my $four  = $admin->post($base, { name => 'Four', slug => 'four' })->json('/id');
    my ($second, $late, $gone) = map { invite($admin, $email, 'admin', $_)->json('/id') } $two, $three, $four;
    expire($late);
    $admin->delete("$base/$four/invitations/$gone");
    my $url = "$base/invitations/pending";
    for my $who ($server, $t->client(key => $page, origin => 'https://app.example.com')) {
        my $res = $who->get($url, query => { email => 'Popular@Example.COM' });
        status_is $res, 200;
        json_is $res, '', [
            { %shape, id => $second, organization_id => $two, organization_name => 'Two', email => $email, role => 'admin', invited_by => $admin->uuid },
            { %shape, id => $one, email => $email, role => 'member' },
        ], 'newest first, neither expired nor cancelled';
        body_unlike $res, qr/token/, 'without tokens';
    }
    json_is $server->get($url, query => { email => $email, limit => 1, skip => 1 }), '/0/id', $one;
    json_is $server->get($url, query => { email => 'nobody@example.com' }), '', [], 'of an unknown address there are none';
    json_is $server->get($url, query => { email => 'no address' }), '', [];
    error_is $server->get($url), 422, 'VALIDATION_ERROR', field => 'email';
    error_is $server->get($url, query => { email => '' }), 422, 'VALIDATION_ERROR', field => 'email';
    error_is $t->get($url, query => { email => $email }), 401, 'INVALID_API_KEY';
    error_is $t->client(key => $page)->get($url, query => { email => $email }), 403, 'ORIGIN_NOT_ALLOWED';
    json_is $t->client(key => $t->key(tenant => 'other'))->get($url, query => { email => $email }), '', [], 'nor are there any in another tenant';
};

subtest 'only the invited address accepts, and is verified by that' => sub {
    my ($id, $token) = invited('wanted@example.com', 'developer');
    my $wrong = person('wrong');
    my $eve   = $t->user('wanted', tenant => 'other', columns => { is_email_verified => 't' })->with(key => $t->key(tenant => 'other'));
    my $none  = person('none', email => undef);
    error_is accept_by($wrong, $token), 403, 'AUTHORIZATION_ERROR', message => qr/another e-mail/;
    error_is accept_by($none,  $token), 403, 'AUTHORIZATION_ERROR';
    error_is accept_by($eve,   $token), 400, 'TOKEN_INVALID', name => 'the same address in another tenant';
    error_is accept_by($server, $token), 401, 'AUTHENTICATION_ERROR';
    my $user = person('wanted', is_email_verified => 'f');
    is role_of($_), undef for $wrong, $none, $user;
    is stored($id)->{status}, 'pending';

    my $res = accept_by($user->with(key => $page, origin => 'https://app.example.com'), $token);
    status_is $res, 200;
    json_is $res, '', { id => $acme, name => 'Acme', slug => 'acme', description => undef, logo_url => undef, role => 'developer', created_at => $TIME };
    is role_of($user), 'developer';
    ok $t->db->selectrow_array('SELECT is_email_verified FROM users WHERE id = ?', undef, $user->uuid), 'who shows the token reads the mail';
    my $row = stored($id);
    is $row->{status}, 'accepted';
    ok $row->{responded_at};
    is_deeply audited($id), [ 'invitation.create by user_owner', 'invitation.accept by user_wanted' ];
    json_is $server->get("$base/invitations/$token"), '/status', 'accepted';
    status_is $user->get("$base/$acme"), 200, 'and is in';

    error_is accept_by($user, $token), 400, 'TOKEN_INVALID', field => 'token', name => 'it is good once';
    error_is reject_by($server, $token), 400, 'TOKEN_INVALID';
    error_is $owner->post("$base/$acme/invitations/$id/resend"), 409, 'CONFLICT', message => qr/accepted/;
    error_is $owner->delete("$base/$acme/invitations/$id"), 404, 'NOT_FOUND';
    is role_of($user), 'developer';
};

subtest 'what is no token, or none any more' => sub {
    my ($id, $token) = invited('slow@example.com');
    my $slow = person('slow');
    for my $bad ('x', 'A' x 64, substr($token, 0, -1), "$token ", "' OR 1=1 --") {
        error_is accept_by($slow, $bad), 400, 'TOKEN_INVALID';
        error_is reject_by($server, $bad), 400, 'TOKEN_INVALID';
    }
    error_is accept_by($slow, ''), 422, 'VALIDATION_ERROR', field => 'token';
    error_is $slow->post("$base/accept-invitation", {}), 422, 'VALIDATION_ERROR', field => 'token';
    error_is $server->post("$base/reject-invitation", {}), 422, 'VALIDATION_ERROR', field => 'token';
    expire($id);
    error_is accept_by($slow, $token), 400, 'TOKEN_INVALID', message => qr/expired/;
    error_is reject_by($server, $token), 400, 'TOKEN_INVALID';
    is role_of($slow), undef;

    ($id, $token) = invited('slow@example.com', 'member', my $gone = $owner->post($base, { name => 'x', slug => 'gone' })->json('/id'));
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    error_is accept_by($slow, $token), 400, 'TOKEN_INVALID', name => 'nor into an organization that is gone';
    error_is $server->get("$base/invitations/$token"), 404, 'NOT_FOUND';
};

subtest 'who is a member already' => sub {
    my ($id, $token) = invited('quick@example.com', 'admin');
    my $quick = join_as(person('quick'), 'member');
    error_is accept_by($quick, $token), 409, 'CONFLICT', message => qr/already/;
    is role_of($quick), 'member', 'keeps the role';
    is stored($id)->{status}, 'pending', 'and has used nothing up';
    $t->db->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $quick->uuid);
    error_is accept_by($quick, $token), 409, 'CONFLICT', message => qr/deactivated/;
    is role_of($quick), undef, 'who is deactivated stays so';
};

subtest 'whoever holds the token may reject' => sub {
    my ($id, $token) = invited('no@example.com');
    error_is reject_by($t->client, $token), 401, 'INVALID_API_KEY';
    error_is reject_by($t->client(key => $page), $token), 403, 'ORIGIN_NOT_ALLOWED';
    error_is reject_by($t->client(key => $t->key(tenant => 'other')), $token), 400, 'TOKEN_INVALID', name => 'not in another tenant';
    my $res = reject_by($t->client(key => $page, origin => 'https://app.example.com'), $token);
    status_is $res, 200;
    json_is $res, '', { message => qr/rejected/ };
    is stored($id)->{status}, 'rejected';
    is_deeply audited($id), [ 'invitation.create by user_owner', 'invitation.reject by key:' . substr $page, 0, 12 ];
    error_is accept_by(person('no'), $token), 400, 'TOKEN_INVALID';
    error_is reject_by($server, $token), 400, 'TOKEN_INVALID';
};

# Two requests that wait for the organization's row, and then go on in turn.
sub at_once ($name, @requests) {
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $acme);
    my @load = map {
        my $request = $_;
        $t->load(clients => 1, requests => 1, make => sub { $t->client(key => $key) }, each => sub ($c, $n) { $request->($c) });
    } @requests;
    eventually { $t->waiting == @requests } 5, "$name: both wait";
    $lock->commit;
    return join ' ', sort map { $_->[0] } map { $_->finish } @load;
}

subtest 'two at once' => sub {
    my ($id, $token) = invited('twice@example.com');
    my $user = person('twice');
    my $accept = sub ($c) { accept_by($c->with(token => $user->token), $token) };
    is at_once('accept', $accept, $accept), '200 400', 'an invitation is accepted once';
    is $t->db->selectrow_array('SELECT count(*) FROM memberships WHERE user_id = ?', undef, $user->uuid), 1;
    is_deeply audited($id), [ 'invitation.create by user_owner', 'invitation.accept by user_twice' ];

    my $invite = sub ($c) { invite($c->with(token => $owner->token), 'both@example.com') };
    is at_once('invite', $invite, $invite), '201 409', 'an address is invited once';
    is $t->db->selectrow_array(q{SELECT count(*) FROM invitations WHERE email = 'both@example.com'}), 1;
    is scalar(grep { $_->{to} eq 'both@example.com' } $t->mails), 1, 'by one mail';
};

subtest 'an organization has 100 pending invitations at most' => sub {
    my $id = $owner->post($base, { name => 'Many', slug => 'many' })->json('/id');
    $t->db->do(<<~'END', undef, $owner->tenant_id, $id);
        INSERT INTO invitations (tenant_id, organization_id, email, role, token_hash, expires_at)
        SELECT ?, ?, i || '@many.example', 'member', sha256(i::text::bytea), now() + interval '1 day' FROM generate_series(1, 99) i
        END
    status_is invite($owner, 'hundred@example.com', 'member', $id), 201, 'the hundredth';
    error_is invite($owner, 'more@example.com', 'member', $id), 409, 'CONFLICT', message => qr/100 pending/;
    $t->db->do(q{UPDATE invitations SET expires_at = now() WHERE email = '7@many.example'});
    status_is invite($owner, 'more@example.com', 'member', $id), 201, 'one that expires makes room';
};

subtest 'an organization sends 50 invitations an hour' => sub {
    my $id = $owner->post($base, { name => 'Loud', slug => 'loud' })->json('/id');
    my $first = invite($owner, 'loud@example.com', 'member', $id)->json('/id');
    $t->db->do(q{UPDATE rate_limits SET tries = 49 WHERE name = 'invitation' AND subject = ?}, undef, "organization:$id");
    status_is $owner->post("$base/$id/invitations/$first/resend"), 200, 'the fiftieth';
    my $res = invite($owner, 'louder@example.com', 'member', $id);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    is $res->json('/detail'), 'Rate limit exceeded';
    cmp_ok $res->header('Retry-After'), '<=', 3600;
    error_is $owner->post("$base/$id/invitations/$first/resend"), 429, 'RATE_LIMIT_EXCEEDED';
    status_is invite($owner, 'louder@example.com'), 201, 'others are not held up';
    $t->db->do(q{UPDATE rate_limits SET window_ends = now() WHERE name = 'invitation'});
    status_is invite($owner, 'louder@example.com', 'member', $id), 201, 'and after an hour it goes on';
};

# ------------------------------------------------------------------ how many mails

sub forgive () { $t->db->do('DELETE FROM rate_limits'); return }

# Organizations of one user; each has its own fifty.
sub organizations ($who, $n) {
    state $made = 0;
    return map { $who->post($base, { name => 'http://evil.example/ free', slug => 'mass-' . ++$made })->json('/id') } 1 .. $n;
}

sub mails_to ($email) { return scalar grep { $_->{to} eq $email } $t->mails }

subtest 'who makes organizations puts no more mails on an address' => sub {
    forgive();
    my $mass = person('mass');
    my @all  = organizations($mass, 11);
    status_is invite($mass, 'bombed@example.com', 'member', $all[$_]), 201 for 0 .. 9;
    my $res = invite($mass, 'Bombed@Example.com', 'member', $all[10]);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'the eleventh of a day, however it is spelled';
    ok $res->header('Retry-After') > 86_000 && $res->header('Retry-After') <= 86_400, 'until the day is over';
    is mails_to('bombed@example.com'), 10, 'of which there is no mail';
    my ($id) = $t->db->selectrow_array(q{SELECT id FROM invitations WHERE email = 'bombed@example.com' LIMIT 1});
    my ($org) = $t->db->selectrow_array('SELECT organization_id FROM invitations WHERE id = ?', undef, $id);
    error_is $mass->post("$base/$org/invitations/$id/resend"), 429, 'RATE_LIMIT_EXCEEDED', name => 'sending again counts as well';
    status_is invite($mass, 'other@example.com', 'member', $all[10]), 201, 'others are written to';
    status_is invite($owner, 'bombed@example.com'), 201, 'and others write to it';

    my $two = person('mass2');
    my $six = person('mass3');
    my ($org2) = organizations($two, 1);
    my @org3 = organizations($six, 2);
    $t->db->do(q{UPDATE rate_limits SET tries = 29 WHERE name = 'mail_to' AND subject = 'account:bombed@example.com'});
    status_is invite($two, 'bombed@example.com', 'member', $org2), 201, 'the thirtieth of a day, whoever sends them';
    error_is invite($six, 'bombed@example.com', 'member', $org3[0]), 429, 'RATE_LIMIT_EXCEEDED';
    my $elsewhere = $t->user('elsewhere', tenant => 'other', columns => { is_email_verified => 't' })->with(key => $t->key(tenant => 'other'));
    my $theirs = $elsewhere->post($base, { name => 'x', slug => 'x' })->json('/id');
    status_is invite($elsewhere, 'bombed@example.com', 'member', $theirs), 201, 'another tenant counts its own';

    $t->db->do(q{UPDATE rate_limits SET tries = 49 WHERE name = 'mail_from' AND subject = ?}, undef, 'user:' . $six->uuid);
    status_is invite($six, 'fiftieth@example.com', 'member', $org3[0]), 201, 'the fiftieth of an hour from one sender';
    error_is invite($six, 'more@example.com', 'member', $org3[1]), 429, 'RATE_LIMIT_EXCEEDED', name => 'from all of their organizations';
    cmp_ok $six->last->header('Retry-After'), '<=', 3600, '  until the hour is over';
    $t->db->do(q{UPDATE rate_limits SET window_ends = now() WHERE name LIKE 'mail%'});
    status_is invite($six, 'bombed@example.com', 'member', $org3[1]), 201, 'then it goes on';
};

subtest 'who has not proved to read mail has a tenth, and uses up nothing of the others\'' => sub {
    forgive();
    my $new = person('unproved', is_email_verified => 'f');
    my @all = organizations($new, 6);
    status_is invite($new, 'quiet@example.com', 'member', $all[$_]), 201 for 0 .. 2;
    error_is invite($new, 'quiet@example.com', 'member', $all[3]), 429, 'RATE_LIMIT_EXCEEDED', name => 'the fourth to an address';
    my $too = person('unproved2', is_email_verified => 'f');
    error_is invite($too, 'quiet@example.com', 'member', organizations($too, 1)), 429, 'RATE_LIMIT_EXCEEDED', name => 'also from another one';
    is mails_to('quiet@example.com'), 3;
    status_is invite($owner, 'quiet@example.com'), 201, 'somebody verified is not held up by that';
    status_is invite($new, 'quiet5@example.com', 'member', $all[4]), 201;
    error_is invite($new, 'quiet6@example.com', 'member', $all[4]), 429, 'RATE_LIMIT_EXCEEDED', name => 'the sixth try of an hour';
    $t->db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $new->uuid);
    status_is invite($new, 'quiet6@example.com', 'member', $all[4]), 201, 'once verified it goes on at once';
};

subtest 'where the tenant asks for verification, who has none sends nothing' => sub {
    forgive();
    my $new = person('unproved3', is_email_verified => 'f');
    my ($org) = organizations($new, 1);
    my $id = invite($new, 'first-try@example.com', 'member', $org)->json('/id');
    $t->db->do('UPDATE tenant_settings SET email_verification_required = true');
    error_is invite($new, 'second-try@example.com', 'member', $org), 403, 'AUTHORIZATION_ERROR', message => qr/verify your own e-mail address first/;
    error_is $new->post("$base/$org/invitations/$id/resend"), 403, 'AUTHORIZATION_ERROR', message => qr/verify your own e-mail address first/;
    is mails_to('second-try@example.com'), 0, 'no mail';
    is $t->db->selectrow_array(q{SELECT count(*) FROM invitations WHERE email = 'second-try@example.com'}), 0, 'no row';
    status_is invite($owner, 'second-try@example.com'), 201, 'who is verified does';
    $t->db->do('UPDATE tenant_settings SET email_verification_required = false');
};
