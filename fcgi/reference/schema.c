#include "fcgi/reference/schema.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "fcgi/reference/demo.h"
#include "lib/base/jx.h"

static const char *const type_names[] = {
	[F_TEXT] = "string",     [F_INT] = "integer",  [F_NUMBER] = "number", [F_BOOL] = "boolean",
	[F_UUID] = "string",     [F_EMAIL] = "string", [F_SLUG] = "string",   [F_URL] = "string",
	[F_DATETIME] = "string", [F_DATE] = "string",  [F_ENUM] = "string",   [F_OBJECT] = "object",
	[F_LIST] = "array",      [F_JSON] = NULL,      [F_BINARY] = "string", [F_COLOR] = "string",
	[F_FILE] = "string",
};

static const char *const formats[] = {
	[F_UUID] = "uuid",          [F_EMAIL] = "idn-email", [F_URL] = "uri",
	[F_DATETIME] = "date-time", [F_DATE] = "date",       [F_COLOR] = NULL,
};

/* What a reader sees where the table gives no example. */
static const char *const examples[] = {
	[F_INT] = "1",
	[F_NUMBER] = "1.5",
	[F_BOOL] = "true",
	[F_UUID] = "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f",
	[F_EMAIL] = "ada@example.com",
	[F_SLUG] = "acme",
	[F_URL] = "https://example.com/",
	[F_DATETIME] = "2026-01-31T12:00:00.000Z",
	[F_DATE] = "2026-01-31",
	[F_BINARY] = "",
	[F_COLOR] = "#1a73e8",
	[F_FILE] = "",
};

void schema_example(struct buf *b, const struct field *table, int version)
{
	if (table->flags & F_WHOLE) {
		schema_field_example(b, table, version);
		return;
	}
	buf_char(b, '{');
	for (; table->type != F_END; table++) {
		if ((table->flags & F_V2 && version < 2) || table->flags & F_RARE)
			continue;
		jx_key(b, table->name);
		schema_field_example(b, table, version);
	}
	buf_char(b, '}');
}

/* The id of a row of the demo: of the one that the table names, else of the one that the field is called
 * after. */
static const char *id_example(const struct field *f)
{
	const char *found = f->example ? demo_text(f->example) : f->name ? demo_named(f->name, NULL) : NULL;

	if (found)
		return found;
	assert(!f->example || field_is_uuid(f->example)); /* the demo has no such row */
	return f->example ? f->example : examples[F_UUID];
}

/* A text says what it is: "Display name". */
static void write_name(struct buf *b, const char *name)
{
	char *words = arena_dup(b->arena, name ? name : "text");

	for (char *p = words; *p; p++)
		if (*p == '_')
			*p = ' ';
	*words = (char)toupper((unsigned char)*words);
	jx_str(b, words);
}

static void write_list_example(struct buf *b, const struct field *f, int version)
{
	buf_char(b, '[');
	if (f->fields) {
		schema_example(b, f->fields, version);
	} else {
		struct field item = field_item(f);

		schema_field_example(b, &item, version);
	}
	buf_char(b, ']');
}

void schema_field_example(struct buf *b, const struct field *f, int version)
{
	const char *text = f->example ? f->example : f->def ? f->def : examples[f->type];

	switch (f->type) {
	case F_OBJECT:
		if (f->fields)
			schema_example(b, f->fields, version);
		else
			buf_text(b, f->example ? f->example : "{}");
		break;
	case F_LIST:
		if (f->example)
			buf_text(b, f->example);
		else
			write_list_example(b, f, version);
		break;
	case F_JSON: buf_text(b, f->example ? f->example : "{}"); break;
	case F_INT:
		if (!f->example && !f->def && f->min > 1)
			buf_fmt(b, "%lld", f->min);
		else
			buf_text(b, text);
		break;
	case F_NUMBER:
	case F_BOOL: buf_text(b, text); break;
	case F_ENUM: jx_str(b, text ? text : f->values[0]); break;
	case F_UUID: jx_str(b, id_example(f)); break;
	case F_TEXT:
		if (text)
			jx_str(b, text);
		else
			write_name(b, f->name);
		break;
	default: jx_str(b, text);
	}
}

void schema_param_example(struct buf *b, const struct field *f, const char *room)
{
	struct field named = *f;

	if (f->type == F_UUID && (!f->example || !field_is_uuid(f->example)))
		named.example = f->example ? f->example : demo_named(f->name, room);
	else if (f->type == F_TEXT && !f->example)
		named.example = demo_text(arena_fmt(b->arena, "{%s}", f->name));
	schema_field_example(b, &named, 1);
}

/* Must the member be there?  In an answer all are, but for those that say otherwise. */
static bool is_required(const struct field *f, int version, bool answer)
{
	if (f->flags & F_V2 && version < 2)
		return false;
	return answer ? !(f->flags & F_OPTIONAL) : f->flags & F_REQUIRED;
}

void schema_write(struct buf *b, const struct field *table, int version, bool answer)
{
	bool any = false;

	if (table->flags & F_WHOLE) {
		schema_field(b, table, version, answer);
		return;
	}
	buf_text(b, "{\"type\":\"object\",\"properties\":{");
	for (const struct field *f = table; f->type != F_END; f++) {
		if (f->flags & F_V2 && version < 2)
			continue;
		jx_key(b, f->name);
		schema_field(b, f, version, answer);
		any = any || is_required(f, version, answer);
	}
	buf_char(b, '}');
	if (any) {
		jx_key_open(b, "required", '[');
		for (const struct field *f = table; f->type != F_END; f++) {
			if (!is_required(f, version, answer))
				continue;
			jx_next(b);
			jx_str(b, f->name);
		}
		buf_char(b, ']');
	}
	buf_char(b, '}');
}

static void write_range(struct buf *b, const struct field *f)
{
	/* An integer's least value is told even where it is 0. */
	if (f->min || (f->type == F_INT ? !(f->flags & F_SIGNED) : f->flags & F_ABOVE))
		jx_key_int(b, f->flags & F_ABOVE ? "exclusiveMinimum" : "minimum", f->min);
	if ((f->max || f->flags & F_MAX) && !(f->flags & F_CLAMP))
		jx_key_int(b, f->flags & F_BELOW ? "exclusiveMaximum" : "maximum", f->max);
}

static void write_bounds(struct buf *b, const struct field *f)
{
	bool is_list = f->type == F_LIST;

	if (f->type == F_INT || f->type == F_NUMBER) {
		write_range(b, f);
		return;
	}
	if (!is_list && f->type != F_TEXT && f->type != F_URL && f->type != F_SLUG)
		return;
	if (f->min)
		jx_key_int(b, is_list ? "minItems" : "minLength", f->min);
	if (f->max)
		jx_key_int(b, is_list ? "maxItems" : "maxLength", f->max);
}

static void write_pattern(struct buf *b, const struct field *f)
{
	if (f->type == F_SLUG)
		jx_key_str(b, "pattern", "^[a-z0-9]+(-[a-z0-9]+)*$");
	else if (f->type == F_COLOR)
		jx_key_str(b, "pattern", "^#[0-9a-fA-F]{6}$");
	else if (f->type == F_FILE)
		jx_key_str(b, "contentMediaType", "application/octet-stream");
	else if (f->fits)
		jx_key_str(b, "pattern", f->fits->regex);
}

/* A value as it stands in a query string, in its own type. */
static void write_plain(struct buf *b, enum field_type type, const char *text, size_t n)
{
	if (type == F_INT || type == F_NUMBER || type == F_BOOL)
		buf_add(b, text, n);
	else
		jx_text(b, text, n);
}

static void write_default(struct buf *b, const struct field *f)
{
	const char *p = f->def;

	if (f->type != F_LIST) {
		write_plain(b, f->type, p, strlen(p));
		return;
	}
	buf_char(b, '[');
	while (*p) {
		size_t n = strcspn(p, ",");

		jx_next(b);
		write_plain(b, field_item(f).type, p, n);
		p += n + (p[n] == ',');
	}
	buf_char(b, ']');
}

void schema_field(struct buf *b, const struct field *f, int version, bool answer)
{
	const char *type = type_names[f->type];

	buf_char(b, '{');
	if (type && f->flags & F_NULL) {
		jx_key_open(b, "type", '[');
		jx_str(b, type);
		buf_text(b, ",\"null\"]");
	} else {
		jx_key_str(b, "type", type);
	}
	if (f->flags & F_DAY)
		buf_text(b, ",\"anyOf\":[{\"format\":\"date-time\"},{\"format\":\"date\"}]");
	else if (f->type < (int)(sizeof(formats) / sizeof(*formats)))
		jx_key_str(b, "format", formats[f->type]);
	if (f->type == F_ENUM) {
		jx_key_open(b, "enum", '[');
		for (int i = 0; f->values[i]; i++) {
			jx_next(b);
			jx_str(b, f->values[i]);
		}
		if (f->flags & F_NULL) {
			jx_next(b);
			jx_null(b);
		}
		buf_char(b, ']');
	}
	write_pattern(b, f);
	write_bounds(b, f);
	if (f->def) {
		jx_key(b, "default");
		write_default(b, f);
	}
	jx_key_str(b, "description", f->about);
	if (f->type == F_OBJECT && f->fields) {
		struct buf members;

		/* The object's own members go on in the braces that are open. */
		buf_init(&members, b->arena, 512);
		schema_write(&members, f->fields, version, answer);
		jx_next(b);
		buf_add(b, members.p + strlen("{\"type\":\"object\","),
			members.n - strlen("{\"type\":\"object\",}"));
	}
	/* Where it is left out, generators of clients take it for an object of no members. */
	if (f->type == F_OBJECT && !f->fields && !f->item)
		buf_text(b, ",\"additionalProperties\":true");
	if (f->type == F_OBJECT && f->item) {
		struct field other = { .type = f->item };

		jx_key(b, "additionalProperties");
		schema_field(b, &other, version, answer);
	}
	if (f->type == F_LIST) {
		jx_key(b, "items");
		if (f->fields) {
			schema_write(b, f->fields, version, answer);
		} else {
			struct field item = field_item(f);

			schema_field(b, &item, version, answer);
		}
	}
	if (f->example && f->type != F_OBJECT) {
		jx_key_open(b, "examples", '[');
		schema_field_example(b, f, version);
		buf_char(b, ']');
	}
	buf_char(b, '}');
}
