use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Models;
use POSIX ();

# What models are asked for when the pool that asks them stops: it ends in time, its client is told, and it is paid.

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings, main => 1, slow => 4, DRAIN_TIMEOUT_S => 2, SLOW_PER_TENANT => 4, SLOW_PER_CALLER => 4);
my $ann    = $t->user('ann');
my $key    = $t->key;
my @ask    = (messages => [ { role => 'user', content => 'What is a harbour?' } ]);
$t->keep_secret($_) for $models->secrets;
$t->expect_log(qr/is being stopped/);

sub calls () { return @{ $t->db->selectall_arrayref('SELECT outcome, error, is_estimated, input_tokens, output_tokens FROM ai_calls ORDER BY id', { Slice => {} }) } }
sub held () { return $t->db->selectrow_array(q{SELECT count(*) FROM usage_operations WHERE state = 'reserved'}) }

# What is asked for in a process of its own, which hands on what it got.
sub asked ($who, @what) {
    pipe my $in, my $out or die;
    my $pid = fork // die;
    if (!$pid) {
        my $res = $who->with(http => $t->http, api => undef)->post(@what);
        print {$out} $res->status, "\n", $res->body;
        close $out;
        POSIX::_exit(0);
    }
    return sub () {
        close $out;
        local $/ = undef;
        my ($status, $body) = split /\n/, readline($in), 2;
        waitpid $pid, 0;
        return ($status, $body);
    };
}

subtest 'a stream ends with an error, once, and what it used is put down' => sub {
    $models->answer(openai => { piece_delay => 0.2, text => [ ('piece ') x 300 ] });
    $models->answer(anthropic => { delay => 60 });
    my $one   = asked($ann, '/api/v1/app/ai/completions', { @ask, stream => true });
    my $two   = asked($ann, '/api/v2/app/ai/completions', { @ask, stream => true });
    my $three = asked($ann, '/api/v1/app/ai/completions', { @ask, model => 'claude-sonnet' });
    eventually { $models->requests('openai') == 2 && $models->requests('anthropic') } 10, 'models are asked';
    my $slow = $t->master('slow');
    $slow->signal('TERM');
    is $slow->wait_for(20), 0, 'the pool ends in order';

    my ($status, $body) = $one->();
    is $status, 200;
    like $body, qr/^data: piece /m, 'what there was came';
    is scalar(() = $body =~ /^event: error$/mg), 1, 'then an error';
    like $body, qr/SERVICE_UNAVAILABLE.*this server is being stopped: ask again.*\n\ndata: \[DONE\]\n\n\z/, 'and the end';
    is scalar(() = $body =~ /\[DONE\]/g), 1, 'which is there once';
    ($status, $body) = $two->();
    is $status, 200;
    is join(' ', map { /^event: (error|done)$/ ? $1 : () } split /\n/, $body), 'error done', 'of version 2, too';
    ($status, $body) = $three->();
    is $status, 503, 'who waits for a whole answer is told to ask again';
    like $body, qr/this server is being stopped: ask again/;

    my @calls = calls();
    is_deeply [ sort map { $_->{outcome} } @calls ], [qw(cut cut failed)], 'each is put down';
    for my $call (@calls) {
        is $call->{is_estimated}, 1;
        cmp_ok $call->{input_tokens}, '>', 0, 'with what was read';
        cmp_ok $call->{output_tokens}, '>', 0, 'and said' if $call->{outcome} eq 'cut';
    }
    is held(), 0, 'and nothing is held any more';
    $t->start_pool('slow', env => { DRAIN_TIMEOUT_S => 60 });
};

subtest 'one that ends by itself in that time is whole' => sub {
    $models->answer(openai => { piece_delay => 0.1 });
    my $one = asked($ann, '/api/v1/app/ai/completions', { @ask, stream => true });
    eventually { $models->requests('openai') == 1 } 10, 'a model is asked';
    $t->master('slow')->signal('TERM');
    my ($status, $body) = $one->();
    unlike $body, qr/event: error/;
    like $body, qr/\[DONE\]/;
    is $t->master('slow')->wait_for(20), 0;
    is +(calls())[-1]{outcome}, 'answered';
    $t->start_pool('slow');
};

subtest 'a gateway\'s stream ends in its own form' => sub {
    $models->answer(openai => { piece_delay => 0.2, text => [ ('piece ') x 300 ] });
    my $one = asked($t->client(key => $key), '/api/v1/openai/responses', { model => 'gpt-4o', input => 'Hello', stream => true });
    eventually { $models->requests('openai') == 1 } 10, 'a model is asked';
    $t->master('slow')->signal('TERM');
    is $t->master('slow')->wait_for(20), 0;
    my ($status, $body) = $one->();
    is $status, 200;
    is scalar(() = $body =~ /^event: response\.(?:failed|completed|incomplete)$/mg), 1, 'it fails, once';
    like $body, qr/"status":"failed"/;
    is held(), 0;
    $t->start_pool('slow');
};
