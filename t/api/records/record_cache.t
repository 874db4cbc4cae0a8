use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Collector;
use Ashlar::Workspace;
use POSIX ();

# Schemas that a child keeps: a write is one round trip, and no value is checked against a schema that does not hold any more.
my $c    = Ashlar::Collector->start;
my $t    = Api->start($c->settings(OTEL_EXPORTER_OTLP_PROTOCOL => 'http/json'), main => 1, worker => 1);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', bob => 'member');
my $x    = workspace($t, eve => 'owner');
my $key  = $t->key;
my ($ann, $bob, $eve) = (@$w{qw(ann bob)}, $x->{eve});
sub in_organization ($who, $id) { return $who->with(key => $key, headers => { 'X-Organization-Id' => $id }) }

# What a request asks PostgreSQL, a name for each round trip.
my $n = 0;
sub trips ($who, $method, $path, $body) {
    my $trace = sprintf '%032x', 0xcac4e00 + ++$n;
    my $res   = $who->request($method, $path, json => $body, headers => { %{ $who->{headers} }, traceparent => "00-$trace-00f067aa0ba902b7-01" });
    $c->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' }) // fail 'a request is a span';
    return ($res, join ' ', map { $_->{attr}{'db.query.summary'} } sort { $a->{start} <=> $b->{start} } grep { $_->{trace} eq $trace && $_->{attr}{'db.query.summary'} } $c->spans);
}

# Both dialects: who writes where, a recordset, and how its fields are changed behind everybody's back, as another process does it.
my $server = in_organization($ann, $w->id);
my %is = (
    workspace => {
        who => $ann, other => $eve, base => '/api/v1/records', values => 'field_values', set => 'recordset_id', first => 'record_schema_of_recordset record_create', again => 'record_create', update => 'record_update',
        id  => $ann->post('/api/v1/recordsets', { name => 'Soundings', schema => { fields => [ { key => 'size', type => 'number' } ] } })->json('/id'),
    },
    platform => {
        who => $server, other => in_organization($eve, $x->id), base => '/api/v1/entity/records', values => 'data', set => 'schema_id', first => 'entity_fields_of_schema entity_record_create', again => 'entity_record_create', update => 'entity_record_update',
        id  => $server->post('/api/v1/entity/schemas', { name => 'Berths', slug => 'berths', fields_definition => { size => { type => 'float' } } })->json('/id'),
    },
);

for my $name (sort keys %is) {
    my ($who, $other, $base, $values, $set, $id) = @{ $is{$name} }{qw(who other base values set id)};
    my $body = sub ($size) { return { $set => $id, $values => { size => $size } } };
    my $change = sub ($type) { return $db->do(q{UPDATE recordsets SET fields = jsonb_set(fields, '{0,type}', ?), schema_version = schema_version + 1 WHERE id = ?}, undef, qq("$type"), $id) };

    subtest "$name: one round trip" => sub {
        my ($res, $trips) = trips($who, POST => $base, $body->(1));
        status_is $res, 201;
        is $trips, $is{$name}{first}, 'first of all the schema is asked for';
        my $record = $res->json('/id');
        ($res, $trips) = trips($who, POST => $base, $body->(2));
        status_is $res, 201;
        is $trips, $is{$name}{again}, '  and then it is known';
        ($res, $trips) = trips($who, PUT => "$base/$record", { $values => { size => 3 } });
        json_is $res, "/$values/size", 3;
        is $trips, $is{$name}{update}, '  for a change, too, of a record that was made here';
        ($res, $trips) = trips($who, POST => $base, $body->('x'));
        error_is $res, 422, 'VALIDATION_ERROR', field => "$values.size";
        is $trips, $is{$name}{first} =~ s/ .*/ ROLLBACK/r, 'what does not fit is looked at again, by the schema that holds';
    };

    subtest "$name: a schema that was changed is seen" => sub {
        my $record = $who->post($base, $body->(1))->json('/id');
        $change->('text');
        error_is $who->post($base, $body->(1)), 422, 'VALIDATION_ERROR', field => "$values.size", name => 'what fitted the old one';
        $change->('number');
        error_is $who->post($base, $body->('x')), 422, 'VALIDATION_ERROR', field => "$values.size";
        $change->('text');
        status_is $who->post($base, $body->('y')), 201, 'and what fits the new one is taken';
        $change->('number');
        error_is $who->put("$base/$record", { $values => { size => 'z' } }), 422, 'VALIDATION_ERROR', field => "$values.size";
        my ($res, $trips) = trips($who, PUT => "$base/$record", { $values => { size => 5 } });
        status_is $res, 200;
        is $db->selectrow_array(q{SELECT count(*) FROM records WHERE recordset_id = ? AND field_values ->> 'size' IN ('x', 'z')}, undef, $id), 0, 'no old value got in';
    };

    subtest "$name: one that changes while a write is under way" => sub {
        status_is $who->post($base, $body->(7)), 201, 'it is known';
        $db->begin_work;
        $db->do('SELECT FROM recordsets WHERE id = ? FOR UPDATE', undef, $id);
        $change->('text');
        defined(my $child = fork) or die "fork: $!\n";
        if (!$child) {
            my $status = $t->client(%$who{qw(token key headers)})->post($base, $body->(4711), fresh => 1)->status;
            POSIX::_exit($status == 422 ? 0 : 1);
        }
        eventually { $db->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()}) } 20, 'the write waits for who changes the schema';
        $db->commit;
        waitpid $child, 0;
        is $?, 0, 'it is checked anew, and refused';
        is $db->selectrow_array(q{SELECT count(*) FROM records WHERE recordset_id = ? AND field_values ->> 'size' = '4711'}, undef, $id), 0;
        $change->('number');
    };

    subtest "$name: rights are asked all the same" => sub {
        status_is $who->post($base, $body->(8)), 201, 'it is known';
        my $record = $who->post($base, $body->(9))->json('/id');
        for my $size (1, 'x') {
            error_is $other->post($base, $body->($size)), 404, 'NOT_FOUND', name => "another workspace's: " . ($size eq 'x' ? 'nor is told what does not fit' : 'finds none');
            error_is $other->put("$base/$record", { $values => { size => $size } }), 404, 'NOT_FOUND';
            next if $name ne 'workspace';
            error_is $bob->post($base, $body->($size)), 403, 'AUTHORIZATION_ERROR', name => 'nor who has no right there';
            error_is $bob->put("$base/$record", { $values => { size => $size } }), 403, 'AUTHORIZATION_ERROR';
        }
    };
}

subtest 'a setting of the schema counts as a change of it' => sub {
    my $id = $is{workspace}{id};
    my $make = sub { return $ann->post('/api/v1/records', { recordset_id => $id, field_values => { size => 1, more => 1 } }) };
    status_is $make->(), 201;
    status_is $ann->put("/api/v1/recordsets/$id", { settings => { strict_schema => true } }), 200;
    error_is $make->(), 422, 'VALIDATION_ERROR', field => 'field_values.more';
    status_is $ann->put("/api/v1/recordsets/$id", { settings => { strict_schema => false } }), 200;
    status_is $make->(), 201;
};

subtest 'one tenant does not push out what others have' => sub {
    my $id = $is{workspace}{id};
    status_is $ann->post('/api/v1/records', { recordset_id => $id, field_values => { size => 1 } }), 201;
    for my $i (1 .. 20) {    # more than a share
        my $one = $ann->post('/api/v1/recordsets', { name => "Set $i" })->json('/id');
        status_is $ann->post('/api/v1/records', { recordset_id => $one }), 201;
    }
    my (undef, $trips) = trips($ann, POST => '/api/v1/records', { recordset_id => $id, field_values => { size => 1 } });
    is $trips, 'record_schema_of_recordset record_create', 'the one that was not asked for for longest has made room';
    (undef, $trips) = trips($ann, POST => '/api/v1/records', { recordset_id => $id, field_values => { size => 1 } });
    is $trips, 'record_create';
};
