#include "providers/ai.h"

#include <json-c/json.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/sse.h"
#include "lib/host/config.h"
#include "lib/net/http.h"
#include "providers/anthropic.h"
#include "providers/openai.h"
#include "providers/perplexity.h"

enum {
	MAX_ANSWER = 16 << 20,
	MAX_EVENT = 4 << 20,
	BYTES_PER_TOKEN = 4, /* of English; of others there are more tokens, and fewer of code */
	PART_TOKENS = 4,     /* what stands around a part */
	IMAGE_TOKENS = 1000,
};

static const char forced[] = "answer"; /* the tool that a structured answer is a call of */

static const struct provider {
	const struct ai_wire *wire;
	const char *path;
	const char *const *url, *const *key;
	bool has_key_header; /* x-api-key, with a version; else a bearer */
} providers[] = {
	{ &openai_wire, "/chat/completions", &cfg.openai_api_url, &cfg.openai_api_key, false },
	{ &anthropic_wire, "/v1/messages", &cfg.anthropic_api_url, &cfg.anthropic_api_key, true },
	{ &perplexity_wire, "/chat/completions", &cfg.perplexity_api_url, &cfg.perplexity_api_key, false },
};

enum { PROVIDERS = sizeof(providers) / sizeof(*providers) };

static const struct provider *provider_find(const char *name)
{
	for (size_t i = 0; i < PROVIDERS; i++)
		if (!strcmp(providers[i].wire->provider, name))
			return &providers[i];
	return NULL;
}

const char *ai_provider_at(size_t i)
{
	return i < PROVIDERS ? providers[i].wire->provider : NULL;
}

const struct ai_server *ai_server_of(const char *provider, const struct ai_server *own)
{
	static struct ai_server servers[PROVIDERS];
	const struct provider *p = provider_find(provider);
	const struct ai_server *theirs = p && own && own[p - providers].key ? &own[p - providers] : NULL;
	struct ai_server *s;

	if (theirs && theirs->url)
		return theirs;
	if (!p || (!theirs && !**p->key))
		return NULL;
	s = &servers[p - providers];
	*s = (struct ai_server){ *p->url, theirs ? theirs->key : *p->key, false };
	return s;
}

const char *ai_error_text(enum ai_error e)
{
	switch (e) {
	case AI_OK: return "";
	case AI_NO_KEY: return "no provider of this model is configured";
	case AI_AUTH: return "the model's provider refuses the key";
	case AI_RATE_LIMIT: return "the model's provider takes no more requests for now";
	case AI_CONTEXT: return "this is more than the model can read";
	case AI_FILTERED: return "the model's provider will not answer this";
	case AI_OVERLOADED: return "the model's provider is overloaded";
	case AI_BAD_REQUEST: return "the model does not take this";
	case AI_FAILED: return "the model's provider failed";
	case AI_GONE: return "nobody waits for the answer";
	case AI_STOPPED: return "this server is being stopped: ask again";
	}
	return "";
}

/*
 * Estimates
 */

long long ai_tokens(size_t bytes)
{
	return (long long)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

/* How much there is to write, of what is long. */
static size_t bytes_of(const struct ai_ask *ask)
{
	size_t bytes = length(ask->schema);

	for (size_t i = 0; i < ask->nmessages; i++)
		for (size_t k = 0; k < ask->messages[i].nparts; k++)
			bytes += length(ask->messages[i].parts[k].text);
	return bytes;
}

long long ai_tokens_of(const struct ai_ask *ask)
{
	size_t bytes = length(ask->schema);
	long long more = 0;

	for (size_t i = 0; i < ask->nmessages; i++)
		for (size_t k = 0; k < ask->messages[i].nparts; k++) {
			const struct ai_part *p = &ask->messages[i].parts[k];

			bytes += p->kind == AI_IMAGE ? 0 : length(p->text) + length(p->name);
			more += p->kind == AI_IMAGE ? IMAGE_TOKENS : PART_TOKENS;
		}
	for (size_t i = 0; i < ask->ntools; i++)
		bytes += length(ask->tools[i].name) + length(ask->tools[i].about) +
			 length(ask->tools[i].schema);
	return ai_tokens(bytes) + more;
}

/* What a provider did not get to say: it read the question if it has begun to answer. */
static void estimate(struct ai_reading *r)
{
	struct ai_answer *out = r->out;
	size_t bytes = out->text.n;

	if (r->has_usage)
		return;
	for (size_t i = 0; i < out->ncalls; i++)
		bytes += out->calls[i].arguments.n;
	/* One that nobody waited for may have been read, at least. */
	if (!bytes && !out->input && out->error != AI_GONE)
		return;
	out->is_estimated = true;
	if (!out->input)
		out->input = ai_tokens_of(r->ask);
	if (out->output < ai_tokens(bytes))
		out->output = ai_tokens(bytes);
}

/*
 * One model
 */

/* Where the pieces of a stream go. */
struct taking {
	struct ai_reading r;
	const struct ai_wire *wire;
	struct sse sse;
	struct arena scratch; /* one event's */
	int64_t start_ns;
};

static bool take_event(void *to, const char *event, const char *data, size_t n)
{
	struct taking *t = to;
	const char *problem = NULL;
	struct json_object *said;
	bool goes_on;

	(void)event;
	if (t->r.out->first_ms < 0)
		t->r.out->first_ms = (long)((clock_ns() - t->start_ns) / 1000000);
	if (n == strlen("[DONE]") && !memcmp(data, "[DONE]", n)) {
		t->r.has_ended = true;
		return false;
	}
	if (json_read_any(&t->scratch, data, n, &said, &problem)) {
		arena_reset(&t->scratch);
		t->r.out->reason = "an event of its stream is no JSON";
		return ai_wire_fail(&t->r, AI_FAILED, NULL);
	}
	goes_on = t->wire->event(&t->r, said);
	arena_reset(&t->scratch);
	return goes_on;
}

static bool take(void *to, const char *p, size_t n)
{
	struct taking *t = to;

	if (sse_feed(&t->sse, p, n, take_event, t))
		return true;
	if (!t->r.has_ended && !t->r.out->error) {
		t->r.out->reason = "an event of its stream is too long";
		t->r.out->error = AI_FAILED;
	}
	return false;
}

static bool is_wanted(void *to)
{
	struct taking *t = to;

	return !t->r.ask->is_wanted || t->r.ask->is_wanted(t->r.ask->to) ||
	       ai_wire_fail(&t->r, AI_GONE, NULL);
}

static long long retry_after(const struct http_answer *said)
{
	const char *text = http_header(said, "Retry-After");
	long long s = text ? strtoll(text, NULL, 10) : 0;

	return s < 0 ? 0 : s > 86400 ? 86400 : s;
}

/* There is an answer with this status, whose body is whole: an answer in one, or a refusal. */
static void read_whole(struct taking *t, const struct http_answer *said)
{
	const char *problem = NULL;
	struct json_object *body = NULL;
	bool is_json = !json_read_any(t->r.arena, said->body, said->body_len, &body, &problem);

	if (said->status / 100 != 2) {
		t->r.out->error = t->wire->refusal(&t->r, said->status, is_json ? body : NULL);
		t->r.out->retry_after = retry_after(said);
		t->r.out->reason = arena_fmt(t->r.arena, "status %d: %s", said->status,
					     t->r.out->message ? t->r.out->message : "no message");
	} else if (!is_json || !t->wire->read(&t->r, body)) {
		if (!t->r.out->error)
			t->r.out->error = AI_FAILED;
		t->r.out->reason = is_json ? "its answer makes no sense" : "its answer is no JSON";
	}
}

/* Structured output by what the model can do: its schema, or a tool that it has to call, or words. */
static struct ai_ask adapt(struct ai_reading *r, const struct ai_ask *ask, const struct ai_model *m,
			   struct ai_tool *tool)
{
	struct ai_ask out = *ask;
	struct ai_message *messages;
	struct ai_part *part;

	if (m->max_output && out.max_tokens > m->max_output)
		out.max_tokens = m->max_output;
	if ((!ask->schema && !ask->is_json) || m->can & AI_CAN_SCHEMA)
		return out;
	out.schema = NULL;
	out.is_json = false;
	if (ask->schema && m->can & AI_CAN_TOOLS && !ask->ntools) {
		*tool = (struct ai_tool){ forced, "Give the answer.", ask->schema };
		out.tools = tool;
		out.ntools = 1;
		out.choice = AI_NAMED;
		out.chosen = forced;
		r->is_forced = true;
		return out;
	}
	out.is_json = m->can & AI_CAN_JSON;
	messages = arena_alloc(r->arena, (ask->nmessages + 1) * sizeof(*messages));
	part = arena_alloc(r->arena, sizeof(*part));
	*part = (struct ai_part){ .kind = AI_TEXT,
				  .text = arena_fmt(r->arena,
						    "Answer with one JSON object and nothing else%s%s",
						    ask->schema ? ", of this JSON schema: " : ".",
						    ask->schema ? ask->schema : "") };
	messages[0] = (struct ai_message){ AI_SYSTEM, part, 1 };
	memcpy(messages + 1, ask->messages, ask->nmessages * sizeof(*messages));
	out.messages = messages;
	out.nmessages = ask->nmessages + 1;
	return out;
}

static void begin(struct ai_answer *out, struct arena *a, const struct ai_model *m)
{
	int attempts = out->attempts;

	*out = (struct ai_answer){ .model = m, .attempts = attempts + 1, .first_ms = -1 };
	buf_init(&out->text, a, 256);
}

static void headers_of(struct arena *a, const struct provider *p, const struct ai_server *server,
		       bool streams, const char *out[5])
{
	int n = 0;

	out[n++] = "Content-Type: application/json";
	out[n++] = streams ? "Accept: text/event-stream" : "Accept: application/json";
	if (p->has_key_header) {
		out[n++] = "anthropic-version: " ANTHROPIC_VERSION;
		out[n++] = arena_fmt(a, "x-api-key: %s", server->key);
	} else {
		out[n++] = arena_fmt(a, "Authorization: Bearer %s", server->key);
	}
	out[n] = NULL;
}

static void conclude(struct taking *t, enum err rc, const struct http_answer *said)
{
	struct ai_answer *out = t->r.out;
	bool streams = t->r.ask->take;

	if (rc == ERR_UNAVAILABLE) {
		out->error = AI_OVERLOADED;
	} else if (rc == ERR_VALIDATION) {
		out->error = AI_FAILED;
	} else if (said->status && (said->status / 100 != 2 || (!streams && !rc))) {
		read_whole(t, said);
	} else if (!out->error && !(t->r.has_ended || (t->r.has_finished && !rc))) {
		/* It broke off, or never said that this is all. */
		out->error = AI_FAILED;
		out->reason = rc ? said->reason : "its stream ends in the middle";
	}
	if (out->error && !out->reason)
		out->reason = said->reason ? said->reason : ai_error_text(out->error);
	if (t->r.is_forced && !out->error) {
		out->ncalls = 0;
		if (out->finish == AI_CALLS)
			out->finish = AI_STOP;
	}
}

static void ask_one(struct arena *a, const struct ai_ask *ask, const struct ai_model *m, long timeout_ms,
		    struct ai_answer *out)
{
	const struct provider *p = provider_find(m->provider);
	struct taking t = { .r = { .arena = a, .out = out },
			    .wire = p ? p->wire : NULL,
			    .start_ns = clock_ns() };
	const struct ai_server *server;
	const char *headers[5];
	struct http_answer said;
	struct ai_tool tool;
	struct ai_ask adapted;
	struct buf body;
	enum err rc;

	begin(out, a, m);
	server = ai_server_of(m->provider, ask->own);
	if (!p || !server) {
		out->error = AI_NO_KEY;
		out->reason = ai_error_text(AI_NO_KEY);
		return;
	}
	adapted = adapt(&t.r, ask, m, &tool);
	t.r.ask = &adapted;
	/* One that grows would be there several times, and pictures are long. */
	buf_init(&body, a, 4096 + bytes_of(&adapted) / 16 * 17);
	p->wire->write(&body, &adapted, m);
	headers_of(a, p, server, ask->take, headers);
	sse_init(&t.sse, a, MAX_EVENT);
	arena_init(&t.scratch, 8192);
	rc = http_do(a,
		     &(struct http_call){
			     .provider = server->is_users ? NULL : p->wire->provider,
			     .url = arena_fmt(a, "%s%s", server->url, p->path),
			     .headers = headers,
			     .body = body.p,
			     .body_len = body.n,
			     .max_bytes = MAX_ANSWER,
			     .timeout_ms = timeout_ms,
			     .flags = server->is_users ? HTTP_USER_URL : 0,
			     .take = ask->take ? take : NULL,
			     .is_wanted = is_wanted,
			     .to = &t,
		     },
		     &said);
	conclude(&t, rc, &said);
	estimate(&t.r);
	arena_release(&t.scratch);
	if (!ask->take)
		out->first_ms = said.duration_ms;
	out->duration_ms = said.duration_ms;
}

/* Could another model do better? */
static bool may_pass(const struct ai_answer *out)
{
	switch (out->error) {
	case AI_NO_KEY:
	case AI_AUTH:
	case AI_RATE_LIMIT:
	case AI_OVERLOADED:
	case AI_FAILED: return !out->was_taken;
	default: return false;
	}
}

enum ai_error ai_ask(struct arena *a, const struct ai_ask *ask, const struct ai_model *const *models,
		     struct ai_answer *out)
{
	int64_t start = clock_ns();
	long left = ask->timeout_ms;

	out->attempts = 0;
	for (; *models && left > 0; models++) {
		ask_one(a, ask, *models, left, out);
		if (!may_pass(out))
			break;
		left = ask->timeout_ms - (long)((clock_ns() - start) / 1000000);
	}
	out->duration_ms = (long)((clock_ns() - start) / 1000000);
	return out->error;
}

enum ai_error ai_embed(struct arena *a, const struct ai_model *m, const char *input, long long dimensions,
		       const struct ai_ask *within, struct ai_answer *out, struct json_object **data)
{
	const struct provider *p = provider_find(m->provider);
	const struct ai_server *server = ai_server_of(m->provider, within->own);
	struct taking t = { .r = { .arena = a, .out = out, .ask = within }, .wire = p ? p->wire : NULL };
	struct json_object *body = NULL;
	const char *headers[5], *problem = NULL;
	struct http_answer said;
	struct buf b;

	out->attempts = 0;
	begin(out, a, m);
	if (!p || !server)
		return out->error = AI_NO_KEY;
	buf_init(&b, a, strlen(input) + 256);
	buf_char(&b, '{');
	jx_key_str(&b, "model", m->name);
	jx_key(&b, "input"), buf_text(&b, input);
	/* A vector is one value of JSON then, and not some thousand. */
	jx_key_str(&b, "encoding_format", "base64");
	if (dimensions)
		jx_key_int(&b, "dimensions", dimensions);
	buf_char(&b, '}');
	headers_of(a, p, server, false, headers);
	http_do(a,
		&(struct http_call){ .provider = server->is_users ? NULL : p->wire->provider,
				     .flags = server->is_users ? HTTP_USER_URL : 0,
				     .url = arena_fmt(a, "%s/embeddings", server->url),
				     .headers = headers,
				     .body = b.p,
				     .body_len = b.n,
				     .max_bytes = MAX_ANSWER,
				     .timeout_ms = within->timeout_ms,
				     .is_wanted = is_wanted,
				     .to = &t },
		&said);
	out->duration_ms = out->first_ms = said.duration_ms;
	if (out->error == AI_GONE) {
		out->reason = ai_error_text(AI_GONE);
	} else if (said.status / 100 != 2) {
		out->error = said.attempts ? AI_FAILED : AI_OVERLOADED;
		out->reason = said.reason;
		if (said.status)
			read_whole(&t, &said);
	} else {
		bool is_json = !json_read_any(a, said.body, said.body_len, &body, &problem);

		*data = is_json ? json_at(body, "data", NULL) : NULL;
		out->input = ai_wire_int(body, "usage", "prompt_tokens");
		if (!json_object_is_type(*data, json_type_array)) {
			out->error = AI_FAILED;
			out->reason = "its answer makes no sense";
		}
	}
	return out->error;
}
