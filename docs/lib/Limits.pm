package Limits;

# The table of all limits: what docs/limits.txt finds in the code, what each route says (ashlar routes), and
# every setting that is a number (config.def).

use v5.36;
use Exporter 'import';
use JSON::PP ();
use Reference 'escape';

our @EXPORT_OK = qw(limits);

sub _number ($n) { return scalar reverse((reverse $n) =~ s/(\d{3})(?=\d)/$1,/gr) }

sub _bytes ($n) {
    return _number($n) . ' bytes' if $n % 1024;
    return $n % (1 << 20) ? _number($n / 1024) . ' KiB' : _number($n / (1 << 20)) . ' MiB';
}

sub _row ($what, $much, $whose = '') { return "<tr><th scope=\"row\">$what</th><td>$much</td><td>$whose</td></tr>\n" }

sub _part ($title, @rows) {
    return @rows ? "<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"3\" id=\"" . (lc($title) =~ s/[^a-z0-9]+/-/gr) . "\">$title</th></tr>\n@{[ join '', @rows ]}</tbody>\n" : '';
}

sub _setting ($name) { return "<a href=\"/operations.html#$name\"><code>$name</code></a>" }

# The parts of limits.txt, in their order: title and rows.
sub _fixed ($text, $slurp) {
    my @parts;
    for my $line (grep { /\S/ && !/^#/ } split /\n/, $text) {
        if ($line =~ /^\[(.*)\]$/) { push @parts, [$1]; next }
        my ($what, $much, $file, $pattern) = $line =~ /^([^:]+): (.*?) \| (\S+) \| (.*)$/ or die "docs/limits.txt: $line\n";
        my @found = $slurp->($file) =~ /$pattern/s or die "docs/limits.txt: $what: $file has no $pattern\n";
        s/,//g for @found;
        my $shown = $much =~ s/\{([BK]?)\}/my $n = shift @found; $1 eq 'B' ? _bytes($n) : $1 eq 'K' ? _bytes($n * 1024) : _number($n)/ger;
        push @{ $parts[-1] }, _row(escape($what), escape($shown));
    }
    return @parts;
}

# What is true of many calls is said of how many, of few of which.
sub _calls (@calls) {
    return @calls > 3 ? @calls . ' calls' : join ', ', map { '<code>' . escape($_) . '</code>' } @calls;
}

# Bodies and budgets, of "method path bytes setting".
sub _rates ($lines, $minute) {
    my (%body, %budget);
    for my $line (split /\n/, $lines) {
        my ($method, $path, $bytes, $setting) = split /\t/, $line;
        push @{ $body{$bytes} }, "$method $path" if $method =~ /^P/;
        push @{ $budget{$setting} }, "$method $path";
    }
    my @bodies  = map { _row('Body', _bytes($_), _calls(@{ $body{$_} })) } sort { @{ $body{$b} } <=> @{ $body{$a} } } keys %body;
    my @budgets = map { _row('Requests in a minute, of a user, else an address', $minute->{$_}, _setting($_) . ': ' . _calls(@{ $budget{$_} })) }
        sort { @{ $budget{$b} } <=> @{ $budget{$a} } } keys %budget;
    return [ 'How large', @bodies ], [ 'How often', @budgets ];
}

# A field's bounds, as the reference has them.
sub _bounds ($f) {
    my ($min, $max) = map { defined ? _number($_) : undef } @$f{qw(min max)};
    my $unit = { text => ' characters', url => ' characters', list => ' entries' }->{ $f->{type} } // '';
    return ($f->{min} ? "$min to $max" : "up to $max") . $unit;
}

# The areas that have a field, up to three by their names.
sub _areas (@areas) { return @areas > 3 ? @areas . ' areas' : join ', ', map { tr/_/ /r } @areas }

# Pages and fields, of routes as JSON.
sub _fields ($lines) {
    my (%page, %field);
    for my $route (map { JSON::PP::decode_json($_) } split /\n/, $lines) {
        my $noun = (split /[.]/, $route->{id})[1];
        for my $f (@{ $route->{query} }, @{ $route->{body} }) {
            next if !defined $f->{max};
            if ($f->{name} =~ /^(?:limit|page_size|per_page)$/) {
                push @{ $page{"<code>$f->{name}</code>: " . _number($f->{max}) . (defined $f->{default} ? ', ' . _number($f->{default}) . ' when left out' : '')} }, "$route->{method} $route->{path}";
            }
            else { $field{ $f->{name} }{ _bounds($f) }{$noun}++ }
        }
    }
    my @pages = map { _row('Rows of a page', $_, _calls(@{ $page{$_} })) } sort { @{ $page{$b} } <=> @{ $page{$a} } || $a cmp $b } keys %page;
    # Those that have the same bounds in the same areas are told together.
    my %alike;
    for my $name (sort keys %field) {
        my $of = $field{$name};
        push @{ $alike{"$_\t" . _areas(sort keys %{ $of->{$_} })} }, $name for sort keys %$of;
    }
    my @fields = map { _row('<code>' . escape(join ', ', @{ $alike{$_} }) . '</code>', split /\t/) }
        sort { $alike{$a}[0] cmp $alike{$b}[0] || $a cmp $b } keys %alike;
    return [ 'Pages', @pages ], [ 'Fields', @fields ];
}

# The parts of the table.
#
#   fixed     the text of docs/limits.txt
#   slurp     reads a file
#   settings  rows of config.def that are numbers: [ NAME, default, min, max, meaning ]
#   rates     what "ashlar routes --limits" prints
#   routes    what "ashlar routes" prints
sub limits (%arg) {
    my %minute = map { $_->[0] => _number($_->[1]) } @{ $arg{settings} };
    my @fixed  = _fixed(@arg{qw(fixed slurp)});
    my ($large, $often) = _rates($arg{rates}, \%minute);
    my ($pages, $fields) = _fields($arg{routes});
    my @settings = map { _row(escape($_->[4]), _number($_->[1]) . " <i>($_->[2] to $_->[3])</i>", _setting($_->[0])) } @{ $arg{settings} };
    my ($usual) = pop @fixed;
    return join '', map { _part(@$_) } $often, $large, $pages, @fixed, [ 'Settings', @settings ], $usual, $fields;
}

1;
