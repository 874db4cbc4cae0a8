# One address, however it is spelled: composed or decomposed, in any case, its domain in letters or as DNS has it.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Google;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD from set_tenant newest_mail);
use Ashlar::Token 'mint';
use Ashlar::Authenticator;
use Unicode::Normalize qw(NFC NFD);

my $signing = 'the secret that Supabase signs with, 32 bytes or more';
my $issuer  = 'https://project.supabase.example/auth/v1';
my $google  = Ashlar::Google->start;
my $t       = Api->start(@BEHIND_PROXY, $google->settings, ENVIRONMENT => 'development', SUPABASE_ISSUER => $issuer, SUPABASE_JWT_SECRET => $signing);
my $db      = $t->db;
my $auth    = '/api/v1/auth';
my $page    = 'https://app.example.com';
my $key     = $t->key;
my $acme    = $t->key(tenant => 'acme');
set_tenant($t, 'acme', email_verification_required => 1);
my $n = 0;
$t->keep_secret($PASSWORD, $signing);

sub keep ($res) {
    $t->keep_secret(grep { defined && !ref } @{ $res->json }{qw(access_token refresh_token)}) if ref $res->json eq 'HASH';
    return $res;
}
sub call ($path, $body, %arg) { return keep(from($t, undef, key => $key, %arg)->post($path, $body)) }

sub register ($email, %arg) { return call("$auth/register", { email => $email, password => $PASSWORD }, %arg) }
sub login ($email, $password = $PASSWORD, %arg) { return call("$auth/login", { email => $email, password => $password }, %arg) }

my $admin = $t->user('admin', role => 'admin');
sub create ($user) { return from($t, undef, key => $key, token => $admin->token)->post('/api/v1/users', $user) }

# The secrets of the newest mail to exactly this address.
sub mailed ($to) {
    my $secrets = (newest_mail($t, $to) // die "no mail to $to")->{secrets};
    $t->keep_secret(values %$secrets);
    return $secrets;
}

sub wrong ($code) { return sprintf '%06d', ($code + 1) % 1_000_000 }

# Spellings of one address; the first is how it is kept.
sub spellings ($local) {
    my $kept = NFC($local) . '@xn--bcher-kva.example';
    return ($kept, NFD(ucfirst $local) . '@Bücher.example', uc($local) . NFD('@BÜCHER.example'), NFC($local) . '@XN--BCHER-KVA.EXAMPLE');
}

sub users ($email) { return $db->selectall_arrayref('SELECT id, email, email_key FROM users WHERE email = ? OR email_key = ?', { Slice => {} }, $email, $email) }

subtest 'what stands for something else is refused where an address is made' => sub {
    my $owner = $t->team('refuser', role => 'owner');
    my $ann   = $t->user('refuser', columns => { is_email_verified => 1 });
    my $org   = $t->organization($ann);
    my $member = $t->client(key => $key, token => $ann->token);
    my %wrong = ("\x{fb01}n\@example.com" => 'U+FB01', "\x{212a}im\@example.com" => 'U+212A', "a\x{200b}b\@example.com" => 'U+200B', "\x{ff41}nn\@example.com" => 'U+FF41', "ann\@ex\x{ff41}mple.com" => 'U+FF41');
    for my $email (sort keys %wrong) {
        my @made = (
            register($email),
            create({ sub => 's-' . $n++, email => $email }),
            $member->post("/api/v1/organizations/$org/invite", { email => $email, role => 'member' }),
            $owner->post('/api/v1/dashboard/team/invitations', { email => $email, role => 'member' }),
            from($t)->post('/api/v1/tenant-auth/register', { email => $email, password => $PASSWORD, tenant_name => 'X' }),
        );
        error_is $_, 422, 'VALIDATION_ERROR', field => 'email', message => qr/\Q$wrong{$email}\E/, name => "$wrong{$email}: $_->{request}" for @made;
    }
    is scalar @{ $db->selectall_arrayref(q{SELECT FROM users WHERE email ~ '[^ -~]'}) }, 0, 'nobody is made';
};

subtest 'sign up, and in' => sub {
    my ($kept, @others) = spellings('josé');
    my $res = register($others[0]);
    status_is $res, 201, 'decomposed, in capitals, with an ü';
    json_is $res, '/user/email', $kept, 'the address as it is kept';
    is users($kept)->[0]{email_key}, $kept, '  with its key';
    error_is register($_), 409, 'CONFLICT', field => 'email', name => 'taken' for $kept, @others;
    error_is create({ sub => 'another', email => $_ }), 409, 'CONFLICT', field => 'email', name => '  for the tenant\'s server, too' for $kept, @others;
    status_is login($_), 200, 'in' for $kept, @others;
    error_is login("jose\@xn--bcher-kva.example"), 401, 'INVALID_CREDENTIALS', name => 'e is another letter';
    is scalar @{ users($kept) }, 1, 'one account';
};

subtest 'an account is made by the tenant\'s server, too' => sub {
    my $res = create({ sub => 'éva', email => 'ÉVA@example.com' });
    status_is $res, 201, 'in capitals';
    json_is $res, '/email', 'éva@example.com';
    error_is register(NFD('Éva@example.com')), 409, 'CONFLICT', field => 'email';
};

subtest 'a forgotten password' => sub {
    my ($kept, @others) = spellings('andré');
    register($kept);
    my @new = map { "Correct-Horse-1$_" } 0 .. 9;
    $t->keep_secret(@new);
    for my $spelled (@others) {
        $db->do('DELETE FROM rate_limits');
        status_is call("$auth/forgot-password", { email => $spelled }), 200, 'asked for';
        my $mail = ($t->mails)[-1];
        is $mail->{to}, $kept, 'the mail goes to the address as it is kept';
        my $mailed = mailed($kept);
        my $new = shift @new;
        error_is call("$auth/reset-password", { email => 'nobody@example.com', code => $mailed->{code}, new_password => $new }), 400, 'TOKEN_INVALID', name => 'the code is nobody else\'s';
        status_is call("$auth/reset-password", { email => $_, code => $mailed->{code}, new_password => $new }), 200, 'the code, with a third spelling' for $others[-1];
        status_is login($others[0], $new), 200, 'and in';
    }
};

subtest 'an address that is verified first' => sub {
    my ($kept, @others) = spellings('zoë');
    my $res = register($others[0], key => $acme);
    status_is $res, 201, 'registered';
    is $res->json('/verification_required'), 1;
    my $first = mailed($kept);
    status_is register($others[1], key => $acme), 201, 'again, spelled otherwise: the same answer';
    my $second = mailed($kept);
    isnt $second->{code}, $first->{code}, '  and another mail, to the same address';
    is scalar @{ users($kept) }, 1, '  and one account';
    status_is call("$auth/resend-verification", { email => $others[2] }, key => $acme), 200, 'sent again';
    my $third = mailed($kept);
    isnt $third->{code}, $second->{code};
    error_is call("$auth/verify-email", { email => $others[1], code => wrong("$third->{code}") }, key => $acme), 400, 'TOKEN_INVALID', name => 'a wrong code';
    status_is call("$auth/verify-email", { email => $others[1], code => $third->{code} }, key => $acme), 200, 'the code';
    status_is login($others[0], $PASSWORD, key => $acme), 200, 'in';
    status_is register($others[2], key => $acme), 201, 'registered once more: the same answer';
    my $told = newest_mail($t, $kept);
    is $told->{template}, 'already_registered', '  and a mail to the address as it is kept';
    is scalar(grep { $_->{to} ne $kept && $_->{to} =~ /^zo/i } $t->mails), 0, 'none went to how it was typed';
};

subtest 'however it is spelled, an address has one budget' => sub {
    my ($kept, @others) = spellings('noël');
    register($kept);
    my $here = '192.0.2.77';
    my @spelled = ($kept, @others);
    for my $i (1 .. 10) {
        my $spelled = $spelled[ $i % @spelled ];
        error_is keep(from($t, $here, key => $key)->post("$auth/login", { email => $spelled, password => 'wrong' })), 401, 'INVALID_CREDENTIALS', name => "wrong, for the time $i";
    }
    error_is keep(from($t, $here, key => $key)->post("$auth/login", { email => $_, password => $PASSWORD })), 429, 'RATE_LIMIT_EXCEEDED', name => 'then none, with any spelling' for @spelled;
    status_is login($kept), 200, 'from elsewhere it is open';
    my $there = '192.0.2.78';
    my @sent = map { keep(from($t, $there, key => $key)->post("$auth/forgot-password", { email => $_ })) } @spelled;
    is join(' ', map { $_->status } @sent), '200 200 200 429', 'three mails an hour, of all spellings';
};

subtest 'passkeys' => sub {
    my ($kept, @others) = spellings('rené');
    my $res    = register($kept);
    my $who    = from($t, undef, key => $t->key(type => 'public', origins => [$page]), origin => $page, token => $res->json('/access_token'));
    my $device = Ashlar::Authenticator->new(origin => $page);
    status_is $who->post("$auth/passkeys/registration", { credential => $device->create($who->post("$auth/passkeys/registration/options")->json) }), 201, 'a passkey';
    my $public = $t->key(type => 'public', origins => [$page]);
    my $ask = sub ($email) { return from($t, undef, key => $public, origin => $page)->post("$auth/passkeys/authentication/options", { email => $email })->json('/allowCredentials') };
    is_deeply [ map { $_->{id} } @{ $ask->($_) } ], [ $device->id ], 'is listed for each spelling' for $kept, @others;
    my ($nobody, @nobodies) = spellings('nobodý');
    my $decoy = $ask->($nobody);
    cmp_ok scalar @$decoy, '>', 0, 'nobody has decoys';
    is_deeply $ask->($_), $decoy, '  the same for each spelling' for @nobodies;
};

subtest 'invitations' => sub {
    my ($kept, @others) = spellings('chloé');
    my $boss = $t->user('inviter', columns => { is_email_verified => 1 });
    my $org  = $t->organization($boss);
    my $by   = sub { from($t, undef, key => $key, token => $boss->token) };
    my $res  = register($kept);
    my $who  = sub { from($t, undef, key => $key, token => $res->json('/access_token')) };
    my $made = $by->()->post("/api/v1/organizations/$org/invite", { email => $others[0], role => 'member' });
    status_is $made, 201, 'invited, spelled otherwise';
    json_is $made, '/email', $kept, 'as the account has the address';
    my $token = mailed($kept)->{token};
    error_is $by->()->post("/api/v1/organizations/$org/invite", { email => $_, role => 'member' }), 409, 'CONFLICT', field => 'email', name => 'once' for $kept, @others;
    is_deeply [ map { $_->{id} } @{ from($t, undef, key => $key)->get("/api/v1/organizations/invitations/pending", query => { email => $_ })->json } ], [ $made->json('/id') ], 'found' for $kept, @others;
    status_is $who->()->post('/api/v1/organizations/accept-invitation', { token => $token }), 200, 'accepted';
    error_is $by->()->post("/api/v1/organizations/$org/invite", { email => $others[1], role => 'member' }), 409, 'CONFLICT', field => 'email', message => qr/already a member/, name => 'a member now';

    my ($new, @ways) = spellings('raphaël');
    status_is $by->()->post("/api/v1/organizations/$org/invite", { email => $ways[0], role => 'member' }), 201, 'somebody without an account';
    $token = mailed($new)->{token};
    $res   = register($ways[1]);
    status_is from($t, undef, key => $key, token => $res->json('/access_token'))->post('/api/v1/organizations/accept-invitation', { token => $token }), 200, 'who registers otherwise, and accepts';
};

subtest 'the team' => sub {
    my ($kept, @others) = spellings('éva');
    my $res = keep(from($t)->post('/api/v1/tenant-auth/register', { email => $others[0], password => $PASSWORD, tenant_name => 'Évas' }));
    status_is $res, 201, 'a tenant';
    json_is $res, '/user/email', $kept;
    error_is keep(from($t)->post('/api/v1/tenant-auth/register', { email => $_, password => $PASSWORD, tenant_name => 'Again' })), 409, 'CONFLICT', field => 'email', name => 'taken' for $kept, @others;
    status_is keep(from($t)->post('/api/v1/tenant-auth/login', { email => $_, password => $PASSWORD })), 200, 'in' for $kept, @others;
    for (@others) {
        status_is from($t)->post('/api/v1/tenant-auth/forgot-password', { email => $_ }), 200, 'forgot';
        is + ($t->mails)[-1]{to}, $kept, '  mailed to the address as it is kept';
        mailed($kept);
    }
    my $owner = $t->team('owner', role => 'owner', tenant => 'acme');
    error_is $owner->post('/api/v1/dashboard/team/invitations', { email => $_, role => 'member' }), 409, 'CONFLICT', field => 'email', name => 'in a team' for $kept, @others;
    my $made = $owner->post('/api/v1/dashboard/team/invitations', { email => 'Éva@acme.example', role => 'member' });
    status_is $made, 201, 'Éva@acme.example is invited';
    json_is $made, '/email', 'éva@acme.example';
    mailed('éva@acme.example');
    my $again = $owner->post('/api/v1/dashboard/team/invitations', { email => NFD('éVA@acme.example'), role => 'admin' });
    status_is $again, 201, 'and again, otherwise';
    json_is $again, '/id', $made->json('/id'), '  the same';
    is + ($t->mails)[-1]{to}, 'éva@acme.example', '  by a mail to the same address';
    my $token = mailed('éva@acme.example')->{token};
    status_is keep(from($t)->post('/api/v1/tenant-auth/accept-invitation', { token => $token, password => $PASSWORD })), 201, 'who joins';
    status_is keep(from($t)->post('/api/v1/tenant-auth/login', { email => 'ÉVA@ACME.example', password => $PASSWORD })), 200, 'and signs in';
};

subtest 'who comes from another issuer' => sub {
    my ($kept, @others) = spellings('inès');
    my $sub = 0;
    my $me = sub ($email) {
        my $token = mint({ iss => $issuer, sub => 'inès-' . $sub++, aud => 'authenticated', role => 'authenticated', iat => time, exp => 3600 + time, email => $email, email_verified => Api::true() }, key => $signing);
        return $t->client(token => $token)->get('/api/v1/app/users/me');
    };
    json_is $me->($others[0]), '/email', $kept, 'has the address as it is kept';
    json_is $me->($_), '/email', undef, 'another subject does not, however it is spelled' for $kept, @others;
    error_is register($others[1]), 409, 'CONFLICT', field => 'email', name => 'and it is taken';
    json_is $me->("\x{fb01}n\@example.com"), '/email', "\x{fb01}n\@example.com", 'what would be refused here is believed there';
    json_is $me->('Plain@Example.com'), '/email', 'plain@example.com';
};

subtest 'who comes by Google' => sub {
    my ($kept, @others) = spellings('gisèle');
    my $owner = $t->team('google', role => 'owner', tenant => 'googled');
    my $client_secret = 'GOCSPX-a client secret';
    $t->keep_secret($client_secret);
    status_is $owner->put('/api/v1/dashboard/oauth-providers/google', { is_enabled => Api::true(), client_id => 'x.apps.googleusercontent.com', client_secret => $client_secret, redirect_uris => ["$page/in"] }), 200, 'Google is set up';
    my $with = $t->key(tenant => 'googled');
    my $sign_in = sub (%claim) {
        my $url = from($t, undef, key => $with)->get("$auth/google/url", query => { redirect_uri => "$page/in" })->json('/authorization_url');
        my $res = $t->get($google->agree($url, secret => $client_secret, %claim), headers => { Accept => 'text/html,*/*;q=0.8' });
        $t->keep_secret($google->last);
        my $fragment = (Ashlar::Google::parts($res->header('Location') // ''))[2];
        $t->keep_secret(@$fragment{qw(access_token refresh_token)}) if $fragment->{access_token};
        return $fragment->{access_token};
    };
    ok $sign_in->(sub => 'g-1', email => $others[0], email_verified => Api::true()), 'somebody new';
    is_deeply [ map { $_->{email} } @{ users($kept) } ], [$kept], '  whose address is kept so';
    error_is register($others[1], key => $with), 409, 'CONFLICT', field => 'email', name => '  and taken';
    my ($known, @ways) = spellings('hervé');
    register($known, key => $with);
    ok $sign_in->(sub => 'g-2', email => $ways[0], email_verified => Api::true()), 'somebody who is known, spelled otherwise';
    is scalar @{ users($known) }, 1, '  is the same';
};

subtest 'contact' => sub {
    my @sent = map { from($t)->post('/api/v1/public/contact', { name => 'Ann', email => $_, subject => 'Hello there', message => 'A message that is long enough.' }) } spellings('maël'), 'mäel@example.com';
    ok $_->status < 300, 'taken' or diag $_->describe for @sent;
};
