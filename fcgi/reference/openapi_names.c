/*
 * What operations and their groups are called: the ids that generated clients
 * have as names of methods, and the tags with what they are about.
 *
 * An id is a verb, the surface and a noun: list_app_projects.  It is made of the
 * row's catalogue id, whose last word is a verb with or without a noun
 * ("app.projects.list", "workspace.goals.create_goal").  Where that one reads
 * otherwise, a line of names[] says it.  A published id stays: docs/operations.txt
 * has them all, and t/ops/operation_ids.t compares.
 */
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "lib/base/jx.h"

/* The catalogue's domains: what one of it is called, and what it is. */
static const struct domain {
	const char *name, *one, *about;
} domains[] = {
	{ "activity", "activity", "what happened, newest first" },
	{ "admin", "setting", "the administration of a tenant and of its users" },
	{ "agents", "agent", "programs that act for people, and what they may" },
	{ "ai", "completion", "language models: completions, embeddings, and what they cost" },
	{ "analytics", "report", "figures over time" },
	{ "apikeys", "api_key", "keys by which pages and servers call" },
	{ "artifacts", "artifact", "what was made by a run, in versions" },
	{ "auth", "token", "tokens that programs call with" },
	{ "billing", "subscription", "plans, subscriptions, invoices and payments" },
	{ "brand", "brand", "how a workspace looks and speaks" },
	{ "channels", "channel", "where messages of people outside come in and go out" },
	{ "chat", "conversation", "conversations and their messages" },
	{ "contact", "contact_form", "what visitors write to a tenant" },
	{ "credits", "credit", "what is paid for ahead, and used" },
	{ "crm", "contact", "people and companies that a workspace deals with" },
	{ "documents", "document", "documents, their versions and who reads them" },
	{ "entities", "entity", "kinds of records that a tenant defines" },
	{ "files", "file", "files that are kept, and addresses to bring and fetch them" },
	{ "flags", "feature_flag", "features that are on for some" },
	{ "goals", "goal", "what a company, a team or one person wants to reach, and how far it is" },
	{ "health", "health", "whether it works, its figures, and this reference" },
	{ "identity", "session",
	  "accounts: signing up and in, passwords, second factors, passkeys, sessions" },
	{ "imports", "import", "data that comes from elsewhere" },
	{ "integrations", "integration", "services of others that a workspace is joined to" },
	{ "investment", "investment", "what is invested in, by whom, and what comes of it" },
	{ "jobs", "job", "work that is done later: queues, jobs, schedules" },
	{ "lms", "course", "courses, lessons, and how far who learns is" },
	{ "logs", "log", "what programs wrote into their logs, as they sent it" },
	{ "maps", "map", "places and areas" },
	{ "meetings", "meeting", "meetings, who takes part, and what was said" },
	{ "modules", "module", "parts of the product that a workspace has switched on" },
	{ "notifications", "notification", "what somebody is told, where, and what they want to be told" },
	{ "onboarding", "onboarding", "the first steps of a workspace" },
	{ "operators", "operator", "who runs the installation" },
	{ "ops", "operation", "the installation itself: hosts, backups, logs" },
	{ "organizations", "organization", "organizations, their members, departments and invitations" },
	{ "permissions", "permission", "what roles may do" },
	{ "pipelines", "pipeline", "stages that deals go through" },
	{ "products", "product", "what is sold" },
	{ "projects", "project", "projects of a user" },
	{ "publicdata", "dataset", "data of public registers" },
	{ "realtime", "connection", "WebSockets and event streams: what has changed, as it happens" },
	{ "records", "record", "records of the kinds that a workspace has defined" },
	{ "sampling", "sampling", "which spans a project keeps" },
	{ "search", "result", "one search over all there is" },
	{ "tasks", "task", "tasks of people" },
	{ "teams", "team", "teams and their members" },
	{ "traces", "trace", "what a program did, step by step" },
	{ "underwriting", "case", "cases in which a risk is judged" },
	{ "usage", "usage", "what was used, and how much of it there is" },
	{ "users", "user", "users of a tenant" },
	{ "webhooks_in", "webhook", "what services of others tell" },
	{ "webhooks_out", "webhook", "endpoints that are told of events, and what they were sent" },
};

/* Verb and noun of rows whose catalogue id has no such words. */
static const struct {
	const char *id, *name;
} names[] = {
	{ "app.ai.chat", "create_chat" },
	{ "operations.apikeys.list_usage", "list_api_key_uses" },
	{ "app.ai.chat_routed", "create_routed_chat" },
	{ "operations.files.search", "find_files" },
	{ "operations.files.upsert", "set_file" },
	{ "operations.ops.rollback_credential", "restore_credential" },
	{ "operations.ops.upsert_credential", "set_credential" },
	{ "platform.ai.completions", "create_completion" },
	{ "app.billing.get_portal", "get_billing_portal" },
	{ "app.billing.get_status", "get_billing_status" },
	{ "observability.billing.preview_member_cost", "get_member_cost" },
	{ "observability.billing.reactivate_subscription", "resume_subscription" },
	{ "observability.billing.validate_discount_code", "check_discount_code" },
	{ "observability.logs.ingest", "submit_log_records" },
	{ "observability.logs.ingest_otlp", "submit_otlp_log_records" },
	{ "observability.organizations.accept_invite_post", "accept_invite_by_post" },
	{ "observability.organizations.change_member_role_post", "change_member_role_by_post" },
	{ "observability.organizations.create_post", "create_organization_by_post" },
	{ "observability.organizations.remove_member_post", "remove_member_by_post" },
	{ "observability.organizations.update_post", "update_organization_by_post" },
	{ "observability.projects.delete_post", "delete_project_by_post" },
	{ "observability.projects.regenerate_key", "renew_project_key" },
	{ "observability.projects.update_post", "update_project_by_post" },
	{ "observability.traces.export_traces", "get_exported_traces" },
	{ "observability.traces.get_by_path", "get_found_trace" },
	{ "observability.traces.get_project_metrics_by_path", "get_metrics_of_project" },
	{ "observability.traces.ingest", "submit_spans" },
	{ "observability.traces.ingest_otlp", "submit_otlp_spans" },
	{ "observability.traces.list_by_path", "list_project_traces" },
	{ "observability.users.complete_survey_post", "complete_survey_by_post" },
	{ "observability.users.update_me_post", "update_me_by_post" },
	{ "observability.webhooks_in.receive_stripe", "receive_stripe_webhook" },
	{ "platform.agents.chat", "create_agent_execution" },
	{ "platform.agents.create_conversation", "create_agent_conversation" },
	{ "platform.agents.dashboard_create_agent", "create_dashboard_agent" },
	{ "platform.agents.dashboard_create_external_agent", "create_dashboard_external_agent" },
	{ "platform.agents.dashboard_delete_agent", "delete_dashboard_agent" },
	{ "platform.agents.dashboard_list_agents", "list_dashboard_agents" },
	{ "platform.agents.dashboard_list_external_agents", "list_dashboard_external_agents" },
	{ "platform.agents.dashboard_update_agent", "update_dashboard_agent" },
	{ "platform.agents.dashboard_update_external_agent", "update_dashboard_external_agent" },
	{ "platform.agents.end_conversation", "delete_agent_conversation" },
	{ "platform.agents.get_conversation", "get_agent_conversation" },
	{ "platform.agents.history", "list_agent_executions" },
	{ "platform.agents.list_available", "list_available_agents" },
	{ "platform.agents.list_conversations", "list_agent_conversations" },
	{ "platform.agents.report_external_call", "create_external_agent_call" },
	{ "platform.analytics.analytics_overview", "get_analytics_overview" },
	{ "platform.analytics.analytics_usage", "get_analytics_usage" },
	{ "platform.billing.assign_user_plan", "set_user_plan" },
	{ "platform.billing.billing_history", "list_payments" },
	{ "platform.billing.cancel_subscription", "cancel_subscription_by_id" },
	{ "platform.billing.checkout", "create_checkout" },
	{ "platform.billing.dashboard_create_plan", "create_dashboard_plan" },
	{ "platform.billing.dashboard_list_plans", "list_dashboard_plans" },
	{ "platform.billing.dashboard_update_plan", "update_dashboard_plan" },
	{ "platform.billing.subscribe_org", "create_org_subscription" },
	{ "platform.entities.create_record", "create_entity_record" },
	{ "platform.entities.create_schema", "create_entity_schema" },
	{ "platform.entities.dashboard_list_schemas", "list_dashboard_entity_schemas" },
	{ "platform.entities.dashboard_search_records", "find_dashboard_entity_records" },
	{ "platform.entities.delete_record", "delete_entity_record" },
	{ "platform.entities.delete_schema", "delete_entity_schema" },
	{ "platform.entities.get_record", "get_entity_record" },
	{ "platform.entities.get_schema", "get_entity_schema" },
	{ "platform.entities.list_schemas", "list_entity_schemas" },
	{ "platform.entities.search_records", "find_entity_records" },
	{ "platform.entities.update_record", "update_entity_record" },
	{ "platform.entities.update_schema", "update_entity_schema" },
	{ "platform.files.dashboard_delete_file", "delete_dashboard_file" },
	{ "platform.files.dashboard_list_files", "list_dashboard_files" },
	{ "platform.files.dashboard_update_file", "update_dashboard_file" },
	{ "platform.files.dashboard_upload_file", "upload_dashboard_file" },
	{ "platform.files.download_shared", "download_shared_file" },
	{ "platform.files.list_shared", "list_shared_files" },
	{ "platform.webhooks_in.stripe_webhook", "receive_stripe_webhook" },
	{ "app.admin.list_webhook_events", "list_received_webhooks" },
	{ "app.admin.get_webhook_event", "get_received_webhook" },
	{ "app.admin.replay_webhook_event", "replay_received_webhook" },
	{ "app.billing.get_portal", "get_billing_portal" },
	{ "app.billing.get_status", "get_billing_status" },
	{ "app.realtime.connect", "open_websocket" },
	{ "app.realtime.listen", "open_event_stream" },
	{ "app.realtime.ticket", "create_websocket_ticket" },
	{ "app.usage.admin_get_user_summary", "get_user_usage_summary" },
	{ "app.usage.admin_list_top_users", "list_top_users" },
	{ "app.usage.get_breakdown", "get_usage_breakdown" },
	{ "app.usage.get_current_period", "get_current_usage_period" },
	{ "app.usage.get_daily", "get_daily_usage" },
	{ "app.usage.get_summary", "get_usage_summary" },
	{ "app.usage.get_trends", "get_usage_trends" },
	{ "app.usage.list_metrics", "list_usage_metrics" },
	{ "app.webhooks_in.receive_apple", "receive_apple_webhook" },
	{ "app.webhooks_in.receive_clerk", "receive_clerk_webhook" },
	{ "app.webhooks_in.receive_google", "receive_google_webhook" },
	{ "app.webhooks_in.receive_stripe", "receive_stripe_webhook" },
	{ "app.webhooks_in.receive_supabase", "receive_supabase_webhook" },
	{ "operations.agents.list_discovery_engines", "list_discovery_engines" },
	{ "operations.agents.create_discovery_engine", "create_discovery_engine" },
	{ "operations.agents.get_discovery_efficiency", "list_discovery_reports" },
	{ "operations.agents.get_discovery_engine", "get_discovery_engine" },
	{ "operations.agents.update_discovery_engine", "update_discovery_engine" },
	{ "operations.agents.delete_discovery_engine", "delete_discovery_engine" },
	{ "operations.agents.run_discovery_engine", "create_discovery_run" },
	{ "operations.agents.list_public", "list_public_agents" },
	{ "operations.agents.create_public", "create_public_agent" },
	{ "operations.agents.get_public", "get_public_agent" },
	{ "operations.agents.update_public", "update_public_agent" },
	{ "operations.agents.deactivate_public", "deactivate_public_agent" },
	{ "operations.agents.list_templates", "list_agent_templates" },
	{ "operations.agents.create_template", "create_agent_template" },
	{ "operations.agents.get_template", "get_agent_template" },
	{ "operations.agents.update_template", "update_agent_template" },
	{ "operations.agents.archive_template", "archive_agent_template" },
	{ "operations.billing.change_plan", "change_tier" },
	{ "operations.billing.create_checkout", "create_tier_checkout" },
	{ "operations.billing.create_portal", "create_tier_portal" },
	{ "operations.billing.create_payment_intent", "create_token_payment" },
	{ "operations.billing.get_overview", "get_billing_overview" },
	{ "operations.billing.get_plan_summary", "get_tier_summary" },
	{ "operations.billing.get_pricing", "get_tier_prices" },
	{ "operations.billing.get_subscription", "get_tier_subscription" },
	{ "operations.billing.get_usage", "get_tier_usage" },
	{ "operations.billing.validate_downgrade", "check_tier_downgrade" },
	{ "operations.identity.forgot_password", "request_password_reset" },
	{ "operations.identity.login", "login_account" },
	{ "operations.identity.register", "register_account" },
	{ "operations.notifications.list", "list_tenant_notifications" },
	{ "operations.notifications.create", "create_tenant_notification" },
	{ "operations.notifications.get_unread_count", "get_tenant_unread_count" },
	{ "operations.notifications.mark_all_read", "read_all_tenant_notifications" },
	{ "operations.notifications.mark_read", "read_tenant_notification" },
	{ "operations.tasks.list", "list_tenant_tasks" },
	{ "operations.tasks.create", "create_tenant_task" },
	{ "operations.tasks.get", "get_tenant_task" },
	{ "operations.tasks.delete", "delete_tenant_task" },
	{ "operations.tasks.list_public", "list_public_tasks" },
	{ "operations.tasks.create_public", "create_public_task" },
	{ "operations.tasks.get_public", "get_public_task" },
	{ "operations.tasks.update_public", "update_public_task" },
	{ "operations.tasks.cancel_public", "cancel_public_task" },
	{ "operations.teams.list", "list_tenant_teams" },
	{ "operations.teams.create", "create_tenant_team" },
	{ "operations.teams.get", "get_tenant_team" },
	{ "operations.teams.update", "update_tenant_team" },
	{ "operations.teams.delete", "delete_tenant_team" },
	{ "operations.teams.list_members", "list_tenant_team_members" },
	{ "operations.teams.add_member", "add_tenant_team_member" },
	{ "operations.teams.update_member", "update_tenant_team_member" },
	{ "operations.teams.remove_member", "remove_tenant_team_member" },
	{ "operations.teams.list_invites", "list_tenant_team_invites" },
	{ "operations.teams.create_invite", "create_tenant_team_invite" },
	{ "operations.webhooks_in.receive_stripe", "receive_stripe_webhook" },
	{ "platform.admin.get_settings", "get_tenant_settings" },
	{ "platform.admin.issuer_create", "create_issuer" },
	{ "platform.admin.issuer_delete", "delete_issuer" },
	{ "platform.admin.issuer_list", "list_issuers" },
	{ "platform.admin.issuer_update", "update_issuer" },
	{ "platform.admin.put_oauth_provider", "update_oauth_provider" },
	{ "platform.admin.update_settings", "update_tenant_settings" },
	{ "platform.billing.billing_history", "list_payments" },
	{ "platform.billing.checkout", "create_checkout" },
	{ "platform.billing.dashboard_create_plan", "create_dashboard_plan" },
	{ "platform.billing.dashboard_list_plans", "list_dashboard_plans" },
	{ "platform.billing.dashboard_update_plan", "update_dashboard_plan" },
	{ "platform.identity.forgot_password", "request_password_reset" },
	{ "platform.identity.get_export", "get_account_export" },
	{ "platform.identity.google_callback", "receive_google_callback" },
	{ "platform.identity.google_url", "get_google_url" },
	{ "platform.identity.invitation_accept", "accept_mailed_invitation" },
	{ "platform.identity.invitation_decline", "decline_mailed_invitation" },
	{ "platform.identity.invitation_register", "register_invited_user" },
	{ "platform.identity.invitation_sign_in", "login_invited_user" },
	{ "platform.identity.login", "login_user" },
	{ "platform.identity.logout", "logout_user" },
	{ "platform.identity.mailed_link", "read_mailed_link" },
	{ "platform.identity.me", "get_me" },
	{ "platform.identity.mfa_activate", "activate_totp" },
	{ "platform.identity.mfa_disable", "disable_totp" },
	{ "platform.identity.mfa_enrol", "enrol_totp" },
	{ "platform.identity.mfa_get", "get_mfa" },
	{ "platform.identity.mfa_recovery_codes", "renew_recovery_codes" },
	{ "platform.identity.mfa_verify", "verify_mfa" },
	{ "platform.identity.passkey_authentication_options", "begin_passkey_login" },
	{ "platform.identity.passkey_create", "create_passkey" },
	{ "platform.identity.passkey_delete", "delete_passkey" },
	{ "platform.identity.passkey_list", "list_passkeys" },
	{ "platform.identity.passkey_login", "finish_passkey_login" },
	{ "platform.identity.passkey_registration_options", "begin_passkey_registration" },
	{ "platform.identity.passkey_update", "update_passkey" },
	{ "platform.identity.providers", "list_sign_in_providers" },
	{ "platform.identity.refresh", "refresh_token" },
	{ "platform.identity.register", "register_user" },
	{ "platform.identity.start_export", "start_account_export" },
	{ "platform.identity.tenant_accept_invitation", "accept_team_invitation" },
	{ "platform.identity.tenant_change_password", "change_team_password" },
	{ "platform.identity.tenant_forgot_password", "request_team_password_reset" },
	{ "platform.identity.tenant_login", "login_team_user" },
	{ "platform.identity.tenant_logout", "logout_team_user" },
	{ "platform.identity.tenant_me", "get_team_me" },
	{ "platform.identity.tenant_mfa_activate", "activate_team_totp" },
	{ "platform.identity.tenant_mfa_codes", "renew_team_recovery_codes" },
	{ "platform.identity.tenant_mfa_disable", "disable_team_totp" },
	{ "platform.identity.tenant_mfa_enrol", "enrol_team_totp" },
	{ "platform.identity.tenant_mfa_get", "get_team_mfa" },
	{ "platform.identity.tenant_mfa_verify", "verify_team_mfa" },
	{ "platform.identity.tenant_refresh", "refresh_team_token" },
	{ "platform.identity.tenant_register", "register_tenant" },
	{ "platform.identity.tenant_reset_password", "reset_team_password" },
	{ "platform.ops.call_mcp", "submit_mcp_message" },
	{ "platform.ops.openapi_json", "get_openapi" },
	{ "platform.ops.redoc", "get_redoc" },
	{ "platform.ops.swagger_ui", "get_swagger_ui" },
	{ "platform.organizations.dashboard_create_department", "create_department" },
	{ "platform.organizations.invite", "invite_member" },
	{ "platform.organizations.list_mine", "list_my_organizations" },
	{ "platform.organizations.set_default", "set_default_organization" },
	{ "platform.teams.list_team", "list_team_members" },
	{ "platform.usage.current", "get_current_usage" },
	{ "platform.usage.entity_usage", "get_entity_usage" },
	{ "platform.usage.history", "get_usage_history" },
	{ "platform.usage.receive_events", "receive_usage_events" },
	{ "platform.usage.stats", "get_usage_stats" },
	{ "platform.usage.create_meter", "create_usage_meter" },
	{ "platform.usage.delete_meter", "delete_usage_meter" },
	{ "platform.usage.get_meter", "get_usage_meter" },
	{ "platform.usage.get_meter_usage", "get_usage_of_meter" },
	{ "app.usage.list_days", "list_usage_days" },
	{ "platform.usage.list_days", "list_usage_days" },
	{ "platform.usage.list_dashboard_days", "list_dashboard_usage_days" },
	{ "platform.usage.list_org_days", "list_organization_usage_days" },
	{ "platform.usage.list_limits", "list_usage_limits" },
	{ "platform.usage.get_limit", "get_usage_limit" },
	{ "platform.usage.put_limit", "put_usage_limit" },
	{ "platform.usage.delete_limit", "delete_usage_limit" },
	{ "platform.usage.list_dashboard_limits", "list_dashboard_usage_limits" },
	{ "platform.usage.get_dashboard_limit", "get_dashboard_usage_limit" },
	{ "platform.usage.put_dashboard_limit", "put_dashboard_usage_limit" },
	{ "platform.usage.delete_dashboard_limit", "delete_dashboard_usage_limit" },
	{ "platform.usage.list_meters", "list_usage_meters" },
	{ "platform.usage.receive_events", "receive_usage_events" },
	{ "platform.usage.update_meter", "update_usage_meter" },
	{ "platform.users.stats", "get_user_stats" },
	{ "platform.users.update_settings", "update_user_settings" },
	{ "platform.webhooks_out.events", "list_webhook_events" },
	{ "platform.webhooks_out.get_delivery", "get_webhook_delivery" },
	{ "platform.webhooks_out.list_deliveries", "list_webhook_deliveries" },
	{ "platform.webhooks_out.redeliver", "redeliver_webhook_delivery" },
	{ "platform.webhooks_out.regenerate_secret", "renew_webhook_secret" },
	{ "workspace.activity.get_feed", "list_activities" },
	{ "workspace.activity.get_stats", "get_activity_stats" },
	{ "workspace.activity.start_export", "start_activity_export" },
	{ "workspace.activity.list_history", "list_past_activities" },
	{ "workspace.health.trigger_migration", "start_migration" },
	{ "workspace.permissions.list_access_review", "list_access_ways" },
	{ "workspace.imports.analyze_import_file", "check_import_file" },
	{ "workspace.imports.cancel_all_jobs", "cancel_import_jobs" },
	{ "workspace.imports.cancel_job", "cancel_import_job" },
	{ "workspace.imports.create_from_import", "create_imported_recordset" },
	{ "workspace.imports.create_upload_url", "create_import_upload_url" },
	{ "workspace.imports.delete_job", "delete_import_job" },
	{ "workspace.imports.download_error_report", "download_import_report" },
	{ "workspace.imports.export_recordset", "start_record_export" },
	{ "workspace.imports.get_job", "get_import_job" },
	{ "workspace.imports.get_report_url", "get_import_report_url" },
	{ "workspace.imports.import_into_recordset", "start_import" },
	{ "workspace.imports.list_jobs", "list_import_jobs" },
	{ "workspace.imports.undo_job", "undo_import_job" },
	{ "workspace.goals.update_progress", "update_goal_progress" },
	{ "workspace.identity.exchange_impersonation_token", "create_impersonated_session" },
	{ "workspace.identity.lookup_invite", "find_invite" },
	{ "workspace.identity.signup", "create_account" },
	{ "workspace.identity.signup_stripe_invite", "accept_stripe_invite" },
	{ "workspace.identity.signup_stripe_invite_async", "start_stripe_invite" },
	{ "workspace.identity.stream_signup_job", "stream_signup" },
	{ "workspace.identity.validate_activation", "check_account_activation" },
	{ "workspace.notifications.archive", "archive_notification" },
	{ "workspace.notifications.bulk_update_preferences", "update_preferences" },
	{ "workspace.notifications.get_counts", "count_notifications" },
	{ "workspace.notifications.get_unsubscribe", "get_mailed_notifications" },
	{ "workspace.notifications.list_archived", "list_archived_notifications" },
	{ "workspace.notifications.list_snoozed", "list_snoozed_notifications" },
	{ "workspace.notifications.mark_read", "mark_notifications_read" },
	{ "workspace.permissions.explain_permission", "get_permission_explanation" },
	{ "workspace.notifications.stream", "stream_notifications" },
	{ "workspace.notifications.snooze", "snooze_notification" },
	{ "workspace.notifications.unarchive", "unarchive_notification" },
	{ "workspace.notifications.unsubscribe", "stop_mailed_notifications" },
	{ "workspace.organizations.list_members_compact", "list_compact_members" },
	{ "workspace.organizations.send_member_password_reset", "request_member_password_reset" },
	{ "workspace.organizations.show_workspace_selector", "get_workspace_selector" },
	{ "workspace.webhooks_out.count", "count_webhooks" },
	{ "workspace.webhooks_out.events", "list_webhook_events" },
	{ "workspace.webhooks_out.get_delivery", "get_webhook_delivery" },
	{ "workspace.webhooks_out.list_deliveries", "list_webhook_deliveries" },
	{ "workspace.webhooks_out.redeliver", "redeliver_webhook_delivery" },
	{ "workspace.webhooks_out.regenerate_secret", "renew_webhook_secret" },
	{ "workspace.records.convert_field", "convert_recordset_field" },
	{ "workspace.records.crud_list_recordsets", "list_crud_recordsets" },
	{ "workspace.records.crud_get_recordset", "get_crud_recordset" },
	{ "workspace.records.crud_create_recordset", "create_crud_recordset" },
	{ "workspace.records.crud_replace_recordset", "replace_crud_recordset" },
	{ "workspace.records.crud_patch_recordset", "patch_crud_recordset" },
	{ "workspace.records.crud_delete_recordset", "delete_crud_recordset" },
	{ "workspace.records.crud_list_records", "list_crud_records" },
	{ "workspace.records.resync_promoted_columns", "refresh_promoted_columns" },
	{ "workspace.records.enable_map_mode", "activate_recordset_map" },
	{ "workspace.records.crud_get_record", "get_crud_record" },
	{ "workspace.records.crud_create_record", "create_crud_record" },
	{ "workspace.records.crud_replace_record", "replace_crud_record" },
	{ "workspace.records.crud_patch_record", "patch_crud_record" },
	{ "workspace.records.crud_delete_record", "delete_crud_record" },
	{ "workspace.records.crud_sync_record_counts", "refresh_record_counts" },
	{ "workspace.records.bulk_delete_records", "delete_many_records" },
	{ "workspace.records.stream_map_records", "stream_record_map" },
	{ "workspace.records.spatial_filter_records", "find_records_by_space" },
	{ "workspace.records.list_record_history", "list_record_versions" },
	{ "workspace.records.batch_records", "create_record_batch" },
	{ "workspace.records.list_attachments", "list_record_attachments" },
	{ "workspace.records.upload_attachment", "create_record_attachment" },
	{ "workspace.records.delete_attachment", "delete_record_attachment" },
	{ "workspace.records.log_interaction", "create_record_interaction" },
	{ "workspace.records.list_interactions", "list_record_interactions" },
	{ "workspace.records.update_interaction", "update_record_interaction" },
	{ "workspace.records.delete_interaction", "delete_record_interaction" },
	{ "workspace.records.list_insights", "list_record_insights" },
	{ "workspace.records.action_insight", "complete_record_insight" },
	{ "workspace.records.dismiss_insight", "dismiss_record_insight" },
};

/* The second word of a catalogue id, of *n bytes. */
static const char *domain_of(const struct route *r, size_t *n)
{
	const char *p = strchr(r->id, '.') + 1;

	*n = strcspn(p, ".");
	return p;
}

/* NULL: no row had it when this was written. */
static const struct domain *domain_find(const struct route *r)
{
	size_t n;
	const char *name = domain_of(r, &n);

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		if (strlen(domains[i].name) == n && !memcmp(domains[i].name, name, n))
			return &domains[i];
	return NULL;
}

/* "list" is of many: list_projects, but get_project. */
static const char *with_noun(struct arena *a, const struct route *r, const char *verb)
{
	const struct domain *d = domain_find(r);
	const char *one;
	size_t n;

	if (!d) {
		one = domain_of(r, &n);
		return arena_fmt(a, "%s_%.*s", verb, (int)n, one);
	}
	one = d->one;
	n = strlen(one);
	if (strcmp(verb, "list") != 0)
		return arena_fmt(a, "%s_%s", verb, one);
	return one[n - 1] == 'y' && !strchr("aeiou", one[n - 2])
		       ? arena_fmt(a, "%s_%.*sies", verb, (int)n - 1, one)
		       : arena_fmt(a, "%s_%ss", verb, one);
}

/* Verb and noun of a row. */
static const char *name_of(struct arena *a, const struct route *r)
{
	const char *action = strrchr(r->id, '.') + 1;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i].id, r->id))
			return names[i].name;
	return strchr(action, '_') ? action : with_noun(a, r, action);
}

const char *openapi_operation_id(struct arena *a, const struct route *r, int version)
{
	const char *name = name_of(a, r), *surface = surface_of(r->id)->name;
	int verb = (int)strcspn(name, "_");

	name = arena_fmt(a, "%.*s_%s%s", verb, name, surface, name + verb);
	return version > 1 ? arena_fmt(a, "%s_v%d", name, version) : name;
}

/* A tenant's team has other credentials than its users, and clients that are generated keep them apart. */
static bool is_of_dashboard(const struct route *r)
{
	return !strncmp(r->path, "/api/v1/dashboard/", 18);
}

const char *openapi_tag(struct arena *a, const struct route *r)
{
	size_t n;
	const char *name = domain_of(r, &n);

	if (is_of_dashboard(r))
		return arena_fmt(a, "%s dashboard", surface_of(r->id)->name);
	return arena_fmt(a, "%s %.*s", surface_of(r->id)->name, (int)n, name);
}

void openapi_tags(struct buf *b, const struct surface *surface)
{
	const struct route *r;
	struct map seen;

	map_init(&seen, b->arena);
	jx_key_open(b, "tags", '[');
	for (int i = 0; (r = route_at(i)); i++) {
		const char *tag = openapi_tag(b->arena, r);
		const struct domain *d = domain_find(r);
		const char *about = is_of_dashboard(r) ? "what a tenant's team does" : d ? d->about : NULL;
		void **place;

		if (!openapi_is_of(r, surface))
			continue;
		place = map_at(&seen, tag, strlen(tag));
		if (*place)
			continue;
		*place = &seen;
		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "name", tag);
		if (about)
			jx_key_str(b, "description",
				   arena_fmt(b->arena, "The %s surface (%s): %s.", surface_of(r->id)->name,
					     surface_of(r->id)->about, about));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}
