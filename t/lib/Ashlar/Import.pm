# Files that become records: sent in a form or by a link, looked at, imported, and what is stored of them then.
#
#	my $i   = imports($t, $w->{ann});
#	my $res = $i->form('boats.xlsx', $bytes);            # FileAnalysis
#	my ($job, $set) = $i->made($res, \@fields, %with);   # the run when it has ended, and the recordset
#	$i->stored($set);                                    # values in the order of the file
package Ashlar::Import;

use v5.36;
use parent 'Exporter';
use Api;
use Compress::Raw::Zlib ();
use Cpanel::JSON::XS ();
our @EXPORT = qw(imports zip_of);

my $BASE = '/api/v1/recordsets/import';
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

sub imports ($t, $who) { return bless { t => $t, who => $who }, __PACKAGE__ }

sub form ($i, $name, $content) {
    my $mark = 'x' x 30;
    my $body = "--$mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"$name\"\r\nContent-Type: application/octet-stream\r\n\r\n$content\r\n--$mark--\r\n";
    return $i->{who}->request(POST => "$BASE/upload", type => "multipart/form-data; boundary=$mark", raw => $body);
}

sub again ($i, $file, %with) { return $i->{who}->post("$BASE/upload/analyze", { file_uri => $file->json('/file_uri'), %with }) }

sub linked ($i, $name, $content) {
    my $link = $i->{who}->post("$BASE/upload/signed-url", { file_name => $name, content_type => 'application/octet-stream', size_bytes => length $content });
    return $link if $link->status != 200;
    $i->{t}->client->request(PUT => $link->json('/upload_url') =~ s{\Ahttps://[^/]+}{}r, type => $link->json('/headers/Content-Type'), raw => $content);
    return $i->again($link);
}

sub ended ($i, $res) {
    status_is $res, 200, 'begun' or diag $res->describe;
    my $job;
    eventually { $job = $i->{who}->get("$BASE/jobs/" . $res->json('/job_id'))->json; $job->{status} =~ /completed|failed|cancelled/ } 120, 'it ends';
    return $job;
}

# Columns are fields whose keys are their names in small letters, but for what is no letter.
sub made ($i, $file, $fields, %with) {
    my %known = map { $_->{key} => 1 } @$fields;
    my %is    = map { my $k = lc =~ s/[^a-z0-9]/_/gr; $known{$k} ? ($_ => $k) : () } @{ $file->json('/headers') };
    my $res   = $i->{who}->post($BASE, { file_uri => $file->json('/file_uri'), name => 'Imported', schema => { fields => $fields }, field_mappings => \%is, %with });
    return ($i->ended($res), $res->json('/recordset_id'));
}

sub stored ($i, $set) { return [ map { $json->decode($_) } @{ $i->{t}->db->selectcol_arrayref('SELECT field_values::text FROM records WHERE recordset_id = ? ORDER BY created_at, id', undef, $set) } ] }

sub report ($i, $job) { return [ split /\r\n/, $i->{t}->nobody->get($job->{report_download_url} =~ s{\Ahttps://[^/]+}{}r)->body ] }

# An archive of these parts, in this order; a part is its text, or the raw deflate stream of what has a size and a CRC (whatever they are).
sub zip_of (@parts) {
    my ($out, $directory, $n) = ('', '', 0);
    while (my ($name, $part) = splice @parts, 0, 2) {
        my $raw = ref $part ? $part->{deflated} : $part;
        my ($method, $crc, $size, $flags) = ref $part ? (8, 0, $part->{size}, $part->{flags} // 0) : (0, Compress::Raw::Zlib::crc32($part), length $part, 0);
        my $head = pack 'vvvvvVVVvv', 20, $flags, $method, 0, 33, $crc, length $raw, $size, length $name, 0;
        $directory .= pack('V', 0x02014b50) . pack('v', 20) . $head . pack('vvvVV', 0, 0, 0, 0, length $out) . $name;
        $out .= pack('V', 0x04034b50) . $head . $name . $raw;
        $n++;
    }
    return $out . $directory . pack 'VvvvvVVv', 0x06054b50, 0, 0, $n, $n, length $directory, length $out, 0;
}

1;
