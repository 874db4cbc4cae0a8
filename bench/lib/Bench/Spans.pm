# Spans: a request of them as an exporter sends it, and millions of them put into PostgreSQL.
package Bench::Spans;

use v5.36;
use Digest::SHA qw(sha256_hex);
use Exporter 'import';
use Bench::Database;
use Bench::Env;
use Bench::Proc qw(run);

our @EXPORT = qw(trace_project spans_template seed_spans);

# A project of an organization of that plan: its id and API key.
sub trace_project ($plan) {
    my $key  = join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12;
    my $hash = sha256_hex($key);
    my $id   = psql('bench', '-c', <<"SQL");
SET app.tenant_id = '$tenant';
WITH o AS (INSERT INTO organizations (tenant_id, name, slug, prem_status) VALUES ('$tenant', 'Traces', 'traces-' || left('$key', 8), '$plan') RETURNING id)
INSERT INTO trace_projects (tenant_id, organization_id, name, api_key_hash, api_key_sealed) SELECT '$tenant', o.id, 'Traces', '\\x$hash', '' FROM o RETURNING id;
SQL
    chomp $id;
    return ($id, $key);
}

# ---- Protocol Buffers ----

sub varint ($n) {
    my $out = '';
    for (; $n > 127; $n >>= 7) { $out .= chr($n & 127 | 128) }
    return $out . chr $n;
}
sub bytes   ($field, $text) { return varint($field << 3 | 2) . varint(length $text) . $text }
sub number  ($field, $n)    { return varint($field << 3) . varint($n) }
sub fixed64 ($field, $n)    { return varint($field << 3 | 1) . pack('Q<', $n) }
sub text    ($key, $value)  { return bytes(9, bytes(1, $key) . bytes(2, bytes(1, $value))) }
sub integer ($key, $value)  { return bytes(9, bytes(1, $key) . bytes(2, number(3, $value))) }

# What spans are like: a request, what it asks a database and another server, and a model's answer; twelve attributes each on the average.
my @kinds = (
    [ 'POST /api/orders', 2, text('http.request.method', 'POST'), text('url.path', '/api/orders'), text('url.scheme', 'https'), integer('http.response.status_code', 201),
        text('server.address', 'shop.example.com'), integer('server.port', 443), text('client.address', '198.51.100.23'), text('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'),
        text('http.route', '/api/orders'), text('network.protocol.version', '1.1'), text('session.id', 'c1f6a3e2-7d41-4b0e'), text('enduser.id', 'user-48213') ],
    [ 'SELECT shop.orders', 3, text('db.system.name', 'postgresql'), text('db.namespace', 'shop'), text('db.operation.name', 'SELECT'), text('db.collection.name', 'orders'),
        text('db.query.text', 'SELECT o.id, o.status, o.total, o.created_at FROM orders o WHERE o.customer_id = $1 AND o.status = ANY ($2) ORDER BY o.created_at DESC LIMIT 20'),
        text('server.address', '10.0.3.17'), integer('server.port', 5432), integer('db.response.returned_rows', 20), text('network.peer.address', '10.0.3.17'), text('thread.name', 'worker-3') ],
    [ 'GET', 3, text('http.request.method', 'GET'), text('url.full', 'https://stock.internal.example.com/v2/items?sku=48213,48214,48215'), integer('http.response.status_code', 200),
        text('server.address', 'stock.internal.example.com'), integer('server.port', 443), text('network.protocol.version', '2'), text('peer.service', 'stock'), integer('http.resend_count', 0) ],
    [ 'chat gpt-4o-mini', 3, text('gen_ai.operation.name', 'chat'), text('gen_ai.provider.name', 'openai'), text('gen_ai.request.model', 'gpt-4o-mini'), text('gen_ai.response.model', 'gpt-4o-mini'),
        text('gen_ai.response.id', 'chatcmpl-9J3mS2mCy0x3Hc'), integer('gen_ai.usage.input_tokens', 1834), integer('gen_ai.usage.output_tokens', 212), integer('gen_ai.request.max_tokens', 1024),
        text('gen_ai.conversation.id', 'c1f6a3e2-7d41-4b0e'), text('server.address', 'api.openai.com'), integer('server.port', 443), text('gen_ai.output.type', 'text'),
        text('gen_ai.prompt', 'Write a friendly note that confirms the order, names what is in it and when it will arrive. ' x 3),
        text('gen_ai.completion', 'Thank you for your order! Two blue mugs are on their way and should be with you by Thursday. ' x 3) ],
    [ 'render', 1, text('code.function.name', 'Shop::Order->render'), text('code.file.path', '/srv/shop/lib/Shop/Order.pm'), integer('code.line.number', 214), text('template', 'orders/created'),
        integer('bytes', 8192), text('cache', 'miss'), text('locale', 'de_DE') ],
);

# A request of so many spans, five to a trace, and where what has to differ stands in it: of each span the places of the trace's id, its own,
# its parent's (0: it is the trace's first), its start and its end.
sub spans_template ($name, $count) {
    my ($spans, @places) = ('');
    my $resource = bytes(1, join '', map { bytes(1, bytes(1, $_->[0]) . bytes(2, bytes(1, $_->[1]))) }
            [ 'service.name', 'shop' ], [ 'service.version', '2.14.0' ], [ 'host.name', 'web-3' ], [ 'telemetry.sdk.language', 'nodejs' ], [ 'deployment.environment.name', 'production' ]);
    my $scope = bytes(1, bytes(1, '@opentelemetry/instrumentation-http') . bytes(2, '0.57.1'));
    for my $i (0 .. $count - 1) {
        my ($kind, $is_first) = ($kinds[ $i % @kinds ], !($i % @kinds));
        my ($title, $number, @attributes) = @$kind;
        my $span = bytes(1, "\1" x 16) . bytes(2, "\2" x 8) . ($is_first ? '' : bytes(4, "\3" x 8)) . bytes(5, $title) . number(6, $number) . fixed64(7, 0) . fixed64(8, 0);
        my @at   = (2, 20, $is_first ? 0 : 30, length($span) - 17, length($span) - 8);
        $span .= join '', @attributes;
        $span .= bytes(11, fixed64(1, 1_790_000_000_000_000_000) . bytes(2, 'first token')) if $i % @kinds == 3;
        $span .= bytes(15, number(3, 2) . bytes(2, 'upstream timed out')) if $i % 50 == 2;
        my $whole = bytes(2, $span);
        my $head  = length($spans) + length($whole) - length $span;
        push @places, [ map { $_ ? $head + $_ : -1 } @at ];
        $spans .= $whole;
    }
    my $scoped = bytes(2, $scope . $spans);
    my $all    = bytes(1, $resource . $scoped);
    my $shift  = length($all) - length $spans;
    open my $out, '>:raw', "$tmp/$name.pb" or die "$tmp/$name.pb: $!\n";
    print {$out} $all;
    close $out or die;
    spew("$tmp/$name.places", join '', map { join(' ', map { $_ < 0 ? -1 : $_ + $shift } @$_) . "\n" } @places);
    return length $all;
}

# ---- many of them ----

# So many spans of the last days in a project, by trace_ingest() itself, 5,000 at a time.
sub seed_spans ($project, $count, $days = 30) {
    my $batch = 5_000;
    psql('bench', '-f', spew("$tmp/seed_spans.sql", <<"SQL"));
CREATE OR REPLACE PROCEDURE seed_spans(project uuid, batches integer, days integer) LANGUAGE plpgsql AS \$\$
DECLARE
    now_ns bigint := extract(epoch FROM now())::bigint * 1000000000;
BEGIN
    FOR b IN 1..batches LOOP
        PERFORM set_config('app.tenant_id', '$tenant', true);
        PERFORM trace_ingest(project, array_agg(x.trace), array_agg(x.span), array_agg(x.parent), array_agg(x.name), array_agg(x.kind), array_agg('shop'::text),
                    array_agg('http'::text), array_agg('1.0'::text), array_agg(''::text), array_agg(x.start), array_agg(x.took), array_agg(x.status), array_agg(''::text),
                    array_agg(x.attributes), array_agg(1), ARRAY['{"service.name": "shop"}'::jsonb], array_agg(NULL::jsonb), array_agg(NULL::jsonb), array_agg(x.model),
                    array_agg(x.tokens), array_agg(x.tokens / 8), array_agg(0::bigint), array_agg(0::bigint), array_agg(x.tokens + x.tokens / 8), array_agg(x.tokens), array_agg(x.tokens / 2),
                    array_agg(x.tokens + x.tokens / 2), array_agg(CASE WHEN x.parent IS NULL THEN '["bench"]'::jsonb END), array_agg(NULL::text), array_agg(0::smallint))
        FROM (SELECT t.trace, (random() * 9000000000000000000)::bigint AS span, CASE WHEN n.i > 0 THEN 7::bigint END AS parent,
                     (ARRAY['POST /api/orders', 'SELECT shop.orders', 'GET', 'chat gpt-4o-mini', 'render'])[n.i + 1] || CASE WHEN n.i = 0 THEN ' ' || t.i % 40 ELSE '' END AS name,
                     (ARRAY[2, 3, 3, 3, 1]::smallint[])[n.i + 1] AS kind, t.start + n.i * 1000000 AS start, (1000000 * exp(4 * random()))::bigint AS took,
                     (CASE WHEN random() < 0.02 THEN 2 ELSE 0 END)::smallint AS status, jsonb_build_object('http.request.method', 'POST', 'server.address', 'shop.example.com',
                         'http.response.status_code', 200 + t.i % 5, 'user', 'user-' || t.i % 1000) AS attributes,
                     CASE WHEN n.i = 3 THEN 'gpt-4o-mini' END AS model, CASE WHEN n.i = 3 THEN 1000 + t.i % 1000 ELSE 0 END::bigint AS tokens
              FROM (SELECT gen_random_uuid() AS trace, i, now_ns - (random() * days * 86400)::bigint * 1000000000 AS start FROM generate_series(1, $batch / 5) i) t
              CROSS JOIN generate_series(0, 4) n (i)) x;
        COMMIT;
    END LOOP;
END
\$\$;
SQL
    my $batches = int($count / $batch) || 1;
    psql('bench', '-c', "CALL seed_spans('$project', $batches, $days)");
    return $batches * $batch;
}

1;
