package Ashlar::ClickHouse;

# A ClickHouse of today (t/clients/clickhouse_server.mjs), with a database and its tables.
#
#     my $store = Ashlar::ClickHouse->start;
#     my $t = Api->start($store->settings, …);
#     $store->query('SELECT count() FROM spans');          # rows of values
#     $store->fails(hang => match => 'INSERT INTO spans', times => 1);  $store->fails;
#     $store->asked;                                       # what it was asked since then, a line each
#
# Where a test file is to run once more with it, it is in $Ashlar::ClickHouse::STORE before that is read: spans then come by HTTP
# (Ashlar::Spans::ingest), and what only PostgreSQL has is left out.

use v5.36;
use Ashlar::Http;
use IPC::Open2 'open2';

our $STORE;
my $PASSWORD = 'the password of clickhouse';

# is_empty: without them, as before ashlar migrate
sub start ($class, %arg) {
    my $pid = open2(my $out, my $in, 'node', 't/clients/clickhouse_server.mjs', 'ashlar', $PASSWORD);
    chomp(my $port = <$out> // die "clickhouse_server.mjs does not start\n");
    my $self = bless { pid => $pid, in => $in, port => $port, owner => $$ }, $class;
    return $self if $arg{is_empty};
    $self->query('CREATE DATABASE ashlar', database => '');
    open my $file, '<', 'sql/clickhouse/schema.sql' or die "sql/clickhouse/schema.sql: $!\n";
    local $/ = undef;
    $self->query($_) for grep { /\S/ } map { s/^--.*//mgr } split /^-- name: \w+$/m, <$file>;
    return $self;
}

# As long as a machine may be busy with something else; the engine does one thing after another.
sub settings ($self) {
    return (CLICKHOUSE_URL => "http://127.0.0.1:$self->{port}", CLICKHOUSE_USER => 'ashlar', CLICKHOUSE_PASSWORD => $PASSWORD, CLICKHOUSE_TIMEOUT_MS => 50_000,
            SPAN_RATE_FREE => 0, slow => 4, SLOW_PER_TENANT => 4, SLOW_PER_CALLER => 4);
}

sub password ($self) { return $PASSWORD }
sub port ($self) { return $self->{port} }

sub _post ($self, $path, $body = '') {
    my $http = Ashlar::Http->new(port => $self->{port});
    return $http->request(POST => $path, body => $body, headers => [ 'X-ClickHouse-User' => 'ashlar', 'X-ClickHouse-Key' => $PASSWORD ]);
}

sub query ($self, $sql, %arg) {
    my $res = $self->_post('/?database=' . ($arg{database} // 'ashlar') . '&default_format=TabSeparated&do_not_merge_across_partitions_select_final=0', $sql);
    $res->status == 200 or die $res->body;
    return map { [ split /\t/, $_, -1 ] } split /\n/, $res->body;
}

sub fails ($self, $how = '', %arg) { $self->_post('/stub?' . join '&', "fail=$how", map { "$_=" . $arg{$_} =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger } sort keys %arg); return }
sub asked ($self) { return split /\n/, $self->_post('/stub')->body }

sub DESTROY ($self) {
    return if $self->{owner} != $$;
    local ($?, $!);
    close $self->{in};
    waitpid $self->{pid}, 0;
    return;
}

1;
