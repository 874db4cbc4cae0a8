#include "host/log_newest.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

static bool is_older(const struct log_entry *a, const struct log_entry *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void swap(struct log_entry *a, struct log_entry *b)
{
	struct log_entry was = *a;

	*a = *b;
	*b = was;
}

static void sift_down(struct log_newest *h, int i)
{
	for (;;) {
		int least = i;

		for (int child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
			if (is_older(&h->entries[child], &h->entries[least]))
				least = child;
		if (least == i)
			return;
		swap(&h->entries[i], &h->entries[least]);
		i = least;
	}
}

static void sift_up(struct log_newest *h, int i)
{
	for (; i && is_older(&h->entries[i], &h->entries[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&h->entries[i], &h->entries[(i - 1) / 2]);
}

static bool has(const char *p, size_t n, const char *q)
{
	size_t len = strlen(q);
	char both[2] = { *q, *q };

	if (*q >= 'a' && *q <= 'z')
		both[1] = (char)(*q - 32);
	else if (*q >= 'A' && *q <= 'Z')
		both[1] = (char)(*q + 32);
	for (; n >= len; p++, n--)
		if ((*p == both[0] || *p == both[1]) && !strncasecmp(p, q, len))
			return true;
	return false;
}

static bool is_wanted(const struct log_wanted *w, const struct log_line *l, const char *agent, size_t agent_n)
{
	if (w->level != LOG_LINE_LEVELS && w->level != (int)l->level)
		return false;
	if (w->agent && (!agent || strlen(w->agent) != agent_n || memcmp(w->agent, agent, agent_n) != 0))
		return false;
	return !w->q || has(l->message, l->message_n, w->q);
}

void log_newest_add(struct log_newest *to, const char *line, size_t n, const struct log_line *l,
		    int64_t at_us, const char *file, const char *agent)
{
	struct log_entry e = {
		.at_us = l->has_time ? l->at_us : at_us, .seq = ++to->seq, .file = file, .level = l->level
	};
	size_t message_at = (size_t)(l->message - line), whole = agent ? strlen(agent) : 0;

	if (!is_wanted(&to->wanted, l, l->agent ? l->agent : agent, l->agent ? l->agent_n : whole))
		return;
	to->total++;
	if (to->n == to->most && (!to->n || !is_older(&to->entries[0], &e)))
		return;
	if (to->n < to->most)
		e.line = arena_alloc_raw(to->a, LOG_NEWEST_LINE);
	else
		e.line = to->entries[0].line;
	e.n = n < LOG_NEWEST_LINE ? n : LOG_NEWEST_LINE;
	for (size_t i = 0; i < e.n; i++)
		e.line[i] = line[i] ? line[i] : ' '; /* PostgreSQL has no text with a NUL */
	e.is_json = l->is_json && n <= LOG_NEWEST_LINE;
	e.message_at = (unsigned)(message_at < e.n ? message_at : 0);
	e.message_n = (unsigned)(l->message_n < e.n - e.message_at ? l->message_n : e.n - e.message_at);
	if (l->agent && l->agent + l->agent_n <= line + e.n) {
		e.agent = e.line + (l->agent - line);
		e.agent_n = l->agent_n;
	} else if (!l->agent) {
		e.agent = agent;
		e.agent_n = whole;
	}
	if (to->n < to->most) {
		to->entries[to->n] = e;
		sift_up(to, to->n++);
	} else {
		to->entries[0] = e;
		sift_down(to, 0);
	}
}

/* The members of an object, as PostgreSQL takes it; false: it is none after all. */
static bool write_object(struct arena *a, const struct log_entry *e, struct buf *out)
{
	static const char *const names[] = { "message", "msg" };
	struct json_object *line = NULL, *message = NULL;
	const char *problem, *text;

	if (json_read_any(a, e->line, e->n, &line, &problem) || !json_object_is_type(line, json_type_object))
		return false;
	for (int i = 0; i < 2 && !message; i++)
		message = json_at(line, names[i], NULL);
	if (!json_object_is_type(message, json_type_string))
		return false;
	jx_key(out, "message");
	jx_text(out, json_object_get_string(message), (size_t)json_object_get_string_len(message));
	jx_key(out, "meta");
	text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN);
	buf_text(out, text ? text : "null");
	return true;
}

static void write_entry(struct arena *a, const struct log_entry *e, struct buf *out)
{
	jx_next(out);
	buf_char(out, '{');
	jx_key(out, "timestamp"), jx_timestamptz_us(out, e->at_us - CLOCK_PG_EPOCH_US);
	jx_key_str(out, "level", log_line_levels[e->level]);
	jx_key(out, "agent");
	if (e->agent)
		jx_text(out, e->agent, e->agent_n);
	else
		jx_null(out);
	jx_key(out, "file");
	if (e->file)
		jx_str(out, e->file);
	else
		jx_null(out);
	if (!e->is_json || !write_object(a, e, out)) {
		jx_key(out, "message");
		jx_text(out, e->line + e->message_at, e->message_n);
	}
	buf_char(out, '}');
}

void log_newest_write(struct log_newest *h, struct buf *out)
{
	int n = h->n;

	/* The oldest go to the end, one by one. */
	while (h->n > 1) {
		swap(&h->entries[0], &h->entries[--h->n]);
		sift_down(h, 0);
	}
	h->n = n;
	jx_key_open(out, "entries", '[');
	for (int i = 0; i < n && out->n < LOG_NEWEST_ANSWER; i++)
		write_entry(h->a, &h->entries[i], out);
	buf_char(out, ']');
	jx_key_int(out, "total", h->total);
}
