/*
 * What models cost whom: an operation is begun, which holds what it may come to, and
 * committed; models are asked, without a connection to the database; what came of it
 * is put down in a second transaction, also when the answer failed, broke off, or
 * nobody waited for it.
 */
#ifndef HANDLERS_AI_METER_H
#define HANDLERS_AI_METER_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct ai_answer;
struct ai_model;
struct query;
struct req;

struct meter {
	const char *operation, *user, *key, *organization; /* uuids, or NULL */
	const char *fallbacks; /* the tenant's models that stand in for others, with commas between them, or
				  NULL */
	struct buf calls;      /* JSON */
	int ncalls;
	const struct ai_model
		*answered; /* by which the last of them was answered, or not; NULL: there is none */
};

/*
 * Begin: hold the price of so many tokens of this model.  The request's :organization
 * (uuid, or NULL) and :is_open are set before; see ai_begin().
 *
 * ERR_OK, and there is no connection to the database; ERR_LIMIT, with what is used,
 * the limit and when it resets.
 */
enum err meter_begin(struct req *rq, struct meter *m, const struct ai_model *model, long long input,
		     long long output);

/*
 * Note a call: what it was for, and the version of its prompt, or NULL.  An answer that nobody waits for
 * becomes one that was stopped, where that is why.
 */
void meter_note(struct req *rq, struct meter *m, const char *purpose, const char *prompt_version,
		struct ai_answer *answer);

/*
 * End: put down what was noted.  It is done whatever became of the caller's credentials meanwhile; what
 * cannot be written is in the log.
 */
void meter_end(struct req *rq, struct meter *m);

/*
 * One query more behind meter_end, of the tenant as that one: what is kept of the answer.  False: it could
 * not be, and the log says why.
 */
bool meter_keep(struct req *rq, const struct query *q);

/* The refusal that an answer's error is, recorded; ERR_OK: there is none. */
enum err meter_refuse(struct req *rq, const struct ai_answer *answer);

#endif
