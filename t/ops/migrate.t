# ashlar migrate: forward, once, one at a time, and never over something unexpected.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Process;
use File::Temp ();
use File::Basename 'basename';
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $ASHLAR  = "$Ashlar::Cluster::BUILD/ashlar";
my $tmp     = File::Temp->newdir;
my $TENANT  = '00000000-0000-7000-8000-000000000001';
my (@made, $logs);

# An empty database of its own.
sub database ($owner = 'ashlar') {
    my $name = "migrate_$$" . '_' . @made;
    my $db   = $cluster->connect('postgres');
    $db->do("CREATE DATABASE $name OWNER $owner");
    $db->disconnect;
    push @made, $name;
    return $name;
}

# One that is migrated already, as a copy: to migrate takes 4 s of the CPU, and is looked at where it is what a test is about.
sub migrated () {
    push @made, my $name = $cluster->clone;
    return $name;
}

# Start ashlar with arguments; ->() waits and returns exit status and output.
sub start ($database, $role, @args) {
    my $log = "$tmp/" . ++$logs;
    my $run = Ashlar::Process->start(
        name => 'ashlar',
        cmd  => [ $ASHLAR, @args ],
        log  => $log,
        env  => { DATABASE_OWNER_URL => $cluster->url($database, $role), Ashlar::Cluster::sanitizer_env("$tmp") },
    );
    return sub {
        my $status = $run->wait_for(60) >> 8;
        open my $in, '<', $log or die "$log: $!\n";
        local $/ = undef;
        # Where it writes to is said first.
        return ($status, scalar(<$in>) =~ s/^ashlar: database "[^\n]*\n//mr);
    };
}

sub ashlar ($database, @args) { return start($database, 'ashlar', @args)->() }

my @migrations = map { s{.*/}{}r } sort glob 'sql/migrations/*.sql';
my @functions  = sort { basename($a) cmp basename($b) } glob 'sql/functions/*/*.sql';

subtest 'a new database' => sub {
    my $name = database();
    my ($status, $text) = ashlar($name, 'migrate', '--dry-run');
    is $status, 0, '--dry-run';
    is $text, join('', map { "would apply $_\n" } (map { "sql/migrations/$_" } @migrations), @functions), 'lists everything';
    my $db = $cluster->connect($name);
    is $db->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 0, 'and does nothing';
    ($status, $text) = ashlar($name, 'migrate', '--status');
    is $text, join('', map { sprintf "%-40s pending\n", $_ } @migrations), '--status: all are pending';

    ($status, $text) = ashlar($name, 'migrate');
    is $status, 0, 'migrate' or diag $text;
    is_deeply $db->selectcol_arrayref('SELECT name FROM schema_migrations ORDER BY version'), \@migrations, 'every migration is remembered';
    is_deeply $db->selectcol_arrayref('SELECT name FROM schema_functions ORDER BY name'), [ map { basename($_) } @functions ], 'and every file of functions';
    is_deeply $db->selectall_arrayref('SELECT id, slug, test_of FROM tenants ORDER BY id'),
        [ [ $TENANT, 'default', undef ], [ $TENANT =~ s/1\z/2/r, 'default', $TENANT ] ], 'the default tenant is there, and its test mode';

    ($status, $text) = ashlar($name, 'migrate');
    is "$status$text", '0', 'again: nothing to do';
    ($status, $text) = ashlar($name, 'migrate', '--status');
    like $text, qr/\A(?:\S+ +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\n){@{[ scalar @migrations ]}}\z/, '--status says when';
    $db->disconnect;
};

subtest 'what does not fit is refused before anything is done' => sub {
    my $name = migrated();
    my $db = $cluster->connect($name);
    $db->do(q{UPDATE schema_functions SET checksum = '' WHERE name = 'enter.sql'});
    my $stays = sub ($text) { is $db->selectrow_array(q{SELECT checksum = '' FROM schema_functions WHERE name = 'enter.sql'}), 1, $text };

    $db->do(q{UPDATE schema_migrations SET checksum = sha256('x') WHERE version = 1});
    for my $args (['migrate'], [ 'migrate', '--dry-run' ], [ 'migrate', '--status' ]) {
        my ($status, $text) = ashlar($name, @$args);
        is $status, 1, "@$args: a changed file";
        like $text, qr/0001_core\.sql was changed after it was applied: .*new migration/, 'says so, and what to do';
    }
    $stays->('no function was replaced');

    $db->do(q{DELETE FROM schema_migrations});
    $db->do(q{INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, '9999_future.sql', '')});
    my ($status, $text) = ashlar($name, 'migrate');
    is $status, 1, 'a migration that this binary does not have';
    like $text, qr/9999_future\.sql was applied, but this binary does not have it: the database is newer/, 'says so';
    $stays->('no function was replaced');
    $db->disconnect;
};

subtest 'functions are replaced when their file has changed' => sub {
    my $name = migrated();
    my $db = $cluster->connect($name, 'ashlar');
    $db->do('CREATE OR REPLACE FUNCTION days_since(at timestamptz) RETURNS integer LANGUAGE sql RETURN -1');
    my ($status, $text) = ashlar($name, 'migrate');
    is "$status$text", '0', 'not while the file is the same';
    $db->do(q{UPDATE schema_functions SET checksum = '' WHERE name = 'users.sql'});
    ($status, $text) = ashlar($name, 'migrate');
    is $text, "applying sql/functions/identity/users.sql\n", 'that file and no other';
    is $db->selectrow_array('SELECT days_since(now())'), 0, 'the function is the one of the file';
    $db->disconnect;
};

subtest 'one at a time' => sub {
    my $name = database();
    my @runs = map { start($name, 'ashlar', 'migrate') } 1 .. 4;
    my @done = map { [ $_->() ] } @runs;
    is_deeply [ map { $_->[0] } @done ], [ (0) x 4 ], 'four at once all succeed' or diag map { $_->[1] } @done;
    is scalar(grep { $_->[1] =~ /applying sql\/migrations\/0001/ } @done), 1, 'and one of them does it';
};


subtest 'who may migrate' => sub {
    my ($status, $text) = start(database(), 'postgres', 'migrate')->();
    is $status, 0, 'a superuser' or diag $text;
    my $name = database();
    my $db   = $cluster->connect($name);
    $db->do("CREATE ROLE stranger_$$ LOGIN");
    ($status, $text) = start($name, "stranger_$$", 'migrate')->();
    is $status, 1, 'not just anybody';
    like $text, qr/\Aashlar: sql\/setup\/migrations\.sql:3: .*permission denied for schema public/, 'says what was refused';
    like $text, qr/must own the database and may need CREATEROLE/, 'and who could';
    is $db->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 0, 'nothing was done';
    $db->do("DROP ROLE stranger_$$");
    $db->disconnect;
};

# In what database, and whose: what is wrong is said before anything is done, with what mends it.
subtest 'encoding, letters and roles' => sub {
    my $made = sub ($how) {
        my $name = "migrate_$$" . '_' . @made;
        my $db   = $cluster->connect('postgres');
        $db->do("CREATE DATABASE $name OWNER ashlar TEMPLATE template0 $how");
        $db->disconnect;
        push @made, $name;
        return $name;
    };
    my %unfit = (
        'SQL_ASCII' => [ q{ENCODING 'SQL_ASCII' LOCALE 'C'},                                                 qr/has the encoding SQL_ASCII, and Ashlar needs UTF8/ ],
        'LATIN1'    => [ q{ENCODING 'LATIN1' LOCALE 'C'},                                                    qr/has the encoding LATIN1, and Ashlar needs UTF8/ ],
        'EUC_JP'    => [ q{ENCODING 'EUC_JP' LOCALE 'C'},                                                    qr/has the encoding EUC_JP, and Ashlar needs UTF8/ ],
        'C'         => [ q{ENCODING 'UTF8' LOCALE 'C'},                                                      qr/with the locale C, lower\('I'\) or lower\('É'\) is not/ ],
        'Turkish'   => [ q{ENCODING 'UTF8' LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'},         qr/with the locale tr-TR, lower\('I'\) or lower\('É'\) is not/ ],
    );
    for my $what (sort keys %unfit) {
        my ($how, $says) = @{ $unfit{$what} };
        my $name = $made->($how);
        my ($status, $text) = ashlar($name, 'migrate');
        is $status, 1, "$what: refused";
        like $text, $says, '  with what is wrong';
        my ($words) = $text =~ /Make another one: createdb (.*) NAME/ or diag $text;
        is $words, '--owner=ashlar --template=template0 --encoding=UTF8 --locale=C.UTF-8', '  and what to do';
        my $db = $cluster->connect($name);
        is $db->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 0, '  nothing was done';
        $db->disconnect;
    }
    # Three at once, since databases of one cluster share the role of the api, which each of them makes or finds.
    my @names = (database());
    for my $locale (q{'C.UTF-8'}, q{'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'}) {
        push @names, $made->("ENCODING 'UTF8' LOCALE $locale");
        $cluster->postgis($names[-1]);
    }
    my @runs = map { start($_, 'ashlar', 'migrate') } @names;
    for my $what ('as the cluster is', 'C.UTF-8', 'de-DE') {
        my ($status, $text) = (shift @runs)->();
        is $status, 0, "three databases at once: $what" or diag $text;
    }

    # One that has data already goes on, and is told.
    my $name = $made->($unfit{Turkish}[0]);
    $cluster->postgis($name);
    my $db   = $cluster->connect($name, 'ashlar');
    $db->do('CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())');
    my ($status, $text) = ashlar($name, 'migrate', '--dry-run');
    like $text, qr/warning: .*tr-TR.*ashlar backup.*ashlar restore.*would apply/s, 'a database with data in it';
    $db->disconnect;

    $name = migrated();
    ($status, $text) = start($name, 'postgres', 'migrate')->();
    is $status, 1, 'not as somebody else than before';
    like $text, qr/belong to ashlar, and this connects as postgres: DATABASE_OWNER_URL must connect as ashlar/, '  whose tables others would not be';

    ($status, $text) = start(database('ashlar_api'), 'ashlar_api', 'migrate')->();
    is $status, 1, 'not as the api';
    like $text, qr/past the isolation of tenants: DATABASE_OWNER_URL must connect as another role/, '  which owns nothing';
};

# Which only the superuser can put there.
subtest 'PostGIS' => sub {
    my $db   = $cluster->connect('postgres');
    my $name = "migrate_$$" . '_' . @made;
    $db->do("CREATE DATABASE $name OWNER ashlar TEMPLATE template0");
    push @made, $name;
    my $in = $cluster->connect($name);
    for my $args ([ 'migrate', '--dry-run' ], ['migrate']) {
        my ($status, $text) = ashlar($name, @$args);
        is $status, 1, "@$args: without it";
        like $text, qr/\Aashlar: the database $name has no PostGIS, by which records are found on maps; as the superuser: psql -d $name -c "[^"]+"$/m, '  says so';
    }
    is $in->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 0, 'nothing was done';
    $in->do('CREATE EXTENSION postgis');
    my ($status, $text) = ashlar($name, 'migrate');
    is $status, 1, 'elsewhere';
    my ($mend) = $text =~ /PostGIS is in the schema public of the database $name, .*psql -d $name -c "([^"]+)"$/m or diag $text;
    $in->do('SET client_min_messages = warning');
    $in->do($mend);
    ($status, $text) = ashlar($name, 'migrate');
    is $status, 0, 'what is said mends it' or diag $text;
    $in->do('REVOKE USAGE ON SCHEMA postgis FROM PUBLIC');
    ($status, $text) = ashlar($name, 'migrate');
    is $status, 1, 'nor where its schema is closed';
    ($mend) = $text =~ /psql -d $name -c "([^"]+)"$/m or diag $text;
    $in->do($mend);
    is +(ashlar($name, 'migrate'))[0], 0, '  which the same mends';

    my $own = "migrate_$$" . '_' . @made;
    $db->do("CREATE DATABASE $own TEMPLATE template0");
    push @made, $own;
    ($status, $text) = start($own, 'postgres', 'migrate')->();
    is $status, 0, 'a superuser who migrates puts it there' or diag $text;
    $_->disconnect for $in, $db;
};

subtest 'a failure leaves nothing half done' => sub {
    my $name = database();
    my $db   = $cluster->connect($name, 'ashlar');
    $db->do('CREATE TABLE projects (x int)');    # in the way of the migration
    my ($status, $text) = ashlar($name, 'migrate');
    is $status, 1, 'a table is in the way';
    like $text, qr{ashlar: sql/migrations/0001_core\.sql: ERROR:  relation "projects" already exists}, 'says which file and why';
    is $db->selectrow_array(q{SELECT to_regclass('users')}), undef, 'the tables before it are gone again';
    is $db->selectrow_array('SELECT count(*) FROM schema_migrations'), 0, 'nothing is remembered';
    $db->do('DROP TABLE projects');
    ($status, $text) = ashlar($name, 'migrate');
    is $status, 0, 'and it works once the way is free' or diag $text;
    $db->disconnect;
};

subtest 'how it is called' => sub {
    my $none = sub (@args) { return start('nowhere', 'ashlar', @args)->() };
    is +($none->('migrate'))[0], 1, 'no such database';
    like +($none->('migrate'))[1], qr/\Aashlar: cannot connect to PostgreSQL .*nowhere/, 'says so';
    is +($none->('migrate', '--down'))[0], 2, 'an unknown option';
    is +($none->('migrate', '--dry-run', '--status'))[0], 2, 'two that exclude each other';
    is +($none->('migrate', 'x'))[0], 2, 'an operand';
    my ($status, $text) = $none->('migrate', '--help');
    is $status, 0, '--help';
    like $text, qr/--dry-run.*--status/s, 'names the options';
};

subtest 'seed' => sub {
    my $name = migrated();
    for my $time ('once', 'twice') {
        my ($status, $text) = ashlar($name, 'seed');
        is $status, 0, $time or diag $text;
    }
    my $db = $cluster->connect($name);
    is_deeply $db->selectall_arrayref('SELECT public_id, email, role, project_count FROM users ORDER BY 1'),
        [ [ 'user_admin', 'admin@example.com', 'superadmin', 0 ], [ 'user_demo', 'demo@example.com', 'user', 40 ],
        [ 'user_theo', 'theo@example.com', 'user', 0 ], [ 'user_vera', 'vera@example.com', 'user', 0 ] ], 'the demo users';
    is $db->selectrow_array('SELECT count(*) FROM projects'), 40, 'and projects, once';
    is $db->selectrow_array('SELECT count(*) FROM invitations'), 1, 'and one of everything';
    is $db->selectrow_array('SELECT count(*) FROM realtime_messages'), 0, 'but for what the runtime keeps';
    $db->do(q{UPDATE projects SET deleted_at = now()});
    $db->do(q{UPDATE users SET full_name = 'Changed', project_count = 0});
    ashlar($name, 'seed');
    is_deeply $db->selectall_arrayref('SELECT DISTINCT full_name, project_count FROM users'), [ [ 'Changed', 0 ] ], 'what was changed since stays changed';
    $db->disconnect;
};

my $db = $cluster->connect('postgres');
$db->do("DROP DATABASE $_ WITH (FORCE)") for @made;
$db->disconnect;
done_testing;
