# A trace as it is drawn: who may see it, and where each span stands.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Spans;

my $t   = Ashlar::Spans::start();
my $ann = $t->user('ann');
my $org = $t->organization($ann);
my $in  = $t->{cluster}->connect($t->{database}, 'ashlar_api');
$_->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $ann->tenant_id) for $in, $t->db;
my $project = Ashlar::Spans::project($t->db, $org);
my $n = 0;

sub hex_id ($n) { return Ashlar::Spans::trace_id($n) =~ tr/-//dr }
sub drawn (@spans) {
    Ashlar::Spans::ingest($in, $project, map { { trace => $n + 1, %$_ } } @spans);
    return $ann->get('/api/v4/traces/waterfall/' . hex_id(++$n) . "?project_id=$project");
}
# "span depth offset+duration", a * on what had to be waited for; in milliseconds.
sub bars ($res) { return join ', ', map { hex($_->{span_id}) . " $_->{depth} " . $_->{offset_ns} / 1e6 . '+' . $_->{duration_ns} / 1e6 . ($_->{is_critical} ? '*' : '') } @{ $res->json('/spans') } }

subtest 'who may see it' => sub {
    drawn({ span => 1 });
    my $path = '/api/v4/traces/waterfall/' . hex_id(1) . "?project_id=$project";
    error_is $t->get($path), 401, 'AUTHENTICATION_ERROR', name => 'not without a token';
    error_is $t->user('stranger')->get($path), 404, 'NOT_FOUND', name => 'nor who is no member';
    error_is $t->user('theirs', tenant => 'other')->get($path), 404, 'NOT_FOUND', name => 'nor another tenant\'s';
    error_is $ann->get($path =~ s/\?.*//r), 422, 'VALIDATION_ERROR', field => 'project_id';
    error_is $ann->get($path =~ s/5ca1ab1e/5ca1ab1f/r), 404, 'NOT_FOUND', name => 'one that is not there';
    error_is $ann->get($path =~ s/5ca1ab1e/x/r), 404, 'NOT_FOUND', name => 'what is no id';
};

subtest 'spans stand under their parents' => sub {
    my $res = drawn(
        { span => 1, at => 1, ms => 1000, name => 'root', status => 1 }, { span => 2, parent => 1, at => 1.1, ms => 300, name => 'a' }, { span => 3, parent => 2, at => 1.2, ms => 100, status => 2 },
        { span => 4, parent => 1, at => 1.15, ms => 200 }, { span => 5, parent => 1, at => 1.5, ms => 500 });
    is bars($res), '1 0 0+1000*, 2 1 100+300*, 3 2 200+100*, 4 1 150+200, 5 1 500+500*', 'each before its children, those in time';
    my $spans = $res->json('/spans');
    is_deeply [ @{ $spans->[0] }{qw(span_name service_name status_code parent_span_id child_count left width)} ], [ 'root', 'shop', 'OK', undef, 3, 0, 1 ], 'what it is';
    is_deeply [ @{ $spans->[4] }{qw(left width self_ns)} ], [ 0.5, 0.5, 500_000_000 ], 'where its bar is';
    is $spans->[0]{self_ns}, 200_000_000, 'the time in which no child ran: overlapping ones count once';
    is $spans->[1]{self_ns}, 200_000_000;
    is_deeply [ @{ $res->json('') }{qw(start_ns duration_ns span_count trace_id)} ], [ ($Ashlar::Spans::EPOCH + 1) * 1_000_000_000, 1_000_000_000, 5, hex_id($n) ];
};

subtest 'what is odd' => sub {
    is bars(drawn({ span => 2, parent => 1, at => 1, ms => 10 }, { span => 3, parent => 2, at => 1, ms => 5 })), '2 0 0+10*, 3 1 0+5*', 'a parent that is not there';
    is bars(drawn({ span => 1, at => 1, ms => 10 }, { span => 2, at => 2, ms => 10 })), '1 0 0+10, 2 0 1000+10*', 'two roots: the one that ends last was waited for';
    is bars(drawn({ span => 1, parent => 2, at => 1, ms => 10 }, { span => 2, parent => 1, at => 1.001, ms => 10 }, { span => 3, parent => 2, at => 1.002, ms => 1 })), '1 0 0+10, 2 0 1+10*, 3 1 2+1*', 'each the other\'s parent';
    is bars(drawn({ span => 1, parent => 1, at => 1, ms => 10 })), '1 0 0+10*', 'its own parent';
    is bars(drawn({ span => 1, at => 1, ms => 0 })), '1 0 0+0*', 'of no time';
    is bars(drawn({ span => 1, at => 1, ms => 10 }, { span => 2, parent => 1, at => 1.005, ms => 100 })), '1 0 0+10, 2 1 5+100' =~ s/10,/10*,/r . '*', 'a child that outlives its parent';
    my $deep = drawn(map { { span => $_, parent => $_ > 1 ? $_ - 1 : undef, at => 1 + $_ / 1000, ms => 3000 - $_ } } 1 .. 2000);
    is $deep->json('/spans/1999/depth'), 1999, 'as deep as it is';
    my $wide = drawn(map { { span => $_, parent => $_ > 1 ? 1 : undef, at => 1 + $_ / 1000, ms => $_ > 1 ? 1 : 4000 } } 1 .. 3000);
    is scalar(grep { $_->{is_critical} } @{ $wide->json('/spans') }), 3000, 'and as wide';
};
