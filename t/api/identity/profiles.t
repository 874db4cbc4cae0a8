use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Users as they see themselves and each other, through the workspaces that they share.
my $t     = Api->start(main => 3, slow => 2);
my $db    = $t->db;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $me    = '/api/v1/auth/me';

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', cleo => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my $admin = $t->user('root', role => 'admin');
$db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $w->id, $_->uuid) for @$w{qw(ann adam bob cleo vera)};

sub of ($who) { return '/api/v1/auth/' . (ref $who ? $who->uuid : $who) }
sub account ($who) { return $db->selectrow_hashref('SELECT * FROM users WHERE id = ?', undef, $who->uuid) }
sub profile ($name) { return $db->selectrow_hashref('SELECT * FROM member_profiles WHERE member_id = ?', undef, $w->member_id($name)) }
sub told ($workspace) { return scalar $db->selectrow_array(q{SELECT count(*) FROM realtime_messages WHERE channel = ? AND payload ->> 'event_type' = 'members_updated'}, undef, 'workspace:' . $workspace->id) }

subtest 'who is shown to whom' => sub {
    error_is $t->get(of($w->{bob})), 401, 'AUTHENTICATION_ERROR';
    error_is $w->{ann}->get(of($_)), 404, 'NOT_FOUND', name => 'who is in no workspace with the caller is nobody' for $none, 'x', $x->{eve}, $admin;
    error_is $w->{vera}->get(of($w->{$_})), 403, 'AUTHORIZATION_ERROR', message => qr/higher role/, name => "nor $_ for a viewer" for qw(bob adam ann);
    error_is $w->{bob}->get(of($w->{adam})), 403, 'AUTHORIZATION_ERROR';
    json_is $w->{bob}->get(of($w->{cleo})), '/name', 'Cleo', 'who has the same role is';
    my $bob = $w->{adam}->get(of($w->{bob}));
    json_is $bob, '', { id => $w->{bob}->uuid, email => $w->{bob}->email, name => 'Bob', display_name => 'Bob', avatar_url => undef, title => undef, phone => undef, bio => undef, is_active => true, email_verified => false,
        is_staff => false, is_superuser => false, active_workspace_id => $w->id, role => 'member', last_login_at => undef, created_at => $MICRO, updated_at => $MICRO };
    json_is $w->{bob}->get(of($w->{bob})), '', $bob->json, 'oneself';
    json_is $w->{bob}->get($me), '/name', 'Bob', 'and what is called me is not taken for an id';
    json_is $admin->get(of($x->{eve})), '/active_workspace_id', undef, 'who administers the tenant sees everybody';
    json_is $admin->get(of($w->{ann})), '/name', 'Ann';
    $t->member($x->id, $w->{vera}, 'admin');
    $t->member($x->id, $w->{bob},  'viewer');
    my $seen = $w->{vera}->get(of($w->{bob}));
    json_is $seen, '/active_workspace_id', $x->id, 'it is enough to be as high in one workspace that both are in';
    json_is $seen, '/role', 'viewer', '  and that is what is shown';
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $x->id);
    error_is $w->{vera}->get(of($w->{bob})), 403, 'AUTHORIZATION_ERROR', name => '  while there is that workspace';
    $db->do('UPDATE organizations SET deleted_at = NULL WHERE id = ?', undef, $x->id);
    $db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id <> ?', undef, $x->id, $x->{eve}->uuid);
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $w->{cleo}->uuid);
    error_is $w->{ann}->get(of($w->{cleo})), 404, 'NOT_FOUND', name => 'an account that has ended is none';
    $db->do('UPDATE users SET deleted_at = NULL WHERE id = ?', undef, $w->{cleo}->uuid);
    error_is $t->user('alien', tenant => 'other')->get(of($w->{ann})), 404, 'NOT_FOUND';
};

subtest 'one\'s own account' => sub {
    my $bob = $w->{bob};
    my %long = (name => 'x' x 255, display_name => 'x' x 255, title => 'x' x 255, phone => 'x' x 50, bio => 'x' x 2000);
    error_is $bob->put($me, { $_ => $long{$_} . 'x' }), 422, 'VALIDATION_ERROR', field => $_ for sort keys %long;
    error_is $bob->put($me, { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0] for [ name => '' ], [ email => 'x' ], [ avatar_url => 'x' ], [ email => undef ];
    error_is $bob->put($me, { name => 'a', display_name => 'b' }), 422, 'VALIDATION_ERROR', field => 'display_name';
    my $before = told($w);
    my $res = $bob->put($me, { name => 'Bobby', title => 'Rigger', phone => '+49 40 1', bio => 'Ropes', avatar_url => 'https://bob.example/b.png' });
    json_is $res, "/$_->[0]", $_->[1] for [ name => 'Bobby' ], [ display_name => 'Bobby' ], [ title => 'Rigger' ], [ phone => '+49 40 1' ], [ bio => 'Ropes' ], [ avatar_url => 'https://bob.example/b.png' ], [ email => $bob->email ];
    ok told($w) > $before, 'those who work with them read them anew';
    is account($bob)->{full_name}, 'Bobby';
    is profile('bob')->{title}, 'Rigger', 'what is about the work is the workspace\'s';
    json_is $bob->put($me, { phone => undef }), '/phone', undef, 'null clears';
    json_is $bob->patch($me, {}), '/title', 'Rigger', 'what is not sent stays';
    json_is $bob->put($me, { display_name => 'Bob' }), '/name', 'Bob', 'a name by its other word';
    error_is $bob->put($me, { name => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    my $alone = $t->user('alone');
    json_is $alone->put($me, { name => 'Al' }), '/name', 'Al';
    error_is $alone->put($me, { bio => 'x' }), 422, 'VALIDATION_ERROR', field => 'bio', message => qr/workspace/, name => 'where none is active there is none to keep it';
};

subtest 'another\'s' => sub {
    error_is $w->{$_->[0]}->put(of($w->{$_->[1]}), { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => "$_->[0] $_->[1]" for [ bob => 'cleo' ], [ vera => 'bob' ], [ adam => 'ann' ], [ bob => 'adam' ];
    error_is $w->{ann}->put(of($_), { name => 'x' }), 404, 'NOT_FOUND' for $none, $x->{eve};
    error_is $admin->put(of($w->{bob}), { name => 'x' }), 404, 'NOT_FOUND', name => 'who administers the tenant is no member by that';
    my $res = $w->{adam}->put(of($w->{bob}), { name => 'Robert', title => 'Mate', bio => undef, avatar_url => 'https://here.example/b.png' });
    json_is $res, "/$_->[0]", $_->[1] for [ name => 'Robert' ], [ display_name => 'Robert' ], [ title => 'Mate' ], [ bio => undef ], [ avatar_url => 'https://here.example/b.png' ];
    is account($w->{bob})->{full_name}, 'Bob', 'an account is its user\'s own: this is what they are here';
    is account($w->{bob})->{avatar_url}, 'https://bob.example/b.png';
    json_is $w->{ann}->get('/api/v1/members/' . $w->member_id('bob')), '/full_name', 'Robert';
    json_is $w->{bob}->get($me), '/name', 'Bob';
    json_is $w->{adam}->put(of($w->{bob}), { name => undef, avatar_url => undef }), '/name', 'Bob', 'null: the account\'s';

    error_is $w->{adam}->put(of($w->{bob}), { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'nobody gives a higher role than their own';
    json_is $w->{adam}->put(of($w->{bob}), { role => 'admin' }), '/role', 'admin';
    json_is $w->{adam}->put(of($w->{bob}), { role => 'member' }), '/role', 'member';
    error_is $w->{ann}->put(of($w->{ann}), { role => 'admin' }), 400, 'BAD_REQUEST', message => qr/last owner/;
    json_is $w->{ann}->put(of($w->{ann}), { name => 'Anna' }), '/name', 'Anna', 'oneself by one\'s id';
    error_is $w->{bob}->put(of($w->{bob}), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => '  which gives no role';
    error_is $w->{ann}->put(of($w->{bob}), { role => 'viewer', workspace_id => $_ }), 404, 'NOT_FOUND', name => 'in a workspace that both are in' for $x->id, $none;
    $t->member($x->id, $w->{ann}, 'admin');
    $t->member($x->id, $w->{bob}, 'member');
    json_is $w->{ann}->put(of($w->{bob}), { role => 'viewer', workspace_id => $x->id }), '/role', 'viewer';
    is $db->selectrow_array('SELECT role FROM memberships WHERE id = ?', undef, $w->member_id('bob')), 'member', '  and in no other';
    $db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id <> ?', undef, $x->id, $x->{eve}->uuid);
};

my $png = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0ABCD\0\0\0\2IDATxyABCD\0\0\0\0IENDABCD";
my $gif = "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";

sub avatar ($who, $at, $content, $type = 'image/png') {
    my $res = $who->request(POST => "$at/avatar", type => 'multipart/form-data; boundary=xx',
        raw => "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.png\"\r\nContent-Type: $type\r\n\r\n$content\r\n--xx--\r\n");
    $t->keep_secret($res->json('/path') =~ s{.*/}{}r) if $res->status == 200;
    return $res;
}
sub objects () { return join ' ', @{ $db->selectcol_arrayref('SELECT state FROM stored_objects ORDER BY created_at, id') } }

subtest 'pictures' => sub {
    my $bob = $w->{bob};
    error_is avatar($bob, $me, 'GIF89a<html><script>alert(1)</script></html>', 'image/gif'), 415, 'UNSUPPORTED_MEDIA_TYPE', field => 'file', name => 'a GIF that is HTML';
    error_is avatar($bob, $me, $png . 'x' x (5 << 20)), 413, 'PAYLOAD_TOO_LARGE';
    error_is avatar($w->{bob}, of($w->{$_}), $png), 403, 'AUTHORIZATION_ERROR', name => "not ${_}'s" for qw(cleo ann);
    error_is avatar($w->{ann}, of($_), $png), 404, 'NOT_FOUND' for $none, $x->{eve};
    is objects(), '', 'what is refused is not kept';
    my $mine = avatar($bob, $me, $png);
    my $url  = $mine->json('/avatar_url');
    json_is $mine, '/user/avatar_url', $url;
    json_is $mine, '/user/id', $bob->uuid;
    is account($bob)->{avatar_url}, $url;
    is $url, 'https://localhost:' . $t->{https_port} . $mine->json('/path');
    my $got = $t->get($mine->json('/path'));
    is $got->body, $png;
    header_is $got, 'X-Content-Type-Options', 'nosniff';
    json_is avatar($bob, of($bob), $gif), '/user/id', $bob->uuid, 'by one\'s id';
    is objects(), 'gone stored', 'the one before is gone';
    error_is $t->get($mine->json('/path')), 404, 'NOT_FOUND';
    my $here = avatar($w->{adam}, of($bob), $png);
    json_is $here, '/user/avatar_url', $here->json('/avatar_url');
    isnt account($bob)->{avatar_url}, $here->json('/avatar_url'), 'another sets what they look like in the workspace';
    is profile('bob')->{avatar_url}, $here->json('/avatar_url');
    status_is $bob->patch('/api/v1/app/users/me', { avatar_url => 'https://bob.example/c.png' }), 200;
    is objects(), 'gone gone stored', 'who looks otherwise has no picture here any more, whatever the way';
    status_is $w->{adam}->put(of($bob), { avatar_url => undef }), 200;
    is objects(), 'gone gone gone';
    my $quota = $db->selectrow_array(q{SELECT count(*) FROM stored_objects WHERE user_id = ? AND organization_id IS NULL}, undef, $bob->uuid);
    is $quota, 2, 'the account\'s counts for the user, the member\'s for the workspace';
};
