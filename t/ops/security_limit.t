# security_limit(): how often something may be tried, and for how long not any more.

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

$_->disconnect for $api, $other, $super;
$cluster->drop($name);
done_testing;
