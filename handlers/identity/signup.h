/*
 * What the rows of signing up have in common.
 */
#ifndef HANDLERS_IDENTITY_SIGNUP_H
#define HANDLERS_IDENTITY_SIGNUP_H

#include "fcgi/field.h"
#include "lib/base/err.h"

struct req;

/* An invite's code, of a path or a body. */
extern const struct field signup_code_path[];

/* The same as :token_hash, in the tenant that it names: ERR_OK, or ERR_NOT_FOUND, recorded. */
enum err signup_take_code(struct req *rq);

#endif
