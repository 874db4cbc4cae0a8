#include "realtime/fold.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"

static const char prefix[] = "records:";
static const double step_s = 0.1; /* how exactly a second is kept */
static const int64_t pause_ns = 1000000000;

enum { MOST = 4096 }; /* recordsets in a second; what is beyond that is told at once */

/* A recordset that was told of in the last second. */
struct entry {
	struct entry *next;
	int64_t told_ns;
	char *payload; /* what is to be told when the second is over; NULL: nothing */
	char at[40], tenant_id[40], channel[64];
};

static struct entry *entries;
static int n_entries;
static struct ev_loop *loop;
static ev_timer timer;
static void (*to)(const char *tenant_id, const struct published *row);

static void tell(const char *tenant_id, const char *payload, const char *at)
{
	struct json_object *json = json_tokener_parse(payload);
	const char *id = json ? json_text(json_at(json, "workspace_id", NULL), 36) : NULL;
	char channel[64];

	if (id) {
		snprintf(channel, sizeof(channel), "workspace:%s", id);
		to(tenant_id, &(struct published){ .kind = "event",
						   .channel = channel,
						   .payload = payload,
						   .event = "workspace_event",
						   .created_at = at });
	}
	json_object_put(json);
}

static void on_step(struct ev_loop *l, ev_timer *w, int events)
{
	int64_t now = clock_ns();
	struct entry *e;

	(void)events;
	for (struct entry **p = &entries; (e = *p);) {
		if (now - e->told_ns < pause_ns) {
			p = &e->next;
		} else if (e->payload) {
			tell(e->tenant_id, e->payload, e->at);
			free(e->payload);
			e->payload = NULL;
			e->told_ns = now;
			p = &e->next;
		} else {
			*p = e->next;
			free(e);
			n_entries--;
		}
	}
	if (!entries)
		ev_timer_stop(l, w);
}

void fold_open(struct ev_loop *l, void (*fn)(const char *tenant_id, const struct published *row))
{
	loop = l;
	to = fn;
	ev_timer_init(&timer, on_step, step_s, step_s);
}

static struct entry *find(const char *tenant_id, const char *channel)
{
	struct entry *e = entries;

	while (e && (strcmp(e->channel, channel) != 0 || strcmp(e->tenant_id, tenant_id) != 0))
		e = e->next;
	return e;
}

bool fold_take(const char *tenant_id, const struct published *row)
{
	struct entry *e;

	if (strncmp(row->channel, prefix, strlen(prefix)) != 0)
		return false;
	e = find(tenant_id, row->channel);
	if (e) {
		char *payload = strdup(row->payload);

		if (!payload)
			abort();
		free(e->payload);
		e->payload = payload;
		snprintf(e->at, sizeof(e->at), "%s", row->created_at);
		return true;
	}
	tell(tenant_id, row->payload, row->created_at);
	e = n_entries < MOST ? calloc(1, sizeof(*e)) : NULL;
	if (!e)
		return true;
	e->told_ns = clock_ns();
	snprintf(e->tenant_id, sizeof(e->tenant_id), "%s", tenant_id);
	snprintf(e->channel, sizeof(e->channel), "%s", row->channel);
	e->next = entries;
	entries = e;
	n_entries++;
	if (!ev_is_active(&timer))
		ev_timer_start(loop, &timer);
	return true;
}

void fold_close(void)
{
	struct entry *e;

	ev_timer_stop(loop, &timer);
	while ((e = entries)) {
		entries = e->next;
		free(e->payload);
		free(e);
	}
	n_entries = 0;
}
