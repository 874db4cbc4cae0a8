/*
 * Any bytes as a body.  What is read must be valid UTF-8 once written, read
 * again to the same, and go through our own writer without harm; and so must
 * what json_read_any makes of bytes that json_read refuses.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any text that the writer makes of these bytes reads back, and is itself if it was UTF-8. */
static void check_writer(struct arena *a, const char *p, size_t n)
{
	struct json_object *tree;
	const char *problem;
	struct buf b;

	if (memchr(p, '\0', n)) /* is written, but never read */
		return;
	buf_init(&b, a, 1);
	jx_text(&b, p, n);
	if (json_read(a, b.p, b.n, &tree, &problem))
		abort();
	if (utf8_valid(p, n) && ((size_t)json_object_get_string_len(tree) != n ||
				 memcmp(json_object_get_string(tree), p, n) != 0))
		abort();
}

static void check_any(struct arena *a, const char *p, size_t n)
{
	struct json_object *tree, *again;
	const char *problem, *text;

	if (json_read_any(a, p, n, &tree, &problem))
		return;
	text = json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN);
	if (!utf8_valid(text, strlen(text)) || json_read_any(a, text, strlen(text), &again, &problem) ||
	    strcmp(text, json_object_to_json_string_ext(again, JSON_C_TO_STRING_PLAIN)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const int plain = JSON_C_TO_STRING_PLAIN;
	struct json_object *tree, *again;
	const char *problem = NULL;
	const char *text;
	struct arena a;

	if (!n)
		return 0;
	arena_init(&a, 4096);
	check_writer(&a, (const char *)data, n);
	if (json_read(&a, (const char *)data, n, &tree, &problem)) {
		if (!problem)
			abort();
		check_any(&a, (const char *)data, n);
	} else {
		text = json_object_to_json_string_ext(tree, plain);
		if (!utf8_valid(text, strlen(text)) || json_read(&a, text, strlen(text), &again, &problem) ||
		    strcmp(text, json_object_to_json_string_ext(again, plain)) != 0)
			abort();
	}
	arena_release(&a);
	return 0;
}
