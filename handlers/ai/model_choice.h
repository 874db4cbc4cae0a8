/*
 * Which models are asked: the one that was named, and who stands in for it.
 */
#ifndef HANDLERS_AI_MODEL_CHOICE_H
#define HANDLERS_AI_MODEL_CHOICE_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "providers/ai_model.h"

struct ai_server;
struct req;

enum { MODEL_CHOICES = 8 };

/* Has its provider a key: the tenant's own (ai_accounts_own(), or NULL), or the installation's? */
bool model_choice_is_ready(const struct ai_model *m, const struct ai_server *own);

/* The model of who names none: AI_DEFAULT_MODEL, or else the first one that is ready. */
const struct ai_model *model_choice_default(const struct ai_server *own);

/*
 * The models that are asked in turn, NULL-terminated: the named one (NULL: the
 * default), and behind it AI_FALLBACKS and further, a list or NULL; of all these only
 * those that are ready.
 *
 * field  what the request calls it
 *
 * ERR_OK; ERR_VALIDATION: there is no such model, and which there are; ERR_UNAVAILABLE:
 * none of them is ready.
 */
enum err model_choice_make(struct req *rq, const struct ai_server *own, const char *field, const char *id,
			   const char *const *further, const struct ai_model *out[MODEL_CHOICES + 1]);

/* The 422 of a model that is not there, with those that are. */
enum err model_choice_refuse(struct req *rq, const char *field, const char *id);

/* Is there such a model, that answers?  ERR_OK; ERR_VALIDATION, and which there are. */
enum err model_choice_check(struct req *rq, const char *field, const char *id);

/* The tenant's own, a list with commas or NULL, behind the first of them. */
void model_choice_prefer(struct req *rq, const struct ai_server *own, const char *list,
			 const struct ai_model *models[MODEL_CHOICES + 1]);

/* The model of texts' meanings that is named.  ERR_OK; ERR_VALIDATION, ERR_UNAVAILABLE: as above. */
enum err model_choice_embedding(struct req *rq, const struct ai_server *own, const char *field,
				const char *id, const struct ai_model **out);

#endif
