-- Where records are.

-- Trusted, as those of 0031_search.sql: the owner may create it. PostGIS is not, and is there (ashlar migrate looks), in a schema of its own: so public has
-- nothing but what is ours, and a backup leaves it out by that name.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- In a table beside records, of which most have no place: a record that has none costs nothing. is_given: it was sent; else it follows the values that the
-- recordset's settings name (recordset_place()). content_id is the record's, and NULL of one that is deleted.
CREATE TABLE record_geometries (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    record_id       uuid NOT NULL,
    content_id      uuid,
    geometry        postgis.geometry(Geometry, 4326) NOT NULL,
    geometry_type   text NOT NULL GENERATED ALWAYS AS (substr(postgis.ST_GeometryType(geometry), 4)) STORED,
    is_given        boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, record_id)
);
-- The content first: of a city that all workspaces have records in, one's own are read.
CREATE INDEX record_geometries_map ON record_geometries USING gist (content_id, geometry) WHERE content_id IS NOT NULL;

SELECT isolate('record_geometries');
GRANT SELECT, INSERT, DELETE ON record_geometries TO ashlar_api;
SELECT changeable('record_geometries');

-- Recordsets whose settings say already where their records are, which has had no effect so far: a job each.
DO $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    t      uuid;
BEGIN
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO jobs (tenant_id, queue, kind, payload, timeout_s)
        SELECT t, 'ashlar', 'records.place', jsonb_build_object('organization_id', x.organization_id, 'recordset_id', x.id, 'place', x.place), 3600
        FROM (SELECT s.organization_id, s.id,
                     CASE WHEN s.mode = 'MAP' AND s.settings ->> 'geometry_field' IS NOT NULL THEN jsonb_build_object('geometry', s.settings ->> 'geometry_field')
                          WHEN s.mode = 'MAP' AND s.settings ->> 'lat_field' IS NOT NULL AND s.settings ->> 'lng_field' IS NOT NULL
                          THEN jsonb_build_object('lat', s.settings ->> 'lat_field', 'lng', s.settings ->> 'lng_field')
                          WHEN p.gis ->> 'lat' IS NOT NULL AND p.gis ->> 'lng' IS NOT NULL THEN jsonb_build_object('lat', p.gis ->> 'lat', 'lng', p.gis ->> 'lng') END AS place
              FROM recordsets s
              CROSS JOIN LATERAL (SELECT s.settings -> 'promoted_fields' -> 'promoted_gis_1' AS gis) p
              WHERE s.tenant_id = t) x
        WHERE x.place IS NOT NULL;
    END LOOP;
    PERFORM set_config('app.tenant_id', within, true);
END
$$;
