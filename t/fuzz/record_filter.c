/* Any bytes as each filter of records, and as the query of entities: what is read is JSON of no more than was
 * sent, and what is refused says why. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/records/record_filter.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check(struct arena *a, enum err rc, const struct buf *b, const struct failure *why)
{
	struct json_object *tree;
	const char *problem;

	if (rc) {
		must(rc == ERR_VALIDATION && why->message && why->field);
		must(utf8_valid(why->message, strlen(why->message)));
		return;
	}
	must(!json_read(a, b->p, b->n, &tree, &problem));
	must(json_object_is_type(tree, json_type_array));
	must(json_object_array_length(tree) <= RECORD_FILTERS);
}

static void texts(const char *text)
{
	const struct record_filters each[] = { { .column = text },
					       { .numeric = text },
					       { .date = text },
					       { .tree = text },
					       { text, text, text, text } };

	for (size_t i = 0; i < sizeof(each) / sizeof(*each); i++) {
		struct failure why = { ERR_OK };
		struct arena a;
		struct buf b;
		enum err rc;

		arena_init(&a, 4096);
		buf_init(&b, &a, 256);
		rc = record_filter_read(&a, &each[i], &b, &why);
		check(&a, rc, &b, &why);
		arena_release(&a);
	}
}

static void trees(const uint8_t *data, size_t n)
{
	for (int i = 0; i < 3; i++) {
		struct failure why = { ERR_OK };
		struct json_object *tree = NULL;
		const char *problem;
		struct arena a;
		struct buf b;
		enum err rc;

		arena_init(&a, 4096);
		buf_init(&b, &a, 256);
		if (!json_read(&a, (const char *)data, n, &tree, &problem) &&
		    json_object_is_type(tree, json_type_object)) {
			if (i == 2)
				rc = record_filter_read_object(&a, "source_filters", tree, &b, &why);
			else
				rc = record_filter_entity(&a, tree, i, &b, &why);
			if (i == 2 || rc)
				check(&a, rc, &b, &why);
		}
		arena_release(&a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	must(text != NULL);
	memcpy(text, data, n);
	text[n] = '\0';
	if (!memchr(data, 0, n))
		texts(text);
	free(text);
	trees(data, n);
	return 0;
}
