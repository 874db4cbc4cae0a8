/*
 * The API reference: valid JSON whatever the tables hold, with every route of
 * every version, and with nothing that it refers to missing.
 */
#include "build/sql/runtime/runtime.h"
#include "build/sql/work/projects.h"
#include "fcgi/reference/demo.h"
#include "fcgi/reference/openapi.h"

#include <json-c/json.h>

#include "lib/base/json.h"
#include "t/unit/tap.h"

/* clang-format off */
static const char *const sizes[] = { "small", "large", NULL };

static const struct field inner[] = {
	{ "label", F_TEXT, F_REQUIRED, .min = 1, .max = 9 },
	{ "hint",  F_TEXT, 0 },
	{ "added", F_BOOL, F_V2 },
	FIELD_END
};

static const struct field query_in[] = {
	{ "least",  F_INT,  0, .min = 1, .max = 100, .def = "20", .about = "at \"most\"\n" },
	{ "sizes",  F_LIST, F_CSV, .max = 5, .item = F_ENUM, .values = sizes, .def = "small,large" },
	{ "search", F_TEXT, 0, .max = 255, .example = "a\\b" },
	{ "open",   F_BOOL, F_REQUIRED, .def = "true" },
	FIELD_END
};

static const struct pattern code_pattern = { "^[A-Z][0-9]$", "a letter and a digit" };
static const struct field mark = { NULL, F_INT, .min = 1, .max = 6 };

static const struct field body_in[] = {
	{ "text",   F_TEXT,     F_REQUIRED, .min = 1, .max = 255, .example = "say \"x\"" },
	{ "int",    F_INT,      F_NULL,     .min = -5, .max = 5 },
	{ "number", F_NUMBER,   0 },
	{ "bool",   F_BOOL,     0,          .def = "false" },
	{ "uuid",   F_UUID,     F_NULL },
	{ "email",  F_EMAIL,    0 },
	{ "slug",   F_SLUG,     0, .max = 20 },
	{ "url",    F_URL,      0,          .max = 100 },
	{ "at",     F_DATETIME, 0 },
	{ "day",    F_DATE,     0 },
	{ "size",   F_ENUM,     F_NULL,     .values = sizes, .def = "small" },
	{ "object", F_OBJECT,   F_NULL,     .fields = inner },
	{ "any",    F_OBJECT,   0 },
	{ "list",   F_LIST,     0,          .min = 1, .max = 3, .fields = inner },
	{ "tags",   F_LIST,     F_NULL,     .max = 4, .item = F_TEXT },
	{ "picks",  F_LIST,     0,          .item = F_ENUM, .values = sizes },
	{ "json",   F_JSON,     0 },
	{ "color",  F_COLOR,    0 },
	{ "code",   F_TEXT,     0, .max = 9, .fits = &code_pattern, .example = "A1" },
	{ "share",  F_NUMBER,   F_ABOVE | F_BELOW, .max = 1 },
	{ "debt",   F_INT,      F_MAX, .min = -9 },
	{ "offset_s", F_INT,    F_SIGNED },
	{ "marks",  F_LIST,     0, .each = &mark },
	{ "votes",  F_OBJECT,   0, .fields = inner, .item = F_INT },
	{ "names",  F_OBJECT,   0, .item = F_TEXT },
	{ "instead", F_TEXT,    F_RARE },
	{ "member_ids", F_LIST, 0, .item = F_UUID },
	{ "lead_id", F_UUID,    0, .example = "member theo" },
	{ "of_all", F_OBJECT,   0, .example = "{\"a\":[1]}" },
	{ "at_least", F_INT,    0, .min = 5 },
	FIELD_END
};

static const struct field out_fields[] = {
	{ "id",    F_UUID,   0 },
	{ "note",  F_TEXT,   F_NULL, .about = "line one\nline two" },
	{ "inner", F_OBJECT, 0, .fields = inner },
	{ "added", F_INT,    F_V2 },
	FIELD_END
};
static const struct shape thing = { "Thing", out_fields };
static const struct field plain_fields[] = { { "ok", F_BOOL, 0 }, FIELD_END };
static const struct shape plain_shape = { "Plain", plain_fields };

/* The same name for something else, on another surface. */
static const struct field other_fields[] = { { "other", F_BOOL, OUT | NEW }, { "code", F_TEXT, NEW | NEEDED }, FIELD_END };
static const struct shape other_thing = { "Thing", other_fields };

static const struct constraint constraints[] = {
	{ "things_name_unique", ERR_CONFLICT, "name", NULL },
	{ "things_limit", ERR_LIMIT, NULL, NULL },
	{ NULL }
};

static const struct permission may_read = { "READ", IN_ORGANIZATION, "{owner,admin}" };
static const struct list plains = { "plains", NULL, { "total", "has_next" }, { "per_page", "page" }, { 5, 50 }, .clamps = true };
static const enum err errors[] = { ERR_TICKET, ERR_OK };
static const struct query thing_delete = { .name = "thing_delete", .text = "", .shape = SHAPE_EXEC, .is_conflict = true };

static const struct field params_in[] = { { "code", F_INT, F_REQUIRED, .min = 1 }, FIELD_END };

static const struct route rows[] = {
	{ GET,    "/api/v1/app/things",               "app.things.list",    &by_user,   "List \"things\"", .query = query_in, .list = &skipped, .size = { 20, 70 }, .out = &thing, .sql = &q_project_list },
	{ POST,   "/api/v1/app/things",               "app.things.create",  &by_user,   "Create", .body = body_in, .out = &thing, .sql = &q_project_create, .constraints = constraints },
	{ GET,    "/api/v1/app/things/{thing_id}",    "app.things.get",     &by_user,   "Get", .out = &thing, .sql = &q_project_get },
	{ PATCH,  "/api/v1/app/things/{thing_id}",    "app.things.update",  &by_user,   "Change", .body = body_in, .out = &thing, .sql = &q_project_update },
	{ DELETE, "/api/v1/app/things/{thing_id}",    "app.things.delete",  &by_admin,  "Delete", .out = &thing, .errors = errors, .sql = &thing_delete, .status = 204 },
	{ GET,    "/api/v1/app/things/{thing_id}/codes/{code}/{token}", "app.things.code", &by_anyone, "Code", .params = params_in, .out = &plain_shape, .sql = &q_ready_check },
	{ GET,    "/api/v1/public/text",              "app.text.get",       &by_anyone, "Text", .sql = &q_ready_check, .flags = BARE | SLOW, .content_type = "text/plain" },
	{ GET,    "/api/v1/plans",                    "platform.plans.list", &by_user,  "Plans", .out = &plain_shape, .list = &unwrapped, .sql = &q_project_list },
	{ PUT,    "/api/tasks/{task_id}",             "operations.tasks.update", &by_user, "Task", .body = body_in, .out = &plain_shape, .sql = &q_project_update },
	{ POST,   "/api/v1/keys/a",                   "platform.keys.a",    &by_anyone_with_key,    "A", .out = &plain_shape, .sql = &q_ready_check, .flags = PRIVATE },
	{ POST,   "/api/v1/keys/b",                   "platform.keys.b",    &by_key_with_user,    "B", .out = &plain_shape, .sql = &q_ready_check },
	{ POST,   "/api/v1/keys/c/{organization_id}", "platform.keys.c",    &by_organization_member, "C", .out = &plain_shape, .sql = &q_ready_check, .may = &may_read },
	{ POST,   "/api/v1/keys/d",                   "platform.keys.d",    &by_key_or_user, "D", .about = "At most 100.", .out = &plain_shape, .sql = &q_project_list, .list = &plains, .status = 200 },
	{ POST,   "/api/v1/keys/e",                   "platform.keys.e",    &by_team_admin, "E", .out = &plain_shape, .sql = &q_ready_check },
	{ GET,    "/api/v1/elsewhere",                "platform.plans.elsewhere", &by_anyone, "Elsewhere", .sql = &q_ready_check, .redirect = true },
	{ POST,   "/api/v1/workspace/things",         "workspace.things.create", &by_user, "Other", .body = other_fields, .as = NEW, .out = &other_thing, .sql = &q_project_create },
	{ GET,    "/api/tasks",                       "operations.tasks.list", &by_user, "Tasks", .out = &plain_shape, .list = &enveloped, .sql = &q_project_list },
	{ GET,    "/api/v1/public/health",            "app.text.health",    &by_anyone, "Health", .out = &thing, .sql = &q_ready_check, .flags = PROBE },
	{ GET,    "/docs",                            "app.docs.get",       &by_anyone, "Docs", .flags = STATIC | BARE, .content_type = "text/html" },
	{ GET,    "/api/v1/dashboard/team/{member_id}", "platform.keys.f",  &by_team, "F", .needs = { "a key", ERR_LIMIT }, .out = &plain_shape, .sql = &q_ready_check },
	ROUTE_END
};
/* clang-format on */

const struct route *const route_tables[] = { rows, NULL };

enum { ROWS = sizeof(rows) / sizeof(*rows) - 1 };

static struct arena arena;
static struct json_object *document;

static struct json_object *parse(const struct buf *b)
{
	struct json_object *tree = NULL;
	const char *problem = NULL;

	if (json_read(&arena, b->p, b->n, &tree, &problem))
		diag("%s", problem);
	return tree;
}

static struct json_object *child(struct json_object *tree, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(tree, json_type_array))
		return json_object_array_get_idx(tree, (size_t)atoi(name));
	return json_object_is_type(tree, json_type_object) && json_object_object_get_ex(tree, name, &v)
		       ? v
		       : NULL;
}

/* The part of the document at names that end in NULL. */
static struct json_object *at(struct json_object *tree, const char *const *names)
{
	while (tree && *names)
		tree = child(tree, *names++);
	return tree;
}

#define AT(tree, ...) at((tree), (const char *const[]){ __VA_ARGS__, NULL })

static const char *text(struct json_object *tree)
{
	return tree ? json_object_to_json_string_ext(tree,
						     JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
		    : NULL;
}

static struct json_object *operation(const struct route *r, int version)
{
	static const char *const verbs[] = { "get", "post", "put", "patch", "delete" };
	const char *path = r->path;

	if (version == 2)
		path = arena_fmt(&arena, "/api/v2/%s", path + strlen("/api/v1/"));
	return AT(document, "paths", path, verbs[r->method]);
}

static void test_routes(void)
{
	int operations = 0;

	for (int i = 0; i < ROWS; i++) {
		const struct route *r = &rows[i];
		struct json_object *op = operation(r, 1);

		if (!ok(op, "%s %s is there", method_name(r->method), r->path))
			continue;
		is_str(json_object_get_string(child(op, "x-catalogue-id")), r->id, "  with its id");
		is_str(json_object_get_string(child(op, "operationId")), openapi_operation_id(&arena, r, 1),
		       "  and its name");
		is_str(json_object_get_string(child(op, "summary")), r->summary, "  what it does");
		is_int(json_object_array_length(child(op, "security")) > 0, r->caller != &by_anyone,
		       "  who may call");
		ok(AT(op, "responses", arena_fmt(&arena, "%d", route_status(r))), "  and what success is");
		if (strncmp(r->id, "app.", 4) != 0 || strncmp(r->path, "/api/v1/", 8) != 0)
			continue;
		op = operation(r, 2);
		is_str(json_object_get_string(child(op, "operationId")),
		       arena_fmt(&arena, "%s_v2", openapi_operation_id(&arena, r, 1)),
		       "  in version 2 under another name");
		is_str(json_object_get_string(child(op, "x-catalogue-id")), r->id, "  but with the same id");
	}
	json_object_object_foreach(child(document, "paths"), path, methods)
	{
		(void)path;
		operations += json_object_object_length(methods);
	}
	is_int(operations, ROWS + 8, "and nothing else is");
}

/* An operation's answer with a status, where it stands. */
static struct json_object *response(struct json_object *op, const char *status)
{
	struct json_object *its = AT(op, "responses", status);
	const char *ref = json_object_get_string(child(its, "$ref"));

	return ref ? AT(document, "components", "responses", strrchr(ref, '/') + 1) : its;
}

/* The i-th parameter of an operation, where it stands. */
static struct json_object *parameter(struct json_object *op, int i)
{
	struct json_object *its = AT(op, "parameters", arena_fmt(&arena, "%d", i));
	const char *ref = json_object_get_string(child(its, "$ref"));

	return ref ? AT(document, "components", "parameters", strrchr(ref, '/') + 1) : its;
}

/* What a row's access kind and permission come to. */
static void test_access(void)
{
	static const struct {
		const char *path, *security, *about;
	} want[] = {
		{ "/api/v1/keys/a", "[{\"apiKey\":[]},{}]",
		  "Without a key it acts for the default tenant. Idempotency-Key is ignored, since the "
		  "answer holds a "
		  "secret." },
		{ "/api/v1/keys/b", "[{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]}]",
		  "Needs an API key; with a user's token it is for that user." },
		{ "/api/v1/keys/c/{organization_id}", "[{\"apiKey\":[],\"bearer\":[]}]",
		  "Needs an API key and the token of a member of the organization. Needs the permission READ "
		  "in the organization, which the roles owner, admin have." },
		{ "/api/v1/keys/d", "[{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]}]",
		  "At most 100. A secret key is enough by itself; with a public one a user's token is "
		  "needed." },
		{ "/api/v1/keys/e", "[{\"team\":[]}]", "Needs the team role owner or admin." },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct json_object *op = AT(document, "paths", want[i].path, "post");

		is_str(json_object_to_json_string_ext(child(op, "security"), JSON_C_TO_STRING_PLAIN),
		       want[i].security, "%s: %s", want[i].path, want[i].security);
		is_str(json_object_get_string(child(op, "description")), want[i].about, "  and in words");
	}
	is_str(text(AT(response(AT(document, "paths", "/api/v1/keys/d", "post"), "200"), "content",
		       "application/json", "example")),
	       "{\"plains\":[{\"ok\":true}],\"total\":1,\"has_next\":false}", "a list of the row's own form");
}

static void test_input(void)
{
	struct json_object *op = operation(&rows[1], 1);
	struct json_object *schema = AT(op, "requestBody", "content", "application/json", "schema");
	struct json_object *members = child(schema, "properties");

	is_str(text(AT(members, "text")),
	       "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"examples\":[\"say \\\"x\\\"\"]}",
	       "a text");
	is_str(text(AT(members, "int")), "{\"type\":[\"integer\",\"null\"],\"minimum\":-5,\"maximum\":5}",
	       "an integer that may be null");
	is_str(text(AT(members, "uuid")), "{\"type\":[\"string\",\"null\"],\"format\":\"uuid\"}", "a UUID");
	is_str(text(AT(members, "slug")),
	       "{\"type\":\"string\",\"pattern\":\"^[a-z0-9]+(-[a-z0-9]+)*$\",\"maxLength\":20}", "a slug");
	is_str(text(AT(members, "at")), "{\"type\":\"string\",\"format\":\"date-time\"}", "a time");
	is_str(text(AT(members, "bool")), "{\"type\":\"boolean\",\"default\":false}",
	       "a default in its own type");
	is_str(text(AT(members, "size")),
	       "{\"type\":[\"string\",\"null\"],\"enum\":[\"small\",\"large\",null],\"default\":\"small\"}",
	       "a choice that may be null");
	is_str(text(AT(members, "any")), "{\"type\":\"object\",\"additionalProperties\":true}", "any object");
	is_str(text(AT(members, "object", "type")), "[\"object\",\"null\"]", "an object that may be null");
	is_str(text(AT(members, "object", "required")), "[\"label\"]", "of whose members one must be there");
	is_str(text(AT(members, "list", "minItems")), "1", "a list");
	is_str(text(AT(members, "list", "items", "required")), "[\"label\"]", "of objects like it");
	is_str(text(AT(members, "tags", "items")), "{\"type\":\"string\"}", "of texts");
	is_str(text(AT(members, "picks", "items", "enum")), "[\"small\",\"large\"]", "of choices");
	is_str(text(AT(members, "json")), "{}", "any value has no type");
	is_str(text(AT(members, "color", "pattern")), "\"^#[0-9a-fA-F]{6}$\"", "a colour");
	is_str(text(AT(members, "code")),
	       "{\"type\":\"string\",\"pattern\":\"^[A-Z][0-9]$\",\"maxLength\":9,\"examples\":[\"A1\"]}",
	       "a text with a pattern");
	is_str(text(AT(members, "share")),
	       "{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}",
	       "bounds that are out of it");
	is_str(text(AT(members, "debt")), "{\"type\":\"integer\",\"minimum\":-9,\"maximum\":0}",
	       "zero at most");
	is_str(text(AT(members, "offset_s")), "{\"type\":\"integer\"}", "either sign");
	is_str(text(AT(members, "votes", "additionalProperties")), "{\"type\":\"integer\",\"minimum\":0}",
	       "an object with other members");
	ok(AT(members, "votes", "properties", "label"), "  beside its own");
	is_str(text(AT(members, "names")),
	       "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}", "or without any");
	is_str(text(AT(members, "email")), "{\"type\":\"string\",\"format\":\"idn-email\"}",
	       "an address, of any letters");
	is_str(text(AT(members, "marks", "items")), "{\"type\":\"integer\",\"minimum\":1,\"maximum\":6}",
	       "elements with bounds");
	is_str(text(AT(schema, "required")), "[\"text\"]", "only what must be there is required");
	is_str(text(AT(op, "requestBody", "required")), "true", "and with it the body");
	is_str(text(parameter(operation(&rows[0], 1), 0)),
	       "{\"name\":\"least\",\"in\":\"query\",\"schema\":{\"type\":\"integer\",\"minimum\":1,"
	       "\"maximum\":100,\"default\":20,\"description\":\"at \\\"most\\\"\\n\"}}",
	       "a query parameter");
	is_str(text(AT(parameter(operation(&rows[0], 1), 1), "schema")),
	       "{\"type\":\"array\",\"maxItems\":5,\"default\":[\"small\",\"large\"],\"items\":"
	       "{\"type\":\"string\",\"enum\":[\"small\",\"large\"]}}",
	       "a list");
	is_str(text(AT(parameter(operation(&rows[0], 1), 1), "explode")), "false", "  with commas");
	is_str(text(AT(parameter(operation(&rows[0], 1), 5), "schema")),
	       "{\"type\":\"integer\",\"minimum\":1,\"maximum\":70,\"default\":20,\"description\":\"how many "
	       "to return at most\"}",
	       "a list brings its paging, of the row's size");
	is_str(text(AT(parameter(operation(&rows[12], 1), 0), "schema")),
	       "{\"type\":\"integer\",\"minimum\":1,\"default\":5,\"description\":\"how many to return at "
	       "most; more than 50 "
	       "count as 50\"}",
	       "  clamped where the form says so");
	op = operation(&rows[5], 1);
	is_str(text(AT(parameter(op, 0), "schema", "format")), "\"uuid\"", "a path's id");
	is_str(text(AT(parameter(op, 1), "schema", "type")), "\"integer\"", "a path's number");
	is_str(text(AT(parameter(op, 2), "name")), "\"token\"", "a path's text");
	is_str(text(AT(parameter(op, 2), "required")), "true", "all of them required");
}

/* What a reader may paste. */
static void test_examples(void)
{
	struct json_object *body =
		AT(operation(&rows[1], 1), "requestBody", "content", "application/json", "example");
	struct json_object *team = operation(&rows[19], 1);

	is_str(text(child(body, "text")), "\"say \\\"x\\\"\"", "an example is the field's");
	is_str(text(child(body, "note")), NULL, "nothing that is not sent");
	is_str(text(child(body, "instead")), NULL, "  or seldom");
	is_str(text(child(body, "size")), "\"small\"", "  else the default");
	is_str(text(child(body, "tags")), "[\"Tags\"]", "  else what it is");
	is_str(text(child(body, "of_all")), "{\"a\":[1]}", "an object");
	is_str(text(child(body, "at_least")), "5", "a number within its bounds");
	is_str(text(child(body, "lead_id")), arena_fmt(&arena, "\"%s\"", demo_text("member theo")),
	       "an id is a row of the demo, which the field names");
	is_str(text(child(body, "member_ids")), arena_fmt(&arena, "[\"%s\"]", demo_text("member")),
	       "  or is called after");
	is_str(text(AT(document, "components", "parameters", "platform.member_id", "example")),
	       arena_fmt(&arena, "\"%s\"", demo_text("dashboard member")),
	       "  in a path that of the dashboard");
	is_str(demo_text("{queue}"), "harbour-reports", "a part of a path may be a text");
	is_str(demo_text("nobody"), NULL, "there is no other");
	is_str(text(child(team, "x-needs")), "{\"what\":\"a key\",\"code\":\"LIMIT_EXCEEDED\"}",
	       "what an example lacks");
	is_str(json_object_get_string(child(team, "description")),
	       "Needs a team user's token. Needs a key; the example has none.", "  and in words");
	is_str(text(child(operation(&rows[13], 1), "x-role")), "\"admin\"", "the role that a token needs");
	is_str(text(child(team, "x-role")), NULL, "  where it needs one");
}

static void test_answers(void)
{
	static const char *const schema[] = { "content", "application/json", "schema", NULL };
	struct json_object *page, *list;

	is_str(text(AT(document, "components", "schemas", "Thing", "required")),
	       "[\"id\",\"note\",\"inner\"]", "an answer has all its members");
	is_str(text(AT(document, "components", "schemas", "ThingV2", "required")),
	       "[\"id\",\"note\",\"inner\",\"added\"]", "in version 2 more of them");
	is_str(text(AT(document, "components", "schemas", "Thing", "properties", "inner", "required")),
	       "[\"label\",\"hint\"]", "and so have the objects in it");
	ok(!AT(document, "components", "schemas", "PlainV2"), "unless both versions are the same");
	ok(!AT(document, "components", "schemas", "Thing", "properties", "inner", "properties", "added") &&
		   AT(document, "components", "schemas", "ThingV2", "properties", "inner", "properties",
		      "added"),
	   "inside of each other, too");
	is_str(text(at(response(operation(&rows[2], 1), "200"), schema)),
	       "{\"$ref\":\"#/components/schemas/Thing\"}", "an object");
	is_str(text(child(child(at(response(operation(&rows[2], 2), "200"), schema), "properties"), "data")),
	       "{\"$ref\":\"#/components/schemas/ThingV2\"}", "in version 2 inside of data");
	page = at(response(operation(&rows[0], 1), "200"), schema);
	is_str(text(AT(page, "properties", "items", "items")), "{\"$ref\":\"#/components/schemas/Thing\"}",
	       "a page");
	ok(AT(page, "properties", "total") && AT(page, "properties", "skip") &&
		   AT(page, "properties", "limit"),
	   "with its numbers");
	is_str(text(child(page, "required")), "[\"items\",\"total\",\"skip\",\"limit\"]",
	       "  which are always there");
	page = at(response(operation(&rows[16], 1), "200"), schema);
	is_str(text(AT(page, "properties", "meta", "required")), "[\"total\",\"limit\",\"offset\"]",
	       "or inside of meta");
	is_str(text(child(page, "required")), "[\"data\",\"meta\"]", "  beside data");
	is_str(text(at(response(operation(&rows[15], 1), "201"), schema)),
	       "{\"$ref\":\"#/components/schemas/WorkspaceThing\"}",
	       "another surface's thing of the same name has its own schema");
	is_str(text(AT(document, "components", "schemas", "WorkspaceThing")),
	       "{\"type\":\"object\",\"properties\":{\"other\":{\"type\":\"boolean\"}},\"required\":["
	       "\"other\"]}",
	       "  with what answers have of it");
	is_str(text(AT(operation(&rows[15], 1), "requestBody", "content", "application/json", "schema")),
	       "{\"type\":\"object\",\"properties\":{\"other\":{\"type\":\"boolean\"},\"code\":{\"type\":"
	       "\"string\"}},\"required\":[\"code\"]}",
	       "  and creates");
	list = at(response(operation(&rows[7], 1), "200"), schema);
	is_str(text(list), "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Plain\"}}",
	       "where pages are arrays, an array");
	ok(!AT(response(operation(&rows[4], 1), "204"), "content"), "204 has no content");
	ok(AT(response(operation(&rows[14], 1), "302"), "headers", "Location"), "a redirect has a Location");
	ok(!AT(response(operation(&rows[14], 1), "302"), "content"), "  and no content");
	ok(AT(response(operation(&rows[6], 1), "200"), "content", "text/plain"), "text is text");
}

static void test_errors(void)
{
	struct json_object *create = child(operation(&rows[1], 1), "responses");
	struct json_object *task = child(operation(&rows[8], 1), "responses");
	struct json_object *responses = AT(document, "components", "responses");

	ok(child(create, "401") && child(create, "422") && child(create, "429") && child(create, "503"),
	   "a route names the errors that it can give");
	ok(child(create, "409") && child(create, "402"), "those of its constraints, too");
	ok(response(operation(&rows[4], 1), "409"), "and what its query refuses by itself");
	ok(!child(create, "404"), "and no other");
	is_str(text(child(create, "403")), "{\"$ref\":\"#/components/responses/403.4\"}",
	       "nobody is refused but a public key, of another page");
	ok(!strstr(text(response(operation(&rows[13], 1), "403")), "ORIGIN"),
	   "which says nothing to a team user");
	is_str(json_object_get_string(AT(responses, "403.4", "description")),
	       "ORIGIN_NOT_ALLOWED: this key may not be used from this origin",
	       "what is the same in many is described once");
	is_str(text(child(create, "502")), "{\"$ref\":\"#/components/responses/502\"}",
	       "  what nginx says for it, too");
	is_str(text(AT(operation(&rows[6], 1), "responses", "502")),
	       "{\"$ref\":\"#/components/responses/502.3\"}", "  apart from where there is more to say");
	is_str(json_object_get_string(AT(responses, "502.3", "description")),
	       "BAD_GATEWAY: the application did not answer; EXTERNAL_SERVICE_ERROR: a service this depends "
	       "on failed",
	       "  each of it with what it means");
	is_str(text(AT(response(operation(&rows[17], 1), "503"), "content", "application/json", "schema")),
	       "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Thing\"},{\"$ref\":\"#/components/schemas/"
	       "Error\"}]}",
	       "what asks for health is answered also when there is none");
	is_str(text(AT(task, "400")), "{\"$ref\":\"#/components/responses/400F.2\"}",
	       "where the surface maps fields, it is another");
	is_str(text(AT(responses, "400F.2", "content", "application/json", "schema")),
	       "{\"$ref\":\"#/components/schemas/ErrorOfField\"}", "  whose schema says so");
	ok(child(task, "400") && !child(task, "422"), "an invalid field has its surface's status");
	ok(child(child(operation(&rows[4], 1), "responses"), "403"), "an admin's route can refuse users");
	ok(child(child(operation(&rows[4], 1), "responses"), "400"), "what a handler refuses with is there");
	ok(!child(child(operation(&rows[5], 1), "responses"), "401"), "a public one refuses nobody");
	is_int((long long)json_object_array_length(
		       AT(document, "components", "schemas", "ErrorCode", "enum")),
	       ERR_COUNT - 1, "all codes are listed");
}

/* Every $ref of a document leads to something; how many there are.  What they lead to is put down. */
static int check_refs(struct json_object *doc, struct json_object *tree, struct map *reached, int *broken)
{
	int n = 0;

	if (json_object_is_type(tree, json_type_array))
		for (size_t i = 0; i < json_object_array_length(tree); i++)
			n += check_refs(doc, json_object_array_get_idx(tree, i), reached, broken);
	if (!json_object_is_type(tree, json_type_object))
		return n;
	json_object_object_foreach(tree, key, value)
	{
		char section[50] = "", name[50] = "";

		n += check_refs(doc, value, reached, broken);
		if (strcmp(key, "$ref") != 0)
			continue;
		n++;
		sscanf(json_object_get_string(value), "#/components/%49[^/]/%49[^/]", section, name);
		*map_at(reached, json_object_get_string(value), strlen(json_object_get_string(value))) =
			value;
		if (!AT(doc, "components", section, name)) {
			diag("%s leads nowhere", json_object_get_string(value));
			++*broken;
		}
	}
	return n;
}

/* Each component is referred to, and each reference leads to one; how many references there are. */
static int whole(struct json_object *doc)
{
	int broken = 0, refs;
	struct map reached;

	map_init(&reached, &arena);
	refs = check_refs(doc, doc, &reached, &broken);
	json_object_object_foreach(child(doc, "components"), section, members)
	{
		if (!strcmp(section, "securitySchemes"))
			continue;
		json_object_object_foreach(members, name, value)
		{
			const char *path = arena_fmt(&arena, "#/components/%s/%s", section, name);

			(void)value;
			if (map_find(&reached, path, strlen(path)))
				continue;
			diag("nothing refers to %s", path);
			broken++;
		}
	}
	return broken ? -broken : refs;
}

static void test_document(void)
{
	is_str(text(child(document, "openapi")), "\"3.1.0\"", "the version of OpenAPI");
	ok(whole(document) > 100, "its references lead to something, and all that there is is referred to");
	is_int((long long)json_object_array_length(child(document, "tags")), 8,
	       "one tag for each surface's domain, and one for the dashboard");
}

static void test_names(void)
{
	static const struct {
		const char *id, *name, *tag;
	} want[] = {
		{ "app.projects.list", "list_app_projects", "app projects" },
		{ "app.projects.get", "get_app_project", "app projects" },
		{ "platform.apikeys.list", "list_platform_api_keys", "platform apikeys" },
		{ "operations.activity.list", "list_operations_activities", "operations activity" },
		{ "workspace.goals.list_goals", "list_workspace_goals", "workspace goals" },
		{ "platform.identity.login", "login_platform_user", "platform identity" },
		{ "app.unheard_of.get", "get_app_unheard_of", "app unheard_of" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct route r = { GET, "/api/x", want[i].id };

		is_str(openapi_operation_id(&arena, &r, 1), want[i].name, "%s: a verb, its surface, a noun",
		       want[i].id);
		is_str(openapi_tag(&arena, &r), want[i].tag, "  and its group");
	}
	is_str(openapi_tag(&arena, &(struct route){ GET, "/api/v1/dashboard/keys", "platform.apikeys.list" }),
	       "platform dashboard", "the dashboard's are a group of their own");
}

/* What stands in a surface's document under its name there stands in that of all. */
static int alike(struct json_object *its, struct json_object *all)
{
	int n = 0;

	json_object_object_foreach(its, name, value)
	{
		ok(json_object_equal(value, child(all, name)), "  %s is as it is in the whole", name);
		n++;
	}
	return n;
}

static void test_surfaces(void)
{
	int paths = 0;

	is_str(surface_find("app")->name, "app", "a surface is found by its name");
	ok(!surface_find("ap") && !surface_find("app."), "and no other");
	for (int i = 0; i < SURFACES; i++) {
		const struct surface *surface = surface_at(i);
		struct json_object *doc;
		struct buf b;

		buf_init(&b, &arena, 1024);
		openapi_write(&b, surface);
		doc = parse(&b);
		if (!ok(doc, "the document of %s is JSON", surface->name))
			continue;
		ok(whole(doc) >= 0, "  its references lead to something, and nothing is superfluous");
		is_str(json_object_get_string(AT(doc, "info", "title")),
		       arena_fmt(&arena, "Ashlar: %s", surface->name), "  its title");
		paths += alike(child(doc, "paths"), child(document, "paths"));
		alike(AT(doc, "components", "schemas"), AT(document, "components", "schemas"));
		alike(AT(doc, "components", "responses"), AT(document, "components", "responses"));
		is_int(!child(doc, "webhooks"), !surface->told, "  webhooks where it has endpoints of them");
	}
	is_int(paths, json_object_object_length(child(document, "paths")), "each path is in one of them");
	/* clang-format off */
	is_str(text(AT(document, "components", "securitySchemes", "team", "scheme")), "\"bearer\"", "who can come in");
	/* clang-format on */
}

/* One line a route, for tests. */
static void test_lines(void)
{
	struct json_object *line;
	struct buf b;

	buf_init(&b, &arena, 1024);
	for (int i = 0; i < ROWS; i++) {
		b.n = 0;
		openapi_route(&b, route_at(i));
		line = parse(&b);
		ok(line && !memchr(b.p, '\n', b.n), "%s as one line of JSON", rows[i].id);
		is_str(json_object_get_string(child(line, "path")), rows[i].path, "  its path");
		is_int((long long)json_object_array_length(child(line, "params")), route_params(&rows[i]),
		       "  its parameters");
		is_int((long long)json_object_array_length(child(line, "body")),
		       (long long)field_count(route_at(i)->body), "  and its fields");
	}
	b.n = 0;
	openapi_route(&b, &rows[1]);
	line = parse(&b);
	is_str(text(AT(line, "body", "1")),
	       "{\"name\":\"int\",\"type\":\"int\",\"required\":false,\"nullable\":true,\"min\":-5,\"max\":"
	       "5}",
	       "a field");
	is_str(text(AT(line, "body", "10", "values")), "[\"small\",\"large\"]", "a choice has its values");
	is_str(text(AT(line, "body", "10", "default")), "\"small\"", "and its default");
	is_str(text(AT(line, "caller", "name")), "\"user\"", "who may call");
	b.n = 0;
	openapi_route(&b, route_at(0));
	line = parse(&b);
	is_str(text(AT(line, "query", "1", "csv")), "true", "a list with commas says so");
	is_str(text(AT(line, "query", "1", "item", "type")), "\"enum\"", "  and of what it is");
	is_str(text(AT(line, "query", "5", "name")), "\"limit\"", "what the list brings is there, too");
}

int main(void)
{
	struct buf b;

	arena_init(&arena, 65536);
	buf_init(&b, &arena, 1024);
	openapi_write(&b, NULL);
	document = parse(&b);
	if (ok(document, "the document is JSON, and no object has a member twice")) {
		test_document();
		test_surfaces();
		test_names();
		test_routes();
		test_access();
		test_input();
		test_examples();
		test_answers();
		test_errors();
	}
	test_lines();
	arena_release(&arena);
	return done_testing();
}
