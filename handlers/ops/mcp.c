/*
 * The Model Context Protocol over HTTP (streamable, without sessions).
 * fcgi/reference/assistant.h answers; here is what HTTP adds.
 *
 * No credentials are read here: what an assistant calls is a request of its own inside of
 * this one (fcgi/within.h), whose row asks for them.
 *
 * Origin is looked at, since a page that an assistant's user has open could else ask in
 * the name of a server that is reachable for that browser alone (DNS rebinding).
 */
#include "fcgi/reference/assistant.h"

#include <strings.h>

#include "fcgi/accept.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "fcgi/within.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/origin.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"

/* clang-format off */
static const struct field message[] = {
	{ "jsonrpc", F_TEXT,   F_REQUIRED, .example = "2.0" },
	{ "id",      F_JSON,   0, .about = "a string or an integer; without it nothing is answered (202)", .example = "1" },
	{ "method",  F_TEXT,   0, .about = "such as tools/call", .example = "tools/list" },
	{ "params",  F_OBJECT, F_RARE },
	FIELD_END
};

static const struct field answer[] = {
	{ "jsonrpc", F_TEXT,   0, .example = "2.0" },
	{ "id",      F_JSON,   F_NULL, .example = "1" },
	{ "result",  F_OBJECT, F_OPTIONAL, .about = "what the method answers" },
	{ "error",   F_OBJECT, F_OPTIONAL, .about = "in its place: code, message" },
	FIELD_END
};

static const struct field protocol_in[] = {
	{ "MCP-Protocol-Version", F_TEXT, 0, .about = "2025-03-26 to 2025-11-25; before 2025-06-18 there may be an array of messages" },
	FIELD_END
};

static const struct shape answer_shape = { "McpAnswer", answer };

static const enum err refusals[] = { ERR_ORIGIN, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_OK };
/* clang-format on */

/* A page of our own, or one that CORS_ORIGINS lets read answers. */
static bool may_ask(struct req *rq)
{
	const char *origin = req_header(rq, "Origin"), *problem;
	const char *own = cfg.public_url ? origin_canonical(&rq->tx.arena, cfg.public_url, &problem) : NULL;

	return !origin || answer_origin(rq) || (own && !strcasecmp(own, origin));
}

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	size_t n = type ? strcspn(type, "; \t") : 0;

	return n == sizeof(json) - 1 && !strncasecmp(type, json, n);
}

static enum err send_answer(struct req *rq, const struct buf *text)
{
	struct buf *b;

	if (!accept_allows(req_header(rq, "Accept"), "application/json")) {
		stream_event(rq, "message", text->p, text->n);
		return ERR_OK;
	}
	b = answer_open(rq);
	buf_add(b, text->p, text->n);
	return answer_close(rq);
}

static bool send_within(void *to, struct arena *a, const struct tool_request *ask,
			struct assistant_reply *out)
{
	struct within_ask inner = { ask->method, ask->target, ask->body, ask->workspace,
				    ask->idempotency_key };
	struct within_answer got;

	(void)a; /* the request's own */
	within_serve(to, &inner, &got);
	*out = (struct assistant_reply){ got.status, got.request_id, got.body, got.n };
	return true;
}

/* Whose they are, as a text that says nothing of them. */
static const char *credentials(struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key"), *token = req_header(rq, "Authorization");

	return key || token ? secret_sha256_hex(&rq->tx.arena, arena_fmt(&rq->tx.arena, "%s\n%s",
									 key ? key : "", token ? token : ""))
			    : NULL;
}

static enum err mcp_post(struct req *rq)
{
	unsigned char secret[SECRET_BYTES];
	struct assistant_host host = { .send = send_within, .to = rq, .who = credentials(rq), .key = secret };
	const char *header = req_header(rq, "MCP-Protocol-Version"), *problem = NULL;
	struct assistant mcp = { .arena = &rq->tx.arena,
				 .version = header ? assistant_version(header) : NULL };
	struct buf text;
	enum err rc;

	if (!may_ask(rq))
		return req_fail(rq, ERR_ORIGIN, "pages of this origin may not ask here");
	if (header && !mcp.version)
		return req_fail_field(
			rq, ERR_BAD_REQUEST, "MCP-Protocol-Version",
			"MCP-Protocol-Version must be one of 2025-11-25, 2025-06-18, 2025-03-26");
	if (!is_json(req_header(rq, "Content-Type"))) {
		req_set_header(rq, "Accept", "application/json");
		return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE, NULL);
	}
	secret_key("mcp confirmation", secret);
	mcp.host = host.who ? &host : NULL;
	buf_init(&text, &rq->tx.arena, 16384);
	rc = assistant_answer(&mcp, rq->asked.body, rq->asked.body_len, &text, &problem);
	if (rc == ERR_NOT_FOUND) { /* nothing was asked */
		answer_body(rq);
		rq->answer.status = 202;
		return ERR_OK;
	}
	return rc ? req_fail(rq, rc, "%s", problem) : send_answer(rq, &text);
}

/* clang-format off */
const struct route mcp_routes[] = {
	{ POST, "/api/v1/mcp", "platform.ops.call_mcp", &by_anyone, "Ask as an assistant does (Model Context Protocol)",
	  .about = "Streamable HTTP without sessions: a message of JSON-RPC each, which is answered as JSON, or as an event stream where Accept "
		   "names that alone. What there is, tools/list, resources/list and prompts/list say: "
		   "with a secret key or a user's token also operations, which are called with these.",
	  .headers = protocol_in, .body = message, .out = &answer_shape, .errors = refusals, .run = mcp_post,
	  .flags = SLOW | RAW | BARE | PRIVATE | STREAMS | ONE_OR_MANY | ACCEPTS, .status = 200 },
	ROUTE_END
};
/* clang-format on */
