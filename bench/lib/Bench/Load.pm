# Asking: once to check the answers, then for seconds to measure.
package Bench::Load;

use v5.36;
use Exporter 'import';
use Time::HiRes qw(sleep time);
use Bench::Database;
use Bench::Env;
use Bench::Fastcgi qw(ask);
use Bench::Peers;
use Bench::Proc qw(capture cpu_us pss_kib start stop wait_for);
use Bench::Report qw(median medians number);
use Bench::Requests;

our @EXPORT_OK = qw(measure);
our @EXPORT    = qw(@connections @others check_answers measure_lists measure_others measure_start measure_memory);

our @connections = (16, 64);

# Ashlar's other requests: the file of targets, and what they are.
our @others = (
    [ get     => 'get one project' ],
    [ patch   => 'PATCH one project' ],
    [ refusal => '401, bad signature' ],
    [ health  => 'GET /api/v1/public/health' ],
);

# ---- checking ----

# Ask once: the status and the body.
sub fetch ($subject, $path, $token) {
    my $url = "https://127.0.0.1:$subject->{port}$path";
    my $out = capture('curl', '-sSk', '--max-time', 5, '-H', "Authorization: Bearer $token", '-w', '\n%{http_code}', $url);
    my ($body, $status) = $out =~ /^(.*)\n(\d+)\z/s;
    return ($status, $body);
}

# Everybody must give the same pages, refuse a bad signature, and, where there
# are guarantees, a session that has ended.
sub check_answers {
    my ($person, $other) = @people[ 7, 8 ];
    my ($expected, $first);
    psql('bench', '-c', "UPDATE sessions SET revoked_at = now() WHERE id = '$other->{session}'");
    for my $subject (@subjects) {
        my $who = "$subject->{name} $subject->{mode}";
        my @pages;
        for my $page ('skip=0&limit=20', 'skip=30&limit=20') {
            my ($status, $body) = fetch($subject, "/api/v1/app/projects?$page", $person->{token});
            die "$who: $page gives $status\n$body\n" if $status != 200;
            push @pages, $json->decode($body);
        }
        die "$who: this is not a page of 20 of $each\n" if @{ $pages[0]{items} } != 20 || $pages[0]{total} != $each;
        my $text = $json->encode(\@pages);
        ($expected, $first) = ($text, $who) if !$expected;
        die "$who and $first differ:\n$text\n$expected\n" if $text ne $expected;

        my ($status) = fetch($subject, $list, broken_token($person));
        die "$who: a bad signature gives $status\n" if $status != 401;
        ($status) = fetch($subject, $list, $other->{token});
        my $wanted = $subject->{mode} eq 'bare' ? 200 : 401;
        die "$who: a revoked session gives $status\n" if $status != $wanted;
    }
    psql('bench', '-c', "UPDATE sessions SET revoked_at = NULL WHERE id = '$other->{session}'");
    return;
}

# ---- measuring ----

# One run of wrk: requests a second, latencies, and CPU per request of each part.
# Each connection asks again at once, or after about pause milliseconds.
sub measure ($subject, $targets, $connections, $duration, $pause = undef) {
    my $who    = "$subject->{name} $subject->{mode}, $targets";
    my %parts  = (nginx => [ $subject->{nginx} ], service => $subject->{pids}, postgres => [$postgres]);
    my %before = map { $_ => cpu_us(@{ $parts{$_} }) } keys %parts;
    my @wrk    = ('wrk', '-t', 1, '-c', $connections, '-d', "${duration}s", '-s', "$bench/wrk.lua");
    my $out    = capture(@wrk, "https://127.0.0.1:$subject->{port}/", '--', "$tmp/$targets.tsv", $pause // ());
    my $r      = $json->decode($out =~ /^JSON (.*)$/m ? $1 : die "wrk:\n$out");

    die "$who: no request was answered\n" if !$r->{requests};
    die "$who: $r->{broken} connections broke\n" if $r->{broken};
    my $wrong = $targets eq 'refusal' ? $r->{requests} - $r->{refused} : $r->{refused};
    die "$who: $wrong of $r->{requests} requests had another status than they should\n" if $wrong;

    $r->{"cpu_$_"} = (cpu_us(@{ $parts{$_} }) - $before{$_}) / $r->{requests} for keys %parts;
    $r->{rps} = $r->{requests} / $r->{seconds};
    $r->{pss} = pss_kib(@{ $subject->{pids} }) / 1024;
    return $r;
}

# pgbench: the same statement with nothing around it.
sub measure_pgbench ($mode, $connections, $duration) {
    my $person = $people[7];
    my %set    = (
        user_id   => $person->{id},
        tenant_id => $tenant,
        subject   => $person->{public_id},
        session   => $person->{session},
    );
    my $before  = cpu_us($postgres);
    my @pgbench = ("$pg_bin/pgbench", '-n', '-M', 'prepared', '-c', $connections, '-j', 1, '-T', $duration);
    push @pgbench, map { ('-D', "$_=$set{$_}") } sort keys %set;
    push @pgbench, '-h', "$tmp", '-U', $mode eq 'bare' ? 'bench_bare' : 'ashlar_api';
    my $out = capture(@pgbench, '-f', "$tmp/$mode.sql", 'bench');
    my ($tps) = $out =~ /^tps = ([\d.]+)/m or die "pgbench:\n$out";
    my ($n)   = $out =~ /actually processed: (\d+)/;
    return { rps => $tps, cpu_postgres => (cpu_us($postgres) - $before) / $n };
}

# The project list: each peer in turn, as often as there are rounds.  Returns
# the medians by "name mode" and number of connections.
sub measure_lists {
    my @all;
    for my $subject (@subjects) {
        push @all, [ "$subject->{name} $subject->{mode}", sub ($c, $time) { measure($subject, 'list', $c, $time) } ];
    }
    for my $mode (wanted('pgbench') ? qw(bare guaranteed) : ()) {
        push @all, [ "pgbench $mode", sub ($c, $time) { measure_pgbench($mode, $c, $time) } ];
    }
    say_now('warming up');
    $_->[1]->(16, $quick ? 1 : 2) for @all;

    my %runs;
    for my $round (1 .. $rounds) {
        for my $connections (@connections) {
            for my $one (@all) {
                my ($name, $measure) = @$one;
                my $r = $measure->($connections, $seconds);
                push @{ $runs{$name}{$connections} }, $r;
                say_now(sprintf 'round %d, %d connections: %-19s %s/s', $round, $connections, $name, number($r->{rps}));
            }
        }
    }
    my %figures;
    for my $name (keys %runs) {
        $figures{$name}{$_} = medians(@{ $runs{$name}{$_} }) for @connections;
    }
    return %figures;
}

# Ashlar's other requests at 16 connections; returns the medians by file of targets.
sub measure_others ($subject) {
    my %runs;
    for my $round (1 .. $rounds) {
        for my $other (@others) {
            my ($targets, $what) = @$other;
            my $r = measure($subject, $targets, 16, $seconds);
            push @{ $runs{$targets} }, $r;
            say_now(sprintf 'round %d: %-26s %s/s', $round, $what, number($r->{rps}));
        }
    }
    return map { $_ => medians(@{ $runs{$_} }) } keys %runs;
}

# From starting the pool to its first page of projects, asked for over FastCGI:
# the median of five starts, in milliseconds.  The pool under test is stopped.
sub measure_start ($subject) {
    my %asked = (
        REQUEST_METHOD     => 'GET',
        REQUEST_URI        => $list,
        REMOTE_ADDR        => '127.0.0.1',
        HTTPS              => 'on',
        HTTP_AUTHORIZATION => "Bearer $people[0]{token}",
    );
    stop($_) for @{ $subject->{pids} };    # a host has one main pool
    my @ms;
    for my $try (1 .. 5) {
        my $socket = "$tmp/start-$try";
        my $from   = time;
        my $pid    = start_ashlar($socket, $pool);
        my $answer;
        while (!$answer && time - $from < 10) {
            $answer = ask($socket, %asked) or sleep 0.001;
        }
        push @ms, (time - $from) * 1000;
        stop($pid);
        die "ashlar: no first page but: " . ($answer // 'nothing') . "\n" if ($answer // '') !~ /"items"/;
    }
    return median(@ms);
}

# PSS of a pool of 16 children, in MiB: after 20,000 and after 100,000 requests.
sub measure_memory ($subject) {
    $subject->{pids} = [ start_ashlar($subject->{sockets}[0], 16) ];
    wait_for('ashlar', sub { -S $subject->{sockets}[0] });
    my ($done, @pss) = (0);
    for my $goal (20_000, 100_000) {
        while ($done < $goal) {
            my $r = measure($subject, 'list', 64, 2);
            $done += $r->{requests};
        }
        push @pss, pss_kib(@{ $subject->{pids} }) / 1024;
        say_now(sprintf '16 children after %s requests: %.1f MiB', number($done), $pss[-1]);
    }
    return @pss;
}

1;
