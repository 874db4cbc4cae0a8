package Ashlar::Spans;

# Spans as trace_ingest() takes them, for tests that put them into PostgreSQL themselves.
#
#     my ($taken, $duplicates) = Ashlar::Spans::ingest($db, $project, { trace => 1, span => 1, at => 0, ms => 20 }, …);
#
# Of a span: trace (a number, or a uuid), span, parent, at (seconds behind $EPOCH, or start_ns), ms (or duration_ns), name, status,
# service, attributes, resource, events, links, model, tokens ([prompt, completion, cache read, reasoning, total]), costs ([prompt,
# completion, total] in ten-millionths of a dollar), tags, session, flags, kind; but for trace and span each has a default.

use v5.36;
use Cpanel::JSON::XS ();
use Time::Local 'timegm';

my $json = Cpanel::JSON::XS->new->canonical;

# A midnight ten days ago, in seconds: as far from now as a test can be that asks for the last days.
our $EPOCH = (int(time / 86400) - 10) * 86400;

sub trace_id ($n) { return $n =~ /-/ ? $n : sprintf '%08x-0000-4000-8000-%012x', 0x5ca1ab1e, $n }

sub start_ns ($s) { return $s->{start_ns} // ($EPOCH * 1_000_000_000 + sprintf('%.0f', 1000 * ($s->{at} // 0)) * 1_000_000) }

# The statement, and its values for these spans.
sub call ($project, @spans) {
    my (%place, @resources);
    my $each = sub ($code) { [ map { $code->($_) } @spans ] };
    my $text = sub ($value) { defined $value ? $json->encode($value) : undef };
    my @values = (
        $project,
        $each->(sub ($s) { trace_id($s->{trace}) }),
        $each->(sub ($s) { $s->{span} }),
        $each->(sub ($s) { $s->{parent} }),
        $each->(sub ($s) { $s->{name} // 'work' }),
        $each->(sub ($s) { $s->{kind} // 1 }),
        $each->(sub ($s) { $s->{service} // 'shop' }),
        $each->(sub ($s) { $s->{scope} // 'tests' }),
        $each->(sub ($s) { undef }),
        $each->(sub ($s) { $s->{trace_state} }),
        $each->(sub ($s) { start_ns($s) }),
        $each->(sub ($s) { $s->{duration_ns} // sprintf('%.0f', 1_000_000 * ($s->{ms} // 10)) }),
        $each->(sub ($s) { $s->{status} // 0 }),
        $each->(sub ($s) { $s->{message} }),
        $each->(sub ($s) { $text->($s->{attributes} // {}) }),
        $each->(sub ($s) {
            my $r = $text->($s->{resource} // { 'service.name' => $s->{service} // 'shop' });
            $place{$r} //= push @resources, $r;
            $place{$r};
        }),
        \@resources,
        $each->(sub ($s) { $text->($s->{events}) }),
        $each->(sub ($s) { $text->($s->{links}) }),
        $each->(sub ($s) { $s->{model} }),
        (map { my $i = $_; $each->(sub ($s) { $s->{tokens} && $s->{tokens}[$i] }) } 0 .. 4),
        (map { my $i = $_; $each->(sub ($s) { $s->{costs} && $s->{costs}[$i] }) } 0 .. 2),
        $each->(sub ($s) { $text->($s->{tags}) }),
        $each->(sub ($s) { $s->{session} }),
        $each->(sub ($s) { $s->{flags} // 0 }),
    );
    return ('SELECT taken, duplicates FROM trace_ingest(' . join(', ', ('?') x @values) . ')', @values);
}

# An OTLP value.
sub _value ($v) {
    return { arrayValue  => { values => [ map { _value($_) } @$v ] } } if ref $v eq 'ARRAY';
    return { kvlistValue => { values => _attributes($v) } } if ref $v eq 'HASH';
    return { boolValue => $v } if ref $v;
    return { stringValue => $v } if $json->encode([$v]) =~ /^\["/;
    return $v =~ /^-?\d+$/ ? { intValue => "$v" } : { doubleValue => 0 + $v };
}
sub _attributes ($h) { return [ map { { key => $_, value => _value($h->{$_}) } } sort keys %$h ] }

# The same spans as an exporter sends them.
sub otlp (@spans) {
    my @words = map { "gen_ai.usage.$_" } qw(prompt_tokens completion_tokens cache_read_input_tokens reasoning_tokens total_tokens prompt_cost completion_cost total_cost);
    return Cpanel::JSON::XS->new->utf8->encode({ resourceSpans => [ map {
        my $s     = $_;
        my $start = start_ns($s);
        my @count = (@{ $s->{tokens} // [ (undef) x 5 ] }, map { defined ? $_ / 1e7 : undef } @{ $s->{costs} // [ (undef) x 3 ] });
        my %more  = ((map { defined $count[$_] ? ($words[$_] => 0 + $count[$_]) : () } 0 .. 7), $s->{tags} ? ('observability.tags' => $s->{tags}) : (), defined $s->{session} ? ('session.id' => $s->{session}) : (),
            $s->{model} ? ('gen_ai.request.model' => $s->{model}) : ());
        { resource => { attributes => _attributes($s->{resource} // {}), },
          scopeSpans => [ { scope => { name => $s->{scope} // 'tests' }, spans => [ {
            traceId => trace_id($s->{trace}) =~ tr/-//dr, spanId => sprintf('%016x', $s->{span}), (defined $s->{parent} ? (parentSpanId => sprintf '%016x', $s->{parent}) : ()), name => $s->{name} // 'work', kind => $s->{kind} // 1,
            traceState => $s->{trace_state} // '', startTimeUnixNano => "$start", endTimeUnixNano => '' . ($start + (($s->{flags} // 0) & 1 ? -1 : $s->{duration_ns} // sprintf '%.0f', 1_000_000 * ($s->{ms} // 10))),
            attributes => [ @{ _attributes($s->{attributes} // {}) }, @{ _attributes(\%more) } ], status => { code => $s->{status} // 0, message => $s->{message} // '' },
            events => [ map { { timeUnixNano => "$_->{time_ns}", name => $_->{name}, attributes => _attributes($_->{attributes} // {}) } } @{ $s->{events} // [] } ],
            links  => [ map { { traceId => $_->{trace_id}, spanId => $_->{span_id}, traceState => $_->{trace_state} // '', attributes => _attributes($_->{attributes} // {}) } } @{ $s->{links} // [] } ],
        } ] } ] }
    } map { { %$_, resource => { 'service.name' => $_->{service} // 'shop', %{ $_->{resource} // {} } } } } @spans ] });
}

# An instance for a test file that runs over both stores (Ashlar::ClickHouse).
my $api;
sub start (%arg) {
    my $store = $Ashlar::ClickHouse::STORE;
    $api = Api->start($store ? $store->settings : (), %arg);
    return $api;
}

# How many were taken, and how many were there; nothing, where they are sent to an instance that keeps them in ClickHouse.  The connection is in a tenant (app.tenant_id).
sub ingest ($db, $project, @spans) {
    if ($Ashlar::ClickHouse::STORE) {
        my $who = $api->client->with(token => $project);
        while (my @some = splice @spans, 0, 5000) {
            my $res = $who->post('/api/v1/traces', undef, raw => otlp(@some), type => 'application/json');
            $res->status == 200 && $res->body !~ /rejected/ or die $res->status . ' ' . $res->body;
        }
        return;
    }
    my ($text, @values) = call($project, @spans);
    return $db->selectrow_array($text, undef, @values);
}

# A project of an organization, in the tenant that the connection is in; its id, which is its key too.
sub project ($db, $organization, $name = 'Traces') {
    return scalar $db->selectrow_array(q{INSERT INTO trace_projects (tenant_id, id, organization_id, name, api_key_hash, api_key_sealed)
        SELECT app_tenant(), n.id, ?, ?, sha256(n.id::text::bytea), 'v1.0.x' FROM (SELECT uuid_v7() AS id) n RETURNING id}, undef, $organization, $name);
}

1;
