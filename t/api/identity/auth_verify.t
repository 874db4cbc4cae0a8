# Verified addresses.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant audit_of newest_mail);

my $t      = Api->start(@BEHIND_PROXY);
my $app    = 'https://app.example.com';
my $secret = $t->key(tenant => 'acme');
my $public = $t->key(type => 'public', tenant => 'acme', origins => [$app]);
my $other  = $t->key(tenant => 'other');
my $verify = '/api/v1/auth/verify-email';
my $alone  = '/api/v1/auth/verify-email-with-token';
my $resend = '/api/v1/auth/resend-verification';
set_tenant($t, $_, email_verification_required => 1) for qw(acme default);

# Sign up and return what the mail has.
sub mailed ($email, %more) {
    status_is from($t, undef, key => $secret)->post('/api/v1/auth/register', { email => $email, password => $PASSWORD, %more }), 201;
    my $mail = newest_mail($t, $email);
    $t->keep_secret($mail->{secrets}{token}, $mail->{secrets}{code});
    return $mail->{secrets};
}

sub verified ($email) { return scalar $t->db->selectrow_array('SELECT is_email_verified FROM users WHERE email = ?', undef, $email) }
sub wrong ($code) { return sprintf '%06d', ($code + 1) % 1_000_000 }
sub post ($path, $body, %arg) { return from($t, undef, %arg)->post($path, $body) }

my $ada = mailed('ada@example.com');

subtest 'refusals' => sub {
    for my $path ($verify, $alone) {
        error_is post($path, {}), 422, 'VALIDATION_ERROR', field => 'token';
        error_is post($path, { email => 'ada@example.com' }), 422, 'VALIDATION_ERROR', field => 'token', name => 'an address without a code';
        error_is post($path, { token => 'nonsense' }), 400, 'TOKEN_INVALID';
        error_is post($path, { token => changed($ada->{token}) }), 400, 'TOKEN_INVALID', name => 'a changed one';
        status_is $t->get("$path?token=$ada->{token}"), 405, 'GET does nothing';
        status_is $t->client->head("$path?token=$ada->{token}"), 405, 'nor does HEAD';
    }
    error_is post($verify, { token => $ada->{token} }, key => 'nonsense'), 401, 'INVALID_API_KEY';
    error_is post($verify, { token => $ada->{token} }, key => $public, origin => 'https://evil.example'), 403, 'ORIGIN_NOT_ALLOWED';
    error_is post($verify, { token => $ada->{token} }, key => $other), 400, 'TOKEN_INVALID', name => 'with another tenant\'s key';
    status_is $t->get("/verify-email.html?token=$ada->{token}"), 200, 'our own page is a file';
    status_is $t->client->head("/verify-email.html?token=$ada->{token}"), 200;
    is verified('ada@example.com'), 0, 'none of that verified anybody';
};

subtest 'with the tenant\'s key' => sub {
    my $res = post($verify, { token => $ada->{token} }, key => $public, origin => $app);
    status_is $res, 200;
    json_is $res, '', { message => 'Email verified successfully' }, 'and no tokens';
    is verified('ada@example.com'), 1;
    error_is post($verify, { token => $ada->{token} }, key => $public, origin => $app), 400, 'TOKEN_INVALID', name => 'once';
    status_is post('/api/v1/auth/login', { email => 'ada@example.com', password => $PASSWORD }, key => $secret), 200, 'then the password lets in';
    my ($row) = audit_of($t, 'email.verify');
    is $row->{actor_type}, 'user', 'the audit log has it';
};

subtest 'with the token alone' => sub {
    my $res = post($alone, { token => mailed('bea@example.com')->{token} }, key => 'not read', token => 'not read');
    status_is $res, 200;
    json_is $res, '', { message => 'Email verified successfully' };
    is verified('bea@example.com'), 1;
    status_is post($verify, { token => mailed('cat@example.com')->{token} }), 200, 'without a key the other path does the same';
    is verified('cat@example.com'), 1;
};

subtest 'with the code' => sub {
    my $dan = mailed('dan@example.com');
    my $try = sub ($code, %more) { return post($verify, { email => 'DAN@example.com', code => $code, %more }, key => $secret) };
    error_is $try->(wrong($dan->{code})), 400, 'TOKEN_INVALID' for 1 .. 4;
    error_is $try->($dan->{code}, email => 'ada@example.com'), 400, 'TOKEN_INVALID', name => 'of somebody else';
    error_is $try->('12345'), 422, 'VALIDATION_ERROR', field => 'code';
    error_is post($alone, { email => 'dan@example.com', code => $dan->{code} }), 400, 'TOKEN_INVALID', name => 'without a key the address is the default tenant\'s';
    status_is $try->($dan->{code}), 200;
    is verified('dan@example.com'), 1, 'the fifth try';
    error_is $try->($dan->{code}), 400, 'TOKEN_INVALID', name => 'once';

    my $eve = mailed('eve@example.com');
    status_is post($verify, { email => 'eve@example.com', code => wrong($eve->{code}) }, key => $secret, headers => { 'X-Forwarded-For' => '192.0.2.66' }), 400 for 1 .. 10;
    for (1, 2) {
        error_is post($verify, { email => 'eve@example.com', code => $eve->{code} }, key => $secret, headers => { 'X-Forwarded-For' => '192.0.2.66' }), 429,
            'RATE_LIMIT_EXCEEDED', name => 'not after ten wrong ones from one address';
    }
    status_is post($verify, { email => 'eve@example.com', code => $eve->{code} }, key => $secret), 200, 'from another it is still good: nobody can spoil it';
    my $fay = mailed('fay@example.com');
    $t->db->do(q{UPDATE one_time_tokens SET code_expires_at = now() WHERE used_at IS NULL});
    error_is post($verify, { email => 'fay@example.com', code => $fay->{code} }, key => $secret), 400, 'TOKEN_INVALID', name => 'nor after ten minutes';
    status_is post($verify, { token => $fay->{token} }, key => $secret), 200, 'the link is good for longer';
};

subtest 'a token lives a day' => sub {
    my $gil = mailed('gil@example.com');
    $t->db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE used_at IS NULL});
    error_is post($verify, { token => $gil->{token} }, key => $secret), 400, 'TOKEN_INVALID';
    is verified('gil@example.com'), 0;
};

subtest 'another mail' => sub {
    my $hal = mailed('hal@example.com', return_to => "$app/welcome");
    my $jobs = sub ($kind) { return scalar $t->db->selectrow_array('SELECT count(*) FROM jobs WHERE kind = ?', undef, $kind) };
    error_is post($resend, { email => 'nonsense' }), 422, 'VALIDATION_ERROR', field => 'email';
    error_is post($resend, { email => 'hal@example.com' }, key => 'nonsense'), 401, 'INVALID_API_KEY';
    my ($before, $decoys) = ($jobs->('mail'), $jobs->('mail.decoy'));
    my @res = map { post($resend, { email => $_ }, key => $secret) } qw(hal@example.com nobody@example.com ada@example.com);
    for my $res (@res) {
        status_is $res, 200;
        json_is $res, '', { message => 'Verification email sent' };
    }
    is $jobs->('mail'), $before + 1, 'one mail';
    is $jobs->('mail.decoy'), $decoys + 2, 'none for who is unknown or verified already';
    my $again = newest_mail($t, 'hal@example.com')->{secrets};
    is $again->{link}, "$app/welcome?token=$again->{token}", 'it leads where the first one led';
    error_is post($verify, { token => $hal->{token} }, key => $secret), 400, 'TOKEN_INVALID', name => 'the first one is void';
    error_is post($verify, { email => 'hal@example.com', code => $hal->{code} }, key => $secret), 400, 'TOKEN_INVALID', name => '  and its code'
        if $hal->{code} ne $again->{code};
    post($resend, { email => 'hal@example.com' }, key => $secret);
    like newest_mail($t, 'hal@example.com')->{secrets}{link}, qr{\A\Q$app\E/welcome}, 'so does a third';
    status_is post($verify, { token => newest_mail($t, 'hal@example.com')->{secrets}{token} }, key => $secret), 200;

    $t->user('plain');
    post($resend, { email => 'plain@example.com' });
    like newest_mail($t, 'plain@example.com')->{secrets}{link}, qr{/verify-email\.html\?token=}, 'who never gave a page gets ours';
};

subtest 'the limits' => sub {
    my $who = from($t, '198.51.100.60');
    status_is $who->post($resend, { email => 'nobody@example.com' }), 200 for 1 .. 3;
    my $res = $who->post($resend, { email => 'nobody@example.com' });
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'three mails an hour';
    header_is $res, 'Retry-After', 1800, 'then half an hour none';
    status_is $who->post($resend, { email => 'nobody2@example.com' }), 200, 'of another account there are';

    # The token's tenant counts, if there is one; who makes tenants up counts as the default one's guest.
    my $made_up = sub ($n) { require MIME::Base64; return MIME::Base64::encode_base64url(pack 'H32 a32', sprintf('%032x', $n), 'x') };
    status_is $who->post($alone, { token => $made_up->($_) }), 400 for 1 .. 19;
    status_is $who->post($alone, { token => mailed('late@example.com')->{token} }), 200, 'a good one is not counted';
    status_is $who->post($alone, { token => $made_up->(20) }), 400;
    $res = $who->post($alone, { token => $made_up->(21) });
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'twenty in vain an hour';
    cmp_ok $res->header('Retry-After'), '>', 3400, 'until the hour is over';
    cmp_ok $res->header('Retry-After'), '<=', 3600;
    $t->db->do(q{UPDATE rate_limits SET window_ends = now(), blocked_until = now() WHERE subject = 'ip:198.51.100.60' AND name = 'verify_email_with_token'});
    status_is $who->post($alone, { token => 'nonsense' }), 400, 'no block beyond it';
    status_is $who->post($verify, { token => 'nonsense' }), 400, 'the path for pages with a key has no limit of its own' for 1 .. 25;
};
