-- An organization's slug may be changed, on the operations surface by its owners and admins.
GRANT UPDATE (slug) ON organizations TO ashlar_api;
