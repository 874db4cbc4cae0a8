# The guide's page "Meter and limit", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);

my $t   = Api->start;
my $key = $t->key;
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Two', true, '{"messages": 2}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id = ?', undef, $plan, $ann->uuid);

my $shell = Ashlar::Guide->shell(KEY => $key, TOKEN => $ann->token, USER_ID => $ann->id, USER_UUID => $ann->uuid, ORG => $org);
my @steps = steps($t->get('/usage.html')->body);
cmp_ok scalar @steps, '>', 5, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/r);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got";
}
is $shell->end, 0, 'the shell ends';
