#include "fcgi/budget.h"

#include "lib/host/config.h"

const struct budget budget_ai = { 0, &cfg.rate_limit_ai };
const struct budget budget_auth = { 1, &cfg.rate_limit_auth };
const struct budget budget_webhooks = { 2, &cfg.rate_limit_webhooks };
const struct budget budget_operations = { 3, &cfg.rate_limit_operations };
const struct budget budget_default = { 4, &cfg.rate_limit_default };
const struct budget budget_key = { 5, &cfg.rate_limit_key };
const struct budget budget_counted = { 6, &cfg.rate_limit_default };
