use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# Recordsets: who sees and shapes them, their schemas, slugs and settings, the trash; and the same by /crud.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/recordsets';
my $crud  = '/api/v1/crud/recordsets';
my $json  = Cpanel::JSON::XS->new->allow_nonref->canonical;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', dora => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob, $carl, $dora, $vera, $eve) = (@$w{qw(ann adam bob carl dora vera)}, $x->{eve});

my @FLAGS = qw(can_view can_create can_edit can_edit_own can_delete can_delete_own can_admin);
sub rights ($source, @which) {
    my %has = map { $_ => 1 } @which;
    return { source => $source, map { $_ => ($has{$_} ? true : false) } @FLAGS };
}
my $ALL = rights(owner => @FLAGS);

sub made (%with) { return $bob->post($base, { name => 'Boats', %with })->json }
sub names ($res) { return join ' ', map { $_->{name} } @{ $res->json('/items') } }
sub field (%with) { return { key => 'k', type => 'text', %with } }
sub shown (%with) { return { label => $with{key} // 'k', required => false, options => [], default => undef, description => undef, hidden => false, %{ field(%with) } } }
sub audited ($id) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_type = 'recordset' AND resource_id = ? ORDER BY seq}, undef, $id) } }
sub empty () { $db->do('DELETE FROM recordsets'); return }

# A grant as the database has it: who gives one is t/api/records/grants.t's.
sub granted ($recordset, $who, @flags) {
    my %to = ref $who ? (team_id => $$who) : (member_id => $w->member_id($who));
    my %is = map { $_ => 1 } can_view => @flags;
    my @columns = (keys %to, sort keys %is);
    $db->do("INSERT INTO recordset_grants (tenant_id, organization_id, recordset_id, @{[ join ', ', @columns ]}) VALUES (?, ?, ?, @{[ join ', ', ('?') x @columns ]})",
        undef, $ann->tenant_id, $w->id, $recordset, values %to, (true) x keys %is);
    return;
}

my %recordset = (
    id => $UUID, name => 'Boats', slug => 'boats', description => undef, type => 'custom', mode => 'TABLE', icon => undef, color => undef, schema => { fields => [], title_field => undef },
    settings => {}, is_virtual => false, integration_type => undef, staging_table => undef, owner_id => $w->member_id('bob'), record_count => 0, is_active => true, permissions => $ALL,
    created_by_id => $w->member_id('bob'), created_at => $MICRO, updated_at => $MICRO,
);

subtest 'create' => sub {
    error_is $vera->post($base, { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'it needs can_create_recordset';
    error_is $eve->post($base, { name => 'x' }, headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR', name => 'in a workspace of one\'s own';
    error_is $bob->post($base, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as that"
        for [ name => {} ], map { [ $_->[0] => { name => 'x', @$_ } ] } [ name => '' ], [ name => 'x' x 256 ], [ slug => '' ], [ slug => 'A' ], [ slug => 'a--b' ], [ slug => 'a' x 121 ], [ slug => $none ],
            (map { [ slug => $_ ] } qw(trash import export geocode)), [ description => 'x' x 2001 ], [ type => 'integration' ], [ type => 'x' ], [ mode => 'table' ], [ icon => 'x' x 51 ], [ color => 'red' ], [ color => '#12345' ],
            [ schema => [] ], [ settings => [] ];
    is names($bob->get($base)), '', 'none of these';

    my $res = $bob->post($base, { name => 'Boats' });
    status_is $res, 201;
    json_is $res, '', \%recordset, 'the least; who makes it owns it';
    is audited($res->json('/id')), 'recordset.create';
    $res = $bob->post($base, { name => 'n' x 255, slug => 'a' x 120, description => 'd' x 2000, type => 'deals', mode => 'PIPELINE', icon => 'i' x 50, color => '#ABCDEF',
        schema => { fields => [ field(), field(key => 'n', type => 'number', label => 'N', required => true, description => 'how many', hidden => true, default => 1.5) ], title_field => 'k' },
        settings => { versioning_enabled => false, theme => { dark => [1] } } });
    json_is $res, '', { %recordset, name => 'n' x 255, slug => 'a' x 120, description => 'd' x 2000, type => 'deals', mode => 'PIPELINE', icon => 'i' x 50, color => '#ABCDEF',
        schema => { fields => [ shown(), shown(key => 'n', type => 'number', label => 'N', required => true, description => 'how many', hidden => true, default => 1.5) ], title_field => 'k' },
        settings => { versioning_enabled => false, theme => { dark => [1] } } }, 'the most';
    empty;
};

subtest 'slugs' => sub {
    my @want = (
        [ 'Boats' => 'boats' ], [ 'Boats' => 'boats-2' ], [ ' BOATS! ' => 'boats-3' ], [ 'Über & Über' => 'ber-ber' ], [ '船' => 'recordset' ], [ '帆' => 'recordset-2' ], [ 'Trash' => 'trash-2' ], [ $none => "$none-2" ],
        [ 'x' x 255 => 'x' x 110 ], [ 'x' x 255 => 'x' x 110 . '-2' ],
    );
    is $bob->post($base, { name => $_->[0] })->json('/slug'), $_->[1], "of a name: $_->[1]" for @want;
    is $bob->post($base, { name => 'x', slug => $_->[0] })->json('/slug'), $_->[1], "given: $_->[1]" for [ 'ships' => 'ships' ], [ 'ships' => 'ships-2' ], [ 'b' x 120 => 'b' x 120 ], [ 'b' x 120 => 'b' x 118 . '-2' ];
    is $eve->post($base, { name => 'Boats' })->json('/slug'), 'boats', 'free in another workspace';
    my $id = $bob->get("$base/boats")->json('/id');
    json_is $bob->get("$base/$id"), '/slug', 'boats', 'slug and id name the same one';
    json_is $bob->get($base . '/' . uc $id), '/slug', 'boats';
    json_is $bob->put("$base/boats", { name => 'Ships', slug => 'ships' }), '/slug', 'boats', 'it never changes';
    status_is $bob->delete("$base/boats"), 204;
    is $bob->post($base, { name => 'Boats' })->json('/slug'), 'boats-4', 'what is in the trash keeps its own';
    status_is $ann->delete("$base/trash/boats"), 204;
    is $bob->post($base, { name => 'Boats' })->json('/slug'), 'boats', 'and gives it back when it is purged';
    empty;
};

subtest 'schemas' => sub {
    my $try = sub (@fields) { $bob->post($base, { name => 'x', schema => { fields => \@fields } }) };
    my $at  = 'schema.fields[1]';
    error_is $try->(field(key => 'first'), $_->[1]), 422, 'VALIDATION_ERROR', field => "$at.$_->[0]", name => "not a $_->[0] such as " . $json->encode($_->[1])
        for (map { [ key => field(key => $_) ] } '', 'A', '1a', '_a', 'a-b', 'a b', 'a' x 64, undef), [ key => { type => 'text' } ], [ key => field(key => 'first') ], [ type => { key => 'a' } ], [ type => field(type => 'TEXT') ], [ type => field(type => undef) ],
            [ label => field(label => 'x' x 256) ], [ label => field(label => 7) ], [ required => field(required => 'yes') ], [ required => field(required => undef) ], [ hidden => field(hidden => 1) ], [ description => field(description => 'x' x 2001) ],
            [ options => field(options => ['a']) ], [ options => field(type => 'select') ], [ options => field(type => 'multi_select', options => []) ], [ options => field(type => 'select', options => 'a') ],
            [ 'options[1]' => field(type => 'select', options => [ 'a', 'a' ]) ], [ 'options[0]' => field(type => 'select', options => ['']) ], [ 'options[0]' => field(type => 'select', options => [7]) ];
    error_is $try->(map { field(key => "k$_") } 0 .. 500), 422, 'VALIDATION_ERROR', field => 'schema.fields', name => 'nor the 501st';
    status_is $try->(map { field(key => "k$_") } 1 .. 500), 201, '  500 are';
    error_is $bob->post($base, { name => 'x', schema => { fields => [ field() ], title_field => 'other' } }), 422, 'VALIDATION_ERROR', field => 'schema.title_field';
    error_is $bob->post($base, { name => 'x', schema => { title_field => 'k' } }), 422, 'VALIDATION_ERROR', field => 'schema.title_field';
    error_is $bob->post($base, { name => 'x', schema => { fields => {} } }), 422, 'VALIDATION_ERROR', field => 'schema.fields';

    # A default is a value of the field: what each type takes, and what not.
    my %types = (
        text => [ [ 'x', '', "\x{1f6a2}" ], [ 7, true, [], {} ] ],
        long_text => [ ["x\ny"], [7] ],
        number   => [ [ 0, -1.5, 1e-300, 1_000_000_000_000_000_000 ], [ '1', true, 1.1e18, -1.1e18 ] ],
        currency => [ [9.99], ['9.99'] ],
        percent  => [ [150], ['5%'] ],
        boolean  => [ [ true, false ], [ 1, 'true' ] ],
        date     => [ [ '2024-02-29', '0001-01-01', '9999-12-31' ], [ '2023-02-29', '10000-01-01', '2024-2-1', '2024-02-29T00:00:00Z', 20240229 ] ],
        datetime => [ [ '2024-02-29T23:59:59Z', '2024-02-29T23:59:59.123456+05:30' ], [ '2024-02-29', '2024-02-29T23:59:59', '2024-02-30T00:00:00Z', 0 ] ],
        email    => [ ['ann@example.com'], [ 'ann', '@x', 7 ] ],
        phone    => [ ['+49 40 5550100'], [4940] ],
        url      => [ ['https://x.example/a'], [ 'x.example', 'ftp://x.example', 'javascript:x' ] ],
        select   => [ ['a'], [ 'c', '', ['a'], 7 ] ],
        multi_select => [ [ ['a'], [ 'b', 'a' ], [] ], [ 'a', ['c'], [ 'a', 'a' ], [7], {} ] ],
        address   => [ ['1 Quay St'], [ {} ] ],
        latitude  => [ [ -90, 90 ], [ -90.1, 90.1, '1' ] ],
        longitude => [ [ -180, 180 ], [ -180.1, 180.1 ] ],
        geometry  => [ [ { type => 'Point', coordinates => [ 1, 2 ] } ], [ {}, { type => 'point' }, [ 1, 2 ], 'POINT(1 2)' ] ],
        member    => [ [$none], [ 'x', 7 ] ],
        record    => [ [$none], ['x'] ],
        json      => [ [ 1, 'x', [ {} ], false ], [] ],
    );
    for my $type (sort keys %types) {
        my %with = $type =~ /select/ ? (options => [ 'a', 'b' ]) : ();
        for my $value (@{ $types{$type}[0] }) {
            my $res = $try->(field(type => $type, default => $value, %with));
            status_is $res, 201, "$type takes " . $json->encode($value);
            json_is $res, '/schema/fields/0', shown(type => $type, default => $value, %with);
        }
        error_is $try->(field(type => $type, default => $_, %with)), 422, 'VALIDATION_ERROR', field => 'schema.fields[0].default', name => "  and not " . $json->encode($_) for @{ $types{$type}[1] };
    }
    is scalar(keys %types), 20, 'of all types';
    empty;
};

subtest 'settings' => sub {
    error_is $bob->post($base, { name => 'x', settings => $_->[1] }), 422, 'VALIDATION_ERROR', field => "settings.$_->[0]", name => "not a $_->[0] such as that"
        for [ versioning_enabled => { versioning_enabled => 'yes' } ], [ strict_schema => { strict_schema => 1 } ], [ lat_field => { lat_field => 7 } ], [ lng_field => { lng_field => 'A' } ], [ geometry_field => { geometry_field => '' } ],
            [ promoted_fields => { promoted_fields => [] } ], (map { [ "promoted_fields.$_" => { promoted_fields => { $_ => 'k' } } ] } qw(promoted_text_6 promoted_num_0 promoted_date_4 promoted_bool_3 promoted_gis_2 city)),
            [ 'promoted_fields.promoted_text_1' => { promoted_fields => { promoted_text_1 => 'A' } } ], [ 'promoted_fields.promoted_gis_1' => { promoted_fields => { promoted_gis_1 => 'k' } } ],
            [ 'promoted_fields.promoted_gis_1.lng' => { promoted_fields => { promoted_gis_1 => { lat => 'a' } } } ];
    my $columns = { (map { ("promoted_text_$_" => "t$_", "promoted_num_$_" => "n$_") } 1 .. 5), (map { ("promoted_date_$_" => "d$_") } 1 .. 3), promoted_bool_1 => 'b1', promoted_bool_2 => 'b2', promoted_gis_1 => { lat => 'a', lng => 'o' } };
    my $r = made(settings => { promoted_fields => $columns, mine => 1, other => undef });
    is_deeply $r->{settings}, { promoted_fields => $columns, mine => 1, other => undef }, 'all columns, and free keys as they are';
    my $res = $bob->put("$base/boats", { settings => { mine => { a => 1 }, versioning_enabled => false, promoted_fields => { promoted_text_1 => 'z' } } });
    json_is $res, '/settings', { promoted_fields => { promoted_text_1 => 'z' }, mine => { a => 1 }, other => undef, versioning_enabled => false }, 'a change merges them, one level deep';
    error_is $bob->put("$base/boats", { settings => { x => 'x' x 66000 } }), 422, 'VALIDATION_ERROR', field => 'settings', name => 'of 64 KiB';
    empty;
};

subtest 'who may what' => sub {
    my $team = $ann->post('/api/v1/teams', { name => 'Sailors', member_ids => [ $w->member_id('dora') ] })->json('/id');
    my $id   = made(schema => { fields => [ field() ] })->{id};
    my @ways = ([ GET => '' ], [ PUT => '', { name => 'y' } ], [ DELETE => '' ], [ GET => '/permissions' ]);
    for (@ways) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, "$base/boats$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 401, 'AUTHENTICATION_ERROR', name => "$method $path: nobody";
        error_is $eve->request($method, "$base/$id$path", json => $body), 404, 'NOT_FOUND', name => "$method $path: another workspace's";
        error_is $bob->request($method, "$base/$_$path", json => $body), 404, 'NOT_FOUND', id => $_, name => "$method $path: $_" for $none, 'ships', 'NO-Slug';
        next if $path;
        error_is $carl->request($method, "$base/boats", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method: without a grant";
    }
    for ([ GET => undef ], [ PUT => { name => 'y' } ], [ PATCH => { name => 'y' } ], [ DELETE => undef ]) {
        my ($method, $body) = @$_;
        error_is $eve->request($method, "$crud/$id", json => $body), 404, 'NOT_FOUND', id => $id, name => "crud $method: another workspace's";
        error_is $carl->request($method, "$crud/$id", json => $body), 403, 'AUTHORIZATION_ERROR', name => "crud $method: without a grant";
        error_is $bob->request($method, "$crud/$none", json => $body), 404, 'NOT_FOUND', id => $none;
    }
    json_is $carl->get("$base/boats/permissions"), '', rights('none'), 'what one may is for everybody to ask';
    json_is $vera->get("$base/$id/permissions"), '', rights('none');
    json_is $bob->get("$base/boats/permissions"), '', $ALL;
    json_is $_->get("$base/boats"), '/permissions', rights(workspace_admin => @FLAGS), 'owners and admins of the workspace may everything' for $ann, $adam;

    granted($id, 'carl');
    json_is $carl->get("$base/boats"), '/permissions', rights(grant => 'can_view'), 'a grant';
    error_is $carl->put("$base/boats", { name => 'y' }), 403, 'AUTHORIZATION_ERROR', name => '  is for what it says';
    error_is $carl->delete("$base/boats"), 403, 'AUTHORIZATION_ERROR';
    error_is $carl->put("$base/boats", { name => '' }), 422, 'VALIDATION_ERROR', name => '  the form is looked at first';
    granted($id, \$team, qw(can_create can_edit can_edit_own));
    json_is $dora->get("$base/boats/permissions"), '', rights(grant => qw(can_view can_create can_edit can_edit_own)), 'of a team';
    granted($id, 'dora', qw(can_delete_own));
    json_is $dora->get("$base/boats/permissions"), '', rights(grant => qw(can_view can_create can_edit can_edit_own can_delete_own)), 'both together';
    $db->do('UPDATE workspace_teams SET is_active = false WHERE id = ?', undef, $team);
    json_is $dora->get("$base/boats/permissions"), '', rights(grant => qw(can_view can_delete_own)), 'a team that is switched off gives nothing';
    $db->do('UPDATE workspace_teams SET is_active = true WHERE id = ?', undef, $team);
    $db->do('DELETE FROM recordset_grants WHERE member_id IS NOT NULL');
    my $below = $ann->post('/api/v1/teams', { name => 'Cooks', parent_team_id => $team, member_ids => [ $w->member_id('carl') ] })->json('/id');
    json_is $carl->get("$base/boats/permissions"), '', rights('none'), 'nor does one above one\'s own';
    granted($id, 'carl', @FLAGS);
    json_is $carl->put("$base/boats", { name => 'Ships' }), '/permissions', rights(grant => @FLAGS), 'who has can_admin changes it';
    is $db->selectrow_array(q{SELECT count(*) FROM recordset_grants WHERE NOT can_view}), 0;
    ok !eval { granted($id, 'vera', 'can_edit'); 1 }, 'no grant of the database gives can_edit without can_edit_own';
    empty;
};

subtest 'the list' => sub {
    made(name => 'beta', type => 'deals', description => 'of small hulls');
    made(name => 'Alpha');
    my $c = made(name => 'Gamma', type => 'deals')->{id};
    $carl->post($base, { name => 'delta' });
    is names($ann->get($base)), 'Alpha beta delta Gamma', 'by name; all for admins';
    is names($bob->get($base)), 'Alpha beta Gamma', 'else one\'s own';
    is names($carl->get($base)), 'delta';
    is names($vera->get($base)), '';
    granted($c, 'carl');
    is names($carl->get($base)), 'delta Gamma', 'and those one may see';
    is names($eve->get($base)), '', 'another workspace has none of them';
    json_is $ann->get($base, query => { page_size => 2 }), '', { items => [ map { { %recordset, name => $_, slug => lc, description => $_ eq 'beta' ? 'of small hulls' : undef, type => $_ eq 'beta' ? 'deals' : 'custom', permissions => rights(workspace_admin => @FLAGS) } } qw(Alpha beta) ],
        total => 4, page => 1, page_size => 2, total_pages => 2 }, 'a page';
    is names($ann->get($base, query => { page_size => 2, page => 2 })), 'delta Gamma';
    is names($ann->get($base, query => $_->[0])), $_->[1], join ', ', %{ $_->[0] }
        for [ { type => 'deals' } => 'beta Gamma' ], [ { search => 'LPH' } => 'Alpha' ], [ { search => 'small' } => 'beta' ], [ { search => '%' } => '' ], [ { search => '' } => 'Alpha beta delta Gamma' ], [ { type => 'integration' } => '' ];
    json_is $bob->put("$base/beta", { is_active => false }), '/is_active', false;
    is names($ann->get($base, query => { is_active => $_->[0] })), $_->[1], "is_active=$_->[0]" for [ true => 'Alpha delta Gamma' ], [ 0 => 'beta' ];
    error_is $ann->get($base, query => { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0] for [ type => 'x' ], [ is_active => 'x' ], [ page => 0 ], [ page_size => 201 ];
    is $ann->get($crud, query => { type => 'deals' })->body, $ann->get($base, query => { type => 'deals' })->body, '/crud has the same';
    empty;
};

subtest 'change' => sub {
    my $r  = made(schema => { fields => [ field() ], title_field => 'k' });
    my $at = "$base/boats";
    error_is $bob->put($at, { @$_ }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as that"
        for [ name => undef ], [ name => '' ], [ type => 'integration' ], [ mode => undef ], [ color => 'x' ], [ owner_id => $none ], [ owner_id => $x->member_id('eve') ], [ owner_id => undef ], [ is_active => undef ], [ schema => undef ], [ settings => undef ];
    error_is $bob->put($at, { schema => { fields => [ field(), field() ] } }), 422, 'VALIDATION_ERROR', field => 'schema.fields[1].key';
    my $version = sub { scalar $db->selectrow_array('SELECT schema_version FROM recordsets WHERE id = ?', undef, $r->{id}) };
    json_is $bob->put($at, { name => 'Ships', description => 'd', mode => 'MAP', icon => 'i', color => '#000000' }), '',
        { %recordset, name => 'Ships', description => 'd', mode => 'MAP', icon => 'i', color => '#000000', schema => $r->{schema} }, 'only what is sent';
    is $version->(), 1, 'the schema is that it was';
    json_is $bob->put($at, { description => undef, icon => undef, color => undef }), '/description', undef, 'null empties';
    $bob->put($at, { schema => $r->{schema} });
    is $version->(), 1, '  also where the same is sent';
    json_is $bob->put($at, { schema => { fields => [ field(key => 'z', type => 'date'), field() ] } }), '/schema', { fields => [ shown(key => 'z', type => 'date'), shown() ], title_field => undef }, 'a schema is replaced whole';
    is $version->(), 2;
    json_is $bob->patch($at, { name => 'Boats' }), '/name', 'Boats', 'PATCH is PUT';
    my $tag = $bob->get($at)->header('ETag');
    status_is $bob->put($at, { name => 'Hulls' }, headers => { 'If-Match' => $tag }), 200;
    error_is $bob->put($at, { name => 'Masts' }, headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
    error_is $bob->delete($at, headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
    my $res = $bob->put($at, { owner_id => $w->member_id('carl') });
    json_is $res, '/owner_id', $w->member_id('carl'), 'who owns it may give it away';
    json_is $res, '/permissions', rights('none');
    error_is $bob->get($at), 403, 'AUTHORIZATION_ERROR';
    json_is $carl->get($at), '/permissions', $ALL;
    like audited($r->{id}), qr/\Arecordset\.create(?: recordset\.update)+\z/;
    is_deeply [ sort map { $json->decode($_)->{data}{change} } grep { /recordsets_updated/ && /\Q$r->{id}\E/ } @{ $db->selectcol_arrayref(q{SELECT payload::text FROM realtime_messages WHERE channel = ? ORDER BY id}, undef, 'workspace:' . $w->id) } ],
        [ 'created', ('updated') x 7 ], 'everybody who is connected is told to look again';
    empty;
};

subtest 'the trash' => sub {
    my $id = made()->{id};
    made(name => 'Anchors', description => 'heavy');
    granted($id, 'carl', @FLAGS);
    status_is $carl->delete("$base/boats"), 204;
    error_is $carl->request(@$_), 404, 'NOT_FOUND', name => "$_->[0] $_->[1]"
        for [ DELETE => "$base/boats" ], [ GET => "$base/boats" ], [ GET => "$base/$id" ], [ PUT => "$base/boats", json => { name => 'x' } ], [ GET => "$base/boats/permissions" ], [ GET => "$crud/$id" ], [ DELETE => "$crud/$id" ];
    is names($bob->get($base)), 'Anchors', 'nor is it in the list';
    status_is $bob->delete("$base/anchors"), 204;
    for my $who ($bob, $carl, $vera) {
        error_is $who->request(@$_), 403, 'AUTHORIZATION_ERROR', name => "$_->[0] $_->[1]: for owners and admins" for [ GET => "$base/trash" ], [ POST => "$base/trash/boats/restore" ], [ DELETE => "$base/trash/boats" ];
    }
    my $res = $adam->get("$base/trash");
    is names($res), 'Anchors Boats', 'the latest first';
    json_is $res, '/items/1', { %recordset, is_active => false, permissions => rights(workspace_admin => @FLAGS), deleted_at => $MICRO, deleted_by => $w->ref_of('carl', 'member'), purge_at => $MICRO, days_until_purge => 30 };
    is names($ann->get("$base/trash", query => { search => $_->[0] })), $_->[1], "search $_->[0]" for [ heavy => 'Anchors' ], [ BOAT => 'Boats' ], [ zz => '' ];
    json_is $ann->get("$base/trash", query => { page_size => 1, page => 2 }), '/total', 2;
    json_is $ann->get("$base/trash", query => { page_size => 1, page => 2 }), '/items/0/name', 'Boats';
    is names($eve->get("$base/trash")), '', 'another workspace has its own';
    error_is $eve->post("$base/trash/$id/restore"), 404, 'NOT_FOUND';
    $db->do(q{UPDATE recordsets SET trashed_at = trashed_at - interval '29 days 1 hour' WHERE id = ?}, undef, $id);
    json_is $ann->get("$base/trash"), '/items/1/days_until_purge', 1, 'a day that has begun counts';

    $res = $adam->post("$base/trash/boats/restore");
    status_is $res, 200;
    json_is $res, '/is_active', true;
    error_is $adam->post("$base/trash/boats/restore"), 404, 'NOT_FOUND', name => 'once';
    error_is $adam->delete("$base/trash/boats"), 404, 'NOT_FOUND', name => 'what is not in the trash is not purged';
    json_is $carl->get("$base/boats"), '/permissions', rights(grant => @FLAGS), 'its grants are there again';
    status_is $carl->delete("$base/$id"), 204;
    status_is $adam->delete("$base/trash/$id"), 204, 'by its id';
    error_is $adam->post("$base/trash/$id/restore"), 404, 'NOT_FOUND', name => 'for good';
    is $db->selectrow_array('SELECT count(*) FROM recordset_grants'), 0, 'with its grants';
    is audited($id), 'recordset.create recordset.trash recordset.restore recordset.trash recordset.purge';
    empty;
};

subtest '/crud' => sub {
    my $res = $bob->post($crud, { name => 'Boats', schema => { fields => [ field() ], title_field => 'k' }, settings => { mine => 1 }, description => 'd', icon => 'i', color => '#ffffff', type => 'deals', mode => 'MAP' });
    status_is $res, 201;
    error_is $vera->post($crud, { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    my $at = "$crud/" . $res->json('/id');
    json_is $bob->get($at), '', $res->json;
    error_is $bob->get("$crud/boats"), 404, 'NOT_FOUND', name => 'by its id alone';
    json_is $bob->patch($at, { name => 'Ships', settings => { other => 2 } }), '/settings', { mine => 1, other => 2 }, 'PATCH changes what is sent';
    error_is $bob->put($at, {}), 422, 'VALIDATION_ERROR', field => 'name', name => 'PUT needs a name';
    json_is $bob->put($at, { name => 'Ships' }), '', { %recordset, name => 'Ships' }, 'what PUT leaves out is as in a new one';
    json_is $bob->put($at, { name => 'Ships', schema => { fields => [ field() ] } }), '/schema/fields', [ shown() ];
    is $db->selectrow_array('SELECT schema_version FROM recordsets'), 3;
    granted($res->json('/id'), 'carl', qw(can_edit can_edit_own can_delete can_delete_own));
    error_is $carl->request(@$_), 403, 'AUTHORIZATION_ERROR', name => "$_->[0]: needs can_admin" for [ PUT => $at, json => { name => 'x' } ], [ PATCH => $at, json => { name => 'x' } ], [ DELETE => $at ];
    status_is $bob->delete($at), 204;
    error_is $bob->delete($at), 404, 'NOT_FOUND';
    is names($ann->get("$base/trash")), '', 'without the trash';
    like audited($res->json('/id')), qr/recordset\.purge\z/;
};

subtest 'what is in the trash for thirty days goes by itself' => sub {
    my $old = made()->{id};
    my $new = made(name => 'Anchors')->{id};
    status_is $bob->delete("$base/$_"), 204 for $old, $new;
    $db->do(q{UPDATE recordsets SET trashed_at = now() - interval '30 days 1 minute' WHERE id = ?}, undef, $old);
    $db->do(q{UPDATE recordsets SET trashed_at = now() - interval '29 days 23 hours' WHERE id = ?}, undef, $new);
    $db->do('SELECT purge(100)');
    is names($ann->get("$base/trash")), 'Anchors';
    empty;
};
