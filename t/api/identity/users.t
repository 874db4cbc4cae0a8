use v5.36;
use lib 't/lib';
use Api;

my $t   = Api->start;
my $ann = $t->user('ann', columns => { full_name => 'Ann Example', avatar_url => 'https://cdn.example.com/ann.png' });
my $bob = $t->user('bob');
my $me  = '/api/v1/app/users/me';

subtest 'a profile is for whoever has a token' => sub {
    error_is $t->get($me), 401, 'AUTHENTICATION_ERROR';
    error_is $t->request(PATCH => $me, json => { full_name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->delete($me), 405, 'METHOD_NOT_ALLOWED';
    error_is $ann->post($me, {}), 405, 'METHOD_NOT_ALLOWED';
};

subtest 'it is the caller\'s own' => sub {
    json_is $ann->get($me), '', {
        id                  => 'user_ann',
        email               => 'ann@example.com',
        full_name           => 'Ann Example',
        avatar_url          => 'https://cdn.example.com/ann.png',
        role                => 'user',
        is_active           => true,
        subscription_plan   => undef,
        subscription_status => undef,
        created_at          => $TIME,
    };
    json_is $bob->get($me), '/id', 'user_bob';
    json_is $bob->get($me), '/full_name', undef;
    my $root = $t->user('root', role => 'superadmin', columns => { subscription_plan => 'pro', subscription_status => 'active' });
    json_is $root->get($me), '/role', 'superadmin';
    json_is $root->get($me), '/subscription_plan', 'pro';
    json_is $root->get($me), '/subscription_status', 'active';
    body_unlike $ann->last, qr/deleted_at|tenant|project_count|updated_at/, 'and shows nothing that is not a client\'s business';
};

subtest 'version 2 wraps it and computes two fields more' => sub {
    my $url = '/api/v2/app/users/me';
    my $res = $ann->get($url);
    status_is $res, 200;
    json_is $res, '/data', { %{ $ann->get($me)->json }, is_premium => false, days_since_joined => 0 };
    json_is $res, '/meta', { request_id => $res->header('X-Request-ID'), timestamp => $TIME, version => 'v2' };
    is_deeply [ sort keys %{ $res->json } ], [qw(data meta)];

    my %premium = (active => true, trialing => true, canceled => false, past_due => false);
    for my $status (sort keys %premium) {
        my $user = $t->user("pro_$status", columns => { subscription_plan => 'pro', subscription_status => $status });
        json_is $user->get($url), '/data/is_premium', $premium{$status}, "pro and $status";
    }
    my $free = $t->user('free', columns => { subscription_plan => 'free', subscription_status => 'active' });
    json_is $free->get($url), '/data/is_premium', false, 'the free plan is not premium';

    my $old = $t->user('old', columns => { created_at => '2020-01-01T00:00:00Z' });
    my $days = int((time - 1577836800) / 86400);
    json_is $old->get($url), '/data/days_since_joined', sub ($n) { $n == $days || $n == $days + 1 }, 'whole days since 2020';
};

subtest 'a field out of its bounds is refused, and nothing changes' => sub {
    my $before = $ann->get($me)->json;
    error_is $ann->patch($me, { full_name => 'x' x 256 }), 422, 'VALIDATION_ERROR', field => 'full_name', message => qr/255/;
    error_is $ann->patch($me, { full_name => 1 }), 422, 'VALIDATION_ERROR', field => 'full_name';
    error_is $ann->patch($me, { full_name => 'fine', avatar_url => 'https://x.example/' . 'a' x 2031 }), 422, 'VALIDATION_ERROR', field => 'avatar_url';
    error_is $ann->patch($me, { avatar_url => {} }), 422, 'VALIDATION_ERROR', field => 'avatar_url';
    for my $url ('javascript:alert(1)', 'data:text/html,x', '//example.com/x', 'ftp://example.com/x', 'nonsense', 'https://') {
        error_is $ann->patch($me, { avatar_url => $url }), 422, 'VALIDATION_ERROR', field => 'avatar_url';
    }
    json_is $ann->get($me), '', $before;
};

subtest 'an update is partial and answers with the profile after it' => sub {
    my $before = $ann->get($me)->json;
    json_is $ann->patch($me, { full_name => 'Ann B.' }), '', { %$before, full_name => 'Ann B.' };
    json_is $ann->patch($me, { avatar_url => 'https://cdn.example.com/2.png' }), '',
        { %$before, full_name => 'Ann B.', avatar_url => 'https://cdn.example.com/2.png' };
    json_is $ann->patch($me, {}), '/full_name', 'Ann B.', 'nothing to change is no error';
    json_is $ann->patch($me, { full_name => 'x' x 255 }), '/full_name', 'x' x 255, 'the longest name';
    my $longest = 'https://x.example/' . 'a' x 2030;
    json_is $ann->patch($me, { avatar_url => $longest }), '/avatar_url', $longest, 'the longest address';
    json_is $ann->get($me), '/avatar_url', $longest, 'and it lasts';
    json_is $ann->patch('/api/v2/app/users/me', { full_name => 'two' }), '/data/full_name', 'two', 'under version 2 as well';
    json_is $bob->get($me), '/full_name', undef, 'nobody else is changed';
};

subtest 'what is not the caller\'s to change stays' => sub {
    my $before = $ann->get($me)->json;
    status_is $ann->patch($me, { role => 'superadmin', is_active => false, id => 'user_bob', email => 'new@example.com',
        subscription_plan => 'pro', tenant_id => '00000000-0000-7000-8000-000000000009', is_premium => true }), 200;
    json_is $ann->get($me), '', $before;
};
