#include "handlers/traces/trace_metrics.h"

#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"

/* clang-format off */
const struct field trace_metrics_out[] = {
	{ "span_count",              F_INT,  0, .about = "of a list: its traces, as the three counts behind it; of a trace: its spans", .example = "3" },
	{ "trace_count",             F_INT,  0, .example = "1" },
	{ "success_count",           F_INT,  0, .about = "of a list by the status of each trace's last span", .example = "2" },
	{ "fail_count",              F_INT,  0, .example = "1" },
	{ "indeterminate_count",     F_INT,  0, .example = "0" },
	{ "prompt_tokens",           F_INT,  0, .example = "820" },
	{ "completion_tokens",       F_INT,  0, .example = "96" },
	{ "cache_read_input_tokens", F_INT,  0, .example = "0" },
	{ "reasoning_tokens",        F_INT,  0, .example = "0" },
	{ "total_tokens",            F_INT,  0, .example = "916" },
	{ "prompt_cost",             F_TEXT, 0, .about = "dollars, with seven decimals, as the other costs", .example = "0.0001230" },
	{ "completion_cost",         F_TEXT, 0, .example = "0.0000576" },
	{ "average_cost_per_trace",  F_TEXT, 0, .example = "0.0001806" },
	{ "total_cost",              F_TEXT, 0, .example = "0.0001806" },
	FIELD_END
};
/* clang-format on */

void trace_metrics_time(struct buf *b, int64_t ns)
{
	jx_timestamptz_us(b, ns / 1000 - CLOCK_PG_EPOCH_US);
}

void trace_metrics_write(struct buf *b, const PGresult *res, int row)
{
	buf_char(b, '{');
	for (const struct field *f = trace_metrics_out; f->type != F_END; f++) {
		jx_key(b, f->name);
		if (f->type == F_TEXT)
			jx_str(b, column_text(res, row, f->name));
		else
			buf_text(b, column_text(res, row, f->name)); /* numeric: as many digits as it has */
	}
	buf_char(b, '}');
}
