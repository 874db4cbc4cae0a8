-- What is wanted of an agent has a number, so that its host carries out the latest wish, in whatever order they reach it.

-- wish  grows with each change of wanted; an ashlar host that has seen a later one refuses an earlier one
ALTER TABLE tenant_agents ADD wish bigint NOT NULL DEFAULT 0;
SELECT changeable('tenant_agents', 'number', 'name');
