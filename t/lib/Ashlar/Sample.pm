package Ashlar::Sample;

# One of everything that a tenant can have, as sql/sample says, for tests that
# are about every table or every path there is.
#
#     my $sample = Ashlar::Sample->fill($super, $tenant);
#     $sample->id('goal');           # the id of a row: pg_temp.id('goal') there

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
    my $self = bless { db => $db, id => {}, param => {} }, $class;
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    for ($class->files) {
        my ($path, $text) = @$_;
        eval { $db->do($text); 1 } or die $path =~ s/\A\Q$TREE\E\///r . ": $@";
        $self->{id}{$_}          //= $db->selectrow_array('SELECT pg_temp.id(?)', undef, $_) for $text =~ /pg_temp\.id\('([^']+)'\)/g;
        $self->{param}{ $_->[0] } = $_->[1] for map { [ split / = /, $_, 2 ] } $text =~ /^-- (\{\w+\} = .*)/mg;
    }
    return $self;
}

sub id ($self, $name) { return $self->{id}{$name} // die "$name: no file of sql/sample has a row with pg_temp.id('$name')\n" }

# What a part of a path names: the row of this surface, else of any, or the text that a file says.
sub param ($self, $name, $type, $surface) {
    my $kind = $name =~ s/_id\z//r;
    return $self->{param}{"{$name}"} // die "no file of sql/sample says \"-- {$name} = …\"\n" if $type ne 'uuid';
    return $self->{id}{"$surface $kind"} // $self->id($kind);
}

1;
