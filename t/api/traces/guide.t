# The guide's page "Read traces", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Spans;

my $t   = Api->start;
my $ann = $t->user('ann');
my $project = $t->trace_project($t->organization($ann));
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$in->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id);

# What the demo has (sql/sample/traces).
Ashlar::Spans::ingest($in, $project->id,
    { trace => 1, span => 1, name => 'answer', service => 'harbour', ms => 1200, status => 1, tags => ['demo'], session => 'demo-session', attributes => { 'session.id' => 'demo-session' } },
    { trace => 1, span => 2, parent => 1, at => 0.005, name => 'chat gpt-4o-mini', service => 'harbour', ms => 1100, status => 1, attributes => { 'gen_ai.request.model' => 'gpt-4o-mini' }, tokens => [ 820, 96, 0, 0, 916 ], costs => [ 1230, 576, 1806 ] },
    { trace => 2, span => 3, at => 60, name => 'tides', service => 'harbour', ms => 30, status => 2 });

my $shell = Ashlar::Guide->shell(PROJECT => $project->id, PROJECT_KEY => $project->{token}, TOKEN => $ann->token, TRACE => Ashlar::Spans::trace_id(1) =~ tr/-//dr);
my @steps = steps($t->get('/read-traces.html')->body);
cmp_ok scalar @steps, '>', 8, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got";
}
is $shell->end, 0, 'the shell ends';
