use v5.36;
use lib 't/lib';
use Api;

# The activity log of a tenant: what its people, machines and programs did, counted without being counted.
my $t      = Api->start(main => 4);
my $db     = $t->db;
my $base   = '/api/activity-log';
my $ann    = $t->user('ann', role => 'member');
my $adam   = $t->user('adam', role => 'admin');
my $bot    = $t->user('bot', role => 'agent');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $key    = $t->client(key => $t->key);

sub number ($who) { return '' . $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub stored () { return $db->selectrow_array('SELECT count(*) FROM activity_log WHERE tenant_id = ?', undef, $t->tenant_id) }
sub ids ($res) { return join ' ', map { $_->{id} } @{ $res->json('/data') } }
my %one = (actor_type => 'system', actor_id => 'cron', action => 'report.sent');

subtest 'who may' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/stats";
    error_is $t->client(token => 'x.y.z')->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $t->post($base, \%one), 401, 'AUTHENTICATION_ERROR';
    status_is $_->get($base), 200 for $viewer, $demo, $ann, $key;
    error_is $_->post($base, \%one), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    is stored(), 0, 'nothing is written for that';
};

subtest 'what is malformed is 400' => sub {
    error_is $ann->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    for my $field (sort keys %one) {
        my %less = %one;
        delete $less{$field};
        error_is $ann->post($base, \%less), 400, 'VALIDATION_ERROR', field => $field;
        error_is $ann->post($base, { %one, $field => $_ }), 400, 'VALIDATION_ERROR', field => $field for '', undef, 7, 'x' x 201;
    }
    error_is $ann->post($base, { %one, actor_type => 'robot' }), 400, 'VALIDATION_ERROR', field => 'actor_type';
    error_is $ann->post($base, { %one, entity_type => $_ }), 400, 'VALIDATION_ERROR', field => 'entity_type' for '', 'x' x 101;
    error_is $ann->post($base, { %one, entity_id => $_ }), 400, 'VALIDATION_ERROR', field => 'entity_id' for '', 'x' x 201;
    error_is $ann->post($base, { %one, metadata => $_ }), 400, 'VALIDATION_ERROR', field => 'metadata' for [], 'x', undef, { x => 'y' x 16_400 };
    error_is $ann->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'actor_type=robot', 'actor_type' ], [ 'limit=0', 'limit' ], [ 'limit=-1', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ], [ 'offset=x', 'offset' ];
    is stored(), 0, 'nothing is written for that';
};

subtest 'putting one down' => sub {
    my $res = $ann->post($base, { %one, entity_type => 'report', entity_id => '2026-11', metadata => { pages => 3 }, unknown => 1 });
    status_is $res, 201;
    json_is $res, '/data', { id => qr/\A\d+\z/, %one, entity_type => 'report', entity_id => '2026-11', metadata => { pages => 3 }, created_at => $TIME };
    json_is $ann->post($base, \%one), '/data', { id => qr/\A\d+\z/, %one, entity_type => undef, entity_id => undef, metadata => {}, created_at => $TIME };
    status_is $ann->post($base, { actor_type => 'agent', actor_id => 'x' x 200, action => 'x' x 200, entity_type => 'x' x 100, entity_id => 'x' x 200, metadata => { x => 'y' x 16_370 } }), 201, 'the longest';
    status_is $key->post($base, \%one), 201, 'a secret key of the tenant does, too';
};

subtest 'who speaks for whom' => sub {
    my %user = (actor_type => 'user', action => 'map.printed');
    status_is $ann->post($base, { %user, actor_id => number($ann) }), 201, 'for themselves';
    error_is $ann->post($base, { %user, actor_id => $_ }), 403, 'AUTHORIZATION_ERROR', field => 'actor_id', name => 'for nobody else' for number($adam), 'ann', '0' . number($ann);
    error_is $key->post($base, { %user, actor_id => number($ann) }), 403, 'AUTHORIZATION_ERROR', field => 'actor_id', name => '  nor a key that is nobody\'s';
    status_is $_->post($base, { %user, actor_id => number($ann) }), 201, $_->id . ' for others' for $adam, $bot;
};

subtest 'listing' => sub {
    my $all = $ann->get($base);
    json_is $all, '/meta', { total => 7, limit => 50, offset => 0 };
    is ids($all), join(' ', sort { $b <=> $a } split / /, ids($all)), 'the newest first';
    json_is $viewer->get("$base?actor_type=user"), '/meta/total', 3;
    json_is $viewer->get("$base?actor_type=agent"), '/meta/total', 1;
    json_is $viewer->get("$base?action=report.sent"), '/meta/total', 3;
    json_is $viewer->get("$base?action=report"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'an action is meant exactly';
    json_is $viewer->get("$base?action=report.sen_"), '/meta/total', 0;
    json_is $viewer->get("$base?actor_id=cron"), '/meta/total', 3;
    json_is $viewer->get("$base?actor_id=cron&actor_type=system"), '/meta/total', 3;
    json_is $viewer->get("$base?actor_id=cron&actor_type=user"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'all that is asked for has to be so';
    json_is $viewer->get("$base?actor_id=cron&action=report.sent"), '/meta/total', 3;
    json_is $viewer->get("$base?actor_type=user&action=report.sent"), '/meta/total', 0;
    json_is $viewer->get("$base?actor_type=system&actor_id=cron&action=report.sent&limit=1"), '/meta', { total => 3, limit => 1, offset => 0 };
    is ids($ann->get("$base?limit=2&offset=1")), join(' ', (split / /, ids($all))[1, 2]), 'a page';
    json_is $ann->get("$base?limit=999"), '/meta/limit', 200, 'of at most 200';
    json_is $ann->get("$base?offset=99"), '', { data => [], meta => { total => 7, limit => 50, offset => 99 } };
    json_is $theirs->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'another tenant sees none of it';
};

subtest 'figures' => sub {
    my $res  = $viewer->get("$base/stats");
    my $days = $res->json('/data/by_day');
    is scalar @$days, 30, 'thirty days';
    is join(' ', map { $_->{count} } @$days[ 0 .. 28 ]), join(' ', (0) x 29), '  also those of which there is nothing';
    is $days->[29]{date}, $db->selectrow_array(q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')}), '  until today';
    json_is $res, '/data', { total => 7, last_24h => 7, last_7d => 7, by_actor_type => { agent => 1, system => 3, user => 3 }, by_day => $days,
        top_actions => [ { action => 'map.printed', count => 3 }, { action => 'report.sent', count => 3 }, { action => 'x' x 200, count => 1 } ],
        top_actors  => [ { actor_type => 'system', actor_id => 'cron', count => 3 }, { actor_type => 'user', actor_id => number($ann), count => 3 }, { actor_type => 'agent', actor_id => 'x' x 200, count => 1 } ] };
    $days = $theirs->get("$base/stats")->json('/data/by_day');
    json_is $theirs->last, '/data', { total => 0, last_24h => 0, last_7d => 0, by_actor_type => { agent => 0, system => 0, user => 0 }, by_day => $days, top_actions => [], top_actors => [] }, 'of another tenant\'s they know nothing';

    # Older ones, on either side of each bound.
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $theirs->tenant_id);
    $db->do(q{INSERT INTO activity_log (tenant_id, actor_type, actor_id, action, created_at) SELECT ?, 'agent', 'a:' || i % 12, 'b' || i % 11, now() - x::interval
              FROM unnest('{1 minute,23:59:00,24:01:00,1 day 06:00:00,6 days 23:59:00,7 days 00:01:00,29 days,31 days,400 days}'::text[]) WITH ORDINALITY q (x, i)}, undef, $theirs->tenant_id);
    $db->commit;
    $res = $theirs->get("$base/stats");
    is join('/', map { $res->json("/data/$_") } qw(total last_24h last_7d)), '9/2/5', 'to the second, however long ago';
    my $n = 0;
    $n += $_->{count} for @{ $res->json('/data/by_day') };
    is $n, 7, 'of the last thirty days';
    is scalar @{ $res->json('/data/top_actions') }, 9;
    is $res->json('/data/top_actors/0/actor_id'), 'a:1', 'an actor\'s id may have a colon in it';
    $theirs->post($base, { %one, actor_id => "c$_", action => "d$_" }) for 1 .. 3;
    $theirs->post($base, { %one, actor_id => 'c3', action => 'd3' });
    $res = $theirs->get("$base/stats");
    is scalar @{ $res->json("/data/$_") }, 10, "$_ are at most ten" for qw(top_actions top_actors);
    is $res->json('/data/top_actions/0/action') . $res->json('/data/top_actions/0/count'), 'd32', '  the largest first';
};

subtest 'what is undone was not there' => sub {
    my $before = $ann->get("$base/stats")->json('/data/total');
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $t->tenant_id);
    $db->do(q{SELECT activity_log_put('x', NULL, NULL, '{}', NULL)});
    $db->rollback;
    is $ann->get("$base/stats")->json('/data/total'), $before;
};

subtest 'who is in an organization' => sub {
    my $org = $ann->post('/api/organizations', { name => 'Harbour' })->json('/data/id');
    json_is $ann->get("$base?action=organization.member_added"), '/data/0', { id => qr/\A\d+\z/, actor_type => 'user', actor_id => number($ann), action => 'organization.member_added',
        entity_type => 'organization', entity_id => $org, metadata => { user_id => number($ann), role => 'owner' }, created_at => $TIME };
    $ann->post("/api/organizations/$org/members", { user_id => number($bot) });
    $ann->patch("/api/organizations/$org/members/" . number($bot), { role => 'viewer' });
    json_is $ann->get("$base?action=organization.role_changed"), '/data/0/metadata', { user_id => number($bot), role => 'viewer', previous_role => 'member' };
    $ann->delete("/api/organizations/$org/members/" . number($bot));
    json_is $ann->get("$base?action=organization.member_removed"), '/data/0/metadata', { user_id => number($bot), role => 'viewer' };
    json_is $ann->get("$base?actor_id=" . number($ann) . '&action=organization.member_removed'), '/meta/total', 1, 'and who did it';
};

subtest 'nobody changes what stands there' => sub {
    my $id = $adam->get($base)->json('/data/0/id');
    error_is $adam->delete("$base/$id"), 404, 'NOT_FOUND';
    error_is $adam->patch($base, { action => 'x' }), 405, 'METHOD_NOT_ALLOWED';
};
