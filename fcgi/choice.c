#include "fcgi/choice.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/field.h"
#include "lib/base/jx.h"

static bool is_given(const struct value *values, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (values[i].name && !strcmp(values[i].name, name))
			return values[i].given && !values[i].is_null;
	return false;
}

static bool is_taken(const char *const *way, const struct value *values, size_t n)
{
	for (; *way; way++)
		if (!is_given(values, n, *way))
			return false;
	return true;
}

/* "jwks_url, or secret"; "token, or email and code" */
static const char *names(const struct choice *c, struct arena *a)
{
	struct buf b;

	buf_init(&b, a, 128);
	for (int i = 0; c->ways[i]; i++) {
		if (i)
			buf_text(&b, ", or ");
		for (int k = 0; c->ways[i][k]; k++) {
			if (k)
				buf_text(&b, c->ways[i][k + 1] ? ", " : " and ");
			buf_text(&b, c->ways[i][k]);
		}
	}
	return buf_str(&b);
}

enum err choice_check(const struct choice *c, struct arena *a, const struct value *values, size_t n,
		      struct failure *why)
{
	static const char *const words[] = { "exactly one of", "at least one of", "at most one of" };
	const char *field = c->ways[0][0];
	int taken = 0;

	for (int i = 0; c->ways[i]; i++) {
		if (!is_taken(c->ways[i], values, n))
			continue;
		if (taken++)
			field = c->ways[i][0];
	}
	if (taken == 1 || (taken ? c->kind == CHOICE_ANY : c->kind == CHOICE_MOST))
		return ERR_OK;
	return failure_set(why, a, ERR_VALIDATION, field, "%s these must be given: %s", words[c->kind],
			   names(c, a));
}

static const struct field *find(const struct field *table, const char *name)
{
	for (; table && table->type != F_END; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

const char *choice_problem(const struct choice *c, const struct field *table)
{
	static char problem[256];

	if (!c->ways[0] || !c->ways[1])
		return "a choice has two ways, or more";
	for (int i = 0; c->ways[i]; i++) {
		if (!c->ways[i][0])
			return "a way needs a member";
		for (int k = 0; c->ways[i][k]; k++) {
			const struct field *f = find(table, c->ways[i][k]);

			if (f && !(f->flags & (F_REQUIRED | F_NULL | F_WHOLE)) && !f->def)
				continue;
			snprintf(problem, sizeof(problem),
				 f ? "%s is chosen: it has no value by itself, and is not null"
				   : "there is no %s to choose",
				 c->ways[i][k]);
			return problem;
		}
	}
	return NULL;
}

static void write_names(struct buf *b, const char *const *way)
{
	for (; *way; way++) {
		jx_next(b);
		jx_str(b, *way);
	}
}

/* The same as members of any kind: a linter takes a required one that a schema does not describe for a slip.
 */
static void describe_names(struct buf *b, const char *const *way)
{
	for (; *way; way++) {
		jx_key(b, *way);
		buf_text(b, "{}");
	}
}

/* Two of them at once. */
static void write_pairs(struct buf *b, const struct choice *c)
{
	bool are_more = c->ways[2];

	jx_key_open(b, "not", '{');
	if (are_more)
		jx_key_open(b, "anyOf", '[');
	for (int i = 0; c->ways[i]; i++) {
		for (int k = i + 1; c->ways[k]; k++) {
			if (are_more) {
				jx_next(b);
				buf_char(b, '{');
			}
			jx_key_open(b, "required", '[');
			write_names(b, c->ways[i]);
			write_names(b, c->ways[k]);
			buf_char(b, ']');
			jx_key_open(b, "properties", '{');
			describe_names(b, c->ways[i]);
			describe_names(b, c->ways[k]);
			buf_text(b, are_more ? "}}" : "}");
		}
	}
	buf_text(b, are_more ? "]}" : "}");
}

void choice_schema(struct buf *b, const struct choice *c)
{
	if (c->kind == CHOICE_MOST) {
		write_pairs(b, c);
		return;
	}
	jx_key_open(b, c->kind == CHOICE_ONE ? "oneOf" : "anyOf", '[');
	for (int i = 0; c->ways[i]; i++) {
		jx_next(b);
		buf_char(b, '{');
		jx_key_open(b, "required", '[');
		write_names(b, c->ways[i]);
		buf_text(b, "]}");
	}
	buf_char(b, ']');
}

void choice_json(struct buf *b, const struct choice *c)
{
	static const char *const words[] = { "one", "any", "most" };

	buf_char(b, '{');
	jx_key_str(b, "kind", words[c->kind]);
	jx_key_open(b, "ways", '[');
	for (int i = 0; c->ways[i]; i++) {
		jx_next(b);
		buf_char(b, '[');
		write_names(b, c->ways[i]);
		buf_char(b, ']');
	}
	buf_text(b, "]}");
}
