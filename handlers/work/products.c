/*
 * Products of a tenant on the operations surface.  What their brand directories hold,
 * brand.json and guidelines, is a row beside each (product_brands): a database value
 * wins, what that lacks comes from the file, and a job writes both anew with each change.
 */
#include "build/sql/work/products.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const statuses[]       = { "idea", "building", "active", "live", "launched", "placeholder", "archived", NULL };
static const char *const made_statuses[]  = { "active", "building", "archived", NULL };
static const char *const given_statuses[] = { "active", "building", "archived", "live", "placeholder", NULL };

static const struct pattern slug_is  = { "^[a-z0-9]+(-[a-z0-9]+)*$", "words of a-z and 0-9 joined by single hyphens," };

static const struct field product_params[] = {
	{ "product_slug", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .about = "the product's slug", .example = "tide-tables" },
	FIELD_END
};

static const struct field find_in[] = {
	{ "status", F_LIST, F_CSV, .item = F_ENUM, .values = statuses, .min = 1, .max = 7, .about = "one of these" },
	{ "q",      F_TEXT, 0, .min = 1, .max = 200, .about = "in the name, slug, tagline or description, in any case", .example = "tide" },
	{ "slug",   F_TEXT, F_RARE, .max = 100, .about = "exactly", .example = "tide-tables" },
	FIELD_END
};

static const struct field product[] = {
	{ "id",           F_INT,      OUT, .example = "1" },
	{ "name",         F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Harbour lights" },
	{ "slug",         F_TEXT,     OUT | NEW, .min = 1, .max = 100, .fits = &slug_is, .about = "unique within the tenant, and never another one; made of the name where it is left out", .example = "harbour-lights" },
	{ "tagline",      F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 300, .example = "See them from afar" },
	{ "description",  F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 20000, .example = "When which light is on, and why." },
	{ "status",       F_ENUM,     NEW, .values = made_statuses, .def = "building" },
	{ "status",       F_ENUM,     SET, .values = given_statuses, .example = "active" },
	{ "status",       F_ENUM,     OUT, .values = statuses },
	{ "domain",       F_TEXT,     OUT | F_NULL_OUT, .about = "of brand.json", .example = "lights.example" },
	{ "brand_color",  F_COLOR,    OUT | SET | F_NULL_OUT | F_NULL_SET, .example = "#204060" },
	{ "accent_color", F_COLOR,    OUT | SET | F_NULL_OUT | F_NULL_SET, .example = "#ffcc00" },
	{ "brand",        F_OBJECT,   OUT, .about = "the whole of brand.json; {} while there is none", .example = "{\"name\":\"Harbour lights\"}" },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field summary[] = {
	{ "total",    F_INT, 0, .example = "4" },
	{ "active",   F_INT, 0, .about = "or live, or launched", .example = "2" },
	{ "building", F_INT, 0, .example = "1" },
	{ "archived", F_INT, 0, .example = "1" },
	{ "other",    F_INT, 0, .about = "idea or placeholder", .example = "0" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "products_slug_unique", ERR_CONFLICT, "slug", "this slug is taken" },
	{ NULL }
};

static const struct shape product_shape = { "Product", product };

static const struct list products = { "data", "meta", { "total", "limit", "offset" }, .counts = summary };
/* clang-format on */

static enum err product_update(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_product_known, false, &res);

	return rc ? rc : answer_rows(rq, &q_product_update);
}

/* clang-format off */
#define BASE "/api/products"

const struct route product_routes[] = {
	{ GET,   BASE, "operations.products.list", &by_person, "List the products of a tenant",
	  .about = "By name, at most 1,000. What a product lacks comes from its brand.json. meta.summary counts all of the tenant's, whatever is asked for.",
	  .query = find_in, .out = &product_shape, .list = &products, .sql = &q_product_list },
	{ POST,  BASE, "operations.products.create", &by_person, "Make a product",
	  .about = "Its brand.json and guidelines are written by a job.",
	  .may = &tenant_write, .body = product, .as = NEW, .out = &product_shape, .constraints = constraints, .sql = &q_product_create },
	{ GET,   BASE "/{product_slug}", "operations.products.get", &by_person, "Get a product",
	  .params = product_params, .out = &product_shape, .sql = &q_product_get },
	{ PATCH, BASE "/{product_slug}", "operations.products.update", &by_person, "Change a product",
	  .about = "One that has a brand directory alone gets its row. Of another status everybody in the tenant is notified.",
	  .may = &tenant_write, .params = product_params, .body = product, .as = SET, .out = &product_shape,
	  .sql = &q_product_update, .run = product_update },
	ROUTE_END
};
/* clang-format on */
