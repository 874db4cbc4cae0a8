#include "realtime/broadcast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

const char *broadcast_plain_name(const char *event)
{
	return strcmp(event, "message") != 0 ? event : "";
}

struct broadcast *broadcast_new(const char *event, int64_t id, const char *json, size_t n)
{
	struct broadcast *p = must(malloc(sizeof(*p) + n));

	*p = (struct broadcast){ .refs = 1, .n = (unsigned)n, .id = id };
	snprintf(p->event, sizeof(p->event), "%s", event);
	memcpy(p->text, json, n);
	return p;
}

void broadcast_unref(struct broadcast *p)
{
	if (--p->refs)
		return;
	free(p->event_text);
	free(p);
}

const char *broadcast_event(struct broadcast *p, size_t *n)
{
	char head[128];
	int k;

	if (!p->event_text) {
		/* JSON has no line breaks of its own: jx and PostgreSQL escape those in strings. */
		k = p->id ? snprintf(head, sizeof(head), "id: %lld\n", (long long)p->id) : 0;
		if (*p->event)
			k += snprintf(head + k, sizeof(head) - (size_t)k, "event: %s\n", p->event);
		k += snprintf(head + k, sizeof(head) - (size_t)k, "data: ");
		p->event_n = (unsigned)k + p->n + 2;
		p->event_text = must(malloc(p->event_n));
		memcpy(p->event_text, head, (size_t)k);
		memcpy(p->event_text + k, p->text, p->n);
		memcpy(p->event_text + k + p->n, "\n\n", 2);
	}
	*n = p->event_n;
	return p->event_text;
}
