/*
 * Sampling: which of the spans that are sent to a project it keeps.  Rules are read where
 * spans come in (sampler.h), some seconds after they were changed.
 */
#include "build/sql/traces/sampling.h"
#include "fcgi/req.h"
#include "handlers/traces/opsboard_org.h"
#include "handlers/traces/sampler.h"

/* clang-format off */
static const struct field rule[] = {
	{ "name_prefix",    F_TEXT,   0, .min = 1, .max = SAMPLER_TEXT, .about = "the spans whose name begins so; left out: all", .example = "GET /health" },
	{ "attribute",      F_TEXT,   0, .min = 1, .max = SAMPLER_TEXT, .about = "and that have this attribute", .example = "http.route" },
	{ "value",          F_TEXT,   0, .min = 1, .max = SAMPLER_TEXT, .about = "with this value", .example = "/health" },
	{ "ratio",          F_NUMBER, F_REQUIRED | F_MAX, .min = 0, .max = 1, .about = "the part of them that is kept, by the trace's id", .example = "0.1" },
	{ "keep_errors",    F_BOOL,   0, .def = "false", .about = "those with an error are kept all the same" },
	{ "slower_than_ms", F_INT,    0, .min = 0, .max = 86400000, .about = "and those that took longer", .example = "500" },
	FIELD_END
};

static const struct field sampling_in[] = {
	{ "rules", F_LIST, F_REQUIRED, .fields = rule, .max = SAMPLER_RULES, .about = "the first that is about a span decides; without one it is kept" },
	FIELD_END
};

static const struct field sampling_out[] = {
	{ "project_id",   F_UUID, 0, .example = "trace project" },
	{ "rules",        F_LIST, 0, .item = F_JSON },
	{ "sampled_away", F_INT,  0, .about = "spans that were left out so far: neither stored nor billed", .example = "0" },
	FIELD_END
};

static const struct shape sampling_shape = { "TraceSampling", sampling_out, "Project" };
static const enum err set_errors[] = { ERR_AUTHORIZATION, ERR_OK };

#define PATH "/api/opsboard/projects/{project_id}/sampling"

const struct route sampling_routes[] = {
	{ GET, PATH, "observability.sampling.get", &by_opsboard, "Get which spans a project keeps",
	  .params = opsboard_project_path, .out = &sampling_shape, .sql = &q_trace_sampling_get },
	{ PUT, PATH, "observability.sampling.set", &by_opsboard, "Set which spans a project keeps",
	  .about = "By an owner or admin. It holds for what is sent five seconds later and after; what is there stays.",
	  .params = opsboard_project_path, .body = sampling_in, .out = &sampling_shape, .errors = set_errors, .sql = &q_trace_sampling_set, .status = 200 },
	ROUTE_END
};
/* clang-format on */
