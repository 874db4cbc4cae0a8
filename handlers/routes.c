/*
 * The list of all route tables: all that fcgi/ knows of the handlers.
 */
#include "handlers/routes.h"

/* clang-format off */
const struct route *const route_tables[] = {
	health_routes,
	contact_routes,
	docs_routes,
	user_routes,
	passkey_routes,
	admin_user_routes,
	mfa_routes,
	oauth_routes,
	issuer_routes,
	webhook_routes,
	dashboard_webhook_routes,
	platform_user_routes,
	impersonation_routes,
	flag_routes,
	audit_routes,
	task_queue_routes,
	bull_queue_routes,
	admin_job_routes,
	webhook_in_routes,
	webhook_event_routes,
	dashboard_stats_routes,
	auth_routes,
	password_routes,
	verification_routes, mailed_link_routes,
	session_routes,
	project_routes,
	realtime_routes,
	organization_routes,
	member_routes,
	invitation_routes,
	department_routes,
	tenant_auth_routes,
	settings_routes,
	api_key_routes,
	team_routes,
	NULL,
};
/* clang-format on */
