/*
 * The list of all route tables: all that fcgi/ knows of the handlers.
 */
#include "handlers/routes.h"

/* clang-format off */
const struct route *const route_tables[] = {
	health_routes,
	docs_routes,
	user_routes,
	admin_user_routes,
	project_routes,
	NULL,
};
/* clang-format on */
