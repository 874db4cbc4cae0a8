#include "handlers/traces/span_attributes.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 24, LONGEST = 256, MOST_KEYS = 256 };

static bool is_index(const char *p, size_t n)
{
	return n && n <= 3 && strspn(p, "0123456789") >= n;
}

static bool is_container(struct json_object *o)
{
	return json_object_is_type(o, json_type_object) || json_object_is_type(o, json_type_array);
}

/* What a part begins whose key goes on so. */
static struct json_object *container_for(const char *rest)
{
	return *rest == '0' && (!rest[1] || rest[1] == '.') ? json_object_new_array()
							    : json_object_new_object();
}

static struct json_object *as_prompt(struct json_object *text)
{
	struct json_object *one = json_object_new_object(), *all = json_object_new_array();

	json_object_object_add(one, "content", json_object_get(text));
	json_object_object_add(one, "role", json_object_new_string("user"));
	json_object_array_add(all, one);
	return all;
}

/* What stands there; NULL: nothing, or this is no place. */
static struct json_object *child_at(struct json_object *at, const char *name)
{
	if (json_object_is_type(at, json_type_array))
		return json_object_array_get_idx(at, strtoul(name, NULL, 10));
	return json_object_object_get(at, name);
}

static void put_child(struct json_object *at, const char *name, struct json_object *child)
{
	if (json_object_is_type(at, json_type_array))
		json_object_array_put_idx(at, strtoul(name, NULL, 10), child);
	else
		json_object_object_add(at, name, child);
}

/* value becomes the tree's, or is let go. */
static void place(struct json_object *root, const char *key, struct json_object *value)
{
	struct json_object *at = root, *child;
	const char *p = key;
	char name[LONGEST];

	for (int depth = 0;; depth++) {
		size_t n = depth < DEEPEST ? strcspn(p, ".") : strlen(p);
		bool is_array = json_object_is_type(at, json_type_array);
		bool is_number = is_index(p, n);

		if (n >= sizeof(name) || (is_array && !is_number) || (!is_array && is_number && n == 1))
			break;
		memcpy(name, p, n);
		name[n] = '\0';
		child = child_at(at, name);
		if (!p[n]) {
			if (child)
				break;
			put_child(at, name, value);
			return;
		}
		p += n + 1;
		if (!child) {
			child = container_for(p);
			put_child(at, name, child);
		}
		if (!is_container(child))
			break;
		at = child;
	}
	json_object_put(value);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct json_object *span_attributes_expand(struct json_object *flat)
{
	struct json_object *root = json_object_new_object(), *value;
	const char *keys[MOST_KEYS];
	size_t n = 0;

	json_object_object_foreach(flat, key, ignored)
	{
		(void)ignored;
		if (n < MOST_KEYS)
			keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_bytes);
	for (size_t i = 0; i < n; i++) {
		value = json_object_object_get(flat, keys[i]);
		if (!strcmp(keys[i], "gen_ai.prompt") && json_object_is_type(value, json_type_string))
			value = as_prompt(value);
		else
			value = json_object_get(value);
		place(root, keys[i], value);
	}
	return root;
}

static bool has_key(struct json_object *o, const char *wanted)
{
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			if (has_key(json_object_array_get_idx(o, i), wanted))
				return true;
		return false;
	}
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach(o, key, value)
	{
		if (!strcmp(key, wanted) || has_key(value, wanted))
			return true;
	}
	return false;
}

const char *span_attributes_type(struct json_object *nested)
{
	if (!json_object_object_length(nested))
		return NULL;
	return has_key(nested, "gen_ai")  ? "request"
	       : has_key(nested, "agent") ? "agent"
	       : has_key(nested, "tool")  ? "tool"
					  : "other";
}

bool span_attributes_have_metrics(struct json_object *flat)
{
	static const char *const tell[] = {
		"gen_ai.prompt",     "gen_ai.completion",  "gen_ai.usage", "ai.system", "ai.llm",
		"llm.request.model", "llm.response.model", "llm.system",   NULL
	};

	json_object_object_foreach(flat, key, ignored)
	{
		(void)ignored;
		for (const char *const *t = tell; *t; t++) {
			size_t n = strlen(*t);

			if (!strncmp(key, *t, n) && (!key[n] || key[n] == '.'))
				return true;
		}
	}
	return false;
}
