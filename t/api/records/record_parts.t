use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# What hangs on a record: comments, relationships.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $eve) = (@$w{qw(ann bob carl dora)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Soundings' })->json('/id');
my $hid = $ann->post($sets, { name => 'Hidden' })->json('/id');

sub made ($title, $who = $bob, $in = $set, %with) { return $who->post($base, { recordset_id => $in, title => $title, %with })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub told ($name, $event) { return scalar $db->selectrow_array('SELECT coalesce(sum(count), 0) FROM notifications WHERE member_id = ? AND event_type = ?', undef, $w->member_id($name), $event) }

subtest 'comments' => sub {
    my ($id, $other) = (made('Mole'), made('Pier'));
    my $at = "$base/$id/comments";
    for my $ask (sub ($who, $path) { $who->get($path) }, sub ($who, $path) { $who->post($path, { content => 'x' }) }) {
        error_is $ask->($eve, $at), 404, 'NOT_FOUND', name => 'another workspace\'s';
        error_is $ask->($carl, $at), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
        error_is $ask->($bob, "$base/$none/comments"), 404, 'NOT_FOUND', id => $none;
    }
    error_is $bob->post($at, { content => 'x', %{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ content => { content => '' } ], [ content => { content => 'x' x 10001 } ], [ content => { content => undef } ], [ parent_comment_id => { parent_comment_id => 'x' } ], [ 'mentions[0]' => { mentions => ['x'] } ],
            [ mentions => { mentions => [$none] } ], [ mentions => { mentions => [ $x->member_id('eve') ] } ];
    my $res = $bob->post($at, { content => 'x' x 10000 });
    status_is $res, 201;
    my $first = $res->json('/id');
    json_is $res, '', { id => $UUID, record_id => $id, content => 'x' x 10000, parent_comment_id => undef, mentions => [], author => $w->ref_of('bob', 'member'), created_at => $MICRO, updated_at => $MICRO };
    is told('bob', 'record_comment'), 0, 'nobody is told of their own';
    share(carl => 'can_view');
    $res = $carl->post($at, { content => 'And you?', parent_comment_id => $first, mentions => [ map { $w->member_id($_) } qw(dora carl ann) ] });
    status_is $res, 201, 'to see is enough to comment';
    is $res->json('/parent_comment_id'), $first;
    is told('bob', 'record_comment'), 1, 'whose record it is is told';
    is told('ann', 'record_mention'), 1, 'and who is mentioned';
    is told('dora', 'record_mention'), 0, '  but not who may not see it';
    is told('carl', 'record_mention'), 0, '  nor who wrote it';
    status_is $ann->post($at, { content => 'Bob!', mentions => [ $w->member_id('bob') ] }), 201;
    is join(' ', told('bob', 'record_mention'), told('bob', 'record_comment')), '1 1', 'who is mentioned is not told twice';
    error_is $bob->post("$base/$other/comments", { content => 'x', parent_comment_id => $_ }), 404, 'NOT_FOUND', name => 'an answer is on the same record' for $first, $none;
    is_deeply [ map { $_->{content} } @{ $carl->get($at)->json } ], [ 'x' x 10000, 'And you?', 'Bob!' ], 'the oldest first';
    is $bob->get("$base/$id")->json('/comment_count'), 3;
    is $bob->get($base, query => { recordset_id => $set, search => 'mole' })->json('/items/0/comment_count'), 3;
    is +($bob->get('/api/v1/activity/feed')->json('/activities'))->[0]{event}, 'record.comment_added';
    status_is $bob->delete("$base/$id"), 204;
    error_is $bob->get($at), 404, 'NOT_FOUND';
};

subtest 'comments are changed, and deleted' => sub {
    my $id = made('Talk');
    my $at = "$base/$id/comments";
    share(carl => 'can_view');
    my $say = sub ($who, %with) { my $res = $who->post($at, { content => 'x', %with }); status_is $res, 201; return $res->json('/id') };
    my $first = $say->($carl, mentions => [ $w->member_id('ann') ]);
    my $reply = $say->($bob, parent_comment_id => $first);
    my $below = $say->($carl, parent_comment_id => $reply);
    for my $ask (sub ($who, $path) { $who->patch($path, { content => 'y' }) }, sub ($who, $path) { $who->delete($path) }) {
        error_is $ask->($eve, "$at/$first"), 404, 'NOT_FOUND', name => 'another workspace\'s';
        error_is $ask->($dora, "$at/$first"), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
        error_is $ask->($carl, "$at/$reply"), 403, 'AUTHORIZATION_ERROR', name => 'another\'s';
        error_is $ask->($carl, "$at/$none"), 404, 'NOT_FOUND', id => $none;
        error_is $ask->($carl, "$base/@{[ made('Else') ]}/comments/$first"), 404, 'NOT_FOUND', name => 'of another record';
    }
    error_is $ann->patch("$at/$first", { content => 'y' }), 403, 'AUTHORIZATION_ERROR', name => 'not an admin\'s either';
    error_is $carl->patch("$at/$first", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ content => { content => '' } ], [ content => { content => 'x' x 10001 } ], [ mentions => { mentions => [$none] } ];
    my $told = told('ann', 'record_mention');
    my $res  = $carl->patch("$at/$first", { content => 'changed', mentions => [ map { $w->member_id($_) } qw(ann bob dora carl) ] });
    status_is $res, 200;
    json_is $res, '/content', 'changed';
    is $res->json('/mentions/1'), $w->member_id('bob');
    isnt $res->json('/updated_at'), $res->json('/created_at'), 'one sees that it was';
    is told('ann', 'record_mention'), $told, 'who was mentioned before is not told again';
    is told('dora', 'record_mention'), 0, '  nor who may not see it';
    json_is $carl->patch("$at/$first", {}), '/content', 'changed', 'what is left out stays';
    error_is $carl->patch("$at/$first", { content => 'z' }, headers => { 'If-Match' => '"x"', 'X-Workspace-Id' => $w->id }), 412, 'PRECONDITION_FAILED';
    status_is $bob->delete("$at/$reply"), 204;
    is_deeply [ map { [ @$_{qw(id parent_comment_id)} ] } @{ $bob->get($at)->json } ], [ [ $first, undef ], [ $below, $first ] ], 'an answer to it answers what it answered';
    error_is $bob->delete("$at/$reply"), 404, 'NOT_FOUND', id => $reply, name => 'twice is once';
    status_is $ann->delete("$at/$first"), 204, 'who has can_admin may, too';
    is_deeply [ map { [ @$_{qw(id parent_comment_id)} ] } @{ $bob->get($at)->json } ], [ [ $below, undef ] ];
    is $bob->get("$base/$id")->json('/comment_count'), 1;
};

subtest 'relationships' => sub {
    my ($one, $two, $three) = map { made($_) } qw(one two three);
    my $foreign = made('foreign', $ann, $hid);
    my $at = "$base/$one/relationships";
    for my $ask (sub ($who, $path) { $who->get($path) }, sub ($who, $path) { $who->post($path, { target_record_id => $two }) }) {
        error_is $ask->($eve, $at), 404, 'NOT_FOUND', name => 'another workspace\'s';
        error_is $ask->($dora, $at), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
        error_is $ask->($bob, "$base/$none/relationships"), 404, 'NOT_FOUND', id => $none;
    }
    error_is $carl->post($at, { target_record_id => $two }), 403, 'AUTHORIZATION_ERROR', name => 'to see is not to relate';
    error_is $bob->post($at, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ target_record_id => {} ], [ target_record_id => { target_record_id => $one } ], [ relationship_type => { target_record_id => $two, relationship_type => '' } ], [ relationship_type => { target_record_id => $two, relationship_type => 'x' x 101 } ],
            [ label => { target_record_id => $two, label => 'x' x 256 } ], [ metadata => { target_record_id => $two, metadata => [] } ], [ metadata => { target_record_id => $two, metadata => { a => 'x' x 16400 } } ];
    error_is $bob->post($at, { target_record_id => $none }), 404, 'NOT_FOUND', id => $none;
    error_is $bob->post($at, { target_record_id => $foreign }), 403, 'AUTHORIZATION_ERROR', name => 'nor to what one may not see';
    my $res = $bob->post($at, { target_record_id => $two });
    status_is $res, 201;
    json_is $res, '', { id => $UUID, source_record_id => $one, target_record_id => $two, relationship_type => 'related', label => undef, metadata => {}, direction => 'outgoing',
        related_record => { id => $two, title => 'two', recordset_id => $set, recordset_slug => 'soundings', status => 'active' }, created_by_id => $w->member_id('bob'), created_at => $MICRO };
    error_is $bob->post($at, { target_record_id => $two }), 409, 'CONFLICT', field => 'target_record_id';
    status_is $bob->post($at, { target_record_id => $two, relationship_type => 'above', label => 'l', metadata => { by => 2 } }), 201, 'another type is another one';
    status_is $bob->post("$base/$two/relationships", { target_record_id => $one }), 201, 'and so is the other direction';
    status_is $ann->post("$base/$foreign/relationships", { target_record_id => $one }), 201;
    status_is $bob->post($at, { target_record_id => $three }), 201;
    my $seen = sub ($who) { join ' ', map { "$_->{direction}:$_->{relationship_type}:$_->{related_record}{title}" } @{ $who->get($at)->json } };
    is $seen->($bob), 'outgoing:related:two outgoing:above:two incoming:related:two outgoing:related:three', 'both ways, the oldest first, without what one may not see';
    is $seen->($ann), 'outgoing:related:two outgoing:above:two incoming:related:two incoming:related:foreign outgoing:related:three', '  who may sees it';
    status_is $bob->delete("$base/$three"), 204;
    unlike $seen->($bob), qr/three/, 'nor what is deleted';
    share(carl => qw(can_create can_edit_own));
    my $own = made('own', $carl);
    status_is $carl->post("$base/$own/relationships", { target_record_id => $one }), 201, 'one\'s own may be related';
    error_is $carl->post($at, { target_record_id => $own }), 403, 'AUTHORIZATION_ERROR';
};

subtest 'what is taken away takes these along' => sub {
    my $left = sub { scalar $db->selectrow_array('SELECT (SELECT count(*) FROM comments) + (SELECT count(*) FROM record_relationships WHERE source_record_id NOT IN (SELECT id FROM records) OR target_record_id NOT IN (SELECT id FROM records))') };
    status_is $bob->post("$base/bulk-delete", { all => true, recordset_id => $set }), 200;
    $t->start_worker(children => 1);
    eventually { $left->() == 0 } 60, 'comments and relationships go with their records';
};
