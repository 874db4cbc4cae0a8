# Limits that a tenant sets for an organization or a user, with a secret key or on the dashboard.

use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $key    = $t->key;
my $server = $t->client(key => $key);
my $ann    = $t->user('ann')->with(key => $key);
my $bob    = $t->user('bob')->with(key => $key);
my $eve    = $t->user('eve', tenant => 'other');
my $org    = $t->organization($ann);
my $theirs = $t->organization($eve);
my $limits = '/api/v1/usage/limits';
my $board  = '/api/v1/dashboard/usage-limits';
my ($boss, $mate) = map { $t->team($_, role => $_) } qw(admin member);
$t->member($org, $bob, 'member');

my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Of limits', true, '{"messages": 100}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id IN (?, ?)', undef, $plan, $ann->uuid, $bob->uuid);

sub uses ($who, $n) { return $who->post('/api/v1/usage/consume', { tokens => $n, usage_type => 'messages', user_id => $who->uuid, organization_id => $org }) }

sub stored () {
    return $t->db->selectall_arrayref(q{SELECT organization_id, user_id, metric, max FROM usage_limits ORDER BY organization_id, user_id, metric});
}

subtest 'who may, and what is refused' => sub {
    my $one = "$limits/$org/messages";
    for my $who ($t->client, $t->client(key => $t->key(type => 'public'), origin => 'https://app.example.com')) {
        my ($status, $code) = $who->{key} ? (403, undef) : (401, undef);
        cmp_ok $who->get($limits)->status, '>=', 401, 'not without a secret key';
        cmp_ok $who->put($one, { max => 1 })->status, '>=', 401, '  neither to change one';
    }
    error_is $mate->put("$board/$org/messages", { max => 1 }), 403, 'AUTHORIZATION_ERROR', name => 'a member of the team looks';
    error_is $mate->delete("$board/$org/messages"), 403, 'AUTHORIZATION_ERROR';
    status_is $mate->get($board), 200;
    error_is $server->put($one, {}), 422, 'VALIDATION_ERROR', field => 'max';
    error_is $server->put($one, { max => $_ }), 422, 'VALIDATION_ERROR', field => 'max', name => "max $_" for -1, 1.5, '"x"', 1_000_000_000_000_001;
    error_is $server->put("$limits/$org/nothing", { max => 1 }), 404, 'NOT_FOUND', name => 'a metric that there is not';
    error_is $server->put("$limits/$_/messages", { max => 1 }), 404, 'NOT_FOUND', name => 'nobody of this tenant' for $theirs, $eve->uuid, $eve->id, 'user_nobody';
    error_is $server->put("$one?organization_id=$org", { max => 1 }), 422, 'VALIDATION_ERROR', field => 'organization_id', name => 'an organization is in none';
    error_is $server->put("$limits/" . $ann->id . "/messages?organization_id=$theirs", { max => 1 }), 422, 'VALIDATION_ERROR', field => 'organization_id', name => 'nor is a user in another tenant\'s';
    error_is $server->get($one), 404, 'NOT_FOUND', name => 'none is set yet';
    error_is $server->delete($one), 404, 'NOT_FOUND';
    is_deeply stored(), [], 'and nothing was';
};

subtest 'of an organization, of a user, of a user in an organization' => sub {
    my $none = '00000000-0000-0000-0000-000000000000';
    my $res  = $server->put("$limits/$org/messages", { max => 4 });
    status_is $res, 200;
    json_is $res, '', sub ($d) { return $d->{organization_id} eq $org && !defined $d->{user_id} && $d->{metric} eq 'messages' && $d->{max} == 4 && $d->{created_at} }, 'as it is';
    json_is $server->put("$limits/$org/messages", { max => 3 }), '/max', 3, 'set again it is another one';
    json_is $server->put("$limits/" . $bob->id . "/messages?organization_id=$org", { max => 2 }), '/user_id', $bob->uuid, 'of a user, by either id';
    status_is $server->put("$limits/" . $bob->uuid . '/ai_tokens', { max => 0 }), 200;
    is_deeply stored(), [ [ $none, $bob->uuid, 'ai_tokens', 0 ], [ $org, $none, 'messages', 3 ], [ $org, $bob->uuid, 'messages', 2 ] ], 'a row each';
    my $of = sub ($query) { return [ map { $_->{max} } @{ $server->get("$limits$query")->json('/items') } ] };
    is_deeply $of->(''), [ 0, 3, 2 ], 'all of them';
    is_deeply $of->("?organization_id=$org"), [ 3, 2 ], 'those in an organization';
    is_deeply $of->('?user_id=' . $bob->uuid), [ 0, 2 ], 'those of a user';
    json_is $server->get("$limits/" . $bob->uuid . '/ai_tokens'), '/max', 0, 'one of them';
    error_is $server->get("$limits/" . $bob->uuid . '/messages'), 404, 'NOT_FOUND', name => 'outside of organizations there is none';
    is_deeply [ $t->client(key => $t->key(tenant => 'other'))->get($limits)->json('/items') ], [ [] ], 'another tenant has none';
};

# A 402, and of how many it is the limit.
sub refused ($res, $limit, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    status_is $res, 402, $name;
    json_is $res, '/error/details/limit', $limit, "  of $limit";
    return;
}

subtest 'they hold, and come before what the plan says' => sub {
    status_is uses($bob, 2), 200;
    refused(uses($bob, 1), 2, 'a user\'s own');
    status_is uses($ann, 1), 200;
    refused(uses($ann, 1), 3, 'and the organization\'s');
    json_is $server->put("$limits/$org/messages", { max => 5 }), '/max', 5;
    status_is uses($ann, 2), 200, 'more at once when there is more';
    status_is $server->delete("$limits/$org/messages"), 200;
    status_is uses($ann, 50), 200, 'and as much as the plan says without one';
    refused(uses($ann, 50), 100, '  and no more');
    refused(uses($bob, 1), 2, 'the user\'s own is still there');
};

subtest 'the dashboard sets the same' => sub {
    json_is $boss->put("$board/" . $bob->id . "/messages?organization_id=$org", { max => 3 }), '/max', 3;
    json_is $server->get("$limits/" . $bob->uuid . "/messages?organization_id=$org"), '/max', 3, 'one';
    json_is $mate->get("$board/" . $bob->uuid . "/messages?organization_id=$org"), '/max', 3, 'for both';
    status_is uses($bob, 1), 200;
    status_is $boss->delete("$board/" . $bob->id . "/messages?organization_id=$org"), 200;
    is scalar @{ $boss->get($board)->json('/items') }, 1, 'one is left';
    is_deeply $t->db->selectcol_arrayref(q{SELECT action || ' ' || (details ->> 'metric') FROM audit_events WHERE resource_type = 'usage_limit' ORDER BY seq DESC LIMIT 2}),
        [ 'usage_limit.delete messages', 'usage_limit.put messages' ], 'and the audit log has it';
};
