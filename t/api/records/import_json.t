# JSON and GeoJSON that become records: what their values come to, where the records are then, and what is refused.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Import;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use Encode 'encode';

my $t    = Api->start(main => 2, slow => 2);
my $db   = $t->db;
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $w    = workspace($t, ann => 'owner');
my $ann  = $w->{ann};
my $i    = imports($t, $ann);
$t->start_worker(children => 2);

sub field ($key, $type = 'text', %with) { return { key => $key, type => $type, %with } }
sub refused ($name, $file, $text, $message, $by = 'form') { return error_is $i->$by($file, $text), 400, 'BAD_REQUEST', message => $message, name => $name }

subtest 'an array, an object that holds one, and objects one behind the other' => sub {
    my @rows  = ('{"a": "x", "n": 1.50, "more": {"k": [1, "two", null]}}', '{"n": null, "b": true}', '{"a": "", "n": -1e3}');
    my @is    = ({ a => 'x', n => 1.5, more => { k => [ 1, 'two', undef ] } }, { b => true }, { a => '', n => -1000 });
    my %whole = (
        'a.json'   => '[' . join(",\n", @rows) . ']',
        'b.JSON'   => "\xEF\xBB\xBF" . '{"total": 3, "none": [], "names": ["x"], "items": [' . join(',', @rows) . '], "next": {"x": [{"a": 1}]}}',
        'c.ndjson' => join("\n", @rows) . "\n",
        'd.jsonl'  => join(' ', @rows),
        'e.json'   => join("\r\n", @rows),
    );
    for my $name (sort keys %whole) {
        my $file = $i->form($name, $whole{$name});
        status_is $file, 200, $name or diag $file->describe;
        is_deeply [ @{ $file->json }{qw(file_type total_rows headers encoding delimiter has_geometry sheet sheets)} ], [ 'json', 3, [qw(a n more b)], 'utf-8', undef, false, undef, [] ];
        is_deeply [ map { $_->{inferred_type} } @{ $file->json('/columns') } ], [qw(text number json boolean)];
        is_deeply $file->json('/sample_rows')->[0], { a => 'x', n => '1.50', more => '{"k":[1,"two",null]}', b => undef };
        my ($job, $set) = $i->made($file, [ field('a'), field('n', 'number'), field('more', 'json'), field('b', 'boolean') ]);
        is_deeply [ @$job{qw(status total_rows success_count error_count)} ], [ 'completed', 3, 3, 0 ] or diag $json->encode($job);
        is_deeply $i->stored($set), \@is, $name;
    }
    is_deeply [ @{ $i->form('f.jsonl', '{"a": 1}')->json }{qw(total_rows headers)} ], [ 1, ['a'] ], 'one object alone';
    is_deeply [ @{ $i->form('f.json', '[]')->json }{qw(total_rows headers)} ], [ 0, [] ], 'nothing';
    is_deeply $i->form('f.json', '[{"a": 1, " a": 2, "": 3}]')->json('/headers'), [qw(a a_2 column_3)], 'names as those of other tables';
};

subtest 'values are what they are' => sub {
    my @fields = (field('t'), field('n', 'number'), field('d', 'date'), field('b', 'boolean'), field('m', 'multi_select', options => [ 'a', 'b,c' ]), field('j', 'json'), field('e', 'email', required => true));
    my $e = '"e":"a@example.com"';
    my $file = $i->form('v.json', qq([{"t":"=1","n":"12","d":"31.1.2026","b":"yes","m":["a","b,c"],"j":"5",$e},{"t":5,"j":5,$e},{"t":{"x":1},$e},{"n":[1],$e},{"n":"x",$e},{"m":["z"],$e},{"j":[],$e},{"e":""},{},{"t":null},{"j":"",$e}]));
    my ($job, $set) = $i->made($file, \@fields);
    is_deeply $i->stored($set), [ { t => '=1', n => 12, d => '2026-01-31', b => true, m => [ 'a', 'b,c' ], j => '5', e => 'a@example.com' }, { t => '5', j => 5, e => 'a@example.com' }, { j => [], e => 'a@example.com' }, { j => '', e => 'a@example.com' } ];
    is_deeply [ @$job{qw(success_count error_count skipped_count)} ], [ 4, 5, 2 ];
    is_deeply [ map { s/\A(\d+,\w+,).*/$1/r } @{ $i->report($job) } ], [ 'row_number,field,value,error', '3,t,', '4,n,', '5,n,', '6,m,', '8,e,' ], 'rows are counted from 1';
};

subtest 'what is broken' => sub {
    refused('empty', 'a.json', '', qr/empty/);
    refused('blanks', 'a.json', " \n ", qr/empty/);
    refused('a text', 'a.json', '"a"', qr/no array of objects/);
    refused('a csv', 'a.json', "a,b\n", qr/no array of objects/);
    refused('numbers', 'a.json', '[{"a":1},2]', qr/row 2 is no object/);
    refused('cut', 'a.json', '[{"a":1},{"a":2}', qr/row 2 is no valid JSON/);
    refused('cut in a row', 'a.json', '[{"a":1},{"a":2', qr/row 2 is no valid JSON/);
    refused('cut in a text', 'a.json', '[{"a":"x', qr/row 1 is no valid JSON/);
    refused('more behind it', 'a.json', '[{"a":1}] x', qr/no valid JSON/);
    refused('a comma too many', 'a.json', '[{"a":1},]', qr/row 2 is no object/);
    refused('none', 'a.json', '[{"a":1} {"a":1}]', qr/no valid JSON/);
    refused('a line', 'a.ndjson', qq({"a":1}\n{"a":\n), qr/row 2 is no valid JSON/);
    refused('a member twice', 'a.json', '[{"a":1},{"b":1,"a":2,"b":3}]', qr/row 2 is no valid JSON: it .*has a member twice/);
    refused('a member twice, deep', 'a.json', '[{"a":{"b":1,"b":3}}]', qr/row 1 is no valid/);
    refused('a member of the holder twice', 'a.json', '{"x":1,"items":[{"a":1}],"x":2}', qr/no valid JSON/);
    refused("value $_", 'a.json', qq([{"a":$_}]), qr/row 1 is no valid JSON/) for 'NaN', '01', '1.', '1e999', '9223372036854775808', '"\ud800"', '"\u0000"', "\"\x01\"", "\"\xff\"", "'x'", '[' x 32 . ']' x 32;
    status_is $i->form('a.json', '[{"a":' . '[' x 31 . ']' x 31 . '}]'), 200, '32 levels';
    refused('very deep', 'a.json', '[{"a":' . '[' x 100_000, qr/row 1 is no valid JSON/);
    refused('one of more than 4 MiB', 'a.json', '[{"a":"' . 'x' x (4 << 20) . '"}]', qr/row 1 has more than 4 MiB/, 'linked');
    refused('2,001 members', 'a.json', $json->encode([ map { { "k$_" => 1 } } 1 .. 2001 ]), qr/up to row 2001 there are more than 2000/);
};

sub collection ($features, %with) { return $json->encode({ type => 'FeatureCollection', features => $features, %with }) }
sub feature ($geometry, $properties = {}, %with) { return { type => 'Feature', geometry => $geometry, properties => $properties, %with } }
sub point (@at) { return { type => 'Point', coordinates => \@at } }
sub places ($set) { return { map { $_->[0] => $_->[1] } @{ $db->selectall_arrayref(q{SELECT coalesce(r.field_values ->> 'name', ''), postgis.ST_AsText(g.geometry, 4) FROM records r LEFT JOIN record_geometries g ON g.record_id = r.id WHERE r.recordset_id = ?}, undef, $set) } } }

subtest 'GeoJSON: features become records that are where they are' => sub {
    my $bow  = { type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 2, 2 ], [ 2, 0 ], [ 0, 2 ], [ 0, 0 ] ] ] };
    my $file = $i->form('a.geojson', collection([ feature(point(18.1, 59.3), { name => 'a', depth => 7.5 }, id => 'one'), feature($bow, { name => 'b' }), feature(undef, { name => 'c', geometry => 'x' }), feature({ type => 'Polygon', coordinates => [ [ [ 0, 0 ], [ 1, 1 ], [ 1, 0 ] ] ] }, { name => 'd' }), feature(point(1, 2, 3), { name => 'e' }), feature(point(5, 6), undef) ]));
    status_is $file, 200 or diag $file->describe;
    is_deeply [ @{ $file->json }{qw(file_type total_rows headers has_geometry geometry_types)} ], [ 'geojson', 6, [qw(depth name id geometry)], true, [qw(Point Polygon)] ];
    my ($job, $set) = $i->made($file, [ field('name'), field('depth', 'number'), field('geometry') ]);
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 5, 1 ] or diag $json->encode($job);
    my $is = places($set);
    is $is->{a}, 'POINT(18.1 59.3)';
    like $is->{b}, qr/\AMULTIPOLYGON/, 'mended';
    is_deeply [ @$is{qw(c e)} ], [ undef, 'POINT(1 2)' ];
    is_deeply [ map { s/\A(\d+,\w*,).*?(mended|closed|first|four).*/$1$2/r } @{ $i->report($job) } ], [ 'row_number,field,value,error', '2,geometry,mended', '4,geometry,four' ], 'what was mended, and what could not be read' or diag join "\n", @{ $i->report($job) };
    ($job, $set) = $i->made($file, [ field('name', 'text', unique => true), field('id', 'text') ]);
    my $first = $db->selectrow_array(q{SELECT r.id FROM records r WHERE r.recordset_id = ? AND r.field_values ->> 'name' = 'a'}, undef, $set);
    my $moved = $i->form('b.geojson', collection([ feature(point(10, 20), { name => 'a' }), feature($bow, { name => 'new' }), feature(undef, { name => 'e' }) ]));
    $job = $i->ended($ann->post("/api/v1/recordsets/import/recordsets/$set", { file_uri => $moved->json('/file_uri'), field_mappings => { name => 'name' }, mode => 'upsert', match_field => 'name' }));
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 3, 0 ] or diag $json->encode($job);
    $is = places($set);
    is_deeply [ @$is{qw(a e)} ], [ 'POINT(10 20)', 'POINT(1 2)' ], 'a place that is not there changes none';
    like $is->{new}, qr/\AMULTIPOLYGON/;
    is $ann->get("/api/v1/records/$first")->json('/field_values/id'), 'one', 'the id of a feature is a column';
};

subtest 'coordinates of another system' => sub {
    my $crs  = sub ($name) { return { type => 'name', properties => { name => $name } } };
    my @far  = (feature(point(2_011_845.1, 8_250_712.2), { name => 'a' }), feature(point(0, 0), { name => 'b' }));
    for my $name ('urn:ogc:def:crs:EPSG::3857', 'EPSG:3857') {
        my $file = $i->form('a.geojson', collection(\@far, crs => $crs->($name)));
        status_is $file, 200, $name or diag $file->describe;
        my ($job, $set) = $i->made($file, [ field('name') ]);
        my $is = places($set);
        like $is->{a}, qr/\APOINT\(18\.07\d* 59\.3\d*\)\z/, 'degrees';
        is $is->{b}, 'POINT(0 0)';
    }
    status_is $i->form('a.geojson', collection([ feature(point(180, -90)) ], crs => $crs->($_))), 200, $_ for 'urn:ogc:def:crs:OGC:1.3:CRS84', 'EPSG:4326', 'urn:ogc:def:crs:EPSG::4326';
    status_is $i->form('a.geojson', collection([ feature(point(1, 2)) ], crs => undef)), 200, 'none';
    refused('beyond', 'a.geojson', collection([ feature(point(1, 2)), @far ]), qr/row 2 has coordinates beyond 180 and 90 degrees/);
    refused('just beyond', 'a.geojson', collection([ feature({ type => 'GeometryCollection', geometries => [ point(1, 90.0001) ] }) ]), qr/row 1 has coordinates beyond/);
    refused($_, 'a.geojson', collection(\@far, crs => $crs->($_)), qr/crs is none that is known/) for 'EPSG:x', 'urn:x', 'http://example.com/crs';
    refused('a link', 'a.geojson', collection(\@far, crs => { type => 'link', properties => { href => 'https://example.com/' } }), qr/crs is none/);
    error_is $i->form('a.geojson', collection(\@far, crs => $crs->('EPSG:999999'))), 422, 'VALIDATION_ERROR', message => qr/EPSG:999999.* is none that is known/;
    error_is $i->form('a.geojson', collection([ feature(point(1e12, 1e12)) ], crs => $crs->('EPSG:32633'))), 422, 'VALIDATION_ERROR', message => qr/does not reach/;
    refused('a list', 'a.geojson', '[]', qr/no GeoJSON FeatureCollection/);
    refused('one feature', 'a.geojson', $json->encode(feature(point(1, 2))), qr/no GeoJSON FeatureCollection/);
    refused('no type', 'a.geojson', '{"features":[]}', qr/no GeoJSON FeatureCollection/);
    refused('no features', 'a.geojson', '{"type":"FeatureCollection"}', qr/no GeoJSON FeatureCollection/);
    refused('something else', 'a.geojson', collection([ { type => 'Thing' } ]), qr/row 1 is no GeoJSON Feature/);
    refused('no properties', 'a.geojson', collection([ feature(point(1, 2), [1]) ]), qr/row 1 is no GeoJSON Feature/);
};
