# Assistants read the API by the Model Context Protocol: the protocol's own SDK over HTTP and over a pipe, and its
# inspector on the command line (the newest, which asks for a newer Node than Debian 12's and does without). And
# the client in one file that they are given works as it is.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Answers;
use Cpanel::JSON::XS 'decode_json';
use Encode 'decode';
use File::Temp ();

my $t      = Api->start;
my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";
my $server = "https://localhost:$t->{https_port}";
my $dir    = File::Temp->newdir('/tmp/ashlar-assistant-XXXXXX');
local $ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";
my %env = Ashlar::Answers::env();
local @ENV{ keys %env } = values %env;

sub output_of (@cmd) {
    open my $in, '-|', @cmd or die "$cmd[0]: $!\n";
    my $out = do { local $/ = undef; <$in> };
    return close $in ? $out : undef;
}

sub text_of ($result) { return $result->{content}[0]{text} // '' }

my $document = decode_json(output_of($ashlar, 'openapi'));
my $writer   = $t->key(type => 'secret', columns => { allows_writes => 't' });
my $eve      = $t->user('eve');
my $seen     = decode_json(output_of('node', 't/clients/assistant.mjs', $server, $ashlar, $writer, $eve->token) // '{}');
ok $seen->{stdio}, 'the SDK comes to its end' or BAIL_OUT('no assistant');

subtest 'it is the same over HTTP, as JSON or as a stream, and over a pipe' => sub {
    my %version = map { $_ => delete $seen->{$_}{version} } qw(http stream stdio);
    is $version{http}, '2025-11-25', 'the newest version that the SDK speaks';
    is_deeply $seen->{stream}, $seen->{http}, 'as streams';
    is_deeply $seen->{stdio}, $seen->{http}, 'over a pipe';
};

my $http = $seen->{http};

subtest 'it says what it is' => sub {
    is $http->{server}{name}, 'ashlar', 'its name';
    is $http->{server}{version}, $document->{info}{version}, 'its version';
    is_deeply [ map { $_->{name} } @{ $http->{tools} } ], [
        qw(get_api_overview get_end_user_endpoints get_request_headers get_sdk_template get_openapi_spec search_endpoints get_endpoint_details get_authentication_flow get_common_patterns)
    ], 'without a key there are the tools that describe';
    is_deeply [ grep { !$_->{annotations}{readOnlyHint} || $_->{annotations}{destructiveHint} } @{ $http->{tools} } ], [], 'which change nothing, as their annotations say';
};

subtest 'what is not there is an error that says what there is' => sub {
    my $unknown = $http->{unknown};
    for my $what (qw(category path method words argument)) {
        ok $unknown->{$what}{isError}, "an unknown $what is an error";
    }
    like $unknown->{category}{text}, qr/authentication, organizations, subscriptions, billing, usage, agents, users, plans, ai, entities, departments, files, external_agents$/, 'the categories';
    like $unknown->{path}{text}, qr{POST /api/v1/auth/login}, 'paths that are alike';
    like $unknown->{method}{text}, qr/has no DELETE\. It has: POST$/, 'the methods of a path';
    like $unknown->{words}{text}, qr/platform: .*organizations/s, 'surfaces and categories';
    like $unknown->{argument}{text}, qr/takes no argument path/, 'arguments';
    is $unknown->{tool}{code}, -32602, 'an unknown tool is refused';
    like $unknown->{tool}{message}, qr/get_api_overview, get_end_user_endpoints/, '  with the tools';
    is $unknown->{resource}{code}, -32002, 'an unknown resource';
    like $unknown->{resource}{message}, qr/quick-start, first-hour/, '  with the pages';
    is $unknown->{prompt}{code}, -32602, 'an unknown prompt';
    like $unknown->{prompt}{message}, qr/sign-in/, '  with the prompts';
};

subtest 'with credentials it calls operations, as far as they and it are for that' => sub {
    my %act = %{ $seen->{acts} };
    is_deeply $act{pipe}{tools}, $act{http}{tools}, 'tools are the same over HTTP and over a pipe';
    ok grep({ $_ eq 'create_app_project' } @{ $act{http}{tools} }), '  also those that change something, where the key was made for it';
    ok !grep({ $_ eq 'create_app_project' } @{ $act{reading}{tools} }), 'a session alone only reads';
    is_deeply $act{deleting}{tools}, $act{writing}{tools}, '--allow-writes has them, too';
    ok grep({ $_ eq 'create_app_project' } @{ $act{writing}{tools} }), '  all';
    for my $way (qw(http pipe writing deleting)) {
        ok !$act{$way}{list}{isError} && !$act{$way}{made}{isError}, "$way: reads, and makes something" or diag $act{$way}{made}{text};
    }
    for my $way (qw(http pipe writing)) {
        like $act{$way}{first}{text}, qr/Nothing was deleted yet/, "$way: is asked before it deletes";
        like $act{$way}{second}{text}, qr/: 204, request id/, '  and then does';
    }
    like $act{deleting}{first}{text}, qr/: 204, request id/, '--allow-deletes does at once';

    my %asked = %{ $act{asked} };
    for my $who (sort keys %asked) {
        is scalar @{ $asked{$who}{asked} }, 1, "$who: the person is asked, once";
        like $asked{$who}{asked}[0]{message}, qr{cannot be undone: DELETE /api/v1/app/projects/\Q$asked{$who}{id}\E}, '  what is to be deleted';
        is_deeply $asked{$who}{meanwhile}, ['pong'], '  and the client is answered meanwhile';
        like $asked{$who}{deleted}{text}, $who eq 'yes' ? qr/: 204, request id/ : qr/^Nothing was deleted: the user was asked/, $who eq 'yes' ? '  who agrees has it done' : '  who does not, has not';
        like $asked{$who}{after}, $who eq 'yes' ? qr/: 404, / : qr/"name":"Boat"/, '  really';
    }
    ok $act{reading}{made}{isError}, 'without --allow-writes nothing is made';
    like $act{reading}{made}{text}, qr/--allow-writes/, '  and it says how it would be';
    is $act{nowhere}{list}{code}, -32001, 'where no server answers, that is said';
    like $act{nowhere}{list}{message}, qr{the server does not answer: https://localhost:1}, '  with which';
    ok !$act{nowhere}{overview}, '  and what describes needs none';
};

subtest 'why a request failed is told by its id' => sub {
    my $failed = $eve->post('/api/v1/app/projects', { name => '' });
    my $id     = $failed->header('X-Request-ID');
    my $ask    = sub ($who) {
        my $res = $who->post('/api/v1/mcp', { jsonrpc => '2.0', id => 1, method => 'tools/call', params => { name => 'explain_error', arguments => { request_id => $id } } }, headers => { %{ $who->{headers} // {} }, Accept => 'application/json' });
        return text_of($res->json('/result'));
    };
    my $key = $t->nobody->with(key => $t->key(type => 'secret'));
    eventually { $ask->($key) =~ /"code":"VALIDATION_ERROR"/ } 20, 'a few seconds later';
    my $told = $ask->($eve);
    like $told, qr/"status":422/, 'with its status';
    like $told, qr/"field":"name"/, '  the field';
    like $told, qr{get_endpoint_details tells for POST /api/v1/app/projects\.}, '  and where more is told';
    my $other = $t->user('other-one');
    like $ask->($other), qr/no such error/, 'a user sees their own alone';
    like $ask->($t->nobody->with(key => $t->key(type => 'secret', tenant => 'elsewhere'))), qr/no such error/, '  and a tenant its own';
    error_is $t->get("/api/v1/mcp/errors/$id"), 401, 'AUTHENTICATION_ERROR', name => 'nobody sees any';
    error_is $eve->get('/api/v1/mcp/errors/unheard-of'), 404, 'NOT_FOUND';
    my $quiet = $t->tenant_id('quiet');    # where nothing else fails meanwhile
    my $kept  = sub ($where) { return $t->db->selectrow_array("SELECT count(*) FROM request_errors WHERE tenant_id = ? $where", undef, $quiet) };
    $t->db->do(q{SELECT request_errors_note((SELECT jsonb_agg(jsonb_build_object('tenant', ?::text, 'request_id', 'r' || i, 'method', 'GET', 'path', '/x', 'status', 404, 'code', 'NOT_FOUND')) FROM generate_series(1, 10005) i))}, undef, $quiet);
    is $kept->(''), 10_000, 'ten thousand are kept';
    is $kept->(q{AND request_id IN ('r1', 'r5')}), 0, '  the last';
    is $kept->(q{AND request_id IN ('r6', 'r10005')}), 2, '  and no fewer';
};

# What end users call: the rows of the platform surface but for the team's.
my %paths = %{ $document->{paths} };
my @rows  = grep { $_->[2]{'x-catalogue-id'} =~ /^platform\./ } map { my $path = $_; map { [ uc, $path, $paths{$path}{$_} ] } grep { /^(?:get|post|put|patch|delete)$/ } keys %{ $paths{$path} } } keys %paths;
my @own   = grep { $_->[1] !~ m{^/api/v1/(?:dashboard|tenant-auth)/} && $_->[2]{'x-catalogue-id'} !~ /[.](?:ops|analytics|webhooks_\w+|apikeys|teams|admin)[.]/ } @rows;

subtest 'the operations are those of the program' => sub {
    my $all = $http->{answers}{get_end_user_endpoints}{text};
    is_deeply [ sort $all =~ m{^- ([A-Z]+ /\S+): }mg ], [ sort map { "$_->[0] $_->[1]" } @own ], 'all that end users call';
    is join('', sort map { $http->{categories}{$_}{text} =~ m{^- ([A-Z]+ /\S+): }mg } keys %{ $http->{categories} }), join('', sort map { "$_->[0] $_->[1]" } @own), '  each in one category';
    like $http->{categories}{authentication}{text}, qr{POST /api/v1/auth/login: Sign in with a password}, 'with what they do';
    like $http->{categories}{subscriptions}{text}, qr{GET /api/v1/subscriptions/current}, 'subscriptions are apart';
    like $http->{categories}{plans}{text}, qr{GET /api/v1/plans/active}, '  from plans';
    like $http->{categories}{external_agents}{text}, qr{POST /api/v1/external-agents/\{agent_id\}/calls}, 'and agents elsewhere from those here';
    my ($skeleton) = $http->{answers}{get_openapi_spec}{text} =~ /```json\n(.*)```/s;
    my $names = decode_json($skeleton);
    is_deeply [ sort map { my $path = $_; map { $names->{paths}{$path}{$_}{operationId} } keys %{ $names->{paths}{$path} } } keys %{ $names->{paths} } ], [ sort map { $_->[2]{operationId} } @own ], 'the document names them';
};

subtest 'one operation is told with all it has' => sub {
    my $text = $http->{endpoint}{text};
    like $text, qr{^\# POST /api/v1/auth/login\n}, 'what it is';
    like $text, qr/"password":\{"type":"string"/, 'its body';
    like $text, qr/"access_token"/, 'its answer';
    like $text, qr/401 INVALID_CREDENTIALS/, 'what it is refused with';
    is $http->{shorter}{text}, $text, 'its path may be shorter';
    like $http->{filled}{text}, qr{^\# GET /api/v1/plans/\{plan_id\}\n}, '  or have values in it';
    like $http->{search}{text}, qr{^1\. POST /api/v1/auth/reset-password: }, 'words find it';
    like $http->{search}{text}, qr{ashlar://guide/sign-in}, '  and pages of the guide';
};

subtest 'texts name operations that there are, and leave no word unreplaced' => sub {
    for my $name (qw(get_api_overview get_request_headers get_authentication_flow get_common_patterns)) {
        my $text = $http->{answers}{$name}{text};
        unlike $text, qr{\{\{\w}, "$name has all words";
        for my $call ($text =~ m{`((?:GET|POST|PUT|PATCH|DELETE) /\S+?)`}g) {
            my ($method, $path) = split / /, $call;
            ok $paths{$path}{ lc $method }, "  $call is one";
        }
    }
    my $flow = $http->{answers}{get_authentication_flow}{text};
    like $flow, qr{`POST /api/v1/auth/$_`}, "signing in has $_" for qw(register login refresh logout mfa/verify forgot-password);
    my $patterns = $http->{answers}{get_common_patterns}{text};
    like $patterns, qr/^- 429 RATE_LIMIT_EXCEEDED: /m, 'errors are those of the table';
};

subtest 'the guide is there, and prompts for what is usual' => sub {
    my @listed = map { /^(\S+) / ? $1 : () } grep { /^[^#\[\s]/ } split /\n/, output_of('cat', 'docs/navigation.txt');
    is_deeply [ map { $_->{uri} } @{ $http->{resources} } ], [ map { "ashlar://guide/$_" } @listed ], 'its pages in their order';
    my ($page) = @{ $http->{page} };
    is $page->{mimeType}, 'text/markdown', 'as Markdown';
    like $page->{text}, qr/\A# Webhooks you send\n/, '  with their headings';
    like $page->{text}, qr/^```\ncurl /m, '  and their commands';
    unlike $page->{text}, qr/<\w+>|&\w+;/, '  and no HTML';
    is_deeply [ sort map { $_->{name} } @{ $http->{prompts} } ], [qw(endpoint error sign-in webhooks)], 'prompts';
    my $prompt = $http->{prompt}{messages}[0];
    is $prompt->{role}, 'user', 'a prompt is what the user says';
    like $prompt->{content}{text}, qr/a shop for boats/, '  about what they named';
    for my $name (qw(llms.txt llms-full.txt)) {
        my $res = $t->get("/$name");
        is $res->status, 200, "/$name";
        like $res->header('Content-Type'), qr{^text/plain}, '  is text';
        is scalar(grep { index($res->body, $name eq 'llms.txt' ? "](/$_.html)" : "\n") < 0 } grep { $_ ne 'index' } @listed), 0, '  with all pages';
    }
    like $t->get('/llms-full.txt')->body, qr/^# Webhooks you send$/m, '  and their texts';
};

subtest 'the inspector asks, too' => sub {
    my @inspector = ('t/clients/node_modules/.bin/mcp-inspector', '--cli');
    for my $way ([ $ashlar, 'mcp' ], [ "$server/api/v1/mcp", '--transport', 'http' ]) {
        my $list = decode_json(output_of(@inspector, @$way, '--method', 'tools/list') // '{}');
        is scalar @{ $list->{tools} // [] }, 9, "$way->[0]: lists tools";
        my $call = decode_json(output_of(@inspector, @$way, qw(--method tools/call --tool-name search_endpoints --tool-arg), 'query=sign in with a password') // '{}');
        like $call->{content}[0]{text}, qr{/auth/login}, '  and calls one';
        my $page = decode_json(output_of(@inspector, @$way, qw(--method resources/read --uri ashlar://guide/limits)) // '{}');
        like $page->{contents}[0]{text}, qr/\A# /, '  and reads a page';
    }
};

subtest 'the client in one file works as it is printed' => sub {
    my $template = output_of($ashlar, qw(sdk template));
    ok $http->{answers}{get_sdk_template}{text} eq decode('UTF-8', $template), 'assistants are given the same';
    open my $out, '>:raw', "$dir/ashlar.mjs" or die "$dir: $!\n";
    print $out $template;
    close $out or die "$dir: $!\n";
    my $key = $t->key(type => 'secret');
    $t->keep_secret($key);
    my $ann  = decode_json(output_of('node', 't/clients/template.mjs', "$dir/ashlar.mjs", $server, $key) // '{}');
    is $ann->{registered}, 'ann@example.com', 'registers a user';
    is $ann->{wrong}{status}, 401, 'is refused a wrong password';
    is $ann->{wrong}{code}, 'INVALID_CREDENTIALS', '  by its code';
    like $ann->{wrong}{requestId}, qr/./, '  with the request id';
    is $ann->{invalid}{field}, 'email', 'and a wrong field by its name';
    is $ann->{me}, 'ann@example.com', 'signs in';
    is_deeply $ann->{refreshed}, { refreshes => 1, all => [ ('ann@example.com') x 4 ] }, 'refreshes once for requests that find their token expired at the same time';
    is_deeply $ann->{organizations}, ['Boats'], 'makes an organization, and lists those there are';
    is $ann->{users}, $t->db->selectrow_array(q{SELECT count(*) FROM users WHERE email LIKE '%@example.com'}), 'goes through all pages of a list';
    is $ann->{again}, 1, 'sends a POST again under one Idempotency-Key, where the connection broke';
    is $ann->{after}{status}, 401, 'and is out when it signed out';
};
