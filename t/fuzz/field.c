/*
 * The first byte picks what the rest is: a body for a table with all types in
 * it, nested, or a text for one field.  What is accepted must have the form
 * that PostgreSQL wants; what is refused must say why, in UTF-8.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/field.h"
#include "fcgi/req.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* clang-format off */
static const char *const sizes[] = { "small", "large", NULL };

static struct field table[] = {
	{ "t",  F_TEXT,     0, .min = 1, .max = 5 },
	{ "i",  F_INT,      0, .min = -5, .max = 5 },
	{ "n",  F_NUMBER,   F_NULL, .min = -5 },
	{ "b",  F_BOOL,     0, .def = "true" },
	{ "u",  F_UUID,     F_NULL },
	{ "e",  F_EMAIL,    0 },
	{ "l",  F_URL,      0 },
	{ "at", F_DATETIME, 0 },
	{ "d",  F_DATE,     0 },
	{ "s",  F_ENUM,     0, .values = sizes, .def = "small" },
	{ "o",  F_OBJECT,   F_NULL },	/* of this table again */
	{ "a",  F_LIST,     0, .max = 4 },	/* the same */
	{ "v",  F_LIST,     0, .max = 4, .item = F_DATETIME },
	{ "j",  F_JSON,     0 },
	{ "g",  F_SLUG,     F_NULL },
	FIELD_END
};
/* clang-format on */
enum { OBJECT = 10, LIST = 11, FIELDS = sizeof(table) / sizeof(*table) - 1 };

static void check_failure(const struct req *rq, enum err rc)
{
	const struct failure *f = &rq->tx.fail;

	if (rc != ERR_VALIDATION || f->err != rc || !f->field || !f->message ||
	    strncmp(f->message, f->field, strlen(f->field)) != 0 ||
	    !utf8_valid(f->message, strlen(f->message)))
		abort();
}

static void check_value(const struct value *v)
{
	const char *p = v->text;

	if (v->is_null != !p)
		abort();
	if (!p)
		return;
	switch (v->field->type) {
	case F_UUID:
		if (strlen(p) != 36 || p[strspn(p, "0123456789abcdef-")])
			abort();
		break;
	case F_EMAIL:
		if (!strchr(p, '@') || strpbrk(p, " \r\n<>,ABCXYZ"))
			abort();
		break;
	case F_SLUG:
		if (strlen(p) > 63 || p[strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-")] || *p == '-')
			abort();
		break;
	case F_URL:
		if (strpbrk(p, " \r\n\"<>"))
			abort();
		break;
	case F_DATETIME:
	case F_DATE:
		if (strlen(p) > 35 || p[strspn(p, "0123456789-+:.TtZz")])
			abort();
		break;
	case F_INT:
		if (strtoll(p, NULL, 10) != v->i || v->i < -5 || v->i > 5)
			abort();
		break;
	case F_NUMBER:
		if (strtod(p, NULL) != v->d || !(v->d >= -5))
			abort();
		break;
	case F_BOOL:
		if (strcmp(p, v->b ? "true" : "false") != 0)
			abort();
		break;
	case F_TEXT:
		if (!utf8_length(p, strlen(p)) || utf8_length(p, strlen(p)) > 5)
			abort();
		break;
	case F_OBJECT:
	case F_LIST:
	case F_JSON:
		if (*p != '{' && v->field->type == F_OBJECT)
			abort();
		break;
	default: break;
	}
}

static void read_body(struct req *rq, const char *p, size_t n)
{
	struct value values[FIELDS];
	struct json_object *tree;
	const char *problem;
	enum err rc;

	if (json_read(&rq->tx.arena, p, n, &tree, &problem) || !json_object_is_type(tree, json_type_object))
		return;
	rc = field_from_json(&rq->tx.arena, table, tree, values, &rq->tx.fail);
	if (rc) {
		check_failure(rq, rc);
		return;
	}
	for (int i = 0; i < FIELDS; i++)
		check_value(&values[i]);
}

static void read_text(struct req *rq, const struct field *f, const char *p, size_t n)
{
	struct value v;
	enum err rc;

	if (memchr(p, '\0', n) || !utf8_valid(p, n)) /* what comes this way has been decoded */
		return;
	rc = field_from_text(&rq->tx.arena, f, arena_dup_n(&rq->tx.arena, p, n), &v, &rq->tx.fail);
	if (rc)
		check_failure(rq, rc);
	else
		check_value(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct req rq = { 0 };
	unsigned pick;

	if (!n)
		return 0;
	table[OBJECT].fields = table[LIST].fields = table;
	arena_init(&rq.tx.arena, 4096);
	pick = data[0] % (FIELDS + 1);
	if (pick < FIELDS)
		read_text(&rq, &table[pick], (const char *)data + 1, n - 1);
	else
		read_body(&rq, (const char *)data + 1, n - 1);
	arena_release(&rq.tx.arena);
	return 0;
}
