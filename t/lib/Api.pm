package Api;

# A whole Ashlar for one test file: a database of its own, both pools, and the
# real nginx in front, on free ports and in a private directory.
#
#     use v5.36;
#     use lib 't/lib';
#     use Api;
#
#     my $t   = Api->start;
#     my $ann = $t->user('ann');
#     status_is $ann->get('/api/v1/app/users/me'), 200;
#
# A file does not end with done_testing: when it has run to its end, every
# instance is stopped and checked for what nobody asked for (an error in the
# log, a sanitizer's report, a secret in the log, a transaction left open, a
# process left behind, an answer without the standard headers), and the plan
# is printed then.

use v5.36;
use Ashlar::Answers;
use Ashlar::Assert;
use Ashlar::Client;
use Ashlar::Cluster;
use Ashlar::Fcgi;
use Ashlar::Http;
use Ashlar::Load;
use Ashlar::Process;
use Ashlar::Token qw(mint);
use Compress::Zlib ();
use Cpanel::JSON::XS ();
use Cwd 'getcwd';
use Digest::SHA 'sha256_hex';
use Exporter ();
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket ();
use Test::More;
use Time::HiRes qw(sleep time);

# A file that dies has not run to its end, whatever $? is by the time of its END blocks: what is destroyed on the way there may
# wait for a child of its own.
my $died = 0;
$SIG{__DIE__} = sub { $died = 1 if defined $^S && !$^S };    ## no critic (RequireLocalizedPunctuationVars)

our @ISA    = ('Exporter');
our @EXPORT = (@Ashlar::Assert::EXPORT, qw(true false $UUID $TIME), @Test::More::EXPORT);

# The forms of ids and times in answers.
our $UUID = qr/\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/;
our $TIME = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;

# What nginx logs when it uses a kept connection at the very moment in which a
# child gives it up for a client that waits.  It sends the request again; if it
# could not, the client would have seen it.
my $RACE = qr/(?:upstream prematurely closed connection|writev\(\) failed|recv\(\) failed|send\(\) failed).*request: "(?:GET|HEAD) /;

my $json   = Cpanel::JSON::XS->new->utf8;
my $ASHLAR = getcwd . "/$Ashlar::Cluster::BUILD/ashlar";
my $SECRET = 'the secret of the tests, 32 bytes or more';
my $TENANT = '00000000-0000-7000-8000-000000000001';
my $process = $$;
my @started;

# However a file is ended, its END blocks run; PIPE is the reader of our output going away.
for my $signal (qw(INT TERM HUP PIPE)) {
    $SIG{$signal} = sub { @SIG{qw(INT TERM HUP PIPE)} = ('IGNORE') x 4; exit 130 };    ## no critic (RequireLocalizedPunctuationVars)
}

sub true  () { return Cpanel::JSON::XS::true() }
sub false () { return Cpanel::JSON::XS::false() }

# Start an instance and wait until it answers.
#
# Names in capitals are settings of the api (lib/host/config.def); the others are
#   main, slow, hash   how many children each pool has; 0: no such pool.  Of slow and hash those that are not
#                      asked for start when somebody connects, as most files never do (slow: without settings)
#   worker       how many children a worker has; none when left out
#   realtime     whether there is a realtime server
#   host         whether ashlar host runs beside them, with logs/ as its LOG_DIR
#   cluster      an Ashlar::Cluster; by default the one shared by all files
#   database     the name of a database that is there; it is dropped at the end like the one that is made
#   release      the tree of another release, built: its program, its nginx and its pages (see upgrade)
#   sockets      whether the test holds the listening sockets, as systemd does, so that they stay open over a restart
#   nginx        a hash of further variables of nginx/render
sub start ($class, %arg) {
    my $dir = File::Temp->newdir(Ashlar::Cluster->place . '/ashlar-t-XXXXXX');
    my $realtime = delete $arg{realtime};
    my $worker   = delete $arg{worker};
    my $host     = delete $arg{host};
    my @eager    = ('main', grep { defined $arg{$_} || $arg{sockets} || $arg{release} } qw(slow hash));
    push @eager, 'slow' if grep { /^[A-Z]/ } keys %arg;    # it fetches the keys of issuers unasked
    my $self = bless {
        tmp      => $dir,
        dir      => "$dir",
        cluster  => delete $arg{cluster} // Ashlar::Cluster->shared,
        size     => { main => delete $arg{main} // 2, slow => delete $arg{slow} // 1, hash => delete $arg{hash} // 2 },
        nginx    => delete $arg{nginx} // {},
        is_noted => !$arg{release},    # the reference is this build's
        release  => delete $arg{release},
        sockets  => delete $arg{sockets} ? {} : undef,
        database => delete $arg{database},
        owner    => $$,
        expected => [$RACE],
        secrets  => [$SECRET],
        missing  => [],
    }, $class;
    push @started, $self;
    chmod 0755, $self->{dir};
    $self->{database} //= $self->{cluster}->clone;
    $self->{$_} = $self->_free_port for qw(https_port http_port);
    $self->{env} = {
        DATABASE_URL       => $self->{cluster}->url($self->{database}, 'ashlar_api'),
        ENVIRONMENT        => 'production',
        PUBLIC_URL         => "https://localhost:$self->{https_port}",
        JWT_SECRET         => $SECRET,
        RATE_LIMIT_DEFAULT => 0,
        RATE_LIMIT_ADDRESS => 0,
        RATE_LIMIT_AI      => 0,
        RATE_LIMIT_AGENTS  => 0,
        RATE_LIMIT_TASKS   => 0,
        RATE_LIMIT_REPORTS => 0,
        RATE_LIMIT_TOKENS  => 0,
        RATE_LIMIT_PROJECT => 0,
        RATE_LIMIT_OPERATIONS => $arg{RATE_LIMIT_DEFAULT} // 0,
        SHM_FILE           => "$dir/shared",
        STORAGE_ROOT       => "$dir/files",
        DNS_RESOLVER       => '127.0.0.1:9',    # where nobody answers
        ASHLAR_TEST_SCRYPT => "$dir/scrypt",
        TZ                 => 'America/St_Johns',    # half an hour off: what is not UTC shows
        Ashlar::Cluster::sanitizer_env($self->{dir}),
        $host ? (HOST_SOCKET => "$dir/host.sock", LOG_DIR => "$dir/logs", BACKUP_DIR => "$dir/dumps", AGENTS_DIR => "$dir/agents", SERVICE_MANAGER => 'none') : (),
        (map { /^[A-Z]/ ? ($_ => delete $arg{$_}) : () } keys %arg),
    };
    die 'unknown options: ', join(' ', sort keys %arg), "\n" if %arg;
    my %eager = map { $_ => 1 } @eager;
    my @ready = map { $self->start_pool($_, $eager{$_} ? (together => 1) : (on_demand => 1, no_wait => 1)) } grep { $self->{size}{$_} } qw(main slow hash);
    $self->_start_nginx;
    $_->() for grep { ref eq 'CODE' } @ready;
    $self->start_realtime if $realtime;
    $self->start_host if $host;
    $self->start_worker(children => $worker) if $worker;
    return $self;
}

# ------------------------------------------------------------------ who calls

# A new user with a session, as a client that carries its token.
#
#   role     user (default), admin or superadmin
#   tenant   the slug of its tenant, made when it is new
#   columns  further columns of the users table
sub user ($self, $name, %arg) {
    my $db     = $self->db;
    my $tenant = $self->tenant_id($arg{tenant});
    my %column = (
        tenant_id => $tenant,
        public_id => "user_$name",
        email     => "$name\@example.com",
        role      => $arg{role} // 'user',
        %{ $arg{columns} // {} },
    );
    my @names = sort keys %column;
    my ($uuid, $session) = $db->selectrow_array(sprintf(<<~'END', join(', ', @names), join ', ', ('?') x @names), undef, @column{@names});
        WITH made AS (INSERT INTO users (%s) VALUES (%s) RETURNING tenant_id, id)
        INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT tenant_id, id, now() + interval '1 hour' FROM made RETURNING user_id, id
        END
    my $user = Ashlar::Client->new(
        http      => $self->http,
        api       => $self,
        id        => $column{public_id},
        email     => $column{email},
        role      => $column{role},
        uuid      => $uuid,
        tenant_id => $tenant,
        session   => $session,
    );
    $user->{token} = $self->token($user);
    return $user;
}

# The id of a tenant by its slug, made when it is new; without one, the default tenant's.
sub tenant_id ($self, $slug = undef) {
    return $TENANT if !defined $slug || $slug eq 'default';
    my $db = $self->db;
    $db->do('INSERT INTO tenants (slug, name) VALUES (?, ?) ON CONFLICT DO NOTHING', undef, $slug, $slug);
    return scalar $db->selectrow_array('SELECT id FROM tenants WHERE slug = ? AND test_of IS NULL', undef, $slug);
}

# A new API key; its text.
#
#   type     secret (default), public, or workspace
#   of       of a workspace's: its id
#   origins  of a public key; https://app.example.com when left out
#   tenant   the slug of its tenant, made when it is new
#   test     a key of the tenant's test mode
#   columns  further columns of the api_keys table
sub key ($self, %arg) {
    return $self->_organization_key(%arg) if ($arg{type} // '') eq 'organization';
    state @letters = ('A' .. 'Z', 'a' .. 'z', 0 .. 9);
    my $type   = $arg{type} // 'secret';
    my $db     = $self->db;
    my $tenant = $self->tenant_id($arg{tenant});
    ($tenant) = $db->selectrow_array('SELECT id FROM tenants WHERE test_of = ?', undef, $tenant) if $arg{test};
    my $random = join '', map { $letters[ rand @letters ] } 1 .. ($type eq 'workspace' ? 34 : 32);
    my $text   = $type eq 'workspace' ? "ash_live_$random" . key_check($random) : join '', substr($type, 0, 1), 'k_', $arg{test} ? 'test_' : 'live_', $random;
    my %column = (
        tenant_id       => $tenant,
        name            => 'a test\'s',
        type            => $type,
        prefix          => substr($text, 0, $type eq 'workspace' ? 13 : 12),
        public_text     => $type eq 'public' ? $text                                          : undef,
        allowed_origins => $type eq 'public' ? $arg{origins} // ['https://app.example.com'] : [],
        ($type eq 'workspace' ? (organization_id => $arg{of}, scopes => []) : ()),
        %{ $arg{columns} // {} },
    );
    my @names = sort keys %column;
    $db->do(
        sprintf('INSERT INTO api_keys (%s, hash) VALUES (%s, sha256(?::bytea))', join(', ', @names), join ', ', ('?') x @names),
        undef, @column{@names}, $text);
    push @{ $self->{secrets} }, $text if $type ne 'public';
    return $text;
}

# A key of an organization (of), of a member of it (by), whom it acts as.
sub _organization_key ($self, %arg) {
    my @letters = ('A' .. 'Z', 'a' .. 'z', 0 .. 9);
    my $text    = 'sk_live_' . join '', map { $letters[ rand @letters ] } 1 .. 40;
    my %column  = (name => 'a test\'s', prefix => substr($text, 0, 12), scopes => ['*'], %{ $arg{columns} // {} });
    my @names   = sort keys %column;
    $self->db->do(sprintf(<<~'END', join(', ', @names), join ', ', ('?') x @names), undef, @column{@names}, $arg{by}->uuid, $arg{of}, substr($text, -4), $text);
        WITH made AS (
            INSERT INTO api_keys (type, tenant_id, organization_id, creator_id, made_by, %s)
            SELECT 'organization', m.tenant_id, m.organization_id, m.user_id, m.id, %s FROM memberships m WHERE m.user_id = ? AND m.organization_id = ?
            RETURNING tenant_id, id
        )
        INSERT INTO api_key_secrets (tenant_id, key_id, place, last_four, hash) SELECT tenant_id, id, 1, ?, sha256(?::bytea) FROM made
        END
    push @{ $self->{secrets} }, $text;
    return $text;
}

# The six characters that end a workspace's key, by another hand than the program's.
sub key_check ($random) {
    my @digits = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');
    my ($n, $text) = (Compress::Zlib::crc32($random), '');
    for (1 .. 6) {
        $text = $digits[ $n % 62 ] . $text;
        $n    = int $n / 62;
    }
    return $text;
}

# A new member of a tenant's team with a session, as a client that carries its token.
#
#   role     owner, admin or member (default)
#   tenant   the slug of the tenant, made when it is new
#   columns  further columns of the team_members table
sub team ($self, $name, %arg) {
    my $db     = $self->db;
    my %column = (
        tenant_id         => $self->tenant_id($arg{tenant}),
        email             => "$name\@team.example.com",
        display_name      => ucfirst $name,
        role              => $arg{role} // 'member',
        is_email_verified => 1,
        joined_at         => 'now',
        %{ $arg{columns} // {} },
    );
    my @names = sort keys %column;
    my ($id, $session) = $db->selectrow_array(sprintf(<<~'END', join(', ', @names), join ', ', ('?') x @names), undef, @column{@names});
        WITH made AS (INSERT INTO team_members (%s) VALUES (%s) RETURNING tenant_id, id)
        INSERT INTO team_sessions (tenant_id, member_id, expires_at) SELECT tenant_id, id, now() + interval '1 hour' FROM made RETURNING member_id, id
        END
    my $member = Ashlar::Client->new(
        http      => $self->http,
        api       => $self,
        id        => $id,
        uuid      => $id,
        email     => $column{email},
        role      => $column{role},
        tenant_id => $column{tenant_id},
        session   => $session,
    );
    $member->{token} = $self->token($member, ctx => 'tenant');
    return $member;
}

# A new organization of a user; its id.
#
#   role  of the user in it, owner when left out
sub organization ($self, $user, %arg) {
    state $n = 0;
    my $slug = 'organization-' . ++$n . "-$$";
    return $self->_prepared(<<~'END', $user->tenant_id, "Organization $n", $slug, $user->uuid, $arg{role} // 'owner');
        WITH made AS (INSERT INTO organizations (tenant_id, name, slug) VALUES (?, ?, ?) RETURNING tenant_id, id)
        INSERT INTO memberships (tenant_id, organization_id, user_id, role) SELECT tenant_id, id, ?, ? FROM made RETURNING organization_id
        END
}

# Put a user into an organization, or give them another role there.
sub member ($self, $organization, $user, $role) {
    $self->db->do(
        q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, ?)
          ON CONFLICT (tenant_id, organization_id, user_id) DO UPDATE SET role = excluded.role, is_active = true},
        undef, $user->tenant_id, $organization, $user->uuid, $role);
    return;
}

# A project that traces are sent to, of an organization: as who sends them with its API key, whose uuid is the project's id.
#
#   tenant   the id of its tenant; the default one's when left out
#   columns  further columns of the trace_projects table
sub trace_project ($self, $organization, %arg) {
    state $n = 0;
    my $key    = join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12;
    my %column = (
        tenant_id       => $arg{tenant} // $TENANT,
        organization_id => $organization,
        name            => 'Traces ' . ++$n,
        api_key_sealed  => '',
        %{ $arg{columns} // {} },
    );
    my @names = sort keys %column;
    my $id    = $self->_prepared(sprintf('INSERT INTO trace_projects (api_key_hash, %s) VALUES (sha256(?::bytea), %s) RETURNING id', join(', ', @names), join ', ', ('?') x @names), $key, @column{@names});
    push @{ $self->{secrets} }, $key;
    return Ashlar::Client->new(http => $self->http, api => $self, id => $id, uuid => $id, tenant_id => $column{tenant_id}, token => $key, email => '');
}

# A token of a project as Ashlar itself would issue it; the pairs change claims, as of a user's.
sub project_token ($self, $project, %claim) {
    my %arg    = map { exists $claim{$_} ? ($_ => delete $claim{$_}) : () } qw(alg header);
    my $secret = delete $claim{secret} // $SECRET;
    my $now    = int time;
    my %all    = (
        iss => 'ashlar', aud => 'project', ctx => 'project', sub => $project->uuid, tid => $project->tenant_id, project_id => $project->uuid, project_prem_status => 'free',
        key_id => substr(sha256_hex($project->{token}), 0, 16), iat => $now, exp => $now + 3600, %claim,
    );
    delete @all{ grep { !defined $all{$_} } keys %all };
    my $token = mint(\%all, key => $secret, %arg);
    push @{ $self->{secrets} }, $token;
    return $token;
}

# A token of a user as Ashlar itself would issue it; the pairs change claims,
# and an undefined value removes one.  secret, alg and header are mint's.
sub token ($self, $user, %claim) {
    my %arg    = map { exists $claim{$_} ? ($_ => delete $claim{$_}) : () } qw(alg header);
    my $secret = delete $claim{secret} // $SECRET;
    my $now    = int time;
    my %all    = (
        iss   => 'ashlar',
        aud   => 'ashlar',
        sub   => $user->id,
        sid   => $user->session,
        tid   => $user->tenant_id,
        role  => $user->{role},
        email => $user->email,
        iat   => $now,
        exp   => $now + 3600,
        %claim,
    );
    delete @all{ grep { !defined $all{$_} } keys %all };
    my $token = mint(\%all, key => $secret, %arg);
    push @{ $self->{secrets} }, $token;
    return $token;
}

# How many answers there were that may have changed something: not to a read, nor a refusal that commits nothing.
sub changes ($self) { return $self->{changes} // 0 }

# Make a user or team member who they were: a request may have ended the session, or the account, or given it another address.
sub revive ($self, $who) {
    return if !$who->session || ($self->{revived}{ $who->session } // -1) == $self->changes;
    $self->{revived}{ $who->session } = $self->changes;
    my ($sessions, $people) = $who->email =~ /\@team\./ ? qw(team_sessions team_members) : qw(sessions users);
    return if $self->_prepared("SELECT s.revoked_at IS NULL AND p.is_active AND p.deleted_at IS NULL AND p.email IS NOT DISTINCT FROM ? FROM $sessions s, $people p WHERE s.id = ? AND p.id = ?", $who->email, $who->session, $who->uuid);
    $self->db->do("UPDATE $sessions SET revoked_at = NULL WHERE id = ? AND revoked_at IS NOT NULL", undef, $who->session);
    $self->db->do("UPDATE $people SET is_active = true, deleted_at = NULL, email = ? WHERE id = ? AND NOT (is_active AND deleted_at IS NULL AND email IS NOT DISTINCT FROM ?)", undef, $who->email, $who->uuid, $who->email);
    # Of who was erased nothing is left of the session.
    $self->db->do(q{INSERT INTO sessions (tenant_id, id, user_id, expires_at) SELECT u.tenant_id, ?, u.id, now() + interval '1 hour' FROM users u WHERE u.id = ? ON CONFLICT DO NOTHING}, undef, $who->session, $who->uuid) if $people eq 'users';
    return;
}

# A caller without credentials, or with the given ones: token, key, origin (see Ashlar::Client).
sub client ($self, %arg) {
    push @{ $self->{secrets} }, $arg{token} if length($arg{token} // '') > 20;
    return Ashlar::Client->new(http => $self->http, api => $self, %arg);
}

# Requests of an anonymous caller.
sub get     ($self, @arg) { return $self->nobody->get(@arg) }
sub post    ($self, @arg) { return $self->nobody->post(@arg) }
sub request ($self, @arg) { return $self->nobody->request(@arg) }

sub last    ($self)       { return $self->nobody->last }    ## no critic (ProhibitBuiltinHomonyms)

# Always the same caller without credentials, on one connection: to make one costs as much as two requests.
sub nobody ($self) { return $self->{nobody} //= $self->client }

# A connection to nginx: to its TLS port, or to the plain one.
sub http ($self)       { return Ashlar::Http->new(port => $self->{https_port}, ca => "$self->{dir}/cert.pem", is_noted => $self->{is_noted}) }
sub plain_http ($self) { return Ashlar::Http->new(port => $self->{http_port}, is_noted => $self->{is_noted}) }

# A FastCGI connection to a pool, past nginx.
sub fcgi ($self, $pool = 'main') { return Ashlar::Fcgi->new("$self->{dir}/$pool.sock", is_noted => $self->{is_noted}) }

# Clients that go on asking; see Ashlar::Load.
sub load ($self, %arg) {
    return Ashlar::Load->start(make => sub { $self->client }, %arg);
}

# ------------------------------------------------------------------ what runs

# The program that is started from now on, and where its nginx and its pages are.
sub program ($self) { return $self->{release} ? "$self->{release}/build/ashlar" : $ASHLAR }
sub _tree ($self) { return $self->{release} // getcwd }

# What is started, and what nginx reads when it is reloaded, is this tree's from now on.
sub upgrade ($self) {
    delete $self->{release};
    return $self;
}

# With sockets, a pool's stays the same one.
sub _socket_of ($self, $pool) { return $self->{sockets} && ($self->{sockets}{$pool} //= $self->listen_for($pool)) }

# Start a pool; with on_socket => $listening it inherits that as fd 0.  together => 1 answers with a sub
# that waits for it, so that others start meanwhile; on_demand => 1 starts it when somebody connects.
sub start_pool ($self, $pool, %arg) {
    my $socket = "$self->{dir}/$pool.sock";
    $arg{on_socket} //= $arg{on_demand} ? $self->listen_for($pool) : $self->_socket_of($pool);
    my $before = (stat $socket)[1] // 0;    # another pool's that is to be replaced, perhaps
    my $master = $self->{pool}{$pool} = Ashlar::Process->start(
        name  => "ashlar api --pool $pool",
        cmd   => [ $self->program, 'api', '--pool', $pool, '--processes', $self->{size}{$pool}, $arg{on_socket} ? () : ('--socket', $socket) ],
        log   => "$self->{dir}/api-$pool.log",
        env   => { %{ $self->{env} }, %{ $arg{env} // {} } },
        stdin => $arg{on_socket},
        on_demand => $arg{on_demand},
    );
    return $master if $arg{no_wait};
    my $wait = sub {
        $self->_wait_for("pool $pool", $master, sub { ($arg{on_socket} || ((stat $socket)[1] // 0) != $before) && $self->fcgi($pool)->request('GET', '/api/v1/public/health')->status == 200 });
    };
    return $wait if $arg{together};
    $wait->();
    return $master;
}

# Start a worker and wait until it has said who it is; another name is another one beside it.
#
#   children  how many, 2 when left out
#   queues    as --queues
#   env       further settings
sub start_worker ($self, %arg) {
    my $name   = $arg{name} // 'worker';
    my $begun  = sub { scalar $self->db->selectrow_array('SELECT count(*) FROM job_workers WHERE pid = ?', undef, $self->{pool}{$name}->pid) };
    my $worker = $self->{pool}{$name} = Ashlar::Process->start(
        name => "ashlar worker ($name)",
        cmd  => [ $self->program, 'worker', '--concurrency', $arg{children} // 2, $arg{queues} ? ('--queues', $arg{queues}) : () ],
        log  => "$self->{dir}/api-$name.log",
        env  => { %{ $self->{env} }, %{ $arg{env} // {} } },
    );
    $self->_wait_for($name, $worker, $begun) if !$arg{no_wait};
    return $worker;
}

# Start a realtime server; another name is another one beside it, past nginx.
sub start_realtime ($self, $name = 'realtime', %arg) {
    my $socket = "$self->{dir}/$name.sock";
    my $listening = $arg{on_socket} // $self->_socket_of($name);
    my $server = $self->{pool}{$name} = Ashlar::Process->start(
        name  => "ashlar realtime ($name)",
        cmd   => [ $self->program, 'realtime', $listening ? () : ('--socket', $socket) ],
        log   => "$self->{dir}/api-$name.log",
        env   => { %{ $self->{env} }, %{ $arg{env} // {} } },
        stdin => $listening,
    );
    # An answer of its own says that it has read where the outbox is.
    $self->_wait_for($name, $server, sub { ($self->_ask_realtime($socket) // '') =~ m{^HTTP/1.1 401} }) if !$arg{no_wait};
    return $server;
}

# Start ashlar host; further words are its options.
sub start_host ($self, @options) {
    my $socket = "$self->{dir}/host.sock";
    mkdir "$self->{dir}/$_" for qw(logs agents);
    my $host = $self->{pool}{host} = Ashlar::Process->start(
        name => 'ashlar host',
        cmd  => [ $self->program, 'host', @options ],
        log  => "$self->{dir}/api-host.log",
        env  => $self->{env},
    );
    $self->_wait_for('host', $host, sub { IO::Socket::UNIX->new($socket) });
    return $host;
}

sub _ask_realtime ($self, $socket) {
    my $s = IO::Socket::UNIX->new($socket) or return;
    print {$s} "GET /api/v1/app/ws HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 127.0.0.1\r\n\r\n";
    local $/ = undef;
    return scalar <$s>;
}

# A listening socket for a pool, held by the test as systemd would hold it.
sub listen_for ($self, $pool) {
    my $path = "$self->{dir}/$pool.sock";
    unlink $path;
    return IO::Socket::UNIX->new(Local => $path, Listen => 511) // die "$path: $!\n";
}

# The master process of a pool (Ashlar::Process), and the ids of its children
# that do its work; others, as the notifier, have names of their own.
sub master ($self, $pool = 'main') { return $self->{pool}{$pool} }

sub children ($self, $pool = 'main') {
    my @pids = sort { $a <=> $b } grep { _slurp("/proc/$_/comm") eq "ashlar\n" } $self->master($pool)->children;
    return @pids;
}

sub _start_nginx ($self) {
    my $dir = $self->{dir};
    state $cert = _certificate();
    for (qw(cert.pem key.pem)) { link "$cert/$_", "$dir/$_" or die "$dir/$_: $!\n" }
    mkdir "$dir/run" or die "$dir/run: $!\n";
    $self->render_nginx;
    $self->{server} = Ashlar::Process->start(
        name => 'nginx',
        cmd  => [ 'nginx', '-p', "$dir/run", '-c', "$dir/nginx/nginx.conf", '-g', 'daemon off;' ],
        log  => "$dir/nginx.log",
        env  => { PATH => "$ENV{PATH}:/usr/sbin" },
    );
    $self->_wait_for('nginx', $self->{server}, sub { IO::Socket::INET->new("127.0.0.1:$self->{https_port}") });
    return;
}

# Write what nginx reads; for one that runs it counts when it is reloaded.
sub render_nginx ($self) {
    my $dir  = $self->{dir};
    my $tree = $self->_tree;
    my %env  = (
        %{ $self->{env} },    # some rows' pools are by settings
        HTTPS_PORT   => $self->{https_port},
        HTTP_PORT    => $self->{http_port},
        SOCKET_MAIN  => "$dir/main.sock",
        SOCKET_SLOW  => "$dir/slow.sock",
        SOCKET_HASH  => "$dir/hash.sock",
        SOCKET_REALTIME => "$dir/realtime.sock",
        DOC_ROOT     => "$tree/build/docs",
        CERT         => "$dir/cert.pem",
        CERT_KEY     => "$dir/key.pem",
        RUN_DIR      => "$dir/run",
        STORAGE_ROOT => "$dir/files",
        REAL_IP_FROM => '',
        LIMIT_RATE   => 0,
        NGINX_USER   => $> == 0 ? 'root' : '',
        ASHLAR       => $self->program,
        %{ $self->{nginx} },
    );
    my $render = Ashlar::Process->start(cmd => [ "$tree/nginx/render", "$dir/nginx" ], log => "$dir/render.log", env => \%env);
    die "nginx/render failed:\n", _slurp("$dir/render.log"), "\n" if ($render->wait_for(60) // -1) != 0;
    return;
}

sub nginx ($self) { return $self->{server} }

sub _wait_for ($self, $what, $process, $ready) {
    my $until = time + 30;
    until ($ready->()) {
        die "$what does not start:\n", $self->_log_texts, "\n" if time > $until || !$process->alive;
        sleep 0.02;
    }
    return;
}

# A free port.  Other test files look for one at the same moment, so
# each takes the abstract unix socket of its number as a lock, which goes with the process.
sub _free_port ($self) {
    while (1) {
        my $port = 10000 + int rand 20000;
        my $lock = IO::Socket::UNIX->new(Local => "\0ashlar-test-port-$port", Listen => 1) or next;
        IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        push @{ $self->{locks} }, $lock;
        return $port;
    }
}

sub _certificate () {
    state $dir = File::Temp->newdir(Ashlar::Cluster->place . '/ashlar-cert-XXXXXX');
    my $made = Ashlar::Process->start(
        cmd => [ qw(openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=localhost -addext),
            'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem" ],
        log => "$dir/log",
    )->wait_for(20);
    die "openssl req failed:\n", _slurp("$dir/log"), "\n" if ($made // -1) != 0;
    return $dir;
}

# ------------------------------------------------------------------ what can be seen inside

# A handle to the database as superuser, past row-level security.
sub db ($self) {
    # When the server is restarted there is something to read, the end.  A ping each time would be half of what PostgreSQL is asked.
    if ($self->{db}) {
        vec(my $readable = '', $self->{db}{pg_socket}, 1) = 1;
        return $self->{db} if !select($readable, undef, undef, 0) || $self->{db}->ping;
    }
    $self->{db} = $self->{cluster}->connect($self->{database});
    $self->{db}{PrintWarn} = 0;    # of a server that the test shuts down
    return $self->{db};
}

# What a statement that is asked for again and again answers, its first column.
sub _prepared ($self, $statement, @values) {
    my $st = $self->db->prepare_cached($statement, { pg_server_prepare => 1 });
    return scalar $self->db->selectrow_array($st, undef, @values);
}

# A connection on which the test holds a lock, as superuser; ->commit or ->disconnect lets go.
sub lock ($self, $statement, @values) {    ## no critic (ProhibitBuiltinHomonyms)
    my $db = $self->{cluster}->connect($self->{database});
    $db->begin_work;
    $db->do($statement, undef, @values);
    return $db;
}

# How many statements wait for a lock.
sub waiting ($self) {
    return scalar $self->db->selectrow_array(
        q{SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'});
}

# The mails that wait, decoded as "ashlar mails" prints them, newest last; to => 'ann@example.com' only hers.
sub mails ($self, %arg) {
    local %ENV = (%ENV, %{ $self->{env} }, DATABASE_OWNER_URL => $self->{cluster}->url($self->{database}, 'ashlar'));
    open my $out, '-|', $ASHLAR, 'mails', map { ("--$_", $arg{$_}) } sort keys %arg or die "ashlar mails: $!\n";
    my @mails = map { $json->decode($_) } <$out>;
    close $out or die "ashlar mails: exit status $?\n";
    return @mails;
}

# The log lines of the pools, decoded; a line that is no JSON is { raw => text }.
sub log ($self) {    ## no critic (ProhibitBuiltinHomonyms)
    return map {
        my $line = $_;
        eval { $json->decode($line) } // { raw => $line };
    } map { split /\n/, _slurp($_) } glob "$self->{dir}/api-*.log";
}

# The line of a request, by what it answered in X-Request-ID.  It is written
# after the answer, so it may take a moment.
sub log_of ($self, $res) {
    my $id    = $res->header('X-Request-ID') // return;
    my $until = time + 3;
    while (1) {
        my ($line) = grep { ($_->{request_id} // '') eq $id && defined $_->{status} } $self->log;
        return $line if $line || time > $until;
        sleep 0.02;
    }
}

# What scrypt was called with while $do ran, "N r p" for each call: see t/lib/quick_scrypt.c, which not every
# build can have.  Nothing else may be asked meanwhile.
sub counts_hashes ($self) { return defined $ENV{LD_PRELOAD} }

sub hashes ($self, $do) {
    unlink "$self->{dir}/scrypt";
    $do->();
    return split /\n/, _slurp("$self->{dir}/scrypt");
}

# Error lines that match are this test's own doing; of the pools and of nginx.
sub expect_log ($self, @patterns) {
    push @{ $self->{expected} }, @patterns;
    return;
}

# Text that must not appear in any log, beside every token that was made.
sub keep_secret ($self, @texts) {
    push @{ $self->{secrets} }, @texts;
    return;
}

# The sum of a metric over all of its series that have these labels.
sub metric ($self, $name, %label) {
    my $sum;
    for my $line (split /\n/, $self->fcgi->request('GET', '/api/v1/public/metrics', params => { REMOTE_ADDR => '127.0.0.1' })->body) {
        my ($labels, $value) = $line =~ /^\Q$name\E(?:\{(.*)\})? (\S+)$/ or next;
        next if grep { index(",$labels,", qq{,$_="$label{$_}",}) < 0 } keys %label;
        $sum = ($sum // 0) + $value;
    }
    return $sum;
}

# Every answer passes here: what all of them must have is looked at without being asked for.
sub saw ($self, $res, $path) {
    $self->{changes}++ if $res->{request} !~ /^(?:GET|HEAD|OPTIONS) / && $res->status !~ /^4(?!01)/;
    return if !$res->status || $path !~ m{^/(?:api|v1|v2)/};
    my @names = qw(X-Request-ID X-Content-Type-Options X-Frame-Options Strict-Transport-Security Content-Security-Policy);
    push @names, 'X-API-Version', 'X-API-Latest-Version' if $path =~ m{^/api/v\d/(?:public|app|admin)/};
    push @names, map { "X-RateLimit-$_" } qw(Limit Remaining Reset) if $self->{env}{RATE_LIMIT_DEFAULT} && $res->status < 500 && $res->{request} !~ /^OPTIONS/;
    for (@names) {
        my @values = $res->header($_);
        push @{ $self->{missing} }, "$res->{request} (" . $res->status . "): $_ " . (@values ? 'twice' : 'is missing') if @values != 1;
    }
    push @{ $self->{missing} }, "$res->{request}: Server tells a version" if ($res->header('Server') // '') =~ /\d/;
    return;
}

# ------------------------------------------------------------------ the end

# Stop everything, and check what the test did not ask about.
sub _finish ($self) {
    my @complaints;
    my $db    = $self->db;
    # A statement of a child that was killed ends on a busy machine when it comes to it: less than its time-out of 10 s is waited for.
    my $began = time;
    my $open;
    do {
        $open = $db->selectall_arrayref(
            q{SELECT pid, state, left(query, 200) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND (xact_start IS NOT NULL OR state LIKE 'idle in%')});
    } while (@$open && time - $began < ((grep { $_->[1] eq 'active' } @$open) ? 8 : 5) && sleep 0.05);
    is_deeply $open, [], 'no transaction is left open';

    $_->signal('TERM') for values %{ $self->{pool} };    # they stop side by side
    my @stubborn = grep { !$self->{pool}{$_}->stop(0, 15) } sort keys %{ $self->{pool} };
    is "@stubborn", '', 'the pools stop when asked to, and leave no process';
    ok $self->{server}->stop('QUIT', 15), 'nginx stops when asked to';

    is join("\n", $self->_errors), '', 'the logs hold no error that was not expected';
    is join("\n", map { "$_:\n" . _slurp($_) } glob "$self->{dir}/{asan,ubsan}*"), '', 'no sanitizer report';
    my $logs = $self->_log_texts;

    # What is all digits may be in the middle of a time or an id by chance, or be a number of ours: it counts as a word of a text.
    my $words = $logs =~ s/"\w+":-?[0-9.]+//gr;
    my @leaked = grep { /\A[0-9]{1,9}\z/ ? $words =~ /(?<![0-9A-Za-z.-])$_(?![0-9A-Za-z])/ : index($logs, $_) >= 0 } @{ $self->{secrets} };
    is join("\n", @leaked), '', 'no token, secret or body in the logs';
    my %seen;
    is join("\n", grep { !$seen{$_}++ } @{ $self->{missing} }), '', 'every answer has the standard headers';
    return;
}

sub _errors ($self) {
    my @bad;
    for my $line ($self->log) {
        my $text = $line->{raw} // $json->encode($line);
        push @bad, $text if $line->{raw} || $line->{level} !~ /^(?:debug|info|warning)$/;
    }
    for my $file ("$self->{dir}/nginx.log", glob "$self->{dir}/run/*error*.log $self->{dir}/run/*/*error*.log") {
        push @bad, grep { /\[(?:error|crit|alert|emerg)\]/ } split /\n/, _slurp($file) if -e $file;
    }
    @bad = grep { my $line = $_; !grep { $line =~ $_ } @{ $self->{expected} } } @bad;
    # nginx tells of what failed in its access log, and not why: a test that expects a failure expects that line.
    push @bad, grep { /"level":"error"/ } split /\n/, _slurp("$self->{dir}/run/access.log") if @{ $self->{expected} } == 1;
    return @bad;
}

# Everything that was logged, as text.
sub _log_texts ($self) {
    return join '', map { _slurp($_) } grep { -f } glob "$self->{dir}/*.log $self->{dir}/run/*.log $self->{dir}/run/*/*.log";
}

sub _slurp ($file) {
    open my $in, '<:raw', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

END {
    my $status = $? || ($died ? 255 : 0);
    for my $t (grep { $_->{owner} == $$ } @started) {
        if ($status == 0) {
            subtest 'what nobody asked for' => sub { $t->_finish };
        }
        else {
            my @lines = split /\n/, $t->_log_texts;
            diag join "\n", 'the logs end with', @lines > 20 ? @lines[ -20 .. -1 ] : @lines;
        }
        for (grep { $_ } $t->{server}, values %{ $t->{pool} // {} }) { $_->kill_group }
        if ($t->{db}) { $t->{db}->disconnect }
        eval { $t->{cluster}->drop($t->{database}) if $t->{database}; 1 } or $t->{cluster}{tmp} or diag $@;
    }
    if ($status == 0 && $$ == $process) {
        if (Ashlar::Answers::is_alone) {
            my ($is_right, $said) = Ashlar::Answers::validate;
            ok $is_right, 'every answer is as the reference has it' or diag $said;
        }
        done_testing;
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

1;
