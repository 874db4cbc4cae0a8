/*
 * Signatures of Stripe's webhooks: "Stripe-Signature: t=<seconds>,v1=<hex>,…",
 * HMAC-SHA256 over "<t>.<body>" under the endpoint's secret, the text as it is.
 */
#ifndef PROVIDERS_STRIPE_SIGNATURE_H
#define PROVIDERS_STRIPE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STRIPE_TOLERANCE_S = 300 }; /* how far "t" may be off, either way */

/*
 * Is one of the header's v1 signatures good, under one of the secrets?
 *
 * secrets  separated by commas or spaces, for one that replaces another
 * header   Stripe-Signature as it came; may be NULL
 * now      seconds since 1970
 *
 * Schemes other than v1 are ignored: v0 is what anybody's test mode signs.
 */
bool stripe_signature_verify(const char *secrets, const char *header, const void *body, size_t n,
			     int64_t now);

#endif
