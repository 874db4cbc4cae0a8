/*
 * Waking the processes that wait for rows: workers, deliverers, the realtime server.
 *
 * A transaction that adds such rows must not call NOTIFY, whose lock all
 * commits would wait for.  Instead a trigger raises a notice of SQLSTATE AS900
 * whose message names what there is (sql: wake()); db.c collects it, and when
 * the commit has succeeded marks it here, in memory shared by the host.  One
 * process of the host, the notifier, passes marks on: at most one NOTIFY of a
 * kind every two milliseconds.  A listener polls slowly besides, so a mark
 * that gets lost with a host costs a second and nothing else.
 */
#ifndef ASHLAR_WAKE_H
#define ASHLAR_WAKE_H

/* Bits of what there is, the notice's text, and the channel to LISTEN to. */
enum {
	WAKE_JOBS = 1 << 0,       /* "jobs": ashlar_jobs */
	WAKE_DELIVERIES = 1 << 1, /* "deliveries": ashlar_deliveries */
	WAKE_REALTIME = 1 << 2,   /* "realtime": ashlar_realtime */
};

/* The bit that a notice's message names; 0: none. */
unsigned wake_bit(const char *message);

/* Mark: rows were committed.  Needs shm; without it nothing happens. */
void wake_mark(unsigned bits);

/* For the notifier: what is marked, and is no more then; waits until something is. */
unsigned wake_take(void);

/* The channel of a bit; NULL: it has none. */
const char *wake_channel(unsigned bit);

#endif
