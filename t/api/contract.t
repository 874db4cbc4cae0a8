use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';

# Every row of `ashlar routes` keeps what it declares: who may call, and what
# each field takes.  Nothing here knows an endpoint; a new row is covered when
# it appears.
my $t     = Api->start;
my @rows  = map { decode_json($_) } split /\n/, qx($Ashlar::Cluster::BUILD/ashlar routes);
my $user  = $t->user('user');
my $admin = $t->user('admin', role => 'admin');
my $root  = $t->user('root', role => 'superadmin');

cmp_ok scalar @rows, '>', 5, 'there are rows';

# ------------------------------------------------------------------ values of a field

my %own_max = (text => 65535, email => 254, slug => 63, url => 2048, list => 1000);

sub max_of ($field) { return $field->{max} // $own_max{ $field->{type} } }

sub email_of ($n) { return 'a@' . 'b' x ($n - 14) . '.example.com' }

# A value as a query string carries it.
sub text_of ($value) { return ref $value ? ($value ? 'true' : 'false') : $value }

sub url_of ($n) { return 'https://e.example/' . 'x' x ($n - 18) }

# A value that the field takes.
sub good ($field) {
    my $min = $field->{min};
    return {
        text     => 'x' x ($min || 1),
        int      => $min,
        number   => $min,
        bool     => true,
        uuid     => '00000000-0000-7000-8000-00000000dead',
        email    => 'someone@example.com',
        slug     => 'a',
        url      => 'https://example.com/',
        datetime => '2026-01-31T12:00:00Z',
        date     => '2026-01-31',
        enum     => $field->{values}[0],
        object   => {},
        list     => [],
        json     => {},
    }->{ $field->{type} };
}

# The first and the last value that it takes, by name.
sub edges ($field) {
    my ($type, $min, $max) = ($field->{type}, $field->{min}, max_of($field));
    my @edges = (['a good value' => good($field)]);
    if ($type eq 'text') {
        push @edges, [ 'the shortest' => 'x' x $min ];
        push @edges, [ 'the longest'  => "\x{e9}" x $max ] if $max <= 10_000;
    }
    push @edges, [ 'the least' => $min ], ([ 'the most' => $max ]) x !!$field->{max} if $type eq 'int' || $type eq 'number';
    push @edges, [ 'the longest' => url_of($max) ] if $type eq 'url';
    push @edges, [ 'the longest' => 'a' x $max ], [ 'words' => 'a-0-b1' ] if $type eq 'slug';
    push @edges, map { [ "the choice $_" => $_ ] } @{ $field->{values} } if $type eq 'enum';
    push @edges, [ 'false' => false ] if $type eq 'bool';
    push @edges, [ 'null'  => undef ] if $field->{nullable};
    return @edges;
}

# What it refuses as text: in a query string, and as a JSON string too.
sub bad_texts ($field) {
    my ($type, $min, $max) = ($field->{type}, $field->{min}, max_of($field));
    my @bad;
    if ($type eq 'text') {
        push @bad, [ 'one character too few'  => 'x' x ($min - 1) ] if $min;
        push @bad, [ 'one character too many' => 'x' x ($max + 1) ] if $max <= 7000;
    }
    elsif ($type eq 'int' || $type eq 'number') {
        push @bad, [ 'a word' => 'x' ], [ 'nothing' => '' ], [ 'a number and more' => $min . 'x' ], [ 'hexadecimal' => '0x10' ];
        push @bad, [ 'one too little' => $min - 1 ] if $min > -9e15;
        push @bad, [ 'one too much'   => $max + 1 ] if $field->{max};
        push @bad, [ 'a fraction'     => "$min.5" ], [ 'beyond 64 bits' => '9223372036854775808' ] if $type eq 'int';
        push @bad, [ 'no number' => 'nan' ], [ 'infinity' => 'inf' ] if $type eq 'number';
    }
    elsif ($type eq 'bool') { push @bad, map { [ "'$_'" => $_ ] } 'yes', 'TRUE', '2', '' }
    elsif ($type eq 'enum') { push @bad, map { [ "'$_'" => $_ ] } 'no-such-choice', '', uc $field->{values}[0], "$field->{values}[0] " }
    elsif ($type eq 'uuid') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', '00000000-0000-7000-8000-00000000dea', '00000000-0000-7000-8000-00000000deadd', '0' x 36 }
    elsif ($type eq 'email') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } 'x', '', '@', 'a@', '@b.c', 'a b@c.de', 'a@b@c.de', email_of(255) }
    elsif ($type eq 'slug') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } '', 'A', '-a', 'a-', 'a--b', 'a b', 'a_b', "\x{e9}", 'a' x ($max + 1) }
    elsif ($type eq 'url') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } 'x', '', 'ftp://x.y/', '//x.y', 'javascript:x', 'https://', url_of($max + 1) }
    elsif ($type eq 'datetime') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', '2026-01-31', '2026-01-31T12:00:00', '2026-02-30T12:00:00Z', '2026-01-31T25:00:00Z' }
    elsif ($type eq 'date') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', '2026-02-30', '2026-1-1', '2026-01-31T12:00:00Z' }
    return @bad;
}

# What it refuses in JSON.
sub bad_values ($field) {
    my $type = $field->{type};
    return () if $type eq 'json';
    my %of = (string => 'x', number => 7, fraction => 1.5, bool => true, list => [1], object => { a => 1 });
    my %fits = (
        int    => ['number'],
        number => [ 'number', 'fraction' ],
        bool   => ['bool'],
        object => ['object'],
        list   => ['list'],
    );
    my %ok = map { $_ => 1 } @{ $fits{$type} // ['string'] };
    my @bad = map { [ "a $_" => $of{$_} ] } grep { !$ok{$_} } sort keys %of;
    push @bad, [ null => undef ] if !$field->{nullable};
    my ($min, $max) = ($field->{min}, $field->{max});
    if ($type eq 'int' || $type eq 'number') {
        push @bad, [ 'one too little' => $min - 1 ] if $min > -9e15;
        push @bad, [ 'one too much' => $max + 1 ] if $max;
    }
    elsif ($type !~ /^(?:bool|object|list)$/) {
        push @bad, bad_texts($field);
    }
    return @bad;
}

# ------------------------------------------------------------------ a request that a row describes

sub path_of ($row, $version) {
    my $path = $row->{path} =~ s{^/api/v1/}{/api/v$version/}r;
    for my $param (@{ $row->{params} }) {
        my $value = $param->{type} eq 'uuid' ? good($param) : 'nobody-has-this-id';
        $path =~ s/\{\Q$param->{name}\E\}/$value/;
    }
    return $path;
}

# A request with the required fields, and with those of %change; an undefined query parameter is left out.
sub ask ($row, $who, %arg) {
    my %query = map { $_->{name} => good($_) } grep { $_->{required} } @{ $row->{query} };
    my %body  = map { $_->{name} => good($_) } grep { $_->{required} } @{ $row->{body} };
    %query = (%query, %{ $arg{query} // {} });
    %body  = (%body, %{ $arg{body} // {} });
    delete @query{ @{ $arg{without} // [] } };
    delete @body{ @{ $arg{without}  // [] } };
    return $who->request(
        $row->{method}, path_of($row, $arg{version} // 1),
        headers => { Accept => '*/*' },
        (%query ? (query => \%query) : ()),
        (@{ $row->{body} } ? (json => \%body) : ()),
    );
}

sub caller_of ($row) { return { public => $t->client, user => $user, admin => $admin }->{ $row->{access} } }

# Valid input: whatever the answer is, it is not about the input.
sub taken ($res, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $res->status =~ /^(?:2\d\d|404|409)$/, $name or diag $res->describe;
    return;
}

# ------------------------------------------------------------------ the rows

for my $row (grep { !$_->{static} } @rows) {
    subtest "$row->{method} $row->{path} ($row->{id})" => sub {
        my $who = caller_of($row);
        for my $version (1 .. $row->{versions}) {
            my @args = (version => $version);
            if ($row->{access} eq 'public') {
                unlike ask($row, $t->client, @args)->status, qr/^40[13]$/, "version $version: anyone may call";
                unlike ask($row, $t->client(token => 'nonsense'), @args)->status, qr/^40[13]$/, '  and a bad token is not looked at';
            }
            else {
                error_is ask($row, $t->client, @args), 401, 'AUTHENTICATION_ERROR', name => "version $version: not without credentials";
                error_is ask($row, $t->client(token => $t->token($user, secret => 'x' x 32)), @args), 401, 'AUTHENTICATION_ERROR', name => '  nor with a bad token';
                error_is ask($row, $t->client(token => $t->token($user, exp => 1e9, iat => 1e9 - 9)), @args), 401, 'AUTHENTICATION_ERROR', name => '  nor with an old one';
            }
            if ($row->{access} eq 'admin') {
                error_is ask($row, $user, @args), 403, 'AUTHORIZATION_ERROR', name => '  nor as a user';
                taken ask($row, $root, @args), '  but as a superadmin';
            }
            taken ask($row, $who, @args), '  and as whoever the row names';
        }

        for my $field (@{ $row->{query} }) {
            my $name = $field->{name};
            error_is ask($row, $who, without => [$name]), 422, 'VALIDATION_ERROR', field => $name, name => "query: $name left out" if $field->{required};
            taken ask($row, $who, query => { $name => text_of($_->[1]) }), "query: $name takes $_->[0]"
                for grep { defined $_->[1] } edges($field);
            error_is ask($row, $who, query => { $name => $_->[1] }), 422, 'VALIDATION_ERROR', field => $name, name => "query: $name refuses $_->[0]"
                for bad_texts($field);
        }

        for my $field (@{ $row->{body} }) {
            my $name = $field->{name};
            my $left_out = ask($row, $who, without => [$name]);
            if   ($field->{required}) { error_is $left_out, 422, 'VALIDATION_ERROR', field => $name, name => "body: $name left out" }
            else                      { taken $left_out, "body: $name may be left out" }
            taken ask($row, $who, body => { $name => $_->[1] }), "body: $name takes $_->[0]" for edges($field);
            error_is ask($row, $who, body => { $name => $_->[1] }), 422, 'VALIDATION_ERROR', field => $name, name => "body: $name refuses $_->[0]"
                for bad_values($field);
        }
        taken ask($row, $who, body => { 'no such field' => 1 }), 'body: an unknown member is ignored' if @{ $row->{body} };

        for my $param (grep { $_->{type} eq 'uuid' } @{ $row->{params} }) {
            my $path = path_of($row, 1) =~ s/\Q@{[ good($param) ]}\E/not-an-id/r;
            error_is $who->request($row->{method}, $path), 404, 'NOT_FOUND', name => "path: $param->{name} that is no UUID";
        }
        my $slash = $who->request($row->{method}, path_of($row, 1) . '/', headers => { Accept => '*/*' });
        isnt $slash->status, 405, 'a trailing slash changes nothing';
        isnt $slash->status, 404, '  not even whether it is there' if !@{ $row->{params} };
    };
}

subtest 'a path has the methods of its rows and no other' => sub {
    my %methods;
    $methods{ $_->{path} }{ $_->{method} } = $_ for grep { !$_->{static} } @rows;
    for my $path (sort keys %methods) {
        my ($row) = values %{ $methods{$path} };
        my %have  = (%{ $methods{$path} }, OPTIONS => 1);
        $have{HEAD} = 1 if $have{GET};
        $have{PUT} = $have{PATCH} = 1 if $have{PUT} || $have{PATCH};    # a plain update may be sent as either
        my $allow = $t->request('OPTIONS', path_of($row, 1))->header('Allow') // '';
        is_deeply [ sort split /, /, $allow ], [ sort keys %have ], "$path: Allow";
        for my $method (grep { !$have{$_} } qw(GET POST PUT PATCH DELETE)) {
            error_is caller_of($row)->request($method, path_of($row, 1)), 405, 'METHOD_NOT_ALLOWED', name => "$method $path";
        }
    }
};
