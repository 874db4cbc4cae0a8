#include "realtime/feed.h"

#include "build/sql/integrations/realtime.h"
#include "lib/host/log.h"
#include "realtime/pg.h"
#include "realtime/tail.h"

static const double poll_s = 1;

static const struct feed_events *to;
static struct tail tail;
static struct pg *pg;
static struct ev_loop *loop;
static ev_timer poll_timer;
static bool is_looking, is_due, is_begun;

static void look(void);

static void deliver(void *arg, const struct message *m)
{
	struct published row = { .id = m->id,
				 .kind = m->kind,
				 .channel = m->channel,
				 .payload = m->payload,
				 .sender = m->sender,
				 .event = m->event,
				 .created_at = m->at,
				 .is_last = m->is_last };

	(void)arg;
	to->published(m->tenant, &row);
}

static void looked(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	enum tail_next next = TAIL_WAIT;
	bool again = is_due;

	(void)arg;
	(void)sqlstate;
	(void)message;
	is_looking = is_due = false;
	if (rows) {
		next = tail_read(&tail, rows, deliver, NULL);
		if (next == TAIL_LOST) {
			log_msg(LOG_WARNING, NULL,
				"messages may have gone unread: each client is told what it missed");
			to->lost();
		}
		is_begun = is_begun || tail.is_started;
	}
	if (rows && (again || next != TAIL_WAIT))
		look();
}

static void look(void)
{
	const char *values[TAIL_PARAMS];

	if (is_looking) {
		is_due = true;
		return;
	}
	tail_ask(&tail, values);
	is_looking = pg_ask(pg, &q_realtime_tail, values, looked, NULL);
	ev_timer_again(loop, &poll_timer);
}

void feed_look(void)
{
	look();
}

bool feed_is_ready(void)
{
	return is_begun;
}

int64_t feed_position(void)
{
	return tail.hi;
}

static void ready(void)
{
	pg_ask_text(pg, "LISTEN ashlar_realtime", NULL, NULL);
	is_looking = false;
	look();
}

static void notified(const char *channel)
{
	(void)channel;
	look();
}

static void on_poll(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	look();
}

void feed_open(struct ev_loop *l, const struct feed_events *told)
{
	static const struct pg_events events = { ready, notified };

	loop = l;
	to = told;
	tail_init(&tail);
	ev_timer_init(&poll_timer, on_poll, 0, poll_s);
	pg = pg_new(loop, "feed", &events);
	ev_timer_again(loop, &poll_timer);
}

void feed_close(void)
{
	ev_timer_stop(loop, &poll_timer);
	pg_free(pg);
	pg = NULL;
	tail_release(&tail);
}
