use v5.36;
use lib 't/lib';
use Api;

# Who calls on the operations surface, and the end of their sessions.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $ann  = $t->user('ann', tenant => 'acme', role => 'admin', columns => { is_email_verified => 1, full_name => 'Ann Owner' });
my $eve  = $t->user('eve', tenant => 'other');
my $org  = $t->organization($ann);
my $two  = $t->organization($ann, role => 'developer');
my $key  = $t->key(type => 'organization', of => $org, by => $ann);
my $path = '/api/auth/me';

sub number ($who) { return 0 + $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }

subtest 'who am I' => sub {
    error_is $t->client->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key(tenant => 'acme'))->get($path), 401, 'AUTHENTICATION_ERROR', name => 'a tenant\'s key is nobody';
    my $team = $ann->post('/api/teams', { name => 'Harbour' })->json('/data/id');
    my $gone = $t->organization($ann);
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    my %of   = map { $_->[0] => { id => $_->[0], name => $_->[1], slug => $_->[2] } } @{ $db->selectall_arrayref('SELECT id, name, slug FROM organizations') };
    my $res  = $ann->get($path);
    my $seen = { data => { id => number($ann), username => 'Ann Owner', email => 'ann@example.com', role => 'admin', avatar_url => undef, created_at => $TIME, updated_at => $TIME,
        tenant_id => 0 + $db->selectrow_array('SELECT number FROM tenants WHERE id = ?', undef, $ann->tenant_id), last_login_at => undef,
        organizations => [ { %{ $of{$org} }, role => 'owner' }, { %{ $of{$two} }, role => 'member' } ], teams => [ { id => $team, name => 'Harbour', role => 'owner' } ] } };
    json_is $res, '', $seen;
    json_is $t->client(key => $key)->get($path), '/data/id', number($ann), 'with an organization\'s key, who made it';
    json_is $eve->get($path), '/data/organizations', [], 'of another tenant nothing';
    json_is $eve->last, '/data/teams', [];
    json_is $eve->last, '/data/role', 'member', 'who has only signed up is a member';
};

subtest 'signing out' => sub {
    my $out = '/api/auth/logout';
    error_is $t->client->post($out), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($out, { all_devices => $_ }), 400, 'VALIDATION_ERROR', field => 'all_devices' for 'yes', undef, 1;
    error_is $t->client(key => $key)->post($out), 400, 'VALIDATION_ERROR', message => qr/no session/, name => 'a key has none';
    status_is $t->client(key => $key)->get($path), 200, '  and stays what it is';
    my ($one, $two, $three) = map { $t->user("bob$_", tenant => 'acme') } 1 .. 3;
    $db->do('UPDATE sessions SET user_id = ?, subject = ? WHERE id IN (?, ?)', undef, $one->uuid, $one->id, $two->session, $three->session);
    my @three = ($one, map { my $s = $_->session; my $c = $one->with(session => $s); $c->{token} = $t->token($c); $c } $two, $three);
    status_is $_->get($path), 200 for @three;
    json_is $three[0]->post($out), '', { data => { success => true, revoked_sessions => 1 }, meta => { message => 'Signed out' } };
    error_is $three[0]->get($path), 401, 'AUTHENTICATION_ERROR', name => 'that token is good for nothing any more';
    status_is $_->get($path), 200, 'the others are' for @three[1, 2];
    json_is $three[1]->post($out, { all_devices => true }), '/data/revoked_sessions', 2, 'all of them';
    error_is $_->get($path), 401, 'AUTHENTICATION_ERROR' for @three;
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'session.end' AND resource_id = ?}, undef, $one->id), 2, 'each is put down';
};
