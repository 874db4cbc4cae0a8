use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# The pipeline of a recordset: who may give it one, and what it is made of.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});

sub recordset (%with) { return $bob->post($sets, { name => 'Deals', %with })->json('/id') }
sub select_of (@options) { return { fields => [ { key => 'phase', type => 'select', options => \@options }, { key => 'price', type => 'currency' }, { key => 'note', type => 'text' } ] } }
sub stages ($res) { return [ map { $_->{name} } @{ $res->json('/stages') } ] }

subtest 'who may' => sub {
    my $set = recordset();
    my $at  = "$sets/$set/pipeline";
    for my $ask (sub ($who, $path) { $who->get($path) }, sub ($who, $path) { $who->post($path, {}) }) {
        error_is $ask->($eve, $at), 404, 'NOT_FOUND', name => 'another workspace\'s';
        error_is $ask->($carl, $at), 403, 'AUTHORIZATION_ERROR', name => 'without can_view';
        error_is $ask->($bob, "$sets/$none/pipeline"), 404, 'NOT_FOUND', id => $none;
    }
    error_is $bob->get($at), 404, 'NOT_FOUND', name => 'there is none yet';
    status_is $bob->post("$sets/$set/access", { member_id => $w->member_id('carl'), map { $_ => true } qw(can_create can_edit can_delete) }), 201;
    error_is $carl->post($at, {}), 403, 'AUTHORIZATION_ERROR', name => 'all rights but can_admin';
    my $made = $bob->post($at);
    status_is $made, 201, 'without a body, too';
    json_is $carl->get($at), '', $made->json, 'to see the recordset is to see it';
    error_is $ann->post($at, {}), 409, 'CONFLICT', field => 'recordset_id', name => 'one is enough';
    status_is $bob->delete("$sets/$set"), 204;
    error_is $bob->get($at), 404, 'NOT_FOUND', name => 'not while the recordset is in the trash';
    error_is $bob->post($at, {}), 404, 'NOT_FOUND';
    status_is $ann->delete("$sets/trash/$set"), 204;
    is $db->selectrow_array('SELECT count(*) FROM pipelines WHERE recordset_id = ?', undef, $set), 0, 'it goes with it';
};

subtest 'what is left out' => sub {
    my $set = recordset(name => 'Houses');
    my $res = $bob->post("$sets/$set/pipeline", {});
    my $n   = 0;
    json_is $res, '', { id => $UUID, name => 'Houses Pipeline', description => undef, recordset_id => $set, recordset_name => 'Houses', stage_field => 'stage', value_field => undef,
        stages => [ map { { id => $_->[0], name => $_->[1], order => $n++, probability => $_->[2], stage_type => $_->[3], color => $_->[4] } }
            [ 'lead', 'Lead', 10, 'open', '#2563eb' ], [ 'underwriting', 'Underwriting', 25, 'open', '#2563eb' ], [ 'loi', 'LOI', 50, 'open', '#2563eb' ], [ 'due-diligence', 'Due Diligence', 70, 'open', '#2563eb' ],
            [ 'closing', 'Closing', 90, 'open', '#2563eb' ], [ 'closed-won', 'Closed Won', 100, 'won', '#16a34a' ], [ 'lost', 'Lost', 0, 'lost', '#dc2626' ] ],
        is_active => true, record_count => 0, created_by => $w->member_id('bob'), created_at => $MICRO, updated_at => $MICRO };
    my $schema = $bob->get("$sets/$set")->json('/schema');
    is_deeply $schema->{fields}, [ { key => 'stage', label => 'Stage', type => 'select', required => false, options => [qw(lead underwriting loi due-diligence closing closed-won lost)], default => undef, description => undef, hidden => false } ],
        'the field that it lacked is a field of the recordset now';
    status_is $bob->post('/api/v1/records', { recordset_id => $set, field_values => { stage => 'closed-won' } }), 201, '  which takes the stages';
    error_is $bob->post('/api/v1/records', { recordset_id => $set, field_values => { stage => 'Closed Won' } }), 422, 'VALIDATION_ERROR', field => 'field_values.stage';
    is $bob->get("$sets/$set/pipeline")->json('/record_count'), 1;
    my $long = recordset(name => 'x' x 255);
    is $bob->post("$sets/$long/pipeline", {})->json('/name'), 'x' x 141 . ' Pipeline', 'a long name is cut';
    my $own = recordset(schema => select_of('New', 'On hold'));
    $res = $bob->post("$sets/$own/pipeline", { stage_field => 'phase' });
    json_is $res, '/stages', [ { id => 'New', name => 'New', order => 0, probability => 0, stage_type => 'open', color => '#2563eb' }, { id => 'On hold', name => 'On hold', order => 1, probability => 0, stage_type => 'open', color => '#2563eb' } ],
        'the options of the field are the stages';
    is scalar @{ $bob->get("$sets/$own")->json('/schema/fields') }, 3, '  and it stays as it is';
    my $text = recordset(schema => select_of('x'));
    is_deeply stages($bob->post("$sets/$text/pipeline", { stage_field => 'note' })), [ 'Lead', 'Underwriting', 'LOI', 'Due Diligence', 'Closing', 'Closed Won', 'Lost' ], 'a text has none';
};

subtest 'what is sent' => sub {
    my $set = recordset(schema => select_of('x'));
    my $at  = "$sets/$set/pipeline";
    my $s   = sub (@stages) { return { stages => [ map { ref ? $_ : { name => $_ } } @stages ] } };
    error_is $bob->post($at, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ name => { name => '' } ], [ name => { name => 'x' x 151 } ], [ description => { description => 'x' x 2001 } ], [ stage_field => { stage_field => '' } ], [ stage_field => { stage_field => 'x' x 101 } ], [ stage_field => { stage_field => 'No key' } ],
            [ stage_field => { stage_field => 'price' } ], [ value_field => { value_field => 'x' x 101 } ], [ value_field => { value_field => 'note' } ], [ stages => { stages => [] } ], [ stages => $s->(1 .. 31) ], [ 'stages[0].name' => $s->({}) ],
            [ 'stages[0].name' => $s->('') ], [ 'stages[0].name' => $s->('x' x 101) ], [ 'stages[1].name' => $s->('Lead', { name => 'LEAD', id => 'other' }) ], [ 'stages[2].id' => $s->('Lead', 'b', { name => 'c', id => 'lead' }) ], [ 'stages[0].id' => $s->({ name => 'a', id => 'x' x 65 }) ],
            [ 'stages[0].color' => $s->({ name => 'a', color => 'x' x 21 }) ], [ 'stages[0].probability' => $s->({ name => 'a', probability => 100.5 }) ], [ 'stages[0].probability' => $s->({ name => 'a', probability => -1 }) ],
            [ 'stages[0].stage_type' => $s->({ name => 'a', stage_type => 'done' }) ], [ stages => $s->({ name => 'a', stage_type => 'won' }, { name => 'b', stage_type => 'lost' }) ];
    is $db->selectrow_array('SELECT count(*) FROM pipelines WHERE recordset_id = ?', undef, $set), 0;
    my $res = $bob->post($at, { name => 'x' x 150, description => 'x' x 2000, stage_field => 'way', value_field => 'price',
        stages => [ { name => 'Später', order => 7, probability => 12.5, color => 'teal' }, { name => 'Zuerst!', order => -1 }, { name => '…', id => 'x' x 64 }, { name => '???' }, { name => 'Verkauft', stage_type => 'won' }, { name => 'Doch nicht', stage_type => 'won', probability => 0 } ] });
    status_is $res, 201;
    is_deeply [ map { [ @$_{qw(id name order probability stage_type color)} ] } @{ $res->json('/stages') } ],
        [ [ 'zuerst', 'Zuerst!', -1, 0, 'open', '#2563eb' ], [ 'x' x 64, '…', 2, 0, 'open', '#2563eb' ], [ 'stage-4', '???', 3, 0, 'open', '#2563eb' ], [ 'verkauft', 'Verkauft', 4, 100, 'won', '#16a34a' ], [ 'doch-nicht', 'Doch nicht', 5, 0, 'won', '#16a34a' ],
          [ 'sp-ter', 'Später', 7, 12.5, 'open', 'teal' ] ], 'in the order that they say, else in which they were sent';
    is $res->json('/value_field'), 'price';
    is_deeply [ map { $_->{key} } @{ $bob->get("$sets/$set")->json('/schema/fields') } ], [qw(phase price note way)];
    my $full = recordset(schema => { fields => [ map { { key => "f$_", type => 'text' } } 1 .. 500 ] });
    error_is $bob->post("$sets/$full/pipeline", {}), 422, 'VALIDATION_ERROR', field => 'stage_field', name => 'there is no place for another field';
    status_is $bob->post("$sets/$full/pipeline", { stage_field => 'f1' }), 201;
    my $many = recordset(schema => select_of(map { "o$_" } 1 .. 31));
    error_is $bob->post("$sets/$many/pipeline", { stage_field => 'phase' }), 422, 'VALIDATION_ERROR', field => 'stages', name => 'a select may have more options than a pipeline stages';
};

subtest 'two at once' => sub {
    my $set  = recordset();
    my $lock = $t->lock('SELECT FROM recordsets WHERE id = ? FOR UPDATE', $set);
    my @load = map { $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->post("$sets/$set/pipeline", {}) }) } 1, 2;
    eventually { $t->waiting == 2 } 60, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '201 409', 'one has it, and the other is told so';
    is $db->selectrow_array('SELECT count(*) FROM pipelines WHERE recordset_id = ?', undef, $set), 1;
};
