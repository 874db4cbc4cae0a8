use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Interactions with whom a record is about: who may log and change them, in which order they are, who is told.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $at   = '/api/v1/record-tracking';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $eve) = (@$w{qw(ann bob carl dora)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Customers' })->json('/id');

sub made ($title, $who = $bob, %with) { return $who->post('/api/v1/records', { recordset_id => $set, title => $title, %with })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub logged ($record, $who = $bob, %with) { return $who->post("$at/$record/interactions", { interaction_type => 'call', %with }) }
sub feed ($who) { return @{ $who->get('/api/v1/activity/feed', query => { types => 'record', limit => 100 })->json('/activities') } }
sub subjects ($res) { return join ' ', map { $_->{subject} // '-' } @{ $res->json('/items') } }

subtest 'who may' => sub {
    my $id  = made('Mole');
    my $one = logged($id)->json('/id');
    my @asks = ([ GET => "/$id/interactions" ], [ POST => "/$id/interactions", { interaction_type => 'call' } ], [ PUT => "/interactions/$one", { subject => 'x' } ], [ DELETE => "/interactions/$one" ]);
    for (@asks) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, "$at$path", json => $body), 404, 'NOT_FOUND', name => "$method: another workspace's";
        error_is $carl->request($method, "$at$path", json => $body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => "$method: without can_view";
        error_is $bob->request($method, "$at" . ($path =~ s/\Q$id\E|\Q$one\E/$none/r), json => $body), 404, 'NOT_FOUND', id => $none, name => "$method: one that is not there";
    }
    share(carl => 'can_view');
    status_is $carl->get("$at/$id/interactions"), 200, 'to see is to read';
    error_is $carl->request($_->[0], "$at$_->[1]", json => $_->[2]), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/, name => "$_->[0]: but not to write" for @asks[ 1 .. 3 ];
    share(carl => qw(can_create can_edit_own));
    error_is logged($id, $carl), 403, 'AUTHORIZATION_ERROR', name => 'can_edit_own: not on another\'s record';
    my $own = made('Own', $carl);
    my $res = logged($own, $carl);
    status_is $res, 200, 'on an own one';
    error_is $carl->put("$at/interactions/$one", { subject => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'nor another\'s interaction';
    my $of_bob = logged($own, $bob)->json('/id');
    error_is $carl->put("$at/interactions/$of_bob", { subject => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'not even on one\'s own record';
    error_is $carl->delete("$at/interactions/$of_bob"), 403, 'AUTHORIZATION_ERROR';
    json_is $carl->put("$at/interactions/" . $res->json('/id'), { subject => 'mine' }), '/subject', 'mine', 'who logged it may change it';
    share(dora => 'can_edit');
    json_is $dora->put("$at/interactions/" . $res->json('/id'), { subject => 'hers' }), '/subject', 'hers', '  and who has can_edit';
    status_is $bob->delete("$sets/$set/access/members/" . $w->member_id('carl')), 204;
    error_is $carl->put("$at/interactions/" . $res->json('/id'), { subject => 'x' }), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => 'who may see it no more may not change it either';
    error_is $w->{vera}->get("$at/$id/interactions"), 403, 'AUTHORIZATION_ERROR';
    status_is $ann->get("$at/$id/interactions"), 200, 'owners of the workspace may all';
};

subtest 'what one is' => sub {
    my $id = made('Pier');
    my $path = "$at/$id/interactions";
    error_is $bob->post($path, { interaction_type => 'call', %{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ interaction_type => { interaction_type => undef } ], [ interaction_type => { interaction_type => 'fax' } ], [ direction => { direction => 'up' } ], [ subject => { subject => 'x' x 501 } ], [ content => { content => 'x' x 50001 } ],
            [ outcome => { outcome => 'x' x 501 } ], [ sentiment => { sentiment => 'glad' } ], [ occurred_at => { occurred_at => 'yesterday' } ], [ occurred_at => { occurred_at => undef } ], [ duration_minutes => { duration_minutes => -1 } ],
            [ duration_minutes => { duration_minutes => 1.5 } ], [ 'participants[0]' => { participants => [1] } ], [ participants => { participants => [ ('x') x 101 ] } ], [ metadata => { metadata => [] } ], [ metadata => { metadata => { a => 'x' x 16400 } } ];
    error_is $bob->post($path, {}), 422, 'VALIDATION_ERROR', field => 'interaction_type';
    my %bare = (id => $UUID, record_id => $id, interaction_type => 'note', direction => 'outbound', subject => undef, content => undef, outcome => undef, sentiment => undef, occurred_at => $MICRO, duration_minutes => undef,
        participants => [], metadata => {}, created_by => $w->ref_of('bob', 'member'), created_at => $MICRO, updated_at => $MICRO);
    my $res = $bob->post($path, { interaction_type => 'note' });
    status_is $res, 200;
    json_is $res, '', \%bare, 'the type is enough';
    my %whole = (interaction_type => 'site_visit', direction => 'inbound', subject => 'x' x 500, content => 'x' x 50000, outcome => 'x' x 500, sentiment => 'negative', occurred_at => '2026-02-03T04:05:06.000000Z', duration_minutes => 90,
        participants => [ 'Theo', 'Zoë, of the harbour' ], metadata => { a => { b => [1] } });
    $res = $bob->post($path, { %whole, occurred_at => '2026-02-03T05:05:06+01:00' });
    status_is $res, 200, 'all there is to say';
    json_is $res, '', { %bare, %whole, record_id => $id };
    my $one = $res->json('/id');
    my $tag = $res->header('ETag');
    $res = $bob->put("$at/interactions/$one", { outcome => 'sold' });
    status_is $res, 200;
    json_is $res, '', { %bare, %whole, outcome => 'sold' }, 'what is not sent stays';
    $res = $bob->put("$at/interactions/$one", { subject => undef, content => undef, outcome => undef, sentiment => undef, duration_minutes => undef, participants => [], metadata => {} });
    json_is $res, '', { %bare, %whole, map({ $_ => undef } qw(subject content outcome sentiment duration_minutes)), participants => [], metadata => {} }, 'null takes away what may be away';
    error_is $bob->put("$at/interactions/$one", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ interaction_type => { interaction_type => 'fax' } ], [ interaction_type => { interaction_type => undef } ], [ participants => { participants => undef } ], [ occurred_at => { occurred_at => undef } ], [ metadata => { metadata => { a => 'x' x 16400 } } ];
    error_is $bob->put("$at/interactions/$one", { subject => 'x' }, headers => { 'If-Match' => '"1"' }), 412, 'PRECONDITION_FAILED';
    $res = $bob->delete("$at/interactions/$one");
    status_is $res, 200, 'not 204';
    json_is $res, '', { message => 'Interaction deleted', id => $one };
    error_is $bob->delete("$at/interactions/$one"), 404, 'NOT_FOUND', resource => 'Interaction', id => $one;
    is $bob->get($path)->json('/total'), 1;
};

subtest 'a timeline' => sub {
    my ($id, $other) = (made('Light'), made('Other'));
    logged($id, $bob, subject => $_->[0], occurred_at => $_->[1], interaction_type => $_->[2])
        for [ b => '2026-01-02T00:00:00Z', 'call' ], [ d => '2026-01-04T00:00:00Z', 'email' ], [ a => '2026-01-01T00:00:00Z', 'call' ], [ c => '2026-01-03T00:00:00Z', 'meeting' ];
    logged($other, $bob, subject => 'other');
    my $path = "$at/$id/interactions";
    my $res  = $bob->get($path);
    is subjects($res), 'd c b a', 'the last one first, by when it took place';
    json_is $res, "/$_->[0]", $_->[1] for [ total => 4 ], [ page => 1 ], [ page_size => 50 ], [ total_pages => 1 ];
    is subjects($bob->get($path, query => { interaction_type => 'call' })), 'b a', 'of one type';
    is $bob->get($path, query => { interaction_type => 'call' })->json('/total'), 2;
    $res = $bob->get($path, query => { page => 2, page_size => 3 });
    is subjects($res), 'a', 'in pages';
    json_is $res, '/total_pages', 2;
    error_is $bob->get($path, query => { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not $_->[0] $_->[1]" for [ page => 0 ], [ page_size => 0 ], [ page_size => 201 ], [ interaction_type => 'fax' ];
};

subtest 'who is told' => sub {
    my $id = made('Buoy');
    share(carl => 'can_view');
    my $before = () = feed($carl);
    my $one = logged($id, $bob, interaction_type => 'email')->json('/id');
    status_is $bob->put("$at/interactions/$one", { subject => 'x' }), 200;
    my @now = feed($carl);
    is scalar @now, $before + 1, 'one entry, for who may see the recordset';
    is_deeply [ @{ $now[0] }{qw(event description entity_type entity_id entity_name link metadata)}, $now[0]{actor}{id} ],
        [ 'record.interaction_logged', 'Interaction with Buoy', 'record', $id, 'Buoy', "/records/$id", { recordset_id => $set, interaction_id => $one, interaction_type => 'email' }, $w->member_id('bob') ], 'what it says';
    is scalar(grep { $_->{entity_id} eq $id } feed($w->{vera})), 0, '  and for nobody else';
    my $heard = sub { scalar $db->selectrow_array(q{SELECT count(*) FROM realtime_messages WHERE channel = 'records:' || ?}, undef, $set) };
    my $was = $heard->();
    status_is logged($id), 200;
    status_is $bob->put("$at/interactions/$one", { subject => 'y' }), 200;
    status_is $bob->delete("$at/interactions/$one"), 200;
    is $heard->(), $was + 3, 'open pages hear of each';
};

subtest 'what goes takes them along' => sub {
    my $id  = made('Gone');
    my $one = logged($id)->json('/id');
    status_is $bob->delete("/api/v1/records/$id"), 204;
    error_is $bob->get("$at/$id/interactions"), 404, 'NOT_FOUND', name => 'of a deleted record there are none';
    error_is $bob->put("$at/interactions/$one", { subject => 'x' }), 404, 'NOT_FOUND', id => $one;
    error_is $bob->delete("$at/interactions/$one"), 404, 'NOT_FOUND', id => $one;
    my $kept = made('Kept');
    my $of   = logged($kept, $dora)->json('/id');
    status_is $ann->delete('/api/v1/members/' . $w->member_id('dora')), 204;
    json_is $bob->get("$at/$kept/interactions"), '/items/0/created_by', undef, 'who has left is nobody';
    status_is $bob->delete("$sets/$set"), 204;
    error_is $bob->get("$at/$kept/interactions"), 404, 'NOT_FOUND', name => 'nor of one whose recordset is in the trash';
    error_is $ann->put("$at/interactions/$of", { subject => 'x' }), 404, 'NOT_FOUND';
    status_is $ann->post("$sets/trash/$set/restore"), 200;
    is $bob->get("$at/$kept/interactions")->json('/total'), 1, '  until it comes back';
    status_is $bob->post('/api/v1/records/bulk-delete', { all => true, recordset_id => $set }), 200;
    error_is $bob->put("$at/interactions/$of", { subject => 'x' }), 404, 'NOT_FOUND';
    $t->start_worker(children => 1);
    eventually { !$db->selectrow_array('SELECT count(*) FROM record_interactions') } 60, 'they go with their records';
};
