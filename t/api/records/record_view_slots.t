use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# What a saved view filters, sorts and groups by has a slot, so that an index serves it; and keeps it.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->canonical;

my $w   = workspace($t, ann => 'owner');
my $ann = $w->{ann};
my $set = $ann->post($sets, { name => 'Many', schema => { fields => [ (map { { key => sprintf('f%02d', $_), type => 'text' } } 1 .. 14), { key => 'note', type => 'long_text' }, { key => 'any', type => 'json' }, { key => 'depth', type => 'number' } ] } })->json('/id');
sub slots () { my ($text, $filled) = $db->selectrow_array('SELECT slots::text, (slots = slots_filled)::int FROM recordsets WHERE id = ?', undef, $set); my %s = %{ $json->decode($text) }; delete $s{folded}; return ({ reverse %s }, $filled) }
my ($before) = slots();

subtest 'a view brings slots along' => sub {
    is scalar keys %$before, 12, 'twelve there are by themselves';
    is_deeply [ grep { exists $before->{$_} } qw(f13 f14 note depth any) ], ['depth'], 'as many texts as there are slots for, and the number';
    $ann->post($base, { recordset_id => $set, field_values => { f14 => "v$_", note => "n$_", depth => $_ } }) for 1 .. 3;
    my $tag = $ann->get("$sets/$set")->json('/updated_at');
    my $view = $ann->post("$sets/$set/views", { name => 'Mine', config => { sort_by => 'f14', group_by => 'note', column_filters => { f01 => 'x', any => 'x', nobody => 'x' }, numeric_filters => { depth => { min => 1 } } } });
    status_is $view, 201;
    my ($now, $filled) = slots();
    is_deeply [ grep { !$now->{$_} } qw(f01 f14 note depth) ], [], 'what it asks for is in one, a long text, too';
    is_deeply [ grep { exists $now->{$_} } qw(any nobody) ], [], '  unless it cannot be compared, or is no field';
    is $now->{$_}, $before->{$_}, "$_ stays in its slot" for grep { $now->{$_} && $before->{$_} } sort keys %$before;
    is scalar keys %$now, 12, 'others make room';
    is $filled, 0, 'records that there are have none yet';
    is $ann->get("$sets/$set")->json('/updated_at'), $tag, 'it is no change of the recordset';
    is_deeply [ map { $_->{field_values}{f14} } @{ $ann->get($base, query => { recordset_id => $set, sort_by => 'f14', sort_order => 'asc' })->json('/items') } ], [qw(v1 v2 v3)], 'and the answer is the same meanwhile';

    status_is $ann->put("$sets/$set/views/" . $view->json('/id'), { config => { sort_by => 'f13' } }), 200;
    ($now) = slots();
    is_deeply [ grep { !$now->{$_} } qw(f01 f13 f14 note depth) ], [], 'another one brings another, and what is there stays';
    status_is $ann->put("$sets/$set/views/" . $view->json('/id'), { name => 'Ours' }), 200;
    status_is $ann->delete("$sets/$set/views/" . $view->json('/id')), 204;
    is_deeply((slots())[0], $now, 'also when it has gone');
};

subtest 'a job fills them' => sub {
    $t->start_worker(children => 1);
    eventually { (slots())[1] } 60, 'all records have them';
    my ($now) = slots();
    is_deeply $db->selectcol_arrayref("SELECT $now->{f14} || ' ' || $now->{note} || ' ' || $now->{depth} FROM records WHERE recordset_id = ? ORDER BY 1", undef, $set), [ 'v1 n1 1', 'v2 n2 2', 'v3 n3 3' ];
    is_deeply [ map { $_->{field_values}{f14} } @{ $ann->get($base, query => { recordset_id => $set, sort_by => 'note', sort_order => 'desc' })->json('/items') } ], [qw(v3 v2 v1)];
};
