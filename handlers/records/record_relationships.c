/* Relationships of records: that one has to do with another, of the same recordset or not. */
#include "build/sql/records/record_relationships.h"
#include "fcgi/route.h"

/* clang-format off */
static const char *const directions[] = { "outgoing", "incoming", NULL };
static const char *const states[] = { "active", "draft", "archived", NULL };

static const struct field related[] = {
	{ "id",             F_UUID, 0, .example = "record pier" },
	{ "title",          F_TEXT, F_NULL, .example = "Under the pier" },
	{ "recordset_id",   F_UUID, 0 },
	{ "recordset_slug", F_SLUG, 0, .example = "soundings" },
	{ "status",         F_ENUM, 0, .values = states },
	FIELD_END
};

static const struct field relationship[] = {
	{ "id",                F_UUID,     OUT, .example = "relationship" },
	{ "source_record_id",  F_UUID,     OUT, .example = "record" },
	{ "target_record_id",  F_UUID,     OUT | NEW | NEEDED, .example = "record pier" },
	{ "relationship_type", F_TEXT,     OUT | NEW, .min = 1, .max = 100, .def = "related", .about = "of one type there is one from a record to another", .example = "deeper than" },
	{ "label",             F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 255, .example = "by two metres" },
	{ "metadata",          F_OBJECT,   OUT | NEW, .about = "of the product's own, up to 16 KiB", .example = "{\"by\":2}" },
	{ "direction",         F_ENUM,     OUT, .values = directions, .about = "seen from the record of the path" },
	{ "related_record",    F_OBJECT,   OUT, .fields = related, .about = "the other one" },
	{ "created_by_id",     F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct shape relationship_shape = { "RecordRelationship", relationship };

static const struct constraint constraints[] = {
	{ "record_relationships_unique",        ERR_CONFLICT,   "target_record_id", "there is such a relationship already" },
	{ "record_relationships_metadata_size", ERR_VALIDATION, "metadata", "metadata may have 16 KiB" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/records/{record_id}/relationships"

const struct route record_relationship_routes[] = {
	{ GET,  BASE, "workspace.records.list_record_relationships",  &by_member, "List a record's relationships", "Both ways, the oldest first; without those to records that the caller may not see. Needs can_view on its recordset.",
	  .out = &relationship_shape, .list = &unwrapped, .errors = refused, .sql = &q_record_relationship_list },
	{ POST, BASE, "workspace.records.create_record_relationship", &by_member, "Relate a record to another", "Needs can_edit, or can_edit_own of who made or owns this record, and can_view on the other one's recordset.",
	  .body = relationship, .as = NEW, .out = &relationship_shape, .constraints = constraints, .errors = refused, .sql = &q_record_relationship_create },
	ROUTE_END
};
/* clang-format on */
