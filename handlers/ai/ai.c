/*
 * Language models on the app surface: completions, chat, and chat that is routed by
 * how complex the question is.
 *
 * An answer is a whole, or with "stream" an event stream: of version 1 the text's
 * pieces and "[DONE]", of version 2 the events delta, error and done, in JSON.
 */
#include <json-c/json.h>
#include <math.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/model_choice.h"
#include "handlers/ai/prompt.h"
#include "handlers/ai/reply.h"
#include "handlers/shapes.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/base/json.h"
#include "lib/host/config.h"

enum { MAX_MESSAGES = 500, MAX_CONTENT = 500000, MAX_BODY = 2 << 20 };

static enum err status_get(struct req *rq), complete(struct req *rq), chat(struct req *rq),
	chat_routed(struct req *rq);

/* clang-format off */
static const char *const roles[] = { "system", "user", "assistant", NULL };
static const char *const complexities[] = { "simple", "moderate", "complex", "search", NULL };
static const char *const finishes[] = { "stop", "length", "tool_calls", "content_filter", NULL };

#define CHOICES \
	{ "model",       F_TEXT,   F_NULL, .min = 1, .max = 200, .about = "AI_DEFAULT_MODEL without it", .example = "gpt-4o" }, \
	{ "temperature", F_NUMBER, F_NULL, .max = 2, .def = "0.7" }, \
	{ "max_tokens",  F_INT,    F_NULL, .min = 1, .max = 1000000, .def = "1000" }, \
	STREAM

#define STREAM { "stream", F_BOOL, F_RARE, .def = "false", .about = "the answer is an event stream" }

static const struct field message_in[] = {
	{ "role",    F_ENUM, F_REQUIRED, .values = roles },
	{ "content", F_TEXT, F_REQUIRED, .max = MAX_CONTENT, .example = "What is a harbour?" },
	FIELD_END
};

static const struct field completion_in[] = {
	{ "messages", F_LIST, F_REQUIRED, .min = 1, .max = MAX_MESSAGES, .fields = message_in, .example = "[{\"role\":\"user\",\"content\":\"What is a harbour?\"}]" },
	CHOICES,
	FIELD_END
};

static const struct field chat_in[] = {
	{ "prompt", F_TEXT, F_REQUIRED, .min = 1, .max = MAX_CONTENT, .example = "What is a harbour?" },
	{ "system", F_TEXT, F_NULL, .max = MAX_CONTENT, .example = "Answer in one sentence." },
	CHOICES,
	FIELD_END
};

static const struct field routed_in[] = {
	{ "prompt",     F_TEXT, F_REQUIRED, .min = 1, .max = MAX_CONTENT, .example = "What is a harbour?" },
	{ "complexity", F_ENUM, F_NULL, .values = complexities, .about = "without it a model judges", .example = "simple" },
	STREAM,
	FIELD_END
};

static const struct field usage_out[] = {
	{ "prompt_tokens",     F_INT, 0, .example = "12" },
	{ "completion_tokens", F_INT, 0, .example = "30" },
	{ "total_tokens",      F_INT, 0, .example = "42" },
	FIELD_END
};

static const struct field completion_out[] = {
	{ "content",       F_TEXT,   0, .example = "A place where ships are safe." },
	{ "model",         F_TEXT,   0, .about = "that served", .example = "gpt-4o" },
	{ "provider",      F_TEXT,   0, .example = "openai" },
	{ "usage",         F_OBJECT, 0, .fields = usage_out },
	{ "finish_reason", F_ENUM,   0, .values = finishes },
	{ "latency_ms",    F_NUMBER, 0, .example = "830" },
	FIELD_END
};

static const struct field status_out[] = {
	{ "available",        F_BOOL, 0 },
	{ "providers",        F_LIST, 0, .item = F_TEXT, .about = "that have a key", .example = "[\"openai\"]" },
	{ "default_provider", F_TEXT, 0, .example = "openai" },
	{ "default_model",    F_TEXT, 0, .example = "gpt-4o" },
	FIELD_END
};

static const struct field routing_out[] = {
	{ "complexity", F_ENUM, F_REQUIRED, .values = complexities },
	FIELD_END
};

static const struct prompt_call routing = { "chat_routing", routing_out, 100, 20 };

static const struct shape status_shape     = { "AIStatus", status_out };
static const struct shape completion_shape = { "AICompletion", completion_out };

static const enum err refusals[] = { ERR_LIMIT, ERR_EXTERNAL, ERR_UNAVAILABLE, ERR_OK };

#define ASKS .out = &completion_shape, .budget = &budget_ai, .errors = refusals, .max_body = MAX_BODY, .flags = SLOW | STREAMS, .status = 200, \
	.needs = { "a key of a model's provider", ERR_UNAVAILABLE }

const struct route ai_routes[] = {
	{ GET,  "/api/v1/app/ai/status",      "app.ai.get_status",        &by_user, "Show which models there are",
	  .out = &status_shape, .budget = &budget_ai, .run = status_get },
	{ POST, "/api/v1/app/ai/completions", "app.ai.create_completion", &by_user, "Have a model answer messages",
	  .about = "With stream: each piece of the text is an event, and the last one is [DONE]; in version 2 they are delta, error and done, in JSON.",
	  .body = completion_in, ASKS, .run = complete },
	{ POST, "/api/v1/app/ai/chat",        "app.ai.chat",              &by_user, "Have a model answer a prompt",
	  .body = chat_in, ASKS, .run = chat },
	{ POST, "/api/v1/app/ai/chat/routed", "app.ai.chat_routed",       &by_user, "Have the fitting model answer a prompt",
	  .body = routed_in, ASKS, .run = chat_routed },
	ROUTE_END
};
/* clang-format on */

static enum err status_get(struct req *rq)
{
	const struct ai_server *own;
	const struct ai_model *m;
	const char *name;
	bool is_any = false;
	struct buf *b;
	enum err rc = ai_accounts_own(rq, &own);

	if (rc)
		return rc;
	m = model_choice_default(own);
	b = answer_open(rq);

	buf_char(b, '{');
	jx_key_open(b, "providers", '[');
	for (size_t i = 0; (name = ai_provider_at(i)); i++)
		if (ai_server_of(name, own))
			is_any = true, jx_next(b), jx_str(b, name);
	buf_char(b, ']');
	jx_key(b, "available"), jx_bool(b, is_any);
	jx_key_str(b, "default_provider", m->provider);
	jx_key_str(b, "default_model", m->id);
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * The answer
 */

static void whole(struct buf *b, const struct reply *r)
{
	const struct ai_answer *a = r->answer;

	buf_char(b, '{');
	jx_key(b, "content"), jx_text(b, a->text.p, a->text.n);
	jx_key_str(b, "model", a->model->id);
	jx_key_str(b, "provider", a->model->provider);
	jx_key_open(b, "usage", '{');
	jx_key_int(b, "prompt_tokens", a->input);
	jx_key_int(b, "completion_tokens", a->output);
	jx_key_int(b, "total_tokens", a->input + a->output);
	buf_char(b, '}');
	jx_key_str(b, "finish_reason", finishes[a->finish]);
	jx_key_int(b, "latency_ms", a->duration_ms);
	buf_char(b, '}');
}

/* A piece of the text could look like the end. */
static bool send_text(struct req *rq, const char *p, size_t n)
{
	static const char end[] = "[DONE]";

	if (n < strlen(end) || memcmp(p, end, strlen(end)) != 0)
		return stream_event(rq, NULL, p, n);
	return stream_event(rq, NULL, p, 1) && stream_event(rq, NULL, p + 1, n - 1);
}

static bool delta(struct reply *r, const struct ai_delta *d)
{
	struct req *rq = r->rq;
	struct buf b;

	if (d->kind != AI_DELTA_TEXT)
		return true;
	if (rq->asked.version == 1)
		return send_text(rq, d->p, d->n);
	buf_init(&b, &rq->tx.arena, d->n + 32);
	buf_char(&b, '{');
	jx_key(&b, "content"), jx_text(&b, d->p, d->n);
	buf_char(&b, '}');
	return stream_event(rq, "delta", b.p, b.n);
}

static void fail(struct reply *r, const struct failure *f)
{
	const char *message = f->message ? f->message : err_info(f->err)->message;
	struct buf b;

	buf_init(&b, &r->rq->tx.arena, 256);
	buf_text(&b, "{\"error\":{");
	jx_key_str(&b, "code", err_info(f->err)->code);
	jx_key_str(&b, "message", message);
	buf_text(&b, ",\"details\":{}}");
	jx_key_str(&b, "detail", message);
	buf_char(&b, '}');
	stream_event(r->rq, "error", b.p, b.n);
}

static void end(struct reply *r)
{
	struct buf b;

	if (r->rq->asked.version == 1) {
		stream_event(r->rq, NULL, "[DONE]", strlen("[DONE]"));
		return;
	}
	buf_init(&b, &r->rq->tx.arena, 256 + r->answer->text.n);
	whole(&b, r);
	stream_event(r->rq, "done", b.p, b.n);
}

static const struct reply_form form = { .whole = whole, .delta = delta, .fail = fail, .end = end };

/*
 * What is asked
 */

static double number_of(struct req *rq, const char *name)
{
	const char *text = req_value(rq, name) ? req_text(rq, name) : NULL;

	return text ? strtod(text, NULL) : NAN;
}

/* As the body says, but for the messages. */
static struct ai_ask ask_of(struct req *rq)
{
	return (struct ai_ask){
		.temperature = number_of(rq, "temperature"),
		.top_p = NAN,
		.max_tokens = req_value(rq, "max_tokens") && req_int(rq, "max_tokens")
				      ? req_int(rq, "max_tokens")
				      : 1000,
		.timeout_ms = cfg.ai_timeout_s * 1000,
	};
}

/* It is each user's own, and who has no plan has no limit of one. */
static enum err begin(struct reply *r, const struct ai_model *model, const struct ai_ask *ask, long long more)
{
	req_set(r->rq, "organization", NULL);
	req_set(r->rq, "is_open", "true");
	return meter_begin(r->rq, &r->meter, model, ai_tokens_of(ask) + more, ask->max_tokens);
}

static enum err ask_named(struct req *rq, struct ai_ask *ask)
{
	const struct ai_model *models[MODEL_CHOICES + 1];
	struct reply *r = reply_new(rq, &form);
	enum err rc = ai_accounts_own(rq, &ask->own);

	if (!rc)
		rc = model_choice_make(rq, ask->own, "model", req_text(rq, "model"), NULL, models);

	if (!rc)
		rc = begin(r, models[0], ask, 0);
	if (rc)
		return rc;
	model_choice_prefer(rq, ask->own, r->meter.fallbacks, models);
	reply_prepare(r, ask);
	return reply_ask(r, ask, models);
}

static enum err complete(struct req *rq)
{
	struct json_object *list = json_at(rq->asked.json, "messages", NULL);
	size_t n = json_object_array_length(list);
	struct ai_message *messages = arena_alloc(&rq->tx.arena, n * sizeof(*messages));
	struct ai_part *parts = arena_alloc(&rq->tx.arena, n * sizeof(*parts));
	struct ai_ask ask = ask_of(rq);
	bool is_asked = false;

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *role = json_object_get_string(json_at(one, "role", NULL));

		parts[i] = (struct ai_part){ .kind = AI_TEXT,
					     .text = json_object_get_string(json_at(one, "content", NULL)) };
		messages[i] = (struct ai_message){ *role == 's'   ? AI_SYSTEM
						   : *role == 'u' ? AI_USER
								  : AI_ASSISTANT,
						   &parts[i], 1 };
		is_asked = is_asked || *role != 's';
	}
	if (!is_asked)
		return req_fail_field(rq, ERR_VALIDATION, "messages", "messages must have one of a user");
	ask.messages = messages;
	ask.nmessages = n;
	return ask_named(rq, &ask);
}

/* A prompt, behind a system's text where there is one. */
static void set_prompt(struct req *rq, struct ai_ask *ask, const char *system)
{
	struct ai_message *messages = arena_alloc(&rq->tx.arena, 2 * sizeof(*messages));
	struct ai_part *parts = arena_alloc(&rq->tx.arena, 2 * sizeof(*parts));
	size_t n = 0;

	if (system && *system) {
		parts[n] = (struct ai_part){ .kind = AI_TEXT, .text = system };
		messages[n] = (struct ai_message){ AI_SYSTEM, &parts[n], 1 };
		n++;
	}
	parts[n] = (struct ai_part){ .kind = AI_TEXT, .text = req_text(rq, "prompt") };
	messages[n] = (struct ai_message){ AI_USER, &parts[n], 1 };
	ask->messages = messages;
	ask->nmessages = n + 1;
}

static enum err chat(struct req *rq)
{
	struct ai_ask ask = ask_of(rq);

	set_prompt(rq, &ask, req_text(rq, "system"));
	return ask_named(rq, &ask);
}

/*
 * Routed by complexity
 */

static int complexity_index(const char *text)
{
	int i = 0;

	while (complexities[i] && strcmp(complexities[i], text) != 0)
		i++;
	return i;
}

/* The model of each complexity, by AI_ROUTED_MODELS; the last one stands for those that are missing. */
static const char *routed_model(int complexity)
{
	const char *const *all = cfg.ai_routed_models;
	int i = 0;

	while (all && all[i] && i < complexity && all[i + 1])
		i++;
	return all && all[i] ? all[i] : cfg.ai_default_model;
}

/* What may be asked in the end is not known yet: the dearest is what is held. */
static const struct ai_model *dearest(const struct ai_server *own, long long input, long long output)
{
	const struct ai_model *most = NULL, *m;

	for (int i = 0; complexities[i]; i++) {
		m = ai_model_find(routed_model(i));
		if (model_choice_is_ready(m, own) &&
		    (!most || ai_model_cost(m, input, 0, output) > ai_model_cost(most, input, 0, output)))
			most = m;
	}
	return most;
}

/* Have a model judge; -1: it cannot. */
static int judge(struct req *rq, struct meter *m, const struct prompt_var *vars, const struct ai_ask *within)
{
	const struct ai_model *models[MODEL_CHOICES + 1];
	struct value out;

	if (model_choice_make(rq, within->own, "model", routed_model(0), cfg.ai_routed_models, models))
		return -1;
	if (prompt_ask(rq, m, &routing, vars, models, within, &out))
		return -1;
	return complexity_index(out.text);
}

static enum err chat_routed(struct req *rq)
{
	const struct prompt_var vars[] = { { "text", req_text(rq, "prompt") }, { NULL, NULL } };
	const char *said = req_text(rq, "complexity");
	const struct ai_model *models[MODEL_CHOICES + 1], *most;
	int complexity = said ? complexity_index(said) : 0;
	int64_t start = clock_ns();
	struct ai_ask ask = ask_of(rq);
	struct reply *r = reply_new(rq, &form);
	enum err rc;

	set_prompt(rq, &ask, NULL);
	reply_prepare(r, &ask);
	rc = ai_accounts_own(rq, &ask.own);
	if (!rc)
		rc = model_choice_make(rq, ask.own, "complexity", routed_model(complexity),
				       cfg.ai_routed_models, models);
	if (rc)
		return rc;
	most = said ? models[0] : dearest(ask.own, ai_tokens_of(&ask), ask.max_tokens);
	rc = begin(r, most ? most : models[0], &ask, said ? 0 : prompt_tokens(rq, &routing, vars));
	if (rc)
		return rc;
	if (!said) {
		complexity = judge(rq, &r->meter, vars, &ask);
		if (complexity < 0)
			return reply_fail(r, models[0], "the model that judges the question failed");
		if (model_choice_make(rq, ask.own, "complexity", routed_model(complexity),
				      cfg.ai_routed_models, models))
			return reply_fail(r, most, "no model of that complexity is ready");
		ask.timeout_ms -= (long)((clock_ns() - start) / 1000000);
	}
	model_choice_prefer(rq, ask.own, r->meter.fallbacks, models);
	return reply_ask(r, &ask, models);
}
