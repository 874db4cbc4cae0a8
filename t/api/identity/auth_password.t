# Passwords that were forgotten, and passwords that are changed.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant sign_in claims audit_of newest_mail);

my $t      = Api->start(@BEHIND_PROXY);
my $app    = 'https://app.example.com';
my $secret = $t->key(tenant => 'acme');
my $public = $t->key(type => 'public', tenant => 'acme');
my $NEW    = 'Another-Horse-8';
$t->keep_secret($PASSWORD, $NEW);

sub forgot ($email, %arg) { return from($t, undef, %arg)->post('/api/v1/auth/forgot-password', { email => $email }) }
sub reset_with ($body, %arg) { return from($t, undef, %arg)->post('/api/v1/auth/reset-password', { new_password => $NEW, %$body }) }
sub login ($email, $password, %arg) { return from($t, undef, %arg)->post('/api/v1/auth/login', { email => $email, password => $password })->status }

# The secrets of the mail that a forgotten password brings.
# What the next mail to them says; as many as it takes.
sub mailed ($email, %arg) {
    $t->db->do(q{DELETE FROM rate_limits WHERE name = 'forgot_password'});
    forgot($email, %arg);
    return newest_mail($t, $email)->{secrets};
}

sub wrong ($code) { return sprintf '%06d', ($code + 1) % 1_000_000 }

sign_in($t, 'ada@example.com');

subtest 'to ask for a mail tells nothing' => sub {
    my $jobs = sub ($kind) { return scalar $t->db->selectrow_array('SELECT count(*) FROM jobs WHERE kind = ?', undef, $kind) };
    $t->user('away', columns => { is_active => 0 });
    my @res = map { forgot($_) } qw(ada@example.com nobody@example.com away@example.com nonsense);
    for my $res (@res) {
        status_is $res, 200;
        json_is $res, '', { message => 'Password reset email sent' };
        is_deeply [ sort $res->header('Content-Length') ], [ sort $res[0]->header('Content-Length') ], 'with equal headers';
    }
    is $jobs->('mail'),       1, 'one mail';
    is $jobs->('mail.decoy'), 3, 'and three that nobody gets';
    is $t->db->selectrow_array('SELECT count(*) FROM one_time_tokens WHERE user_id IS NULL'), 3, '  with tokens for nobody';
    error_is forgot('ada@example.com', key => 'sk_live_' . 'x' x 32), 401, 'INVALID_API_KEY';
    error_is forgot('ada@example.com', key => $public, origin => 'https://evil.example'), 403, 'ORIGIN_NOT_ALLOWED';
    forgot('ada@example.com', key => $secret);
    is $jobs->('mail'), 1, 'another tenant does not know her';
    my ($row) = audit_of($t, 'password.forgot');
    ok $row, 'the audit log has it';
};

subtest 'the mail leads to a page, with a code beside it' => sub {
    my $mail = newest_mail($t, 'ada@example.com');
    is $mail->{template}, 'reset_password';
    is $mail->{secrets}{link}, "https://localhost:$t->{https_port}/reset-password.html?token=$mail->{secrets}{token}", 'ours, unless the tenant has one';
    like $mail->{secrets}{code}, qr/\A\d{6}\z/;
    is_deeply $t->db->selectrow_arrayref(q{SELECT extract(epoch FROM expires_at - created_at)::int, extract(epoch FROM code_expires_at - created_at)::int
        FROM one_time_tokens WHERE kind = 'reset_password' AND user_id IS NOT NULL}), [ 3600, 600 ], 'the link is good for an hour, the code for ten minutes';
    set_tenant($t, undef, password_reset_url => "$app/reset?from=mail");
    my $link = mailed('ada@example.com')->{link};
    like $link, qr{\A\Q$app\E/reset\?from=mail&token=[\w-]{64}\z}, 'the tenant\'s';
    set_tenant($t, undef, password_reset_url => undef);
};

subtest 'a token that is not good' => sub {
    my $first  = mailed('ada@example.com');
    my $second = mailed('ada@example.com');
    error_is reset_with({ token => $_->[1] }), 400, 'TOKEN_INVALID', name => $_->[0]
        for [ 'nonsense' => 'nonsense' ], [ 'changed' => changed($second->{token}) ], [ 'voided by the next mail' => $first->{token} ];
    error_is reset_with({ token => $second->{token} }, key => $secret), 400, 'TOKEN_INVALID', name => 'with another tenant\'s key';
    error_is reset_with({}), 422, 'VALIDATION_ERROR', field => 'token';
    error_is reset_with({ email => 'ada@example.com' }), 422, 'VALIDATION_ERROR', field => 'token', name => 'an address without a code';
    error_is reset_with({ token => $second->{token}, new_password => 'weak' }), 422, 'VALIDATION_ERROR', field => 'new_password';
    error_is reset_with({ token => $second->{token}, new_password => 'Password1' }), 422, 'VALIDATION_ERROR', field => 'new_password', name => 'a common one';
    is login('ada@example.com', $PASSWORD), 200, 'the password is still the old one';
    status_is $t->get('/api/v1/auth/reset-password', query => { token => $second->{token} }), 405, 'GET does nothing';
    status_is $t->client->head("/api/v1/auth/reset-password?token=$second->{token}"), 405, 'nor does HEAD';
    status_is $t->get("/reset-password.html?token=$second->{token}"), 200, 'and the page of the link is a file';
    $t->db->do(q{UPDATE one_time_tokens SET expires_at = now() WHERE kind = 'reset_password'});
    error_is reset_with({ token => $second->{token} }), 400, 'TOKEN_INVALID', name => 'expired';
    my $verify = $t->db->selectrow_array(q{SELECT count(*) FROM one_time_tokens WHERE used_at IS NULL AND user_id IS NOT NULL});
    is $verify, 1, 'none of that used it';
};

subtest 'a good one sets the password, and ends every session' => sub {
    my @old   = map { $t->client(token => from($t)->post('/api/v1/auth/login', { email => 'ada@example.com', password => $PASSWORD })->json('/access_token')) } 1 .. 2;
    my $token = mailed('ada@example.com')->{token};
    my $res   = reset_with({ token => $token });
    status_is $res, 200;
    json_is $res, '', { message => 'Password reset successfully' };
    is login('ada@example.com', $PASSWORD), 401, 'the old password is of no use';
    is login('ada@example.com', $NEW), 200, 'the new one is';
    error_is $_->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR' for @old;
    ok $t->db->selectrow_array(q{SELECT is_email_verified FROM users WHERE email = 'ada@example.com'}), 'who got the mail has the address';
    error_is reset_with({ token => $token }), 400, 'TOKEN_INVALID', name => 'a token is good once';
    my ($row) = audit_of($t, 'password.reset');
    is $row->{details}{sessions}, 4, 'the audit log counts the sessions';

    my $kim = sign_in($t, 'kim@example.com', key => $secret);
    $token = mailed('kim@example.com', key => $secret)->{token};
    status_is reset_with({ token => $token }), 200, 'without a key the token knows its tenant';
    is login('kim@example.com', $NEW, key => $secret), 200;
    status_is reset_with({ token => mailed('kim@example.com', key => $secret)->{token} }, key => $secret), 200, 'and with it';
};

subtest 'the code does the same' => sub {
    my $code = mailed('ada@example.com')->{code};
    my %ask  = (email => 'Ada@example.com', new_password => $PASSWORD);
    error_is reset_with({ %ask, code => wrong($code) }), 400, 'TOKEN_INVALID' for 1 .. 4;
    error_is reset_with({ %ask, code => $code, email => 'nobody@example.com' }), 400, 'TOKEN_INVALID', name => 'with another address';
    error_is reset_with({ %ask, code => $code }, key => $secret), 400, 'TOKEN_INVALID', name => 'in another tenant';
    status_is reset_with({ %ask, code => $code }), 200, 'the fifth try may be right';
    is login('ada@example.com', $PASSWORD), 200;
    error_is reset_with({ %ask, code => $code }), 400, 'TOKEN_INVALID', name => 'once';

    my $mail = mailed('ada@example.com');
    my %here = (headers => { 'X-Forwarded-For' => '192.0.2.77' });
    status_is reset_with({ %ask, code => wrong($mail->{code}) }, %here), 400 for 1 .. 10;
    error_is reset_with({ %ask, code => $mail->{code} }, %here), 429, 'RATE_LIMIT_EXCEEDED', name => 'not after ten wrong ones from one address';
    status_is reset_with({ token => $mail->{token}, new_password => $PASSWORD }, %here), 200, 'the link is good there';

    $mail = mailed('ada@example.com');
    $t->db->do(q{UPDATE one_time_tokens SET code_expires_at = now() WHERE used_at IS NULL});
    error_is reset_with({ %ask, code => $mail->{code} }), 400, 'TOKEN_INVALID', name => 'and so after ten minutes';

    $t->db->do(q{DELETE FROM rate_limits});
    for (1 .. 3) {
        my $right = mailed('ada@example.com')->{code};
        reset_with({ %ask, code => wrong($right) }, headers => { 'X-Forwarded-For' => "192.0.2.$_" }) for 101 .. 110;
    }
    $mail = mailed('ada@example.com');
    my $res = reset_with({ %ask, code => $mail->{code} });
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'new mails and addresses do not bring more than thirty wrong ones an hour';
    cmp_ok $res->header('Retry-After'), '<=', 60, '  then there is a brake';
    $t->db->do(q{INSERT INTO known_addresses (tenant_id, account_id, address) SELECT tenant_id, id, '192.0.2.78' FROM users WHERE email = 'ada@example.com'});
    status_is reset_with({ %ask, code => $mail->{code} }, headers => { 'X-Forwarded-For' => '192.0.2.78' }), 200, '  which does not meet an address that she signed in from';
    $t->db->do(q{DELETE FROM rate_limits});
};

subtest 'one token, two at once' => sub {
    my $token = mailed('ada@example.com')->{token};
    my $lock  = $t->lock('LOCK TABLE audit_heads IN EXCLUSIVE MODE');
    my @pids  = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) { my $s = $t->client(http => $t->http)->post('/api/v1/auth/reset-password', { token => $token, new_password => $PASSWORD })->status; require POSIX; POSIX::_exit($s == 200 ? 1 : $s == 400 ? 2 : 3) }
        $pid;
    } 1 .. 2;
    eventually { $t->waiting >= 2 } 15, 'both wait';
    $lock->commit;
    is_deeply [ sort map { waitpid($_, 0); $? >> 8 } @pids ], [ 1, 2 ], 'one uses it, the other is refused';
};

subtest 'who has no password yet sets the first one' => sub {
    $t->user('foreign');
    status_is reset_with({ token => mailed('foreign@example.com')->{token} }), 200;
    is login('foreign@example.com', $NEW), 200;
    my $gone = $t->user('gone');
    my $token = mailed('gone@example.com')->{token};
    $t->db->do(q{UPDATE users SET email = 'other@example.com' WHERE id = ?}, undef, $gone->uuid);
    error_is reset_with({ token => $token }), 400, 'TOKEN_INVALID', name => 'a mail to an address that is not theirs any more';
    $t->db->do(q{UPDATE users SET email = 'gone@example.com', deleted_at = now() WHERE id = ?}, undef, $gone->uuid);
    error_is reset_with({ token => $token }), 400, 'TOKEN_INVALID', name => 'or to who is deleted';
};

subtest 'mails to one account from everywhere' => sub {
    my $ask = sub ($email, @from) { return from($t, @from)->post('/api/v1/auth/forgot-password', { email => $email }) };
    $t->db->do(q{DELETE FROM rate_limits});
    status_is $ask->('ada@example.com'), 200 for 1 .. 10;
    my $jobs = $t->db->selectrow_array('SELECT count(*) FROM jobs');
    my $res  = $ask->('ada@example.com');
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'ten an hour';
    cmp_ok $res->header('Retry-After'), '<=', 60, '  then one a minute, and so on';
    is scalar $t->db->selectrow_array('SELECT count(*) FROM jobs'), $jobs, '  and nothing is sent';
    status_is $ask->('ada@example.com', '192.0.2.78'), 200, 'but from where she signed in before';
    $t->db->do(q{DELETE FROM rate_limits});
};

subtest 'three mails an hour of one account from one address, then none for half an hour' => sub {
    my $who = from($t, '198.51.100.50');
    my $ask = sub (%arg) { return $who->post('/api/v1/auth/forgot-password', { email => 'nobody@example.com' }, %arg) };
    status_is $ask->(), 200 for 1 .. 3;
    my $res = $ask->();
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    json_is $res, '/detail', 'Rate limit exceeded';
    header_is $res, 'Retry-After', 1800;
    status_is $who->post('/api/v1/auth/forgot-password', { email => 'nobody2@example.com' }), 200, 'other accounts are free';
    $t->db->do(q{UPDATE rate_limits SET tries = 20 WHERE subject = 'ip:198.51.100.50'});
    error_is $who->post('/api/v1/auth/forgot-password', { email => 'nobody2@example.com' }), 429, 'RATE_LIMIT_EXCEEDED', name => 'after twenty for all no more';
    status_is $ask->(key => $secret), 200, 'each tenant counts its own';
    status_is $who->post('/api/v1/auth/resend-verification', { email => 'nobody@example.com' }), 200, 'and each call';
};

# ------------------------------------------------------------------ change

my $change = '/api/v1/auth/change-password';

subtest 'to change it takes the current one' => sub {
    my $new = sign_in($t, 'bob@example.com');
    my ($bob, $other) = map { $t->client(token => $_->json('/access_token')) } $new, from($t)->post('/api/v1/auth/login', { email => 'bob@example.com', password => $PASSWORD });
    my %ask = (current_password => $PASSWORD, new_password => $NEW);
    error_is $t->post($change, \%ask), 401, 'AUTHENTICATION_ERROR';
    error_is $bob->post($change, { %ask, current_password => 'Wrong-Horse-7' }), 400, 'BAD_REQUEST', field => 'current_password';
    error_is $bob->post($change, { %ask, new_password => 'weak' }), 422, 'VALIDATION_ERROR', field => 'new_password';
    ok scalar audit_of($t, 'password.change_failed'), 'the audit log has the wrong one';
    my $mail = mailed('bob@example.com');
    my $res = $bob->post($change, \%ask);
    status_is $res, 200;
    json_is $res, '', { message => 'Password changed successfully' };
    is login('bob@example.com', $PASSWORD), 401, 'the old one is of no use';
    is login('bob@example.com', $NEW), 200, 'the new one is';
    status_is $bob->get('/api/v1/auth/me'), 200, 'this session goes on';
    error_is $other->get('/api/v1/auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'the others end';
    error_is $t->post('/api/v1/auth/refresh', { refresh_token => $other->{refresh} // 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is reset_with({ token => $mail->{token} }), 400, 'TOKEN_INVALID', name => 'a mail from before is void';
    my ($row) = audit_of($t, 'password.change');
    is $row->{details}{sessions}, 1, 'the audit log has it';
    error_is $t->user('google')->post($change, \%ask), 400, 'BAD_REQUEST', message => qr/no password yet/;
};

subtest 'five wrong ones an hour of a user from an address, then none for half an hour' => sub {
    my $eve = $t->client(token => sign_in($t, 'eve@example.com')->json('/access_token'));
    my %ask = (current_password => 'Wrong-Horse-7', new_password => $NEW);
    my %here = (headers => { 'X-Forwarded-For' => '203.0.113.5' });
    status_is $eve->post($change, \%ask, %here), 400 for 1 .. 5;
    my $res = $eve->post($change, { %ask, current_password => $PASSWORD }, %here);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    cmp_ok abs($res->header('Retry-After') - 1770), '<=', 30;
    status_is $eve->post($change, { %ask, current_password => $PASSWORD }), 200, 'whoever guesses with her token elsewhere does not keep her from changing it';
    status_is $eve->post($change, { current_password => $NEW, new_password => $PASSWORD }), 200, 'and right ones do not count';
    is login('eve@example.com', $PASSWORD), 200, 'the password is the old one';
};
