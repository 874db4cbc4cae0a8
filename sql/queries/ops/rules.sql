-- Rules for the agents of the installation.

-- columns: rule
SELECT r.number AS id, r.rule, r.scope, r.category, r.permanent, r.created_at, r.updated_at
FROM rules r;

-- name: rule_list :page
-- scan: a page of the index that is the list's order
SELECT :columns(rule)
FROM rules r
WHERE r.tenant_id = @tenant
  [AND r.scope = :scope]
  [AND r.scope IN ('all', :agent)]
  [AND r.category = :category]
  [AND r.permanent = (:permanent::text = '1')]
ORDER BY r.permanent DESC, r.number;

-- name: rule_create :row
WITH made AS (
    INSERT INTO rules AS r
    :values(tenant_id = @tenant, rule, scope, category, permanent)
    RETURNING *
)
SELECT :columns(rule)
FROM made r, audit('rule.create', 'rule', r.number::text, jsonb_build_object('scope', r.scope, 'category', r.category, 'permanent', r.permanent));

-- name: rule_update :row
WITH changed AS (
    UPDATE rules r
    SET :set(r.rule, r.scope, r.category, r.permanent)
    WHERE r.tenant_id = @tenant AND r.number = :rule_number::bigint
      AND may(NOT r.permanent OR app_operates(), 'a permanent rule is changed by an administrator')
      AND if_match(r.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(rule), r.updated_at AS _updated_at
FROM changed r, audit('rule.update', 'rule', r.number::text, jsonb_build_object('fields', :changed(rule, scope, category, permanent)));

-- name: rule_delete :row
WITH gone AS (
    DELETE FROM rules r
    WHERE r.tenant_id = @tenant AND r.number = :rule_number::bigint
      AND may(NOT r.permanent, 'a permanent rule stays until an administrator says that it is none')
      AND if_match(r.updated_at, :if_match)
    RETURNING r.number
)
SELECT r.number AS id, true AS deleted
FROM gone r, audit('rule.delete', 'rule', r.number::text);
