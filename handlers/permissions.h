/*
 * Permissions in an organization, for the column .may of a route: which roles
 * have them.
 */
#ifndef HANDLERS_PERMISSIONS_H
#define HANDLERS_PERMISSIONS_H

#include "fcgi/route.h"

extern const struct permission org_read;       /* to be a member is enough */
extern const struct permission org_manage;     /* the organization itself, its members and invitations */
extern const struct permission members_read;   /* what members do, such as their usage */
extern const struct permission billing_read;   /* the subscription */
extern const struct permission billing_manage; /* to subscribe, change and cancel */

/*
 * On the operations surface, for the column .gate: which roles of users may look
 * at what runs for the whole tenant (queues, automations, logs, …), and change it.
 */
extern const struct permission operator_read;
extern const struct permission operator_write;

/* In a workspace, by the names that its permissions have there (WORKSPACE). */
extern const struct permission webhook_view;   /* to see its webhooks and what became of deliveries */
extern const struct permission webhook_manage; /* to make, change, test and remove them */

/* The roles of members; and those that may be given, which leaves out the owner's. */
extern const char *const member_roles[];
extern const char *const member_roles_given[];

#endif
