/*
 * Requests: headers, values and failures.
 */
#include "fcgi/req.h"

#include "t/unit/tap.h"

static struct req rq;

static void begin(char **params)
{
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	rq = (struct req){ .tx.arena = arena, .asked.params = params };
}

static void test_headers(void)
{
	static char *params[] = { "REQUEST_METHOD=GET",
				  "HTTP_IF_MATCH=\"a\"",
				  "HTTP_EMPTY=",
				  "HTTP_X_REQUEST_ID=one",
				  "HTTP_X_REQUEST_ID=two",
				  "CONTENT_TYPE=a/b",
				  "HTTP_CONTENT_TYPE=c/d",
				  "HTTP_X=a=b",
				  "BROKEN",
				  NULL };

	begin(params);
	is_str(req_param(&rq, "REQUEST_METHOD"), "GET", "a variable");
	is_str(req_param(&rq, "REQUEST"), NULL, "not by its beginning");
	is_str(req_param(&rq, "REQUEST_METHOD_X"), NULL, "nor by more than its name");
	is_str(req_param(&rq, "BROKEN"), NULL, "one without = is none");
	is_str(req_param(&rq, ""), NULL, "and so is one without a name");
	is_str(req_header(&rq, "If-Match"), "\"a\"", "a header");
	is_str(req_header(&rq, "if-match"), "\"a\"", "in any case");
	is_str(req_header(&rq, "Empty"), "", "an empty one was sent");
	is_str(req_header(&rq, "X-Request-ID"), "one", "of two the first");
	is_str(req_header(&rq, "X"), "a=b", "a value may have a = of its own");
	is_str(req_header(&rq, "Content-Type"), "a/b", "Content-Type is the server's variable");
	is_str(req_header(&rq, "Absent"), NULL, "one that was not sent");
	begin(NULL);
	is_str(req_header(&rq, "X"), NULL, "no environment, no header");
}

static void ask_for_a_long_header(void *name)
{
	req_header(&rq, name);
}

static void add_a_header_too_many(void *unused)
{
	(void)unused;
	req_set_header(&rq, "X", "y");
}

static void test_set_header(void)
{
	begin(NULL);
	for (int i = 0; i < 24; i++)
		req_set_header(&rq, "X", "y");
	is_int(rq.answer.nheaders, 24, "24 headers");
	dies(add_a_header_too_many, NULL, "the 25th ends the process, not the memory behind them");
	dies(ask_for_a_long_header, "X-0123456789012345678901234567890123456789012345678901234567",
	     "and so does a header's name that no header has");
}

static void test_values(void)
{
	static struct value values[] = {
		{ .name = "name", .given = true, .text = "from the body" },
		{ .name = "n", .i = 20, .text = "20" },
		{ .name = "cleared", .given = true, .is_null = true },
	};

	begin(NULL);
	is_str(req_text(&rq, "name"), NULL, "a request without values has none");
	rq.tx.values = values;
	rq.tx.nvalues = rq.tx.values_cap = 3;
	is_str(req_text(&rq, "name"), "from the body", "a text");
	is_int(req_int(&rq, "n"), 20, "an integer");
	ok(req_given(&rq, "name") && !req_given(&rq, "n"), "what was sent, and what is a default");
	ok(req_given(&rq, "cleared") && !req_text(&rq, "cleared") && !req_int(&rq, "cleared"),
	   "null was sent, and is neither text nor number");
	ok(!req_value(&rq, "other") && !req_given(&rq, "other") && !req_text(&rq, "other") &&
		   !req_int(&rq, "other"),
	   "a field that is not there");

	req_set(&rq, "name", "computed");
	is_str(req_text(&rq, "name"), "computed", "what a handler computed hides the field");
	is_str(values[0].text, "from the body", "but does not change it");
	req_set(&rq, "name", NULL);
	ok(req_value(&rq, "name") && !req_text(&rq, "name"), "NULL is null");
	for (int i = 0; i < 1000; i++)
		req_set(&rq, arena_fmt(&rq.tx.arena, "v%d", i), arena_fmt(&rq.tx.arena, "%d", i));
	is_str(req_text(&rq, "v0"), "0", "a thousand of them: the first");
	is_str(req_text(&rq, "v999"), "999", "and the last");
	is_int(req_int(&rq, "n"), 20, "and what was there before");
}

static void test_failures(void)
{
	begin(NULL);
	is_int(req_fail(&rq, ERR_CONFLICT, "%s is taken", "alpha"), ERR_CONFLICT,
	       "a failure returns its error");
	is_str(rq.tx.fail.message, "alpha is taken", "with a message");
	is_int(req_fail_field(&rq, ERR_VALIDATION, "name", "too long"), ERR_VALIDATION,
	       "another one takes its place");
	is_str(rq.tx.fail.field, "name", "with its field");
	rq.tx.fail.details = "\"a\":1";
	is_int(req_fail_inside(&rq, ERR_INTERNAL, "%d", 7), ERR_INTERNAL, "a failure of ours");
	ok(!rq.tx.fail.message && !rq.tx.fail.field && !rq.tx.fail.details, "has nothing for the client");
	is_str(rq.tx.fail.reason, "7", "but a reason for the log");
	req_fail(&rq, ERR_NOT_FOUND, NULL);
	ok(!rq.tx.fail.message && !rq.tx.fail.reason, "without words it has the error's own");
}

static void test_refusals(void)
{
	begin(NULL);
	is_int(req_refuse(&rq, ERR_CREDENTIALS, NULL), ERR_CREDENTIALS, "a refusal");
	ok(rq.tx.fail.is_kept, "whose traces stay");
	req_fail(&rq, ERR_CONFLICT, NULL);
	ok(!rq.tx.fail.is_kept, "as those of a failure do not");
	is_int(req_refuse_field(&rq, ERR_VALIDATION, "code", "%d digits", 6), ERR_VALIDATION,
	       "one of a field");
	ok(rq.tx.fail.is_kept && !strcmp(rq.tx.fail.field, "code") && !strcmp(rq.tx.fail.message, "6 digits"),
	   "is the same");
	begin(NULL);
	is_int(req_retry_after(&rq, 90), ERR_RATE_LIMIT, "one that passes");
	ok(rq.tx.fail.is_kept, "stays, too");
	is_str(rq.tx.fail.details, "\"retry_after\":90", "says when, for programs");
	is_int(rq.tx.fail.retry_after, 90, "and for the header");
}

static void test_path_and_method(void)
{
	static const struct route plain = { GET, "/a/{organization_id}/{name}", "app.x", &by_user, "" },
				  writes = { GET, "/a", "app.x", &by_user, "", .flags = WRITES };
	struct value values[3] = { { .name = "organization_id", .text = "o" },
				   { .name = "name", .text = "n" },
				   { .name = "other", .text = "x" } };

	begin(NULL);
	rq.asked.route = &plain;
	is_str(req_path_text(&rq, "organization_id"), NULL, "a path that was not read has nothing");
	rq.tx.values = values;
	rq.tx.nvalues = rq.tx.values_cap = 3;
	is_str(req_path_text(&rq, "other"), NULL, "a field is not of the path");
	req_set(&rq, "organization_id", "another");
	is_str(req_text(&rq, "organization_id"), "another", "a handler may hide a value");
	is_str(req_path_text(&rq, "organization_id"), "o", "but the path's stays what it is");

	rq.asked.method = GET;
	ok(!req_writes(&rq), "a GET only reads");
	rq.asked.route = &writes;
	ok(req_writes(&rq), "unless its row says otherwise");
	rq.asked.route = &plain;
	rq.asked.method = HEAD;
	ok(!req_writes(&rq), "and so does a HEAD");
	rq.asked.method = DELETE;
	ok(req_writes(&rq), "all others write");
}

int main(void)
{
	arena_init(&rq.tx.arena, 4096);
	test_headers();
	test_set_header();
	test_values();
	test_failures();
	test_refusals();
	test_path_and_method();
	arena_release(&rq.tx.arena);
	return done_testing();
}
