/* A plan, as a subscription shows it too. */
#ifndef ASHLAR_HANDLERS_BILLING_PLANS_H
#define ASHLAR_HANDLERS_BILLING_PLANS_H

#include "fcgi/field.h"

extern const struct field plan_fields[];
extern const struct shape plan_sold_shape;

#endif
