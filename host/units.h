/*
 * The service manager, by its bus: starting and stopping units that are there.
 */
#ifndef HOST_UNITS_H
#define HOST_UNITS_H

#include "lib/base/arena.h"

/*
 * verb  "StartUnit" or "StopUnit"
 * unit  whole, with its suffix
 *
 * NULL: the job is queued, or there was nothing to stop; else why not.  With SERVICE_MANAGER=none nobody is
 * asked.
 */
const char *units_call(struct arena *a, const char *verb, const char *unit);

#endif
