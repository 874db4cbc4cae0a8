# ashlar backup and ashlar restore: everything there is, into a cluster that has nothing.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Sample;
use Cwd 'getcwd';
use File::Temp ();
use Time::HiRes 'sleep';

my $ASHLAR = getcwd . "/$Ashlar::Cluster::BUILD/ashlar";
my $A      = '00000000-0000-7000-8000-000000000001';
my $tmp    = File::Temp->newdir('/tmp/ashlar-backup-XXXXXX');
my $t      = Api->start(main => 1, slow => 0);
my $ann    = $t->user('ann');
my $B      = $t->tenant_id('b');
my $bob    = $t->user('bob', tenant => 'b');
my $me     = '/api/v1/app/users/me';
my @names  = ('Ärger & "Quotes"', "tab\tnew\nline \\N \\.", '日本語');

status_is $_->[0]->post('/api/v1/app/projects', { name => $_->[1] }), 201 for map { ([ $ann, $_ ], [ $bob, "of bob: $_" ]) } @names;
{
    my $db = $t->{cluster}->connect($t->{database});
    Ashlar::Sample->fill($db, $_) for $A, $B;
    $db->disconnect;
}

sub slurp ($file) {
    open my $in, '<:raw', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

# Start ashlar on a database; ->{run} is the process, ->{end}() its exit status and what it said.
sub start ($cluster, $database, @args) {
    my $role = ref $args[-1] ? ${ pop @args } : 'ashlar';
    state $n = 0;
    my $log = "$tmp/log." . ++$n;
    my $run = Ashlar::Process->start(
        name => 'ashlar',
        cmd  => [ $ASHLAR, @args ],
        log  => $log,
        env  => { DATABASE_OWNER_URL => $cluster->url($database, $role), Ashlar::Cluster::sanitizer_env("$tmp") },
    );
    return { run => $run, end => sub { my $status = $run->wait_for(120) // -1; ($status >> 8, slurp($log) =~ s/^ashlar: database "[^\n]*\n//mr) } };    # which database it writes to is said first
}

sub ashlar (@args) { return start(@args)->{end}->() }

# Every table as superuser: rows and their contents, all of them and each tenant's.
sub contents ($db) {
    $db->do(q{SET TimeZone = 'UTC'});
    my $tables = $db->selectall_arrayref(<<~'END');
        SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        END
    my %found;
    for (@$tables) {
        my ($table, $of_tenant) = @$_;
        for my $where ('true', $of_tenant ? map { "tenant_id = '$_'" } $A, $B : ()) {
            $found{"$table: $where"} = join ' ',
                $db->selectrow_array("SELECT count(*), coalesce(md5(string_agg(md5(x::text), '' ORDER BY md5(x::text))), '') FROM $table x WHERE $where");
        }
    }
    my $sequences = $db->selectcol_arrayref(q{SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'});
    $found{"sequence $_"} = join ' ', $db->selectrow_array("SELECT last_value, is_called FROM $_") for @$sequences;
    return \%found;
}

# All that is defined there, with its owners and grants, line by line.  Brackets and names that PostgreSQL writes into what
# it has parsed are those of the text that was parsed: of what was dumped once they are others, and mean the same.
sub schema ($cluster, $database) {
    my $dump = "$tmp/schema";
    my $run = Ashlar::Process->start(cmd => [ 'pg_dump', '--schema-only', '-d', $cluster->url($database, 'postgres') ], log => $dump);
    is $run->wait_for(60), 0, 'pg_dump --schema-only' or diag slurp($dump);
    my $text = slurp($dump) =~ s/^\\(?:un)?restrict .*\n//gmr;
    unlink $dump;
    return [ map { s/[()]//gr =~ s/ AS \w+//gr } split /\n/, $text ];
}

my $file = "$tmp/dir/all.dump";
mkdir "$tmp/dir" or die "$tmp/dir: $!\n";
my $before;

subtest 'backup' => sub {
    my ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', $file);
    is $status, 0, 'works' or diag $text;
    my $bytes = -s $file;
    is $text, "$file: the database $t->{database} on $t->{cluster}{dir}, $bytes bytes\n", 'and says of what';
    is sprintf('%o', (stat $file)[2] & oct 7777), '600', 'the file is its owner\'s alone';
    is_deeply [ map { s{.*/}{}r } glob "$tmp/dir/{,.}*.d*" ], ['all.dump'], 'and nothing is beside it';
    $before = contents($t->{cluster}->connect($t->{database}));
    cmp_ok scalar(grep { /tenant_id = '$B'/ && $before->{$_} !~ /^0 / } keys %$before), '>', 30, 'two tenants have much in it';

    my $inode = (stat $file)[1];
    is +(ashlar($t->{cluster}, $t->{database}, 'backup', $file))[0], 0, 'again';
    isnt +(stat $file)[1], $inode, 'replaces the file, and does not write into it';
};

subtest 'whether one is whole' => sub {
    my ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', '--check', $file);
    is "$status$text", "0$file is whole\n", 'the one that was written';
    my $all = slurp($file);
    my %bad = (
        'without its last byte' => substr($all, 0, -1),
        'cut in half'           => substr($all, 0, length($all) / 2),
        'only its head'         => substr($all, 0, 1000),
        'nothing'               => '',
        'a text'                => "SELECT 1;\n",
    );
    my $bad = "$tmp/dir/bad";
    for my $what (sort keys %bad) {
        open my $out, '>:raw', $bad or die "$bad: $!\n";
        print $out $bad{$what};
        close $out or die "$bad: $!\n";
        is system("pg_restore --list '$bad' >$tmp/list 2>&1"), 0, 'pg_restore --list finds nothing amiss' if $what eq 'without its last byte';
        ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', '--check', $bad);
        is $status, 1, $what or diag $text;
        like $text, qr/^ashlar: /m, '  and it says so';
        ok -e $bad && slurp($bad) eq $bad{$what}, '  and leaves it as it is';
    }
    unlink $bad;
    ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', '--check', $bad);
    is $status, 1, 'none';
    like $text, qr{\Aashlar: \Q$bad\E: No such file}, '  is named';
    ok !-e $bad, '  and not made';
    is +(ashlar($t->{cluster}, $t->{database}, 'backup', '--check', @$_))[0], 2, "--check @$_" for [], [ $file, $file ];
};

subtest 'what it does not write over' => sub {
    is +(ashlar($t->{cluster}, $t->{database}, 'backup', @$_))[0], 2, "backup @$_" for [], [''], [ 'a', 'b' ];
    my ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', "$tmp/dir");
    is "$status$text", "1ashlar: $tmp/dir is there, and is no file\n", 'a directory';
    ($status, $text) = ashlar($t->{cluster}, $t->{database}, 'backup', "$tmp/nowhere/x");
    is $status, 1, 'one that is not there';
    like $text, qr{\Aashlar: \Q$tmp\E/nowhere/x: No such file}, 'is named';
    ($status, $text) = ashlar($t->{cluster}, 'postgres', 'backup', "$tmp/dir/x");
    is $status, 1, 'a database of something else';
    like $text, qr/nothing of Ashlar in the database postgres/, 'is named, too';

    my $lock = $t->lock('LOCK TABLE projects IN ACCESS EXCLUSIVE MODE');
    my $old  = slurp($file);
    my $one  = start($t->{cluster}, $t->{database}, 'backup', $file);
    eventually { $t->waiting == 1 } 30, 'pg_dump waits for a table';
    ok glob("$file.??????"), 'what is not whole has another name';
    $one->{run}->signal('TERM');
    my ($end) = $one->{end}->();
    is $end, 143, 'it is stopped';
    is $one->{run}->group, 0, 'and pg_dump with it';
    ok !glob("$file.??????"), 'nothing is left of it';
    ok slurp($file) eq $old, 'and the last backup is as it was';
    $lock->rollback;
    $lock->disconnect;
};

# What is wrong with the obvious ways; when one of them works, ours is not needed.
subtest 'pg_dump as the owner' => sub {
    my $run = sub (@args) {
        my $log    = "$tmp/pg_dump";
        unlink $log;
        my $status = Ashlar::Process->start(cmd => [ 'pg_dump', '--data-only', '--table=users', @args, '-d', $t->{cluster}->url($t->{database}, 'ashlar') ], log => $log)->wait_for(60);
        return ($status, slurp($log));
    };
    my ($status, $text) = $run->();
    isnt $status, 0, 'is refused';
    like $text, qr/row-level security policy/, 'because security binds it';
    ($status, $text) = $run->('--enable-row-security');
    is $status, 0, 'with --enable-row-security it succeeds';
    unlike $text, qr/example\.com/, 'and has nobody in it';
    ($status, $text) = $run->('--role=ashlar_backup');
    is $status, 0, 'as ashlar_backup';
    like $text, qr/ann\@example\.com.*bob\@example\.com/s, 'it has the users of all tenants';
};

my $empty = Ashlar::Cluster->start;
my $super = $empty->connect('postgres');

subtest 'without its role' => sub {
    $super->do($_) for 'DROP ROLE ashlar_backup', 'CREATE DATABASE first OWNER ashlar';
    my ($status, $text) = ashlar($empty, 'first', 'migrate');
    is $status, 0, 'ashlar migrate works' or diag $text;
    my ($line) = $text =~ /^ashlar: backups read as the role ashlar_backup, which is not there; as the superuser: psql -c "(CREATE ROLE [^"]*)"$/m;
    ok $line, 'and says what backups need' or diag $text;
    for my $command ('backup', 'restore') {
        my ($end, $said) = ashlar($empty, 'first', $command, $file);
        is $end, 1, "ashlar $command refuses";
        like $said, qr/"\Q$line\E"/, 'and says the same';
    }
    $super->do('CREATE ROLE ashlar_backup LOGIN');
    ($status, $text) = ashlar($empty, 'first', 'backup', "$tmp/dir/first");
    is $status, 1, 'one that may not do it';
    my ($mend) = $text =~ /which is not what they need; as the superuser: psql -c "([^"]*)"/ or diag $text;
    $super->do($mend);
    is +(ashlar($empty, 'first', 'backup', "$tmp/dir/first"))[0], 0, 'what is said mends it';
    $super->do($_) for 'DROP ROLE ashlar_backup', $line;
    is +(ashlar($empty, 'first', 'backup', "$tmp/dir/first"))[0], 0, 'and so it does where there is none';

    $super->do('CREATE ROLE other LOGIN IN ROLE ashlar_backup');
    ($status, $text) = ashlar($empty, 'first', 'migrate');
    like $text, qr/warning: other may read every tenant.*"REVOKE ashlar_backup FROM other"/, 'it is the owner\'s alone';
    $super->do('DROP ROLE other');
};

subtest 'restore wants an empty database' => sub {
    my $first = $empty->connect('first');
    my $was   = contents($first);
    my ($status, $text) = ashlar($empty, 'first', 'restore', $file);
    is $status, 1, 'this one is not';
    like $text, qr/\Aashlar: the database first on \S+ is not empty, and nothing was changed; there are, by table:\n(?:  [1-9]\d* \w+\n)+ashlar: and \d+ empty tables and \d{3,} functions\..*createdb --owner=ashlar/s, 'and it says what it is';
    like $text, qr/^  2 tenants$/m, 'with numbers of rows, as they are';
    is_deeply contents($first), $was, 'nothing happened to it';
    $super->do('CREATE DATABASE second OWNER ashlar');
    my $second = $empty->connect('second', 'ashlar');
    $second->do($_) for 'CREATE SCHEMA other', 'CREATE FUNCTION other.f() RETURNS integer LANGUAGE sql RETURN 1';
    is +(ashlar($empty, 'second', 'restore', $file))[0], 1, 'nor is one with a function alone, in whatever schema';
    $second->do('DROP SCHEMA other CASCADE');

    open my $out, '>', "$tmp/dir/text" or die $!;
    print {$out} 'text' or die $!;
    close $out or die $!;
    ($status, $text) = ashlar($empty, 'second', 'restore', "$tmp/dir/text");
    is $status, 1, 'a file that is none';
    ($status, $text) = ashlar($empty, 'second', 'restore', "$tmp/dir/none");
    like $text, qr{\Aashlar: \Q$tmp\E/dir/none: No such file}, 'or is not there';
    open $out, '>:raw', "$tmp/dir/half" or die $!;
    print {$out} substr slurp($file), 0, (-s $file) - 5000 or die $!;
    close $out or die $!;
    ($status, $text) = ashlar($empty, 'second', 'restore', "$tmp/dir/half");
    is $status, 1, 'half a file';
    like $text, qr/pg_restore failed, and the database is as it was/, 'fails';
    is $second->selectrow_array(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 0, 'and leaves nothing';
    ($status, $text) = ashlar($empty, 'second', 'restore', $file, \'postgres');
    is $status, 1, 'as somebody else';
    like $text, qr/belong to ashlar, and this connects as postgres: DATABASE_OWNER_URL must connect as ashlar/, 'it is refused';
    $_->disconnect for $first, $second;
};

subtest 'into an empty cluster' => sub {
    $super->do($_) for 'DROP DATABASE first', 'DROP DATABASE second', 'DROP ROLE ashlar_api', 'CREATE DATABASE ashlar_template OWNER ashlar';
    ok !$super->selectrow_array(q{SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'ashlar'}), 'by an owner who is no superuser';
    my ($status, $text) = ashlar($empty, 'ashlar_template', 'restore', $file);
    is $status, 0, 'restore' or diag $text;
    is $text, "$file is in the database ashlar_template on $empty->{dir}; next: ashlar migrate\n", 'and it says where to';
    my $db = $empty->connect('ashlar_template');
    is_deeply contents($db), $before, 'every row of every table of both tenants is there, and every sequence is where it was';
    cmp_ok $db->selectrow_array(q{SELECT reltuples FROM pg_class WHERE oid = 'projects'::regclass}), '>', 0, 'the planner knows of them';
    $db->disconnect;
    is_deeply schema($empty, 'ashlar_template'), schema($t->{cluster}, $t->{database}), 'every table, function, policy and grant is the same';
    is_deeply [ ashlar($empty, 'ashlar_template', 'migrate') ], [ 0, '' ], 'there is nothing to migrate';
    is +(ashlar($empty, 'ashlar_template', 'audit', 'verify'))[0], 0, 'the audit log is unbroken';
    is +(ashlar($empty, 'ashlar_template', 'restore', $file))[0], 1, 'a second time is refused';

    my $two = Api->start(main => 1, slow => 0, cluster => $empty);
    my $as  = sub ($who) { $two->client(token => $who->token) };
    json_is $as->($ann)->get($me), '/email', 'ann@example.com', 'who was signed in still is';
    for ([ $ann, '' ], [ $bob, 'of bob: ' ]) {
        my ($who, $prefix) = @$_;
        my $list = $as->($who)->get('/api/v1/app/projects?limit=100')->json('/items');
        is_deeply [ sort map { $_->{name} } @$list ], [ sort map { "$prefix$_" } @names ], 'with the projects of ' . $who->id . ', and no others';
    }
    status_is $as->($ann)->post('/api/v1/app/projects', { name => 'after' }), 201, 'and goes on';
    json_is $as->($ann)->get('/api/v1/app/projects'), '/total', 4;
};

$super->disconnect;
is_deeply [ glob "$tmp/*san.*" ], [], 'no report of a sanitizer';
