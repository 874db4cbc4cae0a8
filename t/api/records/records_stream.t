use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Ashlar::Ws;
use Cpanel::JSON::XS ();
use Time::HiRes 'time';

# That a recordset's records are others: each page of the workspace is told, with its id and nothing of the records, and of many changes as
# few times as seconds go by (t/unit/fold.c counts them).
my $t    = Api->start(realtime => 1);
my $db   = $t->db;
my $base = '/api/v1/records';
my $json = Cpanel::JSON::XS->new->utf8;
my $w    = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
my $x    = workspace($t, eve => 'owner');
my ($bob, $vera, $eve) = (@$w{qw(bob vera)}, $x->{eve});
my $set = $bob->post('/api/v1/recordsets', { name => 'Soundings' })->json('/id');

sub stream ($who, $workspace) {
    my $s = Ashlar::Ws->open($t, '/api/v1/notifications/stream', Upgrade => undef, Connection => 'close', Accept => 'text/event-stream',
        Authorization => 'Bearer ' . $who->token, 'X-Workspace-Id' => $workspace);
    is $s->status, 200;
    return $s;
}

# The next one of these events; undef: none comes.
sub told ($s, $type = 'records_updated') {
    my $until = time + 20;
    my $one   = qr/(?:^id: \d+\n)?^event: workspace_event\ndata: [^\n]*"event_type": "$type"[^\n]*\n\n/m;
    until ($s->{in} =~ $one) { return if time > $until || !$s->_read(1) && $s->{is_over} }
    $s->{in} =~ s/\A.*?($one)//s;
    my $text = $1;
    my ($data) = $text =~ /^data: (.*)$/m;
    return { %{ $json->decode($data) }, _has_id => $text =~ /^id:/m ? 1 : 0 };
}

my @open  = map { stream($_, $w->id) } $bob, $vera;
my $other = stream($eve, $x->id);
ok told($_, 'notifications_updated'), 'how things are comes first' for @open, $other;

my $id;
sub done ($what, $code) {
    status_is $code->(), $what =~ /delete/ ? 204 : $what =~ /make|many/ ? 201 : 200, $what;
    for my $s (@open) {
        my $event = told($s) // {};
        like delete $event->{timestamp}, qr/\A20.*Z\z/;
        is_deeply $event, { event_type => 'records_updated', workspace_id => $w->id, actor_id => $w->member_id('bob'), data => { recordset_id => $set }, _has_id => 0 }, "$what: everybody there is told, of no record";
    }
    return;
}
done('to make one', sub { my $res = $bob->post($base, { recordset_id => $set, field_values => { place => 'secret' } }); $id = $res->json('/id'); $res });
done('to change one', sub { $bob->put("$base/$id", { field_values => { place => 'other' } }) });
done('to delete one', sub { $bob->delete("$base/$id") });

# Of one that was rolled back nothing, of a thousand in a transaction one; which of them came is told by the recordset.
my $more = $bob->post('/api/v1/recordsets', { name => 'More' })->json('/id');
my $made = sub ($recordset) {
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $bob->tenant_id);
    $db->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id) SELECT ?, ?, ?, uuid_v7() FROM generate_series(1, 500)}, undef, $bob->tenant_id, $w->id, $recordset) for 1 .. 2;
};
my $rows = sub ($recordset) { scalar $db->selectrow_array('SELECT count(*) FROM realtime_messages WHERE channel = ?', undef, "records:$recordset") };
my $before = $rows->($set);
$db->begin_work;
$made->($set);
$db->rollback;
$db->begin_work;
$made->($more);
$db->commit;
is $rows->($set), $before, 'nothing of what was rolled back';
is $rows->($more), 1, 'of a thousand in a transaction one row';
is told($_)->{data}{recordset_id}, $more, '  which is told' for @open;
$db->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id) VALUES (?, ?, ?, uuid_v7())}, undef, $bob->tenant_id, $w->id, $set);
is $rows->($set), $before, 'nor of what an operator does by hand';

$eve->post('/api/v1/teams', { name => 'Theirs' });
ok told($other, 'teams_updated'), 'another workspace hears its own';
unlike $other->{in}, qr/records_updated|recordsets_updated/, '  and nothing of this one';
