use v5.36;
use lib 't/lib';
use Api;

# Templates of a tenant's agents: made, listed, changed and archived, by people and by keys of organizations that are for it.
my $t      = Api->start;
my $db     = $t->db;
my $base   = '/api/v1/public/templates';
my $ed     = $t->user('ed', role => 'editor');
my $member = $t->user('member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my $org    = $t->organization($ed);
my %ONE    = (name => 'Tide watcher', slug => 'tide-watcher');

sub key_for (@scopes) { return $t->client(key => $t->key(type => 'organization', of => $org, by => $ed, columns => { scopes => \@scopes })) }
sub make ($who, %template) { return $who->post($base, { %ONE, %template }) }
sub slugs ($res) { return join ' ', map { $_->{slug} } @{ $res->json('/data') } }

subtest 'who may' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/1";
    error_is $t->post($base, \%ONE), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client->$_("$base/1"), 401, 'AUTHENTICATION_ERROR' for qw(patch delete);
    error_is make($_), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    error_is $_->patch("$base/1", { name => 'x' }), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    error_is $_->delete("$base/1"), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    my ($reads, $writes, $other) = (key_for('templates:read'), key_for('templates:write'), key_for('agents:read', 'agents:write', 'tasks:write'));
    error_is $_->get($base), 403, 'INSUFFICIENT_SCOPE', name => 'to write is not to read' for $writes, $other;
    error_is $_->get("$base/1"), 403, 'INSUFFICIENT_SCOPE' for $writes, $other;
    error_is make($_), 403, 'INSUFFICIENT_SCOPE', name => 'to read is not to write' for $reads, $other;
    error_is $_->patch("$base/1", { name => 'x' }), 403, 'INSUFFICIENT_SCOPE' for $reads, $other;
    error_is $_->delete("$base/1"), 403, 'INSUFFICIENT_SCOPE' for $reads, $other;
    is $db->selectrow_array('SELECT count(*) FROM agent_templates'), 0, 'nothing was written';
    status_is $_->get($base), 200, 'and these read' for $viewer, $demo, $reads, key_for('*'), $t->client(key => $t->key);
    status_is make($writes, slug => 'by-key'), 201, 'a key with the scope makes one';
    status_is make(key_for('*'), slug => 'by-all'), 201, '  or with all';
    status_is make($t->client(key => $t->key), slug => 'by-tenant'), 201, 'and a tenant\'s own key';
    status_is make($member, slug => 'by-member'), 201, 'and any member';
    $db->do('DELETE FROM agent_templates');
};

subtest 'what is refused' => sub {
    error_is $ed->post($base, { slug => 'x' }), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ed->post($base, { name => 'x' }), 400, 'VALIDATION_ERROR', field => 'slug';
    error_is $ed->post($base, undef, body => '{'), 400, 'VALIDATION_ERROR';
    error_is make($ed, name => $_), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101, 7, undef;
    error_is make($ed, slug => $_), 400, 'VALIDATION_ERROR', field => 'slug' for '', 'x' x 101, 'Upper', 'a b', 'a_b', 'ä', undef;
    error_is make($ed, description => 'x' x 2001), 400, 'VALIDATION_ERROR', field => 'description';
    error_is make($ed, $_ => 'x' x 101), 400, 'VALIDATION_ERROR', field => $_ for qw(icon category model);
    error_is make($ed, interval_sec => $_), 400, 'VALIDATION_ERROR', field => 'interval_sec' for 59, 604_801, 'x', 60.5;
    error_is make($ed, identity => 'x' x 65_537), 400, 'VALIDATION_ERROR', field => 'identity';
    error_is make($ed, $_ => 'search'), 400, 'VALIDATION_ERROR', field => $_ for qw(tools capabilities config);
    error_is make($ed, $_ => [7]), 400, 'VALIDATION_ERROR' for qw(tools capabilities);
    error_is make($ed, $_ => [ ('x') x 101 ]), 400, 'VALIDATION_ERROR', field => $_ for qw(tools capabilities);
    error_is make($ed, config => []), 400, 'VALIDATION_ERROR', field => 'config';
    error_is make($ed, config => { a => 'x' x 65_536 }), 400, 'VALIDATION_ERROR', field => 'config';
    error_is make($ed, is_featured => 'yes'), 400, 'VALIDATION_ERROR', field => 'is_featured';
    error_is make($ed, sort_order => $_), 400, 'VALIDATION_ERROR', field => 'sort_order' for 2_147_483_648, -2_147_483_649, 'x', 1.5;
    error_is make($ed, identity => 'x' x 2_097_152), 413, 'PAYLOAD_TOO_LARGE';
    is $db->selectrow_array('SELECT count(*) FROM agent_templates'), 0, 'nothing was written';
    error_is $ed->get("$base/$_"), 400, 'VALIDATION_ERROR' for 'x', '0', '-1', '1.5', '99999999999999999999';
    error_is $ed->patch("$base/x", { name => 'x' }), 400, 'VALIDATION_ERROR';
    error_is $ed->delete("$base/x"), 400, 'VALIDATION_ERROR';
    error_is $ed->get("$base/999999999"), 404, 'NOT_FOUND';
    error_is $ed->patch("$base/999999999", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $ed->delete("$base/999999999"), 404, 'NOT_FOUND';
    error_is $ed->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'limit=0', 'limit' ], [ 'limit=-1', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ], [ 'offset=x', 'offset' ], [ 'featured=maybe', 'featured' ];
};

my $id;
subtest 'made and shown' => sub {
    my %all = (%ONE, description => 'd', icon => 'wave', category => 'research', model => 'm', interval_sec => 60, identity => 'You watch.', tools => [ 'search', 'a "quoted" one' ],
        capabilities => ['reports'], config => { harbour => { east => 1 } }, is_featured => true, sort_order => -5);
    my $res = make($ed, %all, unknown => 1);
    status_is $res, 201;
    $id = $res->json('/data/id');
    json_is $res, '', { data => { id => qr/\A\d+\z/, %all, created_at => $TIME, updated_at => $TIME } };
    json_is $viewer->get("$base/$id"), '', { data => { id => $id, %all, created_at => $TIME, updated_at => $TIME } };
    $res = make($ed, name => 'x' x 100, slug => 'x' x 100);
    json_is $res, '/data', {
        id => qr/\A\d+\z/, name => 'x' x 100, slug => 'x' x 100, description => undef, icon => undef, category => undef, model => undef, interval_sec => undef, identity => undef,
        tools => [], capabilities => [], config => {}, is_featured => false, sort_order => 0, created_at => $TIME, updated_at => $TIME,
    }, 'what is left out';
    status_is make($ed, slug => '-1-', description => 'x' x 2000, icon => 'x' x 100, category => 'x' x 100, model => 'x' x 100, interval_sec => 604_800, identity => 'x' x 65_536,
        tools => [ ('x' x 100) x 100 ], sort_order => 2_147_483_647), 201, 'the most of all';
    error_is make($ed), 409, 'CONFLICT', field => 'slug', name => 'a slug that is there';
    status_is make($theirs), 201, 'is free in another tenant';
    error_is $theirs->get("$base/$id"), 404, 'NOT_FOUND', name => 'which sees none of ours';
    error_is $theirs->patch("$base/$id", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $theirs->delete("$base/$id"), 404, 'NOT_FOUND';
    is $db->selectrow_array(q{SELECT string_agg(details ->> 'slug', ' ') FROM audit_events WHERE action = 'agent_template.create' AND resource_id = ?}, undef, $id), 'tide-watcher', 'and it is in the audit log';
};

subtest 'changed' => sub {
    my $at = "$base/$id";
    error_is $ed->patch($at, $_), 400, 'VALIDATION_ERROR', name => 'nothing known' for {}, { slug => 'other' }, { unknown => 1 };
    error_is $ed->patch($at, { $_ => undef }), 400, 'VALIDATION_ERROR', field => $_ for qw(name tools capabilities config is_featured sort_order);
    error_is $ed->patch($at, { name => '' }), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ed->patch($at, { interval_sec => 59 }), 400, 'VALIDATION_ERROR', field => 'interval_sec';
    error_is $ed->patch($at, { config => { a => 'x' x 65_536 } }), 400, 'VALIDATION_ERROR', field => 'config';
    json_is $ed->get($at), '/data/config', { harbour => { east => 1 } }, 'nothing was changed';
    my $res = $ed->patch($at, { name => 'Tides', slug => 'other', tools => [], config => { b => 2 } });
    status_is $res, 200;
    json_is $res, '/data/slug', 'tide-watcher', 'a slug is for good';
    json_is $res, '/data/config', { b => 2 }, 'config is another one, whole';
    json_is $res, '/data/tools', [];
    json_is $res, '/data/capabilities', ['reports'], 'what is left out stays';
    json_is $res, '/data/interval_sec', 60;
    json_is $res, '/data/is_featured', true;
    json_is $res, '/data/sort_order', -5;
    $res = $member->patch($at, { map { $_ => undef } qw(description icon category model interval_sec identity) });
    status_is $res, 200, 'any member changes it';
    json_is $res, "/data/$_", undef, "$_ is cleared" for qw(description icon category model interval_sec identity);
    json_is $res, '/data/name', 'Tides';
    json_is key_for('templates:write')->patch($at, { sort_order => 3, is_featured => false, interval_sec => 3600 }), '/data/sort_order', 3, 'and a key';
    json_is $ed->get($at), '/data/interval_sec', 3600;
    is $db->selectrow_array(q{SELECT details ->> 'fields' FROM audit_events WHERE action = 'agent_template.update' AND resource_id = ? ORDER BY seq DESC LIMIT 1}, undef, $id), '["interval_sec", "is_featured", "sort_order"]', 'the audit log says what';
};

subtest 'archived' => sub {
    my $res = $ed->delete("$base/$id");
    json_is $res, '', { data => { id => $id, archived => true }, meta => { message => 'Template archived' } };
    error_is $ed->get("$base/$id"), 404, 'NOT_FOUND', name => 'it is not shown';
    error_is $ed->patch("$base/$id", { name => 'x' }), 404, 'NOT_FOUND', name => '  nor changed';
    error_is $ed->delete("$base/$id"), 404, 'NOT_FOUND', name => '  nor archived once more';
    unlike slugs($ed->get($base)), qr/tide-watcher/, '  nor listed';
    error_is make($ed), 409, 'CONFLICT', field => 'slug', name => 'and its slug stays taken';
    ok $db->selectrow_array('SELECT archived_at FROM agent_templates WHERE number = ?', undef, $id), 'the row is there';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'agent_template.archive' AND resource_id = ?}, undef, $id), 1, 'and the audit log says so, once';
};

subtest 'listed' => sub {
    $db->do('DELETE FROM agent_templates');
    json_is $ed->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    make($ed, slug => $_->[0], name => $_->[1], sort_order => $_->[2], category => $_->[3], is_featured => $_->[4])
        for [ 'b2', 'B', 2, 'x', true ], [ 'a2', 'A', 2, 'y', false ], [ 'z1', 'Z', 1, 'x', false ], [ 'same', 'A', 2, 'x', true ];
    make($theirs, slug => 'theirs');
    is slugs($viewer->get($base)), 'z1 a2 same b2', 'by sort_order, then by name';
    json_is $viewer->last, '/meta', { total => 4, limit => 50, offset => 0 };
    is slugs($viewer->get("$base?limit=2&offset=1")), 'a2 same', 'a page';
    json_is $viewer->last, '/meta', { total => 4, limit => 2, offset => 1 };
    is slugs($viewer->get("$base?category=x")), 'z1 same b2', 'of a category';
    json_is $viewer->last, '/meta/total', 3, '  and counted';
    is slugs($viewer->get("$base?category=X")), '', '  as it is written';
    is slugs($viewer->get("$base?featured=true")), 'same b2', 'featured ones';
    json_is $viewer->last, '/meta/total', 2;
    is slugs($viewer->get("$base?featured=false")), 'z1 a2 same b2', 'false is all of them';
    is slugs($viewer->get("$base?featured=true&category=x")), 'same b2', 'both';
    json_is $viewer->get("$base?limit=201"), '/meta/limit', 200, 'at most 200';
    json_is $viewer->get("$base?offset=4"), '', { data => [], meta => { total => 4, limit => 50, offset => 4 } }, 'behind the last one';
    is slugs(key_for('templates:read')->get($base)), 'z1 a2 same b2', 'a key\'s are those of its tenant';
    is slugs($theirs->get($base)), 'theirs', 'another tenant has its own';
};
