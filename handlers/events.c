/*
 * The events that webhooks and realtime channels tell of: all that are sent,
 * and none that is not.
 *
 * To add one: a row here, and its table's line in
 * sql/functions/integrations/announcements.sql; the change, through the API, in
 * t/api/integrations/events.t, which fails for a row without either of these.
 * What "data" holds is what the API shows of the resource, so it is the resource's
 * shape, or one that leaves out what not everybody may see who hears of it: no
 * secret, no hash, and of an organization what each of its members may see.
 */
#include "fcgi/event.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const char *const signin_methods[] = { "password", "google", "passkey", NULL };
static const char *const key_types[] = { "public", "secret", "workspace", "organization", NULL };

/* Of what is changed: with what it was. */
#define PREVIOUS true

static const struct field user_data[] = {
	{ "id",                      F_UUID,     0 },
	{ "sub",                     F_TEXT,     0, .example = "user_demo", .about = "the id on the app surface, and of tokens" },
	{ "tenant_id",               F_UUID,     0 },
	{ "email",                   F_EMAIL,    F_NULL, .example = "ada@example.com" },
	{ "is_email_verified",       F_BOOL,     0 },
	{ "display_name",            F_TEXT,     F_NULL, .example = "Ada Lovelace" },
	{ "avatar_url",              F_URL,      F_NULL },
	{ "locale",                  F_TEXT,     0, .example = "en" },
	{ "role",                    F_ENUM,     0, .values = user_roles },
	{ "status",                  F_TEXT,     0, .example = "active" },
	{ "is_active",               F_BOOL,     0 },
	{ "current_plan_id",         F_UUID,     F_NULL },
	{ "default_organization_id", F_UUID,     F_NULL },
	{ "created_at",              F_DATETIME, 0 },
	{ "updated_at",              F_DATETIME, 0 },
	FIELD_END
};

static const struct field signin_data[] = {
	{ "session_id",   F_UUID,     0 },
	{ "user_id",      F_UUID,     0 },
	{ "sub",          F_TEXT,     0, .example = "user_demo" },
	{ "method",       F_ENUM,     0, .values = signin_methods },
	{ "has_mfa",      F_BOOL,     0, .about = "with a second factor" },
	{ "ip",           F_TEXT,     F_NULL, .example = "203.0.113.7" },
	{ "user_agent",   F_TEXT,     F_NULL },
	{ "signed_in_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field organization_data[] = {
	{ "id",          F_UUID,     0 },
	{ "name",        F_TEXT,     0, .example = "Acme Inc." },
	{ "slug",        F_SLUG,     0, .example = "acme" },
	{ "description", F_TEXT,     F_NULL },
	{ "logo_url",    F_URL,      F_NULL },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct field workspace_data[] = {
	{ "id",          F_UUID,     0 },
	{ "name",        F_TEXT,     0, .example = "Harbour Works" },
	{ "slug",        F_SLUG,     0, .example = "harbour-works" },
	{ "description", F_TEXT,     F_NULL },
	{ "industry",    F_TEXT,     F_NULL, .example = "Shipbuilding" },
	{ "website",     F_URL,      F_NULL, .example = "https://harbour.example" },
	{ "logo_url",    F_URL,      F_NULL },
	{ "timezone",    F_TEXT,     0, .example = "Europe/Berlin" },
	{ "status",      F_TEXT,     0, .example = "active" },
	{ "settings",    F_OBJECT,   0 },
	FIELD_END
};

static const struct field member_data[] = {
	{ "organization_id", F_UUID,     0 },
	{ "user_id",         F_UUID,     0 },
	{ "email",           F_EMAIL,    F_NULL, .example = "ada@example.com" },
	{ "display_name",    F_TEXT,     F_NULL, .example = "Ada Lovelace" },
	{ "role",            F_ENUM,     0, .values = member_roles },
	{ "is_active",       F_BOOL,     0 },
	{ "joined_at",       F_DATETIME, 0 },
	FIELD_END
};

static const struct field permissions_data[] = {
	{ "organization_id", F_UUID,   0 },
	{ "role",            F_ENUM,   0, .values = workspace_roles },
	{ "permissions",     F_OBJECT, 0, .item = F_BOOL, .about = "permission: whether the role has it" },
	FIELD_END
};

static const struct field team_data[] = {
	{ "id",             F_UUID,     0 },
	{ "workspace_id",   F_UUID,     0 },
	{ "name",           F_TEXT,     0, .example = "Sales" },
	{ "description",    F_TEXT,     F_NULL },
	{ "color",          F_TEXT,     F_NULL, .example = "#1a2b3c" },
	{ "icon",           F_TEXT,     F_NULL, .example = "star" },
	{ "parent_team_id", F_UUID,     F_NULL },
	{ "lead_member_id", F_UUID,     F_NULL },
	{ "is_active",      F_BOOL,     0 },
	{ "created_by_id",  F_UUID,     F_NULL },
	{ "created_at",     F_DATETIME, 0 },
	{ "updated_at",     F_DATETIME, 0 },
	FIELD_END
};

static const struct field team_member_data[] = {
	{ "id",           F_UUID,     0 },
	{ "workspace_id", F_UUID,     0 },
	{ "team_id",      F_UUID,     0 },
	{ "member_id",    F_UUID,     0 },
	{ "role",         F_TEXT,     0, .example = "lead" },
	{ "member",       F_OBJECT,   F_NULL, .fields = member_ref, .about = "null: has left the workspace" },
	{ "joined_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field tenant_agent_data[] = {
	{ "id",           F_INT,      0, .example = "12" },
	{ "name",         F_TEXT,     0, .example = "tide-watcher" },
	{ "display_name", F_TEXT,     0, .example = "Tide watcher" },
	{ "role",         F_TEXT,     0, .example = "planner" },
	{ "status",       F_TEXT,     0, .example = "idle", .about = "active, idle, working, blocked, paused, offline, stopped or error" },
	{ "current_task", F_TEXT,     F_NULL, .example = "Reading the gauge" },
	{ "created_at",   F_DATETIME, 0 },
	{ "updated_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field tenant_team_data[] = {
	{ "id",          F_INT,      0, .example = "5", .about = "as the operations surface has it" },
	{ "name",        F_TEXT,     0, .example = "Night crew" },
	{ "description", F_TEXT,     F_NULL },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct field tenant_team_member_data[] = {
	{ "team_id",   F_INT,      0, .example = "5" },
	{ "user_id",   F_INT,      0, .example = "3" },
	{ "role",      F_TEXT,     0, .example = "owner" },
	{ "joined_at", F_DATETIME, 0 },
	FIELD_END
};

static const char *const task_statuses[] = { "todo", "in_progress", "review", "done", "blocked", "archived", "cancelled", NULL };
static const char *const task_priorities[] = { "P0", "P1", "P2", "P3", NULL };
static const char *const task_types[] = { "feature", "bug", "research", "ops", "infra", "content", "other", NULL };

static const struct field task_data[] = {
	{ "id",           F_INT,      0, .example = "1", .about = "as the operations surface has it" },
	{ "title",        F_TEXT,     0, .example = "Print the tide tables" },
	{ "type",         F_ENUM,     0, .values = task_types },
	{ "status",       F_ENUM,     0, .values = task_statuses },
	{ "priority",     F_ENUM,     0, .values = task_priorities },
	{ "assignee",     F_TEXT,     F_NULL, .example = "theo" },
	{ "product_id",   F_INT,      F_NULL, .example = "1" },
	{ "completed_at", F_DATETIME, F_NULL },
	{ "created_at",   F_DATETIME, 0 },
	{ "updated_at",   F_DATETIME, 0 },
	FIELD_END
};

static const char *const product_statuses[] = { "idea", "building", "active", "live", "launched", "placeholder", "archived", NULL };

static const struct field product_data[] = {
	{ "id",           F_INT,      0, .example = "1", .about = "as the operations surface has it" },
	{ "name",         F_TEXT,     0, .example = "Harbour lights" },
	{ "slug",         F_TEXT,     0, .example = "harbour-lights" },
	{ "tagline",      F_TEXT,     F_NULL },
	{ "status",       F_ENUM,     0, .values = product_statuses },
	{ "brand_color",  F_TEXT,     F_NULL, .example = "#204060" },
	{ "accent_color", F_TEXT,     F_NULL, .example = "#ffcc00" },
	{ "created_at",   F_DATETIME, 0 },
	{ "updated_at",   F_DATETIME, 0 },
	FIELD_END
};

static const char *const environments[] = { "production", "staging", "development", "community", NULL };

static const struct field trace_project_data[] = {
	{ "id",              F_UUID,     0 },
	{ "organization_id", F_UUID,     0 },
	{ "name",            F_TEXT,     0, .example = "Support assistant" },
	{ "environment",     F_ENUM,     0, .values = environments },
	{ "created_at",      F_DATETIME, 0 },
	{ "updated_at",      F_DATETIME, 0 },
	FIELD_END
};

static const struct field key_data[] = {
	{ "id",              F_UUID,     0 },
	{ "name",            F_TEXT,     0, .example = "Website" },
	{ "type",            F_ENUM,     0, .values = key_types },
	{ "prefix",          F_TEXT,     0, .example = "pk_live_q8Zt" },
	{ "allowed_origins", F_LIST,     0, .item = F_TEXT },
	{ "is_active",       F_BOOL,     0 },
	{ "created_by",      F_UUID,     F_NULL },
	{ "revoked_at",      F_DATETIME, F_NULL },
	{ "created_at",      F_DATETIME, 0 },
	FIELD_END
};

static const struct field webhook_data[] = {
	{ "id",               F_UUID,     0 },
	{ "workspace_id",     F_UUID,     F_NULL, .about = "null: the tenant's own" },
	{ "name",             F_TEXT,     0, .example = "Billing" },
	{ "events",           F_LIST,     0, .item = F_TEXT },
	{ "disabled_reason",  F_TEXT,     0, .example = "endpoint answered 410" },
	{ "last_status_code", F_INT,      F_NULL },
	{ "failing_since",    F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field job_data[] = {
	{ "id",           F_UUID,     0 },
	{ "queue",        F_TEXT,     0, .example = "reports" },
	{ "kind",         F_TEXT,     0, .example = "report.monthly" },
	{ "attempts",     F_INT,      0 },
	{ "max_attempts", F_INT,      0 },
	{ "error",        F_TEXT,     F_NULL, .about = "of the last attempt" },
	{ "created_at",   F_DATETIME, 0 },
	{ "failed_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field subscription_data[] = {
	{ "id",                   F_UUID,     0 },
	{ "organization_id",      F_UUID,     F_NULL, .about = "null: a user's own" },
	{ "sub",                  F_TEXT,     F_NULL, .example = "user_demo", .about = "the user whose own it is" },
	{ "plan_id",              F_UUID,     F_NULL },
	{ "tier",                 F_TEXT,     F_NULL, .example = "pro" },
	{ "interval",             F_TEXT,     0, .example = "month" },
	{ "status",               F_TEXT,     0, .example = "active" },
	{ "quantity",             F_INT,      0 },
	{ "amount",               F_INT,      F_NULL, .about = "of one, in the currency's smallest unit" },
	{ "currency",             F_TEXT,     F_NULL, .example = "usd" },
	{ "started_at",           F_DATETIME, 0 },
	{ "period_start",         F_DATETIME, F_NULL },
	{ "period_end",           F_DATETIME, F_NULL },
	{ "trial_start",          F_DATETIME, F_NULL },
	{ "trial_end",            F_DATETIME, F_NULL },
	{ "cancel_at_period_end", F_BOOL,     0 },
	{ "canceled_at",          F_DATETIME, F_NULL },
	{ "ended_at",             F_DATETIME, F_NULL },
	{ "next_plan_id",         F_UUID,     F_NULL, .about = "from next_at on" },
	{ "next_at",              F_DATETIME, F_NULL },
	{ "provider",             F_TEXT,     F_NULL, .example = "stripe" },
	{ "provider_id",          F_TEXT,     F_NULL, .example = "sub_1MowQVLkdIwHu7ixeRlqHVzs" },
	{ "created_at",           F_DATETIME, 0 },
	{ "updated_at",           F_DATETIME, 0 },
	FIELD_END
};

static const struct field invoice_data[] = {
	{ "id",               F_UUID,     0 },
	{ "organization_id",  F_UUID,     F_NULL },
	{ "sub",              F_TEXT,     F_NULL, .example = "user_demo" },
	{ "subscription_id",  F_UUID,     F_NULL },
	{ "number",           F_TEXT,     F_NULL },
	{ "status",           F_TEXT,     0, .example = "paid" },
	{ "currency",         F_TEXT,     0, .example = "usd" },
	{ "total",            F_INT,      0 },
	{ "amount_due",       F_INT,      0 },
	{ "amount_paid",      F_INT,      0 },
	{ "amount_remaining", F_INT,      0 },
	{ "attempts",         F_INT,      0, .about = "how often it was tried to collect it" },
	{ "next_attempt_at",  F_DATETIME, F_NULL },
	{ "issued_at",        F_DATETIME, 0 },
	{ "period_start",     F_DATETIME, F_NULL },
	{ "period_end",       F_DATETIME, F_NULL },
	{ "paid_at",          F_DATETIME, F_NULL },
	{ "provider",         F_TEXT,     0, .example = "stripe" },
	{ "provider_id",      F_TEXT,     0, .example = "in_1MtHbELkdIwHu7ixl4OzzPMv" },
	FIELD_END
};

static const struct field contact_data[] = {
	{ "reference_id", F_TEXT,     0, .example = "CNT-1A2B3C4D" },
	{ "name",         F_TEXT,     0, .example = "Ada Lovelace" },
	{ "email",        F_EMAIL,    0, .example = "ada@example.com" },
	{ "phone",        F_TEXT,     F_NULL },
	{ "company",      F_TEXT,     F_NULL },
	{ "subject",      F_TEXT,     F_NULL },
	{ "message",      F_TEXT,     0 },
	{ "extra_fields", F_OBJECT,   0 },
	{ "source",       F_TEXT,     F_NULL },
	{ "submitted_at", F_DATETIME, 0 },
	FIELD_END
};

static const char *const wallet_units[] = { "tokens", "credit", NULL };
static const char *const topup_states[] = { "succeeded", "failed", NULL };

static const struct field topup_data[] = {
	{ "id",           F_UUID,     0 },
	{ "user_id",      F_UUID,     0, .about = "who pays" },
	{ "is_of_tenant", F_BOOL,     0, .about = "for the wallet that the tenant's users share, and not for the user's own" },
	{ "is_automatic", F_BOOL,     0 },
	{ "unit",         F_ENUM,     0, .values = wallet_units },
	{ "package",      F_TEXT,     0, .example = "tokens-50k" },
	{ "amount",       F_INT,      0, .about = "of the unit; credit in cents", .example = "50000" },
	{ "bonus",        F_INT,      0, .about = "that is given with it" },
	{ "price_cents",  F_INT,      0, .example = "500" },
	{ "currency",     F_TEXT,     0, .example = "usd" },
	{ "status",       F_ENUM,     0, .values = topup_states },
	{ "error",        F_TEXT,     F_NULL, .example = "insufficient_funds" },
	{ "created_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field wallet_data[] = {
	{ "user_id",      F_UUID, F_NULL, .about = "null: the wallet that the tenant's users share" },
	{ "is_of_tenant", F_BOOL, 0 },
	{ "unit",         F_ENUM, 0, .values = wallet_units },
	{ "balance",      F_INT,  0, .example = "4000" },
	{ "threshold",    F_INT,  0, .example = "5000" },
	FIELD_END
};

static const struct shape topup = { "EventTopup", topup_data };
static const struct shape wallet = { "EventWallet", wallet_data };
static const struct shape user = { "EventUser", user_data };
static const struct shape signin = { "EventSignIn", signin_data };
static const struct shape organization = { "EventOrganization", organization_data };
static const struct shape workspace = { "EventWorkspace", workspace_data };
static const struct shape member = { "EventMember", member_data };
static const struct shape role_permissions = { "EventRolePermissions", permissions_data };
static const struct shape team = { "EventTeam", team_data };
static const struct shape team_member = { "EventTeamMember", team_member_data };
static const struct shape tenant_agent = { "EventTenantAgent", tenant_agent_data };
static const struct shape tenant_team = { "EventTenantTeam", tenant_team_data };
static const struct shape tenant_team_member = { "EventTenantTeamMember", tenant_team_member_data };
static const struct shape task = { "EventTask", task_data };
static const struct shape product = { "EventProduct", product_data };
static const struct shape trace_project = { "EventTraceProject", trace_project_data };
static const struct shape key = { "EventApiKey", key_data };
static const struct shape subscription = { "EventSubscription", subscription_data };
static const struct shape invoice = { "EventInvoice", invoice_data };
static const struct shape contact = { "EventContact", contact_data };
static const struct shape webhook = { "EventWebhook", webhook_data };
static const struct shape job = { "EventJob", job_data };

const struct event events[] = {
	{ "user.created",     EVENT_TENANT, "Somebody signed up, came with a token of yours for the first time, or was made", &user },
	{ "user.updated",     EVENT_TENANT, "A profile, address, role, plan or default organization is another one", &user, PREVIOUS },
	{ "user.deactivated", EVENT_TENANT, "A user may not come in any more; so does DELETE /api/v1/users/{user}", &user, PREVIOUS },
	{ "user.activated",   EVENT_TENANT, "A user may come in again", &user, PREVIOUS },
	{ "user.deleted",     EVENT_TENANT, "A user is gone for good, because the issuer that they signed in with said so", &user },
	{ "user.signed_in",   EVENT_TENANT, "Somebody signed in with us, by password, passkey or another service", &signin },

	{ "organization.created",        EVENT_ORGANIZATION, "An organization was made; its owner is added to it at the same moment", &organization },
	{ "organization.updated",        EVENT_ORGANIZATION, "Its name, description or logo is another one", &organization, PREVIOUS },
	{ "organization.member_added",   EVENT_ORGANIZATION, "Somebody is in an organization now", &member },
	{ "organization.member_updated", EVENT_ORGANIZATION, "A member's role is another one, or the member was suspended", &member, PREVIOUS },
	{ "organization.member_removed", EVENT_ORGANIZATION, "Somebody left an organization, or was removed", &member },
	{ "organization.work_reassigned", EVENT_ORGANIZATION, "What a member had was given to another one, all at once", &work_reassigned_shape },
	{ "workspace.updated",           EVENT_ORGANIZATION, "An organization is another one as its members see it: also its industry, website, time zone, status or settings", &workspace, PREVIOUS },
	{ "permissions.updated",         EVENT_ORGANIZATION, "What a role may in a workspace was set", &role_permissions },

	{ "invitation.created",   EVENT_ORGANIZATION, "An address was invited to an organization", &invitation_shape },
	{ "invitation.accepted",  EVENT_ORGANIZATION, "Whoever was invited is a member now", &invitation_shape },
	{ "invitation.rejected",  EVENT_ORGANIZATION, "Whoever was invited does not want to be", &invitation_shape },
	{ "invitation.cancelled", EVENT_ORGANIZATION, "An invitation was withdrawn", &invitation_shape },

	{ "department.created", EVENT_ORGANIZATION, "A department was made", &department_shape },
	{ "department.updated", EVENT_ORGANIZATION, "A department is another one, such as no longer the default", &department_shape, PREVIOUS },

	{ "goal.created",          EVENT_ORGANIZATION, "A goal was made", &goal_event_shape },
	{ "goal.updated",          EVENT_ORGANIZATION, "A goal is another one, or its key results are", &goal_event_shape, PREVIOUS },
	{ "goal.progress_updated", EVENT_ORGANIZATION, "Somebody reported how far key results are", &goal_event_shape, PREVIOUS },
	{ "goal.deleted",          EVENT_ORGANIZATION, "A goal was deleted, and its key results with it", &goal_event_shape },

	{ "team.created",        EVENT_ORGANIZATION, "A team was made in a workspace", &team },
	{ "team.updated",        EVENT_ORGANIZATION, "A team is another one, or has another place, or another lead", &team, PREVIOUS },
	{ "team.deleted",        EVENT_ORGANIZATION, "A team was deleted; who was in it is not told of one by one", &team },
	{ "team.member_added",   EVENT_ORGANIZATION, "A member is in a team now", &team_member },
	{ "team.member_updated", EVENT_ORGANIZATION, "A member leads a team now, or does no longer", &team_member, PREVIOUS },
	{ "team.member_removed", EVENT_ORGANIZATION, "A member is in a team no more", &team_member },

	{ "agent.created",              EVENT_TENANT, "An agent of the tenant was made, or registered", &tenant_agent },
	{ "agent.updated",              EVENT_TENANT, "An agent of the tenant has another status, task, role or name to show", &tenant_agent, PREVIOUS },
	{ "tenant_team.created",        EVENT_TENANT, "A team of the tenant was made; its owner is added to it at the same moment", &tenant_team },
	{ "tenant_team.updated",        EVENT_TENANT, "A team of the tenant is called or described otherwise", &tenant_team, PREVIOUS },
	{ "tenant_team.deleted",        EVENT_TENANT, "A team of the tenant was deleted; who was in it is not told of one by one", &tenant_team },
	{ "tenant_team.member_added",   EVENT_TENANT, "A user is in a team of the tenant now", &tenant_team_member },
	{ "tenant_team.member_updated", EVENT_TENANT, "A user has another role in a team of the tenant", &tenant_team_member, PREVIOUS },
	{ "tenant_team.member_removed", EVENT_TENANT, "A user is in a team of the tenant no more", &tenant_team_member },

	{ "task.created", EVENT_TENANT, "A task of the tenant was made", &task },
	{ "task.updated", EVENT_TENANT, "A task of the tenant was changed, or has another status", &task, PREVIOUS },
	{ "task.deleted", EVENT_TENANT, "A task of the tenant was deleted", &task },

	{ "product.created", EVENT_TENANT, "A product was made", &product },
	{ "product.updated", EVENT_TENANT, "A product was changed, or has another status", &product, PREVIOUS },

	{ "import.completed",   EVENT_ORGANIZATION, "An import of a file into a recordset is over, or has failed", &import_event_shape },
	{ "import.undone",      EVENT_ORGANIZATION, "An import was undone: what it had created is deleted, what it had changed is as it was", &import_undone_event_shape },
	{ "recordset.created",  EVENT_ORGANIZATION, "A recordset was made", &recordset_event_shape },
	{ "recordset.updated",  EVENT_ORGANIZATION, "A recordset is another one, or its schema is", &recordset_event_shape, PREVIOUS },
	{ "recordset.field_converted", EVENT_ORGANIZATION, "The values of a field have another type, those that fit", &field_converted_event_shape },
	{ "recordset.trashed",  EVENT_ORGANIZATION, "A recordset was moved to the trash, and its records with it", &recordset_event_shape, PREVIOUS },
	{ "recordset.restored", EVENT_ORGANIZATION, "A recordset was taken out of the trash", &recordset_event_shape, PREVIOUS },
	{ "recordset.deleted",  EVENT_ORGANIZATION, "A recordset was deleted for good, and its records with it", &recordset_event_shape },

	{ "record.created",      EVENT_ORGANIZATION, "A record was made", &record_event_shape },
	{ "record.updated",      EVENT_ORGANIZATION, "A record is another one", &record_event_shape, PREVIOUS },
	{ "record.restored",     EVENT_ORGANIZATION, "A record has the values of an earlier version again", &record_event_shape, PREVIOUS },
	{ "record.deleted",      EVENT_ORGANIZATION, "A record was deleted", &record_event_shape },
	{ "record.bulk_written", EVENT_ORGANIZATION, "Several records of a recordset were created or changed at once", &record_batch_event_shape },
	{ "record.bulk_deleted", EVENT_ORGANIZATION, "Several records of a recordset, or all of them, were deleted at once", &record_bulk_event_shape },

	{ "subscription.created",  EVENT_ORGANIZATION, "An organization, or a user, has subscribed, or is to pay for it", &subscription },
	{ "subscription.updated",  EVENT_ORGANIZATION, "Its status, plan, period, seats or end is another one", &subscription, PREVIOUS },
	{ "subscription.canceled", EVENT_ORGANIZATION, "A subscription has ended", &subscription, PREVIOUS },

	{ "invoice.paid",           EVENT_ORGANIZATION, "An invoice was paid", &invoice },
	{ "invoice.payment_failed", EVENT_ORGANIZATION, "An invoice could not be collected, once more", &invoice },

	{ "wallet.low",      EVENT_TENANT, "A spend has left less in a wallet than the threshold of its automatic top-up; once until there is more again", &wallet },
	{ "topup.succeeded", EVENT_TENANT, "A package is paid, and in the wallet", &topup },
	{ "topup.failed",    EVENT_TENANT, "A package could not be paid by itself", &topup },

	{ "project.created", EVENT_TENANT, "A user made a project", &project_shape },
	{ "project.updated", EVENT_TENANT, "Its name or description is another one", &project_shape, PREVIOUS },
	{ "project.deleted", EVENT_TENANT, "A user deleted a project", &project_shape },

	{ "trace_project.created", EVENT_ORGANIZATION, "A project was made that traces are sent to", &trace_project },
	{ "trace_project.updated", EVENT_ORGANIZATION, "Its name or environment is another one", &trace_project, PREVIOUS },
	{ "trace_project.deleted", EVENT_ORGANIZATION, "A project that traces were sent to was deleted", &trace_project },

	{ "api_key.created", EVENT_TENANT, "An API key was made", &key },
	{ "api_key.updated", EVENT_TENANT, "Its name or origins are other ones, or it was suspended or let in again", &key, PREVIOUS },
	{ "api_key.revoked", EVENT_TENANT, "An API key is good for nothing any more", &key, PREVIOUS },

	{ "feature_flag.created", EVENT_TENANT, "A feature flag was made", &flag_shape },
	{ "feature_flag.updated", EVENT_TENANT, "A feature flag was changed", &flag_shape, PREVIOUS },
	{ "feature_flag.deleted", EVENT_TENANT, "A feature flag was deleted", &flag_shape },

	{ "contact.submitted", EVENT_TENANT, "Somebody wrote through the contact form", &contact },

	{ "webhook.disabled", EVENT_ORGANIZATION, "A webhook was switched off, because nothing could be delivered to it", &webhook },
	{ "job.failed",       EVENT_TENANT, "A job has used up its attempts, and is not tried again by itself", &job },
	{ NULL },
};
/* clang-format on */
