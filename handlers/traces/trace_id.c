#include "handlers/traces/trace_id.h"

#include <string.h>

#include "fcgi/req.h"

/* clang-format off */
const struct field trace_id_param[] = {
	{ "trace_id", F_TEXT, F_REQUIRED, .min = 1, .max = 64, .about = "32 hexadecimal digits", .example = "0af7651916cd43dd8448eb211c80319c" },
	FIELD_END
};
/* clang-format on */

const char *trace_id_of(struct req *rq, const char *text)
{
	char digits[33];
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (n == 32 || !strchr("0123456789abcdefABCDEF", *text))
			return NULL;
		digits[n++] = *text;
	}
	digits[n] = '\0';
	return n == 32 ? arena_lower(&rq->tx.arena, digits) : NULL;
}

const char *trace_id_read(struct req *rq)
{
	return trace_id_of(rq, req_path_text(rq, "trace_id"));
}
