#include "realtime/commands.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "build/sql/integrations/realtime.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "realtime/outbox.h"

enum {
	HISTORY = 1000, /* messages that a client can catch up with */
	MAY_SEND_S = 5, /* for so long it is believed that a client may send */
	UNSENT = 64,    /* messages that wait for an answer to that */
};

static struct pg *pg;
static uint64_t questions;

/* Who asked: a place, as long as it is the same one. */
struct question {
	struct conn *conn;
	uint64_t number;
	bool has_after, is_again;
	char channel[];
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct question *question_new(struct sub *s)
{
	size_t n = strlen(s->channel->name) + 1;
	struct question *q = must(calloc(1, sizeof(*q) + n));

	q->conn = s->conn;
	q->number = s->question = ++questions;
	memcpy(q->channel, s->channel->name, n);
	s->conn->questions++;
	return q;
}

/* The place that the answer is for, or NULL: it was left. */
static struct sub *place_of(const struct question *q)
{
	struct sub *s = q->conn->wire && !q->conn->is_closing ? channel_find(q->conn, q->channel) : NULL;

	return s && s->question == q->number ? s : NULL;
}

static void question_free(struct question *q)
{
	conn_answered(q->conn);
	free(q);
}

/* Coming to a channel */

static void say_subscribed(struct sub *s, bool is_recovered, int64_t position)
{
	struct arena a;
	struct buf b;

	arena_init(&a, 512);
	buf_init(&b, &a, 256);
	protocol_subscribed(&b, s->channel->name, is_recovered, position);
	conn_say(s->conn, "subscribed", &b);
	arena_release(&a);
}

static void refused(struct sub *s, const char *code, const char *message)
{
	struct conn *c = s->conn;
	char channel[PROTOCOL_MAX_CHANNEL + 1];

	snprintf(channel, sizeof(channel), "%s", s->channel->name);
	if (s->is_own) {
		s->is_asked_for = false;
		channel_release(s);
	} else {
		channel_leave(s);
	}
	conn_error(c, code, channel, message);
	if (c->is_stream)
		conn_doom(c, 0, NULL, NULL);
}

static void tell_row(struct sub *s, const PGresult *rows, int i)
{
	struct published row = {
		.id = strtoll(PQgetvalue(rows, i, 3), NULL, 10),
		.kind = PQgetvalue(rows, i, 4),
		.channel = s->channel->name,
		.payload = PQgetvalue(rows, i, 5),
		.sender = PQgetisnull(rows, i, 6) ? NULL : PQgetvalue(rows, i, 6),
		.event = PQgetisnull(rows, i, 7) ? NULL : PQgetvalue(rows, i, 7),
		.created_at = PQgetvalue(rows, i, 9),
	};
	struct broadcast *p;

	/*
	 * Its own channel has told from first_id to last_id before it was asked for.  What is older was
	 * missed, and what is newer has not come through the tail yet.
	 */
	p = channel_broadcast(s->conn->who->tenant_id, &row, s->conn->is_plain);
	if (s->first_id && row.id < s->first_id)
		conn_send(s->conn, p);
	else
		channel_tell_one(s, p);
	broadcast_unref(p);
}

/* The rows of realtime_subscribe: where the channel is, then what was missed. */
static void subscribed(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct question *q = arg;
	struct sub *s = place_of(q);
	bool is_recovered, is_over = false;
	int64_t position;

	(void)message;
	if (!s) {
		question_free(q);
		return;
	}
	if (sqlstate && q->is_again) {
		/* Nobody can tell what it missed: it comes back, and asks itself. */
		conn_doom(s->conn, CLOSE_RESTART, NULL, NULL);
	} else if (sqlstate) {
		if (!strncmp(sqlstate, "AS", 2))
			refused(s, "INVALID_CHANNEL", "channel must be <kind>:<id>");
		else
			refused(s, "UNAVAILABLE", "try again in a moment");
	} else if (!PQntuples(rows)) {
		if (q->is_again)
			commands_forbid(s);
		else
			refused(s, "FORBIDDEN", "you may not listen to this channel");
	} else {
		struct conn *c = s->conn;
		bool is_job_end;

		is_recovered = q->has_after && *PQgetvalue(rows, 0, 0) == 't';
		position = strtoll(PQgetvalue(rows, 0, 1), NULL, 10);
		is_over = *PQgetvalue(rows, 0, 2) == 't';
		s->checked_ns = clock_ns();
		if ((!q->is_again || !is_recovered) && !c->is_plain)
			say_subscribed(s, is_recovered, position);
		for (int i = 1; i < PQntuples(rows) && !c->is_closing; i++) {
			is_over = is_over || *PQgetvalue(rows, i, 8) == 't';
			tell_row(s, rows, i);
		}
		is_job_end = is_over && !c->is_closing;
		if (position > s->last_id)
			s->last_id = position;
		channel_release(s);
		if (s->wants_presence && !s->is_present)
			channel_join(s);
		s->wants_presence = false;
		if (is_job_end)
			channel_end(s);
	}
	question_free(q);
}

/* Whether it may, and what came behind after; what comes meanwhile is held. */
static void ask(struct sub *s, bool has_after, int64_t after, bool is_again)
{
	struct question *q = question_new(s);
	/* Who begins to follow a job wants all that it has told so far. */
	bool from_start = !has_after && !strncmp(q->channel, "job:", 4);
	char text[24], most[8];
	const char *params[] = { s->conn->who->tenant_id, s->conn->who->user_id, q->channel,
				 has_after || from_start ? text : NULL, most };

	snprintf(text, sizeof(text), "%lld", (long long)after);
	snprintf(most, sizeof(most), "%d", HISTORY);
	q->has_after = has_after;
	q->is_again = is_again;
	s->state = SUB_ASKED;
	if (!pg_ask(pg, &q_realtime_subscribe, params, subscribed, q))
		subscribed(q, NULL, "08006", NULL);
}

static void on_subscribe(struct conn *c, const struct client_message *m)
{
	struct sub *s = channel_find(c, m->channel);
	int asked_for = 0;

	for (int i = 0; i < c->nsubs; i++)
		asked_for += c->subs[i]->is_asked_for;
	if (s && s->state == SUB_ASKED)
		return; /* the answer is on its way */
	if (!(s && s->is_asked_for) && asked_for >= PROTOCOL_MAX_CHANNELS) {
		conn_error(c, "TOO_MANY_CHANNELS", m->channel, "a connection has at most 100 channels");
		return;
	}
	if (!s) {
		s = channel_enter(c, m->channel, SUB_ASKED);
	} else if (s->is_asked_for && !m->has_last_event_id && (s->is_present || !m->wants_presence)) {
		say_subscribed(s, false, s->last_id);
		return;
	}
	s->is_asked_for = true;
	s->wants_presence = m->wants_presence;
	/* Asked again by whom nothing reached yet. */
	ask(s, m->has_last_event_id, m->last_event_id, false);
}

static void on_unsubscribe(struct conn *c, const char *channel)
{
	struct sub *s = channel_find(c, channel);
	struct arena a;
	struct buf b;

	if (!s || !s->is_asked_for) {
		conn_error(c, "NOT_SUBSCRIBED", channel, "you are not on this channel");
		return;
	}
	arena_init(&a, 512);
	buf_init(&b, &a, 256);
	protocol_unsubscribed(&b, channel, NULL);
	if (s->is_own) { /* which stays: notifications come all the same */
		if (s->is_present)
			outbox_leave(c, channel);
		s->is_asked_for = s->is_present = false;
	} else {
		channel_leave(s);
	}
	conn_say(c, "unsubscribed", &b);
	arena_release(&a);
}

void commands_forbid(struct sub *s)
{
	struct conn *c = s->conn;
	struct arena a;
	struct buf b;

	if (c->is_stream) {
		conn_error(c, "FORBIDDEN", s->channel->name, "you may not listen to this channel any more");
		conn_doom(c, 0, NULL, NULL);
		return;
	}
	arena_init(&a, 512);
	buf_init(&b, &a, 256);
	protocol_unsubscribed(&b, s->channel->name, "FORBIDDEN");
	channel_leave(s);
	conn_say(c, "unsubscribed", &b);
	arena_release(&a);
}

void commands_recover_all(void)
{
	for (struct conn *c = conns; c; c = c->next)
		for (int i = 0; i < c->nsubs && !c->is_closing; i++)
			if (c->subs[i]->state == SUB_LIVE) {
				struct sub *s = c->subs[i];

				s->first_id = 0;
				ask(s, true, s->last_id ? s->last_id : s->base_id, true);
			}
}

/* Sending */

static void send_all(struct sub *s)
{
	for (struct unsent *u = s->unsent; u; u = u->next)
		outbox_publish(s->conn, s->channel->name, u->json);
	channel_drop_unsent(s);
}

static void may_send(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct question *q = arg;
	struct sub *s = q->conn->wire && !q->conn->is_closing ? channel_find(q->conn, q->channel) : NULL;

	(void)message;
	if (s && s->is_asking) {
		s->is_asking = false;
		if (rows && PQntuples(rows) && *PQgetvalue(rows, 0, 0) == 't') {
			s->may_send_ns = clock_ns();
			send_all(s);
		} else {
			for (struct unsent *u = s->unsent; u; u = u->next)
				conn_error(q->conn, sqlstate ? "UNAVAILABLE" : "FORBIDDEN", q->channel,
					   sqlstate ? "the message was not published; try again"
						    : "you may not send to this channel");
			channel_drop_unsent(s);
		}
	}
	question_free(q);
}

static void ask_may_send(struct sub *s)
{
	uint64_t before = s->question;
	struct question *q = question_new(s);
	const char *params[] = { s->conn->who->tenant_id, s->conn->who->user_id, q->channel };

	s->question = before; /* an answer to that is still due, perhaps */
	s->is_asking = true;
	if (!pg_ask(pg, &q_realtime_may_publish, params, may_send, q))
		may_send(q, NULL, "08006", NULL);
}

static void on_message(struct conn *c, const struct client_message *m)
{
	struct sub *s = channel_find(c, m->channel);
	const char *json;
	struct unsent *u;
	size_t n;
	int waiting = 0;

	if (!s || !s->is_asked_for || s->state != SUB_LIVE) {
		conn_error(c, "NOT_SUBSCRIBED", m->channel, "subscribe to the channel first");
		return;
	}
	c->counted++;
	json = json_object_to_json_string_ext(m->data, JSON_C_TO_STRING_PLAIN);
	if (!s->is_asking && s->may_send_ns && clock_ns() - s->may_send_ns < MAY_SEND_S * 1000000000LL) {
		outbox_publish(s->conn, s->channel->name, json);
		return;
	}
	for (u = s->unsent; u; u = u->next)
		waiting++;
	if (waiting == UNSENT) {
		conn_error(c, "UNAVAILABLE", m->channel, "the message was not published; try again");
		return;
	}
	n = strlen(json) + 1;
	u = must(calloc(1, sizeof(*u) + n));
	memcpy(u->json, json, n);
	*s->last_unsent = u;
	s->last_unsent = &u->next;
	if (!s->is_asking)
		ask_may_send(s);
}

/* Connections */

void commands_message(struct conn *c, const char *p, size_t n)
{
	struct client_message m;
	struct problem why;
	struct arena a;

	if (!conn_may_talk(c)) {
		conn_error(c, "RATE_LIMITED", NULL, "too many messages a second");
		return;
	}
	arena_init(&a, 4096);
	if (!protocol_read(&a, p, n, &m, &why))
		conn_error(c, why.code, why.channel, why.message);
	else if (m.type == CLIENT_SUBSCRIBE)
		on_subscribe(c, &m);
	else if (m.type == CLIENT_UNSUBSCRIBE)
		on_unsubscribe(c, m.channel);
	else
		on_message(c, &m);
	arena_release(&a);
}

static void say_connected(struct conn *c)
{
	struct arena a;
	struct buf b;

	arena_init(&a, 1024);
	buf_init(&b, &a, 512);
	protocol_connected(&b, c->who->subject);
	conn_say(c, "connected", &b);
	arena_release(&a);
}

void commands_begin(struct conn *c)
{
	char name[sizeof("user:") + PASS_MAX_TEXT];

	say_connected(c);
	snprintf(name, sizeof(name), "user:%s", c->who->subject);
	if (protocol_is_channel(name)) {
		struct sub *s = channel_enter(c, name, SUB_LIVE);

		s->is_own = true;
	}
}

static void begin_channel(struct conn *c, const char *name, bool has_event_id, int64_t event_id)
{
	struct sub *s = channel_enter(c, name, SUB_ASKED);

	s->is_asked_for = true;
	ask(s, has_event_id, event_id, false);
}

/* How things are, before what they become. */
static void say_state(struct conn *c, const struct pass *pass)
{
	const char *event = broadcast_plain_name(pass->state_event);
	struct broadcast *p = broadcast_new(event, 0, pass->state, strlen(pass->state));

	conn_send(c, p);
	broadcast_unref(p);
}

void commands_begin_stream(struct conn *c, const struct pass *pass)
{
	if (!c->is_plain)
		say_connected(c);
	if (*pass->state)
		say_state(c, pass);
	if (pass->is_over) {
		conn_doom(c, 0, NULL, NULL);
		return;
	}
	begin_channel(c, pass->channel, pass->has_event_id, pass->event_id);
	if (*pass->also)
		begin_channel(c, pass->also, pass->is_resumed, pass->event_id);
}

void commands_open(struct pg *connection)
{
	pg = connection;
}
