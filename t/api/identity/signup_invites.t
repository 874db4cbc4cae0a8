use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

# Who has paid at Stripe and has no account is invited to make one.
my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings, worker => 1, SECURITY_LIMITS => 'off');
my $db     = $t->db;
my $anon   = $t->client;
my $MICRO  = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $HOUR   = 'UPDATE signup_invites SET mailed_at = now() - interval \'61 minutes\' WHERE email = ?';
my $olive  = $t->team('olive', role => 'owner');
my $price  = $stripe->price(3000);
$olive->post('/api/v1/dashboard/plans', { name => 'Pro', price_monthly => 30, stripe_price_id_monthly => $price });
$t->keep_secret('sk_test_stub');

# A checkout that somebody has opened elsewhere, with these parameters beside, is paid for by that address.
sub paid ($email, %more) {
    my $form = join '&', 'mode=subscription', 'success_url=https://shop.example.com/', "line_items[0][price]=$price", 'line_items[0][quantity]=1', map { "$_=$more{$_}" } sort keys %more;
    my $session = $stripe->ask(POST => 'checkout/sessions', $form)->{id};
    $stripe->command(complete => { session => $session, email => $email });
    $stripe->told_to($t);
    return;
}
sub invites ($email) { return @{ $db->selectall_arrayref('SELECT * FROM signup_invites WHERE email = ? ORDER BY created_at', { Slice => {} }, $email) } }
sub mails ($email) { return grep { $_->{to} eq $email && $_->{template} eq 'signup_invite' } $t->mails }
sub codes ($email) {
    my ($mail) = reverse mails($email);
    $t->keep_secret(@{ $mail->{secrets} }{qw(token code)});
    return @{ $mail->{secrets} }{qw(token code)};
}
sub lookup ($email, $code) { return $anon->post('/api/v1/auth/lookup-invite', { email => $email, access_code => $code }) }
sub show ($code) { return $anon->get("/api/v1/auth/signup/stripe-invite/$code") }

subtest 'who has paid is invited' => sub {
    paid('Pat@Example.com', 'metadata[company_name]' => 'Paid%20Works');
    my ($invite) = invites('pat@example.com');
    is_deeply { map { $_ => $invite->{$_} } qw(tier tier_name interval company_name email_key used_at) },
        { tier => 'pro', tier_name => 'Pro', interval => 'month', company_name => 'Paid Works', email_key => 'pat@example.com', used_at => undef }, 'with what was bought';
    my ($mail) = mails('pat@example.com');
    my ($code, $access) = codes('pat@example.com');
    like $mail->{secrets}{link}, qr{/sign-up\.html\?token=\Q$code\E\z};
    like $access, qr/\A[2-9A-HJ-NP-Z]{8}\z/, 'a code that can be typed';
    is $mail->{data}{plan}, 'Pro';
    unlike join(' ', map { $_ // '' } values %$invite), qr/$access|\Q$code\E/, 'neither code is in the table';
    $db->do(q{UPDATE webhook_events SET state = 'received'});
    $stripe->told_to($t, grep { $_->{type} eq 'checkout.session.completed' } $stripe->ask(GET => 'events', 'limit=100')->{data}->@*);
    is scalar(invites('pat@example.com')) . scalar(mails('pat@example.com')), 11, 'once, however often it is told';
};

subtest 'who is somebody here is not' => sub {
    my $ann = $t->user('ann', columns => { is_email_verified => 't' });
    paid($ann->email);
    is invites($ann->email), 0, 'who has an account';
    paid('org@example.com', 'metadata[organization_id]' => '00000000-0000-7000-8000-00000000dead');
    paid('user@example.com', client_reference_id => 'user_ann');
    is invites("$_\@example.com"), 0, "whose $_ is named" for qw(org user);
    $t->user('eve', columns => { email => 'squat@example.com' });
    paid('squat@example.com');
    is invites('squat@example.com'), 1, 'an account that nobody has proved to be theirs is as good as none';
};

subtest 'what the invite is about' => sub {
    my ($code) = codes('pat@example.com');
    json_is show($code), '', { invite_code => $code, email => 'pat@example.com', name => undef, company_name => 'Paid Works', tier => 'pro', tier_name => 'Pro', billing_period => 'monthly', status => 'pending',
        expires_at => $MICRO, created_at => $MICRO } for 1, 2;
    error_is show($_), 404, 'NOT_FOUND', name => $_ for 'x', $code =~ s/.\z/$& eq '_' ? '-' : '_'/er, 'A' x 64;
    $db->do(q{UPDATE signup_invites SET used_at = now() WHERE email = 'pat@example.com'});
    error_is show($code), 409, 'CONFLICT', field => 'invite_code';
    $db->do(q{UPDATE signup_invites SET used_at = NULL, expires_at = now() WHERE email = 'pat@example.com'});
    error_is show($code), 410, 'GONE', field => 'invite_code';
    $db->do(q{UPDATE signup_invites SET expires_at = now() + interval '1 day' WHERE email = 'pat@example.com'});
};

subtest 'found again with the access code' => sub {
    my ($code, $access) = codes('pat@example.com');
    my %found = (found => true, email => 'pat@example.com', status => 'pending');
    my %whole = (%found, invite_code => $code, registration_url => qr{/sign-up\.html\?token=\Q$code\E\z});
    json_is lookup('PAT@example.com', $_), '', {%whole}, "typed as $_" for $access, lc $access, substr($access, 0, 4) . '-' . substr($access, 4);
    error_is lookup('x', 'y'), 422, 'VALIDATION_ERROR', field => 'email';
    error_is $anon->post('/api/v1/auth/lookup-invite', { email => 'pat@example.com' }), 422, 'VALIDATION_ERROR', field => 'access_code';
    json_is lookup('nobody@example.com', $access), '', { found => false, invite_code => undef, email => undef, status => undef, registration_url => undef };

    my %hidden = (%found, invite_code => undef, registration_url => undef);
    json_is lookup('pat@example.com', $_), '', {%hidden}, "with $_ it is found, and not told" for 'WRONG', "${access}A", substr($access, 1);
    is scalar(mails('pat@example.com')), 1, 'the mail has just been sent';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'signup_invite.mismatch'}), 3, 'each is put down';
    $db->do($HOUR, undef, 'pat@example.com');
    json_is lookup('pat@example.com', 'WRONG'), '', {%hidden} for 1, 2;
    is scalar(mails('pat@example.com')), 2, 'an hour later it goes again, once';
    is_deeply [ codes('pat@example.com') ], [ $code, $access ], 'with the same codes';
    for my $status (qw(used expired)) {
        $db->do(q{UPDATE signup_invites SET mailed_at = now() - interval '2 hours', used_at = CASE WHEN ? = 'used' THEN now() END, expires_at = now() WHERE email = 'pat@example.com'}, undef, $status);
        json_is lookup('pat@example.com', $_), '', { %hidden, status => $status }, "$status: no code to tell" for $access, 'WRONG';
    }
    is scalar(mails('pat@example.com')), 2, 'and no mail';
};

subtest 'of several the newest that is pending' => sub {
    paid('two@example.com');
    my ($first, $one) = codes('two@example.com');
    paid('two@example.com');
    my ($second, $two) = codes('two@example.com');
    isnt $first, $second;
    json_is lookup('two@example.com', $two), '/invite_code', $second;
    json_is lookup('two@example.com', $one), '/invite_code', undef;
    $db->do('UPDATE signup_invites SET used_at = now() WHERE hash = sha256(?::bytea)', undef, $second);
    json_is lookup('two@example.com', $one), '/invite_code', $first;
};

subtest 'ten a minute' => sub {
    my $strict = Api->start($stripe->settings, SECURITY_LIMITS => 'on');
    $strict->post('/api/v1/auth/lookup-invite', { email => 'nobody@example.com', access_code => 'x' }) for 1 .. 9;
    my @last = map { $strict->post('/api/v1/auth/lookup-invite', { email => "nobody$_\@example.com", access_code => 'x' }) } 10, 11;
    status_is $last[0], 200;
    error_is $last[1], 429, 'RATE_LIMIT_EXCEEDED';
};

subtest 'Stripe is away: it is asked again' => sub {
    $t->expect_log(qr/Stripe|webhook.in|EXTERNAL/);
    $stripe->command(fail => [ { match => 'GET /v1/subscriptions', times => 1000, status => 500 } ]);
    my $session = $stripe->ask(POST => 'checkout/sessions', "mode=subscription&success_url=https://shop.example.com/&line_items[0][price]=$price&line_items[0][quantity]=1")->{id};
    $stripe->command(complete => { session => $session, email => 'late@example.com' });
    $stripe->deliver($t);
    eventually { scalar $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'webhook.in' AND state = 'scheduled'}) } 10, 'the job is to be tried again';
    is invites('late@example.com'), 0;
    $stripe->command(fail => []);
    $db->do(q{UPDATE jobs SET run_at = now() WHERE kind IN ('webhook.in', 'billing.look') AND state = 'scheduled'});
    eventually { scalar invites('late@example.com') } 10, 'and then the invite is made';
};
