/* What a worker's master has claimed. */
#include "worker/claimed.h"
#include "worker/kinds.h"
#include "worker/wire.h"

#include "t/unit/tap.h"

#define ONE "00000000-0000-7000-8000-000000000001"
#define TWO "00000000-0000-7000-8000-000000000002"

static struct job job(const char *kind, const char *tenant, const char *payload)
{
	return (struct job){ .id = "01a1fe6c-c097-7f74-988a-a6c6594ea6cf",
			     .tenant_id = tenant,
			     .queue = "ashlar",
			     .kind = kind,
			     .payload = payload,
			     .attempt = 1,
			     .max_attempts = 10,
			     .timeout_s = 300 };
}

static void add(int queue, const char *kind, const char *tenant, const char *payload)
{
	const struct job j = job(kind, tenant, payload);

	claimed_add(queue, "w", &j);
}

static int count(void)
{
	int n = 0;

	for (const struct portion_of_work *p = claimed_first; p; p = p->next)
		n++;
	return n;
}

static void empty(void)
{
	while (claimed_first)
		claimed_remove(claimed_first);
}

static void test_one_by_one(void)
{
	struct portion_of_work *first, *second;

	add(0, "noop", ONE, "{}");
	add(1, "noop", ONE, "{}");
	claimed_seal();
	is_int(count(), 2, "each job of a usual kind is a portion");
	first = claimed_unsent();
	second = first->next;
	ok(first->number != second->number, "with a number of its own");
	ok(claimed_find(first->number) == first && claimed_find(second->number) == second,
	   "by which it is found");
	ok(!claimed_find(9999), "others are not");
	claimed_mark_sent(first);
	ok(claimed_unsent() == second, "the next to be sent");
	is_int((long)claimed_sent, 1, "sent ones are counted");
	is_int((long)claimed_of_queue(1), 1, "and queues");
	claimed_remove(first);
	is_int((long)claimed_sent, 0, "until they have ended");
	ok(claimed_first == second, "the others stay");
	claimed_remove(second);
	ok(!claimed_first && !claimed_unsent() && !claimed_jobs, "nothing is left");
}

static void test_many_at_once(void)
{
	int max = kinds_find("noop.batch")->max_batch;

	for (int i = 0; i < max + 1; i++)
		add(0, "noop.batch", ONE, "{}");
	add(0, "noop.batch", TWO, "{}");
	add(0, "noop", ONE, "{}");
	add(0, "noop.batch", TWO, "{}");
	claimed_seal();
	is_int(count(), 4, "one full, one begun, one of another tenant, one of another kind");
	is_int((long)claimed_first->njobs, max, "as many as its kind takes");
	is_int((long)claimed_jobs, max + 4, "all of them");
	add(0, "noop.batch", TWO, "{}");
	is_int(count(), 5, "what comes later is not added to what may have been sent");
	claimed_seal();
	empty();
}

static void test_long_payloads(void)
{
	char *text = malloc(200000);

	memset(text, ' ', 199999);
	text[199999] = '\0';
	add(0, "noop", ONE, text);
	ok(claimed_first->size < 2000, "one that is too long for the way is not taken along");
	empty();
	text[60000] = '\0';
	add(0, "noop.batch", ONE, text);
	add(0, "noop.batch", ONE, text);
	is_int(count(), 2, "nor are two that are so together");
	ok(claimed_first->size <= WIRE_PORTION_BYTES, "what goes fits");
	claimed_seal();
	empty();
	free(text);
}

int main(void)
{
	test_one_by_one();
	test_many_at_once();
	test_long_payloads();
	return done_testing();
}
