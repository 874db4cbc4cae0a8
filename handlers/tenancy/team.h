/*
 * What signing in to the dashboard and managing its team share.
 */
#ifndef HANDLERS_TENANCY_TEAM_H
#define HANDLERS_TENANCY_TEAM_H

#include "fcgi/field.h"

struct req;

/* The roles of a team. */
extern const char *const team_roles[];

/* A page of the dashboard, for a mail's link: DASHBOARD_URL and the path behind it.  The arena's. */
char *dashboard_page(struct req *rq, const char *path);

/* Tenant, and TenantUser: their fields, since both appear inside of others. */
extern const struct field tenant_out[], tenant_user_out[];

#endif
