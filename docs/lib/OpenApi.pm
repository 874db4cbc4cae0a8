package OpenApi;

# An OpenAPI document, read: its operations by surface and group, in the document's order.

use v5.36;
use JSON::PP ();

my $scalar = JSON::PP->new->utf8(0)->allow_nonref;
my @verbs  = qw(get post put patch delete);

sub new ($class, $text) {
    my $self = bless { order => {} }, $class;
    pos($text) = 0;
    $self->{doc} = $self->_value(\$text);
    die 'the OpenAPI document does not end at character ', pos $text, "\n" if $text !~ /\G\s*\z/gc;
    $self->_collect;
    return $self;
}

sub version ($self) { return $self->{doc}{info}{version} }

# JSON::PP forgets the order of members, and the order is the author's: so
# objects and arrays are read here, and only strings and numbers are left to it.
sub _value ($self, $in) {
    return $1 if $$in =~ /\G\s*"([^"\\]*)"/gc;    # nearly all of it, and JSON::PP is slow
    if ($$in =~ /\G\s*\{/gc) {
        my (%object, @order);
        until ($$in =~ /\G\s*\}/gc) {
            $$in =~ /\G\s*,/gc if @order;
            my $key = $self->_value($in);
            $$in =~ /\G\s*:/gc or die 'no colon at character ', pos $$in, "\n";
            push @order, $key;
            $object{$key} = $self->_value($in);
        }
        $self->{order}{ \%object } = [ \%object, @order ];    # held, so that the address stays its own
        return \%object;
    }
    if ($$in =~ /\G\s*\[/gc) {
        my @array;
        until ($$in =~ /\G\s*\]/gc) {
            $$in =~ /\G\s*,/gc if @array;
            push @array, $self->_value($in);
        }
        return \@array;
    }
    $$in =~ /\G\s*("(?:[^"\\]|\\.)*"|[-+.\w]+)/gcs or die 'no value at character ', pos($$in) // 0, "\n";
    return $scalar->decode($1);
}

# The names of an object's members, in the document's order.
sub keys_of ($self, $object) {
    my (undef, @order) = @{ $self->{order}{$object} // [ undef, sort keys %$object ] };
    return @order;
}

# A value as JSON, over several lines.
sub write_json ($self, $value, $indent = '') {
    my $deeper = "$indent  ";
    if (ref $value eq 'HASH') {
        my @members = map { $deeper . $scalar->encode($_) . ': ' . $self->write_json($value->{$_}, $deeper) } $self->keys_of($value);
        return @members ? "{\n" . join(",\n", @members) . "\n$indent}" : '{}';
    }
    if (ref $value eq 'ARRAY') {
        return @$value ? "[\n" . join(",\n", map { $deeper . $self->write_json($_, $deeper) } @$value) . "\n$indent]" : '[]';
    }
    return $scalar->encode($value);
}

# What a node stands for, or refers to.
sub resolve ($self, $node) {
    while (ref $node eq 'HASH' && $node->{'$ref'}) {
        my $found = $self->{doc};
        for my $step (split m{/}, substr $node->{'$ref'}, 2) { $found = $found->{$step} }
        $node = $found // die "$node->{'$ref'} leads nowhere\n";
    }
    return $node;
}

# The name of the schema that a node refers to.
sub name_of ($self, $node) { return ref $node eq 'HASH' && ($node->{'$ref'} // '') =~ m{^#/components/schemas/(.+)} ? $1 : undef }

# The surfaces of the document, each { name, groups }; a group is { name, about, operations }, an operation what the
# document says of it, with path, verb and its other versions, which share its x-catalogue-id.  Whose surface and
# noun an operation is stands in that id; webhooks are one more surface, their groups what events are about.
sub surfaces ($self) { return $self->{surfaces}->@* }

# Nouns of which there is too much for a page: parts of them by what the path is about.
my %parts = (
    'workspace.records' => [
        [ recordsets => qr{^/api/v1/(?:crud/)?recordsets\b}, 'The workspace surface: which fields records have, who may what with them, and views.' ],
        [ tracking   => qr{^/api/v1/record-tracking/},       'The workspace surface: what was done about records, and what is to be done.' ],
    ],
);

sub _collect ($self) {
    my (%seen, %surface);
    my %about = map { $_->{name} => $_->{description} } @{ $self->{doc}{tags} // [] };
    my $add = sub ($surface, $noun, $op) {
        my ($part) = grep { $op->{path} =~ $_->[1] } @{ $parts{"$surface.$noun"} // [] };
        ($noun, my $said) = $part ? @$part[ 0, 2 ] : ($noun, $about{"$surface $noun"} // $about{ $op->{tags}[0] // '' });
        my $in = $surface{$surface} //= do {
            push $self->{surfaces}->@*, my $made = { name => $surface, groups => [], by_name => {} };
            $made;
        };
        my $group = $in->{by_name}{$noun} //= do {
            push $in->{groups}->@*, my $made = { name => $noun, surface => $surface, about => $said, operations => [] };
            $made;
        };
        $op->{group} = $group;
        push $group->{operations}->@*, $op;
    };
    my $paths = $self->{doc}{paths};
    for my $path ($self->keys_of($paths)) {
        for my $verb (grep { $paths->{$path}{$_} } @verbs) {
            my $op = { path => $path, verb => $verb, versions => [], %{ $paths->{$path}{$verb} } };
            my $id = $op->{'x-catalogue-id'} // $op->{operationId};
            if (my $first = $seen{$id}) {
                push $first->{versions}->@*, $op;
                next;
            }
            $seen{$id} = $op;
            my ($surface, $noun) = $id =~ /^([\w-]+)\.([\w-]+)\./ ? ($1, $2) : ('api', $op->{tags}[0] // 'other');
            $add->($surface, $noun, $op);
        }
    }
    my $webhooks = $self->{doc}{webhooks} // {};
    for my $event ($self->keys_of($webhooks)) {
        $add->('webhooks', $event =~ s/\..*//r, { path => $event, verb => 'post', versions => [], is_webhook => 1, %{ $webhooks->{$event}{post} } });
    }
    $self->{surfaces} //= [];
    return;
}

# The operations of a group and their other versions.
sub all_of ($self, $group) { return map { $_, $_->{versions}->@* } $group->{operations}->@* }

1;
