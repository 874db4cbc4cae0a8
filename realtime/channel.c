#include "realtime/channel.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/crypto/seal.h"
#include "realtime/feed.h"
#include "realtime/outbox.h"

enum { FIRST_ROWS = 1024, HELD_MAX = 10000 };

uint64_t channel_places;

static struct channel **table;
static size_t rows, nchannels;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* FNV-1a; the names were checked by PostgreSQL before anybody is on them, but for those that are asked about.
 */
static uint64_t hash_of(const char *tenant_id, const char *name)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = tenant_id; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return h ^ h >> 32;
}

static struct channel *find(const char *tenant_id, const char *name, uint64_t hash)
{
	struct channel *ch = rows ? table[hash & (rows - 1)] : NULL;

	while (ch &&
	       (ch->hash != hash || strcmp(ch->name, name) != 0 || strcmp(ch->tenant_id, tenant_id) != 0))
		ch = ch->next;
	return ch;
}

static void grow(void)
{
	size_t more = rows ? rows * 2 : FIRST_ROWS;
	struct channel **larger = must(calloc(more, sizeof(struct channel *)));

	for (size_t i = 0; i < rows; i++) {
		struct channel *next;

		for (struct channel *ch = table[i]; ch; ch = next) {
			next = ch->next;
			ch->next = larger[ch->hash & (more - 1)];
			larger[ch->hash & (more - 1)] = ch;
		}
	}
	free(table);
	table = larger;
	rows = more;
}

static struct channel *open_channel(const char *tenant_id, const char *name)
{
	uint64_t hash = hash_of(tenant_id, name);
	struct channel *ch = find(tenant_id, name, hash);
	size_t n = strlen(name) + 1;

	if (ch)
		return ch;
	if (nchannels >= rows)
		grow();
	ch = must(calloc(1, sizeof(*ch) + n));
	ch->hash = hash;
	memcpy(ch->tenant_id, tenant_id, sizeof(ch->tenant_id));
	memcpy(ch->name, name, n);
	ch->next = table[hash & (rows - 1)];
	table[hash & (rows - 1)] = ch;
	nchannels++;
	return ch;
}

static void close_channel(struct channel *ch)
{
	struct channel **at = &table[ch->hash & (rows - 1)];

	while (*at != ch)
		at = &(*at)->next;
	*at = ch->next;
	nchannels--;
	free(ch->subs);
	free(ch);
}

struct sub *channel_find(const struct conn *c, const char *name)
{
	struct channel *ch = find(c->who->tenant_id, name, hash_of(c->who->tenant_id, name));

	for (int i = 0; ch && i < c->nsubs; i++)
		if (c->subs[i]->channel == ch)
			return c->subs[i];
	return NULL;
}

struct sub *channel_enter(struct conn *c, const char *name, enum sub_state state)
{
	struct channel *ch = open_channel(c->who->tenant_id, name);
	struct sub *s = must(calloc(1, sizeof(*s)));

	*s = (struct sub){ .conn = c,
			   .channel = ch,
			   .at = ch->nsubs,
			   .state = state,
			   .base_id = feed_position(),
			   .checked_ns = clock_ns() };
	s->last_unsent = &s->unsent;
	if (ch->nsubs == ch->cap) {
		ch->cap = ch->cap ? ch->cap * 2 : 1;
		ch->subs = must(realloc(ch->subs, (size_t)ch->cap * sizeof(struct sub *)));
	}
	ch->subs[ch->nsubs++] = s;
	if (c->nsubs == c->caps) {
		c->caps = c->caps ? c->caps * 2 : 2;
		c->subs = must(realloc(c->subs, (size_t)c->caps * sizeof(struct sub *)));
	}
	c->subs[c->nsubs++] = s;
	channel_places++;
	return s;
}

static void drop_held(struct sub *s)
{
	for (int i = 0; i < s->nheld; i++)
		broadcast_unref(s->held[i]);
	free(s->held);
	s->held = NULL;
	s->nheld = 0;
}

void channel_drop_unsent(struct sub *s)
{
	struct unsent *u;

	while ((u = s->unsent)) {
		s->unsent = u->next;
		free(u);
	}
	s->last_unsent = &s->unsent;
}

/* {"type":"presence","channel":…,"event":"state","users":[…]} */
static void say_present(struct conn *c, const char *channel, const struct protocol_user *users, int n)
{
	struct arena a;
	struct buf b;

	if (!channel_find(c, channel)) /* it left meanwhile */
		return;
	arena_init(&a, 4096);
	buf_init(&b, &a, 1024);
	protocol_present(&b, channel, users, n);
	conn_say(c, "presence", &b);
	arena_release(&a);
}

void channel_join(struct sub *s)
{
	s->is_present = true;
	outbox_join(s->conn, s->channel->name, say_present);
}

void channel_join_again(void)
{
	for (struct conn *c = conns; c; c = c->next)
		for (int i = 0; i < c->nsubs; i++)
			if (c->subs[i]->is_present)
				channel_join(c->subs[i]);
}

void channel_leave(struct sub *s)
{
	struct channel *ch = s->channel;
	struct conn *c = s->conn;

	if (s->is_present)
		outbox_leave(c, ch->name);
	ch->subs[s->at] = ch->subs[--ch->nsubs];
	ch->subs[s->at]->at = s->at;
	for (int i = 0; i < c->nsubs; i++)
		if (c->subs[i] == s) {
			c->subs[i] = c->subs[--c->nsubs];
			break;
		}
	if (!ch->nsubs)
		close_channel(ch);
	drop_held(s);
	channel_drop_unsent(s);
	free(s);
	channel_places--;
}

void channel_leave_all(struct conn *c)
{
	while (c->nsubs)
		channel_leave(c->subs[c->nsubs - 1]);
}

/* Telling */

static void hold(struct sub *s, struct broadcast *p)
{
	if (s->nheld == HELD_MAX)
		return;
	/* 1, 2, 4, …: whenever the number is a power of two it is full. */
	if (!(s->nheld & (s->nheld - 1)))
		s->held = must(
			realloc(s->held, (size_t)(s->nheld ? s->nheld * 2 : 1) * sizeof(struct broadcast *)));
	s->held[s->nheld++] = broadcast_ref(p);
}

void channel_tell_one(struct sub *s, struct broadcast *p)
{
	if (p->id) {
		if (p->id <= s->last_id)
			return;
		s->last_id = p->id;
	}
	conn_send(s->conn, p);
}

void channel_release(struct sub *s)
{
	s->state = SUB_LIVE;
	for (int i = 0; i < s->nheld; i++)
		channel_tell_one(s, s->held[i]);
	drop_held(s);
}

/* Behind the last message of a stream there is nothing to wait for. */
static void let_go(struct channel *ch)
{
	for (int i = ch->nsubs; i-- > 0;) {
		struct sub *s = ch->subs[i];
		bool is_only = ch->nsubs == 1;

		if (s->state == SUB_LIVE)
			channel_end(s);
		if (is_only)
			return;
	}
}

void channel_end(struct sub *s)
{
	struct conn *c = s->conn;
	struct arena a;
	struct buf b;

	if (c->is_stream) {
		conn_doom(c, 0, NULL, NULL);
		return;
	}
	arena_init(&a, 512);
	buf_init(&b, &a, 256);
	protocol_unsubscribed(&b, s->channel->name, "STREAM_ENDED");
	conn_say(c, "unsubscribed", &b);
	arena_release(&a);
	channel_leave(s);
}

/* What only its listeners are to read is sealed in the outbox: {"sealed": "…"} (providers/signup.h). */
static struct broadcast *broadcast_plain(const char *tenant_id, const struct published *row)
{
	static const char head[] = "{\"sealed\": \"";
	const char *event = row->event ? row->event : row->kind, *text = row->payload;
	struct broadcast *p;
	struct arena a;

	event = broadcast_plain_name(event);
	if (strncmp(text, head, sizeof(head) - 1) != 0)
		return broadcast_new(event, row->id, text, strlen(text));
	arena_init(&a, 8192);
	text += sizeof(head) - 1;
	text = seal_open(&a, "event", tenant_id, arena_dup_n(&a, text, strcspn(text, "\"")));
	if (!text)
		text = "{}";
	p = broadcast_new(event, row->id, text, strlen(text));
	arena_release(&a);
	return p;
}

struct broadcast *channel_broadcast(const char *tenant_id, const struct published *row, bool is_plain)
{
	const char *event;
	struct arena a;
	struct broadcast *p;
	struct buf b;

	if (is_plain)
		return broadcast_plain(tenant_id, row);
	arena_init(&a, 4096);
	buf_init(&b, &a, strlen(row->payload) + 256);
	event = protocol_published(&b, row);
	p = broadcast_new(event, row->id, b.p, b.n);
	arena_release(&a);
	return p;
}

void channel_tell(const char *tenant_id, const struct published *row)
{
	struct channel *ch = find(tenant_id, row->channel, hash_of(tenant_id, row->channel));
	bool is_presence = !strcmp(row->kind, "presence");
	struct broadcast *posts[2] = { NULL, NULL };

	if (!ch)
		return;
	for (int i = 0; i < ch->nsubs; i++) {
		struct sub *s = ch->subs[i];
		bool is_plain = s->conn->is_plain;
		struct broadcast *p = posts[is_plain];

		if (is_presence && !s->is_present && !s->wants_presence)
			continue;
		if (!p)
			p = posts[is_plain] = channel_broadcast(tenant_id, row, is_plain);
		if (s->state != SUB_LIVE) {
			hold(s, p);
			continue;
		}
		if (!s->first_id)
			s->first_id = row->id;
		channel_tell_one(s, p);
	}
	for (int i = 0; i < 2; i++)
		if (posts[i])
			broadcast_unref(posts[i]);
	if (row->is_last)
		let_go(ch);
}
