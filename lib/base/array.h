/*
 * PostgreSQL's arrays in their text form, as parameters have them: {"a","b"}.
 */
#ifndef ASHLAR_ARRAY_H
#define ASHLAR_ARRAY_H

#include "lib/base/buf.h"

/*
 * Append an element, in quotes, in which every type may stand; NULL is NULL.
 * The caller writes the braces:
 *
 *	buf_char(&b, '{');
 *	for (i = 0; i < n; i++)
 *		array_add(&b, names[i]);
 *	buf_char(&b, '}');
 */
void array_add(struct buf *b, const char *text);

#endif
