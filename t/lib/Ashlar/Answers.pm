package Ashlar::Answers;

# Every answer that a test gets is noted, and at the end of the run compared with
# the reference that this build makes: by tools/check for all files together, by a
# file that runs alone for itself (Api).  t/clients/validate_answers.mjs judges.

use v5.36;
use Ashlar::Cluster;
use Ashlar::Response;
use Cpanel::JSON::XS ();
use Digest::MD5 'md5';
use File::Temp ();

# Bytes stay bytes: what is not UTF-8 has to be noticed.
my $json = Cpanel::JSON::XS->new->latin1;

# Where tools/check collects them; without it, a directory of our own.
sub _dir () {
    state $own;
    return $ENV{ASHLAR_TEST_ANSWERS} // ($own //= File::Temp->newdir('/tmp/ashlar-answers-XXXXXX'));
}

# Of curl: further words for it, which have it write the headers to a file; and to note what it printed then.  Returns
# the status and the body.
sub curl_words ($headers) { return ('-s', '-D', $headers, '-w', '\\n%{http_code} %{method} %{url_effective}') }

sub note_curl ($printed, $headers) {
    my ($body, $status, $method, $target) = $printed =~ m{\A(.*)\n(\d+) (\S+) https://[^/]+(\S*)\s*\z}s;
    return (0, '') if !$status || $status == 0;
    open my $in, '<:raw', $headers or die "$headers: $!\n";
    my @headers = map { /^([^:]+):\s*(.*?)\s*$/ ? ($1, $2) : () } readline $in;
    note('https', $method, $target, Ashlar::Response->new(status => $status, headers => \@headers, body => $body));
    return ($status, $body);
}

# For a program that notes what it gets (t/clients/answers.mjs): its environment.
sub env () { return (ASHLAR_TEST_ANSWERS => '' . _dir, ASHLAR_TEST_FILE => $0) }

sub is_alone () { return !defined $ENV{ASHLAR_TEST_ANSWERS} }

# Note an answer: how it was asked for (https, http; fastcgi, realtime: past nginx), what, and an Ashlar::Response.  Of answers
# that differ in nothing but a header's value one is enough.  Written at once, since a forked client
# leaves by _exit.
sub note ($via, $method, $target, $response) {
    state $owner = 0;
    state ($out, %seen);
    my ($status, $body, $headers) = @$response{qw(status body headers)};
    return if !$status;
    my $type = $response->header('Content-Type') // '';
    $body = substr $body, 0, 200 if $type !~ /\bjson\b/;
    return if $seen{ md5(join "\0", $via, $method, $target, $status, $type, join(',', sort $response->header_names), $body) }++;
    if ($owner != $$) {
        my $file = _dir . '/' . ($0 =~ tr{/}{-}r) . ".$$";
        open $out, '>>:raw', $file or die "$file: $!\n";
        $owner = $$;
    }
    my $line = $json->encode({ file => $0, via => $via, method => $method, target => $target, status => 0 + $status, headers => $headers, body => $body }) . "\n";
    (syswrite $out, $line) == length $line or die "answers: $!\n";
    return;
}

# Whether the answers in a directory are as the reference has them; and what is otherwise, a line for each, and how
# many were looked at.  Any path may stand in the arguments, so no shell reads them.
sub validate ($dir = _dir) {
    opendir my $listing, $dir or die "$dir: $!\n";
    my @noted = map { "$dir/$_" } sort grep { !/^\./ } readdir $listing or return (1, '');
    return (0, "the answers cannot be compared with the reference: no npm packages (make deps)\n") if !-d 't/clients/node_modules/ajv';
    my $document = "$dir/.openapi.json";
    # What a program has not freed at its end is nobody's leak.
    system("ASAN_OPTIONS=detect_leaks=0 $Ashlar::Cluster::BUILD/ashlar openapi >$document") == 0 or return (0, "ashlar openapi failed\n");
    open my $judge, '-|', 'sh', '-c', 'exec node "$@" 2>&1', 'sh', 't/clients/validate_answers.mjs', $document, @noted or die "node: $!\n";
    my $said = join '', readline $judge;
    return (scalar close $judge, $said);
}

1;
