package Ashlar::Sample;

# One of everything that a tenant can have, as sql/sample says, for tests that
# are about every table or every path there is.
#
#     my $sample = Ashlar::Sample->fill($super, $tenant);
#     $sample->id('goal');           # the id of a row: pg_temp.id('goal') there
#     $sample->id('tenant');         # that tenant

use v5.36;
use File::Basename 'dirname';

my $TREE = dirname(__FILE__) . '/../../..';

sub _slurp ($path) {
    open my $in, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# Its files in the order in which they are run, as [path, text].
sub files ($class) {
    open my $list, '-|', "$TREE/tools/embed", '--list', "$TREE/sql/sample" or die "tools/embed: $!\n";
    chomp(my @paths = <$list>);
    close $list or die "tools/embed failed\n";
    return map { [ $_ => _slurp($_) ] } @paths;
}

# Into a tenant that has none of it yet, past all policies.
sub fill ($class, $db, $tenant, @) {
    my $self = bless { db => $db, id => { tenant => $tenant }, param => {} }, $class;
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    for ($class->files) {
        my ($path, $text) = @$_;
        eval { $db->do($text); 1 } or die $path =~ s/\A\Q$TREE\E\///r . ": $@";
        $self->{id}{$_}          //= $db->selectrow_array('SELECT pg_temp.id(?)', undef, $_) for $text =~ /pg_temp\.id\('([^']+)'\)/g;
        for (map { [ split / = /, $_, 2 ] } $text =~ /^-- (\{\w+\} = .*)/mg) {    # "SELECT …" is asked: numbers are PostgreSQL's to give
            $self->{param}{ $_->[0] } = $_->[1] =~ /\ASELECT / ? $db->selectrow_array($_->[1]) : $_->[1];
        }
    }
    return $self;
}

# Each of the tenant's rows so many times more, for tests that plan statements: the copies of one number
# point to each other, as the rows of the sample do.  As superuser; no trigger sees it.
sub multiply ($self, $tenant, $times) {
    my $db      = $self->{db};
    my $columns = $db->selectall_arrayref(<<~'END', { Slice => {} });
        SELECT c.relname AS table, a.attname AS name, t.typname AS type,
               EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey)) AS is_unique,
               EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f' AND a.attnum = ANY (f.conkey)) AS refers,
               EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
                         AND pg_get_constraintdef(k.oid) ~ '= (ANY|'')') AS is_enum
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
        END
    my %of;
    push @{ $of{ $_->{table} } }, $_ for @$columns;
    $db->do('SET session_replication_role = replica');
    for my $table (sort keys %of) {
        my @columns = @{ $of{$table} };
        next if !grep { $_->{name} eq 'tenant_id' } @columns;
        my $names  = join ', ', map { $_->{name} } @columns;
        my $values = join ', ', map { _copied($_) } @columns;
        $db->do("INSERT INTO $table ($names) SELECT $values FROM $table, generate_series(1, ?::integer) copy WHERE tenant_id = ? ON CONFLICT DO NOTHING",
            undef, $times, $tenant);
    }
    $db->do('SET session_replication_role = origin');
    return;
}

# The value of a column in the copy of a number: what is a key, or points to one, is another one.
sub _copied ($column) {
    my ($name, $type) = @$column{qw(name type)};
    my $is_key = $column->{is_unique} || $column->{refers};
    return $name                            if $name eq 'tenant_id';
    return "md5($name\::text || copy)::uuid"   if $type eq 'uuid';
    return "sha256($name || copy::text::bytea)" if $type eq 'bytea' && $is_key;
    return "$name + copy * 1000"               if $type =~ /^int[48]\z/ && $column->{is_unique};
    return "CASE WHEN $name ~ '[0-9]{4}\$' THEN left($name, -4) || lpad(copy::text, 4, '0') ELSE $name || copy END" if $type eq 'text' && $is_key && !$column->{is_enum};
    return $name;
}

sub id ($self, $name) { return $self->{id}{$name} // die "$name: no file of sql/sample has a row with pg_temp.id('$name')\n" }

# What a part of a path names: the row of this surface, else of any, or the text that a file says.
sub param ($self, $name, $type, $surface) {
    my $kind = $name =~ s/_id\z//r =~ s/\A(?:org|workspace)\z/organization/r;
    return $self->{param}{"{$name}"} // die "no file of sql/sample says \"-- {$name} = …\"\n" if $type ne 'uuid';
    return $self->{id}{"$surface $kind"} // ($surface eq 'observability' ? $self->{id}{"trace $kind"} : undef) // $self->id($kind);
}

1;
