/*
 * As many routes as one likes, made when the program runs, as a product of
 * that size has them: resources of five surfaces with a list, a create, a get, an
 * update, a delete and an action each, whose fields, filters, rights, pools and
 * forms of lists differ.  For t/unit/scale.c and bench/routes.c, each of which
 * has route_tables[] of its own.
 */
#ifndef ASHLAR_MANY_ROUTES_H
#define ASHLAR_MANY_ROUTES_H

#include <ctype.h>
#include <string.h>

#include "fcgi/route.h"
#include "lib/base/arena.h"

enum { MANY_EACH = 6 }; /* rows of a resource */

static const char *const many_nouns[] = { "projects", "contacts",  "invoices",  "payments",
					  "goals",    "deals",     "campaigns", "courses",
					  "listings", "documents", "messages",  "reports" };

static const char *const many_states[] = { "draft", "active", "archived", NULL };
static const char *const many_sorts[] = { "created_at", "name", NULL };
static const struct pattern many_code = { "^[A-Z]{3}-[0-9]{4}$", "a code such as ABC-0001" };
static const struct permission many_may = { "can_edit_thing", IN_WORKSPACE, "{owner,admin,member}" };
static const struct constraint many_constraints[] = {
	{ "things_name_unique", ERR_CONFLICT, "name", NULL },
	{ "things_limit", ERR_LIMIT, NULL, NULL },
	{ NULL },
};
static const char *const many_params[] = { "@tenant",  "state", "owner_id", "search",
					   "has_from", "limit", "skip" };
static const struct query many_rows = { .name = "many_rows",
					.shape = SHAPE_PAGE,
					.nparams = 7,
					.params = many_params },
			  many_row = { .name = "many_row", .shape = SHAPE_ROW },
			  many_done = { .name = "many_done", .shape = SHAPE_EXEC };

/* clang-format off */
static const struct field many_money[] = {
	{ "amount_cents", F_INT,  OUT | NEW | SET | NEEDED },
	{ "currency",     F_TEXT, OUT | NEW | SET | NEEDED, .min = 3, .max = 3, .example = "EUR" },
	FIELD_END
};
static const struct field many_line[] = {
	{ "title",    F_TEXT,   OUT | NEW | SET | NEEDED, .min = 1, .max = 200 },
	{ "quantity", F_NUMBER, OUT | NEW | SET, .def = "1" },
	FIELD_END
};
/* Of each resource a table, so that the fields of none are another's. */
static const struct field many_fields[] = {
	{ "id",          F_UUID,     OUT },
	{ "name",        F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Website" },
	{ "description", F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000 },
	{ "state",       F_ENUM,     OUT | NEW | SET, .values = many_states, .def = "draft" },
	{ "code",        F_TEXT,     OUT | NEW, .fits = &many_code, .example = "ABC-0001" },
	{ "tags",        F_LIST,     OUT | NEW | SET, .item = F_TEXT, .max = 50 },
	{ "price",       F_OBJECT,   OUT | NEW | SET, .fields = many_money },
	{ "lines",       F_LIST,     OUT | NEW | SET, .fields = many_line, .max = 100 },
	{ "owner_id",    F_UUID,     OUT | NEW | SET | F_NULL },
	{ "due_at",      F_DATETIME, OUT | NEW | SET | F_NULL },
	{ "archived",    F_BOOL,     OUT },
	{ "version",     F_INT,      OUT | F_V2 },
	{ "created_at",  F_DATETIME, OUT },
	{ "updated_at",  F_DATETIME, OUT },
	FIELD_END
};
static const struct field many_filters[] = {
	{ "state",    F_ENUM,     .values = many_states },
	{ "owner_id", F_UUID },
	{ "search",   F_TEXT,     .min = 2, .max = 100 },
	{ "from",     F_DATETIME },
	{ "sort_by",  F_ENUM,     .values = many_sorts, .def = "created_at" },
	FIELD_END
};
static const struct field many_action[] = {
	{ "reason", F_TEXT, F_REQUIRED, .min = 1, .max = 500 },
	FIELD_END
};

static const struct many_surface {
	const char *name, *base;
	const struct caller *caller;
	const struct permission *may;
	const struct list *list;
} many_surfaces[] = {
	{ "app",           "/api/v1/app",      &by_user,           NULL,      &skipped },
	{ "platform",      "/api/v1",          &by_user_with_key,  NULL,      &numbered },
	{ "workspace",     "/api/v1",          &by_member,         &many_may, &counted },
	{ "operations",    "/api",             &by_user_or_key,    NULL,      &enveloped },
	{ "observability", "/api/opsboard/v4", &by_operator,       NULL,      &unwrapped },
};
/* clang-format on */

/* Copies, so that each is met for the first time. */
static inline void *many_copy(struct arena *a, const void *p, size_t n)
{
	return memcpy(arena_alloc(a, n), p, n);
}

/* The number-th resource, MANY_EACH rows of it. */
static inline void many_resource(struct arena *a, struct route *rows, int number)
{
	enum { NOUNS = sizeof(many_nouns) / sizeof(*many_nouns) };
	const struct many_surface *s = &many_surfaces[number % 5];
	const char *noun = many_nouns[number % NOUNS];
	char *title = arena_fmt(a, "%s%d", noun, number);
	char *base = arena_fmt(a, "%s/%s-%d", s->base, noun, number);
	/* A few have names for keys, and a few stand below others. */
	const char *key = number % 7 ? "thing_id" : "slug";
	char *one = number % 11 ? arena_fmt(a, "%s/{%s}", base, key)
				: arena_fmt(a, "%s/{parent_id}/parts/{%s}", base, key);
	char *send = arena_fmt(a, "%s/send", one);
	struct shape shape = { arena_fmt(a, "%sAnswer", title),
			       many_copy(a, many_fields, sizeof(many_fields)) };
	struct shape *out = many_copy(a, &shape, sizeof(shape));

	*title = (char)toupper((unsigned char)*title);
	/* clang-format off */
	rows[0] = (struct route){ GET,    base, "list",   .query = many_filters, .out = out, .list = s->list, .sql = &many_rows };
	rows[1] = (struct route){ POST,   base, "create", .body = shape.fields, .as = NEW, .out = out, .sql = &many_row };
	rows[2] = (struct route){ GET,    one,  "get",    .out = out, .sql = &many_row };
	rows[3] = (struct route){ PATCH,  one,  "update", .body = shape.fields, .as = SET, .out = out, .sql = &many_row };
	rows[4] = (struct route){ DELETE, one,  "delete", .sql = &many_done };
	rows[5] = (struct route){ POST,   send, "send",   .body = many_action, .out = out, .sql = &many_row, .status = 200,
				  .flags = number % 3 ? 0 : SLOW };
	/* clang-format on */
	for (int i = 0; i < MANY_EACH; i++) {
		rows[i].id = arena_fmt(a, "%s.%s_%d.%s", s->name, noun, number, rows[i].id);
		rows[i].summary = arena_fmt(a, "%s number %d", title, i);
		rows[i].about = i ? NULL : "The newest first.";
		rows[i].caller = s->caller;
		rows[i].may = s->may;
		rows[i].constraints = many_constraints;
	}
}

/* A table of n rows, which ends as tables do. */
static inline const struct route *many_routes(struct arena *a, int n)
{
	struct route *rows = arena_alloc(a, (size_t)(n + MANY_EACH) * sizeof(*rows));

	for (int i = 0; i < n; i += MANY_EACH)
		many_resource(a, rows + i, i / MANY_EACH);
	rows[n] = (struct route)ROUTE_END;
	return rows;
}

/* A path that a row answers, with something in the places of its {names}. */
static inline const char *many_path(struct arena *a, const struct route *r)
{
	const char *rest = r->path, *name;
	char *path = "";

	for (; (name = strchr(rest, '{')); rest = strchr(name, '}') + 1)
		path = arena_fmt(a, "%s%.*s%s", path, (int)(name - rest), rest,
				 strncmp(name, "{slug}", 6) ? "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f"
							    : "the-first");
	return arena_fmt(a, "%s%s", path, rest);
}

#endif
