/*
 * Choices: which members of a body go together, beyond each one's own rules.
 *
 * A row names one (.choice); the runtime checks it behind the fields, and the
 * reference has it as oneOf, anyOf or not, of required.
 *
 *	static const struct choice one_key = { CHOICE_ONE, { WAY("jwks_url"), WAY("secret") } };
 */
#ifndef ASHLAR_CHOICE_H
#define ASHLAR_CHOICE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/failure.h"
#include "lib/db/value.h"

struct field;

enum choice_kind {
	CHOICE_ONE,  /* exactly one of the ways */
	CHOICE_ANY,  /* at least one */
	CHOICE_MOST, /* one, or none */
};

enum { CHOICE_WAYS = 6 };

struct choice {
	enum choice_kind kind;
	const char *const *ways[CHOICE_WAYS + 1]; /* each the members that it needs; ends with NULL */
};

/* clang-format off */
#define WAY(...) (const char *const[]){ __VA_ARGS__, NULL }
/* clang-format on */

/*
 * Is it kept by the values of a body, n of them?  ERR_OK; else ERR_VALIDATION,
 * and *why names a member that is missing or too many, and says which go.
 */
enum err choice_check(const struct choice *c, struct arena *a, const struct value *values, size_t n,
		      struct failure *why);

/* NULL, or what is wrong with a choice about this table; good until the next call. */
const char *choice_problem(const struct choice *c, const struct field *table);

/* As members of a JSON schema, behind the last one of an object that is open: ,"oneOf":[…] */
void choice_schema(struct buf *b, const struct choice *c);

/* As JSON for tests: {"kind":"one","ways":[["jwks_url"],["secret"]]} */
void choice_json(struct buf *b, const struct choice *c);

#endif
