# Who reaches what in a workspace: each way of each member and key, for owners and admins, also as a file.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

my $t    = Api->start(main => 3);
my $db   = $t->db;
my $w    = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', vera => 'viewer', gone => 'member');
my $x    = workspace($t, eve => 'owner');
my $path = '/api/v1/permissions/access-review';

sub review ($who, %query) { return $who->get($path, query => { limit => 100, %query }) }
sub ways ($who, %query) {
    return [ map { my $r = $_; join ' | ', map { $_ // '-' } @$r{qw(who_name kind resource_name access through via)} } @{ review($who, %query)->json('/items') } ];
}

my $set   = $w->{ann}->post('/api/v1/recordsets', { name => 'Berths' })->json;
my $own   = $w->{bob}->post('/api/v1/recordsets', { name => 'Ropes' })->json;
my $crew  = $w->{ann}->post('/api/v1/teams', { name => 'Crew', lead_member_id => $w->member_id('bob'), member_ids => [ map { $w->member_id($_) } qw(bob vera) ] })->json('/id');
my $idle  = $w->{ann}->post('/api/v1/teams', { name => 'Idle', member_ids => [ $w->member_id('vera') ] })->json('/id');
status_is $w->{ann}->post("/api/v1/recordsets/$set->{id}/access", { member_id => $w->member_id('vera'), can_create => true }), 201;
status_is $w->{ann}->post("/api/v1/recordsets/$set->{id}/access", { team_id => $_, can_edit => true }), 201 for $crew, $idle;
status_is $w->{ann}->put("/api/v1/teams/$idle", { is_active => false }), 200;
my $trashed = $w->{bob}->post('/api/v1/recordsets', { name => 'Old' })->json('/id');
status_is $w->{bob}->delete("/api/v1/recordsets/$trashed"), 204;
status_is $w->{ann}->put('/api/v1/members/' . $w->member_id('gone'), { is_active => false }), 200;
my $key = $w->{ann}->post('/api/v1/api-keys', { name => 'Reporting', scopes => ['data:read'] })->json;
$w->{ann}->post('/api/v1/api-keys/' . $w->{ann}->post('/api/v1/api-keys', { name => 'Off' })->json('/id') . '/revoke', {});
$t->keep_secret($key->{key}) if $key->{key};

subtest 'who may look through it' => sub {
    error_is review($t->nobody), 401, 'AUTHENTICATION_ERROR';
    error_is review($w->{$_}), 403, 'AUTHORIZATION_ERROR', name => $_ for qw(bob vera);
    error_is review($w->{gone}), 403, 'AUTHORIZATION_ERROR';
    error_is review($x->{eve}->with(headers => { 'X-Workspace-Id' => $w->id })), 403, 'AUTHORIZATION_ERROR';
    error_is review($w->{ann}, @$_), 422, 'VALIDATION_ERROR', field => $_->[0] for [ kind => 'planet' ], [ limit => 0 ], [ limit => 101 ];
    status_is review($w->{$_}), 200, $_ for qw(ann adam);
};

my $all  = 'view, create, edit, edit own, delete, delete own, admin';
my $name = $db->selectrow_array('SELECT name FROM organizations WHERE id = ?', undef, $w->id);
my @want = (
    "Adam | workspace | $name | admin | role | -", "Adam | recordset | Berths | $all | role | -", "Adam | recordset | Ropes | $all | role | -",
    "Ann | workspace | $name | owner | role | -", "Ann | recordset | Berths | $all | owner | -", "Ann | recordset | Berths | $all | role | -", "Ann | recordset | Ropes | $all | role | -",
    "Bob | workspace | $name | member | role | -", 'Bob | team | Crew | lead | team | Crew', 'Bob | recordset | Berths | view, edit, edit own | team | Crew', "Bob | recordset | Ropes | $all | owner | -",
    "Vera | workspace | $name | viewer | role | -", 'Vera | team | Crew | member | team | Crew', 'Vera | recordset | Berths | view, create | grant | -', 'Vera | recordset | Berths | view, edit, edit own | team | Crew',
    "Reporting | workspace | $name | data:read | key | $key->{key_prefix}",
);

subtest 'each way, and no other' => sub {
    my $res = review($w->{ann});
    is_deeply ways($w->{ann}), \@want, 'nobody who is not active, nothing that is in the trash, no key that is revoked';
    is $res->json('/total'), scalar @want;
    my ($row) = grep { ($_->{who_email} // '') eq $w->{vera}->email && $_->{kind} eq 'recordset' } @{ $res->json('/items') };
    is_deeply $row, { who_type => 'member', who_id => $w->member_id('vera'), who_name => 'Vera', who_email => $w->{vera}->email, role => 'viewer', kind => 'recordset', resource_id => $set->{id},
        resource_name => 'Berths', access => 'view, create', through => 'grant', via => undef };
    is_deeply [ map { $_->{role} } grep { $_->{who_type} eq 'api_key' } @{ $res->json('/items') } ], [undef];
    is_deeply ways($x->{eve}), [ 'Eve | workspace | ' . $db->selectrow_array('SELECT name FROM organizations WHERE id = ?', undef, $x->id) . ' | owner | role | -' ], 'of another workspace its own';
};

subtest 'it says what the rights come to' => sub {
    my %bit = (view => 1, create => 2, edit => 4, 'edit own' => 8, delete => 16, 'delete own' => 32, admin => 64);
    my %said;
    for my $row (grep { $_->{kind} eq 'recordset' } @{ review($w->{ann})->json('/items') }) {
        $said{"$row->{who_id} $row->{resource_id}"} |= $bit{$_} for split /, /, $row->{access};
    }
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $w->{ann}->tenant_id);
    my $are = { map { ("$_->[0] $_->[1]" => $_->[2]) } @{ $db->selectall_arrayref(q{SELECT m.id, r.id, x.rights FROM memberships m JOIN recordsets r USING (tenant_id, organization_id)
        CROSS JOIN recordset_rights(m.tenant_id, m.organization_id, r.id, r.owner_id, m.id, m.role) x WHERE m.organization_id = ? AND m.is_active AND r.trashed_at IS NULL AND x.rights > 0}, undef, $w->id) } };
    $db->commit;
    is_deeply \%said, $are, 'as the doors ask';
};

subtest 'of one, and of what' => sub {
    is_deeply ways($w->{ann}, kind => 'team'), [ grep { / team [|] Crew [|] / } @want ];
    is_deeply ways($w->{ann}, who_id => $w->member_id('vera')), [ grep { /\AVera/ } @want ];
    is_deeply ways($w->{ann}, resource_id => $set->{id}), [ grep { /Berths/ } @want ];
    is_deeply ways($w->{ann}, resource_id => $set->{id}, who_id => $w->member_id('bob')), [ grep { /\ABob.*Berths/ } @want ];
    is_deeply ways($w->{ann}, limit => 2, skip => 1), [ @want[ 1, 2 ] ], 'a page';
};

subtest 'as a file' => sub {
    my $res = $w->{ann}->get($path, headers => { Accept => 'text/csv' });
    header_is $res, 'Content-Disposition', 'attachment; filename="access-review.csv"';
    my @lines = split /\r\n/, $res->body;
    is $lines[0], 'who_type,who_id,who_name,who_email,role,kind,resource_id,resource_name,access,through,via';
    is @lines, 1 + @want, 'all of it';
    my $json = Cpanel::JSON::XS->new->utf8;
    $res = $w->{ann}->get($path, headers => { Accept => 'application/x-ndjson' });
    is_deeply [ map { $json->decode($_)->{who_name} } split /\n/, $res->body ], [ map { /\A(\w+)/ } @want ];
};
