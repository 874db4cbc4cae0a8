# All that t/api/traces/export.t asserts, of spans in ClickHouse.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::ClickHouse;

$Ashlar::ClickHouse::STORE = Ashlar::ClickHouse->start;
do './t/api/traces/export.t' or die $@ || $!;
