/*
 * Imports: a file is uploaded and looked at, and then becomes records, by the worker
 * (worker/record_import.c).
 *
 * It is sent to where files are stored, by a link that is signed (or in a form, for small ones), and looked
 * at in a closed child (providers/import_file.h); what is told of it is what somebody needs to say which
 * column is which field.
 */
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "build/sql/records/record_imports.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/filename.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/multipart.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/spool.h"
#include "providers/import_file.h"
#include "providers/record_schema.h"
#include "providers/storage.h"

#define ENDINGS ".csv, .tsv, .txt, .xlsx, .json, .ndjson or .geojson"

static enum err upload_link(struct req *rq), upload_form(struct req *rq), upload_analyze(struct req *rq);
static enum err import_create(struct req *rq), import_into(struct req *rq);

/* clang-format off */
static const char *const types[] = { "custom", "contacts", "companies", "properties", "deals", "products", "operators", "underwriting", NULL };
static const char *const formats[] = { "csv", "xlsx", "json", "geojson", NULL };
static const char *const queued[] = { "queued", NULL };
static const char *const methods[] = { "PUT", NULL };
static const char *const modes[] = { "append", "upsert", NULL };
static const char *const orders[] = { "dmy", "mdy", NULL };
static const char *const decimals[] = { ".", ",", NULL };
static const struct pattern encoding_name = { "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$", "the name of an encoding, such as windows-1250," };

static const struct field link_in[] = {
	{ "file_name",    F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "its ending says what it is: " ENDINGS, .example = "soundings.csv" },
	{ "content_type", F_TEXT, F_REQUIRED, .min = 3, .max = 127, .about = "what it is sent as", .example = "text/csv" },
	{ "size_bytes",   F_INT,  F_REQUIRED, .min = 1, .example = "2048" },
	FIELD_END
};

static const struct field link_out[] = {
	{ "upload_url",     F_URL,      0, .about = "send the file there", .example = "https://localhost:8443/storage/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "method",         F_ENUM,     0, .values = methods },
	{ "headers",        F_OBJECT,   0, .item = F_TEXT, .about = "with these", .example = "{\"Content-Type\":\"text/csv\"}" },
	{ "file_uri",       F_TEXT,     0, .about = "names it here", .example = "upload:01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	{ "expires_at",     F_DATETIME, 0 },
	{ "max_size_bytes", F_INT,      0, .example = "104857600" },
	FIELD_END
};

static const struct field form[] = {
	{ "file", F_FILE, F_REQUIRED },
	FIELD_END
};

static const struct field analyze_in[] = {
	{ "file_uri",  F_TEXT, F_REQUIRED, .max = 100, .example = "upload:01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	{ "file_name", F_TEXT, F_RARE, .min = 1, .max = 255, .about = "another name for it", .example = "soundings.csv" },
	{ "sheet",     F_TEXT, F_RARE, .min = 1, .max = 100, .about = "of a workbook: its name, or its number from 1; left out, the first one", .example = "1" },
	{ "encoding",  F_TEXT, F_RARE, .fits = &encoding_name, .about = "what its text is in; left out, it is found out", .example = "windows-1252" },
	FIELD_END
};

static const struct field column[] = {
	{ "name",          F_TEXT, 0, .example = "Place" },
	{ "suggested_key", F_TEXT, 0, .about = "for a field that it could be", .example = "place" },
	{ "inferred_type", F_TEXT, 0, .about = "of its first 1,000 values; what could be two things is text", .example = "text" },
	{ "sample_values", F_LIST, 0, .item = F_JSON, .about = "up to 5" },
	{ "null_count",    F_INT,  0, .about = "of the first 1,000 rows", .example = "0" },
	{ "unique_count",  F_INT,  0, .about = "of the first 1,000 rows", .example = "3" },
	{ "options",       F_LIST, 0, .item = F_TEXT, .about = "of a select" },
	{ "date_format",   F_ENUM, F_NULL, .values = orders, .about = "whether days or months come first in it, where its values say that" },
	{ "decimal",       F_ENUM, F_NULL, .values = decimals, .about = "what stands before fractions in it; null: its values can be both" },
	FIELD_END
};

static const struct field analysis[] = {
	{ "file_uri",       F_TEXT,   0, .about = "for the import; it is good for 24 hours", .example = "upload:01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	{ "file_name",      F_TEXT,   0, .example = "soundings.csv" },
	{ "file_type",      F_ENUM,   0, .values = formats },
	{ "file_size",      F_INT,    0, .about = "in bytes", .example = "58" },
	{ "total_rows",     F_INT,    0, .about = "below the header, but for blank ones", .example = "3" },
	{ "headers",        F_LIST,   0, .item = F_TEXT, .example = "[\"Place\",\"Depth\"]" },
	{ "columns",        F_LIST,   0, .fields = column },
	{ "sample_rows",    F_LIST,   0, .item = F_OBJECT, .about = "the first 10" },
	{ "has_geometry",   F_BOOL,   0, .example = "false" },
	{ "geometry_types", F_LIST,   0, .item = F_TEXT },
	{ "delimiter",      F_TEXT,   F_NULL, .example = "," },
	{ "encoding",       F_TEXT,   0, .example = "utf-8" },
	{ "sheet",          F_TEXT,   F_NULL, .about = "of a workbook: the one that was looked at, and is imported" },
	{ "sheets",         F_LIST,   0, .item = F_TEXT, .about = "of a workbook, in its order" },
	FIELD_END
};

#define HOW \
	{ "field_mappings",    F_OBJECT, F_REQUIRED, .item = F_TEXT, .about = "the file's columns, and the keys of the fields that they are; others are left out", .example = "{\"Place\":\"place\",\"Depth\":\"depth\"}" }, \
	{ "skip_invalid_rows", F_BOOL, 0, .def = "true", .about = "false: the first row that is refused ends it" }, \
	{ "date_format",       F_ENUM, F_RARE, .values = orders, .about = "whether days or months come first, where columns do not say it" }, \
	{ "decimal",           F_ENUM, F_RARE, .values = decimals, .about = "what stands before fractions, where columns do not say it" }

static const struct field create_in[] = {
	{ "file_uri",    F_TEXT,   F_REQUIRED, .max = 100, .example = "upload:01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	{ "name",        F_TEXT,   F_REQUIRED, .min = 1, .max = 255, .example = "Soundings of May" },
	{ "slug",        F_SLUG,   F_RARE, .max = 120 },
	{ "description", F_TEXT,   F_RARE, .max = 2000 },
	{ "type",        F_ENUM,   0, .values = types, .def = "custom" },
	{ "schema",      F_OBJECT, F_REQUIRED, .fields = record_schema_fields },
	HOW,
	{ "settings",    F_OBJECT, F_RARE, .fields = record_settings_fields },
	{ "lat_field",   F_TEXT,   F_RARE, .max = 63, .fits = &record_key, .example = "latitude" },
	{ "lng_field",   F_TEXT,   F_RARE, .max = 63, .fits = &record_key, .example = "longitude" },
	FIELD_END
};

static const struct field into_in[] = {
	{ "file_uri",    F_TEXT,   F_REQUIRED, .max = 100, .example = "upload:01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	HOW,
	{ "mode",        F_ENUM,   0, .values = modes, .def = "append", .about = "upsert: a row changes the record that has its value of match_field, else it becomes one" },
	{ "match_field", F_TEXT,   F_RARE, .max = 63, .fits = &record_key, .about = "the key of a unique field; needed for upsert", .example = "place" },
	{ "dry_run",     F_BOOL,   0, .def = "false", .about = "all is done but for writing records, and nobody is told: the job says what would be created and changed, and has every row that would be refused" },
	FIELD_END
};

static const struct field created[] = {
	{ "recordset_id",   F_UUID, 0 },
	{ "recordset_slug", F_SLUG, 0, .example = "soundings-of-may" },
	{ "job_id",         F_UUID, 0, .example = "import job" },
	{ "status",         F_ENUM, 0, .values = queued },
	{ "status_url",     F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/recordsets/import/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct field begun[] = {
	{ "recordset_id", F_UUID, 0 },
	{ "job_id",       F_UUID, 0, .example = "import job" },
	{ "status",       F_ENUM, 0, .values = queued },
	{ "status_url",   F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/recordsets/import/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct field completed[] = {
	{ "job_id",        F_UUID, 0, .example = "import job" },
	{ "workspace_id",  F_UUID, 0 },
	{ "recordset_id",  F_UUID, 0 },
	{ "status",        F_ENUM, 0, .values = (const char *const[]){ "completed", "failed", NULL } },
	{ "file_name",     F_TEXT, 0, .example = "soundings.csv" },
	{ "total_rows",    F_INT,  0, .example = "3" },
	{ "success_count", F_INT,  0, .example = "2" },
	{ "error_count",   F_INT,  0, .example = "1" },
	{ "error_message", F_TEXT, F_NULL },
	FIELD_END
};

static const struct shape link_shape = { "ImportUpload", link_out, "File" };
static const struct shape analysis_shape = { "FileAnalysis", analysis, "File" };
static const struct shape created_shape = { "ImportCreated", created, "Recordset" };
static const struct shape begun_shape = { "ImportBegun", begun, "Recordset" };
const struct shape import_event_shape = { "EventImport", completed };

static const struct constraint constraints[] = {
	{ "recordsets_settings_size", ERR_VALIDATION, "settings", "settings may have 64 KiB" },
	{ NULL }
};

static const enum err of_link[] = { ERR_PAYLOAD_TOO_LARGE, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_LIMIT, ERR_UNAVAILABLE, ERR_OK };
static const enum err of_form[] = { ERR_BAD_REQUEST, ERR_PAYLOAD_TOO_LARGE, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_LIMIT, ERR_VALIDATION, ERR_UNAVAILABLE, ERR_OK };
static const enum err of_analysis[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_VALIDATION, ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };
static const enum err of_import[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

#define BASE "/api/v1/recordsets/import"
#define LOOKED_AT { "a file that was analyzed", ERR_NOT_FOUND }

const struct route record_import_routes[] = {
	{ POST, BASE "/upload/signed-url", "workspace.imports.create_upload_url", &by_member, "Get a link to upload a file to be imported", "Up to 100 MB; the link is good for 15 minutes. Then analyze it.",
	  .may = &can_import_record, .body = link_in, .out = &link_shape, .errors = of_link, .run = upload_link, .status = 200 },
	{ POST, BASE "/upload", "workspace.imports.upload_import_file", &by_member, "Upload a file to be imported", "In a form, as file; larger ones by a link. The answer says what is in it.",
	  .needs = { "a file in a form", ERR_VALIDATION }, .may = &can_import_record, .parts = form, .out = &analysis_shape, .errors = of_form, .sql = &q_record_upload_surveyed, .run = upload_form,
	  .flags = SLOW | RAW, .status = 200 },
	{ POST, BASE "/upload/analyze", "workspace.imports.analyze_import_file", &by_member, "Look at an uploaded file", "What is in it: columns, the types that they could have, rows.",
	  .needs = { "a file that was uploaded", ERR_NOT_FOUND }, .may = &can_import_record, .body = analyze_in, .out = &analysis_shape, .errors = of_analysis, .sql = &q_record_upload_surveyed, .run = upload_analyze,
	  .flags = SLOW, .status = 200 },
	{ POST, BASE, "workspace.imports.create_from_import", &by_member, "Make a recordset of a file", "Its rows are imported in the background; who started it is told when that is over. Rows that do not fit are left out and reported.",
	  .needs = LOOKED_AT, .may = &can_create_recordset, .body = create_in, .as = NEW, .out = &created_shape, .constraints = constraints, .errors = of_import, .sql = &q_record_import_create, .run = import_create, .status = 200 },
	{ POST, BASE "/recordsets/{recordset_id}", "workspace.imports.import_into_recordset", &by_member, "Import a file into a recordset", "Needs can_create on the recordset, and can_edit to change records.",
	  .needs = LOOKED_AT, .may = &can_import_record, .body = into_in, .out = &begun_shape, .errors = of_import, .sql = &q_record_import_into, .run = import_into, .status = 200 },
	ROUTE_END
};
/* clang-format on */

enum { LINK_S = 900, HEX_ID = 36 };

static const char *kept(struct req *rq, const PGresult *res, const char *name)
{
	const char *text = column_text(res, 0, name);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

static enum err unknown_type(struct req *rq)
{
	return req_fail_field(rq, ERR_UNSUPPORTED_MEDIA_TYPE, "file_name",
			      "the file's name must end with " ENDINGS);
}

/* How it is called, and what it is to be read as. */
static enum err take_name(struct req *rq, const char *name)
{
	const char *clean = filename_clean(&rq->tx.arena, name), *format = import_file_format(clean);

	if (!format)
		return unknown_type(rq);
	req_set(rq, "name", clean);
	req_set(rq, "format", format);
	return ERR_OK;
}

static enum err upload_link(struct req *rq)
{
	struct storage_object o = { .backend = storage_backend(),
				    .content_type = req_text(rq, "content_type"),
				    .size = req_int(rq, "size_bytes") };
	enum err rc = take_name(rq, req_text(rq, "file_name"));
	struct arena *a = &rq->tx.arena;
	const char *url;
	PGresult *res;
	struct buf *b;

	if (rc)
		return rc;
	if (o.size > IMPORT_MAX_BYTES)
		return req_fail_field(rq, ERR_PAYLOAD_TOO_LARGE, "size_bytes",
				      "a file may have at most %d bytes", IMPORT_MAX_BYTES);
	if (!strchr(o.content_type, '/'))
		return req_fail_field(rq, ERR_VALIDATION, "content_type",
				      "content_type must be a media type, such as text/csv");
	req_set(rq, "backend", o.backend);
	req_set(rq, "size", arena_fmt(a, "%lld", o.size));
	req_set(rq, "ttl_s", arena_fmt(a, "%d", LINK_S));
	rc = tx_call(&rq->tx, &q_record_upload_await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, "tenant_id");
	o.id = kept(rq, res, "object_id");
	url = storage_upload_url(a, &o, LINK_S);
	if (!url)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "links cannot be signed without JWT_SECRET");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "upload_url", url);
	jx_key_str(b, "method", "PUT");
	jx_key_open(b, "headers", '{');
	jx_key_str(b, "Content-Type", o.content_type);
	buf_char(b, '}');
	jx_key_str(b, "file_uri", column_text(res, 0, "file_uri"));
	jx_key_str(b, "expires_at", column_text(res, 0, "expires_at"));
	jx_key_int(b, "max_size_bytes", IMPORT_MAX_BYTES);
	buf_char(b, '}');
	return answer_close(rq);
}

/* Looked at, a file has its survey; the answer shows that. */
static enum err survey(struct req *rq, int fd, const char *format, const char *encoding, const char *sheet)
{
	struct import_file f = { .fd = fd, .format = format, .encoding = encoding, .sheet = sheet };
	PGresult *res;
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 1 << 14);
	rc = import_file_survey(&rq->tx.arena, &f, &b, &rq->tx.fail);
	if (rc)
		return rc;
	req_set(rq, "survey", buf_str(&b));
	return !format || strcmp(format, "geojson") ? ERR_OK
						    : tx_call(&rq->tx, &q_record_survey_check, true, &res);
}

/* What came in a form as a file without a name. */
static int spooled(struct arena *a, const struct part *part)
{
	int fd = spool_open(a);

	for (size_t at = 0; fd >= 0 && at < part->n;) {
		ssize_t k = write(fd, part->bytes + at, part->n - at);

		if (k <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)k;
	}
	return fd;
}

/* Looked at first, and only then stored: nothing is left of what cannot be read. */
static enum err upload_form(struct req *rq)
{
	const struct part *part = req_part(rq, "file");
	struct storage_object o = { .backend = storage_backend(),
				    .content_type = part->content_type,
				    .size = (long long)part->n };
	unsigned char sha256[SECRET_BYTES];
	struct arena *a = &rq->tx.arena;
	struct failure why = { ERR_OK };
	PGresult *res;
	enum err rc;
	int fd;

	if (part->n > (size_t)cfg.storage_form_max_mib << 20 || part->n > IMPORT_MAX_BYTES)
		return req_fail(rq, ERR_PAYLOAD_TOO_LARGE,
				"a file in a form may have at most %ld MiB: get a link for it",
				cfg.storage_form_max_mib);
	rc = take_name(rq, part->filename ? part->filename : "");
	if (rc)
		return rc;
	if (!o.content_type || !strchr(o.content_type, '/') || strlen(o.content_type) > 127)
		o.content_type = "application/octet-stream";
	fd = spooled(a, part);
	if (fd < 0)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "a file cannot be written in %s", spool_place(a));
	rc = survey(rq, fd, req_text(rq, "format"), NULL, NULL);
	close(fd);
	if (rc)
		return rc;
	req_set(rq, "backend", o.backend);
	req_set(rq, "content_type", o.content_type);
	req_set(rq, "size", arena_fmt(a, "%lld", o.size));
	req_set(rq, "ttl_s", arena_fmt(a, "%d", LINK_S));
	rc = tx_call(&rq->tx, &q_record_upload_await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, "tenant_id");
	o.id = kept(rq, res, "object_id");
	req_set(rq, "upload", kept(rq, res, "upload"));
	req_set(rq, "file_name", NULL);
	if (!storage_put(a, &o, part->bytes, part->n, sha256, &why)) {
		req_set(rq, "sha256", secret_bytea(a, sha256, sizeof(sha256)));
		return answer_rows(rq, &q_record_upload_surveyed);
	}
	rc = tx_call(&rq->tx, &q_record_upload_drop, true, &res);
	if (rc)
		return rc;
	rq->tx.fail = why;
	return why.err;
}

/* The id of "upload:<id>"; NULL: it is none. */
static const char *upload_of(const char *uri)
{
	static const char scheme[] = "upload:";
	const char *id = uri + sizeof(scheme) - 1;

	return !strncmp(uri, scheme, sizeof(scheme) - 1) && strlen(id) == HEX_ID && field_is_uuid(id) ? id
												      : NULL;
}

static enum err upload_analyze(struct req *rq)
{
	const char *id = upload_of(req_text(rq, "file_uri")), *format, *said,
		   *name = req_text(rq, "file_name");
	unsigned char sha256[SECRET_BYTES];
	struct arena *a = &rq->tx.arena;
	struct storage_object o;
	PGresult *res;
	enum err rc;
	int fd;

	if (!id)
		return req_fail_field(rq, ERR_NOT_FOUND, "file_uri", "File not found");
	req_set(rq, "upload", id);
	rc = tx_call(&rq->tx, &q_record_upload_pending, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail_field(rq, ERR_NOT_FOUND, "file_uri", "File not found");
	format = kept(rq, res, "format");
	if (name) {
		name = filename_clean(a, name);
		said = import_file_format(name);
		if (!said || !format || strcmp(said, format) != 0)
			return unknown_type(rq);
	}
	o = (struct storage_object){ .tenant_id = kept(rq, res, "tenant_id"),
				     .id = kept(rq, res, "object_id"),
				     .backend = kept(rq, res, "backend"),
				     .content_type = kept(rq, res, "content_type"),
				     .size = column_int(res, 0, "size") };
	req_set(rq, "sha256", NULL);
	if (!column_bool(res, 0, "is_taken")) {
		rc = storage_take(a, &o, sha256, &rq->tx.fail);
		if (rc)
			return rc;
		req_set(rq, "sha256", secret_bytea(a, sha256, sizeof(sha256)));
	}
	fd = storage_open(a, &o, &rq->tx.fail);
	if (fd < 0)
		return rq->tx.fail.err;
	rc = survey(rq, fd, format, req_text(rq, "encoding"), req_text(rq, "sheet"));
	close(fd);
	req_set(rq, "file_name", name);
	return rc ? rc : answer_rows(rq, &q_record_upload_surveyed);
}

static bool has_text(struct json_object *list, const char *text)
{
	size_t n = json_object_array_length(list);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text))
			return true;
	return false;
}

/* Is there a column for each field that has to have a value? */
static enum err check_required(struct req *rq, struct json_object *mappings, const struct record_schema *s)
{
	for (const struct record_field *f = s->fields; f < s->fields + s->n; f++) {
		bool is_there = f->def || !f->is_required;

		json_object_object_foreach(mappings, name, key)
		{
			(void)name;
			is_there |= !strcmp(json_object_get_string(key), f->key);
		}
		if (!is_there)
			return req_fail_field(rq, ERR_VALIDATION, "field_mappings",
					      "field_mappings: no column is %s, which is required", f->key);
	}
	return ERR_OK;
}

/* Do the columns of the file and the fields go together? */
static enum err check_mappings(struct req *rq, const char *names, const struct record_schema *s)
{
	struct json_object *mappings = req_value(rq, "field_mappings")->json, *columns;
	struct arena *a = &rq->tx.arena;
	const char *problem;

	if (json_read(a, names, strlen(names), &columns, &problem))
		return req_fail_inside(rq, ERR_INTERNAL, "a survey cannot be read: %s", problem);
	json_object_object_foreach(mappings, name, key)
	{
		if (!has_text(columns, name))
			return req_fail_field(rq, ERR_BAD_REQUEST, "field_mappings",
					      "field_mappings: the file has no column %s", name);
		if (!record_schema_find(s, json_object_get_string(key)))
			return req_fail_field(rq, ERR_BAD_REQUEST, "field_mappings",
					      "field_mappings.%s: there is no field %s", name,
					      json_object_get_string(key));
		json_object_object_foreach(mappings, other, twin)
		{
			if (strcmp(other, name) != 0 &&
			    !strcmp(json_object_get_string(twin), json_object_get_string(key)))
				return req_fail_field(rq, ERR_BAD_REQUEST, "field_mappings",
						      "field_mappings: %s and %s are both %s", name, other,
						      json_object_get_string(key));
		}
	}
	return check_required(rq, mappings, s);
}

/* How the rows are to be read, as the run keeps it. */
static void set_options(struct req *rq)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 1024);
	buf_char(&b, '{');
	jx_key(&b, "field_mappings");
	buf_text(&b, json_object_to_json_string_ext(req_value(rq, "field_mappings")->json,
						    JSON_C_TO_STRING_PLAIN));
	jx_key(&b, "skip_invalid_rows"), jx_bool(&b, req_value(rq, "skip_invalid_rows")->b);
	jx_key_str(&b, "date_format", req_text(rq, "date_format"));
	jx_key_str(&b, "decimal", req_text(rq, "decimal"));
	if (req_value(rq, "mode") && !strcmp(req_text(rq, "mode"), "upsert"))
		jx_key_str(&b, "match_field", req_text(rq, "match_field"));
	if (req_value(rq, "dry_run") && req_value(rq, "dry_run")->b)
		jx_key(&b, "dry_run"), jx_bool(&b, true);
	buf_char(&b, '}');
	req_set(rq, "options", buf_str(&b));
}

static enum err import_create(struct req *rq)
{
	const struct value *settings = req_value(rq, "settings");
	struct arena *a = &rq->tx.arena;
	struct record_schema s;
	struct buf fields;
	PGresult *res;
	enum err rc;

	rc = record_schema_read(a, req_value(rq, "schema")->json, "schema", &s, &rq->tx.fail);
	if (!rc)
		rc = record_schema_settings(a, settings && settings->given ? settings->json : NULL,
					    &rq->tx.fail);
	if (!rc)
		rc = tx_call(&rq->tx, &q_record_upload_columns, false, &res);
	if (rc)
		return rc;
	req_set(rq, "upload", kept(rq, res, "upload"));
	rc = check_mappings(rq, column_text(res, 0, "names"), &s);
	if (rc)
		return rc;
	buf_init(&fields, a, 1024);
	record_schema_write(&fields, &s);
	req_set(rq, "fields", buf_str(&fields));
	req_set(rq, "title_field", s.title_field);
	set_options(rq);
	return answer_rows(rq, &q_record_import_create);
}

/* To change records takes a field by which they are found, with a column that is it. */
static enum err check_match(struct req *rq, const struct record_schema *s)
{
	struct json_object *mappings = req_value(rq, "field_mappings")->json;
	const char *match = req_text(rq, "match_field");
	const struct record_field *f;

	if (strcmp(req_text(rq, "mode"), "upsert") != 0)
		return ERR_OK;
	if (!match)
		return req_fail_field(rq, ERR_BAD_REQUEST, "match_field", "match_field is needed for upsert");
	f = record_schema_find(s, match);
	if (!f || !f->is_unique)
		return req_fail_field(rq, ERR_BAD_REQUEST, "match_field",
				      "match_field must be the key of a field that is unique");
	json_object_object_foreach(mappings, name, key)
	{
		(void)name;
		if (!strcmp(json_object_get_string(key), match))
			return ERR_OK;
	}
	return req_fail_field(rq, ERR_BAD_REQUEST, "match_field", "match_field: no column is %s", match);
}

static enum err import_into(struct req *rq)
{
	struct json_object *fields, *object = json_object_new_object();
	struct arena *a = &rq->tx.arena;
	struct record_schema s;
	const char *text, *problem;
	PGresult *res;
	enum err rc;

	rc = tx_call(&rq->tx, &q_record_import_target, false, &res);
	if (rc || !PQntuples(res)) {
		json_object_put(object);
		return rc ? rc : answer_not_found(rq, req_path_text(rq, "recordset_id"));
	}
	text = column_text(res, 0, "_fields");
	rc = json_read(a, text, strlen(text), &fields, &problem);
	json_object_object_add(object, "fields", json_object_get(fields));
	if (!rc)
		rc = record_schema_read(a, object, "schema", &s, &rq->tx.fail);
	json_object_put(object);
	if (rc)
		return rc;
	req_set(rq, "upload", kept(rq, res, "upload"));
	rc = check_mappings(rq, column_text(res, 0, "names"), &s);
	if (!rc)
		rc = check_match(rq, &s);
	if (rc)
		return rc;
	set_options(rq);
	return answer_rows(rq, &q_record_import_into);
}
