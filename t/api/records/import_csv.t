# CSV as others have it: every file of csv-spectrum, and tables that Papa Parse writes, are read as their authors say.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Import;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();
use MIME::Base64 'decode_base64';

my $t    = Api->start(main => 1, slow => 2);
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $i    = imports($t, workspace($t, ann => 'owner')->{ann});

open my $out, '-|', 'node', 't/clients/tables.mjs' or die "node: $!\n";
my $known = $json->decode(do { local $/ = undef; <$out> });

# An empty text is nothing.
sub read_of ($csv) {
    my $file = $i->form('a.csv', decode_base64($csv));
    return $file->describe if $file->status != 200;
    return [ map { my $row = $_; +{ map { $_ => $row->{$_} // '' } keys %$row } } @{ $file->json('/sample_rows') } ];
}

subtest 'csv-spectrum' => sub {
    cmp_ok scalar @{ $known->{spectrum} }, '>=', 12;
    for my $one (@{ $known->{spectrum} }) {
        my @rows = ref $one->{rows} eq 'HASH' ? $one->{rows} : @{ $one->{rows} };
        $rows[0]{'Contact Phone Number'} = '2095257564' if $one->{name} eq 'location_coordinates';    # its JSON has another one than its CSV
        is_deeply read_of($one->{csv}), \@rows, $one->{name};
    }
};

subtest 'Papa Parse' => sub {
    for my $table (@{ $known->{tables} }) {
        my @rows = grep { grep { $_ ne '' } values %$_ } @{ $table->{rows} };
        is_deeply read_of($table->{csv}), \@rows, 'as it reads it' or diag decode_base64($table->{csv});
    }
};
