use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start(main => 3);
my $ann  = $t->user('ann');
my $bob  = $t->user('bob');
my $base = '/api/v1/app/projects';

sub create ($who, $key, $body = { name => 'once' }, %arg) {
    return $who->post($arg{path} // $base, $body, headers => { 'Idempotency-Key' => $key, %{ $arg{headers} // {} } });
}

sub count ($who) {
    return $t->db->selectrow_array('SELECT count(*) FROM projects WHERE owner_id = ?', undef, $who->uuid);
}

subtest 'a key must be 1 to 255 visible characters' => sub {
    for my $bad ('', 'a b', "\xe9", 'x' x 256) {
        my $res = create($ann, $bad);
        next if $bad eq '' && $res->status == 201;    # nginx passes an empty header on as none at all
        error_is $res, 400, 'BAD_REQUEST', field => 'Idempotency-Key';
    }
    status_is create($ann, 'x' x 255), 201, '255 are allowed';
};

subtest 'the same request again gets the stored answer' => sub {
    my $before = count($ann);
    my $first  = create($ann, 'k1');
    status_is $first, 201;
    header_absent $first, 'Idempotent-Replayed';
    for (1 .. 3) {
        my $again = create($ann, 'k1');
        status_is $again, 201;
        header_is $again, 'Idempotent-Replayed', 'true';
        body_is $again, $first->body, 'byte for byte';
        header_is $again, 'ETag', scalar $first->header('ETag');
        isnt scalar $again->header('X-Request-ID'), scalar $first->header('X-Request-ID'), 'with a request id of its own';
    }
    is count($ann), $before + 1, 'it was carried out once';
    is $ann->get($base)->json('/total'), count($ann), 'and counted once';
};

subtest 'the same key with another body is refused' => sub {
    my $before = count($ann);
    error_is create($ann, 'k1', { name => 'other' }), 422, 'IDEMPOTENCY_KEY_REUSED';
    is count($ann), $before;
};

subtest 'a key belongs to its principal, its route and its version' => sub {
    status_is create($bob, 'k1'), 201;
    header_absent $bob->last, 'Idempotent-Replayed', 'somebody else\'s key is another one';
    json_is $bob->last, '/owner_id', 'user_bob', '  and nobody else\'s answer is given';
    my $eve = $t->user('eve', tenant => 'other');
    status_is create($eve, 'k1'), 201;
    json_is $eve->last, '/owner_id', 'user_eve', 'so is another tenant\'s';
    my $v2 = create($ann, 'k1', { name => 'once' }, path => '/api/v2/app/projects');
    status_is $v2, 201;
    json_is $v2, '/data/name', 'once', 'and another version\'s';
};

subtest 'a refusal is not stored' => sub {
    error_is create($ann, 'k2', { name => '' }), 422, 'VALIDATION_ERROR';
    my $res = create($ann, 'k2', { name => 'right' });
    status_is $res, 201, 'the corrected request is carried out';
    header_absent $res, 'Idempotent-Replayed';
    error_is $t->client->post($base, { name => 'x' }, headers => { 'Idempotency-Key' => 'k3' }), 401, 'AUTHENTICATION_ERROR';
};

subtest 'other methods ignore it' => sub {
    my $url = "$base/" . create($ann, 'k4')->json('/id');
    my %key = (headers => { 'Idempotency-Key' => 'k5' });
    json_is $ann->patch($url, { name => 'a' }, %key), '/name', 'a';
    json_is $ann->patch($url, { name => 'b' }, %key), '/name', 'b';
    status_is $ann->get($url, %key), 200;
};

subtest 'while the first one runs, the second is told to wait' => sub {
    # The first one waits for the row of its user, which the test holds.
    my $before = count($ann);
    my $lock   = $t->lock('SELECT FROM users WHERE id = ? FOR UPDATE', $ann->uuid);
    my $load = $t->load(
        clients  => 1,
        requests => 1,
        make     => sub { $t->client(token => $ann->token) },
        each     => sub ($client, $n) { create($client, 'k6') },
    );
    eventually { $t->waiting == 1 } 5, 'the first one waits';
    error_is create($ann, 'k6'), 409, 'IDEMPOTENCY_KEY_IN_USE';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ map { $_->[0] } $load->finish ], [201], 'the first one is answered';
    header_is create($ann, 'k6'), 'Idempotent-Replayed', 'true', 'and from then on its answer is there';
    is count($ann), $before + 1;
};

subtest 'however many come at once, one is carried out' => sub {
    my $before = count($bob);
    my $load   = $t->load(
        clients  => 6,
        requests => 3,
        make     => sub { $t->client(token => $bob->token) },
        each     => sub ($client, $n) { create($client, 'k7') },
    );
    my %seen;
    $seen{ $_->[0] }++ for $load->finish;
    is join(' ', grep { !/^(?:201|409)$/ } keys %seen), '', 'each was answered or told to wait';
    is count($bob), $before + 1;
};

subtest 'an answer is kept for a day' => sub {
    $t->db->do(q{UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes' WHERE key = 'k1'});
    header_is create($ann, 'k1'), 'Idempotent-Replayed', 'true';
    $t->db->do(q{UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute' WHERE key = 'k1'});
    my $res = create($ann, 'k1', { name => 'a day later' });
    status_is $res, 201;
    json_is $res, '/name', 'a day later', 'then the key is free again';
    header_is create($ann, 'k1', { name => 'a day later' }), 'Idempotent-Replayed', 'true';
};
