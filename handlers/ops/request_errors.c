/*
 * What a request was refused with, or failed at, by the id that its answer had.
 */
#include "build/sql/ops/request_errors.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field path[] = {
	{ "request_id", F_TEXT, F_REQUIRED, .min = 1, .max = 128 },
	FIELD_END
};

static const struct field request_error[] = {
	{ "request_id",  F_TEXT,     0, .example = "01932f3e-8b5a-4c3d-9e4f-5a6b7c8d9e0f" },
	{ "method",      F_TEXT,     0, .example = "POST" },
	{ "path",        F_TEXT,     0, .about = "of the operation, with its {names}", .example = "/api/v1/app/projects" },
	{ "status",      F_INT,      0, .example = "422" },
	{ "code",        F_TEXT,     0, .example = "VALIDATION_ERROR" },
	{ "message",     F_TEXT,     F_NULL, .example = "name must be a string of 1 to 255 characters" },
	{ "field",       F_TEXT,     F_NULL, .example = "name" },
	{ "happened_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct shape request_error_shape = { "RequestError", request_error };

const struct route request_error_routes[] = {
	{ GET, "/api/v1/mcp/errors/{request_id}", "platform.ops.get_request_error", &by_gateway, "What a request was refused with",
	  .about = "Of the tenant's last 10,000 errors, a few seconds after it was answered: with a secret key any of them, with a token one's own.",
	  .params = path, .out = &request_error_shape, .sql = &q_request_error_get },
	ROUTE_END
};
/* clang-format on */
