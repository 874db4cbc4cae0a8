use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Who a recordset is shared with, and how those look at it.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/recordsets';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $vera, $eve) = (@$w{qw(ann bob carl dora vera)}, $x->{eve});
my $team = $ann->post('/api/v1/teams', { name => 'Sailors', member_ids => [ map { $w->member_id($_) } qw(dora vera) ] })->json('/id');
my $id   = $bob->post($base, { name => 'Boats' })->json('/id');
my $at   = "$base/boats/access";
$_->post('/api/v1/notifications/mark-all-read') for $dora, $vera;

my @FLAGS = qw(can_view can_create can_edit can_edit_own can_delete can_delete_own can_admin);
sub flags (@which) {
    my %has = map { $_ => 1 } @which;
    return map { $_ => ($has{$_} ? true : false) } @FLAGS;
}
sub may ($who) {
    my $p = $who->get("$base/boats/permissions")->json;
    return join ' ', $p->{source}, grep { $p->{$_} } @FLAGS;
}
sub told ($name) { return scalar $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE member_id = ? AND event_type = 'recordset_shared'}, undef, $w->member_id($name)) }
sub audited () { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE action ~ 'grant|revoke' ORDER BY seq}) } }

my %grant = (id => $UUID, recordset_id => $id, member_id => undef, team_id => undef, member => undef, team => undef, granted_by_id => $w->member_id('bob'), created_at => $MICRO, updated_at => $MICRO);

subtest 'who may' => sub {
    for ([ GET => '' ], [ POST => '', { member_id => $w->member_id('vera') } ], [ DELETE => '/members/' . $w->member_id('vera') ], [ DELETE => "/teams/$team" ]) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, "$base/$id/access$path", json => $body), 404, 'NOT_FOUND', name => "$method $path: another workspace's";
        error_is $bob->request($method, "$base/ships/access$path", json => $body), 404, 'NOT_FOUND', name => "$method $path: what there is not";
        error_is $carl->request($method, "$at$path", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method $path: without can_admin";
    }
    is audited(), '';
};

subtest 'grant' => sub {
    error_is $bob->post($at, $_), 422, 'VALIDATION_ERROR', name => 'exactly one of the two' for {}, { member_id => $w->member_id('vera'), team_id => $team };
    error_is $bob->post($at, { member_id => $w->member_id('vera'), $_ => 'yes' }), 422, 'VALIDATION_ERROR', field => $_ for @FLAGS;
    error_is $bob->post($at, { member_id => $w->member_id('vera'), can_view => false }), 422, 'VALIDATION_ERROR', field => 'can_view', name => 'a grant of nothing is none';
    error_is $bob->post($at, { member_id => $_ }), 404, 'NOT_FOUND' for $none, $x->member_id('eve');
    error_is $bob->post($at, { team_id => $_ }), 404, 'NOT_FOUND' for $none, $eve->post('/api/v1/teams', { name => 'Theirs' })->json('/id');

    my $res = $bob->post($at, { member_id => $w->member_id('carl') });
    status_is $res, 201;
    json_is $res, '', { %grant, member_id => $w->member_id('carl'), member => $w->ref_of('carl', 'member'), flags('can_view') }, 'to see it, unless something else is said';
    is may($carl), 'grant can_view';
    is told('carl'), 1, 'who is told so';
    json_is $carl->get('/api/v1/notifications/list'), '/notifications/0', sub ($n) { $n->{message} eq 'Boats' && $n->{link} eq '/recordsets/boats' && $n->{entity_id} eq $id && $n->{actor}{id} eq $w->member_id('bob') };
    my %means = (
        can_create => 'can_view can_create', can_edit => 'can_view can_edit can_edit_own', can_edit_own => 'can_view can_edit_own', can_delete => 'can_view can_delete can_delete_own',
        can_delete_own => 'can_view can_delete_own', can_admin => "@FLAGS",
    );
    for my $flag (sort keys %means) {
        my $second = $bob->post($at, { member_id => $w->member_id('carl'), can_view => false, $flag => true });
        json_is $second, '', { %grant, id => $res->json('/id'), member_id => $w->member_id('carl'), member => $w->ref_of('carl', 'member'), flags(split / /, $means{$flag}) }, "$flag: what it means besides; the first one's place is taken";
        is may($carl), "grant $means{$flag}";
    }
    is told('carl'), 1, 'told once';
    $res = $bob->post($at, { team_id => $team, can_create => true });
    json_is $res, '', { %grant, team_id => $team, team => { id => $team, name => 'Sailors', member_count => 2 }, flags(qw(can_view can_create)) }, 'a team';
    is may($_), 'grant can_view can_create' for $dora, $vera;
    is told('dora') + told('vera'), 2, '  each of it is told';
    is told('bob') + told('ann'), 0, '  and nobody else';
    $bob->post($at, { member_id => $w->member_id('bob'), can_view => true });
    is told('bob'), 0, 'nor who shares with themself';
    my $got = $bob->get($at);
    json_is $got, '/total', 3;
    json_is $got, '/owner', $w->ref_of('bob', 'member');
    is_deeply [ map { $_->{member_id} // $_->{team_id} } @{ $got->json('/grants') } ], [ $w->member_id('carl'), $w->member_id('bob'), $team ];
    is_deeply $got->json('/grants/2'), $res->json, 'as the grant was answered';
    like audited(), qr/\A(?:recordset\.grant ?){9}\z/;
    is_deeply $db->selectcol_arrayref(q{SELECT DISTINCT payload -> 'data' ->> 'change' FROM realtime_messages WHERE channel = ? AND payload ->> 'event_type' = 'recordsets_updated' ORDER BY 1}, undef, 'workspace:' . $w->id),
        [qw(access created)], 'pages look again at what there is';
};

subtest 'revoke' => sub {
    $bob->post($at, { member_id => $w->member_id('dora'), can_delete => true });
    is may($dora), 'grant can_view can_create can_delete can_delete_own';
    status_is $bob->delete("$at/members/" . $w->member_id('dora')), 204;
    is may($dora), 'grant can_view can_create', 'what the team gives stays';
    error_is $bob->delete("$at/members/" . $w->member_id('dora')), 404, 'NOT_FOUND', name => 'once';
    error_is $bob->delete("$at/members/$team"), 404, 'NOT_FOUND', name => 'a team is no member';
    error_is $bob->delete("$at/teams/" . $w->member_id('carl')), 404, 'NOT_FOUND', name => 'nor a member a team';
    error_is $dora->delete("$at/teams/$team"), 403, 'AUTHORIZATION_ERROR', name => 'who has no can_admin is told so';
    error_is $dora->delete("$at/teams/$none"), 403, 'AUTHORIZATION_ERROR', name => '  whether there is such a grant or not';
    status_is $bob->delete("$at/teams/$team"), 204;
    is may($_), 'none' for $dora, $vera;
    like audited(), qr/recordset\.revoke recordset\.revoke\z/;
    $bob->post($at, { member_id => $w->member_id('carl'), can_admin => true });
    status_is $carl->post($at, { member_id => $w->member_id('vera') }), 201, 'who has can_admin by a grant gives, too';
    status_is $ann->delete('/api/v1/members/' . $w->member_id('carl')), 204;
    is join(' ', map { $_->{member_id} } @{ $bob->get($at)->json('/grants') }), join(' ', map { $w->member_id($_) } qw(bob vera)), 'who leaves the workspace leaves the recordset';
    status_is $ann->delete("/api/v1/teams/$team"), 204, 'a team can be deleted that has a grant';
};

# ------------------------------------------------------------------ views

my $views = "$base/boats/views";
sub names ($who) { return join ' ', map { $_->{name} } @{ $who->get($views)->json } }
my %view = (id => $UUID, recordset_id => $id, name => 'v', view_type => 'table', config => {}, is_default => false, is_shared => false, created_by_id => $w->member_id('vera'), created_at => $MICRO, updated_at => $MICRO);

subtest 'views: who may' => sub {
    my $v = $bob->post($views, { name => 'shared', is_shared => true })->json('/id');
    for ([ GET => '' ], [ POST => '', { name => 'x' } ], [ PUT => "/$v", { name => 'x' } ], [ DELETE => "/$v" ]) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, "$base/$id/views$path", json => $body), 404, 'NOT_FOUND', name => "$method: another workspace's";
        error_is $bob->request($method, "$base/ships/views$path", json => $body), 404, 'NOT_FOUND';
        error_is $dora->request($method, "$views$path", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method: without can_view";
        error_is $vera->request($method, "$views$path", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method: one that is shared, without can_admin" if $method =~ /PUT|DELETE/;
        error_is $bob->request($method, "$views/$none", json => $body), 404, 'NOT_FOUND', id => $none if $method =~ /PUT|DELETE/;
    }
    error_is $vera->post($views, { name => 'x', $_ => true }), 403, 'AUTHORIZATION_ERROR', name => "$_ needs can_admin" for qw(is_shared is_default);
    status_is $bob->delete("$views/$v"), 204;
};

subtest 'views' => sub {
    error_is $vera->post($views, { name => 'x', @$_ }), 422, 'VALIDATION_ERROR', field => $_->[0] =~ /config/ && ref $_->[1] eq 'HASH' ? 'config.' . (keys %{ $_->[1] })[0] : $_->[0]
        for [ name => '' ], [ name => 'x' x 256 ], [ view_type => 'x' ], [ config => [] ], [ config => { columns => 'x' } ], [ config => { sort_order => 'up' } ], [ config => { column_filters => [] } ], [ is_default => 1 ], [ is_shared => 'x' ];
    error_is $vera->post($views, { name => 'x', config => { more => 'x' x 66000 } }), 422, 'VALIDATION_ERROR', field => 'config';
    my $res = $vera->post($views, { name => 'v' });
    status_is $res, 201;
    json_is $res, '', \%view, 'the least';
    my $config = { columns => ['k'], sort_by => 'k', sort_order => 'asc', column_filters => { k => 'x' }, date_filters => {}, numeric_filters => { n => { min => 1 } }, group_by => 'k', more => [1] };
    json_is $vera->post($views, { name => 'w' x 255, view_type => 'board', config => $config }), '', { %view, name => 'w' x 255, view_type => 'board', config => $config }, 'the most';
    my $own = $vera->get($views)->json('/1/id');
    is names($bob), '', 'one\'s own is one\'s own';
    error_is $bob->put("$views/$own", { name => 'x' }), 404, 'NOT_FOUND', id => $own, name => '  and not found by others';
    error_is $ann->delete("$views/$own"), 404, 'NOT_FOUND', id => $own;
    json_is $vera->put("$views/$own", { config => { sort_by => 'z' } }), '/config', { sort_by => 'z' }, 'a config is replaced';
    json_is $vera->put("$views/$own", { name => 'a' }), '', { %view, id => $own, name => 'a', view_type => 'board', config => { sort_by => 'z' } }, '  what is not sent stays';
    error_is $vera->put("$views/$own", { $_ => true }), 403, 'AUTHORIZATION_ERROR', name => "to set $_ needs can_admin" for qw(is_shared is_default);

    my $first  = $bob->post($views, { name => 'first',  is_shared => true, is_default => true })->json('/id');
    my $second = $bob->post($views, { name => 'second', is_shared => true, is_default => true })->json('/id');
    is names($vera), 'second a first v', 'the default first, then by name';
    is names($bob), 'second first';
    json_is $bob->get($views), '/1/is_default', false, 'a new default takes the flag';
    json_is $bob->put("$views/$first", { is_default => true }), '/is_default', true;
    is names($bob), 'first second';
    json_is $ann->put("$views/$second", { name => 'third' }), '/name', 'third', 'who has can_admin changes what is shared';
    my $tag = $ann->put("$views/$second", { name => '2' })->header('ETag');
    status_is $ann->put("$views/$second", { name => '3' }, headers => { 'If-Match' => $tag }), 200;
    error_is $ann->delete("$views/$second", headers => { 'If-Match' => $tag }), 412, 'PRECONDITION_FAILED';
    status_is $ann->delete("$views/$second"), 204;
    status_is $vera->delete("$views/$own"), 204;
    is names($vera), 'first v';
    status_is $bob->delete("$base/boats"), 204;
    error_is $ann->get($views), 404, 'NOT_FOUND', name => 'in the trash it has none';
    error_is $ann->get($at), 404, 'NOT_FOUND';
    status_is $ann->post("$base/trash/boats/restore"), 200;
    is names($ann), 'first';
    is $db->selectrow_array('SELECT count(*) FROM recordset_views'), 2;
    status_is $ann->delete("/api/v1/crud/recordsets/$id"), 204;
    is $db->selectrow_array("SELECT count(*) FROM $_"), 0, "$_ go with it" for qw(recordset_views recordset_grants);
};
