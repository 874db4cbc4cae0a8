# make install lays out what a package would: everything in its place, complete
# enough for nginx and systemd, and no administrator's file overwritten.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use File::Copy 'copy';
use File::Find ();
use File::Path 'make_path';
use File::Temp ();
use Test::More;

my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";
my $top    = File::Temp->newdir('/tmp/ashlar-install-XXXXXX');

sub install ($to, %env) {
    local @ENV{qw(DESTDIR ASHLAR PREFIX INSTANCE SERVER_NAME)} = ($to, $ashlar, $env{PREFIX} // '/usr', $env{INSTANCE} // '', $env{SERVER_NAME} // '_');
    my $do = $env{do} // '';
    return qx(tools/install $do 2>&1);
}

sub slurp ($file) {
    open my $in, '<', $file or return;
    local $/ = undef;
    return scalar <$in>;
}

sub spew ($file, $text) {
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return;
}

my $dir = "$top/a root";
is install($dir), '', 'it has nothing to say';

subtest 'the files of a package' => sub {
    my @want = qw(
        usr/bin/ashlar
        usr/lib/systemd/system/ashlar.target
        usr/lib/systemd/system/ashlar-api@.socket
        usr/lib/systemd/system/ashlar-api@.service
        usr/lib/systemd/system/ashlar-api@slow.service.d/20-files.conf
        usr/lib/systemd/system/ashlar-api@slow.service.d/20-network.conf
        usr/lib/systemd/system/ashlar-api@hash.service.d/20-cpu.conf
        usr/lib/systemd/system/ashlar-api@main.service.d/remote-database.conf.example
        usr/lib/systemd/system/ashlar-.service.d/10-hardening.conf
        usr/lib/systemd/system/ashlar-agent@.service
        usr/lib/systemd/system/ashlar-agent@.service.d/20-network.conf
        usr/lib/systemd/system/ashlar-agent@.service.d/20-workspace.conf
        usr/share/polkit-1/rules.d/ashlar-host.rules
        usr/lib/systemd/system/ashlar-host.service
        usr/lib/systemd/system/ashlar-host.service.d/20-peers.conf
        usr/lib/systemd/system/ashlar-host.socket
        usr/lib/systemd/system/ashlar-migrate.service
        usr/lib/systemd/system/ashlar-realtime.service
        usr/lib/systemd/system/ashlar-realtime.socket
        usr/lib/systemd/system/ashlar-worker.service
        usr/lib/sysusers.d/ashlar.conf
        usr/lib/tmpfiles.d/ashlar.conf
        usr/share/doc/ashlar/README.Debian
        etc/ashlar/ashlar.env
        etc/nginx/conf.d/ashlar.conf
        etc/nginx/sites-available/ashlar
        etc/nginx/snippets/ashlar-console.conf
        etc/nginx/snippets/ashlar-errors.conf
        etc/nginx/snippets/ashlar-hash.conf
        etc/nginx/snippets/ashlar-pools.conf
        etc/nginx/snippets/ashlar-realtime.conf
        etc/nginx/snippets/ashlar-storage.conf
    );
    ok -f "$dir/$_", "/$_" for @want;
    ok -x "$dir/usr/bin/ashlar", 'the program may be run';
    ok -d "$dir/usr/share/ashlar/www", 'a place for guide and reference';
    my ($version) = qx($ashlar version) =~ /([\d.]+)/;
    is_deeply [ grep { !-f "$dir/usr/share/ashlar/www/sdk/$_" } "ashlar-$version.tgz", "ashlar-$version.js", 'ashlar.js' ], [], 'the TypeScript SDK' if -e "build/docs/sdk/ashlar.js";
    ok -f "$dir/usr/share/ashlar/mail/de/invitation.txt", 'the mail templates, to be copied and changed';
    is sprintf('%o', (stat "$dir/etc/ashlar/ashlar.env")[2] & oct 7777), '640', 'settings are not for everybody';
    is sprintf('%o', (stat "$dir/etc/ashlar/tls")[2] & oct 7777), '700', 'nor are keys';
    my @odd;
    File::Find::find({ no_chdir => 1, wanted => sub {
        return if !-f;
        my $mode = (stat)[2] & oct 7777;
        push @odd, $_ if $mode & oct 22;
        push @odd, "$_ mentions the build" if /[.]conf$|service$|socket$|nginx/ && slurp($_) =~ m{/tmp/|\@[A-Z_]+\@};
        push @odd, "$_ is a template" if /[.]in$/;
    } }, $dir);
    is_deeply \@odd, [], 'no file is for others to write, names the build, or is a template still';
};

subtest 'every setting is in the delivered environment file, and it is one' => sub {
    my $env = slurp("$dir/etc/ashlar/ashlar.env");
    my @names = slurp('lib/host/config.def') =~ /^[A-Z]+[(]\w+, *"([A-Z0-9_]+)"/mg;
    cmp_ok scalar @names, '>', 30, 'there are settings';
    is_deeply [ grep { $env !~ /^#?$_=/m } @names ], [], 'all of them';
    is_deeply [ grep { !/^(?:#.*|[A-Z0-9_]+=.*|)$/ } split /\n/, $env ], [], 'lines that systemd understands';
    my %set = (SHM_FILE => "$top/shared", JWT_SECRET => 'x' x 32, $env =~ /^([A-Z0-9_]+)=(.*)$/mg);
    local %ENV = (PATH => $ENV{PATH}, %set);
    my $out = qx($ashlar check-config 2>&1);
    is $?, 0, 'with a secret it is complete' or diag $out;
};

subtest 'nginx takes it' => sub {
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x "
        . "-keyout '$top/key.pem' -out '$top/cert.pem' 2>/dev/null");
    # Debian's nginx.conf, and our files with what only exists on a real host put elsewhere.
    my $etc = "$dir/etc/nginx";
    my $conf = slurp('/etc/nginx/nginx.conf') =~ s{/etc/nginx/(conf[.]d|sites-enabled)}{$1}gr
        =~ s{^include /etc/nginx/modules-enabled.*$}{}mr =~ s{/var/log/nginx}{$top}gr =~ s{/run/nginx[.]pid}{$top/pid}r
        =~ s{^user .*$}{}mr;
    $conf =~ s{include sites-enabled/[*]}{include sites-available/ashlar} or fail 'Debian\'s nginx.conf is not what it was';
    spew("$etc/nginx.conf", $conf);
    my $site = slurp("$etc/sites-available/ashlar");
    like $site, qr{listen [*]:443 ssl http2;}, 'the usual ports';
    like $site, qr{root "/usr/share/ashlar/www"}, 'the installed pages';
    like slurp("$etc/conf.d/ashlar.conf"), qr{unix:/run/ashlar-main[.]sock}, "systemd's sockets";
    spew("$etc/sites-available/ashlar",
        $site =~ s{/etc/ashlar/tls/fullchain}{$top/cert}r =~ s{/etc/ashlar/tls/privkey}{$top/key}r =~ s{:443}{:1}gr =~ s{:80;}{:2;}gr);
    my $snippet = "$etc/snippets/ashlar-server.conf";
    spew($snippet, slurp($snippet) =~ s{/var/log/nginx}{$top}r);
    $snippet = "$etc/snippets/ashlar-storage.conf";
    like slurp($snippet), qr{client_body_temp_path "/var/lib/ashlar/files/incoming/tmp"}, 'where files come in';
    mkdir $_ for "$top/host", "$top/host/incoming";
    spew($snippet, slurp($snippet) =~ s{/var/lib/ashlar/files}{$top/host}gr);
    my $said = qx(nginx -t -q -c '$etc/nginx.conf' 2>&1);
    # -t binds nothing but opens what it is given; a run as another user than root may complain about that alone.
    is $?, 0, 'nginx -t' or diag $said;
    unlike $said, qr/warn|emerg/, 'and has no warning';
    spew("$etc/sites-available/ashlar", $site);
};

subtest 'an administrator\'s files stay' => sub {
    spew("$dir/etc/ashlar/ashlar.env",          "PUBLIC_URL=mine\n");
    spew("$dir/etc/nginx/sites-available/ashlar", "mine\n");
    like install($dir), qr/kept .*ashlar[.]env/, 'it says so';
    is slurp("$dir/etc/ashlar/ashlar.env"), "PUBLIC_URL=mine\n", 'settings';
    is slurp("$dir/etc/nginx/sites-available/ashlar"), "mine\n", 'the site';
    like slurp("$dir/etc/ashlar/ashlar.env.dist"), qr/JWT_SECRET/, 'the new one lies beside it';
};

# Every file below a directory, without the directory's name.
sub files ($root) {
    my @files;
    File::Find::find({ no_chdir => 1, wanted => sub { push @files, s{^\Q$root\E/}{}r if !-d } }, $root);
    return sort @files;
}

subtest 'a certificate: the first one, and those that certbot brings' => sub {
    my $etc = "$top/etc-of-a-host";
    local $ENV{ASHLAR_ETC} = $etc;
    my $first = "$dir/usr/lib/ashlar/first-certificate";
    is system($first, 'api.example.com'), 0, 'the first one is made';
    is sprintf('%o', (stat "$etc/tls/privkey.pem")[2] & oct 777), '600', '  whose key is nobody else\'s';
    like scalar qx(openssl x509 -in '$etc/tls/fullchain.pem' -noout -ext subjectAltName), qr/DNS:api[.]example[.]com/, '  for the host';
    my $was = slurp("$etc/tls/fullchain.pem");
    is system($first, 'other.example.com'), 0, 'once more';
    is slurp("$etc/tls/fullchain.pem"), $was, '  changes nothing';

    my $conf = "$top/nginx-of-a-host";
    system("mkdir -p '$conf' && cp -r '$dir/etc/nginx/.' '$conf/'");
    my $site = slurp('nginx/site.conf.in');
    spew("$conf/tls.conf", qq(pid "$top/tls.pid"; error_log "$top/tls.log"; events {} http { access_log off; server { listen 1 ssl;
        ssl_certificate "$etc/tls/fullchain.pem"; ssl_certificate_key "$etc/tls/privkey.pem"; } }));
    is system("nginx -t -q -c '$conf/tls.conf' 2>'$top/said'"), 0, 'nginx starts with it' or diag slurp("$top/said");

    # certbot's directory, and what the hook calls.
    mkdir "$top/$_" for 'live', 'bin';
    for my $n (1, 2) {
        mkdir "$top/live/$n";
        system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$n -keyout '$top/live/$n/privkey.pem' -out '$top/live/$n/fullchain.pem' 2>/dev/null");
    }
    spew("$top/bin/nginx",     "#!/bin/sh\necho nginx \$* >>'$top/called'\n[ ! -e '$top/bad' ]\n");
    spew("$top/bin/systemctl", "#!/bin/sh\necho systemctl \$* >>'$top/called'\n");
    chmod 0755, "$top/bin/nginx", "$top/bin/systemctl";
    my $hook = sub ($lineage) {
        unlink "$top/called";
        local @ENV{qw(PATH RENEWED_LINEAGE)} = ("$top/bin:$ENV{PATH}", $lineage);
        return system("'$dir/usr/lib/ashlar/deploy-certificate' 2>/dev/null") >> 8;
    };
    is $hook->("$top/live/1"), 0, 'the hook takes the first real one';
    is slurp("$etc/tls/fullchain.pem"), slurp("$top/live/1/fullchain.pem"), '  in place of ours';
    is slurp("$top/called"), "nginx -t -q\nsystemctl reload nginx\n", '  and has nginx read it';
    is system("nginx -t -q -c '$conf/tls.conf' 2>'$top/said'"), 0, '  which it can' or diag slurp("$top/said");
    is $hook->("$top/live/2"), 0, 'another one';
    is slurp("$etc/tls/privkey.pem"), slurp("$top/live/2/privkey.pem"), '  is taken, too';
    isnt $hook->("$top/live/none"), 0, 'one that is not there is not';
    is slurp("$etc/tls/privkey.pem"), slurp("$top/live/2/privkey.pem"), '  and leaves the old one';
    spew("$top/bad", '');
    isnt $hook->("$top/live/1"), 0, 'a configuration that nginx does not take';
    is slurp("$top/called"), "nginx -t -q\n", '  is not reloaded';
};

subtest 'two instances on one host' => sub {
    my $two = "$top/two";
    is install($two), '', 'the first';
    my @one = files($two);
    is install($two, INSTANCE => 'two', SERVER_NAME => 'two.example.com'), '', 'and the second';
    my %was = map { $_ => 1 } @one;
    my @new = grep { !$was{$_} } files($two);
    is_deeply [ grep { !/ashlar-two/ } @new ], [], 'each of its files has a name of its own';
    ok -e "$two/$_", $_ for qw(etc/ashlar-two/ashlar.env etc/nginx/sites-available/ashlar-two etc/nginx/conf.d/ashlar-two.conf
        usr/lib/systemd/system/ashlar-two.target usr/lib/systemd/system/ashlar-two-api@.socket usr/lib/systemd/system/ashlar-two-api@slow.service.d/20-network.conf
        usr/lib/systemd/system/ashlar-two-worker.service.d/20-network.conf);
    my @shared;
    for my $file (@new) {
        next if $file =~ /README|real-ip/;
        my $text = slurp("$two/$file") =~ s/^\s*#.*//mgr;
        push @shared, "$file: $1" if $text =~ m{(.*(?:/run/ashlar\b(?!-two)|/var/(?:log|backups)/ashlar\b(?!-two)|/var/lib/ashlar/files|/etc/ashlar/|\bashlar-(?:agent|api|host|worker|realtime|migrate|main|slow|hash)|\bashlar_(?:main|slow|hash|rate|requests|sockets|pool|uuid)|log_format ashlar\b |snippets/ashlar-(?!two)|ashlar[.]target|(?:Runtime|Logs)Directory=ashlar$).*)}m;
    }
    is_deeply \@shared, [], 'and none of them means anything of the first one\'s';
    like slurp("$two/etc/ashlar-two/ashlar.env"), qr{^DATABASE_URL=postgresql://ashlar_api\@/ashlar_two[?]}m, 'its database';
    like slurp("$two/etc/ashlar-two/ashlar.env"), qr{^STORAGE_ROOT=/var/lib/ashlar-two/files$}m, 'its files';
    like slurp("$two/usr/lib/tmpfiles.d/ashlar-two.conf"), qr{^d /var/lib/ashlar-two/files/incoming 2770 www-data ashlar_api -$}m, '  which have a place';
    like slurp("$two/usr/lib/systemd/system/ashlar-two-worker.service.d/20-files.conf"), qr{^ReadWritePaths=-/var/lib/ashlar-two/files$}m, '  that its services may write to';
    like slurp("$two/etc/nginx/snippets/ashlar-two-storage.conf"), qr{alias "/var/lib/ashlar-two/files/incoming/"}, '  and nginx, too';
    like slurp("$two/etc/ashlar-two/ashlar.env"), qr{^#SHM_FILE=/run/ashlar-two/shared$|^SHM_FILE=/run/ashlar-two/shared$}m, 'its memory';

    my $etc  = "$two/etc/nginx";
    my $conf = slurp('/etc/nginx/nginx.conf') =~ s{/etc/nginx/(conf[.]d|sites-enabled)}{$1}gr =~ s{^include /etc/nginx/modules-enabled.*$}{}mr
        =~ s{/var/log/nginx}{$top}gr =~ s{/run/nginx[.]pid}{$top/pid}r =~ s{^user .*$}{}mr =~ s{include sites-enabled/[*]}{include sites-available/*}r;
    spew("$etc/nginx.conf", $conf);
    for my $file (grep { m{^etc/nginx/} } files($two)) {
        my $text = slurp("$two/$file");
        spew("$two/$file", $text =~ s{/etc/ashlar(?:-two)?/tls/fullchain}{$top/cert}gr =~ s{/etc/ashlar(?:-two)?/tls/privkey}{$top/key}gr =~ s{/var/log/nginx}{$top}gr =~ s{/var/lib/ashlar((?:-two)?)/files}{$top/host$1}gr);
    }
    mkdir $_ for map { ($_, "$_/incoming") } "$top/host", "$top/host-two";
    my $said = qx(nginx -t -q -c '$etc/nginx.conf' 2>&1);
    is $?, 0, 'nginx takes both' or diag $said;
    unlike $said, qr/emerg|duplicate/, 'and no name is there twice';

    my $units = "$two/usr/lib/systemd/system";
    system("cp -an /usr/lib/systemd/system/. '$units/' && ln -s usr/bin '$two/bin' && cp /usr/bin/kill /usr/bin/sh '$two/usr/bin/'");
    for my $unit (qw(ashlar-two.target ashlar-two-api@main.service ashlar-two-api@slow.service ashlar-two-api@hash.service ashlar-two-host.service ashlar-two-agent@1-x.service ashlar-two-worker.service ashlar-two-realtime.service ashlar-two-migrate.service)) {
        is scalar qx(systemd-analyze --no-pager --root='$two' verify --man=no '$unit' 2>&1), '', "$unit is well-formed";
    }
    my $open = sub ($unit) { return [ sort map { /"set":false,"name":"([^"]*)"/ ? $1 : () } split /[}]/, qx(systemd-analyze --no-pager --root='$two' security --offline=true --json=short '$unit') ] };
    is_deeply $open->("ashlar-two-$_"), $open->("ashlar-$_"), "$_ is as closed as the first one's" for qw(api@main.service api@slow.service api@hash.service worker.service);
    like install("$top/three", INSTANCE => $_), qr/INSTANCE must be/, "no instance is called $_" for qw(a-b worker Two);
};

subtest 'uninstall' => sub {
    my $gone = "$top/gone";
    install($gone);
    system("mkdir -p '$gone/etc/nginx/sites-enabled' '$gone/usr/lib/systemd/system' && ln -s ../sites-available/ashlar '$gone/etc/nginx/sites-enabled/ashlar'");
    spew("$gone/usr/lib/systemd/system/other.service", 'other');
    install($gone, INSTANCE => 'two');
    install($gone, INSTANCE => 'two', do => 'uninstall');
    is_deeply [ grep { /ashlar-two/ && !m{^etc/} } files($gone) ], [], 'what the second instance had is gone';
    ok -x "$gone/usr/bin/ashlar", '  and the first is whole';
    ok -e "$gone/usr/lib/systemd/system/ashlar-.service.d/10-hardening.conf", '  and as closed';
    install($gone, INSTANCE => 'two');
    like install($gone, do => 'uninstall'), qr{the program stays: it is also that of ashlar-two\n}, 'the first one of two';
    ok -x "$gone/usr/bin/ashlar", '  leaves what the second one starts';
    ok -e "$gone/usr/lib/systemd/system/$_", "  and $_" for 'ashlar-.service.d/10-hardening.conf', 'ashlar-two-api@hash.service.d/20-cpu.conf', 'ashlar-two.target';
    is_deeply [ grep { m{ashlar(?:-two)?[.]target|/ashlar-(?!two|[.]service)} && !m{^etc/|/share/|/lib/ashlar/} } files($gone) ], ['usr/lib/systemd/system/ashlar-two.target'], '  and none of its own units';
    install($gone, INSTANCE => 'two', do => 'uninstall');
    ok !-e "$gone/usr/bin/ashlar", '  which goes with the last one';
    install($gone);
    spew("$gone/etc/ashlar/ashlar.env", "JWT_SECRET=mine\n");
    like install($gone, do => 'uninstall'), qr{removed; /etc/ashlar, the database and the users}, 'it says what stays';
    is_deeply [ grep { !m{^etc/ashlar} } files($gone) ],
        [qw(etc/nginx/sites-available/ashlar etc/nginx/sites-available/ashlar-two etc/nginx/snippets/ashlar-real-ip.conf etc/nginx/snippets/ashlar-two-real-ip.conf usr/lib/systemd/system/other.service)],
        'only what is the administrator\'s is left, and other people\'s';
    is slurp("$gone/etc/ashlar/ashlar.env"), "JWT_SECRET=mine\n", '  settings, too';
};

# A tree of its own, where all packages of Debian are there.
subtest 'tools/deps says what npm says when it fails, and fails' => sub {
    my $tree = "$top/deps";
    make_path("$tree/$_") for qw(bin tools t/clients/node_modules);
    copy('tools/deps', "$tree/tools/deps") or die "deps: $!\n";
    spew("$tree/t/clients/package-lock.json", '{}');
    spew("$tree/bin/dpkg-query", qq(#!/bin/sh\n"$tree/tools/deps" --list | tr '|' '\\n' | sed 's/:.*//; s/^/ii :/'\n));
    spew("$tree/bin/apt-get", qq(#!/bin/sh\necho "apt-get is asked" >&2\nexit 1\n));
    chmod 0755, map { "$tree/$_" } qw(tools/deps bin/dpkg-query bin/apt-get);
    my $deps = sub ($npm) {
        spew("$tree/bin/npm", "#!/bin/sh\n$npm\n");
        chmod 0755, "$tree/bin/npm";
        local $ENV{PATH} = "$tree/bin:$ENV{PATH}";
        my $said = qx("$tree/tools/deps" 2>&1);
        return ($? >> 8, $said);
    };
    my ($status, $said) = $deps->('echo added 1 package; echo "npm error the registry is away" >&2; exit 7');
    is $status, 1, 'it fails';
    like $said, qr/npm error the registry is away\n.*npm could not install/s, '  and says why';
    ok !-e "$tree/t/clients/node_modules/.installed", '  and tries again the next time';
    ($status, $said) = $deps->('echo "npm warn old" >&2; mkdir -p t/clients/node_modules');
    is_deeply [ $status, $said ], [ 0, "installing the npm packages of t/clients\n" ], 'else npm has nothing to say';
    is_deeply [ $deps->('exit 1') ], [ 0, '' ], 'and what is installed is not installed again';
};

subtest 'only tools/deps knows which Debian it is' => sub {
    my %list = map { $_ => { map { chomp; $_ => 1 } qx(DEBIAN=$_ tools/deps --list) } } 12, 13;
    is_deeply [ grep { m{/|\s} } map { keys %$_ } values %list ], [], 'a package a line';
    ok $list{12}{'postgresql-15'} && !$list{12}{'postgresql-17'}, 'the names of Debian 12';
    ok $list{13}{'postgresql-17'} && !$list{13}{'postgresql-15'}, '  and of 13';
    my @own = sort grep { !$list{13}{$_} } keys %{ $list{12} };
    cmp_ok scalar @own, '>=', 6, "which differ: @own";
    my $names = join '|', map { quotemeta } @own;
    my @told  = grep { $_ ne 'tools/deps' } split /\n/, qx(git grep -lE '\\b($names)\\b|/usr/lib/postgresql/[0-9]' -- ':!t/ops/install.t' ':!*.md');
    is_deeply \@told, [], 'no other file names one of them';
};

subtest 'another prefix' => sub {
    install("$top/other", PREFIX => '/opt/ashlar');
    ok -x "$top/other/opt/ashlar/bin/ashlar", 'the program';
    like slurp("$top/other/opt/ashlar/lib/systemd/system/ashlar-api@.service"), qr{^ExecStart=/opt/ashlar/bin/ashlar }m, 'its unit';
    like slurp("$top/other/etc/nginx/sites-available/ashlar"), qr{root "/opt/ashlar/share/ashlar/www"}, 'the pages';
};

done_testing;
