/*
 * Scores: what evaluations say of traces, given by whoever sends the traces, and what they come to.
 */
#include <stdlib.h>
#include <string.h>

#include "build/sql/traces/scores.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/trace_id.h"

static enum err score_create(struct req *rq), score_list(struct req *rq);

/* clang-format off */
static const struct pattern trace_form = { "^[0-9a-fA-F]{32}$", "32 hexadecimal digits" };
static const struct pattern span_form = { "^[0-9a-fA-F]{16}$", "16 hexadecimal digits" };

static const struct field score_in[] = {
	{ "trace_id", F_TEXT,   F_REQUIRED, .min = 32, .max = 32, .fits = &trace_form, .about = "which may come later", .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "span_id",  F_TEXT,   F_NULL, .min = 16, .max = 16, .fits = &span_form, .about = "of one span alone", .example = "0000000000000002" },
	{ "name",     F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .about = "a later score of this name takes the place of the one before", .example = "helpfulness" },
	{ "value",    F_NUMBER, F_REQUIRED, .min = -1000000000, .max = 1000000000, .example = "0.8" },
	{ "comment",  F_TEXT,   F_NULL, .max = 2000 },
	FIELD_END
};

static const struct field score_out[] = {
	{ "id",         F_UUID,     0 },
	{ "trace_id",   F_TEXT,     0, .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "span_id",    F_TEXT,     F_NULL, .example = "0000000000000002" },
	{ "name",       F_TEXT,     0, .example = "helpfulness" },
	{ "value",      F_NUMBER,   0, .example = "0.8" },
	{ "comment",    F_TEXT,     F_NULL },
	{ "created_at", F_DATETIME, 0 },
	{ "updated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field list_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	{ "name",       F_TEXT, F_RARE, .min = 1, .max = 100, .example = "helpfulness" },
	{ "trace_id",   F_TEXT, F_RARE, .min = 32, .max = 32, .fits = &trace_form, .example = "0af7651916cd43dd8448eb211c80319c" },
	FIELD_END
};

static const struct field average_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	{ "start_date", F_DATE, F_RARE, .about = "scores first given on that day (UTC) or later", .example = "2026-01-01" },
	{ "end_date",   F_DATE, F_RARE, .about = "and not behind it", .example = "2100-01-01" },
	FIELD_END
};

static const struct field average_out[] = {
	{ "name",    F_TEXT,   0, .example = "helpfulness" },
	{ "count",   F_INT,    0, .example = "1" },
	{ "average", F_NUMBER, 0, .example = "0.8" },
	FIELD_END
};

static const struct shape score_shape = { "TraceScore", score_out, "Score" };
static const struct shape average_shape = { "TraceScoreAverage", average_out, "Project" };
static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route trace_score_routes[] = {
	{ POST, "/api/v4/scores",         "observability.traces.create_score",        &by_project, "Score a trace",
	  .about = "By the project that the trace is of.",
	  .body = score_in, .out = &score_shape, .sql = &q_score_create, .budget = &budget_project, .run = score_create },
	{ GET,  "/api/v4/scores",         "observability.traces.list_scores",         &by_opsboard, "List scores", .about = "The newest first.",
	  .query = list_in, .out = &score_shape, .list = &windowed, .errors = errors, .sql = &q_score_list, .run = score_list },
	{ GET,  "/api/v4/scores/average", "observability.traces.list_score_averages", &by_opsboard, "Average scores by name", .about = "At most 100 names.",
	  .query = average_in, .out = &average_shape, .list = &unwrapped, .errors = errors, .sql = &q_score_average },
	ROUTE_END
};
/* clang-format on */

static enum err score_create(struct req *rq)
{
	const char *span = req_text(rq, "span_id");

	req_set(rq, "trace", trace_id_of(rq, req_text(rq, "trace_id")));
	req_set(rq, "span",
		span ? arena_fmt(&rq->tx.arena, "%lld", (long long)strtoull(span, NULL, 16)) : "0");
	return answer_rows(rq, &q_score_create);
}

static enum err score_list(struct req *rq)
{
	const char *trace = req_text(rq, "trace_id");

	req_set(rq, "trace", trace ? trace_id_of(rq, trace) : NULL);
	return answer_rows(rq, &q_score_list);
}
