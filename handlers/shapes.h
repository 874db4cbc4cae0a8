/*
 * What resources share: shapes, the roles of users, the field of a password.
 */
#ifndef ASHLAR_HANDLERS_SHAPES_H
#define ASHLAR_HANDLERS_SHAPES_H

#include "fcgi/route.h"
#include "lib/crypto/password.h"

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
extern const struct shape import_event_shape, import_undone_event_shape, field_converted_event_shape;
extern const struct shape recordset_event_shape, record_event_shape, record_bulk_event_shape,
	record_batch_event_shape;
extern const struct shape work_reassigned_shape;

/* Where there is nothing to show but that it was done: {"message": "…"}. */
extern const struct shape message_shape;

/* The same on the observability surface: {"success": true, "message": "…"}. */
extern const struct shape opsboard_status_shape;

/*
 * The roles a user may have, and those that an issuer may give.  Beyond user,
 * admin and superadmin they count on the operations surface (handlers/permissions.h);
 * everywhere else they are users.
 */
extern const char *const user_roles[];
extern const char *const user_roles_of_issuers[];

/* A password that is to be set: its form.  What else it must be is password_check's to say. */
#define PASSWORD_FIELD(field, sample)                                                                       \
	{                                                                                                   \
		field, F_TEXT, F_REQUIRED | F_NFC,                                                          \
			.min = PASSWORD_MIN, .max = PASSWORD_MAX,                                           \
			.about = "with an upper-case letter, a lower-case letter and a digit; common ones " \
				 "are refused. "                                                            \
				 "Characters are counted, and the password is kept, in NFC",                \
			.example = sample                                                                   \
	}

#endif
