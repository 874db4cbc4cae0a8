/*
 * What else keeps something in the credential store: seals and opens it as credentials.c does.
 */
#ifndef HANDLERS_OPS_CREDENTIALS_H
#define HANDLERS_OPS_CREDENTIALS_H

#include "lib/base/err.h"

struct req;

enum { CREDENTIAL_MAX = 65536 }; /* characters of a value */

/* The value under a key, sealed.  The arena's; NULL when there is no key to seal with. */
char *credential_seal(struct req *rq, const char *key, const char *value);

/* What is sealed under a key.  The arena's; NULL when it does not open. */
const char *credential_open(struct req *rq, const char *key, const char *sealed);

/* ERR_UNAVAILABLE when there is no key to seal with, or the door's refusal; ERR_OK otherwise. */
enum err credential_refuse_keyless(struct req *rq);

#endif
