-- How often a provider has tried to collect an invoice, and when it will again: that one more try has failed is an event.

ALTER TABLE invoices
    ADD attempts bigint NOT NULL DEFAULT 0,
    ADD next_attempt_at timestamptz;
SELECT changeable('invoices', 'organization_id', 'user_id');
