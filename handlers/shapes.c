/*
 * Shapes that no resource has for itself.
 */
#include "handlers/shapes.h"

/* clang-format off */
static const struct field message_out[] = {
	{ "message", F_TEXT, 0, .about = "for people" },
	FIELD_END
};

static const struct field status_out[] = {
	{ "success", F_BOOL, 0 },
	{ "message", F_TEXT, F_NULL, .about = "for people" },
	FIELD_END
};
/* clang-format on */

const struct shape message_shape = { "Message", message_out, .is_note = true };
const struct shape opsboard_status_shape = { "StatusResponse", status_out, .is_note = true };
