# The guide in TypeScript: what stands beside its commands compiles under "strict" against the SDK of this build, and does what the page
# says.  The commands themselves are run by docs.t and the pages' own tests.
# Each command has its TypeScript beside it, but for a few with a reason.

use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Ashlar::Answers;
use Ashlar::Asked;
use Ashlar::Client;
use Ashlar::Guide qw(alone scripts);
use Ashlar::Issuer;
use Ashlar::Geocoder;
use Ashlar::Models;
use Ashlar::Process;
use Ashlar::Receiver;
use Ashlar::Spans;
use Ashlar::Stripe;
use Ashlar::Token qw(mint sign_key);
use Ashlar::Totp 'totp';
use Ashlar::Workspace;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Cwd 'getcwd';
use File::Copy 'copy';
use File::Temp ();

my $built = getcwd . '/build/sdk';
-e "$built/public/ashlar.tgz" or plan skip_all => 'there is no SDK: make sdk needs npm and its registry';

# Commands that no client of the API would ask for in TypeScript.
my @shell_only = (
    [ 'api-keys',        qr/elsewhere\.example/,      'the origin is the browser\'s to say' ],
    [ 'background-jobs', qr/\A#!/,                    'a worker for the shell; in TypeScript it is work()' ],
    [ 'first-hour',      qr/Stripe-Signature/,        'what Stripe sends' ],
    [ 'index',           qr/app\/projects\?limit=1/,  'the first look, before there is a client' ],
    [ 'organization-keys', qr/X-API-Key/,             'what a program of the organization asks, in whatever language' ],
    [ 'workspace-keys',  qr/X-API-Key/,               'what a workspace\'s own program asks, in whatever language' ],
    [ 'webhooks-in',     qr{public/webhooks/stripe},  'what Stripe sends' ],
);

my $models = Ashlar::Models->start;
my $places = Ashlar::Geocoder->start;
my $hooks  = Ashlar::Receiver->start;
my $stripe = Ashlar::Stripe->start;
my $issuer = Ashlar::Issuer->start(sign_key('EC', 'ec-1'));
my ($jwks) = $issuer->url =~ m{//([^/]+)};
my $t      = Api->start(
    $models->settings(which => [qw(openai anthropic)]), $stripe->settings, $places->settings,
    realtime => 1, host => 1, main => 3, slow => 2, hash => 1, SECURITY_LIMITS => 'off', RATE_LIMIT_KEY => 0,
    HTTP_ALLOW_PRIVATE => $hooks->address . ",$jwks", WEBHOOK_ALLOW_HTTP => 'true',
);
$t->start_worker(children => 1, queues => 'ashlar,ashlar.geocoding');    # mails wait, so that what is in them can be read
$t->keep_secret($_) for $models->secrets, 'sk_test_stub';
$models->answer($_ => { text => [ 'A place', ' where ships are safe.' ] }) for qw(openai anthropic);

my $key      = $t->key;
my $password = 'Correct-Horse-7';
my $guest    = $t->client(key => $key);

# Somebody who has signed up, with their tokens.
sub signed_up ($email) {
    my $said = $guest->post('/api/v1/auth/register', { email => $email, password => $password, display_name => 'Ada Lovelace' })->json;
    $t->keep_secret(@$said{qw(access_token refresh_token)});
    return { token => $said->{access_token}, id => $said->{user}{id} };
}

sub slurp ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# A user with a passkey, as docs.t has one.
sub passkeys () {
    my $eve  = $t->user('eve');
    my ($id) = $t->db->selectrow_array(
        q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'My phone', 'id', 'key', 'app.example.com') RETURNING id},
        undef, $eve->tenant_id, $eve->uuid);
    return (token => $eve->token, given => { passkey => $id });
}

# Who has signed in, and has an app.
sub second_factor () {
    my $email = 'second.factor@example.com';
    signed_up($email);
    return (
        who => { email => $email, password => $password }, given => { password => $password },
        replace => { 'demo@example.com' => $email, '{ code }' => q({ code: await act('totp', secret) }) },
    );
}

# Those that the page names.
sub administration () {
    my ($vera, $theo) = map { $t->user($_) } qw(vera theo);
    return (token => $t->user('admin', role => 'superadmin')->token, team => $t->team('admins', role => 'owner')->token, given => { user_id => $theo->uuid });
}

# A user who may use so much, of the default tenant, in an organization.
sub limited ($name, $limits) {
    my $user = $t->user($name);
    my $org  = $t->organization($user);
    my ($plan) = $t->db->selectrow_array('INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, ?, true, ?) RETURNING id', undef, $user->tenant_id, "Of $name", $limits);
    $t->db->do('UPDATE users SET default_organization_id = ?, current_plan_id = ? WHERE id = ?', undef, $org, $plan, $user->uuid);
    return ($user, $org);
}

sub agents () {
    my ($user) = limited('chats', '{"messages": 100}');
    return (token => $user->token, team => $t->team('masters', role => 'owner')->token, replace => { 'https://tools.acme.example/mcp' => $hooks->url('/mcp'), 'Bearer …' => 'Bearer x' });
}

# With an account of the tenant's own for one box, and the installation's for the rest; the customer pays in between.
sub charge () {
    my $user = $t->user('pays');
    $t->key(type => 'public', origins => ['http://localhost:3000']);
    $t->keep_secret('sk_test_stub_of_the_guide_1234');
    return (
        token => $user->token, team => $t->team('sellers', role => 'owner')->token, other => $t->team('others', role => 'owner', tenant => 'own-account')->token,
        given => { organization_id => $t->organization($user) },
        replace => {
            'team.platform.billing.putPaymentAccount' => 'other.platform.billing.putPaymentAccount', 'rk_live_…' => 'sk_test_stub_of_the_guide_1234', 'whsec_…' => 'whsec_of_the_guide_0123',
            'price_…' => $stripe->price(2900), 'const subscription =' => q(await act('pay', session_id); const subscription =),
        },
    );
}

# Who has bought tokens before.
sub tokens () {
    my $user = $t->user('spends');
    $t->db->begin_work;
    $t->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $user->tenant_id);
    $t->db->do(q{SELECT wallet_credit(?, 'tokens', 'admin_grant', 50000, NULL, NULL, '{}')}, undef, $user->uuid);
    $t->db->commit;
    return (token => $user->token);
}

sub identity_provider () {
    my $key = $t->key(tenant => 'acme');
    my $theirs = mint({ iss => 'https://abcd.supabase.co/auth/v1', aud => 'authenticated', sub => 'supabase-1', iat => time, exp => 3600 + time }, key => 'the-jwt-secret-of-the-project-32-characters');
    $t->keep_secret($theirs);
    return (
        team => $t->team('trusts', role => 'owner', tenant => 'acme')->token, given => { pk => $key, supabase_token => $theirs },
        replace => { 'https://quick-fox-12.clerk.accounts.dev/.well-known/jwks.json' => $issuer->url },
    );
}

sub read_traces () {
    my $user    = $t->user('reads');
    my $project = $t->trace_project($t->organization($user));
    my $in      = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $in->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $user->tenant_id);
    Ashlar::Spans::ingest($in, $project->id,
        { trace => 1, span => 1, name => 'answer', service => 'harbour', ms => 1200, status => 1, session => 'demo-session', attributes => { 'session.id' => 'demo-session' } },
        { trace => 1, span => 2, parent => 1, at => 0.005, name => 'chat gpt-4o-mini', service => 'harbour', ms => 1100, status => 1, attributes => { 'gen_ai.request.model' => 'gpt-4o-mini' }, tokens => [ 820, 96, 0, 0, 916 ], costs => [ 1230, 576, 1806 ] },
        { trace => 2, span => 3, at => 60, name => 'tides', service => 'harbour', ms => 30, status => 2 });
    $in->disconnect;
    return (token => $user->token, given => { project_id => $project->id, project_key => $project->token, trace_id => Ashlar::Spans::trace_id(1) =~ tr/-//dr });
}

sub send_traces () {
    my $user = $t->user('sends');
    my $org  = $t->organization($user);
    $t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    return (token => $user->token, given => { organization_id => $org });
}

sub usage () {
    my ($user, $org) = limited('uses', '{"messages": 2}');
    return (token => $user->token, given => { user_id => $user->id, user_uuid => $user->uuid, organization_id => $org });
}

# One that has come, which nobody has to look for at Stripe.
sub webhooks_in () {
    $stripe->deliver($t, [ { id => 'evt_1', object => 'event', type => 'customer.created', created => 1_795_270_000, data => { object => { id => 'cus_1', object => 'customer' } } } ]);
    return (token => $t->user('operates', role => 'superadmin')->token);
}

sub organizations () {
    my ($user, $guest) = ($t->user('founds'), $t->user('grace'));
    return (
        token => $user->token, given => { me => $user->uuid, guest_id => $guest->uuid, guest_token => $guest->token, pk => $key },
        replace => { 'const { status } =' => q(const token = await act('invited', 'grace@example.com'); const { status } =) },
    );
}

sub api_keys () {
    my $user = $t->user('of-the-guide');
    signed_up('demo@example.com');
    return (
        team => $t->team('keys', role => 'owner', tenant => 'guide')->token, given => { pk => $key, user_token => $user->token, password => $password },
        replace => { "'Acme'" => "'Acme Keys'" },
    );
}

sub first_hour () {
    return (
        given => { admin_token => $t->user('of-the-hour', role => 'superadmin')->token },
        replace => { 'http://127.0.0.1:4000/' => $hooks->url('/hour'), 'token: invitation' => q(token: await act('invited', 'grace@example.com')) },
    );
}

# An owner and a member of a workspace that is the active one of both.
sub people () {
    my $w = workspace($t, ann => 'owner', bob => 'member');
    $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $w->id, $_->uuid) for @$w{qw(ann bob)};
    return (token => $w->{ann}->token, given => { their_token => $w->{bob}->token });
}

# Somebody has paid, and is invited.
sub signing_up () {
    my $price   = $stripe->price(3000);
    my $session = $stripe->ask(POST => 'checkout/sessions', "mode=subscription&success_url=https://shop.example.com/&line_items[0][price]=$price&line_items[0][quantity]=1")->{id};
    $stripe->command(complete => { session => $session, email => 'pat@example.com' });
    $stripe->told_to($t);
    my ($mail) = grep { $_->{template} eq 'signup_invite' } $t->mails;
    $t->keep_secret(@{ $mail->{secrets} }{qw(token code)});
    return (given => { invite_code => $mail->{secrets}{token} });
}

# What a page's boxes stand on: the token of its user, that of the team, what its commands have as variables, and what is called otherwise
# here; said is what its console has to have said.
my %page = (
    'quick-start'       => sub { return (token => $t->user('quick')->token) },
    'first-hour'        => \&first_hour,
    'sign-in'           => sub { return (team => $t->team('chooser', role => 'owner')->token, replace => { 'ada@' => 'ada.signs.in@' }) },
    requests            => sub { my $ann = $t->user('asks'); return (token => $ann->token, given => { project_id => $ann->post('/api/v1/app/projects', { name => 'x' })->json('/id') }) },
    files               => sub { return (token => $t->user('keeps')->token) },
    realtime            => sub { return (token => $t->user('listens')->token) },
    passkeys            => \&passkeys,
    organizations       => \&organizations,
    administration      => \&administration,
    'api-keys'          => \&api_keys,
    google              => sub { return (team => $t->team('google', role => 'owner')->token) },
    'ai-gateway'        => sub { return (token => (limited('wonders', '{"tokens": 2000}'))[0]->token) },
    'background-jobs'   => sub { return () },
    'webhooks-out'      => sub {
        my $eve = $t->user('hooks');
        return (token => $eve->token, given => { workspace => $t->organization($eve) }, replace => { 'https://example.com/webhooks' => $hooks->url('/out') });
    },
    typescript          => sub { signed_up('ada@example.com'); return (given => { pk => $key, sk => $key }) },
    'second-factor'     => \&second_factor,
    agents              => \&agents,
    assistant           => sub { return (token => $t->user('assists')->token) },
    charge              => \&charge,
    tokens              => \&tokens,
    concepts            => sub { return (token => $t->user('thinks')->token) },
    'identity-provider' => \&identity_provider,
    mail                => sub { return (team => $t->team('mail', role => 'owner', tenant => 'mail')->token) },
    observe             => sub { return () },
    'read-traces'       => \&read_traces,
    'send-traces'       => \&send_traces,
    'trace-projects'    => sub { return (token => $t->user('traces')->token) },
    usage               => \&usage,
    'webhooks-in'       => \&webhooks_in,
    activity            => \&people,
    'accounts-and-teams' => sub {
        my ($ann, $bob) = map { $t->user("team-$_", columns => { full_name => ucfirst }) } qw(ann bob);
        my $number = $t->db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $bob->uuid);
        return (token => $ann->token, replace => { 'const bob = 3' => "const bob = $number" });
    },
    'notifications-and-activity' => sub { return (token => $t->user('tells')->token) },
    'tenant-agents'     => sub { return (token => $t->user('scouts', role => 'editor')->token) },
    roles               => \&people,
    notifications       => \&people,
    'workspace-keys'    => sub {
        my $keeper = $t->user('keeper');
        my $org    = $t->organization($keeper);
        $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $keeper->uuid);
        return (token => $keeper->token);
    },
    'organization-keys' => sub {
        my $keeper = $t->user('keys-of-org');
        return (token => $keeper->token, given => { org => $t->organization($keeper) });
    },
    'signing-up'        => \&signing_up,
    recordsets          => \&people,
    records             => \&people,
    'record-filters'    => \&people,
    entities            => sub {
        my $w = workspace($t, ann => 'owner');
        return (token => $w->{ann}->token, given => { organization_id => $w->id });
    },
    'import-export'     => \&people,
    maps                => \&people,
    'record-tracking'   => \&people,
    workspaces          => sub { return (token => $t->user('works')->token) },
);

# What its console says, where the page tells what comes of it.
my %said = (
    agents              => [ 'Harbour master text true', qr/\ASUCCESS A place where ships are safe\. \d+ gpt-4o/, 'Tides ACTIVE ["user","assistant"]', 'GOOGLE_FILE_SEARCH 5', '976 0.00412 SUCCESS' ],
    assistant           => [ qr/reset-password/ ],
    charge              => [
        'Pro 29 USD true', 'active monthly false Pro', 'period_end 0 0', 'active true true', '4', 'Acme Ltd. IE IE6388047V', qr/,paid,usd,2900/, 'the subscription has ended cancelled',
    ],
    'identity-provider' => [ 'AUTHENTICATION_ERROR', qr/\AClerk /, qr/\AOur Supabase project null/ ],
    'read-traces'       => [ '2 0.0001806 tides ERROR', 'answer', 'chat gpt-4o-mini request 0.0001806', 'answer 0 0 1200000000 true', '2 3 916', 'demo-session 1 916', 'helpfulness 1 0.8' ],
    'send-traces'       => [ qr/\A1 1 have an id/ ],
    'trace-projects'    => [ qr/\Afree 2/, 'a free organization has at most 1 member, with those who are invited', qr/ 15\z/, 'a note' ],
    usage               => [ '{"accepted":1,"duplicates":1,"unmatched":0}', '8 2 false', '0', qr/\ALIMIT_EXCEEDED/, qr/\Adate,metric,category/ ],
    roles               => [ 'this needs the permission can_create_team, which the role member does not have here', 'can_delete_team', 'Bob lead', 'parent_team_id would make it its own ancestor' ],
    notifications       => [ 'You were added to a team: Pier', 'You were added to a team: Harbour', '1', '{"total":1,"unread":1}', qr/\Aworkspace_event / ],
    'organization-keys' => ['true false'],
    'workspace-keys'    => ['["203.0.113.7/32","2001:db8::/32"]'],
    workspaces          => [ 'this is the last owner: make another one first', '{"can_create_goal":true}' ],
    recordsets          => [ 'lighthouses', '["fixed","flashing"]', 'true' ],
    'signing-up'        => [ 'null false', 'true' ],
    maps                => [ 'Polygon', 'geometry is not valid: self-intersection at longitude 1, latitude 1', 'MAP', '{"type":"Point","coordinates":[18.072,59.325]}', qr/"title":"Off the mole".*"fields":/ ],
    'record-filters'    => [ '3', 'Off the mole', 'Under the pier', 'By the wreck', 'Off the mole', 'Under the pier', 'By the wreck', 'Shallow' ],
    records             => [ 'Off the mole', qr/\Afield_values\.depth must be a number/, '2', '2 ["depth"]', '1 ["depth","place"]', '2' ],
    'import-export'     => [ '3 ["text","text","date"]', '2 {"depth":1}', 'true', 'queued' ],
    'record-tracking'   => [ 'The new buoy An offer is due', 'The new buoy', 'completed Accepted', '1 1' ],
    entities            => [ '1', 'data.length_m must be at least 0' ],
    'ai-gateway'        => [qr/\ALIMIT_EXCEEDED .*"limit":2000/],
    organizations       => ['the last owner cannot leave the organization'],
    'accounts-and-teams' => [ 'member', 'mika', 'Bob', 'Night watch', 'admin', 'pending' ],
    'notifications-and-activity' => [ '1', '0', 'nightly-report', qr/\A\d+ \d+\z/ ],
    'tenant-agents'     => [ 'idle', 'tide-reader', 'false', '2' ],
    'first-hour'        => [qr/\A\S+ \w+\z/],
);

my %can = (
    totp    => sub ($secret) { return totp($secret) },
    pay     => sub ($session) { $stripe->command(complete => { session => $session }); $stripe->told_to($t); return 1 },
    invited => sub ($email) { my ($token) = encode_json(($t->mails(to => $email))[-1]) =~ /token=([\w-]+)/; return $token },
);

my @pages;
my %is_needed = map { $_->[0] => 1 } @shell_only;
for my $file (sort glob 'docs/pages/*.html') {
    my ($name) = $file =~ m{([^/]+)\.html\z};
    my $html   = slurp($file);
    for my $command (grep { /\bcurl / } alone($html)) {
        my ($why) = map { $_->[2] } grep { $_->[0] eq $name && $command =~ $_->[1] } @shell_only;
        ok $why, "$name: a command without TypeScript beside it: " . ($why // $command);
        delete $is_needed{$name};
    }
    my @scripts = scripts($html) or next;
    ok $page{$name}, "$name is known here" or next;
    my %arg = (given => {}, $page{$name}->());
    push @pages, { name => $name, scripts => \@scripts, %arg };
}
is scalar @pages, scalar keys %page, 'all pages have some';
is_deeply [ keys %is_needed ], [], 'and each exception is one';

my $dir = File::Temp->newdir('/tmp/ashlar-guide-ts-XXXXXX');
mkdir "$dir/$_" or die "$_: $!\n" for qw(asked node_modules);
system(qw(tar xzf), "$built/public/ashlar.tgz", '-C', "$dir/node_modules") == 0 or die "tar failed\n";
rename "$dir/node_modules/package", "$dir/node_modules/ashlar" or die "ashlar: $!\n";
symlink "$built/node_modules/typescript", "$dir/node_modules/typescript" or die "typescript: $!\n";
symlink getcwd . '/t/clients/node_modules/ws', "$dir/node_modules/ws" or die "ws: $!\n";
for my $file (qw(guide_typescript.mjs answers.mjs)) { copy("t/clients/$file", $dir) or die "$file: $!\n" }
open my $out, '>:raw', "$dir/pages.json" or die "pages.json: $!\n";
print {$out} encode_json({ url => "https://localhost:$t->{https_port}", directory => "$dir", secret => $key, pages => \@pages });
close $out or die "pages.json: $!\n";

my $node = Ashlar::Process->start(
    cmd => [ 'node', "$dir/guide_typescript.mjs", "$dir/pages.json" ], log => "$dir/log",
    env => { Ashlar::Answers::env(), NODE_EXTRA_CA_CERTS => "$t->{dir}/cert.pem", SECRET => 'whsec_AAAA' },
);
is Ashlar::Asked::answer_while($node, "$dir/asked", \%can, 180), 0, 'node ran';
open my $log, '<:raw', "$dir/log" or die "log: $!\n";
my @lines = <$log>;
my $seen  = decode_json((grep { /^\{"problems"/ } @lines)[0] // '{}');
is_deeply $seen->{problems}, [], 'all of it compiles under strict' or diag @lines;
for my $name (map { $_->{name} } @pages) {
    my $ran = $seen->{ran}{$name};
    ok $ran && !$ran->{error}, "$name does what it says" or diag explain $ran;
    for my $line (@{ $said{$name} // [] }) {
        ok scalar(grep { ref $line ? $_ =~ $line : $_ eq $line } @{ $ran->{said} }), "  and says: $line" or diag explain $ran->{said};
    }
}
