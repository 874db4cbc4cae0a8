/*
 * Entity schemas: what records of the platform surface look like.  They are recordsets, in another dialect:
 * fields are an object by their names, with other words for some types, and bounds for values.  Every member
 * of the organization may work with them.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/entity_schemas.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "providers/record_schema.h"
#include "handlers/shapes.h"
#include "lib/base/value_pattern.h"

static enum err entity_schema_write(struct req *rq);

/* clang-format off */
static const char *const types[] = { "string", "integer", "float", "boolean", "datetime", "text", "enum", "email", "url", "phone", NULL };
/* What recordsets call them. */
static const char *const stored_types[] = { "text", "number", "number", "boolean", "datetime", "long_text", "select", "email", "url", "phone" };

static const struct pattern field_name = { "^[A-Za-z][A-Za-z0-9_]{0,62}$", "a letter, and up to 62 letters, digits and _" };

static const struct field definition[] = {
	{ "type",       F_ENUM,   F_REQUIRED, .values = types, .example = "string" },
	{ "required",   F_BOOL,   0, .example = "true" },
	{ "default",    F_JSON,   F_NULL },
	{ "min",        F_NUMBER, F_NULL | F_SIGNED },
	{ "max",        F_NUMBER, F_NULL | F_SIGNED },
	{ "min_length", F_INT,    F_NULL, .max = RECORD_TEXT_MAX },
	{ "max_length", F_INT,    F_NULL, .min = 1, .max = RECORD_TEXT_MAX },
	{ "pattern",    F_TEXT,   F_NULL, .min = 1, .max = VALUE_PATTERN_MAX },
	{ "options",    F_LIST,   F_NULL, .item = F_TEXT, .max = RECORD_OPTIONS },
	FIELD_END
};

static const struct field schema[] = {
	{ "id",                F_UUID,     OUT },
	{ "tenant_id",         F_UUID,     OUT },
	{ "organization_id",   F_UUID,     OUT },
	{ "name",              F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .about = "one of its own in the organization", .example = "Berths" },
	{ "slug",              F_SLUG,     OUT | NEW | SET | NEEDED, .max = 120, .about = "the same", .example = "berths" },
	{ "description",       F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Where boats lie" },
	{ "fields_definition", F_OBJECT,   OUT | NEW | SET | NEEDED, .item = F_OBJECT,
	  .about = "by the fields' names, each {type, required, default, min, max, min_length, max_length, pattern, options}; type is string, integer, float, boolean, datetime, text, enum, email, url or phone",
	  .example = "{\"mail\":{\"type\":\"email\",\"required\":true,\"max_length\":100},\"length_m\":{\"type\":\"float\",\"min\":0},\"state\":{\"type\":\"enum\",\"options\":[\"free\",\"taken\"],\"default\":\"free\"}}" },
	{ "version",           F_INT,      OUT, .about = "counts the changes of fields_definition" },
	{ "is_active",         F_BOOL,     OUT | SET, .about = "false: it takes no new records", .example = "true" },
	{ "created_at",        F_DATETIME, OUT },
	{ "updated_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct field dashboard_in[] = {
	{ "organization_id", F_UUID, F_RARE, .about = "only of this one" },
	FIELD_END
};

/* Of the demo, one without records. */
static const struct field empty_path[] = {
	{ "schema_id", F_UUID, F_REQUIRED, .example = "schema cranes" },
	FIELD_END
};

static const struct shape schema_shape = { "EntitySchema", schema, "Entity schema" };

static const struct constraint constraints[] = {
	{ "recordsets_entity_name_unique", ERR_CONFLICT, "name", "another schema of the organization has this name" },
	{ "recordsets_slug_unique",        ERR_CONFLICT, "slug", "this slug is taken in the organization" },
	{ NULL }
};

static const enum err not_there[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err not_empty[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err not_fit[] = { ERR_VALIDATION, ERR_OK };

#define BASE "/api/v1/entity/schemas"
#define ONE BASE "/{schema_id}"

const struct route entity_schema_routes[] = {
	{ GET,    BASE, "platform.entities.list_schemas",  &by_secret_key_and_member, "List entity schemas", "Of the organization, the newest first.",
	  .out = &schema_shape, .list = &sized, .sql = &q_entity_schema_list },
	{ POST,   BASE, "platform.entities.create_schema", &by_secret_key_and_member, "Create an entity schema", "Its version is 1.",
	  .body = schema, .as = NEW, .out = &schema_shape, .constraints = constraints, .errors = not_fit, .sql = &q_entity_schema_create, .run = entity_schema_write },
	{ GET,    ONE,  "platform.entities.get_schema",    &by_secret_key_and_member, "Get an entity schema",
	  .out = &schema_shape, .sql = &q_entity_schema_get },
	{ PUT,    ONE,  "platform.entities.update_schema", &by_secret_key_and_member, "Change an entity schema",
	  "What is left out stays; fields_definition is whole. Records are checked against it when they are written next.",
	  .body = schema, .as = SET, .out = &schema_shape, .constraints = constraints, .errors = not_fit, .sql = &q_entity_schema_update, .run = entity_schema_write },
	{ DELETE, ONE,  "platform.entities.delete_schema", &by_secret_key_and_member, "Delete an entity schema", "409 as long as it has records.",
	  .params = empty_path, .out = &message_shape, .errors = not_empty, .sql = &q_entity_schema_delete, .status = 200 },
	{ GET,    "/api/v1/dashboard/entity/schemas", "platform.entities.dashboard_list_schemas", &by_team, "List entity schemas of the tenant", "The newest first.",
	  .query = dashboard_in, .out = &schema_shape, .list = &sized, .errors = not_there, .sql = &q_entity_schema_list_all },
	ROUTE_END
};
/* clang-format on */

static void put(void *json)
{
	json_object_put(json);
}

static enum err check_definition(struct arena *a, struct json_object *json, const char *path,
				 struct failure *why)
{
	struct field table[2] = {
		{ .name = path, .type = F_OBJECT, .flags = F_REQUIRED, .fields = definition }, FIELD_END
	};
	struct json_object *object = json_object_new_object();
	struct value v;
	enum err rc;

	json_object_object_add(object, path, json_object_get(json));
	rc = field_from_json(a, table, object, &v, why);
	json_object_put(object);
	return rc;
}

/* The same as recordsets have it.  What was sent stays what it is, since the request may be run again. */
static struct json_object *translated(struct arena *a, const char *name, struct json_object *sent)
{
	struct json_object *json = json_object_new_object();

	arena_defer(a, put, json);
	json_object_object_add(json, "key", json_object_new_string(name));
	for (const struct field *f = definition; f->type != F_END; f++) {
		struct json_object *value = NULL;

		if (json_object_object_get_ex(sent, f->name, &value))
			json_object_object_add(json, f->name, json_object_get(value));
	}
	for (int i = 0; types[i]; i++) {
		struct json_object *type = NULL;

		json_object_object_get_ex(sent, "type", &type);
		if (strcmp(types[i], json_object_get_string(type)) != 0)
			continue;
		json_object_object_add(json, "type", json_object_new_string(stored_types[i]));
		json_object_object_add(json, "integer",
				       json_object_new_boolean(!strcmp(types[i], "integer")));
	}
	return json;
}

static enum err read_field(struct arena *a, const char *name, struct json_object *json,
			   struct record_field *f, struct failure *why)
{
	const char *path = arena_fmt(a, "fields_definition.%s", name);
	struct buf form;
	enum err rc;

	if (!pattern_fits(&field_name, name))
		return failure_set(why, a, ERR_VALIDATION, path,
				   "fields_definition: the name of a field must be %s", field_name.says);
	rc = check_definition(a, json, path, why);
	if (!rc)
		rc = record_schema_field(a, translated(a, name, json), path, f, why);
	if (rc || f->type != RECORD_PHONE || !f->def)
		return rc;
	f->is_dialled = true;
	buf_init(&form, a, 64);
	return record_schema_value(a, f, f->def, arena_fmt(a, "%s.default", path), &form, why);
}

/* The fields as recordsets have them, if any were sent. */
static enum err entity_schema_write(struct req *rq)
{
	const struct value *sent = req_value(rq, "fields_definition");
	struct record_schema s = { 0 };
	struct arena *a = &rq->tx.arena;
	struct buf fields;

	buf_init(&fields, a, 1024);
	if (sent && sent->given) {
		size_t n = (size_t)json_object_object_length(sent->json);

		if (n > RECORD_FIELDS)
			return req_fail_field(rq, ERR_VALIDATION, "fields_definition",
					      "fields_definition must have at most %d fields", RECORD_FIELDS);
		s.fields = arena_alloc(a, (n + 1) * sizeof(*s.fields));
		json_object_object_foreach(sent->json, name, definition_of)
		{
			enum err rc = read_field(a, name, definition_of, &s.fields[s.n++], &rq->tx.fail);

			if (rc)
				return rc;
		}
	}
	record_schema_write(&fields, &s);
	req_set(rq, "fields", buf_str(&fields));
	return answer_rows(rq, rq->asked.route->sql);
}
