# The guide's page "Agents", pasted box by box, as a reader does it.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Models;
use File::Temp ();

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings);
$t->keep_secret($_) for $models->secrets;
$models->answer(openai => { text => ['At 14:20.'] });
my $key = $t->key;
my $ada = $t->user('ada');
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, limits) VALUES (?, 'Pro', '{"messages": 100}') RETURNING id}, undef, $ada->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id = ?', undef, $plan, $ada->uuid);

open my $in, '<', 'docs/pages/agents.html' or die "agents.html: $!\n";
my @steps = steps(join '', <$in>);
close $in or die "agents.html: $!\n";
# Settings, and a server that is not there, show no answer.
cmp_ok scalar(@steps = grep { defined $_->[1] } @steps), '>=', 4, 'boxes with an answer';

my $home  = File::Temp->newdir('/tmp/ashlar-guide-XXXXXX');
my $shell = Ashlar::Guide->shell(TEAM_TOKEN => $t->team('olive', role => 'owner')->token, KEY => $key, TOKEN => $ada->token, HOME => "$home", PATH => $ENV{PATH}, LANG => 'C.UTF-8');
$shell->paste('cd');    # files that a box makes
for my $step (@steps) {
    my ($box, $shown) = @$step;
    my $got = $shell->paste($box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}gr);
    ok is_as_shown($got, $shown), 'as shown: ' . ($shown =~ s/\s+/ /gr) or diag "$box\n$got";
}
is $shell->end, 0, 'the shell ends';
