-- One tenant's backlog does not stand before another's jobs.

-- Where jobs_claim_fair() looks whether a tenant has something waiting in a queue of ours.
CREATE INDEX jobs_ready_of_tenant ON jobs (tenant_id, queue, id) WHERE state = 'queued' AND is_internal;
