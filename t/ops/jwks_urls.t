# Which of the key sets that tenants name are fetched, and when.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Queries;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $super   = $cluster->connect($name);
my $api     = $cluster->connect($name, 'ashlar_api');
my $sql     = Ashlar::Queries->load;
my $url     = 'https://theirs.example/keys';

# The one row, with its times as so many seconds ago.
sub row (%column) {
    my %all = (issuer => "url:$url", url => $url, wanted_at => 0, %column);
    my @names = sort keys %all;
    $super->do('DELETE FROM jwks');
    $super->do('INSERT INTO jwks (' . join(', ', @names) . ') VALUES (' . join(', ', map { /_at$/ ? q{now() - ? * interval '1 second'} : '?' } @names) . ')',
        undef, @all{@names});
    return;
}

sub is_due ($name, %column) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    row(%column);
    my @due = $sql->run($api, jwks_url_due => refresh_s => 3600);
    return is_deeply [ map { $_->{url} } @due ], [$url], "due: $name";
}

sub isnt_due ($name, %column) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    row(%column);
    return is_deeply [ $sql->run($api, jwks_url_due => refresh_s => 3600) ], [], "not due: $name";
}

subtest 'what is wanted is fetched, and again when it is old' => sub {
    is_due('never tried');
    is_due('an hour old',             fetched_at => 3601, tried_at => 3601);
    isnt_due('not quite',             fetched_at => 3590, tried_at => 3590);
    isnt_due('wanted a day ago',      fetched_at => 9000, tried_at => 9000, wanted_at => 86_401);
    isnt_due('a configured issuer\'s', issuer => 'https://clerk.example', wanted_at => undef);
};

subtest 'a question makes it due' => sub {
    is_due('asked for since',           fetched_at => 20, tried_at => 20, asked_at => 10);
    isnt_due('asked for and answered',  fetched_at => 5,  tried_at => 5,  asked_at => 10);
};

subtest 'after failures it waits, twice as long each time, whoever asks' => sub {
    isnt_due('after one, 19 s',          tried_at => 19,   failures => 1);
    isnt_due('though asked for',         tried_at => 19,   failures => 1, asked_at => 1);
    is_due('after 21 s',                 tried_at => 21,   failures => 1);
    isnt_due('after three, 79 s',        tried_at => 79,   failures => 3);
    is_due('after 81 s',                 tried_at => 81,   failures => 3);
    isnt_due('after a thousand, 3590 s', tried_at => 3590, failures => 1000, asked_at => 1);
    is_due('after an hour',              tried_at => 3601, failures => 1000);
    row(tried_at => 30, failures => 999);
    $sql->run($api, jwks_failed => issuer => "url:$url", url => $url, failure => 'status 500') for 1 .. 3;
    is scalar $super->selectrow_array('SELECT failures FROM jwks'), 1000, 'failures are counted, to a bound';
    $sql->run($api, jwks_store => issuer => "url:$url", url => $url, keys => '{"keys":[]}');
    is scalar $super->selectrow_array('SELECT failures FROM jwks'), 0, 'until one works';
};

sub asked () { return scalar $sql->run($api, jwks_url_ask => url => $url) ? 1 : 0 }

subtest 'one question a minute' => sub {
    $super->do('DELETE FROM jwks');
    is asked(), 1, 'the first one, about a URL that is new';
    is asked(), 0, 'not the next';
    $sql->run($api, jwks_store => issuer => "url:$url", url => $url, keys => '{"keys":[]}');
    is asked(), 1, 'but when the first set is there, about the next key';
    $sql->run($api, jwks_store => issuer => "url:$url", url => $url, keys => '{"keys":[]}');
    is asked(), 0, 'and no more than that';
    row(fetched_at => 90, tried_at => 90, asked_at => 61);
    is asked(), 1, 'until the minute is over';
};

subtest 'who reads it wants it, and what nobody wants goes' => sub {
    row(fetched_at => 9000, tried_at => 9000, wanted_at => 80_000);
    is_deeply [ map { $_->{keys} } $sql->run($api, jwks_url_get => url => $url) ], ['{"keys": []}'], 'it is read';
    is scalar $super->selectrow_array(q{SELECT wanted_at > now() - interval '1 minute' FROM jwks}), 1, 'and wanted';
    $sql->run($api, jwks_url_get => url => "$url/other");
    row(fetched_at => 9000, wanted_at => 86_400 * 7 + 60);
    $super->do(q{INSERT INTO jwks (issuer, url) VALUES ('https://clerk.example', 'https://clerk.example/keys')});
    $sql->run($api, 'jwks_url_purge');
    is_deeply $super->selectcol_arrayref('SELECT issuer FROM jwks'), ['https://clerk.example'], 'after a week; a configured issuer\'s stays';
};

done_testing;
