/*
 * Projects as the team of their tenant sees them, whoever owns them.
 *
 * Pages end, and a search looks back, as far as it costs less than it shows.
 */
#include <stdlib.h>

#include "build/sql/work/dashboard_projects.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

enum { MOST_SHOWN = 10000 };

/* clang-format off */
static const struct field list_in[] = {
	{ "search",   F_TEXT, 0, .max = 255, .about = "only projects whose name contains this, among the newest 10,000; up to 200 of them", .example = "web" },
	{ "owner_id", F_UUID, 0, .about = "only those of this user, by the id in lists of the team" },
	FIELD_END
};

static const struct field project[] = {
	{ "id",          F_UUID,     0 },
	{ "name",        F_TEXT,     0, .example = "Website" },
	{ "description", F_TEXT,     F_NULL, .example = "The new marketing site" },
	{ "owner_id",    F_UUID,     0 },
	{ "owner_sub",   F_TEXT,     0, .about = "what the owner is known by in tokens and on the app surface", .example = "user_demo" },
	{ "owner_email", F_EMAIL,    F_NULL, .example = "ada@example.com" },
	{ "owner_name",  F_TEXT,     F_NULL, .example = "Ada Lovelace" },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct shape project_shape_of_team = { "TeamProject", project, "Project" };
/* clang-format on */

static enum err dashboard_project_list(struct req *rq)
{
	if (atoll(req_text(rq, "skip")) + atoll(req_text(rq, "limit")) > MOST_SHOWN)
		return req_fail_field(rq, ERR_VALIDATION, "page",
				      "pages end at %d projects: search, or ask for one owner's", MOST_SHOWN);
	return answer_rows(rq,
			   req_text(rq, "search") ? &q_dashboard_project_search : &q_dashboard_project_list);
}

/* clang-format off */
#define BASE "/api/v1/dashboard/projects"

const struct route dashboard_project_routes[] = {
	{ GET,    BASE, "platform.projects.list_dashboard_projects", &by_team, "List the projects",
	  .about = "Of all users, newest first; pages end at 10,000.",
	  .query = list_in, .out = &project_shape_of_team, .list = &turned, .items = "projects", .sql = &q_dashboard_project_list, .run = dashboard_project_list },
	{ GET,    BASE "/{project_id}", "platform.projects.get_dashboard_project", &by_team, "Get a project",
	  .out = &project_shape_of_team, .sql = &q_dashboard_project_get },
	{ DELETE, BASE "/{project_id}", "platform.projects.delete_dashboard_project", &by_team_admin, "Delete a project",
	  .about = "Put down in the audit log.", .out = &project_shape_of_team, .sql = &q_dashboard_project_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
