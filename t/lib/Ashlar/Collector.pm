package Ashlar::Collector;

# A collector that spans are exported to, on a free port of loopback (Ashlar::Receiver): it reads
# OTLP in JSON and in protobuf, and Zipkin's JSON, each by its published model, and refuses a member or field
# that is not in it.
#
#     my $c = Ashlar::Collector->start;
#     Api->start($c->settings, worker => 2);
#     $c->answer(status => 503);                  # as Ashlar::Receiver
#     $c->spans;                                  # all that came: see _span
#     $c->wait_for(sub ($s) { $s->{name} eq 'GET /x' });
use v5.36;
use Cpanel::JSON::XS ();
use Time::HiRes qw(sleep time);
use Ashlar::Receiver;

my $json = Cpanel::JSON::XS->new->utf8;

sub start ($class) { return bless { receiver => Ashlar::Receiver->start }, $class }

sub answer ($self, %how) { $self->{receiver}->answer($_, %how) for '/v1/traces', '/api/v2/spans'; return }
sub url ($self, $path = '') { return $self->{receiver}->url($path) }

sub settings ($self, %more) {
    return (OTEL_ENABLED => 'true', OTEL_EXPORTER_OTLP_ENDPOINT => $self->url, OTEL_EXPORTER_ZIPKIN_ENDPOINT => $self->url('/api/v2/spans'),
        OTEL_BSP_SCHEDULE_DELAY => 50, %more);
}

# What was posted: { headers, body, at }.
sub requests ($self) { return map { $self->{receiver}->requests($_) } '/v1/traces', '/api/v2/spans' }

sub spans ($self) { return map { read_request($_) } $self->requests }

# The first span that a test is true of, within so many seconds; undef: none came.
sub wait_for ($self, $is_it, $seconds = 60) {
    my $until = time + $seconds;
    while (1) {
        my ($span) = grep { $is_it->($_) } $self->spans;
        return $span if $span || time > $until;
        sleep 0.05;
    }
}

# ------------------------------------------------------------------ what came

# The spans of one request:
#   { name, kind (server, …), trace, id, parent, state, start, end (ns), error, remote, attr => { name => value },
#     links => [{ trace, id }], resource => { name => value }, dropped }
sub read_request ($req) {
    my $type = $req->{headers}{'content-type'} // '';
    return _zipkin($json->decode($req->{body})) if $req->{path} =~ m{/spans\z};
    my $tree = $type eq 'application/json' ? $json->decode($req->{body}) : $type eq 'application/x-protobuf' ? _message('Request', $req->{body}) : die "a body of type $type\n";
    return _otlp($tree, $type ne 'application/json');
}

sub _only ($what, $object, @known) {
    my %known = map { $_ => 1 } @known;
    for (keys %$object) { die "$what has no $_\n" if !$known{$_} }
    return;
}

my @KIND = qw(unspecified internal server client producer consumer);

sub _attributes (@pairs) {
    my %all;
    for (@pairs) {
        _only('an attribute', $_,          qw(key value));
        _only('a value',      $_->{value}, qw(stringValue intValue boolValue doubleValue));
        die "$_->{key} twice\n" if exists $all{ $_->{key} };
        die "an attribute of two values\n" if keys %{ $_->{value} } != 1;
        die "an integer that is no text of digits\n" if exists $_->{value}{intValue} && $_->{value}{intValue} !~ /\A-?\d+\z/;
        $all{ $_->{key} } = (values %{ $_->{value} })[0];
    }
    return \%all;
}

sub _id ($what, $id, $digits) {
    die "$what is not $digits lower-case digits: $id\n" if $id !~ /\A[0-9a-f]{$digits}\z/ || $id =~ /\A0+\z/;
    return $id;
}

sub _otlp ($tree, $is_protobuf) {
    my @all;
    _only('a request', $tree, 'resourceSpans');
    for my $rs (@{ $tree->{resourceSpans} }) {
        _only('ResourceSpans', $rs, qw(resource scopeSpans));
        my $resource = _attributes(@{ $rs->{resource}{attributes} });
        for my $ss (@{ $rs->{scopeSpans} }) {
            _only('ScopeSpans', $ss,         qw(scope spans));
            _only('a scope',    $ss->{scope}, qw(name version));
            for my $s (@{ $ss->{spans} }) {
                _only('a span', $s, qw(traceId spanId parentSpanId traceState flags name kind startTimeUnixNano endTimeUnixNano attributes
                    droppedAttributesCount links droppedLinksCount status));
                push @all, {
                    name     => $s->{name},
                    kind     => $KIND[ $s->{kind} ],
                    trace    => _id('a trace', $s->{traceId}, 32),
                    id       => _id('a span',  $s->{spanId},  16),
                    parent   => exists $s->{parentSpanId} ? _id('a parent', $s->{parentSpanId}, 16) : undef,
                    state    => $s->{traceState} // '',
                    start    => $s->{startTimeUnixNano},
                    end      => $s->{endTimeUnixNano},
                    error    => ($s->{status}{code} // 0) == 2 ? 1 : 0,
                    remote   => $s->{flags} & 0x200 ? 1 : 0,
                    attr     => _attributes(@{ $s->{attributes} }),
                    links    => [ map { { trace => _id('a link', $_->{traceId}, 32), id => _id('a link', $_->{spanId}, 16) } } @{ $s->{links} // [] } ],
                    resource => $resource,
                    scope    => $ss->{scope},
                    dropped  => $s->{droppedAttributesCount} // 0,
                };
            }
        }
    }
    return @all;
}

# zipkin.io/zipkin-api: ListOfSpans of version 2.
sub _zipkin ($list) {
    my @all;
    for my $s (@$list) {
        _only('a span', $s, qw(traceId id parentId kind name timestamp duration localEndpoint remoteEndpoint tags annotations shared debug));
        _only('an endpoint', $s->{localEndpoint}, qw(serviceName ipv4 ipv6 port));
        die "a kind $s->{kind}\n" if ($s->{kind} // 'CLIENT') !~ /\A(?:CLIENT|SERVER|PRODUCER|CONSUMER)\z/;
        die "a time that is no whole number above 0\n" if grep { !/\A[1-9]\d*\z/ } @$s{qw(timestamp duration)};
        for (values %{ $s->{tags} }) { die "a tag that is no text\n" if ref || !defined }
        push @all, {
            name     => $s->{name},
            kind     => lc($s->{kind} // 'internal'),
            trace    => _id('a trace', $s->{traceId}, 32),
            id       => _id('a span',  $s->{id},      16),
            parent   => exists $s->{parentId} ? _id('a parent', $s->{parentId}, 16) : undef,
            start    => $s->{timestamp} * 1000,
            end      => ($s->{timestamp} + $s->{duration}) * 1000,
            error    => exists $s->{tags}{error} ? 1 : 0,
            attr     => $s->{tags},
            service  => $s->{localEndpoint}{serviceName},
        };
    }
    return @all;
}

# ------------------------------------------------------------------ protobuf

# opentelemetry-proto, collector/trace/v1 and trace/v1: field => [name, type, repeated].
my %PROTO = (
    Request       => { 1 => [ 'resourceSpans', 'ResourceSpans', 1 ] },
    ResourceSpans => { 1 => [ 'resource', 'Resource' ], 2 => [ 'scopeSpans', 'ScopeSpans', 1 ] },
    Resource      => { 1 => [ 'attributes', 'KeyValue', 1 ] },
    ScopeSpans    => { 1 => [ 'scope', 'Scope' ], 2 => [ 'spans', 'Span', 1 ] },
    Scope         => { 1 => [ 'name', 'string' ], 2 => [ 'version', 'string' ] },
    Span          => {
        1 => [ 'traceId', 'bytes' ], 2 => [ 'spanId', 'bytes' ], 3 => [ 'traceState', 'string' ], 4 => [ 'parentSpanId', 'bytes' ], 5 => [ 'name', 'string' ],
        6 => [ 'kind', 'int' ], 7 => [ 'startTimeUnixNano', 'fixed64' ], 8 => [ 'endTimeUnixNano', 'fixed64' ], 9 => [ 'attributes', 'KeyValue', 1 ],
        10 => [ 'droppedAttributesCount', 'int' ], 13 => [ 'links', 'Link', 1 ], 14 => [ 'droppedLinksCount', 'int' ], 15 => [ 'status', 'Status' ],
        16 => [ 'flags', 'fixed32' ],
    },
    Link     => { 1 => [ 'traceId', 'bytes' ], 2 => [ 'spanId', 'bytes' ] },
    Status   => { 2 => [ 'message', 'string' ], 3 => [ 'code', 'int' ] },
    KeyValue => { 1 => [ 'key', 'string' ], 2 => [ 'value', 'AnyValue' ] },
    AnyValue => { 1 => [ 'stringValue', 'string' ], 2 => [ 'boolValue', 'int' ], 3 => [ 'intValue', 'int' ] },
);
my %WIRE = (int => 0, fixed64 => 1, fixed32 => 5);

sub _varint ($in) {
    my ($v, $shift) = (0, 0);
    while (1) {
        die "a number that is cut off\n" if !length $$in;
        my $byte = ord substr $$in, 0, 1, '';
        $v |= ($byte & 127) << $shift;
        return $v if $byte < 128;
        $shift += 7;
    }
}

sub _take ($in, $n) {
    die "a field of $n bytes, of which @{[length $$in]} are there\n" if $n > length $$in;
    return substr $$in, 0, $n, '';
}

sub _message ($type, $in) {
    my %out;
    while (length $in) {
        my $tag   = _varint(\$in);
        my $field = $PROTO{$type}{ $tag >> 3 } // die "$type has no field @{[$tag >> 3]}\n";
        my ($name, $kind, $is_many) = @$field;
        die "$type.$name has the wire type @{[$tag & 7]}\n" if ($tag & 7) != ($WIRE{$kind} // 2);
        my $v =
              $kind eq 'int'     ? _varint(\$in)
            : $kind eq 'fixed64' ? unpack('Q<', _take(\$in, 8))
            : $kind eq 'fixed32' ? unpack('V', _take(\$in, 4))
            :                      _take(\$in, _varint(\$in));
        $v = unpack 'H*', $v if $kind eq 'bytes';
        utf8::decode($v) || die "$type.$name is not UTF-8\n" if $kind eq 'string';
        $v = _message($kind, $v) if $PROTO{$kind};
        if   ($is_many) { push @{ $out{$name} }, $v }
        else            { $out{$name} = $v }
    }
    return \%out;
}

1;
