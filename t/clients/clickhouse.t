# The ClickHouse that tests have is one that ClickHouse's own client takes for a server.

use v5.36;
use lib 't/lib';
use Ashlar::ClickHouse;
use Cpanel::JSON::XS ();
use Test::More;

my $store = Ashlar::ClickHouse->start(is_empty => 1);
open my $client, '-|', 'node', 't/clients/clickhouse_client.mjs', $store->port, 'ashlar', $store->password or die "node: $!\n";
my $out = Cpanel::JSON::XS->new->utf8->decode(join '', <$client>);
close $client or die "clickhouse_client.mjs: $?\n";
ok $out->{ping}, 'it is there';
is_deeply $out->{all}, [ { n => 2 } ], 'rows are put in, compressed';
is_deeply $out->{found}, [ { a => 1 } ], 'and found by a parameter';
is $out->{wrong}, 47, 'what is wrong has its number';
is $out->{stranger}, 516, 'who is not known is told so';
done_testing;
