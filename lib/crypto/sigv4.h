/*
 * Addresses that are signed as Amazon's servers, and those that speak as they do,
 * verify them: AWS Signature Version 4 in the query string.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 *
 * Nobody is asked: whoever has the address may do what it says, with what it
 * says, until it expires.  A header that is signed has to be sent with just that
 * value, or the server refuses the request.
 */
#ifndef ASHLAR_SIGV4_H
#define ASHLAR_SIGV4_H

#include <time.h>

#include "lib/base/arena.h"

enum {
	SIGV4_MAX_PAIRS = 16,        /* of a query, and of headers */
	SIGV4_MAX_TTL_S = 7 * 86400, /* longer is refused by the servers */
};

struct sigv4_key {
	const char *id, *secret; /* the secret is in no result */
	const char *region;      /* "eu-central-1" */
	const char *service;     /* "s3" */
};

struct sigv4_pair {
	const char *name, *value;
};

struct sigv4_request {
	const char *method;
	const char *origin; /* "https://bucket.s3.eu-central-1.amazonaws.com", with the port where it is no
			       usual one */
	const char *path;   /* "/objects/a b": not encoded */
	struct sigv4_pair query[SIGV4_MAX_PAIRS];   /* not encoded, in any order; ends with a NULL name */
	struct sigv4_pair headers[SIGV4_MAX_PAIRS]; /* what is signed beside Host: names in lower case, in any
						       order; ends with a NULL name */
};

/*
 * The whole address: origin, path and query, the signature among the latter.
 *
 * now    the time of signing
 * ttl_s  for how long it is good, at most SIGV4_MAX_TTL_S
 *
 * The body is not signed ("UNSIGNED-PAYLOAD"): a header may have a checksum of it.  The arena's.
 */
char *sigv4_presign(struct arena *a, const struct sigv4_key *key, const struct sigv4_request *request,
		    time_t now, long ttl_s);

#endif
