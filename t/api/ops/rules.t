use v5.36;
use lib 't/lib';
use Api;

# Rules for the agents of the installation: for its operators alone, and permanent ones for an administrator.
my $t    = Api->start;
my $db   = $t->db;
my $base = '/api/rules';
my $boss = $t->user('boss', role => 'admin');
my $ed   = $t->user('ed',   role => 'editor');
my $vera = $t->user('vera', role => 'viewer');
my $bot  = $t->user('bot',  role => 'agent');
my $eve  = $t->user('eve',  role => 'superadmin', tenant => 'other');
my $key  = $t->client(key => $t->key);
my %row  = (id => qr/\A\d+\z/, rule => 'Look twice', scope => 'all', category => 'general', permanent => false, created_at => $TIME, updated_at => $TIME);

sub rules ($res) { return join '|', map { $_->{rule} } @{ $res->json('/data') } }
sub audited ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE action = ?', undef, "rule.$action") }

subtest 'making one' => sub {
    error_is $t->post($base, { rule => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $t->key(type => 'public'))->post($base, { rule => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($base, { rule => 'X' }), 403, 'AUTHORIZATION_ERROR' for $eve, $t->client(key => $t->key(tenant => 'other')), $vera, $bot, map { $t->user("a-$_", role => $_) } qw(member demo);
    error_is $ed->post($base, undef, raw => '{'), 400, 'VALIDATION_ERROR';
    error_is $ed->post($base, $_), 400, 'VALIDATION_ERROR', field => 'rule' for {}, map { { rule => $_ } } undef, '', 7, 'x' x 5001;
    for my $field (qw(scope category)) {
        error_is $ed->post($base, { rule => 'X', $field => $_ }), 400, 'VALIDATION_ERROR', field => $field for undef, '', 7, 'x' x 101;
    }
    error_is $ed->post($base, { rule => 'X', permanent => $_ }), 400, 'VALIDATION_ERROR', field => 'permanent' for undef, 1, 'true';
    is $db->selectrow_array('SELECT count(*) FROM rules'), 0, 'nothing is there yet';
    my $res = $ed->post($base, { rule => 'Look twice' });
    status_is $res, 201;
    json_is $res, '/data', \%row, 'for all, unless it says otherwise';
    json_is $key->post($base, { rule => 'x' x 5000, scope => 'x' x 100, category => 'y' x 100, permanent => true }), '/data', { %row, rule => 'x' x 5000, scope => 'x' x 100, category => 'y' x 100, permanent => true }, 'the longest, by a key';
    is audited('create'), 2;
    $db->do('DELETE FROM rules');
};

my %id;
for ([ 'general', 'all', 'arch-stack', 0 ], [ 'pilot', 'pilot', 'workflow', 0 ], [ 'kept', 'all', 'workflow', 1 ], [ 'crane', 'crane', 'workflow', 0 ], [ 'pilot kept', 'pilot', 'arch-stack', 1 ]) {
    my ($rule, $scope, $category, $permanent) = @$_;
    $id{$rule} = $boss->post($base, { rule => $rule, scope => $scope, category => $category, permanent => $permanent ? true : false })->json('/data/id');
}

subtest 'looking' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $_->get($base), 403, 'AUTHORIZATION_ERROR' for $eve, $t->client(key => $t->key(tenant => 'other')), $t->user('m', role => 'member'), $t->user('d', role => 'demo');
    error_is $vera->get("$base?permanent=$_"), 400, 'VALIDATION_ERROR', field => 'permanent' for 2, 'true', '';
    is rules($vera->get($base)), 'kept|pilot kept|general|pilot|crane', 'permanent ones first, then as they were made';
    json_is $vera->last, '/meta', { total => 5, limit => 1000, offset => 0 };
    json_is $vera->last, '/data/0', { %row, id => $id{kept}, rule => 'kept', category => 'workflow', permanent => true };
    is rules($_->get($base)), 'kept|pilot kept|general|pilot|crane' for $bot, $key, $ed, $t->user('b', role => 'builder');
    is rules($vera->get("$base?scope=all")),   'kept|general',                 'those of all';
    is rules($vera->get("$base?scope=pilot")), 'pilot kept|pilot',             'those of one';
    is rules($vera->get("$base?scope=pil")),   '',                             'exactly';
    is rules($vera->get("$base?agent=pilot")), 'kept|pilot kept|general|pilot', 'what an agent is told';
    json_is $vera->last, '/meta/total', 4, 'of which there are so many';
    is rules($vera->get("$base?agent=new")), 'kept|general', 'an agent without rules of its own';
    is rules($vera->get("$base?agent=pilot&scope=pilot")), 'pilot kept|pilot', 'both';
    is rules($vera->get("$base?agent=pilot&scope=crane")), '', 'both';
    is rules($vera->get("$base?category=arch-stack")), 'pilot kept|general';
    is rules($vera->get("$base?category=ARCH-STACK")), '', 'exactly';
    is rules($vera->get("$base?permanent=1")), 'kept|pilot kept';
    is rules($vera->get("$base?permanent=0&category=workflow&agent=crane")), 'crane';
    is rules($vera->get("$base?limit=1")), 'kept|pilot kept|general|pilot|crane', 'no pages';
};

subtest 'changing' => sub {
    my $path = "$base/$id{crane}";
    error_is $t->client->patch($path, { rule => 'Y' }), 401, 'AUTHENTICATION_ERROR';
    error_is $_->patch($path, { rule => 'Y' }), 403, 'AUTHORIZATION_ERROR' for $eve, $vera, $bot;
    error_is $ed->patch("$base/$_", { rule => 'Y' }), 400, 'VALIDATION_ERROR', field => 'rule_number' for 'x', 0, '1.5';
    error_is $ed->patch("$base/999999999", { rule => 'Y' }), 404, 'NOT_FOUND';
    error_is $ed->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { id => 1 }, { rule => undef }, { rule => '' }, { scope => '' }, { category => undef }, { permanent => 'yes' };
    error_is $_->patch("$base/$id{kept}", { rule => 'Y' }), 403, 'AUTHORIZATION_ERROR', name => 'a permanent one' for $ed, $key;
    error_is $ed->patch("$base/$id{kept}", { permanent => false }), 403, 'AUTHORIZATION_ERROR', name => 'nor that it is one';
    json_is $ed->patch($path, { rule => 'Lift slowly' }), '/data', { %row, id => $id{crane}, rule => 'Lift slowly', scope => 'crane', category => 'workflow' }, 'what is not sent stays';
    json_is $key->patch($path, { scope => 'all', category => 'x', permanent => true }), '/data', { %row, id => $id{crane}, rule => 'Lift slowly', category => 'x', permanent => true };
    json_is $boss->patch($path, { permanent => false }), '/data/permanent', false, 'an administrator takes it back';
    json_is $t->user('root', role => 'superadmin')->patch("$base/$id{kept}", { category => 'z' }), '/data/category', 'z';
    is audited('update'), 4;
};

subtest 'deleting' => sub {
    my $path = "$base/$id{crane}";
    error_is $t->client->delete($path), 401, 'AUTHENTICATION_ERROR';
    error_is $_->delete($path), 403, 'AUTHORIZATION_ERROR' for $eve, $vera, $bot;
    error_is $ed->delete("$base/x"), 400, 'VALIDATION_ERROR', field => 'rule_number';
    error_is $ed->delete("$base/999999999"), 404, 'NOT_FOUND';
    error_is $_->delete("$base/$id{kept}"), 403, 'AUTHORIZATION_ERROR', name => 'a permanent one' for $ed, $boss;
    json_is $ed->delete($path), '', { data => { id => $id{crane}, deleted => true }, meta => { message => 'Rule deleted' } };
    error_is $ed->delete($path), 404, 'NOT_FOUND', name => 'once';
    is $db->selectrow_array('SELECT count(*) FROM rules WHERE number = ?', undef, $id{crane}), 0;
    is audited('delete'), 1;
};
