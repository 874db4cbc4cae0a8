-- One notification is found by its id alone, however many its member has.

-- All of a member's, in the order of their numbers, was an index that a look-up by (tenant, organization, member, id) could use, too; and where a member has very
-- many, PostgreSQL, which takes the three for independent of one another, thinks that it finds one row there as well as by the primary key. So it walked
-- through all of them. What lists read has a number above 0, and they say so.
DROP INDEX notifications_list;
CREATE INDEX notifications_list ON notifications (tenant_id, organization_id, member_id, nr) WHERE nr > 0;
