/*
 * Secrets that must be read again (providers' credentials, TOTP keys, links in
 * mails), sealed with AES-256-GCM under a key ring.
 *
 * The ring is ENCRYPTION_KEYS, "id:base64 of 32 bytes, id:…": the first key
 * seals, all of them open, so a key is retired by putting a new one in front.
 * The key "0" is derived from JWT_SECRET: it seals while ENCRYPTION_KEYS is
 * empty, and opens what it sealed then for ever after.
 *
 * Sealed text is "v1.<id>.<base64url of nonce 12 | ciphertext | tag 16>".
 * Purpose and tenant are authenticated with it: a value that is moved to another
 * column or another tenant does not open.
 */
#ifndef ASHLAR_SEAL_H
#define ASHLAR_SEAL_H

#include <stdbool.h>

#include "lib/base/arena.h"

/*
 * Seal a text.
 *
 * purpose  what it is, a word in the code: "mail", "totp", "oauth"
 * tenant   its tenant's uuid; NULL: no tenant's
 *
 * The arena's; NULL when there is no key (neither ENCRYPTION_KEYS nor JWT_SECRET).
 */
char *seal_text(struct arena *a, const char *purpose, const char *tenant, const char *text);

/*
 * Open what seal_text made, with the same purpose and tenant.  The arena's, wiped when the
 * arena is reset; NULL when it was changed or moved, its key is not in the ring, or it is none.
 */
const char *seal_open(struct arena *a, const char *purpose, const char *tenant, const char *sealed);

/* Is there a key to seal with? */
bool seal_is_ready(void);

/* What is wrong with a key ring as text ("" is fine), for people; NULL when nothing is. */
const char *seal_check(const char *keys);

#endif
