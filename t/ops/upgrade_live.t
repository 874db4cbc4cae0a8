# The last release under load is replaced by this tree as systemd/README.md says ("A new version"): the schema is
# migrated under its processes, then they are replaced service by service, and at last nginx reads its new files.
# No client notices: every request is answered as it should be, and afterwards everything is there.
#
# make check-upgrade (UPGRADE=long) brings many rows for the migrations to lock, and takes its time; make check runs
# the short form.

use v5.36;
use lib 't/lib';

my ($long, $tree);

BEGIN {
    require Test::More;
    Test::More->import;
    $long = ($ENV{UPGRADE} // '') eq 'long';
    chomp($tree = qx(tools/previous build));
    if (!$tree) {    # and tools/previous has said why
        fail('the last release is there, and builds');
        done_testing();
        exit 1;
    }
}

use Api;
use Ashlar::Receiver;
use Ashlar::Ws;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Cwd 'abs_path';
use Digest::SHA 'hmac_sha256_hex';
use POSIX ();
use Time::HiRes qw(sleep time);

$tree = abs_path($tree);
my $PASSWORD = 'Correct-Horse-7';
my $HOOK     = 'whsec_of_the_upgrade';
my $cluster  = Ashlar::Cluster->shared;
my $receiver = Ashlar::Receiver->start;

# ------------------------------------------------------------------ the last release

my $database = "upgrade_live_$$";

sub ashlar ($program, @args) {
    my $log = "/tmp/$database.log";
    unlink $log;
    my $run = Ashlar::Process->start(
        name => "ashlar $args[0]", cmd => [ $program, @args ], log => $log,
        env  => { DATABASE_OWNER_URL => $cluster->url($database, 'ashlar'), Ashlar::Cluster::sanitizer_env('/tmp') },
    );
    return sub {
        my $status = $run->wait_for(600) // -1;
        open my $in, '<', $log or die "$log: $!\n";
        my $text = join '', <$in>;
        close $in or die "$log: $!\n";
        unlink $log;
        return ($status, $text);
    };
}

{
    my $super = $cluster->connect('postgres');
    $super->do("CREATE DATABASE $database OWNER ashlar TEMPLATE template0");
    $super->disconnect;
    $cluster->postgis($database);
    for ([ 'migrate' ], $long ? [ 'seed', '--scale', 20_000 ] : ()) {
        my ($status, $text) = ashlar("$tree/build/ashlar", @$_)->();
        is $status, 0, "the last release's $_->[0]" or BAIL_OUT($text);
    }
}

my $t = Api->start(
    release => $tree, database => $database, sockets => 1,
    main => 4, slow => 1, hash => 2, realtime => 1, worker => 2,
    nginx => { REAL_IP_FROM => '127.0.0.1', LIMIT_RATE => 10_000 },    # never reached; its zone is what counts
    MAIL_DIR => "/tmp/$database.mail", MAIL_FROM => 'us@example.com', STRIPE_WEBHOOK_SECRET => $HOOK,
    HTTP_ALLOW_PRIVATE => $receiver->address, WEBHOOK_ALLOW_HTTP => 'true', WEBHOOK_RETRY_SCHEDULE => '0,1,1,1',
);
my $dir  = $t->{dir};
my $db   = $t->db;
my $key  = $t->key;
my $ann  = $t->user('ann', columns => { full_name => 'Ann', is_email_verified => 1 })->with(key => $key);
my $boss = $t->user('boss', role => 'superadmin');
my $ed   = $t->user('ed', role => 'editor');
my $team = $t->team('owner', role => 'owner');
my $org  = $t->organization($ann);
$t->keep_secret($PASSWORD, $HOOK);
$db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);
$db->do(q{INSERT INTO jobs (tenant_id, queue, kind, state, finished_at, created_at)
          SELECT ?, 'old', 'x', 'completed', now(), now() - n * interval '1 s' FROM generate_series(1, ?::integer) n}, undef, $t->tenant_id, $long ? 20_000 : 100);

# What is told on the channel that the socket is on: the messages themselves go after two minutes.
$db->do($_) for 'CREATE TABLE told (id bigint PRIMARY KEY)', <<~'END', <<~'END';
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO told SELECT NEW.id WHERE NEW.channel = TG_ARGV[0];
        RETURN NULL;
    END;
    $$
    END
    CREATE TRIGGER told AFTER INSERT ON realtime_messages FOR EACH ROW EXECUTE FUNCTION tell('user:user_ann')
    END

# A service is stopped and started again; who comes meanwhile waits in the socket.
sub restart ($service) {
    ok $t->master($service)->stop('TERM', 40), "$service stops in order";
    return $service eq 'worker' ? $t->start_worker : $service eq 'realtime' ? $t->start_realtime : $t->start_pool($service);
}

# ------------------------------------------------------------------ what goes on all the time

# A line of a flow's own file, written at once: what it was told, for the end to compare.
sub note_down ($flow, @words) {
    open my $out, '>>', "$dir/done-$flow" or die "$flow: $!\n";
    syswrite $out, "@words\n";
    return close $out;
}

sub noted ($flow) {
    open my $in, '<', "$dir/done-$flow" or return;
    my @lines = <$in>;
    close $in or die "$flow: $!\n";
    chomp @lines;
    return @lines;
}

# Whatever is not answered as it should be ends the round, and is a failure.
sub expect ($res, $status = 200) {
    return $res if $res->status == $status;
    die $res->describe, "\n";
}

# A read on a kept connection.  nginx closes those of its old workers when it is reloaded, and one on which a request
# is on its way at that moment ends without an answer: every client asks again, as RFC 9110, 9.2.2 lets it.
sub read_kept ($who, $path) {
    my $res = $who->get($path);
    $res = $who->get($path) if !$res->status && $res->error =~ /closed without an answer|connection broken/;
    return expect($res);
}

# Everybody from an address of their own, on a connection of their own: a write is never sent twice.
sub from ($who, $n) {
    my ($client, $round) = split /-/, $n;
    my %at = ('X-Forwarded-For' => join '.', 10, $client, $round >> 8 & 255, $round & 255);
    return sub ($method, $path, $body = undef, %arg) {
        return $who->request($method, $path, defined $body ? (json => $body) : (), fresh => 1, %arg, headers => { %at, %{ $arg{headers} // {} } });
    };
}

# Every list and every page of oneself that the last release has and that is answered without being told more.
sub pages () {
    my $with_key = $t->client(key => $key);
    my %who = (
        user => $ann, user_with_key => $ann, user_or_key => $ann, key_and_user => $ann, member => $ann, admin => $boss, key => $with_key, secret_key => $with_key,
        team => $team, team_any_mode => $team, team_admin => $team, anyone => $t->client, anyone_with_key => $t->client,
    );
    my @pages;
    open my $routes, '-|', "$tree/build/ashlar", 'routes' or die "routes: $!\n";
    for my $route (map { decode_json($_) } <$routes>) {
        my $who = $who{ $route->{caller}{name} };
        next if !$who || $route->{method} ne 'GET' || $route->{path} =~ /\{|metrics/ || $route->{pool} ne 'main' || $route->{static};
        push @pages, [ $who, $route->{path} ] if $who->get($route->{path})->status == 200;
    }
    close $routes or die "routes: $?\n";
    return @pages;
}

my @pages = pages();
cmp_ok scalar(@pages), '>', 35, @pages . ' pages are read';

my %flow = (
    pages => sub ($n) {
        state $connections = {};
        state @order = @pages;
        push @order, shift @order;
        my ($who, $path) = @{ $order[0] };
        read_kept($connections->{ $who->{id} // $who->{key} // '' } //= $who->with(http => $t->http), $path);
        return note_down('pages', $path);
    },
    projects => sub ($n) {
        my $ask  = from($ann, $n);
        my $body = { name => "upgrade $n", description => 'x' };
        my $id   = expect($ask->(POST => '/api/v1/app/projects', $body, headers => { 'Idempotency-Key' => $n }), 201)->json('/id');
        my $same = expect($ask->(POST => '/api/v1/app/projects', $body, headers => { 'Idempotency-Key' => $n }), 201)->json('/id');
        die "a repeated project is another one\n" if $same ne $id;
        expect($ask->(PATCH => "/api/v1/app/projects/$id", { name => "upgraded $n" }));
        my $got = expect($ask->(GET => "/api/v1/app/projects/$id"))->json;
        die 'a project reads ', encode_json($got), "\n" if $got->{name} ne "upgraded $n" || $got->{description} ne 'x';
        return note_down('projects', $id, 'stays') if $n =~ /[02468]$/;
        expect($ask->(DELETE => "/api/v1/app/projects/$id"), 204);
        return note_down('projects', $id, 'is gone');
    },
    # A new user, who comes back, forgets the password, and leaves.
    accounts => sub ($n) {
        my $ask   = from($t->client, $n);
        my $email = "new-$n\@example.com";
        expect($ask->(POST => '/api/v1/auth/register', { email => $email, password => $PASSWORD }), 201);
        my $in    = expect($ask->(POST => '/api/v1/auth/login', { email => uc $email, password => $PASSWORD }))->json;
        my $as    = from($t->client(token => $in->{access_token}), $n);
        die "another address\n" if expect($as->(GET => '/api/v1/auth/me'))->json('/email') ne $email;
        my $again = expect($ask->(POST => '/api/v1/auth/refresh', { refresh_token => $in->{refresh_token} }))->json;
        my $then  = from($t->client(token => $again->{access_token}), $n);
        expect($then->(PATCH => '/api/v1/app/users/me', { full_name => "New $n" }));
        expect($ask->(POST => '/api/v1/auth/forgot-password', { email => $email }));
        expect($then->(POST => '/api/v1/auth/logout'));
        die "logged out, and let in\n" if $then->(GET => '/api/v1/auth/me')->status != 401;
        return note_down('accounts', $email);
    },
    # A user who stays signed in all the time, by refreshing; with and without rotation.
    sessions => sub ($n) {
        state %mine;
        my $ask = from($t->client, $n);
        for my $kept ('plain', 'rotated') {
            my $slug = $kept eq 'plain' ? 'plain' : 'default';
            my $in   = $mine{$kept} //= decode_json(do { local (@ARGV, $/) = "$dir/session-$kept-" . ($n =~ /^(\d+)/)[0]; scalar <> });
            my $next = expect($ask->(POST => '/api/v1/auth/refresh', { refresh_token => $in->{refresh_token} }))->json;
            $in->{refresh_token} = $next->{refresh_token} if $next->{refresh_token};
            expect(from($t->client(token => $_), $n)->(GET => '/api/v1/app/users/me')) for $in->{access_token}, $next->{access_token};
        }
        return note_down('sessions', $n);
    },
    # Workers outside.
    tasks => sub ($n) {
        my $ask = from($ed, $n);
        my $id  = expect($ask->(POST => '/api/task-queue/submit', { task_type => 'x', queue_name => 'upgrade', idempotency_key => $n, payload => { n => $n } }), 201)->json('/data/id');
        my $got = expect($ask->(POST => '/api/task-queue/claim', { worker_id => $n, queue_name => 'upgrade' }))->json('/data');
        return note_down('tasks', $id) if !$got;    # another one has taken it
        expect($ask->(POST => "/api/task-queue/$got->{id}/heartbeat", { worker_id => $n, attempt => 1 }));
        expect($ask->(POST => "/api/task-queue/$got->{id}/complete", { worker_id => $n, attempt => 1, result => { by => $n } }));
        return note_down('tasks', $id);
    },
    # Events of a provider, each sent twice.
    hooks => sub ($n) {
        my $ask  = from($t->client, $n);
        my $at   = int time;
        my $body = encode_json({ id => "evt_$n", object => 'event', type => 'invoice.paid', created => $at, data => { object => { id => "in_$n", object => 'invoice', subscription => "sub_$n" } } });
        for (1, 2) {
            expect($ask->(POST => '/api/v1/public/webhooks/stripe', undef, raw => $body,
                headers => { 'Stripe-Signature' => "t=$at,v1=" . hmac_sha256_hex("$at.$body", $HOOK) }));
        }
        return note_down('hooks', "evt_$n");
    },
    # What webhooks of the workspace are sent about.
    changes => sub ($n) {
        my $ask = from($ann, $n);
        my $res = expect($ask->(PUT => "/api/v1/organizations/$org", { name => "Name $n" }));
        die "another name\n" if $res->json('/name') ne "Name $n";
        return note_down('changes', $n);
    },
);
my %clients = (pages => 1, projects => 2, accounts => 1, sessions => 2, tasks => 2, hooks => 1, changes => 1);

# An endpoint for the changes, and the sessions that stay.
{
    my $res = $ann->post('/api/v1/webhooks', { name => 'x', url => $receiver->url('/hook'), events => ['organization.updated'] });
    status_is $res, 201;
    $t->keep_secret($res->json('/secret'));
    my $plain = $t->client(key => $t->key(tenant => 'plain'));
    $db->do('UPDATE tenant_settings SET refresh_token_rotation = (tenant_id <> ?)', undef, $t->tenant_id('plain'));
    for my $n (1 .. $clients{sessions}) {
        for ([ plain => $plain ], [ rotated => $t->client ]) {
            my ($name, $who) = @$_;
            my $res = from($who, "99-$n")->(POST => '/api/v1/auth/register', { email => "stays-$n\@example.com", password => $PASSWORD });
            status_is $res, 201;
            open my $out, '>', "$dir/session-$name-$n" or die "$!\n";
            print {$out} $res->body;
            close $out or die "$!\n";
        }
    }
}

# The one whose socket is open all day: it comes back when it is told to, from where it was.
sub listener () {
    my ($last, $first);
    my $channel = 'user:' . $ann->id;
    while (1) {
        my $ws = eval { Ashlar::Ws->open($t, '/api/v1/app/ws?token=' . $ann->token) };
        if (!$ws || $ws->status != 101) {
            note_down('socket', 'refused', $ws ? $ws->status : $@);
            sleep 0.1;
            next;
        }
        note_down('socket', 'connected');
        my $is_live;
        $ws->say({ type => 'subscribe', channel => $channel, defined $last ? (last_event_id => $last) : () });
        while (my $m = $ws->next(undef, 60)) {
            if ($m->{close}) {
                note_down('socket', 'closed', $m->{close});
                last;
            }
            if ($m->{type} eq 'subscribed') {
                note_down('socket', defined $last && !$m->{recovered} ? 'missed something' : defined $last ? 'again' : "from $m->{event_id}");
                $last //= $m->{event_id};
                $is_live = 1;
            }
            elsif ($m->{event_id}) {
                return if ($m->{data} // {})->{end};
                # The user's own channel tells before it is asked for; what was missed comes behind that.
                $last = $m->{event_id} if $is_live;
                note_down('socket', $is_live ? 'got' : 'early', $m->{event_id});
            }
            elsif ($m->{type} eq 'error') {
                note_down('socket', "error $m->{code}");
            }
        }
    }
}

my $listener = fork // die "fork: $!\n";
if (!$listener) {
    eval { listener(); 1 } or note_down('socket', "died: $@");
    POSIX::_exit(0);
}
eventually { grep { /^from/ } noted('socket') } 20, 'a socket is open';

my %load = map {
    my $flow = $_;
    ($flow => $t->load(
        clients => $clients{$flow}, make => sub { 0 },
        each    => sub ($client, $n) {
            my $start = time;
            my $ok    = eval { $flow{$flow}->($n); 1 };
            sleep 0.05;    # there is always something under way, and the machine has time for the upgrade
            return Ashlar::Response->new(status => $ok ? 200 : 0, error => $ok ? '' : $@, seconds => time - $start);
        },
    ))
} sort keys %flow;

# Every flow has gone on for a while.  Those that hash passwords take their time: once is enough, in the short form at
# the beginning and at the end.
sub goes_on ($when) {
    my %want;
    for my $flow (grep { $long || $_ ne 'accounts' } keys %flow) {
        $want{$flow} = $clients{$flow} * ($flow eq 'accounts' ? 1 : $long ? 10 : 2) + (my @lines = noted($flow));
    }
    my $behind = sub { return grep { $want{$_} > (my @lines = noted($_)) } sort keys %want };
    my $ok = eventually { !$behind->() } 180, $when;
    diag 'still to come: ' . join ' ', $behind->() if !$ok;
    return;
}

# ------------------------------------------------------------------ the upgrade

# However this test ends.
END { if ($listener) { kill 'KILL', $listener } }

goes_on 'the last release serves';
eventually { grep { 1 } noted('accounts') } 120, '  somebody new, too';
{
    my ($status, $text) = ashlar($t->upgrade->program, 'migrate')->();
    is $status, 0, 'the schema is migrated under it' or diag $text;
    my $db = $cluster->connect($database);
    is_deeply $db->selectcol_arrayref('SELECT name FROM schema_migrations ORDER BY version'), [ map { s{.*/}{}r } sort glob 'sql/migrations/*.sql' ], '  to this tree';
    $db->disconnect;
}
goes_on 'the last release goes on, on this schema';
# A job of a kind that only the new release has: the old worker puts it back, and has an error of it in its log.
$t->expect_log(qr/"kind":"of\.the\.new"/);
my ($new) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind) VALUES (?, 'ashlar', 'of.the.new') RETURNING id}, undef, $t->tenant_id);
eventually { $db->selectrow_array(q{SELECT state = 'scheduled' AND attempts = 0 AND last_error LIKE '%knows no kind%' FROM jobs WHERE id = ?}, undef, $new) } 60, '  and puts back a job that it does not know';
for my $service (qw(main slow hash realtime worker)) {
    restart($service);
    goes_on "$service is this tree's";
}
$t->render_nginx;
my %old = map { $_ => 1 } $t->nginx->children;
$t->nginx->signal('HUP');
eventually { grep { !$old{$_} } $t->nginx->children } 20, 'nginx has read its new files';
goes_on 'and all of it is';
$db->do(q{UPDATE jobs SET kind = 'noop', run_at = now() WHERE id = ? AND state = 'scheduled'}, undef, $new);    # which this one knows
eventually { $db->selectrow_array(q{SELECT state = 'completed' FROM jobs WHERE id = ?}, undef, $new) } 60, 'a job that waited for it is done';
my $accounts = () = noted('accounts');
eventually { $accounts < (my @now = noted('accounts')) } 120, '  and takes somebody new';

# ------------------------------------------------------------------ nobody has noticed

for my $flow (sort keys %load) {
    my @rounds = $load{$flow}->finish;
    my %why;
    $why{ $_->[2] }++ for grep { !$_->[0] } @rounds;
    is join("\n", map { "$why{$_} times: $_" } sort keys %why), '', "$flow: each of " . @rounds . ' rounds went as it should';
    note sprintf '%s: the slowest took %.2f s', $flow, (sort { $b <=> $a } map { $_->[1] } @rounds)[0];
}

# The rows that a statement finds by ids, as those say which there should be.
sub all_there ($flow, $want, $sql, $name) {
    my %got = map { $_ => 1 } @{ $db->selectcol_arrayref($sql) };
    return is join(' ', grep { !$got{$_} } @$want), '', "$flow: $name";
}

subtest 'everything is there' => sub {
    my @projects = noted('projects');
    all_there projects => [ map { /(\S+) stays/ } @projects ], q{SELECT id FROM projects WHERE deleted_at IS NULL AND name LIKE 'upgraded %'}, 'those that stay';
    all_there projects => [ map { /(\S+) is gone/ } @projects ], 'SELECT id FROM projects WHERE deleted_at IS NOT NULL', 'those that are deleted';
    is $db->selectrow_array(q{SELECT count(*) - count(DISTINCT name) FROM projects WHERE name LIKE 'upgraded %'}), 0, 'projects: none twice';
    is $db->selectrow_array('SELECT project_count - (SELECT count(*) FROM projects p WHERE p.owner_id = u.id AND p.deleted_at IS NULL) FROM users u WHERE id = ?', undef, $ann->uuid), 0,
        'projects: their counter is right';
    all_there accounts => [ noted('accounts') ], q{SELECT email FROM users WHERE full_name LIKE 'New %'}, 'whoever registered';
    status_is from($t->client, '98-1')->(POST => '/api/v1/auth/login', { email => $_, password => $PASSWORD }), 200, '  and still signs in' for (noted('accounts'))[0, -1];
    all_there tasks    => [ noted('tasks') ], q{SELECT id FROM jobs WHERE queue = 'upgrade'}, 'what was submitted';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE queue = 'upgrade' AND (state NOT IN ('queued', 'completed') OR attempts > 1)}), 0, 'tasks: done once';
    all_there hooks => [ noted('hooks') ], q{SELECT event_id FROM webhook_events}, 'what was taken';
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM webhook_events WHERE state <> 'processed'}) } 60, 'hooks: and has been processed';
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'}) } 60, 'changes: every delivery has arrived';
    my %sent = map { $_->{headers}{'webhook-id'} => 1 } $receiver->requests('/hook');
    all_there changes => [ keys %sent ], 'SELECT id FROM webhook_messages', 'what arrived was sent';
    is scalar(keys %sent), $db->selectrow_array('SELECT count(*) FROM webhook_messages'), 'changes: and all of it';
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM jobs WHERE is_internal AND state NOT IN ('completed', 'scheduled')}) } 60, 'all jobs of ours are done';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'mail' AND state = 'completed'}), scalar(my @accounts = noted('accounts')), 'a mail for each who forgot the password';
    my ($status, $text) = ashlar($t->program, 'audit', 'verify')->();
    is $status, 0, 'the audit log is one chain' or diag $text;
};

subtest 'the socket missed nothing' => sub {
    my @want = @{ $db->selectcol_arrayref('SELECT id FROM told ORDER BY id') };
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do(q{SELECT realtime_publish(?, '{"end": true}')}, undef, 'user:' . $ann->id);
    $db->do('NOTIFY ashlar_realtime');
    $db->commit;
    waitpid $listener, 0;
    my @lines = noted('socket');
    my ($from) = map { /^from (\d+)/ } @lines;
    my @got   = map { /^got (\d+)/ } @lines;
    my @early = map { /^early (\d+)/ } @lines;
    is join(' ', sort { $a <=> $b } @got, @early), join(' ', grep { $_ > $from } @want), 'each message once';
    is join(' ', @got), join(' ', sort { $a <=> $b } @got), 'in order';
    is_deeply [ grep { !/^(?:from|got|early|connected|again|closed)/ } @lines ], [], 'it was always let in, and never told that something is missing';
    cmp_ok scalar(grep { /^again/ } @lines), '>=', 1, 'though it had to come back';
};

system 'rm', '-rf', "/tmp/$database.mail";
