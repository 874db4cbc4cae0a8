/*
 * JSON read value by value, without a tree: for bodies of which most is copied on
 * or passed over, and whose size would make a tree hundreds of megabytes.
 *
 * The reader asks for what it expects, in the text's order:
 *
 *	struct json_piece name;
 *
 *	json_pull_init(&r, arena, p, n);
 *	if (json_pull_open(&r, '{'))
 *		while (json_pull_member(&r, &name))
 *			if (json_pull_is(&name, "kind"))
 *				json_pull_string(&r, &text);
 *			else
 *				json_pull_skip(&r);
 *	json_pull_end(&r);
 *	if (r.problem)
 *		…
 *
 * Whatever goes wrong stays in r.problem, all functions are false from then on, and
 * loops end.  Syntax is RFC 8259's to the letter; of two members of one name both are
 * told, half a surrogate pair is U+FFFD, and whether bytes are UTF-8 is the reader's
 * to look at.
 */
#ifndef ASHLAR_JSON_PULL_H
#define ASHLAR_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/arena.h"

enum { JSON_PULL_DEPTH = 200 };

struct json_pull {
	struct arena *arena; /* of strings that have escapes */
	const char *start, *p, *end;
	int depth;           /* brackets and braces that are open */
	bool is_first;       /* nothing has been read of what was opened last */
	const char *problem; /* NULL, or what is wrong and where, counting bytes from 1; the arena's */
};

/* A piece of the text, or of the arena; without a NUL. */
struct json_piece {
	const char *p;
	size_t n;
};

static inline bool json_pull_is(const struct json_piece *t, const char *word)
{
	return t->n == strlen(word) && !memcmp(t->p, word, t->n);
}

/* Begin to read n bytes, which are borrowed for as long as texts of them are used. */
void json_pull_init(struct json_pull *r, struct arena *a, const char *p, size_t n);

/* What the next value begins with: { [ " t f n, 0 for a number's digit or minus; '\0' where there is none. */
char json_pull_kind(struct json_pull *r);

/* Take the bracket or brace that opens the next value; a problem where it is another value. */
bool json_pull_open(struct json_pull *r, char bracket);

/* The next member's name, with its colon, or an array's next element: its value is to be taken then.  False
 * behind the last one, when what closes it has been taken. */
bool json_pull_member(struct json_pull *r, struct json_piece *name);
bool json_pull_element(struct json_pull *r);

/* Take the next value, which has to be of that kind. */
bool json_pull_string(struct json_pull *r, struct json_piece *out);
bool json_pull_number(struct json_pull *r, struct json_piece *out);
bool json_pull_bool(struct json_pull *r, bool *out);
bool json_pull_null(struct json_pull *r);

/* Take the next value, whatever it is. */
bool json_pull_skip(struct json_pull *r);

/* Nothing but white space is left; a problem if there is more. */
bool json_pull_end(struct json_pull *r);

/* Record a problem of the reader's own, at the place that was read last; false. */
bool json_pull_fail(struct json_pull *r, const char *what);

#endif
