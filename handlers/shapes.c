/*
 * Shapes that resources share, apart from the list of routes: who needs one does not need them all.
 */
#include "handlers/routes.h"

/* clang-format off */
static const struct field message_out[] = {
	{ "message", F_TEXT, 0, .about = "for people" },
	FIELD_END
};
/* clang-format on */

const struct shape message_shape = { "Message", message_out, .is_note = true };
