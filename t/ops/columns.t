# Every row's answer has the columns of its query: their names, and types that are written as its fields say.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Ashlar::Rows 'rows';
use File::Temp ();
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $sql     = Ashlar::Queries->load;

# What a field is written from.
my @words = ('text', 'character varying');
my %fits  = (
    (map { $_ => [@words] } qw(email slug url enum color)),
    text     => [ @words, 'inet', 'cidr' ],
    int      => [qw(smallint integer bigint)],
    number   => [ qw(smallint integer bigint real numeric), 'double precision' ],
    bool     => ['boolean'],
    uuid     => ['uuid'],
    datetime => ['timestamp with time zone'],
    date     => ['date'],
    object   => [qw(json jsonb)],
    list     => [qw(json jsonb)],
    json     => [qw(json jsonb)],
);
# What PostgreSQL says of a statement when it is prepared, of all of them at once: query => { name => type }.
sub described (@queries) {
    my $script = File::Temp->new;
    binmode $script, ':encoding(UTF-8)';
    print $script "\\echo query $_\n", (Ashlar::Queries::statement($sql->get($_)))[0], "\n\\gdesc\n" for @queries;
    $script->flush;
    open my $psql, '-|', 'psql', qw(-qXAt -F), "\t", qw(-v ON_ERROR_STOP=1 -f), "$script", $cluster->url($name, 'ashlar_api') or die "psql: $!\n";
    my (%of, $query);
    while (<$psql>) {
        if   (/\Aquery (\w+)/) { $of{ $query = $1 } = {} }
        else                   { $of{$query}{$1} = $2 if /\A(\w+)\t(.*)/ }
    }
    close $psql or die "psql failed at $query\n";
    return \%of;
}

# What is wrong between the fields of an answer and the columns of its query; children fill some members themselves.
sub faults ($fields, $columns, $children) {
    my %left = map { $_ => 1 } grep { !/^_/ } keys %$columns;
    my @faults;
    for my $field (@$fields) {
        my $column = $field->{name};
        my $is     = $columns->{$column};
        delete $left{$column};
        if (!$is) {
            push @faults, "$column is no column" if !$field->{optional} && !$children->{$column};
            next;
        }
        my @fits = @{ $fits{ $field->{type} } // [] };
        push @fits, map { "$_\[]" } @{ $fits{ $field->{item}{type} } // [] } if $field->{type} eq 'list';
        push @faults, "$column is $is, which is no $field->{type}" if !grep { $_ eq $is } @fits;
    }
    return (@faults, map { "$_ is no field" } sort keys %left);
}

my @rows = grep { $_->{out} && $_->{status} != 204 } rows();    # where there is no answer it only names what was not found
my %asked = map { $_ => 1 } map { ($_->{sql}, values %{ $_->{children} }) } @rows;
my $columns = described(sort keys %asked);
cmp_ok scalar(keys %asked), '>', 80, 'queries';
for my $row (@rows) {
    my %of = %{ $columns->{ $row->{sql} } };
    delete $of{total} if $sql->get($row->{sql})->{shape} eq 'page';
    is join('; ', faults($row->{out}, \%of, $row->{children})), '', "$row->{id}: $row->{sql}";
    for my $member (sort keys %{ $row->{children} }) {
        my ($field) = grep { $_->{name} eq $member } @{ $row->{out} };
        is join('; ', faults($field->{item}{fields}, $columns->{ $row->{children}{$member} }, {})), '', "$row->{id}: $row->{children}{$member} for $member";
    }
}

subtest 'what does not fit is found' => sub {
    my @fields = ({ name => 'a', type => 'int' }, { name => 'b', type => 'list', item => { type => 'uuid' } }, { name => 'c', type => 'text', optional => 1 });
    is join('; ', faults(\@fields, { a => 'integer', b => 'uuid[]' }, {})), '', 'it fits';
    is join('; ', faults(\@fields, { a => 'text', b => 'text[]', d => 'integer', _e => 'integer' }, {})), 'a is text, which is no int; b is text[], which is no list; d is no field', 'three faults';
    is join('; ', faults(\@fields, { b => 'jsonb' }, {})), 'a is no column', 'one that is missing';
};

$cluster->drop($name);
done_testing;
