# The guide's page "Workspace keys", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use File::Temp ();

my $t     = Api->start;
my $ann   = $t->user('ann', columns => { full_name => 'Ann' });
my $org   = $t->organization($ann);
$t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);
my $shell = Ashlar::Guide->shell(TOKEN => $ann->token);
my $place = File::Temp->newdir;    # of the files that the page writes
$shell->paste("cd $place");
my @steps = steps($t->get('/workspace-keys.html')->body);
cmp_ok scalar @steps, '>', 8, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    next if $box =~ /\ATOKEN=/;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/r);
    $t->keep_secret($got =~ /\b(ash_live_\w{40})\b/) if $got =~ /\bash_live_\w{40}\b/;
    my ($name) = $box =~ m{(/api/[^\s"?]+|\A\w+)};
    if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
    elsif (defined $shown)                     { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
    else                                       { is $got, '', 'nothing is said' }
}
is $shell->end, 0, 'the shell ends';
