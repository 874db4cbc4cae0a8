/*
 * A span as it is kept: numbers, a name and attributes in one piece, without pointers.
 */
#ifndef ASHLAR_SPAN_DATA_H
#define ASHLAR_SPAN_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum span_kind {
	SPAN_INTERNAL = 1,
	SPAN_SERVER,
	SPAN_CLIENT,
	SPAN_PRODUCER,
	SPAN_CONSUMER
}; /* OTLP's numbers */

enum span_attribute {
	SPAN_NONE,
#define TEXT(id, name) SPAN_##id,
#define NUMBER(id, name) SPAN_##id,
#include "lib/host/span.def"
#undef TEXT
#undef NUMBER
	SPAN_ATTRIBUTES,
	SPAN_LINK = 254,  /* to another trace: 16 and 8 bytes */
	SPAN_STATE = 255, /* the tracestate */
};

enum { SPAN_DATA = 448, SPAN_SLOTS = 8192 };

/* A span, as it is in the memory, too: no pointers. */
struct span {
	uint8_t trace[16], id[8], parent[8]; /* zeros: it has none */
	int64_t start_ns;                    /* since 1970 */
	int64_t duration_ns;
	uint8_t kind; /* 0: it is not recorded, and whatever is done with it is nothing */
	bool is_error;
	bool is_remote; /* its parent is another program's */
	uint8_t process;
	uint8_t lost; /* attributes that found no room */
	uint8_t lost_links;
	uint16_t n;                    /* bytes of data */
	unsigned char data[SPAN_DATA]; /* its name, with a NUL; then attributes: span_data_next */
};

/* What a span's data say, one by one from *at = 0 on; false: that was all. */
struct span_item {
	enum span_attribute what;
	const char *name; /* NULL: a link, or the tracestate */
	const char *text; /* n bytes of it; NULL: it is a number */
	size_t n;
	int64_t number;
};
bool span_data_next(const struct span *s, size_t *at, struct span_item *out);
const char *span_data_name(const struct span *s);

#endif
