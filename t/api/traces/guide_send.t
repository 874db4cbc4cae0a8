# The guide's page "Send traces", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Cpanel::JSON::XS 'decode_json';

my $t       = Api->start;
my $ann     = $t->user('ann');
my $org     = $t->organization($ann);
my $project = $t->trace_project($org);
$t->db->do(q{UPDATE organizations SET prem_status = 'pro' WHERE id = ?}, undef, $org);

sub span ($name) { return $t->db->selectrow_hashref('SELECT * FROM spans WHERE project_id = ? AND name = ?', undef, $project->uuid, $name) }

my $shell = Ashlar::Guide->shell(TOKEN => $ann->token, ORG => $org, PROJECT => $project->uuid, PROJECT_KEY => $project->token);
my @steps = steps($t->get('/send-traces.html')->body);
$_->[0] =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g for @steps;

subtest 'commands' => sub {
    my @commands = grep { $_->[0] =~ /^curl/m } @steps;
    is scalar @commands, 6, 'the page has boxes';
    for my $command (@commands) {
        my ($box, $shown) = @$command;
        my $got = $shell->paste($box =~ s/^curl -k/curl -sk/mr);
        my ($name) = $box =~ m{(/api/\S+)};
        if (defined $shown) { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
        else {
            like $got, qr/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/m, "$name: a key";
            $t->keep_secret($got =~ /([0-9a-f-]{36})/);
        }
    }
    my $span = span('chat gpt-4o');
    is_deeply [ @$span{qw(duration_ns total_tokens total_cost)} ], [ 850_000_000, 1545, 64_500 ], 'the span is there, with what it cost';
};

subtest 'Node' => sub {
    my ($program) = grep { /NodeTracerProvider/ } map { $_->[0] } @steps;
    my $file = "t/clients/guide-$$.mjs";    # beside the packages
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $program;
    close $out or die "$file: $!\n";
    local @ENV{qw(NODE_EXTRA_CA_CERTS PROJECT_KEY)} = ("$t->{dir}/cert.pem", $project->token);
    is system('node', $file), 0, 'the program comes to its end';
    unlink $file;
    is_deeply decode_json(span('POST /orders')->{attributes}), { 'observability.tags' => '["checkout"]' }, 'and its span is there';
};

subtest 'the variables' => sub {
    my ($variables) = grep { /OTEL_EXPORTER_OTLP_ENDPOINT/ } map { $_->[0] } @steps;
    my ($endpoint) = $variables =~ /_ENDPOINT=(\S+)/;
    is $endpoint, "https://localhost:$t->{https_port}/api/otlp";
    is $project->post('/api/otlp/v1/traces', {})->status, 200, 'what exporters make of it takes spans';
    # As the specification has them: a list of key=value, whose values are percent-encoded.
    my ($header, $value) = $variables =~ /_HEADERS="(\w+)=([^"]+)"/;
    is "$header: " . $value =~ s/%20/ /r, 'authorization: Bearer $PROJECT_KEY';
};
is $shell->end, 0, 'the shell ends';
