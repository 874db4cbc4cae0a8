# The doors beyond a user's own session: API keys, teams, organizations, impersonation, roles of other issuers.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Digest::SHA 'sha256_hex';
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
my $request = '{"ip":"192.0.2.7","user_agent":"curl","request_id":"r-1","route":"platform.x"}';

sub one ($text, @value) { return scalar $super->selectrow_array($text, undef, @value) }

# A user with a session.
sub user ($public_id, %with) {
    my %row = (tenant_id => $A, public_id => $public_id, %with);
    my $by  = delete $row{impersonator_id};
    my @names = sort keys %row;
    my $id = one('INSERT INTO users (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', @row{@names});
    my $session = one(q{INSERT INTO sessions (tenant_id, user_id, expires_at, impersonator_id, method)
        VALUES (?, ?, now() + interval '1 hour', ?, 'token') RETURNING id}, $row{tenant_id}, $id, $by);
    return { id => $id, %row, enter => { tenant => $row{tenant_id}, issuer => 'ashlar', subject => $public_id, session => $session, least_role => 'user' } };
}

sub key ($type, %with) {
    my $text = "${type}_" . ('x' x 20) . int rand 1e12;
    my %row = (tenant_id => $A, name => $text, type => $type, prefix => substr($text, 0, 12), hash => '\\x' . sha256_hex($text),
        allowed_origins => $type eq 'public' ? '{https://app.example,http://localhost:3000}' : '{}', %with);
    my @names = sort keys %row;
    one('INSERT INTO api_keys (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', @row{@names});
    return { %row, enter => { tenant => undef, key => $row{hash} } };
}

# Who has a permission by default, as rows say it.
my %roles = map { $_->[0] => $_->[1] } @{ $super->selectall_arrayref('SELECT name, roles::text FROM permissions') };
my %own   = map { $_->[0] => $_->[1] } @{ $super->selectall_arrayref('SELECT name, own_roles::text FROM permissions') };

sub may ($permission, $has_own = 0) {
    return (permission => $permission, roles => $roles{ $permission // '' }, $has_own ? (own_roles => $own{ $permission // '' }) : ());
}

# The settings that the door made, or the SQLSTATE and the message.
sub enter (%value) {
    my $team = delete $value{team};
    my $door =
          $team                                        ? 'enter_team'
        : exists $value{workspace}                     ? 'enter_member'
        : exists $value{organization}                  ? 'enter_organization'
        : $value{is_installation} || $value{permission} ? ($value{least_role} ? 'enter_operator' : 'enter_operator_key')
        : $value{least_role}                           ? 'enter_user'
        : $value{key}                                  ? 'enter_key'
        :                                                'enter_anyone';
    delete @value{qw(issuer subject)} if $team;
    my $result;
    eval {
        $sql->in($api, undef, undef, sub {
            $sql->run($api, $door => note => $request, %value);
            ($result) = $api->selectrow_array(q{SELECT concat_ws(' ', CASE app_tenant() WHEN ? THEN 'A' WHEN ? THEN 'B' ELSE 'other' END,
                (SELECT public_id FROM users WHERE id = app_user()), (SELECT email FROM team_members WHERE id = app_team()),
                CASE WHEN app_is_secret() THEN 'secret' END, app_org_role())}, undef, $A, $B);
        });
        1;
    } or $result = $@ =~ /\A(\w{5}) .*?ERROR:\s+(.*)$/m ? "$1 $2" : $@;
    return $result;
}

sub refused ($state, $got, $why) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like $got, qr/\A$state /, $why;
}

my $ann = user('ann');
my $bob = user('bob', tenant_id => $B);

subtest 'a key brings its tenant' => sub {
    my ($sk, $other) = (key('secret'), key('secret', tenant_id => $B));
    is enter(%{ $sk->{enter} }),    'A secret', 'a secret key';
    is enter(%{ $other->{enter} }), 'B secret', 'of another tenant';
    refused 'AS005', enter(tenant => undef, key => '\\x' . sha256_hex('guess')), 'an unknown one';
    is enter(%{ $ann->{enter} }, key => $sk->{hash}), 'A ann secret', 'with a user\'s token';
    refused 'AS401', enter(%{ $ann->{enter} }, key => $other->{hash}), 'whose tenant is another';
    for my $off ('is_active = false', 'revoked_at = now()') {
        $super->do("UPDATE api_keys SET $off WHERE hash = ?", undef, $sk->{hash});
        refused 'AS005', enter(%{ $sk->{enter} }), "not with $off";
        $super->do('UPDATE api_keys SET is_active = true, revoked_at = NULL WHERE hash = ?', undef, $sk->{hash});
    }
    $super->do('UPDATE tenants SET is_active = false WHERE id = ?', undef, $B);
    refused 'AS005', enter(%{ $other->{enter} }), 'nor when its tenant is suspended';
    $super->do('UPDATE tenants SET is_active = true WHERE id = ?', undef, $B);
    is enter(%{ $other->{enter} }), 'B secret', '  until that is over';
};

subtest 'a key of a workspace' => sub {
    my ($org, $gone) = map { one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, ?, ?) RETURNING id}, $A, $_, $_) } qw(keys-a keys-b);
    my %of    = (type => 'workspace', organization_id => $org, scopes => '{data:read}');
    my $make  = sub (%with) { key('workspace', %of, %with)->{enter} };
    my $only  = sub (%value) { delete $value{tenant}; return %value };
    my $enter = sub ($key, %with) {
        my $result;
        eval {
            $sql->in($api, undef, undef, sub {
                $sql->run($api, enter_workspace_key => note => $request, address => '192.0.2.7', $only->(%$key, %with));
                ($result) = $api->selectrow_array(q{SELECT concat_ws(' ', CASE app_tenant() WHEN ? THEN 'A' ELSE 'other' END, CASE app_organization() WHEN ? THEN 'keys' ELSE 'another' END,
                    app_user(), app_member(), CASE WHEN app_is_secret() THEN 'secret' END)}, undef, $A, $org);
            });
            1;
        } or $result = $@ =~ /\A(\w{5}) .*?ERROR:\s+(.*)$/m ? "$1 $2" : $@;
        return $result;
    };
    is $enter->($make->()), 'A keys', 'tenant and workspace are the key\'s; it is nobody, and no key of the tenant';
    is $enter->($make->(), workspace => $org), 'A keys', 'the workspace may be named';
    refused 'AS403', $enter->($make->(), workspace => $gone), 'another may not';
    is $enter->($make->(), scope => 'data:read'), 'A keys', 'within its scopes';
    refused 'AS010', $enter->($make->(), scope => 'records:read'), 'and not beyond';
    is $enter->($make->(scopes => '{}'), scope => 'records:read'), 'A keys', 'none named: all';
    is $enter->($make->(expires_at => '2099-01-01')), 'A keys', 'until it ends';
    refused 'AS005', $enter->($make->(%$_)), "not with @{[%$_]}" for { expires_at => '2020-01-01' }, { is_active => 'f' }, { revoked_at => '2020-01-01' };
    is $enter->($make->(allowed_ranges => '{2001:db8::/32,192.0.2.0/24}')), 'A keys', 'from an address that it names';
    refused 'AS403', $enter->($make->(allowed_ranges => '{2001:db8::/32,192.0.2.0/29}'), address => $_), 'from ' . ($_ // 'nowhere') . ' not' for '192.0.2.8', '2001:db9::1', undef;
    refused 'AS005', $enter->({ tenant => undef, key => '\\x' . sha256_hex('guess') }), 'an unknown one';
    refused 'AS005', $enter->(key('secret')->{enter}), 'a key of the tenant is none of a workspace\'s';
    refused 'AS403', enter(%{ $make->() }), 'nor the other way round';
    refused 'AS403', enter(%{ $ann->{enter} }, %{ $make->() }, tenant => $A), 'beside a token neither';
    $super->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $org);
    refused 'AS005', $enter->($make->()), 'of a workspace that is deleted';
};

subtest 'a public key has its origins' => sub {
    my $pk = key('public');
    is enter(%{ $pk->{enter} }, origin => 'https://app.example'),   'A', 'one of them';
    is enter(%{ $pk->{enter} }, origin => 'http://localhost:3000'), 'A', 'another, with its port';
    refused 'AS006', enter(%{ $pk->{enter} }, origin => $_), $_
        for 'http://app.example', 'https://app.example:8443', 'https://app.example.evil', 'https://sub.app.example', 'https://app.example/', 'null';
    refused 'AS006', enter(%{ $pk->{enter} }), 'none at all';
};

subtest 'nobody lists keys by guessing' => sub {
    $api->begin_work;
    $api->do(q{SELECT set_config('app.key_hash', ?, true)}, undef, sha256_hex('guess'));
    is_deeply $api->selectcol_arrayref('SELECT name FROM api_keys'), [], 'a hash shows its own row and no other';
    $api->rollback;
};

subtest 'the team' => sub {
    my %member;
    for my $role (qw(owner admin member)) {
        my $id = one(q{INSERT INTO team_members (tenant_id, email, role, joined_at) VALUES (?, ?, ?, now()) RETURNING id}, $A, "$role\@a.example", $role);
        my $session = one(q{INSERT INTO team_sessions (tenant_id, member_id, expires_at) VALUES (?, ?, now() + interval '1 hour') RETURNING id}, $A, $id);
        $member{$role} = { id => $id, enter => { tenant => $A, team => 't', issuer => 'ashlar', subject => $id, session => $session } };
    }
    for my $row ([ owner => 1, 1, 1 ], [ admin => 1, 1, 0 ], [ member => 1, 0, 0 ]) {
        my ($role, @may) = @$row;
        for my $need (qw(member admin owner)) {
            my $got = enter(%{ $member{$role}{enter} }, least_role => $need);
            shift @may ? is $got, "A $role\@a.example", "$role where $need is needed" : refused 'AS403', $got, "$role where $need is needed";
        }
    }
    my %owner = (%{ $member{owner}{enter} }, least_role => 'member');
    like enter(%owner, test => 't'), qr/\Aother/, 'in test mode the tenant is its sibling';
    refused 'AS401', enter(%owner, tenant => $B), 'the session is of one tenant';
    refused 'AS401', enter(%owner, session => $ann->{enter}{session}), 'a user\'s session is no team member\'s';
    refused 'AS401', enter(%{ $ann->{enter} }, session => $owner{session}), 'nor the reverse';
    for my $off ('is_active = false', 'deleted_at = now()', 'joined_at = NULL') {
        $super->do("UPDATE team_members SET $off WHERE id = ?", undef, $member{owner}{id});
        refused 'AS401', enter(%owner), "out with $off";
        $super->do('UPDATE team_members SET is_active = true, deleted_at = NULL, joined_at = now() WHERE id = ?', undef, $member{owner}{id});
    }
    is enter(%owner), 'A owner@a.example', 'and in again';
};

subtest 'an organization' => sub {
    my $acme = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Acme', 'acme') RETURNING id}, $A);
    my $theirs = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'Acme', 'acme') RETURNING id}, $B);
    my $dev = user('dev');
    $super->do(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, 'developer')}, undef, $A, $acme, $dev->{id});
    my %read   = (organization => $acme, may('ORG_READ'));
    my %manage = (organization => $acme, may('ORG_MANAGE'));
    is enter(%{ $dev->{enter} }, %read), 'A dev developer', 'a member';
    refused 'AS403', enter(%{ $dev->{enter} }, %manage), 'whose role may not';
    refused 'AS403', enter(%{ $ann->{enter} }, %read), 'somebody else of the tenant';
    refused 'AS404', enter(%{ $bob->{enter} }, %read), 'somebody of another tenant';
    refused 'AS404', enter(%{ $dev->{enter} }, %read, organization => $theirs), 'another tenant\'s organization';
    $super->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $dev->{id});
    refused 'AS403', enter(%{ $dev->{enter} }, %read), 'a deactivated member';
    $super->do('UPDATE memberships SET is_active = true WHERE user_id = ?', undef, $dev->{id});
    $super->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $acme);
    refused 'AS404', enter(%{ $dev->{enter} }, %read), 'a deleted one';
};

subtest 'impersonation' => sub {
    my $root = user('root', role => 'admin');
    my $eve  = user('eve', impersonator_id => $root->{id});
    my $rows = sub { return $super->selectall_arrayref(q{SELECT actor_id, on_behalf_of, action, details ->> 'route', host(ip_address), request_id
        FROM audit_events WHERE resource_id = 'eve' ORDER BY seq}) };
    is enter(%{ $eve->{enter} }, note => undef), 'A eve', 'a read is the user\'s';
    is_deeply $rows->(), [], '  and leaves no row';
    is enter(%{ $eve->{enter} }), 'A eve', 'so is a write';
    is_deeply $rows->(), [ [ 'root', 'eve', 'impersonate.action', 'platform.x', '192.0.2.7', 'r-1' ] ], '  which is put down under both names';
    refused 'AS403', enter(%{ $eve->{enter} }, least_role => 'admin'), 'it gives the user\'s rights, not the administrator\'s';
    for my $off (q{role = 'user'}, 'is_active = false') {
        $super->do("UPDATE users SET $off WHERE public_id = 'root'");
        refused 'AS401', enter(%{ $eve->{enter} }), "it ends when the administrator has $off";
        refused 'AS401', enter(%{ $eve->{enter} }, note => undef), '  for reads, too';
        $super->do(q{UPDATE users SET role = 'admin', is_active = true WHERE public_id = 'root'});
    }
};

subtest 'what operators may' => sub {
    for my $role (qw(user admin superadmin editor builder agent viewer demo member)) {
        my $user = user("op-$role", role => $role);
        for ([ OPERATOR_READ => qr/admin|editor|builder|agent|viewer/ ], [ OPERATOR_WRITE => qr/admin|editor|builder|agent/ ]) {
            my ($permission, $may) = @$_;
            my $got = enter(%{ $user->{enter} }, may($permission));
            $role =~ $may ? is $got, "A op-$role", "$role: $permission" : refused 'AS403', $got, "$role: no $permission";
        }
        is enter(%{ $user->{enter} }), "A op-$role", '  but where none is asked for';
        my $admin = enter(%{ $user->{enter} }, least_role => 'admin');
        $role =~ /admin/ ? is $admin, "A op-$role", '  and administers' : refused 'AS403', $admin, '  and is no administrator';
    }
    my ($sk, $pk) = (key('secret'), key('public'));
    is enter(%{ $sk->{enter} }, may('OPERATOR_WRITE')), 'A secret', 'a secret key alone is an editor';
    refused 'AS403', enter(%{ $sk->{enter} }, permission => 'X', roles => '{superadmin,admin}'), '  and never an administrator';
    refused 'AS403', enter(%{ $pk->{enter} }, origin => 'https://app.example', may('OPERATOR_READ')), 'a public one is nobody';
};

subtest 'what is about the whole installation' => sub {
    my %all = (is_installation => 't', may('OPERATOR_READ'));
    is enter(%{ user('boss', role => 'admin')->{enter} }, %all), 'A boss', 'is for the default tenant';
    refused 'AS403', enter(%{ user('root-b', tenant_id => $B, role => 'superadmin')->{enter} }, %all), 'and for no role of another one';
    is enter(%{ key('secret')->{enter} }, %all), 'A secret', 'its key may';
    refused 'AS403', enter(%{ key('secret', tenant_id => $B)->{enter} }, %all), 'and none of another';
    refused 'AS403', enter(%{ user('clerk', role => 'user')->{enter} }, %all), 'beside the role that is asked for';
};

subtest 'what a key is for' => sub {
    for ([ undef, undef, 1 ], [ undef, 'tasks:read', 1 ], [ '{*}', undef, 1 ], [ '{*}', 'tasks:read', 1 ], [ '{tasks:read,tasks:write}', 'tasks:read', 1 ],
        [ '{tasks:write}', 'tasks:read', 0 ], [ '{tasks:read}', undef, 0 ], [ '{}', undef, 0 ], [ '{}', 'tasks:read', 0 ]) {
        my ($scopes, $needs, $may) = @$_;
        my $got  = enter(%{ key('secret', scopes => $scopes)->{enter} }, scope => $needs);
        my $what = ($scopes // 'everything') . ' where ' . ($needs // 'no scope') . ' is asked for';
        $may ? is $got, 'A secret', $what : refused 'AS010', $got, "not $what";
    }
    my $scoped = key('secret', scopes => '{tasks:read}');
    is enter(%{ $ann->{enter} }, key => $scoped->{hash}), 'A ann secret', 'a user beside it may what they may';
};

# What a role may in a workspace: how far it reaches.
sub reach ($user, $workspace, $permission) {
    my %in  = (workspace => $workspace, may($permission, 1));
    my $got = enter(%{ $user->{enter} }, %in);
    return $got if $got =~ /\AAS/;
    return $sql->in($api, undef, undef, sub {
        $sql->run($api, enter_member => %{ $user->{enter} }, %in);
        $api->selectrow_array(q{SELECT coalesce(app_reach(), 'none') || ' ' || coalesce(member_reach('can_edit_goal'), 'none')});
    });
}

subtest 'a workspace' => sub {
    my ($acme, $other) = map { one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'W', ?) RETURNING id}, $A, $_) } 'work', 'work-2';
    my %of;
    for my $role (qw(owner admin member developer viewer)) {
        $of{$role} = user("w-$role");
        $super->do(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, ?)}, undef, $A, $_, $of{$role}{id}, $role) for $acme, $other;
    }
    my $set = sub ($role, $permission, $is_granted, $workspace = $acme) {
        $super->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (tenant_id, organization_id, role, permission) DO UPDATE SET is_granted = excluded.is_granted},
            undef, $A, $workspace, $role, $permission, $is_granted);
    };
    is reach($of{owner}, $acme, undef), 'none all', 'where no permission is asked for membership is enough';
    my %default = (
        can_view_goal   => { owner => 'all', admin => 'all', member => 'all', developer => 'all', viewer => 'all' },
        can_create_goal => { owner => 'all', admin => 'all', member => 'all', developer => 'all' },
        can_edit_goal   => { owner => 'all', admin => 'all', member => 'own', developer => 'own' },
        can_create_team => { owner => 'all', admin => 'all' },
    );
    for my $permission (sort keys %default) {
        for my $role (sort keys %of) {
            my $want = $default{$permission}{$role};
            my $got  = reach($of{$role}, $acme, $permission);
            $want ? like $got, qr/\A$want /, "$permission: $role, $want" : like $got, qr/\AAS403 .*\b$permission\b.*\b$role\b/, "$permission: not $role, and why";
        }
    }
    $set->(member => can_edit_goal => 1);
    is reach($of{member}, $acme, 'can_edit_goal'), 'all all', 'a workspace gives its members more';
    is reach($of{member}, $other, 'can_edit_goal'), 'own own', '  which is nothing to another one';
    is reach($of{developer}, $acme, 'can_edit_goal'), 'own own', '  nor to another role';
    $set->(member => can_edit_own_goal => 0);
    is reach($of{member}, $acme, 'can_edit_goal'), 'all all', 'who may all may their own';
    $set->(member => can_edit_goal => 0);
    refused 'AS403', reach($of{member}, $acme, 'can_edit_goal'), 'or takes everything';
    $set->(admin => can_edit_goal => 0);
    is reach($of{admin}, $acme, 'can_edit_goal'), 'own own', 'who loses the one may still have the other';
    ok !eval { $set->(owner => can_edit_goal => 0); 1 }, 'an owner cannot be set';
    $set->(viewer => WORKSPACE_ADMIN => 1);
    refused 'AS403', reach($of{viewer}, $acme, 'WORKSPACE_ADMIN'), 'nor can a role be given by a setting';
    refused 'AS403', reach($ann, $acme, undef), 'who is no member is told nothing';
    refused 'AS403', reach($bob, $acme, undef), 'nor is somebody of another tenant';
    refused 'AS008', reach($of{owner}, undef, undef), 'none is chosen';
    $super->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $acme, $of{owner}{id});
    is reach($of{owner}, undef, 'can_create_team'), 'all all', '  but by the user';
    ok !eval { $super->do(q{SELECT permission_reach(?, ?, 'owner', 'can_fly')}, undef, $A, $acme); 1 }, 'there is no other permission';
};

subtest 'the role that another issuer gives' => sub {
    my %token = (tenant => $A, issuer => 'https://i.example', subject => 'zoe', least_role => 'user');
    refused 'AS001', enter(%token, role => 'admin'), 'a new subject';
    $sql->run($api, user_provision => tenant => $A, issuer => $token{issuer}, subject => 'zoe', role => 'admin');
    is enter(%token, role => 'admin', least_role => 'admin'), 'A zoe', 'is what its token says';
    is enter(%token, least_role => 'admin'), 'A zoe', 'a token without a role leaves it';
    refused 'AS001', enter(%token, role => 'user'), 'another role is news';
    $sql->run($api, user_provision => tenant => $A, issuer => $token{issuer}, subject => 'zoe', role => 'user');
    refused 'AS403', enter(%token, role => 'user', least_role => 'admin'), 'then it has that';
    is one(q{SELECT details ->> 'to' FROM audit_events WHERE action = 'user.role'}), 'user', 'and it is put down';
    $super->do(q{UPDATE users SET role = 'builder' WHERE public_id = 'zoe' AND tenant_id = ?}, undef, $A);
    is enter(%token, role => 'user', may('OPERATOR_READ')), 'A zoe', 'a role of the operations surface is not its to take away';
    refused 'AS001', enter(%token, role => 'admin'), '  an administrator\'s is news all the same';
    $sql->run($api, user_provision => tenant => $A, issuer => $token{issuer}, subject => 'zoe', role => 'user');
    is one(q{SELECT role FROM users WHERE public_id = 'zoe' AND tenant_id = ?}, $A), 'builder', '  and providing for it leaves it';
    my $sk = key('secret', tenant_id => $B);
    $sql->run($api, user_provision => tenant => undef, key => $sk->{hash}, issuer => $token{issuer}, subject => 'zoe');
    is enter(%token, tenant => undef, key => $sk->{hash}), 'B zoe secret', 'with a key it is the key\'s tenant';
};

$_->disconnect for $api, $super;
$cluster->drop($name);
done_testing;
