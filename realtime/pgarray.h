/*
 * PostgreSQL's arrays as text: {"a","b",NULL}.
 */
#ifndef ASHLAR_REALTIME_PGARRAY_H
#define ASHLAR_REALTIME_PGARRAY_H

#include "lib/base/buf.h"

struct pgarray {
	struct buf b;
	int n;
};

/* An empty array in a's memory. */
void pgarray_init(struct pgarray *array, struct arena *a);

/* Append an element; NULL is NULL. */
void pgarray_add(struct pgarray *array, const char *text);
void pgarray_add_int(struct pgarray *array, long long v);

/* Its text. */
const char *pgarray_text(struct pgarray *array);

#endif
