#include "lib/db/wake.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/host/shm.h"

/* The bits that are set, and the futex that the notifier waits on. */
SHM_REGION(wake_marks, _Atomic uint32_t, 1)

static const struct {
	unsigned bit;
	const char *message, *channel;
} wakes[] = {
	{ WAKE_JOBS, "jobs", "ashlar_jobs" },
	{ WAKE_DELIVERIES, "deliveries", "ashlar_deliveries" },
	{ WAKE_REALTIME, "realtime", "ashlar_realtime" },
};

enum { WAKES = sizeof(wakes) / sizeof(*wakes) };

unsigned wake_bit(const char *message)
{
	for (int i = 0; message && i < WAKES; i++)
		if (!strcmp(message, wakes[i].message))
			return wakes[i].bit;
	return 0;
}

/* The word is in a mapped file, so the futex is not private to this process. */
static void futex(int op, unsigned value)
{
	syscall(SYS_futex, wake_marks(), op, value, NULL, NULL, 0);
}

void wake_mark(unsigned bits)
{
	if (!bits || !wake_marks())
		return;
	/* Who finds them set leaves the waking to who set them. */
	if ((atomic_fetch_or(wake_marks(), bits) & bits) != bits)
		futex(FUTEX_WAKE, 1);
}

unsigned wake_take(void)
{
	unsigned bits;

	while (!(bits = atomic_exchange(wake_marks(), 0)))
		futex(FUTEX_WAIT, 0);
	return bits;
}

const char *wake_channel(unsigned bit)
{
	for (int i = 0; i < WAKES; i++)
		if (bit == wakes[i].bit)
			return wakes[i].channel;
	return NULL;
}
