/*
 * Entity records: data of an organization, of the form that an entity schema says.  They are records, in the
 * dialect of the platform surface: data is replaced whole, and what is deleted is gone.
 */
#include <string.h>

#include "build/sql/records/entity_records.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/records/record_cache.h"
#include "handlers/records/record_filter.h"
#include "handlers/records/record_input.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/db/rows.h"

static enum err entity_record_create(struct req *rq);
static enum err entity_record_update(struct req *rq);
static enum err entity_record_search(struct req *rq);

/* clang-format off */
static const struct field record[] = {
	{ "id",              F_UUID,     OUT },
	{ "tenant_id",       F_UUID,     OUT },
	{ "organization_id", F_UUID,     OUT },
	{ "schema_id",       F_UUID,     OUT | NEW | NEEDED },
	{ "schema_version",  F_INT,      OUT, .about = "which data was checked against" },
	{ "data",            F_OBJECT,   OUT | NEW | SET | F_REQUIRED, .about = "by the names of the schema's fields, whole", .example = "{\"label\":\"A 12\",\"length_m\":9.5,\"state\":\"taken\"}" },
	{ "created_by_id",   F_UUID,     OUT | F_NULL, .about = "the user; null: one who has left" },
	{ "updated_by_id",   F_UUID,     OUT | F_NULL, .about = "the last one who changed it; null: nobody has" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

/* Its name is that of records of workspaces, and what it names another row of the demo. */
static const struct field record_path[] = {
	{ "record_id", F_UUID, F_REQUIRED, .example = "platform record" },
	FIELD_END
};

static const char *const directions[] = { "asc", "desc", NULL };

static const struct field order_in[] = {
	{ "order_by",  F_TEXT, F_RARE, .min = 1, .max = 63, .def = "created_at", .about = "created_at, updated_at or, of one schema, the name of a field; without a value: at the end, either way", .example = "label" },
	{ "order_dir", F_ENUM, F_RARE, .values = directions, .def = "desc" },
	FIELD_END
};

#define QUERY_ABOUT "by the names of fields, created_at and updated_at: a value, or {operator, value} by eq, ne, gt, gte, lt, lte, like, ilike, in, not_in; all have to hold"
#define QUERY_EXAMPLE "{\"state\":\"taken\",\"length_m\":{\"operator\":\"gte\",\"value\":8}}"

static const struct field search_in[] = {
	{ "schema_id", F_UUID,   0, .about = "left out: of all schemas of the organization, and values are compared as JSON" },
	{ "query",     F_OBJECT, F_TREE, .about = QUERY_ABOUT, .example = QUERY_EXAMPLE },
	FIELD_END
};

static const struct field dashboard_search_in[] = {
	{ "organization_id", F_UUID,   F_REQUIRED },
	{ "schema_id",       F_UUID,   0, .about = "left out: of all schemas of the organization, and values are compared as JSON" },
	{ "query",           F_OBJECT, F_TREE, .about = QUERY_ABOUT, .example = QUERY_EXAMPLE },
	FIELD_END
};

static const struct shape record_shape = { "EntityRecord", record, "Entity record" };

static const struct constraint constraints[] = {
	{ "records_values_size", ERR_VALIDATION, "data", "the data of a record may have 256 KiB" },
	{ NULL }
};

static const enum err not_made[] = { ERR_NOT_FOUND, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };
static const enum err not_written[] = { ERR_NOT_FOUND, ERR_VALIDATION, ERR_OK };
static const enum err not_there[] = { ERR_NOT_FOUND, ERR_OK };

static const struct child written[] = { { "record", &q_entity_record_made }, { NULL } };

#define BASE "/api/v1/entity/records"
#define ONE BASE "/{record_id}"

const struct route entity_record_routes[] = {
	{ POST,   BASE, "platform.entities.create_record", &by_key_and_member, "Create an entity record", "Its data is checked against the schema; all that does not fit is named. 409 where the schema is inactive.",
	  .body = record, .as = NEW, .out = &record_shape, .constraints = constraints, .errors = not_made, .run = entity_record_create },
	{ GET,    ONE,  "platform.entities.get_record",    &by_key_and_member, "Get an entity record",
	  .params = record_path, .out = &record_shape, .sql = &q_entity_record_get },
	{ PUT,    ONE,  "platform.entities.update_record", &by_key_and_member, "Replace an entity record's data", "It is checked against the schema as it is now.",
	  .params = record_path, .body = record, .as = SET, .out = &record_shape, .constraints = constraints, .errors = not_written, .run = entity_record_update, .flags = IF_MATCH },
	{ DELETE, ONE,  "platform.entities.delete_record", &by_key_and_member, "Delete an entity record", "For good.",
	  .params = record_path, .out = &message_shape, .errors = not_there, .sql = &q_entity_record_delete, .status = 200 },
	{ POST,   BASE "/search", "platform.entities.search_records", &by_secret_key_and_member, "Search entity records", "total is counted up to 10,001 where something is asked for.",
	  .query = order_in, .body = search_in, .out = &record_shape, .list = &sized, .errors = not_written, .sql = &q_entity_record_search, .run = entity_record_search, .status = 200 },
	{ POST,   "/api/v1/dashboard/entity/records/search", "platform.entities.dashboard_search_records", &by_team, "Search entity records of an organization", "As its members do.",
	  .query = order_in, .body = dashboard_search_in, .out = &record_shape, .list = &sized, .errors = not_written, .sql = &q_entity_record_search_in, .run = entity_record_search, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* What was sent, against the schema: :given, and which version of it that is. */
static enum err check_data(struct req *rq, const struct record_cached *schema)
{
	struct arena *a = &rq->tx.arena;
	struct json_object *data = req_value(rq, "data")->json;
	struct record_input in;
	struct record_schema s;
	struct buf b, dropped;
	enum err rc = record_input_schema(a, schema->fields, &s, &rq->tx.fail);

	if (rc)
		return rc;
	for (size_t i = 0; i < s.n; i++)
		s.fields[i].is_dialled = s.fields[i].type == RECORD_PHONE;
	record_input_begin(&in, a);
	in.path = "data";
	buf_init(&b, a, 1024);
	buf_init(&dropped, a, 64);
	buf_char(&b, '{');
	record_input_values(&in, &s, true, data, &b, &dropped);
	record_input_defaults(&in, &s, data, &b);
	buf_char(&b, '}');
	req_set(rq, "given", buf_str(&b));
	req_set(rq, "version", arena_fmt(a, "%d", schema->version));
	return record_input_end(&in, &rq->tx.fail);
}

/* The write, and behind it in the same round trip the record as it is now. */
static enum err record_answer(struct req *rq, const struct query *q)
{
	const struct rows_form form = { 0 };
	PGresult *res;
	enum err rc = tx_call_family(&rq->tx, q, written, true, &res);

	if (rc)
		return rc;
	rows_object(answer_open(rq), rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	return answer_close(rq);
}

static enum err no_schema(struct req *rq)
{
	return req_fail_field(rq, ERR_NOT_FOUND, "schema_id", "Entity schema not found");
}

static enum err no_record(struct req *rq)
{
	return answer_not_found(rq, req_text(rq, "record_id"));
}

static enum err entity_record_create(struct req *rq)
{
	return record_cache_write(rq, &(struct record_write){ .recordset = req_text(rq, "schema_id"),
							      .read = &q_entity_fields_of_schema,
							      .write = &q_entity_record_create,
							      .column = "schema_id",
							      .prepare = check_data,
							      .answer = record_answer,
							      .missing = no_schema });
}

static enum err entity_record_update(struct req *rq)
{
	req_set(rq, "if_match", answer_if_match(rq));
	return record_cache_write(rq, &(struct record_write){ .record = req_path_text(rq, "record_id"),
							      .read = &q_entity_fields_of_record,
							      .write = &q_entity_record_update,
							      .column = "schema_id",
							      .prepare = check_data,
							      .answer = record_answer,
							      .missing = no_record });
}

static enum err entity_record_search(struct req *rq)
{
	const struct value *query = req_value(rq, "query");
	const char *way = req_text(rq, "order_dir");
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 512);
	buf_text(&b, "{\"is_entity\":true,\"filters\":");
	rc = record_filter_entity(&rq->tx.arena, query->given ? query->json : NULL,
				  req_text(rq, "schema_id") != NULL, &b, &rq->tx.fail);
	if (rc)
		return rc;
	jx_key_str(&b, "sort_by", req_text(rq, "order_by"));
	jx_key(&b, "descends"), jx_bool(&b, !way || strcmp(way, "asc") != 0);
	buf_char(&b, '}');
	req_set(rq, "asked", buf_str(&b));
	return answer_rows(rq, rq->asked.route->sql);
}
