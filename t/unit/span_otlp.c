/*
 * Spans as OTLP and Zipkin have them, byte by byte where it matters, and what collectors answer.
 */
#include "worker/span_otlp.h"

#include "fcgi/route.h"
#include "fcgi/version.h"
#include "lib/base/arena.h"
#include "lib/host/config.h"
#include "lib/host/span.h"
#include "t/unit/tap.h"
#include "worker/otel.h"
#include "worker/span_zipkin.h"

const struct route *const route_tables[] = { NULL };

static struct arena a;
static const struct otel_pair resource[] = { { "service.name", "shop" },
					     { "host.name", "h\"1" },
					     { NULL, NULL } };

static struct span make(void)
{
	struct span s = { .trace = { 0xaa, [15] = 1 },
			  .id = { 0xbb, [7] = 2 },
			  .start_ns = 1700000000123456789,
			  .duration_ns = 400,
			  .kind = SPAN_SERVER,
			  .n = 6 };

	memcpy(s.data, "GET /", 6);
	return s;
}

static const char *json_of(const struct span *s)
{
	struct buf b;

	buf_init(&b, &a, 64);
	span_otlp_json_one(&b, s);
	return buf_str(&b);
}

static void test_json(void)
{
	static const struct trace_context other = { .trace = { 1 }, .span = { 2 } };
	struct span s = make();

	is_str(json_of(&s),
	       "{\"traceId\":\"aa000000000000000000000000000001\",\"spanId\":\"bb00000000000002\",\"flags\":"
	       "257,"
	       "\"name\":\"GET /\",\"kind\":2,\"startTimeUnixNano\":\"1700000000123456789\","
	       "\"endTimeUnixNano\":\"1700000000123457189\",\"attributes\":[{\"key\":\"ashlar.process\","
	       "\"value\":"
	       "{\"stringValue\":\"ashlar\"}}],\"status\":{}}",
	       "a root without attributes");
	s.parent[0] = 9;
	s.is_error = s.is_remote = true;
	span_number(&s, SPAN_HTTP_STATUS, -5);
	span_text(&s, SPAN_ERROR_TYPE, "a\"b");
	span_text(&s, SPAN_STATE, "x=1");
	span_link(&s, &other);
	s.lost = 3;
	s.lost_links = 4;
	has_str(json_of(&s), "\"parentSpanId\":\"0900000000000000\",\"flags\":769",
		"a parent of another program's");
	has_str(json_of(&s), "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"-5\"}}",
		"a number is text");
	has_str(json_of(&s), "{\"stringValue\":\"a\\\"b\"}", "a text is escaped");
	has_str(json_of(&s),
		"\"droppedAttributesCount\":3,\"traceState\":\"x=1\",\"links\":[{\"traceId\":"
		"\"01000000000000000000000000000000\",\"spanId\":\"0200000000000000\"}],"
		"\"droppedLinksCount\":4,\"status\":{\"code\":2}}",
		"and all else");
}

static void test_protobuf(void)
{
	struct span s[2] = { make(), make() };
	struct buf b;

	buf_init(&b, &a, 1);
	span_otlp_protobuf(&b, resource, s, 0);
	is_bytes(b.p, b.n,
		 "\x0a\x42"
		 "\x0a\x2c"
		 "\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop"
		 "\x0a\x12\x0a\x09host.name\x12\x05\x0a\x03h\"1"
		 "\x12\x12\x0a\x10\x0a\x06"
		 "ashlar\x12\x06" ASHLAR_VERSION,
		 "no span: the resource and the scope");
	s[1].n = 1;
	s[1].data[0] = '\0';
	buf_init(&b, &a, 1);
	span_otlp_protobuf(&b, resource, s, 2);
	ok(b.n > 200 && b.p[0] == '\x0a', "two spans: lengths of more than a byte");
}

static void test_zipkin(void)
{
	struct span s = make();
	struct buf b;

	span_number(&s, SPAN_HTTP_STATUS, 200);
	buf_init(&b, &a, 64);
	span_zipkin_json(&b, resource, &s, 1);
	is_str(buf_str(&b),
	       "[{\"traceId\":\"aa000000000000000000000000000001\",\"id\":\"bb00000000000002\",\"kind\":"
	       "\"SERVER\","
	       "\"name\":\"GET "
	       "/\",\"timestamp\":1700000000123456,\"duration\":1,\"localEndpoint\":{\"serviceName\":"
	       "\"shop\"},\"tags\":{\"host.name\":\"h\\\"1\",\"otel.scope.name\":\"ashlar\",\"otel.scope."
	       "version\":"
	       "\"" ASHLAR_VERSION
	       "\",\"ashlar.process\":\"ashlar\",\"http.response.status_code\":\"200\"}}]",
	       "a span of less than a microsecond has one");
	s.kind = SPAN_INTERNAL;
	s.is_error = true;
	buf_init(&b, &a, 64);
	span_zipkin_json(&b, resource, &s, 1);
	ok(!strstr(buf_str(&b), "\"kind\""), "what is within a program has no kind there");
	has_str(buf_str(&b), "\"otel.status_code\":\"ERROR\",\"error\":\"true\"", "an error is a tag");
}

static int64_t rejected(const char *body, size_t n, const char **why)
{
	return span_otlp_rejected(&a, body, n, why);
}

static void test_answers(void)
{
	const char *why;

	is_int(rejected("", 0, &why), 0, "an empty answer: all were taken");
	is_int(rejected("{}", 2, &why), 0, "an empty object");
	is_int(rejected("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}", 60, &why),
	       3, "three were not");
	is_str(why, "no", "  and why");
	is_int(rejected("{\"partialSuccess\":{\"rejectedSpans\":2}}", 38, &why), 2,
	       "a number, as some write it");
	is_int(rejected("{\"partialSuccess\":[1]}", 22, &why), 0, "what it is not");
	is_int(rejected("{\"partialSu", 11, &why), 0, "half of one");
	is_int(rejected("\x0a\x06\x08\x05\x12\x02no", 8, &why), 5, "in protobuf");
	is_str(why, "no", "  and why");
	is_int(rejected("\x0a\x7f\x08", 3, &why), 0, "one that lies about its length");
	is_int(rejected("thanks", 6, &why), 0, "and what is none");
}

static void pairs(const char *text, const char *want)
{
	const char *problem = NULL;
	const struct otel_pair *p = otel_pairs(&a, text, &problem);
	struct buf b;

	buf_init(&b, &a, 64);
	for (; p && p->name; p++)
		buf_fmt(&b, "[%s|%s]", p->name, p->value);
	is_str(problem ? problem : buf_str(&b), want, "pairs of \"%s\"", text);
}

static void test_settings(void)
{
	const struct otel_pair *all;

	pairs("", "");
	pairs("a=1, b = x%20y ,,c=", "[a|1][b|x y][c|]");
	pairs("a=b=c", "[a|b=c]");
	pairs("a", "must be name=value with commas between");
	pairs("=1", "must be name=value with commas between");
	ok(otel_check_attributes("a=%zz"), "an escape that is none");
	ok(!otel_check_headers("Authorization=Bearer%20x") && !otel_check_headers(""), "headers");
	ok(otel_check_headers("a b=1") && otel_check_headers("a=%0d%0ab"), "  and what is none");
	cfg.otel_service_name = "";
	cfg.otel_resource_attributes = "service.name=theirs,x=1,host.name=mine";
	all = otel_resource(&a);
	ok(!strcmp(all[0].name, "service.name") && !strcmp(all[0].value, "theirs"),
	   "a name among the attributes");
	ok(!strcmp(all[2].value, "mine") && !strcmp(all[3].name, "x") && !all[4].name,
	   "one that is there already is replaced");
	cfg.otel_service_name = "ours";
	is_str(otel_resource(&a)[0].value, "ours", "OTEL_SERVICE_NAME is before it");
	cfg.otel_traces_exporter = "otlp";
	cfg.otel_traces_endpoint = "";
	cfg.otel_endpoint = "http://c:4318";
	is_str(otel_url(&a), "http://c:4318/v1/traces", "where to");
	cfg.otel_endpoint = "http://c/api/otlp/";
	is_str(otel_url(&a), "http://c/api/otlp/v1/traces", "  with a slash");
	cfg.otel_traces_endpoint = "http://c/x";
	is_str(otel_url(&a), "http://c/x", "  by the whole URL");
}

int main(void)
{
	arena_init(&a, 4096);
	test_json();
	test_protobuf();
	test_zipkin();
	test_answers();
	test_settings();
	arena_release(&a);
	return done_testing();
}
