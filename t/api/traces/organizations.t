# Organizations on the observability surface: who may what, members, invitations, limits, and the Demo Org.

use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start(FREEPLAN_MAX_USERS => 3, APP_URL => 'https://app.example.com');
my $base   = '/api/opsboard/orgs';
my $demo   = 'c0000000-0000-0000-0000-000000000000';
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $n      = 0;
my $ann    = person('ann');

sub person ($name, %columns) { return $t->user($name, columns => { is_email_verified => 't', %columns }) }
sub db ($sql, @values) { return scalar $t->db->selectrow_array($sql, undef, @values) }
sub org ($owner, $plan = 'pro') {
    my $id = $t->organization($owner);
    $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $id);
    return $id;
}
sub joined ($org, $role, $name = "the-$role-" . ++$n) {
    my $who = person($name);
    $t->member($org, $who, $role);
    return $who;
}
sub role_of ($org, $who) { return db('SELECT role FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $who->uuid) }
sub audited ($action, $id) { return $t->db->selectcol_arrayref('SELECT actor_id FROM audit_events WHERE action = ? AND resource_id = ?', undef, $action, $id) }
sub ask ($who, $method, $path, @body) { return $who->request($method, $path, @body ? (json => $body[0]) : ()) }

subtest 'who may what' => sub {
    my $org   = org($ann);
    my $vic   = joined($org, 'developer');
    my @admin = (
        [ PUT    => "$base/$org", { name => 'Other' } ],
        [ POST   => "$base/$org/update", { name => 'Other' } ],
        [ POST   => "$base/$org/invite", { email => 'x@example.com', role => 'developer' } ],
        [ GET    => "$base/$org/invites" ],
        [ DELETE => "$base/$org/invites/x\@example.com" ],
        [ POST   => "$base/$org/change-role", { user_id => $vic->uuid, role => 'developer' } ],
        [ POST   => "$base/$org/members/update", { user_id => $vic->uuid, role => 'developer' } ],
        [ POST   => "$base/$org/remove-member", { user_id => $nobody } ],
        [ POST   => "$base/$org/members/remove", { user_id => $nobody } ],
    );
    my @all    = (@admin, [ GET => "$base/$org" ], [ DELETE => "$base/$org" ]);
    my $theirs = $t->user('theirs', tenant => 'other');
    my $none   = sub ($path) { $path =~ s/\Q$org/$nobody/r };
    for (@all) {
        my ($method, $path, @body) = @$_;
        error_is ask($t->nobody, @$_), 401, 'AUTHENTICATION_ERROR', name => "$method $path: not without a token";
        error_is ask($theirs, @$_), 404, 'NOT_FOUND', name => '  nor another tenant\'s';
        error_is ask($ann, $method, $none->($path), @body), 404, 'NOT_FOUND', name => '  nor where there is none';
        error_is ask(person('out-' . ++$n), @$_), 403, 'AUTHORIZATION_ERROR', name => '  nor who is no member';
    }
    for my $role (qw(developer business_user member viewer)) {
        my $who = joined($org, $role);
        error_is ask($who, @$_), 403, 'AUTHORIZATION_ERROR', permission => 'ORG_MANAGE', name => "a $role: not $_->[0] $_->[1]" for @admin;
        error_is ask($who, DELETE => "$base/$org"), 403, 'AUTHORIZATION_ERROR', permission => 'ORG_OWN';
        status_is ask($who, GET => "$base/$org"), 200, "a $role reads it";
        is $who->last->json('/current_user_role'), { member => 'developer', viewer => 'business_user' }->{$role} // $role, '  and is told as what';
    }
    my $al = joined($org, 'admin');
    for (@admin) {
        my $res = ask($al, @$_);
        ok $res->status =~ /^(?:200|400|404)$/, "an admin: $_->[0] $_->[1]" or diag $res->describe;
    }
    error_is ask($al, DELETE => "$base/$org"), 403, 'AUTHORIZATION_ERROR', permission => 'ORG_OWN', name => 'but not the end';
};

subtest 'made, read, renamed' => sub {
    error_is $ann->post($base, { name => $_ }), 422, 'VALIDATION_ERROR', field => 'name' for undef, '', 'x' x 256;
    my $res = $ann->post($base, { name => 'Night Watch', prem_status => 'enterprise' });
    status_is $res, 200;
    my $o = $res->json;
    is_deeply { map { $_ => $o->{$_} } grep { $_ ne 'id' } keys %$o }, { name => 'Night Watch', prem_status => 'free', subscription_id => undef, subscription_end_date => undef, subscription_start_date => undef,
        subscription_cancel_at_period_end => undef, current_user_role => 'owner', current_member_count => 1, max_member_count => 3, current_project_count => 0, max_project_count => 1, paid_member_count => 1 },
        'free, without a subscription, and the caller is its owner with a licence';
    is_deeply audited('organization.create', $o->{id}), ['user_ann'];
    my $got = $ann->get("$base/$o->{id}");
    is_deeply $got->json, { %$o, users => [ { user_id => $ann->uuid, org_id => $o->{id}, role => 'owner', user_email => $ann->email, is_paid => true } ] }, 'with its members';
    is $ann->put("$base/$o->{id}", { name => 'Day Watch', prem_status => 'pro' })->json('/name'), 'Day Watch';
    is $ann->post("$base/$o->{id}/update", { name => 'Watch' })->json('/prem_status'), 'free', 'nothing but its name is to be changed';
    is $ann->get("$base/$o->{id}")->json('/name'), 'Watch';
    error_is $ann->put("$base/$o->{id}", {}), 422, 'VALIDATION_ERROR', field => 'name';
    status_is $ann->post("$base/create", { name => 'By the other path' }), 200;
};

subtest 'the list has those that one is in' => sub {
    my $bob  = person('bob');
    my $mine = org($bob, 'free');
    my $in   = org($ann);
    $t->member($in, $bob, 'viewer');
    my $gone = org($bob);
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    my $left = org($ann);
    $t->member($left, $bob, 'admin');
    $t->db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $left, $bob->uuid);
    $t->db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, tier, status, is_current, is_seated, quantity, amount, currency, started_at, period_start, period_end, provider, provider_id, customer_id, item_id, price_id, seen_at, cancel_at_period_end)
                 VALUES (?, ?, 'pro', 'active', true, true, 1, 4000, 'usd', now(), '2026-11-01', '2026-12-01', 'stripe', 'sub_listed', 'cus_x', 'si_x', 'price_x', now(), true)}, undef, $bob->tenant_id, $in);
    my $res = $bob->get($base);
    status_is $res, 200;
    my @all = @{ $res->json };
    is_deeply [ map { "$_->{id} $_->{current_user_role}" } @all ], [ "$mine owner", "$in business_user" ], 'the oldest first, none that is deleted or left, and not the Demo Org';
    is_deeply [ @{ $all[1] }{qw(subscription_id subscription_start_date subscription_end_date subscription_cancel_at_period_end max_member_count max_project_count)} ],
        [ 'sub_listed', 1793491200, 1796083200, true, undef, undef ], 'with what is known of its subscription, and no limits';
    is_deeply [ @{ $all[0] }{qw(subscription_id subscription_end_date max_member_count current_project_count max_project_count)} ], [ undef, undef, 3, 1, 1 ];
    is_deeply $bob->get("$base/")->json, \@all, 'with a slash behind it, too';
    my $one = $bob->get("$base/$in")->json;
    is_deeply [ @{$one}{qw(subscription_id subscription_end_date subscription_start_date subscription_cancel_at_period_end)} ], [ 'sub_listed', undef, undef, undef ], 'by itself it has no dates';
};

sub invite ($who, $org, $email, $role = 'developer') { return $who->post("$base/$org/invite", { email => $email, role => $role }) }
sub pending ($org) { return [ map { "$_->{invitee_email} $_->{role}" } @{ $ann->get("$base/$org/invites")->json } ] }

subtest 'who is invited' => sub {
    my $org = org($ann);
    my $al  = joined($org, 'admin', 'inviter');
    my $in  = joined($org, 'developer', 'inside');
    error_is invite($ann, $org, 'nobody'), 422, 'VALIDATION_ERROR', field => 'email';
    error_is invite($ann, $org, 'x@example.com', $_), 422, 'VALIDATION_ERROR', field => 'role' for 'member', 'viewer', '', undef;
    error_is invite($ann, $org, uc $in->email), 400, 'BAD_REQUEST', field => 'email', name => 'not who is a member';
    error_is invite($al, $org, 'boss@example.com', 'owner'), 400, 'BAD_REQUEST', field => 'role', name => 'an owner, by owners only';
    my $res = invite($al, $org, 'Guest@Example.com', 'business_user');
    is_deeply $res->json, { success => true, message => 'the invitation is on its way' };
    error_is invite($ann, $org, 'guest@example.com'), 400, 'BAD_REQUEST', field => 'email', message => qr/pending/, name => 'an address once';
    status_is invite($ann, $org, 'boss@example.com', 'owner'), 200;
    person('known');
    status_is invite($ann, $org, 'known@example.com', 'admin'), 200;
    my @all = @{ $al->get("$base/$org/invites")->json };
    my %of  = map { ($_->{invitee_email} => $_) } @all;
    is_deeply [ map { $_->{invitee_email} } @all ], [ 'known@example.com', 'boss@example.com', 'guest@example.com' ], 'newest first, in lower case';
    is_deeply { %{ $of{'guest@example.com'} }, created_at => 'x' }, { invitee_email => 'guest@example.com', inviter_email => $al->email, role => 'business_user', org_id => $org,
        org_name => db('SELECT name FROM organizations WHERE id = ?', $org), created_at => 'x', user_exists => false };
    ok $of{'known@example.com'}{user_exists}, 'who has an account';
    is $ann->get("$base/$org")->json('/current_member_count'), 6, 'they count with the members';
    my ($mail) = grep { $_->{payload} =~ /guest\@example\.com/i } @{ $t->db->selectall_arrayref(q{SELECT payload::text FROM jobs WHERE kind = 'mail'}, { Slice => {} }) };
    ok $mail, 'a mail is to be sent';
    $t->db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $al->uuid);
    is_deeply [ map { $_->{inviter_email} } grep { $_->{invitee_email} eq 'guest@example.com' } @{ $ann->get("$base/$org/invites")->json } ], ['Unknown'], 'an inviter who is gone';

    error_is $ann->delete("$base/$org/invites/nobody\@example.com"), 404, 'NOT_FOUND';
    error_is $ann->delete("$base/" . org($ann) . '/invites/guest@example.com'), 404, 'NOT_FOUND', name => 'nor in another organization';
    is_deeply $ann->delete("$base/$org/invites/GUEST\@example.com")->json, { success => true, message => 'the invitation was revoked' };
    error_is $ann->delete("$base/$org/invites/guest\@example.com"), 404, 'NOT_FOUND', name => 'once';
    $t->db->do(q{UPDATE invitations SET expires_at = now() WHERE email = 'boss@example.com'});
    is_deeply pending($org), ['known@example.com admin'], 'nor are those there that have expired';
    status_is invite($ann, $org, 'boss@example.com', 'developer'), 200, '  whose address can be invited again';
};

subtest 'a free organization has so many members, with those who are invited' => sub {
    my $org = org($ann, 'free');
    joined($org, 'developer');
    status_is invite($ann, $org, 'third@example.com'), 200;
    error_is invite($ann, $org, 'fourth@example.com'), 400, 'BAD_REQUEST', message => qr/at most 3 members/;
    status_is $ann->delete("$base/$org/invites/third\@example.com"), 200;
    status_is invite($ann, $org, 'fourth@example.com'), 200, 'a revoked one makes room';
    $t->db->do(q{UPDATE organizations SET prem_status = 'enterprise' WHERE id = ?}, undef, $org);
    status_is invite($ann, $org, 'fifth@example.com'), 200, 'a paid one has no limit';
};

subtest 'two who invite for the last place, or one address, at once' => sub {
    my $org  = org($ann, 'free');
    joined($org, 'developer');
    my $race = sub (@emails) {
        my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $org);
        my @load = map { my $email = $_; $t->load(clients => 1, requests => 1, make => sub { $ann->with(http => $t->http) }, each => sub ($c, $i) { invite($c, $org, $email) }) } @emails;
        eventually { $t->waiting == @emails } 5, 'both wait';
        $lock->commit;
        return join ' ', sort map { $_->[0] } map { $_->finish } @load;
    };
    is $race->('one@example.com', 'two@example.com'), '200 400', 'one gets the place';
    $t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    is $race->('same@example.com', 'Same@example.com'), '200 400', 'one invitation';
};

subtest 'an invitation is its address\'s owner\'s' => sub {
    my $org = org($ann);
    my $eve = person('eve', email => 'eve@example.com');
    invite($ann, $org, 'grace@example.com', 'admin');
    my $accept = sub ($who, $path = 'accept-invite') { $who->post("$base/$org/$path") };
    error_is $accept->($eve), 404, 'NOT_FOUND', name => 'not somebody else\'s';
    $eve->put('/api/opsboard/users/me', { email => 'grace@example.com' });
    error_is $accept->($eve), 404, 'NOT_FOUND', name => 'nor who calls the address their own';
    is_deeply $eve->get("$base/invites")->json, [], '  nor do they see it';
    my $grace = $t->user('grace', columns => { email => 'Grace@Example.com' });
    is_deeply $grace->get("$base/invites")->json, [], 'nor whose address is not verified';
    error_is $accept->($grace), 404, 'NOT_FOUND';
    $t->db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $grace->uuid);
    my $res = $grace->get("$base/invites");
    is_deeply [ map { { %$_, created_at => 'x' } } @{ $res->json } ], [ { inviter_id => $ann->uuid, invitee_email => 'grace@example.com', org_id => $org, role => 'admin',
        org_name => db('SELECT name FROM organizations WHERE id = ?', $org), created_at => 'x' } ], 'verified, they see it, in whatever case';
    error_is $grace->post("$base/$nobody/accept-invite"), 404, 'NOT_FOUND', name => 'of the organization that invited';
    is role_of($org, $grace), undef;
    $res = $accept->($grace);
    is_deeply $res->json, { success => true, message => 'you are a member of the organization now' };
    is role_of($org, $grace), 'admin';
    ok db('SELECT is_paid FROM memberships WHERE organization_id = ? AND user_id = ?', $org, $grace->uuid), 'with a licence';
    is_deeply $grace->get("$base/invites")->json, [];
    is_deeply pending($org), [];
    error_is $accept->($grace), 404, 'NOT_FOUND', name => 'once';
    $t->db->do(q{UPDATE invitations SET status = 'pending', responded_at = NULL WHERE email = 'grace@example.com'});
    is $accept->($grace, 'accept')->json('/message'), 'you are a member of the organization already', 'who is in already joins no second time';
    is role_of($org, $grace), 'admin';
    is db(q{SELECT status FROM invitations WHERE email = 'grace@example.com'}), 'accepted', '  and the invitation is gone';

    invite($ann, $org, 'late@example.com');
    my $late = person('late', email => 'late@example.com');
    $t->db->do(q{UPDATE invitations SET expires_at = now() WHERE email = 'late@example.com'});
    error_is $accept->($late), 404, 'NOT_FOUND', name => 'an expired one is none';
    my $gone = org($ann);
    invite($ann, $gone, 'late@example.com');
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    error_is $late->post("$base/$gone/accept-invite"), 404, 'NOT_FOUND', name => 'nor a deleted organization\'s';
    is_deeply $late->get("$base/invites")->json, [];
    my $out = joined($org, 'developer');
    $t->db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $org, $out->uuid);
    error_is invite($ann, $org, $out->email), 400, 'BAD_REQUEST', name => 'who is deactivated there is invited by no one';
};

subtest 'who goes' => sub {
    my $org    = org($ann);
    my ($al, $vic, $two) = map { joined($org, $_) } qw(admin developer owner);
    my $remove = sub ($who, $whom, $path = 'remove-member') { $who->post("$base/$org/$path", { user_id => $whom->uuid }) };
    error_is $ann->post("$base/$org/remove-member", {}), 422, 'VALIDATION_ERROR', field => 'user_id';
    error_is $ann->post("$base/$org/remove-member", { user_id => $nobody }), 400, 'BAD_REQUEST', message => qr/no member/;
    error_is $remove->($_, $_), 400, 'BAD_REQUEST', message => qr/yourself/, name => 'nobody removes themselves' for $ann, $al;
    error_is $remove->($al, $ann), 400, 'BAD_REQUEST', message => qr/another owner/, name => 'an admin no owner';
    $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $vic->uuid);
    is_deeply $remove->($al, $vic)->json, { success => true, message => 'the member was removed' };
    is role_of($org, $vic), undef;
    is db('SELECT default_organization_id FROM users WHERE id = ?', $vic->uuid), undef, 'it is not their default any more';
    error_is $vic->get("$base/$org"), 403, 'AUTHORIZATION_ERROR';
    status_is $remove->($ann, $two, 'members/remove'), 200, 'an owner another one, by the other path';
    is scalar @{ audited('member.remove', $vic->id) }, 1;
    error_is $remove->($al, $ann), 400, 'BAD_REQUEST', name => 'the last owner stays';
};

subtest 'of two owners who remove each other at once one stays' => sub {
    my $org  = org($ann);
    my $two  = joined($org, 'owner');
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $org);
    my @load = map {
        my ($who, $whom) = @$_;
        $t->load(clients => 1, requests => 1, make => sub { $who->with(http => $t->http) }, each => sub ($c, $i) { $c->post("$base/$org/remove-member", { user_id => $whom->uuid }) });
    } [ $ann, $two ], [ $two, $ann ];
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 403';
    is db(q{SELECT count(*) FROM memberships WHERE organization_id = ? AND role = 'owner'}, $org), 1;
};

subtest 'another role' => sub {
    my $org    = org($ann);
    my ($al, $vic) = map { joined($org, $_) } qw(admin developer);
    my $change = sub ($who, $whom, $role, $path = 'change-role') { $who->post("$base/$org/$path", { user_id => $whom->uuid, role => $role }) };
    error_is $change->($ann, $vic, $_), 422, 'VALIDATION_ERROR', field => 'role' for 'member', 'viewer', 'boss', undef;
    error_is $ann->post("$base/$org/change-role", { user_id => $nobody, role => 'admin' }), 404, 'NOT_FOUND', name => 'of who is no member';
    error_is $change->($al, $al, 'developer'), 400, 'BAD_REQUEST', message => qr/your own/, name => 'not one\'s own';
    error_is $change->($al, $vic, 'owner'), 400, 'BAD_REQUEST', field => 'role', message => qr/only an owner/;
    error_is $change->($_, $ann, 'admin'), 400, 'BAD_REQUEST', message => qr/last owner/, name => 'the last owner stays one' for $al, $ann;
    is_deeply $change->($al, $vic, 'business_user')->json, { success => true, message => 'the role was changed' };
    is role_of($org, $vic), 'business_user';
    is $vic->get("$base/$org")->json('/current_user_role'), 'business_user';
    status_is $change->($al, $vic, 'business_user', 'members/update'), 200, 'the same again';
    is scalar @{ audited('member.role', $vic->id) }, 1, '  is no change';
    status_is $change->($ann, $vic, 'owner'), 200, 'an owner makes an owner';
    error_is $change->($al, $ann, 'admin'), 403, 'AUTHORIZATION_ERROR', name => 'whom an admin makes nothing else';
    error_is $change->($ann, $ann, 'admin'), 400, 'BAD_REQUEST', message => qr/your own/;
    status_is $change->($vic, $ann, 'developer'), 200, 'but another owner';
    is role_of($org, $ann), 'developer';
    error_is $change->($ann, $al, 'developer'), 403, 'AUTHORIZATION_ERROR';

    my $two  = org($ann);
    my $bob  = joined($two, 'owner');
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $two);
    my @load = map {
        my ($who, $whom) = @$_;
        $t->load(clients => 1, requests => 1, make => sub { $who->with(http => $t->http) }, each => sub ($c, $i) { $c->post("$base/$two/change-role", { user_id => $whom->uuid, role => 'admin' }) });
    } [ $ann, $bob ], [ $bob, $ann ];
    eventually { $t->waiting == 2 } 5, 'two owners demote each other';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 400', '  and one of them stays one';
    is db(q{SELECT count(*) FROM memberships WHERE organization_id = ? AND role = 'owner'}, $two), 1;
};

subtest 'the end' => sub {
    my $org = org($ann);
    my $vic = joined($org, 'developer');
    my $p   = $t->trace_project($org);
    invite($ann, $org, 'waits@example.com');
    error_is $ann->delete("$base/$org"), 400, 'BAD_REQUEST', message => qr/projects/, name => 'not with projects';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $p->uuid);
    $t->db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, tier, status, is_current, is_seated, quantity, amount, currency, started_at, period_start, period_end, provider, provider_id, customer_id, item_id, price_id, seen_at)
                 VALUES (?, ?, 'pro', 'active', true, true, 1, 4000, 'usd', now(), now(), now() + interval '1 month', 'stripe', 'sub_runs', 'cus_y', 'si_y', 'price_y', now())}, undef, $ann->tenant_id, $org);
    error_is $ann->delete("$base/$org"), 400, 'BAD_REQUEST', message => qr/subscription/, name => 'nor with a subscription';
    $t->db->do(q{UPDATE subscriptions SET ended_at = now(), status = 'canceled', is_current = false WHERE provider_id = 'sub_runs'});
    is_deeply $ann->delete("$base/$org")->json, { success => true, message => 'the organization was deleted' };
    error_is $ann->get("$base/$org"), 404, 'NOT_FOUND';
    error_is $ann->delete("$base/$org"), 404, 'NOT_FOUND', name => 'once';
    is db('SELECT count(*) FROM memberships WHERE organization_id = ?', $org), 0, 'memberships go with it';
    is db('SELECT status FROM invitations WHERE organization_id = ?', $org), 'cancelled', 'and invitations';
    is_deeply audited('organization.delete', $org), ['user_ann'];
};

subtest 'the Demo Org is everybody\'s' => sub {
    my ($cat, $dan) = map { person($_) } qw(cat dan);
    my $res = $cat->get("$base/$demo");
    status_is $res, 200, 'whoever comes first finds it';
    my %is = %{ $res->json };
    is "@is{qw(name prem_status current_user_role current_member_count paid_member_count)}", 'Demo Org pro business_user 1 0', 'each sees themselves alone';
    is_deeply $is{users}, [ { user_id => $cat->uuid, org_id => $demo, role => 'business_user', user_email => $cat->email, is_paid => false } ];
    is_deeply $dan->get("$base/$demo")->json('/users/0/user_id'), $dan->uuid;
    is db('SELECT count(*) FROM memberships WHERE organization_id = ?', $demo), 0, 'which takes no row of theirs';
    is scalar(grep { $_->{id} eq $demo } @{ $cat->get($base)->json }), 0, 'it is in no list';
    for ([ PUT => '', { name => 'Mine' } ], [ DELETE => '' ], [ POST => '/invite', { email => 'x@example.com', role => 'developer' } ], [ GET => '/invites' ], [ DELETE => '/invites/x@example.com' ],
        [ POST => '/remove-member', { user_id => $dan->uuid } ], [ POST => '/change-role', { user_id => $dan->uuid, role => 'owner' } ], [ POST => '/cancel-subscription', { subscription_id => 'x' } ]) {
        my ($method, $path, @body) = @$_;
        error_is ask($cat, $method, "$base/$demo$path", @body), 403, 'AUTHORIZATION_ERROR', message => qr/everybody's/, name => "nobody: $method $path";
    }
    error_is $cat->post("$base/$demo/accept-invite"), 404, 'NOT_FOUND', name => 'nor joins';
    my $root = $t->user('root', role => 'superadmin');
    error_is ask($root, PUT => "$base/$demo", { name => 'Mine' }), 403, 'AUTHORIZATION_ERROR', name => 'not even an administrator';
    is $cat->get("$base/$demo/billing/dashboard")->json('/current_period'), undef, 'it has no seats';
    is db('SELECT name FROM organizations WHERE id = ? AND tenant_id = ?', $demo, $cat->tenant_id), 'Demo Org', 'it is as it was';
};
