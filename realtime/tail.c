/*
 * Which messages have been committed since the last look; see tail.h.
 *
 * After a look with the snapshot S everything visible in S has been read up to
 * hi.  A transaction that may still bring an id below hi had its number by then, and had
 * not ended in S: what is not visible in S.  (Those are the ones that S lists,
 * and all from its xmax on: that is the number behind the last one that has
 * ended, so higher ones may well be running.)  At the next look, those of them
 * that have ended bring late messages, up to the old hi, and the rest is new: no
 * message comes by both ways.
 *
 * When late messages are more than a look brings, they are drained first, up to
 * the snapshot in which that was found and no further, while hi stays: a new
 * message of their channel must not overtake them.
 */
#include "realtime/tail.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = TAIL_BATCH };

void tail_init(struct tail *t)
{
	*t = (struct tail){ 0 };
}

void tail_release(struct tail *t)
{
	free(t->since);
	free(t->next);
	*t = (struct tail){ 0 };
}

void tail_ask(struct tail *t, const char *values[TAIL_PARAMS])
{
	_Static_assert(BATCH == 256, "the last parameter");
	snprintf(t->hi_text, sizeof(t->hi_text), "%" PRId64, t->hi);
	snprintf(t->late_text, sizeof(t->late_text), "%" PRId64, t->late);
	values[0] = t->is_started ? t->hi_text : NULL;
	values[1] = t->is_started ? t->since : NULL;
	values[2] = t->is_draining ? t->next : NULL;
	values[3] = t->late_text;
	values[4] = "256";
}

/* Keep the snapshot of a look as the next one. */
static void keep(struct tail *t, const char *snapshot, int64_t ms)
{
	size_t n = strlen(snapshot) + 1;

	if (n > t->cap) {
		t->cap = n + 256;
		t->since = realloc(t->since, t->cap);
		t->next = realloc(t->next, t->cap);
		if (!t->since || !t->next)
			abort();
	}
	memcpy(t->next, snapshot, n);
	t->next_ms = ms;
}

/* From now on it is what has not ended in "next" that may still bring late messages. */
static void turn(struct tail *t)
{
	char *old = t->since;

	t->since = t->next;
	t->since_ms = t->next_ms;
	t->next = old;
}

bool tail_begin(struct tail *t, const struct tail_look *look, enum tail_next *next)
{
	const char *slash;
	uint32_t timeline;

	assert(look->snapshot);
	slash = strchr(look->snapshot, '/');
	timeline = (uint32_t)strtoul(look->snapshot, NULL, 16);
	assert(slash);
	t->last_id = t->late;
	t->nlate = t->nnew = 0;
	if (!t->is_started) {
		t->is_started = true;
		t->hi = look->start;
		t->timeline = timeline;
		t->purges = look->purges;
		keep(t, slash + 1, look->from_ms);
		turn(t);
		*next = t->is_lost ? TAIL_LOST : TAIL_WAIT;
		t->is_lost = false;
		return false;
	}
	/*
	 * What went was two minutes old, and had ended ten seconds before it went.  Above hi it was not read.
	 * Below, it can only have been a late one, that ended after "since".
	 */
	if (timeline != t->timeline ||
	    (look->purges != t->purges &&
	     (look->purged_id > t->hi || look->to_ms - t->since_ms >= TAIL_STALE_MS))) {
		t->is_started = t->is_draining = false;
		t->late = 0;
		t->is_lost = true;
		*next = TAIL_MORE;
		return false;
	}
	t->purges = look->purges;
	if (!t->is_draining)
		keep(t, slash + 1, look->from_ms);
	return true;
}

bool tail_take(struct tail *t, int64_t id)
{
	assert(id > t->last_id);
	t->last_id = id;
	if (id <= t->hi) {
		t->nlate++;
		t->late = id;
		return true;
	}
	if (t->is_draining || t->nlate == BATCH)
		return false;
	t->nnew++;
	return true;
}

enum tail_next tail_end(struct tail *t)
{
	enum tail_next next = t->is_draining || t->nlate == BATCH || t->nnew == BATCH ? TAIL_MORE : TAIL_WAIT;

	if (t->nlate == BATCH) {
		t->is_draining = true;
		return next;
	}
	t->is_draining = false;
	t->late = 0;
	if (t->nnew)
		t->hi = t->last_id;
	turn(t);
	return next;
}

/* The query's columns, in their order. */
enum col {
	ID,
	TENANT,
	CHANNEL,
	KIND,
	PAYLOAD,
	SENDER,
	EVENT,
	IS_LAST,
	CREATED_AT,
	SNAPSHOT,
	AT_MS,
	PURGES,
	PURGED_ID
};

static const char *text(const PGresult *res, int row, enum col c)
{
	return PQgetisnull(res, row, c) ? NULL : PQgetvalue(res, row, c);
}

static int64_t integer(const PGresult *res, int row, enum col c)
{
	return strtoll(PQgetvalue(res, row, c), NULL, 10);
}

enum tail_next tail_read(struct tail *t, const PGresult *res,
			 void (*deliver)(void *ctx, const struct message *m), void *ctx)
{
	int last = PQntuples(res) - 1;
	struct tail_look look;
	enum tail_next next;

	assert(last >= 1 && PQnfields(res) == PURGED_ID + 1);
	look = (struct tail_look){ .snapshot = text(res, 0, SNAPSHOT),
				   .start = integer(res, 0, ID),
				   .from_ms = integer(res, 0, AT_MS),
				   .to_ms = integer(res, last, AT_MS),
				   .purges = integer(res, last, PURGES),
				   .purged_id = integer(res, last, PURGED_ID) };
	if (!tail_begin(t, &look, &next))
		return next;
	for (int i = 1; i < last; i++) {
		struct message m = { .id = integer(res, i, ID),
				     .tenant = text(res, i, TENANT),
				     .channel = text(res, i, CHANNEL),
				     .kind = text(res, i, KIND),
				     .payload = text(res, i, PAYLOAD),
				     .payload_len = (size_t)PQgetlength(res, i, PAYLOAD),
				     .sender = text(res, i, SENDER),
				     .event = text(res, i, EVENT),
				     .at = text(res, i, CREATED_AT),
				     .is_last = *PQgetvalue(res, i, IS_LAST) == 't' };

		if (tail_take(t, m.id))
			deliver(ctx, &m);
	}
	return tail_end(t);
}
