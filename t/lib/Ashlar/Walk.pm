package Ashlar::Walk;

# Isolation, walked: every route of a surface, with the ids of real rows of one
# tenant, as everybody who must not get at them.  Each gets exactly the refusal
# that the row's access asks for, no row of the tenant changes, and no byte of
# it is in an answer.
#
# Nothing here knows an endpoint: a route is covered when it appears.  The
# tenant is that of sql/sample; a path with a new kind of id fails until a file
# there has the row that it names.  t/api/runtime/walk_app.t and its siblings
# are a surface each.

use v5.36;
use Api;
use Ashlar::Client;
use Ashlar::Rows;
use Ashlar::Sample;
use Cpanel::JSON::XS ();
use Exporter 'import';

our @EXPORT = qw(walk);

my $page = 'https://app.example.com';
my $json = Cpanel::JSON::XS->new->allow_nonref;
my ($t, $db, @rows, $sample, $ours, $number, $owner, $boss, $root, $org);
my ($outsider, $invited, $suspended, $guest, $pk, $sk, $their_sk, $stranger, $rival, $revoked, $inactive, %left, @personas);
my ($tables, $secret, $before);

# ------------------------------------------------------------------ a tenant with one of everything

sub member_of ($tenant, $name) {
    return $t->user($name, tenant => $tenant, columns => { is_email_verified => 1 });
}

# Somebody of the sample, as a client that carries their token.
sub known ($uuid, $session, $table, %claim) {
    my $row = $db->selectrow_hashref("SELECT * FROM $table WHERE id = ?", undef, $uuid);
    my $who = Ashlar::Client->new(http => $t->http, api => $t, id => $row->{public_id} // $uuid, uuid => $uuid, email => $row->{email},
        role => $row->{role}, tenant_id => $ours, session => $session);
    $who->{token} = $t->token($who, %claim);
    return $who;
}

sub prepare () {
    $t      = Api->start(host => 1);
    $db     = $t->db;
    $ours   = $t->tenant_id('ours');
    $sample = Ashlar::Sample->fill($db, $ours);
    $number = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $ours);
    $org    = $sample->id('organization');
    $owner  = known($sample->id('user'), $sample->id('session'), 'users');
    $boss   = known($sample->id('dashboard member'), $sample->id('dashboard session'), 'team_members', ctx => 'tenant');
    strangers();
    for my $row (@rows) { $_->[1]->($row) for @personas }    # a user who is made on demand is made now
    $tables = $db->selectcol_arrayref(<<~'END');
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
        END
    $secret = secrets();
    $before = state_of_ours();
    return;
}

# ------------------------------------------------------------------ who must not get at it

sub strangers () {
    $outsider = member_of('ours', 'outsider');    # of the tenant, but in no organization
    $invited  = member_of('ours', 'invited');     # into one, and has not answered
    $db->do(q{INSERT INTO invitations (tenant_id, organization_id, email, role, invited_by, token_hash, expires_at) VALUES (?, ?, ?, 'admin', ?, decode(repeat('9e', 32), 'hex'), now() + interval '7 days')},
        undef, $ours, $org, $invited->email, $owner->uuid);
    $suspended = member_of('ours', 'suspended');
    $t->member($org, $suspended, 'admin');
    $db->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $suspended->uuid);
    $guest = member_of('ours', 'guest');
    $t->member($org, $guest, 'admin');
    $db->do('INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at) SELECT tenant_id, organization_id, id, now() FROM memberships WHERE user_id = ?', undef, $guest->uuid);
    $pk       = $t->key(type => 'public', origins => [$page], tenant => 'ours');
    $sk       = $t->key(tenant => 'ours');
    $their_sk = $t->key(tenant => 'theirs');
    $stranger = $t->user('stranger', tenant => 'theirs', role => 'superadmin', columns => { is_email_verified => 1 });
    $rival    = $t->team('rival', role => 'owner', tenant => 'theirs');
    $root     = $t->user('root', tenant => 'ours', role => 'superadmin');
    $revoked  = $t->user('revoked', tenant => 'ours', role => 'superadmin');
    $db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $revoked->session);
    $inactive = $t->user('inactive', tenant => 'ours', role => 'superadmin');
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $inactive->uuid);
    for my $name (qw(revoked inactive)) {    # team members whose session or account has ended
        $left{$name} = $t->team($name, role => 'owner', tenant => 'ours');
        my ($table, $set, $which) = $name eq 'revoked' ? ('team_sessions', 'revoked_at = now()', $left{$name}->session) : ('team_members', 'is_active = false', $left{$name}->uuid);
        $db->do("UPDATE $table SET $set WHERE id = ?", undef, $which);
    }
    return;
}

# What a row asks for.
sub of ($row) {
    my $by = $row->{caller};
    return {
        key     => scalar($by->{key} =~ /taken|needed|secret|workspace/),    # there is a token for it
        workspace_key => $by->{key} eq 'workspace',
        secret  => $by->{key} eq 'secret',
        keyless => $by->{key} eq 'taken' || $by->{key} eq 'beside' && $by->{token} eq 'taken',
        either  => $by->{token} eq 'or_key' && !$by->{key_is_bearer},
        token   => scalar($by->{token} =~ /needed|or_key|or_secret/),
        team    => $by->{team},
        public  => $by->{key} eq 'unread' && !$by->{project},
        project => $by->{project},
        role    => $by->{role} // '',
        place   => $by->{place},
    };
}

# The credentials of a user who comes with a token, in the tenant of the key.
sub with_token ($row, $user, $team, $key) {
    my $of = of($row);
    return if !$of->{token};
    return $team if $of->{team};
    return $user->with(key => $of->{either} ? $pk : $key, origin => $page) if $of->{key};
    return $user;
}

# Each: who, with which credentials (undef: the row is not theirs to fail at), and the refusal: status and code.
@personas = (
    [ 'nobody' => sub ($row) { of($row)->{public} || of($row)->{keyless} && !of($row)->{token} ? undef : $t->nobody },
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
            return (of($row)->{token} ? $owner : $t->nobody)->with(key => $pk, origin => 'https://evil.example');
        },
        sub ($row) { of($row)->{workspace_key} ? (401, 'INVALID_API_KEY') : of($row)->{secret} ? (403, 'AUTHORIZATION_ERROR') : (403, 'ORIGIN_NOT_ALLOWED') } ],
    [ 'a key of another workspace' => sub ($row) {
            state $their_key = $t->key(type => 'workspace', tenant => 'ours', of => $t->organization($outsider));
            return of($row)->{place} eq 'workspace' ? $t->nobody->with(key => $their_key) : undef;
        },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'the workspace\'s own key, where a member is needed' => sub ($row) {
            state $our_key = $t->key(type => 'workspace', tenant => 'ours', of => $org);
            return of($row)->{place} eq 'workspace' && !of($row)->{workspace_key} ? $t->nobody->with(key => $our_key) : undef;
        },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a key of another tenant, with our user\'s token' => sub ($row) {
            return if !of($row)->{key} || !of($row)->{token};
            return $owner->with(key => $their_sk);
        },
        sub ($row) { of($row)->{either} ? (404, 'NOT_FOUND') : (401, 'AUTHENTICATION_ERROR') } ],    # beside a secret key no token is read
    [ 'an organization\'s key that is revoked' => sub ($row) {
            state $over = $t->key(type => 'organization', by => $owner, of => $org, columns => { revoked_at => 'now' });
            return $row->{caller}{organization_key} ? $t->nobody->with(key => $over) : undef;
        },
        sub ($row) { (401, 'AUTHENTICATION_ERROR') } ],
    [ 'an organization\'s key whose maker is a member no longer' => sub ($row) {
            state $left = $t->key(type => 'organization', by => $suspended, of => $org);
            return $row->{caller}{organization_key} ? $t->nobody->with(key => $left) : undef;
        },
        sub ($row) { (401, 'AUTHENTICATION_ERROR') } ],
    [ 'an organization\'s key that is not for everything' => sub ($row) {
            state $narrow = $t->key(type => 'organization', by => $owner, of => $org, columns => { scopes => [ 'tasks:read', 'agents:write' ] });
            return $row->{caller}{organization_key} && !$row->{scope} ? $t->nobody->with(key => $narrow) : undef;
        },
        sub ($row) { (403, 'INSUFFICIENT_SCOPE') } ],
    [ 'a user of the tenant outside the organization' => sub ($row) { of($row)->{place} ne 'tenant' ? with_token($row, $outsider, undef, $sk) : undef },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'who is invited, and has not answered' => sub ($row) { of($row)->{place} ne 'tenant' ? with_token($row, $invited, undef, $sk) : undef },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a member who is deactivated' => sub ($row) { of($row)->{place} ne 'tenant' ? with_token($row, $suspended, undef, $sk) : undef },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a guest whose time is over' => sub ($row) { of($row)->{place} ne 'tenant' ? with_token($row, $guest, undef, $sk) : undef },
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
    [ 'a user whose role may not' => sub ($row) { $row->{may} && of($row)->{place} eq 'tenant' && $row->{may}{roles} !~ /\buser\b/ ? $outsider : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'another tenant\'s superadmin, where the installation is meant' => sub ($row) { $row->{caller}{installation} ? $stranger : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'another tenant\'s secret key, where the installation is meant' => sub ($row) { $row->{caller}{installation} ? $t->nobody->with(key => $their_sk) : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a user where an administrator is needed' => sub ($row) { of($row)->{role} eq 'admin' && !of($row)->{team} ? $owner : undef }, sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
    [ 'a team member where an administrator is needed' => sub ($row) {
            state $clerk = $t->team('clerk', role => 'member', tenant => 'ours');
            return of($row)->{role} eq 'admin' && of($row)->{team} ? $clerk : undef;
        },
        sub ($row) { (403, 'AUTHORIZATION_ERROR') } ],
);

# ------------------------------------------------------------------ what must stay as it is

# Every row of the tenant's, table by table; when a key was last used is no change, nor that requests were counted, or refused.
sub state_of_ours () {
    my %is_counted = map { $_ => 1 } qw(usage_daily request_errors request_hours api_key_uses api_key_use_days);    # of requests, whoever's they are
    return { tenants => row_hash('tenants', 'id'), map { $_ => row_hash($_, 'tenant_id') } grep { !$is_counted{$_} && !/^api_key_uses_/ } @$tables };
}

sub row_hash ($table, $column) {
    return scalar $db->selectrow_array(
        "SELECT md5(string_agg(row, ',' ORDER BY row)) FROM (SELECT (to_jsonb(x) - 'last_used_at' - 'usage_count')::text AS row FROM $table x WHERE $column = ?) x", undef, $ours);
}

# The texts and ids in a tenant's rows.
sub texts_of ($tenant) {
    my $each = join ' UNION ', map { "SELECT v #>> '{}' FROM $_ x, jsonb_path_query(to_jsonb(x), 'strict \$.**') v WHERE tenant_id = \$1 AND jsonb_typeof(v) = 'string'" } @$tables;
    return @{ $db->selectcol_arrayref($each, undef, $tenant) };
}

# What is in no answer to a stranger: the texts of the tenant's rows, but for times, what is too short to be told from anything
# else, what the reference says to everybody, and what is in another tenant, too.
sub secrets () {
    my $public = qx($Ashlar::Cluster::BUILD/ashlar openapi);
    my %theirs = map { $_ => 1 } texts_of($stranger->tenant_id);
    my @texts  = grep { length >= 8 && !/\A\d{4}-\d\d-\d\d/ && !/\A[0-]+\z/ && !$theirs{$_} && index($public, $_) < 0 } texts_of($ours);
    cmp_ok scalar @texts, '>', 100, 'there is much to tell';
    my $all = join '|', map { quotemeta } sort { length $b <=> length $a } map { ($_, $json->encode($_) =~ s/\A"|"\z//gr) } @texts;
    return qr/$all/;
}

sub leaks ($res, $row) {
    my $body = join "\n", $res->body // '', map { "$_: " . ($res->header($_) // '') } $res->header_names;
    utf8::decode($body);
    my ($query, $fields) = named($row);
    my @sent = ((map { param($row, $_) } @{ $row->{params} }), values %$query, values %$fields);
    $body =~ s/\Q$_\E//g for @sent;
    return join ' ', $body =~ /$secret/g;
}

# A parameter of the path names the row of ours.
sub param ($row, $p) { return $sample->param($p->{name}, $p->{type}, surface_of($row)) }

# Query and body name our rows, too, where they can.
sub named ($row) {
    my %value = (user_id => of($row)->{team} || $row->{id} =~ /^app/ ? $owner->id : $owner->uuid, organization_id => $org, workspace_id => $org, email => $owner->email, tenant_id => $ours,
        token => 'a' x 64, refresh_token => 'a' x 100);
    return map { my $part = $_; +{ map { exists $value{ $_->{name} } ? ($_->{name} => $_->{type} eq 'int' ? $number : $value{ $_->{name} }) : () } @{ $row->{$part} } } } qw(query body);
}

# As the caller would ask about our rows.
sub attempt ($row, $who, $workspace = $org, %spoiled) {
    my ($query, $body) = named($row);
    $query = { %$query, %{ $spoiled{query} // {} } };
    $body  = { %$body,  %{ $spoiled{body}  // {} } };
    my %in = of($row)->{place} eq 'workspace' ? (headers => { $row->{caller}{header} => $workspace }) : ();
    return ask($row, $who, %spoiled, param => sub ($p) { return param($row, $p) }, query => $query, body => $body, %in);
}

sub unchanged ($name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $now = state_of_ours();
    return is join(' ', grep { ($now->{$_} // '') ne ($before->{$_} // '') } sort keys %$now), '', $name;
}

# ------------------------------------------------------------------ the walk

sub as_personas () {
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
            plan skip_all => 'no route of this surface' if !$walked;
            unchanged('no row of the tenant has changed');
        };
    }
    return;
}

# A user of another tenant may call, and finds nothing of ours: a
# path that names a row of ours is not found, and what is found is their own.
sub as_another_tenant () {
    subtest 'somebody of another tenant, with a key of their own' => sub {
        my $their_org = $t->organization($stranger);
        my $theirs    = $t->trace_project($their_org, tenant => $stranger->tenant_id);
        my $their_key = $t->key(type => 'workspace', tenant => 'theirs', of => $their_org);
        my $acting    = $t->key(type => 'organization', by => $stranger, of => $their_org);
        # What is read comes first: their own log says later what they have sent, and that names rows of ours.
        for my $row ((grep { $_->{method} eq 'GET' } @rows), grep { $_->{method} ne 'GET' } @rows) {
            my $of  = of($row);
            my $who = $of->{project} ? $theirs : $of->{team} ? $rival : $of->{workspace_key} ? $t->nobody->with(key => $their_key) : $of->{key} ? ($of->{token} && !$of->{either} ? $stranger : $t->nobody)->with(key => $their_sk) : $of->{public} ? $t->nobody : $stranger;
            $t->revive($who);
            my $res = attempt($row, $who, $their_org);
            my @own = grep { $_->{name} !~ /^(?:event_type|permission|provider|invitation_token|queue|role)$/ } @{ $row->{params} };
            is leaks($res, $row), '', "$row->{method} $row->{path}: nothing of the tenant" or diag $res->describe;
            next if !@own || $of->{public};
            if ($row->{caller}{organization_key}) {
                my $by_key = attempt($row, $t->nobody->with(key => $acting), $their_org);
                is leaks($by_key, $row), '', '  nor to the key of their organization' or diag $by_key->describe;
                like $by_key->status, qr/^40[034]$/, '  which finds nothing, either' or diag $by_key->describe;
            }
            my $kind = $res->status == 404 ? 'not found' : $res->status == 422 || $res->status == $row->{invalid} ? 'not even looked for' : 'status ' . $res->status;
            $kind = 'not theirs to ask' if $res->status == 403 && $row->{caller}{installation};
            $kind = 'not told apart from what is not there' if $res->status == 403 && $row->{id} eq 'observability.traces.get_trace_logs';
            # Ending what is not there may be said to be done, where the contract says so.
            like $kind, qr/^not /, "  $kind" or diag $res->describe;
        }
        unchanged('no row of the tenant has changed');
    };
    return;
}

sub as_nobody () {
    subtest 'nobody, where nobody needs to be anybody' => sub {
        for my $row (grep { of($_)->{public} || of($_)->{keyless} } @rows) {
            my $res = attempt($row, $t->nobody);
            is leaks($res, $row), '', "$row->{method} $row->{path}: nothing of the tenant" or diag $res->describe;
            my $is_off = $res->status == 503 && $res->json('/error/message') =~ /\bare not configured\z/;    # such as providers' webhooks
            ok $res->status < 500 || $is_off, '  and an answer' or diag $res->describe;
        }
        unchanged('no row of the tenant has changed');
    };
    return;
}

# Were something of the tenant in an answer, it would be seen: as it is in those to its own people.
sub control () {
    subtest 'the tenant\'s own people are told of it' => sub {
        my $told = 0;
        for my $row (grep { $_->{method} eq 'GET' && !of($_)->{public} && !of($_)->{project} } @rows) {
            my $of   = of($row);
            my $user = $of->{role} eq 'admin' || $row->{may} && $of->{place} eq 'tenant' ? $root : $owner;
            my $who  = $of->{team} ? $boss : $of->{workspace_key} ? $t->nobody->with(key => $t->key(type => 'workspace', tenant => 'ours', of => $org)) : $of->{key} ? $user->with(key => $sk) : $user;
            $told++ if leaks(attempt($row, $who), $row);
        }
        cmp_ok $told, '>', 0, "in the answers of $told rows";
    };
    return;
}

# All of it, over the routes of a surface.
sub walk ($surface) {
    @rows = rows(surface => $surface);
    prepare();
    as_personas();
    as_another_tenant();
    as_nobody();
    control();
    return;
}

1;
