package Ashlar::Rows;

# The rows of `ashlar routes`, and requests that fit them: what a test needs
# that walks over all endpoints and knows none of them.

use v5.36;
use Ashlar::Cluster;
use Cpanel::JSON::XS ();
use Exporter 'import';

our @EXPORT = qw(rows surface_of good email_of max_of least_of most_of ask path_of spoiled text_of);

my $json = Cpanel::JSON::XS->new->utf8;

# Every row that the api answers: method, path, id, caller, flags, permission,
# params, query, body, …; with static => 1 also those that nginx serves, with a
# surface only its own.
sub rows (%arg) {
    my @rows = grep { $arg{static} || !$_->{static} } map { $json->decode($_) } split /\n/, qx($Ashlar::Cluster::BUILD/ashlar routes);
    return @rows if !$arg{surface};
    # So that a new surface is not left out.
    my ($kind) = $0 =~ m{(\w+)_\w+\.t\z};
    for (map { surface_of($_) } @rows) { -e "t/api/runtime/${kind}_$_.t" or die "the surface $_ needs t/api/runtime/${kind}_$_.t\n" }
    return grep { surface_of($_) eq $arg{surface} } @rows;
}

# What its id begins with; platform's that its team calls are the dashboard's.
sub surface_of ($row) {
    return 'dashboard' if $row->{caller}{team};
    return $row->{id} =~ s/\..*//sr;
}

my %own_max = (text => 65535, email => 254, slug => 63, url => 2048, list => 1000);

# The largest size or value of a field; undef when there is none.
sub max_of ($field) { return $field->{max} // $own_max{ $field->{type} } }

sub email_of ($n) { return 'a@' . 'b' x ($n - 14) . '.example.com' }

# A value as a query string carries it.
sub text_of ($value) {
    return join ',', map { text_of($_) } @$value if ref $value eq 'ARRAY';
    return ref $value ? ($value ? 'true' : 'false') : $value;
}

# The least and the largest number that a field takes; undef: there is none.
sub least_of ($field) {
    return if $field->{signed} && !$field->{min};
    return $field->{min} if !$field->{above};
    return $field->{min} + ($field->{type} eq 'int' ? 1 : 0.0625);
}

sub most_of ($field) {
    return if !defined $field->{max};
    return $field->{max} if !$field->{below};
    return $field->{max} - ($field->{type} eq 'int' ? 1 : 0.0625);
}

# A value that the field takes.
sub good ($field) {
    my $min = $field->{min};
    return $field->{example} if $field->{pattern};
    return {
        text     => 'x' x (($min || 1) > 0 ? $min || 1 : 1),    # a number's may be negative
        int      => least_of($field) // 0,
        number   => least_of($field) // 0,
        bool     => Cpanel::JSON::XS::true(),
        uuid     => '00000000-0000-7000-8000-00000000dead',
        email    => 'someone@example.com',
        slug     => 'a',
        url      => 'https://example.com/',
        datetime => '2026-01-31T12:00:00Z',
        date     => '2026-01-31',
        enum     => $field->{values}[0],
        object   => { map { $_->{name} => good($_) } grep { $_->{required} } @{ $field->{fields} // [] } },
        list     => $field->{item} ? [ map { good($field->{item}) } 1 .. $min ] : [],
        color    => '#1a73e8',
        json     => {},
    }->{ $field->{type} };
}

# The row's path; param gives each parameter's value, by default one that nothing has.
sub path_of ($row, %arg) {
    my $version = $arg{version} // 1;
    my $path    = $row->{path} =~ s{^/api/v1/}{/api/v$version/}r;
    for my $param (@{ $row->{params} }) {
        my $value = $arg{param} ? $arg{param}->($param) : $param->{type} eq 'uuid' ? good($param) : $param->{type} eq 'int' ? 2_000_000_000 : 'nobody-has-this-id';
        $path =~ s/\{\Q$param->{name}\E\}/$value/;
    }
    return $path;
}

# Send the request that a row describes, as a client: the required fields with
# good values, and query and body changed as asked for; a name in without is left out.
sub ask ($row, $who, %arg) {
    my %query = map { $_->{name} => text_of(good($_)) } grep { $_->{required} } @{ $row->{query} };
    my %body  = map { $_->{name} => good($_) } grep { $_->{required} } @{ $row->{body} };
    %query = (%query, %{ $arg{query} // {} });
    %body  = (%body, %{ $arg{body} // {} });
    delete @query{ @{ $arg{without} // [] } };
    delete @body{ @{ $arg{without}  // [] } };
    return $who->request(
        $row->{method}, path_of($row, %arg),
        headers => { Accept => '*/*', %{ $arg{headers} // {} } },
        (%query             ? (query => \%query) : ()),
        (@{ $row->{body} } ? (json => \%body)   : ()),
    );
}

# What makes a request's form wrong, for ask(); nothing where no form can be.
sub spoiled ($row) {
    my @needed = map { $_->{name} } grep { $_->{required} } @{ $row->{body} }, @{ $row->{query} };
    return without => \@needed if @needed;
    my ($field) = grep { $_->{type} =~ /^(?:int|uuid|enum|bool|datetime)$/ } @{ $row->{query} };
    return query => { $field->{name} => 'no such' } if $field;
    ($field) = grep { $_->{type} ne 'json' && !$_->{whole} } @{ $row->{body} };
    return body => { $field->{name} => $field->{type} eq 'list' ? {} : [] } if $field;
    return query => { no_such_name => 1 } if $row->{id} =~ /^(?:app|platform)\./ && !grep { /^(?:signed|open_query)$/ } @{ $row->{flags} };
    return;
}

1;
