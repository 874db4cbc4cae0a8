#include "lib/base/protobuf.h"

#include <endian.h>
#include <string.h>

void protobuf_init(struct protobuf *m, const char *p, size_t n)
{
	m->p = p;
	m->end = p + n;
	m->is_bad = false;
}

/* Seven bits a byte, the least first; at most ten bytes, of the last of which one bit is left. */
static bool take_varint(struct protobuf *m, uint64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && m->p < m->end; shift += 7) {
		unsigned char c = (unsigned char)*m->p++;

		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 127) << shift;
		if (c < 128) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool take_fixed(struct protobuf *m, size_t n, uint64_t *out)
{
	uint64_t v = 0;

	if ((size_t)(m->end - m->p) < n)
		return false;
	memcpy(&v, m->p, n); /* what is left of v is its upper half where it is little-endian */
	m->p += n;
	*out = n == 8 ? le64toh(v) : le32toh((uint32_t)v);
	return true;
}

static bool take_bytes(struct protobuf *m, struct protobuf_field *f)
{
	uint64_t n;

	if (!take_varint(m, &n) || n > (uint64_t)(m->end - m->p))
		return false;
	f->p = m->p;
	f->n = (size_t)n;
	m->p += n;
	return true;
}

static bool take(struct protobuf *m, struct protobuf_field *f)
{
	uint64_t tag;

	if (!take_varint(m, &tag) || tag > UINT32_MAX || tag < 8)
		return false;
	f->number = (unsigned)(tag >> 3);
	f->type = tag & 7;
	switch (f->type) {
	case PROTOBUF_VARINT: return take_varint(m, &f->value);
	case PROTOBUF_FIXED64: return take_fixed(m, 8, &f->value);
	case PROTOBUF_FIXED32: return take_fixed(m, 4, &f->value);
	case PROTOBUF_BYTES: return take_bytes(m, f);
	default: return false; /* groups, which proto3 has not, and what is no type */
	}
}

bool protobuf_next(struct protobuf *m, struct protobuf_field *f)
{
	if (m->p == m->end || m->is_bad)
		return false;
	m->is_bad = !take(m, f);
	return !m->is_bad;
}

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_char(b, (char)(v | 128));
	buf_char(b, (char)v);
}

void protobuf_put_int(struct buf *b, unsigned number, uint64_t value)
{
	put_varint(b, number << 3 | PROTOBUF_VARINT);
	put_varint(b, value);
}

void protobuf_put_bytes(struct buf *b, unsigned number, const void *p, size_t n)
{
	put_varint(b, number << 3 | PROTOBUF_BYTES);
	put_varint(b, n);
	buf_add(b, p, n);
}

static void put_fixed(struct buf *b, uint64_t v, int n)
{
	for (; n; n--, v >>= 8)
		buf_char(b, (char)(v & 255));
}

void protobuf_put_fixed64(struct buf *b, unsigned number, uint64_t value)
{
	put_varint(b, number << 3 | PROTOBUF_FIXED64);
	put_fixed(b, value, 8);
}

void protobuf_put_fixed32(struct buf *b, unsigned number, uint32_t value)
{
	put_varint(b, number << 3 | PROTOBUF_FIXED32);
	put_fixed(b, value, 4);
}

size_t protobuf_open(struct buf *b, unsigned number)
{
	put_varint(b, number << 3 | PROTOBUF_BYTES);
	return b->n;
}

/* Its length, which is known now, goes in front of it. */
void protobuf_close(struct buf *b, size_t from)
{
	size_t n = b->n - from, k;
	char length[10];

	put_varint(b, n);
	k = b->n - from - n;
	memcpy(length, b->p + from + n, k);
	memmove(b->p + from + k, b->p + from, n);
	memcpy(b->p + from, length, k);
}
