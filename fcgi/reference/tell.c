#include "fcgi/reference/tell.h"

#include <string.h>

#include "fcgi/reference/find.h"
#include "fcgi/reference/openapi.h"
#include "fcgi/reference/schema.h"
#include "fcgi/router.h"
#include "fcgi/version.h"
#include "lib/base/jx.h"

/* clang-format off */
const char *const tell_categories[] = {
	"authentication", "organizations", "subscriptions", "billing", "usage", "agents", "users", "plans", "ai", "entities",
	"departments", "files", "external_agents", NULL,
};
/* clang-format on */

static const struct route *row_of(const char *id, size_t n)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++)
		if (strlen(r->id) == n && !memcmp(r->id, id, n))
			return r;
	return NULL;
}

static void add_call(struct buf *b, const struct route *r)
{
	buf_fmt(b, "%s %s", method_name(r->method), r->path);
}

/* Categories */

static bool is_in(const struct route *r, const char *domain)
{
	const char *p = strchr(r->id, '.') + 1;
	size_t n = strlen(domain);

	return !strncmp(p, domain, n) && p[n] == '.';
}

const char *tell_category(const struct route *r)
{
	if (surface_of(r->id) != surface_find("platform") || r->caller->is_team ||
	    r->flags & (STATIC | LINK | SIGNED) || !strncmp(r->path, "/api/v1/dashboard/", 18) ||
	    !strncmp(r->path, "/api/v1/tenant-auth/", 20))
		return NULL;
	if (is_in(r, "identity"))
		return "authentication";
	if (strstr(r->path, "/departments"))
		return "departments";
	if (is_in(r, "agents"))
		return strncmp(r->path, "/api/v1/external-agents", 23) ? "agents" : "external_agents";
	if (is_in(r, "billing"))
		return !strncmp(r->path, "/api/v1/plans", 13) ? "plans"
		       : strstr(r->path, "/subscription")     ? "subscriptions"
							      : "billing";
	for (const char *const *c = tell_categories; *c; c++)
		if (is_in(r, *c))
			return *c;
	return NULL;
}

static void add_categories(struct buf *b)
{
	for (const char *const *c = tell_categories; *c; c++)
		buf_fmt(b, "%s%s", c == tell_categories ? "" : ", ", *c);
}

static const char *spoken(struct arena *a, const char *name)
{
	char *text = arena_dup(a, name);

	for (char *p = text; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	*text = (char)(*text - 32);
	return text;
}

static void add_of_category(struct buf *b, const char *category)
{
	const struct route *r;
	int n = 0;

	buf_fmt(b, "## %s\n\n", spoken(b->arena, category));
	for (int i = 0; (r = route_at(i)); i++) {
		const char *its = tell_category(r);

		if (!its || strcmp(its, category) != 0)
			continue;
		buf_fmt(b, "- %s %s: %s. %s\n", method_name(r->method), r->path, r->summary,
			r->caller->about);
		n++;
	}
	buf_text(b, n ? "\n" : "There is nothing of that in this version.\n\n");
}

bool tell_end_user(struct buf *b, const char *category)
{
	const char *const *c = tell_categories;

	while (category && *c && strcmp(*c, category) != 0)
		c++;
	if (category && !*c) {
		buf_fmt(b, "There is no category \"%.64s\". The categories: ", category);
		add_categories(b);
		return false;
	}
	buf_text(b,
		 "# What end users' pages and servers call\n\n"
		 "All of it under the address of this server; get_endpoint_details tells more of each.\n\n");
	if (category)
		add_of_category(b, category);
	else
		for (c = tell_categories; *c; c++)
			add_of_category(b, *c);
	return true;
}

/* Texts */

static void add_surfaces(struct buf *b)
{
	const struct route *r;

	for (int s = 0; s < SURFACES; s++) {
		int n = 0;

		for (int i = 0; (r = route_at(i)); i++)
			n += surface_of(r->id) == surface_at(s) && !(r->flags & LINK);
		buf_fmt(b, "%s- %s: %s, %d operations", s ? "\n" : "", surface_at(s)->name,
			surface_at(s)->about, n);
	}
}

static void add_errors(struct buf *b)
{
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
		if (err_info((enum err)e)->status >= 400)
			buf_fmt(b, "%s- %d %s: %s", e > 1 ? "\n" : "", err_info((enum err)e)->status,
				err_info((enum err)e)->code, err_info((enum err)e)->message);
}

static void add_paging(struct buf *b)
{
	static const struct list *const forms[] = { &skipped, &numbered, &turned, &windowed };

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		buf_fmt(b, "%s`%s` and `%s`", i ? ", " : "", forms[i]->paging[0], forms[i]->paging[1]);
}

static int count_operations(void)
{
	const struct route *r;
	int n = 0;

	for (int i = 0; (r = route_at(i)); i++)
		n += !(r->flags & LINK);
	return n;
}

/* What stands for a word of n letters in the braces; false: nothing does. */
static bool add_word(struct buf *b, const char *p, size_t n, const char *what)
{
	static const struct {
		const char *name;
		void (*add)(struct buf *b);
	} words[] = {
		{ "errors", add_errors },
		{ "surfaces", add_surfaces },
		{ "categories", add_categories },
		{ "paging", add_paging },
	};
	const struct route *r;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].name) != n || memcmp(words[i].name, p, n) != 0)
			continue;
		words[i].add(b);
		return true;
	}
	if (n == 4 && !memcmp(p, "what", 4))
		buf_text(b, what ? what : "(not said)");
	else if (n == 7 && !memcmp(p, "version", 7))
		buf_text(b, ASHLAR_VERSION);
	else if (n == 10 && !memcmp(p, "operations", 10))
		buf_fmt(b, "%d", count_operations());
	else if ((r = row_of(p, n)))
		buf_char(b, '`'), add_call(b, r), buf_char(b, '`');
	else
		return false;
	return true;
}

/* A line with its words replaced; without, where one of them is not there. */
static void add_line(struct buf *b, const char *p, size_t n, const char *what)
{
	const char *end = p + n;
	size_t from = b->n;

	while (p < end) {
		const char *open = memmem(p, (size_t)(end - p), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;

		if (!close) {
			buf_add(b, p, (size_t)(end - p));
			return;
		}
		buf_add(b, p, (size_t)(open - p));
		if (!add_word(b, open + 2, (size_t)(close - open - 2), what)) {
			b->n = from;
			return;
		}
		p = close + 2;
	}
}

static const char *file(const char *name)
{
	const struct tell_file *f = tell_files;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f->text : "";
}

void tell_of(struct buf *b, const char *name, const char *what)
{
	for (const char *p = file(name); *p;) {
		size_t n = strcspn(p, "\n");

		n += p[n] == '\n';
		add_line(b, p, n, what);
		p += n;
	}
}

/* Search */

bool tell_search(struct buf *b, const char *query)
{
	struct find_hit hits[FIND_MOST];
	int n = find_words(query, hits);

	if (!n) {
		buf_text(b, "Nothing has any of these words. The surfaces:\n\n");
		add_surfaces(b);
		buf_text(b, "\n\nThe categories of end users' endpoints: ");
		add_categories(b);
		return false;
	}
	for (int i = 0; i < n; i++) {
		const struct find_hit *h = &hits[i];

		buf_fmt(b, "%d. ", i + 1);
		if (h->route) {
			add_call(b, h->route);
			buf_fmt(b, ": %s (%s surface)\n", h->route->summary, surface_of(h->route->id)->name);
		} else {
			buf_fmt(b, "The guide, ashlar://guide/%s: %.*s\n", h->page->name, (int)h->heading_len,
				h->heading);
		}
	}
	return true;
}

/* One operation */

/* A path as the rows have it. */
static const char *whole_path(struct arena *a, const char *path)
{
	size_t n = strcspn(path, "?#");

	path = arena_dup_n(a, path, n);
	if (*path != '/')
		path = arena_fmt(a, "/%s", path);
	return path;
}

static int row_at(const char *path, enum method method, const struct route **rows, int most)
{
	const struct route *r;
	struct match m;
	int n = 0;

	for (int i = 0; (r = route_at(i)) && n < most; i++)
		if (!strcmp(r->path, path) && !(r->flags & LINK) &&
		    (method == METHOD_COUNT || r->method == method))
			rows[n++] = r;
	for (int k = 0; !n && k < METHOD_COUNT; k++)
		if ((method == METHOD_COUNT || method == (enum method)k) && k != HEAD && k != OPTIONS &&
		    !router_find((enum method)k, path, &m) && m.route->method == (enum method)k &&
		    !(m.route->flags & LINK) && n < most)
			rows[n++] = m.route;
	return n;
}

/* A place of a path by whatever name: it matches a row's with another one. */
static const char *with_example(struct arena *a, const char *path)
{
	const char *out = "", *open;

	while ((open = strchr(path, '{')) && strchr(open, '}')) {
		out = arena_fmt(a, "%s%.*s%s", out, (int)(open - path), path,
				"00000000-0000-7000-8000-000000000001");
		path = strchr(open, '}') + 1;
	}
	return arena_fmt(a, "%s%s", out, path);
}

enum { METHODS_MOST = 8 };

static int rows_at(struct arena *a, const char *path, enum method method,
		   const struct route *rows[METHODS_MOST])
{
	const char *ways[3];
	int n = 0;

	path = whole_path(a, path);
	ways[0] = path;
	ways[1] = arena_fmt(a, "/api%s", path);
	ways[2] = arena_fmt(a, "/api/v1%s", path);
	for (int i = 0; i < 3 && !n; i++)
		n = row_at(ways[i], method, rows, METHODS_MOST);
	for (int i = 0; i < 3 && !n && strchr(path, '{'); i++)
		n = row_at(with_example(a, ways[i]), method, rows, METHODS_MOST);
	return n;
}

static void add_parameter(struct buf *b, const struct field *f, const char *in, const char *of)
{
	buf_fmt(b, "- `%s` (%s%s): ", f->name, in,
		!strcmp(in, "path") || f->flags & F_REQUIRED ? ", required" : "");
	schema_field(b, f, 1, false);
	if (of)
		buf_fmt(b, " %s", of);
	buf_char(b, '\n');
}

static void add_parameters(struct buf *b, const struct route *r)
{
	int n = route_params(r);

	if (!n && !field_count(r->query) && !field_count(r->headers))
		return;
	buf_text(b, "\nParameters, each with its schema:\n\n");
	for (int i = 0; i < n; i++) {
		struct field f = route_param(r, i);

		add_parameter(b, &f, "path", NULL);
	}
	for (const struct field *f = r->query; f && f->type != F_END; f++)
		add_parameter(b, f, "query", NULL);
	for (const struct field *f = r->headers; f && f->type != F_END; f++)
		add_parameter(b, f, "header", NULL);
	if (r->caller->header)
		buf_fmt(b, "- `%s` (header, required): which organization\n", r->caller->header);
	else if (r->caller->place == IN_WORKSPACE)
		buf_text(
			b,
			"- `X-Workspace-Id` (header): which workspace; without it, the user's default one\n");
}

static void add_block(struct buf *b, const char *title)
{
	buf_fmt(b, "\n%s:\n\n```json\n", title);
}

static void add_body(struct buf *b, const struct route *r)
{
	const struct field *table = r->parts ? r->parts : r->body;

	if (!table)
		return;
	add_block(b, r->parts ? "Body, multipart/form-data" : "Body, application/json: its schema");
	schema_write(b, table, 1, false);
	buf_text(b, "\n```\n");
	if (r->parts)
		return;
	add_block(b, "An example");
	schema_example(b, table, 1);
	buf_text(b, "\n```\n");
}

static void add_answer(struct buf *b, const struct route *r)
{
	buf_fmt(b, "\nAnswer: %d", route_status(r));
	if (!r->out || route_status(r) == 204) {
		buf_fmt(b, "%s\n", route_status(r) == 204 ? ", without a body" : "");
		return;
	}
	buf_text(b, "\n");
	add_block(b, "An example of it");
	openapi_answer(b, r, 1, true);
	buf_text(b, "\n```\n");
}

static void add_refusals(struct buf *b, const struct route *r)
{
	buf_text(b, "\nMay be refused with:");
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
		if (err_info((enum err)e)->status >= 400 && openapi_refuses(r, (enum err)e))
			buf_fmt(b, " %d %s,", err_info(route_error(r, (enum err)e))->status,
				err_info(route_error(r, (enum err)e))->code);
	b->p[b->n - 1] = '\n';
}

static void add_operation(struct buf *b, const struct route *r)
{
	buf_text(b, "# ");
	add_call(b, r);
	buf_fmt(b, "\n\n%s. ", r->summary);
	openapi_describe(b, r);
	buf_fmt(b, "\nOperation id: %s, %s surface.\n", openapi_operation_id(b->arena, r, 1),
		surface_of(r->id)->name);
	add_parameters(b, r);
	add_body(b, r);
	add_answer(b, r);
	add_refusals(b, r);
}

/* Paths that are like one that there is none of. */
static void add_paths(struct buf *b, const char *path)
{
	struct find_hit hits[FIND_MOST];
	int n = find_words(path, hits), shown = 0;

	for (int i = 0; i < n; i++) {
		if (!hits[i].route)
			continue;
		buf_text(b, shown++ ? "\n- " : " There is:\n- ");
		add_call(b, hits[i].route);
	}
	if (!shown) {
		buf_text(b, " The categories of end users' endpoints are ");
		add_categories(b);
	}
	buf_text(b, shown ? "\nsearch_endpoints finds others by words." : "");
}

bool tell_endpoint(struct buf *b, const char *path, const char *method)
{
	const struct route *rows[METHODS_MOST];
	enum method m = method ? method_find(method) : METHOD_COUNT;
	int n;

	if (method && m == METHOD_COUNT) {
		buf_fmt(b, "There is no method \"%.16s\". The methods: GET, POST, PUT, PATCH, DELETE",
			method);
		return false;
	}
	n = rows_at(b->arena, path, m, rows);
	for (int i = 0; i < n; i++) {
		buf_text(b, i ? "\n" : "");
		add_operation(b, rows[i]);
	}
	if (n)
		return true;
	n = method ? rows_at(b->arena, path, METHOD_COUNT, rows) : 0;
	buf_fmt(b, n ? "%.200s has no %s. It has:" : "There is no path \"%.200s\".", path, method);
	for (int i = 0; i < n; i++)
		buf_fmt(b, "%s%s", i ? ", " : " ", method_name(rows[i]->method));
	if (!n)
		add_paths(b, path);
	return false;
}

/* OpenAPI */

/* The rows for end users, NULL-terminated: few enough to be looked through for each of them. */
static const struct route **end_user_rows(struct arena *a)
{
	const struct route *r, **rows;
	int n = 0;

	for (int i = 0; (r = route_at(i)); i++)
		n += tell_category(r) != NULL;
	rows = arena_alloc(a, (size_t)(n + 1) * sizeof(*rows));
	n = 0;
	for (int i = 0; (r = route_at(i)); i++)
		if (tell_category(r))
			rows[n++] = r;
	rows[n] = NULL;
	return rows;
}

static bool is_first_of_path(const struct route *const *rows, const struct route *const *r)
{
	while (rows < r && strcmp((*rows)->path, (*r)->path) != 0)
		rows++;
	return rows == r;
}

static void add_skeleton(struct buf *b)
{
	const struct route **rows = end_user_rows(b->arena);

	buf_text(b, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Ashlar: end users' "
		    "operations\",\"version\":\"" ASHLAR_VERSION
		    "\"},\"servers\":[{\"url\":\"/\"}],\"paths\":{");
	for (const struct route **r = rows; *r; r++) {
		if (!is_first_of_path(rows, r))
			continue;
		buf_text(b, r == rows ? "\n" : ",\n");
		jx_str(b, (*r)->path);
		buf_text(b, ":{");
		for (const struct route **one = r; *one; one++) {
			if (strcmp((*one)->path, (*r)->path) != 0)
				continue;
			jx_key_open(b, arena_lower(b->arena, method_name((*one)->method)), '{');
			jx_key_str(b, "operationId", openapi_operation_id(b->arena, *one, 1));
			jx_key_str(b, "summary", (*one)->summary);
			buf_char(b, '}');
		}
		buf_char(b, '}');
	}
	buf_text(b, "\n}}\n");
}

void tell_openapi(struct buf *b)
{
	buf_text(b, "# OpenAPI 3.1\n\nThe whole documents are served beside the API: "
		    "/api/v1/developer/openapi.json (the platform "
		    "surface, which end users' pages call), /openapi.json (all operations)");
	for (int i = 0; i < SURFACES; i++)
		buf_fmt(b, ", /openapi/%s.json", surface_at(i)->name);
	buf_text(b, ". This is what the first one has for end users, with names alone; get_endpoint_details "
		    "tells the rest "
		    "of each.\n\n```json\n");
	add_skeleton(b);
	buf_text(b, "```\n");
}

/* "listMyOrganizations" of "list_platform_my_organizations". */
static const char *method_of(struct arena *a, const struct route *r)
{
	const char *id = openapi_operation_id(a, r, 1), *surface = strstr(id, "_platform");
	char *name = arena_fmt(a, "%.*s%s", (int)(surface - id), id, surface + strlen("_platform")),
	     *to = name;

	for (const char *p = name; *p; p++) {
		bool is_first = *p == '_' && p[1];

		p += is_first;
		*to++ = (char)(is_first && *p >= 'a' ? *p - 32 : *p);
	}
	*to = '\0';
	return name;
}

void tell_template(struct buf *b)
{
	const struct route **rows = end_user_rows(b->arena);

	tell_of(b, "client.mjs", NULL);
	buf_text(b, "\n// By category: the method and the path of each.\nexport const operations = {\n");
	for (const char *const *c = tell_categories; *c; c++) {
		bool is_open = false;

		for (const struct route **r = rows; *r; r++) {
			const char *its = tell_category(*r);

			if (!its || strcmp(its, *c) != 0 || (*r)->redirect)
				continue;
			if (!is_open)
				buf_fmt(b, "  %s: {\n", *c);
			is_open = true;
			buf_fmt(b, "    /** %s */\n    %s: ['%s', '%s'],\n", (*r)->summary,
				method_of(b->arena, *r), method_name((*r)->method), (*r)->path);
		}
		if (is_open)
			buf_text(b, "  },\n");
	}
	buf_text(b, "}\n");
}
