/*
 * What resources share: shapes, and the roles of users.
 */
#ifndef ASHLAR_HANDLERS_SHAPES_H
#define ASHLAR_HANDLERS_SHAPES_H

#include "fcgi/route.h"

/* A user as the app and admin trees show it. */
extern const struct shape user_shape;

/* An organization and a department as members see them. */
extern const struct shape organization_shape;
extern const struct shape department_shape;

/* What events show as answers do (events.c). */
extern const struct shape flag_shape;
extern const struct shape invitation_shape;
extern const struct shape project_shape;
extern const struct shape goal_event_shape;

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
