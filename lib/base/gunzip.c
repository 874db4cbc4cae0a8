#include "lib/base/gunzip.h"

#include <zlib.h>

#include "lib/base/buf.h"

enum {
	GZIP = 16 + MAX_WBITS, /* zlib's word for gzip's frame, and no other one */
	FIRST_BYTES = 16 << 10,
};

/* Inflate until the member's end, or until there is something wrong. */
static enum err inflate_member(z_stream *z, struct buf *b, size_t max, const char **problem)
{
	int rc = Z_OK;

	while (rc == Z_OK) {
		size_t room = max + 1 - b->n; /* one too many tells that it is too much */

		if (b->cap - b->n < room && b->cap - b->n < FIRST_BYTES)
			buf_room(b, FIRST_BYTES);
		room = room < b->cap - b->n ? room : b->cap - b->n;
		z->next_out = (Bytef *)b->p + b->n;
		z->avail_out = (uInt)room;
		rc = inflate(z, Z_NO_FLUSH);
		b->n = (size_t)(z->next_out - (Bytef *)b->p);
		if (b->n > max) {
			*problem = "what was compressed is too much";
			return ERR_PAYLOAD_TOO_LARGE;
		}
	}
	if (rc == Z_STREAM_END)
		return ERR_OK;
	*problem = rc == Z_BUF_ERROR ? "the gzip ends too early" : "this is no gzip, or a damaged one";
	return ERR_BAD_REQUEST;
}

enum err gunzip(struct arena *a, const char *p, size_t n, size_t max, char **out, size_t *out_n,
		const char **problem)
{
	z_stream z = { .next_in = (Bytef *)p, .avail_in = (uInt)n };
	enum err rc = ERR_OK;
	struct buf b;

	*problem = "this is no gzip, or a damaged one";
	if (n > UINT_MAX / 2 || inflateInit2(&z, GZIP) != Z_OK)
		return ERR_BAD_REQUEST;
	buf_init(&b, a, 4 * n + FIRST_BYTES < max ? 4 * n + FIRST_BYTES : max + FIRST_BYTES);
	do
		rc = inflate_member(&z, &b, max, problem);
	while (!rc && z.avail_in && inflateReset(&z) == Z_OK);
	inflateEnd(&z);
	if (rc)
		return rc;
	*out = buf_str(&b);
	*out_n = b.n;
	return ERR_OK;
}
