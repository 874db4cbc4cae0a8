use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use File::Temp ();

# Digests: each thing once, whoever makes them and dies at it; what is asked again before
# one is sent; and the link that ends them.  What arrives is read by t/clients/mail.t, too.
my $t    = Api->start(PUBLIC_URL => 'https://api.example.com');
my $db   = $t->db;
my $base = '/api/v1/notifications';
my $none = '00000000-0000-7000-8000-00000000dead';
my $json = Cpanel::JSON::XS->new->canonical;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my ($ann, $bob, $vera) = @$w{qw(ann bob vera)};

sub notify ($event, $members, %with) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do('SELECT notify(?, ?, ?, ?, NULL, ?)', undef, $w->id, $event, [ map { $w->member_id($_) } @$members ],
        $json->encode($with{about} ? { type => 'goal', id => $with{about}, link => "/goals/$with{about}" } : {}),
        $json->encode({ title => $with{title} // 'Title', progress => 1, team_name => $with{title} // 'Crew', name => 'x', role => 'admin' }));
    $db->commit;
    return;
}

my $dir = File::Temp->newdir;
my $worker;
sub worker () { return $worker //= $t->start_worker(env => { MAIL_DIR => "$dir/mail", MAIL_FROM => 'Ashlar <no-reply@ashlar.example>', ENVIRONMENT => 'development' }) }

# Whatever waits is due, and has been sent.
sub due () { $db->do('UPDATE notification_inboxes SET digest_at = now() WHERE digest_at IS NOT NULL'); return }
sub sweep ($api) { return scalar $api->selectrow_array('SELECT notification_digests(100)') }
my $api = $t->{cluster}->connect($t->{database}, 'ashlar_api');

sub jobs ($who) { return @{ $db->selectall_arrayref(q{SELECT id, state, payload ->> 'template' AS template FROM jobs WHERE kind = 'mail' AND payload ->> 'to' = ? ORDER BY created_at, id}, { Slice => {} }, $who->email) } }

# The mail of a job as it was sent, decoded; undef: it was not.
sub sent ($id) {
    worker();
    eventually { $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id) eq 'completed' } 30, 'the job of the mail is done' or return;
    my ($file) = glob "$dir/mail/*-$id.eml" or return;
    open my $eml, '<', $file or die "$file: $!\n";
    local $/ = undef;
    my $text = <$eml>;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    $head =~ s/\r\n[ \t]/ /g;
    $head =~ s/\r//g;
    my ($part) = $body =~ /text\/plain.*?\r\n\r\n(.*?)\r\n--/s;
    $part =~ s/=\r\n//g;
    $part =~ s/=([0-9A-F]{2})/chr hex $1/ge;
    utf8::decode($part);
    return { head => $head, text => $part =~ s/\r//gr, raw => $text };
}

$_->put("$base/email-delivery", { email_delivery_mode => 'digest' }) for $bob, $vera;

subtest 'what waits' => sub {
    notify('goal_assigned', ['bob'], title => 'Ship it', about => $none);
    notify('goal_assigned', ['bob'], title => 'Ship it now', about => $none);
    notify('role_changed', ['bob']);
    is_deeply [ jobs($bob) ], [], 'no mail at once';
    my ($minutes) = $db->selectrow_array(q{SELECT round(extract(epoch FROM digest_at - q.first) / 60) FROM notification_inboxes i, (SELECT min(created_at) AS first FROM notification_mails) q WHERE i.member_id = ?}, undef, $w->member_id('bob'));
    is $minutes, 60, 'due an hour behind the first';
    $bob->put("$base/email-delivery", { email_delivery_mode => 'digest', digest_frequency_minutes => '30' });
    is $db->selectrow_array(q{SELECT round(extract(epoch FROM digest_at - q.first) / 60) FROM notification_inboxes i, (SELECT min(created_at) AS first FROM notification_mails) q WHERE i.member_id = ?}, undef, $w->member_id('bob')), 30, 'or whatever they choose now';
    is sweep($api), 0, 'nothing is due yet';
    due();
    is sweep($api), 1, 'when it is, it is one mail';
    is sweep($api), 0, 'and nothing waits behind it';
    my @jobs = jobs($bob);
    is scalar(@jobs), 1;
    my $mail = sent($jobs[0]{id});
    like $mail->{head}, qr/^Subject: .*what happened/m;
    like $mail->{text}, qr/attention:\n\n> You became owner of a goal: Ship it now \(1 %\) \(2×\)\n/, 'what needs attention is on top, folded';
    like $mail->{text}, qr/attention.*\nTeam\n\n\* Your role changed: admin\n/s, 'all else by category';
    like $mail->{head}, qr{^List-Unsubscribe:\s+<https://api\.example\.com/api/v1/notifications/unsubscribe/[\w.-]+>$}m;
    like $mail->{head}, qr{^List-Unsubscribe-Post: List-Unsubscribe=One-Click$}m;
    is $db->selectrow_array('SELECT count(*) FROM notification_mails'), 0, 'what was sent is forgotten';
    is_deeply $json->decode($db->selectrow_array('SELECT payload FROM jobs WHERE id = ?', undef, $jobs[0]{id})), { template => 'notification_digest', to => $bob->email, locale => 'en' }, '  by the job, too';
};

subtest 'what was read meanwhile is no news' => sub {
    $bob->post("$base/mark-read", {});
    notify('goal_assigned', ['bob'], title => 'read');
    notify('goal_assigned', ['vera'], title => 'read by vera');
    notify('role_changed', ['vera']);
    $bob->post("$base/mark-read", {});
    my ($id) = map { $_->{id} } grep { $_->{event_type} eq 'goal_assigned' } @{ $vera->get("$base/list")->json('/notifications') };
    $vera->post("$base/mark-read", { notification_id => $id });
    due();
    is sweep($api), 2, 'two queues';
    is scalar(jobs($bob)), 1, 'one of which has nothing left: no mail';
    my $mail = sent((jobs($vera))[-1]{id});
    like $mail->{text}, qr/Your role changed/;
    unlike $mail->{text}, qr/read by vera/, 'of the other what is left';
};

subtest 'it is asked again when it is sent' => sub {
    $worker->stop('TERM', 15);
    undef $worker;
    my %changes = (
        'who has left'                 => [ sub { $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('vera')) }, sub { $db->do('UPDATE memberships SET is_active = true WHERE id = ?', undef, $w->member_id('vera')) } ],
        'whose time is over'           => [ sub { $db->do('INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at) SELECT tenant_id, organization_id, id, now() FROM memberships WHERE id = ?', undef, $w->member_id('vera')) }, sub { $db->do('DELETE FROM membership_ends') } ],
        'who may not see it any more'  => [ sub { $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'viewer', 'can_view_goal', false)}, undef, $ann->tenant_id, $w->id) }, sub { $db->do('DELETE FROM role_permissions') } ],
        'who has switched it off'      => [ sub { $vera->put("$base/preferences/v2/goal_assigned", { email_enabled => false }) }, sub { $vera->put("$base/preferences/v2/goal_assigned", { email_enabled => true }) } ],
        'who has muted it'             => [ sub { $vera->put("$base/preferences/v2/goal_assigned", { muted => true }) }, sub { $vera->put("$base/preferences/v2/goal_assigned", { muted => false }) } ],
        'who has read it'              => [ sub { $vera->post("$base/mark-read", {}) }, sub { } ],
    );
    for my $mode (qw(digest instant)) {
        $vera->put("$base/email-delivery", { email_delivery_mode => $mode });
        for my $what (sort keys %changes) {
            next if $mode eq 'instant' && $what eq 'who has read it';    # it is on its way
            notify('goal_assigned', ['vera'], title => "secret of $what");
            due();
            sweep($api);
            my ($job) = (jobs($vera))[-1];
            $changes{$what}[0]->();
            ok !sent($job->{id}), "$mode: $what gets no mail";
            unlike $db->selectrow_array('SELECT payload FROM jobs WHERE id = ?', undef, $job->{id}), qr/secret/, '  and nothing of it is kept';
            $changes{$what}[1]->();
            $worker->stop('TERM', 15);
            undef $worker;
        }
    }
    $vera->put("$base/email-delivery", { email_delivery_mode => 'digest' });
};

subtest 'what was too much is a line' => sub {
    $db->do(q{UPDATE notification_inboxes SET told = '{}', mailed = 0, more = 0, digest_at = NULL, hour = date_trunc('hour', now(), 'UTC') + interval '1 hour'});
    $ann->put("$base/preferences/v2/role_changed", { email_enabled => false });
    notify('role_changed', ['ann']) for 1 .. 63;
    is sweep($api), 0;
    due();
    is sweep($api), 1;
    like sent((jobs($ann))[-1]{id})->{text}, qr/^and 3 more$/m, 'also of who gets no digests otherwise';
};

subtest 'who changes to mails at once gets one last digest' => sub {
    notify('goal_assigned', ['bob'], title => 'the last');
    my $before = jobs($bob);
    $bob->put("$base/email-delivery", { email_delivery_mode => 'instant' });
    sweep($api);
    is scalar(jobs($bob)), $before + 1;
    like sent((jobs($bob))[-1]{id})->{text}, qr/the last/;
    notify('goal_assigned', ['bob'], title => 'at once');
    my $mail = sent((jobs($bob))[-1]{id});
    like $mail->{text}, qr/You became owner of a goal:\n\n> at once \(1 %\)\n/;
    like $mail->{text}, qr{No more mails of this kind:\nhttps://api\.example\.com/unsubscribe\.html\?token=\S+\n};
};

subtest 'in the reader\'s language' => sub {
    $db->do(q{UPDATE users SET locale = 'de-AT' WHERE id = ?}, undef, $bob->uuid);
    notify('goal_assigned', ['bob'], title => 'Fertig');
    like sent((jobs($bob))[-1]{id})->{text}, qr/Sie sind jetzt für ein Ziel verantwortlich:\n\n> Fertig/, 'at once';
    $bob->put("$base/email-delivery", { email_delivery_mode => 'digest' });
    notify('goal_assigned', ['bob'], title => 'Fertig');
    notify('role_changed', ['bob']);
    due();
    sweep($api);
    like sent((jobs($bob))[-1]{id})->{text}, qr/Das wartet auf Sie:\n\n> Sie sind jetzt für ein Ziel verantwortlich: Fertig.*\nTeam\n\n\* Ihre Rolle hat sich geändert: admin\n/s, 'and in a digest';
    $db->do(q{UPDATE users SET locale = 'en' WHERE id = ?}, undef, $bob->uuid);
};

subtest 'the link ends them' => sub {
    notify('goal_assigned', ['bob'], title => 'x');
    due();
    sweep($api);
    my ($all) = sent((jobs($bob))[-1]{id})->{head} =~ m{/unsubscribe/([\w.-]+)>};
    $bob->put("$base/email-delivery", { email_delivery_mode => 'instant' });
    notify('goal_assigned', ['bob'], title => 'y');
    my ($one) = sent((jobs($bob))[-1]{id})->{head} =~ m{/unsubscribe/([\w.-]+)>};
    $t->keep_secret($one, $all);
    my $anyone = $t->client;
    my $at     = sub ($token) { "$base/unsubscribe/$token" };
    my $bad    = $one =~ s/.\z/$& eq 'A' ? 'B' : 'A'/er =~ s/\A./$& eq 'A' ? 'B' : 'A'/er;
    error_is $anyone->get($at->($_)), 400, 'TOKEN_INVALID' for $bad, 'x', "$one.";
    error_is $anyone->post($at->($_)), 400, 'TOKEN_INVALID' for $bad, 'x';
    my $name = $db->selectrow_array('SELECT name FROM organizations WHERE id = ?', undef, $w->id);
    my %said = (event_type => 'goal_assigned', label => 'You became owner of a goal', workspace => $name, email_enabled => true);
    json_is $anyone->get($at->($one)), '', \%said, 'to open it changes nothing' for 1 .. 2;
    json_is $bob->get("$base/preferences/v2"), '/preferences/goal_assigned/email_enabled', true;
    my $res = $anyone->request('POST', $at->($one), body => 'List-Unsubscribe=One-Click', headers => { 'Content-Type' => 'application/x-www-form-urlencoded' });
    json_is $res, '', { %said, email_enabled => false }, 'one click, as mail programs do it';
    json_is $bob->get("$base/preferences/v2"), '/preferences/goal_assigned', { event_type => 'goal_assigned', category => 'goals', label => 'You became owner of a goal', inapp_enabled => true, email_enabled => false, whatsapp_enabled => false, muted => false, is_default => false }, 'the list stays';
    json_is $bob->get("$base/preferences/v2"), '/preferences/goal_at_risk/email_enabled', true, 'so does mail of other kinds';
    json_is $anyone->post($at->($one)), '/email_enabled', false, 'once more is no mistake';
    json_is $anyone->get($at->($all)), '', { event_type => undef, label => undef, workspace => $name, email_enabled => true }, 'a digest\'s link';
    json_is $anyone->post($at->($all)), '/email_enabled', false;
    is_deeply [ grep { $_->{email_enabled} } values %{ $bob->get("$base/preferences/v2")->json('/preferences') } ], [], '  ends all';
    json_is $vera->get("$base/preferences/v2"), '/preferences/goal_assigned/email_enabled', true, '  of nobody else';
    $bob->post("$base/me/reset");
    $db->do('DELETE FROM memberships WHERE id = ?', undef, $w->member_id('bob'));
    error_is $anyone->$_($at->($one)), 400, 'TOKEN_INVALID', name => 'of who has left it is good for nothing' for qw(get post);
};

$api->disconnect;
