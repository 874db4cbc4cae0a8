use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Tokens that somebody who operates the installation gives, and gives back.
my $t      = Api->start(main => 8);
my $db     = $t->db;
my $chief  = $t->user('chief', role => 'admin');
my $editor = $t->user('editor', role => 'editor');
my $ann    = $t->user('ann', role => 'member');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $key    = $t->client(key => $t->key);
my $GRANTS = '/api/tokens/grants';
my $REFUNDS = '/api/tokens/refunds';

sub number ($who) { return 0 + $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub company ($who) { return 0 + $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $who->tenant_id) }
sub grant ($by, %with) { return $by->post($GRANTS, { amount => 100, reason => 'an apology', %with }) }
my $ANN     = number($ann);
sub refund ($by, %with) { return $by->post($REFUNDS, { user_id => $ANN, reason => 'it failed', %with }) }
sub consume ($who, $amount) { return $who->post('/api/tokens/consume', { amount => $amount, action => 'write', reference_id => 'report-1' })->json('/data/transaction_id') }
sub balance ($who, $query = '') {
    my $res = $who->get("/api/tokens/balance$query");
    return [ map { $res->json("/data/$_") } qw(balance lifetime_bonus lifetime_consumed) ];
}
sub audited ($action, $tenant) { return $db->selectall_arrayref('SELECT resource_type, resource_id, details FROM audit_events WHERE action = ? AND tenant_id = ? ORDER BY id', { Slice => {} }, $action, $tenant) }

subtest 'who may' => sub {
    for my $path ($GRANTS, $REFUNDS) {
        my $body = { user_id => number($ann), amount => 1, reason => 'x', transaction_id => 1 };
        error_is $t->post($path, $body), 401, 'AUTHENTICATION_ERROR';
        error_is $_->post($path, $body), 403, 'AUTHORIZATION_ERROR', name => 'no administrator of the default tenant' for $editor, $ann, $theirs;
        error_is $key->post($path, $body), 401, 'AUTHENTICATION_ERROR', name => 'a key that is nobody\'s';
    }
    is $db->selectrow_array('SELECT count(*) FROM wallets'), 0, 'nothing is given';
};

subtest 'what is malformed is 400' => sub {
    my $n = number($ann);
    error_is grant($chief), 400, 'VALIDATION_ERROR', field => 'user_id', name => 'whose wallet?';
    error_is grant($chief, user_id => $n, company_id => 1), 400, 'VALIDATION_ERROR', field => 'company_id', name => 'of one';
    error_is grant($chief, user_id => $n, @$_), 400, 'VALIDATION_ERROR', field => $_->[0]
        for (map { [ amount => $_ ] } 0, -1, 1.5, 'x', 1_000_000_000_001), [ reason => '' ], [ reason => undef ], [ reason => 'x' x 201 ], [ reference_id => '' ], [ reference_id => 'x' x 201 ];
    error_is $chief->post($GRANTS, { user_id => $n, amount => 1 }), 400, 'VALIDATION_ERROR', field => 'reason';
    error_is grant($chief, user_id => $_), 400, 'VALIDATION_ERROR', field => 'user_id' for 0, 'x';
    error_is refund($chief), 400, 'VALIDATION_ERROR', field => 'transaction_id';
    error_is grant($chief, user_id => 999_999), 404, 'NOT_FOUND', field => 'user_id';
    error_is grant($chief, company_id => 999_999), 404, 'NOT_FOUND', field => 'company_id';
    is $db->selectrow_array('SELECT count(*) FROM wallets'), 0, 'nothing is given';
};

subtest 'a grant' => sub {
    my $res = grant($chief, user_id => number($ann), reference_id => 'ticket-7');
    status_is $res, 201;
    json_is $res, '/data', { id => $res->json('/data/id'), type => 'admin_grant', amount => 100, balance_after => 100, action => undef, reference_id => 'ticket-7', company_id => undef,
        metadata => { reason => 'an apology' }, created_at => $TIME };
    is_deeply balance($ann), [ 100, 100, 0 ], 'is in the wallet';
    json_is $ann->get('/api/tokens/transactions'), '/data', [ $res->json('/data') ], '  as its owner sees it';
    is audited('tokens.grant', $t->tenant_id)->[0]{resource_id}, $ann->id, 'it is put down';
    status_is grant($chief, company_id => company($ann), amount => 7), 201;
    is_deeply balance($ann, '?company_id=' . company($ann)), [ 7, 7, 0 ], 'a tenant\'s';
    status_is grant($chief, user_id => number($theirs), amount => 5), 201;
    is_deeply balance($theirs), [ 5, 5, 0 ], 'another tenant\'s user';
    $res = grant($chief, company_id => company($theirs), amount => 6);
    json_is $res, '/data/company_id', company($theirs);
    is_deeply balance($theirs, '?company_id=' . company($theirs)), [ 6, 6, 0 ], 'and another tenant';
    is_deeply [ map { $_->{resource_type} } audited('tokens.grant', $theirs->tenant_id)->@* ], [qw(user tenant)], '  whose audit log has it';
    my @twice = map { $chief->post($GRANTS, { user_id => number($ann), amount => 50, reason => 'once' }, headers => { 'Idempotency-Key' => 'grant-1' }) } 1, 2;
    is $twice[0]->json('/data/id'), $twice[1]->json('/data/id'), 'sent twice with one Idempotency-Key it is one';
    is_deeply balance($ann), [ 150, 150, 0 ], '  given once';
};

subtest 'a refund' => sub {
    my $one = consume($ann, 20);
    is_deeply balance($ann), [ 130, 150, 20 ];
    error_is refund($chief, transaction_id => $one, amount => 21), 400, 'VALIDATION_ERROR', field => 'amount';
    error_is refund($chief, transaction_id => $one, user_id => number($theirs)), 404, 'NOT_FOUND', field => 'transaction_id', name => 'it is another\'s';
    error_is refund($chief, transaction_id => $one + 999), 404, 'NOT_FOUND', field => 'transaction_id';
    my $grant = $ann->get('/api/tokens/transactions?type=admin_grant')->json('/data/0/id');
    error_is refund($chief, transaction_id => $grant), 404, 'NOT_FOUND', field => 'transaction_id', name => 'a grant is no consumption';
    my $res = refund($chief, transaction_id => $one, amount => 5);
    status_is $res, 201;
    json_is $res, '/data', { id => $res->json('/data/id'), type => 'refund', amount => 5, balance_after => 135, action => 'write', reference_id => 'report-1', company_id => undef,
        metadata => { reason => 'it failed', transaction_id => $one }, created_at => $TIME };
    is_deeply balance($ann), [ 135, 150, 15 ], 'a part, which no longer counts as consumed';
    error_is refund($chief, transaction_id => $one, amount => 16), 400, 'VALIDATION_ERROR', field => 'amount', name => 'no more than is left';
    json_is refund($chief, transaction_id => $one), '/data/amount', 15, 'the rest';
    is_deeply balance($ann), [ 150, 150, 0 ];
    error_is refund($chief, transaction_id => $one, @$_), 409, 'CONFLICT', name => 'then nothing is left' for [], [ amount => 1 ];
    is scalar audited('tokens.refund', $t->tenant_id)->@*, 2, 'both are put down';
    my $many = consume($ann, 100);
    status_is refund($chief, transaction_id => $many, amount => 1), 201 for 1 .. 10;
    error_is refund($chief, transaction_id => $many, amount => 1), 409, 'CONFLICT', name => 'ten parts are the most';
    my $usage = $ann->get('/api/billing/usage');
    status_is $usage, 200;
};

subtest 'of many at once no more is given back than was taken' => sub {
    my $one   = consume($ann, 30);
    my @pids  = map {
        my $pid = fork // die "fork: $!\n";
        POSIX::_exit(refund($chief->with(http => $t->http), transaction_id => $one, amount => 7)->status == 201 ? 0 : 1) if !$pid;
        $pid
    } 1 .. 12;
    is scalar(grep { waitpid($_, 0); $? == 0 } @pids), 4, 'four times seven of thirty';
    is_deeply [ @{ balance($ann) }[2] ], [ 92 ], '  and the others were too much';
    my ($sum) = $db->selectrow_array(q{SELECT sum(amount) FROM wallet_transactions t JOIN wallets w ON w.id = t.wallet_id WHERE w.user_id = ?}, undef, $ann->uuid);
    is $sum, balance($ann)->[0], 'the sum of the transactions is the balance';
};
