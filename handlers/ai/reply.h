/*
 * A model's answer on its way to who asked: a whole, or an event stream, in the form
 * of the surface or gateway that it was asked through.  A form is a row of functions.
 *
 * Who has gone is noticed, and the model told to stop; while it thinks, the stream
 * shows that it lives; what fails behind the beginning of a stream is an event; it ends
 * once; and what was used is put down, whatever happened.
 */
#ifndef HANDLERS_AI_REPLY_H
#define HANDLERS_AI_REPLY_H

#include <stdint.h>

#include "handlers/ai/meter.h"
#include "providers/ai.h"

struct failure;
struct reply;
struct req;

struct reply_form {
	void (*whole)(struct buf *b, const struct reply *r); /* the answer, as JSON */
	void (*keep)(struct reply *r); /* there is one, of which the end is not told yet; or NULL */
	/* Of a stream: what stands in front of the first piece, or NULL; a piece; what shows that it lives
	 * (NULL: a comment); that it has failed; and its end. */
	bool (*begin)(struct reply *r);
	bool (*delta)(struct reply *r, const struct ai_delta *d);
	bool (*alive)(struct reply *r);
	void (*fail)(struct reply *r, const struct failure *f);
	void (*end)(struct reply *r);
};

struct reply {
	struct req *rq;
	const struct reply_form *form;
	bool streams;
	bool shows_usage; /* a form's own: see there */
	struct meter meter;
	struct ai_answer *answer;
	/* While it streams. */
	bool has_begun;
	int64_t sent_ns;
	bool has_block,
		is_call; /* of forms whose pieces stand in blocks: there is an open one, and it is a call's */
	size_t blocks;
	size_t call, from;  /* which call it is; where in the text the block begins */
	long long sequence; /* of forms that number their events */
	long long created_s;
	size_t history_from, nhistory; /* of the question's messages: those that were said before */
	bool is_kept;                  /* a form's own: it keeps this one */
};

/* Of the request in hand; streams if the body's "stream" is true. */
struct reply *reply_new(struct req *rq, const struct reply_form *form);

/* What a question needs to be answered by it: take, is_wanted and to. */
void reply_prepare(struct reply *r, struct ai_ask *ask);

/* Ask, put down what it came to (the meter was begun), and answer. */
enum err reply_ask(struct reply *r, const struct ai_ask *ask, const struct ai_model *const *models);

/* It cannot even be asked, behind the meter's beginning: put down what was noted, and say so. */
enum err reply_fail(struct reply *r, const struct ai_model *m, const char *reason);

#endif
