# Digests while workers are killed: everything that waited is in one mail, and in no
# second one.  In a short form; make check-chaos (CHAOS=long) does it with 50 kills.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Time::HiRes qw(sleep time);

my $long = ($ENV{CHAOS} // '') eq 'long';
my ($MEMBERS, $KILLS) = $long ? (400, 50) : (60, 5);

my $t  = Api->start(WORKER_LEASE_S => 2);
my $db = $t->db;
my $w  = workspace($t, ann => 'owner');

my @members = @{ $db->selectcol_arrayref(<<~'END', undef, $w->{ann}->tenant_id, $w->id, $MEMBERS) };
    WITH u AS (
        INSERT INTO users (tenant_id, public_id, email) SELECT $1::uuid, 'user_' || n, 'm' || n || '@example.com' FROM generate_series(1, $3::integer) n RETURNING id
    ), m AS (
        INSERT INTO memberships (tenant_id, organization_id, user_id, role) SELECT $1::uuid, $2::uuid, id, 'member' FROM u RETURNING tenant_id, organization_id, id
    ), d AS (
        INSERT INTO notification_deliveries (tenant_id, organization_id, member_id, email_delivery_mode) SELECT tenant_id, organization_id, id, 'digest' FROM m
    )
    SELECT id FROM m
    END

# Another round of something that waits, for each of them: due at once.
my $rounds = 0;
sub round_of_news () {
    $rounds++;
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
    $db->do(q{SELECT notify_now($1, 'role_changed', $2::uuid[], '{}', NULL, jsonb_build_object('role', 'round' || $3::text), NULL)}, undef, $w->id, \@members, $rounds);
    $db->do('UPDATE notification_inboxes SET digest_at = now() WHERE digest_at IS NOT NULL');
    $db->commit;
    return;
}
sub hurry () { $db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND kind IN ('notifications', 'mail')}); return }

my $dir = "$t->{dir}/mail";
$t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);
my $started = 0;
sub worker () {
    my $name = 'worker' . ++$started;
    return [ $name, $t->start_worker(name => $name, children => 3, no_wait => 1, env => { MAIL_DIR => $dir, MAIL_FROM => 'no-reply@ashlar.example' }) ];
}
my @workers = map { worker() } 1 .. 2;

srand 20_261_130;
for my $n (1 .. $KILLS) {
    round_of_news() if $n % 5 == 1;
    hurry();
    sleep 0.05 + rand 0.25;
    my $i = int rand @workers;
    my ($name, $worker) = @{ $workers[$i] };
    my @children = $t->children($name);
    if ($n % 3 && @children) {
        kill 'KILL', $children[ rand @children ];
    }
    else {
        kill 'KILL', $worker->pid;
        $worker->wait_for(10);
        delete $t->{pool}{$name};
        $workers[$i] = worker();
    }
}
my $waits = sub {
    hurry();
    return $db->selectrow_array('SELECT count(*) FROM notification_inboxes WHERE digest_at IS NOT NULL') + $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'mail' AND state NOT IN ('completed', 'failed')});
};
eventually { !$waits->() } $long ? 300 : 60, 'nothing waits any more';

is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'mail' AND state = 'failed'}), 0, 'no mail is given up';
is $db->selectrow_array('SELECT count(*) FROM notification_mails'), 0, 'all queues are empty';

# A mail that was written twice is one file, as it is one Message-ID.
my %seen;
for my $file (glob "$dir/*.eml") {
    open my $in, '<', $file or die "$file: $!\n";
    my $text = do { local $/ = undef; <$in> };
    my ($to) = $text =~ /^To: <(\S+)>/m;
    my ($plain) = $text =~ m{text/plain(.*?)text/html}s;
    $seen{$to}{$_}++ for $plain =~ /\bround(\d+)\b/g;
}
is scalar(keys %seen), $MEMBERS, "each of $MEMBERS members got mail";
my @wrong = grep { my $to = $_; grep { ($seen{$to}{$_} // 0) != 1 } 1 .. $rounds } sort keys %seen;
is "@wrong", '', "each of the $rounds things that happened is in one of their mails";
