#include "fcgi/reference/openapi.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/choice.h"
#include "fcgi/outputs.h"
#include "fcgi/stream.h"
#include "fcgi/req.h"
#include "fcgi/reference/schema.h"
#include "fcgi/version.h"
#include "lib/base/jx.h"
#include "lib/base/map.h"
#include "lib/host/config.h"

static bool has_v2_fields(const struct shape *s)
{
	for (const struct field *f = s->fields; f->type != F_END; f++)
		if (f->flags & F_V2)
			return true;
	return false;
}

static const char *shape_name(struct buf *b, const struct shape *s, int version)
{
	return version > 1 && has_v2_fields(s) ? arena_fmt(b->arena, "%sV%d", s->schema, version) : s->schema;
}

/* Answers */

/* Do the surface's answers have the data beside a "meta"? */
static bool has_meta(const struct route *r)
{
	return surface_of(r->id)->object_head;
}

static void write_items(struct buf *b, const struct route *r, int version, bool example)
{
	buf_text(b, example ? "[" : "{\"type\":\"array\",\"items\":");
	if (example)
		schema_example(b, r->out->fields, version);
	else
		openapi_ref(b, "schemas", shape_name(b, r->out, version));
	buf_char(b, example ? ']' : '}');
}

/* The members of a list's form, each with an example or its schema, and which there are. */
static void write_list_members(struct buf *b, const struct route *r, bool example)
{
	const struct list *l = r->list;
	int usual = r->size.usual ? r->size.usual : l->size.usual ? l->size.usual : 1000;

	for (size_t i = 0; i < sizeof(l->members) / sizeof(*l->members) && l->members[i]; i++) {
		enum list_kind kind = list_kind(l->members[i]);
		bool is_bool = kind == LIST_NEXT || kind == LIST_PREV;

		jx_key(b, l->members[i]);
		if (kind == LIST_CURSOR && example)
			jx_null(b);
		else if (kind == LIST_CURSOR)
			buf_text(b, "{\"type\":[\"string\",\"null\"]}");
		else if (!example)
			buf_text(b,
				 is_bool ? "{\"type\":\"boolean\"}" : "{\"type\":\"integer\",\"minimum\":0}");
		else if (is_bool)
			jx_bool(b, false);
		else
			jx_int(b, kind == LIST_SKIP ? 0 : kind == LIST_LIMIT ? usual : 1);
	}
	if (l->counts) {
		jx_key(b, "summary");
		if (example)
			schema_example(b, l->counts, 1);
		else
			schema_write(b, l->counts, 1, true);
	}
}

static void write_list_names(struct buf *b, const struct list *l)
{
	for (size_t i = 0; i < sizeof(l->members) / sizeof(*l->members) && l->members[i]; i++) {
		jx_next(b);
		jx_str(b, l->members[i]);
	}
	if (l->counts) {
		jx_next(b);
		jx_str(b, "summary");
	}
}

static void write_list_example(struct buf *b, const struct route *r, int version)
{
	buf_char(b, '{');
	jx_key(b, route_items(r));
	write_items(b, r, version, true);
	if (r->list->meta)
		jx_key_open(b, r->list->meta, '{');
	write_list_members(b, r, true);
	if (r->list->meta)
		buf_char(b, '}');
	buf_char(b, '}');
}

static void write_list_schema(struct buf *b, const struct route *r, int version)
{
	const struct list *l = r->list;

	buf_text(b, "{\"type\":\"object\",\"properties\":{");
	jx_key(b, route_items(r));
	write_items(b, r, version, false);
	if (l->meta) {
		jx_key(b, l->meta);
		buf_text(b, "{\"type\":\"object\",\"properties\":{");
	}
	write_list_members(b, r, false);
	if (l->meta) {
		buf_text(b, "},\"required\":[");
		write_list_names(b, l);
		buf_text(b, "]}");
	}
	buf_text(b, "},\"required\":[");
	jx_str(b, route_items(r));
	if (l->meta) {
		jx_next(b);
		jx_str(b, l->meta);
	} else {
		write_list_names(b, l);
	}
	buf_text(b, "]}");
}

/* A list in its form: its schema, or an example. */
static void write_list(struct buf *b, const struct route *r, int version, bool example)
{
	if (!route_items(r))
		write_items(b, r, version, example);
	else if (example)
		write_list_example(b, r, version);
	else
		write_list_schema(b, r, version);
}

/* The schema of an answer that is one: perhaps null, perhaps an array. */
static void write_one(struct buf *b, const struct route *r, int version)
{
	bool many = r->flags & ONE_OR_MANY, maybe = many || (r->sql && r->sql->shape == SHAPE_MAYBE);

	if (maybe)
		buf_text(b, "{\"anyOf\":[");
	openapi_ref(b, "schemas", shape_name(b, r->out, version));
	if (many) {
		buf_text(b, ",{\"type\":\"array\",\"items\":");
		openapi_ref(b, "schemas", shape_name(b, r->out, version));
		buf_char(b, '}');
	}
	if (maybe)
		buf_text(b, ",{\"type\":\"null\"}]}");
}

/* {"data": …}, and {"meta": {"message"}} where the row says what was done, or what it says */
static void write_data_member(struct buf *b, const struct route *r, int version, bool example)
{
	if (example) {
		buf_text(b, "{\"data\":");
		schema_example(b, r->out->fields, version);
		if (r->done) {
			buf_text(b, ",\"meta\":{\"message\":");
			jx_str(b, r->done);
			buf_char(b, '}');
		} else if (r->says) {
			buf_fmt(b, ",\"meta\":{\"%s\":true", r->says);
			if (r->because)
				buf_fmt(b, ",\"%s\":\"why\"", r->because);
			buf_char(b, '}');
		}
		buf_char(b, '}');
		return;
	}
	buf_fmt(b, "{\"type\":\"object\",\"required\":[\"data\"%s],\"properties\":{\"data\":",
		r->done || r->says ? ",\"meta\"" : "");
	write_one(b, r, version);
	if (r->done) {
		buf_text(b, ",\"meta\":");
		openapi_ref(b, "schemas", "MessageMeta");
	} else if (r->says) {
		buf_fmt(b,
			",\"meta\":{\"type\":\"object\",\"required\":[\"%s\"%s%s%s],\"properties\":{\"%s\":{"
			"\"type\":\"boolean\"}",
			r->says, r->because ? ",\"" : "", r->because ? r->because : "",
			r->because ? "\"" : "", r->says);
		if (r->because)
			buf_fmt(b, ",\"%s\":{\"type\":[\"string\",\"null\"]}", r->because);
		buf_text(b, "}}");
	}
	buf_text(b, "}}");
}

/* Either the schema of the success answer or an example of it: both are the shape inside the envelopes. */
static void write_data(struct buf *b, const struct route *r, int version, bool example)
{
	if (!r->out)
		buf_text(b, example ? "{}" : "{\"type\":\"object\"}");
	else if (r->list)
		write_list(b, r, version, example);
	else if (has_meta(r) && !(r->flags & BARE))
		write_data_member(b, r, version, example);
	else if (example)
		schema_example(b, r->out->fields, version);
	else
		write_one(b, r, version);
}

void openapi_answer(struct buf *b, const struct route *r, int version, bool example)
{
	if (version == 1 || r->flags & BARE) {
		write_data(b, r, version, example);
	} else if (example) {
		buf_text(b, "{\"data\":");
		write_data(b, r, version, true);
		buf_fmt(b,
			",\"meta\":{\"request_id\":\"2f1c7d3e-0a4b-4c5d-8e6f-7a8b9c0d1e2f\","
			"\"timestamp\":\"2026-01-31T12:00:00.000Z\",\"version\":\"v%d\"}}",
			version);
	} else {
		buf_text(b,
			 "{\"type\":\"object\",\"required\":[\"data\",\"meta\"],\"properties\":{\"data\":");
		write_data(b, r, version, false);
		buf_text(b, ",\"meta\":");
		openapi_ref(b, "schemas", "Meta");
		buf_text(b, "}}");
	}
}

/* What a success with this status is: an object of the document's "responses". */
static void write_response(struct buf *b, const struct route *r, int version, int status)
{
	bool redirects = status / 100 == 3;
	const char *type = r->flags & SENDS_FILE ? "*/*"
			   : r->content_type     ? r->content_type
						 : "application/json";

	buf_text(b, "{\"description\":");
	jx_str(b, status == 101                         ? "The protocol is WebSocket now"
		  : status == 206                       ? "The part that Range asks for"
		  : status == 204                       ? "Done; the body is empty"
		  : status == 202 && r->flags & ACCEPTS ? "Nothing was asked; the body is empty"
		  : redirects                           ? "A redirect; the body is empty"
							: "Success");
	openapi_headers(b, r, version, status);
	if (status != 101 && status != 204 && !(status == 202 && r->flags & ACCEPTS) && !redirects) {
		jx_key_open(b, "content", '{');
		jx_key(b, type);
		buf_char(b, '{');
		if (strncmp(type, "application/json", 16)) {
			buf_text(b, "\"schema\":{\"type\":\"string\"}");
		} else {
			buf_text(b, "\"schema\":");
			openapi_answer(b, r, version, false);
			if (r->out) {
				buf_text(b, ",\"example\":");
				openapi_answer(b, r, version, true);
			}
		}
		buf_char(b, '}');
		if (r->flags & STREAMS) {
			jx_key(b, stream_type);
			buf_text(b, "{\"schema\":{\"type\":\"string\"}}");
		}
		if (r->refuse) {
			jx_key(b, route_protobuf);
			buf_text(b, "{\"schema\":{\"type\":\"string\"}}");
		}
		for (const struct output *o = outputs; o->type; o++) {
			if (!(r->outputs & o->bit))
				continue;
			jx_key(b, o->type);
			buf_text(b, "{\"schema\":{\"type\":\"string\"}}");
		}
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

/* "app.ProjectList", "app.Project", "app.Empty": what those are called that may be alike. */
static const char *response_name(struct buf *b, const struct route *r, int version, int status)
{
	const char *type = r->content_type ? r->content_type : "application/json";
	const char *of = r->out ? r->out->schema : "Object", *surface = surface_of(r->id)->name;

	if (status == 101 || status == 204 || status / 100 == 3 || (status == 202 && r->flags & ACCEPTS))
		of = status == 101   ? "WebSocket"
		     : status == 202 ? "Accepted"
		     : status == 204 ? "Empty"
		     : status == 304 ? "Unmodified"
				     : "Redirect";
	else if (r->flags & SENDS_FILE)
		of = status == 206 ? "FilePart" : "FileContent";
	else if (strncmp(type, "application/json", 16))
		of = "Text";
	else
		of = arena_fmt(b->arena, "%s%s", of, r->list ? "List" : r->flags & STREAMS ? "OrStream" : "");
	return arena_fmt(b->arena, "%s.%s%s", surface, of, version > 1 ? "V2" : "");
}

static void write_success(struct buf *b, const struct route *r, int version, int status,
			  struct openapi_shared *responses)
{
	struct buf text;

	buf_init(&text, b->arena, 512);
	write_response(&text, r, version, status);
	jx_key(b, arena_fmt(b->arena, "%d", status));
	openapi_share(b, responses, response_name(b, r, version, status), &text);
}

/* A single row has an ETag, and a GET may ask by it. */
static bool may_be_unmodified(const struct route *r)
{
	return r->method == GET && (openapi_has_etag(r) || r->flags & SENDS_FILE);
}

static void write_not_modified(struct buf *b, const struct route *r, int version,
			       struct openapi_shared *responses)
{
	struct buf text;

	if (!may_be_unmodified(r))
		return;
	buf_init(&text, b->arena, 512);
	buf_text(&text, "{\"description\":\"If-None-Match names the current ETag; the body is empty\"");
	openapi_headers(&text, r, version, 304);
	buf_char(&text, '}');
	jx_key(b, "304");
	openapi_share(b, responses, response_name(b, r, version, 304), &text);
}

/* Operations */

/* The components that they bring along. */
struct openapi_brought {
	struct openapi_refusals refusals;
	struct openapi_shared responses, parameters;
};

/* What of a path's parts has other rows of the same name: sql/sample has "dashboard member" and "member". */
static const char *room_of(const struct route *r)
{
	return r->caller->is_team ? "dashboard" : NULL;
}

static void write_parameter(struct buf *b, const struct route *r, const struct field *f, const char *in)
{
	buf_char(b, '{');
	jx_key_str(b, "name", f->name);
	jx_key_str(b, "in", in);
	if (!strcmp(in, "path") || f->flags & F_REQUIRED)
		buf_text(b, ",\"required\":true");
	if (f->flags & F_CSV)
		buf_text(b, ",\"style\":\"form\",\"explode\":false");
	jx_key(b, "schema");
	schema_field(b, f, 1, false);
	if (!strcmp(in, "path")) {
		jx_key(b, "example");
		schema_param_example(b, f, room_of(r));
	} else if (f->flags & F_REQUIRED) {
		jx_key(b, "example");
		schema_field_example(b, f, 1);
	}
	buf_char(b, '}');
}

/* One that many rows have: what a path names, and which page of a list. */
static void share_parameter(struct buf *b, const struct route *r, const struct field *f, const char *in,
			    struct openapi_shared *parameters)
{
	struct buf text;

	buf_init(&text, b->arena, 256);
	write_parameter(&text, r, f, in);
	openapi_share(b, parameters, arena_fmt(b->arena, "%s.%s", surface_of(r->id)->name, f->name), &text);
}

static void write_parameters(struct buf *b, const struct route *r, struct openapi_shared *parameters)
{
	jx_key_open(b, "parameters", '[');
	for (int i = 0; i < route_params(r); i++) {
		struct field f = route_param(r, i);

		jx_next(b);
		share_parameter(b, r, &f, "path", parameters);
	}
	for (const struct field *f = r->query; f && f->type != F_END; f++) {
		enum list_kind kind = list_kind(f->name);

		jx_next(b);
		if (r->list && (kind == LIST_LIMIT || kind == LIST_SKIP || kind == LIST_PAGE))
			share_parameter(b, r, f, "query", parameters);
		else
			write_parameter(b, r, f, "query");
	}
	if (r->method == POST && !(r->flags & (PRIVATE | SIGNED))) {
		jx_next(b);
		openapi_ref(b, "parameters", "Idempotency-Key");
	}
	if (r->caller->has_test_mode) {
		jx_next(b);
		openapi_ref(b, "parameters", "X-Test-Mode");
	}
	if (caller_takes_key(r->caller) || r->caller->key_is_bearer) {
		jx_next(b);
		openapi_ref(b, "parameters", "X-Client-IP");
	}
	if (r->caller->header) {
		const struct field header = { r->caller->header, F_UUID, F_REQUIRED,
					      .about = "the organization that it is about",
					      .example = "organization" };

		jx_next(b);
		share_parameter(b, r, &header, "header", parameters);
	} else if (r->caller->place == IN_WORKSPACE) {
		jx_next(b);
		openapi_ref(b, "parameters", "X-Workspace-Id");
	}
	if (route_has_if_match(r)) {
		jx_next(b);
		openapi_ref(b, "parameters", "If-Match");
	}
	if (may_be_unmodified(r)) {
		jx_next(b);
		openapi_ref(b, "parameters", "If-None-Match");
	}
	for (const struct field *f = r->headers; f && f->type != F_END; f++) {
		jx_next(b);
		write_parameter(b, r, f, "header");
	}
	buf_char(b, ']');
}

static void write_body(struct buf *b, const struct route *r)
{
	bool required = false;

	if (r->parts) {
		buf_text(b, ",\"requestBody\":{\"required\":true,\"content\":{\"multipart/"
			    "form-data\":{\"schema\":");
		schema_write(b, r->parts, 1, false);
		buf_text(b, "}}}");
		return;
	}
	if (!r->body)
		return;
	for (const struct field *f = r->body; f->type != F_END; f++)
		required = required || f->flags & F_REQUIRED;
	required = required || (r->choice && r->choice->kind != CHOICE_MOST);
	buf_fmt(b, ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":{\"schema\":",
		required ? "true" : "false");
	schema_write(b, r->body, 1, false);
	if (r->choice) {
		b->n--; /* the schema's brace */
		choice_schema(b, r->choice);
		buf_char(b, '}');
	}
	buf_text(b, ",\"example\":");
	schema_example(b, r->body, 1);
	buf_char(b, '}');
	if (r->refuse) {
		jx_key(b, route_protobuf);
		buf_text(b, "{\"schema\":{\"type\":\"string\"}}");
	}
	buf_text(b, "}}");
}

/* The role, or in a tenant the permission, that the token's user needs; NULL: to be one is enough. */
static const char *least(const struct route *r)
{
	const char *role = r->caller->least_role;

	if (r->may && r->may->place == IN_TENANT)
		return r->may->name;
	return role && !strcmp(role, "admin") ? role : NULL;
}

/* An organization's key is never more than an editor, whoever has made it. */
static bool is_beyond_keys(const struct route *r)
{
	return r->caller->needs_person && r->may && r->may->place == IN_TENANT &&
	       !strstr(r->may->roles, "editor");
}

/* The ways in, each enough by itself; in one of them all are needed. */
static void write_security(struct buf *b, const struct route *r)
{
	jx_key_open(b, "security", '[');
	buf_text(b, is_beyond_keys(r) ? by_signed_in.security : r->caller->security);
	buf_char(b, ']');
	jx_key_str(b, "x-role", least(r));
}

static void write_roles(struct buf *text, const struct permission *p)
{
	for (const char *c = p->roles; *c; c++) {
		if (*c == ',')
			buf_text(text, ", ");
		else if (!strchr("{}", *c))
			buf_char(text, *c);
	}
}

/* What security schemes cannot say. */
static void describe(struct buf *text, const struct route *r, enum method twin)
{
	static const char *const places[] = { [IN_TENANT] = "",
					      [IN_ORGANIZATION] = " in the organization",
					      [IN_WORKSPACE] = " in the workspace" };

	if (r->about)
		buf_fmt(text, "%s ", r->about);
	buf_fmt(text, "%s ", r->caller->about);
	if (r->may && r->may->is_either) {
		buf_text(text, "Needs one of the roles ");
		write_roles(text, r->may);
		buf_fmt(text, "%s, or the permission %s. ", places[r->may->place], r->may->own->name);
	} else if (r->may) {
		buf_fmt(text, "Needs the permission %s%s, which the roles ", r->may->name,
			places[r->may->place]);
		write_roles(text, r->may);
		buf_text(text, r->may->place == IN_TENANT ? " have; a secret key alone counts as editor. "
			       : r->may->place == IN_WORKSPACE ? " have unless it says otherwise. "
							       : " have. ");
	}
	if (r->may && r->may->own && !r->may->is_either) {
		buf_fmt(text, "For what is the caller's own %s is enough, which the roles ",
			r->may->own->name);
		write_roles(text, r->may->own);
		buf_text(text, " have. ");
	}
	if (twin != METHOD_COUNT)
		buf_fmt(text, "%s does the same. ", method_name(twin));
	if (r->scope)
		buf_fmt(text, "A key alone needs the scope %s. ", r->scope);
	if (r->flags & RECENT)
		buf_text(text, "Needs a token of somebody who signed in within RECENT_SIGN_IN_S, 15 minutes "
			       "unless the "
			       "operator says another; refreshing it is no signing in. ");
	if (r->needs.what)
		buf_fmt(text, "Needs %s; the example has none. ", r->needs.what);
	if (r->flags & SIGNED)
		buf_text(text, "Whoever calls proves it by the signature: no bearer token, no key. ");
	if (r->flags & PRIVATE && r->method == POST)
		buf_text(text, "Idempotency-Key is ignored, since the answer holds a secret. ");
}

void openapi_describe(struct buf *text, const struct route *r)
{
	describe(text, r, METHOD_COUNT);
}

static void write_about(struct buf *b, const struct route *r, enum method twin)
{
	struct buf text;

	buf_init(&text, b->arena, 256);
	describe(&text, r, twin);
	jx_key(b, "description");
	jx_text(b, text.p, text.n - 1);
}

/* What the example lacks, for programs: it is refused with this. */
static void write_needs(struct buf *b, const struct route *r)
{
	enum err e = route_error(r, r->needs.otherwise);

	if (!r->needs.what)
		return;
	jx_key_open(b, "x-needs", '{');
	jx_key_str(b, "what", r->needs.what);
	jx_key_str(b, "code", err_info(e)->code);
	buf_char(b, '}');
}

static void write_operation(struct buf *b, const struct route *r, int version, enum method twin,
			    struct openapi_brought *all)
{
	static const char *const verbs[METHOD_COUNT] = { "get",    "post", "put",    "patch",
							 "delete", "head", "options" };

	jx_key_open(b, verbs[r->method], '{');
	jx_key_str(b, "operationId", openapi_operation_id(b->arena, r, version));
	jx_key_str(b, "summary", r->summary);
	write_about(b, r, twin);
	jx_key_open(b, "tags", '[');
	jx_str(b, openapi_tag(b->arena, r));
	buf_char(b, ']');
	jx_key_str(b, "x-catalogue-id", r->id);
	if (r->flags & STATIC || strcmp(route_pool(r), "main") != 0)
		jx_key_str(b, "x-pool", r->flags & STATIC ? "nginx" : route_pool(r));
	if (twin != METHOD_COUNT)
		jx_key_str(b, "x-twin", method_name(twin));
	write_needs(b, r);
	write_security(b, r);
	write_parameters(b, r, &all->parameters);
	write_body(b, r);
	jx_key_open(b, "responses", '{');
	write_success(b, r, version, route_status(r), &all->responses);
	if (r->flags & SENDS_FILE)
		write_success(b, r, version, 206, &all->responses);
	if (r->flags & ACCEPTS)
		write_success(b, r, version, 202, &all->responses);
	if (r->redirect && r->out)
		write_success(b, r, version, 200, &all->responses);
	write_not_modified(b, r, version, &all->responses);
	if (r->flags & SENDS_FILE) /* where it is elsewhere */
		write_success(b, r, version, 302, &all->responses);
	openapi_errors(b, r, version, &all->refusals);
	buf_text(b, "}}");
}

bool openapi_is_of(const struct route *r, const struct surface *surface)
{
	return !(r->flags & LINK) && (!surface || surface_of(r->id) == surface);
}

/* The rows by their paths, in the order in which these first come. */
struct same_path {
	struct same_path *next; /* path */
	const char *path;
	struct row {
		struct row *next;
		const struct route *route;
	} * rows, **end;
};

static struct same_path *read_paths(struct arena *a, const struct surface *surface)
{
	struct same_path *first = NULL, **last = &first, *p;
	const struct route *r;
	struct row *row;
	struct map paths;
	void **place;

	map_init(&paths, a);
	for (int i = 0; (r = route_at(i)); i++) {
		if (!openapi_is_of(r, surface))
			continue;
		place = map_at(&paths, r->path, strlen(r->path));
		p = *place;
		if (!p) {
			*place = p = arena_alloc(a, sizeof(*p));
			*p = (struct same_path){ .path = r->path, .end = &p->rows };
			*last = p;
			last = &p->next;
		}
		row = arena_alloc(a, sizeof(*row));
		row->route = r;
		*p->end = row;
		p->end = &row->next;
	}
	return first;
}

/* An update is had by PUT and by PATCH, unless its path has a row for each; METHOD_COUNT: there is no other.
 */
static enum method twin_of(const struct same_path *p, const struct route *r)
{
	enum method other = r->method == PUT ? PATCH : PUT;

	if (r->method != PUT && r->method != PATCH)
		return METHOD_COUNT;
	for (const struct row *row = p->rows; row; row = row->next)
		if (row->route->method == other)
			return METHOD_COUNT;
	return other;
}

static void write_paths(struct buf *b, const struct same_path *p, int version, struct openapi_brought *all)
{
	for (; p; p = p->next) {
		const char *path = p->path;

		if (version > 1) {
			if (surface_of(p->rows->route->id)->versions < version ||
			    strncmp(path, "/api/v1/", 8))
				continue;
			path = arena_fmt(b->arena, "/api/v%d/%s", version, path + 8);
		}
		jx_key_open(b, path, '{');
		for (const struct row *row = p->rows; row; row = row->next)
			write_operation(b, row->route, version, twin_of(p, row->route), all);
		buf_char(b, '}');
	}
}

bool openapi_shape_is_new(struct map *seen, const struct shape *s)
{
	void **place = map_at(seen, s->schema, strlen(s->schema));
	bool is_new = !*place;

	*place = seen;
	return is_new;
}

/* Behind the members of the object that was just written. */
static void write_one_of(struct buf *b, const char *const *members)
{
	b->n--; /* its brace */
	jx_key_open(b, "oneOf", '[');
	for (; *members; members++) {
		jx_next(b);
		buf_fmt(b, "{\"required\":[\"%s\"]}", *members);
	}
	buf_text(b, "]}");
}

static void write_shapes(struct buf *b, struct openapi_refs *refs, struct map *seen)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++) {
		if (!r->out || !openapi_shape_is_new(seen, r->out))
			continue;
		for (int version = 1; version <= (has_v2_fields(r->out) ? 2 : 1); version++) {
			const char *name = shape_name(b, r->out, version);

			if (!openapi_refs_have(refs, b, "schemas", name))
				continue;
			jx_key(b, name);
			schema_write(b, r->out->fields, version, true);
			if (r->out->one_of)
				write_one_of(b, r->out->one_of);
		}
	}
}

/* surface: whose document it is; NULL: all of them */
static void write_head(struct buf *b, const struct surface *surface)
{
	buf_text(b, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":");
	jx_str(b, surface ? arena_fmt(b->arena, "Ashlar: %s", surface->name) : "Ashlar");
	buf_text(b, ",\"version\":\"" ASHLAR_VERSION "\","
		    "\"summary\":\"The whole backend of a SaaS product\","
		    "\"description\":\"Errors have one shape everywhere. Every answer carries X-Request-ID, "
		    "X-API-Version and "
		    "X-API-Latest-Version, and the X-RateLimit headers while limits are on.\","
		    "\"contact\":{\"name\":\"Who runs this installation\"},"
		    "\"license\":{\"name\":\"Proprietary\",\"identifier\":\"LicenseRef-Proprietary\"}},"
		    "\"servers\":[{\"url\":\"/\"}]");
}

void openapi_write(struct buf *b, const struct surface *surface)
{
	const struct same_path *paths = read_paths(b->arena, surface);
	struct openapi_brought all;
	struct openapi_refs refs;
	struct map shapes;

	openapi_refusals_init(&all.refusals, b->arena);
	openapi_shared_init(&all.responses, b->arena, "responses");
	openapi_shared_init(&all.parameters, b->arena, "parameters");
	openapi_refs_init(&refs, b);
	map_init(&shapes, b->arena);
	write_head(b, surface);
	openapi_tags(b, surface);
	jx_key_open(b, "paths", '{');
	for (int version = 1; version <= 2; version++)
		write_paths(b, paths, version, &all);
	buf_char(b, '}');
	openapi_webhooks(b, surface);
	/* What refers to others stands before them, so that each is there if it is needed. */
	jx_key_open(b, "components", '{');
	jx_key_open(b, "responses", '{');
	openapi_shared_write(b, &all.responses);
	openapi_error_responses(b, &all.refusals);
	buf_char(b, '}');
	jx_key_open(b, "parameters", '{');
	openapi_shared_write(b, &all.parameters);
	openapi_members(b, &refs, "parameters");
	buf_char(b, '}');
	openapi_section(b, &refs, "headers");
	jx_key_open(b, "schemas", '{');
	write_shapes(b, &refs, &shapes);
	openapi_webhook_shapes(b, &refs, &shapes);
	openapi_error_schemas(b, &refs);
	openapi_members(b, &refs, "schemas");
	buf_char(b, '}');
	openapi_security_schemes(b, surface);
	buf_text(b, "}}");
}
