/*
 * What went wrong, as a value: an error, and what is told about it, to the
 * client and to the log.  It is returned to whoever asked, who decides whether it
 * is the answer.
 */
#ifndef ASHLAR_FAILURE_H
#define ASHLAR_FAILURE_H

#include <stdarg.h>
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct failure {
	enum err err;          /* ERR_OK: there is none */
	const char *message;   /* for people; NULL: the error's own */
	const char *field;     /* details.field */
	const char *details;   /* further members of details, as JSON without braces, or NULL */
	const char *more;      /* further members of the body itself, as JSON without braces, or NULL */
	const char *reason;    /* for the log only */
	long long retry_after; /* seconds until it is worth another try; 0: it does not say */
	char state[6];         /* PostgreSQL's SQLSTATE, where the refusal is PostgreSQL's; else "" */
	bool is_kept;          /* what the transaction did stays: see req_refuse */
};

/*
 * Say what went wrong, in place of what f said before, and return e.  The text
 * is a's; without fmt it is the error's own.  field is borrowed, and may be NULL.
 */
enum err failure_set(struct failure *f, struct arena *a, enum err e, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
enum err failure_vset(struct failure *f, struct arena *a, enum err e, const char *field, const char *fmt,
		      va_list ap) __attribute__((format(printf, 5, 0)));

/* On our side: the client is told the error's own message, the log this one. */
enum err failure_hide(struct failure *f, struct arena *a, enum err e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
enum err failure_vhide(struct failure *f, struct arena *a, enum err e, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

/* As failure_set, of what passes by itself: worth another try in so many seconds. */
enum err failure_retry(struct failure *f, struct arena *a, enum err e, int seconds, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Is it the refusal of this SQLSTATE? */
bool failure_is(const struct failure *f, const char *state);

/* What the log is told: the reason, else the message, else the error's own. */
const char *failure_reason(const struct failure *f);

#endif
