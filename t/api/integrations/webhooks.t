use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Receiver;

# Webhooks that a workspace sends: its endpoints.  What is sent, and when, is
# t/ops/deliver.t.
my $r = Ashlar::Receiver->start;
my $t = Api->start(slow => 2, HTTP_ALLOW_PRIVATE => $r->address, WEBHOOK_ALLOW_HTTP => 'true');
my $db    = $t->db;
my $base  = '/api/v1/webhooks';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $WHOLE = qr{\Awhsec_[A-Za-z0-9+/]{43}=\z};

my $ann = $t->user('ann');
my $bob = $t->user('bob');
my $org = $t->organization($ann);
$t->member($org, $bob, 'member');
$db->do('UPDATE users SET default_organization_id = ?', undef, $org);
my ($member) = $db->selectrow_array('SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $org, $ann->uuid);

sub good (%with) { return { name => 'x', url => $r->url('/a'), events => ['organization.updated'], %with } }

# A new endpoint; its answer.
sub made (%with) {
    my $res = $ann->post($base, good(%with));
    push @{ $t->{secrets} }, $res->json('/secret') if $res->status == 201;
    return $res;
}

sub stored ($id) { return $db->selectrow_hashref('SELECT * FROM webhook_endpoints WHERE id = ?', undef, $id) }
sub audited ($id) { return $db->selectcol_arrayref('SELECT action FROM audit_events WHERE resource_id = ? ORDER BY seq', undef, $id) }

subtest 'which workspace' => sub {
    error_is $ann->get($base, headers => { 'X-Workspace-Id' => 'mine' }), 400, 'BAD_REQUEST', field => 'X-Workspace-Id';
    error_is $t->get($base, headers => { 'X-Workspace-Id' => 'mine' }), 401, 'AUTHENTICATION_ERROR', name => 'first of all, who asks';
    my $carl = $t->user('carl');
    error_is $carl->get($base), 400, 'BAD_REQUEST', field => 'X-Workspace-Id', name => 'somebody who has chosen none';
    error_is $carl->get($base, headers => { 'X-Workspace-Id' => $org }), 403, 'AUTHORIZATION_ERROR', name => 'another one\'s';
    my $theirs = $t->organization($carl);
    status_is $carl->get($base, headers => { 'X-Workspace-Id' => uc $theirs }), 200, 'their own, by the header';
    $db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $theirs, $carl->uuid);
    status_is $carl->get($base), 200, 'or by the choice that they made';
    error_is $carl->get($base, headers => { 'X-Workspace-Id' => $org }), 403, 'AUTHORIZATION_ERROR', name => '  which the header overrules';
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $theirs);
    error_is $carl->get($base), 400, 'BAD_REQUEST', field => 'X-Workspace-Id', name => 'one that was deleted is none';
};

subtest 'who may' => sub {
    my $id = made()->json('/id');
    error_is $bob->get($base), 403, 'AUTHORIZATION_ERROR', name => 'a member may not see them';
    error_is $bob->get("$base/$id"), 403, 'AUTHORIZATION_ERROR', name => '  nor one';
    error_is $bob->get("$base/00000000-0000-7000-8000-00000000dead"), 403, 'AUTHORIZATION_ERROR', name => '  nor learn which there are';
    error_is $bob->post($base, {}), 403, 'AUTHORIZATION_ERROR', name => '  whatever is sent';
    error_is $bob->post("$base/$id/$_", $_ eq 'test' ? { event => 'organization.updated' } : ()), 403, 'AUTHORIZATION_ERROR' for qw(test toggle regenerate-secret);
    $t->member($org, $bob, 'admin');
    status_is $bob->get("$base/$id"), 200, 'an admin may';
    $t->member($org, $bob, 'member');
    my $root = $t->user('root', role => 'superadmin');
    error_is $root->get($base, headers => { 'X-Workspace-Id' => $org }), 403, 'AUTHORIZATION_ERROR', name => 'staff may not, who are no members';
    my $other = $t->organization($ann);
    error_is $ann->request($_->[0], "$base/$id$_->[1]", headers => { 'X-Workspace-Id' => $other }, $_->[2] ? (json => $_->[2]) : ()), 404, 'NOT_FOUND', name => "$_->[0] $_->[1] of another workspace is not there"
        for [ GET => '' ], [ PUT => '', { name => 'y' } ], [ DELETE => '' ], [ POST => '/toggle' ], [ POST => '/regenerate-secret' ], [ POST => '/test', { event => 'organization.updated' } ], [ GET => '/deliveries' ];
    json_is $ann->get($base, headers => { 'X-Workspace-Id' => $other }), '', [], '  nor in the list';
    status_is $ann->delete("$base/$id"), 204;
};

subtest 'a URL' => sub {
    my %wrong = (
        'ftp://example.com/x'                  => 'url',
        'http://user:word@127.0.0.1/'          => 'a user name',
        'https://10.0.0.1/'                    => 'private',
        'https://127.0.0.1/'                   => 'loopback',
        'https://localhost/'                   => 'a name of loopback',
        'https://[::1]/'                       => 'IPv6',
        'https://[::ffff:10.0.0.1]/'           => 'IPv4 in IPv6',
        'https://[64:ff9b::7f00:1]/'           => 'IPv4 behind NAT64',
        'https://0x7f000001/'                  => 'hexadecimal',
        'https://2130706433/'                  => 'one number',
        'https://127.1/'                       => 'a short one',
        'https://169.254.169.254/latest/'      => 'metadata',
        'https://[fe80::1]/'                   => 'link-local',
        'https://224.0.0.1/'                   => 'multicast',
        'https://no-such-name.invalid/'        => 'a name that is none',
    );
    error_is made(url => $_), 422, 'VALIDATION_ERROR', field => 'url', name => "not $wrong{$_}: $_" for sort keys %wrong;
    error_is $ann->put("$base/" . made()->json('/id'), { url => 'https://10.0.0.1/' }), 422, 'VALIDATION_ERROR', field => 'url', name => 'nor by an update';
    my $strict = Api->start(HTTP_ALLOW_PRIVATE => $r->address);
    my $eve    = $strict->user('eve');
    my $place  = $strict->organization($eve);
    error_is $eve->post($base, good(), headers => { 'X-Workspace-Id' => $place }), 422, 'VALIDATION_ERROR', field => 'url', message => qr/https/, name => 'http only where it is allowed';
};

subtest 'events' => sub {
    error_is made(events => $_->[0]), 422, 'VALIDATION_ERROR', field => 'events', name => "not $_->[1]"
        for [ [] => 'none' ], [ ['no.such'] => 'unknown' ], [ [ '*', 'organization.updated' ] => '* with others' ], [ ['user.created'] => 'the tenant\'s own' ], [ 'organization.updated' => 'text' ],
            [ [ ('organization.updated') x 101 ] => 'more than 100' ];
    error_is made(events => [1]), 422, 'VALIDATION_ERROR', field => 'events[0]', name => 'not numbers';
    json_is made(events => [ 'organization.updated', 'organization.updated' ]), '/events', ['organization.updated'], 'each once';
    json_is made(events => ['*']), '/events', ['*'], 'or all';
    my $known = $ann->get("$base/events");
    status_is $known, 200, 'the list of them';
    ok +(grep { $_->{type} eq 'organization.updated' && length $_->{description} } @{ $known->json }), '  says what each tells of';
    ok !(grep { $_->{type} eq 'user.created' } @{ $known->json }), '  and has those of a workspace only';
    is made(events => [ map { $_->{type} } @{ $known->json } ])->status, 201, '  all of which can be had';
};

subtest 'headers' => sub {
    my %wrong = (
        'a host' => { Host => 'x' }, 'a length' => { 'Content-Length' => '1' }, 'a type' => { 'content-type' => 'x' }, 'a connection' => { CONNECTION => 'x' }, 'an encoding' => { 'Transfer-Encoding' => 'x' },
        'a signature' => { 'Webhook-Signature' => 'v1,x' }, 'a line break' => { X => "a\r\nHost: evil" }, 'one in the name' => { "X: a\r\nY" => 'b' }, 'a colon' => { 'X:' => 'a' }, 'no name' => { '' => 'a' },
        'a blank name' => { ' X' => 'a' }, 'no value' => { X => '' }, 'a number' => { X => 1 }, 'a list' => { X => ['a'] }, 'what is no ASCII' => { X => "\x{e9}" }, 'a tab' => { X => "a\tb" }, 'blanks around' => { X => ' a' },
        'too long a value' => { X => 'a' x 1001 }, 'two of one name' => { 'X-A' => 'a', 'x-a' => 'b' }, 'eleven' => { map { ("X-$_" => 'a') } 1 .. 11 },
    );
    error_is made(headers => $wrong{$_}), 422, 'VALIDATION_ERROR', field => 'headers', name => "not $_" for sort keys %wrong;
    my $ten = { map { ("X-$_" => 'a' x 1000) } 1 .. 10 };
    my $res = made(headers => $ten);
    json_is $res, '/headers', { map { $_ => '***' } keys %$ten }, 'ten are fine, and their values are nobody\'s to see';
    unlike stored($res->json('/id'))->{headers_sealed}, qr/aaaa/, '  nor the database\'s';
    json_is $ann->put("$base/" . $res->json('/id'), { headers => { Authorization => 'Bearer x' } }), '/headers', { Authorization => '***' }, 'an update replaces them whole';
    json_is $ann->put("$base/" . $res->json('/id'), { headers => {} }), '/headers', {}, '  or takes them away';
    is stored($res->json('/id'))->{headers_sealed}, undef, '  for good';
};

subtest 'create' => sub {
    error_is $ann->post($base, good(name => $_)), 422, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 256;
    error_is $ann->post($base, good(description => 'x' x 1001)), 422, 'VALIDATION_ERROR', field => 'description';
    my $res = made(name => 'Billing', description => 'why', headers => { 'X-Team' => 'blue' });
    status_is $res, 201;
    my %same = (
        id => $UUID, workspace_id => $org, name => 'Billing', description => 'why', url => $r->url('/a'), events => ['organization.updated'], headers => { 'X-Team' => '***' },
        is_active => true, last_triggered_at => undef, last_status_code => undef, success_count => 0, failure_count => 0, consecutive_failures => 0, disabled_reason => undef,
        created_by => $member, created_at => $MICRO, updated_at => $MICRO,
    );
    json_is $res, '', { %same, secret => $WHOLE }, 'the answer, with the secret in full';
    my ($id, $secret) = ($res->json('/id'), $res->json('/secret'));
    my $masked = 'whsec_****' . substr $secret, -4;
    json_is $ann->get("$base/$id"), '', { %same, secret => $masked }, 'from then on it is masked';
    json_is $ann->get($base), '/0', { %same, secret => $masked }, '  in the list, too';
    my $row = stored($id);
    ok !(grep { defined && index($_, substr $secret, 6) >= 0 } values %$row), '  and sealed in the database';
    is_deeply audited($id), ['webhook.create'], 'it is put down';
    unlike $db->selectrow_array('SELECT details FROM audit_events WHERE resource_id = ?', undef, $id), qr{/a"}, '  without its path, which may be a secret';
    my @two = map { $ann->post($base, good(), headers => { 'Idempotency-Key' => 'the same' }) } 1, 2;
    push @{ $t->{secrets} }, map { $_->json('/secret') } @two;
    isnt $two[0]->json('/id'), $two[1]->json('/id'), 'an Idempotency-Key stores no secret';
    is $db->selectrow_array('SELECT count(*) FROM idempotency_keys'), 0, '  nowhere';
    $db->do('DELETE FROM memberships WHERE id = ?', undef, $member);
    json_is $t->client(token => $bob->token)->get($base), '/error/code', 'AUTHORIZATION_ERROR', '(nobody is left)';
    $t->member($org, $ann, 'owner');
    json_is $ann->get("$base/$id"), '/created_by', undef, 'who has left made nothing';
};

subtest 'list and count' => sub {
    my $place = $t->organization($ann);
    my @in    = (headers => { 'X-Workspace-Id' => $place });
    my @id    = map { my $res = $ann->post($base, good(name => "n$_", is_active => $_ == 2 ? false : true), @in); push @{ $t->{secrets} }, $res->json('/secret'); $res->json('/id') } 1 .. 3;
    my $ids   = sub ($query) { return [ map { $_->{id} } @{ $ann->get($base, query => $query, @in)->json } ] };
    is_deeply $ids->({}), [ reverse @id ], 'newest first';
    is_deeply $ids->({ skip => 1, limit => 1 }), [ $id[1] ], 'a part of them';
    is_deeply $ids->({ is_active => 'true' }), [ @id[ 2, 0 ] ], 'those that are on';
    is_deeply $ids->({ is_active => 'false' }), [ $id[1] ], '  or off';
    json_is $ann->get("$base/count", @in), '', { count => 3 }, 'how many';
    json_is $ann->get("$base/count", query => { is_active => 'false' }, @in), '', { count => 1 }, '  that are off';
    error_is $ann->get($base, query => { $_->[0] => $_->[1] }, @in), 422, 'VALIDATION_ERROR', field => $_->[0] for [ limit => 0 ], [ limit => 101 ], [ skip => -1 ], [ is_active => 'yes' ];
};

subtest 'fifty are enough' => sub {
    my $place = $t->organization($ann);
    my @in    = (headers => { 'X-Workspace-Id' => $place });
    $db->do('UPDATE organizations SET webhook_count = 49 WHERE id = ?', undef, $place);
    my $last = $ann->post($base, good(), @in);
    status_is $last, 201, 'the fiftieth';
    push @{ $t->{secrets} }, $last->json('/secret');
    error_is $ann->post($base, good(), @in), 409, 'CONFLICT', name => 'and no more';
    is $db->selectrow_array('SELECT webhook_count FROM organizations WHERE id = ?', undef, $place), 50, '  which leaves the number alone';
    status_is $ann->delete("$base/" . $last->json('/id'), @in), 204, 'without one';
    my $again = $ann->post($base, good(), @in);
    status_is $again, 201, '  there is room again';
    push @{ $t->{secrets} }, $again->json('/secret');
};

subtest 'update' => sub {
    my $res = made(name => 'before', description => 'why', headers => { X => 'a' });
    my $id  = $res->json('/id');
    my $put = $ann->put("$base/$id", { name => 'after' });
    status_is $put, 200;
    json_is $put, '/name', 'after', 'what was sent';
    json_is $put, '/description', 'why', '  and nothing else';
    json_is $put, '/secret', 'whsec_****' . substr($res->json('/secret'), -4), '  with the secret masked';
    json_is $ann->patch("$base/$id", { description => undef }), '/description', undef, 'PATCH is the same, and null clears';
    error_is $ann->put("$base/$id", { $_ => undef }), 422, 'VALIDATION_ERROR', field => $_ for qw(name url events is_active headers);
    json_is $ann->put("$base/$id", { secret => 'whsec_mine' }), '/secret', 'whsec_****' . substr($res->json('/secret'), -4), 'the secret cannot be set';
    json_is $ann->put("$base/$id", { events => ['*'] }), '/events', ['*'], 'events are replaced whole';
    my $etag = $ann->get("$base/$id")->header('ETag');
    status_is $ann->put("$base/$id", { name => 'later' }, headers => { 'If-Match' => $etag }), 200, 'If-Match';
    error_is $ann->put("$base/$id", { name => 'latest' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
    error_is $ann->put("$base/00000000-0000-7000-8000-00000000dead", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $ann->put("$base/00000000-0000-7000-8000-00000000dead", { events => ['no.such'] }), 404, 'NOT_FOUND', name => 'what is not there is not checked';
    is_deeply audited($id), [ 'webhook.create', ('webhook.update') x 5 ], 'it is put down';
};

# What happens in the workspace is told to its endpoints and to the tenant's own.
sub emit ($type, $organization) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do('SELECT event_emit(?, ?, ?)', undef, $type, $organization, '{"id":"x"}');
    $db->commit;
    return;
}

sub heard ($id) { return $db->selectcol_arrayref('SELECT event FROM webhook_deliveries WHERE endpoint_id = ? ORDER BY created_at, id', undef, $id) }

subtest 'who is told of what' => sub {
    my %id = (some => made()->json('/id'), all => made(events => ['*'])->json('/id'), off => made(events => ['*'], is_active => false)->json('/id'));
    my $other = $t->organization($ann);
    my $else  = $ann->post($base, good(events => ['*']), headers => { 'X-Workspace-Id' => $other });
    push @{ $t->{secrets} }, $else->json('/secret');
    my ($own) = $db->selectrow_array(q{INSERT INTO webhook_endpoints (tenant_id, name, url, events, secret_sealed, secret_tail) VALUES (?, 'x', 'https://x.example', '{*}', 'x', 'x') RETURNING id}, undef, $ann->tenant_id);
    $db->do('DELETE FROM webhook_messages');
    emit('organization.updated', $org);
    emit('organization.created', $org);
    emit('user.created', undef);
    is_deeply heard($id{some}), ['organization.updated'], 'an endpoint hears of what it asked for';
    is_deeply heard($id{all}), [ 'organization.updated', 'organization.created' ], 'one that asked for all, of all in its workspace';
    is_deeply heard($id{off}), [], 'one that is off, of nothing';
    is_deeply heard($else->json('/id')), [], 'nor one of another workspace';
    is_deeply heard($own), [ 'organization.updated', 'organization.created', 'user.created' ], 'the tenant\'s own hears of everything';
    is $db->selectrow_array('SELECT count(*) FROM webhook_messages'), 3, 'a message is kept once';
    error_is $ann->get("$base/$own"), 404, 'NOT_FOUND', name => 'and is no workspace\'s to see';
    $db->do('DELETE FROM webhook_messages');
    $db->do('DELETE FROM webhook_endpoints WHERE id = ?', undef, $own);
    emit('user.created', undef);
    is $db->selectrow_array('SELECT count(*) FROM webhook_messages'), 0, 'where nobody listens nothing is kept';
};

subtest 'toggle' => sub {
    my $id = made(events => ['*'])->json('/id');
    emit('organization.updated', $org);
    my $off = $ann->post("$base/$id/toggle");
    status_is $off, 200;
    json_is $off, '/is_active', false, 'off';
    is $db->selectrow_array('SELECT state FROM webhook_deliveries WHERE endpoint_id = ?', undef, $id), 'dropped', '  what waits is dropped';
    $db->do(q{UPDATE webhook_endpoints SET disabled_reason = 'why', consecutive_failures = 7, failing_since = now() WHERE id = ?}, undef, $id);
    my $on = $ann->post("$base/$id/toggle");
    json_is $on, '/is_active', true, 'on';
    json_is $on, '/disabled_reason', undef, '  forgets why it was off';
    json_is $on, '/consecutive_failures', 0, '  and how often it failed';
    is stored($id)->{failing_since}, undef, '  and since when';
    is_deeply [ @{ audited($id) }[ 1, 2 ] ], [ 'webhook.disable', 'webhook.enable' ], '  and both are put down';
};

subtest 'another secret' => sub {
    my $first = made();
    my $id    = $first->json('/id');
    my $res   = $ann->post("$base/$id/regenerate-secret");
    status_is $res, 200;
    push @{ $t->{secrets} }, $res->json('/secret');
    json_is $res, '/secret', $WHOLE, 'in full';
    isnt $res->json('/secret'), $first->json('/secret'), '  another one';
    json_is $ann->get("$base/$id"), '/secret', 'whsec_****' . substr($res->json('/secret'), -4), '  masked from then on';
    my ($hours) = $db->selectrow_array(q{SELECT extract(epoch FROM previous_secret_until - now()) / 3600 FROM webhook_endpoints WHERE id = ?}, undef, $id);
    cmp_ok abs($hours - 24), '<', 0.1, 'the old one is good for a day';
    is_deeply audited($id), [ 'webhook.create', 'webhook.regenerate_secret' ], 'it is put down';
    error_is $ann->post("$base/00000000-0000-7000-8000-00000000dead/regenerate-secret"), 404, 'NOT_FOUND';
};

subtest 'a test' => sub {
    my $id = made(url => $r->url('/test'), is_active => false, headers => { 'X-Team' => 'blue' })->json('/id');
    error_is $ann->post("$base/$id/test", { event => $_ }), 422, 'VALIDATION_ERROR', field => 'event' for 'no.such', 'user.created', '*';
    my $res = $ann->post("$base/$id/test", { event => 'organization.member_added' });
    status_is $res, 200;
    json_is $res, '', { success => true, status_code => 200, message => qr/200/ }, 'also while it is off, and for what it did not ask for';
    my ($got) = $r->requests('/test');
    like $got->{headers}{'webhook-signature'}, qr/\Av1,/, '  signed';
    is $got->{headers}{'x-team'}, 'blue', '  with the owner\'s headers';
    like $got->{body}, qr/"type":"organization\.member_added".*"workspace_id":"\Q$org\E".*"test":true/, '  with sample data';
    $ann->post("$base/$id/test", { event => 'organization.member_added', payload => { a => [ 1, 'x/y' ] } });
    like +($r->requests('/test'))[1]{body}, qr{"data":\{"a":\[1,"x/y"\]\}\}\z}, 'or with what was sent';
    error_is $ann->post("$base/$id/test", { event => 'organization.member_added', payload => { a => 'x' x 262_144 } }), 422, 'VALIDATION_ERROR', field => 'payload', name => 'up to 256 KiB';
    $r->answer('/test', status => 500);
    json_is $ann->post("$base/$id/test", { event => 'organization.member_added' }), '', { success => false, status_code => 500, message => qr/500/ }, 'an error is told';
    $r->answer('/test', status => 302, headers => { Location => $r->url('/elsewhere') });
    json_is $ann->post("$base/$id/test", { event => 'organization.member_added' }), '', { success => false, status_code => 302, message => qr/redirect/ }, 'so is a redirect';
    is scalar($r->requests('/elsewhere')), 0, '  which is not followed';
    $db->do('UPDATE webhook_endpoints SET url = ? WHERE id = ?', undef, 'http://127.0.0.1:1024/', $id);
    json_is $ann->post("$base/$id/test", { event => 'organization.member_added' }), '', { success => false, status_code => undef, message => qr/private/ }, 'what leads inside is not called';
    $db->do('UPDATE webhook_endpoints SET url = ? WHERE id = ?', undef, 'https://no-such-name.invalid/', $id);
    json_is $ann->post("$base/$id/test", { event => 'organization.member_added' }), '', { success => false, status_code => undef, message => qr/./ }, 'nor what is not there';
    is_deeply [ @{ stored($id) }{qw(success_count failure_count last_triggered_at)} ], [ 0, 0, undef ], 'tests are counted nowhere';
    is $db->selectrow_array('SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ?', undef, $id), 0, '  and no deliveries';
};

subtest 'deliveries' => sub {
    my $id = made(events => ['*'])->json('/id');
    emit('organization.updated', $org) for 1 .. 3;
    emit('organization.created', $org);
    my $page = $ann->get("$base/$id/deliveries", query => { page_size => 2 });
    json_is $page, '/total', 4, 'how many';
    json_is $page, '/page', 1;
    json_is $page, '/page_size', 2;
    json_is $page, '/items/0', {
        id => $UUID, webhook_id => $id, message_id => qr/\Amsg_\w{27}\z/, event => 'organization.created', status => 'pending', attempts => 0, next_attempt_at => $MICRO,
        status_code => undef, error => undef, is_redelivery => false, created_at => $MICRO, finished_at => undef, history => [],
    }, 'newest first';
    is scalar @{ $ann->get("$base/$id/deliveries", query => { page => 2, page_size => 3 })->json('/items') }, 1, 'the second page';
    json_is $ann->get("$base/$id/deliveries", query => { page => 9 }), '/items', [], 'one behind the end is empty';
    json_is $ann->get("$base/$id/deliveries", query => { event => 'organization.created' }), '/total', 1, 'of an event';
    json_is $ann->get("$base/$id/deliveries", query => { status => 'failed' }), '/items', [], 'of a state';
    my $one = $page->json('/items/0/id');
    my $got = $ann->get("$base/$id/deliveries/$one");
    json_is $got, '/payload', { type => 'organization.created', timestamp => $MICRO, workspace_id => $org, data => { id => 'x' } }, 'one shows what is sent';
    my $else = made()->json('/id');
    error_is $ann->get("$base/$else/deliveries/$one"), 404, 'NOT_FOUND', name => 'it is one endpoint\'s';
    error_is $ann->post("$base/$else/deliveries/$one/redeliver"), 404, 'NOT_FOUND', name => '  to send again, too';
    my @again = map { $ann->post("$base/$id/deliveries/$one/redeliver", undef, headers => { 'Idempotency-Key' => 'again' }) } 1, 2;
    status_is $again[0], 201, 'sent again';
    json_is $again[0], '/message_id', $got->json('/message_id'), '  the same message';
    json_is $again[0], '/is_redelivery', true, '  as another delivery';
    is $again[0]->json('/id'), $again[1]->json('/id'), '  once, under an Idempotency-Key';
};

subtest 'delete' => sub {
    my $id = made(events => ['*'])->json('/id');
    emit('organization.updated', $org);
    my $res = $ann->delete("$base/$id");
    status_is $res, 204;
    body_is $res, '';
    is_deeply $db->selectcol_arrayref('SELECT state FROM webhook_deliveries WHERE endpoint_id = ?', undef, $id), ['dropped'], 'what waits is dropped';
    error_is $ann->get("$base/$id"), 404, 'NOT_FOUND', name => 'it is gone';
    error_is $ann->delete("$base/$id"), 404, 'NOT_FOUND', name => '  once';
    error_is $ann->get("$base/$id/deliveries"), 404, 'NOT_FOUND', name => '  with its deliveries';
    ok !(grep { $_->{id} eq $id } @{ $ann->get($base)->json }), '  and not in the list';
    is_deeply audited($id), [ 'webhook.create', 'webhook.delete' ], '  and it is put down';
};

subtest 'an Idempotency-Key is one workspace\'s' => sub {
    my $other = $t->organization($ann);
    my @id    = (made()->json('/id'));
    my $res   = $ann->post("$base/$id[0]/toggle", undef, headers => { 'Idempotency-Key' => 'k' });
    status_is $res, 200;
    error_is $ann->post("$base/$id[0]/toggle", undef, headers => { 'Idempotency-Key' => 'k', 'X-Workspace-Id' => $other }), 422, 'IDEMPOTENCY_KEY_REUSED', name => 'in another one it is another request';
};
