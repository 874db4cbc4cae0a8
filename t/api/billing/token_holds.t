use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Holds: tokens that are set aside before it is known what something takes.
my $t      = Api->start(main => 8);
my $db     = $t->db;
my $ann    = $t->user('ann',  role => 'member');
my $mike   = $t->user('mike', role => 'member');
my $viewer = $t->user('viewer', role => 'viewer');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $OWN    = $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $t->tenant_id);
my $HOLDS  = '/api/tokens/holds';

sub put ($user, $amount) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $t->tenant_id);
    $db->do(q{SELECT wallet_credit(?, 'tokens', 'admin_grant', ?, NULL, NULL, '{}')}, undef, $user && $user->uuid, $amount);
    $db->commit;
    return;
}
sub hold ($who, $amount, %more) { return $who->post($HOLDS, { amount => $amount, action => 'write', %more }) }
sub held ($who, $amount, %more) { return hold($who, $amount, %more)->json('/data/id') }
sub there_is ($who, $balance, $held, $name, $query = '') {
    my $res = $who->get("/api/tokens/balance$query");
    return is_deeply [ map { $res->json("/data/$_") } qw(balance held) ], [ $balance, $held ], $name;
}
# As if its time were over.
sub end_of ($id) { return $db->do(q{UPDATE wallet_holds SET expires_at = now() - interval '1 second' WHERE number = ?}, undef, $id) }

put($ann, 1000);

subtest 'who may' => sub {
    my $id = held($ann, 10);
    error_is hold($t, 1), 401, 'AUTHENTICATION_ERROR';
    error_is hold($viewer, 1), 403, 'AUTHORIZATION_ERROR', name => 'a viewer spends nothing';
    error_is hold($theirs, 1, company_id => $OWN), 403, 'AUTHORIZATION_ERROR', field => 'company_id', name => 'of another tenant';
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $HOLDS, "$HOLDS/$id";
    error_is $t->post("$HOLDS/$id/$_"), 401, 'AUTHENTICATION_ERROR' for qw(commit release);
    error_is $viewer->post("$HOLDS/$id/$_"), 403, 'AUTHORIZATION_ERROR' for qw(commit release);
    for my $other ($mike, $theirs) {
        error_is $other->get("$HOLDS/$id"), 404, 'NOT_FOUND', name => 'another\'s is none';
        error_is $other->post("$HOLDS/$id/$_"), 404, 'NOT_FOUND' for qw(commit release);
        json_is $other->get($HOLDS), '/data', [];
    }
    error_is $ann->get("$HOLDS/x"), 400, 'VALIDATION_ERROR';
    error_is $ann->get("$HOLDS/999999"), 404, 'NOT_FOUND';
    error_is $ann->post("$HOLDS/999999/commit"), 404, 'NOT_FOUND';
    there_is $ann, 1000, 10, 'nothing of that took any';
    status_is $ann->post("$HOLDS/$id/release"), 200;
};

subtest 'what is malformed is 400' => sub {
    error_is hold($ann, $_), 400, 'VALIDATION_ERROR', field => 'amount' for 0, -1, 1.5, 'many', 1_000_000_000_001;
    error_is hold($ann, 1, expires_in => $_), 400, 'VALIDATION_ERROR', field => 'expires_in' for 0, 86_401, 'soon';
    error_is hold($ann, 1, action => ''), 400, 'VALIDATION_ERROR', field => 'action';
    error_is $ann->post($HOLDS, { amount => 1 }), 400, 'VALIDATION_ERROR', field => 'action';
    my $id = held($ann, 10);
    error_is $ann->post("$HOLDS/$id/commit", { amount => $_ }), 400, 'VALIDATION_ERROR', field => 'amount' for 0, 11, 'x';
    there_is $ann, 1000, 10, 'it is held still';
    status_is $ann->post("$HOLDS/$id/release"), 200;
};

subtest 'what is held is nobody else\'s until it is committed' => sub {
    my $res = hold($ann, 700, reference_id => 'report-1', metadata => { pages => 3 });
    status_is $res, 201;
    my $id = $res->json('/data/id');
    my %is = (id => $id, amount => 700, status => 'held', consumed => undef, transaction_id => undef, action => 'write', reference_id => 'report-1', company_id => undef,
        metadata => { pages => 3 }, expires_at => $TIME, created_at => $TIME);
    json_is $res, '/data', \%is;
    json_is $ann->get("$HOLDS/$id"), '/data', \%is, 'as it is read';
    is $db->selectrow_array('SELECT expires_at - created_at FROM wallet_holds WHERE number = ?', undef, $id), '00:15:00', 'for a quarter of an hour';
    my $short = $ann->post('/api/tokens/consume', { amount => 301, action => 'write' });
    error_is $short, 402, 'INSUFFICIENT_BALANCE';
    is $short->json('/error/details/balance'), 300, 'what is free is told';
    error_is hold($ann, 301), 402, 'INSUFFICIENT_BALANCE', name => 'nor is it held twice';
    status_is $ann->post('/api/tokens/consume', { amount => 300, action => 'write' }), 200, 'the rest is there';
    there_is $ann, 700, 700, 'and all that is left is held';
    my $done = $ann->post("$HOLDS/$id/commit", { amount => 512 });
    json_is $done, '/data', { transaction_id => qr/\A\d+\z/, consumed => 512, balance => 188 };
    there_is $ann, 188, 0, 'what it did not come to is free';
    json_is $ann->get('/api/tokens/transactions'), '/data/0', { id => $done->json('/data/transaction_id'), type => 'consume', amount => -512, balance_after => 188,
        action => 'write', reference_id => 'report-1', company_id => undef, metadata => { pages => 3 }, created_at => $TIME }, 'it is a consumption';
    json_is $ann->get("$HOLDS/$id"), '/data', { %is, status => 'committed', consumed => 512, transaction_id => $done->json('/data/transaction_id') };
    error_is $ann->post("$HOLDS/$id/$_"), 409, 'CONFLICT', name => "$_ once it is committed" for qw(commit release);
    my $whole = held($ann, 100);
    json_is $ann->post("$HOLDS/$whole/commit"), '/data/consumed', 100, 'without an amount all of it';
    there_is $ann, 88, 0, '  is taken';
};

subtest 'what is released is free again' => sub {
    my $id = held($ann, 80);
    json_is $ann->post("$HOLDS/$id/release"), '/data', { id => $id, released => true };
    there_is $ann, 88, 0, 'at once';
    status_is $ann->post("$HOLDS/$id/release"), 200, 'again is harmless';
    there_is $ann, 88, 0, '  and frees nothing more';
    error_is $ann->post("$HOLDS/$id/commit"), 409, 'CONFLICT';
    json_is $ann->get("$HOLDS/$id"), '/data/status', 'released';
};

subtest 'it lets go by itself' => sub {
    my @ids = map { held($ann, 40, expires_in => 60) } 1, 2;
    end_of($_) for @ids;
    json_is $ann->get("$HOLDS/$ids[0]"), '/data/status', 'expired', 'whether or not somebody needed it';
    there_is $ann, 88, 0, 'nothing is held';
    error_is $ann->post("$HOLDS/$ids[0]/commit"), 409, 'CONFLICT', name => 'too late';
    status_is $ann->post("$HOLDS/$ids[1]/release"), 200, 'to release it is harmless';
    end_of(held($ann, 60));
    status_is hold($ann, 88), 201, 'a hold takes what is past its time';
    my $last = $ann->get($HOLDS)->json('/data/0/id');
    end_of($last);
    status_is $ann->post('/api/tokens/consume', { amount => 88, action => 'write' }), 200, 'a consumption, too';
    there_is $ann, 0, 0, 'to the last';
    is $db->selectrow_array('SELECT sum(held) FROM wallets'), 0, 'the wallets\' own sums have it';
};

subtest 'the list' => sub {
    my $all = $ann->get("$HOLDS?limit=3");
    is $all->json('/meta/total'), $db->selectrow_array('SELECT count(*) FROM wallet_holds'), 'all';
    is_deeply [ map { $_->{id} } @{ $all->json('/data') } ], $db->selectcol_arrayref('SELECT number FROM wallet_holds ORDER BY number DESC LIMIT 3'), 'the newest first';
    error_is $ann->get("$HOLDS?limit=0"), 400, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'the tenant\'s own' => sub {
    put(undef, 100);
    my $id = held($ann, 30, company_id => $OWN);
    json_is $ann->get("$HOLDS/$id"), '/data/company_id', $OWN;
    there_is $mike, 100, 30, 'everybody sees it', "?company_id=$OWN";
    json_is $mike->get("$HOLDS?company_id=$OWN"), '/meta/total', 1;
    error_is $theirs->get("$HOLDS?company_id=$OWN"), 403, 'AUTHORIZATION_ERROR', field => 'company_id';
    error_is $theirs->post("$HOLDS/$id/commit"), 404, 'NOT_FOUND';
    json_is $mike->post("$HOLDS/$id/commit"), '/data/balance', 70, 'and whoever spends from it commits it';
};

subtest 'the same request holds once' => sub {
    put($mike, 50);
    my @twice = map { $mike->post($HOLDS, { amount => 20, action => 'write' }, headers => { 'Idempotency-Key' => 'hold-1' })->json('/data/id') } 1, 2;
    is $twice[0], $twice[1], 'one hold';
    there_is $mike, 50, 20, '  of the wallet';
};

subtest 'of many at once none holds what is not there, and one commit wins' => sub {
    my $eve = $t->user('eve', role => 'member');
    put($eve, 1000);
    pipe my $out, my $in or die "pipe: $!\n";
    my @pids;
    for (1 .. 8) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $client = $eve->with(http => $t->http);
            my @said;
            for (1 .. 20) {
                my $res = hold($client, 7);
                push @said, $res->status;
                my $id = $res->json('/data/id') or next;
                $client->post("$HOLDS/$id/" . (rand() < 0.5 ? 'commit' : 'release')) if rand() < 0.5;
            }
            syswrite $in, "@said\n";
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in or die "close: $!\n";
    my %n;
    $n{$_}++ for map { split } <$out>;
    waitpid $_, 0 for @pids;
    is_deeply [ sort grep { !/^(201|402)$/ } keys %n ], [], 'held, or too few';
    my $sums = $db->selectrow_hashref(q{
        SELECT w.balance, w.held, (SELECT sum(t.amount) FROM wallet_transactions t WHERE t.wallet_id = w.id) AS taken,
               (SELECT coalesce(sum(h.amount), 0) FROM wallet_holds h WHERE h.wallet_id = w.id AND h.status = 'held') AS open
        FROM wallets w WHERE w.user_id = ? AND w.unit = 'tokens'}, undef, $eve->uuid);
    is $sums->{balance}, $sums->{taken}, 'the balance is the sum of the transactions';
    is $sums->{held}, $sums->{open}, 'what is held is the sum of the open holds';
    cmp_ok $sums->{held}, '<=', $sums->{balance}, '  and no more than there is';

    put($eve, 1);
    my $one = held($eve, 1);
    my @children = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            POSIX::_exit($eve->with(http => $t->http)->post("$HOLDS/$one/commit")->status == 200 ? 0 : 1);
        }
        $pid
    } 1 .. 6;
    my $won = 0;
    for my $pid (@children) { waitpid $pid, 0; $won++ if !$? }
    is $won, 1, 'of six commits one is carried out';
};
