package Ashlar::Queries;

# The named queries as they were compiled in, for tests that speak to
# PostgreSQL themselves.
#
#     my $sql = Ashlar::Queries->load;
#     $sql->in($db, $tenant, $user, sub {             # one transaction, as after enter()
#         my ($row) = $sql->run($db, project_create => name => 'alpha');
#     });

use v5.36;

# What tools/queries made: build/sql/*/*.c, or the files named.
sub load ($class, @files) {
    my $text = '';
    for my $file (@files ? @files : glob 'build/sql/*/*.c') {
        open my $in, '<', $file or die "$file: $!\n";
        local $/ = undef;
        $text .= <$in>;
        close $in or die "$file: $!\n";
    }
    my %query;
    while ($text =~ /\nconst struct query q_(\w+) = \{\n\t"\w+",\n\t"(.*)",\n\tSHAPE_(\w+), \d+, (.*)\n/g) {
        my ($name, $sql, $shape, $params) = ($1, $2, lc $3, $4);
        $sql =~ s/\\(?:n|([\\"?]))/$1 \/\/ "\n"/ge;
        $query{$name} = { name => $name, sql => $sql, shape => $shape, params => [ $params =~ /"(\w+)"/g ] };
    }
    return bless \%query, $class;
}

sub names ($self) { return sort keys %$self }

sub get ($self, $name) { return $self->{$name} // die "there is no query $name\n" }

# Run a query with parameters by name; those not given are null, and has_x says
# which were.  Returns the rows as hashes; dies with PostgreSQL's error.
sub run ($self, $db, $name, %value) {
    my $query = $self->get($name);
    my %known = map { $_ => 1 } @{ $query->{params} };
    for (keys %value) { $known{$_} or die "$name has no parameter $_\n" }
    my $st = $db->prepare($query->{sql}, { pg_placeholder_dollaronly => 1, pg_server_prepare => 1 });
    $st->execute(map { /^has_(.*)/ && $known{$1} ? (exists $value{$1} ? 't' : 'f') : $value{$_} } @{ $query->{params} });
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
