use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Contract;

contract 'observability';
