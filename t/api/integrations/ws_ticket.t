use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Queries;
use Ashlar::Token 'mint';
use Digest::SHA 'sha256_hex';

my $secret = 'the secret of a Supabase project, 32 bytes or more';
my $t      = Api->start(SUPABASE_ISSUER => 'https://abc.supabase.test/auth/v1', SUPABASE_JWT_SECRET => $secret);
my $ann    = $t->user('ann');
my $url    = '/api/v1/app/ws/ticket';
my $sql    = Ashlar::Queries->load;
my $api    = $t->{cluster}->connect($t->{database}, 'ashlar_api');

# What the realtime process does with a ticket.
sub redeem ($ticket, $tenant = $ann->tenant_id) {
    my ($row) = $sql->run($api, realtime_ticket_redeem => tenant => $tenant, hash => '\\x' . sha256_hex($ticket));
    return $row;
}

sub ticket ($user) {
    my $text = $user->post($url)->json('/ticket');
    $t->keep_secret($text);
    return $text;
}

subtest 'a ticket is for whoever is signed in' => sub {
    error_is $t->post($url), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->get($url), 405, 'METHOD_NOT_ALLOWED';
    my $res = $ann->post($url);
    status_is $res, 201;
    json_is $res, '', { ticket => qr/\A[A-Za-z0-9_-]{64}\z/, expires_at => $TIME };
    is $res->header('Cache-Control'), 'no-store', 'and in nobody\'s cache';
    json_is $ann->post('/api/v2/app/ws/ticket'), '/data/ticket', qr/\A[A-Za-z0-9_-]{64}\z/, 'in version 2, too';
    isnt ticket($ann), ticket($ann), 'each is another one';
    $res = $ann->post($url, undef, headers => { 'Idempotency-Key' => 'k' });
    isnt $ann->post($url, undef, headers => { 'Idempotency-Key' => 'k' })->json('/ticket'), $res->json('/ticket'),
        'also under the same Idempotency-Key: no answer of these is kept';
};

subtest 'it is valid for 30 seconds' => sub {
    my $ticket = ticket($ann);
    my ($left) = $t->db->selectrow_array('SELECT extract(epoch FROM expires_at - created_at) FROM realtime_tickets WHERE hash = ?',
        undef, '\\x' . sha256_hex($ticket));
    is $left + 0, 30, 'from when it was made';
    $t->db->do(q{UPDATE realtime_tickets SET expires_at = now() - interval '1 millisecond'});
    is redeem($ticket), undef, 'not afterwards';
};

subtest 'it opens one connection' => sub {
    my $ticket = ticket($ann);
    is redeem($ticket . 'x'), undef, 'not with a character more';
    is redeem($ticket, $t->tenant_id('other')), undef, 'nor in another tenant';
    my $who = redeem($ticket);
    my ($end) = $t->db->selectrow_array('SELECT floor(extract(epoch FROM expires_at)) FROM sessions WHERE id = ?', undef, $ann->session);
    is_deeply $who, { user_id => $ann->uuid, public_id => 'user_ann', session_id => $ann->session, issuer => undef, subject => undef, end_at => $end },
        'as who asked for it, until the session ends';
    is redeem($ticket), undef, 'a second time it does not';
    is_deeply $t->db->selectcol_arrayref(q{SELECT count(*) FROM realtime_tickets WHERE encode(hash, 'escape') LIKE '%' || ? || '%'}, undef, $ticket), [0],
        'its text was never stored';
};

subtest 'of two at once one gets in' => sub {
    my $ticket = ticket($ann);
    my $other  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $api->begin_work;
    ok redeem($ticket), 'the first one';
    $other->do(q{SET lock_timeout = '100ms'});
    ok !eval { $sql->run($other, realtime_ticket_redeem => tenant => $ann->tenant_id, hash => '\\x' . sha256_hex($ticket)); 1 }, 'the second one waits';
    $api->commit;
    is_deeply [ $sql->run($other, realtime_ticket_redeem => tenant => $ann->tenant_id, hash => '\\x' . sha256_hex($ticket)) ], [], 'in vain';
    $other->disconnect;
};

subtest 'whoever may not come in any more does not' => sub {
    my $eve = $t->user('eve');
    my $ticket = ticket($eve);
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $eve->session);
    is redeem($ticket), undef, 'signed out';
    $t->revive($eve);
    ok redeem(ticket($eve)), 'signed in';
    $ticket = ticket($eve);
    $t->db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $eve->uuid);
    is redeem($ticket), undef, 'deactivated';
};

subtest 'a token of another issuer' => sub {
    my $exp = int(time) + 600;
    my $sam = $t->client(token => mint({ iss => 'https://abc.supabase.test/auth/v1', aud => 'authenticated', sub => 'sam', iat => int time, exp => $exp },
        key => $secret));
    my $who = redeem(ticket($sam));
    is $who->{public_id}, 'sam', 'is as good';
    is $who->{end_at},    $exp,  'until it expires: nobody tells us when its session ends';
    is_deeply [ @$who{qw(session_id issuer subject)} ], [ undef, 'https://abc.supabase.test/auth/v1', 'sam' ], 'and whose it is';
    my $ticket = ticket($sam);
    $t->db->do(q{UPDATE users SET is_active = false WHERE public_id = 'sam'});
    is redeem($ticket), undef, 'not when the user was deactivated';
};

$api->disconnect;