-- Which accounts a workspace has made, by its own link or for it: those alone it may end, or hand out a way into, until
-- their user has shown whose they are (account_hold).
CREATE TABLE account_makers (
    tenant_id       uuid NOT NULL,
    user_id         uuid NOT NULL,
    organization_id uuid NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT account_makers_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT account_makers_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations
);
CREATE INDEX account_makers_of_organization ON account_makers (tenant_id, organization_id);

SELECT isolate('account_makers');
GRANT SELECT, INSERT ON account_makers TO ashlar_api;
