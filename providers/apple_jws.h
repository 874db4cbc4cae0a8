/*
 * What the App Store signs: JWS (RFC 7515) by ES256, with the chain of
 * certificates in "x5c" up to one of Apple's roots.
 *
 * As Apple's own libraries check it: three certificates, the leaf marked as the
 * App Store's (OID 1.2.840.113635.100.6.11.1), the one above it as an
 * intermediate of Apple's developer services (1.2.840.113635.100.6.2.1), each
 * signed by the next and all of them valid when the content was signed
 * ("signedDate").  Whether one was revoked is not asked: that needs the network.
 */
#ifndef PROVIDERS_APPLE_JWS_H
#define PROVIDERS_APPLE_JWS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

struct json_object;

/*
 * Read the root certificates that are believed: a file of PEM blocks, or one
 * certificate as DER, which is how Apple publishes them.  Owned:
 * X509_STORE_free; NULL and *problem: there is none in it.
 */
X509_STORE *apple_jws_roots_read(const char *path, const char **problem);

/*
 * Verify a JWS.
 *
 * text, n   "header.payload.signature"; borrowed
 * payload   what was signed, a JSON object; the arena's
 * signed_at when, seconds since 1970: what the payload's "signedDate" says
 *
 * NULL, or why it is refused: for the log, not for the sender.
 *
 * A chain that was good is remembered by its digest: two of its signatures are
 * on P-384, which takes a millisecond.
 */
const char *apple_jws_open(struct arena *a, X509_STORE *roots, const char *text, size_t n,
			   struct json_object **payload, int64_t *signed_at);

/* Forget the chains that were good, for tests. */
void apple_jws_forget(void);

#endif
