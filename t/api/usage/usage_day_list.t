# Usage by day as a list, and as a file.

use v5.36;
use utf8;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $key    = $t->key;
my $server = $t->client(key => $key);
my $ann    = $t->user('ann')->with(key => $key);
my $bob    = $t->user('bob')->with(key => $key);
my $eve    = $t->user('eve', tenant => 'other');
my $org    = $t->organization($ann);
my $team   = $t->team('member', role => 'member');
my $none   = '00000000-0000-0000-0000-000000000000';
my $days   = '/api/v1/usage/days';
my %range  = (from => '2026-03-30', to => '2026-04-02');

# So much of a metric on a day.
sub used ($day, $metric, $n, $user, $organization, $category = '') {
    $t->db->do('INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        undef, ($user // $ann)->tenant_id, $user ? $user->uuid : $none, $metric, $day, $organization, $category, $n, 1);
    return;
}
used('2026-03-29', 'ai_tokens', 1, $ann, $org, 'gpt-4o');
used('2026-03-30', 'ai_tokens', 250, $ann, $org, 'gpt-4o');
used('2026-03-30', 'ai_tokens', 50, $ann, $org, '=1+1, "best"');
used('2026-03-31', 'cost_usd', 1_250_000, $ann, $org);
used('2026-03-31', 'api_requests', 7, $bob, $none);
used('2026-04-02', 'api_requests', 3, undef, $none);
used('2026-04-03', 'api_requests', 9, $ann, $org);
used('2026-03-31', 'api_requests', 99, $eve, $none);

sub rows ($who, $path, %query) { return [ map { [ @$_{qw(date metric quantity)} ] } @{ $who->get($path, query => { %range, %query })->json('/items') } ] }

my @all = (
    [ '2026-03-30', 'ai_tokens', 50 ], [ '2026-03-30', 'ai_tokens', 250 ], [ '2026-03-31', 'api_requests', 7 ], [ '2026-03-31', 'cost_usd', 1.25 ],
    [ '2026-04-02', 'api_requests', 3 ],
);

subtest 'whose' => sub {
    is_deeply rows($server, $days), \@all, 'the tenant\'s, from the first day to the last one';
    is_deeply rows($team, '/api/v1/dashboard/usage-days'), \@all, 'also on the dashboard';
    is_deeply rows($server, $days, organization_id => $org), [ @all[ 0, 1, 3 ] ], 'an organization\'s';
    is_deeply rows($server, $days, user_id => $bob->uuid), [ $all[2] ], 'a user\'s';
    is_deeply rows($server, $days, metric => 'api_requests'), [ @all[ 2, 4 ] ], 'of a metric';
    is_deeply rows($ann, "/api/v1/organizations/$org/usage/days"), [ @all[ 0, 1, 3 ] ], 'for its members';
    is_deeply rows($bob, '/api/v1/app/usage/days'), [ $all[2] ], 'the caller\'s';
    is_deeply rows($eve, '/api/v1/app/usage/days'), [ [ '2026-03-31', 'api_requests', 99 ] ], 'and nobody else\'s';
    error_is $bob->get("/api/v1/organizations/$org/usage/days"), 403, 'AUTHORIZATION_ERROR', name => 'not for who is no member';
    cmp_ok $t->client(key => $t->key(type => 'public'), origin => 'https://app.example.com')->get($days)->status, '>=', 401, 'not for a public key';
    my $page = $server->get($days, query => { %range, skip => 1, limit => 2 });
    json_is $page, '/total', 5, 'by pages';
    is_deeply [ map { $_->{quantity} } @{ $page->json('/items') } ], [ 250, 7 ];
};

subtest 'from when to when' => sub {
    my ($today, $month) = $t->db->selectrow_array(q{SELECT d, date_trunc('month', d)::date FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS d) x});
    $t->db->do('DELETE FROM usage_daily WHERE day >= ?', undef, $month);    # what was asked in this test
    used($today, 'ai_requests', 5, $bob, $none);
    is_deeply [ map { $_->{quantity} } grep { $_->{metric} eq 'ai_requests' } @{ $server->get($days)->json('/items') } ], [5], 'this month without a word';
    error_is $server->get($days, query => { from => '2026-04-02', to => '2026-04-01' }), 422, 'VALIDATION_ERROR', field => 'to';
    error_is $server->get($days, query => { from => '2025-04-01', to => '2026-04-02' }), 422, 'VALIDATION_ERROR', field => 'to', name => 'more than 366 days';
    status_is $server->get($days, query => { from => '2025-04-02', to => '2026-04-02' }), 200, '366 days';
    error_is $server->get($days, query => { from => 'yesterday' }), 422, 'VALIDATION_ERROR', field => 'from';
};

subtest 'as a file' => sub {
    my $res = $server->get($days, query => \%range, headers => { Accept => 'text/csv' });
    status_is $res, 200;
    like $res->header('Content-Type'), qr{^text/csv}, 'CSV';
    like $res->header('Content-Disposition'), qr/^attachment; filename="days\.csv"/, 'to be saved';
    my ($uuid, $other) = ($ann->uuid, $bob->uuid);
    is $res->body, join('', map { "$_\r\n" } 'date,metric,category,organization_id,user_id,quantity,count',
        qq{2026-03-30,ai_tokens,"'=1+1, ""best""",$org,$uuid,50,1}, "2026-03-30,ai_tokens,gpt-4o,$org,$uuid,250,1",
        qq{2026-03-31,api_requests,"",,$other,7,1}, qq{2026-03-31,cost_usd,"",$org,$uuid,1.25,1}, qq{2026-04-02,api_requests,"",,,3,1}), 'RFC 4180, and no formula';
    is scalar(() = $bob->get('/api/v1/app/usage/days', query => \%range, headers => { Accept => 'application/x-ndjson' })->body =~ /^\{"date":"2026-03-31".*\}$/mg), 1, 'or a line of JSON each';
    error_is $server->get($days, query => { from => '2026-04-02', to => '2026-04-01' }, headers => { Accept => 'text/csv' }), 422, 'VALIDATION_ERROR', field => 'to';
};
