/*
 * What signing in to the dashboard and managing its team share.
 */
#ifndef HANDLERS_TENANCY_TEAM_H
#define HANDLERS_TENANCY_TEAM_H

#include "fcgi/field.h"

struct req;

/* The roles of a team. */
extern const char *const team_roles[];

/*
 * The page that a mail leads to: DASHBOARD_URL/reset-password, or without a
 * dashboard our own, PUBLIC_URL/team-reset-password.html.  The arena's.
 */
char *team_dashboard_page(struct req *rq, const char *page);

/* Tenant, and TenantUser: their fields, since both appear inside of others. */
extern const struct field tenant_out[], tenant_user_out[];

#endif
