/*
 * The map that nginx reads: what a line says, and that few lines are enough.
 * t/ops/pools.t asks nginx itself what it makes of the real tables; "print"
 * writes the lines of 200 routes for bench/pools.
 */
#include "fcgi/route_map.h"

#include "fcgi/router.h"
#include "t/unit/tap.h"

enum { GENERATED = 200, LONGEST = 4000 };

static enum err handler(struct req *rq)
{
	(void)rq;
	return ERR_OK;
}

static const char *setting = "";

/* clang-format off */
#define RUN &by_anyone, "", .run = handler
static const struct route fixed[] = {
	{ GET,    "/api/v1/hooks",                   "platform.t.list",     RUN },
	{ POST,   "/api/v1/hooks",                   "platform.t.create",   RUN, .flags = SLOW },
	{ GET,    "/api/v1/hooks/{hook_id}",         "platform.t.get",      RUN },
	{ PUT,    "/api/v1/hooks/{hook_id}",         "platform.t.update",   RUN, .flags = SLOW },
	{ DELETE, "/api/v1/hooks/{hook_id}",         "platform.t.delete",   RUN },
	{ POST,   "/api/v1/hooks/{hook_id}/test",    "platform.t.test",     RUN, .flags = SLOW },
	{ PUT,    "/api/v1/hooks/count",             "platform.t.count",    RUN },
	{ GET,    "/api/v1/app/models/{name}",       "app.t.model",         RUN, .flags = SLOW },
	{ GET,    "/api/v1/app/models/default",      "app.t.default",       RUN },
	{ PATCH,  "/api/v1/both",                    "platform.t.patch",    RUN, .flags = SLOW },
	{ PUT,    "/api/v1/both",                    "platform.t.put",      RUN },
	{ GET,    "/api/v1/app/stream.json",         "app.t.stream",        RUN, .flags = REALTIME },
	{ POST,   "/api/v1/parts/{part}/{name}",     "platform.t.part",     RUN, .flags = REALTIME },
	{ POST,   "/api/v1/parts/some/{name}",       "platform.t.some",     RUN },
	{ POST,   "/api/v1/parts/some/one",          "platform.t.one",      RUN, .flags = HASHES },
	{ POST,   "/api/v1/waits",                   "platform.t.waits",    RUN, .slow_if = &setting },
	{ GET,    "/slow.html",                      "app.t.static",        &by_anyone, "", .flags = STATIC | SLOW },
	ROUTE_END
};
/* clang-format on */

static struct route generated[GENERATED + 1];

const struct route *const route_tables[] = { fixed, generated, NULL };

static struct arena arena;

static const char *map(void)
{
	struct buf b;

	buf_init(&b, &arena, 16384);
	route_map_write(&b);
	return buf_str(&b);
}

/* As many as a product with 1,050 endpoints may have, of the shapes that there are; of another pool than the
 * few above. */
static void generate(void)
{
	static const struct {
		enum method method;
		const char *path;
	} shapes[] = {
		{ POST, "/api/v1/app/ai/things%d/generate" },
		{ POST, "/api/v1/workspaces/{workspace_id}/things%d/{thing_id}/send" },
		{ GET, "/api/v1/workspaces/{workspace_id}/things%d/{thing_id}/preview" },
		{ PUT, "/api/v1/things%d/{thing_id}" },
		{ POST, "/api/things%d/{thing_id}/sync" },
	};
	enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

	for (int i = 0; i < GENERATED; i++) {
		const char *format = shapes[i % SHAPES].path, *number = strstr(format, "%d");

		generated[i] = (struct route){
			.caller = &by_anyone,
			.method = shapes[i % SHAPES].method,
			.path = arena_fmt(&arena, "%.*s%d%s", (int)(number - format), format, i / SHAPES,
					  number + 2),
			.id = strstr(format, "/v1/app/") ? "app.t.generated"
			      : strstr(format, "/v1/")   ? "platform.t.generated"
							 : "operations.t.generated",
			.run = handler,
			.flags = REALTIME,
		};
	}
}

static int longest_of(const char *text, int *lines)
{
	int longest = 0;

	for (*lines = 0; *text; ++*lines) {
		int n = (int)strcspn(text, "\n");

		longest = n > longest ? n : longest;
		text += n + 1;
	}
	return longest;
}

int main(int argc, char **argv)
{
	const char *text;
	int lines;

	arena_init(&arena, 65536);
	generate();
	router_init();
	text = map();
	if (argc > 1 && !strcmp(argv[1], "print")) {
		fputs(text, stdout);
		return 0;
	}
	has_str(text, "\"~^POST /api/v1/hooks(?:|/[0-9A-Fa-f%-]+/test)/?(?:[?]|$)\" slow;\n",
		"the methods and paths of slow rows, as a tree");
	has_str(text, "\"~^(?:PUT|PATCH) /api/v1/hooks/[0-9A-Fa-f%-]+/?(?:[?]|$)\" slow;\n",
		"PUT's twin goes with it, and a word beside an id does not");
	has_str(text, "\"~^PATCH /api/v1/both/?(?:[?]|$)\" slow;\n",
		"but not where the twin has a row of its own");
	has_str(text, "\"~^(?:GET|HEAD) /api(?:/v[1-2])?/app/models/[^/?]+/?(?:[?]|$)\" slow;\n",
		"GET's HEAD, and all versions");
	has_str(text, "/app/stream[.]json", "a dot is a dot");
	has_str(text, "\"~^GET /api(?:/v[1-2])?/app/models/default/?(?:[?]|$)\" main;\n",
		"what the router prefers to a parameter keeps its pool");
	ok(strstr(text, "default") < strstr(text, "models/[^"), "and stands in front");
	has_str(text, "POST /api/v1/parts/some/one/?(?:[?]|$)\" hash;\n",
		"of several words that it could be");
	ok(strstr(text, "parts/some/one/?(") < strstr(text, "parts/some/[^/?]+"),
	   "the most particular comes first, whatever the order of the rows");
	ok(!strstr(text, "DELETE") && !strstr(text, "OPTIONS") && !strstr(text, "count") &&
		   !strstr(text, "html"),
	   "all else is main's");
	ok(!strstr(text, "waits"), "so is what waits only with a setting that there is not,");
	setting = "https://elsewhere.example";
	has_str(map(), "\"~^POST /api/v1/(?:hooks(?:|/[0-9A-Fa-f%-]+/test)|waits)/?(?:[?]|$)\" slow;\n",
		"which is slow where there is");

	ok(longest_of(text, &lines) < LONGEST, "no line is longer than nginx reads");
	ok(lines <= 12, "%d routes are %d lines", GENERATED + 6, lines);
	arena_release(&arena);
	return done_testing();
}
