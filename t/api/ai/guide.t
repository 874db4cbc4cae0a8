# The guide's page "AI gateway", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Models;

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings(which => [qw(openai anthropic)]));
my $key    = $t->key;
my $ann    = $t->user('ann');
$t->keep_secret($_) for $models->secrets;
$models->answer($_ => { text => [ 'A place', ' where ships are safe.' ] }) for qw(openai anthropic);
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Small', true, '{"tokens": 2000}') RETURNING id}, undef, $ann->tenant_id);
my $org = $t->organization($ann);
$t->db->do('UPDATE users SET default_organization_id = ?, current_plan_id = ? WHERE id = ?', undef, $org, $plan, $ann->uuid);

my $shell = Ashlar::Guide->shell(KEY => $key, TOKEN => $ann->token);
my @steps = grep { $_->[0] =~ /\Acurl/ } steps($t->get('/ai-gateway.html')->body);
is scalar @steps, 5, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k(N?)/curl -sk$1/r);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    my $as = $shown =~ /\Adata/ ? $got =~ /\Adata: A place\n.*\ndata: \[DONE\]/s : is_as_shown($got, $shown);
    ok $as, "$name: as shown" or diag "$box\n$got";
}
is $shell->end, 0, 'the shell ends';
