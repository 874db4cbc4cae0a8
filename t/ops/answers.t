use v5.36;
use lib 't/lib';
use Ashlar::Answers;
use Ashlar::Cluster;
use Ashlar::Response;
use Cpanel::JSON::XS ();
use File::Temp ();
use Test::More;

# The comparison of answers with the reference, itself: an answer that is as it says passes, and one that is
# not in one single thing is found, with its file, its request, and where in it.
my $json  = Cpanel::JSON::XS->new->canonical;
my $dir   = File::Temp->newdir('/tmp/ashlar-t-XXXXXX');
my $text  = qx($Ashlar::Cluster::BUILD/ashlar openapi);
my $id    = '01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f';
my $time  = '2026-01-31T12:00:00.000Z';
my $path  = "/api/v1/app/projects/$id";
my %right = (
    project => [ GET => $path, 200, { id => $id, name => 'x', description => undef, owner_id => 'user_ann', created_at => $time, updated_at => $time } ],
    page    => [ GET => '/api/v1/app/projects?limit=1', 200, { items => [], total => 0, skip => 0, limit => 1 } ],
    missing => [ GET => $path, 404, { error => { code => 'NOT_FOUND', message => 'Project not found', details => { resource => 'Project', id => $id } }, detail => 'Project not found' } ],
    field   => [ GET => '/api/bull-queue/q/jobs?start=x', 400, { error => { code => 'VALIDATION_ERROR', message => 'no', details => { field => 'start', start => 'no' } }, detail => 'no' } ],
    health  => [ GET => '/api/v1/public/health/ready', 503, { status => 'unhealthy', timestamp => $time, components => { map { $_ => { status => 'healthy' } } qw(database cache) } } ],
);

# An Ashlar::Response: of what is in %right, with what is changed in it.
sub answer ($name, %change) {
    my ($method, $target, $status, $body) = @{ $right{$name} };
    my %header = ('Content-Type' => 'application/json', 'X-Request-ID' => 'x', 'X-API-Version' => 'v1', 'X-API-Latest-Version' => 'v2', %{ $change{headers} // {} });
    return (
        $change{via} // 'https',
        $change{method} // $method,
        $change{target} // $target,
        Ashlar::Response->new(
            status  => $change{status} // $status,
            body    => $change{body}   // $json->encode({ %$body, %{ $change{with} // {} } }),
            headers => [ map { defined $header{$_} ? ($_ => $header{$_}) : () } sort keys %header ],
        ));
}

# What the comparison says of answers: all but its last line, and whether that one was content.
sub compare ($document, @answers) {
    state $n = 0;
    my $here = "$dir/" . ++$n;
    mkdir $here or die "$here: $!\n";
    local $ENV{ASHLAR_TEST_ANSWERS} = $here;
    # A process of its own: what was noted once is not noted again.
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        Ashlar::Answers::note(@$_) for @answers;
        require POSIX;
        POSIX::_exit(0);
    }
    waitpid $pid, 0;
    my @said = split /\n/, do {
        open my $out, '>:raw', "$here.json" or die "$here.json: $!\n";
        print {$out} $document;
        close $out or die "$here.json: $!\n";
        scalar qx(node t/clients/validate_answers.mjs $here.json $here/* 2>&1);
    };
    return ($? >> 8, @said);
}

subtest 'what is as the reference has it passes' => sub {
    my ($status, @said) = compare(
        $text,
        map({ [ answer($_) ] } sort keys %right),
        [ answer('project', headers => { ETag => '"65f-1"', 'RateLimit-Policy' => '"default";q=60;w=60', 'X-RateLimit-Limit' => '60', Vary => 'Origin', 'Server-Timing' => 'db' }) ],
        [ answer('project', method => 'HEAD', body => '') ],
        [ answer('project', method => 'PUT') ],                                                # is PATCH's
        [ answer('project', target => "/v1/app/projects/$id/?x=1#y") ],                         # nginx's short form
        [ answer('project', target => "/api/app/projects/$id") ],                              # by a header
        [ answer('missing', target => '/api/v1/nowhere') ],                                    # no operation, but an error
        [ answer('missing', target => "/api/app/projects/$id", status => 400) ],               # whose value is no version
        [ answer('missing', via    => 'fastcgi', target => '/api/v1/app/ws') ],                # another server's
        [ answer('missing', via    => 'http', status => 403) ],                                # past TLS nothing is there
        [ answer('missing', method => 'TRACE', status => 405) ],
        [ answer('project', method => 'OPTIONS', status => 204, body => '', headers => { 'Content-Type' => undef }) ],
        [ answer('project', target => '/some/page', body => '<p>', headers => { 'Content-Type' => 'text/html' }) ],
        [ answer('project', status => 304, body => '', headers => { 'Content-Type' => undef }) ],
        [ answer('missing', body => $json->encode({ type => 'x', title => 'x', status => 404, detail => 'x', instance => $path, code => 'NOT_FOUND', details => {} }),
            headers => { 'Content-Type' => 'application/problem+json' }) ],
    );
    is $status, 0;
    is scalar @said, 1, 'it has one thing to say' or diag join "\n", @said;
    like $said[-1], qr/^19 answers of 5 of \d+ operations, all as the reference has them$/, '  how many there were';
};

# Each with what is said of it: where, what is expected, what is found.
my @wrong = (
    [ 'another type'                  => [ project => with => { name => 7 } ], qr{/name: expected string, found 7$} ],
    [ 'a member that is not there'    => [ project => with => { $right{project}[3]->%{qw(id)}, secret => 'x' } ], qr{/secret: expected no such member, found "x"$} ],
    [ 'a member that is missing'      => [ project => body => $json->encode({ $right{project}[3]->%{qw(id name description owner_id created_at)} }) ], qr{/updated_at: expected a member, found nothing$} ],
    [ 'what is no time'               => [ project => with => { created_at => 'yesterday' } ], qr{/created_at: expected format "date-time", found "yesterday"$} ],
    [ 'in a list'                     => [ page    => with => { items => [ { %{ $right{project}[3] }, id => 'x' } ] } ], qr{/items/0/id: expected format "uuid", found "x"$} ],
    [ 'a member beside a list'        => [ page    => with => { next => 1 } ], qr{/next: expected no such member, found 1$} ],
    [ 'another status'                => [ project => status => 299 ], qr{: status: expected 200, 304, [\d, ]+, found 299$} ],
    [ 'another media type'            => [ project => headers => { 'Content-Type' => 'text/plain' } ], qr{: header Content-Type: expected application/json, found "text/plain"$} ],
    [ 'no media type'                 => [ page    => headers => { 'Content-Type' => undef } ], qr{: header Content-Type: expected application/json, found nothing$} ],
    [ 'a header that nobody speaks of' => [ project => headers => { 'X-Debug' => 'y' } ], qr{: header x-debug: expected no such header, found "y"$} ],
    [ 'one that is another answer\'s' => [ missing => headers => { ETag => '"x"' } ], qr{: header etag: expected no such header, found "\\"x\\""$} ],
    [ 'one that is not as it should be' => [ project => headers => { 'X-RateLimit-Limit' => 'many' } ], qr{: header X-RateLimit-Limit: expected integer, found} ],
    [ 'a header that is missing'      => [ project => headers => { 'X-Request-ID' => undef } ], qr{: header X-Request-ID: expected a header, found nothing$} ],
    [ 'one that is missing of errors' => [ missing => headers => { 'X-Request-ID' => undef } ], qr{: header X-Request-ID: expected a header, found nothing$} ],
    [ 'no JSON'                       => [ project => body => '{"id":' ], qr{: body: expected JSON \(.*\), found "\{\\"id\\":"$} ],
    [ 'no UTF-8'                      => [ project => body => "{\"id\":\"\xff\"}" ], qr{: body: expected JSON \(.*utf-8.*\), found}i ],
    [ 'a body where none is'          => [ project => method => 'DELETE', status => 204 ], qr{: body: expected none, found} ],
    [ 'a code that is none'           => [ missing => with => { error => { code => 'NO_SUCH', message => 'x', details => {} } } ], qr{/error/code: expected one of BAD_REQUEST, .*, found "NO_SUCH"$} ],
    [ 'a detail that is none'         => [ missing => with => { error => { code => 'NOT_FOUND', message => 'x', details => { sql => 'SELECT' } } } ], qr{/error/details/sql: expected no such member, found "SELECT"$} ],
    [ 'a field told with no text'     => [ field   => with => { error => { code => 'VALIDATION_ERROR', message => 'no', details => { start => 1 } } } ], qr{/error/details/start: expected string, found 1$} ],
    [ 'neither answer nor error'      => [ health  => with => { status => 'unwell' } ], qr{/status: expected one of healthy, unhealthy, found "unwell"$} ],
    [ 'what no operation has'         => [ project => target => '/api/v1/nowhere' ], qr{: status: expected an error, since no operation of the document matches, found 200$} ],
    [ 'another error of those'        => [ missing => target => '/api/v1/nowhere', body => '{}' ], qr{/error: expected a member, found nothing$} ],
    [ 'a page of nginx\'s own'        => [ missing => target => '/api/v1/nowhere', headers => { 'Content-Type' => 'text/html' } ], qr{: header Content-Type: expected application/json or } ],
);

subtest 'what is not is found, each by itself' => sub {
    # Told apart by their queries; those that are right are among them.
    my $numbered = sub ($n, $name, %change) {
        my ($via, $method, $target, $response) = answer($name, %change);
        return [ $via, $method, $target . ($target =~ /\?/ ? '&' : '?') . "n=$n", $response ];
    };
    my @asked = map { $numbered->($_, @{ $wrong[$_][1] }) } 0 .. $#wrong;
    my ($status, @said) = compare($text, @asked, map { $numbered->("right-$_", $_) } sort keys %right);
    is $status, 1, 'a run that has one of them fails';
    for my $n (0 .. $#wrong) {
        my ($name, undef, $like) = @{ $wrong[$n] };
        my (undef, $method, $target, $response) = @{ $asked[$n] };
        my @first = grep { /$like/ && /^\Q$0: $method $target (@{[ $response->status ]}): / } @said;
        is scalar @first, 1, "$name: of which file and request, where, what is expected and found" or diag join "\n", @said;
    }
    is_deeply [ grep { /n=right/ } @said ], [], 'what is right is not told of';
    like $said[-1], qr/^\d+ answers of \d+ of \d+ operations, \d+ things are not as the reference has them$/, 'how many there are';
};

subtest 'a document that is wrong is found by answers that are right' => sub {
    # What one complains of: members first, then whole operations, since these come first to those who ask.
    my $changed = sub ($do) {
        my $doc    = $json->decode($text);
        my $answer = sub ($operation, $status) { return $doc->{components}{responses}{ $operation->{responses}{$status}{'$ref'} =~ s{.*/}{}r } };
        $do->($doc->{paths}, $doc->{components}{schemas}, $answer);
        my ($status, @said) = compare($json->encode($doc), map { [ answer($_) ] } sort keys %right);
        is $status, 1, 'it is found';
        return join "\n", @said;
    };
    my ($project, $page, $health) = map { $_->[1] =~ s/\?.*//r } @right{qw(project page health)};
    my $said = $changed->(sub ($paths, $schema, $answer) {
        delete $schema->{Project}{properties}{name};
        push @{ $schema->{Project}{required} }, 'color';
        $schema->{Project}{properties}{owner_id}{type} = 'integer';
        delete $schema->{ErrorDetails}{properties}{resource};
        $answer->($paths->{$page}{get}, 200)->{content} = { 'text/csv' => {} };
        delete $paths->{$health}{get}{responses}{503};
    });
    like $said, qr{^\Q$0: GET $project (200): \E/name: expected no such member}m,             'a member too few';
    like $said, qr{^\Q$0: GET $project (200): \E/color: expected a member}m,                  'one too many';
    like $said, qr{^\Q$0: GET $project (200): \E/owner_id: expected integer, found "user_ann"}m, 'one of another type';
    like $said, qr{^\Q$0: GET $project (404): \E/error/details/resource: expected no such member}m, 'a detail of errors too few';
    like $said, qr{^\Q$0: GET $page?limit=1 (200): \Eheader Content-Type: expected text/csv}m, 'another media type';
    like $said, qr{^\Q$0: GET $health (503): \Estatus: expected 200, }m,                       'a status too few';
    $said = $changed->(sub ($paths, $schema, $answer) {
        delete $paths->{ $project =~ s{[^/]+\z}{{project_id}}r }{get};
        delete $paths->{$health};
        delete $answer->($paths->{$page}{get}, 200)->{content}{'application/json'}{schema};
    });
    like $said, qr{^\Q$0: GET $project (200): \Estatus: expected an error, since no operation}m, 'an operation too few';
    like $said, qr{^\Q$0: GET $health (503): \E/error: expected a member}m,                      'a path too few';
    like $said, qr{^\Q$0: GET $page?limit=1 (200): \Ebody: expected a schema}m,                  'a schema too few';
};

subtest 'the same thing is told once, and many not at all' => sub {
    my ($status, @said) = compare($text,
        map({ [ answer('project', target => "/api/v1/app/projects/$id?n=$_", with => { name => $_ }) ] } 1 .. 3),
        map { [ answer('project', with => { "x$_" => 1 }) ] } 1 .. 60);
    is scalar(grep { m{/name: } } @said), 1, 'once' or diag join "\n", @said;
    like $said[0], qr/ \(3 times, in \Q$0\E\)$/, '  and how often, and where';
    is scalar @said, 52, 'no more than 50 things';
    like $said[-2], qr/^… and 11 more$/, '  of all';
};

# A file that gets one answer, right or wrong, without a server.
sub file ($name, $answer) {
    my $path = "$dir/$name.t";
    open my $out, '>:raw', $path or die "$path: $!\n";
    my ($via, $method, $target, $response) = answer(@$answer);
    my $made = $json->encode({%$response});
    print {$out} "use v5.36; use lib 't/lib'; use Api; use Cpanel::JSON::XS 'decode_json';\n",
        "Ashlar::Answers::note('$via', '$method', '$target', Ashlar::Response->new(decode_json(q\x{1}$made\x{1})->%*));\nok 1;\n";
    close $out or die "$path: $!\n";
    return $path;
}

subtest 'a wrong answer makes a run red, and a file that runs alone' => sub {
    delete local @ENV{qw(ASHLAR_TEST_ANSWERS HARNESS_ACTIVE HARNESS_VERSION HARNESS_OPTIONS LOAD STRICT VERBOSE)};
    local $ENV{ASHLAR_TEST_CLUSTER} = Ashlar::Cluster->shared->dir;
    my ($right, $wrong) = (file(right => ['project']), file(wrong => [ project => with => { name => 7 } ]));
    my $complaint = qr{^(?:# )?\Q$wrong: GET $path (200): /name: expected string, found 7\E$}m;

    my $said = qx(tools/check $right 2>&1);
    is $?, 0, 'a right one';
    like $said, qr/^Answers: 1 answers of 1 of \d+ operations, all as the reference has them$/m, '  is counted';
    $said = qx(tools/check $wrong $right 2>&1);
    isnt $?, 0, 'a wrong one';
    like $said, qr/^Result: PASS$/m, '  in a file that passes';
    like $said, $complaint, '  is told';

    is system("$^X $right >$dir/alone 2>&1"), 0, 'alone';
    $said = qx($^X $wrong 2>&1);
    isnt $?, 0, '  and a wrong one';
    like $said, $complaint, '  is told';
};

done_testing;
