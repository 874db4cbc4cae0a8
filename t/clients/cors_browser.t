# A browser: a page of another origin sees each refusal as the answer that it is, whoever made it, nginx or the
# api, and never as a network error; and with its public key it can call everything.

use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Path 'make_path';
use IPC::Open2;

my $t    = Api->start(nginx => { LIMIT_RATE => 20 }, RATE_LIMIT_DEFAULT => 5000, RATE_LIMIT_AUTH => 1);
my $page = "http://localhost:$t->{http_port}";    # where a certificate's proof is the one page without a redirect
my $path = "$t->{dir}/run/acme/.well-known/acme-challenge";
make_path($path);
open my $file, '>', "$path/shop" or die "$path/shop: $!\n";
close $file or die "$path/shop: $!\n";
my $key  = $t->key(type => 'public', origins => [$page]);
my $far  = $t->key(type => 'public', origins => ['https://elsewhere.example']);
my $ann  = $t->user('ann');
my %key  = ('X-API-Key' => $key);
my %user = (%key, Authorization => 'Bearer ' . $ann->token);
my $json = { 'Content-Type' => 'application/json' };

my @calls = (
    { name => 'page',     path => '/api/v1/app/projects', method => 'GET', headers => { %user, 'Cache-Control' => 'no-cache', 'Last-Event-ID' => '1' } },
    { name => 'ticket',   path => '/api/v1/app/ws/ticket', method => 'POST', headers => \%user },
    { name => 'webhooks', path => '/api/v1/webhooks',      method => 'GET', headers => \%user },
    { name => 'public',   path => '/api/v1/public/health', method => 'GET', headers => \%key },
    { name => 'expired',  path => '/api/v1/app/projects',  method => 'GET', headers => { %user, Authorization => 'Bearer x' } },
    { name => 'origin',   path => '/api/v1/auth/mfa',      method => 'GET', headers => { %user, 'X-API-Key' => $far } },
    { name => 'unknown',  path => '/api/v1/auth/mfa',      method => 'GET', headers => { %user, 'X-API-Key' => 'pk_live_' . 'x' x 32 } },
    { name => 'large',    path => '/api/v1/app/projects',  method => 'POST', headers => { %user, %$json }, size => 1_500_000 },
    { name => 'huge',     path => '/api/v1/app/projects',  method => 'POST', headers => { %user, %$json }, size => 3_000_000 },
    { name => 'method',   path => '/docs',                 method => 'POST', headers => {} },
    { name => 'flood',    path => '/api/v1/public/health', method => 'GET', headers => {}, times => 150 },
);

my %env = Ashlar::Answers::env();
my $pid = open2(my $out, my $in, 'env', (map { "$_=$env{$_}" } sort keys %env), 'node', 't/clients/cors_browser.mjs');
END { local $?; if ($pid) { kill 'TERM', $pid; waitpid $pid, 0 } }
print {$in} encode_json({ page => "$page/.well-known/acme-challenge/shop", api => "https://localhost:$t->{https_port}", calls => \@calls }), "\n";
close $in;
my %seen = map { my $told = decode_json($_); $told->{name} => $told->{answers} } <$out>;

sub saw ($name, $status, $code) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $answer = $seen{$name}[0];
    is $answer->{error}, undef, "$name: an answer" or return;
    is $answer->{status}, $status, '  with its status';
    is $answer->{code},   $code,   '  and code' if $code;
    ok $answer->{headers}{'x-request-id'}, '  and request id';
    return;
}
saw 'page',     200, undef;
saw 'ticket',   201, undef;
saw 'webhooks', 400, 'BAD_REQUEST';    # no workspace
saw 'public',   200, undef;
saw 'expired',  401, 'AUTHENTICATION_ERROR';
saw 'origin',   403, 'ORIGIN_NOT_ALLOWED';
saw 'unknown',  401, 'INVALID_API_KEY';
saw 'large',    413, 'PAYLOAD_TOO_LARGE';
saw 'huge',     413, 'PAYLOAD_TOO_LARGE';
saw 'method',   405, 'METHOD_NOT_ALLOWED';

my @refused = grep { ($_->{status} // 0) == 429 } @{ $seen{flood} };
ok scalar(@refused), 'a flood is stopped by nginx';
is $refused[0]{code}, 'RATE_LIMIT_EXCEEDED', '  which the page is told';
is $refused[0]{headers}{'retry-after'}, 1, '  and when to come again';
