# Nobody learns from the clock, or from a byte, which addresses are known.
#
# 300 runs of each call, known and unknown addresses in turn, so that whatever
# else the machine does meets both alike; of each half the median.  The bound:
# the smaller is at least 60 % of the larger.  Without scrypt a login or a
# sign-up would take a few milliseconds instead of a quarter of a second.
#
# Most of the time here is scrypt's, 800 times a quarter of a second on as many
# cores as there are; it is a file of its own so that others need not wait.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD sign_in set_tenant);
use Cpanel::JSON::XS qw(decode_json encode_json);
use POSIX ();
use Time::HiRes 'time';

my $RUNS    = 300;
my $WORKERS = 2;
my $BOUND   = 0.6;

my $t = Api->start(@BEHIND_PROXY);
sign_in($t, 'first@example.com');
set_tenant($t, undef, email_verification_required => 1);
# Accounts that differ in the address alone: one for each run, because accounts are counted.
$t->db->do(q{INSERT INTO users (tenant_id, public_id, email, password_hash)
    SELECT tenant_id, 'known_' || i, 'known' || i || '@example.com', password_hash FROM users, generate_series(1, ?) i
    WHERE email = 'first@example.com'}, undef, $RUNS);
$t->db->do('ANALYZE');

sub median (@values) { return (sort { $a <=> $b } @values)[ @values / 2 ] }

# What an answer tells: status, headers and body, but for what is each request's own.
sub telling ($res) {
    return join "\n", $res->status, (map { "$_: " . join ', ', $res->header($_) } qw(Content-Type Content-Length Cache-Control Vary Retry-After)), $res->body;
}

# Ask so many times, for each kind of address in turn: { known => [[seconds, answer], …], unknown => … }
sub ask ($number, $runs, $path, $body) {
    my @workers = map {
        my $worker = $_;
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my %seen;
            my $client = $t->client(http => $t->http, api => undef);
            for my $run (grep { $_ % $WORKERS == $worker } 1 .. $runs) {
                my $kind  = ($run / $WORKERS) % 2 ? 'known' : 'unknown';
                my $email = $kind eq 'known' ? "known$run\@example.com" : "other$run\@example.com";
                my $ip    = join '.', 10, $number, $run >> 8, $run & 255;
                my $began = time;
                my $res   = $client->post($path, { email => $email, %$body }, headers => { 'X-Forwarded-For' => $ip });
                push @{ $seen{$kind} }, [ time - $began, telling($res) ];
            }
            print {$to} encode_json(\%seen);
            close $to;
            POSIX::_exit(0);
        }
        close $to;
        [ $pid, $from ];
    } 0 .. $WORKERS - 1;
    my %all;
    for (@workers) {
        my ($pid, $from) = @$_;
        local $/ = undef;
        my $seen = decode_json(readline $from);
        push @{ $all{$_} }, @{ $seen->{$_} } for keys %$seen;
        waitpid $pid, 0;
    }
    return \%all;
}

my $number = 0;
for (
    [ 'login'               => 401, { password => 'Wrong-Horse-7' } ],
    [ 'login'               => 401, { password => "Wrong-Cafe\x{301}-7" }, 'a password that is not in NFC', 100 ],
    [ 'register'            => 201, { password => $PASSWORD } ],
    [ 'forgot-password'     => 200, {} ],
    [ 'resend-verification' => 200, {} ],
) {
    my ($call, $status, $body, $what, $runs) = (@$_[ 0 .. 2 ], $_->[3] // '', $_->[4] // $RUNS);
    subtest join(', ', $call, $what || ()) => sub {
        my $all = ask(++$number, $runs, "/api/v1/auth/$call", $body);
        is scalar map({ @$_ } values %$all), $runs, "$runs runs";
        my %answers = map { $_->[1] => 1 } map { @$_ } values %$all;
        is scalar keys %answers, 1, 'one answer' or diag join "\n\n", keys %answers;
        like((keys %answers)[0], qr/\A$status\n/, "  of status $status");
        my %median = map { $_ => median(map { $_->[0] } @{ $all->{$_} }) } keys %$all;
        my ($less, $more) = sort { $a <=> $b } values %median;
        cmp_ok $less / $more, '>', $BOUND, 'known and unknown addresses take as long';
        note sprintf 'known %.1f ms, unknown %.1f ms', 1000 * $median{known}, 1000 * $median{unknown};
    };
}
