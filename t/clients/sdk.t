# The TypeScript SDK's own tests (clients/typescript/test), against a real instance: as npm installs the package that "make sdk"
# packs, with Node's test runner.  What only this side can do, it does when they ask.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Answers;
use Ashlar::Asked;
use Ashlar::Client;
use Ashlar::Models;
use Ashlar::Process;
use Ashlar::Receiver;
use Ashlar::Totp 'totp';
use Cpanel::JSON::XS 'encode_json';
use Cwd 'getcwd';
use File::Copy 'copy';
use File::Temp ();
use IO::Socket::INET;

my $built = getcwd . '/build/sdk';
my ($version) = qx($Ashlar::Cluster::BUILD/ashlar version) =~ /([\d.]+)/;
my $tarball = "$built/public/ashlar-$version.tgz";
-e $tarball or plan skip_all => 'there is no SDK: make sdk needs npm and its registry';

my $origin = 'https://app.example.com';
my $models = Ashlar::Models->start;
my $hooks  = Ashlar::Receiver->start;
my $t      = Api->start(
    $models->settings,
    realtime => 1, main => 4, slow => 3, hash => 2, ENVIRONMENT => 'development', SECURITY_LIMITS => 'off', RATE_LIMIT_KEY => 0,
    SLOW_PER_TENANT => 3, SLOW_PER_CALLER => 3, HTTP_ALLOW_PRIVATE => $hooks->address, WEBHOOK_ALLOW_HTTP => 'true',
);
$t->expect_log(qr/child \d+ ended: signal 9/, qr/upstream|connect\(\) (?:to|failed)/, qr{"route":"/api/v[12]/(?:app/ai|uploads)});
$t->keep_secret($_) for $models->secrets;
my $dir    = File::Temp->newdir('/tmp/ashlar-sdk-XXXXXX');
mkdir "$dir/$_" or die "$dir/$_: $!\n" for qw(asked node_modules);

# The package beside what its tests use.
system(qw(tar xzf), $tarball, '-C', "$dir/node_modules") == 0 or die "tar failed\n";
rename "$dir/node_modules/package", "$dir/node_modules/ashlar" or die "ashlar: $!\n";
for my $from (map { [ "$built/node_modules", $_ ] } qw(esbuild typescript @edge-runtime)) {
    symlink "$from->[0]/$from->[1]", "$dir/node_modules/$from->[1]" or die "$from->[1]: $!\n";
}
for my $name (qw(playwright-core standardwebhooks ws)) {
    symlink getcwd . "/t/clients/node_modules/$name", "$dir/node_modules/$name" or die "$name: $!\n";
}
for my $file (glob('clients/typescript/test/*.mjs'), 't/clients/answers.mjs') { copy($file, $dir) or die "$file: $!\n" }

# A tenant whose refresh tokens stay as they are, beside the default one, where they rotate.
my $still = $t->key(type => 'public', tenant => 'still', origins => [$origin]);

# A webhook that was really sent: to an endpoint of a workspace, by its test.
sub webhook () {
    my $eve = $t->user('eve-' . rand);
    my $org = $t->organization($eve);
    my @in  = (headers => { 'X-Workspace-Id' => $org });
    my $one = $eve->post('/api/v1/webhooks', { name => 'x', url => $hooks->url("/$org"), events => ['*'] }, @in)->json;
    $t->keep_secret($one->{secret});
    $eve->post("/api/v1/webhooks/$one->{id}/test", { event => 'organization.member_added' }, @in);
    my ($sent) = $hooks->requests("/$org");
    utf8::decode($sent->{body});
    return { %$sent{qw(headers body)}, secret => $one->{secret} };
}

# Who has a public id, or an id.
sub who ($id) { return $t->db->selectrow_hashref('SELECT id, tenant_id, public_id FROM users WHERE id = ?', undef, $id) }

sub publish ($user, $channel, $n) {
    my $db = $t->db;
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, who($user)->{tenant_id});
    $db->do(q{SELECT realtime_publish(?, jsonb_build_object('n', ?::int))}, undef, $channel, $n);
    $db->commit;
    return 1;
}

# A tenant with so many users.
sub many_users ($n) {
    state $count = 0;
    my $slug = 'many-' . ++$count;
    my $id   = $t->tenant_id($slug);
    $t->db->do(q{INSERT INTO users (tenant_id, public_id, email, role) SELECT ?, 'user_many_' || n, n || '@example.com', 'user' FROM generate_series(1, ?) n}, undef, $id, $n);
    return { secret => $t->key(tenant => $slug) };
}

# Chromium knows a certificate by the SHA-256 of its key; and the app's own origin.
my ($spki) = qx(openssl x509 -in $t->{dir}/cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64) =~ /(\S+)/;
my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport;

subtest '/sdk/ serves it, to pages of any origin' => sub {
    for my $name (qw(ashlar.js ashlar.tgz), "ashlar-$version.js", "ashlar-$version.tgz") {
        my $res = $t->get("/sdk/$name", headers => { Origin => 'https://elsewhere.example' });
        is $res->status, 200, $name;
        is $res->header('Access-Control-Allow-Origin'), '*', '  to anybody';
        is $res->header('Cache-Control'), $name =~ /-\d/ ? 'public, max-age=31536000, immutable' : 'no-cache', '  for as long as it is that';
        like $res->header('Content-Type'), $name =~ /js\z/ ? qr{^(?:text|application)/javascript} : qr{^application/}, '  as what it is';
    }
    for my $name ('ashlar-0.0.1.js', 'x') {
        my $res = $t->get("/sdk/$name");
        is $res->status, 404, "$name is not there";
        unlike $res->header('Cache-Control') // '', qr/immutable/, '  and that may change';
    }
    is $t->get('/sdk/')->header('Location') =~ s{^https://[^/]+}{}r, '/typescript.html', 'and /sdk/ leads to how it is used';
};

# What the tests may have done.
my %can = (
    many_users     => \&many_users,
    webhook        => \&webhook,
    publish        => \&publish,
    stop_realtime  => sub () { return $t->master('realtime')->stop('TERM', 20) ? 1 : 0 },
    start_realtime => sub () { $t->start_realtime; return 1 },
    stop_server    => sub () { return grep { !$t->master($_)->stop('TERM', 20) } qw(realtime main) },
    start_server   => sub () { $t->start_pool('main'); $t->start_realtime; return 1 },
    kill           => sub ($pool) { return 0 + kill KILL => $t->children($pool) },
    model          => sub ($how) { $models->answer(openai => { map { defined $how->{$_} ? ($_ => $how->{$_}) : () } keys %$how }); return 1 },
    model_is_left  => sub () { return ($models->requests('openai'))[0]{gone} ? 1 : 0 },
    organization   => sub ($user) { my $who = who($user); return { id => $t->organization(Ashlar::Client->new(uuid => $who->{id}, tenant_id => $who->{tenant_id})) } },
    member         => sub ($org, $user) { my $who = who($user); $t->member($org, Ashlar::Client->new(uuid => $who->{id}, tenant_id => $who->{tenant_id}), 'developer'); return 1 },
    end_sessions => sub ($user) { return 0 + $t->db->do('UPDATE sessions SET revoked_at = now() WHERE user_id = ?', undef, $user) },
    totp         => sub ($secret) { return totp($secret) },
    verify_team  => sub ($email) { return 0 + $t->db->do('UPDATE team_members SET is_email_verified = true WHERE email = ?', undef, $email) },
);

my $tests = Ashlar::Process->start(
    cmd => [ qw(node --test-force-exit --test-reporter=tap --test-reporter-destination=stdout), "$dir/run.mjs", $ENV{ONLY} // () ],
    log => "$dir/log",
    env => {
        Ashlar::Answers::env(),
        NODE_EXTRA_CA_CERTS => "$t->{dir}/cert.pem",
        SERVER => encode_json({
            url     => "https://localhost:$t->{https_port}",
            origin  => $origin,
            key     => $t->key(type => 'public', origins => [$origin]),
            secret  => $t->key,
            still   => $still,
            version => $version,
            spki    => $spki,
            example => getcwd . '/clients/example',
            app_port => $port,
            app_key  => $t->key(type => 'public', origins => ["http://localhost:$port"]),
            dir     => "$dir/asked",
        }),
    },
);
is Ashlar::Asked::answer_while($tests, "$dir/asked", \%can, 400), 0, 'all of them pass';

open my $log, '<:encoding(UTF-8)', "$dir/log" or die "log: $!\n";
my @lines = <$log>;
my $count = 0;
for my $n (0 .. $#lines) {
    my ($not, $name) = $lines[$n] =~ /^(not )?ok \d+ - (.*)$/ or next;
    $count++;
    ok !$not, $name or diag @lines[ $n + 1 .. ($n + 40 < $#lines ? $n + 40 : $#lines) ];
}
cmp_ok $count, '>=', $ENV{ONLY} ? 1 : 60, 'and there are many' or diag @lines;
