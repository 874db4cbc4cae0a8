# Tokens of projects: made of an API key, good while the project has that key.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token;
use Cpanel::JSON::XS qw(decode_json);
use MIME::Base64 qw(decode_base64url);

my $t       = Api->start(JWT_AUDIENCE => '');    # any token of ours is for a user, but for what it says itself
my $path    = '/api/v3/auth/token';
my $ann     = $t->user('ann');
my $org     = $t->organization($ann);
my $project = $t->trace_project($org);
my $key     = $project->token;
my $nobody  = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';

sub made (%body) {
    my $res = $t->post($path, { api_key => $key, %body });
    $t->keep_secret($res->json('/token')) if $res->status == 200;
    return $res;
}
sub claims ($token) { return decode_json(decode_base64url((split /\./, $token)[1])) }
sub as ($token) { return $project->with(token => $token) }
sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM trace_projects WHERE id = ?', undef, $id) }
sub other (%column) { return $t->trace_project($t->organization($ann), columns => \%column) }

subtest 'what is no key, and what is nobody\'s' => sub {
    error_is $t->post($path, {}), 422, 'VALIDATION_ERROR', field => 'api_key';
    error_is made(api_key => $_), 400, 'BAD_REQUEST', field => 'api_key', name => "'$_'" for '', 'x', substr($key, 1), "$key ", $key =~ s/-//gr;
    error_is made(api_key => $nobody), 403, 'AUTHORIZATION_ERROR', name => 'a key that no project has';
    error_is made(api_key => other(deleted_at => 'now')->token), 403, 'AUTHORIZATION_ERROR', name => 'a deleted project\'s';
    my $gone = $t->organization($ann);
    my $lost = $t->trace_project($gone)->token;
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $gone);
    error_is made(api_key => $lost), 403, 'AUTHORIZATION_ERROR', name => 'a deleted organization\'s';
    my $off = $t->trace_project($t->organization($t->user('off', tenant => 'off')), tenant => $t->tenant_id('off'))->token;
    status_is made(api_key => $off), 200, 'one of another tenant, which the key tells';
    $t->db->do(q{UPDATE tenants SET is_active = false WHERE slug = 'off'});
    error_is made(api_key => $off), 403, 'AUTHORIZATION_ERROR', name => '  and none once that is switched off';
};

subtest 'a token says of which project it is, and not with which key' => sub {
    my $res = made();
    status_is $res, 200;
    is_deeply [ sort keys %{ $res->json } ], [qw(project_id project_prem_status token)];
    is $res->json('/project_id'), $project->uuid;
    is $res->json('/project_prem_status'), 'free';
    my $c = claims($res->json('/token'));
    is $c->{exp} - $c->{iat}, 30 * 86400, 'it is good for 30 days';
    is_deeply [ sort keys %$c ], [qw(aud ctx exp iat iss key_id project_id project_prem_status sub tid)];
    is "$c->{aud} $c->{project_id} $c->{project_prem_status}", "project ${\$project->uuid} free";
    unlike $res->json('/token') . join('', values %$c), qr/\Q$key/, 'the key is not in it';
    is length $c->{key_id}, 16, 'nor more of its hash than tells it from others';
    status_is made(api_key => uc $key), 200, 'a key in capitals is the same';
    my $event = $t->db->selectrow_hashref(q{SELECT * FROM audit_events WHERE action = 'trace_project.token' AND resource_id = ? ORDER BY seq DESC LIMIT 1}, undef, $project->uuid);
    is "$event->{actor_type} $event->{actor_id}", 'key trace_project:' . $project->uuid, 'it is put down';
    $t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);
    is made()->json('/project_prem_status'), 'pro', 'the plan is the organization\'s';
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
};

subtest 'what a token says' => sub {
    my $token = made()->json('/token');
    my $res   = as($token)->get($path);
    status_is $res, 200;
    my $c = claims($token);
    is_deeply $res->json('/payload'), { map { $_ => $c->{$_} } qw(aud exp iat key_id project_id project_prem_status) };
    like $res->json('/expires_at'), qr/\A\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z\z/;
    status_is $project->with(token => undef, key => $token)->get($path), 200, 'sent as X-API-Key';
    error_is $project->get($path), 401, 'AUTHENTICATION_ERROR', message => qr/is the project's API key/, name => 'a key is no token';
    error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'nor is nothing';
    $t->db->do(q{UPDATE organizations SET prem_status = 'enterprise' WHERE id = ?}, undef, $org);
    error_is as($token)->get($path), 401, 'AUTHENTICATION_ERROR', message => qr/plan/, name => 'one of another plan wants a new one';
    $t->db->do(q{UPDATE organizations SET prem_status = 'free' WHERE id = ?}, undef, $org);
    status_is as($token)->get($path), 200;
};

subtest 'what ends one' => sub {
    my $mine  = other();
    my $token = made(api_key => $mine->token)->json('/token');
    status_is as($token)->get($path), 200;
    my $row = row($mine->uuid);
    $t->db->do('UPDATE trace_projects SET api_key_hash = sha256(?) WHERE id = ?', undef, $nobody, $mine->uuid);
    error_is as($token)->get($path), 401, 'AUTHENTICATION_ERROR', name => 'another key';
    $t->db->do(q{UPDATE trace_projects SET api_key_hash = sha256(?::bytea) WHERE id = ?}, undef, $mine->token, $mine->uuid);
    status_is as($token)->get($path), 200, 'with the one that it was made with it is good';
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $mine->uuid);
    error_is as($token)->get($path), 401, 'AUTHENTICATION_ERROR', name => 'the end of its project';
    my $own = $t->trace_project($t->organization($t->user('own', tenant => 'other')), tenant => $t->tenant_id('other'));
    $token = made(api_key => $own->token)->json('/token');
    status_is as($token)->get($path), 200;
    $t->db->do(q{UPDATE tenants SET is_active = false WHERE slug = 'other'});
    error_is as($token)->get($path), 401, 'AUTHENTICATION_ERROR', name => 'the end of its tenant';
};

subtest 'it opens nothing else, and nothing else is one' => sub {
    my $token = made()->json('/token');
    error_is as($token)->get($_), 401, 'AUTHENTICATION_ERROR', name => "$_ takes a user's" for '/api/v1/app/users/me', "/api/opsboard/orgs/$org/billing/dashboard";
    error_is as($token)->get('/api/v1/tenant-auth/me'), 401, 'AUTHENTICATION_ERROR', name => 'and the dashboard a team user\'s';
    error_is as($t->project_token($project, %$_))->get($path), 401, 'AUTHENTICATION_ERROR'
        for { ctx => 'user' }, { ctx => undef }, { aud => 'ashlar' }, { aud => undef }, { iss => 'x' }, { project_id => 'x' }, { tid => undef }, { key_id => undef }, { project_prem_status => undef };
    my ($head, $body, $sig) = split /\./, $token;
    error_is as("$head.$body." . ('A' x length $sig))->get($path), 401, 'AUTHENTICATION_ERROR', name => 'another signature';
    error_is as($ann->token)->get($path), 401, 'AUTHENTICATION_ERROR', name => 'a user\'s';
    status_is as($t->project_token($project))->get($path), 200, 'as it should be it is good';
};

subtest 'an address asks for so many a minute, and a project so much' => sub {
    my $few = Api->start(RATE_LIMIT_TOKENS => 2, RATE_LIMIT_PROJECT => 2);
    my $one = $few->trace_project($few->organization($few->user('ann')));
    error_is $few->post($path, { api_key => $nobody }), 403, 'AUTHORIZATION_ERROR' for 1, 2;
    my $res = $few->post($path, { api_key => $one->token });
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', name => 'guesses count as others do';
    header_like $res, 'Retry-After', qr/\A\d+\z/;
    my @two = map { $few->trace_project($few->organization($few->user("own-$_"))) } 1, 2;
    my $ask = sub ($who) { return $who->with(token => $few->project_token($who))->get($path)->status };
    is join(' ', map { $ask->($two[0]) } 1 .. 3), '200 200 429', 'a token has its project\'s budget';
    is $ask->($two[1]), 200, '  which is not another one\'s';
};
