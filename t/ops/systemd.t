# The units as make install lays them out: systemd finds no fault with them, and
# they are as closed as promised.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
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
system("cp -an /usr/lib/systemd/system/. '$units/' && ln -s usr/bin '$top/bin' && cp /usr/bin/kill '$top/usr/bin/'") == 0
    or die "cannot make a root\n";

sub analyze (@words) {
    return scalar qx(systemd-analyze --no-pager --root='$top' @words 2>&1);
}

subtest 'systemd finds no fault' => sub {
    for my $unit (map { /@[.]/ ? (s/@/\@main/r, s/@/\@slow/r) : $_ } sort @ours) {
        is analyze("verify --man=no '$unit'"), '', $unit;
        is $?, 0, 'verified';
    }
};

# How exposed a unit is, 0 to 10; the rows that are not as they should be, by name.
sub exposure ($unit) {
    my $out = analyze("security --offline=true '$unit'");
    my ($level) = $out =~ /exposure level for \S+: ([0-9.]+)/ or diag $out;
    return ($level // 99, { $out =~ /^✗ (\S+) .* ([0-9.]+) *$/mg });
}

subtest 'exposure' => sub {
    my %most = ('ashlar-api@main.service' => 0.5, 'ashlar-api@slow.service' => 1.2, 'ashlar-migrate.service' => 0.5, 'ashlar-realtime.service' => 0.5, 'ashlar-worker.service' => 1.2);
    for my $unit (sort keys %most) {
        my ($level, $open) = exposure($unit);
        cmp_ok $level, '<=', $most{$unit}, "$unit: $level" or diag explain $open;
    }
    my ($main) = exposure('ashlar-api@main.service');
    my ($slow) = exposure('ashlar-api@slow.service');
    cmp_ok $main, '<', $slow, 'only the slow pool has its drop-in';

    # The test can tell: without the hardening they are wide open.
    rename "$units/ashlar-.service.d", "$top/away" or die "rename: $!\n";
    cmp_ok((exposure('ashlar-api@main.service'))[0], '>', 5, 'without the common drop-in it would be wide open');
    rename "$top/away", "$units/ashlar-.service.d" or die "rename: $!\n";
};

subtest 'the drop-in for a remote database' => sub {
    my $dir = "$units/ashlar-api\@main.service.d";
    rename "$dir/remote-database.conf.example", "$dir/20-remote-database.conf" or die "rename: $!\n";
    is analyze(q(verify --man=no 'ashlar-api@main.service')), '', 'verified';
    cmp_ok((exposure('ashlar-api@main.service'))[0], '<=', 1.2, 'and still closed to all but that');
};

sub of ($unit, $key) {
    open my $in, '<', "$units/$unit" or die "$unit: $!\n";
    return join ' ', map { /^$key=(.*)/ ? $1 : () } <$in>;
}

subtest 'units, nginx and settings mean the same' => sub {
    is of('ashlar-api@.socket', 'ListenStream'), '/run/ashlar-%i.sock', 'the socket';
    like qx(cat '$top/etc/nginx/conf.d/ashlar.conf'), qr{unix:/run/ashlar-$_[.]sock\b}, "nginx knows that of $_" for qw(main slow realtime);
    is of('ashlar-api@.service', 'StandardInput'), 'socket', 'which becomes fd 0';
    is of('ashlar-api@.service', 'RuntimeDirectory'), 'ashlar', 'the directory';
    like qx(cat '$top/etc/ashlar/ashlar.env'), qr{^#SHM_FILE=/run/ashlar/}m, 'that SHM_FILE is in';
    my %user = map { $_ => 1 } qx(cat '$top/usr/lib/sysusers.d/ashlar.conf') =~ /^u (\S+)/mg;
    ok $user{ of($_, 'User') }, "$_ runs as a user that there is" for qw(ashlar-api@.service ashlar-realtime.service ashlar-migrate.service ashlar-worker.service);
    is of('ashlar-realtime.socket', 'ListenStream'), '/run/ashlar-realtime.sock', 'the socket of realtime';
    cmp_ok of('ashlar-realtime.service', 'LimitNOFILE'), '>', 16384 + 256, 'a descriptor for each connection';
    like qx(cat '$top/etc/ashlar/ashlar.env'), qr{^DATABASE_URL=postgresql://ashlar_api@/}m, 'which is a role of the database';
    my $said = qx(systemd-sysusers --dry-run '$top/usr/lib/sysusers.d/ashlar.conf' 2>&1);
    is $?, 0, 'the users are well-formed' or diag $said;
};

done_testing;
