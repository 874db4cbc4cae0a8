# What received webhooks come to: the same, whatever order they come in and however often.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Cpanel::JSON::XS ();
use List::Util 'shuffle';
use Test::More;
use Unicode::Normalize qw(NFC NFD);

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $api     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $json    = Cpanel::JSON::XS->new->canonical;
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my $CLERK   = 'https://clerk.example.com';
my $SUPABASE = 'https://supabase.example.com/auth/v1';
my $PACKAGE = 'com.example.app';
my $yes     = Cpanel::JSON::XS::true();

srand 42;

# Everything that a piece of code does in the database, undone.
sub undone ($code) {
    $api->begin_work;
    $api->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $TENANT);
    my $result = eval { $code->() };
    my $error = $@;
    $api->rollback;
    die $error if $error;    ## no critic (RequireCarping)
    return $result;
}

# Store an event as the api does, and process it as the worker does; its row.
sub process (@events) {
    my $row;
    for my $e (@events) {
        my ($provider, $id, $type, $payload, %more) = @$e;
        $sql->run($api, webhook_event_store => provider => $provider, event_id => $id, type => $type, object_key => $more{object},
            occurred_ms => $more{at}, payload => $json->encode($payload), signed => undef, raw => undef, problem => undef);
        my ($event) = $api->selectrow_array('SELECT id FROM webhook_events WHERE provider = ? AND event_id = ?', undef, $provider, $id);
        my %with = (event => $event, clerk_issuer => $CLERK, supabase_issuer => $SUPABASE, plays => "{$PACKAGE}");
        my ($asked) = $sql->run($api, webhook_event_process => %with);
        $sql->run($api, webhook_event_process => %with, play => $json->encode($more{play})) if $asked->{package};
        # What lib/base/email.h makes of these.
        $sql->run($api, webhook_event_process => %with, email => $_, email_key => $_) for map { NFC(lc) } $asked->{address} // ();
        $row = $api->selectrow_hashref('SELECT * FROM webhook_events WHERE id = ?', undef, $event);
    }
    return $row;
}

# What the events have made, without what is random or a clock's.
sub state_now () {
    return $json->encode([
        map { $api->selectall_arrayref($_) }
            q{SELECT public_id, email, is_email_verified, full_name, avatar_url, role, is_active, deleted_at IS NOT NULL FROM users ORDER BY public_id},
            q{SELECT issuer, subject, email, full_name, avatar_url, is_banned, deleted_at IS NOT NULL FROM identity_profiles ORDER BY issuer, subject},
            q{SELECT provider, event_id, object_key, kind, rank, extract(epoch FROM occurred_at), customer, account, product, status, extract(epoch FROM ends_at),
                     is_ending, amount_cents, currency, environment, data FROM subscription_events ORDER BY provider, object_key, occurred_at, rank, event_id},
    ]);
}

# All of these, in so many orders and with some of them twice, end as they do in the given one.
sub converges ($n, @events) {
    my $want = undone(sub { process(@events); return state_now() });
    my %ends;
    for (1 .. $n) {
        my @order = shuffle @events, grep { rand() < 0.3 } @events;
        my $got = undone(sub { process(@order); return state_now() });
        $ends{$got} //= join ' ', map { $_->[1] } @order;
    }
    is_deeply [ keys %ends ], [$want], "$n orders of " . @events . ' events, some of them twice, end the same'
        or diag join "\n", map { "$ends{$_}: $_" } keys %ends;
    return $want;
}

# Clerk's events of a user; at is when the user was changed, in seconds from a start.
my $n = 0;
sub clerk ($type, $id, $at, %user) {
    my @addresses = map { { id => "idn_$_", email_address => $_, verification => { status => $user{unverified} ? 'unverified' : 'verified' } } } grep { $_ } $user{email}, 'second@example.com';
    my %data = $type eq 'user.deleted' ? (id => $id, object => 'user', deleted => $yes) : (
        id => $id, object => 'user', updated_at => (1_700_000_000 + $at) * 1000, created_at => 1_700_000_000_000, first_name => $user{first}, last_name => $user{last},
        image_url => $user{image}, banned => $user{banned} ? $yes : Cpanel::JSON::XS::false(), email_addresses => \@addresses,
        primary_email_address_id => $user{email} ? "idn_$user{email}" : undef,
    );
    return [ clerk => sprintf('msg_%02d_%s_%s', ++$n, $id, $type), $type, { type => $type, object => 'event', data => \%data }, object => $id ];
}

sub supabase ($type, $id, $at, %row) {
    my $time = defined $at ? sprintf '2026-01-31T12:00:%02d.123456+00:00', $at : undef;
    my %all = (id => $id, updated_at => $time, email => $row{email}, email_confirmed_at => $row{unverified} ? undef : '2026-01-01T00:00:00Z', banned_until => $row{banned_until},
        deleted_at => $row{deleted_at}, raw_user_meta_data => { full_name => $row{name}, avatar_url => $row{image} });
    return [ supabase => sprintf('%064d', ++$n), "$type auth.users",
        { type => $type, schema => 'auth', table => 'users', record => $type eq 'DELETE' ? undef : \%all, old_record => $type eq 'INSERT' ? undef : \%all }, object => $id ];
}

sub user ($public_id) {
    return $api->selectrow_hashref('SELECT * FROM users WHERE public_id = ?', undef, $public_id);
}

subtest 'a user of Clerk\'s' => sub {
    undone(sub {
        my $e = process(clerk('user.created', 'user_a', 1, email => 'Ann@Example.com', first => 'Ann', last => 'Lee', image => 'https://img.example.com/a'));
        is $e->{state}, 'processed', 'created';
        my $u = user('user_a');
        is_deeply { map { $_ => $u->{$_} } qw(email is_email_verified full_name avatar_url role is_active) },
            { email => 'ann@example.com', is_email_verified => 1, full_name => 'Ann Lee', avatar_url => 'https://img.example.com/a', role => 'user', is_active => 1 }, '  as Clerk has them';
        is_deeply $api->selectall_arrayref('SELECT issuer, subject FROM identities WHERE user_id = ?', undef, $u->{id}), [ [ $CLERK, 'user_a' ] ], '  with the identity that a token of theirs names';
        $sql->run($api, user_provision => tenant => $TENANT, issuer => $CLERK, subject => 'user_a', email => 'ann@example.com');
        is $api->selectrow_array('SELECT count(*) FROM users'), 1, '  so that signing in finds them';

        process(clerk('user.updated', 'user_a', 2, email => 'ann.lee@example.com', first => 'Ann', image => 'javascript:x'));
        $u = user('user_a');
        is_deeply [ @$u{qw(email full_name avatar_url)} ], [ 'ann.lee@example.com', 'Ann', undef ], 'updated; a picture that is none is left out';
        process(clerk('user.updated', 'user_a', 3, email => 'ann.lee@example.com', unverified => 1, first => 'Ann'));
        is user('user_a')->{email}, undef, 'an address that is not verified is nobody\'s';

        $api->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now() + interval '1 hour')}, undef, $TENANT, $u->{id});
        process(clerk('user.deleted', 'user_a', 0));
        $u = user('user_a');
        ok $u->{deleted_at} && !$u->{is_active}, 'deleted';
        is_deeply [ @$u{qw(email full_name avatar_url)} ], [ undef, undef, undef ], '  with what is known of them';
        ok $api->selectrow_array('SELECT revoked_at IS NOT NULL FROM sessions'), '  and their session';
        is_deeply $api->selectcol_arrayref('SELECT action FROM audit_events WHERE resource_id = ? AND actor_type = ? ORDER BY seq', undef, 'user_a', 'system'),
            [ 'user.create', 'user.delete' ], '  put down as the system\'s doing';
        $e = process(clerk('user.created', 'user_a', 9, email => 'ann@example.com'));
        is_deeply [ @$e{qw(state error)} ], [ 'ignored', 'the user was deleted' ], 'a late event does not bring them back';
        ok user('user_a')->{deleted_at}, '  they stay deleted';
    });
};

subtest 'who is deleted before anybody knew them' => sub {
    undone(sub {
        process(clerk('user.deleted', 'user_x', 0));
        my $u = user('user_x');
        ok $u->{deleted_at}, 'is put down';
        $sql->run($api, user_provision => tenant => $TENANT, issuer => $CLERK, subject => 'user_x', email => 'x@example.com');
        is $api->selectrow_array('SELECT count(*) FROM users WHERE deleted_at IS NULL'), 0, 'a token that is still good makes no user';
        is $api->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'user.create'}), 0, 'and none was made';
    });
};

subtest 'a user whom a token has made before' => sub {
    undone(sub {
        $sql->run($api, user_provision => tenant => $TENANT, issuer => $CLERK, subject => 'user_a', email => 'ann@example.com', role => 'admin');
        $api->do(q{UPDATE users SET full_name = 'Annie' WHERE public_id = 'user_a'});
        process(clerk('user.created', 'user_a', 1, email => 'ann@example.com'));
        my $u = user('user_a');
        is_deeply [ @$u{qw(full_name role is_email_verified)} ], [ 'Annie', 'admin', 1 ], 'keeps their role, and their name while Clerk has none';
        process(clerk('user.updated', 'user_a', 2, email => 'ann@example.com', first => 'Ann'));
        is user('user_a')->{full_name}, 'Ann', 'a name that is new there is new here';
        $api->do(q{UPDATE users SET full_name = 'Annie' WHERE public_id = 'user_a'});
        process(clerk('user.updated', 'user_a', 3, email => 'ann@example.com', first => 'Ann'));
        is user('user_a')->{full_name}, 'Annie', 'one that is not, is not';
        my $id = $u->{id};
        process(clerk('user.updated', 'user_a', 4, email => 'ann@example.com', banned => 1));
        ok !user('user_a')->{is_active}, 'banned';
        process(clerk('user.updated', 'user_a', 5, email => 'ann@example.com'));
        ok user('user_a')->{is_active}, 'and let in again';
        $api->do(q{UPDATE users SET is_active = false WHERE public_id = 'user_a'});
        process(clerk('user.updated', 'user_a', 6, email => 'ann@example.com', banned => 1), clerk('user.updated', 'user_a', 7, email => 'ann@example.com'));
        ok !user('user_a')->{is_active}, 'whom an administrator keeps out stays out when a ban ends';
        is user('user_a')->{id}, $id, 'always the same user';
    });
};

subtest 'what opened an account before its issuer had verified the address' => sub {
    my $count = sub ($what, @values) { return scalar $api->selectrow_array("SELECT count(*) FROM $what", undef, @values) };
    my $ways  = sub () {
        my $u = user('u-1')->{id};
        $api->do(q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'x', 'x', 'x', 'x')}, undef, $TENANT, $u);
        $api->do(q{INSERT INTO sessions (tenant_id, user_id, expires_at) VALUES (?, ?, now() + interval '1 hour')}, undef, $TENANT, $u);
        return;
    };
    my $left = sub () { return $count->('passkeys') . ' ' . $count->('sessions WHERE revoked_at IS NULL') };
    for my $case (
        [ 'one that a token has claimed',  sub { $sql->run($api, user_provision => tenant => $TENANT, issuer => $SUPABASE, subject => 'u-1', email => 'a@example.com') } ],
        [ 'one that is not confirmed yet', sub { process(supabase('INSERT', 'u-1', 1, email => 'a@example.com', unverified => 1)) } ],
    ) {
        my ($name, $begin) = @$case;
        undone(sub {
            $begin->();
            $ways->();
            process(supabase('UPDATE', 'u-1', 2, email => 'a@example.com'));
            ok user('u-1')->{is_email_verified}, "$name, and then is";
            is $left->(), '0 0', '  passkey and session end';
            is $count->('identities WHERE subject = ?', 'u-1'), 1, '  and the issuer goes on opening it';
            is $count->(q{jobs WHERE payload ->> 'template' = 'ways_in_ended'}), 1, '  as a mail says';
            $ways->();
            process(supabase('UPDATE', 'u-1', 3, email => 'a@example.com', name => 'A'), supabase('UPDATE', 'u-1', 4, email => 'b@example.com'));
            is user('u-1')->{email}, 'b@example.com', 'another address later';
            is $left->(), '1 1', '  ends nothing';
        });
    }
};

subtest 'an address, however it is spelled' => sub {
    my $kept = "jos\x{e9}\@example.com";
    my ($other, $third) = (NFD($kept), uc $kept);
    undone(sub {
        process(clerk('user.created', 'user_a', 1, email => $other), clerk('user.created', 'user_b', 2, email => $third));
        is_deeply [ map { user($_)->{email} } qw(user_a user_b) ], [ $kept, undef ], 'is whose it was first';
        process(clerk('user.updated', 'user_a', 3, email => $third, first => 'A'));
        is user('user_a')->{email}, $kept, 'who may spell it otherwise later';
        process(clerk('user.updated', 'user_a', 4, email => 'a@example.com'));
        is_deeply [ map { user($_)->{email} } qw(user_a user_b) ], [ 'a@example.com', $kept ], 'and when it is given up, goes to who waits for it';
    });
    undone(sub {
        process(clerk('user.created', 'user_a', 1, email => $other));
        $api->do('UPDATE users SET email = ?, email_key = NULL WHERE public_id = ?', undef, $other, 'user_a');
        $api->do('INSERT INTO users (tenant_id, public_id, email, email_key) VALUES (?, ?, ?, ?)', undef, $TENANT, 'user_b', $kept, $kept);
        process(clerk('user.updated', 'user_a', 2, email => $other, first => 'A'));
        is_deeply [ @{ user('user_a') }{qw(email email_key full_name)} ], [ $other, undef, 'A' ], 'two that are one since there are keys stay two';
        is user('user_b')->{email}, $kept;
        process(clerk('user.updated', 'user_a', 3, email => 'a@example.com'));
        is_deeply [ @{ user('user_a') }{qw(email email_key)} ], [ 'a@example.com', 'a@example.com' ], 'until one of them moves';
    });
};

subtest 'any order' => sub {
    converges(25, clerk('user.created', 'user_a', 1, email => 'a@example.com', first => 'A'),
        clerk('user.updated', 'user_a', 2, email => 'a2@example.com', first => 'A2', image => 'https://i.example.com/2'),
        clerk('user.updated', 'user_a', 3, email => 'a2@example.com', banned => 1), clerk('user.updated', 'user_a', 4, email => 'a4@example.com', last => 'Four'));
    converges(25, clerk('user.created', 'user_a', 1, email => 'a@example.com'), clerk('user.updated', 'user_a', 2, email => 'b@example.com', banned => 1),
        clerk('user.deleted', 'user_a', 0), clerk('user.updated', 'user_a', 3, email => 'c@example.com'));
    converges(25, clerk('user.updated', 'user_a', 5, email => 'a@example.com', first => 'One'), clerk('user.updated', 'user_a', 5, email => 'b@example.com', first => 'Two'),
        clerk('user.created', 'user_a', 5, email => 'c@example.com', first => 'Three'));
    converges(25, supabase('INSERT', 'u-1', 1, email => 'a@example.com', name => 'A'), supabase('UPDATE', 'u-1', 2, email => 'b@example.com', name => 'B', banned_until => '2999-01-01T00:00:00Z'),
        supabase('UPDATE', 'u-1', 3, email => 'b@example.com', name => 'C'), supabase('INSERT', 'u-2', 4, email => 'a@example.com'), supabase('DELETE', 'u-2', 4, email => 'a@example.com'),
        supabase('INSERT', 'u-3', 5, email => 'soft@example.com'), supabase('UPDATE', 'u-3', 6, email => 'soft@example.com', deleted_at => '2026-02-01T00:00:00Z'));
    my $end = converges(40, clerk('user.created', 'user_a', 1, email => 'shared@example.com'), clerk('user.updated', 'user_a', 2, email => 'a@example.com'),
        clerk('user.created', 'user_b', 3, email => 'shared@example.com'), clerk('user.updated', 'user_b', 4, email => 'b@example.com'),
        clerk('user.created', 'user_c', 5, email => 'shared@example.com'), clerk('user.deleted', 'user_c', 0), clerk('user.created', 'user_d', 6, email => 'shared@example.com'));
    like $end, qr/"user_d","shared\@example\.com",/, 'an address that goes from one to the next is the last one\'s';
};

subtest 'an address that somebody else has' => sub {
    undone(sub {
        $api->do(q{INSERT INTO users (tenant_id, public_id, email) VALUES (?, 'local', 'ann@example.com')}, undef, $TENANT);
        process(clerk('user.created', 'user_a', 1, email => 'ann@example.com'));
        is user('user_a')->{email}, undef, 'stays theirs: an issuer\'s users do not take over accounts';
        is user('local')->{email}, 'ann@example.com';
        ok !user('local')->{is_email_verified}, '  nor verify them';
        $api->do(q{INSERT INTO users (tenant_id, public_id) VALUES (?, 'user_b')}, undef, $TENANT);
        process(clerk('user.created', 'user_b', 1, email => 'b@example.com'));
        is $api->selectrow_array('SELECT u.public_id FROM identities i JOIN users u ON u.id = i.user_id WHERE i.subject = ?', undef, 'user_b') =~ /\Auser_[0-9a-f]{32}\z/, 1,
            'and a name that somebody has, too';
    });
};

subtest 'what is said of other things, or cannot be understood' => sub {
    undone(sub {
        my $e = process([ clerk => 'msg_session', 'session.created', { type => 'session.created', data => { id => 'sess_1' } } ]);
        is_deeply [ @$e{qw(state attempts)} ], [ 'ignored', 1 ], 'an unknown event is ignored';
        ok $e->{error} && $e->{processed_at}, '  and says so';
        $e = process([ supabase => 'x' x 64, 'INSERT public.orders', { type => 'INSERT', schema => 'public', table => 'orders', record => { id => 1 } } ]);
        is $e->{state}, 'ignored', 'another table';
        $e = process(supabase('UPDATE', 'u-9', undef, email => 'x@example.com'));
        is_deeply [ @$e{qw(state error)} ], [ 'failed', 'the event does not tell when the user was changed' ], 'one without its time fails';
        $e = process([ supabase => 'y' x 64, 'UPDATE auth.users', { record => { id => 'u-9', updated_at => 'yesterday evening' } } ]);
        is $e->{state}, 'failed', 'one with a time that is none';
        like $e->{error}, qr/invalid input syntax/, '  and why';
        $e = process([ clerk => 'msg_no_id', 'user.created', { type => 'user.created', data => {} } ]);
        is $e->{state}, 'failed', 'one without an id';
        is $api->selectrow_array('SELECT count(*) FROM users'), 0, 'none of them made a user';
        $sql->run($api, webhook_event_process => event => '00000000-0000-7000-8000-00000000dead');
        pass 'an event that is gone is nobody\'s trouble';
    });
};

# ------------------------------------------------------------------ subscriptions

sub stripe ($id, $type, $at, $object, %more) {
    return [ stripe => $id, $type, { id => $id, object => 'event', type => $type, created => 1_700_000_000 + $at, livemode => $more{test} ? Cpanel::JSON::XS::false() : $yes, data => { object => $object } },
        object => $object->{id}, at => (1_700_000_000 + $at) * 1000 ];
}

sub subscription (%more) {
    return { id => 'sub_1', object => 'subscription', customer => 'cus_1', status => 'active', cancel_at_period_end => Cpanel::JSON::XS::false(), metadata => { user_id => 'user_7' },
        items => { data => [ { price => { id => 'price_pro' }, current_period_start => 1_700_000_000, current_period_end => 1_702_592_000 } ] }, %more };
}

sub told (@events) {
    return undone(sub {
        my $e = process(@events);
        my $row = $api->selectrow_hashref('SELECT *, extract(epoch FROM occurred_at)::bigint AS at, extract(epoch FROM starts_at)::bigint AS starts, extract(epoch FROM ends_at)::bigint AS ends
            FROM subscription_events ORDER BY created_at DESC LIMIT 1');
        return { event => $e, row => $row };
    });
}

subtest 'Stripe tells of subscriptions' => sub {
    my $row = told(stripe('evt_1', 'checkout.session.completed', 1,
        { id => 'cs_1', object => 'checkout.session', mode => 'subscription', subscription => 'sub_1', customer => 'cus_1', client_reference_id => 'user_7', amount_total => 1999, currency => 'usd', status => 'complete' }))->{row};
    is_deeply { map { $_ => $row->{$_} } qw(kind object_key customer account amount_cents currency environment at status) },
        { kind => 'started', status => undef, object_key => 'sub_1', customer => 'cus_1', account => 'user_7', amount_cents => 1999, currency => 'USD', environment => 'production', at => 1_700_000_001 }, 'checkout.session.completed';
    $row = told(stripe('evt_2', 'customer.subscription.updated', 2, subscription(cancel_at_period_end => $yes), test => 1))->{row};
    is_deeply { map { $_ => $row->{$_} } qw(kind product status is_ending starts ends environment account) },
        { kind => 'changed', product => 'price_pro', status => 'active', is_ending => 1, starts => 1_700_000_000, ends => 1_702_592_000, environment => 'sandbox', account => 'user_7' }, 'customer.subscription.updated';
    $row = told(stripe('evt_3', 'customer.subscription.updated', 2, subscription(items => { data => [ { price => { id => 'price_old' } } ] }, current_period_end => 1_702_592_000)))->{row};
    is_deeply [ @$row{qw(product is_ending ends)} ], [ 'price_old', 0, 1_702_592_000 ], '  as older versions of the API have it';
    $row = told(stripe('evt_4', 'customer.subscription.deleted', 3, subscription(status => 'canceled', ended_at => 1_700_000_003)))->{row};
    is_deeply [ @$row{qw(kind status ends is_ending)} ], [ 'cancelled', 'canceled', 1_700_000_003, 1 ], 'customer.subscription.deleted';
    my %invoice = (id => 'in_1', object => 'invoice', customer => { id => 'cus_1', object => 'customer' }, currency => 'eur', amount_paid => 500, amount_due => 700, status => 'paid',
        lines => { data => [ { period => { start => 1, end => 2 }, pricing => { price_details => { price => 'price_pro' } } } ] });
    $row = told(stripe('evt_5', 'invoice.paid', 4, { %invoice, parent => { subscription_details => { subscription => 'sub_1', metadata => { user_id => 'user_7' } } } }))->{row};
    is_deeply [ @$row{qw(kind object_key customer account product amount_cents currency status starts ends)} ], [ 'payment_succeeded', 'sub_1', 'cus_1', 'user_7', 'price_pro', 500, 'EUR', undef, 1, 2 ], 'invoice.paid';
    my %line = (period => { start => 1, end => 2 });
    my @plans = (
        [ 'as it is now', { parent => { type => 'subscription_item_details', subscription_item_details => { proration => $yes } }, pricing => { price_details => { price => 'price_left' } } },
            { parent => { type => 'invoice_item_details' }, pricing => { price_details => { price => 'price_fee' } } },
            { parent => { type => 'subscription_item_details', subscription_item_details => { proration => Cpanel::JSON::XS::false() } }, pricing => { price_details => { price => 'price_pro' } } } ],
        [ 'as it was before', { type => 'invoiceitem', proration => $yes, price => { id => 'price_left' } }, { type => 'invoiceitem', proration => Cpanel::JSON::XS::false(), price => { id => 'price_fee' } },
            { type => 'subscription', proration => Cpanel::JSON::XS::false(), price => { id => 'price_pro' } } ],
    );
    for my $plan (@plans) {
        my ($version, @lines) = @$plan;
        $row = told(stripe('evt_5', 'invoice.paid', 4, { %invoice, subscription => 'sub_1', lines => { data => [ map { { %line, %$_ } } @lines ] } }))->{row};
        is_deeply [ @$row{qw(product amount_cents)} ], [ 'price_pro', 500 ], "the plan of an invoice is that of its line without proration, $version";
        $row = told(stripe('evt_5', 'invoice.paid', 4, { %invoice, subscription => 'sub_1', lines => { data => [ map { { %line, %$_ } } @lines[0, 1] ] } }))->{row};
        is $row->{product}, undef, '  and of none where there is no such line';
    }
    $row = told(stripe('evt_6', 'invoice.payment_failed', 4, { %invoice, subscription => 'sub_1', attempt_count => 2 }))->{row};
    is_deeply [ @$row{qw(kind object_key amount_cents)}, $json->decode($row->{data})->{attempt_count} ], [ 'payment_failed', 'sub_1', 700, 2 ], 'invoice.payment_failed, as older versions have it';
    is told(stripe('evt_7', 'invoice.paid', 4, \%invoice))->{event}{state}, 'ignored', 'an invoice for no subscription';
    is told(stripe('evt_8', 'customer.created', 4, { id => 'cus_1' }))->{event}{state}, 'ignored', 'another event';
};

sub apple ($type, %more) {
    state $id = 0;
    return [ apple => 'uuid-' . ++$id, $type, {
        notificationType => $type, subtype => $more{subtype}, notificationUUID => "uuid-$id", version => '2.0', signedDate => 1_700_000_000_000,
        data => { bundleId => $PACKAGE, environment => $more{environment} // 'Production', status => $more{status} // 1,
            transactionInfo => { originalTransactionId => '1000', transactionId => '1001', productId => 'pro.monthly', purchaseDate => 1_700_000_000_000, expiresDate => 1_702_592_000_000,
                appAccountToken => '7e3fb204-2c0c-4a3b-8b5b-0d4d1a2b3c4d', price => 9990, currency => 'USD', %{ $more{transaction} // {} } },
            renewalInfo => { autoRenewStatus => $more{renews} // 1, autoRenewProductId => 'pro.monthly' } },
    }, object => '1000', at => 1_700_000_000_000 ];
}

subtest 'Apple tells of subscriptions' => sub {
    my $row = told(apple('SUBSCRIBED', subtype => 'INITIAL_BUY'))->{row};
    is_deeply { map { $_ => $row->{$_} } qw(kind object_key account product status starts ends is_ending amount_cents currency environment) },
        { kind => 'started', object_key => '1000', account => '7e3fb204-2c0c-4a3b-8b5b-0d4d1a2b3c4d', product => 'pro.monthly', status => 'active', starts => 1_700_000_000, ends => 1_702_592_000,
          is_ending => 0, amount_cents => 999, currency => 'USD', environment => 'production' }, 'SUBSCRIBED';
    my %kind = (DID_RENEW => 'renewed', EXPIRED => 'expired', REFUND => 'refunded', REVOKE => 'revoked', DID_FAIL_TO_RENEW => 'payment_failed', GRACE_PERIOD_EXPIRED => 'on_hold',
        DID_CHANGE_RENEWAL_PREF => 'changed');
    is told(apple($_))->{row}{kind}, $kind{$_}, $_ for sort keys %kind;
    $row = told(apple('DID_CHANGE_RENEWAL_STATUS', subtype => 'AUTO_RENEW_DISABLED', renews => 0))->{row};
    is_deeply [ @$row{qw(kind is_ending)} ], [ 'cancelled', 1 ], 'DID_CHANGE_RENEWAL_STATUS: off';
    is told(apple('DID_CHANGE_RENEWAL_STATUS', subtype => 'AUTO_RENEW_ENABLED'))->{row}{kind}, 'uncancelled', '  and on';
    is told(apple('DID_RENEW', transaction => { price => 500_000, currency => 'JPY' }))->{row}{amount_cents}, 500, 'a currency without cents';
    is told(apple('DID_RENEW', environment => 'Sandbox'))->{row}{environment}, 'sandbox', 'the sandbox';
    for my $type ('Consumable', 'Non-Consumable') {
        for (qw(REFUND REFUND_REVERSED REVOKE)) {
            my $e = told(apple($_, transaction => { type => $type }));
            is_deeply [ $e->{event}{state}, $e->{event}{error}, $e->{row} ], [ 'ignored', 'this is not about a subscription', undef ], "$_ of a $type is about no subscription";
        }
    }
    is told(apple('REFUND', transaction => { type => 'Auto-Renewable Subscription' }))->{row}{kind}, 'refunded', 'one of a subscription is';
    is told(apple($_))->{event}{state}, 'ignored', "$_ is for nobody" for qw(TEST CONSUMPTION_REQUEST SOMETHING_NEW);
};

sub google ($type, %more) {
    state $id = 0;
    return [ google => 'm-' . ++$id, $type, { message => { messageId => "m-$id" }, notification => { packageName => $more{package} // $PACKAGE, eventTimeMillis => '1700000000000', %{ $more{notification} // {} } } },
        object => 'token-1', at => 1_700_000_000_000, play => {
            kind => 'androidpublisher#subscriptionPurchaseV2', startTime => '2023-11-14T22:13:20Z', subscriptionState => $more{state} // 'SUBSCRIPTION_STATE_ACTIVE', latestOrderId => 'GPA.1',
            externalAccountIdentifiers => { obfuscatedExternalAccountId => 'user_7' }, $more{test} ? (testPurchase => {}) : (),
            lineItems => [ { productId => 'pro', expiryTime => '2023-12-14T22:13:20Z', autoRenewingPlan => { $more{ending} ? () : (autoRenewEnabled => $yes), recurringPrice => { currencyCode => 'EUR', units => '4', nanos => 990_000_000 } } } ],
        } ];
}

subtest 'Google tells of subscriptions, when it is asked' => sub {
    my $row = told(google('SUBSCRIPTION_PURCHASED'))->{row};
    is_deeply { map { $_ => $row->{$_} } qw(kind object_key account product status starts ends is_ending amount_cents currency environment) },
        { kind => 'started', object_key => 'token-1', account => 'user_7', product => 'pro', status => 'active', starts => 1_700_000_000, ends => 1_702_592_000, is_ending => 0, amount_cents => 499,
          currency => 'EUR', environment => 'production' }, 'SUBSCRIPTION_PURCHASED';
    my %kind = (SUBSCRIPTION_RENEWED => 'renewed', SUBSCRIPTION_CANCELED => 'cancelled', SUBSCRIPTION_EXPIRED => 'expired', SUBSCRIPTION_ON_HOLD => 'on_hold', SUBSCRIPTION_REVOKED => 'revoked',
        SUBSCRIPTION_PAUSED => 'paused', SUBSCRIPTION_RECOVERED => 'resumed', SUBSCRIPTION_RESTARTED => 'uncancelled', SUBSCRIPTION_IN_GRACE_PERIOD => 'payment_failed');
    is told(google($_))->{row}{kind}, $kind{$_}, $_ for sort keys %kind;
    $row = told(google('SUBSCRIPTION_CANCELED', state => 'SUBSCRIPTION_STATE_CANCELED', ending => 1, test => 1))->{row};
    is_deeply [ @$row{qw(status is_ending environment)} ], [ 'canceled', 1, 'sandbox' ], 'a test purchase that ends';
    is told(google('VOIDED_PURCHASE', notification => { voidedPurchaseNotification => { productType => 1 } }))->{row}{kind}, 'refunded', 'a refund';
    is told(google('VOIDED_PURCHASE', notification => { voidedPurchaseNotification => { productType => 2 } }))->{event}{state}, 'ignored', '  of what was no subscription';
    is told(google($_))->{event}{state}, 'ignored', "$_ is for nobody" for qw(TEST ONE_TIME_PRODUCT_PURCHASED SUBSCRIPTION_99);
    is_deeply [ @{ told(google('SUBSCRIPTION_PURCHASED', package => 'com.example.other'))->{event} }{qw(state error)} ], [ 'ignored', 'this is about another app' ], 'another app\'s';
};

subtest 'subscriptions in any order' => sub {
    converges(25,
        stripe('evt_a', 'customer.subscription.created', 1, subscription(status => 'incomplete')), stripe('evt_b', 'customer.subscription.updated', 1, subscription()),
        stripe('evt_c', 'invoice.paid', 1, { id => 'in_1', subscription => 'sub_1', amount_paid => 500, currency => 'usd' }), stripe('evt_d', 'customer.subscription.deleted', 5, subscription(status => 'canceled')),
        apple('SUBSCRIBED'), apple('EXPIRED'), google('SUBSCRIPTION_PURCHASED'), google('SUBSCRIPTION_CANCELED', ending => 1));
    undone(sub {
        process(stripe('evt_z', 'customer.subscription.deleted', 1, subscription()), stripe('evt_y', 'customer.subscription.updated', 1, subscription()), stripe('evt_x', 'customer.subscription.created', 1, subscription()),
            stripe('evt_w', 'customer.subscription.updated', 0, subscription()));
        is_deeply $api->selectcol_arrayref(q{SELECT event_id FROM subscription_events WHERE provider = 'stripe' AND object_key = 'sub_1' ORDER BY occurred_at, rank, event_id}),
            [qw(evt_w evt_x evt_y evt_z)], 'those of one second stand as they must have happened';
    });
};

$api->disconnect;
$cluster->drop($name);
done_testing;
