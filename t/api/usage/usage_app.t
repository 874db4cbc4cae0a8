use v5.36;
use lib 't/lib';
use Api;

my $t     = Api->start;
my $ann   = $t->user('ann');
my $bob   = $t->user('bob');
my $admin = $t->user('admin', role => 'admin');
my $eve   = $t->user('eve', tenant => 'other');
my $org   = $t->organization($ann);
my $base  = '/api/v1/app/usage';
my $top   = '/api/v1/admin/usage/top-users';
my $none  = '00000000-0000-0000-0000-000000000000';

my @metrics = qw(api_requests ai_tokens ai_requests storage_bytes file_uploads file_downloads websocket_messages background_jobs email_sent);

# The day that is so many before today, or the first of a month, in UTC.
sub day     ($ago)    { return $t->db->selectrow_array(q{SELECT ((now() AT TIME ZONE 'UTC')::date - ?::integer)::text}, undef, $ago) }
sub month   ($ago)    { return $t->db->selectrow_array(q{SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => ?))::date::text}, undef, $ago) }
sub forget  ()        { return $t->db->do('DELETE FROM usage_daily') }

# What a user has used on a day.
sub used ($who, $metric, $day, $quantity, %more) {
    return $t->db->do('INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count) VALUES (?, ?, ?, ?, ?, ?, ?, 1)',
        undef, $who->tenant_id, $who->uuid, $metric, $day, $more{organization} // $none, $more{category} // '', $quantity);
}

my $first  = month(0);
my $last   = $t->db->selectrow_array(q{SELECT (?::date - 1)::text}, undef, month(-1));
my %period = (start => "${first}T00:00:00.000Z", end => "${last}T23:59:59.000Z");

subtest 'nobody but users get in, and administrators where others are meant' => sub {
    for my $path (map({ "$base/$_" } qw(summary current-period trends?metric=ai_tokens daily?metric=ai_tokens breakdown?metric=ai_tokens metrics)), $top, '/api/v1/admin/usage/summary/' . $bob->id) {
        error_is $t->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->with(token => 'x.y.z')->get($path), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->get($path), 403, 'AUTHORIZATION_ERROR' if $path =~ m{/admin/};
    }
};

subtest 'a metric is one of nine' => sub {
    for my $path (qw(summary trends daily breakdown)) {
        error_is $ann->get("$base/$path?metric=$_"), 422, 'VALIDATION_ERROR', field => 'metric' for qw(messages cost_usd AI_TOKENS nothing);
        error_is $ann->get("$base/$path"), 422, 'VALIDATION_ERROR', field => 'metric' if $path ne 'summary';
        status_is $ann->get("$base/$path?metric=$_"), 200 for @metrics;
    }
    error_is $admin->get("$top?metric=cost_usd"), 422, 'VALIDATION_ERROR', field => 'metric';
    for my $path (qw(trends daily)) {
        error_is $ann->get("$base/$path?metric=ai_tokens&days=$_"), 422, 'VALIDATION_ERROR', field => 'days' for 0, -1, $path eq 'daily' ? 91 : 366;
        status_is $ann->get("$base/$path?metric=ai_tokens&days=$_"), 200 for 1, $path eq 'daily' ? 90 : 365;
    }
};

subtest 'the metrics are listed in their order' => sub {
    my $list = $ann->get("$base/metrics")->json('/metrics');
    is_deeply [ map { "$_->{key}/$_->{unit}: $_->{name}" } @$list ], [
        'api_requests/requests: API Requests', 'ai_tokens/tokens: AI Tokens', 'ai_requests/requests: AI Requests', 'storage_bytes/bytes: Storage',
        'file_uploads/files: File Uploads', 'file_downloads/files: File Downloads', 'websocket_messages/messages: WebSocket Messages',
        'background_jobs/jobs: Background Jobs', 'email_sent/emails: Emails Sent',
    ];
    ok !(grep { !length $_->{description} } @$list), 'each says what it is';
};

subtest 'who has used nothing has zeros' => sub {
    my $res = $ann->get("$base/summary");
    is_deeply $res->json, { metrics => { map { $_ => { current_period => 0, previous_period => 0, growth_rate => 0, daily_average => 0 } } @metrics }, period => \%period };
    is_deeply $ann->get("$base/current-period")->json, { (map { $_ => 0 } @metrics), period => \%period };
    json_is $ann->get("$base/breakdown?metric=ai_tokens"), '', { metric => 'ai_tokens', breakdown => {}, total => 0 };
    json_is $ann->get("$base/trends?metric=ai_tokens"), '', { metric => 'ai_tokens', current_period => 0, previous_period => 0, growth_rate => 0, daily_average => 0,
        peak_day => day(0), peak_value => 0, trend => 'stable' };
    json_is $admin->get($top), '', { metric => 'api_requests', users => [], period => \%period };
};

subtest 'a summary is this month beside the one before' => sub {
    used($ann, 'api_requests', $first, 1000);
    used($ann, 'api_requests', $first, 250, organization => $org);
    used($ann, 'api_requests', month(1), 980);
    used($ann, 'api_requests', month(2), 7777);
    used($ann, 'email_sent', month(1), 4);
    used($ann, 'file_uploads', $first, 2);
    used($ann, 'messages', $first, 9);
    used($bob, 'api_requests', $first, 5);
    used($eve, 'api_requests', $first, 6);
    my $got = $ann->get("$base/summary")->json('/metrics');
    is_deeply $got->{api_requests}, { current_period => 1250, previous_period => 980, growth_rate => 27.55, daily_average => 41.67 }, 'in all organizations and outside';
    is_deeply $got->{email_sent}, { current_period => 0, previous_period => 4, growth_rate => -100, daily_average => 0 }, 'it may be less';
    is_deeply $got->{file_uploads}, { current_period => 2, previous_period => 0, growth_rate => 100, daily_average => 0.07 }, 'from nothing is 100 percent';
    is_deeply [ sort keys %$got ], [ sort @metrics ], 'of the nine alone';
    is_deeply $ann->get("$base/summary?metric=email_sent")->json, { metrics => { email_sent => $got->{email_sent} }, period => \%period }, 'or of one';
    is_deeply $ann->get("$base/current-period")->json, { (map { $_ => 0 } @metrics), api_requests => 1250, file_uploads => 2, period => \%period };

    my $url = '/api/v1/admin/usage/summary/' . $ann->id;
    is_deeply $admin->get($url)->json, $ann->get("$base/summary")->json, 'an administrator sees the same';
    is_deeply $admin->get("$url?metric=email_sent")->json, $ann->get("$base/summary?metric=email_sent")->json;
    error_is $admin->get('/api/v1/admin/usage/summary/' . $_), 404, 'NOT_FOUND', resource => 'User', id => $_ for $eve->id, 'user_nobody';
};

subtest 'days are listed from the oldest to today' => sub {
    forget();
    used($ann, 'file_downloads', day($_->[0]), $_->[1]) for [ 0, 5 ], [ 2, 3 ], [ 6, 2 ], [ 7, 100 ];
    my $res = $ann->get("$base/daily?metric=file_downloads&days=7");
    is_deeply $res->json, {
        metric => 'file_downloads', total => 10, average => 1.43,
        data   => [ map { { date => day($_), value => { 0 => 5, 2 => 3, 6 => 2 }->{$_} // 0 } } reverse 0 .. 6 ],
    };
    is scalar @{ $ann->get("$base/daily?metric=file_downloads")->json('/data') }, 30, 'thirty, when nobody says how many';
};

subtest 'a trend compares the last days with as many before' => sub {
    forget();
    used($ann, 'ai_tokens', day($_->[0]), $_->[1]) for [ 0, 40 ], [ 9, 60 ], [ 4, 60 ], [ 10, 50 ], [ 19, 30 ], [ 20, 1000 ];
    json_is $ann->get("$base/trends?metric=ai_tokens&days=10"), '', { metric => 'ai_tokens', current_period => 160, previous_period => 80, growth_rate => 100,
        daily_average => 16, peak_day => day(4), peak_value => 60, trend => 'increasing' };
    json_is $ann->get("$base/trends?metric=ai_tokens&days=1"), '/trend', 'increasing';
    json_is $ann->get("$base/trends?metric=ai_tokens&days=2"), '/peak_day', day(0);
    used($ann, 'ai_tokens', day(11), 81);
    json_is $ann->get("$base/trends?metric=ai_tokens&days=10"), '/trend', 'decreasing';
};

subtest 'a breakdown is by category, of this month' => sub {
    forget();
    used($ann, 'ai_tokens', $first, 700, category => 'gpt-4o');
    used($ann, 'ai_tokens', $first, 50,  category => 'gpt-4o', organization => $org);
    used($ann, 'ai_tokens', $first, 250, category => 'claude-sonnet-4');
    used($ann, 'ai_tokens', $first, 5);
    used($ann, 'ai_tokens', month(1), 9, category => 'gpt-3.5');
    json_is $ann->get("$base/breakdown?metric=ai_tokens"), '', { metric => 'ai_tokens', breakdown => { 'gpt-4o' => 750, 'claude-sonnet-4' => 250, other => 5 }, total => 1005 };
};

subtest 'who has used most comes first' => sub {
    forget();
    used($ann, 'api_requests', $first, 10);
    used($ann, 'api_requests', $first, 15, organization => $org);
    used($bob, 'api_requests', $first, 30);
    used($bob, 'api_requests', month(1), 500);
    used($eve, 'api_requests', $first, 900);
    used($bob, 'ai_tokens', $first, 1);
    $t->db->do(q{INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count) VALUES (?, ?, 'api_requests', ?, ?, '', 99, 99)}, undef, $ann->tenant_id, $none, $first, $none);
    my @users = ({ user_id => $bob->id, email => $bob->email, value => 30 }, { user_id => $ann->id, email => $ann->email, value => 25 });
    json_is $admin->get($top), '', { metric => 'api_requests', users => \@users, period => \%period };
    json_is $admin->get("$top?limit=1"), '/users', [ $users[0] ];
    json_is $admin->get("$top?metric=ai_tokens"), '/users', [ { %{ $users[0] }, value => 1 } ];
    error_is $admin->get("$top?limit=$_"), 422, 'VALIDATION_ERROR', field => 'limit' for 0, 101;
    status_is $admin->get("$top?limit=100"), 200;
};

subtest 'version 2 has it in its envelope' => sub {
    json_is $ann->get('/api/v2/app/usage/breakdown?metric=file_uploads'), '/data', { metric => 'file_uploads', breakdown => {}, total => 0 };
};
