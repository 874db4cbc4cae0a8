#include "handlers/tenancy/organization_header.h"

#include "fcgi/req.h"

/* clang-format off */
const struct field organization_header_in[] = {
	{ "X-Organization-Id", F_UUID, 0, .about = "an organization of the caller; their default one, when left out" },
	FIELD_END
};
/* clang-format on */

enum err organization_header_read(struct req *rq)
{
	const char *organization = req_header(rq, organization_header_in->name);

	if (organization && !field_is_uuid(organization))
		return req_fail_field(rq, ERR_BAD_REQUEST, organization_header_in->name, "%s must be a UUID",
				      organization_header_in->name);
	req_set(rq, "organization", organization);
	return ERR_OK;
}
