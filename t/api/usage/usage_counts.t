# Requests are counted in memory, and written some seconds later; what was used is added up by day.

use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start(slow => 1);
my $key  = $t->key;
my $none = '00000000-0000-0000-0000-000000000000';
my $me   = '/api/v1/app/users/me';

my ($ann, $bob) = map { $t->user($_) } qw(ann bob);
my $eve = $t->user('eve', tenant => 'other');
my $org = $t->organization($ann);

# How many requests of a user, in an organization, are written.
sub counted ($user, $organization = $none, $tenant = undef) {
    return scalar $t->db->selectrow_array(q{SELECT coalesce(sum(quantity), 0) FROM usage_daily WHERE tenant_id = ? AND user_id = ? AND organization_id = ? AND metric = 'api_requests'},
        undef, $tenant // $user->tenant_id, $user ? $user->uuid : $none, $organization);
}

subtest 'each request of a caller who was let in counts' => sub {
    my $before = counted(undef, $none, $ann->tenant_id);
    status_is $ann->get($me), 200 for 1 .. 3;
    error_is $ann->get('/api/v1/app/projects/nothing'), 404, 'NOT_FOUND', name => 'also what is refused behind the door';
    error_is $ann->post('/api/v1/app/projects', {}), 422, 'VALIDATION_ERROR';
    status_is $eve->get($me), 200;
    error_is $ann->with(token => $t->token($ann, exp => time - 60))->get($me), 401, 'AUTHENTICATION_ERROR', name => 'but nobody can count for somebody else';
    my $gone = $t->user('gone');
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $gone->session);
    error_is $gone->get($me), 401, 'AUTHENTICATION_ERROR';
    status_is $ann->with(key => $key)->get("/api/v1/organizations/$org"), 200 for 1 .. 2;
    status_is $ann->get('/api/v1/goals', headers => { 'X-Workspace-Id' => $org }), 200;
    status_is $t->client(key => $key)->get('/api/v1/users/stats'), 200;
    eventually { counted($ann) == 5 && counted($ann, $org) == 3 && counted($eve) == 1 } 20, 'and is written';
    is counted(undef, $none, $ann->tenant_id), $before + 1, 'that of a key alone is the tenant\'s';
    is counted($gone), 0, 'who was not let in has none';
};

subtest 'what was counted is there after a restart' => sub {
    status_is $bob->get($me), 200 for 1 .. 4;
    ok $t->log_of($bob->last), 'all of them have ended';    # which is after the answer
    $t->master('slow')->stop;
    is counted($bob), 4, 'whoever goes writes it';
    status_is $bob->get($me), 200;
    ok $t->log_of($bob->last), 'one more has ended';
    is counted($bob), 4, 'nobody is there to write';
    $t->start_pool('slow');
    eventually { counted($bob) == 5 } 20, 'and then somebody is';
};

subtest 'what could not be written is written later' => sub {
    $t->expect_log(qr/usage: /);
    $t->db->do('ALTER TABLE usage_daily ADD CONSTRAINT nothing CHECK (false) NOT VALID');
    status_is $bob->get($me), 200;
    eventually { grep { ($_->{message} // '') =~ /usage: / } $t->log } 20, 'it is told that it could not';
    $t->db->do('ALTER TABLE usage_daily DROP CONSTRAINT nothing');
    eventually { counted($bob) == 6 } 20, 'and it is not lost';
};

subtest 'what was used is added up by day' => sub {
    my $db = $t->lock(q{SELECT set_config('app.tenant_id', ?, true)}, $ann->tenant_id);
    $db->do('SELECT usage_consume(?, ?, ?, NULL, ?)', undef, $org, $ann->uuid, '{"ai_requests": 1}', 'gpt-4o');
    $db->do('SELECT usage_consume(NULL, ?, ?)', undef, $ann->uuid, '{"ai_requests": 2}');
    $db->commit;
    eventually { $ann->get('/api/v1/app/usage/current-period')->json('/ai_requests') == 3 } 20, 'and shown';
    json_is $ann->get('/api/v1/app/usage/breakdown?metric=ai_requests'), '/breakdown', { 'gpt-4o' => 1, other => 2 };
};
