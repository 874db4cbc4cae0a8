/*
 * Departments of an organization, which are read here and made in the dashboard.
 */
#include "build/sql/tenancy/departments.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field get_in[] = {
	{ "user_id", F_UUID, F_REQUIRED, .example = "user", .about = "the user whose membership is asked for" },
	FIELD_END
};

static const struct field department[] = {
	{ "id",              F_UUID,     OUT },
	{ "organization_id", F_UUID,     OUT },
	{ "name",            F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 100, .example = "Sales" },
	{ "description",     F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 2000, .example = "Who sells" },
	{ "is_default",      F_BOOL,     OUT | NEW, .def = "false", .about = "true takes the mark from the one that has it" },
	{ "is_active",       F_BOOL,     OUT },
	{ "settings",        F_OBJECT,   OUT | NEW, .example = "{\"cost_center\":\"4711\"}" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const enum err not_a_member[] = { ERR_AUTHORIZATION, ERR_OK };

static const struct constraint create_constraints[] = {
	{ "departments_name_unique", ERR_CONFLICT, "name", "the organization has a department of this name" },
	{ NULL },
};

const struct shape department_shape = { "Department", department };
/* clang-format on */

static enum err department_create(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_department_lock, false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "Organization not found");
	if (req_value(rq, "is_default")->b)
		rc = tx_call(&rq->tx, &q_department_undefault, false, &res);
	return rc ? rc : answer_rows(rq, &q_department_create);
}

/* clang-format off */
const struct route department_routes[] = {
	{ GET, "/api/v1/organizations/{organization_id}/departments", "platform.organizations.list_departments", &by_organization_member,
	  "List an organization's departments", "The default one first, then by name.",
	  .may = &org_read, .out = &department_shape, .list = &sliced, .sql = &q_department_list },
	{ GET, "/api/v1/departments/{department_id}", "platform.organizations.get_department", &by_key_with_user,
	  "Get a department", "For a member of its organization, whom user_id names; a bearer token, if one is sent, must be that user's.",
	  .query = get_in, .out = &department_shape, .errors = not_a_member, .sql = &q_department_get },
	{ POST, "/api/v1/dashboard/organizations/{organization_id}/departments", "platform.organizations.dashboard_create_department", &by_team_admin,
	  "Add a department to an organization",
	  .body = department, .as = NEW, .out = &department_shape, .constraints = create_constraints, .run = department_create },
	ROUTE_END
};
/* clang-format on */
