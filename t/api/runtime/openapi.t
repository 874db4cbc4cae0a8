use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';
use File::Temp ();

# The reference says what is so: it is valid OpenAPI, and every answer given
# here, as those of all files, is one that it describes (Ashlar::Answers).
my $tmp  = File::Temp->newdir;
my $text = qx($Ashlar::Cluster::BUILD/ashlar openapi);
my $doc  = decode_json($text);
my @rows = map { decode_json($_) } split /\n/, qx($Ashlar::Cluster::BUILD/ashlar routes);

sub write_file ($path, $content) {
    open my $out, '>:raw', $path or die "$path: $!\n";
    print $out $content;
    close $out or die "$path: $!\n";
    return;
}
write_file("$tmp/openapi.json", $text);

my @operations;    # [method, path, operation]
for my $path (sort keys %{ $doc->{paths} }) {
    push @operations, map { [ uc, $path, $doc->{paths}{$path}{$_} ] } sort grep { /^(?:get|put|post|patch|delete)$/ } keys %{ $doc->{paths}{$path} };
}

# Each surface has a document of its own.
my @surfaces = do {
    my %seen;
    grep { !$seen{$_}++ } map { $_->{id} =~ /^(\w+)/ } @rows;
};
my %of = map { $_ => scalar qx($Ashlar::Cluster::BUILD/ashlar openapi --surface $_) } @surfaces;
write_file("$tmp/$_.json", $of{$_}) for @surfaces;

# Read at the end: it takes as long as all the rest, and another processor.
write_file("$tmp/broken.json", $text =~ s/"responses":/"answers":/r);
open my $judges, '-|', "node t/clients/validate_openapi.mjs @{[ map { qq($tmp/$_.json) } 'openapi', @surfaces, 'broken' ]} 2>&1" or die "node: $!\n";

subtest 'every row is in it, in every version, under its catalogue id' => sub {
    my %found = map { ("$_->[0] $_->[1]" => $_->[2]) } @operations;
    for my $row (@rows) {
        for my $version (1 .. ($row->{path} =~ m{^/api/v1/} ? $row->{versions} : 1)) {
            my $key = "$row->{method} " . $row->{path} =~ s{^/api/v1/}{/api/v$version/}r;
            my $operation = delete $found{$key};
            is $operation->{'x-catalogue-id'}, $row->{id}, $key;
        }
    }
    is join(', ', sort keys %found), '', 'and nothing that is no row';
    my %ids;
    $ids{ $_->[2]{operationId} }++ for @operations;
    is join(' ', grep { $ids{$_} > 1 } keys %ids), '', 'operation ids are unique';
};

subtest 'each surface has a document of its own, and together they are this one' => sub {
    my %doc = map { $_ => decode_json($of{$_}) } @surfaces;
    for my $surface (@surfaces) {
        my @others = grep { $_ !~ /^\Q$surface\E\./ } map { map { $_->{'x-catalogue-id'} } values %$_ } values $doc{$surface}{paths}->%*;
        is "@others", '', "$surface has its own rows alone";
    }
    for my $part (qw(paths webhooks)) {
        my %all;    # of two surfaces a path has different methods
        for my $of (map { $_->{$part} // {} } values %doc) {
            $all{$_} = { ($all{$_} // {})->%*, $of->{$_}->%* } for keys %$of;
        }
        is_deeply \%all, $doc->{$part}, $part;
    }
    for my $part (sort keys $doc->{components}->%*) {
        is_deeply { map { ($_->{components}{$part} // {})->%* } values %doc }, $doc->{components}{$part}, "components: $part";
    }
};

my %row     = map { $_->{id} => $_ } @rows;
my $resolve = sub ($what) { return $what->{'$ref'} ? $doc->{components}{ (split m{/}, $what->{'$ref'})[2] }{ $what->{'$ref'} =~ s{.*/}{}r } : $what };

subtest 'an operation lists the errors it can answer' => sub {
    for my $operation (@operations) {
        my ($method, $path, $op) = @$operation;
        next if ($op->{'x-pool'} // '') eq 'nginx';
        my @need = (400, 406, 414, 429, 431, 500, 502, 503, 504);
        push @need, 413 if $method ne 'GET';
        my $row = $row{ $op->{'x-catalogue-id'} };
        push @need, 400, $row->{invalid} if grep { ($_->{in} // '') eq 'query' } map { $resolve->($_) } @{ $op->{parameters} // [] };
        my $by = $row->{caller};
        push @need, 401 if $by->{key} ne 'unread' || $by->{project};
        push @need, 403 if ($by->{role} // '') eq 'admin' || $by->{key} =~ /taken|needed|secret/ || $by->{place} ne 'tenant' || $row->{may};
        push @need, 404 if $path =~ /\{/;
        my $is_signed = grep { $_ eq 'signed' } @{ $row->{flags} };
        push @need, 401 if $is_signed;
        push @need, 409 if $method eq 'POST' && !$is_signed && !grep { $_ eq 'private' } @{ $row->{flags} };
        push @need, 412 if grep { ($_->{'$ref'} // '') =~ /If-Match/ } @{ $op->{parameters} // [] };
        push @need, 400, 413 if $op->{requestBody};
        push @need, 415, $row->{invalid} if $op->{requestBody} && !grep { $_ eq 'raw' } @{ $row->{flags} };
        my @missing = grep { !$op->{responses}{$_} } @need;
        is "@missing", '', "$method $path";
        ok length($op->{summary} // ''), '  and has a summary';
    }
};

subtest 'an update is had by PUT and by PATCH' => sub {
    my %there = map { ("$_->[0] $_->[1]" => 1) } @operations;
    for my $operation (grep { $_->[0] =~ /^P(?:UT|ATCH)$/ } @operations) {
        my ($method, $path, $op) = @$operation;
        my $other = $method eq 'PUT' ? 'PATCH' : 'PUT';
        is $op->{'x-twin'}, $there{"$other $path"} ? undef : $other, "$method $path";
        like $op->{description}, qr/\b$other does the same\./, '  in words, too' if $op->{'x-twin'};
    }
};

subtest 'secured operations say so, open ones do not' => sub {
    for my $operation (@operations) {
        my ($method, $path, $op) = @$operation;
        my $by   = $row{ $op->{'x-catalogue-id'} }{caller};
        my @ways = map { join '+', sort keys %$_ } @{ $op->{security} // [] };
        my $may   = $row{ $op->{'x-catalogue-id'} }{may}{roles};
        my $token = $by->{team} ? 'team' : 'bearer';
        my $key   = $by->{key} =~ /taken|needed|secret/;
        my @want  =
              $by->{project}           ? ('project')
            : $by->{name} =~ /session\z/ ? ('bearer')
            : $by->{name} eq 'person'  ? ('bearer', ($may && $may !~ /editor/) ? () : 'organizationKey')
            : $by->{key} eq 'unread'   ? ()
            : $by->{token} eq 'unread' ? ('apiKey')
            : $by->{token} eq 'taken'  ? ($key ? ('apiKey', 'apiKey+bearer') : ('', 'bearer'))
            : $by->{token} eq 'or_key' ? ($key ? ('apiKey', 'apiKey+bearer') : ('bearer', 'apiKey'))
            : $by->{token} eq 'or_secret' ? ('bearer', 'apiKey', 'apiKey+bearer')
            :                            ($key ? 'apiKey+bearer' : $token);
        push @want, $by->{token} eq 'unread' ? '' : $token if $by->{key} eq 'taken' && $by->{token} ne 'or_secret';
        push @want, '' if $by->{key} eq 'taken' && $by->{token} eq 'taken';
        is join(' or ', @ways), join(' or ', @want), "$method $path";
    }
    my $schemes = $doc->{components}{securitySchemes};
    is lc join(' ', @{ $schemes->{$_} }{qw(type scheme)}), 'http bearer', $_ for qw(bearer team project);
    is join(' ', @{ $schemes->{$_} }{qw(type in name)}), 'apiKey header X-API-Key', $_ for qw(apiKey organizationKey);
};

# ------------------------------------------------------------------ answers

my $t    = Api->start(RATE_LIMIT_DEFAULT => 1000);
my $ann  = $t->user('ann', columns => { full_name => 'Ann', avatar_url => 'https://example.com/a.png', subscription_plan => 'pro', subscription_status => 'active' });
my $bare = $t->user('bare', columns => { email => undef });
my $boss = $t->user('boss', role => 'admin');
my $seen = 0;

subtest 'nginx serves each, compressed where that is asked for' => sub {
    my $listed = $t->get('/reference.html')->body;
    for my $surface (@surfaces) {
        my $res = $t->get("/openapi/$surface.json");
        is $res->body, $of{$surface}, $surface;
        like $res->header('Content-Type'), qr{^application/json}, '  as JSON';
        is $t->get("/openapi/$surface.json", headers => { 'Accept-Encoding' => 'gzip' })->header('Content-Encoding'), 'gzip', '  in less';
        like $listed, qr{<a href="/openapi/$surface\.json">}, '  and the guide leads there';
    }
};

# One more answer, which is noted and compared like every other.
sub see ($res) {
    $seen++;
    return $res;
}

subtest 'answers of many kinds, each of which the reference describes' => sub {
    for my $v ('v1', 'v2') {
        my ($base, $me) = ("/api/$v/app/projects", "/api/$v/app/users/me");
        see $t->get("/api/$v/public/health");
        see $t->get("/api/$v/public/health/ready");
        see $t->get("/api/$v/public/metrics", headers => { Accept => 'text/plain' });
        for my $who ($ann, $bare, $boss) {
            see $who->get($me);
            see $who->patch($me, { full_name => 'new' });
            see $who->get($base);
            see $who->get("/api/$v/admin/users");
        }
        see $t->get($me);
        see $ann->patch($me, { full_name => 1 });
        see $ann->patch($me, undef, raw => '{');
        see $ann->patch($me, undef, raw => '{}', type => 'text/plain');
        see $ann->get($me, headers => { 'If-None-Match' => '*' });
        see $ann->patch($me, {}, headers => { 'If-Match' => '"x"' });
        see $ann->get($me, headers => { Accept => 'text/html' });
        see $boss->get("/api/$v/admin/users/user_ann");
        see $boss->get("/api/$v/admin/users/nobody");

        my $made = see $ann->post($base, { name => 'one', description => 'x' }, headers => { 'Idempotency-Key' => "key-$v" });
        see $ann->post($base, { name => 'one', description => 'x' }, headers => { 'Idempotency-Key' => "key-$v" });
        see $ann->post($base, { name => 'two' }, headers => { 'Idempotency-Key' => "key-$v" });
        my $id = $made->json($v eq 'v1' ? '/id' : '/data/id');
        see $ann->get($base);
        see $ann->get("$base?search=nothing");
        see $ann->get("$base?limit=0");
        see $ann->post($base, {});
        see $ann->get("$base/$id");
        see $ann->patch("$base/$id", { name => 'x', description => undef });
        see $ann->patch("$base/$id", { name => 'x' }, headers => { 'If-Match' => '"x"' });
        see $bare->get("$base/$id");
        see $ann->get("$base/$id", headers => { Accept => 'application/problem+json' }, token => undef);
        see $ann->delete("$base/$id");
        see $ann->delete("$base/$id");
    }
    my $key  = $t->key;
    my $base = '/api/v1/organizations';
    my ($owner, $guest) = map { $_->with(key => $key) } $ann, $bare;
    see $owner->get("$base/my-organizations");
    my $org = (see $owner->post($base, { name => 'Acme', slug => 'acme' }))->json('/id');
    see $owner->post($base, { name => 'Acme', slug => 'acme' });
    see $owner->get("$base/my-organizations");
    see $owner->get("$base/$org");
    see $owner->put("$base/$org", { description => 'x', logo_url => 'https://example.com/' });
    my $logo = (see $owner->put("$base/$org", { logo_url => "https://b\x{fc}cher.example/\x{fc}?q=100%" }))->json('/logo_url');
    is $logo, 'https://xn--bcher-kva.example/%C3%BC?q=100%25', 'a URL is kept as one by RFC 3986, which its format says';
    see $owner->get("$base/$org", key => undef);
    see $guest->get("$base/$org");
    see $guest->get("$base/" . $guest->uuid);
    see $owner->post("$base/$org/set-default");
    see $owner->get("$base/$org/departments");
    my $department = $owner->last->json('/0/id');
    see $owner->get("/api/v1/departments/$department", query => { user_id => $owner->uuid });
    see $owner->get("/api/v1/departments/$department", query => { user_id => $guest->uuid });
    my $invitation = (see $owner->post("$base/$org/invite", { email => 'bare@example.com', role => 'member' }))->json('/id');
    see $owner->post("$base/$org/invite", { email => 'bare@example.com', role => 'member' });
    see $owner->post("$base/$org/invitations/$invitation/resend");
    see $owner->get("$base/invitations/pending", query => { email => 'bare@example.com' });
    my $token = ($t->mails)[-1]{secrets}{token};
    see $owner->get("$base/invitations/$token");
    see $owner->get("$base/invitations/x");
    see $guest->post("$base/accept-invitation", { token => $token });
    $t->db->do('UPDATE users SET email = ?, is_email_verified = true WHERE id = ?', undef, 'bare@example.com', $guest->uuid);
    see $guest->post("$base/accept-invitation", { token => $token });
    see $guest->post("$base/accept-invitation", { token => $token });
    see $guest->post("$base/reject-invitation", { token => $token });
    $t->db->do('UPDATE users SET email = NULL WHERE id = ?', undef, $guest->uuid);
    see $owner->get("$base/$org/members");
    for my $who ($guest, $owner) {
        see $owner->put("$base/$org/members/" . $who->uuid, { role => 'developer' });
        see $owner->post("$base/$org/members/" . $who->uuid . '/deactivate');
        see $owner->delete("$base/$org/members/" . $who->uuid);
    }
    my $second = $owner->post("$base/$org/invite", { email => 'two@example.com', role => 'admin' })->json('/id');
    see $owner->delete("$base/$org/invitations/$second");
    see $owner->delete("$base/$org/invitations/$second");
    see $owner->post("$base/$org/invitations/$second/resend");
    $owner->post("$base/$org/invite", { email => 'three@example.com', role => 'admin' });
    see $t->client(key => $key)->post("$base/reject-invitation", { token => ($t->mails)[-1]{secrets}{token} });

    my $editor = $t->user('editor', role => 'editor');
    my ($tasks, $queues) = ('/api/task-queue', '/api/bull-queue');
    see $editor->post("$tasks/submit", { task_type => 'x', payload => { a => 1 } }) for 1 .. 3;
    see $editor->post("$tasks/submit", {});
    see $t->post("$tasks/submit", { task_type => 'x' });
    my $task = (see $editor->post("$tasks/claim", { worker_id => 'w' }))->json('/data/id');
    see $editor->post("$tasks/claim", { worker_id => 'w', batch_size => 5 }) for 1 .. 2;
    see $editor->get("$tasks/$task");
    see $editor->get("$tasks/x");
    see $editor->post("$tasks/$task/heartbeat", { worker_id => 'w' });
    see $editor->post("$tasks/$task/fail", { worker_id => 'w', error => 'x', retry => false });
    see $editor->post("$tasks/$task/complete", { worker_id => 'w' });
    see $editor->post("$tasks/$task/retry");
    see $editor->post("$tasks/$task/cancel");
    see $editor->post("$queues/submit", { queue => 'q', name => 'n', data => {}, backoff => { type => 'fixed', delay => 5 }, delay => 5000 });
    my $schedule = (see $editor->post("$queues/submit-scheduled", { queue => 'q', name => 'n', data => {}, every => 5000 }))->json('/data/schedule_id');
    see $editor->post("$queues/submit-scheduled", { queue => 'q', name => 'n', data => {}, repeat => 'x' });
    see $editor->get("$queues/stats");
    see $editor->get("$queues/q/jobs");
    see $editor->get("$queues/q/jobs?start=9&end=1");
    see $editor->post("$queues/q/$_") for qw(pause resume);
    see $editor->get("$queues/schedules");
    see $editor->delete("$queues/schedules/$schedule") for 1 .. 2;
    see $boss->get("/api/$_/admin/jobs") for qw(v1 v2);
    see $boss->post("/api/$_/admin/jobs/$task/retry") for qw(v1 v2);

    cmp_ok $seen, '>', 60;
};

subtest 'an answer with alternatives says that it is one of them' => sub {
    my $schemas = $doc->{components}{schemas};
    my %one_of = map { my $name = $_; $schemas->{$name}{oneOf} ? ($name =~ s/.*\.//r => join ' ', map { "@{ $_->{required} }" } @{ $schemas->{$name}{oneOf} }) : () } keys %$schemas;
    is_deeply \%one_of, { LoginResponse => 'access_token mfa_token', OperationsSignedIn => 'token mfa_token', RegisterResponse => 'access_token verification_required', TenantLoginResponse => 'access_token mfa_token' };
};

subtest 'it is valid for two validators of different makers' => sub {
    is $doc->{openapi}, '3.1.0';
    ok -d 't/clients/node_modules', 'the npm packages are there (make deps)';
    my @complaints = <$judges>;
    close $judges or fail 'the validators ran';
    is join('', grep { !m{\A\Q$tmp\E/broken.json } } @complaints), '', 'no complaint';
    is scalar(grep { m{\A\Q$tmp\E/broken.json } } @complaints), 2, 'but both do complain about a broken one';
};
