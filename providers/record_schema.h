/*
 * The schema of a recordset: which fields its records have, and what a value of
 * each must be.
 *
 * A schema comes as clients send it, {"fields":[…],"title_field":…}, of the form that
 * record_schema_fields describes; what no table can say (a key twice, options that a
 * type needs) is asked here.  A value is kept in one form for each type:
 *
 *	text, long_text, phone, address	a string
 *	number, currency, percent	a number of at most 10^18, either way
 *	latitude, longitude		a number within ±90, ±180
 *	boolean				true or false
 *	date, datetime			"2026-01-31", RFC 3339 with a zone
 *	email, url			as the API takes one everywhere
 *	select				one of the options; multi_select an array of them, none twice
 *	geometry			a GeoJSON geometry (record_geometry.h)
 *	member, record			a UUID, in lower case
 *	json				anything
 *
 * Beside its type a field may bound its values: min and max those of a number, integer has no fraction,
 * min_length, max_length and pattern (value_pattern.h) those of a text.
 */
#ifndef ASHLAR_RECORD_SCHEMA_H
#define ASHLAR_RECORD_SCHEMA_H

#include "fcgi/field.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/failure.h"

struct json_object;

enum record_type {
	RECORD_TEXT,
	RECORD_LONG_TEXT,
	RECORD_NUMBER,
	RECORD_CURRENCY,
	RECORD_PERCENT,
	RECORD_BOOLEAN,
	RECORD_DATE,
	RECORD_DATETIME,
	RECORD_EMAIL,
	RECORD_PHONE,
	RECORD_URL,
	RECORD_SELECT,
	RECORD_MULTI_SELECT,
	RECORD_ADDRESS,
	RECORD_LATITUDE,
	RECORD_LONGITUDE,
	RECORD_GEOMETRY,
	RECORD_MEMBER,
	RECORD_RECORD,
	RECORD_JSON,
};

enum { RECORD_FIELDS = 500, RECORD_OPTIONS = 500, RECORD_TEXT_MAX = 100000 };

struct record_field {
	const char *key, *label, *description; /* description may be NULL */
	enum record_type type;
	bool is_required, is_hidden, is_unique;
	const char *const *options; /* of the two selects; NULL-terminated */
	struct json_object *def;    /* the value of who sends none; NULL: none */
	bool is_integer;
	bool is_dialled;                  /* of a phone: it has to look like a number */
	struct json_object *min, *max;    /* of numbers; NULL: none */
	long long min_length, max_length; /* of texts, in characters; 0: none */
	const char *pattern;              /* of texts, or NULL */
};

struct record_schema {
	struct record_field *fields;
	size_t n;
	const char *title_field; /* the key of one of them, or NULL */
};

/* What a key looks like. */
extern const struct pattern record_key;

/* A schema in requests and answers; and the settings of a recordset in requests. */
extern const struct field record_schema_fields[], record_settings_fields[];

/*
 * Read one that has passed record_schema_fields.  json may be NULL: no fields.
 *
 * path  the member that it came in, for messages: "schema"; borrowed
 * out   the arena's; texts and def are json's
 *
 * ERR_OK; ERR_VALIDATION: a key twice, options that are missing, twice, or not for
 * the type, a type that cannot be unique, a default that is no such value, a title_field that is none of the
 * keys.
 */
enum err record_schema_read(struct arena *a, struct json_object *json, const char *path,
			    struct record_schema *out, struct failure *why);

/*
 * Read one field's definition, which has passed record_schema_fields.
 *
 * path  how messages call it: "schema.fields[0]"; borrowed
 *
 * ERR_OK; ERR_VALIDATION as record_schema_read.
 */
enum err record_schema_field(struct arena *a, struct json_object *json, const char *path,
			     struct record_field *f, struct failure *why);

/* The fields in the form in which they are stored and answered: an array of definitions with all members. */
void record_schema_write(struct buf *b, const struct record_schema *s);

/* The field of that key, or NULL. */
const struct record_field *record_schema_find(const struct record_schema *s, const char *key);

/*
 * Write a value of the field, which is not null, in the form in which it is kept.
 *
 * path  how messages call it; borrowed
 *
 * ERR_OK; ERR_VALIDATION, *why says what is expected, and b may have part of it.
 */
enum err record_schema_value(struct arena *a, const struct record_field *f, struct json_object *json,
			     const char *path, struct buf *b, struct failure *why);

/*
 * May settings that have passed record_settings_fields stand?  ERR_OK;
 * ERR_VALIDATION: promoted_fields names a column that there is not.  NULL may.
 */
enum err record_schema_settings(struct arena *a, struct json_object *settings, struct failure *why);

#endif
