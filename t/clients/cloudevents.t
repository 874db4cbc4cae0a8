# Events as npm's cloudevents sends them, for a tenant's own meters.

use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';

my $t      = Api->start;
my $ann    = $t->user('ann');
my $server = $t->client(key => $t->key);

status_is $server->post('/api/v1/usage/meters', { key => 'images', name => 'Images', event_type => 'com.example.image.made', aggregation => 'sum', value_path => '$.count' }), 201;

open my $node, '-|', 'node', 't/clients/cloudevents.mjs', $ann->id or die "node: $!\n";
my $message = decode_json(do { local $/ = undef; <$node> });
ok close $node, 'the client comes to its end';

sub deliver ($name) {
    my %headers = map { lc $_ => $message->{$name}{headers}{$_} } keys %{ $message->{$name}{headers} };
    my $type    = delete $headers{'content-type'};
    my $body    = $message->{$name}{body};
    utf8::encode($body);
    return $server->post('/api/v1/usage/events', undef, raw => $body, type => $type, headers => \%headers);
}

sub used () { return $server->get('/api/v1/usage/meters/images/usage', query => { subject => $ann->id })->json('/used') }

subtest 'one in its structured form' => sub {
    like $message->{one}{headers}{'content-type'}, qr{\Aapplication/cloudevents\+json}, 'as it says';
    json_is deliver('one'), '', { accepted => 1, duplicates => 0, unmatched => 0 };
    is used(), 2;
};

subtest 'one in headers and body' => sub {
    is $message->{binary}{headers}{'ce-id'}, 'binary', 'as it says';
    json_is deliver('binary'), '', { accepted => 1, duplicates => 0, unmatched => 0 };
    is used(), 5;
    json_is deliver('binary'), '', { accepted => 0, duplicates => 1, unmatched => 0 };
};

subtest 'a batch, of which one was there before' => sub {
    json_is deliver('batch'), '', { accepted => 1, duplicates => 1, unmatched => 0 };
    is used(), 9;
};
