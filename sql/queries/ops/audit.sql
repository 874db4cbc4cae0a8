-- The audit log, newest first.  It only grows: each of the queries reads an
-- index backwards and stops, and counts up to 10,001.  details also has what
-- else is known of the event: for whom somebody acted, which request it was.

-- name: audit_list :page
-- Everything.  The number of the last event is how many there are.
-- scan: a page of the index that is the log's order
SELECT t.total, e.id, e.actor_id, e.action, e.resource_type, e.resource_id, e.details, e.ip_address, e.created_at
FROM (SELECT coalesce((SELECT seq FROM audit_events WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1), 0) AS total) t
LEFT JOIN (
    SELECT id, actor_id, action, resource_type, resource_id, audit_details(a) AS details, ip_address, created_at
    FROM audit_events a
    WHERE tenant_id = @tenant
    ORDER BY seq DESC
    LIMIT :limit
) e ON true;

-- name: audit_list_of_actor :page
-- By actor, and perhaps by the rest.
SELECT t.total, e.id, e.actor_id, e.action, e.resource_type, e.resource_id, e.details, e.ip_address, e.created_at
FROM (SELECT count(*) AS total
      FROM (SELECT FROM audit_events
            WHERE tenant_id = @tenant AND actor_id = :actor_id AND (:action::text IS NULL OR action = :action)
              AND (:resource_type::text IS NULL OR resource_type = :resource_type)
            LIMIT 10001) counted) t
LEFT JOIN (
    SELECT id, actor_id, action, resource_type, resource_id, audit_details(a) AS details, ip_address, created_at
    FROM audit_events a
    WHERE tenant_id = @tenant AND actor_id = :actor_id AND (:action::text IS NULL OR action = :action)
      AND (:resource_type::text IS NULL OR resource_type = :resource_type)
    ORDER BY seq DESC
    LIMIT :limit
) e ON true;

-- name: audit_list_of_actor_action :page
-- By actor and action.
SELECT t.total, e.id, e.actor_id, e.action, e.resource_type, e.resource_id, e.details, e.ip_address, e.created_at
FROM (SELECT count(*) AS total
      FROM (SELECT FROM audit_events
            WHERE tenant_id = @tenant AND actor_id = :actor_id AND action = :action
              AND (:resource_type::text IS NULL OR resource_type = :resource_type)
            LIMIT 10001) counted) t
LEFT JOIN (
    SELECT id, actor_id, action, resource_type, resource_id, audit_details(a) AS details, ip_address, created_at
    FROM audit_events a
    WHERE tenant_id = @tenant AND actor_id = :actor_id AND action = :action
      AND (:resource_type::text IS NULL OR resource_type = :resource_type)
    ORDER BY seq DESC
    LIMIT :limit
) e ON true;

-- name: audit_list_of_action :page
SELECT t.total, e.id, e.actor_id, e.action, e.resource_type, e.resource_id, e.details, e.ip_address, e.created_at
FROM (SELECT count(*) AS total
      FROM (SELECT FROM audit_events
            WHERE tenant_id = @tenant AND action = :action
              AND (:resource_type::text IS NULL OR resource_type = :resource_type)
            LIMIT 10001) counted) t
LEFT JOIN (
    SELECT id, actor_id, action, resource_type, resource_id, audit_details(a) AS details, ip_address, created_at
    FROM audit_events a
    WHERE tenant_id = @tenant AND action = :action AND (:resource_type::text IS NULL OR resource_type = :resource_type)
    ORDER BY seq DESC
    LIMIT :limit
) e ON true;

-- name: audit_list_of_resource :page
SELECT t.total, e.id, e.actor_id, e.action, e.resource_type, e.resource_id, e.details, e.ip_address, e.created_at
FROM (SELECT count(*) AS total
      FROM (SELECT FROM audit_events WHERE tenant_id = @tenant AND resource_type = :resource_type LIMIT 10001) counted) t
LEFT JOIN (
    SELECT id, actor_id, action, resource_type, resource_id, audit_details(a) AS details, ip_address, created_at
    FROM audit_events a
    WHERE tenant_id = @tenant AND resource_type = :resource_type
    ORDER BY seq DESC
    LIMIT :limit
) e ON true;
