/*
 * What rows of tiers have in common with those of what is paid for them.
 */
#ifndef HANDLERS_BILLING_TIERS_H
#define HANDLERS_BILLING_TIERS_H

#include "fcgi/field.h"

extern const struct field tier_fields[];              /* input: which tier */
extern const struct field tier_subscription_fields[]; /* a user's subscription to one */
extern const struct field token_package_fields[];     /* a package of tokens */

#endif
