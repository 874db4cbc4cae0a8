/*
 * The head of an HTTP/1.1 request, as nginx (or a client on the loopback)
 * sends it: the request line and the fields.
 *
 * libwebsockets could read it, too, but not wait for PostgreSQL before it
 * answers, and it writes what it cannot use into its log.
 */
#ifndef ASHLAR_REALTIME_HEAD_H
#define ASHLAR_REALTIME_HEAD_H

#include <stddef.h>

enum {
	HEAD_MAX_BYTES = 32 * 1024, /* nginx passes at most 28 KiB on */
	HEAD_MAX_FIELDS = 64,
};

struct head_field {
	const char *name, *value;
};

struct head {
	const char *method, *target; /* "GET", "/api/v1/app/ws?token=…" */
	struct head_field fields[HEAD_MAX_FIELDS];
	int nfields;
	size_t n; /* bytes that the head takes; behind them is what the client sent early */
};

enum head_found {
	HEAD_MORE,  /* its end has not come yet */
	HEAD_WHOLE, /* and out is filled in */
	HEAD_BAD,   /* 400: it is none, or a GET with a body */
	HEAD_LARGE, /* 431: more than HEAD_MAX_BYTES or HEAD_MAX_FIELDS */
};

/*
 * Read a head from the n bytes at p.  When it is whole the bytes are cut into
 * C strings in place, and out points into them.
 */
enum head_found head_read(char *p, size_t n, struct head *out);

/* A field by its name, any case; of several the first.  NULL: there is none. */
const char *head_field(const struct head *h, const char *name);

#endif
