/*
 * Recordsets: tables that a workspace shapes by itself.
 *
 * What a member may do with one is sql/functions/records/recordsets.sql's to say; what its fields may be,
 * record_schema.h's.  /crud is the same in another dialect: what is put there is replaced whole, and
 * what is deleted does not go through the trash.
 */
#include "build/sql/records/recordsets.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "providers/record_schema.h"
#include "handlers/records/recordsets.h"
#include "handlers/tenancy/member_ref.h"

static enum err recordset_write(struct req *rq);
static enum err recordset_by_id(struct req *rq);

/* clang-format off */
static const char *const types[] = { "custom", "contacts", "companies", "properties", "deals", "products", "operators", "underwriting", NULL };
static const char *const all_types[] = { "custom", "contacts", "companies", "properties", "deals", "products", "operators", "underwriting", "integration", NULL };
static const char *const modes[] = { "TABLE", "MAP", "PIPELINE", NULL };
static const char *const sources[] = { "workspace_admin", "owner", "grant", "none", NULL };

const struct field recordset_permissions[] = {
	{ "can_view",       F_BOOL, 0 },
	{ "can_create",     F_BOOL, 0 },
	{ "can_edit",       F_BOOL, 0 },
	{ "can_edit_own",   F_BOOL, 0 },
	{ "can_delete",     F_BOOL, 0 },
	{ "can_delete_own", F_BOOL, 0 },
	{ "can_admin",      F_BOOL, 0 },
	{ "source",         F_ENUM, 0, .values = sources, .about = "what gives these rights" },
	FIELD_END
};

const struct field recordset_path[] = {
	{ "recordset_slug", F_TEXT, 0, .max = 120, .example = "soundings", .about = "its slug or its id" },
	FIELD_END
};

static const struct field trash_path[] = {
	{ "recordset_slug", F_TEXT, 0, .max = 120, .example = "old-wrecks", .about = "its slug or its id" },
	FIELD_END
};

const struct field recordset_fields[] = {
	{ "id",               F_UUID,     OUT },
	{ "name",             F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Lighthouses" },
	{ "slug",             F_SLUG,     OUT, .example = "lighthouses" },
	{ "slug",             F_SLUG,     NEW | F_RARE, .max = 120, .about = "made of the name, unless given; one that is taken gets a number behind it; it never changes" },
	{ "description",      F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Of the whole coast" },
	{ "type",             F_ENUM,     OUT, .values = all_types },
	{ "type",             F_ENUM,     NEW | SET, .values = types, .def = "custom" },
	{ "mode",             F_ENUM,     OUT | NEW | SET, .values = modes, .def = "TABLE" },
	{ "icon",             F_TEXT,     OUT | NEW | SET | F_NULL, .max = 50, .example = "lighthouse" },
	{ "color",            F_COLOR,    OUT | NEW | SET | F_NULL, .example = "#1a73e8" },
	{ "schema",           F_OBJECT,   OUT | NEW | SET, .fields = record_schema_fields,
	  .about = "whole: a field that is left out goes, and what records have of it stays" },
	{ "settings",         F_OBJECT,   OUT, .example = "{\"versioning_enabled\":true}" },
	{ "settings",         F_OBJECT,   NEW | SET, .fields = record_settings_fields, .about = "and others of the product's own; in a change, those that are sent" },
	{ "is_virtual",       F_BOOL,     OUT, .about = "its rows are an integration's" },
	{ "integration_type", F_TEXT,     OUT | F_NULL },
	{ "staging_table",    F_TEXT,     OUT | F_NULL },
	{ "owner_id",         F_UUID,     OUT | SET | F_NULL_OUT, .about = "a member", .example = "member theo" },
	{ "record_count",     F_INT,      OUT },
	{ "is_active",        F_BOOL,     OUT | SET },
	{ "permissions",      F_OBJECT,   OUT, .fields = recordset_permissions, .about = "the caller's" },
	{ "created_by_id",    F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",       F_DATETIME, OUT },
	{ "updated_at",       F_DATETIME, OUT },
	FIELD_END
};

static const struct field trashed[] = {
	FIELDS_OF(recordset_fields),
	{ "deleted_at",       F_DATETIME, OUT },
	{ "deleted_by",       F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "purge_at",         F_DATETIME, OUT },
	{ "days_until_purge", F_INT,      OUT },
	FIELD_END
};

static const struct field event[] = {
	{ "id",             F_UUID,     0 },
	{ "workspace_id",   F_UUID,     0 },
	{ "name",           F_TEXT,     0, .example = "Lighthouses" },
	{ "slug",           F_SLUG,     0, .example = "lighthouses" },
	{ "description",    F_TEXT,     F_NULL },
	{ "type",           F_ENUM,     0, .values = all_types },
	{ "mode",           F_ENUM,     0, .values = modes },
	{ "schema_version", F_INT,      0, .about = "counts the changes of its schema" },
	{ "owner_id",       F_UUID,     F_NULL },
	{ "is_active",      F_BOOL,     0 },
	{ "created_at",     F_DATETIME, 0 },
	{ "updated_at",     F_DATETIME, 0 },
	FIELD_END
};

static const struct field find_in[] = {
	{ "search",    F_TEXT, 0, .max = 255, .about = "only those whose name, slug or description contains this" },
	{ "type",      F_ENUM, 0, .values = all_types },
	{ "is_active", F_BOOL, 0 },
	FIELD_END
};

static const struct field search_in[] = {
	{ "search", F_TEXT, 0, .max = 255, .about = "only those whose name, slug or description contains this" },
	FIELD_END
};

static const struct field resync_error[] = {
	{ "record_id", F_UUID, 0 },
	{ "column",    F_TEXT, 0, .example = "promoted_num_1" },
	{ "error",     F_TEXT, 0, .example = "depth is no number" },
	FIELD_END
};

static const struct field resync_out[] = {
	{ "recordset_id",  F_UUID, 0 },
	{ "updated_count", F_INT,  0, .about = "of those that were looked at, that had something else in a column", .example = "0" },
	{ "total",         F_INT,  0, .about = "its records" },
	{ "errors",        F_LIST, 0, .fields = resync_error, .about = "up to 100" },
	FIELD_END
};

const struct shape recordset_shape = { "Recordset", recordset_fields };
const struct shape recordset_event_shape = { "EventRecordset", event };
static const struct shape trashed_shape = { "TrashedRecordset", trashed, "Recordset" };
static const struct shape resync_shape = { "RecordsetResync", resync_out, "Recordset" };
static const struct shape permissions_shape = { "RecordsetPermissions", recordset_permissions, "Recordset" };

static const struct constraint constraints[] = {
	{ "recordsets_slug_unique",   ERR_CONFLICT,   "slug",     "this slug is taken" },
	{ "recordsets_owner",         ERR_VALIDATION, "owner_id", "owner_id is no member of this workspace" },
	{ "recordsets_settings_size", ERR_VALIDATION, "settings", "settings may have 64 KiB" },
	{ NULL }
};

static const enum err not_seen[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_fit[] = { ERR_VALIDATION, ERR_OK };

#define BASE "/api/v1/recordsets"
#define ONE BASE "/{recordset_slug}"
#define TRASH BASE "/trash"
#define CRUD "/api/v1/crud/recordsets"
#define CRUD_ONE CRUD "/{recordset_id}"
#define ADMIN "Needs can_admin on the recordset."
#define ADMINS "For owners and admins."

const struct route recordset_routes[] = {
	{ GET,    BASE,               "workspace.records.list_recordsets",           &by_member, "List recordsets", "Those that the caller may see, by name.",
	  .query = find_in, .out = &recordset_shape, .list = &numbered, .size = { 50, 200 }, .sql = &q_recordset_list },
	{ GET,    TRASH,              "workspace.records.list_trashed_recordsets",   &by_member, "List the trash", ADMINS " The latest first. After 30 days each goes for good.",
	  .may = &workspace_admin, .query = search_in, .out = &trashed_shape, .list = &numbered, .size = { 50, 200 }, .sql = &q_recordset_trash_list },
	{ GET,    ONE,                "workspace.records.get_recordset",             &by_member, "Get a recordset", "Needs can_view on the recordset.",
	  .params = recordset_path, .out = &recordset_shape, .sql = &q_recordset_get },
	{ GET,    ONE "/permissions", "workspace.records.get_recordset_permissions", &by_member, "What the caller may do with a recordset",
	  .params = recordset_path, .out = &permissions_shape, .sql = &q_recordset_rights_get },
	{ POST,   BASE,               "workspace.records.create_recordset",          &by_member, "Create a recordset", "The caller owns it.",
	  .may = &can_create_recordset, .body = recordset_fields, .as = NEW, .out = &recordset_shape, .constraints = constraints, .errors = not_fit,
	  .sql = &q_recordset_create, .run = recordset_write },
	{ PUT,    ONE,                "workspace.records.update_recordset",          &by_member, "Change a recordset", ADMIN,
	  .params = recordset_path, .body = recordset_fields, .as = SET, .out = &recordset_shape, .constraints = constraints, .errors = not_fit,
	  .sql = &q_recordset_update, .run = recordset_write },
	{ DELETE, ONE,                "workspace.records.trash_recordset",           &by_member, "Move a recordset to the trash", ADMIN " Its records, views and grants are not found while it is there.",
	  .params = recordset_path, .out = &recordset_shape, .sql = &q_recordset_trash, .status = 204 },
	{ POST,   ONE "/resync-promoted", "workspace.records.resync_promoted_columns", &by_member, "Write a recordset's columns anew", ADMIN " What filters and sorts find records by follows each change by itself; this says which values a column of settings.promoted_fields cannot hold. Up to 10,000 records are looked at at once, the others by a job, as are the places of a map.",
	  .params = recordset_path, .out = &resync_shape, .errors = not_seen, .sql = &q_recordset_resync, .status = 200 },
	{ POST,   TRASH "/{recordset_slug}/restore", "workspace.records.restore_recordset", &by_member, "Take a recordset out of the trash", ADMINS,
	  .may = &workspace_admin, .params = trash_path, .out = &recordset_shape, .sql = &q_recordset_restore, .status = 200 },
	{ DELETE, TRASH "/{recordset_slug}", "workspace.records.purge_recordset",    &by_member, "Delete a recordset for good", ADMINS " It and its records cannot come back.",
	  .may = &workspace_admin, .params = trash_path, .out = &recordset_shape, .sql = &q_recordset_purge, .status = 204 },

	{ GET,    CRUD,               "workspace.records.crud_list_recordsets",      .summary = "List recordsets, for /crud", .alias_of = "workspace.records.list_recordsets" },
	{ GET,    CRUD_ONE,           "workspace.records.crud_get_recordset",        &by_member, "Get a recordset, by its id", "Needs can_view on the recordset.",
	  .out = &recordset_shape, .sql = &q_recordset_get, .run = recordset_by_id },
	{ POST,   CRUD,               "workspace.records.crud_create_recordset",     .summary = "Create a recordset, for /crud", .alias_of = "workspace.records.create_recordset" },
	{ PUT,    CRUD_ONE,           "workspace.records.crud_replace_recordset",    &by_member, "Replace a recordset", ADMIN " What is left out is as in a new one; slug and owner stay.",
	  .body = recordset_fields, .as = NEW, .out = &recordset_shape, .constraints = constraints, .errors = not_fit, .sql = &q_recordset_replace, .run = recordset_by_id },
	{ PATCH,  CRUD_ONE,           "workspace.records.crud_patch_recordset",      &by_member, "Change a recordset, by its id", ADMIN,
	  .body = recordset_fields, .as = SET, .out = &recordset_shape, .constraints = constraints, .errors = not_fit, .sql = &q_recordset_update, .run = recordset_by_id },
	{ DELETE, CRUD_ONE,           "workspace.records.crud_delete_recordset",     &by_member, "Delete a recordset for good, without the trash", ADMIN,
	  .out = &recordset_shape, .sql = &q_recordset_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

/* What is sent of schema and settings is looked at first; what is not sent is as in a new one. */
static enum err recordset_write(struct req *rq)
{
	const struct value *schema = req_value(rq, "schema"), *settings = req_value(rq, "settings");
	struct arena *a = &rq->tx.arena;
	struct record_schema s;
	struct buf fields;
	enum err rc;

	rc = record_schema_read(a, schema && schema->given ? schema->json : NULL, "schema", &s, &rq->tx.fail);
	if (!rc)
		rc = record_schema_settings(a, settings && settings->given ? settings->json : NULL,
					    &rq->tx.fail);
	if (rc)
		return rc;
	buf_init(&fields, a, 1024);
	record_schema_write(&fields, &s);
	req_set(rq, "fields", buf_str(&fields));
	req_set(rq, "title_field", s.title_field);
	return answer_rows(rq, rq->asked.route->sql);
}

/* A recordset that the path names by its id alone. */
static enum err recordset_by_id(struct req *rq)
{
	req_set(rq, "recordset_slug", req_path_text(rq, "recordset_id"));
	return recordset_write(rq);
}
