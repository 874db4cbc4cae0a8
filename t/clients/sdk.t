# The TypeScript SDK's own tests (clients/typescript/test), against a real instance: as npm installs the package that "make sdk"
# packs, with Node's test runner.  What only this side can do, it does when they ask.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Answers;
use Ashlar::Process;
use Ashlar::Totp 'totp';
use Cpanel::JSON::XS qw(decode_json encode_json);
use Cwd 'getcwd';
use File::Copy 'copy';
use File::Temp ();
use Time::HiRes 'sleep';

my $built = getcwd . '/build/sdk';
my ($version) = qx($Ashlar::Cluster::BUILD/ashlar version) =~ /([\d.]+)/;
my $tarball = "$built/public/ashlar-$version.tgz";
-e $tarball or plan skip_all => 'there is no SDK: make sdk needs npm and its registry';

my $origin = 'https://app.example.com';
my $t      = Api->start(realtime => 1, main => 4, SECURITY_LIMITS => 'off', ENVIRONMENT => 'development');
my $dir    = File::Temp->newdir('/tmp/ashlar-sdk-XXXXXX');
mkdir "$dir/$_" or die "$dir/$_: $!\n" for qw(asked node_modules);

# The package beside what its tests use.
system(qw(tar xzf), $tarball, '-C', "$dir/node_modules") == 0 or die "tar failed\n";
rename "$dir/node_modules/package", "$dir/node_modules/ashlar" or die "ashlar: $!\n";
for my $from (map { [ "$built/node_modules", $_ ] } qw(esbuild typescript @edge-runtime)) {
    symlink "$from->[0]/$from->[1]", "$dir/node_modules/$from->[1]" or die "$from->[1]: $!\n";
}
for my $name (qw(playwright-core ws)) {
    symlink getcwd . "/t/clients/node_modules/$name", "$dir/node_modules/$name" or die "$name: $!\n";
}
for my $file (glob('clients/typescript/test/*.mjs'), 't/clients/answers.mjs') { copy($file, $dir) or die "$file: $!\n" }

# A tenant whose refresh tokens stay as they are, beside the default one, where they rotate.
my $still = $t->key(type => 'public', tenant => 'still', origins => [$origin]);

# What the tests may have done.
my %can = (
    end_sessions => sub ($user) { return 0 + $t->db->do('UPDATE sessions SET revoked_at = now() WHERE user_id = ?', undef, $user) },
    totp         => sub ($secret) { return totp($secret) },
    verify_team  => sub ($email) { return 0 + $t->db->do('UPDATE team_members SET is_email_verified = true WHERE email = ?', undef, $email) },
);

my $tests = Ashlar::Process->start(
    cmd => [ qw(node --test-reporter=tap --test-reporter-destination=stdout), "$dir/run.mjs", $ENV{ONLY} // () ],
    log => "$dir/log",
    env => {
        Ashlar::Answers::env(),
        NODE_EXTRA_CA_CERTS => "$t->{dir}/cert.pem",
        SERVER => encode_json({
            url     => "https://localhost:$t->{https_port}",
            origin  => $origin,
            key     => $t->key(type => 'public', origins => [$origin]),
            secret  => $t->key,
            still   => $still,
            version => $version,
            dir     => "$dir/asked",
        }),
    },
);
while ($tests->alive) {
    for my $file (glob "$dir/asked/*.ask") {
        open my $in, '<:raw', $file or die "$file: $!\n";
        my ($name, @args) = @{ decode_json(do { local $/ = undef; <$in> }) };
        my $answer = ($can{$name} // die "the tests ask for $name\n")->(@args);
        open my $out, '>:raw', "$file.new" or die "$file: $!\n";
        print {$out} encode_json([$answer]);
        close $out  or die "$file: $!\n";
        unlink $file or die "$file: $!\n";
        rename "$file.new", $file =~ s/ask\z/done/r or die "$file: $!\n";
    }
    sleep 0.02;
}
is $tests->wait_for(5), 0, 'all of them pass';

open my $log, '<:encoding(UTF-8)', "$dir/log" or die "log: $!\n";
my @lines = <$log>;
my $count = 0;
for my $n (0 .. $#lines) {
    my ($not, $name) = $lines[$n] =~ /^(not )?ok \d+ - (.*)$/ or next;
    $count++;
    ok !$not, $name or diag @lines[ $n + 1 .. ($n + 40 < $#lines ? $n + 40 : $#lines) ];
}
cmp_ok $count, '>=', $ENV{ONLY} ? 1 : 30, 'and there are many' or diag @lines;
