/*
 * What is done about subscriptions of itself: a table of steps, each with its day, the mail that it sends and
 * what else it does (sql/functions/billing/steps.sql); and the terms of a plan: a trial, and seats that
 * follow the members.
 */
#include "build/sql/billing/steps.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const char *const topics[] = { "past_due", "trial_end", NULL };
static const char *const mails[] = { "payment_past_due", "payment_last_notice", "trial_ending", NULL };
static const char *const actions[] = { "none", "cancel", NULL };
static const char *const seatings[] = { "fixed", "members", NULL };

static const struct field step[] = {
	{ "about",  F_ENUM, OUT | SET | F_REQUIRED, .values = topics },
	{ "day",    F_INT,  OUT | SET | F_REQUIRED, .min = -60, .max = 365, .about = "since it was behind with its payment; of a trial 0 or less: before its end", .example = "3" },
	{ "mail",   F_ENUM, OUT | SET | F_NULL, .values = mails, .about = "to the user, or the organization's owners and admins" },
	{ "action", F_ENUM, OUT | SET, .values = actions, .def = "none", .about = "cancel: the subscription ends" },
	FIELD_END
};

static const struct field steps[] = {
	{ "steps", F_LIST, OUT | SET | F_REQUIRED, .fields = step, .max = 20, .example = "[{\"about\": \"past_due\", \"day\": 3, \"mail\": \"payment_past_due\", \"action\": \"none\"}]" },
	FIELD_END
};

static const struct field terms[] = {
	{ "plan_id",    F_UUID, OUT },
	{ "trial_days", F_INT,  OUT | SET, .min = 0, .max = 730, .about = "of whoever subscribes for the first time", .example = "14" },
	{ "seats",      F_ENUM, OUT | SET, .values = seatings, .about = "members: the quantity is how many members the organization has" },
	FIELD_END
};

static const struct shape steps_shape = { "BillingSteps", steps };
static const struct shape terms_shape = { "PlanTerms", terms, "Plan" };
/* clang-format on */

static enum err billing_steps_put(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_billing_step_put, false, &res);

	return rc ? rc : answer_rows(rq, &q_billing_step_list);
}

static const enum err errors[] = { ERR_VALIDATION, ERR_OK };

/* clang-format off */
#define STEPS "/api/v1/dashboard/billing-steps"
#define TERMS "/api/v1/dashboard/plans/{plan_id}/terms"

const struct route billing_step_routes[] = {
	{ GET, STEPS, "platform.billing.get_billing_steps", &by_team, "Get what is done about payments of itself",
	  .out = &steps_shape, .sql = &q_billing_step_list },
	{ PUT, STEPS, "platform.billing.put_billing_steps", &by_team_admin, "Set what is done about payments of itself",
	  .about = "In place of all steps that there were. Each is done once for a payment that is due, or a trial, within an hour of its day.",
	  .body = steps, .as = SET, .out = &steps_shape, .errors = errors, .sql = &q_billing_step_list, .run = billing_steps_put },
	{ GET, TERMS, "platform.billing.get_plan_terms", &by_team, "Get a plan's terms",
	  .out = &terms_shape, .sql = &q_plan_terms_get },
	{ PUT, TERMS, "platform.billing.put_plan_terms", &by_team_admin, "Set a plan's terms",
	  .about = "What is left out stays. A trial is of checkouts from now on; seats follow within an hour.",
	  .body = terms, .as = SET, .out = &terms_shape, .sql = &q_plan_terms_put },
	ROUTE_END
};
/* clang-format on */
