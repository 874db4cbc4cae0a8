#include "fcgi/idem.h"

#include "build/sql/runtime/runtime.h"
#include "fcgi/req.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"

enum { KEY_MAX = 255 };

/* The parameters that all three queries share, in their order. */
enum { V_PRINCIPAL, V_ROUTE, V_KEY, V_BODY_HASH, V_STATUS, V_HEADERS, V_BODY, NVALUES };

/* Path and query are part of what must be the same, and so are the headers that the row reads: the route's
 * pattern is the scope, not its parameters. */
static const char *request_hash(struct req *rq)
{
	const struct field *headers = rq->asked.route->headers;
	unsigned char md[SECRET_BYTES];
	struct buf whole;

	buf_init(&whole, &rq->tx.arena, 256);
	buf_text(&whole, rq->asked.path);
	buf_char(&whole, '?');
	buf_text(&whole, rq->asked.query_string);
	/* The same body in another one is another request. */
	if (rq->asked.workspace)
		buf_fmt(&whole, "\n%s", rq->asked.workspace);
	else if (rq->asked.route->caller->place == IN_WORKSPACE && rq->who.workspace)
		buf_fmt(&whole, "\n%s", rq->who.workspace);
	for (const struct field *f = headers; f && f->name; f++)
		if (req_header(rq, f->name))
			buf_fmt(&whole, "\n%s: %s", f->name, req_header(rq, f->name));
	buf_char(&whole, '\n');
	secret_sha256_joined(whole.p, whole.n, rq->asked.body, rq->asked.body_len, md);
	return secret_bytea(&rq->tx.arena, md, sizeof(md));
}

/* Whose keys they are, within a tenant: row-level security keeps those apart. */
static const char *principal(struct req *rq)
{
	switch (rq->who.kind) {
	case BEARER: return arena_fmt(&rq->tx.arena, "%s %s", rq->who.issuer, rq->who.subject);
	case API_KEY: return arena_fmt(&rq->tx.arena, "key %.18s", rq->who.api_key);
	case PROJECT:
		return rq->who.project ? arena_fmt(&rq->tx.arena, "project %s", rq->who.project)
				       : arena_fmt(&rq->tx.arena, "project key %.18s", rq->who.project_key);
	default: return arena_fmt(&rq->tx.arena, "address %s", rq->asked.ip);
	}
}

/* The key, where one is looked at. */
static const char *key_of(struct req *rq)
{
	bool stores = rq->asked.method == POST && !(rq->asked.route->flags & (PRIVATE | SIGNED));

	return stores ? req_header(rq, "Idempotency-Key") : NULL;
}

enum err idem_check(struct req *rq)
{
	const char *key = key_of(rq);

	if (!key)
		return ERR_OK;
	if (!*key || strlen(key) > KEY_MAX ||
	    key[strspn(key, "!\"#$%&'()*+,-./0123456789:;<=>?@"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
			    "abcdefghijklmnopqrstuvwxyz{|}~")])
		return req_fail_field(rq, ERR_BAD_REQUEST, "Idempotency-Key",
				      "Idempotency-Key must be 1 to %d visible ASCII characters", KEY_MAX);
	return req_map_body(rq);
}

void idem_begin(struct req *rq)
{
	const char *key = key_of(rq);
	const char **values;

	if (!key)
		return;
	values = arena_alloc(&rq->tx.arena, NVALUES * sizeof(*values));
	values[V_PRINCIPAL] = principal(rq);
	values[V_ROUTE] = arena_fmt(&rq->tx.arena, "%s v%d", rq->asked.route->id, rq->asked.version);
	values[V_KEY] = key;
	values[V_BODY_HASH] = request_hash(rq);
	tx_frame(&rq->tx, &q_idempotency_begin, values);
}

/* The answer's own headers, one "Name: value" a line. */
static const char *own_headers(struct req *rq)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	for (int i = 0; i < rq->answer.nheaders; i++)
		buf_fmt(&b, "%s: %s\n", rq->answer.headers[i].name, rq->answer.headers[i].value);
	return buf_str(&b);
}

enum err idem_store(struct req *rq)
{
	const char **values = (const char **)rq->tx.frame_values;
	PGresult *ignored;

	values[V_STATUS] = arena_fmt(&rq->tx.arena, "%d", rq->answer.status);
	values[V_HEADERS] = own_headers(rq);
	values[V_BODY] = rq->answer.out.p ? buf_str(&rq->answer.out) : "";
	return tx_call_with(&rq->tx, &q_idempotency_store, values, true, &ignored);
}

enum err idem_replay(struct req *rq)
{
	const char *const *values = rq->tx.frame_values;
	const char *line, *body;
	PGresult *res;
	enum err rc;

	rq->tx.fail = (struct failure){ ERR_OK };
	tx_frame(&rq->tx, NULL, NULL);
	rc = tx_call_with(&rq->tx, &q_idempotency_get, values, true, &res);
	if (rc)
		return rc;
	if (PQntuples(res) == 0)
		return req_fail(rq, ERR_IDEMPOTENCY_RUNNING,
				"the stored answer has just expired; send the request again");
	rq->answer.status = (int)column_int(res, 0, "status");
	req_set_header(rq, "Idempotent-Replayed", "true");
	line = column_text(res, 0, "headers");
	while (line && *line) {
		size_t n = strcspn(line, "\n");
		char *name = arena_dup_n(&rq->tx.arena, line, n), *colon = strstr(name, ": ");

		if (colon) {
			*colon = '\0';
			req_set_header(rq, name, colon + 2);
		}
		line += n + (line[n] == '\n');
	}
	body = column_text(res, 0, "body");
	buf_init(&rq->answer.out, &rq->tx.arena, 1024);
	buf_text(&rq->answer.out, body ? body : "");
	return ERR_OK;
}
