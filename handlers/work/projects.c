/*
 * Projects: each belongs to one user, who alone sees it.
 */
#include "build/sql/work/projects.h"
#include "fcgi/req.h"
#include "handlers/routes.h"

/* clang-format off */
static const struct field list_in[] = {
	PAGE_FIELDS,
	{ "search", F_TEXT, 0, .max = 255, .about = "only projects whose name contains this", .example = "web" },
	FIELD_END
};

static const struct field create_in[] = {
	{ "name",        F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "Website" },
	{ "description", F_TEXT, F_NULL,     .max = 2000, .example = "The new marketing site" },
	FIELD_END
};

static const struct field update_in[] = {
	{ "name",        F_TEXT, 0,      .min = 1, .max = 255, .example = "Website" },
	{ "description", F_TEXT, F_NULL, .max = 2000, .example = "The new marketing site" },
	FIELD_END
};

static const struct field project_out[] = {
	{ "id",          F_UUID,     0 },
	{ "name",        F_TEXT,     0, .min = 1, .max = 255, .example = "Website" },
	{ "description", F_TEXT,     F_NULL, .max = 2000, .example = "The new marketing site" },
	{ "owner_id",    F_TEXT,     0, .about = "the owner's user id", .example = "user_123abc" },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

const struct shape project_shape = { "Project", project_out };
/* clang-format on */

/* clang-format off */
const struct route project_routes[] = {
	{ GET,    "/api/v1/app/projects",              "app.projects.list",   USER, "List my projects",
	  .query = list_in, .out = &project_shape, .sql = &q_project_list },
	{ POST,   "/api/v1/app/projects",              "app.projects.create", USER, "Create a project",
	  .body = create_in, .out = &project_shape, .sql = &q_project_create },
	{ GET,    "/api/v1/app/projects/{project_id}", "app.projects.get",    USER, "Get a project",
	  .out = &project_shape, .sql = &q_project_get },
	{ PATCH,  "/api/v1/app/projects/{project_id}", "app.projects.update", USER, "Change a project",
	  .body = update_in, .out = &project_shape, .sql = &q_project_update },
	{ DELETE, "/api/v1/app/projects/{project_id}", "app.projects.delete", USER, "Delete a project",
	  .out = &project_shape, .sql = &q_project_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
