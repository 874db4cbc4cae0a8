/*
 * Invites to sign up, of who has paid and has no account: made of what a provider tells of a checkout.
 */
#ifndef WORKER_SIGNUP_INVITE_H
#define WORKER_SIGNUP_INVITE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/err.h"

struct tx;

/*
 * Does a row of webhook_event_process want an invite?  Then its columns are kept as the transaction's values,
 * for the functions below.
 */
bool signup_invite_is_wanted(struct tx *tx, const PGresult *row);

/*
 * Read the subscription that was paid for; no transaction may be open.
 *
 * ERR_OK, and :object is what it is; NULL where there is no key to ask with.  Otherwise *reason is why, for
 * the log: ERR_NOT_FOUND: there is no such subscription.
 */
enum err signup_invite_look(struct tx *tx, const char **reason);

/* Make it, in the transaction that is open: with its codes, and the mail that brings them. */
enum err signup_invite_make(struct tx *tx);

#endif
