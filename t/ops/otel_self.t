use v5.36;
use lib 't/lib';
use Api;
use Ashlar::ClickHouse;

# Ashlar as its own collector: what it does is in its own lists of traces, and what takes spans is in none, wherever they are kept.

my $store = $Ashlar::ClickHouse::STORE;
my $SPAN = '00f067aa0ba902b7';
my $base = '/api/v1/app/projects';

for my $protocol ('http/protobuf', 'http/json') {
    subtest $protocol => sub {
        my $t       = Api->start(OTEL_ENABLED => 'true', $store ? $store->settings : ());
        $t->keep_secret($store->password) if $store;
        my $ann     = $t->user('ann');
        my $org     = $t->organization($ann);
        my $project = $t->trace_project($org);
        my $trace   = '4bf92f3577b34da6a3ce929d0e0e4736';
        # A column of its spans.
        my $column = sub ($what) {
            my $sql = "SELECT $what FROM spans WHERE project_id = '" . $project->uuid . q{'};
            return $store ? [ map { $_->[0] } $store->query($sql =~ s/ WHERE/ FINAL WHERE/r) ] : $t->db->selectcol_arrayref($sql);
        };
        $t->start_worker(children => 1, env => {
            OTEL_EXPORTER_OTLP_ENDPOINT    => "https://localhost:$t->{https_port}/api/otlp",
            OTEL_EXPORTER_OTLP_HEADERS     => "Authorization=Bearer%20$project->{token}",
            OTEL_EXPORTER_OTLP_CERTIFICATE => "$t->{dir}/cert.pem",
            OTEL_EXPORTER_OTLP_PROTOCOL    => $protocol,
            OTEL_BSP_SCHEDULE_DELAY        => 50,
        });
        status_is $ann->post($base, { name => 'x' }, headers => { traceparent => "00-$trace-$SPAN-01" }), 201;
        my $got;
        eventually { $got = $ann->get("/api/v4/traces/$trace?project_id=" . $project->uuid); $got->status == 200 && @{ $got->json('/spans') } == 2 } 30, 'the request is among its traces'
            or return diag $got->body;
        my ($request, $query) = @{ $got->json('/spans') };
        is $request->{span_name}, "POST $base", 'as a span';
        is $request->{parent_span_id}, $SPAN, '  of the caller\'s';
        is $request->{service_name}, 'ashlar';
        is $request->{scope_name}, 'ashlar';
        is $query->{span_name}, 'project_create', '  with its query';
        is $query->{parent_span_id}, $request->{span_id};

        # Every one of these is itself traced, and sent; what brings them is not, or it would never end.
        $ann->get($base) for 1 .. 20;
        eventually { 20 == grep { $_ eq "GET $base" } @{ $column->('name') } } 30, 'all that was asked is there';
        my @posts = grep { ($_->{route} // '') =~ m{/v1/traces\z} } $t->log;
        cmp_ok scalar @posts, '>', 0, 'it was brought by requests';
        is_deeply [ grep { $_->{status} != 200 } @posts ], [], '  that were answered well';
        is_deeply [ grep { /otlp|v1\/traces|ingest|batch|span_put|trace_put|hour_mark/ } @{ $column->('name') } ], [], '  of which there is no span';
        my %ids = map { $_->{trace_id} => 1 } @posts;
        is_deeply [ grep { $ids{$_} } map { tr/-//dr } @{ $column->($store ? 'lower(hex(trace_id))' : 'trace_id') } ], [], '  and no trace';
        is $t->metric('ashlar_spans_total', outcome => 'failed'), 0, 'and none was refused';
        # While there is somebody who takes what it sends last.
        ok $t->master('worker')->stop, 'the worker ends well';
    };
}

1;    # for otel_self_clickhouse.t
