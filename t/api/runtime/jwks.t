use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Process;
use Ashlar::Token qw(mint sign_key);
use Cpanel::JSON::XS qw(encode_json);
use File::Temp ();
use HTTP::Tiny;
use Time::HiRes 'time';

# The issuer's key set is served by t/lib/stub_jwks.
my $dir  = File::Temp->newdir;
my $stub = Ashlar::Process->start(cmd => ['t/lib/stub_jwks'], log => "$dir/log");
my $http = HTTP::Tiny->new(timeout => 5);
my $url;
eventually { slurp("$dir/log") =~ /port (\d+)/ and $url = "http://127.0.0.1:$1" } 5, 'the stub runs';

my $issuer = 'https://clerk.test';
my $me     = '/api/v1/app/users/me';
my $rsa    = sign_key('RSA', 'r1');
my $ec     = sign_key('EC',  'e1');
my $next   = sign_key('EC',  'e2');

sub slurp ($file) {
    open my $in, '<', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

sub serve (@keys) { return $http->put("$url/keys",   { content => encode_json({ keys => [ map { $_->{jwk} } @keys ] }) }) }
sub answer (%how) { return $http->put("$url/answer", { content => encode_json(\%how) }) }
sub fetches ()    { return $http->get("$url/count")->{content} }

# Key sets come by http:// in development only.
sub instance (%arg) {
    return Api->start(ENVIRONMENT => 'development', CLERK_ISSUER => $issuer, CLERK_JWKS_URL => "$url/keys", %arg);
}

# A user with a token of the issuer, signed by this key; kid claims another one.
sub bearer ($t, $key, %claim) {
    my $kid   = delete $claim{kid} // $key->{kid};
    my %all   = (iss => $issuer, sub => 'ext_1', iat => int time, exp => int(time) + 600, %claim);
    my $token = mint(\%all, key => $key, alg => $key->{jwk}{alg}, header => { kid => $kid });
    return $t->client(token => $token);
}

subtest 'before the keys were ever fetched' => sub {
    serve($rsa);
    answer(delay_ms => 60_000);    # until it is told otherwise, each fetch ends after its 5 s
    my $t = instance(main => 2);
    my $res = bearer($t, $rsa)->get($me);
    error_is $res, 503, 'SERVICE_UNAVAILABLE';
    cmp_ok $res->seconds, '<', 3, 'nobody waits longer than 2 s for a slow issuer';
    $res = bearer($t, $rsa)->get($me);
    error_is $res, 503, 'SERVICE_UNAVAILABLE';
    cmp_ok $res->seconds, '<', 1, 'and the next one does not wait at all';
    status_is $t->user('ann')->get($me), 200, 'our own tokens need no key set';
    answer();
    eventually { bearer($t, $rsa)->get($me)->status == 200 } 30, 'when they arrive, they are used';
};

serve($rsa, $ec);
my $t = instance(main => 4);

subtest 'a token by a key of the set' => sub {
    eventually { bearer($t, $rsa)->get($me)->status == 200 } 5, 'the set is fetched unasked';
    my $res = bearer($t, $rsa, sub => 'ext_2', email => 'Ext@example.com')->get($me);
    status_is $res, 200, 'RS256';
    is $res->json->{email}, 'ext@example.com', 'a subject that is new becomes a user';
    my $again = bearer($t, $ec, sub => 'ext_2')->get($me);
    status_is $again, 200, 'ES256';
    is $again->json->{id}, $res->json->{id}, 'the same subject is the same user';
    error_is bearer($t, $rsa, kid => 'e1')->get($me), 401, 'AUTHENTICATION_ERROR', name => 'under another key\'s name';
    error_is bearer($t, { %$rsa, jwk => { alg => 'none' } })->get($me), 401, 'AUTHENTICATION_ERROR', name => 'alg none';
    error_is bearer($t, $rsa, exp => int(time) - 60)->get($me), 401, 'AUTHENTICATION_ERROR', name => 'expired';
    error_is bearer($t, $rsa, iss => 'https://other.test')->get($me), 401, 'AUTHENTICATION_ERROR', name => 'of an unknown issuer';
    error_is bearer($t, $rsa, iss => 'ashlar')->get($me), 401, 'AUTHENTICATION_ERROR', name => 'in our own name';
};

subtest 'the issuer takes a new key' => sub {
    serve($ec, $next);
    my $before = fetches();
    my $res    = bearer($t, $next)->get($me);
    status_is $res, 200, 'the first token that names it is accepted';
    cmp_ok $res->seconds, '<', 2, 'after a moment';
    is fetches() - $before, 1, 'for one fetch';
    status_is bearer($t, $next)->get($me), 200, "and the next one, by whatever child ($_)" for 1 .. 8;
    error_is bearer($t, $rsa)->get($me), 401, 'AUTHENTICATION_ERROR', name => "the key that is gone is refused ($_)" for 1 .. 8;
    is fetches() - $before, 1, 'which nobody fetches again for';
};

subtest 'tokens with random kids, within the minute' => sub {
    my $before = fetches();
    my $took   = 0;
    for (1 .. 20) {
        my $res = bearer($t, $next, kid => "random-$_")->get($me);
        error_is $res, 401, 'AUTHENTICATION_ERROR', name => "the ${_}th";
        $took += $res->seconds;
    }
    cmp_ok $took, '<', 20, 'hold nobody up: each would wait 2 s';
    is fetches(), $before, 'and do not reach the issuer';
};

subtest 'the issuer fails' => sub {
    answer(body => '{"keys":[{"kty":"oct","k":"AA"}]}');
    $t->db->do(q{UPDATE jwks SET fetched_at = now() - interval '2 hours'});
    eventually { $t->db->selectrow_array('SELECT failure FROM jwks') } 15, 'a set without a usable key is noted';
    my ($stored) = $t->db->selectrow_array('SELECT keys::text FROM jwks');
    like $stored, qr/"e2"/, 'and does not replace the one that is there';
    status_is bearer($t, $next)->get($me), 200, 'whose keys stay in use';
    my $before = fetches();
    answer();
    eventually { fetches() > $before } 15, 'it is tried again';
    eventually { !defined $t->db->selectrow_array('SELECT failure FROM jwks') } 40, 'until it works';
    status_is bearer($t, $ec)->get($me), 200, 'with no request refused meanwhile';
};
