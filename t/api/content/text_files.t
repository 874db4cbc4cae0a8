use v5.36;
use lib 't/lib';
use utf8;
use Api;

# Files of the operations surface: texts of a tenant under their paths.
my $t      = Api->start;
my $db     = $t->db;
my $base   = '/api/files';
my $ed     = $t->user('ed', role => 'editor');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $member = $t->user('member');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $key    = $t->client(key => $t->key(secret => 1));
my %FILE   = (name => 'Tide tables', path => 'harbour/tides/2026.md');

sub put ($who, %file) { return $who->post($base, { %FILE, %file }) }

subtest 'who may' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR', name => 'nobody lists';
    error_is $t->get("$base/search"), 401, 'AUTHENTICATION_ERROR', name => '  nor searches';
    error_is $t->post($base, \%FILE), 401, 'AUTHENTICATION_ERROR', name => '  nor writes';
    error_is put($_), 403, 'AUTHORIZATION_ERROR', name => $_->email . ' writes nothing' for $viewer, $demo;
    status_is $_->get($base), 200, 'and reads' for $viewer, $demo, $member, $key;
    is $db->selectrow_array('SELECT count(*) FROM text_files'), 0, 'nothing was written';
};

subtest 'what is refused' => sub {
    error_is put($ed, name => undef), 400, 'VALIDATION_ERROR', field => 'name', name => 'no name';
    error_is $ed->post($base, { name => 'x' }), 400, 'VALIDATION_ERROR', field => 'path', name => 'no path';
    error_is put($ed, name => 'x' x 256), 400, 'VALIDATION_ERROR', field => 'name';
    error_is put($ed, path => 'x' x 501), 400, 'VALIDATION_ERROR', field => 'path';
    error_is put($ed, $_ => 'x' x 101), 400, 'VALIDATION_ERROR', field => $_ for qw(file_type category);
    for my $path ('/etc/passwd', '..', '../x', 'a/../b', 'a/..', './a', 'a//b', 'a/', 'a\\..\\b', '..%2fx', 'a%2Fb', '%2e%2E/x', 'a%5cb', "a\nb", "a\x{7f}b", '') {
        error_is put($ed, path => $path), 400, 'VALIDATION_ERROR', field => 'path', name => "the path '" . $path =~ s/[^ -~]/?/gr . q(');
    }
    error_is put($ed, name => "a$_"), 400, 'VALIDATION_ERROR', field => 'name', name => 'a control character in the name' for "\x{1}", "\r", "\x{1b}";
    error_is put($ed, content => 'x' x 1_048_577), 400, 'VALIDATION_ERROR', field => 'content', name => 'a byte more than 1 MiB';
    error_is put($ed, content => 'é' x 524_289), 400, 'VALIDATION_ERROR', field => 'content', name => '  counted in bytes';
    error_is put($ed, content => 'x' x 2_097_152), 413, 'PAYLOAD_TOO_LARGE', name => 'a body over 2 MiB';
    error_is put($ed, $_ => "a\x{0}b"), 400, 'VALIDATION_ERROR', name => "a NUL in the $_" for qw(name path content);
    error_is $ed->post($base, undef, body => '{'), 400, 'VALIDATION_ERROR', name => 'no JSON';
    is $db->selectrow_array('SELECT count(*) FROM text_files'), 0, 'nothing was written';
    status_is $ed->get("$base/1%00"), 400, 'a NUL in the id';
    for my $id ('..%2f1', 'x', '0', '-1', '1.5', '99999999999999999999') {
        error_is $ed->get("$base/$id"), 400, 'VALIDATION_ERROR', name => "the id $id";
    }
    error_is $ed->get("$base/1"), 404, 'NOT_FOUND', name => 'none of this number';
};

subtest 'written and written again' => sub {
    my $res = put($member, content => "High water at 6,\nlow at 12.", category => 'tables');
    status_is $res, 201;
    my $id = $res->json('/data/id');
    like $id, qr/^\d+$/, 'a number';
    json_is $res, '', {
        data => { id => $id, name => 'Tide tables', path => 'harbour/tides/2026.md', file_type => undef, category => 'tables', size_bytes => 27, created_at => $TIME, updated_at => $TIME },
        meta => { created => true },
    }, 'new, without its content';
    json_is $viewer->get("$base/$id"), '/data/content', "High water at 6,\nlow at 12.", 'which one of it has';
    my $before = $res->json('/data/updated_at');
    $res = put($key, name => 'Tides', file_type => 'text/markdown');
    status_is $res, 201, 'known: 201, too';
    json_is $res, '', {
        data => { id => $id, name => 'Tides', path => 'harbour/tides/2026.md', file_type => 'text/markdown', category => 'tables', size_bytes => 27, created_at => $TIME, updated_at => sub ($at) { $at gt $before } },
        meta => { created => false },
    }, 'what is left out stays';
    json_is put($ed, content => ''), '/data/size_bytes', 0, 'an empty content is one';
    json_is $ed->get("$base/$id"), '/data/content', '';
    status_is put($ed, path => 'x' x 500, name => 'y' x 255, content => 'z' x 1_048_576), 201, 'the most of all';
    my $without = put($ed, path => 'nothing')->json('/data/id');
    json_is $ed->get("$base/$without"), '/data/content', undef, 'none was ever sent';
    error_is $theirs->get("$base/$id"), 404, 'NOT_FOUND', name => 'of another tenant there is none';
    my $other = put($theirs, content => 'theirs');
    json_is $other, '/meta/created', true, 'the same path there is another file';
    isnt $other->json('/data/id'), $id, '  of another number';
    error_is $ed->get("$base/" . $other->json('/data/id')), 404, 'NOT_FOUND', name => '  and not for us';
    $db->do('DELETE FROM text_files');
};

subtest 'a page' => sub {
    $db->do(q{INSERT INTO text_files (tenant_id, name, path, category, content, updated_at)
        SELECT ?, 'n' || i, 'p/' || i, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 'c', now() - i * interval '1 minute' FROM generate_series(1, 205) i}, undef, $ed->tenant_id);
    put($theirs);
    my $res = $ed->get($base);
    json_is $res, '/meta', { total => 205, limit => 50, offset => 0, page => 1, pages => 5 };
    is_deeply [ map { $_->{name} } @{ $res->json('/data') }[ 0, 49 ] ], [qw(n1 n50)], 'the last changed first';
    ok !exists $res->json('/data/0')->{content}, 'without content';
    $res = $ed->get($base, query => { page => 3, limit => 100 });
    json_is $res, '/meta', { total => 205, limit => 100, offset => 200, page => 3, pages => 3 };
    is scalar @{ $res->json('/data') }, 5, 'the rest of them';
    json_is $ed->get($base, query => { page => 9 }), '', { data => [], meta => { total => 205, limit => 50, offset => 400, page => 9, pages => 5 } }, 'behind the last one';
    json_is $ed->get($base, query => { limit => 1000 }), '/meta', { total => 205, limit => 200, offset => 0, page => 1, pages => 2 }, 'more than the most is the most';
    json_is $ed->get($base, query => { category => 'even' }), '/meta/total', 102, 'of a category';
    json_is $ed->get($base, query => { category => 'Even' }), '/meta/total', 0, '  as it is written';
    for my $bad ([ page => 0 ], [ page => -1 ], [ page => 'x' ], [ limit => 0 ], [ limit => 'x' ], [ limit => -5 ]) {
        error_is $ed->get($base, query => {@$bad}), 400, 'VALIDATION_ERROR', field => $bad->[0], name => "@$bad";
    }
    $db->do('DELETE FROM text_files');
};

sub found (%query) {
    my $res = $ed->get("$base/search", query => \%query);
    return join ' ', map { "$_->{name}:$_->{matched_in}" } @{ $res->json('/data') };
}

subtest 'a search' => sub {
    put($ed, name => 'Anchors', path => 'harbour/anchors.md', content => 'iron');
    put($ed, name => 'Boats', path => 'harbour/boats.TXT', content => 'each has an ANCHOR, ' . '-' x 300 . ' and a mast', category => 'fleet');
    put($ed, name => '100% wool', path => 'shop/wool', content => 'a_b');
    put($ed, name => 'Old anchor', path => 'shop/old.md');
    put($theirs, name => 'Anchor of theirs', content => 'anchor');
    is found(q => 'anchor'), 'Old anchor:name Anchors:name Boats:content', 'names first, then the last changed';
    is found(q => 'ANCHOR', workspace => 'harbour'), 'Anchors:name Boats:content', 'of a workspace';
    is found(q => 'anchor', ext => 'txt'), 'Boats:content', 'of an extension, in any case';
    is found(q => 'anchor', ext => 'TXT'), 'Boats:content';
    is found(q => 'anchor', category => 'fleet'), 'Boats:content', 'of a category';
    is found(ext => 'md'), 'Old anchor:none Anchors:none', 'without q the filters alone';
    is found(workspace => 'shop'), 'Old anchor:none 100% wool:none';
    is found(ext => 'TXT'), 'Boats:none';
    is found(), 'Old anchor:none 100% wool:none Boats:none Anchors:none', 'or none of them';
    is found(q => ''), found(), 'an empty one is none';
    is found(q => '0%'), '100% wool:name', 'a % is one';
    is found(q => 'a_b'), '100% wool:content', 'and _ is _';
    is found(q => 'xyzzy'), '', 'nothing';
    my $hit = $ed->get("$base/search", query => { q => 'anchor', ext => 'txt' });
    json_is $hit, '/meta', { total => 1, limit => 100, offset => 0 };
    json_is $hit, '/data/0', {
        id => sub ($n) { $n > 0 }, name => 'Boats', path => 'harbour/boats.TXT', file_type => undef, category => 'fleet', size_bytes => 331, created_at => $TIME, updated_at => $TIME,
        matched_in => 'content', snippet => sub ($s) { length $s == 200 && $s =~ /^each has an ANCHOR/ },
    }, 'with what stands around it';
    ok !exists $hit->json('/data/0')->{content}, 'and no content';
    my ($mast) = $ed->get("$base/search", query => { q => 'mast' })->json('/data/0/snippet');
    like $mast, qr/mast\z/, 'also at its end';
    error_is $ed->get("$base/search", query => { q => 'x' x 201 }), 400, 'VALIDATION_ERROR', field => 'q', name => 'too long';
    status_is $ed->get("$base/search", query => { q => 'x' x 200 }), 200, 'the most';
    json_is $ed->get("$base/search", query => { q => 'a', limit => 7 }), '/meta/limit', 100, 'the cap is fixed';
    json_is $t->client(key => $t->key(tenant => 'other', secret => 1))->get("$base/search"), '/meta/total', 1, 'a key finds those of its tenant';
    $db->do('DELETE FROM text_files');
};

subtest 'at most a hundred, however many there are' => sub {
    $db->do(q{INSERT INTO text_files (tenant_id, name, path, content, updated_at)
        SELECT ?, CASE WHEN i > 150 THEN 'Needle ' ELSE 'Hay ' END || i, 'p/' || i, CASE WHEN i <= 60 THEN 'a needle' ELSE 'hay' END, now() - i * interval '1 second' FROM generate_series(1, 200) i}, undef, $ed->tenant_id);
    my $res = $ed->get("$base/search", query => { q => 'needle' });
    json_is $res, '/meta', { total => 101, limit => 100, offset => 0 }, 'counted up to one more';
    is join(' ', map { "$_->{name}" } @{ $res->json('/data') }[ 0, 49, 50, 99 ]), 'Needle 151 Needle 200 Hay 1 Hay 50', 'names first, each the last changed first';
    $res = $ed->get("$base/search");
    is scalar @{ $res->json('/data') }, 100, 'also without a search';
    json_is $res, '/meta/total', 200;
};

# Two at once with the same path: one file.
subtest 'of two at once one makes it' => sub {
    my $load = $t->load(clients => 2, requests => 5, each => sub ($client, $n) { return $client->with(token => $ed->token)->post($base, { name => 'twin', path => 'twin/' . $n =~ s/.*-//r, content => "$n" }) });
    is_deeply [ grep { $_->[0] != 201 } $load->finish ], [], 'all are answered';
    is $db->selectrow_array(q{SELECT count(*) - count(DISTINCT path) FROM text_files}), 0, 'one of each path';
};
