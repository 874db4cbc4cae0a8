/* What is told at most once a second: however many came, the first and the last. */
#include "realtime/fold.h"

#include <stdio.h>

#include "t/unit/tap.h"

static int told;
static char last[3][256];

static void tell(const char *tenant_id, const struct published *row)
{
	told++;
	snprintf(last[0], sizeof(last[0]), "%s %s", tenant_id, row->channel);
	snprintf(last[1], sizeof(last[1]), "%s", row->payload);
	snprintf(last[2], sizeof(last[2]), "%s %s %lld", row->kind, row->event, (long long)row->id);
}

static bool take(const char *tenant, const char *channel, int n)
{
	char payload[128];

	snprintf(payload, sizeof(payload), "{\"workspace_id\": \"w\", \"n\": %d}", n);
	return fold_take(tenant, &(struct published){ .id = 7,
						      .kind = "event",
						      .channel = channel,
						      .payload = payload,
						      .event = "workspace_event",
						      .created_at = "T" });
}

int main(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	fold_open(loop, tell);
	ok(!take("t", "workspace:w", 0) && !take("t", "record:w", 0), "what is no such message is left");
	is_int(told, 0, "and not told");
	ok(take("t", "records:a", 1), "a recordset's is taken");
	is_int(told, 1, "the first is told at once");
	is_str(last[0], "t workspace:w", "to its workspace");
	is_str(last[2], "event workspace_event 0", "without a place on its channel");
	for (int i = 2; i <= 100; i++)
		take("t", "records:a", i);
	is_int(told, 1, "those behind it are not, within its second");
	take("t", "records:b", 1);
	take("u", "records:a", 1);
	is_int(told, 3, "another recordset, or tenant, is another one");
	while (told < 4 && ev_run(loop, EVRUN_ONCE))
		;
	is_str(last[1], "{\"workspace_id\": \"w\", \"n\": 100}", "when it is over, the last one is told");
	is_str(last[0], "t workspace:w", "to the same");
	take("t", "records:a", 101);
	is_int(told, 4, "which begins another second");
	while (ev_run(loop, EVRUN_ONCE))
		;
	is_int(told, 5, "behind which there is nothing left to do");
	is_str(last[1], "{\"workspace_id\": \"w\", \"n\": 101}", "and all was told");
	take("t", "records:a", 102);
	is_int(told, 6, "then the next is a first one again");
	take("t", "records:c", 1);
	take("t", "records:c", 2);
	ok(fold_take("t", &(struct published){ .channel = "records:d", .payload = "x", .created_at = "T" }),
	   "what cannot be read is told to nobody");
	is_int(told, 7, "  nor is it a reason to stop");
	fold_close();
	ev_loop_destroy(loop);
	return done_testing();
}
