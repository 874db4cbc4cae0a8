# Whom the guide's examples name: somebody of the demo, which make run has, or somebody whom the same page makes.

use v5.36;
use utf8;
use lib 't/lib';
use Ashlar::Guide 'blocks';
use Ashlar::Sample;
use Encode 'decode';
use Test::More;

sub slurp ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

my $address = qr/[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.(?:com|example)\b/;
my $id      = qr/\buser_(?!id\b)[a-z]+\b(?=["'\/ &\\])(?!":)/;

my $sample = join '', map { $_->[1] } Ashlar::Sample->files;
my %demo   = map { $_ => 1 } $sample =~ /'($address)'/g, $sample =~ /'(user_[a-z]+)'/g;
ok $demo{'demo@example.com'} && $demo{user_demo}, 'the demo has people';

# What brings somebody, or a setting that is an address: a box that has this.
my $makes = qr{/register\b|/auth/signup\b|/invite\b|/invites\b[^<]*\s-d|/invitations\b[^<]*\s-d|/members\b[^<]*\s-d|/public/contact\b|\b(?:user|tenant) create\b|\btenant owner\b|/dashboard/settings\b|^[A-Z]+_[A-Z_]+=\S|\bimported\b}m;

my @unknown;
my $named = 0;
for my $page (sort glob 'docs/pages/*.html') {
    my @boxes = blocks(slurp($page));
    my %made  = map { $_ => 1 } map { /$address/g } grep { $_ =~ $makes } @boxes;
    for my $box (@boxes) {
        my @named = $box =~ /$address/g;
        push @unknown, map { "$page: $_" } grep { !$demo{$_} && !$made{$_} } @named, $box =~ /$id/g;
        $named += @named;
    }
}
cmp_ok $named, '>', 20, 'the guide names people';
is_deeply \@unknown, [], 'all of whom are there';

done_testing;
