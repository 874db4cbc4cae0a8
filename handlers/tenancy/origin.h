/*
 * Web addresses that a tenant allows: origins of public keys, and pages that
 * sign-in comes back to.
 */
#ifndef HANDLERS_TENANCY_ORIGIN_H
#define HANDLERS_TENANCY_ORIGIN_H

#include <stdbool.h>

#include "lib/base/arena.h"

/*
 * The canonical form of an origin, as browsers send it (RFC 6454 6.1):
 * scheme://host[:port], in lower case, without the scheme's own port.  One
 * slash at the end is forgiven.  https only, but for localhost, 127.0.0.1 and
 * [::1].  The arena's; NULL when it is none, and *problem then says why.
 */
char *origin_canonical(struct arena *a, const char *text, const char **problem);

/*
 * May a browser be sent back to this page with tokens?  https only, but for
 * the same three hosts; no user name and no fragment.  NULL, or why not.
 */
const char *origin_redirect_problem(struct arena *a, const char *url);

#endif
