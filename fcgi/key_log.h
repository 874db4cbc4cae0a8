/*
 * What keys of organizations are used for, for GET …/api-keys/{key_id}/usage.
 *
 * Each request that came with one is put into memory that the host's processes share,
 * and the housekeeper writes it into api_key_uses: so no request writes.  There is a
 * bound: when more come at once than the housekeeper writes, the others are counted
 * as lost, and said to be in the log.
 */
#ifndef ASHLAR_KEY_LOG_H
#define ASHLAR_KEY_LOG_H

#include <libpq-fe.h>
#include <stdbool.h>

struct req;

/* The answer is sent: note the request, if the key of an organization was good, also where it was not for
 * that. */
void key_log_note(const struct req *rq);

/* The housekeeper's: whether a quarter of the places is taken since it last wrote. */
bool key_log_is_filling(void);

/* The housekeeper's: write what there is.  What PostgreSQL does not take is lost, and logged. */
void key_log_flush(PGconn *conn);

#endif
