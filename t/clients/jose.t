# Supabase and Clerk sign users in: npm's jose makes their tokens, right ones and forged ones.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();
use Time::HiRes 'sleep';

my $secret = 'the JWT secret of a legacy project, 32 bytes and more';
my $dir    = File::Temp->newdir;
my $issuer = Ashlar::Process->start(cmd => [ 'node', 't/clients/issuer.mjs' ], log => "$dir/log", env => { SUPABASE_SECRET => $secret });
my $port;
eventually {
    open my $in, '<', "$dir/log" or return;
    ($port) = (<$in> // '') =~ /^port (\d+)$/;
} 60, 'the issuers run';

sub ask ($method, $path, $body = undef) {
    my $res = Ashlar::Http->new(port => $port)->request($method, $path, body => $body, fresh => 1);
    die "$path: ", $res->body, "\n" if $res->status != 200;
    return $res->body;
}

sub mint ($of, %want) { return ask(POST => '/mint', encode_json({ of => $of, alg => $of eq 'legacy' ? 'HS256' : 'RS256', %want })) }

my @forgeries = @{ decode_json(ask(GET => '/forgeries')) };
my $me        = '/api/v1/app/users/me';
my $url       = "http://127.0.0.1:$port";

# What is refused, and makes no user.
sub forged ($api, $of, $key = undef) {
    my $users = sub { $api->db->selectrow_array('SELECT count(*) FROM users') };
    my $before = $users->();
    for my $forge (@forgeries) {
        my $res = $api->client(token => mint($of, forge => $forge), key => $key)->get($me);
        error_is $res, 401, 'AUTHENTICATION_ERROR', name => $forge;
    }
    is $users->(), $before, 'no user was made';
    return;
}

subtest 'a legacy Supabase project, and Clerk' => sub {
    my $t = Api->start(
        ENVIRONMENT         => 'development',    # key sets by plain http
        SUPABASE_ISSUER     => 'https://abcdefgh.supabase.example/auth/v1',
        SUPABASE_JWT_SECRET => $secret,
        SUPABASE_ROLE_CLAIM => 'app_metadata.role',
        CLERK_ISSUER        => 'https://quick-fox-12.clerk.accounts.example',
        CLERK_JWKS_URL      => "$url/clerk/.well-known/jwks.json",
        CLERK_EMAIL_CLAIM   => 'primary_email',
        CLERK_ROLE_CLAIM    => 'metadata.role',
    );
    $t->keep_secret($secret);
    forged($t, 'legacy');
    error_is $t->client(token => mint('legacy', claims => { aud => 'anon' }))->get($me), 401, 'AUTHENTICATION_ERROR', name => 'for another audience';
    error_is $t->client(token => mint('supabase', alg => $_))->get($me), 401, 'AUTHENTICATION_ERROR', name => "$_, of a project with a secret" for 'RS256', 'ES256';
    my $res = $t->client(token => mint('legacy'))->get($me);
    status_is $res, 200, 'Supabase, HS256';
    json_is $res, '/id',    '5b3f0f0e-8d50-4b39-9e0a-0b5b7d9c1f00';
    json_is $res, '/email', 'sb@example.com';
    json_is $res, '/role',  'user', 'whose "role" is PostgreSQL\'s, and not ours';
    json_is $t->client(token => mint('legacy', claims => { app_metadata => { role => 'admin' } }))->get($me), '/role', 'admin', 'the configured claim is';

    # Its keys are fetched first, so that a refusal is the token's.
    eventually { $t->client(token => mint('clerk'))->get($me)->status == 200 } 15, 'Clerk, RS256';
    forged($t, 'clerk');
    my $clerk = $t->client(token => mint('clerk', claims => { sub => 'user_2new', primary_email => 'Clerk@example.com', metadata => { role => 'admin' } }));
    json_is $clerk->get($me), '/email', 'clerk@example.com', 'the address from a claim of its session token';
    status_is $clerk->get('/api/v1/admin/users'), 200, 'and the role';
};

subtest 'a Supabase project with signing keys, trusted by one tenant' => sub {
    my $t = Api->start(ENVIRONMENT => 'development', HTTP_ALLOW_PRIVATE => "127.0.0.1:$port", main => 1);
    my $owner = $t->team('owner', role => 'owner', tenant => 'acme');
    my $key   = $t->key(tenant => 'acme', type => 'public', origins => ['https://app.example.com']);
    my $app   = sub ($token, $origin = 'https://app.example.com') { return $t->client(token => $token, key => $key, origin => $origin) };
    status_is $owner->post('/api/v1/dashboard/issuers', {
        name     => 'Supabase',
        issuer   => 'https://abcdefgh.supabase.example/auth/v1',
        jwks_url => "$url/supabase/.well-known/jwks.json",
        audience => 'authenticated',
    }), 201;
    for my $alg (qw(ES256 RS256 EdDSA)) {
        my $res = $app->(mint('supabase', alg => $alg))->get($me);
        status_is $res, 200, $alg;
        json_is $res, '/email', 'sb@example.com';
    }
    error_is $t->client(token => mint('supabase'))->get($me), 401, 'AUTHENTICATION_ERROR', name => 'without the tenant\'s key it is a stranger\'s';
    error_is $app->(mint('supabase'), 'https://evil.example')->get($me), 403, 'ORIGIN_NOT_ALLOWED', name => 'and with a public key, from its pages only';
    error_is $app->(mint('clerk'))->get($me), 401, 'AUTHENTICATION_ERROR', name => 'another issuer is not trusted with it';
    for my $forge (@forgeries) {
        error_is $app->(mint('supabase', alg => $_, forge => $forge))->get($me), 401, 'AUTHENTICATION_ERROR', name => "$forge, $_" for qw(ES256 EdDSA);
    }
    is scalar $t->db->selectrow_array('SELECT count(*) FROM users'), 1, 'one user was made';
};

$issuer->stop;
