# The tenant's own webhooks: /api/v1/dashboard/webhooks.  What they share with those of workspaces
# (what is a URL, a header, an event) is t/api/webhooks_out.t's; how messages are sent t/clients' and
# the deliverer's.

use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS 'decode_json';
use Digest::SHA 'hmac_sha256_base64';
use IO::Socket::INET;
use MIME::Base64 'decode_base64';
use POSIX ();

my $listen = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => 0) or die "listen: $!\n";
my $at     = '127.0.0.1:' . $listen->sockport;
my $t      = Api->start(HTTP_ALLOW_PRIVATE => $at, WEBHOOK_ALLOW_HTTP => 1);
my $base   = '/api/v1/dashboard/webhooks';
my $owner  = $t->team('owner', role => 'owner', tenant => 'acme');
my $admin  = $t->team('admin', role => 'admin', tenant => 'acme');
my $member = $t->team('member', tenant => 'acme');
my $other  = $t->team('other', role => 'owner', tenant => 'other');
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $tenant = $owner->tenant_id;
my $key    = $t->key(tenant => 'acme');
my $ann    = $t->user('ann', tenant => 'acme')->with(key => $key);
my %test   = (headers => { 'X-Test-Mode' => 'true' });

sub make (%with) {
    my %arg = map { exists $with{$_} ? ($_ => delete $with{$_}) : () } qw(headers_in who);
    my $res = ($arg{who} // $admin)->post($base, { name => 'Sync', url => "http://$at/in", events => ['*'], %with }, %{ $arg{headers_in} // {} });
    if ($res->status == 201) {
        $t->keep_secret($res->json('/secret'));
    }
    return $res;
}

sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM webhook_endpoints WHERE id = ?', undef, $id) }

sub last_audit () { return $t->db->selectrow_hashref('SELECT action, actor_id, resource_id, details FROM audit_events WHERE tenant_id = ? ORDER BY seq DESC LIMIT 1', undef, $tenant) }

sub names ($who, %arg) { return join ' ', map { $_->{name} } @{ $who->get($base, %arg)->json('/webhooks') } }

# The types that an endpoint has got, oldest first.
sub types ($id) {
    return join ' ', @{ $t->db->selectcol_arrayref('SELECT event FROM webhook_deliveries WHERE endpoint_id = ? ORDER BY id', undef, $id) };
}

# Take one request, and answer with a status: what was sent.
sub receive ($status, $ask) {
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        $SIG{ALRM} = 'DEFAULT';
        alarm 30;
        my $peer = $listen->accept;
        my $text = '';
        while ($text !~ /\r\n\r\n/) { sysread $peer, $text, 65_536, length $text or last }
        my ($length) = $text =~ /^content-length: *(\d+)/mi;
        while (length($text) - index($text, "\r\n\r\n") - 4 < ($length // 0)) { sysread $peer, $text, 65_536, length $text or last }
        print {$peer} "HTTP/1.1 $status X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        close $peer;
        syswrite $to, $text;
        POSIX::_exit(0);
    }
    close $to;
    my $res  = $ask->();
    my $sent = do { local $/ = undef; <$from> };
    waitpid $pid, 0;
    my ($head, $body) = split /\r\n\r\n/, $sent, 2;
    return ($res, { map { /^([\w-]+): *(.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head }, $body);
}

my %shape = (
    id => $UUID, workspace_id => undef, name => 'Sync', description => undef, url => "http://$at/in", events => ['*'], headers => {}, is_active => true,
    secret => qr/\Awhsec_\*{4}.{4}\z/, last_triggered_at => undef, last_status_code => undef, success_count => 0, failure_count => 0,
    consecutive_failures => 0, disabled_reason => undef, created_by => undef, created_at => $TIME, updated_at => $TIME,
);

subtest 'the team reads, its administrators write' => sub {
    my $id = make()->json('/id');
    my %body = (name => 'x', url => "http://$at/", events => ['*']);
    for (
        [ 0, GET => $base ], [ 1, POST => $base, \%body ], [ 0, GET => "$base/events" ], [ 0, GET => "$base/$id" ], [ 1, PUT => "$base/$id", { name => 'x' } ],
        [ 1, POST => "$base/$id/regenerate-secret" ], [ 1, POST => "$base/$id/test", { event => 'user.created' } ], [ 0, GET => "$base/$id/deliveries" ],
        [ 0, GET => "$base/$id/deliveries/$nobody", undef, 404 ], [ 1, POST => "$base/$id/deliveries/$nobody/redeliver" ], [ 1, DELETE => "$base/$id" ],
    ) {
        my ($writes, $method, $path, $body, $status) = @$_;
        error_is $t->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $path: no user's";
        if ($writes) { error_is $member->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR' }
        else         { status_is $member->request($method, $path, json => $body), $status // 200 }
        error_is $other->request($method, $path, json => $body), 404, 'NOT_FOUND', name => "$method $path: not another tenant's" if $path =~ /$id/;
    }
    is row($id)->{name}, 'Sync', 'nothing was changed';
    is names($other), '', 'others have their own';
    status_is $owner->delete("$base/$id"), 204;
};

my ($id, $secret);
subtest 'one is made' => sub {
    error_is make(events => $_), 422, 'VALIDATION_ERROR', field => 'events' for [], ['user.made'], [ '*', 'user.created' ];
    error_is make(url => $_), 422, 'VALIDATION_ERROR', field => 'url' for 'http://127.0.0.1:1/', 'http://10.0.0.1/', 'x';
    error_is make(headers => { 'webhook-id' => 'x' }), 422, 'VALIDATION_ERROR', field => 'headers';
    is names($admin), '', 'none of these';

    my $res = make(description => 'The CRM', events => [qw(user.created project.created user.created)], headers => { 'X-Team' => 'crm' });
    status_is $res, 201;
    ($id, $secret) = map { $res->json("/$_") } qw(id secret);
    like $secret, qr{\Awhsec_[A-Za-z0-9+/]{43}=\z}, 'with a secret, this one time';
    my %is = (%shape, description => 'The CRM', events => [qw(user.created project.created)], headers => { 'X-Team' => '***' });
    json_is $res, '', { %is, secret => $secret };
    is last_audit()->{action}, 'webhook.create';
    is last_audit()->{actor_id}, $admin->id, 'it is put down who did';
    unlike last_audit()->{details}, qr/whsec|crm/, 'and no secret';
    json_is $member->get("$base/$id"), '', { %is, secret => 'whsec_****' . substr $secret, -4 };
    json_is $member->get($base), '', { webhooks => [ { %is, secret => 'whsec_****' . substr $secret, -4 } ] };
    unlike row($id)->{secret_sealed} . row($id)->{headers_sealed}, qr/\Q$secret\E|crm/, 'sealed at rest';
};

subtest 'it hears of what it asked for, in all of the tenant' => sub {
    my $project = $ann->post('/api/v1/app/projects', { name => 'one' })->json('/id');
    $ann->patch("/api/v1/app/projects/$project", { name => 'two' });
    is types($id), 'project.created', 'and of nothing else';
    status_is $admin->put("$base/$id", { events => ['*'], name => 'All' }), 200;
    my $org = $ann->post('/api/v1/organizations', { name => 'Org', slug => 'org' })->json('/id');
    like types($id), qr/organization\.member_added/, 'with * of all, also in organizations';
    my $n = @{[ split ' ', types($id) ]};
    $t->user('eve', tenant => 'other')->post('/api/v1/app/projects', { name => 'x' });
    is scalar(@{[ split ' ', types($id) ]}), $n, 'but not of other tenants';
    $t->user('bob')->post('/api/v1/app/projects', { name => 'x' });
    is scalar(@{[ split ' ', types($id) ]}), $n, 'nor of the default one';
};

subtest 'the list of events' => sub {
    my %all = map { $_->{type} => $_->{description} } @{ $member->get("$base/events")->json };
    my $doc = decode_json(qx($Ashlar::Cluster::BUILD/ashlar openapi));
    is_deeply [ sort keys %all ], [ sort keys %{ $doc->{webhooks} } ], 'is all that there are';
    is_deeply [ grep { $all{$_} ne $doc->{webhooks}{$_}{post}{summary} } keys %all ], [], 'with what the reference says of them';
    status_is make(name => 'Each', events => [ sort keys %all ]), 201, 'and each can be asked for';
    my ($each) = map { $_->{id} } grep { $_->{name} eq 'Each' } @{ $member->get($base)->json('/webhooks') };
    $admin->delete("$base/$each");
    error_is make(events => ['nope']), 422, 'VALIDATION_ERROR', message => qr{/api/v1/dashboard/webhooks/events};
};

subtest 'a change' => sub {
    error_is $admin->put("$base/$nobody", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $admin->put("$base/$id", { events => [] }), 422, 'VALIDATION_ERROR', field => 'events';
    error_is $admin->put("$base/$id", { name => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    json_is $admin->put("$base/$id", { description => undef, headers => {} }), '', { %shape, name => 'All', secret => 'whsec_****' . substr $secret, -4 };
    is last_audit()->{action}, 'webhook.update';
    cmp_ok $t->db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'pending'}, undef, $id), '>', 0, 'something waits';
    json_is $admin->put("$base/$id", { is_active => false }), '/is_active', false;
    is $t->db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'pending'}, undef, $id), 0, 'switched off it waits for nothing';
    json_is $admin->get($base, query => { is_active => 'true' }), '/webhooks', [];
    my $n = types($id);
    $ann->post('/api/v1/app/projects', { name => 'unheard' });
    is types($id), $n, 'and hears nothing';
    json_is $admin->put("$base/$id", { is_active => true }), '/is_active', true;
};

subtest 'a test is sent while one waits, signed as any message' => sub {
    my ($res, $head, $body) = receive(200, sub { $admin->post("$base/$id/test", { event => 'user.created', payload => { hello => 1 } }) });
    json_is $res, '', { success => true, status_code => 200, message => qr/200/ };
    my $sent = decode_json($body);
    is_deeply [ @$sent{qw(type workspace_id data)} ], [ 'user.created', undef, { hello => 1 } ], 'what was sent';
    my $mac = hmac_sha256_base64("$head->{'webhook-id'}.$head->{'webhook-timestamp'}.$body", decode_base64($secret =~ s/^whsec_//r));
    is $head->{'webhook-signature'}, "v1,$mac=", 'signed with the secret';
    error_is $admin->post("$base/$id/test", { event => 'nope' }), 422, 'VALIDATION_ERROR', field => 'event';
    error_is $admin->post("$base/$nobody/test", { event => 'user.created' }), 404, 'NOT_FOUND';
};

subtest 'the secret is replaced, and the old one signs for a day' => sub {
    my $res = $admin->post("$base/$id/regenerate-secret");
    status_is $res, 200;
    my $new = $res->json('/secret');
    $t->keep_secret($new);
    isnt $new, $secret;
    my (undef, $head, $body) = receive(410, sub { $admin->post("$base/$id/test", { event => 'user.created' }) });
    is_deeply [ sort split ' ', $head->{'webhook-signature'} ],
        [ sort map { 'v1,' . hmac_sha256_base64("$head->{'webhook-id'}.$head->{'webhook-timestamp'}.$body", decode_base64(s/^whsec_//r)) . '=' } $secret, $new ], 'both sign';
    json_is $admin->get("$base/$id"), '/is_active', true, 'what a test is answered changes nothing';
};

subtest 'deliveries' => sub {
    $ann->post('/api/v1/app/projects', { name => 'three' });
    my $res = $member->get("$base/$id/deliveries", query => { status => 'pending' });
    json_is $res, '/total', 1;
    my %is = (
        id => $UUID, webhook_id => $id, message_id => qr/\Amsg_[0-9A-Za-z]{27}\z/, event => 'project.created', status => 'pending', attempts => 0,
        next_attempt_at => $TIME, status_code => undef, error => undef, is_redelivery => false, created_at => $TIME, finished_at => undef, history => [],
    );
    json_is $res, '', { deliveries => [ \%is ], total => 1, page => 1, per_page => 20, has_next => false, has_prev => false };
    my $all = $member->get("$base/$id/deliveries", query => { per_page => 2, page => 2 });
    json_is $all, '/has_prev', true;
    is scalar @{ $all->json('/deliveries') }, 2, 'page by page';
    is_deeply [ map { $_->{event} } @{ $member->get("$base/$id/deliveries", query => { event => 'organization.created' })->json('/deliveries') } ], ['organization.created'], 'those of an event';

    my $one = $res->json('/deliveries/0/id');
    my $got = $member->get("$base/$id/deliveries/$one");
    json_is $got, '/payload/type', 'project.created';
    json_is $got, '/payload/data/name', 'three';
    error_is $member->get("$base/$id/deliveries/$nobody"), 404, 'NOT_FOUND';
    error_is $member->get("$base/$nobody/deliveries"), 404, 'NOT_FOUND';

    my $again = $admin->post("$base/$id/deliveries/$one/redeliver");
    status_is $again, 201;
    json_is $again, '', { %is, message_id => $res->json('/deliveries/0/message_id'), is_redelivery => true };
    error_is $admin->post("$base/$id/deliveries/$nobody/redeliver"), 404, 'NOT_FOUND';
    $admin->put("$base/$id", { is_active => false });
    error_is $admin->post("$base/$id/deliveries/$one/redeliver"), 409, 'CONFLICT', name => 'not while it is switched off';
    $admin->put("$base/$id", { is_active => true });
};

subtest 'a webhook is of its mode' => sub {
    my $res = make(name => 'Test', headers_in => \%test);
    status_is $res, 201;
    is names($admin), 'All', 'the live one';
    is names($admin, %test), 'Test', 'the one of the test mode';
    error_is $admin->get("$base/$id", %test), 404, 'NOT_FOUND';
    my $before = types($id);
    $t->client(key => $t->key(tenant => 'acme', test => 1))->post('/api/v1/auth/register', { email => 'x@example.com', password => 'Correct-Horse-7' });
    is types($res->json('/id')), 'user.created user.signed_in', 'it hears of what test keys do';
    is types($id), $before, 'and the live one does not';
};

subtest 'it is gone' => sub {
    status_is $admin->delete("$base/$id"), 204;
    error_is $admin->delete("$base/$id"), 404, 'NOT_FOUND';
    error_is $admin->get("$base/$id"), 404, 'NOT_FOUND';
    is last_audit()->{action}, 'webhook.delete';
    my $before = types($id);
    $ann->post('/api/v1/app/projects', { name => 'after' });
    is types($id), $before, 'and hears of nothing';
};

subtest 'at most 50' => sub {
    $t->db->do('UPDATE tenants SET webhook_count = 49 WHERE id = ?', undef, $tenant);
    status_is make(), 201, 'the last one';
    error_is make(), 409, 'CONFLICT';
};
