-- Who owns a workspace hands it on: it is offered, and the heir accepts.

-- One offer of a workspace; a new one takes the place of the one before.
--
-- from_member_id  the owner, who is an admin once it is accepted
-- to_member_id    who is to own it; of either it goes with the membership
CREATE TABLE ownership_offers (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    from_member_id  uuid NOT NULL,
    to_member_id    uuid NOT NULL,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id),
    CONSTRAINT ownership_offers_from FOREIGN KEY (tenant_id, organization_id, from_member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ownership_offers_to FOREIGN KEY (tenant_id, organization_id, to_member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ownership_offers_to_another CHECK (from_member_id <> to_member_id)
);
CREATE INDEX ownership_offers_of_giver ON ownership_offers (tenant_id, organization_id, from_member_id);
CREATE INDEX ownership_offers_of_heir ON ownership_offers (tenant_id, organization_id, to_member_id);
SELECT isolate('ownership_offers');
GRANT SELECT, INSERT, DELETE ON ownership_offers TO ashlar_api;
