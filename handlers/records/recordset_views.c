/* Views of a recordset: how members look at it. */
#include "build/sql/records/recordset_views.h"
#include "fcgi/route.h"
#include "handlers/records/record_filter.h"
#include "handlers/records/recordsets.h"

/* clang-format off */
static const char *const view_types[] = { "table", "board", "map", "calendar", "gallery", NULL };
static const char *const orders[] = { "asc", "desc", NULL };

static const struct field config[] = {
	{ "columns",         F_LIST,   0, .item = F_TEXT, .max = 500, .example = "[\"place\",\"depth\"]" },
	{ "sort_by",         F_TEXT,   0, .max = 63, .example = "depth" },
	{ "sort_order",      F_ENUM,   0, .values = orders, .example = "desc" },
	{ "column_filters",  F_OBJECT, F_RARE },
	{ "date_filters",    F_OBJECT, F_RARE },
	{ "numeric_filters", F_OBJECT, F_RARE },
	{ "filter",          F_OBJECT, F_RARE, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	{ "group_by",        F_TEXT,   F_RARE, .max = 63 },
	FIELD_END
};

static const struct field view[] = {
	{ "id",            F_UUID,     OUT },
	{ "recordset_id",  F_UUID,     OUT },
	{ "name",          F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "The deepest" },
	{ "view_type",     F_ENUM,     OUT | NEW | SET, .values = view_types, .def = "table" },
	{ "config",        F_OBJECT,   OUT, .example = "{\"sort_by\":\"depth\"}" },
	{ "config",        F_OBJECT,   NEW | SET, .fields = config, .about = "and what else the product's pages need; replaced whole" },
	{ "is_default",    F_BOOL,     OUT | NEW | SET, .def = "false", .about = "the one before is it no more" },
	{ "is_shared",     F_BOOL,     OUT | NEW | SET, .def = "false", .about = "false: its maker's alone" },
	{ "created_by_id", F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",    F_DATETIME, OUT },
	{ "updated_at",    F_DATETIME, OUT },
	FIELD_END
};

static const struct shape view_shape = { "RecordsetView", view };

static const struct constraint constraints[] = {
	{ "recordset_views_config_size", ERR_VALIDATION, "config", "config may have 64 KiB" },
	{ "recordset_views_default",     ERR_CONFLICT,   "is_default", "another view became the default at the same time" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/recordsets/{recordset_slug}/views"

const struct route recordset_view_routes[] = {
	{ GET,    BASE,              "workspace.records.list_recordset_views",  &by_member, "List a recordset's views", "Those that are shared, and one's own; the default first. Needs can_view on the recordset.",
	  .params = recordset_path, .out = &view_shape, .list = &unwrapped, .errors = refused, .sql = &q_recordset_view_list },
	{ POST,   BASE,              "workspace.records.create_recordset_view", &by_member, "Create a view", "Needs can_view on the recordset; one that is shared, or the default, can_admin.",
	  .params = recordset_path, .body = view, .as = NEW, .out = &view_shape, .constraints = constraints, .errors = refused, .sql = &q_recordset_view_create },
	{ PUT,    BASE "/{view_id}", "workspace.records.update_recordset_view", &by_member, "Change a view", "One's own; one that is shared with can_admin on the recordset.",
	  .params = recordset_path, .body = view, .as = SET, .out = &view_shape, .constraints = constraints, .errors = refused, .sql = &q_recordset_view_update },
	{ DELETE, BASE "/{view_id}", "workspace.records.delete_recordset_view", &by_member, "Delete a view", "One's own; one that is shared with can_admin on the recordset.",
	  .params = recordset_path, .out = &view_shape, .errors = refused, .sql = &q_recordset_view_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
