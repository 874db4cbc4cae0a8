# The guide's page "Observe it": its settings are settings, and what it shows of a trace is what there is.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide 'blocks';
use Ashlar::Process;
use Cpanel::JSON::XS ();
use File::Temp ();

my $json   = Cpanel::JSON::XS->new->utf8;
my $t      = Api->start;
my @boxes  = blocks($t->get('/observe.html')->body);
my @env    = map { { /^([A-Z_]+)=(.*)$/mg } } grep { /\A# \S+\.env$/m } @boxes;
my ($curl) = grep { /\Acurl\b.*traceparent/s } @boxes;
my ($line) = grep { /"message":"span"/ } @boxes;
cmp_ok scalar @env, '>=', 4, 'the page has settings';
ok $curl && $line, '  a request, and the line that comes of it';

subtest 'each box is taken' => sub {
    for my $env (@env) {
        my $out     = File::Temp->new;
        my $process = Ashlar::Process->start(cmd => [ $t->program, 'check-config' ], log => "$out", env => { %{ $t->{env} }, %$env });
        is $process->wait_for(30), 0, join ' ', sort keys %$env;
        my $said = do { local (@ARGV, $/) = "$out"; <> };
        for (grep { !/HEADERS/ } sort keys %$env) { like $said, qr/^\Q$_=$env->{$_}\E$/m, "  $_" }
        like $said, qr/^OTEL_EXPORTER_OTLP_HEADERS=\*+$/m, '  and what is secret is not printed' if $env->{OTEL_EXPORTER_OTLP_HEADERS};
    }
};

subtest 'what the log has of a request is what the page shows' => sub {
    my ($console) = grep { ($_->{OTEL_TRACES_EXPORTER} // '') eq 'console' } @env;
    my $u       = Api->start(%$console, OTEL_BSP_SCHEDULE_DELAY => 50, worker => 1);
    my ($trace) = $curl =~ /00-([0-9a-f]{32})-/;
    my $shell   = Ashlar::Guide->shell();
    $shell->paste($curl =~ s{https://localhost:8443}{https://localhost:$u->{https_port}}r =~ s/\Acurl -k/curl -sk/r);
    is $shell->end, 0, 'it is asked';
    my @lines;
    eventually { @lines = grep { ($_->{message} // '') eq 'span' && $_->{trace_id} eq $trace } $u->log; @lines == 2 } 30, 'a line for the request, and one for its query';
    my ($request, $query) = sort { $a->{span}{kind} <=> $b->{span}{kind} } @lines;
    is $query->{span}{parentSpanId}, $request->{span_id}, 'which is a part of it';
    my $shown = $json->decode($line =~ s/,\s*\x{e2}\x{80}\x{a6}|,\s*…//gr);
    is_deeply [ sort keys %$request ], [ sort keys %$shown ], 'the line';
    is_deeply [ sort keys %{ $request->{span} } ], [ sort keys %{ $shown->{span} } ], '  and the span in it';
    is $request->{span}{$_}, $shown->{span}{$_}, "  $_" for qw(traceId parentSpanId flags name kind);
    my ($attribute) = @{ $shown->{span}{attributes} };
    ok +(grep { $json->canonical->encode($_) eq $json->canonical->encode($attribute) } @{ $request->{span}{attributes} }), '  with that attribute';
};
