use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Models;

# A tenant's own accounts at providers of models.

my $own    = Ashlar::Models->start(keys => { openai => 'sk-of-the-tenant' });
my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings(which => ['anthropic']), slow => 3, ENVIRONMENT => 'development', HTTP_ALLOW_PRIVATE => $own->address);
$t->keep_secret($_) for $models->secrets, 'sk-of-the-tenant', 'sk-another-one';
my $key    = $t->key;
my $server = $t->client(key => $key);
my $ann    = $t->user('ann')->with(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $vera   = $t->team('vera',  role => 'member');
my $theirs = $t->team('tom',   role => 'owner', tenant => 'other');
my $base   = '/api/v1/dashboard/ai/accounts';
my $url    = 'http://' . $own->address . '/openai';
my %hello  = (messages => [ { role => 'user', content => 'What is a harbour?' } ]);
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Own', true, '{}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id = ?', undef, $plan, $ann->uuid);

sub ask ($who = $server, %body) { return $who->post('/api/v1/openai/chat/completions', { model => 'gpt-4o', %hello, %body }) }
sub stored () { return $t->db->selectrow_hashref(q{SELECT * FROM ai_accounts WHERE tenant_id = ? AND provider = 'openai'}, undef, $ann->tenant_id) }

$models->answer(anthropic => {});

subtest 'owners and admins set one up' => sub {
    error_is ask(), 503, 'SERVICE_UNAVAILABLE', name => 'the installation has no key of that provider';
    error_is $vera->put("$base/openai", { api_key => 'sk-of-the-tenant' }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->put("$base/openai", { base_url => $url }), 422, 'VALIDATION_ERROR', field => 'api_key';
    error_is $olive->put("$base/openai", { api_key => $_ }), 422, 'VALIDATION_ERROR', field => 'api_key' for 'x' x 7, 'x' x 1001, 'sk-with a blank', "sk-of-the-tenant\x{e4}";
    error_is $olive->put("$base/google", { api_key => 'sk-of-the-tenant' }), 404, 'NOT_FOUND';
    error_is $olive->put("$base/openai", { api_key => 'sk-of-the-tenant', base_url => $_ }), 422, 'VALIDATION_ERROR', field => 'base_url'
        for 'http://127.0.0.1:1/v1', 'http://10.0.0.1/v1', 'http://169.254.169.254/latest', 'ftp://models.example/', 'http://[::1]/', "$url?key=x", "$url#x", 'https://user:pass@models.example/';
    is stored(), undef, 'nothing is kept of these';
    my $res = $olive->put("$base/openai", { api_key => 'sk-of-the-tenant', base_url => $url });
    status_is $res, 200;
    json_is $res, '/base_url', $url;
    json_is $res, '/api_key_last4', 'nant';
    json_is $res, '/is_enabled', true;
    json_lacks $res, '/api_key';
    unlike stored()->{key_sealed}, qr/sk-of/, 'the key is sealed';
    is scalar @{ $vera->get($base)->json('/accounts') }, 1, 'all of the team see it';
    is_deeply $theirs->get($base)->json('/accounts'), [], 'and no other tenant';
};

subtest 'what is asked for the tenant is asked there' => sub {
    $own->answer(openai => {});
    status_is ask(), 200;
    my ($asked) = $own->requests('openai');
    is $asked->{headers}{authorization}, 'Bearer sk-of-the-tenant', 'with its key';
    is $asked->{path}, '/openai/chat/completions', 'at its address';
    is scalar($models->requests('openai')), 0, 'and not the installation\'s';
    status_is ask($ann), 200, 'for its users, too';
    status_is $ann->post('/api/v1/app/ai/chat', { prompt => 'Hello', model => 'gpt-4o' }), 200;
    like ask($server, stream => true)->body, qr/\[DONE\]/, 'as a stream';
    status_is $server->post('/api/v1/openai/embeddings', { model => 'text-embedding-3-small', input => 'x' }), 200, 'vectors';
    my $agent = $olive->post('/api/v1/dashboard/agents', { name => 'Own', system_prompt => 'You help.', available_to_end_users => true, model => 'gpt-4o' })->json('/id');
    json_is $ann->post("/api/v1/user/agents/$agent/chat", { input => 'Hello' }), '/status', 'SUCCESS', 'agents';
    ok scalar(grep { $_->{id} eq 'gpt-4o' } @{ $server->get('/api/v1/openai/models')->json('/data') }), 'its models are there';
    is_deeply [ sort @{ $ann->get('/api/v1/app/ai/status')->json('/providers') } ], [qw(anthropic openai)];
    my $stranger = $t->client(key => $t->key(tenant => 'other'));
    error_is ask($stranger), 503, 'SERVICE_UNAVAILABLE', name => 'for no other tenant';
    ok $t->db->selectrow_array('SELECT sum(cost) > 0 FROM ai_calls WHERE provider = ?', undef, 'openai'), 'what it costs is put down all the same';
};

subtest 'one that fails is not stood in for' => sub {
    $t->expect_log(qr/EXTERNAL_SERVICE_ERROR/);
    status_is $olive->put("$base/openai", { api_key => 'sk-another-one' }), 200, 'another key, and the address stays';
    json_is $olive->get($base), '/accounts/0/base_url', $url;
    $models->answer(anthropic => {});
    my $res = ask();
    error_is $res, 502, 'EXTERNAL_SERVICE_ERROR', message => qr/refuses the key/;
    is scalar($models->requests('openai')), 0, 'the installation\'s account is not asked';
    $own->answer(openai => { status => 500 });
    status_is $olive->put("$base/openai", { api_key => 'sk-of-the-tenant' }), 200;
    error_is ask(), 502, 'EXTERNAL_SERVICE_ERROR' for 1 .. 7;
    $own->answer(openai => {});
    status_is ask(), 200, 'a tenant\'s server that failed often is nobody\'s breaker';
    status_is ask($server, model => 'claude-sonnet'), 200, 'other providers are the installation\'s';
};

subtest 'an address that leads elsewhere later is not asked' => sub {
    $t->expect_log(qr/EXTERNAL_SERVICE_ERROR/);
    $t->db->do(q{UPDATE ai_accounts SET base_url = 'http://127.0.0.1:1/v1'});
    error_is ask(), 502, 'EXTERNAL_SERVICE_ERROR';
    $t->db->do('UPDATE ai_accounts SET base_url = ?', undef, $url);
};

subtest 'it can be switched off, and given up' => sub {
    json_is $olive->put("$base/openai", { is_enabled => false }), '/is_enabled', false;
    error_is ask(), 503, 'SERVICE_UNAVAILABLE', name => 'the installation is asked then, which has no key';
    json_is $olive->put("$base/openai", { is_enabled => true, base_url => undef }), '/base_url', undef, 'null takes the address away';
    error_is $vera->delete("$base/openai"), 403, 'AUTHORIZATION_ERROR';
    error_is $theirs->delete("$base/openai"), 404, 'NOT_FOUND';
    $t->db->do(q{UPDATE ai_accounts SET key_sealed = 'v1.0.changed'});
    error_is ask(), 503, 'SERVICE_UNAVAILABLE', name => 'a key that cannot be opened is not stood in for';
    status_is $olive->delete("$base/openai"), 204;
    is stored(), undef;
    error_is $olive->delete("$base/openai"), 404, 'NOT_FOUND';
};
