/*
 * Schemas of recordsets that this process has read, so that a write need not ask for them first.
 *
 * One that is found here may be old, and may be another's to see: it says what a write is prepared by, and
 * nothing else.  The write carries its version, asks for every right itself, and refuses (and the request
 * is run again, with the schema read anew) where another version holds by then; and what does not fit a
 * schema from here is looked at again with the one that holds, by who may see it.
 *
 * There is room for RECORD_CACHE_SCHEMAS of up to RECORD_CACHE_TEXT bytes, of which one tenant can have a
 * quarter; the one that was not asked for for longest makes room.
 */
#ifndef HANDLERS_RECORD_CACHE_H
#define HANDLERS_RECORD_CACHE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct query;
struct req;

enum {
	RECORD_CACHE_SCHEMAS = 64,
	RECORD_CACHE_SHARE = 16,
	RECORD_CACHE_TEXT = 8192,
	RECORD_CACHE_RECORDS = 4096
};

struct record_cached {
	const char *recordset; /* uuid */
	const char *fields;    /* as recordsets.fields has them; of what is found here, the arena's */
	int version;
	bool is_strict;
};

/* A write whose values a schema decides about. */
struct record_write {
	const char *recordset, *record; /* uuids, of which one is NULL: into which one, or which one */
	/* The schema, as who may write sees it: columns _recordset, _fields, _version and _is_strict. */
	const struct query *read;
	const struct query *write;
	const char *column; /* of the write's first child, a row of the record: the recordset's, beside id */
	/* Check what was sent, and bind it; it may be called twice, with other schemas. */
	enum err (*prepare)(struct req *rq, const struct record_cached *schema);
	/* Run the write and its child, and write the answer. */
	enum err (*answer)(struct req *rq, const struct query *write);
	enum err (*missing)(struct req *rq); /* record that there is none */
};

/*
 * Write: in one round trip, where the schema is known here and what was sent fits it.  What does not fit is
 * looked at again by the schema that holds, if the caller may see it.
 *
 * ERR_OK and the answer is written, or what one of its functions has recorded.  Where the schema has moved
 * the transaction fails so that the runtime runs the request again, and it is not known here any more.
 */
enum err record_cache_write(struct req *rq, const struct record_write *w);

/*
 * The room itself.  share is whose share of it it is: the tenant, or what tells it from others.  find has the
 * arena's copy; put keeps one of its own, unless it is too long; note keeps for ever whose record it is (both
 * of 16 bytes), and of is by that.
 */
bool record_cache_find(struct arena *a, const char *share, const char *recordset, struct record_cached *out);
bool record_cache_of(struct arena *a, const char *share, const char *record, struct record_cached *out);
void record_cache_put(const char *share, const struct record_cached *c);
void record_cache_drop(const char *share, const char *recordset);
void record_cache_note(const void *record, const void *recordset);

#endif
