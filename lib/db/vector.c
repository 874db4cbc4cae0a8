#include "lib/db/vector.h"

#include <endian.h>
#include <string.h>

#include "lib/db/wire.h"

/* Dimensions, whether there are nulls, the elements' type; how many, and the first one's number. */
enum { HEAD = 5 * 4 };

static void put4(char *p, int32_t value)
{
	uint32_t v = htobe32((uint32_t)value);

	memcpy(p, &v, sizeof(v));
}

void vector_init(struct vector *v, struct arena *a, int oid, int n)
{
	*v = (struct vector){ .oid = oid };
	buf_init(&v->b, a, HEAD + (size_t)n * 12);
	v->b.n = HEAD;
}

/* The place of an element of n bytes. */
static char *add(struct vector *v, int n)
{
	char *p = buf_room(&v->b, 4 + (size_t)n);

	put4(p, n);
	v->b.n += 4 + (size_t)n;
	v->n++;
	return p + 4;
}

void vector_null(struct vector *v)
{
	put4(buf_room(&v->b, 4), -1);
	v->b.n += 4;
	v->n++;
	v->has_null = true;
}

void vector_int2(struct vector *v, int16_t value)
{
	uint16_t n = htobe16((uint16_t)value);

	memcpy(add(v, sizeof(n)), &n, sizeof(n));
}

void vector_int4(struct vector *v, int32_t value)
{
	put4(add(v, 4), value);
}

void vector_int8(struct vector *v, int64_t value)
{
	uint64_t n = htobe64((uint64_t)value);

	memcpy(add(v, sizeof(n)), &n, sizeof(n));
}

void vector_bytes(struct vector *v, const void *p, size_t n)
{
	char *to = add(v, (int)n);

	if (n)
		memcpy(to, p, n);
}

struct buf *vector_open(struct vector *v)
{
	v->open = v->b.n;
	add(v, 0);
	if (v->oid == JSONB)
		buf_char(&v->b, 1);
	return &v->b;
}

void vector_close(struct vector *v)
{
	put4(v->b.p + v->open, (int32_t)(v->b.n - v->open - 4));
}

void vector_cut(struct vector *v, int n, size_t end)
{
	v->n = n;
	v->b.n = end;
}

const char *vector_next(const struct vector *v, size_t *at, size_t *n)
{
	const char *p = v->b.p + HEAD + *at;
	int len = wire_int4(p, 4);

	if (len < 0) {
		*at += 4;
		*n = 0;
		return NULL;
	}
	*at += 4 + (size_t)len;
	*n = (size_t)len - (v->oid == JSONB);
	return p + 4 + (v->oid == JSONB);
}

void vector_bind(struct vector *v, struct tx *tx, const char *name)
{
	put4(v->b.p, v->n != 0);
	put4(v->b.p + 4, v->has_null);
	put4(v->b.p + 8, v->oid);
	put4(v->b.p + 12, v->n);
	put4(v->b.p + 16, 1);
	tx_set_binary(tx, name, v->b.p, v->n ? v->b.n : 12);
}
