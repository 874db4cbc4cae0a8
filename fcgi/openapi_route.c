/*
 * A route's row as JSON for the tests, which walk over all of them.
 */
#include "fcgi/jx.h"
#include "fcgi/openapi.h"

static void write_test_fields(struct buf *b, const char *key, const struct field *table, size_t n);

static void write_test_field(struct buf *b, const struct field *f)
{
	static const char *const names[] = { "end",    "text", "int",  "number",   "bool", "uuid",
					     "email",  "slug", "url",  "datetime", "date", "enum",
					     "object", "list", "json", "binary",   "color" };
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = { { F_WHOLE, "whole" },   { F_CLAMP, "clamped" }, { F_PAGE, "page" },  { F_CSV, "csv" },
		      { F_SIGNED, "signed" }, { F_ABOVE, "above" },   { F_BELOW, "below" } };
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

void openapi_route(struct buf *b, const struct route *r)
{
	static const char *const access[] = { "public",      "user",       "admin",       "key",
					      "key_user",    "secret_key", "secret_user", "key_or_user",
					      "user_or_key", "team",       "team_admin" };
	static const char *const flags[] = { "slow",        "static",    "bare",   "raw",      "keyless",
					     "token_too",   "private",   "writes", "one_mode", "own_limit",
					     "one_or_many", "workspace", "signed", "realtime", "hashes",
					     "open_query",  "if_match" };
	struct field params[8];
	int n = route_params(r);

	for (int i = 0; i < n; i++)
		params[i] = route_param(r, i);
	buf_char(b, '{');
	jx_key_str(b, "method", method_name(r->method));
	jx_key_str(b, "path", r->path);
	jx_key_str(b, "id", r->id);
	jx_key_str(b, "access", access[r->access]);
	jx_key_open(b, "flags", '[');
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!(r->flags & 1u << i))
			continue;
		jx_next(b);
		jx_str(b, flags[i]);
	}
	buf_char(b, ']');
	if (r->may) {
		jx_key_open(b, "may", '{');
		jx_key_str(b, "name", r->may->name);
		jx_key_str(b, "roles", r->may->roles);
		buf_char(b, '}');
	}
	if (r->gate) {
		jx_key_open(b, "gate", '{');
		jx_key_str(b, "name", r->gate->name);
		jx_key_str(b, "roles", r->gate->roles);
		buf_char(b, '}');
	}
	jx_key_int(b, "invalid", surface_of(r->id)->validation_status);
	jx_key_str(b, "pool", route_pool(r));
	jx_key_int(b, "status", route_status(r));
	jx_key_int(b, "versions", surface_of(r->id)->versions);
	buf_fmt(b, ",\"static\":%s", r->flags & (STATIC | REALTIME) ? "true" : "false");
	write_test_fields(b, "params", params, (size_t)n);
	write_test_fields(b, "query", r->query, field_count(r->query));
	write_test_fields(b, "body", r->body, r->flags & RAW ? 0 : field_count(r->body));
	buf_char(b, '}');
}
