# Realtime in the database: who may, who is there, what was missed, and what is thrown away.

use v5.36;
use lib 't/lib';
use Ashlar::Assert qw(eventually);
use Ashlar::Cluster;
use Ashlar::Queries;
use Cpanel::JSON::XS qw(decode_json);
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $two     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $A       = '00000000-0000-7000-8000-000000000001';
my $B       = one(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
my $nobody  = '00000000-0000-7000-8000-00000000dead';

sub one ($text, @value) { return scalar $super->selectrow_array($text, undef, @value) }
sub array (@items) { return '{' . join(',', map { defined ? qq("$_") : 'NULL' } @items) . '}' }

sub user ($public_id, $tenant = $A) {
    return one('INSERT INTO users (tenant_id, public_id) VALUES (?, ?) RETURNING id', $tenant, $public_id);
}

sub session ($user, $tenant = $A, %with) {
    return one(q{INSERT INTO sessions (tenant_id, user_id, expires_at, impersonator_id) VALUES (?, ?, now() + interval '1 hour', ?) RETURNING id},
        $tenant, $user, $with{by});
}

# In a transaction of the api's, in a tenant.
sub within ($tenant, $text, @value) {
    return $sql->in($api, $tenant, undef, sub { return scalar $api->selectrow_array($text, undef, @value) });
}

sub publish ($channel, $payload = '{}', $tenant = $A) { return within($tenant, 'SELECT realtime_publish(?, ?)', $channel, $payload) }
sub last_id () { return one('SELECT last_value FROM realtime_ids') }

# The SQLSTATE and the field of a refusal.
sub refusal ($code) {
    return 'none' if eval { $code->(); 1 };
    my ($state) = $@ =~ /\A(\w{5}) /;
    my ($field) = $@ =~ /HINT:\s+(\w+)/;
    return join ' ', $state // $@, $field // ();
}

my %user = ((map { $_ => user($_) } qw(ann bob out)), eve => user('ann', $B));
my $project = one(q{INSERT INTO projects (tenant_id, owner_id, name) VALUES (?, ?, 'x') RETURNING id}, $A, $user{ann});
my $org = one(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'x', 'x') RETURNING id}, $A);
$super->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, ?)', undef, $A, $org, $user{$_}, 'member') for qw(ann bob);
my $job = $sql->in($api, $A, $user{ann}, sub { scalar $api->selectrow_array(q{SELECT job_follow(job_add('ashlar', 'x', '{}'))}) });

subtest 'the rights to a channel' => sub {
    my $may = sub ($who, $channel, $action = 'subscribe', $tenant = $A) {
        return within($tenant, 'SELECT realtime_may(?, ?, ?)', $user{$who}, $channel, $action) ? 1 : 0;
    };
    for my $row (
        [ 'user:ann',           1, 1, 0, 0, 'a user\'s own devices' ],
        [ "project:$project",   1, 1, 0, 0, 'a project, its owner' ],
        [ "organization:$org",  1, 1, 1, 1, 'an organization, its members' ],
        [ "job:$job",           1, 0, 0, 0, 'a job tells whoever follows it, and is told nothing' ],
        [ 'public:news',        1, 0, 1, 0, 'what is for everybody is the server\'s to say' ],
        [ 'nonsense:1',         0, 0, 0, 0, 'a kind that nobody knows' ],
        [ 'project:x',          0, 0, 0, 0, 'no id' ],
        [ "project:$nobody",    0, 0, 0, 0, 'not there' ],
        [ "Project:$nobody", 0, 0, 0, 0, 'no channel' ],
    ) {
        my ($channel, @want) = @$row;
        my $what = pop @want;
        is_deeply [ map { $may->('ann', $channel, $_), () } qw(subscribe publish) ], [ @want[ 0, 1 ] ], "ann: $what";
        is_deeply [ map { $may->('bob', $channel, $_), () } qw(subscribe publish) ], [ @want[ 2, 3 ] ], "bob: $what";
    }
    is $may->('out', "organization:$org"), 0, 'who is no member';
    is $may->('eve', $_, 'subscribe', $B), 0, "another tenant: $_" for "project:$project", "organization:$org", "job:$job";
    is $may->('eve', 'user:ann', 'subscribe', $B), 1, 'who has a name of her own there';

    $super->do('UPDATE memberships SET is_active = false WHERE user_id = ?', undef, $user{bob});
    is $may->('bob', "organization:$org"), 0, 'a member who was deactivated';
    $super->do('UPDATE memberships SET is_active = true WHERE user_id = ?', undef, $user{bob});
    my @ask = ([ $A, 'ann', "project:$project" ], [ $A, 'bob', "project:$project" ], [ $B, 'eve', 'user:ann' ], [ $B, 'eve', "job:$job" ]);
    my $not = sub { return [ sort map { $_->{nr} } $sql->run($api, realtime_may_many => tenants => array(map { $_->[0] } @ask),
                users => array(map { $user{ $_->[1] } } @ask), channels => array(map { $_->[2] } @ask)) ] };
    is_deeply $not->(), [ 2, 4 ], 'many at once, of several tenants: those who may not';
    $super->do('UPDATE projects SET deleted_at = now() WHERE id = ?', undef, $project);
    is_deeply $not->(), [ 1, 2, 4 ], 'and not any more';
};

subtest 'what can be published' => sub {
    is refusal(sub { publish($_) }), 'AS422 channel', "not on: $_" for '', 'x', 'x:', ':x', 'X:1', 'a b:1', 'a:b c', "a:\n", 'a:' . 'x' x 256;
    publish('a:' . 'x' x 255);
    is refusal(sub { publish('a:1', '"' . 'x' x 32767 . '"') }), 'AS422 payload', '32,769 bytes';
    publish('a:1', '"' . 'x' x 32766 . '"');
    is refusal(sub { publish('a:1', undef) }), 'AS422 payload', 'nothing';
    is refusal(sub { publish('a:1', '{}', undef) }), '42501', 'in no tenant';
    is refusal(sub { within($A, q{SELECT job_progress(?, 'Bad Name', '{}')}, $job) }), 'AS422 event', 'a stream\'s event has a plain name';

    within($A, q{SELECT realtime_notify(?::uuid, 'Hello', 'there')}, $user{ann});
    is_deeply $super->selectrow_arrayref('SELECT channel, kind, payload::text, sender FROM realtime_messages ORDER BY id DESC LIMIT 1'),
        [ 'user:ann', 'notification', '{"title": "Hello", "message": "there"}', undef ], 'a notification, by the user\'s id';
    within($A, q{SELECT job_progress(?, 'done', '{"n":1}', true)}, $job);
    is_deeply $super->selectrow_arrayref('SELECT channel, kind, event, is_last FROM realtime_messages ORDER BY id DESC LIMIT 1'),
        [ "job:$job", 'event', 'done', 1 ], 'the end of a job\'s stream';
    my $unseen = within($A, q{SELECT job_add('ashlar', 'x', '{}')});
    my $before = last_id();
    $super->do(q{UPDATE jobs SET state = 'failed', attempts = 1, finished_at = now() WHERE id IN (?, ?)}, undef, $job, $unseen);
    is_deeply $super->selectall_arrayref('SELECT channel, event, payload::text, is_last FROM realtime_messages WHERE id > ?', undef, $before),
        [ [ "job:$job", 'failed', '{"state": "failed", "result": null}', 1 ] ], 'however it ends, whoever follows it is told';
    my @rows = $sql->run($api, realtime_publish_many => tenants => array($A, $B, $A), channels => array('b:1', 'b:1', 'a:1'),
        payloads => '{1,2,3}', senders => array('ann', 'eve', undef));
    is_deeply [ map { $_->{nr} } @rows ], [ 1, 2, 3 ], 'many at once';
    is_deeply $super->selectall_arrayref('SELECT tenant_id, channel, payload::text, sender FROM realtime_messages ORDER BY id DESC LIMIT 3'),
        [ [ $A, 'a:1', 3, undef ], [ $B, 'b:1', 2, 'eve' ], [ $A, 'b:1', 1, 'ann' ] ], 'in the order given';
};

subtest 'two on one channel follow each other, two on two do not wait' => sub {
    $_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $A) for $api, $two;
    $two->do(q{SET lock_timeout = '100ms'});
    $api->begin_work;
    $api->do(q{SELECT realtime_publish('c:1', '1')});
    ok eval { $two->do(q{SELECT realtime_publish('c:2', '1')}); 1 }, 'another channel';
    ok !eval { $two->do(q{SELECT realtime_publish('c:1', '2')}); 1 }, 'the same one: after the commit';
    $api->rollback;
    ok eval { $two->do(q{SELECT realtime_publish('c:1', '2')}); 1 }, 'or the roll-back';
    is one(q{SELECT string_agg(payload::text, ' ') FROM realtime_messages WHERE channel = 'c:1'}), '2', 'of which nothing is told';
    $_->do(q{SELECT set_config('app.tenant_id', '', false)}) for $api, $two;
};

# What realtime_history says: whole or not, and the payloads; the position apart.
sub history ($channel, $after, $max = 100, $tenant = $A) {
    my ($look, @rows) = @{ $api->selectall_arrayref('SELECT * FROM realtime_history(?, ?, ?, ?)', { Slice => {} }, $tenant, $channel, $after, $max) };
    return wantarray ? ($look->{position}, $look->{is_recovered}) : join ' ', $look->{is_recovered} ? 'all' : 'some', map { $_->{payload} } @rows;
}

# Let the ring's time pass: three minutes for the messages, and what the rotation has to wait for.
sub later ($where = 'true') {
    $super->do("UPDATE realtime_messages SET slot = (realtime_slot(now()) + 1) % 4 WHERE $where");
    $super->do("UPDATE realtime_messages SET created_at = created_at - interval '3 minutes' WHERE $where");
    return;
}

sub rotate () {
    $super->do(q{UPDATE realtime_state SET mark_at = '-infinity'});
    $sql->run($api, 'realtime_rotate');    # marks
    $super->do(q{UPDATE realtime_state SET mark_at = '-infinity'});
    my ($row) = $sql->run($api, 'realtime_rotate');
    return $row->{emptied};
}

subtest 'what was missed' => sub {
    my ($start) = history('h:1', undef);
    publish('h:1', $_) for 1 .. 3;
    publish('h:2', 9);
    publish('h:1', 7, $B);
    my ($third) = history('h:1', undef);
    is history('h:1', $start), 'all 1 2 3', 'everything behind a position';
    is history('h:1', $third), 'all', 'nothing behind the last one';
    is history('h:1', $start, 3), 'all 1 2 3', 'three of three';
    is history('h:1', $start, 2), 'some 2 3',  'two of three: the newest, and it says that they are not all';
    is history('h:1', last_id() + 1), 'some', 'an id that never was';
    is history('h:1', $start, 100, $B), 'all 7', 'another tenant\'s channel is another channel';
    $sql->run($api, realtime_beat => process => $nobody, lease_s => 30);
    $sql->run($api, realtime_join => process => $nobody, tenants => array($A), channels => '{h:1}', users => '{ann}', clients => '{1}');
    is history('h:1', $third), 'all', 'who came and went is not kept';

    publish('quiet:1', 1);
    my ($quiet) = history('quiet:1', undef);
    my ($never) = history('never:1', undef);
    later();
    publish('h:1', 4);
    cmp_ok rotate(), '>=', 1, 'the old ones go';
    is_deeply $super->selectcol_arrayref('SELECT payload::text FROM realtime_messages'), [4], 'and nothing else';
    is history('h:1', $third), 'some 4', 'with a hole it says so (the presence message went)';
    is history('h:1', $start), 'some 4', 'in each case';
    is history('quiet:1', $quiet),     'all',  'who had everything of a quiet channel has everything';
    is history('quiet:1', $quiet - 1), 'some', 'who had not has not';
    is history('never:1', $never),     'all',  'where nothing was ever said nothing was missed';
    my ($position) = history('quiet:1', undef);
    is $position, $quiet, 'the position of a channel outlives its messages';

    $super->do('ALTER TABLE realtime_floors DISABLE TRIGGER USER');
    $super->do(q{UPDATE realtime_floors SET updated_at = now() - interval '25 hours'});
    # Not before what runs now, in any test's database, has ended.
    eventually { rotate(); !one('SELECT count(*) FROM realtime_floors') } 60, 'for a day';
    is history('quiet:1', $quiet - 1), 'some', 'then one that is older';
    is history('quiet:1', $quiet), $quiet >= one('SELECT forgotten_id FROM realtime_state') ? 'all' : 'some', 'is not believed any more';
    my ($new) = history('quiet:1', undef);
    is history('quiet:1', $new), 'all', 'but the position that is given out now is';
};

subtest 'the ring waits for nobody' => sub {
    my $read = $cluster->connect($name);
    publish('r:1', $_) for 1 .. 5;
    later();
    $super->do(q{UPDATE realtime_state SET mark_at = now(), mark = pg_current_snapshot(), safe = pg_current_snapshot()});
    publish('r:1', 6);
    later(q{channel = 'r:1' AND payload = '6'});
    is_deeply [ map { $_->{emptied} } $sql->run($api, 'realtime_rotate') ], [0], 'what ended just now is left for the tailers';
    $read->begin_work;
    $read->do('SELECT count(*) FROM realtime_messages');
    cmp_ok rotate(), '>=', 1, 'somebody reads there: it is deleted';
    is one(q{SELECT count(*) FROM realtime_messages WHERE channel = 'r:1'}), 0, 'all of it';
    $read->rollback;

    publish('r:1', 7);
    $two->begin_work;
    $two->do('SELECT pg_current_xact_id()');
    publish('r:1', 8);
    later();
    cmp_ok rotate(), '>=', 1, 'a transaction that is open somewhere keeps nothing back';
    is one('SELECT count(*) FROM realtime_messages'), 0, 'although it is older';
    $two->rollback;

    $api->begin_work;
    $api->do('SELECT realtime_rotate()');
    is_deeply [ map { $_->{emptied} } $sql->run($two, 'realtime_rotate') ], [0], 'of two processes one does it';
    $api->rollback;
    my ($purges, $purged) = $super->selectrow_array('SELECT purges, purged_id FROM realtime_state');
    cmp_ok $purges, '>=', 3, 'each time it is put down';
    cmp_ok $purged, '<=', last_id(), 'and up to where';
    $read->disconnect;
};

subtest 'who is there' => sub {
    my ($p, $q) = map { one('SELECT gen_random_uuid()') } 1 .. 2;
    my $beat    = sub ($process, $lease_s = 30) { return ($sql->run($api, realtime_beat => process => $process, lease_s => $lease_s))[0]{is_new} };
    my $present = sub ($tenant = $A) { return join ' ', map { "$_->{user_id}*$_->{connections}" } $sql->run($api, realtime_present => tenant => $tenant, channel => 'p:1', max => 10) };
    my $change = sub ($how, $process, @who) {
        $sql->run($api, "realtime_$how" => process => $process, tenants => array(($A) x @who), channels => array(('p:1') x @who),
            users => array(map { $_->[0] } @who), clients => array(map { $_->[1] } @who));
        return;
    };
    my $from = last_id();
    my $told = sub {
        my $rows = $super->selectall_arrayref(q{SELECT payload ->> 'event', payload ->> 'user_id' FROM realtime_messages
            WHERE channel = 'p:1' AND kind = 'presence' AND id > ? ORDER BY id}, undef, $from);
        $from = last_id();
        return join ' ', map { join ':', @$_ } @$rows;
    };
    is $beat->($p), 1, 'a process comes';
    is $beat->($p), 0, 'and stays';
    $beat->($q);
    $change->('join', $p, [ ann => 1 ], [ ann => 2 ], [ bob => 3 ]);
    is $told->(), 'join:ann join:bob', 'whoever comes is announced once';
    $change->('join', $q, [ ann => 1 ]);
    $change->('join', $q, [ ann => 1 ]);
    is $told->(), '', 'not with another connection, on whatever host';
    is $present->(),   'ann*3 bob*1', 'who is there';
    is $present->($B), '', 'in this tenant';
    $change->('leave', $p, [ ann => 1 ], [ ann => 2 ], [ ann => 99 ]);
    is $told->(), '', 'one connection is left';
    $change->('leave', $q, [ ann => 1 ]);
    is $told->(), 'leave:ann', 'the last one is the user';
    $change->('leave', $q, [ ann => 1 ]);
    is $told->(), '', 'whoever is gone cannot go';
    $change->('join', $q, [ bob => 1 ], [ eve => 2 ]);
    $told->();

    $super->do(q{UPDATE realtime_processes SET lease_until = now() - interval '1 second' WHERE id = ?}, undef, $q);
    is $present->(), 'bob*1', 'through a process that is dead nobody is there';
    $beat->($p);
    is $told->(), 'leave:eve', 'another one notices, and says so';
    is $beat->($q), 1, 'if it was not dead it begins anew';
    $sql->run($api, realtime_goodbye => process => $p);
    is $told->(), 'leave:bob', 'one that ends takes its leave';
    is one('SELECT count(*) FROM realtime_presence WHERE channel = ?', 'p:1'), 0, 'and leaves nothing';
};

subtest 'who has to go' => sub {
    my %s = ((map { $_ => session($user{$_}) } qw(ann bob)), eve => session($user{eve}, $B));
    my $admin = user('admin');
    $super->do(q{UPDATE users SET role = 'admin' WHERE id = ?}, undef, $admin);
    $s{out} = session($user{out}, $A, by => $admin);
    my $ext = user('ext');
    $super->do(q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://i.example', 'ext', ?)}, undef, $A, $ext);
    my @conn = ([ $A, $user{ann}, $s{ann} ], [ $A, $user{bob}, $s{bob} ], [ $B, $user{eve}, $s{eve} ], [ $A, $user{out}, $s{out} ],
        [ $A, $ext, undef, 'https://i.example', 'ext' ], [ $A, $user{ann}, $s{bob} ], [ $B, $user{ann}, $s{ann} ], [ $A, $ext, undef, 'https://j.example', 'ext' ]);
    my $dead = sub { return join ' ', sort map { $_->{nr} } $sql->run($api, realtime_dead_many => tenants => array(map { $_->[0] } @conn),
                users => array(map { $_->[1] } @conn), sessions => array(map { $_->[2] } @conn), issuers => array(map { $_->[3] } @conn), subjects => array(map { $_->[4] } @conn)) };
    is $dead->(), '6 7 8', 'another\'s session, another tenant, another issuer';
    $super->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $s{ann});
    is $dead->(), '1 6 7 8', 'a session that was ended';
    $super->do(q{UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $s{eve});
    is $dead->(), '1 3 6 7 8', 'one that is over';
    $super->do(q{UPDATE users SET role = 'user' WHERE id = ?}, undef, $admin);
    is $dead->(), '1 3 4 6 7 8', 'an administrator who is none any more, as whom they acted';
    $super->do('UPDATE users SET is_active = false WHERE id IN (?, ?)', undef, $user{bob}, $ext);
    is $dead->(), '1 2 3 4 5 6 7 8', 'users who were deactivated, whoever signed them in';
};

subtest 'messages are usage of whoever sent them or was sent them' => sub {
    $sql->run($api, realtime_usage => tenants => array($A, $B, $A, $A), users => array($user{ann}, $user{ann}, $user{bob}, $user{ann}), counts => '{3,5,4,2}') for 1 .. 2;
    is_deeply $super->selectall_arrayref(q{SELECT tenant_id, user_id, quantity FROM usage_daily
        WHERE metric = 'websocket_messages' AND day = (now() AT TIME ZONE 'UTC')::date ORDER BY quantity}),
        [ [ $A, $user{bob}, 8 ], [ $A, $user{ann}, 10 ], [ $B, '00000000-0000-0000-0000-000000000000', 10 ] ],
        'by user and day; of whom the tenant does not have it is the tenant\'s';
};

$_->disconnect for $api, $two, $super;
$cluster->drop($name);
done_testing;
