/*
 * Files of the operations surface: texts of a tenant, each under its path.  They are
 * kept in PostgreSQL and written nowhere else, so a path is a name and leads to
 * nothing.
 */
#include "build/sql/content/text_files.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const places[] = { "name", "content", "none", NULL };
static const struct pattern plain = { "^[^\x01-\x1f\x7f]*$", "text without control characters," };

static const struct field file_params[] = {
	{ "file_number", F_INT, F_REQUIRED, .min = 1, .about = "the file's id", .example = "1" },
	FIELD_END
};

static const struct field file[] = {
	{ "id",         F_INT,      OUT, .example = "1" },
	{ "name",       F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .fits = &plain, .example = "Tide tables" },
	{ "path",       F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 500, .fits = &plain, .about = "relative, without . and ..", .example = "harbour/tides/2026.md" },
	{ "file_type",  F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 100, .fits = &plain, .example = "text/markdown" },
	{ "category",   F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 100, .fits = &plain, .example = "tables" },
	{ "size_bytes", F_INT,      OUT, .about = "of the content", .example = "25" },
	{ "created_at", F_DATETIME, OUT },
	{ "updated_at", F_DATETIME, OUT },
	{ "content",    F_TEXT,     DETAIL | NEW | F_NULL_OUT, .max = 1048576, .about = "at most 1 MiB; null: none was ever sent", .example = "High water at 6, low at 12." },
	FIELD_END
};

static const struct field hit[] = {
	FIELDS_OF(file),
	{ "matched_in", F_ENUM, OUT, .values = places, .about = "none: nothing was looked for" },
	{ "snippet",    F_TEXT, OUT | F_NULL, .about = "up to 200 characters around what was found in the content", .example = "High water at 6, low at 12." },
	FIELD_END
};

static const struct field list_in[] = {
	{ "category", F_TEXT, 0, .max = 100, .example = "tables" },
	FIELD_END
};

static const struct field search_in[] = {
	{ "q",         F_TEXT, 0, .max = 200, .about = "in the name or the content, in any case", .example = "water" },
	{ "workspace", F_TEXT, 0, .max = 500, .about = "the first part of the path", .example = "harbour" },
	{ "category",  F_TEXT, 0, .max = 100, .example = "tables" },
	{ "ext",       F_TEXT, 0, .max = 100, .about = "what stands behind the last dot", .example = "md" },
	FIELD_END
};

static const struct shape
	file_shape   = { "TextFile", file, "File" },
	detail_shape = { "TextFileContent", file, "File", .as = DETAIL },
	hit_shape    = { "TextFileHit", hit, "File" };

const struct route text_file_routes[] = {
	{ GET,  "/api/files", "operations.files.list", &by_user_or_key, "List files", .about = "Those of the caller's tenant, the last changed first.",
	  .query = list_in, .out = &file_shape, .list = &leafed, .sql = &q_text_file_list },
	{ POST, "/api/files", "operations.files.upsert", &by_user_or_key, "Write a file",
	  .about = "One that is there under this path is changed: what is left out stays. meta.created says which it was.",
	  .may = &tenant_write, .body = file, .as = NEW, .out = &file_shape, .says = "created", .sql = &q_text_file_put },
	{ GET,  "/api/files/search", "operations.files.search", &by_user_or_key, "Search files",
	  .about = "At most 100: those with q in their name first, then the last changed. What has one or two characters is looked for in the last changed alone, 10,000 names and 700 contents.",
	  .query = search_in, .out = &hit_shape, .list = &capped, .sql = &q_text_file_search },
	{ GET,  "/api/files/{file_number}", "operations.files.get", &by_user_or_key, "Read a file",
	  .params = file_params, .out = &detail_shape, .sql = &q_text_file_get },
	ROUTE_END
};
/* clang-format on */
