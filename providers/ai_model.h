/*
 * Models: what there is to be asked, what it can do, and what it costs; data that an
 * operator changes without a build: templates/ai/models.json, compiled in, and
 * AI_MODELS_FILE, whose models come first and take the place of those of their ids.
 *
 * Money is integer micro-dollars.  A price is one of a million tokens.
 */
#ifndef PROVIDERS_AI_MODEL_H
#define PROVIDERS_AI_MODEL_H

#include <stdbool.h>
#include <stddef.h>

struct ai_file {
	const char *name; /* "models.json" */
	const char *text;
};

extern const struct ai_file ai_files[], ai_prompts[]; /* end with NULLs; build/ai_templates.c */

enum ai_can {
	AI_CAN_TOOLS = 1,
	AI_CAN_IMAGES = 2,
	AI_CAN_SCHEMA = 4, /* answers as a JSON schema says; else a tool is forced */
	AI_CAN_JSON = 8,   /* answers in JSON of no schema */
	AI_CAN_EMBED = 16, /* that, and no more */
	AI_CAN_THINK = 32, /* reasons first: takes max_completion_tokens, and no temperature */
};

struct ai_model {
	const char *id;       /* as clients say it */
	const char *provider; /* "openai", "anthropic", "perplexity" */
	const char *name;     /* as its provider calls it */
	const char *const *aliases;
	long long context, max_output; /* tokens */
	long long input, cached,
		output;    /* price: of what it reads, of that what it had read lately, of what it writes */
	long long request; /* price of one request beside its tokens */
	unsigned can;
};

/* By its id or an alias; NULL: there is none. */
const struct ai_model *ai_model_find(const char *id);

/* All of them, in their order; NULL behind the last one. */
const struct ai_model *ai_model_at(size_t i);

/* What tokens cost, cached being part of input: one rounding, half up, at the end. */
long long ai_model_cost(const struct ai_model *m, long long input, long long cached, long long output);

/* Read them again, with those of this file ("": none).  NULL, or what is wrong with it; then they stay what
 * they were. */
const char *ai_model_load(const char *file);

#endif
