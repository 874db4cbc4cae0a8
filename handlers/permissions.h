/*
 * Permissions by name, for the column .may of a route: handlers/permissions.def
 * has them all.
 */
#ifndef HANDLERS_PERMISSIONS_H
#define HANDLERS_PERMISSIONS_H

#include "fcgi/route.h"

#define PERMISSION(constant, name, place, roles) extern const struct permission constant;
#define CAN(name, roles) extern const struct permission name;
#define CAN_OR_OWN(name, roles, own, own_roles) extern const struct permission name, own;
#define ROLE_OR(constant, name, roles, other) extern const struct permission constant;
#include "handlers/permissions.def"

/* All of them; the last is NULL. */
extern const struct permission *const permissions[];

/* The roles of members; and those that may be given, which leaves out the owner's. */
extern const char *const member_roles[];
extern const char *const member_roles_given[];

/* As the platform surface shows them (sql: platform_role()). */
extern const char *const platform_roles[];

/* The same as the workspace surface calls them (sql: workspace_role()). */
extern const char *const workspace_roles[];
extern const char *const workspace_roles_given[];

#endif
