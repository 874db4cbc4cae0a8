#include "fcgi/surface.h"

#include <string.h>

#include "fcgi/event.h"

/* clang-format off */
static const struct surface surfaces[SURFACES] = {
	{ "app", 2, .about = "a product's own users and its operators",
	  .validation_status = 422, .is_strict = true },
	{ "platform", 1, .about = "tenants: pages and servers with API keys, and the dashboard",
	  .validation_status = 422, .is_strict = true, .told = 1 << EVENT_TENANT | 1 << EVENT_ORGANIZATION,
	  .literals = { { ERR_AUTHENTICATION, "Invalid token" }, { ERR_RATE_LIMIT, "Rate limit exceeded" } } },
	{ "workspace", 1, .about = "the members of a workspace",
	  .validation_status = 422, .has_micros = true, .told = 1 << EVENT_ORGANIZATION },
	{ "operations", 1, .about = "jobs, and those who run them", .budget = &budget_operations, .object_head = "{\"data\":", .object_tail = "}",
	  .validation_status = 400, .maps_fields = true, .max_body = 2 << 20,
	  .aliases = { { ERR_API_KEY, ERR_AUTHENTICATION }, { ERR_BAD_REQUEST, ERR_VALIDATION } } },
	{ "observability", 1, .about = "those who watch the installation",
	  .validation_status = 422 },
};
/* clang-format on */

const struct surface *surface_of(const char *route_id)
{
	for (int i = 0; i < SURFACES; i++) {
		size_t n = strlen(surfaces[i].name);

		if (!strncmp(route_id, surfaces[i].name, n) && route_id[n] == '.')
			return &surfaces[i];
	}
	return NULL;
}

const struct surface *surface_at(int i)
{
	return &surfaces[i];
}

const struct surface *surface_find(const char *name)
{
	for (int i = 0; i < SURFACES; i++)
		if (!strcmp(surfaces[i].name, name))
			return &surfaces[i];
	return NULL;
}
