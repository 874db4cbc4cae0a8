#include "handlers/permissions.h"

#define PERMISSION(constant, name, place, roles) \
	const struct permission constant = { name, place, roles, NULL, false };
#define CAN(name, roles) PERMISSION(name, #name, IN_WORKSPACE, roles)
#define CAN_OR_OWN(name, roles, own, own_roles) \
	CAN(own, own_roles)                     \
	const struct permission name = { #name, IN_WORKSPACE, roles, &own, false };
#define ROLE_OR(constant, name, roles, other) \
	const struct permission constant = { name, IN_WORKSPACE, roles, &other, true };
#include "handlers/permissions.def"

const struct permission *const permissions[] = {
#define PERMISSION(constant, name, place, roles) &constant,
#define CAN(name, roles) &name,
#define CAN_OR_OWN(name, roles, own, own_roles) &name, &own,
#define ROLE_OR(constant, name, roles, other) &constant,
#include "handlers/permissions.def"
	NULL,
};

const char *const member_roles[] = {
	"owner", "admin", "member", "developer", "viewer", "business_user", NULL
};
const char *const platform_roles[] = { "owner", "admin", "member", "developer", NULL };
const char *const workspace_roles[] = { "owner", "admin", "member", "viewer", NULL };
const char *const workspace_roles_given[] = { "admin", "member", "viewer", NULL };
const char *const member_roles_given[] = { "admin", "member", "developer", NULL };
