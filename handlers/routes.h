/*
 * Every resource's route table, one line each, and the shapes that resources share.
 */
#ifndef ASHLAR_HANDLERS_ROUTES_H
#define ASHLAR_HANDLERS_ROUTES_H

#include "fcgi/route.h"

extern const struct route contact_routes[];
extern const struct route health_routes[];
extern const struct route docs_routes[];
extern const struct route user_routes[];
extern const struct route passkey_routes[];
extern const struct route admin_user_routes[];
extern const struct route mfa_routes[];
extern const struct route oauth_routes[];
extern const struct route issuer_routes[];
extern const struct route webhook_routes[];
extern const struct route dashboard_webhook_routes[];
extern const struct route platform_user_routes[];
extern const struct route impersonation_routes[];
extern const struct route flag_routes[];
extern const struct route audit_routes[];
extern const struct route task_queue_routes[];
extern const struct route bull_queue_routes[];
extern const struct route admin_job_routes[];
extern const struct route webhook_in_routes[];
extern const struct route webhook_event_routes[];
extern const struct route dashboard_stats_routes[];
extern const struct route auth_routes[];
extern const struct route password_routes[];
extern const struct route verification_routes[];
extern const struct route mailed_link_routes[];
extern const struct route session_routes[];
extern const struct route project_routes[];
extern const struct route realtime_routes[];
extern const struct route organization_routes[];
extern const struct route member_routes[];
extern const struct route invitation_routes[];
extern const struct route department_routes[];
extern const struct route tenant_auth_routes[];
extern const struct route settings_routes[];
extern const struct route api_key_routes[];
extern const struct route team_routes[];

/* A user as the app and admin trees show it. */
extern const struct shape user_shape;

/* An organization and a department as members see them. */
extern const struct shape organization_shape;
extern const struct shape department_shape;

/* What events show as answers do (events.c). */
extern const struct shape flag_shape;
extern const struct shape invitation_shape;
extern const struct shape project_shape;

/* Where there is nothing to show but that it was done: {"message": "…"}. */
extern const struct shape message_shape;

/*
 * The roles a user may have, and those that an issuer may give.  Beyond user,
 * admin and superadmin they count on the operations surface (handlers/permissions.h);
 * everywhere else they are users.
 */
extern const char *const user_roles[];
extern const char *const user_roles_of_issuers[];

#endif
