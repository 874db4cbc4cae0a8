/*
 * Ask a language model, and wait for its answer: so no transaction may be open, and
 * no connection to PostgreSQL should be.
 *
 * Which servers there are is configuration: OPENAI_API_KEY and OPENAI_API_URL, and so
 * on.  Nothing is sent twice: a call goes to each model at most once, and to the next
 * one only where nothing of an answer was handed on and another one may do better.
 */
#ifndef PROVIDERS_AI_H
#define PROVIDERS_AI_H

#include "providers/ai_wire.h"

/* Where a provider is; those of the installation, or a tenant's own. */
struct ai_server {
	const char *url, *key;
	bool is_users; /* somebody chose the address: public ones only, and no breaker has its name */
};

/* The server of a provider, of one's own (ai_ask.own, or NULL) or the installation's; NULL: there is no key.
 */
const struct ai_server *ai_server_of(const char *provider, const struct ai_server *own);

/* The i-th provider's name; NULL behind the last one. */
const char *ai_provider_at(size_t i);

/*
 * Ask the models, NULL-terminated, one after the other within ask->timeout_ms, until
 * one answers.
 *
 * AI_OK, or out->error; out has what was used in either case.
 */
enum ai_error ai_ask(struct arena *a, const struct ai_ask *ask, const struct ai_model *const *models,
		     struct ai_answer *out);

/* About how many tokens a text of so many bytes is. */
long long ai_tokens(size_t bytes);

/* About how many the whole question is. */
long long ai_tokens_of(const struct ai_ask *ask);

/*
 * What texts mean, as vectors.  input is JSON, a string or a list of them; dimensions 0: as many as the model
 * has. within has the time, and who waits for it.
 *
 * AI_OK, and *data is the list of {"index", "embedding": base64 of floats, or numbers}, the arena's; or
 * out->error.
 */
enum ai_error ai_embed(struct arena *a, const struct ai_model *m, const char *input, long long dimensions,
		       const struct ai_ask *within, struct ai_answer *out, struct json_object **data);

/* For people, lower case: "the provider is overloaded". */
const char *ai_error_text(enum ai_error e);

#endif
