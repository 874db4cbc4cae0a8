/* Geocoding: a provider says where the addresses of a recordset's records are, for which the worker asks it
 * (worker/record_geocode.c). */
#include <json-c/json.h>

#include "build/sql/records/record_geocoding.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/tenancy/member_ref.h"
#include "lib/base/failure.h"
#include "lib/base/jx.h"
#include "providers/geocoder.h"
#include "providers/record_schema.h"

static enum err geocode_start(struct req *rq);

/* clang-format off */
static const char *const queued[] = { "queued", NULL };
static const char *const statuses[] = { "pending", "queued", "running", "processing", "completed", "failed", "cancelled", NULL };
static const struct field one_key = { "address_fields", F_TEXT, 0, .min = 1, .max = 63, .fits = &record_key, .example = "place" };

static const struct field start_in[] = {
	{ "recordset_id",   F_UUID, F_REQUIRED },
	{ "address_fields", F_LIST, F_REQUIRED, .item = F_TEXT, .each = &one_key, .min = 1, .max = 10, .about = "keys of fields, whose values are the address, with commas between them", .example = "[\"place\"]" },
	{ "lat_field",      F_TEXT, 0, .max = 63, .fits = &record_key, .def = "latitude", .about = "the key of the field that the latitude is written to", .example = "latitude" },
	{ "lng_field",      F_TEXT, 0, .max = 63, .fits = &record_key, .def = "longitude", .about = "and the longitude", .example = "longitude" },
	{ "record_ids",     F_LIST, F_RARE, .item = F_UUID, .min = 1, .max = 10000, .about = "only these" },
	{ "overwrite",      F_BOOL, 0, .def = "false", .about = "records that have coordinates, too" },
	FIELD_END
};

static const struct field started[] = {
	{ "job_id",        F_UUID, 0, .example = "geocode job" },
	{ "status",        F_ENUM, 0, .values = queued },
	{ "total_records", F_INT,  0, .about = "that are looked at", .example = "3" },
	{ "stream_url",    F_TEXT, 0, .about = "where it tells how far it is", .example = "/api/v1/recordsets/geocode/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f/stream" },
	{ "status_url",    F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/recordsets/geocode/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct field failed[] = {
	{ "record_id", F_UUID, 0 },
	{ "address",   F_TEXT, 0, .example = "Nowhere 1, Atlantis" },
	{ "error",     F_TEXT, 0, .example = "no such place was found" },
	FIELD_END
};

static const struct field geocoding[] = {
	{ "job_id",            F_UUID,     0, .example = "geocode job" },
	{ "recordset_id",      F_UUID,     F_NULL, .about = "null: it is no more" },
	{ "recordset_name",    F_TEXT,     F_NULL, .example = "Soundings" },
	{ "status",            F_ENUM,     0, .values = statuses, .example = "completed" },
	{ "progress",          F_INT,      0, .about = "0 to 100, which is completed", .example = "100" },
	{ "total_records",     F_INT,      0, .about = "that are looked at", .example = "3" },
	{ "processed_records", F_INT,      0, .example = "3" },
	{ "geocoded_count",    F_INT,      0, .about = "whose place was found", .example = "1" },
	{ "failed_count",      F_INT,      0, .about = "whose place was not", .example = "1" },
	{ "skipped_count",     F_INT,      0, .about = "that had coordinates, or are no more", .example = "1" },
	{ "address_fields",    F_LIST,     0, .item = F_TEXT, .example = "[\"place\"]" },
	{ "lat_field",         F_TEXT,     0, .example = "latitude" },
	{ "lng_field",         F_TEXT,     0, .example = "longitude" },
	{ "error_message",     F_TEXT,     F_NULL },
	{ "errors",            F_LIST,     0, .fields = failed, .about = "the first 100, for who started it, owners and admins" },
	{ "created_by",        F_OBJECT,   F_NULL, .fields = member_ref, .about = "null: one who has left" },
	{ "created_at",        F_DATETIME, 0 },
	{ "started_at",        F_DATETIME, F_NULL },
	{ "completed_at",      F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field find_in[] = {
	{ "status", F_ENUM, 0, .values = statuses },
	FIELD_END
};

static const struct field job_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "geocode job" }, FIELD_END };

static const struct field stream_in[] = {
	{ "ticket", F_TEXT, 0, .max = 255,  .about = "of POST /api/v1/app/ws/ticket: EventSource can set no header" },
	{ "token",  F_TEXT, 0, .max = 8192, .about = "a bearer token, where there is no other way; it is in no log of this server" },
	FIELD_END
};

static const struct shape started_shape = { "GeocodeStart", started, "Recordset" };
static const struct shape geocoding_shape = { "GeocodeJob", geocoding, "Job" };

static const enum err not_started[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };
static const enum err not_followed[] = { ERR_ORIGIN, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

static const struct constraint constraints[] = {
	{ "record_runs_geocode_once", ERR_CONFLICT, "recordset_id" },
	{ NULL },
};

#define BASE "/api/v1/recordsets/geocode"

const struct route record_geocoding_routes[] = {
	{ POST, BASE,                        "workspace.imports.start_geocode",      &by_member, "Look up where records are, by their addresses",
	  .about = "Needs can_edit on the recordset. The provider that the server's operator has chosen is asked, once for equal addresses; coordinates are written to the two fields, and are the record's geometry. Records that have some are left alone, unless overwrite. 503: no provider is set up. 409: one of this recordset is running, which details name.",
	  .needs = { "a provider (GEOCODER)", ERR_UNAVAILABLE }, .body = start_in, .out = &started_shape, .errors = not_started, .constraints = constraints, .sql = &q_record_geocode_start, .run = geocode_start, .status = 200 },
	{ GET,  BASE "/jobs",                "workspace.imports.list_geocode_jobs",  &by_member, "List geocoding jobs", .about = "Those of the workspace, the newest first.",
	  .query = find_in, .out = &geocoding_shape, .list = &numbered, .size = { 50, 200 }, .sql = &q_record_geocode_list },
	{ GET,  BASE "/jobs/{job_id}",       "workspace.imports.get_geocode_job",    &by_member, "Get a geocoding job",
	  .params = job_path, .out = &geocoding_shape, .sql = &q_record_geocode_get },
	{ GET,  BASE "/jobs/{job_id}/stream", "workspace.imports.stream_geocode_job", &by_user, "Follow a geocoding job by server-sent events",
	  .about = "Messages without a name: {job_id, status, progress, current_step, total, processed, succeeded, failed, error_message, timestamp}. The first one tells how it stands, and behind "
		   "completed, failed or cancelled there is no other; it ends after five minutes, too. For members of the job's workspace, which no header names.",
	  .params = job_path, .query = stream_in, .errors = not_followed, .sql = &q_record_geocode_stream, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	ROUTE_END
};
/* clang-format on */

static void take_list(struct req *rq, struct buf *b, const char *name)
{
	const struct value *v = req_value(rq, name);

	if (!v || !v->given || !v->json)
		return;
	jx_key(b, name);
	buf_text(b, json_object_to_json_string_ext(v->json, JSON_C_TO_STRING_PLAIN));
}

static enum err geocode_start(struct req *rq)
{
	struct buf b;

	if (!geocoder_name())
		return failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, 3600,
				     "geocoding providers are not configured");
	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	take_list(rq, &b, "address_fields");
	take_list(rq, &b, "record_ids");
	jx_key_str(&b, "lat_field", req_text(rq, "lat_field"));
	jx_key_str(&b, "lng_field", req_text(rq, "lng_field"));
	jx_key(&b, "overwrite"), jx_bool(&b, req_value(rq, "overwrite")->b);
	buf_char(&b, '}');
	req_set(rq, "options", buf_str(&b));
	return answer_rows(rq, rq->asked.route->sql);
}
