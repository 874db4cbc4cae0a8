/*
 * Passwords: what may be one, how it is stored, whether one is right.
 *
 * All of that is about the password in NFC, so that é typed on a phone is é typed
 * on a desktop.  Hashes that releases before made of the bytes as they came still
 * match those, and are then outdated.
 *
 * Stored is scrypt (RFC 7914) as a PHC string, "$scrypt$ln=14,r=8,p=5$salt$hash":
 * 16 MiB and five lanes, of the sets that OWASP lists.  A hash takes about
 * 250 ms of one core, so end the transaction before you ask for one.  At most
 * as many run at once on a host as it has cores, whatever the pools; the count
 * is in shared memory, and the place of a process that died is free again.
 *
 * What another product has made (imported.h) is compared with in the same places, and
 * is then outdated.
 */
#ifndef ASHLAR_PASSWORD_H
#define ASHLAR_PASSWORD_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/words.h"

struct tx;

enum {
	PASSWORD_MIN = 8, /* characters, in NFC */
	PASSWORD_MAX = 128,
	PASSWORD_MAX_BYTES = 4 * PASSWORD_MAX, /* in NFC, too: what so many have at most */
	PASSWORD_WAIT_MS = 2000,               /* for one of the host's places */
	PASSWORD_PLACES = 256,                 /* a host with more cores uses as many */
};

/*
 * May this be a password?  NULL, or why not, fit for
 * req_fail_field(rq, ERR_VALIDATION, "password", "%s", why).
 *
 * 8 to 128 characters with an upper-case and a lower-case letter and a digit of
 * ASCII; none of the 10,000 most common ones, in any case and with up to four
 * digits or signs behind ("Dragon!42"); and not the e-mail's local part, with
 * the same tail.  email may be NULL.
 */
const char *password_check(struct arena *a, const char *text, const char *email);

/*
 * Hash a password with a new salt.
 *
 * ERR_OK: *out is the PHC string, the arena's.  ERR_UNAVAILABLE, recorded, for a
 * second: all places were taken for 2 seconds.
 */
enum err password_hash(struct tx *tx, const char *text, const char **out);

/* What is known of an account that somebody wants to enter. */
struct password_stored {
	const char *hash; /* NULL: there is no such user, or one without a password */
	const char *
		decoy; /* of the tenant some hash that another product made (imported.h); NULL: it has none */
	const char *signer; /* the opened signer key of hash, or of decoy where hash is one of ours; NULL: it
			       needs none */
};

/*
 * Is text the password that is stored?
 *
 * matches      whether it is the one
 * is_outdated  it matches, and was hashed by another product, with other parameters
 *              than today's, or of bytes that are not in NFC: hash it again and store
 *              that
 *
 * What does not match takes as long whatever is stored: scrypt as for a hash of ours,
 * and, where the tenant has users who brought theirs along, one of those beside it,
 * the account's own or the decoy.  That is the same work as long as the tenant's
 * imported hashes are of one kind and cost.
 *
 * ERR_OK, or ERR_UNAVAILABLE as password_hash.  Compares in constant time.  A text
 * that is not in NFC and does not match in it is hashed a second time, as it came.
 */
enum err password_verify(struct tx *tx, const char *text, const struct password_stored *stored, bool *matches,
			 bool *is_outdated);

/*
 * May a hash that was made elsewhere be stored?  NULL, or why not, to stand behind
 * "the hash": of no kind that is known, or more work than a sign-in may be.
 */
const char *password_problem(struct arena *a, const char *stored);

/* As password_hash, outside of requests: for the owner's commands.  The arena's. */
char *password_make(struct arena *a, const char *text);

/* Hash with N = 2^ln instead of today's; 0 restores it.  For tests, which cannot wait. */
void password_use_cost(int ln);

/* The common passwords, made by tools/passwords. */
enum { PASSWORD_WORD_MAX = 32 };
extern const struct words password_words[PASSWORD_WORD_MAX + 1];

#endif
