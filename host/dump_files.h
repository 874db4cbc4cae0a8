/*
 * The directory of dumps (BACKUP_DIR), and the log of what copies them elsewhere.
 */
#ifndef HOST_DUMP_FILES_H
#define HOST_DUMP_FILES_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct json_object;

/* Verbs (host_verbs.h): backups.files, the dumps that are whole, the newest first, and sums over all of them,
 */
const char *dump_files_list(struct arena *a, struct json_object *asked, struct buf *out);

/* and backups.log, the last lines of offsite_backup.log in LOG_DIR. */
const char *dump_files_log(struct arena *a, struct json_object *asked, struct buf *out);

#endif
