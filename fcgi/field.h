/*
 * Field tables: what a request may carry and what an answer looks like, as data.
 *
 * One table describes the query parameters, the body or the response of a
 * route.  The runtime checks input against it before the handler runs, and the
 * API reference is printed from it, so the two cannot differ.
 */
#ifndef ASHLAR_FIELD_H
#define ASHLAR_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/err.h"

struct req;
struct json_object;

enum field_type {
	F_END,    /* ends a table */
	F_TEXT,   /* UTF-8 without NUL; min and max count characters */
	F_INT,    /* 64-bit; min and max bound the value */
	F_NUMBER, /* double; finite */
	F_BOOL,
	F_UUID,     /* RFC 9562 text form, any case; kept in lower case */
	F_EMAIL,    /* local@domain, at most 254 characters, by the rules of email.h; kept as those keep it */
	F_SLUG,     /* words of a-z and 0-9 joined by single hyphens, at most 63 characters:
		       /^[a-z0-9]+(-[a-z0-9]+)*$/ */
	F_URL,      /* absolute http or https */
	F_DATETIME, /* RFC 3339 with a zone */
	F_DATE,     /* YYYY-MM-DD */
	F_ENUM,     /* one of values */
	F_OBJECT,   /* a JSON object; fields, when given, describe its members */
	F_LIST,     /* a JSON array of objects described by fields, or of the type in item */
	F_JSON,     /* any JSON value */
	F_BINARY,   /* an answer that is not JSON: the reference calls it a string */
};

enum field_flag {
	F_REQUIRED = 1, /* input: must be given; output: carries no meaning */
	F_NULL = 2,     /* null is a value: input clears the field, output may be null */
	F_V2 = 4,       /* output: only from version 2 on */
	F_OPTIONAL = 8, /* output: not in every answer */
	F_WHOLE = 16,   /* input: an F_OBJECT that is the whole body; alone in its table */
	F_CLAMP = 32,   /* input: an F_INT above max counts as max */
	F_PAGE = 128, /* input: an F_URL that a browser opens, and nobody else: with a fragment, if need be */
	F_CODE = 256, /* input: an F_TEXT that people type in groups, "123 456": blanks are left out first */
	F_NFC = 512,  /* input: an F_TEXT that is counted and kept in NFC (nfc.h) */
	F_KNOWN = 64, /* input: an F_EMAIL that is looked for, not made: as sent, also one that would be
			 refused */
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	long long min, max;         /* characters, value or elements; max 0: the type's own bound */
	const char *const *values;  /* F_ENUM: NULL-terminated */
	const struct field *fields; /* F_OBJECT, F_LIST: the members */
	enum field_type item;       /* F_LIST of plain values */
	const char *def;            /* the value when left out, as a query string would carry it */
	const char *about;          /* one sentence for the reference */
	const char *example;        /* for the reference, as text */
};

/* clang-format off */
#define FIELD_END { NULL, F_END, 0, 0, 0, NULL, NULL, F_END, NULL, NULL, NULL }
/* clang-format on */

/* A named response. */
struct shape {
	const char *name; /* of its schema in OpenAPI: "UserResponse" */
	const struct field *fields;
	const char *resource; /* what a 404 calls it: "User"; NULL: the same as the schema */
	bool is_note;         /* says only that something was done: a 404 names what the path names last */
};

/* One field's value in one request.  Strings are the arena's. */
struct value {
	const struct field *field;
	bool given;   /* the client sent it; false also when def filled it in */
	bool is_null; /* absent without a default, or an explicit null */
	union {
		long long i;
		double d;
		bool b;
		struct json_object *json; /* F_OBJECT, F_LIST, F_JSON; borrowed from the body */
	};
	const char *text; /* the SQL text form; NULL when is_null */
	const char *sent; /* F_EMAIL: as it was spelled; else NULL */
};

/*
 * Check one value that arrived as text: from the path or the query string.
 *
 * ERR_OK and *out filled; else the failure is recorded in rq, naming the field
 * and what was expected.
 */
enum err field_from_text(struct req *rq, const struct field *f, const char *text, struct value *out);

/*
 * Check a JSON object's members against a table, in the table's order.
 * Unknown members are ignored; a member that is null where F_NULL is not set
 * is an error.  out has one value per field.  object may be NULL: then every
 * field is absent.
 */
enum err field_from_json(struct req *rq, const struct field *table, struct json_object *object,
			 struct value *out);

/* How many fields a table has; NULL is an empty table. */
size_t field_count(const struct field *table);

/* Fill in an absent value: the default, or null.  ERR_VALIDATION when it was required. */
enum err field_absent(struct req *rq, const struct field *f, struct value *out);

#endif
