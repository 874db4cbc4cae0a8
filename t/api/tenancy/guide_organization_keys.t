# The guide's page "Organization keys", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use File::Temp ();

my $t     = Api->start;
my $ann   = $t->user('ann', columns => { full_name => 'Ann' });
my $org   = $t->organization($ann);
my $shell = Ashlar::Guide->shell(TOKEN => $ann->token, ORG => $org);
my $place = File::Temp->newdir;    # of the files that the page writes
$shell->paste("cd $place");
my @steps = steps($t->get('/organization-keys.html')->body);
cmp_ok scalar @steps, '>', 8, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    next if $box =~ /\A(?:TOKEN|ORG)=/;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box);
    $t->keep_secret($got =~ /\b(sk_live_\w{40})\b/)                                 if $got =~ /\bsk_live_\w{40}\b/;
    $t->keep_secret($shell->paste(q{grep -o 'sk_live_[0-9A-Za-z]\{40\}' next.json}) =~ s/\s+\z//r) if $box =~ /next\.json\z/;
    my ($name) = $box =~ m{(/api/[^\s"?]+|\A\w+)};
    if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
    elsif (defined $shown)                     { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
    else                                       { is $got, '', 'nothing is said' }
}
is $shell->end, 0, 'the shell ends';
