#include "handlers/ai/prompt.h"

#include <json-c/json.h>
#include <math.h>

#include "fcgi/reference/schema.h"
#include "fcgi/req.h"
#include "handlers/ai/meter.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"

enum { ATTEMPTS = 2, MAX_PROMPT = 64 * 1024, BOUNDARY = 24, VERSION = 16 };

static const char *from_directory(struct arena *a, const char *file)
{
	FILE *in = *cfg.ai_prompts ? fopen(arena_fmt(a, "%s/%s", cfg.ai_prompts, file), "re") : NULL;
	struct buf b;

	if (!in)
		return NULL;
	buf_init(&b, a, MAX_PROMPT);
	b.n = fread(b.p, 1, MAX_PROMPT - 1, in);
	fclose(in);
	return buf_str(&b);
}

static const char *text_of(struct arena *a, const char *name)
{
	const char *file = arena_fmt(a, "%s.txt", name), *text = from_directory(a, file);

	for (const struct ai_file *f = ai_prompts; !text && f->name; f++)
		if (!strcmp(f->name, file))
			text = f->text;
	return text ? text : "";
}

static const char *version_of(struct arena *a, const char *text)
{
	return arena_dup_n(a, secret_sha256_hex(a, text) + strlen("\\x"), VERSION);
}

static const char *value_of(const struct prompt_var *vars, const char *boundary, const char *name, size_t n)
{
	if (n == strlen("boundary") && !memcmp(name, "boundary", n))
		return boundary;
	for (; vars->name; vars++)
		if (n == strlen(vars->name) && !memcmp(vars->name, name, n))
			return vars->text;
	return NULL;
}

/* With the variables in their places; braces around anything else are text. */
static const char *fill(struct req *rq, const char *text, const struct prompt_var *vars)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	const char *boundary = secret_random_text(&rq->tx.arena, letters, BOUNDARY), *value;
	struct buf b;

	buf_init(&b, &rq->tx.arena, strlen(text) + 1024);
	while (*text) {
		size_t n = *text == '{' ? strcspn(text + 1, "{} \n") : 0;

		value = n && text[1 + n] == '}' ? value_of(vars, boundary, text + 1, n) : NULL;
		if (value)
			buf_text(&b, value), text += n + 2;
		else
			buf_char(&b, *text++);
	}
	return buf_str(&b);
}

const char *prompt_text(struct req *rq, const char *name, const struct prompt_var *vars)
{
	return fill(rq, text_of(&rq->tx.arena, name), vars);
}

static const char *schema_of(struct req *rq, const struct prompt_call *call)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 512);
	schema_write(&b, call->out, 1, false);
	return buf_str(&b);
}

long long prompt_tokens(struct req *rq, const struct prompt_call *call, const struct prompt_var *vars)
{
	size_t n = strlen(text_of(&rq->tx.arena, call->name)) + strlen(schema_of(rq, call)) + BOUNDARY * 3;

	for (; vars->name; vars++)
		n += strlen(vars->text);
	return ATTEMPTS * (ai_tokens(n) + call->max_tokens);
}

/* Models like to put what they say into a fence. */
static void without_fence(const char **p, size_t *n)
{
	const char *open = memmem(*p, *n, "```", 3), *line, *close;

	if (!open || memchr(*p, '{', (size_t)(open - *p)))
		return;
	line = memchr(open, '\n', *n - (size_t)(open - *p));
	close = line ? memmem(line, *n - (size_t)(line - *p), "```", 3) : NULL;
	if (!close)
		return;
	*p = line + 1;
	*n = (size_t)(close - line - 1);
}

/* NULL, or what is wrong with it. */
static const char *read_answer(struct req *rq, const struct prompt_call *call, const struct ai_answer *a,
			       struct value *out)
{
	const char *p = a->text.p ? a->text.p : "", *problem = NULL;
	struct failure why = { ERR_OK };
	struct json_object *object;
	size_t n = a->text.n;

	without_fence(&p, &n);
	if (json_read_any(&rq->tx.arena, p, n, &object, &problem))
		return problem;
	if (!json_object_is_type(object, json_type_object))
		return "the answer is no JSON object";
	return field_from_json(&rq->tx.arena, call->out, object, out, &why) ? why.message : NULL;
}

enum ai_error prompt_ask(struct req *rq, struct meter *m, const struct prompt_call *call,
			 const struct prompt_var *vars, const struct ai_model *const *models,
			 const struct ai_ask *within, struct value *out)
{
	const char *text = text_of(&rq->tx.arena, call->name), *problem = NULL;
	struct ai_part parts[3] = { { .kind = AI_TEXT, .text = fill(rq, text, vars) } };
	struct ai_message messages[3] = { { AI_USER, &parts[0], 1 } };
	struct ai_ask ask = { .messages = messages,
			      .nmessages = 1,
			      .schema = schema_of(rq, call),
			      .max_tokens = call->max_tokens,
			      .temperature = 0,
			      .top_p = NAN,
			      .own = within->own,
			      .is_wanted = within->is_wanted,
			      .to = within->to };
	long timeout_ms =
		within->timeout_ms < call->timeout_s * 1000 ? within->timeout_ms : call->timeout_s * 1000;
	int64_t start = clock_ns();
	struct ai_answer *a = arena_alloc(&rq->tx.arena, sizeof(*a));

	for (int i = 0; i < ATTEMPTS; i++) {
		ask.timeout_ms = timeout_ms - (long)((clock_ns() - start) / 1000000);
		if (ask.timeout_ms <= 0)
			return AI_FAILED;
		ai_ask(&rq->tx.arena, &ask, models, a);
		problem = a->error ? NULL : read_answer(rq, call, a, out);
		meter_note(rq, m, call->name, version_of(&rq->tx.arena, text), a);
		if (a->error || !problem)
			return a->error;
		log_msg(LOG_WARNING, &rq->tx.log, "%s of %s: the answer is not as it should be: %s",
			call->name, a->model->id, problem);
		parts[1] = (struct ai_part){ .kind = AI_TEXT,
					     .text = a->text.n ? buf_str(&a->text) : "(nothing)" };
		parts[2] = (struct ai_part){ .kind = AI_TEXT,
					     .text = arena_fmt(&rq->tx.arena,
							       "That is not what was asked for: %s. Answer "
							       "again, with the JSON object alone.",
							       problem) };
		messages[1] = (struct ai_message){ AI_ASSISTANT, &parts[1], 1 };
		messages[2] = (struct ai_message){ AI_USER, &parts[2], 1 };
		ask.nmessages = 3;
	}
	return AI_FAILED;
}
