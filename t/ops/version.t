# One version, wherever it is said: by the program, in the document, at the foot of the guide and over the newest notes.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS 'decode_json';
use Test::More;

my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";

sub slurp ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# As semver.org has it: numbers without a zero in front, then what a release is not, then what does not count.
my $number  = qr/(?:0|[1-9]\d*)/;
my $word    = qr/(?:$number|\d*[A-Za-z-][0-9A-Za-z-]*)/;
my $version = qr/$number\.$number\.$number(?:-$word(?:\.$word)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?/;

my ($said) = qx($ashlar version) =~ /\Aashlar (.+)\n\z/;
like $said, qr/\A$version\z/, 'the version is a semantic one';

my $document = decode_json(scalar qx($ashlar openapi));
is $document->{info}{version}, $said, 'the document has it';

my @headings = slurp('CHANGELOG.md') =~ /^## (.*)$/mg;
is_deeply [ grep { !/\A$version \(\d{4}-\d\d-\d\d\)\z/ } @headings ], [], 'each heading of the notes is a version and its day';
my @releases = map { /^(\S+) \((.*)\)/ ? [ $1, $2 ] : () } @headings;
is $releases[0][0], $said, '  the first of them this one';
my $key = sub ($n) { return join '.', map { sprintf '%09d', $_ } $n =~ /^(\d+)\.(\d+)\.(\d+)/ };
is_deeply [ map { $_->[0] } @releases ], [ map { $_->[0] } sort { $key->($b->[0]) cmp $key->($a->[0]) } @releases ], '  the newest first';
is_deeply [ map { $_->[1] } @releases ], [ reverse sort map { $_->[1] } @releases ], '  by their days, too';

like slurp('build/docs/index.html'), qr{<a href="/changelog\.html">\Q$said\E</a>}, 'the guide has it at its foot';
is_deeply [ slurp('build/docs/changelog.html') =~ m{<h2 id="[\d.]+"><a href="[^"]+">([^<]+)</a></h2>}g ], \@headings, '  and the notes on a page';

done_testing;
