/*
 * OTLP requests, in both encodings: what the real exporter sent, and what nobody should send.
 * And what they stand on: gzip, Protocol Buffers' wire form, JSON without a tree, arrays in binary.
 */
#include "handlers/traces/otlp.h"

#include <zlib.h>

#include "handlers/traces/counters.h"
#include "handlers/traces/sampler.h"
#include "lib/base/gunzip.h"
#include "lib/base/protobuf.h"
#include "lib/db/wire.h"
#include "providers/ai_model.h"
#include "t/unit/tap.h"

static struct arena arena;

/* From 2020 on, for ever. */
#define OLDEST 1577836800000000000LL

static struct otlp_batch *batch;
static const char *problem;

static enum err read_bytes(enum otlp_encoding encoding, const char *p, size_t n)
{
	batch = otlp_batch_new(&arena, n, OLDEST, INT64_MAX);
	problem = NULL;
	return otlp_read(batch, encoding, p, n, &problem);
}

static enum err read_json(const char *text)
{
	return read_bytes(OTLP_JSON, text, strlen(text));
}

/* The i-th element of a column as text; NULL: it is null. */
static const char *element(struct vector *v, int i)
{
	const char *p = v->b.p + 20;
	int n;

	for (;; p += n < 0 ? 0 : n) {
		n = wire_int4(p, 4);
		p += 4;
		if (!i--)
			break;
	}
	if (n < 0)
		return NULL;
	switch (v->oid) {
	case INT8: return arena_fmt(&arena, "%lld", (long long)wire_int8(p, n));
	case INT4: return arena_fmt(&arena, "%d", wire_int4(p, n));
	case INT2: return arena_fmt(&arena, "%d", wire_int2(p, n));
	case JSONB: return arena_dup_n(&arena, p + 1, (size_t)n - 1);
	case UUID: {
		struct buf b;

		buf_init(&b, &arena, 40);
		for (int k = 0; k < n; k++)
			buf_fmt(&b, "%02x", (unsigned char)p[k]);
		return buf_str(&b);
	}
	default: return arena_dup_n(&arena, p, (size_t)n);
	}
}

static size_t slurp(const char *path, char **out)
{
	FILE *f = fopen(path, "rb");
	struct buf b;
	size_t n;

	buf_init(&b, &arena, 8192);
	if (!f) {
		ok(false, "%s is there", path);
		*out = buf_str(&b);
		return 0;
	}
	while ((n = fread(buf_room(&b, 4096), 1, 4096, f)) > 0)
		b.n += n;
	fclose(f);
	*out = buf_str(&b);
	return b.n;
}

/* What opentelemetry-js sent, version 2.12, is what was meant. */
static void check_exporter(const char *name, const char *p, size_t n, enum otlp_encoding encoding)
{
	is_int(read_bytes(encoding, p, n), ERR_OK, "%s: it is read", name);
	is_int(batch->taken, 2, "%s: two spans", name);
	is_int(otlp_batch_rejected(batch), 0, "%s: none is refused", name);
	if (batch->taken != 2)
		return;
	is_str(element(&batch->trace_ids, 0), "4bf92f3577b34da6a3ce929d0e0e4736", "%s: trace", name);
	is_str(element(&batch->span_ids, 0), "67667974448284337", "%s: span", name);
	is_str(element(&batch->parent_ids, 0), "67667974448284336", "%s: parent", name);
	is_str(element(&batch->parent_ids, 1), NULL, "%s: the root has none", name);
	is_str(element(&batch->names, 0), "chat gpt-4o", "%s: name", name);
	is_str(element(&batch->kinds, 0), "3", "%s: client", name);
	is_str(element(&batch->kinds, 1), "2", "%s: server", name);
	is_str(element(&batch->services, 1), "shop", "%s: service", name);
	is_str(element(&batch->scopes, 0), "checkout", "%s: scope", name);
	is_str(element(&batch->scope_versions, 0), "0.1.0", "%s: its version", name);
	is_str(element(&batch->start_ns, 0), "1767225600010000000", "%s: start", name);
	is_str(element(&batch->duration_ns, 0), "390500000", "%s: duration", name);
	is_str(element(&batch->statuses, 0), "2", "%s: an error", name);
	is_str(element(&batch->status_messages, 0), "cut off", "%s: and why", name);
	is_str(element(&batch->statuses, 1), "0", "%s: nothing said", name);
	is_str(element(&batch->resource_attributes, 0),
	       "{\"service.name\":\"shop\",\"service.version\":\"1.2.3\",\"process.command_args\":[\"node\","
	       "\"x.js\"]}",
	       "%s: the resource, without a project of the client's choice", name);
	is_int(batch->resource_attributes.n, 1, "%s: once", name);
	is_str(element(&batch->resources, 1), "1", "%s: named by each span", name);
	is_str(element(&batch->attributes, 0),
	       "{\"gen_ai.request.model\":\"gpt-4o\",\"gen_ai.usage.input_tokens\":1200,"
	       "\"gen_ai.usage.output_tokens\":345,\"gen_ai.conversation.id\":\"conv-1\"}",
	       "%s: attributes", name);
	is_str(element(&batch->attributes, 1),
	       "{\"http.request.method\":\"POST\",\"http.response.status_code\":201,\"ratio\":0.25,\"whole\":"
	       "2,"
	       "\"ok\":true,\"text\":\"Grüße, \\\"quoted\\\"\\n\",\"list\":[1,2,3],\"words\":[\"a\",\"b\"],"
	       "\"observability.tags\":\"[\\\"prod\\\",\\\"eu\\\"]\"}",
	       "%s: attributes of each type", name);
	is_str(element(&batch->events, 0),
	       "[{\"attributes\":{\"ms\":12},\"name\":\"first token\",\"time_ns\":1767225600022000000}]",
	       "%s: events", name);
	is_str(element(&batch->events, 1), NULL, "%s: none", name);
	is_str(element(&batch->links, 0),
	       "[{\"attributes\":{\"why\":\"retry\"},\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
	       "\"span_id\":\"b7ad6b7169203331\",\"trace_state\":\"\"}]",
	       "%s: links", name);
	is_str(element(&batch->tags, 1), "[\"prod\",\"eu\"]", "%s: tags", name);
	is_str(element(&batch->tags, 0), NULL, "%s: no tags", name);
	is_str(element(&batch->session_ids, 0), "conv-1", "%s: session", name);
	is_str(element(&batch->models, 0), "gpt-4o", "%s: model", name);
	is_str(element(&batch->prompt_tokens, 0), "1200", "%s: tokens read", name);
	is_str(element(&batch->completion_tokens, 0), "345", "%s: tokens written", name);
	is_str(element(&batch->total_tokens, 0), "1545", "%s: tokens", name);
	/* 2.50 and 10.00 dollars a million */
	is_str(element(&batch->prompt_costs, 0), "30000", "%s: 0.003 dollars", name);
	is_str(element(&batch->completion_costs, 0), "34500", "%s: 0.00345 dollars", name);
	is_str(element(&batch->total_costs, 0), "64500", "%s: 0.00645 dollars", name);
	is_str(element(&batch->flags, 0), "0", "%s: nothing to mark", name);
}

static void test_exporter(void)
{
	char *p, *out;
	size_t n, out_n;

	n = slurp("t/fuzz/corpus/otlp/js_exporter.pb", &p);
	check_exporter("protobuf", p, n, OTLP_PROTOBUF);
	n = slurp("t/fuzz/corpus/otlp/js_exporter.json", &p);
	check_exporter("JSON", p, n, OTLP_JSON);
	n = slurp("t/fuzz/corpus/otlp/js_exporter.pb.gz", &p);
	is_int(gunzip(&arena, p, n, 1 << 20, &out, &out_n, &problem), ERR_OK, "its gzip");
	check_exporter("protobuf, gzip", out, out_n, OTLP_PROTOBUF);
	n = slurp("t/fuzz/corpus/otlp/js_exporter.json.gz", &p);
	is_int(gunzip(&arena, p, n, 1 << 20, &out, &out_n, &problem), ERR_OK, "its gzip");
	check_exporter("JSON, gzip", out, out_n, OTLP_JSON);
}

/* Bytes with pieces cut off: each is no message, or a shorter one; none is anything else. */
static void test_cut(void)
{
	char *p;
	size_t n = slurp("t/fuzz/corpus/otlp/js_exporter.pb", &p), refused = 0;

	for (size_t i = 1; i < n; i++)
		refused += read_bytes(OTLP_PROTOBUF, p, i) == ERR_BAD_REQUEST;
	is_int((long long)refused, (long long)n - 1, "protobuf that ends anywhere but at its end");
	n = slurp("t/fuzz/corpus/otlp/js_exporter.json", &p);
	refused = 0;
	for (size_t i = 0; i < n; i++)
		refused += read_bytes(OTLP_JSON, p, i) == ERR_BAD_REQUEST;
	is_int((long long)refused, (long long)n, "and JSON");
}

/* JSON of one span with these members behind its ids and times. */
static enum err span_with(const char *members)
{
	return read_json(arena_fmt(&arena,
				   "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
				   "\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\","
				   "\"startTimeUnixNano\":\"1767225600000000000\",\"endTimeUnixNano\":"
				   "1767225600000001000%s}]}]}]}",
				   members));
}

static enum err value_of(const char *any)
{
	return span_with(arena_fmt(&arena, ",\"attributes\":[{\"key\":\"x\",\"value\":%s}]", any));
}

static void test_values(void)
{
	static const struct {
		const char *any, *stored;
	} cases[] = {
		{ "{\"intValue\":\"9223372036854775807\"}", "{\"x\":9223372036854775807}" },
		{ "{\"intValue\":-9223372036854775808}", "{\"x\":-9223372036854775808}" },
		{ "{\"intValue\":1e3}", "{\"x\":1000}" },
		{ "{\"doubleValue\":2}", "{\"x\":2.0}" },
		{ "{\"doubleValue\":\"NaN\"}", "{\"x\":\"NaN\"}" },
		{ "{\"doubleValue\":\"-Infinity\"}", "{\"x\":\"-Infinity\"}" },
		{ "{\"boolValue\":false}", "{\"x\":false}" },
		{ "{\"bytesValue\":\"AQI=\"}", "{\"x\":\"AQI=\"}" },
		{ "{}", "{\"x\":null}" },
		{ "null", "{\"x\":null}" },
		{ "{\"stringValue\":null}", "{\"x\":null}" },
		{ "{\"somethingNew\":[1,{\"a\":\"\\n\"}]}", "{\"x\":null}" },
		{ "{\"stringValue\":\"a\\u0000b\\ud800\"}", "{\"x\":\"a\xef\xbf\xbd"
							    "b\xef\xbf\xbd\"}" },
		{ "{\"stringValue\":\"\\ud83d\\ude00\"}", "{\"x\":\"\xf0\x9f\x98\x80\"}" },
		{ "{\"kvlistValue\":{\"values\":[{\"value\":{\"intValue\":1},\"key\":\"a\"},{\"key\":\"b\"}]}"
		  "}",
		  "{\"x\":{\"a\":1,\"b\":null}}" },
		{ "{\"arrayValue\":{\"values\":[{\"arrayValue\":{}},{\"kvlistValue\":{\"values\":[]}}]}}",
		  "{\"x\":[[],{}]}" },
	};
	static const char *const bad[] = {
		"{\"intValue\":\"9223372036854775808\"}",
		"{\"intValue\":1.5}",
		"{\"intValue\":\"\"}",
		"{\"intValue\":true}",
		"{\"boolValue\":\"true\"}",
		"{\"stringValue\":1}",
		"{\"doubleValue\":\"many\"}",
		"{\"arrayValue\":[]}",
		"[]",
		"\"x\"",
		"{\"stringValue\":\"\x01\"}",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(value_of(cases[i].any), ERR_OK, "%s", cases[i].any);
		is_str(element(&batch->attributes, 0), cases[i].stored, "… is stored");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_int(value_of(bad[i]), ERR_BAD_REQUEST, "%s is none", bad[i]);
}

static void test_json(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"resourceSpans\":{}}",
		"{\"resourceSpans\":[]} x",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":1}]}]}]}",
		"{\"x\":[1,]}",
		"{\"x\":01}",
		"{\"x\":1.}",
		"{\"x\":\"\\x\"}",
		"{\"x\":tru}",
		"{\"x\" 1}",
		"{\"x\":{\"y\":\"\\u12\"}}",
	};
	char *deep = arena_alloc(&arena, 600);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		is_int(read_json(bad[i]), ERR_BAD_REQUEST, "no request: %s", bad[i]);
		ok(problem != NULL, "and why: %s", problem);
	}
	memset(deep, '[', 599);
	is_int(read_json(arena_fmt(&arena, "{\"x\":%s", deep)), ERR_BAD_REQUEST,
	       "what nobody knows, 599 deep");
	is_int(read_json("{}"), ERR_OK, "an empty request");
	is_int(batch->taken, 0, "has no spans");
	is_int(span_with(",\"kind\":\"SPAN_KIND_SERVER\""), ERR_BAD_REQUEST, "an enum by its name");
	is_int(span_with(",\"kind\":17,\"status\":{\"code\":-3}"), ERR_OK, "enums of tomorrow");
	is_str(element(&batch->kinds, 0), "0", "are unspecified");
	is_str(element(&batch->statuses, 0), "0", "or unset");
	is_int(span_with(",\"events\":[{\"name\":\"e\",\"attributes\":[{\"key\":\"a\",\"value\":{"
			 "\"intValue\":1}}],"
			 "\"timeUnixNano\":7},null]"),
	       ERR_OK, "events");
	is_str(element(&batch->events, 0),
	       "[{\"attributes\":{\"a\":1},\"name\":\"e\",\"time_ns\":7},{\"attributes\":{},\"name\":\"\","
	       "\"time_ns\":0}]",
	       "are kept in their order");
	/* What a group is about may stand behind it. */
	is_int(read_json("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
			 "\"4bf92f3577b34da6a3ce929d0e0e4736\","
			 "\"spanId\":\"00f067aa0ba902b7\",\"startTimeUnixNano\":1767225600000000000,"
			 "\"endTimeUnixNano\":1767225600000000000}],\"scope\":{\"name\":\"late\"}}],"
			 "\"resource\":{\"attributes\":[{\"value\":{\"stringValue\":\"shop\"},\"key\":"
			 "\"service.name\"}]}}]}"),
	       ERR_OK, "members in another order");
	is_str(element(&batch->services, 0), "shop", "the resource is known");
	is_str(element(&batch->scopes, 0), "late", "and the scope");
}

/* A message of fields: bytes of a message within another. */
static struct buf message(void)
{
	struct buf b;

	buf_init(&b, &arena, 64);
	return b;
}

static struct buf within(unsigned number, const struct buf *inner)
{
	struct buf b = message();

	protobuf_put_bytes(&b, number, inner->p, inner->n);
	return b;
}

static void put_fixed64(struct buf *b, unsigned number, uint64_t v)
{
	buf_char(b, (char)(number << 3 | 1));
	v = htole64(v);
	buf_add(b, &v, sizeof(v));
}

static struct buf new_span(size_t trace_id_n, size_t span_id_n, uint64_t start, uint64_t end)
{
	static const char id[32] = "0123456789abcdef";
	struct buf b = message();

	protobuf_put_bytes(&b, 1, id, trace_id_n);
	protobuf_put_bytes(&b, 2, id, span_id_n);
	put_fixed64(&b, 7, start);
	put_fixed64(&b, 8, end);
	return b;
}

static void add_span(struct buf *spans, const struct buf *span)
{
	protobuf_put_bytes(spans, 2, span->p, span->n);
}

static enum err read_spans(const struct buf *spans)
{
	struct buf scope = within(2, spans), request = within(1, &scope);

	return read_bytes(OTLP_PROTOBUF, request.p, request.n);
}

static enum err read_span(const struct buf *span)
{
	struct buf spans = message();

	add_span(&spans, span);
	return read_spans(&spans);
}

#define NOW 1767225600000000000ULL

static void test_spans(void)
{
	static const struct {
		size_t trace_id, span_id;
		uint64_t start, end;
		enum otlp_reason why;
		const char *name;
	} bad[] = {
		{ 15, 8, NOW, NOW, OTLP_BAD_ID, "a trace id of 15 bytes" },
		{ 17, 8, NOW, NOW, OTLP_BAD_ID, "one of 17" },
		{ 0, 8, NOW, NOW, OTLP_BAD_ID, "none" },
		{ 16, 7, NOW, NOW, OTLP_BAD_ID, "a span id of 7 bytes" },
		{ 16, 0, NOW, NOW, OTLP_BAD_ID, "none" },
		{ 16, 8, OLDEST - 1, NOW, OTLP_TOO_OLD, "too old" },
		{ 16, 8, 0, 0, OTLP_TOO_OLD, "without a time" },
		{ 16, 8, (1ULL << 63) + 5, 0, OTLP_TOO_NEW, "a time beyond all" },
	};
	struct buf spans = message(), good = new_span(16, 8, NOW, NOW + 5), zero, late;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buf span = new_span(bad[i].trace_id, bad[i].span_id, bad[i].start, bad[i].end);
		struct buf pair = message();

		add_span(&pair, &good);
		add_span(&pair, &span);
		is_int(read_spans(&pair), ERR_OK, "%s: the request is read", bad[i].name);
		is_int(batch->taken, 1, "%s: the good one is taken", bad[i].name);
		is_int(batch->rejected[bad[i].why], 1, "%s: it is counted", bad[i].name);
		add_span(&spans, &span);
	}
	is_int(read_spans(&spans), ERR_OK, "all of them");
	is_str(otlp_batch_problem(batch),
	       "5 have an id that is zero, or not of 16 bytes for a trace and 8 for a span; 2 started before "
	       "all "
	       "that is kept; 1 start or end more than a day from now",
	       "and why");
	zero = message();
	protobuf_put_bytes(&zero, 1, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	protobuf_put_bytes(&zero, 2, "01234567", 8);
	put_fixed64(&zero, 7, NOW);
	read_span(&zero);
	is_int(batch->rejected[OTLP_BAD_ID], 1, "an id of zeros");
	late = new_span(16, 8, NOW, NOW - 1);
	protobuf_put_bytes(&late, 4, "", 0);
	read_span(&late);
	is_str(element(&batch->flags, 0), "1", "an end before the start is marked");
	is_str(element(&batch->duration_ns, 0), "0", "and no time");
	is_str(element(&batch->parent_ids, 0), NULL, "an empty parent is none");
	spans = message();
	for (int i = 0; i < OTLP_MAX_SPANS + 3; i++)
		add_span(&spans, &good);
	is_int(read_spans(&spans), ERR_OK, "three too many");
	is_int(batch->taken, OTLP_MAX_SPANS, "the first are taken");
	is_int(batch->rejected[OTLP_TOO_MANY], 3, "the others counted");
}

static struct buf pair_of(const char *key, size_t key_n, const struct buf *any)
{
	struct buf b = message();

	protobuf_put_bytes(&b, 1, key, key_n);
	if (any)
		protobuf_put_bytes(&b, 2, any->p, any->n);
	return b;
}

static void add_text(struct buf *span, const char *key, const char *text, size_t n)
{
	struct buf any = message(), pair;

	protobuf_put_bytes(&any, 1, text, n);
	pair = pair_of(key, strlen(key), &any);
	protobuf_put_bytes(span, 9, pair.p, pair.n);
}

/* An AnyValue so many arrays deep. */
static struct buf nested(int depth)
{
	struct buf any = message();

	protobuf_put_int(&any, 3, 1);
	while (depth-- > 0) {
		struct buf list = within(1, &any);

		any = within(5, &list);
	}
	return any;
}

static enum err read_value(const struct buf *any)
{
	struct buf span = new_span(16, 8, NOW, NOW + 1), pair = pair_of("x", 1, any);

	protobuf_put_bytes(&span, 9, pair.p, pair.n);
	return read_span(&span);
}

static void test_limits(void)
{
	char *long_text = arena_alloc(&arena, 8192);
	struct buf span = new_span(16, 8, NOW, NOW + 1), any;

	any = nested(32);
	is_int(read_value(&any), ERR_OK, "values 32 deep");
	any = nested(33);
	is_int(read_value(&any), ERR_BAD_REQUEST, "33");
	any = nested(64);
	is_int(read_value(&any), ERR_BAD_REQUEST, "64");
	any = nested(3000);
	is_int(read_value(&any), ERR_BAD_REQUEST, "3000");

	memset(long_text, 'a', 8192);
	add_text(&span, "x", long_text, OTLP_MAX_VALUE);
	read_span(&span);
	is_str(element(&batch->flags, 0), "0", "a value of 4096 bytes is whole");
	is_int((long long)strlen(element(&batch->attributes, 0)), OTLP_MAX_VALUE + 8, "all of it");
	span = new_span(16, 8, NOW, NOW + 1);
	add_text(&span, "x", long_text, OTLP_MAX_VALUE + 1);
	read_span(&span);
	is_str(element(&batch->flags, 0), "2", "one more is cut, and marked");
	is_int((long long)strlen(element(&batch->attributes, 0)), OTLP_MAX_VALUE + 8, "at 4096");
	memcpy(long_text + 4094, "\xf0\x9f\x98\x80", 4);
	span = new_span(16, 8, NOW, NOW + 1);
	add_text(&span, "x", long_text, 5000);
	read_span(&span);
	is_int((long long)strlen(element(&batch->attributes, 0)), 4094 + 8, "never within a character");

	span = new_span(16, 8, NOW, NOW + 1);
	for (int i = 0; i < OTLP_MAX_ATTRIBUTES; i++)
		add_text(&span, arena_fmt(&arena, "k%d", i), "v", 1);
	read_span(&span);
	is_str(element(&batch->flags, 0), "0", "128 attributes");
	add_text(&span, "more", "v", 1);
	read_span(&span);
	is_str(element(&batch->flags, 0), "2", "129 are marked");
	ok(!strstr(element(&batch->attributes, 0), "more"), "and the last is not there");

	span = new_span(16, 8, NOW, NOW + 1);
	for (int i = 0; i < OTLP_MAX_EVENTS + 1; i++)
		protobuf_put_bytes(&span, 11, "", 0);
	read_span(&span);
	is_str(element(&batch->flags, 0), "2", "129 events are marked");
	span = new_span(16, 8, NOW, NOW + 1);
	add_text(&span, "\xff\xfe", "\xc3\x28\0z", 4);
	read_span(&span);
	is_str(element(&batch->attributes, 0),
	       "{\"\xef\xbf\xbd\xef\xbf\xbd\":\"\xef\xbf\xbd(\xef\xbf\xbdz\"}",
	       "bytes that are no characters are replaced");
}

static void test_lies(void)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *name;
	} bad[] = {
		{ "\x0a\x05", 2, "a length beyond the end" },
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a length of 2^64-1" },
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, "one of more than 64 bits" },
		{ "\x0a\x80", 2, "a varint that does not end" },
		{ "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "a tag of eleven bytes" },
		{ "\x02\x00", 2, "field 0" },
		{ "\x0b\x0c", 2, "a group" },
		{ "\x0f", 1, "a type that is none" },
		{ "\x09\x01\x02", 3, "eight bytes of which six are missing" },
		{ "\x08\x01", 2, "resource_spans as a number" },
		{ "\x0a\x04\x12\x02\x12\x09", 6, "a span that is longer than its scope" },
		{ "\x0a\x08\x12\x06\x12\x04\x0d\x01\x02\x03", 10, "a trace id of 32 bits, cut" },
		{ "\x0a\x09\x12\x07\x12\x05\x0d\x01\x02\x03\x04", 11, "a trace id of 32 bits" },
	};
	struct buf known = new_span(16, 8, NOW, NOW + 1);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_int(read_bytes(OTLP_PROTOBUF, bad[i].bytes, bad[i].n), ERR_BAD_REQUEST, "%s", bad[i].name);
	is_int(read_bytes(OTLP_PROTOBUF, "", 0), ERR_OK, "nothing at all is an empty request");
	protobuf_put_int(&known, 4000, 1ULL << 63);
	protobuf_put_bytes(&known, 999, "new", 3);
	put_fixed64(&known, 12, 1);
	is_int(read_span(&known), ERR_OK, "fields that nobody knows");
	is_int(batch->taken, 1, "are passed over");
}

static void test_columns_bound(void)
{
	struct buf spans = message(), span = new_span(16, 8, NOW, NOW + 1);
	char *text = arena_alloc(&arena, OTLP_MAX_VALUE);

	memset(text, 1, OTLP_MAX_VALUE); /* six bytes each as JSON */
	for (int i = 0; i < 20; i++)
		add_text(&span, arena_fmt(&arena, "k%d", i), text, OTLP_MAX_VALUE);
	for (int i = 0; i < 200; i++)
		add_span(&spans, &span);
	is_int(read_spans(&spans), ERR_PAYLOAD_TOO_LARGE, "columns of more than 40 MiB");
	ok(batch->taken < 100, "are not filled further");
}

/* gzip */

static struct buf zipped(const void *p, size_t n)
{
	z_stream z = { .next_in = (Bytef *)p, .avail_in = (uInt)n };
	struct buf b = message();

	deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	z.next_out = (Bytef *)buf_room(&b, n + 100);
	z.avail_out = (uInt)n + 100;
	deflate(&z, Z_FINISH);
	b.n = z.total_out;
	deflateEnd(&z);
	return b;
}

static void test_gunzip(void)
{
	char *zeros = arena_alloc(&arena, 5 << 20), *out;
	struct buf z = zipped("hello", 5), bomb, twice;
	size_t n, before;

	is_int(gunzip(&arena, z.p, z.n, 5, &out, &n, &problem), ERR_OK, "as much as may be");
	is_bytes(out, n, "hello", "it is what it was");
	is_int(gunzip(&arena, z.p, z.n, 4, &out, &n, &problem), ERR_PAYLOAD_TOO_LARGE, "one byte more");
	for (size_t i = 0; i < z.n; i++)
		is_int(gunzip(&arena, z.p, i, 100, &out, &n, &problem), ERR_BAD_REQUEST, "%zu of its bytes",
		       i);
	twice = message();
	buf_add(&twice, z.p, z.n);
	buf_add(&twice, z.p, z.n);
	is_int(gunzip(&arena, twice.p, twice.n, 100, &out, &n, &problem), ERR_OK, "two members");
	is_bytes(out, n, "hellohello", "one behind the other");
	buf_text(&twice, "x");
	is_int(gunzip(&arena, twice.p, twice.n, 100, &out, &n, &problem), ERR_BAD_REQUEST,
	       "and something else");
	z.p[z.n - 6] ^= 1;
	is_int(gunzip(&arena, z.p, z.n, 100, &out, &n, &problem), ERR_BAD_REQUEST, "another checksum");
	is_int(gunzip(&arena, "hello", 5, 100, &out, &n, &problem), ERR_BAD_REQUEST, "no gzip");
	bomb = zipped(zeros, 5 << 20);
	before = arena.used;
	is_int(gunzip(&arena, bomb.p, bomb.n, 1 << 20, &out, &n, &problem), ERR_PAYLOAD_TOO_LARGE, "a bomb");
	ok(arena.used - before < 5 << 20, "takes %zu bytes", arena.used - before);
}

/* Counters */

static struct counters count(const char *attributes)
{
	struct counters c;
	char *open = arena_fmt(&arena, ",\"attributes\":[%s]", attributes);

	span_with(open);
	counters_read(&arena, &batch->span, &c);
	return c;
}

#define INT_OF(key, v) "{\"key\":\"" key "\",\"value\":{\"intValue\":" #v "}}"
#define REAL_OF(key, v) "{\"key\":\"" key "\",\"value\":{\"doubleValue\":" #v "}}"
#define TEXT_OF(key, v) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" v "\"}}"

static void test_counters(void)
{
	struct counters c;

	c = count(INT_OF("gen_ai.usage.prompt_tokens", 100) "," INT_OF(
		"gen_ai.usage.completion_tokens",
		10) "," INT_OF("gen_ai.usage.cache_read_input_tokens",
			       40) "," INT_OF("gen_ai.usage.reasoning_tokens",
					      5) "," TEXT_OF("gen_ai.request.model", "gpt-4o"));
	is_int(c.total, 155, "the contract's four counters are summed");
	is_int(c.prompt_cost, 2500, "100 tokens at 2.50 dollars a million");
	is_int(c.completion_cost, 1000, "10 at 10");
	is_int(c.total_cost, 3500, "and both");
	c = count(INT_OF("gen_ai.usage.input_tokens", 100) "," INT_OF(
		"gen_ai.usage.output_tokens",
		10) "," INT_OF("gen_ai.usage.cache_read.input_tokens",
			       40) "," INT_OF("gen_ai.usage.reasoning.output_tokens",
					      5) "," TEXT_OF("gen_ai.request.model", "gpt-4o"));
	is_int(c.total, 110, "today's input has what was cached in it, and output the reasoning");
	is_int(c.prompt_cost, 2000, "of which a cached token costs 1.25 dollars a million");
	is_int(c.cache_read, 40, "the counter is there");
	c = count(INT_OF("gen_ai.usage.input_tokens", 7) "," INT_OF("gen_ai.usage.prompt_tokens", 8));
	is_int(c.prompt, 8, "the contract's name comes first");
	c = count(INT_OF("gen_ai.usage.total_tokens", 1000) "," INT_OF("gen_ai.usage.input_tokens", 1));
	is_int(c.total, 1000, "a stored total is the total");
	c = count(REAL_OF("gen_ai.usage.total_cost", 0.00012345) "," REAL_OF(
		"gen_ai.usage.prompt_cost", 1.5) "," INT_OF("gen_ai.usage.input_tokens",
							    1000000) "," TEXT_OF("gen_ai.request.model",
										 "gpt-4o"));
	is_int(c.total_cost, 1235, "a stored cost is the cost, to 1e-7 dollars");
	is_int(c.prompt_cost, 15000000, "each by itself");
	c = count(REAL_OF("gen_ai.usage.prompt_cost", 1) "," INT_OF(
		"gen_ai.usage.output_tokens", 1000) "," TEXT_OF("gen_ai.request.model", "gpt-4o"));
	is_int(c.total_cost, 10000000 + 100000, "a stored part and a computed one");
	c = count(INT_OF("gen_ai.usage.input_tokens", 1) "," INT_OF(
		"gen_ai.usage.output_tokens", 1) "," TEXT_OF("gen_ai.request.model", "gpt-4o-mini"));
	is_int(c.prompt_cost, 2, "0.15e-6 dollars are 1.5 units, half up");
	is_int(c.completion_cost, 6, "0.6e-6 are 6");
	is_int(c.total_cost, 8, "7.5 together, rounded once");
	c = count(INT_OF("gen_ai.usage.input_tokens", 1000) "," TEXT_OF(
		"gen_ai.request.model", "gpt-4o") "," TEXT_OF("gen_ai.response.model", "nobody-knows"));
	is_int(c.total_cost, 0, "the response's model counts, and an unknown one costs nothing");
	c = count(INT_OF("gen_ai.usage.input_tokens", 1000) "," TEXT_OF("gen_ai.response.model",
									"perplexity/sonar"));
	is_int(c.total_cost, 10000, "a name with its provider in front");
	c = count(TEXT_OF("gen_ai.usage.input_tokens", "12") "," INT_OF(
		"gen_ai.usage.output_tokens", -5) "," INT_OF("gen_ai.usage.reasoning_tokens",
							     9000000000000000000));
	is_int(c.prompt, 12, "digits count");
	is_int(c.completion, 0, "less than nothing does not");
	is_int(c.reasoning, 0, "nor what is absurd");
	c = count(TEXT_OF("langfuse.session.id", "l") "," TEXT_OF("gen_ai.conversation.id",
								  "c") "," TEXT_OF("session.id", "s"));
	is_bytes(c.session.p, c.session.n, "s", "session.id comes first");
	c = count("{\"key\":\"observability.tags\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
		  "\"a\"},{\"stringValue\":\"b\"}]}}}");
	is_bytes(c.tags.p, c.tags.n, "[\"a\",\"b\"]", "tags as an array");
	c = count(TEXT_OF("observability.tags", "not json"));
	is_bytes(c.tags.p, c.tags.n, "[\"not json\"]", "tags that are none are one");
	c = count(TEXT_OF("observability.tags", "[1,\\\"x\\\",{\\\"y\\\":2},\\\"\\\"]"));
	is_bytes(c.tags.p, c.tags.n, "[\"x\"]", "what is no text is no tag");
	c = count(TEXT_OF("observability.tags", "[]"));
	is_int((long long)c.tags.n, 0, "none");
}

/* Is a span with these members kept by these rules? */
static bool keeps(const char *rules, const char *members)
{
	struct sampler s;

	sampler_read(&arena, rules, &s);
	span_with(members);
	return sampler_keeps(&s, &batch->span);
}

static void test_sampler(void)
{
	static const char of_name[] = "[{\"name_prefix\":\"GET \",\"ratio\":0}]";
	static const char of_value[] = "[{\"attribute\":\"n\",\"value\":\"7\",\"ratio\":0}]";
	static const char slow[] = "[{\"ratio\":0,\"slower_than_ms\":0}]";
	int kept = 0;

	ok(keeps(NULL, ""), "without rules all is kept");
	ok(keeps("[]", "") && keeps("{}", "") && keeps("x", ""), "and with none, or what is none");
	ok(!keeps(of_name, ",\"name\":\"GET /x\""), "a name that begins so");
	ok(keeps(of_name, ",\"name\":\"GET\""), "a shorter one");
	ok(!keeps(of_value, ",\"attributes\":[" INT_OF("n", 7) "]"), "a number");
	ok(!keeps(of_value, ",\"attributes\":[" TEXT_OF("n", "7") "]"), "a text");
	ok(!keeps(of_value, ",\"attributes\":[" REAL_OF("n", 7.0) "]"), "a number with a point");
	ok(keeps(of_value, ",\"attributes\":[" INT_OF("n", 77) "]"), "another one");
	ok(keeps(of_value, ",\"attributes\":[" INT_OF("m", 7) "]"), "another attribute");
	ok(keeps(slow, ""), "a microsecond is more than none");
	ok(!keeps("[{\"ratio\":0}]", ",\"status\":{\"code\":2}"), "an error is not kept by itself");
	ok(keeps("[{\"ratio\":0,\"keep_errors\":true}]", ",\"status\":{\"code\":2}"),
	   "but where the rule says so");
	for (int i = 0; i < 1000; i++)
		kept += keeps("[{\"ratio\":0.1}]",
			      arena_fmt(&arena, ",\"traceId\":\"%032x\"", i + 1)); /* made one by one */
	ok(kept > 60 && kept < 140, "a tenth of ids that are not random: %d of 1000", kept);
}

/* Log records */

static enum err read_records(enum otlp_encoding encoding, const char *p, size_t n)
{
	batch = otlp_batch_new(&arena, n, OLDEST, INT64_MAX);
	batch->signal = OTLP_RECORDS;
	problem = NULL;
	return otlp_read(batch, encoding, p, n, &problem);
}

static enum err read_record(const char *members)
{
	const char *text = arena_fmt(&arena,
				     "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":"
				     "\"1767225600000000000\"%s}]}]}]}",
				     members);

	return read_records(OTLP_JSON, text, strlen(text));
}

/* What opentelemetry-js sent: in both encodings the same, but for the traces' ids. */
static void test_record_exporter(const char *path, enum otlp_encoding encoding)
{
	char *p;
	size_t n = slurp(path, &p);

	is_int(read_records(encoding, p, n), ERR_OK, "%s: it is read", path);
	is_int(batch->taken, 3, "%s: three records", path);
	if (batch->taken != 3)
		return;
	is_str(element(&batch->bodies, 0),
	       "\"Gr\xc3\xbc\xc3\x9f"
	       "e\"",
	       "%s: body", path);
	is_str(element(&batch->bodies, 1), "{\"card\":{\"last4\":\"4242\"},\"tries\":3}",
	       "%s: one of several members", path);
	is_str(element(&batch->attributes, 0),
	       "{\"status\":201,\"ratio\":0.25,\"ok\":true,\"words\":[\"a\",\"b\"]}", "%s: attributes", path);
	is_str(element(&batch->severities, 0), "9", "%s: severity", path);
	is_str(element(&batch->severities, 1), "18", "%s: another", path);
	is_str(element(&batch->severities, 2), "0", "%s: none", path);
	is_str(element(&batch->severity_texts, 0), "info", "%s: its text", path);
	is_str(element(&batch->event_names, 1), "payment.failed", "%s: an event", path);
	is_str(element(&batch->span_ids, 0), "-1233533854170369676", "%s: span", path);
	is_str(element(&batch->span_ids, 2), NULL, "%s: of none", path);
	is_str(element(&batch->trace_ids, 2), "00000000000000000000000000000000", "%s: and of no trace",
	       path);
	is_str(element(&batch->services, 2), "shop", "%s: service", path);
	is_str(element(&batch->scopes, 0), "checkout", "%s: scope", path);
	is_str(element(&batch->resource_attributes, 0), "{\"service.name\":\"shop\"}",
	       "%s: the resource, without a project of the client's choice", path);
	ok(strcmp(element(&batch->digests, 0), element(&batch->digests, 1)) != 0, "%s: each is another one",
	   path);
}

static void test_records(void)
{
	const char *first;

	test_record_exporter("t/fuzz/corpus/otlp/js_logs.pb", OTLP_PROTOBUF);
	test_record_exporter("t/fuzz/corpus/otlp/js_logs.json", OTLP_JSON);
	is_int(read_record(""), ERR_OK, "a record that says nothing");
	is_str(element(&batch->bodies, 0), NULL, "has no body");
	is_str(element(&batch->attributes, 0), "{}", "and no attributes");
	first = element(&batch->digests, 0);
	is_int(read_record(",\"body\":null,\"droppedAttributesCount\":3,\"flags\":1"), ERR_OK,
	       "nor one of null");
	is_str(element(&batch->bodies, 0), NULL, "is one");
	is_str(element(&batch->digests, 0), first, "it is the same one");
	is_int(read_record(",\"body\":{}"), ERR_OK, "a body without a value");
	is_str(element(&batch->bodies, 0), "null", "is null");
	is_int(read_record(",\"body\":{\"stringValue\":\"a\"},\"body\":{\"intValue\":7}"), ERR_OK,
	       "of two bodies");
	is_str(element(&batch->bodies, 0), "7", "the last");
	is_int(read_record(",\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"\""), ERR_OK,
	       "ids of zero");
	is_int(batch->taken, 1, "are none");
	is_int(read_record(",\"traceId\":\"00\""), ERR_OK, "one of another length");
	is_int(batch->rejected[OTLP_BAD_ID], 1, "is counted");
	is_int(batch->bodies.n + batch->attributes.n, 0, "and nothing of it is left");
	is_int(read_record(",\"body\":{\"arrayValue\":[]}"), ERR_BAD_REQUEST,
	       "an array that is no ArrayValue");
	is_int(read_records(OTLP_JSON, "{\"resourceSpans\":[{\"scopeSpans\":7}]}", 36), ERR_OK,
	       "spans are passed over");
	is_int(batch->taken, 0, "they are none");
}

/* What is answered */

static void test_answers(void)
{
	struct buf b = message();

	otlp_put_response(&b, OTLP_JSON, OTLP_SPANS, 0, NULL);
	is_str(buf_str(&b), "{}", "success leaves partialSuccess unset");
	b = message();
	otlp_put_response(&b, OTLP_JSON, OTLP_SPANS, 3, "three \"bad\" ones");
	is_str(buf_str(&b),
	       "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"three \\\"bad\\\" ones\"}}",
	       "a 64-bit integer is a text");
	b = message();
	otlp_put_response(&b, OTLP_JSON, OTLP_RECORDS, 1, "bad");
	is_str(buf_str(&b), "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\",\"errorMessage\":\"bad\"}}",
	       "of records");
	b = message();
	otlp_put_response(&b, OTLP_PROTOBUF, OTLP_RECORDS, 0, NULL);
	is_int((long long)b.n, 0, "and in protobuf nothing");
	b = message();
	otlp_put_response(&b, OTLP_PROTOBUF, OTLP_SPANS, 300, "bad");
	is_bytes(b.p, b.n,
		 "\x0a\x08\x08\xac\x02\x12\x03"
		 "bad",
		 "partial_success");
	b = message();
	otlp_put_status(&b, OTLP_PROTOBUF, 400, "no");
	is_bytes(b.p, b.n, "\x08\x03\x12\x02no", "google.rpc.Status");
	b = message();
	otlp_put_status(&b, OTLP_JSON, 429, "slow down");
	is_str(buf_str(&b), "{\"code\":14,\"message\":\"slow down\"}",
	       "UNAVAILABLE, which may be sent again");
}

int main(void)
{
	arena_init(&arena, 1 << 16);
	ok(!ai_model_load(""), "the models");
	test_exporter();
	test_cut();
	test_values();
	test_json();
	test_spans();
	test_limits();
	test_lies();
	test_columns_bound();
	test_gunzip();
	test_counters();
	test_sampler();
	test_records();
	test_answers();
	arena_release(&arena);
	return done_testing();
}
