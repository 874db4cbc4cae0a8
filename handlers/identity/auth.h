/*
 * Signing in with a password, for the routes that find out by themselves who it is.
 */
#ifndef HANDLERS_IDENTITY_AUTH_H
#define HANDLERS_IDENTITY_AUTH_H

#include <libpq-fe.h>

#include "lib/base/err.h"

struct req;
struct password_stored;

/*
 * Answer with tokens, or with mfa_required, as POST /auth/login does, and count
 * what is wrong as it does.  Reads the values email and password.
 */
enum err auth_login(struct req *rq);

/*
 * What password_verify() is to compare with: hash (may be NULL), and what it needs
 * beside it, of the columns signer_sealed and tenant_id of user's first row.  There is
 * no decoy in it.
 *
 * ERR_OK; ERR_INTERNAL, recorded: the signer key does not open.
 */
enum err auth_stored(struct req *rq, const PGresult *user, const char *hash, struct password_stored *out);

#endif
