# Sign-ups while those who make them are killed: each ends with an account, its workspace and its subscription, or with
# none of them.  In a short form; make check-chaos (CHAOS=long) does it with 50 kills.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Process;
use Ashlar::Stripe;
use Cpanel::JSON::XS qw(encode_json decode_json);
use Time::HiRes qw(sleep time);

my $long   = ($ENV{CHAOS} // '') eq 'long';
my $KILLS  = $long ? 50 : 6;
my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings, slow => 6, hash => 2, SLOW_PER_CALLER => 6, SLOW_PER_TENANT => 6, SECURITY_LIMITS => 'off', WORKER_LEASE_S => 2);
my $db     = $t->db;
my $price  = $stripe->price(3000);
my $olive  = $t->team('olive', role => 'owner');
$olive->post('/api/v1/dashboard/plans', { name => 'Pro', price_monthly => 30, stripe_price_id_monthly => $price });
$t->keep_secret('sk_test_stub');
$t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/, qr/Stripe|upstream|signup|EXTERNAL|CONFLICT/);
$stripe->command(fail => [ { match => 'POST /v1/(?:customers|subscriptions|checkout)', times => 100_000, delay_ms => 400 } ]);    # long enough to be killed in

my $started = 0;
sub worker () {
    my $name = 'worker' . ++$started;
    return [ $name, $t->start_worker(name => $name, children => 2, no_wait => 1) ];
}
my @workers = map { worker() } 1 .. 2;

# Who has paid, before anybody is killed.
my @codes;
for my $n (1 .. $KILLS) {
    my $session = $stripe->ask(POST => 'checkout/sessions', "mode=subscription&success_url=https://shop.example.com/&line_items[0][price]=$price&line_items[0][quantity]=1")->{id};
    $stripe->command(complete => { session => $session, email => "paid$n\@example.com" });
    $stripe->told_to($t) if $n % 5 == 0 || $n == $KILLS;    # of more than a hundred events the first would go unread
}
push @codes, map { $t->keep_secret($_->{secrets}{token}, $_->{secrets}{code}); $_->{secrets}{token} } grep { $_->{template} eq 'signup_invite' } $t->mails;
is scalar @codes, $KILLS, 'invites are there';

# A request that nobody waits for: what it answers is of no interest here.
sub beside ($path, $body) {
    return Ashlar::Process->start(cmd => [ 'curl', '-sk', '-m', '30', '-o', '/dev/null', '-H', 'Content-Type: application/json', '-d', encode_json($body), "https://localhost:$t->{https_port}/api/v1/auth/$path" ], log => "$t->{dir}/curl");
}
my %who = (password => 'Correct-Horse-7', name => 'Nora New');

srand 20_261_201;
my (@beside, @jobs);
for my $n (1 .. $KILLS) {
    push @beside, beside(signup => { %who, email => "card$n\@example.com", company_name => "Card $n", tier => 'Pro', payment_method_id => 'pm_card_visa' });
    push @beside, beside(signup => { %who, email => "page$n\@example.com", company_name => "Page $n", tier => 'Pro' });
    my $res = $t->post('/api/v1/auth/signup/stripe-invite/async', { %who, invite_code => $codes[ $n - 1 ], company_name => "Paid $n" });
    $t->keep_secret($res->json('/job_id')) if $res->status == 200;
    if ($n % 2) {
        # Those that wait for Stripe, somewhere on their way.
        eventually { scalar $db->selectrow_array(q{SELECT count(*) FROM signup_runs WHERE kind <> 'invite' AND state = 'running'}) } 20, 'a request is on its way';
        sleep rand 0.5;
        kill 'KILL', $t->children('slow');
    }
    else {
        sleep rand 0.2;
        my $i = int rand @workers;
        my ($name, $worker) = @{ $workers[$i] };
        my @children = $t->children($name);
        if ($n % 4 && @children) { kill 'KILL', $children[ rand @children ] }
        else {
            kill 'KILL', $worker->pid;
            $worker->wait_for(10);
            delete $t->{pool}{$name};
            $workers[$i] = worker();
        }
    }
    $db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND kind = 'signup'});
}
$_->wait_for(60) for @beside;

# What stands still is taken by the clock.
eventually {
    $db->do(q{UPDATE signup_runs SET due_at = now() WHERE ended_at IS NULL});
    $db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND kind = 'signup'});
    $db->selectrow_array('SELECT signup_sweep()');
    !$db->selectrow_array('SELECT count(*) FROM signup_runs WHERE ended_at IS NULL');
} $long ? 300 : 90, 'each run ends';

my $done = $db->selectall_hashref(q{SELECT * FROM signup_runs WHERE state = 'done'}, 'email');
my ($runs) = $db->selectrow_array('SELECT count(*) FROM signup_runs');
note "$runs runs, ", scalar(keys %$done), ' done';
is scalar(grep { /^paid/ } keys %$done), $KILLS, 'all of those are done that were followed';
cmp_ok scalar(grep { !/^paid/ } keys %$done), '>', 0, 'and some of the others';
cmp_ok scalar $db->selectrow_array(q{SELECT count(*) FROM signup_runs WHERE state = 'failed'}), '>', 0, '  and some are undone';

my @users = map { $_->[0] } @{ $db->selectall_arrayref(q{SELECT email FROM users WHERE email ~ '^(card|page|paid)' ORDER BY 1}) };
is "@users", "@{[ sort keys %$done ]}", 'an account for each that is done, and none else';
is $db->selectrow_array(q{SELECT count(*) FROM users u WHERE u.email ~ '^(card|page|paid)' AND 1 <> (SELECT count(*) FROM memberships m WHERE m.user_id = u.id AND m.role = 'owner')}), 0, 'each owns one workspace';
is $db->selectrow_array(q{SELECT count(*) FROM organizations o WHERE o.name ~ '^(Card|Page|Paid) ' AND (o.owner_count <> 1 OR 3 <> (SELECT count(*) FROM recordsets r WHERE r.organization_id = o.id))}), 0, 'which is whole';
is $db->selectrow_array(q{SELECT count(*) FROM organizations o WHERE o.name ~ '^(Card|Page|Paid) '}), scalar keys %$done, 'and there is no other';
is $db->selectrow_array('SELECT count(*) FROM signup_invites WHERE used_at IS NULL OR organization_id IS NULL'), 0, 'each invite was used';
is $db->selectrow_array(q{SELECT count(*) FROM signup_runs WHERE kind = 'invite' AND state = 'done' AND sealed IS NULL}), 0, 'and who followed it has the tokens';

# At Stripe: what goes on belongs to a workspace that there is, and of each there is one.
my (@live, $after);
do {
    my $list = $stripe->ask(GET => 'subscriptions', 'status=all&limit=100' . ($after ? "&starting_after=$after" : ''));
    push @live, grep { $_->{status} !~ /canceled|expired/ } @{ $list->{data} };
    $after = $list->{has_more} ? $list->{data}[-1]{id} : undef;
} while $after;
my %ours = map { @$_ } @{ $db->selectall_arrayref('SELECT provider_id, organization_id FROM subscriptions WHERE provider_id IS NOT NULL AND ended_at IS NULL') };
is_deeply [ sort map { $_->{id} } @live ], [ sort keys %ours ], 'a subscription for each workspace that has one, and none else';
is scalar(keys %ours), scalar(grep { /^(?:card|paid)/ } keys %$done), '  which all have that have paid';
my %orphan;
for my $list (map { $stripe->ask(GET => 'customers', "email=$_") } map { ("card$_\@example.com", "page$_\@example.com") } 1 .. $KILLS) {
    for my $customer (@{ $list->{data} }) {
        my $org = $customer->{metadata}{organization_id};
        $orphan{ $customer->{id} } = 1 if !$db->selectrow_array('SELECT count(*) FROM organizations WHERE id = ?', undef, $org);
    }
}
is join(' ', keys %orphan), '', 'nor a customer of a workspace that there is not';
