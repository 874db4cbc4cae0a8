/*
 * How many requests each caller has made: counted in memory that the host's
 * processes share, and written by the housekeeper every few seconds.
 *
 * A request pays for a hash and an atomic add.  The database resolves who it was
 * (usage_count() in sql/functions/usage/usage_counts.sql), so a place holds what the
 * credentials say: the tenant or the API key, issuer and subject, the organization.
 * What was counted and not yet written goes with a crash of the host, of the
 * housekeeper at that moment, or with another layout of the memory; over a restart
 * it stays.
 *
 * Places are few, and a tenant's are a part of them: one that has more callers than
 * fit in a few seconds is counted as a whole from there on, and takes none of the
 * others'.
 */
#ifndef ASHLAR_USAGE_COUNT_H
#define ASHLAR_USAGE_COUNT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct req;

enum { USAGE_COUNT_FLUSH_S = 4 };

/* Who: each an empty text where it is not known, or does not apply. */
struct usage_who {
	char tenant[37];       /* uuid */
	char key[67];          /* SHA-256 of the API key that alone tells the tenant, as PostgreSQL's bytea */
	char organization[37]; /* uuid; "*": the user's default one */
	char issuer[96];       /* "ashlar" for our own tokens */
	char subject[128];
};

/* The answer is sent: count the request, if its caller was let in. */
void usage_count_note(const struct req *rq);

/*
 * Count n requests.  False: there was no place, not even for the tenant as a
 * whole, which usage_count_lost() tells of.
 */
bool usage_count_add(const struct usage_who *who, uint64_t n);

/*
 * Take what was counted, out of all places; each is called with what one has.
 * Those that had nothing since the last time become free.  By one process alone.
 */
void usage_count_take(void (*each)(void *to, const struct usage_who *who, uint64_t n), void *to);

/* How many requests found no place, since the last time this was asked. */
uint64_t usage_count_lost(void);

/* Write what was counted: by the housekeeper.  What could not be written is counted again. */
void usage_count_flush(PGconn *conn);

#endif
