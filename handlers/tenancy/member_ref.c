#include "handlers/tenancy/member_ref.h"

#include "handlers/permissions.h"

/* clang-format off */
const struct field member_ref[] = {
	{ "id",           F_UUID,  0, .about = "of the membership" },
	{ "full_name",    F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	{ "display_name", F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	{ "email",        F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "avatar_url",   F_URL,   F_NULL },
	{ "role",         F_ENUM,  0, .values = workspace_roles },
	FIELD_END
};
/* clang-format on */
