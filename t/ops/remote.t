# The command line for users: ashlar login, api, logout, listen and completion, from outside, as on a machine of their own.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(is_as_shown steps);
use Ashlar::Process;
use Ashlar::Receiver;
use Ashlar::Totp 'totp';
use Cpanel::JSON::XS qw(decode_json encode_json);
use Digest::SHA 'hmac_sha256';
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);

my $t       = Api->start(realtime => 1, JWT_TTL_S => 3600);
my $program = "$Ashlar::Cluster::BUILD/ashlar";
my $home    = File::Temp->newdir('/tmp/ashlar-remote-XXXXXX');
my %env     = (HOME => "$home", ASHLAR_URL => "https://localhost:$t->{https_port}", ASHLAR_CA => "$t->{dir}/cert.pem", Ashlar::Cluster::sanitizer_env("$home"));
my $file    = "$home/.config/ashlar/default.json";

# Run it with lines for its input: exit status, stdout, stderr.
sub ashlar (@args) {
    my %with  = ref $args[-1] ? %{ pop @args } : ();
    my @lines = @{ delete $with{lines} // [] };
    open my $input, '>', "$home/input" or die "$home/input: $!\n";
    print $input map { "$_\n" } @lines;
    close $input or die "$home/input: $!\n";
    local %ENV = (PATH => $ENV{PATH}, %env, %with);
    my @cmd    = map { quotemeta } $program, @args;
    my $out    = qx(exec @cmd 2>$home/stderr <$home/input);
    my $status = $? >> 8;
    open my $in, '<', "$home/stderr" or die $!;
    local $/ = undef;
    return ($status, $out, scalar(<$in>) // '');
}

sub profile () {
    open my $in, '<', $file or return;
    local $/ = undef;
    return decode_json(<$in>);
}

my %ann = (email => 'ann@example.com', password => 'Correct-Horse-7');
my $user_id = do {
    my $made = $t->post('/api/v1/auth/register', \%ann);
    status_is $made, 201;
    $made->json('/user/id') // $made->json('/id');
};
my $key = $t->key(type => 'secret');

subtest 'who is nobody is refused, and nothing is kept' => sub {
    my ($status, $out, $err) = ashlar('login');
    is $status, 2, 'login wants to know who';
    like $err, qr/--email or --key is missing/, '  and says so';
    ($status, $out, $err) = ashlar('login', '--email', $ann{email}, { lines => ['wrong'] });
    is $status, 1, 'a wrong password';
    like $err, qr/^ashlar: 401: /m, '  is the server\'s to refuse';
    ($status, $out, $err) = ashlar('login', '--email', $ann{email});
    is $status, 1, 'no password';
    like $err, qr/there is no password on standard input/, '  is said';
    ($status) = ashlar('login', '--key', { lines => [ 'sk_live_' . 'x' x 32 ] });
    is $status, 1, 'a key that is none';
    ($status, $out, $err) = ashlar('login', '--key', '--url', 'http://example.com', { lines => [$key] });
    is $status, 1, 'an address without TLS';
    like $err, qr/must begin with https/, '  is refused before anything is sent';
    ($status, $out, $err) = ashlar('api', 'GET', '/v1/auth/me', { ASHLAR_URL => 'https://localhost:1' });
    is $status, 1, 'where nobody answers';
    like $err, qr{https://localhost:1: }, '  it says where';
    ($status) = ashlar('login', '--profile', '../x', '--key', { lines => [$key] });
    is $status, 1, 'a profile is no path';
    ok !-e $file, 'there is no profile';
    ($status, $out, $err) = ashlar('logout');
    is $status, 1, 'nor one to forget';
};

subtest 'a session is kept where nobody else can read it' => sub {
    my ($status, $out, $err) = ashlar('login', '--email', $ann{email}, { lines => [ $ann{password} ] });
    is $status, 0, 'signed in' or diag $err;
    is $out, '', '  without a word that could be a token';
    is sprintf('%o', (stat $file)[2] & 07777), '600', 'the file is its user\'s alone';
    is sprintf('%o', (stat $file =~ s{/[^/]+\z}{}r)[2] & 07777), '700', '  and so is where it is';
    $t->keep_secret(@{ profile() }{qw(access_token refresh_token)});
    ($status, $out) = ashlar('api', 'GET', '/api/v1/auth/me');
    is $status, 0, 'it is used';
    is decode_json($out)->{email}, $ann{email}, '  as who signed in';
    like $out, qr/\A\{\n  "/, '  and set out for reading';
    chmod 0640, $file;
    ($status, $out, $err) = ashlar('api', 'GET', '/api/v1/auth/me');
    is $status, 1, 'a file that others can read is refused';
    like $err, qr/nobody else may read/, '  and it is said';
    chmod 0600, $file;
};

subtest 'a session that expired is refreshed, and kept' => sub {
    my $before = profile();
    open my $out, '>', $file or die "$file: $!\n";
    print $out encode_json({ %$before, access_token => 'eyJhbGciOiJIUzI1NiJ9.e30.x' });
    close $out or die "$file: $!\n";
    my ($status) = ashlar('api', 'GET', '/v1/auth/me');
    is $status, 0, 'it is asked all the same';
    isnt profile()->{access_token}, 'eyJhbGciOiJIUzI1NiJ9.e30.x', '  with a new token, which is kept';
    $t->keep_secret(profile()->{access_token});
    is sprintf('%o', (stat $file)[2] & 07777), '600', '  as before';
};

subtest 'a second factor is asked for' => sub {
    my $bob = { email => 'bob@example.com', password => 'Correct-Horse-7' };
    status_is $t->post('/api/v1/auth/register', $bob), 201;
    my $token  = $t->post('/api/v1/auth/login', $bob)->json('/access_token');
    my $client = $t->nobody->with(token => $token);
    my $secret = $client->post('/api/v1/auth/mfa/totp')->json('/secret');
    status_is $client->post('/api/v1/auth/mfa/totp/verify', { code => totp($secret) }), 200;
    $t->db->do('UPDATE totp_factors SET last_step = 0');
    $t->keep_secret($token, $secret);
    my ($status) = ashlar('login', '--profile', 'bob', '--email', $bob->{email}, { lines => [ $bob->{password}, '000000' ] });
    is $status, 1, 'a wrong code is refused';
    my $err;
    ($status, undef, $err) = ashlar('login', '--profile', 'bob', '--email', $bob->{email}, { lines => [ $bob->{password}, totp($secret) ] });
    is $status, 0, 'the code on the next line is good' or diag $err;
    ($status, my $out) = ashlar('api', 'GET', '/v1/auth/me', '--profile', 'bob');
    is decode_json($out)->{email}, $bob->{email}, 'each profile is another one';
    my $file = $file =~ s/default/bob/r;
    open my $in, '<', $file or die "$file: $!\n";
    $t->keep_secret(@{ decode_json(join '', <$in>) }{qw(access_token refresh_token)});
};

subtest 'what was asked for is what the exit status says' => sub {
    my ($status, $out, $err) = ashlar(qw(api POST /v1/app/projects), 'name=Website', 'description=New');
    is $status, 0, 'fields are the body of a POST' or diag $err;
    my $project = decode_json($out);
    is "$project->{name} $project->{description}", 'Website New', '  each a member';
    ($status, $out) = ashlar(qw(api PATCH), "/v1/app/projects/$project->{id}", 'description:=null');
    is decode_json($out)->{description}, undef, '  or JSON';
    ($status, $out) = ashlar(qw(api GET /v1/app/projects), 'search=web');
    is decode_json($out)->{total}, 1, 'and the query of a GET';
    ($status, $out, $err) = ashlar(qw(api POST /v1/app/projects), 'name=');
    is $status, 4, 'what the server refuses is 4';
    is decode_json($out)->{error}{code}, 'VALIDATION_ERROR', '  with its answer';
    like $err, qr/^ashlar: 422 VALIDATION_ERROR: name must be .* \(request id \S+\)$/m, '  and in words';
    is +(ashlar(qw(api GET /v1/nowhere)))[0], 4, 'a path that there is none of, too';
    is +(ashlar(qw(api DELETE), "/v1/app/projects/$project->{id}"))[0], 0, 'a 204 is 0';
    ($status, $out) = ashlar(qw(api POST /v1/app/projects --raw --body -), { lines => ['{"name":"from standard input"}'] });
    is $status, 0, 'a body is read from standard input';
    like $out, qr/\A\{"id":/, '  and --raw is as it came';
    for (['x'], ['=x'], ['name:={']) {
        is +(ashlar(qw(api POST /v1/app/projects), @$_))[0], 2, "'@$_' is no field";
    }
    is +(ashlar(qw(api GET /v1/app/projects --body {}))) [0], 2, 'a GET has no body';
    is +(ashlar(qw(api GET)))[0], 2, 'a path is needed';
};

subtest 'a list is read to its end, whatever its form' => sub {
    my $token = profile()->{access_token};
    my $who   = $t->nobody->with(token => $token);
    status_is $who->post('/api/v1/app/projects', { name => "p$_" }), 201 for 1 .. 230;
    my ($status, $out, $err) = ashlar(qw(api GET /v1/app/projects --all));
    is $status, 0, 'skip and limit' or diag $err;
    my $rows = decode_json($out);
    my $want = $t->db->selectcol_arrayref('SELECT id FROM projects WHERE deleted_at IS NULL ORDER BY id');
    is_deeply [ sort map { $_->{id} } @$rows ], $want, '  each row once';
    ($status, $out) = ashlar(qw(api GET /v1/app/projects --all --raw), 'limit=7');
    is_deeply [ sort map { decode_json($_)->{id} } split /\n/, $out ], $want, '  a row a line, and in pages of as many as are wanted';
    ($status, $out) = ashlar(qw(api GET /v2/app/projects --all --raw), 'limit=50');
    is_deeply [ sort map { decode_json($_)->{id} } split /\n/, $out ], $want, '  in the envelope of version 2';
    ($status, $out) = ashlar(qw(api GET /v1/app/projects --all), 'search=nothing-has-this');
    is $out, "[]\n", '  or none';
    my $users = $t->db->selectrow_array(q{SELECT count(*) FROM users});
    $t->user("more$_") for 1 .. 25;
    ($status, $out) = ashlar(qw(api GET /v1/users --all --raw), 'per_page=4', { ASHLAR_API_KEY => $key });
    is $status, 0, 'numbered pages';
    is scalar(() = $out =~ /\n/g), $users + 25, '  each user once';
    ($status, $out, $err) = ashlar(qw(api GET /v1/auth/me --all));
    is $status, 2, 'what is no list is not read to its end';
    is +(ashlar(qw(api GET /v1/app/projects --all), 'limit=0'))[0], 4, 'a page that is refused is the answer';
};

subtest 'a shell completes commands, paths and fields' => sub {
    my $offers = sub (@words) {
        my ($status, $out) = ashlar(qw(completion words --), @words);
        return [ split /\n/, $out ];
    };
    is_deeply $offers->('lo'), [qw(login logout)], 'commands';
    is_deeply $offers->('api', 'P'), [qw(POST PUT PATCH)], 'methods';
    ok grep({ $_ eq '/api/v1/app/projects' } @{ $offers->('api', 'GET', '/api/v1/app/proj') }), 'paths';
    is_deeply $offers->('api', 'POST', '/api/v1/app/projects', 'na'), ['name='], 'fields of the body';
    ok grep({ $_ eq 'limit=' } @{ $offers->('api', 'GET', '/api/v1/app/projects', 'l') }), 'and of the query';
    ok grep({ $_ eq '--all' } @{ $offers->('api', 'GET', '/api/v1/app/projects', '--') }), 'and options';
    my $script = (ashlar(qw(completion bash)))[1];
    open my $out, '>', "$home/completion" or die $!;
    print $out $script;
    close $out or die $!;
    my $said = qx(bash -c 'source $home/completion; COMP_WORDS=($program api GET /api/v1/app/projects sea); COMP_CWORD=4; _ashlar; echo "\${COMPREPLY[*]}"' 2>&1);
    is $said, "search=\n", 'bash asks for them';
    like +(ashlar(qw(completion zsh)))[1], qr/\A#compdef ashlar\n/, 'and zsh has its own';
    is +(ashlar(qw(completion fish)))[0], 2, 'no other one';
};

subtest 'the commands of its page do what it says' => sub {
    my $demo = $t->user('demo');
    status_is $demo->post('/api/v1/app/projects', { name => "boat $_" }), 201 for 1 .. 40;
    my @steps = grep { $_->[0] =~ /^ashlar api/ } steps($t->get('/command-line.html')->body);
    cmp_ok scalar @steps, '>=', 3, 'there are some';
    local %ENV = (PATH => "$Ashlar::Cluster::BUILD:$ENV{PATH}", %env, ASHLAR_TOKEN => $demo->token);
    for (@steps) {
        my ($command, $answer) = @$_;
        my $out = qx($command);
        is $?, 0, $command;
        ok is_as_shown($out, $answer), '  answers as shown' or diag $out if defined $answer;
    }
};

subtest 'events come to a server on this machine, signed as webhooks are' => sub {
    for ([], [ '--forward', 'ftp://x' ], [ '--forward', 'http://localhost:1', '--secret', 'x' ]) {
        is +(ashlar('listen', @$_))[0], 2, "listen @$_ is refused";
    }
    is +(ashlar('listen', '--forward', 'http://localhost:1', '--channels', 'user:somebody-else'))[0], 1, 'the channel of another one is not to be listened to';
    my $receiver = Ashlar::Receiver->start;
    my $log      = "$home/listen.log";
    my $listen   = Ashlar::Process->start(cmd => [ $program, 'listen', '--forward', $receiver->url('/webhook') ], log => $log, env => { %env, PATH => $ENV{PATH} });
    my $said = sub () { open my $in, '<', $log or return ''; local $/ = undef; return scalar(<$in>) // '' };
    eventually { $said->() =~ /^listening to user:/m } 20, 'it listens to the user\'s own channel' or diag $said->();
    my ($secret) = $said->() =~ /^secret (whsec_\S+)$/m;
    $t->keep_secret($secret);
    my $who = $t->nobody->with(token => profile()->{access_token});
    status_is $who->post('/api/v1/app/projects', { name => 'told' }), 201;
    my $seen = sub () { return grep { $_->{body} =~ /"name":"told/ } $receiver->requests('/webhook') };
    eventually { $seen->() } 20, 'what happens is sent there' or diag $said->();
    my ($request) = $seen->();
    my $body = decode_json($request->{body});
    is $body->{type}, 'project.created', 'its type';
    is_deeply [ sort keys %$body ], [qw(data timestamp type workspace_id)], '  in a webhook\'s form';
    is $body->{data}{name}, 'told', '  with its data';
    my %header = %{ $request->{headers} };
    my $mac = encode_base64(hmac_sha256("$header{'webhook-id'}.$header{'webhook-timestamp'}.$request->{body}", decode_base64($secret =~ s/^whsec_//r)), '');
    is $header{'webhook-signature'}, "v1,$mac", 'signed as webhooks are';
    eventually { $said->() =~ /^project\.created \Q$header{'webhook-id'}\E 200$/m } 20, 'and a line says so' or diag $said->();


    # Realtime goes and comes again; what happens meanwhile is told then.
    my $realtime = $t->{pool}{realtime};
    $realtime->signal('TERM');
    $realtime->wait_for(20);
    status_is $who->post('/api/v1/app/projects', { name => 'told meanwhile' }), 201;
    $t->start_realtime;
    eventually { grep { $_->{body} =~ /"name":"told meanwhile"/ } $seen->() } 40, 'a connection that broke off is taken up again, behind the last event' or diag $said->();
    is scalar(grep { $_->{body} =~ /"name":"told"/ } $seen->()), 1, '  and nothing comes twice';
    $listen->kill_group;
};

subtest 'with a secret key all that happens in the tenant comes, as webhooks have it' => sub {
    my $receiver = Ashlar::Receiver->start;
    my $log      = "$home/listen-all.log";
    my %alone    = (%env, PATH => $ENV{PATH}, HOME => "$home/elsewhere", ASHLAR_API_KEY => $key);
    my $listen   = Ashlar::Process->start(cmd => [ $program, 'listen', '--forward', $receiver->url('/all') ], log => $log, env => \%alone);
    my $said     = sub () { open my $in, '<', $log or return ''; local $/ = undef; return scalar(<$in>) // '' };
    eventually { $said->() =~ /^listening to the tenant's events$/m } 20, 'it listens to the tenant' or diag $said->();
    my ($secret) = $said->() =~ /^secret (whsec_\S+)$/m;
    $t->keep_secret($secret);
    $t->user('zoe')->post('/api/v1/app/projects', { name => 'of another user' });
    my $seen = sub () { return grep { $_->{body} =~ /"name":"of another user"/ } $receiver->requests('/all') };
    eventually { $seen->() } 20, 'what others do is sent there, too' or diag $said->();
    my ($request) = $seen->();
    my %header = %{ $request->{headers} };
    is $header{'webhook-signature'}, 'v1,' . encode_base64(hmac_sha256("$header{'webhook-id'}.$header{'webhook-timestamp'}.$request->{body}", decode_base64($secret =~ s/^whsec_//r)), ''), 'signed';
    like $header{'webhook-id'}, qr/\Amsg_[0-9A-Za-z]{27}\z/;
    is_deeply [ sort keys %{ decode_json($request->{body}) } ], [qw(data timestamp type workspace_id)];
    $listen->kill_group;
};

subtest 'a member of the team signs in, and has the dashboard' => sub {
    my %olga = (email => 'olga@acme.example', password => 'Correct-Horse-7');
    my $made = $t->post('/api/v1/tenant-auth/register', { %olga, tenant_name => 'Acme', tenant_slug => 'acme' });
    status_is $made, 201;
    $t->keep_secret(@{ $made->json }{qw(access_token refresh_token)});
    my ($status, $out, $err) = ashlar('login', '--team', '--key', { lines => [$key] });
    is $status, 2, '--team is for who has an address';
    ($status, undef, $err) = ashlar('login', '--profile', 'olga', '--email', $olga{email}, { lines => [ $olga{password} ] });
    is $status, 1, 'who is in the team is none of the users' or diag $err;
    ($status, undef, $err) = ashlar('login', '--profile', 'olga', '--team', '--email', $olga{email}, { lines => [ $olga{password} ] });
    is $status, 0, 'but signs in as that' or diag $err;
    my $own  = $file =~ s/default/olga/r;
    my $read = sub () { open my $in, '<', $own or die "$own: $!\n"; return decode_json(join '', <$in>) };
    $t->keep_secret(@{ $read->() }{qw(access_token refresh_token)});
    ($status, $out) = ashlar(qw(api GET /v1/dashboard/team --profile olga));
    is decode_json($out)->{members}[0]{email}, $olga{email}, 'the dashboard is theirs';
    open my $to, '>', $own or die "$own: $!\n";
    print $to encode_json({ url => $env{ASHLAR_URL}, ca => $env{ASHLAR_CA}, is_team => Cpanel::JSON::XS::true, access_token => 'eyJhbGciOiJIUzI1NiJ9.e30.x', refresh_token => $made->json('/refresh_token') });
    close $to or die "$own: $!\n";
    is +(ashlar(qw(api GET /v1/dashboard/team --profile olga)))[0], 0, 'a session that expired is refreshed';
    $t->keep_secret(@{ $read->() }{qw(access_token refresh_token)});

    my $receiver = Ashlar::Receiver->start;
    my $log      = "$home/listen-team.log";
    my $listen   = Ashlar::Process->start(cmd => [ $program, 'listen', '--profile', 'olga', '--forward', $receiver->url('/team') ], log => $log, env => { %env, PATH => $ENV{PATH} });
    my $said     = sub () { open my $in, '<', $log or return ''; local $/ = undef; return scalar(<$in>) // '' };
    eventually { $said->() =~ /^listening to the tenant's events$/m } 20, 'and hears all of the tenant' or diag $said->();
    $t->keep_secret($said->() =~ /^secret (whsec_\S+)$/m);
    $t->user('yan', tenant => 'acme')->post('/api/v1/app/projects', { name => 'of acme' });
    $t->user('yes')->post('/api/v1/app/projects', { name => 'of others' });
    eventually { grep { $_->{body} =~ /"name":"of acme"/ } $receiver->requests('/team') } 20, 'what happens there' or diag $said->();
    is scalar(grep { $_->{body} =~ /"name":"of others"/ } $receiver->requests('/team')), 0, '  and nothing of others';
    $listen->kill_group;
    is +(ashlar(qw(logout --profile olga)))[0], 0, 'signed out';
    is scalar $t->db->selectrow_array('SELECT count(*) FROM team_sessions WHERE tenant_id = ? AND revoked_at IS NULL', undef, $made->json('/tenant/id')), 0, '  everywhere';
};

subtest 'signing out ends the session, and forgets it' => sub {
    my $token = profile()->{access_token};
    my ($status) = ashlar('logout');
    is $status, 0, 'signed out';
    ok !-e $file, 'the profile is gone';
    error_is $t->nobody->with(token => $token)->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR';
};
