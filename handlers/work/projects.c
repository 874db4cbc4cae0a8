/*
 * Projects: each belongs to one user, who alone sees it.
 */
#include "build/sql/work/projects.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field list_in[] = {
	{ "search", F_TEXT, 0, .max = 255, .about = "only projects whose name contains this", .example = "web" },
	FIELD_END
};

static const struct field project[] = {
	{ "id",          F_UUID,     OUT },
	{ "name",        F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Website" },
	{ "description", F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "The new marketing site" },
	{ "owner_id",    F_TEXT,     OUT, .about = "the owner's user id", .example = "user_demo" },
	{ "created_at",  F_DATETIME, OUT },
	{ "updated_at",  F_DATETIME, OUT },
	FIELD_END
};

const struct shape project_shape = { "Project", project };
/* clang-format on */

/* clang-format off */
const struct route project_routes[] = {
	{ GET,    "/api/v1/app/projects",              "app.projects.list",   &by_user, "List my projects",
	  .about = "Newest first. total counts all; of a search up to 51, or to one more than the page ends with.",
	  .query = list_in, .out = &project_shape, .list = &skipped, .sql = &q_project_list },
	{ POST,   "/api/v1/app/projects",              "app.projects.create", &by_user, "Create a project",
	  .body = project, .as = NEW, .out = &project_shape, .sql = &q_project_create },
	{ GET,    "/api/v1/app/projects/{project_id}", "app.projects.get",    &by_user, "Get a project",
	  .out = &project_shape, .sql = &q_project_get },
	{ PATCH,  "/api/v1/app/projects/{project_id}", "app.projects.update", &by_user, "Change a project",
	  .body = project, .as = SET, .out = &project_shape, .sql = &q_project_update },
	{ DELETE, "/api/v1/app/projects/{project_id}", "app.projects.delete", &by_user, "Delete a project",
	  .out = &project_shape, .sql = &q_project_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
