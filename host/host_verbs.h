/*
 * What can be asked of ashlar host: the whole list.
 */
#ifndef HOST_HOST_VERBS_H
#define HOST_HOST_VERBS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct json_object;

struct host_verb {
	const char *name;

	/* Write the answer, a JSON object on one line; or say why there is none, and what was written does
	 * not count. */
	const char *(*run)(struct arena *a, struct json_object *asked, struct buf *out);
};

/* NULL: there is none of that name. */
const struct host_verb *host_verbs_find(const char *name);

#endif
