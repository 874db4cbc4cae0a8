/*
 * A named value that a query's parameter of that name is bound to.  Strings are
 * the arena's of the transaction that it is a value of.
 */
#ifndef ASHLAR_VALUE_H
#define ASHLAR_VALUE_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct value {
	const char *name;
	bool given;   /* the client sent it; false also when a default filled it in */
	bool is_null; /* absent without a default, or an explicit null */
	bool is_off;  /* optional parts of a query do not stand for it: an empty list, a flag that is off */
	union {
		long long i;
		double d;
		bool b;
		struct json_object *json; /* of an object, a list or any JSON; borrowed from the body */
	};
	const char *text; /* the SQL text form, of an array {"a","b"}; NULL when is_null */
	size_t binary;    /* 0, or that text is as many bytes of the type's binary form (vector.h) */
	const char *sent; /* of an e-mail address: as it was spelled; else NULL */
};

/* The last of n values with this name, or NULL; and its text, NULL also of a null. */
const struct value *value_find(const struct value *values, size_t n, const char *name);
const char *value_text(const struct value *values, size_t n, const char *name);

#endif
