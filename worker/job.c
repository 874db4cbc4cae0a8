#include "worker/job.h"

#include <stdarg.h>

#include "lib/db/tx.h"

struct job_verdict job_verdict;

enum err job_give_up(struct tx *t, const char *fmt, ...)
{
	enum err rc;
	va_list ap;

	va_start(ap, fmt);
	rc = failure_vhide(&t->fail, &t->arena, ERR_INTERNAL, fmt, ap);
	va_end(ap);
	job_verdict.give_up = true;
	return rc;
}

enum err job_retry_after(struct tx *t, double seconds, const char *fmt, ...)
{
	enum err rc;
	va_list ap;

	va_start(ap, fmt);
	rc = failure_vhide(&t->fail, &t->arena, ERR_INTERNAL, fmt, ap);
	va_end(ap);
	job_verdict.retry_after_s = seconds > 0 ? seconds : 0;
	return rc;
}
