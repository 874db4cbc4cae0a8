#include "fcgi/reference/tool.h"

#include <json-c/json.h>
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "fcgi/reference/schema.h"
#include "fcgi/router.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/qs.h"

/* What tools take beside what their rows do. */
static const char workspace_arg[] = "in_workspace", continue_arg[] = "continue_at",
		  confirm_arg[] = "confirmation", idempotency_arg[] = "idempotency_key", body_arg[] = "body";

enum { HEADER_MOST = 255 };

/* Which */

static bool is_of(const struct route *r, const char *const *domains)
{
	const char *p = strchr(r->id, '.') + 1;
	size_t n = strcspn(p, ".");

	for (; *domains; domains++)
		if (strlen(*domains) == n && !memcmp(*domains, p, n))
			return true;
	return false;
}

static bool speaks_of(const struct route *r, const char *const *words)
{
	for (; *words; words++)
		if (strstr(r->id, *words) || strstr(r->path, *words))
			return true;
	return false;
}

bool tool_is_one(const struct route *r)
{
	static const char *const domains[] = { "identity", "apikeys", "operators",   "ops", "health",
					       "realtime", "admin",   "webhooks_in", NULL };
	static const char *const words[] = { "export", "secret",     "credential", "password",
					     "token",  "passkey",    "ticket",     "issuer",
					     "oauth",  "upload",     "download",   "/api/v1/admin/",
					     "import", "impersonat", NULL };
	unsigned elsewhere = STATIC | LINK | RAW | SIGNED | REALTIME | HASHES | RECENT | PRIVATE | HELD_BODY |
			     SENDS_FILE | PROBE;

	if (!strcmp(r->id, "platform.identity.me"))
		return true;
	return !(r->flags & elsewhere) && !r->parts && !r->redirect && !r->content_type && !r->alias_of &&
	       !r->caller->is_team && !r->caller->is_installation &&
	       !(r->caller->least_role && !strcmp(r->caller->least_role, "admin")) && !is_of(r, domains) &&
	       !speaks_of(r, words);
}

bool tool_writes(const struct route *r)
{
	return r->method != GET || r->flags & WRITES;
}

/* Is it in the list, as PostgreSQL writes one: {owner,editor}? */
static bool has_role(const char *roles, const char *role)
{
	size_t n = strlen(role);

	for (const char *p = roles; (p = strstr(p, role)); p += n)
		if (p > roles && strchr("{,", p[-1]) && strchr("},", p[n]))
			return true;
	return false;
}

static bool is_in_scope(const struct route *r, struct json_object *scopes)
{
	for (size_t i = 0; scopes && i < json_object_array_length(scopes); i++) {
		const char *one = json_object_get_string(json_object_array_get_idx(scopes, i));

		if (one && (!strcmp(one, "*") || (r->scope && !strcmp(one, r->scope))))
			return true;
	}
	return !scopes;
}

bool tool_may(const struct route *r, const struct tool_rights *rights)
{
	const struct caller *by = r->caller;
	bool is_key_alone = rights->has_key && !rights->has_user;

	if (!tool_is_one(r) || !(rights->has_key || rights->has_user) ||
	    (tool_writes(r) && !rights->allows_writes))
		return false;
	if (by->key == KEY_WORKSPACE || (by->key >= KEY_NEEDED && !rights->has_key))
		return false;
	if (by->token == TOKEN_NEEDED && !rights->has_user)
		return false;
	if (is_key_alone && !is_in_scope(r, rights->scopes))
		return false;
	return !(is_key_alone && r->may && r->may->place == IN_TENANT) || has_role(r->may->roles, "editor");
}

const struct route *tool_find(struct arena *a, const char *name)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++)
		if (tool_is_one(r) && !strcmp(openapi_operation_id(a, r, 1), name))
			return r;
	return NULL;
}

/* As tools/list has it */

static void write_property(struct buf *b, const struct field *f)
{
	jx_key(b, f->name);
	schema_field(b, f, 1, false);
}

static void write_properties(struct buf *b, const struct route *r)
{
	for (int i = 0; i < route_params(r); i++) {
		struct field f = route_param(r, i);

		write_property(b, &f);
	}
	for (const struct field *f = r->query; f && f->type != F_END; f++)
		write_property(b, f);
	if (r->body) {
		jx_key(b, body_arg);
		schema_write(b, r->body, 1, false);
	}
	if (r->caller->place == IN_WORKSPACE) {
		jx_key(b, workspace_arg);
		buf_text(b, r->caller->header ? "{\"type\":\"string\",\"description\":\"which organization\"}"
					      : "{\"type\":\"string\",\"description\":\"which workspace; the "
						"user's default "
						"one when left out\"}");
	}
	if (!tool_writes(r)) {
		jx_key(b, continue_arg);
		buf_text(b, "{\"type\":\"integer\",\"minimum\":0,\"description\":\"where an answer that was "
			    "cut goes on\"}");
	}
	if (r->method == POST) {
		jx_key(b, idempotency_arg);
		buf_text(
			b,
			"{\"type\":\"string\",\"description\":\"your own, so that it may be called again\"}");
	}
	if (r->method == DELETE) {
		jx_key(b, confirm_arg);
		buf_text(b, "{\"type\":\"string\",\"description\":\"what the first call answered\"}");
	}
}

static void write_required(struct buf *b, const struct route *r)
{
	bool needs_body = r->choice && r->choice->kind != CHOICE_MOST;

	for (int i = 0; i < route_params(r); i++) {
		jx_next(b);
		jx_str(b, route_param(r, i).name);
	}
	for (const struct field *f = r->query; f && f->type != F_END; f++) {
		if (!(f->flags & F_REQUIRED))
			continue;
		jx_next(b);
		jx_str(b, f->name);
	}
	for (const struct field *f = r->body; f && f->type != F_END; f++)
		needs_body = needs_body || f->flags & F_REQUIRED;
	if (r->body && needs_body) {
		jx_next(b);
		jx_str(b, body_arg);
	}
}

void tool_write(struct buf *b, const struct route *r)
{
	struct buf about;

	buf_init(&about, b->arena, 256);
	buf_fmt(&about, "%s (%s %s). %s", r->summary, method_name(r->method), r->path,
		r->about ? r->about : "");
	buf_char(b, '{');
	jx_key_str(b, "name", openapi_operation_id(b->arena, r, 1));
	jx_key_str(b, "title", r->summary);
	jx_key_str(b, "description", buf_str(&about));
	jx_key_open(b, "inputSchema", '{');
	jx_key_str(b, "type", "object");
	jx_key_open(b, "properties", '{');
	write_properties(b, r);
	buf_char(b, '}');
	jx_key_open(b, "required", '[');
	write_required(b, r);
	buf_text(b, "]}");
	jx_key_open(b, "annotations", '{');
	jx_key_str(b, "title", r->summary);
	jx_key(b, "readOnlyHint"), jx_bool(b, !tool_writes(r));
	jx_key(b, "destructiveHint"), jx_bool(b, r->method == DELETE);
	jx_key(b, "idempotentHint"), jx_bool(b, r->method != POST);
	jx_key(b, "openWorldHint"), jx_bool(b, r->flags & SLOW);
	buf_text(b, "}}");
}

/* As a request */

/* A value as a path or a query has it; NULL: it has none such. */
static const char *text_of(struct arena *a, struct json_object *v)
{
	struct buf b;

	switch (json_object_get_type(v)) {
	case json_type_string:
	case json_type_int:
	case json_type_double:
	case json_type_boolean: return json_object_get_string(v);
	case json_type_array: break;
	default: return NULL;
	}
	buf_init(&b, a, 64);
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct json_object *one = json_object_array_get_idx(v, i);
		const char *text = json_object_is_type(one, json_type_array) ? NULL : text_of(a, one);

		if (!text)
			return NULL;
		buf_fmt(&b, "%s%s", i ? "," : "", text);
	}
	return buf_str(&b);
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (o && json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

/* It becomes a header. */
static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text == 127)
			return false;
	return true;
}

/* What every tool takes.  False: one of them is not as it should be. */
static bool read_common(struct json_object *args, struct tool_request *out, const char **problem)
{
	struct json_object *at = member(args, continue_arg), *v;
	const struct {
		const char *name, **text;
	} texts[] = {
		{ workspace_arg, &out->workspace },
		{ idempotency_arg, &out->idempotency_key },
		{ confirm_arg, &out->confirmation },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		v = member(args, texts[i].name);
		*texts[i].text = v ? json_text(v, HEADER_MOST) : NULL;
		if (*texts[i].text && !is_visible(*texts[i].text))
			*texts[i].text = NULL;
		if (v && !*texts[i].text) {
			*problem = "in_workspace, idempotency_key and confirmation are texts without blanks";
			return false;
		}
	}
	out->continue_at = at ? json_object_get_int64(at) : 0;
	if (at && (!json_object_is_type(at, json_type_int) || out->continue_at < 0)) {
		*problem = "continue_at is a number that an answer named";
		return false;
	}
	return true;
}

static bool read_body(struct arena *a, const struct route *r, struct json_object *args,
		      struct tool_request *out, const char **problem)
{
	struct json_object *body = member(args, body_arg);

	if (!r->body && body) {
		*problem = "this operation takes no body";
		return false;
	}
	if (body && !json_object_is_type(body, json_type_object)) {
		*problem = "body must be an object";
		return false;
	}
	if (r->body)
		out->body = body ? arena_dup(a, json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN))
				 : "{}";
	return true;
}

static bool is_common(const char *name)
{
	return !strcmp(name, workspace_arg) || !strcmp(name, continue_arg) || !strcmp(name, confirm_arg) ||
	       !strcmp(name, idempotency_arg) || !strcmp(name, body_arg);
}

static const struct field *field_of(const struct field *table, const char *name)
{
	for (; table && table->type != F_END; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

/* The path with the arguments of its {names}; NULL: one is missing. */
static const char *fill_path(struct arena *a, const struct route *r, struct json_object *args,
			     const char **problem)
{
	const char *path = r->path, *open;
	struct buf b;

	buf_init(&b, a, 256);
	for (int i = 0; (open = strchr(path, '{')); i++) {
		struct field f = route_param(r, i);
		struct json_object *v = member(args, f.name);
		const char *text = v ? text_of(a, v) : NULL;

		if (!text || !*text) {
			*problem = arena_fmt(a, "%s is missing, or is no text", f.name);
			return NULL;
		}
		buf_add(&b, path, (size_t)(open - path));
		qs_encode(&b, text);
		path = strchr(open, '}') + 1;
	}
	buf_text(&b, path);
	return buf_str(&b);
}

static bool is_param(const struct route *r, const char *name)
{
	for (int i = 0; i < route_params(r); i++)
		if (!strcmp(route_param(r, i).name, name))
			return true;
	return false;
}

/* Behind the path, which b holds. */
static bool add_query(struct buf *b, const char *name, struct json_object *v, const char **problem)
{
	const char *text = v ? text_of(b->arena, v) : NULL;

	if (!v) /* null: left out */
		return true;
	if (!text) {
		*problem = arena_fmt(
			b->arena, "%.64s must be a text, a number, true, false, or an array of them", name);
		return false;
	}
	buf_char(b, memchr(b->p, '?', b->n) ? '&' : '?');
	qs_encode(b, name);
	buf_char(b, '=');
	qs_encode(b, text);
	return true;
}

static const char *arguments_of(struct arena *a, const struct route *r)
{
	struct buf b;

	buf_init(&b, a, 128);
	for (int i = 0; i < route_params(r); i++)
		buf_fmt(&b, "%s, ", route_param(r, i).name);
	for (const struct field *f = r->query; f && f->type != F_END; f++)
		buf_fmt(&b, "%s, ", f->name);
	if (r->body)
		buf_text(&b, "body, ");
	b.n -= b.n ? 2 : 0;
	return b.n ? buf_str(&b) : "nothing";
}

bool tool_request(struct arena *a, const struct route *r, struct json_object *args, struct tool_request *out,
		  const char **problem)
{
	struct buf target;
	const char *path;

	*out = (struct tool_request){ .route = r, .method = method_name(r->method) };
	if (!read_common(args, out, problem) || !read_body(a, r, args, out, problem))
		return false;
	path = fill_path(a, r, args, problem);
	if (!path)
		return false;
	buf_init(&target, a, 256);
	buf_text(&target, path);
	if (args) {
		json_object_object_foreach(args, name, value)
		{
			if (is_param(r, name) || is_common(name))
				continue;
			if (!field_of(r->query, name)) {
				*problem = arena_fmt(a, "there is no argument %.64s; there are: %s", name,
						     arguments_of(a, r));
				return false;
			}
			if (!add_query(&target, name, value, problem))
				return false;
		}
	}
	out->target = buf_str(&target);
	return true;
}

/* Without "..", a query or a fragment: what the router is asked about is what is called. */
static bool is_plain(const char *path)
{
	return path[0] == '/' && !path[strcspn(path, "?#\\ \t\r\n")] && !strstr(path, "..") &&
	       !strstr(path, "//");
}

bool tool_call_request(struct arena *a, struct json_object *args, struct tool_request *out,
		       const char **problem)
{
	static const char *const known[] = { "method", "path", "query", NULL };
	struct json_object *query = member(args, "query");
	const char *method = json_text(member(args, "method"), 16),
		   *path = json_text(member(args, "path"), 2048);
	struct buf target;
	struct match m;
	enum err rc;

	*out = (struct tool_request){ NULL };
	if (!method || !path || !is_plain(path)) {
		*problem = "method and path are needed: path begins with /api, and the query is apart";
		return false;
	}
	json_object_object_foreach(args, name, ignored)
	{
		const char *const *k = known;

		(void)ignored;
		while (*k && strcmp(*k, name) != 0)
			k++;
		if (!*k && !is_common(name)) {
			*problem = arena_fmt(a,
					     "there is no argument %.64s; there are: method, path, query, "
					     "body, %s, %s, %s, %s",
					     name, workspace_arg, continue_arg, idempotency_arg, confirm_arg);
			return false;
		}
	}
	if (strncmp(path, "/api/", 5) != 0)
		path = arena_fmt(a, "/api%s", path);
	rc = method_find(method) < HEAD ? router_find(method_find(method), path, &m) : ERR_METHOD_NOT_ALLOWED;
	if (rc) {
		*problem = rc == ERR_NOT_FOUND
				   ? "there is no such path: search_endpoints finds those there are"
				   : "the path has no such method: get_endpoint_details says which it has";
		return false;
	}
	out->route = m.route;
	out->method = method_name(m.route->method);
	if (!read_common(args, out, problem) || !read_body(a, m.route, args, out, problem))
		return false;
	buf_init(&target, a, 256);
	buf_text(&target, path);
	if (query && !json_object_is_type(query, json_type_object)) {
		*problem = "query must be an object";
		return false;
	}
	if (query) {
		json_object_object_foreach(query, key, value)
		{
			if (!add_query(&target, key, value, problem))
				return false;
		}
	}
	out->target = buf_str(&target);
	return true;
}
