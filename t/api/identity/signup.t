use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;
use Ashlar::Ws;
use Time::HiRes 'time';

# Signing up: an account, the workspace that it owns, and what that is subscribed to, or nothing.
my $stripe = Ashlar::Stripe->start;
my $page   = 'https://app.example.com';
my $CLERK  = 'the-secret-of-the-front-end';
my $t      = Api->start($stripe->settings, worker => 1, realtime => 1, SECURITY_LIMITS => 'off', CORS_ORIGINS => $page, CLERK_CHECK_SECRET => $CLERK);
my $db     = $t->db;
my $anon   = $t->client;
my $GOOD   = 'Correct-Horse-7';
my $MICRO  = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $path   = '/api/v1/auth/signup';
my $olive  = $t->team('olive', role => 'owner');
my %price  = (month => $stripe->price(3000), year => $stripe->price(30_000, 'usd', 'year'));
my %plan   = map { my ($name, %body) = @$_; $name => $olive->post('/api/v1/dashboard/plans', { name => $name, %body })->json('/id') }
    [ Pro => price_monthly => 30, price_yearly => 300, stripe_price_id_monthly => $price{month}, stripe_price_id_yearly => $price{year} ], [ Free => is_free => true ], [ Unpriced => price_monthly => 20 ],
    [ Retired => price_monthly => 5, is_active => false ];
$t->keep_secret('sk_test_stub', $CLERK);

sub signup ($email, %with) { return kept($anon->post($path, { email => $email, password => $GOOD, name => 'Nora New', company_name => 'Newhaven', %with })) }
sub kept ($res) { $t->keep_secret(grep { defined } $res->json('/access_token'), $res->json('/refresh_token')) if $res->status == 201; return $res }
sub account ($email) { return $db->selectrow_hashref('SELECT * FROM users WHERE email = ? AND deleted_at IS NULL', undef, $email) }
sub run ($email) { return $db->selectrow_hashref('SELECT * FROM signup_runs WHERE email = ? ORDER BY created_at DESC LIMIT 1', undef, $email) }
sub customers ($email) { return @{ $stripe->ask(GET => 'customers', "email=$email")->{data} } }
sub count ($table) { return scalar $db->selectrow_array("SELECT count(*) FROM $table") }
my @everything = qw(users organizations memberships recordsets subscriptions billing_customers identities sessions);
sub counts () { return { map { $_ => count($_) } @everything } }

subtest 'what is refused makes nothing' => sub {
    my $before = counts();
    error_is signup('new@example.com', %$_), 422, 'VALIDATION_ERROR', field => (keys %$_)[0]
        for { email => 'x' }, { password => 'short' }, { password => 'Password123' }, { name => '' }, { company_name => '' }, { timezone => 'Mars/Olympus' }, { timezone => 'Europe/Atlantis' }, { tier => 'Retired' }, { tier => 'none' },
        { billing_period => 'weekly' }, { success_url => 'https://evil.example.com/' }, { cancel_url => 'https://evil.example.com/' };
    error_is signup('new@example.com', tier => 'Unpriced'), 503, 'SERVICE_UNAVAILABLE';
    $t->user('ann');
    $before->{$_}++ for qw(users sessions);
    error_is signup('ANN@example.com'), 409, 'CONFLICT', field => 'email';
    is_deeply counts(), $before;
    is count('signup_runs'), 0, 'and begins no run';
    is scalar(grep { $_->{path} !~ /prices/ } $stripe->seen), 0, 'nor is Stripe asked';
    my $without = Api->start;
    status_is $without->post($path, { email => 'new@example.com', password => $GOOD, name => 'N', company_name => 'N' }), 201, 'what costs nothing needs no provider';
};

my $id;
subtest 'a workspace that costs nothing' => sub {
    my $res = signup('nora@example.com', phone => '+49 40 5550100', title => 'Shipwright', timezone => 'Europe/Berlin');
    status_is $res, 201;
    $id = $res->json('/workspace/id');
    my $user = account('nora@example.com');
    json_is $res, '', {
        access_token => qr/\./, refresh_token => qr/./, token_type => 'Bearer', expires_in => 3600, subscription => undef, checkout_url => undef, requires_checkout => false,
        user => { id => $user->{id}, email => 'nora@example.com', display_name => 'Nora New', name => 'Nora New', avatar_url => undef, is_active => true, title => 'Shipwright', phone => '+49 40 5550100', bio => undef, email_verified => false, is_staff => false,
            is_superuser => false, active_workspace_id => $id, role => 'owner', last_login_at => qr/./, created_at => qr/./, updated_at => qr/./ },
        workspace => { id => $UUID, name => 'Newhaven', slug => 'newhaven', description => undef, industry => undef, website => undef, logo_url => undef, timezone => 'Europe/Berlin', owner_id => $user->{id}, status => 'active',
            subscription_tier => undef, subscription_status => undef, member_count => 1, settings => {}, role => 'owner', is_current => true, created_at => $MICRO, updated_at => $MICRO },
        member => { id => $UUID, user_id => $user->{id}, workspace_id => $id, email => 'nora@example.com', full_name => 'Nora New', display_name => 'Nora New', avatar_url => undef, role => 'owner', title => 'Shipwright', department => undef,
            phone => '+49 40 5550100', bio => undef, timezone => 'Europe/Berlin', is_active => true, ends_at => undef, onboarding_completed => false, onboarding_step => 0, tours => {}, team_ids => [], joined_at => qr/./, last_active_at => undef, created_at => qr/./, updated_at => qr/./ },
    };
    my $nora = $anon->with(token => $res->json('/access_token'));
    json_is $nora->get('/api/v1/members/me'), '/role', 'owner', 'the token names the workspace';
    is_deeply [ map { "$_->{slug} $_->{type} $_->{permissions}{source}" } $nora->get('/api/v1/recordsets')->json('/items')->@* ], [ map { "$_ $_ workspace_admin" } qw(contacts operators properties) ], 'what it begins with';
    is $db->selectrow_array('SELECT count(*) FROM departments WHERE organization_id = ? AND is_default', undef, $id), 1;
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'organization.create' AND resource_id = ? AND actor_id = ?}, undef, $id, $user->{public_id}), 1, 'put down as theirs';
    status_is kept($anon->post('/api/v1/auth/login', { email => 'nora@example.com', password => $GOOD })), 200, 'the password is theirs';
    status_is $anon->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') }), 200;
    my $run = run('nora@example.com');
    is_deeply [ @$run{qw(kind state step request)} ], [ 'free', 'done', 'done', '{}' ], 'nothing of what was sent is kept';
    is_deeply [ map { $_->{template} } grep { $_->{to} eq 'nora@example.com' } $t->mails ], [], 'and where addresses need not be verified no mail goes';
    json_is signup('nora2@example.com', tier => 'free'), '/subscription', { status => 'active', tier => 'free', trial_ends_at => undef, stripe_subscription_id => undef }, 'a plan by its name';
    json_is signup('nora3@example.com', tier => $plan{Free}), '/workspace/slug', 'newhaven-3', 'or its id';
};

subtest 'the default plan, and verified addresses' => sub {
    $db->do('UPDATE tenant_settings SET default_plan_id = ?, email_verification_required = true WHERE tenant_id = ?', undef, $plan{Free}, $t->tenant_id);
    my $res = signup('vera@example.com');
    json_is $res, '/subscription/tier', 'free';
    my ($mail) = grep { $_->{to} eq 'vera@example.com' } $t->mails;
    is $mail->{template}, 'verify_email';
    $t->keep_secret(@{ $mail->{secrets} }{qw(token code)});
    json_is $anon->post('/api/v1/auth/login', { email => 'vera@example.com', password => $GOOD }), '/error/code', 'EMAIL_NOT_VERIFIED';
    status_is $anon->post('/api/v1/auth/verify-email-with-token', { token => $mail->{secrets}{token} }), 200;
    status_is kept($anon->post('/api/v1/auth/login', { email => 'vera@example.com', password => $GOOD })), 200, 'verified by it';
    $db->do('UPDATE tenant_settings SET default_plan_id = NULL, email_verification_required = false WHERE tenant_id = ?', undef, $t->tenant_id);
};

subtest 'with a card' => sub {
    my $res = signup('card@example.com', tier => 'Pro', payment_method_id => 'pm_card_visa', affiliate_code => 'harbour-blog');
    status_is $res, 201;
    my ($customer) = customers('card@example.com');
    my ($sub) = @{ $stripe->ask(GET => 'subscriptions', "customer=$customer->{id}")->{data} };
    json_is $res, '/subscription', { status => 'trialing', tier => 'pro', trial_ends_at => qr/./, stripe_subscription_id => $sub->{id} };
    json_is $res, '/checkout_url', undef;
    json_is $res, '/workspace/subscription_status', 'trialing';
    is $sub->{trial_end} - $sub->{trial_start}, 3 * 86_400, 'three days of trial';
    is_deeply [ @{ $sub->{metadata} }{qw(organization_id tier cycle affiliate_code surface)} ], [ $res->json('/workspace/id'), 'pro', 'month', 'harbour-blog', 'workspace' ];
    is run('card@example.com')->{affiliate_code}, 'harbour-blog';
    my @posts = grep { $_->{method} eq 'POST' && $_->{path} =~ /customers|subscriptions/ && $_->{body} =~ /card%40example/ } $stripe->seen;
    ok $posts[0]{headers}{'idempotency-key'}, 'under a key';
    $stripe->told_to($t);
    is $db->selectrow_array('SELECT count(*) FROM subscriptions WHERE organization_id = ?', undef, $res->json('/workspace/id')), 1, 'what Stripe tells of it later is the same one';
    is count('signup_invites'), 0;
    json_is signup('year@example.com', tier => 'pro', billing_period => 'yearly', payment_method_id => 'pm_card_visa'), '/subscription/status', 'trialing';
    is $db->selectrow_array(q{SELECT interval FROM subscriptions s JOIN organizations o ON o.id = s.organization_id ORDER BY s.created_at DESC LIMIT 1}), 'year';
};

subtest 'a card that is declined leaves nothing' => sub {
    my $before = counts();
    error_is signup('poor@example.com', tier => 'Pro', payment_method_id => 'pm_card_chargeDeclined'), 402, 'PAYMENT_DECLINED', reason => 'generic_decline';
    error_is signup('odd@example.com', tier => 'Pro', payment_method_id => 'pm_none'), 422, 'VALIDATION_ERROR', field => 'payment_method_id';
    is_deeply counts(), $before;
    eventually { !$db->selectrow_array('SELECT count(*) FROM signup_runs WHERE ended_at IS NULL') } 10, 'the runs end';
    is run('poor@example.com')->{state}, 'failed';
    is customers('poor@example.com'), 0;
    status_is signup('poor@example.com', tier => 'Pro', payment_method_id => 'pm_card_visa'), 201, 'another card will do';
};

subtest 'a page to pay on' => sub {
    my $res = signup('cart@example.com', tier => 'Pro', success_url => "$page/paid#now", cancel_url => "$page/pricing");
    status_is $res, 201;
    json_is $res, '/requires_checkout', true;
    json_is $res, '/subscription', { status => 'incomplete', tier => 'pro', trial_ends_at => undef, stripe_subscription_id => undef };
    like $res->json('/checkout_url'), qr{\Ahttps://checkout\.stripe\.com/};
    my ($customer) = customers('cart@example.com');
    my ($session) = @{ $stripe->ask(GET => 'checkout/sessions', "customer=$customer->{id}")->{data} };
    is $session->{success_url}, "$page/paid#now";
    $stripe->command(complete => { session => $session->{id} });
    $stripe->told_to($t);
    my $token = $anon->with(token => $res->json('/access_token'));
    json_is $token->get('/api/v1/workspaces/' . $res->json('/workspace/id')), '/subscription_status', 'trialing', 'active once it is paid';
    is count('signup_invites'), 0, 'and nobody is invited';
    my $plain = signup('plain@example.com', tier => 'Pro');
    my ($other) = customers('plain@example.com');
    is $stripe->ask(GET => 'checkout/sessions', "customer=$other->{id}")->{data}[0]{success_url}, $t->{env}{PUBLIC_URL}, 'without pages it leads here';
};

subtest 'Stripe fails half way' => sub {
    $t->expect_log(qr/Stripe|EXTERNAL|breaker/);
    my $before = counts();
    for my $fail ({ lose => 'after' }, { status => 500 }) {
        $stripe->command(fail => [ { match => 'POST /v1/subscriptions$', times => 3, %$fail } ]);
        error_is signup('half@example.com', tier => 'Pro', payment_method_id => 'pm_card_visa'), 502, 'EXTERNAL_SERVICE_ERROR';
        $stripe->command(fail => []);
        eventually { run('half@example.com')->{state} eq 'failed' } 10, 'it is undone';
        is customers('half@example.com'), 0, 'the customer is gone';
        is scalar(grep { $_->{status} !~ /canceled/ && $_->{metadata}{signup_run} eq run('half@example.com')->{id} } @{ $stripe->ask(GET => 'subscriptions', 'status=all&limit=100')->{data} }), 0, 'and its subscription has ended';
    }
    is_deeply counts(), $before, 'nothing else is left';
    status_is signup('half@example.com', tier => 'Pro', payment_method_id => 'pm_card_visa'), 201, 'and it can be tried again';
};

subtest 'two at once for one address' => sub {
    $t->expect_log(qr/CONFLICT|signup/);
    my @made = map { $db->selectrow_array(q{INSERT INTO signup_runs (tenant_id, kind, email, email_key, request, due_at) VALUES (?, 'card', 'race@example.com', 'race@example.com', '{}', now()) RETURNING id}, undef, $t->tenant_id) } 1;
    status_is signup('race@example.com'), 201, 'a run that stands still keeps nobody out';
    $db->selectrow_array('SELECT signup_sweep()');
    eventually { $db->selectrow_array('SELECT state FROM signup_runs WHERE id = ?', undef, $made[0]) eq 'failed' } 10, 'and is undone by the clock';
    ok account('race@example.com'), 'without harm to who was faster';

    # As the worker asks, which is nobody's tenant: one question, whatever tenants there are.
    my $begin = sub ($tenant, $due, $ended, $sealed) {
        $db->selectrow_array(q{INSERT INTO signup_runs (tenant_id, kind, state, email, email_key, request, due_at, ended_at, sealed) VALUES (?, 'card', ?, 'left@example.com', 'left@example.com', '{}', now() + ?::interval, now() + ?::interval, ?) RETURNING id},
            undef, $t->tenant_id($tenant), defined $ended ? 'done' : 'running', $due, $ended, $sealed);
    };
    my %left = map { $_ => [ $begin->($_, '-1 second', undef, undef), $begin->($_, '1 hour', undef, undef), $begin->($_, '-1 hour', '-11 minutes', 'x'), $begin->($_, '-1 hour', '-9 minutes', 'x') ] } qw(north south);
    my $api  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $api->selectrow_array('SELECT signup_sweep()');
    is $api->selectrow_array(q{SELECT coalesce(current_setting('app.tenant_id', true), '')}), '', '  and it is in none behind that';
    $api->disconnect;
    for my $tenant (qw(north south)) {
        my @of = @{ $left{$tenant} };
        eventually { $db->selectrow_array('SELECT state FROM signup_runs WHERE id = ?', undef, $of[0]) eq 'failed' } 10, "one of $tenant is undone";
        is $db->selectrow_array('SELECT tenant_id FROM jobs WHERE kind = ? AND payload ->> ? = ?', undef, 'signup', 'run', $of[0]) // $t->tenant_id($tenant), $t->tenant_id($tenant), '  in its tenant';
        is $db->selectrow_array('SELECT state FROM signup_runs WHERE id = ?', undef, $of[1]), 'running', '  another one has its time';
        is_deeply $db->selectcol_arrayref('SELECT sealed FROM signup_runs WHERE id = ANY (?) ORDER BY ended_at', undef, [ @of[ 2, 3 ] ]), [ undef, 'x' ], '  tokens are forgotten behind ten minutes, and not before';
    }
};

#
# By an invite
#

my $n = 0;
sub invited ($email, %more) {
    my $form = join '&', 'mode=subscription', 'success_url=https://shop.example.com/', "line_items[0][price]=$price{month}", 'line_items[0][quantity]=1', map { "$_=$more{$_}" } sort keys %more;
    my $session = $stripe->ask(POST => 'checkout/sessions', $form)->{id};
    $stripe->command(complete => { session => $session, email => $email });
    $stripe->told_to($t);
    my ($mail) = reverse grep { $_->{to} eq $email && $_->{template} eq 'signup_invite' } $t->mails;
    $t->keep_secret(@{ $mail->{secrets} }{qw(token code)});
    return $mail->{secrets}{token};
}
sub use_invite ($code, %with) {
    my %all = (invite_code => $code, password => $GOOD, name => 'Pat Paid', %with);
    return kept($anon->post("$path/stripe-invite", { map { defined $all{$_} ? ($_ => $all{$_}) : () } keys %all }));
}

subtest 'who has paid' => sub {
    my $code = invited('pat@example.com', 'metadata[company_name]' => 'Paid%20Works');
    for my $at ("$path/stripe-invite", "$path/stripe-invite/async") {
        my $try = sub (%with) { return $anon->post($at, { invite_code => $code, password => $GOOD, name => 'Pat', %with }) };
        error_is $try->(invite_code => $_), 404, 'NOT_FOUND', field => 'invite_code' for 'x', 'A' x 64;
        error_is $anon->post($at, { invite_code => $code, name => 'Pat' }), 422, 'VALIDATION_ERROR';
        error_is $try->(password => 'Password123'), 422, 'VALIDATION_ERROR', field => 'password';
        error_is $try->(timezone => 'Europe/Atlantis'), 422, 'VALIDATION_ERROR', field => 'timezone';
        error_is $try->(email => 'nora@example.com'), 409, 'CONFLICT', field => 'email';
        $db->do(q{UPDATE signup_invites SET expires_at = now()});
        error_is $try->(), 410, 'GONE', field => 'invite_code';
        $db->do(q{UPDATE signup_invites SET expires_at = now() + interval '1 day'});
    }
    my $asked = () = $stripe->seen;
    my $res = use_invite($code, phone => '5550100');
    status_is $res, 201;
    json_is $res, '/workspace/name', 'Paid Works', 'called as the invite has it';
    json_is $res, '/user/email_verified', true, 'the mail has verified the address';
    json_is $res, '/subscription/status', 'active';
    json_is $res, '/subscription/tier', 'pro';
    json_is $res, '/requires_checkout', false;
    is_deeply [ map { "$_->{method} $_->{path}" } grep { $_->{method} eq 'POST' } ($stripe->seen)[ $asked .. -1 + (() = $stripe->seen) ] ], [], 'nothing is paid again';
    is $res->json('/subscription/stripe_subscription_id'), $db->selectrow_array('SELECT provider_id FROM signup_invites WHERE organization_id = ?', undef, $res->json('/workspace/id')), 'it is the one that was paid';
    for my $at ("$path/stripe-invite", "$path/stripe-invite/async") {
        error_is $anon->post($at, { invite_code => $code, password => $GOOD, name => 'Pat', email => 'again@example.com' }), 409, 'CONFLICT', field => 'invite_code', name => 'once';
    }
    is account('again@example.com'), undef;
};

subtest 'another address, and accounts that are nobody\'s' => sub {
    my $res = use_invite(invited('office@example.com'), email => 'boss@example.com', company_name => 'Own');
    json_is $res, '/user/email', 'boss@example.com';
    json_is $res, '/user/email_verified', false, 'of which the mail says nothing';
    my $eve = $t->user('eve', columns => { email => 'squat@example.com' });
    my $code = invited('squat@example.com');
    my $in = use_invite($code);
    status_is $in, 201, 'who squats on an address does not keep its owner out';
    error_is $eve->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => '  and is out';
    my $mallory = $t->user('mallory', columns => { email => 'mallory@example.com' });
    error_is use_invite(invited('rich@example.com'), email => 'mallory@example.com'), 409, 'CONFLICT', field => 'email', name => 'an invite opens no account of another address';
};

subtest 'with Clerk' => sub {
    my $res = use_invite(invited('clerk@example.com'), password => undef, clerk_id => 'user_1');
    status_is $res, 201;
    ok account('clerk@example.com')->{password_hash}, 'a password that nobody knows';
    is $db->selectrow_array(q{SELECT count(*) FROM identities WHERE subject = 'user_1'}), 0, 'whose the id is nobody has vouched for';
    my $vouched = kept($anon->post("$path/stripe-invite", { invite_code => invited('clerk2@example.com'), clerk_id => 'user_2', name => 'C' }, headers => { 'X-Clerk-Secret' => $CLERK }));
    status_is $vouched, 201;
    is $db->selectrow_array(q{SELECT u.email FROM identities i JOIN users u ON u.id = i.user_id WHERE i.subject = 'user_2'}), 'clerk2@example.com';
    error_is $anon->post("$path/stripe-invite", { invite_code => invited('clerk3@example.com'), clerk_id => 'user_2', name => 'C' }, headers => { 'X-Clerk-Secret' => $CLERK }), 409, 'CONFLICT', field => 'clerk_id';
    is account('clerk3@example.com'), undef;
};

subtest 'the subscription has ended meanwhile' => sub {
    my $code = invited('late@example.com');
    my $sub = $db->selectrow_array(q{SELECT provider_id FROM signup_invites WHERE email = 'late@example.com'});
    $stripe->ask(DELETE => "subscriptions/$sub");
    error_is use_invite($code), 410, 'GONE', field => 'invite_code';
    is account('late@example.com'), undef;
};

#
# Followed
#

sub begin ($code, %with) {
    my $res = $anon->post("$path/stripe-invite/async", { invite_code => $code, password => $GOOD, name => 'Fay Follow', company_name => 'Followed', %with });
    $t->keep_secret($res->json('/job_id')) if $res->status == 200;
    return $res;
}
sub follow ($url, %header) { return Ashlar::Ws->open($t, $url, Upgrade => undef, Connection => 'close', Accept => 'text/event-stream', %header) }

# All events until the stream ends.
sub events ($s, $seconds = 20) {
    my $until = time + $seconds;
    while (time < $until) { last if !$s->_read(1) && $s->{is_over} }
    ok $s->{is_over}, 'the stream ends by itself';
    my @all = map { Cpanel::JSON::XS->new->utf8->decode($_) } $s->{in} =~ /^data: (.*)$/mg;
    for (@all) { my $result = $_->{result}; $t->keep_secret(map { $result->{$_} // () } qw(access_token refresh_token)) }
    return @all;
}

subtest 'a sign-up that is followed' => sub {
    my $res = begin(invited('fay@example.com'));
    json_is $res, '', { job_id => qr/\A[\w-]{64}\z/, status => 'RUNNING', stream_url => qr{\A/api/v1/auth/signup/jobs/[\w-]{64}/stream\z} };
    my $s = follow($res->json('/stream_url'));
    is $s->status, 200;
    is $s->header('Content-Type'), 'text/event-stream';
    my @all = events($s);
    unlike $s->{in}, qr/^event:/m, 'its messages have no name';
    my @order = ('validating 5', 'creating_user 20', 'creating_workspace 35', 'running_migrations 60', 'seeding_data 75', 'linking_subscription 90', 'done 100');
    my @seen = map { "$_->{current_step} $_->{progress}" } @all;
    is "@seen", join(' ', @order[ @order - @seen .. $#order ]), 'the steps, in order, from where it began to listen';
    my $last = $all[-1];
    my $user = account('fay@example.com');
    is_deeply [ @$last{qw(job_id status error_message)} ], [ $res->json('/job_id'), 'COMPLETED', undef ];
    is_deeply [ sort keys %{ $last->{result} } ], [qw(access_token message refresh_token workspace_id workspace_name)];
    is $last->{result}{workspace_name}, 'Followed';
    is_deeply [ map { $_->{status} } @all[ 0 .. $#all - 1 ] ], [ ('RUNNING') x $#all ];
    is_deeply [ grep { exists $_->{result}{access_token} } @all[ 0 .. $#all - 1 ] ], [], 'tokens in the last one alone';
    my $fay = $anon->with(token => $last->{result}{access_token});
    json_is $fay->get('/api/v1/members/me'), '/workspace_id', $last->{result}{workspace_id};
    status_is $anon->post('/api/v1/auth/refresh', { refresh_token => $last->{result}{refresh_token} }), 200;
    json_is $fay->get("/api/v1/workspaces/$last->{result}{workspace_id}"), '/subscription_status', 'active';
    is $db->selectrow_array('SELECT s.ip IS NOT NULL FROM sessions s WHERE s.user_id = ? ORDER BY s.created_at LIMIT 1', undef, $user->{id}), 1, 'the session is from where they asked';

    my @late = events(follow($res->json('/stream_url')));
    is_deeply \@late, [$last], 'who comes late gets the last event at once';
    my $kept = run('fay@example.com');
    unlike join(' ', map { $_ // '' } values %$kept), qr/\Q$last->{result}{access_token}\E|\Q$last->{job_id}\E|scrypt/, 'the table has neither tokens, nor the job id, nor the password';
    is $db->selectrow_array('SELECT count(*) FROM realtime_messages WHERE payload::text LIKE ?', undef, "%$last->{result}{refresh_token}%"), 0, 'nor has the outbox';
    $db->do(q{UPDATE signup_runs SET ended_at = now() - interval '10 minutes 1 second' WHERE id = ?}, undef, $kept->{id});
    is follow($res->json('/stream_url'))->status, 404, 'ten minutes later it is gone';
    $db->selectrow_array('SELECT signup_sweep()');
    is run('fay@example.com')->{sealed}, undef, 'with the tokens';
    is follow("$path/jobs/$_/stream")->status, 404, $_ for 'x', $kept->{id}, 'A' x 64;
    is follow($res->json('/stream_url'), Origin => 'https://evil.example.com')->status, 404;
};

subtest 'one that fails' => sub {
    my $code = invited('gone@example.com');
    $stripe->ask(DELETE => 'subscriptions/' . $db->selectrow_array(q{SELECT provider_id FROM signup_invites WHERE email = 'gone@example.com'}));
    my $res = begin($code);
    my @all = events(follow($res->json('/stream_url')));
    is_deeply [ @{ $all[-1] }{qw(status current_step)} ], [ 'FAILED', 'validating' ];
    like $all[-1]{error_message}, qr/has ended/;
    is account('gone@example.com'), undef;
    is_deeply [ events(follow($res->json('/stream_url'))) ]->[-1]{error_message}, $all[-1]{error_message}, 'which is told again';
};

subtest 'the invite is used once, however often it is tried' => sub {
    my $code = invited('twice@example.com');
    $db->do(q{INSERT INTO signup_runs (tenant_id, kind, email, request, invite_id, due_at) SELECT tenant_id, 'invite', 'x@example.com', '{}', id, now() + interval '1 hour' FROM signup_invites WHERE email = 'twice@example.com'});
    error_is use_invite($code), 409, 'CONFLICT', field => 'invite_code', name => 'while another one uses it';
    error_is begin($code), 409, 'CONFLICT', field => 'invite_code';
    $db->do(q{UPDATE signup_runs SET due_at = now() WHERE email = 'x@example.com'});
    $db->selectrow_array('SELECT signup_sweep()');
    eventually { run('x@example.com')->{state} eq 'failed' } 10, 'which did not come to an end';
    status_is use_invite($code), 201, 'then it is free again';
};

subtest 'Stripe is away for a moment' => sub {
    $t->expect_log(qr/Stripe|EXTERNAL|signup/);
    my $code = invited('moment@example.com');
    $stripe->command(fail => [ { match => 'GET /v1/subscriptions', times => 3, status => 500 } ]);
    my $res = begin($code);
    eventually { scalar $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'signup' AND state = 'scheduled'}) } 10, 'it is to be tried again';
    $db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'signup' AND state = 'scheduled'});
    is [ events(follow($res->json('/stream_url'))) ]->[-1]{status}, 'COMPLETED';
};
