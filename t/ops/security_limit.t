# sql/functions/runtime/limits.sql: how often something may be tried, and for how long not any more.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $other   = $cluster->connect($name, 'ashlar_api');
my $A       = '00000000-0000-7000-8000-000000000001';
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $A) for $api, $other;

# Three an hour, then blocked for half of one.
sub attempt ($subject, $block_s = 1800, $db = $api) {
    return scalar $db->selectrow_array('SELECT security_limit(?, ?, 3, 3600, ?)', undef, 'x', $subject, $block_s);
}

# Let time pass for everybody.
sub later ($seconds) {
    $super->do('ALTER TABLE rate_limits DISABLE TRIGGER USER');
    $super->do(q{UPDATE rate_limits SET window_ends = window_ends - make_interval(secs => $1), blocked_until = blocked_until - make_interval(secs => $1)},
        undef, $seconds);
    $super->do('ALTER TABLE rate_limits ENABLE TRIGGER USER');
    return;
}

subtest 'with a block' => sub {
    is_deeply [ map { attempt('ann') } 1 .. 3 ], [ 0, 0, 0 ], 'three';
    is attempt('bob'), 0, 'somebody else is counted apart';
    is attempt('ann'), 1800, 'the fourth begins the block';
    later(600);
    cmp_ok attempt('ann'), '<=', 1200, 'tries during it do not prolong it';
    later(1170);
    cmp_ok attempt('ann'), '>', 0, 'until it is over';
    later(30);
    is_deeply [ map { attempt('ann') } 1 .. 4 ], [ 0, 0, 0, 1800 ], 'then counting begins anew';
};

subtest 'the window ends' => sub {
    attempt('dan') for 1 .. 3;
    later(3570);
    isnt attempt('dan'), 0, 'not earlier';
    attempt('eva') for 1 .. 3;
    later(3600);
    is_deeply [ map { attempt('eva') } 1 .. 3 ], [ 0, 0, 0 ], 'a new one has a new count';
};

subtest 'without a block' => sub {
    is_deeply [ map { attempt('cid', 0) } 1 .. 3 ], [ 0, 0, 0 ], 'three';
    later(3000);
    my $wait = attempt('cid', 0);
    cmp_ok $wait, '>', 570, 'until the window ends';
    cmp_ok attempt('cid', 0), '<=', $wait, 'and no longer, however often it is tried';
    later(600);
    is attempt('cid', 0), 0, 'then again';
};

subtest 'one count for all hosts' => sub {
    is attempt('fay', 1800, $_), 0, 'a try' for $api, $other, $api;
    is attempt('fay', 1800, $other), 1800, 'whoever asks';
    $other->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $B);
    is attempt('fay', 1800, $other), 0, 'but a tenant\'s own';
};

subtest 'an address as a subject' => sub {
    my $of = sub ($ip) { return scalar $api->selectrow_array('SELECT limit_ip(?)', undef, $ip) };
    is $of->('192.0.2.7'), 'ip:192.0.2.7', 'IPv4 as it is';
    is $of->('2001:db8:1:2:3:4:5:6'), 'ip:2001:db8:1:2::/64', 'IPv6: what one customer has';
    is $of->('2001:db8:1:2::1'), $of->('2001:db8:1:2:ffff::'), '  however it is spread';
};

# A failure; the seconds for which it is not to be told.
sub failed ($subject, %arg) {
    my %with = (max => 3, window_s => 3600, block_s => 1800, is_brake => 0, %arg);
    return scalar $api->selectrow_array('SELECT limit_failed(?, ?, ?, ?, ?, ?)', undef, 'f', $subject, @with{qw(max window_s block_s is_brake)});
}
sub wait_for ($subject) { return scalar $api->selectrow_array('SELECT limit_wait(?, ?)', undef, 'f', $subject) }

# How long a block the last failure began, in seconds; 0: none.
sub block_of ($subject) {
    return scalar $super->selectrow_array(q{SELECT coalesce(round(extract(epoch FROM blocked_until - updated_at)), 0) FROM rate_limits
        WHERE tenant_id = ? AND name = 'f' AND subject = ?}, undef, $A, $subject);
}

subtest 'failures: the last one that is allowed begins the block' => sub {
    is wait_for('gus'), 0, 'nothing is known';
    is_deeply [ map { failed('gus') } 1 .. 2 ], [ 0, 0 ], 'two';
    is wait_for('gus'),   0,    '  and no block';
    is failed('gus'),     0,    'the third is told';
    is block_of('gus'),   1800, '  then no more';
    cmp_ok wait_for('gus'), '>', 1700, '  for half an hour';
    cmp_ok failed('gus'),   '>', 1700, 'one that was on its way is not';
    is wait_for('bob'), 0, 'somebody else is counted apart';
    later(1800);
    is wait_for('gus'), 0, 'until the block is over';
    is_deeply [ map { failed('gus') > 0 } 1 .. 4 ], [ '', '', '', 1 ], 'then counting begins anew';

    failed('hal') for 1 .. 2;
    later(3600);
    is_deeply [ map { failed('hal') > 0 } 1 .. 4 ], [ '', '', '', 1 ], 'as it does when the window ends';

    failed('ida', block_s => 0);
    later(3000);
    failed('ida', block_s => 0) for 1 .. 2;
    cmp_ok wait_for('ida'), '<=', 600, 'without a block until the window ends';
    cmp_ok wait_for('ida'), '>',  500, '  and not earlier';
};

subtest 'a brake lets fewer and fewer through' => sub {
    my %brake = (block_s => 60, is_brake => 1);
    my @waits;
    for (1 .. 10) {
        failed('jan', %brake);
        push @waits, my $wait = block_of('jan');
        later($wait);
    }
    is_deeply \@waits, [ 0, 0, 60, 120, 240, 480, 960, 1800, 1800, 1800 ], 'twice as long each time, up to half an hour';
    failed('jan', %brake);
    later(3000);
    failed('jan', %brake);
    is block_of('jan'), 1800, 'who keeps at it stays there';
    later(3600);
    failed('jan', %brake);
    is wait_for('jan'), 0, 'after an hour of rest it is over';
};

# The last statement of a migration, as the owner, who is no superuser either.
sub fill_in ($file) {
    open my $in, '<', "sql/migrations/$file" or die "$file: $!\n";
    my ($statement) = do { local $/ = undef; readline $in } =~ /^(DO \$\$.*)/ms;
    my $owner = $cluster->connect($name, 'ashlar');
    $owner->do($statement);
    return $owner->disconnect;
}

subtest 'who signed in before there was known_addresses' => sub {
    my %user;
    for my $tenant ($A, $B) {
        ($user{$tenant}) = $super->selectrow_array(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'u', 'u@example.com') RETURNING id}, undef, $tenant);
        $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at, ip, created_at)
            SELECT $1, $2, now() + interval '1 day', ('198.51.100.' || i)::inet, now() - make_interval(hours => i) FROM generate_series(1, 25) i, generate_series(1, 2)}, undef, $tenant, $user{$tenant});
    }
    $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at, ip) VALUES ($1, $2, now(), '2001:db8::1'), ($1, $2, now(), '2001:db8::2'), ($1, $2, now(), NULL)},
        undef, $A, $user{$A});
    $super->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at, ip, method, impersonator_id) VALUES ($1, $2, now(), '192.0.2.9', 'impersonation', $2)}, undef, $A, $user{$A});
    my ($member) = $super->selectrow_array(q{INSERT INTO team_members (tenant_id, email, role, joined_at) VALUES (?, 'm@example.com', 'owner', now()) RETURNING id}, undef, $B);
    $super->do(q{INSERT INTO team_sessions (tenant_id, member_id, expires_at, ip) VALUES (?, ?, now(), '192.0.2.5')}, undef, $B, $member);
    $super->do(q{INSERT INTO rate_limits (tenant_id, name, subject, tries, window_ends) VALUES (?, 'login', 'account:u@example.com', 11, now())}, undef, $B);
    fill_in('0017_known_addresses.sql');
    my $of = sub ($tenant, $who) {
        return join ' ', @{ $super->selectcol_arrayref('SELECT address FROM known_addresses WHERE tenant_id = ? AND account_id = ? ORDER BY signed_in_at DESC', undef, $tenant, $who) };
    };
    is $of->($A, $user{$A}), join(' ', '2001:db8::/64', map { "198.51.100.$_/32" } 1 .. 19), 'the newest twenty addresses, each once; not who only acted as them';
    is $of->($B, $user{$B}), join(' ', map { "198.51.100.$_/32" } 1 .. 20), 'of each tenant';
    is $of->($B, $member), '192.0.2.5/32', 'and of its team';
    is $super->selectrow_array(q{SELECT count(*) FROM rate_limits WHERE name = 'login'}), 0, 'what was counted in another way is forgotten';
};

subtest 'SECURITY_LIMITS=off' => sub {
    $api->do(q{SELECT set_config('app.request', '{"ip": "192.0.2.1", "limits": "off"}', false)});
    is_deeply [ map { attempt('kim') } 1 .. 5 ], [ (0) x 5 ], 'nothing is counted';
    my $ask = sub ($call) { return scalar $api->selectrow_array("SELECT $call") };
    is $ask->(q{guess_failed('g', 'account:kim', false)}), 0, 'nor guesses' for 1 .. 11;
    is $ask->(q{guess_wait('g', 'account:kim', false)}), 0;
    is $ask->(q{request_take('r', 'account:kim', false)}), 0, 'nor requests' for 1 .. 4;
    is $ask->(q{(SELECT count(*) FROM rate_limits WHERE subject LIKE '%kim%')}), 0;
    $api->do(q{SELECT set_config('app.request', '{"ip": "192.0.2.1"}', false)});
    is $ask->(q{request_take('r', 'account:kim', false)}), 0 for 1 .. 3;
    is $ask->(q{request_take('r', 'account:kim', false)}), 1800, 'on they are';
};

$_->disconnect for $api, $other, $super;
$cluster->drop($name);
done_testing;
