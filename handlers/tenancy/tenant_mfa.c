/*
 * The second factor of members of a tenant's team: handlers/identity/second_factor.h.
 * Signing in asks for it in tenant_auth.c.
 */
#include "build/sql/tenancy/tenant_mfa.h"
#include "fcgi/req.h"
#include "handlers/identity/second_factor.h"

static const struct second_factor_queries of_member = {
	.account = &q_team_mfa_account,
	.enrol = &q_team_mfa_enrol,
	.factor = &q_team_mfa_factor,
	.activate = &q_team_mfa_activate,
	.disable = &q_team_mfa_disable,
	.replace_codes = &q_team_mfa_replace_codes,
	.failed = &q_team_mfa_failed,
};

static enum err tenant_mfa_enrol(struct req *rq)
{
	return second_factor_enrol(rq, &of_member);
}

static enum err tenant_mfa_activate(struct req *rq)
{
	return second_factor_activate(rq, &of_member);
}

static enum err tenant_mfa_disable(struct req *rq)
{
	return second_factor_disable(rq, &of_member);
}

static enum err tenant_mfa_codes(struct req *rq)
{
	return second_factor_codes(rq, &of_member);
}

/* clang-format off */
#define BASE "/api/v1/tenant-auth/mfa"

const struct route tenant_mfa_routes[] = {
	{ GET,    BASE, "platform.identity.tenant_mfa_get", &by_team_any_mode, "Is my second factor on?",
	  .out = &second_factor_status_shape, .sql = &q_team_mfa_get },
	{ POST,   BASE "/totp", "platform.identity.tenant_mfa_enrol", &by_team_any_mode, "Begin with an authenticator app",
	  "As a user does: the secret counts from the first code on, and one that was never confirmed is replaced.",
	  .flags = PRIVATE | RECENT, .out = &second_factor_enrolment_shape, .errors = second_factor_enrol_errors, .run = tenant_mfa_enrol },
	{ POST,   BASE "/totp/verify", "platform.identity.tenant_mfa_activate", &by_team_any_mode, "Turn the second factor on",
	  "The app's first code proves that it has the secret. Answers ten recovery codes, this once.",
	  .needs = { "a secret that was begun with, and its code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = second_factor_first_code_in,
	  .out = &second_factor_codes_shape, .errors = second_factor_activate_errors, .run = tenant_mfa_activate, .status = 200 },
	{ DELETE, BASE "/totp", "platform.identity.tenant_mfa_disable", &by_team_any_mode, "Turn the second factor off",
	  "Needs a code. Secret and recovery codes are deleted.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .body = second_factor_code_in, .errors = second_factor_change_errors,
	  .run = tenant_mfa_disable },
	{ POST,   BASE "/recovery-codes", "platform.identity.tenant_mfa_codes", &by_team_any_mode, "Get new recovery codes",
	  "Needs a code; ten new ones take the place of those that are left.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = second_factor_code_in,
	  .out = &second_factor_codes_shape, .errors = second_factor_change_errors, .run = tenant_mfa_codes, .status = 200 },
	ROUTE_END
};
/* clang-format on */
