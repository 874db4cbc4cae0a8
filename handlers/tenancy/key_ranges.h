/*
 * The addresses that a key is taken from.
 */
#ifndef ASHLAR_KEY_RANGES_H
#define ASHLAR_KEY_RANGES_H

#include "lib/base/err.h"

struct req;

/*
 * The field of that name, a list of addresses and ranges of them, in one spelling: as the value "ranges", a
 * cidr[]; NULL where it was not sent.  ERR_OK, or ERR_VALIDATION for what is neither.
 */
enum err key_ranges_read(struct req *rq, const char *name);

#endif
