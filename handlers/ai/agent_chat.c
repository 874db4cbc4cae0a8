/*
 * Asking an agent: its prompt, what was said before, and its tools, as often as the model
 * wants them, eight times at most.
 *
 * It is begun in the transaction that holds its price, and ended in one of its own; in
 * between models and tools are asked, without a connection to the database.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/sql/ai/conversations.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/agents.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/meter.h"
#include "handlers/ai/model_choice.h"
#include "handlers/ai/prompt.h"
#include "handlers/tenancy/organization_header.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "providers/ai.h"
#include "providers/mcp.h"

enum {
	MAX_ROUNDS = 8,
	MAX_SECONDS = 60,
	MAX_SAID = 100,
	MAX_HISTORY = 200, /* as agent_chat_begin() */
	MAX_CONTENT = 500000,
	MAX_SERVERS = 20,
	MAX_TOOLS = 128,
	MAX_MESSAGES = 2 + MAX_HISTORY + MAX_SAID + 2 * MAX_ROUNDS,
	TOKENS = 1000, /* of an answer, where nobody says otherwise */
	MS = 1000000,
};

static enum err agent_chat(struct req *rq);

/* clang-format off */
static const char *const roles[] = { "system", "user", "assistant", NULL };

static const struct field message[] = {
	{ "role",    F_ENUM, F_REQUIRED, .values = roles },
	{ "content", F_TEXT, F_REQUIRED, .min = 1, .max = MAX_CONTENT },
	FIELD_END
};

static const struct field chat_in[] = {
	{ "messages",        F_LIST,   F_RARE, .min = 1, .max = MAX_SAID, .fields = message, .about = "what is said; else input says it" },
	{ "input",           F_TEXT,   0, .min = 1, .max = MAX_CONTENT, .example = "When is high water?" },
	{ "conversation_id", F_UUID,   F_RARE, .about = "what was said in it before is told to the agent, and this is kept in it" },
	{ "model",           F_TEXT,   F_RARE, .min = 1, .max = 200, .about = "instead of the agent's" },
	{ "temperature",     F_NUMBER, F_RARE, .max = 2, .about = "the same" },
	{ "max_tokens",      F_INT,    F_RARE, .min = 1, .max = 1000000, .about = "the same" },
	{ "use_tools",       F_BOOL,   F_RARE, .def = "true" },
	{ "use_rag",         F_BOOL,   F_RARE, .def = "true" },
	FIELD_END
};

static const enum err refusals[] = { ERR_LIMIT, ERR_CONFLICT, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_UNAVAILABLE, ERR_BAD_REQUEST, ERR_OK };

const struct route agent_chat_routes[] = {
	{ POST, "/api/v1/user/agents/{agent_id}/chat", "platform.agents.chat", &by_key_and_user, "Ask an agent",
	  .about = "It may use its tools up to 8 times, within a minute. What a provider fails at is an answer, too, with status FAILED. It counts against the "
		   "plan of the organization, or else the caller's.",
	  .needs = { "a key of a model's provider", ERR_UNAVAILABLE },
	  .headers = organization_header_in, .body = chat_in, .out = &agent_execution_shape, .errors = refusals, .budget = &budget_agents,
	  .run = agent_chat, .flags = SLOW, .max_body = 4 << 20, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* A tool as the model knows it, and whose it is. */
struct tool {
	struct mcp *server;
	const char *name;
};

struct chat {
	struct req *rq;
	struct meter meter;
	const char *tenant, *execution;
	struct ai_message messages[MAX_MESSAGES];
	struct ai_ask ask;
	size_t nprompts, nhistory; /* of the messages: in front, and behind those */
	struct mcp *servers[MAX_SERVERS];
	size_t nservers;
	struct ai_tool tools[MAX_TOOLS];
	struct tool owners[MAX_TOOLS];
	struct buf used, problems; /* for the metadata: JSON strings */
	struct buf passages;       /* and objects */
	int64_t deadline_ns;
	int rounds;
	long long tokens, cost;
};

static char *own(struct chat *c, const char *text)
{
	return text ? arena_dup(&c->rq->tx.arena, text) : NULL;
}

static bool is_on(struct req *rq, const char *name)
{
	return !strcmp(req_text(rq, name), "true");
}

/* ---- what is said ---- */

static void add_message(struct chat *c, enum ai_role role, const char *text)
{
	struct ai_part *part = arena_alloc(&c->rq->tx.arena, sizeof(*part));

	*part = (struct ai_part){ .kind = AI_TEXT, .text = text };
	c->messages[c->ask.nmessages++] = (struct ai_message){ role, part, 1 };
}

static void add_list(struct chat *c, struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *role = json_object_get_string(json_object_object_get(one, "role"));

		add_message(c,
			    *role == 's'   ? AI_SYSTEM
			    : *role == 'u' ? AI_USER
					   : AI_ASSISTANT,
			    json_object_get_string(json_object_object_get(one, "content")));
	}
}

static void put(void *object)
{
	json_object_put(object);
}

/* What came, as an array of messages: the parameters new and input_text, of which the last one of a user is
 * shown. */
static enum err read_said(struct req *rq, struct json_object **out)
{
	const struct value *messages = req_value(rq, "messages");
	const char *input = req_text(rq, "input");
	struct json_object *list = messages->json, *one;

	if (!list && !input)
		return req_fail_field(rq, ERR_VALIDATION, "input", "give input, or messages");
	if (!list) {
		list = json_object_new_array();
		arena_defer(&rq->tx.arena, put, list);
		one = json_object_new_object();
		json_object_object_add(one, "role", json_object_new_string("user"));
		json_object_object_add(one, "content", json_object_new_string(input));
		json_object_array_add(list, one);
	}
	for (size_t i = json_object_array_length(list); messages->json && i-- > 0;) {
		one = json_object_array_get_idx(list, i);
		input = json_object_get_string(json_object_object_get(one, "content"));
		if (!strcmp(json_object_get_string(json_object_object_get(one, "role")), "user"))
			break;
		if (!i)
			return req_fail_field(rq, ERR_VALIDATION, "messages",
					      "messages must have one of a user");
	}
	req_set(rq, "new", arena_fmt(&rq->tx.arena, "%zu", json_object_array_length(list) + 1));
	req_set(rq, "input_text", input);
	*out = list;
	return ERR_OK;
}

/* The oldest of what was said before goes first, until the rest fits what the model can read. */
static void fit(struct chat *c, const struct ai_model *model)
{
	while (c->nhistory && ai_tokens_of(&c->ask) + c->ask.max_tokens > model->context) {
		struct ai_message *oldest = &c->messages[c->nprompts];

		memmove(oldest, oldest + 1, (c->ask.nmessages - c->nprompts - 1) * sizeof(*oldest));
		c->ask.nmessages--;
		c->nhistory--;
	}
}

/* What was looked up for the question: a message of it, and what of it people may see. */
static void add_passages(struct chat *c, const char *text)
{
	struct arena *a = &c->rq->tx.arena;
	struct json_object *list;
	const char *problem;
	struct buf b;

	if (!text || json_read_any(a, text, strlen(text), &list, &problem) || !json_object_array_length(list))
		return;
	buf_init(&b, a, 4096);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		buf_fmt(&b, "%s[%s]\n%s", i ? "\n\n" : "",
			json_object_get_string(json_object_object_get(one, "name")),
			json_object_get_string(json_object_object_get(one, "content")));
		jx_next(&c->passages), buf_char(&c->passages, '{');
		for (const char *const *name =
			     (const char *const[]){ "file_id", "position", "headline", NULL };
		     *name; name++) {
			jx_key(&c->passages, *name);
			buf_text(&c->passages,
				 json_object_to_json_string_ext(json_object_object_get(one, *name),
								JSON_C_TO_STRING_PLAIN));
		}
		buf_char(&c->passages, '}');
	}
	add_message(c, AI_SYSTEM,
		    prompt_text(c->rq, "agent_knowledge",
				(struct prompt_var[]){ { "passages", buf_str(&b) }, { NULL, NULL } }));
	c->nprompts++;
}

/* ---- tools ---- */

static bool is_wanted(void *to)
{
	return stream_is_awaited(to);
}

static void note(struct buf *b, const char *text)
{
	jx_next(b), jx_str(b, text);
}

static const char *const *headers_of(struct chat *c, struct json_object *headers)
{
	struct arena *a = &c->rq->tx.arena;
	const char **all = arena_alloc(a, ((size_t)json_object_object_length(headers) + 1) * sizeof(*all));
	size_t n = 0;

	json_object_object_foreach(headers, name, sealed)
	{
		const char *value = seal_open(a, AGENTS_SEAL, c->tenant, json_object_get_string(sealed));

		if (!value)
			return NULL;
		all[n++] = arena_fmt(a, "%s: %s", name, value);
	}
	all[n] = NULL;
	return all;
}

static bool is_allowed(struct json_object *allowed, const char *name)
{
	if (!json_object_is_type(allowed, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(allowed); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(allowed, i)), name))
			return true;
	return false;
}

/* Models take letters, digits, - and _, 64 at most: a name of ours, and behind it what people read. */
static const char *name_for_model(struct chat *c, size_t i, const char *name)
{
	char *text = arena_fmt(&c->rq->tx.arena, "t%zu_%.56s", i, name);

	for (char *p = text; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *p))
			*p = '_';
	return text;
}

static void open_server(struct chat *c, struct json_object *server)
{
	struct arena *a = &c->rq->tx.arena;
	const char *name = json_object_get_string(json_object_object_get(server, "name"));
	const char *const *headers = headers_of(c, json_object_object_get(server, "headers"));
	struct mcp_tool *tools = arena_alloc(a, MCP_MAX_TOOLS * sizeof(*tools));
	struct mcp_server *to = arena_alloc(a, sizeof(*to));
	struct mcp *m = arena_alloc(a, sizeof(*m));
	const char *transport = json_object_get_string(json_object_object_get(server, "transport"));
	int n;

	if (!headers) {
		note(&c->problems, arena_fmt(a, "%s: its headers cannot be opened", name));
		return;
	}
	*to = (struct mcp_server){ .url = json_object_get_string(json_object_object_get(server, "url")),
				   .headers = headers,
				   .is_sse = transport && !strcmp(transport, "sse"),
				   .is_wanted = is_wanted,
				   .to = c->rq };
	if (!mcp_open(m, a, to, c->deadline_ns)) {
		note(&c->problems, arena_fmt(a, "%s: %s", name, m->reason));
		return;
	}
	c->servers[c->nservers++] = m;
	n = mcp_list(m, tools, MCP_MAX_TOOLS);
	if (n < 0)
		note(&c->problems, arena_fmt(a, "%s: %s", name, m->reason));
	for (int i = 0; i < n && c->ask.ntools < MAX_TOOLS; i++) {
		size_t k = c->ask.ntools;

		if (!is_allowed(json_object_object_get(server, "allowed_tools"), tools[i].name))
			continue;
		c->owners[k] = (struct tool){ m, tools[i].name };
		c->tools[k] = (struct ai_tool){ name_for_model(c, k, tools[i].name), tools[i].about,
						tools[i].schema };
		c->ask.ntools++;
	}
}

static void open_servers(struct chat *c, const char *text)
{
	struct json_object *servers;
	const char *problem;

	if (json_read(&c->rq->tx.arena, text, strlen(text), &servers, &problem))
		return;
	c->ask.tools = c->tools;
	for (size_t i = 0; i < json_object_array_length(servers) && c->nservers < MAX_SERVERS; i++) {
		struct json_object *server = json_object_array_get_idx(servers, i);

		if (json_object_get_boolean(json_object_object_get(server, "is_enabled")) &&
		    clock_ns() < c->deadline_ns)
			open_server(c, server);
	}
}

static const struct tool *find_tool(const struct chat *c, const char *name)
{
	for (size_t i = 0; i < c->ask.ntools; i++)
		if (!strcmp(c->tools[i].name, name))
			return &c->owners[i];
	return NULL;
}

/* What the model asked for, and what its tools say to that: two more messages. */
static void use_tools(struct chat *c, struct ai_answer *answer)
{
	struct arena *a = &c->rq->tx.arena;
	struct ai_part *asked = arena_alloc(a, (answer->ncalls + 1) * sizeof(*asked)), *said;
	size_t n = 0;

	said = arena_alloc(a, answer->ncalls * sizeof(*said));
	if (answer->text.n)
		asked[n++] = (struct ai_part){ .kind = AI_TEXT, .text = buf_str(&answer->text) };
	for (size_t i = 0; i < answer->ncalls; i++) {
		struct ai_call *call = &answer->calls[i];
		const char *arguments = call->arguments.n ? buf_str(&call->arguments) : "{}", *problem;
		const struct tool *tool = find_tool(c, call->name);
		struct json_object *object = NULL;
		bool is_good = false;
		struct buf out;

		buf_init(&out, a, 1024);
		if (!tool)
			buf_text(&out, "[there is no such tool]");
		else if (json_read_any(a, arguments, strlen(arguments), &object, &problem) ||
			 !json_object_is_type(object, json_type_object))
			buf_text(&out, "[the arguments are no JSON object]");
		else if (clock_ns() >= c->deadline_ns)
			buf_text(&out, "[there is no time left for this tool]");
		else
			is_good = mcp_call(tool->server, tool->name,
					   json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
					   &out);
		note(&c->used, tool ? tool->name : call->name);
		asked[n++] = (struct ai_part){
			.kind = AI_CALL, .text = object ? arguments : "{}", .id = call->id, .name = call->name
		};
		said[i] = (struct ai_part){ .kind = AI_RESULT,
					    .text = buf_str(&out),
					    .id = call->id,
					    .name = call->name,
					    .is_error = !is_good };
	}
	c->messages[c->ask.nmessages++] = (struct ai_message){ AI_ASSISTANT, asked, n };
	c->messages[c->ask.nmessages++] = (struct ai_message){ AI_USER, said, answer->ncalls };
}

/* ---- asking ---- */

/* Ask, and use tools, until there is an answer; the last time without any. */
static struct ai_answer *ask(struct chat *c, const struct ai_model *const *models)
{
	struct arena *a = &c->rq->tx.arena;

	for (;;) {
		struct ai_answer *answer = arena_alloc(a, sizeof(*answer));
		long left = (long)((c->deadline_ns - clock_ns()) / MS);

		c->ask.choice = c->rounds == MAX_ROUNDS || left < 5000 ? AI_NONE : AI_AUTO;
		c->ask.timeout_ms = left < 1000 ? 1000 : left;
		ai_ask(a, &c->ask, models, answer);
		meter_note(c->rq, &c->meter, c->rq->asked.route->id, NULL, answer);
		c->tokens += answer->input + answer->output;
		c->cost += ai_model_cost(answer->model, answer->input,
					 answer->cached > answer->input ? answer->input : answer->cached,
					 answer->output);
		if (answer->error || !answer->ncalls || c->ask.choice == AI_NONE)
			return answer;
		use_tools(c, answer);
		c->rounds++;
	}
}

static const char *metadata_of(struct chat *c, const struct ai_answer *answer)
{
	static const char *const finishes[] = { "stop", "length", "tool_calls", "content_filter" };
	struct buf b;

	buf_init(&b, &c->rq->tx.arena, 512);
	buf_char(&b, '{');
	jx_key_str(&b, "model", answer->model->id);
	jx_key_str(&b, "provider", answer->model->provider);
	if (!isnan(c->ask.temperature))
		jx_key(&b, "temperature"), jx_double(&b, c->ask.temperature);
	jx_key_int(&b, "max_tokens", c->ask.max_tokens);
	if (!answer->error)
		jx_key_str(&b, "finish_reason", finishes[answer->finish]);
	jx_key_open(&b, "tools_used", '['), buf_add(&b, c->used.p, c->used.n), buf_char(&b, ']');
	jx_key_open(&b, "tool_problems", '['), buf_add(&b, c->problems.p, c->problems.n), buf_char(&b, ']');
	jx_key_open(&b, "passages", '['), buf_add(&b, c->passages.p, c->passages.n), buf_char(&b, ']');
	buf_char(&b, '}');
	return buf_str(&b);
}

/* What is kept in a conversation: what was said, and the answer. */
static const char *kept_of(struct chat *c, struct json_object *said, const char *output)
{
	struct buf b;

	buf_init(&b, &c->rq->tx.arena, 1024);
	buf_char(&b, '[');
	for (size_t i = 0; i < json_object_array_length(said); i++) {
		struct json_object *one = json_object_array_get_idx(said, i);

		jx_next(&b), buf_char(&b, '{');
		jx_key_str(&b, "role", json_object_get_string(json_object_object_get(one, "role")));
		jx_key_str(&b, "content", json_object_get_string(json_object_object_get(one, "content")));
		buf_char(&b, '}');
	}
	jx_next(&b), buf_char(&b, '{');
	jx_key_str(&b, "role", "assistant");
	jx_key_str(&b, "content", output);
	buf_text(&b, "}]");
	return buf_str(&b);
}

static enum err finish(struct chat *c, struct json_object *said, struct ai_answer *answer, int64_t started_ns)
{
	struct req *rq = c->rq;
	struct arena *a = &rq->tx.arena;
	const char *output = answer->error ? "" : buf_str(&answer->text);

	for (size_t i = 0; i < c->nservers; i++)
		mcp_close(c->servers[i]);
	meter_end(rq, &c->meter);
	req_set(rq, "execution", c->execution);
	req_set(rq, "output", output);
	req_set(rq, "tokens_used", arena_fmt(a, "%lld", c->tokens));
	req_set(rq, "cost_used", arena_fmt(a, "%lld", c->cost));
	req_set(rq, "duration_ms", arena_fmt(a, "%lld", (long long)((clock_ns() - started_ns) / MS)));
	req_set(rq, "problem",
		answer->error ? arena_fmt(a, "%s%s%s", ai_error_text(answer->error),
					  answer->message ? ": " : "", answer->message ? answer->message : "")
			      : NULL);
	req_set(rq, "metadata", metadata_of(c, answer));
	req_set(rq, "said", answer->error ? NULL : kept_of(c, said, output));
	return answer_rows(rq, &q_chat_end);
}

static double temperature_of(struct req *rq, const PGresult *res)
{
	const char *text = req_text(rq, "temperature");

	if (!text)
		text = column_text(res, 0, "temperature");
	return text ? strtod(text, NULL) : NAN;
}

static enum err agent_chat(struct req *rq)
{
	const struct ai_model *models[MODEL_CHOICES + 1];
	int64_t started_ns = clock_ns();
	struct json_object *said = NULL, *history = NULL;
	const char *text, *problem, *servers;
	struct chat *c;
	PGresult *res;
	enum err rc;

	rc = organization_header_read(rq);
	if (!rc)
		rc = read_said(rq, &said);
	if (!rc)
		rc = tx_call(&rq->tx, &q_chat_begin, false, &res);
	if (rc)
		return rc;
	c = arena_alloc(&rq->tx.arena, sizeof(*c));
	*c = (struct chat){ .rq = rq, .deadline_ns = started_ns + MAX_SECONDS * 1000LL * MS };
	buf_init(&c->used, &rq->tx.arena, 128);
	buf_init(&c->problems, &rq->tx.arena, 128);
	buf_init(&c->passages, &rq->tx.arena, 128);
	c->tenant = own(c, column_text(res, 0, "tenant"));
	c->execution = own(c, column_text(res, 0, "execution_id"));
	servers = own(c, column_text(res, 0, "mcp_servers"));
	text = req_text(rq, "max_tokens");
	if (!text)
		text = column_text(res, 0, "max_tokens");
	c->ask = (struct ai_ask){ .messages = c->messages,
				  .max_tokens = text ? strtoll(text, NULL, 10) : TOKENS,
				  .temperature = temperature_of(rq, res),
				  .top_p = NAN,
				  .is_wanted = is_wanted,
				  .to = rq };
	text = req_text(rq, "model");
	rc = ai_accounts_own(rq, &c->ask.own);
	if (!rc)
		rc = model_choice_make(rq, c->ask.own, "model",
				       text ? text : own(c, column_text(res, 0, "model")), NULL, models);
	if (rc)
		return rc;
	add_message(c, AI_SYSTEM, own(c, column_text(res, 0, "system_prompt")));
	c->nprompts = 1;
	add_passages(c, own(c, column_text(res, 0, "passages")));
	text = own(c, column_text(res, 0, "history"));
	if (text && !json_read_any(&rq->tx.arena, text, strlen(text), &history, &problem))
		add_list(c, history);
	c->nhistory = c->ask.nmessages - c->nprompts;
	add_list(c, said);
	fit(c, models[0]);
	req_set(rq, "organization", own(c, column_text(res, 0, "organization")));
	req_set(rq, "is_open", "false");
	rc = meter_begin(rq, &c->meter, models[0], ai_tokens_of(&c->ask), c->ask.max_tokens);
	if (rc)
		return rc;
	model_choice_prefer(rq, c->ask.own, c->meter.fallbacks, models);
	if (servers && is_on(rq, "use_tools"))
		open_servers(c, servers);
	return finish(c, said, ask(c, models), started_ns);
}
