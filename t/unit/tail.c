/*
 * The tailer against a database that commits in every order there is.
 *
 * The model: writers take a transaction number, then the lock of a channel,
 * then an id, as realtime_put() does; they commit, roll back or sit there when
 * the dice say so.  A look sees what is committed, as realtime_tail() does.
 */
#include "realtime/tail.h"

#include <inttypes.h>

#include "t/unit/tap.h"

enum { MESSAGES = 2000, WRITERS = 24, CHANNELS = 8 };

struct row {
	uint64_t xid;
	int channel;
	bool is_committed, is_gone;
	int64_t committed_ms;
	int delivered;
};

struct writer {
	uint64_t xid; /* 0: not in a transaction */
	bool holds[CHANNELS];
	int naps; /* steps that it only sits there */
};

static struct row rows[MESSAGES + 1]; /* by id */
static int64_t ids;
static uint64_t next_xid, last_ended;
static struct writer writers[WRITERS];
static int lock_of[CHANNELS]; /* writer + 1 */
static int64_t now_ms, purges, purged_id;
static int64_t last_of[CHANNELS];
static int late_seen, lost_seen;
static int64_t highest;

static uint64_t seed;

static unsigned dice(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static void world(uint64_t s)
{
	memset(rows, 0, sizeof(rows));
	memset(writers, 0, sizeof(writers));
	memset(lock_of, 0, sizeof(lock_of));
	memset(last_of, 0, sizeof(last_of));
	ids = now_ms = purges = purged_id = 0;
	next_xid = 1000;
	last_ended = 999;
	late_seen = lost_seen = 0;
	highest = 0;
	seed = s;
}

static void end(struct writer *w, bool commit)
{
	for (int64_t i = 1; i <= ids; i++)
		if (rows[i].xid == w->xid) {
			rows[i].is_committed = commit;
			rows[i].is_gone = !commit;
			rows[i].committed_ms = now_ms;
		}
	if (w->xid > last_ended)
		last_ended = w->xid;
	for (int c = 0; c < CHANNELS; c++)
		if (w->holds[c])
			lock_of[c] = 0;
	*w = (struct writer){ 0 };
}

static bool publish(struct writer *w, int channel)
{
	if (ids == MESSAGES || (lock_of[channel] && !w->holds[channel]))
		return false; /* another process holds the lock */
	if (!w->xid)
		w->xid = next_xid++;
	lock_of[channel] = (int)(w - writers) + 1;
	w->holds[channel] = true;
	rows[++ids] = (struct row){ .xid = w->xid, .channel = channel };
	return true;
}

static void step(void)
{
	struct writer *w = &writers[dice(WRITERS)];

	now_ms += dice(3);
	if (w->naps) {
		w->naps--;
		return;
	}
	switch (dice(8)) {
	case 0:
	case 1:
		if (w->xid)
			end(w, true);
		break;
	case 2:
		if (w->xid)
			end(w, false);
		break;
	case 3: w->naps = dice(20) ? (int)dice(10) : (int)dice(2000); break;
	case 4: /* a transaction that publishes nothing */
		if (!w->xid)
			w->xid = next_xid++;
		break;
	default: publish(w, (int)dice(CHANNELS));
	}
}

/* As PostgreSQL has it: xmax is behind the last that has ended, and only running ones below it are listed. */
static void snapshot(char *out, size_t size)
{
	uint64_t xmax = last_ended + 1, xmin = xmax;
	const char *comma = "";
	size_t n;

	for (int i = 0; i < WRITERS; i++)
		if (writers[i].xid && writers[i].xid < xmin)
			xmin = writers[i].xid;
	n = (size_t)snprintf(out, size, "00000001/%" PRIu64 ":%" PRIu64 ":", xmin, xmax);
	for (int i = 0; i < WRITERS; i++)
		if (writers[i].xid && writers[i].xid < xmax) {
			n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64, comma, writers[i].xid);
			comma = ",";
		}
}

struct snap {
	uint64_t xmin, xmax, xip[WRITERS];
	size_t n;
};

static struct snap parsed(const char *in)
{
	struct snap s = { 0 };
	char *p;

	s.xmin = strtoull(in, &p, 10);
	s.xmax = strtoull(p + 1, &p, 10);
	for (p++; *p; p += *p == ',')
		s.xip[s.n++] = strtoull(p, &p, 10);
	return s;
}

/* pg_visible_in_snapshot() */
static bool is_visible(uint64_t xid, const struct snap *s)
{
	if (xid < s->xmin || xid >= s->xmax)
		return xid < s->xmin;
	for (size_t i = 0; i < s->n; i++)
		if (s->xip[i] == xid)
			return false;
	return true;
}

/* The messages that realtime_tail() brings for these parameters. */
static size_t found_by(const char *const values[TAIL_PARAMS], const char *now, int64_t found[2 * TAIL_BATCH])
{
	int64_t hi = strtoll(values[0], NULL, 10), late = strtoll(values[3], NULL, 10);
	struct snap since = parsed(values[1]), upto = parsed(values[2] ? values[2] : now);
	size_t n = 0, from;

	for (int64_t i = late + 1; i <= hi && n < TAIL_BATCH; i++)
		if (rows[i].is_committed && !rows[i].is_gone && !is_visible(rows[i].xid, &since) &&
		    is_visible(rows[i].xid, &upto))
			found[n++] = i;
	from = n;
	for (int64_t i = hi + 1; i <= ids && n - from < TAIL_BATCH; i++)
		if (rows[i].is_committed && !rows[i].is_gone)
			found[n++] = i;
	return n;
}

static void deliver(int64_t id)
{
	struct row *r = &rows[id];

	r->delivered++;
	if (id < highest)
		late_seen++;
	else
		highest = id;
	if (id <= last_of[r->channel])
		r->delivered += 1000; /* out of order */
	last_of[r->channel] = id;
}

static enum tail_next look(struct tail *t)
{
	const char *values[TAIL_PARAMS];
	char text[64 + 24 * WRITERS];
	struct tail_look l = { .snapshot = text, .from_ms = now_ms, .to_ms = now_ms };
	int64_t found[2 * TAIL_BATCH];
	size_t n = 0;
	enum tail_next next;

	tail_ask(t, values);
	snapshot(text, sizeof(text));
	l.purges = purges;
	l.purged_id = purged_id;
	for (int64_t i = ids; !values[0] && i > 0 && !l.start; i--)
		if (rows[i].is_committed)
			l.start = i;
	if (values[0])
		n = found_by(values, strchr(text, '/') + 1, found);
	if (!tail_begin(t, &l, &next)) {
		lost_seen += next == TAIL_LOST;
		return next;
	}
	for (size_t i = 0; i < n; i++)
		if (tail_take(t, found[i]))
			deliver(found[i]);
	return tail_end(t);
}

static void catch_up(struct tail *t)
{
	for (int i = 0; i < 10000 && look(t) == TAIL_MORE; i++)
		;
}

/* How many committed messages after "from" did not come once, and in order. */
static int wrong(int64_t from)
{
	int n = 0;

	for (int64_t i = from; i <= ids; i++)
		n += rows[i].delivered != (rows[i].is_committed ? 1 : 0);
	return n;
}

static void test_schedules(void)
{
	struct tail t;
	int bad = 0, late = 0, lost = 0, open = 0;

	for (uint64_t s = 1; s <= 40; s++) {
		tail_init(&t);
		world(s);
		look(&t);
		while (ids < MESSAGES) {
			/* now and then it looks seldom, so that much has piled up */
			for (unsigned k = dice(s % 3 ? 40 : 4000); k; k--)
				step();
			if (look(&t) == TAIL_MORE && dice(2))
				catch_up(&t);
		}
		for (int i = 0; i < WRITERS; i++)
			open += writers[i].xid != 0;
		for (int i = 0; i < WRITERS; i++)
			if (writers[i].xid) {
				end(&writers[i], i % 2);
				look(&t);
			}
		catch_up(&t);
		bad += wrong(1);
		late += late_seen;
		lost += lost_seen;
		tail_release(&t);
	}
	is_int(bad, 0, "forty random schedules: what was committed came once, in the order of its channel");
	ok(late > 1000, "among it %d messages behind higher ids", late);
	ok(open > 40, "and of transactions that stayed open to the end");
	is_int(lost, 0, "nothing was thought lost");
}

/* Begins in the middle: with what was committed before it, it has nothing to do. */
static void test_start(void)
{
	struct tail t;

	tail_init(&t);
	world(1);
	publish(&writers[0], 0);                         /* 1: before, and committed */
	publish(&writers[1], 1);                         /* 2: before, and open */
	publish(&writers[2], 2), end(&writers[2], true); /* 3 */
	end(&writers[0], true);
	is_int(look(&t), TAIL_WAIT, "the first look");
	is_int(t.hi, 3, "begins at the highest id");
	end(&writers[1], true);
	publish(&writers[3], 3), end(&writers[3], true); /* 4 */
	catch_up(&t);
	is_int(rows[1].delivered + rows[3].delivered, 0, "what was there does not come");
	is_int(rows[2].delivered, 1, "what was written and not committed does");
	is_int(rows[4].delivered, 1, "and what is new");
	tail_release(&t);

	tail_init(&t);
	world(1);
	look(&t);
	publish(&writers[0], 0), end(&writers[0], true);
	catch_up(&t);
	is_int(wrong(1), 0, "the very first message of all comes, too");
	tail_release(&t);
}

/* One that stays open delays its own and no others. */
static void test_open(void)
{
	struct tail t;

	tail_init(&t);
	world(1);
	look(&t);
	publish(&writers[0], 0);
	for (int i = 0; i < 1000; i++) {
		publish(&writers[1], 1), end(&writers[1], i % 3 != 0);
		look(&t);
		if (rows[ids].delivered != (i % 3 != 0))
			break;
	}
	is_int(wrong(2), 0,
	       "a thousand messages beside one that is open, with roll-backs: each at the next look");
	is_str(t.since, "1000:2001:1000", "what is kept for that is one number in a snapshot");
	end(&writers[0], true);
	look(&t);
	is_int(rows[1].delivered, 1, "and that one as soon as it is committed");
	tail_release(&t);
}

/* More late messages than a look brings, and new ones of their channels behind them. */
static void test_drain(void)
{
	struct tail t;
	int looks = 0;

	tail_init(&t);
	world(1);
	look(&t);
	for (int i = 0; i < 700; i++)
		publish(&writers[0], 0), publish(&writers[1], 1);
	publish(&writers[4], 4), publish(&writers[5], 5);
	publish(&writers[2], 2), end(&writers[2], true);
	catch_up(&t);
	end(&writers[0], true), end(&writers[4], true);
	publish(&writers[0], 0), end(&writers[0], true); /* overtakes nothing */
	while (look(&t) == TAIL_MORE && ++looks < 100) {
		if (looks == 1) /* ends while the others are drained, with ids below what was read by then */
			end(&writers[1], true);
		if (looks == 2)
			publish(&writers[1], 1), end(&writers[1], true);
		if (looks == 3)
			end(&writers[5], false);
	}
	catch_up(&t);
	is_int(wrong(1), 0,
	       "1,400 late ones in batches, with others that end meanwhile: all, once, in order");
	ok(looks >= 6, "in %d looks", looks);
	tail_release(&t);
}

/* What went before it was read is told. */
static void test_lost(void)
{
	struct tail t;

	tail_init(&t);
	world(1);
	look(&t);
	publish(&writers[0], 0), end(&writers[0], true);
	publish(&writers[1], 1);
	publish(&writers[0], 0), end(&writers[0], true);
	catch_up(&t);
	purges++, purged_id = 1;
	is_int(look(&t), TAIL_WAIT, "what went had been read");
	now_ms += TAIL_STALE_MS - 1;
	purges++;
	is_int(look(&t), TAIL_WAIT, "a late one would have had to wait for ten seconds");
	now_ms += TAIL_STALE_MS;
	is_int(look(&t), TAIL_WAIT, "a pause in which nothing went");
	now_ms += TAIL_STALE_MS;
	purges++;
	is_int(look(&t), TAIL_MORE, "a pause in which a late one may have gone: nothing is delivered");
	is_int(look(&t), TAIL_LOST, "it has begun anew, and says so");
	publish(&writers[0], 0), end(&writers[0], true);
	catch_up(&t);
	is_int(rows[ids].delivered, 1, "and goes on");

	end(&writers[1], true);
	catch_up(&t);
	now_ms += TAIL_STALE_MS;
	purges++;
	look(&t);
	is_int(look(&t), TAIL_LOST, "also when nobody was writing then: somebody may have begun");
	publish(&writers[0], 0), end(&writers[0], true);
	rows[ids].is_gone = true, purges++, purged_id = ids;
	look(&t);
	is_int(look(&t), TAIL_LOST, "a new one that went unread");
	tail_release(&t);
}

static void test_failover(void)
{
	struct tail t;
	struct tail_look l = { .snapshot = "00000001/5:5:", .start = 7 };
	enum tail_next next;
	const char *values[TAIL_PARAMS];

	tail_init(&t);
	tail_ask(&t, values);
	ok(!values[0], "begins without a position");
	ok(!tail_begin(&t, &l, &next) && next == TAIL_WAIT, "on a timeline");
	l.snapshot = "00000001/5:9:5,7,8";
	ok(tail_begin(&t, &l, &next), "the same");
	is_int(tail_end(&t), TAIL_WAIT, "nothing new");
	tail_ask(&t, values);
	is_str(values[0], "7", "up to where");
	is_str(values[1], "5:9:5,7,8", "who had not ended");
	is_str(values[2], NULL, "up to now");
	is_str(values[3], "0", "nothing of theirs yet");
	is_str(values[4], "256", "in batches");
	l.snapshot = "00000002/5:9:5";
	ok(!tail_begin(&t, &l, &next) && next == TAIL_MORE,
	   "another: what a standby had not received is not there");
	ok(!tail_begin(&t, &l, &next) && next == TAIL_LOST, "it has begun anew, and says so");
	tail_release(&t);
}

int main(void)
{
	test_schedules();
	test_start();
	test_open();
	test_drain();
	test_lost();
	test_failover();
	return done_testing();
}
