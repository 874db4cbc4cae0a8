use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use MIME::Base64 'decode_base64url';

# Files of records: who may put one there and take it away, what is kept of it, and when it goes.
my $t    = Api->start(main => 2, slow => 2);
my $db   = $t->db;
my $base = '/api/v1/crud/records';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $MIB   = 1 << 20;
my $png   = "\x89PNG\r\n\x1a\nsoundings";

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $eve) = (@$w{qw(ann bob carl dora)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Soundings' })->json('/id');

sub made ($title, $who = $bob) { return $who->post('/api/v1/records', { recordset_id => $set, title => $title })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }

sub put ($who, $record, $content, %arg) {
    my $type = $arg{type} ? "Content-Type: $arg{type}\r\n" : '';
    my $name = $arg{name} // 'chart.png';
    return $who->request(POST => "$base/$record/attachments", type => 'multipart/form-data; boundary=xx',
        raw => "--xx\r\nContent-Disposition: form-data; name=\"@{[ $arg{part} // 'file' ]}\"; filename=\"$name\"\r\n$type\r\n$content\r\n--xx--\r\n");
}
sub objects () { return join ' ', @{ $db->selectcol_arrayref('SELECT state FROM stored_objects ORDER BY created_at, id') } }
sub used () { return join ' ', $db->selectrow_array(q{SELECT coalesce(sum(used), 0), coalesce(sum(reserved), 0) FROM usage_counters WHERE organization_id = ? AND metric = 'storage_bytes'}, undef, $w->id) }
sub fetch ($url) { return $t->client->get($url =~ s{^https://localhost:\d+}{}r) }
sub names ($who, $record) { return join ' ', map { $_->{file_name} } @{ $who->get("$base/$record/attachments")->json('/attachments') } }

subtest 'what there is to refuse' => sub {
    my $id = made('Mole');
    for my $ask (sub ($who, $record) { $who->get("$base/$record/attachments") }, sub ($who, $record) { put($who, $record, 'x') }, sub ($who, $record) { $who->delete("$base/$record/attachments/$none") }) {
        error_is $ask->($eve, $id), 404, 'NOT_FOUND', name => 'another workspace\'s';
        error_is $ask->($carl, $id), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
        error_is $ask->($bob, $none), 404, 'NOT_FOUND', id => $none;
    }
    error_is put($bob, $id, 'no picture', type => 'image/png'), 422, 'VALIDATION_ERROR', field => 'file', name => 'what it is called is not what it is';
    error_is put($bob, $id, 'x', part => 'picture'), 422, 'VALIDATION_ERROR', field => 'file';
    error_is $bob->delete("$base/$id/attachments/$none"), 404, 'NOT_FOUND', id => $none;
    is objects(), 'gone', 'nothing of it is kept';
    is used(), '0 0', '  or held';
};

subtest 'a file' => sub {
    my $id  = made('Pier');
    my $res = put($bob, $id, $png, type => 'image/png', name => '../charts/chart.png');
    status_is $res, 201;
    my $url = $res->json('/url');
    json_is $res, '', { id => $UUID, record_id => $id, file_name => 'chart.png', content_type => 'image/png', size_bytes => length $png, url => qr{\Ahttps://localhost:\d+/storage/[\w-]+\?token=[\w.-]+\z},
        uploaded_by => $w->ref_of('bob', 'member'), created_at => $MICRO };
    my $got = fetch($url);
    status_is $got, 200, 'its address needs nobody\'s token';
    is $got->body, $png, '  and has the content as it was sent';
    header_is $got, 'Content-Type', 'image/png';
    header_like $got, 'Content-Disposition', qr/filename="?chart[.]png/;
    my $until = unpack 'Q>', decode_base64url(($url =~ /token=([^.]+)/)[0]);
    ok abs($until - time - 3600) < 300, 'it is good for an hour' or diag $until;
    is used(), length($png) . ' 0', 'its size counts for the workspace';
    my $second = put($bob, $id, 'tides');
    json_is $second, '/content_type', 'application/octet-stream', 'of which nobody says what it is';
    json_is put($bob, $id, '', name => ''), '/file_name', 'file', 'and one without a name, and without content';
    my $list = $bob->get("$base/$id/attachments");
    is names($bob, $id), 'file chart.png chart.png', 'the newest first';
    json_is $list, '/total', 3;
    json_is $list, '/attachments/2', { %{ $res->json }, url => qr/token=/ };
    status_is fetch($list->json('/attachments/1/url')), 200, 'each with an address';
    is $bob->get("/api/v1/records/$id")->json('/attachment_count'), 3, 'a record says how many it has';
    is $bob->get('/api/v1/records', query => { recordset_id => $set, search => 'pier' })->json('/items/0/attachment_count'), 3, '  also in lists';
    is $bob->get("$base/@{[ made('Bare') ]}")->json('/attachment_count'), 0;
};

subtest 'up to 50 MiB' => sub {
    my $id = made('Large');
    my ($objects, $used) = (objects(), used());
    error_is put($bob, $id, 'x' x (50 * $MIB + 1)), 413, 'PAYLOAD_TOO_LARGE';
    is objects(), $objects, 'nothing of it is kept';
    my $res = put($bob, $id, 'x' x (50 * $MIB));
    status_is $res, 201;
    json_is $res, '/size_bytes', 50 * $MIB;
    status_is $bob->delete("$base/$id/attachments/" . $res->json('/id')), 204;
    is used(), $used, 'its size is given back';
};

subtest 'who may' => sub {
    my ($id, $bobs) = (made('Who'));
    status_is $bobs = put($bob, $id, 'x', name => 'bob'), 201;
    share(carl => 'can_view');
    is names($carl, $id), 'bob', 'to see is enough to get it';
    error_is put($carl, $id, 'x'), 403, 'AUTHORIZATION_ERROR', name => 'but not to put one there';
    error_is $carl->delete("$base/$id/attachments/" . $bobs->json('/id')), 403, 'AUTHORIZATION_ERROR', name => '  or to take it away';
    share(carl => qw(can_create can_edit_own));
    error_is put($carl, $id, 'x'), 403, 'AUTHORIZATION_ERROR', name => 'can_edit_own is not for others\' records';
    my $own = made('Own', $carl);
    status_is put($carl, $own, 'x', name => 'own'), 201, '  but for one\'s own';
    my $to = made('Theirs');
    status_is $bob->put("/api/v1/records/$to", { owner_id => $w->member_id('carl') }), 200;
    my $carls = put($carl, $to, 'x', name => 'carl');
    status_is $carls, 201, '  made or owned';
    my $other = put($bob, $own, 'x', name => 'other');
    error_is $carl->delete("$base/$own/attachments/" . $other->json('/id')), 403, 'AUTHORIZATION_ERROR', name => 'what another uploaded stays, also on one\'s own';
    share(carl => 'can_view');
    status_is $carl->delete("$base/$to/attachments/" . $carls->json('/id')), 204, 'who uploaded it may take it away, whatever else they may';
    share(carl => 'can_edit');
    error_is $carl->delete("$base/$id/attachments/" . $other->json('/id')), 404, 'NOT_FOUND', name => 'it is on another record';
    status_is $carl->delete("$base/$own/attachments/" . $other->json('/id')), 204, 'and who has can_edit';
    error_is $carl->delete("$base/$own/attachments/" . $other->json('/id')), 404, 'NOT_FOUND', id => $other->json('/id'), name => 'twice is once';
    error_is $eve->delete("$base/$id/attachments/" . $bobs->json('/id')), 404, 'NOT_FOUND', name => 'nobody else\'s';
    is names($bob, $id), 'bob';
};

subtest 'when it goes' => sub {
    my ($id, $keep) = (made('Goes'), made('Kept'));
    my $url  = put($bob, $id, 'gone', name => 'gone')->json('/url');
    my $one  = put($bob, $keep, 'one', name => 'one');
    my $path = "$t->{dir}/files/objects";
    my $files = sub { return scalar grep { -f } glob "$path/*/*" };
    my ($before, $used) = ($files->(), used() =~ s/ .*//r);
    status_is $bob->delete("$base/$keep/attachments/" . $one->json('/id')), 204;
    is used(), $used - 3 . ' 0';
    $t->start_worker(children => 1);
    eventually { $files->() < $before } 60, 'the stored file goes with its row';
    eventually { $db->selectrow_array('SELECT count(*) FROM stored_objects WHERE state = ?', undef, 'gone') == 0 } 60, 'and so do those before it';
    status_is $bob->delete("/api/v1/records/$id"), 204;
    error_is $bob->get("$base/$id/attachments"), 404, 'NOT_FOUND', name => 'of a record that is deleted nobody sees them';
    is $db->selectrow_array('SELECT count(*) FROM record_attachments WHERE record_id = ?', undef, $id), 1, '  but they stay';
    status_is fetch($url), 200;
    status_is $bob->post('/api/v1/records/bulk-delete', { all => true, recordset_id => $set }), 200;
    eventually { $db->selectrow_array('SELECT (SELECT count(*) FROM record_attachments) + (SELECT count(*) FROM stored_objects)') == 0 } 60, 'with what its recordset held they go, too';
    eventually { $files->() == 0 } 60, '  and their content';
    is used(), '0 0', '  and nothing of it counts any more';
    status_is fetch($url), 404;
};
