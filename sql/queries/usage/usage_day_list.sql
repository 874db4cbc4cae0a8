-- Sums by day as a list, and as a file of all of it.

-- name: usage_day_list :page
-- In the order of an index, so that a file is sent while it is read.
-- scan: a page of the index that is the list's order, and up to 10,001 of its entries
SELECT d.day AS date, d.metric, d.category, nullif(d.organization_id, usage_id(NULL)) AS organization_id,
       nullif(d.user_id, usage_id(NULL)) AS user_id, usage_shown(d.metric, d.quantity) AS quantity, d.count
FROM usage_daily d
WHERE d.tenant_id = @tenant
  AND d.day >= (SELECT r.first_day FROM usage_range(:from::date, :to::date) r)
  AND d.day <= (SELECT r.last_day FROM usage_range(:from::date, :to::date) r)
  [AND d.organization_id = :organization_id]
  [AND d.user_id = :user_id]
  [AND d.metric = :metric]
ORDER BY d.day, d.metric, d.organization_id, d.user_id, d.category;

-- name: usage_day_own :page
-- Of the caller.
SELECT d.day AS date, d.metric, d.category, nullif(d.organization_id, usage_id(NULL)) AS organization_id,
       usage_shown(d.metric, d.quantity) AS quantity, d.count
FROM usage_daily d
WHERE d.tenant_id = @tenant AND d.user_id = @user
  AND d.day >= (SELECT r.first_day FROM usage_range(:from::date, :to::date) r)
  AND d.day <= (SELECT r.last_day FROM usage_range(:from::date, :to::date) r)
  [AND d.metric = :metric]
ORDER BY d.day, d.metric, d.organization_id, d.category;
