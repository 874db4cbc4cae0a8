use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Deliverer;
use Ashlar::Receiver;

# The deliverer: what is sent, when it is sent again, and who waits for whom.
my $r = Ashlar::Receiver->start;
my $t = Api->start(
    main => 1, HTTP_ALLOW_PRIVATE => $r->address, WEBHOOK_ALLOW_HTTP => 'true', WEBHOOK_RETRY_SCHEDULE => '0,0.2,0.2,0.2',
    WEBHOOK_TIMEOUT_MS => 20000, WEBHOOK_LEASE_S => 30, WEBHOOK_PER_ENDPOINT => 4, WEBHOOK_IN_FLIGHT => 64, WEBHOOK_DISABLE_AFTER_S => 3600,
);
my $db    = $t->db;
my $ann   = $t->user('ann');
my $org   = $t->organization($ann);
my $base  = '/api/v1/webhooks';
$db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);

# An endpoint at a path of the receiver; its id.
sub endpoint ($path, %with) {
    my $res = $ann->post($base, { name => $path, url => $r->url($path), events => ['*'], %with });
    status_is $res, 201, "an endpoint at $path";
    push @{ $t->{secrets} }, $res->json('/secret');
    return ($res->json('/id'), $res->json('/secret'));
}

# Something happens in the workspace: every endpoint there is told.
sub emit ($data = '{"id":"x"}', $type = 'organization.updated') {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    $db->do('SELECT event_emit(?, ?, ?)', undef, $type, $org, $data);
    $db->do('NOTIFY ashlar_deliveries');    # as the host's notifier would for a request
    $db->commit;
    return;
}

sub only ($id) { return $db->do('UPDATE webhook_endpoints SET is_active = (id = ?)', undef, $id) }
sub row  ($id) { return $db->selectrow_hashref('SELECT * FROM webhook_endpoints WHERE id = ?', undef, $id) }

# The newest delivery of an endpoint, as the API shows it.
sub newest ($id) { return $ann->get("$base/$id/deliveries")->json('/items/0') }

sub ends ($id, $status, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return eventually { (newest($id)->{status} // '') eq $status } 30, $name;
}

my $d = Ashlar::Deliverer->start($t);

subtest 'a message is sent once, with what proves where it is from' => sub {
    my ($id) = endpoint('/first', headers => { 'X-Team' => 'blue', 'User-Agent' => 'mine' });
    my $etag = $ann->get("$base/$id")->header('ETag');
    emit('{"id":"x","name":"a: b, \"c\": d"}');
    ends $id, 'delivered', 'it arrives';
    my @got = $r->requests('/first');
    is @got, 1, '  once';
    my $h = $got[0]{headers};
    is $got[0]{method}, 'POST', '  by POST';
    is $h->{'content-type'}, 'application/json', '  as JSON';
    like $h->{'webhook-id'}, qr/\Amsg_[0-9A-Za-z]{27}\z/, '  webhook-id';
    cmp_ok abs($h->{'webhook-timestamp'} - time), '<', 30, '  webhook-timestamp';
    like $h->{'webhook-signature'}, qr{\Av1,[A-Za-z0-9+/]{43}=\z}, '  webhook-signature';
    is $h->{'x-team'}, 'blue', '  with the owner\'s headers';
    is $h->{'user-agent'}, 'mine', '  which may replace ours';
    like $got[0]{body}, qr/\A\{"type":"organization\.updated","timestamp":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","workspace_id":"\Q$org\E","data":\{"id":"x","name":"a: b, \\"c\\": d"\}\}\z/, '  minified, and no more';
    my $one = newest($id);
    is $one->{attempts}, 1, 'one attempt';
    is $one->{message_id}, $h->{'webhook-id'}, '  of that message';
    my $a = $one->{history}[0];
    is_deeply $a->{request_headers}, { 'User-Agent' => '***', 'Content-Type' => 'application/json', 'webhook-id' => $h->{'webhook-id'},
        'webhook-timestamp' => $h->{'webhook-timestamp'}, 'webhook-signature' => '***', 'X-Team' => '***' }, '  its headers are kept, without what is secret';
    like $a->{response_head}, qr{\AHTTP/1\.1 200 Stub\n}, '  and the head of the answer';
    my $long = $ann->get("$base/$id/deliveries/$one->{id}");
    json_is $long, '/history/0/response_body', 'thanks', '  and its body';
    is_deeply $long->json('/payload/data'), { id => 'x', name => 'a: b, "c": d' }, '  and what was sent';
    my $row = row($id);
    is_deeply [ @$row{qw(success_count failure_count last_status_code consecutive_failures failing_since)} ], [ 1, 0, 200, 0, undef ], 'the endpoint\'s numbers';
    ok $row->{last_triggered_at}, '  and time';
    isnt $ann->get("$base/$id")->header('ETag'), $etag, '  whose numbers a cache must not keep';
    status_is $ann->put("$base/$id", { name => 'first' }, headers => { 'If-Match' => $etag }), 200, '  but a delivery is no change that If-Match would stumble over';
};

subtest 'it is sent again by the schedule, under the same id, with another time and signature' => sub {
    $r->answer('/again', status => 500, body => "no\0pe \xff", headers => { 'X-Why' => 'because' });
    my ($id) = endpoint('/again');
    only $id;
    emit;
    ends $id, 'failed', 'until no attempt is left';
    my @got = $r->requests('/again');
    is @got, 4, '  as many as the schedule has';
    is scalar(keys %{ { map { $_->{headers}{'webhook-id'} => 1 } @got } }), 1, '  with one webhook-id';
    is scalar(keys %{ { map { $_->{body} => 1 } @got } }), 1, '  and one body';
    my $one = newest($id);
    is_deeply [ map { $_->{status_code} } @{ $one->{history} } ], [ (500) x 4 ], '  each in the history';
    is $one->{error}, 'status 500', '  and what is wrong';
    is $one->{next_attempt_at}, undef, '  there is no next time';
    json_is $ann->get("$base/$id/deliveries/$one->{id}"), '/history/0/response_body', qr/\Ano pe /, 'what cannot be stored of an answer is replaced';
    my $row = row($id);
    is_deeply [ @$row{qw(success_count failure_count last_status_code consecutive_failures)} ], [ 0, 4, 500, 4 ], 'the endpoint\'s numbers';
    ok $row->{failing_since}, '  and since when it fails';
    $r->answer('/again', status => 204, body => '');
    my $res = $ann->post("$base/$id/deliveries/$one->{id}/redeliver");
    status_is $res, 201, 'it may be sent again by hand';
    ends $id, 'delivered', '  and arrives';
    my $new = newest($id);
    is $new->{message_id}, $one->{message_id}, '  as the same message';
    is $new->{is_redelivery}, true, '  and as a delivery of its own';
    is_deeply [ @{ row($id) }{qw(consecutive_failures failing_since)} ], [ 0, undef ], 'a success ends the row of failures';
};

subtest 'Retry-After is waited for' => sub {
    $r->answer('/busy', status => 503, headers => { 'Retry-After' => 3600 });
    my ($id) = endpoint('/busy');
    only $id;
    emit;
    eventually { (newest($id)->{attempts} // 0) == 1 } 20, 'one attempt';
    my ($wait) = $db->selectrow_array('SELECT extract(epoch FROM next_attempt_at - now()) FROM webhook_deliveries WHERE endpoint_id = ?', undef, $id);
    cmp_ok $wait, '>', 3500, '  and the next one in an hour';
    cmp_ok $wait, '<=', 3600, '  not later';
    is newest($id)->{status}, 'pending', '  until which it waits';
    $r->answer('/busy', status => 429, headers => { 'Retry-After' => 1e9 });
    $db->do('UPDATE webhook_deliveries SET next_attempt_at = now() WHERE endpoint_id = ?', undef, $id);
    eventually { newest($id)->{attempts} == 2 } 20, 'one who asks for too much';
    ($wait) = $db->selectrow_array('SELECT extract(epoch FROM next_attempt_at - now()) FROM webhook_deliveries WHERE endpoint_id = ?', undef, $id);
    cmp_ok $wait, '<=', 86400, '  gets a day';
    cmp_ok $wait, '>', 86000, '  and no less';
    status_is $ann->post("$base/$id/toggle"), 200, 'switched off';
    is newest($id)->{status}, 'dropped', '  what waits is dropped';
    error_is $ann->post("$base/$id/deliveries/@{[ newest($id)->{id} ]}/redeliver"), 409, 'CONFLICT', name => '  and nothing is sent again';
};

subtest 'redirects are not followed' => sub {
    $r->answer('/moved', status => 302, headers => { Location => $r->url('/elsewhere') });
    my ($id) = endpoint('/moved');
    only $id;
    emit;
    ends $id, 'failed', 'they are failures';
    is scalar($r->requests('/elsewhere')), 0, '  and nobody goes there';
    is newest($id)->{status_code}, 302, '  the status is told';
};

subtest '410 means never again' => sub {
    $r->answer('/gone', status => 410);
    my ($id) = endpoint('/gone');
    only $id;
    emit;
    eventually { !row($id)->{is_active} } 20, 'the endpoint is switched off';
    json_is $ann->get("$base/$id"), '/disabled_reason', 'endpoint answered 410', '  and says why';
    is newest($id)->{status}, 'failed', '  the delivery has failed';
    is scalar($r->requests('/gone')), 1, '  after one attempt';
    my $mail = $db->selectrow_hashref(q{SELECT payload FROM jobs WHERE kind = 'mail' AND payload ->> 'template' = 'webhook_disabled'});
    like $mail->{payload}, qr{(?=.*"to": "ann\@example\.com")(?=.*endpoint answered 410)(?=.*/gone)(?=.*"name": "/gone")}, 'its owner is told';
    is $db->selectrow_array(q{SELECT tries FROM rate_limits WHERE name = 'mail_to' AND subject = 'account:ann@example.com'}), 1, '  which is counted, as all that members do to each other\'s mail';
    is $db->selectrow_array(q{SELECT actor_type FROM audit_events WHERE action = 'webhook.disable' AND resource_id = ? ORDER BY seq DESC LIMIT 1}, undef, $id), 'system', '  and the audit log';
    $r->answer('/gone', status => 200);
    my $on = $ann->post("$base/$id/toggle");
    json_is $on, '/is_active', true, 'on again';
    json_is $on, '/disabled_reason', undef, '  it starts anew';
    json_is $on, '/consecutive_failures', 0, '  at zero';
    only $id;
    emit;
    ends $id, 'delivered', '  and is sent to';
};

subtest 'who fails for days is switched off' => sub {
    $r->answer('/dead', status => 500);
    my ($id) = endpoint('/dead');
    only $id;
    $db->do(q{UPDATE webhook_endpoints SET failing_since = now() - interval '59 minutes' WHERE id = ?}, undef, $id);
    emit;
    ends $id, 'failed', 'not a moment before';
    ok row($id)->{is_active}, '  it is on';
    $db->do(q{UPDATE webhook_endpoints SET failing_since = now() - interval '61 minutes' WHERE id = ?}, undef, $id);
    emit;
    emit;
    eventually { !row($id)->{is_active} } 20, 'then it is off';
    is row($id)->{disabled_reason}, 'no attempt has succeeded for 3600 seconds', '  for this reason';
    # What was added while it went off is dropped by the claim that comes upon it.
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state NOT IN ('failed', 'dropped')}, undef, $id) } 20, '  and what waited is dropped';
    # An attempt that was under way then counts when it ends.
    eventually { $db->selectrow_array('SELECT count(*) FROM webhook_attempts a JOIN webhook_deliveries d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id WHERE d.endpoint_id = ?', undef, $id) == $r->requests('/dead') } 20,
        '  and what was under way has ended';
    status_is $ann->put("$base/$id", { is_active => true }), 200, 'switched on by an update';
    is_deeply [ @{ row($id) }{qw(disabled_reason failing_since consecutive_failures)} ], [ undef, undef, 0 ], '  all of it is forgotten';
};

subtest 'one slow receiver delays nobody' => sub {
    $r->answer('/slow', delay => 60);
    my ($slow)  = endpoint('/slow');
    my ($quick) = endpoint('/quick');
    $db->do('UPDATE webhook_endpoints SET is_active = id IN (?, ?)', undef, $slow, $quick);
    emit for 1 .. 30;
    eventually { $r->requests('/quick') == 30 } 20, 'all that the quick one is sent arrive';
    eventually { $r->requests('/slow') == 4 } 20, '  while the slow one has as many as it may have at a time';
    is $db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'delivered'}, undef, $slow), 0, '  and has answered none';
    $r->answer('/slow');
    eventually { $db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'delivered'}, undef, $slow) == 30 } 30, 'later it gets all of its own';
};

subtest 'one tenant with many silent receivers delays no other tenant' => sub {
    my $bob = $t->user('bob', tenant => 'other');
    my $org_of_bob = $t->organization($bob);
    $db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org_of_bob, $bob->uuid);
    my $res = $bob->post($base, { name => 'b', url => $r->url('/of-bob'), events => ['*'] });
    status_is $res, 201, 'an endpoint of another tenant';
    push @{ $t->{secrets} }, $res->json('/secret');
    $r->answer('/silent', delay => 60);
    my @silent = map { (endpoint('/silent'))[0] } 1 .. 24;
    $db->do('UPDATE webhook_endpoints SET is_active = id = ANY (?) OR tenant_id = ?', undef, \@silent, $bob->tenant_id);
    emit for 1 .. 4;
    eventually { $r->requests('/silent') >= 32 } 20, 'of 96 that are due half of the room is under way';
    for (1 .. 5) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $bob->tenant_id);
        $db->do('SELECT event_emit(?, ?, ?)', undef, 'organization.updated', $org_of_bob, '{"id":"x"}');
        $db->do('NOTIFY ashlar_deliveries');
        $db->commit;
        eventually { $r->requests('/of-bob') == $_ } 15, "message $_ of the other tenant arrives";
    }
    is $r->requests('/silent'), 32, '  while the silent ones have what they had';
    is $db->selectrow_array('SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ANY (?) AND attempts > 0', undef, \@silent), 0, '  and none of them has ended';
    $r->answer('/silent');
    eventually { $db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ANY (?) AND state = 'delivered'}, undef, \@silent) == 96 } 40, 'later they get all of their own';
};

subtest 'both secrets sign for a day' => sub {
    my ($id, $old) = endpoint('/rotated');
    only $id;
    my $res = $ann->post("$base/$id/regenerate-secret");
    push @{ $t->{secrets} }, $res->json('/secret');
    emit;
    ends $id, 'delivered', 'a message';
    my ($got) = $r->requests('/rotated');
    like $got->{headers}{'webhook-signature'}, qr{\Av1,\S{44} v1,\S{44}\z}, '  has two signatures';
    $db->do(q{UPDATE webhook_endpoints SET previous_secret_until = now() WHERE id = ?}, undef, $id);
    emit;
    eventually { $r->requests('/rotated') == 2 } 20, 'the next one, a day later';
    like +($r->requests('/rotated'))[1]{headers}{'webhook-signature'}, qr{\Av1,\S{44}\z}, '  has one';
};

subtest 'a body has at most 256 KiB' => sub {
    my ($id) = endpoint('/large');
    only $id;
    emit('{"id":"big","x":"' . 'y' x 262_144 . '"}');
    emit('{"id":"fits","x":"' . 'y' x (262_144 - 300) . '"}');
    eventually { $r->requests('/large') == 2 } 30, 'two large ones';
    my ($big, $fits) = sort { length $a->{body} <=> length $b->{body} } $r->requests('/large');
    like $big->{body}, qr/"data":\{"id":"big","truncated":true\}\}\z/, 'what is too large is told of';
    like $fits->{body}, qr/"id":"fits"/, '  what fits is sent';
};

subtest 'what leads inside is not called' => sub {
    my ($id) = endpoint('/inside');
    only $id;
    my $other = Ashlar::Receiver->start;
    for my $url ($other->url('/x'), 'http://[::ffff:127.0.0.1]:' . ($other->address =~ s/.*://r) . '/x', 'http://localhost:' . ($other->address =~ s/.*://r) . '/x', 'http://169.254.169.254/x') {
        $db->do('UPDATE webhook_endpoints SET url = ? WHERE id = ?', undef, $url, $id);    # as a name may have changed its mind
        emit;
        eventually { my $n = newest($id); $n->{status} eq 'failed' && $n->{error} =~ /private address/ } 20, $url;
    }
    is scalar($other->requests('/x')), 0, 'nobody was called';
};

subtest 'a deliverer that dies loses nothing' => sub {
    $r->answer('/killed', delay => 60);
    my ($id) = endpoint('/killed');
    only $id;
    emit for 1 .. 3;
    eventually { $r->requests('/killed') == 3 } 20, 'three are under way';
    $d->crash;
    $r->answer('/killed');
    emit;
    $d = Ashlar::Deliverer->start($t);
    my $delivered = sub { $db->selectrow_array(q{SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'delivered'}, undef, $id) };
    eventually { $delivered->() == 1 } 30, 'another one sends what came meanwhile';
    is scalar($r->requests('/killed')), 4, '  and leaves the three alone, which are leased';
    $db->do(q{UPDATE webhook_deliveries SET next_attempt_at = now() WHERE endpoint_id = ? AND state = 'delivering'}, undef, $id);    # since the test does not wait
    eventually { $delivered->() == 4 } 30, '  until the lease is over';
    is scalar(keys %{ { map { $_->{headers}{'webhook-id'} => 1 } $r->requests('/killed') } }), 4, '  under their ids';
    is_deeply $db->selectcol_arrayref(q{SELECT attempts FROM webhook_deliveries WHERE endpoint_id = ?}, undef, $id), [ (1) x 4 ], '  what was cut off does not count';
};

subtest 'one that is told to stop ends what is under way' => sub {
    $r->answer('/last', delay => 60);
    my ($id) = endpoint('/last');
    only $id;
    emit;
    eventually { $r->requests('/last') == 1 } 20, 'one is under way';
    $d->term;
    $r->answer('/last');
    ok $d->ended(20), 'it waits for the answer, and ends';
    is newest($id)->{status}, 'delivered', '  which is written down';
    emit;
    $d = Ashlar::Deliverer->start($t);
    eventually { $r->requests('/last') == 2 } 20, 'the next one goes on';
};

subtest 'what became of them is counted' => sub {
    my $n = sub ($outcome) { return $t->metric('ashlar_webhook_deliveries_total', outcome => $outcome) };
    cmp_ok $n->('delivered'), '>=', 10, 'delivered';
    cmp_ok $n->('retried'),   '>=', 5,  'retried';
    cmp_ok $n->('failed'),    '>=', 1,  'failed';
    is $n->('gone'), 1, 'gone';
    cmp_ok $t->metric('ashlar_webhook_delivery_seconds_total'), '>', 0, 'and how long it took';
};

subtest 'after 30 days nothing is left' => sub {
    my ($messages) = $db->selectrow_array('SELECT count(*) FROM webhook_messages');
    $db->do('ALTER TABLE webhook_messages DISABLE TRIGGER USER');
    $db->do(q{UPDATE webhook_messages SET created_at = now() - interval '30 days' - interval '1 minute'});
    $db->do('ALTER TABLE webhook_messages ENABLE TRIGGER USER');
    $db->do('SELECT purge(10000)');
    is $db->selectrow_array("SELECT count(*) FROM $_"), 0, "no row of $_" for qw(webhook_messages webhook_deliveries webhook_attempts);
    cmp_ok $messages, '>', 5, '  there were some';
};

$d->term;
ok $d->ended(20), 'the deliverer ends';
