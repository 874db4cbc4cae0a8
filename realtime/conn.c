#include "realtime/conn.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"

enum {
	BROADCAST_COST = 64, /* what a reference costs beside the bytes */
	PLAIN_PING_S = 15,   /* at the latest, on plain streams: what the catalogue promises */
	CLOSE_S = 3,         /* to read what is left, and to answer a close */
	FLOOD = 10,          /* how many seconds' worth of messages too many end it */
};

struct conn *conns;
struct conn_counts conn_counts;

static const struct conn_listener *listeners;
static struct conn *doomed;
static uint64_t numbers;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct who *who_new(const struct pass *p)
{
	size_t subject = strlen(p->subject) + 1, issuer = strlen(p->issuer) + 1,
	       foreign = strlen(p->foreign) + 1;
	struct who *w = must(malloc(sizeof(*w) + subject + issuer + foreign));
	char *text = (char *)(w + 1);

	memcpy(w->tenant_id, p->tenant_id, sizeof(w->tenant_id));
	memcpy(w->user_id, p->user_id, sizeof(w->user_id));
	memcpy(w->session_id, p->session_id, sizeof(w->session_id));
	w->expires_at = p->expires_at;
	w->subject = memcpy(text, p->subject, subject);
	w->issuer = memcpy(text + subject, p->issuer, issuer);
	w->foreign = memcpy(text + subject + issuer, p->foreign, foreign);
	return w;
}

void conn_open(const struct conn_listener *table)
{
	listeners = table;
}

struct conn *conn_new(const struct transport *t, void *wire, const struct pass *pass)
{
	struct conn *c = must(calloc(1, sizeof(*c)));

	c->transport = t;
	c->wire = wire;
	c->who = who_new(pass);
	c->is_stream = pass->is_stream;
	c->is_plain = pass->is_plain;
	c->is_job = pass->is_job;
	c->number = ++numbers;
	c->tokens = (double)cfg.realtime_message_rate * 2;
	c->tokens_ns = c->heard_ns = c->pinged_ns = clock_ns();
	c->next = conns;
	c->at = &conns;
	if (conns)
		conns->at = &c->next;
	conns = c;
	conn_counts.open++;
	conn_counts.opened++;
	conn_counts.streams += c->is_stream;
	return c;
}

/* Sending */

static void drop_queue(struct conn *c)
{
	for (; c->nqueue; c->nqueue--, c->first++)
		broadcast_unref(c->queue[c->first & (c->cap - 1)]);
	free(c->queue);
	c->queue = NULL;
	c->first = c->cap = 0;
	c->queued = 0;
}

static void enqueue(struct conn *c, struct broadcast *p)
{
	if (c->nqueue == c->cap) {
		unsigned cap = c->cap ? c->cap * 2 : 8;
		struct broadcast **larger = must(malloc(cap * sizeof(struct broadcast *)));

		for (unsigned i = 0; i < c->nqueue; i++)
			larger[i] = c->queue[(c->first + i) & (c->cap - 1)];
		free(c->queue);
		c->queue = larger;
		c->first = 0;
		c->cap = cap;
	}
	c->queue[(c->first + c->nqueue++) & (c->cap - 1)] = broadcast_ref(p);
	c->queued += p->n + BROADCAST_COST;
}

static void push(struct conn *c, struct broadcast *p)
{
	if (!c->nqueue && c->transport->write(c, p))
		conn_counts.delivered++;
	else
		enqueue(c, p);
}

void conn_send(struct conn *c, struct broadcast *p)
{
	if (c->is_closing || !c->wire) {
		conn_counts.dropped++;
		return;
	}
	push(c, p);
	c->counted += p->id != 0;
	if (c->queued > (size_t)cfg.realtime_buffer_kib * 1024) {
		conn_counts.slow++;
		conn_counts.dropped += c->nqueue;
		c->is_slow = true;
		conn_doom(c, CLOSE_SLOW, "SLOW_CONSUMER", "too much waits to be read");
	}
}

bool conn_writable(struct conn *c)
{
	while (c->nqueue && c->wire) {
		struct broadcast *p = c->queue[c->first & (c->cap - 1)];

		if (!c->transport->write(c, p))
			return true;
		conn_counts.delivered++;
		c->first++;
		c->nqueue--;
		c->queued -= p->n + BROADCAST_COST;
		broadcast_unref(p);
	}
	if (c->cap)
		drop_queue(c);
	return false;
}

void conn_say(struct conn *c, const char *event, const struct buf *b)
{
	struct broadcast *p = broadcast_new(event, 0, b->p, b->n);

	conn_send(c, p);
	broadcast_unref(p);
}

void conn_error(struct conn *c, const char *code, const char *channel, const char *message)
{
	struct problem why = { code, message, channel };
	struct arena a;
	struct buf b;

	arena_init(&a, 1024);
	buf_init(&b, &a, 512);
	protocol_error(&b, &why);
	conn_say(c, "error", &b);
	arena_release(&a);
}

/* Closing */

static void tell_closing(struct conn *c)
{
	for (const struct conn_listener *l = listeners; l->closing || l->gone; l++)
		if (l->closing)
			l->closing(c);
}

static void tell_gone(struct conn *c)
{
	for (const struct conn_listener *l = listeners; l->closing || l->gone; l++)
		if (l->gone)
			l->gone(c);
}

static void doom(struct conn *c)
{
	c->is_closing = true;
	c->doomed_ns = clock_ns();
	c->next_doomed = doomed;
	doomed = c;
}

void conn_doom(struct conn *c, int close_code, const char *code, const char *message)
{
	if (c->is_closing || !c->wire)
		return;
	if (code && !c->is_slow)
		conn_error(c, code, NULL, message);
	if (c->is_closing) /* that was too much for it */
		return;
	c->close_code = close_code;
	c->close_reason = code ? code : "RESTART";
	doom(c);
}

void conn_broken(struct conn *c)
{
	if (c->is_closing || !c->wire)
		return;
	c->is_broken = true;
	doom(c);
}

void conn_leaves(struct conn *c)
{
	if (c->is_closing || !c->wire)
		return;
	c->is_closing = true;
	c->doomed_ns = clock_ns();
	tell_closing(c);
	drop_queue(c);
}

void conn_sweep(void)
{
	struct conn *c;

	while ((c = doomed)) {
		doomed = c->next_doomed;
		c->next_doomed = NULL;
		tell_closing(c);
		if (c->is_slow && c->wire) {
			struct problem why = { "SLOW_CONSUMER", "too much waits to be read", NULL };
			struct broadcast *p;
			struct arena a;
			struct buf b;

			/* What it did not read it will not; only why. */
			drop_queue(c);
			arena_init(&a, 512);
			buf_init(&b, &a, 256);
			protocol_error(&b, &why);
			p = broadcast_new("error", 0, b.p, b.n);
			push(c, p);
			broadcast_unref(p);
			arena_release(&a);
		}
		if (c->wire && c->is_broken)
			c->transport->kill(c);
		else if (c->wire)
			c->transport->close(c);
	}
}

static void free_conn(struct conn *c)
{
	drop_queue(c);
	free(c->partial);
	free(c->subs);
	free(c->who);
	free(c);
}

void conn_gone(struct conn *c)
{
	if (!c->wire)
		return;
	c->wire = NULL;
	for (struct conn **at = &doomed; *at; at = &(*at)->next_doomed) {
		if (*at != c)
			continue;
		*at = c->next_doomed;
		break;
	}
	c->is_closing = true;
	tell_closing(c);
	tell_gone(c);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	conn_counts.open--;
	conn_counts.streams -= c->is_stream;
	if (!c->questions)
		free_conn(c);
}

void conn_answered(struct conn *c)
{
	c->questions--;
	if (!c->wire && !c->questions)
		free_conn(c);
}

/* Limits */

bool conn_may_talk(struct conn *c)
{
	double rate = (double)cfg.realtime_message_rate;
	int64_t now = clock_ns();

	conn_counts.received++;
	if (!cfg.realtime_message_rate)
		return true;
	c->tokens += (double)(now - c->tokens_ns) / 1e9 * rate;
	c->tokens_ns = now;
	if (c->tokens > rate * 2)
		c->tokens = rate * 2;
	c->tokens -= 1;
	if (c->tokens >= 0)
		return true;
	if (c->tokens < -rate * FLOOD)
		conn_doom(c, CLOSE_FLOOD, "RATE_LIMITED", "far too many messages");
	return false;
}

void conn_tick(int64_t now_ns)
{
	int64_t ping_s = cfg.realtime_ping_s, now_s = clock_unix_us() / 1000000;
	int64_t plain_ns = (ping_s < PLAIN_PING_S ? ping_s : PLAIN_PING_S) * 1000000000LL;
	int64_t ping_ns = ping_s * 1000000000LL;
	struct conn *next;

	for (struct conn *c = conns; c; c = next) {
		next = c->next;
		if (c->is_closing) {
			if (now_ns - c->doomed_ns > CLOSE_S * 1000000000LL)
				c->transport->kill(c);
			continue;
		}
		if (c->who->expires_at && now_s >= c->who->expires_at) {
			conn_doom(c, CLOSE_TOKEN_EXPIRED, c->is_job ? NULL : "TOKEN_EXPIRED",
				  "the credentials are over");
		} else if (!c->is_stream && now_ns - c->heard_ns > 2 * ping_ns + 5000000000LL) {
			conn_doom(c, CLOSE_IDLE, "IDLE", "no answer to a ping");
		} else if (now_ns - c->pinged_ns >= (c->is_plain ? plain_ns : ping_ns)) {
			c->pinged_ns = now_ns;
			c->transport->ping(c);
		}
	}
}
