/*
 * The router, on route tables of its own: what wins, what is refused, a
 * thousand routes, and tables that end the process.
 */
#include "fcgi/router.h"

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "t/unit/tap.h"

enum { GENERATED = 1000, BAD = 4 };

static enum err handler(struct req *rq)
{
	(void)rq;
	return ERR_OK;
}

/* clang-format off */
static const struct field text_params[] = {
	{ "version_id", F_INT, F_REQUIRED, .min = 1 },
	FIELD_END
};

static const struct permission may = { "MAY", IN_ORGANIZATION, "{owner}" },
			       can = { "can_x", IN_WORKSPACE, "{owner}" },
			       role = { "ROLE", IN_TENANT, "{admin}" };
static const struct field hiding[] = { { "organization_id", F_UUID }, FIELD_END };
static const struct list bare = { NULL, NULL, { "total" } };
static const struct list odd = { "things", NULL, { "total" }, { "cursor" } };
static const struct field limit_in[] = { { "limit", F_INT }, FIELD_END };
static const struct field object_in[] = { { "filter", F_OBJECT }, FIELD_END };
static const struct field ids_in[] = { { "ids", F_LIST, .item = F_UUID }, FIELD_END };
static const struct pattern broken = { "(", "x" };
static const struct field broken_in[] = { { "x", F_TEXT, .fits = &broken }, FIELD_END };
static const struct field marked[] = { { "x", F_TEXT, OUT | NEW }, { "y", F_TEXT, OUT }, FIELD_END };
static const struct field twice[] = { { "x", F_TEXT, OUT }, { "x", F_INT, OUT | NEW }, FIELD_END };
static const struct shape two = { "Two", twice };
static const struct shape thing = { "Thing", marked }, twin = { "Thing", limit_in };
static const struct query many = { .name = "many", .shape = SHAPE_ROWS }, one = { .name = "one", .shape = SHAPE_ROW };

#define RUN &by_anyone, "", .run = handler
#define IN_ORG &by_organization_member, "", .run = handler
static const struct route fixed[] = {
	{ GET,    "/api/v1/app/users/me",                   "app.t.me",          RUN },
	{ GET,    "/api/v1/app/users/{id}",                 "app.t.user",        RUN },
	{ DELETE, "/api/v1/app/users/{id}",                 "app.t.user_delete", RUN },
	{ GET,    "/api/v1/app/users/{id}/projects",        "app.t.projects",    RUN },
	{ POST,   "/api/v1/app/users/{id}/projects",        "app.t.create",      RUN },
	{ GET,    "/api/v1/app/users/me/settings",          "app.t.settings",    RUN },
	{ PUT,    "/api/v1/app/users/me/settings",          "app.t.put",         RUN },
	{ PATCH,  "/api/v1/app/both",                       "app.t.both_patch",  RUN },
	{ PUT,    "/api/v1/app/both",                       "app.t.both_put",    RUN },
	{ PATCH,  "/api/v1/app/one",                        "app.t.one",         RUN },
	{ GET,    "/api/v1/app/invites/{token}",            "app.t.invite",      RUN },
	{ GET,    "/api/v1/app/{kind}/{id}/members",        "app.t.members",     RUN },
	{ GET,    "/api/v1/app/a/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", "app.t.eight", RUN },
	{ GET,    "/api/v1/app/docs/{doc_id}/v/{version_id}", "app.t.version",   RUN, .params = text_params },
	{ GET,    "/api/v1/plans",                          "platform.t.plans",  RUN },
	{ GET,    "/api/tasks",                             "operations.t.tasks", RUN },
	{ GET,    "/api/v1/people/{id}",                    "platform.t.person", .summary = "A person", .alias_of = "app.t.user" },
	{ GET,    "/docs",                                  "app.t.static",      &by_anyone, "", .flags = STATIC },
	ROUTE_END
};
/* clang-format on */

static struct route generated[GENERATED + 1], bad[BAD + 1];

const struct route *const route_tables[] = { fixed, generated, bad, NULL };

static struct arena arena;

/* The id of the route for a method and path, or the error's code. */
static const char *find(enum method method, const char *path)
{
	struct match m = { 0 };
	enum err rc = router_find(method, path, &m);

	if (rc)
		return err_info(rc)->code;
	return route_at(m.index) == m.route ? m.route->id : "(the index is another route's)";
}

/* The parameters that a path gives, "a,b". */
static const char *params(const char *path)
{
	struct match m = { 0 };
	struct buf b;

	if (router_find(GET, path, &m))
		return NULL;
	buf_init(&b, &arena, 64);
	for (int i = 0; i < route_params(m.route); i++) {
		if (i)
			buf_char(&b, ',');
		buf_add(&b, m.params[i], m.params_len[i]);
	}
	return buf_str(&b);
}

/* Bad tables */

/* The message that router_init ends the process with, the exit status in front. */
static const char *end_of_init(void)
{
	char message[300] = "";
	int pipe_fds[2], status = 0;
	ssize_t n = 0, k;
	pid_t pid;

	fflush(stdout);
	if (pipe(pipe_fds))
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		close(pipe_fds[0]);
		router_init();
		_exit(0);
	}
	close(pipe_fds[1]);
	while ((k = read(pipe_fds[0], message + n, sizeof(message) - 1 - (size_t)n)) > 0)
		n += k;
	close(pipe_fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return NULL;
	return arena_fmt(&arena, "%d %s", WEXITSTATUS(status), message);
}

/* clang-format off */
static const struct {
	struct route rows[BAD];
	const char *message;
} bad_tables[] = {
	{ { { GET, "/api/v1/app/one", "app.x", &by_anyone, "" } }, "app.x has neither a query nor a handler" },
	{ { { PATCH, "/api/v1/app/one", "app.x", RUN } }, "PATCH /api/app/one stands twice (app.x)" },
	{ { { GET, "/api/v2/app/users/me", "platform.x", RUN } }, "GET /api/v2/app/users/me stands twice (platform.x)" },
	{ { { GET, "/api/v1/app/users/{other}", "app.x", RUN } }, "GET /api/app/users/{other} stands twice (app.x)" },
	{ { { GET, "/x/{a}", "app.x", RUN }, { GET, "/x/{b}", "app.y", RUN } }, "GET /x/{b} stands twice (app.y)" },
	{ { { GET, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "app.x", RUN } }, "app.x has too many parameters" },
	{ { { GET, "api/v1/x", "app.x", RUN } }, "app.x: api/v1/x is no path, or has an empty segment" },
	{ { { GET, "", "app.x", RUN } }, "app.x:  is no path, or has an empty segment" },
	{ { { GET, "/", "app.x", RUN } }, "app.x: / is no path, or has an empty segment" },
	{ { { GET, "/a//b", "app.x", RUN } }, "app.x: /a//b is no path, or has an empty segment" },
	{ { { GET, "/a/b/", "app.x", RUN } }, "app.x: /a/b/ is no path, or has an empty segment" },
	{ { { GET, "/a/{b", "app.x", RUN } }, "app.x: a parameter of /a/{b is not a {name} between slashes" },
	{ { { GET, "/a/b}", "app.x", RUN } }, "app.x: a parameter of /a/b} is not a {name} between slashes" },
	{ { { GET, "/a/{}", "app.x", RUN } }, "app.x: a parameter of /a/{} is not a {name} between slashes" },
	{ { { GET, "/a/{b}c", "app.x", RUN } }, "app.x: a parameter of /a/{b}c is not a {name} between slashes" },
	{ { { GET, "/a/c{b}", "app.x", RUN } }, "app.x: a parameter of /a/c{b} is not a {name} between slashes" },
	{ { { GET, "/a/{b}{c}", "app.x", RUN } }, "app.x: a parameter of /a/{b}{c} is not a {name} between slashes" },
	{ { { GET, "/a/{b/c}", "app.x", RUN } }, "app.x: a parameter of /a/{b/c} is not a {name} between slashes" },
	{ { { GET, "/a/b", "app.x", .alias_of = "app.no" } }, "app.x is an alias of app.no, which is no row" },
	{ { { GET, "/a/b", "app.x", .alias_of = "platform.t.person" } }, "app.x is an alias of platform.t.person, which is one itself" },
	{ { { HEAD, "/a/b", "app.x", RUN } }, "app.x: the runtime answers HEAD by itself" },
	{ { { GET, "/a/b", "app.x", NULL, "", .run = handler } }, "app.x: nobody may call it" },
	{ { { GET, "/a/{org}", "app.x", IN_ORG, .may = &may } }, "app.x: its caller is in an organization_id that is not in /a/{org}" },
	{ { { GET, "/a/{organization_id}", "app.x", IN_ORG, .may = &may, .query = hiding } }, "app.x: a field would hide the path's organization_id" },
	{ { { GET, "/a/{organization_id}", "app.x", IN_ORG, .may = &may, .body = hiding } }, "app.x: a field would hide the path's organization_id" },
	{ { { GET, "/a/{organization_id}", "app.x", IN_ORG } }, "app.x: .may says what a member of the organization must be" },
	{ { { GET, "/a/{organization_id}", "app.x", IN_ORG, .may = &can } }, "app.x: can_x is no permission of organization_member" },
	{ { { GET, "/a/{organization_id}", "app.x", &by_key_and_user, "", .run = handler, .may = &may } }, "app.x: MAY is no permission of key_and_user" },
	{ { { GET, "/a/b", "app.x", &by_user, "", .run = handler, .may = &role } }, "app.x: ROLE is no permission of user" },
	{ { { GET, "/a/b", "app.x", &by_member, "", .run = handler, .may = &may } }, "app.x: MAY is no permission of member" },
	{ { { GET, "/a/b", "app.x", &by_team, "", .run = handler, .scope = "x" } }, "app.x: .scope is a key's, and there is none" },
	{ { { GET, "/a/b", "app.x", &by_key, "", .run = handler, .flags = RECENT } }, "app.x: RECENT asks about who signed in" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &bare } }, "app.x: a bare array has no room for other members" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &odd } }, "app.x: its list pages by a field that is no limit, skip or page" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &skipped, .query = limit_in } }, "app.x: its list brings a query field that it has, too" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &skipped, .size = { 101, 100 } } }, "app.x: its list shows more by itself than at most" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &unwrapped, .size = { 10, 100 } } }, "app.x: it has .size, but no field in which a client says how many" },
	{ { { GET, "/a/b", "app.x", RUN, .items = "things" } }, "app.x: it has .items or .size, but no .list" },
	{ { { GET, "/a/b", "app.x", RUN, .list = &unwrapped } }, "app.x: of what is its list?" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .sql = &many } }, "app.x: its query answers many rows, in what form says .list" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing, .list = &unwrapped, .sql = &one } }, "app.x: its query answers no list" },
	{ { { GET, "/a/b", "app.x", RUN, .query = object_in } }, "app.x: a query string cannot carry filter" },
	{ { { GET, "/a/b", "app.x", RUN, .query = ids_in } }, "app.x: a query string cannot carry ids" },
	{ { { GET, "/a/b", "app.x", RUN, .query = marked } }, "app.x: a query string cannot carry x" },
	{ { { POST, "/a/b", "app.x", RUN, .body = marked } }, "app.x: its body's fields have marks: .as says which ones it takes" },
	{ { { POST, "/a/b", "app.x", RUN, .body = marked, .as = OUT } }, "app.x: .as is NEW or SET, of a .body" },
	{ { { POST, "/a/b", "app.x", RUN, .as = NEW } }, "app.x: .as is NEW or SET, of a .body" },
	{ { { POST, "/a/b", "app.x", RUN, .body = broken_in } }, "app.x: (: Unmatched ( or \\(" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &two } }, "app.x: there are two fields of the name x" },
	{ { { GET, "/a/b", "app.x", &by_user, "", .out = &thing, .list = &unwrapped, .sql = &many, .redirect = true } }, "app.x: its query many answers no row to be redirected by" },
	{ { { GET, "/a/b", "app.x", RUN, .status = 302 } }, "app.x: .redirect says that its status is 302" },
	{ { { GET, "/a/b", "app.x", RUN, .redirect = true, .status = 303 } }, "app.x: .redirect says that its status is 302" },
	{ { { GET, "/a/b", "elsewhere.x", RUN } }, "elsewhere.x: there is no surface of that name" },
	{ { { GET, "/a/b", "apps.x", RUN } }, "apps.x: there is no surface of that name" },
	{ { { GET, "/a/b", "app.x", RUN, .out = &thing }, { GET, "/a/c", "app.y", RUN, .out = &twin } }, "app.x and app.y have different shapes of the name Thing" },
	{ { { OPTIONS, "/a/b", "app.x", RUN } }, "app.x: the runtime answers OPTIONS by itself" },
};
/* clang-format on */

static void test_bad_tables(void)
{
	is_str(end_of_init(), "0 ", "the tables of this test are good");
	for (size_t i = 0; i < sizeof(bad_tables) / sizeof(*bad_tables); i++) {
		memcpy(bad, bad_tables[i].rows, sizeof(bad_tables[i].rows));
		is_str(end_of_init(),
		       arena_fmt(&arena, "70 ashlar: route tables: %s\n", bad_tables[i].message), "%s",
		       bad_tables[i].message);
	}
	memset(bad, 0, sizeof(bad));
}

/* Finding */

/* clang-format off */
static const struct {
	enum method method;
	const char *path, *want;
} finds[] = {
	{ GET,    "/api/v1/app/users/me", "app.t.me" },
	{ GET,    "/api/v1/app/users/mee", "app.t.user" },
	{ GET,    "/api/v1/app/users/m", "app.t.user" },
	{ GET,    "/api/v1/app/users/ME", "app.t.user" },
	{ GET,    "/api/v1/app/users/me/projects", "app.t.projects" },
	{ GET,    "/api/v1/app/users/me/members", "app.t.members" },
	{ GET,    "/api/v1/app/teams/me/members", "app.t.members" },
	{ GET,    "/api/v1/app/invites/7/members", "app.t.members" },
	{ GET,    "/api/v1/app/users/7/members", "app.t.members" },
	{ GET,    "/api/v1/app/invites/7", "app.t.invite" },
	{ POST,   "/api/v1/app/users/7/projects", "app.t.create" },
	{ HEAD,   "/api/v1/app/users/7/projects", "app.t.projects" },
	{ PATCH,  "/api/v1/app/users/me/settings", "app.t.put" },
	{ PUT,    "/api/v1/app/users/me/settings", "app.t.put" },
	{ PUT,    "/api/v1/app/one", "app.t.one" },
	{ PUT,    "/api/v1/app/both", "app.t.both_put" },
	{ PATCH,  "/api/v1/app/both", "app.t.both_patch" },

	{ GET,    "/api/v1/app/users/me/", "app.t.me" },
	{ GET,    "/api/v1/app/users/me//", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users//me", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users/", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users//", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users//projects", "NOT_FOUND" },
	{ GET,    "//api/v1/app/users/me", "NOT_FOUND" },
	{ GET,    "api/v1/app/users/me", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users/me/settings/more", "NOT_FOUND" },
	{ GET,    "/api/v1/app", "NOT_FOUND" },
	{ GET,    "/api/v1", "NOT_FOUND" },
	{ GET,    "/", "NOT_FOUND" },
	{ GET,    "//", "NOT_FOUND" },
	{ GET,    "", "NOT_FOUND" },
	{ GET,    "*", "NOT_FOUND" },
	{ GET,    "/docs", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users/../users/me", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users/%6de", "app.t.user" },
	{ GET,    "/api/v1/app/%75sers/me", "NOT_FOUND" },
	{ GET,    "/api/v1/app/users/{id}", "app.t.user" },

	{ POST,   "/api/v1/app/users/me", "METHOD_NOT_ALLOWED" },
	{ DELETE, "/api/v1/app/users/me", "METHOD_NOT_ALLOWED" },
	{ GET,    "/api/v1/app/both", "METHOD_NOT_ALLOWED" },
	{ HEAD,   "/api/v1/app/both", "METHOD_NOT_ALLOWED" },
	{ OPTIONS, "/api/v1/app/both", "METHOD_NOT_ALLOWED" },
	{ METHOD_COUNT, "/api/v1/app/both", "METHOD_NOT_ALLOWED" },
	{ METHOD_COUNT, "/api/v1/app/nothing", "NOT_FOUND" },

	{ GET,    "/api/v2/app/users/me", "app.t.me" },
	{ GET,    "/api/app/users/me", "app.t.me" },
	{ GET,    "/api/v3/app/users/me", "NOT_FOUND" },
	{ GET,    "/api/v0/app/users/me", "NOT_FOUND" },
	{ GET,    "/api/v1/plans", "platform.t.plans" },
	{ GET,    "/api/v2/plans", "NOT_FOUND" },
	{ GET,    "/api/plans", "NOT_FOUND" },
	{ GET,    "/api/tasks", "operations.t.tasks" },
	{ GET,    "/api/v1/tasks", "NOT_FOUND" },
};

static const struct {
	const char *path, *want;
} params_of[] = {
	{ "/api/v1/app/users/me", "" },
	{ "/api/v1/app/users/7", "7" },
	{ "/api/v1/app/users/7/", "7" },
	{ "/api/v2/app/users/7/projects", "7" },
	{ "/api/v1/app/teams/7/members", "teams,7" },
	{ "/api/v1/app/users/me/members", "users,me" },
	{ "/api/v1/app/users/7/members", "users,7" },
	{ "/api/v1/app/invites/a%2Fb%20c", "a%2Fb%20c" },
	{ "/api/v1/app/invites/a+b;c=d:e@f", "a+b;c=d:e@f" },
	{ "/api/v1/app/a/1/2/3/4/5/6/7/8", "1,2,3,4,5,6,7,8" },
};
/* clang-format on */

static void test_finding(void)
{
	for (size_t i = 0; i < sizeof(finds) / sizeof(*finds); i++)
		is_str(find(finds[i].method, finds[i].path), finds[i].want, "%s %s: %s",
		       finds[i].method < METHOD_COUNT ? method_name(finds[i].method) : "BREW", finds[i].path,
		       finds[i].want);
	for (size_t i = 0; i < sizeof(params_of) / sizeof(*params_of); i++)
		is_str(params(params_of[i].path), params_of[i].want, "the parameters of %s",
		       params_of[i].path);
}

static unsigned bits(enum method a, enum method b)
{
	return 1u << a | 1u << b;
}

static void test_allowed(void)
{
	struct match m = { 0 };

	router_find(DELETE, "/api/v1/app/users/me/settings", &m);
	is_int(m.allowed, bits(GET, HEAD) | bits(PUT, PATCH),
	       "what a path has, HEAD beside GET and PATCH beside PUT");
	router_find(PATCH, "/api/v1/app/users/me/settings", &m);
	is_int(m.allowed, bits(GET, HEAD) | bits(PUT, PATCH), "also after a hit");
	router_find(GET, "/api/v1/app/one", &m);
	is_int(m.allowed, bits(PUT, PATCH), "PUT beside PATCH");
	router_find(POST, "/api/v1/app/users/7", &m);
	is_int(m.allowed, bits(GET, HEAD) | bits(DELETE, DELETE), "of the path that was meant");
	router_find(GET, "/api/v1/app/nothing", &m);
	ok(!m.allowed && !m.route, "an unknown path has none");
}

static int version_of(const char *path)
{
	struct match m = { .version = -1 };

	router_find(GET, path, &m);
	return m.version;
}

static void test_versions(void)
{
	is_int(version_of("/api/v1/app/users/me"), 1, "/api/v1 is version 1");
	is_int(version_of("/api/v2/app/users/me"), 2, "/api/v2 is version 2");
	is_int(version_of("/api/app/users/me"), 0, "no version in the path: a header may choose");
	is_int(version_of("/api/v1/plans"), 1, "a surface of one version has version 1");
	is_int(version_of("/api/tasks"), 1, "with a version in its paths or not");
}

static void test_params(void)
{
	const struct route *route = &fixed[13];
	struct field f = route_param(route, 0);

	is_int(route_params(route), 2, "a route's parameters are counted");
	ok(f.type == F_UUID && f.flags & F_REQUIRED, "a {name} ending in id is a UUID");
	is_str(f.name, "doc_id", "with its name");
	f = route_param(route, 1);
	ok(f.type == F_INT && f.min == 1 && !strcmp(f.name, "version_id"),
	   "unless the row describes it otherwise");
	f = route_param(&fixed[10], 0);
	ok(f.type == F_TEXT && f.min == 1 && f.max == 255 && !strcmp(f.name, "token"), "any other is a text");
	ok(route_param(&fixed[1], 0).name == route_param(&fixed[3], 0).name,
	   "the same name is the same string");
	is_int(route_params(&fixed[0]), 0, "a route without parameters has none");
}

static void test_names(void)
{
	for (int m = 0; m < METHOD_COUNT; m++)
		is_int(method_find(method_name((enum method)m)), m, "%s there and back",
		       method_name((enum method)m));
	is_int(method_find("get"), METHOD_COUNT, "methods are case-sensitive");
	is_int(method_find("BREW"), METHOD_COUNT, "an unknown one is none of ours");
	is_int(method_find(""), METHOD_COUNT, "and so is the empty one");
	is_str(surface_of("operations.tasks.list")->name, "operations",
	       "the first word of an id names the surface");
	is_str(surface_of("app.projects.list")->name, "app", "also app");
	is_int(surface_of("app.x")->versions, 2, "which has two versions");
	is_int(surface_of("platform.x")->versions, 1, "platform has one");
	is_int(surface_of("operations.x")->validation_status, 400, "operations says 400 to an invalid field");
	ok(!route_at(GENERATED + 18), "there is no route behind the last one");
}

static void test_status(void)
{
	static const struct shape shape = { "X", text_params };
	struct route r = { GET, "/x", "app.x", RUN };

	is_int(route_status(&r), 204, "without an answer to show, success is 204");
	r.out = &shape;
	is_int(route_status(&r), 200, "with one, 200");
	r.method = POST;
	is_int(route_status(&r), 201, "a POST's is 201");
	r.status = 202;
	is_int(route_status(&r), 202, "unless the row says otherwise");
	r = (struct route){ GET, "/x", "app.x", RUN, .content_type = "text/plain" };
	is_int(route_status(&r), 200, "text is an answer, too");
}

/* A thousand routes, as a whole product has them */

/* i's path, with {names} or with values in their places. */
static const char *generated_path(int i, bool filled)
{
	const char *id =
		filled ? "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" : arena_fmt(&arena, "{r%d_id}", i / 5);

	switch (i % 5) {
	case 0: return arena_fmt(&arena, "app/resource_%d", i / 5);
	case 1: return arena_fmt(&arena, "app/resource_%d/stats", i / 5);
	case 2: return arena_fmt(&arena, "app/resource_%d/%s", i / 5, id);
	case 3: return arena_fmt(&arena, "app/resource_%d/%s/items", i / 5, id);
	default:
		return arena_fmt(&arena, "app/resource_%d/%s/items/%s", i / 5, id,
				 filled ? "a%20b" : "{item}");
	}
}

static void generate(void)
{
	for (int i = 0; i < GENERATED; i++)
		generated[i] = (struct route){
			.caller = &by_anyone,
			.method = i % 2 ? GET : POST,
			.path = arena_fmt(&arena, "/api/v1/%s", generated_path(i, false)),
			.id = arena_fmt(&arena, "app.generated.%d", i),
			.run = handler,
		};
}

static void test_generated(void)
{
	static const char *const bases[] = { "/api/", "/api/v1/", "/api/v2/" };
	const char *paths[GENERATED];
	int64_t started;
	struct match m;
	int found = 0, versions = 0, refused = 0, parameters = 0, names = 0;

	for (int i = 0; i < GENERATED; i++) {
		const struct route *r = &generated[i];

		paths[i] = arena_fmt(&arena, "/api/v1/%s", generated_path(i, true));
		for (int v = 0; v < 3; v++) {
			const char *path = arena_fmt(&arena, "%s%s", bases[v], generated_path(i, true));

			m = (struct match){ 0 };
			found += !router_find(r->method, path, &m) && route_at(m.index) == m.route &&
				 m.route->id == r->id;
			versions += m.version == v;
			parameters +=
				i % 5 < 2 || (m.params_len[0] == 36 && (i % 5 < 4 || m.params_len[1] == 5));
		}
		names += i % 5 < 2 || !strcmp(route_param(r, 0).name, arena_fmt(&arena, "r%d_id", i / 5));
		refused += router_find(DELETE, paths[i], &m) == ERR_METHOD_NOT_ALLOWED;
		refused += router_find(GET, arena_fmt(&arena, "%sx/y", paths[i]), &m) == ERR_NOT_FOUND;
	}
	is_int(found, 3 * GENERATED, "each of 1000 routes is found, in each of its versions");
	is_int(versions, 3 * GENERATED, "  which is told");
	is_int(parameters, 3 * GENERATED, "  and so are its parameters");
	is_int(names, GENERATED, "  with their names, 200 of them");
	is_int(refused, 2 * GENERATED, "  another method is refused, and so is another path");

	started = clock_ns();
	for (int k = 0; k < 20; k++)
		for (int i = 0; i < GENERATED; i++)
			router_find(generated[i].method, paths[i], &m);
	diag("one look-up among %d routes: %lld ns", GENERATED,
	     (long long)((clock_ns() - started) / (20 * GENERATED)));
}

static void test_twins(void)
{
	struct match m;

	ok(!router_find(GET, "/api/v1/people/019348a0-7f3e-7c1d-9a50-3d1f6a2b4c5d", &m),
	   "a twin has a path of its own");
	ok(m.route->run == handler && m.route->caller == &by_anyone, "  and is what the other one is");
	is_str(m.route->summary, "A person", "  but for what it says itself");
	ok(route_budget(m.route) == &budget_default, "a row's budget is its surface's,");
	ok(!router_find(GET, "/api/tasks", &m) && route_budget(m.route) == &budget_operations,
	   "  which may have one of its own");
}

int main(void)
{
	arena_init(&arena, 65536);
	generate();
	test_bad_tables();
	router_init();
	test_finding();
	test_allowed();
	test_versions();
	test_params();
	test_names();
	test_status();
	test_generated();
	test_twins();
	arena_release(&arena);
	return done_testing();
}
