use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token 'mint';
use Cpanel::JSON::XS 'encode_json';

# Credentials of the installation: kept sealed, read by administrators and machine users alone, and each time written down.
my $t    = Api->start;
my $db   = $t->db;
my $base = '/api/credentials';
my $boss = $t->user('boss', role => 'admin');
my $root = $t->user('root', role => 'superadmin');
my $bot  = $t->user('bot',  role => 'agent');
my $ed   = $t->user('ed',   role => 'editor');
my $vera = $t->user('vera', role => 'viewer');
my $eve  = $t->user('eve',  role => 'superadmin', tenant => 'other');
my $key  = $t->client(key => $t->key);
my @elsewhere = ($eve, $t->client(key => $t->key(tenant => 'other')));
my @none      = map { $t->user("a-$_", role => $_) } qw(member demo);
my @secrets   = map { "value-$_-" . 'c4ptain' } 0 .. 20;
$t->keep_secret(@secrets);

sub number ($who) { return 0 + $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
my %row = (key => 'deploy.token', description => undef, updated_by => number($boss), created_at => $TIME, updated_at => $TIME);

# A key of an organization whose maker has a role.
sub organization_key ($who) {
    my $made = $who->post('/api/organizations/' . $t->organization($who) . '/api-keys', { name => 'CI', scopes => ['*'] });
    my $text = $made->json('/data/key') // $made->json('/data/secret') or die $made->body;
    $t->keep_secret($text);
    return $t->client(key => $text);
}
sub noted ($action, $of) {
    return join ' ', map { scalar $db->selectrow_array($_, undef, "credential.$action", $of) } 'SELECT count(*) FROM audit_events WHERE action = ? AND resource_id = ?', 'SELECT count(*) FROM activity_log WHERE action = ? AND entity_id = ?';
}

subtest 'saving' => sub {
    my %new = (key => 'deploy.token', value => $secrets[0]);
    error_is $t->post($base, \%new), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($base, \%new), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none, $vera, $bot, $ed, $key, $t->user('b', role => 'builder'), organization_key($boss), organization_key($bot);
    error_is $boss->post($base, undef, raw => '{'), 400, 'VALIDATION_ERROR';
    error_is $boss->post($base, { %new, key => $_ }), 400, 'VALIDATION_ERROR', field => 'key' for undef, '', 7, 'x' x 129, 'a b', 'a/b', "k\x{e9}y", "a\n";
    error_is $boss->post($base, { %new, value => $_ }), 400, 'VALIDATION_ERROR', field => 'value' for undef, '', 7, {}, 'x' x 65_537;
    error_is $boss->post($base, { %new, description => $_ }), 400, 'VALIDATION_ERROR', field => 'description' for undef, 7, 'x' x 501;
    error_is $boss->post($base, { key => 'x' }), 400, 'VALIDATION_ERROR', field => 'value';
    error_is $boss->post($base, { %new, value => 'x' x (2 << 20) }), 413, 'PAYLOAD_TOO_LARGE';
    is $db->selectrow_array('SELECT count(*) FROM credentials'), 0, 'nothing is there yet';
    my $res = $boss->post($base, { %new, description => 'for CI' });
    status_is $res, 201;
    json_is $res, '/data', { %row, description => 'for CI' }, 'without the value';
    is noted(saved => 'deploy.token'), '1 1', 'it is written down';
    my $again = $root->post($base, { %new, value => $secrets[1] });
    status_is $again, 201, 'the same for one that is there';
    json_is $again, '/data', { %row, description => 'for CI', updated_by => number($root), created_at => $res->json('/data/created_at') }, 'what is not said of it stays';
    json_is $boss->post($base, { %new, description => '' }), '/data/description', '', 'unless it is said';
    json_is $boss->post($base, { key => 'A_z.0:9-' . 'x' x 120, value => 'x' x 65_536, description => 'y' x 500 }), '/data/description', 'y' x 500, 'the longest';
    my $rows = encode_json($db->selectall_arrayref('SELECT c::text, v::text FROM credentials c JOIN credential_versions v USING (tenant_id, key) WHERE key = ?', undef, 'deploy.token'));
    unlike $rows, qr/c4ptain/, 'no value is stored as it is';
    is $db->selectrow_array('SELECT count(DISTINCT value_sealed) FROM credential_versions WHERE version IN (1, 3) AND key = ?', undef, 'deploy.token'), 2, 'the same value twice is sealed twice';
};

subtest 'the list' => sub {
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    error_is $_->get($base), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none;
    $boss->post($base, { key => $_, value => $secrets[2] }) for qw(a Z);
    for ($boss, $vera, $bot, $ed, $key, organization_key($ed)) {
        my $res = $_->get($base);
        is join('|', map { substr $_->{key}, 0, 4 } @{ $res->json('/data') }), 'A_z.|Z|a|depl', 'by key';
        json_is $res, '/meta', { total => 4, limit => 1000, offset => 0 };
        json_is $res, '/data/3', { %row, description => '' }, 'without values';
        unlike $res->body, qr/c4ptain/;
    }
};

subtest 'reading' => sub {
    error_is $t->get("$base/a"), 401, 'AUTHENTICATION_ERROR';
    error_is $_->get("$base/a"), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none, $vera, $ed, $key, organization_key($boss), organization_key($ed);
    error_is $_->get("$base/nothing"), 403, 'AUTHORIZATION_ERROR', name => 'who may not is not told whether it is there' for $vera, $ed, $eve;
    error_is $boss->get("$base/$_"), 404, 'NOT_FOUND', name => "no $_" for 'nothing', 'a%20b', 'x' x 200, 'A';
    is noted(read => 'a'), '0 0', 'nobody has read it';
    my $res = $boss->get("$base/deploy.token");
    json_is $res, '/data', { %row, description => '', value => $secrets[0] }, 'with the value';
    is $res->header('Cache-Control'), 'no-store', 'that no cache keeps';
    is noted(read => 'deploy.token'), '1 1', 'which is written down';
    is $db->selectrow_array(q{SELECT actor_id FROM audit_events WHERE action = 'credential.read'}), $boss->id, '  and who it was';
    json_is $_->get("$base/a"), '/data/value', $secrets[2] for $bot, $root, organization_key($bot);
    is noted(read => 'a'), '3 3';
    json_is $boss->get("$base/A_z.0:9-" . 'x' x 120), '/data/value', 'x' x 65_536;
    $boss->post($base, { key => 'odd', value => "\x{1f511} \"\\\n\x{e9}" });
    json_is $boss->get("$base/odd"), '/data/value', "\x{1f511} \"\\\n\x{e9}", 'whatever it is';
};

subtest 'one that does not open' => sub {
    $db->do(q{UPDATE credential_versions SET value_sealed = replace(value_sealed, 'v1.0.', 'v1.lost.') WHERE key = 'a'});
    error_is $boss->get("$base/a"), 500, 'DECRYPTION_FAILED', name => 'its key is lost';
    is noted(read => 'a'), '3 3', '  nobody has read it';
    json_is $boss->get("$base/Z"), '/data/value', $secrets[2], '  others do';
    $db->do(q{UPDATE credential_versions v SET value_sealed = o.value_sealed FROM credential_versions o WHERE v.key = 'a' AND o.key = 'Z'});
    error_is $boss->get("$base/a"), 500, 'DECRYPTION_FAILED', name => 'another one\'s value does not open under this key';
    error_is $boss->post("$base/a/rollback", { version => 1 }), 500, 'DECRYPTION_FAILED', name => 'nor is it put back';
    status_is $boss->post($base, { key => 'a', value => $secrets[3] }), 201, 'it is saved anew';
    json_is $boss->get("$base/a"), '/data/value', $secrets[3];
    $t->expect_log(qr/DECRYPTION_FAILED/);
};

subtest 'versions' => sub {
    my $path = "$base/Z/versions";
    error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
    error_is $_->get($path), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none;
    error_is $vera->get("$base/nothing/versions"), 404, 'NOT_FOUND';
    $root->post($base, { key => 'Z', value => $secrets[$_] }) for 4 .. 14;
    my $res = $vera->get($path);
    is join(' ', map { $_->{version} } @{ $res->json('/data') }), '12 11 10 9 8 7 6 5 4 3', 'the last ten, the latest first';
    json_is $res, '/meta', { total => 10, limit => 1000, offset => 0 };
    json_is $res, '/data/0', { version => 12, is_current => true, updated_by => number($root), created_at => $TIME };
    json_is $res, '/data/1/is_current', false;
    is $db->selectrow_array(q{SELECT count(*) FROM credential_versions WHERE key = 'Z'}), 10, 'and no more are kept';
};

subtest 'back to one of them' => sub {
    my $path = "$base/Z/rollback";
    error_is $t->post($path, { version => 3 }), 401, 'AUTHENTICATION_ERROR';
    error_is $_->post($path, { version => 3 }), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none, $vera, $bot, $ed, $key, organization_key($boss);
    error_is $boss->post("$base/nothing/rollback", { version => 1 }), 404, 'NOT_FOUND';
    error_is $boss->post($path, $_), 400, 'VALIDATION_ERROR', field => 'version' for {}, map { { version => $_ } } undef, 0, 'x', 2, 13, 2_147_483_648;
    json_is $boss->get("$base/Z"), '/data/value', $secrets[14];
    my $res = $boss->post($path, { version => 5 });
    status_is $res, 200;
    json_is $res, '/data', { %row, key => 'Z' };
    json_is $boss->get("$base/Z"), '/data/value', $secrets[7], 'its value is the value again';
    is join(' ', map { $_->{version} } @{ $vera->get("$base/Z/versions")->json('/data') }), '13 12 11 10 9 8 7 6 5 4', 'as a version of its own';
    is $db->selectrow_array(q{SELECT details ->> 'rolled_back_to' FROM audit_events WHERE action = 'credential.saved' AND resource_id = 'Z' ORDER BY seq DESC LIMIT 1}), 5, 'it is written down';
};

subtest 'deleting' => sub {
    error_is $t->client->delete("$base/Z"), 401, 'AUTHENTICATION_ERROR';
    error_is $_->delete("$base/Z"), 403, 'AUTHORIZATION_ERROR' for @elsewhere, @none, $vera, $bot, $ed, $key, organization_key($boss);
    error_is $boss->delete("$base/nothing"), 404, 'NOT_FOUND';
    json_is $boss->delete("$base/Z"), '', { data => { id => 'Z', deleted => true }, meta => { message => 'Credential deleted' } };
    error_is $boss->$_("$base/Z"), 404, 'NOT_FOUND', name => 'it is gone' for qw(get delete);
    is noted(deleted => 'Z'), '1 1';
    is $db->selectrow_array(q{SELECT count(*) FROM credential_versions WHERE key = 'Z'}), 0, 'with all versions';
    $boss->post($base, { key => 'Z', value => $secrets[15] });
    json_is $vera->get("$base/Z/versions"), '/data/0/version', 1, 'one that is made anew begins anew';
};

subtest 'nothing of a value is written anywhere' => sub {
    my $said = encode_json($db->selectall_arrayref('SELECT a::text FROM audit_events a')) . encode_json($db->selectall_arrayref('SELECT a::text FROM activity_log a'));
    unlike $said, qr/c4ptain/, 'in no audit and no activity';
    unlike $t->log, qr/c4ptain/, 'in no log';
};

subtest 'without a key to encrypt with' => sub {
    my $secret = 'a secret of some other issuer, of 32 bytes';
    my $issuer = 'https://project.supabase.example/auth/v1';
    my $bare   = Api->start(JWT_SECRET => '', SUPABASE_ISSUER => $issuer, SUPABASE_JWT_SECRET => $secret);
    my $who    = $bare->client(token => mint({ iat => int time, exp => 3600 + int time, iss => $issuer, sub => 'ann', aud => 'authenticated', role => 'authenticated' }, key => $secret));
    $bare->keep_secret($secret);
    error_is $bare->post($base, { key => 'a', value => 'b' }), 401, 'AUTHENTICATION_ERROR', name => 'nobody is told so';
    error_is $who->post($base, { key => 'a', value => 'b' }), 403, 'AUTHORIZATION_ERROR', name => 'nor who may not';
    $bare->db->do(q{UPDATE users SET role = 'admin'});
    error_is $who->post($base, { key => 'a', value => 'b' }), 503, 'SERVICE_UNAVAILABLE';
    error_is $who->get("$base/a"), 503, 'SERVICE_UNAVAILABLE';
    error_is $who->post("$base/a/rollback", { version => 1 }), 503, 'SERVICE_UNAVAILABLE';
    json_is $who->get($base), '/data', [], 'the list is there';
    error_is $who->delete("$base/a"), 404, 'NOT_FOUND';
};
