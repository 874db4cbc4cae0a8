/*
 * Reading the outbox: which messages have been committed since the last look.
 *
 * Ids are drawn when messages are written, and messages appear when their
 * transactions commit: a higher id may be there first.  What this guarantees,
 * whatever the order of commits, roll-backs and stalls:
 *  - each committed message comes once;
 *  - on a channel they come in the order of their ids, which is that of commits;
 *  - a transaction that is held open delays its own messages only;
 *  - if messages may have gone before they were read (this process, or its way
 *    to PostgreSQL, stood still for minutes), that is told (TAIL_LOST), and
 *    never passed over.
 *
 * How: a publisher has a transaction number before it draws an id.  When
 * the id "hi" is read, a lower one that is missing can therefore only belong to
 * a transaction that had a number by then and had not ended, which PostgreSQL's
 * snapshot of that look tells (pg_current_snapshot).  The next look asks for
 * everything above hi, and for the messages of transactions that have ended
 * since that snapshot.  So the state is one number and one snapshot, however
 * many ids are missing and for however long; a list of the missing ids would
 * grow with every roll-back for as long as any session keeps a transaction open.
 *
 * A state machine without input or output: the caller sends the query
 * realtime_tail with the parameters of tail_ask(), one at a time, and gives the
 * result to tail_read().  When to look is the caller's affair: after a
 * notification, again at once on TAIL_MORE, and every second in any case (a
 * process that did not look for nine seconds may have lost something).
 */
#ifndef ASHLAR_TAIL_H
#define ASHLAR_TAIL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TAIL_BATCH = 256,    /* late messages, and new ones, that one look brings at most */
	TAIL_STALE_MS = 9000 /* without a look for so long, late messages may have gone: realtime_rotate()
				leaves them for ten seconds */
};

enum tail_next {
	TAIL_WAIT, /* that is all there is */
	TAIL_MORE, /* look again at once */
	TAIL_LOST, /* messages may have gone unread.  It has begun anew with this look, which delivered
		      nothing: now ask for each subscription what it missed (realtime_subscribe with its last
		      id); that is exact. */
};

struct tail {
	bool is_started, is_draining, is_lost;
	int64_t hi;   /* read up to here, but for what had not ended in "since" */
	char *since;  /* a snapshot: the last look's */
	char *next;   /* the one of the look that is being read; while draining, the one that is drained up to
		       */
	size_t cap;   /* bytes of each */
	int64_t late; /* while draining: late messages read up to here */
	int64_t since_ms, next_ms; /* when they were taken, by PostgreSQL's clock */
	int64_t purges;
	uint32_t timeline;  /* of PostgreSQL; another one after a failover */
	int64_t last_id;    /* of the rows of this look */
	size_t nlate, nnew; /* and how many they were */
	char hi_text[24], late_text[24];
};

/* What a look says beside messages: the first row and the last one. */
struct tail_look {
	const char *snapshot; /* "00000001/100:105:100,102": the timeline, and pg_current_snapshot() */
	int64_t start;        /* of the first look: the id to begin at */
	int64_t from_ms;      /* before it began */
	int64_t to_ms;        /* when its messages had been read */
	int64_t purges, purged_id;
};

/* A message; its strings are the result's. */
struct message {
	int64_t id;
	const char *tenant;  /* uuid */
	const char *channel; /* "project:018f3c1e-…" */
	const char *kind;    /* "message", "notification", "event", "presence" */
	const char *payload; /* JSON */
	size_t payload_len;
	const char *sender; /* public id of a user; NULL: the server */
	const char *event;  /* name of an event, or NULL */
	const char *at;     /* RFC 3339 */
	bool is_last;       /* the stream ends with it */
};

/* Nothing has been read, and the first look begins with what is committed after it. */
void tail_init(struct tail *t);
void tail_release(struct tail *t);

enum { TAIL_PARAMS = 5 };

/* The parameters of the next look in the query's order (hi, since, upto, late, max); the texts are the
 * tail's. */
void tail_ask(struct tail *t, const char *values[TAIL_PARAMS]);

/*
 * Read the answer of a look: each message that is due goes to deliver(), in
 * the order of ids.  The result is in text form, and stays the caller's.
 */
enum tail_next tail_read(struct tail *t, const PGresult *res,
			 void (*deliver)(void *ctx, const struct message *m), void *ctx);

/*
 * The same step by step, which is what tail_read() does.  When tail_begin() is
 * false there is nothing to take, and *next says how to go on; else
 * tail_take() for each message's id (deliver it?), then tail_end().
 */
bool tail_begin(struct tail *t, const struct tail_look *look, enum tail_next *next);
bool tail_take(struct tail *t, int64_t id);
enum tail_next tail_end(struct tail *t);

#endif
