#include "handlers/ai/gateway.h"

#include <json-c/json.h>
#include <math.h>

#include "build/sql/ai/ai.h"
#include "fcgi/req.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/model_choice.h"
#include "handlers/tenancy/organization_header.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MAX_TOKENS = 4096, MAX_TOOLS = 128, MAX_STOPS = 16, PARTS_BYTES = 12 };

/* clang-format off */
const struct field gateway_headers[] = {
	{ "X-Organization-Id", F_UUID, F_RARE, .about = "who is charged; without it the user's default organization, or of a key alone the key" },
	FIELD_END
};

const enum err gateway_refusals[] = { ERR_LIMIT, ERR_NOT_FOUND, ERR_EXTERNAL, ERR_UNAVAILABLE, ERR_OK };
/* clang-format on */

enum err gateway_place(struct req *rq)
{
	const char *text;
	PGresult *res;
	enum err rc = organization_header_read(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_ai_place, false, &res);
	if (rc)
		return rc;
	text = column_text(res, 0, "place");
	req_set(rq, "organization", text ? arena_dup(&rq->tx.arena, text) : NULL);
	/* A server of the tenant's has no plan; its users have. */
	req_set(rq, "is_open", rq->who.kind == BEARER || text ? "false" : "true");
	return ERR_OK;
}

/* Messages whose first part is what a tool said answer one that would be gone. */
static bool is_result(const struct ai_message *m)
{
	return m->nparts && m->parts[0].kind == AI_RESULT;
}

/* Of what was said before, the oldest goes first: until the rest fits what the model can read. */
static void fit(struct req *rq, struct ai_ask *ask, struct reply *r, const struct ai_model *model)
{
	struct ai_ask front = { .messages = ask->messages, .nmessages = r->history_from }, rest = *ask;
	long long room =
		model->context - (ask->max_tokens ? ask->max_tokens : MAX_TOKENS) - ai_tokens_of(&front);
	size_t most = r->nhistory;
	struct ai_message *messages;
	bool has_gone = false;

	rest.messages += r->history_from;
	rest.nmessages -= r->history_from;
	/* What a tool says now answers the last of them. */
	if (most && most < rest.nmessages && is_result(&rest.messages[most]))
		most--;
	/* What is left does not begin with an answer. */
	while (most && (ai_tokens_of(&rest) > room || is_result(rest.messages) ||
			(has_gone && rest.messages->role == AI_ASSISTANT)))
		most--, rest.messages++, rest.nmessages--, has_gone = true;
	messages = arena_alloc(&rq->tx.arena, (front.nmessages + rest.nmessages + 1) * sizeof(*messages));
	memcpy(messages, front.messages, front.nmessages * sizeof(*messages));
	memcpy(messages + front.nmessages, rest.messages, rest.nmessages * sizeof(*messages));
	ask->messages = messages;
	ask->nmessages = front.nmessages + rest.nmessages;
}

enum err gateway_ask(struct req *rq, struct ai_ask *ask, struct reply *r)
{
	const struct ai_model *models[MODEL_CHOICES + 1];
	enum err rc = ai_accounts_own(rq, &ask->own);

	if (!rc)
		rc = model_choice_make(rq, ask->own, "model", req_text(rq, "model"), NULL, models);

	if (!rc && r->nhistory)
		fit(rq, ask, r, models[0]);
	if (!rc)
		rc = gateway_place(rq);
	if (!rc)
		rc = meter_begin(rq, &r->meter, models[0], ai_tokens_of(ask),
				 ask->max_tokens ? ask->max_tokens : MAX_TOKENS);
	if (rc)
		return rc;
	model_choice_prefer(rq, ask->own, r->meter.fallbacks, models);
	ask->timeout_ms = cfg.ai_timeout_s * 1000;
	reply_prepare(r, ask);
	return reply_ask(r, ask, models);
}

enum err gateway_bad(struct req *rq, const char *field, const char *what)
{
	return req_fail_field(rq, ERR_VALIDATION, field, "%s: %s", field, what);
}

double gateway_number(struct json_object *body, const char *name)
{
	struct json_object *value = json_at(body, name, NULL);

	return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double)
		       ? json_object_get_double(value)
		       : NAN;
}

void gateway_messages_init(struct req *rq, struct gateway_messages *m, size_t items, size_t bytes)
{
	/* No part is written in fewer bytes, nor without a value. */
	size_t parts = bytes / PARTS_BYTES < 2 * JSON_MAX_VALUES ? bytes / PARTS_BYTES : 2 * JSON_MAX_VALUES;

	*m = (struct gateway_messages){ .most_messages = 2 * items + 2, .most_parts = parts + 2 };
	m->messages = arena_alloc(&rq->tx.arena, m->most_messages * sizeof(*m->messages));
	m->parts = arena_alloc(&rq->tx.arena, m->most_parts * sizeof(*m->parts));
}

struct ai_message *gateway_message(struct gateway_messages *m, enum ai_role role)
{
	struct ai_message *one;

	if (m->nmessages == m->most_messages)
		return NULL;
	one = &m->messages[m->nmessages++];
	*one = (struct ai_message){ role, m->parts + m->nparts, 0 };
	return one;
}

struct ai_part *gateway_part(struct gateway_messages *m, enum ai_part_kind kind, const char *text)
{
	struct ai_part *part;

	if (m->nparts == m->most_parts || !m->nmessages)
		return NULL;
	part = &m->parts[m->nparts++];
	*part = (struct ai_part){ .kind = kind, .text = text ? text : "" };
	m->messages[m->nmessages - 1].nparts++;
	return part;
}

bool gateway_image(struct req *rq, struct ai_part *part, const char *url)
{
	static const char data[] = "data:", base64[] = ";base64,";
	const char *at = url ? strstr(url, base64) : NULL;

	if (!url || !part)
		return false;
	part->text = url;
	if (strncmp(url, data, strlen(data)) != 0)
		return !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7);
	if (!at)
		return false;
	part->media_type = arena_dup_n(&rq->tx.arena, url + strlen(data), (size_t)(at - url) - strlen(data));
	part->text = at + strlen(base64);
	return true;
}

enum err gateway_tools(struct req *rq, struct json_object *list, const char *inside, const char *schema,
		       struct ai_ask *ask)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	struct ai_tool *tools = arena_alloc(&rq->tx.arena, (n + 1) * sizeof(*tools));

	if (n > MAX_TOOLS)
		return gateway_bad(rq, "tools", "at most 128");
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i), *parameters;

		one = inside ? json_at(one, inside, NULL) : one;
		parameters = json_at(one, schema, NULL);
		tools[i].name = json_text(json_at(one, "name", NULL), 128);
		tools[i].about = json_text(json_at(one, "description", NULL), GATEWAY_MAX_BODY);
		tools[i].schema = json_object_is_type(parameters, json_type_object)
					  ? json_object_to_json_string_ext(parameters, JSON_C_TO_STRING_PLAIN)
					  : "{\"type\":\"object\",\"properties\":{}}";
		if (!tools[i].name)
			return gateway_bad(rq, "tools",
					   "each has a name of at most 128 characters, and no other kind of "
					   "tool is here");
	}
	ask->tools = tools;
	ask->ntools = n;
	return ERR_OK;
}

const char *const *gateway_texts(struct req *rq, struct json_object *value)
{
	bool is_list = json_object_is_type(value, json_type_array);
	size_t n = is_list ? json_object_array_length(value) : value ? 1 : 0, k = 0;
	const char **out = arena_alloc(&rq->tx.arena, (MAX_STOPS + 1) * sizeof(*out));

	for (size_t i = 0; i < n && k < MAX_STOPS; i++) {
		const char *text = json_text(is_list ? json_object_array_get_idx(value, i) : value, 1000);

		if (text)
			out[k++] = text;
	}
	return k ? out : NULL;
}
