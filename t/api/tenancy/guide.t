# The guide's page "Workspaces and members", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);

my $t     = Api->start;
my $ann   = $t->user('ann', columns => { full_name => 'Ann' });
my $shell = Ashlar::Guide->shell(TOKEN => $ann->token);
my @steps = steps($t->get('/workspaces.html')->body);
cmp_ok scalar @steps, '>', 7, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    next if $box =~ /\ATOKEN=/;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/r);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
    elsif (defined $shown)                     { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
    else                                       { is $got, '', 'nothing is said' }
}
is $shell->end, 0, 'the shell ends';
