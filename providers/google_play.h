/*
 * The Play Developer API (androidpublisher v3), asked as a service account.
 *
 * The account's key file signs a JWT (RFC 7523), which Google's token endpoint
 * exchanges for an access token; that is kept by this process until it expires.
 */
#ifndef PROVIDERS_GOOGLE_PLAY_H
#define PROVIDERS_GOOGLE_PLAY_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

/*
 * What Google says of a subscription now: purchases.subscriptionsv2.get.
 * Waits for Google, so that no transaction may be open.
 *
 * package, token  whose purchase: "com.example.app", purchaseToken
 * state           its SubscriptionPurchaseV2, JSON text; the arena's
 * reason          when it fails, for the log and the event: no secret in it
 *
 * ERR_OK; ERR_NOT_FOUND: Google knows no such purchase, or not any more;
 * ERR_EXTERNAL: it failed, or refuses us; ERR_UNAVAILABLE: it was not asked (no
 * key file that can be used, the breaker is open).
 */
enum err google_play_subscription(struct arena *a, const char *package, const char *token, const char **state,
				  const char **reason);

/* Forget the key and the access token, for tests. */
void google_play_forget(void);

#endif
