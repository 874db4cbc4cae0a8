# An authenticator app that is not ours: npm's otpauth reads the URI and makes the codes.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';

my $t = Api->start;
$t->tenant_id('acme');
$t->db->do(q{UPDATE tenants SET name = 'Müller & Söhne: 50%' WHERE slug = 'acme'});
my $ann = $t->user('ann', tenant => 'acme', columns => { email => 'ann+1@example.com' });
my $mfa = '/api/v1/auth/mfa';

sub app ($uri) {
    $t->keep_secret($uri =~ /secret=(\w+)/);
    open my $out, '-|', 'node', 't/clients/authenticator.mjs', $uri or die "node: $!\n";
    my $said = decode_json(do { local $/ = undef; <$out> });
    close $out or die "authenticator.mjs failed\n";
    return $said;
}

subtest 'the app understands the QR code, and its codes are taken' => sub {
    my $uri = $ann->post("$mfa/totp")->json('/otpauth_uri');
    my $app = app($uri);
    is_deeply [ @$app{qw(issuer label digits period)} ], [ 'Müller & Söhne 50%', 'ann+1@example.com', 6, 30 ], 'issuer and account as they are, but for the colon';
    my $res = $ann->post("$mfa/totp/verify", { code => $app->{codes}[1] });
    status_is $res, 200;
    $t->keep_secret(@{ $res->json('/recovery_codes') });
    error_is $ann->delete("$mfa/totp", json => { code => $app->{codes}[1] }), 400, 'INVALID_CODE', name => 'the same code is not taken again';
    status_is $ann->delete("$mfa/totp", json => { code => app($uri)->{codes}[2] }), 204, 'the next one is';
};
