# make run, from its first words to its last process, and the guide's first hour with it.  It works in directories of
# its own and never meets a developer's .run.

use v5.36;
use lib 't/lib';
use Ashlar::Answers;
use Ashlar::Cluster;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Process;
use Ashlar::Run;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'make run builds the plain program' if $ENV{SAN} || $ENV{COV};

my $top = File::Temp->newdir('/tmp/ashlar-run-t-XXXXXX');
chmod 0755, "$top";

sub slurp ($file) {
    open my $in, '<', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

# Is it ready?  What it has said is shown where it is not.
sub ready ($run) { return ok($run->ready, 'ready') || !diag $run->said }

sub ask ($self, $path, $token = $self->{demo}, @more) {
    my $headers = "$top/headers";
    open my $curl, '-|', 'curl', Ashlar::Answers::curl_words($headers), '--noproxy', '*', '--max-time', 20, '--cacert', "$self->{dir}/tls/cert.pem",
        '-H', "Authorization: Bearer $token", @more, "https://localhost:$self->{port}$path"
        or die "curl: $!\n";
    my $printed = do { local $/ = undef; <$curl> // '' };
    close $curl;
    my (undef, $body) = Ashlar::Answers::note_curl($printed, $headers);
    return eval { decode_json($body) } // { not_json => $body };
}

# The guide's first hour.  Its first box starts everything; the ports and the place are others here.
my %port = map { $_ => Ashlar::Run::free_port() } 3000, 4000;
my ($start, @steps) = steps(slurp('build/docs/first-hour.html'));
sub here ($text) { return $text =~ s/\b(3000|4000|8443)\b/$port{$1}/gr =~ s{/tmp/hour\b}{$top/hour}gr }

# A browser at an address that was shown, which listens.
sub browse ($address) {
    my $said = "$top/browser";
    my $until = time + 60;
    sleep 0.05 until IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{3000}) || time > $until;
    my $browser = Ashlar::Process->start(cmd => [ qw(node t/clients/first_hour.mjs), $address =~ /(\S+)/, qw(Correct-Horse-7), 'Analytical Engines' ],
        log => $said, env => { Ashlar::Answers::env() });
    sleep 0.05 until slurp($said) =~ /^listening$/m || !$browser->alive || time > $until;
    like slurp($said), qr/^listening$/m, 'the page listens';
    return $browser;
}

# Paste the others, as somebody does who has nothing but the page.
sub first_hour ($one) {
    $port{8443} = $one->{port};
    my $shell = Ashlar::Guide->shell(ASHLAR_RUN => $one->{dir}, HOME => "$top");
    my $browser;
    for my $step (@steps) {
        my ($box, $shown) = map { defined ? here($_) : undef } @$step;
        my ($name) = $box =~ m{(/api/\S+|\S+)};
        my $from   = length $shell->said;
        my $got    = $shell->paste($box);
        next if !defined $shown;
        # What is done by a job is there in a moment: it is said by something that runs beside, or seen at another look.
        my $until = time + 30;
        until (is_as_shown($got, $shown) || time > $until) {
            sleep 0.1;
            $got = $box =~ /\Acurl(?!.*(?:--json| -X ))/s ? $shell->paste($box) : substr $shell->said, $from;
        }
        ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got";
        if ($shown =~ /^http:/) { $browser = browse($got) }
        elsif ($browser && $box =~ /Analytical/) {
            is $browser->wait_for(60), 0, 'the page hears of it';
            like slurp("$top/browser"), qr/"Analytical Engines".*"organization\.updated"/, '  with what it was told';
            undef $browser;
        }
    }
    is $shell->end, 0, 'the shell ends';
    ok !-e "$top/hour", 'and nothing is left';
    return;
}

# The three commands of the start page.
sub three_commands ($one) {
    $port{8443} = $one->{port};
    my ($make, @rest) = steps(slurp('build/docs/index.html'));
    is $make->[0], 'make run', 'the first one is what runs here';
    is scalar @rest, 2, '  and two follow';
    my $shell = Ashlar::Guide->shell(ASHLAR_RUN => $one->{dir}, HOME => "$top");
    for my $step (@rest) {
        my ($box, $shown) = map { defined ? here($_) : undef } @$step;
        my $got = $shell->paste($box);
        ok is_as_shown($got, $shown), "$box: as shown" or diag $got if defined $shown;
    }
    is $shell->end, 0, 'the shell ends';
    return;
}

# A name that no unix socket and no careless script would like.
my $dir = "$top/a dir, with 'quotes' & more " . 'x' x 90;

subtest 'from nothing to ready' => sub {
    my $one = Ashlar::Run->start($dir, here($start->[0]) =~ /\b([A-Z_]+)=(\S+)/g);
    ready($one) or return;
    cmp_ok $one->{took}, '<', 60, 'within a minute';
    is $one->{url}, "https://localhost:$one->{port}", 'the URL';
    is_deeply [ sort keys %{ $one->{parts} } ], [qw(hash host main nginx postgres realtime slow worker)], 'its parts';
    my $page = eval { decode_json(scalar qx($one->{curl} -s)) } // {};
    ok ref $page->{items} eq 'ARRAY' && @{ $page->{items} } > 0, 'the curl line works when pasted, and there are projects';
    subtest 'the three commands of the start page' => sub { three_commands($one) };
    is ask($one, '/api/v1/app/users/me', $one->{admin})->{role}, 'superadmin', 'the admin token is a superadmin';
    is ask($one, '/api/v1/app/users/me')->{role}, 'user', 'the demo token is a user';
    is ask($one, '/api/v1/tenant-auth/me', $one->{team})->{user}{role}, 'owner', 'the team token is an owner of the default tenant';
    my ($console, $email, $password) = $one->said =~ m{^console: (\S+) .* as (\S+), password (\S+)$}m;
    is $console, "$one->{url}/console", 'where the console is';
    my $signed_in = ask($one, '/api/v1/tenant-auth/login', '', '-H', 'Content-Type: application/json', '-d', encode_json({ email => $email // '', password => $password // '' }));
    is $signed_in->{user}{role}, 'owner', '  and how an owner signs in there' or diag explain $signed_in;
    ok ask($one, '/api/v1/app/projects', $one->{demo}, '-H', 'Content-Type: application/json', '-d', '{"name":"kept"}')->{id}, 'a project is made';

    like $one->{public_key}, qr/\Apk_live_/, 'the default tenant has a public key';
    like $one->{secret_key}, qr/\Ask_live_/, '  and a secret one';
    my @origin = ('-H', "X-API-Key: $one->{public_key}", '-H');
    ok exists ask($one, '/api/v1/auth/mfa', $one->{demo}, @origin, "Origin: $one->{url}")->{enabled}, 'the public one is good in its pages';
    is ask($one, '/api/v1/auth/mfa', $one->{demo}, @origin, 'Origin: https://elsewhere.example')->{error}{code}, 'ORIGIN_NOT_ALLOWED', '  and in no others';
    cmp_ok ask($one, '/api/v1/users', '', '-H', "X-API-Key: $one->{secret_key}")->{total} // 0, '>=', 2, 'the secret one is a server\'s'
        or diag explain ask($one, '/api/v1/users', '', '-H', "X-API-Key: $one->{secret_key}");

    # build/ashlar means this instance, with its own settings and keys.
    ok ask($one, '/api/v1/auth/register', '', '-H', "X-API-Key: $one->{secret_key}", '-H', 'Content-Type: application/json',
        '-d', '{"email":"new@example.com","password":"Correct-Horse-7"}')->{user}, 'somebody registers';
    my $ashlar = sub (@words) {
        local %ENV = (PATH => $ENV{PATH}, ASHLAR_RUN => $dir);
        return scalar qx(build/ashlar @words 2>&1);
    };
    like $ashlar->(qw(user list)), qr/\tnew\@example[.]com\tuser\tactive\t/, 'whom build/ashlar user list knows';
    ask($one, '/api/v1/auth/forgot-password', '', '-H', "X-API-Key: $one->{secret_key}", '-H', 'Content-Type: application/json', '-d', '{"email":"new@example.com"}');
    my $until = time + 60;
    sleep 0.2 until $ashlar->(qw(mails --all --to new@example.com)) =~ /"state":"sent"/ || time > $until;
    like $ashlar->(qw(mails show 1 --to new@example.com)), qr{^Subject: .*^https://localhost:$one->{port}/\S+$}ms, 'and whose mail, sent already, build/ashlar mails show 1 shows';
    like $ashlar->(qw(user deactivate --email new@example.com)), qr/\Aashlar: database "ashlar" on \S+, port 5432, as ashlar [(]settings: \Q$dir\E\/env[)]\n\z/, 'what it writes to is said';

    my @modes = map { sprintf '%o', (stat "$dir/$_")[2] & oct 77 } qw(jwt-secret tls/key.pem log env public-key secret-key);
    is_deeply \@modes, [ (0) x 6 ], 'secrets and logs are the owner\'s alone';
    unlike slurp("$dir/pg/data/postgresql.conf"), qr/^\s*fsync\s*=\s*off/m, 'the data is safe in a crash';

    my @owners = grep { slurp("/proc/$one->{parts}{$_}/environ") =~ /DATABASE_OWNER_URL/ } sort keys %{ $one->{parts} };
    is "@owners", '', 'no part has the owner\'s way into the database';

    subtest 'the first hour of the guide, step by step' => sub { first_hour($one) };

    my $second = Ashlar::Run->start($dir);
    isnt $second->{process}->wait_for(30) // 0, 0, 'a second one in the same place does not start';
    like slurp($second->{out}), qr/already running.*make stop/, 'and says what to do';
    my $third = Ashlar::Run->start("$top/third", PORT => $one->{port});
    isnt $third->{process}->wait_for(30) // 0, 0, 'nor one on the same port';
    like slurp($third->{out}), qr/port $one->{port} is in use.*PORT=/, 'which says so';
    is ask($one, '/api/v1/app/users/me')->{role}, 'user', 'the first one is not disturbed';

    # Ctrl-C: the terminal's whole process group gets it.
    my $asked = time;
    kill 'INT', -$one->{process}->pid;
    is $one->{process}->wait_for(40), 0, 'Ctrl-C ends it';
    cmp_ok time - $asked, '<', 15, 'soon';
    is_deeply [ $one->left ], [], 'with all that it started';
    is_deeply [ glob "\Q$dir\E/pids/*" ], [], 'and it knows';
};

subtest 'again, with the same data; make stop' => sub {
    my $one = Ashlar::Run->start($dir);
    ready($one) or return;
    is "$one->{public_key} $one->{secret_key}", join(' ', map { slurp("$dir/$_-key") =~ s/\n//r } qw(public secret)), 'the keys are those of before';
    is scalar(grep { $_->{name} eq 'kept' } @{ ask($one, '/api/v1/app/projects?limit=100')->{items} }), 1, 'the project is there';
    local @ENV{qw(ASHLAR_RUN)} = ($dir);
    is system('tools/run', 'stop'), 0, 'make stop';
    is $one->{process}->wait_for(1), 0, 'has ended it when it returns';
    is_deeply [ $one->left ], [], 'with all that it started';
    is system('tools/run', 'stop'), 0, 'there is no harm in a second one';
};

subtest 'a part that ends by itself ends the rest, with a reason' => sub {
    my $one = Ashlar::Run->start($dir);
    ready($one) or return;
    kill 'KILL', $one->{parts}{nginx};
    my $status = $one->{process}->wait_for(40);
    isnt $status // 0, 0, 'it failed';
    like slurp($one->{out}), qr/nginx ended by itself/, 'and says which';
    is_deeply [ $one->left ], [], 'nothing of it is left, nor of the others';
};

subtest 'what a killed one leaves behind is found; clean-run removes all' => sub {
    my $one = Ashlar::Run->start($dir);
    ready($one) or return;
    my @elsewhere = grep { defined } map { readlink "$dir/$_" } qw(sock pg);
    kill 'KILL', $one->{process}->pid;
    $one->{process}->wait_for(5);
    ok scalar($one->left), 'there is something left';
    local @ENV{qw(ASHLAR_RUN)} = ($dir);
    is system('tools/run', 'clean'), 0, 'make clean-run';
    is_deeply [ $one->left ], [], 'ends it';
    ok !-e $dir, 'its directory is gone';
    is_deeply [ grep { -e } @elsewhere ], [], 'and what it had to put elsewhere';
};

subtest 'an existing server' => sub {
    my $cluster = Ashlar::Cluster->shared;
    my $db      = $cluster->connect('postgres');
    my $name    = "run_$$";
    $db->do("CREATE DATABASE $name OWNER ashlar");
    my $one = Ashlar::Run->start("$top/existing", DATABASE_URL => $cluster->url($name, 'ashlar'));
    if (ready($one)) {
        is_deeply [ sort keys %{ $one->{parts} } ], [qw(hash host main nginx realtime slow worker)], 'no PostgreSQL of its own';
        is ask($one, '/api/v1/app/users/me')->{role}, 'user', 'it answers';
        is_deeply $db->selectcol_arrayref("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = '$name'"), ['ashlar_api'],
            'as the role that owns nothing';
        kill 'TERM', $one->{process}->pid;
        is $one->{process}->wait_for(40), 0, 'SIGTERM to it alone ends it';
        is_deeply [ $one->left ], [], 'with all that it started';
        ok $db->ping, 'and not the server';
    }
    $cluster->drop($name);
    local @ENV{qw(ASHLAR_RUN)} = ("$top/existing");
    is system('tools/run', 'clean'), 0, 'clean';
};

subtest 'interrupted while it starts' => sub {
    my $one = Ashlar::Run->start("$top/early");
    my $until = time + 60;
    sleep 0.02 until -e "$top/early/pids/postgres" || time > $until;
    my ($pid) = split ' ', slurp("$top/early/pids/postgres");
    kill 'INT', -$one->{process}->pid;
    is $one->{process}->wait_for(40), 0, 'it ends';
    unlike slurp($one->{out}), qr/^ready$/m, 'before it was ready';
    unlike eval { slurp("/proc/$pid/stat") } // '', qr/^\d+ [(].*[)] [^Z]/, 'and leaves no PostgreSQL';    # a dead one may wait to be reaped
    local @ENV{qw(ASHLAR_RUN)} = ("$top/early");
    is system('tools/run', 'clean'), 0, 'clean';
};

done_testing;
