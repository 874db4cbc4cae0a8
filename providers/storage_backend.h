/*
 * A place for content: what storage.h has of such, of the objects that are there.
 */
#ifndef ASHLAR_STORAGE_BACKEND_H
#define ASHLAR_STORAGE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/crypto/secret.h"

/* An object as its row has it. */
struct storage_object {
	const char *tenant_id;    /* uuid */
	const char *id;           /* uuid */
	const char *backend;      /* "local", "s3" */
	const char *content_type; /* as declared */
	long long size;           /* as declared */
	const char *sha256;       /* as declared, a bytea; NULL: it was not */
	const char *upload_id;    /* of one that comes in parts; NULL: it does not */
};

/*
 * A file, or an object of a bucket, whatever it is.
 *
 * path  a file, or a key
 * id    of the object that it is named after; NULL: of none
 * upload_id    an upload in parts that has not ended; NULL: it is a file
 * is_incoming  it is where uploads come in, and not where objects stay
 */
struct storage_file {
	const char *path, *id, *upload_id;
	bool is_incoming;
};

enum { STORAGE_OPEN_BYTES = 128 << 20 };

struct storage_backend {
	const char *name;
	enum err (*take)(struct arena *a, const struct storage_object *o, unsigned char sha256[SECRET_BYTES],
			 struct failure *why);
	/* Of what was looked at: it is what was declared, and that is its SHA-256. */
	enum err (*put)(struct arena *a, const struct storage_object *o, const char *bytes, size_t n,
			const unsigned char sha256[SECRET_BYTES], struct failure *why);
	enum err (*put_file)(struct arena *a, const struct storage_object *o, int fd,
			     const unsigned char sha256[SECRET_BYTES], struct failure *why);
	enum err (*remove)(struct arena *a, const struct storage_object *o, struct failure *why);
	int (*open)(struct arena *a, const struct storage_object *o, struct failure *why);
	/* On this machine a file's age is its inode's, which no client can set. */
	enum err (*walk)(struct arena *a, long grace_s, bool (*fn)(void *to, const struct storage_file *f),
			 void *to, struct failure *why);
	enum err (*discard)(struct arena *a, const struct storage_file *f, struct failure *why);
	enum err (*find)(struct arena *a, const char *const *ids, int n, bool *has, struct failure *why);
};

/* Is content what was declared, by its size, or by its first bytes and its SHA-256?  ERR_OK; ERR_VALIDATION,
 * with the field. */
enum err storage_backend_judge_size(struct arena *a, const struct storage_object *o, long long size,
				    struct failure *why);
enum err storage_backend_judge(struct arena *a, const struct storage_object *o, const char *head,
			       size_t nhead, const unsigned char sha256[SECRET_BYTES], struct failure *why);

#endif
