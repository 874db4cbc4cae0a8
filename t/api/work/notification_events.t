use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# What members are told of that happens elsewhere: memberships, money, limits.
my $t    = Api->start;
my $db   = $t->db;
my $key  = $t->key;
my $base = '/api/v1/notifications';
my $w    = workspace($t, ann => 'owner', bob => 'member', carl => 'admin', vera => 'viewer');
my ($ann, $bob, $carl, $vera) = map { $_->with(key => $key) } @$w{qw(ann bob carl vera)};
my $org = '/api/v1/organizations/' . $w->id;

# What each has been told since the last time: "type: message".
sub told ($who) {
    my @new = grep { !$_->{is_read} } @{ $who->get("$base/list", query => { limit => 100 })->json('/notifications') };
    $who->post("$base/mark-read", {});
    return join ', ', map { "$_->{event_type}: $_->{message}" } reverse @new;
}
sub all_told () { return [ map { told($_) } $ann, $bob, $carl, $vera ] }
all_told();

sub in_tenant ($code) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $code->();
    $db->commit;
    return;
}

my $workspace_events = sub () { scalar $db->selectrow_array(q{SELECT count(*) FROM realtime_messages WHERE channel = 'workspace:' || ? AND payload ->> 'event_type' = 'members_updated'}, undef, $w->id) };

subtest 'who joins, and who leaves' => sub {
    my $dora = $t->user('dora', columns => { full_name => 'Dora', is_email_verified => 't' })->with(key => $key);
    status_is $ann->post("$org/invite", { email => $dora->email, role => 'member' }), 201;
    is_deeply all_told(), [ ('') x 4 ], 'an invitation alone is no news';
    my $before = $workspace_events->();
    $t->member($w->id, $dora, 'member');    # by hand, in no tenant: nobody hears of it
    is_deeply all_told(), [ ('') x 4 ];
    $db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $w->id, $dora->uuid);
    in_tenant(sub { $db->do(q{INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (?, ?, ?, 'member')}, undef, $ann->tenant_id, $w->id, $dora->uuid) });
    is_deeply all_told(), [ 'member_joined: Dora', '', 'member_joined: Dora', '' ], 'who may let people in hears of it';
    is $workspace_events->(), $before + 1, 'and the stream of everybody';
    my ($id) = $db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $w->id, $dora->uuid);
    in_tenant(sub { $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $id); $db->do('UPDATE memberships SET is_active = true WHERE id = ?', undef, $id) });
    is_deeply all_told(), [ ('') x 4 ], 'who is let in again has not joined anew';
    status_is $carl->delete("$org/members/@{[ $dora->uuid ]}"), 200;
    is_deeply all_told(), [ 'member_removed: Dora', '', '', '' ], 'who left; not who removed them';
};

subtest 'a role' => sub {
    status_is $ann->patch("$org/members/@{[ $bob->uuid ]}", { role => 'admin' }), 200;
    is_deeply all_told(), [ '', 'role_changed: admin', '', '' ], 'the one whose it is';
    my ($mail) = grep { $_->{template} eq 'notification' } $t->mails(to => $bob->email);
    is_deeply $mail->{data}{title}, 'Your role changed', 'also by mail';
    status_is $ann->patch("$org/members/@{[ $bob->uuid ]}", { role => 'member' }), 200;
    all_told();
};

subtest 'a payment that failed, and a trial that ends' => sub {
    my $mails = sub () { join ' ', sort map { "$_->{to}: $_->{data}{title} $_->{data}{message}" } grep { $_->{template} eq 'notification' } $t->mails };
    $db->do(q{DELETE FROM jobs WHERE kind = 'mail'});
    in_tenant(sub { $db->do(q{INSERT INTO invoices (tenant_id, organization_id, provider, provider_id, status, currency, total, amount_due, amount_paid, amount_remaining, issued_at, attempts) VALUES (?, ?, 'stripe', 'in_1', 'open', 'usd', 1500, 1500, 0, 1500, now(), 0)}, undef, $ann->tenant_id, $w->id) });
    is_deeply all_told(), [ ('') x 4 ], 'one that was not tried yet is no news';
    in_tenant(sub { $db->do(q{UPDATE invoices SET attempts = 1 WHERE provider_id = 'in_1'}) });
    is_deeply all_told(), [ 'payment_failed: $15.00', '', 'payment_failed: $15.00', '' ], 'who sees what is paid hears of a try that failed';
    like $mails->(), qr/\A\S+: A payment failed \$15\.00 \S+: A payment failed \$15\.00\z/, 'also by mail';
    in_tenant(sub { $db->do(q{UPDATE invoices SET number = 'x' WHERE provider_id = 'in_1'}) });
    is_deeply all_told(), [ ('') x 4 ];
    in_tenant(sub {
        $db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, tier, status, trial_end, is_current) VALUES (?, ?, 'pro', 'trialing', now() + interval '25 hours', true)}, undef, $ann->tenant_id, $w->id);
        $db->do('SELECT notify_trials()');
    });
    is_deeply all_told(), [ ('') x 4 ], 'a trial that has more than a day is not told of';
    in_tenant(sub { $db->do(q{UPDATE subscriptions SET trial_end = now() + interval '23 hours'}); $db->do('SELECT notify_trials()') });
    my ($day) = $db->selectrow_array(q{SELECT to_char(trial_end AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM subscriptions});
    is_deeply all_told(), [ "trial_ending: pro: $day", '', "trial_ending: pro: $day", '' ];
    in_tenant(sub { $db->do('SELECT notify_trials()') }) for 1 .. 2;
    is_deeply all_told(), [ ('') x 4 ], 'once';
};

subtest 'a limit that is reached' => sub {
    my $use = sub ($n) { in_tenant(sub { $db->do(q{SELECT usage_add($1, NULL, 'api_calls', $2, 0, 10, NULL, date_trunc('month', now()), date_trunc('month', now()) + interval '1 month')}, undef, $w->id, $n) }) };
    $use->(9);
    is_deeply all_told(), [ ('') x 4 ], 'what is left is no news';
    $use->(1);
    my ($name) = $db->selectrow_array(q{SELECT coalesce(min(name), 'api_calls') FROM usage_metrics() WHERE key = 'api_calls'});
    is_deeply all_told(), [ "usage_limit_reached: $name: 10 / 10", '', "usage_limit_reached: $name: 10 / 10", '' ];
    $use->(-1);
    $use->(1);
    is_deeply all_told(), [ ('') x 4 ], 'once for a limit and a period';
};
