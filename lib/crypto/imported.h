/*
 * Hashes of passwords that another product made, and that users bring along.
 *
 *   bcrypt    "$2b$10$…" of 60 characters, as it came; $2a$ and $2y$, too.  All three
 *             are compared as $2b$, which is what those who write $2a$ today mean.
 *   Firebase  "$firebase-scrypt$ln=14,r=8,ss=Bw,key=<uuid>$salt$hash": scrypt makes a
 *             key of the password, with the salt and the project's separator behind
 *             it, and AES-256-CTR encrypts the project's signer key with that.  The
 *             signer key is a secret, of all users one, and kept elsewhere, sealed,
 *             under the uuid (see sql/migrations/0038_user_import.sql).
 *
 * They are here to be compared with, once: who has shown the password gets a hash of
 * ours.  The bytes that are hashed are those that were typed, in whatever
 * normalisation.  Of a password bcrypt looks at the first 72 bytes, as it did where
 * the hash was made: whatever follows them is right.
 */
#ifndef ASHLAR_IMPORTED_H
#define ASHLAR_IMPORTED_H

#include <stdbool.h>

#include "lib/base/arena.h"

enum {
	IMPORTED_MAX_COST = 14, /* of bcrypt: a second */
	IMPORTED_MAX_MIB = 32,  /* of scrypt */
};

/* What seal_text() is told of a signer key. */
#define IMPORTED_SEAL "password signer"

/* Is it such a hash, by its first characters?  stored may be NULL. */
bool imported_is(const char *stored);

/*
 * Can it be compared with?  NULL, or why not, to stand behind "the hash": "is of
 * bcrypt's cost 15, and the highest is 14".  Nothing of the hash is in it.
 */
const char *imported_problem(struct arena *a, const char *stored);

/*
 * Make the hash of a Firebase project's user.
 *
 * ln, r              its mem_cost and rounds
 * separator, salt,   base64 in either alphabet, with or without padding
 *   hash
 * key                the uuid that the signer key has here
 *
 * The arena's; NULL when one of them is no base64.  What else may be wrong with it
 * is for imported_problem().
 */
char *imported_firebase(struct arena *a, int ln, int r, const char *separator, const char *key,
			const char *salt, const char *hash);

/* A signer key in base64 of either alphabet, as it is sealed; NULL: it is none of 16 to 128 bytes.  The
 * arena's. */
char *imported_signer(struct arena *a, const char *text);

/*
 * Is text the password?  Takes as long as the hash's cost wants, in constant time
 * otherwise.  signer is the opened signer key, of a Firebase hash; NULL: the work is
 * done, and nothing matches.
 */
bool imported_matches(const char *text, const char *stored, const char *signer);

#endif
