/*
 * Where the content of stored objects is: how it gets there, how it is taken, and
 * how clients get it.
 *
 * A client sends content to a signed address, and gets it from one: no byte of it
 * passes through the api.  On this machine ("local") that is nginx, which writes
 * what it gets under STORAGE_ROOT/incoming, and serves STORAGE_ROOT/objects; both
 * ask the api first (handlers/content/storage.c).  In a bucket ("s3", with S3_BUCKET) it is the
 * bucket's server, which verifies the signature by itself.  An object's place is made of its
 * id, and of nothing that a client said; which backend has it is in its row, so those that are here
 * stay here when a bucket is set.
 *
 * Signing asks nobody; all else about an object in a bucket waits for its server, so a row that
 * does it is SLOW, or .slow_if = &cfg.s3_bucket.
 */
#ifndef ASHLAR_STORAGE_H
#define ASHLAR_STORAGE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/crypto/secret.h"
#include "providers/storage_backend.h"

/* Where new objects go. */
const char *storage_backend(void);

/* The most bytes that an object may have. */
long long storage_max_bytes(void);

/* The address that content is PUT to, with its size and type, within so many seconds.  NULL: it cannot be
 * signed, without JWT_SECRET on this machine.  The arena's. */
const char *storage_upload_url(struct arena *a, const struct storage_object *o, long ttl_s);

/* What x-amz-checksum-sha256 has to be with it; NULL: nothing, since none was declared, or it is looked at
 * here. The arena's. */
const char *storage_upload_checksum(struct arena *a, const struct storage_object *o);

/*
 * A large object can come to a bucket in parts, each to an address of its own, any
 * number of them at once, and again where one fails.
 */

/* May it?  It is to come to a bucket, and has more than 100 MiB. */
bool storage_in_parts(const struct storage_object *o);

/* How many bytes each part has but the last one, and how many there are. */
long long storage_part_size(const struct storage_object *o);
int storage_part_count(const struct storage_object *o);

/*
 * Which parts have come: has[number - 1] of storage_part_count().
 *
 * *upload_id  of a new upload, to be kept; NULL: the object's own goes on
 *
 * ERR_OK; else as storage_take.
 */
enum err storage_parts(struct arena *a, const struct storage_object *o, bool *has, const char **upload_id,
		       struct failure *why);

/* The address that one is PUT to.  The arena's. */
const char *storage_part_url(struct arena *a, const struct storage_object *o, int number, long ttl_s);

/* The address that content is got from, under a clean name.  NULL without JWT_SECRET.  The arena's. */
const char *storage_download_url(struct arena *a, const struct storage_object *o, const char *name,
				 long ttl_s);

/*
 * Look at content that has come, and put it where it stays.
 *
 * sha256  of the content
 *
 * ERR_OK, also where it was taken before.  ERR_CONFLICT: there is none yet, or not all of its parts;
 * ERR_VALIDATION with why->field "size", "content_type" or "sha256": it is not what was declared, and was
 * thrown away; ERR_UNAVAILABLE, or ERR_EXTERNAL of a bucket: the place failed, why says it.
 */
enum err storage_take(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
		      struct failure *why);

/*
 * Keep content that is here already, in memory: as storage_take of such that
 * was uploaded, but that its size is n.
 */
enum err storage_put(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
		     unsigned char sha256[SECRET_BYTES], struct failure *why);

/* storage_put of a file that is open, from its beginning, o->size bytes of it: none of it is held in memory.
 * To a bucket it is one request, which servers take up to 5 GiB of. */
enum err storage_put_file(struct arena *a, const struct storage_object *o, int fd,
			  unsigned char sha256[SECRET_BYTES], struct failure *why);

/* Remove content, also such as was not taken; what is not there is no error. */
enum err storage_remove(struct arena *a, const struct storage_object *o, struct failure *why);

/* The backends that there are here, "local" and, with S3_BUCKET, "s3": the i-th one, or NULL behind the last.
 */
const char *storage_backend_at(int i);

/* Where that one is, for people: a directory, or a bucket.  Borrowed. */
const char *storage_where(const char *backend);

/*
 * Every file of a backend that did not change for grace_s seconds, whatever it is.
 *
 * fn returns false to end the walk; its strings are good until then.  ERR_OK; ERR_UNAVAILABLE, ERR_EXTERNAL:
 * it could not be read.
 */
enum err storage_walk(struct arena *a, const char *backend, long grace_s,
		      bool (*fn)(void *to, const struct storage_file *f), void *to, struct failure *why);

/* Remove such a file; one that is not there is no error. */
enum err storage_discard(struct arena *a, const char *backend, const struct storage_file *f,
			 struct failure *why);

/*
 * Which of these objects, which are where they stay, are there?  has[i] of n ids in their order.
 * ERR_OK; else as storage_walk.
 */
enum err storage_find(struct arena *a, const char *backend, const char *const *ids, int n, bool *has,
		      struct failure *why);

/*
 * Open content, to be read by this process: a descriptor that the caller closes.  What is in a bucket is
 * copied into memory first, at most STORAGE_OPEN_BYTES of it. -1: why has ERR_UNAVAILABLE or ERR_EXTERNAL,
 * and what failed.
 */
int storage_open(struct arena *a, const struct storage_object *o, struct failure *why);

/* Is an object's content where it belongs?  False, and the log has it, where it is lost.  Of one in a bucket
 * nobody is asked, and it is true. */
bool storage_has(struct arena *a, const struct storage_object *o);

/* Is it on this machine, where nginx sends it?  Else a client is sent to storage_download_url. */
bool storage_is_local(const struct storage_object *o);

/* Where nginx finds an object of this machine, for X-Accel-Redirect.  The arena's. */
const char *storage_internal(struct arena *a, const char *id);

/*
 * An upload to this machine that comes piece by piece (tus), by an address that is
 * asked and sent to until it expires.
 */

/* The address.  NULL without JWT_SECRET.  The arena's. */
const char *storage_resume_url(struct arena *a, const struct storage_object *o, long ttl_s);

/* How many bytes of it are there; o->size: all, and it can be taken. */
long long storage_arrived(struct arena *a, const struct storage_object *o);

/*
 * Append n bytes of a file, from its beginning, to the offset bytes that are there.
 *
 * ERR_OK.  ERR_CONFLICT: so many are not there, or somebody else is just appending; ERR_VALIDATION: they are
 * more than was declared; ERR_UNAVAILABLE: the disk failed, and what was written of it stays.
 */
enum err storage_append(struct arena *a, const struct storage_object *o, long long offset, int fd,
			long long n, struct failure *why);

/* What a local address says, once its token is ours and not expired. */
struct storage_ticket {
	const char *tenant_id;
	const char *id;
	const char *content_type;
	const char *disposition; /* of a download */
	long long size;          /* of an upload */
};

enum storage_way { STORAGE_DOWNLOAD, STORAGE_UPLOAD, STORAGE_RESUME };

/* false: it is none of ours, expired, for another way, or of another object.  Its strings are the arena's.
 */
bool storage_ticket(struct arena *a, const char *token, const char *id, enum storage_way way,
		    struct storage_ticket *out);

#endif
