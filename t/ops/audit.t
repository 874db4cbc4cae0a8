# ashlar audit: a log that was changed behind its back is found out.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my ($other) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('other', 'Other') RETURNING id});

# Run ashlar audit: exit status, stdout.
sub audit (@args) {
    my @cmd = map { quotemeta } "$Ashlar::Cluster::BUILD/ashlar", 'audit', @args;
    local %ENV = (PATH => $ENV{PATH}, DATABASE_OWNER_URL => $cluster->url($name, 'ashlar'), DATABASE_URL => $cluster->url($name, 'ashlar_api'));
    my $out = qx(@cmd 2>&1);
    return ($? >> 8) . " $out";
}

# Put ten events into each tenant's log.
sub fill () {
    for my $tenant ($TENANT, $other) {
        $super->begin_work;
        $super->do('SELECT set_config(?, ?, true)', undef, 'app.tenant_id', $tenant);
        $super->do(q{SELECT audit('a.' || i, 'thing', i::text, jsonb_build_object('n', i), 'user_x') FROM generate_series(1, 10) i});
        $super->commit;
    }
    return;
}

# The first thing that is wrong with the default tenant's log, as its team finds it: in parts of n events; or how many there are.
sub in_parts ($n) {
    my $api = $cluster->connect($name, 'ashlar_api');
    $api->begin_work;
    $api->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $TENANT);
    my ($part, $checked) = ({ next_seq => 0 }, 0);
    while (defined $part->{next_seq}) {
        $part = $api->selectrow_hashref('SELECT * FROM audit_verify_part(?, ?)', undef, $part->{next_seq}, $n);
        $checked += $part->{checked};
    }
    $api->rollback;
    return $part->{problem} // "$checked of $part->{event_count}";
}

# What verify says after a change that is then taken back.
sub tampered ($statement, $want, @more) {
    $super->do('SET session_replication_role = replica');    # as a session with the owner's rights would: no triggers
    $super->do('CREATE TEMP TABLE kept AS SELECT * FROM audit_events');
    $super->do('CREATE TEMP TABLE kept_heads AS SELECT * FROM audit_heads');
    $super->do($_) for $statement, @more;
    is audit('verify'), $want, $statement;
    my ($problem) = $want =~ /broken: (.*)/;
    is in_parts($_), $problem, "  in parts of $_" for 1, 3, 10, 100;
    $super->do($_) for 'DELETE FROM audit_events', 'INSERT INTO audit_events SELECT * FROM kept', 'DROP TABLE kept',
        'DELETE FROM audit_heads', 'INSERT INTO audit_heads SELECT * FROM kept_heads', 'DROP TABLE kept_heads';
    $super->do('SET session_replication_role = origin');
    return;
}

my $clean = "0 default: 10 events, unbroken\ndefault (test mode): 0 events, unbroken\nother: 10 events, unbroken\nother (test mode): 0 events, unbroken\n";

sub broken ($what) { return $clean =~ s/^0 default: 10 events, unbroken/1 default: broken: $what/r }

subtest 'an untouched log' => sub {
    like audit('verify'), qr/\A0 default: 0 events, unbroken\n/, 'an empty one';
    is in_parts(10), '0 of 0';
    fill();
    is audit('verify'), $clean, 'of every tenant';
    is in_parts($_), '10 of 10', "in parts of $_" for 1, 3, 10, 100;
    is audit('verify', '--tenant', 'other'), "0 other: 10 events, unbroken\nother (test mode): 0 events, unbroken\n", 'of one';
    is audit('verify', '--tenant', 'nope'), "1 ashlar: there is no tenant \"nope\"\n";
    like audit(), qr/\A2 .*usage: ashlar audit verify/s;
    like audit('check'), qr/\A2 /;
    like audit('verify', 'more'), qr/\A2 /;
};

subtest 'a changed one' => sub {
    my $of = "tenant_id = '$TENANT'";
    tampered("UPDATE audit_events SET $_->[0] WHERE $of AND seq = 4", broken('row 4 was changed'))
        for [q{action = 'b'}], [q{actor_id = 'someone'}], [q{actor_type = 'system'}], [q{on_behalf_of = 'x'}], [q{resource_type = 'x'}], ['resource_id = NULL'],
        [q{details = '{"n": 5}'}], [q{details = '{}'}], ['details_salt = NULL'], ['details_digest = details_salt'], ['origin_salt = NULL, user_agent = \'x\''],
        ['origin_digest = details_digest'], ['version = 1'], [q{ip_address = '10.0.0.1'}], [q{user_agent = 'x'}], [q{request_id = 'x'}], [q{created_at = created_at + interval '1 microsecond'}], ['id = gen_random_uuid()'];
    tampered("UPDATE audit_events e SET action = 'b', hash = audit_hash((SELECT x FROM (SELECT tenant_id, seq, id, actor_id, actor_type, on_behalf_of, 'b', resource_type,"
            . " resource_id, details, ip_address, user_agent, request_id, prev_hash, hash, created_at, version, details_salt, details_digest, origin_salt, origin_digest"
            . " FROM audit_events WHERE $of AND seq = 4) x)::text::audit_events) WHERE $of AND seq = 4",
        broken('row 5 does not follow the row before it'));
};

subtest 'one with less in it' => sub {
    my $of = "tenant_id = '$TENANT'";
    tampered("DELETE FROM audit_events WHERE $of AND seq = 1",  broken('row 1 is missing'));
    tampered("DELETE FROM audit_events WHERE $of AND seq = 5",  broken('row 5 is missing'));
    tampered("DELETE FROM audit_events WHERE $of AND seq = 10", broken('row 10 and what follows are missing'));
    tampered("DELETE FROM audit_events WHERE $of", broken('row 1 and what follows are missing'));
    tampered("DELETE FROM audit_events WHERE $of AND seq = 5", broken('row 5 does not follow the row before it'), "UPDATE audit_events SET seq = -seq WHERE $of AND seq > 5",
        "UPDATE audit_events SET seq = -seq - 1 WHERE $of AND seq < 0");
    tampered("DELETE FROM audit_events WHERE $of AND seq = 10", broken('row 9 is not the one that the chain ended with'), "UPDATE audit_heads SET seq = 9 WHERE $of");
};

subtest 'one in another order, or with more' => sub {
    my $of = "tenant_id = '$TENANT'";
    tampered("UPDATE audit_events SET seq = -seq WHERE $of AND seq IN (3, 7)", broken('row 3 does not follow the row before it'),
        "UPDATE audit_events SET seq = CASE seq WHEN -3 THEN 7 ELSE 3 END WHERE $of AND seq < 0");
    tampered("INSERT INTO audit_events SELECT tenant_id, 11, gen_random_uuid(), actor_id, actor_type, on_behalf_of, action, resource_type, resource_id, details, ip_address,"
            . " user_agent, request_id, hash, hash, created_at, version, details_salt, details_digest, origin_salt, origin_digest FROM audit_events WHERE $of AND seq = 10", broken('row 11 was changed'));
    is audit('verify'), $clean, 'and untouched it is whole again';
};

subtest 'what is said of somebody is emptied, and the chain holds' => sub {
    my $plain = $cluster->connect($name);
    my $begin = sub ($ip = undef) { $plain->begin_work; $plain->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.request', ?, true)}, undef, $TENANT, $ip ? qq({"ip": "$ip", "user_agent": "Marker/1"}) : '') };
    my $said = sub ($seq) { join ' ', map { $_ // '-' } $plain->selectrow_array('SELECT details, host(ip_address), user_agent FROM audit_events WHERE tenant_id = ? AND seq = ?', undef, $TENANT, $seq) };
    $begin->('192.0.2.7');
    $plain->do(q{SELECT audit('user.update', 'user', 'user_gone', '{"email": "marker@example.com"}', 'user_gone'), audit('member.role', 'member', 'user_gone', '{"name": "marker"}', 'user_stays'),
        audit('thing.do', 'thing', 'user_gone', '{"kept": 1}', 'user_stays')});
    $plain->commit;
    my @keys = @{ $plain->selectcol_arrayref('SELECT details_salt::text FROM audit_events WHERE seq > 10 AND tenant_id = ? UNION SELECT origin_salt::text FROM audit_events WHERE seq > 10 AND tenant_id = ?', undef, ($TENANT) x 2) };
    is scalar @keys, 6, 'each has keys of its own';
    # As it was before: in the chain with all that it says.
    $super->do('SET session_replication_role = replica');
    $super->do(q{INSERT INTO audit_events (tenant_id, seq, actor_id, actor_type, action, resource_type, details, ip_address, prev_hash, hash) SELECT tenant_id, 14, 'user_gone', 'user', 'old', 'user', '{"old": 1}', '192.0.2.8', hash, ''
        FROM audit_events WHERE tenant_id = ? AND seq = 13}, undef, $TENANT);
    $super->do(q{UPDATE audit_events e SET hash = audit_hash(e) WHERE tenant_id = ? AND seq = 14}, undef, $TENANT);
    $super->do(q{UPDATE audit_heads h SET seq = 14, hash = e.hash FROM audit_events e WHERE e.tenant_id = ? AND e.seq = 14 AND h.tenant_id = e.tenant_id}, undef, $TENANT);
    $super->do('SET session_replication_role = origin');
    is in_parts(3), '14 of 14', 'an entry from before is one';
    my $owner = $cluster->connect($name, 'ashlar');
    $owner->begin_work;
    $owner->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $TENANT);
    is $owner->selectrow_array(q{SELECT audit_forget('user_gone')}), 2, 'what they did, and what was done with them';
    $owner->commit;
    is $said->(11), '{} - -', 'nothing is said of them, nor from where';
    is $said->(12), '{} 192.0.2.7 Marker/1', 'of who changed them it is';
    is $said->(13), '{"kept": 1} 192.0.2.7 Marker/1', 'what only has their id is somebody else\'s';
    is $said->(14), '{"old": 1} 192.0.2.8 -', 'and what the chain has in it stays';
    is in_parts($_), '14 of 14', "the chain holds, in parts of $_" for 1, 100;
    like audit('verify', '--tenant', 'default'), qr/\A0 default: 14 events, unbroken\n/, 'and at once';
    my $text = $plain->selectrow_array(q{SELECT string_agg(e::text, '') FROM audit_events e WHERE tenant_id = ? AND seq IN (11, 12)}, undef, $TENANT);
    unlike $text, qr/marker/, 'nowhere';
    my ($salt) = $plain->selectrow_array('SELECT count(*) FROM audit_events WHERE tenant_id = ? AND seq = 11 AND (details_salt IS NOT NULL OR origin_salt IS NOT NULL)', undef, $TENANT);
    is $salt, 0, 'and the keys are gone, so that no guess can be tried';
    tampered("UPDATE audit_events SET details = '{\"email\": \"x\"}' WHERE tenant_id = '$TENANT' AND seq = 11", "1 default: broken: row 11 was changed\n" . $clean =~ s/\A[^\n]*\n//r);
    my $api = $cluster->connect($name, 'ashlar_api');
    ok !eval { $api->do(q{SELECT audit_forget('user_stays')}); 1 }, 'the api empties nothing by itself';
    $_->disconnect for $plain, $owner, $api;
};

$super->disconnect;
$cluster->drop($name);
done_testing;
