/*
 * multipart/form-data (RFC 7578): a complete body into its parts, without
 * copying their content.
 *
 * Strict where parsers are known to disagree: lines end in CRLF, a line that
 * begins with the boundary is a boundary, headers are neither folded nor given
 * twice.
 */
#ifndef ASHLAR_MULTIPART_H
#define ASHLAR_MULTIPART_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

enum {
	MULTIPART_MAX_PARTS = 100,
	MULTIPART_MAX_HEADER = 8 * 1024, /* bytes of one part's headers */
};

struct part {
	const char *name;         /* never NULL; the arena's, as are the next two */
	const char *filename;     /* NULL: not a file; as sent, so it is a label and never a path */
	const char *content_type; /* NULL when the part named none */
	const char *bytes;        /* borrowed from the body; not NUL-terminated */
	size_t n;
};

/*
 * Read a multipart/form-data body.
 *
 * content_type  the request's Content-Type, which names the boundary; may be NULL
 * body, n       the body; borrowed for as long as the parts are used
 * out, count    the parts in their order
 * problem       when refused: what is wrong, and for a body where, counting bytes from 1; the arena's
 *
 * ERR_OK; ERR_UNSUPPORTED_MEDIA_TYPE: the type is another one; ERR_BAD_REQUEST:
 * no usable boundary, or the body is malformed, cut short or over a limit.
 * Names and file names are UTF-8 without control characters.
 */
enum err multipart_read(struct arena *a, const char *content_type, const char *body, size_t n,
			struct part **out, int *count, const char **problem);

#endif
