package Ashlar::Cluster;

# A private PostgreSQL cluster: unix socket only, durable nowhere, gone with
# the process that started it.  tools/check starts one for all files and
# announces it in ASHLAR_TEST_CLUSTER; a file that runs alone starts its own.

use v5.36;
use Ashlar::Process;
use DBI;
use Fcntl ':flock';
use File::Path 'remove_tree';
use File::Temp ();
use Time::HiRes qw(sleep time);

my %live;    # by directory; what this process started

our $BUILD = $ENV{SAN} ? 'build/asan' : $ENV{COV} ? 'build/cov' : 'build';

# What every process needs that the sanitizers are compiled into.  Reports go
# to files, where the end of each test looks for them.
sub sanitizer_env ($dir) {
    return if !$ENV{SAN};
    return (
        ASAN_OPTIONS  => "abort_on_error=0:exitcode=99:detect_stack_use_after_return=1:log_path=$dir/asan" . ($ENV{ASHLAR_TEST_ASAN} // ''),
        LSAN_OPTIONS  => 'report_objects=1',
        UBSAN_OPTIONS => "print_stacktrace=1:halt_on_error=1:log_path=$dir/ubsan",
    );
}

# The cluster that the environment announces, else a new one.
sub shared ($class) {
    state $one;
    $one //= $ENV{ASHLAR_TEST_CLUSTER} ? bless({ dir => $ENV{ASHLAR_TEST_CLUSTER} }, $class) : $class->start->template;
    return $one;
}

# In memory where that has room: a database is 700 files, which take ext4 0.3 s of the CPU and tmpfs 0.04 s.
sub place ($class) {
    return $ENV{ASHLAR_TEST_CLUSTER} =~ s{/[^/]+\z}{}r if $ENV{ASHLAR_TEST_CLUSTER};
    state $place = do {
        my ($kib) = -w '/dev/shm' ? qx(df -Pk /dev/shm) =~ /^\S+\s+\d+\s+\d+\s+(\d+)\s+\d+%/m : 0;
        ($kib // 0) > 2 << 20 ? '/dev/shm' : '/tmp';
    };
    return $place;
}

# What a run that was killed has left there: nobody holds its lock any more.
sub _sweep ($class) {
    for my $file (glob($class->place . '/ashlar-pg-*/lock')) {
        open my $lock, '<', $file or next;
        remove_tree($file =~ s{/lock\z}{}r, { safe => 1, error => \my $ignored }) if flock $lock, LOCK_EX | LOCK_NB;
    }
    return;
}

sub start ($class) {
    $class->_sweep;
    my $tmp  = File::Temp->newdir($class->place . '/ashlar-pg-XXXXXX');
    my $self = bless { tmp => $tmp, dir => "$tmp", bin => _bin(), owner => $$ }, $class;
    open $self->{lock}, '>', "$tmp/lock" or die "$tmp/lock: $!\n";
    flock $self->{lock}, LOCK_EX or die "$tmp/lock: $!\n";

    # postgres refuses to run as root
    $self->{user} = $> == 0 ? (getpwnam('postgres') ? 'postgres' : 'nobody') : undef;
    chown +(getpwnam $self->{user})[2, 3], $self->{dir} if $self->{user};

    $self->_run("$self->{bin}/initdb", '-D', "$self->{dir}/data",
        qw(--username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8));
    open my $conf, '>>', "$self->{dir}/data/postgresql.conf" or die "postgresql.conf: $!\n";
    print $conf <<~"END";
        listen_addresses = ''
        unix_socket_directories = '$self->{dir}'
        max_connections = 500
        shared_buffers = 128MB
        fsync = off
        synchronous_commit = off
        full_page_writes = off
        wal_level = minimal
        max_wal_senders = 0
        max_wal_size = 256MB
        autovacuum = off
        jit = off
        log_line_prefix = '%m [%p] %d '
        END
    close $conf or die "postgresql.conf: $!\n";
    $self->up;
    my $db = $self->connect('postgres');
    $db->do($_) for 'CREATE ROLE ashlar LOGIN CREATEROLE', 'CREATE ROLE ashlar_backup NOLOGIN BYPASSRLS IN ROLE pg_read_all_data ROLE ashlar';
    $db->disconnect;
    $self->postgis('template1');    # so that each database that a test makes has it, but for those made of template0
    return $self;
}

# What the superuser puts into a database, as systemd/README.md says.
sub postgis ($self, $name) {
    my $db = $self->connect($name);
    $db->do($_) for 'CREATE SCHEMA postgis', 'GRANT USAGE ON SCHEMA postgis TO PUBLIC', 'CREATE EXTENSION postgis SCHEMA postgis';
    $db->disconnect;
    return;
}

# Start the server and wait until it answers; it may take a moment after a crash.
sub up ($self) {
    $self->{server} = Ashlar::Process->start(
        name => 'postgres',
        cmd  => ["$self->{bin}/postgres", '-D', "$self->{dir}/data"],
        log  => "$self->{dir}/log",
        user => $self->{user},
        dir  => $self->{dir},
    );
    $live{ $self->{dir} } = $self;
    my $until = time + 60;
    until (eval { $self->connect('postgres')->disconnect; 1 }) {
        die "PostgreSQL does not start:\n", $self->log_text, "\n" if time > $until || !$self->{server}->alive;
        sleep 0.05;
    }
    return $self;
}

# Stop it: 'INT' disconnects everyone (fast), 'QUIT' is a crash (immediate).
sub down ($self, $signal = 'INT') {
    $self->{server}->stop($signal, 30);
    delete $live{ $self->{dir} };
    return $self;
}

# Make the migrated database that the tests clone.
sub template ($self) {
    my $db = $self->connect('postgres');
    $db->do('CREATE DATABASE ashlar_template OWNER ashlar');
    $db->disconnect;
    my $log = "$self->{dir}/migrate.log";
    my $run = Ashlar::Process->start(
        name => 'migrate',
        cmd  => ["$BUILD/ashlar", 'migrate'],
        log  => $log,
        env  => {
            DATABASE_URL       => $self->url('ashlar_template', 'ashlar'),
            DATABASE_OWNER_URL => $self->url('ashlar_template', 'ashlar'),
            sanitizer_env($self->{dir}),
        },
    );
    if (($run->wait_for(60) // -1) != 0) {
        open my $in, '<', $log or die "$log: $!\n";
        die "$BUILD/ashlar migrate failed:\n", <$in>, "\n";
    }
    return $self;
}

# A fresh copy of the template, file by file: where nothing is durable, a checkpoint costs less than the log of every page.
sub clone ($self) {
    state $n = 0;
    my $name = "test_$$" . '_' . ++$n;
    my $db   = $self->connect('postgres');
    $db->do("CREATE DATABASE $name TEMPLATE ashlar_template OWNER ashlar STRATEGY file_copy");
    $db->disconnect;
    return $name;
}

sub drop ($self, $name) {
    my $db = $self->connect('postgres');
    $db->do("DROP DATABASE $name WITH (FORCE)");
    $db->disconnect;
    return;
}

sub dir ($self) { return $self->{dir} }

sub url ($self, $database, $role) {
    return "postgresql:///$database?host=$self->{dir}&user=$role";
}

# A handle as superuser, past all row-level security.
sub connect ($self, $database, $role = 'postgres') {    ## no critic (ProhibitBuiltinHomonyms)
    my $dbh = DBI->connect("dbi:Pg:dbname=$database;host=$self->{dir};user=$role", undef, undef,
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 1, pg_server_prepare => 0 });
    $dbh->{AutoInactiveDestroy} = 1;
    $dbh->do('SET client_min_messages = warning');
    return $dbh;
}

sub log_text ($self) {
    open my $in, '<', "$self->{dir}/log" or return '';
    local $/ = undef;
    return scalar <$in>;
}

sub _bin () {
    my ($newest) = sort { $b <=> $a } map { m{/(\d+)/bin/} ? $1 : () } glob '/usr/lib/postgresql/*/bin/postgres';
    return $newest ? "/usr/lib/postgresql/$newest/bin" : die "PostgreSQL is not installed: make deps\n";
}

sub _run ($self, @cmd) {
    my $log = "$self->{dir}/init.log";
    my $run = Ashlar::Process->start(cmd => \@cmd, log => $log, user => $self->{user}, dir => '/');
    my $bad = ($run->wait_for(60) // -1) != 0;
    if ($bad) {
        open my $in, '<', $log or die "$log: $!\n";
        warn <$in>;
    }
    unlink $log;
    die "$cmd[0] failed\n" if $bad;
    return;
}

# Stopped, not killed: a killed server leaves its System V segment behind.
END {
    my $status = $?;
    $_->down('QUIT') for grep { $_->{owner} == $$ } values %live;
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

1;
