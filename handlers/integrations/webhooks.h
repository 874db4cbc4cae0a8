/*
 * What the endpoints of workspaces and those of tenants share: the same rows of
 * the same tables, looked at by other callers.  The queries of
 * sql/queries/integrations/webhooks.sql and these handlers are about the workspace where the
 * route has one (by_member), and about the tenant's own endpoints elsewhere.
 */
#ifndef HANDLERS_INTEGRATIONS_WEBHOOKS_H
#define HANDLERS_INTEGRATIONS_WEBHOOKS_H

#include "fcgi/route.h"

extern const struct field webhook_fields[];
extern const struct field webhook_test_in[];
extern const char *const webhook_states[]; /* of a delivery */
extern const enum err webhook_is_full[], webhook_is_off[];

extern const struct shape webhook_shape;               /* secret masked */
extern const struct shape webhook_secret_shape;        /* secret in full */
extern const struct shape webhook_delivery_shape;      /* in a list */
extern const struct shape webhook_delivery_long_shape; /* with bodies */

extern const struct shape webhook_test_shape;
extern const struct shape webhook_event_shape;

enum err webhooks_write(struct req *rq); /* create, and update */
enum err webhooks_regenerate(struct req *rq);
enum err webhooks_test(struct req *rq);
enum err webhooks_events(struct req *rq); /* all that there are, or those of a workspace */

#endif
