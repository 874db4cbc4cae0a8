# The guide in TypeScript: what stands beside its commands compiles under "strict" against the SDK of this build, and does what the page
# says.  The commands themselves are run by docs.t and the pages' own tests.

use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Ashlar::Answers;
use Ashlar::Guide 'scripts';
use Ashlar::Models;
use Ashlar::Process;
use Ashlar::Receiver;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Cwd 'getcwd';
use File::Copy 'copy';
use File::Temp ();

my $built = getcwd . '/build/sdk';
-e "$built/public/ashlar.tgz" or plan skip_all => 'there is no SDK: make sdk needs npm and its registry';

my $models = Ashlar::Models->start;
my $hooks  = Ashlar::Receiver->start;
my $t      = Api->start(
    $models->settings(which => [qw(openai anthropic)]),
    realtime => 1, main => 3, slow => 2, hash => 1, ENVIRONMENT => 'development', SECURITY_LIMITS => 'off', RATE_LIMIT_KEY => 0,
    HTTP_ALLOW_PRIVATE => $hooks->address, WEBHOOK_ALLOW_HTTP => 'true',
);
$t->keep_secret($_) for $models->secrets;
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

# Those that the page names.
sub administration () {
    my ($vera, $theo) = map { $t->user($_) } qw(vera theo);
    return (token => $t->user('admin', role => 'superadmin')->token, given => { user_id => $theo->uuid });
}

# What a page's boxes stand on: the token of its user, that of the team, what its commands have as variables, and what is called otherwise here.
my %page = (
    'quick-start'     => sub { return (token => $t->user('quick')->token) },
    'first-hour'      => sub { return (replace => { 'http://127.0.0.1:4000/' => $hooks->url('/hour') }) },
    'sign-in'         => sub { return (team => $t->team('chooser', role => 'owner')->token, replace => { 'ada@' => 'ada.signs.in@' }) },
    requests          => sub { my $ann = $t->user('asks'); return (token => $ann->token, given => { project_id => $ann->post('/api/v1/app/projects', { name => 'x' })->json('/id') }) },
    files             => sub { return (token => $t->user('keeps')->token) },
    realtime          => sub { return (token => $t->user('listens')->token) },
    passkeys          => \&passkeys,
    organizations     => sub { return (token => $t->user('founds')->token) },
    administration    => \&administration,
    'api-keys'        => sub { return (team => $t->team('keys', role => 'owner', tenant => 'guide')->token, replace => { "'Acme'" => "'Acme Keys'" }) },
    google            => sub { return (team => $t->team('google', role => 'owner')->token) },
    'ai-gateway'      => sub { return (token => $t->user('wonders')->token) },
    'background-jobs' => sub { return () },
    'webhooks-out'    => sub {
        my $eve = $t->user('hooks');
        return (token => $eve->token, given => { workspace => $t->organization($eve) }, replace => { 'https://example.com/webhooks' => $hooks->url('/out') });
    },
    typescript        => sub { signed_up('ada@example.com'); return (given => { pk => $key, sk => $key }) },
);

my @pages;
for my $file (sort glob 'docs/pages/*.html') {
    my ($name)  = $file =~ m{([^/]+)\.html\z};
    my @scripts = scripts(slurp($file)) or next;
    ok $page{$name}, "$name is known here" or next;
    my %arg = (given => {}, $page{$name}->());
    push @pages, { name => $name, scripts => \@scripts, %arg };
}
cmp_ok scalar @pages, '>=', scalar keys %page, 'all pages have some';

my $dir = File::Temp->newdir('/tmp/ashlar-guide-ts-XXXXXX');
mkdir "$dir/node_modules" or die "node_modules: $!\n";
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
is $node->wait_for(180), 0, 'node ran';
open my $log, '<:raw', "$dir/log" or die "log: $!\n";
my @lines = <$log>;
my $seen  = decode_json((grep { /^\{"problems"/ } @lines)[0] // '{}');
is_deeply $seen->{problems}, [], 'all of it compiles under strict' or diag @lines;
for my $name (map { $_->{name} } @pages) {
    my $ran = $seen->{ran}{$name};
    ok $ran && !$ran->{error}, "$name does what it says" or diag explain $ran;
}
