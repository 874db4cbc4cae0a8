#include "fcgi/budget.h"

#include "lib/host/config.h"

const struct budget budget_ai = { 0, &cfg.rate_limit_ai, "RATE_LIMIT_AI" };
const struct budget budget_auth = { 1, &cfg.rate_limit_auth, "RATE_LIMIT_AUTH" };
const struct budget budget_webhooks = { 2, &cfg.rate_limit_webhooks, "RATE_LIMIT_WEBHOOKS" };
const struct budget budget_operations = { 3, &cfg.rate_limit_operations, "RATE_LIMIT_OPERATIONS" };
const struct budget budget_default = { 4, &cfg.rate_limit_default, "RATE_LIMIT_DEFAULT" };
const struct budget budget_key = { 5, &cfg.rate_limit_key, "RATE_LIMIT_KEY" };
const struct budget budget_reports = { 7, &cfg.rate_limit_reports, "RATE_LIMIT_REPORTS", .by_address = true };
const struct budget budget_agents = { 8, &cfg.rate_limit_agents, "RATE_LIMIT_AGENTS" };
const struct budget budget_tokens = { 9, &cfg.rate_limit_tokens, "RATE_LIMIT_TOKENS", .by_address = true };
const struct budget budget_project = { 10, &cfg.rate_limit_project, "RATE_LIMIT_PROJECT" };
const struct budget budget_tasks = { 11, &cfg.rate_limit_tasks, "RATE_LIMIT_TASKS" };
const struct budget budget_counted = { 6, &cfg.rate_limit_default, "RATE_LIMIT_DEFAULT" };
