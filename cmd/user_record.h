/*
 * One user as another product's export has it.
 *
 * A format is a row of a table: what its list is called, the columns of a CSV that has
 * no header, and a function that reads one record.  Records of CSV become objects with
 * a string for each column, so that a format is read once.
 *
 * What an export says is taken as little at its word as it can be: an address is
 * verified where the product itself has verified it, and not where its users could
 * have written so; roles and claims are never read.
 */
#ifndef CMD_USER_RECORD_H
#define CMD_USER_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/email.h"
#include "lib/host/records.h"

struct json_object;

/* A Firebase project's hash_config, as its console shows it. */
struct user_record_hashing {
	const char *signer, *separator; /* base64; NULL: not given */
	int rounds, mem_cost;
};

/* For the id of a signer key that is not known yet. */
#define USER_RECORD_NO_KEY "00000000-0000-0000-0000-000000000000"

struct user_record {
	const char *address; /* as it was written, for people; NULL: there is none */
	struct email email;  /* as it is to be kept */
	const char *id;      /* the product's own, up to 255 characters; NULL: it has none */
	const char *name;    /* NULL: there is none, as with the next */
	const char *avatar;  /* a URL */
	const char *google;  /* Google's id of the user: "sub" */
	const char
		*hash; /* as it is to be stored; of Firebase's USER_RECORD_NO_KEY is the key.  NULL: none */
	const char *signer; /* of one of Firebase's, in base64 */
	int64_t created_ms; /* since 1970; 0: not said */
	bool is_verified, is_active;
	const char *skipped; /* why it is not imported, for people; NULL: it is */
	const char
		*refused; /* why its hash is not taken, which is a reason, too, unless hashes are dropped */
	bool is_gone;     /* skipped, since the product deleted it */
};

struct user_record_format {
	const char *name;           /* "supabase" */
	const char *member;         /* what its list is called; NULL: it has no name */
	const char *const *columns; /* of a CSV without a header; NULL: it has one */
	const char *about;
	void (*read)(struct arena *a, struct json_object *in, const struct user_record_hashing *hashing,
		     struct user_record *out);
};

/* The formats, ending with a NULL name. */
extern const struct user_record_format user_record_formats[];

/* The one of this name; NULL: there is none. */
const struct user_record_format *user_record_format(const char *name);

/*
 * Read a hash_config: its lines "name: value,", in braces or not, in any order.  NULL,
 * or what is wrong with it; nothing of it is in that.  The strings are the arena's.
 */
const char *user_record_hashing(struct arena *a, const char *text, struct user_record_hashing *out);

/*
 * Read one record.  columns are those of the CSV's header, or the format's own; out is
 * filled always, its strings are the arena's.  A record that cannot be read has
 * skipped.
 */
void user_record_read(struct arena *a, const struct user_record_format *format, const struct record *record,
		      const char *const *columns, const struct user_record_hashing *hashing,
		      struct user_record *out);

#endif
