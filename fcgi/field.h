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

#include "lib/base/arena.h"
#include "lib/base/failure.h"
#include "lib/base/pattern.h"
#include "lib/db/value.h"

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
	F_LIST,     /* a JSON array of objects described by fields, or of the type in item; of plain values it
		       reaches SQL as a PostgreSQL array: :user_ids::text[] */
	F_JSON,     /* any JSON value */
	F_BINARY,   /* an answer that is not JSON: the reference calls it a string */
	F_COLOR,    /* #rrggbb; kept in lower case */
	F_FILE,     /* of .parts alone: a file in a form */
	F_FIELDS,   /* no field: those of another table (fields) stand in its place, with its flags too */
};

enum field_flag {
	F_REQUIRED = 1, /* input: must be given; output: carries no meaning */
	F_NULL = 2,     /* null is a value: input clears the field, output may be null */
	F_V2 = 4,       /* output: only from version 2 on */
	F_OPTIONAL = 8, /* output: not in every answer */
	F_WHOLE = 16,   /* an F_OBJECT that is the whole body, or answer; alone in its table */
	F_CLAMP = 32,   /* input: an F_INT above max counts as max */
	/* input: an F_EMAIL that is looked for, not made: as sent, also one that would be refused */
	F_KNOWN = 64,
	F_PAGE = 128, /* input: an F_URL that only a browser opens: with a fragment, if need be */
	F_CODE = 256, /* input: an F_TEXT that people type in groups, "123 456": blanks are left out first */
	F_NFC = 512,  /* input: an F_TEXT that is counted and kept in NFC (nfc.h) */
	F_CSV = 1 << 10,    /* a query parameter: an F_LIST of plain values with commas between them; blanks
			       around them do not count */
	F_SIGNED = 1 << 11, /* an F_INT or F_NUMBER of either sign: a min of 0 is no bound */
	F_MAX = 1 << 12,    /* an F_INT or F_NUMBER whose max is a bound also where it is 0 */
	F_ABOVE = 1 << 13,  /* an F_INT or F_NUMBER that is more than min, not min itself */
	F_BELOW = 1 << 14,  /* an F_INT or F_NUMBER that is less than max */
	F_TREE = 1 << 16,   /* input: of an F_OBJECT, F_LIST or F_JSON only the tree is wanted; it is no
			       parameter of   SQL, and its text is not made anew */
	F_DAY = 1 << 17, /* input: an F_DATETIME that may be a date, too; the query gets it as it was sent */
	F_SECRET = 1 << 18, /* of a path: no log may hold it, though its name does not say so */
	F_RARE = 1 << 15,   /* no part of the example: sent instead of others, or seldom */

	/*
	 * Marks: a resource's table says of each field what it is part of.  One without any of the
	 * first four is part of everything.  See field_use().
	 */
	OUT = 1 << 20,        /* the answer */
	DETAIL = 1 << 21,     /* the long form of the answer, which has the fields of OUT too */
	NEW = 1 << 22,        /* the body of a create */
	SET = 1 << 23,        /* the body of an update: what is left out keeps its value */
	NEEDED = 1 << 24,     /* beside NEW: must be given there; F_REQUIRED: in an update, too */
	F_NULL_OUT = 1 << 25, /* F_NULL in answers alone: not the client's to clear */
	F_NULL_SET = 1 << 26, /* F_NULL in updates alone; may stand beside F_NULL_OUT */
	MARKS = OUT | DETAIL | NEW | SET,
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	long long min, max;         /* characters, value or elements; max 0: the type's own bound */
	const char *const *values;  /* F_ENUM: NULL-terminated */
	const struct field *fields; /* F_OBJECT, F_LIST: the members */
	enum field_type item; /* F_LIST of plain values: their type; F_OBJECT: of members without a field */
	const char *def;      /* the value when left out, as a query string would carry it */
	const char *about;    /* one sentence for the reference */
	/*
	 * For the reference: works when it is sent to a fresh `make run`.  As text; of an F_UUID a row of the
	 * demo, "member theo" (demo.h), unless the field has that name itself; of an F_OBJECT, F_LIST and
	 * F_JSON as JSON.
	 */
	const char *example;
	const struct pattern *fits; /* F_TEXT: what it must look like besides */
	const struct field
		*each; /* F_LIST of plain values: one of them, where its type alone does not say it */
};

/* clang-format off */
#define FIELD_END { .type = F_END }
#define FIELDS_OF(table) { .type = F_FIELDS, .fields = table }
/* clang-format on */

/* Does a table, or one inside of it, say what its fields are part of? */
bool field_has_marks(const struct field *table);

/*
 * What a use has of a resource's table, as a table without marks and with the
 * fields of other tables in their places, made once for each of the two before
 * the first fork; a table that has neither, nor its objects and lists, is
 * returned as it is.
 *
 * use  OUT, DETAIL, NEW or SET
 *
 * min, max and def of a field that clients send are theirs: an answer's schema
 * has none of them, since what is stored may be older than a bound.  In an
 * update there is no def, which would overwrite what is left out.
 */
const struct field *field_use(const struct field *table, unsigned use);

/* A named response. */
struct shape {
	const char *name; /* of its schema in OpenAPI: "UserResponse" */
	const struct field *fields;
	const char *resource; /* what a 404 calls it: "User"; NULL: the same as the schema */
	bool is_note;         /* says only that something was done: a 404 names what the path names last */
	unsigned as;          /* OUT or DETAIL, where fields have marks; 0: OUT */
	/* Alternatives, each by a member that it alone has: tokens, or what is wanted before.
	 * NULL-terminated, or NULL. */
	const char *const *one_of;
	const char *schema; /* its name in OpenAPI: filled in by route_at() */
};

/* Is it one, in the form with dashes, of either case? */
bool field_is_uuid(const char *text);

/*
 * Check one value that arrived as text: from the path or the query string.
 *
 * ERR_OK and *out filled, its strings are the arena's; else *why names the field
 * and what was expected.
 */
enum err field_from_text(struct arena *a, const struct field *f, const char *text, struct value *out,
			 struct failure *why);

/*
 * Check a JSON object's members against a table, in the table's order.
 * Unknown members are ignored; a member that is null where F_NULL is not set
 * is an error.  out has one value per field.  object may be NULL: then every
 * field is absent.
 */
enum err field_from_json(struct arena *a, const struct field *table, struct json_object *object,
			 struct value *out, struct failure *why);

/*
 * An element of an F_LIST, described as a field: of each or item, or an F_OBJECT
 * with its fields; F_JSON where the list's field says nothing.
 */
struct field field_item(const struct field *f);

/* Is it an F_LIST of plain values, which reaches SQL as an array?  Others do as JSON. */
bool field_is_array(const struct field *f);

/* Compile a table's patterns before the first fork.  NULL, or what is wrong with one. */
const char *field_compile(const struct field *table);

/* How many fields a table has; NULL is an empty table. */
size_t field_count(const struct field *table);

/* Fill in an absent value: the default, or null.  ERR_VALIDATION when it was required. */
enum err field_absent(struct arena *a, const struct field *f, struct value *out, struct failure *why);

#endif
