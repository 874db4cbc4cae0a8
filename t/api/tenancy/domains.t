use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Dns;
use Ashlar::Workspace;
use POSIX ();

# Joining a workspace by the domain of one's address: the domain is shown to be the workspace's in DNS, and the address to be the user's by a mail.
my $dns   = Ashlar::Dns->start;
my $t     = Api->start($dns->settings, main => 3, slow => 2);
my $db    = $t->db;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
sub of ($w, $path = '') { return '/api/v1/workspaces/' . $w->id . "/domains$path" }
sub join_of ($w) { return '/api/v1/workspaces/' . $w->id . '/join' }
sub claim ($w, $name, $domain, %more) { return $w->{$name}->post(of($w), { domain => $domain, %more }) }
sub verify ($w, $name, $id) { return $w->{$name}->post(of($w, "/$id/verify")) }
sub shown ($made) { $dns->name($made->json('/record_name'), { texts => [ 'v=spf1 -all', $made->json('/record_value') ] }); return $made->json('/id') }
sub audited ($id) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? ORDER BY seq}, undef, $id) } }
sub stored ($id) { return $db->selectrow_hashref('SELECT * FROM workspace_domains WHERE id = ?', undef, $id) }

# A user with an address, which they have verified or not.
sub person ($name, $email, $is_verified = 1) {
    return $t->user($name, columns => { email => $email, email_key => $email, is_email_verified => $is_verified ? 't' : 'f', full_name => ucfirst $name });
}

# A domain that a workspace has verified, and joins by.
sub joining ($w, $name, $domain, %more) {
    my $id = shown(claim($w, $name, $domain, %more));
    verify($w, $name, $id);
    status_is $w->{$name}->put(of($w, "/$id"), { joining_enabled => true }), 200, "$domain joins";
    return $id;
}

subtest 'what a domain is' => sub {
    error_is claim($w, ann => $_), 422, 'VALIDATION_ERROR', field => 'domain', name => "not such as this"
        for '', 'localhost', '127.0.0.1', '10.1', '[::1]', '::1', 'acme', 'acme..example', '.acme.example', 'a b.example', 'acme.example/x', 'x@acme.example', '-acme.example', 'acme-.example',
            '_x.acme.example', 'acme.example..', ('a' x 64) . '.example', join('.', ('a' x 60) x 4, 'example'), 'https://acme.example', '*.acme.example', "acme\x{200d}.example", 'xn--a.example';
    error_is claim($w, ann => $_), 422, 'VALIDATION_ERROR', field => 'domain', message => qr/anybody/, name => "never $_" for qw(gmail.com GMail.com outlook.com icloud.com gmx.de yahoo.co.uk proton.me gmail.com.);
    error_is claim($w, ann => 'acme.example', role => $_), 422, 'VALIDATION_ERROR', field => 'role' for qw(owner admin developer);
    is $db->selectrow_array('SELECT count(*) FROM workspace_domains'), 0, 'nothing is put down';
    json_is claim($w, ann => $_->[0]), '/domain', $_->[1], $_->[1]
        for [ "B\xfccher.Example.", 'xn--bcher-kva.example' ], [ "\xc9COLE.example", 'xn--cole-9oa.example' ], [ 'XN--BCHER-KVA.shop.example', 'xn--bcher-kva.shop.example' ], [ ('a' x 63) . '.example', ('a' x 63) . '.example' ], [ '1.2.3.com', '1.2.3.com' ];
    $db->do('DELETE FROM workspace_domains');
};

subtest 'claiming' => sub {
    error_is claim($w, $_ => 'acme.example'), 403, 'AUTHORIZATION_ERROR', name => "not by $_" for qw(bob vera);
    error_is $x->{eve}->get(of($w)), 403, 'AUTHORIZATION_ERROR', name => 'nor by who is no member';
    error_is $w->{$_}->get(of($w)), 403, 'AUTHORIZATION_ERROR', name => "$_ does not see them" for qw(bob vera);
    my $made = claim($w, adam => 'Acme.Example');
    status_is $made, 201, 'by an admin';
    json_is $made, '', { id => $UUID, domain => 'acme.example', status => 'pending', joining_enabled => false, role => 'member', record_name => '_ashlar.acme.example',
        record_value => qr/\Aashlar-verify=[0-9a-f]{32}\z/, last_check => undef, checked_at => undef, verified_at => undef, created_at => $MICRO, updated_at => $MICRO };
    my $id = $made->json('/id');
    error_is claim($w, ann => 'acme.example'), 409, 'CONFLICT', field => 'domain', name => 'once';
    my $other = claim($x, eve => 'acme.example', role => 'viewer');
    status_is $other, 201, 'another workspace claims it as well: a claim is in nobody\'s way';
    isnt $other->json('/record_value'), $made->json('/record_value'), '  with a record of its own';
    json_is $w->{ann}->get(of($w)), '', { domains => [ $made->json ] };
    json_is $w->{ann}->get(of($w, "/$id")), '', $made->json;
    error_is $w->{ann}->get(of($w, "/$_")), 404, 'NOT_FOUND' for $none, $other->json('/id');
    error_is verify($w, ann => $other->json('/id')), 404, 'NOT_FOUND';
    error_is $w->{ann}->delete(of($w, '/' . $other->json('/id'))), 404, 'NOT_FOUND';
    error_is $w->{ann}->put(of($w, "/$id"), { joining_enabled => true }), 409, 'CONFLICT', message => qr/verify/, name => 'nobody joins by one that is not verified';
    json_is $w->{ann}->put(of($w, "/$id"), { role => 'viewer' }), '/role', 'viewer';
    is audited($id), 'domain.claim domain.update';
    status_is $w->{ann}->delete(of($w, "/$id")), 204;
    error_is $w->{ann}->delete(of($w, "/$id")), 404, 'NOT_FOUND';
    is audited($id), 'domain.claim domain.update domain.delete';
    status_is $x->{eve}->delete(of($x, '/' . $other->json('/id'))), 204;

    claim($w, ann => "d$_.example") for 1 .. 20;
    is scalar @{ $w->{ann}->get(of($w))->json('/domains') }, 20;
    error_is claim($w, ann => 'd21.example'), 409, 'CONFLICT', message => qr/20/, name => 'at most 20';
    $db->do('DELETE FROM workspace_domains');
};

subtest 'verifying' => sub {
    my $made = claim($w, ann => 'acme.example');
    my ($id, $name, $value) = map { $made->json("/$_") } qw(id record_name record_value);
    my $look = sub ($answer, $found, $why) {
        $dns->name($name, $answer);
        my $res = verify($w, ann => $id);
        status_is $res, 200, $why;
        json_is $res, '/last_check', $found;
        json_is $res, '/status', $found eq 'found' ? 'verified' : 'pending';
        json_is $res, '/checked_at', $MICRO;
    };
    $look->(undef, 'missing', 'no such name');
    $look->({ texts => [] }, 'missing', 'a name without such records');
    $look->({ texts => [ 'v=spf1 -all', "$value ", uc $value, substr($value, 0, -1), "x$value" ] }, 'missing', 'other texts');
    $look->({ rcode => 2 }, 'unanswered', 'a server that fails');
    $look->({ rcode => 5 }, 'unanswered', 'one that refuses');
    $look->({ silent => true }, 'unanswered', 'one that says nothing');
    $look->({ raw => $_ }, 'unanswered', "nonsense: $_") for '', '8180', '818000010001', '8180' . '00' x 8;
    # A header, the question, and a TXT record whose first piece is longer than the record.
    my $question = join '', map { sprintf '%02x%s', length, unpack 'H*', $_ } split /\./, $name;
    $look->({ raw => "81800001000100000000${question}0000100001" . 'c00c' . '00100001' . '0000003c' . '0003' . 'ff6162' }, 'missing', 'a record that is longer than it says');
    $look->({ raw => "81800001000100000000${question}0000100001" . 'c00c' . '00100001' . '0000003c' . 'ffff' . '036162' }, 'missing', 'an answer that ends within a record');
    $look->({ texts => [ [ substr($value, 0, 5), substr $value, 5 ] ] }, 'found', 'in pieces');
    is audited($id), 'domain.claim domain.verify';
    $look->({ texts => [$value] }, 'found', 'again');
    is audited($id), 'domain.claim domain.verify', '  which is nothing new';
    json_is $w->{ann}->get(of($w, "/$id")), '/verified_at', $MICRO;

    my $other = claim($x, eve => 'acme.example');
    shown($other);
    error_is verify($x, eve => $other->json('/id')), 409, 'CONFLICT', field => 'domain', message => qr/another workspace/, name => 'of two one has it';
    is stored($other->json('/id'))->{verified_at}, undef;
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $w->id);
    json_is verify($x, eve => $other->json('/id')), '/status', 'verified', 'one that is no more holds nothing';
    $db->do('UPDATE organizations SET deleted_at = NULL WHERE id = ?', undef, $w->id);
    is stored($id)->{verified_at}, undef;
    status_is $x->{eve}->delete(of($x, '/' . $other->json('/id'))), 204;
    $look->({ alias => 'records.hosting.example', texts => [$value] }, 'found', 'by an alias');

    my $tenant = $t->user('tess', tenant => 'other');
    my $far    = bless { id => $t->organization($tenant), tess => undef }, 'Ashlar::Workspace';
    $far->{tess} = $tenant->with(headers => { 'X-Workspace-Id' => $far->id });
    my $theirs = claim($far, tess => 'acme.example');
    shown($theirs);
    json_is verify($far, tess => $theirs->json('/id')), '/status', 'verified', 'another tenant has workspaces of its own';

    $db->do(q{UPDATE rate_limits SET tries = 60, window_ends = now() + interval '1 hour' WHERE name = 'domain_verify' AND subject = ?}, undef, 'organization:' . $w->id);
    error_is verify($w, ann => $id), 429, 'RATE_LIMIT_EXCEEDED', name => '60 looks an hour';
    $db->do('DELETE FROM rate_limits');
    $db->do('DELETE FROM workspace_domains');
};

subtest 'joining' => sub {
    my $id   = joining($w, ann => 'acme.example');
    my $gil  = person(gil => 'gil@acme.example');
    my $list = '/api/v1/workspaces/joinable';
    error_is $t->get($list), 401, 'AUTHENTICATION_ERROR';
    error_is $t->post(join_of($w)), 401, 'AUTHENTICATION_ERROR';
    my %nobody = (
        'who has not verified the address' => person(una => 'una@acme.example', 0),
        'who has one of a subdomain'       => person(sub => 'sub@eng.acme.example'),
        'who has one that ends alike'      => person(alike => 'x@notacme.example'),
        'who has another one'              => person(other => 'acme.example@gmail.com'),
        'who is in another tenant'         => $t->user('tom', tenant => 'other', columns => { email => 'tom@acme.example', email_key => 'tom@acme.example', is_email_verified => 't' }),
    );
    for my $who (sort keys %nobody) {
        json_is $nobody{$who}->get($list), '', { workspaces => [] }, $who;
        error_is $nobody{$who}->post(join_of($w)), 404, 'NOT_FOUND', name => '  does not join';
    }
    json_is $gil->get($list), '', { workspaces => [ { id => $w->id, name => qr/./, slug => qr/./, logo_url => undef, domain => 'acme.example', role => 'member', member_count => 4 } ] };
    error_is $gil->post("/api/v1/workspaces/$_/join"), 404, 'NOT_FOUND' for $none, $x->id;
    $w->{ann}->put(of($w, "/$id"), { joining_enabled => false });
    json_is $gil->get($list), '', { workspaces => [] }, 'it can be switched off';
    error_is $gil->post(join_of($w)), 404, 'NOT_FOUND';
    $w->{ann}->put(of($w, "/$id"), { joining_enabled => true });
    my $boss = $t->user('boss', role => 'superadmin');
    my $act  = $boss->post('/api/v1/admin/impersonate/start', { user_id => $gil->id, reason => 'Case 4711' });
    if (status_is $act, 200) {
        my $as = $t->client(token => $act->json('/access_token') // $act->json('/token'));
        error_is $as->post(join_of($w)), 403, 'AUTHORIZATION_ERROR', name => 'nobody joins in another\'s name';
    }

    my $joined = $gil->post(join_of($w));
    json_is $joined, '', { message => qr/./, workspace => { id => $w->id, name => qr/./, slug => qr/./, logo_url => undef }, member_id => $UUID, role => 'member' };
    json_is $gil->get('/api/v1/members/me', headers => { 'X-Workspace-Id' => $w->id }), '/is_active', true, 'a member at once';
    is $db->selectrow_array('SELECT default_organization_id FROM users WHERE id = ?', undef, $gil->uuid), $w->id, 'who had no workspace begins in it';
    is $db->selectrow_array('SELECT accepted_at IS NOT NULL FROM member_profiles WHERE member_id = ?', undef, $joined->json('/member_id')), 1;
    is $db->selectrow_array('SELECT member_count FROM organizations WHERE id = ?', undef, $w->id), 5, 'and counted';
    error_is $gil->post(join_of($w)), 409, 'CONFLICT', name => 'once';
    json_is $gil->get($list), '', { workspaces => [] }, 'whose own workspace is not listed';
    is audited($gil->id) =~ s/session\.\S+ ?//gr =~ s/impersonate\S* ?//gr =~ s/user\S* ?//gr, 'member.join', 'put down';
    is_deeply [ $db->selectrow_array(q{SELECT details ->> 'domain', details ->> 'role', details ->> 'organization_id' FROM audit_events WHERE action = 'member.join'}) ], [ 'acme.example', 'member', $w->id ];
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'member_joined' AND member_id = ? AND data ->> 'member_id' = ?}, undef, $w->member_id($_), $joined->json('/member_id')), 1, "$_ is told"
        for qw(ann adam);
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE organization_id = ? AND entity_id = ?}, undef, $w->id, $joined->json('/member_id')), 1, 'it is activity';

    $w->{ann}->put(of($w, "/$id"), { role => 'viewer' });
    json_is person(gus => 'gus@acme.example')->post(join_of($w)), '/role', 'viewer', 'as the role that is set';
    status_is $w->{ann}->delete(of($w, "/$id")), 204;
    json_is $gil->get('/api/v1/members/me', headers => { 'X-Workspace-Id' => $w->id }), '/role', 'member', 'who has joined stays';
    error_is person(late => 'late@acme.example')->post(join_of($w)), 404, 'NOT_FOUND';
    $db->do('DELETE FROM workspace_domains');
};

subtest 'who went' => sub {
    joining($w, ann => 'acme.example', role => 'viewer');
    my $may = sub ($who) { scalar @{ $who->get('/api/v1/workspaces/joinable')->json('/workspaces') } };
    my $out = person(out => 'out@acme.example');
    my $in  = sub { my $id = $out->post(join_of($w))->json('/member_id'); ok $id, 'joins'; $id };

    my $member = $in->();
    status_is $w->{ann}->delete("/api/v1/members/$member"), 204, 'who was taken out';
    is $may->($out), 0;
    error_is $out->post(join_of($w)), 403, 'AUTHORIZATION_ERROR', message => qr/invited/, name => '  does not come back by the address';
    my $again = person(again => 'other@acme.example');
    $db->do(q{UPDATE users SET email = 'moved@acme.example', email_key = 'moved@acme.example' WHERE id = ?}, undef, $out->uuid);
    $db->do(q{UPDATE users SET email = 'out@acme.example', email_key = 'out@acme.example' WHERE id = ?}, undef, $again->uuid);
    error_is $again->post(join_of($w)), 403, 'AUTHORIZATION_ERROR', name => '  nor by another account with it';
    $db->do(q{UPDATE users SET email = 'other@acme.example', email_key = 'other@acme.example' WHERE id = ?}, undef, $again->uuid);
    $db->do(q{UPDATE users SET email = 'out@acme.example', email_key = 'out@acme.example' WHERE id = ?}, undef, $out->uuid);

    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $w->{ann}->uuid);
    my $asked = $w->{ann}->post('/api/v1/workspaces/' . $w->id . '/invite', { email => 'out@acme.example', role => 'admin' });
    status_is $asked, 201, '  but invited they do';
    my $joined = $out->post(join_of($w));
    json_is $joined, '/role', 'admin', '  as the invitation says, which is accepted by that';
    json_is $joined, '/member_id', $asked->json('/id');
    is $db->selectrow_array('SELECT status FROM invitations WHERE id = ?', undef, $asked->json('/id')), 'accepted';
    is $db->selectrow_array('SELECT count(*) FROM membership_removals'), 0, '  and nothing is remembered';

    status_is $out->post('/api/v1/workspaces/' . $w->id . '/leave'), 204, 'who has left by themself';
    json_is $out->post(join_of($w)), '/role', 'viewer', '  comes back by themself';

    my $at = $db->selectrow_array('SELECT id FROM memberships WHERE user_id = ?', undef, $out->uuid);
    status_is $w->{ann}->put("/api/v1/members/$at", { is_active => false }), 200, 'who was switched off';
    is $may->($out), 0;
    error_is $out->post(join_of($w)), 403, 'AUTHORIZATION_ERROR', name => '  does not switch themself on';
    $w->{ann}->post('/api/v1/workspaces/' . $w->id . '/invite', { email => 'out@acme.example' });
    json_is $out->post(join_of($w)), '/member_id', $at, '  but for an invitation to come back';
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $at);
    $db->do(q{UPDATE invitations SET status = 'pending', expires_at = now() WHERE email = 'out@acme.example' AND id = (SELECT max(id::text)::uuid FROM invitations WHERE email = 'out@acme.example')});
    error_is $out->post(join_of($w)), 403, 'AUTHORIZATION_ERROR', name => '  not one that has run out';
    is $db->selectrow_array('SELECT count(*) FROM member_profiles p LEFT JOIN memberships m ON m.id = p.member_id WHERE m.id IS NULL'), 0;
};

subtest 'many at once' => sub {
    my $who = person(twice => 'twice@acme.example');
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $w->id);
    my @pids = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $status = $t->client(token => $who->token)->post(join_of($w), undef, fresh => 1)->status;
            POSIX::_exit($status == 200 ? 1 : $status == 409 ? 2 : 3);
        }
        $pid
    } 1, 2;
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->rollback;
    my @ends = map { waitpid $_, 0; $? >> 8 } @pids;
    is join(' ', sort @ends), '1 2', 'one account joins once';
};

subtest 'its record goes' => sub {
    my $id = $db->selectrow_array('SELECT id FROM workspace_domains WHERE organization_id = ?', undef, $w->id);
    my $worker = $t->start_worker(children => 1);
    my $look   = sub ($answer, $seen, $found, $why) {
        $dns->name('_ashlar.acme.example', $answer);
        $db->do(q{UPDATE workspace_domains SET outcome = NULL, seen_at = now() - ?::interval, due_at = now() WHERE id = ?}, undef, $seen, $id);
        $db->do('SELECT domains_due(10)');
        eventually { (stored($id)->{outcome} // '') eq $found } 20, $why;
        ok $db->selectrow_array('SELECT due_at > now() FROM workspace_domains WHERE id = ?', undef, $id), '  and is due later';
    };
    my $value = 'ashlar-verify=' . stored($id)->{token};
    $look->({ texts => [$value] }, '9 days', 'found', 'there');
    ok $db->selectrow_array(q{SELECT seen_at > now() - interval '1 minute' FROM workspace_domains WHERE id = ?}, undef, $id), '  which is noted';
    $look->(undef, '71 hours', 'missing', 'gone');
    is stored($id)->{joining_enabled}, 1, '  for less than 3 days changes nothing';
    $look->({ rcode => 2 }, '13 days', 'unanswered', 'DNS does not say');
    is stored($id)->{joining_enabled}, 1, '  for less than 14 days changes nothing';
    is scalar(grep { $_->{template} eq 'domain_lapsed' } $t->mails), 0;
    $look->(undef, '73 hours', 'missing', 'gone for 3 days');
    eventually { !stored($id)->{joining_enabled} } 10, '  nobody joins by it';
    is_deeply [ map { $_->{to} } grep { $_->{template} eq 'domain_lapsed' } $t->mails ], [ $w->{ann}->email ], '  and the owner reads so';
    json_is $w->{ann}->get(of($w, "/$id")), '/status', 'lapsed';
    is audited($id) =~ /domain\.lapse\z/ ? 1 : 0, 1;
    is $db->selectrow_array(q{SELECT actor_type FROM audit_events WHERE action = 'domain.lapse'}), 'system';
    error_is person(after => 'after@acme.example')->post(join_of($w)), 404, 'NOT_FOUND';
    $dns->name('_ashlar.acme.example', { texts => [$value] });
    json_is verify($w, ann => $id), '/status', 'verified', 'set again it is verified again';
    json_is $w->{ann}->get(of($w, "/$id")), '/joining_enabled', false, '  and joins nobody until somebody says so';
    $look->({ rcode => 2 }, '15 days', 'unanswered', 'unanswered for 14 days');
    eventually { !defined stored($id)->{verified_at} } 10, '  is gone, too';
    $db->do('UPDATE workspace_domains SET due_at = now()');
    is $db->selectrow_array('SELECT domains_due(10)'), 0, 'what is not verified is not looked for';
};

$dns->stop;
