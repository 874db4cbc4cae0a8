/*
 * What the program itself asks of models: a call is a row, which names its output, a
 * prompt, a bound and a time.
 *
 * The output's field table is the schema that is sent, and judges what comes back.
 * A prompt is a file of templates/prompts, compiled in, or one of its name in
 * AI_PROMPTS.  {name} in it is a variable's value; {boundary} is a line that is drawn
 * anew for each call, and what people wrote stands between two of them.
 *
 *	static const struct prompt_call routing = { "chat_routing", routing_out, 200, 15 };
 */
#ifndef HANDLERS_AI_PROMPT_H
#define HANDLERS_AI_PROMPT_H

#include "fcgi/field.h"
#include "providers/ai.h"

struct meter;
struct req;

struct prompt_call {
	const char *name; /* of its prompt, too */
	const struct field *out;
	long long max_tokens; /* of one answer */
	long timeout_s;
};

struct prompt_var {
	const char *name, *text;
};

/* A prompt's text alone, with the variables in their places; the arena's. */
const char *prompt_text(struct req *rq, const char *name, const struct prompt_var *vars);

/* About how many tokens it reads at most, for who reserves them: two attempts. */
long long prompt_tokens(struct req *rq, const struct prompt_call *call, const struct prompt_var *vars);

/*
 * Ask, and once more with what was wrong, where the answer is not as the table has it.
 * Each attempt is noted in the meter.
 *
 * vars    ends with a NULL name
 * models  NULL-terminated
 * within  whose time it takes, and who waits for it
 * out     as many values as the table has fields
 *
 * AI_OK; AI_FAILED also where the second answer is wrong, too: the log says how.
 */
enum ai_error prompt_ask(struct req *rq, struct meter *m, const struct prompt_call *call,
			 const struct prompt_var *vars, const struct ai_model *const *models,
			 const struct ai_ask *within, struct value *out);

#endif
