use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Tokens: wallets of users and of a tenant, and who spends from them.
my $t      = Api->start(main => 8);
my $db     = $t->db;
my $ed     = $t->user('ed', role => 'editor');
my $ann    = $t->user('ann');
my $mike   = $t->user('mike', role => 'member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $OWN    = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $t->tenant_id);
my $OTHER  = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $theirs->tenant_id);
my $key    = $t->client(key => $t->key);

sub put ($user, $amount, %with) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $t->tenant_id);
    my $is_new = $db->selectrow_array('SELECT wallet_credit(?, ?, ?, ?, ?, ?, ?)', undef, $user && $user->uuid, $with{unit} // 'tokens', $with{type} // 'admin_grant', $amount, $with{source}, undef, '{}');
    $db->commit;
    return $is_new;
}
sub wallet ($user) { return $db->selectrow_hashref(q{SELECT * FROM wallets WHERE tenant_id = ? AND user_id IS NOT DISTINCT FROM ? AND unit = 'tokens'}, undef, $t->tenant_id, $user && $user->uuid) }
sub consume ($who, $amount, %more) { return $who->post('/api/tokens/consume', { amount => $amount, action => 'write', %more }) }

subtest 'who may' => sub {
    for my $path (qw(balance transactions)) {
        error_is $t->get("/api/tokens/$path"), 401, 'AUTHENTICATION_ERROR';
        error_is $theirs->get("/api/tokens/$path?company_id=$OWN"), 403, 'AUTHORIZATION_ERROR', field => 'company_id', name => 'of another tenant';
        error_is $ann->get("/api/tokens/$path?company_id=99999"), 403, 'AUTHORIZATION_ERROR', field => 'company_id', name => '  there or not';
        error_is $key->get("/api/tokens/$path?company_id=$OWN"), 401, 'AUTHENTICATION_ERROR', name => 'a key that is nobody\'s';
        status_is $_->get("/api/tokens/$path"), 200 for $viewer, $demo;
        error_is $ann->get("/api/tokens/$path?company_id=$_"), 400, 'VALIDATION_ERROR', field => 'company_id' for 'x', 0, -1;
    }
    error_is consume($t, 1), 401, 'AUTHENTICATION_ERROR';
    error_is consume($key, 1, company_id => $OWN), 401, 'AUTHENTICATION_ERROR';
    error_is consume($_, 1), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    error_is consume($theirs, 1, company_id => $OWN), 403, 'AUTHORIZATION_ERROR', field => 'company_id';
    is $db->selectrow_array('SELECT count(*) FROM wallets'), 0, 'nothing is written for that';
};

subtest 'what is malformed is 400' => sub {
    error_is $ann->post('/api/tokens/consume', undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is $ann->post('/api/tokens/consume', { amount => 1 }), 400, 'VALIDATION_ERROR', field => 'action';
    error_is $ann->post('/api/tokens/consume', { action => 'x' }), 400, 'VALIDATION_ERROR', field => 'amount';
    error_is consume($ann, $_), 400, 'VALIDATION_ERROR', field => 'amount' for 0, -1, 1.5, 'many', 1_000_000_000_001;
    error_is consume($ann, 1, action => $_), 400, 'VALIDATION_ERROR', field => 'action' for '', 'x' x 101;
    error_is consume($ann, 1, reference_id => $_), 400, 'VALIDATION_ERROR', field => 'reference_id' for '', 'x' x 201;
    error_is consume($ann, 1, metadata => []), 400, 'VALIDATION_ERROR', field => 'metadata';
    error_is $ann->get("/api/tokens/transactions?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1] for [ 'type=gift', 'type' ], [ 'limit=0', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ];
};

subtest 'one that was never used is empty' => sub {
    my $res = $ann->get('/api/tokens/balance');
    json_is $res, '/data', { balance => 0, lifetime_purchased => 0, lifetime_bonus => 0, lifetime_consumed => 0, held => 0, company_id => undef, updated_at => $TIME };
    json_is $ann->get('/api/tokens/transactions'), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    my $bad = consume($ann, 5);
    error_is $bad, 402, 'INSUFFICIENT_BALANCE';
    is $bad->json('/error/details/balance'),  0, 'what there is';
    is $bad->json('/error/details/required'), 5, '  and what it takes';
};

subtest 'what is put in is spent' => sub {
    ok put($ann, 1000, type => 'signup_bonus', source => 'sign-up'), 'a bonus';
    ok !put($ann, 1000, type => 'signup_bonus', source => 'sign-up'), '  once';
    ok put($ann, 500, type => 'purchase', source => 'pi_1'), 'a purchase';
    ok put($ann, 50, type => 'bonus', source => 'pi_1'), '  and its bonus';
    my $res = consume($ann, 7, reference_id => "report \x{2603}", metadata => { pages => 3 });
    status_is $res, 200;
    json_is $res, '/data', { transaction_id => qr/\A\d+\z/, consumed => 7, balance => 1543, action => 'write', reference_id => "report \x{2603}", company_id => undef };
    json_is $ann->get('/api/tokens/balance'), '/data', { balance => 1543, lifetime_purchased => 500, lifetime_bonus => 1050, lifetime_consumed => 7, held => 0, company_id => undef, updated_at => $TIME };
    my $list = $ann->get('/api/tokens/transactions');
    is_deeply [ map { [ @$_{qw(type amount balance_after)} ] } @{ $list->json('/data') } ],
        [ [ 'consume', -7, 1543 ], [ 'bonus', 50, 1550 ], [ 'purchase', 500, 1500 ], [ 'signup_bonus', 1000, 1000 ] ], 'the newest first';
    json_is $list, '/data/0', { id => $res->json('/data/transaction_id'), type => 'consume', amount => -7, balance_after => 1543, action => 'write', reference_id => "report \x{2603}", company_id => undef, metadata => { pages => 3 }, created_at => $TIME };
    json_is $ann->get('/api/tokens/transactions?type=purchase'), '/meta/total', 1, 'of a type';
    is_deeply [ map { $_->{type} } @{ $ann->get('/api/tokens/transactions?limit=2&offset=1')->json('/data') } ], [qw(bonus purchase)], 'a page';
    json_is $ann->get('/api/tokens/transactions?limit=500'), '/meta/limit', 200, 'of at most 200';
    error_is consume($ann, 1544), 402, 'INSUFFICIENT_BALANCE', name => 'one more than there are';
    is wallet($ann)->{balance}, 1543, '  takes none';
    status_is consume($ann, 1543), 200, 'and all of them';
    json_is $mike->get('/api/tokens/balance'), '/data/balance', 0, 'they are nobody else\'s';
};

subtest 'the tenant\'s own' => sub {
    put(undef, 100);
    json_is $ann->get("/api/tokens/balance?company_id=$OWN"), '/data/balance', 100, 'everybody sees them';
    json_is $viewer->get("/api/tokens/balance?company_id=$OWN"), '/data/company_id', $OWN;
    json_is consume($mike, 40, company_id => $OWN), '/data/balance', 60, 'and spends them';
    json_is consume($ed, 10, company_id => $OWN), '/data/balance', 50;
    json_is $ed->get("/api/tokens/transactions?company_id=$OWN&type=consume"), '/meta/total', 2;
    json_is $theirs->get("/api/tokens/balance?company_id=$OTHER"), '/data/balance', 0, 'another tenant has its own';
    put(undef, 10, unit => 'credit');
    json_is $ann->get("/api/tokens/balance?company_id=$OWN"), '/data/balance', 50, 'credit is another wallet';
};

subtest 'the same request is carried out once' => sub {
    put($mike, 20);
    my @twice = map { $mike->post('/api/tokens/consume', { amount => 5, action => 'write' }, headers => { 'Idempotency-Key' => 'spend-1' }) } 1, 2;
    is_deeply [ map { $_->json('/data/balance') } @twice ], [ 15, 15 ];
    is wallet($mike)->{balance}, 15;
};

subtest 'of many at once none takes what is not there' => sub {
    my $eve = $t->user('eve', role => 'member');
    put($eve, 1000);
    pipe my $out, my $in or die "pipe: $!\n";
    my @pids;
    for (1 .. 8) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $client = $eve->with(http => $t->http);
            my $line   = join ' ', map { consume($client, 7)->status } 1 .. 25;
            syswrite $in, "$line\n";
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in or die "close: $!\n";
    my %n;
    $n{$_}++ for map { split } <$out>;
    waitpid $_, 0 for @pids;
    is_deeply \%n, { 200 => 142, 402 => 58 }, 'of 200 that take 7 of 1,000 each, 142 do';
    is wallet($eve)->{balance}, 6, '  and 6 remain';
};

subtest 'a balance is the sum of what was put in and taken out' => sub {
    srand 41;
    my @users = map { $t->user("random$_", role => 'member') } 1 .. 3;
    for (1 .. 200) {
        my $user = $users[ rand @users ];
        rand() < 0.4 ? put($user, 1 + int rand 50) : consume($user, 1 + int rand 40);
    }
    is_deeply $db->selectall_arrayref(q{
        SELECT w.id FROM wallets w JOIN (
            SELECT x.wallet_id, sum(x.amount) AS sum, bool_and(x.balance_after = x.running) AS is_told, max(x.last) AS last
            FROM (SELECT y.*, sum(y.amount) OVER (PARTITION BY y.wallet_id ORDER BY y.number) AS running,
                         first_value(y.balance_after) OVER (PARTITION BY y.wallet_id ORDER BY y.number DESC) AS last FROM wallet_transactions y) x
            GROUP BY x.wallet_id) s ON s.wallet_id = w.id
        WHERE w.balance <> s.sum OR w.balance <> s.last OR NOT s.is_told}), [], 'of each, and each transaction tells the one behind it';
};
