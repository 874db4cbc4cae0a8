/*
 * Idempotency-Key: which keys are taken, what makes two requests the same, and
 * that a replayed answer is the one that was stored.  The database is a table
 * of one row here.
 */
#include "build/sql/runtime/runtime.h"
#include "fcgi/idem.h"

#include <stdint.h>

#include "fcgi/req.h"
#include "t/unit/tap.h"

enum { V_PRINCIPAL, V_ROUTE, V_KEY, V_BODY_HASH, V_STATUS, V_HEADERS, V_BODY };
enum { INT4 = 23, TEXT = 25 };

const struct route *const route_tables[] = { NULL };

static const struct route route = { POST, "/api/v1/app/things/{id}", "app.things.create", &by_user, "" };
static struct req rq;

/* What the runtime does with the header, before the request's first statement. */
static enum err begin_key(void)
{
	enum err rc = idem_check(&rq);

	if (!rc)
		idem_begin(&rq);
	return rc;
}

/* In the runtime's place. */

static int stored_status; /* 0: no row */
static char stored_headers[500], stored_body[500];
static PGresult *answer;

void tx_frame(struct tx *tx, const struct query *q, const char *const *values)
{
	tx->frame = q;
	tx->frame_values = values;
}

static void make_answer(void)
{
	PGresAttDesc columns[] = { { .name = (char[]){ "status" }, .typid = INT4, .format = 1 },
				   { .name = (char[]){ "headers" }, .typid = TEXT, .format = 1 },
				   { .name = (char[]){ "body" }, .typid = TEXT, .format = 1 } };
	char status[] = { 0, 0, (char)(stored_status >> 8), (char)stored_status };

	PQclear(answer);
	answer = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PQsetResultAttrs(answer, 3, columns);
	if (!stored_status)
		return;
	PQsetvalue(answer, 0, 0, status, 4);
	PQsetvalue(answer, 0, 1, stored_headers, (int)strlen(stored_headers));
	PQsetvalue(answer, 0, 2, stored_body, (int)strlen(stored_body));
}

enum err tx_call_with(struct tx *tx, const struct query *q, const char *const *values, bool last,
		      PGresult **out)
{
	ok(last, "it is the last statement of its transaction");
	if (q == &q_idempotency_store) {
		stored_status = atoi(values[V_STATUS]);
		snprintf(stored_headers, sizeof(stored_headers), "%s", values[V_HEADERS]);
		snprintf(stored_body, sizeof(stored_body), "%s", values[V_BODY]);
	} else if (q != &q_idempotency_get || tx->frame != NULL) {
		return failure_set(&tx->fail, &tx->arena, ERR_INTERNAL, NULL, NULL);
	}
	make_answer();
	*out = answer;
	return ERR_OK;
}

static void begin(enum method method, const char *key, const char *body)
{
	static char header[400], *params[2];
	struct arena arena = rq.tx.arena;

	arena_reset(&arena);
	snprintf(header, sizeof(header), "HTTP_IDEMPOTENCY_KEY=%s", key ? key : "");
	params[0] = key ? header : NULL;
	rq = (struct req){ .tx.arena = arena,
			   .asked.params = params,
			   .asked.method = method,
			   .asked.route = &route,
			   .asked.version = 1,
			   .asked.path = "/api/v1/app/things/7",
			   .asked.query_string = "",
			   .asked.ip = "192.0.2.1",
			   .asked.body = body,
			   .asked.body_len = strlen(body) };
	rq.who.kind = BEARER;
	rq.who.issuer = "ashlar";
	rq.who.subject = "user_1";
}

static const char *value(int i)
{
	return rq.tx.frame_values ? rq.tx.frame_values[i] : NULL;
}

static void test_keys(void)
{
	char longest[257];

	begin(POST, NULL, "");
	ok(!begin_key() && rq.tx.frame == NULL, "without the header nothing happens");
	begin(GET, "one", "");
	ok(!begin_key() && rq.tx.frame == NULL, "nor to a GET");
	begin(PATCH, "one", "");
	ok(!begin_key() && rq.tx.frame == NULL, "nor to a PATCH");
	begin(POST, "one", "");
	ok(!begin_key() && rq.tx.frame == &q_idempotency_begin, "a POST takes its key");
	is_str(value(V_KEY), "one", "as it was sent");
	memset(longest, 'k', 256);
	longest[255] = '\0';
	begin(POST, longest, "");
	ok(!begin_key(), "a key of 255 characters");
	longest[255] = 'k';
	longest[256] = '\0';
	begin(POST, longest, "");
	is_int(begin_key(), ERR_BAD_REQUEST, "but not of 256");
	is_str(rq.tx.fail.field, "Idempotency-Key", "and says which field");
	ok(rq.tx.frame == NULL, "nothing is taken");
	begin(POST, "", "");
	is_int(begin_key(), ERR_BAD_REQUEST, "nor an empty one");
	begin(POST, "a b", "");
	is_int(begin_key(), ERR_BAD_REQUEST, "nor one with a blank");
	begin(POST, "a\x7f", "");
	is_int(begin_key(), ERR_BAD_REQUEST, "nor with a control character");
	begin(POST, "ä", "");
	is_int(begin_key(), ERR_BAD_REQUEST, "nor beyond ASCII");
	begin(POST, "!\"#~\\{}'", "");
	ok(!begin_key(), "any visible ASCII will do");
}

static const char *hash(const char *path, const char *query, const char *body)
{
	static char last[2][80];
	static int turn;

	begin(POST, "one", body);
	rq.asked.path = path;
	rq.asked.query_string = query;
	begin_key();
	snprintf(last[turn ^= 1], sizeof(last[0]), "%s", value(V_BODY_HASH));
	return last[turn];
}

static void test_private(void)
{
	static const struct route secret = { POST, "/api/v1/app/things", "app.things.create", &by_user,
					     "",   .flags = PRIVATE };

	begin(POST, "one", "");
	rq.asked.route = &secret;
	is_int(begin_key(), ERR_OK, "where the answer holds a secret");
	ok(!rq.tx.frame, "the key is ignored");
}

static void test_scope(void)
{
	begin(POST, "one", "");
	begin_key();
	is_str(value(V_PRINCIPAL), "ashlar user_1", "a key belongs to its caller");
	is_str(value(V_ROUTE), "app.things.create v1", "and to the route in its version");
	begin(POST, "one", "");
	rq.who.kind = ANONYMOUS;
	rq.who.kind = API_KEY;
	rq.who.api_key = "\\x0123456789abcdef0123456789abcdef";
	begin_key();
	is_str(value(V_PRINCIPAL), "key \\x0123456789abcdef", "of an API key, to what tells it from others");
	rq.who.kind = ANONYMOUS;
	rq.asked.version = 2;
	begin_key();
	is_str(value(V_PRINCIPAL), "address 192.0.2.1", "of an unknown caller, to the address");
	is_str(value(V_ROUTE), "app.things.create v2", "another version is another route");

	is_str(hash("/a", "", "{}"), "\\xec507271a9fdc6a284543a1645851145b3c9be4dfde73abeedc383d3a1deb8c9",
	       "the hash of a request");
	is_str(hash("/a", "", "{}"), hash("/a", "", "{}"), "the same request is the same");
	ok(strcmp(hash("/a", "", "{}"), hash("/a", "", "{ }")) != 0, "another body is another");
	ok(strcmp(hash("/a", "", "{}"), hash("/b", "", "{}")) != 0, "another path, too");
	ok(strcmp(hash("/a", "x=1", "{}"), hash("/a", "x=2", "{}")) != 0, "and another query");
	ok(strcmp(hash("/a", "b", ""), hash("/ab", "", "")) != 0, "they do not run into each other");
}

static void test_replay(void)
{
	begin(POST, "one", "{}");
	begin_key();
	rq.answer.status = 201;
	req_set_header(&rq, "Location", "/api/v1/app/things/7: x");
	req_set_header(&rq, "ETag", "\"65a-1\"");
	buf_init(&rq.answer.out, &rq.tx.arena, 16);
	buf_text(&rq.answer.out, "{\"name\":\"ä\"}");
	is_int(idem_store(&rq), ERR_OK, "an answer is stored");
	begin(POST, "one", "{}");
	begin_key();
	req_fail(&rq, ERR_CONFLICT, "answered before");
	is_int(idem_replay(&rq), ERR_OK, "and replayed");
	ok(!rq.tx.fail.err && rq.answer.status == 201, "as a success, with its status");
	is_bytes(rq.answer.out.p, rq.answer.out.n, "{\"name\":\"ä\"}", "its body");
	is_int(rq.answer.nheaders, 3, "and its headers");
	is_str(rq.answer.headers[0].name, "Idempotent-Replayed", "which say what it is");
	is_str(rq.answer.headers[1].name, "Location", "and are");
	is_str(rq.answer.headers[1].value, "/api/v1/app/things/7: x", "what they were");
	is_str(rq.answer.headers[2].value, "\"65a-1\"", "all of them");

	begin(POST, "one", "{}");
	begin_key();
	rq.answer.status = 204;
	is_int(idem_store(&rq), ERR_OK, "an answer without a body is stored");
	begin(POST, "one", "{}");
	begin_key();
	is_int(idem_replay(&rq), ERR_OK, "and replayed");
	ok(rq.answer.status == 204 && rq.answer.out.n == 0 && rq.answer.nheaders == 1, "without a body");

	stored_status = 0;
	begin(POST, "one", "{}");
	begin_key();
	is_int(idem_replay(&rq), ERR_IDEMPOTENCY_RUNNING, "one that was purged in between may be sent again");
	has_str(rq.tx.fail.message, "send the request again", "and says so");
}

int main(void)
{
	arena_init(&rq.tx.arena, 4096);
	test_keys();
	test_private();
	test_scope();
	test_replay();
	PQclear(answer);
	arena_release(&rq.tx.arena);
	return done_testing();
}
