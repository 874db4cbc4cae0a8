#include "handlers/permissions.h"

/* clang-format off */
const struct permission
	org_read       = { "ORG_READ",       "{owner,admin,developer,member}" },
	org_manage     = { "ORG_MANAGE",     "{owner,admin}" },
	members_read   = { "MEMBERS_READ",   "{owner,admin,developer}" },
	billing_read   = { "BILLING_READ",   "{owner,admin,developer}" },
	billing_manage = { "BILLING_MANAGE", "{owner,admin}" },
	operator_read  = { "OPERATOR_READ",  "{superadmin,admin,editor,builder,agent,viewer}" },
	operator_write = { "OPERATOR_WRITE", "{superadmin,admin,editor,builder,agent}" },
	webhook_view   = { "can_view_webhook",   "{owner,admin}" },
	webhook_manage = { "can_manage_webhook", "{owner,admin}" };
/* clang-format on */

const char *const member_roles[] = { "owner", "admin", "member", "developer", NULL };
const char *const member_roles_given[] = { "admin", "member", "developer", NULL };
