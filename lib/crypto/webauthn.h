/*
 * Passkeys: what WebAuthn level 2 has a relying party verify of a registration
 * (7.1) and of an assertion (7.2).
 *
 * Only what can be said of the bytes: that the challenge is one of ours and
 * unused, that the origin is one of those allowed, that the counter grows and
 * whose credential it is are the database's to say, in the statements that
 * change it.
 *
 * No attestation is asked for, so its statement is not looked at.
 * Flags of level 3 (backup eligibility and state) are read where they are set.
 */
#ifndef ASHLAR_WEBAUTHN_H
#define ASHLAR_WEBAUTHN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

enum {
	WEBAUTHN_CHALLENGE_BYTES = 32,
	WEBAUTHN_MAX_CLIENT_DATA = 4096,
	WEBAUTHN_MAX_ATTESTATION = 16384, /* a statement with its certificates is a few thousand */
	WEBAUTHN_MAX_AUTH_DATA = 4096,
	WEBAUTHN_MAX_SIGNATURE = 512, /* RSA of 4096 bits */
	WEBAUTHN_MAX_CREDENTIAL = 1023,
	WEBAUTHN_ES256 = -7, /* COSE's numbers */
	WEBAUTHN_RS256 = -257,
};

enum webauthn_ceremony { WEBAUTHN_CREATE, WEBAUTHN_GET };

struct webauthn_bytes {
	const unsigned char *p;
	size_t n;
};

/* clientDataJSON (5.8.1): what the browser says it did. */
struct webauthn_client {
	unsigned char challenge[WEBAUTHN_CHALLENGE_BYTES];
	const char *origin;     /* "https://example.com"; arena */
	unsigned char hash[32]; /* SHA-256 of the text, which is what is signed */
};

/* A new credential. */
struct webauthn_credential {
	struct webauthn_bytes id; /* 1 to WEBAUTHN_MAX_CREDENTIAL bytes; into the attestation object */
	struct webauthn_bytes public_key; /* as the authenticator wrote it, a COSE key; likewise */
	unsigned char aaguid[16];         /* the authenticator's model; zeros: it does not say */
	int algorithm;                    /* WEBAUTHN_ES256 or WEBAUTHN_RS256 */
	uint32_t counter;
	bool may_be_backed_up, is_backed_up;
};

/* A use of a credential. */
struct webauthn_assertion {
	uint32_t counter;
	bool may_be_backed_up, is_backed_up;
};

/*
 * Read the client data.  The same text must not be taken for the other
 * ceremony, nor one that a frame of another site's page has asked for.
 *
 * json     borrowed
 * out      filled on ERR_OK
 * problem  what is wrong, for people; a literal or the arena's
 *
 * ERR_OK; ERR_BAD_REQUEST: no JSON object (RFC 8259, no member twice, UTF-8),
 * another type, a challenge that is not of our length, no origin, crossOrigin.
 */
enum err webauthn_client_read(struct arena *a, enum webauthn_ceremony ceremony, struct webauthn_bytes json,
			      struct webauthn_client *out, const char **problem);

/*
 * May a page of this origin use credentials of rp_id?  The browser checked it;
 * this is for choosing an rp_id: it must be the origin's host or one of the
 * domains above it with a dot in it, and the origin https, or localhost's.
 * Whether a domain is a public suffix ("co.uk") only the browser knows.
 */
bool webauthn_rp_covers(const char *rp_id, const char *origin);

/* The host of an origin, without brackets, port or scheme; NULL when it is none.  The arena's. */
const char *webauthn_host(struct arena *a, const char *origin);

/*
 * Verify a registration.
 *
 * rp_id        whose credential it must be
 * attestation  the attestationObject: CBOR; borrowed, out points into it
 *
 * ERR_OK; ERR_BAD_REQUEST: not CBOR in CTAP2's canonical encoding (but members
 * in any order), a member twice, nested deeper than four levels, bytes behind
 * the end; another rp_id; user not present or not verified; a key that is
 * neither ES256 nor RS256 (of 2048 to 4096 bits) or that is no key (pubkey.h); the format "none" with
 * a statement.
 */
enum err webauthn_register(const char *rp_id, struct webauthn_bytes attestation,
			   struct webauthn_credential *out, const char **problem);

/*
 * Verify an assertion under a credential's public key, as webauthn_register
 * returned it.
 *
 * auth_data, signature  as the client sent them; borrowed
 *
 * ERR_OK; ERR_BAD_REQUEST: as above, or another signature.  The flags are
 * looked at behind the signature: what only the authenticator can say is
 * believed only from it.
 */
enum err webauthn_assert(const struct webauthn_client *client, const char *rp_id,
			 struct webauthn_bytes auth_data, struct webauthn_bytes signature,
			 struct webauthn_bytes public_key, struct webauthn_assertion *out,
			 const char **problem);

#endif
