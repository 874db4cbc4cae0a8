# The units as make install lays them out: systemd finds no fault with them, and
# each of them is, with all of its drop-ins, what the tables here say.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();
use Test::More;

my $top   = File::Temp->newdir('/tmp/ashlar-units-XXXXXX');
my $units = "$top/usr/lib/systemd/system";
{
    local @ENV{qw(DESTDIR ASHLAR PREFIX)} = ("$top", "$Ashlar::Cluster::BUILD/ashlar", '/usr');
    system('tools/install') == 0 or die "tools/install failed\n";
}
my @ours = map { s{.*/}{}r } glob "$units/ashlar*.{service,socket,target}";
cmp_ok scalar @ours, '>=', 4, 'there are units';

# What a host has beside them: Debian's units and the commands ours name.
system("cp -an /usr/lib/systemd/system/. '$units/' && ln -s usr/bin '$top/bin' && cp /usr/bin/kill /usr/bin/sh '$top/usr/bin/'") == 0
    or die "cannot make a root\n";

sub analyze (@words) {
    return scalar qx(systemd-analyze --no-pager --root='$top' @words 2>&1);
}

sub lines_of ($file) {
    open my $in, '<', "$units/$file" or die "$file: $!\n";
    return <$in>;
}

# A file of a unit, as it is written.
sub of ($unit, $key) {
    return join ' ', map { /^$key=(.*)/ ? $1 : () } lines_of($unit);
}

sub setting_names ($unit) {
    return map { /^(\w+)=/ ? $1 : () } lines_of($unit =~ s/@\w+/@/r);
}

subtest 'the owner\'s way into the database is the migrations\' alone' => sub {
    for my $unit (grep { /[.]service$/ } sort @ours) {
        is of($unit, 'UnsetEnvironment'), $unit eq 'ashlar-migrate.service' ? '' : 'DATABASE_OWNER_URL', $unit;
    }
};

subtest 'systemd finds no fault' => sub {
    for my $unit (map { my $unit = $_; $unit =~ /@[.]/ ? map { $unit =~ s/@/\@$_/r } qw(main slow hash) : $unit } sort @ours) {
        is analyze("verify --man=no '$unit'"), '', $unit;
        is $?, 0, 'verified';
    }
};

# What a service manager that starts ashlar.target makes of each unit and its
# drop-ins: the unit's name => { setting => [value, …] }.  It starts nothing, and
# does not run as root.
sub effective () {
    my $runtime = File::Temp->newdir('/tmp/ashlar-units-XXXXXX');
    my @as      = $> ? () : qw(setpriv --reuid=nobody --regid=nogroup --clear-groups);
    if (!$>) {
        chown +(getpwnam 'nobody')[2], -1, "$runtime";
        system('chmod', '-R', 'go+rX', "$top") == 0 or die "chmod $top\n";
    }
    open my $in, '-|', @as, 'env', '-i', "SYSTEMD_UNIT_PATH=$units", "XDG_RUNTIME_DIR=$runtime", '/bin/sh', '-c',
        'exec /lib/systemd/systemd --test --system --unit=ashlar.target 2>&1'
        or die "systemd: $!\n";
    my (%unit, $at);
    while (<$in>) {
        $at = /^\t-> Unit (ashlar\S*):$/ ? $unit{$1} = {} : undef if /^\t-> Unit/;
        push @{ $at->{$1} }, $2 if $at && /^\t\t\t?([\w ]+): ?(.*?)(?: [(]origin\S*.*[)])?$/;
    }
    close $in;
    return \%unit;
}

# What systemd-analyze finds open: the names of its rows that are not as closed as can be.
sub holes ($unit) {
    my $out = qx(systemd-analyze --no-pager --root='$top' security --offline=true --json=short '$unit');
    return [ sort map { $_->{json_field} } grep { !$_->{set} } @{ decode_json($out) } ];
}

# What every service has.  SERVICE below says in what one differs.
my %closed = (
    PrivateNetwork => 'yes', IPAddressDeny => '0.0.0.0/0 ::/0',
    ProtectSystem => 'strict', ProtectHome => 'yes', PrivateTmp => 'yes', PrivateDevices => 'yes', PrivateUsers => 'yes', DevicePolicy => 'closed',
    ProtectKernelTunables => 'yes', ProtectKernelModules => 'yes', ProtectKernelLogs => 'yes', ProtectClock => 'yes', ProtectControlGroups => 'yes',
    ProtectHostname => 'yes', ProtectProc => 'invisible', ProcSubset => 'pid', KeyringMode => 'private', MemoryDenyWriteExecute => 'yes',
    RestrictRealtime => 'yes', RestrictSUIDSGID => 'yes', LockPersonality => 'yes', CapabilityBoundingSet => '', SystemCallArchitectures => 'native',
    SystemCallErrorNumber => 'EPERM', UMask => '0077', LimitCORE => '0', StandardInput => 'null', StandardOutput => 'journal',
    LogRateLimitBurst => '100000000',
);

# What the servers have, which migrate is not.
my %serves = (
    %closed,
    User => 'ashlar_api', Group => 'ashlar_api', Type => 'notify', NotifyAccess => 'main', Restart => 'always', RestartSec => '1s', WatchdogSec => '30s',
    KillMode => 'mixed', TimeoutStopSec => '40s', OOMPolicy => 'continue', LimitNOFILE => '4096', TasksMax => '512', PartOf => 'ashlar.target',
    StandardError => 'journal', RuntimeDirectory => 'ashlar', RuntimeDirectoryMode => '0700', RuntimeDirectoryPreserve => 'yes',
);
my %pool  = (%serves, StandardInput => 'socket', CPUSchedulingPolicy => 'batch');
my %files = (ReadWritePaths => '-/var/lib/ashlar/files');
my %calls = (PrivateNetwork => 'no', IPAddressDeny => '169.254.0.0/16 224.0.0.0/4 fe80::/64 ff00::/8');

# What stays open everywhere: the host's files, unix sockets, and char-rtc, which PrivateDevices makes unreachable.
my @open     = qw(DeviceAllow RestrictAddressFamilies_AF_UNIX RootDirectoryOrRootImage);
my @internet = sort @open, qw(IPAddressDeny PrivateNetwork RestrictAddressFamilies_AF_INET_INET6);

my %SERVICE = (
    'ashlar-api@main.service' => {
        %pool, holes => \@open, Environment => 'PROCESSES=8', EnvironmentFile => '/etc/ashlar/ashlar.env -/etc/ashlar/main.env',
    },
    'ashlar-api@slow.service' => {
        %pool, %calls, %files, holes => \@internet, Environment => 'PROCESSES=16', EnvironmentFile => '/etc/ashlar/ashlar.env -/etc/ashlar/slow.env',
    },
    'ashlar-api@hash.service' => {
        %pool, CPUSchedulingPolicy => 'idle', CPUWeight => '20', holes => \@open, Environment => 'PROCESSES=auto',
        EnvironmentFile => '/etc/ashlar/ashlar.env -/etc/ashlar/hash.env',
    },
    'ashlar-host.service' => {
        %serves, PrivateUsers => 'no', holes => [ sort @open, 'PrivateUsers' ], User => 'ashlar_host', Group => 'ashlar_host', StandardInput => 'socket', TimeoutStopSec => '20s',
        LimitNOFILE => '1024', TasksMax => '32', Environment => 'AGENTS_DIR=/var/lib/ashlar-host AGENT_UNIT=ashlar-agent BACKUP_DIR=/var/backups/ashlar DATABASE_URL=postgresql://ashlar_host@/ashlar?host=/run/postgresql LOG_DIR=/var/log/ashlar', StateDirectory => 'ashlar-host', EnvironmentFile => '-/etc/ashlar/host.env', InaccessiblePaths => '-/etc/ashlar/ashlar.env',
        RuntimeDirectory => '(not set)', RuntimeDirectoryMode => '0755', RuntimeDirectoryPreserve => 'no', LogsDirectory => 'ashlar',
    },
    'ashlar-migrate.service' => {
        %closed, holes => \@open, User => 'ashlar', Group => 'ashlar', Type => 'oneshot', Restart => 'on-failure', EnvironmentFile => '/etc/ashlar/ashlar.env',
    },
    'ashlar-realtime.service' => {
        %serves, holes => \@open, StandardInput => 'socket', TimeoutStopSec => '20s', LimitNOFILE => '65536', TasksMax => '64',
        EnvironmentFile => '/etc/ashlar/ashlar.env -/etc/ashlar/realtime.env',
    },
    'ashlar-worker.service' => {
        %serves, %calls, %files, holes => \@internet, Environment => 'CONCURRENCY=8 QUEUES=ashlar,ashlar.mail:4,ashlar.webhooks,ashlar.geocoding:2,ashlar.topup:2',
        EnvironmentFile => '/etc/ashlar/ashlar.env -/etc/ashlar/worker.env',
    },
);
my %socket = (SocketMode => '0660', SocketUser => 'n/a', SocketGroup => 'www-data', Backlog => '4096', PartOf => 'ashlar.target');
my %OTHER  = (
    (map { ("ashlar-api\@$_.socket" => { %socket, ListenStream => "/run/ashlar-$_.sock", Triggers => "ashlar-api\@$_.service" }) } qw(main slow hash)),
    'ashlar-host.socket'     => { %socket, ListenStream => '/run/ashlar-host.sock', SocketGroup => 'ashlar_api', Backlog => '64', Triggers => 'ashlar-host.service' },
    'ashlar-realtime.socket' => { %socket, ListenStream => '/run/ashlar-realtime.sock', Triggers => 'ashlar-realtime.service' },
    'ashlar.target'          => { Wants         => join ' ', sort map { /@|host|realtime|worker/ ? $_ : () } keys %SERVICE, map { ("ashlar-api\@$_.socket") } qw(main slow hash) },
);
$OTHER{'ashlar.target'}{Wants} = join ' ', sort qw(ashlar-host.socket ashlar-realtime.socket), split ' ', $OTHER{'ashlar.target'}{Wants};

subtest 'what each unit is in the end' => sub {
    my $effective = effective();
    my %table     = (%SERVICE, %OTHER);
    is_deeply [ sort keys %$effective ], [ sort keys %table ], 'these units are started, and no others';
    is_deeply [ sort 'ashlar-agent@.service', keys %{ { map { s/@\w+/@/r => 1 } keys %table } } ], [ sort @ours ], 'each file of a unit is among them';
    for my $unit (sort keys %table) {
        my %want = %{ $table{$unit} };
        my $open = delete $want{holes};
        my %got  = map { $_ => join ' ', sort { ($a =~ /^-/) <=> ($b =~ /^-/) || $a cmp $b } @{ $effective->{$unit}{$_} // ['(not set)'] } } keys %want;
        is_deeply \%got, \%want, $unit;
        is_deeply holes($unit), $open, '  open is what has to be, and nothing else' if $open;
        my @drop_ins = map { s{.*/}{}r } @{ $effective->{$unit}{'DropIn Path'} // [] };
        is_deeply [ grep { !/^[12]0-[a-z-]+[.]conf$/ } @drop_ins ], [], '  its drop-ins are in order: what closes (10-), then what opens (20-)';
        next if !$open;
        is_deeply [ grep { exists $closed{$_} && /^(?:Private|Protect|Restrict|IPAddress)/ } setting_names($unit) ], [], '  and the unit itself leaves the rest to them';
    }
    is join(' ', map { /^LogRateLimit\w+=(.*)/ ? $1 : () } lines_of('ashlar-.service.d/10-log.conf')), '0 100000000', 'no line of a log is dropped';

    # The tables can tell: without the worker's drop-in it would call no server.
    rename "$units/ashlar-worker.service.d", "$top/away" or die "rename: $!\n";
    is_deeply effective()->{'ashlar-worker.service'}{PrivateNetwork}, ['yes'], 'without its drop-in the worker has no network';
    rename "$top/away", "$units/ashlar-worker.service.d" or die "rename: $!\n";
};

# No target starts these: ashlar-host does, one by one.
subtest 'an agent\'s unit' => sub {
    my $unit = 'ashlar-agent@1-keeper.service';
    is analyze("verify --man=no '$unit'"), '', 'systemd finds no fault';
    my ($exposure) = analyze("security --offline=true '$unit'") =~ /Overall exposure level[^:]*: ([\d.]+)/;
    cmp_ok $exposure, '<=', 1.5, "exposed by $exposure";
    is_deeply holes($unit), [ sort @internet, 'UMask' ], 'open is the internet, and what its group may read' or diag explain holes($unit);
    is of('ashlar-agent@.service', $_->[0]), $_->[1], "$_->[0]=$_->[1]" for [ DynamicUser => 'yes' ], [ User => '' ], [ Group => 'ashlar_agents' ];
    is of('ashlar-agent@.service', 'ConditionPathExists'), '/var/lib/ashlar-host/env/%i !/var/lib/ashlar-host/stop/%i', 'it starts as ashlar-host has it';
    is of('ashlar-agent@.service.d/20-workspace.conf', 'BindPaths'), '/var/lib/ashlar-host/agents/%i:/srv/agent', 'its own workspace';
    is of('ashlar-agent@.service.d/20-workspace.conf', 'TemporaryFileSystem'), '/srv:ro /var/lib:ro', '  and no other';
};

# The rule, run by node in place of polkitd: who is let, and to what.
subtest 'what ashlar-host may ask systemd for' => sub {
    my $rules = "$top/usr/share/polkit-1/rules.d/ashlar-host.rules";
    my $asks  = sub ($user, $action, %details) {
        my $in = encode_json({ user => $user, action => $action, details => \%details });
        local $ENV{ASKED} = $in;
        my $said = qx(node -e 'let rule; const asked = JSON.parse(process.env.ASKED); globalThis.polkit = { Result: { YES: "yes", NO: "no", NOT_HANDLED: "not handled" }, addRule(f) { rule = f } };
            require("vm").runInThisContext(require("fs").readFileSync("$rules", "utf8")); process.stdout.write(rule({ id: asked.action, lookup: k => asked.details[k] }, { user: asked.user }))');
        return $said;
    };
    my ($units, $one) = ('org.freedesktop.systemd1.manage-units', 'ashlar-agent@1-keeper.service');
    is $asks->(ashlar_host => $units, unit => $one, verb => $_), 'yes', "$_ an agent" for qw(start stop restart);
    is $asks->(ashlar_host => $units, unit => $one, verb => $_), 'no',  "$_ is not among them" for qw(kill reset-failed set-property reload), '';
    is $asks->(ashlar_host => $units, unit => $_, verb => 'start'), 'no', "not $_"
        for 'ssh.service', 'ashlar-agent@1-keeper.timer', 'ashlar-agent@x.service', 'ashlar-agent@1-keeper.service.service', "ashlar-agent\@1-keeper.service\n", 'x-ashlar-agent@1-keeper.service', 'ashlar-agent@1-../x.service', 'ashlar-worker.service';
    is $asks->(ashlar_host => $units), 'no', 'nothing without a name, as a transient unit is';
    is $asks->(ashlar_host => "org.freedesktop.systemd1.$_", unit => $one, verb => 'start'), 'not handled', "$_ is as for everybody: root's" for qw(manage-unit-files reload-daemon set-environment);
    is $asks->($_ => $units, unit => $one, verb => 'start'), 'not handled', "and for $_, too" for qw(ashlar_api nobody);
};

subtest 'the drop-in for a remote database' => sub {
    my $dir = "$units/ashlar-api\@main.service.d";
    rename "$dir/remote-database.conf.example", "$dir/20-remote-database.conf" or die "rename: $!\n";
    is analyze(q(verify --man=no 'ashlar-api@main.service')), '', 'verified';
    is_deeply holes('ashlar-api@main.service'), \@internet, 'and still closed to all but that';
};

subtest 'units, nginx and settings mean the same' => sub {
    is of('ashlar-api@.socket', 'ListenStream'), '/run/ashlar-%i.sock', 'the socket';
    like qx(cat '$top/etc/nginx/conf.d/ashlar.conf'), qr{unix:/run/ashlar-$_[.]sock\b}, "nginx knows that of $_" for qw(main slow hash realtime);
    is of('ashlar-api@.service', 'StandardInput'), 'socket', 'which becomes fd 0';
    is of('ashlar-api@.service', 'RuntimeDirectory'), 'ashlar', 'the directory';
    like qx(cat '$top/etc/ashlar/ashlar.env'), qr{^STORAGE_ROOT=/var/lib/ashlar/files$}m, 'where files are';
    like qx(cat '$top/etc/nginx/snippets/ashlar-storage.conf'), qr{"/var/lib/ashlar/files/incoming/"}, '  as nginx has it';
    like qx(cat '$top/usr/lib/tmpfiles.d/ashlar.conf'), qr{^d /var/lib/ashlar/files/objects 2750 ashlar_api www-data -$}m, '  and what makes it';
    like qx(cat '$top/etc/ashlar/ashlar.env'), qr{^#SHM_FILE=/run/ashlar/}m, 'that SHM_FILE is in';
    my %user = map { $_ => 1 } qx(cat '$top/usr/lib/sysusers.d/ashlar.conf') =~ /^u (\S+)/mg;
    ok $user{ of($_, 'User') }, "$_ runs as a user that there is" for qw(ashlar-api@.service ashlar-host.service ashlar-realtime.service ashlar-migrate.service ashlar-worker.service);
    is of('ashlar-realtime.socket', 'ListenStream'), '/run/ashlar-realtime.sock', 'the socket of realtime';
    cmp_ok of('ashlar-realtime.service', 'LimitNOFILE'), '>', 16384 + 256, 'a descriptor for each connection';
    like qx(cat '$top/etc/ashlar/ashlar.env'), qr{^DATABASE_URL=postgresql://ashlar_api@/}m, 'which is a role of the database';
    my $said = qx(systemd-sysusers --dry-run '$top/usr/lib/sysusers.d/ashlar.conf' 2>&1);
    is $?, 0, 'the users are well-formed' or diag $said;
};

done_testing;
