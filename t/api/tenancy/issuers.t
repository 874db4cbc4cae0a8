use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Issuer;
use Ashlar::Token qw(mint sign_key);
use File::Temp ();
use Time::HiRes 'time';

# Tokens of other issuers: Supabase with a shared secret, Clerk with a key set
# at a URL, and one more with a key in a file.
my $me     = '/api/v1/app/users/me';
my $secret = 'the secret that Supabase signs with, 32 bytes or more';
my $tmp    = File::Temp->newdir;

my $rsa  = sign_key('RSA', 'rsa-1');
my $ec   = sign_key('EC',  'ec-1');
my $next = sign_key('RSA', 'rsa-2');
my $file = sign_key('EC',  'file');
my $stub = Ashlar::Issuer->start($rsa, $ec);

open my $pem, '>', "$tmp/key.pem" or die "key.pem: $!\n";
print $pem $file->{public};
close $pem or die "key.pem: $!\n";

my $t = Api->start(
    ENVIRONMENT         => 'development',    # key sets by plain http
    SUPABASE_ISSUER     => 'https://project.supabase.example/auth/v1',
    SUPABASE_JWT_SECRET => $secret,
    CLERK_ISSUER        => 'https://clerk.example',
    CLERK_JWKS_URL      => $stub->url,
    OIDC_ISSUER         => 'https://oidc.example',
    OIDC_PEM_FILE       => "$tmp/key.pem",
    OIDC_AUDIENCE       => 'our-app',
);
$t->keep_secret($secret);

sub claims (%claim) {
    my %all = (iat => int time, exp => 3600 + int time, %claim);
    delete @all{ grep { !defined $all{$_} } keys %all };
    return \%all;
}

sub supabase ($sub, %claim) {
    return mint(claims(iss => 'https://project.supabase.example/auth/v1', sub => $sub, aud => 'authenticated', role => 'authenticated', %claim), key => $secret);
}

sub clerk ($sub, $key = $rsa, %claim) {
    return mint(claims(iss => 'https://clerk.example', sub => $sub, %claim),
        alg => $key->{jwk}{alg}, key => $key, header => { kid => $key->{kid} });
}

sub oidc ($sub, %claim) {
    return mint(claims(iss => 'https://oidc.example', aud => 'our-app', sub => $sub, %claim), alg => 'ES256', key => $file);
}

sub with ($token) { return $t->client(token => $token) }

sub refused ($token, $why) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return error_is with($token)->get($me), 401, 'AUTHENTICATION_ERROR', name => $why;
}

sub users () { return scalar $t->db->selectrow_array('SELECT count(*) FROM users') }

subtest 'tokens that only look like an issuer\'s' => sub {
    my $before = users();
    refused supabase('x', aud => 'other'), 'Supabase, for another audience';
    refused supabase('x', aud => undef), 'for none';
    refused supabase('x', exp => undef), 'that never expires';
    refused supabase('x', exp => time - 100, iat => time - 200), 'expired';
    refused supabase(undef), 'about nobody';
    refused supabase(''), 'about an empty name';
    refused supabase('x' x 256), 'about too long a name';
    refused mint(claims(iss => 'https://project.supabase.example/auth/v1', sub => 'x', aud => 'authenticated'), key => 'another secret of 32 bytes and more'), 'another secret';
    refused mint(claims(iss => 'https://elsewhere.example', sub => 'x'), key => $secret), 'an issuer that is not configured';
    refused mint(claims(iss => 'https://clerk.example', sub => 'x'), key => $secret), 'Clerk, signed with Supabase\'s secret';
    refused mint(claims(iss => 'ashlar', aud => 'ashlar', sub => 'x'), key => $secret), 'ours, signed with Supabase\'s secret';
    refused mint(claims(iss => 'https://oidc.example', aud => 'our-app', sub => 'x'), alg => 'RS256', key => $rsa), 'one issuer, signed by another';
    refused oidc('x', aud => 'their-app'), 'for another application';

    # The classic: the public key, known to all, taken as the secret of HS256.
    for my $key ($rsa, $ec, $file) {
        for my $iss ('https://clerk.example', 'https://oidc.example') {
            refused mint(claims(iss => $iss, sub => 'x', aud => 'our-app'), key => $key->{public}, header => { kid => $key->{kid} }), "HS256 with the public key of $key->{kid}, $iss";
        }
    }
    refused mint(claims(iss => 'https://clerk.example', sub => 'x'), alg => 'ES256', key => $ec,  header => { kid => 'rsa-1' }), 'ES256 under the name of an RSA key';
    refused mint(claims(iss => 'https://clerk.example', sub => 'x'), alg => 'RS256', key => $rsa, header => { kid => 'ec-1' }), 'RS256 under the name of an EC key';
    refused mint(claims(iss => 'https://clerk.example', sub => 'x'), alg => 'RS256', key => $next, header => { kid => 'rsa-1' }), 'another key under a known name';
    refused mint(claims(iss => 'https://clerk.example', sub => 'x'), alg => 'none', header => { kid => 'rsa-1' }), 'none';
    is users(), $before, 'no user was made';
};

subtest 'a valid one whose subject is new creates its user' => sub {
    for my $case ([ 'HS256, Supabase' => supabase('sb-1', email => 'Sb@Example.com'), 'sb-1', 'sb@example.com' ],
        [ 'RS256, Clerk' => clerk('user_2abc', $rsa, email => 'clerk@example.com'), 'user_2abc', 'clerk@example.com' ],
        [ 'ES256, Clerk' => clerk('user_2def', $ec), 'user_2def', undef ],
        [ 'ES256, from a file' => oidc('oidc|1', email => 'oidc@example.com'), 'oidc|1', 'oidc@example.com' ]) {
        my ($name, $token, $id, $email) = @$case;
        my $before = users();
        my $res    = with($token)->get($me);
        status_is $res, 200, $name;
        json_is $res, '/id',        $id;
        json_is $res, '/email',     $email;
        json_is $res, '/role',      'user';
        json_is $res, '/is_active', true;
        is users(), $before + 1, 'one user was made';
        json_is with($token)->get($me), '', $res->json, 'and is found again';
        is users(), $before + 1;
    }
};

subtest 'such a user works like any other' => sub {
    my $sb = with(supabase('sb-1'));
    my $project = $sb->post('/api/v1/app/projects', { name => 'theirs' });
    status_is $project, 201;
    json_is $project, '/owner_id', 'sb-1';
    json_is $sb->get('/api/v1/app/projects'), '/total', 1;
    json_is $sb->patch($me, { full_name => 'Sb' }), '/full_name', 'Sb';
    error_is with(clerk('user_2abc'))->get('/api/v1/app/projects/' . $project->json('/id')), 404, 'NOT_FOUND';
    my $first = with(supabase('sb-new'))->post('/api/v1/app/projects', { name => 'first of all' });
    status_is $first, 201, 'the very first request may be a write';
};

subtest 'a role in somebody else\'s token gives no power here' => sub {
    my $res = with(supabase('sb-admin', role => 'superadmin'))->get($me);
    json_is $res, '/role', 'user';
    error_is with(clerk('user_admin', $rsa, role => 'admin'))->get('/api/v1/admin/users'), 403, 'AUTHORIZATION_ERROR';
};

subtest 'a role that is configured is the issuer\'s to give, and to take' => sub {
    my $api = Api->start(
        SUPABASE_ISSUER     => 'https://project.supabase.example/auth/v1',
        SUPABASE_JWT_SECRET => $secret,
        SUPABASE_ROLE_CLAIM => 'app_metadata.role',
        OIDC_ISSUER         => 'https://oidc.example',
        OIDC_PEM_FILE       => "$tmp/key.pem",
        OIDC_EMAIL_CLAIM    => 'https://oidc.example/mail',
        OIDC_ROLE_CLAIM     => 'realm_access.roles',
        OIDC_MAX_ROLE       => 'superadmin',
        CLERK_ISSUER        => 'https://clerk.example',
        CLERK_ROLE_CLAIM    => 'role',
        CLERK_MAX_ROLE      => 'user',
        CLERK_JWKS_URL      => $stub->url,
        ENVIRONMENT         => 'development',
    );
    my $as    = sub ($token) { return $api->client(token => $token) };
    my $role  = sub ($token) { return $as->($token)->get($me)->json('/role') };
    my $admin = '/api/v1/admin/users';
    my $sb    = sub ($role) { return supabase('sb-1', app_metadata => { role => $role }) };
    my $oidc  = sub (@roles) { return oidc('o-1', realm_access => { roles => [@roles] }, email => 'wrong@example.com', 'https://oidc.example/mail' => 'o@example.com') };

    error_is $as->(supabase('sb-1'))->get($admin), 403, 'AUTHORIZATION_ERROR', name => 'no claim, no role';
    error_is $as->(supabase('sb-1', role => 'admin', user_metadata => { role => 'admin' }))->get($admin), 403, 'AUTHORIZATION_ERROR',
        name => 'nor another one, such as what users write themselves';
    status_is $as->($sb->('admin'))->get($admin), 200, 'the claim makes an admin';
    is $role->($sb->('admin')), 'admin';
    is $role->($sb->('superadmin')), 'admin', 'never a superadmin, unless that is configured';
    is $role->($sb->('editor')), 'user', 'a word that means nothing here: user';
    error_is $as->($sb->('editor'))->get($admin), 403, 'AUTHORIZATION_ERROR', name => 'and out of the administration';
    status_is $as->($sb->('admin'))->get($admin), 200, 'and in again';
    error_is $as->(supabase('sb-1'))->get($admin), 403, 'AUTHORIZATION_ERROR', name => 'who loses the claim loses the role';
    is scalar $api->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'user.role' AND resource_id = 'sb-1'}), 4,
        'each change is in the audit log';

    is $role->($oidc->('offline', 'admin', 'user')), 'admin', 'the strongest of several';
    is $role->($oidc->('superadmin')), 'superadmin', 'even this one, when that is configured';
    is $role->($oidc->()), 'user', 'none of them';
    json_is $as->($oidc->())->get($me), '/email', 'o@example.com', 'the address is the configured claim\'s';
    is $role->(clerk('c-1', $rsa, role => 'superadmin')), 'user', 'an issuer whose roles count for nothing';

    # The very first request, and one that writes.
    status_is $as->(supabase('sb-2', app_metadata => { role => 'admin' }))->get($admin), 200, 'a new user comes with the role';
    status_is $as->(supabase('sb-2'))->post('/api/v1/app/projects', { name => 'after the fall' }), 201, 'and may lose it in the middle of work';
    is $role->(supabase('sb-2')), 'user';

    $api->db->do(q{UPDATE users SET is_active = false WHERE public_id = 'sb-1'});
    error_is $as->($sb->('admin'))->get($me), 401, 'AUTHENTICATION_ERROR', name => 'no role brings a deactivated user back';
    my $unverified = $as->(oidc('o-2', email_verified => false, 'https://oidc.example/mail' => 'unverified@example.com'))->get($me);
    json_is $unverified, '/email', undef, 'an address that the issuer calls unverified is not taken over';
};

subtest 'an address is no identity' => sub {
    my $own = $t->user('victim');
    for my $token (supabase('attacker', email => 'victim@example.com'), clerk('user_attacker', $rsa, email => 'VICTIM@example.com')) {
        my $res = with($token)->get($me);
        status_is $res, 200;
        isnt $res->json('/id'), $own->id, 'the owner of the address is somebody else';
        json_is $res, '/email', undef, 'and keeps it';
    }
    my $one = with(supabase('same', email => 'same@example.com'))->get($me);
    my $two = with(oidc('same', email => 'same@example.com'))->get($me);
    isnt $one->json('/id'), $two->json('/id'), 'nor does a name mean the same to two issuers';
    json_is $one, '/email', 'same@example.com';
    json_is $two, '/email', undef;
};

subtest 'first requests at once make one user' => sub {
    for my $round (1 .. 3) {
        my $before = users();
        my $token  = clerk("user_race_$round", $rsa, email => "race$round\@example.com");
        my $load   = $t->load(
            clients  => 4,
            requests => 3,
            make     => sub { with($token) },
            each     => sub ($client, $n) { $client->get($me) },
        );
        is_deeply [ map { "@$_" } grep { $_->[0] != 200 } $load->finish ], [], 'all are answered';
        is users(), $before + 1, 'by the same user';
    }
    # Made between the door's look and its question why nobody was found: that is no refusal.
    my @them = $t->db->selectrow_array(q{SELECT tenant_id, issuer, subject FROM identities WHERE subject = 'user_race_1'});
    my $why  = sub ($role, $least) { eval { $t->db->do('SELECT enter_refuse(?, ?, ?, ?, NULL, ?)', undef, @them, $role, $least); 1 } ? '' : $t->db->state };
    is $why->('user', 'user'), 'AS001', 'the door is to look again';
    is $why->('user', 'admin'), 'AS403', 'and who may not, may not';
};

subtest 'a deactivated one stays out' => sub {
    $t->db->do(q{UPDATE users SET is_active = false WHERE public_id = 'sb-1'});
    refused supabase('sb-1'), 'with a token that is valid elsewhere';
    $t->db->do(q{UPDATE users SET is_active = true, deleted_at = now() WHERE public_id = 'sb-1'});
    my $before = users();
    refused supabase('sb-1'), 'nor does a deleted one come back';
    is users(), $before, '  as a new user';
};

subtest 'an unknown key is asked for once, and refused' => sub {
    my $fetched = $stub->count;
    my $first   = with(clerk('x', $next))->get($me);
    error_is $first, 401, 'AUTHENTICATION_ERROR', name => 'a key that the issuer does not have';
    cmp_ok $first->seconds, '<', 3, 'the child waits at most 2 s';
    eventually { $stub->count == $fetched + 1 } 3, 'the issuer was asked';
    my $seconds = 0;
    for my $n (1 .. 20) {
        my $key = { %$next, kid => "made-up-$n" };
        $seconds += with(clerk('x', $key))->get($me)->seconds;
    }
    cmp_ok $seconds, '<', 20, 'further ones are refused at once: each would wait 2 s';
    is $stub->count, $fetched + 1, 'and not asked for within the minute';
    status_is with(clerk('user_2abc'))->get($me), 200, 'known keys go on working';
};

subtest 'keys change' => sub {
    my $turning = Ashlar::Issuer->start($rsa);
    my $api     = Api->start(ENVIRONMENT => 'development', CLERK_ISSUER => 'https://clerk.example', CLERK_JWKS_URL => $turning->url);
    my $old     = $api->client(token => clerk('user_turn', $rsa));
    my $new     = $api->client(token => clerk('user_turn', $next));
    eventually { $old->get($me)->status == 200 } 5, 'the first key';
    status_is $old->get($me), 200 for 1 .. 6;
    $turning->serve($rsa, $next);
    status_is $new->get($me), 200, 'a new one is found when a token names it';
    json_is $new->last, '/id', 'user_turn', '  for the same user';
    status_is $old->get($me), 200, 'beside the old one';

    # What the issuer withdrew ends with the next fetch, also where the token
    # was verified before; a wish in the table makes it come now.
    $turning->serve($next);
    $api->db->do('UPDATE jwks SET fetched_at = NULL, tried_at = NULL');
    # The housekeeper looks for wishes every 5 s.
    eventually { $old->get($me)->status == 401 } 15, 'until the old one is gone';
    status_is $new->get($me), 200;

    # A failing issuer keeps its keys.
    $turning->stop;
    $api->db->do('UPDATE jwks SET fetched_at = NULL, tried_at = NULL');
    eventually { length($api->db->selectrow_array('SELECT failure FROM jwks') // '') } 15, 'a fetch that fails is noted';
    status_is $new->get($me), 200, 'and the keys stay in use';
};

subtest 'who asks before there are keys does not use up the question about the next one' => sub {
    my $slow = Ashlar::Issuer->start($rsa);
    $slow->answer(delay_ms => 700);    # on a busy machine the first token is always faster than the first fetch
    my $api = Api->start(ENVIRONMENT => 'development', CLERK_ISSUER => 'https://clerk.example', CLERK_JWKS_URL => $slow->url);
    eventually { $api->client(token => clerk('user_slow', $rsa))->get($me)->status == 200 } 15, 'the first key';
    cmp_ok $slow->count, '>=', 1;
    $slow->answer;
    $slow->serve($rsa, $next);
    status_is $api->client(token => clerk('user_slow', $next))->get($me), 200, 'the next one is asked for, too';
};

subtest 'an issuer whose keys were never seen is our trouble, not the token\'s' => sub {
    my $gone = Ashlar::Issuer->start;
    my $url  = $gone->url;
    $gone->stop;
    my $api = Api->start(ENVIRONMENT => 'development', CLERK_ISSUER => 'https://clerk.example', CLERK_JWKS_URL => $url);
    my $res = $api->client(token => clerk('x'))->get($me);
    error_is $res, 503, 'SERVICE_UNAVAILABLE';
    cmp_ok $res->seconds, '<', 4, 'told in time';
    status_is $api->user('own')->get($me), 200, 'our own tokens do not depend on it';
};

$stub->stop;
