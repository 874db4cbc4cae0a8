/*
 * The gateway: other people's client libraries ask models here in their own form, with
 * a key or token of ours, within the limits of whom they ask for.
 *
 * A user's call is charged to the organization that X-Organization-Id names, or to their default one;
 * a secret key's alone to that organization, or to the key.
 */
#ifndef HANDLERS_AI_GATEWAY_H
#define HANDLERS_AI_GATEWAY_H

#include "fcgi/field.h"
#include "handlers/ai/reply.h"

struct json_object;

/* Bytes of a body, and so of what is in it: pictures come so, in base64.  nginx takes a bit more. */
enum { GATEWAY_MAX_BODY = 24 << 20 };

extern const struct field gateway_headers[];
extern const enum err gateway_refusals[];

/* Who is charged: the meter's :organization and :is_open.  ERR_OK; ERR_BAD_REQUEST, ERR_NOT_FOUND,
 * ERR_AUTHORIZATION. */
enum err gateway_place(struct req *rq);

/*
 * Ask the model that is named in the field "model", and answer.  Of messages from r->history_from on as many
 * as r->nhistory were said before: the oldest of those go, until the rest is what the model can read.
 */
enum err gateway_ask(struct req *rq, struct ai_ask *ask, struct reply *r);

/* What both forms have: a refusal of a member, a number of the body or otherwise, a part in a growing list.
 */
enum err gateway_bad(struct req *rq, const char *field, const char *what);
double gateway_number(struct json_object *body, const char *name);

/* Messages as they are read: at most so many parts in all. */
struct gateway_messages {
	struct ai_message *messages;
	struct ai_part *parts;
	size_t nmessages, nparts, most_messages, most_parts;
};

/* Room for the messages of lists with so many items in all, in JSON of so many bytes. */
void gateway_messages_init(struct req *rq, struct gateway_messages *m, size_t items, size_t bytes);

/* A message that begins, or the last one where the role is the same and nothing hinders; and a part of it.
 * NULL: there are too many. */
struct ai_message *gateway_message(struct gateway_messages *m, enum ai_role role);
struct ai_part *gateway_part(struct gateway_messages *m, enum ai_part_kind kind, const char *text);

/* Read an image's address, or "data:image/png;base64,…", into its part, which may be NULL.  False: it is
 * none. */
bool gateway_image(struct req *rq, struct ai_part *part, const char *url);

/* The tools of a body as JSON; the schema is the member of this name.  ERR_OK, or the refusal. */
enum err gateway_tools(struct req *rq, struct json_object *list, const char *inside, const char *schema,
		       struct ai_ask *ask);

/* A list of texts, or one; NULL: none. */
const char *const *gateway_texts(struct req *rq, struct json_object *value);

#endif
