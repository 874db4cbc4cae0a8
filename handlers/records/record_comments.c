/* Comments on records. Who may see a record may say something about it. */
#include "build/sql/records/record_comments.h"
#include "fcgi/route.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const struct field comment[] = {
	{ "id",                F_UUID,     OUT, .example = "comment" },
	{ "record_id",         F_UUID,     OUT },
	{ "content",           F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 10000, .example = "The lead came up with shells." },
	{ "parent_comment_id", F_UUID,     OUT | NEW | F_NULL_OUT | F_RARE, .about = "the one that this answers, on the same record", .example = "comment" },
	{ "mentions",          F_LIST,     OUT | NEW | SET | F_RARE, .item = F_UUID, .max = 100, .about = "members, who are notified if they may see the record" },
	{ "author",            F_OBJECT,   OUT | F_NULL, .fields = member_ref, .about = "null: one who has left" },
	{ "created_at",        F_DATETIME, OUT },
	{ "updated_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct shape comment_shape = { "RecordComment", comment };

static const struct constraint constraints[] = {
	{ "comments_parent", ERR_NOT_FOUND, "parent_comment_id", "Comment not found" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/records/{record_id}/comments"
#define VIEW "Needs can_view on its recordset."

const struct route record_comment_routes[] = {
	{ GET,  BASE, "workspace.records.list_record_comments",  &by_member, "List a record's comments", "The oldest first. " VIEW,
	  .out = &comment_shape, .list = &unwrapped, .errors = refused, .sql = &q_record_comment_list },
	{ POST, BASE, "workspace.records.create_record_comment", &by_member, "Comment on a record", VIEW " Who owns the record is notified, and who is mentioned.",
	  .body = comment, .as = NEW, .out = &comment_shape, .constraints = constraints, .errors = refused, .sql = &q_record_comment_create },
	{ PATCH, BASE "/{comment_id}",  "workspace.records.update_record_comment", &by_member, "Change a comment on a record", "One's own. Who is mentioned only now is notified.",
	  .needs = { "a comment of one's own", ERR_AUTHORIZATION }, .body = comment, .as = SET, .out = &comment_shape, .errors = refused, .sql = &q_record_comment_update },
	{ DELETE, BASE "/{comment_id}", "workspace.records.delete_record_comment", &by_member, "Delete a comment on a record", "One's own, or with can_admin on the recordset. Answers to it answer what it answered.",
	  .out = &comment_shape, .errors = refused, .sql = &q_record_comment_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
