#include "handlers/records/record_input.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"

enum err record_input_schema(struct arena *a, const char *fields, struct record_schema *out,
			     struct failure *why)
{
	struct json_object *list = NULL, *object = json_object_new_object();
	const char *problem;
	enum err rc = json_read(a, fields, strlen(fields), &list, &problem);

	json_object_object_add(object, "fields", json_object_get(list));
	if (!rc)
		rc = record_schema_read(a, object, "schema", out, why);
	json_object_put(object);
	return rc;
}

void record_input_begin(struct record_input *in, struct arena *a)
{
	*in = (struct record_input){ .arena = a, .path = "field_values" };
	buf_init(&in->list, a, 256);
	buf_char(&in->list, '[');
}

static void misfit(struct record_input *in, const char *path, const char *message)
{
	if (!in->n++)
		failure_set(&in->first, in->arena, ERR_VALIDATION, path, "%s", message);
	jx_next(&in->list), buf_char(&in->list, '{');
	jx_key(&in->list, "field"), jx_str(&in->list, path);
	jx_key(&in->list, "message"), jx_str(&in->list, message);
	buf_char(&in->list, '}');
}

enum err record_input_end(struct record_input *in, struct failure *why)
{
	if (!in->n)
		return ERR_OK;
	*why = in->first;
	buf_char(&in->list, ']');
	why->details = arena_fmt(in->arena, "\"fields\":%s", buf_str(&in->list));
	return why->err;
}

/* One value that was sent: into b with its key, or its key into dropped. */
static void take_value(struct record_input *in, const struct record_schema *s, bool is_strict,
		       const char *key, struct json_object *json, struct buf *b, struct buf *dropped)
{
	const struct record_field *f = record_schema_find(s, key);
	const char *path = arena_fmt(in->arena, "%s.%s", in->path, key);
	struct failure why = { ERR_OK };

	if (!json) {
		if (f && f->is_required)
			misfit(in, path, arena_fmt(in->arena, "%s is required", path));
		jx_next(dropped), jx_str(dropped, key);
		return;
	}
	if (!f && is_strict) {
		misfit(in, path, arena_fmt(in->arena, "%s is no field of the schema", path));
		return;
	}
	jx_key(b, key);
	if (!f)
		buf_text(b, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	else if (record_schema_value(in->arena, f, json, path, b, &why))
		misfit(in, path, why.message);
}

void record_input_values(struct record_input *in, const struct record_schema *s, bool is_strict,
			 struct json_object *given, struct buf *b, struct buf *dropped)
{
	if (!given)
		return;
	json_object_object_foreach(given, key, value)
	{
		take_value(in, s, is_strict, key, value, b, dropped);
	}
}

void record_input_defaults(struct record_input *in, const struct record_schema *s, struct json_object *given,
			   struct buf *b)
{
	for (const struct record_field *f = s->fields; f < s->fields + s->n; f++) {
		const char *path = arena_fmt(in->arena, "%s.%s", in->path, f->key);
		struct json_object *sent;

		if (given && json_object_object_get_ex(given, f->key, &sent))
			continue;
		if (f->def)
			jx_key(b, f->key),
				buf_text(b, json_object_to_json_string_ext(f->def, JSON_C_TO_STRING_PLAIN));
		else if (f->is_required)
			misfit(in, path, arena_fmt(in->arena, "%s is required", path));
	}
}

static bool is_tool(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

enum err record_input_tools(struct arena *a, struct json_object *given, bool is_whole, struct buf *b,
			    struct failure *why)
{
	struct buf dropped;

	buf_init(&dropped, a, 64);
	buf_char(&dropped, '[');
	jx_key_open(b, "tools", '{');
	json_object_object_foreach(given, name, status)
	{
		if (!is_tool(name))
			return failure_set(
				why, a, ERR_VALIDATION, "tool_statuses",
				"tool_statuses: the name of a tool must be 1 to 64 of a-z, 0-9, _ and -");
		if (!status && !is_whole) {
			jx_next(&dropped), jx_str(&dropped, name);
			continue;
		}
		if (!json_object_is_type(status, json_type_string) ||
		    json_object_get_string_len(status) > 1020)
			return failure_set(why, a, ERR_VALIDATION, arena_fmt(a, "tool_statuses.%s", name),
					   "tool_statuses.%s must be a text of at most 255 characters", name);
		jx_key(b, name), jx_str(b, json_object_get_string(status));
	}
	buf_char(b, '}'), buf_char(&dropped, ']');
	jx_key(b, "dropped_tools"), buf_text(b, buf_str(&dropped));
	return ERR_OK;
}
