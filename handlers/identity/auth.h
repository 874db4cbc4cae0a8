/*
 * Signing in with a password, for the routes that find out by themselves who it is.
 */
#ifndef HANDLERS_IDENTITY_AUTH_H
#define HANDLERS_IDENTITY_AUTH_H

#include "lib/base/err.h"

struct req;

/*
 * Answer with tokens, or with mfa_required, as POST /auth/login does, and count
 * what is wrong as it does.  Reads the values email and password.
 */
enum err auth_login(struct req *rq);

#endif
