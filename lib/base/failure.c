#include "lib/base/failure.h"

#include <string.h>

enum err failure_vset(struct failure *f, struct arena *a, enum err e, const char *field, const char *fmt,
		      va_list ap)
{
	*f = (struct failure){ .err = e, .field = field };
	if (fmt)
		f->message = arena_vfmt(a, fmt, ap);
	return e;
}

enum err failure_set(struct failure *f, struct arena *a, enum err e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(f, a, e, field, fmt, ap);
	va_end(ap);
	return e;
}

enum err failure_vhide(struct failure *f, struct arena *a, enum err e, const char *fmt, va_list ap)
{
	*f = (struct failure){ .err = e, .reason = arena_vfmt(a, fmt, ap) };
	return e;
}

enum err failure_hide(struct failure *f, struct arena *a, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vhide(f, a, e, fmt, ap);
	va_end(ap);
	return e;
}

enum err failure_retry(struct failure *f, struct arena *a, enum err e, int seconds, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(f, a, e, NULL, fmt, ap);
	va_end(ap);
	f->retry_after = seconds;
	return e;
}

bool failure_is(const struct failure *f, const char *state)
{
	return !strcmp(f->state, state);
}

const char *failure_reason(const struct failure *f)
{
	return f->reason ? f->reason : f->message ? f->message : err_info(f->err)->message;
}
