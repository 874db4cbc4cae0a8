/*
 * What rows of tiers have in common with those of top-ups.
 */
#ifndef HANDLERS_BILLING_TIERS_H
#define HANDLERS_BILLING_TIERS_H

#include "fcgi/field.h"

extern const struct field token_package_fields[]; /* of tokens */

#endif
