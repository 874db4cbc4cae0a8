/*
 * The traffic of each tenant's product: how many requests, how they ended, and how
 * long they took.  Counted in memory that the host's processes share, and added to
 * the hour's row (request_hours) by the housekeeper every few seconds; what a
 * crash takes is at most that.
 *
 * Beside usage_count, which says who and is billed by: this is of all that came
 * with a tenant's credentials, refused ones too, and what the tenant's team asks
 * for itself is none of it.
 *
 * Places are few.  Of more tenants at once than there are, some are not counted,
 * which is logged.
 */
#ifndef ASHLAR_TRAFFIC_H
#define ASHLAR_TRAFFIC_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct req;

enum { TRAFFIC_TOOK = 13 /* parts of the histogram; the last has no bound */ };

/* Whose: the tenant, or the API key that alone tells it. */
struct traffic_who {
	char tenant[37]; /* uuid */
	char key[67];    /* SHA-256 of the API key, as PostgreSQL's bytea */
};

struct traffic {
	uint64_t requests, client_errors, server_errors, us;
	uint64_t took[TRAFFIC_TOOK]; /* requests that took up to 1, 2.5, 5, 10, … 10,000 ms, and longer */
};

/* The answer is sent: count the request, if it was of a tenant's product. */
void traffic_note(const struct req *rq);

/* Add to what a tenant has.  False: there is no place for it. */
bool traffic_add(const struct traffic_who *who, const struct traffic *more);

/* One request of it, of this status and duration. */
struct traffic traffic_of(int status, int64_t ns);

/*
 * Take what was counted, out of all places; each is called with what one tenant
 * has.  A place without anything since the last time is retired, and free the
 * time after: whoever was about to add to it then has done so.  By one process alone.
 */
void traffic_take(void (*each)(void *to, const struct traffic_who *who, const struct traffic *sum), void *to);

/* The housekeeper's: write what was counted.  What could not be written is counted again. */
void traffic_flush(PGconn *conn);

#endif
