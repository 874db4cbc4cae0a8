/* Pipelines of recordsets: the stages that their records go through. */
#include "build/sql/records/pipelines.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/db/rows.h"

static enum err pipeline_create(struct req *rq);

/* clang-format off */
static const char *const stage_types[] = { "open", "won", "lost", NULL };

static const struct field stage[] = {
	{ "id",          F_TEXT,   OUT | NEW, .min = 1, .max = 64, .about = "as records have it; made of the name, unless given", .example = "offered" },
	{ "name",        F_TEXT,   OUT | NEW | NEEDED, .min = 1, .max = 100, .example = "Offered" },
	{ "color",       F_TEXT,   OUT | NEW, .max = 20, .example = "#2563eb" },
	{ "order",       F_INT,    OUT | NEW | F_SIGNED, .min = -1000000, .max = 1000000, .about = "its place in the list, unless given", .example = "0" },
	{ "probability", F_NUMBER, OUT | NEW | F_MAX, .max = 100, .about = "percent; 0, of one that is won 100, unless given", .example = "25" },
	{ "stage_type",  F_ENUM,   OUT | NEW, .values = stage_types, .def = "open" },
	FIELD_END
};

static const struct field pipeline[] = {
	{ "id",             F_UUID,     OUT, .example = "pipeline" },
	{ "name",           F_TEXT,     OUT | NEW, .min = 1, .max = 150, .about = "the recordset's with Pipeline behind it, unless given", .example = "Sales of charts" },
	{ "description",    F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 2000, .example = "From the first question to the sale" },
	{ "recordset_id",   F_UUID,     OUT },
	{ "recordset_name", F_TEXT,     OUT, .example = "Soundings" },
	{ "stage_field",    F_TEXT,     OUT | NEW, .min = 1, .max = 100, .def = "stage", .about = "the key of the field that has a record's stage; one that the recordset lacks is added, as a select" },
	{ "value_field",    F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 100, .about = "the key of the field that says what a record is worth", .example = "depth" },
	{ "stages",         F_LIST,     OUT | NEW, .fields = stage, .min = 1, .max = 30,
	  .about = "unless given: the options of stage_field where it has some, else Lead, Underwriting, LOI, Due Diligence, Closing, Closed Won and Lost" },
	{ "is_active",      F_BOOL,     OUT },
	{ "record_count",   F_INT,      OUT },
	{ "created_by",     F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left", .example = "member" },
	{ "created_at",     F_DATETIME, OUT },
	{ "updated_at",     F_DATETIME, OUT },
	FIELD_END
};

static const struct shape pipeline_shape = { "Pipeline", pipeline };
static const struct child made[] = { { "pipeline", &q_pipeline_made }, { NULL } };

static const struct constraint constraints[] = {
	{ "pipelines_recordset_unique", ERR_CONFLICT, "recordset_id", "this recordset has a pipeline" },
	{ NULL }
};

static const enum err not_seen[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_made[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_VALIDATION, ERR_OK };

#define BASE "/api/v1/recordsets/{recordset_id}/pipeline"

const struct route pipeline_routes[] = {
	{ GET,  BASE, "workspace.records.get_recordset_pipeline",    &by_member, "Get a recordset's pipeline", "Needs can_view on the recordset; 404, where it has none.",
	  .out = &pipeline_shape, .errors = not_seen, .sql = &q_recordset_pipeline_get },
	{ POST, BASE, "workspace.records.create_recordset_pipeline", &by_member, "Give a recordset a pipeline", "Needs can_admin on the recordset, which has one at most. The body may be empty.",
	  .needs = { "a recordset without a pipeline", ERR_CONFLICT }, .body = pipeline, .as = NEW, .out = &pipeline_shape, .constraints = constraints, .errors = not_made, .run = pipeline_create },
	ROUTE_END
};
/* clang-format on */

static enum err pipeline_create(struct req *rq)
{
	const struct rows_form form = { .has_micros = true };
	PGresult *res;
	enum err rc = tx_call_family(&rq->tx, &q_recordset_pipeline_create, made, true, &res);

	if (rc)
		return rc;
	rows_object(answer_open(rq), rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	return answer_close(rq);
}
