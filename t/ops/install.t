# make install lays out what a package would: everything in its place, complete
# enough for nginx and systemd, and no administrator's file overwritten.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use File::Find ();
use File::Temp ();
use Test::More;

my $ashlar = "$Ashlar::Cluster::BUILD/ashlar";
my $top    = File::Temp->newdir('/tmp/ashlar-install-XXXXXX');

sub install ($to, %env) {
    local @ENV{qw(DESTDIR ASHLAR PREFIX)} = ($to, $ashlar, $env{PREFIX} // '/usr');
    return qx(tools/install 2>&1);
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
        usr/lib/systemd/system/ashlar-api@slow.service.d/20-network.conf
        usr/lib/systemd/system/ashlar-api@hash.service.d/20-cpu.conf
        usr/lib/systemd/system/ashlar-api@main.service.d/remote-database.conf.example
        usr/lib/systemd/system/ashlar-.service.d/10-hardening.conf
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
        etc/nginx/snippets/ashlar-errors.conf
        etc/nginx/snippets/ashlar-hash.conf
        etc/nginx/snippets/ashlar-pools.conf
        etc/nginx/snippets/ashlar-realtime.conf
    );
    ok -f "$dir/$_", "/$_" for @want;
    ok -x "$dir/usr/bin/ashlar", 'the program may be run';
    ok -d "$dir/usr/share/ashlar/www", 'a place for guide and reference';
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
    my @names = slurp('fcgi/config.def') =~ /^[A-Z]+[(]\w+, *"([A-Z0-9_]+)"/mg;
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

subtest 'another prefix' => sub {
    install("$top/other", PREFIX => '/opt/ashlar');
    ok -x "$top/other/opt/ashlar/bin/ashlar", 'the program';
    like slurp("$top/other/opt/ashlar/lib/systemd/system/ashlar-api@.service"), qr{^ExecStart=/opt/ashlar/bin/ashlar }m, 'its unit';
    like slurp("$top/other/etc/nginx/sites-available/ashlar"), qr{root "/opt/ashlar/share/ashlar/www"}, 'the pages';
};

done_testing;
