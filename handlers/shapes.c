/*
 * Shapes that no resource has for itself.
 */
#include "handlers/shapes.h"

/* clang-format off */
static const struct field message_out[] = {
	{ "message", F_TEXT, 0, .about = "for people" },
	FIELD_END
};
/* clang-format on */

const struct shape message_shape = { "Message", message_out, .is_note = true };
