#include "realtime/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "build/sql/integrations/realtime.h"
#include "lib/db/wake.h"
#include "lib/host/log.h"
#include "realtime/feed.h"
#include "realtime/pg.h"
#include "realtime/pgarray.h"

enum {
	BATCH = 256,   /* each channel of a batch is a lock in PostgreSQL */
	PRESENT = 100, /* users that are listed when one comes */
};

static const double flush_s = 0.002;

/* A message, or a member who comes or goes. */
struct item {
	struct conn *conn; /* of whom the answer is for; holds a question */
	uint64_t number;   /* of the connection */
	char tenant_id[37];
	char *channel, *json, *user; /* one allocation, at channel */
	outbox_present *present;     /* of who comes */
};

/* Things of one kind that travel together. */
struct batch {
	struct item items[BATCH];
	int n;
};

enum kind { MESSAGES, JOINS, LEAVES, KINDS };

static struct batch *waiting[KINDS];
static bool is_out; /* a batch of messages, whose commit has not been told yet */
static struct pg *pg;
static const char *process;
static struct ev_loop *loop;
static ev_timer timer;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void batch_free(struct batch *b)
{
	for (int i = 0; i < b->n; i++) {
		if (b->items[i].conn)
			conn_answered(b->items[i].conn);
		free(b->items[i].channel);
	}
	free(b);
}

/* Answers */

static void flush(enum kind kind);

static void published(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct batch *b = arg;

	(void)message;
	is_out = false;
	if (rows) {
		/* Other hosts are told as of any other commit; this process need not wait for that. */
		wake_mark(WAKE_REALTIME);
		feed_look();
	}
	for (int i = 0; i < b->n && sqlstate; i++)
		if (b->items[i].conn)
			conn_error(b->items[i].conn, "UNAVAILABLE", b->items[i].channel,
				   "the message was not published; try again");
	batch_free(b);
	/* What came while that was being committed: the slower the disk, the more travels together. */
	if (waiting[MESSAGES] && !ev_is_active(&timer))
		flush(MESSAGES);
}

static void left(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	(void)sqlstate;
	(void)message;
	if (rows) {
		wake_mark(WAKE_REALTIME);
		feed_look();
	}
	batch_free(arg);
}

static void present(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct batch *one = arg;
	struct item *item = &one->items[0];

	(void)sqlstate;
	(void)message;
	if (rows && item->conn->wire) {
		struct protocol_user users[PRESENT];
		int n = PQntuples(rows) < PRESENT ? PQntuples(rows) : PRESENT;

		for (int i = 0; i < n; i++)
			users[i] = (struct protocol_user){ PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1),
							   PQgetvalue(rows, i, 2) };
		item->present(item->conn, item->channel, users, n);
	}
	batch_free(one);
}

static void joined(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct batch *b = arg;
	char most[8];

	(void)sqlstate;
	(void)message;
	snprintf(most, sizeof(most), "%d", PRESENT);
	for (int i = 0; i < b->n && rows; i++) {
		struct item *item = &b->items[i];
		const char *params[] = { item->tenant_id, item->channel, most };
		struct batch *one;

		if (!item->conn || !item->conn->wire)
			continue;
		/* It moves on to the next question. */
		one = must(calloc(1, sizeof(*one)));
		one->items[0] = *item;
		one->n = 1;
		*item = (struct item){ 0 };
		params[0] = one->items[0].tenant_id;
		if (!pg_ask(pg, &q_realtime_present, params, present, one))
			batch_free(one);
	}
	left(arg, rows, NULL, NULL);
}

/* Sending */

static const char *column(struct arena *a, const struct batch *b, const char *what)
{
	struct pgarray array;

	pgarray_init(&array, a);
	for (int i = 0; i < b->n; i++) {
		const struct item *item = &b->items[i];

		switch (*what) {
		case 't': pgarray_add(&array, item->tenant_id); break;
		case 'c': pgarray_add(&array, item->channel); break;
		case 'j': pgarray_add(&array, item->json); break;
		case 'u': pgarray_add(&array, item->user); break;
		default: pgarray_add_int(&array, (long long)item->number);
		}
	}
	return pgarray_text(&array);
}

static void flush(enum kind kind)
{
	static pg_done *const done[KINDS] = { published, joined, left };
	static const struct query *const query[KINDS] = { &q_realtime_publish_many, &q_realtime_join,
							  &q_realtime_leave };
	struct batch *b = waiting[kind];
	const char *params[5];
	struct arena a;

	if (!b)
		return;
	waiting[kind] = NULL;
	arena_init(&a, 65536);
	if (kind == MESSAGES) {
		params[0] = column(&a, b, "tenant");
		params[1] = column(&a, b, "channel");
		params[2] = column(&a, b, "json");
		params[3] = column(&a, b, "user");
	} else {
		params[0] = process;
		params[1] = column(&a, b, "tenant");
		params[2] = column(&a, b, "channel");
		params[3] = column(&a, b, "user");
		params[4] = column(&a, b, "number");
	}
	is_out = is_out || kind == MESSAGES;
	if (!pg_ask(pg, query[kind], params, done[kind], b))
		done[kind](b, NULL, "08006", NULL);
	arena_release(&a);
}

void outbox_flush(void)
{
	ev_timer_stop(loop, &timer);
	for (int kind = 0; kind < KINDS; kind++)
		flush((enum kind)kind);
}

static void on_timer(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	if (!is_out)
		flush(MESSAGES);
	flush(JOINS);
	flush(LEAVES);
}

static void add(enum kind kind, struct conn *c, const char *channel, const char *json, outbox_present *tell,
		bool answers)
{
	size_t nchannel = strlen(channel) + 1, njson = json ? strlen(json) + 1 : 0,
	       nuser = strlen(c->who->subject) + 1;
	struct item *item;
	struct batch *b;

	/* Who comes and goes at once must not go and come. */
	if (kind == JOINS)
		flush(LEAVES);
	if (kind == LEAVES)
		flush(JOINS);
	if (!waiting[kind])
		waiting[kind] = must(calloc(1, sizeof(*waiting[kind])));
	b = waiting[kind];
	item = &b->items[b->n++];
	*item = (struct item){ .conn = answers ? c : NULL, .number = c->number, .present = tell };
	memcpy(item->tenant_id, c->who->tenant_id, sizeof(item->tenant_id));
	item->channel = must(malloc(nchannel + njson + nuser));
	memcpy(item->channel, channel, nchannel);
	item->user = memcpy(item->channel + nchannel, c->who->subject, nuser);
	item->json = json ? memcpy(item->channel + nchannel + nuser, json, njson) : NULL;
	c->questions += answers;
	if (b->n == BATCH) {
		flush(kind);
	} else if (!ev_is_active(&timer)) {
		/* A message goes when the loop comes round: what makes batches is that one is out. */
		ev_timer_set(&timer, kind == MESSAGES ? 0 : flush_s, 0);
		ev_timer_start(loop, &timer);
	}
}

void outbox_publish(struct conn *c, const char *channel, const char *json)
{
	add(MESSAGES, c, channel, json, NULL, true);
}

void outbox_join(struct conn *c, const char *channel, outbox_present *tell)
{
	add(JOINS, c, channel, NULL, tell, true);
}

void outbox_leave(struct conn *c, const char *channel)
{
	add(LEAVES, c, channel, NULL, NULL, false);
}

void outbox_open(struct ev_loop *l, const char *id)
{
	static const struct pg_events none = { NULL, NULL };

	loop = l;
	pg = pg_new(loop, "outbox", &none);
	process = id;
	ev_timer_init(&timer, on_timer, flush_s, 0);
}

int outbox_pending(void)
{
	return pg_pending(pg);
}

void outbox_close(void)
{
	ev_timer_stop(loop, &timer);
	pg_free(pg);
	pg = NULL;
}
