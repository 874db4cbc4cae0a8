use v5.36;
use lib 't/lib';
use Api;

# Projects as the team of their tenant sees them, whoever owns them.
my $t      = Api->start;
my $base   = '/api/v1/dashboard/projects';
my $owner  = $t->team('owner', role => 'owner');
my $admin  = $t->team('admin', role => 'admin');
my $member = $t->team('member');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $ann    = $t->user('ann', columns => { full_name => 'Ann Example' });
my $bob    = $t->user('bob');
my $eve    = $t->user('eve', tenant => 'other');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub made ($user, @names) { return map { $user->post('/api/v1/app/projects', { name => $_, description => "About $_" })->json('/id') } @names }
my ($harbour, $quay) = made($ann, 'Harbour site', 'Quay 100%');
my ($barge) = made($bob, 'Barge SITE');
my ($theirs) = made($eve, 'Their site');

sub names ($res) { return join '|', map { $_->{name} } @{ $res->json('/projects') } }

subtest 'who may do what' => sub {
    for ([ GET => $base ], [ GET => "$base/$barge" ], [ DELETE => "$base/$barge" ]) {
        my ($method, $path) = @$_;
        error_is $_->request($method, $path), 401, 'AUTHENTICATION_ERROR', name => "$method $path is the team's" for $t, $bob;
        error_is $rival->request($method, $path), 404, 'NOT_FOUND', name => '  and of no other tenant' if $path ne $base;
        error_is $owner->request($method, $path =~ s/\Q$barge/$nobody/r), 404, 'NOT_FOUND', name => '  of what there is' if $path ne $base;
    }
    error_is $member->delete("$base/$barge"), 403, 'AUTHORIZATION_ERROR', name => 'a member reads only';
    is $t->db->selectrow_array('SELECT deleted_at FROM projects WHERE id = ?', undef, $barge), undef, 'nothing was done';
};

subtest 'the list' => sub {
    my $res = $member->get($base);
    is names($res), 'Barge SITE|Quay 100%|Harbour site', 'of all users, newest first';
    my %harbour = (
        id => $harbour, name => 'Harbour site', description => 'About Harbour site', owner_id => $ann->uuid, owner_sub => 'user_ann', owner_email => 'ann@example.com', owner_name => 'Ann Example',
        created_at => $TIME, updated_at => $TIME,
    );
    json_is $res, '/projects/2', \%harbour;
    json_is $res, "/$_->[0]", $_->[1] for [ total => 3 ], [ page => 1 ], [ per_page => 20 ], [ has_next => false ];
    is names($member->get($base, query => $_->[0])), $_->[1], join ' ', %{ $_->[0] }
        for [ { search => 'site' }, 'Barge SITE|Harbour site' ], [ { search => '0%' }, 'Quay 100%' ], [ { search => '%' }, 'Quay 100%' ], [ { search => 'a_' }, '' ], [ { search => 'their' }, '' ],
        [ { owner_id => $ann->uuid }, 'Quay 100%|Harbour site' ], [ { owner_id => $ann->uuid, search => 'site' }, 'Harbour site' ], [ { owner_id => $eve->uuid }, '' ], [ { owner_id => $nobody }, '' ];
    json_is $member->get("$base?search=site&per_page=1"), '/total', 2, 'of what is found the total is how many';
    json_is $member->get($base, query => { owner_id => $ann->uuid, per_page => 1 }), '/total', 2, 'and of an owner\'s';
    is names($member->get("$base?per_page=1&page=2")), 'Quay 100%', 'pages';
    error_is $member->get("$base?page=101&per_page=100"), 422, 'VALIDATION_ERROR', field => 'page', name => '  end';
    status_is $member->get("$base?page=100&per_page=100"), 200;
    error_is $member->get("$base?owner_id=ann"), 422, 'VALIDATION_ERROR', field => 'owner_id';
    json_is $member->get($base, headers => { 'X-Test-Mode' => 'true' }), '/total', 0, 'the test mode has its own';
    json_is $member->get("$base/$harbour"), '', \%harbour, 'one of them';
};

subtest 'deleting' => sub {
    error_is $admin->delete("$base/$quay", headers => { 'If-Match' => '"1-00000000"' }), 412, 'PRECONDITION_FAILED';
    status_is $admin->delete("$base/$quay"), 204;
    error_is $admin->delete("$base/$quay"), 404, 'NOT_FOUND';
    error_is $member->get("$base/$quay"), 404, 'NOT_FOUND';
    json_is $ann->get('/api/v1/app/projects'), '/total', 1, 'the owner has one less';
    is_deeply $t->db->selectall_arrayref(q{SELECT actor_type, actor_id, details ->> 'name', details ->> 'owner' FROM audit_events WHERE action = 'project.delete'}),
        [ [ 'team', $admin->id, 'Quay 100%', 'user_ann' ] ], 'it is put down, by whom and whose it was';
};
