/*
 * A route's row as JSON for the tests, which walk over all of them.
 */
#include "fcgi/reference/openapi.h"
#include "fcgi/choice.h"
#include "lib/base/jx.h"

static void write_test_fields(struct buf *b, const char *key, const struct field *table, size_t n);

static void write_test_field(struct buf *b, const struct field *f)
{
	static const char *const names[] = { "end",    "text", "int",  "number",   "bool",  "uuid",
					     "email",  "slug", "url",  "datetime", "date",  "enum",
					     "object", "list", "json", "binary",   "color", "file" };
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = { { F_WHOLE, "whole" }, { F_CLAMP, "clamped" },     { F_PAGE, "page" },
		      { F_CSV, "csv" },     { F_SIGNED, "signed" },     { F_ABOVE, "above" },
		      { F_BELOW, "below" }, { F_OPTIONAL, "optional" }, { F_DAY, "day" } };
	struct field item;

	buf_char(b, '{');
	jx_key_str(b, "name", f->name);
	jx_key_str(b, "type", names[f->type]);
	buf_fmt(b, ",\"required\":%s,\"nullable\":%s,\"min\":%lld", f->flags & F_REQUIRED ? "true" : "false",
		f->flags & F_NULL ? "true" : "false", f->min);
	if (f->max || f->flags & F_MAX)
		jx_key_int(b, "max", f->max);
	if (f->type == F_ENUM) {
		jx_key_open(b, "values", '[');
		for (int k = 0; f->values[k]; k++) {
			jx_next(b);
			jx_str(b, f->values[k]);
		}
		buf_char(b, ']');
	}
	if (f->type == F_OBJECT && f->fields)
		write_test_fields(b, "fields", f->fields, field_count(f->fields));
	if (f->type == F_LIST) {
		item = field_item(f);
		jx_key(b, "item");
		write_test_field(b, &item);
	}
	jx_key_str(b, "default", f->def);
	if (f->fits) {
		jx_key_str(b, "pattern", f->fits->regex);
		jx_key_str(b, "example", f->example);
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (f->flags & flags[i].flag)
			buf_fmt(b, ",\"%s\":true", flags[i].name);
	buf_char(b, '}');
}

static void write_test_fields(struct buf *b, const char *key, const struct field *table, size_t n)
{
	jx_key_open(b, key, '[');
	for (size_t i = 0; i < n; i++) {
		jx_next(b);
		write_test_field(b, &table[i]);
	}
	buf_char(b, ']');
}

static void write_caller(struct buf *b, const struct caller *c)
{
	static const char *const keys[] = { "unread", "beside", "taken", "needed", "secret", "workspace" },
				 *const tokens[] = { "unread", "taken", "needed", "or_key", "or_secret" },
				 *const places[] = { "tenant", "organization", "workspace" };

	jx_key_open(b, "caller", '{');
	jx_key_str(b, "name", c->name);
	jx_key_str(b, "key", keys[c->key]);
	jx_key_str(b, "token", tokens[c->token]);
	jx_key_str(b, "place", places[c->place]);
	jx_key_str(b, "role", c->least_role);
	jx_key_str(b, "header", c->place == IN_WORKSPACE ? caller_header(c) : NULL);
	buf_fmt(b, ",\"needs_header\":%s", c->header ? "true" : "false");
	buf_fmt(b, ",\"project\":%s", c->is_project ? "true" : "false");
	buf_fmt(b,
		",\"team\":%s,\"test_mode\":%s,\"key_is_bearer\":%s,\"organization_key\":%s,\"installation\":"
		"%s}",
		c->is_team ? "true" : "false", c->has_test_mode ? "true" : "false",
		c->key_is_bearer ? "true" : "false", c->takes_organization_key ? "true" : "false",
		c->is_installation ? "true" : "false");
}

static void write_permission(struct buf *b, const char *key, const struct permission *p)
{
	jx_key_open(b, key, '{');
	jx_key_str(b, "name", p->name);
	jx_key_str(b, "roles", p->roles);
	if (p->own)
		write_permission(b, "own", p->own);
	buf_char(b, '}');
}

/* What the columns of its queries are to fit: the answer's fields, and the members that children fill. */
static void write_answer(struct buf *b, const struct route *r)
{
	const struct shape *out = r->out;

	if (!r->sql || !out)
		return;
	jx_key_str(b, "sql", r->sql->name);
	write_test_fields(b, "out", out->fields, field_count(out->fields));
	jx_key_open(b, "children", '{');
	for (const struct child *c = r->children; c && c->member; c++)
		jx_key_str(b, c->member, c->sql->name);
	buf_char(b, '}');
}

void openapi_route(struct buf *b, const struct route *r)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
		{ SLOW, "slow" },
		{ STATIC, "static" },
		{ BARE, "bare" },
		{ RAW, "raw" },
		{ PRIVATE, "private" },
		{ WRITES, "writes" },
		{ ONE_OR_MANY, "one_or_many" },
		{ SIGNED, "signed" },
		{ REALTIME, "realtime" },
		{ HASHES, "hashes" },
		{ RECENT, "recent" },
		{ PROBE, "probe" },
		{ OPEN_QUERY, "open_query" },
		{ IF_MATCH, "if_match" },
		{ ACCEPTS, "accepts" },
	};
	struct field params[8];
	int n = route_params(r);

	for (int i = 0; i < n; i++)
		params[i] = route_param(r, i);
	buf_char(b, '{');
	jx_key_str(b, "method", method_name(r->method));
	jx_key_str(b, "path", r->path);
	jx_key_str(b, "id", r->id);
	write_caller(b, r->caller);
	jx_key_open(b, "flags", '[');
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!(r->flags & flags[i].flag))
			continue;
		jx_next(b);
		jx_str(b, flags[i].name);
	}
	buf_char(b, ']');
	if (r->may)
		write_permission(b, "may", r->may);
	jx_key_str(b, "scope", r->scope);
	jx_key_int(b, "invalid", surface_of(r->id)->validation_status);
	jx_key_str(b, "pool", route_pool(r));
	jx_key_int(b, "status", route_status(r));
	jx_key_int(b, "versions", surface_of(r->id)->versions);
	buf_fmt(b, ",\"static\":%s", r->flags & (STATIC | REALTIME) ? "true" : "false");
	write_test_fields(b, "params", params, (size_t)n);
	write_test_fields(b, "query", r->query, field_count(r->query));
	write_test_fields(b, "body", r->body, r->flags & RAW ? 0 : field_count(r->body));
	if (r->choice) {
		jx_key(b, "choice");
		choice_json(b, r->choice);
	}
	write_answer(b, r);
	buf_char(b, '}');
}
