package Ashlar::Queries;

# The named queries as they were compiled in, for tests that speak to
# PostgreSQL themselves.
#
#     my $sql = Ashlar::Queries->load;
#     $sql->in($db, $tenant, $user, sub {             # one transaction, as after enter()
#         my ($row) = $sql->run($db, project_create => name => 'alpha');
#     });

use v5.36;
use Cpanel::JSON::XS ();
use File::Basename 'dirname';

my $TOOL = dirname(__FILE__) . '/../../../tools/queries';

# What tools/queries makes of sql/queries/*/*.sql, or of the files named.
sub load ($class, @files) {
    open my $in, '-|', $TOOL, '--json', @files ? @files : glob 'sql/queries/*/*.sql' or die "tools/queries: $!\n";
    my $all = Cpanel::JSON::XS->new->decode(join '', <$in>);
    close $in or die "tools/queries failed\n";
    my %query = map { $_->{name} => { %$_, shape => lc $_->{shape} =~ s/^SHAPE_//r } } @$all;
    return bless \%query, $class;
}

# One of a query's statements as PostgreSQL gets it, and the names of its
# parameters: with these parts (a bit each), in this order.
sub statement ($query, $parts = 0, $sort = 0, $descends = undef, $pieces = $query->{pieces}) {
    return ($query->{text}, @{ $query->{params} }) if !$pieces;
    my ($text, @params, %number) = ('');
    my $by = $query->{sorts}[$sort];
    for my $p (@$pieces) {
        my ($when, $any, $unless) = map { $p->{$_} // 0 } qw(when any unless);
        next if ($when & $parts) != $when || $any && !($any & $parts) || $unless & $parts;
        $text .= $by->{text} if $p->{sort};
        $text .= ' DESC' if ($p->{sort} || $p->{dir}) && ($descends // $by->{descends});
        $text .= $p->{text} =~ s{\x01(.)}{
            my $name = $query->{params}[ ord($1) - ord('0') ];
            push @params, $name unless $number{$name};
            '$' . ($number{$name} ||= @params)
        }ger;
    }
    return ($text, @params);
}

# Statements that stand for all of a query's: with no part, each alone and all of
# them, in every order and direction; and a page's total alone.  Each is
# { name, sql, params }.
sub statements ($query) {
    my $n     = @{ $query->{parts} };
    my @masks = (0, map({ 1 << $_ } 0 .. $n - 1), $n > 1 ? (1 << $n) - 1 : ());
    my @made;
    for my $parts (@masks) {
        for my $sort (0 .. ($#{ $query->{sorts} } < 0 ? 0 : $#{ $query->{sorts} })) {
            for my $descends (@{ $query->{sorts} } ? (0, 1) : 0) {
                my ($sql, @params) = statement($query, $parts, $sort, $descends);
                push @made, { name => @masks > 1 || @{ $query->{sorts} } ? "$query->{name}.$parts.$sort.$descends" : $query->{name}, sql => $sql, params => \@params };
            }
        }
        next if !$query->{total};
        my ($sql, @params) = statement($query, $parts, 0, 0, $query->{total});
        push @made, { name => "$query->{name}.$parts.total", sql => $sql, params => \@params };
    }
    return @made;
}

# The statement for these values: a part stands when each of its parameters has one, or one of some.
sub asked ($query, $value, $pieces = $query->{pieces}) {
    my $parts = 0;
    for my $i (0 .. $#{ $query->{parts} }) {
        my %of = map { $_ => 1 } @{ $query->{values}[$i] // [] };
        next if %of && !$of{ $value->{ $query->{params}[ $query->{parts}[$i][0] ] } // '' };
        $parts |= 1 << $i if !grep { !length($value->{ $query->{params}[$_] } // '') } @{ $query->{parts}[$i] };
    }
    return statement($query, $parts, 0, undef, $pieces);
}

sub names ($self) { return sort keys %$self }

sub get ($self, $name) { return $self->{$name} // die "there is no query $name\n" }

# Run a query with parameters by name; those not given are null, and has_x says
# which were.  Returns the rows as hashes; dies with PostgreSQL's error.
sub run ($self, $db, $name, %value) {
    my $query = $self->get($name);
    return $self->_run($db, $name, $query->{pieces}, %value);
}

# The total of a page, as it is asked where the page itself is empty.
sub total ($self, $db, $name, %value) { return $self->_run($db, $name, $self->get($name)->{total}, %value) }

sub _run ($self, $db, $name, $pieces, %value) {
    my $query = $self->get($name);
    my %known = map { $_ => 1 } @{ $query->{params} };
    for (keys %value) { $known{$_} or die "$name has no parameter $_\n" }
    my ($text, @params) = asked($query, \%value, $pieces);
    my $st = $db->prepare($text, { pg_placeholder_dollaronly => 1, pg_server_prepare => 1 });
    $st->execute(map { /^has_(.*)/ && $known{$1} ? (exists $value{$1} ? 't' : 'f') : $value{$_} } @params);
    $query->{columns} = $st->{NUM_OF_FIELDS} ? [ @{ $st->{NAME} } ] : [];
    $query->{types}   = $st->{NUM_OF_FIELDS} ? [ @{ $st->{pg_type} } ] : [];
    return $st->{NUM_OF_FIELDS} ? @{ $st->fetchall_arrayref({}) } : ();
}

# Run code in a transaction with a tenant and a user; rolled back when it dies,
# and the SQLSTATE then stands in front of the message.
sub in ($self, $db, $tenant, $user, $code) {
    $db->begin_work;
    my @result = eval {
        $db->do('SELECT set_config(?, ?, true), set_config(?, ?, true)',
            undef, 'app.tenant_id', $tenant // '', 'app.user_id', $user // '');
        $code->();
    };
    if (my $error = $@) {
        my $state = $db->state;
        $db->rollback;
        die "$state $error";    ## no critic (RequireCarping)
    }
    $db->commit;
    return wantarray ? @result : $result[0];
}

1;
