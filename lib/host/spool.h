/*
 * Files without a name, for what is too large for memory: beside where stored content stays
 * (STORAGE_ROOT/objects), since that is a disk with room, and /tmp may be memory.
 */
#ifndef ASHLAR_SPOOL_H
#define ASHLAR_SPOOL_H

#include "lib/base/arena.h"

/*
 * A new one, empty, to be read and written: a descriptor that the caller closes, with which it is gone.
 * -1: errno says why.  Network file systems have none without a name from the start: there it loses its name
 * at once.
 */
int spool_open(struct arena *a);

/* Where they are: for libraries that make such files themselves.  The arena's. */
const char *spool_place(struct arena *a);

#endif
