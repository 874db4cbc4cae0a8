use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Systemd;
use Cpanel::JSON::XS qw(decode_json);
use File::Temp ();
use Time::HiRes qw(time);

# Agents on this host: made, started, stopped and started again, as ashlar host does it with a service manager that is a mock.
my $place   = File::Temp->newdir('/tmp/ashlar-systemd-XXXXXX');
my $systemd = Ashlar::Systemd->new("$place");
my $t       = Api->start(main => 2, slow => 3, host => 1, SERVICE_MANAGER => 'systemd', DBUS_SYSTEM_BUS_ADDRESS => $systemd->{address}, AI_DEFAULT_MODEL => 'gpt-4o-mini');
my $db      = $t->db;
my $base    = '/api/agents';
my $root    = "$t->{dir}/agents";
my $admin   = $t->user('adam', role => 'admin');
my $ed      = $t->user('ed', role => 'editor');
my $builder = $t->user('bob', role => 'builder');
my $bot     = $t->user('bot', role => 'agent');
my $viewer  = $t->user('viewer', role => 'viewer');
my $demo    = $t->user('demo', role => 'demo');
my $ann     = $t->user('ann', role => 'member');
my $theirs  = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $alien   = $t->client(key => $t->key(tenant => 'other'));
my $host    = `hostname` =~ s/\s+//gr;

sub make ($who, %agent)   { return $who->post($base, { name => 'keeper', %agent }) }
sub stored ($name)        { return $db->selectrow_hashref('SELECT * FROM tenant_agents WHERE name = ?', undef, $name) }
sub activity ($action)    { return $db->selectrow_array('SELECT count(*) FROM activity_log WHERE action = ?', undef, $action) }
sub audited ($action)     { return $db->selectrow_array('SELECT count(*) FROM audit_events WHERE action = ?', undef, "tenant_agent.$action") }
sub unit ($name)          { return "ashlar-agent\@1-$name.service" }
sub steps ($res)          { return join ' ', map { "$_->{name}=$_->{status}" } @{ $res->json('/data/steps') } }

sub slurp ($file) {
    open my $in, '<', $file or return;
    local $/ = undef;
    return scalar <$in>;
}
# With a clock it asks systemd by itself, whenever that comes; so it has one only where that is looked at.
sub without_a_clock () {
    $t->{pool}{host}->stop('TERM', 10);
    local $t->{env}{DATABASE_URL} = '';
    $t->start_host;
    return;
}
without_a_clock();
my $WELL = 'validate=ok db_registration=ok workspace=ok soul_md=ok run_script=ok automations=skipped unit_files=ok load_agent=ok heartbeat=ok log=ok';

subtest 'who may' => sub {
    error_is $t->post($base, { name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is make($_, name => 'x'), 403, 'AUTHORIZATION_ERROR' for $bot, $viewer, $demo, $ann, $theirs, $alien;
    for my $verb (qw(stop start restart)) {
        error_is $t->post("$base/pilot/$verb", {}), 401, 'AUTHENTICATION_ERROR';
        error_is $_->post("$base/pilot/$verb", {}), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo, $ann, $theirs, $alien;
    }
    my $org   = $t->organization($ed);
    my $small = $t->client(key => $t->key(type => 'organization', of => $org, by => $ed, columns => { scopes => ['agents:write'] }));
    error_is make($small, name => 'x'), 403, 'INSUFFICIENT_SCOPE';
    is $db->selectrow_array('SELECT count(*) FROM tenant_agents'), 0, 'nothing was written';
    is $systemd->calls, '', 'and nobody asked';
    my $whole = $t->client(key => $t->key(type => 'organization', of => $org, by => $ed, columns => { scopes => ['*'] }));
    my $n     = 0;
    status_is make($_, name => 'by-' . ++$n), 200 for $admin, $ed, $builder, $whole, $t->client(key => $t->key);
    status_is $_->post("$base/by-1/stop", {}), 200 for $admin, $ed, $builder, $bot, $whole;
    $systemd->calls;
};

subtest 'what is refused' => sub {
    error_is $ed->post($base, {}), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ed->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is make($ed, name => $_), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 64, 'Upper', '1st', '-x', '_x', 'a b', 'a/b', '..', '../x', "a\n", 'ä', 7, undef;
    error_is make($ed, interval_sec => $_), 400, 'VALIDATION_ERROR', field => 'interval_sec' for 59, 604_801, 'x', 60.5, undef;
    error_is make($ed, color => $_), 400, 'VALIDATION_ERROR', field => 'color' for '', 'red', '#12345', '#1234567', '#12345g', undef;
    error_is make($ed, emoji => $_), 400, 'VALIDATION_ERROR', field => 'emoji' for '', 'x' x 17;
    error_is make($ed, display_name => $_), 400, 'VALIDATION_ERROR', field => 'display_name' for '', 'x' x 101;
    error_is make($ed, model => 'x' x 101), 400, 'VALIDATION_ERROR', field => 'model';
    error_is make($ed, display_name => 'x' x 2_097_152), 413, 'PAYLOAD_TOO_LARGE';
    for my $verb (qw(stop start restart)) {
        error_is $ed->post("$base/$_/$verb", {}), 400, 'VALIDATION_ERROR' for 'Upper', '1st', 'a.b', 'x' x 64, '%2e%2e';
        error_is $ed->post("$base/none/$verb", {}), 404, 'NOT_FOUND';
        error_is $ed->post("$base/by-1/$verb", { note => 'x' x 501 }), 400, 'VALIDATION_ERROR', field => 'note';
        error_is $ed->post("$base/by-1/$verb", { note => 7 }), 400, 'VALIDATION_ERROR', field => 'note';
    }
    ok !stored('keeper'), 'nothing was written';
    is $systemd->calls, '', 'and nobody asked';
};

subtest 'made' => sub {
    my $res = make($ed, display_name => 'The "Keeper"', emoji => '🗼', color => '#1B6CA8', interval_sec => 60, model => 'a$b`c\\');
    status_is $res, 200;
    is steps($res), $WELL, 'ten steps in their order';
    ok $res->json('/data/success'), 'all went well';
    is $res->json('/meta/message'), 'Agent created', 'in words';
    my ($agent, $row) = ($res->json('/data/agent'), stored('keeper'));
    is_deeply [ @$agent{qw(name display_name role status model)} ], [ 'keeper', 'The "Keeper"', 'agent', 'idle', 'a$b`c\\' ], 'the agent';
    is $agent->{id}, $row->{number}, '  by its number';
    is_deeply [ @$row{qw(color interval_s wanted host)} ], [ '#1b6ca8', 60, 'running', $host ], '  and its row';
    ok $agent->{last_heartbeat}, '  which has begun to live';
    my $home = "$root/agents/1-keeper";
    ok -d "$home/$_", "$_/" for qw(memory logs);
    like slurp("$home/SOUL.md"), qr/^# The "Keeper"\n\nYou are keeper/, 'what it is';
    is sprintf('%o', (stat "$home/run.sh")[2] & oct 7777), '770', 'its script may be run';
    is system('sh', '-n', "$home/run.sh"), 0, '  and is one';
    is_deeply decode_json(slurp("$home/state.json")), { name => 'keeper', status => 'active' }, 'its state';
    my $env = slurp("$root/env/1-keeper");
    like $env, qr/^AGENT_INSTANCE="1-keeper"\nAGENT_NAME="keeper"\nAGENT_MODEL="a\\\$b\\`c\\\\"\nAGENT_INTERVAL_SEC="60"\nASHLAR_URL="https:/, 'its environment';
    is $systemd->calls, 'StartUnit ' . unit('keeper'), 'and its unit was started';
    is activity('agent.created'), 6, 'the activity log has it';
    is audited('create'), 6, 'and the audit log';
    error_is make($ed), 409, 'CONFLICT';
    is $systemd->calls, '', 'once only';
    $res = make($ed, name => 'plain');
    is_deeply [ @{ $res->json('/data/agent') }{qw(display_name model)} ], [ 'Plain', 'gpt-4o-mini' ], 'what was left out';
    is stored('plain')->{interval_s}, 3600, '  and an hour';
    status_is make($ed, name => 'a' x 63, interval_sec => 604_800, emoji => 'x' x 16), 200, 'the longest';
    $systemd->calls;
};

subtest 'asked again with the same key' => sub {
    my $one = $ed->post($base, { name => 'again' }, headers => { 'Idempotency-Key' => 'make-again-1' });
    my $two = $ed->post($base, { name => 'again' }, headers => { 'Idempotency-Key' => 'make-again-1' });
    status_is $_, 200 for $one, $two;
    is $two->json('/data/agent/id'), $one->json('/data/agent/id'), 'the same answer';
    is $systemd->calls, 'StartUnit ' . unit('again'), 'and done once';
};

subtest 'stopped, started, and started again' => sub {
    my $was = stored('keeper');
    my $res = $bot->post("$base/keeper/stop", { note => 'The lamp' });
    status_is $res, 200;
    is_deeply [ @{ $res->json('/data') }{qw(name status note)} ], [ 'keeper', 'stopped', 'The lamp' ], 'stopped';
    ok $res->json('/data/stopped_at') && $res->json('/data/success'), '  at that time';
    is $res->json('/meta/message'), 'Agent stopped', '  in words';
    ok -e "$root/stop/1-keeper", 'it may not start by itself';
    is decode_json(slurp("$root/agents/1-keeper/state.json"))->{status}, 'stopped', 'its state';
    is_deeply [ @{ stored('keeper') }{qw(status wanted note)} ], [ 'stopped', 'stopped', 'The lamp' ], 'its row';
    is $systemd->calls, 'StopUnit ' . unit('keeper'), 'its unit was stopped';
    is $db->selectrow_array(q(SELECT metadata ->> 'note' FROM activity_log WHERE action = 'agent.stopped' ORDER BY created_at DESC LIMIT 1)), 'The lamp', 'the activity log has the note';
    status_is $ed->post("$base/keeper/stop"), 200, 'once more, and without a body';
    is $systemd->calls, 'StopUnit ' . unit('keeper'), '  asks again';

    $res = $ed->post("$base/keeper/start");
    status_is $res, 200;
    is_deeply [ @{ $res->json('/data') }{qw(status note)} ], [ 'active', undef ], 'started';
    ok $res->json('/data/started_at'), '  at that time';
    ok !-e "$root/stop/1-keeper", 'it may start';
    is $systemd->calls, 'StartUnit ' . unit('keeper'), 'and does';
    status_is $ed->post("$base/keeper/start", { note => 'x' x 500 }), 200, 'once more';
    $systemd->calls;
    is stored('keeper')->{wanted}, 'running', 'its row';
    cmp_ok stored('keeper')->{wish}, '>', $was->{wish}, 'each wish has a later number';

    my $began = time;
    my $again = $ed->post("$base/keeper/restart", { note => 'again' });
    cmp_ok time - $began, '>=', 1, 'a second lies between';
    is_deeply [ @{ $again->json('/data') }{qw(status note)} ], [ 'active', 'again' ], 'started again';
    ok $again->json('/data/restarted_at'), '  at that time';
    is $systemd->calls, join("\n", 'StopUnit ' . unit('keeper'), 'StartUnit ' . unit('keeper')), 'its unit was stopped and started';
    is activity("agent.$_->[0]"), $_->[1], "the activity log has each $_->[0]" for [ started => 2 ], [ restarted => 1 ], [ stopped => 7 ];
    is audited($_->[0]), $_->[1], "and the audit log each $_->[0]" for [ start => 2 ], [ restart => 1 ], [ stop => 7 ];
};

subtest 'what is missing is made again' => sub {
    system('rm', '-rf', "$root/agents/1-keeper", "$root/env/1-keeper");
    status_is $ed->post("$base/keeper/start"), 200;
    ok -e "$root/$_", $_ for 'agents/1-keeper/SOUL.md', 'agents/1-keeper/run.sh', 'agents/1-keeper/memory', 'env/1-keeper';
    open my $out, '>', "$root/agents/1-keeper/SOUL.md" or die $!;
    print {$out} 'mine';
    close $out;
    status_is $ed->post("$base/keeper/restart"), 200;
    is slurp("$root/agents/1-keeper/SOUL.md"), 'mine', 'and what is there stays';
    $db->do(q(INSERT INTO tenant_agents (tenant_id, name, display_name) SELECT id, 'registered', 'R' FROM tenants WHERE number = 1));
    status_is $ed->post("$base/registered/start"), 200, 'one that was only registered';
    ok -d "$root/agents/1-registered", '  has a workspace then';
    is stored('registered')->{host}, $host, '  and a host';
    $systemd->calls;
};

subtest 'a link in the way' => sub {
    mkdir "$place/elsewhere";
    symlink "$place/elsewhere", "$root/agents/1-linked";
    my $res = make($ed, name => 'linked');
    status_is $res, 200;
    ok !$res->json('/data/success'), 'is not followed';
    like steps($res), qr/^validate=ok db_registration=ok workspace=failed soul_md=skipped run_script=skipped automations=skipped unit_files=skipped load_agent=skipped heartbeat=skipped log=ok$/, 'and what depends on it is skipped';
    is_deeply [ glob "$place/elsewhere/*" ], [], 'nothing is there';
    is $systemd->calls, '', 'nothing was started';
    unlink "$root/agents/1-linked";
    status_is $ed->post("$base/linked/start"), 200, 'to start it repairs it';
    is $systemd->calls, 'StartUnit ' . unit('linked'), '  whole';
};

subtest 'the service manager says no, or is away' => sub {
    $systemd->fails(StartUnit => 'org.freedesktop.DBus.Error.AccessDenied');
    my $res = make($ed, name => 'refused');
    status_is $res, 200;
    like steps($res), qr/unit_files=ok load_agent=failed heartbeat=skipped log=ok$/, 'a step that failed';
    like $res->json('/data/steps')->[7]{message}, qr/service manager/, '  says why';
    ok stored('refused'), 'the row stays';
    $systemd->fails(StopUnit => 'org.freedesktop.systemd1.NoSuchUnit');
    status_is $ed->post("$base/refused/stop"), 200, 'what does not run is stopped';
    $systemd->stop;
    for my $verb (qw(start restart stop)) {
        $res = $ed->post("$base/keeper/$verb");
        error_is $res, 503, 'SERVICE_UNAVAILABLE';
        ok $res->header('Retry-After'), "  $verb: ask again later";
    }
    is stored('keeper')->{wanted}, 'stopped', 'the last wish stands';
    is stored('keeper')->{status}, 'active', 'and what is known last';
    $systemd->start;
    status_is $ed->post("$base/keeper/stop"), 200, 'back again';
    status_is $ed->post("$base/refused/start"), 200, 'and what had failed is repaired';
    is_deeply [ map { $_->{status} } @{ decode_json(stored('refused')->{steps}) } ], [qw(ok ok ok ok ok skipped ok ok ok ok)], '  step by step';
};

subtest 'an earlier wish that comes late' => sub {
    my $late = sprintf '%020d', stored('keeper')->{wish} + 60_000_000;
    open my $out, '>', "$root/wishes/1-keeper" or die $!;
    print {$out} $late;
    close $out;
    $systemd->calls;
    error_is $ed->post("$base/keeper/start"), 503, 'SERVICE_UNAVAILABLE', name => 'another wish was later';
    is $systemd->calls, '', 'nothing is done';
    unlink "$root/wishes/1-keeper";
    status_is $ed->post("$base/keeper/start"), 200, 'the last one counts';
    ok !-e "$root/stop/1-keeper", '  on the host';
    is stored('keeper')->{status}, 'active', '  and in its row';
};

# The clock is a process of ashlar host, which looks every two seconds.
subtest 'by the clock' => sub {
    my $runs = sub ($name) { my $unit = unit($name); return scalar grep { $_ eq "StartUnit $unit" } split /\n/, $systemd->calls };
    $t->{pool}{host}->stop('TERM', 10);
    $t->start_host;
    $systemd->calls;
    status_is $ed->post("$base/plain/start"), 200;
    is $runs->('plain'), 1, 'it runs';
    cmp_ok $db->selectrow_array(q(SELECT extract(epoch FROM run_due_at - now()) FROM tenant_agents WHERE name = 'plain')), '>', 3500, '  and again in an hour';
    $db->do(q(UPDATE tenant_agents SET run_due_at = now() - interval '3 days' WHERE name = 'plain'));
    my $n = 0;
    eventually { $n += $runs->('plain') } 30, 'one that is due is started';
    eventually { $db->selectrow_array(q(SELECT run_due_at > now() + interval '50 minutes' FROM tenant_agents WHERE name = 'plain')) } 30, '  and is due an hour later';
    is $n + $runs->('plain'), 1, '  once, however many times were missed';
    status_is $ed->post("$base/plain/stop"), 200;
    is $db->selectrow_array(q(SELECT run_due_at FROM tenant_agents WHERE name = 'plain')), undef, 'one that is stopped is never due';

    # As an api that was killed between the row and the host leaves it.
    my $want = sub ($wanted) {
        unlink "$root/wishes/1-plain";
        $db->do(q(UPDATE tenant_agents SET wanted = ?, wish = (extract(epoch FROM now() - interval '11 seconds') * 1000000)::bigint, done_wish = 0 WHERE name = 'plain'), undef, $wanted);
    };
    $want->('running');
    eventually { stored('plain')->{status} eq 'active' && !-e "$root/stop/1-plain" } 30, 'a wish that nobody has carried out is carried out';
    is stored('plain')->{done_wish}, stored('plain')->{wish}, '  once';
    $want->('stopped');
    eventually { stored('plain')->{status} eq 'stopped' && -e "$root/stop/1-plain" } 30, '  and so is that it stops';
    my $gone = $db->selectrow_array('SELECT count(*) FROM host_agents_due(?)', undef, 'another-host');
    is $gone, 0, 'another host has none of it';
    my $small = $t->{cluster}->connect($t->{database}, 'ashlar_host');
    ok $small->selectall_arrayref('SELECT * FROM host_agents_due(?)', undef, 'another-host'), 'the host\'s own role may ask';
    local $small->{PrintError} = 0;
    ok !eval { $small->do('SELECT 1 FROM tenant_agents'); 1 }, '  and may see no table';
    $small->disconnect;
};

subtest 'the host away' => sub {
    $t->{pool}{host}->stop('TERM', 10);
    my $res = make($ed, name => 'early');
    status_is $res, 200;
    like steps($res), qr/^validate=ok db_registration=ok workspace=failed soul_md=skipped/, 'put down, and no more';
    ok !stored('early')->{host}, 'it is on none';
    error_is $ed->post("$base/early/start"), 503, 'SERVICE_UNAVAILABLE';
    $t->start_host;
    status_is $ed->post("$base/early/start"), 200, 'start makes it';
    is stored('early')->{host}, $host, '  here';
};
