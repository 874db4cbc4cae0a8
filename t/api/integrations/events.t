use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Google;
use Ashlar::SignIn qw($PASSWORD set_tenant newest_mail);
use Ashlar::Token 'mint';
use Cpanel::JSON::XS qw(decode_json encode_json);

# Every event that the list has (handlers/events.c) is sent by its change, once, to whom it
# concerns and to no other, and shows what the list says; and nothing else is sent.
my $google = Ashlar::Google->start;
my $secret = 'the secret that Supabase signs with, 32 bytes or more';
my $t      = Api->start($google->settings, SUPABASE_ISSUER => 'https://project.supabase.example/auth/v1', SUPABASE_JWT_SECRET => $secret);
my $db     = $t->db;
my $key    = $t->key;
my $server = $t->client(key => $key);
my $owner  = $t->team('owner', role => 'owner');
my $boss   = $t->user('boss', role => 'superadmin');
my $ann    = person('ann');
my $orgs   = '/api/v1/organizations';
my $nobody = '00000000-0000-7000-8000-00000000dead';
my ($tenant, $other) = ($ann->tenant_id, $t->tenant_id('other'));
my ($test) = $db->selectrow_array('SELECT id FROM tenants WHERE test_of = ?', undef, $tenant);
my ($acme, $away) = map { $t->organization($ann) } 1, 2;
$t->keep_secret($secret);

sub person ($name, %columns) {
    return $t->user($name, columns => { full_name => ucfirst $name, is_email_verified => 't', %columns })->with(key => $key);
}

my $doc   = decode_json(qx($Ashlar::Cluster::BUILD/ashlar openapi));
# The schema of each event's data; what is changed tells also what it was.
my %event = map {
    my $data = $doc->{webhooks}{$_}{post}{requestBody}{content}{'application/json'}{schema}{properties}{data};
    my $ref  = $data->{'$ref'} // $data->{allOf}[0]{'$ref'};
    my $shape = $doc->{components}{schemas}{ $ref =~ s{.*/}{}r };
    my %own   = map { $_ => $data->{$_} // ($_ eq 'required' ? [] : {}) } qw(properties required);
    ($_ => { properties => { %{ $shape->{properties} }, %{ $own{properties} } }, required => [ @{ $shape->{required} }, @{ $own{required} } ] });
} keys %{ $doc->{webhooks} };

# ------------------------------------------------------------------ who listens

# An endpoint that wants all there is, or these.
sub listen_as ($name, $in, $organization = undef, @events) {
    return $db->do(q{INSERT INTO webhook_endpoints (tenant_id, organization_id, name, url, events, secret_sealed, secret_tail)
                     VALUES (?, ?, ?, 'https://hooks.example.com/', ?, 'x', 'xxxx')}, undef, $in, $organization, $name, [ @events ? @events : '*' ]);
}
my ($elsewhere) = $db->selectrow_array(q{INSERT INTO organizations (tenant_id, name, slug) VALUES (?, 'x', 'x') RETURNING id}, undef, $other);
listen_as('tenant', $tenant);
listen_as('acme',   $tenant, $acme);
listen_as('away',   $tenant, $away);
listen_as('other',  $other);
listen_as('elsewhere', $other, $elsewhere);
listen_as('test',   $test);

# Who hears of it at once: the channels, from the event's data.
sub sub_of ($uuid) { return scalar $db->selectrow_array('SELECT public_id FROM users WHERE id = ?', undef, $uuid) }
my $user   = sub ($data) { "user:$data->{sub}" };
my $member = sub ($data) { "organization:$data->{organization_id}", 'user:' . sub_of($data->{user_id}) };
my $organization = sub ($data) { "organization:$data->{organization_id}" };
my %channels = (
    (map { ("user.$_" => $user) } qw(updated activated deactivated deleted)),
    'organization.updated' => sub ($data) { "organization:$data->{id}" },
    (map { ("organization.member_$_" => $member) } qw(added updated removed)),
    (map { ("department.$_" => $organization) } qw(created updated)),
    (map { ($_ => sub ($data) { defined $data->{sub} ? "user:$data->{sub}" : () }) } (map { "subscription.$_" } qw(created updated canceled)), map { "invoice.$_" } qw(paid payment_failed)),
    'project.created' => sub ($data) { "user:$data->{owner_id}" },
    'project.updated' => sub ($data) { "project:$data->{id}" },
    'project.deleted' => sub ($data) { "project:$data->{id}", "user:$data->{owner_id}" },
);

my (%read, %sent);
my $heard = 0;

# What was published since the last call: "channel event id-or-user", sorted, and the same of the data that came with it.
# Not what members are notified of, nor what a workspace is told to read anew: those are no events of webhooks.
sub published () {
    my @new = @{ $db->selectall_arrayref('SELECT id, tenant_id, channel, kind, payload, sender FROM realtime_messages WHERE id > ? AND channel !~ ? ORDER BY id', { Slice => {} }, $heard, '^(?:member|workspace):') };
    $heard = $new[-1]{id} if @new;
    return map { { %$_, payload => decode_json($_->{payload}) } } @new;
}

# The messages since the last call: { type, organization, data, to => names of endpoints }.
sub messages () {
    my @new = grep { !$read{ $_->{id} }++ } @{ $db->selectall_arrayref(<<~'END', { Slice => {} }) };
        SELECT m.id, m.tenant_id, m.type, m.organization_id AS organization, m.payload,
               (SELECT string_agg(e.name, ' ' ORDER BY e.name) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
                WHERE d.message_id = m.id) AS "to"
        FROM webhook_messages m ORDER BY m.created_at, m.type
        END
    $_->{data} = decode_json($_->{payload} =~ s/\A.*?"data"://r =~ s/\}\z//r) for @new;
    return @new;
}

# What data has, that its shape does not, or the other way around, and where to mend it.
sub misfits ($type, $data, $answer) {
    my $shape = $event{$type};
    my %must  = map { $_ => 1 } @{ $shape->{required} };
    my @wrong = map { "$_ is in its shape (handlers/events.c) and not told (sql/functions/integrations/announcements.sql)" } grep { !exists $data->{$_} } sort keys %must;
    for my $name (sort keys %$data) {
        my $is_of = $shape->{properties}{$name};
        push @wrong, "$name is told (sql/functions/integrations/announcements.sql) and not in its shape (handlers/events.c)" if !$is_of;
        my %may = map { $_ => 1 } ref $is_of->{type} ? @{ $is_of->{type} } : $is_of->{type} // ();
        my $is  = kind_of($data->{$name});
        push @wrong, "$name is $is" if $is_of && %may && !$may{$is} && !($is eq 'integer' && $may{number});
        push @wrong, "$name is $data->{$name}" if ($is_of->{format} // '') eq 'date-time' && defined $data->{$name} && $data->{$name} !~ /\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}|\d{6})Z\z/;
        push @wrong, "$name: $data->{$name}" if defined $data->{$name} && $is_of->{enum} && !grep { ($_ // '') eq $data->{$name} } @{ $is_of->{enum} };
        # Numbers and times stand there as the answer to the change has them, to the last digit.
        my $told = ref $answer eq 'HASH' && ($answer->{id} // '') eq ($data->{id} // 'x') ? $answer->{$name} : undef;
        push @wrong, "$name is $data->{$name}, and $told in the answer" if defined $told && !ref $told && "$told" ne ($data->{$name} // '');
    }
    return @wrong;
}

# What JSON calls it.
sub kind_of ($value) {
    return 'null'  if !defined $value;
    return 'object' if ref $value eq 'HASH';
    return 'array'  if ref $value eq 'ARRAY';
    return 'boolean' if Cpanel::JSON::XS::is_bool($value);
    my $text = Cpanel::JSON::XS->new->allow_nonref->encode($value);
    return $text =~ /\A"/ ? 'string' : $text =~ /\A-?\d+\z/ ? 'integer' : 'number';
}

# A change tells exactly this: pairs of a type and some of its data; -in => $organization for those
# that follow, or the pointer to it in the answer.
sub tells ($name, $code, @want) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    messages();
    published();
    my $result = $code->();
    my @got    = messages();
    my @live   = grep { $_->{channel} !~ /\A(?:workspace|records):/ } published();    # that pages read something anew is no event
    my ($in, @expected) = undef;
    while (my ($type, $data) = splice @want, 0, 2) {
        if ($type eq '-in') { $in = $data && $data =~ m{^/} ? $result->json($data) : $data }
        else                { push @expected, { type => $type, in => $in, data => $data } }
    }
    subtest $name => sub {
        is join(', ', sort map { $_->{type} } @got), join(', ', sort map { $_->{type} } @expected), 'these, once each'
            or diag join "\n", map({ $_->{payload} } @got), ref $result ? $result->describe : ();
        is scalar(@live), scalar(map { my $data = $_->{data}; map { $_->($data) } $channels{ $_->{type} } // () } @got), 'and on channels no more than those';
        for my $want (@expected) {
            my ($is) = grep { $_->{type} eq $want->{type} } @got or next;
            my $type = $want->{type};
            $sent{$type}++;
            ok $event{$type}, "$type is listed" or next;
            is join("\n", misfits($type, $is->{data}, ref $result && $result->can('body') && ($result->body // '') =~ /\A\{/ ? $result->json : undef)), '', "$type: its data are what the list says";
            is $is->{organization} // '', $want->{in} // '', '  its organization';
            is $is->{tenant_id}, $tenant, '  its tenant';
            is $is->{to}, join(' ', !defined $want->{in} ? () : $want->{in} eq $acme ? 'acme' : $want->{in} eq $away ? 'away' : (), 'tenant'), '  who is told';
            for my $member (sort keys %{ $want->{data} }) {
                my ($has, $should) = ($is->{data}{$member}, $want->{data}{$member});
                ref $should eq 'Regexp' ? like $has, $should, "  $member" : is_deeply $has, $should, "  $member";
            }
            for my $channel (map { $_->($is->{data}) } $channels{$type} // ()) {
                my ($row) = grep { $_->{channel} eq $channel && $_->{payload}{event} eq $type } @live;
                is_deeply $row && [ @$row{qw(tenant_id kind sender payload)} ], [ $tenant, 'message', undef, { type => 'update', event => $type, data => $is->{data} } ], "  on $channel";
            }
            unlike $is->{payload}, qr/scrypt|hash|secret_|[sp]k_(?:live|test)_\w{5}/, '  and no secret';
        }
    };
    return $result;
}

sub quiet ($name, $code) { return tells($name, $code) }

# ------------------------------------------------------------------ users

subtest 'users come in' => sub {
    my $res = tells 'by registering', sub { $server->post('/api/v1/auth/register', { email => 'Reg@example.com', password => $PASSWORD, display_name => 'Reg' }) },
        'user.created'   => { email => 'reg@example.com', display_name => 'Reg', role => 'user', is_active => true, is_email_verified => false, tenant_id => $tenant },
        'user.signed_in' => { method => 'password', has_mfa => false, ip => '127.0.0.1' };
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    quiet 'not where the address is taken', sub { $server->post('/api/v1/auth/register', { email => 'reg@example.com', password => $PASSWORD }) };

    set_tenant($t, undef, email_verification_required => 1);
    tells 'by registering, with the address to be verified', sub { $server->post('/api/v1/auth/register', { email => 'late@example.com', password => $PASSWORD }) },
        'user.created' => { email => 'late@example.com', is_email_verified => false };
    my $mail = newest_mail($t, 'late@example.com');
    $t->keep_secret(values %{ $mail->{secrets} });
    tells 'who is verified', sub { $server->post('/api/v1/auth/verify-email', { token => $mail->{secrets}{token} }) },
        'user.updated' => { email => 'late@example.com', is_email_verified => true, previous_attributes => { is_email_verified => false } };
    set_tenant($t, undef, email_verification_required => 0);

    my $made = tells 'by your server', sub { $ann->post('/api/v1/users', { sub => 'made', email => 'made@example.com', status => 'new' }) },
        'user.created' => { sub => 'made', status => 'new' };
    status_is $made, 201;
    quiet 'not where that is refused', sub { $ann->post('/api/v1/users', { sub => 'made', email => 'again@example.com' }) };

    my $now = time;
    my $token = sub ($sub) { mint({ iss => 'https://project.supabase.example/auth/v1', sub => $sub, email => "$sub\@example.com", aud => 'authenticated', role => 'authenticated', iat => $now, exp => $now + 600 }, key => $secret) };
    my $who = $t->client(token => $token->('supa'));
    tells 'with another issuer\'s token', sub { $who->get('/api/v1/app/users/me') }, 'user.created' => { sub => 'supa', email => 'supa@example.com' };
    quiet 'and are known the next time', sub { $who->get('/api/v1/app/users/me') };

    $owner->put('/api/v1/dashboard/oauth-providers/google', { is_enabled => true, client_id => 'x.apps', client_secret => 'GOCSPX-x', redirect_uris => ['https://app.example.com/in'] });
    $t->keep_secret('GOCSPX-x');
    my $by_google = sub (%claim) {
        my $url = $server->get('/api/v1/auth/google/url', query => { redirect_uri => 'https://app.example.com/in' })->json('/authorization_url');
        my $res = $t->get($google->agree($url, secret => 'GOCSPX-x', aud => 'x.apps', %claim));
        my (undef, undef, $fragment) = Ashlar::Google::parts($res->header('Location') // '');
        $t->keep_secret($google->last, @{ $fragment // {} }{qw(access_token refresh_token)});
        return $res;
    };
    tells 'with Google', sub { $by_google->(sub => 'g-1', email => 'goo@example.com', email_verified => true, name => 'Goo') },
        'user.created'   => { email => 'goo@example.com', display_name => 'Goo', is_email_verified => true },
        'user.signed_in' => { method => 'google' };
    tells 'and come back', sub { $by_google->(sub => 'g-1', email => 'goo@example.com', email_verified => true) }, 'user.signed_in' => { method => 'google' };
    tells 'or have an account already', sub { $by_google->(sub => 'g-2', email => 'reg@example.com', email_verified => true) },
        'user.updated'   => { email => 'reg@example.com', previous_attributes => { is_email_verified => false } },
        'user.signed_in' => { method => 'google' };

    tells 'by the operator\'s command', sub { ashlar(qw(user create --email cli@example.com --role admin)); return },
        'user.created' => { email => 'cli@example.com', role => 'admin', is_email_verified => true };
    quiet 'who sets a password', sub { ashlar(qw(user password --email cli@example.com --password Another-Horse-8)); return };
    quiet 'and mints a token',   sub { $t->keep_secret(split /\n/, ashlar(qw(token --user cli@example.com))); return };
};

sub ashlar (@args) {
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    my @cmd = map { quotemeta } "$Ashlar::Cluster::BUILD/ashlar", @args;
    my $out = qx(@cmd 2>&1);
    is $?, 0, "ashlar @args" or diag $out;
    return $out;
}

subtest 'users change' => sub {
    my $me = '/api/v1/app/users/me';
    my %was = (display_name => 'Ann', avatar_url => undef);
    tells 'their profile', sub { $ann->patch($me, { full_name => 'Anna', avatar_url => 'https://example.com/a.png' }) },
        'user.updated' => { id => $ann->uuid, sub => 'user_ann', display_name => 'Anna', avatar_url => 'https://example.com/a.png', previous_attributes => \%was };
    quiet 'but not to what it is',          sub { $ann->patch($me, { full_name => 'Anna' }) };
    quiet 'nor when the change is refused', sub { $ann->patch($me, { full_name => 'A' }, headers => { 'If-Match' => '"0"' }) };
    tells 'through the platform', sub { $server->put('/api/v1/users/' . $ann->uuid, { display_name => undef, locale => 'de' }) },
        'user.updated' => { display_name => undef, locale => 'de', previous_attributes => { display_name => 'Anna', locale => 'en' } };
    quiet 'settings are their own',   sub { $server->put('/api/v1/users/' . $ann->uuid . '/settings', { theme => 'dark' }) };
    quiet 'and so is a second factor', sub { $t->keep_secret($ann->post('/api/v1/auth/mfa/totp', {})->json('/secret') // ()) };

    my $admin = '/api/v1/admin/users/user_ann';
    tells 'their role', sub { $boss->patch($admin, { role => 'admin' }) }, 'user.updated' => { role => 'admin', previous_attributes => { role => 'user' } };
    tells 'role and state', sub { $boss->patch($admin, { role => 'user', is_active => false }) },
        'user.updated'     => { role => 'user', is_active => true, previous_attributes => { role => 'admin' } },
        'user.deactivated' => { is_active => false, previous_attributes => { is_active => true } };
    quiet 'twice is once', sub { $boss->post("$admin/deactivate") };
    tells 'who is let in again', sub { $boss->post("$admin/activate") }, 'user.activated' => { sub => 'user_ann', is_active => true, previous_attributes => { is_active => false } };
    my $uuid = $ann->uuid;
    tells 'deactivated by your server', sub { $server->post("/api/v1/users/$uuid/deactivate") }, 'user.deactivated' => { id => $uuid };
    tells 'and activated',              sub { $server->post("/api/v1/users/$uuid/activate") },   'user.activated'   => { id => $uuid };
    tells 'deleted, which is the same', sub { $server->delete("/api/v1/users/$uuid") },          'user.deactivated' => { id => $uuid };
    $t->revive($ann);
    quiet 'the last superadmin stays', sub { $boss->post('/api/v1/admin/users/user_boss/deactivate') };
    my $imp = quiet 'an administrator who acts as a user is nobody who signs in', sub { $boss->post('/api/v1/admin/impersonate/start', { user_id => 'user_ann', reason => 'to see' }) };
    $t->keep_secret($imp->json('/access_token') // ());
};

# What the worker does with a webhook of an issuer that is received.
sub issuer_says ($subject, %is) {
    my $api = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    $api->begin_work;
    $api->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
    $api->do('SELECT identity_apply(?, ?, now(), ?, NULL, ?, NULL, ?, NULL, ?, ?)', undef, 'https://project.supabase.example/auth/v1', $subject,
        'evt_' . ++(state $n), $is{email}, $is{name}, $is{is_banned} // 0, $is{is_deleted} // 0);
    $api->commit;
    $api->disconnect;
    return;
}

subtest 'what their own issuer says of users' => sub {
    tells 'one is new', sub { issuer_says('hook', email => 'hook@example.com', name => 'Hook') }, 'user.created' => { sub => 'hook', email => 'hook@example.com', display_name => 'Hook' };
    quiet 'nothing is new', sub { issuer_says('hook', email => 'hook@example.com', name => 'Hook') };
    tells 'another address', sub { issuer_says('hook', email => 'new@example.com', name => 'Hook') },
        'user.updated' => { email => 'new@example.com', is_email_verified => true, previous_attributes => { email => 'hook@example.com' } };
    tells 'one that somebody else has', sub { issuer_says('hook', email => 'ann@example.com', name => 'Hook') },
        'user.updated' => { email => undef, is_email_verified => false, previous_attributes => { email => 'new@example.com', is_email_verified => true } };
    tells 'a ban', sub { issuer_says('hook', email => 'ann@example.com', name => 'Hook', is_banned => 1) }, 'user.deactivated' => { sub => 'hook' };
    tells 'they are deleted', sub { issuer_says('hook', is_deleted => 1) }, 'user.deleted' => { sub => 'hook', email => undef, display_name => undef, is_active => false };
    ok !exists +(grep { $_->{type} eq 'user.deleted' } map { +{ %$_, data => decode_json($_->{payload})->{data} } } @{ $db->selectall_arrayref('SELECT type, payload FROM webhook_messages', { Slice => {} }) })[0]{data}{previous_attributes}, 'what was personal is not told again';
    quiet 'one who is deleted before anybody heard of them', sub { issuer_says('ghost', is_deleted => 1) };
};

subtest 'signing in' => sub {
    my $res = tells 'with a password', sub { $server->post('/api/v1/auth/login', { email => 'late@example.com', password => $PASSWORD }, headers => { 'User-Agent' => 'test/1' }) },
        'user.signed_in' => { method => 'password', user_agent => 'test/1' };
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    quiet 'with a wrong one', sub { $server->post('/api/v1/auth/login', { email => 'late@example.com', password => 'Wrong-Horse-7' }) };
    my $new = quiet 'new tokens are no sign-in', sub { $server->post('/api/v1/auth/refresh', { refresh_token => $res->json('/refresh_token') }) };
    $t->keep_secret(@{ $new->json }{qw(access_token refresh_token)});
};

# ------------------------------------------------------------------ organizations

subtest 'organizations' => sub {
    my $bob = person('bob');
    my $res = tells 'one is made', sub { $bob->post($orgs, { name => 'Bobs', slug => 'bobs' }) },
        'user.updated'              => { sub => 'user_bob', default_organization_id => $UUID, previous_attributes => { default_organization_id => undef } },
        -in                         => '/id',
        'organization.created'      => { name => 'Bobs', slug => 'bobs', description => undef },
        'organization.member_added' => { user_id => $bob->uuid, email => 'bob@example.com', display_name => 'Bob', role => 'owner', is_active => true },
        'department.created'        => { name => 'General', is_default => true };
    quiet 'not where the slug is taken', sub { $ann->post($orgs, { name => 'Bobs', slug => 'bobs' }) };
    tells 'it is changed', sub { $ann->put("$orgs/$acme", { name => 'Acme', description => 'Anvils' }) },
        -in => $acme, 'organization.updated' => { id => $acme, name => 'Acme', description => 'Anvils', previous_attributes => { name => 'Organization 1', description => undef } },
        'workspace.updated' => { id => $acme, name => 'Acme', description => 'Anvils', timezone => 'UTC', settings => {}, previous_attributes => { name => 'Organization 1', description => undef } };
    tells 'what only workspaces show', sub { $ann->put("/api/v1/workspaces/$acme", { timezone => 'Europe/Berlin', settings => { theme => 'dark' } }) },
        -in => $acme, 'workspace.updated' => { id => $acme, timezone => 'Europe/Berlin', settings => { theme => 'dark' }, previous_attributes => { timezone => 'UTC', settings => {} } };
    quiet 'nor that again', sub { $ann->put("/api/v1/workspaces/$acme", { timezone => 'Europe/Berlin' }) };
    quiet 'to what it is',        sub { $ann->put("$orgs/$acme", { name => 'Acme' }) };
    quiet 'by who may not',       sub { $bob->put("$orgs/$acme", { name => 'Mine' }) };
    tells 'it is the default one', sub { $ann->post("$orgs/$acme/set-default") },
        'user.updated' => { sub => 'user_ann', default_organization_id => $acme, previous_attributes => { default_organization_id => undef } };

    my $departments = "/api/v1/dashboard/organizations/$acme/departments";
    tells 'a department', sub { $owner->post($departments, { name => 'Sales', is_default => true }) },
        -in => $acme, 'department.created' => { name => 'Sales', organization_id => $acme, is_default => true, is_active => true, settings => {} };
    tells 'one that takes the default from another', sub { $owner->post($departments, { name => 'Support', is_default => true }) },
        -in => $acme,
        'department.created' => { name => 'Support' },
        'department.updated' => { name => 'Sales', is_default => false, previous_attributes => { is_default => true } };
    quiet 'not where the name is taken, and the default stays', sub { $owner->post($departments, { name => 'Sales', is_default => true }) };
};

subtest 'invitations and members' => sub {
    my %who = map { $_ => person($_) } qw(carl dora);
    my $invite = sub ($name, $role = 'member') {
        my $res = tells "$name is invited", sub { $ann->post("$orgs/$acme/invite", { email => "$name\@example.com", role => $role }) },
            -in => $acme, 'invitation.created' => { organization_id => $acme, organization_name => 'Acme', email => "$name\@example.com", role => $role, status => 'pending', invited_by => $ann->uuid };
        my $mail = newest_mail($t, "$name\@example.com");
        $t->keep_secret($mail->{secrets}{token});
        return ($res->json('/id'), $mail->{secrets}{token});
    };
    my ($id, $token) = $invite->('carl');
    quiet 'twice is refused', sub { $ann->post("$orgs/$acme/invite", { email => 'carl@example.com', role => 'member' }) };
    quiet 'a reminder is no news', sub { my $res = $ann->post("$orgs/$acme/invitations/$id/resend"); $token = newest_mail($t, 'carl@example.com')->{secrets}{token}; $t->keep_secret($token); $res };
    quiet 'somebody else cannot accept', sub { $who{dora}->post("$orgs/accept-invitation", { token => $token }) };
    tells 'it is accepted', sub { $who{carl}->post("$orgs/accept-invitation", { token => $token }) },
        -in => $acme,
        'invitation.accepted'       => { id => $id, status => 'accepted' },
        'organization.member_added' => { organization_id => $acme, user_id => $who{carl}->uuid, role => 'member' };
    quiet 'once', sub { $who{carl}->post("$orgs/accept-invitation", { token => $token }) };

    ($id, $token) = $invite->('dora', 'admin');
    tells 'one is rejected', sub { $server->post("$orgs/reject-invitation", { token => $token }) }, -in => $acme, 'invitation.rejected' => { id => $id, status => 'rejected' };
    ($id, $token) = $invite->('dora', 'admin');
    tells 'one is cancelled', sub { $ann->delete("$orgs/$acme/invitations/$id") }, -in => $acme, 'invitation.cancelled' => { id => $id, status => 'cancelled' };
    quiet 'once', sub { $ann->delete("$orgs/$acme/invitations/$id") };

    my $carl = "$orgs/$acme/members/" . $who{carl}->uuid;
    tells 'a member has another role', sub { $ann->put($carl, { role => 'admin' }) },
        -in => $acme, 'organization.member_updated' => { role => 'admin', is_active => true, previous_attributes => { role => 'member' } };
    quiet 'the same one',  sub { $ann->put($carl, { role => 'admin' }) };
    quiet 'owners stay',   sub { $ann->delete("$orgs/$acme/members/" . $ann->uuid) };
    $who{carl}->post("$orgs/$acme/set-default");
    tells 'one is suspended, and the organization is not their default any more', sub { $ann->post("$carl/deactivate") },
        'user.updated' => { sub => 'user_carl', default_organization_id => undef, previous_attributes => { default_organization_id => $acme } },
        -in => $acme, 'organization.member_updated' => { role => 'admin', is_active => false, previous_attributes => { is_active => true } };
    tells 'one is removed', sub { $ann->delete($carl) }, -in => $acme, 'organization.member_removed' => { user_id => $who{carl}->uuid, email => 'carl@example.com' };

    ($id, $token) = $invite->('carl');
    $who{carl}->post("$orgs/accept-invitation", { token => $token });
    $db->do(q{INSERT INTO invitations (tenant_id, organization_id, email, role, token_hash, expires_at) VALUES (?, ?, 'carl@example.com', 'admin', sha256('x'), now() + interval '1 day')}, undef, $tenant, $acme);
    tells 'one leaves, and an invitation with them', sub { $who{carl}->delete($carl) },
        -in => $acme,
        'invitation.cancelled'        => { email => 'carl@example.com' },
        'organization.member_removed' => { user_id => $who{carl}->uuid };
};

# ------------------------------------------------------------------ goals of a workspace

subtest 'permissions' => sub {
    my $role = '/api/v1/permissions/roles/viewer';
    my $in   = $ann->with(headers => { %{ $ann->{headers} // {} }, 'X-Workspace-Id' => $acme });
    tells 'one is set', sub { $in->put("$role/permission", { permission => 'can_use_ai', allowed => true }) },
        -in => $acme, 'permissions.updated' => { organization_id => $acme, role => 'viewer', permissions => qr/HASH/ };
    quiet 'not one that there is not', sub { $in->put("$role/permission", { permission => 'can_fly', allowed => true }) };
    tells 'all are as by default again', sub { $in->post("$role/reset") }, -in => $acme, 'permissions.updated' => { role => 'viewer' };
};

subtest 'teams of the tenant' => sub {
    my $at   = '/api/teams';
    my $bob  = $t->user('tess');
    my $b    = $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $bob->uuid);
    my $a    = $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $ann->uuid);
    my $team = tells('one is made', sub { $ann->post($at, { name => 'Watch' }) },
        'tenant_team.created' => { name => 'Watch', description => undef }, 'tenant_team.member_added' => { user_id => $a, role => 'owner' })->json('/data/id');
    tells 'it is called otherwise', sub { $ann->patch("$at/$team", { name => 'Night watch' }) }, 'tenant_team.updated' => { id => $team, name => 'Night watch', previous_attributes => { name => 'Watch' } };
    quiet 'as it is', sub { $ann->patch("$at/$team", { name => 'Night watch' }) };
    tells 'somebody is put into it', sub { $ann->post("$at/$team/members", { user_id => 0 + $b }) }, 'tenant_team.member_added' => { team_id => $team, user_id => $b, role => 'member' };
    tells 'they have another role', sub { $ann->patch("$at/$team/members/$b", { role => 'admin' }) }, 'tenant_team.member_updated' => { user_id => $b, role => 'admin', previous_attributes => { role => 'member' } };
    tells 'they leave it', sub { $bob->delete("$at/$team/members/$b") }, 'tenant_team.member_removed' => { team_id => $team, user_id => $b };
    tells 'it is deleted, and who was in it is not told of', sub { $ann->delete("$at/$team") }, 'tenant_team.deleted' => { id => $team, name => 'Night watch' };
};

subtest 'agents of a tenant' => sub {
    my $at    = '/api/v1/public/agents';
    my $agent = tells('one is registered', sub { $ann->post($at, { name => 'lookout', role => 'planner' }) }, 'agent.created' => { name => 'lookout', role => 'planner', status => 'idle' })->json('/data/id');
    tells 'it works', sub { $ann->patch("$at/$agent", { status => 'working', current_task => 'Berths' }) },
        'agent.updated' => { id => $agent, status => 'working', previous_attributes => { status => 'idle', current_task => undef } };
    quiet 'its path is nothing to tell of', sub { $ann->patch("$at/$agent", { workspace_path => 'x' }) };
    tells 'it is offline', sub { $ann->delete("$at/$agent") }, 'agent.updated' => { id => $agent, status => 'offline' };
};

subtest 'products of the tenant' => sub {
    my $at  = '/api/products';
    my $id  = tells('one is made', sub { $ann->post($at, { name => 'Sailing times' }) }, 'product.created' => { name => 'Sailing times', slug => 'sailing-times', status => 'building' })->json('/data/id');
    tells 'it has another status', sub { $ann->patch("$at/sailing-times", { status => 'active' }) }, 'product.updated' => { id => $id, status => 'active', previous_attributes => { status => 'building' } };
    quiet 'as it is', sub { $ann->patch("$at/sailing-times", { status => 'active' }) };
};

subtest 'tasks of the tenant' => sub {
    my $at = '/api/v1/public/tasks';
    my $id = tells('one is made', sub { $ann->post($at, { title => 'Sound the channel', priority => 'high' }) },
        'task.created' => { title => 'Sound the channel', status => 'todo', priority => 'P1', type => 'other', assignee => undef, product_id => undef })->json('/data/id');
    tells 'it is done', sub { $ann->patch("$at/$id", { status => 'done' }) }, 'task.updated' => { id => $id, status => 'done', previous_attributes => { status => 'todo', completed_at => undef } };
    quiet 'as it is', sub { $ann->patch("$at/$id", { status => 'done' }) };
    tells 'it is deleted', sub { $boss->delete("/api/tasks/$id") }, 'task.deleted' => { id => $id, title => 'Sound the channel' };
};

subtest 'teams' => sub {
    my $at   = '/api/v1/teams';
    my $in   = $ann->with(headers => { %{ $ann->{headers} // {} }, 'X-Workspace-Id' => $acme });
    my $me   = $in->get('/api/v1/members/me')->json('/id');
    my $top  = tells('one is made', sub { $in->post($at, { name => 'Fleet', color => '#1a2b3c' }) },
        -in => $acme, 'team.created' => { name => 'Fleet', color => '#1a2b3c', workspace_id => $acme, parent_team_id => undef, created_by_id => $me })->json('/id');
    quiet 'not one of the same name', sub { $in->post($at, { name => 'fleet' }) };
    my $team = tells('another one, below it', sub { $in->post($at, { name => 'Crew', parent_team_id => $top }) }, -in => $acme, 'team.created' => { parent_team_id => $top })->json('/id');
    tells 'it changes', sub { $in->put("$at/$team", { name => 'Crews' }) }, -in => $acme, 'team.updated' => { id => $team, name => 'Crews', previous_attributes => { name => 'Crew' } };
    quiet 'to what it is', sub { $in->put("$at/$team", { name => 'Crews' }) };
    tells 'somebody is put into it', sub { $in->post("$at/$team/members", { member_id => $me }) },
        -in => $acme, 'team.member_added' => { team_id => $team, member_id => $me, role => 'member', workspace_id => $acme, member => qr/HASH/ };
    tells 'they lead it', sub { $in->put("$at/$team/members/$me", { role => 'lead' }) },
        -in => $acme, 'team.member_updated' => { team_id => $team, role => 'lead', previous_attributes => { role => 'member' } }, 'team.updated' => { lead_member_id => $me, previous_attributes => { lead_member_id => undef } };
    quiet 'not a ring', sub { $in->put("$at/$top", { parent_team_id => $team }) };
    tells 'they leave it', sub { $in->delete("$at/$team/members/$me") }, -in => $acme, 'team.member_removed' => { team_id => $team, member_id => $me, member => qr/HASH/ }, 'team.updated' => { lead_member_id => undef };
    $in->post("$at/$top/members", { member_id => $me });
    messages();
    tells 'it is deleted: the one below moves to the top, and who was in it is not told of', sub { $in->delete("$at/$top") },
        -in => $acme, 'team.updated' => { id => $team, parent_team_id => undef, previous_attributes => { parent_team_id => $top } }, 'team.deleted' => { id => $top, name => 'Fleet' };
};

subtest 'goals' => sub {
    my $at  = '/api/v1/goals';
    my %in  = (headers => { 'X-Workspace-Id' => $acme });
    my $goal = tells('a new one', sub { $ann->post($at, { title => 'Grow', key_results => [ { title => 'k', target_value => 10 } ] }, %in) },
        -in => $acme, 'goal.created' => { title => 'Grow', workspace_id => $acme, progress => 0, note => undef })->json;
    tells 'it changes', sub { $ann->patch($at, { goal_id => $goal->{id}, title => 'Shrink' }, %in) }, -in => $acme, 'goal.updated' => { title => 'Shrink', previous_attributes => { title => 'Grow' } };
    quiet 'nothing', sub { $ann->patch($at, { goal_id => $goal->{id}, title => 'Shrink' }, %in) };
    tells 'its key results alone', sub { $ann->patch($at, { goal_id => $goal->{id}, key_results => [ { id => $goal->{key_results}[0]{id}, title => 'K' } ] }, %in) }, -in => $acme, 'goal.updated' => { progress => 0, previous_attributes => {} };
    tells 'a report', sub { $ann->put("$at/progress", { goal_id => $goal->{id}, key_results => [ { id => $goal->{key_results}[0]{id}, current_value => 5 } ], note => 'half' }, %in) },
        -in => $acme, 'goal.progress_updated' => { progress => 50, note => 'half', previous_attributes => { progress => 0 } };
    tells 'it is deleted', sub { $ann->delete("$at/$goal->{id}", %in) }, -in => $acme, 'goal.deleted' => { title => 'Shrink' };

    my $heir = $t->user('heir');
    $t->member($acme, $heir, 'member');
    my ($from, $to) = map { $db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $acme, $_->uuid) } $ann, $heir;
    $ann->post($at, { title => $_, owner_id => $from }, %in) for 'one', 'two';
    tells 'many that are handed over are one', sub { $ann->post("/api/v1/members/$from/reassign", { to_member_id => $to, item_types => ['goals'] }, %in) },
        -in => $acme, 'organization.work_reassigned' => { from_member_id => $from, to_member_id => $to, total => 2, reassigned => { (map { $_ => 0 } qw(actions tasks records recordsets documents record_tasks teams_led)), goals => 2 } };
    quiet 'none', sub { $ann->post("/api/v1/members/$from/reassign", { to_member_id => $to, item_types => ['goals'] }, %in) };
};

subtest 'recordsets' => sub {
    my $at = '/api/v1/recordsets';
    my %in = (headers => { 'X-Workspace-Id' => $acme });
    my $r  = tells('a new one', sub { $ann->post($at, { name => 'Boats' }, %in) }, -in => $acme, 'recordset.created' => { name => 'Boats', slug => 'boats', workspace_id => $acme, schema_version => 1 })->json;
    tells 'it changes', sub { $ann->put("$at/boats", { name => 'Ships' }, %in) }, -in => $acme, 'recordset.updated' => { name => 'Ships', previous_attributes => { name => 'Boats' } };
    quiet 'nothing', sub { $ann->put("$at/boats", { name => 'Ships' }, %in) };
    tells 'its schema', sub { $ann->put("$at/boats", { schema => { fields => [ { key => 'k', type => 'text' } ] } }, %in) }, -in => $acme, 'recordset.updated' => { schema_version => 2, previous_attributes => { schema_version => 1 } };
    tells 'it is moved to the trash', sub { $ann->delete("$at/boats", %in) }, -in => $acme, 'recordset.trashed' => { is_active => false, previous_attributes => { is_active => true } };
    tells 'and comes back', sub { $ann->post("$at/trash/boats/restore", undef, %in) }, -in => $acme, 'recordset.restored' => { is_active => true, previous_attributes => { is_active => false } };
    tells 'it is deleted for good', sub { $ann->delete("/api/v1/crud/recordsets/$r->{id}", %in) }, -in => $acme, 'recordset.deleted' => { name => 'Ships' };
};

subtest 'records' => sub {
    my $at  = '/api/v1/records';
    my %in  = (headers => { 'X-Workspace-Id' => $acme });
    my $set = $ann->post('/api/v1/recordsets', { name => 'Wrecks' }, %in)->json('/id');
    my $r   = tells('a new one', sub { $ann->post($at, { recordset_id => $set, field_values => { a => 1 } }, %in) }, -in => $acme, 'record.created' => { recordset_id => $set, workspace_id => $acme, field_values => { a => 1 }, version => 1 })->json;
    tells 'it changes', sub { $ann->put("$at/$r->{id}", { title => 'Reef' }, %in) }, -in => $acme, 'record.updated' => { title => 'Reef', version => 2, previous_attributes => { title => undef, version => 1 } };
    quiet 'nothing', sub { $ann->put("$at/$r->{id}", { title => 'Reef' }, %in) };
    $ann->put("$at/$r->{id}", { field_values => { a => 2 } }, %in);
    my $first = $ann->get("$at/$r->{id}/history", %in)->json('/2/id');
    tells 'an earlier version comes back', sub { $ann->post("$at/$r->{id}/history/$first/restore", undef, %in) }, -in => $acme, 'record.restored' => { field_values => { a => 1 }, version => 4 };
    tells 'it is deleted', sub { $ann->delete("$at/$r->{id}", %in) }, -in => $acme, 'record.deleted' => { status => 'deleted' };
    tells 'it comes back', sub { $ann->post("$at/$r->{id}/restore", undef, %in) }, -in => $acme, 'record.restored' => { status => 'active', version => 6, previous_attributes => { status => 'deleted', version => 5 } };
    $ann->delete("$at/$r->{id}", %in);
    my $one = $ann->post($at, { recordset_id => $set }, %in)->json('/id');
    tells('many that are written at once are told as one', sub { $ann->post("$at/batch", { recordset_id => $set, items => [ {}, {}, { op => 'update', record_id => $one, title => 'x' } ] }, %in) }, -in => $acme, 'record.bulk_written' => { recordset_id => $set, created_count => 2, updated_count => 1 });
    $ann->post("$at/bulk-delete", { all => true, recordset_id => $set }, %in);
    my @ids = map { $ann->post($at, { recordset_id => $set }, %in)->json('/id') } 1 .. 3;
    tells 'two at once are told as one', sub { $ann->post("$at/bulk-delete", { record_ids => [ @ids[ 0, 1 ] ] }, %in) }, -in => $acme, 'record.bulk_deleted' => { recordset_id => $set, deleted_count => 2, deleted_ids => [ @ids[ 0, 1 ] ] };
    tells 'an import is over', sub {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        my $run = $db->selectrow_array(q{INSERT INTO record_runs (tenant_id, organization_id, kind, recordset_id, member_id, file_name, total_rows, success_count)
            SELECT m.tenant_id, m.organization_id, 'import', ?, m.id, 'wrecks.csv', 2, 2 FROM memberships m WHERE m.organization_id = ? AND m.user_id = ? RETURNING id}, undef, $set, $acme, $ann->uuid);
        $db->do('SELECT record_import_end(?, ?, NULL, NULL, NULL)', undef, $acme, $run);
        $db->commit;
    }, -in => $acme, 'import.completed' => { recordset_id => $set, status => 'completed', success_count => 2, file_name => 'wrecks.csv' };
    my $run = sub ($kind, %options) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        my $id = $db->selectrow_array(q{INSERT INTO record_runs (tenant_id, organization_id, kind, recordset_id, member_id, file_name, options)
            SELECT m.tenant_id, m.organization_id, ?, ?, m.id, 'wrecks.csv', ?::jsonb FROM memberships m WHERE m.organization_id = ? AND m.user_id = ? RETURNING id}, undef, $kind, $set, Cpanel::JSON::XS->new->encode(\%options), $acme, $ann->uuid);
        $db->do('SELECT record_undo_end(?, ?, NULL, NULL)', undef, $acme, $id);
        $db->commit;
        return $id;
    };
    tells 'an import is undone', sub { $run->(undo => of => $one, of_kind => 'import') }, -in => $acme, 'import.undone' => { recordset_id => $set, import_job_id => $one, file_name => 'wrecks.csv', deleted_count => 0 };
    tells 'a field is converted', sub { $run->(convert => key => 'depth', field => { type => 'number' }) }, -in => $acme, 'recordset.field_converted' => { recordset_id => $set, key => 'depth', type => 'number', is_undo => false };
    quiet 'one that is only tried', sub { $run->(convert => key => 'depth', field => { type => 'number' }, dry_run => true) };
    tells 'and all', sub { $ann->post("$at/bulk-delete", { all => true, recordset_id => $set }, %in) }, -in => $acme, 'record.bulk_deleted' => { recordset_id => $set, deleted_count => 1, deleted_ids => [] };
};

# ------------------------------------------------------------------ projects

subtest 'projects' => sub {
    my $base = '/api/v1/app/projects';
    my $id   = tells('one is made', sub { $ann->post($base, { name => 'Site', description => 'x' }) },
        'project.created' => { name => 'Site', description => 'x', owner_id => 'user_ann' })->json('/id');
    quiet 'not without a name', sub { $ann->post($base, {}) };
    tells 'it is changed', sub { $ann->patch("$base/$id", { name => 'Site 2' }) },
        'project.updated' => { id => $id, name => 'Site 2', description => 'x', owner_id => 'user_ann', previous_attributes => { name => 'Site' } };
    tells 'its description is taken away', sub { $ann->patch("$base/$id", { description => undef }) }, 'project.updated' => { description => undef, previous_attributes => { description => 'x' } };
    quiet 'to what it is',       sub { $ann->patch("$base/$id", { name => 'Site 2' }) };
    quiet 'by somebody else',    sub { $boss->patch("$base/$id", { name => 'y' }) };
    quiet 'that another has changed', sub { $ann->patch("$base/$id", { name => 'y' }, headers => { 'If-Match' => '"0"' }) };
    tells 'it is deleted', sub { $ann->delete("$base/$id") }, 'project.deleted' => { id => $id, name => 'Site 2' };
    quiet 'once', sub { $ann->delete("$base/$id") };
};

# ------------------------------------------------------------------ billing

# What a job does that has read something from the provider, in the tenant.
sub seen ($function, $object, $look = 'billing_look()') {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
    $db->do("SELECT $function('stripe', ?::jsonb, $look)", undef, Cpanel::JSON::XS->new->canonical->encode($object));
    $db->commit;
    return;
}

subtest 'projects that traces are sent to' => sub {
    $db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $acme);
    my $base = '/api/opsboard/projects';
    $ann->get($base);
    messages();
    published();
    my %data = (name => 'Assistant', environment => 'staging', organization_id => $acme);
    my $id   = tells('one is made', sub { $ann->post($base, { name => 'Assistant', environment => 'staging', org_id => $acme }) }, -in => $acme, 'trace_project.created' => {%data})->json('/id');
    tells 'its name is another one', sub { $ann->put("$base/$id", { name => 'Helper' }) }, -in => $acme,
        'trace_project.updated' => { %data, id => $id, name => 'Helper', previous_attributes => { name => 'Assistant' } };
    tells 'nothing, where nothing is', sub { $ann->put("$base/$id", {}) };
    tells 'nor where its key is another one', sub { $ann->post("$base/$id/regenerate-key") };
    $t->keep_secret($ann->last->json('/api_key'));
    tells 'it is deleted', sub { $ann->delete("$base/$id") }, -in => $acme, 'trace_project.deleted' => { id => $id };
};

subtest 'subscriptions and invoices' => sub {
    my $plan = $owner->post('/api/v1/dashboard/plans', { name => 'Free', is_free => true })->json('/id');
    my $at   = "$orgs/$acme/subscription";
    my $id   = tells('one that costs nothing', sub { $ann->post("$at/$plan") }, -in => $acme, 'subscription.created' => { plan_id => $plan, organization_id => $acme, sub => undef, status => 'active', provider => undef })->json('/id');
    quiet 'not a second one', sub { $ann->post("$at/$plan") };
    tells 'it ends with its period', sub { $ann->delete($at) }, -in => $acme, 'subscription.updated' => { id => $id, cancel_at_period_end => true, previous_attributes => { cancel_at_period_end => false, canceled_at => undef, period_start => undef, period_end => undef } };
    tells 'or now', sub { $ann->delete("$at?cancel_at_period_end=false") }, -in => $acme, 'subscription.canceled' => { id => $id, status => 'canceled', ended_at => $TIME };

    my $now = time;
    my %sub = (id => 'sub_e', customer => 'cus_e', status => 'incomplete', currency => 'usd', amount => 500, quantity => 1, interval => 'month', price => 'price_e', item => 'si_e', created => $now, period_start => $now, period_end => $now + 86_400, will_cancel => \0, metadata => { organization_id => $acme });
    tells 'one that a provider has made', sub { seen(billing_see => \%sub) }, -in => $acme, 'subscription.created' => { status => 'incomplete', provider => 'stripe', provider_id => 'sub_e', amount => 500 };
    tells 'it is paid', sub { seen(billing_see => { %sub, status => 'active' }) }, -in => $acme, 'subscription.updated' => { status => 'active', previous_attributes => { status => 'incomplete' } };
    quiet 'whoever looks again has nothing to tell', sub { seen(billing_see => { %sub, status => 'active' }) };
    quiet 'nor has who looked before', sub { seen(billing_see => \%sub, 1) };
    tells 'it has other seats', sub { seen(billing_see => { %sub, status => 'active', quantity => 4 }) }, -in => $acme, 'subscription.updated' => { quantity => 4, previous_attributes => { quantity => 1 } };
    tells 'it has ended', sub { seen(billing_see => { %sub, status => 'canceled', quantity => 4, ended_at => $now }) }, -in => $acme, 'subscription.canceled' => { status => 'canceled', previous_attributes => { status => 'active', ended_at => undef } };

    my %in = (id => 'in_e', customer => 'cus_e', subscription => 'sub_e', number => 'E-1', status => 'open', currency => 'usd', total => 500, amount_due => 500, amount_paid => 0, amount_remaining => 500, attempts => 0, created => $now);
    my %paid = (%in, status => 'paid', amount_paid => 500, amount_remaining => 0, attempts => 2, paid_at => $now);
    quiet 'an invoice that is due', sub { seen(invoice_see => \%in) };
    my %failed = (number => 'E-1', status => 'open', organization_id => $acme, provider_id => 'in_e');
    tells 'it cannot be collected', sub { seen(invoice_see => { %in, attempts => 1, next_attempt_at => $now + 86_400 }) }, -in => $acme, 'invoice.payment_failed' => { %failed, attempts => 1, next_attempt_at => $TIME };
    quiet 'which is told once', sub { seen(invoice_see => { %in, attempts => 1 }) };
    tells 'but for the next try', sub { seen(invoice_see => { %in, attempts => 2 }) }, -in => $acme, 'invoice.payment_failed' => { %failed, attempts => 2 };
    tells 'it is paid', sub { seen(invoice_see => \%paid) }, -in => $acme, 'invoice.paid' => { status => 'paid', amount_paid => 500, amount_remaining => 0, paid_at => $TIME };
    quiet 'once', sub { seen(invoice_see => \%paid) };
    tells 'one that is paid when it is first seen', sub { seen(invoice_see => { %paid, id => 'in_f' }) }, -in => $acme, 'invoice.paid' => { provider_id => 'in_f' };
    tells 'one that has failed by then', sub { seen(invoice_see => { %in, id => 'in_g', attempts => 1 }) }, -in => $acme, 'invoice.payment_failed' => { provider_id => 'in_g' };
    quiet 'one of last year, in a list', sub { seen(invoice_see => { %paid, id => 'in_h', paid_at => $now - 40 * 86_400 }) };

    my %own = (metadata => { user_id => $ann->uuid, tier => 'pro' }, customer => 'cus_ann');
    tells 'a user\'s own, of which their pages hear', sub { seen(billing_see => { %sub, %own, id => 'sub_ann', status => 'active' }) }, 'subscription.created' => { sub => 'user_ann', organization_id => undef, tier => 'pro' };
    tells 'and of its invoice', sub { seen(invoice_see => { %paid, %own, id => 'in_ann', subscription => 'sub_ann' }) }, 'invoice.paid' => { sub => 'user_ann', organization_id => undef };
};

# ------------------------------------------------------------------ a tenant's own

subtest 'API keys' => sub {
    my $base = '/api/v1/dashboard/api-keys';
    my $res  = tells 'one is made', sub { $owner->post($base, { name => 'Server', type => 'secret' }) },
        'api_key.created' => { name => 'Server', type => 'secret', prefix => qr/\Ask_live_\w{4}\z/, allowed_origins => [], is_active => true, revoked_at => undef };
    $t->keep_secret($res->json('/key'));
    my $id = $res->json('/id');
    tells 'a public one', sub { $owner->post($base, { name => 'Page', type => 'public', allowed_origins => ['https://app.example.com'] }) },
        'api_key.created' => { type => 'public', allowed_origins => ['https://app.example.com'] };
    tells 'it is suspended', sub { $owner->put("$base/$id", { is_active => false }) }, 'api_key.updated' => { id => $id, is_active => false, previous_attributes => { is_active => true } };
    quiet 'to be used is no change', sub { $t->get('/api/v1/users', key => $key); $t->get('/api/v1/users', key => $key) };
    tells 'it is revoked', sub { $owner->delete("$base/$id") }, 'api_key.revoked' => { id => $id, revoked_at => $TIME, previous_attributes => { revoked_at => undef } };
    quiet 'once', sub { $owner->delete("$base/$id") };
};

subtest 'feature flags' => sub {
    my $base = '/api/v1/admin/feature-flags';
    my $id   = tells('one is made', sub { $boss->post($base, { key => 'new', name => 'New', flag_type => 'percentage', percentage => 10 }) },
        'feature_flag.created' => { key => 'new', flag_type => 'percentage', percentage => 10, is_enabled => false, user_ids => [] })->json('/id');
    tells 'it is switched on', sub { $boss->patch("$base/$id", { is_enabled => true }) },
        'feature_flag.updated' => { key => 'new', is_enabled => true, previous_attributes => { is_enabled => false } };
    quiet 'twice',            sub { $boss->patch("$base/$id", { is_enabled => true }) };
    quiet 'to what it cannot be', sub { $boss->patch("$base/$id", { flag_type => 'user_list' }) };
    tells 'it is deleted',    sub { $boss->delete("$base/$id") }, 'feature_flag.deleted' => { id => $id, key => 'new' };
    quiet 'once',             sub { $boss->delete("$base/$id") };
};

subtest 'the contact form' => sub {
    my %sent = (name => 'Ada', email => 'ada@example.com', message => 'Can it weave patterns?');
    tells 'is sent', sub { $t->post('/api/v1/public/contact', \%sent) },
        'contact.submitted' => { %sent, reference_id => qr/\ACNT-[0-9A-F]{8}\z/, phone => undef, extra_fields => {} };
    quiet 'with nothing in it', sub { $t->post('/api/v1/public/contact', { %sent, message => '' }) };
};

subtest 'a webhook is switched off' => sub {
    my $off = sub ($name) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
        $db->do(q{UPDATE webhook_endpoints SET is_active = false, disabled_reason = 'endpoint answered 410' WHERE name = ?}, undef, $name);
        $db->commit;
        return;
    };
    listen_as('second', $tenant, $away);
    tells 'by the deliverer', sub { $off->('second') },
        -in => $away, 'webhook.disabled' => { name => 'second', workspace_id => $away, disabled_reason => 'endpoint answered 410' };
    my ($id) = $db->selectrow_array(q{SELECT id FROM webhook_endpoints WHERE name = 'second'});
    quiet 'by its owner', sub { $ann->post("/api/v1/webhooks/$id/toggle", undef, headers => { 'X-Workspace-Id' => $away }); $ann->post("/api/v1/webhooks/$id/toggle", undef, headers => { 'X-Workspace-Id' => $away }) };
    is $db->selectrow_array('SELECT is_active FROM webhook_endpoints WHERE id = ?', undef, $id), 0;
};

subtest 'a wallet that is low' => sub {
    my $inside = sub ($sql, @values) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
        my @got = $db->selectrow_array($sql, undef, @values);
        $db->commit;
        return $got[0];
    };
    $inside->(q{SELECT wallet_credit(NULL, 'tokens', 'admin_grant', 1000, NULL, NULL, '{}')});
    $inside->(q{SELECT topup_setup(?, ?, 'tokens', 500, 'tokens-50k', 'package_id', true, 5, NULL)}, $tenant, $ann->uuid);
    my $consume = sub ($n) { $inside->(q{SELECT wallet_consume(tenant_number(app_tenant()), ?, 'tokens', ?, 'x', NULL, '{}')}, $ann->uuid, $n); return };
    quiet 'not as long as there is enough', sub { $consume->(500) };
    tells 'the first spend below', sub { $consume->(1) }, 'wallet.low' => { user_id => undef, is_of_tenant => true, unit => 'tokens', balance => 499, threshold => 500 };
    quiet 'and no other', sub { $consume->(1) };
    my $topup = $db->selectrow_array('SELECT id FROM topups WHERE tenant_id = ?', undef, $tenant);
    my %topup = (id => $topup, user_id => $ann->uuid, is_of_tenant => true, is_automatic => true, unit => 'tokens', package => 'tokens-50k', amount => 50_000);
    tells 'what could not be paid', sub { $inside->('SELECT topup_fail(?, ?, true, 0)', $topup, 'insufficient_funds'); return }, 'topup.failed' => { %topup, status => 'failed', error => 'insufficient_funds' };
    $inside->(q{UPDATE topup_configs SET is_enabled = true, retry_at = NULL RETURNING 1});
    $consume->(1);
    $topup = $db->selectrow_array(q{SELECT id FROM topups WHERE tenant_id = ? AND status = 'pending'}, undef, $tenant);
    tells 'what is paid', sub { $inside->(q{SELECT payment_see('stripe', ?)}, encode_json({ id => 'pi_e', status => 'succeeded', amount => 500, amount_received => 500, currency => 'usd', metadata => { topup_id => $topup } })); return },
        'topup.succeeded' => { %topup, id => $topup, status => 'succeeded', error => undef };
};

subtest 'a job that has failed for good' => sub {
    my ($id) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, payload, state, attempts) VALUES (?, 'reports', 'monthly', '{"secret_":1}', 'running', 10) RETURNING id}, undef, $tenant);
    quiet 'not while it may be tried again', sub { $db->do(q{UPDATE jobs SET state = 'queued' WHERE id = ?}, undef, $id); return };
    tells 'by whoever works for all tenants, in none', sub { $db->do(q{UPDATE jobs SET state = 'failed', last_error = 'out of paper', finished_at = now() WHERE id = ?}, undef, $id); return },
        'job.failed' => { id => $id, queue => 'reports', kind => 'monthly', attempts => 10, error => 'out of paper' };
    is $db->selectrow_array(q{SELECT coalesce(current_setting('app.tenant_id', true), '')}), '', 'and is in none afterwards';
    my $queue = '/api/task-queue';
    my ($one) = $boss->post("$queue/submit", { task_type => 'print', queue_name => 'paper', max_attempts => 1 })->json('/data/id');
    $boss->post("$queue/claim", { worker_id => 'w', queue_name => 'paper' });
    tells 'by a worker outside', sub { $boss->post("$queue/$one/fail", { worker_id => 'w', error => 'no paper' }) },
        'job.failed' => { id => $one, queue => 'paper', kind => 'print', attempts => 1, max_attempts => 1, error => 'no paper' };
};

# ------------------------------------------------------------------ to whom, and in what

subtest 'every event that is listed was sent' => sub {
    is join(' ', grep { !$sent{$_} } sort keys %event), '', 'none is missing';
    is join(' ', grep { !$event{$_} } sort keys %sent), '', 'and none is unknown';
    # Who tells of them: triggers, whose text the announcements are.
    my %called = map { ($_ => 1) } map { /PERFORM (?:tell|event_emit)\('([a-z_.]+)'/g } @{ $db->selectcol_arrayref(q{SELECT prosrc FROM pg_proc WHERE prorettype = 'trigger'::regtype}) };
    is join(' ', grep { !$event{$_} } sort keys %called), '', 'and the triggers tell of no other';
};

subtest 'other tenants and the test mode have events of their own' => sub {
    my $eve = $t->user('eve', tenant => 'other');
    messages();
    $eve->post('/api/v1/app/projects', { name => 'x' });
    my ($other_key, $test_key) = ($t->key(tenant => 'other'), $t->key(test => 1));
    $t->client(key => $other_key)->post('/api/v1/auth/register', { email => 'x@example.com', password => $PASSWORD });
    $t->keep_secret(@{ $t->last // {} }{()});
    my @got = messages();
    is join(' ', map { "$_->{type}:$_->{to}" } @got), 'project.created:other user.created:other user.signed_in:other', 'theirs are told to them';
    my $res = $t->client(key => $test_key)->post('/api/v1/auth/register', { email => 'x@example.com', password => $PASSWORD });
    $t->keep_secret(@{ $res->json }{qw(access_token refresh_token)});
    is join(' ', map { "$_->{type}:$_->{to}" } messages()), 'user.created:test user.signed_in:test', 'and those of the test mode to its own';
};

subtest 'an endpoint hears of what it asked for' => sub {
    $db->do(q{UPDATE webhook_endpoints SET events = '{project.updated,user.created}' WHERE name = 'tenant'});
    my $id = $ann->post('/api/v1/app/projects', { name => 'x' })->json('/id');
    is join(' ', messages()), '', 'of nothing else';
    $ann->patch("/api/v1/app/projects/$id", { name => 'y' });
    is join(' ', map { $_->{type} } messages()), 'project.updated', 'of that';
    $db->do(q{UPDATE webhook_endpoints SET is_active = false WHERE name = 'tenant'});
    $ann->patch("/api/v1/app/projects/$id", { name => 'z' });
    is join(' ', messages()), '', 'and of nothing while it is switched off';
    $db->do(q{UPDATE webhook_endpoints SET is_active = true, events = '{*}' WHERE name = 'tenant'});
};

subtest 'what is rolled back was never said' => sub {
    my $id = $ann->post('/api/v1/app/projects', { name => 'x' })->json('/id');
    $db->do(q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE 'AS404' USING MESSAGE = 'no'; END $$});
    $db->do('CREATE TRIGGER zz_fail AFTER UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION fail()');
    quiet 'a change that fails behind its event', sub { $ann->patch("/api/v1/app/projects/$id", { name => 'y' }) };
    error_is $ann->last, 404, 'NOT_FOUND';
    $db->do('DROP TRIGGER zz_fail ON projects');
};

subtest 'what fills the database tells nobody' => sub {
    quiet 'ashlar seed', sub {
        ashlar(qw(seed));
        $db->do(q{DELETE FROM webhook_messages WHERE id IN ('msg_harbour', 'msg_lighthouse')});    # which are rows of its own, and told to nobody
        return;
    };
    quiet 'ashlar seed --scale', sub { ashlar(qw(seed --scale 20)); return };
};
