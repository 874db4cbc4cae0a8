/*
 * Which messages have been committed since the last look; see tail.h.
 *
 * After a look with the snapshot S everything visible in S has been read up to
 * hi, and whoever may still bring an id below hi runs in S: it had its number
 * before it drew the id, the id before hi was drawn, and hi was committed in S.
 * So "running" becomes the list of S.  Of those that have ended by the next
 * look, late messages (up to the old hi) come by their transaction, new ones by
 * their id, and no message by both ways.
 *
 * When late messages are more than a look brings, they are drained first, from
 * the transactions that had ended by then and no others, while hi stays: a new
 * message of their channel must not overtake them.
 */
#include "realtime/tail.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STR_(x) #x
#define STR(x) STR_(x)

enum { BATCH = TAIL_BATCH };

void tail_init(struct tail *t)
{
	*t = (struct tail){ 0 };
}

void tail_release(struct tail *t)
{
	free(t->running);
	free(t->next);
	free(t->text);
	*t = (struct tail){ 0 };
}

/* Begin anew, with the same memory. */
static void forget(struct tail *t)
{
	t->is_started = t->is_draining = false;
	t->hi = t->late = 0;
	t->nrunning = t->nnext = 0;
}

void tail_ask(struct tail *t, const char *values[4])
{
	static const char max[] = STR(256);
	size_t n = 1;

	_Static_assert(BATCH == 256, "the text above");
	if (!t->is_started) {
		values[0] = NULL;
		values[1] = "{}";
		values[2] = "0";
		values[3] = max;
		return;
	}
	t->text[0] = '{';
	for (size_t i = 0; i < t->nrunning; i++)
		n += (size_t)snprintf(t->text + n, 22, "%s%" PRIu64, i ? "," : "", t->running[i]);
	t->text[n] = '}';
	t->text[n + 1] = '\0';
	snprintf(t->hi_text, sizeof(t->hi_text), "%" PRId64, t->hi);
	snprintf(t->late_text, sizeof(t->late_text), "%" PRId64, t->late);
	values[0] = t->hi_text;
	values[1] = t->text;
	values[2] = t->late_text;
	values[3] = max;
}

static void grow(struct tail *t, size_t n)
{
	size_t cap = n + 64;

	if (t->text && n <= t->cap)
		return;
	t->running = realloc(t->running, cap * sizeof(*t->running));
	t->next = realloc(t->next, cap * sizeof(*t->next));
	t->text = realloc(t->text, cap * 21 + 3);
	t->cap = cap;
	if (!t->running || !t->next || !t->text)
		abort();
}

/* The running transactions of a snapshot, into "next"; its timeline.  While draining, what was set aside
 * stays. */
static uint32_t parse(struct tail *t, const char *snapshot)
{
	uint32_t timeline = (uint32_t)strtoul(snapshot, NULL, 16);
	const char *p = strrchr(snapshot, ':');
	size_t n = 1;

	assert(p && strchr(snapshot, '/'));
	p++;
	for (const char *c = p; *c; c++)
		n += *c == ',';
	grow(t, n);
	if (t->is_draining)
		return timeline;
	for (t->nnext = 0; *p; p += *p == ',') {
		char *end;

		t->next[t->nnext++] = strtoull(p, &end, 10);
		assert(end > p && (!*end || *end == ','));
		p = end;
	}
	return timeline;
}

/* What was "next" is what ran when hi was read. */
static void turn(struct tail *t)
{
	uint64_t *old = t->running;

	t->running = t->next;
	t->nrunning = t->nnext;
	t->base_ms = t->next_base_ms;
	t->next = old;
	t->nnext = 0;
}

enum tail_next tail_begin(struct tail *t, const struct tail_look *look)
{
	uint32_t timeline = parse(t, look->snapshot);

	t->last_id = t->is_draining ? t->late : 0;
	t->nlate = t->nnew = 0;
	if (!t->is_started) {
		t->is_started = true;
		t->hi = look->start;
		t->next_base_ms = look->from_ms;
		t->timeline = timeline;
		t->purges = look->purges;
		turn(t);
		return TAIL_WAIT;
	}
	/*
	 * What went was two minutes old, and ended ten seconds before it went.  Above hi it was not read.
	 * Below, it can only have been a late one, and ended after "running" was taken.
	 */
	if (timeline != t->timeline ||
	    (look->purges != t->purges &&
	     (look->purged_id > t->hi || (t->nrunning && look->to_ms - t->base_ms >= TAIL_STALE_MS)))) {
		forget(t);
		return TAIL_LOST;
	}
	t->purges = look->purges;
	if (!t->is_draining)
		t->next_base_ms = look->from_ms;
	return TAIL_MORE;
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

static bool is_among(const uint64_t *list, size_t n, uint64_t x)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == x)
			return true;
	return false;
}

enum tail_next tail_end(struct tail *t)
{
	if (t->nlate == BATCH && !t->is_draining) {
		size_t n = 0;

		t->is_draining = true;
		for (size_t i = 0; i < t->nrunning; i++)
			if (!is_among(t->next, t->nnext, t->running[i]))
				t->running[n++] = t->running[i];
		t->nrunning = n;
	}
	if (t->nlate == BATCH)
		return TAIL_MORE;
	t->late = 0;
	if (t->is_draining) {
		t->is_draining = false;
		turn(t);
		return TAIL_MORE;
	}
	if (t->nnew)
		t->hi = t->last_id;
	turn(t);
	return t->nnew == BATCH ? TAIL_MORE : TAIL_WAIT;
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
	next = tail_begin(t, &look);
	if (next != TAIL_MORE)
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
