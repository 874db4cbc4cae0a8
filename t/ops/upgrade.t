# From the last release to this tree: its database with data in it is migrated while its own binaries go on, so
# whatever those ask must still be answered.  t/ops/previous names the release.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Previous;
use Ashlar::Process;
use Cpanel::JSON::XS ();
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = Ashlar::Cluster->shared;
my $ASHLAR  = "$Ashlar::Cluster::BUILD/ashlar";
my $tmp     = File::Temp->newdir;
my $name    = "upgrade_$$";
my $A       = '00000000-0000-7000-8000-000000000001';

# Without the last release there is nothing to compare with, and that is no reason to pass.
my $tree = Ashlar::Previous->tree;
if (!$tree) {
    fail 'the last release is there';
    done_testing;
    exit 1;
}

sub slurp ($file) { return Ashlar::Previous::slurp($file) }

# The rows of every table.
# A partition's rows are its table's.
sub rows ($db) {
    my $tables = $db->selectcol_arrayref(
        q{SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace});
    return { map { $_ => scalar $db->selectrow_array("SELECT count(*) FROM $_") } grep { !/^schema_/ } @$tables };
}

# Every function as a caller knows it: kind, name, types of the arguments, and what belongs to them.
sub functions ($db) {
    my $all = $db->selectall_arrayref(<<~'END');
        SELECT prokind::text || ' ' || p.oid::regprocedure, concat_ws(' ', pg_get_function_arguments(p.oid), 'RETURNS', pg_get_function_result(p.oid),
               CASE WHEN has_function_privilege('ashlar_api', p.oid, 'EXECUTE') THEN 'FOR ashlar_api' END)
        FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
        END
    return { map { $_->[0] => $_->[1] } @$all };
}

# The last release's queries, each prepared by the role that runs it and planned, which looks at grants too; what fails.
sub broken ($database) {
    my $list = 'print Cpanel::JSON::XS->new->ascii->encode([map { Ashlar::Queries::statements($_) } values %{ Ashlar::Queries->load(@ARGV) }])';
    open my $in, '-|', 'perl', "-I$tree/t/lib", '-MAshlar::Queries', '-MCpanel::JSON::XS', '-e', $list, glob "$tree/sql/queries/*/*.sql" or die "perl: $!\n";
    my @asked = sort { $a->{name} cmp $b->{name} } @{ Cpanel::JSON::XS->new->decode(join '', <$in>) };
    close $in or die "the last release's queries cannot be read\n";
    my %db  = map { $_ => $cluster->connect($database, $_) } 'ashlar_api', 'ashlar';
    $_->do('SET plan_cache_mode = force_generic_plan') for values %db;    # of no values: else those would be looked at
    my @broken;
    for my $query (@asked) {
        my $db = $db{ $query->{name} =~ /^owner_/ ? 'ashlar' : 'ashlar_api' };
        my $n  = @{ $query->{params} };
        eval {
            $db->do("PREPARE q AS $query->{sql}");
            $db->do('EXPLAIN EXECUTE q' . ($n ? '(' . join(', ', ('NULL') x $n) . ')' : ''));
            1;
        } or push @broken, "$query->{name}: " . $@ =~ s/ at \S+ line.*//sr;
        $db->do('DEALLOCATE ALL');
    }
    $_->disconnect for values %db;
    return (scalar @asked, @broken);
}

sub migrate ($database, $meanwhile = sub ($run, $log) { }) {
    my $log = "$tmp/migrate.log";
    unlink $log;
    my $run = Ashlar::Process->start(
        name => 'migrate',
        cmd  => [ $ASHLAR, 'migrate' ],
        log  => $log,
        env  => { DATABASE_OWNER_URL => $cluster->url($database, 'ashlar'), Ashlar::Cluster::sanitizer_env("$tmp") },
    );
    $meanwhile->($run, $log);
    my $status = $run->wait_for(120);
    # Where it writes to is said first.
    return (defined $status ? $status >> 8 : -1, slurp($log) =~ s/\Aashlar: database "[^\n]*\n//r);
}

my $super = $cluster->connect('postgres');
$super->do("CREATE DATABASE $name OWNER ashlar");
$super->disconnect;
my $owner = $cluster->connect($name, 'ashlar');
Ashlar::Previous->apply($owner);
$super = $cluster->connect($name);
my ($B) = $super->selectrow_array(q{INSERT INTO tenants (slug, name) VALUES ('b', 'B') RETURNING id});
my $sample = "./$tree/t/lib/Ashlar/Sample.pm";    # that release's own
require $sample;
Ashlar::Sample->fill($super, @$_) for [ $A, 'a' ], [ $B, 'b' ];
$super->do($_) for q{RESET app.quiet}, qq{SELECT set_config('app.tenant_id', '$A', false)}, map { slurp($_) } glob "$tree/sql/seed/*.sql";
my $was    = functions($super);
my $before = rows($super);

subtest 'the last release, with data in every table' => sub {
    my ($asked, @broken) = broken($name);
    cmp_ok $asked, '>', 100, 'it asks much';
    is "@broken", '', 'all of which works';
    is join(' ', sort grep { !$before->{$_} } keys %$before), 'job_workers jwks permissions realtime_processes', 'no table is empty but those of no tenant and the one that migrate fills';
};

subtest 'ashlar migrate takes it' => sub {
    # A session reads for long, as a backup does; who comes after must not wait until that one has finished.
    my @readers = map { $cluster->connect($name) } 1, 2;
    $readers[0]->begin_work;
    $readers[0]->do('SELECT FROM users');
    my $waits;
    my ($status, $text) = migrate($name, sub ($run, $log) {
        my $until = time + 60;
        sleep 0.05 until ($waits = -e $log && slurp($log) =~ /a table that it changes is in use; trying again/) || !$run->alive || time > $until;
        $readers[1]->do(q{SET statement_timeout = '20s'});
        ok eval { $readers[1]->do('SELECT FROM users') for 1 .. 5; 1 }, 'readers pass while it waits for a table' or diag $@;
        $readers[0]->rollback;
    });
    $_->disconnect for @readers;
    is $status, 0, 'to this tree' or diag $text;
    ok $waits || !(grep { slurp($_) =~ /ALTER TABLE users/ && !-e "$tree/$_" } glob 'sql/migrations/*.sql'), 'and says why it takes long, where it changes that table';
    my $after = rows($super);
    delete $before->{permissions};
    delete $before->{tenant_counters} if $after->{tenant_counters} > $before->{tenant_counters};    # a migration may count more than was counted
    $before->{audit_events}++ if grep { !-e "$tree/$_" } glob 'sql/migrations/*.sql';    # that it was migrated
    is_deeply { map { $_ => $after->{$_} } keys %$before }, $before, 'with every row that was there';
    ($status, $text) = migrate($name);
    is "$status$text", '0', 'once';
    is_deeply $super->selectcol_arrayref(q{SELECT conname FROM pg_constraint WHERE NOT convalidated}), [], 'every constraint is validated';
};

# Expand, then contract: what is replaced stays for one release beside what replaces it.
subtest 'what the last release calls is there as it was' => sub {
    my $new = $cluster->clone;
    my $db  = $cluster->connect($new);
    my $is  = functions($db);
    # Nobody calls a trigger's function by its name, nor what only those called that are gone; of several of a
    # name, the queries below tell which of them they ask for.
    my $asked = join "\n", @{ $db->selectcol_arrayref(q{SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace}) }, map { slurp($_) } glob "$tree/sql/queries/*/*.sql";
    my %there = map { /^\w+ (\w+)/ => 1 } keys %$is;
    my @gone  = grep { $was->{$_} !~ /RETURNS trigger/ && /^\w+ (\w+)/ && !$there{$1} && $asked =~ /\b$1\s*\(/ } sort keys %$was;
    is join("\n", map { "$_ ($was->{$_})" } @gone), '', 'no function is gone that somebody asks for, also from a database that is new';
    my $texts = q{SELECT string_agg(p.oid::regprocedure || p.prosrc, E'\n' ORDER BY p.oid::regprocedure::text) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND proname ~ '_(?:told|joined|made|changed|gone)$'};
    is $super->selectrow_array($texts), $db->selectrow_array($texts), 'what is announced is the same in both';
    is join("\n", map { "$_: $was->{$_} is now $is->{$_}" } sort grep { exists $is->{$_} && $was->{$_} ne $is->{$_} } keys %$was), '',
        'none takes other names of arguments, gives something else or is for others';
    $db->disconnect;
    my (undef, @broken) = broken($name);
    is join("\n", @broken), '', 'every query of the last release still works on the database that was migrated';
    (undef, @broken) = broken($new);
    is join("\n", @broken), '', 'and on one that is new';
    $cluster->drop($new);
};

# The test can tell.
subtest 'what would break it is found' => sub {
    my %breaks = (
        'a function that is gone' => 'ALTER FUNCTION like_pattern(text) RENAME TO pattern_like',
        'one that is not granted' => 'REVOKE EXECUTE ON FUNCTION purge(integer) FROM ashlar_api',
        'a column that is gone'   => 'ALTER TABLE projects RENAME description TO about',
        'one that is not granted any more' => 'REVOKE UPDATE (name) ON projects FROM ashlar_api',
    );
    for my $what (sort keys %breaks) {
        my $copy = "upgrade_$$" . '_broken';
        my $db   = $cluster->connect('postgres');
        $db->do("CREATE DATABASE $copy TEMPLATE ashlar_template");
        my $in = $cluster->connect($copy);
        $in->do($breaks{$what});
        $in->disconnect;
        my (undef, @broken) = broken($copy);
        ok scalar(@broken), $what;
        $db->do("DROP DATABASE $copy WITH (FORCE)");
        $db->disconnect;
    }
};

$_->disconnect for $owner, $super;
$cluster->drop($name);
done_testing;
