/*
 * The gateway: what texts mean, in OpenAI's form.
 */
#include <json-c/json.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/gateway.h"
#include "handlers/ai/model_choice.h"
#include "handlers/shapes.h"
#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"

enum { MAX_TEXTS = 2048, MAX_BODY = 2 << 20, MAX_VECTOR = 1 << 20 };

static enum err embedding_create(struct req *rq);

/* clang-format off */
static const char *const forms[] = { "float", "base64", NULL };

static const struct field embedding_in[] = {
	{ "model",           F_TEXT, F_REQUIRED, .min = 1, .max = 200, .example = "text-embedding-3-small" },
	{ "input",           F_JSON, F_REQUIRED, .about = "a text, or a list of up to 2048", .example = "\"A harbour\"" },
	{ "encoding_format", F_ENUM, F_NULL | F_RARE, .values = forms, .def = "float" },
	{ "dimensions",      F_INT,  F_NULL | F_RARE, .min = 1, .max = 10000 },
	FIELD_END
};

static const struct field vector_out[] = {
	{ "object",    F_TEXT, 0, .example = "embedding" },
	{ "index",     F_INT,  0, .example = "0" },
	{ "embedding", F_JSON, 0, .about = "numbers, or base64 of floats", .example = "[0.5,-1.25]" },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "prompt_tokens", F_INT, 0, .example = "3" },
	{ "total_tokens",  F_INT, 0, .example = "3" },
	FIELD_END
};

static const struct field embeddings_out[] = {
	{ "object", F_TEXT,   0, .example = "list" },
	{ "data",   F_LIST,   0, .fields = vector_out },
	{ "model",  F_TEXT,   0, .example = "text-embedding-3-small" },
	{ "usage",  F_OBJECT, 0, .fields = usage_out },
	FIELD_END
};

static const struct shape embeddings_shape = { "Embeddings", embeddings_out };

const struct route embeddings_routes[] = {
	{ POST, "/api/v1/openai/embeddings", "platform.ai.create_openai_embedding", &by_gateway, "Make vectors of texts, in OpenAI's form",
	  .body = embedding_in, .out = &embeddings_shape, .headers = gateway_headers, .errors = gateway_refusals, .max_body = MAX_BODY, .flags = SLOW,
	  .status = 200, .needs = { "a key of a model's provider", ERR_UNAVAILABLE }, .run = embedding_create },
	ROUTE_END
};
/* clang-format on */

/* How many bytes the texts are; 0: they are none. */
static size_t check_input(struct json_object *input)
{
	size_t n = json_object_is_type(input, json_type_array) ? json_object_array_length(input) : 0,
	       bytes = 0;

	if (json_object_is_type(input, json_type_string))
		return (size_t)json_object_get_string_len(input);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_text(json_object_array_get_idx(input, i), MAX_BODY);

		if (!text || n > MAX_TEXTS)
			return 0;
		bytes += strlen(text);
	}
	return bytes;
}

/* The floats of a vector, however the provider has written them; how many. */
static size_t read_vector(struct req *rq, struct json_object *value, float **out)
{
	const char *text = json_text(value, MAX_VECTOR);
	size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
	ssize_t bytes;

	if (text) {
		*out = arena_alloc(&rq->tx.arena, strlen(text) + sizeof(float));
		bytes = base64_decode(text, strlen(text), *out);
		return bytes < 0 ? 0 : (size_t)bytes / sizeof(float);
	}
	*out = arena_alloc(&rq->tx.arena, (n + 1) * sizeof(float));
	for (size_t i = 0; i < n; i++)
		(*out)[i] = (float)json_object_get_double(json_object_array_get_idx(value, i));
	return n;
}

static void write_vector(struct req *rq, struct buf *b, struct json_object *value, bool as_base64)
{
	size_t n;
	float *v;

	n = read_vector(rq, value, &v);
	if (as_base64) {
		jx_base64(b, v, n * sizeof(*v));
		return;
	}
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++)
		jx_next(b), jx_float(b, v[i]);
	buf_char(b, ']');
}

static enum err answer(struct req *rq, const struct ai_answer *a, struct json_object *data)
{
	const char *form = req_text(rq, "encoding_format");
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key_str(b, "object", "list");
	jx_key_open(b, "data", '[');
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *one = json_object_array_get_idx(data, i);

		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "object", "embedding");
		jx_key_int(b, "index", ai_wire_int(one, "index", NULL));
		jx_key(b, "embedding");
		write_vector(rq, b, json_at(one, "embedding", NULL), form && !strcmp(form, "base64"));
		buf_char(b, '}');
	}
	buf_char(b, ']');
	jx_key_str(b, "model", a->model->id);
	jx_key_open(b, "usage", '{');
	jx_key_int(b, "prompt_tokens", a->input);
	jx_key_int(b, "total_tokens", a->input);
	buf_text(b, "}}");
	return answer_close(rq);
}

static bool is_wanted(void *to)
{
	return stream_is_awaited(to);
}

static enum err embedding_create(struct req *rq)
{
	struct json_object *input = json_at(rq->asked.json, "input", NULL), *data = NULL;
	struct ai_ask within = { .timeout_ms = cfg.ai_timeout_s * 1000, .is_wanted = is_wanted, .to = rq };
	struct ai_answer *a = arena_alloc(&rq->tx.arena, sizeof(*a));
	size_t bytes = check_input(input);
	const struct ai_model *m;
	struct meter meter;
	enum err rc;

	if (!bytes)
		return gateway_bad(rq, "input", "a text, or a list of 1 to 2048 of them");
	rc = ai_accounts_own(rq, &within.own);
	if (!rc)
		rc = model_choice_embedding(rq, within.own, "model", req_text(rq, "model"), &m);
	if (!rc)
		rc = gateway_place(rq);
	if (!rc)
		rc = meter_begin(rq, &meter, m, ai_tokens(bytes), 0);
	if (rc)
		return rc;
	ai_embed(&rq->tx.arena, m, json_object_to_json_string_ext(input, JSON_C_TO_STRING_PLAIN),
		 req_given(rq, "dimensions") ? req_int(rq, "dimensions") : 0, &within, a, &data);
	meter_note(rq, &meter, rq->asked.route->id, NULL, a);
	meter_end(rq, &meter);
	rc = meter_refuse(rq, a);
	return rc ? rc : answer(rq, a, data);
}
