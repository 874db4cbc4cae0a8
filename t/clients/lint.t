# The API document as linters of two makers judge it: npm's @redocly/cli with all that it recommends, and
# @stoplight/spectral-cli.  What their configurations leave out is asked here.
#
# Redocly reads the whole and each surface's.  Spectral, which takes five times as long, reads the whole and the
# shortest one: t/api/runtime/openapi.t has it that what is in a surface's is in the whole as it is there.  In its place it looks at what
# is referred to wherever that is, and operations refer to the same hundred refusals 8,000 times: of each it reads the first reference.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();
use Test::More;

my $npm    = 't/clients/node_modules/.bin';
my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";
my $dir    = File::Temp->newdir('/tmp/ashlar-lint-XXXXXX');

sub output_of (@command) {
    open my $in, '-|', @command or die "$command[0]: $!\n";
    local $/ = undef;
    my $text = <$in> // '';
    close $in;
    return $text;
}

sub write_file ($name, $text) {
    open my $out, '>:raw', "$dir/$name.json" or die "$dir/$name.json: $!\n";
    print {$out} $text;
    close $out or die "$dir/$name.json: $!\n";
    return;
}

my $text     = output_of($ashlar, 'openapi');
my $document = decode_json($text);
my %seen     = map { s/\..*//r => 1 } map { map { $_->{'x-catalogue-id'} } values %$_ } values $document->{paths}->%*;
my @names    = sort keys %seen;
write_file(openapi => $text);
write_file($_ => output_of($ashlar, 'openapi', '--surface', $_)) for @names;
my ($once, %is_shown) = decode_json($text);
for my $responses (map { $_->{responses} } map { $once->{paths}{$_}->@{ sort keys $once->{paths}{$_}->%* } } sort keys $once->{paths}->%*) {
    delete @$responses{ grep { /^[45]/ && $responses->{$_}{'$ref'} && $is_shown{ $responses->{$_}{'$ref'} }++ } sort keys %$responses };
}
write_file(once => encode_json($once));
my ($shortest) = sort { -s "$dir/$a.json" <=> -s "$dir/$b.json" } @names;
# One that is wrong, so that a linter which finds nothing at all is found.
write_file(broken => output_of($ashlar, 'openapi', '--surface', $shortest) =~ s/"operationId":"\w+",//r);
my %judged = (redocly => [ 'openapi', @names ], spectral => [ 'once', $shortest ]);

ok -x "$npm/redocly" && -x "$npm/spectral", 'the npm packages are there (make deps)' or BAIL_OUT('no linters');

# Both at once, on a processor each.  Neither asks anybody anything.
local @ENV{qw(REDOCLY_TELEMETRY REDOCLY_SUPPRESS_UPDATE_NOTICE)} = qw(off true);
my %command = (
    redocly  => [ "$npm/redocly", qw(lint --config t/clients/redocly.yaml --format json --max-problems 1000) ],
    spectral => [ "$npm/spectral", qw(lint --ruleset t/clients/spectral.yaml --format json --quiet --fail-severity hint) ],
);
my %running;
for my $name (sort keys %command) {
    open $running{$name}, '-|', 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh', $command{$name}->@*, map { "$dir/$_.json" } $judged{$name}->@*, 'broken' or die "$name: $!\n";
}

# What each says, as JSON texts one after the other: [ file, rule, where and what ]
my %complaints = (
    redocly => sub (@said) {
        return map { [ $_->{location}[0]{source}{ref}, $_->{ruleId}, "$_->{location}[0]{pointer}: $_->{message}" ] } map { $_->{problems}->@* } @said;
    },
    spectral => sub (@said) {
        # What is in an example is no schema, even where one of its members is called "default".
        return grep { $_->[1] ne 'oas3-valid-schema-example' || $_->[2] !~ m{/content/[^:]*/example/} } map { [ $_->{source}, $_->{code}, join('/', $_->{path}->@*) . ": $_->{message}" ] } map { @$_ } @said;
    },
);
for my $name (sort keys %command) {
    subtest $name => sub {
        my $said = do { local $/ = undef; readline $running{$name} };
        close $running{$name};
        my @all    = $complaints{$name}->(Cpanel::JSON::XS->new->utf8->incr_parse($said =~ s/^[^\[\{\]\}\s"].*$//mgr));
        my @broken = grep { $_->[0] =~ /broken\.json\z/ } @all;
        is_deeply [ map { join ': ', @$_ } grep { $_->[0] !~ /broken\.json\z/ } @all ], [], 'nothing is to be said of ' . join ', ', $judged{$name}->@*;
        is scalar(grep { $_->[1] =~ /operation-operationId/ } @broken), 1, '  but of one that is wrong' or diag substr $said, 0, 2000;
    };
}
is_deeply [ sort keys %is_shown ], [ sort grep { m{/[45][^/]*\z} } map { "#/components/responses/$_" } keys $document->{components}{responses}->%* ], 'every refusal was read, once';

subtest 'what the configurations leave out' => sub {
    for my $path (sort keys $document->{paths}->%*) {
        for my $method (sort keys $document->{paths}{$path}->%*) {
            my @success = grep { /^(?:2..|302|101)$/ } keys $document->{paths}{$path}{$method}{responses}->%*;
            ok scalar @success, "$method $path can succeed";
            is $document->{paths}{$path}{$method}{'x-pool'}, 'realtime', '  by another protocol, where that is there' if grep { $_ == 101 } @success;
        }
    }
    # Two paths that one request could have: which it is is clear by their literals, since an id is a UUID, or since the literal is no name that one may have.
    my @paths = map { [ split m{/} ] } sort keys $document->{paths}->%*;
    my %uuids;    # names of parameters that are one
    my %reserved = (recordset_slug => 'trash import export geocode');    # no recordset has these slugs
    for my $item (values $document->{paths}->%*) {
        for my $parameter (map { $_->{'$ref'} ? $document->{components}{parameters}{ $_->{'$ref'} =~ s{.*/}{}r } : $_ } map { ($_->{parameters} // [])->@* } values %$item) {
            $uuids{ $parameter->{name} } = 1 if ($parameter->{in} // '') eq 'path' && ($parameter->{schema}{format} // '') eq 'uuid';
        }
    }
    my $is_name = sub ($part) { $part =~ /^\{(.*)\}$/ ? $1 : undef };
    for my $i (0 .. $#paths) {
        for my $k ($i + 1 .. $#paths) {
            my ($one, $other) = @paths[ $i, $k ];
            next if @$one != @$other;
            my @differ = grep { $one->[$_] ne $other->[$_] } 0 .. $#$one;
            next if grep { !defined $is_name->($one->[$_]) && !defined $is_name->($other->[$_]) } @differ;
            my $clear = sub ($a, $b) { return !grep { defined $is_name->($a->[$_]) && !defined $is_name->($b->[$_]) } @differ };
            next if $clear->($one, $other) || $clear->($other, $one);
            my $apart = sub ($n, $literal) { $uuids{$n} || ($reserved{$n} // '') =~ /\b\Q$literal\E\b/ };
            ok scalar(grep { my ($p, $q) = ($one->[$_], $other->[$_]); defined $is_name->($p) ? $apart->($is_name->($p), $q) : $apart->($is_name->($q), $p) } @differ), join('/', @$one) . ' is not ' . join('/', @$other);
        }
    }
};

done_testing;
