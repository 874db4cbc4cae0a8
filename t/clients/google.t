# Google's flow with nothing of ours on the other side: npm's oidc-provider is
# Google, and openid-client signs the same person in elsewhere, to compare.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Google;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();

my $dir     = File::Temp->newdir;
my $process = Ashlar::Process->start(cmd => [ 'node', 't/clients/google.mjs' ], log => "$dir/log");
my $port;
eventually {
    open my $in, '<', "$dir/log" or return;
    ($port) = join('', <$in>) =~ /^port (\d+)$/m;    # perhaps behind a warning about node
} 30, 'the provider runs';

sub control ($command, %what) {
    my $res = Ashlar::Http->new(port => $port)->request('POST', "/control/$command", body => encode_json(\%what), fresh => 1);
    die "$command: ", $res->body, "\n" if $res->status != 200;
    return decode_json($res->body);
}

my $base   = "http://127.0.0.1:$port";
my %at     = (issuer => $base, authorization_endpoint => "$base/auth", token_endpoint => "$base/token", jwks_uri => "$base/jwks");
my $t      = Api->start(
    ENVIRONMENT     => 'development',    # a provider by plain http
    GOOGLE_ISSUER   => $at{issuer},
    GOOGLE_AUTH_URL => $at{authorization_endpoint}, GOOGLE_TOKEN_URL => $at{token_endpoint}, GOOGLE_JWKS_URL => $at{jwks_uri},
);
my $page   = 'https://app.example.com/signed-in';
my $secret = 'a client secret & more of it';
my $client = $t->client(key => $t->key(type => 'public', tenant => 'acme'), origin => 'https://app.example.com');
my $setup  = $t->team('owner', role => 'owner', tenant => 'acme')->put('/api/v1/dashboard/oauth-providers/google',
    { is_enabled => true, client_id => 'acme client', client_secret => $secret, redirect_uris => [$page] });
status_is $setup, 200, 'a team sets Google up';
$t->keep_secret($secret);
control('setup', client_id => 'acme client', client_secret => $secret, redirect_uri => $setup->json('/callback_url'));
control('person', sub => '108-ada', email => 'Ada@Example.com', email_verified => true, name => "Ada L\x{f6}velace", picture => 'https://lh3.example.com/ada');

# Where the browser ends.
sub sign_in () {
    my $url  = $client->get('/api/v1/auth/google/url', query => { redirect_uri => $page })->json('/authorization_url');
    my $back = control('browse', url => $url)->{url};
    is +(Ashlar::Google::parts($back))[0], $setup->json('/callback_url'), 'the provider sends the browser to our callback';
    my ($code) = $back =~ /[?&]code=([^&]+)/;
    $t->keep_secret($code) if $code;
    my $res = $t->get($back =~ s{^https://[^/]+}{}r, headers => { Accept => '*/*' });
    status_is $res, 302;
    return $res->header('Location');
}

subtest 'the whole way ends with tokens that are taken' => sub {
    my ($before, $query, $fragment) = Ashlar::Google::parts(sign_in());
    is $before, $page, 'at the tenant\'s page';
    is_deeply $query, {}, 'nothing in the query';
    is_deeply [ sort keys %$fragment ], [qw(access_token expires_in refresh_token)], 'the tokens in the fragment';
    $t->keep_secret(@$fragment{qw(access_token refresh_token)});
    my $me = $client->get('/api/v1/auth/me', token => $fragment->{access_token});
    status_is $me, 200, 'the access token is taken';
    json_is $me, '/email', 'ada@example.com';
};

subtest 'openid-client sees the same person' => sub {
    my $seen = control('openid');
    is $seen->{metadata}{$_}, $at{$_}, "$_ is what we were told" for sort keys %at;
    my $user = $t->db->selectrow_hashref('SELECT u.*, i.issuer, i.subject FROM users u JOIN identities i ON i.user_id = u.id');
    my %same = (issuer => 'iss', subject => 'sub', full_name => 'name', avatar_url => 'picture');
    is $user->{$_}, $seen->{claims}{ $same{$_} }, "$_ is the claim $same{$_}" for sort keys %same;
    is $user->{email}, lc $seen->{claims}{email}, 'and so is the address';
    ok $user->{is_email_verified}, '  verified';
};

subtest 'the second time, and somebody else' => sub {
    my (undef, undef, $fragment) = Ashlar::Google::parts(sign_in());
    $t->keep_secret(@$fragment{qw(access_token refresh_token)});
    is_deeply $t->db->selectcol_arrayref('SELECT email FROM users'), ['ada@example.com'], 'it is the same user';
    control('person', sub => '109-eve', email => 'ada@example.com', email_verified => false, name => 'Eve');
    is sign_in(), "$page?error=oauth_failed&error_description=Google%20has%20not%20verified%20this%20e-mail%20address", 'but not whoever says to have her address';
};
