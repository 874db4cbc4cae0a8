# announce(): the triggers that it writes, table by table, are what its line says.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS 'decode_json';
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $db      = $cluster->connect($name, 'ashlar');
my $super   = $cluster->connect($name);
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my ($user)  = $super->selectrow_array(q{INSERT INTO users (tenant_id, public_id) VALUES (?, 'ann') RETURNING id}, undef, $TENANT);
my ($org)   = $super->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'x', 'x') RETURNING id}, undef, $TENANT);
$super->do(q{INSERT INTO webhook_endpoints (tenant_id, name, url, events, secret_sealed, secret_tail) VALUES (?, 'all', 'https://x.example', '{*}', 'x', 'x')}, undef, $TENANT);
$super->do(q{INSERT INTO webhook_endpoints (tenant_id, organization_id, name, url, events, secret_sealed, secret_tail) VALUES (?, ?, 'theirs', 'https://x.example', '{*}', 'x', 'x')}, undef, $TENANT, $org);
$db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $TENANT);

$db->do(<<~'END');
    CREATE TABLE kettles (
        tenant_id       uuid NOT NULL REFERENCES tenants,
        id              uuid NOT NULL DEFAULT uuid_v7(),
        organization_id uuid,
        owner_id        uuid,
        name            text,
        volume          double precision,
        boiled_at       timestamptz,
        boils           integer NOT NULL DEFAULT 0,
        created_at      timestamptz NOT NULL DEFAULT now(),
        updated_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
    )
    END
$db->do(q{SELECT isolate('kettles')});
my $line = q{SELECT announce('kettles', 'kettle', hides => 'boils', also => '{"owner_id": "u.public_id"}',
             source => 'users u ON u.tenant_id = r.tenant_id AND u.id = r.owner_id', channels => 'organization:{organization_id}, user:{owner_id} on created')};
$db->do($line);

# What was told since the last call: [type, data, names of the endpoints, channels].
my (%read, $heard);
sub told () {
    my $live = $super->selectall_arrayref('SELECT channel, payload FROM realtime_messages WHERE id > ? ORDER BY id', undef, $heard // 0);
    ($heard) = $super->selectrow_array('SELECT coalesce(max(id), 0) FROM realtime_messages');
    my $new = $super->selectall_arrayref(<<~'END');
        SELECT m.type, m.payload, (SELECT string_agg(e.name, ' ' ORDER BY e.name) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id WHERE d.message_id = m.id), m.id
        FROM webhook_messages m ORDER BY m.created_at, m.type
        END
    return map { [ $_->[0], decode_json($_->[1])->{data}, $_->[2], join ' ', map { $_->[0] } grep { my $p = decode_json($_->[1]); $p->{event} } @$live ] } grep { !$read{ $_->[3] }++ } @$new;
}
told();

subtest 'a row that is made, changed and deleted' => sub {
    my ($id) = $db->selectrow_array(q{INSERT INTO kettles (tenant_id, organization_id, owner_id, name, volume, boiled_at) VALUES (?, ?, ?, 'K', 1.5, '2026-01-31T12:00:00.123456Z') RETURNING id}, undef, $TENANT, $org, $user);
    my ($made) = my @all = told();
    is scalar(@all), 1, 'is told once';
    is join('; ', @$made[ 0, 2, 3 ]), "kettle.created; all theirs; organization:$org user:ann", 'to whom it concerns';
    is join(' ', sort keys %{ $made->[1] }), 'boiled_at created_at id name organization_id owner_id updated_at volume', 'with what is shown';
    is join(' ', @{ $made->[1] }{qw(id owner_id volume boiled_at)}), "$id ann 1.5 2026-01-31T12:00:00.123Z", 'as the API has it';
    $db->do(q{UPDATE kettles SET name = 'L', volume = 'NaN'});
    my ($changed) = told();
    is join('; ', @$changed[ 0, 3 ]), "kettle.updated; organization:$org", 'a change';
    is $changed->[1]{volume}, undef, 'a number that JSON does not have is null';
    is_deeply $changed->[1]{previous_attributes}, { name => 'K', volume => 1.5 }, 'with what it was';
    $db->do(q{UPDATE kettles SET owner_id = NULL});
    my ($given) = told();
    is_deeply $given->[1]{previous_attributes}, { owner_id => 'ann' }, 'also of what is read elsewhere';
    $db->do(q{UPDATE kettles SET boils = 1});
    $db->do(q{UPDATE kettles SET name = 'L'});
    is_deeply [ told() ], [], 'what nobody is shown is no change, and no more is what it was already';
    $db->do('DELETE FROM kettles');
    my ($gone) = told();
    is join('; ', @$gone[ 0, 3 ]), "kettle.deleted; organization:$org", 'deleted';
};

subtest 'one that is deleted by a column' => sub {
    $db->do('ALTER TABLE kettles ADD deleted_at timestamptz');
    $db->do($line =~ s/'kettle',/'kettle', has_micros => true,/r);
    $db->do(q{INSERT INTO kettles (tenant_id, boiled_at) VALUES (?, '2026-01-31T12:00:00.123456Z')}, undef, $TENANT);
    my ($made) = told();
    is join(' ', $made->[2], $made->[1]{boiled_at}), 'all 2026-01-31T12:00:00.123456Z', 'in no organization, with microseconds where the surface has them';
    ok !exists $made->[1]{deleted_at}, 'the column itself is not told';
    $db->do(q{UPDATE kettles SET deleted_at = now()});
    my ($gone) = told();
    is $gone->[0], 'kettle.deleted';
    ok !exists $gone->[1]{previous_attributes}, 'without what it was';
    $db->do(q{UPDATE kettles SET name = 'x'});
    $db->do(q{INSERT INTO kettles (tenant_id, deleted_at) VALUES (?, now())}, undef, $TENANT);
    $db->do('DELETE FROM kettles');
    is_deeply [ told() ], [], 'and is told of no more';
};

subtest 'nobody is told a secret because its column is new' => sub {
    $db->do('ALTER TABLE kettles ADD token_hash bytea');
    ok !eval { $db->do($line); 1 }, 'refused';
    like $@, qr/kettles: is token_hash told\? "hides" names what is not, or "shows" all that is/, 'with what to do';
    ok !eval { $db->do($line =~ s/'boils'/'boils, token_hash, lid'/r); 1 }, 'a column that is not there';
    like $@, qr/kettles: there is no column lid/;
    $db->do($line =~ s/'boils'/'boils, token_hash'/r);
    $db->do(q{INSERT INTO kettles (tenant_id, token_hash) VALUES (?, 'x')}, undef, $TENANT);
    my ($made) = told();
    ok !exists $made->[1]{token_hash}, 'one that is hidden';
};

subtest 'what has not changed is not written again' => sub {
    my $state = sub { $super->selectrow_array(q{SELECT string_agg(t.xmin::text || p.xmin::text, ' ' ORDER BY tgname) FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE tgrelid = 'kettles'::regclass}) };
    $line =~ s/'boils'/'boils, token_hash'/;
    $db->do($line);
    my $was = $state->();
    $db->do($line);
    is $state->(), $was, 'so the table is not locked';
    $db->do('ALTER TABLE kettles ADD lid text');
    $db->do($line);
    isnt $state->(), $was, 'a new column is';
    $db->do(q{INSERT INTO kettles (tenant_id, lid) VALUES (?, 'glass')}, undef, $TENANT);
    is +(told())[0][1]{lid}, 'glass', 'told, too';
    $db->do(q{UPDATE kettles SET lid = 'steel' WHERE lid = 'glass'});
    is_deeply +(told())[0][1]{previous_attributes}, { lid => 'glass' }, 'and its changes';
    $db->do($line =~ s/'kettle',/'kettle', gone => NULL, made => NULL,/r);
    is_deeply $super->selectcol_arrayref(q{SELECT tgname FROM pg_trigger WHERE tgrelid = 'kettles'::regclass AND NOT tgisinternal ORDER BY 1}), [ 'kettles_changed', 'kettles_touch' ], 'and what is told no more has no trigger';
};

subtest 'many rows are one statement' => sub {
    $db->do(q{CREATE TABLE cups (tenant_id uuid NOT NULL REFERENCES tenants, id uuid NOT NULL DEFAULT uuid_v7(), name text, PRIMARY KEY (tenant_id, id))});
    $db->do(q{SELECT isolate('cups')});
    $db->do(q{SELECT announce('cups', 'cup', changed => $$CASE WHEN NEW.name = 'broken' THEN 'broken' WHEN NEW.name <> 'secret' THEN 'updated' END$$)});
    $db->do(q{INSERT INTO cups (tenant_id, name) SELECT ?, 'c' || i FROM generate_series(1, 3) i}, undef, $TENANT);
    is join(' ', map { "$_->[0]:$_->[1]{name}" } sort { $a->[1]{name} cmp $b->[1]{name} } told()), 'cup.created:c1 cup.created:c2 cup.created:c3', 'and as many events';
    $db->do(q{UPDATE cups SET name = ? WHERE name = ?}, undef, @$_) for [ 'broken', 'c1' ], [ 'secret', 'c2' ], [ 'c4', 'c3' ];
    is join(' ', sort map { "$_->[0]:$_->[1]{name}" } told()), 'cup.broken:broken cup.updated:c4', 'a change may have names of its own, or none';
};

subtest 'isolate() keeps updated_at' => sub {
    $db->do(q{CREATE TABLE pots (tenant_id uuid NOT NULL REFERENCES tenants, id uuid NOT NULL DEFAULT uuid_v7(), name text, uses integer, updated_at timestamptz NOT NULL DEFAULT '2020-01-01', PRIMARY KEY (tenant_id, id))});
    $db->do(q{SELECT isolate('pots', 'name')});
    $db->do(q{INSERT INTO pots (tenant_id) VALUES (?)}, undef, $TENANT);
    my $is_old = sub { scalar $db->selectrow_array(q{SELECT updated_at = '2020-01-01' FROM pots}) };
    $db->do('UPDATE pots SET uses = 1');
    ok $is_old->(), 'not for what is no change';
    $db->do(q{UPDATE pots SET name = 'x'});
    ok !$is_old->(), 'but for what is';
    ok $super->selectrow_array(q{SELECT bool_or(updated_at > created_at) FROM kettles}), 'and of any column, where none is named';
};

$_->disconnect for $db, $super;
$cluster->drop($name);
done_testing;
