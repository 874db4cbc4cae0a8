/*
 * Where the content of stored objects is: how it gets there, how it is taken, and
 * how clients get it.
 *
 * A client sends content to a signed address, and gets it from one: no byte of it
 * passes through the api.  On this machine ("local") that is nginx, which writes
 * what it gets under STORAGE_ROOT/incoming, and serves STORAGE_ROOT/objects; both
 * ask the api first (handlers/content/storage.c).  An object's place is made of its
 * id, and of nothing that a client said.
 */
#ifndef ASHLAR_STORAGE_H
#define ASHLAR_STORAGE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/crypto/secret.h"

/* An object as its row has it. */
struct storage_object {
	const char *tenant_id;    /* uuid */
	const char *id;           /* uuid */
	const char *backend;      /* "local" */
	const char *content_type; /* as declared */
	long long size;           /* as declared */
};

/* Where new objects go. */
const char *storage_backend(void);

/* The most bytes that an object may have. */
long long storage_max_bytes(void);

/* The address that content is PUT to, with its size and type, within so many seconds.  NULL without
 * JWT_SECRET.  The arena's. */
const char *storage_upload_url(struct arena *a, const struct storage_object *o, long ttl_s);

/* The address that content is got from, under a clean name.  NULL without JWT_SECRET.  The arena's. */
const char *storage_download_url(struct arena *a, const struct storage_object *o, const char *name,
				 long ttl_s);

/*
 * Look at content that has come, and put it where it stays.
 *
 * sha256  of the content
 *
 * ERR_OK, also where it was taken before.  ERR_CONFLICT: there is none yet; ERR_VALIDATION with
 * why->field "size" or "content_type": it is not what was declared, and was thrown away; ERR_UNAVAILABLE:
 * the place failed, why says it.
 */
enum err storage_take(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
		      struct failure *why);

/*
 * Keep content that is here already, in memory: as storage_take of such that
 * was uploaded, but that its size is n.
 */
enum err storage_put(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
		     unsigned char sha256[SECRET_BYTES], struct failure *why);

/* Remove content, also such as was not taken; what is not there is no error. */
enum err storage_remove(struct arena *a, const struct storage_object *o, struct failure *why);

/*
 * Every file under STORAGE_ROOT that did not change for grace_s seconds (nor its
 * name: the time is the inode's, which no client can set), whatever it is.
 *
 * id  of the object that it is named after; NULL: of none
 * is_incoming  it is where uploads come in, and not where objects stay
 *
 * fn returns false to end the walk; its strings are good until then.  ERR_OK; ERR_UNAVAILABLE: a directory
 * could not be read.
 */
struct storage_file {
	const char *path, *id;
	bool is_incoming;
};
enum err storage_walk(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
		      void *to, struct failure *why);

/*
 * Open content, to be read by this process: a descriptor that the caller closes.
 * -1: why has ERR_UNAVAILABLE, and what failed.
 */
int storage_open(struct arena *a, const struct storage_object *o, struct failure *why);

/* Is an object's content where it belongs?  False, and the log has it, where it is lost. */
bool storage_has(struct arena *a, const char *id);

/* Where nginx finds an object, for X-Accel-Redirect.  The arena's. */
const char *storage_internal(struct arena *a, const char *id);

/* What a local address says, once its token is ours and not expired. */
struct storage_ticket {
	const char *tenant_id;
	const char *id;
	const char *content_type;
	const char *disposition; /* of a download */
	long long size;          /* of an upload */
};

/* false: it is none of ours, expired, for the other way, or of another object.  Its strings are the arena's.
 */
bool storage_ticket(struct arena *a, const char *token, const char *id, bool is_upload,
		    struct storage_ticket *out);

#endif
