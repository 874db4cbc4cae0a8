use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Ws;
use Cpanel::JSON::XS 'decode_json';

# What a whole tenant hears: its events, for its team and for its server, and its requests as they are answered.
my $t      = Api->start(realtime => 1);
my $owner  = $t->team('owner', role => 'owner');
my $admin  = $t->team('admin', role => 'admin');
my $member = $t->team('member');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $ann    = $t->user('ann');
my $eve    = $t->user('eve', tenant => 'other');
my $sk     = $t->key;
my $events = '/api/v1/tenant-events';
my $for    = '/api/v1/dashboard/events';
my $tail   = '/api/v1/dashboard/requests';
my %sse    = (Upgrade => undef, Connection => 'close', Accept => 'text/event-stream');

sub stream ($path, %header) { return Ashlar::Ws->open($t, $path, %sse, %header) }
sub as ($who) { return (Authorization => 'Bearer ' . $who->token) }

# The data of a stream's next event for which this is true; undef: none came in time.
sub next_of ($s, $wanted = sub ($e) { 1 }, $within = 20) {
    my $until = time + $within;
    while (time < $until) {
        $s->{in} =~ s/\A[0-9a-f]+\r\n|\r\n[0-9a-f]+\r\n//g;    # chunks
        while ($s->{in} =~ s/\A(.*?)\n\n//s) {
            my ($data) = $1 =~ /^data: (.*)/m or next;
            my $e = decode_json($data);
            return $e if $wanted->($e);
        }
        $s->_read(1);
        return if $s->{is_over} && $s->{in} !~ /\n\n/;
    }
    return;
}

sub heard ($kind) { return $t->db->selectrow_array('SELECT count(*) FROM tenant_listeners WHERE kind = ? AND until > now()', undef, $kind) }

subtest 'who may listen' => sub {
    my %accept = (headers => { Accept => 'text/event-stream' });
    for my $path ($for, $tail) {
        error_is $t->get($path, %accept), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->get($path, %accept), 401, 'AUTHENTICATION_ERROR', name => 'no user';
    }
    error_is $member->get($for, %accept), 403, 'AUTHORIZATION_ERROR', name => 'events are not for every member';
    error_is $t->get($events, %accept), 401, 'INVALID_API_KEY';
    error_is $t->client(key => $t->key(type => 'public', origins => ['https://a.example']), origin => 'https://a.example')->get($events, %accept), 403, 'AUTHORIZATION_ERROR', name => 'no public key';
    error_is $t->client(key => $t->key(columns => { scopes => '{jobs}' }))->get($events, %accept), 403, 'INSUFFICIENT_SCOPE', name => 'no key of some scopes';
    is heard($_), 0, 'nobody listens' for qw(events requests);
    is $t->db->selectrow_array(q{SELECT count(*) FROM realtime_messages WHERE channel LIKE 'tenant:%'}), 0, 'so nothing is told';
};

subtest 'the tenant\'s events' => sub {
    my @listen = (stream($events, 'X-API-Key' => $sk), stream($for, as($admin)));
    my $theirs = stream($for, as($rival));
    is $_->status, 200, 'a stream' for @listen, $theirs;
    like next_of($_, sub ($e) { $e->{type} eq 'subscribed' })->{channel}, qr/^tenant:/, 'of the tenant' for @listen, $theirs;
    my $hook = $owner->post('/api/v1/dashboard/webhooks', { name => 'x', url => 'https://hooks.example/x', events => ['*'] });
    my $made = $ann->post('/api/v1/app/projects', { name => 'told' });
    status_is $made, 201;
    my @got = map { next_of($_, sub ($e) { ($e->{event} // '') eq 'project.created' }) } @listen;
    for my $e (@got) {
        is $e->{type}, 'event';
        my $body = decode_json($e->{body});
        is_deeply [ sort keys %$body ], [qw(data timestamp type workspace_id)], 'in a webhook\'s form';
        is $body->{data}{name}, 'told';
        like $e->{id}, qr/\Amsg_[0-9A-Za-z]{27}\z/, 'with its id';
    }
    is $got[0]{id}, $got[1]{id}, 'the same for both';
    if ($hook->status == 201) {
        my ($id, $payload) = $t->db->selectrow_array(q{SELECT id, payload FROM webhook_messages WHERE type = 'project.created' ORDER BY created_at DESC LIMIT 1});
        is "$id $payload", "$got[0]{id} $got[0]{body}", 'and to the byte what webhooks are sent';
    }
    status_is $eve->post('/api/v1/app/projects', { name => 'theirs' }), 201;
    my $other = next_of($theirs, sub ($e) { ($e->{event} // '') eq 'project.created' });
    is decode_json($other->{body})->{data}{name}, 'theirs', 'another tenant hears its own, and nothing else';
    status_is $ann->post('/api/v1/app/projects', { name => 'after' }), 201;
    my $next = next_of($listen[0], sub ($e) { ($e->{event} // '') eq 'project.created' });
    is decode_json($next->{body})->{data}{name}, 'after', '  as this one does';

    # What was missed comes behind the last one that was seen.
    my $again = stream($events, 'X-API-Key' => $sk, 'Last-Event-ID' => $got[0]{event_id});
    is decode_json(next_of($again, sub ($e) { ($e->{event} // '') eq 'project.created' })->{body})->{data}{name}, 'after', 'who comes back misses nothing';

    my $large = $ann->patch('/api/v1/app/users/me', { full_name => 'x' });
    status_is $large, 200;
    is next_of($listen[0], sub ($e) { ($e->{event} // '') eq 'user.updated' })->{event}, 'user.updated', 'what no channel tells comes, too';

    $t->db->do('UPDATE api_keys SET revoked_at = now() WHERE tenant_id = ? AND type = ?', undef, $ann->tenant_id, 'secret');
    next_of($listen[0], sub ($e) { 0 });
    ok $listen[0]{is_over}, 'a key that is revoked hears no more';
    $t->db->do(q{UPDATE team_members SET role = 'member' WHERE id = ?}, undef, $admin->id);
    next_of($listen[1], sub ($e) { 0 });
    ok $listen[1]{is_over}, 'nor a member who is no admin any more';
};

subtest 'requests, as they are answered' => sub {
    my $key = $t->key;
    my $s   = stream($tail, as($member));
    is $s->status, 200;
    eventually { heard('requests') } 20, 'somebody listens';
    # The host's processes know of it within a second.
    my $first;
    eventually { $ann->get('/api/v1/app/users/me'); $s->_read(1); $s->{in} =~ /"method"/ } 30, 'requests are told';
    $first = next_of($s);
    is_deeply [ sort keys %$first ], [qw(at code duration_ms method operation path request_id skipped status user)], 'with what is known of each';
    like $first->{at}, $TIME;
    is_deeply [ @$first{qw(method path operation status code user)} ], [ 'GET', '/api/v1/app/users/me', 'app.users.get_me', 200, undef, 'user_ann' ];

    my $res = $ann->get('/api/v1/app/projects/00000000-0000-7000-8000-00000000dead');
    my $e   = next_of($s, sub ($x) { $x->{request_id} eq $res->header('X-Request-ID') });
    is "$e->{status} $e->{code} $e->{path}", '404 NOT_FOUND /api/v1/app/projects/{project_id}', 'one that was refused, by its row';
    $res = $t->client(key => $key)->get('/api/v1/users');
    eventually { $t->client(key => $key)->get('/api/v1/users'); my $x = next_of($s, sub ($x) { $x->{operation} eq 'platform.users.list' }, 1); $x && !defined $x->{user} } 30, 'one of the tenant\'s server, by its key';

    $eve->get('/api/v1/app/users/me');
    $owner->get('/api/v1/dashboard/settings');
    $t->get('/api/v1/app/users/me');
    my $last = $ann->get('/api/v1/app/projects')->header('X-Request-ID');
    my @seen;
    next_of($s, sub ($x) { push @seen, $x; $x->{request_id} eq $last });
    is scalar(grep { ($_->{user} // '') eq 'user_eve' || $_->{operation} =~ /settings/ } @seen), 0, 'none of another tenant, of the team, or of nobody';

    my @ids = map { $ann->get('/api/v1/app/users/me')->header('X-Request-ID') } 1 .. 120;
    my $skipped = 0;
    eventually { $ann->get('/api/v1/app/users/me'); my $x = next_of($s, sub ($x) { $x->{skipped} }, 1); $skipped = $x->{skipped} if $x; $skipped } 30, 'of very many some are left out, which is said';
};
