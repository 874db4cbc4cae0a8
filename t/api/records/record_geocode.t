# Where the addresses of records are: who may ask, what the provider is asked, how often, what is written, and what becomes of it when the provider fails or the
# worker dies.

use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Geocoder;
use Ashlar::Workspace;
use Ashlar::Ws;
use Cpanel::JSON::XS ();
use Time::HiRes qw(sleep time);

my $geo  = Ashlar::Geocoder->start;
my $t    = Api->start(main => 3, realtime => 1, WORKER_LEASE_S => 2, $geo->settings);
my $db   = $t->db;
my $url  = '/api/v1/recordsets/geocode';
my $none = '01936b1c-2f5e-7a10-8c3d-000000000000';
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
$t->keep_secret($Ashlar::Geocoder::KEY, $Ashlar::Geocoder::KEY =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger);

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});

sub field ($key, $type = 'text', %with) { return { key => $key, type => $type, %with } }
sub set_of ($name, @fields) { return $ann->post('/api/v1/recordsets', { name => $name, schema => { fields => \@fields } })->json('/id') }
sub record ($set, $values, %with) {
    my $res = $ann->post('/api/v1/records', { recordset_id => $set, field_values => $values, %with });
    status_is $res, 201 or diag $res->describe;
    return $res->json('/id');
}
sub shown ($id, $who = $ann) { return $who->get("$url/jobs/$id")->json }
sub seen ($id) { return $ann->get("/api/v1/records/$id")->json }
sub started ($set, %with) {
    my $res = $ann->post($url, { recordset_id => $set, address_fields => ['address'], %with });
    status_is $res, 200, 'begun' or diag $res->describe;
    return $res->json('/job_id');
}
sub ended ($id) {
    my $job;
    eventually { $job = shown($id); $job->{status} =~ /completed|failed|cancelled/ } 60, 'it ends';
    return $job;
}
sub counts ($job) { return [ @$job{qw(status total_records processed_records geocoded_count failed_count skipped_count)} ] }
sub place ($address) { my ($lat, $lng) = Ashlar::Geocoder->where($address); return { type => 'Point', coordinates => [ $lng, $lat ] } }
sub stop_worker { $t->{pool}{worker}->stop('TERM', 30); return }

my @fields = (field('name'), field('address', 'address'), field('city'), field('zip', 'number'), field('latitude', 'latitude'), field('longitude', 'longitude'), field('y', 'number'), field('whole', 'number', integer => true),
    field('only', 'number', unique => true));
my $set = set_of('Shops', @fields);

subtest 'who may, and of what' => sub {
    my %body = (recordset_id => $set, address_fields => ['address']);
    error_is $t->nobody->post($url, \%body), 401, 'AUTHENTICATION_ERROR';
    error_is $carl->post($url, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/;
    status_is $ann->post("/api/v1/recordsets/$set/access", { member_id => $w->member_id($_->[0]), $_->[1] => true }), 201 for [ carl => 'can_view' ], [ vera => 'can_edit_own' ], [ bob => 'can_edit' ];
    error_is $_->post($url, \%body), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/ for $carl, $vera;
    error_is $eve->post($url, \%body), 404, 'NOT_FOUND', field => 'recordset_id';
    error_is $ann->post($url, { %body, recordset_id => $none }), 404, 'NOT_FOUND';
    error_is $ann->post($url, { %body, %{ $_->[0] } }), 422, 'VALIDATION_ERROR', field => $_->[1], name => $json->encode($_->[0])
        for [ { recordset_id => undef }, 'recordset_id' ], [ { address_fields => [] }, 'address_fields' ], [ { address_fields => undef }, 'address_fields' ], [ { address_fields => [ map { "a$_" } 1 .. 11 ] }, 'address_fields' ],
        [ { address_fields => ['adress'] }, 'address_fields' ], [ { lat_field => 'name' }, 'lat_field' ], [ { lat_field => 'whole' }, 'lat_field' ], [ { lng_field => 'only' }, 'lng_field' ], [ { lng_field => 'latitude' }, 'lng_field' ],
        [ { lat_field => 'y', lng_field => 'y' }, 'lng_field' ], [ { lat_field => 'No' }, 'lat_field' ], [ { record_ids => [] }, 'record_ids' ], [ { record_ids => ['x'] }, qr/record_ids/ ], [ { overwrite => 'maybe' }, 'overwrite' ];
    like $ann->post($url, { %body, address_fields => ['adress'] })->json('/error/message'), qr/did you mean address/;
    $db->do('UPDATE recordsets SET is_virtual = true WHERE id = ?', undef, $set);
    error_is $ann->post($url, \%body), 409, 'CONFLICT';
    $db->do('UPDATE recordsets SET is_virtual = false WHERE id = ?', undef, $set);
    my $strict = set_of('Strict', field('address'));
    status_is $ann->put("/api/v1/recordsets/$strict", { settings => { strict_schema => true } }), 200;
    error_is $ann->post($url, { recordset_id => $strict, address_fields => ['address'] }), 422, 'VALIDATION_ERROR', field => 'lat_field';
    is $db->selectrow_array(q{SELECT count(*) FROM record_runs}), 0, 'nothing is made by what is refused';
    error_is $ann->get("$url/jobs/$_"), 404, 'NOT_FOUND' for $none;
};

my ($job, %id);

subtest 'a job that waits' => sub {
    $id{first}   = record($set, { name => 'First', address => "  Kungsgatan 1 & Co,\tStockholm ", city => 'Malmö / Å', zip => 11143 });
    $id{same}    = record($set, { name => 'Same', address => 'kungsgatan 1 & co, stockholm', city => 'MALMÖ / Å', zip => 11143 });
    $id{placed}  = record($set, { name => 'Placed', address => 'Elsewhere 2', latitude => 1, longitude => 2 });
    $id{shape}   = record($set, { name => 'Shape', address => 'Elsewhere 3' }, geometry => { type => 'Point', coordinates => [ 5, 6 ] });
    $id{nowhere} = record($set, { name => 'None', address => 'Nowhere 1' });
    $id{bare}    = record($set, { name => 'Bare', address => '   ' });
    $id{long}    = record($set, { name => 'Long', address => 'x' x 501 });
    $id{half}    = record($set, { name => 'Half', address => 'Half 4', latitude => 3 });
    my $res = $bob->post($url, { recordset_id => $set, address_fields => [qw(address zip city)] });
    $job = $res->json('/job_id');
    json_is $res, '', { job_id => $UUID, status => 'queued', total_records => 8, stream_url => "$url/jobs/$job/stream", status_url => "$url/jobs/$job" };
    my $again = $ann->post($url, { recordset_id => $set, address_fields => ['address'] });
    error_is $again, 409, 'CONFLICT', field => 'recordset_id';
    is_deeply [ @{ $again->json('/error/details') }{qw(job_id stream_url)} ], [ $job, "$url/jobs/$job/stream" ], 'details say which one runs';
    my $got = $vera->get("$url/jobs/$job")->json;
    is_deeply [ @$got{qw(job_id recordset_id recordset_name status progress total_records address_fields lat_field lng_field errors started_at completed_at error_message)} ],
        [ $job, $set, 'Shops', 'queued', 0, 8, [qw(address zip city)], 'latitude', 'longitude', [], undef, undef, undef ], 'any member sees it';
    is $got->{created_by}{id}, $w->member_id('bob');
    is_deeply $vera->get("$url/jobs")->json('/items'), [$got], 'in the list, too';
    is_deeply [ map { $vera->get("$url/jobs", query => { status => $_ })->json('/total') } qw(queued running) ], [ 1, 0 ], 'which can be narrowed';
    error_is $ann->get("$url/jobs", query => $_), 422, 'VALIDATION_ERROR', field => (keys %$_)[0] for { status => 'done' }, { page_size => 201 }, { page => 0 };
    error_is $_->[0]->get("$url/jobs"), $_->[1], $_->[2] for [ $t->nobody, 401, 'AUTHENTICATION_ERROR' ], [ $eve->with(headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR' ];
    error_is $eve->get("$url/jobs/$job"), 404, 'NOT_FOUND', name => 'another workspace\'s';
    is $eve->get("$url/jobs")->json('/total'), 0;
    is $ann->get('/api/v1/recordsets/import/jobs')->json('/total'), 0, 'it is no import';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'record.geocode' AND details ->> 'recordset_id' = ?}, undef, $set), 1, 'it is in the audit log';
};

sub follow ($who, $id, $query = '', %header) {
    return Ashlar::Ws->open($t, "$url/jobs/$id/stream$query", Upgrade => undef, Connection => 'close', Accept => 'text/event-stream',
        ($query =~ /token=/ ? () : (Authorization => 'Bearer ' . $who->token)), %header);
}

# All events until the stream ends.
sub events ($s, $seconds = 60) {
    my $until = time + $seconds;
    while (time < $until) { last if !$s->_read(1) && $s->{is_over} }
    ok $s->{is_over}, 'the stream ends by itself';
    unlike $s->{in}, qr/^event:/m, 'its messages have no name';
    return map { $json->decode($_) } $s->{in} =~ /^data: (.*)$/mg;
}

subtest 'it is followed, and does what it is for' => sub {
    is follow($ann, $_)->status, 404, "$_: none" for $none;
    is follow($eve, $job)->status, 403, 'who is no member of its workspace';
    is follow($ann, $job, '', Authorization => undef)->status, 401;
    is follow($ann, $job, '?token=x')->status, 401;
    my $s = follow($vera, $job, '?token=' . $vera->token);
    is $s->status, 200, 'no header names the workspace';
    is $s->header('Content-Type'), 'text/event-stream';
    $t->start_worker(children => 2);
    my @told = events($s);
    is_deeply [ map { $_->{status} } @told[ 0, -1 ] ], [ 'queued', 'completed' ], 'from how it stood to its end' or diag $json->encode(\@told);
    is_deeply [ @{ $told[-1] }{qw(job_id progress current_step total processed succeeded failed error_message)} ], [ $job, 100, '', 8, 8, 3, 3, undef ];
    like $told[-1]{timestamp}, qr/\A20.*Z\z/;
    is_deeply [ map { $_->{progress} } @told ], [ sort { $a <=> $b } map { $_->{progress} } @told ], 'progress never goes down';
    is_deeply [ map { $_->{status} } events(follow($ann, $job)) ], ['completed'], 'who comes late is told how it ended';

    my $got = shown($job);
    is_deeply counts($got), [ 'completed', 8, 8, 3, 3, 2 ] or diag $json->encode($got);
    is $got->{progress}, 100;
    ok $got->{started_at} && $got->{completed_at};
    is_deeply $got->{errors}, [ { record_id => $id{nowhere}, address => 'Nowhere 1', error => 'no such place was found' }, { record_id => $id{bare}, address => '', error => 'there is no address' },
        { record_id => $id{long}, address => 'x' x 500, error => 'the address is too long' } ], 'what was not found';
    is_deeply shown($job, $carl)->{errors}, [], 'for who started it, owners and admins';
    is scalar @{ shown($job, $bob)->{errors} }, 3;

    my @asked = $geo->asked;
    is_deeply [ map { $_->{address} } @asked ], [ 'Kungsgatan 1 & Co, Stockholm, 11143, Malmö / Å', 'Nowhere 1', 'Half 4' ], 'the fields are the address, in their order, and equal ones are asked once';
    is $asked[0]{headers}{'user-agent'}, "Ashlar ($t->{env}{PUBLIC_URL})" if $t->{env}{PUBLIC_URL};
    like $asked[0]{headers}{'user-agent'}, qr/\AAshlar \(https:/, 'who asks';

    my $first = seen($id{first});
    my ($lat, $lng) = Ashlar::Geocoder->where($asked[0]{address});
    is_deeply [ @{ $first->{field_values} }{qw(latitude longitude)} ], [ $lat, $lng ], 'its coordinates';
    is_deeply $first->{geometry}, place($asked[0]{address}), 'and its geometry';
    is $first->{version}, 2, 'a new version';
    my $history = $ann->get("/api/v1/records/$id{first}/history")->json;
    is_deeply [ sort @{ $history->[0]{changed_fields} } ], [ 'latitude', 'longitude' ];
    is $history->[0]{changed_by}{id}, $w->member_id('bob'), 'of who started it' if $history->[0]{changed_by};
    is_deeply seen($id{same})->{geometry}, $first->{geometry}, 'of the same address the same';
    is_deeply [ map { seen($id{$_})->{version} } qw(placed shape nowhere bare long) ], [ 1, 1, 1, 1, 1 ], 'others are as they were';
    is_deeply seen($id{half})->{geometry}, place('Half 4'), 'half of a place is none';

    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.bulk_written' AND metadata ->> 'count' = '3' AND metadata ->> 'recordset_id' = ?}, undef, $set), 1, 'one activity';
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.updated'}), 0, '  and none of each';
    is $db->selectrow_array(q{SELECT count(*) FROM notifications WHERE event_type = 'geocode_completed' AND member_id = ?}, undef, $w->member_id('bob')), 1, 'who started it is told';
    is $db->selectrow_array('SELECT count(*) FROM geocode_answers'), 3, 'what was said is kept';
    is $db->selectrow_array(q{SELECT bool_and(expires_at BETWEEN created_at + interval '28 days' AND created_at + interval '29 days 1 hour') FROM geocode_answers}), 1, '  for less than 30 days';
};

subtest 'again' => sub {
    $geo->answer({});
    is_deeply counts(ended(started($set, address_fields => [qw(address zip city)]))), [ 'completed', 8, 8, 0, 3, 5 ], 'only what has none is looked for';
    is scalar $geo->asked, 0, 'and what is known is not asked again';
    is_deeply counts(ended(started($set, address_fields => [qw(address zip city)], overwrite => true))), [ 'completed', 8, 8, 5, 3, 0 ], 'or all of them';
    is_deeply [ map { $_->{address} } $geo->asked ], [ 'Elsewhere 2', 'Elsewhere 3' ], '  of which the others were asked before';
    is_deeply seen($id{shape})->{geometry}, place('Elsewhere 3'), 'what was there is another place now';
    is seen($id{first})->{version}, 2, 'what alters nothing writes nothing';
    $db->do(q{UPDATE geocode_answers SET expires_at = now() - interval '1 second'});
    $geo->answer({});
    is_deeply counts(ended(started($set, address_fields => [qw(address zip city)], record_ids => [ $none, $id{nowhere}, $id{first}, $id{nowhere} ]))), [ 'completed', 4, 4, 0, 2, 2 ], 'only these';
    is_deeply [ map { $_->{address} } $geo->asked ], ['Nowhere 1'], 'what was said too long ago is asked again';

    # A map that knows where records are by the same fields, and one by others.
    status_is $ann->post("/api/v1/recordsets/$set/enable-map", { lat_field => 'latitude', lng_field => 'longitude' }), 200;
    eventually { !$db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'records.place' AND state <> 'completed'}) } 30, 'it is on a map';
    status_is $ann->put("/api/v1/records/$id{first}", { field_values => { latitude => 10, longitude => 20 } }), 200;
    is_deeply seen($id{first})->{geometry}, { type => 'Point', coordinates => [ 20, 10 ] }, 'a place that was looked up follows its fields';
    my $shapes = set_of('Shapes', field('address'), field('shape', 'geometry'));
    status_is $ann->post("/api/v1/recordsets/$shapes/enable-map", { geometry_field => 'shape' }), 200;
    my $one = record($shapes, { address => 'Shape 1' });
    is_deeply counts(ended(started($shapes))), [ 'completed', 1, 1, 1, 0, 0 ];
    is_deeply [ seen($one)->{geometry}, seen($one)->{field_values}{latitude} ], [ place('Shape 1'), place('Shape 1')->{coordinates}[1] ], 'fields that the schema does not have are there, too';
    status_is $ann->put("/api/v1/records/$one", { field_values => { address => 'Other 1' } }), 200;
    is_deeply seen($one)->{geometry}, place('Shape 1'), '  and the place stays, where it is by another field that others are';
    my $bounds = set_of('Bounds', field('address'), field('latitude', 'number', min => 100));
    record($bounds, { address => 'Bound 1' });
    is_deeply [ map { $_->{error} } @{ ended(started($bounds))->{errors} } ], ['latitude must be within 100 and -'], 'what the schema does not take is not written';
};

subtest 'a provider that fails' => sub {
    my $set = set_of('Failing', field('address'));
    my $one = record($set, { address => 'Failing 1' });
    for my $how ([ 'over its limit' => { status => 'OVER_QUERY_LIMIT' } ], [ 'too many' => { http => 429, headers => { 'Retry-After' => 60 } } ], [ 'no JSON' => { body => '<html>' } ]) {
        $geo->answer($how->[1], {});
        is_deeply counts(ended(started($set, overwrite => true))), [ 'completed', 1, 1, 1, 0, 0 ], "$how->[0]: later";
        is scalar $geo->asked, 2, '  it was asked again';
        $db->do('DELETE FROM geocode_answers');
    }
    $geo->answer({ status => 'UNKNOWN_ERROR' }, {});
    is_deeply counts(ended(started($set, overwrite => true))), [ 'completed', 1, 1, 1, 0, 0 ], 'UNKNOWN_ERROR: once more';
    $db->do('DELETE FROM geocode_answers');
    for my $how ([ UNKNOWN_ERROR => { status => 'UNKNOWN_ERROR' } ], [ 'no place on earth' => { place => [ 91, 0 ] } ], [ 'no place at all' => { place => [ 'x', 0 ] , body => '{"status":"OK","results":[{}]}' } ]) {
        $geo->answer($how->[1]);
        my $job = ended(started($set, overwrite => true));
        is_deeply [ counts($job), $job->{errors}[0]{error} ], [ [ 'completed', 1, 1, 0, 1, 0 ], 'the provider cannot say where this is' ], $how->[0];
    }
    is $db->selectrow_array('SELECT count(*) FROM geocode_answers'), 0, 'that is not kept';
    for my $how ([ REQUEST_DENIED => { status => 'REQUEST_DENIED' } ], [ OVER_DAILY_LIMIT => { status => 'OVER_DAILY_LIMIT' } ], [ 403 => { http => 403 } ]) {
        $geo->answer($how->[1]);
        my $job = ended(started($set, overwrite => true));
        is_deeply counts($job), [ 'failed', 1, 0, 0, 0, 0 ], "$how->[0]: it fails at once";
        like $job->{error_message}, qr/does not take our requests/;
        is scalar $geo->asked, 1;
    }
    ok !(grep { ($_->{msg} // $_->{message} // '') =~ /Failing 1/ } $t->log), 'no address is in the log';

    # One that says nothing for ever: the run waits longer each time, and is given up.
    $geo->answer({ status => 'OVER_QUERY_LIMIT' });
    my $id = started($set, overwrite => true);
    eventually { my $row = $db->selectrow_hashref('SELECT step, summary FROM record_runs WHERE id = ?', undef, $id); ($row->{step} // '') =~ /waiting/ } 30, 'it waits';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'record.geocode' AND state = 'running'}), 0, '  and no process with it';
    $db->do(q{UPDATE record_runs SET summary = summary || '{"stalls": 12}' WHERE id = ?}, undef, $id);
    my $job = ended($id);
    is_deeply [ $job->{status}, $job->{error_message} =~ /does not answer/ ], [ 'failed', 1 ];
};

subtest 'who may not any more, and what is no more' => sub {
    my $gone = set_of('Gone', field('address'));
    record($gone, { address => 'Gone 1' });
    stop_worker();
    $geo->answer({});
    status_is $ann->post("/api/v1/recordsets/$gone/access", { member_id => $w->member_id('carl'), can_edit => true }), 201;
    my $run = $carl->post($url, { recordset_id => $gone, address_fields => ['address'] })->json('/job_id');
    status_is $ann->delete("/api/v1/recordsets/$gone/access/members/@{[ $w->member_id('carl') ]}"), 204;
    my $empty = started(set_of('Empty', field('address')));
    my $trash = set_of('Trash', field('address'));
    record($trash, { address => 'Trash 1' });
    my $trashed = started($trash);
    status_is $ann->delete("/api/v1/recordsets/$trash"), 204;
    $t->start_worker(children => 2);
    is_deeply counts(ended($empty)), [ 'completed', 0, 0, 0, 0, 0 ], 'of nothing it is done';
    like ended($run)->{error_message}, qr/no right/;
    like ended($trashed)->{error_message}, qr/no more/;
    is scalar $geo->asked, 0, 'nothing was asked for them';
};

subtest 'a worker that is killed' => sub {
    my $many = set_of('Many', field('address'));
    my $n    = 60;
    status_is $ann->post('/api/v1/records/batch', { recordset_id => $many, items => [ map { { op => 'create', field_values => { address => "Street $_" } } } 1 .. $n ] }), 200;
    $geo->answer({ delay => 0.05 });
    my $id = started($many);
    eventually { ($db->selectrow_array('SELECT processed_rows FROM record_runs WHERE id = ?', undef, $id))[0] >= 20 } 60, 'some are done';
    $t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);
    kill 'KILL', $t->children('worker');
    my $had = $db->selectrow_array('SELECT processed_rows FROM record_runs WHERE id = ?', undef, $id);
    cmp_ok $had, '<', $n, 'not all';
    is_deeply counts(ended($id)), [ 'completed', $n, $n, $n, 0, 0 ], 'it goes on, and nothing is lost';
    my %times;
    $times{ $_->{address} }++ for $geo->asked;
    is scalar keys %times, $n, 'each was asked';
    my @twice = grep { $times{$_} > 1 } keys %times;
    cmp_ok scalar @twice, '<=', 10, 'of one batch at most twice';
    is_deeply [ grep { $times{$_} > 2 } keys %times ], [];
    is $db->selectrow_array('SELECT count(*) FROM records WHERE recordset_id = ? AND version = 2', undef, $many), $n, 'and written once';
    is $db->selectrow_array(q{SELECT count(*) FROM activities WHERE event = 'record.bulk_written' AND metadata ->> 'recordset_id' = ? AND metadata ->> 'count' = ?}, undef, $many, $n), 2, 'one activity, beside that of their making';
};

subtest 'a run is done in turns' => sub {
    my $slow = set_of('Slow', field('address'));
    record($slow, { address => 'Slow 1' });
    my $id = started($slow);
    ended($id);
    # A stint that is over leaves the rest to another job, and the run is what it was.
    my $more = started($slow, overwrite => true);
    ended($more);
    stop_worker();
    my $run = started($slow, overwrite => true);
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    my ($is_more) = $db->selectrow_array('SELECT record_geocode_pass(?, ?, false, 1)', undef, $w->id, $run);
    $db->commit;
    is $is_more, 1;
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'record.geocode' AND queue = 'ashlar.geocoding' AND payload ->> 'run_id' = ?}, undef, $run), 2, 'in a queue of its own';
    $t->start_worker(children => 2);
    is_deeply counts(ended($run)), [ 'completed', 1, 1, 1, 0, 0 ], 'whichever of the two is first';
};

subtest 'Nominatim, and no provider' => sub {
    my $geo = Ashlar::Geocoder->start;
    my $t   = Api->start(main => 2, $geo->settings('nominatim'));
    my $w   = workspace($t, ann => 'owner');
    my $ann = $w->{ann};
    my $set = $ann->post('/api/v1/recordsets', { name => 'Osm', schema => { fields => [ field('address') ] } })->json('/id');
    my @id  = map { $ann->post('/api/v1/records', { recordset_id => $set, field_values => { address => $_ } })->json('/id') } 'Götgatan 1, Stockholm', 'Nowhere 2', 'Götgatan 3 + 4';
    $t->start_worker(children => 2);
    my $run = $ann->post($url, { recordset_id => $set, address_fields => ['address'] })->json('/job_id');
    my $job;
    eventually { $job = $ann->get("$url/jobs/$run")->json; $job->{status} eq 'completed' } 60, 'it is done';
    is_deeply counts($job), [ 'completed', 3, 3, 2, 1, 0 ];
    is_deeply $ann->get("/api/v1/records/$id[0]")->json('/geometry'), place('Götgatan 1, Stockholm');
    my @asked = $geo->asked;
    is_deeply [ map { $_->{address} } @asked ], [ 'Götgatan 1, Stockholm', 'Nowhere 2', 'Götgatan 3 + 4' ];
    cmp_ok $asked[2]{at} - $asked[0]{at}, '>', 1.8, 'it is asked once a second';
    like $asked[0]{headers}{'user-agent'}, qr{\AAshlar \(https://}, 'and told who asks';

    my $without = Api->start(main => 1, GEOCODER => 'nominatim', GOOGLE_GEOCODING_KEY => 'x');
    my $other   = workspace($without, ann => 'owner');
    error_is $other->{ann}->post($url, { recordset_id => $none, address_fields => ['address'] }), 503, 'SERVICE_UNAVAILABLE', message => qr/geocoding providers are not configured/;
};
