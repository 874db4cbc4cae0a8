use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token qw(mint parts sign_key);

my $t   = Api->start;
my $ann = $t->user('ann');
my $bob = $t->user('bob');
my $eve = $t->user('eve', tenant => 'other');
my $me  = '/api/v1/app/users/me';
my $now = time;

# What a request with this token, or this Authorization header, is told.
sub refused ($token, $why, %expect) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $res = $t->client(token => $token)->get($me);
    error_is $res, 401, 'AUTHENTICATION_ERROR', name => $why, %expect;
    return $res;
}

sub accepted ($token, $why) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return status_is $t->client(token => $token)->get($me), 200, $why;
}

subtest 'without credentials' => sub {
    my $res = $t->get($me);
    error_is $res, 401, 'AUTHENTICATION_ERROR';
    header_like $res, 'WWW-Authenticate', qr/^Bearer\b/;
    for my $header ('', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', 'Token ' . $ann->token, $ann->token, 'Bearer' . $ann->token) {
        my $got = $t->client(headers => { Authorization => $header })->get($me);
        error_is $got, 401, 'AUTHENTICATION_ERROR', name => 'Authorization: ' . substr($header, 0, 20);
    }
    status_is $t->client(headers => { Authorization => 'bearer ' . $ann->token })->get($me), 200, 'the scheme is spelled in any case';
    error_is $t->get("$me?token=" . $ann->token), 401, 'AUTHENTICATION_ERROR', name => 'a token in the query string is none';
    $t->keep_secret($ann->token);
};

subtest 'what is no token' => sub {
    for my $text ('x', 'a.b', 'a.b.c', '..', 'a.b.c.d', 'eyJhbGciOiJIUzI1NiJ9..', '%%%.%%%.%%%', 'x' x 5000) {
        refused $text, length $text > 20 ? 'a long one' : $text;
    }
    my ($header, $claims, $signature) = split /\./, $ann->token;
    refused "$header.$claims", 'without its signature';
    refused "$header.$claims.", 'with an empty signature';
    refused join('.', $header, $claims, substr($signature, 0, -2)), 'with a cut signature';
    refused join('.', $header, $claims, $signature =~ tr/A-Za-z/B-ZAb-za/r), 'with another signature';
    refused join('.', $header, $claims, "$signature="), 'with padding';
    my ($other) = (split /\./, $bob->token)[1];
    refused "$header.$other.$signature", 'with somebody else\'s claims';
};

subtest 'the algorithm is the key\'s, not the token\'s' => sub {
    my ($header, $claims) = parts($ann->token);
    refused mint($claims, alg => 'none'), 'alg none';
    refused mint($claims, alg => 'none', header => { alg => $_ }), "alg $_" for 'None', 'NONE', '', 0;
    refused mint($claims, alg => 'none', header => { alg => 'HS256' }), 'HS256 without a signature';
    refused $t->token($ann, alg => 'HS384'), 'HS384 with the right secret';
    refused $t->token($ann, alg => 'HS512'), 'HS512 with the right secret';
    refused mint($claims, alg => 'none', header => { alg => undef }), 'no alg at all';
    my $key = sign_key('RSA', 'x');
    refused mint($claims, alg => 'RS256', key => $key), 'RS256 by a key of the sender\'s own';
    refused mint($claims, alg => 'RS256', key => $key, header => { jwk => $key->{jwk} }), 'that it brings along';
    refused mint($claims, alg => 'RS256', key => $key, header => { jku => 'http://127.0.0.1:1/' }), 'or points to';
    refused $t->token($ann, secret => 'another secret of 32 bytes or more'), 'another secret';
    refused $t->token($ann, secret => ''), 'an empty secret';
    refused $t->token($ann, header => { crit => ['exp'] }), 'an extension that must be understood (RFC 7515 4.1.11)';
};

subtest 'the claims' => sub {
    accepted $t->token($ann), 'a whole token';
    for my $claim (qw(iss aud sub sid tid exp)) {
        refused $t->token($ann, $claim => undef), "without $claim";
        refused $t->token($ann, $claim => ''), "with an empty $claim";
        refused $t->token($ann, $claim => { x => 1 }), "with an object for $claim";
    }
    refused $t->token($ann, iss => 'https://elsewhere.example'), 'an issuer nobody configured';
    refused $t->token($ann, aud => 'somebody else'), 'for another audience';
    accepted $t->token($ann, aud => [ 'other', 'ashlar' ]), 'one of several audiences';
    refused $t->token($ann, aud => [ 'other', 'more' ]), 'none of several audiences';
    refused $t->token($ann, sid => 'x'), 'a session id that is none';
    refused $t->token($ann, exp => 'soon'), 'an expiry that is no number';
    accepted $t->token($ann, role => undef, email => undef, iat => undef), 'role, email and iat are not needed';
    accepted $t->token($ann, extra => { a => [ 1, 2 ] }), 'and more is no harm';
    refused mint(\'[1]',      key => 'the secret of the tests, 32 bytes or more'), 'claims that are no object';
    refused mint(\'{"sub":', key => 'the secret of the tests, 32 bytes or more'), 'claims that are no JSON';
};

subtest 'the clock may be 30 seconds off, either way' => sub {
    refused $t->token($ann, exp => $now - 60, iat => $now - 3600), 'expired a minute ago', message => qr/expired/;
    accepted $t->token($ann, exp => $now - 15, iat => $now - 3600), 'expired 15 s ago';
    refused $t->token($ann, nbf => $now + 90), 'not valid before a minute and a half';
    accepted $t->token($ann, nbf => $now + 15), 'not valid before 15 s';
    refused $t->token($ann, exp => 1), 'long expired';
    accepted $t->token($ann, exp => $now + 3600.5), 'a time may have a fraction (RFC 7519 2)';
    accepted $t->token($ann, nbf => $now - 10), 'valid since 10 s';
};

subtest 'who the token speaks of must be' => sub {
    refused $t->token($ann, sub => 'user_nobody'), 'no such user';
    refused $t->token($ann, sub => $bob->id), 'a session of somebody else';
    refused $t->token($ann, sid => '00000000-0000-7000-8000-00000000dead'), 'no such session';
    refused $t->token($ann, tid => $eve->tenant_id), 'another tenant';
    refused $t->token($eve, tid => $ann->tenant_id), 'nor the other way round';
    refused $t->token($ann, tid => '00000000-0000-7000-8000-00000000dead'), 'no such tenant';
    json_is $eve->get($me), '/id', 'user_eve', 'a user of another tenant is served as well';
    my $role = $t->client(token => $t->token($ann, role => 'superadmin'));
    json_is $role->get($me), '/role', 'user', 'the role in the token is not what counts';
};

subtest 'a revoked session is out at once' => sub {
    my $cat = $t->user('cat');
    status_is $cat->get($me), 200 for 1 .. 3;
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $cat->session);
    error_is $cat->get($me), 401, 'AUTHENTICATION_ERROR';
    error_is $cat->post('/api/v1/app/projects', { name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    is $t->db->selectrow_array('SELECT count(*) FROM projects WHERE owner_id = ?', undef, $cat->uuid), 0, 'and changes nothing';
    $t->db->do('UPDATE sessions SET revoked_at = NULL, expires_at = now() WHERE id = ?', undef, $cat->session);
    error_is $cat->get($me), 401, 'AUTHENTICATION_ERROR', name => 'so is one that has expired';
};

subtest 'a deactivated or deleted user is out at once' => sub {
    my $dan = $t->user('dan');
    status_is $dan->get($me), 200;
    $t->db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $dan->uuid);
    error_is $dan->get($me), 401, 'AUTHENTICATION_ERROR';
    $t->db->do('UPDATE users SET is_active = true WHERE id = ?', undef, $dan->uuid);
    error_is $dan->get($me), 401, 'AUTHENTICATION_ERROR', name => 'and has to sign in again when let in again';
    my $eva = $t->user('eva');
    status_is $eva->get($me), 200;
    $t->db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $eva->uuid);
    error_is $eva->get($me), 401, 'AUTHENTICATION_ERROR';
};

subtest 'the refusal tells the client no more than it needs' => sub {
    my $res = refused $t->token($ann, secret => 'another secret of 32 bytes or more'), 'a bad signature';
    body_unlike $res, qr/signature|secret|HS256|libjwt|openssl/i;
    header_like $res, 'WWW-Authenticate', qr/error="invalid_token"/;
};
