# The guide's page "Projects of traces", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);

my $t     = Api->start;
my $ann   = $t->user('ann', columns => { full_name => 'Ann' });
my $shell = Ashlar::Guide->shell(TOKEN => $ann->token);
my @steps = steps($t->get('/trace-projects.html')->body);
$_->[0] =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g for @steps;
is scalar @steps, 6, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    my $got = $shell->paste($box =~ s/^curl -k/curl -sk/mgr);
    $t->keep_secret($got =~ /"api_key": ?"([0-9a-f-]{36})"/);
    my ($name) = $box =~ m{(/api/\S+)};
    ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got";
}
is $shell->end, 0, 'the shell ends';
