/*
 * The directory of logs (LOG_DIR): which files there are, and what stands at their ends.
 */
#ifndef HOST_LOG_FILES_H
#define HOST_LOG_FILES_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct json_object;

/* Verbs (host_verbs.h): logs.files, */
const char *log_files_list(struct arena *a, struct json_object *asked, struct buf *out);

/* and logs.read, with limit, agent, level and q. */
const char *log_files_read(struct arena *a, struct json_object *asked, struct buf *out);

#endif
