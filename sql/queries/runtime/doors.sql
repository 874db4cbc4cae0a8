-- The doors: in front of a request's first statement, in the same round trip, one of these asks who calls and
-- whether they may.  A caller (fcgi/caller.h) names its door, fcgi/auth.c fills in the names; what each asks is in
-- sql/functions/runtime/enter.sql.

-- name: enter_anyone :exec
SELECT enter_anyone(:tenant::uuid, :note::jsonb);

-- name: enter_key :exec
SELECT enter_key(:tenant::uuid, :key::bytea, :origin::text, :scope::text, :note::jsonb);

-- name: enter_holder :exec
SELECT enter_holder(:tenant::uuid, :key::bytea, :origin::text, :note::jsonb);

-- name: enter_workspace_key :exec
SELECT enter_workspace_key(:key::bytea, :address::inet, :workspace::uuid, :scope::text, :note::jsonb);

-- name: enter_user :exec
SELECT enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text, :role::text,
                  :session::uuid, :generation::integer, :least_role::text, :note::jsonb);

-- name: enter_team :exec
SELECT enter_team(:tenant::uuid, :key::bytea, :origin::text, :session::uuid, :generation::integer, :least_role::text,
                  :test::boolean, :note::jsonb);

-- name: enter_organization :exec
SELECT enter_organization(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text,
                                     :role::text, :session::uuid, :generation::integer, :least_role::text, :note::jsonb),
                          :organization::uuid, :permission::text, :roles::text[]);

-- name: enter_member :exec
SELECT enter_member(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text,
                               :role::text, :session::uuid, :generation::integer, :least_role::text, :note::jsonb),
                    :workspace::uuid, :chosen::uuid, :permission::text, :roles::text[], :own_roles::text[]);

-- name: enter_workspace :exec
SELECT enter_workspace(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text,
                                  :role::text, :session::uuid, :generation::integer, :least_role::text, :note::jsonb),
                       :organization::uuid, :permission::text, :roles::text[]);

-- name: enter_operator :exec
SELECT enter_operator(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text,
                                 :role::text, :session::uuid, :generation::integer, :least_role::text, :note::jsonb),
                      :permission::text, :roles::text[], :is_installation::boolean);

-- name: enter_operator_key :exec
SELECT enter_operator(enter_key(:tenant::uuid, :key::bytea, :origin::text, :scope::text, :note::jsonb),
                      :permission::text, :roles::text[], :is_installation::boolean);

-- name: enter_organization_key :exec
SELECT enter_organization_key(:key::bytea, :address::inet, :scope::text, :permission::text, :roles::text[], :is_installation::boolean, :note::jsonb);

-- name: enter_opsboard :exec
SELECT enter_opsboard(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text, :role::text,
                                 :session::uuid, :generation::integer, :least_role::text, :note::jsonb));

-- name: enter_org :exec
SELECT enter_org(enter_user(:tenant::uuid, :key::bytea, :origin::text, :issuer::text, :subject::text, :role::text,
                            :session::uuid, :generation::integer, :least_role::text, :note::jsonb),
                 :organization::uuid, :permission::text, :roles::text[]);

-- name: enter_project :exec
SELECT enter_project(:tenant::uuid, :project::uuid, :project_key_id::text, :project_key::bytea, :note::jsonb);
