package Reference;

# The API reference, as plain HTML: a page that leads to all groups of operations, and one for each of them, whose
# operations are folded.  It needs no JavaScript; docs/static/reference.js adds the filter.

use v5.36;
use Exporter 'import';
use OpenApi;

our @EXPORT_OK = qw(escape);

sub new ($class, $text) {
    my $self = bless { api => OpenApi->new($text) }, $class;
    # What nearly every operation may refuse with is told once a page, for those that have all of it.
    my (%count, $all);
    for my $op (map { $_->{operations}->@* } grep { $_->{surface} ne 'webhooks' } $self->groups) {
        $all++;
        $count{"@$_"}++ for $self->_refusals($op);
    }
    $self->{common} = { map { $_ => 1 } grep { $count{$_} >= 0.95 * $all } keys %count };
    return $self;
}

sub version ($self) { return $self->{api}->version }

# Every group that has a page: { name, surface, about, operations }.
sub groups ($self) { return map { $_->{groups}->@* } $self->{api}->surfaces }

sub address ($group) { return "/reference/$group->{surface}/$group->{name}.html" }

# What the filter, the viewers and the search look through, as JavaScript reads it: surfaces and groups by name, and of
# each operation the method, the path, its id and summary.  Each surface has the name of the document that it is in, of
# those given by name as text: its own, or webhooks that of a surface that is told of all of them.
sub index_of_operations ($self, %documents) {
    my @surfaces;
    for my $surface ($self->{api}->surfaces) {
        my @groups;
        for my $group ($surface->{groups}->@*) {
            my @operations = map { [ $_->{is_webhook} ? '' : uc $_->{verb}, $_->{path}, $_->{operationId}, $_->{summary} // '' ] } $self->{api}->all_of($group);
            push @groups, { name => $group->{name}, operations => \@operations };
        }
        my @ids = map { $_->{operationId} } map { $_->{operations}->@* } $surface->{groups}->@*;
        my ($in) = grep { my $text = $documents{$_} // ''; !grep { index($text, "\"$_\"") < 0 } @ids } $surface->{name}, sort keys %documents;
        push @surfaces, { name => $surface->{name}, document => $in, groups => \@groups };
    }
    return { surfaces => \@surfaces };
}

# ------------------------------------------------------------------ pages

sub escape ($text) {
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    return $text =~ s/([&<>"])/$entity{$1}/gr;
}

# Where no attribute is, quotation marks are nothing special, and examples are full of them.
sub _plain ($text) { return escape($text) =~ s/&quot;/"/gr }

sub _code ($text) { return '<code>' . _plain($text) . '</code>' }

# A name as people write it: webhooks_out, webhooks out.
sub _spoken ($name) { return escape($name =~ tr/_/ /r) }

# All groups, by surface.
sub home ($self) {
    my $out = "<div id=\"surfaces\">\n";
    for my $surface ($self->{api}->surfaces) {
        my $n = 0;
        my @links;
        for my $group ($surface->{groups}->@*) {
            my $has = $self->{api}->all_of($group);
            $n += $has;
            push @links, sprintf "<li><a href=\"%s\">%s</a> <span>%d</span></li>\n", address($group), _spoken($group->{name}), $has;
        }
        $out .= "<section id=\"$surface->{name}\"><h2><a href=\"#$surface->{name}\">\u$surface->{name}</a> <span class=\"status\">$n</span></h2>\n"
            . "<ul class=\"groups\">\n@{[ join '', @links ]}</ul></section>\n";
    }
    return "$out</div>\n";
}

# Links of a viewer to itself, each with another surface.
sub surface_links ($self) {
    my $out = "<nav class=\"surfaces\" aria-label=\"Surfaces\">\n";
    for my $surface ($self->{api}->surfaces) {
        my $n = map { $self->{api}->all_of($_) } $surface->{groups}->@*;
        $out .= "<a href=\"?surface=$surface->{name}\">\u$surface->{name} <span>$n</span></a>\n";
    }
    return "$out</nav>\n";
}

# Beside a group: the surfaces, and the groups of its own.
sub navigation ($self, $group) {
    my $out = '';
    for my $surface ($self->{api}->surfaces) {
        $out .= "<h2><a href=\"/reference.html#$surface->{name}\">\u$surface->{name}</a></h2>\n";
        next if $surface->{name} ne $group->{surface};
        my @links = map { '<li><a href="' . address($_) . '"' . ($_ == $group ? ' aria-current="page"' : '') . '>' . _spoken($_->{name}) . "</a></li>\n" } $surface->{groups}->@*;
        $out .= "<ul>\n@{[ join '', @links ]}</ul>\n";
    }
    return $out;
}

# A group's operations, folded, and the objects that they send and answer with.
sub page ($self, $group) {
    local $self->{objects} = {};    # named schemas that this page refers to
    my $title = "\u" . _spoken($group->{name});
    my $out   = "<p class=\"way\"><a href=\"/reference.html\">API reference</a> / <a href=\"/reference.html#$group->{surface}\">\u$group->{surface}</a></p>\n<h1>$title</h1>\n";
    $out .= '<p>' . escape($group->{about}) . "</p>\n" if $group->{about};
    $out .= join '', map { $self->_operation($_) } $group->{operations}->@*;
    return $out . $self->_objects . $self->_common($group);
}

sub title ($self, $group) { return "\u" . _spoken($group->{name}) . ", $group->{surface}" }

# ------------------------------------------------------------------ operations

sub _operation ($self, $op) {
    my $id    = escape($op->{operationId});
    my $title = $op->{is_webhook} ? _code($op->{path}) : sprintf '<b class="verb %s">%s</b> %s', $op->{verb}, uc $op->{verb}, _code($op->{path});
    my $out   = "<details class=\"operation\" id=\"$id\">\n<summary><h2>$title <span>" . escape($op->{summary} // '') . "</span></h2></summary>\n";
    my $where = "surface=$op->{group}{surface}&amp;group=$op->{group}{name}&amp;operation=$id";
    $out .= '<p>' . escape($op->{description}) . "</p>\n" if length($op->{description} // '');
    $out .= "<p class=\"elsewhere\"><a href=\"#$id\"><code>$id</code></a> <a href=\"/docs?$where\">Swagger UI</a> <a href=\"/redoc?$where\">ReDoc</a></p>\n";
    $out .= $self->_parameters($op) . $self->_body($op);
    $out .= "<h3>Request</h3>\n<pre><code>" . _plain($self->_curl($op)) . "</code></pre>\n" if !$op->{is_webhook};
    $out .= $self->_answers($op);
    return "$out</details>\n";
}

sub _table ($caption, $head, @rows) {
    return '' if !@rows;
    my $out = '<div class="table"><table>' . ($caption ? "\n<caption>$caption</caption>" : '') . "\n<thead><tr>"
        . join('', map { "<th scope=\"col\">$_</th>" } @$head) . "</tr></thead>\n<tbody>\n";
    for my $row (@rows) {
        my ($name, @rest) = @$row;
        $out .= "<tr><th scope=\"row\">$name</th>" . join('', map { "<td>$_</td>" } @rest) . "</tr>\n";
    }
    return "$out</tbody></table></div>\n";
}

# A link to the object of that name, which this page then shows.
sub _object ($self, $name, $schema) {
    $self->{objects}{$name} = $schema;
    return "<a href=\"#object-$name\">" . escape($name) . '</a>';
}

# Has it members of its own to list?
sub _has_members ($self, $schema) {
    my $s = $self->{api}->resolve($schema);
    return $s->{properties} && %{ $s->{properties} } || $s->{oneOf} || $s->{anyOf} && grep({ $self->_has_members($_) } $s->{anyOf}->@*) || $s->{allOf};
}

# A schema in a few words: "string, 1 to 255 characters, or null".
sub _type ($self, $given) {
    my $api  = $self->{api};
    my $name = $api->name_of($given);
    my $s    = $api->resolve($given);
    return $self->_object($name, $given) if defined $name && $self->_has_members($s);
    if (my ($some) = grep { $_ } @$s{qw(oneOf anyOf)}) {
        return join ' or ', map { $self->_type($_) } @$some if !$s->{type} && !$s->{properties};
    }
    my @types = ref $s->{type} ? @{ $s->{type} } : $s->{type} // 'any value';
    my @words = $s->{format} ? $s->{format} =~ s/\Aidn-//r : grep { $_ ne 'null' } @types;
    push @words, 'of ' . $self->_type($s->{items}) if $s->{items};
    if ($s->{enum})          { @words = 'one of ' . join ', ', map { _code($_) } grep { defined } @{ $s->{enum} } }
    if (exists $s->{const}) { @words = _code($api->write_json($s->{const})) }
    for ([qw(minLength maxLength characters)], [ qw(minimum maximum), '' ], [qw(minItems maxItems elements)]) {
        my ($min, $max, $unit) = ($s->{ $_->[0] }, $s->{ $_->[1] }, $_->[2]);
        next if !defined $min && !defined $max || !defined $max && !$min && $unit;
        my $range = defined $min && defined $max ? "$min to $max" : defined $max ? "at most $max" : "$min or more";
        push @words, $unit ? "$range $unit" : $range;
    }
    push @words, 'or null' if grep { $_ eq 'null' } @types;
    push @words, 'default ' . _code($api->write_json($s->{default})) if exists $s->{default};
    return join ', ', @words;
}

# The members of an object, those of nested ones with their path; a named one within it has a table of its own.
sub _members ($self, $schema, $prefix = '') {
    my $api      = $self->{api};
    my $s        = $api->resolve($schema);
    my %required = map { $_ => 1 } @{ $s->{required} // [] };
    my @rows;
    for my $name ($api->keys_of($s->{properties} // {})) {
        my $given  = $s->{properties}{$name};
        my $member = $api->resolve($given);
        push @rows, [ _code("$prefix$name") . ($required{$name} ? '' : ' <i>optional</i>'), $self->_type($given), escape($given->{description} // $member->{description} // '') ];
        my $inner = $member->{items} // $given;
        push @rows, $self->_members($inner, "$prefix$name" . ($member->{items} ? '[].' : '.')) if !defined $api->name_of($inner) && $api->resolve($inner)->{properties};
    }
    push @rows, $self->_members($_, $prefix) for @{ $s->{allOf} // [] };
    return @rows;
}

# Tables of an object's members: of one whose form depends, one for each form.
sub _tables ($self, $caption, $schema) {
    my $s     = $self->{api}->resolve($schema);
    my $out   = _table($caption, [qw(member type meaning)], $self->_members($s));
    my $forms = $s->{oneOf} // $s->{anyOf} // [];
    for my $form (@$forms) {
        my $name = $self->{api}->name_of($form);
        $out .= defined $name ? '<p>Either: ' . $self->_object($name, $form) . ".</p>\n" : $self->_tables('Either', $form);
    }
    return $out;
}

# The named objects of a page, and those that they refer to.
sub _objects ($self) {
    my ($out, %done) = ('');
    while (my ($name) = grep { !$done{$_} } sort keys $self->{objects}->%*) {
        $done{$name} = $self->_tables('', $self->{objects}{$name});
    }
    for my $name (sort keys %done) {
        $out .= "<details class=\"object\" id=\"object-$name\">\n<summary><h3>" . escape($name) . "</h3></summary>\n$done{$name}</details>\n";
    }
    return length $out ? "<h2>Objects</h2>\n$out" : '';
}

sub _parameters ($self, $op) {
    return _table(
        $op->{is_webhook} ? 'Headers' : 'Parameters',
        [qw(name in type meaning)],
        map {
            my $p = $self->{api}->resolve($_);
            [ _code($p->{name}) . ($p->{required} ? '' : ' <i>optional</i>'), $p->{in}, $self->_type($p->{schema}), escape($p->{description} // $p->{schema}{description} // '') ]
        } @{ $op->{parameters} // [] });
}

sub _body ($self, $op) {
    my $out = '';
    for my $type ($self->{api}->keys_of($op->{requestBody}{content} // {})) {
        my $media = $op->{requestBody}{content}{$type};
        my $name  = $self->{api}->name_of($media->{schema});
        $out .= defined $name && $self->_has_members($media->{schema}) ? "<h3>Body, $type: " . $self->_object($name, $media->{schema}) . "</h3>\n" : $self->_tables("Body, $type", $media->{schema});
        $out .= $self->_shown($media) if $op->{is_webhook};
    }
    return $out;
}

# The example of a body or an answer.
sub _shown ($self, $media) {
    my ($first) = map { $_->{value} } map { $media->{examples}{$_} } $self->{api}->keys_of($media->{examples} // {});
    my $example = exists $media->{example} ? $media->{example} : $first // return '';
    return '<pre class="answer"><code>' . _plain(ref $example ? $self->{api}->write_json($example) : $example // 'null') . "</code></pre>\n";
}

# As the guide calls what make run prints.
sub _credential ($self, $scheme, $role) {
    return '-H "X-API-Key: $KEY"' if $scheme eq 'apiKey' || $scheme eq 'organizationKey';
    return '-H "Authorization: Bearer $' . ($scheme eq 'team' ? 'TEAM_TOKEN' : $role ? 'ADMIN_TOKEN' : 'TOKEN') . '"';
}

# What stands in the place of a parameter: its example, or in a path something of its kind.
sub _example ($self, $parameter) {
    return $parameter->{example} if exists $parameter->{example};
    my $s = $self->{api}->resolve($parameter->{schema});
    return ($s->{examples} // [])->[0] // $s->{default} // (($s->{format} // '') eq 'uuid' ? '01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f' : 'x');
}

# With all that has an example, and what a path has to have.
sub _curl ($self, $op) {
    my $api   = $self->{api};
    my @shown = grep { exists $_->{example} || $_->{in} eq 'path' } map { $api->resolve($_) } @{ $op->{parameters} // [] };
    my %param = map { $_->{name} => $self->_example($_) } @shown;
    my $path  = $op->{path} =~ s/\{(\w+)\}/$param{$1} \/\/ $1/ger;
    my $query = join '&', map { "$_->{name}=$_->{example}" } grep { $_->{in} eq 'query' } @shown;
    my $url   = "https://localhost:8443$path" . (length $query ? "?$query" : '');
    my @words = ('curl' . ($op->{verb} eq 'get' ? '' : " -X \U$op->{verb}") . (length $query ? " \"$url\"" : " $url"));
    push @words, map { $self->_credential($_, $op->{'x-role'}) } sort keys %{ ($op->{security} // [])->[0] // {} };
    my $json = $op->{requestBody}{content}{'application/json'};
    if ($json && exists $json->{example}) {
        my $body = $api->write_json($json->{example}) =~ s/\n\s*/ /gr =~ s/\{ /{/gr =~ s/ \}/}/gr =~ s/'/'\\''/gr;
        push @words, '-H "Content-Type: application/json"', "-d '$body'";
    }
    return join " \\\n  ", @words;
}

# What an operation may refuse with: code and status.
sub _refusals ($self, $op) {
    my @all;
    for my $status (grep { /^[45]\d\d\z/ } $self->{api}->keys_of($op->{responses})) {
        push @all, map { [ $_, $status ] } ($self->{api}->resolve($op->{responses}{$status})->{description} // '') =~ /\b([A-Z][A-Z_]+):/g;
    }
    return @all;
}

sub _errors (@refusals) { return '<p class="errors">' . join(', ', map { "<a href=\"/errors.html#$_->[0]\">$_->[0]</a> $_->[1]" } @refusals) }

sub _common ($self, $group) {
    return '' if $group->{surface} eq 'webhooks' || !%{ $self->{common} };
    my @all = sort { $a->[1] <=> $b->[1] } map { [ split / / ] } keys $self->{common}->%*;
    return "<section id=\"any-request\"><h2>Any request</h2>\n<p>What each of them may be refused with, beside what is its own:</p>\n" . _errors(@all) . "</p></section>\n";
}

sub _answers ($self, $op) {
    my $api = $self->{api};
    my $out = '';
    for my $status (grep { /^[123]/ } $api->keys_of($op->{responses})) {
        my $answer = $api->resolve($op->{responses}{$status});
        $out .= $self->_content("Answer $status", $answer) || "<h3>Answer $status</h3>\n<p>" . escape(($answer->{description} // '') =~ s/(?<![?!.])\z/./r) . "</p>\n";
    }
    for my $other ($op->{versions}->@*) {
        my ($status) = grep { /^[123]/ } $api->keys_of($other->{responses});
        my $success = $api->resolve($other->{responses}{$status});
        $out .= '<details id="' . escape($other->{operationId}) . '"><summary>Under ' . _code($other->{path}) . "</summary>\n" . ($self->_content("Answer $status", $success) || "<p>The same.</p>\n") . "</details>\n";
    }
    return $out if $op->{is_webhook};
    my @all = $self->_refusals($op);
    my @own = grep { !$self->{common}{"@$_"} } @all;
    return $out . (@all ? "<h3>Errors</h3>\n" . _errors(@all) . "</p>\n" : '') if @all - @own < keys $self->{common}->%* || @all == @own;
    return "$out<h3>Errors</h3>\n" . _errors(@own) . (@own ? ', and ' : '') . "<a href=\"#any-request\">what any request may get</a></p>\n";
}

# Each media type of an answer: its example, and its members, unless the object of a name has them.
sub _content ($self, $title, $answer) {
    my $out = '';
    for my $type ($self->{api}->keys_of($answer->{content} // {})) {
        my $media  = $answer->{content}{$type};
        my $schema = $media->{schema} // {};
        my $named  = defined $self->{api}->name_of($schema) && $self->_has_members($schema);
        my $item   = $self->{api}->resolve($schema)->{items};
        my $what   = $type ne 'application/json' ? _code($type) : $named || $item ? $self->_type($schema) : '';
        $out .= "<h3>$title" . ($what ? ": $what" : '') . "</h3>\n" . $self->_shown($media);
        my $members = $named ? '' : $self->_tables('', $schema);
        $out .= "<details><summary>Members</summary>\n$members</details>\n" if $members;
    }
    return $out;
}

1;
