/*
 * OpenAI's Chat Completions, in which most others can be asked, too: OPENAI_API_URL
 * is any server that speaks it.
 */
#ifndef PROVIDERS_OPENAI_H
#define PROVIDERS_OPENAI_H

#include "providers/ai_wire.h"

extern const struct ai_wire openai_wire;

/* What providers that speak it have in common: see struct ai_wire. */
void openai_write_common(struct buf *b, const struct ai_ask *ask, const struct ai_model *m);
bool openai_read(struct ai_reading *r, struct json_object *said);
bool openai_event(struct ai_reading *r, struct json_object *said);
enum ai_error openai_refusal(struct ai_reading *r, int status, struct json_object *said);

#endif
