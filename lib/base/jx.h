/*
 * The JSON writer: values appended to a buffer as text.  Nothing is built up
 * in between and no value allocates.
 *
 * The caller writes brackets and braces with buf_char; jx_key and jx_next write
 * the commas between:
 *
 *	buf_char(b, '{');
 *	jx_key(b, "id"), jx_int(b, id);
 *	jx_key(b, "tags"), buf_char(b, '[');
 *	for (i = 0; i < n; i++)
 *		jx_next(b), jx_str(b, tags[i]);
 *	buf_text(b, "]}");
 *
 * What is written is valid JSON in valid UTF-8 whatever the values hold.
 */
#ifndef ASHLAR_JX_H
#define ASHLAR_JX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* A member's name with its colon, and a comma in front unless the object has just been opened. */
void jx_key(struct buf *b, const char *name);

/* A whole member: its name with a text (nothing at all when that is NULL), or an integer. */
void jx_key_str(struct buf *b, const char *name, const char *text);
void jx_key_text(struct buf *b, const char *name, const char *text); /* null where there is none */
void jx_key_int(struct buf *b, const char *name, long long v);

/* A member's name and the bracket or brace that opens its value. */
void jx_key_open(struct buf *b, const char *name, char bracket);

/* The comma in front of an array's next element, unless the array has just been opened. */
void jx_next(struct buf *b);

/* n bytes of text as a string; what is not UTF-8 becomes U+FFFD. */
void jx_text(struct buf *b, const char *p, size_t n);

/* A C string; NULL is null. */
void jx_str(struct buf *b, const char *s);

/* n bytes of JSON, without the white space between its tokens (jsonb's text has some behind ':' and ','). */
void jx_json(struct buf *b, const char *p, size_t n);

void jx_null(struct buf *b);
void jx_bool(struct buf *b, bool v);
void jx_int(struct buf *b, long long v);

/*
 * The shortest decimal that reads back as the same double (or float); NaN and
 * the infinities, which JSON has no word for, are null.
 */
void jx_double(struct buf *b, double v);
void jx_float(struct buf *b, float v);

/* A UUID's 16 bytes as its lower-case text form. */
void jx_uuid(struct buf *b, const unsigned char id[16]);

/*
 * Microseconds since 2000-01-01 UTC, which is how PostgreSQL sends a
 * timestamptz, as RFC 3339 with milliseconds: "2000-01-01T00:00:00.000Z".
 * Microseconds beyond are cut off, not rounded, so a time never moves ahead.
 * The infinities and years outside 0001 to 9999, which RFC 3339 cannot say, are null.
 */
void jx_timestamptz(struct buf *b, int64_t us);

/* The same with all six digits: "2000-01-01T00:00:00.000000Z". */
void jx_timestamptz_us(struct buf *b, int64_t us);

/* Days since 2000-01-01, PostgreSQL's date, as "2000-01-01"; null in the same cases. */
void jx_date(struct buf *b, int32_t days);

/*
 * PostgreSQL's binary numeric as a bare number: every digit, with the scale it
 * is stored with (1.50 stays 1.50).  NaN and the infinities are null.
 */
void jx_numeric(struct buf *b, const char *p, size_t n);

/* n bytes as base64 (RFC 4648 4, padded). */
void jx_base64(struct buf *b, const void *p, size_t n);

#endif
