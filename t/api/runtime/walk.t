use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Rows;

# Isolation, walked: every route of the API, with the ids of real rows of one
# tenant, as everybody who must not get at them.  Each gets exactly the refusal
# that the row's access asks for, no row of the tenant changes, and no byte of
# it is in an answer.
#
# Nothing here knows an endpoint: a route is covered when it appears.  One that
# brings a new kind of id fails until %id says which row of the tenant it names.
my $t    = Api->start;
my $db   = $t->db;
my $page = 'https://app.example.com';
my @rows = rows();

# ------------------------------------------------------------------ a tenant with one of everything

my $MARK  = 'aardvark';                  # in every text of the tenant's
my $ours  = $t->tenant_id('ours');
my $owner = member_of('ours', 'owner');
my $org   = $t->organization($owner);

sub member_of ($tenant, $name) {
    return $t->user($name, tenant => $tenant, columns => { email => "$name\@$MARK.example", full_name => "$name $MARK", is_email_verified => 1 });
}

sub insert ($table, %row) {
    my %all = (tenant_id => $ours, %row);
    my @names = sort keys %all;
    return scalar $db->selectrow_array("INSERT INTO $table (" . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING *',
        { Columns => {} }, @all{@names}) // '';
}

# The id of a row with these columns, made by the superuser.
sub made ($table, %row) {
    insert($table, %row);
    return scalar $db->selectrow_array("SELECT id FROM $table WHERE tenant_id = ? ORDER BY created_at DESC, id DESC LIMIT 1", undef, $ours);
}

$db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ours);    # the audit chain's trigger asks for it
$db->do('UPDATE organizations SET name = ?, slug = ?, description = ? WHERE id = ?', undef, "Org $MARK", "org-$MARK", $MARK, $org);
my $boss  = $t->team('boss', role => 'owner', tenant => 'ours', columns => { email => "boss\@$MARK.example", display_name => $MARK });
my $later = '2099-01-01';
my %id    = (
    organization_id  => $org,
    user             => $owner->uuid,
    project_id       => made(projects    => (owner_id => $owner->uuid, name => "p $MARK")),
    department_id    => made(departments => (organization_id => $org, name => "d $MARK", is_default => 1)),
    invitation_id    => made(invitations => (organization_id => $org, email => "guest\@$MARK.example", role => 'member', token_hash => 'x' x 32, expires_at => $later)),
    invitation_token => 'a' x 64,
    key_id           => made(api_keys => (name => $MARK, type => 'secret', prefix => "sk_live_$MARK", hash => 'y' x 32)),
    member_id        => $boss->uuid,
    flag_id          => made(feature_flags => (key => "flag-$MARK", name => $MARK, flag_type => 'boolean', is_enabled => 1)),
    flag_key         => "flag-$MARK",
    session          => $owner->session,
    passkey          => made(passkeys => (user_id => $owner->uuid, name => $MARK, credential_id => "c $MARK", public_key => 'k', rp_id => "$MARK.example")),
    webhook_id       => made(webhook_endpoints => (organization_id => $org, name => $MARK, url => "https://$MARK.example/", events => '{*}', secret_sealed => $MARK, secret_tail => 'xxxx')),
    issuer_id        => made(tenant_issuers => (name => $MARK, issuer => "https://$MARK.example", jwks_url => "https://$MARK.example/jwks")),
    provider         => 'google',
    job_id           => made(jobs => (kind => "dead-$MARK", state => 'failed', finished_at => 'now')),
    task_id          => made(jobs => (queue => "q-$MARK", kind => $MARK, payload => qq({"x":"$MARK"}))),
    schedule_id      => made(job_schedules => (queue => "q-$MARK", kind => $MARK, every_ms => 60_000)),
    queue            => "q-$MARK",
);
insert(webhook_messages => (id => "msg_$MARK", organization_id => $org, type => $MARK, payload => qq({"x":"$MARK"})));
$id{delivery_id} = made(webhook_deliveries => (endpoint_id => $id{webhook_id}, message_id => "msg_$MARK", event => $MARK));
my ($member) = $db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ?', undef, $org);
$id{team_id}       = made(workspace_teams => (organization_id => $org, name => $MARK, lead_member_id => undef));
$id{goal_id}       = made(goals => (organization_id => $org, title => $MARK, created_by => $member));
$id{preference_id} = made(notification_preferences => (organization_id => $org, member_id => $member, event_type => 'team_added', map { $_ => 1 } qw(inapp_enabled email_enabled whatsapp_enabled muted)));
$id{event_type}    = 'team_added';
insert(notifications => (organization_id => $org, member_id => $member, event_type => 'team_added', title => $MARK, message => $MARK));
insert(webhook_attempts => (delivery_id => $id{delivery_id}, number => 1, error => $MARK));
$id{webhook_event_id} = made(webhook_events => (provider => 'stripe', event_id => $MARK, type => $MARK, payload => qq({"x":"$MARK"})));
insert(oauth_providers => (provider => 'google', client_id => $MARK));
insert(user_settings   => (user_id => $owner->uuid, settings => qq({"x":"$MARK"})));
insert(totp_factors    => (user_id => $owner->uuid, secret_sealed => $MARK, confirmed_at => 'now'));
insert(recovery_codes  => (user_id => $owner->uuid, hash => 'z' x 32));
insert(audit_events    => (actor_id => $MARK, actor_type => 'user', action => $MARK, resource_type => $MARK));
insert(jobs            => (kind => $MARK));
insert(job_queues      => (name => "q-$MARK"));
my $number = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $ours);
my @aliases = ([ flag => 'flag_key' ], [ session_id => 'session' ], [ passkey_id => 'passkey' ], [ user_id => 'user' ]);
$id{ $_->[0] } //= $id{ $_->[1] } for @aliases;

# ------------------------------------------------------------------ who must not get at it

my $outsider = member_of('ours', 'outsider');    # of the tenant, but in no organization
my $pk       = $t->key(type => 'public', origins => [$page], tenant => 'ours');
my $sk       = $t->key(tenant => 'ours');
my $their_sk = $t->key(tenant => 'theirs');
my $stranger = $t->user('stranger', tenant => 'theirs', role => 'superadmin', columns => { is_email_verified => 1 });
my $rival    = $t->team('rival', role => 'owner', tenant => 'theirs');

my $revoked = $t->user('revoked', tenant => 'ours', role => 'superadmin');
$db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $revoked->session);
my $inactive = $t->user('inactive', tenant => 'ours', role => 'superadmin');
$db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $inactive->uuid);
my %left;    # team members whose session or account has ended
for my $name (qw(revoked inactive)) {
    $left{$name} = $t->team($name, role => 'owner', tenant => 'ours');
    my ($table, $set, $which) = $name eq 'revoked' ? ('team_sessions', 'revoked_at = now()', $left{$name}->session) : ('team_members', 'is_active = false', $left{$name}->uuid);
    $db->do("UPDATE $table SET $set WHERE id = ?", undef, $which);
}

# What a row asks for.
sub of ($row) {
    my $by = $row->{caller};
    return {
        key     => scalar($by->{key} =~ /taken|needed|secret/),    # there is a token for it
        secret  => $by->{key} eq 'secret',
        keyless => $by->{key} eq 'taken',
        either  => $by->{token} eq 'or_key' && !$by->{key_is_bearer},
        token   => scalar($by->{token} =~ /needed|or_key/),
        team    => $by->{team},
        public  => $by->{key} eq 'unread',
        role    => $by->{role} // '',
        place   => $by->{place},
    };
}

# The credentials of somebody who comes with a token, in the tenant of the key.
sub with_token ($row, $user, $team, $key) {
    my $of = of($row);
    return if !$of->{token};
    return $team if $of->{team};
    return $user->with(key => $of->{either} ? $pk : $key, origin => $page) if $of->{key};
    return $user;
}

# Each: who, with which credentials (undef: the row is not theirs to fail at), and the refusal: status and code.
my @personas = (
    [ 'nobody' => sub ($row) { of($row)->{public} || of($row)->{keyless} && !of($row)->{token} ? undef : $t->client },
        sub ($row) { of($row)->{key} && !of($row)->{keyless} ? (401, 'INVALID_API_KEY') : (401, 'AUTHENTICATION_ERROR') } ],
    [ 'a revoked session'   => sub ($row) { with_token($row, $revoked, $left{revoked}, $sk) },   sub ($row) { (401, 'AUTHENTICATION_ERROR') } ],
    [ 'a deactivated user'  => sub ($row) { with_token($row, $inactive, $left{inactive}, $sk) }, sub ($row) { (401, 'AUTHENTICATION_ERROR') } ],
    [ 'an expired token'    => sub ($row) {
            my $who = with_token($row, $owner, $boss, $sk) // return;
            return $who->with(token => $t->token($who, of($row)->{team} ? (ctx => 'tenant') : (), iat => time - 7200, exp => time - 3600));
        },
        sub ($row) { (401, 'AUTHENTICATION_ERROR') } ],
    [ 'a public key from a wrong origin' => sub ($row) {
            return if !of($row)->{key};
            return (of($row)->{token} ? $owner : $t->client)->with(key => $pk, origin => 'https://evil.example');
        },
        sub ($row) { of($row)->{secret} ? (403, 'AUTHORIZATION_ERROR') : (403, 'ORIGIN_NOT_ALLOWED') } ],
    [ 'a key of another tenant, with our user\'s token' => sub ($row) {
            return if !of($row)->{key} || !of($row)->{token};
            return $owner->with(key => $their_sk);
        },
        sub ($row) { of($row)->{either} ? (404, 'NOT_FOUND') : (401, 'AUTHENTICATION_ERROR') } ],    # beside a secret key no token is read
    [ 'a user of the tenant outside the organization' => sub ($row) { of($row)->{place} ne 'tenant' ? with_token($row, $outsider, undef, $sk) : undef },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a member whose role may not' => sub ($row) {
            my $may = of($row)->{place} ne 'tenant' ? $row->{may} : undef;
            my ($role) = grep { $may && ($may->{roles} . ($may->{own}{roles} // '')) !~ /\b$_\b/ } qw(viewer member developer admin);
            return if !$role;
            state %member;
            $member{$role} //= do {
                my $user = member_of('ours', "a$role");
                $t->member($org, $user, $role);
                $user;
            };
            return with_token($row, $member{$role}, undef, $sk);
        },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a user whose role may not' => sub ($row) { $row->{may} && of($row)->{place} eq 'tenant' ? $outsider : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a user where an administrator is needed' => sub ($row) { of($row)->{role} eq 'admin' && !of($row)->{team} ? $owner : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a team member where an administrator is needed' => sub ($row) {
            state $clerk = $t->team('clerk', role => 'member', tenant => 'ours', columns => { email => "clerk\@$MARK.example" });
            return of($row)->{role} eq 'admin' && of($row)->{team} ? $clerk : undef;
        },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
);
for my $row (@rows) { $_->[1]->($row) for @personas }    # whoever is made on demand is made now

# ------------------------------------------------------------------ what must stay as it is

my $tables = $db->selectcol_arrayref(<<~'END');
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
    END

# Every row of the tenant's, table by table; when a key was last used is no change.
sub state_of_ours () {
    return { tenants => row_hash('tenants', 'id'), map { $_ => row_hash($_, 'tenant_id') } @$tables };
}

sub row_hash ($table, $column) {
    return scalar $db->selectrow_array(
        "SELECT md5(string_agg(row, ',' ORDER BY row)) FROM (SELECT (to_jsonb(x) - 'last_used_at')::text AS row FROM $table x WHERE $column = ?) x", undef, $ours);
}

# Ids of ours that a request did not name itself, and the mark.
my @secret_ids = do {
    my %all;
    for my $table (@$tables) {
        my $ids = eval { $db->selectcol_arrayref("SELECT id::text FROM $table WHERE tenant_id = ?", undef, $ours) } // [];
        $all{$_} = 1 for @$ids;
    }
    grep { length > 30 } keys %all;
};

sub leaks ($res, $row) {
    my $body = join "\n", $res->body // '', map { "$_: " . ($res->header($_) // '') } $res->header_names;
    my ($query, $fields) = named($row);
    my @sent = ((map { param($_) } @{ $row->{params} }), values %$query, values %$fields);
    $body =~ s/\Q$_\E//g for @sent;
    return join ' ', grep { index($body, $_) >= 0 } $MARK, @secret_ids;
}

# A parameter of the path names the row of ours.
sub param ($p) {
    return $owner->id if $p->{name} eq 'user' && $p->{type} eq 'text';
    return $id{ $p->{name} } // die "$p->{name}: t/api/runtime/walk.t has no row that this names; add one to %id\n";
}

# Query and body name our rows, too, where they can.
sub named ($row) {
    my %value = (user_id => of($row)->{team} || $row->{id} =~ /^app/ ? $owner->id : $owner->uuid, organization_id => $org, email => $owner->email, tenant_id => $ours,
        token => 'a' x 64, refresh_token => 'a' x 100);
    return map { my $part = $_; +{ map { exists $value{ $_->{name} } ? ($_->{name} => $_->{type} eq 'int' ? $number : $value{ $_->{name} }) : () } @{ $row->{$part} } } } qw(query body);
}

# As the caller would ask about our rows.
sub attempt ($row, $who, $workspace = $org, %spoiled) {
    my ($query, $body) = named($row);
    $query = { %$query, %{ $spoiled{query} // {} } };
    $body  = { %$body,  %{ $spoiled{body}  // {} } };
    my %in = of($row)->{place} eq 'workspace' ? (headers => { 'X-Workspace-Id' => $workspace }) : ();
    return ask($row, $who, %spoiled, param => \&param, query => $query, body => $body, %in);
}

my $before = state_of_ours();

sub unchanged ($name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $now = state_of_ours();
    return is join(' ', grep { ($now->{$_} // '') ne ($before->{$_} // '') } sort keys %$now), '', $name;
}

# ------------------------------------------------------------------ the walk

for my $persona (@personas) {
    my ($name, $credentials, $refusal) = @$persona;
    subtest $name => sub {
        my $walked = 0;
        for my $row (@rows) {
            my $who = $credentials->($row) // next;
            my ($status, $code) = $refusal->($row);
            my $res = attempt($row, $who);
            $walked++;
            error_is $res, $status, $code, name => "$row->{method} $row->{path}";
            is leaks($res, $row), '', '  and nothing of the tenant' or diag $res->describe;
            # Who may not is told that before what is wrong with the request; what is not there comes behind it.
            my %spoiled = spoiled($row) or next;
            $res = attempt($row, $who, $org, %spoiled);
            if   ($status == 404) { is $res->status, $row->{invalid}, '  whose form is looked at first' or diag $res->describe }
            else                  { error_is $res, $status, $code, name => '  whatever is wrong with the request' }
        }
        cmp_ok $walked, '>', 0, "$walked routes";
        unchanged('no row of the tenant has changed');
    };
}

# Whoever is somebody in another tenant may call, and finds nothing of ours: a
# path that names a row of ours is not found, and what is found is their own.
subtest 'somebody of another tenant, with a key of their own' => sub {
    my $their_org = $t->organization($stranger);
    # What is read comes first: their own log says later what they have sent, and that names rows of ours.
    for my $row ((grep { $_->{method} eq 'GET' } @rows), grep { $_->{method} ne 'GET' } @rows) {
        my $of  = of($row);
        my $who = $of->{team} ? $rival : $of->{key} ? ($of->{token} && !$of->{either} ? $stranger : $t->client)->with(key => $their_sk) : $of->{public} ? $t->client : $stranger;
        $t->revive($who);
        my $res = attempt($row, $who, $their_org);
        my @own = grep { $_->{name} !~ /^(?:event_type|provider|invitation_token|queue)$/ } @{ $row->{params} };
        is leaks($res, $row), '', "$row->{method} $row->{path}: nothing of the tenant" or diag $res->describe;
        next if !@own || $of->{public};
        my $kind = $res->status == 404 ? 'not found' : $res->status == 422 ? 'not even looked for' : 'status ' . $res->status;
        # Ending what is not there may be said to be done, where the contract says so.
        like $kind, qr/^not /, "  $kind" or diag $res->describe;
    }
    unchanged('no row of the tenant has changed');
};

subtest 'nobody, where nobody needs to be anybody' => sub {
    for my $row (grep { of($_)->{public} || of($_)->{keyless} } @rows) {
        my $res = attempt($row, $t->client);
        is leaks($res, $row), '', "$row->{method} $row->{path}: nothing of the tenant" or diag $res->describe;
        my $is_off = $res->status == 503 && $res->json('/error/message') =~ /\bare not configured\z/;    # such as providers' webhooks
        ok $res->status < 500 || $is_off, '  and an answer' or diag $res->describe;
    }
    unchanged('no row of the tenant has changed');
};
