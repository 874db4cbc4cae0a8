/*
 * Answers: envelopes, errors, headers, entity tags and what Accept allows.
 * The database is a function here, which returns the rows that a test made.
 */
#include "fcgi/answer.h"

#include <stdint.h>

#include <json-c/json.h>

#include "fcgi/accept.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/host/config.h"
#include "t/unit/tap.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

const struct route *const route_tables[] = { NULL };

static struct req rq;
static PGresult *answer;
static const char *problem; /* of the JSON read last */

/* In the transaction's place. */
enum err tx_call_family(struct tx *tx, const struct query *q, const struct child *children, bool last,
			PGresult **out)
{
	(void)q, (void)children;
	ok(last, "the query that is the answer is the last of its transaction");
	*out = answer;
	if (!answer)
		return failure_set(&tx->fail, &tx->arena, ERR_UNAVAILABLE, NULL, NULL);
	return ERR_OK;
}

enum err tx_total(struct tx *tx, const struct query *q, PGresult **out)
{
	return tx_call_family(tx, q, NULL, true, out);
}

/* clang-format off */
static const struct field thing_out[] = {
	{ "name", F_TEXT, 0 },
	{ "rank", F_INT, F_V2 },
	FIELD_END
};
static const struct shape thing = { "Thing", thing_out };

static const struct list counting = { "things", NULL, { "total", "open" }, { "limit" }, { 20, 100 } };

#define ROUTE(surface, ...) { GET, "/api/v1/app/things/{thing_id}", surface ".things.get", &by_user, "", .out = &thing, __VA_ARGS__ }
static const struct route
	app = ROUTE("app"),
	skipping = ROUTE("app", .list = &skipped),
	bare = ROUTE("app", .flags = BARE),
	created = { POST, "/api/v1/app/things", "app.things.create", &by_user, "", .out = &thing },
	gone = ROUTE("app", .status = 204),
	elsewhere = ROUTE("platform", .redirect = true),
	file = { GET, "/api/v1/app/things/{thing_id}/file", "app.things.file", &by_user, "", .redirect = true },
	shapeless = { GET, "/api/v1/app/things", "app.things.x", &by_user, "" },
	platform = ROUTE("platform"),
	operations = ROUTE("operations"),
	wrapped = ROUTE("platform", .list = &unwrapped, .items = "things"),
	numbering = ROUTE("workspace", .list = &numbered),
	turning = ROUTE("platform", .list = &turned, .items = "things"),
	window = ROUTE("workspace", .list = &windowed),
	envelope = ROUTE("operations", .list = &enveloped),
	envelope_whole = ROUTE("operations", .list = &unpaged),
	all = ROUTE("app", .list = &counted),
	counting_too = ROUTE("app", .list = &counting),
	array = ROUTE("app", .list = &unwrapped),
	keyed = { GET, "/api/v1/plans", "platform.plans.list", &by_key, "" },
	text = { GET, "/api/v1/public/metrics", "app.x.metrics", &by_anyone, "", .flags = BARE, .content_type = "text/plain; charset=utf-8" };
/* clang-format on */

/* A request for a route, with one header: "HTTP_ACCEPT" and its value, or none. */
static void begin_with(const struct route *route, int version, const char *name, const char *value)
{
	static char *params[2];
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	params[0] = name ? arena_fmt(&arena, "%s=%s", name, value) : NULL;
	rq = (struct req){
		.tx.arena = arena,
		.asked.params = params,
		.asked.method = route ? route->method : GET,
		.asked.path = "/api/v1/app/things",
		.tx.log = { .request_id = "request-1" },
		.asked.route = route,
		.asked.version = version,
		.asked.start_ns = clock_ns(),
	};
}

static void begin(const struct route *route, int version)
{
	begin_with(route, version, NULL, NULL);
}

static const char *head(void)
{
	struct buf b;

	buf_init(&b, &rq.tx.arena, 64);
	answer_head(&rq, &b);
	return buf_str(&b);
}

/* How many lines of the head begin with this. */
static int lines(const char *text_of_head, const char *start)
{
	int n = !strncmp(text_of_head, start, strlen(start));

	for (const char *p = text_of_head; (p = strstr(p, "\r\n")); p += 2)
		n += !strncmp(p + 2, start, strlen(start));
	return n;
}

static struct json_object *parse(void)
{
	struct json_object *tree = NULL;

	problem = NULL;
	if (json_read(&rq.tx.arena, rq.answer.out.p, rq.answer.out.n, &tree, &problem))
		diag("%s in %s", problem, buf_str(&rq.answer.out));
	return tree;
}

/* The member at a path such as "meta.version", as JSON text. */
static const char *member(struct json_object *tree, const char *path)
{
	char name[64];

	while (*path) {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		if (!json_object_is_type(tree, json_type_object) ||
		    !json_object_object_get_ex(tree, name, &tree))
			return NULL;
		path += n + (path[n] == '.');
	}
	return json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* Rows */

enum { INT8 = 20, TEXT = 25, TIMESTAMPTZ = 1184 };

struct cell {
	const char *name;
	Oid type;
	const char *bytes; /* NULL: null */
	int n;
};

static void make_answer(struct cell *cells, int ncolumns, int nrows)
{
	PGresAttDesc columns[8];

	memset(columns, 0, sizeof(columns));
	for (int i = 0; i < ncolumns; i++) {
		columns[i].name = (char *)(uintptr_t)cells[i].name;
		columns[i].format = 1;
		columns[i].typid = cells[i].type;
	}
	PQclear(answer);
	answer = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PQsetResultAttrs(answer, ncolumns, columns);
	for (int i = 0; i < ncolumns * nrows; i++)
		PQsetvalue(answer, i / ncolumns, i % ncolumns, (char *)(uintptr_t)cells[i].bytes, cells[i].n);
}

/* clang-format off */
#define ONE "\0\0\0\0\0\0\0\1"
#define TWO "\0\0\0\0\0\0\0\2"
static struct cell
	row[] = { { "name", TEXT, "a\"b", 3 }, { "rank", INT8, TWO, 8 } },
	rows[] = {
		{ "name", TEXT, "a", 1 }, { "rank", INT8, ONE, 8 },
		{ "name", TEXT, "b", 1 }, { "rank", INT8, TWO, 8 },
	},
	page[] = {
		{ "total", INT8, TWO, 8 }, { "name", TEXT, "a", 1 }, { "rank", INT8, ONE, 8 },
		{ "total", INT8, TWO, 8 }, { "name", TEXT, "b", 1 }, { "rank", INT8, TWO, 8 },
	},
	counted_page[] = {
		{ "total", INT8, TWO, 8 }, { "_open", INT8, ONE, 8 }, { "name", TEXT, "a", 1 }, { "rank", INT8, ONE, 8 },
		{ "total", INT8, TWO, 8 }, { "_open", INT8, ONE, 8 }, { "name", TEXT, "b", 1 }, { "rank", INT8, TWO, 8 },
	},
	empty_page[] = { { "total", INT8, TWO, 8 }, { "name", TEXT, NULL, -1 }, { "rank", INT8, NULL, -1 } };
/* clang-format on */

/* A row that says where to go, and the same where it is null. */
static struct cell place[] = { { "_location", TEXT, "https://files.example.com/a?sig=1", 33 },
			       { "name", TEXT, "a", 1 } },
		   nowhere[] = { { "_location", TEXT, NULL, -1 }, { "name", TEXT, "a", 1 } };

/* A query of a shape. */
static const struct query *of_shape(enum query_shape shape)
{
	static const struct query some[] = {
		[SHAPE_EXEC] = { .shape = SHAPE_EXEC },   [SHAPE_ROW] = { .shape = SHAPE_ROW },
		[SHAPE_MAYBE] = { .shape = SHAPE_MAYBE }, [SHAPE_ROWS] = { .shape = SHAPE_ROWS },
		[SHAPE_PAGE] = { .shape = SHAPE_PAGE },
	};

	return &some[shape];
}

/* What the client has sent: three pages of twenty are behind it, whatever the form calls that. */
static void send_page(const struct route *route)
{
	static const char *const names[] = { "skip", "offset", "page", "limit", "page_size", "per_page" };
	static struct value values[COUNT(names)];

	for (size_t i = 0; i < COUNT(names); i++) {
		long long n = i < 2 ? 40 : i == 2 ? 3 : 20;

		values[i] = (struct value){ .name = names[i],
					    .i = n,
					    .text = i < 2    ? "40"
						    : i == 2 ? "3"
							     : "20" };
	}
	rq.tx.values = values;
	rq.tx.nvalues = rq.tx.values_cap = COUNT(names);
	if (route->list)
		route_list_bind(rq.asked.route, &rq.tx);
}

static const char *answered(const struct route *route, int version, enum query_shape shape)
{
	enum err rc;

	begin(route, version);
	send_page(route);
	rc = answer_rows(&rq, of_shape(shape));
	return rc ? err_info(rc)->code : buf_str(&rq.answer.out);
}

static void test_v1(void)
{
	make_answer(row, 2, 1);
	is_str(answered(&app, 1, SHAPE_ROW), "{\"name\":\"a\\\"b\"}",
	       "v1: a row is the object, without what is of v2");
	is_int(rq.answer.status, 200, "with 200");
	is_str(answered(&platform, 1, SHAPE_ROW), "{\"name\":\"a\\\"b\"}", "platform: the object, too");
	is_str(answered(&operations, 1, SHAPE_ROW), "{\"data\":{\"name\":\"a\\\"b\"}}",
	       "operations: inside data");
	is_str(answered(&created, 1, SHAPE_ROW), "{\"name\":\"a\\\"b\"}", "what was created");
	is_int(rq.answer.status, 201, "with 201");
	is_str(answered(&gone, 1, SHAPE_ROW), "", "204 has no body");
	is_int(rq.answer.status, 204, "with 204");
	is_str(answered(&shapeless, 1, SHAPE_EXEC), "", ":exec has none either");
	is_int(rq.answer.status, 204, "with 204");

	make_answer(rows, 2, 2);
	is_str(answered(&app, 1, SHAPE_ROWS), "[{\"name\":\"a\"},{\"name\":\"b\"}]", "rows are an array");
	make_answer(rows, 2, 0);
	is_str(answered(&app, 1, SHAPE_ROWS), "[]", "no rows an empty one");

	make_answer(page, 3, 2);
	is_str(answered(&platform, 1, SHAPE_PAGE), "[{\"name\":\"a\"},{\"name\":\"b\"}]",
	       "and so is a page without a form");
}

#define THINGS "[{\"name\":\"a\"},{\"name\":\"b\"}]"

static void test_lists(void)
{
	make_answer(rows, 2, 2);
	is_str(answered(&wrapped, 1, SHAPE_ROWS), "{\"things\":" THINGS "}", "a list may have a name");
	is_str(answered(&array, 1, SHAPE_ROWS), THINGS, "or none");
	is_str(answered(&all, 1, SHAPE_ROWS), "{\"items\":" THINGS ",\"total\":2}",
	       "without a count they are counted");
	is_str(answered(&envelope_whole, 1, SHAPE_ROWS),
	       "{\"data\":" THINGS ",\"meta\":{\"total\":2,\"limit\":1000,\"offset\":0}}",
	       "without paging the limit is what a list has at most");
	make_answer(page, 3, 2);
	is_str(answered(&array, 1, SHAPE_PAGE), THINGS, "a page, too");
	is_str(answered(&skipping, 1, SHAPE_PAGE),
	       "{\"items\":" THINGS ",\"total\":2,\"skip\":40,\"limit\":20}", "skip and limit are repeated");
	is_str(answered(&numbering, 1, SHAPE_PAGE),
	       "{\"items\":" THINGS ",\"total\":2,\"page\":3,\"page_size\":20,\"total_pages\":1}",
	       "pages have numbers");
	is_str(req_text(&rq, "skip"), "40", "  of which the query gets how many to skip");
	is_str(answered(&turning, 1, SHAPE_PAGE),
	       "{\"things\":" THINGS
	       ",\"total\":2,\"page\":3,\"per_page\":20,\"has_next\":false,\"has_prev\":true}",
	       "and neighbours");
	is_str(answered(&window, 1, SHAPE_PAGE),
	       "{\"items\":" THINGS ",\"total\":2,\"limit\":20,\"offset\":40,\"has_more\":false}",
	       "or are a window");
	is_str(answered(&envelope, 1, SHAPE_PAGE),
	       "{\"data\":" THINGS ",\"meta\":{\"total\":2,\"limit\":20,\"offset\":40}}",
	       "numbers may be in meta");
	is_str(req_text(&rq, "skip"), "40", "  offset is the query's skip");
	is_int(rq.answer.status, 200, "with 200");
	make_answer(counted_page, 4, 2);
	is_str(answered(&counting_too, 1, SHAPE_PAGE), "{\"things\":" THINGS ",\"total\":2,\"open\":1}",
	       "another number is a column of the query");
	make_answer(empty_page, 3, 1);
	is_str(answered(&skipping, 1, SHAPE_PAGE), "{\"items\":[],\"total\":2,\"skip\":40,\"limit\":20}",
	       "a page behind the last one is empty, but has its total");
	is_str(answered(&array, 1, SHAPE_PAGE), "[]", "also as an array");
}

/* The numbers at the edges. */
static void test_numbers(void)
{
	static const struct {
		const char *page, *size, *skip;
	} pages[] = {
		{ "1", "20", "0" },
		{ "2", "20", "20" },
		{ "1000000000", "100", "99999999900" },
		{ "9223372036854775807", "100", "9223372036854775807" },
	};
	struct value values[2];

	for (size_t i = 0; i < COUNT(pages); i++) {
		begin(&numbering, 1);
		values[0] = (struct value){ .name = "page",
					    .i = strtoll(pages[i].page, NULL, 10),
					    .text = pages[i].page };
		values[1] = (struct value){ .name = "page_size",
					    .i = strtoll(pages[i].size, NULL, 10),
					    .text = pages[i].size };
		rq.tx.values = values;
		rq.tx.nvalues = rq.tx.values_cap = 2;
		route_list_bind(rq.asked.route, &rq.tx);
		is_str(req_text(&rq, "skip"), pages[i].skip, "page %s of %s skips %s", pages[i].page,
		       pages[i].size, pages[i].skip);
		is_str(req_text(&rq, "limit"), pages[i].size, "  and takes %s", pages[i].size);
	}
}

static void test_v2(void)
{
	struct json_object *tree;

	make_answer(row, 2, 1);
	has_str(answered(&app, 2, SHAPE_ROW), "{\"data\":{\"name\":\"a\\\"b\",\"rank\":2},\"meta\":{",
		"v2: the object is in data, with what v2 adds");
	tree = parse();
	is_str(member(tree, "meta.request_id"), "\"request-1\"", "the request's id is in meta");
	is_str(member(tree, "meta.version"), "\"v2\"", "and so is the version");
	is_int((long long)strlen(member(tree, "meta.timestamp")), 26, "and the time");
	is_bytes(rq.answer.out.p + rq.answer.data_from, rq.answer.data_to - rq.answer.data_from,
		 "{\"name\":\"a\\\"b\",\"rank\":2}", "the tag is made of data alone, not of the time");
	is_str(answered(&bare, 2, SHAPE_ROW), "{\"name\":\"a\\\"b\",\"rank\":2}",
	       "a bare route has none of it");

	make_answer(page, 3, 2);
	answered(&skipping, 2, SHAPE_PAGE);
	is_str(member(parse(), "data"),
	       "{\"items\":[{\"name\":\"a\",\"rank\":1},{\"name\":\"b\",\"rank\":2}],\"total\":2,\"skip\":40,"
	       "\"limit\":20}",
	       "a page is in data as it was");
	make_answer(rows, 2, 2);
	answered(&app, 2, SHAPE_ROWS);
	is_str(member(parse(), "data"), "[{\"name\":\"a\",\"rank\":1},{\"name\":\"b\",\"rank\":2}]",
	       "and so are rows");
	make_answer(row, 2, 1);
	is_str(answered(&gone, 2, SHAPE_ROW), "", "204 has no body in v2 either");
}

static void test_by_hand(void)
{
	begin(&app, 1);
	buf_text(answer_open(&rq), "{\"status\":\"fine\"}");
	is_int(answer_close(&rq), ERR_OK, "an answer by hand");
	is_bytes(rq.answer.out.p, rq.answer.out.n, "{\"status\":\"fine\"}", "is what was written");
	begin(&app, 2);
	buf_text(answer_open(&rq), "{}");
	answer_close(&rq);
	is_str(member(parse(), "data"), "{}", "inside of the version's envelope");
	begin(&operations, 1);
	buf_text(answer_open(&rq), "{}");
	answer_close(&rq);
	is_bytes(rq.answer.out.p, rq.answer.out.n, "{\"data\":{}}", "and of the surface's");
	buf_text(answer_open(&rq), "[]");
	answer_close(&rq);
	is_bytes(rq.answer.out.p, rq.answer.out.n, "{\"data\":[]}", "and what was written before is gone");
}

static void test_missing_row(void)
{
	struct value id = { .name = "thing_id", .text = "7\"\n" };

	make_answer(row, 2, 0);
	begin(&app, 1);
	rq.tx.values = &id;
	rq.tx.nvalues = 1;
	is_int(answer_rows(&rq, of_shape(SHAPE_ROW)), ERR_NOT_FOUND, "no row is 404");
	answer_error(&rq);
	is_str(member(parse(), "error"),
	       "{\"code\":\"NOT_FOUND\",\"message\":\"Thing not found\","
	       "\"details\":{\"resource\":\"Thing\",\"id\":\"7\\\"\\n\"}}",
	       "which names resource and id, whatever that is");
	is_int(rq.answer.status, 404, "404");
	begin(&app, 1);
	is_int(answer_rows(&rq, of_shape(SHAPE_MAYBE)), ERR_OK, "but of a query that may find none");
	is_str(buf_str(&rq.answer.out), "null", "  it is null");
	begin(&shapeless, 1);
	is_int(answer_not_found(&rq, NULL), ERR_NOT_FOUND, "a route without a shape");
	is_str(rq.tx.fail.message, "resource not found", "has a resource without a name");
	PQclear(answer);
	answer = NULL;
	begin(&app, 1);
	is_int(answer_rows(&rq, of_shape(SHAPE_ROW)), ERR_UNAVAILABLE,
	       "what the database failed with is passed on");
}

/* Errors */

static void test_errors(void)
{
	struct json_object *tree;

	begin(&app, 1);
	req_fail_field(&rq, ERR_VALIDATION, "items[3].name", "%s", "say \"a\"\n\xff");
	answer_error(&rq);
	is_bytes(rq.answer.out.p, rq.answer.out.n,
		 "{\"error\":{\"code\":\"VALIDATION_ERROR\",\"message\":\"say \\\"a\\\"\\n\xef\xbf\xbd\","
		 "\"details\":{\"field\":\"items[3].name\"}},\"detail\":\"say \\\"a\\\"\\n\xef\xbf\xbd\"}",
		 "an error has its code, message and details, and the message once more");
	is_int(rq.answer.status, 422, "an invalid field is 422");
	begin(&operations, 1);
	req_fail_field(&rq, ERR_VALIDATION, "x", "no");
	answer_error(&rq);
	is_int(rq.answer.status, 400, "on the operations surface 400");
	begin(&app, 2);
	req_fail(&rq, ERR_CONFLICT, NULL);
	answer_error(&rq);
	is_str(member(tree = parse(), "error"),
	       "{\"code\":\"CONFLICT\",\"message\":\"this is already in use\",\"details\":{}}",
	       "an error without words of its own has the list's, in v2 as in v1");
	is_str(member(tree, "detail"), "\"this is already in use\"", "also in detail");

	begin(NULL, 1);
	req_fail_inside(&rq, ERR_INTERNAL, "column %s does not exist", "x");
	answer_error(&rq);
	is_str(member(tree = parse(), "error"),
	       "{\"code\":\"INTERNAL_ERROR\",\"message\":\"something went wrong on our side\","
	       "\"details\":{\"request_id\":\"request-1\"}}",
	       "a failure of ours shows the request's id, and nothing else");
	is_str(rq.tx.fail.reason, "column x does not exist", "the reason is kept for the log");

	begin(&app, 1);
	req_fail_field(&rq, ERR_UNAVAILABLE, "x", "later");
	rq.tx.fail.details = "\"retry_after\":3";
	answer_error(&rq);
	is_str(member(parse(), "error.details"),
	       "{\"field\":\"x\",\"retry_after\":3,\"request_id\":\"request-1\"}", "all members of details");

	begin(&app, 1);
	buf_text(answer_open(&rq), "{\"half\":");
	rq.answer.updated_us = 5;
	req_fail(&rq, ERR_INTERNAL, NULL);
	answer_error(&rq);
	ok(parse() && !rq.answer.updated_us, "nothing is left of an answer that was begun");
}

static void test_literals(void)
{
	struct json_object *tree;

	begin(&platform, 1);
	req_fail(&rq, ERR_AUTHENTICATION, "the token has expired");
	rq.tx.fail.more = "\"more\":[1]";
	answer_error(&rq);
	is_str(member(tree = parse(), "detail"), "\"Invalid token\"", "what clients of a surface compare");
	is_str(member(tree, "error.message"), "\"the token has expired\"", "beside what people read");
	is_str(member(tree, "more"), "[1]", "and what the failure adds");
	begin(&platform, 1);
	req_fail(&rq, ERR_CONFLICT, "User already exists");
	answer_error(&rq);
	is_str(member(parse(), "detail"), "\"User already exists\"", "other errors tell their message");
	begin(&app, 1);
	req_fail(&rq, ERR_AUTHENTICATION, "no");
	answer_error(&rq);
	is_str(member(parse(), "detail"), "\"no\"", "and so do other surfaces");
	begin_with(&platform, 1, "HTTP_ACCEPT", "application/problem+json");
	req_fail(&rq, ERR_RATE_LIMIT, NULL);
	rq.tx.fail.more = "\"more\":1";
	answer_error(&rq);
	is_str(member(tree = parse(), "detail"), "\"Rate limit exceeded\"", "also in problem+json");
	is_str(member(tree, "more"), "1", "with what is added");
}

static void test_authenticate(void)
{
	begin(&app, 1);
	req_fail(&rq, ERR_AUTHENTICATION, NULL);
	answer_error(&rq);
	has_str(head(), "\r\nWWW-Authenticate: Bearer realm=\"api\"\r\n", "401 says how to authenticate");
	begin_with(&app, 1, "HTTP_AUTHORIZATION", "Bearer x.y.z");
	req_fail(&rq, ERR_AUTHENTICATION, NULL);
	answer_error(&rq);
	has_str(head(), "\r\nWWW-Authenticate: Bearer realm=\"api\", error=\"invalid_token\"\r\n",
		"and that the token was no good");
	begin(&keyed, 1);
	req_fail(&rq, ERR_API_KEY, NULL);
	answer_error(&rq);
	has_str(head(), "\r\nWWW-Authenticate: ApiKey realm=\"api\"\r\n", "or that a key is needed");
	begin_with(&app, 1, "HTTP_AUTHORIZATION", "Bearer x.y.z");
	req_fail(&rq, ERR_AUTHENTICATION, NULL);
	answer_error(&rq);
	ok(!strstr(head(), "x.y.z") && !strstr(buf_str(&rq.answer.out), "x.y.z"), "but not which one");
}

static const char *const problem_accepts[] = {
	"application/problem+json",
	"Application/Problem+JSON",
	"application/json, application/problem+json",
	"application/problem+json;q=0.5, */*",
	"application/problem+json; charset=utf-8",
};

static const char *const plain_accepts[] = {
	"application/json",           "*/*", "application/problem+json;q=0, */*", "application/problem+jsonx",
	"x/application/problem+json",
};

static void test_problems(void)
{
	struct json_object *tree;
	const char *text_of_head;

	cfg.public_url = "https://api.example.com";
	begin_with(&app, 1, "HTTP_ACCEPT", "application/problem+json");
	rq.asked.path = "/api/v1/app/things/\"\xff";
	req_fail_field(&rq, ERR_VALIDATION, "name", "name must be shorter");
	answer_error(&rq);
	tree = parse();
	is_str(member(tree, ""),
	       "{\"type\":\"https://api.example.com/errors.html#VALIDATION_ERROR\","
	       "\"title\":\"a field has an invalid value\",\"status\":422,\"detail\":\"name must be "
	       "shorter\","
	       "\"instance\":\"/api/v1/app/things/\\\"\xef\xbf\xbd\",\"code\":\"VALIDATION_ERROR\","
	       "\"details\":{\"field\":\"name\"}}",
	       "a problem as RFC 9457 has it");
	text_of_head = head();
	has_str(text_of_head, "\r\nContent-Type: application/problem+json\r\n", "of its own type");
	is_int(lines(text_of_head, "Content-Type:"), 1, "which stands there once");

	for (size_t i = 0; i < COUNT(problem_accepts) + COUNT(plain_accepts); i++) {
		bool wanted = i < COUNT(problem_accepts);
		const char *accept = wanted ? problem_accepts[i] : plain_accepts[i - COUNT(problem_accepts)];

		begin_with(&app, 1, "HTTP_ACCEPT", accept);
		req_fail(&rq, ERR_CONFLICT, NULL);
		answer_error(&rq);
		is_int(member(parse(), "title") != NULL, wanted, "Accept: %s: %s", accept,
		       wanted ? "a problem" : "an error");
	}
}

/* Accept */

/* clang-format off */
static const struct {
	const char *accept;
	bool json, text;
} accepts[] = {
	{ NULL, true, true },
	{ "", true, true },
	{ " , ,", true, true },
	{ "*/*", true, true },
	{ "application/json", true, false },
	{ "Application/JSON", true, false },
	{ "application/*", true, false },
	{ "text/*", false, true },
	{ "text/html", false, false },
	{ "text/html, application/json", true, false },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true, true },
	{ "text/html, image/png, application/pdf", false, false },
	{ "application/json;q=0", false, false },
	{ "application/json;q=0.0", false, false },
	{ "application/json;q=0.000", false, false },
	{ "application/json; q=0", false, false },
	{ "application/json ; q=0 , text/plain", false, true },
	{ "application/json;Q=0", false, false },
	{ "application/json;q=0.001", true, false },
	{ "application/json;q=1", true, false },
	{ "application/json;q=1.000", true, false },
	{ "application/json;charset=utf-8", true, false },
	{ "application/json;charset=utf-8;q=0", false, false },
	{ "application/json;faq=0", true, false },
	{ "application/json;x=\"a,b;q=0\"", true, false },
	{ "application/json;x=\"unclosed", true, false },
	{ "*/*;q=0", false, false },
	{ "application/json, */*;q=0", true, false },
	{ "*/*;q=0, application/json", true, false },
	{ "application/json;q=0, */*", false, true },
	{ "*/*, application/json;q=0", false, true },
	{ "application/*;q=0, */*", false, true },
	{ "application/*;q=0, application/json", true, false },
	{ "application/json, application/*;q=0", true, false },
	{ "application/json;q=0, application/json;version=1", true, false },
	{ "application/problem+json", true, true },
	{ "text/html, application/problem+json, image/png", true, true },
	{ "application/problem+json;q=0", false, false },
	{ "application/problem+json, */*;q=0", false, false },
	{ "application/jso", false, false },
	{ "application/jsonp", false, false },
	{ "application", false, false },
	{ "*", false, false },
	{ "*/json", false, false },
	{ "/", false, false },
	{ ";q=1", true, true },
};
/* clang-format on */

static void test_accepts(void)
{
	for (size_t i = 0; i < COUNT(accepts); i++) {
		const char *name = accepts[i].accept ? accepts[i].accept : "(not sent)";

		is_int(accept_allows(accepts[i].accept, "application/json"), accepts[i].json,
		       "Accept: %s: JSON%s", name, accepts[i].json ? "" : " is refused");
		is_int(accept_allows(accepts[i].accept, "text/plain; charset=utf-8"), accepts[i].text,
		       "Accept: %s: text%s", name, accepts[i].text ? "" : " is refused");
	}
}

/* Entity tags */

static const struct {
	const char *header, *want;
} if_matches[] = {
	{ "*", NULL },
	{ " * ", NULL },
	{ "\"65a-00000000\"", "{-1,1626}" },
	{ "\"65a-00000000\", \"65b-0\"", "{-1,1626,1627}" },
	{ "\"65a-0\",\"65b-0\"", "{-1,1626,1627}" },
	{ "W/\"65a-00000000\"", "{-1,1626}" },
	{ "\"ffffffffffffffff-0\"", "{-1,-1}" },
	{ "\"fffffffffffffffff-0\"", "{-1}" },
	{ "\"7fffffffffffffff-0\"", "{-1,9223372036854775807}" },
	{ "", "{-1}" },
	{ "\"\"", "{-1}" },
	{ "\"", "{-1}" },
	{ "65a-0", "{-1}" },
	{ "\"xyz\"", "{-1}" },
	{ "\"65a\"", "{-1}" },
	{ "\"-65a-0\"", "{-1}" },
	{ "\" 65a-0\"", "{-1}" },
	{ "\"0x65a-0\"", "{-1}" },
	{ "\"a,*\"", "{-1}" },
	{ "\"x\", *", "{-1}" },
	{ "\"1-0\");DROP TABLE x;--", "{-1,1}" },
	{ "'; \"5-0", "{-1}" },
};

static void test_if_match(void)
{
	begin(&app, 1);
	is_str(answer_if_match(&rq), NULL, "without If-Match nothing is asked");
	for (size_t i = 0; i < COUNT(if_matches); i++) {
		begin_with(&app, 1, "HTTP_IF_MATCH", if_matches[i].header);
		is_str(answer_if_match(&rq), if_matches[i].want, "If-Match: %s", if_matches[i].header);
	}
}

/* Finish an answer of one row for a client that has this tag; the status. */
static int finished(const char *if_none_match, enum method method)
{
	begin_with(&app, 1, if_none_match ? "HTTP_IF_NONE_MATCH" : NULL, if_none_match);
	rq.asked.method = method;
	buf_text(answer_open(&rq), "{\"name\":\"a\"}");
	answer_close(&rq);
	rq.answer.updated_us = 0x65a;
	answer_finish(&rq);
	return rq.answer.status;
}

static void test_tags(void)
{
	char tag[40] = "", list[80];

	is_int(finished(NULL, GET), 200, "a row that knows its time");
	if (rq.answer.nheaders)
		snprintf(tag, sizeof(tag), "%s", rq.answer.headers[0].value);
	is_str(rq.answer.headers[0].name, "ETag", "has a tag");
	ok(!strncmp(tag, "\"65a-", 5) && strlen(tag) == 14, "of its time and its content: %s", tag);
	is_int(finished(tag, GET), 304, "who has it gets 304");
	is_int((long long)rq.answer.out.n, 0, "and no body");
	is_str(rq.answer.headers[0].value, tag, "but the tag");
	ok(!lines(head(), "Content-Type:") && !lines(head(), "Content-Length:"), "nor a type or length");
	is_int(finished(tag, HEAD), 304, "HEAD, too");
	is_int(finished(tag, PATCH), 200, "but no write");
	snprintf(list, sizeof(list), "W/%s", tag);
	is_int(finished(list, GET), 304, "a weak tag is as good here");
	is_int(finished("*", GET), 304, "any tag");
	snprintf(list, sizeof(list), "\"x\", \"a,b\" ,%s", tag);
	is_int(finished(list, GET), 304, "one of several");
	is_int(finished("\"a,*\"", GET), 200, "a * inside of a tag is not any");
	is_int(finished("\"a\", *", GET), 200, "nor is one in a list");
	is_int(finished("\"65a-00000000\"", GET), 200, "the same time with another content");
	is_int(finished("65a", GET), 200, "not a tag");
	is_int(finished("", GET), 200, "an empty list");

	begin(&app, 1);
	buf_text(answer_open(&rq), "{\"name\":\"b\"}");
	answer_close(&rq);
	rq.answer.updated_us = 0x65a;
	answer_finish(&rq);
	ok(strcmp(rq.answer.headers[0].value, tag) != 0, "another content has another tag");
	begin(&app, 1);
	buf_text(answer_open(&rq), "{}");
	answer_close(&rq);
	answer_finish(&rq);
	is_int(rq.answer.nheaders, 0, "what does not know its time has none");
	begin(&app, 1);
	buf_text(answer_open(&rq), "{}");
	answer_close(&rq);
	rq.answer.updated_us = -1;
	answer_finish(&rq);
	has_str(rq.answer.headers[0].value, "\"ffffffffffffffff-", "a time before 1970 is a time");
}

/* Heads */

static void test_head(void)
{
	begin(&app, 1);
	buf_text(answer_open(&rq), "{\"a\":1}");
	answer_close(&rq);
	req_set_header(&rq, "Location", "/api/v1/app/things/7");
	is_str(head(),
	       "Status: 200\r\nLocation: /api/v1/app/things/7\r\nContent-Type: application/json\r\n"
	       "Content-Length: 7\r\nCache-Control: no-store\r\nX-Request-ID: request-1\r\n"
	       "X-API-Version: v1\r\nX-API-Latest-Version: v2\r\nX-Content-Type-Options: nosniff\r\n"
	       "X-Frame-Options: DENY\r\n"
	       "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
	       "Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'self'\r\n\r\n",
	       "a whole head");
	rq.answer.updated_us = 5;
	has_str(head(), "\r\nCache-Control: private, no-cache\r\n",
		"what has a tag may be kept and asked for again");
	req_set_header(&rq, "Cache-Control", "public, max-age=60");
	is_int(lines(head(), "Cache-Control:"), 1, "a handler's own Cache-Control is the only one");
	has_str(head(), "\r\nCache-Control: public, max-age=60\r\n", "and as it wrote it");

	begin(&text, 1);
	buf_text(answer_open(&rq), "x 1\n");
	answer_close(&rq);
	has_str(head(), "\r\nContent-Type: text/plain; charset=utf-8\r\n",
		"an answer that is not JSON says so");
	req_fail(&rq, ERR_AUTHORIZATION, NULL);
	answer_error(&rq);
	has_str(head(), "\r\nContent-Type: application/json\r\n", "its errors are JSON all the same");

	begin(&gone, 2);
	rq.answer.status = 204;
	ok(!lines(head(), "Content-Type:") && !lines(head(), "Content-Length:"),
	   "204 has neither type nor length");
	has_str(head(), "\r\nX-API-Version: v2\r\n", "but its version");

	begin(&elsewhere, 1);
	is_int(answer_redirect(&rq, "https://app.example.com/#a=1"), ERR_OK, "a redirect");
	answer_finish(&rq);
	has_str(head(), "Status: 302\r\nLocation: https://app.example.com/#a=1\r\nContent-Length: 0\r\n",
		"has a place to go to and no body, so no type");
	has_str(head(), "\r\nCache-Control: no-store\r\n", "and nobody keeps it");
	make_answer(place, 2, 1);
	is_str(answered(&file, 1, SHAPE_ROW), "", "a row that says where to go");
	answer_finish(&rq);
	has_str(head(), "Status: 302\r\nLocation: https://files.example.com/a?sig=1\r\nContent-Length: 0\r\n",
		"  is a redirect, and no body");
	make_answer(nowhere, 2, 1);
	is_str(answered(&file, 1, SHAPE_ROW), "NOT_FOUND", "one that says nowhere is not found");
	is_str(answered(&elsewhere, 1, SHAPE_ROW), "{\"name\":\"a\"}", "  but where it can be shown");
	is_int(rq.answer.status, 200, "    it is");
	make_answer(place, 2, 0);
	is_str(answered(&elsewhere, 1, SHAPE_ROW), "NOT_FOUND", "and without a row nothing is");

	begin(&gone, 2);
	rq.answer.status = 204;
	ok(!strstr(head(), "RateLimit") && !strstr(head(), "Access-Control") &&
		   !strstr(head(), "Server-Timing"),
	   "limits, CORS and timing are silent while they are off");
}

static void test_limit_headers(void)
{
	long long reset;
	const char *p;

	begin(&app, 1);
	rq.answer.status = 200;
	rq.limits.limit = 60;
	rq.limits.left = 7;
	rq.limits.reset_s = 53;
	has_str(head(), "\r\nX-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 7\r\n", "X-RateLimit");
	p = strstr(head(), "X-RateLimit-Reset: ");
	reset = p ? atoll(p + strlen("X-RateLimit-Reset: ")) - clock_unix_us() / 1000000 : 0;
	ok(reset >= 52 && reset <= 53, "X-RateLimit-Reset is a time since 1970");
	has_str(head(), "\r\nRateLimit-Policy: \"default\";q=60;w=60\r\nRateLimit: \"default\";r=7;t=53\r\n",
		"and the same as the IETF's draft has it");
}

static const char *deprecated(const char *since, const char *sunset, const char *format, int version,
			      const struct route *route)
{
	cfg.deprecated_at_v1 = since;
	cfg.sunset_at_v1 = sunset;
	cfg.deprecation_format = format;
	answer_init();
	begin(route, version);
	rq.answer.status = 200;
	return head();
}

static void test_deprecation(void)
{
	const char *text_of_head;

	cfg.deprecation_notice_v1 = "please move on";
	text_of_head = deprecated("2026-01-31", "2026-12-31", "true", 1, &app);
	has_str(text_of_head,
		"\r\nDeprecation: true\r\nSunset: Thu, 31 Dec 2026 00:00:00 GMT\r\n"
		"X-Deprecation-Notice: please move on\r\nLink: </api/v2/>; rel=\"successor-version\"\r\n",
		"a deprecated version says so, when it ends and what follows");
	has_str(deprecated("2026-01-31", "2026-12-31", "date", 1, &app),
		"\r\nDeprecation: @1769817600\r\nSunset:", "or since when, as RFC 9745 has it");
	has_str(deprecated("2026-01-31", "", "true", 1, &app),
		"\r\nDeprecation: true\r\nX-Deprecation-Notice:", "an end that is not known is left out");
	ok(!strstr(deprecated("2026-01-31", "2026-12-31", "true", 2, &app), "Deprecation"),
	   "version 2 is not deprecated");
	ok(!strstr(deprecated("2026-01-31", "2026-12-31", "true", 1, &platform), "Deprecation"),
	   "nor is a surface of one version");
	ok(!strstr(deprecated("2026-01-31", "2026-12-31", "true", 1, NULL), "Deprecation"),
	   "nor what is no route at all");
	begin(&app, 1);
	{
		char notice[3001];

		memset(notice, 'n', 3000);
		notice[3000] = '\0';
		cfg.deprecation_notice_v1 = notice;
		text_of_head = deprecated("2026-01-31", "2026-12-31", "true", 1, &app);
		cfg.deprecation_notice_v1 = "please move on";
	}
	has_str(text_of_head, "nnn\r\nLink: </api/v2/>; rel=\"successor-version\"\r\n\r\n",
		"a long notice pushes nothing out");
	ok(!strstr(deprecated("", "2026-12-31", "true", 1, &app), "Deprecation") && !strstr(head(), "Sunset"),
	   "without a date nothing is deprecated");
}

static void test_cors(void)
{
	static const char *const listed[] = { "https://app.example.com", "https://b.example.com", NULL };
	static const char *const any[] = { "*", NULL };

	cfg.cors_origins = listed;
	begin_with(&app, 1, "HTTP_ORIGIN", "https://b.example.com");
	rq.answer.status = 200;
	has_str(head(), "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: https://b.example.com\r\n",
		"an origin of the list may read");
	ok(!strstr(head(), "Allow-Credentials"), "without credentials: there are no cookies");
	begin_with(&app, 1, "HTTP_ORIGIN", "https://b.example.com.evil");
	rq.answer.status = 200;
	has_str(head(), "\r\nVary: Origin\r\n", "another one learns that the answer depends on it");
	ok(!strstr(head(), "Access-Control"), "but may not");
	begin_with(&app, 1, "HTTP_ORIGIN", "https://B.example.com");
	is_str(answer_origin(&rq), NULL, "origins are compared byte by byte");
	begin_with(&app, 1, "HTTP_ORIGIN", "*");
	is_str(answer_origin(&rq), NULL, "a client cannot ask for all");
	begin(&app, 1);
	is_str(answer_origin(&rq), NULL, "who sends none gets none");
	cfg.cors_origins = any;
	begin_with(&app, 1, "HTTP_ORIGIN", "https://c.example.com");
	is_str(answer_origin(&rq), "https://c.example.com", "* lets all read");
	begin_with(&app, 1, "HTTP_ORIGIN", "null");
	is_str(answer_origin(&rq), "null", "even a page without an origin");
	begin_with(&app, 1, "HTTP_ORIGIN", "x\r\nSet-Cookie: a=b");
	rq.answer.status = 200;
	is_str(answer_origin(&rq), NULL, "what is no origin is not sent back");
	ok(!strstr(head(), "Set-Cookie"), "least of all as another header");
	begin_with(&app, 1, "HTTP_ORIGIN", "https://c.example.com https://d.example.com");
	is_str(answer_origin(&rq), NULL, "nor two at once");
	cfg.cors_origins = NULL;
	begin_with(&app, 1, "HTTP_ORIGIN", "https://c.example.com");
	is_str(answer_origin(&rq), NULL, "without a list nobody else may read");

	begin_with(&keyed, 1, "HTTP_ORIGIN", "https://c.example.com");
	rq.answer.status = 200;
	rq.who.api_key = "\\x00";
	is_str(answer_origin(&rq), NULL, "nor with a key that nobody has looked at");
	has_str(head(), "\r\nVary: Origin\r\n", "though it depends on it");
	rq.tx.entered = true;
	is_str(answer_origin(&rq), "https://c.example.com",
	       "enter() lets a key in from its own origins only");
	rq.who.is_secret = true;
	is_str(answer_origin(&rq), NULL, "a secret one has none");
	begin_with(&keyed, 1, "HTTP_ORIGIN", "https://c.example.com");
	rq.answer.any_origin = true;
	is_str(answer_origin(&rq), "https://c.example.com", "a preflight is granted to all of them");
	begin_with(&app, 1, "HTTP_ORIGIN", "https://c.example.com");
	rq.answer.status = 200;
	ok(!strstr(head(), "Vary: Origin"), "where there are neither keys nor a list, origins mean nothing");
}

static void test_injection(void)
{
	static const char *const hostile[] = { "a\r\nSet-Cookie: b=c",
					       "a\nSet-Cookie: b=c",
					       "a\rSet-Cookie: b=c",
					       "a\r\n\r\n<html>",
					       "\r\n",
					       "\n\n",
					       "a\x01\x1f" };

	for (size_t i = 0; i < COUNT(hostile); i++) {
		const char *text_of_head;
		int stray = 0;

		begin(&app, 1);
		rq.answer.status = 200;
		rq.tx.log.request_id = hostile[i];
		req_set_header(&rq, "X-Name", hostile[i]);
		text_of_head = head();
		is_str(strstr(text_of_head, "\r\n\r\n"), "\r\n\r\n",
		       "no value ends the head before its time (%zu)", i);
		ok(lines(text_of_head, "X-Name:") == 1 && !lines(text_of_head, "Set-Cookie"),
		   "or makes a header of its own");
		for (const char *p = text_of_head; *p; p++)
			stray += (unsigned char)*p < ' ' && !(*p == '\r' && p[1] == '\n') &&
				 !(*p == '\n' && p > text_of_head && p[-1] == '\r');
		is_int(stray, 0, "or holds a control character");
	}
}

static void test_timing(void)
{
	cfg.environment = "development";
	begin(&app, 1);
	rq.answer.status = 200;
	rq.tx.ns = 1500000;
	has_str(head(),
		"\r\nServer-Timing: db;dur=1.500, total;dur=", "development tells where the time went");
	cfg.environment = "production";
	ok(!strstr(head(), "Server-Timing"), "production does not");
}

int main(void)
{
	cfg.environment = "production";
	arena_init(&rq.tx.arena, 65536);
	test_v1();
	test_lists();
	test_numbers();
	test_v2();
	test_by_hand();
	test_missing_row();
	test_errors();
	test_literals();
	test_authenticate();
	test_problems();
	test_accepts();
	test_if_match();
	test_tags();
	test_head();
	test_limit_headers();
	test_deprecation();
	test_cors();
	test_injection();
	test_timing();
	arena_release(&rq.tx.arena);
	return done_testing();
}
