# OpenAI's and Anthropic's own clients ask models through our gateway: whole answers, their stream helpers, tools that
# they run, and an abort in mid-stream.

use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Ashlar::Models;

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings, slow => 4, SLOW_PER_TENANT => 4, SLOW_PER_CALLER => 4);
my $key    = $t->key;
my $said   = "A harbour is where ships are säfe 😀.\n";
$t->keep_secret($_) for $models->secrets;
local $ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";

# What the clients saw in a step.
sub step ($name) {
    open my $node, '-|', 'node', 't/clients/models.mjs', "https://localhost:$t->{https_port}", $key, $name or die "node: $!\n";
    my $out = do { local $/ = undef; <$node> };
    ok close $node, "$name: the clients come to their end";
    return Cpanel::JSON::XS->new->utf8->decode($out || '{}')->{$name};
}

$models->answer($_, {}) for qw(openai anthropic);
is_deeply step('whole'), [ $said, 'claude-sonnet-4-5', 19, $said, 'gpt-4o', 7 ], 'each reads the other\'s model';
is_deeply step('streams'), [
    $said, [19], $said, 'stop', $said, 'end_turn', 7,
    [qw(content_block_delta content_block_start content_block_stop message_delta message_start message_stop)],
], 'as streams';

my $call = { calls => [ { id => 'call_1', name => 'weather', arguments => [ '{"place"', ':"Kiel"}' ] } ] };
$models->answer(anthropic => $call, { text => ['It rains.'] });
$models->answer(openai => $call);
is_deeply step('tools'), [ 'It rains.', ['rain in Kiel'], 'tool_use', [ { type => 'tool_use', name => 'weather', input => { place => 'Kiel' } } ] ], 'tools that the clients run';

$models->answer($_, {}) for qw(openai anthropic);
is_deeply step('responses'), [ $said, 'completed', $said, $said, 19 ], 'responses';
is_deeply step('turns'), [ $said, Cpanel::JSON::XS::true, $said, 404 ], 'turns that follow one another';
is_deeply [ map { $_->{content} } @{ ($models->requests('openai'))[-1]{body}{messages} } ], [ 'What is a harbour?', $said, 'And a pier?', $said, 'And a quay?' ], 'each is told what was said before';
$models->answer(anthropic => $call);
is_deeply step('functions'), [ '{"place":"Kiel"}', [ [ 'function_call', 'weather' ] ], $said ], 'and their functions';
is((($models->requests('openai'))[0]{body}{messages}[2]{content}), 'rain', 'whose outputs arrive');

is_deeply step('embeddings'), [ [ [ 0.5, -1.25, 0 ], [ 0.5, -1.25, 1 ] ], 6 ];
is_deeply step('models'), [qw(gpt-4o sonar)];
is_deeply step('refusals'), [
    { type => 'AuthenticationError', status => 401, code => 'INVALID_API_KEY' }, { type => 'UnprocessableEntityError', status => 422, code => 'VALIDATION_ERROR' },
    { type => 'AuthenticationError', status => 401, code => 'INVALID_API_KEY' }, { type => 'UnprocessableEntityError', status => 422, code => 'VALIDATION_ERROR' },
], 'refusals are of their classes';

$models->answer(openai => { cut => 2 });
my $broken = step('broken');
is $broken->[$_]{type} =~ /Error\z/, 1, 'a stream that breaks off is an error' for 0, 1;

my $n = sub { $t->db->selectrow_array(q{SELECT count(*) FROM ai_calls WHERE outcome = 'gone'}) };
is $n->(), 0;
$models->answer(openai => { piece_delay => 0.3, text => [ ('piece ') x 50 ] });
is_deeply [ step('aborted')->[0] ], [2], 'an abort in mid-stream';
eventually { $n->() == 2 } 15, 'is noticed, and what was used is put down';
is scalar(grep { $_->{gone} } $models->requests('openai')), 2, 'the provider was told to stop';
