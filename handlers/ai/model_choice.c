#include "handlers/ai/model_choice.h"

#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "providers/ai.h"

bool model_choice_is_ready(const struct ai_model *m, const struct ai_server *own)
{
	return m && ai_server_of(m->provider, own);
}

const struct ai_model *model_choice_default(const struct ai_server *own)
{
	const struct ai_model *named = ai_model_find(cfg.ai_default_model), *m;

	for (size_t i = 0; !model_choice_is_ready(named, own) && (m = ai_model_at(i)); i++)
		if (model_choice_is_ready(m, own) && !(m->can & AI_CAN_EMBED))
			return m;
	return named ? named : ai_model_at(0);
}

/* There is none of these, and which there are; can: AI_CAN_EMBED or 0. */
static enum err refuse(struct req *rq, const struct ai_server *own, const char *field, const char *id,
		       unsigned can)
{
	const struct ai_model *m;
	struct buf details;

	buf_init(&details, &rq->tx.arena, 512);
	jx_key_open(&details, "models", '[');
	for (size_t i = 0; (m = ai_model_at(i)); i++)
		if (model_choice_is_ready(m, own) && (m->can & AI_CAN_EMBED) == can)
			jx_next(&details), jx_str(&details, m->id);
	buf_char(&details, ']');
	req_fail_field(rq, ERR_VALIDATION, field,
		       "there is no model %.100s here; details.models are those there are", id);
	rq->tx.fail.details = buf_str(&details);
	return ERR_VALIDATION;
}

enum err model_choice_refuse(struct req *rq, const char *field, const char *id)
{
	return refuse(rq, NULL, field, id, 0);
}

static enum err unready(struct req *rq, const struct ai_model *named)
{
	/* Until an operator has set it up. */
	return failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, 3600,
			     "the models of %s are not configured", named->provider);
}

static void add(const struct ai_model *m, const struct ai_server *own, const struct ai_model **out, int *n)
{
	if (!model_choice_is_ready(m, own) || m->can & AI_CAN_EMBED || *n == MODEL_CHOICES)
		return;
	for (int i = 0; i < *n; i++)
		if (out[i] == m)
			return;
	out[(*n)++] = m;
}

enum err model_choice_make(struct req *rq, const struct ai_server *own, const char *field, const char *id,
			   const char *const *further, const struct ai_model *out[MODEL_CHOICES + 1])
{
	const struct ai_model *named = id ? ai_model_find(id) : model_choice_default(own);
	int n = 0;

	if (!named || named->can & AI_CAN_EMBED)
		return refuse(rq, own, field, id ? id : cfg.ai_default_model, 0);
	add(named, own, out, &n);
	for (const char *const *name = cfg.ai_fallbacks; name && *name; name++)
		add(ai_model_find(*name), own, out, &n);
	for (const char *const *name = further; name && *name; name++)
		add(ai_model_find(*name), own, out, &n);
	out[n] = NULL;
	if (n)
		return ERR_OK;
	return unready(rq, named);
}

enum err model_choice_check(struct req *rq, const char *field, const char *id)
{
	const struct ai_model *m = ai_model_find(id);

	return m && !(m->can & AI_CAN_EMBED) ? ERR_OK : refuse(rq, NULL, field, id, 0);
}

void model_choice_prefer(struct req *rq, const struct ai_server *own, const char *list,
			 const struct ai_model *models[MODEL_CHOICES + 1])
{
	const struct ai_model *all[MODEL_CHOICES + 1] = { models[0] };
	int n = 1;

	while (list && *list) {
		size_t len = strcspn(list, ",");

		add(ai_model_find(arena_dup_n(&rq->tx.arena, list, len)), own, all, &n);
		list += len + (list[len] == ',');
	}
	for (int i = 1; models[i]; i++)
		add(models[i], own, all, &n);
	memcpy(models, all, sizeof(all));
}

enum err model_choice_embedding(struct req *rq, const struct ai_server *own, const char *field,
				const char *id, const struct ai_model **out)
{
	*out = ai_model_find(id);
	if (!*out || !((*out)->can & AI_CAN_EMBED))
		return refuse(rq, own, field, id, AI_CAN_EMBED);
	return model_choice_is_ready(*out, own) ? ERR_OK : unready(rq, *out);
}
