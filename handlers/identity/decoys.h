/*
 * Passkeys of no user: what a sign-in is answered with for an address that has none.
 */
#ifndef HANDLERS_IDENTITY_DECOYS_H
#define HANDLERS_IDENTITY_DECOYS_H

struct req;

/*
 * The passkeys of an address on the domain rp_id, as browsers want them listed: a
 * JSON array.  They are made of the address, tenant and domain under a key of our
 * own (secret_mac), so that asking again shows the same, however the address is
 * spelled, and no client can tell what it will be.
 *
 * As many as people have, of ids as long and transports as authenticators give
 * them: a list says no more than that it may be a user's.  The arena's.
 */
const char *decoys(struct req *rq, const char *tenant, const char *rp_id, const char *email);

#endif
