# What nginx serves beside the API: the guide, the reference, Swagger UI at /docs,
# and ReDoc at /redoc, for both of which the reference stands in without npm.

use v5.36;
use utf8;
use lib 't/lib', 'docs/lib';
use Api;
use Ashlar::Answers;
use Ashlar::Deliverer;
use Ashlar::Guide qw(blocks is_as_shown steps);
use Ashlar::Receiver;
use Ashlar::Totp 'totp';
use Ashlar::Issuer;
use Ashlar::Token qw(mint sign_key);
use Compress::Zlib 'memGzip';
use Cpanel::JSON::XS qw(decode_json encode_json);
use Cwd 'getcwd';
use Encode 'decode';
use File::Temp ();
use Reference  ();
use Time::HiRes 'sleep';

my $t   = Api->start(realtime => 1);
my $dir = File::Temp->newdir('/tmp/ashlar-docs-XXXXXX');

# Run a program to its end and return what it wrote; undef when it failed.
sub output_of ($seconds, $env, @cmd) {
    state $n = 0;
    my $log     = "$dir/" . ++$n;
    my $program = Ashlar::Process->start(cmd => \@cmd, log => $log, env => $env);
    my $status  = $program->wait_for($seconds);
    $program->kill_group;
    open my $in, '<:raw', $log or die "$log: $!\n";
    my $text = do { local $/ = undef; <$in> };
    return $text if defined $status && $status == 0;
    diag "@cmd:\n$text";
    return;
}

# Nothing that a page did while it was opened went wrong, or went anywhere else.
sub quiet_ok ($seen, $name) {
    subtest $name => sub {
        is $seen->{status}, 200, 'it is there';
        is_deeply $seen->{errors},  [], 'no error in the console';
        is_deeply $seen->{outside}, [], 'no request leaves the host';
        ok $seen->{overflow} <= 0, 'nothing sticks out of a narrow window' if defined $seen->{overflow};
    };
    return;
}

sub lines ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    return <$in>;
}

my $document   = $t->get('/openapi.json')->json;
my @operations = map { my $path = $_; map { [ uc, $path, $document->{paths}{$path}{$_} ] } keys %{ $document->{paths}{$path} } } keys %{ $document->{paths} };
my @webhooks   = keys %{ $document->{webhooks} };

# Where the reference has an operation: on the page of its surface and noun; of the many of records by what their path is about.
sub page_of ($op) {
    my ($surface, $noun) = $op->[2]{'x-catalogue-id'} =~ /^(\w+)\.(\w+)/;
    $noun = $op->[1] =~ m{/recordsets\b} ? 'recordsets' : $op->[1] =~ m{/record-tracking/} ? 'tracking' : $noun if "$surface.$noun" eq 'workspace.records';
    return "/reference/$surface/$noun.html";
}

# All that is made to be read; of the reference's groups one.
my @judged = ('/reference/app/projects.html', map { m{/([^/]+)\.html\z} ? ($1 eq 'index' ? '/' : "/$1.html") : () } glob 'build/docs/*.html');

# The pages of the reference, one for each group of operations.
my @groups = $t->get('/reference.html')->body =~ m{<a href="(/reference/[^"]+)">}g;

# One browser goes through all pages, of a server with the viewers and of one without.
my $seen;

subtest 'a browser opens every page, and tries the project list' => sub {
    ok defined output_of(120, {}, 'tools/docs', '--no-viewers', "$Ashlar::Cluster::BUILD/ashlar", "$dir/plain"), 'pages without npm are made';
    ok !-e "$dir/plain/vendor", '  and without the viewers';
    my $plain = Api->start(slow => 0, nginx => { DOC_ROOT => "$dir/plain" });
    my $ann   = $t->user('ann');
    $ann->post('/api/v1/app/projects', { name => 'seen in a browser' });
    my $said = output_of(600, { TOKEN => $ann->token, PAGES => "@judged", Ashlar::Answers::env() }, 'node', 't/clients/browse_docs.mjs', map { "https://localhost:$_->{https_port}" } $t, $plain);
    $seen = decode_json($said // '{}');
    ok $said, 'the browser saw all pages' or return;
    quiet_ok $seen->{pages}{$_}, $_ for sort keys %{ $seen->{pages} };
    like $seen->{pages}{index}{text}, qr{https://localhost:$t->{https_port}/api}, 'commands name the address that the reader is at';

    my $guide = $seen->{guide};
    quiet_ok $guide, 'the guide in a wide window';
    ok $guide->{beside}, 'has its pages beside the text';
    is_deeply [ grep { $seen->{pages}{$_}{above} > 240 } keys %{ $seen->{pages} } ], [], '  which on a phone begins at the top';
    is_deeply [ grep { $seen->{pages}{$_}{listed} } keys %{ $seen->{pages} } ], [], '  where they are not in the way';
    is_deeply $seen->{menu}, { opened => 1, focused => 1, reference => 1, left => 1, found => [] }, '  but behind a button, with those of the reference, until Escape';
    is_deeply [ grep { !$_->{reached} || !$_->{name} || $_->{role} ne 'region' } @{ $seen->{scrolling} } ], [], '  and what scrolls can be reached with keys, and says what it is';
    cmp_ok scalar @{ $seen->{scrolling} }, '>=', 5, '    which is most code there';
    is scalar(keys %{ { map { $_->{name} => 1 } @{ $seen->{scrolling} } } }), scalar @{ $seen->{scrolling} }, '    each by another name';
    my @boxes = steps($t->get('/first-hour.html')->body);
    is $guide->{buttons}, scalar @boxes, 'each box that is to be pasted can be copied';
    is $guide->{copied}, $boxes[1][0] =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}r, '  as it is';
    is $guide->{setting}{addresses}[0], '/operations.html#JWT_TTL_S', 'the search finds a setting';
    is $guide->{operation}{addresses}[0], '/reference/operations/jobs.html#heartbeat_operations_task', '  an operation';
    ok scalar(grep { $_ eq '/organizations.html#invite-somebody' } @{ $guide->{words}{addresses} }), '  and what words begin with';
    is_deeply $guide->{nothing}, { addresses => [], said => 'Nothing has all of these words' }, '  or nothing, where a word is nowhere';
    is_deeply $guide->{found}, [], '  whose list everybody can use';
    is $guide->{followed}, '/concepts.html#user', '  and leads there by keys alone';

    for my $width (qw(phone desk)) {
        my $page    = $seen->{reference}{$width};
        my $address = '/reference/app/projects.html';
        my $finds   = sub (@pieces) { return [ map { page_of($_) . "#$_->[2]{operationId}" } grep { my $text = lc "@$_[0, 1] @{ $_->[2] }{qw(operationId summary)}"; !grep { index($text, $_) < 0 } @pieces } @operations ] };
        quiet_ok $page, "the reference at a $width";
        is $page->{all}, scalar @groups, 'leads to all groups';
        is_deeply [ sort @{ $page->{byPath}{addresses} } ], [ sort @{ $finds->('post', '/api/v1/app/projects') } ], 'its filter finds by method and path';
        is_deeply [ sort @{ $page->{bySummary}{addresses} } ], [ sort @{ $finds->('list', 'my', 'projects') } ], '  by summary';
        is_deeply [ sort @{ $page->{byId}{addresses} } ], [ sort @{ $finds->('list_app_projects') } ], '  by id';
        is $page->{byId}{said}, '2 operations', '  and says how many';
        cmp_ok $page->{many}{folded}, '>', 5, '  and many by group, folded';
        is_deeply $page->{many}{addresses}, [], '    without their rows';
        cmp_ok $page->{unfolded}, '>', 0, '    until they are unfolded';
        is_deeply $page->{nothing}, { said => 'No operation has all of that', folded => 0, addresses => [] }, '  or nothing';
        is $page->{followed}, '#create_app_project', 'keys lead to an operation';
        is_deeply $page->{open}, ['create_app_project'], '  which is unfolded, and no other';
        ok $page->{inView}, '  and in view';
        is $page->{folded}, 0, 'all of them can be unfolded';
        is_deeply $page->{found}, [], '  and axe-core finds nothing in them';
        is_deeply $page->{within}, ['get_app_project'], 'an address unfolds what it names, and what that is in';
        my %is = %{ $page->{colours} };
        ($is{paper}, $is{ink}, $is{code}, $is{method}) = map { 765 - $_ } @is{qw(paper ink code method)} if $width eq 'phone';
        ok $is{paper} > 650 && $is{code} > 650 && $is{ink} < 200 && $is{method} < 400, 'its colours are those of the ' . ($width eq 'phone' ? 'night' : 'day')
            or diag explain $page->{colours};
    }

    # Of each group, what is in it.
    my %of;
    for (@operations) { push @{ $of{ page_of($_) =~ s{\A/reference/|\.html\z}{}gr } }, $_ }
    my $ids     = sub ($group) { return [ sort map { $_->[2]{operationId} } @{ $of{$group} } ] };
    my $rows    = sub ($group) { return [ sort map { "$_->[0] $_->[1]" } @{ $of{$group} } ] };
    my ($first) = $t->get('/reference.html')->body =~ m{"/reference/(app/\w+)\.html"};
    my $is_seen = sub ($looks, $name) {
        my ($phone, $desk) = @$looks{qw(phone desk)};
        ok $phone->{overflow} <= 0 && $desk->{overflow} <= 0, "$name fits into 390 and 1440 px";
        ok $phone->{paper} < 115 && $phone->{ink} > 500, '  is dark where that is wanted' or diag explain $phone;
        ok $desk->{paper} > 650 && $desk->{ink} < 265, '  and else light' or diag explain $desk;
    };

    my $swagger = $seen->{swagger};
    quiet_ok $swagger, 'Swagger UI';
    is $swagger->{unasked}, 0, 'it is not loaded until a surface is chosen';
    is_deeply [ sort @{ $swagger->{first} } ], $rows->($first), 'of that it has a group';
    cmp_ok $swagger->{folded}, '>', 5, '  and the others to choose from, folded';
    is_deeply [ sort @{ $swagger->{events} } ], [ sort map { "POST $_" } grep { /^user\./ } @webhooks ], '  webhooks, too';
    is_deeply [ sort @{ $swagger->{group} } ], $rows->('app/projects'), '  and what is chosen with its group';
    is_deeply { map { $_->{name} => [ sort @{ $_->{ids} } ] } grep { $_->{name} !~ /^webhooks/ } @{ $swagger->{parts} } }, { map { $_ => $ids->($_) } keys %of }, 'a group has all its operations';
    is_deeply [ sort map { @{ $_->{ids} } } grep { $_->{name} =~ /^webhooks/ } @{ $swagger->{parts} } ], [ sort map { 'receive_' . tr/./_/r } @webhooks ], '  and events';
    is_deeply [ map { @{ $_->{lost} } } @{ $swagger->{parts} } ], [], '  with what they refer to';
    is $swagger->{anonymous}{status}, 401, 'without a token the list is refused';
    is $swagger->{authorized}{status}, 200, 'with one it is answered, also after another operation was shown';
    like $swagger->{authorized}{body}, qr/seen in a browser/, '  with the project';
    is $swagger->{refused}, 'connect-src', 'the policy keeps scripts from asking other hosts';
    $is_seen->($swagger->{looks}, 'it');

    my $redoc = $seen->{redoc};
    quiet_ok $redoc, 'ReDoc';
    is $redoc->{unasked}, 0, 'it is not loaded until a surface is chosen';
    is_deeply [ sort @{ $redoc->{first} } ], $ids->($first), 'of that it draws a group';
    is_deeply $redoc->{chosen}, ['create_app_project'], '  or the operation that is chosen';
    is_deeply $redoc->{addressed}, ['list_app_projects'], '  or which an address of its own names';
    $is_seen->($redoc->{looks}, 'it');

    my ($own) = $t->get('/reference.html')->body =~ m{"/reference/(platform/\w+)\.html"};
    quiet_ok $seen->{own}{$_}, "the platform surface's own, $_" for qw(swagger redoc);
    is_deeply [ sort @{ $seen->{own}{swagger}{drawn} } ], $rows->($own), 'Swagger UI at /api/docs begins with a group of it';
    is $seen->{own}{swagger}{asked},  1, '  out of its own document';
    is $seen->{own}{swagger}{others}, 0, '  and has no other surface';
    is_deeply [ sort @{ $seen->{own}{redoc}{drawn} } ], $ids->($own), '  and so has ReDoc at /api/redoc';

    like $seen->{noscript}{text}, qr/needs JavaScript/, 'without JavaScript there is a way to the reference';
};

subtest 'everybody can read every page, in a wide window and on a phone, by day and by night' => sub {
    for my $path (@judged) {
        my $page = $seen->{judged}{$path} or fail($path), next;
        subtest $path => sub {
            is $page->{status}, $path eq '/404.html' ? 404 : 200, 'it is there';
            is_deeply [ grep { $path ne '/404.html' || !/404/ } @{ $page->{errors} } ], [], 'no error in the console';
            is_deeply $page->{outside}, [], 'no request leaves the host';
            is_deeply $page->{found},   [], 'axe-core finds nothing';
            cmp_ok $page->{above}, '<', 240, 'the text begins on the first screen of a phone';
            is_deeply [ grep { $page->{overflow}{$_} > 0 } keys %{ $page->{overflow} } ], [], 'nothing sticks out';
        };
    }
    cmp_ok scalar @judged, '>=', 30, 'all of them';
};

subtest 'on paper there is the text alone' => sub {
    my @printed = grep { $seen->{judged}{$_}{printed} } @judged;
    is scalar @printed, 4, 'pages with code, with tables, and with pictures';
    for my $path (@printed) {
        my $page = $seen->{judged}{$path}{printed};
        is_deeply $page->{shown}, [], "$path: without what leads elsewhere";
        is_deeply $page->{cut},   [], '  and all of it';
        is $page->{ink}, 'rgb(29, 34, 38)', '  in dark ink, by night, too';
    }
    my @links = @{ $seen->{judged}{'/webhooks-out.html'}{printed}{links} };
    is_deeply [ grep { !m{https?://} } @links ], [], 'links to elsewhere say where that is';
    ok scalar @links, '  and there are some';
};

subtest 'without npm there is the reference, and it needs no JavaScript' => sub {
    for my $name (qw(docs redoc)) {
        my $page = $seen->{plain}{$name};
        quiet_ok $page, $name;
        like $page->{text}, qr/API reference.*\bprojects\b/s, 'is the reference';
    }
    my $page = $seen->{folded};
    quiet_ok $page, 'a group';
    like $page->{text}, qr{POST\s+/api/v1/app/projects\s+Create a project}, 'lists its operations';
};

subtest 'the reference has all operations, each on the page of its group' => sub {
    my %page = map { $_ => $t->get($_)->body } @groups;
    my %text = map { $_ => $page{$_} =~ s/<[^>]+>/ /gr } @groups;
    my @missing;
    for my $op (@operations) {
        my $html = $page{ page_of($op) } // '';
        push @missing, "@$op[0, 1]" if $html !~ /<details[^>]* id="\Q$op->[2]{operationId}\E">/ || index($html, "<code>$op->[1]</code>") < 0;
    }
    is_deeply \@missing, [], 'with their paths';
    is_deeply [ grep { my $event = 'receive_' . tr/./_/r; !grep { /id="\Q$event\E">/ } values %page } @webhooks ], [], 'and all webhooks';
    my $projects = $text{'/reference/app/projects.html'};
    like $projects, qr/name\s+string, 1 to 255 characters/, 'fields with what they may hold';
    like $projects, qr/Answer 201:\s+Project\b/, 'answers by the name of what they are';
    like $projects, qr/IDEMPOTENCY_KEY_REUSED\s+422, and\s+what any request may get/, 'errors of its own';
    like $projects, qr/Any request.*INTERNAL_ERROR\s+500/s, '  and of every request';
    like $page{'/reference/app/projects.html'}, qr{href="/docs\?surface=app&amp;group=projects&amp;operation=create_app_project"}, 'and ways into the viewers';
    # As they are sent.
    is_deeply [ grep { length memGzip($page{$_}) > 24 * 1024 } @groups ], [], 'none is a burden';
    cmp_ok length $t->get('/reference.html')->body, '<', 60 * 1024, '  nor is the first one';
};

subtest 'the platform surface has its document where its clients look for it' => sub {
    for my $path (qw(/api/v1/developer/openapi.json /v1/developer/openapi.json)) {
        my $res = $t->get($path, headers => { 'X-API-Key' => 'pk_live_unknown' });
        is $res->status, 200, $path;
        like $res->header('Content-Type'), qr{^application/json}, '  is JSON';
        is $res->header('Cache-Control'), 'public, max-age=300', '  that may be kept for five minutes';
        my $own   = $res->json;
        my @there = map { values %$_ } values %{ $own->{paths} };
        is_deeply [ sort map { $_->{'x-catalogue-id'} } @there ], [ sort grep { /^platform[.]/ } map { $_->[2]{'x-catalogue-id'} } @operations ], '  with all operations of that surface';
        my @dashboard = map { values %{ $own->{paths}{$_} } } grep { m{^/api/v1/dashboard/} } keys %{ $own->{paths} };
        is_deeply { map { $_->{tags}[0] => 1 } @dashboard }, { 'platform dashboard' => 1 }, "  the dashboard's under a tag of their own";
    }
    for my $path (qw(/api/docs /api/redoc /api/v1/developer/openapi.json)) {
        is $t->post($path, {})->status, 405, "$path cannot be written to";
    }
};

subtest 'nothing in a page is inline, or from elsewhere' => sub {
    for my $path (qw(/ /docs /redoc /api/docs /api/redoc /errors.html /reference.html /reference/app/projects.html)) {
        my $res = $t->get($path);
        my ($policy) = $res->header('Content-Security-Policy');
        like $policy, qr/^default-src 'self';/, "$path has a policy";
        unlike $policy, qr/script-src|unsafe-eval/, '  that allows files of ours as scripts, and nothing else';
        my @loads = $res->body =~ /<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="([^"]*)"/g;
        is_deeply [ grep { !m{^/\w} } @loads ], [], '  all it loads is ours';
        unlike $res->body, qr/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/, '  and in files of its own';
    }
};

subtest 'the pages behind mails show a logo from elsewhere, and run nothing but ours' => sub {
    for my $path (qw(/invitation.html /verify-email.html /reset-password.html /take-back-email.html /team-reset-password.html /team-accept-invitation /sign-up.html /unsubscribe.html)) {
        my $res = $t->get("$path?token=x", headers => { Accept => '*/*' });
        my ($policy) = $res->header('Content-Security-Policy');
        is $policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", $path;
        is $res->header('Referrer-Policy'), 'no-referrer', '  nor tells where they are';
        unlike $res->body, qr/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/, '  all of it in files of its own';
    }
};

subtest 'every link leads somewhere' => sub {
    my (%ids, %links, @todo);
    push @todo, '/';
    while (defined(my $path = shift @todo)) {
        next if $ids{$path};
        my $res = $t->get($path);
        is $res->status, 200, $path or next;
        $ids{$path} = { map { $_ => 1 } $res->body =~ /\bid="([^"]+)"/g };
        for my $href ($res->body =~ /<a\b[^>]*\bhref="([^"]+)"/g) {
            my ($to, $fragment) = $href =~ /^([^#?]*)(?:\?[^#]*)?(?:#(.+))?$/;
            $links{ ($to || $path) . "#$fragment" } = $path if length $fragment;
            push @todo, $to if length $to;
        }
    }
    my @broken = grep { my ($to, $id) = split /#/; !$ids{$to}{$id} } sort keys %links;
    is_deeply \@broken, [], 'and so does every place in a page';
};

subtest 'the guide is read from its first page to its last' => sub {
    my @names = map { /^([a-z]\S*) / } lines('docs/navigation.txt');
    my ($path, $before, @read) = ('/', '');
    my $policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    while ($path && @read <= @names) {
        my $res  = $t->get($path);
        my $html = $res->body;
        is $res->header('Content-Security-Policy'), $policy, "$path loads nothing but ours";
        push @read, $path eq '/' ? 'index' : $path =~ s{^/|\.html\z}{}gr;
        is_deeply [ $html =~ /<a href="([^"]+)" aria-current="page">/g ], [$path], '  is marked in the list of pages';
        is +($html =~ /<a rel="prev" href="([^"]+)"/)[0] // '', $before, '  and leads back';
        cmp_ok length $html, '<', 60 * 1024, '  and is no burden';
        ($before, $path) = ($path, $html =~ /<a rel="next" href="([^"]+)"/);
    }
    is_deeply \@read, \@names, 'all of them';
};

subtest 'code has colours, and is the text that was written' => sub {
    my (%boxes, %classes);
    for my $file (glob 'docs/pages/*.html') {
        my ($name) = $file =~ m{([^/]+)\.html\z};
        my $source = join '', lines($file);
        next if $source !~ /<pre/;
        my $html = $t->get($name eq 'index' ? '/' : "/$name.html")->body;
        is_deeply [ blocks(decode('UTF-8', $html)) ], [ blocks($source) ], $name;
        $classes{$1}++ while $html =~ m{<span class="([a-z])">}g;
    }
    is join('', sort keys %classes), 'ckntw', 'comments, keys, numbers, texts and words';
    my $page = $t->get('/first-hour.html')->body;
    like $page, qr{<span class="k">TEAM_TOKEN</span>=\$\(<span class="w">curl</span> -sk}, 'of a shell';
    like $page, qr{<span class="k">&quot;access_token&quot;</span>:<span class="t">&quot;eyJ}, '  of JSON';
    like $page, qr{<span class="w">const</span> api = <span class="t">'https}, '  of a script in a page in a shell';
    like $page, qr{<span class="w">class</span> Receiver}, '  and of Python';
};

subtest 'the start page tells what was measured' => sub {
    my $html   = $t->get('/')->body;
    my $report = join '', lines('bench/RESULTS.md');
    my ($table) = $report =~ /^## The project list, 16 connections\n(.*?)^## /ms;
    for my $peer ('Ashlar', map { "$_ guaranteed" } qw(go fastify php fastapi)) {
        my ($rate, undef, $p99, undef, undef, undef, $mib) = map { s/ //gr } split /[|]/, ($table =~ /^[|] \Q$peer\E +[|](.*)/m)[0];
        is_deeply [ grep { $html !~ m{<td>\Q$_\E</td>} } $rate, $p99, $mib ], [], $peer;
    }
    my ($day) = $report =~ /^- ([\d-]+), commit/m;
    like $html, qr/Measured on [^<]*2 cores[^<]*, on $day,/, 'and when, and on what';
    my @pictures = $html =~ m{<svg class="(wide|tall)"[^>]*role="img" aria-labelledby="\1-title \1-desc">\s*<title id="\1-title">[^<]+</title>\s*<desc id="\1-desc">[^<]+</desc>}g;
    is "@pictures", 'wide tall', 'its picture is told in words, for a wide window and for a phone';
};

subtest 'the lists are those of the code' => sub {
    my @codes  = map { /^ERR\(\w+, *[45]\d\d, *"(\w+)"/ } lines('lib/base/err.def');
    my $errors = $t->get('/errors.html')->body;
    is_deeply [ $errors =~ /<section id="(\w+)"/g ], \@codes, 'every error';
    is_deeply [ sort map { /^([A-Z_]+):/ } lines('docs/errors.txt') ], [ sort @codes ], '  each with advice';
    my $problem = $t->get('/api/v1/app/projects', headers => { Accept => 'application/problem+json' });
    my ($place, $code) = $problem->json('/type') =~ m{^https://localhost:\d+(/[^#]*)#(\w+)$};
    like $t->get($place)->body, qr/id="$code"/, 'the type of a problem is an address that explains it';

    my @settings = map { /^[A-Z]+\(\w+, "(\w+)"/ } lines('lib/host/config.def');
    is_deeply [ $t->get('/operations.html')->body =~ /<th scope="row" id="(\w+)"/g ], \@settings, 'every setting';

    my @surfaces = map { /^\t\{ "(\w+)", \d/ } lines('fcgi/surface.c');
    is_deeply [ $t->get('/concepts.html')->body =~ /id="surface-(\w+)"/g ], \@surfaces, 'every surface';

    # Of limits, what a route, a field and a setting say.
    my $limits = $t->get('/limits.html')->body =~ s/<[^>]+>/ /gr =~ s/ +/ /gr;
    my @missing = grep { $limits !~ /\) *$_ *$/m } map { /^INT\(\w+, "(\w+)"/ } lines('lib/host/config.def');
    is_deeply \@missing, [], 'every setting that is a number is a limit';
    like $limits, qr/^ Body 128 KiB .*POST \/api\/v1\/public\/contact/m, '  with the body of a call';
    like $limits, qr/^ website up to 2,000 characters contact $/m, '  the field of another';
    like $limits, qr/^ Rows of a page page_size : 100, 20 when left out GET \/api\/v1\/webhooks\/\{webhook_id\}\/deliveries (?:,|$)/m, '  and the pages of a third';
};

# The commands of a page, each with the block that follows it: its answer.
sub commands ($path) {
    my @blocks = blocks($t->get($path)->body);
    return map { [ $blocks[$_] =~ s/^TOKEN=.*\n//r, $blocks[ $_ + 1 ] // '' ] } grep { $blocks[$_] =~ /\bcurl / } 0 .. $#blocks;
}

# A key of the default tenant, made as make run makes it.
sub made_key ($api, @more) {
    my %env = (%{ $api->{env} }, DATABASE_OWNER_URL => $api->{cluster}->url($api->{database}, 'ashlar'));
    my ($key) = (output_of(60, \%env, "$Ashlar::Cluster::BUILD/ashlar", qw(key create), @more ? @more : qw(--type secret)) // '') =~ /^([ps]k_live_\w+)$/m;
    $api->keep_secret($key) if !@more;
    return $key;
}

# A command as a reader would run it, of the server that api is; further words for its curl.
sub at_server ($api, $command, $more) {
    $command =~ s{https://localhost:8443}{https://localhost:$api->{https_port}}g;
    return $command =~ s{\bcurl\b(?: -k)?}{curl --cacert $api->{dir}/cert.pem $more}r;
}

# Run it: its status and body.
sub run_at ($api, $command, %env) {
    my $text = output_of(20, \%env, 'sh', '-c', at_server($api, $command, join ' ', map { "'$_'" } Ashlar::Answers::curl_words("$dir/headers")));
    return Ashlar::Answers::note_curl($text // '', "$dir/headers");
}

sub run_command ($user, $command, %env) { return run_at($t, $command, TOKEN => $user->token, %env) }

subtest 'the commands of the guide do what it says' => sub {
    my $bob = $t->user('bob');
    my $made = $bob->post('/api/v1/app/projects', { name => 'for the guide' });
    for my $page ('/quick-start.html', '/concepts.html', '/requests.html') {
        for (commands($page)) {
            my ($command, $answer) = @$_;
            my ($name) = $command =~ /(curl.*)/;
            my $etag = $made->header('ETag');
            $command =~ s/If-Match: "[^"]+"/If-Match: $etag/;
            my ($status, $body) = run_command($bob, $command, ID => $made->json('/id'));
            my $shown = eval { decode_json($answer) };
            if ($shown && $shown->{error}) {
                is_deeply decode_json($body), $shown, "$name is refused as shown";
            }
            else {
                like $status, qr/^20/, "$name is answered";
                is_deeply [ sort keys %{ decode_json($body) } ], [ sort keys %$shown ], '  with what is shown' if $shown;
            }
        }
    }
};

subtest 'and what assistants ask' => sub {
    for (commands('/assistant.html')) {
        my ($command, $answer) = @$_;
        my ($status, $body) = run_at($t, $command);
        is $status, 200, $command =~ s/\n.*//sr;
        ok is_as_shown($body, $answer), '  is answered as shown' or diag $body;
    }
};

subtest 'and those of its page on API keys' => sub {
    my $team = $t->team('keys', role => 'owner', tenant => 'guide');
    my $user = $t->user('of-the-guide', tenant => 'guide');
    my %env  = (
        PUBLIC_KEY => $t->key(tenant => 'guide', type => 'public', origins => ['https://app.acme.example']),
        SECRET_KEY => $t->key(tenant => 'guide'),
        USER_TOKEN => $user->token,
        PASSWORD   => 'Correct-Horse-7',
    );
    status_is $t->client(key => $env{SECRET_KEY})->post('/api/v1/auth/register', { email => 'demo@example.com', password => $env{PASSWORD} }), 201, 'the demo user';
    for (commands('/api-keys.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my ($status, $body) = run_command($team, $command, %env);
        my ($got, $shown) = (decode_json($body), eval { decode_json($answer) });
        if ($shown && $shown->{error}) { is_deeply $got, $shown, "$name is refused as shown" }
        else {
            like $status, qr/^20/, "$name is answered";
            is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown' if $shown;
        }
        $t->keep_secret($got->{key}) if ($got->{type} // '') eq 'secret';
    }

    # And with what make run has printed, for which nobody has to make a tenant.
    my ($origins) = map { /^origins=(.*)$/ ? $1 =~ s/\$PORT/8443/r : () } lines('tools/run');
    my %run = (PUBLIC_KEY => made_key($t, qw(--type public --origins), $origins), USER_TOKEN => $t->user('of-make-run')->token);
    my @use = grep { $_->[0] =~ /PUBLIC_KEY/ } commands('/api-keys.html');
    is_deeply [ map { (run_command($team, $_->[0], %run))[0] } @use ], [ 200, 403 ], 'the public key of make run is good in the guide\'s page, and in no other';
};

# The process group of a process; 0: it has ended.
sub _group ($pid) {
    open my $in, '<', "/proc/$pid/stat" or return 0;
    my $stat = <$in> // '';
    return $stat =~ /\) [^ZX] \d+ (\d+)/ ? $1 : 0;
}

# Its worker needs a program that makes thumbnails, and gets one.
subtest 'and those of its page on background jobs' => sub {
    my $api = Api->start(slow => 0, RATE_LIMIT_KEY => 120);
    my %env = (KEY => made_key($api));
    my $count = sub ($status) { return $api->db->selectrow_array('SELECT count(*) FROM jobs WHERE queue = ? AND state = ?', undef, 'images', $status) };
    for (grep { $_->[0] =~ /^curl/ } commands('/background-jobs.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my ($status, $body) = run_at($api, $command, %env);
        my ($got, $shown) = (decode_json($body), eval { decode_json($answer) });
        like $status, qr/^20/, "$name is answered" or diag $body;
        is_deeply [ sort keys %{ $got->{data} } ], [ sort keys %{ $shown->{data} } ], '  with what is shown' if $shown && $shown->{data};
        is_deeply $got, $shown, '  exactly' if $command =~ /stats/;
        $env{ID} //= $got->{data}{id} if $command =~ /claim/;
    }
    is $count->('completed'), 1, 'the task is done';

    my ($worker) = grep { /^#!/ } blocks($t->get('/background-jobs.html')->body);
    $worker =~ s{https://localhost:8443}{https://localhost:$api->{https_port}};
    my $client = $api->client(key => $env{KEY});
    my @tasks  = map { $client->post('/api/task-queue/submit', { task_type => 'thumbnail', queue_name => 'images', max_attempts => 1, payload => { image => $_, name => "a\nb" } })->json('/data/id') } 1 .. 4;
    # The second image is none; the third task is cancelled while it is worked on.
    my %file = (worker => $worker, 'make-thumbnail' => <<~"END");
        #!/bin/sh
        task=\$(cat)
        if [ "\$(printf %s "\$task" | jq .image)" = 3 ]; then
            curl -sSkf --retry 10 -X POST https://localhost:$api->{https_port}/api/task-queue/$tasks[2]/cancel -H "X-API-Key: \$KEY" >/dev/null
        fi
        printf %s "\$task" | jq -e 'if .image == 2 then error("no image") else {made: .image, of: .name} end'
        END
    for my $name (keys %file) {
        open my $out, '>:encoding(UTF-8)', "$dir/$name" or die "$name: $!\n";
        print $out $file{$name};
        close $out or die "$name: $!\n";
        chmod 0755, "$dir/$name";
    }
    # Another client uses up the key's budget until the worker has been told to wait.
    my $program;
    my $waited = sub () { return grep { ($_->{status} // 0) == 429 && ($_->{route} // '') =~ m{^/api/task-queue/} } $api->log };
    for (1 .. 2000) {
        my $is_used_up = $client->get('/api/bull-queue/stats')->status == 429 or next;
        $program //= Ashlar::Process->start(cmd => [ 'sh', '-c', "cd $dir && exec ./worker" ], log => "$dir/worker.log", env => \%env);
        last if $waited->() || !$program->alive;
        sleep 0.05;
    }
    ok scalar($waited->()), 'the worker is told to wait';
    is $program->wait_for(120), 0, '  and ends when there is nothing to do';
    my @left = grep { _group($_) == $program->pid } map { m{(\d+)\z} } glob '/proc/[0-9]*';
    is "@left", '', '  and leaves no process behind';
    $program->kill_group;
    open my $log, '<', "$dir/worker.log" or die "worker.log: $!\n";
    my $said   = do { local $/ = undef; <$log> };
    my @states = map { $api->db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $_) } @tasks;
    is "@states", 'completed failed cancelled completed', '  and has done what could be done'
        or diag join "\n", $said, map { encode_json($_) } grep { ($_->{route} // '') =~ /task-queue/ } $api->log;
    is $api->db->selectrow_array(q{SELECT last_error FROM jobs WHERE state = 'failed'}), 'make-thumbnail ended with status 5', '  and told of the rest';
    is $api->db->selectrow_array(q{SELECT result ->> 'of' FROM jobs WHERE id = ?}, undef, $tasks[3]), "a\nb", '  with results as they are';
    like $said, qr/^task \Q$tasks[2]\E: the report was refused/m, '  and said which report was refused';

    my ($kind) = grep { /^#include/ } blocks($t->get('/background-jobs.html')->body);
    open my $out, '>:encoding(UTF-8)', "$dir/kind.c" or die "kind.c: $!\n";
    print $out $kind;
    close $out or die "kind.c: $!\n";
    ok defined output_of(60, {}, qw(cc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I.), split(' ', qx(pkg-config --cflags libpq json-c)), "$dir/kind.c"), 'its kind compiles';
};

subtest 'and those of its page on webhooks that are received' => sub {
    my $api = Api->start(slow => 0, STRIPE_WEBHOOK_SECRET => 'whsec_of_the_guide');
    my %env = (TOKEN => $api->user('root', role => 'superadmin')->token, STRIPE_WEBHOOK_SECRET => 'whsec_of_the_guide');
    for (commands('/webhooks-in.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my ($status, $body) = run_at($api, $command, %env);
        my ($got, $shown) = (decode_json($body), eval { decode_json($answer) });
        if ($shown && ($shown->{error} || $shown->{received})) { is_deeply $got, $shown, "$name is answered as shown" }
        else { like $status, qr/^20/, "$name is answered" }
        is_deeply [ sort keys %{ $got->{items}[0] } ], [ sort keys %{ $shown->{items}[0] } ], '  with what is shown' if $shown && $shown->{items};
        $env{EVENT} //= $got->{items}[0]{id} if $got->{items};
    }
    is_deeply $api->db->selectall_arrayref('SELECT event_id, replays FROM webhook_events'), [ [ 'evt_1', 1 ] ], 'one event, replayed once';
};

# Its client runs in a browser; node has ws for what it misses.
subtest 'and those of its page on realtime' => sub {
    my $api = Api->start(slow => 0, realtime => 1);
    my $ann = $api->user('demo');
    my @page = blocks($api->get('/realtime.html')->body);
    my ($ticket) = grep { $_->[0] =~ /ticket/ } commands('/realtime.html');
    my ($status, $body) = run_at($api, $ticket->[0], TOKEN => $ann->token);
    is $status, 201, 'a ticket';
    is_deeply [ sort keys %{ decode_json($body) } ], [ sort keys %{ decode_json($ticket->[1]) } ], '  as shown';
    $api->keep_secret(decode_json($body)->{ticket});

    my ($module) = grep { m{^// realtime\.js} } @page;
    my ($news)   = grep { /realtime_notify/ } @page;
    my $modules  = getcwd . '/t/clients/node_modules';
    my %file = ('realtime.mjs' => $module, 'look.mjs' => <<~"END");
        import WebSocket from '$modules/ws/wrapper.mjs';
        import { listen } from './realtime.mjs';
        globalThis.WebSocket = WebSocket;
        const seen = [];
        const it = listen(process.env.BASE, async () => process.env.TOKEN, ['public:news'], (m) => {
            seen.push(m.type);
            console.log(JSON.stringify(m));
            if (seen.includes('update') && seen.includes('notification')) it.close();
        });
        END
    for my $name (keys %file) {
        open my $out, '>:encoding(UTF-8)', "$dir/$name" or die "$name: $!\n";
        print $out $file{$name};
        close $out or die "$name: $!\n";
    }
    my $run = Ashlar::Process->start(cmd => [ 'node', "$dir/look.mjs" ], log => "$dir/look",
        env => { BASE => "https://localhost:$api->{https_port}", TOKEN => $ann->token, NODE_EXTRA_CA_CERTS => "$api->{dir}/cert.pem" });
    my $seen = sub { return join '', -e "$dir/look" ? lines("$dir/look") : () };
    eventually { $seen->() =~ /"subscribed"/ } 20, 'the client of the page listens';
    my $publish = sub {
        $api->db->begin_work;
        $api->db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        $api->db->do($news);
        return $api->db->commit;
    };
    $publish->();
    is $run->wait_for(20), 0, 'it ends when it has heard all';
    like $seen->(), qr/"version": ?7/, 'the news';
    like $seen->(), qr/Your export is ready/, 'and the notification';

    my ($stream) = map { $_->[0] } grep { $_->[0] =~ /events/ } commands('/realtime.html');
    $stream =~ s{https://localhost:8443}{https://localhost:$api->{https_port}};
    $stream =~ s{\bcurl -k}{curl -s --cacert $api->{dir}/cert.pem};
    my $curl = Ashlar::Process->start(cmd => [ 'sh', '-c', $stream ], log => "$dir/stream", env => { TOKEN => $ann->token });
    my $streamed = sub { return join '', -e "$dir/stream" ? lines("$dir/stream") : () };
    eventually { $streamed->() =~ /event: subscribed/ } 10, 'a stream of events';
    $publish->();
    eventually { $streamed->() =~ /"update".*\n\n/ } 10, '  with the news';
    $curl->kill_group;
    my ($shown) = grep { /^retry:/ } @page;
    is_deeply [ $streamed->() =~ /^(event: \w+)/gm ], [ $shown =~ /^(event: \w+)/gm ], '  as shown';
};

# Its receiver is node's, with a library; and the check with openssl is told what node was.
subtest 'and those of its page on webhooks that are sent' => sub {
    my $spy    = Ashlar::Receiver->start;
    my ($free) = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport;
    my $api    = Api->start(HTTP_ALLOW_PRIVATE => "127.0.0.1:$free," . $spy->address, WEBHOOK_ALLOW_HTTP => 'true');
    my $ada    = $api->user('ada');
    my $org    = $api->organization($ada);
    my %env    = (TOKEN => $ada->token, WORKSPACE => $org);
    my @pages  = blocks($api->get('/webhooks-out.html')->body);
    my ($server) = grep { /createServer/ } @pages;
    my ($script) = grep { /^#!/ } @pages;
    for ([ 'server.mjs' => $server =~ s/3000/$free/r ], [ 'verify' => $script ]) {
        open my $out, '>:encoding(UTF-8)', "$dir/$_->[0]" or die "$_->[0]: $!\n";
        print {$out} $_->[1];
        close $out or die "$_->[0]: $!\n";
    }
    symlink getcwd . '/t/clients/node_modules', "$dir/node_modules" or die "node_modules: $!\n";
    my ($node, $deliverer);
    for (commands('/webhooks-out.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        $command =~ s{https://example\.com/webhooks}{http://127.0.0.1:$free/};
        if ($command =~ /deliveries\?/) {
            $deliverer = Ashlar::Deliverer->start($api);
            status_is $ada->with(key => made_key($api))->put("/api/v1/organizations/$org", { name => 'Renamed' }), 200;
            eventually { $api->db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'}) } 30, 'what happens is delivered';
        }
        my ($status, $body) = run_at($api, $command, %env);
        my ($got, $shown) = (decode_json($body), eval { decode_json($answer) });
        like $status, qr/^20/, "$name is answered" or diag $body;
        is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown' if $shown;
        is_deeply $got, $shown, '  exactly' if $command =~ m{/test};
        if (exists $got->{items}) {
            is_deeply [ sort keys %{ $got->{items}[0] } ], [ sort keys %{ $shown->{items}[0] } ], '  and so is the delivery';
            $env{DELIVERY} = $got->{items}[0]{id};
        }
        next if !$got->{secret};
        $api->keep_secret($got->{secret});
        @env{qw(ID SECRET)} = ($got->{id}, $got->{secret});
        next if $node;
        $node = Ashlar::Process->start(cmd => [ 'node', "$dir/server.mjs" ], log => "$dir/node.log", env => { SECRET => $env{SECRET} });
        eventually { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $free) } 60, 'the receiver runs';
    }
    my ($log) = join '', lines("$dir/node.log");
    like $log, qr/^msg_\w{27} organization\.member_added$/m, 'the receiver has verified the test';
    like $log, qr/^msg_\w{27} organization\.updated$/m, '  and what was delivered, by a secret that was replaced meanwhile';
    $deliverer->term;
    ok $deliverer->ended(30), 'the deliverer ends';

    $api->db->do('UPDATE webhook_endpoints SET url = ? WHERE id = ?', undef, $spy->url('/x'), $env{ID});
    status_is $ada->post("/api/v1/webhooks/$env{ID}/test", { event => 'organization.updated' }, headers => { 'X-Workspace-Id' => $org }), 200;
    my ($seen) = $spy->requests('/x');
    my $try = sub ($text) {
        open my $out, '>:raw', "$dir/body.json" or die "body.json: $!\n";
        print {$out} $text;
        close $out or die "body.json: $!\n";
        my %header = (SECRET => $env{SECRET}, map { uc =~ s/.*-//r => $seen->{headers}{$_} } qw(webhook-id webhook-timestamp webhook-signature));
        my $run = Ashlar::Process->start(cmd => [ 'sh', '-c', "cd $dir && sh ./verify" ], log => "$dir/verify.log", env => \%header);
        return $run->wait_for(20);
    };
    is $try->($seen->{body}), 0, 'openssl finds it genuine';
    isnt $try->("$seen->{body} "), 0, '  and nothing else';

    my @types = $api->get('/webhooks-out.html')->body =~ /<th scope="row" id="([a-z_.]+)"/g;
    is_deeply \@types, [ map { $_->{type} } @{ $api->team('t', role => 'owner')->get('/api/v1/dashboard/webhooks/events')->json } ], 'its events are those that there are';
};

subtest 'and those of its page on organizations' => sub {
    my $key   = made_key($t);
    my $ada   = $t->user('lovelace', columns => { full_name => 'Ada Lovelace' })->with(key => $key);
    my $guest = $t->user('guest', columns => { is_email_verified => 't' });
    my $org   = $ada->post('/api/v1/organizations', { name => 'For the guide', slug => 'for-the-guide' })->json('/id');
    status_is $ada->post("/api/v1/organizations/$org/invite", { email => $guest->email, role => 'developer' }), 201;
    my %env = (
        KEY         => $key,
        ORG         => $org,
        ME          => $ada->uuid,
        GUEST       => $guest->uuid,
        GUEST_TOKEN => $guest->token,
        INVITATION  => ($t->mails)[-1]{secrets}{token},
    );
    for (commands('/organizations.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my ($status, $body) = run_command($ada, $command, %env);
        my ($got, $shown) = map { ref eq 'ARRAY' ? $_->[0] : $_ } decode_json($body), decode_json($answer);
        if ($shown->{error}) { is_deeply $got, $shown, "$name is refused as shown" }
        else {
            like $status, qr/^20/, "$name is answered";
            is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown';
        }
    }
};

subtest 'and those of its page on administration' => sub {
    my $api   = Api->start(main => 1);
    my $admin = $api->user('admin', role => 'superadmin');
    my $vera  = $api->user('vera');
    my $theo  = $api->user('theo', columns => { full_name => 'Theo Tidewater' });
    my %env   = (TOKEN => $admin->token, KEY => made_key($api), USER_ID => $theo->uuid, TEAM_TOKEN => $api->team('olive', role => 'owner')->token);
    $api->db->do(q{UPDATE users SET password_hash = '$scrypt$of nobody' WHERE id = ?}, undef, $theo->uuid);
    for (commands('/administration.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my ($status, $body) = run_at($api, $command, %env);
        my ($got, $shown) = (decode_json($body), eval { decode_json($answer) });
        $env{IMPERSONATION} = $got->{token} if $got->{token};
        if ($shown && $shown->{error}) { is_deeply $got, $shown, "$name is refused as shown" }
        else {
            like $status, qr/^20/, "$name is answered";
            for my $list ($shown ? qw(items users by_plan sign_in_methods) : ()) {    # of lists the first element
                ($got, $shown) = map { $_->{$list}[0] } $got, $shown if ref $shown->{$list} eq 'ARRAY';
            }
            is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown' if $shown;
            is_deeply $got, $shown, '  exactly' if $shown && ($shown->{flag_key} || $shown->{message} && !$shown->{token} || $shown->{jobs});
        }
    }
};

subtest 'a tenant brings its own identity provider, as the guide has it' => sub {
    my $issuer = Ashlar::Issuer->start(sign_key('EC', 'ec-1'));
    my ($port) = $issuer->url =~ /:(\d+)/;
    my $api    = Api->start(ENVIRONMENT => 'development', HTTP_ALLOW_PRIVATE => "127.0.0.1:$port", main => 1);
    my $owner  = $api->team('owner', role => 'owner', tenant => 'acme');
    my @all    = commands('/identity-provider.html');
    my ($iss, $secret) = map { $all[0][0] =~ /"$_": "([^"]+)"/ } qw(issuer secret);
    my %env = (
        TEAM_TOKEN => $owner->token,
        KEY        => $api->key(tenant => 'acme'),
        TOKEN      => mint({ iss => $iss, aud => 'authenticated', sub => 'supabase-1', iat => time, exp => 3600 + time }, key => $secret),
    );
    my @statuses;
    for (@all) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        my $jwks = $issuer->url;
        $command =~ s{"https://[^"]*/jwks\.json"}{"$jwks"};
        my ($status, $body) = run_at($api, $command, %env);
        push @statuses, $status;
        my $json  = $body eq '' ? {} : decode_json($body);
        my $shown = eval { decode_json($answer =~ s/, …//gr) };
        $shown && $shown->{error} ? is_deeply($json, $shown, "$name is refused as shown") : is_deeply([ sort keys %$json ], [ sort keys %$shown ], "$name: what is shown") if $shown;
        $env{ID} //= $json->{id};
    }
    is "@statuses", '201 201 200 401 200 200 204', 'each does what the page says';
    is_deeply [ map { $_->{name} } @{ $owner->get('/api/v1/dashboard/issuers')->json('/issuers') } ], ['Clerk'], 'and one is left';
    $issuer->stop;
};

subtest 'and those of its page on the second factor' => sub {
    my %who    = (email => 'demo@example.com', password => 'Correct-Horse-7');
    my $key    = $t->key(tenant => 'second');
    my $demo   = $t->client(key => $key);
    my $signed = $demo->post('/api/v1/auth/register', \%who);
    my %env    = (KEY => $key, TOKEN => $signed->json('/access_token'), PASSWORD => $who{password});
    my $secret;
    $demo = $demo->with(token => $env{TOKEN});
    $t->keep_secret(@env{qw(KEY TOKEN)});
    for (commands('/second-factor.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ /(curl.*)/;
        $t->db->do('UPDATE totp_factors SET last_step = 0');
        $env{CODE} = totp($secret) if $secret;
        my ($status, $body) = run_command($demo, $command, %env);
        like $status, qr/^20/, "$name is answered" or diag $body;
        next if $status == 204;
        my ($got, $shown) = map { decode_json($_) } $body, $answer;
        is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown';
        $secret             = $got->{secret}            // $secret;
        $env{MFA_TOKEN}     = $got->{mfa_token}         // $env{MFA_TOKEN};
        $env{RECOVERY_CODE} = $got->{recovery_codes}[0] // $env{RECOVERY_CODE};
    }
    json_is $demo->get('/api/v1/auth/mfa'), '/enabled', false, 'at the end it is off';
};

subtest 'and those of its page on mail' => sub {
    my $team = $t->team('mail', role => 'owner', tenant => 'mail');
    my ($settings, @form) = commands('/mail.html');
    my ($status, $body) = run_command($team, $settings->[0], TEAM_TOKEN => $team->token);
    is $status, 200, 'a tenant has its name, logo, color and address';
    like $body, qr/"email_from_name":"Acme".*"brand_color":"#aa0000"/, '  as entered';
    for (@form) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ m{(/api/\S+)};
        ($status, $body) = run_command($team, $command);
        my ($got, $shown) = map { decode_json($_) } $body, $answer;
        is $status, 200, "$name is answered";
        is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown';
        is $got->{message}, $shown->{message}, '  and says it' if $shown->{message};
        is_deeply [ @{ $got->{rate_limit} }{qw(limit remaining window)} ], [ 5, 4, '5/hour' ], '  of which one is used' if $shown->{rate_limit};
    }
    my ($template) = grep { /^subject:/ } blocks($t->get('/mail.html')->body);
    is "$template\n", join('', lines('templates/mail/en/invitation.txt')), 'and the template is the one that there is';
};

# The functions of that page run in passkeys.t, where there is a browser.
subtest 'and those of its page on passkeys' => sub {
    my $eve = $t->user('eve')->with(key => made_key($t));
    my ($id) = $t->db->selectrow_array(
        q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) VALUES (?, ?, 'My phone', 'id', 'key', 'app.example.com') RETURNING id},
        undef, $eve->tenant_id, $eve->uuid);
    for (commands('/passkeys.html')) {
        my ($command, $answer) = @$_;
        my ($name)          = $command =~ /(curl.*)/;
        my ($status, $body) = run_command($eve, $command, KEY => $eve->{key}, ID => $id);
        my ($got, $shown)   = map { $_->{passkeys} ? $_->{passkeys}[0] : $_ } decode_json($body), decode_json($answer);
        is $status, 200, "$name is answered";
        is_deeply [ sort keys %$got ], [ sort keys %$shown ], '  with what is shown';
    }
};

subtest 'so do those about signing in' => sub {
    my %env = (TEAM_TOKEN => $t->team('chooser', role => 'owner')->token);
    for (commands('/sign-in.html')) {
        my ($command, $answer) = @$_;
        my ($name) = $command =~ m{(/api/\S+)};
        my ($status, $body) = run_command($t->client(token => $env{TOKEN} // ''), $command, %env);
        like $status, qr/^20/, "$name is answered" or diag $body;
        my $shown = eval { decode_json($answer) };
        $shown = undef if $name =~ /resend|refresh|login/;
        is_deeply [ sort keys %{ decode_json($body) } ], [ sort keys %$shown ], '  with what is shown' if $shown;
        if (my $token = decode_json($body)->{access_token}) {
            @env{qw(TOKEN REFRESH)} = ($token, decode_json($body)->{refresh_token});
            $t->keep_secret($token);
        }
    }
    ok $env{REFRESH}, 'with the tokens of one call in the next';
};

subtest 'Google is set up, as the guide has it' => sub {
    my $owner = $t->team('google', role => 'owner', tenant => 'google');
    my %env   = (TEAM_TOKEN => $owner->token, KEY => $t->key(tenant => 'google'));
    my ($setup, $providers, $url) = map { (run_command($owner, $_->[0], %env))[1] } commands('/google.html');
    is decode_json($setup)->{callback_url}, $t->{env}{PUBLIC_URL} . '/api/v1/auth/google/callback', 'what Google is to be told';
    is_deeply decode_json($providers), decode_json((commands('/google.html'))[1][1]), 'the button is shown';
    like decode_json($url)->{authorization_url}, qr{^https://accounts\.google\.com/o/oauth2/v2/auth\?response_type=code&}, 'and leads to Google';
};

subtest 'README and CONTRIBUTING are true, too' => sub {
    my $dan  = $t->user('dan');
    my $text = join '', lines('README.md');
    my ($api, @tour) = map { s/^ +//r } $text =~ /^(    api.*)$/mg;
    is scalar @tour, 4, 'the tour';
    my @bodies = map { (run_command($dan, "$api\n$_"))[1] } @tour;
    like $bodies[0], qr/"id":"user_dan"/, 'a profile';
    like $bodies[1], qr/"name":"Website"/, 'a project';
    like $bodies[2], qr/"total":1,.*"version":"v2"/, 'a page in the envelope of version 2';
    like $bodies[3], qr/"VALIDATION_ERROR"/, 'an error';

    my $words = join '', lines('CONTRIBUTING.md');
    my @excerpts = $words =~ /^`([\w\/.]+)`:\n\n```\w+\n(.*?)^```$/gms;
    cmp_ok scalar @excerpts, '>=', 8, 'excerpts';
    while (my ($file, $excerpt) = splice @excerpts, 0, 2) {
        my $source = join '', lines($file);
        for (split /^…\n/m, $excerpt) { ok index($source, $_) >= 0, "$file has: " . substr $_, 0, 40 }
    }
    my @gone = grep { !-e } ("$text$words" =~ m{\]\(([\w/.]+)\)}g, map { s{/?\z}{}r } $text =~ m{^\| `(\w+/)`}mg);
    is_deeply \@gone, [], 'what they point at is there';
    my %setting = map { $_ => 1 } map { /^[A-Z]+\(\w+, "(\w+)"/ } lines('lib/host/config.def');
    is_deeply [ grep { !$setting{$_} } $text =~ /`([A-Z]+_[A-Z_]+)`/g ], [], 'and so are the settings';
};

subtest 'the commands of the reference get an answer that it lists' => sub {
    my $cat  = $t->user('cat');
    my (@ids, @listed, @commands);
    for my $address (grep { !m{/webhooks/} } @groups) {
        my $html = $t->get($address)->body;
        my ($common) = $html =~ m{<section id="any-request">(.*?)</section>}s;
        for my $operation (split /^(?=<details class="operation")/m, $html =~ s/^<(?:h2|section)\b.*//msr) {
            my ($id) = $operation =~ /^<details class="operation" id="([^"]+)"/ or next;
            push @ids, $id;
            push @listed, { map { $_ => 1 } ($operation . ($operation =~ /#any-request/ ? $common : '')) =~ m{(?:<h3>Answer |</a> )(\d+)}g };
            my ($command) = grep { /^curl/ } blocks($operation);
            push @commands, at_server($t, $command, q{-s -o /dev/null -w '%{http_code}\\n'});
        }
    }
    # One shell for all of them, which reads them from a file: an argument has an end.  A status is a line.
    my $script = File::Temp->new(SUFFIX => '.sh');
    print {$script} map { "$_\n" } @commands;
    close $script;
    my @statuses = split /\n/, output_of(120, { TOKEN => $cat->token }, 'sh', "$script") // '';
    is scalar @statuses, scalar @ids, 'each is answered';
    for my $n (0 .. $#ids) {
        ok $listed[$n]{ $statuses[$n] // '' }, "$ids[$n]: " . ($statuses[$n] // '');
    }
};

subtest 'the reference keeps the order of the document' => sub {
    my $r = Reference->new('{"info":{"version":"1"},"paths":{"/z":{"get":{"operationId":"z","x-catalogue-id":"z","summary":"<Z>","responses":{"200":'
            . '{"content":{"application/json":{"schema":{"type":"object"},"example":{"z":1,"b":[true,null,1.50],"a":"\u00e9\"<"}}}}}}},'
            . '"/a":{"get":{"operationId":"a","x-catalogue-id":"a","summary":"Is it?","responses":{"default":{"description":"?"}}}}}}');
    my $html = join '', map { $r->page($_) } $r->groups;
    like $html, qr{id="z".*id="a"}s, 'operations';
    like $html, qr/"z": 1,\n\s+"b": \[\n\s+true,\n\s+null,\n\s+1\.50?\n\s+\],\n\s+"a"/, 'members';
    like $html, qr/\x{e9}\\"&lt;/, 'text is escaped';
    like $html, qr/&lt;Z&gt;<.*Is it\?</s, '  and that of a summary';
    for my $bad ('', '{', '{"a" 1}', '[1', '{"a":1}x', '{"a":tru}') {
        ok !eval { Reference->new($bad); 1 }, "$bad is no document";
    }
};
