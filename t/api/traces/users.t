# Users on the observability surface, and what one who is new there gets.

use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start(worker => 1);
my $base = '/api/opsboard/users/me';
my $demo = 'c0000000-0000-0000-0000-000000000000';

sub rows ($sql, @values) { return $t->db->selectall_arrayref($sql, { Slice => {} }, @values) }
sub orgs_of ($user) {
    return rows('SELECT o.id, o.name, o.prem_status, m.role, m.is_paid FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = ? ORDER BY o.created_at', $user->uuid);
}
sub projects_of ($org) { return rows('SELECT * FROM trace_projects WHERE organization_id = ? ORDER BY created_at', $org) }

my @rows = ([ GET => $base ], [ PUT => $base, {} ], [ PUT => "$base/survey-complete" ], [ POST => '/api/opsboard/users/update', {} ], [ POST => '/api/opsboard/users/complete_survey' ]);
sub ask ($who, $method, $path, @body) { return $who->request($method, $path, @body ? (json => $body[0]) : ()) }

subtest 'not without a user\'s token' => sub {
    error_is ask($t->nobody, @$_), 401, 'AUTHENTICATION_ERROR', name => "$_->[0] $_->[1]" for @rows;
    my $gone = $t->user('gone');
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $gone->session);
    error_is ask($gone, @$_), 401, 'AUTHENTICATION_ERROR', name => "$_->[0] $_->[1]: of an ended session" for @rows;
    is_deeply rows('SELECT * FROM opsboard_profiles'), [], 'and nobody was there by that';
};

subtest 'who is new gets a profile, an organization and a project' => sub {
    my $ann = $t->user('ann', columns => { full_name => 'Ann Lee' });
    error_is $ann->put($base, { full_name => 7 }), 422, 'VALIDATION_ERROR', field => 'full_name';
    is_deeply orgs_of($ann), [], 'not by a request that is refused';
    my $res = $ann->get($base);
    status_is $res, 200;
    is_deeply $res->json, { id => $ann->uuid, full_name => 'Ann Lee', avatar_url => undef, billing_address => undef, payment_method => undef, email => $ann->email, survey_is_complete => false };
    my ($org, @more) = @{ orgs_of($ann) };
    is scalar @more, 0;
    is "$org->{name} $org->{role} $org->{prem_status} $org->{is_paid}", 'Ann Lee owner free 1', 'an organization of her name, which is hers';
    my @projects = @{ projects_of($org->{id}) };
    is join(' ', map { "$_->{name} $_->{environment}" } @projects), 'Default Project development';
    is $t->db->selectrow_array('SELECT default_organization_id FROM users WHERE id = ?', undef, $ann->uuid), $org->{id};
    status_is $ann->get($base), 200 for 1, 2;
    is scalar @{ orgs_of($ann) } + @{ projects_of($org->{id}) }, 2, 'once';
    is_deeply [ map { $_->{action} } @{ rows(q{SELECT action FROM audit_events WHERE actor_id = 'user_ann' ORDER BY seq}) } ], [ 'organization.create', 'trace_project.create' ], 'and it is put down';

    my $bob = $t->user('bob');
    status_is ask($bob, @{ $rows[2] }), 200, 'whichever row it is';
    is orgs_of($bob)->[0]{name}, 'Default Organization', 'whose name is not known';
    is scalar @{ projects_of(orgs_of($bob)->[0]{id}) }, 1;
};

subtest 'other surfaces make nothing of that' => sub {
    my $cy = $t->user('cy');
    status_is $cy->get('/api/v1/app/users/me'), 200;
    is_deeply [ @{ orgs_of($cy) }, @{ rows('SELECT * FROM opsboard_profiles WHERE user_id = ?', $cy->uuid) } ], [];
    my $res = $t->user('demo-seen')->with(key => $t->key)->get('/api/v1/organizations/my-organizations');
    unlike $res->body, qr/\Q$demo\E/, 'the Demo Org is none of their lists\'';
};

subtest 'who owns an organization gets a project in it, and no other' => sub {
    my $dee = $t->user('dee');
    my $own = $t->organization($dee);
    my $two = $t->organization($dee);
    my $at  = $t->organization($t->user('else'));
    $t->member($at, $dee, 'admin');
    status_is $dee->get($base), 200;
    is scalar @{ orgs_of($dee) }, 3, 'as many organizations as before';
    is_deeply [ map { scalar @{ projects_of($_) } } $own, $two, $at ], [ 1, 0, 0 ], 'the project is in the first of theirs';
    my $eve = $t->user('eve');
    my $has = $t->organization($eve);
    $t->trace_project($has, columns => { deleted_at => 'now' });
    status_is $eve->get($base), 200;
    is scalar @{ projects_of($has) }, 1, 'one that had a project gets none, not even in the place of a deleted one';
    my $fay = $t->user('fay');
    $t->member($at, $fay, 'developer');
    status_is $fay->get($base), 200;
    is join(' ', sort map { $_->{role} } @{ orgs_of($fay) }), 'developer owner', 'to be somewhere a member is not to own one';
};

subtest 'of two first requests at once one makes it all' => sub {
    my $gus  = $t->user('gus');
    my $lock = $t->lock(q{SELECT FROM users WHERE id = ? FOR UPDATE}, $gus->uuid);
    my @load = map { $t->load(clients => 1, requests => 1, make => sub { $gus->with(http => $t->http) }, each => sub ($c, $n) { $c->get($base) }) } 1, 2;
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    is join(' ', map { $_->[0] } map { $_->finish } @load), '200 200';
    is scalar @{ orgs_of($gus) }, 1;
    is scalar @{ projects_of(orgs_of($gus)->[0]{id}) }, 1;
};

subtest 'each tenant has a Demo Org, once' => sub {
    status_is $t->user("hal-$_", tenant => 'other')->get($base), 200 for 1, 2;
    my $all = rows('SELECT t.slug, o.name, o.prem_status FROM organizations o JOIN tenants t ON t.id = o.tenant_id WHERE o.id = ? ORDER BY 1', $demo);
    is_deeply $all, [ map { { slug => $_, name => 'Demo Org', prem_status => 'pro' } } qw(default other) ];
    is_deeply rows('SELECT * FROM memberships WHERE organization_id = ?', $demo), [], 'of which nobody is a member, so that a million users are no rows';
    is scalar @{ projects_of($demo) }, 2, 'with a project in each';
};

subtest 'what is changed, and what stays' => sub {
    my $ida = $t->user('ida', columns => { full_name => 'Ida', avatar_url => 'https://e.example/ida.png' });
    for ([ full_name => 'x' x 256 ], [ avatar_url => 'ida.png' ], [ billing_address => 'Dublin' ], [ payment_method => [1] ], [ email => 'nobody' ], [ survey_is_complete => 'yes' ]) {
        error_is $ida->put($base, { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0];
    }
    error_is $ida->put($base, { $_ => { x => 'x' x 16384 } }), 422, 'VALIDATION_ERROR', field => $_, name => "$_ beyond 16 KiB" for qw(billing_address payment_method);
    status_is $ida->put($base, { billing_address => { x => 'x' x 16000 } }), 200, 'less is taken';
    my $res = $ida->put($base, { full_name => 'Ida B', billing_address => { country => 'IE', lines => [ 1, 'a' ] }, payment_method => { type => 'card' }, survey_is_complete => true });
    status_is $res, 200;
    my %all = (id => $ida->uuid, full_name => 'Ida B', avatar_url => 'https://e.example/ida.png', billing_address => { country => 'IE', lines => [ 1, 'a' ] }, payment_method => { type => 'card' },
        email => $ida->email, survey_is_complete => true);
    is_deeply $res->json, \%all;
    is_deeply $ida->get($base)->json, \%all;
    is_deeply $ida->put($base, $_)->json, \%all, 'null and nothing leave all as it is' for {}, { map { $_ => undef } qw(full_name avatar_url billing_address payment_method email survey_is_complete) };
    is_deeply $ida->post('/api/opsboard/users/update', { full_name => 'Ida C' })->json, { %all, full_name => 'Ida C' }, 'by its other path, too';
    is $ida->get('/api/v1/app/users/me')->json('/data/full_name') // $ida->get('/api/v1/app/users/me')->json('/full_name'), 'Ida C', 'the name is the user\'s everywhere';
    is_deeply $ida->put($base, { email => 'Ida@Elsewhere.example' })->json('/email'), 'ida@elsewhere.example', 'a change answers with the profile\'s address';
    is $ida->get($base)->json('/email'), $ida->email, 'and reading with the one that she signs in with';
    is $t->db->selectrow_array('SELECT email FROM users WHERE id = ?', undef, $ida->uuid), $ida->email, 'which no change reaches';
    my $joe = $t->user('joe');
    $t->db->do('UPDATE users SET email = NULL WHERE id = ?', undef, $joe->uuid);
    is $joe->get($base)->json('/email'), undef;
    $joe->put($base, { email => 'joe@example.org' });
    is $joe->get($base)->json('/email'), 'joe@example.org', 'where there is none it is the profile\'s';
};

subtest 'the survey is completed once and for all' => sub {
    my $kim = $t->user('kim');
    is $kim->get($base)->json('/survey_is_complete'), false;
    is_deeply $kim->put("$base/survey-complete")->json, { success => true, message => 'the survey is complete' };
    is $kim->get($base)->json('/survey_is_complete'), true;
    status_is $kim->post('/api/opsboard/users/complete_survey'), 200, 'again, by the other path';
    is $kim->get("$base/")->json('/survey_is_complete'), true, 'with a slash behind it, too';
};
