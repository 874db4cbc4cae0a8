# All that t/ops/otel_self.t asserts, of spans that are kept in ClickHouse.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::ClickHouse;

our $store = $Ashlar::ClickHouse::STORE = Ashlar::ClickHouse->start;
do './t/ops/otel_self.t' or die $@ || $!;
