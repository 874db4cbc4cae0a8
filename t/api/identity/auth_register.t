# Signing up.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant claims audit_of newest_mail);

my $app  = 'https://app.example.com';
my $t    = Api->start(@BEHIND_PROXY, CORS_ORIGINS => 'https://www.example.com');
my $path = '/api/v1/auth/register';
my $key  = $t->key(type => 'public', tenant => 'acme', origins => [ $app, 'http://localhost:3000' ]);
my $secret = $t->key(tenant => 'acme');
my $none   = { id => $UUID, email => 'ada@example.com', display_name => undef, avatar_url => undef, is_active => true, created_at => $TIME,
    name => undef, title => undef, phone => undef, bio => undef, email_verified => false, is_staff => false, is_superuser => false, active_workspace_id => undef, role => undef,
    last_login_at => $TIME, updated_at => $TIME };

sub register ($who, $email, %more) {
    return $who->post($path, { email => $email, password => $PASSWORD, %more });
}

sub users ($email) { return scalar $t->db->selectrow_array('SELECT count(*) FROM users WHERE email = ?', undef, $email) }

subtest 'a key that is sent must be good, and come from its origins' => sub {
    error_is register(from($t, undef, key => 'pk_live_' . 'x' x 32, origin => $app), 'ada@example.com'), 401, 'INVALID_API_KEY';
    error_is register(from($t, undef, key => 'nonsense'), 'ada@example.com'), 401, 'INVALID_API_KEY';
    error_is register(from($t, undef, key => $key), 'ada@example.com'), 403, 'ORIGIN_NOT_ALLOWED';
    error_is register(from($t, undef, key => $key, origin => 'https://evil.example'), 'ada@example.com'), 403, 'ORIGIN_NOT_ALLOWED';
    is users('ada@example.com'), 0, 'and nobody was made';
};

subtest 'a password must keep the policy' => sub {
    for (
        [ 'Abcdef7'            => 'seven characters' ],
        [ 'alllower77'         => 'no upper-case letter' ],
        [ 'ALLUPPER77'         => 'no lower-case letter' ],
        [ 'NoDigitsHere'       => 'no digit' ],
        [ 'Password1'          => 'a common one' ],
        [ 'Ada9'  . 'x' x 125  => '129 characters' ],
        [ "\x{c4}\x{e4}7" . "\x{e9}" x 62 => 'no ASCII letter at all' ],
    ) {
        my ($password, $name) = @$_;
        error_is from($t)->post($path, { email => 'ada@example.com', password => $password }), 422, 'VALIDATION_ERROR',
            field => 'password', name => $name;
    }
    error_is from($t)->post($path, { email => 'correct.horse@example.com', password => 'Correct.Horse7' }), 422, 'VALIDATION_ERROR',
        field => 'password', name => 'the address itself';
    error_is from($t)->post($path, { email => 'nobody', password => $PASSWORD }), 422, 'VALIDATION_ERROR', field => 'email';
    is users('ada@example.com'), 0, 'nobody was made';
    status_is from($t)->post($path, { email => 'eight@example.com', password => 'Zq7rTbvw' }), 201, 'eight characters will do';
    status_is from($t)->post($path, { email => 'many@example.com', password => 'Ada9' . 'x' x 124 }), 201, 'and 128';
};

subtest 'without verification it signs in at once' => sub {
    my $who = from($t, '192.0.2.7');
    my $res = $who->post($path, { email => 'Ada@Example.com', password => $PASSWORD, display_name => 'Ada Lovelace', locale => 'fr' },
        headers => { 'X-Forwarded-For' => '192.0.2.7', 'User-Agent' => 'a test' });
    status_is $res, 201;
    json_is $res, '', {
        access_token  => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/,
        refresh_token => qr/\A[\w-]{91}\z/,
        token_type    => 'Bearer',
        expires_in    => 3600,
        user          => { %$none, display_name => 'Ada Lovelace', name => 'Ada Lovelace' },
        workspace_id  => undef,
    };
    my ($user) = @{ $t->db->selectall_arrayref(q{SELECT * FROM users WHERE email = 'ada@example.com'}, { Slice => {} }) };
    is $user->{locale}, 'fr', 'the locale is kept';
    is $user->{is_email_verified}, 0, 'the address is not verified by that';
    like $user->{password_hash}, qr/\A\$scrypt\$ln=14,r=8,p=5\$[^\$]+\$[^\$]+\z/, 'only a hash of the password';
    ok $user->{last_login_at}, 'that is a login';

    my $claims = claims($res->json('/access_token'));
    my ($session) = @{ $t->db->selectall_arrayref('SELECT *, extract(epoch FROM expires_at - created_at)::int AS ttl_s, host(ip) AS address FROM sessions WHERE id = ?',
        { Slice => {} }, $claims->{sid}) };
    is_deeply { map { $_ => $claims->{$_} } qw(iss aud sub tid ctx role email) },
        { iss => 'ashlar', aud => 'ashlar', sub => $user->{public_id}, tid => $t->tenant_id, ctx => 'user', role => 'user', email => 'ada@example.com' }, 'the token';
    is $claims->{exp} - $claims->{iat}, 3600, '  is good for an hour';
    is_deeply [ @$session{qw(user_id method user_agent address ttl_s has_mfa)} ], [ $user->{id}, 'password', 'a test', '192.0.2.7', 30 * 86400, 0 ], 'the session';
    json_is $t->client(token => $res->json('/access_token'))->get('/api/v1/auth/me'), '/email', 'ada@example.com';
    $t->keep_secret($res->json('/refresh_token'), $PASSWORD);

    my ($made) = audit_of($t, 'user.create');
    is_deeply [ @$made{qw(actor_id actor_type resource_id ip user_agent)} ], [ $user->{public_id}, 'user', $user->{public_id}, '192.0.2.7', 'a test' ], 'the audit log has it';
    is $made->{request_id}, $res->header('X-Request-ID'), '  with the request';
    my ($opened) = audit_of($t, 'session.create');
    is_deeply [ $opened->{resource_id}, $opened->{details} ], [ $claims->{sid}, { method => 'password' } ], '  and the session';
};

subtest 'an address is taken once in each tenant' => sub {
    my $res = register(from($t), 'ADA@example.com');
    error_is $res, 409, 'CONFLICT', field => 'email';
    json_is $res, '/detail', 'User already exists', 'the text that clients compare';
    status_is register(from($t, undef, key => $secret), 'ada@example.com'), 201, 'another tenant';
    status_is register(from($t, undef, key => $key, origin => $app), 'ada@example.com'), 409;
    status_is register(from($t, undef, key => $t->key(tenant => 'acme', test => 1)), 'ada@example.com'), 201, 'its test mode is a tenant of its own';
    $t->db->do(q{UPDATE users SET deleted_at = now() WHERE email = 'ada@example.com' AND tenant_id = ?}, undef, $t->tenant_id);
    status_is register(from($t), 'ada@example.com'), 201, 'a deleted user does not keep it';
};

subtest 'locale and display name' => sub {
    status_is register(from($t), 'plain@example.com'), 201;
    is $t->db->selectrow_array(q{SELECT locale FROM users WHERE email = 'plain@example.com'}), 'en', 'the locale is en unless given';
    json_is register(from($t), 'null@example.com', display_name => undef), '/user/display_name', undef;
};

subtest 'the default plan of the tenant, if it is active and free' => sub {
    my $plan = sub (%column) {
        return $t->db->selectrow_array('INSERT INTO plans (tenant_id, name, is_active, is_free) VALUES (?, ?, ?, ?) RETURNING id',
            undef, $t->tenant_id('acme'), "plan $column{is_active} $column{is_free}", $column{is_active}, $column{is_free});
    };
    my $given = sub ($email) {
        status_is register(from($t, undef, key => $secret), $email), 201;
        return $t->db->selectrow_array('SELECT current_plan_id FROM users WHERE email = ?', undef, $email);
    };
    my $free = $plan->(is_active => 1, is_free => 1);
    set_tenant($t, 'acme', default_plan_id => $free);
    is $given->('free@example.com'), $free, 'free';
    set_tenant($t, 'acme', default_plan_id => $plan->(is_active => 1, is_free => 0));
    is $given->('paid@example.com'), undef, 'one that costs money is not given away';
    set_tenant($t, 'acme', default_plan_id => $plan->(is_active => 0, is_free => 1));
    is $given->('gone@example.com'), undef, 'nor one that is not offered';
    set_tenant($t, 'acme', default_plan_id => undef);
};

subtest 'return_to leads to pages of ours only' => sub {
    my @public = (key => $key, origin => $app);
    my $try = sub ($name, $credentials, $url, $status) {
        state $n = 0;
        my $res = register(from($t, undef, @$credentials), 'r' . ++$n . '@example.com', return_to => $url);
        $status == 422 ? error_is($res, 422, 'VALIDATION_ERROR', field => 'return_to', name => "$name: not $url") : status_is($res, $status, "$name: $url");
    };
    $try->('public key', \@public, "$app/verify",                       201);
    $try->('public key', \@public, 'HTTPS://APP.example.com:443/x?y#z', 201);
    $try->('public key', \@public, 'http://localhost:3000',             201);
    $try->('public key', \@public, $_,                                  422)
        for 'https://evil.example/', "$app:25/", "$app.evil.example/", "$app:8443/", 'http://app.example.com/', "$app\@evil.example/",
        'https://evil.example\\@app.example.com/', "https://user:pass\@app.example.com/", 'http://localhost:3001/', 'https://www.example.com/';
    $try->('secret key', [ key => $secret ], 'https://anything.example/there', 201);
    $try->('secret key', [ key => $secret ], 'http://anything.example/there',  422);
    $try->('no key',     [],                 'https://www.example.com/there',  201);
    $try->('no key',     [],                 "https://localhost:$t->{https_port}/verify-email.html", 201);
    $try->('no key',     [],                 'https://localhost/',             422);
    $try->('no key',     [],                 $app,                             422);
};

subtest 'with verification nobody is let in, and nothing is told' => sub {
    set_tenant($t, 'acme', email_verification_required => 1);
    my %pending = (message => 'Registration successful. Please check your email to verify your account.', verification_required => true);
    my $new = register(from($t, undef, key => $key, origin => $app), 'new@example.com', return_to => "$app/welcome?a=b#c", locale => 'de');
    status_is $new, 201;
    json_is $new, '', \%pending;
    is users('new@example.com'), 1, 'the user is there';
    is $t->db->selectrow_array(q{SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'new@example.com'}), 0, 'without a session';
    my $mail = newest_mail($t, 'new@example.com');
    is_deeply [ @$mail{qw(template tenant locale)} ], [ 'verify_email', 'acme', 'de' ], 'a mail';
    is $mail->{secrets}{link}, "$app/welcome?a=b&token=$mail->{secrets}{token}#c", '  that leads to return_to';
    like $mail->{secrets}{code}, qr/\A\d{6}\z/, '  with a code beside the link';
    my ($token) = @{ $t->db->selectall_arrayref(q{SELECT o.*, extract(epoch FROM o.expires_at - o.created_at)::int AS ttl_s,
        extract(epoch FROM o.code_expires_at - o.created_at)::int AS code_ttl_s FROM one_time_tokens o JOIN users u ON u.id = o.user_id
        WHERE u.email = 'new@example.com'}, { Slice => {} }) };
    is_deeply [ @$token{qw(kind ttl_s code_ttl_s)} ], [ 'verify_email', 86400, 600 ], 'the link is good for a day, the code for ten minutes';
    my $dump = join "\n", map { join ' ', map { $_ // '' } @$_ } map { @{ $t->db->selectall_arrayref("SELECT * FROM $_") } } qw(one_time_tokens jobs);
    unlike $dump, qr/\Q$mail->{secrets}{token}\E|$mail->{secrets}{code}/, 'neither is readable in the database';

    my $known = register(from($t, undef, key => $key, origin => $app), 'new@example.com', return_to => "$app/welcome?a=b#c", locale => 'de');
    status_is $known, 201;
    is $known->body, $new->body, 'an address that somebody else may have registered gets the same bytes';
    is users('new@example.com'), 1, 'and nobody new';
    my $again = newest_mail($t, 'new@example.com');
    is $again->{template}, 'verify_email', 'and a mail of its own';
    isnt $again->{secrets}{token}, $mail->{secrets}{token}, '  with another token';
    my ($twice) = audit_of($t, 'user.create_again');
    is $twice->{details}{email}, 'new@example.com', 'the audit log has it';

    for (['verified', is_email_verified => 1], ['deactivated', is_active => 0]) {
        my ($name, %columns) = @$_;
        $t->user($name, tenant => 'acme', columns => \%columns);
        $known = register(from($t, undef, key => $key, origin => $app), "$name\@example.com", return_to => "$app/welcome?a=b#c", locale => 'de');
        status_is $known, 201;
        is $known->body, $new->body, "one that is $name gets the same bytes";
        is users("$name\@example.com"), 1, 'and nobody new';
        $mail = newest_mail($t, "$name\@example.com");
        is $mail->{template}, 'already_registered', 'a mail tells whoever has it';
        is_deeply $mail->{secrets}, {}, '  without a token';
        my ($refused) = audit_of($t, 'user.create_refused');
        is $refused->{details}{email}, "$name\@example.com", 'the audit log has it';
    }

    set_tenant($t, 'acme', verification_url => 'https://pages.example.com/verify');
    register(from($t, undef, key => $secret), 'url@example.com');
    like newest_mail($t, 'url@example.com')->{secrets}{link}, qr{\Ahttps://pages\.example\.com/verify\?token=}, 'without return_to to the tenant\'s page';
    set_tenant($t, 'acme', verification_url => undef);
    register(from($t, undef, key => $secret), 'own@example.com');
    like newest_mail($t, 'own@example.com')->{secrets}{link}, qr{\Ahttps://localhost:$t->{https_port}/verify-email\.html\?token=}, '  or to ours';
    set_tenant($t, 'acme', email_verification_required => 0);
};

subtest 'three an hour of one account from one address, then none for half an hour' => sub {
    my $who = from($t, '198.51.100.9');
    status_is register($who, 'limit1@example.com'), 201;
    status_is register($who, $_), 409 for 'limit1@example.com', 'LIMIT1@example.com';
    my $res = register($who, 'limit1@example.com');
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    json_is $res, '/detail', 'Rate limit exceeded', 'the text that clients compare';
    header_is $res, 'Retry-After', 1800;
    cmp_ok register($who, 'limit1@example.com')->header('Retry-After'), '<=', 1800, 'a try does not prolong it';
    status_is register($who, 'limit2@example.com'), 201, 'other accounts are free';
    status_is register(from($t, '198.51.100.10'), 'limit1@example.com'), 409, 'and so is the next address';
    $t->db->do(q{UPDATE rate_limits SET blocked_until = now() - interval '1 second' WHERE subject = 'account:limit1@example.com ip:198.51.100.9'});
    status_is register($who, 'limit1@example.com'), 409, 'when the block is over it begins anew';
};

subtest 'twenty an hour from one address, whoever they are for' => sub {
    my $who  = from($t, '198.51.100.11');
    my $tell = sub { return scalar $t->db->selectrow_array(q{SELECT tries FROM rate_limits WHERE name = 'register' AND subject = 'ip:198.51.100.11'}) };
    status_is register($who, 'many1@example.com'), 201;
    error_is register($who, 'many2@example.com', password => 'weak'), 422, 'VALIDATION_ERROR', field => 'password';
    is $tell->(), 1, 'what is refused for its form is not counted';
    $t->db->do(q{UPDATE rate_limits SET tries = 19 WHERE name = 'register' AND subject = 'ip:198.51.100.11'});
    status_is register($who, 'many2@example.com'), 201, 'the twentieth';
    my $res = register($who, 'many3@example.com');
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    header_is $res, 'Retry-After', 1800;
    is users('many3@example.com'), 0, 'and nobody was made';
    status_is register(from($t, '198.51.100.11', key => $secret), 'many3@example.com'), 201, 'each tenant counts its own';
};

subtest 'two at once with the same address' => sub {
    my $lock = $t->lock('LOCK TABLE audit_heads IN EXCLUSIVE MODE');
    my @who = map { from($t) } 1 .. 2;
    my @pids = map {
        my $who = $_;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) { my $s = register($who->with(http => $t->http), 'race@example.com')->status; require POSIX; POSIX::_exit($s == 201 ? 1 : $s == 409 ? 2 : 3) }
        $pid;
    } @who;
    eventually { $t->waiting >= 2 } 10, 'both wait';
    $lock->commit;
    my @ends = sort map { waitpid($_, 0); $? >> 8 } @pids;
    is_deeply \@ends, [ 1, 2 ], 'one is made, the other is refused';
    is users('race@example.com'), 1;
};
