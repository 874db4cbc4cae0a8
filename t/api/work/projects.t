use v5.36;
use lib 't/lib';
use Api;

my $t   = Api->start;
my $ann = $t->user('ann');
my $bob = $t->user('bob');
my $eve = $t->user('eve', tenant => 'other');

my $base   = '/api/v1/app/projects';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub stored ($id) { return $t->db->selectrow_hashref('SELECT * FROM projects WHERE id = ?', undef, $id) }

sub total ($user) { return $user->get($base)->json('/total') }

subtest 'a project needs a name of 1 to 255 characters' => sub {
    error_is $ann->post($base, {}), 422, 'VALIDATION_ERROR', field => 'name', message => qr/required/i;
    error_is $ann->post($base, { name => undef }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, { name => '' }), 422, 'VALIDATION_ERROR', field => 'name', message => qr/1 to 255/;
    error_is $ann->post($base, { name => 'x' x 256 }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, { name => 7 }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, { name => ['x'] }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, undef, raw => '{"name":"a\u0000b"}'), 400, 'BAD_REQUEST', name => 'NUL is no character of a name';
    is total($ann), 0, 'none of them left a row';

    my $long = "\x{1F9F1}" x 255;
    json_is $ann->post($base, { name => $long }), '/name', $long, '255 characters of four bytes are 255 characters';
    json_is $ann->post($base, { name => 'x' }), '/name', 'x', 'one is enough';
};

subtest 'a description has at most 2000 characters' => sub {
    error_is $ann->post($base, { name => 'd', description => 'x' x 2001 }), 422, 'VALIDATION_ERROR', field => 'description';
    error_is $ann->post($base, { name => 'd', description => 1.5 }), 422, 'VALIDATION_ERROR', field => 'description';
    my $res = $ann->post($base, { name => 'd', description => "\x{e9}" x 2000 });
    json_is $res, '/description', "\x{e9}" x 2000;

    my $url = "$base/" . $res->json('/id');
    error_is $ann->patch($url, { description => 'x' x 2001 }), 422, 'VALIDATION_ERROR', field => 'description';
    json_is $ann->patch($url, { description => 'x' x 2000 }), '/description', 'x' x 2000;
};

subtest 'a project is created for the caller, whatever the body says' => sub {
    my $res = $ann->post($base, { name => 'alpha', description => 'first', owner_id => $bob->id, id => $nobody, unknown => 1 });
    status_is $res, 201;
    json_is $res, '', {
        id          => $UUID,
        name        => 'alpha',
        description => 'first',
        owner_id    => $ann->id,
        created_at  => $TIME,
        updated_at  => $TIME,
    };
    is $res->json('/created_at'), $res->json('/updated_at'), 'not yet updated';
    my $row = stored($res->json('/id'));
    is $row->{owner_id},  $ann->uuid,      'the owner is the caller';
    is $row->{tenant_id}, $ann->tenant_id, 'the tenant is the caller\'s';

    json_is $ann->post($base, { name => 'bare' }), '/description', undef, 'without a description it is null';
    status_is $ann->post($base, { name => 'alpha' }), 201, 'a name may be taken twice';
};

subtest 'text comes back as it was sent' => sub {
    for my $text ('<b>&amp;', q{it's "quoted" \\ 100%}, "tab\tnewline\n", "\x{7f}\x{80}\x{2028}\x{feff}", "\x{10ffff}", '{"a":1}', "'; DROP TABLE projects; --") {
        my $res = $ann->post($base, { name => $text });
        json_is $res, '/name', $text;
        json_is $ann->get("$base/" . $res->json('/id')), '/name', $text;
    }
};

subtest 'a project that is not there is 404 with its resource and id' => sub {
    my $theirs = $bob->post($base, { name => 'theirs' })->json('/id');
    my $gone   = $ann->post($base, { name => 'gone' })->json('/id');
    status_is $ann->delete("$base/$gone"), 204;
    for my $id ($nobody, $theirs, $gone) {
        my %details = (resource => 'Project', id => $id);
        error_is $ann->get("$base/$id"), 404, 'NOT_FOUND', %details;
        error_is $ann->patch("$base/$id", { name => 'mine now' }), 404, 'NOT_FOUND', %details;
        error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND', %details;
    }
    error_is $eve->get("$base/$theirs"), 404, 'NOT_FOUND', id => $theirs;
    is stored($theirs)->{name}, 'theirs', 'nothing was changed';
    status_is $bob->get("$base/$theirs"), 200, 'its owner still has it';
};

subtest 'a malformed id is a project that is not there' => sub {
    for my $id ('1', 'x', $nobody . '0', substr($nobody, 1), "{$nobody}", '..%2f', "$nobody%20", 'g' . substr $nobody, 1) {
        error_is $ann->get("$base/$id"), 404, 'NOT_FOUND';
        error_is $ann->patch("$base/$id", { name => 'x' }), 404, 'NOT_FOUND';
        error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND';
    }
    my $id = $ann->post($base, { name => 'case' })->json('/id');
    json_is $ann->get("$base/\U$id"), '/id', $id, 'but it may be written in upper case';
};

subtest 'an update changes what was sent and nothing else' => sub {
    my $made = $ann->post($base, { name => 'before', description => 'old' })->json;
    my $url  = "$base/$made->{id}";

    my $res = $ann->patch($url, { name => 'after' });
    status_is $res, 200;
    json_is $res, '', { %$made, name => 'after', updated_at => $TIME };
    cmp_ok $res->json('/updated_at'), 'ge', $made->{updated_at}, 'updated_at moves on';

    json_is $ann->patch($url, { description => 'new' }), '/name', 'after', 'the name keeps its value';
    json_is $ann->patch($url, { description => undef }), '/description', undef, 'null clears the description';
    json_is $ann->patch($url, {}), '/name', 'after', 'nothing to change is no error';
    json_is $ann->get($url), '/name', 'after', 'and it lasts';

    error_is $ann->patch($url, { name => undef }), 422, 'VALIDATION_ERROR', field => 'name', name => 'a name cannot be cleared';
    error_is $ann->patch($url, { name => '' }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->patch($url, { name => 'x' x 256 }), 422, 'VALIDATION_ERROR', field => 'name';
    json_is $ann->patch($url, { name => 'x' x 255 }), '/name', 'x' x 255;

    $ann->patch($url, { name => 'kept', owner_id => $bob->id, created_at => '2000-01-01T00:00:00Z' });
    json_is $ann->get($url), '/owner_id', $ann->id, 'the owner is not the client\'s to change';
    json_is $ann->get($url), '/created_at', $made->{created_at}, 'nor is the time';
};

subtest 'PUT is taken for PATCH' => sub {
    my $made = $ann->post($base, { name => 'put', description => 'stays' })->json;
    my $res  = $ann->put("$base/$made->{id}", { name => 'put it' });
    status_is $res, 200;
    json_is $res, '/description', 'stays';
};

subtest 'a deleted project reads as not found, and its row stays' => sub {
    my $id     = $ann->post($base, { name => 'short-lived' })->json('/id');
    my $before = total($ann);
    my $res    = $ann->delete("$base/$id");
    status_is $res, 204;
    body_is $res, '';
    ok stored($id)->{deleted_at}, 'deleted_at is stamped';
    is stored($id)->{name}, 'short-lived', 'the row is whole';
    is total($ann), $before - 1, 'the total goes down';
    error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND', id => $id;
    is total($ann), $before - 1, 'once';
    ok !(grep { $_->{id} eq $id } @{ $ann->get("$base?limit=100")->json('/items') }), 'and it is in no list';
    json_is $ann->get("$base?search=short-lived"), '/total', 0, 'nor is it found';
};

my $cat  = $t->user('cat');
my @made = map { $cat->post($base, { name => sprintf 'project %02d', $_ })->json } 1 .. 25;

subtest 'skip and limit outside their range are refused' => sub {
    for my $bad (-1, 'x', '', '1.5', '0x1', ' 1', '9223372036854775808') {
        error_is $cat->get($base, query => { skip => $bad }), 422, 'VALIDATION_ERROR', field => 'skip';
    }
    for my $bad (0, 101, -1, 'x', '', '20.0', '1e1') {
        error_is $cat->get($base, query => { limit => $bad }), 422, 'VALIDATION_ERROR', field => 'limit';
    }
    error_is $cat->get("$base?limit=0"), 422, 'VALIDATION_ERROR', message => qr/1 to 100/;
    status_is $cat->get("$base?skip=0&limit=1"), 200, 'the least';
    status_is $cat->get("$base?limit=100"), 200, 'the most';
    json_is $cat->get("$base?skip=9223372036854775807"), '/items', [], 'far behind the end there is nothing';
};

subtest 'the list has the newest first, in pages' => sub {
    my $res = $cat->get($base);
    status_is $res, 200;
    json_is $res, '/total', 25;
    json_is $res, '/skip',  0;
    json_is $res, '/limit', 20;
    json_is $res, '/items', [ reverse @made[ 5 .. 24 ] ], 'twenty by default, each like the project alone';
    is_deeply [ sort keys %{ $res->json } ], [qw(items limit skip total)], 'and nothing beside them';

    my $next = $cat->get("$base?skip=20");
    json_is $next, '/items', [ reverse @made[ 0 .. 4 ] ], 'the next page goes on where it ended';
    json_is $next, '/skip', 20;
    json_is $cat->get("$base?skip=24&limit=1"), '/items/0/name', 'project 01', 'the last one';
    json_is $cat->get("$base?skip=25"), '', { items => [], total => 25, skip => 25, limit => 20 }, 'an empty page has the total';
    json_is $t->user('new')->get($base), '', { items => [], total => 0, skip => 0, limit => 20 }, 'somebody without projects has an empty list';
};

subtest 'the list is the caller\'s alone' => sub {
    $bob->post($base, { name => 'project of bob' });
    $t->user('cat2', tenant => 'other')->post($base, { name => 'project of another tenant' });
    my $items = $cat->get("$base?limit=100")->json('/items');
    is scalar @$items, 25;
    ok !(grep { $_->{owner_id} ne $cat->id } @$items), 'all of them hers';
    json_is $cat->get("$base?search=project"), '/total', 25;
};

subtest 'search looks for a part of the name, in any case' => sub {
    my $dan = $t->user('dan');
    $dan->post($base, $_) for { name => 'Alpha' }, { name => 'alphabet' }, { name => 'beta', description => 'alpha' },
        { name => '100% sure' }, { name => '100 percent' }, { name => 'a_b' }, { name => 'axb' }, { name => 'back\\slash' }, { name => "\x{c4}pfel" };
    my %found = (
        alpha      => [ 'alphabet', 'Alpha' ],
        ALPHA      => [ 'alphabet', 'Alpha' ],
        bet        => [ 'beta', 'alphabet' ],
        '0%'       => ['100% sure'],
        'a_b'      => ['a_b'],
        '\\'       => ['back\\slash'],
        "\x{e4}pf" => ["\x{c4}pfel"],
        nothing    => [],
    );
    for my $search (sort keys %found) {
        my $res = $dan->get($base, query => { search => $search });
        is_deeply [ map { $_->{name} } @{ $res->json('/items') } ], $found{$search}, "searching for $search";
        json_is $res, '/total', scalar @{ $found{$search} }, '  and the total counts the matches';
    }
    my $res = $dan->get($base, query => { search => 'a', limit => 1, skip => 1 });
    is scalar @{ $res->json('/items') }, 1, 'search is paged as well';
    cmp_ok $res->json('/total'), '>', 1, '  and counts all matches';
    json_is $dan->get("$base?search="), '/total', 9, 'an empty search is none';
};

subtest 'the counter agrees with the rows, also after races' => sub {
    my $fay  = $t->user('fay');
    my $load = $t->load(
        clients => 3,
        make    => sub { $t->client(token => $fay->token) },
        each    => sub ($client, $n) {
            my $res = $client->post($base, { name => $n });
            return $client->delete("$base/" . $res->json('/id')) if $res->status == 201 && $n =~ /[02468]$/;
            return $res;
        },
        requests => 60,
    );
    my @bad = grep { $_->[0] !~ /^20[14]$/ } $load->finish;
    is_deeply \@bad, [], 'every request was answered';
    my ($rows) = $t->db->selectrow_array('SELECT count(*) FROM projects WHERE owner_id = ? AND deleted_at IS NULL', undef, $fay->uuid);
    cmp_ok $rows, '>', 0, 'there were some';
    is total($fay), $rows, 'the total is their number';
};

subtest 'two deletions at once count one' => sub {
    my $gus = $t->user('gus');
    my $id  = $gus->post($base, { name => 'twice' })->json('/id');
    $gus->post($base, { name => 'stays' });
    # The test holds the row; both wait for it, then go on in turn.
    my $lock = $t->lock('SELECT FROM projects WHERE id = ? FOR UPDATE', $id);
    my $load = $t->load(
        clients  => 2,
        requests => 1,
        make     => sub { $t->client(token => $gus->token) },
        each     => sub ($client, $n) { $client->delete("$base/$id") },
    );
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ sort map { $_->[0] } $load->finish ], [ 204, 404 ], 'the second finds it deleted';
    is total($gus), 1, 'and the total went down by one';
};
