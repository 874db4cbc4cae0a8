# Files that become records: how they are uploaded and looked at, what their cells come to, what is refused, and that nothing is there twice.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use Encode 'encode';

my $t    = Api->start(main => 3, slow => 2);
my $db   = $t->db;
my $base = '/api/v1/recordsets/import';
my $none = '01936b1c-2f5e-7a10-8c3d-000000000000';
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});
$t->start_worker(children => 2);

sub path ($url) { return $url =~ s{\Ahttps://[^/]+}{}r }
sub form ($who, $name, $content) {
    my $mark = 'x' x 30;
    my $body = "--$mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"$name\"\r\nContent-Type: text/csv\r\n\r\n$content\r\n--$mark--\r\n";
    return $who->request(POST => "$base/upload", type => "multipart/form-data; boundary=$mark", raw => $body);
}
# A file, sent by a link, and looked at.
sub linked ($who, $name, $content, %with) {
    my $link = $who->post("$base/upload/signed-url", { file_name => $name, content_type => 'text/csv', size_bytes => length $content });
    return $link if $link->status != 200;
    my $sent = $t->client->request(PUT => path($link->json('/upload_url')), type => $link->json('/headers/Content-Type'), raw => $content);
    status_is $sent, 201, "$name is sent";
    return $who->post("$base/upload/analyze", { file_uri => $link->json('/file_uri'), %with });
}
sub shown ($id, $who = $ann) { return $who->get("$base/jobs/$id")->json }
sub ended ($res) {
    status_is $res, 200, 'begun';
    my $job;
    eventually { $job = shown($res->json('/job_id')); $job->{status} =~ /completed|failed|cancelled/ } 60, 'it ends';
    return $job;
}
sub field ($key, $type = 'text', %with) { return { key => $key, type => $type, %with } }
sub values_of ($set) {
    return [ map { $_->{field_values} } reverse @{ $ann->get('/api/v1/records', query => { recordset_id => $set, page_size => 200, sort_by => 'created_at', sort_order => 'desc' })->json('/items') } ];
}
# In the order of the file: those of one batch are as old.
sub stored ($set) { return [ map { $json->decode($_) } @{ $db->selectcol_arrayref('SELECT field_values::text FROM records WHERE recordset_id = ? ORDER BY created_at, id', undef, $set) } ] }
# A file that becomes a recordset whose fields are as its columns look.
sub imported ($content, $fields, %with) {
    my $file = form($ann, 'boats.csv', $content);
    status_is $file, 200, 'read' or diag $file->describe;
    my $res = $ann->post($base, { file_uri => $file->json('/file_uri'), name => 'Boats', schema => { fields => $fields }, field_mappings => { map { $_ => lc } grep { my $k = lc; grep { $_->{key} eq $k } @$fields } @{ $file->json('/headers') } }, %with });
    return (ended($res), $res->json('/recordset_id'), $res);
}
sub report_of ($job) { return $t->nobody->get(path($job->{report_download_url}))->body }

subtest 'a link to upload by' => sub {
    my %file = (file_name => 'boats.csv', content_type => 'text/csv', size_bytes => 10);
    error_is $t->nobody->post("$base/upload/signed-url", \%file), 401, 'AUTHENTICATION_ERROR';
    error_is $vera->post("$base/upload/signed-url", \%file), 403, 'AUTHORIZATION_ERROR', message => qr/can_import_record/;
    error_is $bob->post("$base/upload/signed-url", { %file, size_bytes => (100 << 20) + 1 }), 413, 'PAYLOAD_TOO_LARGE';
    error_is $bob->post("$base/upload/signed-url", { %file, file_name => $_ }), 415, 'UNSUPPORTED_MEDIA_TYPE', name => $_ for 'boats.pdf', 'csv', 'boats.xls';
    error_is $bob->post("$base/upload/signed-url", { %file, @$_ }), 422, 'VALIDATION_ERROR', field => $_->[0] for [ size_bytes => 0 ], [ size_bytes => undef ], [ content_type => 'csv' ], [ file_name => '' ];
    my $res = $bob->post("$base/upload/signed-url", { %file, size_bytes => 100 << 20 });
    status_is $res, 200;
    json_is $res, '', { upload_url => qr{\Ahttps://}, method => 'PUT', headers => { 'Content-Type' => 'text/csv' }, file_uri => qr/\Aupload:/, expires_at => qr/\A20/, max_size_bytes => 104857600 };
    error_is $bob->post("$base/upload/analyze", { file_uri => $res->json('/file_uri') }), 409, 'CONFLICT', name => 'not yet there';
};

subtest 'what is in a file' => sub {
    my $text = "Place,Depth,Seen on,\xEF\xBB\xBFNote,Place\r\nOff the mole,7.5,2026-01-31,\"two\r\nlines, a comma and \"\"quotes\"\"\",a\r\nUnder the pier,3,2026-02-01,,b\r\n";
    my $res  = linked($bob, 'soundings.csv', $text);
    status_is $res, 200;
    my $got = $res->json;
    is_deeply [ @$got{qw(file_name file_type file_size total_rows delimiter encoding has_geometry geometry_types)} ], [ 'soundings.csv', 'csv', length $text, 2, ',', 'utf-8', false, [] ];
    is_deeply $got->{headers}, [ 'Place', 'Depth', 'Seen on', "\x{feff}Note", 'Place_2' ], 'no name twice';
    is_deeply [ map { $_->{inferred_type} } @{ $got->{columns} } ], [qw(text number date text text)];
    is_deeply [ map { $_->{suggested_key} } @{ $got->{columns} } ], [qw(place depth seen_on note place_2)];
    is_deeply $got->{columns}[0], { name => 'Place', suggested_key => 'place', inferred_type => 'text', sample_values => [ 'Off the mole', 'Under the pier' ], null_count => 0, unique_count => 2, options => [], date_format => undef, decimal => '.' };
    is $got->{columns}[3]{null_count}, 1;
    is $got->{sample_rows}[0]{"\x{feff}Note"}, "two\r\nlines, a comma and \"quotes\"";
    my $again = $bob->post("$base/upload/analyze", { file_uri => $got->{file_uri}, file_name => 'others.csv' });
    is_deeply $again->json, { %$got, file_name => 'others.csv' }, 'as often as one likes';
    error_is $bob->post("$base/upload/analyze", { file_uri => $got->{file_uri}, file_name => 'others.pdf' }), 415, 'UNSUPPORTED_MEDIA_TYPE';
    error_is $_->[0]->post("$base/upload/analyze", { file_uri => $_->[1] }), 404, 'NOT_FOUND', field => 'file_uri' for [ $eve, $got->{file_uri} ], [ $bob, "upload:$none" ], [ $bob, 'upload:me' ], [ $bob, 'https://example.com/' ];
    my $form = form($bob, 'soundings.csv', $text);
    status_is $form, 200, 'the same in a form';
    is_deeply { %{ $form->json }, file_uri => 'x' }, { %$got, file_uri => 'x' };
    error_is form($bob, 'soundings.pdf', $text), 415, 'UNSUPPORTED_MEDIA_TYPE';
    error_is form($vera, 'soundings.csv', $text), 403, 'AUTHORIZATION_ERROR';
};

subtest 'encodings, delimiters and what is broken' => sub {
    my $look = sub ($bytes) { my $res = form($bob, 'f.csv', $bytes); return $res->status == 200 ? $res->json : $res };
    my $text = "Name;Größe\r\nÄnne;1,5\r\n";
    for my $case ([ 'utf-8', encode('UTF-8', $text) ], [ 'utf-8', "\xEF\xBB\xBF" . encode('UTF-8', $text) ], [ 'utf-16le', "\xFF\xFE" . encode('UTF-16LE', $text) ], [ 'utf-16be', "\xFE\xFF" . encode('UTF-16BE', $text) ],
        [ 'windows-1252', encode('cp1252', $text) ]) {
        my $got = $look->($case->[1]);
        is_deeply [ @$got{qw(encoding delimiter headers)}, $got->{sample_rows} ], [ $case->[0], ';', [ 'Name', 'Größe' ], [ { Name => 'Änne', 'Größe' => '1,5' } ] ], $case->[0];
        is_deeply [ @{ $got->{columns}[1] }{qw(inferred_type decimal)} ], [ 'number', ',' ];
    }
    is $look->("a${_}b\n1${_}2\n")->{delimiter}, $_, 'a delimiter' for ',', ';', "\t", '|';
    is_deeply $look->("a\r1\r2\r")->{total_rows}, 2, 'carriage returns alone';
    is_deeply $look->("a,b\n1,2")->{sample_rows}, [ { a => '1', b => '2' } ], 'no line feed at the end';
    is_deeply $look->("a,,b,\n")->{headers}, [qw(a column_2 b column_4)], 'a header alone';
    is_deeply $look->("a,a,a_2\n")->{headers}, [qw(a a_2 a_2_2)];
    is $look->("a,b\n,\n1,2\n\n")->{total_rows}, 1, 'blank rows are none';
    my $error = sub ($bytes, $message) { error_is $look->($bytes), 400, 'BAD_REQUEST', message => $message };
    $error->('', qr/empty/);
    $error->("\n\n", qr/empty/);
    $error->("\0\1\2\3", qr/no text/);
    $error->("a,b\n1,\"2\n3,4\n5,6\n", qr/quote that begins in line 2 does not end/);
    $error->("a,b\n\"1\n2\",3\n\n4,\"\n" . "x\n" x 10, qr/line 5/);
    $error->("\xEF\xBB\xBFa\n\xff\n", qr/encoding/);
    $error->(join(',', ('a') x 2001) . "\n", qr/2000 columns/);
};

subtest 'what a column looks like' => sub {
    my $type = sub (@values) { my $c = form($bob, 'f.csv', encode('UTF-8', "v\n" . join '', map { /[,"\n]/ ? '"' . s/"/""/gr . "\"\n" : "$_\n" } @values))->json('/columns/0'); return join ' ', grep { defined } @$c{qw(inferred_type date_format)} };
    my @cases = (
        [ number => 1, -2, '3.5', '+4', '1e3', '(5)' ], [ text => '007', 1 ], [ text => '1234567890123456' ], [ number => '123456789012345' ], [ number => '1,234.5', '2' ], [ number => '1.234,5', '2' ], [ text => '1,234' ], [ number => '1,5' ],
        [ number => "1\x{a0}234,5" ], [ currency => '$5.00', '-$6' ], [ currency => "7,50 €" ], [ percent => '5%', '6.5 %' ], [ text => '5%', 6 ], [ boolean => 'yes', 'No', 'TRUE' ], [ number => 0, 1 ],
        [ date => '2026-01-31', '2026-2-1' ], [ text => '01/02/2026' ], [ 'date dmy' => '01/02/2026', '31/01/2026' ], [ 'date mdy' => '01/02/2026', '01/31/2026' ], [ text => '31/01/2026', '01/31/2026' ], [ date => '1.2.2026' ], [ date => '31 Jan 2026', 'February 1, 2026' ],
        [ text => '2026-02-30' ], [ datetime => '2026-01-31 09:30', '2026-01-31T09:30:00Z' ], [ email => 'a@example.com' ], [ text => 'a@b' ], [ url => 'https://example.com/x' ], [ phone => '+49 151 234567' ], [ phone => '0151 234567' ], [ phone => '01512345678' ],
        [ long_text => 'x' x 256 ], [ text => 'x' x 255 ], [ select => map { ('red', 'green') } 1 .. 25 ], [ text => map { ('red', 'green') } 1 .. 24 ],
    );
    is $type->(@$_[ 1 .. $#$_ ]), $_->[0], encode('UTF-8', join ' ', map { substr $_, 0, 20 } @$_[ 0 .. ($#$_ < 3 ? $#$_ : 3) ]) for @cases;
    is form($bob, 'f.csv', "Latitude,lng,Phone\n48.1,11.5,1234567\n")->json("/columns/$_->[0]/inferred_type"), $_->[1] for [ 0, 'latitude' ], [ 1, 'longitude' ], [ 2, 'phone' ];
};

subtest 'a recordset of a file' => sub {
    my @fields = (field('place', 'text', required => true), field('depth', 'number'), field('on', 'date'), field('at', 'datetime'), field('is_wreck', 'boolean'), field('ground', 'select', options => [qw(sand mud)]), field('uses', 'multi_select', options => [qw(a b c)]), field('mail', 'email'), field('number'), field('kind', 'text', default => 'sounding'));
    my $file = form($ann, 'soundings.csv', "Place,Depth,On,At,Is_Wreck,Ground,Uses,Mail,Number,Other\n"
        . "Off the mole,7.50,31/01/2026,2026-01-31 09:30,yes,sand,a; c,Ann\@Example.com,00123,x\n" . " blanks ,,,,,,,,,\n" . "Pier,1e2,01/02/2026,2026-01-31T09:30:00+02:00,0,mud,b,,1234567890123456789,\n");
    my %body = (file_uri => $file->json('/file_uri'), name => 'Soundings', schema => { fields => \@fields, title_field => 'place' }, field_mappings => { map { $_ => lc } qw(Place Depth On At Is_Wreck Ground Uses Mail Number) });
    error_is $t->nobody->post($base, \%body), 401, 'AUTHENTICATION_ERROR';
    error_is $vera->post($base, \%body), 403, 'AUTHORIZATION_ERROR';
    error_is $eve->post($base, \%body), 404, 'NOT_FOUND', field => 'file_uri', name => 'a file of another workspace';
    error_is $ann->post($base, { %body, file_uri => "upload:$none" }), 404, 'NOT_FOUND';
    error_is $ann->post($base, { %body, field_mappings => { Nothing => 'place' } }), 400, 'BAD_REQUEST', field => 'field_mappings', message => qr/no column Nothing/;
    error_is $ann->post($base, { %body, field_mappings => { Place => 'nothing' } }), 400, 'BAD_REQUEST', field => 'field_mappings', message => qr/no field nothing/;
    error_is $ann->post($base, { %body, field_mappings => { Place => 'place', Depth => 'place' } }), 400, 'BAD_REQUEST', field => 'field_mappings', message => qr/both place/;
    error_is $ann->post($base, { %body, field_mappings => { Depth => 'depth' } }), 422, 'VALIDATION_ERROR', field => 'field_mappings', message => qr/place, which is required/;
    error_is $ann->post($base, { %body, schema => { fields => [ field('K') ] } }), 422, 'VALIDATION_ERROR', field => qr/schema/;
    is $db->selectrow_array('SELECT count(*) FROM recordsets'), 0, 'nothing is made by what is refused';
    my $res = $ann->post($base, \%body);
    json_is $res, '', { recordset_id => $UUID, recordset_slug => 'soundings', job_id => $UUID, status => 'queued', status_url => qr{\A\Q$base\E/jobs/} };
    my $job = ended($res);
    is_deeply [ @$job{qw(status progress total_rows processed_rows success_count error_count skipped_count error_message report_download_url)} ], [ 'completed', 100, 3, 3, 3, 0, 0, undef, undef ] or diag $json->encode($job);
    is_deeply stored($res->json('/recordset_id')), [
        { place => 'Off the mole', depth => 7.5, on => '2026-01-31', at => '2026-01-31T09:30:00Z', is_wreck => true, ground => 'sand', uses => [ 'a', 'c' ], mail => 'ann@example.com', number => '00123', kind => 'sounding' },
        { place => ' blanks ', kind => 'sounding' },
        { place => 'Pier', depth => 100, on => '2026-02-01', at => '2026-01-31T07:30:00Z', is_wreck => false, ground => 'mud', uses => ['b'], number => '1234567890123456789', kind => 'sounding' },
    ];
    my $set = $ann->get('/api/v1/recordsets/soundings')->json;
    is $set->{record_count}, 3;
    is $set->{schema}{title_field}, 'place';
    my $records = $ann->get('/api/v1/records', query => { recordset_id => $set->{id}, search => 'mole' })->json('/items');
    is_deeply [ map { [ @$_{qw(title version status)}, $_->{created_by}{id} ] } @$records ], [ [ 'Off the mole', 1, 'active', $w->member_id('ann') ] ], 'records like others';
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.imported' AND metadata ->> 'count' = '3'}), 1, 'one activity';
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.created'}), 0;
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'import_completed' AND member_id = ?}, undef, $w->member_id('ann')), 1, 'who started it is told';
};

subtest 'rows that do not fit' => sub {
    my $text = "Place,Depth\n" . join '', map { $_ % 7 ? "p$_,$_\n" : $_ % 2 ? "p$_,deep\n" : ",$_\n" } 1 .. 1200;
    my ($job, $set) = imported($text, [ field('place', 'text', required => true), field('depth', 'number') ]);
    my $bad = grep { !($_ % 7) } 1 .. 1200;
    is_deeply [ @$job{qw(status total_rows success_count error_count)} ], [ 'completed', 1200, 1200 - $bad, $bad ];
    is_deeply [ sort { $a <=> $b } map { $_->{depth} } @{ stored($set) } ], [ grep { $_ % 7 } 1 .. 1200 ], 'the others are there, each once';
    my $summary = $job->{validation_summary};
    is_deeply [ @$summary{qw(total_rows valid_rows invalid_rows)} ], [ 1200, 1200 - $bad, $bad ];
    is_deeply $summary->{errors_by_field}, { depth => (scalar grep { !($_ % 7) && $_ % 2 } 1 .. 1200), place => (scalar grep { !($_ % 14) } 1 .. 1200) };
    is scalar @{ $summary->{sample_errors} }, 20;
    is_deeply $summary->{sample_errors}[0], { row_number => 8, field => 'depth', value => 'deep', error => 'it must be a number of at most 15 digits, and no zeros in front' };
    my @lines = split /\r\n/, report_of($job);
    is $lines[0], 'row_number,field,value,error';
    is scalar @lines, $bad + 1, 'the report has each of them';
    is $lines[2], '15,place,,it is required';

    ($job, $set) = imported($text, [ field('place', 'text', required => true), field('depth', 'number') ], skip_invalid_rows => false);
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'failed', 6, 1 ], 'or the first one ends it';
    like $job->{error_message}, qr/a row was refused/;
    ($job, $set) = imported("a,b\n1,2,3\n4\n5,6,\n", [ field('a'), field('b') ]);
    is_deeply [ @$job{qw(success_count error_count)} ], [ 2, 1 ], 'more cells than the header has';
    is_deeply stored($set), [ { a => '4' }, { a => '5', b => '6' } ];
    ($job, $set) = imported("a\n", [ field('a') ]);
    is_deeply [ @$job{qw(status total_rows success_count report_download_url)} ], [ 'completed', 0, 0, undef ], 'a header alone';
    ($job, $set) = imported("a\n" . ('x' x 70000) . "\n" . ('"' . ("\x01" x 50000) . '"') . "\ny\n", [ field('a', 'long_text') ]);
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 2, 1 ], 'a record too large is one row\'s error' or diag $json->encode($job);
    like report_of($job), qr/256 KiB/;
    ($job, $set) = imported(qq{a,b\n=1+1,-5\n"+x",=2\n}, [ field('a'), field('b', 'number') ]);
    like report_of($job), qr/\r\n3,b,'=2,/, 'nothing in a report is a formula';
    is_deeply stored($set), [ { a => '=1+1', b => -5 } ], 'a record has what was written';
};

subtest 'into a recordset that there is' => sub {
    my $set  = $ann->post('/api/v1/recordsets', { name => 'Pots', schema => { fields => [ field('a'), field('when', 'date'), field('n', 'number') ] } })->json('/id');
    my $file = form($ann, 'pots.csv', "A,When,N\nx,01/02/2026,\"1,234\"\n")->json('/file_uri');
    my %body = (file_uri => $file, field_mappings => { A => 'a', When => 'when', N => 'n' });
    my $into = "$base/recordsets/$set";
    error_is $vera->post($into, \%body), 403, 'AUTHORIZATION_ERROR';
    error_is $carl->post($into, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_create/;
    error_is $eve->post($into, \%body), 404, 'NOT_FOUND';
    error_is $ann->post("$base/recordsets/$none", \%body), 404, 'NOT_FOUND';
    error_is $ann->post($into, { %body, field_mappings => { A => 'b' } }), 400, 'BAD_REQUEST', field => 'field_mappings';
    my $job = ended($ann->post($into, \%body));
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 0, 1 ], 'what could be two things is neither';
    like report_of($job), qr/2,when,01\/02\/2026,it must be a date of which date_format says/;
    is $ann->post($into, { %body, date_format => 'mdy', decimal => '.' })->status, 200;
    eventually { @{ stored($set) } == 1 } 30, 'it is there';
    is_deeply stored($set), [ { a => 'x', when => '2026-01-02', n => 1234 } ], 'unless one says which';
    $db->do('UPDATE recordsets SET is_virtual = true WHERE id = ?', undef, $set);
    error_is $ann->post($into, \%body), 409, 'CONFLICT';
};

subtest 'records that there are change, by a unique field' => sub {
    my $set  = $ann->post('/api/v1/recordsets', { name => 'Berths', schema => { fields => [ field('nr', 'text', unique => true), field('name', 'text', required => true), field('depth', 'number'), field('kind', 'text', default => 'pier') ] } })->json('/id');
    my $make = sub (%values) { return $ann->post('/api/v1/records', { recordset_id => $set, field_values => \%values })->json('/id') };
    my $old  = $make->(nr => 'A1', name => 'old', depth => 3, kind => 'quay');
    my $same = $make->(nr => 'A2', name => 'same');
    my $file = form($ann, 'berths.csv', "Nr,Name,Depth\nA1,new,\nA2,same,\nA3,third,5\nA4,,\nA1,again,7\n,none,\nA3,twice,\n" . join('', map { "B$_,b,1\n" } 1 .. 600) . "A3,later,9\n")->json('/file_uri');
    my %body = (file_uri => $file, field_mappings => { Nr => 'nr', Name => 'name', Depth => 'depth' }, mode => 'upsert', match_field => 'nr');
    my $into = "$base/recordsets/$set";
    error_is $ann->post($into, { %body, match_field => $_ }), 400, 'BAD_REQUEST', field => 'match_field', name => $_ for 'depth', 'nothing';
    error_is $ann->post($into, { map { $_ => $body{$_} } grep { $_ ne 'match_field' } keys %body }), 400, 'BAD_REQUEST', field => 'match_field';
    error_is $ann->post($into, { %body, field_mappings => { Name => 'name' } }), 400, 'BAD_REQUEST', field => 'match_field', name => 'no column of it';
    error_is $ann->post($into, { %body, mode => 'replace' }), 422, 'VALIDATION_ERROR', field => 'mode';
    status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id('carl'), can_create => true }), 201;
    error_is $carl->post($into, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/;
    my $job = ended($ann->post($into, \%body));
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 603, 5 ] or diag $json->encode($job);
    my %is = map { $_->{nr} => $_ } @{ stored($set) };
    is scalar keys %is, 603, 'each value once';
    is_deeply [ @is{qw(A1 A2 A3)} ], [ { nr => 'A1', name => 'new', depth => 3, kind => 'quay' }, { nr => 'A2', name => 'same', kind => 'pier' }, { nr => 'A3', name => 'third', depth => 5, kind => 'pier' } ], 'a blank cell changes nothing; a new record has defaults';
    is $ann->get("/api/v1/records/$old")->json('/version'), 2, 'a version more';
    is $ann->get("/api/v1/records/$same")->json('/version'), 1, 'where something changed';
    my $report = report_of($job);
    is $report, join('', map { "$_\r\n" } 'row_number,field,value,error', '5,name,,it is required', '6,nr,,a row before has the same value', '7,nr,,it is required', '8,nr,,nr is that of another record', '609,nr,,a row before has the same value');
};

subtest 'an import that is only tried' => sub {
    my $set  = $ann->post('/api/v1/recordsets', { name => 'Trial', schema => { fields => [ field('nr', 'text', unique => true), field('name', 'text', required => true), field('depth', 'number'), field('mail', 'email', unique => true) ] } })->json('/id');
    my $make = sub (%values) { return $ann->post('/api/v1/records', { recordset_id => $set, field_values => \%values })->json('/id') };
    $make->(nr => 'A1', name => 'old', depth => 3);
    $make->(nr => 'A2', name => 'same');
    my $text = "Nr,Name,Depth,Mail\nA1,new,,\nA2,same,,\nA3,third,5,x\@example.com\nA4,,,\nA5,a,deep,\nA3,twice,,\n,,,\nA6,b,,x\@example.com\n"
        . join('', map { "B$_,b,1,\n" } 1 .. 600) . "A1,later,9,\nB7,b,2,\nC1,c,,x\@example.com\n";
    my $file = form($ann, 'trial.csv', $text)->json('/file_uri');
    my %body = (file_uri => $file, field_mappings => { Nr => 'nr', Name => 'name', Depth => 'depth', Mail => 'mail' });
    my $into = "$base/recordsets/$set";
    error_is $t->nobody->post($into, { %body, dry_run => true }), 401, 'AUTHENTICATION_ERROR';
    error_is $carl->post($into, { %body, dry_run => true }), 403, 'AUTHORIZATION_ERROR', name => 'who may not do it may not try it';
    error_is $ann->post($into, { %body, dry_run => 'yes' }), 422, 'VALIDATION_ERROR', field => 'dry_run';
    my $facts = sub { return $db->selectall_arrayref(q{SELECT (SELECT count(*) FROM activities), (SELECT count(*) FROM notifications), (SELECT count(*) FROM audit_events),
        (SELECT count(*) FROM record_keys), (SELECT sum(count) FROM recordset_counts), (SELECT jsonb_object_agg(id, (version, field_values)) FROM records)}) };
    my $before = $facts->();
    for my $case ([ append => {} ], [ upsert => { mode => 'upsert', match_field => 'nr' } ]) {
        my $tried = ended($ann->post($into, { %body, %{ $case->[1] }, dry_run => true }));
        is_deeply $facts->(), $before, "$case->[0]: nothing is written, nobody is told";
        is $tried->{dry_run}, true;
        is $db->selectrow_array('SELECT count(*) FROM record_run_keys'), 0, '  nothing is left of it';
        is $db->selectrow_array('SELECT count(*) FROM record_run_batches WHERE record_ids <> ?', undef, '{}'), $db->selectrow_array('SELECT count(*) FROM record_run_batches b JOIN record_runs r ON r.id = b.run_id WHERE record_ids <> ? AND NOT record_run_is_dry(r.options)', undef, '{}');
        my $twin = $ann->post('/api/v1/recordsets', { name => "Twin $case->[0]", schema => { fields => $ann->get("/api/v1/recordsets/$set")->json('/schema/fields') } })->json('/id');
        $ann->post('/api/v1/records', { recordset_id => $twin, field_values => $_ }) for { nr => 'A1', name => 'old', depth => 3 }, { nr => 'A2', name => 'same' };
        my $done = ended($ann->post("$base/recordsets/$twin", { %body, %{ $case->[1] } }));
        is $done->{dry_run}, false;
        is_deeply $tried->{validation_summary}, $done->{validation_summary}, '  what is said of it is what comes of it' or diag $json->encode([ $tried->{validation_summary}, $done->{validation_summary} ]);
        is report_of($tried), report_of($done), '  row by row';
        is_deeply [ @$tried{qw(status total_rows success_count error_count skipped_count)} ], [ @$done{qw(status total_rows success_count error_count skipped_count)} ];
        is_deeply [ @{ $tried->{validation_summary} }{qw(created_rows updated_rows unchanged_rows invalid_rows)} ], $case->[0] eq 'append' ? [ 601, 0, 0, 9 ] : [ 601, 1, 1, 7 ], '  counted';
        $before = $facts->();
    }
};

subtest 'a schema that changes while rows are written' => sub {
    $t->{pool}{worker}->stop('TERM', 15);
    my $set = $ann->post('/api/v1/recordsets', { name => 'Moved', schema => { fields => [ field('n', 'number') ] } })->json('/id');
    my $res = $ann->post("$base/recordsets/$set", { file_uri => form($ann, 'moved.csv', "N\n5\nfive\n" . join '', map { "$_\n" } 6 .. 700)->json('/file_uri'), field_mappings => { N => 'n' } });
    my $lock = $t->lock('SELECT FROM recordsets WHERE id = ? FOR UPDATE', $set);
    $lock->do(q{UPDATE recordsets SET fields = jsonb_set(fields, '{0,type}', '"text"'), schema_version = schema_version + 1 WHERE id = ?}, undef, $set);
    $t->start_worker(children => 1);
    eventually { $t->waiting } 60, 'the first batch waits for who changes it';
    $lock->commit;
    my $job = ended($res);
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 697, 0 ], 'all of it is read by the new one' or diag $json->encode($job);
    is $db->selectrow_array(q{SELECT count(*) FROM records WHERE recordset_id = ? AND jsonb_typeof(field_values -> 'n') = 'string'}, undef, $set), 697;
    is $db->selectrow_array(q{SELECT attempts FROM jobs WHERE kind = 'record.import' ORDER BY created_at DESC LIMIT 1}), 1, 'within the same attempt';
};

subtest 'who may not any more, a file that went, and a run that is cancelled' => sub {
    $t->{pool}{worker}->stop('TERM', 15);
    my $set = $ann->post('/api/v1/recordsets', { name => 'Nets', schema => { fields => [ field('a') ] } })->json('/id');
    status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id('bob'), can_create => true }), 201;
    my $file  = form($bob, 'nets.csv', "a\n1\n2\n")->json('/file_uri');
    my $start = sub { return $bob->post("$base/recordsets/$set", { file_uri => $file, field_mappings => { a => 'a' } })->json('/job_id') };
    my @jobs  = map { $start->() } 1 .. 2;
    status_is $bob->post("$base/jobs/$jobs[0]/cancel"), 200;
    status_is $ann->delete("/api/v1/recordsets/$set/access/members/@{[ $w->member_id('bob') ]}"), 204;
    $t->start_worker(children => 1);
    eventually { shown($jobs[1])->{status} eq 'failed' } 30, 'who may not any more';
    like shown($jobs[1])->{error_message}, qr/no right/;
    is shown($jobs[0])->{status}, 'cancelled';
    is_deeply stored($set), [], 'nothing was written';
    my ($object) = $db->selectrow_array('SELECT object_id FROM record_uploads WHERE id = ?', undef, $file =~ s/upload://r);
    is $db->selectrow_array('SELECT record_uploads_tend(1000)'), 0, 'files stay for a day';
    $db->do(q{UPDATE record_uploads SET used_at = now() - interval '25 hours'});
    cmp_ok $db->selectrow_array('SELECT record_uploads_tend(1000)'), '>', 1, 'and no longer';
    is $db->selectrow_array('SELECT count(*) FROM record_uploads'), 0;
    isnt $db->selectrow_array('SELECT state FROM stored_objects WHERE id = ?', undef, $object) // 'gone', 'stored';
};
