use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $bob  = $t->user('bob');
my $eve  = $t->user('eve', tenant => 'other');
my $root = $t->user('root', tenant => 'other', role => 'superadmin');
my $base = '/api/v1/app/projects';
my $mine = $ann->post($base, { name => 'a secret of ann', description => 'only for her' })->json;
my $url  = "$base/$mine->{id}";

for my $other ([ $bob, 'another user of the tenant' ], [ $eve, 'a user of another tenant' ], [ $root, 'a superadmin of another tenant' ]) {
    my ($who, $name) = @$other;
    subtest "$name sees nothing of it" => sub {
        error_is $who->get($url), 404, 'NOT_FOUND', id => $mine->{id};
        error_is $who->patch($url, { name => 'taken over' }), 404, 'NOT_FOUND';
        error_is $who->patch($url, {}), 404, 'NOT_FOUND';
        error_is $who->delete($url), 404, 'NOT_FOUND';
        error_is $who->delete($url, headers => { 'If-Match' => scalar $ann->get($url)->header('ETag') }), 404, 'NOT_FOUND', name => 'nor learns that a tag was right';
        error_is $who->delete($url, headers => { 'If-Match' => '"1-00000000"' }), 404, 'NOT_FOUND', name => 'nor that one was wrong';
        for my $list ($who->get($base), $who->get("$base?search=secret"), $who->get('/api/v2/app/projects?limit=100')) {
            body_unlike $list, qr/secret of ann|only for her|\Q$mine->{id}\E/;
        }
        json_is $who->get("$base?search=secret"), '/total', 0, 'not even how many there are';
        error_is $who->get("$base/00000000-0000-7000-8000-00000000dead"), 404, 'NOT_FOUND', name => 'what is not there looks the same';
    };
}

subtest 'the answer to a stranger does not differ from the answer about nothing' => sub {
    my $nothing = '00000000-0000-7000-8000-00000000dead';
    my $real    = $eve->get($url);
    my $none    = $eve->get("$base/$nothing");
    is $real->body =~ s/\Q$mine->{id}\E/ID/gr, $none->body =~ s/\Q$nothing\E/ID/gr;
    is_deeply [ grep { !/^(?:x-request-id|date)$/i } $real->header_names ], [ grep { !/^(?:x-request-id|date)$/i } $none->header_names ], 'not even in its headers';
};

subtest 'it is as it was' => sub {
    json_is $ann->get($url), '', $mine;
    json_is $ann->get($base), '/total', 1;
};

subtest 'the role that the api connects as owns nothing and sees nothing by itself' => sub {
    my $db = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    is $db->selectrow_array('SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user'), 0, 'it owns no table';
    is_deeply $db->selectrow_arrayref('SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user'), [ 0, 0, 0, 0 ];
    is $db->selectrow_array("SELECT count(*) FROM $_"), 0, "without a tenant, $_ is empty" for qw(users projects sessions identities);
    my $tables = $t->db->selectcol_arrayref(
        q{SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
          WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)});
    is "@$tables", '', 'every table with a tenant has row-level security, forced';
    $db->disconnect;
};

subtest 'one connection serves both tenants, one after the other, and mixes nothing' => sub {
    $eve->post($base, { name => 'of eve' });
    for (1 .. 20) {
        my $a = $ann->get($base)->json('/items');
        my $e = $eve->get($base)->json('/items');
        fail 'mixed up' if @$a != 1 || @$e != 1 || $a->[0]{owner_id} ne 'user_ann' || $e->[0]{owner_id} ne 'user_eve';
    }
    pass 'twenty times in turn';
};

subtest 'headers that name somebody change nothing' => sub {
    for my $header (qw(X-User-Id X-Tenant-Id X-Forwarded-User Remote-User X-Organization-Id X-Workspace-Id Proxy X-Original-URL X-Rewrite-URL X-HTTP-Method-Override)) {
        my $value = { 'X-Original-URL' => $url, 'X-Rewrite-URL' => $url, 'X-HTTP-Method-Override' => 'DELETE' }->{$header} // $ann->uuid;
        error_is $eve->get($url, headers => { $header => $value }), 404, 'NOT_FOUND', name => $header;
        error_is $t->get($url, headers => { $header => $value }), 401, 'AUTHENTICATION_ERROR', name => "$header, without a token";
    }
};
