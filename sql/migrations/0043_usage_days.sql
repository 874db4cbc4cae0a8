-- Sums by day as a list of its own, and limits by whose they are.

-- A tenant's, in the order of the list (usage_day_list).
CREATE INDEX usage_daily_of_day ON usage_daily (tenant_id, day, metric, organization_id, user_id, category);

-- A user's limits, in all organizations and outside of them.
CREATE INDEX usage_limits_of_user ON usage_limits (tenant_id, user_id, organization_id, metric);
