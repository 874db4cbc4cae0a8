# What is published arrives: once, in the order of commits on each channel, and while the ring turns.
#
# Sixteen writers publish on a few channels of two tenants, in transactions that
# last, overlap, deadlock and roll back.  Each puts down, under a lock that it
# holds until it commits, when it was its turn on the channel: that is the order
# of commits, found out in another way.  The ring is that of sql/functions with
# seconds in place of minutes, so that it turns under the load.

use v5.36;
use lib 't/lib';
use Ashlar::Assert qw(eventually);
use Ashlar::Cluster;
use Ashlar::Process;
use Cpanel::JSON::XS qw(decode_json);
use File::Temp ();
use IO::Handle;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster  = Ashlar::Cluster->shared;
my $name     = $cluster->clone;
my $super    = $cluster->connect($name);
my @tenants  = '00000000-0000-7000-8000-000000000001';
my @channels = map { "project:$_" } 1 .. 5;
my $held     = 'user:held';
my $SECONDS = $ENV{S} // 7;
push @tenants, $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});

# ---------------------------------------------------------------- a faster ring

open my $in, '<', 'sql/functions/integrations/realtime.sql' or die "sql/functions/integrations/realtime.sql: $!\n";
my $functions = do { local $/ = undef; <$in> };
close $in or die "sql/functions/integrations/realtime.sql: $!\n";
my %faster = ("interval '2 minutes'" => "interval '3 seconds'", "interval '4 minutes'" => "interval '6 seconds'",
    "interval '10 seconds'" => "interval '2 seconds'", 'FROM at)::bigint / 60)' => 'FROM at) / 1.5)::bigint');
my $replaced = 0;
$functions =~ s/\Q$_\E/$replaced++; $faster{$_}/ge for sort keys %faster;
is $replaced, 5, 'the ring of sql/functions, turning forty times as fast';
my $owner = $cluster->connect($name, 'ashlar');
$owner->do($functions);
$owner->disconnect;
$super->do("ALTER DATABASE $name SET deadlock_timeout = '20ms'");
$super->do('CREATE TABLE turns (tenant uuid, channel text, n bigint, PRIMARY KEY (tenant, channel))');
$super->do('CREATE TABLE told (tenant uuid, channel text, id bigint PRIMARY KEY, n bigint, held_s float)');
$super->do('GRANT ALL ON turns, told TO ashlar_api');
$super->do('INSERT INTO turns SELECT t, c, 0 FROM unnest(?::uuid[]) t, unnest(?::text[]) c', undef, \@tenants, [ @channels, $held ]);

# ---------------------------------------------------------------- the parties

my %child;

# Run code in a child with a connection of the api's; what it prints stands in the file.
sub child ($what, $code) {
    my $dir = state $tmp = File::Temp->newdir;
    my $file = "$dir/" . keys %child;
    my $pid  = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', $file or POSIX::_exit(2);
        STDOUT->autoflush;
        my $ok = eval { $code->($cluster->connect($name, 'ashlar_api')); 1 };
        warn "$what: $@" if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }
    $child{$pid} = $what;
    return { pid => $pid, file => $file };
}

sub lines ($of) {
    open my $from, '<', $of->{file} or return;
    my @lines = <$from>;
    close $from or die "$of->{file}: $!\n";
    chomp @lines;
    return @lines;
}

# One message in the transaction that is open, and its turn.
sub publish ($db, $tenant, $channel) {
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
    my ($id) = $db->selectrow_array(q{SELECT realtime_put(?, ?, NULL, 'message', NULL, false)}, undef, $channel, qq({"from":$$}));
    my ($n) = $db->selectrow_array('UPDATE turns SET n = n + 1 WHERE tenant = ? AND channel = ? RETURNING n', undef, $tenant, $channel);
    $db->do('INSERT INTO told VALUES (?, ?, ?, ?)', undef, $tenant, $channel, $id, $n);
    return;
}

sub writer ($db) {
    srand $$;
    my $until = time + $SECONDS;
    my $committed = 0;
    while (time < $until) {
        $db->begin_work;
        my $ok = eval {
            for (1 .. 1 + int rand 3) {
                publish($db, $tenants[ rand @tenants ], $channels[ rand @channels ]);
                sleep rand 0.02 if rand() < 0.3;
            }
            1;
        };
        die $@ if !$ok && $db->state !~ /\A40/;    # a deadlock is one of the ways to end
        if (!$ok || rand() < 0.25) {
            $db->rollback;
        } else {
            $db->commit;
            $committed++;
        }
        sleep rand 0.01;
    }
    print "$committed\n";
    return;
}

# A client that comes back again and again with an id from which to go on, also with old ones.
sub returner ($db) {
    srand $$;
    my $until = time + $SECONDS;
    my @seen = (0);
    while (time < $until) {
        my ($tenant, $channel, $after) = ($tenants[ rand @tenants ], $channels[ rand @channels ], $seen[ rand() < 0.5 ? rand @seen : -1 - int rand(@seen < 20 ? @seen : 20) ]);
        my ($look, @rows) = @{ $db->selectall_arrayref('SELECT * FROM realtime_history(?, ?, ?, 100000)', { Slice => {} }, $tenant, $channel, $after) };
        print join(' ', $tenant, $channel, $after, $look->{is_recovered} ? 1 : 0, $look->{position}, map { $_->{id} } @rows), "\n";
        push @seen, map { $_->{id} } @rows[ -1 .. -1 ] if @rows;
        sleep rand 0.05;
    }
    return;
}

# ---------------------------------------------------------------- the load

my $tailer = do {
    my $tmp = File::Temp->newdir;
    pipe my $stdin, my $keep or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $keep or die "pipe: $!\n";
        open STDIN,  '<&', $stdin    or POSIX::_exit(2);
        open STDOUT, '>',  "$tmp/out" or POSIX::_exit(2);
        { no warnings 'exec'; exec "$Ashlar::Cluster::BUILD/tailer", $cluster->url($name, 'ashlar_api') }
        POSIX::_exit(127);
    }
    close $stdin or die "pipe: $!\n";
    { pid => $pid, file => "$tmp/out", keep => $keep, tmp => $tmp };
};

sub arrived () { return grep { /\A\d/ } lines($tailer) }

eventually { grep { $_ eq 'ready' } lines($tailer) } 30, 'the tailer is there';

# One that publishes, and is then in no hurry.
my $slow = $cluster->connect($name, 'ashlar_api');
$slow->begin_work;
publish($slow, $tenants[0], $held);

my @writers   = map { child("writer $_", \&writer) } 1 .. 16;
my @returners = map { child("returner $_", \&returner) } 1 .. 2;
my $rotator   = $cluster->connect($name, 'ashlar_api');
my $other     = $cluster->connect($name, 'ashlar_api');
my ($emptied, $failed, %during) = (0, 0);
while (%child) {
    $emptied += $_->selectrow_array('SELECT realtime_rotate()') for $rotator, $other;
    while ((my $pid = waitpid -1, POSIX::WNOHANG()) > 0) {
        next if !delete $child{$pid};
        $failed++ if $?;
    }
    sleep 0.1;
}
is $failed, 0, 'all of them came to their end';
my ($before) = $super->selectrow_array('SELECT count(*) FROM told');
eventually { arrived() >= $before } 60, "while one transaction is open, all $before messages of the others arrive";
is_deeply [ grep { / \Q$held\E / } arrived() ], [], 'but for its own';
$slow->commit;
eventually { arrived() > $before } 60, 'which comes when it is committed';

close $tailer->{keep} or die "pipe: $!\n";
waitpid $tailer->{pid}, 0;
is $?, 0, 'the tailer ends';

# ---------------------------------------------------------------- what came of it

my %committed;    # by tenant and channel, in the order of commits
push @{ $committed{"$_->[0] $_->[1]"} }, $_->[2]
    for @{ $super->selectall_arrayref('SELECT tenant, channel, id FROM told ORDER BY tenant, channel, n') };
my %delivered;
for (arrived()) {
    my ($id, $tenant, $channel) = split / /;
    push @{ $delivered{"$tenant $channel"} }, $id;
}

subtest 'each message once, in the order of commits' => sub {
    is_deeply [ sort keys %delivered ], [ sort keys %committed ], 'the channels of two tenants, each by itself';
    for my $channel (sort keys %committed) {
        my ($want, $got) = ("@{ $committed{$channel} }", "@{ $delivered{$channel} // [] }");
        ok $got eq $want, $channel =~ s/\A\S{30}//r . ': ' . @{ $committed{$channel} } . ' messages' or diag "want $want\ngot  $got";
    }
    is_deeply [ grep { $_ eq 'lost' } lines($tailer) ], [], 'and none was thought lost';
    my $rolled_back = $super->selectrow_array('SELECT last_value FROM realtime_ids') - $before - 1;
    cmp_ok $rolled_back, '>', 0, "although $rolled_back ids were rolled back";
    my @ids = map { (split / /)[0] } arrived();
    my $behind = grep { $ids[$_] < $ids[ $_ - 1 ] } 1 .. $#ids;
    cmp_ok $behind, '>', 0, "and $behind messages came behind higher ids";
};

subtest 'the ring turned' => sub {
    cmp_ok $emptied, '>=', 2, "$emptied times";
    my ($left) = $super->selectrow_array('SELECT count(*) FROM realtime_messages');
    cmp_ok $left, '<', $before, "$left of $before messages are left";
};

subtest 'who comes back gets what is missing, or is told that it is not there' => sub {
    my ($whole, $not, @wrong) = (0, 0);
    for (map { lines($_) } @returners) {
        my ($tenant, $channel, $after, $recovered, $position, @ids) = split / /;
        my $end = $ids[-1] // $after;
        my @want = grep { $_ > $after && $_ <= $end } @{ $committed{"$tenant $channel"} };
        $recovered ? $whole++ : $not++;
        push @wrong, $_ if $recovered && "@ids" ne "@want" || $recovered && grep { $_ > $end && $_ <= $position } @{ $committed{"$tenant $channel"} };
        push @wrong, $_ if !$recovered && $after > 0 && "@ids" eq "@want" && !@want;
    }
    is_deeply \@wrong, [], 'never with a hole';
    cmp_ok $whole, '>', 20, "$whole times it was whole";
    cmp_ok $not, '>', 0, "$not times not";
};

$_->disconnect for $slow, $rotator, $other, $super;
$cluster->drop($name);
done_testing;
