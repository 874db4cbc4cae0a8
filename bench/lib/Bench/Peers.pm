# Ashlar and its peers: how each is built, started, and put behind nginx.
package Bench::Peers;

use v5.36;
use Exporter 'import';
use File::Path qw(make_path);
use IO::Socket::INET;
use Bench::Env;
use Bench::Proc qw(start run wait_for);
use Bench::Requests;

our @EXPORT = qw(@subjects %more_env ashlar_env build_peers start_alone start_ashlar start_side_by_side start_slow start_subjects);

# What is measured: name, mode, port, sockets, the service's processes, and nginx's.
our @subjects;

# Further settings of what is started from now on.
our %more_env;

my $is_root = $> == 0;

# ---- Ashlar ----

sub ashlar_env {
    return {
        ENVIRONMENT        => 'production',
        DATABASE_URL       => "host=$tmp dbname=bench user=ashlar_api",
        DATABASE_OWNER_URL => "host=$tmp dbname=bench user=ashlar",
        JWT_SECRET         => $secret,
        SHM_FILE           => "$tmp/shared",
        MAX_REQUESTS       => 0,
        RATE_LIMIT_DEFAULT => 0,
        RATE_LIMIT_AI      => 0,
        RATE_LIMIT_OPERATIONS => 0,
        RATE_LIMIT_AUTH    => 0,
        RATE_LIMIT_KEY     => 0,
        RATE_LIMIT_WEBHOOKS => 0,
        RATE_LIMIT_PROJECT => 0,
        SPAN_RATE_ENTERPRISE => 0,
        STRIPE_WEBHOOK_SECRET => 'whsec_benchmark',
        %more_env,
    };
}

sub start_ashlar ($socket, $children, $program = $ashlar, $name = 'ashlar') {
    return start(
        name => $name,
        log  => "$tmp/$name.log",
        env  => { %{ ashlar_env() }, $name eq 'ashlar' ? () : (SHM_FILE => "$tmp/shared-$name") },
        cmd  => [ $program, 'api', '--pool', 'main', '--processes', $children, '--socket', $socket ],
    );
}

# The pool for passwords, which runs when nothing else wants the core, as its unit has it.
sub start_hash ($socket) {
    return start(
        name => 'ashlar, pool hash',
        log  => "$tmp/ashlar-hash.log",
        env  => ashlar_env(),
        cmd  => [ 'chrt', '--idle', 0, $ashlar, 'api', '--pool', 'hash', '--socket', $socket ],
    );
}

# The pool for what waits for others; its housekeeper writes what the others have gathered in memory.
sub start_slow ($socket) {
    return start(
        name => 'ashlar, pool slow',
        log  => "$tmp/ashlar-slow.log",
        env  => ashlar_env(),
        cmd  => [ $ashlar, 'api', '--pool', 'slow', '--processes', 1, '--socket', $socket ],
    );
}

# ---- peers ----

sub build_go {
    my %env = (
        GO111MODULE => 'off',                     # Debian's packages, and no network
        GOPATH      => '/usr/share/gocode',
        GOFLAGS     => '',
        GOCACHE     => "$build/go-cache",
    );
    run({ dir => "$bench/peers/go", env => \%env }, 'go', 'build', '-o', "$build/go", '.');
    return;
}

sub build_fastify {
    my ($from, $to) = ("$bench/peers/fastify", "$build/fastify");
    make_path($to);
    my $is_fresh = -d "$to/node_modules" && slurp("$to/package-lock.json") eq slurp("$from/package-lock.json");
    spew("$to/$_", slurp("$from/$_")) for qw(server.js package.json package-lock.json);
    run({ dir => $to }, 'npm', 'ci', '--no-audit', '--no-fund') if !$is_fresh;
    return;
}

# All that have something to build, or those that are named.
sub build_peers (@names) {
    my %build = (go => \&build_go, fastify => \&build_fastify);
    make_path($build);
    $build{$_}->() for grep { wanted($_) } @names ? @names : sort keys %build;
    return;
}

# How the peers' processes are told what to do.
sub peer_env ($mode, $connections) {
    return (
        MODE       => $mode,
        POOL       => $connections,
        JWT_SECRET => $secret,
        STATEMENTS => "$tmp/statements.json",
        PGHOST     => "$tmp",
        PGUSER     => $mode eq 'bare' ? 'bench_bare' : 'ashlar_api',
        PGDATABASE => 'bench',
        PGTZ       => 'UTC',
    );
}

# So many processes of a peer, each with its own socket and its part of the connections.
sub processes ($name, $mode, $count, $command, %env) {
    my (@pids, @sockets);
    for my $i (1 .. $count) {
        my $socket = "$tmp/$name-$mode-$i";
        push @sockets, $socket;
        push @pids, start(
            name => "$name $mode",
            log  => "$tmp/$name-$mode.log",
            env  => { peer_env($mode, $pool / $count), SOCKET => $socket, %env },
            cmd  => $command->($socket),
        );
    }
    return (pids => \@pids, sockets => \@sockets);
}

sub start_fastapi ($mode) {
    my @uvicorn = qw(/usr/bin/python3 -m uvicorn --loop uvloop --http httptools --no-access-log --log-level warning);
    my $command = sub ($socket) { [ @uvicorn, '--app-dir', "$bench/peers/fastapi", '--uds', $socket, 'app:app' ] };
    return processes('fastapi', $mode, $cores, $command, PYTHONDONTWRITEBYTECODE => 1);
}

sub start_fastify ($mode) {
    my $command = sub ($socket) { [ 'node', "$build/fastify/server.js" ] };
    return processes('fastify', $mode, $cores, $command, NODE_ENV => 'production');
}

sub start_go ($mode) {
    return processes('go', $mode, 1, sub ($socket) { ["$build/go"] }, GOMAXPROCS => $cores);
}

# php-fpm takes no environment but FastCGI's: nginx sends what the script needs to know.
sub start_php ($mode) {
    my $user = $is_root ? "user = root\ngroup = root" : '';
    my $conf = spew("$tmp/php-$mode.conf", <<"CONF");
[global]
daemonize = no
error_log = $tmp/php-$mode.log
[www]
$user
listen = $tmp/php-$mode-1
listen.mode = 0666
pm = static
pm.max_children = $pool
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.validate_timestamps] = 0
CONF
    my %env    = peer_env($mode, 1);
    my %params = (
        %env,
        STATEMENTS      => "$tmp/statements.php",
        DSN             => "pgsql:host=$env{PGHOST};dbname=bench;user=$env{PGUSER};options='-c TimeZone=UTC'",
        SCRIPT_FILENAME => "$bench/peers/php/index.php",
        REQUEST_METHOD  => '$request_method',
        REQUEST_URI     => '$request_uri',
        QUERY_STRING    => '$query_string',
    );
    my @fpm = ('php-fpm8.2', '-F', '-y', $conf);
    push @fpm, '-R' if $is_root;
    return (processes('php', $mode, 1, sub ($socket) { \@fpm }), params => \%params);
}

my %start = (fastapi => \&start_fastapi, fastify => \&start_fastify, go => \&start_go, php => \&start_php);

# ---- nginx ----

sub start_nginx ($name, $conf) {
    return start(
        name   => $name,
        log    => "$tmp/$name.log",
        signal => 'QUIT',
        cmd    => [ 'nginx', '-c', $conf, '-e', "$tmp/$name.log", '-g', 'daemon off;' ],
    );
}

# Ashlar's configuration of nginx, limits off; returns the path of its nginx.conf.
sub render_nginx ($name, %more) {
    mkdir "$tmp/$name.run";
    my %env = (
        HTTPS_PORT   => free_port(),
        HTTP_PORT    => free_port(),
        SOCKET_MAIN  => "$tmp/main",
        SOCKET_SLOW  => "$tmp/slow",
        SOCKET_HASH  => "$tmp/hash",
        DOC_ROOT     => "$tmp",
        CERT         => "$tmp/cert.pem",
        CERT_KEY     => "$tmp/key.pem",
        RUN_DIR      => "$tmp/$name.run",
        REAL_IP_FROM => '',
        LIMIT_RATE   => 0,
        NGINX_USER   => $is_root ? 'root' : '',
        %more
    );
    run({ env => \%env }, "$root/nginx/render", "$tmp/$name");
    return "$tmp/$name/nginx.conf";
}

# A peer's server, behind a unix socket on kept connections.  php-fpm gets
# fresh ones: its children serve a kept connection to the exclusion of others.
sub peer_server ($peer, $same) {
    my $upstream = "$peer->{name}_$peer->{mode}";
    my @servers  = map { "server unix:$_;" } @{ $peer->{sockets} };
    my @pass;
    if (my $params = $peer->{params}) {
        @pass = map { "fastcgi_param $_ \"$params->{$_}\";" } sort keys %$params;
        push @pass, "fastcgi_pass $upstream;";
    } else {
        push @servers, 'keepalive 64;';
        @pass = ('proxy_http_version 1.1;', 'proxy_set_header Connection "";', "proxy_pass http://$upstream;");
    }
    local $" = "\n\t\t\t";
    return <<"CONF";
	upstream $upstream {
			@servers
	}
	server {
		listen 127.0.0.1:$peer->{port} ssl http2;
		$same
		location / {
			@pass
		}
	}
CONF
}

# The peers' nginx is Ashlar's: the same nginx.conf, and the same lines for TLS,
# compression, buffers and keep-alive in each server.
sub start_peers_nginx (@peers) {
    my $conf  = slurp(render_nginx('nginx-peers'));
    my @lines = map { split /\n/, slurp("$tmp/nginx-peers/$_") } 'sites-available/ashlar', 'snippets/ashlar-server.conf';
    my @same  = map { /^\s*((?:ssl|gzip|keepalive|client|large_client|send|reset)_?\w* .*;)/ ? $1 : () } @lines;
    my %seen;    # what locations set for themselves comes behind what the server has
    @same = grep { !$seen{ (split ' ')[0] }++ } @same;
    push @same, 'access_log off;';
    push @same, map { ("${_}_buffer_size 32k;", "${_}_buffers 8 32k;") } qw(proxy fastcgi);
    my $servers = join '', map { peer_server($_, join "\n\t\t", @same) } @peers;
    $conf =~ s/^\s*include conf\.d.*$//m             or die "nginx.conf: no conf.d\n";
    $conf =~ s/^\s*include sites-available.*$/$servers/m or die "nginx.conf: no sites-available\n";
    return start_nginx('nginx-peers', spew("$tmp/nginx-peers/nginx.conf", $conf));
}

# ---- all of them ----

sub make_certificate {
    my @key = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', "$tmp/key.pem");
    run('openssl', 'req', '-x509', @key, '-out', "$tmp/cert.pem", '-days', 2, '-subj', '/CN=localhost');
    return;
}

# Ashlar behind its nginx; the pairs are variables of nginx/render.
sub add_ashlar (%render) {
    my $port = free_port();
    push @subjects, {
        name    => 'ashlar',
        mode    => 'guaranteed',
        port    => $port,
        sockets => ["$tmp/main"],
        pids    => [ start_ashlar("$tmp/main", $pool) ],
        nginx   => start_nginx('nginx', render_nginx('nginx', HTTPS_PORT => $port, ASHLAR => $ashlar, %render)),
    };
    return;
}

sub wait_for_subjects {
    for my $subject (@subjects) {
        my $who = "$subject->{name} $subject->{mode}";
        wait_for($who, sub { !grep { !-S } @{ $subject->{sockets} } });
        wait_for("nginx for $who", sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$subject->{port}") });
    }
    return;
}

# Ashlar without any peers.
sub start_alone (%render) {
    make_certificate();
    add_ashlar(%render);
    push @{ $subjects[0]{pids} }, start_hash("$tmp/hash");
    push @{ $subjects[0]{sockets} }, "$tmp/hash";
    wait_for_subjects();
    return;
}

# Several programs of Ashlar, each [name, a word for its files, program], on one database: each behind an nginx of its own.
sub start_side_by_side (@programs) {
    make_certificate() if !-e "$tmp/cert.pem";
    for my $one (@programs) {
        my ($name, $word, $program) = @$one;
        my $port = free_port();
        push @subjects, {
            name    => $name,
            mode    => 'guaranteed',
            port    => $port,
            sockets => ["$tmp/$word-main"],
            pids    => [ start_ashlar("$tmp/$word-main", $pool, $program, $word) ],
            nginx   => start_nginx("nginx-$word", render_nginx("nginx-$word", HTTPS_PORT => $port, ASHLAR => $program, SOCKET_MAIN => "$tmp/$word-main")),
        };
    }
    wait_for_subjects();
    return;
}

# Ashlar and its peers, or of these the ones that are named.
sub start_subjects (@names) {
    make_certificate();
    add_ashlar() if wanted('ashlar');
    my @peers;
    for my $name (grep { wanted($_) } @names ? @names : sort keys %start) {
        push @peers, map { { name => $name, mode => $_, port => free_port(), $start{$name}->($_) } } qw(bare guaranteed);
    }
    if (@peers) {
        my $nginx = start_peers_nginx(@peers);
        $_->{nginx} = $nginx for @peers;
        push @subjects, @peers;
    }
    wait_for_subjects();
    return;
}

1;
