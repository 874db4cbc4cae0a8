# Where the command line takes its settings from, and how it reads a file of them.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cwd qw(getcwd);
use File::Temp ();
use Test::More;

my $tmp    = File::Temp->newdir('/tmp/ashlar-settings-XXXXXX');
my $ashlar = getcwd . "/$Ashlar::Cluster::BUILD/ashlar";

sub spew ($file, $text) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return $file;
}

# Run a program with nothing in the environment but this: status, stdout, stderr.
sub run ($cmd, %env) {
    my @quoted = map { "'" . s/'/'\\''/gr . "'" } @$cmd;
    local %ENV = (PATH => $ENV{PATH}, Ashlar::Cluster::sanitizer_env("$tmp"), %env);
    my $out = qx(@quoted 2>$tmp/stderr);
    my $status = $? >> 8;
    open my $in, '<', "$tmp/stderr" or die $!;
    local $/ = undef;
    return ($status, $out, scalar <$in>);
}

# What a setting is in the end.
sub setting ($name, $cmd, %env) {
    my ($status, $out, $err) = run([ @$cmd ? @$cmd : $ashlar, 'check-config' ], %env);
    return $out =~ /^$name=(.*)$/m ? $1 : "status $status: $err";
}

sub value_of ($text) {
    spew("$tmp/value.env", $text);
    my (undef, $out) = run([ $ashlar, 'check-config', '--env-file', "$tmp/value.env" ], DATABASE_URL => 'dbname=x');
    return $out =~ /^OIDC_AUDIENCE=(.*)$/m ? $1 : undef;
}

subtest 'a file is read as systemd reads it' => sub {
    my $generator = '/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator';
    my @values    = (
        'plain',           '  blanks around  ', 'in the  middle', '"double"',         q('single'),
        '"a" "b"',         q("a"'b'),           'a"b"c',          q(it's),         '"with \"quotes\""', '"dollar \$ and \` and \\\\"',
        '"other \n kept"', q('no \escape'),     'a\ b',           'trailing\ ',    'a\\\\b',            "one\\\ntwo",
        "\"one\\\ntwo\"",  '"quoted " tail',    '  "q"  ',        'a # no comment', 'a;b',              '"#"',
        '\"a',             '"line one"',        'x=y=z',          "'a'\\''b'",     'postgresql:///a?b=c&d=e%20f',
    );
    for my $i (keys @values) {
        my $text = "# a comment; OIDC_AUDIENCE=no\n ; and one\nNONSENSE\nOIDC_AUDIENCE=$values[$i]\nEND=1\n";
        mkdir "$tmp/$_" for 'config', 'config/environment.d';
        spew("$tmp/config/environment.d/a.conf", $text);
        my (undef, $said) = run([$generator], XDG_CONFIG_HOME => "$tmp/config", HOME => "$tmp");
        my (undef, $theirs) = run([ 'sh', '-c', "$said\nprintf %s \"\$OIDC_AUDIENCE\"" ]);
        is value_of($text), $theirs, "as systemd itself: $values[$i] is $theirs" =~ s/\n/\\n/gr;
    }
    is value_of("OIDC_AUDIENCE=first\nOIDC_AUDIENCE=second\n"), 'second', 'of two the last one counts';
    is value_of("OIDC_AUDIENCE=\n"),        '',     'an empty one';
    is value_of('OIDC_AUDIENCE=no newline'), 'no newline', 'a last line without its end';
    is value_of("\r\nOIDC_AUDIENCE=dos\r\n"), 'dos', 'lines of another system';
    is value_of("OIDC-AUDIENCE=x\n1OIDC_AUDIENCE=x\nexport OIDC_AUDIENCE=x\n"), '', 'what is no name is nothing';
};

subtest 'the environment comes first, then --env-file' => sub {
    my $file = spew("$tmp/mine.env", "DATABASE_URL=dbname=mine\nJWT_ISSUER=from-file\nJWT_AUDIENCE=from-file\n");
    my (undef, $out) = run([ $ashlar, 'check-config', '--env-file', $file ], JWT_ISSUER => 'from-environment');
    like $out, qr/^JWT_ISSUER=from-environment$/m, 'the environment';
    like $out, qr/^JWT_AUDIENCE=from-file$/m, 'the file';
    (undef, $out) = run([ $ashlar, 'check-config', "--env-file=$file" ], JWT_AUDIENCE => '');
    like $out, qr/^JWT_AUDIENCE=ashlar$/m, 'an empty variable is set, too: the default';
    my ($status, undef, $err) = run([ $ashlar, 'check-config', '--env-file', "$tmp/none.env" ]);
    is $status, 1, 'a file that is not there';
    like $err, qr{\Aashlar: $tmp/none\.env cannot be read: No such file}, 'is named';
    ($status, undef, $err) = run([ $ashlar, 'token', '--user', 'a@example.com', '--env-file', $file ], JWT_SECRET => 'x' x 32, DATABASE_URL => 'host=/nowhere dbname=x');
    like $err, qr/by the settings in environment/, 'where PostgreSQL is not found, it says whose word that was';
};

# A tree and an installed program, each a copy.
sub copy_to ($path) {
    system('install', '-D', '-m', 755, $ashlar, $path) == 0 or die "install\n";
    return $path;
}

subtest 'beside make run: the tree\'s own .run' => sub {
    my $own = copy_to("$tmp/tree/build/ashlar");
    is setting('JWT_ISSUER', [$own]), 'ashlar', 'without one the default';
    mkdir "$tmp/tree/.run";
    spew("$tmp/tree/.run/env", qq{DATABASE_URL="dbname=run"\nJWT_ISSUER="of the tree"\n});
    is setting('JWT_ISSUER', [$own]), 'of the tree', 'with one that';
    is setting('JWT_ISSUER', [$own], JWT_AUDIENCE => 'x'), 'of the tree', '  beside other variables';
    is setting('JWT_ISSUER', [$own], JWT_ISSUER => 'mine'), 'mine', '  but behind the environment';
    is setting('JWT_ISSUER', [$own], DATABASE_URL => 'dbname=other'), 'ashlar', 'and not where the environment names another database';
    is setting('JWT_ISSUER', [$own], DATABASE_OWNER_URL => 'dbname=other'), 'ashlar', '  as its owner, too';
    spew("$tmp/some.env", "JWT_AUDIENCE=y\n");
    my (undef, $out) = run([ $own, 'check-config', '--env-file', "$tmp/some.env" ]);
    like $out, qr/^JWT_ISSUER=ashlar$/m, 'nor where --env-file names another file';
    mkdir "$tmp/elsewhere";
    spew("$tmp/elsewhere/env", qq{DATABASE_URL=dbname=x\nJWT_ISSUER=elsewhere\n});
    is setting('JWT_ISSUER', [$own], ASHLAR_RUN => "$tmp/elsewhere"), 'elsewhere', 'ASHLAR_RUN names another directory';
    copy_to("$tmp/tree/bin/ashlar");
    is setting('JWT_ISSUER', ["$tmp/tree/bin/ashlar"]), 'ashlar', 'a program elsewhere has nothing to do with it';
};

# /etc is the host's: in a mount namespace of our own it is ours.
subtest 'the installed program: /etc/ashlar/ashlar.env' => sub {
    my $installed = copy_to("$tmp/usr/bin/ashlar");
    mkdir "$tmp/$_" for 'etc', 'etc/ashlar';
    spew("$tmp/etc/ashlar/ashlar.env", "DATABASE_URL=dbname=installed\nJWT_ISSUER=of-the-host\n");
    my $inside = sub ($program, @words) {
        return ('unshare', '-m', 'sh', '-c', 'mount --bind "$1" /etc && shift && exec "$@"', 'sh', "$tmp/etc", $program, @words);
    };
    my ($status) = run([ $inside->('true') ]);
    plan skip_all => 'no mount namespaces here' if $status;
    my (undef, $out) = run([ $inside->($installed, 'check-config') ]);
    like $out, qr/^JWT_ISSUER=of-the-host$/m, 'is read';
    (undef, $out) = run([ $inside->($installed, 'check-config') ], DATABASE_URL => 'dbname=x');
    like $out, qr/^JWT_ISSUER=ashlar$/m, '  unless the environment names a database';
    (undef, $out) = run([ $inside->($ashlar, 'check-config') ], ASHLAR_RUN => "$tmp/nothing");
    like $out, qr/^JWT_ISSUER=ashlar$/m, 'a program in its tree leaves it alone';
};

is_deeply [ glob "$tmp/*san.*" ], [], 'no report of a sanitizer';
done_testing;
