# The private PostgreSQL cluster, and what is in it.
package Bench::Database;

use v5.36;
use Exporter 'import';
use Bench::Env;
use Bench::Proc qw(start run capture wait_for);

our @EXPORT = qw($postgres start_postgres create_database fill_database psql);

our $postgres;    # the postmaster's process id

# Run psql as the superuser; returns its output, without notices (a job's insert has one).
sub psql ($database, @more) {
    my @as = ('-h', "$tmp", '-U', 'postgres', '-d', $database);
    return capture({ env => { PGOPTIONS => '-c client_min_messages=warning' } }, "$pg_bin/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', @as, @more);
}

sub start_postgres {
    my $data  = "$tmp/data";
    my $owner = $> == 0 ? 'postgres' : getpwuid $>;    # PostgreSQL refuses to run as root
    mkdir $data;
    chown((getpwnam $owner)[ 2, 3 ], $data, "$tmp") if $> == 0;
    my @cluster = ('-D', $data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8');
    run({ user => $owner }, "$pg_bin/initdb", @cluster);

    # All else is PostgreSQL's default, fsync included.
    my %set = (
        listen_addresses        => '',
        unix_socket_directories => "$tmp",
        shared_buffers          => '256MB',
        max_connections         => 200,
    );
    $postgres = start(
        name   => 'postgres',
        user   => $owner,
        signal => 'INT',
        log    => "$tmp/postgres.log",
        cmd    => [ "$pg_bin/postgres", '-D', $data, map { ('-c', "$_=$set{$_}") } sort keys %set ],
    );
    wait_for('PostgreSQL', sub { system("$pg_bin/pg_isready", '-q', '-h', "$tmp") == 0 });
    return;
}

# The owner is no superuser, as in production.
sub create_database ($env) {
    psql('postgres', '-c', 'CREATE ROLE ashlar LOGIN CREATEROLE');
    psql('postgres', '-c', 'CREATE DATABASE bench OWNER ashlar');
    psql('bench', map { ('-c', $_) } 'CREATE SCHEMA postgis', 'GRANT USAGE ON SCHEMA postgis TO PUBLIC', 'CREATE EXTENSION postgis SCHEMA postgis');
    run({ env => $env }, $ashlar, 'migrate');
    return;
}

# The bare peers come as a role that row-level security does not touch.
sub fill_database ($env) {
    create_database($env);
    psql('postgres', '-c', 'CREATE ROLE bench_bare LOGIN BYPASSRLS');
    my @set = map { ('-v', $_) } "tenant=$tenant", "users=$users", "each=$each";
    psql('bench', @set, '-f', "$bench/fill.sql");
    return;
}

1;
