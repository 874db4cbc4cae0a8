use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS ();

my $t        = Api->start;
my $ann      = $t->user('ann');
my $eve      = $t->user('eve', tenant => 'other');
my $server   = $t->client(key => $t->key);
my $theirs   = $t->client(key => $t->key(tenant => 'other'));
my $public   = $t->client(key => $t->key(type => 'public'), origin => 'https://app.example.com');
my $org      = $t->organization($ann);
my $meters   = '/api/v1/usage/meters';
my $events   = '/api/v1/usage/events';
my $json     = Cpanel::JSON::XS->new->canonical->utf8;
my $one      = 'application/cloudevents+json';
my $batch    = 'application/cloudevents-batch+json';

# A time so many seconds from now, as RFC 3339 has it.
sub at ($seconds) { return $t->db->selectrow_array(q{SELECT to_char((now() + make_interval(secs => ?)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}, undef, $seconds) }

my $number = 0;

sub event (%more) {
    my %event = (specversion => '1.0', id => 'e' . ++$number, source => '/tests', type => 'image.made', subject => $ann->id, %more);
    delete @event{ grep { !defined $event{$_} } keys %event };
    return \%event;
}

sub report ($event, %more) { return $server->post($events, undef, raw => $json->encode($event), type => ref $event eq 'ARRAY' ? $batch : $one, %more) }

sub used ($meter, $subject = $ann->id) { return $server->get("$meters/$meter/usage", query => { subject => $subject })->json('/used') }

sub taken ($accepted, $duplicates = 0, $unmatched = 0) { return { accepted => $accepted, duplicates => $duplicates, unmatched => $unmatched } }

subtest 'only a secret key gets in' => sub {
    for my $ask (
        sub ($who) { $who->get($meters) },
        sub ($who) { $who->post($meters, { key => 'x', name => 'X', event_type => 'x', aggregation => 'count' }) },
        sub ($who) { $who->get("$meters/x/usage", query => { subject => $ann->id }) },
        sub ($who) { $who->post($events, event()) },
    ) {
        error_is $ask->($t->nobody), 401, 'INVALID_API_KEY';
        error_is $ask->($t->client(key => 'sk_live_' . 'x' x 32)), 401, 'INVALID_API_KEY';
        error_is $ask->($public), 403, 'AUTHORIZATION_ERROR';
    }
    is $t->db->selectrow_array('SELECT count(*) FROM usage_meters'), 0, 'and nothing was made';
};

subtest 'a meter says what it measures' => sub {
    my %good = (key => 'images', name => 'Images', event_type => 'image.made', aggregation => 'sum', value_path => '$.count');
    my $bad  = sub ($field, %wrong) { error_is $server->post($meters, { %good, %wrong }), 422, 'VALIDATION_ERROR', field => $field };
    $bad->(key => key => $_) for '', 'Images', '1st', 'a-b', 'a' x 64;
    $bad->(aggregation => aggregation => 'average');
    $bad->(value_path => value_path => $_) for '$', 'count', '$.', '$..x', '$.a[0]', '$.x ? (@ > 1)';
    $bad->(value_path => value_path => undef);
    $bad->(max => max => -1);
    error_is $server->post($meters, { key => 'many', name => 'Many', event_type => 'x', aggregation => 'count', value_path => '$.n' }), 422, 'VALIDATION_ERROR', field => 'value_path', name => 'a count has no value';
    error_is $server->post($meters, { key => 'many', name => 'Many', event_type => 'x', aggregation => 'sum' }), 422, 'VALIDATION_ERROR', field => 'value_path', name => 'a sum has one';
    is_deeply $server->get($meters)->json, [];

    my $res = $server->post($meters, { %good, unit => 'images', max => 10 });
    status_is $res, 201;
    json_is $res, '', { %good, unit => 'images', max => 10, created_at => $TIME, updated_at => $TIME };
    error_is $server->post($meters, \%good), 409, 'CONFLICT', field => 'key';
    status_is $theirs->post($meters, \%good), 201, 'free in another tenant';
    status_is $server->post($meters, { key => $_->[0], name => $_->[0], event_type => 'image.made', aggregation => $_->[1], $_->[2] ? (value_path => $_->[2]) : () }), 201
        for [ 'calls', 'count' ], [ 'largest', 'max', '$.size.pixels' ], [ 'models', 'unique', '$.model' ];
    is_deeply [ map { $_->{key} } @{ $server->get($meters)->json } ], [qw(calls images largest models)];
    json_is $server->get("$meters/images"), '', $res->json;
    json_is $server->put("$meters/images", { name => 'Pictures', max => undef }), '/max', undef, 'the limit can be taken away';
    json_is $server->put("$meters/images", { max => 10, aggregation => 'count' }), '/aggregation', 'sum', 'what it measures stays';
    error_is $server->get("$meters/nothing"), 404, 'NOT_FOUND', resource => 'Meter', id => 'nothing';
    error_is $theirs->get("$meters/calls"), 404, 'NOT_FOUND';
};

subtest 'an event is a CloudEvent about somebody' => sub {
    my %wrong = (
        specversion => [ undef, '0.3', 1 ], id => [ undef, '', 7, 'x' x 256 ], source => [ undef, '', [] ], type => [ undef, '', {} ],
        subject     => [ undef, 7, 'nobody', '00000000-0000-7000-8000-00000000dead', $eve->id ],
        time        => [ 'yesterday', 7, '2026-13-01T00:00:00Z', '2026-11-01T00:00:00', at(-33 * 86400), at(600) ],
        data        => [ undef, {}, { count => 1.5, size => { pixels => 1 }, model => 'a' }, { count => -1, size => { pixels => 1 }, model => 'a' }, { count => '1', size => { pixels => 1 }, model => 'a' },
            { count => 1, size => { pixels => 1 }, model => [] } ],
    );
    my %data = (data => { count => 1, size => { pixels => 1 }, model => 'a' });
    for my $attribute (sort keys %wrong) {
        for my $value (@{ $wrong{$attribute} }) {
            error_is report(event(%data, $attribute => $value)), 422, 'VALIDATION_ERROR', field => $attribute;
        }
    }
    error_is report([ event(%data), event(%data, id => '') ]), 422, 'VALIDATION_ERROR', field => '[1].id', message => qr/event 1/, name => 'of a batch it is said which one';
    error_is report([ 7 ]), 422, 'VALIDATION_ERROR', field => '[0].event';
    error_is report([ map { event(%data) } 1 .. 1001 ]), 422, 'VALIDATION_ERROR', message => qr/1000/;
    error_is $server->post($events, undef, raw => $_, type => $one), 400, 'BAD_REQUEST' for '{', '[]', '7', '{"id":"a\u0000b"}';
    error_is $server->post($events, undef, raw => '', type => $one), 422, 'VALIDATION_ERROR', message => qr/no event/;
    error_is $server->post($events, undef, raw => '{}', type => $batch), 400, 'BAD_REQUEST';
    error_is $server->post($events, undef, raw => '{}', type => $_), 415, 'UNSUPPORTED_MEDIA_TYPE' for 'text/plain', 'application/cloudevents', undef;
    is used($_), 0, "$_: nothing was counted" for qw(images calls largest models);
    is $t->db->selectrow_array('SELECT count(*) FROM usage_event_ids'), 0, 'nor remembered';
};

subtest 'meters make of events what they are for' => sub {
    json_is report(event(data => { count => 3, size => { pixels => 100 }, model => 'a' })), '', taken(1);
    json_is report([ event(data => { count => 4, size => { pixels => 900 }, model => 'b' }), event(data => { count => 0, size => { pixels => 50 }, model => 'a' }) ]), '', taken(2);
    is used('images'), 7, 'a sum';
    is used('calls'), 3, 'a count';
    is used('largest'), 900, 'the largest';
    is used('models'), 2, 'different ones';
    json_is report(event(subject => $org, data => { count => 5, size => { pixels => 1 }, model => 'a' })), '', taken(1);
    is used('images', $org), 5, 'an organization has its own';
    is used('models', $org), 1;
    is used('images', $ann->uuid), 7, 'a user is known by either id';
    json_is report(event(type => 'image.seen')), '', taken(1, 0, 1), 'what no meter knows is taken';
    error_is $server->get("$meters/images/usage", query => { subject => $eve->id }), 422, 'VALIDATION_ERROR', field => 'subject';
    error_is $server->get("$meters/images/usage"), 422, 'VALIDATION_ERROR', field => 'subject';
    error_is $server->get("$meters/nothing/usage", query => { subject => $ann->id }), 404, 'NOT_FOUND';
};

subtest 'an event counts once, however often it is told' => sub {
    my $event = event(data => { count => 1, size => { pixels => 1 }, model => 'a' });
    json_is report($event), '', taken(1);
    json_is report($event), '', taken(0, 1);
    json_is report([ $event, $event, event(%$event, source => '/elsewhere'), event(%$event, source => '/elsewhere') ]), '', taken(1, 3), 'the same id of another source is another one';
    is used('images'), 9;
    json_is $theirs->post($events, undef, raw => $json->encode({ %$event, subject => $eve->id }), type => $one), '', taken(1), 'and that of another tenant';
    $t->db->do(q{UPDATE usage_event_ids SET created_at = now() - interval '33 days'});
    $t->db->do('SELECT purge(1000)');
    json_is report($event), '', taken(1), 'after 32 days it is forgotten';
};

subtest 'a late event counts on its day' => sub {
    my $day  = 28 * 86400;
    my $late = at(-$day);
    report(event(time => $late, subject => $org, data => { count => 50, size => { pixels => 5 }, model => 'a' }));
    is $t->db->selectrow_array(q{SELECT count(*) FROM usage_events WHERE metric = 'meter.images' AND occurred_at = ?}, undef, $late), 1;
    my $is_now = substr($late, 0, 7) eq substr(at(0), 0, 7);
    is used('images', $org), $is_now ? 55 : 5, 'and in its month';
    is $t->db->selectrow_array(q{SELECT used FROM usage_counters WHERE organization_id = ? AND metric = 'meter.images' ORDER BY period_start LIMIT 1}, undef, $org), $is_now ? 55 : 50;
    eventually {
        $t->db->do('SELECT usage_roll(1000)');
        $t->db->selectrow_array(q{SELECT quantity FROM usage_daily WHERE metric = 'meter.images' AND day = ?::timestamptz::date AND organization_id = ?}, undef, $late, $org)
    } 20, 'and in the sums of that day';
    is_deeply $t->db->selectcol_arrayref(q{SELECT quantity FROM usage_daily WHERE metric = 'peak.largest' AND user_id = ?}, undef, $ann->uuid), [900], 'the largest is not added up';
};

subtest 'a limit is asked for, and what has happened counts' => sub {
    my $ask = sub ($amount) { $server->get("$meters/images/usage", query => { subject => $ann->uuid, amount => $amount })->json };
    my $got = $ask->(0);
    is_deeply { map { $_ => $got->{$_} } qw(key used max remaining allowed) }, { key => 'images', used => 10, max => 10, remaining => 0, allowed => true };
    is $ask->(1)->{allowed}, false, 'one more is too much';
    report(event(data => { count => 2, size => { pixels => 1 }, model => 'a' }));
    is_deeply [ @{ $ask->(0) }{qw(used remaining allowed)} ], [ 12, 0, false ];
    $server->put("$meters/images", { max => 13 });
    is_deeply [ @{ $ask->(1) }{qw(remaining allowed)} ], [ 1, true ];
    json_is $server->get("$meters/calls/usage", query => { subject => $ann->uuid, amount => 1_000_000 }), '/allowed', true, 'without a limit all is';
};

subtest 'an event may be in headers and body' => sub {
    my %headers = ('ce-specversion' => '1.0', 'ce-id' => 'b1', 'ce-source' => '/binary', 'ce-type' => 'image.made', 'ce-subject' => 'user%5Fann');
    my $before  = used('images');
    my $send    = sub (%more) { $server->post($events, { count => 1, size => { pixels => 1 }, model => 'a' }, headers => { %headers, 'ce-subject' => $ann->id, %more }) };
    json_is $send->(), '', taken(1);
    json_is $send->(), '', taken(0, 1);
    is used('images'), $before + 1;
    error_is $send->('ce-id' => undef), 422, 'VALIDATION_ERROR', field => 'id';
    json_is $server->post($events, event(data => { count => 1, size => { pixels => 1 }, model => 'a' })), '', taken(1), 'or a whole one as application/json';
};

subtest 'a meter that is deleted measures nothing more' => sub {
    json_is $server->delete("$meters/calls"), '/message', 'the meter was deleted';
    error_is $server->delete("$meters/calls"), 404, 'NOT_FOUND';
    error_is $server->get("$meters/calls/usage", query => { subject => $ann->id }), 404, 'NOT_FOUND';
    is $t->db->selectrow_array(q{SELECT string_agg(action, ' ' ORDER BY seq) FROM audit_events WHERE resource_type = 'usage_meter' AND resource_id = 'calls'}), 'usage_meter.create usage_meter.delete';
};
