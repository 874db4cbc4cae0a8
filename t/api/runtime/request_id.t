use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $path = '/api/v1/app/projects';

subtest 'every answer has an id of its own' => sub {
    my %seen;
    for (1 .. 20) {
        my $id = $ann->get($path)->header('X-Request-ID');
        like $id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'a UUID' if !%seen;
        $seen{$id}++;
    }
    is scalar keys %seen, 20;
    for my $res ($t->get($path), $ann->get('/api/v1/app/nothing'), $ann->delete($path), $ann->post($path, undef, raw => '{')) {
        header_like $res, 'X-Request-ID', qr/^[0-9a-f-]{36}$/, $res->{request};
    }
};

subtest 'a sane id of the client is kept, and logged' => sub {
    for my $id ('abc', 'A.b_c-9', 'x' x 128, '00-trace') {
        my $res = $ann->get($path, headers => { 'X-Request-ID' => $id });
        header_is $res, 'X-Request-ID', $id;
        is $t->log_of($res)->{request_id}, $id, '  in the log as well';
    }
    json_is $ann->get('/api/v2/app/users/me', headers => { 'X-Request-ID' => 'mine-1' }), '/meta/request_id', 'mine-1', 'and in version 2\'s meta';
};

subtest 'any other is replaced' => sub {
    for my $id ('', ' ', 'a b', 'x' x 129, "\xe9", '<script>', '"', 'a,b', "a\tb", '../x', '{}') {
        header_like $ann->get($path, headers => { 'X-Request-ID' => $id }), 'X-Request-ID', qr/^[0-9a-f-]{36}$/, "for '" . substr($id, 0, 20) . "'";
    }
};

subtest 'a trace goes on where the client began it (W3C Trace Context)' => sub {
    my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    my $line  = $t->log_of($ann->get($path, headers => { traceparent => "00-$trace-00f067aa0ba902b7-01" }));
    is $line->{trace_id}, $trace;
    like $line->{span_id}, qr/^[0-9a-f]{16}$/;
    isnt $line->{span_id}, '00f067aa0ba902b7', 'with a span of our own';
    for my $bad ("00-$trace-00f067aa0ba902b7", "ff-$trace-00f067aa0ba902b7-01", '00-' . '0' x 32 . '-00f067aa0ba902b7-01', "00-\U$trace\E-00f067aa0ba902b7-01", 'x') {
        my $got = $t->log_of($ann->get($path, headers => { traceparent => $bad }));
        like $got->{trace_id}, qr/^(?!0+$)[0-9a-f]{32}$/, 'a new one';
        isnt $got->{trace_id}, $trace, "  instead of $bad";
    }
};
