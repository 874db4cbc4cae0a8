# X-Client-IP: for whom a server calls.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw($PASSWORD audit_of claims);
use Cpanel::JSON::XS 'decode_json';

my $t      = Api->start(RATE_LIMIT_DEFAULT => 1000, RATE_LIMIT_KEY => 2000);
my $secret = $t->key(tenant => 'acme');
my $public = $t->key(type => 'public', tenant => 'acme');
my $login  = '/api/v1/auth/login';
my $server = $t->client(key => $secret);

sub at ($ip) { return (headers => { 'X-Client-IP' => $ip }) }
sub login ($who, $email, $password, %arg) { return $who->post($login, { email => $email, password => $password }, %arg) }
sub session_of ($res) { return scalar $t->db->selectrow_array('SELECT host(ip) FROM sessions WHERE id = ?', undef, claims($res->json('/access_token'))->{sid}) }

# As if the account had been guessed at so often from addresses that it does not know.
sub guessed ($email, $tries) {
    return $t->db->do(q{INSERT INTO rate_limits (tenant_id, name, subject, tries, window_ends) VALUES (?, 'login', ?, ?, now() + interval '1 hour')
        ON CONFLICT (tenant_id, name, subject) DO UPDATE SET tries = excluded.tries}, undef, $t->tenant_id('acme'), "account:$email", $tries);
}

my $signed = $server->post('/api/v1/auth/register', { email => 'ada@example.com', password => $PASSWORD }, at('192.0.2.7'));
status_is $signed, 201;

subtest 'it is the address of sessions and of the audit log' => sub {
    is session_of($signed), '192.0.2.7', 'signed up';
    my $res = login($server, 'ada@example.com', $PASSWORD, at('2001:DB8:0:0::7'));
    status_is $res, 200;
    is session_of($res), '2001:db8::7', 'signed in';
    my ($row) = audit_of($t, 'session.create');
    is_deeply [ $row->{ip}, $row->{details}{via} ], [ '2001:db8::7', '127.0.0.1' ], 'the audit log has both: for whom, and who called';
    is_deeply $t->db->selectcol_arrayref('SELECT address::text FROM known_addresses ORDER BY address'), [ '192.0.2.7/32', '2001:db8::/64' ], 'the account knows them';
    $res = login($server, 'ada@example.com', $PASSWORD, at('::ffff:192.0.2.7'));
    is session_of($res), '192.0.2.7', 'IPv4 in the form of IPv6';
    my ($sid) = claims($res->json('/access_token'))->{sid};
    $server->post('/api/v1/auth/logout', {}, at('192.0.2.9'), token => $res->json('/access_token'));
    ($row) = audit_of($t, 'session.end');
    is_deeply [ $row->{ip}, $row->{details}{via} ], [ '192.0.2.9', '127.0.0.1' ], 'with a user\'s token beside the key, too';
    is session_of(login($server, 'ada@example.com', $PASSWORD)), '127.0.0.1', 'without it, it is the server\'s own';
    my ($own) = audit_of($t, 'session.create');
    ok !exists $own->{details}{via}, '  and nobody is between';
};

subtest 'what is no address is refused' => sub {
    for my $bad ('nowhere', '192.0.2', '192.0.2.1:80', '192.0.2.0/24', '192.0.2.1, 192.0.2.2', 'fe80::1%eth0', '[::1]') {
        error_is login($server, 'ada@example.com', $PASSWORD, at($bad)), 400, 'BAD_REQUEST', field => 'X-Client-IP', message => qr/must be one IPv4 or IPv6 address/, name => $bad;
    }
    error_is $t->client(key => $secret)->get('/api/v1/users', at('x')), 400, 'BAD_REQUEST', field => 'X-Client-IP', name => 'by every row that takes the key';
    error_is login($t->client(key => 'sk_live_' . 'x' x 32), 'ada@example.com', $PASSWORD, at('x')), 401, 'INVALID_API_KEY', name => 'a key that is none is what is wrong first';
};

subtest 'nobody else\'s word counts' => sub {
    for ([ 'no key' => $t->client ], [ 'a public key' => $t->client(key => $public, origin => 'https://app.example.com') ]) {
        my ($name, $who) = @$_;
        my $email = $name =~ tr/ /_/r . '@example.com';
        my $res = $who->post('/api/v1/auth/register', { email => $email, password => $PASSWORD }, at('192.0.2.66'));
        status_is $res, 201, $name;
        is session_of($res), '127.0.0.1', '  it is where the call is from';
        status_is login($who, $email, $PASSWORD, at('nowhere')), 200, '  and not even looked at';
    }
};

subtest 'eleven wrong passwords from eleven addresses' => sub {
    error_is login($server, 'ada@example.com', 'Wrong-Horse-7', at("198.51.100.$_")), 401, 'INVALID_CREDENTIALS' for 1 .. 11;
    status_is login($server, 'ada@example.com', $PASSWORD, at('192.0.2.7')), 200, 'the owner is let in where she was before';
    status_is login($server, 'ada@example.com', $PASSWORD, at('203.0.113.1')), 200, '  and elsewhere';
    is scalar $t->db->selectrow_array(q{SELECT count(*) FROM rate_limits WHERE subject = 'ip:127.0.0.1' AND name = 'login'}), 0, 'nothing is held against the server';
};

subtest 'each of them has ten' => sub {
    $t->db->do(q{UPDATE rate_limits SET tries = 9 WHERE subject = 'account:ada@example.com ip:198.51.100.1'});
    error_is login($server, 'ada@example.com', 'Wrong-Horse-7', at('198.51.100.1')), 401, 'INVALID_CREDENTIALS';
    error_is login($server, 'ada@example.com', $PASSWORD, at('198.51.100.1')), 429, 'RATE_LIMIT_EXCEEDED';
    status_is login($server, 'ada@example.com', $PASSWORD, at('192.0.2.7')), 200;
};

subtest 'whatever it says, the account has its brake' => sub {
    guessed('ada@example.com', 29);
    error_is login($server, 'ada@example.com', 'Wrong-Horse-7', at('203.0.113.100')), 401, 'INVALID_CREDENTIALS';
    for my $n (101 .. 103) {
        my $res = login($server, 'ada@example.com', 'Wrong-Horse-7', at("203.0.113.$n"));
        error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => "made-up address $n";
        ok $res->header('Retry-After') > 0 && $res->header('Retry-After') <= 60, '  for a minute at first';
    }
    status_is login($server, 'ada@example.com', $PASSWORD, at('192.0.2.7')), 200, 'it does not meet an address that signed in before';
};

subtest 'and the key has its own budget' => sub {
    my @left = map { login($server, "nobody$_\@example.com", 'x', at("192.0.2.$_"))->header('X-RateLimit-Remaining') } 1 .. 3;
    header_is $server->last, 'X-RateLimit-Limit', 2000;
    cmp_ok $left[0], '<', 2000;
    cmp_ok $_, '<=', $left[0] + 40, 'used up by all of them together' for @left[ 1, 2 ];
};

subtest 'the reference tells which rows read it' => sub {
    my $doc = decode_json(scalar qx($Ashlar::Cluster::BUILD/ashlar openapi));
    my $of  = sub ($method, $path) { return scalar grep { ($_->{'$ref'} // '') eq '#/components/parameters/X-Client-IP' } @{ $doc->{paths}{$path}{$method}{parameters} // [] } };
    is $doc->{components}{parameters}{'X-Client-IP'}{in}, 'header';
    is $of->(@$_), 1, "@$_" for [ post => $login ], [ post => '/api/v1/auth/forgot-password' ], [ get => '/api/v1/users' ];
    is $of->(@$_), 0, "not @$_" for [ post => '/api/v1/tenant-auth/login' ], [ get => '/api/v1/app/projects' ];
};
