# The console at /console, in Chromium: what people do on each of its pages, and what they see when something is wrong.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Console;
use Ashlar::Sample;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from newest_mail);
use Ashlar::Totp 'totp';
use Cpanel::JSON::XS 'encode_json';
use IO::Compress::Gzip 'gzip';

my $t     = Api->start(@BEHIND_PROXY, RATE_LIMIT_DEFAULT => 0);
my $db    = $t->db;
console($t);

# A tenant and its owner, as people make one.
my $made = from($t)->post('/api/v1/tenant-auth/register', { email => 'olga@acme.example', password => $PASSWORD, display_name => 'Olga Owner', tenant_name => 'Acme', tenant_slug => 'acme' });
status_is $made, 201, 'there is a tenant';
$t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
my $acme  = $made->json('/tenant/id');
my $owner = $t->client(token => $made->json('/access_token'));

subtest 'what a browser loads' => sub {
    my $page = $t->get('/console');
    status_is $page, 200;
    my $policy = $page->header('Content-Security-Policy');
    like $policy, qr/default-src 'none'/, 'its policy lets nothing in but what it names';
    unlike $policy, qr/unsafe|https?:|data:|\*/, '  without an exception';
    is $t->get('/console/api-keys')->body,       $page->body, 'an address inside of it is the same page';
    is $t->get('/console/users/a.b@c.d')->body, $page->body, '  whatever is in it';
    status_is $t->get('/console/main-00000000.js'), 404, 'a file that is gone is none';
    unlike $page->body, qr/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/, 'nothing is written in the page';
    my $bytes = 0;
    for my $file ('/console', '/frame.css', $page->body =~ m{"(/console/[^"]+)"}g) {
        my $text = $t->get($file)->body;
        gzip(\$text, \my $small, -Level => 9);
        $bytes += length $small;
    }
    cmp_ok $bytes, '<', 120 * 1024, "all of it is under 120 KiB, compressed: $bytes bytes";
};

subtest 'signing in' => sub {
    my $got = sign_in('first', 'olga@acme.example', '/console/api-keys', password => 'Wrong-Horse-7', then => [ { wait => 'INVALID_CREDENTIALS' }, { look => 'signin' } ]);
    looks_ok $got, 'signin';
    $got = does('first', { fill => { Password => $PASSWORD } }, { click => 'Sign in' }, { wait => 'Sign out' }, { settle => true },
        { see => 'heading', of => 'main h1' }, { see => 'who', of => '.who' }, { see => 'title', js => 'document.title' }, { see => 'path', js => 'location.pathname' },
        { see => 'kept', js => 'JSON.stringify([document.cookie, localStorage.length, sessionStorage.length])' }, { see => 'bases', js => 'indexedDB.databases().then((all) => all.length)' });
    is $got->{values}{path}, '/console/api-keys', 'one is where one wanted to go';
    is_deeply $got->{values}{heading}, ['API keys'], '  which is shown';
    is $got->{values}{title}, 'API keys · Ashlar console', '  and in the title';
    like $got->{values}{who}[0], qr/Olga Owner.*owner of Acme/s, 'it says who is signed in';
    is $got->{values}{kept}, '["",0,0]', 'nothing is kept in cookies or storage';
    is $got->{values}{bases}, 0, '  nor in a database of the browser';
};

subtest 'API keys' => sub {
    my $got = does('first', { look => 'api-keys-empty' }, { click => 'Make a key' }, { dialog => 'Make a key' }, { click => 'Make a key' }, { focus => 'name' }, { see => 'needed', of => '.wrong' }, { look => 'api-keys-form' });
    is scalar @{ $got->{values}{needed} }, 2, 'what is needed is said beside each field, and the first has the focus';
    looks_ok $got, 'api-keys-empty', 'api-keys-form';

    $got = does('first', { fill => { name => 'Website' } }, { choose => { type => 'public' } }, { click => 'Make a key' }, { focus => 'allowed_origins' }, { see => 'wrong', of => '.wrong' });
    is_deeply $got->{values}{wrong}, ['a public key needs at least one origin'], 'what the server refuses stands beside the field, which has the focus';

    $got = does('first', { fill => { 'allowed origins' => "https://app.acme.example\nhttps://www.acme.example" } }, { click => 'Make a key' }, { wait => 'The key is made.' }, { settle => true },
        { see => 'row', of => 'tbody tr' });
    like $got->{values}{row}[0], qr{Website.*pk_live_.*active.*https://app\.acme\.example, https://www\.acme\.example}s, 'a public key is in the list';

    my $hostile = '<img src=x onerror=alert(1)>"\'{{7*7}}';
    $got = does('first', { click => 'Make a key' }, { dialog => 'Make a key' }, { fill => { name => $hostile } }, { choose => { type => 'secret' } }, { click => 'Make a key' }, { wait => 'only time' },
        { see => 'secret', of => '.secret' }, { see => 'title', of => 'dialog h2' }, { look => 'api-keys-secret' }, { click => 'Copy' }, { wait => 'Copied.' },
        { see => 'copied', js => 'navigator.clipboard.readText()' }, { click => 'Done' }, { wait => 'The key is made.' }, { settle => true }, { see => 'rows', of => 'tbody tr' },
        { see => 'images', js => 'document.images.length' }, { see => 'left', js => 'document.body.innerText.includes("sk_live_") && !/sk_live_\w{5,}/.test(document.body.innerText.replace(/sk_live_\w{4}…/, ""))' });
    looks_ok $got, 'api-keys-secret';
    like $got->{values}{secret}[0], qr/\Ask_live_\w{32}\z/, 'a secret key is shown';
    is $got->{values}{copied}, $got->{values}{secret}[0], '  and can be copied';
    $t->keep_secret($got->{values}{copied});
    like $got->{values}{title}[0], qr/\Q$hostile/, 'a hostile name stays text';
    is $got->{values}{images}, 0, '  and becomes no picture';
    ok $got->{values}{left}, '  of the key only its beginning is left';

    $got = does('first', { fill => { Search => 'website' } }, { gone => 'sk_live' }, { see => 'found', of => 'tbody tr' }, { fill => { Search => 'nothing of it' } }, { wait => 'Nothing is found' }, { see => 'none', of => '.empty' },
        { fill => { Search => '' } }, { click => 'name' }, { settle => true }, { see => 'sorted', of => 'tbody th' }, { see => 'sort', of => 'thead th[aria-sort]', attribute => 'aria-sort' });
    is scalar @{ $got->{values}{found} }, 1, 'a search finds';
    like $got->{values}{none}[0], qr/Nothing is found/, '  or says that it does not';
    is_deeply $got->{values}{sort}, ['ascending'], 'a column is sorted by';

    $got = does('first', { click => 'Revoke', in => 'Website' }, { wait => 'for ever' }, { look => 'api-keys-confirm' }, { press => 'Escape' }, { focus => 'Revoke' },
        { see => 'rows', of => 'tbody tr' }, { click => 'Revoke', in => 'Website' }, { dialog => 'Revoke' }, { click => 'Revoke' }, { wait => 'The key is revoked.' }, { settle => true }, { see => 'after', of => 'tbody tr' },
        { choose => { 'include revoked' => 'true' } }, { settle => true }, { wait => 'revoked' }, { see => 'all', of => 'tbody tr' });
    looks_ok $got, 'api-keys-confirm';
    is scalar @{ $got->{values}{rows} },  2, 'Escape gives the focus back, and changes nothing';
    is scalar @{ $got->{values}{after} }, 1, 'a key is revoked when it was meant';
    is scalar @{ $got->{values}{all} },   2, '  and is among all that there were';
    is scalar $db->selectrow_array('SELECT count(*) FROM api_keys WHERE tenant_id = ? AND revoked_at IS NOT NULL', undef, $acme), 1, '  really';
};

subtest 'the team' => sub {
    my $got = does('first', { click => 'Team', role => 'link' }, { settle => true }, { focus => 'Team' }, { click => 'Invite somebody' }, { dialog => 'Invite' },
        { fill => { email => 'no address' } }, { choose => { role => 'admin' } }, { click => 'Send the invitation' }, { wait => 'must be an e-mail address' }, { see => 'wrong', of => '.wrong' },
        { fill => { email => 'ada@acme.example' } }, { click => 'Send the invitation' }, { wait => 'on its way' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { look => 'team' });
    is scalar @{ $got->{values}{wrong} }, 1, 'no address is none';
    like $got->{values}{rows}[1], qr/ada\@acme\.example.*admin.*invited/s, 'who is invited is in the list';
    unlike $got->{values}{rows}[0], qr/Remove|Change/, 'nobody removes themself';
    looks_ok $got, 'team';
    $t->keep_secret(newest_mail($t, 'ada@acme.example')->{secrets}{token});
};

subtest 'the overview' => sub {
    my $got = does('first', { click => 'Overview', role => 'link' }, { settle => true }, { see => 'numbers', of => '.numbers li' }, { see => 'charts', of => 'figure svg', attribute => 'role' }, { look => 'overview' });
    ok scalar(grep { /^Users\s+0/ } @{ $got->{values}{numbers} }), 'numbers of the API';
    is_deeply $got->{values}{charts}, [ ('img') x 6 ], 'and charts';
    looks_ok $got, 'overview';
};

subtest 'two tabs' => sub {
    my $got = does('second', { open => '/console/team' }, { wait => 'Sign out' }, { settle => true }, { see => 'rows', of => 'tbody tr' });
    is scalar @{ $got->{values}{rows} }, 2, 'who is signed in in one is so in the other';
    does('second', { click => 'Sign out' }, { wait => 'You are signed out' });
    $got = does('first', { wait => 'You are signed out' }, { see => 'path', js => 'location.pathname' });
    is $got->{values}{path}, '/console', 'and signed out in both';
    does('second', { close => true });
};

subtest 'a session that ended' => sub {
    sign_in('first', 'olga@acme.example', '/console/team');
    $db->do('UPDATE team_sessions SET revoked_at = now() WHERE tenant_id = ?', undef, $acme);
    my $got = does('first', { click => 'API keys', role => 'link' }, { wait => 'Your session has ended' }, { fill => { Email => 'olga@acme.example', Password => $PASSWORD } }, { click => 'Sign in' },
        { wait => 'Sign out' }, { settle => true }, { see => 'heading', of => 'main h1' });
    is_deeply $got->{values}{heading}, ['API keys'], 'after signing in again one is on the same page';
};

subtest 'what began before somebody signed in anew says nothing of them' => sub {
    my $team = { method => 'GET', path => '/api/v1/dashboard/team', status => 401, body => { error => { code => 'AUTHENTICATION_ERROR', message => 'no', details => {} }, detail => 'no' } };
    my $again = sub { return ({ fill => { Email => 'olga@acme.example', Password => $PASSWORD } }, { click => 'Sign in' }, { wait => 'Sign out' }, { settle => true }) };

    # Refused twice, with a refresh between the two; the second time so late that the session has ended, and another one begun.
    my $got = does('first', { faults => [ { %$team, times => 1 }, { %$team, isHeld => true } ] }, { click => 'Team', role => 'link' }, { isHeld => true });
    is scalar(grep { $_->{path} =~ /refresh/ && $_->{status} == 200 } @{ $got->{asked} }), 1, 'a call is refused, and sent again with a fresh token';
    $db->do('UPDATE team_sessions SET revoked_at = now() WHERE tenant_id = ?', undef, $acme);
    $got = does('first', { faults => [] }, { click => 'API keys', role => 'link' }, { wait => 'Your session has ended' }, $again->(), { release => true }, { click => 'Overview', role => 'link' }, { settle => true }, { see => 'heading', of => 'main h1' }, { see => 'who', of => '.who' });
    is_deeply $got->{values}{heading}, ['Overview'], 'a refusal of then ends nothing of now';

    # The refresh itself is late: what waits for it is not sent in the name of who has signed in since.
    $got = does('first', { faults => [ { %$team, times => 1 }, { %$team, method => 'POST', path => '/api/v1/tenant-auth/refresh', isHeld => true } ] }, { click => 'Team', role => 'link' }, { isHeld => true },
        { faults => [] }, { click => 'Sign out' }, { wait => 'You are signed out' });
    $got = does('first', $again->(), { click => 'API keys', role => 'link' }, { settle => true });
    $got = does('first', { release => true }, { click => 'Overview', role => 'link' }, { settle => true }, { see => 'heading', of => 'main h1' });
    is_deeply $got->{values}{heading}, ['Overview'], 'nor does a refresh of then';
    is_deeply [ grep { $_->{path} =~ m{/dashboard/team} } @{ $got->{asked} } ], [], '  and nothing of then is asked for now';

    # A refresh that could not be had is no end.
    $got = does('first', { faults => [ { %$team, times => 1 }, { %$team, method => 'POST', path => '/api/v1/tenant-auth/refresh', status => 503, headers => { 'Content-Type' => 'application/json', 'Retry-After' => '1' }, body => { error => { code => 'SERVICE_UNAVAILABLE', message => 'not now', details => {} }, detail => 'x' } } ] },
        { click => 'Team', role => 'link' }, { wait => 'not now' }, { faults => [] }, { click => 'Try again' }, { wait => 'Olga Owner' }, { settle => true }, { see => 'heading', of => 'main h1' });
    is_deeply $got->{values}{heading}, ['Team'], 'a refresh that fails for another reason ends nothing';
    does('first', { click => 'API keys', role => 'link' }, { settle => true });
};

subtest 'a wrong answer' => sub {
    my $list = { method => 'GET', path => '/api/v1/dashboard/team' };
    my $got = does('first', { faults => [ { %$list, status => 500, body => { error => { code => 'INTERNAL_ERROR', message => 'something went wrong', details => { request_id => 'req-4711' } }, detail => 'x' } } ] },
        { click => 'Team', role => 'link' }, { wait => 'something went wrong' }, { see => 'said', of => '.problem' }, { look => 'problem' }, { faults => [] }, { click => 'Try again' }, { wait => 'Olga Owner' }, { settle => true });
    like $got->{values}{said}[0], qr/500 INTERNAL_ERROR.*req-4711/s, 'an error tells its code and its request id';
    looks_ok $got, 'problem';
    for my $case ([ 'no JSON', { %$list, status => 502, body => '<html>bad gateway', headers => { 'Content-Type' => 'text/html' } }, qr/502 HTTP 502/ ],
        [ 'not allowed', { %$list, status => 403, body => { error => { code => 'AUTHORIZATION_ERROR', message => 'only an owner can do that', details => {} }, detail => 'x' } }, qr/only an owner can do that.*Your role does not allow this/s ],
        [ 'too often', { %$list, status => 429, headers => { 'Content-Type' => 'application/json', 'Retry-After' => '7' }, body => { error => { code => 'RATE_LIMIT_EXCEEDED', message => 'slow down', details => {} }, detail => 'x' } }, qr/again in 7 s/ ]) {
        my ($name, $fault, $like) = @$case;
        $got = does('first', { faults => [$fault] }, { click => 'API keys', role => 'link' }, { settle => true }, { click => 'Team', role => 'link' }, { wait => $fault->{status} }, { see => 'said', of => '.problem' }, { faults => [] });
        like $got->{values}{said}[0], $like, $name;
    }
};

subtest 'what a member of the team may' => sub {
    my $ann = $t->team('ann', tenant => 'acme');
    $db->do('UPDATE team_members SET email = ?, email_key = NULL, password_hash = (SELECT password_hash FROM team_members WHERE email = ?) WHERE id = ?', undef, 'ann@acme.example', 'olga@acme.example', $ann->id);
    my $got = sign_in('member', 'ann@acme.example', '/console/api-keys', is_new => 1, wait => 'Not for you');
    $got = does('member', { see => 'menu', of => '.menu-pages a' }, { click => 'Team', role => 'link' }, { settle => true }, { see => 'buttons', of => 'main button:not(.sort)' });
    is scalar(grep { /API keys/ } @{ $got->{values}{menu} }), 0, 'a page that they may not open is not in the menu';
    is_deeply $got->{values}{buttons}, [], 'nor is there a button for what they may not do';
};

# One of everything is in the default tenant, whose owner signs in.
my $sample = Ashlar::Sample->fill($db, $t->tenant_id);
$db->do('UPDATE team_members SET password_hash = (SELECT password_hash FROM team_members WHERE email = ?) WHERE email = ?', undef, 'olga@acme.example', 'olive@default.example');
my $hostile = '<b>bold</b><script>alert(1)</script>{{7*7}}';

subtest 'every page that is a list' => sub {
    sign_in('all', 'olive@default.example', '/console', is_new => 1);
    my %row = (
        files => undef, flags => undef, organizations => 'Harbour', projects => undef, 'webhook-events' => undef, team => 'Olive Owner', 'api-keys' => 'pk_', webhooks => 'Lighthouse', plans => 'Pro', usage => 'ai', 'usage-limits' => undef, 'payment-accounts' => 'stripe',
        agents => undef, 'external-agents' => undef, 'ai-accounts' => undef, issuers => undef,
    );
    for my $path (sort keys %row) {
        my $got = does('all', { open => "/console/$path" }, { see => 'heading', of => 'main h1' }, { see => 'rows', of => 'tbody tr' }, { see => 'problem', of => '.problem' }, { look => "list-$path" });
        isnt $got->{values}{heading}[0], 'Not for you', "$path is there";
        is_deeply $got->{values}{problem}, [], '  nothing is wrong';
        ok scalar(@{ $got->{values}{rows} }), '  and shows what there is';
        looks_ok $got, "list-$path";
    }
};

subtest 'webhooks and their deliveries' => sub {
    $db->do('UPDATE webhook_endpoints SET name = ? WHERE id = ?', undef, $hostile, $sample->id('dashboard webhook'));
    my $got = does('all', { open => '/console/webhooks' }, { see => 'rows', of => 'tbody tr' }, { click => $hostile, role => 'link' }, { wait => 'Deliveries' }, { settle => true }, { see => 'heading', of => 'main h1' },
        { see => 'deliveries', of => 'tbody tr' }, { look => 'webhook' }, { click => 'Look', role => 'link' }, { wait => 'Vera Vantage' }, { settle => true }, { see => 'body', of => 'main pre' },
        { see => 'scripts', js => 'document.querySelectorAll("main script, main b").length' }, { look => 'delivery' }, { click => 'Deliver again' }, { wait => 'switched off' }, { see => 'problem', of => '.problem' });
    like $got->{values}{rows}[0], qr/\Q$hostile/, 'a hostile name is text';
    is_deeply $got->{values}{heading}, [$hostile], '  also as a heading';
    is $got->{values}{scripts}, 0, '  and makes nothing';
    like $got->{values}{deliveries}[0], qr/user\.created.*failed.*503/s, 'what was delivered, and what came of it';
    like $got->{values}{body}[0], qr/"full_name": "Vera Vantage"/, 'with the body that was sent';
    like $got->{values}{problem}[0], qr/409 CONFLICT/, 'what cannot be delivered again is said to be so';
    looks_ok $got, 'webhook', 'delivery';
    $db->do('UPDATE webhook_endpoints SET is_active = true, url = ? WHERE id = ?', undef, 'https://127.0.0.1:1/', $sample->id('dashboard webhook'));
    does('all', { click => 'Deliver again' }, { wait => 'It is delivered again' });
    is scalar $db->selectrow_array('SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ?', undef, $sample->id('dashboard webhook')), 2, 'else it is';
};

subtest 'webhooks that were received' => sub {
    my $id = $sample->id('webhook_event');
    $db->do(q{UPDATE webhook_events SET state = 'failed', error = 'no account', payload = ? WHERE id = ?}, undef, encode_json({ id => 'evt_harbour_paid', note => $hostile }), $id);
    my $got = does('all', { open => '/console/webhook-events' }, { see => 'rows', of => 'tbody tr' }, { choose => { provider => 'clerk' } }, { wait => 'Nothing is found' }, { choose => { provider => '' } }, { wait => 'invoice.paid' },
        { click => 'invoice.paid', role => 'link' }, { wait => 'Without passwords' }, { settle => true }, { see => 'facts', of => '.facts' }, { see => 'body', of => 'pre.answer' }, { look => 'webhook-event' },
        { see => 'scripts', js => 'document.querySelectorAll("main script, main b").length' }, { click => 'Process again' }, { wait => 'It is processed again.' }, { settle => true });
    like $got->{values}{rows}[0], qr/invoice\.paid.*stripe.*failed/s, 'what came, and what was made of it';
    like $got->{values}{facts}[0], qr/no account.*evt_harbour_paid/s, '  and why';
    like $got->{values}{body}[0], qr/"note": "\Q$hostile/, 'with its body, a hostile one as text';
    is $got->{values}{scripts}, 0, '  which makes nothing';
    looks_ok $got, 'webhook-event';
    is_deeply $db->selectrow_arrayref('SELECT state, replays FROM webhook_events WHERE id = ?', undef, $id), [ 'received', 1 ], 'it is processed again';
    my $fault = { method => 'POST', path => "/api/v1/dashboard/webhook-events/$id/replay", status => 503, body => { error => { code => 'SERVICE_UNAVAILABLE', message => 'not now', details => {} }, detail => 'x' } };
    $got = does('all', { faults => [$fault] }, { click => 'Process again' }, { wait => 'not now' }, { see => 'said', of => '.problem' }, { faults => [] });
    like $got->{values}{said}[0], qr/503 SERVICE_UNAVAILABLE/, 'or it is said that it is not';
};

subtest 'organizations, who is in them and who is invited' => sub {
    $db->do('UPDATE organizations SET name = ? WHERE id = ?', undef, $hostile, $sample->id('organization'));
    my $got = does('all', { open => '/console/organizations' }, { see => 'rows', of => 'tbody tr' }, { fill => { Search => 'nothing like it' } }, { wait => 'Nothing is found' }, { fill => { Search => 'harbour-works' } }, { wait => $hostile }, { settle => true },
        { click => $hostile, role => 'link' }, { wait => 'Invite somebody' }, { settle => true }, { see => 'heading', of => 'main h1' }, { see => 'people', of => 'tbody tr' }, { look => 'organization' });
    looks_ok $got, 'organization';
    like $got->{values}{rows}[0], qr/harbour-works/, 'what there is';
    is_deeply $got->{values}{heading}, [$hostile], 'a hostile name is text';
    like join(' ', @{ $got->{values}{people} }), qr/Theo.*developer.*guest\@harbour\.example.*pending/s, 'who is in it, and who is invited';

    my ($theo, $owner) = map { [ $sample->id($_) ] } 'user theo', 'user';
    my $role = sub ($who) { return scalar $db->selectrow_array('SELECT role FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $sample->id('organization'), $who->[0]) };
    $got = does('all', { click => 'Remove', in => 'demo@example.com' }, { dialog => 'Remove from' }, { click => 'Remove' }, { wait => 'this is the last owner' }, { click => 'Understood' },
        { click => 'Change', in => 'theo@example.com' }, { dialog => 'Change' }, { look => 'organization-member' }, { choose => { role => 'owner' } }, { click => 'Save' }, { wait => 'The change is saved.' }, { settle => true },
        { click => 'Remove', in => 'demo@example.com' }, { dialog => 'Remove from' }, { click => 'Remove' }, { wait => 'Removed.' }, { gone => 'demo@example.com' }, { settle => true });
    looks_ok $got, 'organization-member';
    is $role->($theo), 'owner', 'somebody else is made the owner';
    is $role->($owner), undef, '  and then who was it can be taken out';
    $got = does('all', { click => 'Invite somebody' }, { dialog => 'Invite somebody' }, { fill => { email => 'no address' } }, { choose => { role => 'member' } }, { click => 'Send the invitation' }, { focus => 'email' }, { see => 'wrong', of => '.wrong' },
        { fill => { email => 'hal@harbour.example' } }, { click => 'Send the invitation' }, { wait => 'The invitation is on its way.' }, { wait => 'hal@harbour.example' }, { settle => true },
        { click => 'Send again', in => 'hal@harbour.example' }, { dialog => 'Send the invitation again?' }, { click => 'Send again' }, { gone => 'Send the invitation again?' }, { settle => true },
        { click => 'Withdraw', in => 'guest@harbour.example' }, { dialog => 'Withdraw' }, { click => 'Withdraw' }, { wait => 'The invitation is withdrawn.' }, { gone => 'guest@harbour.example' }, { settle => true });
    is scalar @{ $got->{values}{wrong} }, 1, 'no address is none';
    my @sent = grep { $_->{to} eq 'hal@harbour.example' } $t->mails;
    $t->keep_secret(map { $_->{secrets}{token} } @sent);
    is scalar @sent, 2, 'the invitation went, and went again';
    is_deeply $db->selectcol_arrayref(q{SELECT email || ' ' || status FROM invitations WHERE tenant_id = ? ORDER BY 1}, undef, $t->tenant_id), [ 'guest@harbour.example cancelled', 'hal@harbour.example pending' ], 'one is invited, another not any more';
};

subtest 'projects' => sub {
    my $id = $sample->id('project');
    $db->do('UPDATE projects SET name = ? WHERE id = ?', undef, $hostile, $id);
    my $got = does('all', { open => '/console/projects' }, { see => 'count', of => '.paging' }, { click => 'Next' }, { wait => 'page 2 of 2' }, { settle => true }, { fill => { Search => 'bold' } }, { wait => '1 row' }, { settle => true }, { see => 'rows', of => 'tbody tr' },
        { see => 'owner', of => 'tbody a', attribute => 'href' }, { look => 'projects' }, { click => 'Delete' }, { dialog => 'Delete the project?' }, { click => 'Delete' }, { wait => 'The project is deleted.' }, { wait => 'Nothing is found' });
    looks_ok $got, 'projects';
    like $got->{values}{count}[0], qr/40 rows/, 'all users\' projects';
    like $got->{values}{rows}[0], qr/\Q$hostile\E.*Dana Demo/s, '  one of which is found by its name, which is text, with whose it is';
    is_deeply $got->{values}{owner}, [ '/console/users/' . $sample->id('user') ], '  who is a link away';
    ok $db->selectrow_array('SELECT deleted_at FROM projects WHERE id = ?', undef, $id), 'it is deleted';
};

subtest 'feature flags, and who gets what' => sub {
    my $got = does('all', { open => '/console/flags' }, { click => 'Make a flag' }, { dialog => 'Make a flag' }, { look => 'flag-form' }, { fill => { key => 'no key!', name => "Editor $hostile" } }, { choose => { 'for whom' => 'user_list' } },
        { click => 'Make a flag' }, { focus => 'key' }, { see => 'wrong', of => '.wrong' }, { fill => { key => 'new-editor' } }, { click => 'Make a flag' }, { focus => 'user_ids' }, { see => 'missing', of => '.wrong' },
        { fill => { users => 'user_theo' } }, { click => 'Make a flag' }, { wait => 'The flag is made.' }, { settle => true }, { see => 'rows', of => 'tbody tr' },
        { click => "Editor $hostile", role => 'link' }, { wait => 'Who gets it' }, { settle => true }, { see => 'off', of => 'tbody tr' }, { choose => { 'as enabled' => 'true' } }, { wait => 'named in it' }, { settle => true },
        { see => 'on', of => 'tbody tr' }, { look => 'flag' }, { fill => { Search => 'theo' } }, { gone => 'not named in it' }, { settle => true }, { see => 'found', of => 'tbody tr' });
    looks_ok $got, 'flag-form', 'flag';
    is scalar @{ $got->{values}{wrong} }, 1, 'a key that is none is told';
    is_deeply $got->{values}{missing}, ['this type needs user_ids, at least one'], '  and what a kind of flag needs';
    ok scalar(grep { /Editor \Q$hostile\E.*new-editor.*off.*1 user/s } @{ $got->{values}{rows} }), 'a flag is made, for one user';
    is scalar(grep { /the flag is off/ } @{ $got->{values}{off} }), scalar @{ $got->{values}{off} }, 'off it is off for all';
    is_deeply [ map { /user_theo|theo\@/ ? /on\s+named in it/ : /off\s+not named in it/ } @{ $got->{values}{on} } ], [ (1) x @{ $got->{values}{on} } ], '  and it is seen whose it would be';
    is scalar @{ $got->{values}{found} }, 1, 'one user is looked for';
    $got = does('all', { click => 'All flags', role => 'link' }, { settle => true }, { click => 'Change', in => 'new-editor' }, { dialog => 'Change' }, { check => { 'switched on' => true } }, { click => 'Save' }, { wait => 'The change is saved.' }, { settle => true },
        { click => 'Delete', in => 'harbour-tide-alarm' }, { dialog => 'Delete the flag?' }, { click => 'Delete' }, { wait => 'The flag is deleted.' }, { gone => 'harbour-tide-alarm' }, { settle => true });
    $db->do(q{INSERT INTO feature_flags (tenant_id, key, name, flag_type) SELECT ?, 'many-' || i, 'Flag ' || i, 'boolean' FROM generate_series(1, 100) i}, undef, $t->tenant_id);
    $got = does('all', { open => '/console/flags' }, { see => 'first', of => 'tbody tr' }, { click => 'Next' }, { wait => 'page 2 of 2' }, { settle => true }, { see => 'second', of => 'tbody tr' });
    is join(' ', map { scalar @{ $got->{values}{$_} } } qw(first second)), '100 2', 'a list that comes as a whole is drawn a hundred rows at a time';
    is_deeply $db->selectrow_arrayref(q{SELECT is_enabled, user_ids FROM feature_flags WHERE tenant_id = ? AND key = 'new-editor'}, undef, $t->tenant_id), [ 1, ['user_theo'] ], 'a flag is switched on, and stays whose it was';
};

subtest 'settings' => sub {
    my $got = does('all', { open => '/console/settings' }, { look => 'settings' }, { fill => { 'brand color' => 'red' } }, { click => 'Save brand' }, { focus => 'brand_color' }, { see => 'wrong', of => '.wrong' },
        { fill => { 'brand color' => '#aa0000', 'email from name' => 'Harbour' } }, { click => 'Save brand' }, { wait => 'The settings are saved.' }, { settle => true },
        { check => { 'email verification required' => true } }, { click => 'Save signing in' }, { wait => 'The settings are saved.' }, { settle => true },
        { fill => { 'client id' => '1234.apps.googleusercontent.com', 'client secret' => 'GOCSPX-1234', 'redirect uris' => "https://app.example.com/in" } }, { check => { 'users may sign in with it' => true } },
        { click => 'Save Google' }, { wait => 'The provider is saved.' }, { settle => true });
    is scalar @{ $got->{values}{wrong} }, 1, 'what is no colour is told';
    looks_ok $got, 'settings';
    is_deeply $db->selectrow_arrayref('SELECT brand_color, email_from_name, email_verification_required FROM tenant_settings WHERE tenant_id = ?', undef, $t->tenant_id), [ '#aa0000', 'Harbour', 1 ], 'and what is one is kept';
    is $db->selectrow_array(q{SELECT is_enabled FROM oauth_providers WHERE tenant_id = ? AND provider = 'google'}, undef, $t->tenant_id), 1, 'so is the provider';
    my @sent = grep { $_->{method} eq 'PUT' && $_->{path} =~ /settings/ } @{ $got->{asked} };
    is_deeply [ map { $_->{status} } @sent ], [ 422, 200, 200 ], 'each part of the page is sent by itself';
};

subtest 'plans' => sub {
    my $got = does('all', { open => '/console/plans' }, { click => 'Make a plan' }, { dialog => 'Make a plan' }, { look => 'plan-form' }, { fill => { name => "Team $hostile", 'price monthly' => '29.5', features => "one\ntwo" } },
        { click => 'Make a plan' }, { wait => 'The plan is made.' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { click => 'Terms', in => "Team $hostile" }, { dialog => 'Terms' }, { wait => 'Seats' }, { settle => true },
        { fill => { 'trial days' => '14' } }, { click => 'Terms' }, { wait => 'The terms are saved.' }, { settle => true }, { click => 'Terms', in => "Team $hostile" }, { dialog => 'Terms' }, { wait => 'Seats' }, { settle => true }, { see => 'days', js => 'document.querySelector("[name=trial_days]").value' }, { press => 'Escape' });
    ok scalar(grep { /\QTeam $hostile\E.*29\.50/s } @{ $got->{values}{rows} }), 'a plan is made';
    looks_ok $got, 'plan-form';
    is $got->{values}{days}, '14', '  with its terms';
};

subtest 'requests' => sub {
    my $got = does('all', { open => '/console/requests' }, { look => 'requests' }, { fill => { Search => 'list the team' } }, { settle => true }, { click => 'GET /api/v1/dashboard/team', role => 'link' }, { wait => 'All operations' },
        { fill => { limit => '1' } }, { look => 'request' }, { click => 'Send' }, { wait => 'ms' }, { see => 'answer', of => 'main section pre' }, { look => 'request-answer' });
    like $got->{values}{answer}[0], qr/"email": "olive\@default\.example"/, 'an operation is called, and its answer shown';
    ok scalar(grep { $_->{path} =~ m{^/api/v1/dashboard/team[?]limit=1(?:&|$)} } @{ $got->{asked} }), '  with its parameters';
    looks_ok $got, 'requests', 'request', 'request-answer';
    $got = does('all', { open => '/console/requests/get_platform_webhook' }, { fill => { 'webhook id' => 'none' } }, { click => 'Send' }, { wait => '404' }, { see => 'answer', of => 'main section' });
    like $got->{values}{answer}[0], qr/NOT_FOUND/, 'so is an error';
};

subtest 'test mode' => sub {
    my $got = does('all', { open => '/console/webhooks' }, { check => { 'Test mode' => true } }, { wait => 'Nobody is told' }, { see => 'banner', of => '.banner' }, { check => { 'Test mode' => false } }, { wait => $hostile });
    like $got->{values}{banner}[0], qr/apart from what is live/, 'what is of the test mode is said to be so';
};

subtest 'an administrator of the product' => sub {
    $db->do('UPDATE tenant_settings SET email_verification_required = false');
    my %admin = (is_new => 1, as => 'administrator of the product');
    my $root = $t->user('root', role => 'superadmin');
    my $user = $t->user('user');
    my $made = from($t)->post('/api/v1/auth/register', { email => 'boss@example.com', password => $PASSWORD });
    $t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
    $made = from($t)->post('/api/v1/auth/register', { email => 'joe@example.com', password => $PASSWORD });
    $t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
    $db->do("UPDATE users SET role = 'superadmin', is_email_verified = true WHERE email = 'boss\@example.com'");
    my $got = sign_in('admin', 'joe@example.com', '/console', %admin, then => [ { wait => 'this account is no administrator' }, { see => 'said', of => '.problem' } ]);
    like $got->{values}{said}[0], qr/403/, 'who is none is told so';

    # A second factor.
    my $boss   = from($t)->post('/api/v1/auth/login', { email => 'boss@example.com', password => $PASSWORD });
    $t->keep_secret(@{ $boss->json }{qw(access_token refresh_token)});
    my $client = $t->client(token => $boss->json('/access_token'));
    my $secret = $client->post('/api/v1/auth/mfa/totp', {})->json('/secret');
    my $codes = $client->post('/api/v1/auth/mfa/totp/verify', { code => totp($secret) });
    status_is $codes, 200;
    my @codes = @{ $codes->json('/recovery_codes') };
    $t->keep_secret($secret, @codes);
    $got = sign_in('admin', 'boss@example.com', '/console', %admin, then => [ { wait => 'recovery codes' }, { look => 'second-factor' }, { fill => { Code => '000000' } }, { click => 'Go on' }, { wait => 'INVALID_CODE' },
        { fill => { Code => $codes[0] } }, { click => 'Go on' }, { wait => 'Sign out' }, { settle => true }, { see => 'who', of => '.who' }, { see => 'numbers', of => '.numbers li' } ]);
    looks_ok $got, 'second-factor';
    like $got->{values}{who}[0], qr/boss.*superadmin/s, 'a second factor is asked for, and lets one in';
    ok scalar(grep { /^Jobs waiting/ } @{ $got->{values}{numbers} }), 'the first page has the product\'s numbers';
};

subtest 'a browser that is loaded anew' => sub {
    my $got = does('admin', { reload => true }, { see => 'heading', of => 'main h1' });
    ok scalar(grep { $got->{values}{heading}[0] eq $_ } 'Overview', 'Console'), 'is signed in still, or asks for that';
    $got = does('admin', [ isNew => true ], { open => '/console' }, { see => 'heading', of => 'main h1' });
    is_deeply $got->{values}{heading}, ['Console'], 'a new one is not';
};
