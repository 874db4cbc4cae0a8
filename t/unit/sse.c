/*
 * Event streams as they come, and models as data.
 */
#include "lib/base/sse.h"

#include <unistd.h>

#include "providers/ai_model.h"
#include "t/unit/tap.h"

static struct arena arena;

static bool note(void *to, const char *event, const char *data, size_t n)
{
	struct buf *b = to;

	buf_fmt(b, "%s=%.*s;", event, (int)n, data);
	return true;
}

/* What comes of a text in pieces of so many bytes; NULL: it was refused. */
static const char *read_in(const char *text, size_t n, size_t piece, size_t max)
{
	struct buf b;
	struct sse s;

	buf_init(&b, &arena, 64);
	sse_init(&s, &arena, max);
	for (size_t at = 0; at < n; at += piece)
		if (!sse_feed(&s, text + at, n - at < piece ? n - at : piece, note, &b))
			return NULL;
	return buf_str(&b);
}

static void test_events(void)
{
	static const struct {
		const char *text, *events, *name;
	} cases[] = {
		{ "data: a\n\n", "message=a;", "an event" },
		{ "data:a\r\rdata:b\r\n\r\n", "message=a;message=b;", "CR, and CR with LF" },
		{ "event: x\ndata: a\ndata:  b\n\ndata: c\n\n", "x=a\n b;message=c;",
		  "lines of one event; one blank goes" },
		{ "data\n\ndata:\ndata:\n\n", "message=;message=\n;", "empty ones" },
		{ ": a comment\nid: 7\nretry: 5\n\n\n\n", "", "what is none" },
		{ "event: x\n\ndata: a\n\n", "message=a;", "a name without data is forgotten" },
		{ "\xef\xbb\xbf"
		  "data: \xf0\x9f\x98\x80\n\n",
		  "message=\xf0\x9f\x98\x80;", "a mark in front, characters of four bytes" },
		{ "data: a\n\ndata: b\n", "message=a;", "an event that the stream ends within" },
		{ "data: {\"a\":\"b: c\"}\n\n", "message={\"a\":\"b: c\"};", "colons" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t piece = 1; piece < 9; piece++)
			is_str(read_in(cases[i].text, strlen(cases[i].text), piece, 100), cases[i].events,
			       "%s, %zu at a time", cases[i].name, piece);
	is_str(read_in("data: 0123456789\n\n", 18, 5, 16), "message=0123456789;", "the longest line");
	ok(!read_in("data: 01234567890\n\n", 19, 5, 16), "a longer one");
	ok(!read_in("data: 0123456789\ndata: 0123456789\n\n", 35, 5, 16), "an event of many lines");
}

static bool once(void *to, const char *event, const char *data, size_t n)
{
	note(to, event, data, n);
	return false;
}

static void test_stop(void)
{
	struct buf b;
	struct sse s;

	buf_init(&b, &arena, 64);
	sse_init(&s, &arena, 100);
	ok(!sse_feed(&s, "data: a\n\ndata: b\n\n", 18, once, &b), "whoever has enough says so");
	is_str(buf_str(&b), "message=a;", "and is told nothing more");
}

/* A file of models; what is wrong with it, or NULL. */
static const char *load(const char *text)
{
	char path[] = "/tmp/ashlar-models-XXXXXX";
	int fd = mkstemp(path);
	const char *problem;

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "a file");
	close(fd);
	problem = ai_model_load(path);
	unlink(path);
	return problem;
}

static void test_models(void)
{
	const struct ai_model *m;

	ok(!ai_model_load(""), "those that are compiled in");
	m = ai_model_find("gpt-4o");
	ok(m && m->can & AI_CAN_SCHEMA, "one of them");
	is_str(ai_model_find("claude-sonnet")->id, "claude-sonnet-4-5", "by an alias");
	ok(!ai_model_find("gpt-0") && ai_model_at(0) && !ai_model_at(1000), "and no others");
	is_int(ai_model_cost(m, 1000000, 0, 1000000), 12500000, "a million each way");
	is_int(ai_model_cost(m, 1000, 400, 0), 2000, "of which some was cached");
	is_int(ai_model_cost(ai_model_find("gpt-4o-mini"), 3, 0, 0), 0, "0.45 millionths are none");
	is_int(ai_model_cost(ai_model_find("gpt-4o-mini"), 3, 0, 1), 1, "1.05 are one: rounded once");
	is_int(ai_model_cost(ai_model_find("sonar"), 0, 0, 0), 5000, "and what a request costs by itself");
	ok(!load("[{\"id\":\"gpt-4o\",\"provider\":\"openai\",\"context\":10,\"max_output\":5,\"input\":1,"
		 "\"output\":2}]"),
	   "models of an operator");
	is_int(ai_model_find("gpt-4o")->context, 10, "come first");
	ok(ai_model_find("sonar") != NULL, "the others stay");
	ok(load("{}") != NULL, "no list");
	ok(load("[{\"id\":\"x\",\"provider\":\"acme\"}]") != NULL, "an unknown provider");
	ok(load("[{\"id\":\"x\",\"provider\":\"openai\",\"context\":10,\"max_output\":5,\"input\":0.5,"
		"\"output\":2}]") != NULL,
	   "half a millionth");
	ok(load("[{\"id\":\"x\",\"provider\":\"openai\",\"context\":10,\"max_output\":5,\"input\":1,"
		"\"output\":2,\"can\":[\"fly\"]}]") != NULL,
	   "what none can");
	ok(ai_model_load("/nowhere") != NULL, "a file that is not there");
	is_int(ai_model_find("gpt-4o")->context, 10, "what was wrong has changed nothing");
}

int main(void)
{
	arena_init(&arena, 4096);
	test_events();
	test_stop();
	test_models();
	arena_release(&arena);
	return done_testing();
}
