/*
 * Amazon's S3, or a server that speaks as it does: objects of one bucket (S3_BUCKET).
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 *
 * Every call is a signed address (lib/crypto/sigv4.h) that is asked at once: so there
 * is one way of signing, for us and for clients.  A call has a time by what it
 * moves, and all of them share a circuit breaker.
 *
 * They answer ERR_OK; ERR_NOT_FOUND: there is no such object or upload; ERR_PRECONDITION: it is not the one
 * of that ETag; ERR_EXTERNAL: the server failed, refused, or did not answer in time;
 * ERR_UNAVAILABLE: no bucket is configured, or it is not asked at present.  Of the last two, and of no other,
 * why has what the log is told.  Strings are the arena's, or borrowed.
 */
#ifndef ASHLAR_S3_H
#define ASHLAR_S3_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/sigv4.h"

/* Is there a bucket? */
bool s3_is_configured(void);

/*
 * The address under which anybody may do this with an object for so long.
 *
 * query, headers  as in struct sigv4_request; NULL: none
 *
 * Nobody is asked.  The arena's.
 */
char *s3_sign(struct arena *a, const char *method, const char *key, const struct sigv4_pair *query,
	      const struct sigv4_pair *headers, long ttl_s);

/* SHA-256 as x-amz-checksum-sha256 has it.  The arena's. */
char *s3_checksum(struct arena *a, const unsigned char sha256[SECRET_BYTES]);

struct s3_object {
	long long size;
	const char *etag;
	bool has_sha256; /* the server has computed it, over the whole */
	unsigned char sha256[SECRET_BYTES];
};
enum err s3_head(struct arena *a, const char *key, struct s3_object *out, struct failure *why);

/*
 * Read an object, or the first bytes of it, piece by piece.
 *
 * etag   that it must have
 * bytes  how many it has, or are wanted of the first
 * take   false: the rest is not wanted, which is no error
 */
enum err s3_read(struct arena *a, const char *key, const char *etag, long long bytes, bool is_whole,
		 bool (*take)(void *to, const char *p, size_t n), void *to, struct failure *why);

/* Write n bytes, of which that is the SHA-256; the server compares it. */
enum err s3_put(struct arena *a, const char *key, const char *content_type,
		const unsigned char sha256[SECRET_BYTES], const char *bytes, size_t n, struct failure *why);

/* The same of a file that is open, from its beginning: it is sent piece by piece. */
enum err s3_put_file(struct arena *a, const char *key, const char *content_type,
		     const unsigned char sha256[SECRET_BYTES], int fd, size_t n, struct failure *why);

/* Copy within the bucket what has that ETag, so many bytes. */
enum err s3_copy(struct arena *a, const char *from, const char *to, const char *etag, long long bytes,
		 struct failure *why);

/* Delete; what is not there is no error. */
enum err s3_delete(struct arena *a, const char *key, struct failure *why);

/*
 * Keys in their order, all behind one, page by page.
 *
 * prefix  that they begin with
 * after   a key, which need not be there; NULL: from the first one on
 * fn      is given each with the time of its last change; false ends it, which is no error
 */
enum err s3_list(struct arena *a, const char *prefix, const char *after,
		 bool (*fn)(void *to, const char *key, time_t changed_at), void *to, struct failure *why);

/* An upload in parts. */

enum { S3_MAX_PARTS = 10000 };

struct s3_part {
	int number; /* from 1 */
	long long size;
	const char *etag;
};

/* Begin one; *upload_id names it from then on. */
enum err s3_parts_begin(struct arena *a, const char *key, const char *content_type, const char **upload_id,
			struct failure *why);

/* Those that have come, by number; parts has room for S3_MAX_PARTS. */
enum err s3_parts_list(struct arena *a, const char *key, const char *upload_id, struct s3_part *parts,
		       int *nparts, struct failure *why);

/* Make an object of these, so many bytes, and end the upload. */
enum err s3_parts_complete(struct arena *a, const char *key, const char *upload_id,
			   const struct s3_part *parts, int nparts, long long bytes, struct failure *why);

/* Throw an upload away; one that is not there is no error. */
enum err s3_parts_abort(struct arena *a, const char *key, const char *upload_id, struct failure *why);

/* Uploads that have begun and not ended, as s3_list. */
enum err s3_parts_uploads(struct arena *a, const char *prefix,
			  bool (*fn)(void *to, const char *key, const char *upload_id, time_t begun_at),
			  void *to, struct failure *why);

#endif
