use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Pictures of members: what is taken, what is kept of it, who may set whose, and how it is served.
my $t    = Api->start(main => 3, slow => 2);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer');
my $x    = workspace($t, eve => 'owner');
my $none = '00000000-0000-7000-8000-00000000dead';

# As t/unit/picture.c has them.
my $png  = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0ABCD\0\0\0\2IDATxyABCD\0\0\0\0IENDABCD";
my $gif  = "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
my $scan = "\xff\xc0\0\x0b\b\0\1\0\1\1\1\x11\0\xff\xda\0\b\1\1\0\0?\0ab\xff\0c\xff\xd0d\xff\xd9";
my $jpeg = "\xff\xd8" . $scan;
my $exif = "\xff\xd8\xff\xe1\0\x14Exif\0\0II*\0\b\0\0\0\0\0GP" . $scan;
my $webp = "RIFF\x10\0\0\0WEBPVP8L\3\0\0\0abc\0";

sub avatar ($who, $member, $content, $type = 'image/png', $name = 'me.png') {
    my $res = $who->request(POST => "/api/v1/members/$member/avatar", type => 'multipart/form-data; boundary=xx',
        raw => "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"$name\"\r\nContent-Type: $type\r\n\r\n$content\r\n--xx--\r\n");
    $t->keep_secret($res->json('/path') =~ s{.*/}{}r) if $res->status == 200;
    return $res;
}
sub objects () { return join ' ', @{ $db->selectcol_arrayref('SELECT state FROM stored_objects ORDER BY created_at, id') } }
my $anon = $t->client;

subtest 'one\'s own, and others\'' => sub {
    my $me  = $w->member_id('bob');
    my $res = avatar($w->{bob}, $me, $png);
    my $url = $res->json('/avatar_url');
    json_is $res, '/member/avatar_url', $url;
    json_is $res, '/member/id', $me;
    is $url, 'https://localhost:' . $t->{https_port} . $res->json('/path');
    json_is $w->{vera}->get("/api/v1/members/$me"), '/avatar_url', $url, 'everybody there sees it';
    is $db->selectrow_array('SELECT avatar_url FROM users WHERE id = ?', undef, $w->{bob}->uuid), undef, 'the account has its own';
    error_is avatar($w->{vera}, $me, $png), 403, 'AUTHORIZATION_ERROR', name => 'not another\'s';
    error_is avatar($w->{ann}, $_, $png), 404, 'NOT_FOUND' for $none, $x->member_id('eve');
    error_is avatar($x->{eve}, $me, $png), 404, 'NOT_FOUND';
    is objects(), 'stored', 'what is refused is not kept';
    my $next = avatar($w->{adam}, $me, $gif);
    json_is $next, '/member/id', $me, 'owners and admins anyone\'s';
    isnt $next->json('/avatar_url'), $url;
    is objects(), 'gone stored', 'the one before is gone';
    error_is $anon->get($url =~ s{^https://[^/]+}{}r), 404, 'NOT_FOUND';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'member.update' AND resource_id = ?}, undef, $w->{bob}->id), 1, 'what another does is put down';
    status_is $w->{ann}->delete("/api/v1/members/$me"), 204;
    is objects(), 'gone gone', 'it goes with the membership';
};

subtest 'what is taken' => sub {
    my $me   = $w->member_id('ann');
    my %good = ('image/png' => $png, 'image/gif' => $gif, 'image/jpeg' => $jpeg, 'image/webp' => $webp);
    for my $type (sort keys %good) {
        my $path = avatar($w->{ann}, $me, $good{$type}, 'application/octet-stream', 'x')->json('/path');
        my $got  = $anon->get($path);
        status_is $got, 200, "$type, whatever it is called";
        header_is $got, 'Content-Type', $type;
        header_is $got, 'X-Content-Type-Options', 'nosniff';
        header_like $got, 'Content-Security-Policy', qr/sandbox/;
        is $got->body, $good{$type}, '  as it is';
    }
    is $anon->get(avatar($w->{ann}, $me, $exif, 'image/jpeg')->json('/path'))->body, $jpeg, 'what a camera tells is cut out';
    is $anon->get(avatar($w->{ann}, $me, "$png<script>alert(1)</script>")->json('/path'))->body, $png, '  and what follows the picture';
    my $before = objects();
    error_is avatar($w->{ann}, $me, $_->[1], $_->[2]), 415, 'UNSUPPORTED_MEDIA_TYPE', field => 'file', name => "not $_->[0]"
        for [ 'a GIF that is HTML', 'GIF89a<html><script>alert(1)</script></html>', 'image/gif' ], [ 'HTML', '<html></html>', 'image/png' ],
        [ 'SVG', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml' ], [ 'half a picture', substr($png, 0, 50), 'image/png' ], [ 'nothing', '', 'image/png' ];
    error_is avatar($w->{ann}, $me, $png . 'x' x (5 << 20)), 413, 'PAYLOAD_TOO_LARGE', name => 'nor more than 5 MiB';
    error_is $w->{ann}->request(POST => "/api/v1/members/$me/avatar", raw => "--xx\r\nContent-Disposition: form-data; name=\"picture\"\r\n\r\nx\r\n--xx--\r\n", type => 'multipart/form-data; boundary=xx'), 422, 'VALIDATION_ERROR', field => 'file';
    is objects(), $before, 'and nothing of it is kept';
    error_is $anon->get("/storage/pictures/$_"), 404, 'NOT_FOUND' for 'x', 'AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk';
};
