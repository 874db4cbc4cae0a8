-- Templates of a tenant's agents.

-- columns: agent_template
SELECT t.number AS id, t.name, t.slug, t.description, t.icon, t.category, t.model, t.interval_s::bigint AS interval_sec, t.identity, t.tools, t.capabilities,
       t.config, t.is_featured, t.sort_order::bigint AS sort_order, t.created_at, t.updated_at
FROM agent_templates t;

-- name: agent_template_list :page
-- scan: a page of the index that is the order, and the count of a tenant's up to 10,001
SELECT :columns(agent_template)
FROM agent_templates t
WHERE t.tenant_id = @tenant AND t.archived_at IS NULL
  [AND t.category = :category]
  [:featured=true| AND t.is_featured]
ORDER BY t.sort_order, t.name, t.number;

-- name: agent_template_create :row
WITH made AS (
    INSERT INTO agent_templates AS t
    :values(tenant_id = @tenant, name, slug, description, icon, category, model, interval_s = :interval_sec::integer, identity,
            tools = coalesce(:tools::text[], '{}'), capabilities = coalesce(:capabilities::text[], '{}'), config = coalesce(:config::jsonb, '{}'),
            is_featured, sort_order = :sort_order::integer)
    RETURNING *
)
SELECT :columns(agent_template)
FROM made t, audit('agent_template.create', 'agent_template', t.number::text, jsonb_build_object('name', t.name, 'slug', t.slug));

-- name: agent_template_get :row
SELECT :columns(agent_template), t.updated_at AS _updated_at
FROM agent_templates t
WHERE t.tenant_id = @tenant AND t.number = :template_number::bigint AND t.archived_at IS NULL;

-- name: agent_template_update :row
WITH changed AS (
    UPDATE agent_templates t
    SET :set(t.name, t.description, t.icon, t.category, t.model, t.identity, t.tools, t.capabilities, t.config, t.is_featured),
        interval_s = CASE WHEN :has_interval_sec THEN :interval_sec::integer ELSE t.interval_s END,
        sort_order = coalesce(:sort_order::integer, t.sort_order)
    WHERE t.tenant_id = @tenant AND t.number = :template_number::bigint AND t.archived_at IS NULL
      AND valid(cardinality(:changed(name, description, icon, category, model, interval_sec, identity, tools, capabilities, config, is_featured, sort_order)) > 0,
                'name', 'send what is to be changed: name, description, icon, category, model, interval_sec, identity, tools, capabilities, config, is_featured or sort_order')
      AND if_match(t.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(agent_template), t.updated_at AS _updated_at
FROM changed t, audit('agent_template.update', 'agent_template', t.number::text, jsonb_build_object('fields',
    :changed(name, description, icon, category, model, interval_sec, identity, tools, capabilities, config, is_featured, sort_order)));

-- name: agent_template_archive :row
WITH gone AS (
    UPDATE agent_templates t
    SET archived_at = now()
    WHERE t.tenant_id = @tenant AND t.number = :template_number::bigint AND t.archived_at IS NULL AND if_match(t.updated_at, :if_match)
    RETURNING t.number, t.name
)
SELECT t.number AS id, true AS archived
FROM gone t, audit('agent_template.archive', 'agent_template', t.number::text, jsonb_build_object('name', t.name));
