use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Notifications of a tenant: one row for everybody, and what is read is kept for each user.
my $t      = Api->start(main => 4);
my $db     = $t->db;
my $base   = '/api/notifications';
my $ann    = $t->user('ann', role => 'member');
my $viewer = $t->user('viewer', role => 'viewer');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $key    = $t->client(key => $t->key);
my %one    = (title => 'Tide', message => 'It comes.');

sub titles ($res) { return join ' ', map { $_->{title} } @{ $res->json('/data') } }
sub unread ($who) { return $who->get("$base/unread-count")->json('/data/count') }
sub rows ($table, $who) { return $db->selectrow_array("SELECT count(*) FROM tenant_notification_$table WHERE user_id = ?", undef, $who->uuid) }

subtest 'who may' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/unread-count";
    error_is $t->post($base, \%one), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client->patch("$base/read-all"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client->patch("$base/1/read"),   401, 'AUTHENTICATION_ERROR';
    error_is $key->get($_), 401, 'AUTHENTICATION_ERROR', name => 'a tenant\'s key has read nothing' for $base, "$base/unread-count";
    error_is $_->post($base, \%one), 403, 'AUTHORIZATION_ERROR' for $viewer, $demo;
    is unread($_), 0 for $viewer, $demo;
    json_is $demo->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    json_is $demo->patch("$base/read-all"), '', { data => { success => true, updated => 0 }, meta => { message => 'All notifications are read' } };
};

subtest 'what is malformed is 400' => sub {
    error_is $ann->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is $ann->post($base, { title   => 'x' }), 400, 'VALIDATION_ERROR', field => 'message';
    error_is $ann->post($base, { message => 'x' }), 400, 'VALIDATION_ERROR', field => 'title';
    error_is $ann->post($base, { %one, title   => $_ }), 400, 'VALIDATION_ERROR', field => 'title'   for '', 'x' x 201, 7, undef;
    error_is $ann->post($base, { %one, message => $_ }), 400, 'VALIDATION_ERROR', field => 'message' for '', 'x' x 5001, 7, undef;
    error_is $ann->post($base, { %one, type    => $_ }), 400, 'VALIDATION_ERROR', field => 'type'    for '', 'fatal', undef;
    error_is $ann->post($base, { %one, source  => $_ }), 400, 'VALIDATION_ERROR', field => 'source'  for 'x' x 101, 7;
    error_is $ann->post($base, { %one, link    => $_ }), 400, 'VALIDATION_ERROR', field => 'link'    for 'javascript:alert(1)', 'tides', '//evil.example.com', '/\\evil.example.com', 'ftp://x.example', 'https://', "/a\n/b", '/' . 'x' x 2048;
    error_is $ann->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'read=maybe', 'read' ], [ 'read=1', 'read' ], [ 'type=fatal', 'type' ], [ 'limit=0', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ];
    error_is $ann->patch("$base/x/read"), 400, 'VALIDATION_ERROR', field => 'notification_number';
    error_is $ann->patch("$base/999999999/read"), 404, 'NOT_FOUND';
    is $db->selectrow_array('SELECT count(*) FROM tenant_notifications'), 0, 'nothing is written for that';
};

my @id;
subtest 'telling everybody' => sub {
    my $res = $ann->post($base, { title => 'n1', message => 'm1', type => 'warning', source => 'tides', link => '/tides/1', unknown => 1 });
    status_is $res, 201;
    json_is $res, '/data', { id => qr/\A\d+\z/, title => 'n1', message => 'm1', type => 'warning', source => 'tides', link => '/tides/1', read => false, read_at => undef, created_at => $TIME };
    push @id, $res->json('/data/id');
    $res = $key->post($base, { title => 'n2', message => 'm2' });
    json_is $res, '/data', { id => qr/\A\d+\z/, title => 'n2', message => 'm2', type => 'info', source => undef, link => undef, read => false, read_at => undef, created_at => $TIME }, 'a secret key tells, too';
    push @id, $res->json('/data/id');
    push @id, $ann->post($base, { title => 'x' x 200, message => 'x' x 5000, source => 'x' x 100, link => 'https://example.com/' . 'x' x 2028, type => 'error' })->json('/data/id');
    push @id, $ann->post($base, { title => 'n4', message => 'm4', type => 'success', link => '' })->json('/data/id');
    is scalar(grep { defined } @id), 4, 'the longest is taken';
    is unread($_), 4, $_->id . ' has read none of them' for $ann, $viewer, $demo;
    is unread($theirs), 0, 'another tenant has none';
    is rows('inboxes', $viewer), 0, 'and for each nothing is written';
};

subtest 'listing' => sub {
    is titles($viewer->get($base)) =~ s/x{200}/n3/r, 'n4 n3 n2 n1', 'the newest first';
    json_is $viewer->last, '/meta', { total => 4, limit => 50, offset => 0 };
    json_is $viewer->last, '/data/3', { id => $id[0], title => 'n1', message => 'm1', type => 'warning', source => 'tides', link => '/tides/1', read => false, read_at => undef, created_at => $TIME };
    is $viewer->last->json('/data/0/link'), undef, 'an empty link is none';
    is titles($viewer->get("$base?limit=1&offset=2")), 'n2', 'a page';
    json_is $viewer->last, '/meta', { total => 4, limit => 1, offset => 2 };
    json_is $viewer->get("$base?limit=999"), '/meta/limit', 200, 'of at most 200';
    json_is $viewer->get("$base?offset=9"), '', { data => [], meta => { total => 4, limit => 50, offset => 9 } };
    is titles($viewer->get("$base?type=warning")), 'n1';
    json_is $viewer->last, '/meta/total', 1;
    json_is $viewer->get("$base?read=true"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    json_is $viewer->get("$base?read=false"), '/meta/total', 4;
    json_is $theirs->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'another tenant sees none of it';
};

subtest 'reading one' => sub {
    error_is $theirs->patch("$base/$id[2]/read"), 404, 'NOT_FOUND';
    my $res = $viewer->patch("$base/$id[1]/read");
    status_is $res, 200;
    json_is $res, '/data', { id => $id[1], title => 'n2', message => 'm2', type => 'info', source => undef, link => undef, read => true, read_at => $TIME, created_at => $TIME };
    my $at = $res->json('/data/read_at');
    is unread($viewer), 3;
    is unread($ann), 4, 'nobody else has';
    json_is $viewer->patch("$base/$id[1]/read"), '/data/read_at', $at, 'once more changes nothing';
    is unread($viewer), 3;
    is titles($viewer->get("$base?read=true")), 'n2';
    json_is $viewer->last, '/meta/total', 1;
    json_is $viewer->last, '/data/0/read_at', $at;
    is titles($viewer->get("$base?read=false")) =~ s/x{200}/n3/r, 'n4 n3 n1';
    json_is $viewer->last, '/meta/total', 3;
    json_is $viewer->get("$base?read=true&type=info"), '/meta/total', 1;
    json_is $viewer->get("$base?read=false&type=info"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } };
    json_is $viewer->get("$base?read=false&type=warning"), '/data/0/title', 'n1';
};

subtest 'reading all' => sub {
    my $before = $viewer->get($base)->json('/data/2/read_at');
    json_is $viewer->patch("$base/read-all"), '', { data => { success => true, updated => 3 }, meta => { message => 'All notifications are read' } }, 'how many were not';
    json_is $viewer->patch("$base/read-all"), '/data/updated', 0, 'on a repeat none';
    is unread($viewer), 0;
    is unread($ann), 4, 'for the caller alone';
    is rows('marks', $viewer), 1, 'one row, whatever there was';
    is rows('reads', $viewer), 1;
    my $res = $viewer->get($base);
    is scalar(grep { $_->{read} && $_->{read_at} } @{ $res->json('/data') }), 4;
    json_is $res, '/data/2/read_at', $before, 'what was read before was read then';
    push @id, $ann->post($base, { title => 'n5', message => 'm5' })->json('/data/id');
    is unread($viewer), 1, 'what comes is unread';
    is titles($viewer->get("$base?read=false")), 'n5';
    is titles($viewer->get("$base?read=true")) =~ s/x{200}/n3/r, 'n4 n3 n2 n1';
    json_is $viewer->last, '/meta/total', 4;
    push @id, $ann->post($base, { title => 'n6', message => 'm6' })->json('/data/id');
    status_is $viewer->patch("$base/$id[5]/read"), 200;
    is titles($viewer->get("$base?read=true&limit=2&offset=0")), "n6 n4", 'what is read one by one is above what was read at once';
    is titles($viewer->get("$base?read=true&limit=2&offset=2")) =~ s/x{200}/n3/r, 'n3 n2';
    my $first = $viewer->get($base)->json('/data/5/read_at');
    json_is $viewer->patch("$base/read-all"), '/data/updated', 1;
    json_is $viewer->get($base), '/data/5/read_at', $first, 'what was read at once before stays read then';
    status_is $viewer->patch("$base/$id[0]/read"), 200;
    is rows('reads', $viewer), 2, 'what is read already is not put down';
};

subtest 'what is older than the account is read' => sub {
    my $new = $t->user('new', columns => { created_at => $db->selectrow_array('SELECT clock_timestamp()') });
    is unread($new), 0;
    json_is $new->get("$base?read=true"), '/meta/total', 6;
    my ($made) = $db->selectrow_array(q{SELECT count(*) FROM users WHERE id = ?}, undef, $new->uuid);
    is scalar(grep { $_->{read} && $_->{read_at} } @{ $new->last->json('/data') }), 6;
    is rows('inboxes', $new), 0;
    $ann->post($base, { title => 'n7', message => 'm7' });
    is unread($new), 1, 'what comes then is not';
    is titles($new->get("$base?read=false")), 'n7';
    json_is $new->patch("$base/read-all"), '/data/updated', 1;
    is unread($new), 0;
};

subtest 'many at once' => sub {
    my @pids;
    for my $n (1 .. 4) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $me = $ann->with(http => $t->http);
            for my $i (1 .. 10) { $me->post($base, { title => "p$n-$i", message => 'x' }); $me->patch("$base/read-all") if $i % 3 == 0 }
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    waitpid $_, 0 for @pids;
    is_deeply $db->selectrow_arrayref('SELECT last_nr, info + warning + error + success FROM tenant_notification_counts WHERE tenant_id = ?', undef, $t->tenant_id), [ 47, 47 ], 'each is counted';
    is_deeply $db->selectrow_arrayref('SELECT count(*), max(nr) FROM tenant_notifications WHERE tenant_id = ?', undef, $t->tenant_id), [ 47, 47 ], '  without a gap';
    is $db->selectrow_array('SELECT count(*) FROM (SELECT created_at < lag(created_at) OVER (ORDER BY nr) AS is_back FROM tenant_notifications WHERE tenant_id = ?) x WHERE is_back', undef, $t->tenant_id), 0, '  in the order of their times';
    my $left = unread($ann);
    json_is $ann->get("$base?read=false"), '/meta/total', $left, 'what is unread is what is listed so';
    is scalar @{ $ann->last->json('/data') }, $left;
    json_is $ann->patch("$base/read-all"), '/data/updated', $left;
};
