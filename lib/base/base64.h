/*
 * Base64url without padding (RFC 4648 5), as JOSE has it; and the older base64
 * (RFC 4648 4), as webhooks and certificates in JSON have it.
 */
#ifndef ASHLAR_BASE64_H
#define ASHLAR_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Decode n characters into out, which has room for n * 3 / 4 bytes; in place is
 * allowed.  Returns how many bytes, or -1: a character that is none of the 64,
 * padding, an impossible length, or bits left over that are not zero (so that
 * one sequence of bytes has one text).
 */
ssize_t base64_url_decode(const char *p, size_t n, void *out);

/* Encode n bytes and a NUL into out, which has room for n * 4 / 3 + 3 bytes; returns the length. */
size_t base64_url_encode(const void *p, size_t n, char *out);

/* As base64_url_decode for the alphabet with + and /; its padding may be left out, but not in part. */
ssize_t base64_decode(const char *p, size_t n, void *out);

/* With padding, into room for (n + 2) / 3 * 4 + 1 bytes. */
size_t base64_encode(const void *p, size_t n, char *out);

#endif
