# Workbooks that become records: what their cells come to, as other programs write them, and what is made to break who reads it.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Import;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use MIME::Base64 'decode_base64';

my $t    = Api->start(main => 2, slow => 2);
my $db   = $t->db;
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $w    = workspace($t, ann => 'owner', vera => 'viewer');
my $i    = imports($t, $w->{ann});
$t->start_worker(children => 2);

sub field ($key, $type = 'text', %with) { return { key => $key, type => $type, %with } }
sub run_node ($arg) { open my $out, '-|', 'node', 't/clients/workbooks.mjs', $arg or die "node: $!\n"; binmode $out; local $/ = undef; return <$out> }
my %made = %{ $json->decode(run_node('')) };
$_ = decode_base64($_) for values %made;

# A workbook whose sheet has these rows.
my $ns    = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"';
my $types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>';
my $rel   = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
my $rels  = qq{<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" Type="$rel/worksheet" Target="sheets/one.xml"/><Relationship Id="b" Type="$rel/sharedStrings" Target="/xl/texts.xml"/><Relationship Id="c" Type="$rel/styles" Target="../xl/./styles.xml"/></Relationships>};
my $main  = qq{<x:workbook xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="$rel"><x:sheets><x:sheet name="One &amp; only" sheetId="7" r:id="a"/></x:sheets></x:workbook>};
sub sheet ($rows, $behind = '') { return "<worksheet $ns><dimension ref=\"A1:XFD1048576\"/><sheetData>$rows</sheetData>$behind</worksheet>" }
sub book ($sheet, %other) {
    my %parts = ('[Content_Types].xml' => $types, 'xl/workbook.xml' => $main, 'xl/_rels/workbook.xml.rels' => $rels, 'xl/sheets/one.xml' => $sheet, %other);
    return zip_of(map { $_ => $parts{$_} } grep { defined $parts{$_} } sort keys %parts);
}
sub texts (@rows) { my $n = 0; return sheet(join '', map { my $r = ++$n; "<row r=\"$r\">" . join('', map { "<c t=\"inlineStr\"><is><t>$_</t></is></c>" } @$_) . '</row>' } @rows) }

subtest 'dates, by the format of their cells' => sub {
    my %is = (
        dates     => [ '00:00:00', '1900-01-01', '1900-02-28', '1900-02-29', '1900-03-01', '2026-01-31', '2026-01-31T09:30:00', '2026-01-31', '2026-01-31T12:00:00', '18:00:00', '30:00:00', '00:00:50', '2026-01-31',
            '46053', '46053', '46053', '46053.25', '9999-12-31', '2958466', '-1', '2026-01-31', '2026-01-31T23:59:59.999', '2' ],
        dates1904 => [ '1904-01-01', '1904-01-02', '1904-02-29', '1904-03-01', '1904-03-02', '2030-02-01', '2030-02-01T09:30:00', '2030-02-01', '2030-02-01T12:00:00', '18:00:00', '30:00:00', '00:00:50', '2030-02-01',
            '46053', '46053', '46053', '46053.25', '2958465', '2958466', '-1', '2030-02-01', '2030-02-01T23:59:59.999', '2' ],
    );
    for my $name (sort keys %is) {
        my $file = $i->form("$name.xlsx", $made{$name});
        status_is $file, 200, $name or diag $file->describe;
        json_is $file, '/total_rows', 23;
        my ($job, $set) = $i->made($file, [ field('format'), field('value') ]);
        my @got = map { $_->{value} } @{ $i->stored($set) };
        is_deeply \@got, $is{$name}, "as text: $name";
    }
    my ($job, $set) = $i->made($i->form('dates.xlsx', $made{dates}), [ field('format'), field('value', 'datetime') ]);
    my %got = map { $_->{format} => $_->{value} } @{ $i->stored($set) };
    is $got{'d.m.yy'}, '2026-01-31T09:30:00Z', 'a time has no zone there, and is UTC here';
    is_deeply [ grep { /1900-02-29/ } @{ $i->report($job) } ], ['5,value,1900-02-29,it must be a time'], 'a day that 1900 did not have is none';
};

subtest 'texts, formulas, errors, merged cells, and cells that are only styled' => sub {
    my $first = $i->form('cells.xlsx', $made{cells});
    is_deeply [ @{ $first->json }{qw(file_type sheet sheets headers total_rows encoding delimiter)} ], [ 'xlsx', 'First', [ 'First', 'Real one' ], ['nothing'], 0, 'utf-8', undef ], 'the first sheet, if none is named';
    error_is $i->again($first, sheet => $_), 400, 'BAD_REQUEST', message => qr/no such sheet/ for 'Real', 'real one', '3', '0', '02x';
    error_is $i->again($first, sheet => $_), 422, 'VALIDATION_ERROR', field => 'sheet' for '', 'x' x 101;
    my $file = $i->again($first, sheet => 'Real one');
    is_deeply $i->again($first, sheet => '2')->json, $file->json, 'by name or number';
    is_deeply [ @{ $file->json }{qw(sheet headers total_rows)} ], [ 'Real one', [qw(Place Depth Sum Is Link)], 5 ], 'nothing is counted that is only styled';
    is_deeply [ map { $_->{inferred_type} } @{ $file->json('/columns') } ], [qw(text number text boolean text)];
    is_deeply $file->json('/sample_rows')->[1], { Place => '  blanks  ', Depth => undef, Sum => undef, Is => 'false', Link => undef }, 'an error is no value';
    my @fields = (field('place'), field('depth', 'number'), field('sum', 'json'), field('is', 'boolean'), field('link'));
    my ($job, $set) = $i->made($file, \@fields);
    is_deeply [ @$job{qw(status total_rows success_count error_count)} ], [ 'completed', 5, 5, 0 ] or diag $json->encode($job);
    is_deeply $i->stored($set), [
        { place => 'Off the mole', depth => 7.5, sum => 15, is => true, link => 'site' },
        { place => '  blanks  ', is => false },
        { place => qq{& <b> "q"\ttab\ncr}, depth => 0.30000000000000004, sum => 'text x', is => true },
        { place => 'merged' },
        { place => 'sparse', is => true },
    ], 'formulas are what they came to; the value of merged cells is there once';
    is_deeply $i->report($job), [ 'row_number,field,value,error', '3,depth,#N/A,"it is an error in the spreadsheet, and left out"', '3,sum,#DIV/0!,"it is an error in the spreadsheet, and left out"',
        '5,place,A5:B6,"these cells are merged: the value is the first one\'s, and the others are blank"' ], 'errors and merged cells are reported';
    ($job) = $i->made($file, [ field('place', 'text', required => true), field('depth', 'number', required => true) ]);
    is_deeply [ @$job{qw(success_count error_count)} ], [ 2, 3 ];
    ($job) = $i->made($file, [ field('depth', 'number') ], skip_invalid_rows => false);
    is $job->{status}, 'completed', 'what is only reported ends nothing';
};

subtest 'as SheetJS writes them: the header is where the first row is, and covered cells may have values' => sub {
    for my $name ('sheetjs', 'sheetjs_shared') {
        my ($job, $set) = $i->made($i->form('s.XLSX', $made{$name}), [ field('a'), field('b', 'number'), field('when', 'date') ]);
        is_deeply $i->stored($set), [ { a => 'x', when => '2026-01-31' }, { a => 'y', b => 2 } ], $name;
        is_deeply [ map { s/,"?these cells are merged.*//r } @{ $i->report($job) } ], [ 'row_number,field,value,error', '4,a,A4:B4' ], 'rows are called by their number in the sheet';
    }
};

subtest 'what the format allows' => sub {
    my $strings = '<x:sst xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:si><x:t>A</x:t></x:si><x:si/><x:si><x:r><x:t xml:space="preserve">rich </x:t></x:r><x:r><x:t>text</x:t></x:r><x:rPh sb="0" eb="1"><x:t>no</x:t></x:rPh></x:si><x:si><x:t>a_x000D_b_x005F_x0041_</x:t></x:si></x:sst>';
    my $styles  = "<styleSheet $ns><numFmts><numFmt numFmtId=\"164\" formatCode=\"yyyy&quot;y&quot;\"/><numFmt numFmtId=\"165\" formatCode=\"0&quot;day&quot;\"/></numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs><xf/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>";
    my $rows    = '<row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>B</t></is></c><c r="D1" t="str"><v>D</v></c></row><row r="3"><c r="A3" t="s"><v>2</v></c><c t="s"><v>1</v></c><c r="D3" s="1"><v>46053</v></c></row>'
        . '<row r="7"><c r="D7" s="2"><v>46053</v></c><c r="A7" t="s"><v>3</v></c><c r="B7"><f>NOW()</f></c></row><row r="8"><c r="A8" s="3"><v>46053</v></c><c r="B8"><v> 1.50E1 </v></c><c r="D8" s="99"><v>1e-7</v></c></row>';
    my $file = $i->form('m.xlsm', book(sheet($rows), 'xl/texts.xml' => $strings, 'xl/styles.xml' => $styles));
    status_is $file, 200 or diag $file->describe;
    is_deeply $file->json('/headers'), [qw(A B column_3 D)], 'a blank one has a name of its own';
    json_is $file, '/sheet', 'One & only';
    my ($job, $set) = $i->made($file, [ field('a'), field('b', 'json'), field('d') ]);
    is_deeply $i->stored($set), [ { a => 'rich text', d => '2026-01-31' }, { a => "a\rb_x0041_", d => '46053' }, { a => '2026-01-31', b => 15, d => '1e-07' } ], 'cells are where they say that they are';
    is_deeply $i->form('h.xlsx', book(texts(['a'])))->json('/headers'), ['a'], 'a header alone, and no part for texts or styles';
    my $wide = join '', map { "<c t=\"inlineStr\"><is><t>c$_</t></is></c>" } 1 .. 2000;
    status_is $i->form('w.xlsx', book(sheet("<row>$wide<c s=\"1\"/></row>"))), 200, '2,000 columns';
    error_is $i->form('w.xlsx', book(sheet("<row>$wide<c><v>1</v></c></row>"))), 400, 'BAD_REQUEST', message => qr/row 1 has more than 2000 columns/;
    status_is $i->form('w.xlsx', book(texts([ 'x' x (1 << 20) ]))), 200, 'a cell of 1 MiB';
    error_is $i->form('w.xlsx', book(texts([ 'x' x ((1 << 20) + 1) ]))), 400, 'BAD_REQUEST', message => qr/row 1 has a cell of more than 1 MiB/;
    my $longer = $i->form('l.xlsx', book(texts([ 'a', 'b' ], [ 1, 2, 3 ])));
    ($job) = $i->made($longer, [ field('a') ]);
    is_deeply [ @$job{qw(success_count error_count)} ], [ 0, 1 ], 'more cells than the header has';
};

subtest 'what is broken, or made to break something' => sub {
    my $refused = sub ($name, $bytes, $message) { error_is $i->form('f.xlsx', $bytes), 400, 'BAD_REQUEST', message => $message, name => $name };
    my $good    = book(texts([ 'a', 'b' ], [ 1, 2 ]));
    $refused->('empty', '', qr/empty/);
    $refused->('no archive', "a,b\n1,2\n", qr/no workbook/);
    $refused->('cut', substr($made{cells}, 0, length($made{cells}) - 30), qr/cut off/);
    $refused->('cut in the middle', substr($made{cells}, 0, length($made{cells}) / 2), qr/cut off/);
    my $bent = $made{cells};
    substr($bent, index($bent, 'xl/worksheets/sheet1.xml') + 60, 100) = 'x' x 100;
    error_is $i->form('f.xlsx', $bent), 400, 'BAD_REQUEST', name => 'bent';
    $refused->('encrypted whole, as Office does', "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" . "\0" x 600, qr/encrypted/);
    $refused->('encrypted by the archive', zip_of('[Content_Types].xml' => { deflated => 'x' x 20, size => 20, flags => 1 }), qr/encrypted/);
    $refused->('an archive of something else', zip_of('word/document.xml' => '<x/>'), qr/no workbook/);
    $refused->('a document', book(texts(['a']), '[Content_Types].xml' => $types =~ s/spreadsheetml.sheet/wordprocessingml.document/r), qr/no workbook/);
    $refused->('no such part', book(texts(['a']), 'xl/workbook.xml' => undef), qr/no workbook/);
    $refused->('no such sheet', book(undef), qr/no workbook/);
    $refused->('no relationships', book(texts(['a']), 'xl/_rels/workbook.xml.rels' => undef), qr/no workbook/);
    $refused->('no rows', book(sheet('')), qr/empty/);
    $refused->('rows without values', book(sheet('<row><c s="1"/></row>')), qr/empty/);
    $refused->('broken XML', book(substr(texts(['a']), 0, -12)), qr/XML is broken/);
    $refused->('a text that is not there', book(sheet('<row><c t="s"><v>0</v></c></row>')), qr/XML is broken/);
    $refused->('rows backwards', book(sheet('<row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row>')), qr/XML is broken/);
    $refused->('a cell of another row', book(sheet('<row r="2"><c r="A9"><v>1</v></c></row>')), qr/XML is broken/);
    my $laughs = join '', map { "<!ENTITY l$_ \"" . '&l' . ($_ - 1) . ';' x 10 . '">' } 1 .. 9;
    $refused->('billion laughs', book("<!DOCTYPE x [<!ENTITY l0 \"ha\">$laughs]>" . texts(['&l9;'])), qr/document type/);
    $refused->('an entity from elsewhere', book('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' . texts(['&e;'])), qr/document type/);
    $refused->('10,001 parts', zip_of((map { ("a$_", '') } 1 .. 10_001), '[Content_Types].xml' => $types), qr/too many parts/);

    $refused->('a bomb that says so', book({ deflated => 'x', size => 0x80000001 }), qr/unpacks to more than 2 GiB/);

    is_deeply $i->form('f.xlsx', $good)->json('/headers'), [ 'a', 'b' ], 'and the next one is read';
    my $file = $i->linked('g.xlsx', $good);
    status_is $file, 200, 'by a link, too';
    my ($job) = $i->made($file, [ field('a') ]);
    is $job->{status}, 'completed', 'and imported';
};

subtest 'many rows' => sub {
    my $file = $i->linked('many.xlsx', run_node(20_000));
    json_is $file, '/total_rows', 20_000;
    is_deeply [ map { $_->{inferred_type} } @{ $file->json('/columns') } ], [qw(number text date select)];
    $file = $i->linked('some.xlsx', run_node(2_000));
    my ($job, $set) = $i->made($file, [ field('n', 'number'), field('text'), field('on', 'date'), field('kind') ]);
    is_deeply [ @$job{qw(status success_count error_count)} ], [ 'completed', 2_000, 0 ];
    is_deeply $db->selectrow_arrayref(q{SELECT count(*), count(DISTINCT field_values ->> 'n'), count(DISTINCT field_values ->> 'text'), min(field_values ->> 'on'), max(field_values ->> 'on') FROM records WHERE recordset_id = ?}, undef, $set),
        [ 2_000, 2_000, 2_000, '2000-01-02', '2005-06-23' ], 'some of them imported';
    is_deeply $i->stored($set)->[77], { n => 78, text => 'a text that only row 78 has, or nearly', on => '2000-03-19', kind => 'sand' };
};
