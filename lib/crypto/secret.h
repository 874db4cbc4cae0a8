/*
 * What secrets are made of: randomness, SHA-256, and keys derived from JWT_SECRET.
 *
 * Each use has a separate key, HMAC-SHA256(JWT_SECRET, "ashlar " + purpose),
 * so that what was made for one purpose is worth nothing for another.  Purposes
 * are words in the code: "refresh", "code", "state", …
 */
#ifndef ASHLAR_SECRET_H
#define ASHLAR_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

enum { SECRET_BYTES = 32 }; /* of a key, a MAC and a SHA-256 */

/* n random bytes from the kernel; a machine that has none ends the process. */
void secret_random(void *out, size_t n);

/* A random number from 0 to below - 1, each as likely as the others; below is at least 1. */
uint32_t secret_random_below(uint32_t below);

/* n random characters of an alphabet of 1 to 256 characters, each as likely as the others.  The arena's. */
char *secret_random_text(struct arena *a, const char *alphabet, size_t n);

/* The key of a purpose; false, and zeros, without JWT_SECRET.  Wipe it after use. */
bool secret_key(const char *purpose, unsigned char out[SECRET_BYTES]);

/* HMAC-SHA256 over n bytes under the key of a purpose; false, and zeros, without JWT_SECRET. */
bool secret_mac(const char *purpose, const void *p, size_t n, unsigned char out[SECRET_BYTES]);

/*
 * HMAC-SHA256 under another party's key: of the C string head, which may be
 * NULL, and the n bytes at p behind it.  Signatures of webhooks are over a
 * time, say, and a body that need not be copied for it.
 */
void secret_hmac(const void *key, size_t key_len, const char *head, const void *p, size_t n,
		 unsigned char out[SECRET_BYTES]);

/* SHA-256 of n bytes. */
void secret_sha256(const void *p, size_t n, unsigned char out[SECRET_BYTES]);

/* The same of two pieces, as if they were one: q, which may be large, is not copied for it. */
void secret_sha256_joined(const void *p, size_t n, const void *q, size_t m, unsigned char out[SECRET_BYTES]);

/* n bytes as PostgreSQL's bytea reads them, "\x" and lower-case hexadecimal digits.  The arena's. */
char *secret_bytea(struct arena *a, const void *p, size_t n);

/* A random UUID (RFC 9562 5.4), for what must not be guessed.  The arena's. */
char *secret_uuid(struct arena *a);

/*
 * Is shown one of the secrets of a setting, a list with commas or spaces between?  Digests are compared, and
 * all of them, so that the time tells nothing about any.
 */
bool secret_is_one_of(const char *shown, const char *secrets);

/* SHA-256 of a C string as a bytea: how API keys, tickets and codes are stored.  The arena's. */
char *secret_sha256_hex(struct arena *a, const char *text);

#endif
