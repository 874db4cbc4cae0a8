use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Issuer;
use Ashlar::Token qw(mint sign_key);
use IO::Socket::INET ();
use Time::HiRes 'time';

# Issuers that tenants trust: each decides whom it believes about its own users.
my $me   = '/api/v1/app/users/me';
my $base = '/api/v1/dashboard/issuers';
my $iss  = 'https://theirs.example/auth/v1';
my %secret = map { $_ => "the secret of tenant $_, which has 32 bytes and more" } qw(a b);

my $rsa  = sign_key('RSA', 'rsa-1');
my $ec   = sign_key('EC',  'ec-1');
my $next = sign_key('EC',  'ec-2');
my $stub = Ashlar::Issuer->start($rsa, $ec);
my ($port) = $stub->url =~ /:(\d+)/;

# One child: what it remembers of issuers is its own, and what is waited for here is the end of that.
my $t = Api->start(
    main               => 1,
    ENVIRONMENT        => 'development',        # key sets by plain http
    HTTP_ALLOW_PRIVATE => "127.0.0.1:$port",    # and from this test
    CLERK_ISSUER       => 'https://clerk.example',
    CLERK_JWKS_URL     => $stub->url,
);
$t->keep_secret(values %secret);

my %key  = map { $_ => $t->key(tenant => $_) } qw(a b);
my %team = map { $_ => $t->team("owner-$_", role => 'owner', tenant => $_) } qw(a b);

sub claims (%claim) {
    my %all = (iss => $iss, sub => 'u-1', iat => int time, exp => 3600 + int time, %claim);
    delete @all{ grep { !defined $all{$_} } keys %all };
    return \%all;
}

sub hs256 ($of, %claim) { return mint(claims(%claim), key => $secret{$of} // $of) }

sub signed ($key, %claim) { return mint(claims(%claim), alg => $key->{jwk}{alg}, key => $key, header => { kid => $key->{kid} }) }

# A request of a tenant's user: with a tenant's key, or without one.
sub with ($tenant, $token) { return $t->client(token => $token, $tenant ? (key => $key{$tenant}) : ()) }

sub refused ($tenant, $token, $why) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return error_is with($tenant, $token)->get($me), 401, 'AUTHENTICATION_ERROR', name => $why;
}

sub users ($tenant) { return scalar $t->db->selectrow_array('SELECT count(*) FROM users WHERE tenant_id = ?', undef, $t->tenant_id($tenant)) }

sub audited ($tenant) {
    return $t->db->selectcol_arrayref('SELECT action FROM audit_events WHERE tenant_id = ? ORDER BY seq', undef, $t->tenant_id($tenant));
}

subtest 'what is no trusted issuer is refused' => sub {
    my %good = (name => 'Theirs', issuer => $iss, secret => $secret{a});
    my $a    = $team{a};
    error_is $a->post($base, { name => 'Theirs', issuer => $iss }), 422, 'VALIDATION_ERROR', field => 'jwks_url', name => 'neither a secret nor a key set';
    error_is $a->post($base, { %good, jwks_url => $stub->url }), 422, 'VALIDATION_ERROR', field => 'secret', name => 'both';
    error_is $a->post($base, { %good, secret => 'x' x 31 }), 422, 'VALIDATION_ERROR', field => 'secret', name => 'a secret of 31 characters';
    error_is $a->post($base, { %good, max_role => 'owner' }), 422, 'VALIDATION_ERROR', field => 'max_role', name => 'a role that there is not';
    error_is $a->post($base, { %good, issuer => $_ }), 409, 'CONFLICT', field => 'issuer', name => "$_ is everybody's"
        for 'ashlar', 'https://clerk.example';
    for my $url ("http://127.0.0.1:1/keys", 'http://[::1]/keys', 'http://169.254.169.254/latest/meta-data/', 'http://10.0.0.1/keys', 'http://localhost/keys') {
        error_is $a->post($base, { name => 'Inside', issuer => $iss, jwks_url => $url }), 422, 'VALIDATION_ERROR', field => 'jwks_url', name => "a private address: $url";
    }
    error_is $a->post($base, { name => 'Inside', issuer => $iss, jwks_url => 'file:///etc/passwd' }), 422, 'VALIDATION_ERROR', field => 'jwks_url', name => 'no web address';
    error_is $a->put("$base/00000000-0000-7000-8000-00000000dead", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $a->delete("$base/00000000-0000-7000-8000-00000000dead"), 404, 'NOT_FOUND';
    my $member = $t->team('member', tenant => 'a');
    error_is $member->post($base, \%good), 403, 'AUTHORIZATION_ERROR', name => 'a member of the team may not';
    is_deeply $member->get($base)->json, { issuers => [] }, 'but look';
    is_deeply audited('a'), [], 'nothing happened';
};

my %row;
subtest 'a tenant trusts an issuer by its secret' => sub {
    refused 'a', hs256('a'), 'before it does';
    my $res = $team{a}->post($base, { name => 'Theirs', issuer => $iss, secret => $secret{a}, audience => 'authenticated' });
    status_is $res, 201;
    $row{a} = $res->json('/id');
    is_deeply {
        map { $_ => $res->json("/$_") } qw(name issuer jwks_url has_secret audience email_claim role_claim max_role is_enabled keys_fetched_at keys_failure)
    }, {
        name => 'Theirs', issuer => $iss, jwks_url => undef, has_secret => true, audience => 'authenticated', email_claim => 'email',
        role_claim => undef, max_role => 'admin', is_enabled => true, keys_fetched_at => undef, keys_failure => undef,
    }, 'as it was given, with defaults';
    unlike $res->body, qr/\Q$secret{a}\E/, 'the secret is not shown';
    unlike $team{a}->get($base)->body, qr/\Q$secret{a}\E/, 'nor ever after';
    my ($sealed) = $t->db->selectrow_array('SELECT secret_sealed FROM tenant_issuers WHERE id = ?', undef, $row{a});
    like $sealed, qr/\Av1\./, 'and kept sealed';
    error_is $team{a}->post($base, { name => 'Again', issuer => $iss, secret => $secret{a} }), 409, 'CONFLICT', field => 'issuer';

    # That there was none is remembered for a moment.
    eventually { with('a', hs256('a', aud => 'authenticated'))->get($me)->status == 200 } 40, 'its tokens are believed';
    json_is with('a', hs256('a', aud => 'authenticated', sub => 'u-2', email => 'Two@example.com'))->get($me), '/email', 'two@example.com', 'new users are made';
    is users('a'), 2, 'in the tenant of the key';
    is_deeply audited('a'), ['issuer.create'], 'and the audit log has the issuer';
};

subtest 'whom one tenant trusts is no other\'s to believe' => sub {
    my $token = hs256('a', aud => 'authenticated');
    my @before = map { users($_) } undef, 'b';
    status_is with('a', $token)->get($me), 200, 'where it is trusted' for 1 .. 4;
    refused 'b',   $token, 'with another tenant\'s key' for 1 .. 4;
    refused undef, $token, 'without a key'              for 1 .. 4;
    refused 'a', hs256('b', aud => 'authenticated'), 'another secret';
    refused 'a', hs256('a', aud => 'other'), 'another audience';
    refused 'a', hs256('a'), 'no audience';
    refused 'a', hs256('a', aud => 'authenticated', iss => "$iss/"), 'an issuer that is spelled otherwise';
    refused 'a', hs256('a', aud => 'authenticated', exp => time - 100), 'expired';
    refused 'a', mint(claims(aud => 'authenticated'), alg => 'none'), 'none';
    refused 'a', mint(claims(aud => 'authenticated'), alg => 'RS256', key => $rsa, header => { kid => 'rsa-1' }), 'RS256, of an issuer with a secret';
    is_deeply [ map { users($_) } undef, 'b' ], \@before, 'and no user was made';
    is $team{b}->get($base)->body, '{"issuers":[]}', 'the other tenant does not see it';
    error_is $team{b}->put("$base/$row{a}", { is_enabled => false }), 404, 'NOT_FOUND', name => 'cannot change it';
    error_is $team{b}->delete("$base/$row{a}"), 404, 'NOT_FOUND', name => 'nor remove it';
};

subtest 'the same issuer, by its key set' => sub {
    my $res = $team{b}->post($base, { name => 'Theirs', issuer => $iss, jwks_url => $stub->url, role_claim => 'metadata.role' });
    status_is $res, 201;
    $row{b} = $res->json('/id');
    json_is $res, '/has_secret', false;
    eventually { with('b', signed($rsa, sub => 'r'))->get($me)->status == 200 } 40, 'RS256';
    status_is with('b', signed($ec, sub => 'e'))->get($me), 200, 'ES256';
    is users('a'), 2, 'users are made in this tenant only';
    refused 'a', signed($rsa), 'the other one goes by its secret';
    refused 'b', hs256('a', aud => 'authenticated'), 'and that is worth nothing here';
    refused 'b', mint(claims(), key => $rsa->{public}, header => { kid => 'rsa-1' }), 'HS256 with the public key';
    refused 'b', mint(claims(), alg => 'ES256', key => $next, header => { kid => 'ec-1' }), 'another key under a known name';
    my ($shown) = @{ $team{b}->get($base)->json('/issuers') };
    like $shown->{keys_fetched_at}, qr/\A\d{4}-/, 'the dashboard tells when the keys came';

    my $admin = '/api/v1/admin/users';
    error_is with('b', signed($ec, sub => 'e'))->get($admin), 403, 'AUTHORIZATION_ERROR';
    status_is with('b', signed($ec, sub => 'e', metadata => { role => ['admin'] }))->get($admin), 200, 'a role by its claim';
    json_is with('b', signed($ec, sub => 'e', metadata => { role => 'superadmin' }))->get($me), '/role', 'admin', 'up to max_role';
    json_is with('b', signed($ec, sub => 'e'))->get($me), '/role', 'user', 'and gone with it';

    # A new key is found when a token names it; asked for once, invented ones are not.
    my $fetched = $stub->count;
    $stub->serve($rsa, $ec, $next);
    status_is with('b', signed($next, sub => 'n'))->get($me), 200, 'the issuer takes a new key';
    is $stub->count, $fetched + 1, 'for one fetch';
    my $seconds = 0;
    for my $n (1 .. 10) { $seconds += with('b', signed({ %$next, kid => "made-up-$n" }))->get($me)->seconds }
    cmp_ok $seconds, '<', 10, 'made-up names hold nobody up: each would wait 2 s';
    is $stub->count, $fetched + 1, 'and are not asked for';
};

subtest 'a disabled, changed or removed issuer is out within a minute' => sub {
    my $a     = with('a', hs256('a', aud => 'authenticated'));
    my $b     = with('b', signed($ec, sub => 'e'));
    my $since = time;
    status_is $_->get($me), 200 for $a, $b;
    my $res = $team{a}->put("$base/$row{a}", { is_enabled => false });
    json_is $res, '/is_enabled', false;
    json_is $res, '/has_secret', true, 'what is left out stays';
    json_is $res, '/audience',   'authenticated';
    status_is $team{b}->delete("$base/$row{b}"), 204;
    eventually { $a->get($me)->status == 401 } 60, 'the disabled one';
    eventually { $b->get($me)->status == 401 } 60 - (time - $since), 'the removed one';

    $res = $team{a}->put("$base/$row{a}", { is_enabled => true, secret => $secret{b}, audience => undef });
    status_is $res, 200;
    json_is $res, '/audience', undef;
    eventually { with('a', hs256('b'))->get($me)->status == 200 } 60, 'a new secret';
    refused 'a', hs256('a', aud => 'authenticated'), 'takes the place of the old one';
    json_is with('a', hs256('b', sub => 'u-1'))->get($me), '/id', 'u-1', 'for the same users';

    $res = $team{a}->put("$base/$row{a}", { jwks_url => $stub->url });
    json_is $res, '/has_secret', false, 'a key set takes the place of a secret';
    eventually { with('a', hs256('b'))->get($me)->status == 401 } 60, 'which is then worth nothing';
    status_is with('a', signed($ec))->get($me), 200;
    is_deeply audited('a'), ['issuer.create', ('issuer.update') x 3], 'all in the audit log';
    is_deeply [ grep { /delete/ } @{ audited('b') } ], ['issuer.delete'];
    my ($details) = $t->db->selectrow_array(q{SELECT string_agg(details::text, ' ') FROM audit_events});
    unlike $details, qr/\Q$secret{$_}\E/, 'which has no secret' for qw(a b);
};

subtest 'test mode has issuers of its own' => sub {
    my $test = $t->key(tenant => 'a', test => 1);
    my @mode = (headers => { 'X-Test-Mode' => 'true' });
    is $team{a}->request(GET => $base, @mode)->body, '{"issuers":[]}', 'none of the live ones';
    status_is $team{a}->request(POST => $base, json => { name => 'Test', issuer => $iss, secret => $secret{b} }, @mode), 201;
    status_is $t->client(token => hs256('b', sub => 'test-1'), key => $test)->get($me), 200, 'with a secret that can be opened there';
    refused 'a', hs256('b', sub => 'test-1'), 'and not in the live tenant';
};

subtest 'ten at most' => sub {
    my @got = map { $team{b}->post($base, { name => "n $_", issuer => "https://n$_.example", secret => $secret{b} })->status } 1 .. 10;
    is "@got", join(' ', (201) x 10);
    error_is $team{b}->post($base, { name => 'n 11', issuer => 'https://n11.example', secret => $secret{b} }), 409, 'CONFLICT';
    is scalar @{ $team{b}->get($base)->json('/issuers') }, 10;
};

subtest 'a key set that cannot be fetched' => sub {
    $stub->answer(status => 404);
    (my $url = $stub->url) =~ s/keys$/keys?elsewhere/;
    my $c = $t->team('owner-c', role => 'owner', tenant => 'c');
    status_is $c->post($base, { name => 'Broken', issuer => $iss, jwks_url => $url }), 201;
    my $res = $t->client(token => signed($rsa), key => $t->key(tenant => 'c'))->get($me);
    error_is $res, 503, 'SERVICE_UNAVAILABLE', name => 'is our trouble, not the token\'s';
    cmp_ok $res->seconds, '<', 4, 'told in time';
    eventually { ($c->get($base)->json('/issuers/0/keys_failure') // '') =~ /404/ } 10, 'the dashboard tells why';
    $stub->answer;

    # One that turned private after it was saved: the fetch looks again.
    $stub->answer(status => 302, location => 'http://127.0.0.1:1024/keys');
    ($url = $stub->url) =~ s/keys$/keys?moved/;
    status_is $c->post($base, { name => 'Moved', issuer => "$iss/moved", jwks_url => $url }), 201;
    eventually { grep { ($_->{keys_failure} // '') =~ /private|public|address/ } @{ $c->get($base)->json('/issuers') } } 15, 'redirects inside are refused';
    $stub->answer;
};

$stub->stop;
