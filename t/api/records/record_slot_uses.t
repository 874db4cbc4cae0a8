use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# A field without a slot that a large recordset is filtered or sorted by gets one behind the third time: until then the records are read from end to end,
# and the answer is the same throughout.
my $t    = Api->start(main => 1);    # so that what one does behind an answer is done before the next one
my $db   = $t->db;
my $base = '/api/v1/records';
my $sets = '/api/v1/recordsets';
my $json = Cpanel::JSON::XS->new->canonical;

my $w = workspace($t, ann => 'owner', vera => 'viewer');
my ($ann, $vera) = @$w{qw(ann vera)};
my $set;
my @FIELDS = ((map { { key => sprintf('f%02d', $_), type => 'text' } } 1 .. 12), { key => 'note', type => 'long_text' }, { key => 'depth', type => 'number' }, { key => 'width', type => 'number' }, { key => 'on', type => 'date' }, { key => 'any', type => 'json' });

# What the slots of one are, whether all records have them, what is wanted, and what has been counted.
sub slots ($set) {
    my ($slots, $filled, $wanted, $uses) = $db->selectrow_array(q{SELECT slots::text, (slots = slots_filled)::int, array_to_string(slots_wanted, ' '), slot_uses::text FROM recordsets WHERE id = ?}, undef, $set);
    my %by_key = reverse %{ $json->decode($slots =~ s/"folded": \[.*?\]/"folded": "-"/r) };
    return { has => \%by_key, filled => $filled, wanted => $wanted, uses => $json->decode($uses) };
}

# One of so many records, as an import would have left it: of a handful by the product's own function, copied.
sub many ($name, $n) {
    my $set = $ann->post($sets, { name => $name, schema => { fields => \@FIELDS } })->json('/id');
    $ann->post($base, { recordset_id => $set, field_values => { f01 => "a$_", note => "n$_", depth => $_, width => 10 - $_, on => "2026-01-0$_" } }) for 1 .. 5;
    $db->begin_work;
    $db->do('SET LOCAL session_replication_role = replica');
    $db->do(q{INSERT INTO records (tenant_id, organization_id, recordset_id, content_id, title, field_values, folded, created_at)
              SELECT r.tenant_id, r.organization_id, r.recordset_id, r.content_id, 'x', '{"f01": "x"}', 'x', '2026-01-01'::timestamptz - i * interval '1 s'
              FROM (SELECT * FROM records WHERE recordset_id = ? LIMIT 1) r, generate_series(1, ?::integer) i}, undef, $set, $n - 5);
    $db->do('UPDATE recordset_counts SET count = count + ? WHERE (recordset_id, stripe) = (SELECT recordset_id, min(stripe) FROM recordset_counts WHERE recordset_id = ? GROUP BY 1)', undef, $n - 5, $set);
    $db->commit;
    $db->do('ANALYZE records');
    return $set;
}
sub numbers ($who, $set, %query) {
    my $res = $who->get($base, query => { recordset_id => $set, page_size => 10, %query });
    status_is $res, 200;
    return join ' ', grep { defined } map { $_->{field_values}{depth} } @{ $res->json('/items') };
}
sub deep ($who, $set) { return numbers($who, $set, numeric_filters => $json->encode({ width => { min => 6, max => 8 } }), sort_by => 'f01', sort_order => 'asc') }
sub wide ($who, $set) { return numbers($who, $set, sort_by => 'width', sort_order => 'asc') }

# It is counted behind the answer.
sub counted ($uses) { return eventually { $json->encode(slots($set)->{uses}) eq $json->encode($uses) } 30, 'it is counted: ' . $json->encode($uses) }

subtest 'in a small one nothing is counted' => sub {
    $set = many('Many', 20_000);
    my $before = slots($set);
    is deep($ann, $set), '2 3 4', 'by what has no slot' for 1 .. 4;
    is wide($ann, $set), '5 4 3 2 1', 'sorted by it';
    is_deeply slots($set), $before, 'nothing is wanted, and nothing counted';
};

status_is $ann->post($base, { recordset_id => $set, field_values => { f01 => 'z' } }), 201, 'one more, and it is a large one';
my $before = slots($set);
ok !$before->{has}{$_}, "$_ has no slot" for qw(width note on);

subtest 'what has one, and what cannot have one, is not counted' => sub {
    for (1 .. 4) {
        status_is $ann->get($base, query => { recordset_id => $set, sort_by => 'f01' }), 200;
        status_is $ann->get($base, query => { recordset_id => $set, column_filters => $json->encode({ f02 => ['x'] }) }), 200;
        status_is $ann->get($base, query => { recordset_id => $set, search => 'n3' }), 200;
        status_is $ann->get($base, query => { recordset_id => $set, sort_by => 'updated_at' }), 200;
        error_is $ann->get($base, query => { recordset_id => $set, sort_by => 'nobody' }), 422, 'VALIDATION_ERROR';
    }
    is_deeply slots($set), $before;    # and so it is further down, where what is counted by then is all there is
};

subtest 'three times' => sub {
    my $tag = $ann->get("$sets/$set")->json('/updated_at');
    is deep($ann, $set), '2 3 4', 'the first';
    counted({ width => 1 });
    status_is $ann->post("$sets/$set/access", { member_id => $w->member_id('vera') }), 201;
    is deep($vera, $set), '2 3 4', 'the second, by who may only look';
    counted({ width => 2 });
    is slots($set)->{wanted}, '', 'it is not wanted yet';
    is wide($ann, $set), '5 4 3 2 1', 'the third, sorted by it';
    eventually { slots($set)->{wanted} eq 'width' } 30, 'it is wanted';
    my $now = slots($set);
    ok $now->{has}{width}, '  and has a slot';
    is $now->{filled}, 0, '  which nobody has filled yet';
    is_deeply $now->{uses}, {}, '  and is counted no more';
    is deep($ann, $set), '2 3 4', 'the answer is the same meanwhile';
    is wide($ann, $set), '5 4 3 2 1';
    is_deeply slots($set), $now, '  and that is no use any more';
    is $ann->get("$sets/$set")->json('/updated_at'), $tag, 'it is no change of the recordset';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'records.fill' AND payload ->> 'recordset_id' = ?}, undef, $set), 1, 'one job fills it';
};

subtest 'an empty page counts once' => sub {
    is numbers($ann, $set, date_filters => $json->encode({ on => { from => '2027-01-01' } })), '';
    counted({ on => 1 });
    is numbers($ann, $set, sort_by => 'note'), '5 4 3 2 1', 'the next one';
    counted({ on => 1, note => 1 });
};

subtest 'who changes the recordset meanwhile is not waited for' => sub {
    $db->begin_work;
    $db->do('SELECT FROM recordsets WHERE id = ? FOR UPDATE', undef, $set);
    is numbers($ann, $set, date_filters => $json->encode({ on => { from => '2026-01-02', to => '2026-01-03' } })), '3 2', 'the answer comes';
    is numbers($ann, $set, sort_by => 'f01', sort_order => 'asc'), '1 2 3 4 5', '  and the next one';
    $db->rollback;
    is_deeply slots($set)->{uses}, { on => 1, note => 1 }, '  uncounted';
};

subtest 'a job fills it' => sub {
    $db->do(q{DELETE FROM records WHERE recordset_id = ? AND title = 'x'}, undef, $set);    # so that it does not take long
    $t->start_worker(children => 1);
    eventually { slots($set)->{filled} } 120, 'all records have it';
    my $slot = slots($set)->{has}{width};
    is $db->selectrow_array("SELECT string_agg(${slot}::text, ' ' ORDER BY $slot) FROM records WHERE recordset_id = ? AND $slot IS NOT NULL", undef, $set), '5 6 7 8 9';
    is deep($ann, $set), '2 3 4', 'and the answer is the same';
    is wide($ann, $set), '5 4 3 2 1';
};
