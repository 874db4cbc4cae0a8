#include "worker/cursor.h"

static const char first_id[] = "00000000-0000-0000-0000-000000000000";

/* The place of a priority, made when it is new; -1: higher than all that there is room for. */
static int place(struct cursor *c, int priority)
{
	int i = 0;

	while (i < c->n && c->at[i].priority < priority)
		i++;
	if (i < c->n && c->at[i].priority == priority)
		return i;
	if (i == CURSOR_PRIORITIES)
		return -1;
	if (c->n == CURSOR_PRIORITIES)
		c->n--;
	memmove(&c->at[i + 1], &c->at[i], (size_t)(c->n - i) * sizeof(*c->at));
	c->n++;
	memset(&c->at[i], 0, sizeof(*c->at));
	c->at[i].priority = priority;
	c->at[i].run_us = INT64_MIN;
	return i;
}

void cursor_pass(struct cursor *c, int priority, int64_t run_us, const char *id)
{
	int i = place(c, priority);

	if (i < 0 || run_us < c->at[i].run_us || (run_us == c->at[i].run_us && strcmp(id, c->at[i].id) <= 0))
		return;
	c->at[i].run_us = run_us;
	snprintf(c->at[i].id, sizeof(c->at[i].id), "%s", id);
}

void cursor_back(struct cursor *c, int priority, int64_t run_us)
{
	for (int i = 0; i < c->n; i++) {
		if (c->at[i].priority != priority || c->at[i].run_us < run_us)
			continue;
		c->at[i].run_us = run_us - 1;
		memcpy(c->at[i].id, first_id, sizeof(first_id));
	}
}

void cursor_write(const struct cursor *c, struct buf *priorities, struct buf *run_us, struct buf *ids)
{
	for (int i = 0; i < c->n; i++) {
		const char between = i ? ',' : '{';

		buf_fmt(priorities, "%c%d", between, c->at[i].priority);
		buf_fmt(run_us, "%c%lld", between, (long long)c->at[i].run_us);
		buf_fmt(ids, "%c%s", between, c->at[i].id);
	}
	buf_text(priorities, c->n ? "}" : "{}");
	buf_text(run_us, c->n ? "}" : "{}");
	buf_text(ids, c->n ? "}" : "{}");
}
