/* Interactions: what was said and done with whom a record is about, as a timeline. */
#include "build/sql/records/record_interactions.h"
#include "fcgi/route.h"
#include "handlers/records/record_tracking.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const char *const types[] = { "call", "email", "meeting", "note", "sms", "site_visit", "other", NULL };
static const char *const directions[] = { "inbound", "outbound", "internal", NULL };
static const char *const sentiments[] = { "positive", "neutral", "negative", NULL };

static const struct field find_in[] = { { "interaction_type", F_ENUM, F_RARE, .values = types }, FIELD_END };

static const struct field one_participant = { "participants", F_TEXT, 0, .min = 1, .max = 255, .example = "Theo" };

const struct field record_interaction[] = {
	{ "id",               F_UUID,     OUT, .example = "interaction" },
	{ "record_id",        F_UUID,     OUT },
	{ "interaction_type", F_ENUM,     OUT | NEW | SET | NEEDED, .values = types },
	{ "direction",        F_ENUM,     OUT | NEW | SET, .values = directions, .def = "outbound", .example = "inbound" },
	{ "subject",          F_TEXT,     OUT | NEW | SET | F_NULL, .max = 500, .example = "The new buoy" },
	{ "content",          F_TEXT,     OUT | NEW | SET | F_NULL, .max = 50000, .example = "They want it laid before June." },
	{ "outcome",          F_TEXT,     OUT | NEW | SET | F_NULL, .max = 500, .example = "An offer is due" },
	{ "sentiment",        F_ENUM,     OUT | NEW | SET | F_NULL, .values = sentiments },
	{ "occurred_at",      F_DATETIME, OUT | NEW | SET, .about = "now, unless given", .example = "2026-11-02T09:30:00Z" },
	{ "duration_minutes", F_INT,      OUT | NEW | SET | F_NULL, .max = 525600, .example = "20" },
	{ "participants",     F_LIST,     OUT | NEW | SET, .item = F_TEXT, .each = &one_participant, .max = 100, .example = "[\"Theo\"]" },
	{ "metadata",         F_OBJECT,   OUT | NEW | SET, .about = "of the product's own, up to 16 KiB", .example = "{\"line\":\"harbour\"}" },
	{ "created_by",       F_OBJECT,   OUT | F_NULL, .fields = member_ref, .about = "null: one who has left" },
	{ "created_at",       F_DATETIME, OUT },
	{ "updated_at",       F_DATETIME, OUT },
	FIELD_END
};

static const struct shape interaction_shape = { "RecordInteraction", record_interaction, "Interaction" };

static const struct constraint constraints[] = {
	{ "record_interactions_metadata_size", ERR_VALIDATION, "metadata", "metadata may have 16 KiB" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/record-tracking/{record_id}/interactions"
#define ONE  "/api/v1/record-tracking/interactions/{interaction_id}"
#define MINE "For who logged it, and with can_edit on the recordset for all."

const struct route record_interaction_routes[] = {
	{ GET,    BASE, "workspace.records.list_interactions",  &by_member, "List a record's interactions", "The last one first. Needs can_view on its recordset.",
	  .query = find_in, .out = &interaction_shape, .list = &numbered, .size = { 50, 200 }, .errors = refused, .sql = &q_record_interaction_list },
	{ POST,   BASE, "workspace.records.log_interaction",    &by_member, "Log an interaction", "Needs can_edit on the recordset, or can_edit_own of who made or owns the record.",
	  .body = record_interaction, .as = NEW, .out = &interaction_shape, .constraints = constraints, .errors = refused, .sql = &q_record_interaction_create, .status = 200 },
	{ PUT,    ONE,  "workspace.records.update_interaction", &by_member, "Change an interaction", MINE,
	  .body = record_interaction, .as = SET, .out = &interaction_shape, .constraints = constraints, .errors = refused, .sql = &q_record_interaction_update },
	{ DELETE, ONE,  "workspace.records.delete_interaction", &by_member, "Delete an interaction", MINE,
	  .out = &record_tracking_deleted, .errors = refused, .sql = &q_record_interaction_delete },
	ROUTE_END
};
/* clang-format on */
