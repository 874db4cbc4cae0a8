# The console in Chromium: users and what lets them in, jobs, schedules, the audit log, mails in development, requests as they are answered.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Console;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail);
use Ashlar::Totp 'totp';
use File::Temp ();

my $mails = File::Temp->newdir('/tmp/ashlar-mails-XXXXXX');
my $t     = Api->start(@BEHIND_PROXY, RATE_LIMIT_DEFAULT => 0, realtime => 1, ENVIRONMENT => 'development', MAIL_DIR => "$mails");
my $db    = $t->db;
console($t);

my $made = from($t)->post('/api/v1/tenant-auth/register', { email => 'olga@acme.example', password => $PASSWORD, display_name => 'Olga Owner', tenant_name => 'Acme', tenant_slug => 'acme' });
status_is $made, 201, 'there is a tenant';
$t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
my $acme = $made->json('/tenant/id');
my $vera = $t->user('vera', tenant => 'acme', columns => { full_name => 'Vera Vantage', password_hash => '$scrypt$of nobody' });
my $bob  = $t->user('bob',  tenant => 'acme', columns => { full_name => 'Bob <b>Bold</b>' });
my $me   = '/api/v1/app/users/me';
my $all  = $t->client(key => $t->key(tenant => 'acme'));

sub job (%column) {
    my %all   = (tenant_id => $acme, queue => 'reports', kind => 'tides', %column);
    my @names = sort keys %all;
    return scalar $db->selectrow_array('INSERT INTO jobs (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', undef, @all{@names});
}

sign_in('first', 'olga@acme.example', '/console/users');

subtest 'users are found, and what one of them is' => sub {
    my $got = does('first', { see => 'rows', of => 'tbody tr' }, { look => 'users' }, { fill => { Search => 'vantage' } }, { gone => 'Bold' }, { settle => true }, { see => 'found', of => 'tbody tr' },
        { click => 'Vera Vantage', role => 'link' }, { wait => 'Ways to sign in' }, { settle => true }, { see => 'heading', of => 'main h1' }, { see => 'facts', of => '.facts' }, { see => 'methods', of => 'tbody tr' }, { look => 'user' });
    looks_ok $got, 'users', 'user';
    is scalar @{ $got->{values}{rows} }, 2, 'all are listed';
    like join(' ', @{ $got->{values}{rows} }), qr{Bob <b>Bold</b>}, '  by names that stay text';
    is scalar @{ $got->{values}{found} }, 1, 'a last name finds one';
    is_deeply $got->{values}{heading}, ['Vera Vantage'], 'who has a page';
    like $got->{values}{facts}[0], qr/vera\@example\.com, not confirmed.*user_vera/s, '  with what is known';
    like join(' ', @{ $got->{values}{methods} }), qr/token.*password/s, '  where they are signed in, and by what';
};

subtest 'sessions end, and ways to sign in' => sub {
    status_is $vera->get($me), 200;
    my $got = does('first', { click => 'End', in => 'token' }, { dialog => 'End the session?' }, { look => 'user-confirm' }, { click => 'End the session' }, { wait => 'The session has ended.' }, { settle => true }, { wait => 'The user is signed in nowhere.' },
        { click => 'Take away', in => 'password' }, { dialog => 'Take the password away?' }, { click => 'Take it away' }, { wait => 'It is taken away.' }, { settle => true }, { wait => 'chooses a password by a mail' });
    looks_ok $got, 'user-confirm';
    error_is $vera->get($me), 401, 'AUTHENTICATION_ERROR', name => 'really';
    is newest_mail($t, 'vera@example.com')->{template}, 'way_in_removed', 'and the user is told';
    $got = does('first', { click => 'Deactivate' }, { dialog => 'Deactivate the user?' }, { click => 'Deactivate' }, { wait => 'The user is deactivated.' }, { settle => true },
        { click => 'Let in again' }, { dialog => 'Let the user in again?' }, { click => 'Let in' }, { wait => 'The user may sign in.' }, { settle => true });
    is_deeply $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE tenant_id = ? AND action LIKE 'user.%' ORDER BY seq}, undef, $acme), [qw(user.sign_in_method_remove user.deactivate user.activate)], 'each is put down';
};

subtest 'acting as a user, with a reason' => sub {
    my $got = does('first', { click => 'Act as this user' }, { dialog => 'Act as Vera Vantage' }, { click => 'Act as this user' }, { see => 'wrong', of => '.wrong' }, { look => 'user-act' },
        { fill => { reason => 'ticket 4711' } }, { click => 'Act as this user' }, { dialog => 'A token of Vera Vantage' }, { see => 'token', of => '.secret' }, { click => 'Done' });
    is scalar @{ $got->{values}{wrong} }, 1, 'not without a reason';
    looks_ok $got, 'user-act';
    my $token = $got->{values}{token}[0];
    $t->keep_secret($token);
    json_is $t->client(token => $token)->get($me), '/id', 'user_vera', 'the token is one of the user\'s';
    is newest_mail($t, 'vera@example.com')->{data}{reason}, 'ticket 4711', 'who reads why';
    $db->do(q{UPDATE team_sessions SET created_at = created_at - interval '1 day' WHERE tenant_id = ?}, undef, $acme);
};

subtest 'jobs are put back, and cancelled' => sub {
    my $dead = job(state => 'failed', finished_at => 'now', attempts => 3, max_attempts => 3, last_error => 'there is fog', errors => '[{"attempt":3,"at":"2026-11-30T04:00:00Z","error":"there is fog"}]', payload => '{"of":"the far bank"}');
    my $late = job(kind => 'moon', run_at => '2099-01-01');
    my $got  = does('first', { click => 'Jobs', role => 'link' }, { settle => true }, { look => 'jobs' }, { click => 'tides', role => 'link' }, { wait => 'What went wrong' }, { see => 'said', of => 'main' }, { look => 'job' },
        { click => 'All jobs', role => 'link' }, { settle => true }, { click => 'Retry', in => 'tides' }, { wait => 'The job is in its queue again.' }, { settle => true },
        { click => 'Cancel', in => 'moon' }, { dialog => 'Cancel the job?' }, { click => 'Cancel' }, { wait => 'The job is cancelled.' }, { settle => true }, { see => 'rows', of => 'tbody tr' });
    looks_ok $got, 'jobs', 'job';
    like $got->{values}{said}[0], qr/failed.*3 of 3.*there is fog.*the far bank/s, 'what became of it';
    is join(' ', map { scalar $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $_) } $dead, $late), 'queued cancelled', 'one waits again, one is cancelled';
};

subtest 'schedules are deleted' => sub {
    status_is $all->post('/api/bull-queue/submit-scheduled', { queue => 'reports', name => 'daily', data => {}, repeat => '0 7 * * *' }), 201;
    my $got = does('first', { click => 'Schedules', role => 'link' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { look => 'schedules' }, { click => 'Delete', in => 'daily' }, { dialog => 'Delete the schedule?' }, { click => 'Delete' },
        { wait => 'The schedule is deleted.' }, { wait => 'There is no schedule.' });
    looks_ok $got, 'schedules';
    like $got->{values}{rows}[0], qr/daily.*reports.*0 7 \* \* \*/s;
};

subtest 'the audit log, and whether it is what was written' => sub {
    my $got = does('first', { click => 'Audit log', role => 'link' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { click => 'Check the log' }, { wait => 'unbroken' }, { settle => true }, { see => 'check', of => '.check' }, { look => 'audit' },
        { fill => { action => 'impersonate.start' } }, { press => 'Tab' }, { gone => 'user.activate' }, { settle => true }, { see => 'found', of => 'tbody tr' });
    looks_ok $got, 'audit';
    like join(' ', @{ $got->{values}{rows} }), qr/user\.sign_in_method_remove.*user user_vera/s, 'what was done';
    like $got->{values}{check}[0], qr/events are what was written.*[0-9a-f]{64}/s, 'and that it is whole, with the hash that shows it';
    like $got->{values}{found}[0], qr/impersonate\.start.*ticket 4711/s, 'one kind of it';
    $db->do('SET session_replication_role = replica');
    $db->do(q{UPDATE audit_events SET actor_id = 'nobody' WHERE tenant_id = ? AND seq = 2}, undef, $acme);
    $db->do('SET session_replication_role = origin');
    $got = does('first', { click => 'Check the log' }, { wait => 'row 2 was changed' }, { see => 'check', of => '.check' });
    like $got->{values}{check}[0], qr/broken/, 'or that it is not';
};

subtest 'mails of development' => sub {
    my $id = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, state, finished_at, payload) VALUES (?, 'ashlar.mail', 'mail', 'completed', now(), '{"to": "vera@example.com"}') RETURNING id}, undef, $acme);
    open my $out, '>:raw', "$mails/20261130T040500Z-verify_email-$id.eml" or die $!;
    print $out "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_Acme?=\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        "Sch=C3=B6n, dass Sie da sind: https://acme.example/verify?token=3Dabc\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n";
    close $out or die $!;
    my $got = does('first', { click => 'Mails', role => 'link' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { look => 'mails' }, { click => 'verify email', role => 'link' }, { wait => 'Grüße aus Acme' },
        { see => 'text', of => 'pre.answer' }, { see => 'link', of => 'pre.answer a', attribute => 'href' }, { look => 'mail' });
    looks_ok $got, 'mails', 'mail';
    like $got->{values}{rows}[0], qr/vera\@example\.com/;
    like $got->{values}{text}[0], qr/^Schön, dass Sie da sind/, 'its text';
    is_deeply $got->{values}{link}, ['https://acme.example/verify?token=abc'], '  with its link';
};

subtest 'requests as they are answered' => sub {
    my $dan = $t->user('dan', tenant => 'acme');
    does('first', { click => 'Live requests', role => 'link' }, { settle => true }, { wait => 'listening' });
    my $rows;
    eventually { $dan->get($me); $dan->get('/api/v1/app/projects/00000000-0000-7000-8000-00000000dead'); $rows = does('first', { see => 'rows', of => 'tbody tr' })->{values}{rows}; "@$rows" =~ /404/ } 60, 'they are there at once';
    like "@$rows", qr{GET /api/v1/app/projects/\{project_id\}.*404 NOT_FOUND.*user_dan}s, '  with what they came to, and whose';
    my $got = does('first', { look => 'live' }, { click => 'Stop' }, { wait => 'stopped' }, { click => 'Clear' }, { wait => 'Nothing was asked yet.' });
    looks_ok $got, 'live';
};

subtest 'the overview has requests, errors and latency' => sub {
    my $seen;
    eventually { $seen = does('first', { click => 'Audit log', role => 'link' }, { settle => true }, { click => 'Overview', role => 'link' }, { settle => true }, { see => 'numbers', of => '.numbers li' }, { see => 'charts', of => 'figcaption' })->{values}; "@{ $seen->{numbers} }" =~ /Requests\s+[1-9]/ } 60, 'requests are counted';
    like "@{ $seen->{numbers} }", qr/Answered within\s+[\d.,]+ ms.*Jobs waiting\s+\d+.*Webhooks failing\s+0/s, 'with how long they took, jobs and webhooks';
    like "@{ $seen->{charts} }", qr/Requests by hour.*Errors by hour.*95 %/s, 'over time';
};

subtest 'a second factor of one\'s own, and signing in with it' => sub {
    sign_in('own', 'olga@acme.example', '/console/account', is_new => 1);
    my $got = does('own', { look => 'account' }, { click => 'Turn it on' }, { dialog => 'Turn the second factor on' }, { see => 'secret', of => 'dialog .secret' }, { look => 'account-enrol' },
        { fill => { code => '000000' } }, { click => 'Turn it on' }, { wait => 'INVALID_CODE' });
    looks_ok $got, 'account', 'account-enrol';
    my $secret = $got->{values}{secret}[0];
    $t->keep_secret($secret);
    $got = does('own', { fill => { code => totp($secret) } }, { click => 'Turn it on' }, { dialog => 'Your recovery codes' }, { see => 'codes', of => 'dialog .secret' }, { look => 'account-codes' }, { click => 'Done' }, { wait => 'The second factor is on.' }, { settle => true },
        { see => 'facts', of => '.facts' });
    looks_ok $got, 'account-codes';
    my @codes = split ' ', $got->{values}{codes}[0];
    $t->keep_secret(@codes);
    is scalar @codes, 10, 'ten recovery codes are shown, once';
    like $got->{values}{facts}[1], qr/on.*10/s, 'it is on';

    $got = sign_in('own', 'olga@acme.example', '/console/team', is_new => 1, then => [ { wait => 'recovery codes' }, { fill => { Code => '000000' } }, { click => 'Go on' }, { wait => 'INVALID_CODE' }, { fill => { Code => $codes[0] } }, { click => 'Go on' },
        { wait => 'Sign out' }, { settle => true }, { see => 'rows', of => 'tbody tr' } ]);
    like $got->{values}{rows}[0], qr/Olga Owner.*yes/s, 'signing in asks for it, and the team sees who has one';
    does('own', { click => 'Your account', role => 'link' }, { settle => true }, { click => 'Turn it off' }, { dialog => 'Turn the second factor off' }, { fill => { code => $codes[2] } }, { click => 'Turn it off' }, { wait => 'The second factor is off.' }, { settle => true });
    is $db->selectrow_array('SELECT count(*) FROM team_totp_factors WHERE tenant_id = ?', undef, $acme), 0, 'and it is turned off';
};
