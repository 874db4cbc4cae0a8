/*
 * The API reference.  nginx serves these from files; the rows are for the document itself.
 */
#include "handlers/shapes.h"

/* clang-format off */
const struct route docs_routes[] = {
	{ GET, "/docs",         "app.health.get_swagger_ui",   &by_anyone, "The reference, to try out (Swagger UI)",
	  .flags = STATIC | BARE, .content_type = "text/html" },
	{ GET, "/redoc",        "app.health.get_redoc",        &by_anyone, "The reference, to read (ReDoc)",
	  .flags = STATIC | BARE, .content_type = "text/html" },
	{ GET, "/openapi.json", "app.health.get_openapi_json", &by_anyone, "This document",
	  .flags = STATIC | BARE, .status = 200 },
	{ GET, "/api/v1/developer/openapi.json", "platform.ops.openapi_json", &by_anyone, "The document of the platform surface",
	  .about = "What the dashboard has is under a tag of its own, platform dashboard. It may be kept for five minutes.",
	  .flags = STATIC | BARE, .status = 200 },
	{ GET, "/api/docs",     "platform.ops.swagger_ui",     &by_anyone, "That document, to try out (Swagger UI)",
	  .flags = STATIC | BARE, .content_type = "text/html" },
	{ GET, "/api/redoc",    "platform.ops.redoc",          &by_anyone, "That document, to read (ReDoc)",
	  .flags = STATIC | BARE, .content_type = "text/html" },
	ROUTE_END
};
/* clang-format on */
