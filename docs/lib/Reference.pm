package Reference;

# An OpenAPI document as plain HTML: what readers without JavaScript see, and
# /docs and /redoc too where npm could not fetch the viewers.

use v5.36;
use Exporter 'import';
use JSON::PP ();

our @EXPORT_OK = qw(escape);

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

# ------------------------------------------------------------------ reading

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

sub _keys ($self, $object) {
    my (undef, @order) = @{ $self->{order}{$object} // [ undef, sort keys %$object ] };
    return @order;
}

sub _write ($self, $value, $indent = '') {
    my $deeper = "$indent  ";
    if (ref $value eq 'HASH') {
        my @members = map { $deeper . $scalar->encode($_) . ': ' . $self->_write($value->{$_}, $deeper) } $self->_keys($value);
        return @members ? "{\n" . join(",\n", @members) . "\n$indent}" : '{}';
    }
    if (ref $value eq 'ARRAY') {
        return @$value ? "[\n" . join(",\n", map { $deeper . $self->_write($_, $deeper) } @$value) . "\n$indent]" : '[]';
    }
    return $scalar->encode($value);
}

sub _resolve ($self, $node) {
    while (ref $node eq 'HASH' && $node->{'$ref'}) {
        my $found = $self->{doc};
        for my $step (split m{/}, substr $node->{'$ref'}, 2) { $found = $found->{$step} }
        $node = $found // die "$node->{'$ref'} leads nowhere\n";
    }
    return $node;
}

# The operations by tag, in the document's order.  The versions of one
# operation, which share an x-catalogue-id, are one entry.
sub _collect ($self) {
    my %seen;
    my $paths = $self->{doc}{paths};
    for my $path ($self->_keys($paths)) {
        for my $verb (grep { $paths->{$path}{$_} } @verbs) {
            my $op = { path => $path, verb => $verb, %{ $paths->{$path}{$verb} } };
            if (my $first = $seen{ $op->{'x-catalogue-id'} // '' }) {
                push @{ $first->{versions} }, $op;
                next;
            }
            $seen{ $op->{'x-catalogue-id'} } = $op if $op->{'x-catalogue-id'};
            push @{ $self->{by_tag}{ $op->{tags}[0] // 'other' } }, $op;
        }
    }
    my @named = grep { $self->{by_tag}{$_} } map { $_->{name} } @{ $self->{doc}{tags} // [] };
    my %named = map { $_ => 1 } @named;
    $self->{tags} = [ @named, grep { !$named{$_} } sort keys %{ $self->{by_tag} } ];
    return;
}

# Each operation: id, verb, path, and what it does.
sub operations ($self) {
    return map { [ $_->{operationId}, uc $_->{verb}, $_->{path}, join ' ', grep { defined } @$_{qw(summary description)} ] } map { @$_ } @{ $self->{by_tag} }{ @{ $self->{tags} } };
}

# ------------------------------------------------------------------ writing

sub escape ($text) {
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    return $text =~ s/([&<>"])/$entity{$1}/gr;
}

sub _code ($text) { return '<code>' . escape($text) . '</code>' }

# An overview of all operations, then each of them.
sub html ($self) {
    my $out = "<nav class=\"operations\" aria-label=\"Operations\">\n";
    for my $tag ($self->{tags}->@*) {
        $out .= '<p>' . escape($tag) . "</p>\n<ul>\n";
        $out .= sprintf "<li><a href=\"#%s\"><b class=\"verb %s\">%s</b> %s</a> %s</li>\n",
            escape($_->{operationId}), $_->{verb}, uc $_->{verb}, _code($_->{path}), escape($_->{summary} // '')
            for $self->{by_tag}{$tag}->@*;
        $out .= "</ul>\n";
    }
    $out .= "</nav>\n";
    for my $tag ($self->{tags}->@*) {
        $out .= '<h2 class="tag">' . escape($tag) . "</h2>\n" . join '', map { $self->_operation($_) } $self->{by_tag}{$tag}->@*;
    }
    return $out;
}

sub _operation ($self, $op) {
    my $out = sprintf "<article class=\"operation\" id=\"%s\">\n<h3><b class=\"verb %s\">%s</b> %s</h3>\n",
        escape($op->{operationId}), $op->{verb}, uc $op->{verb}, _code($op->{path});
    my @needs = map { keys %$_ } @{ $op->{security} // [] };
    my $summary = ($op->{summary} // '') =~ s/(?<![?!.])\z/./r;
    $out .= '<p>' . escape($summary) . ' ' . (@needs ? 'Needs a bearer token.' : 'Open to anyone.') . "</p>\n";
    $out .= '<p>' . escape($op->{description}) . "</p>\n" if $op->{description};
    $out .= $self->_parameters($op) . $self->_body($op);
    $out .= "<h4>Request</h4>\n<pre><code>" . escape($self->_curl($op)) . "</code></pre>\n";
    $out .= $self->_answers($op);
    return "$out</article>\n";
}

sub _table ($caption, $head, @rows) {
    return '' if !@rows;
    my $out = "<div class=\"table\"><table>\n<caption>$caption</caption>\n<thead><tr>"
        . join('', map { "<th scope=\"col\">$_</th>" } @$head) . "</tr></thead>\n<tbody>\n";
    for my $row (@rows) {
        my ($name, @rest) = @$row;
        $out .= "<tr><th scope=\"row\">$name</th>" . join('', map { "<td>$_</td>" } @rest) . "</tr>\n";
    }
    return "$out</tbody></table></div>\n";
}

# A schema in a few words: "string, 1 to 255 characters, or null".
sub _type ($self, $given) {
    my $s     = $self->_resolve($given);
    my @types = ref $s->{type} ? @{ $s->{type} } : $s->{type} // 'any value';
    my @words = $s->{format} ? $s->{format} =~ s/\Aidn-//r : grep { $_ ne 'null' } @types;
    push @words, 'of ' . $self->_type($s->{items}) if $s->{items};
    if ($s->{enum}) { @words = 'one of ' . join ', ', map { _code($_) } grep { defined } @{ $s->{enum} } }
    for ([qw(minLength maxLength characters)], [ qw(minimum maximum), '' ], [qw(minItems maxItems elements)]) {
        my ($min, $max, $unit) = ($s->{ $_->[0] }, $s->{ $_->[1] }, $_->[2]);
        next if !defined $min && !defined $max || !defined $max && !$min && $unit;
        my $range = defined $min && defined $max ? "$min to $max" : defined $max ? "at most $max" : "$min or more";
        push @words, $unit ? "$range $unit" : $range;
    }
    push @words, 'or null' if grep { $_ eq 'null' } @types;
    push @words, 'default ' . _code($self->_write($s->{default})) if exists $s->{default};
    return join ', ', @words;
}

# The members of an object, those of nested ones with their path.
sub _members ($self, $schema, $prefix = '') {
    my $s        = $self->_resolve($schema);
    my %required = map { $_ => 1 } @{ $s->{required} // [] };
    my @rows;
    for my $name ($self->_keys($s->{properties} // {})) {
        my $member = $self->_resolve($s->{properties}{$name});
        push @rows, [ _code("$prefix$name") . ($required{$name} ? '' : ' <i>optional</i>'), $self->_type($member), escape($member->{description} // '') ];
        my $inner = $self->_resolve($member->{items} // $member);
        push @rows, $self->_members($inner, "$prefix$name" . ($member->{items} ? '[].' : '.')) if $inner->{properties};
    }
    return @rows;
}

sub _parameters ($self, $op) {
    return _table(
        'Parameters',
        [qw(name in type meaning)],
        map {
            my $p = $self->_resolve($_);
            [ _code($p->{name}) . ($p->{required} ? '' : ' <i>optional</i>'), $p->{in}, $self->_type($p->{schema}), escape($p->{description} // $p->{schema}{description} // '') ]
        } @{ $op->{parameters} // [] });
}

sub _body ($self, $op) {
    my $json = $op->{requestBody}{content}{'application/json'} or return '';
    return _table('Body, application/json', [qw(member type meaning)], $self->_members($json->{schema}));
}

sub _example ($self, $schema) {
    my $s = $self->_resolve($schema);
    return ($s->{examples} // [])->[0] // $s->{default} // ($s->{format} // '') eq 'uuid' ? '01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f' : 'x';
}

sub _curl ($self, $op) {
    my %param = map { my $p = $self->_resolve($_); $p->{in} eq 'path' ? ($p->{name} => $self->_example($p->{schema})) : () } @{ $op->{parameters} // [] };
    my $path  = $op->{path} =~ s/\{(\w+)\}/$param{$1} \/\/ $1/ger;
    my @words = ('curl' . ($op->{verb} eq 'get' ? '' : " -X \U$op->{verb}") . " https://localhost:8443$path");
    push @words, '-H "Authorization: Bearer $TOKEN"' if @{ $op->{security} // [] };
    my $json = $op->{requestBody}{content}{'application/json'};
    if ($json && exists $json->{example}) {
        my $body = $self->_write($json->{example}) =~ s/\n\s*/ /gr =~ s/\{ /{/gr =~ s/ \}/}/gr =~ s/'/'\\''/gr;
        push @words, '-H "Content-Type: application/json"', "-d '$body'";
    }
    return join " \\\n  ", @words;
}

sub _answers ($self, $op) {
    my ($out, @errors) = ('');
    for my $status ($self->_keys($op->{responses})) {
        my $answer = $self->_resolve($op->{responses}{$status});
        if ($status >= 400) {
            push @errors, map { "<a href=\"/errors.html#$_\">$_</a> $status" } $answer->{description} =~ /\b([A-Z][A-Z_]+):/g;
            next;
        }
        $out .= "<h4>Answer $status</h4>\n";
        $out .= $self->_content($op, $answer) || '<p>' . escape($answer->{description}) . ".</p>\n";
    }
    for my $other (@{ $op->{versions} // [] }) {
        my ($success) = map { $self->_resolve($other->{responses}{$_}) } grep { $_ < 400 } $self->_keys($other->{responses});
        $out .= "<details><summary>Under " . _code($other->{path}) . "</summary>\n" . ($self->_content($other, $success) || "<p>The same.</p>\n") . "</details>\n";
    }
    $out .= '<h4>Errors</h4><p class="errors">' . join(', ', @errors) . "</p>\n" if @errors;
    return $out;
}

# Each media type of an answer: its example, and its members to unfold.
sub _content ($self, $op, $answer) {
    my $out = '';
    for my $type ($self->_keys($answer->{content} // {})) {
        my $media = $answer->{content}{$type};
        if (exists $media->{example}) {
            $out .= '<pre><code>' . escape($self->_write($media->{example})) . "</code></pre>\n";
        } else {
            $out .= '<p>' . _code($type) . "</p>\n";
        }
        my $members = _table('Members', [qw(member type meaning)], $self->_members($media->{schema}));
        $out .= "<details><summary>Members</summary>\n$members</details>\n" if $members;
    }
    return $out;
}

1;
