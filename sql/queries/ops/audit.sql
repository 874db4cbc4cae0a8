-- The audit log, newest first.  It only grows: every way of narrowing it reads an
-- index backwards and stops.  details also has what
-- else is known of the event: for whom the actor acted, which request it was.

-- name: audit_list :page
-- total: (SELECT coalesce((SELECT seq FROM audit_events WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1), 0))
-- Of everything the number of the last event is how many there are.
-- scan: a page of the index that is the log's order
SELECT a.id, a.actor_id, a.action, a.resource_type, a.resource_id, audit_details(a) AS details, a.ip_address, a.created_at
FROM audit_events a
WHERE a.tenant_id = @tenant
  [AND a.actor_id = :actor_id]
  [AND a.action = :action]
  [AND a.resource_type = :resource_type]
ORDER BY a.seq DESC;

-- name: dashboard_audit_list :page
-- total: (SELECT coalesce((SELECT seq FROM audit_events WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1), 0))
-- The same for the team, which goes on behind the row that a page ended with.
-- scan: a page of the index that is the log's order
SELECT a.seq, a.id, a.actor_id, a.action, a.resource_type, a.resource_id, audit_details(a) AS details, a.ip_address, a.created_at
FROM audit_events a
WHERE a.tenant_id = @tenant
  [AND a.actor_id = :actor_id]
  [AND a.action = :action]
  [AND a.resource_type = :resource_type]
  [AND a.seq < :before_seq]
ORDER BY a.seq DESC;

-- name: dashboard_audit_verify :row
SELECT v.event_count, v.checked, v.is_unbroken, v.problem_seq, v.problem, v.next_seq, v.hash
FROM audit_verify_part(:after_seq::bigint, :limit::integer) v;
