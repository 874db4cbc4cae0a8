/*
 * What the rows that ask for health have in common.
 */
#ifndef HANDLERS_OPS_PROBE_H
#define HANDLERS_OPS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct req;

enum { PROBE_TIMEOUT_MS = 2000 };

/*
 * A trivial query under row-level security; what goes wrong is in the log, not in
 * the answer's place.
 *
 * took_ns  how long it took, or NULL
 */
bool probe_database(struct req *rq, int64_t *took_ns);

#endif
