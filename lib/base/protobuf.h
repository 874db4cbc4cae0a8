/*
 * Protocol Buffers' wire form, field by field.
 *
 * A message is a row of fields, each a number, a wire type and a value, which
 * this reads one after the other out of memory that it neither copies nor
 * changes.  What a field means is the reader's to know; what it does not know, it
 * passes over.  Nothing here recurses or allocates: a message within a message is
 * another struct protobuf over the bytes of a field.
 *
 *	struct protobuf m;
 *	struct protobuf_field f;
 *
 *	protobuf_init(&m, p, n);
 *	while (protobuf_next(&m, &f))
 *		if (f.number == 5 && f.type == PROTOBUF_BYTES)
 *			…
 *	if (m.is_bad)
 *		…
 */
#ifndef ASHLAR_PROTOBUF_H
#define ASHLAR_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum protobuf_type {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_BYTES = 2, /* strings, bytes, messages, packed numbers */
	PROTOBUF_FIXED32 = 5,
};

struct protobuf {
	const char *p, *end;
	bool is_bad; /* it is no message: a length beyond its end, a varint that does not end, a group, … */
};

struct protobuf_field {
	unsigned number;
	enum protobuf_type type;
	uint64_t value; /* of the numbers */
	const char *p;  /* of PROTOBUF_BYTES: borrowed from the message, */
	size_t n;       /* and how many */
};

/* Begin to read a message of n bytes, which are borrowed. */
void protobuf_init(struct protobuf *m, const char *p, size_t n);

/* The next field; false behind the last one, and where is_bad. */
bool protobuf_next(struct protobuf *m, struct protobuf_field *f);

/* Append a field: a number as a varint, or bytes. */
void protobuf_put_int(struct buf *b, unsigned number, uint64_t value);
void protobuf_put_bytes(struct buf *b, unsigned number, const void *p, size_t n);

/* A number of 8 or 4 bytes. */
void protobuf_put_fixed64(struct buf *b, unsigned number, uint64_t value);
void protobuf_put_fixed32(struct buf *b, unsigned number, uint32_t value);

/* A message in a message: what is appended between the two is in it.  close wants what open returned. */
size_t protobuf_open(struct buf *b, unsigned number);
void protobuf_close(struct buf *b, size_t from);

#endif
