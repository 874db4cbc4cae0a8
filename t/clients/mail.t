# Mails and the contact form's webhook, as they arrive: the worker sends to
# npm's smtp-server, and mailparser reads them.  See smtp.mjs for what becomes of
# a mail.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Process;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant);
use Ashlar::Workspace;
use Cpanel::JSON::XS qw(decode_json);
use Digest::SHA 'hmac_sha256_hex';
use File::Temp ();

my $PASS   = 'p%40ss%3Aw%2Frd%20%25';
my $hook   = 'the secret of the webhook';
my $dir    = File::Temp->newdir;
my $t      = Api->start(@BEHIND_PROXY, ADMIN_EMAIL => 'boss@example.com', CONTACT_WEBHOOK_URL => 'http://set.below', CONTACT_WEBHOOK_SECRET => $hook);
my $server = Ashlar::Process->start(cmd => [ 'node', 't/clients/smtp.mjs', "$t->{dir}/key.pem", "$t->{dir}/cert.pem" ], log => "$dir/log");
my $port;
$t->keep_secret($hook, $PASS, 'p@ss:w/rd');

# What the server has said.
sub said () {
    open my $in, '<', "$dir/log" or return;
    return map { decode_json($_) } grep { /^\{.*\}$/ } <$in>;
}

eventually {
    open my $in, '<', "$dir/log" or return;
    my ($ports) = join('', <$in>) =~ /^ports (\{.*\})$/m or return;
    $port = decode_json($ports);
} 30, 'the servers run';

# ------------------------------------------------------------------ the worker

my %usual = (
    MAIL_URL            => "smtp://mailer:$PASS\@localhost:$port->{starttls}?tls=required",
    MAIL_CA_FILE        => "$t->{dir}/cert.pem",
    MAIL_FROM           => 'Ashlar <no-reply@ashlar.example>',
    CONTACT_WEBHOOK_URL => "http://127.0.0.1:$port->{webhook}/crm",
);
# From now on a worker with these settings beside the usual ones.
sub worker (%env) {
    $t->{pool}{worker}->stop('TERM', 15) if $t->{pool}{worker};
    return $t->start_worker(env => { %usual, %env });
}

sub log_of_worker () {
    open my $in, '<', "$t->{dir}/api-worker.log" or return '';
    local $/ = undef;
    return scalar <$in>;
}

# The mail to a recipient, when it is there; the newest of several.
sub mail_to ($to, $n = 1) {
    my @mails;
    eventually { @mails = grep { ($_->{to}[0] // '') eq $to } said(); @mails >= $n } 40, "a mail to $to" or diag log_of_worker();
    return $mails[-1] // die "no mail to $to\n";
}

# The newest job of a mail to a recipient, when it is in one of these states.
sub job_to ($to, @states) {
    my $job;
    eventually {
        $job = $t->db->selectrow_hashref(q{SELECT * FROM jobs WHERE kind = 'mail' AND payload ->> 'to' = ? ORDER BY created_at DESC, id DESC LIMIT 1}, undef, $to);
        $job && grep { $job->{state} eq $_ } @states;
    } 40, "the job of the mail to $to is @states" or diag explain $job;
    return $job;
}

# Whatever waits for its next attempt need not wait.
sub hurry () { $t->db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled'}); return }

# A mail of this template to a recipient, as a request would add it.
sub add ($template, $to, %arg) {
    $t->db->do(q{INSERT INTO jobs (tenant_id, queue, kind, payload, created_at) VALUES (?, 'ashlar.mail', ?, ?, now() - ?::interval)},
        undef, $t->tenant_id($arg{tenant}), $arg{kind} // 'mail', Cpanel::JSON::XS->new->encode({ template => $template, to => $to, data => $arg{data} // {}, locale => $arg{locale} // 'en' }), $arg{age} // '0 s');
    return;
}

worker();
$t->expect_log(qr/"outcome":"failed"/);    # what is given up

# ------------------------------------------------------------------ what arrives

my %hash;
subtest 'signing up: in the person\'s language, in the tenant\'s name' => sub {
    set_tenant($t, 'default', email_verification_required => 't', email_from_name => 'Müller & Söhne', support_email => 'hilfe@mueller.example',
        logo_url => 'https://mueller.example/logo.png', brand_color => '#aa0000');
    status_is from($t)->post('/api/v1/auth/register', { email => 'ada@example.com', password => $PASSWORD, locale => 'de-AT' }), 201;
    my $mail = mail_to('ada@example.com');
    is_deeply [ @$mail{qw(server user from)}, $mail->{secure} ], [ 'starttls', 'mailer', 'no-reply@ashlar.example', true ], 'by TLS, signed in, bounces go to the sender';
    is $mail->{subject}, 'Bestätigen Sie Ihre E-Mail-Adresse', 'the subject';
    is_deeply $mail->{sender}, { name => 'Müller & Söhne', address => 'no-reply@ashlar.example' }, 'from the tenant, at our address';
    is $mail->{replyTo}, 'hilfe@mueller.example', 'to be answered to the tenant';
    is $mail->{recipient}, 'ada@example.com', 'to her';
    my %header = map { my ($name, $value) = /^([^:]+): *(.*)/s; (lc $name => $value) } @{ $mail->{headers} };
    is $header{'auto-submitted'}, 'auto-generated', 'no holiday notice comes back';
    is $header{'content-language'}, 'de', 'the language';
    ok !$header{'list-unsubscribe'}, 'nobody unsubscribes from it';
    like $header{'content-type'}, qr{^multipart/alternative}, 'two parts';
    my $job = job_to('ada@example.com', 'completed');
    is $mail->{messageId}, "<$job->{id}\@ashlar.example>", 'its id is the job\'s';
    is $mail->{raw} =~ tr/\x80-\xff//, 0, 'ASCII on the wire';
    is_deeply [ grep { length > 78 } split /\r\n/, $mail->{raw} ], [], 'in short lines';

    like $mail->{text}, qr/bei Müller & Söhne\s+registriert/, 'the text part';
    like $mail->{html}, qr/bei Müller &amp; Söhne registriert/, 'the HTML part';
    like $mail->{html}, qr{<img src="https://mueller.example/logo.png" alt="Müller &amp; Söhne">}, '  with the tenant\'s logo';
    like $mail->{html}, qr/background: #aa0000; color: #ffffff/, '  and color';
    my ($link) = $mail->{text} =~ m{^(https://\S+/verify-email\.html\?token=\S+)$}m;
    ok $link, 'the link';
    like $mail->{html}, qr/href="\Q$link\E">Adresse bestätigen</, '  and in HTML';
    my ($code) = $mail->{text} =~ /^ {4}(\d{6})$/m;
    like $mail->{html}, qr/<p class="code">$code</, 'the code';
    my ($token) = $link =~ /token=(.*)/;
    $t->keep_secret($token, $code);

    is_deeply decode_json($job->{payload}), { template => 'verify_email', to => 'ada@example.com', locale => 'de-AT' }, 'the job forgets what it said';
    is_deeply [ $t->mails(to => 'ada@example.com') ], [], 'ashlar mails shows it no more';
    is_deeply $t->db->selectall_arrayref(q{SELECT e.quantity, e.category, u.email FROM usage_events e JOIN users u ON u.id = e.user_id WHERE e.metric = 'email_sent'}),
        [ [ 1, 'verify_email', 'ada@example.com' ] ], 'it is her usage, once';
    status_is from($t)->post('/api/v1/auth/verify-email', { token => $token }), 200, 'the link works';
};

subtest 'every other mail' => sub {
    status_is from($t)->post('/api/v1/auth/register', { email => 'ada@example.com', password => $PASSWORD, locale => 'en' }), 201;
    my $known = mail_to('ada@example.com', 2);
    is $known->{subject}, 'You have an account already', 'who has an account';

    status_is from($t)->post('/api/v1/auth/forgot-password', { email => 'ada@example.com' }), 200;
    my $reset = mail_to('ada@example.com', 3);
    is $reset->{subject}, 'Setzen Sie Ihr Passwort zurück', 'who forgot a password';
    my ($token) = $reset->{text} =~ m{/reset-password\.html\?token=(\S+)}m;
    status_is from($t)->post('/api/v1/auth/reset-password', { token => $token, new_password => 'Another-Horse-8' }), 200, '  and gets a new one';

    my $ann = $t->user('ann', columns => { is_email_verified => 't', full_name => 'Ann <ann@evil.example>' })->with(key => $t->key);
    my $org = $ann->post('/api/v1/organizations', { name => "Smith\x{2028} & \x{1f680}", slug => 'smith' })->json('/id');
    status_is $ann->post("/api/v1/organizations/$org/invite", { email => 'guest@example.com', role => 'developer' }), 201;
    my $invitation = mail_to('guest@example.com');
    is $invitation->{subject}, "Your invitation to Smith\x{2028} & \x{1f680}", 'who is invited';
    like $invitation->{html}, qr/Ann &lt;ann\[at\]evil\[\.\]example&gt; has invited you/, '  by whom, escaped, and nothing that a mail program would make a link of';
    ($token) = $invitation->{text} =~ m{/invitation\.html\?token=(\S+)}m;
    my $guest = $t->user('guest', columns => { is_email_verified => 't' })->with(key => $ann->{key});
    status_is $guest->post('/api/v1/organizations/accept-invitation', { token => $token }), 200, '  with a link that lets in';

    my $owner = $t->team('boss', role => 'owner', columns => { display_name => 'Bo Ss' });
    status_is $owner->post('/api/v1/dashboard/team/invitations', { email => 'new@team.example.com', role => 'admin' }), 201;
    is mail_to('new@team.example.com')->{subject}, 'Your invitation to the team of Default', 'who is asked into the team';
    status_is from($t)->post('/api/v1/tenant-auth/forgot-password', { email => 'boss@team.example.com' }), 200;
    is mail_to('boss@team.example.com')->{subject}, 'Reset your dashboard password', 'who forgot the dashboard\'s password';

    add(webhook_disabled => 'owner@example.com', data => { url => 'https://a.example/hook', name => 'CRM', reason => '410 Gone', workspace => 'Acme' });
    like mail_to('owner@example.com')->{text}, qr/"CRM" of Acme.*\* URL: https\[:\]\/\/a\[\.\]example\/hook\n\* Reason: 410 Gone/s, 'whose webhook is off';

    add(ways_in_ended => 'proved@example.com', data => { passkeys => 2, second_factors => 1, recovery_codes => 10, sessions => 3, password => 1 });
    like mail_to('proved@example.com')->{text}, qr/\* passkeys: 2\n\* the authenticator app\n\* recovery codes: 10\n\* the password\n\* devices that were signed in: 3\n/, 'whose account had other ways in';
    add(ways_in_ended => 'proven@example.com', locale => 'de', data => { sessions => 1 });
    like mail_to('proven@example.com')->{text}, qr/:\n\n\* angemeldete Ger\x{e4}te: 1\n\n/, '  of which only those are named that there were';
    add(team_ways_in => "proved-$_\@example.com", locale => $_, data => { tenant => 'Acme', keys => 2, members => 1, issuers => 1 }) for qw(en de);
    like mail_to('proved-en@example.com')->{text}, qr/\* API keys: 2\n\* other members of the team: 1\n\* identity providers whose tokens are taken: 1\n/, 'who gets into whose tenant';
    like mail_to('proved-de@example.com')->{subject}, qr/Zugang zu Acme/;

    add(impersonated => "seen-$_\@example.com", locale => $_, data => { tenant => 'Acme', member => 'Olive', reason => 'ticket 4711' }) for qw(en de);
    like mail_to('seen-en@example.com')->{text}, qr/Olive of Acme has just opened your account.*\n\nticket 4711\n\n/s, 'whose account a member of the team has opened, and why';
    like mail_to('seen-de@example.com')->{subject}, qr/\AAcme sieht in Ihr Konto/;
    add(way_in_removed => "lost-$_\@example.com", locale => $_, data => { tenant => 'Acme', passkey => 'Harbour phone' }) for qw(en de);
    like mail_to('lost-en@example.com')->{text}, qr/with:\n\n\* the passkey: Harbour phone\n\nIf/, 'from whose account the team has taken a way in';
    like mail_to('lost-de@example.com')->{text}, qr/\* den Passkey: Harbour phone\n/;

    add(team_second_factor_removed => "factor-$_\@example.com", locale => $_, data => { tenant => 'Acme', member => 'Olive' }) for qw(en de);
    like mail_to('factor-en@example.com')->{text}, qr/Olive has taken away the second factor of your account in the team of\s+Acme/, 'from which member of a team the second factor was taken';
    like mail_to('factor-de@example.com')->{subject}, qr/\AIhr zweiter Faktor ist aus/;

    my $before = () = said();
    add(verify_email => 'nobody@example.com', kind => 'mail.decoy');
    eventually { $t->db->selectrow_array(q{SELECT state FROM jobs WHERE kind = 'mail.decoy' ORDER BY created_at DESC LIMIT 1}) eq 'completed' } 20, 'a decoy is done';
    is scalar(() = said()), $before, '  and nobody gets it';
};

subtest 'what members are told of: at once, or together' => sub {
    my $w = workspace($t, ann => 'owner', bob => 'member');
    my $notify = sub ($event, %data) {
        $t->db->begin_work;
        $t->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
        $t->db->do(q{SELECT notify(?, ?, ?, '{}', NULL, ?)}, undef, $w->id, $event, [ $w->member_id('bob') ], Cpanel::JSON::XS->new->encode(\%data));
        $t->db->commit;
    };
    $notify->('goal_assigned', title => "Gr\x{fc}\x{df}e\r\nBcc: victim\@example.com", progress => 5);
    my $mail = mail_to($w->{bob}->email);
    is $mail->{subject}, 'You became owner of a goal', 'at once';
    like $mail->{text}, qr/^> Gr\x{fc}\x{df}e\n> Bcc: victim\[at\]example\[\.\]com \(5 %\)$/m;
    my %header = map { my ($name, $value) = /^([^:]+):\s*(.*)/s; (lc $name => $value) } @{ $mail->{headers} };
    my ($link) = $header{'list-unsubscribe'} =~ m{\A<(https://\S+)>\z};
    ok $link, 'with the link that ends such mails';
    is $header{'list-unsubscribe-post'}, 'List-Unsubscribe=One-Click', '  by one click';
    my ($path) = $link =~ m{(/api/v1/.*)};
    $t->keep_secret($path =~ m{([^/]+)\z});
    json_is from($t)->request('POST', $path, body => 'List-Unsubscribe=One-Click', headers => { 'Content-Type' => 'application/x-www-form-urlencoded' }), '/email_enabled', false;
    $notify->('goal_assigned', title => 'no more', progress => 5);
    $w->{bob}->put('/api/v1/notifications/email-delivery', { email_delivery_mode => 'digest' });
    $notify->('goal_at_risk', title => 'Late', progress => 1);
    $notify->('role_changed', role => 'admin') for 1 .. 2;
    $t->db->do('UPDATE notification_inboxes SET digest_at = now() WHERE digest_at IS NOT NULL');
    $t->db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'notifications' AND state = 'scheduled'});
    my $digest = mail_to($w->{bob}->email, 2);
    unlike $digest->{text}, qr/no more \(/, 'what they ended does not come';
    like $digest->{text}, qr/^> A goal you own is at risk or behind: Late \(1 %\)\n.*\nTeam\n\n\* Your role changed: admin\n\* Your role changed: admin\n/ms, 'together, what needs attention on top';
    like $digest->{html}, qr{<blockquote>A goal you own is at risk or behind: Late \(1 %\)</blockquote>.*<p>Team</p>\s*<ul>\s*<li>Your role changed: admin</li>}s, '  highlighted';
    is scalar(grep { ($_->{to}[0] // '') eq $w->{bob}->email } said()), 2, 'in one mail';
};

subtest 'the contact form: a mail to both, and the webhook' => sub {
    my %form = (
        name => 'Zoë', email => 'zoe@example.com', message => "Guten Tag!\n\n.\nEin Punkt & <b>mehr</b>", subject => "Hallo\r\nBcc: victim\@example.com",
        extra_fields => { budget => 1000, 'from' => "x\ny" },
    );
    my $res = from($t)->post('/api/v1/public/contact', \%form, headers => { 'Accept-Language' => 'de' });
    status_is $res, 200;
    my $reference = $res->json('/reference_id');
    my $notify    = mail_to('boss@example.com');
    is $notify->{subject}, "[$reference] Hallo Bcc: victim[at]example[.]com", 'the subject stays one';
    is $notify->{replyTo}, 'zoe@example.com', 'an answer goes to the sender';
    is_deeply $notify->{to}, ['boss@example.com'], 'and the mail to nobody else';
    is scalar(grep { /^bcc/i } @{ $notify->{headers} }), 0, '  in no header';
    like $notify->{text}, qr/^> Guten Tag!\n>\s*\n> \.\n> Ein Punkt & <b>mehr<\/b>$/m, 'what was written, line by line';
    like $notify->{html}, qr/&lt;b&gt;mehr/, '  escaped';
    like $notify->{text}, qr/budget: 1000/, '  with what else the form asked';
    like mail_to('zoe@example.com')->{subject}, qr/\AIhre Nachricht ist angekommen \(\Q$reference\E\)\z/, 'the sender\'s confirmation';

    my @posts;
    eventually { hurry(); @posts = grep { $_->{webhook} } said(); @posts >= 2 } 20, 'the webhook: once in vain, once not';
    is_deeply [ map { $_->{status} } @posts ], [ 503, 200 ], '  as it answered';
    is $posts[1]{body}, $posts[0]{body}, 'the same again';
    is $posts[1]{webhook}{'x-reference-id'}, $reference, 'the reference';
    is $posts[1]{webhook}{'x-webhook-signature'}, 'sha256=' . hmac_sha256_hex($posts[1]{body}, $hook), 'the signature';
    my $event = decode_json($posts[1]{body});
    is_deeply [ sort keys %$event ], [qw(data event timestamp)], 'the event';
    is $event->{event}, 'contact.submitted', '  its name';
    like $event->{timestamp}, $TIME, '  its time';
    is_deeply $event->{data}, { %form, reference_id => $reference, phone => undef, company => undef, source => undef, submitted_at => $event->{timestamp} }, '  its data';
};

# ------------------------------------------------------------------ what does not

subtest 'what is refused for now is sent again, as the same mail; what is refused is not' => sub {
    add(contact_confirmation => "$_\@example.com", data => { reference_id => 'CNT-00000000' }) for qw(later full never spam);
    my $later = job_to('later@example.com', 'scheduled');
    is $later->{last_error}, 'the mail server, of the recipient: 451 4.7.1 greylisted, come again', 'its own words';
    my $full = job_to('full@example.com', 'scheduled');
    like $full->{last_error}, qr/\Athe mail server, of the mail: 452 4\.2\.2 the mailbox is full/, 'also about the mail itself';
    my $never = job_to('never@example.com', 'failed');
    is $never->{last_error}, 'the mail server, of the recipient: 550 5.1.1 no such user here', 'nobody there';
    is $never->{attempts}, 1, '  which is not tried again';
    my $spam = job_to('spam@example.com', 'failed');
    like $spam->{last_error}, qr/of the mail: 554 5\.7\.1 we do not like it/, 'a mail that is not liked';
    is $spam->{attempts}, 1, '  neither';
    hurry();
    is mail_to('later@example.com')->{messageId}, "<$later->{id}\@ashlar.example>", 'the second time it is taken';
    mail_to('full@example.com');
    is job_to('later@example.com', 'completed')->{attempts}, 2, '  at the second attempt';
};

subtest 'a mail that would come too late is not sent; a code that is too old is left out' => sub {
    add(reset_password => 'tardy@example.com', age => '61 minutes', data => { link => 'https://a.example/' });
    my $job = job_to('tardy@example.com', 'failed');
    like $job->{last_error}, qr/\Ait would come too late: its link was good for 3600 s/, 'and the reason is told';
    is scalar(grep { ($_->{to}[0] // '') eq 'tardy@example.com' } said()), 0, 'nobody gets it';

    $t->{pool}{worker}->stop('TERM', 15);
    status_is from($t)->post('/api/v1/auth/register', { email => 'slowpoke@example.com', password => $PASSWORD }), 201;
    $t->db->do(q{UPDATE jobs SET created_at = now() - interval '11 minutes' WHERE payload ->> 'to' = 'slowpoke@example.com'});
    worker();
    my $mail = mail_to('slowpoke@example.com');
    unlike $mail->{text}, qr/^ +\d{6}$|code/m, 'no code after ten minutes';
    like $mail->{text}, qr/token=/, 'the link, which is still good';
};

subtest 'what is wrong with the server can be put right: the mail waits' => sub {
    my %reply_to = (data => { reference_id => 'CNT-11111111' });
    my %wrong    = (
        'a password that is wrong' => [ { MAIL_URL => "smtp://mailer:wrong\@localhost:$port->{starttls}?tls=required" }, qr/refuses the user or password of MAIL_URL: 535 5\.7\.8 who are you/ ],
        'a certificate that nobody vouches for' => [ { MAIL_CA_FILE => '' }, qr/SSL certificate problem: self.signed certificate/ ],
        'no TLS where there has to be some'     => [ { MAIL_URL => "smtp://localhost:$port->{plain}?tls=required" }, qr/STARTTLS not supported|Requested SSL level failed/ ],
        'a server that is silent'               => [ { MAIL_URL => "smtp://localhost:$port->{silent}", MAIL_TIMEOUT_S => 1 }, qr/time.{0,2}out/i ],
        'nowhere to send to'                    => [ { MAIL_URL => '' }, qr/there is no MAIL_URL to send mails to/ ],
    );
    my $n = 0;
    for my $what (sort keys %wrong) {
        my ($env, $error) = @{ $wrong{$what} };
        my $to = 'wait' . ++$n . '@example.com';
        worker(%$env);
        add(contact_confirmation => $to, %reply_to);
        my $job = job_to($to, 'scheduled');
        like $job->{last_error}, $error, $what;
        unlike $job->{last_error}, qr/wrong|p.ss:w/, '  without the password';
        $t->db->do(q{UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = ?}, undef, $job->{id});    # until hurry(), whatever runs in between
    }
    like log_of_worker(), qr/mails are not sent: there is neither MAIL_URL nor MAIL_DIR/, 'the worker says so when it starts';
    worker(MAIL_TIMEOUT_S => 1);
    add(contact_confirmation => 'between@example.com', %reply_to);
    mail_to('between@example.com');    # so that no five in a row are failures: the breaker stays closed
    add(contact_confirmation => 'slow@example.com', %reply_to);
    like job_to('slow@example.com', 'scheduled')->{last_error}, qr/time.{0,2}out/i, 'an answer that does not come';
    $t->db->do(q{DELETE FROM jobs WHERE payload ->> 'to' = 'slow@example.com'});

    worker(MAIL_URL => "smtps://mailer:$PASS\@localhost:$port->{smtps}", MAIL_BOUNCE => 'bounces@ashlar.example', MAIL_REPLY_TO => 'office@ashlar.example');
    set_tenant($t, 'default', support_email => undef);
    hurry();
    mail_to("wait$_\@example.com") for 1 .. $n;
    my $mail = mail_to('wait1@example.com');
    is $mail->{server}, 'smtps', 'when it is right again, all of them go: by TLS from the first byte';
    is $mail->{from}, 'bounces@ashlar.example', 'bounces go where they are wanted';
    is $mail->{replyTo}, 'office@ashlar.example', 'answers, too';
    like log_of_worker(), qr{mails go to smtps://localhost:\d+"}, 'the worker says where it sends, and not with what';
};

subtest 'without TLS within the host' => sub {
    worker(MAIL_URL => "smtp://localhost:$port->{plain}");
    add(already_registered => "j\x{f6}rg\@example.com", tenant => 'other');
    my $mail = mail_to("j\x{f6}rg\@example.com");
    is $mail->{server}, 'plain', 'by plain SMTP, an address in UTF-8';
    is_deeply $mail->{sender}, { name => 'other', address => 'no-reply@ashlar.example' }, 'another tenant is another sender';
    add(already_registered => "dee\@example.com", locale => 'de');
    mail_to('dee@example.com');
};

subtest 'without a server mails are files' => sub {
    worker(MAIL_URL => '', MAIL_FROM => '', MAIL_DIR => "$dir/mail");
    add(already_registered => 'file@example.com');
    job_to('file@example.com', 'completed');
    my @files = glob "$dir/mail/*.eml";
    is @files, 1, 'one';
    is sprintf('%o', (stat $files[0])[2] & 07777), '600', 'for whoever runs the worker, and nobody else';
    open my $in, '<', $files[0] or die $!;
    my $text = join '', <$in>;
    like $text, qr/^To: <file\@example\.com>\r$/m, 'the whole mail';
    like $text, qr/^ <no-reply\@localhost>\r$/m, 'from us, wherever that is';
    like log_of_worker(), qr/mails are not sent but kept in \Q$dir\E\/mail: there is no MAIL_URL/, 'and the worker says so';
};

$server->stop;
