# The guide's page "Files", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);

my $t     = Api->start;
my $ann   = $t->user('ann');
my $shell = Ashlar::Guide->shell(KEY => $t->key, TOKEN => $ann->token);
my @steps = steps($t->get('/files.html')->body);
cmp_ok scalar @steps, '>', 5, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/r);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    if (defined $shown) { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
    else                { is $got, '', 'nothing is said' }
}
is $shell->end, 0, 'the shell ends';
