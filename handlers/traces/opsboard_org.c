#include "handlers/traces/opsboard_org.h"

#include "fcgi/req.h"
#include "lib/host/config.h"

/* clang-format off */
const char *const opsboard_plans[] = { "free", "pro", "enterprise", NULL };
const char *const opsboard_roles[] = { "owner", "admin", "developer", "business_user", NULL };

const struct field opsboard_org[] = {
	{ "id",                                F_UUID, OUT, .example = "organization" },
	{ "name",                              F_TEXT, OUT | NEW | NEEDED, .min = 1, .max = 255, .example = "Harbour Works" },
	{ "prem_status",                       F_ENUM, OUT, .values = opsboard_plans },
	{ "subscription_id",                   F_TEXT, OUT | F_NULL_OUT, .example = "sub_harbour" },
	{ "subscription_end_date",             F_INT,  OUT | F_NULL_OUT, .about = "seconds since 1970", .example = "1769860800" },
	{ "subscription_start_date",           F_INT,  OUT | F_NULL_OUT, .example = "1767268800" },
	{ "subscription_cancel_at_period_end", F_BOOL, OUT | F_NULL_OUT },
	{ "current_user_role",                 F_ENUM, OUT | F_NULL_OUT, .values = opsboard_roles },
	{ "current_member_count",              F_INT,  OUT | F_NULL_OUT, .about = "with those who are invited", .example = "4" },
	{ "max_member_count",                  F_INT,  OUT | F_NULL_OUT, .about = "null: no limit", .example = "1" },
	{ "current_project_count",             F_INT,  OUT | F_NULL_OUT, .example = "2" },
	{ "max_project_count",                 F_INT,  OUT | F_NULL_OUT, .about = "null: no limit", .example = "1" },
	{ "paid_member_count",                 F_INT,  OUT | F_NULL_OUT, .about = "members with a seat", .example = "4" },
	FIELD_END
};

const struct field opsboard_project_path[] = {
	{ "project_id", F_UUID, 0, .about = "the project's id", .example = "trace project" },
	FIELD_END
};
/* clang-format on */

void opsboard_org_limits(struct req *rq)
{
	req_set(rq, "members", arena_fmt(&rq->tx.arena, "%ld", cfg.freeplan_max_users));
	req_set(rq, "projects", arena_fmt(&rq->tx.arena, "%ld", cfg.freeplan_max_projects));
}
