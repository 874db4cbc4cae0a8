# Clients that are generated: npm's openapi-typescript makes types of the reference, which compile under strict, take
# what is right and refuse what is not; npm's openapi-fetch asks with them.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Answers;
use Ashlar::Guide 'blocks';
use Ashlar::Process;
use Ashlar::Receiver;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();

my $receiver = Ashlar::Receiver->start;
my $t   = Api->start(WEBHOOK_ALLOW_HTTP => 'true', HTTP_ALLOW_PRIVATE => $receiver->address, main => 1);
my $dir = File::Temp->newdir('/tmp/ashlar-typed-XXXXXX');
system("$Ashlar::Cluster::BUILD/ashlar openapi >$dir/openapi.json") == 0 or die "ashlar openapi failed\n";
mkdir "$dir/build" or die "$dir/build: $!\n";

# What the guide shows of it.
my ($shown) = grep { /openapi-fetch/ } blocks(do { local (@ARGV, $/) = 'docs/pages/requests.html'; <> });
open my $guide, '>', "$dir/build/guide.ts" or die "guide.ts: $!\n";
print {$guide} $shown =~ s{\./ashlar\.js}{./schema.js}r;
close $guide or die "guide.ts: $!\n";

my $root   = $t->user('root', role => 'superadmin');
my $server = encode_json({ url => "https://localhost:$t->{https_port}", admin => $root->token, key => $t->key, hook => $receiver->url("/") });
my $client = Ashlar::Process->start(
    cmd => [ 'node', 't/clients/typed.mjs', "$dir/openapi.json", "$dir/build", $server ],
    log => "$dir/log",
    env => { NODE_EXTRA_CA_CERTS => "$t->{dir}/cert.pem", Ashlar::Answers::env() },
);
is $client->wait_for(400), 0, 'the client ends';    # so much only where much else runs
open my $in, '<:raw', "$dir/log" or die "$dir/log: $!\n";
my ($line) = grep { /^\{/ } <$in>;
my $seen = decode_json($line // '{}');

subtest 'the types compile, and so does what uses them' => sub {
    is_deeply [ grep { !/^typed_wrong\.ts:/ } @{ $seen->{problems} } ], [], 'under strict';
};

subtest 'what is wrong does not' => sub {
    open my $source, '<:encoding(UTF-8)', 't/clients/typed_wrong.ts' or die "typed_wrong.ts: $!\n";
    my @wanted;
    while (<$source>) { push @wanted, "$.: $1" if m{// (TS\d+): } }
    cmp_ok scalar @wanted, '>=', 10, 'calls';
    is_deeply [ map { /^typed_wrong\.ts:(\d+: TS\d+)/ } @{ $seen->{problems} } ], \@wanted, 'each is refused, and nothing else'
        or diag join "\n", @{ $seen->{problems} };
};

subtest 'a real server answers' => sub {
    is $seen->{error}, undef, 'every call';
    cmp_ok scalar @{ $seen->{bodies} // [] }, '>=', 60, 'sixty operations with typed bodies' or diag scalar @{ $seen->{bodies} // [] };
    cmp_ok scalar @{ $seen->{asked} // [] }, '>=', 90, '  of ninety';
};
